/* Preparing a level's expressions: constants folded, references to outer levels made execution
 * parameters, sublinks planned. */
#include "plan_internal.h"
#include "bind_copy.h"
#include "collate.h"
#include "relabel.h"
#include <string.h>

/* ---- constant folding ---- */

static bool
all_const(const lg_expr *e)
{
    for (uint32_t i = 0; i < e->nargs; i++)
        if (!e->args[i] || e->args[i]->kind != LG_EX_CONST)
            return false;
    return true;
}

/* Calls an immutable function on constants; NULL when it cannot be done now (or fails: then the
 * error comes at run time, if ever). */
static lg_expr *
fold_call(lg_planner *p, lg_expr *e)
{
    const lg_func *f = e->func.func;
    lg_datum args[16];
    uint8_t nulls[16];
    lg_oid types[16];
    if (f->volatility != 'i' || !f->fn || (f->flags & LG_FUNC_EXT) || lg_func_retset(f) ||
        e->nargs > 16 || !all_const(e) || !p->b->env || (e->variadic && f->variadic == LG_T_ANY))
        return NULL;
    for (uint32_t i = 0; i < e->nargs; i++) {
        args[i] = e->args[i]->konst.value;
        nulls[i] = e->args[i]->konst.isnull;
        types[i] = e->args[i]->type;
        if (types[i] == LG_T_UNKNOWN)
            return NULL;
    }
    lg_error err;
    lg_call c;
    lg_error_init(&err, p->a);
    lg_call_init(&c, f, p->b->env, &err, p->a, p->a);
    c.args = args;
    c.nulls = nulls;
    c.nargs = e->nargs;
    c.argtypes = types;
    c.rettype = e->type;
    c.collation = e->incoll ? e->incoll : e->collation;
    lg_datum d = lg_func_call(&c);
    if (c.st != LG_OK)
        return NULL;
    lg_expr *k =
        lg_expr_const(p->a, e->type, c.isnull ? 0 : lg_datum_copy(e->type, d, p->a), c.isnull);
    k->typmod = e->typmod;
    k->collation = e->collation;
    k->loc = e->loc;
    return k;
}

static bool
const_bool(const lg_expr *e, bool value)
{
    return e->kind == LG_EX_CONST && !e->konst.isnull && (e->konst.value != 0) == value;
}

static bool
has_conjunct(lg_expr *const *list, uint32_t n, const lg_expr *e)
{
    for (uint32_t i = 0; i < n; i++)
        if (lg_expr_equal(list[i], e))
            return true;
    return false;
}

/* (a AND b) OR (a AND c) = a AND (b OR c): conditions that all branches have can decide joins. */
static lg_expr *
factor_or(lg_planner *p, lg_expr *e)
{
    lg_expr **first, *common = NULL, **part;
    uint32_t n = lg_plan__split_and(p, e->args[0], &first), kept = 0;
    lg_expr **shared = LG_NEWN(p->a, lg_expr *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        bool all = lg_expr_volatility(first[i]) != 'v';
        for (uint32_t k = 1; k < e->nargs && all; k++) {
            uint32_t m = lg_plan__split_and(p, e->args[k], &part);
            all = has_conjunct(part, m, first[i]);
        }
        if (all) {
            shared[kept++] = first[i];
            common = lg_expr_and(p->a, common, first[i]);
        }
    }
    if (!kept)
        return e;
    lg_expr *rest = lg_expr_new(p->a, LG_EX_OR, LG_T_BOOL, e->nargs);
    for (uint32_t k = 0; k < e->nargs; k++) {
        lg_expr *mine = NULL;
        uint32_t m = lg_plan__split_and(p, e->args[k], &part);
        for (uint32_t i = 0; i < m; i++)
            if (!has_conjunct(shared, kept, part[i]))
                mine = lg_expr_and(p->a, mine, part[i]);
        if (!mine) /* this branch is the common part alone */
            return common;
        rest->args[k] = mine;
    }
    return lg_expr_and(p->a, common, rest);
}

