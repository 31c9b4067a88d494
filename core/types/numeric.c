/* NUMERIC arithmetic: packing, text, add, multiply, divide, round. Schoolbook algorithms in base
 * 10,000 (Knuth, TAOCP vol. 2, 4.3.1), with PostgreSQL's rules for the scale of results. */
#include "numeric.h"
#include "interrupt.h"
#include "assert.h"
#include "types_values.h"
#include "hash.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#define FLAG_NEG  0x4000u
#define FLAG_SPEC 0xc000u
#define FLAG_NAN  0xc000u
#define FLAG_PINF 0xd000u
#define FLAG_NINF 0xf000u

static lg_num
new_num(lg_arena *a, int32_t n)
{
    lg_num x = {LG_NUM_FINITE, false, 0, 0, n, NULL};
    x.d = lg_arena_alloc(a, sizeof(int16_t) * (size_t)(n > 0 ? n : 1));
    return x;
}

/* Drops zero digits at both ends; zero has no digits, no sign and weight 0. */
static lg_num
strip(lg_num x)
{
    while (x.n > 0 && x.d[0] == 0) {
        x.d++;
        x.n--;
        x.weight--;
    }
    while (x.n > 0 && x.d[x.n - 1] == 0)
        x.n--;
    if (x.n == 0) {
        x.neg = false;
        x.weight = 0;
    }
    return x;
}

/* --- stored form --- */

void
lg_numeric_view_of(lg_datum d, lg_numeric_view *v)
{
    const lg_varlen *p = lg_varlen_of(d);
    uint16_t flags;
    int16_t weight;
    memcpy(&flags, p->data, 2);
    memcpy(&weight, p->data + 2, 2);
    bool special = (flags & FLAG_SPEC) == FLAG_SPEC;
    v->nan = flags == FLAG_NAN;
    v->inf = special && !v->nan;
    v->negative = special ? flags == FLAG_NINF : (flags & FLAG_NEG) != 0;
    v->weight = weight;
    v->dscale = special ? 0 : flags & 0x3fff;
    v->ndigits = special ? 0 : (int32_t)((p->len - 4) / 2);
    v->digits = p->data + 4;
}

lg_num
lg_num_unpack(lg_arena *a, lg_datum d)
{
    lg_numeric_view v;
    lg_numeric_view_of(d, &v);
    lg_num x = new_num(a, v.ndigits);
    x.kind = v.nan ? LG_NUM_NAN : !v.inf ? LG_NUM_FINITE : v.negative ? LG_NUM_NINF : LG_NUM_PINF;
    x.neg = v.negative;
    x.weight = v.weight;
    x.dscale = v.dscale;
    memcpy(x.d, v.digits, 2 * (size_t)v.ndigits);
    return x;
}

bool
lg_num_pack(lg_arena *a, const lg_num *in, lg_datum *ret)
{
    lg_num x = in->kind == LG_NUM_FINITE ? strip(*in) : *in;
    uint16_t flags = (uint16_t)(x.dscale & 0x3fff);
    if (x.kind != LG_NUM_FINITE) {
        flags = x.kind == LG_NUM_NAN ? FLAG_NAN : x.kind == LG_NUM_PINF ? FLAG_PINF : FLAG_NINF;
        x.n = 0;
        x.weight = 0;
    } else if (x.neg) {
        flags |= FLAG_NEG;
    }
    if (x.weight > LG_NUM_MAX_WEIGHT || x.weight < -LG_NUM_MAX_WEIGHT - 1 ||
        x.dscale > LG_NUM_MAX_DSCALE)
        return false;
    lg_varlen *p = lg_varlen_new(a, 4 + 2 * (size_t)x.n);
    int16_t weight = (int16_t)x.weight;
    memcpy(p->data, &flags, 2);
    memcpy(p->data + 2, &weight, 2);
    if (x.n)
        memcpy(p->data + 4, x.d, 2 * (size_t)x.n);
    *ret = lg_datum_ptr(p);
    return true;
}

