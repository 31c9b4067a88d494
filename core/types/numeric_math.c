/* NUMERIC functions that have no exact result: computed with guard digits, then rounded to the
 * scale that PostgreSQL would choose. */
#include "numeric.h"
#include "assert.h"
#include "interrupt.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define GUARD 12 /* decimal digits beyond what the result shows */

static int
clamp_scale(int r)
{
    return r < 0 ? 0 : r > LG_NUM_MAX_SCALE ? LG_NUM_MAX_SCALE : r;
}

static int
max(int a, int b)
{
    return a > b ? a : b;
}

/* Newton's iteration on m in [1, 10^8), where x = m * 10000^(2w). */
lg_num
lg_num_sqrt(lg_arena *a, const lg_num *x, int rscale)
{
    lg_num m = lg_num_trunc(a, x, x->dscale + LG_NUM_DEC);
    if (lg_num_is_zero(&m)) {
        m.dscale = rscale;
        return m;
    }
    int32_t w = m.weight >= 0 ? m.weight / 2 : -((-m.weight + 1) / 2);
    m.weight -= 2 * w;
    m.dscale = max(0, (m.n - 1 - m.weight) * LG_NUM_DEC);
    int scale = max(rscale + LG_NUM_DEC * w, 0) + GUARD;
    char start[40];
    const char *end;
    lg_num s, two = lg_num_of_int(a, 2);
    snprintf(start, sizeof start, "%.15f", sqrt(lg_num_to_double(a, &m)));
    LG_ASSERT(lg_num_parse(a, start, &s, &end));
    for (int good = 14; good < 2 * scale + 10; good *= 2) {
        lg_num q = lg_num_div(a, &m, &s, scale, true);
        s = lg_num_add(a, &s, &q);
        s = lg_num_div(a, &s, &two, scale, true);
    }
    if (!lg_num_is_zero(&s))
        s.weight += w;
    s.dscale = max(0, s.dscale - LG_NUM_DEC * w);
    return lg_num_round(a, &s, rscale);
}

/* Taylor's series of x / 2^k, squared k times. The caller has checked that the result is in range:
 * |x| < 6,000 or so. */
lg_num
lg_num_exp(lg_arena *a, const lg_num *x, int rscale)
{
    double v = lg_num_to_double(a, x);
    int dweight = v > 0 ? (int)(v * 0.434294481903252) + 1 : 0;
    int k = 0;
    for (double t = fabs(v); t > 0.01; t /= 2)
        k++;
    int scale = rscale + dweight + GUARD + k / 3;
    lg_num two_k = lg_num_of_int(a, 1LL << k);
    lg_num r = lg_num_div(a, x, &two_k, scale, true);
    lg_num sum = lg_num_of_int(a, 1), term = sum;
    for (int i = 1;; i++) {
        lg_num n = lg_num_of_int(a, i);
        term = lg_num_mul(a, &term, &r, scale);
        term = lg_num_div(a, &term, &n, scale, true);
        if (lg_num_is_zero(&term) || lg_poll())
            break;
        sum = lg_num_add(a, &sum, &term);
    }
    for (; k > 0; k--)
        sum = lg_num_mul(a, &sum, &sum, scale);
    return lg_num_round(a, &sum, rscale);
}

/* x > 0. Square roots bring x near 1, then 2 atanh((x - 1) / (x + 1)). */
lg_num
lg_num_ln(lg_arena *a, const lg_num *x, int rscale)
{
    lg_num one = lg_num_of_int(a, 1), y = *x;
    int scale = rscale + GUARD + 4;
    bool invert = lg_num_compare(x, &one) < 0;
    if (invert)
        y = lg_num_div(a, &one, x, max(scale, x->dscale + GUARD), true);
    const char *end;
    lg_num near;
    LG_ASSERT(lg_num_parse(a, "1.1", &near, &end));
    int roots = 0;
    while (lg_num_compare(&y, &near) > 0 && !lg_poll()) {
        y = lg_num_sqrt(a, &y, scale + roots / 3);
        roots++;
    }
    lg_num num = lg_num_sub(a, &y, &one), den = lg_num_add(a, &y, &one);
    lg_num z = lg_num_div(a, &num, &den, scale, true);
    lg_num z2 = lg_num_mul(a, &z, &z, scale);
    lg_num sum = z, power = z;
    for (int i = 3;; i += 2) {
        lg_num n = lg_num_of_int(a, i);
        power = lg_num_mul(a, &power, &z2, scale);
        lg_num term = lg_num_div(a, &power, &n, scale, true);
        if (lg_num_is_zero(&term) || lg_poll())
            break;
        sum = lg_num_add(a, &sum, &term);
    }
    lg_num factor = lg_num_of_int(a, 2LL << roots);
    sum = lg_num_mul(a, &sum, &factor, scale);
    if (invert)
        sum = lg_num_neg(sum);
    return lg_num_round(a, &sum, rscale);
}

/* The decimal weight of ln(x), roughly: where its first significant digit will be. */
int
lg_num_ln_dweight(lg_arena *a, const lg_num *x)
{
    const char *end;
    lg_num lo, hi, one = lg_num_of_int(a, 1);
    LG_ASSERT(lg_num_parse(a, "0.9", &lo, &end));
    LG_ASSERT(lg_num_parse(a, "1.1", &hi, &end));
    if (lg_num_is_zero(x) || x->neg)
        return 0;
    if (lg_num_compare(x, &lo) >= 0 && lg_num_compare(x, &hi) <= 0) {
        lg_num d = lg_num_sub(a, x, &one);
        if (d.n == 0)
            return 0;
        return d.weight * LG_NUM_DEC + (int)log10((double)d.d[0]);
    }
    int digits = x->d[0], dweight = x->weight * LG_NUM_DEC;
    if (x->n > 1) {
        digits = digits * LG_NUM_BASE + x->d[1];
        dweight -= LG_NUM_DEC;
    }
    double ln = log((double)digits) + dweight * 2.302585092994046;
    return (int)log10(fabs(ln));
}

