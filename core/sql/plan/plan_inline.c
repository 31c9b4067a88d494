/* Functions in SQL that are one plain SELECT become part of the query that calls them, where that
 * changes nothing: PostgreSQL's inline_function and inline_set_returning_function. What cannot be
 * done here is left to exec, with its errors. */
#include "bind_copy.h"
#include "bind_sqlfunc.h"
#include "plan_internal.h"
#include <string.h>

#define MAX_DEPTH 8u

/* The body of a call with these argument types, bound; NULL: no. */
static lg_query *
body_of(lg_planner *p, const lg_expr *call)
{
    const lg_proc *f = lg_proc_of(call->func.func);
    lg_bind *b = p->b;
    lg_error err;
    lg_parse_tree *t;
    lg_query *q = NULL;
    if (f->func.kind != 'f' || f->secdef || f->nconfig || call->nargs > 100 ||
        p->inline_depth >= MAX_DEPTH || b->catalog.procs == NULL)
        return NULL;
    lg_error_init(&err, p->a);
    if (lg_parse_sql(b->run, f->body, p->a, &err, &t) != LG_OK || t->n != 1 ||
        t->stmts[0].stmt->tag != LG_AST_SELECT_STMT)
        return NULL;
    lg_oid *types = LG_NEWN(p->a, lg_oid, call->nargs + 1);
    for (uint32_t i = 0; i < call->nargs; i++)
        types[i] = call->args[i]->type;
    lg_bind was = *b;
    b->err = &err;
    b->sql = NULL;
    b->check_as = 0;
    lg_bind_function_begin(b, f, types);
    lg_status st = lg_bind_function_query(b, f, call->domain ? call->domain : call->type,
                                          t->stmts[0].stmt, true, &q);
    /* what it refers to stays with the statement */
    was.nrelations = b->nrelations;
    was.relations = b->relations;
    was.relations_cap = b->relations_cap;
    was.nprocs = b->nprocs;
    was.procs = b->procs;
    was.procs_cap = b->procs_cap;
    *b = was;
    return st == LG_OK ? q : NULL;
}

typedef struct param_use {
    uint32_t count[101];
    bool strict; /* everything in it gives NULL for NULL */
    bool sublink;
} param_use;

static bool
use_params(const lg_expr *e, void *arg)
{
    param_use *u = arg;
    if (e->kind == LG_EX_PARAM && e->param.number >= 1 && e->param.number <= 100)
        u->count[e->param.number]++;
    u->sublink |= e->kind == LG_EX_SUBLINK;
    if (!(e->kind == LG_EX_PARAM || e->kind == LG_EX_CONST || e->kind == LG_EX_RELABEL ||
          (e->kind == LG_EX_FUNC && lg_func_strict(e->func.func))))
        u->strict = false;
    return lg_expr_walk(e, use_params, u);
}

static bool
cheap(const lg_expr *e)
{
    return e->kind == LG_EX_VAR || e->kind == LG_EX_CONST || e->kind == LG_EX_PARAM ||
           e->kind == LG_EX_EXEC || e->kind == LG_EX_SLOT ||
           (e->kind == LG_EX_RELABEL && cheap(e->args[0]));
}

/* May the arguments stand where the parameters are? */
static bool
may_substitute(const lg_expr *call, const lg_expr *body, bool once)
{
    param_use u = {.strict = true};
    use_params(body, &u);
    for (uint32_t i = 0; i < call->nargs; i++) {
        const lg_expr *a = call->args[i];
        uint32_t n = u.count[i + 1];
        if (lg_expr_volatility(a) == 'v' && n != 1)
            return false;
        if (once && n > 1 && !cheap(a) &&
            (lg_expr_has_kind(a, LG_EX_SUBPLAN) || lg_expr_has_kind(a, LG_EX_FUNC)))
            return false;
        if (lg_func_strict(call->func.func) && !n)
            return false;
    }
    return !lg_func_strict(call->func.func) || u.strict;
}

