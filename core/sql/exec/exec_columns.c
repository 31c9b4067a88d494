/* Sequential scans over columns kept in memory (core/columns).
 *
 * The table is read a chunk at a time: from the cache when its blocks are unchanged, else the
 * blocks are visited and, when that is worth it, made into a chunk. Conditions narrow a chunk's
 * rows to a list of positions, column by column; only rows that meet all are put into the batch:
 *   tests   by-value columns against constants or each other (exec_decode.c takes them)
 *   conds   conditions on one by-reference column, computed for each distinct value of the chunk
 *   probes  keys that a hash join above does not have
 * A batch may hold rows of several chunks, which are held until the next batch is asked for: values
 * lie in them.
 *
 * A chunk once found unchanged stays right for this scan's snapshot whatever happens later.
 * Where no chunk can be had (blocks just changed, an older snapshot, no room) rows are decoded one
 * by one, with the same conditions. */
#include "columns.h"
#include "exec_decode.h"
#include "exec_team.h"
#include "simd.h"
#include "type.h"
#include <string.h>

#define MAX_CONDS  16u
#define MAX_HELD   256u
#define MIN_BLOCKS 16u

typedef struct cond {
    const lg_expr *e;
    uint16_t att;
} cond;

struct lg_xcolumns {
    lg_xnode *s;
    lg_xdecode *d;
    const lg_access *acc;
    lg_columns *cache;
    const lg_simd *simd;
    uint32_t file;
    cond conds[MAX_CONDS];
    uint32_t nconds;
    bool begun, off; /* a scan has begun; the table is too small */
    uint16_t ncols;
    bool *want;          /* columns that a chunk must have */
    bool *give;          /* columns that the batch must have */
    uint32_t rows_until; /* blocks below are read row by row */
    lg_chunk *chunk;
    uint32_t at, n;
    const uint16_t *sel; /* positions of the n rows that count; NULL: all */
    uint16_t *pos;
    lg_chunk *held[MAX_HELD];
    uint32_t nheld;
    lg_team *team; /* chunks go to its members; or, when this is a member's, come from it */
    bool member;
    int64_t *left, *right; /* temporary, by position in pos */
    uint8_t *pass;         /* by code */
    lg_vector values, none;
    lg_vector **cols;
    int64_t **num; /* by column: integers of the batch's numerics */
    int *scale;
    uint16_t *rowsel;
};

/* ---- conditions ---- */

typedef struct about {
    int32_t slot; /* the one column; -1: none yet */
    bool bad;
} about;

static bool
safe_func(const lg_func *f)
{
    switch (f->oid) {
    case 936:  /* substring(text, int, int) */
    case 937:  /* substring(text, int) */
    case 877:  /* substr(text, int, int) */
    case 401:  /* text(bpchar) */
    case 1257: /* textlen */
    case 1317: /* length(text) */
        return true;
    default:
        return false;
    }
}

static bool
safe_operator(const lg_operator *op)
{
    static const char *const names[] = {"=", "<>", "<", "<=", ">", ">=", "~~", "!~~"};
    for (uint32_t i = 0; op && op->oid < LG_OID_FIRST_NORMAL && i < 8; i++)
        if (!strcmp(op->name, names[i]))
            return true;
    return false;
}

/* Strict, without errors and about one column only: then it may be computed for values whose rows
 * other conditions throw away. */
static void
look(const lg_expr *e, about *a)
{
    switch ((lg_expr_kind)e->kind) {
    case LG_EX_SLOT:
        if (e->slot < 0 || (a->slot >= 0 && a->slot != e->slot))
            a->bad = true;
        a->slot = e->slot;
        return;
    case LG_EX_CONST:
    case LG_EX_PARAM:
    case LG_EX_EXEC:
        return;
    case LG_EX_RELABEL:
        break;
    case LG_EX_FUNC:
        if (e->func.op ? !safe_operator(e->func.op) : !safe_func(e->func.func))
            a->bad = true;
        break;
    case LG_EX_ARRAY_OP:
        if (!safe_operator(e->func.op) || e->args[1]->kind == LG_EX_SLOT)
            a->bad = true;
        break;
    default:
        a->bad = true;
        return;
    }
    for (uint32_t i = 0; i < e->nargs && !a->bad; i++)
        look(e->args[i], a);
}

