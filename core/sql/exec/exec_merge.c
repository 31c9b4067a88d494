/* Merge join: both inputs come in the order of the keys.
 *
 * GROUP  Right's rows of the key that left is at. It is made when a row of left has that key: rows
 *        [from, to) of right's batch; or kept (lg_xstore, on a temporary file beyond work_mem) when it
 *        reaches the batch's end, and then read in chunks for each row of left.
 * PAIRS  (row of left's batch, row of the group's batch or chunk) are collected, up to a batch, and then
 *        the columns are gathered. They are given before any of the batches they point into goes.
 *        join_quals decide on the gathered rows; lmet, rmet and gmet say who has met somebody, by row
 *        of left's batch, of right's batch, of the kept group.
 *
 *   NEED_LEFT -> SEEK -> (GATHER) -> PAIRS -> NEED_LEFT        one row of left
 *   NEED_LEFT, left is at its end -> REST -> DONE              what of right met nobody
 *
 * Rows with a NULL key meet nobody, wherever they stand. LEFT, FULL and ANTI give left's lonely rows in
 * place where there are no join_quals, else after their batch; RIGHT and FULL give right's after their
 * batch or group. So INNER and SEMI, and LEFT and ANTI without join_quals, keep left's order. */
#include "exec_internal.h"
#include "type.h"
#include <string.h>

#define NOBODY UINT32_MAX

typedef enum mstate { NEED_LEFT, SEEK, GATHER, PAIRS, REST, DONE } mstate;

typedef struct mkey {
    lg_oid type, from[2];
    bool word; /* compared as integers */
    lg_compare_fn cmp;
} mkey;

typedef struct mside {
    lg_xbatch *b; /* NULL: to be fetched */
    uint32_t i;   /* next row, by position in its selection */
    bool end, swept;
    lg_vector **keys;
    lg_arena *arena; /* of them */
} mside;

typedef struct mgroup {
    bool open, kept;
    uint32_t from, to; /* positions in right's selection */
    uint64_t n, pos;   /* rows; the next to be paired */
    lg_datum *key;     /* kept: a copy */
    lg_arena *arena;   /* of it */
    lg_xstore store;
    lg_xcursor at;
    lg_xbatch chunk;
    uint64_t chunk_first;
    uint8_t *met; /* with join_quals */
    uint64_t met_cap, swept;
} mgroup;

typedef struct mjoin {
    mstate state;
    uint8_t type;
    bool left_lonely, right_lonely, quals;
    uint32_t nkeys, nl, nr;
    mkey *keys;
    mside l, r;
    mgroup g;
    uint32_t npairs;
    bool flush;
    uint32_t *pl, *pr;
    uint64_t *pg;         /* row of the group */
    const lg_xbatch *src; /* what pr are rows of; NULL: of nothing yet */
    uint8_t *lmet, *rmet;
    const bool *used; /* columns of the joined row; NULL: all */
    lg_xbatch out, whole;
    lg_vector *null; /* of each column */
    uint16_t *sel;
} mjoin;

static bool
int_like(lg_oid t)
{
    return t == LG_T_INT2 || t == LG_T_INT4 || t == LG_T_INT8 || t == LG_T_DATE ||
           t == LG_T_TIMESTAMP || t == LG_T_TIMESTAMPTZ;
}

static lg_status
keys_open(lg_xnode *s, mjoin *m)
{
    const lg_node *p = s->plan;
    for (uint32_t i = 0; i < m->nkeys; i++) {
        const lg_join_key *k = &p->join.keys[i];
        m->keys[i] = (mkey){.type = k->hash_type,
                            .from = {k->left->type, k->right->type},
                            .word = int_like(k->hash_type),
                            .cmp = lg_type_compare_fn(k->hash_type)};
        if (!m->keys[i].cmp)
            return LG_UNSUPPORTED;
    }
    return LG_OK;
}

static void
side_open(lg_xnode *s, mjoin *m, mside *d)
{
    d->keys = LG_NEWN(s->x->arena, lg_vector *, m->nkeys + 1);
    d->arena = lg_arena_create("merge join keys", 16 << 10);
}