lg_num
lg_num_of_int128(lg_arena *a, __int128 v)
{
    lg_num x = new_num(a, 10);
    unsigned __int128 u = v < 0 ? 0 - (unsigned __int128)v : (unsigned __int128)v;
    int i = 10;
    for (; u; u /= LG_NUM_BASE)
        x.d[--i] = (int16_t)(u % LG_NUM_BASE);
    x.d += i;
    x.n = 10 - i;
    x.weight = x.n - 1;
    x.neg = v < 0;
    return strip(x);
}

lg_num
lg_num_of_int(lg_arena *a, int64_t v)
{
    return lg_num_of_int128(a, v);
}

bool
lg_num_to_int64(lg_arena *a, const lg_num *in, int64_t *ret)
{
    if (in->kind != LG_NUM_FINITE)
        return false;
    lg_num x = strip(lg_num_round(a, in, 0));
    __int128 v = 0;
    if (x.weight > 5)
        return false;
    for (int i = 0; i <= x.weight; i++)
        v = v * LG_NUM_BASE + (i < x.n ? x.d[i] : 0);
    if (x.neg)
        v = -v;
    if (v < INT64_MIN || v > INT64_MAX)
        return false;
    *ret = (int64_t)v;
    return true;
}

/* --- text --- */

/* Sets digits from decimal digits: nd digits, the point after the first `before` of them. */
static lg_num
from_decimals(lg_arena *a, const char *digits, int64_t nd, int64_t before, bool neg, int32_t dscale)
{
    /* weight of the first base digit and how far its first decimal is from its left edge */
    int64_t dweight = before - 1;
    int64_t weight = dweight >= 0 ? dweight / LG_NUM_DEC : -((-dweight - 1) / LG_NUM_DEC + 1);
    int64_t offset = (weight + 1) * LG_NUM_DEC - (dweight + 1);
    int64_t n = (nd + offset + LG_NUM_DEC - 1) / LG_NUM_DEC;
    lg_num x = new_num(a, (int32_t)n);
    for (int64_t i = 0, k = -offset; i < n; i++) {
        int v = 0;
        for (int j = 0; j < LG_NUM_DEC; j++, k++)
            v = v * 10 + (k >= 0 && k < nd ? digits[k] - '0' : 0);
        x.d[i] = (int16_t)v;
    }
    x.weight = (int32_t)weight;
    x.neg = neg;
    x.dscale = dscale;
    return strip(x);
}

bool
lg_num_parse(lg_arena *a, const char *s, lg_num *ret, const char **ret_end)
{
    const char *p = s;
    bool neg = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    size_t max = strlen(p);
    char *digits = lg_arena_alloc(a, max + 1);
    int64_t nd = 0, before = 0, scale = 0;
    bool point = false;
    if (!isdigit((unsigned char)*p) && !(*p == '.' && isdigit((unsigned char)p[1])))
        return false;
    for (; isdigit((unsigned char)*p) || (*p == '.' && !point); p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        digits[nd++] = *p;
        before += !point;
        scale += point;
    }
    if (*p == 'e' || *p == 'E') {
        char *end;
        if (!isdigit((unsigned char)p[1]) &&
            !((p[1] == '+' || p[1] == '-') && isdigit((unsigned char)p[2])))
            return false;
        long exp = strtol(p + 1, &end, 10);
        if (exp >= INT32_MAX / 2 || exp <= -(INT32_MAX / 2))
            exp = exp > 0 ? INT32_MAX / 4 : -(INT32_MAX / 4);
        p = end;
        before += exp;
        scale = scale - exp > 0 ? scale - exp : 0;
    }
    *ret_end = p;
    *ret =
        from_decimals(a, digits, nd, before, neg, (int32_t)(scale > INT32_MAX ? INT32_MAX : scale));
    return true;
}

