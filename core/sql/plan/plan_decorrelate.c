/* Subqueries that name columns of the query around them and aggregate are joined instead of being run for
 * each row:
 *
 *   x < (SELECT avg(v) FROM u WHERE u.k = t.k)
 *     FROM t JOIN (SELECT k, avg(v) AS a FROM u GROUP BY k) s ON t.k = s.k  WHERE x < s.a
 *   EXISTS (SELECT ... FROM u WHERE u.k = t.k GROUP BY g HAVING ...), x IN (SELECT g ... GROUP BY g)
 *     a semi or anti join with SELECT k ... GROUP BY g, k HAVING ...
 *
 * A row of t without a group has NULL for the aggregate (0 for count): a left join, or a plain one where
 * the condition does not hold for NULL. Only the aggregates' own arguments are computed for groups that
 * nobody asks for, and these are plain columns: no error can come from them.
 *
 * It is done when it is cheaper by what is known before planning: the rows of t that the query's other
 * conditions leave, times what the subquery costs for one row (by an index on k, or by reading u), against
 * reading u once. */
#include "plan_internal.h"
#include <math.h>
#include <string.h>

/* ---- what an expression names ---- */

typedef struct names {
    bool own, outer, further; /* this level, one level up, beyond or hidden */
} names;

static bool
find_names(const lg_expr *e, void *arg)
{
    names *n = arg;
    if (e->kind == LG_EX_VAR) {
        n->own = n->own || !e->var.up;
        n->outer = n->outer || e->var.up == 1;
        n->further = n->further || e->var.up > 1;
    }
    if (e->kind == LG_EX_SUBLINK || e->kind == LG_EX_WINDOW || e->kind == LG_EX_GROUPING ||
        (e->kind == LG_EX_AGG && e->agg.up))
        n->further = true;
    return lg_expr_walk(e, find_names, n);
}

static names
names_in(const lg_expr *e)
{
    names n = {0};
    if (e)
        find_names(e, &n);
    return n;
}

/* Relations, joined by what names only them. */
static bool
is_closed(const lg_query *q, const lg_from *f)
{
    if (!f->is_join)
        return q->rtes[f->rte]->kind == LG_RTE_RELATION;
    names n = names_in(f->quals);
    return !n.outer && !n.further && is_closed(q, f->left) && is_closed(q, f->right);
}

static const lg_expr *
bare(const lg_expr *e)
{
    while (e->kind == LG_EX_RELABEL)
        e = e->args[0];
    return e;
}

/* ---- the subquery taken apart ---- */

typedef struct parts {
    lg_planner *p;
    lg_query *sub;
    uint32_t n;
    lg_expr **inner, **outer; /* inner[i] = outer[i]; outer seen from the query around */
    const lg_expr **eq;
    lg_expr *local; /* the other conditions */
    uint32_t naggs; /* output columns after the keys: aggregates */
    lg_expr **aggs;
    uint32_t rte;
    bool keeps_null; /* the subquery's value is NULL when no row is found */
    bool is_count;
} parts;

static lg_expr *
nearer(lg_expr *e, void *arg)
{
    lg_expr *n = lg_expr_mutate((lg_arena *)arg, e, nearer, arg);
    if (n->kind == LG_EX_VAR && n->var.up)
        n->var.up--;
    return n;
}

static bool
take_condition(parts *s, lg_expr *e)
{
    names n = names_in(e);
    if (n.further || lg_expr_volatility(e) == 'v')
        return false;
    if (!n.outer) {
        s->local = lg_expr_and(s->p->a, s->local, e);
        return true;
    }
    if (e->kind != LG_EX_FUNC || !e->func.op || e->nargs != 2 || !e->func.op->can_hash)
        return false;
    for (int i = 0; i < 2; i++) {
        names in = names_in(e->args[i]), out = names_in(e->args[1 - i]);
        const lg_operator *op = e->func.op;
        if (!in.own || in.outer || out.own || !out.outer)
            continue;
        if (i == 1) /* inner = outer */
            op = op->commutator ? lg_operator_get(op->commutator) : NULL;
        const lg_operator *own = lg_operator_get(lg_type_eq_operator(e->args[i]->type));
        if (!op || !own || !own->can_hash || !lg_func_get(op->func))
            return false;
        s->inner[s->n] = e->args[i];
        s->outer[s->n] = nearer(e->args[1 - i], s->p->a);
        s->eq[s->n++] = e;
        return true;
    }
    return false;
}

