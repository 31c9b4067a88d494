/* INSERT, UPDATE, DELETE and row locks: the row layouts that plan.h promises. */
#include "plan_internal.h"
#include <string.h>

static lg_expr *
null_const(lg_planner *p, lg_oid type)
{
    return lg_expr_const(p->a, type ? type : LG_T_INT4, 0, true);
}

void
lg_plan__row_layout(lg_pq *pq, lg_built *b, const uint32_t *rtes, uint32_t n, uint32_t *ret_base)
{
    lg_planner *p = pq->p;
    uint32_t total = b->n, k = 0;
    for (uint32_t i = 0; i < n; i++)
        total += pq->q->rtes[rtes[i]]->ncols + 1;
    lg_expr **t = LG_NEWN(p->a, lg_expr *, total + 1);
    lg_outcol *cols = LG_NEWN(p->a, lg_outcol, total + 1);
    lg_colref *map = LG_NEWN(p->a, lg_colref, total + 1);
    for (uint32_t i = 0; i < n; i++) {
        const lg_rte *r = pq->q->rtes[rtes[i]];
        ret_base[i] = k;
        for (uint32_t c = 0; c <= r->ncols; c++) {
            int16_t att = c < r->ncols ? (int16_t)(c + 1) : LG_SYSCOL_CTID;
            map[k] = (lg_colref){rtes[i], att};
            t[k] = NULL;
            for (uint32_t s = 0; s < b->n && !t[k]; s++)
                if (b->map[s].rte == rtes[i] && b->map[s].attno == att)
                    t[k] = lg_plan__slot(p, (int32_t)s, b->node->cols[s].type,
                                         b->node->cols[s].typmod, b->node->cols[s].collation);
            if (!t[k])
                t[k] = null_const(p, c < r->ncols ? r->cols[c].type : LG_T_TID);
            cols[k] =
                lg_plan__outcol(t[k], c < r->ncols && r->cols[c].name ? r->cols[c].name : "ctid");
            k++;
        }
    }
    for (uint32_t s = 0; s < b->n; s++) {
        bool have = false;
        for (uint32_t i = 0; i < n; i++)
            have = have || (b->map[s].rte == rtes[i] &&
                            (b->map[s].attno > 0 || b->map[s].attno == LG_SYSCOL_CTID));
        if (have)
            continue;
        map[k] = b->map[s];
        t[k] = lg_plan__slot(p, (int32_t)s, b->node->cols[s].type, b->node->cols[s].typmod,
                             b->node->cols[s].collation);
        cols[k] = b->node->cols[s];
        k++;
    }
    b->node = lg_plan__project(p, b->node, k, t, cols);
    b->map = map;
    b->n = k;
}

/* Sort expressions beyond plain columns are computed below LOCK_ROWS. */
static lg_node *
sort_below(lg_pq *pq, lg_built *b)
{
    lg_query *q = pq->q;
    lg_planner *p = pq->p;
    uint32_t n = b->n + q->nsort;
    lg_expr **t = LG_NEWN(p->a, lg_expr *, n + 1);
    lg_outcol *cols = LG_NEWN(p->a, lg_outcol, n + 1);
    lg_colref *map = LG_NEWN(p->a, lg_colref, n + 1);
    for (uint32_t i = 0; i < b->n; i++) {
        map[i] = b->map[i];
        cols[i] = b->node->cols[i];
        t[i] = lg_plan__slot(p, (int32_t)i, cols[i].type, cols[i].typmod, cols[i].collation);
    }
    lg_node *s = lg_plan__node(p, LG_NODE_SORT);
    s->sort.keys = LG_NEWN(p->a, lg_node_sortkey, q->nsort + 1);
    for (uint32_t i = 0; i < q->nsort; i++) {
        const lg_expr *e = NULL;
        for (uint32_t k = 0; k < q->ntargets; k++)
            if (q->targets[k].ref == q->sort[i].ref)
                e = q->targets[k].expr;
        t[b->n + i] = lg_plan__fix(pq, e, b->map, b->n);
        cols[b->n + i] = lg_plan__outcol(t[b->n + i], "sort");
        map[b->n + i] = (lg_colref){UINT32_MAX, 0};
        s->sort.keys[s->sort.nkeys++] = (lg_node_sortkey){.slot = b->n + i,
                                                          .lt = q->sort[i].lt,
                                                          .type = e->type,
                                                          .collation = e->collation,
                                                          .desc = q->sort[i].desc,
                                                          .nulls_first = q->sort[i].nulls_first};
    }
    s->left = lg_plan__project(p, b->node, n, t, cols);
    s->ncols = n;
    s->cols = cols;
    lg_plan__sort_cost(p, s);
    b->map = map;
    b->n = n;
    return s;
}

