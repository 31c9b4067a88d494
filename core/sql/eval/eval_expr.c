/* Expressions. lg_xexpr_eval is the row-by-row tree walk that knows every kind; lg_xexpr_vector
 * does the common kinds a vector at a time and falls back to the walk for the others. */
#include "eval_internal.h"
#include "collate.h"
#include "keycodec.h"
#include "record.h"
#include "relabel.h"
#include <string.h>

/* Run-time state of one call in the tree. Ids are unique in a plan; expressions bound one by one
 * (lg_exec_bare) may share them: then the sites of an id form a chain. */
struct site {
    struct site *next;
    const lg_expr *expr;
    lg_call call;
    lg_datum *args;
    uint8_t *nulls;
    const lg_vector **vecs;
};

static struct site *
site_of(lg_exec *x, const lg_expr *e, const lg_func *f, uint32_t nargs)
{
    struct site *s = x->sites[e->id];
    while (s && s->expr != e)
        s = s->next;
    if (s)
        return s;
    s = LG_NEW(x->arena, struct site);
    s->expr = e;
    s->next = x->sites[e->id];
    lg_call_init(&s->call, f, x->es->env, x->es->err, x->arena, x->arena);
    s->args = LG_NEWN(x->arena, lg_datum, nargs + 1);
    s->nulls = LG_NEWN(x->arena, uint8_t, nargs + 1);
    s->vecs = LG_NEWN(x->arena, const lg_vector *, nargs + 1);
    lg_oid *types = LG_NEWN(x->arena, lg_oid, nargs + 1);
    for (uint32_t i = 0; i < e->nargs && i < nargs; i++)
        types[i] = e->args[i]->type;
    if (e->kind == LG_EX_ARRAY_OP) {
        lg_oid elem = lg_type_elem(e->args[1]->type);
        if (elem)
            types[1] = elem;
    }
    s->call.args = s->args;
    s->call.nulls = s->nulls;
    s->call.nargs = nargs;
    s->call.argtypes = types;
    s->call.rettype = e->kind == LG_EX_FUNC ? e->type : f->result;
    s->call.columns = e->columns;
    s->call.collation = e->incoll ? e->incoll : e->collation;
    x->sites[e->id] = s;
    return s;
}

lg_call *
lg_xexpr_call_site(lg_exec *x, const lg_expr *e)
{
    return &site_of(x, e, e->func.func, e->nargs)->call;
}

static lg_status
call_result(struct site *s, lg_datum v, lg_datum *ret, bool *ret_null)
{
    if (s->call.st != LG_OK) {
        lg_status st = s->call.st;
        s->call.st = LG_OK;
        return st;
    }
    *ret = v;
    *ret_null = s->call.isnull;
    return LG_OK;
}

/* f(VARIADIC array) where f takes "any": each element is an argument. */
static lg_status
call_spread(lg_ectx *c, const lg_expr *e, struct site *s, lg_datum *ret, bool *ret_null)
{
    lg_call call = s->call;
    struct site with = *s;
    uint32_t fixed = e->nargs - 1;
    lg_array x = {0};
    if (!s->nulls[fixed])
        lg_array_unpack(s->args[fixed], c->arena, &x);
    else if (fixed == 0) {
        *ret_null = true;
        return LG_OK;
    }
    lg_datum *args = LG_NEWN(c->arena, lg_datum, fixed + x.n + 1);
    uint8_t *nulls = LG_NEWN(c->arena, uint8_t, fixed + x.n + 1);
    lg_oid *types = LG_NEWN(c->arena, lg_oid, fixed + x.n + 1);
    for (uint32_t i = 0; i < fixed; i++) {
        args[i] = s->args[i];
        nulls[i] = s->nulls[i];
        types[i] = call.argtypes[i];
    }
    for (uint32_t i = 0; i < x.n; i++) {
        nulls[fixed + i] = x.nulls && x.nulls[i];
        args[fixed + i] = nulls[fixed + i] ? 0 : x.values[i];
        types[fixed + i] = lg_type_elem(call.argtypes[fixed]);
    }
    call.args = args;
    call.nulls = nulls;
    call.argtypes = types;
    call.nargs = fixed + x.n;
    call.cache = NULL; /* made for other arguments */
    call.perm = c->arena;
    with.call = call;
    lg_datum v = lg_func_call(&with.call);
    return call_result(&with, v, ret, ret_null);
}

