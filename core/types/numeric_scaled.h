/* A stored numeric as an integer at its display scale: value = ret / 10^scale. For who computes with
 * many of them (vectors of numerics, eval_num.c; columns kept in memory). */
#ifndef LG_TYPES_NUMERIC_SCALED_H
#define LG_TYPES_NUMERIC_SCALED_H

#include "numeric.h"

#define LG_SCALED_MAX 16

/* False: no exact 64-bit integer at its display scale (too large, NaN, infinite). */
static inline bool
lg_numeric_scaled(lg_datum d, int64_t *ret, int *ret_scale)
{
    const lg_varlen *x = lg_varlen_of(d);
    uint16_t flags;
    int16_t weight;
    memcpy(&flags, x->data, 2);
    memcpy(&weight, x->data + 2, 2);
    if (flags & 0x8000u) /* NaN, infinities */
        return false;
    int scale = flags & 0x3FFF, n = (int)((x->len - 4) / 2);
    if (scale > LG_SCALED_MAX || weight > 3)
        return false;
    int frac = (scale + 3) / 4, left = weight + frac + 1; /* base digits of the result */
    if (left > 4 || n > (left < 0 ? 0 : left))
        return false;
    int64_t v = 0;
    for (int i = 0; i < n; i++) {
        int16_t digit;
        memcpy(&digit, x->data + 4 + 2 * i, 2);
        v = v * LG_NUM_BASE + digit;
    }
    for (int i = n; i < left; i++)
        v *= LG_NUM_BASE;
    switch (4 * frac - scale) {
    case 0:
        break;
    case 1:
        if (v % 10)
            return false;
        v /= 10;
        break;
    case 2:
        if (v % 100)
            return false;
        v /= 100;
        break;
    default:
        if (v % 1000)
            return false;
        v /= 1000;
        break;
    }
    *ret = flags & 0x4000u ? -v : v;
    *ret_scale = scale;
    return true;
}

#endif
