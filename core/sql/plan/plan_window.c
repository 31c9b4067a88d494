/* Windows above joins and grouping: what the functions need becomes columns of one node; then for
 * each different window a sort (where the order is not there yet) and a WINDOW node that appends
 * its functions' results. The window with the longest order comes first, so that those whose order
 * is a prefix of it need no sort of their own. */
#include "plan_internal.h"
#include <stdlib.h>
#include <string.h>

typedef struct exprs {
    lg_expr **at;
    uint32_t n, cap;
} exprs;

typedef struct active {
    const lg_window *w;
    uint32_t id; /* in q->windows */
    exprs funcs;
    uint32_t slot; /* of the first function's result */
    uint32_t nkeys;
    lg_sort_item *keys; /* partition, then order, each once */
} active;

typedef struct windows {
    lg_pq *pq;
    uint32_t *same; /* [window]: the first equal one */
    exprs base;     /* columns below the windows */
    uint32_t n;
    active *at;
} windows;

static uint32_t
put(lg_arena *a, exprs *l, lg_expr *e)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (lg_expr_equal(l->at[i], e))
            return i;
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 8;
        lg_expr **x = LG_NEWN(a, lg_expr *, l->cap);
        if (l->n)
            memcpy(x, l->at, l->n * sizeof *x);
        l->at = x;
    }
    l->at[l->n] = e;
    return l->n++;
}

static bool
same_items(const lg_sort_item *x, uint32_t nx, const lg_sort_item *y, uint32_t ny)
{
    if (nx != ny)
        return false;
    for (uint32_t i = 0; i < nx; i++)
        if (x[i].ref != y[i].ref || x[i].lt != y[i].lt || x[i].nulls_first != y[i].nulls_first)
            return false;
    return true;
}

static bool
same_expr(const lg_expr *x, const lg_expr *y)
{
    return (!x && !y) || (x && y && lg_expr_equal(x, y));
}

static bool
same_window(const lg_window *x, const lg_window *y)
{
    return x->frame == y->frame && same_items(x->part, x->npart, y->part, y->npart) &&
           same_items(x->order, x->norder, y->order, y->norder) && same_expr(x->start, y->start) &&
           same_expr(x->end, y->end);
}

static active *
active_of(windows *w, uint32_t window)
{
    for (uint32_t i = 0; i < w->n; i++)
        if (w->at[i].id == w->same[window])
            return &w->at[i];
    w->at[w->n] = (active){.id = w->same[window], .w = &w->pq->q->windows[w->same[window]]};
    return &w->at[w->n++];
}

/* Finds the window functions, and what is computed below them. */
static bool
collect(const lg_expr *ce, void *arg)
{
    windows *w = arg;
    lg_arena *a = w->pq->p->a;
    lg_expr *e = (lg_expr *)(uintptr_t)ce;
    if (e->kind == LG_EX_SLOT)
        put(a, &w->base, e);
    if (e->kind != LG_EX_WINDOW)
        return lg_expr_walk(e, collect, w);
    e->agg.window = w->same[e->agg.window];
    for (uint32_t i = 0; i < e->nargs; i++)
        if (e->args[i]->kind != LG_EX_CONST)
            put(a, &w->base, e->args[i]);
    if (e->agg.filter)
        put(a, &w->base, (lg_expr *)(uintptr_t)e->agg.filter);
    put(a, &active_of(w, e->agg.window)->funcs, e);
    return false;
}

static lg_expr *
column(windows *w, lg_expr *e)
{
    for (uint32_t i = 0; i < w->base.n; i++)
        if (lg_expr_equal(w->base.at[i], e))
            return lg_plan__slot(w->pq->p, (int32_t)i, e->type, e->typmod, e->collation);
    return NULL;
}

/* e over the row of the topmost WINDOW node. */
static lg_expr *
over_windows(lg_expr *e, void *arg)
{
    windows *w = arg;
    if (e->kind == LG_EX_WINDOW) {
        const active *x = active_of(w, e->agg.window);
        for (uint32_t i = 0; i < x->funcs.n; i++)
            if (lg_expr_equal(x->funcs.at[i], e))
                return lg_plan__slot(w->pq->p, (int32_t)(x->slot + i), e->type, e->typmod,
                                     e->collation);
    }
    lg_expr *c = e->kind == LG_EX_CONST ? NULL : column(w, e);
    return c ? c : lg_expr_mutate(w->pq->p->a, e, over_windows, w);
}

