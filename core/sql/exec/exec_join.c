/* Nested loop joins (hash joins: exec_hash.c).
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
    lg_xcursor at;
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
    s->right->few = s->plan->join.type == LG_JOIN_SEMI || s->plan->join.type == LG_JOIN_ANTI;
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
    j->at.pos = 0;
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
    if (j->at.pos >= j->store.n)
        return LG_END;
    if (!j->rb.cap)
        lg_xbatch_init(&j->rb, s->x->arena, s->plan->right->ncols,
                       lg_xnode_types(s, s->plan->right), LG_BATCH);
    *ret = &j->rb;
    return lg_xstore_fill(&j->store, &j->at, &j->rb);
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
            s->join_filtered += rb->b.n - n;
            sel = j->sel;
        }
        if (!n) {
            LG_TRY(lg_xcheck(s->x)); /* kept rows pass no node */
            continue;
        }
        j->matched = true;
        if (type == LG_JOIN_ANTI) {
            j->in_row = false;
            return LG_END;
        }
        if (j->stored)
            for (uint32_t i = 0; i < n; i++)
                j->met[j->at.pos - rb->b.n + lg_sel_row(sel, i)] = 1;
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
        uint64_t from = j->at.pos;
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
    lg_xstore_init_spill(&j->store, s->x, s->plan->right->ncols, lg_xnode_types(s, s->plan->right),
                         lg_xbudget_sort(s->x));
    while ((st = lg_xnode_next(s->right, &b)) == LG_OK)
        LG_TRY(lg_xstore_put_batch(&j->store, b));
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
                j->at.pos = 0;
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
    if (!j)
        return;
    lg_xcursor_fini(&j->at);
    lg_xstore_fini(&j->store);
}

const lg_xnode_ops lg_xops_nested_loop = {nest_open, nest_fetch, nest_rescan, nest_close};
