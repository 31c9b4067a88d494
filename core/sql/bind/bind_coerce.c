/* Coercions, as PostgreSQL's parse_coerce.c: which exist, how they are done, and the common type of
 * several expressions. A literal of unknown type is a C string until it is coerced. */
#include "bind_internal.h"
#include <string.h>

bool
lg_bind__is_array(lg_oid type)
{
    const lg_type *t = lg_type_get(type);
    return t && lg_type_is_array(t) && t->elem;
}

lg_oid
lg_bind__element_of(lg_oid type)
{
    const lg_type *t = lg_type_get(type);
    return t && lg_type_is_array(t) ? lg_type_elem(type) : 0;
}

lg_oid
lg_bind__array_of(lg_oid type)
{
    return lg_type_array(type);
}

static char
category(lg_oid type)
{
    const lg_type *t = lg_type_get(type);
    return t ? t->category : 'U';
}

static bool
preferred(lg_oid type)
{
    const lg_type *t = lg_type_get(type);
    return t && t->preferred;
}

bool
lg_bind__is_string(lg_oid type)
{
    return category(type) == 'S';
}

static bool
poly_family1(lg_oid t)
{
    return t == LG_T_ANYELEMENT || t == LG_T_ANYARRAY || t == LG_T_ANYNONARRAY || t == LG_T_ANYENUM;
}

static bool
poly_family2(lg_oid t)
{
    return t == LG_T_ANYCOMPATIBLE || t == LG_T_ANYCOMPATIBLEARRAY ||
           t == LG_T_ANYCOMPATIBLENONARRAY;
}

bool
lg_bind__polymorphic(lg_oid t)
{
    return poly_family1(t) || poly_family2(t);
}

bool
lg_bind__binary_coercible(lg_oid from, lg_oid to)
{
    if (from == to || to == LG_T_ANY || to == LG_T_ANYELEMENT || to == LG_T_ANYCOMPATIBLE)
        return true;
    if (to == LG_T_ANYARRAY || to == LG_T_ANYCOMPATIBLEARRAY)
        return lg_bind__is_array(from);
    if (to == LG_T_ANYNONARRAY || to == LG_T_ANYCOMPATIBLENONARRAY)
        return !lg_bind__is_array(from);
    if (to == LG_T_ANYENUM)
        return lg_usertype_of(from) == LG_UT_ENUM;
    if (to == LG_T_RECORD)
        return lg_usertype_of(from) == LG_UT_ROW;
    if (to == LG_T_RECORD_ARRAY)
        return lg_usertype_of(from) == LG_UT_ROW_ARRAY;
    const lg_cast *c = lg_cast_find(from, to);
    return c && c->method == 'b' && c->context == 'i';
}

/* How a value gets from one type to another. */
typedef enum path { PATH_NONE, PATH_RELABEL, PATH_FUNC, PATH_IO, PATH_ARRAY } path;

static path
find_path(lg_oid from, lg_oid to, lg_coercion ctx, const lg_func **ret_func)
{
    *ret_func = NULL;
    if (from == to || (to == LG_T_RECORD && lg_usertype_of(from) == LG_UT_ROW) ||
        (to == LG_T_RECORD_ARRAY && lg_usertype_of(from) == LG_UT_ROW_ARRAY))
        return PATH_RELABEL;
    const lg_cast *c = lg_cast_find(from, to);
    if (c) {
        lg_coercion need = c->context == 'i'   ? LG_COERCE_IMPLICIT
                           : c->context == 'a' ? LG_COERCE_ASSIGNMENT
                                               : LG_COERCE_EXPLICIT;
        if (ctx < need)
            return PATH_NONE;
        if (c->method == 'f') {
            *ret_func = lg_func_get(c->func);
            return *ret_func ? PATH_FUNC : PATH_NONE;
        }
        return c->method == 'b' ? PATH_RELABEL : PATH_IO;
    }
    lg_oid fe = lg_bind__element_of(from), te = lg_bind__element_of(to);
    if (fe && te && to != LG_T_OIDVECTOR && to != LG_T_INT2VECTOR) {
        const lg_func *f;
        path p = find_path(fe, te, ctx, &f);
        return p == PATH_NONE ? PATH_NONE : PATH_ARRAY;
    }
    if (ctx >= LG_COERCE_ASSIGNMENT && lg_bind__is_string(to))
        return PATH_IO;
    if (ctx >= LG_COERCE_EXPLICIT && lg_bind__is_string(from))
        return PATH_IO;
    return PATH_NONE;
}

