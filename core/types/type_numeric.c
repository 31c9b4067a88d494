/* The numeric type's functions over numeric.h. */
#include "interrupt.h"
#include "assert.h"
#include "numeric.h"
#include "types_values.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define NUM(i) lg_num_unpack(c->arena, ARG(i))

static lg_datum
make(lg_call *c, lg_num x)
{
    lg_datum d;
    if (!lg_num_pack(c->arena, &x, &d))
        return lg_call_error(c, "22003", "value overflows numeric format");
    return d;
}

static lg_num
special(lg_num_kind kind)
{
    return (lg_num){.kind = kind, .neg = kind == LG_NUM_NINF};
}

static bool
is_finite(const lg_num *x)
{
    return x->kind == LG_NUM_FINITE;
}

static int
sign_of(const lg_num *x)
{
    if (x->kind == LG_NUM_PINF || x->kind == LG_NUM_NINF)
        return x->kind == LG_NUM_PINF ? 1 : -1;
    return lg_num_is_zero(x) ? 0 : x->neg ? -1 : 1;
}

static lg_datum
by_zero(lg_call *c)
{
    return lg_call_error(c, "22012", "division by zero");
}

/* --- typmod: ((precision << 16) | (scale & 0x7ff)) + 4 --- */

static lg_datum
apply_typmod(lg_call *c, lg_num x, int32_t typmod)
{
    if (typmod < 4 || x.kind == LG_NUM_NAN)
        return make(c, x);
    int32_t precision = ((typmod - 4) >> 16) & 0xffff;
    int32_t scale = (((typmod - 4) & 0x7ff) ^ 1024) - 1024;
    int32_t maxdigits = precision - scale;
    if (x.kind != LG_NUM_FINITE) {
        lg_call_error(c, "22003", "numeric field overflow");
        lg_error_detail(c->err,
                        "A field with precision %d, scale %d cannot hold an infinite value.",
                        precision, scale);
        return 0;
    }
    x = lg_num_round(c->arena, &x, scale);
    if (x.n) {
        int d = x.d[0];
        int64_t digits = (int64_t)x.weight * LG_NUM_DEC + (d < 10     ? 1
                                                           : d < 100  ? 2
                                                           : d < 1000 ? 3
                                                                      : 4);
        if (digits > maxdigits) {
            lg_call_error(c, "22003", "numeric field overflow");
            lg_error_detail(c->err,
                            "A field with precision %d, scale %d must round to an absolute value "
                            "less than %s%d.",
                            precision, scale, maxdigits ? "10^" : "", maxdigits ? maxdigits : 1);
            return 0;
        }
    }
    return make(c, x);
}

LG_FN(numerictypmodin)
{
    lg_array_view v;
    lg_array_cstrings(c, ARG(0), &v);
    int64_t t[2] = {0, 0};
    for (uint32_t i = 0; i < v.n && i < 2 && !c->st; i++)
        t[i] = lg_parse_int(c, v.strings[i], INT32_MIN, INT32_MAX, "integer");
    if (c->st)
        return 0;
    if (v.n < 1 || v.n > 2)
        return lg_call_error(c, "22023", "invalid NUMERIC type modifier");
    if (t[0] < 1 || t[0] > 1000)
        return lg_call_error(c, "22023", "NUMERIC precision %d must be between 1 and 1000",
                             (int)t[0]);
    if (t[1] < -1000 || t[1] > 1000)
        return lg_call_error(c, "22023", "NUMERIC scale %d must be between -1000 and 1000",
                             (int)t[1]);
    return lg_datum_int4((int32_t)((t[0] << 16) | (t[1] & 0x7ff)) + 4);
}

LG_FN(numerictypmodout)
{
    int32_t m = ARG_INT4(0) - 4;
    if (m < 0)
        return lg_datum_ptr("");
    return lg_datum_ptr(
        lg_arena_printf(c->arena, "(%d,%d)", (m >> 16) & 0xffff, ((m & 0x7ff) ^ 1024) - 1024));
}

