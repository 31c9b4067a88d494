#include "encoding.h"
#include "text.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unicode/ucnv.h>

static const lg_encoding encodings[] = {
#define LG_ENCODING(id, name, max, icu, aliases) {name, icu, aliases, id, max},
#include "encoding.def"
#undef LG_ENCODING
};

#define N (sizeof encodings / sizeof *encodings)

/* Letters and digits of a name, as PostgreSQL compares them. */
static void
squeeze(const char *name, char *to, size_t size)
{
    size_t n = 0;
    for (; *name && n + 1 < size; name++)
        if (isalnum((unsigned char)*name))
            to[n++] = (char)tolower((unsigned char)*name);
    to[n] = '\0';
}

static bool
is_alias(const lg_encoding *e, const char *word)
{
    size_t len = strlen(word);
    const char *p = e->aliases;
    while (*p) {
        size_t n = strcspn(p, " ");
        if (n == len && memcmp(p, word, n) == 0)
            return true;
        p += n + (p[n] == ' ');
    }
    return false;
}

const lg_encoding *
lg_encoding_by_name(const char *name)
{
    char word[64], own[64];
    squeeze(name, word, sizeof word);
    if (!*word)
        return NULL;
    for (size_t i = 0; i < N; i++) {
        squeeze(encodings[i].name, own, sizeof own);
        if (strcmp(own, word) == 0 || is_alias(&encodings[i], word))
            return &encodings[i];
    }
    return NULL;
}

const lg_encoding *
lg_encoding_by_id(int id)
{
    return id >= 0 && (size_t)id < N ? &encodings[id] : NULL;
}

bool
lg_encoding_convertible(const lg_encoding *e)
{
    return e->icu || e->id == LG_ENCODING_SQL_ASCII || e->id == LG_ENCODING_UTF8;
}

/* "0xe2 0x82 0xac" */
static const char *
hex(lg_arena *a, const char *s, size_t n)
{
    char *out = lg_arena_alloc(a, n * 5 + 1), *p = out;
    *p = '\0';
    for (size_t i = 0; i < n; i++)
        p += sprintf(p, "%s0x%02x", i ? " " : "", (uint8_t)s[i]);
    return out;
}

static lg_status
invalid(const lg_encoding *e, const char *s, size_t n, lg_error *err)
{
    return lg_error_set(err, "22021", "invalid byte sequence for encoding \"%s\": %s", e->name,
                        hex(err->arena, s, n));
}

lg_status
lg_encoding_verify(const char *s, size_t len, lg_error *err)
{
    size_t bad;
    if (lg_utf8_valid(s, len, &bad))
        return LG_OK;
    size_t n = lg_utf8_len((uint8_t)s[bad]);
    return invalid(&encodings[LG_ENCODING_UTF8], s + bad, n < len - bad ? n : len - bad, err);
}

static bool
is_ascii(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] <= 0)
            return false;
    return true;
}

static UErrorCode
convert(UConverter *from, UConverter *to, const char *s, size_t len, char *out, size_t cap,
        size_t *ret_len)
{
    UChar pivot[1024], *pivot_from = pivot, *pivot_to = pivot;
    const char *p = s;
    char *o = out;
    UErrorCode status = U_ZERO_ERROR;
    ucnv_convertEx(to, from, &o, out + cap, &p, s + len, pivot, &pivot_from, &pivot_to,
                   pivot + sizeof pivot / sizeof *pivot, true, true, &status);
    *ret_len = (size_t)(o - out);
    return status;
}

