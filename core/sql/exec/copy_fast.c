/* COPY's short way for values in their most ordinary form: what is not plainly one of these goes to
 * the type's input function, which also makes the error. */
#include "copy_fast.h"
#include <string.h>

/* Digits only, at most `max` of them, after an optional minus. */
static bool
integer(const char *s, int max, int64_t *ret)
{
    bool neg = *s == '-';
    int64_t v = 0;
    int n = 0;
    for (s += neg; *s >= '0' && *s <= '9' && n <= max; s++, n++)
        v = v * 10 + (*s - '0');
    if (*s || !n || n > max)
        return false;
    *ret = neg ? -v : v;
    return true;
}

static int
two(const char *s)
{
    return (s[0] - '0') * 10 + (s[1] - '0');
}

/* YYYY-MM-DD. */
static bool
date(const char *s, lg_datum *ret)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (int i = 0; i < 10; i++)
        if (i == 4 || i == 7 ? s[i] != '-' : s[i] < '0' || s[i] > '9')
            return false;
    int y = two(s) * 100 + two(s + 2), m = two(s + 5), d = two(s + 8);
    bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    if (s[10] || y < 1 || m < 1 || m > 12 || d < 1 || d > days[m - 1] + (m == 2 && leap))
        return false;
    /* days from 0000-03-01, so that leap days end the year */
    int yy = y - (m <= 2), mm = (m + 9) % 12;
    int32_t n = 365 * yy + yy / 4 - yy / 100 + yy / 400 + (153 * mm + 2) / 5 + d - 1;
    *ret = lg_datum_int4(n - 730425); /* 2000-01-01 */
    return true;
}

/* NUMERIC(p, s) with at most s decimals. */
static bool
decimal(const char *s, int32_t typmod, lg_arena *a, lg_datum *ret)
{
    int precision = ((typmod - 4) >> 16) & 0xFFFF, scale = (typmod - 4) & 0x7FF;
    bool neg = *s == '-';
    int64_t v = 0;
    int whole = 0, frac = 0;
    if (typmod < 4 || precision > 18 || scale > precision)
        return false;
    for (s += neg; *s >= '0' && *s <= '9' && whole < 19; s++, whole++)
        v = v * 10 + (*s - '0');
    if (!whole || whole > precision - scale)
        return false;
    if (*s == '.')
        for (s++; *s >= '0' && *s <= '9' && frac <= scale; s++, frac++)
            v = v * 10 + (*s - '0');
    if (*s || frac > scale)
        return false;
    for (; frac < scale; frac++)
        v *= 10;
    *ret = lg_xnum_write(a, neg ? -v : v, scale);
    return true;
}

/* ASCII within the declared length. */
static bool
text(const char *s, int32_t typmod, bool padded, lg_arena *a, lg_datum *ret)
{
    size_t n = 0, max = typmod >= 4 ? (size_t)typmod - 4 : 0;
    for (; s[n]; n++)
        if ((unsigned char)s[n] >= 0x80)
            return false;
    if ((typmod >= 4 && n > max) || (padded && typmod < 4))
        return false;
    lg_varlen *v = lg_varlen_new(a, padded ? max : n);
    memcpy(v->data, s, n);
    if (padded)
        memset(v->data + n, ' ', max - n);
    *ret = lg_datum_ptr(v);
    return true;
}

bool
lg_xcopy_fast(lg_oid type, int32_t typmod, const char *s, lg_arena *a, lg_datum *ret)
{
    int64_t i;
    switch (type) {
    case LG_T_INT4:
        if (!integer(s, 9, &i))
            return false;
        *ret = lg_datum_int4((int32_t)i);
        return true;
    case LG_T_INT8:
        if (!integer(s, 18, &i))
            return false;
        *ret = lg_datum_int8(i);
        return true;
    case LG_T_DATE:
        return strlen(s) == 10 && date(s, ret);
    case LG_T_NUMERIC:
        return decimal(s, typmod, a, ret);
    case LG_T_TEXT:
        return text(s, -1, false, a, ret);
    case LG_T_VARCHAR:
        return text(s, typmod, false, a, ret);
    case LG_T_BPCHAR:
        return text(s, typmod, true, a, ret);
    default:
        return false;
    }
}