static lg_status
eval_func(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null)
{
    struct site *s = site_of(c->x, e, e->func.func, e->nargs);
    bool strict = lg_func_strict(e->func.func);
    for (uint32_t i = 0; i < e->nargs; i++) {
        bool null;
        lg_datum v;
        LG_TRY(lg_xexpr_eval(c, e->args[i], &v, &null));
        if (null && strict) {
            *ret_null = true;
            *ret = 0;
            return LG_OK;
        }
        s->args[i] = v;
        s->nulls[i] = null;
    }
    s->call.arena = c->arena;
    if (e->variadic && e->func.func->variadic == LG_T_ANY)
        return call_spread(c, e, s, ret, ret_null);
    return call_result(s, lg_func_call(&s->call), ret, ret_null);
}

/* The = operator of NULLIF, DISTINCT, ARRAY_OP on two values that are not null. */
static lg_status
call_two(lg_ectx *c, const lg_expr *e, lg_datum a, lg_datum b, bool *ret_true, bool *ret_null)
{
    struct site *s = site_of(c->x, e, e->func.func, 2);
    lg_datum v;
    s->args[0] = a;
    s->args[1] = b;
    s->nulls[0] = s->nulls[1] = 0;
    s->call.arena = c->arena;
    LG_TRY(call_result(s, lg_func_call(&s->call), &v, ret_null));
    *ret_true = !*ret_null && lg_bool(v);
    return LG_OK;
}

static lg_status
eval_bool(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null)
{
    bool is_and = e->kind == LG_EX_AND, any_null = false;
    for (uint32_t i = 0; i < e->nargs; i++) {
        bool null;
        lg_datum v;
        LG_TRY(lg_xexpr_eval(c, e->args[i], &v, &null));
        if (null) {
            any_null = true;
        } else if (lg_bool(v) != is_and) {
            *ret = lg_datum_bool(!is_and);
            *ret_null = false;
            return LG_OK;
        }
    }
    *ret = lg_datum_bool(is_and);
    *ret_null = any_null;
    return LG_OK;
}

static lg_status
eval_case(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null)
{
    lg_datum save = c->test, v;
    bool save_null = c->test_null, null;
    uint32_t i = 0;
    lg_status st = LG_OK;
    if (e->has_arg) {
        LG_TRY(lg_xexpr_eval(c, e->args[0], &v, &null));
        i = 1;
    }
    lg_datum arg = e->has_arg ? v : 0;
    bool arg_null = e->has_arg ? null : true;
    for (; i + 1 < e->nargs; i += 2) {
        c->test = arg;
        c->test_null = arg_null;
        st = lg_xexpr_eval(c, e->args[i], &v, &null);
        c->test = save;
        c->test_null = save_null;
        if (st != LG_OK)
            return st;
        if (!null && lg_bool(v))
            return lg_xexpr_eval(c, e->args[i + 1], ret, ret_null);
    }
    if (i < e->nargs)
        return lg_xexpr_eval(c, e->args[i], ret, ret_null);
    *ret = 0;
    *ret_null = true;
    return LG_OK;
}

static lg_status
eval_minmax(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null)
{
    lg_compare_fn cmp = lg_type_compare_fn(e->type);
    *ret_null = true;
    *ret = 0;
    if (!cmp)
        return LG_UNSUPPORTED;
    for (uint32_t i = 0; i < e->nargs; i++) {
        bool null;
        lg_datum v;
        LG_TRY(lg_xexpr_eval(c, e->args[i], &v, &null));
        if (null)
            continue;
        int d = *ret_null ? 0
                : lg_collation_is_c(e->collation)
                    ? cmp(v, *ret)
                    : lg_collate_compare(c->x->es->env, e->collation, lg_text_data(v),
                                         lg_text_len(v), lg_text_data(*ret), lg_text_len(*ret));
        if (*ret_null || (e->kind == LG_EX_GREATEST ? d > 0 : d < 0))
            *ret = v;
        *ret_null = false;
    }
    return LG_OK;
}