/* --- input and output --- */

static bool
parse_special(const char **p, lg_num *ret)
{
    static const struct {
        const char *word;
        lg_num_kind kind;
    } words[] = {{"NaN", LG_NUM_NAN},        {"Infinity", LG_NUM_PINF}, {"+Infinity", LG_NUM_PINF},
                 {"-Infinity", LG_NUM_NINF}, {"inf", LG_NUM_PINF},      {"+inf", LG_NUM_PINF},
                 {"-inf", LG_NUM_NINF}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i].word);
        if (strncasecmp(*p, words[i].word, n) == 0) {
            *p += n;
            *ret = special(words[i].kind);
            return true;
        }
    }
    return false;
}

LG_FN(numeric_in)
{
    const char *s = ARG_CSTR(0), *p = s;
    lg_num x;
    while (isspace((unsigned char)*p))
        p++;
    bool ok = parse_special(&p, &x) || lg_num_parse(c->arena, p, &x, &p);
    while (ok && isspace((unsigned char)*p))
        p++;
    if (!ok || *p)
        return lg_call_error(c, "22P02", "invalid input syntax for type numeric: \"%s\"", s);
    return apply_typmod(c, x, ARG_INT4(2));
}

LG_FN(numeric_out)
{
    lg_num x = NUM(0);
    return lg_datum_ptr(lg_num_text(c->arena, &x));
}

LG_FN(numeric)
{
    return apply_typmod(c, NUM(0), ARG_INT4(1));
}

/* Binary form: i16 ndigits, weight, sign, dscale, digits: all big-endian. */
LG_FN(numeric_recv)
{
    lg_recvbuf *b = lg_ptr(ARG(0));
    uint16_t n = (uint16_t)lg_recv_uint(c, b, 2);
    lg_num x = {.kind = LG_NUM_FINITE, .n = n};
    x.weight = (int16_t)lg_recv_uint(c, b, 2);
    uint16_t sign = (uint16_t)lg_recv_uint(c, b, 2);
    x.dscale = (int32_t)lg_recv_uint(c, b, 2);
    if (sign != 0 && sign != 0x4000 && sign != 0xc000 && sign != 0xd000 && sign != 0xf000)
        return lg_call_error(c, "22P03", "invalid sign in external \"numeric\" value");
    if (x.dscale > LG_NUM_MAX_DSCALE)
        return lg_call_error(c, "22P03", "invalid scale in external \"numeric\" value");
    x.d = lg_arena_alloc(c->arena, 2 * (size_t)n + 2);
    for (int i = 0; i < n && !c->st; i++) {
        x.d[i] = (int16_t)lg_recv_uint(c, b, 2);
        if (x.d[i] < 0 || x.d[i] >= LG_NUM_BASE)
            return lg_call_error(c, "22P03", "invalid digit in external \"numeric\" value");
    }
    if (c->st)
        return 0;
    if (sign >= 0xc000)
        x = special(sign == 0xc000 ? LG_NUM_NAN : sign == 0xd000 ? LG_NUM_PINF : LG_NUM_NINF);
    else
        x = lg_num_trunc(c->arena, &x, x.dscale);
    if (sign == 0x4000 && x.n)
        x.neg = true;
    return apply_typmod(c, x, ARG_INT4(2));
}

LG_FN(numeric_send)
{
    lg_num x = NUM(0);
    lg_abuf b;
    lg_abuf_for(&b, c);
    uint16_t sign = x.kind == LG_NUM_NAN    ? 0xc000
                    : x.kind == LG_NUM_PINF ? 0xd000
                    : x.kind == LG_NUM_NINF ? 0xf000
                    : x.neg                 ? 0x4000
                                            : 0;
    int32_t head[4] = {x.n, x.weight, sign, x.dscale};
    for (int i = 0; i < 4 + x.n; i++) {
        uint16_t v = (uint16_t)(i < 4 ? head[i] : x.d[i - 4]);
        lg_abuf_putc(&b, (char)(v >> 8));
        lg_abuf_putc(&b, (char)v);
    }
    return lg_abuf_text(&b);
}