char *
lg_num_text(lg_arena *a, const lg_num *in)
{
    if (in->kind != LG_NUM_FINITE)
        return in->kind == LG_NUM_NAN ? "NaN" : in->kind == LG_NUM_PINF ? "Infinity" : "-Infinity";
    lg_num x = lg_num_round(a, in, in->dscale);
    size_t before = x.weight >= 0 ? ((size_t)x.weight + 1) * LG_NUM_DEC : 1;
    char *s = lg_arena_alloc(a, before + (size_t)x.dscale + 12), *p = s;
    if (x.neg && x.n)
        *p++ = '-';
    if (x.weight < 0 || x.n == 0)
        *p++ = '0';
    else
        for (int i = 0; i <= x.weight; i++) {
            int v = i < x.n ? x.d[i] : 0;
            char t[4] = {(char)('0' + v / 1000), (char)('0' + v / 100 % 10),
                         (char)('0' + v / 10 % 10), (char)('0' + v % 10)};
            int skip = i ? 0 : v < 10 ? 3 : v < 100 ? 2 : v < 1000 ? 1 : 0;
            memcpy(p, t + skip, (size_t)(4 - skip));
            p += 4 - skip;
        }
    if (x.dscale > 0) {
        *p++ = '.';
        char *end = p + x.dscale;
        for (int i = x.n ? x.weight + 1 : 0; p < end; i++) {
            int v = i >= 0 && i < x.n ? x.d[i] : 0;
            for (int j = 0; j < LG_NUM_DEC; j++, v *= 10)
                *p++ = (char)('0' + v / 1000 % 10);
        }
        p = end;
    }
    *p = 0;
    return s;
}

double
lg_num_to_double(lg_arena *a, const lg_num *x)
{
    if (x->kind != LG_NUM_FINITE)
        return x->kind == LG_NUM_NAN ? NAN : x->kind == LG_NUM_PINF ? INFINITY : -INFINITY;
    return strtod(lg_num_text(a, x), NULL);
}

/* --- comparison --- */

bool
lg_num_is_zero(const lg_num *x)
{
    if (x->kind != LG_NUM_FINITE)
        return false;
    for (int i = 0; i < x->n; i++)
        if (x->d[i])
            return false;
    return true;
}

int
lg_num_compare_abs(const lg_num *xin, const lg_num *yin)
{
    lg_num x = strip(*xin), y = strip(*yin);
    if (x.n == 0 || y.n == 0)
        return (x.n > 0) - (y.n > 0);
    if (x.weight != y.weight)
        return x.weight > y.weight ? 1 : -1;
    for (int i = 0; i < x.n && i < y.n; i++)
        if (x.d[i] != y.d[i])
            return x.d[i] > y.d[i] ? 1 : -1;
    return (x.n > y.n) - (x.n < y.n);
}

/* -inf < finite < inf < NaN */
static int
rank_of(lg_num_kind k)
{
    return k == LG_NUM_NINF ? 0 : k == LG_NUM_FINITE ? 1 : k == LG_NUM_PINF ? 2 : 3;
}

int
lg_num_compare(const lg_num *x, const lg_num *y)
{
    if (x->kind != LG_NUM_FINITE || y->kind != LG_NUM_FINITE)
        return rank_of(x->kind) - rank_of(y->kind);
    bool xn = x->neg && !lg_num_is_zero(x), yn = y->neg && !lg_num_is_zero(y);
    if (xn != yn)
        return xn ? -1 : 1;
    int r = lg_num_compare_abs(x, y);
    return xn ? -r : r;
}

int
lg_numeric_compare(lg_datum a, lg_datum b)
{
    lg_numeric_view x, y;
    lg_numeric_view_of(a, &x);
    lg_numeric_view_of(b, &y);
    int rx = x.nan ? 3 : x.inf ? (x.negative ? 0 : 2) : 1;
    int ry = y.nan ? 3 : y.inf ? (y.negative ? 0 : 2) : 1;
    if (rx != 1 || ry != 1)
        return (rx > ry) - (rx < ry);
    int sx = x.ndigits == 0 ? 0 : x.negative ? -1 : 1;
    int sy = y.ndigits == 0 ? 0 : y.negative ? -1 : 1;
    if (sx != sy || sx == 0)
        return (sx > sy) - (sx < sy);
    int r = (x.weight > y.weight) - (x.weight < y.weight);
    for (int i = 0; r == 0 && i < x.ndigits && i < y.ndigits; i++)
        r = (lg_numeric_digit(&x, i) > lg_numeric_digit(&y, i)) -
            (lg_numeric_digit(&x, i) < lg_numeric_digit(&y, i));
    if (r == 0)
        r = (x.ndigits > y.ndigits) - (x.ndigits < y.ndigits);
    return sx < 0 ? -r : r;
}

