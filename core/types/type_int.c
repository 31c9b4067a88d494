/* int2, int4, int8: input, output, arithmetic, comparison, bits, casts. Binary operators exist for
 * every pair of widths, as in PostgreSQL: int24pl is int2 + int4. */
#include "types_values.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

int64_t
lg_parse_int(lg_call *c, const char *s, int64_t min, int64_t max, const char *type_name)
{
    const char *p = s;
    while (isspace((unsigned char)*p))
        p++;
    bool neg = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    bool over = false;
    uint64_t v = 0;
    const char *digits = p;
    for (; isdigit((unsigned char)*p); p++) {
        uint64_t d = (uint64_t)(*p - '0');
        if (v > (UINT64_MAX - d) / 10)
            over = true;
        v = v * 10 + d;
    }
    bool empty = p == digits;
    while (isspace((unsigned char)*p))
        p++;
    if (empty || *p) {
        lg_call_error(c, "22P02", "invalid input syntax for type %s: \"%s\"", type_name, s);
        return 0;
    }
    if (over || v > (uint64_t)INT64_MAX + (neg ? 1 : 0) ||
        (neg ? (int64_t)(0 - v) < min : (int64_t)v > max)) {
        lg_call_error(c, "22003", "value \"%s\" is out of range for type %s", s, type_name);
        return 0;
    }
    return neg ? (int64_t)(0 - v) : (int64_t)v;
}

static lg_datum
out_of_range(lg_call *c, const char *type_name)
{
    return lg_call_error(c, "22003", "%s out of range", type_name);
}

static lg_datum
by_zero(lg_call *c)
{
    return lg_call_error(c, "22012", "division by zero");
}

/* A result that must fit into one of the widths. */
static lg_datum
fit2(lg_call *c, int64_t x)
{
    return x == (int16_t)x ? lg_datum_int2((int16_t)x) : out_of_range(c, "smallint");
}

static lg_datum
fit4(lg_call *c, int64_t x)
{
    return x == (int32_t)x ? lg_datum_int4((int32_t)x) : out_of_range(c, "integer");
}

static lg_datum
fit8(lg_call *c, bool overflow, int64_t x)
{
    return overflow ? out_of_range(c, "bigint") : lg_datum_int8(x);
}

LG_FN(int2in)
{
    return lg_datum_int8(lg_parse_int(c, ARG_CSTR(0), INT16_MIN, INT16_MAX, "smallint"));
}
LG_FN(int4in)
{
    return lg_datum_int8(lg_parse_int(c, ARG_CSTR(0), INT32_MIN, INT32_MAX, "integer"));
}
LG_FN(int8in)
{
    return lg_datum_int8(lg_parse_int(c, ARG_CSTR(0), INT64_MIN, INT64_MAX, "bigint"));
}

static lg_datum
int_out(lg_call *c)
{
    char tmp[24];
    char *end = tmp + sizeof tmp, *p = end;
    int64_t x = ARG_INT8(0);
    uint64_t u = x < 0 ? 0 - (uint64_t)x : (uint64_t)x;
    *--p = 0;
    do
        *--p = (char)('0' + u % 10);
    while (u /= 10);
    if (x < 0)
        *--p = '-';
    return lg_datum_ptr(lg_arena_dup(c->arena, p, (size_t)(end - p)));
}

LG_FN(int2out)
{
    return int_out(c);
}
LG_FN(int4out)
{
    return int_out(c);
}
LG_FN(int8out)
{
    return int_out(c);
}

LG_FN(int2recv)
{
    return lg_datum_int2((int16_t)lg_recv_uint(c, lg_ptr(ARG(0)), 2));
}
LG_FN(int4recv)
{
    return lg_datum_int4((int32_t)lg_recv_uint(c, lg_ptr(ARG(0)), 4));
}
LG_FN(int8recv)
{
    return lg_datum_int8((int64_t)lg_recv_uint(c, lg_ptr(ARG(0)), 8));
}
LG_FN(int2send)
{
    return lg_send_uint(c, ARG(0), 2);
}
LG_FN(int4send)
{
    return lg_send_uint(c, ARG(0), 4);
}
LG_FN(int8send)
{
    return lg_send_uint(c, ARG(0), 8);
}

/* --- comparison: datums are sign-extended, so one form serves all widths --- */

