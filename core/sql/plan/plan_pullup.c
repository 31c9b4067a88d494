/* IN and EXISTS in WHERE become semi joins, NOT EXISTS an anti join, where that is safe. Done
 * before the level's expressions are prepared. The subquery enters the range table: as the relation
 * itself when it is a plain scan of one (so that an index can serve the join), else as a subquery.
 */
#include "plan_internal.h"
#include <string.h>

/* ---- what an expression refers to ---- */

typedef struct refs {
    bool inner;   /* this level */
    bool outer;   /* exactly one level up */
    bool further; /* beyond, or something that hides references */
} refs;

static bool
find_refs(const lg_expr *e, void *arg)
{
    refs *r = arg;
    if (e->kind == LG_EX_VAR) {
        r->inner = r->inner || !e->var.up;
        r->outer = r->outer || e->var.up == 1;
        r->further = r->further || e->var.up > 1;
    }
    if (e->kind == LG_EX_SUBLINK || (e->kind == LG_EX_AGG && e->agg.up))
        r->further = true;
    return lg_expr_walk(e, find_refs, r);
}

static refs
refs_of(const lg_expr *e)
{
    refs r = {0};
    if (e)
        find_refs(e, &r);
    return r;
}

static bool
from_is_local(const lg_query *q, const lg_from *f)
{
    if (!f)
        return false;
    if (!f->is_join)
        return q->rtes[f->rte]->kind == LG_RTE_RELATION;
    refs r = refs_of(f->quals);
    return !r.outer && !r.further && from_is_local(q, f->left) && from_is_local(q, f->right);
}

/* A SELECT that is nothing but FROM and WHERE. */
static bool
is_plain(const lg_query *q)
{
    return q->cmd == LG_CMD_SELECT && !q->setop && !q->nctes && !q->grouped && !q->has_aggs &&
           !q->having && !q->ndistinct && !q->limit && !q->offset && !q->nmarks && !q->has_srfs;
}

/* ---- rewriting ---- */

typedef struct rewrite {
    lg_arena *a;
    uint32_t rte;     /* the new entry */
    bool is_relation; /* inner Vars keep their attno; else they go through cols */
    lg_expr **cols;   /* output columns of the subquery, being collected */
    uint32_t ncols, cap;
    const lg_query *sub; /* for LG_EX_SUBCOL */
} rewrite;

static uint32_t
output_column(rewrite *w, lg_expr *v)
{
    for (uint32_t i = 0; i < w->ncols; i++)
        if (lg_expr_equal(w->cols[i], v))
            return i;
    if (w->ncols == w->cap) {
        w->cap = w->cap ? 2 * w->cap : 4;
        lg_expr **x = LG_NEWN(w->a, lg_expr *, w->cap);
        if (w->ncols)
            memcpy(x, w->cols, w->ncols * sizeof *x);
        w->cols = x;
    }
    w->cols[w->ncols] = v;
    return w->ncols++;
}

/* A condition of the subquery, seen from the query above. */
static lg_expr *
lift(lg_expr *e, void *arg)
{
    rewrite *w = arg;
    lg_expr *n = lg_expr_mutate(w->a, e, lift, w);
    if (n->kind != LG_EX_VAR)
        return n;
    if (n->var.up) {
        n->var.up--;
    } else if (w->is_relation) {
        n->var.rte = w->rte;
    } else {
        n->var.attno = (int16_t)(output_column(w, e) + 1);
        n->var.rte = w->rte;
    }
    return n;
}

static const lg_expr *
sub_output(const lg_query *q, int32_t i)
{
    int32_t k = 0;
    for (uint32_t t = 0; t < q->ntargets; t++)
        if (!q->targets[t].junk && k++ == i)
            return q->targets[t].expr;
    return NULL;
}

/* The test of IN: the subquery's columns become expressions over the new entry. */
static lg_expr *
lift_test(lg_expr *e, void *arg)
{
    rewrite *w = arg;
    if (e->kind != LG_EX_SUBCOL)
        return lg_expr_mutate(w->a, e, lift_test, w);
    const lg_expr *out = sub_output(w->sub, e->slot);
    if (w->is_relation)
        return lift((lg_expr *)(uintptr_t)out, w);
    lg_expr *v = lg_expr_new(w->a, LG_EX_VAR, e->type, 0);
    v->typmod = e->typmod;
    v->collation = e->collation;
    v->var.rte = w->rte;
    v->var.attno = (int16_t)(e->slot + 1);
    return v;
}

static uint32_t
add_rte(lg_planner *p, lg_query *q, lg_rte *rte)
{
    lg_rte **r = LG_NEWN(p->a, lg_rte *, q->nrtes + 1);
    memcpy(r, q->rtes, q->nrtes * sizeof *r);
    r[q->nrtes] = rte;
    q->rtes = r;
    return q->nrtes++;
}

static void
add_semi(lg_pq *pq, uint32_t rte, uint8_t type, lg_expr *on)
{
    lg_planner *p = pq->p;
    lg_semi *s = LG_NEWN(p->a, lg_semi, pq->nsemis + 1);
    if (pq->nsemis)
        memcpy(s, pq->semis, pq->nsemis * sizeof *s);
    s[pq->nsemis++] = (lg_semi){rte, type, on};
    pq->semis = s;
}