uint64_t
lg_numeric_hash(lg_datum d)
{
    lg_numeric_view v;
    lg_numeric_view_of(d, &v);
    if (v.nan || v.inf)
        return lg_hash_u64(v.nan ? 1 : v.negative ? 2 : 3);
    if (v.ndigits == 0)
        return lg_hash_u64(0);
    return lg_hash_bytes(v.digits, 2 * (size_t)v.ndigits, (uint64_t)(v.weight * 2 + v.negative));
}

/* --- add and subtract --- */

static inline int
digit_at(const lg_num *x, int32_t weight)
{
    int32_t i = x->weight - weight;
    return i >= 0 && i < x->n ? x->d[i] : 0;
}

static int32_t
low_weight(const lg_num *x)
{
    return x->weight - x->n + 1;
}

static lg_num
add_abs(lg_arena *a, const lg_num *x, const lg_num *y)
{
    int32_t hi = (x->weight > y->weight ? x->weight : y->weight) + 1;
    int32_t lo = low_weight(x) < low_weight(y) ? low_weight(x) : low_weight(y);
    lg_num r = new_num(a, hi - lo + 1);
    int carry = 0;
    for (int32_t w = lo; w <= hi; w++) {
        int v = digit_at(x, w) + digit_at(y, w) + carry;
        carry = v >= LG_NUM_BASE;
        r.d[hi - w] = (int16_t)(carry ? v - LG_NUM_BASE : v);
    }
    r.weight = hi;
    return r;
}

/* |x| >= |y| */
static lg_num
sub_abs(lg_arena *a, const lg_num *x, const lg_num *y)
{
    int32_t hi = x->weight > y->weight ? x->weight : y->weight;
    int32_t lo = low_weight(x) < low_weight(y) ? low_weight(x) : low_weight(y);
    lg_num r = new_num(a, hi - lo + 1);
    int borrow = 0;
    for (int32_t w = lo; w <= hi; w++) {
        int v = digit_at(x, w) - digit_at(y, w) - borrow;
        borrow = v < 0;
        r.d[hi - w] = (int16_t)(borrow ? v + LG_NUM_BASE : v);
    }
    r.weight = hi;
    return r;
}

lg_num
lg_num_neg(lg_num x)
{
    if (x.kind == LG_NUM_PINF || x.kind == LG_NUM_NINF)
        x.kind = x.kind == LG_NUM_PINF ? LG_NUM_NINF : LG_NUM_PINF;
    else if (x.n)
        x.neg = !x.neg;
    return x;
}

lg_num
lg_num_add(lg_arena *a, const lg_num *xin, const lg_num *yin)
{
    lg_num x = strip(*xin), y = strip(*yin), r;
    if (x.n == 0 || y.n == 0) {
        r = x.n ? x : y;
    } else if (x.neg == y.neg) {
        r = add_abs(a, &x, &y);
        r.neg = x.neg;
    } else {
        bool swap = lg_num_compare_abs(&x, &y) < 0;
        r = swap ? sub_abs(a, &y, &x) : sub_abs(a, &x, &y);
        r.neg = swap ? y.neg : x.neg;
    }
    r.dscale = x.dscale > y.dscale ? x.dscale : y.dscale;
    return strip(r);
}

lg_num
lg_num_sub(lg_arena *a, const lg_num *x, const lg_num *y)
{
    lg_num m = lg_num_neg(*y);
    return lg_num_add(a, x, &m);
}

/* --- round and truncate --- */