static bool
take_cond(lg_xcolumns *c, const lg_expr *e)
{
    about a = {.slot = -1};
    if (c->nconds == MAX_CONDS || (e->kind != LG_EX_FUNC && e->kind != LG_EX_ARRAY_OP))
        return false;
    look(e, &a);
    if (a.bad || a.slot < 0 || c->d->rel->rowcols[a.slot].store == LG_STORE_BYVAL)
        return false;
    c->conds[c->nconds++] = (cond){e, (uint16_t)a.slot};
    return true;
}

static void
take_conds(lg_xcolumns *c)
{
    lg_xnode *s = c->s;
    const lg_expr *q = s->quals;
    if (!q)
        return;
    if (q->kind != LG_EX_AND) {
        if (take_cond(c, q))
            s->quals = NULL;
        return;
    }
    lg_expr *rest = lg_expr_new(s->x->arena, LG_EX_AND, LG_T_BOOL, q->nargs);
    uint32_t n = 0;
    for (uint32_t i = 0; i < q->nargs; i++)
        if (!take_cond(c, q->args[i]))
            rest->args[n++] = q->args[i];
    rest->nargs = n;
    rest->id = q->id;
    s->quals = n == 0 ? NULL : n == 1 ? rest->args[0] : rest;
}

lg_xcolumns *
lg_xcolumns_create(lg_xnode *s, lg_xdecode *d, const lg_access *acc)
{
    lg_arena *a = s->x->arena;
    const lg_node *p = s->plan;
    if (!acc->columns || !acc->ops->scan_place || !p->targets)
        return NULL;
    lg_xcolumns *c = LG_NEW(a, lg_xcolumns);
    if (lg_xdecode_slots(s, LG_NEWN(a, bool, d->rel->ncols + 1)))
        return NULL;
    c->s = s;
    c->d = d;
    c->acc = acc;
    c->cache = acc->columns;
    c->file = d->rel->storage.file;
    c->ncols = d->rel->ncols;
    take_conds(c);
    c->give = LG_NEWN(a, bool, c->ncols + 1);
    (void)lg_xdecode_slots(s, c->give);
    c->simd = lg_simd_best();
    return c;
}

void
lg_xcolumns_want(const lg_xcolumns *c, bool *want)
{
    for (uint32_t i = 0; i < c->nconds; i++)
        want[c->conds[i].att] = true;
}

static void
make_room(lg_xcolumns *c)
{
    lg_arena *a = c->s->x->arena;
    if (c->want)
        return;
    c->want = LG_NEWN(a, bool, c->ncols + 1);
    memcpy(c->want, c->give, c->ncols);
    lg_xdecode_want(c->d, c->want);
    lg_xcolumns_want(c, c->want);
    /* room for the largest chunk, not cleared: of most of it no page is ever touched */
    c->pos = lg_arena_alloc(a, (UINT16_MAX + 1) * sizeof *c->pos);
    c->left = lg_arena_alloc(a, (UINT16_MAX + 1) * sizeof *c->left);
    c->right = lg_arena_alloc(a, (UINT16_MAX + 1) * sizeof *c->right);
    c->pass = lg_arena_alloc(a, UINT16_MAX + 1);
    c->rowsel = LG_NEWN(a, uint16_t, LG_BATCH);
    c->cols = LG_NEWN(a, lg_vector *, c->ncols + 1);
    c->num = LG_NEWN(a, int64_t *, c->ncols + 1);
    c->scale = LG_NEWN(a, int, c->ncols + 1);
    lg_vector_init(&c->values, a, LG_T_TEXT, LG_BATCH);
    lg_vector_init(&c->none, a, LG_T_TEXT, 1);
    c->none.constant = true;
    c->none.v[0] = 0;
    c->none.null[0] = 1;
    for (uint16_t i = 0; i < c->ncols; i++) {
        c->cols[i] = &c->none;
        if (c->give[i] && c->d->rel->rowcols[i].type == LG_T_NUMERIC)
            c->num[i] = LG_NEWN(a, int64_t, LG_BATCH);
    }
}

static void
begin(lg_xcolumns *c, uint32_t blocks)
{
    c->off = blocks < MIN_BLOCKS;
    if (c->begun || c->off)
        return;
    c->begun = true;
    lg_columns_scan_begin(c->cache);
    make_room(c);
}

/* ---- narrowing a chunk ---- */

