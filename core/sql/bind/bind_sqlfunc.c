/* Bodies of functions in SQL: statements in which parameters have names, the last of which gives the
 * function's result. */
#include "bind_internal.h"
#include "bind_sqlfunc.h"
#include <string.h>

/* ---- parameters by name ---- */

static lg_expr *
param(lg_bind *b, uint32_t i, int32_t loc)
{
    lg_expr *e = lg_expr_new(b->arena, LG_EX_PARAM, b->params[i], 0);
    e->param.number = (int32_t)(i + 1);
    e->loc = loc;
    return e;
}

/* param.field */
lg_expr *
lg_bind__param_field(lg_bind *b, const char *name, const char *field, int32_t loc)
{
    const lg_row_type *t;
    lg_expr *e = lg_bind__named_param(b, NULL, name, loc);
    if (!e || lg_usertype_of(e->type) != LG_UT_ROW ||
        lg_usertype_row(b->env, e->type, b->arena, b->err, &t) != LG_OK)
        return NULL;
    for (uint32_t i = 0; i < t->n; i++)
        if (!strcmp(t->fields[i].name, field))
            return lg_bind__field(b, e, t, i);
    return NULL;
}

lg_expr *
lg_bind__named_param(lg_bind *b, const char *func, const char *name, int32_t loc)
{
    if (!b->param_names || (func && strcmp(func, b->func_name) != 0))
        return NULL;
    for (uint32_t i = 0; i < b->nparam_names && i < b->nparams; i++)
        if (!strcmp(b->param_names[i], name))
            return param(b, i, loc);
    return NULL;
}

/* ---- the result ---- */

static lg_status
mismatch(lg_bind *b, lg_oid type, const char *detail)
{
    lg_bind__error(b, -1, "42P13", "return type mismatch in function declared to return %s",
                   lg_bind__type_name(b, type));
    lg_error_detail(b->err, "%s", detail);
    return LG_SQL;
}

/* SELECT of the query's columns from it, each as the type wanted. */
static lg_status
wrap(lg_bind *b, lg_query *q, lg_query **ret, lg_target **ret_targets)
{
    lg_level *l = lg_bind__level_new(b, NULL, LG_CMD_SELECT);
    lg_rte *rte = LG_NEW(b->arena, lg_rte);
    rte->kind = LG_RTE_SUBQUERY;
    rte->alias = "result";
    rte->subquery = q;
    rte->ncols = lg_query_outcols(q, b->arena, &rte->cols);
    lg_from *f = LG_NEW(b->arena, lg_from);
    f->rte = lg_bind__add_rte(l, rte);
    l->q->from = f;
    lg_target *t = LG_NEWN(b->arena, lg_target, rte->ncols + 1);
    for (uint32_t i = 0; i < rte->ncols; i++)
        t[i] = (lg_target){.expr = lg_bind__var(b, rte, f->rte, (int16_t)(i + 1)),
                           .name = rte->cols[i].name};
    l->q->targets = t;
    l->q->ntargets = rte->ncols;
    *ret = l->q;
    *ret_targets = t;
    return LG_OK;
}

/* Sorted, distinct or combined rows are coerced above, others in place. */
static bool
in_place(const lg_query *q)
{
    return q->cmd != LG_CMD_SELECT ||
           (!q->setop && !q->ndistinct && !q->nsort && !q->ngroup && !q->nsets);
}

static lg_status
coerce_columns(lg_bind *b, lg_query **q, uint32_t n, const lg_oid *types, lg_oid result)
{
    lg_outcol *cols;
    uint32_t have = lg_query_outcols(*q, b->arena, &cols), k = 0;
    bool differ = false;
    if (have != n) {
        if (n == 1 && result == types[0])
            return mismatch(b, result, "Final statement must return exactly one column.");
        return mismatch(b, result,
                        have > n ? "Final statement returns too many columns."
                                 : "Final statement returns too few columns.");
    }
    for (uint32_t i = 0; i < n; i++)
        differ |= cols[i].type != types[i];
    if (!differ)
        return LG_OK;
    lg_target *t = (*q)->cmd == LG_CMD_SELECT ? (*q)->targets : (*q)->returning;
    uint32_t nt = (*q)->cmd == LG_CMD_SELECT ? (*q)->ntargets : (*q)->nreturning;
    if (!in_place(*q)) {
        LG_TRY(wrap(b, *q, q, &t));
        nt = n;
    }
    for (uint32_t i = 0; i < nt; i++) {
        lg_expr *e;
        lg_oid from = t[i].expr->type;
        if (t[i].junk)
            continue;
        LG_TRY(lg_bind__coerce_to(b, t[i].expr, types[k], -1, LG_COERCE_ASSIGNMENT,
                                  LG_FORM_IMPLICIT, -1, &e));
        if (!e && n == 1 && result == types[0])
            return mismatch(b, result,
                            lg_arena_printf(b->arena, "Actual return type is %s.",
                                            lg_bind__type_name(b, from)));
        if (!e)
            return mismatch(b, result,
                            lg_arena_printf(b->arena,
                                            "Final statement returns %s instead of %s at column "
                                            "%u.",
                                            lg_bind__type_name(b, from),
                                            lg_bind__type_name(b, types[k]), k + 1));
        t[i].expr = e;
        k++;
    }
    return LG_OK;
}