static bool
take_apart(parts *s)
{
    const lg_query *q = s->sub;
    lg_expr **list;
    if (q->cmd != LG_CMD_SELECT || q->setop || q->nctes || q->nsets || q->ndistinct || q->limit ||
        q->offset || q->nmarks || q->has_srfs || q->nwindows || !q->from || !q->where ||
        !q->grouped || !is_closed(q, q->from))
        return false;
    uint32_t n = lg_plan__split_and(s->p, q->where, &list);
    s->inner = LG_NEWN(s->p->a, lg_expr *, n + 1);
    s->outer = LG_NEWN(s->p->a, lg_expr *, n + 1);
    s->eq = LG_NEWN(s->p->a, const lg_expr *, n + 1);
    for (uint32_t i = 0; i < n; i++)
        if (!take_condition(s, list[i]))
            return false;
    return s->n > 0;
}

/* ---- is it worth it? ---- */

static void
join_quals(lg_planner *p, const lg_from *f, lg_expr **all)
{
    if (!f->is_join)
        return;
    if (f->join_type == LG_A_JOIN_INNER)
        *all = lg_expr_and(p->a, *all, f->quals);
    join_quals(p, f->left, all);
    join_quals(p, f->right, all);
}

static double
tuples_of(const lg_query *q, const lg_from *f)
{
    if (f->is_join)
        return tuples_of(q, f->left) * tuples_of(q, f->right);
    const lg_rte *r = q->rtes[f->rte];
    return r->kind == LG_RTE_RELATION ? lg_plan__rel_tuples(r->rel) : 1000;
}

static double rows_of(lg_pq *pq, lg_expr *where);

/* Of a condition with subqueries: IN leaves of the rows what the subquery's WHERE leaves of its own. */
static double
sublink_selectivity(lg_pq *pq, const lg_expr *e)
{
    const lg_query *sub = e->kind == LG_EX_SUBLINK ? e->sublink.query : NULL;
    if (!sub || e->sublink.link != LG_SUBLINK_ANY || !sub->from || sub->setop)
        return 0.5;
    lg_pq *in = LG_NEW(pq->p->a, lg_pq);
    in->p = pq->p;
    in->q = (lg_query *)(uintptr_t)sub;
    double s = rows_of(in, sub->where) / (tuples_of(sub, sub->from) + 1);
    return s < 1 ? s : 1;
}

/* Rows of FROM under the conditions. */
static double
rows_of(lg_pq *pq, lg_expr *where)
{
    double part = 1;
    lg_expr *all = NULL, **list, **plain;
    join_quals(pq->p, pq->q->from, &all);
    all = lg_expr_and(pq->p->a, all, where);
    uint32_t n = lg_plan__split_and(pq->p, all, &list), k = 0;
    plain = LG_NEWN(pq->p->a, lg_expr *, n + 1);
    for (uint32_t i = 0; i < n; i++)
        if (!lg_expr_has_kind(list[i], LG_EX_SUBLINK))
            plain[k++] = list[i];
        else
            part *= sublink_selectivity(pq, list[i]);
    double rows = part * tuples_of(pq->q, pq->q->from) * lg_plan__list_selectivity(pq, plain, k);
    return rows < 1 ? 1 : rows;
}

/* One of the keys leads an index: the rows of one key are found without reading all. */
static bool
finds_by_index(const parts *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        const lg_expr *v = bare(s->inner[i]);
        if (v->kind != LG_EX_VAR || v->var.attno <= 0)
            continue;
        const lg_relation *r = s->sub->rtes[v->var.rte]->rel;
        for (uint16_t k = 0; k < r->nindexes && !r->virtual_rel; k++)
            if (r->indexes[k]->attnum[0] == v->var.attno && !r->indexes[k]->predicate_sql &&
                lg_plan__index_usable(s->p, r->indexes[k]))
                return true;
    }
    return false;
}

static bool
pays(lg_pq *pq, const parts *s)
{
    lg_pq *in = LG_NEW(s->p->a, lg_pq);
    in->p = s->p;
    in->q = s->sub;
    double outer = rows_of(pq, pq->q->where), inner = rows_of(in, s->local), groups = 1;
    for (uint32_t i = 0; i < s->n; i++)
        groups *= lg_plan__distinct(in, s->inner[i], inner);
    double per = inner / (groups > inner ? inner : groups);
    double all = inner * 0.03 + outer * 0.02;
    double one = finds_by_index(s) ? 1 + per * 0.5 : 0.1 + inner * 0.01;
    return outer * one > 1.5 * all;
}

/* ---- put together anew ---- */