static lg_status
eval_distinct(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null)
{
    lg_datum a, b;
    bool an, bn, eq = false, null;
    LG_TRY(lg_xexpr_eval(c, e->args[0], &a, &an));
    LG_TRY(lg_xexpr_eval(c, e->args[1], &b, &bn));
    if (e->kind == LG_EX_NULLIF) {
        if (!an && !bn)
            LG_TRY(call_two(c, e, a, b, &eq, &null));
        *ret = a;
        *ret_null = an || eq;
        return LG_OK;
    }
    if (an || bn)
        eq = an && bn;
    else
        LG_TRY(call_two(c, e, a, b, &eq, &null));
    *ret = lg_datum_bool(!eq != e->negated);
    *ret_null = false;
    return LG_OK;
}

static lg_status
eval_booltest(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null)
{
    bool null, r = false;
    lg_datum v;
    LG_TRY(lg_xexpr_eval(c, e->args[0], &v, &null));
    bool b = !null && lg_bool(v);
    switch (e->booltest) {
    case LG_A_IS_TRUE:
        r = b;
        break;
    case LG_A_IS_NOT_TRUE:
        r = !b;
        break;
    case LG_A_IS_FALSE:
        r = !null && !b;
        break;
    case LG_A_IS_NOT_FALSE:
        r = null || b;
        break;
    case LG_A_IS_UNKNOWN:
        r = null;
        break;
    case LG_A_IS_NOT_UNKNOWN:
        r = !null;
        break;
    default:
        return LG_INTERNAL;
    }
    *ret = lg_datum_bool(r);
    *ret_null = false;
    return LG_OK;
}

static lg_status
eval_array(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null)
{
    lg_oid elem = lg_type_elem(e->type);
    lg_datum *v = LG_NEWN(c->arena, lg_datum, e->nargs + 1);
    uint8_t *nulls = LG_NEWN(c->arena, uint8_t, e->nargs + 1);
    for (uint32_t i = 0; i < e->nargs; i++) {
        bool null;
        LG_TRY(lg_xexpr_eval(c, e->args[i], &v[i], &null));
        nulls[i] = null;
    }
    *ret_null = false;
    if (!e->multidim) {
        *ret = lg_array_make(c->arena, elem ? elem : LG_T_TEXT, e->nargs, v, nulls);
        return LG_OK;
    }
    /* Of arrays: NULL and empty ones may not stand beside others. */
    uint32_t full = 0;
    for (uint32_t i = 0; i < e->nargs; i++) {
        lg_array x = {0};
        if (!nulls[i])
            lg_array_unpack(v[i], c->arena, &x);
        full += x.n > 0;
    }
    const char *sqlstate, *why;
    *ret = full == 0         ? lg_array_make(c->arena, elem ? elem : LG_T_TEXT, 0, v, nulls)
           : full < e->nargs ? 0
                             : lg_array_stack(c->arena, e->nargs, v, nulls, &sqlstate, &why);
    if (*ret)
        return LG_OK;
    if (full == e->nargs && strcmp(sqlstate, "54000") == 0)
        return lg_error_set(c->x->es->err, sqlstate, "%s", why);
    return lg_error_set(
        c->x->es->err, "2202E",
        "multidimensional arrays must have array expressions with matching dimensions");
}

static lg_status
eval_array_op(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null)
{
    lg_datum left, array;
    bool left_null, array_null, any_null = false;
    LG_TRY(lg_xexpr_eval(c, e->args[0], &left, &left_null));
    LG_TRY(lg_xexpr_eval(c, e->args[1], &array, &array_null));
    *ret = 0;
    *ret_null = true;
    if (array_null)
        return LG_OK;
    lg_array a;
    lg_array_unpack(array, c->arena, &a);
    for (uint32_t i = 0; i < a.n; i++) {
        bool t, null = left_null || (a.nulls && a.nulls[i]);
        if (!null)
            LG_TRY(call_two(c, e, left, a.values[i], &t, &null));
        if (null) {
            any_null = true;
        } else if (t == e->use_or) {
            *ret = lg_datum_bool(e->use_or);
            *ret_null = false;
            return LG_OK;
        }
    }
    *ret = lg_datum_bool(!e->use_or);
    *ret_null = any_null;
    return LG_OK;
}