bool
lg_bind__can_coerce(uint32_t n, const lg_oid *from, const lg_oid *to, lg_coercion ctx)
{
    bool generic = false;
    for (uint32_t i = 0; i < n; i++) {
        lg_oid f = from[i], t = to[i];
        const lg_func *fn;
        if (f == t || t == LG_T_ANY)
            continue;
        if (lg_bind__polymorphic(t)) {
            generic = true;
            continue;
        }
        if (f == LG_T_UNKNOWN)
            continue;
        if (f == LG_T_RECORD && lg_usertype_of(t) == LG_UT_ROW)
            continue; /* whether the fields fit is seen when it is done */
        if (f == LG_T_RECORD_ARRAY && lg_bind__is_array(t))
            return false;
        if (find_path(f, t, ctx, &fn) == PATH_NONE)
            return false;
    }
    return !generic || lg_bind__check_generic(from, to, n);
}

/* ---- unknown literals and parameters ---- */

static lg_status
input_literal(lg_bind *b, const lg_expr *e, lg_oid type, int32_t typmod, lg_expr **ret)
{
    lg_expr *k = lg_expr_const(b->arena, type, 0, e->konst.isnull);
    k->loc = e->loc;
    if (!e->konst.isnull) {
        /* As PostgreSQL: only interval needs its typmod for input; the rest get it later. */
        int32_t m = type == LG_T_INTERVAL ? typmod : -1;
        bool had = b->err->set;
        lg_status st = lg_type_input(b->env, type, lg_cstring(e->konst.value), m, b->arena, b->err,
                                     &k->konst.value);
        if (st != LG_OK) {
            lg_error_from_status(b->err, st);
            if (!had)
                lg_bind__position(b, e->loc);
            return LG_SQL;
        }
        if (type == LG_T_INTERVAL)
            k->typmod = typmod;
    }
    *ret = k;
    return LG_OK;
}

static lg_status
infer_param(lg_bind *b, const lg_expr *e, lg_oid type, lg_expr **ret)
{
    uint32_t i = (uint32_t)e->param.number - 1;
    lg_oid known = b->params[i];
    if (known == LG_T_UNKNOWN || known == 0) {
        b->params[i] = type;
    } else if (known != type) {
        lg_bind__error(b, e->loc, "42P08", "inconsistent types deduced for parameter $%d",
                       e->param.number);
        lg_error_detail(b->err, "%s versus %s", lg_bind__type_name(b, known),
                        lg_bind__type_name(b, type));
        return LG_SQL;
    }
    lg_expr *p = lg_arena_dup(b->arena, e, sizeof *e);
    p->type = type;
    const lg_type *t = lg_type_get(type);
    p->collation = t ? t->collation : 0;
    *ret = p;
    return LG_OK;
}

/* ---- doing it ---- */

static lg_expr *
wrap(lg_bind *b, lg_expr_kind kind, lg_expr *e, lg_oid type, lg_func_form form, int32_t loc)
{
    lg_expr *n = lg_expr_new(b->arena, kind, type, 1);
    n->args[0] = e;
    n->form = (uint8_t)form;
    n->loc = loc;
    return n;
}

static lg_expr *
cast_call(lg_bind *b, const lg_func *f, lg_expr *e, int32_t typmod, bool is_explicit, lg_oid type,
          lg_func_form form, int32_t loc)
{
    lg_expr *args[3] = {e, NULL, NULL};
    if (f->nargs > 1)
        args[1] = lg_expr_const(b->arena, LG_T_INT4, lg_datum_int4(typmod), false);
    if (f->nargs > 2)
        args[2] = lg_expr_bool(b->arena, is_explicit);
    lg_expr *n = lg_expr_call(b->arena, f, NULL, f->nargs, args);
    n->type = type;
    n->form = (uint8_t)form;
    n->loc = loc;
    const lg_type *t = lg_type_get(type);
    n->collation = t ? t->collation : 0;
    return n;
}

