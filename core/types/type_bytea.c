/* bytea (hex and escape forms), encode and decode, uuid. */
#include "encoding.h"
#include "interrupt.h"
#include "text.h"
#include <ctype.h>
#include <strings.h>

static lg_datum
make(lg_call *c, const void *p, size_t n)
{
    return lg_datum_text(c->arena, p, n);
}

static int
hex_digit(char ch)
{
    return isdigit((unsigned char)ch) ? ch - '0'
           : ch >= 'a' && ch <= 'f'   ? ch - 'a' + 10
           : ch >= 'A' && ch <= 'F'   ? ch - 'A' + 10
                                      : -1;
}

/* Hex digits in pairs, white space between pairs. */
static lg_datum
from_hex(lg_call *c, const char *s, size_t n)
{
    if (!lg_call_fits(c, n / 2))
        return 0;
    lg_varlen *v = lg_varlen_new(c->arena, n / 2);
    size_t k = 0;
    for (size_t i = 0; i < n;) {
        if (isspace((unsigned char)s[i])) {
            i++;
            continue;
        }
        int hi = hex_digit(s[i]);
        if (hi < 0)
            return lg_call_error(c, "22023", "invalid hexadecimal digit: \"%.*s\"",
                                 (int)lg_utf8_len((uint8_t)s[i]), s + i);
        if (i + 1 >= n)
            return lg_call_error(c, "22023", "invalid hexadecimal data: odd number of digits");
        int lo = hex_digit(s[i + 1]);
        if (lo < 0)
            return lg_call_error(c, "22023", "invalid hexadecimal digit: \"%.*s\"",
                                 (int)lg_utf8_len((uint8_t)s[i + 1]), s + i + 1);
        v->data[k++] = (char)(hi << 4 | lo);
        i += 2;
    }
    v->len = (uint32_t)k;
    return lg_datum_ptr(v);
}

#define ASK_EACH ((size_t)1 << 20) /* bytes between two questions whether to go on */

static void
put_hex(char *to, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i % ASK_EACH == ASK_EACH - 1)
            (void)lg_poll();
        *to++ = "0123456789abcdef"[(uint8_t)s[i] >> 4];
        *to++ = "0123456789abcdef"[(uint8_t)s[i] & 15];
    }
}

static lg_datum
from_escape(lg_call *c, const char *s, size_t n, bool input)
{
    lg_abuf b;
    lg_abuf_for(&b, c);
    for (size_t i = 0; i < n;) {
        if (s[i] != '\\') {
            const char *stop = memchr(s + i, '\\', n - i);
            size_t plain = stop ? (size_t)(stop - (s + i)) : n - i;
            lg_abuf_add(&b, s + i, plain);
            i += plain;
            if (c->st)
                return 0;
        } else if (i + 3 < n && s[i + 1] >= '0' && s[i + 1] <= '3' && s[i + 2] >= '0' &&
                   s[i + 2] <= '7' && s[i + 3] >= '0' && s[i + 3] <= '7') {
            lg_abuf_putc(&b,
                         (char)((s[i + 1] - '0') << 6 | (s[i + 2] - '0') << 3 | (s[i + 3] - '0')));
            i += 4;
        } else if (i + 1 < n && s[i + 1] == '\\') {
            lg_abuf_putc(&b, '\\');
            i += 2;
        } else {
            (void)input;
            return lg_call_error(c, "22P02", "invalid input syntax for type %s", "bytea");
        }
    }
    return lg_abuf_text(&b);
}

static lg_datum
to_escape(lg_call *c, const char *s, size_t n, bool text)
{
    lg_abuf b;
    lg_abuf_for(&b, c);
    for (size_t i = 0; i < n; i++) {
        uint8_t ch = (uint8_t)s[i];
        if (i % ASK_EACH == ASK_EACH - 1 && lg_poll())
            break;
        bool octal = text ? ch == 0 || ch >= 0x80 : ch < 0x20 || ch > 0x7e;
        if (ch == '\\')
            lg_abuf_puts(&b, "\\\\");
        else if (octal)
            lg_abuf_printf(&b, "\\%03o", ch);
        else
            lg_abuf_putc(&b, (char)ch);
    }
    return text ? lg_abuf_text(&b) : lg_datum_ptr(lg_abuf_cstring(&b));
}

