/* Sort, top-n, limit, unique, append. */
#include "exec_internal.h"
#include "type.h"
#include <stdlib.h>
#include <string.h>

lg_status
lg_xsort_keys(lg_exec *x, const lg_node_sortkey *keys, uint32_t n, lg_xsort_key **ret)
{
    lg_xsort_key *k = LG_NEWN(x->arena, lg_xsort_key, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        k[i].slot = keys[i].slot;
        k[i].cmp = lg_type_compare_fn(keys[i].type);
        k[i].desc = keys[i].desc;
        k[i].nulls_first = keys[i].nulls_first;
        if (!k[i].cmp)
            return lg_error_set(x->es->err, "42883",
                                "could not identify an ordering operator for type %s",
                                lg_type_format(x->arena, keys[i].type, -1));
    }
    *ret = k;
    return LG_OK;
}

struct sort {
    lg_exec *x;
    lg_xstore store;
    size_t told, peak; /* memory */
    lg_xsort_key *keys;
    lg_xcursor at;
    bool sorted, bounded;
    lg_xextsort *ext; /* runs on a temporary file */
    const lg_oid *types;
    lg_datum **rows; /* a batch of the merge */
    uint64_t given, keep;
};

static lg_status
sort_rows(struct sort *t, uint32_t nkeys)
{
    if (t->peak < t->told)
        t->peak = t->told;
    return lg_xsort_rows(t->x, t->keys, nkeys, t->store.rows, t->store.n, t->store.ncols);
}

static void
sort_space(lg_xnode *s, lg_xspace *ret)
{
    const struct sort *t = s->state;
    if (!t->sorted)
        return;
    ret->method = t->ext ? "external merge" : t->bounded ? "top-N heapsort" : "quicksort";
    ret->memory = t->peak;
    ret->disk = t->ext ? lg_xextsort_disk_bytes(t->ext) : 0;
}

static lg_status
sort_open(lg_xnode *s)
{
    struct sort *t = s->state = LG_NEW(s->x->arena, struct sort);
    s->space = sort_space;
    t->x = s->x;
    t->types = lg_xnode_types(s, s->plan->left);
    lg_xstore_init(&t->store, s->plan->left->ncols);
    return lg_xsort_keys(s->x, s->plan->sort.keys, s->plan->sort.nkeys, &t->keys);
}

static lg_status
top_n(lg_xnode *s, uint64_t *ret)
{
    const lg_node *p = s->plan;
    lg_datum v;
    bool null;
    *ret = UINT64_MAX;
    if (!p->sort.top_n)
        return LG_OK;
    LG_TRY(lg_xexpr_scalar(s->x, s->scratch, p->sort.top_n, &v, &null));
    if (null || lg_int8(v) < 0)
        return LG_OK;
    *ret = (uint64_t)lg_int8(v);
    if (p->sort.top_n_offset) {
        LG_TRY(lg_xexpr_scalar(s->x, s->scratch, p->sort.top_n_offset, &v, &null));
        if (!null && lg_int8(v) > 0)
            *ret += (uint64_t)lg_int8(v);
    }
    return LG_OK;
}

/* Top-n: what stays of the rows moves to a fresh store. */
static lg_status
cut_back(lg_xnode *s, uint64_t keep)
{
    struct sort *t = s->state;
    LG_TRY(sort_rows(t, s->plan->sort.nkeys));
    lg_xstore fresh;
    lg_xstore_init(&fresh, t->store.ncols);
    for (uint64_t i = 0; i < keep && i < t->store.n; i++) {
        const lg_datum *row = t->store.rows[i];
        const uint8_t *nulls = lg_xrow_nulls(row, fresh.ncols);
        lg_datum *r = lg_xrow_new(fresh.arena, fresh.ncols);
        for (uint32_t k = 0; k < fresh.ncols; k++)
            r[k] = nulls[k] ? 0 : lg_datum_copy(t->types[k], row[k], fresh.arena);
        memcpy(lg_xrow_nulls(r, fresh.ncols), nulls, fresh.ncols);
        lg_xstore_add(&fresh, r);
    }
    lg_xstore_fini(&t->store);
    t->store = fresh;
    return LG_OK;
}