static lg_status
shape(lg_bind *b, const lg_proc *p, lg_oid result, lg_query **q)
{
    const lg_func *f = &p->func;
    const lg_row_type *row;
    lg_outcol *cols;
    uint32_t n = lg_query_outcols(*q, b->arena, &cols);
    if (result == LG_T_VOID)
        return LG_OK;
    if ((*q)->cmd != LG_CMD_SELECT && !(*q)->nreturning)
        return mismatch(b, result,
                        "Function's final statement must be SELECT or INSERT/UPDATE/DELETE "
                        "RETURNING.");
    if (f->n_out) {
        lg_oid *types = LG_NEWN(b->arena, lg_oid, f->n_out);
        for (uint32_t i = 0; i < f->n_out; i++)
            types[i] = b->out_types ? b->out_types[i] : f->out_types[i];
        return coerce_columns(b, q, f->n_out, types, result);
    }
    if (result == LG_T_RECORD)
        return LG_OK;
    if (lg_usertype_of(result) != LG_UT_ROW || (n == 1 && cols[0].type == result))
        return coerce_columns(b, q, 1, &result, result);
    LG_TRY(lg_usertype_row(b->env, result, b->arena, b->err, &row));
    lg_oid *types = LG_NEWN(b->arena, lg_oid, row->n + 1);
    for (uint32_t i = 0; i < row->n; i++)
        types[i] = row->fields[i].domain ? row->fields[i].domain : row->fields[i].type;
    return coerce_columns(b, q, row->n, types, result);
}

void
lg_bind_function_begin(lg_bind *b, const lg_proc *p, const lg_oid *actual)
{
    b->infer_params = false;
    b->nparams = p->func.nargs;
    b->params_cap = 0;
    b->params = LG_NEWN(b->arena, lg_oid, b->nparams + 1);
    for (uint32_t i = 0; i < b->nparams; i++) { /* a domain's values are of its base type */
        lg_oid base;
        b->params[i] = actual ? actual[i] : p->func.args[i];
        if (b->env && lg_usertype_is_domain(b->params[i]) &&
            lg_usertype_base(b->env, b->params[i], b->arena, b->err, &base, NULL) == LG_OK)
            b->params[i] = base;
    }
    lg_oid *outs = NULL,
           *declared = lg_arena_dup(b->arena, p->func.args, (p->func.nargs + 1u) * sizeof(lg_oid));
    for (uint32_t i = 0; i < p->func.n_out; i++) {
        if (!outs)
            outs = LG_NEWN(b->arena, lg_oid, p->func.n_out);
        outs[i] = p->func.out_types[i];
        if (actual && lg_bind__polymorphic(outs[i]) &&
            lg_bind__enforce_generic(b, actual, declared, p->func.nargs, p->func.out_types[i],
                                     &outs[i]) != LG_OK)
            break;
    }
    b->out_types = outs;
    b->func_name = p->func.name;
    b->param_names = p->in_names;
    b->nparam_names = b->nparams;
}

lg_status
lg_bind_function_query(lg_bind *b, const lg_proc *p, lg_oid result, const lg_ast *stmt, bool last,
                       lg_query **ret)
{
    if (!b->stack_base)
        b->stack_base = (const char *)__builtin_frame_address(0);
    LG_TRY(lg_bind__query(b, NULL, stmt, NULL, true, ret));
    if (last)
        LG_TRY(shape(b, p, result, ret));
    lg_bind__default_collation(b, *ret, NULL);
    return lg_bind__check_privileges(b, *ret);
}

/* ---- CALL ---- */

lg_status
lg_bind__call_stmt(lg_level *l, const lg_ast_call_stmt *s)
{
    lg_bind *b = l->b;
    lg_query *q = l->q;
    lg_expr *e;
    b->calling = true;
    l->clause = LG_CL_TARGET;
    lg_status st = lg_bind__expr(l, &s->funccall->h, &e);
    b->calling = false;
    LG_TRY(st);
    if (q->has_sublinks)
        return lg_bind__error(b, lg_bind__loc(s->funccall->args.at[0]), "0A000",
                              "cannot use subquery in CALL argument");
    q->is_call = true;
    uint32_t n = e->kind == LG_EX_FUNC ? e->func.func->n_out : 0;
    q->targets = LG_NEWN(b->arena, lg_target, n + 1);
    if (!n) {
        q->targets[q->ntargets++] = (lg_target){.expr = e, .name = "call"};
        return LG_OK;
    }
    lg_rte *rte = LG_NEW(b->arena, lg_rte);
    rte->kind = LG_RTE_FUNCTION;
    rte->alias = e->func.func->name;
    rte->nfuncs = 1;
    rte->funcs = LG_NEW(b->arena, lg_rte_func);
    rte->funcs[0] = (lg_rte_func){e, n};
    rte->ncols = n;
    rte->cols = LG_NEWN(b->arena, lg_outcol, n);
    for (uint32_t i = 0; i < n; i++) {
        const lg_type *t = lg_type_get(lg_expr_out_type(e, i));
        rte->cols[i] = (lg_outcol){.name = lg_bind__out_name(b, e->func.func, i),
                                   .type = lg_expr_out_type(e, i),
                                   .typmod = -1,
                                   .collation = t ? t->collation : 0};
    }
    lg_from *f = LG_NEW(b->arena, lg_from);
    f->rte = lg_bind__add_rte(l, rte);
    q->from = f;
    for (uint32_t i = 0; i < n; i++)
        q->targets[q->ntargets++] = (lg_target){
            .expr = lg_bind__var(b, rte, f->rte, (int16_t)(i + 1)), .name = rte->cols[i].name};
    return LG_OK;
}