static lg_expr *
fold_and_or(lg_planner *p, lg_expr *e)
{
    bool is_and = e->kind == LG_EX_AND;
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->nargs; i++) {
        if (const_bool(e->args[i], !is_and))
            return lg_expr_bool(p->a, !is_and);
        if (!const_bool(e->args[i], is_and))
            e->args[n++] = e->args[i];
    }
    e->nargs = n;
    if (!n)
        return lg_expr_bool(p->a, is_and);
    return n == 1 ? e->args[0] : is_and ? e : factor_or(p, e);
}

static lg_expr *
fold_case(lg_planner *p, lg_expr *e)
{
    (void)p;
    if (e->has_arg)
        return e;
    if (e->nargs >= 3 && const_bool(e->args[0], true))
        return e->args[1];
    return e->nargs == 1 ? e->args[0] : e;
}

/* ---- ORDER BY in ICU's collations: by a hidden key that compares byte by byte ---- */

static lg_expr *
key_by(lg_planner *p, lg_expr *e, lg_oid collation)
{
    lg_expr *args[2] = {e, lg_expr_const(p->a, LG_T_OID, lg_datum_oid(collation), false)};
    return lg_expr_call(p->a, &lg_collate_key_func, NULL, 2, args);
}

static lg_expr *
collation_key(lg_planner *p, lg_expr *e)
{
    return key_by(p, e, e->collation);
}

static void
order_by_key(lg_sort_item *it)
{
    it->lt = lg_operator_find(it->desc ? ">" : "<", LG_T_BYTEA, LG_T_BYTEA);
    it->eq = lg_operator_find("=", LG_T_BYTEA, LG_T_BYTEA);
}

static bool
needs_key(const lg_expr *e)
{
    return e && e->collation && !lg_collation_is_c(e->collation) &&
           (e->type == LG_T_TEXT || e->type == LG_T_VARCHAR || e->type == LG_T_BPCHAR);
}

static lg_expr *fold_expr(lg_expr *e, void *arg);

static lg_expr *
fold_one(lg_planner *p, lg_expr *e)
{
    lg_expr *k;
    switch ((lg_expr_kind)e->kind) {
    case LG_EX_FUNC:
        if (e->func.func->flags & LG_FUNC_USER) {
            if (!(k = lg_plan__inline_call(p, e)))
                return e;
            p->inline_depth++;
            k = fold_expr(k, p);
            p->inline_depth--;
            return k;
        }
        k = fold_call(p, e);
        return k ? k : e;
    case LG_EX_AGG:
        for (uint32_t i = 0; i < e->agg.norder; i++)
            if (needs_key(e->agg.order[i].expr)) {
                /* the row that is not there is compared with keys, too */
                if (i < e->agg.ndirect && lg_agg_kind(e->func.func->oid, NULL) == 'h')
                    e->args[i] = key_by(p, e->args[i], e->agg.order[i].expr->collation);
                e->agg.order[i].expr = collation_key(p, e->agg.order[i].expr);
                order_by_key(&e->agg.order[i]);
            }
        return e;
    case LG_EX_RELABEL:
        if (e->args[0]->kind == LG_EX_CONST && e->form != LG_FORM_SQL) {
            k = lg_arena_dup(p->a, e->args[0], sizeof *k);
            if (!k->konst.isnull)
                k->konst.value = lg_datum_relabel(k->type, e->type, k->konst.value);
            k->type = e->type;
            k->typmod = e->typmod;
            k->collation = e->collation;
            return k;
        }
        return e;
    case LG_EX_AND:
    case LG_EX_OR:
        return fold_and_or(p, e);
    case LG_EX_NOT:
        if (e->args[0]->kind == LG_EX_CONST)
            return e->args[0]->konst.isnull ? e->args[0]
                                            : lg_expr_bool(p->a, !e->args[0]->konst.value);
        return e;
    case LG_EX_CASE:
        return fold_case(p, e);
    case LG_EX_IS_NULL:
        if (e->args[0]->kind == LG_EX_CONST)
            return lg_expr_bool(p->a, e->args[0]->konst.isnull != e->negated);
        return e;
    default:
        return e;
    }
}