static lg_status
merge_open(lg_xnode *s)
{
    lg_arena *a = s->x->arena;
    mjoin *m = s->state = LG_NEW(a, mjoin);
    const lg_node *p = s->plan;
    m->type = p->join.type;
    m->left_lonely = m->type == LG_JOIN_LEFT || m->type == LG_JOIN_FULL || m->type == LG_JOIN_ANTI;
    m->right_lonely = m->type == LG_JOIN_RIGHT || m->type == LG_JOIN_FULL;
    m->quals = p->join.join_quals != NULL;
    m->nl = p->left->ncols;
    m->nr = p->right->ncols;
    m->nkeys = p->join.nkeys;
    m->keys = LG_NEWN(a, mkey, m->nkeys + 1);
    side_open(s, m, &m->l);
    side_open(s, m, &m->r);
    m->g.arena = lg_arena_create("merge join group", 1 << 10);
    LG_TRY(keys_open(s, m));
    uint32_t n = m->nl + m->nr;
    bool *used = LG_NEWN(a, bool, n + 1);
    if (lg_xjoin_used(s, used))
        m->used = used;
    m->null = LG_NEWN(a, lg_vector, n + 1);
    m->whole.b.cols = LG_NEWN(a, lg_vector *, n + 1);
    lg_oid *types = LG_NEWN(a, lg_oid, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        types[i] = i < m->nl ? p->left->cols[i].type : p->right->cols[i - m->nl].type;
        lg_vector_init(&m->null[i], a, types[i], 1);
        m->null[i].constant = true;
        m->null[i].v[0] = 0;
        m->null[i].null[0] = 1;
    }
    lg_xbatch_init(&m->out, a, n, types, LG_BATCH);
    for (uint32_t i = 0; m->used && i < n; i++)
        if (!used[i])
            m->out.b.cols[i] = lg_xvector_none(s->x);
    lg_xbatch_init(&m->g.chunk, a, m->nr, types + m->nl, LG_BATCH);
    m->g.chunk.b.n = 0;
    m->g.key = LG_NEWN(a, lg_datum, m->nkeys + 1);
    lg_xstore_init_spill(&m->g.store, s->x, m->nr, types + m->nl, lg_xbudget_sort(s->x));
    m->pl = LG_NEWN(a, uint32_t, LG_BATCH);
    m->pr = LG_NEWN(a, uint32_t, LG_BATCH);
    m->pg = LG_NEWN(a, uint64_t, LG_BATCH);
    m->lmet = LG_NEWN(a, uint8_t, LG_BATCH);
    m->rmet = LG_NEWN(a, uint8_t, LG_BATCH);
    m->sel = LG_NEWN(a, uint16_t, LG_BATCH);
    return LG_OK;
}

/* ---- keys ---- */

static inline lg_datum
key_value(const mkey *k, int side, lg_datum v)
{
    return k->from[side] == LG_T_FLOAT4 && k->type == LG_T_FLOAT8
               ? lg_datum_float8((double)lg_float4(v))
               : v;
}

static inline int
compare_values(const mkey *k, lg_datum a, lg_datum b)
{
    if (k->word)
        return lg_int8(a) < lg_int8(b) ? -1 : lg_int8(a) > lg_int8(b);
    return k->cmp(a, b);
}

static inline bool
null_key(const mjoin *m, const mside *d, uint32_t row)
{
    for (uint32_t k = 0; k < m->nkeys; k++)
        if (lg_vector_is_null(d->keys[k], row))
            return true;
    return false;
}

static int
compare_rows(const mjoin *m, uint32_t lrow, uint32_t rrow)
{
    for (uint32_t k = 0; k < m->nkeys; k++) {
        const mkey *x = &m->keys[k];
        int c = compare_values(x, key_value(x, 0, lg_vector_value(m->l.keys[k], lrow)),
                               key_value(x, 1, lg_vector_value(m->r.keys[k], rrow)));
        if (c)
            return c;
    }
    return 0;
}

/* Does right's row have the key of right's row `other`, or of the kept group (NOBODY)? */
static bool
in_group(const mjoin *m, uint32_t row, uint32_t other)
{
    if (null_key(m, &m->r, row))
        return false;
    for (uint32_t k = 0; k < m->nkeys; k++) {
        const mkey *x = &m->keys[k];
        lg_datum o =
            other == NOBODY ? m->g.key[k] : key_value(x, 1, lg_vector_value(m->r.keys[k], other));
        if (compare_values(x, o, key_value(x, 1, lg_vector_value(m->r.keys[k], row))))
            return false;
    }
    return true;
}

