/* float4 and float8: shortest exact output, arithmetic with PostgreSQL's overflow rules, math
 * functions, casts. NaN equals NaN and is greater than all else. */
#include "types_values.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* --- text --- */

/* digits[0..n) with decimal exponent exp (d.ddd * 10^exp), as %g would with `limit` digits before
 * it turns to scientific notation. */
static int
layout(char *buf, bool neg, const char *digits, int n, int exp, int limit)
{
    char *p = buf;
    if (neg)
        *p++ = '-';
    if (exp < -4 || exp >= limit) {
        *p++ = digits[0];
        if (n > 1) {
            *p++ = '.';
            memcpy(p, digits + 1, (size_t)(n - 1));
            p += n - 1;
        }
        p += sprintf(p, "e%c%02d", exp < 0 ? '-' : '+', abs(exp));
        return (int)(p - buf);
    }
    if (exp < 0) {
        *p++ = '0';
        *p++ = '.';
        for (int i = -1; i > exp; i--)
            *p++ = '0';
        memcpy(p, digits, (size_t)n);
        p += n;
    } else {
        for (int i = 0; i <= exp || i < n; i++) {
            if (i == exp + 1)
                *p++ = '.';
            *p++ = i < n ? digits[i] : '0';
        }
    }
    *p = 0;
    return (int)(p - buf);
}

static int
special(double x, char *buf)
{
    return sprintf(buf, "%s", isnan(x) ? "NaN" : x > 0 ? "Infinity" : "-Infinity");
}

/* Splits what %.*e printed into digits without trailing zeros and the exponent. */
static int
split(const char *e, char *digits, int *ret_exp)
{
    int n = 0;
    const char *p = e + (*e == '-');
    for (; *p && *p != 'e'; p++)
        if (*p != '.')
            digits[n++] = *p;
    *ret_exp = atoi(p + 1);
    while (n > 1 && digits[n - 1] == '0')
        n--;
    return n;
}

/* The fewest digits that read back as the same number. 15 digits always survive a double, so only
 * subnormals need fewer tried. */
int
lg_format_float8(double x, int extra, char *buf)
{
    char e[40], digits[24];
    int exp;
    if (!isfinite(x))
        return special(x, buf);
    if (x == 0)
        return sprintf(buf, "%s", signbit(x) ? "-0" : "0");
    if (extra <= 0)
        return sprintf(buf, "%.*g", 15 + extra < 1 ? 1 : 15 + extra, x);
    int p = fabs(x) < 2.3e-308 ? 0 : 14;
    for (; p <= 16; p++) {
        snprintf(e, sizeof e, "%.*e", p, x);
        if (p == 16 || strtod(e, NULL) == x)
            break;
    }
    int n = split(e, digits, &exp);
    return layout(buf, x < 0, digits, n, exp, 15);
}

int
lg_format_float4(float x, int extra, char *buf)
{
    char e[40], digits[24];
    int exp;
    if (!isfinite(x))
        return special((double)x, buf);
    if (x == 0)
        return sprintf(buf, "%s", signbit(x) ? "-0" : "0");
    if (extra <= 0)
        return sprintf(buf, "%.*g", 6 + extra < 1 ? 1 : 6 + extra, (double)x);
    int p = fabsf(x) < 1.2e-38f ? 0 : 5;
    for (; p <= 8; p++) {
        snprintf(e, sizeof e, "%.*e", p, (double)x);
        if (p == 8 || strtof(e, NULL) == x)
            break;
    }
    int n = split(e, digits, &exp);
    return layout(buf, x < 0, digits, n, exp, 6);
}

/* Words that strtod knows in other spellings, and hexadecimal, are for us to judge. */
static bool
parse_special(const char **p, double *ret)
{
    static const struct {
        const char *word;
        int sign;
        bool nan;
    } words[] = {{"NaN", 0, true},         {"Infinity", 1, false}, {"+Infinity", 1, false},
                 {"-Infinity", -1, false}, {"inf", 1, false},      {"+inf", 1, false},
                 {"-inf", -1, false}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i].word);
        if (strncasecmp(*p, words[i].word, n) == 0) {
            *p += n;
            *ret = words[i].nan ? (double)NAN : words[i].sign * (double)INFINITY;
            return true;
        }
    }
    return false;
}