static lg_status
coerce_array(lg_bind *b, lg_expr *e, lg_oid type, int32_t typmod, lg_coercion ctx,
             lg_func_form form, int32_t loc, lg_expr **ret)
{
    lg_expr *n = lg_expr_new(b->arena, LG_EX_ARRAY_COERCE, type, 2);
    lg_oid from = lg_bind__element_of(e->type);
    lg_expr *test = lg_expr_new(b->arena, LG_EX_CASE_TEST, from, 0);
    n->args[0] = e;
    n->form = (uint8_t)form;
    n->loc = loc;
    n->typmod = typmod;
    LG_TRY(lg_bind__coerce_to(b, test, lg_bind__element_of(type), typmod, ctx, form, loc,
                              &n->args[1]));
    if (!n->args[1])
        return LG_INTERNAL;
    *ret = n;
    return LG_OK;
}

static lg_status
cannot_cast(lg_bind *b, const lg_expr *e, lg_oid type, int32_t loc)
{
    return lg_bind__error(b, loc, "42846", "cannot cast type %s to %s",
                          lg_bind__type_name(b, e->type), lg_bind__type_name(b, type));
}

/* A row constructor to a composite type: field by field. */
static lg_status
coerce_row(lg_bind *b, lg_expr *e, lg_oid type, lg_coercion ctx, lg_func_form form, int32_t loc,
           lg_expr **ret)
{
    const lg_row_type *t;
    LG_TRY(lg_usertype_row(b->env, type, b->arena, b->err, &t));
    if (e->kind != LG_EX_ROW)
        return cannot_cast(b, e, type, loc);
    if (e->nargs != t->n) {
        cannot_cast(b, e, type, loc);
        lg_error_detail(b->err, e->nargs < t->n ? "Input has too few columns."
                                                : "Input has too many columns.");
        return LG_SQL;
    }
    lg_expr *n = lg_expr_new(b->arena, LG_EX_ROW, type, t->n);
    n->form = (uint8_t)form;
    n->loc = e->loc;
    for (uint32_t i = 0; i < t->n; i++) {
        const lg_row_field *f = &t->fields[i];
        lg_expr *x;
        LG_TRY(lg_bind__coerce_to(b, e->args[i], f->domain ? f->domain : f->type, f->typmod, ctx,
                                  LG_FORM_IMPLICIT, e->args[i]->loc, &x));
        if (!x) {
            cannot_cast(b, e, type, loc);
            lg_error_detail(b->err, "Cannot cast type %s to %s in column %u.",
                            lg_bind__type_name(b, e->args[i]->type),
                            lg_bind__type_name(b, f->domain ? f->domain : f->type), i + 1);
            return LG_SQL;
        }
        n->args[i] = x;
    }
    *ret = n;
    return LG_OK;
}

/* To the base type, with the domain's length, then the domain's constraints. */
static lg_status
coerce_domain(lg_bind *b, lg_expr *e, lg_oid type, int32_t typmod, lg_coercion ctx,
              lg_func_form form, int32_t loc, lg_expr **ret)
{
    lg_oid base;
    lg_expr *x;
    *ret = e;
    if (e->domain == type)
        return LG_OK;
    LG_TRY(lg_usertype_base(b->env, type, b->arena, b->err, &base, &typmod));
    LG_TRY(lg_bind__coerce_to(b, e, base, typmod, ctx, LG_FORM_IMPLICIT, loc, &x));
    if (!x)
        return cannot_cast(b, e, type, loc);
    *ret = wrap(b, LG_EX_DOMAIN, x, base, form, loc);
    (*ret)->domain = type;
    (*ret)->typmod = typmod;
    if (lg_usertype_of(type) == LG_UT_DOMAIN) {
        const lg_domain_type *d;
        LG_TRY(b->env->user->domain_type(b->env, type, b->arena, &d));
        (*ret)->collation = d->collation;
    }
    return LG_OK;
}