#define KEEP(COND)                                                                                 \
    do {                                                                                           \
        const uint16_t *from_ = c->sel;                                                            \
        uint16_t *to_ = c->pos;                                                                    \
        uint32_t k_ = 0;                                                                           \
        if (from_)                                                                                 \
            for (uint32_t i_ = 0; i_ < c->n; i_++) {                                               \
                uint32_t row = from_[i_];                                                          \
                to_[k_] = (uint16_t)row;                                                           \
                k_ += (COND);                                                                      \
            }                                                                                      \
        else                                                                                       \
            for (uint32_t row = 0; row < c->n; row++) {                                            \
                to_[k_] = (uint16_t)row;                                                           \
                k_ += (COND);                                                                      \
            }                                                                                      \
        c->n = k_;                                                                                 \
        c->sel = to_;                                                                              \
    } while (0)

static void
keep_not_null(lg_xcolumns *c, const lg_chunk_col *k)
{
    const uint8_t *null = k->null;
    if (null)
        KEEP(!null[row]);
}

/* Rows whose offset is (out: is not) in [lo, lo + span]. */
static void
keep_range(lg_xcolumns *c, const lg_chunk_col *k, uint64_t lo, uint64_t span, bool out)
{
    if (!c->sel) {
        c->n = c->simd->range(k->rows, k->width, c->n, lo, span, out, c->pos);
        c->sel = c->pos;
        return;
    }
    switch (k->width) {
    case 1: {
        const uint8_t *v = k->rows;
        KEEP((v[row] - lo <= span) != out);
        break;
    }
    case 2: {
        const uint16_t *v = k->rows;
        KEEP((v[row] - lo <= span) != out);
        break;
    }
    case 4: {
        const uint32_t *v = k->rows;
        KEEP((v[row] - lo <= span) != out);
        break;
    }
    default: {
        const uint64_t *v = k->rows;
        KEEP((v[row] - lo <= span) != out);
        break;
    }
    }
}

static void
keep_constant(lg_xcolumns *c, const lg_chunk_col *k, const lg_xtest *t)
{
    int64_t lo = INT64_MIN, hi = INT64_MAX;
    bool out = false;
    if (k->min > k->max || t->never) {
        c->n = 0;
        return;
    }
    switch (t->kind) {
    case LG_XT_LT:
        if (t->k == INT64_MIN) {
            c->n = 0;
            return;
        }
        hi = t->k - 1;
        break;
    case LG_XT_LE:
        hi = t->k;
        break;
    case LG_XT_GE:
        lo = t->k;
        break;
    case LG_XT_GT:
        if (t->k == INT64_MAX) {
            c->n = 0;
            return;
        }
        lo = t->k + 1;
        break;
    case LG_XT_NE:
        out = true;
        lo = hi = t->k;
        break;
    default:
        lo = hi = t->k;
        break;
    }
    lo = lo < k->min ? k->min : lo;
    hi = hi > k->max ? k->max : hi;
    bool none = lo > hi, all = lo == k->min && hi == k->max;
    if (out ? all : none)
        c->n = 0;
    else if (!(out ? none : all))
        keep_range(c, k, (uint64_t)lo - (uint64_t)k->min, (uint64_t)hi - (uint64_t)lo, out);
}

#define LOAD(TYPE)                                                                                 \
    do {                                                                                           \
        const TYPE *v_ = k->rows;                                                                  \
        for (uint32_t i = 0; i < n; i++)                                                           \
            out[i] = (int64_t)(base + v_[sel[i]]);                                                 \
    } while (0)

/* Values of a by-value column: of rows sel[0 .. n), or from .. from + n. */
static void
load(const lg_xcolumns *c, const lg_chunk_col *k, const uint16_t *sel, uint32_t from, uint32_t n,
     int64_t *out)
{
    uint64_t base = (uint64_t)k->min;
    if (!k->width) {
        for (uint32_t i = 0; i < n; i++)
            out[i] = k->min;
        return;
    }
    if (!sel) {
        c->simd->widen((const char *)k->rows + (size_t)from * k->width, k->width, n, base, out);
        return;
    }
    switch (k->width) {
    case 1:
        LOAD(uint8_t);
        break;
    case 2:
        LOAD(uint16_t);
        break;
    case 4:
        LOAD(uint32_t);
        break;
    default:
        LOAD(uint64_t);
        break;
    }
}