lg_status
lg_plan__lock_rows(lg_pq *pq, lg_built *b, bool sorted)
{
    lg_query *q = pq->q;
    lg_planner *p = pq->p;
    uint32_t *rtes = LG_NEWN(p->a, uint32_t, q->nmarks + 1);
    uint32_t *base = LG_NEWN(p->a, uint32_t, q->nmarks + 1);
    for (uint32_t i = 0; i < q->nmarks; i++)
        rtes[i] = q->marks[i].rte;
    lg_plan__row_layout(pq, b, rtes, q->nmarks, base);
    if (q->nsort && !sorted)
        b->node = sort_below(pq, b);
    lg_node *n = lg_plan__node(p, LG_NODE_LOCK_ROWS);
    n->left = b->node;
    n->ncols = b->node->ncols;
    n->cols = b->node->cols;
    n->rows = b->node->rows;
    n->width = b->node->width;
    n->startup_cost = b->node->startup_cost;
    n->cost = b->node->cost + b->node->rows * p->s->cpu_tuple_cost;
    p->plan->lock_strength = q->marks[0].strength;
    n->lock.nmarks = q->nmarks;
    n->lock.marks = LG_NEWN(p->a, lg_plan_mark, q->nmarks);
    for (uint32_t i = 0; i < q->nmarks; i++)
        n->lock.marks[i] = (lg_plan_mark){.rel = q->rtes[rtes[i]]->rel,
                                          .base = base[i],
                                          .strength = q->marks[i].strength,
                                          .wait = q->marks[i].wait};
    n->lock.restart = pq->has_outer_join;
    if (!n->lock.restart && pq->all_quals)
        n->lock.recheck = lg_plan__fix(pq, pq->all_quals, b->map, b->n);
    b->node = n;
    return LG_OK;
}

/* ---- changing tables ---- */

static lg_status
modify_node(lg_pq *pq, lg_node *child, lg_node **ret)
{
    lg_planner *p = pq->p;
    lg_node *n = lg_plan__node(p, LG_NODE_MODIFY);
    n->left = child;
    n->rows = child->rows;
    n->cost = child->cost;
    n->startup_cost = child->startup_cost;
    n->modify.cmd = pq->q->cmd;
    n->modify.can_set_tag = !pq->parent;
    n->cols = LG_NEWN(p->a, lg_outcol, 1);
    LG_TRY(lg_plan_target_make(p->b, pq->q->rtes[0]->rel, &n->modify.target));
    *ret = n;
    return LG_OK;
}

static void
set_result(lg_pq *pq, lg_node *n, const lg_colref *map, uint32_t nmap)
{
    lg_query *q = pq->q;
    lg_planner *p = pq->p;
    n->modify.checks = LG_NEWN(p->a, lg_plan_check, q->nchecks + 1);
    n->modify.visible = LG_NEWN(p->a, lg_plan_check, q->nchecks + 1);
    for (uint32_t i = 0; i < q->nchecks; i++) {
        lg_plan_check k = {q->checks[i].view, lg_plan__fix(pq, q->checks[i].expr, map, nmap)};
        if (q->checks[i].conflict)
            n->modify.visible[n->modify.nvisible++] = k;
        else
            n->modify.checks[n->modify.nchecks++] = k;
    }
    if (!q->nreturning)
        return;
    lg_outcol *cols = LG_NEWN(p->a, lg_outcol, q->nreturning + 1);
    n->ncols = q->nreturning;
    n->targets = LG_NEWN(p->a, lg_expr *, q->nreturning + 1);
    for (uint32_t i = 0; i < q->nreturning; i++) {
        n->targets[i] = lg_plan__fix(pq, q->returning[i].expr, map, nmap);
        cols[i] = lg_plan__outcol(n->targets[i], q->returning[i].name);
        cols[i].table = q->returning[i].table;
        cols[i].attnum = q->returning[i].table_attnum;
    }
    n->cols = cols;
}