/* A window function over the columns: arguments and filter are slots or constants. */
static lg_expr *
window_func(windows *w, const lg_expr *f)
{
    lg_expr *e = lg_arena_dup(w->pq->p->a, f, sizeof *f);
    e->args = LG_NEWN(w->pq->p->a, lg_expr *, f->nargs + 1);
    for (uint32_t i = 0; i < f->nargs; i++)
        e->args[i] = f->args[i]->kind == LG_EX_CONST ? f->args[i] : column(w, f->args[i]);
    if (f->agg.filter)
        e->agg.filter = column(w, (lg_expr *)(uintptr_t)f->agg.filter);
    return e;
}

static uint32_t
item_slot(windows *w, lg_expr **t, uint32_t ref)
{
    const lg_query *q = w->pq->q;
    for (uint32_t i = 0; i < q->ntargets; i++)
        if (q->targets[i].ref == ref)
            return put(w->pq->p->a, &w->base, t[i]);
    return 0;
}

static void
sort_keys_of(windows *w, active *x)
{
    x->keys = LG_NEWN(w->pq->p->a, lg_sort_item, x->w->npart + x->w->norder + 1);
    for (uint32_t i = 0; i < x->w->npart; i++)
        x->keys[x->nkeys++] = x->w->part[i];
    for (uint32_t i = 0; i < x->w->norder; i++) {
        bool have = false;
        for (uint32_t k = 0; k < x->nkeys; k++)
            have = have || x->keys[k].ref == x->w->order[i].ref;
        if (!have)
            x->keys[x->nkeys++] = x->w->order[i];
    }
}

/* PostgreSQL's order of evaluation. */
static int
compare_active(const void *pa, const void *pb)
{
    const active *a = pa, *b = pb;
    for (uint32_t i = 0; i < a->nkeys && i < b->nkeys; i++) {
        const lg_sort_item *x = &a->keys[i], *y = &b->keys[i];
        if (x->ref != y->ref)
            return x->ref > y->ref ? -1 : 1;
        if (x->lt->oid != y->lt->oid)
            return x->lt->oid > y->lt->oid ? -1 : 1;
        if (x->nulls_first != y->nulls_first)
            return x->nulls_first ? -1 : 1;
    }
    if (a->nkeys != b->nkeys)
        return a->nkeys > b->nkeys ? -1 : 1;
    return a->id < b->id ? -1 : 1;
}

static bool
is_prefix(const lg_sort_item *have, uint32_t nhave, const lg_sort_item *want, uint32_t nwant)
{
    return nwant <= nhave && same_items(have, nwant, want, nwant);
}

static lg_node_sortkey
key_of(windows *w, lg_expr **t, const lg_sort_item *it)
{
    uint32_t slot = item_slot(w, t, it->ref);
    const lg_expr *e = w->base.at[slot];
    return (lg_node_sortkey){.slot = slot,
                             .lt = it->lt,
                             .type = e->type,
                             .collation = e->collation,
                             .desc = it->desc,
                             .nulls_first = it->nulls_first};
}

static lg_node *
sort_node(windows *w, lg_expr **t, lg_node *in, const active *x)
{
    lg_planner *p = w->pq->p;
    lg_node *s = lg_plan__node(p, LG_NODE_SORT);
    s->left = in;
    s->ncols = in->ncols;
    s->cols = in->cols;
    s->sort.keys = LG_NEWN(p->a, lg_node_sortkey, x->nkeys + 1);
    for (uint32_t i = 0; i < x->nkeys; i++)
        s->sort.keys[s->sort.nkeys++] = key_of(w, t, &x->keys[i]);
    lg_plan__sort_cost(p, s);
    return s;
}

