/* The shape of a statement, for the statement cache. See parse.h.
 *
 * A scanner of its own, because libpg_query's costs as much as parsing a short statement. It takes
 * only what it is certain to split as PostgreSQL does and declines the rest: it is a short cut, not
 * a second grammar. Declined: comments, backslashes in strings, E'' B'' X'' N'' U&'' and $$
 * quoting, strings that follow each other, numbers that run into words, integers beyond eighteen
 * digits, several statements, and bytes above 127 outside quotes. */
#include "parse.h"
#include <string.h>

typedef struct shape {
    const char *sql, *p, *end;
    char *out, *out_end;
    lg_parse_shape_const *consts;
    uint32_t n;
    char last; /* class of the token before: w word, s string, n number, o other, 0 none */
} shape;

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_word_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool
is_word(char c)
{
    return is_word_start(c) || is_digit(c);
}

static bool
put(shape *s, char c)
{
    if (s->out == s->out_end)
        return false;
    *s->out++ = c;
    return true;
}

/* A blank between two tokens that would run together. */
static bool
put_gap(shape *s)
{
    return s->last != 'w' && s->last != 's' && s->last != 'n' ? true : put(s, ' ');
}

static bool
put_const(shape *s, lg_parse_shape_kind kind, const char *from)
{
    char digits[12];
    uint32_t v = s->n + 1, len = 0;
    if (s->n == LG_PARSE_SHAPE_CONSTS)
        return false;
    s->consts[s->n++] =
        (lg_parse_shape_const){(uint32_t)(from - s->sql), (uint32_t)(s->p - from), kind};
    for (; v; v /= 10)
        digits[len++] = (char)('0' + v % 10);
    if (!put_gap(s) || !put(s, '$'))
        return false;
    while (len)
        if (!put(s, digits[--len]))
            return false;
    return true;
}

static bool
take_word(shape *s)
{
    if (!put_gap(s))
        return false;
    while (s->p < s->end && is_word(*s->p)) {
        char c = *s->p++;
        if (!put(s, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c))
            return false;
    }
    if (s->p < s->end && (*s->p == '\'' || *s->p == '&' || *s->p == '$' || (*s->p & 0x80)))
        return false;
    s->last = 'w';
    return true;
}

static bool
take_quoted_name(shape *s)
{
    if (!put_gap(s) || !put(s, *s->p++))
        return false;
    for (;;) {
        if (s->p == s->end || !put(s, *s->p))
            return false;
        if (*s->p++ == '"' && (s->p == s->end || *s->p != '"'))
            break;
        if (s->p[-1] == '"' && !put(s, *s->p++))
            return false;
    }
    s->last = 'w';
    return true;
}

static bool
take_string(shape *s)
{
    const char *from = s->p++;
    if (s->last == 's')
        return false;
    for (;; s->p++) {
        if (s->p == s->end || *s->p == '\\')
            return false;
        if (*s->p != '\'')
            continue;
        if (s->p + 1 < s->end && s->p[1] == '\'')
            s->p++;
        else
            break;
    }
    s->p++;
    if (!put_const(s, LG_PARSE_SHAPE_STRING, from))
        return false;
    s->last = 's';
    return true;
}

/* Integers by the size of their value, as PostgreSQL types them. The magnitudes of the least int4
 * and int8 are declined: with a minus before them they are of the smaller type. */
static bool
take_number(shape *s)
{
    const char *from = s->p;
    uint64_t v = 0;
    while (s->p < s->end && is_digit(*s->p))
        v = v * 10 + (uint64_t)(*s->p++ - '0');
    lg_parse_shape_kind kind = v <= INT32_MAX ? LG_PARSE_SHAPE_INT4 : LG_PARSE_SHAPE_INT8;
    if (s->p - from > 18 || v == (uint64_t)INT32_MAX + 1)
        return false;
    if (s->p < s->end && *s->p == '.') {
        kind = LG_PARSE_SHAPE_NUMERIC;
        s->p++;
        while (s->p < s->end && is_digit(*s->p))
            s->p++;
    }
    if (s->p < s->end && (is_word(*s->p) || *s->p == '.' || *s->p == '$' || (*s->p & 0x80)))
        return false;
    if (!put_const(s, kind, from))
        return false;
    s->last = 'n';
    return true;
}

static bool
take_other(shape *s)
{
    char c = *s->p, next = s->p + 1 < s->end ? s->p[1] : 0;
    if ((c == '-' && next == '-') || (c == '/' && next == '*') || c == '$' || c == '\\' ||
        (c == '.' && is_digit(next)) || (c & 0x80) || (unsigned char)c < ' ')
        return false;
    s->p++;
    s->last = 'o';
    return put(s, c);
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool
take_token(shape *s)
{
    char c = *s->p;
    if (is_word_start(c))
        return take_word(s);
    if (is_digit(c))
        return take_number(s);
    if (c == '\'')
        return take_string(s);
    return c == '"' ? take_quoted_name(s) : take_other(s);
}

bool
lg_parse_shape(const char *sql, size_t len, char *out, size_t cap, size_t *ret_len,
               lg_parse_shape_const consts[LG_PARSE_SHAPE_CONSTS], uint32_t *ret_n)
{
    shape s = {sql, sql, sql + len, out, out + cap, consts, 0, 0};
    while (s.end > s.p && (is_blank(s.end[-1]) || s.end[-1] == ';'))
        s.end--;
    while (s.p < s.end) {
        bool blank = false;
        while (s.p < s.end && is_blank(*s.p)) {
            s.p++;
            blank = true;
        }
        /* Operators that were apart stay apart: "a < -1" is not "a <-1". */
        if (blank && s.last == 'o' && !put(&s, ' '))
            return false;
        if (*s.p == ';' || !take_token(&s))
            return false;
    }
    *ret_len = (size_t)(s.out - out);
    *ret_n = s.n;
    return *ret_len > 0;
}
