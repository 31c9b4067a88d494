/* String functions. Positions and lengths count characters; case is ASCII's but for ICU's collations.
 */
#include "array.h"
#include "collate.h"
#include "interrupt.h"
#include "quote.h"
#include "text.h"
#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define REPEAT_STEP ((size_t)4 << 20) /* bytes between two questions whether to go on */

static lg_datum
make(lg_call *c, const char *s, size_t n)
{
    return lg_datum_text(c->arena, s, n);
}

/* --- case --- */

static lg_datum
map_case(lg_call *c, int (*fn)(int))
{
    lg_datum d = make(c, ARG_STR(0), ARG_LEN(0));
    char *p = ((lg_varlen *)lg_ptr(d))->data;
    for (size_t i = 0; i < ARG_LEN(0); i++)
        if (!(p[i] & 0x80))
            p[i] = (char)fn((unsigned char)p[i]);
    return d;
}

LG_FN(upper)
{
    if (!lg_collation_is_c(c->collation))
        return lg_collate_case(c, LG_CASE_UPPER);
    return map_case(c, toupper);
}
LG_FN(lower)
{
    if (!lg_collation_is_c(c->collation))
        return lg_collate_case(c, LG_CASE_LOWER);
    return map_case(c, tolower);
}

LG_FN(initcap)
{
    if (!lg_collation_is_c(c->collation))
        return lg_collate_case(c, LG_CASE_TITLE);
    lg_datum d = make(c, ARG_STR(0), ARG_LEN(0));
    char *p = ((lg_varlen *)lg_ptr(d))->data;
    bool in_word = false;
    for (size_t i = 0; i < ARG_LEN(0); i++) {
        unsigned char ch = (unsigned char)p[i];
        if (ch < 128)
            p[i] = (char)(in_word ? tolower(ch) : toupper(ch));
        in_word = ch < 128 && isalnum(ch);
    }
    return d;
}

/* --- pad and trim --- */

static lg_datum
pad(lg_call *c, bool left, const char *fill, size_t fill_len)
{
    const char *s = ARG_STR(0);
    size_t len = ARG_LEN(0);
    int64_t want = ARG_INT4(1) < 0 ? 0 : ARG_INT4(1);
    int64_t have = lg_utf8_count(s, len);
    if (want > 0x3fffffff / 4)
        return lg_call_error(c, "54000", "requested length too large");
    if (have >= want || fill_len == 0)
        return make(c, s, lg_utf8_prefix(s, len, want));
    lg_abuf b;
    lg_abuf_for(&b, c);
    if (!left)
        lg_abuf_add(&b, s, len);
    size_t at = 0;
    for (int64_t k = want - have; k > 0; k--) {
        size_t n = lg_utf8_len((uint8_t)fill[at]);
        lg_abuf_add(&b, fill + at, n);
        at = at + n >= fill_len ? 0 : at + n;
        if (k % REPEAT_STEP == 0 && lg_poll())
            break;
    }
    if (left)
        lg_abuf_add(&b, s, len);
    return lg_abuf_text(&b);
}

LG_FN(lpad)
{
    return pad(c, true, ARG_STR(2), ARG_LEN(2));
}
LG_FN(rpad)
{
    return pad(c, false, ARG_STR(2), ARG_LEN(2));
}
LG_FN(oid_879)
{
    return pad(c, true, " ", 1);
}
LG_FN(oid_880)
{
    return pad(c, false, " ", 1);
}

/* Is the character (n bytes at p) one of the set? */
static bool
in_set(const char *p, size_t n, const char *set, size_t set_len)
{
    for (size_t i = 0; i + n <= set_len;) {
        size_t m = lg_utf8_len((uint8_t)set[i]);
        if (m == n && memcmp(set + i, p, n) == 0)
            return true;
        i += m;
    }
    return false;
}

static lg_datum
trim(lg_call *c, bool left, bool right, const char *set, size_t set_len)
{
    const char *s = ARG_STR(0), *end = s + ARG_LEN(0);
    while (left && s < end) {
        size_t n = lg_utf8_len((uint8_t)*s);
        if (!in_set(s, n, set, set_len))
            break;
        s += n;
    }
    while (right && end > s) {
        const char *p = end - 1;
        while (p > s && ((uint8_t)*p & 0xc0) == 0x80)
            p--;
        if (!in_set(p, (size_t)(end - p), set, set_len))
            break;
        end = p;
    }
    return make(c, s, (size_t)(end - s));
}

