/* parse_ident, unistr, to_ascii. */
#include "array.h"
#include "text.h"
#include <ctype.h>

/* --- parse_ident: an identifier's parts --- */

static bool
ident_start(unsigned char ch)
{
    return isalpha(ch) || ch == '_' || ch & 0x80;
}

static lg_datum
bad_ident(lg_call *c, const char *detail)
{
    lg_call_error(c, "22023", "string is not a valid identifier: \"%s\"",
                  lg_text_cstring(c->arena, ARG(0)));
    if (detail)
        lg_error_detail(c->err, "%s", detail);
    return 0;
}

/* One part at *p into *ret; false after an error. */
static bool
ident_part(lg_call *c, char **p, bool after_dot, lg_datum *ret)
{
    char *s = *p;
    if (*s == '"') {
        char *to = ++s, *start = s;
        for (;; s++) {
            if (!*s) {
                bad_ident(c, "String has unclosed double quotes.");
                return false;
            }
            if (*s == '"' && *++s != '"')
                break;
            *to++ = *s;
        }
        if (to == start) {
            bad_ident(c, "Quoted identifier must not be empty.");
            return false;
        }
        *ret = lg_datum_text(c->arena, start, (size_t)(to - start));
    } else if (ident_start((unsigned char)*s)) {
        char *start = s;
        for (; ident_start((unsigned char)*s) || isdigit((unsigned char)*s) || *s == '$'; s++)
            *s = (char)tolower((unsigned char)*s);
        *ret = lg_datum_text(c->arena, start, (size_t)(s - start));
    } else {
        bad_ident(c, *s == '.'   ? "No valid identifier before \".\"."
                     : after_dot ? "No valid identifier after \".\"."
                                 : NULL);
        return false;
    }
    *p = s;
    return true;
}

LG_FN(parse_ident)
{
    lg_datum parts[64];
    uint32_t n = 0;
    char *p = lg_text_cstring(c->arena, ARG(0));
    bool after_dot = false;
    while (isspace((unsigned char)*p))
        p++;
    for (;;) {
        if (n == 64)
            return bad_ident(c, NULL);
        if (!ident_part(c, &p, after_dot, &parts[n++]))
            return 0;
        while (isspace((unsigned char)*p))
            p++;
        if (*p == '.') {
            after_dot = true;
            for (p++; isspace((unsigned char)*p); p++)
                ;
            continue;
        }
        if (*p && ARG_BOOL(1))
            return bad_ident(c, NULL);
        return lg_array_make(c->arena, LG_T_TEXT, n, parts, NULL);
    }
}

/* --- unistr: \XXXX, \+XXXXXX, \uXXXX, \UXXXXXXXX --- */

static lg_datum
bad_escape(lg_call *c)
{
    lg_call_error(c, "42601", "invalid Unicode escape");
    lg_error_hint(c->err, "Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or \\UXXXXXXXX.");
    return 0;
}

LG_FN(unistr)
{
    const char *p = ARG_STR(0), *end = p + ARG_LEN(0);
    uint32_t high = 0; /* the first half of a surrogate pair */
    lg_abuf b;
    lg_abuf_for(&b, c);
    while (p < end) {
        if (*p != '\\' || (end - p > 1 && p[1] == '\\')) {
            if (high)
                return lg_call_error(c, "42601", "invalid Unicode surrogate pair");
            lg_abuf_putc(&b, *p);
            p += *p == '\\' ? 2 : 1;
            continue;
        }
        p++;
        char kind = p < end && (*p == 'u' || *p == 'U' || *p == '+') ? *p++ : 0;
        int n = kind == 'U' ? 8 : kind == '+' ? 6 : 4;
        uint32_t ch = 0;
        if (end - p < n)
            return bad_escape(c);
        for (int i = 0; i < n; i++, p++) {
            int d = tolower((unsigned char)*p);
            if (!isxdigit(d))
                return bad_escape(c);
            ch = ch << 4 | (uint32_t)(isdigit(d) ? d - '0' : d - 'a' + 10);
        }
        if (ch == 0 || ch > 0x10ffff)
            return lg_call_error(c, "42601", "invalid Unicode code point: %04X", ch);
        bool is_high = ch >= 0xd800 && ch < 0xdc00, is_low = ch >= 0xdc00 && ch < 0xe000;
        if ((high != 0) != is_low)
            return lg_call_error(c, "42601", "invalid Unicode surrogate pair");
        if (is_high) {
            high = ch;
            continue;
        }
        if (is_low)
            ch = 0x10000 + ((high & 0x3ff) << 10) + (ch & 0x3ff);
        high = 0;
        char to[4];
        lg_abuf_add(&b, to, lg_utf8_encode(ch, to));
    }
    if (high)
        return lg_call_error(c, "42601", "invalid Unicode surrogate pair");
    return lg_abuf_text(&b);
}

/* --- to_ascii: there is nothing to convert from but UTF8 --- */

static lg_datum
to_ascii(lg_call *c, const char *from)
{
    return lg_call_error(c, "0A000", "encoding conversion from %s to ASCII not supported", from);
}

LG_FN(to_ascii_default)
{
    return to_ascii(c, "UTF8");
}