lg_num
lg_num_trunc(lg_arena *a, const lg_num *in, int rscale)
{
    lg_num x = strip(*in);
    /* decimals kept, counted from the first base digit's left edge */
    int64_t keep = (int64_t)(x.weight + 1) * LG_NUM_DEC + rscale;
    x.dscale = rscale > 0 ? rscale : 0;
    if (x.n == 0 || keep >= (int64_t)x.n * LG_NUM_DEC)
        return x;
    if (keep <= 0) {
        x.n = 0;
        return strip(x);
    }
    lg_num r = new_num(a, (int32_t)((keep + LG_NUM_DEC - 1) / LG_NUM_DEC));
    memcpy(r.d, x.d, sizeof(int16_t) * (size_t)r.n);
    static const int pow10[] = {1, 10, 100, 1000};
    int cut = (int)(r.n * LG_NUM_DEC - keep);
    r.d[r.n - 1] = (int16_t)(r.d[r.n - 1] - r.d[r.n - 1] % pow10[cut]);
    r.neg = x.neg;
    r.weight = x.weight;
    r.dscale = x.dscale;
    return strip(r);
}

/* Half away from zero. */
lg_num
lg_num_round(lg_arena *a, const lg_num *in, int rscale)
{
    lg_num x = strip(*in);
    int64_t keep = (int64_t)(x.weight + 1) * LG_NUM_DEC + rscale;
    if (x.n == 0 || keep >= (int64_t)x.n * LG_NUM_DEC) {
        x.dscale = rscale > 0 ? rscale : 0;
        return x;
    }
    lg_num r = lg_num_trunc(a, &x, rscale);
    if (keep < 0)
        return r;
    /* the first decimal that was cut */
    static const int pow10[] = {1000, 100, 10, 1};
    int64_t i = keep / LG_NUM_DEC;
    int next = x.d[i] / pow10[keep % LG_NUM_DEC] % 10;
    if (next < 5)
        return r;
    int32_t dweight = -rscale; /* add 10^-rscale */
    char one[] = "1";
    lg_num ulp = from_decimals(a, one, 1, (int64_t)dweight + 1, x.neg, r.dscale);
    lg_num sum = lg_num_add(a, &r, &ulp);
    sum.dscale = r.dscale;
    return sum;
}

lg_num
lg_num_floor(lg_arena *a, const lg_num *x)
{
    lg_num t = lg_num_trunc(a, x, 0);
    if (x->neg && lg_num_compare(&t, x) != 0) {
        lg_num one = lg_num_of_int(a, 1);
        t = lg_num_sub(a, &t, &one);
    }
    return t;
}

lg_num
lg_num_ceil(lg_arena *a, const lg_num *x)
{
    lg_num t = lg_num_trunc(a, x, 0);
    if (!x->neg && lg_num_compare(&t, x) != 0) {
        lg_num one = lg_num_of_int(a, 1);
        t = lg_num_add(a, &t, &one);
    }
    return t;
}

/* --- multiply and divide --- */

/* A computation that is given up (lg_poll) goes on with 1: nothing divides by zero, nothing grows. */
#define POLL_WORK (1 << 17) /* digits */

static lg_num
given_up(lg_arena *a, int rscale)
{
    lg_num one = lg_num_of_int(a, 1);
    one.dscale = rscale;
    return one;
}

lg_num
lg_num_mul(lg_arena *a, const lg_num *xin, const lg_num *yin, int rscale)
{
    lg_num x = strip(*xin), y = strip(*yin);
    if (x.n == 0 || y.n == 0) {
        lg_num z = new_num(a, 0);
        z.dscale = rscale;
        return z;
    }
    int32_t n = x.n + y.n;
    int64_t *acc = lg_arena_zalloc(a, sizeof(int64_t) * (size_t)n);
    int32_t work = 0;
    for (int32_t i = 0; i < x.n; i++) {
        for (int32_t j = 0; x.d[i] && j < y.n; j++)
            acc[i + j + 1] += (int64_t)x.d[i] * y.d[j];
        if ((work += y.n) > POLL_WORK) {
            work = 0;
            if (lg_poll())
                return given_up(a, rscale);
        }
    }
    lg_num r = new_num(a, n);
    int64_t carry = 0;
    for (int32_t i = n - 1; i >= 0; i--) {
        int64_t v = acc[i] + carry;
        carry = v / LG_NUM_BASE;
        r.d[i] = (int16_t)(v % LG_NUM_BASE);
    }
    LG_ASSERT(carry == 0);
    r.weight = x.weight + y.weight + 1;
    r.neg = x.neg != y.neg;
    r.dscale = x.dscale + y.dscale;
    return lg_num_round(a, &r, rscale);
}