static int
compare_group(const mjoin *m, uint32_t lrow)
{
    if (!m->g.kept)
        return compare_rows(m, lrow, lg_xbatch_row(m->r.b, m->g.from));
    for (uint32_t k = 0; k < m->nkeys; k++) {
        const mkey *x = &m->keys[k];
        int c =
            compare_values(x, key_value(x, 0, lg_vector_value(m->l.keys[k], lrow)), m->g.key[k]);
        if (c)
            return c;
    }
    return 0;
}

/* The next batch of a side with its keys; none: `end`. */
static lg_status
side_fetch(lg_xnode *s, mside *d, bool left)
{
    mjoin *m = s->state;
    d->b = NULL;
    d->i = 0;
    d->swept = false;
    lg_status st = lg_xnode_next(left ? s->left : s->right, &d->b);
    if (st == LG_END) {
        d->b = NULL;
        d->end = true;
        return LG_OK;
    }
    LG_TRY(st);
    lg_arena_reset(d->arena);
    lg_ectx c = {
        .x = s->x, .cols = d->b->b.cols, .sys = d->b->sys, .cap = d->b->cap, .arena = d->arena};
    for (uint32_t k = 0; k < m->nkeys; k++) {
        const lg_join_key *jk = &s->plan->join.keys[k];
        LG_TRY(
            lg_xexpr_vector(&c, left ? jk->left : jk->right, d->b->b.sel, d->b->b.n, &d->keys[k]));
    }
    memset(left ? m->lmet : m->rmet, 0, LG_BATCH);
    return LG_OK;
}

/* ---- giving ---- */

static lg_status
gather(lg_xnode *s, const lg_xbatch *from, const uint32_t *rows, uint32_t ncols, uint32_t first)
{
    mjoin *m = s->state;
    for (uint32_t c = 0; c < ncols; c++) {
        if (m->used && !m->used[first + c])
            continue;
        lg_vector *out = m->out.b.cols[first + c];
        const lg_vector *in = from ? from->b.cols[c] : NULL;
        for (uint32_t i = 0; i < m->npairs; i++) {
            bool null = rows[i] == NOBODY || lg_vector_is_null(in, rows[i]);
            lg_vector_set(out, i, null ? 0 : lg_vector_value(in, rows[i]), null);
        }
    }
    return LG_OK;
}

/* Pairs that join_quals let through; of SEMI the first of each row of left. */
static lg_status
filter_pairs(lg_xnode *s, uint32_t *ret_n)
{
    mjoin *m = s->state;
    lg_ectx c = {.x = s->x, .cols = m->out.b.cols, .cap = m->out.cap, .arena = s->scratch};
    uint32_t n, kept = 0;
    LG_TRY(lg_xexpr_filter(&c, s->plan->join.join_quals, NULL, m->npairs, m->sel, &n));
    s->join_filtered += m->npairs - n;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = m->sel[i];
        bool again = m->lmet[m->pl[at]];
        m->lmet[m->pl[at]] = 1;
        if (m->right_lonely && m->g.kept && m->src == &m->g.chunk)
            m->g.met[m->pg[at]] = 1;
        else
            m->rmet[m->pr[at]] = 1;
        if (m->type == LG_JOIN_ANTI || (m->type == LG_JOIN_SEMI && again))
            continue;
        m->sel[kept++] = (uint16_t)at;
    }
    *ret_n = kept;
    return LG_OK;
}

/* The pairs as a batch; *ret_n 0: none is left. */
static lg_status
give_pairs(lg_xnode *s, lg_xbatch **ret, uint32_t *ret_n)
{
    mjoin *m = s->state;
    LG_TRY(gather(s, m->l.b, m->pl, m->nl, 0));
    LG_TRY(gather(s, m->src, m->pr, m->nr, m->nl));
    m->out.b.sel = NULL;
    *ret_n = m->npairs;
    if (m->quals) {
        LG_TRY(filter_pairs(s, ret_n));
        m->out.b.sel = m->sel;
    }
    m->npairs = 0;
    m->src = NULL;
    m->out.b.n = *ret_n;
    *ret = &m->out;
    return lg_xcheck(s->x);
}