static lg_expr *
argument(lg_copier *c, const lg_expr *e, uint32_t depth)
{
    const lg_expr *call = c->arg;
    if (e->kind != LG_EX_PARAM || e->param.number < 1 || (uint32_t)e->param.number > call->nargs)
        return NULL;
    lg_copier up = {.a = c->a, .raise = depth + c->beyond};
    lg_expr *a = lg_copy_expr(&up, call->args[e->param.number - 1], 0);
    if (a->typmod != e->typmod && e->typmod >= 0)
        a->typmod = e->typmod;
    return a;
}

lg_expr *
lg_plan__inline_call(lg_planner *p, const lg_expr *call)
{
    const lg_func *f = call->func.func;
    if (!(f->flags & LG_FUNC_USER) || lg_func_retset(f) || f->n_out || call->type == LG_T_RECORD ||
        call->type == LG_T_VOID || lg_usertype_of(call->type) == LG_UT_ROW)
        return NULL;
    lg_query *q = body_of(p, call);
    if (!q || q->ntargets != 1 || q->nrtes || q->from || q->where || q->grouped || q->nsort ||
        q->limit || q->offset || q->setop || q->nctes || q->ndistinct || q->has_srfs ||
        q->has_sublinks || q->nwindows || q->nmarks)
        return NULL;
    const lg_expr *body = q->targets[0].expr;
    char v = lg_expr_volatility(body);
    if (body->type != call->type || (f->volatility == 'i' && v != 'i') ||
        (f->volatility == 's' && v == 'v') || !may_substitute(call, body, true))
        return NULL;
    lg_copier c = {.a = p->a, .leaf = argument, .arg = (void *)(uintptr_t)call};
    lg_expr *e = lg_copy_expr(&c, body, 0);
    e->loc = call->loc;
    return e;
}

/* ---- FROM f(...) ---- */

static bool
may_inline_set(const lg_rte *r)
{
    if (r->kind != LG_RTE_FUNCTION || r->nfuncs != 1 || r->ordinality)
        return false;
    const lg_expr *e = r->funcs[0].expr;
    if (e->kind != LG_EX_FUNC || !(e->func.func->flags & LG_FUNC_USER))
        return false;
    const lg_func *f = e->func.func;
    if (!lg_func_retset(f) || f->volatility == 'v' || lg_func_strict(f))
        return false;
    for (uint32_t i = 0; i < e->nargs; i++)
        if (lg_expr_volatility(e->args[i]) == 'v' || lg_expr_has_kind(e->args[i], LG_EX_SUBLINK))
            return false;
    return !(e->type == LG_T_RECORD && !f->n_out);
}

static bool
refers(const lg_expr *e, void *arg)
{
    (void)arg;
    return e->kind == LG_EX_VAR || lg_expr_walk(e, refers, arg);
}

void
lg_plan__inline_sets(lg_pq *pq)
{
    for (uint32_t i = 0; i < pq->q->nrtes; i++) {
        lg_rte *r = pq->q->rtes[i];
        if (!may_inline_set(r))
            continue;
        const lg_expr *call = r->funcs[0].expr;
        lg_outcol *cols;
        lg_query *q = body_of(pq->p, call);
        if (!q || lg_query_outcols(q, pq->p->a, &cols) != r->ncols)
            continue;
        bool same = true;
        for (uint32_t k = 0; k < r->ncols; k++)
            same &= cols[k].type == r->cols[k].type;
        if (!same)
            continue;
        lg_copier c = {
            .a = pq->p->a, .leaf = argument, .arg = (void *)(uintptr_t)call, .beyond = 1};
        bool lateral = false;
        for (uint32_t k = 0; k < call->nargs; k++)
            lateral |= refers(call->args[k], NULL);
        r->kind = LG_RTE_SUBQUERY;
        r->subquery = lg_copy_query(&c, q, 0);
        r->lateral |= lateral;
        r->nfuncs = 0;
    }
}
