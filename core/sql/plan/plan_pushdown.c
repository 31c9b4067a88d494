/* What a query knows goes down before its subqueries are planned.
 *
 * CONSTANTS   x = y AND y = 5 becomes x = 5 AND y = 5, so that each side's own index serves; an outer
 *             join's ON likewise, for the side that may be missing.
 * CONDITIONS  on the columns of one subquery that stays (plan_pullup.c merges the others) go into it:
 *             into every branch of UNION and INTERSECT, below grouping when they are on its keys, else
 *             into HAVING, below windows when they are on all partitions' keys. A branch whose
 *             condition is false by then is never read (lg_plan__is_empty).
 * COLUMNS     that nobody reads are not computed.
 *
 * Done before the level's expressions are prepared, but for COLUMNS. Nothing goes into a subquery with
 * LIMIT or grouping sets, nor past volatile or set-returning columns, EXCEPT, or a security barrier. */
#include "plan_internal.h"
#include <string.h>

/* ---- what an expression is ---- */

typedef struct facts {
    bool here, sub; /* columns of this level; sublinks, aggregates, windows */
    bool whole;     /* a system column or a whole row */
    bool several;
    uint32_t rte;
} facts;

static bool
look(const lg_expr *e, void *arg)
{
    facts *f = arg;
    if (e->kind == LG_EX_VAR && !e->var.up) {
        f->several = f->several || (f->here && f->rte != e->var.rte);
        f->here = true;
        f->rte = e->var.rte;
        f->whole = f->whole || e->var.attno <= 0;
    }
    f->sub = f->sub || e->kind == LG_EX_SUBLINK || e->kind == LG_EX_AGG ||
             e->kind == LG_EX_WINDOW || e->kind == LG_EX_GROUPING;
    return lg_expr_walk(e, look, f);
}

static facts
facts_of(const lg_expr *e)
{
    facts f = {0};
    look(e, &f);
    return f;
}

static bool
is_plain_var(const lg_expr *e)
{
    return e->kind == LG_EX_VAR && !e->var.up && e->var.attno > 0;
}

/* Has one value while this level runs. */
static bool
is_fixed(const lg_expr *e)
{
    facts f = facts_of(e);
    return !f.here && !f.sub && lg_expr_volatility(e) != 'v' && !lg_expr_returns_set(e);
}

/* ---- constants through equalities ---- */

typedef struct known {
    const lg_expr *eq, *var, *value;
} known;

typedef struct knowns {
    lg_planner *p;
    known *list;
    uint32_t n;
} knowns;

static bool
is_equality(const lg_expr *e)
{
    return e->kind == LG_EX_FUNC && e->func.op && e->nargs == 2 && e->func.op->can_merge &&
           e->func.op->left == e->func.op->right;
}

static bool
is_known_pair(const lg_expr *e, const lg_expr **ret_var, const lg_expr **ret_value)
{
    if (!is_equality(e))
        return false;
    for (int i = 0; i < 2; i++)
        if (is_plain_var(e->args[i]) && is_fixed(e->args[1 - i])) {
            *ret_var = e->args[i];
            *ret_value = e->args[1 - i];
            return true;
        }
    return false;
}

static const known *
find_known(const knowns *k, const lg_expr *eq, const lg_expr *var)
{
    for (uint32_t i = 0; i < k->n; i++)
        if (k->list[i].eq->func.op == eq->func.op && k->list[i].eq->incoll == eq->incoll &&
            lg_expr_equal(k->list[i].var, var))
            return &k->list[i];
    return NULL;
}

static void
learn(knowns *k, const lg_expr *eq, const lg_expr *var, const lg_expr *value)
{
    known *l = LG_NEWN(k->p->a, known, k->n + 1);
    if (k->n)
        memcpy(l, k->list, k->n * sizeof *l);
    l[k->n++] = (known){eq, var, value};
    k->list = l;
}

static void
learn_from(knowns *k, lg_expr *e)
{
    lg_expr **list;
    const lg_expr *var, *value;
    uint32_t n = lg_plan__split_and(k->p, e, &list);
    for (uint32_t i = 0; i < n; i++)
        if (is_known_pair(list[i], &var, &value))
            learn(k, list[i], var, value);
}

static lg_expr *
copy(lg_expr *e, void *arg)
{
    return lg_expr_mutate((lg_arena *)arg, e, copy, arg);
}

