/* Functions that belong to no single type: sizes in words, WAL locations, regexp_instr's siblings,
 * Unicode normalization, catalog helpers. */
#include "array.h"
#include "numeric.h"
#include "text.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

/* --- sizes --- */

static const char *const size_units[] = {"bytes", "kB", "MB", "GB", "TB", "PB"};

/* Below 10 units the next smaller one is used; halves round away from zero. */
LG_FN(pg_size_pretty)
{
    int64_t size = ARG_INT8(0);
    int unit = 0;
    bool half = false; /* one bit more than the unit's is kept, to round by */
    while (unit < 5 && (size < 0 ? -(uint64_t)size : (uint64_t)size) >= (half ? 20479 : 10240)) {
        size = half ? size / 1024 : size / 512;
        half = true;
        unit++;
    }
    if (half)
        size = (size + (size < 0 ? -1 : 1)) / 2;
    char text[64];
    snprintf(text, sizeof text, "%" PRId64 " %s", size, size_units[unit]);
    return lg_datum_cstring_text(c->arena, text);
}

LG_FN(pg_size_bytes)
{
    char *s = lg_text_cstring(c->arena, ARG(0)), *p = s;
    const char *end;
    lg_num x;
    while (isspace((unsigned char)*p))
        p++;
    if (!lg_num_parse(c->arena, p, &x, &end)) {
        return lg_call_error(c, "22023", "invalid size: \"%s\"", s);
    }
    while (isspace((unsigned char)*end))
        end++;
    size_t n = strlen(end);
    while (n && isspace((unsigned char)end[n - 1]))
        n--;
    int shift = 0;
    if (n) {
        int i = 0;
        for (; i < 6; i++)
            if (strlen(size_units[i]) == n && strncasecmp(end, size_units[i], n) == 0)
                break;
        if (i == 6 && n == 1 && tolower((unsigned char)*end) == 'b')
            i = 0;
        if (i == 6) {
            lg_call_error(c, "22023", "invalid size: \"%s\"", s);
            lg_error_detail(c->err, "Invalid size unit: \"%.*s\".", (int)n, end);
            lg_error_hint(c->err, "Valid units are \"bytes\", \"B\", \"kB\", \"MB\", \"GB\", "
                                  "\"TB\", and \"PB\".");
            return 0;
        }
        shift = 10 * i;
    }
    lg_num unit = lg_num_of_int(c->arena, 1LL << shift);
    x = lg_num_mul(c->arena, &x, &unit, x.dscale);
    int64_t v;
    if (!lg_num_to_int64(c->arena, &x, &v))
        return lg_call_error(c, "22003", "bigint out of range");
    return lg_datum_int8(v);
}

/* --- pg_lsn arithmetic --- */

LG_FN(pg_lsn_mi)
{
    lg_datum d;
    lg_num x = lg_num_of_int128(c->arena, (__int128)ARG(0) - (__int128)ARG(1));
    return lg_num_pack(c->arena, &x, &d) ? d : 0;
}

static lg_datum
lsn_of(lg_call *c, const lg_num *x, lg_datum base, int sign)
{
    if (x->kind != LG_NUM_FINITE)
        return lg_call_error(c, "0A000", "cannot convert %s to pg_lsn",
                             x->kind == LG_NUM_NAN ? "NaN" : "infinity");
    lg_num whole = lg_num_round(c->arena, x, 0);
    const char *s = lg_num_text(c->arena, &whole);
    __int128 r = 0;
    for (const char *p = s + (*s == '-'); *p && r < (__int128)UINT64_MAX * 2; p++)
        r = r * 10 + (*p - '0');
    r = (__int128)base + (*s == '-' ? -sign * r : sign * r);
    if (r < 0 || r > UINT64_MAX)
        return lg_call_error(c, "22023", "pg_lsn out of range");
    return (lg_datum)r;
}