static uint32_t
add_entry(lg_pq *pq, lg_query *sub, const char *alias)
{
    lg_planner *p = pq->p;
    lg_query *q = pq->q;
    lg_rte *r = LG_NEW(p->a, lg_rte), **list = LG_NEWN(p->a, lg_rte *, q->nrtes + 1);
    r->kind = LG_RTE_SUBQUERY;
    r->alias = alias;
    r->subquery = sub;
    r->ncols = lg_query_outcols(sub, p->a, &r->cols);
    memcpy(list, q->rtes, q->nrtes * sizeof *list);
    list[q->nrtes] = r;
    q->rtes = list;
    return q->nrtes++;
}

static lg_expr *
column_of(lg_planner *p, uint32_t rte, uint32_t i, const lg_expr *like)
{
    lg_expr *v = lg_expr_new(p->a, LG_EX_VAR, like->type, 0);
    v->typmod = like->typmod;
    v->collation = like->collation;
    v->var.rte = rte;
    v->var.attno = (int16_t)(i + 1);
    return v;
}

static lg_sort_item
group_item(uint32_t ref, const lg_expr *e)
{
    return (lg_sort_item){.ref = ref,
                          .eq = lg_operator_get(lg_type_eq_operator(e->type)),
                          .lt = lg_operator_get(lg_type_lt_operator(e->type))};
}

/* The subquery grouped by its keys too; targets: the keys, then `more`. */
static lg_query *
grouped_by_keys(const parts *s, lg_expr *const *more, uint32_t nmore)
{
    lg_arena *a = s->p->a;
    lg_query *q = lg_arena_dup(a, s->sub, sizeof *q);
    uint32_t ref = 0;
    for (uint32_t i = 0; i < q->ntargets; i++)
        ref = q->targets[i].ref > ref ? q->targets[i].ref : ref;
    lg_target *t = LG_NEWN(a, lg_target, s->n + nmore + q->ntargets + 1);
    lg_sort_item *g = LG_NEWN(a, lg_sort_item, q->ngroup + s->n + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < q->ngroup; i++)
        g[i] = q->group[i];
    for (uint32_t i = 0; i < s->n; i++) {
        g[q->ngroup + i] = group_item(++ref, s->inner[i]);
        t[n++] =
            (lg_target){.expr = s->inner[i], .name = lg_arena_printf(a, "k%u", i + 1), .ref = ref};
    }
    for (uint32_t i = 0; i < nmore; i++)
        t[n++] = (lg_target){.expr = more[i], .name = lg_arena_printf(a, "a%u", i + 1)};
    for (uint32_t i = 0; i < q->ntargets; i++) /* what GROUP BY names */
        if (q->targets[i].ref) {
            t[n] = q->targets[i];
            t[n++].junk = true;
        }
    q->targets = t;
    q->ntargets = n;
    q->group = g;
    q->ngroup += s->n;
    q->grouped = true;
    q->where = s->local;
    q->nsort = 0;
    return q;
}

static lg_expr *
keys_meet(const parts *s)
{
    lg_expr *on = NULL;
    for (uint32_t i = 0; i < s->n; i++) {
        const lg_expr *eq = s->eq[i];
        bool first = names_in(eq->args[0]).own;
        lg_expr *col = column_of(s->p, s->rte, i, s->inner[i]);
        lg_expr *args[2] = {first ? col : s->outer[i], first ? s->outer[i] : col};
        lg_expr *e = lg_expr_call(s->p->a, eq->func.func, eq->func.op, 2, args);
        e->collation = eq->collation;
        e->incoll = eq->incoll;
        on = lg_expr_and(s->p->a, on, e);
    }
    return on;
}

/* ---- one value per row: an aggregate without GROUP BY ---- */

/* The value: aggregates over plain columns, below strict functions. */
static bool
take_value(parts *s, const lg_expr *e, bool top)
{
    if (e->kind == LG_EX_AGG) {
        bool counts = !strcmp(e->agg.func->name, "count");
        for (uint32_t i = 0; i < e->nargs; i++) {
            const lg_expr *v = bare(e->args[i]);
            if ((v->kind != LG_EX_VAR || v->var.up) && v->kind != LG_EX_CONST)
                return false;
        }
        if (e->agg.filter || e->agg.norder || e->agg.up || e->agg.ndirect || (counts && !top) ||
            lg_expr_volatility(e) == 'v')
            return false;
        /* one that says something about no rows */
        static const char *const null_when_empty[] = {"count", "sum",      "avg",     "min",
                                                      "max",   "bool_and", "bool_or", "every"};
        bool known = false;
        for (uint32_t i = 0; i < 8; i++)
            known = known || !strcmp(e->agg.func->name, null_when_empty[i]);
        s->is_count = counts;
        s->keeps_null = s->keeps_null || !counts;
        s->aggs[s->naggs++] = (lg_expr *)(uintptr_t)e;
        return known && s->naggs <= 8;
    }
    if (e->kind == LG_EX_CONST || e->kind == LG_EX_PARAM)
        return true;
    if (e->kind == LG_EX_FUNC && (!lg_func_strict(e->func.func) || lg_func_retset(e->func.func) ||
                                  (e->func.func->flags & LG_FUNC_USER)))
        return false;
    if (e->kind != LG_EX_FUNC && e->kind != LG_EX_RELABEL && e->kind != LG_EX_COERCE_IO)
        return false;
    for (uint32_t i = 0; i < e->nargs; i++)
        if (!take_value(s, e->args[i], false))
            return false;
    return lg_expr_volatility(e) != 'v';
}