static size_t
sort_bytes(const struct sort *t)
{
    return lg_arena_used_bytes(t->store.arena) + t->store.n * 2 * sizeof(lg_datum *);
}

/* The rows kept so far as a sorted run; of top-n's no more than can be wanted. */
static lg_status
sort_run(lg_xnode *s, uint64_t keep)
{
    struct sort *t = s->state;
    uint32_t nkeys = s->plan->sort.nkeys;
    LG_TRY(sort_rows(t, nkeys));
    if (!t->ext)
        LG_TRY(lg_xextsort_create(s->x, t->store.ncols, t->types, t->keys, nkeys,
                                  lg_xbudget_sort(s->x), &t->ext));
    LG_TRY(lg_xextsort_run(t->ext, t->store.rows, t->store.n < keep ? t->store.n : keep));
    lg_xstore_reset(&t->store);
    return lg_xmemory(s->x, &t->told, 0);
}

static lg_status
sort_fill(lg_xnode *s)
{
    struct sort *t = s->state;
    lg_xbatch *b;
    lg_status st;
    uint64_t keep;
    size_t budget = lg_xbudget_sort(s->x);
    LG_TRY(top_n(s, &keep));
    t->keep = keep;
    t->bounded = keep < UINT64_MAX / 4;
    while ((st = lg_xnode_next(s->left, &b)) == LG_OK) {
        lg_xstore_add_batch(&t->store, b);
        if (t->bounded && t->store.n > keep * 2 + 4 * LG_BATCH)
            LG_TRY(cut_back(s, keep));
        LG_TRY(lg_xmemory(s->x, &t->told, sort_bytes(t)));
        if (t->told > budget && t->bounded && t->store.n > keep * 2)
            LG_TRY(cut_back(s, keep));
        if (t->told > budget && sort_bytes(t) > budget)
            LG_TRY(sort_run(s, keep));
    }
    if (st != LG_END)
        return st;
    if (t->ext) {
        if (t->store.n)
            LG_TRY(sort_run(s, keep));
        t->rows = LG_NEWN(s->x->arena, lg_datum *, LG_BATCH);
        LG_TRY(lg_xextsort_start(t->ext));
    } else {
        LG_TRY(sort_rows(t, s->plan->sort.nkeys));
        if (t->store.n > keep)
            t->store.n = keep;
    }
    t->sorted = true;
    return LG_OK;
}

static lg_status
merged_batch(lg_xnode *s, lg_xbatch **ret)
{
    struct sort *t = s->state;
    uint32_t n, cap = LG_BATCH, ncols = t->store.ncols;
    if (t->given >= t->keep)
        return LG_END;
    if (s->in.cap < LG_BATCH)
        lg_xbatch_init(&s->in, s->x->arena, ncols, t->types, LG_BATCH);
    if (t->keep - t->given < cap)
        cap = (uint32_t)(t->keep - t->given);
    LG_TRY(lg_xextsort_next(t->ext, t->rows, cap, &n));
    for (uint32_t i = 0; i < n; i++) {
        const lg_datum *row = t->rows[i];
        const uint8_t *nulls = lg_xrow_nulls(row, ncols);
        for (uint32_t c = 0; c < ncols; c++)
            lg_vector_set(s->in.b.cols[c], i, row[c], nulls[c]);
    }
    t->given += n;
    s->in.b.n = n;
    s->in.b.sel = NULL;
    *ret = &s->in;
    return LG_OK;
}

static lg_status
sort_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct sort *t = s->state;
    if (!t->sorted)
        LG_TRY(sort_fill(s));
    return t->ext ? merged_batch(s, ret) : lg_xstore_batch(s, &t->store, &t->at, ret);
}

static lg_status
sort_rescan(lg_xnode *s)
{
    struct sort *t = s->state;
    t->at.pos = t->given = 0;
    if (!s->plan->nparams && t->sorted)
        return t->ext ? lg_xextsort_start(t->ext) : LG_OK;
    lg_xextsort_destroy(t->ext);
    t->ext = NULL;
    lg_xstore_fini(&t->store);
    lg_xstore_init(&t->store, s->plan->left->ncols);
    LG_TRY(lg_xmemory(s->x, &t->told, 0));
    t->sorted = false;
    memset(&s->in, 0, sizeof s->in);
    return lg_xnode_rescan(s->left);
}