static lg_node *
window_node(windows *w, lg_expr **t, lg_node *in, active *x)
{
    lg_planner *p = w->pq->p;
    lg_node *n = lg_plan__node(p, LG_NODE_WINDOW);
    n->left = in;
    n->window.part = LG_NEWN(p->a, lg_group_key, x->w->npart + 1);
    for (uint32_t i = 0; i < x->w->npart; i++) {
        lg_node_sortkey k = key_of(w, t, &x->w->part[i]);
        n->window.part[n->window.npart++] = (lg_group_key){k.slot, k.type, x->w->part[i].eq};
    }
    n->window.order = LG_NEWN(p->a, lg_node_sortkey, x->w->norder + 1);
    for (uint32_t i = 0; i < x->w->norder; i++)
        n->window.order[n->window.norder++] = key_of(w, t, &x->w->order[i]);
    n->window.frame = x->w->frame;
    n->window.start = x->w->start;
    n->window.end = x->w->end;
    n->window.nfuncs = x->funcs.n;
    n->window.funcs = LG_NEWN(p->a, lg_expr *, x->funcs.n + 1);
    n->ncols = in->ncols + x->funcs.n;
    lg_outcol *cols = LG_NEWN(p->a, lg_outcol, n->ncols + 1);
    memcpy(cols, in->cols, in->ncols * sizeof *cols);
    x->slot = in->ncols;
    for (uint32_t i = 0; i < x->funcs.n; i++) {
        n->window.funcs[i] = window_func(w, x->funcs.at[i]);
        cols[in->ncols + i] = lg_plan__outcol(x->funcs.at[i], "window");
    }
    n->cols = cols;
    n->rows = in->rows;
    n->width = in->width + 8 * (int32_t)x->funcs.n;
    n->startup_cost = in->startup_cost;
    n->cost = in->cost + in->rows * p->s->cpu_operator_cost * (x->funcs.n + x->nkeys + 1) +
              in->rows * p->s->cpu_tuple_cost;
    return n;
}

static lg_node *
base_node(windows *w, lg_node *in)
{
    lg_planner *p = w->pq->p;
    lg_outcol *cols = LG_NEWN(p->a, lg_outcol, w->base.n + 1);
    for (uint32_t i = 0; i < w->base.n; i++)
        cols[i] = lg_plan__outcol(w->base.at[i], "window");
    return lg_plan__project(p, in, w->base.n, w->base.at, cols);
}

/* Is the target there only for a window's sake? */
static bool
only_for_windows(const lg_query *q, const lg_target *t)
{
    for (uint32_t i = 0; i < q->nsort; i++)
        if (q->sort[i].ref == t->ref)
            return false;
    for (uint32_t i = 0; i < q->ndistinct; i++)
        if (q->distinct[i].ref == t->ref)
            return false;
    return t->junk;
}

lg_node *
lg_plan__windows(lg_pq *pq, lg_node *in, lg_expr **t, bool *ret_sorted)
{
    lg_query *q = pq->q;
    lg_planner *p = pq->p;
    windows w = {.pq = pq, .same = LG_NEWN(p->a, uint32_t, q->nwindows + 1)};
    w.at = LG_NEWN(p->a, active, q->nwindows + 1);
    for (uint32_t i = 0; i < q->nwindows; i++) {
        w.same[i] = i;
        for (uint32_t k = 0; k < i && w.same[i] == i; k++)
            if (same_window(&q->windows[i], &q->windows[k]))
                w.same[i] = k;
    }
    lg_expr *none = lg_expr_const(p->a, LG_T_INT4, 0, true);
    for (uint32_t i = 0; i < q->ntargets; i++)
        if (!only_for_windows(q, &q->targets[i]))
            collect(t[i], &w);
    for (uint32_t i = 0; i < w.n; i++) {
        sort_keys_of(&w, &w.at[i]);
        for (uint32_t k = 0; k < w.at[i].nkeys; k++)
            item_slot(&w, t, w.at[i].keys[k].ref);
    }
    qsort(w.at, w.n, sizeof *w.at, compare_active);
    lg_node *n = base_node(&w, in);
    const active *last = NULL;
    for (uint32_t i = 0; i < w.n; i++) {
        if (w.at[i].nkeys &&
            !(last && is_prefix(last->keys, last->nkeys, w.at[i].keys, w.at[i].nkeys))) {
            n = sort_node(&w, t, n, &w.at[i]);
            last = &w.at[i];
        }
        n = window_node(&w, t, n, &w.at[i]);
    }
    *ret_sorted = q->nsort && last && is_prefix(last->keys, last->nkeys, q->sort, q->nsort);
    for (uint32_t i = 0; i < q->ntargets; i++)
        t[i] = only_for_windows(q, &q->targets[i]) ? none : over_windows(t[i], &w);
    return n;
}