LG_FN(byteain)
{
    const char *s = ARG_CSTR(0);
    if (s[0] == '\\' && s[1] == 'x')
        return from_hex(c, s + 2, strlen(s + 2));
    return from_escape(c, s, strlen(s), true);
}

LG_FN(byteaout)
{
    if (c->env && c->env->bytea_escape)
        return to_escape(c, ARG_STR(0), ARG_LEN(0), false);
    char *out = lg_arena_alloc(c->arena, 2 * (size_t)ARG_LEN(0) + 3);
    out[0] = '\\';
    out[1] = 'x';
    put_hex(out + 2, ARG_STR(0), ARG_LEN(0));
    out[2 + 2 * (size_t)ARG_LEN(0)] = 0;
    return lg_datum_ptr(out);
}

LG_FN(bytearecv)
{
    lg_recvbuf *b = lg_ptr(ARG(0));
    lg_datum d = make(c, b->data + b->pos, b->len - b->pos);
    b->pos = b->len;
    return d;
}

LG_FN(byteasend)
{
    return make(c, ARG_STR(0), ARG_LEN(0));
}

static int
compare(const lg_call *c)
{
    return lg_bytes_compare(ARG_STR(0), ARG_LEN(0), ARG_STR(1), ARG_LEN(1));
}

LG_FN(byteaeq)
{
    return compare(c) == 0;
}
LG_FN(byteane)
{
    return compare(c) != 0;
}
LG_FN(bytealt)
{
    return compare(c) < 0;
}
LG_FN(byteale)
{
    return compare(c) <= 0;
}
LG_FN(byteagt)
{
    return compare(c) > 0;
}
LG_FN(byteage)
{
    return compare(c) >= 0;
}
LG_FN(byteacmp)
{
    return lg_datum_int4(compare(c));
}
LG_FN(byteaoctetlen)
{
    return lg_datum_int4((int32_t)ARG_LEN(0));
}

LG_FN(byteacat)
{
    if (!lg_call_fits(c, (size_t)ARG_LEN(0) + ARG_LEN(1)))
        return 0;
    lg_varlen *v = lg_varlen_new(c->arena, (size_t)ARG_LEN(0) + ARG_LEN(1));
    lg_poll_copy(v->data, ARG_STR(0), ARG_LEN(0));
    lg_poll_copy(v->data + ARG_LEN(0), ARG_STR(1), ARG_LEN(1));
    return lg_datum_ptr(v);
}

static lg_datum
substring(lg_call *c, int64_t count)
{
    int64_t from = ARG_INT4(1), len = ARG_LEN(0), end = from + count;
    if (count < 0)
        return lg_call_error(c, "22011", "negative substring length not allowed");
    from = from < 1 ? 1 : from;
    end = end > len + 1 ? len + 1 : end;
    return end <= from ? make(c, "", 0) : make(c, ARG_STR(0) + from - 1, (size_t)(end - from));
}

LG_FN(bytea_substr)
{
    return substring(c, ARG_INT4(2));
}
LG_FN(bytea_substr_no_len)
{
    return substring(c, 2LL * UINT32_MAX);
}

LG_FN(byteapos)
{
    const char *p =
        ARG_LEN(1) ? memmem(ARG_STR(0), ARG_LEN(0), ARG_STR(1), ARG_LEN(1)) : ARG_STR(0);
    return p ? lg_datum_int4((int32_t)(p - ARG_STR(0)) + 1) : 0;
}

