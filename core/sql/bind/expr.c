/* Making, walking, rewriting and comparing expressions. */
#include "bound.h"
#include "expr.h"
#include <string.h>

lg_expr *
lg_expr_new(lg_arena *a, lg_expr_kind kind, lg_oid type, uint32_t nargs)
{
    lg_expr *e = LG_NEW(a, lg_expr);
    e->kind = (uint8_t)kind;
    e->type = type;
    e->typmod = -1;
    e->loc = -1;
    e->nargs = nargs;
    const lg_type *t = lg_type_get(type);
    e->collation = t ? t->collation : 0;
    if (nargs)
        e->args = LG_NEWN(a, lg_expr *, nargs);
    return e;
}

lg_expr *
lg_expr_const(lg_arena *a, lg_oid type, lg_datum value, bool isnull)
{
    lg_expr *e = lg_expr_new(a, LG_EX_CONST, type, 0);
    e->konst.value = value;
    e->konst.isnull = isnull;
    return e;
}

lg_expr *
lg_expr_bool(lg_arena *a, bool value)
{
    return lg_expr_const(a, LG_T_BOOL, lg_datum_bool(value), false);
}

lg_expr *
lg_expr_call(lg_arena *a, const lg_func *f, const lg_operator *op, uint32_t n, lg_expr *const *args)
{
    lg_expr *e = lg_expr_new(a, LG_EX_FUNC, f->result, n);
    e->func.func = f;
    e->func.op = op;
    e->form = op ? LG_FORM_OPERATOR : LG_FORM_CALL;
    for (uint32_t i = 0; i < n; i++)
        e->args[i] = args[i];
    return e;
}

static uint32_t
count_and(const lg_expr *e)
{
    return !e ? 0 : e->kind == LG_EX_AND ? e->nargs : 1;
}

static void
put_and(lg_expr *to, lg_expr *e)
{
    if (!e)
        return;
    if (e->kind != LG_EX_AND) {
        to->args[to->nargs++] = e;
        return;
    }
    for (uint32_t i = 0; i < e->nargs; i++)
        to->args[to->nargs++] = e->args[i];
}

lg_expr *
lg_expr_and(lg_arena *a, lg_expr *x, lg_expr *y)
{
    if (!x || !y)
        return x ? x : y;
    lg_expr *e = lg_expr_new(a, LG_EX_AND, LG_T_BOOL, count_and(x) + count_and(y));
    e->nargs = 0;
    put_and(e, x);
    put_and(e, y);
    return e;
}

bool
lg_expr_walk(const lg_expr *e, bool (*fn)(const lg_expr *e, void *arg), void *arg)
{
    for (uint32_t i = 0; i < e->nargs; i++)
        if (e->args[i] && fn(e->args[i], arg))
            return true;
    if (e->kind == LG_EX_AGG || e->kind == LG_EX_WINDOW) {
        if (e->agg.filter && fn(e->agg.filter, arg))
            return true;
        for (uint32_t i = 0; i < e->agg.norder; i++)
            if (e->agg.order[i].expr && fn(e->agg.order[i].expr, arg))
                return true;
    }
    return false;
}

lg_expr *
lg_expr_mutate(lg_arena *a, const lg_expr *e, lg_expr *(*fn)(lg_expr *e, void *arg), void *arg)
{
    lg_expr *n = lg_arena_dup(a, e, sizeof *e);
    if (e->nargs) {
        n->args = LG_NEWN(a, lg_expr *, e->nargs);
        for (uint32_t i = 0; i < e->nargs; i++)
            n->args[i] = e->args[i] ? fn(e->args[i], arg) : NULL;
    }
    if (e->kind == LG_EX_AGG || e->kind == LG_EX_WINDOW) {
        if (e->agg.filter)
            n->agg.filter = fn((lg_expr *)(uintptr_t)e->agg.filter, arg);
        if (e->agg.norder) {
            n->agg.order = lg_arena_dup(a, e->agg.order, e->agg.norder * sizeof(lg_sort_item));
            for (uint32_t i = 0; i < e->agg.norder; i++)
                if (e->agg.order[i].expr)
                    n->agg.order[i].expr = fn(e->agg.order[i].expr, arg);
        }
    }
    return n;
}