static lg_expr *
fold_expr(lg_expr *e, void *arg)
{
    lg_planner *p = arg;
    if (e->kind == LG_EX_CONST || e->kind == LG_EX_VAR || e->kind == LG_EX_PARAM)
        return e;
    return fold_one(p, lg_expr_mutate(p->a, e, fold_expr, p));
}

lg_expr *
lg_plan__fold(lg_planner *p, lg_expr *e)
{
    return e ? fold_expr(e, p) : NULL;
}

/* ---- outer references ---- */

/* The expression as the level above sees it; also within the subqueries of an aggregate's arguments. */
static lg_expr *
lower(lg_planner *p, const lg_expr *e)
{
    lg_copier c = {.a = p->a, .raise = UINT32_MAX}; /* one level less */
    return lg_copy_expr(&c, e, 1);
}

static uint32_t
add_outer(lg_pq *pq, lg_expr *parent_expr, uint32_t exec)
{
    if (pq->nouter == pq->outer_cap) {
        pq->outer_cap = pq->outer_cap ? 2 * pq->outer_cap : 4;
        lg_outer *o = LG_NEWN(pq->p->a, lg_outer, pq->outer_cap);
        if (pq->nouter)
            memcpy(o, pq->outer, pq->nouter * sizeof *o);
        pq->outer = o;
    }
    pq->outer[pq->nouter++] = (lg_outer){parent_expr, exec};
    return exec;
}

uint32_t
lg_plan__outer_param(lg_pq *pq, lg_expr *parent_expr)
{
    for (uint32_t i = 0; i < pq->nouter; i++)
        if (lg_expr_equal(pq->outer[i].expr, parent_expr))
            return pq->outer[i].exec;
    return add_outer(pq, parent_expr, lg_plan__exec_param(pq->p, parent_expr->type));
}

static bool
above_level(const lg_expr *e)
{
    return (e->kind == LG_EX_VAR && e->var.up) || (e->kind == LG_EX_AGG && e->agg.up);
}

/* What a child needs from this level: references further out are passed on, under the same
 * parameter; the rest is returned as (parameter, expression of this level). */
lg_status
lg_plan__take_outer(lg_pq *pq, const lg_pq *child, uint32_t *ret_n, lg_outer **ret)
{
    *ret = LG_NEWN(pq->p->a, lg_outer, child->nouter + 1);
    *ret_n = 0;
    for (uint32_t i = 0; i < child->nouter; i++) {
        lg_outer o = child->outer[i];
        if (above_level(o.expr)) {
            add_outer(pq, lower(pq->p, o.expr), o.exec);
            continue;
        }
        LG_TRY(lg_plan__expr(pq, o.expr, &o.expr));
        (*ret)[(*ret_n)++] = o;
    }
    return LG_OK;
}

/* ---- sublinks ---- */

typedef struct prep {
    lg_pq *pq;
    lg_status st;
} prep;

static lg_expr *prep_expr(lg_expr *e, void *arg);

static bool
can_hash_test(const lg_expr *t)
{
    return t->kind == LG_EX_FUNC && t->func.op && t->func.op->can_hash && t->nargs == 2 &&
           t->args[1]->kind == LG_EX_SUBCOL && !lg_expr_has_kind(t->args[0], LG_EX_SUBCOL);
}