static lg_datum
lsn_add(lg_call *c, int sign)
{
    lg_num x = lg_num_unpack(c->arena, ARG(1));
    if (x.kind == LG_NUM_NAN)
        return lg_call_error(
            c, "0A000", sign > 0 ? "cannot add NaN to pg_lsn" : "cannot subtract NaN from pg_lsn");
    return lsn_of(c, &x, ARG(0), sign);
}

LG_FN(pg_lsn_pli)
{
    return lsn_add(c, 1);
}
LG_FN(oid_5023) /* numeric + pg_lsn */
{
    const lg_datum *saved = c->args;
    lg_datum swap[2] = {ARG(1), ARG(0)};
    c->args = swap; /* of this call only: a batch goes on with its own */
    lg_datum ret = lsn_add(c, 1);
    c->args = saved;
    return ret;
}
LG_FN(pg_lsn_mii)
{
    return lsn_add(c, -1);
}

LG_FN(numeric_pg_lsn)
{
    lg_num x = lg_num_unpack(c->arena, ARG(0));
    return lsn_of(c, &x, 0, 1);
}

/* --- bytes and bits --- */

LG_FN(byteaSetBit)
{
    int64_t i = ARG_INT8(1), max = (int64_t)ARG_LEN(0) * 8 - 1;
    if (i < 0 || i > max)
        return lg_call_error(c, "2202E", "index %" PRId64 " out of valid range, 0..%" PRId64, i,
                             max);
    if (ARG_INT4(2) != 0 && ARG_INT4(2) != 1)
        return lg_call_error(c, "22023", "new bit must be 0 or 1");
    lg_datum d = lg_datum_text(c->arena, ARG_STR(0), ARG_LEN(0));
    char *p = &((lg_varlen *)lg_ptr(d))->data[i / 8];
    *p = (char)((*p & ~(1 << (i % 8))) | ARG_INT4(2) << (i % 8));
    return d;
}

static lg_datum
bytea_overlay(lg_call *c, int64_t count)
{
    int64_t from = ARG_INT4(2), len = ARG_LEN(0);
    if (from <= 0)
        return lg_call_error(c, "22011", "negative substring length not allowed");
    if (from + count > INT32_MAX)
        return lg_call_error(c, "22003", "integer out of range");
    int64_t a = from - 1 < len ? from - 1 : len, b = from - 1 + count;
    b = b < 0 ? 0 : b < len ? b : len;
    lg_abuf r;
    lg_abuf_for(&r, c);
    lg_abuf_add(&r, ARG_STR(0), (size_t)a);
    lg_abuf_add(&r, ARG_STR(1), ARG_LEN(1));
    lg_abuf_add(&r, ARG_STR(0) + b, (size_t)(len - b));
    return lg_abuf_text(&r);
}

LG_FN(byteaoverlay)
{
    return bytea_overlay(c, ARG_INT4(3));
}
LG_FN(byteaoverlay_no_len)
{
    return bytea_overlay(c, ARG_LEN(1));
}

/* --- width_bucket(operand, thresholds) --- */