static bool
bad_index(lg_call *c, int64_t i, int64_t max)
{
    if (i >= 0 && i <= max)
        return false;
    lg_call_error(c, "2202E", "index %lld out of valid range, 0..%lld", (long long)i,
                  (long long)max);
    return true;
}

LG_FN(byteaGetByte)
{
    int64_t i = ARG_INT4(1);
    return bad_index(c, i, (int64_t)ARG_LEN(0) - 1) ? 0 : lg_datum_int4((uint8_t)ARG_STR(0)[i]);
}

LG_FN(byteaSetByte)
{
    int64_t i = ARG_INT4(1);
    if (bad_index(c, i, (int64_t)ARG_LEN(0) - 1))
        return 0;
    lg_datum d = make(c, ARG_STR(0), ARG_LEN(0));
    ((lg_varlen *)lg_ptr(d))->data[i] = (char)ARG_INT4(2);
    return d;
}

LG_FN(byteaGetBit)
{
    int64_t i = ARG_INT8(1);
    if (bad_index(c, i, (int64_t)ARG_LEN(0) * 8 - 1))
        return 0;
    return lg_datum_int4((uint8_t)ARG_STR(0)[i / 8] >> (i % 8) & 1);
}

LG_FN(bytea_bit_count)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < ARG_LEN(0); i++)
        n += __builtin_popcount((uint8_t)ARG_STR(0)[i]);
    return lg_datum_int8(n);
}

static lg_datum
trim(lg_call *c, bool left, bool right)
{
    const char *s = ARG_STR(0), *end = s + ARG_LEN(0);
    while (left && s < end && memchr(ARG_STR(1), *s, ARG_LEN(1)))
        s++;
    while (right && end > s && memchr(ARG_STR(1), end[-1], ARG_LEN(1)))
        end--;
    return make(c, s, (size_t)(end - s));
}

LG_FN(byteatrim)
{
    return trim(c, true, true);
}
LG_FN(bytealtrim)
{
    return trim(c, true, false);
}
LG_FN(byteartrim)
{
    return trim(c, false, true);
}

/* --- encode, decode --- */

static const char base64_chars[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Lines of 76 characters, as RFC 2045. */
static lg_datum
to_base64(lg_call *c, const uint8_t *s, size_t n)
{
    lg_abuf b;
    lg_abuf_for(&b, c);
    size_t line = 0;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t x = (uint32_t)s[i] << 16 | (i + 1 < n ? (uint32_t)s[i + 1] << 8 : 0) |
                     (i + 2 < n ? s[i + 2] : 0);
        if (line == 76) {
            lg_abuf_putc(&b, '\n');
            line = 0;
        }
        lg_abuf_putc(&b, base64_chars[x >> 18]);
        lg_abuf_putc(&b, base64_chars[x >> 12 & 63]);
        lg_abuf_putc(&b, i + 1 < n ? base64_chars[x >> 6 & 63] : '=');
        lg_abuf_putc(&b, i + 2 < n ? base64_chars[x & 63] : '=');
        line += 4;
    }
    return lg_abuf_text(&b);
}

static lg_datum
from_base64(lg_call *c, const char *s, size_t n)
{
    lg_abuf b;
    lg_abuf_for(&b, c);
    uint32_t x = 0;
    int have = 0, pad = 0;
    for (size_t i = 0; i < n; i++) {
        const char *p;
        if (isspace((unsigned char)s[i]))
            continue;
        if (s[i] == '=') {
            if (!pad && have < 2)
                return lg_call_error(c, "22023", "unexpected \"=\" while decoding base64 sequence");
            pad++;
            x <<= 6;
        } else if (!pad && s[i] && (p = strchr(base64_chars, s[i])) != NULL) {
            x = x << 6 | (uint32_t)(p - base64_chars);
        } else {
            return lg_call_error(c, "22023",
                                 "invalid symbol \"%.*s\" found while decoding base64 sequence",
                                 (int)lg_utf8_len((uint8_t)s[i]), s + i);
        }
        if (++have == 4) {
            lg_abuf_putc(&b, (char)(x >> 16));
            if (pad < 2)
                lg_abuf_putc(&b, (char)(x >> 8));
            if (pad < 1)
                lg_abuf_putc(&b, (char)x);
            x = 0;
            have = 0;
        }
    }
    if (have) {
        lg_call_error(c, "22023", "invalid base64 end sequence");
        lg_error_hint(c->err,
                      "Input data is missing padding, is truncated, or is otherwise corrupted.");
        return 0;
    }
    return lg_abuf_text(&b);
}