static lg_expr *
value_of(lg_expr *e, void *arg)
{
    parts *s = arg;
    for (uint32_t i = 0; i < s->naggs; i++)
        if (e == s->aggs[i])
            return column_of(s->p, s->rte, s->n + i, e);
    return lg_expr_mutate(s->p->a, e, value_of, s);
}

/* The subquery's value over the joined entry; NULL: it stays as it is. */
static lg_expr *
join_value(lg_pq *pq, lg_query *sub, bool inner)
{
    lg_planner *p = pq->p;
    parts s = {.p = p, .sub = sub};
    s.aggs = LG_NEWN(p->a, lg_expr *, 16);
    if (sub->ngroup || sub->having || !sub->has_aggs || sub->ntargets != 1 || sub->nsort ||
        !take_apart(&s) || !take_value(&s, sub->targets[0].expr, true) || !s.naggs || !pays(pq, &s))
        return NULL;
    s.rte = add_entry(pq, grouped_by_keys(&s, s.aggs, s.naggs), "scalar_subquery");
    lg_from *leaf = LG_NEW(p->a, lg_from), *join = LG_NEW(p->a, lg_from);
    leaf->rte = s.rte;
    join->is_join = true;
    join->rte = s.rte;
    join->join_type = inner && !s.is_count ? LG_A_JOIN_INNER : LG_A_JOIN_LEFT;
    join->left = pq->q->from;
    join->right = leaf;
    join->quals = keys_meet(&s);
    pq->q->from = join;
    lg_expr *v = value_of(sub->targets[0].expr, &s);
    if (!s.is_count)
        return v;
    lg_expr *c = lg_expr_new(p->a, LG_EX_COALESCE, v->type, 2);
    c->args[0] = v;
    c->args[1] = lg_expr_const(p->a, LG_T_INT8, lg_datum_int8(0), false);
    return c;
}

typedef struct scalar {
    lg_pq *pq;
    bool strict; /* NULL here makes the condition not true */
} scalar;

static lg_expr *
with_values(lg_expr *e, void *arg)
{
    scalar *s = arg, below = *s;
    if (e->kind == LG_EX_SUBLINK && e->sublink.link == LG_SUBLINK_EXPR) {
        lg_expr *v = join_value(s->pq, e->sublink.query, s->strict);
        return v ? v : e;
    }
    if (e->kind == LG_EX_SUBLINK || e->kind == LG_EX_AGG || e->kind == LG_EX_WINDOW ||
        lg_expr_returns_set(e))
        return e;
    below.strict = s->strict && (e->kind == LG_EX_RELABEL ||
                                 (e->kind == LG_EX_FUNC && lg_func_strict(e->func.func) &&
                                  !(e->func.func->flags & LG_FUNC_USER)));
    /* what CASE, AND and OR may never reach is not worth a join */
    if (!below.strict && s->strict && e->kind != LG_EX_FUNC && e->kind != LG_EX_COERCE_IO &&
        e->kind != LG_EX_NOT && e->kind != LG_EX_IS_NULL && e->kind != LG_EX_COALESCE)
        return e;
    return lg_expr_mutate(s->pq->p->a, e, with_values, &below);
}

/* ---- EXISTS and IN over groups ---- */

static bool
takes_columns(const parts *s)
{
    const lg_query *q = s->sub;
    names having = names_in(q->having);
    if (!q->ngroup || having.outer || having.further ||
        (q->having && lg_expr_volatility(q->having) == 'v'))
        return false;
    for (uint32_t i = 0; i < q->ntargets; i++) {
        names n = names_in(q->targets[i].expr);
        if (n.outer || n.further || lg_expr_volatility(q->targets[i].expr) == 'v')
            return false;
    }
    return true;
}

static lg_expr *
subquery_columns(lg_expr *e, void *arg)
{
    parts *s = arg;
    if (e->kind == LG_EX_SUBCOL)
        return column_of(s->p, s->rte, s->n + (uint32_t)e->slot, e);
    return lg_expr_mutate(s->p->a, e, subquery_columns, s);
}