/* name[i]: a letter, counted from 0. */
static bool
name_letter(lg_datum name, int nsub, int32_t at, lg_datum *ret)
{
    if (nsub != 1 || at < 0 || at >= (int32_t)lg_text_len(name))
        return false;
    *ret = lg_datum_char(lg_text_data(name)[at]);
    return true;
}

static lg_status
eval_subscript(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null)
{
    lg_datum array, v;
    bool null;
    int32_t lo[LG_ARRAY_MAX_DIM] = {0}, hi[LG_ARRAY_MAX_DIM] = {0};
    uint8_t has_lo[LG_ARRAY_MAX_DIM] = {0}, has_hi[LG_ARRAY_MAX_DIM] = {0};
    int n = 0;
    LG_TRY(lg_xexpr_eval(c, e->args[0], &array, &null));
    *ret = 0;
    *ret_null = true;
    if (null)
        return LG_OK;
    for (uint32_t i = 1; i < e->nargs && n < LG_ARRAY_MAX_DIM; n++) {
        if (e->is_slice) {
            const lg_expr *l = e->args[i], *u = i + 1 < e->nargs ? e->args[i + 1] : NULL;
            i += 2;
            if (l) {
                LG_TRY(lg_xexpr_eval(c, l, &v, &null));
                if (null)
                    return LG_OK;
                lo[n] = lg_int4(v);
                has_lo[n] = 1;
            }
            if (u) {
                LG_TRY(lg_xexpr_eval(c, u, &v, &null));
                if (null)
                    return LG_OK;
                hi[n] = lg_int4(v);
                has_hi[n] = 1;
            }
        } else {
            LG_TRY(lg_xexpr_eval(c, e->args[i++], &v, &null));
            if (null)
                return LG_OK;
            lo[n] = lg_int4(v);
        }
    }
    if (e->is_slice) {
        *ret = lg_array_slice(array, n, lo, hi, has_lo, has_hi, c->arena);
        *ret_null = false;
    } else {
        *ret_null = e->args[0]->type == LG_T_NAME ? !name_letter(array, n, lo[0], ret)
                                                  : !lg_array_element(array, n, lo, c->arena, ret);
    }
    return LG_OK;
}

static lg_status
eval_coerce_io(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null)
{
    lg_datum v;
    const char *s;
    size_t len;
    LG_TRY(lg_xexpr_eval(c, e->args[0], &v, ret_null));
    *ret = 0;
    if (*ret_null)
        return LG_OK;
    LG_TRY(lg_type_output(c->x->es->env, e->args[0]->type, v, c->arena, c->x->es->err, &s, &len));
    s = lg_arena_strndup(c->arena, s, len);
    return lg_type_input(c->x->es->env, e->type, s, e->typmod, c->arena, c->x->es->err, ret);
}

static lg_status
eval_array_coerce(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null)
{
    lg_datum v, save = c->test;
    bool save_null = c->test_null;
    lg_oid elem = lg_type_elem(e->type);
    LG_TRY(lg_xexpr_eval(c, e->args[0], &v, ret_null));
    *ret = 0;
    if (*ret_null)
        return LG_OK;
    lg_array a;
    lg_array_unpack(v, c->arena, &a);
    if (!a.nulls)
        a.nulls = LG_NEWN(c->arena, uint8_t, a.n + 1);
    for (uint32_t i = 0; i < a.n; i++) {
        bool null;
        c->test = a.values[i];
        c->test_null = a.nulls[i];
        lg_status st = lg_xexpr_eval(c, e->args[1], &a.values[i], &null);
        c->test = save;
        c->test_null = save_null;
        if (st != LG_OK)
            return st;
        a.nulls[i] = null;
    }
    a.elem = elem ? elem : a.elem;
    *ret = lg_array_pack(c->arena, &a);
    return LG_OK;
}