/* --- arithmetic with NaN and infinities --- */

static lg_datum
add_or_sub(lg_call *c, bool sub)
{
    lg_num x = NUM(0), y = NUM(1);
    if (sub)
        y = lg_num_neg(y);
    if (is_finite(&x) && is_finite(&y))
        return make(c, lg_num_add(c->arena, &x, &y));
    if (x.kind == LG_NUM_NAN || y.kind == LG_NUM_NAN)
        return make(c, special(LG_NUM_NAN));
    if (!is_finite(&x) && !is_finite(&y) && x.kind != y.kind)
        return make(c, special(LG_NUM_NAN));
    return make(c, is_finite(&x) ? y : x);
}

LG_FN(numeric_add)
{
    return add_or_sub(c, false);
}
LG_FN(numeric_sub)
{
    return add_or_sub(c, true);
}

static lg_num
infinity(int sign)
{
    return special(sign == 0 ? LG_NUM_NAN : sign > 0 ? LG_NUM_PINF : LG_NUM_NINF);
}

LG_FN(numeric_mul)
{
    lg_num x = NUM(0), y = NUM(1);
    if (x.kind == LG_NUM_NAN || y.kind == LG_NUM_NAN)
        return make(c, special(LG_NUM_NAN));
    if (!is_finite(&x) || !is_finite(&y))
        return make(c, infinity(sign_of(&x) * sign_of(&y)));
    int scale = x.dscale + y.dscale;
    return make(
        c, lg_num_mul(c->arena, &x, &y, scale > LG_NUM_MAX_DSCALE ? LG_NUM_MAX_DSCALE : scale));
}

LG_FN(numeric_div)
{
    lg_num x = NUM(0), y = NUM(1);
    if (x.kind == LG_NUM_NAN || y.kind == LG_NUM_NAN)
        return make(c, special(LG_NUM_NAN));
    if (!is_finite(&x)) {
        if (!is_finite(&y))
            return make(c, special(LG_NUM_NAN));
        return sign_of(&y) ? make(c, infinity(sign_of(&x) * sign_of(&y))) : by_zero(c);
    }
    if (!is_finite(&y))
        return make(c, lg_num_of_int(c->arena, 0));
    if (lg_num_is_zero(&y))
        return by_zero(c);
    return make(c, lg_num_div(c->arena, &x, &y, lg_num_div_scale(&x, &y), true));
}

LG_FN(numeric_div_trunc)
{
    lg_num x = NUM(0), y = NUM(1);
    if (!is_finite(&x) || !is_finite(&y))
        return lg_fn_numeric_div(c);
    if (lg_num_is_zero(&y))
        return by_zero(c);
    return make(c, lg_num_div(c->arena, &x, &y, 0, false));
}

LG_FN(numeric_mod)
{
    lg_num x = NUM(0), y = NUM(1);
    if (x.kind == LG_NUM_NAN || y.kind == LG_NUM_NAN)
        return make(c, special(LG_NUM_NAN));
    if (is_finite(&y) && lg_num_is_zero(&y))
        return by_zero(c);
    if (!is_finite(&x))
        return make(c, special(LG_NUM_NAN));
    if (!is_finite(&y))
        return ARG(0);
    return make(c, lg_num_mod(c->arena, &x, &y));
}

LG_FN(numeric_uminus)
{
    return make(c, lg_num_neg(NUM(0)));
}
LG_FN(numeric_uplus)
{
    return ARG(0);
}

LG_FN(numeric_abs)
{
    lg_num x = NUM(0);
    if (sign_of(&x) < 0 && x.kind != LG_NUM_NAN)
        x = lg_num_neg(x);
    return make(c, x);
}