static void
add_semi(lg_pq *pq, uint32_t rte, uint8_t type, lg_expr *on)
{
    lg_semi *s = LG_NEWN(pq->p->a, lg_semi, pq->nsemis + 1);
    if (pq->nsemis)
        memcpy(s, pq->semis, pq->nsemis * sizeof *s);
    s[pq->nsemis++] = (lg_semi){rte, type, on};
    pq->semis = s;
}

static bool
join_groups(lg_pq *pq, const lg_expr *link, bool not )
{
    lg_planner *p = pq->p;
    bool in = link->sublink.link == LG_SUBLINK_ANY;
    parts s = {.p = p, .sub = link->sublink.query};
    if ((in && not ) || (!in && link->sublink.link != LG_SUBLINK_EXISTS) || !take_apart(&s) ||
        !takes_columns(&s) || !pays(pq, &s))
        return false;
    names test = names_in(in ? link->args[0] : NULL);
    if (test.outer || test.further || (in && lg_expr_volatility(link->args[0]) == 'v'))
        return false;
    lg_expr **cols = LG_NEWN(p->a, lg_expr *, s.sub->ntargets + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; in && i < s.sub->ntargets; i++)
        if (!s.sub->targets[i].junk)
            cols[n++] = s.sub->targets[i].expr;
    s.rte = add_entry(pq, grouped_by_keys(&s, cols, n), in ? "ANY_subquery" : "EXISTS_subquery");
    lg_expr *on = keys_meet(&s);
    if (in)
        on = lg_expr_and(p->a, on, subquery_columns(link->args[0], &s));
    add_semi(pq, s.rte, not ? LG_JOIN_ANTI : LG_JOIN_SEMI, on);
    return true;
}

/* x IN (SELECT max(v) ...): of one row, so x = it. */
static lg_expr *
as_scalar(lg_expr *e, void *arg)
{
    const void **a = arg;
    if (e->kind != LG_EX_SUBCOL)
        return lg_expr_mutate((lg_arena *)(uintptr_t)a[0], e, as_scalar, arg);
    lg_expr *link = lg_arena_dup((lg_arena *)(uintptr_t)a[0], a[1], sizeof *link);
    link->type = e->type;
    link->typmod = e->typmod;
    link->collation = e->collation;
    link->nargs = 0;
    link->sublink.link = LG_SUBLINK_EXPR;
    return link;
}

static lg_expr *
one_row_in(lg_planner *p, lg_expr *e)
{
    const lg_query *q = e->kind == LG_EX_SUBLINK ? e->sublink.query : NULL;
    if (!q || e->sublink.link != LG_SUBLINK_ANY || q->ngroup || q->having || !q->has_aggs ||
        q->nsets || q->setop || q->limit || q->offset || q->ntargets != 1 ||
        e->args[0]->kind != LG_EX_FUNC)
        return e;
    const void *arg[2] = {p->a, e};
    return as_scalar(e->args[0], (void *)arg);
}

void
lg_plan__decorrelate(lg_pq *pq)
{
    lg_query *q = pq->q;
    lg_planner *p = pq->p;
    lg_expr **list, *rest = NULL;
    if (q->cmd != LG_CMD_SELECT || q->nmarks || !q->from || !q->has_sublinks || q->setop)
        return;
    uint32_t n = lg_plan__split_and(p, q->where, &list);
    for (uint32_t i = 0; i < n; i++) {
        bool not = list[i]->kind == LG_EX_NOT;
        const lg_expr *link = not ? list[i]->args[0] : list[i];
        lg_expr *e = list[i];
        if (link->kind == LG_EX_SUBLINK && join_groups(pq, link, not ))
            continue;
        scalar s = {pq, true};
        lg_expr *scalar_in = one_row_in(p, e);
        if (lg_expr_has_kind(scalar_in, LG_EX_SUBLINK)) {
            uint32_t before = q->nrtes;
            lg_expr *x = with_values(scalar_in, &s);
            e = q->nrtes > before ? x : e;
        }
        rest = lg_expr_and(p->a, rest, e);
    }
    q->where = rest;
    if (q->limit || q->grouped || q->has_aggs || q->nwindows || q->has_srfs)
        return;
    for (uint32_t i = 0; i < q->ntargets; i++) {
        scalar s = {pq, false};
        if (lg_expr_has_kind(q->targets[i].expr, LG_EX_SUBLINK))
            q->targets[i].expr = with_values(q->targets[i].expr, &s);
    }
}