LG_FN(btrim)
{
    return trim(c, true, true, ARG_STR(1), ARG_LEN(1));
}
LG_FN(ltrim)
{
    return trim(c, true, false, ARG_STR(1), ARG_LEN(1));
}
LG_FN(rtrim)
{
    return trim(c, false, true, ARG_STR(1), ARG_LEN(1));
}
LG_FN(btrim1)
{
    return trim(c, true, true, " ", 1);
}
LG_FN(ltrim1)
{
    return trim(c, true, false, " ", 1);
}

/* --- substrings --- */

static lg_datum
substring(lg_call *c, bool has_len)
{
    const char *s = ARG_STR(0);
    size_t len = ARG_LEN(0);
    int64_t from = ARG_INT4(1), count = has_len ? ARG_INT4(2) : 2LL * UINT32_MAX;
    if (count < 0)
        return lg_call_error(c, "22011", "negative substring length not allowed");
    int64_t end = from + count; /* exclusive */
    if (from < 1)
        from = 1;
    if (end <= from)
        return make(c, "", 0);
    size_t a = lg_utf8_prefix(s, len, from - 1);
    return make(c, s + a, lg_utf8_prefix(s + a, len - a, end - from));
}

LG_FN(text_substr)
{
    return substring(c, true);
}
LG_FN(text_substr_no_len)
{
    return substring(c, false);
}

LG_FN(text_left)
{
    int64_t n = ARG_INT4(1);
    if (n < 0)
        n += lg_utf8_count(ARG_STR(0), ARG_LEN(0));
    return make(c, ARG_STR(0), lg_utf8_prefix(ARG_STR(0), ARG_LEN(0), n));
}

LG_FN(text_right)
{
    int64_t n = ARG_INT4(1), have = lg_utf8_count(ARG_STR(0), ARG_LEN(0));
    int64_t skip = n < 0 ? -n : have - n;
    size_t a = lg_utf8_prefix(ARG_STR(0), ARG_LEN(0), skip);
    return make(c, ARG_STR(0) + a, ARG_LEN(0) - a);
}

LG_FN(text_reverse)
{
    const char *s = ARG_STR(0);
    size_t len = ARG_LEN(0), asked = 0;
    if (!lg_call_fits(c, len))
        return 0;
    lg_varlen *v = lg_varlen_new(c->arena, len);
    for (size_t i = 0; i < len;) {
        if (i >= asked + REPEAT_STEP) {
            asked = i;
            if (lg_poll())
                return make(c, "", 0);
        }
        size_t n = lg_utf8_len((uint8_t)s[i]);
        n = i + n > len ? len - i : n;
        memcpy(v->data + len - i - n, s + i, n);
        i += n;
    }
    return lg_datum_ptr(v);
}

static lg_datum
overlay(lg_call *c, int64_t count)
{
    const char *s = ARG_STR(0);
    size_t len = ARG_LEN(0);
    int64_t from = ARG_INT4(2);
    if (from <= 0)
        return lg_call_error(c, "22011", "negative substring length not allowed");
    if (from + count > INT32_MAX)
        return lg_call_error(c, "22003", "integer out of range");
    size_t a = lg_utf8_prefix(s, len, from - 1), b = lg_utf8_prefix(s, len, from - 1 + count);
    lg_abuf r;
    lg_abuf_for(&r, c);
    lg_abuf_add(&r, s, a);
    lg_abuf_add(&r, ARG_STR(1), ARG_LEN(1));
    lg_abuf_add(&r, s + b, len - b);
    return lg_abuf_text(&r);
}

LG_FN(textoverlay)
{
    return overlay(c, ARG_INT4(3));
}
LG_FN(textoverlay_no_len)
{
    return overlay(c, lg_utf8_count(ARG_STR(1), ARG_LEN(1)));
}

/* --- search --- */

static const char *
find(const char *s, size_t n, const char *what, size_t m)
{
    return m == 0 ? s : memmem(s, n, what, m);
}