LG_FN(numeric_sign)
{
    lg_num x = NUM(0);
    return x.kind == LG_NUM_NAN ? ARG(0) : make(c, lg_num_of_int(c->arena, sign_of(&x)));
}

LG_FN(numeric_inc)
{
    lg_num x = NUM(0), one = lg_num_of_int(c->arena, 1);
    return is_finite(&x) ? make(c, lg_num_add(c->arena, &x, &one)) : ARG(0);
}

static lg_datum
round_or_trunc(lg_call *c, lg_num (*fn)(lg_arena *, const lg_num *, int))
{
    lg_num x = NUM(0);
    if (!is_finite(&x))
        return ARG(0);
    int32_t scale = ARG_INT4(1);
    scale = scale < -131073 ? -131073 : scale > 16383 ? 16383 : scale;
    return make(c, fn(c->arena, &x, scale));
}

LG_FN(numeric_round)
{
    return round_or_trunc(c, lg_num_round);
}
LG_FN(numeric_trunc)
{
    return round_or_trunc(c, lg_num_trunc);
}

static lg_datum
to_scale_0(lg_call *c, bool up)
{
    lg_num x = NUM(0);
    if (!is_finite(&x))
        return ARG(0);
    return make(c, up ? lg_num_ceil(c->arena, &x) : lg_num_floor(c->arena, &x));
}

LG_FN(numeric_ceil)
{
    return to_scale_0(c, true);
}
LG_FN(numeric_floor)
{
    return to_scale_0(c, false);
}

LG_FN(oid_1708) /* round(numeric) */
{
    lg_num x = NUM(0);
    return is_finite(&x) ? make(c, lg_num_round(c->arena, &x, 0)) : ARG(0);
}

LG_FN(oid_1710) /* trunc(numeric) */
{
    lg_num x = NUM(0);
    return is_finite(&x) ? make(c, lg_num_trunc(c->arena, &x, 0)) : ARG(0);
}

LG_FN(numeric_scale)
{
    lg_num x = NUM(0);
    if (!is_finite(&x))
        RET_NULL();
    return lg_datum_int4(x.dscale);
}

static int
min_scale(const lg_num *x)
{
    int s = x->n ? (x->n - 1 - x->weight) * LG_NUM_DEC : 0;
    if (s <= 0)
        return 0;
    for (int d = x->d[x->n - 1]; d % 10 == 0; d /= 10)
        s--;
    return s;
}

LG_FN(numeric_min_scale)
{
    lg_num x = NUM(0);
    if (!is_finite(&x))
        RET_NULL();
    return lg_datum_int4(min_scale(&x));
}

LG_FN(numeric_trim_scale)
{
    lg_num x = NUM(0);
    if (is_finite(&x))
        x.dscale = min_scale(&x);
    return make(c, x);
}

/* --- comparison --- */

LG_FN(numeric_eq)
{
    return lg_numeric_compare(ARG(0), ARG(1)) == 0;
}
LG_FN(numeric_ne)
{
    return lg_numeric_compare(ARG(0), ARG(1)) != 0;
}
LG_FN(numeric_lt)
{
    return lg_numeric_compare(ARG(0), ARG(1)) < 0;
}
LG_FN(numeric_le)
{
    return lg_numeric_compare(ARG(0), ARG(1)) <= 0;
}
LG_FN(numeric_gt)
{
    return lg_numeric_compare(ARG(0), ARG(1)) > 0;
}
LG_FN(numeric_ge)
{
    return lg_numeric_compare(ARG(0), ARG(1)) >= 0;
}
LG_FN(numeric_cmp)
{
    return lg_datum_int4(lg_numeric_compare(ARG(0), ARG(1)));
}
LG_FN(numeric_larger)
{
    return lg_numeric_compare(ARG(0), ARG(1)) > 0 ? ARG(0) : ARG(1);
}
LG_FN(numeric_smaller)
{
    return lg_numeric_compare(ARG(0), ARG(1)) < 0 ? ARG(0) : ARG(1);
}