/* pos: the rows that are left, also when all are. */
static void
list_rows(lg_xcolumns *c)
{
    if (c->sel)
        return;
    for (uint32_t i = 0; i < c->n; i++)
        c->pos[i] = (uint16_t)i;
    c->sel = c->pos;
}

_Static_assert((int)LG_XT_LT == LG_SIMD_LT && (int)LG_XT_LE == LG_SIMD_LE &&
                   (int)LG_XT_EQ == LG_SIMD_EQ && (int)LG_XT_NE == LG_SIMD_NE &&
                   (int)LG_XT_GE == LG_SIMD_GE && (int)LG_XT_GT == LG_SIMD_GT,
               "passed as they are");

static void
keep_compared(lg_xcolumns *c, const lg_xtest *t)
{
    load(c, &c->chunk->cols[t->att], c->sel, 0, c->n, c->left);
    load(c, &c->chunk->cols[t->other], c->sel, 0, c->n, c->right);
    list_rows(c);
    c->n = c->simd->compare((lg_simd_cmp)t->kind, c->left, c->right, c->n, c->pos);
}

static void
keep_probed(lg_xcolumns *c, const lg_xpush *p)
{
    uint32_t n = c->n;
    int64_t *const to[LG_XPUSH_KEYS] = {c->left, c->right};
    for (uint32_t k = 0; k < p->natts; k++)
        keep_not_null(c, &c->chunk->cols[p->att[k]]);
    if (p->bloom->words) {
        for (uint32_t k = 0; k < p->natts; k++)
            load(c, &c->chunk->cols[p->att[k]], c->sel, 0, c->n, to[k]);
        list_rows(c);
        c->n = c->simd->bloom(p->bloom->words, p->bloom->mask, c->left,
                              p->natts > 1 ? c->right : NULL, c->n, c->pos);
    }
    c->d->skipped += n - c->n;
}

/* ---- conditions on distinct values ---- */

/* Which of n values, given by their codes, meet the condition: position i to out[0 .. *ret_n). */
static lg_status
try_values(lg_xcolumns *c, const cond *q, const lg_chunk_col *k, uint32_t n, uint16_t *out,
           uint32_t *ret_n)
{
    lg_ectx x = {.x = c->s->x, .cols = c->cols, .cap = LG_BATCH, .arena = c->s->scratch};
    c->values.type = c->d->rel->cols[q->att].type;
    c->values.maybe_null = false;
    c->values.num = k->num ? c->left : NULL;
    c->values.num_scale = k->num_scale;
    c->cols[q->att] = &c->values;
    lg_status st = lg_xexpr_filter(&x, q->e, NULL, n, out, ret_n);
    c->cols[q->att] = &c->none;
    return st;
}

static inline uint32_t
code_at(const lg_chunk_col *k, uint32_t row)
{
    return k->width == 1 ? ((const uint8_t *)k->rows)[row] : ((const uint16_t *)k->rows)[row];
}

static inline void
put_value(lg_xcolumns *c, const lg_chunk_col *k, uint32_t at, uint32_t code)
{
    c->values.v[at] = lg_chunk_value(k, code);
    if (k->num)
        c->left[at] = k->num[code];
}

/* By each value. */
static lg_status
keep_cond_values(lg_xcolumns *c, const cond *q, const lg_chunk_col *k)
{
    memset(c->pass, 0, k->nvalues);
    for (uint32_t at = 0; at < k->nvalues; at += LG_BATCH) {
        uint32_t n = k->nvalues - at < LG_BATCH ? k->nvalues - at : LG_BATCH, m;
        for (uint32_t i = 0; i < n; i++)
            put_value(c, k, i, at + i);
        LG_TRY(try_values(c, q, k, n, c->rowsel, &m));
        for (uint32_t i = 0; i < m; i++)
            c->pass[at + c->rowsel[i]] = 1;
    }
    const uint8_t *pass = c->pass;
    if (k->width == 1) {
        const uint8_t *v = k->rows;
        KEEP(pass[v[row]]);
    } else {
        const uint16_t *v = k->rows;
        KEEP(pass[v[row]]);
    }
    return LG_OK;
}

