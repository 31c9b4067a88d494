/* Deep copies of expressions and queries, the queries of sublinks included; each reference passes
 * through the caller's function, which may give something else for it. */
#include "bind_copy.h"
#include <string.h>

typedef struct step {
    lg_copier *c;
    uint32_t depth;
} step;

static lg_expr *
copy_step(lg_expr *e, void *arg)
{
    const step *s = arg;
    return lg_copy_expr(s->c, e, s->depth);
}

lg_expr *
lg_copy_expr(lg_copier *c, const lg_expr *e, uint32_t depth)
{
    step s = {c, depth};
    if (!e)
        return NULL;
    if (c->leaf) {
        lg_expr *r = c->leaf(c, e, depth);
        if (r)
            return r;
    }
    lg_expr *n = lg_expr_mutate(c->a, e, copy_step, &s);
    if (n->kind == LG_EX_AGG && c->raise && n->agg.up >= depth)
        n->agg.up += c->raise;
    if (n->kind == LG_EX_VAR && c->raise && n->var.up >= depth)
        n->var.up += c->raise;
    if (n->kind == LG_EX_SUBLINK)
        n->sublink.query = lg_copy_query(c, n->sublink.query, depth + 1);
    return n;
}

static lg_target *
copy_targets(lg_copier *c, const lg_target *t, uint32_t n, uint32_t depth)
{
    lg_target *r = LG_NEWN(c->a, lg_target, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        r[i] = t[i];
        r[i].expr = lg_copy_expr(c, t[i].expr, depth);
    }
    return r;
}

static lg_sort_item *
copy_items(lg_copier *c, const lg_sort_item *s, uint32_t n, uint32_t depth)
{
    lg_sort_item *r = LG_NEWN(c->a, lg_sort_item, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        r[i] = s[i];
        r[i].expr = lg_copy_expr(c, s[i].expr, depth);
    }
    return r;
}

static lg_from *
copy_from(lg_copier *c, const lg_from *f, uint32_t depth)
{
    if (!f)
        return NULL;
    lg_from *r = lg_arena_dup(c->a, f, sizeof *f);
    r->quals = lg_copy_expr(c, f->quals, depth);
    r->left = copy_from(c, f->left, depth);
    r->right = copy_from(c, f->right, depth);
    return r;
}

static lg_rte *
copy_rte(lg_copier *c, const lg_rte *e, uint32_t depth)
{
    lg_rte *r = lg_arena_dup(c->a, e, sizeof *e);
    if (e->kind == LG_RTE_CTE && c->raise && e->cte_up >= depth)
        r->cte_up += c->raise;
    if (e->subquery)
        r->subquery = lg_copy_query(c, e->subquery, depth + 1);
    if (e->alias_exprs) {
        r->alias_exprs = LG_NEWN(c->a, lg_expr *, e->ncols + 1);
        for (uint32_t i = 0; i < e->ncols; i++)
            r->alias_exprs[i] = lg_copy_expr(c, e->alias_exprs[i], depth);
    }
    if (e->nfuncs)
        r->funcs = lg_arena_dup(c->a, e->funcs, e->nfuncs * sizeof *e->funcs);
    for (uint32_t i = 0; i < e->nfuncs; i++)
        r->funcs[i].expr = lg_copy_expr(c, e->funcs[i].expr, depth);
    if (e->nrows)
        r->rows = LG_NEWN(c->a, lg_expr **, e->nrows);
    for (uint32_t i = 0; i < e->nrows; i++) {
        r->rows[i] = LG_NEWN(c->a, lg_expr *, e->ncols + 1);
        for (uint32_t k = 0; k < e->ncols; k++)
            r->rows[i][k] = lg_copy_expr(c, e->rows[i][k], depth);
    }
    return r;
}

static void
copy_windows(lg_copier *c, const lg_query *q, lg_query *r, uint32_t depth)
{
    r->windows = LG_NEWN(c->a, lg_window, q->nwindows + 1);
    for (uint32_t i = 0; i < q->nwindows; i++) {
        lg_window *w = &r->windows[i];
        *w = q->windows[i];
        w->part = copy_items(c, w->part, w->npart, depth);
        w->order = copy_items(c, w->order, w->norder, depth);
        w->start = lg_copy_expr(c, w->start, depth);
        w->end = lg_copy_expr(c, w->end, depth);
    }
}

static void
copy_change(lg_copier *c, const lg_query *q, lg_query *r, uint32_t depth)
{
    r->returning = copy_targets(c, q->returning, q->nreturning, depth);
    r->checks = LG_NEWN(c->a, lg_view_check, q->nchecks + 1);
    for (uint32_t i = 0; i < q->nchecks; i++) {
        r->checks[i] = q->checks[i];
        r->checks[i].expr = lg_copy_expr(c, q->checks[i].expr, depth);
    }
    if (!q->on_conflict)
        return;
    r->on_conflict = lg_arena_dup(c->a, q->on_conflict, sizeof *q->on_conflict);
    r->on_conflict->set = copy_targets(c, q->on_conflict->set, q->on_conflict->nset, depth);
    r->on_conflict->where = lg_copy_expr(c, q->on_conflict->where, depth);
}

lg_query *
lg_copy_query(lg_copier *c, const lg_query *q, uint32_t depth)
{
    if (!q)
        return NULL;
    lg_query *r = lg_arena_dup(c->a, q, sizeof *q);
    r->rtes = LG_NEWN(c->a, lg_rte *, q->nrtes + 1);
    for (uint32_t i = 0; i < q->nrtes; i++)
        r->rtes[i] = copy_rte(c, q->rtes[i], depth);
    r->from = copy_from(c, q->from, depth);
    r->where = lg_copy_expr(c, q->where, depth);
    r->having = lg_copy_expr(c, q->having, depth);
    r->limit = lg_copy_expr(c, q->limit, depth);
    r->offset = lg_copy_expr(c, q->offset, depth);
    r->targets = copy_targets(c, q->targets, q->ntargets, depth);
    r->group = copy_items(c, q->group, q->ngroup, depth);
    r->sort = copy_items(c, q->sort, q->nsort, depth);
    r->distinct = copy_items(c, q->distinct, q->ndistinct, depth);
    copy_windows(c, q, r, depth);
    r->ctes = LG_NEWN(c->a, lg_cte, q->nctes + 1);
    for (uint32_t i = 0; i < q->nctes; i++) {
        r->ctes[i] = q->ctes[i];
        r->ctes[i].query = lg_copy_query(c, q->ctes[i].query, depth + 1);
    }
    copy_change(c, q, r, depth);
    return r;
}
