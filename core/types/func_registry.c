/* The registries: constant tables from the *.def lists. Functions and operators are sorted by name
 * and found by OID through an index of 16,384 entries that the compiler fills. */
#include "interrupt.h"
#include "mem.h"
#include "types_internal.h"
#include "usertype.h"
#include <stdarg.h>
#include <stdlib.h>

lg_datum lg_fn__ext(lg_call *c);

#define LG_DECL_FN(f) lg_datum f(lg_call *c);
#define LG_DECL_KERNEL(f)                                                                          \
    lg_status f(lg_call *c, const lg_vector *const *args, const uint16_t *sel, uint32_t n,         \
                lg_vector *ret);
#define LG_DECL_SRF(f) extern const lg_srf f;
#include "func_decl.def"

#define LG_FUNC(oid, ...) F_##oid,
enum {
#include "func.def"
    FUNC_COUNT
};
#undef LG_FUNC

#define A(...) ((const lg_oid[]){__VA_ARGS__})
#define LG_FUNC(oid, name, kind, result, args, nargs, ndef, defs, variadic, vol, flags, argnames,  \
                nout, outs, fn, kernel, srf)                                                       \
    {oid, name,  result,  args,     nargs, ndef, defs, variadic, kind,                             \
     vol, flags, F_##oid, argnames, nout,  outs, fn,   kernel,   srf},
static const lg_func funcs[] = {
#include "func.def"
};
#undef LG_FUNC

#define LG_FUNC(oid, ...) [oid] = F_##oid + 1,
static const uint16_t func_by_oid[LG_OID_FIRST_NORMAL] = {
#include "func.def"
};
#undef LG_FUNC

#define LG_OPERATOR(oid, ...) O_##oid,
enum {
#include "operator.def"
    OPERATOR_COUNT
};
#undef LG_OPERATOR

#define LG_OPERATOR(...) {__VA_ARGS__},
static const lg_operator operators[] = {
#include "operator.def"
};
#undef LG_OPERATOR

#define LG_OPERATOR(oid, ...) [oid] = O_##oid + 1,
static const uint16_t operator_by_oid[LG_OID_FIRST_NORMAL] = {
#include "operator.def"
};
#undef LG_OPERATOR

#define LG_CAST(...) {__VA_ARGS__},
static const lg_cast casts[] = {
#include "cast.def"
};
#undef LG_CAST
#define CAST_COUNT (sizeof casts / sizeof *casts)

#define LG_OPCLASS(...) {__VA_ARGS__},
static const lg_opclass opclasses[] = {
#include "opclass.def"
};
#undef LG_OPCLASS
#define OPCLASS_COUNT (sizeof opclasses / sizeof *opclasses)

#define LG_AMOP(...) {__VA_ARGS__},
static const lg_amop amops[] = {
#include "amop.def"
};
#undef LG_AMOP
#define AMOP_COUNT (sizeof amops / sizeof *amops)

/* --- functions --- */

const lg_func *
lg_func_get(lg_oid oid)
{
    if (oid >= LG_OID_FIRST_NORMAL || !func_by_oid[oid])
        return NULL;
    return &funcs[func_by_oid[oid] - 1];
}

const lg_func *
lg_func_by_name(const char *name, uint32_t *ret_n)
{
    uint32_t lo = 0, hi = FUNC_COUNT;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (strcmp(funcs[mid].name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    uint32_t n = 0;
    while (lo + n < FUNC_COUNT && strcmp(funcs[lo + n].name, name) == 0)
        n++;
    *ret_n = n;
    return n ? &funcs[lo] : NULL;
}

uint32_t
lg_func_count(void)
{
    return FUNC_COUNT;
}

const lg_func *
lg_func_at(uint32_t i)
{
    return &funcs[i];
}

void
lg_call_init(lg_call *c, const lg_func *f, lg_env *env, lg_error *err, lg_arena *arena,
             lg_arena *perm)
{
    memset(c, 0, sizeof *c);
    c->func = f;
    c->nargs = f ? f->nargs : 0;
    c->env = env;
    c->err = err;
    c->arena = arena;
    c->perm = perm;
    c->collation = 100;
}

lg_datum
lg_call_error(lg_call *c, const char *sqlstate, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = lg_arena_vprintf(c->err->arena, fmt, ap);
    va_end(ap);
    c->st = lg_error_set(c->err, sqlstate, "%s", text);
    c->isnull = true;
    return 0;
}

/* --- implementations by upper layers --- */

struct lg_fntable {
    lg_fn fn[FUNC_COUNT];
    const lg_srf *srf[FUNC_COUNT];
};

lg_fntable *
lg_fntable_create(void)
{
    return lg_zalloc(sizeof(lg_fntable));
}

void
lg_fntable_destroy(lg_fntable *t)
{
    lg_free(t);
}

void
lg_fntable_set(lg_fntable *t, lg_oid func, lg_fn fn)
{
    const lg_func *f = lg_func_get(func);
    if (f)
        t->fn[f->index] = fn;
}

void
lg_fntable_set_srf(lg_fntable *t, lg_oid func, const lg_srf *srf)
{
    const lg_func *f = lg_func_get(func);
    if (f)
        t->srf[f->index] = srf;
}

lg_fn
lg_fntable_get(const lg_fntable *t, const lg_func *f)
{
    return t ? t->fn[f->index] : NULL;
}

const lg_srf *
lg_fntable_get_srf(const lg_fntable *t, const lg_func *f)
{
    if (f->srf)
        return f->srf;
    return t ? t->srf[f->index] : NULL;
}

/* Where fn of every LG_FUNC_EXT function points. */
lg_datum
lg_fn__ext(lg_call *c)
{
    lg_fn fn = lg_fntable_get(c->env ? c->env->ext : NULL, c->func);
    if (!fn)
        return lg_call_error(c, "0A000", "function %s is not supported", c->func->name);
    return fn(c);
}

/* --- batches --- */

static lg_status
call_constant(lg_call *c, const lg_vector *const *args, uint32_t nargs, lg_vector *ret)
{
    lg_datum v[8];
    uint8_t nulls[8];
    for (uint32_t i = 0; i < nargs; i++) {
        v[i] = args[i]->v[0];
        nulls[i] = lg_vector_is_null(args[i], 0);
    }
    c->args = v;
    c->nulls = nulls;
    ret->v[0] = lg_func_call(c);
    ret->null[0] = c->isnull;
    return c->st;
}

lg_status
lg_func_call_vector(lg_call *c, const lg_vector *const *args, uint32_t nargs, const uint16_t *sel,
                    uint32_t n, lg_vector *ret)
{
    if (n == 0)
        return LG_OK;
    c->nargs = nargs;
    if (c->func->kernel)
        return c->func->kernel(c, args, sel, n, ret);
    return lg_func__loop(c, args, nargs, sel, n, ret);
}

lg_status
lg_func__loop(lg_call *c, const lg_vector *const *args, uint32_t nargs, const uint16_t *sel,
              uint32_t n, lg_vector *ret)
{
    if (n == 1 && nargs <= 8 && lg_sel_row(sel, 0) == 0) {
        ret->maybe_null = true;
        return call_constant(c, args, nargs, ret);
    }
    lg_datum small_v[16];
    uint8_t small_n[16];
    lg_datum *v = nargs <= 16 ? small_v : lg_arena_alloc(c->arena, nargs * sizeof *v);
    uint8_t *nulls = nargs <= 16 ? small_n : lg_arena_alloc(c->arena, nargs);
    c->args = v;
    c->nulls = nulls;
    bool strict = lg_func_strict(c->func);
    lg_fn fn = c->func->fn;
    ret->maybe_null = true;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t row = lg_sel_row(sel, k);
        uint8_t any = 0;
        for (uint32_t i = 0; i < nargs; i++) {
            v[i] = lg_vector_value(args[i], row);
            nulls[i] = lg_vector_is_null(args[i], row);
            any |= nulls[i];
        }
        if (strict && any) {
            ret->null[row] = 1;
            ret->v[row] = 0;
            continue;
        }
        c->isnull = false;
        ret->v[row] = fn(c);
        if (c->st != LG_OK)
            return c->st;
        ret->null[row] = c->isnull;
        if ((k & 31) == 31 && lg_poll())
            return LG_CANCELED;
    }
    return LG_OK;
}

uint32_t
lg_sel_true(const lg_vector *b, const uint16_t *sel, uint32_t n, uint16_t *ret_sel)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = lg_sel_row(sel, i);
        ret_sel[k] = (uint16_t)row;
        k += lg_vector_value(b, row) != 0 && !lg_vector_is_null(b, row);
    }
    return k;
}