static lg_expr *
plan_sublink(prep *pr, lg_expr *e)
{
    lg_pq *pq = pr->pq, *child;
    lg_planner *p = pq->p;
    lg_node *root;
    pr->st = lg_plan__query(p, pq, e->sublink.query, &child, &root);
    if (pr->st != LG_OK)
        return e;
    lg_outer *set;
    uint32_t nset;
    pr->st = lg_plan__take_outer(pq, child, &nset, &set);
    if (pr->st != LG_OK)
        return e;
    uint32_t tests = e->nargs;
    lg_expr *n = lg_expr_new(p->a, LG_EX_SUBPLAN, e->type, tests + nset);
    n->typmod = e->typmod;
    n->collation = e->collation;
    n->loc = e->loc;
    n->subplan.link = e->sublink.link;
    n->subplan.plan = lg_plan__add_subplan(p, root, false);
    n->subplan.nset = nset;
    uint32_t *ids = LG_NEWN(p->a, uint32_t, nset + 1);
    for (uint32_t i = 0; i < nset; i++) {
        ids[i] = set[i].exec;
        n->args[tests + i] = set[i].expr;
    }
    n->subplan.set = ids;
    if (tests) {
        n->args[0] = prep_expr(e->args[0], pr);
        n->subplan.hashed = e->sublink.link == LG_SUBLINK_ANY && !nset && can_hash_test(n->args[0]);
    }
    return n;
}

static lg_expr *
prep_expr(lg_expr *e, void *arg)
{
    prep *pr = arg;
    lg_planner *p = pr->pq->p;
    if (pr->st != LG_OK)
        return e;
    if (above_level(e)) {
        lg_expr *x = lg_expr_new(p->a, LG_EX_EXEC, e->type, 0);
        x->typmod = e->typmod;
        x->collation = e->collation;
        x->exec = lg_plan__outer_param(pr->pq, lower(p, e));
        return x;
    }
    if (e->kind == LG_EX_SUBLINK)
        return plan_sublink(pr, e);
    if (e->kind == LG_EX_CONST || e->kind == LG_EX_VAR || e->kind == LG_EX_PARAM)
        return e;
    return fold_one(p, lg_expr_mutate(p->a, e, prep_expr, pr));
}

lg_status
lg_plan__expr(lg_pq *pq, lg_expr *e, lg_expr **ret)
{
    prep pr = {pq, LG_OK};
    *ret = e ? prep_expr(e, &pr) : NULL;
    return pr.st;
}

static lg_status
prep_from(lg_pq *pq, lg_from *f)
{
    if (!f || !f->is_join)
        return LG_OK;
    LG_TRY(lg_plan__expr(pq, f->quals, &f->quals));
    LG_TRY(prep_from(pq, f->left));
    return prep_from(pq, f->right);
}

/* ---- which columns are used ---- */

static bool
mark(const lg_expr *e, void *arg)
{
    lg_pq *pq = arg;
    if (e->kind == LG_EX_VAR && !e->var.up)
        pq->needed[e->var.rte][e->var.attno + LG_NEEDED_BASE] = true;
    return lg_expr_walk(e, mark, pq);
}

void
lg_plan__mark_needed(lg_pq *pq, const lg_expr *e)
{
    if (e)
        mark(e, pq);
}

void
lg_plan__mark_row(lg_pq *pq, uint32_t rte)
{
    const lg_rte *r = pq->q->rtes[rte];
    for (uint32_t c = 1; c <= r->ncols; c++)
        if (r->cols[c - 1].name)
            pq->needed[rte][LG_NEEDED_BASE + c] = true;
    pq->needed[rte][LG_NEEDED_BASE + LG_SYSCOL_CTID] = true;
}

static void
mark_from(lg_pq *pq, const lg_from *f)
{
    if (!f || !f->is_join)
        return;
    lg_plan__mark_needed(pq, f->quals);
    mark_from(pq, f->left);
    mark_from(pq, f->right);
}

static lg_status
prep_targets(lg_pq *pq, lg_target *t, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        LG_TRY(lg_plan__expr(pq, t[i].expr, &t[i].expr));
        lg_plan__mark_needed(pq, t[i].expr);
    }
    return LG_OK;
}