LG_FN(binary_encode)
{
    char *f = lg_text_cstring(c->arena, ARG(1));
    if (strcasecmp(f, "hex") == 0) {
        if (!lg_call_fits(c, 2 * (size_t)ARG_LEN(0)))
            return 0;
        lg_varlen *v = lg_varlen_new(c->arena, 2 * (size_t)ARG_LEN(0));
        put_hex(v->data, ARG_STR(0), ARG_LEN(0));
        return lg_datum_ptr(v);
    }
    if (strcasecmp(f, "base64") == 0)
        return to_base64(c, (const uint8_t *)ARG_STR(0), ARG_LEN(0));
    if (strcasecmp(f, "escape") == 0)
        return to_escape(c, ARG_STR(0), ARG_LEN(0), true);
    return lg_call_error(c, "22023", "unrecognized encoding: \"%s\"", f);
}

LG_FN(binary_decode)
{
    char *f = lg_text_cstring(c->arena, ARG(1));
    if (strcasecmp(f, "hex") == 0)
        return from_hex(c, ARG_STR(0), ARG_LEN(0));
    if (strcasecmp(f, "base64") == 0)
        return from_base64(c, ARG_STR(0), ARG_LEN(0));
    if (strcasecmp(f, "escape") == 0)
        return from_escape(c, ARG_STR(0), ARG_LEN(0), false);
    return lg_call_error(c, "22023", "unrecognized encoding: \"%s\"", f);
}

/* --- encodings --- */

/* The encoding that an argument names; NULL: 22023 is reported. */
static const lg_encoding *
encoding_arg(lg_call *c, uint32_t i, const char *role)
{
    const char *name = lg_text_cstring(c->arena, ARG(i));
    const lg_encoding *e = lg_encoding_by_name(name);
    if (!e)
        lg_call_error(c, "22023", "invalid %s encoding name \"%s\"", role, name);
    return e;
}

static lg_datum
convert(lg_call *c, const lg_encoding *from, const lg_encoding *to)
{
    const char *s = ARG_STR(0);
    size_t len = ARG_LEN(0);
    if (!from || !to)
        return 0;
    if (from == to && from->icu == NULL && from->id != LG_ENCODING_UTF8)
        return make(c, s, len); /* SQL_ASCII: any bytes */
    if ((!lg_encoding_convertible(from) || !lg_encoding_convertible(to)))
        return lg_call_error(
            c, "42883", "default conversion function for encoding \"%s\" to \"%s\" does not exist",
            from->name, to->name);
    c->st = lg_encoding_to_utf8(from, s, len, c->arena, c->err, &s, &len);
    if (c->st == LG_OK)
        c->st = lg_encoding_from_utf8(to, s, len, c->arena, c->err, &s, &len);
    return c->st == LG_OK ? make(c, s, len) : 0;
}

LG_FN(pg_convert_from)
{
    return convert(c, encoding_arg(c, 1, "source"), lg_encoding_by_id(LG_ENCODING_UTF8));
}

LG_FN(pg_convert_to)
{
    return convert(c, lg_encoding_by_id(LG_ENCODING_UTF8), encoding_arg(c, 1, "destination"));
}

LG_FN(pg_convert)
{
    const lg_encoding *from = encoding_arg(c, 1, "source");
    return from ? convert(c, from, encoding_arg(c, 2, "destination")) : 0;
}