static lg_status
eval_slot(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null)
{
    const lg_vector *v = e->slot >= 0 ? c->cols[e->slot] : c->sys ? c->sys[-e->slot] : NULL;
    if (!v) {
        *ret = 0;
        *ret_null = true;
        return e->slot >= 0 ? LG_INTERNAL : LG_OK;
    }
    *ret = lg_vector_value(v, c->row);
    *ret_null = lg_vector_is_null(v, c->row);
    return LG_OK;
}

static lg_status
eval_row(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null)
{
    lg_oid *types = LG_NEWN(c->arena, lg_oid, e->nargs + 1);
    lg_datum *v = LG_NEWN(c->arena, lg_datum, e->nargs + 1);
    uint8_t *nulls = LG_NEWN(c->arena, uint8_t, e->nargs + 1);
    for (uint32_t i = 0; i < e->nargs; i++) {
        bool null;
        LG_TRY(lg_xexpr_eval(c, e->args[i], &v[i], &null));
        types[i] = e->args[i]->type;
        nulls[i] = null;
        if (types[i] == LG_T_UNKNOWN && !null && e->args[i]->kind == LG_EX_CONST)
            v[i] = lg_datum_cstring_text(c->arena, lg_cstring(v[i]));
    }
    *ret = lg_record_pack(c->arena, e->type, e->nargs, types, v, nulls, e->row.names);
    *ret_null = false;
    return LG_OK;
}

static lg_status
eval_field(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null)
{
    lg_datum v;
    LG_TRY(lg_xexpr_eval(c, e->args[0], &v, ret_null));
    *ret = 0;
    if (*ret_null)
        return LG_OK;
    lg_record r;
    lg_record_unpack(v, c->arena, &r);
    *ret_null = e->field > r.n || r.nulls[e->field - 1];
    if (!*ret_null)
        *ret = r.values[e->field - 1];
    return LG_OK;
}

static lg_status
eval_is_null(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null)
{
    bool null;
    lg_datum v;
    if (e->args[0]->kind == LG_EX_ROW) { /* all fields null, or with negated: none */
        const lg_expr *row = e->args[0];
        bool all = true;
        for (uint32_t i = 0; i < row->nargs && all; i++) {
            LG_TRY(lg_xexpr_eval(c, row->args[i], &v, &null));
            all = null != e->negated;
        }
        *ret = lg_datum_bool(all);
    } else {
        LG_TRY(lg_xexpr_eval(c, e->args[0], &v, &null));
        lg_oid type = e->args[0]->type;
        bool is = null != e->negated;
        if (!null && (type == LG_T_RECORD || lg_usertype_of(type) == LG_UT_ROW)) {
            lg_record r;
            lg_record_unpack(v, c->arena, &r);
            is = true;
            for (uint32_t i = 0; i < r.n && is; i++)
                is = (r.nulls[i] != 0) != e->negated;
        }
        *ret = lg_datum_bool(is);
    }
    *ret_null = false;
    return LG_OK;
}