static double
parse_float(lg_call *c, const char *s, bool single)
{
    const char *type = single ? "real" : "double precision";
    const char *p = s;
    char *end;
    double v = 0;
    while (isspace((unsigned char)*p))
        p++;
    if (!parse_special(&p, &v)) {
        const char *q = p + (*p == '-' || *p == '+');
        if (!isdigit((unsigned char)*q) && !(*q == '.' && isdigit((unsigned char)q[1])))
            goto bad;
        errno = 0;
        v = single ? (double)strtof(p, &end) : strtod(p, &end);
        if (end == p)
            goto bad;
        if (errno == ERANGE && (v == 0 || isinf(v))) {
            lg_call_error(c, "22003", "\"%.*s\" is out of range for type %s", (int)(end - p), p,
                          type);
            return 0;
        }
        p = end;
    }
    while (isspace((unsigned char)*p))
        p++;
    if (!*p)
        return v;
bad:
    lg_call_error(c, "22P02", "invalid input syntax for type %s: \"%s\"", type, s);
    return 0;
}

LG_FN(float8in)
{
    return lg_datum_float8(parse_float(c, ARG_CSTR(0), false));
}
LG_FN(float4in)
{
    return lg_datum_float4((float)parse_float(c, ARG_CSTR(0), true));
}

static int
extra_digits(const lg_call *c)
{
    return c->env ? c->env->extra_float_digits : 1;
}

LG_FN(float8out)
{
    char *buf = lg_arena_alloc(c->arena, 40);
    lg_format_float8(ARG_FLOAT8(0), extra_digits(c), buf);
    return lg_datum_ptr(buf);
}

LG_FN(float4out)
{
    char *buf = lg_arena_alloc(c->arena, 40);
    lg_format_float4(ARG_FLOAT4(0), extra_digits(c), buf);
    return lg_datum_ptr(buf);
}

LG_FN(float4recv)
{
    return lg_recv_uint(c, lg_ptr(ARG(0)), 4);
}
LG_FN(float8recv)
{
    return lg_recv_uint(c, lg_ptr(ARG(0)), 8);
}
LG_FN(float4send)
{
    return lg_send_uint(c, ARG(0), 4);
}
LG_FN(float8send)
{
    return lg_send_uint(c, ARG(0), 8);
}

/* --- arithmetic --- */

static lg_datum
overflow(lg_call *c)
{
    return lg_call_error(c, "22003", "value out of range: overflow");
}

static lg_datum
underflow(lg_call *c)
{
    return lg_call_error(c, "22003", "value out of range: underflow");
}

static lg_datum
check8(lg_call *c, double r, bool inf_ok, bool zero_ok)
{
    if (isinf(r) && !inf_ok)
        return overflow(c);
    if (r == 0 && !zero_ok)
        return underflow(c);
    return lg_datum_float8(r);
}

static lg_datum
check4(lg_call *c, float r, bool inf_ok, bool zero_ok)
{
    if (isinf(r) && !inf_ok)
        return overflow(c);
    if (r == 0 && !zero_ok)
        return underflow(c);
    return lg_datum_float4(r);
}

static lg_datum
div8(lg_call *c, double a, double b)
{
    if (b == 0 && !isnan(a))
        return lg_call_error(c, "22012", "division by zero");
    return check8(c, a / b, isinf(a), a == 0 || isinf(b));
}