/* By each row that is left. */
static lg_status
keep_cond_rows(lg_xcolumns *c, const cond *q, const lg_chunk_col *k)
{
    uint32_t kept = 0;
    list_rows(c);
    for (uint32_t at = 0; at < c->n; at += LG_BATCH) {
        uint32_t n = c->n - at < LG_BATCH ? c->n - at : LG_BATCH, m;
        for (uint32_t i = 0; i < n; i++)
            put_value(c, k, i, code_at(k, c->pos[at + i]));
        LG_TRY(try_values(c, q, k, n, c->rowsel, &m));
        for (uint32_t i = 0; i < m; i++)
            c->pos[kept++] = c->pos[at + c->rowsel[i]];
    }
    c->n = kept;
    return LG_OK;
}

static lg_status
narrow(lg_xcolumns *c)
{
    const lg_chunk *k = c->chunk;
    lg_xdecode *d = c->d;
    c->n = k->nrows;
    c->sel = NULL;
    c->at = 0;
    for (uint32_t i = 0; i < d->ntests && c->n; i++) {
        const lg_xtest *t = &d->tests[i];
        keep_not_null(c, &k->cols[t->att]);
        if (t->other >= 0) {
            keep_not_null(c, &k->cols[t->other]);
            keep_compared(c, t);
        } else {
            keep_constant(c, &k->cols[t->att], t);
        }
    }
    for (uint32_t i = 0; i < c->nconds && c->n; i++) {
        const lg_chunk_col *col = &k->cols[c->conds[i].att];
        keep_not_null(c, col);
        if (c->n)
            LG_TRY(c->n <= col->nvalues ? keep_cond_rows(c, &c->conds[i], col)
                                        : keep_cond_values(c, &c->conds[i], col));
    }
    d->dropped += k->nrows - c->n;
    for (uint32_t i = 0; i < d->nprobes && c->n; i++)
        keep_probed(c, &d->probes[i]);
    return LG_OK;
}

/* ---- rows into the batch ---- */

static void
give_dict(lg_xcolumns *c, const lg_chunk_col *k, uint16_t att, uint32_t to, uint32_t n)
{
    lg_vector *v = c->d->vecs[att];
    const uint16_t *sel = c->sel ? c->sel + c->at : NULL;
    uint32_t from = c->at;
    lg_datum *out = v->v + to;
    if (!k->nvalues) { /* all are NULL */
        memset(out, 0, n * sizeof *out);
        return;
    }
    lg_datum base = lg_datum_ptr(k->bytes);
    const uint32_t *value_at = k->value_at;
#define GIVE(EXPR, CODES)                                                                          \
    do {                                                                                           \
        const CODES *code_ = k->rows;                                                              \
        if (sel)                                                                                   \
            for (uint32_t i = 0; i < n; i++) {                                                     \
                uint32_t at = code_[sel[i]];                                                       \
                EXPR;                                                                              \
            }                                                                                      \
        else                                                                                       \
            for (uint32_t i = 0; i < n; i++) {                                                     \
                uint32_t at = code_[from + i];                                                     \
                EXPR;                                                                              \
            }                                                                                      \
    } while (0)
    if (k->width == 1)
        GIVE(out[i] = base + value_at[at], uint8_t);
    else
        GIVE(out[i] = base + value_at[at], uint16_t);
    if (!c->num[att])
        return;
    if (!k->num || (to && (!v->num || v->num_scale != k->num_scale))) {
        v->num = NULL;
        c->scale[att] = -1;
        return;
    }
    if (to && c->scale[att] < 0)
        return;
    v->num = c->num[att];
    v->num_scale = c->scale[att] = k->num_scale;
    int64_t *num = c->num[att] + to;
    if (k->width == 1)
        GIVE(num[i] = k->num[at], uint8_t);
    else
        GIVE(num[i] = k->num[at], uint16_t);
}

static void
give_nulls(const lg_xcolumns *c, const lg_chunk_col *k, lg_vector *v, uint32_t to, uint32_t n)
{
    if (!k->null) {
        if (v->maybe_null)
            memset(v->null + to, 0, n);
        return;
    }
    if (!v->maybe_null)
        memset(v->null, 0, to);
    v->maybe_null = true;
    for (uint32_t i = 0; i < n; i++)
        v->null[to + i] = k->null[c->sel ? c->sel[c->at + i] : c->at + i];
}