/* Divides u (nu digits, u[0] spare zero) by v (nv >= 2 digits) in place: quotient digits q[0..nq).
 * Knuth's algorithm D; u and v are scaled first so that v[0] >= base/2. False: given up. */
static bool
divide_digits(int32_t *u, int32_t *v, int32_t nv, int16_t *q, int32_t nq)
{
    int32_t work = 0;
    int32_t scale = LG_NUM_BASE / (v[0] + 1);
    if (scale > 1) {
        int32_t carry = 0;
        for (int32_t i = nv - 1; i >= 0; i--) {
            int32_t x = v[i] * scale + carry;
            v[i] = x % LG_NUM_BASE;
            carry = x / LG_NUM_BASE;
        }
        carry = 0;
        for (int32_t i = nq + nv - 1; i >= 0; i--) {
            int32_t x = u[i] * scale + carry;
            u[i] = x % LG_NUM_BASE;
            carry = x / LG_NUM_BASE;
        }
    }
    for (int32_t j = 0; j < nq; j++) {
        int32_t top = u[j] * LG_NUM_BASE + u[j + 1];
        int32_t qhat = top / v[0], rhat = top % v[0];
        while (qhat >= LG_NUM_BASE ||
               (int64_t)qhat * v[1] > (int64_t)rhat * LG_NUM_BASE + u[j + 2]) {
            qhat--;
            rhat += v[0];
            if (rhat >= LG_NUM_BASE)
                break;
        }
        int32_t borrow = 0;
        for (int32_t i = nv - 1; i >= 0; i--) {
            int32_t x = u[j + 1 + i] - qhat * v[i] - borrow;
            borrow = x < 0 ? (-x + LG_NUM_BASE - 1) / LG_NUM_BASE : 0;
            u[j + 1 + i] = x + borrow * LG_NUM_BASE;
        }
        u[j] -= borrow;
        if (u[j] < 0) { /* one too many: add back */
            qhat--;
            int32_t carry = 0;
            for (int32_t i = nv - 1; i >= 0; i--) {
                int32_t x = u[j + 1 + i] + v[i] + carry;
                carry = x >= LG_NUM_BASE;
                u[j + 1 + i] = carry ? x - LG_NUM_BASE : x;
            }
            u[j] += carry;
        }
        q[j] = (int16_t)qhat;
        if ((work += nv) > POLL_WORK) {
            work = 0;
            if (lg_poll())
                return false;
        }
    }
    return true;
}

lg_num
lg_num_div(lg_arena *a, const lg_num *xin, const lg_num *yin, int rscale, bool round)
{
    lg_num x = strip(*xin), y = strip(*yin);
    LG_ASSERT(y.n > 0);
    if (x.n == 0) {
        lg_num z = new_num(a, 0);
        z.dscale = rscale;
        return z;
    }
    /* quotient digits needed: all before the point, rscale decimals after it, one to round by */
    int64_t wq = (int64_t)x.weight - y.weight;
    int64_t nq64 = wq + 1 + (rscale + LG_NUM_DEC - 1) / LG_NUM_DEC + 1;
    int32_t nq = nq64 < 1 ? 1 : (int32_t)nq64;
    int32_t nv = y.n < 2 ? 2 : y.n;
    size_t nu = (size_t)nq + (size_t)nv + 1;
    int32_t *u = lg_arena_zalloc(a, sizeof(int32_t) * (nu + 1));
    int32_t *v = lg_arena_zalloc(a, sizeof(int32_t) * (size_t)nv);
    for (int32_t i = 0; i < y.n; i++)
        v[i] = y.d[i];
    for (int32_t i = 0; i < x.n && (size_t)i + 1 < nu; i++)
        u[i + 1] = x.d[i];
    lg_num q = new_num(a, nq);
    if (!divide_digits(u, v, nv, q.d, nq))
        return given_up(a, rscale);
    q.weight = (int32_t)wq;
    q.neg = x.neg != y.neg;
    q.dscale = rscale;
    return round ? lg_num_round(a, &q, rscale) : lg_num_trunc(a, &q, rscale);
}