static lg_expr *
equate(lg_planner *p, const lg_expr *eq, const lg_expr *var, const lg_expr *value)
{
    lg_expr *args[2] = {copy((lg_expr *)(uintptr_t)var, p->a),
                        copy((lg_expr *)(uintptr_t)value, p->a)};
    lg_expr *e = lg_expr_call(p->a, eq->func.func, eq->func.op, 2, args);
    e->collation = eq->collation;
    e->incoll = eq->incoll;
    return e;
}

/* x = y where one of them is known: an equality for the other instead. */
static lg_expr *
with_known(knowns *k, lg_expr *e, bool *changed)
{
    if (!is_equality(e) || !is_plain_var(e->args[0]) || !is_plain_var(e->args[1]))
        return e;
    for (int i = 0; i < 2; i++) {
        const known *x = find_known(k, e, e->args[i]);
        if (!x || find_known(k, e, e->args[1 - i]))
            continue;
        lg_expr *n = equate(k->p, e, e->args[1 - i], x->value);
        learn(k, n, n->args[0], n->args[1]);
        *changed = true;
        return n;
    }
    return e;
}

static lg_expr *
replace_known(knowns *k, lg_expr *e, bool *changed)
{
    lg_expr **list, *all = NULL;
    uint32_t n = lg_plan__split_and(k->p, e, &list);
    bool any = false;
    for (uint32_t i = 0; i < n; i++)
        list[i] = with_known(k, list[i], &any);
    if (!any)
        return e;
    *changed = true;
    for (uint32_t i = 0; i < n; i++)
        all = lg_expr_and(k->p->a, all, list[i]);
    return all;
}

static void
learn_from_joins(knowns *k, lg_from *f)
{
    if (!f || !f->is_join || f->join_type != LG_A_JOIN_INNER)
        return;
    learn_from(k, f->quals);
    learn_from_joins(k, f->left);
    learn_from_joins(k, f->right);
}

static void
replace_in_joins(knowns *k, lg_from *f, bool *changed)
{
    if (!f || !f->is_join || f->join_type != LG_A_JOIN_INNER)
        return;
    f->quals = replace_known(k, f->quals, changed);
    replace_in_joins(k, f->left, changed);
    replace_in_joins(k, f->right, changed);
}

static void
constants(lg_pq *pq)
{
    lg_query *q = pq->q;
    knowns k = {.p = pq->p};
    learn_from(&k, q->where);
    learn_from_joins(&k, q->from);
    for (bool changed = k.n > 0; changed;) {
        changed = false;
        q->where = replace_known(&k, q->where, &changed);
        replace_in_joins(&k, q->from, &changed);
    }
}

/* ---- conditions ---- */

static const lg_target *
output(const lg_query *q, int32_t i)
{
    int32_t k = 0;
    for (uint32_t t = 0; t < q->ntargets; t++)
        if (!q->targets[t].junk && k++ == i)
            return &q->targets[t];
    return NULL;
}

static bool
names_target(const lg_sort_item *list, uint32_t n, const lg_target *t)
{
    for (uint32_t i = 0; i < n; i++)
        if (t->ref && list[i].ref == t->ref)
            return true;
    return false;
}

/* May a condition on the column be tested before the subquery's rows are put together? */
static bool
column_passes(const lg_query *c, const lg_target *t)
{
    if (!t || lg_expr_volatility(t->expr) == 'v' || lg_expr_returns_set(t->expr) ||
        lg_expr_has_kind(t->expr, LG_EX_SUBLINK) || lg_expr_has_kind(t->expr, LG_EX_WINDOW))
        return false;
    if (c->distinct_on && !names_target(c->distinct, c->ndistinct, t))
        return false;
    for (uint32_t w = 0; w < c->nwindows; w++)
        if (!names_target(c->windows[w].part, c->windows[w].npart, t))
            return false;
    return true;
}

typedef struct columns {
    const lg_query *c;
    const lg_outcol *as; /* the set operation's columns, or NULL */
    bool ok, keys;       /* all pass; all are keys of grouping */
} columns;