static lg_datum
position(lg_call *c)
{
    const char *p = find(ARG_STR(0), ARG_LEN(0), ARG_STR(1), ARG_LEN(1));
    if (!p)
        return 0;
    return lg_datum_int4((int32_t)lg_utf8_count(ARG_STR(0), (size_t)(p - ARG_STR(0))) + 1);
}

LG_FN(textpos)
{
    return position(c);
}

LG_FN(text_starts_with)
{
    return ARG_LEN(0) >= ARG_LEN(1) && memcmp(ARG_STR(0), ARG_STR(1), ARG_LEN(1)) == 0;
}

LG_FN(replace_text)
{
    const char *s = ARG_STR(0), *end = s + ARG_LEN(0);
    if (ARG_LEN(1) == 0 || s == end)
        return ARG(0);
    lg_abuf b;
    lg_abuf_for(&b, c);
    for (const char *p; (p = find(s, (size_t)(end - s), ARG_STR(1), ARG_LEN(1))) != NULL;) {
        lg_abuf_add(&b, s, (size_t)(p - s));
        lg_abuf_add(&b, ARG_STR(2), ARG_LEN(2));
        s = p + ARG_LEN(1);
    }
    lg_abuf_add(&b, s, (size_t)(end - s));
    return lg_abuf_text(&b);
}

LG_FN(split_part)
{
    const char *s = ARG_STR(0), *end = s + ARG_LEN(0), *sep = ARG_STR(1);
    size_t m = ARG_LEN(1);
    int64_t n = ARG_INT4(2);
    if (n == 0)
        return lg_call_error(c, "22023", "field position must not be zero");
    if (s == end)
        return make(c, "", 0);
    if (m == 0)
        return n == 1 || n == -1 ? ARG(0) : make(c, "", 0);
    if (n < 0) {
        int64_t parts = 1;
        for (const char *p = s, *q; (q = find(p, (size_t)(end - p), sep, m)) != NULL; p = q + m)
            parts++;
        n += parts + 1;
        if (n < 1)
            return make(c, "", 0);
    }
    for (;;) {
        const char *q = find(s, (size_t)(end - s), sep, m);
        if (--n == 0)
            return make(c, s, (size_t)((q ? q : end) - s));
        if (!q)
            return make(c, "", 0);
        s = q + m;
    }
}

LG_FN(translate)
{
    const char *s = ARG_STR(0), *end = s + ARG_LEN(0);
    lg_abuf b;
    lg_abuf_for(&b, c);
    while (s < end) {
        size_t n = lg_utf8_len((uint8_t)*s), i = 0;
        int64_t k = 0;
        while (i < ARG_LEN(1)) {
            size_t m = lg_utf8_len((uint8_t)ARG_STR(1)[i]);
            if (m == n && memcmp(ARG_STR(1) + i, s, n) == 0)
                break;
            i += m;
            k++;
        }
        if (i >= ARG_LEN(1)) {
            lg_abuf_add(&b, s, n);
        } else {
            size_t at = lg_utf8_prefix(ARG_STR(2), ARG_LEN(2), k);
            if (at < ARG_LEN(2))
                lg_abuf_add(&b, ARG_STR(2) + at, lg_utf8_len((uint8_t)ARG_STR(2)[at]));
        }
        s += n;
    }
    return lg_abuf_text(&b);
}

LG_FN(ascii)
{
    size_t n;
    return ARG_LEN(0) ? lg_datum_int4((int32_t)lg_utf8_decode(ARG_STR(0), ARG_LEN(0), &n)) : 0;
}

LG_FN(chr)
{
    int32_t v = ARG_INT4(0);
    char to[4];
    if (v < 0)
        return lg_call_error(c, "22023", "character number must be positive");
    if (v == 0)
        return lg_call_error(c, "54000", "null character not permitted");
    if (v > 0x10ffff)
        return lg_call_error(c, "54000", "requested character too large for encoding: %u",
                             (unsigned)v);
    if (v >= 0xd800 && v <= 0xdfff)
        return lg_call_error(c, "54000", "requested character not valid for encoding: %u",
                             (unsigned)v);
    return make(c, to, lg_utf8_encode((uint32_t)v, to));
}