/* --- casts --- */

LG_FN(int2_numeric)
{
    return make(c, lg_num_of_int(c->arena, ARG_INT8(0)));
}
LG_FN(int4_numeric)
{
    return make(c, lg_num_of_int(c->arena, ARG_INT8(0)));
}
LG_FN(int8_numeric)
{
    return make(c, lg_num_of_int(c->arena, ARG_INT8(0)));
}

static lg_datum
to_int(lg_call *c, int64_t min, int64_t max, const char *type)
{
    lg_num x = NUM(0);
    int64_t v;
    if (!is_finite(&x))
        return lg_call_error(c, "0A000", "cannot convert %s to %s",
                             x.kind == LG_NUM_NAN ? "NaN" : "infinity", type);
    if (!lg_num_to_int64(c->arena, &x, &v) || v < min || v > max)
        return lg_call_error(c, "22003", "%s out of range", type);
    return lg_datum_int8(v);
}

LG_FN(numeric_int2)
{
    return to_int(c, INT16_MIN, INT16_MAX, "smallint");
}
LG_FN(numeric_int4)
{
    return to_int(c, INT32_MIN, INT32_MAX, "integer");
}
LG_FN(numeric_int8)
{
    return to_int(c, INT64_MIN, INT64_MAX, "bigint");
}

/* Floats become numerics by their 15 (6) significant digits. */
static lg_datum
from_float(lg_call *c, double v, int digits)
{
    char s[64];
    const char *end;
    lg_num x;
    if (!isfinite(v))
        return make(c, isnan(v) ? special(LG_NUM_NAN) : infinity(v > 0 ? 1 : -1));
    snprintf(s, sizeof s, "%.*g", digits, v);
    if (!lg_num_parse(c->arena, s, &x, &end))
        return lg_call_error(c, "22P02", "invalid input syntax for type numeric: \"%s\"", s);
    return make(c, x);
}

LG_FN(float8_numeric)
{
    return from_float(c, ARG_FLOAT8(0), 15);
}
LG_FN(float4_numeric)
{
    return from_float(c, (double)ARG_FLOAT4(0), 6);
}

LG_FN(numeric_float8)
{
    lg_num x = NUM(0);
    double v = lg_num_to_double(c->arena, &x);
    if (is_finite(&x) && (isinf(v) || (v == 0 && !lg_num_is_zero(&x))))
        return lg_call_error(c, "22003", "\"%s\" is out of range for type double precision",
                             lg_num_text(c->arena, &x));
    return lg_datum_float8(v);
}

LG_FN(numeric_float4)
{
    lg_num x = NUM(0);
    if (!is_finite(&x))
        return lg_datum_float4((float)lg_num_to_double(c->arena, &x));
    float v = strtof(lg_num_text(c->arena, &x), NULL);
    if (isinf(v) || (v == 0 && !lg_num_is_zero(&x)))
        return lg_call_error(c, "22003", "\"%s\" is out of range for type real",
                             lg_num_text(c->arena, &x));
    return lg_datum_float4(v);
}

/* --- transcendental --- */

static int
scale_for(int sig, int dscale)
{
    int r = sig > dscale ? sig : dscale;
    return r < 0 ? 0 : r > LG_NUM_MAX_SCALE ? LG_NUM_MAX_SCALE : r;
}

/* The root as computed may lie on the wrong side of a half: rounded to nearest exactly. */
static lg_num
sqrt_nearest(lg_call *c, const lg_num *x, int rscale)
{
    lg_num r = lg_num_sqrt(c->arena, x, rscale), ulp, half;
    const char *end;
    LG_ASSERT(lg_num_parse(c->arena, lg_arena_printf(c->arena, "1e-%d", rscale), &ulp, &end));
    LG_ASSERT(lg_num_parse(c->arena, lg_arena_printf(c->arena, "5e-%d", rscale + 1), &half, &end));
    lg_num below = lg_num_sub(c->arena, &r, &half);
    lg_num square = lg_num_mul(c->arena, &below, &below, 2 * (rscale + 1));
    if (!lg_num_is_zero(&r) && lg_num_compare(&square, x) > 0)
        r = lg_num_sub(c->arena, &r, &ulp);
    return r;
}

