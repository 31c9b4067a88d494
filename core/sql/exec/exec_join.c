/* Joins: nested loop, hash, merge.
 *
 * The joined row is left's columns then right's. A pair that meets the keys and join_quals is a
 * match; LEFT and FULL give left rows without a match once with nulls, RIGHT and FULL right rows;
 * SEMI gives a left row at its first match, ANTI when there is none. */
#include "exec_internal.h"
#include "type.h"
#include <string.h>

static bool
keeps_left(uint8_t t)
{
    return t == LG_JOIN_LEFT || t == LG_JOIN_FULL || t == LG_JOIN_ANTI;
}

static bool
keeps_right(uint8_t t)
{
    return t == LG_JOIN_RIGHT || t == LG_JOIN_FULL;
}

static lg_oid *
joined_types(lg_xnode *s, uint32_t *ret_n)
{
    const lg_node *l = s->plan->left, *r = s->plan->right;
    lg_oid *t = LG_NEWN(s->x->arena, lg_oid, l->ncols + r->ncols + 1);
    for (uint32_t i = 0; i < l->ncols; i++)
        t[i] = l->cols[i].type;
    for (uint32_t i = 0; i < r->ncols; i++)
        t[l->ncols + i] = r->cols[i].type;
    *ret_n = l->ncols + r->ncols;
    return t;
}

/* ---- nested loop ---- */

struct nest {
    lg_xbatch *left;
    uint32_t li; /* current left row, index into left's selection */
    bool in_row; /* right is open for it */
    bool matched;
    bool right_open;   /* right was started once */
    lg_vector *lconst; /* left's columns as constants */
    lg_vector *rnull;  /* right's columns as NULL */
    lg_vector **cols;
    uint16_t *sel;
    /* RIGHT and FULL: rows of right that met a match, right being kept whole */
    lg_xstore store;
    bool stored;
    uint8_t *met;
    uint64_t rpos;
    bool left_done;
    lg_xbatch rb; /* batches of the kept rows */
};

static lg_status
nest_open(lg_xnode *s)
{
    struct nest *j = s->state = LG_NEW(s->x->arena, struct nest);
    uint32_t nl = s->plan->left->ncols, nr = s->plan->right->ncols;
    j->lconst = LG_NEWN(s->x->arena, lg_vector, nl + 1);
    j->rnull = LG_NEWN(s->x->arena, lg_vector, nr + 1);
    j->cols = LG_NEWN(s->x->arena, lg_vector *, nl + nr + 1);
    j->sel = LG_NEWN(s->x->arena, uint16_t, LG_BATCH);
    for (uint32_t i = 0; i < nl; i++) {
        lg_vector_init(&j->lconst[i], s->x->arena, s->plan->left->cols[i].type, 1);
        j->lconst[i].constant = true;
        j->cols[i] = &j->lconst[i];
    }
    for (uint32_t i = 0; i < nr; i++) {
        lg_vector_init(&j->rnull[i], s->x->arena, s->plan->right->cols[i].type, 1);
        j->rnull[i].constant = true;
        j->rnull[i].v[0] = 0;
        j->rnull[i].null[0] = 1;
    }
    return LG_OK;
}

static lg_status
nest_start_row(lg_xnode *s)
{
    struct nest *j = s->state;
    const lg_node *p = s->plan;
    uint32_t row = lg_xbatch_row(j->left, j->li);
    for (uint32_t i = 0; i < p->left->ncols; i++) {
        const lg_vector *v = j->left->b.cols[i];
        j->lconst[i].v[0] = lg_vector_value(v, row);
        j->lconst[i].null[0] = lg_vector_is_null(v, row);
    }
    lg_ectx c = {.x = s->x,
                 .cols = j->left->b.cols,
                 .sys = j->left->sys,
                 .row = row,
                 .cap = j->left->cap,
                 .arena = s->scratch};
    for (uint32_t i = 0; i < p->join.nset; i++) {
        lg_datum v;
        bool null;
        LG_TRY(lg_xexpr_eval(&c, p->join.set_expr[i], &v, &null));
        lg_xexec_param_set(s->x, p->join.set[i], v, null);
    }
    j->in_row = true;
    j->matched = false;
    j->rpos = 0;
    if (j->stored)
        return LG_OK;
    if (j->right_open)
        LG_TRY(lg_xnode_rescan(s->right));
    j->right_open = true;
    return LG_OK;
}

