/* Facts of the classes of user-made types, and what asks the upper layer. */
#include "usertype.h"
#include "types_internal.h"

#define IN_ARRAY   750
#define OUT_ARRAY  751
#define RECV_ARRAY 2400
#define SEND_ARRAY 2401

static const lg_type facts[] = {
    [LG_UT_ENUM] = {.oid = LG_T_ANYENUM,
                    .name = "enum",
                    .sql_name = "enum",
                    .typlen = 4,
                    .typbyval = true,
                    .typtype = 'e',
                    .category = 'E',
                    .delim = ',',
                    .align = 'i',
                    .storage = 'p',
                    .in = 3506,
                    .out = 3507,
                    .recv = 3532,
                    .send = 3533,
                    .store = LG_STORE_BYVAL,
                    .size = 8},
    [LG_UT_ENUM_ARRAY] = {.oid = LG_T_ANYARRAY,
                          .name = "_enum",
                          .sql_name = "enum[]",
                          .typlen = -1,
                          .typtype = 'b',
                          .category = 'A',
                          .delim = ',',
                          .align = 'i',
                          .storage = 'x',
                          .elem = LG_T_ANYENUM,
                          .in = IN_ARRAY,
                          .out = OUT_ARRAY,
                          .recv = RECV_ARRAY,
                          .send = SEND_ARRAY,
                          .store = LG_STORE_VARLEN},
    [LG_UT_ROW] = {.oid = LG_T_RECORD,
                   .name = "row",
                   .sql_name = "row",
                   .typlen = -1,
                   .typtype = 'c',
                   .category = 'C',
                   .delim = ',',
                   .align = 'd',
                   .storage = 'x',
                   .in = 2290,
                   .out = 2291,
                   .recv = 2402,
                   .send = 2403,
                   .store = LG_STORE_VARLEN},
    [LG_UT_ROW_ARRAY] = {.oid = LG_T_RECORD_ARRAY,
                         .name = "_row",
                         .sql_name = "row[]",
                         .typlen = -1,
                         .typtype = 'b',
                         .category = 'A',
                         .delim = ',',
                         .align = 'd',
                         .storage = 'x',
                         .elem = LG_T_RECORD,
                         .in = IN_ARRAY,
                         .out = OUT_ARRAY,
                         .recv = RECV_ARRAY,
                         .send = SEND_ARRAY,
                         .store = LG_STORE_VARLEN},
};

const lg_type *
lg_type__user(lg_oid oid)
{
    lg_usertype_class k = lg_usertype_of(oid);
    return k >= LG_UT_ENUM && k <= LG_UT_ROW_ARRAY ? &facts[k] : NULL;
}

lg_oid
lg_type_elem(lg_oid type)
{
    switch (lg_usertype_of(type)) {
    case LG_UT_NONE: {
        const lg_type *t = lg_type_get(type);
        return t ? t->elem : 0;
    }
    case LG_UT_ENUM_ARRAY:
    case LG_UT_ROW_ARRAY:
    case LG_UT_DOMAIN_ARRAY:
        return type - (1u << LG_USERTYPE_SHIFT);
    default:
        return 0;
    }
}

lg_oid
lg_type_array(lg_oid type)
{
    switch (lg_usertype_of(type)) {
    case LG_UT_NONE: {
        const lg_type *t = lg_type_get(type);
        return t ? t->array : 0;
    }
    case LG_UT_ENUM:
    case LG_UT_ROW:
    case LG_UT_DOMAIN:
        return type + (1u << LG_USERTYPE_SHIFT);
    default:
        return 0;
    }
}

const char *
lg_type_name(const lg_env *env, lg_oid type, int32_t typmod, lg_arena *a)
{
    if (lg_usertype_of(type) == LG_UT_NONE)
        return lg_type_format(a, type, typmod);
    lg_oid elem = lg_type_elem(type);
    const char *name = env && env->user ? env->user->type_name(env, elem ? elem : type, a) : NULL;
    if (!name)
        return "???";
    return elem ? lg_arena_printf(a, "%s[]", name) : name;
}

static lg_status
missing(lg_status st, lg_oid type, lg_error *err)
{
    return st == LG_NOT_FOUND ? lg_error_set(err, "XX000", "cache lookup failed for type %u", type)
                              : st;
}

lg_status
lg_usertype_enum(const lg_env *env, lg_oid type, lg_arena *a, lg_error *err,
                 const lg_enum_type **ret)
{
    return missing(env->user ? env->user->enum_type(env, type, a, ret) : LG_NOT_FOUND, type, err);
}

lg_status
lg_usertype_row(const lg_env *env, lg_oid type, lg_arena *a, lg_error *err, const lg_row_type **ret)
{
    return missing(env->user ? env->user->row_type(env, type, a, ret) : LG_NOT_FOUND, type, err);
}

lg_status
lg_usertype_domain(const lg_env *env, lg_oid type, lg_arena *a, lg_error *err,
                   const lg_domain_type **ret)
{
    return missing(env->user ? env->user->domain_type(env, type, a, ret) : LG_NOT_FOUND, type, err);
}

lg_status
lg_usertype_base(const lg_env *env, lg_oid type, lg_arena *a, lg_error *err, lg_oid *ret,
                 int32_t *ret_typmod)
{
    const lg_domain_type *d;
    *ret = type;
    if (!lg_usertype_is_domain(type))
        return LG_OK;
    bool array = lg_usertype_of(type) == LG_UT_DOMAIN_ARRAY;
    LG_TRY(lg_usertype_domain(env, array ? lg_type_elem(type) : type, a, err, &d));
    *ret = array ? lg_type_array(d->base) : d->base;
    if (ret_typmod)
        *ret_typmod = d->typmod;
    return LG_OK;
}