LG_FN(numeric_sqrt)
{
    lg_num x = NUM(0);
    if (x.kind == LG_NUM_NAN || x.kind == LG_NUM_PINF)
        return ARG(0);
    if (sign_of(&x) < 0)
        return lg_call_error(c, "2201F", "cannot take square root of a negative number");
    int sweight = (x.weight + 1) * LG_NUM_DEC / 2 - 1;
    return make(c, sqrt_nearest(c, &x, scale_for(LG_NUM_MIN_SIG - sweight, x.dscale)));
}

LG_FN(numeric_exp)
{
    lg_num x = NUM(0);
    if (!is_finite(&x))
        return x.kind == LG_NUM_NINF ? make(c, lg_num_of_int(c->arena, 0)) : ARG(0);
    double v = lg_num_to_double(c->arena, &x) * 0.434294481903252;
    v = v < -2000 ? -2000 : v > 2000 ? 2000 : v;
    int scale = scale_for(LG_NUM_MIN_SIG - (int)v, x.dscale);
    double full = lg_num_to_double(c->arena, &x);
    if (full >= 6000)
        return lg_call_error(c, "22003", "value overflows numeric format");
    if (full <= -6000) {
        lg_num z = lg_num_of_int(c->arena, 0);
        z.dscale = scale;
        return make(c, z);
    }
    return make(c, lg_num_exp(c->arena, &x, scale));
}

/* Errors of logarithms; true if there was one. */
static bool
bad_log(lg_call *c, const lg_num *x)
{
    int s = sign_of(x);
    if (x->kind == LG_NUM_NAN || s > 0)
        return false;
    lg_call_error(c, "2201E",
                  s == 0 ? "cannot take logarithm of zero"
                         : "cannot take logarithm of a negative number");
    return true;
}

LG_FN(numeric_ln)
{
    lg_num x = NUM(0);
    if (bad_log(c, &x))
        return 0;
    if (!is_finite(&x))
        return ARG(0);
    int w = lg_num_ln_dweight(c->arena, &x);
    return make(c, lg_num_ln(c->arena, &x, scale_for(LG_NUM_MIN_SIG - w, x.dscale)));
}

static lg_datum
log_base(lg_call *c, lg_num base, lg_num x)
{
    if (base.kind == LG_NUM_NAN || x.kind == LG_NUM_NAN)
        return make(c, special(LG_NUM_NAN));
    if (bad_log(c, &base) || bad_log(c, &x))
        return 0;
    if (!is_finite(&base) || !is_finite(&x)) {
        if (!is_finite(&base))
            return make(c, is_finite(&x) ? lg_num_of_int(c->arena, 0) : special(LG_NUM_NAN));
        return make(c, special(LG_NUM_PINF));
    }
    lg_num one = lg_num_of_int(c->arena, 1);
    if (lg_num_compare(&base, &one) == 0)
        return by_zero(c);
    return make(c, lg_num_log(c->arena, &base, &x));
}

LG_FN(numeric_log)
{
    return log_base(c, NUM(0), NUM(1));
}
LG_FN(oid_1741)
{
    return log_base(c, lg_num_of_int(c->arena, 10), NUM(0));
}
LG_FN(oid_1481)
{
    return log_base(c, lg_num_of_int(c->arena, 10), NUM(0));
}