#define COMPARE(p)                                                                                 \
    LG_FN(p##eq)                                                                                   \
    {                                                                                              \
        return lg_datum_bool(ARG_INT8(0) == ARG_INT8(1));                                          \
    }                                                                                              \
    LG_FN(p##ne)                                                                                   \
    {                                                                                              \
        return lg_datum_bool(ARG_INT8(0) != ARG_INT8(1));                                          \
    }                                                                                              \
    LG_FN(p##lt)                                                                                   \
    {                                                                                              \
        return lg_datum_bool(ARG_INT8(0) < ARG_INT8(1));                                           \
    }                                                                                              \
    LG_FN(p##le)                                                                                   \
    {                                                                                              \
        return lg_datum_bool(ARG_INT8(0) <= ARG_INT8(1));                                          \
    }                                                                                              \
    LG_FN(p##gt)                                                                                   \
    {                                                                                              \
        return lg_datum_bool(ARG_INT8(0) > ARG_INT8(1));                                           \
    }                                                                                              \
    LG_FN(p##ge)                                                                                   \
    {                                                                                              \
        return lg_datum_bool(ARG_INT8(0) >= ARG_INT8(1));                                          \
    }                                                                                              \
    LG_FN(bt##p##cmp)                                                                              \
    {                                                                                              \
        return lg_datum_int4((ARG_INT8(0) > ARG_INT8(1)) - (ARG_INT8(0) < ARG_INT8(1)));           \
    }

COMPARE(int2)
COMPARE(int4)
COMPARE(int8)
COMPARE(int24)
COMPARE(int42)
COMPARE(int28)
COMPARE(int82)
COMPARE(int48)
COMPARE(int84)

#define EXTREMES(p)                                                                                \
    LG_FN(p##larger)                                                                               \
    {                                                                                              \
        return ARG_INT8(0) > ARG_INT8(1) ? ARG(0) : ARG(1);                                        \
    }                                                                                              \
    LG_FN(p##smaller)                                                                              \
    {                                                                                              \
        return ARG_INT8(0) < ARG_INT8(1) ? ARG(0) : ARG(1);                                        \
    }

EXTREMES(int2)
EXTREMES(int4)
EXTREMES(int8)

/* --- arithmetic --- */

#define ARITH_NARROW(p, fit)                                                                       \
    LG_FN(p##pl)                                                                                   \
    {                                                                                              \
        return fit(c, ARG_INT8(0) + ARG_INT8(1));                                                  \
    }                                                                                              \
    LG_FN(p##mi)                                                                                   \
    {                                                                                              \
        return fit(c, ARG_INT8(0) - ARG_INT8(1));                                                  \
    }                                                                                              \
    LG_FN(p##mul)                                                                                  \
    {                                                                                              \
        return fit(c, ARG_INT8(0) * ARG_INT8(1));                                                  \
    }                                                                                              \
    LG_FN(p##div)                                                                                  \
    {                                                                                              \
        return ARG(1) ? fit(c, ARG_INT8(0) / ARG_INT8(1)) : by_zero(c);                            \
    }

ARITH_NARROW(int2, fit2)
ARITH_NARROW(int4, fit4)
ARITH_NARROW(int24, fit4)
ARITH_NARROW(int42, fit4)

static lg_datum
div8(lg_call *c)
{
    int64_t a = ARG_INT8(0), b = ARG_INT8(1);
    if (b == 0)
        return by_zero(c);
    if (b == -1)
        return fit8(c, a == INT64_MIN, (int64_t)(0 - (uint64_t)a));
    return lg_datum_int8(a / b);
}

#define ARITH8(p)                                                                                  \
    LG_FN(p##pl)                                                                                   \
    {                                                                                              \
        int64_t r;                                                                                 \
        bool o = __builtin_add_overflow(ARG_INT8(0), ARG_INT8(1), &r);                             \
        return fit8(c, o, r);                                                                      \
    }                                                                                              \
    LG_FN(p##mi)                                                                                   \
    {                                                                                              \
        int64_t r;                                                                                 \
        bool o = __builtin_sub_overflow(ARG_INT8(0), ARG_INT8(1), &r);                             \
        return fit8(c, o, r);                                                                      \
    }                                                                                              \
    LG_FN(p##mul)                                                                                  \
    {                                                                                              \
        int64_t r;                                                                                 \
        bool o = __builtin_mul_overflow(ARG_INT8(0), ARG_INT8(1), &r);                             \
        return fit8(c, o, r);                                                                      \
    }                                                                                              \
    LG_FN(p##div)                                                                                  \
    {                                                                                              \
        return div8(c);                                                                            \
    }

ARITH8(int8)
ARITH8(int28)
ARITH8(int82)
ARITH8(int48)
ARITH8(int84)

/* The quotient of INT_MIN and -1 overflows; the remainder is 0 all the same. */
static lg_datum
int_mod(lg_call *c)
{
    if (ARG(1) == 0)
        return by_zero(c);
    return ARG_INT8(1) == -1 ? 0 : lg_datum_int8(ARG_INT8(0) % ARG_INT8(1));
}

LG_FN(int2mod)
{
    return int_mod(c);
}
LG_FN(int4mod)
{
    return int_mod(c);
}
LG_FN(int8mod)
{
    return int_mod(c);
}

LG_FN(int2um)
{
    return fit2(c, -ARG_INT8(0));
}
LG_FN(int4um)
{
    return fit4(c, -ARG_INT8(0));
}
LG_FN(int8um)
{
    return fit8(c, ARG_INT8(0) == INT64_MIN, (int64_t)(0 - ARG(0)));
}
LG_FN(int2up)
{
    return ARG(0);
}
LG_FN(int4up)
{
    return ARG(0);
}
LG_FN(int8up)
{
    return ARG(0);
}
LG_FN(int2abs)
{
    return fit2(c, ARG_INT8(0) < 0 ? -ARG_INT8(0) : ARG_INT8(0));
}
LG_FN(int4abs)
{
    return fit4(c, ARG_INT8(0) < 0 ? -ARG_INT8(0) : ARG_INT8(0));
}

LG_FN(int8abs)
{
    return ARG_INT8(0) < 0 ? fit8(c, ARG_INT8(0) == INT64_MIN, (int64_t)(0 - ARG(0))) : ARG(0);
}

LG_FN(int4inc)
{
    return fit4(c, ARG_INT8(0) + 1);
}
LG_FN(int8inc)
{
    return fit8(c, ARG_INT8(0) == INT64_MAX, (int64_t)(ARG(0) + 1));
}
LG_FN(int8dec)
{
    return fit8(c, ARG_INT8(0) == INT64_MIN, (int64_t)(ARG(0) - 1));
}

static uint64_t
gcd_of(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

static uint64_t
magnitude(int64_t x)
{
    return x < 0 ? 0 - (uint64_t)x : (uint64_t)x;
}

LG_FN(int4gcd)
{
    return fit4(c, (int64_t)gcd_of(magnitude(ARG_INT8(0)), magnitude(ARG_INT8(1))));
}

LG_FN(int8gcd)
{
    uint64_t g = gcd_of(magnitude(ARG_INT8(0)), magnitude(ARG_INT8(1)));
    return fit8(c, g > INT64_MAX, (int64_t)g);
}

static lg_datum
lcm_of(lg_call *c, bool wide)
{
    uint64_t a = magnitude(ARG_INT8(0)), b = magnitude(ARG_INT8(1));
    if (a == 0 || b == 0)
        return 0;
    unsigned __int128 r = (unsigned __int128)(a / gcd_of(a, b)) * b;
    if (wide)
        return fit8(c, r > INT64_MAX, (int64_t)r);
    return r > INT32_MAX ? out_of_range(c, "integer") : lg_datum_int8((int64_t)r);
}

LG_FN(int4lcm)
{
    return lcm_of(c, false);
}
LG_FN(int8lcm)
{
    return lcm_of(c, true);
}

/* --- bits --- */

#define BITS(p, t)                                                                                 \
    LG_FN(p##and)                                                                                  \
    {                                                                                              \
        return ARG(0) & ARG(1);                                                                    \
    }                                                                                              \
    LG_FN(p## or)                                                                                  \
    {                                                                                              \
        return ARG(0) | ARG(1);                                                                    \
    }                                                                                              \
    LG_FN(p## xor)                                                                                 \
    {                                                                                              \
        return ARG(0) ^ ARG(1);                                                                    \
    }                                                                                              \
    LG_FN(p##not )                                                                                 \
    {                                                                                              \
        return ~ARG(0);                                                                            \
    }

BITS(int2, int16_t)
BITS(int4, int32_t)
BITS(int8, int64_t)

/* Counts beyond the width behave as on x86, where PostgreSQL leaves them to the processor. */
LG_FN(int2shl)
{
    return lg_datum_int2((int16_t)((uint32_t)ARG_INT4(0) << (ARG_INT4(1) & 31)));
}
LG_FN(int2shr)
{
    return lg_datum_int2((int16_t)(ARG_INT4(0) >> (ARG_INT4(1) & 31)));
}
LG_FN(int4shl)
{
    return lg_datum_int4((int32_t)((uint32_t)ARG_INT4(0) << (ARG_INT4(1) & 31)));
}
LG_FN(int4shr)
{
    return lg_datum_int4(ARG_INT4(0) >> (ARG_INT4(1) & 31));
}
LG_FN(int8shl)
{
    return ARG(0) << (ARG_INT4(1) & 63);
}
LG_FN(int8shr)
{
    return lg_datum_int8(ARG_INT8(0) >> (ARG_INT4(1) & 63));
}

/* --- casts --- */

LG_FN(i2toi4)
{
    return ARG(0);
}
LG_FN(int28)
{
    return ARG(0);
}
LG_FN(int48)
{
    return ARG(0);
}
LG_FN(i4toi2)
{
    return fit2(c, ARG_INT8(0));
}
LG_FN(int82)
{
    return fit2(c, ARG_INT8(0));
}
LG_FN(int84)
{
    return fit4(c, ARG_INT8(0));
}
LG_FN(oidtoi8)
{
    return ARG(0);
}
LG_FN(i8tooid)
{
    return ARG(0) > UINT32_MAX ? out_of_range(c, "OID") : ARG(0);
}
LG_FN(int4_bool)
{
    return ARG(0) != 0;
}
LG_FN(bool_int4)
{
    return ARG(0);
}
LG_FN(i4tochar)
{
    if (ARG_INT4(0) < -128 || ARG_INT4(0) > 127)
        return out_of_range(c, "\"char\"");
    return lg_datum_char((char)ARG_INT4(0));
}
LG_FN(chartoi4)
{
    return lg_datum_int4((int8_t)ARG(0));
}

LG_FN(hashint2)
{
    return lg_datum_int4((int32_t)lg_type_hash_fn(LG_T_INT8)(ARG(0)));
}
LG_FN(hashint4)
{
    return lg_datum_int4((int32_t)lg_type_hash_fn(LG_T_INT8)(ARG(0)));
}
LG_FN(hashint8)
{
    return lg_datum_int4((int32_t)lg_type_hash_fn(LG_T_INT8)(ARG(0)));
}

LG_FN(to_hex32)
{
    return lg_datum_cstring_text(c->arena, lg_arena_printf(c->arena, "%x", (uint32_t)ARG(0)));
}

LG_FN(to_hex64)
{
    return lg_datum_cstring_text(c->arena,
                                 lg_arena_printf(c->arena, "%llx", (unsigned long long)ARG(0)));
}

/* --- generate_series --- */

struct series {
    int64_t at, stop, step;
    bool done;
};

static lg_status
series_open(lg_call *c, void **ret_state)
{
    struct series *s = LG_NEW(c->arena, struct series);
    s->at = ARG_INT8(0);
    s->stop = ARG_INT8(1);
    s->step = c->nargs > 2 ? ARG_INT8(2) : 1;
    if (s->step == 0) {
        lg_call_error(c, "22023", "step size cannot equal zero");
        return c->st;
    }
    *ret_state = s;
    return LG_OK;
}

static lg_status
series_next(lg_call *c, void *state, lg_datum *ret, uint8_t *ret_null)
{
    struct series *s = state;
    if (s->done || (s->step > 0 ? s->at > s->stop : s->at < s->stop))
        return LG_END;
    *ret = lg_datum_int8(s->at);
    *ret_null = 0;
    if (__builtin_add_overflow(s->at, s->step, &s->at))
        s->done = true;
    if (c->func->result == LG_T_INT4 && s->at != (int32_t)s->at)
        s->done = true;
    return LG_OK;
}

LG_SRF(generate_series_int4, series_open, series_next);
LG_SRF(generate_series_step_int4, series_open, series_next);
LG_SRF(generate_series_int8, series_open, series_next);
LG_SRF(generate_series_step_int8, series_open, series_next);