LG_FN(repeat)
{
    int64_t n = ARG_INT4(1) < 0 ? 0 : ARG_INT4(1);
    size_t len = ARG_LEN(0);
    if ((uint64_t)n * len > 0x3fffffff)
        return lg_call_error(c, "54000", "requested length too large");
    size_t total = (size_t)n * len, done = total < len ? total : len;
    if (!lg_call_fits(c, total))
        return 0;
    lg_varlen *v = lg_varlen_new(c->arena, total);
    memcpy(v->data, ARG_STR(0), done);
    while (done < total) { /* twice as much each time, but not too much without asking */
        size_t more = done < total - done ? done : total - done;
        more = more < REPEAT_STEP ? more : REPEAT_STEP / len * len;
        more = more ? more : len;
        memcpy(v->data + done, v->data, more);
        done += more;
        if (done >= REPEAT_STEP && lg_poll())
            return make(c, "", 0);
    }
    return lg_datum_ptr(v);
}

/* --- quoting --- */

/* Words that need quotes as identifiers: all key words but the unreserved ones. */
static const char *const reserved[] = {"all",
                                       "analyse",
                                       "analyze",
                                       "and",
                                       "any",
                                       "array",
                                       "as",
                                       "asc",
                                       "asymmetric",
                                       "authorization",
                                       "between",
                                       "bigint",
                                       "binary",
                                       "bit",
                                       "boolean",
                                       "both",
                                       "case",
                                       "cast",
                                       "char",
                                       "character",
                                       "check",
                                       "coalesce",
                                       "collate",
                                       "collation",
                                       "column",
                                       "concurrently",
                                       "constraint",
                                       "create",
                                       "cross",
                                       "current_catalog",
                                       "current_date",
                                       "current_role",
                                       "current_schema",
                                       "current_time",
                                       "current_timestamp",
                                       "current_user",
                                       "dec",
                                       "decimal",
                                       "default",
                                       "deferrable",
                                       "desc",
                                       "distinct",
                                       "do",
                                       "else",
                                       "end",
                                       "except",
                                       "exists",
                                       "extract",
                                       "false",
                                       "fetch",
                                       "float",
                                       "for",
                                       "foreign",
                                       "freeze",
                                       "from",
                                       "full",
                                       "grant",
                                       "greatest",
                                       "group",
                                       "grouping",
                                       "having",
                                       "ilike",
                                       "in",
                                       "initially",
                                       "inner",
                                       "inout",
                                       "int",
                                       "integer",
                                       "intersect",
                                       "interval",
                                       "into",
                                       "is",
                                       "isnull",
                                       "join",
                                       "lateral",
                                       "leading",
                                       "least",
                                       "left",
                                       "like",
                                       "limit",
                                       "localtime",
                                       "localtimestamp",
                                       "national",
                                       "natural",
                                       "nchar",
                                       "none",
                                       "normalize",
                                       "not",
                                       "notnull",
                                       "null",
                                       "nullif",
                                       "numeric",
                                       "offset",
                                       "on",
                                       "only",
                                       "or",
                                       "order",
                                       "out",
                                       "outer",
                                       "overlaps",
                                       "overlay",
                                       "placing",
                                       "position",
                                       "precision",
                                       "primary",
                                       "real",
                                       "references",
                                       "returning",
                                       "right",
                                       "row",
                                       "select",
                                       "session_user",
                                       "setof",
                                       "similar",
                                       "smallint",
                                       "some",
                                       "substring",
                                       "symmetric",
                                       "table",
                                       "tablesample",
                                       "then",
                                       "time",
                                       "timestamp",
                                       "to",
                                       "trailing",
                                       "treat",
                                       "trim",
                                       "true",
                                       "union",
                                       "unique",
                                       "user",
                                       "using",
                                       "values",
                                       "varchar",
                                       "variadic",
                                       "verbose",
                                       "when",
                                       "where",
                                       "window",
                                       "with",
                                       "xmlattributes",
                                       "xmlconcat",
                                       "xmlelement",
                                       "xmlexists",
                                       "xmlforest",
                                       "xmlnamespaces",
                                       "xmlparse",
                                       "xmlpi",
                                       "xmlroot",
                                       "xmlserialize",
                                       "xmltable"};