static lg_status
nest_right(lg_xnode *s, lg_xbatch **ret)
{
    struct nest *j = s->state;
    if (!j->stored)
        return lg_xnode_next(s->right, ret);
    if (j->rpos >= j->store.n)
        return LG_END;
    uint32_t nr = s->plan->right->ncols;
    if (!j->rb.cap)
        lg_xbatch_init(&j->rb, s->x->arena, nr, lg_xnode_types(s, s->plan->right), LG_BATCH);
    uint32_t n = 0;
    for (; n < LG_BATCH && j->rpos < j->store.n; n++, j->rpos++)
        for (uint32_t i = 0; i < nr; i++)
            lg_vector_set(j->rb.b.cols[i], n, j->store.rows[j->rpos][i],
                          lg_xrow_nulls(j->store.rows[j->rpos], nr)[i]);
    j->rb.b.n = n;
    j->rb.b.sel = NULL;
    *ret = &j->rb;
    return LG_OK;
}

static lg_status
give(lg_xnode *s, lg_vector **right, uint32_t cap, const uint16_t *sel, uint32_t n, lg_xbatch **ret)
{
    struct nest *j = s->state;
    uint32_t nl = s->plan->left->ncols, nr = s->plan->right->ncols;
    for (uint32_t i = 0; i < nr; i++)
        j->cols[nl + i] = right ? right[i] : &j->rnull[i];
    s->in.b.cols = j->cols;
    s->in.b.ncols = nl + nr;
    s->in.b.sel = sel;
    s->in.b.n = n;
    s->in.cap = cap;
    *ret = &s->in;
    return LG_OK;
}

/* One left row: LG_OK with a batch, LG_END when the row is finished. */
static lg_status
nest_row(lg_xnode *s, lg_xbatch **ret)
{
    struct nest *j = s->state;
    const lg_node *p = s->plan;
    uint8_t type = p->join.type;
    for (;;) {
        lg_xbatch *rb;
        lg_status st = nest_right(s, &rb);
        if (st == LG_END)
            break;
        LG_TRY(st);
        uint32_t n = rb->b.n;
        const uint16_t *sel = rb->b.sel;
        lg_xbatch *out;
        LG_TRY(give(s, rb->b.cols, rb->cap, sel, n, &out));
        if (p->join.join_quals) {
            lg_ectx c = {.x = s->x, .cols = j->cols, .cap = rb->cap, .arena = s->scratch};
            LG_TRY(lg_xexpr_filter(&c, p->join.join_quals, sel, n, j->sel, &n));
            sel = j->sel;
        }
        if (!n)
            continue;
        j->matched = true;
        if (type == LG_JOIN_ANTI) {
            j->in_row = false;
            return LG_END;
        }
        if (j->stored)
            for (uint32_t i = 0; i < n; i++)
                j->met[j->rpos - rb->b.n + lg_sel_row(sel, i)] = 1;
        if (type == LG_JOIN_SEMI || p->join.inner_unique) {
            j->in_row = false; /* the caller goes on to the next left row */
            if (type == LG_JOIN_SEMI)
                n = 1;
        }
        return give(s, rb->b.cols, rb->cap, sel, n, ret);
    }
    j->in_row = false;
    if (!j->matched && keeps_left(type))
        return give(s, NULL, 1, NULL, 1, ret);
    return LG_END;
}

static lg_status
nest_unmatched_right(lg_xnode *s, lg_xbatch **ret)
{
    struct nest *j = s->state;
    uint32_t n = 0;
    lg_xbatch *rb;
    for (uint32_t i = 0; i < s->plan->left->ncols; i++) {
        j->lconst[i].v[0] = 0;
        j->lconst[i].null[0] = 1;
    }
    while (n == 0) {
        uint64_t from = j->rpos;
        LG_TRY(nest_right(s, &rb));
        for (uint32_t i = 0; i < rb->b.n; i++)
            if (!j->met[from + i])
                j->sel[n++] = (uint16_t)i;
    }
    return give(s, rb->b.cols, rb->cap, j->sel, n, ret);
}

static lg_status
nest_store_right(lg_xnode *s)
{
    struct nest *j = s->state;
    lg_xbatch *b;
    lg_status st;
    lg_xstore_init(&j->store, s->plan->right->ncols);
    while ((st = lg_xnode_next(s->right, &b)) == LG_OK)
        lg_xstore_add_batch(&j->store, b);
    j->met = LG_NEWN(s->x->arena, uint8_t, j->store.n + 1);
    j->stored = true;
    return st == LG_END ? LG_OK : st;
}

