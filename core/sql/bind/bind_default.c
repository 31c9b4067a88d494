/* The default collation of a database that has ICU's.
 *
 * While names are resolved and collations derived, "default" is one collation, 100, whatever orders
 * by it. In a database whose default is ICU's a statement that is bound is gone over once more, and
 * 100 gives way to the collation that stands for the database's locale (lg_cat_default_collation):
 * planner and executor see an ICU collation like any other. What is stored keeps 100. */
#include "bind_internal.h"
#include "collate.h"

static void query(lg_oid to, lg_query *q);

static bool
expr(const lg_expr *x, void *arg)
{
    lg_oid to = *(const lg_oid *)arg;
    lg_expr *e = (lg_expr *)(uintptr_t)x;
    if (!e)
        return false;
    if (e->collation == LG_COLLATION_DEFAULT)
        e->collation = to;
    if (e->incoll == LG_COLLATION_DEFAULT)
        e->incoll = to;
    if (e->kind == LG_EX_SUBLINK)
        query(to, e->sublink.query);
    return lg_expr_walk(e, expr, arg);
}

static void
columns(lg_oid to, lg_outcol *c, uint32_t n)
{
    for (uint32_t i = 0; c && i < n; i++)
        if (c[i].collation == LG_COLLATION_DEFAULT)
            c[i].collation = to;
}

static void
targets(lg_oid to, const lg_target *t, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        expr(t[i].expr, &to);
}

static void
items(lg_oid to, const lg_sort_item *at, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        expr(at[i].expr, &to);
}

static void
from(lg_oid to, const lg_from *f)
{
    if (!f || !f->is_join)
        return;
    expr(f->quals, &to);
    from(to, f->left);
    from(to, f->right);
}

static void
entry(lg_oid to, lg_rte *r)
{
    columns(to, r->cols, r->ncols);
    if (r->subquery)
        query(to, r->subquery);
    for (uint32_t i = 0; i < r->nfuncs; i++)
        expr(r->funcs[i].expr, &to);
    for (uint32_t i = 0; i < r->nrows; i++)
        for (uint32_t k = 0; k < r->ncols; k++)
            expr(r->rows[i][k], &to);
    for (uint32_t i = 0; r->kind == LG_RTE_JOIN && r->alias_exprs && i < r->ncols; i++)
        expr(r->alias_exprs[i], &to);
}

static void
setop(lg_oid to, lg_setop *s)
{
    if (!s)
        return;
    columns(to, s->cols, s->ncols);
    setop(to, s->left);
    setop(to, s->right);
}

static void
query(lg_oid to, lg_query *q)
{
    if (!q)
        return;
    targets(to, q->targets, q->ntargets);
    targets(to, q->returning, q->nreturning);
    expr(q->where, &to);
    expr(q->having, &to);
    expr(q->limit, &to);
    expr(q->offset, &to);
    from(to, q->from);
    setop(to, q->setop);
    items(to, q->group, q->ngroup);
    items(to, q->distinct, q->ndistinct);
    items(to, q->sort, q->nsort);
    for (uint32_t i = 0; i < q->nwindows; i++) {
        items(to, q->windows[i].part, q->windows[i].npart);
        items(to, q->windows[i].order, q->windows[i].norder);
        expr(q->windows[i].start, &to);
        expr(q->windows[i].end, &to);
    }
    for (uint32_t i = 0; i < q->nchecks; i++)
        expr(q->checks[i].expr, &to);
    if (q->on_conflict) {
        targets(to, q->on_conflict->set, q->on_conflict->nset);
        expr(q->on_conflict->where, &to);
    }
    for (uint32_t i = 0; i < q->nrtes; i++)
        entry(to, q->rtes[i]);
    for (uint32_t i = 0; i < q->nctes; i++) {
        columns(to, q->ctes[i].cols, q->ctes[i].ncols);
        query(to, q->ctes[i].query);
    }
}

void
lg_bind__default_collation(const lg_bind *b, lg_query *q, lg_expr *e)
{
    lg_oid to = b->catalog.default_collation;
    if (!to)
        return;
    query(to, q);
    expr(e, &to);
}