static int
compare_words(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool
lg_word_is_reserved(const char *word, size_t len)
{
    char copy[32];
    const char *key = copy;
    if (len >= sizeof copy)
        return false;
    memcpy(copy, word, len);
    copy[len] = 0;
    return bsearch(&key, reserved, sizeof reserved / sizeof *reserved, sizeof *reserved,
                   compare_words) != NULL;
}

void
lg_text_quote_ident(lg_abuf *b, const char *s, size_t len)
{
    bool plain = len > 0 && ((s[0] >= 'a' && s[0] <= 'z') || s[0] == '_');
    for (size_t i = 0; plain && i < len; i++)
        plain = (s[i] >= 'a' && s[i] <= 'z') || isdigit((unsigned char)s[i]) || s[i] == '_';
    if (plain && !lg_word_is_reserved(s, len)) {
        lg_abuf_add(b, s, len);
        return;
    }
    lg_abuf_putc(b, '"');
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '"')
            lg_abuf_putc(b, '"');
        lg_abuf_putc(b, s[i]);
    }
    lg_abuf_putc(b, '"');
}

void
lg_text_quote_literal(lg_abuf *b, const char *s, size_t len)
{
    if (len && memchr(s, '\\', len))
        lg_abuf_putc(b, 'E');
    lg_abuf_putc(b, '\'');
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\'' || s[i] == '\\')
            lg_abuf_putc(b, s[i]);
        lg_abuf_putc(b, s[i]);
    }
    lg_abuf_putc(b, '\'');
}

LG_FN(quote_ident)
{
    lg_abuf b;
    lg_abuf_for(&b, c);
    lg_text_quote_ident(&b, ARG_STR(0), ARG_LEN(0));
    return lg_abuf_text(&b);
}

/* An argument of any type as text. False: error. */
static bool
any_text(lg_call *c, uint32_t i, const char **s, size_t *n)
{
    lg_oid t = lg_argtype(c, i);
    if (t == LG_T_BOOL && c->func->name[0] == 'q') { /* a cast to text, not the output form */
        *s = ARG(i) ? "true" : "false";
        *n = strlen(*s);
        return true;
    }
    c->st = lg_type_output(c->env, t, ARG(i), c->arena, c->err, s, n);
    return c->st == LG_OK;
}

static lg_datum
quote_any(lg_call *c)
{
    const char *s;
    size_t n;
    lg_abuf b;
    if (ARG_NULL(0))
        return make(c, "NULL", 4);
    if (!any_text(c, 0, &s, &n))
        return 0;
    lg_abuf_for(&b, c);
    lg_text_quote_literal(&b, s, n);
    return lg_abuf_text(&b);
}

LG_FN(quote_literal)
{
    return quote_any(c);
}
LG_FN(quote_nullable)
{
    return quote_any(c);
}
LG_FN(oid_1285)
{
    return quote_any(c);
}
LG_FN(oid_1290)
{
    return quote_any(c);
}

/* --- concat, format: variadic "any" --- */

/* The arguments from `first` on; a VARIADIC array call spreads its array. */
struct args {
    uint32_t n;
    lg_oid *types;
    lg_datum *values;
    uint8_t *nulls;
};

static bool
spread(lg_call *c, uint32_t first, struct args *a)
{
    uint32_t n = c->nargs - first;
    a->n = n;
    a->types = lg_arena_alloc(c->arena, sizeof(lg_oid) * (n + 1));
    a->values = (lg_datum *)(uintptr_t)(c->args + first);
    a->nulls = (uint8_t *)(uintptr_t)(c->nulls + first);
    for (uint32_t i = 0; i < n; i++)
        a->types[i] = lg_argtype(c, first + i);
    return true;
}

static lg_datum
concat(lg_call *c, uint32_t first, const char *sep, size_t sep_len)
{
    struct args a;
    lg_abuf b;
    lg_abuf_for(&b, c);
    bool any = false;
    spread(c, first, &a);
    for (uint32_t i = 0; i < a.n; i++) {
        const char *s;
        size_t n;
        if (a.nulls[i])
            continue;
        c->st = lg_type_output(c->env, a.types[i], a.values[i], c->arena, c->err, &s, &n);
        if (c->st)
            return 0;
        if (any)
            lg_abuf_add(&b, sep, sep_len);
        lg_abuf_add(&b, s, n);
        any = true;
    }
    return lg_abuf_text(&b);
}

LG_FN(text_concat)
{
    return concat(c, 0, "", 0);
}
LG_FN(text_concat_ws)
{
    if (ARG_NULL(0))
        RET_NULL();
    return concat(c, 1, ARG_STR(0), ARG_LEN(0));
}

