/* NUMERIC: exact decimals in base 10,000, with PostgreSQL's limits and scale rules.
 *
 * A stored value is a varlen payload {u16 flags, i16 weight, i16 digits[]}: flags 0x4000 negative,
 * 0xC000 NaN, 0xD000 infinity, 0xF000 minus infinity, else the low 14 bits are the display scale.
 * The value is sum(digits[i] * 10000^(weight - i)); no zero digit leads or trails.
 *
 * lg_num is a number being computed; its digits live in an arena and are never changed once it has
 * been returned. Functions on lg_num cannot fail, but for division by zero (asserted). */
#ifndef LG_TYPES_NUMERIC_H
#define LG_TYPES_NUMERIC_H

#include "datum.h"

#define LG_NUM_BASE       10000
#define LG_NUM_DEC        4 /* decimal digits in one base digit */
#define LG_NUM_MAX_DSCALE 16383
#define LG_NUM_MAX_WEIGHT 32767
#define LG_NUM_MIN_SIG    16   /* significant digits of a quotient */
#define LG_NUM_MAX_SCALE  1000 /* display scale of computed results */

typedef enum lg_num_kind { LG_NUM_FINITE, LG_NUM_NAN, LG_NUM_PINF, LG_NUM_NINF } lg_num_kind;

typedef struct lg_num {
    lg_num_kind kind;
    bool neg;
    int32_t weight;
    int32_t dscale;
    int32_t n; /* digits */
    int16_t *d;
} lg_num;

/* A stored value seen without unpacking. */
typedef struct lg_numeric_view {
    bool nan, inf, negative;
    int32_t weight;
    int32_t dscale;
    int32_t ndigits;
    const char *digits;
} lg_numeric_view;

void lg_numeric_view_of(lg_datum d, lg_numeric_view *ret);

static inline int16_t
lg_numeric_digit(const lg_numeric_view *v, int32_t i)
{
    int16_t x;
    memcpy(&x, v->digits + 2 * (size_t)i, 2);
    return x;
}

lg_num lg_num_unpack(lg_arena *a, lg_datum d);
/* False: out of the format's range. */
bool lg_num_pack(lg_arena *a, const lg_num *x, lg_datum *ret);
lg_num lg_num_of_int(lg_arena *a, int64_t x);
lg_num lg_num_of_int128(lg_arena *a, __int128 x);
/* Rounds to the nearest integer; false when it does not fit (or is not finite). */
bool lg_num_to_int64(lg_arena *a, const lg_num *x, int64_t *ret);
double lg_num_to_double(lg_arena *a, const lg_num *x);
/* Reads [sign] digits [. digits] [e exponent] at s; ret_end is after it. False: not a number. */
bool lg_num_parse(lg_arena *a, const char *s, lg_num *ret, const char **ret_end);
char *lg_num_text(lg_arena *a, const lg_num *x); /* with exactly dscale digits after the point */

bool lg_num_is_zero(const lg_num *x);
int lg_num_compare(const lg_num *a, const lg_num *b); /* NaN highest, as PostgreSQL */
int lg_num_compare_abs(const lg_num *a, const lg_num *b);

/* Finite operands from here on. */
lg_num lg_num_add(lg_arena *a, const lg_num *x, const lg_num *y);
lg_num lg_num_sub(lg_arena *a, const lg_num *x, const lg_num *y);
lg_num lg_num_mul(lg_arena *a, const lg_num *x, const lg_num *y, int rscale);
lg_num lg_num_div(lg_arena *a, const lg_num *x, const lg_num *y, int rscale, bool round);
int lg_num_div_scale(const lg_num *x, const lg_num *y);
lg_num lg_num_mod(lg_arena *a, const lg_num *x, const lg_num *y);
lg_num lg_num_round(lg_arena *a, const lg_num *x, int rscale);
lg_num lg_num_trunc(lg_arena *a, const lg_num *x, int rscale);
lg_num lg_num_ceil(lg_arena *a, const lg_num *x);
lg_num lg_num_floor(lg_arena *a, const lg_num *x);
lg_num lg_num_neg(lg_num x);

/* numeric_math.c */
lg_num lg_num_sqrt(lg_arena *a, const lg_num *x, int rscale);
lg_num lg_num_exp(lg_arena *a, const lg_num *x, int rscale);
lg_num lg_num_ln(lg_arena *a, const lg_num *x, int rscale);
int lg_num_ln_dweight(lg_arena *a, const lg_num *x);
lg_num lg_num_log(lg_arena *a, const lg_num *base, const lg_num *x);
/* False: overflow. */
bool lg_num_power(lg_arena *a, const lg_num *base, const lg_num *exp, lg_num *ret);

/* A running sum: digits as 64-bit integers without carry, so that adding allocates nothing once
 * the digits in use have been seen. Any number of values up to 2^49. */
typedef struct lg_num_sum {
    int64_t *d; /* d[i] counts 10000^(hi - i) */
    int32_t hi; /* weight of d[0] */
    int32_t n;
    int32_t dscale; /* the greatest seen */
} lg_num_sum;

void lg_num_sum_add(lg_num_sum *s, lg_arena *perm, const lg_numeric_view *v, int sign);
lg_num lg_num_sum_result(const lg_num_sum *s, lg_arena *a);

#endif