/* Why a conversion stopped, with the bytes that stopped it. */
static lg_status
refused(const lg_encoding *from, const lg_encoding *to, UConverter *reader, UConverter *writer,
        UErrorCode why, lg_error *err)
{
    char bytes[16] = "";
    int8_t n = (int8_t)sizeof bytes;
    UErrorCode e = U_ZERO_ERROR;
    if (from->id == LG_ENCODING_UTF8) {
        UChar u[2] = {0};
        int8_t nu = 2;
        ucnv_getInvalidUChars(writer, u, &nu, &e);
        n = (int8_t)lg_utf8_encode(nu == 2 ? U16_GET_SUPPLEMENTARY(u[0], u[1]) : u[0], bytes);
    } else {
        ucnv_getInvalidChars(reader, bytes, &n, &e);
    }
    if (U_FAILURE(e))
        n = 0;
    if (why != U_INVALID_CHAR_FOUND)
        return invalid(from, bytes, (size_t)n, err);
    return lg_error_set(err, "22P05",
                        "character with byte sequence %s in encoding \"%s\" has no equivalent in "
                        "encoding \"%s\"",
                        hex(err->arena, bytes, (size_t)n), from->name, to->name);
}

/* err NULL: what is missing is shown as a question mark. */
static lg_status
between(const lg_encoding *from, const lg_encoding *to, const char *s, size_t len, lg_arena *a,
        lg_error *err, const char **ret, size_t *ret_len)
{
    const char *utf8 = "UTF-8";
    UErrorCode status = U_ZERO_ERROR;
    lg_status st = LG_OK;
    size_t cap = len * 4 + 16; /* no character grows more: one byte to three of UTF-8 */
    char *out = lg_arena_alloc(a, cap + 1);
    UConverter *reader = ucnv_open(from->icu ? from->icu : utf8, &status);
    UConverter *writer = ucnv_open(to->icu ? to->icu : utf8, &status);
    if (U_FAILURE(status)) {
        st = err ? lg_error_set(err, "0A000", "conversion between %s and %s is not supported",
                                from->name, to->name)
                 : LG_UNSUPPORTED;
        goto out;
    }
    ucnv_setFallback(writer, false);
    ucnv_setToUCallBack(reader, UCNV_TO_U_CALLBACK_STOP, NULL, NULL, NULL, &status);
    if (err)
        ucnv_setFromUCallBack(writer, UCNV_FROM_U_CALLBACK_STOP, NULL, NULL, NULL, &status);
    else
        ucnv_setSubstChars(writer, "?", 1, &status);
    if (U_SUCCESS(status))
        status = convert(reader, writer, s, len, out, cap, ret_len);
    if (U_FAILURE(status)) {
        st = err ? refused(from, to, reader, writer, status, err) : LG_INVALID;
        goto out;
    }
    out[*ret_len] = '\0';
    *ret = out;
out:
    ucnv_close(reader);
    ucnv_close(writer);
    return st;
}

lg_status
lg_encoding_to_utf8(const lg_encoding *e, const char *s, size_t len, lg_arena *a, lg_error *err,
                    const char **ret, size_t *ret_len)
{
    *ret = s;
    *ret_len = len;
    if (!e->icu)
        return lg_encoding_verify(s, len, err);
    if (is_ascii(s, len))
        return LG_OK;
    const char *nul = memchr(s, 0, len);
    if (nul)
        return invalid(e, nul, 1, err);
    return between(e, &encodings[LG_ENCODING_UTF8], s, len, a, err, ret, ret_len);
}

lg_status
lg_encoding_from_utf8(const lg_encoding *e, const char *s, size_t len, lg_arena *a, lg_error *err,
                      const char **ret, size_t *ret_len)
{
    *ret = s;
    *ret_len = len;
    if (!e->icu || is_ascii(s, len))
        return LG_OK;
    return between(&encodings[LG_ENCODING_UTF8], e, s, len, a, err, ret, ret_len);
}

const char *
lg_encoding_show(const lg_encoding *e, const char *s, size_t len, lg_arena *a, size_t *ret_len)
{
    const char *out = s;
    *ret_len = len;
    if (e->icu && !is_ascii(s, len) &&
        between(&encodings[LG_ENCODING_UTF8], e, s, len, a, NULL, &out, ret_len) != LG_OK) {
        *ret_len = len;
        return s;
    }
    return out;
}