/* One conversion of format(): %[n$][-][width|*|*n$]type */
struct conversion {
    int64_t arg, width_arg, width;
    bool left, star;
    char type;
};

static const char *
parse_number(const char *p, const char *end, int64_t *ret)
{
    *ret = 0;
    const char *q = p;
    while (q < end && isdigit((unsigned char)*q) && *ret <= INT32_MAX)
        *ret = *ret * 10 + (*q++ - '0');
    return q;
}

/* NULL: error. */
static const char *
parse_conversion(lg_call *c, const char *p, const char *end, struct conversion *k)
{
    int64_t n;
    *k = (struct conversion){-1, -1, 0, false, false, 0};
    const char *q = parse_number(p, end, &n);
    if (q > p && q < end && *q == '$') {
        if (n == 0) {
            lg_call_error(c, "22023",
                          "format specifies argument 0, but arguments are numbered from 1");
            return NULL;
        }
        k->arg = n;
        p = q + 1;
    }
    while (p < end && *p == '-') {
        k->left = true;
        p++;
    }
    if (p < end && *p == '*') {
        k->star = true;
        q = parse_number(p + 1, end, &n);
        if (q > p + 1) {
            if (q >= end || *q != '$') {
                lg_call_error(c, "22023", "width argument position must be ended by \"$\"");
                return NULL;
            }
            if (n == 0) {
                lg_call_error(c, "22023",
                              "format specifies argument 0, but arguments are numbered from 1");
                return NULL;
            }
            k->width_arg = n;
            q++;
        }
        p = q > p + 1 ? q : p + 1;
    } else {
        p = parse_number(p, end, &k->width);
    }
    if (p >= end) {
        lg_call_error(c, "22023", "unterminated format() type specifier");
        lg_error_hint(c->err, "For a single \"%%\" use \"%%%%\".");
        return NULL;
    }
    k->type = *p;
    return p + 1;
}

static void
append_padded(lg_abuf *b, const char *s, size_t n, int64_t width, bool left)
{
    if (width < 0) {
        width = -width;
        left = true;
    }
    int64_t fill = width - lg_utf8_count(s, n);
    if (left)
        lg_abuf_add(b, s, n);
    for (uint32_t k = 0; fill > 0 && (!b->c || b->c->st == LG_OK); k++) {
        static const char blanks[64] =
            "                                                                ";
        size_t part = fill < 64 ? (size_t)fill : 64;
        lg_abuf_add(b, blanks, part);
        fill -= (int64_t)part;
        if (k % 65536 == 65535 && lg_poll())
            break;
    }
    if (!left)
        lg_abuf_add(b, s, n);
}

static bool
convert(lg_call *c, const struct conversion *k, const struct args *a, int64_t at, int64_t width,
        lg_abuf *out)
{
    if (k->type != 's' && k->type != 'I' && k->type != 'L') {
        lg_call_error(c, "22023", "unrecognized format() type specifier \"%c\"", k->type);
        lg_error_hint(c->err, "For a single \"%%\" use \"%%%%\".");
        return false;
    }
    if (at > a->n) {
        lg_call_error(c, "22023", "too few arguments for format()");
        return false;
    }
    uint32_t i = (uint32_t)(at - 1);
    if (a->nulls[i]) {
        if (k->type == 'I') {
            lg_call_error(c, "22004", "null values cannot be formatted as an SQL identifier");
            return false;
        }
        const char *s = k->type == 'L' ? "NULL" : "";
        append_padded(out, s, strlen(s), width, k->left);
        return true;
    }
    const char *s;
    size_t n;
    c->st = lg_type_output(c->env, a->types[i], a->values[i], c->arena, c->err, &s, &n);
    if (c->st)
        return false;
    lg_abuf q;
    lg_abuf_for(&q, c);
    if (k->type == 'I')
        lg_text_quote_ident(&q, s, n);
    else if (k->type == 'L')
        lg_text_quote_literal(&q, s, n);
    else
        lg_abuf_add(&q, s, n);
    append_padded(out, q.p, q.len, width, k->left);
    return true;
}