/* As many rows of the chunk as fit behind the `to` that are there. */
static uint32_t
give_rows(lg_xcolumns *c, uint32_t to)
{
    uint32_t n = c->n - c->at < c->d->cap - to ? c->n - c->at : c->d->cap - to;
    for (uint16_t i = 0; i < c->ncols; i++) {
        if (!c->give[i])
            continue;
        const lg_chunk_col *k = &c->chunk->cols[i];
        give_nulls(c, k, c->d->vecs[i], to, n);
        if (k->kind == LG_CHUNK_DICT)
            give_dict(c, k, i, to, n);
        else
            load(c, k, c->sel ? c->sel + c->at : NULL, c->at, n,
                 (int64_t *)(void *)(c->d->vecs[i]->v + to));
    }
    c->at += n;
    return to + n;
}

/* ---- getting a chunk ---- */

typedef struct collect {
    lg_chunk_build *b;
    bool failed;
} collect;

static bool
collect_row(void *arg, lg_tid tid, const uint8_t *row, uint32_t len)
{
    collect *k = arg;
    (void)tid;
    if (!k->failed && !lg_chunk_build_row(k->b, row, len))
        k->failed = true;
    return true;
}

/* Reads blocks up to `end` into a chunk. *ret_settled: all of them are such that it may be kept;
 * its blocks are filled in. LG_NOT_FOUND: no chunk can be made of these rows, the scan is back
 * where it was. */
static lg_status
make_chunk(lg_xcolumns *c, void *scan, uint32_t end, const bool *want, lg_chunk **ret,
           bool *ret_settled)
{
    const lg_access_ops *ops = c->acc->ops;
    collect k = {.b = lg_chunk_build_begin(c->d->rel->rowcols, c->ncols, want)};
    lg_chunk_block seen[LG_CHUNK_BLOCKS];
    uint32_t n = 0;
    lg_access_place p, q;
    lg_status st = LG_OK;
    bool settled = true;
    ops->scan_place(scan, &p);
    for (q = p; st == LG_OK && q.next < end && !k.failed;) {
        uint32_t expected = q.next;
        st = ops->scan_visit(scan, collect_row, &k);
        if (st == LG_END) { /* blocks that were never written */
            settled = false;
            st = LG_OK;
            break;
        }
        if (st == LG_OK)
            st = lg_xcheck(c->s->x);
        ops->scan_place(scan, &q);
        if (!q.settled || q.at != expected)
            settled = false;
        else
            seen[n++] = (lg_chunk_block){q.at, q.settled};
    }
    if (st != LG_OK || k.failed) {
        lg_chunk_build_drop(k.b);
        LG_TRY(st);
        ops->scan_skip(scan, p.next);
        return LG_NOT_FOUND;
    }
    *ret = lg_chunk_build_end(k.b);
    (*ret)->since = p.scn;
    (*ret)->end = end;
    (*ret)->nblocks = n;
    memcpy((*ret)->blocks, seen, n * sizeof *seen);
    *ret_settled = settled;
    return LG_OK;
}

_Static_assert(sizeof(lg_access_seen) == sizeof(lg_chunk_block) &&
                   offsetof(lg_access_seen, block) == offsetof(lg_chunk_block, block) &&
                   offsetof(lg_access_seen, version) == offsetof(lg_chunk_block, version),
               "taken as they are");

static bool
unchanged(const lg_xcolumns *c, void *scan, const lg_chunk *k)
{
    return c->acc->ops->scan_same(scan, (const lg_access_seen *)(const void *)k->blocks,
                                  k->nblocks);
}

/* The chunk lacks columns that this scan wants. LG_NOT_FOUND: they could not be had. */
static lg_status
add_columns(lg_xcolumns *c, void *scan, lg_chunk *k)
{
    bool *missing = LG_NEWN(c->s->scratch, bool, c->ncols + 1), any = false, settled;
    for (uint16_t i = 0; i < c->ncols; i++) {
        missing[i] = c->want[i] && (i >= k->ncols || k->cols[i].kind == LG_CHUNK_NONE);
        any = any || missing[i];
    }
    if (!any)
        return LG_OK;
    lg_access_place p;
    lg_chunk *more;
    c->acc->ops->scan_place(scan, &p);
    LG_TRY(make_chunk(c, scan, k->end, missing, &more, &settled));
    bool same = settled && more->nblocks == k->nblocks && more->nrows == k->nrows;
    for (uint32_t i = 0; same && i < k->nblocks; i++)
        same = more->blocks[i].block == k->blocks[i].block &&
               more->blocks[i].version == k->blocks[i].version;
    if (same)
        lg_columns_merge(k, more);
    else
        c->acc->ops->scan_skip(scan, p.next);
    lg_chunk_put(more);
    return same ? LG_OK : LG_NOT_FOUND;
}