static lg_status
nest_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct nest *j = s->state;
    const lg_node *p = s->plan;
    if (!j->stored &&
        (keeps_right(p->join.type) || (!p->right->nparams && p->right->kind != LG_NODE_INDEX_SCAN)))
        LG_TRY(nest_store_right(s));
    while (!j->left_done) {
        if (!j->left) {
            lg_status st = lg_xnode_next(s->left, &j->left);
            if (st == LG_END) {
                j->left_done = true;
                j->rpos = 0;
                break;
            }
            LG_TRY(st);
            j->li = 0;
        }
        for (; j->li < j->left->b.n; j->li++) {
            if (!j->in_row)
                LG_TRY(nest_start_row(s));
            lg_status st = nest_row(s, ret);
            if (st == LG_OK) {
                if (!j->in_row)
                    j->li++;
                return LG_OK;
            }
            if (st != LG_END)
                return st;
        }
        j->left = NULL;
    }
    return keeps_right(p->join.type) ? nest_unmatched_right(s, ret) : LG_END;
}

static lg_status
nest_rescan(lg_xnode *s)
{
    struct nest *j = s->state;
    j->left = NULL;
    j->in_row = j->left_done = false;
    if (j->stored) {
        lg_xstore_fini(&j->store);
        j->stored = false;
        LG_TRY(lg_xnode_rescan(s->right));
    }
    return lg_xnode_rescan(s->left);
}

static void
nest_close(lg_xnode *s)
{
    struct nest *j = s->state;
    if (j)
        lg_xstore_fini(&j->store);
}

const lg_xnode_ops lg_xops_nested_loop = {nest_open, nest_fetch, nest_rescan, nest_close};

/* ---- hash join; a merge join is run as one too (its inputs need not be sorted for that) unless
 * the order matters above, which only the planner knows: see merge below ---- */

struct hentry {
    lg_datum *row;  /* right's row */
    lg_datum *keys; /* nkeys datums, as hash_type */
    bool met;
};

struct hjoin {
    lg_xstore store;
    lg_xhash hash;
    bool built;
    bool right_null; /* a key was NULL on the right (null-aware anti join) */
    lg_xbatch *left;
    uint32_t li;
    lg_xhash_entry *chain;
    bool in_row, matched;
    uint64_t hash_value;
    lg_datum *keys;
    lg_hash_fn *hash_fns;
    lg_equal_fn *eq_fns;
    uint64_t rpos;
    bool left_done;
    /* candidate pairs of the batch being built */
    uint32_t *pair_left;
    lg_xhash_entry **pair_right;
};

static lg_status
hash_open(lg_xnode *s)
{
    struct hjoin *h = s->state = LG_NEW(s->x->arena, struct hjoin);
    const lg_node *p = s->plan;
    uint32_t n;
    lg_oid *types = joined_types(s, &n);
    lg_xbatch_init(&s->in, s->x->arena, n, types, LG_BATCH);
    h->keys = LG_NEWN(s->x->arena, lg_datum, p->join.nkeys + 1);
    h->hash_fns = LG_NEWN(s->x->arena, lg_hash_fn, p->join.nkeys + 1);
    h->eq_fns = LG_NEWN(s->x->arena, lg_equal_fn, p->join.nkeys + 1);
    for (uint32_t i = 0; i < p->join.nkeys; i++) {
        h->hash_fns[i] = lg_type_hash_fn(p->join.keys[i].hash_type);
        h->eq_fns[i] = lg_type_equal_fn(p->join.keys[i].hash_type);
        if (!h->hash_fns[i] || !h->eq_fns[i])
            return LG_UNSUPPORTED;
    }
    h->pair_left = LG_NEWN(s->x->arena, uint32_t, LG_BATCH);
    h->pair_right = LG_NEWN(s->x->arena, lg_xhash_entry *, LG_BATCH);
    return LG_OK;
}

/* Integers of all widths have the same datum form; float4 is hashed as float8. */
static lg_datum
key_value(lg_oid from, lg_oid to, lg_datum v)
{
    if (from == LG_T_FLOAT4 && to == LG_T_FLOAT8)
        return lg_datum_float8((double)lg_float4(v));
    return v;
}