lg_status
lg_xexpr_eval(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null)
{
    switch ((lg_expr_kind)e->kind) {
    case LG_EX_CONST:
        *ret = e->konst.value;
        *ret_null = e->konst.isnull;
        return LG_OK;
    case LG_EX_PARAM: {
        uint32_t i = (uint32_t)e->param.number - 1;
        if (!c->x->params || i >= c->x->plan->nparams)
            return lg_error_set(c->x->es->err, "42P02", "there is no parameter $%d",
                                e->param.number);
        *ret = c->x->params[i];
        *ret_null = c->x->param_nulls && c->x->param_nulls[i];
        return LG_OK;
    }
    case LG_EX_SLOT:
        return eval_slot(c, e, ret, ret_null);
    case LG_EX_EXEC:
        *ret = c->x->exec_values[e->exec];
        *ret_null = c->x->exec_nulls[e->exec];
        return LG_OK;
    case LG_EX_FUNC:
        return eval_func(c, e, ret, ret_null);
    case LG_EX_AND:
    case LG_EX_OR:
        return eval_bool(c, e, ret, ret_null);
    case LG_EX_NOT:
        LG_TRY(lg_xexpr_eval(c, e->args[0], ret, ret_null));
        *ret = lg_datum_bool(!lg_bool(*ret));
        return LG_OK;
    case LG_EX_CASE:
        return eval_case(c, e, ret, ret_null);
    case LG_EX_CASE_TEST:
        *ret = c->test;
        *ret_null = c->test_null;
        return LG_OK;
    case LG_EX_COALESCE:
        *ret = 0;
        *ret_null = true;
        for (uint32_t i = 0; i < e->nargs && *ret_null; i++)
            LG_TRY(lg_xexpr_eval(c, e->args[i], ret, ret_null));
        return LG_OK;
    case LG_EX_GREATEST:
    case LG_EX_LEAST:
        return eval_minmax(c, e, ret, ret_null);
    case LG_EX_NULLIF:
    case LG_EX_DISTINCT:
        return eval_distinct(c, e, ret, ret_null);
    case LG_EX_IS_NULL:
        return eval_is_null(c, e, ret, ret_null);
    case LG_EX_BOOL_TEST:
        return eval_booltest(c, e, ret, ret_null);
    case LG_EX_ARRAY:
        return eval_array(c, e, ret, ret_null);
    case LG_EX_ARRAY_OP:
        return eval_array_op(c, e, ret, ret_null);
    case LG_EX_ROW:
        return eval_row(c, e, ret, ret_null);
    case LG_EX_FIELD:
        return eval_field(c, e, ret, ret_null);
    case LG_EX_SUBSCRIPT:
        return eval_subscript(c, e, ret, ret_null);
    case LG_EX_ARRAY_SET:
        return lg_xarray_set(c, e, ret, ret_null);
    case LG_EX_RELABEL:
        LG_TRY(lg_xexpr_eval(c, e->args[0], ret, ret_null));
        *ret = lg_datum_relabel(e->args[0]->type, e->type, *ret);
        return LG_OK;
    case LG_EX_COERCE_IO:
        return eval_coerce_io(c, e, ret, ret_null);
    case LG_EX_ARRAY_COERCE:
        return eval_array_coerce(c, e, ret, ret_null);
    case LG_EX_DOMAIN:
        LG_TRY(lg_xexpr_eval(c, e->args[0], ret, ret_null));
        return lg_xdomain_check(c->x->es, e->domain, *ret, *ret_null, c->arena);
    case LG_EX_DOMAIN_VALUE:
        *ret = c->value;
        *ret_null = c->value_null;
        return LG_OK;
    case LG_EX_SUBCOL:
        *ret = c->subcols[e->slot];
        *ret_null = c->subnulls[e->slot];
        return LG_OK;
    case LG_EX_SUBPLAN:
        return c->x->subplan(c, e, ret, ret_null);
    default:
        return lg_error_set(c->x->es->err, "0A000", "expression of kind %d is not supported",
                            e->kind);
    }
}

/* ---- vectors ---- */

static lg_vector *
new_vector(lg_ectx *c, lg_oid type, bool constant)
{
    lg_vector *v = LG_NEW(c->arena, lg_vector);
    lg_vector_init(v, c->arena, type, constant ? 1 : c->cap);
    v->constant = constant;
    return v;
}

static lg_status
by_row(lg_ectx *c, const lg_expr *e, const uint16_t *sel, uint32_t n, lg_vector **ret)
{
    lg_vector *v = new_vector(c, e->type, false);
    uint32_t save = c->row;
    for (uint32_t i = 0; i < n; i++) {
        bool null = false;
        uint32_t row = lg_sel_row(sel, i);
        c->row = row;
        lg_status st = lg_xexpr_eval(c, e, &v->v[row], &null);
        if (st == LG_OK && (i & 15) == 15)
            st = lg_xcheck(c->x);
        if (st != LG_OK)
            return st;
        v->null[row] = null;
    }
    c->row = save;
    *ret = v;
    return LG_OK;
}

static lg_status
func_vector(lg_ectx *c, const lg_expr *e, const uint16_t *sel, uint32_t n, lg_vector **ret)
{
    struct site *s = site_of(c->x, e, e->func.func, e->nargs);
    for (uint32_t i = 0; i < e->nargs; i++) {
        lg_vector *arg;
        LG_TRY(lg_xexpr_vector(c, e->args[i], sel, n, &arg));
        s->vecs[i] = arg;
    }
    lg_vector *out = new_vector(c, e->type, false);
    s->call.arena = c->arena;
    lg_status st = lg_func_call_vector(&s->call, s->vecs, e->nargs, sel, n, out);
    s->call.args = s->args; /* the loop may have pointed them elsewhere */
    s->call.nulls = s->nulls;
    s->call.nargs = e->nargs;
    if (st != LG_OK) {
        s->call.st = LG_OK;
        return st;
    }
    *ret = out;
    return LG_OK;
}