lg_status
lg_bind__coerce(lg_bind *b, lg_expr *e, lg_oid type, int32_t typmod, lg_coercion ctx,
                lg_func_form form, int32_t loc, lg_expr **ret)
{
    *ret = e;
    if (lg_usertype_is_domain(type))
        return coerce_domain(b, e, type, typmod, ctx, form, loc, ret);
    if (e->type == type)
        return LG_OK;
    if (type == LG_T_ANY || type == LG_T_ANYELEMENT || type == LG_T_ANYNONARRAY ||
        type == LG_T_ANYCOMPATIBLE || type == LG_T_ANYCOMPATIBLENONARRAY)
        return LG_OK; /* enforce_generic gives real types; "any" takes all */
    if (type == LG_T_ANYARRAY || type == LG_T_ANYCOMPATIBLEARRAY || type == LG_T_ANYENUM) {
        if (e->type != LG_T_UNKNOWN)
            return LG_OK;
    }
    if (e->type == LG_T_UNKNOWN && e->kind == LG_EX_CONST)
        return input_literal(b, e, type, typmod, ret);
    if (e->kind == LG_EX_PARAM && e->type == LG_T_UNKNOWN && b->infer_params)
        return infer_param(b, e, type, ret);
    if (e->type == LG_T_UNKNOWN) { /* something odd of unknown type: through text */
        *ret = wrap(b, LG_EX_COERCE_IO, e, type, form, loc);
        return LG_OK;
    }
    const lg_func *f;
    if (lg_usertype_of(type) == LG_UT_ROW && e->type == LG_T_RECORD)
        return coerce_row(b, e, type, ctx, form, loc, ret);
    switch (find_path(e->type, type, ctx, &f)) {
    case PATH_RELABEL:
        *ret = wrap(b, LG_EX_RELABEL, e, type, form, loc);
        return LG_OK;
    case PATH_FUNC:
        if (f->result == LG_T_INT4 && type != LG_T_INT4) { /* int2 to oid: as int4, then its bits */
            e = cast_call(b, f, e, typmod, ctx == LG_COERCE_EXPLICIT, LG_T_INT4, LG_FORM_IMPLICIT,
                          loc);
            *ret = wrap(b, LG_EX_RELABEL, e, type, form, loc);
            return LG_OK;
        }
        *ret = cast_call(b, f, e, typmod, ctx == LG_COERCE_EXPLICIT, type, form, loc);
        if (f->nargs > 1)
            (*ret)->typmod = typmod;
        return LG_OK;
    case PATH_IO:
        *ret = wrap(b, LG_EX_COERCE_IO, e, type, form, loc);
        return LG_OK;
    case PATH_ARRAY:
        return coerce_array(b, e, type, typmod, ctx, form, loc, ret);
    case PATH_NONE:
        break;
    }
    return lg_bind__error(b, loc, "42846", "cannot cast type %s to %s",
                          lg_bind__type_name(b, e->type), lg_bind__type_name(b, type));
}

/* Applies a length: varchar(10), numeric(8,2), timestamp(3) and arrays of them. */
static lg_status
coerce_typmod(lg_bind *b, lg_expr *e, lg_oid type, int32_t typmod, lg_coercion ctx,
              lg_func_form form, int32_t loc, lg_expr **ret)
{
    *ret = e;
    if (typmod < 0 || e->typmod == typmod)
        return LG_OK;
    lg_oid elem = lg_bind__element_of(type);
    const lg_cast *c = lg_cast_find(elem ? elem : type, elem ? elem : type);
    const lg_func *f = c && c->method == 'f' ? lg_func_get(c->func) : NULL;
    if (!f)
        return LG_OK;
    if (elem) {
        lg_expr *n = lg_expr_new(b->arena, LG_EX_ARRAY_COERCE, type, 2);
        n->args[0] = e;
        n->args[1] = cast_call(b, f, lg_expr_new(b->arena, LG_EX_CASE_TEST, elem, 0), typmod,
                               ctx == LG_COERCE_EXPLICIT, elem, form, loc);
        n->form = (uint8_t)form;
        n->typmod = typmod;
        *ret = n;
        return LG_OK;
    }
    *ret = cast_call(b, f, e, typmod, ctx == LG_COERCE_EXPLICIT, type, form, loc);
    (*ret)->typmod = typmod;
    return LG_OK;
}