static lg_assign *
assignments(lg_pq *pq, const lg_target *t, uint32_t n, const lg_colref *map, uint32_t nmap)
{
    lg_assign *as = LG_NEWN(pq->p->a, lg_assign, n + 1);
    for (uint32_t i = 0; i < n; i++)
        as[i] = (lg_assign){t[i].attnum, lg_plan__fix(pq, t[i].expr, map, nmap)};
    return as;
}

static void
plan_on_conflict(lg_pq *pq, lg_node *n)
{
    lg_planner *p = pq->p;
    const lg_on_conflict *oc = pq->q->on_conflict;
    uint32_t nc = pq->q->rtes[0]->ncols;
    n->modify.on_conflict = oc->action;
    n->modify.narbiters = oc->narbiters;
    n->modify.arbiters = oc->arbiters;
    if (oc->action != LG_A_ONCONFLICT_UPDATE)
        return;
    lg_colref *map = LG_NEWN(p->a, lg_colref, 2 * nc + 2);
    for (uint32_t i = 0; i < nc; i++) {
        map[i] = (lg_colref){0, (int16_t)(i + 1)};
        map[nc + 1 + i] = (lg_colref){oc->excluded, (int16_t)(i + 1)};
    }
    map[nc] = (lg_colref){0, LG_SYSCOL_CTID};
    n->modify.nconflict_assigns = oc->nset;
    n->modify.conflict_assigns = assignments(pq, oc->set, oc->nset, map, 2 * nc + 1);
    n->modify.conflict_where = lg_plan__fix(pq, oc->where, map, 2 * nc + 1);
}

/* System columns of the row that INSERT gives back: the executor has them at hand. */
static lg_expr *
own_system_columns(lg_expr *e, void *arg)
{
    lg_planner *p = arg;
    if (e->kind == LG_EX_VAR && !e->var.rte && !e->var.up && e->var.attno < 0)
        return lg_plan__slot(p, e->var.attno, e->type, e->typmod, e->collation);
    return lg_expr_mutate(p->a, e, own_system_columns, p);
}

lg_status
lg_plan__insert(lg_pq *pq, lg_node **ret)
{
    lg_query *q = pq->q;
    lg_planner *p = pq->p;
    lg_built b;
    bool sorted;
    LG_TRY(lg_plan__from(pq, NULL, 0, &b, &sorted));
    lg_expr **t = LG_NEWN(p->a, lg_expr *, q->ntargets + 1);
    lg_outcol *cols = LG_NEWN(p->a, lg_outcol, q->ntargets + 1);
    for (uint32_t i = 0; i < q->ntargets; i++) {
        t[i] = lg_plan__fix(pq, q->targets[i].expr, b.map, b.n);
        cols[i] = lg_plan__outcol(t[i], q->targets[i].name);
    }
    lg_node *n;
    LG_TRY(modify_node(pq, lg_plan__project(p, b.node, q->ntargets, t, cols), &n));
    if (q->on_conflict)
        plan_on_conflict(pq, n);
    uint32_t nc = q->rtes[0]->ncols;
    lg_colref *map = LG_NEWN(p->a, lg_colref, nc + 2);
    for (uint32_t i = 0; i < nc; i++)
        map[i] = (lg_colref){0, (int16_t)(i + 1)};
    map[nc] = (lg_colref){0, LG_SYSCOL_CTID};
    for (uint32_t i = 0; i < q->nreturning; i++)
        q->returning[i].expr = own_system_columns(q->returning[i].expr, p);
    set_result(pq, n, map, nc + 1);
    *ret = n;
    return LG_OK;
}

lg_status
lg_plan__change(lg_pq *pq, lg_node **ret)
{
    lg_query *q = pq->q;
    lg_built b;
    bool sorted;
    uint32_t target = 0, base;
    lg_plan__mark_row(pq, 0);
    LG_TRY(lg_plan__from(pq, NULL, 0, &b, &sorted));
    lg_plan__row_layout(pq, &b, &target, 1, &base);
    lg_node *n;
    LG_TRY(modify_node(pq, b.node, &n));
    if (q->cmd == LG_CMD_UPDATE) {
        n->modify.nassigns = q->ntargets;
        n->modify.assigns = assignments(pq, q->targets, q->ntargets, b.map, b.n);
    }
    n->modify.restart = pq->has_outer_join;
    if (!n->modify.restart && pq->all_quals)
        n->modify.recheck = lg_plan__fix(pq, pq->all_quals, b.map, b.n);
    set_result(pq, n, b.map, b.n);
    *ret = n;
    return LG_OK;
}