/* At least 16 significant digits, and no fewer decimals than either operand shows. */
int
lg_num_div_scale(const lg_num *xin, const lg_num *yin)
{
    lg_num x = strip(*xin), y = strip(*yin);
    int first_x = x.n ? x.d[0] : 0, first_y = y.n ? y.d[0] : 0;
    int qweight = (x.n ? x.weight : 0) - (y.n ? y.weight : 0);
    if (first_x <= first_y)
        qweight--;
    int r = LG_NUM_MIN_SIG - qweight * LG_NUM_DEC;
    r = r < x.dscale ? x.dscale : r;
    r = r < y.dscale ? y.dscale : r;
    return r < 0 ? 0 : r > LG_NUM_MAX_SCALE ? LG_NUM_MAX_SCALE : r;
}

/* x - y * trunc(x / y) */
lg_num
lg_num_mod(lg_arena *a, const lg_num *x, const lg_num *y)
{
    lg_num q = lg_num_div(a, x, y, 0, false);
    lg_num p = lg_num_mul(a, &q, y, y->dscale);
    lg_num r = lg_num_sub(a, x, &p);
    return r;
}

/* --- running sums --- */

static void
sum_cover(lg_num_sum *s, lg_arena *perm, int32_t hi, int32_t lo)
{
    int32_t old_lo = s->hi - s->n + 1;
    if (s->n && hi <= s->hi && lo >= old_lo)
        return;
    int32_t new_hi = s->n && s->hi > hi ? s->hi : hi;
    int32_t new_lo = s->n && old_lo < lo ? old_lo : lo;
    if (s->n) { /* some room, so that a slowly growing sum seldom comes here */
        new_hi += hi > s->hi;
        new_lo -= lo < old_lo;
    }
    int32_t n = new_hi - new_lo + 1;
    int64_t *d = lg_arena_zalloc(perm, sizeof *d * (size_t)n);
    if (s->n)
        memcpy(d + (new_hi - s->hi), s->d, sizeof *d * (size_t)s->n);
    s->d = d;
    s->hi = new_hi;
    s->n = n;
}

void
lg_num_sum_add(lg_num_sum *s, lg_arena *perm, const lg_numeric_view *v, int sign)
{
    if (v->dscale > s->dscale)
        s->dscale = v->dscale;
    if (v->ndigits == 0)
        return;
    sum_cover(s, perm, v->weight, v->weight - v->ndigits + 1);
    int64_t *d = s->d + (s->hi - v->weight);
    if (v->negative)
        sign = -sign;
    for (int32_t i = 0; i < v->ndigits; i++)
        d[i] += sign * lg_numeric_digit(v, i);
}

lg_num
lg_num_sum_result(const lg_num_sum *s, lg_arena *a)
{
    /* carry so that every digit is in (-base, base), then all take the sign of the first */
    int32_t n = s->n + 6;
    int64_t *d = lg_arena_zalloc(a, sizeof *d * (size_t)(n > 0 ? n : 1));
    if (s->n)
        memcpy(d + 6, s->d, sizeof *d * (size_t)s->n);
    for (int32_t i = n - 1; i > 0; i--) {
        d[i - 1] += d[i] / LG_NUM_BASE;
        d[i] %= LG_NUM_BASE;
    }
    bool neg = false;
    for (int32_t i = 0; i < n; i++)
        if (d[i]) {
            neg = d[i] < 0;
            break;
        }
    lg_num r = new_num(a, n);
    for (int32_t i = n - 1; i >= 0; i--) {
        int64_t v = neg ? -d[i] : d[i];
        if (v < 0) {
            v += LG_NUM_BASE;
            d[i - 1] += neg ? 1 : -1;
        }
        r.d[i] = (int16_t)v;
    }
    r.neg = neg;
    r.weight = s->hi + 6;
    r.dscale = s->dscale;
    return strip(r);
}