/* Rows of one side, selected in m->sel, the other side NULL. */
static lg_status
give_lonely(mjoin *m, const lg_xbatch *from, bool left, uint32_t n, lg_xbatch **ret)
{
    for (uint32_t c = 0; c < m->nl; c++)
        m->whole.b.cols[c] = left ? from->b.cols[c] : &m->null[c];
    for (uint32_t c = 0; c < m->nr; c++)
        m->whole.b.cols[m->nl + c] = left ? &m->null[m->nl + c] : from->b.cols[c];
    m->whole.b.ncols = m->nl + m->nr;
    m->whole.b.sel = m->sel;
    m->whole.b.n = n;
    m->whole.cap = from->cap;
    *ret = &m->whole;
    return LG_OK;
}

/* Rows of a side's batch that met nobody, once. *ret NULL: there are none. */
static lg_status
sweep(mjoin *m, mside *d, bool left, lg_xbatch **ret)
{
    const uint8_t *met = left ? m->lmet : m->rmet;
    uint32_t n = 0;
    *ret = NULL;
    if (!d->b || d->swept)
        return LG_OK;
    d->swept = true;
    for (uint32_t i = 0; i < d->b->b.n; i++) {
        uint32_t row = lg_xbatch_row(d->b, i);
        if (!met[row])
            m->sel[n++] = (uint16_t)row;
    }
    return n ? give_lonely(m, d->b, left, n, ret) : LG_OK;
}

/* The same of the kept group; *ret NULL: no more. */
static lg_status
sweep_group(mjoin *m, lg_xbatch **ret)
{
    mgroup *g = &m->g;
    *ret = NULL;
    if (!m->quals) /* all have met the row that made the group */
        g->swept = g->n;
    while (g->swept < g->n) {
        uint32_t n = 0;
        g->at.pos = g->swept;
        g->chunk_first = g->swept;
        LG_TRY(lg_xstore_fill(&g->store, &g->at, &g->chunk));
        for (uint32_t i = 0; i < g->chunk.b.n; i++)
            if (!g->met[g->swept + i])
                m->sel[n++] = (uint16_t)i;
        g->swept += g->chunk.b.n;
        if (n)
            return give_lonely(m, &g->chunk, false, n, ret);
    }
    return LG_OK;
}

/* ---- the states ----
 *
 * Each step does something and returns; *ret is set when there is a batch to give, m->flush when the
 * pairs must be given before the step can be made. */

static void
add_pair(mjoin *m, uint32_t lrow, uint32_t rrow, uint64_t grow)
{
    m->pl[m->npairs] = lrow;
    m->pr[m->npairs] = rrow;
    m->pg[m->npairs++] = grow;
}

static bool
flush_first(mjoin *m)
{
    m->flush = m->npairs > 0;
    return m->flush;
}

/* The present row of left meets nobody. */
static void
left_alone(mjoin *m, uint32_t row)
{
    if (m->left_lonely && !m->quals)
        add_pair(m, row, NOBODY, 0);
    m->l.i++;
    m->state = NEED_LEFT;
}

static lg_status
need_left(lg_xnode *s, lg_xbatch **ret)
{
    mjoin *m = s->state;
    mside *l = &m->l;
    if (!l->b || l->i == l->b->b.n) {
        if (flush_first(m))
            return LG_OK;
        if (m->left_lonely && m->quals) {
            LG_TRY(sweep(m, l, true, ret));
            if (*ret)
                return LG_OK;
        }
        LG_TRY(side_fetch(s, l, true));
        if (l->end)
            m->state = REST;
        return LG_OK;
    }
    uint32_t row = lg_xbatch_row(l->b, l->i);
    if (null_key(m, l, row))
        left_alone(m, row);
    else
        m->state = SEEK;
    return LG_OK;
}

/* Right goes on to its next batch. */
static lg_status
next_right(lg_xnode *s, lg_xbatch **ret)
{
    mjoin *m = s->state;
    if (flush_first(m))
        return LG_OK;
    if (m->right_lonely) {
        LG_TRY(sweep(m, &m->r, false, ret));
        if (*ret)
            return LG_OK;
    }
    return side_fetch(s, &m->r, false);
}

static lg_status
keep_rows(mjoin *m, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        uint32_t row = lg_xbatch_row(m->r.b, i);
        LG_TRY(lg_xstore_put(&m->g.store, m->r.b->b.cols, row));
        m->rmet[row] = 1; /* the group's now */
    }
    m->g.n += to - from;
    return LG_OK;
}