static lg_status
key_values(lg_xnode *s, lg_ectx *c, bool left, lg_datum *keys, uint64_t *ret_hash, bool *ret_null)
{
    struct hjoin *h = s->state;
    const lg_node *p = s->plan;
    uint64_t hash = 0;
    *ret_null = false;
    for (uint32_t i = 0; i < p->join.nkeys; i++) {
        const lg_expr *e = left ? p->join.keys[i].left : p->join.keys[i].right;
        bool null;
        LG_TRY(lg_xexpr_eval(c, e, &keys[i], &null));
        if (null) {
            *ret_null = true;
            continue;
        }
        keys[i] = key_value(e->type, p->join.keys[i].hash_type, keys[i]);
        hash = hash * 31 + h->hash_fns[i](keys[i]);
    }
    *ret_hash = hash ^ hash >> 29;
    return LG_OK;
}

static lg_status
hash_build(lg_xnode *s)
{
    struct hjoin *h = s->state;
    const lg_node *p = s->plan;
    lg_xbatch *b;
    lg_status st;
    uint32_t nr = p->right->ncols;
    lg_xstore_init(&h->store, nr);
    lg_xhash_init(&h->hash, h->store.arena);
    while ((st = lg_xnode_next(s->right, &b)) == LG_OK) {
        lg_ectx c = {
            .x = s->x, .cols = b->b.cols, .sys = b->sys, .cap = b->cap, .arena = h->store.arena};
        for (uint32_t i = 0; i < b->b.n; i++) {
            c.row = lg_xbatch_row(b, i);
            struct hentry *e = LG_NEW(h->store.arena, struct hentry);
            e->keys = LG_NEWN(h->store.arena, lg_datum, p->join.nkeys + 1);
            uint64_t hash;
            bool null;
            LG_TRY(key_values(s, &c, false, e->keys, &hash, &null));
            if (null) {
                h->right_null = true;
                if (!keeps_right(p->join.type))
                    continue;
            }
            for (uint32_t k = 0; k < p->join.nkeys; k++)
                e->keys[k] = lg_datum_copy(p->join.keys[k].hash_type, e->keys[k], h->store.arena);
            e->row = lg_xrow_copy(h->store.arena, b->b.cols, nr, c.row);
            lg_xstore_add(&h->store, (lg_datum *)e);
            if (!null)
                lg_xhash_add(&h->hash, hash, e->row)->extra = e;
        }
    }
    h->built = true;
    return st == LG_END ? LG_OK : st;
}

static void
set_left(lg_xnode *s, uint32_t at, uint32_t lrow)
{
    struct hjoin *h = s->state;
    for (uint32_t i = 0; i < s->plan->left->ncols; i++) {
        const lg_vector *v = h->left ? h->left->b.cols[i] : NULL;
        lg_vector_set(s->in.b.cols[i], at, v ? lg_vector_value(v, lrow) : 0,
                      !v || lg_vector_is_null(v, lrow));
    }
}

static void
set_right(lg_xnode *s, uint32_t at, const lg_datum *row)
{
    uint32_t nl = s->plan->left->ncols, nr = s->plan->right->ncols;
    for (uint32_t i = 0; i < nr; i++)
        lg_vector_set(s->in.b.cols[nl + i], at, row ? row[i] : 0,
                      !row || lg_xrow_nulls(row, nr)[i]);
}

/* The next match of the current left row, put at position `at`; LG_END. */
static lg_status
next_match(lg_xnode *s, uint32_t at, uint32_t lrow, struct hentry **ret)
{
    struct hjoin *h = s->state;
    const lg_node *p = s->plan;
    while (h->chain) {
        lg_xhash_entry *he = h->chain;
        struct hentry *e = he->extra;
        h->chain = he->next;
        bool eq = he->hash == h->hash_value;
        for (uint32_t i = 0; eq && i < p->join.nkeys; i++)
            eq = h->eq_fns[i](h->keys[i], e->keys[i]);
        if (!eq)
            continue;
        set_left(s, at, lrow);
        set_right(s, at, e->row);
        if (p->join.join_quals) {
            lg_ectx c = {
                .x = s->x, .cols = s->in.b.cols, .row = at, .cap = s->in.cap, .arena = s->scratch};
            lg_datum v;
            bool null;
            LG_TRY(lg_xexpr_eval(&c, p->join.join_quals, &v, &null));
            if (null || !lg_bool(v))
                continue;
        }
        *ret = e;
        return LG_OK;
    }
    return LG_END;
}