static bool
check_columns(const lg_expr *e, void *arg)
{
    columns *k = arg;
    if (e->kind == LG_EX_VAR && !e->var.up) {
        const lg_target *t = output(k->c, e->var.attno - 1);
        k->ok = k->ok && column_passes(k->c, t) &&
                (!k->as || (k->as[e->var.attno - 1].type == t->expr->type &&
                            k->as[e->var.attno - 1].collation == t->expr->collation));
        k->keys = k->keys && t && names_target(k->c->group, k->c->ngroup, t);
    }
    return lg_expr_walk(e, check_columns, k);
}

static bool takes(const lg_query *c, const lg_expr *cond, const lg_outcol *as);

static bool
branches_take(const lg_query *c, const lg_setop *s, const lg_expr *cond)
{
    if (s->op == LG_A_SETOP_NONE)
        return takes(c->rtes[s->rte]->subquery, cond, c->setop->cols);
    return s->op != LG_A_SETOP_EXCEPT && branches_take(c, s->left, cond) &&
           branches_take(c, s->right, cond);
}

static bool
takes(const lg_query *c, const lg_expr *cond, const lg_outcol *as)
{
    if (c->cmd != LG_CMD_SELECT || c->limit || c->offset || c->nsets || c->nmarks ||
        c->has_ctes_modifying)
        return false;
    if (c->setop)
        return branches_take(c, c->setop, cond);
    columns k = {c, as, true, true};
    check_columns(cond, &k);
    return k.ok;
}

typedef struct sink {
    lg_arena *a;
    const lg_query *c;
} sink;

/* The condition over the subquery's own columns: what was outside is one level further out. */
static lg_expr *
inward(lg_expr *e, void *arg)
{
    sink *s = arg;
    if (e->kind == LG_EX_VAR && !e->var.up)
        return copy(output(s->c, e->var.attno - 1)->expr, s->a);
    lg_expr *n = lg_expr_mutate(s->a, e, inward, s);
    if (n->kind == LG_EX_VAR)
        n->var.up++;
    return n;
}

static void give(lg_planner *p, lg_query *c, lg_expr *cond);

static void
give_branches(lg_planner *p, lg_query *c, const lg_setop *s, lg_expr *cond)
{
    if (s->op == LG_A_SETOP_NONE) {
        give(p, c->rtes[s->rte]->subquery, cond);
        return;
    }
    give_branches(p, c, s->left, cond);
    give_branches(p, c, s->right, cond);
}

/* One level more between: the branches are subqueries of the set operation's level. */
static lg_expr *
further(lg_expr *e, void *arg)
{
    lg_expr *n = lg_expr_mutate((lg_arena *)arg, e, further, arg);
    if (n->kind == LG_EX_VAR && n->var.up)
        n->var.up++;
    return n;
}

static void
give(lg_planner *p, lg_query *c, lg_expr *cond)
{
    if (c->setop) {
        give_branches(p, c, c->setop, further(cond, p->a));
        return;
    }
    columns k = {c, NULL, true, true};
    check_columns(cond, &k);
    sink s = {p->a, c};
    lg_expr *e = inward(cond, &s);
    if ((c->grouped || c->has_aggs) && (!k.keys || !c->ngroup))
        c->having = lg_expr_and(p->a, c->having, e);
    else
        c->where = lg_expr_and(p->a, c->where, e);
}

/* Is the entry in f, where no outer join within f can make it missing? */
static bool
always_there(const lg_from *f, uint32_t rte)
{
    if (!f->is_join)
        return f->rte == rte;
    uint8_t t = f->join_type;
    return ((t == LG_A_JOIN_INNER || t == LG_A_JOIN_LEFT) && always_there(f->left, rte)) ||
           ((t == LG_A_JOIN_INNER || t == LG_A_JOIN_RIGHT) && always_there(f->right, rte));
}

static bool
sinks(lg_pq *pq, const lg_from *f, lg_expr *cond)
{
    facts x = facts_of(cond);
    if (!x.here || x.several || x.sub || x.whole || lg_expr_volatility(cond) == 'v' ||
        lg_expr_returns_set(cond))
        return false;
    lg_rte *r = pq->q->rtes[x.rte];
    if (r->kind != LG_RTE_SUBQUERY || (r->view && r->view->security_barrier) ||
        !always_there(f, x.rte) || !takes(r->subquery, cond, NULL))
        return false;
    give(pq->p, r->subquery, cond);
    return true;
}