/* The chunk at the scan's place into c->chunk. LG_NOT_FOUND: read row by row up to c->rows_until.
 */
static lg_status
next_chunk(lg_xcolumns *c, void *scan, const lg_access_place *p)
{
    uint32_t first = p->next / LG_CHUNK_BLOCKS * LG_CHUNK_BLOCKS, end = first + LG_CHUNK_BLOCKS;
    if (end > p->last)
        end = p->last;
    c->rows_until = end;
    lg_chunk *k = lg_columns_get(c->cache, c->file, first);
    if (k && k->since > p->scn && k->end == end) {
        lg_chunk_put(k);
        return LG_NOT_FOUND;
    }
    if (k && (k->end != end || !unchanged(c, scan, k))) {
        lg_columns_stale(c->cache, k);
        lg_chunk_put(k);
        k = NULL;
    }
    if (k) {
        lg_status st = add_columns(c, scan, k);
        if (st != LG_OK) {
            if (st == LG_NOT_FOUND)
                lg_columns_stale(c->cache, k);
            lg_chunk_put(k);
            return st;
        }
        lg_columns_hit(c->cache, k);
        lg_access_place q;
        c->acc->ops->scan_place(scan, &q);
        if (q.next < end)
            c->acc->ops->scan_skip(scan, end);
        c->chunk = k;
        return LG_OK;
    }
    if (!lg_columns_worth(c->cache, c->file, first))
        return LG_NOT_FOUND;
    bool settled;
    LG_TRY(make_chunk(c, scan, end, c->want, &k, &settled));
    if (settled)
        lg_columns_add(c->cache, c->file, first, k);
    else
        lg_columns_wasted(c->cache, c->file, first);
    c->chunk = k;
    return LG_OK;
}

/* ---- fetching ---- */

/* A visit passes over blocks that were never written: it may have gone into the next chunk, which is
 * then read row by row to its end. */
static void
look_where(lg_xcolumns *c, const lg_access_place *p)
{
    if (c->rows_until && p->next > c->rows_until && p->at >= c->rows_until)
        c->rows_until = (p->at / LG_CHUNK_BLOCKS + 1) * LG_CHUNK_BLOCKS;
}

static void
let_go(lg_xcolumns *c)
{
    while (c->nheld)
        if (c->member)
            lg_team_give_back(c->team, c->held[--c->nheld]);
        else
            lg_chunk_put(c->held[--c->nheld]);
}

/* ---- compute threads ---- */

void
lg_xcolumns_lead(lg_xcolumns *c, lg_team *t)
{
    c->team = t;
}

void
lg_xcolumns_follow(lg_xcolumns *c, lg_team *t)
{
    make_room(c);
    c->team = t;
    c->member = true;
}

/* Gives the members chunks to do. What is not in chunks stays with the worker. */
static lg_status
feed(lg_xcolumns *c, void *scan)
{
    lg_chunk *k;
    while ((k = lg_team_done(c->team)))
        lg_chunk_put(k);
    while (lg_team_wants(c->team)) {
        lg_access_place p;
        c->acc->ops->scan_place(scan, &p);
        begin(c, p.last);
        look_where(c, &p);
        if (c->off || p.inside || p.next >= p.last || p.next < c->rows_until)
            return LG_OK;
        lg_status st = next_chunk(c, scan, &p);
        if (st == LG_NOT_FOUND)
            return LG_OK;
        LG_TRY(st);
        lg_team_put(c->team, c->chunk);
        c->chunk = NULL;
    }
    return lg_team_stopped(c->team) ? LG_CANCELED : LG_OK; /* a member failed */
}

static lg_status
member_fetch(lg_xcolumns *c, uint32_t *ret_n)
{
    struct lg_xhelper *h = c->s->x->tree->helper;
    uint32_t n = 0;
    lg_status st = LG_OK;
    while (n < c->d->cap) {
        if (c->chunk && c->at < c->n) {
            n = give_rows(c, n);
            continue;
        }
        if (c->chunk) {
            c->held[c->nheld++] = c->chunk;
            c->chunk = NULL;
            LG_TRY(lg_xcheck(c->s->x));
        }
        if (n && c->nheld == MAX_HELD)
            break;
        if (!n)
            let_go(c);
        c->chunk = h->full && !lg_team_inside(c->team) ? NULL : lg_team_next(c->team);
        if (!c->chunk) {
            st = LG_END;
            break;
        }
        LG_TRY(narrow(c));
    }
    *ret_n = n;
    return st;
}