static bool
finds_row(const lg_expr *e, void *arg)
{
    bool *found = arg;
    switch ((lg_expr_kind)e->kind) {
    case LG_EX_CONST:
    case LG_EX_PARAM:
    case LG_EX_EXEC:
    case LG_EX_ARRAY:
    case LG_EX_RELABEL:
        break;
    default:
        *found = true;
    }
    return *found || lg_expr_walk(e, finds_row, found);
}

/* value op ANY/ALL (array), the array being the same for all rows: it is taken apart once. */
static lg_status
array_op_vector(lg_ectx *c, const lg_expr *e, const uint16_t *sel, uint32_t n, lg_vector **ret)
{
    struct site *s = site_of(c->x, e, e->func.func, 2);
    lg_vector *left, *out;
    lg_datum array;
    bool array_null, any_null = false;
    lg_array a = {0};
    LG_TRY(lg_xexpr_eval(c, e->args[1], &array, &array_null));
    LG_TRY(lg_xexpr_vector(c, e->args[0], sel, n, &left));
    out = new_vector(c, e->type, false);
    if (!array_null)
        lg_array_unpack(array, c->arena, &a);
    for (uint32_t k = 0; k < a.n; k++)
        any_null = any_null || (a.nulls && a.nulls[k]);
    lg_oid type = e->args[0]->type;
    lg_equal_fn eq = a.elem == type && e->func.op && e->func.op->oid == lg_type_eq_operator(type)
                         ? lg_type_equal_fn(type)
                         : NULL;
    s->call.arena = c->arena;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = lg_sel_row(sel, i);
        bool null = array_null || (a.n && lg_vector_is_null(left, row)), found = false;
        bool unsure = any_null;
        lg_datum l = null ? 0 : lg_vector_value(left, row);
        for (uint32_t k = 0; k < a.n && !null && !found; k++) {
            bool t, is_null = false;
            if (a.nulls && a.nulls[k])
                continue;
            if (eq)
                t = eq(l, a.values[k]);
            else
                LG_TRY(call_two(c, e, l, a.values[k], &t, &is_null));
            unsure = unsure || is_null;
            found = !is_null && t == e->use_or;
        }
        lg_vector_set(out, row, lg_datum_bool(found ? e->use_or : !e->use_or),
                      null || (!found && unsure));
    }
    *ret = out;
    return LG_OK;
}

lg_status
lg_xexpr_vector(lg_ectx *c, const lg_expr *e, const uint16_t *sel, uint32_t n, lg_vector **ret)
{
    lg_vector *v;
    switch ((lg_expr_kind)e->kind) {
    case LG_EX_SLOT:
        v = e->slot >= 0 ? c->cols[e->slot] : c->sys ? c->sys[-e->slot] : NULL;
        if (v) {
            *ret = v;
            return LG_OK;
        }
        break;
    case LG_EX_CONST:
    case LG_EX_PARAM:
    case LG_EX_EXEC: {
        bool null;
        v = new_vector(c, e->type, true);
        LG_TRY(lg_xexpr_eval(c, e, &v->v[0], &null));
        v->null[0] = null;
        v->maybe_null = null;
        *ret = v;
        return LG_OK;
    }
    case LG_EX_RELABEL:
        if ((e->type == LG_T_INT4) != (e->args[0]->type == LG_T_INT4))
            break; /* the datums differ */
        return lg_xexpr_vector(c, e->args[0], sel, n, ret);
    case LG_EX_FUNC:
        if (n == 1)
            break;
        if (lg_xnum_is(e)) {
            lg_xnum x;
            lg_status st = lg_xnum_vector(c, e, sel, n, &x);
            if (st == LG_OK)
                *ret = lg_xnum_pack(c, &x, sel, n);
            if (st != LG_NOT_FOUND)
                return st;
        }
        return func_vector(c, e, sel, n, ret);
    case LG_EX_ARRAY_OP: {
        bool by_rows = n == 1;
        if (!by_rows && !finds_row(e->args[1], &by_rows))
            return array_op_vector(c, e, sel, n, ret);
        break;
    }
    default:
        break;
    }
    return by_row(c, e, sel, n, ret);
}