/* Everything that one left row gives, from position *n on; LG_WOULD_WAIT: the batch is full. */
static lg_status
hash_left_row(lg_xnode *s, uint32_t *n)
{
    struct hjoin *h = s->state;
    const lg_node *p = s->plan;
    uint8_t type = p->join.type;
    uint32_t lrow = lg_xbatch_row(h->left, h->li);
    bool null = false;
    if (!h->in_row) {
        lg_ectx c = {.x = s->x,
                     .cols = h->left->b.cols,
                     .sys = h->left->sys,
                     .row = lrow,
                     .cap = h->left->cap,
                     .arena = s->scratch};
        LG_TRY(key_values(s, &c, true, h->keys, &h->hash_value, &null));
        h->chain = null ? NULL : lg_xhash_first(&h->hash, h->hash_value);
        h->in_row = true;
        h->matched = p->join.null_aware && null && h->store.n + h->right_null > 0;
    }
    for (;;) {
        if (*n == LG_BATCH)
            return LG_WOULD_WAIT;
        struct hentry *e;
        lg_status st = next_match(s, *n, lrow, &e);
        if (st == LG_END)
            break;
        LG_TRY(st);
        h->matched = true;
        e->met = true;
        if (type == LG_JOIN_ANTI)
            h->chain = NULL;
        else
            (*n)++;
        if (type == LG_JOIN_SEMI || (p->join.inner_unique && !keeps_right(type)))
            h->chain = NULL;
    }
    if (!h->matched && keeps_left(type)) {
        set_left(s, *n, lrow);
        set_right(s, *n, NULL);
        (*n)++;
    }
    h->in_row = false;
    return LG_OK;
}

static lg_status
hash_unmatched(lg_xnode *s, lg_xbatch **ret)
{
    struct hjoin *h = s->state;
    uint32_t n = 0;
    h->left = NULL;
    while (n < LG_BATCH && h->rpos < h->store.n) {
        const struct hentry *e = (const struct hentry *)h->store.rows[h->rpos++];
        if (e->met)
            continue;
        set_left(s, n, 0);
        set_right(s, n++, e->row);
    }
    s->in.b.n = n;
    s->in.b.sel = NULL;
    *ret = &s->in;
    return n ? LG_OK : LG_END;
}

static lg_status
hash_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct hjoin *h = s->state;
    const lg_node *p = s->plan;
    if (!h->built)
        LG_TRY(hash_build(s));
    if (p->join.null_aware && h->right_null)
        return LG_END;
    uint32_t n = 0;
    while (!h->left_done) {
        if (!h->left) {
            lg_status st = lg_xnode_next(s->left, &h->left);
            if (st == LG_END) {
                h->left_done = true;
                h->left = NULL;
                break;
            }
            LG_TRY(st);
            h->li = 0;
        }
        for (; h->li < h->left->b.n; h->li++) {
            lg_status st = hash_left_row(s, &n);
            if (st == LG_WOULD_WAIT)
                goto full;
            LG_TRY(st);
        }
        if (n)
            break; /* the values lie in left's batch: hand them on before it goes */
        h->left = NULL;
    }
full:
    if (n) {
        if (h->left && h->li >= h->left->b.n)
            h->left = NULL;
        s->in.b.n = n;
        s->in.b.sel = NULL;
        *ret = &s->in;
        return LG_OK;
    }
    return keeps_right(p->join.type) ? hash_unmatched(s, ret) : LG_END;
}

static lg_status
hash_rescan(lg_xnode *s)
{
    struct hjoin *h = s->state;
    h->left = NULL;
    h->chain = NULL;
    h->in_row = h->left_done = false;
    h->rpos = 0;
    if (s->plan->right->nparams || keeps_right(s->plan->join.type)) {
        lg_xstore_fini(&h->store);
        h->built = h->right_null = false;
        LG_TRY(lg_xnode_rescan(s->right));
    }
    return lg_xnode_rescan(s->left);
}

static void
hash_close(lg_xnode *s)
{
    struct hjoin *h = s->state;
    if (h)
        lg_xstore_fini(&h->store);
}

const lg_xnode_ops lg_xops_hash_join = {hash_open, hash_fetch, hash_rescan, hash_close};
/* Probing in left's order keeps left's order, which is the merge order: all that a merge join
 * promises for inner and left joins (right and full joins by merge promise no order). */
const lg_xnode_ops lg_xops_merge_join = {hash_open, hash_fetch, hash_rescan, hash_close};