static lg_rte *
subquery_rte(lg_planner *p, lg_query *q)
{
    lg_rte *r = LG_NEW(p->a, lg_rte);
    r->kind = LG_RTE_SUBQUERY;
    r->alias = "ANY_subquery";
    r->subquery = q;
    r->ncols = lg_query_outcols(q, p->a, &r->cols);
    return r;
}

static bool
single_relation(const lg_query *q)
{
    return q->from && !q->from->is_join && q->nrtes == 1 &&
           q->rtes[q->from->rte]->kind == LG_RTE_RELATION;
}

/* x IN (SELECT ...) without references outward. */
static bool
pull_up_in(lg_pq *pq, const lg_expr *link)
{
    lg_planner *p = pq->p;
    lg_query *sub = link->sublink.query;
    refs test = refs_of(link->args[0]), where = refs_of(sub->where);
    if (!test.inner || test.further || sub->cmd != LG_CMD_SELECT || !is_plain(sub) ||
        !from_is_local(sub, sub->from) || where.outer || where.further ||
        lg_expr_volatility(link->args[0]) == 'v')
        return false;
    for (uint32_t i = 0; i < sub->ntargets; i++) {
        refs r = refs_of(sub->targets[i].expr);
        if (r.outer || r.further || lg_expr_volatility(sub->targets[i].expr) == 'v')
            return false;
    }
    rewrite w = {.a = p->a, .sub = sub, .is_relation = single_relation(sub)};
    lg_expr *on = NULL;
    if (w.is_relation) {
        w.rte = add_rte(p, pq->q, sub->rtes[sub->from->rte]);
        if (sub->where)
            on = lift(sub->where, &w);
    } else {
        w.rte = add_rte(p, pq->q, subquery_rte(p, sub));
    }
    on = lg_expr_and(p->a, lift_test(link->args[0], &w), on);
    add_semi(pq, w.rte, LG_JOIN_SEMI, on);
    return true;
}

/* The query's FROM and local conditions, giving the columns that the join needs. */
static lg_query *
reduced(lg_planner *p, const lg_query *sub, lg_expr *where, const rewrite *w)
{
    lg_query *q = lg_arena_dup(p->a, sub, sizeof *sub);
    q->where = where;
    q->nsort = 0;
    q->ntargets = w->ncols;
    q->targets = LG_NEWN(p->a, lg_target, w->ncols + 1);
    for (uint32_t i = 0; i < w->ncols; i++)
        q->targets[i] =
            (lg_target){.expr = w->cols[i], .name = lg_arena_printf(p->a, "c%u", i + 1)};
    return q;
}

static bool
pull_up_exists(lg_pq *pq, const lg_expr *link, bool not )
{
    lg_planner *p = pq->p;
    lg_query *sub = link->sublink.query;
    lg_expr **list, *local = NULL, *joined = NULL;
    if (!is_plain(sub) || !from_is_local(sub, sub->from) || lg_expr_volatility(sub->where) == 'v')
        return false;
    uint32_t n = lg_plan__split_and(p, sub->where, &list);
    for (uint32_t i = 0; i < n; i++) {
        refs r = refs_of(list[i]);
        if (r.further)
            return false;
        if (r.outer)
            joined = lg_expr_and(p->a, joined, list[i]);
        else
            local = lg_expr_and(p->a, local, list[i]);
    }
    if (!joined)
        return false;
    rewrite w = {.a = p->a, .sub = sub, .is_relation = single_relation(sub)};
    lg_expr *on;
    if (w.is_relation) {
        w.rte = add_rte(p, pq->q, sub->rtes[sub->from->rte]);
        on = lift(joined, &w);
        if (local)
            on = lg_expr_and(p->a, on, lift(local, &w));
    } else {
        w.rte = pq->q->nrtes;
        on = lift(joined, &w);
        if (!w.ncols)
            return false;
        add_rte(p, pq->q, subquery_rte(p, reduced(p, sub, local, &w)));
    }
    add_semi(pq, w.rte, not ? LG_JOIN_ANTI : LG_JOIN_SEMI, on);
    return true;
}

static bool
pull_up(lg_pq *pq, const lg_expr *e)
{
    bool not = e->kind == LG_EX_NOT;
    const lg_expr *link = not ? e->args[0] : e;
    if (link->kind != LG_EX_SUBLINK)
        return false;
    if (link->sublink.link == LG_SUBLINK_EXISTS)
        return pull_up_exists(pq, link, not );
    if (link->sublink.link == LG_SUBLINK_ANY && !not )
        return pull_up_in(pq, link);
    return false;
}

void
lg_plan__pull_up_sublinks(lg_pq *pq)
{
    lg_query *q = pq->q;
    lg_expr **list, *rest = NULL;
    if (q->cmd != LG_CMD_SELECT || q->nmarks || !q->from || !q->where || !q->has_sublinks)
        return;
    uint32_t n = lg_plan__split_and(pq->p, q->where, &list);
    for (uint32_t i = 0; i < n; i++)
        if (!pull_up(pq, list[i]))
            rest = lg_expr_and(pq->p->a, rest, list[i]);
    q->where = rest;
}