static void
sort_close(lg_xnode *s)
{
    struct sort *t = s->state;
    if (!t)
        return;
    lg_xcursor_fini(&t->at);
    lg_xextsort_destroy(t->ext);
    t->ext = NULL;
    lg_xstore_fini(&t->store);
}

const lg_xnode_ops lg_xops_sort = {sort_open, sort_fetch, sort_rescan, sort_close};

/* ---- limit ---- */

struct limit {
    bool started;
    uint64_t skip, left;
    uint16_t *sel;
    lg_xsort_key *ties;
    lg_xstore last; /* WITH TIES: the last row given */
    bool in_ties;
};

static lg_status
limit_open(lg_xnode *s)
{
    struct limit *l = s->state = LG_NEW(s->x->arena, struct limit);
    l->sel = LG_NEWN(s->x->arena, uint16_t, LG_BATCH);
    if (s->plan->limit.nties) {
        lg_xstore_init(&l->last, s->plan->left->ncols);
        return lg_xsort_keys(s->x, s->plan->limit.ties, s->plan->limit.nties, &l->ties);
    }
    return LG_OK;
}

static lg_status
limit_start(lg_xnode *s)
{
    struct limit *l = s->state;
    lg_datum v;
    bool null;
    l->skip = 0;
    l->left = UINT64_MAX;
    if (s->plan->limit.offset) {
        LG_TRY(lg_xexpr_scalar(s->x, s->scratch, s->plan->limit.offset, &v, &null));
        if (!null && lg_int8(v) < 0)
            return lg_error_set(s->x->es->err, "2201X", "OFFSET must not be negative");
        l->skip = null ? 0 : (uint64_t)lg_int8(v);
    }
    if (s->plan->limit.limit) {
        LG_TRY(lg_xexpr_scalar(s->x, s->scratch, s->plan->limit.limit, &v, &null));
        if (!null && lg_int8(v) < 0)
            return lg_error_set(s->x->es->err, "2201W", "LIMIT must not be negative");
        if (!null)
            l->left = (uint64_t)lg_int8(v);
    }
    l->started = true;
    l->in_ties = false;
    return LG_OK;
}

/* Rows of the batch equal to the last one given. */
static uint32_t
count_ties(lg_xnode *s, const lg_xbatch *b, uint32_t from)
{
    struct limit *l = s->state;
    uint32_t n = 0;
    for (uint32_t i = from; i < b->b.n; i++, n++) {
        lg_datum *row = lg_xrow_copy(s->scratch, b->b.cols, l->last.ncols, lg_xbatch_row(b, i));
        if (!l->last.n || lg_xsort_compare(l->ties, s->plan->limit.nties, l->last.rows[0], row,
                                           l->last.ncols) != 0)
            break;
    }
    return n;
}

static lg_status
limit_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct limit *l = s->state;
    if (!l->started)
        LG_TRY(limit_start(s));
    for (;;) {
        lg_xbatch *b;
        if (!l->left && !(l->in_ties && s->plan->limit.nties))
            return LG_END;
        LG_TRY(lg_xnode_next(s->left, &b));
        uint32_t from = l->skip < b->b.n ? (uint32_t)l->skip : b->b.n;
        l->skip -= from;
        uint32_t n = b->b.n - from;
        if (n > l->left)
            n = (uint32_t)l->left;
        l->left -= n;
        if (s->plan->limit.nties && n && !l->left) {
            lg_xstore_reset(&l->last);
            lg_xstore_add(&l->last, lg_xrow_copy(l->last.arena, b->b.cols, l->last.ncols,
                                                 lg_xbatch_row(b, from + n - 1)));
            l->in_ties = true;
        }
        if (l->in_ties) {
            uint32_t more = count_ties(s, b, from + n);
            if (from + n + more < b->b.n || (!more && !n))
                l->in_ties = false;
            n += more;
        }
        if (!n)
            continue;
        if (n != b->b.n) {
            for (uint32_t i = 0; i < n; i++)
                l->sel[i] = (uint16_t)lg_xbatch_row(b, from + i);
            b->b.sel = l->sel;
            b->b.n = n;
        }
        *ret = b;
        return LG_OK;
    }
}