lg_status
lg_bind__coerce_to(lg_bind *b, lg_expr *e, lg_oid type, int32_t typmod, lg_coercion ctx,
                   lg_func_form form, int32_t loc, lg_expr **ret)
{
    *ret = NULL;
    if (lg_usertype_is_domain(type)) {
        lg_oid base;
        LG_TRY(lg_usertype_base(b->env, type, b->arena, b->err, &base, NULL));
        if (!lg_bind__can_coerce(1, &e->type, &base, ctx))
            return LG_OK;
        return coerce_domain(b, e, type, -1, ctx, form, loc, ret);
    }
    if (!lg_bind__can_coerce(1, &e->type, &type, ctx))
        return LG_OK;
    lg_expr *x;
    lg_oid from = e->type;
    LG_TRY(lg_bind__coerce(b, e, type, typmod, ctx, form, loc, &x));
    LG_TRY(coerce_typmod(b, x, type, typmod, ctx, form, loc, &e));
    /* Of two coercions the inner one is not shown. */
    if (e != x && x->kind != LG_EX_CONST && (x->form == LG_FORM_EXPLICIT) && from != type &&
        (x->kind == LG_EX_FUNC || x->kind == LG_EX_RELABEL || x->kind == LG_EX_COERCE_IO))
        x->form = LG_FORM_IMPLICIT;
    *ret = e;
    return LG_OK;
}

/* ---- common types ---- */

lg_status
lg_bind__common_type(lg_bind *b, lg_expr *const *e, uint32_t n, const char *what, lg_oid *ret)
{
    lg_oid best = e[0]->type;
    uint32_t i = 1;
    if (best != LG_T_UNKNOWN) {
        while (i < n && e[i]->type == best)
            i++;
        if (i == n) {
            *ret = best;
            return LG_OK;
        }
    }
    lg_expr *pick = e[0];
    for (i = 1; i < n; i++) {
        lg_oid t = e[i]->type;
        if (t == LG_T_UNKNOWN || t == best)
            continue;
        if (best == LG_T_UNKNOWN) {
            best = t;
            pick = e[i];
        } else if (category(t) != category(best)) {
            *ret = 0;
            if (!what)
                return LG_OK;
            return lg_bind__error(b, e[i]->loc, "42804", "%s types %s and %s cannot be matched",
                                  what, lg_bind__type_name(b, pick->type),
                                  lg_bind__type_name(b, t));
        } else if (!preferred(best) && lg_bind__can_coerce(1, &best, &t, LG_COERCE_IMPLICIT) &&
                   !lg_bind__can_coerce(1, &t, &best, LG_COERCE_IMPLICIT)) {
            best = t;
            pick = e[i];
        }
    }
    *ret = best == LG_T_UNKNOWN ? LG_T_TEXT : best;
    return LG_OK;
}

lg_status
lg_bind__coerce_common(lg_bind *b, lg_expr *e, lg_oid type, const char *what, lg_expr **ret)
{
    *ret = e;
    if (e->type == type)
        return LG_OK;
    if (!lg_bind__can_coerce(1, &e->type, &type, LG_COERCE_IMPLICIT))
        return lg_bind__error(b, e->loc, "42846", "%s could not convert type %s to %s", what,
                              lg_bind__type_name(b, e->type), lg_bind__type_name(b, type));
    return lg_bind__coerce(b, e, type, -1, LG_COERCE_IMPLICIT, LG_FORM_IMPLICIT, e->loc, ret);
}

int32_t
lg_bind__common_typmod(lg_expr *const *e, uint32_t n, lg_oid type)
{
    int32_t m = -1;
    for (uint32_t i = 0; i < n; i++) {
        if (e[i]->type != type)
            return -1;
        if (i == 0)
            m = e[i]->typmod;
        else if (m != e[i]->typmod)
            return -1;
    }
    return m;
}

/* ---- polymorphic functions ---- */

typedef struct generic {
    lg_oid elem, array, compat;
    bool compat_array;
} generic;

static lg_oid
common_of(const lg_oid *types, uint32_t n)
{
    lg_oid best = LG_T_UNKNOWN;
    for (uint32_t i = 0; i < n; i++) {
        lg_oid t = types[i];
        if (t == LG_T_UNKNOWN || t == best)
            continue;
        if (best == LG_T_UNKNOWN)
            best = t;
        else if (category(t) != category(best))
            return 0;
        else if (!preferred(best) && lg_bind__can_coerce(1, &best, &t, LG_COERCE_IMPLICIT) &&
                 !lg_bind__can_coerce(1, &t, &best, LG_COERCE_IMPLICIT))
            best = t;
    }
    for (uint32_t i = 0; i < n; i++)
        if (best != LG_T_UNKNOWN && !lg_bind__can_coerce(1, &types[i], &best, LG_COERCE_IMPLICIT))
            return 0;
    return best == LG_T_UNKNOWN ? LG_T_TEXT : best;
}