#define ARITH8(p, A, B)                                                                            \
    LG_FN(p##pl)                                                                                   \
    {                                                                                              \
        double a = A, b = B;                                                                       \
        return check8(c, a + b, isinf(a) || isinf(b), true);                                       \
    }                                                                                              \
    LG_FN(p##mi)                                                                                   \
    {                                                                                              \
        double a = A, b = B;                                                                       \
        return check8(c, a - b, isinf(a) || isinf(b), true);                                       \
    }                                                                                              \
    LG_FN(p##mul)                                                                                  \
    {                                                                                              \
        double a = A, b = B;                                                                       \
        return check8(c, a * b, isinf(a) || isinf(b), a == 0 || b == 0);                           \
    }                                                                                              \
    LG_FN(p##div)                                                                                  \
    {                                                                                              \
        return div8(c, A, B);                                                                      \
    }

ARITH8(float8, ARG_FLOAT8(0), ARG_FLOAT8(1))
ARITH8(float48, (double)ARG_FLOAT4(0), ARG_FLOAT8(1))
ARITH8(float84, ARG_FLOAT8(0), (double)ARG_FLOAT4(1))

LG_FN(float4pl)
{
    float a = ARG_FLOAT4(0), b = ARG_FLOAT4(1);
    return check4(c, a + b, isinf(a) || isinf(b), true);
}

LG_FN(float4mi)
{
    float a = ARG_FLOAT4(0), b = ARG_FLOAT4(1);
    return check4(c, a - b, isinf(a) || isinf(b), true);
}

LG_FN(float4mul)
{
    float a = ARG_FLOAT4(0), b = ARG_FLOAT4(1);
    return check4(c, a * b, isinf(a) || isinf(b), a == 0 || b == 0);
}

LG_FN(float4div)
{
    float a = ARG_FLOAT4(0), b = ARG_FLOAT4(1);
    if (b == 0 && !isnan(a))
        return lg_call_error(c, "22012", "division by zero");
    return check4(c, a / b, isinf(a), a == 0 || isinf(b));
}

LG_FN(float8um)
{
    return lg_datum_float8(-ARG_FLOAT8(0));
}
LG_FN(float4um)
{
    return lg_datum_float4(-ARG_FLOAT4(0));
}
LG_FN(float8up)
{
    return ARG(0);
}
LG_FN(float4up)
{
    return ARG(0);
}
LG_FN(float8abs)
{
    return lg_datum_float8(fabs(ARG_FLOAT8(0)));
}
LG_FN(float4abs)
{
    return lg_datum_float4(fabsf(ARG_FLOAT4(0)));
}

/* --- comparison --- */

static int
compare(double a, double b)
{
    if (isnan(a))
        return isnan(b) ? 0 : 1;
    if (isnan(b))
        return -1;
    return (a > b) - (a < b);
}

#define COMPARE(p, A, B)                                                                           \
    LG_FN(p##eq)                                                                                   \
    {                                                                                              \
        return compare(A, B) == 0;                                                                 \
    }                                                                                              \
    LG_FN(p##ne)                                                                                   \
    {                                                                                              \
        return compare(A, B) != 0;                                                                 \
    }                                                                                              \
    LG_FN(p##lt)                                                                                   \
    {                                                                                              \
        return compare(A, B) < 0;                                                                  \
    }                                                                                              \
    LG_FN(p##le)                                                                                   \
    {                                                                                              \
        return compare(A, B) <= 0;                                                                 \
    }                                                                                              \
    LG_FN(p##gt)                                                                                   \
    {                                                                                              \
        return compare(A, B) > 0;                                                                  \
    }                                                                                              \
    LG_FN(p##ge)                                                                                   \
    {                                                                                              \
        return compare(A, B) >= 0;                                                                 \
    }                                                                                              \
    LG_FN(bt##p##cmp)                                                                              \
    {                                                                                              \
        return lg_datum_int4(compare(A, B));                                                       \
    }

COMPARE(float8, ARG_FLOAT8(0), ARG_FLOAT8(1))
COMPARE(float4, (double)ARG_FLOAT4(0), (double)ARG_FLOAT4(1))
COMPARE(float48, (double)ARG_FLOAT4(0), ARG_FLOAT8(1))
COMPARE(float84, ARG_FLOAT8(0), (double)ARG_FLOAT4(1))

LG_FN(float8larger)
{
    return compare(ARG_FLOAT8(0), ARG_FLOAT8(1)) > 0 ? ARG(0) : ARG(1);
}
LG_FN(float8smaller)
{
    return compare(ARG_FLOAT8(0), ARG_FLOAT8(1)) < 0 ? ARG(0) : ARG(1);
}
LG_FN(float4larger)
{
    return compare((double)ARG_FLOAT4(0), (double)ARG_FLOAT4(1)) > 0 ? ARG(0) : ARG(1);
}
LG_FN(float4smaller)
{
    return compare((double)ARG_FLOAT4(0), (double)ARG_FLOAT4(1)) < 0 ? ARG(0) : ARG(1);
}

/* --- casts --- */

/* Rounds to even, then checks the range with bounds that a double holds exactly. */
static lg_datum
to_int(lg_call *c, double x, double bound, const char *type)
{
    x = rint(x);
    if (isnan(x) || x < -bound || x >= bound)
        return lg_call_error(c, "22003", "%s out of range", type);
    return lg_datum_int8((int64_t)x);
}

LG_FN(dtoi2)
{
    return to_int(c, ARG_FLOAT8(0), 32768.0, "smallint");
}
LG_FN(dtoi4)
{
    return to_int(c, ARG_FLOAT8(0), 2147483648.0, "integer");
}
LG_FN(dtoi8)
{
    return to_int(c, ARG_FLOAT8(0), 9223372036854775808.0, "bigint");
}
LG_FN(ftoi2)
{
    return to_int(c, (double)ARG_FLOAT4(0), 32768.0, "smallint");
}
LG_FN(ftoi4)
{
    return to_int(c, (double)ARG_FLOAT4(0), 2147483648.0, "integer");
}
LG_FN(ftoi8)
{
    return to_int(c, (double)ARG_FLOAT4(0), 9223372036854775808.0, "bigint");
}
LG_FN(i2tod)
{
    return lg_datum_float8((double)ARG_INT8(0));
}
LG_FN(i4tod)
{
    return lg_datum_float8((double)ARG_INT8(0));
}
LG_FN(i8tod)
{
    return lg_datum_float8((double)ARG_INT8(0));
}
LG_FN(i2tof)
{
    return lg_datum_float4((float)ARG_INT8(0));
}
LG_FN(i4tof)
{
    return lg_datum_float4((float)ARG_INT8(0));
}
LG_FN(i8tof)
{
    return lg_datum_float4((float)ARG_INT8(0));
}
LG_FN(ftod)
{
    return lg_datum_float8((double)ARG_FLOAT4(0));
}

LG_FN(dtof)
{
    double x = ARG_FLOAT8(0);
    float r = (float)x;
    return check4(c, r, isinf(x), x == 0);
}

/* --- math --- */

LG_FN(dround)
{
    return lg_datum_float8(rint(ARG_FLOAT8(0)));
}
LG_FN(dceil)
{
    return lg_datum_float8(ceil(ARG_FLOAT8(0)));
}
LG_FN(dfloor)
{
    return lg_datum_float8(floor(ARG_FLOAT8(0)));
}
LG_FN(dtrunc)
{
    return lg_datum_float8(trunc(ARG_FLOAT8(0)));
}
LG_FN(dsign)
{
    return lg_datum_float8((double)((ARG_FLOAT8(0) > 0) - (ARG_FLOAT8(0) < 0)));
}

LG_FN(dsqrt)
{
    double x = ARG_FLOAT8(0);
    if (x < 0)
        return lg_call_error(c, "2201F", "cannot take square root of a negative number");
    return check8(c, sqrt(x), isinf(x), x == 0);
}

LG_FN(dcbrt)
{
    return check8(c, cbrt(ARG_FLOAT8(0)), isinf(ARG_FLOAT8(0)), ARG_FLOAT8(0) == 0);
}

LG_FN(dpow)
{
    double x = ARG_FLOAT8(0), y = ARG_FLOAT8(1);
    if (x == 0 && y < 0)
        return lg_call_error(c, "2201F", "zero raised to a negative power is undefined");
    if (x < 0 && isfinite(y) && floor(y) != y)
        return lg_call_error(c, "2201F",
                             "a negative number raised to a non-integer power yields "
                             "a complex result");
    double r = pow(x, y);
    bool special = isinf(x) || isinf(y) || isnan(x) || isnan(y);
    return check8(c, r, special, special || x == 0);
}

LG_FN(dexp)
{
    double x = ARG_FLOAT8(0);
    return check8(c, exp(x), isinf(x), isinf(x));
}

static lg_datum
log_checked(lg_call *c, double (*fn)(double))
{
    double x = ARG_FLOAT8(0);
    if (x == 0)
        return lg_call_error(c, "2201E", "cannot take logarithm of zero");
    if (x < 0)
        return lg_call_error(c, "2201E", "cannot take logarithm of a negative number");
    return check8(c, fn(x), isinf(x), x == 1);
}

LG_FN(dlog1)
{
    return log_checked(c, log);
}
LG_FN(dlog10)
{
    return log_checked(c, log10);
}

static lg_datum
input_range(lg_call *c)
{
    return lg_call_error(c, "22003", "input is out of range");
}

#define MATH1(name, cond, expr)                                                                    \
    LG_FN(name)                                                                                    \
    {                                                                                              \
        double x = ARG_FLOAT8(0);                                                                  \
        if (isnan(x))                                                                              \
            return ARG(0);                                                                         \
        if (!(cond))                                                                               \
            return input_range(c);                                                                 \
        return lg_datum_float8(expr);                                                              \
    }

MATH1(dacos, x >= -1 && x <= 1, acos(x))
MATH1(dasin, x >= -1 && x <= 1, asin(x))
MATH1(datan, true, atan(x))
MATH1(dcos, !isinf(x), cos(x))
MATH1(dsin, !isinf(x), sin(x))
MATH1(dtan, !isinf(x), tan(x))
MATH1(dcot, !isinf(x), 1.0 / tan(x))
MATH1(dsinh, true, sinh(x))
MATH1(dcosh, true, cosh(x))
MATH1(dtanh, true, tanh(x))
MATH1(dasinh, true, asinh(x))
MATH1(dacosh, x >= 1, acosh(x))
MATH1(datanh, x >= -1 && x <= 1, atanh(x))
MATH1(degrees, true, x / (M_PI / 180.0))
MATH1(radians, true, x *(M_PI / 180.0))

LG_FN(datan2)
{
    return lg_datum_float8(atan2(ARG_FLOAT8(0), ARG_FLOAT8(1)));
}
LG_FN(dpi)
{
    return lg_datum_float8(M_PI);
}

/* Degrees: scaled by functions of constants, so that the multiples of 30 and 45 that have exact
 * answers give them (PostgreSQL's method). The volatile constants keep the compiler from folding
 * with another rounding. */
static const volatile double deg_30 = 30, deg_60 = 60, half = 0.5, unity = 1;
#define RADIANS (M_PI / 180.0)

static double
sin_0_30(double x)
{
    return sin(x * RADIANS) / sin(deg_30 * RADIANS) / 2.0;
}

static double
cos_0_60(double x)
{
    return 1.0 - (1.0 - cos(x * RADIANS)) / (1.0 - cos(deg_60 * RADIANS)) / 2.0;
}

/* First quadrant. */
static double
sin_q1(double x)
{
    return x <= 30 ? sin_0_30(x) : cos_0_60(90 - x);
}

static double
cos_q1(double x)
{
    return x <= 60 ? cos_0_60(x) : sin_0_30(90 - x);
}

static double
sin_deg(double x)
{
    double m = fmod(x, 360.0);
    int sign = 1;
    if (m < 0) {
        m = -m;
        sign = -1;
    }
    if (m > 180) {
        m = 360 - m;
        sign = -sign;
    }
    return sign * sin_q1(m > 90 ? 180 - m : m);
}

static double
cos_deg(double x)
{
    double m = fabs(fmod(x, 360.0));
    int sign = 1;
    if (m > 180)
        m = 360 - m;
    if (m > 90) {
        m = 180 - m;
        sign = -1;
    }
    return sign * cos_q1(m);
}

static double
tan_deg(double x, bool cotangent)
{
    double m = fmod(x, 360.0);
    int sign = 1;
    if (m < 0) {
        m = -m;
        sign = -1;
    }
    if (m > 180) {
        m = 360 - m;
        sign = -sign;
    }
    if (m > 90) {
        m = 180 - m;
        sign = -sign;
    }
    double s = sin_q1(m), k = cos_q1(m);
    double r = cotangent ? k / s / (cos_q1(45) / sin_q1(45)) : s / k / (sin_q1(45) / cos_q1(45));
    r *= sign;
    return r == 0 ? 0 : r;
}

static double
asin_q1(double x)
{
    return x <= 0.5 ? asin(x) / asin(half) * 30 : 90 - acos(x) / acos(half) * 60;
}

static double
acos_q1(double x)
{
    return x <= 0.5 ? 90 - asin(x) / asin(half) * 30 : acos(x) / acos(half) * 60;
}

MATH1(dsind, !isinf(x), sin_deg(x))
MATH1(dcosd, !isinf(x), cos_deg(x))
MATH1(dtand, !isinf(x), tan_deg(x, false))
MATH1(dcotd, !isinf(x), tan_deg(x, true))
MATH1(dasind, x >= -1 && x <= 1, x >= 0 ? asin_q1(x) : -asin_q1(-x))
MATH1(dacosd, x >= -1 && x <= 1, x >= 0 ? acos_q1(x) : 90 + asin_q1(-x))
MATH1(datand, true, atan(x) / atan(unity) * 45)
LG_FN(datan2d)
{
    return lg_datum_float8(atan2(ARG_FLOAT8(0), ARG_FLOAT8(1)) / atan(unity) * 45);
}

/* --- width_bucket, random --- */

LG_FN(width_bucket_float8)
{
    double op = ARG_FLOAT8(0), lo = ARG_FLOAT8(1), hi = ARG_FLOAT8(2);
    int32_t count = ARG_INT4(3);
    if (count <= 0)
        return lg_call_error(c, "2201G", "count must be greater than zero");
    if (isnan(op) || isnan(lo) || isnan(hi))
        return lg_call_error(c, "2201G", "operand, lower bound, and upper bound cannot be NaN");
    if (isinf(lo) || isinf(hi))
        return lg_call_error(c, "2201G", "lower and upper bounds must be finite");
    if (lo == hi)
        return lg_call_error(c, "2201G", "lower bound cannot equal upper bound");
    int64_t r;
    if (lo < hi)
        r = op < lo    ? 0
            : op >= hi ? (int64_t)count + 1
                       : (int64_t)((double)count * ((op - lo) / (hi - lo))) + 1;
    else
        r = op > lo    ? 0
            : op <= hi ? (int64_t)count + 1
                       : (int64_t)((double)count * ((lo - op) / (lo - hi))) + 1;
    return r > INT32_MAX ? lg_call_error(c, "22003", "integer out of range") : lg_datum_int8(r);
}

/* xoroshiro128** (Blackman, Vigna; public domain). */
static uint64_t
next_random(uint64_t s[2])
{
    uint64_t s0 = s[0], x = s[1] ^ s0, v = s0 * 5;
    v = (v << 7 | v >> 57) * 9;
    s[0] = (s0 << 24 | s0 >> 40) ^ x ^ (x << 16);
    s[1] = x << 37 | x >> 27;
    return v;
}

LG_FN(drandom)
{
    lg_env *e = c->env;
    if (!e->rand_seeded) {
        e->rand_state[0] = 0x9e3779b97f4a7c15ULL;
        if (e->random_bytes)
            e->random_bytes(e->arg, e->rand_state, sizeof e->rand_state);
        e->rand_state[0] |= 1; /* never all zero */
        e->rand_seeded = true;
    }
    return lg_datum_float8(ldexp((double)(next_random(e->rand_state) >> 12), -52));
}

LG_FN(setseed)
{
    double x = ARG_FLOAT8(0);
    if (!(x >= -1 && x <= 1)) {
        char b[40];
        lg_format_float8(x, extra_digits(c), b);
        return lg_call_error(c, "22023", "setseed parameter %s is out of allowed range [-1,1]", b);
    }
    c->env->rand_state[0] = ARG(0) | 1;
    c->env->rand_state[1] = ARG(0) ^ 0x9e3779b97f4a7c15ULL;
    c->env->rand_seeded = true;
    return 0;
}