/* A group begins at right's present row. */
static lg_status
begin_group(lg_xnode *s)
{
    mjoin *m = s->state;
    mgroup *g = &m->g;
    mside *r = &m->r;
    uint32_t first = lg_xbatch_row(r->b, r->i), to = r->i + 1;
    bool one = s->plan->join.inner_unique;
    while (!one && to < r->b->b.n && in_group(m, lg_xbatch_row(r->b, to), first))
        to++;
    g->open = true;
    g->from = r->i;
    g->to = to;
    g->kept = !one && to == r->b->b.n;
    g->pos = g->swept = 0;
    g->n = to - r->i;
    m->state = PAIRS;
    if (!g->kept) {
        for (uint32_t i = r->i; m->right_lonely && !m->quals && i < to; i++)
            m->rmet[lg_xbatch_row(r->b, i)] = 1;
        r->i = to;
        return LG_OK;
    }
    lg_xstore_reset(&g->store);
    g->chunk.b.n = 0;
    g->n = 0;
    lg_arena_reset(g->arena);
    for (uint32_t k = 0; k < m->nkeys; k++)
        g->key[k] =
            lg_datum_copy(m->keys[k].type,
                          key_value(&m->keys[k], 1, lg_vector_value(r->keys[k], first)), g->arena);
    LG_TRY(keep_rows(m, r->i, to));
    r->i = to;
    m->state = GATHER;
    return LG_OK;
}

/* A kept group goes on in right's next batches. */
static lg_status
gather_group(lg_xnode *s, lg_xbatch **ret)
{
    mjoin *m = s->state;
    mgroup *g = &m->g;
    mside *r = &m->r;
    if (!r->end && (!r->b || r->i == r->b->b.n)) {
        LG_TRY(next_right(s, ret));
        if (*ret || m->flush)
            return LG_OK;
    }
    if (!r->end) {
        uint32_t to = r->i;
        while (to < r->b->b.n && in_group(m, lg_xbatch_row(r->b, to), NOBODY))
            to++;
        LG_TRY(keep_rows(m, r->i, to));
        r->i = to;
        if (to == r->b->b.n)
            return LG_OK;
    }
    LG_TRY(lg_xstore_weigh(&g->store));
    if (m->quals && m->right_lonely) {
        if (g->met_cap < g->n) {
            g->met_cap = g->n * 2;
            g->met = lg_realloc(g->met, g->met_cap);
        }
        memset(g->met, 0, g->n);
    }
    m->state = PAIRS;
    return LG_OK;
}

static lg_status
close_group(mjoin *m, lg_xbatch **ret)
{
    if (m->g.kept) {
        if (flush_first(m))
            return LG_OK;
        if (m->right_lonely) {
            LG_TRY(sweep_group(m, ret));
            if (*ret)
                return LG_OK;
        }
    }
    m->g.open = false;
    return LG_OK;
}

/* Right is brought to the key of left's row. */
static lg_status
seek(lg_xnode *s, lg_xbatch **ret)
{
    mjoin *m = s->state;
    mside *r = &m->r;
    uint32_t row = lg_xbatch_row(m->l.b, m->l.i);
    if (m->g.open) {
        int c = compare_group(m, row);
        if (c < 0)
            return lg_error_set(s->x->es->err, "XX000", "mergejoin input data is out of order");
        if (c > 0)
            return close_group(m, ret);
        m->g.pos = 0;
        m->state = PAIRS;
        return LG_OK;
    }
    if (!r->end && (!r->b || r->i == r->b->b.n))
        return next_right(s, ret);
    if (r->end) {
        if (m->left_lonely)
            left_alone(m, row);
        else
            m->state = DONE;
        return LG_OK;
    }
    for (; r->i < r->b->b.n; r->i++) {
        uint32_t rrow = lg_xbatch_row(r->b, r->i);
        int c = null_key(m, r, rrow) ? 1 : compare_rows(m, row, rrow);
        if (c == 0)
            return begin_group(s);
        if (c < 0) {
            left_alone(m, row);
            return LG_OK;
        }
    }
    return LG_OK;
}

