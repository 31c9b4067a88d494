/* Enums: input, output, comparison, and the functions over their ranges. */
#include "array.h"
#include "hash.h"
#include "types_internal.h"
#include "types_values.h"
#include "usertype.h"

/* Floats as unsigned numbers of the same order. */
static uint32_t
order_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u & 0x80000000u ? ~u : u | 0x80000000u;
}

lg_datum
lg_enum_datum(const lg_enum_label *l)
{
    return (lg_datum)order_bits(l->order) << 32 | l->oid;
}

const lg_enum_label *
lg_enum_by_name(const lg_enum_type *t, const char *name)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (strcmp(t->labels[i].name, name) == 0)
            return &t->labels[i];
    return NULL;
}

static const lg_enum_label *
by_datum(const lg_enum_type *t, lg_datum d)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (t->labels[i].oid == lg_enum_oid(d))
            return &t->labels[i];
    return NULL;
}

static const lg_enum_type *
type_of(lg_call *c, lg_oid type)
{
    const lg_enum_type *t = NULL;
    c->st = lg_usertype_enum(c->env, type, c->arena, c->err, &t);
    return c->st ? NULL : t;
}

static lg_datum
input(lg_call *c, lg_oid type, const char *s)
{
    const lg_enum_type *t = type_of(c, type);
    if (!t)
        return 0;
    const lg_enum_label *l = strlen(s) <= LG_NAME_MAX ? lg_enum_by_name(t, s) : NULL;
    if (!l)
        return lg_call_error(c, "22P02", "invalid input value for enum %s: \"%s\"",
                             lg_type_name(c->env, type, -1, c->arena), s);
    return lg_enum_datum(l);
}

LG_FN(enum_in)
{
    return input(c, ARG_OID(1), ARG_CSTR(0));
}

LG_FN(enum_recv)
{
    size_t len;
    const char *s = lg_recv_text(c, lg_ptr(ARG(0)), &len);
    return s ? input(c, ARG_OID(1), lg_arena_strndup(c->arena, s, len)) : 0;
}

static const char *
label(lg_call *c)
{
    const lg_enum_type *t = type_of(c, lg_argtype(c, 0));
    if (!t)
        return NULL;
    const lg_enum_label *l = by_datum(t, ARG(0));
    if (!l) {
        lg_call_error(c, "22P03", "invalid internal value for enum: %u", lg_enum_oid(ARG(0)));
        return NULL;
    }
    return l->name;
}

LG_FN(enum_out)
{
    const char *s = label(c);
    return s ? lg_datum_ptr(lg_arena_strdup(c->arena, s)) : 0;
}

LG_FN(enum_send)
{
    const char *s = label(c);
    return s ? lg_datum_cstring_text(c->arena, s) : 0;
}

static int
compare(const lg_call *c)
{
    return (ARG(0) > ARG(1)) - (ARG(0) < ARG(1));
}

LG_FN(enum_eq)
{
    return lg_datum_bool(compare(c) == 0);
}
LG_FN(enum_ne)
{
    return lg_datum_bool(compare(c) != 0);
}
LG_FN(enum_lt)
{
    return lg_datum_bool(compare(c) < 0);
}
LG_FN(enum_le)
{
    return lg_datum_bool(compare(c) <= 0);
}
LG_FN(enum_gt)
{
    return lg_datum_bool(compare(c) > 0);
}
LG_FN(enum_ge)
{
    return lg_datum_bool(compare(c) >= 0);
}
LG_FN(enum_cmp)
{
    return lg_datum_int4(compare(c));
}
LG_FN(enum_smaller)
{
    return compare(c) < 0 ? ARG(0) : ARG(1);
}
LG_FN(enum_larger)
{
    return compare(c) > 0 ? ARG(0) : ARG(1);
}
LG_FN(hashenum)
{
    return lg_datum_int4((int32_t)lg_hash_u64(lg_enum_oid(ARG(0))));
}
LG_FN(hashenumextended)
{
    return lg_datum_int8((int64_t)lg_hash_u64(lg_enum_oid(ARG(0)) ^ (uint64_t)ARG_INT8(1)));
}

/* --- ranges: the type is what counts, the argument may be NULL --- */

static const lg_enum_type *
argument_type(lg_call *c)
{
    lg_oid type = lg_argtype(c, 0);
    if (lg_usertype_of(type) != LG_UT_ENUM) {
        lg_call_error(c, "0A000", "could not determine actual enum type");
        return NULL;
    }
    return type_of(c, type);
}

static lg_datum
end_of(lg_call *c, bool last)
{
    const lg_enum_type *t = argument_type(c);
    if (!t)
        return 0;
    if (!t->n)
        return lg_call_error(c, "55000", "enum %s contains no values",
                             lg_type_name(c->env, t->oid, -1, c->arena));
    return lg_enum_datum(&t->labels[last ? t->n - 1 : 0]);
}

LG_FN(enum_first)
{
    return end_of(c, false);
}
LG_FN(enum_last)
{
    return end_of(c, true);
}

static lg_datum
range(lg_call *c, bool has_lower, lg_datum lower, bool has_upper, lg_datum upper)
{
    const lg_enum_type *t = argument_type(c);
    if (!t)
        return 0;
    lg_datum *v = lg_arena_alloc(c->arena, sizeof *v * (t->n + 1));
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        lg_datum d = lg_enum_datum(&t->labels[i]);
        if ((!has_lower || d >= lower) && (!has_upper || d <= upper))
            v[n++] = d;
    }
    return lg_array_make(c->arena, t->oid, n, v, NULL);
}

LG_FN(enum_range_all)
{
    return range(c, false, 0, false, 0);
}
LG_FN(enum_range_bounds)
{
    return range(c, !ARG_NULL(0), ARG(0), !ARG_NULL(1), ARG(1));
}