lg_num
lg_num_log(lg_arena *a, const lg_num *base, const lg_num *x)
{
    int bw = lg_num_ln_dweight(a, base), xw = lg_num_ln_dweight(a, x);
    int rw = xw - bw;
    int rscale = clamp_scale(max(max(LG_NUM_MIN_SIG - rw, base->dscale), x->dscale));
    lg_num lb = lg_num_ln(a, base, max(rscale + rw - bw + 8, 0));
    lg_num lx = lg_num_ln(a, x, max(rscale + rw - xw + 8, 0));
    return lg_num_div(a, &lx, &lb, rscale, true);
}

/* An integer exponent: repeated squaring. False: overflow. */
static bool
power_int(lg_arena *a, const lg_num *base, int32_t exp, int rscale, lg_num *ret)
{
    lg_num one = lg_num_of_int(a, 1), b = lg_num_trunc(a, base, base->dscale);
    switch (exp) {
    case 0:
        *ret = one;
        ret->dscale = rscale;
        return true;
    case 1:
        *ret = lg_num_round(a, &b, rscale);
        return true;
    case -1:
        *ret = lg_num_div(a, &one, &b, rscale, true);
        return true;
    case 2:
        *ret = lg_num_mul(a, &b, &b, rscale);
        return true;
    default:
        break;
    }
    if (lg_num_is_zero(&b)) {
        *ret = b;
        ret->dscale = rscale;
        return true;
    }
    double f = b.d[0];
    int p = b.weight * LG_NUM_DEC;
    for (int i = 1; i < b.n && i * LG_NUM_DEC < 16; i++) {
        f = f * LG_NUM_BASE + b.d[i];
        p -= LG_NUM_DEC;
    }
    f = exp * (log10(f) + p);
    if (f > (double)(LG_NUM_MAX_WEIGHT + 1) * LG_NUM_DEC)
        return false;
    if (f + 1 < -rscale || f + 1 < -LG_NUM_MAX_SCALE) {
        lg_num zero = lg_num_of_int(a, 0);
        zero.dscale = rscale;
        *ret = zero;
        return true;
    }
    int sig = 1 + rscale + (int)f;
    sig = max(sig, 0) + (int)log(fabs((double)exp)) + 8;
    uint32_t mask = exp < 0 ? 0u - (uint32_t)exp : (uint32_t)exp;
    lg_num r = mask & 1 ? b : one;
    while ((mask >>= 1) > 0) {
        int scale = sig - 2 * b.weight * LG_NUM_DEC;
        scale = max(scale < 2 * b.dscale ? scale : 2 * b.dscale, 0);
        b = lg_num_mul(a, &b, &b, scale);
        if (mask & 1) {
            scale = sig - (b.weight + r.weight) * LG_NUM_DEC;
            scale = max(scale < b.dscale + r.dscale ? scale : b.dscale + r.dscale, 0);
            r = lg_num_mul(a, &b, &r, scale);
        }
        if (b.weight > LG_NUM_MAX_WEIGHT || r.weight > LG_NUM_MAX_WEIGHT) {
            if (exp > 0)
                return false;
            r = lg_num_of_int(a, 0);
            r.dscale = rscale;
            *ret = r;
            return true;
        }
    }
    *ret = exp < 0 ? lg_num_div(a, &one, &r, rscale, true) : lg_num_round(a, &r, rscale);
    return true;
}

bool
lg_num_power(lg_arena *a, const lg_num *base, const lg_num *exp, lg_num *ret)
{
    int64_t e;
    bool integral = exp->n <= exp->weight + 1;
    if (integral && lg_num_to_int64(a, exp, &e) && e == (int32_t)e)
        return power_int(a, base, (int32_t)e, clamp_scale(max(LG_NUM_MIN_SIG, base->dscale)), ret);
    if (lg_num_is_zero(base)) {
        *ret = lg_num_of_int(a, 0);
        ret->dscale = LG_NUM_MIN_SIG;
        return true;
    }
    lg_num b = *base;
    bool neg = false;
    if (b.neg) { /* the caller has made sure that exp is integral; odd if its last digit is */
        neg = exp->n == exp->weight + 1 && (exp->d[exp->n - 1] & 1);
        b.neg = false;
    }
    int lw = lg_num_ln_dweight(a, &b);
    int scale = clamp_scale(8 - lw);
    lg_num ln = lg_num_ln(a, &b, scale);
    lg_num y = lg_num_mul(a, &ln, exp, scale);
    double v = lg_num_to_double(a, &y);
    if (fabs(v) > 2000 * 3.01) {
        if (v > 0)
            return false;
        *ret = lg_num_of_int(a, 0);
        ret->dscale = LG_NUM_MAX_SCALE;
        return true;
    }
    v *= 0.434294481903252;
    int rscale = LG_NUM_MIN_SIG - (int)v;
    rscale = clamp_scale(max(max(rscale, b.dscale), exp->dscale));
    scale = max(rscale + (int)v - lw + 8, 0);
    ln = lg_num_ln(a, &b, scale + GUARD);
    y = lg_num_mul(a, &ln, exp, scale + GUARD);
    *ret = lg_num_exp(a, &y, rscale);
    ret->neg = neg && !lg_num_is_zero(ret);
    return true;
}