static lg_datum
format(lg_call *c)
{
    struct args a;
    lg_abuf b;
    if (ARG_NULL(0))
        RET_NULL();
    spread(c, 1, &a);
    lg_abuf_for(&b, c);
    const char *p = ARG_STR(0), *end = p + ARG_LEN(0);
    int64_t next = 1;
    while (p < end) {
        if (*p != '%') {
            lg_abuf_putc(&b, *p++);
            continue;
        }
        if (++p >= end) {
            lg_call_error(c, "22023", "unterminated format() type specifier");
            lg_error_hint(c->err, "For a single \"%%\" use \"%%%%\".");
            return 0;
        }
        if (*p == '%') {
            lg_abuf_putc(&b, *p++);
            continue;
        }
        struct conversion k;
        p = parse_conversion(c, p, end, &k);
        if (!p)
            return 0;
        int64_t width = k.width;
        if (k.star) {
            int64_t w = k.width_arg > 0 ? k.width_arg : next++;
            if (w > a.n)
                return lg_call_error(c, "22023", "too few arguments for format()");
            next = k.width_arg > 0 ? w + 1 : next;
            const char *s;
            size_t n;
            width = 0;
            if (!a.nulls[w - 1]) {
                c->st = lg_type_output(c->env, a.types[w - 1], a.values[w - 1], c->arena, c->err,
                                       &s, &n);
                if (!c->st)
                    width = lg_parse_int(c, lg_arena_strndup(c->arena, s, n), INT32_MIN, INT32_MAX,
                                         "integer");
                if (c->st)
                    return 0;
            }
        }
        int64_t at = k.arg > 0 ? k.arg : next;
        next = at + 1;
        if (!convert(c, &k, &a, at, width, &b))
            return 0;
    }
    return lg_abuf_text(&b);
}

LG_FN(text_format)
{
    return format(c);
}
LG_FN(text_format_nv)
{
    return format(c);
}

/* --- digests --- */

static lg_datum
digest(lg_call *c, const EVP_MD *md, bool hex)
{
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    const char *s = ARG_STR(0);
    EVP_MD_CTX *x = EVP_MD_CTX_new();
    bool fine = x && EVP_DigestInit_ex(x, md, NULL);
    for (size_t at = 0, len = ARG_LEN(0); fine && at < len;) {
        size_t part = len - at < REPEAT_STEP ? len - at : REPEAT_STEP;
        fine = EVP_DigestUpdate(x, s + at, part);
        at += part;
        if (at < len && lg_poll())
            break;
    }
    fine = fine && EVP_DigestFinal_ex(x, out, &n);
    EVP_MD_CTX_free(x);
    if (!fine)
        return lg_call_error(c, "XX000", "could not compute %s hash", "MD5");
    if (!hex)
        return make(c, (char *)out, n);
    lg_varlen *v = lg_varlen_new(c->arena, 2 * (size_t)n);
    for (unsigned i = 0; i < n; i++) {
        v->data[2 * i] = "0123456789abcdef"[out[i] >> 4];
        v->data[2 * i + 1] = "0123456789abcdef"[out[i] & 15];
    }
    return lg_datum_ptr(v);
}

LG_FN(md5_text)
{
    return digest(c, EVP_md5(), true);
}
LG_FN(md5_bytea)
{
    return digest(c, EVP_md5(), true);
}
LG_FN(sha224_bytea)
{
    return digest(c, EVP_sha224(), false);
}
LG_FN(sha256_bytea)
{
    return digest(c, EVP_sha256(), false);
}
LG_FN(sha384_bytea)
{
    return digest(c, EVP_sha384(), false);
}
LG_FN(sha512_bytea)
{
    return digest(c, EVP_sha512(), false);
}

/* --- about the server --- */

LG_FN(pgsql_version)
{
    return lg_datum_cstring_text(
        c->arena, "PostgreSQL 15.0 (Lagoon) on x86_64-pc-linux-gnu, compiled by gcc, 64-bit");
}

LG_FN(pg_num_nulls)
{
    int32_t n = 0;
    for (uint32_t i = 0; i < c->nargs; i++)
        n += c->nulls[i];
    return lg_datum_int4(n);
}

LG_FN(pg_num_nonnulls)
{
    int32_t n = 0;
    for (uint32_t i = 0; i < c->nargs; i++)
        n += !c->nulls[i];
    return lg_datum_int4(n);
}
