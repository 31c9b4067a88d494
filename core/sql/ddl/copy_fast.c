/* COPY's short way for lines and values in their most ordinary form: what is not plainly one of
 * these goes the long way, which also makes the error. */
#include "copy_fast.h"
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* ---- lines ---- */

/* The first delimiter, newline or backslash; end: there is none. */
static const char *
find_special(const char *p, const char *end, char delim)
{
#ifdef __SSE2__
    __m128i d = _mm_set1_epi8(delim), nl = _mm_set1_epi8('\n'), bs = _mm_set1_epi8('\\');
    for (; end - p >= 16; p += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(x, d), _mm_cmpeq_epi8(x, nl)),
                                   _mm_cmpeq_epi8(x, bs));
        int mask = _mm_movemask_epi8(hit);
        if (mask)
            return p + __builtin_ctz((unsigned)mask);
    }
#endif
    while (p < end && *p != delim && *p != '\n' && *p != '\\')
        p++;
    return p;
}

size_t
lg_xcopy_line(const char *s, size_t len, char delim, const char *null_text, size_t null_len,
              lg_xcopy_field *f, uint32_t n)
{
    const char *p = s, *end = s + len;
    bool usual = null_len == 2 && null_text[0] == '\\' && null_text[1] == 'N';
    for (uint32_t i = 0;; i++) {
        const char *q = find_special(p, end, delim);
        bool null = false;
        if (q < end && *q == '\\') {
            if (!usual || q != p || end - q < 3 || q[1] != 'N' || (q[2] != delim && q[2] != '\n'))
                return 0;
            q += 2;
            null = true;
        }
        if (q == end || i == n)
            return 0;
        f[i] = (lg_xcopy_field){p, (size_t)(q - p), null};
        if (*q == '\n') {
            if (i + 1 != n)
                return 0;
            if (f[i].len > 0 && q[-1] == '\r')
                f[i].len--;
        }
        if (!usual)
            f[i].null = f[i].len == null_len && memcmp(p, null_text, null_len) == 0;
        if (*q == '\n')
            return (size_t)(q + 1 - s);
        p = q + 1;
    }
}

/* ---- values ---- */

/* Digits only, at most `max` of them, after an optional minus. */
static bool
integer(const char *s, size_t len, size_t max, int64_t *ret)
{
    bool neg = len > 0 && *s == '-';
    int64_t v = 0;
    s += neg;
    len -= neg;
    if (len == 0 || len > max)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned d = (unsigned)(s[i] - '0');
        if (d > 9)
            return false;
        v = v * 10 + d;
    }
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
    if (y < 1 || m < 1 || m > 12 || d < 1 || d > days[m - 1] + (m == 2 && leap))
        return false;
    /* days from 0000-03-01, so that leap days end the year */
    int yy = y - (m <= 2), mm = (m + 9) % 12;
    int32_t n = 365 * yy + yy / 4 - yy / 100 + yy / 400 + (153 * mm + 2) / 5 + d - 1;
    *ret = lg_datum_int4(n - 730425); /* 2000-01-01 */
    return true;
}

/* NUMERIC(p, s) with at most s decimals. */
static bool
decimal(const char *s, size_t len, int32_t typmod, lg_arena *a, lg_datum *ret)
{
    int precision = ((typmod - 4) >> 16) & 0xFFFF, scale = (typmod - 4) & 0x7FF;
    const char *end = s + len;
    bool neg = len > 0 && *s == '-';
    int64_t v = 0;
    int whole = 0, frac = 0;
    if (typmod < 4 || precision > 18 || scale > precision)
        return false;
    for (s += neg; s < end && *s >= '0' && *s <= '9' && whole < 19; s++, whole++)
        v = v * 10 + (*s - '0');
    if (!whole || whole > precision - scale)
        return false;
    if (s < end && *s == '.')
        for (s++; s < end && *s >= '0' && *s <= '9' && frac <= scale; s++, frac++)
            v = v * 10 + (*s - '0');
    if (s < end || frac > scale)
        return false;
    for (; frac < scale; frac++)
        v *= 10;
    *ret = lg_xnum_write(a, neg ? -v : v, scale);
    return true;
}

static bool
ascii(const char *s, size_t len)
{
    uint64_t all = 0, w;
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        memcpy(&w, s + i, 8);
        /* a byte with the top bit, or a NUL: the long way makes the error */
        all |= w | (w - 0x0101010101010101ULL);
    }
    for (; i < len; i++)
        all |= (uint64_t)(unsigned char)s[i] | (s[i] == 0 ? 0x80u : 0);
    return (all & 0x8080808080808080ULL) == 0;
}

/* ASCII within the declared length. */
static bool
text(const char *s, size_t len, int32_t typmod, bool padded, lg_arena *a, lg_datum *ret)
{
    size_t max = typmod >= 4 ? (size_t)typmod - 4 : 0;
    if ((typmod >= 4 && len > max) || (padded && typmod < 4) || !ascii(s, len))
        return false;
    lg_varlen *v = lg_varlen_new(a, padded ? max : len);
    memcpy(v->data, s, len);
    if (padded)
        memset(v->data + len, ' ', max - len);
    *ret = lg_datum_ptr(v);
    return true;
}

bool
lg_xcopy_fast(lg_oid type, int32_t typmod, const char *s, size_t len, lg_arena *a, lg_datum *ret)
{
    int64_t i;
    switch (type) {
    case LG_T_INT4:
        if (!integer(s, len, 9, &i))
            return false;
        *ret = lg_datum_int4((int32_t)i);
        return true;
    case LG_T_INT8:
        if (!integer(s, len, 18, &i))
            return false;
        *ret = lg_datum_int8(i);
        return true;
    case LG_T_DATE:
        return len == 10 && date(s, ret);
    case LG_T_NUMERIC:
        return decimal(s, len, typmod, a, ret);
    case LG_T_TEXT:
        return text(s, len, -1, false, a, ret);
    case LG_T_VARCHAR:
        return text(s, len, typmod, false, a, ret);
    case LG_T_BPCHAR:
        return text(s, len, typmod, true, a, ret);
    default:
        return false;
    }
}