/* 0, 1, infinities and NaN as operands of ^. True: *ret is the answer. */
static bool
power_special(lg_call *c, const lg_num *x, const lg_num *y, lg_datum *ret)
{
    lg_arena *a = c->arena;
    lg_num one = lg_num_of_int(a, 1), zero = lg_num_of_int(a, 0);
    if (x->kind == LG_NUM_NAN || y->kind == LG_NUM_NAN) {
        bool is_one = (x->kind == LG_NUM_NAN && is_finite(y) && lg_num_is_zero(y)) ||
                      (y->kind == LG_NUM_NAN && is_finite(x) && lg_num_compare(x, &one) == 0);
        *ret = make(c, is_one ? one : special(LG_NUM_NAN));
        return true;
    }
    int sx = sign_of(x), sy = sign_of(y);
    if (sx == 0 && sy < 0) {
        *ret = lg_call_error(c, "2201F", "zero raised to a negative power is undefined");
        return true;
    }
    if (sx < 0 && is_finite(y) && y->n > y->weight + 1) {
        *ret = lg_call_error(c, "2201F",
                             "a negative number raised to a non-integer power yields "
                             "a complex result");
        return true;
    }
    if (is_finite(x) && is_finite(y))
        return false;
    if (is_finite(x) && lg_num_compare(x, &one) == 0) {
        *ret = make(c, one);
    } else if (sy == 0) {
        *ret = make(c, one);
    } else if (sx == 0) {
        *ret = make(c, zero);
    } else if (!is_finite(y)) {
        lg_num ax = *x;
        if (is_finite(&ax))
            ax.neg = false;
        int cmp = is_finite(&ax) ? lg_num_compare(&ax, &one) : 1;
        *ret = make(c, cmp == 0 ? one : (cmp > 0) == (sy > 0) ? special(LG_NUM_PINF) : zero);
    } else {
        bool odd = y->n == y->weight + 1 && y->n && (y->d[y->n - 1] & 1);
        *ret = make(c, sy < 0 ? zero : special(sx < 0 && odd ? LG_NUM_NINF : LG_NUM_PINF));
    }
    return true;
}

LG_FN(numeric_power)
{
    lg_num x = NUM(0), y = NUM(1), r;
    lg_datum d;
    if (power_special(c, &x, &y, &d))
        return d;
    if (!lg_num_power(c->arena, &x, &y, &r))
        return lg_call_error(c, "22003", "value overflows numeric format");
    return make(c, r);
}

LG_FN(numeric_fac)
{
    int64_t n = ARG_INT8(0);
    if (n < 0)
        return lg_call_error(c, "22003", "factorial of a negative number is undefined");
    if (n > 32177)
        return lg_call_error(c, "22003", "value overflows numeric format");
    lg_arena *a[2] = {lg_arena_create("factorial", 0), lg_arena_create("factorial", 0)};
    lg_num r = lg_num_of_int(a[0], 1);
    for (int64_t i = 2; i <= n; i++) { /* from one arena into the other */
        lg_arena_reset(a[1]);
        lg_num f = lg_num_of_int(a[1], i);
        r = lg_num_mul(a[1], &r, &f, 0);
        lg_arena *t = a[0];
        a[0] = a[1];
        a[1] = t;
        if (i % 64 == 0 && lg_poll())
            break;
    }
    lg_datum d = make(c, r);
    lg_arena_destroy(a[0]);
    lg_arena_destroy(a[1]);
    return d;
}

LG_FN(numeric_gcd)
{
    lg_num x = NUM(0), y = NUM(1);
    if (!is_finite(&x) || !is_finite(&y))
        return make(c, special(LG_NUM_NAN));
    int scale = x.dscale > y.dscale ? x.dscale : y.dscale;
    while (!lg_num_is_zero(&y) && !lg_poll()) {
        lg_num t = lg_num_mod(c->arena, &x, &y);
        x = y;
        y = t;
    }
    x.neg = false;
    x.dscale = scale;
    return make(c, x);
}