/* What the polymorphic types stand for; false when the arguments contradict each other. */
static bool
solve(const lg_oid *actual, const lg_oid *declared, uint32_t n, generic *g)
{
    lg_oid compat[100];
    uint32_t nc = 0;
    *g = (generic){0};
    for (uint32_t i = 0; i < n; i++) {
        lg_oid a = actual[i], d = declared[i];
        if (d == LG_T_ANYELEMENT || d == LG_T_ANYNONARRAY || d == LG_T_ANYENUM) {
            if (a == LG_T_UNKNOWN)
                continue;
            if (g->elem && g->elem != a)
                return false;
            if (d == LG_T_ANYNONARRAY && lg_bind__is_array(a))
                return false;
            const lg_type *ty = lg_type_get(a);
            if (d == LG_T_ANYENUM && ty && ty->typtype != 'e')
                return false;
            g->elem = a;
        } else if (d == LG_T_ANYARRAY) {
            if (a == LG_T_UNKNOWN)
                continue;
            if (a != LG_T_ANYARRAY && !lg_bind__is_array(a))
                return false;
            if (g->array && g->array != a)
                return false;
            g->array = a;
        } else if (d == LG_T_ANYCOMPATIBLE || d == LG_T_ANYCOMPATIBLENONARRAY) {
            if (nc < 100)
                compat[nc++] = a;
        } else if (d == LG_T_ANYCOMPATIBLEARRAY) {
            g->compat_array = true;
            if (a == LG_T_UNKNOWN)
                continue;
            lg_oid el = lg_bind__element_of(a);
            if (!el)
                return false;
            if (nc < 100)
                compat[nc++] = el;
        }
    }
    if (g->array && g->array != LG_T_ANYARRAY) {
        lg_oid el = lg_bind__element_of(g->array);
        if (g->elem && g->elem != el)
            return false;
        g->elem = el;
    }
    if (nc) {
        g->compat = common_of(compat, nc);
        if (!g->compat)
            return false;
    }
    return true;
}

bool
lg_bind__check_generic(const lg_oid *actual, const lg_oid *declared, uint32_t n)
{
    generic g;
    return solve(actual, declared, n, &g);
}

static lg_oid
replace_generic(const generic *g, lg_oid d)
{
    switch (d) {
    case LG_T_ANYELEMENT:
    case LG_T_ANYNONARRAY:
    case LG_T_ANYENUM:
        return g->elem;
    case LG_T_ANYARRAY:
        return g->array ? g->array : lg_bind__array_of(g->elem);
    case LG_T_ANYCOMPATIBLE:
    case LG_T_ANYCOMPATIBLENONARRAY:
        return g->compat;
    case LG_T_ANYCOMPATIBLEARRAY:
        return lg_bind__array_of(g->compat);
    default:
        return d;
    }
}

lg_status
lg_bind__enforce_generic(lg_bind *b, const lg_oid *actual, lg_oid *declared, uint32_t n,
                         lg_oid result, lg_oid *ret_result)
{
    generic g;
    bool any = lg_bind__polymorphic(result);
    for (uint32_t i = 0; i < n; i++)
        any = any || lg_bind__polymorphic(declared[i]);
    *ret_result = result;
    if (!any)
        return LG_OK;
    if (!solve(actual, declared, n, &g))
        return lg_bind__error(b, -1, "42804",
                              "arguments declared \"anyelement\" are not all alike");
    if (!g.elem && !g.array) {
        for (uint32_t i = 0; i < n; i++)
            if (poly_family1(declared[i]))
                return lg_bind__error(b, -1, "42804",
                                      "could not determine polymorphic type because input has "
                                      "type unknown");
    }
    if (!g.compat)
        g.compat = LG_T_TEXT;
    for (uint32_t i = 0; i < n; i++)
        declared[i] = replace_generic(&g, declared[i]);
    *ret_result = replace_generic(&g, result);
    if (!*ret_result && result)
        return lg_bind__error(b, -1, "42704", "could not find array type for data type %s",
                              lg_bind__type_name(b, g.elem));
    return LG_OK;
}