/* Rows decoded one by one, of blocks below rows_until. */
static lg_status
fetch_rows(lg_xcolumns *c, void *scan, uint32_t *ret_n, const uint16_t **ret_sel)
{
    lg_access_place p;
    lg_status st = LG_OK;
    uint32_t n, blocks = 0;
    lg_xdecode_batch(c->d);
    for (;;) {
        st = c->acc->ops->scan_visit(scan, lg_xdecode_row, c->d);
        if (st != LG_OK || lg_xdecode_full(c->d))
            break;
        c->acc->ops->scan_place(scan, &p);
        look_where(c, &p);
        if (!c->off && !p.inside && p.next >= c->rows_until)
            break;
        if (++blocks % 64 == 0)
            LG_TRY(lg_xcheck(c->s->x));
    }
    if (st != LG_OK && st != LG_END)
        return st;
    LG_TRY(lg_xdecode_done(c->d, &n));
    *ret_sel = NULL;
    lg_ectx x = {.x = c->s->x,
                 .cols = c->s->in.b.cols,
                 .sys = c->s->in.sys,
                 .cap = c->s->in.cap,
                 .arena = c->s->scratch};
    for (uint32_t i = 0; i < c->nconds && n; i++) {
        uint32_t m;
        if (!c->rowsel)
            c->rowsel = LG_NEWN(c->s->x->arena, uint16_t, LG_BATCH);
        LG_TRY(lg_xexpr_filter(&x, c->conds[i].e, *ret_sel, n, c->rowsel, &m));
        c->s->filtered += n - m;
        *ret_sel = c->rowsel;
        n = m;
    }
    *ret_n = n;
    return st;
}

lg_status
lg_xcolumns_fetch(lg_xcolumns *c, void *scan, uint32_t *ret_n, const uint16_t **ret_sel)
{
    uint32_t n = 0;
    lg_status st = LG_OK;
    let_go(c);
    lg_xdecode_batch(c->d);
    *ret_sel = NULL;
    if (c->member)
        st = member_fetch(c, &n);
    while (n < c->d->cap && !c->member) {
        if (c->chunk && c->at < c->n) {
            n = give_rows(c, n);
            continue;
        }
        if (c->chunk) {
            c->held[c->nheld++] = c->chunk;
            c->chunk = NULL;
            LG_TRY(lg_xcheck(c->s->x));
        }
        if (n && c->nheld == MAX_HELD)
            break;
        if (!n)
            let_go(c);
        if (c->team)
            LG_TRY(feed(c, scan));
        lg_access_place p;
        c->acc->ops->scan_place(scan, &p);
        begin(c, p.last);
        look_where(c, &p);
        if (!p.inside && p.next >= p.last) {
            if (c->team && (c->chunk = lg_team_take(c->team))) {
                LG_TRY(narrow(c));
                continue;
            }
            st = LG_END;
            break;
        }
        if (!c->off && !p.inside && p.next >= c->rows_until) {
            st = next_chunk(c, scan, &p);
            if (st == LG_OK)
                st = narrow(c);
            if (st == LG_OK)
                continue;
            if (st != LG_NOT_FOUND)
                return st;
            st = LG_OK;
        }
        if (n)
            break;
        st = fetch_rows(c, scan, &n, ret_sel);
        if (st == LG_END && c->team && n)
            st = LG_OK; /* chunks that members have not taken may follow */
        if (st == LG_END && c->team && (c->chunk = lg_team_take(c->team))) {
            *ret_sel = NULL;
            st = narrow(c);
            LG_TRY(st);
            continue;
        }
        if (st == LG_END || n)
            break;
        LG_TRY(st);
    }
    if (st == LG_OK || st == LG_END) {
        c->s->filtered += c->d->dropped;
        c->s->rows += c->d->skipped;
        c->d->dropped = c->d->skipped = 0;
    }
    *ret_n = n;
    return st;
}

void
lg_xcolumns_reset(lg_xcolumns *c)
{
    if (!c)
        return;
    let_go(c);
    if (c->member && c->chunk)
        lg_team_give_back(c->team, c->chunk);
    else
        lg_chunk_put(c->chunk);
    c->chunk = NULL;
    c->begun = false;
    c->rows_until = 0;
}