/* length(bytea, encoding) */
LG_FN(length_in_encoding)
{
    const char *s = ARG_STR(0), *name = lg_text_cstring(c->arena, ARG(1));
    size_t len = ARG_LEN(0);
    const lg_encoding *e = lg_encoding_by_name(name);
    if (!e)
        return lg_call_error(c, "22023", "invalid encoding name \"%s\"", name);
    if (e->id == LG_ENCODING_SQL_ASCII)
        return lg_datum_int4((int32_t)len);
    if (!lg_encoding_convertible(e))
        return lg_call_error(c, "0A000", "lengths in encoding \"%s\" are not supported", e->name);
    c->st = lg_encoding_to_utf8(e, s, len, c->arena, c->err, &s, &len);
    return c->st == LG_OK ? lg_datum_int4((int32_t)lg_utf8_count(s, len)) : 0;
}

/* --- uuid --- */

LG_FN(uuid_in)
{
    const char *s = ARG_CSTR(0), *p = s;
    uint8_t *u = lg_arena_alloc(c->arena, LG_UUID_BYTES);
    bool brace = *p == '{';
    p += brace;
    for (int i = 0; i < LG_UUID_BYTES; i++) {
        int hi = hex_digit(p[0]), lo = hi < 0 ? -1 : hex_digit(p[1]);
        if (lo < 0)
            goto bad;
        u[i] = (uint8_t)(hi << 4 | lo);
        p += 2;
        if (*p == '-' && i % 2 == 1 && i < LG_UUID_BYTES - 1)
            p++;
    }
    if (brace && *p++ != '}')
        goto bad;
    if (!*p)
        return lg_datum_ptr(u);
bad:
    return lg_call_error(c, "22P02", "invalid input syntax for type uuid: \"%s\"", s);
}

LG_FN(uuid_out)
{
    char *s = lg_arena_alloc(c->arena, 37), *p = s;
    const char *u = lg_ptr(ARG(0));
    for (int i = 0; i < LG_UUID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        put_hex(p, u + i, 1);
        p += 2;
    }
    *p = 0;
    return lg_datum_ptr(s);
}

LG_FN(uuid_recv)
{
    uint8_t *u = lg_arena_alloc(c->arena, LG_UUID_BYTES);
    return lg_recv_bytes(c, lg_ptr(ARG(0)), u, LG_UUID_BYTES) ? lg_datum_ptr(u) : 0;
}

LG_FN(uuid_send)
{
    return make(c, lg_ptr(ARG(0)), LG_UUID_BYTES);
}

static int
compare_uuid(const lg_call *c)
{
    return memcmp(lg_ptr(ARG(0)), lg_ptr(ARG(1)), LG_UUID_BYTES);
}

LG_FN(uuid_eq)
{
    return compare_uuid(c) == 0;
}
LG_FN(uuid_ne)
{
    return compare_uuid(c) != 0;
}
LG_FN(uuid_lt)
{
    return compare_uuid(c) < 0;
}
LG_FN(uuid_le)
{
    return compare_uuid(c) <= 0;
}
LG_FN(uuid_gt)
{
    return compare_uuid(c) > 0;
}
LG_FN(uuid_ge)
{
    return compare_uuid(c) >= 0;
}
LG_FN(uuid_cmp)
{
    int r = compare_uuid(c);
    return lg_datum_int4((r > 0) - (r < 0));
}

/* Version 4: random but for the version and variant bits (RFC 4122). */
LG_FN(gen_random_uuid)
{
    uint8_t *u = lg_arena_zalloc(c->arena, LG_UUID_BYTES);
    if (!c->env->random_bytes)
        return lg_call_error(c, "XX000", "could not generate random values");
    c->env->random_bytes(c->env->arg, u, LG_UUID_BYTES);
    u[6] = (uint8_t)((u[6] & 0x0f) | 0x40);
    u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
    return lg_datum_ptr(u);
}