static lg_status
limit_rescan(lg_xnode *s)
{
    struct limit *l = s->state;
    l->started = false;
    return lg_xnode_rescan(s->left);
}

static void
limit_close(lg_xnode *s)
{
    struct limit *l = s->state;
    if (l)
        lg_xstore_fini(&l->last);
}

const lg_xnode_ops lg_xops_limit = {limit_open, limit_fetch, limit_rescan, limit_close};

/* ---- unique: child sorted by the keys ---- */

struct unique {
    lg_xstore last;
    lg_equal_fn *eq;
    uint16_t *sel;
};

static lg_status
equal_fns(lg_xnode *s, const lg_group_key *keys, uint32_t n, lg_equal_fn **ret)
{
    *ret = LG_NEWN(s->x->arena, lg_equal_fn, n + 1);
    for (uint32_t i = 0; i < n; i++)
        if (!((*ret)[i] = lg_type_equal_fn(keys[i].type)))
            return lg_error_set(s->x->es->err, "42883",
                                "could not identify an equality operator for type %s",
                                lg_type_format(s->x->arena, keys[i].type, -1));
    return LG_OK;
}

static lg_status
unique_open(lg_xnode *s)
{
    struct unique *u = s->state = LG_NEW(s->x->arena, struct unique);
    lg_xstore_init(&u->last, s->plan->left->ncols);
    u->sel = LG_NEWN(s->x->arena, uint16_t, LG_BATCH);
    return equal_fns(s, s->plan->unique.keys, s->plan->unique.nkeys, &u->eq);
}

static lg_status
unique_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct unique *u = s->state;
    const lg_node *p = s->plan;
    lg_xbatch *b;
    LG_TRY(lg_xnode_next(s->left, &b));
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->b.n; i++) {
        uint32_t row = lg_xbatch_row(b, i);
        bool same = u->last.n > 0;
        for (uint32_t k = 0; same && k < p->unique.nkeys; k++) {
            uint32_t slot = p->unique.keys[k].slot;
            bool an = lg_xrow_nulls(u->last.rows[0], u->last.ncols)[slot];
            bool bn = lg_vector_is_null(b->b.cols[slot], row);
            same = an || bn
                       ? an && bn
                       : u->eq[k](u->last.rows[0][slot], lg_vector_value(b->b.cols[slot], row));
        }
        if (same)
            continue;
        u->sel[n++] = (uint16_t)row;
        lg_xstore_reset(&u->last);
        lg_xstore_add(&u->last, lg_xrow_copy(u->last.arena, b->b.cols, u->last.ncols, row));
    }
    b->b.sel = u->sel;
    b->b.n = n;
    *ret = b;
    return LG_OK;
}

static lg_status
unique_rescan(lg_xnode *s)
{
    struct unique *u = s->state;
    lg_xstore_reset(&u->last);
    return lg_xnode_rescan(s->left);
}

static void
unique_close(lg_xnode *s)
{
    struct unique *u = s->state;
    if (u)
        lg_xstore_fini(&u->last);
}

const lg_xnode_ops lg_xops_unique = {unique_open, unique_fetch, unique_rescan, unique_close};

/* ---- append ---- */

struct append {
    lg_xnode **children;
    uint32_t at;
};

static lg_status
append_open(lg_xnode *s)
{
    struct append *a = s->state = LG_NEW(s->x->arena, struct append);
    a->children = LG_NEWN(s->x->arena, lg_xnode *, s->plan->append.n + 1);
    for (uint32_t i = 0; i < s->plan->append.n; i++)
        LG_TRY(lg_xnode_make(s->x, s->plan->append.children[i], &a->children[i]));
    return LG_OK;
}

static lg_status
append_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct append *a = s->state;
    for (; a->at < s->plan->append.n; a->at++) {
        lg_status st = lg_xnode_next(a->children[a->at], ret);
        if (st != LG_END)
            return st;
    }
    return LG_END;
}

static lg_status
append_rescan(lg_xnode *s)
{
    struct append *a = s->state;
    a->at = 0;
    for (uint32_t i = 0; i < s->plan->append.n; i++)
        LG_TRY(lg_xnode_rescan(a->children[i]));
    return LG_OK;
}

const lg_xnode_ops lg_xops_append = {append_open, append_fetch, append_rescan, NULL};