static lg_expr *
sink_list(lg_pq *pq, const lg_from *f, lg_expr *e)
{
    lg_expr **list, *rest = NULL;
    uint32_t n = lg_plan__split_and(pq->p, e, &list), gone = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (sinks(pq, f, list[i]))
            gone++;
        else
            rest = lg_expr_and(pq->p->a, rest, list[i]);
    }
    return gone ? rest : e;
}

static void
sink_joins(lg_pq *pq, lg_from *f)
{
    if (!f || !f->is_join)
        return;
    switch (f->join_type) {
    case LG_A_JOIN_INNER:
        f->quals = sink_list(pq, f, f->quals);
        break;
    case LG_A_JOIN_LEFT:
        f->quals = sink_list(pq, f->right, f->quals);
        break;
    case LG_A_JOIN_RIGHT:
        f->quals = sink_list(pq, f->left, f->quals);
        break;
    default:
        break;
    }
    sink_joins(pq, f->left);
    sink_joins(pq, f->right);
}

static bool
has_subquery(const lg_query *q)
{
    for (uint32_t i = 0; i < q->nrtes; i++)
        if (q->rtes[i]->kind == LG_RTE_SUBQUERY)
            return true;
    return false;
}

void
lg_plan__push_down(lg_pq *pq)
{
    lg_query *q = pq->q;
    if (q->cmd != LG_CMD_SELECT || q->setop || q->nmarks || !q->from)
        return;
    if (q->from->is_join)
        constants(pq);
    if (!has_subquery(q))
        return;
    q->where = sink_list(pq, q->from, q->where);
    sink_joins(pq, q->from);
}

/* ---- columns ---- */

static bool
all_union_all(const lg_setop *s)
{
    return s->op == LG_A_SETOP_NONE || (s->op == LG_A_SETOP_UNION && s->all &&
                                        all_union_all(s->left) && all_union_all(s->right));
}

static void drop_unread(lg_planner *p, lg_query *c, const bool *read);

static void
drop_in_branches(lg_planner *p, lg_query *c, const lg_setop *s, const bool *read)
{
    if (s->op == LG_A_SETOP_NONE) {
        drop_unread(p, c->rtes[s->rte]->subquery, read);
        return;
    }
    drop_in_branches(p, c, s->left, read);
    drop_in_branches(p, c, s->right, read);
}

static void
drop_unread(lg_planner *p, lg_query *c, const bool *read)
{
    if (c->cmd != LG_CMD_SELECT || c->ndistinct || c->nmarks || (c->has_aggs && !c->ngroup))
        return;
    if (c->setop) {
        if (!c->nsort && all_union_all(c->setop))
            drop_in_branches(p, c, c->setop, read);
        return;
    }
    lg_target *t = lg_arena_dup(p->a, c->targets, (c->ntargets + 1) * sizeof *t);
    uint32_t k = 0;
    for (uint32_t i = 0; i < c->ntargets; i++) {
        if (t[i].junk || read[k++] || t[i].ref || lg_expr_returns_set(t[i].expr) ||
            lg_expr_volatility(t[i].expr) == 'v' || lg_expr_has_kind(t[i].expr, LG_EX_WINDOW))
            continue;
        lg_expr *null = lg_expr_const(p->a, t[i].expr->type, 0, true);
        null->typmod = t[i].expr->typmod;
        null->collation = t[i].expr->collation;
        t[i].expr = null;
    }
    c->targets = t;
}

void
lg_plan__drop_unread(lg_pq *pq, uint32_t rte)
{
    const lg_rte *r = pq->q->rtes[rte];
    const bool *need = pq->needed[rte];
    for (int i = 0; i <= LG_NEEDED_BASE; i++)
        if (need[i])
            return;
    drop_unread(pq->p, r->subquery, need + LG_NEEDED_BASE + 1);
}

/* ---- nothing to read ---- */

bool
lg_plan__never(lg_planner *p, lg_expr *cond)
{
    lg_expr **list;
    uint32_t n = lg_plan__split_and(p, cond, &list);
    for (uint32_t i = 0; i < n; i++)
        if (list[i]->kind == LG_EX_CONST && (list[i]->konst.isnull || !list[i]->konst.value))
            return true;
    return false;
}

bool
lg_plan__is_empty(lg_planner *p, const lg_node *n)
{
    return n->kind == LG_NODE_RESULT && !n->left && n->quals && lg_plan__never(p, n->quals);
}