static lg_status
collate_items(lg_pq *pq, lg_sort_item *items, uint32_t n, bool distinct)
{
    lg_query *q = pq->q;
    lg_planner *p = pq->p;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = 0, max = 0;
        for (uint32_t k = 0; k < q->ntargets; k++) {
            at = items[i].ref && q->targets[k].ref == items[i].ref ? k + 1 : at;
            max = q->targets[k].ref > max ? q->targets[k].ref : max;
        }
        lg_expr *e = at ? q->targets[at - 1].expr : NULL;
        if (!needs_key(e))
            continue;
        if (distinct && q->nwindows)
            return lg_error_set(p->b->err, "0A000",
                                "an ICU collation in ORDER BY of DISTINCT over windows is not "
                                "supported");
        lg_target *t = LG_NEWN(p->a, lg_target, q->ntargets + 1);
        memcpy(t, q->targets, sizeof *t * q->ntargets);
        t[q->ntargets] = (lg_target){
            .expr = collation_key(p, e), .name = "?column?", .ref = max + 1, .junk = true};
        q->targets = t;
        q->ntargets++;
        uint32_t old = items[i].ref;
        items[i].ref = max + 1;
        order_by_key(&items[i]);
        for (uint32_t k = 0; distinct && q->distinct_on && k < q->ndistinct; k++)
            if (q->distinct[k].ref == old)
                q->distinct[k] = items[i];
        pq->distinct_keys = distinct && !q->distinct_on;
    }
    return LG_OK;
}

static lg_status
collate_orders(lg_pq *pq)
{
    lg_query *q = pq->q;
    LG_TRY(collate_items(pq, q->sort, q->nsort, q->ndistinct > 0));
    for (uint32_t i = 0; i < q->nwindows; i++)
        LG_TRY(collate_items(pq, q->windows[i].order, q->windows[i].norder, false));
    return LG_OK;
}

lg_status
lg_plan__prepare(lg_pq *pq)
{
    lg_query *q = pq->q;
    lg_plan__inline_sets(pq);
    LG_TRY(collate_orders(pq));
    lg_plan__pull_up_subqueries(pq);
    lg_plan__decorrelate(pq);
    lg_plan__push_down(pq);
    lg_plan__drop_joins(pq);
    lg_plan__order_from(pq);
    lg_plan__minmax(pq);
    lg_plan__pull_up_sublinks(pq);
    pq->needed = LG_NEWN(pq->p->a, bool *, q->nrtes + 1);
    for (uint32_t i = 0; i < q->nrtes; i++)
        pq->needed[i] = LG_NEWN(pq->p->a, bool, q->rtes[i]->ncols + LG_NEEDED_BASE + 1);
    LG_TRY(prep_targets(pq, q->targets, q->ntargets));
    LG_TRY(prep_targets(pq, q->returning, q->nreturning));
    for (uint32_t i = 0; i < q->nchecks; i++) {
        LG_TRY(lg_plan__expr(pq, q->checks[i].expr, &q->checks[i].expr));
        lg_plan__mark_needed(pq, q->checks[i].expr);
    }
    LG_TRY(lg_plan__expr(pq, q->where, &q->where));
    LG_TRY(lg_plan__expr(pq, q->having, &q->having));
    LG_TRY(lg_plan__expr(pq, q->limit, &q->limit));
    LG_TRY(lg_plan__expr(pq, q->offset, &q->offset));
    for (uint32_t i = 0; i < q->nwindows; i++) {
        LG_TRY(lg_plan__expr(pq, q->windows[i].start, &q->windows[i].start));
        LG_TRY(lg_plan__expr(pq, q->windows[i].end, &q->windows[i].end));
    }
    LG_TRY(prep_from(pq, q->from));
    if (q->on_conflict) {
        LG_TRY(prep_targets(pq, q->on_conflict->set, q->on_conflict->nset));
        LG_TRY(lg_plan__expr(pq, q->on_conflict->where, &q->on_conflict->where));
    }
    for (uint32_t i = 0; i < pq->nsemis; i++) {
        LG_TRY(lg_plan__expr(pq, pq->semis[i].on, &pq->semis[i].on));
        lg_plan__mark_needed(pq, pq->semis[i].on);
    }
    lg_plan__mark_needed(pq, q->where);
    lg_plan__mark_needed(pq, q->having);
    mark_from(pq, q->from);
    lg_plan__mark_laterals(pq);
    return LG_OK;
}