LG_FN(width_bucket_array)
{
    lg_array x;
    lg_array_unpack(ARG(1), c->arena, &x);
    if (x.ndim > 1)
        return lg_call_error(c, "2202E", "thresholds must be one-dimensional array");
    lg_compare_fn cmp = lg_type_compare_fn(x.elem);
    uint32_t lo = 0, hi = x.n;
    for (uint32_t i = 0; i < x.n; i++)
        if (x.nulls[i])
            return lg_call_error(c, "22004", "thresholds array must not contain NULLs");
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (cmp(ARG(0), x.values[mid]) < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lg_datum_int4((int32_t)lo);
}

/* --- catalog helpers --- */

LG_FN(oidvectortypes)
{
    lg_array x;
    lg_abuf b;
    lg_array_unpack(ARG(0), c->arena, &x);
    lg_abuf_for(&b, c);
    for (uint32_t i = 0; i < x.n; i++) {
        if (i)
            lg_abuf_puts(&b, ", ");
        lg_abuf_puts(&b, lg_type_format(c->arena, lg_oid_of(x.values[i]), -1));
    }
    return lg_abuf_text(&b);
}

/* name_oid, cut so that it is a name */
LG_FN(nameconcatoid)
{
    char suffix[16];
    int n = snprintf(suffix, sizeof suffix, "_%u", ARG_OID(1));
    size_t len = ARG_LEN(0);
    if (len + (size_t)n > LG_NAME_MAX) {
        len = LG_NAME_MAX - (size_t)n;
        while (len && ((uint8_t)ARG_STR(0)[len] & 0xc0) == 0x80)
            len--;
    }
    lg_abuf b;
    lg_abuf_for(&b, c);
    lg_abuf_add(&b, ARG_STR(0), len);
    lg_abuf_add(&b, suffix, (size_t)n);
    return lg_abuf_text(&b);
}

LG_FN(intervaltypmodout)
{
    int32_t m = ARG_INT4(0);
    const char *t = m < 0 ? "interval" : lg_type_format(c->arena, LG_T_INTERVAL, m);
    return lg_datum_ptr(lg_arena_strdup(c->arena, t + strlen("interval")));
}

/* --- Unicode --- */

static const UNormalizer2 *
normalizer(lg_call *c, const char *form)
{
    UErrorCode e = U_ZERO_ERROR;
    const UNormalizer2 *n = strcasecmp(form, "NFC") == 0    ? unorm2_getNFCInstance(&e)
                            : strcasecmp(form, "NFD") == 0  ? unorm2_getNFDInstance(&e)
                            : strcasecmp(form, "NFKC") == 0 ? unorm2_getNFKCInstance(&e)
                            : strcasecmp(form, "NFKD") == 0 ? unorm2_getNFKDInstance(&e)
                                                            : NULL;
    if (!n || U_FAILURE(e)) {
        lg_call_error(c, "22023", "invalid normalization form: %s", form);
        return NULL;
    }
    return n;
}

static UChar *
to_utf16(lg_call *c, int32_t *ret_len)
{
    UErrorCode e = U_ZERO_ERROR;
    int32_t cap = (int32_t)ARG_LEN(0) + 1;
    UChar *u = lg_arena_alloc(c->arena, sizeof *u * (size_t)cap);
    u_strFromUTF8(u, cap, ret_len, ARG_STR(0), (int32_t)ARG_LEN(0), &e);
    return U_FAILURE(e) ? NULL : u;
}

LG_FN(unicode_normalize_func)
{
    const UNormalizer2 *nz = normalizer(c, lg_text_cstring(c->arena, ARG(1)));
    int32_t n, out;
    UChar *u = nz ? to_utf16(c, &n) : NULL;
    if (!u)
        return 0;
    int32_t cap = n * 18 + 1; /* the worst expansion of one code unit */
    UErrorCode e = U_ZERO_ERROR;
    UChar *v = lg_arena_alloc(c->arena, sizeof *v * (size_t)cap);
    out = unorm2_normalize(nz, u, n, v, cap, &e);
    char *s = lg_arena_alloc(c->arena, 3 * (size_t)out + 1);
    int32_t len = 0;
    u_strToUTF8(s, 3 * out + 1, &len, v, out, &e);
    return U_FAILURE(e) ? lg_call_error(c, "XX000", "normalization failed")
                        : lg_datum_text(c->arena, s, (size_t)len);
}

LG_FN(unicode_is_normalized)
{
    const UNormalizer2 *nz = normalizer(c, lg_text_cstring(c->arena, ARG(1)));
    int32_t n;
    UErrorCode e = U_ZERO_ERROR;
    UChar *u = nz ? to_utf16(c, &n) : NULL;
    return u ? unorm2_isNormalized(nz, u, n, &e) != 0 : 0;
}