static bool
same_const(const lg_expr *x, const lg_expr *y)
{
    if (x->konst.isnull || y->konst.isnull)
        return x->konst.isnull == y->konst.isnull;
    if (x->type == LG_T_UNKNOWN) /* a literal not yet typed is a C string */
        return strcmp(lg_cstring(x->konst.value), lg_cstring(y->konst.value)) == 0;
    if (x->konst.value == y->konst.value)
        return true;
    const lg_type *t = lg_type_get(x->type);
    if (!t || t->store == LG_STORE_BYVAL)
        return false;
    if (t->store == LG_STORE_CSTRING)
        return strcmp(lg_cstring(x->konst.value), lg_cstring(y->konst.value)) == 0;
    if (t->store == LG_STORE_FIXED)
        return memcmp(lg_ptr(x->konst.value), lg_ptr(y->konst.value), t->size) == 0;
    const lg_varlen *a = lg_varlen_of(x->konst.value), *b = lg_varlen_of(y->konst.value);
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static bool
same_own(const lg_expr *x, const lg_expr *y)
{
    switch ((lg_expr_kind)x->kind) {
    case LG_EX_CONST:
        return same_const(x, y);
    case LG_EX_PARAM:
        return x->param.number == y->param.number;
    case LG_EX_VAR:
        return x->var.rte == y->var.rte && x->var.attno == y->var.attno && x->var.up == y->var.up;
    case LG_EX_SLOT:
    case LG_EX_SUBCOL:
        return x->slot == y->slot;
    case LG_EX_EXEC:
        return x->exec == y->exec;
    case LG_EX_FUNC:
    case LG_EX_NULLIF:
    case LG_EX_DISTINCT:
    case LG_EX_ARRAY_OP:
        return x->func.func->oid == y->func.func->oid && x->use_or == y->use_or &&
               x->variadic == y->variadic;
    case LG_EX_FIELD:
        return x->field == y->field;
    case LG_EX_DOMAIN:
        return x->domain == y->domain;
    case LG_EX_IS_NULL:
        return x->negated == y->negated;
    case LG_EX_BOOL_TEST:
        return x->booltest == y->booltest;
    case LG_EX_CASE:
        return x->has_arg == y->has_arg;
    case LG_EX_SUBSCRIPT:
    case LG_EX_ARRAY_SET:
        return x->is_slice == y->is_slice;
    case LG_EX_RELABEL:
        return x->collation == y->collation;
    case LG_EX_AGG:
    case LG_EX_WINDOW:
        return x->agg.func == y->agg.func && x->agg.star == y->agg.star &&
               x->agg.distinct == y->agg.distinct && x->agg.up == y->agg.up &&
               x->agg.window == y->agg.window && x->agg.ndirect == y->agg.ndirect;
    case LG_EX_SUBLINK:
        return x->sublink.query == y->sublink.query && x->sublink.link == y->sublink.link;
    case LG_EX_SUBPLAN:
        return x->subplan.plan == y->subplan.plan && x->subplan.link == y->subplan.link;
    default:
        return true;
    }
}

static bool
same_agg_parts(const lg_expr *x, const lg_expr *y)
{
    if (!x->agg.filter != !y->agg.filter || x->agg.norder != y->agg.norder)
        return false;
    if (x->agg.filter && !lg_expr_equal(x->agg.filter, y->agg.filter))
        return false;
    for (uint32_t i = 0; i < x->agg.norder; i++) {
        const lg_sort_item *s = &x->agg.order[i], *t = &y->agg.order[i];
        if (s->lt != t->lt || s->nulls_first != t->nulls_first || !lg_expr_equal(s->expr, t->expr))
            return false;
    }
    return true;
}

bool
lg_expr_equal(const lg_expr *x, const lg_expr *y)
{
    if (x == y)
        return true;
    if (!x || !y || x->kind != y->kind || x->type != y->type || x->nargs != y->nargs)
        return false;
    if (!same_own(x, y) ||
        ((x->kind == LG_EX_AGG || x->kind == LG_EX_WINDOW) && !same_agg_parts(x, y)))
        return false;
    for (uint32_t i = 0; i < x->nargs; i++)
        if (!lg_expr_equal(x->args[i], y->args[i]))
            return false;
    return true;
}

/* Is the type's input or output function immutable? (Not where settings have a say.) */
static bool
io_immutable(lg_oid type, bool in)
{
    const lg_type *t = lg_type_get(type);
    const lg_func *f = t ? lg_func_get(in ? t->in : t->out) : NULL;
    return f && f->volatility == 'i';
}

static bool
find_volatility(const lg_expr *e, void *arg)
{
    char *v = arg;
    switch ((lg_expr_kind)e->kind) {
    case LG_EX_FUNC:
    case LG_EX_NULLIF:
    case LG_EX_DISTINCT:
    case LG_EX_ARRAY_OP: {
        char f = e->func.func->volatility;
        if (f == 'v' || (f == 's' && *v == 'i'))
            *v = f;
        break;
    }
    case LG_EX_COERCE_IO:
        if (*v == 'i' && !(io_immutable(e->args[0]->type, false) && io_immutable(e->type, true)))
            *v = 's';
        break;
    case LG_EX_DOMAIN:
        if (*v == 'i')
            *v = 's';
        break;
    case LG_EX_SUBLINK:
    case LG_EX_SUBPLAN:
        *v = 'v';
        break;
    default:
        break;
    }
    return *v == 'v' || lg_expr_walk(e, find_volatility, arg);
}

char
lg_expr_volatility(const lg_expr *e)
{
    char v = 'i';
    if (e)
        find_volatility(e, &v);
    return v;
}

static bool
find_kind(const lg_expr *e, void *arg)
{
    return e->kind == *(const uint8_t *)arg || lg_expr_walk(e, find_kind, arg);
}

bool
lg_expr_has_kind(const lg_expr *e, lg_expr_kind kind)
{
    uint8_t k = (uint8_t)kind;
    return e && find_kind(e, &k);
}

static bool
find_set(const lg_expr *e, void *arg)
{
    if (e->kind == LG_EX_FUNC && lg_func_retset(e->func.func))
        return true;
    return lg_expr_walk(e, find_set, arg);
}

bool
lg_expr_returns_set(const lg_expr *e)
{
    return e && find_set(e, NULL);
}

lg_oid
lg_expr_out_type(const lg_expr *call, uint32_t k)
{
    lg_oid t = call->func.func->out_types[k];
    if (t != LG_T_ANYELEMENT || !call->nargs)
        return t;
    lg_oid a = call->args[0]->type;
    return a == LG_T_INT2VECTOR ? LG_T_INT2 : a == LG_T_OIDVECTOR ? LG_T_OID : lg_type_elem(a);
}