/* Where the group's row `pos` is: m->src and, up to *ret_upto, rows that follow it there. */
static lg_status
group_source(mjoin *m, uint64_t *ret_first, uint64_t *ret_upto)
{
    mgroup *g = &m->g;
    if (!g->kept) {
        if (m->src && m->src != m->r.b && flush_first(m))
            return LG_OK;
        m->src = m->r.b;
        *ret_first = 0;
        *ret_upto = g->n;
        return LG_OK;
    }
    bool there = g->pos >= g->chunk_first && g->pos - g->chunk_first < g->chunk.b.n;
    if (m->src && (m->src != &g->chunk || !there) && flush_first(m))
        return LG_OK;
    if (!there) {
        g->at.pos = g->chunk_first = g->pos;
        LG_TRY(lg_xstore_fill(&g->store, &g->at, &g->chunk));
    }
    m->src = &g->chunk;
    *ret_first = g->chunk_first;
    *ret_upto = g->chunk_first + g->chunk.b.n;
    return LG_OK;
}

static lg_status
pairs(mjoin *m)
{
    mgroup *g = &m->g;
    uint32_t row = lg_xbatch_row(m->l.b, m->l.i);
    uint64_t first = 0, upto = 0;
    bool once = !m->quals && (m->type == LG_JOIN_SEMI || m->type == LG_JOIN_ANTI);
    bool enough = m->quals && (m->type == LG_JOIN_SEMI || m->type == LG_JOIN_ANTI);
    if (once && m->type == LG_JOIN_ANTI)
        g->pos = g->n;
    if (g->pos < g->n && !(enough && m->lmet[row])) {
        LG_TRY(group_source(m, &first, &upto));
        if (m->flush)
            return LG_OK;
        if (once)
            upto = g->pos + 1;
        for (; g->pos < upto && m->npairs < LG_BATCH; g->pos++) {
            uint32_t rrow = g->kept ? (uint32_t)(g->pos - first)
                                    : lg_xbatch_row(m->r.b, g->from + (uint32_t)g->pos);
            add_pair(m, row, rrow, g->pos);
        }
        if (g->pos < g->n && !once)
            return LG_OK;
    }
    m->l.i++;
    m->state = NEED_LEFT;
    return LG_OK;
}

/* Left has no more rows: what of right met nobody. */
static lg_status
rest(lg_xnode *s, lg_xbatch **ret)
{
    mjoin *m = s->state;
    if (flush_first(m))
        return LG_OK;
    if (m->right_lonely && m->g.open) {
        LG_TRY(close_group(m, ret));
        return LG_OK;
    }
    if (m->right_lonely && !m->r.end)
        return next_right(s, ret);
    m->state = DONE;
    return LG_OK;
}

static lg_status
step(lg_xnode *s, lg_xbatch **ret)
{
    mjoin *m = s->state;
    switch (m->state) {
    case NEED_LEFT:
        return need_left(s, ret);
    case SEEK:
        return seek(s, ret);
    case GATHER:
        return gather_group(s, ret);
    case PAIRS:
        return pairs(m);
    case REST:
        return rest(s, ret);
    case DONE:
        return flush_first(m) ? LG_OK : LG_END;
    }
    return LG_END;
}

static lg_status
merge_fetch(lg_xnode *s, lg_xbatch **ret)
{
    mjoin *m = s->state;
    for (;;) {
        uint32_t n;
        if (m->flush || m->npairs == LG_BATCH) {
            m->flush = false;
            LG_TRY(give_pairs(s, ret, &n));
            if (n)
                return LG_OK;
            continue;
        }
        *ret = NULL;
        LG_TRY(step(s, ret));
        if (*ret)
            return LG_OK;
    }
}

static lg_status
merge_rescan(lg_xnode *s)
{
    mjoin *m = s->state;
    m->state = NEED_LEFT;
    m->npairs = 0;
    m->flush = m->g.open = m->g.kept = false;
    m->l.b = m->r.b = NULL;
    m->l.end = m->r.end = false;
    m->l.i = m->r.i = 0;
    m->src = NULL;
    m->g.chunk.b.n = 0;
    lg_xstore_reset(&m->g.store);
    LG_TRY(lg_xnode_rescan(s->left));
    return lg_xnode_rescan(s->right);
}

static void
merge_close(lg_xnode *s)
{
    mjoin *m = s->state;
    if (!m)
        return;
    lg_xcursor_fini(&m->g.at);
    lg_xstore_fini(&m->g.store);
    lg_arena_destroy(m->g.arena);
    lg_arena_destroy(m->l.arena);
    lg_arena_destroy(m->r.arena);
    lg_free(m->g.met);
    m->g.met = NULL;
}

const lg_xnode_ops lg_xops_merge_join = {merge_open, merge_fetch, merge_rescan, merge_close};