LG_FN(numeric_lcm)
{
    lg_num x = NUM(0), y = NUM(1);
    if (!is_finite(&x) || !is_finite(&y))
        return make(c, special(LG_NUM_NAN));
    int scale = x.dscale > y.dscale ? x.dscale : y.dscale;
    lg_num r = lg_num_of_int(c->arena, 0);
    if (!lg_num_is_zero(&x) && !lg_num_is_zero(&y)) {
        lg_num g = lg_num_unpack(c->arena, lg_fn_numeric_gcd(c));
        lg_num q = lg_num_div(c->arena, &x, &g, 0, false);
        r = lg_num_mul(c->arena, &q, &y, scale);
        r.neg = false;
    }
    r.dscale = scale;
    return make(c, r);
}

LG_FN(width_bucket_numeric)
{
    lg_num op = NUM(0), lo = NUM(1), hi = NUM(2);
    int32_t count = ARG_INT4(3);
    if (count <= 0)
        return lg_call_error(c, "2201G", "count must be greater than zero");
    if (op.kind == LG_NUM_NAN || lo.kind == LG_NUM_NAN || hi.kind == LG_NUM_NAN)
        return lg_call_error(c, "2201G", "operand, lower bound, and upper bound cannot be NaN");
    if (!is_finite(&lo) || !is_finite(&hi))
        return lg_call_error(c, "2201G", "lower and upper bounds must be finite");
    int dir = lg_num_compare(&lo, &hi);
    if (dir == 0)
        return lg_call_error(c, "2201G", "lower bound cannot equal upper bound");
    int from = lg_num_compare(&op, &lo), to = lg_num_compare(&op, &hi);
    if (dir > 0) {
        from = -from;
        to = -to;
    }
    if (from < 0)
        return 0;
    if (to >= 0)
        return count == INT32_MAX ? lg_call_error(c, "22003", "integer out of range")
                                  : lg_datum_int4(count + 1);
    lg_num width = lg_num_sub(c->arena, &hi, &lo), at = lg_num_sub(c->arena, &op, &lo);
    lg_num n = lg_num_of_int(c->arena, count);
    at = lg_num_mul(c->arena, &at, &n, at.dscale);
    lg_num q = lg_num_div(c->arena, &at, &width, 0, false);
    int64_t v = 0;
    (void)lg_num_to_int64(c->arena, &q, &v);
    return lg_datum_int8(v + 1);
}

/* --- generate_series --- */

struct series {
    lg_num at, stop, step;
};

static lg_status
series_open(lg_call *c, void **ret_state)
{
    struct series *s = LG_NEW(c->arena, struct series);
    static const char *const what[] = {"start", "stop", "step"};
    lg_num v[3] = {NUM(0), NUM(1), c->nargs > 2 ? NUM(2) : lg_num_of_int(c->arena, 1)};
    for (int i = 0; i < 3; i++)
        if (!is_finite(&v[i])) {
            lg_call_error(c, "22023", i == 2 ? "%s size cannot be %s" : "%s value cannot be %s",
                          what[i], v[i].kind == LG_NUM_NAN ? "NaN" : "infinity");
            return c->st;
        }
    if (lg_num_is_zero(&v[2])) {
        lg_call_error(c, "22023", "step size cannot equal zero");
        return c->st;
    }
    *s = (struct series){v[0], v[1], v[2]};
    *ret_state = s;
    return LG_OK;
}

static lg_status
series_next(lg_call *c, void *state, lg_datum *ret, uint8_t *ret_null)
{
    struct series *s = state;
    int cmp = lg_num_compare(&s->at, &s->stop);
    if (s->step.neg ? cmp < 0 : cmp > 0)
        return LG_END;
    *ret = make(c, s->at);
    *ret_null = 0;
    s->at = lg_num_add(c->arena, &s->at, &s->step);
    return c->st;
}

LG_SRF(generate_series_numeric, series_open, series_next);
LG_SRF(generate_series_step_numeric, series_open, series_next);