/* Each branch is asked about the rows that those before it did not take. */
static lg_status
filter_or(lg_ectx *c, const lg_expr *e, const uint16_t *sel, uint32_t n, uint16_t *out,
          uint32_t *ret_n)
{
    uint8_t *taken = lg_arena_zalloc(c->arena, c->cap);
    uint16_t *all = lg_arena_alloc(c->arena, n * sizeof *all);
    uint16_t *rest = lg_arena_alloc(c->arena, n * sizeof *rest);
    uint16_t *yes = lg_arena_alloc(c->arena, n * sizeof *yes);
    uint32_t left = n, k = 0;
    for (uint32_t i = 0; i < n; i++)
        all[i] = rest[i] = (uint16_t)lg_sel_row(sel, i);
    for (uint32_t b = 0; b < e->nargs && left; b++) {
        uint32_t m, kept = 0;
        LG_TRY(lg_xexpr_filter(c, e->args[b], rest, left, yes, &m));
        for (uint32_t i = 0; i < m; i++)
            taken[yes[i]] = 1;
        for (uint32_t i = 0; m && i < left; i++)
            if (!taken[rest[i]])
                rest[kept++] = rest[i];
        left = m ? kept : left;
    }
    for (uint32_t i = 0; i < n; i++)
        if (taken[all[i]])
            out[k++] = all[i];
    *ret_n = k;
    return LG_OK;
}

lg_status
lg_xexpr_filter(lg_ectx *c, const lg_expr *e, const uint16_t *sel, uint32_t n, uint16_t *out,
                uint32_t *ret_n)
{
    if (n == 1) {
        lg_datum v;
        bool null;
        uint32_t row = lg_sel_row(sel, 0);
        c->row = row;
        LG_TRY(lg_xexpr_eval(c, e, &v, &null));
        *ret_n = !null && lg_bool(v);
        out[0] = (uint16_t)row;
        return LG_OK;
    }
    if (e->kind == LG_EX_AND) {
        const uint16_t *cur = sel;
        for (uint32_t i = 0; i < e->nargs && n; i++) {
            LG_TRY(lg_xexpr_filter(c, e->args[i], cur, n, out, &n));
            cur = out;
        }
        if (!e->nargs)
            for (uint32_t i = 0; i < n; i++)
                out[i] = (uint16_t)lg_sel_row(sel, i);
        *ret_n = n;
        return LG_OK;
    }
    if (e->kind == LG_EX_OR && e->nargs > 1)
        return filter_or(c, e, sel, n, out, ret_n);
    if (lg_xnum_compares(e)) {
        lg_status st = lg_xnum_filter(c, e, sel, n, out, ret_n);
        if (st != LG_NOT_FOUND)
            return st;
    }
    lg_vector *b;
    LG_TRY(lg_xexpr_vector(c, e, sel, n, &b));
    if (b->constant) {
        bool t = !lg_vector_is_null(b, 0) && lg_bool(b->v[0]);
        for (uint32_t i = 0; t && i < n; i++)
            out[i] = (uint16_t)lg_sel_row(sel, i);
        *ret_n = t ? n : 0;
        return LG_OK;
    }
    *ret_n = lg_sel_true(b, sel, n, out);
    return LG_OK;
}

lg_status
lg_xexpr_scalar(lg_exec *x, lg_arena *a, const lg_expr *e, lg_datum *ret, bool *ret_null)
{
    lg_ectx c = {.x = x, .arena = a, .cap = 1};
    return lg_xexpr_eval(&c, e, ret, ret_null);
}

void
lg_xexec_param_set(lg_exec *x, uint32_t param, lg_datum v, bool isnull)
{
    x->exec_values[param] = v;
    x->exec_nulls[param] = isnull;
    x->exec_version[param]++;
}