/* --- operators --- */

const lg_operator *
lg_operator_get(lg_oid oid)
{
    if (oid >= LG_OID_FIRST_NORMAL || !operator_by_oid[oid])
        return NULL;
    return &operators[operator_by_oid[oid] - 1];
}

const lg_operator *
lg_operator_by_name(const char *name, uint32_t *ret_n)
{
    uint32_t lo = 0, hi = OPERATOR_COUNT;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (strcmp(operators[mid].name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    uint32_t n = 0;
    while (lo + n < OPERATOR_COUNT && strcmp(operators[lo + n].name, name) == 0)
        n++;
    *ret_n = n;
    return n ? &operators[lo] : NULL;
}

const lg_operator *
lg_operator_find(const char *name, lg_oid left, lg_oid right)
{
    uint32_t n;
    const lg_operator *o = lg_operator_by_name(name, &n);
    for (uint32_t i = 0; i < n; i++)
        if (o[i].left == left && o[i].right == right)
            return &o[i];
    return NULL;
}

uint32_t
lg_operator_count(void)
{
    return OPERATOR_COUNT;
}

const lg_operator *
lg_operator_at(uint32_t i)
{
    return &operators[i];
}

/* --- casts --- */

const lg_cast *
lg_cast_find(lg_oid source, lg_oid target)
{
    uint32_t lo = 0, hi = CAST_COUNT;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        const lg_cast *x = &casts[mid];
        if (x->source == source && x->target == target)
            return x;
        if (x->source < source || (x->source == source && x->target < target))
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

uint32_t
lg_cast_count(void)
{
    return CAST_COUNT;
}

const lg_cast *
lg_cast_at(uint32_t i)
{
    return &casts[i];
}

/* --- operator classes --- */

const lg_opclass *
lg_opclass_get(lg_oid oid)
{
    for (uint32_t i = 0; i < OPCLASS_COUNT; i++)
        if (opclasses[i].oid == oid)
            return &opclasses[i];
    return NULL;
}

/* The type whose operator class serves this one. */
static lg_oid
opclass_base_type(lg_oid type)
{
    switch (type) {
    case LG_T_VARCHAR:
        return LG_T_TEXT;
    case LG_T_CIDR:
        return LG_T_INET;
    case LG_T_REGCLASS:
    case LG_T_REGTYPE:
    case LG_T_REGPROC:
    case LG_T_REGPROCEDURE:
    case LG_T_REGOPER:
    case LG_T_REGOPERATOR:
    case LG_T_REGROLE:
    case LG_T_REGNAMESPACE:
    case LG_T_REGCOLLATION:
        return LG_T_OID;
    default:
        if (lg_usertype_of(type) == LG_UT_ENUM)
            return LG_T_ANYENUM;
        return lg_usertype_of(type) == LG_UT_ROW ? LG_T_RECORD : type;
    }
}

const lg_opclass *
lg_opclass_default(lg_oid am, lg_oid type)
{
    lg_oid t = opclass_base_type(type);
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < OPCLASS_COUNT; i++)
            if (opclasses[i].am == am && opclasses[i].intype == t && opclasses[i].is_default)
                return &opclasses[i];
        const lg_type *ty = lg_type_get(t);
        if (!ty || !lg_type_is_array(ty))
            return NULL;
        t = LG_T_ANYARRAY;
    }
    return NULL;
}

const lg_opclass *
lg_opclass_by_name(lg_oid am, const char *name)
{
    for (uint32_t i = 0; i < OPCLASS_COUNT; i++)
        if (opclasses[i].am == am && strcmp(opclasses[i].name, name) == 0)
            return &opclasses[i];
    return NULL;
}

uint32_t
lg_opclass_count(void)
{
    return OPCLASS_COUNT;
}

const lg_opclass *
lg_opclass_at(uint32_t i)
{
    return &opclasses[i];
}

uint32_t
lg_amop_count(void)
{
    return AMOP_COUNT;
}

const lg_amop *
lg_amop_at(uint32_t i)
{
    return &amops[i];
}

/* The first entry of the family (they are sorted by it). */
static uint32_t
amop_first(lg_oid family)
{
    uint32_t lo = 0, hi = AMOP_COUNT;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (amops[mid].family < family)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

int
lg_amop_strategy(lg_oid family, lg_oid operator)
{
    for (uint32_t i = amop_first(family); i < AMOP_COUNT && amops[i].family == family; i++)
        if (amops[i].operator== operator)
            return amops[i].strategy;
    return 0;
}

lg_oid
lg_amop_operator(lg_oid family, lg_oid left, lg_oid right, int strategy)
{
    for (uint32_t i = amop_first(family); i < AMOP_COUNT && amops[i].family == family; i++)
        if (amops[i].left == left && amops[i].right == right && amops[i].strategy == strategy)
            return amops[i].operator;
    return 0;
}

static lg_oid
btree_operator(lg_oid type, int strategy)
{
    const lg_opclass *k = lg_opclass_default(LG_AM_BTREE, type);
    return k ? lg_amop_operator(k->family, k->intype, k->intype, strategy) : 0;
}

lg_oid
lg_type_eq_operator(lg_oid type)
{
    lg_oid o = btree_operator(type, 3);
    if (o)
        return o;
    const lg_opclass *k = lg_opclass_default(LG_AM_HASH, type); /* xid, cid, aclitem */
    return k ? lg_amop_operator(k->family, k->intype, k->intype, 1) : 0;
}

lg_oid
lg_type_lt_operator(lg_oid type)
{
    return btree_operator(type, 1);
}

lg_oid
lg_type_gt_operator(lg_oid type)
{
    return btree_operator(type, 5);
}
