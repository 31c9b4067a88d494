/* LIKE, ILIKE, SIMILAR TO, and regular expressions: PostgreSQL's ARE syntax put into PCRE2's.
 *
 * A compiled pattern is kept on the call site while the pattern text stays the same. Differences
 * in matching: PostgreSQL takes the longest of alternatives, PCRE2 the first; patterns that psql,
 * drivers and tools use do not tell them apart. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "array.h"
#include "mem.h"
#include "text.h"
#include <ctype.h>
#include <pcre2.h>
#include <unicode/uchar.h>

/* --- LIKE --- */

static bool
bad_escape(lg_call *c)
{
    lg_call_error(c, "22025", "LIKE pattern must not end with escape character");
    return false;
}

static bool
same_char(const char *s, const char *p, size_t *ns, size_t *np, size_t ls, size_t lp, bool fold)
{
    uint32_t a = lg_utf8_decode(s, ls, ns), b = lg_utf8_decode(p, lp, np);
    if (fold)
        return u_tolower((UChar32)a) == u_tolower((UChar32)b);
    return a == b;
}

/* Greedy with one level of backtracking: after a %, only the latest matters. */
static bool
like(lg_call *c, const char *s, size_t ns, const char *p, size_t np, bool fold)
{
    const char *se = s + ns, *pe = p + np, *star_p = NULL, *star_s = NULL;
    for (;;) {
        if (p < pe && *p == '%') {
            star_p = ++p;
            star_s = s;
            if (p == pe)
                return true;
            continue;
        }
        if (s == se)
            break;
        if (p < pe) {
            const char *q = p;
            if (*q == '_') {
                size_t n = lg_utf8_len((uint8_t)*s);
                s += n < (size_t)(se - s) ? n : (size_t)(se - s);
                p++;
                continue;
            }
            if (*q == '\\' && ++q == pe)
                return bad_escape(c);
            size_t ls, lp;
            if (same_char(s, q, &ls, &lp, (size_t)(se - s), (size_t)(pe - q), fold)) {
                s += ls;
                p = q + lp;
                continue;
            }
        }
        if (!star_p)
            return false;
        star_s += lg_utf8_len((uint8_t)*star_s);
        if (star_s > se)
            return false;
        s = star_s;
        p = star_p;
    }
    while (p < pe && *p == '%')
        p++;
    return p == pe;
}

#define LIKE(yes, no, fold)                                                                        \
    LG_FN(yes)                                                                                     \
    {                                                                                              \
        return like(c, ARG_STR(0), ARG_LEN(0), ARG_STR(1), ARG_LEN(1), fold);                      \
    }                                                                                              \
    LG_FN(no)                                                                                      \
    {                                                                                              \
        return !like(c, ARG_STR(0), ARG_LEN(0), ARG_STR(1), ARG_LEN(1), fold);                     \
    }

LIKE(textlike, textnlike, false)
LIKE(namelike, namenlike, false)
LIKE(bytealike, byteanlike, false)
LIKE(texticlike, texticnlike, true)
LIKE(nameiclike, nameicnlike, true)

/* LIKE ... ESCAPE e: the pattern with \ as its escape character. */
LG_FN(like_escape)
{
    const char *p = ARG_STR(0), *end = p + ARG_LEN(0), *e = ARG_STR(1);
    size_t ne = ARG_LEN(1);
    lg_abuf b;
    lg_abuf_init(&b, c->arena);
    if (ne && lg_utf8_count(e, ne) > 1) {
        lg_call_error(c, "22025", "invalid escape string");
        lg_error_hint(c->err, "Escape string must be empty or one character.");
        return 0;
    }
    bool after = false;
    while (p < end) {
        size_t n = lg_utf8_len((uint8_t)*p);
        if (ne && n == ne && memcmp(p, e, n) == 0 && !after) {
            lg_abuf_putc(&b, '\\');
            after = true;
        } else if (*p == '\\') {
            lg_abuf_putc(&b, '\\');
            if (!after)
                lg_abuf_putc(&b, '\\');
            after = false;
        } else {
            lg_abuf_add(&b, p, n);
            after = false;
        }
        p += n;
    }
    return lg_abuf_text(&b);
}

/* --- SIMILAR TO: its pattern as a regular expression --- */

static lg_datum
similar(lg_call *c, lg_datum pattern, const char *e, size_t ne)
{
    const char *p = lg_text_data(pattern), *end = p + lg_text_len(pattern);
    bool escaped = false, in_class = false;
    int quotes = 0;
    lg_abuf b;
    lg_abuf_init(&b, c->arena);
    lg_abuf_puts(&b, "^(?:");
    for (; p < end; p++) {
        char ch = *p;
        if (escaped) {
            if (ch == '"' && !in_class) {
                lg_abuf_puts(&b, quotes == 0 ? "){1,1}?(" : "){1,1}(?:");
                if (++quotes > 2)
                    return lg_call_error(c, "2200C",
                                         "SQL regular expression may not contain more than two "
                                         "escape-double-quote separators");
            } else {
                lg_abuf_putc(&b, '\\');
                lg_abuf_putc(&b, ch);
            }
            escaped = false;
        } else if (ne == 1 && ch == *e) {
            escaped = true;
        } else if (in_class) {
            if (ch == '\\')
                lg_abuf_putc(&b, '\\');
            lg_abuf_putc(&b, ch);
            in_class = ch != ']';
        } else if (ch == '[') {
            lg_abuf_putc(&b, ch);
            in_class = true;
        } else if (ch == '%') {
            lg_abuf_puts(&b, ".*");
        } else if (ch == '_') {
            lg_abuf_putc(&b, '.');
        } else if (ch == '(') {
            lg_abuf_puts(&b, "(?:");
        } else {
            if (ch == '\\' || ch == '.' || ch == '^' || ch == '$')
                lg_abuf_putc(&b, '\\');
            lg_abuf_putc(&b, ch);
        }
    }
    lg_abuf_puts(&b, ")$");
    return lg_abuf_text(&b);
}

LG_FN(similar_to_escape_1)
{
    return similar(c, ARG(0), "\\", 1);
}
LG_FN(similar_to_escape_2)
{
    if (ARG_LEN(1) > 1) {
        lg_call_error(c, "22019", "invalid escape string");
        lg_error_hint(c->err, "Escape string must be empty or one character.");
        return 0;
    }
    return similar(c, ARG(0), ARG_STR(1), ARG_LEN(1));
}
LG_FN(similar_escape)
{
    if (ARG_NULL(0))
        RET_NULL();
    return ARG_NULL(1) ? similar(c, ARG(0), "\\", 1) : similar(c, ARG(0), ARG_STR(1), ARG_LEN(1));
}

/* --- regular expressions --- */

struct regex {
    pcre2_code *code;
    pcre2_match_data *match;
    char *pattern;
    size_t len;
    uint32_t options;
    bool global;
};

/* PCRE2's memory comes from the arena of the call site and goes with it. */
static void *
arena_malloc(size_t n, void *arena)
{
    return lg_arena_alloc(arena, n);
}

static void
arena_free(void *p, void *arena)
{
    (void)p;
    (void)arena;
}

/* PostgreSQL's escapes and classes in PCRE2's spelling. */
static void
translate(lg_abuf *b, const char *p, size_t len)
{
    const char *end = p + len;
    bool in_class = false;
    while (p < end) {
        size_t left = (size_t)(end - p);
        if (*p == '\\' && left > 1) {
            char ch = p[1];
            p += 2;
            switch (ch) {
            case 'm':
                lg_abuf_puts(b, "\\b(?=\\w)");
                break;
            case 'M':
                lg_abuf_puts(b, "\\b(?<=\\w)");
                break;
            case 'y':
                lg_abuf_puts(b, "\\b");
                break;
            case 'Y':
                lg_abuf_puts(b, "\\B");
                break;
            case 'Z':
                lg_abuf_puts(b, "\\z");
                break;
            case 'u':
            case 'U': {
                size_t n = ch == 'u' ? 4 : 8;
                lg_abuf_puts(b, "\\x{");
                for (size_t i = 0; i < n && p < end && isxdigit((unsigned char)*p); i++)
                    lg_abuf_putc(b, *p++);
                lg_abuf_puts(b, "}");
                break;
            }
            default:
                lg_abuf_putc(b, '\\');
                lg_abuf_putc(b, ch);
            }
        } else if (!in_class && left >= 7 && memcmp(p, "[[:<:]]", 7) == 0) {
            lg_abuf_puts(b, "\\b(?=\\w)");
            p += 7;
        } else if (!in_class && left >= 7 && memcmp(p, "[[:>:]]", 7) == 0) {
            lg_abuf_puts(b, "\\b(?<=\\w)");
            p += 7;
        } else if (!in_class && *p == '[') {
            in_class = true;
            lg_abuf_putc(b, *p++);
            if (p < end && *p == '^')
                lg_abuf_putc(b, *p++);
            if (p < end && *p == ']') {
                lg_abuf_puts(b, "\\]");
                p++;
            }
        } else if (in_class && *p == '[' && left > 1 && p[1] == ':') {
            const char *q = memmem(p, left, ":]", 2);
            size_t n = q ? (size_t)(q - p) + 2 : 1;
            lg_abuf_add(b, p, n);
            p += n;
        } else if (in_class && *p == '[') {
            lg_abuf_puts(b, "\\[");
            p++;
        } else {
            if (in_class && *p == ']')
                in_class = false;
            lg_abuf_putc(b, *p++);
        }
    }
}

/* Flags of regexp_*(..., flags) into PCRE2's; g is the caller's. */
static bool
parse_flags(lg_call *c, const char *f, size_t n, uint32_t *options, bool *global)
{
    for (size_t i = 0; i < n; i++)
        switch (f[i]) {
        case 'g':
            *global = true;
            break;
        case 'i':
            *options |= PCRE2_CASELESS;
            break;
        case 'c':
            *options &= ~(uint32_t)PCRE2_CASELESS;
            break;
        case 'm':
        case 'n':
            *options = (*options | PCRE2_MULTILINE) & ~(uint32_t)PCRE2_DOTALL;
            break;
        case 's':
            *options = (*options | PCRE2_DOTALL) & ~(uint32_t)PCRE2_MULTILINE;
            break;
        case 'p':
            *options &= ~(uint32_t)PCRE2_DOTALL;
            break;
        case 'w':
            *options |= PCRE2_MULTILINE;
            break;
        case 'x':
            *options |= PCRE2_EXTENDED;
            break;
        case 'q':
            *options |= PCRE2_LITERAL;
            break;
        case 'b':
        case 'e':
        case 't':
            break;
        default: {
            int len = (int)lg_utf8_len((uint8_t)f[i]);
            lg_call_error(c, "22023", "invalid regular expression option: \"%.*s\"", len, f + i);
            return false;
        }
        }
    return true;
}

#define BASE_OPTIONS                                                                               \
    (PCRE2_UTF | PCRE2_UCP | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_NO_UTF_CHECK)

static struct regex *
compile(lg_call *c, lg_datum pattern, uint32_t options)
{
    const char *p = lg_text_data(pattern);
    size_t len = lg_text_len(pattern);
    struct regex *r = c->cache;
    if (r && r->len == len && r->options == options && memcmp(r->pattern, p, len) == 0)
        return r;
    r = LG_NEW(c->perm, struct regex);
    r->pattern = lg_arena_strndup(c->perm, p, len);
    r->len = len;
    r->options = options;
    lg_abuf b;
    lg_abuf_init(&b, c->arena);
    if (len >= 3 && memcmp(p, "***", 3) == 0) { /* ***: an ARE follows; ***=: a literal */
        bool literal = len > 3 && p[3] == '=';
        if (literal)
            options |= PCRE2_LITERAL;
        p += len > 3 ? 4 : 3;
        len -= len > 3 ? 4 : 3;
    }
    if (options & PCRE2_LITERAL) {
        lg_abuf_add(&b, p, len);
        options &= ~(uint32_t)(PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_UCP | PCRE2_MULTILINE |
                               PCRE2_EXTENDED);
    } else {
        translate(&b, p, len);
    }
    int code;
    size_t at;
    pcre2_general_context *g = pcre2_general_context_create(arena_malloc, arena_free, c->perm);
    pcre2_compile_context *cc = pcre2_compile_context_create(g);
    r->code = pcre2_compile((PCRE2_SPTR)b.p, b.len, options, &code, &at, cc);
    if (!r->code) {
        char text[128];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof text);
        static const struct {
            int code;
            const char *text;
        } same[] = {{106, "brackets [] not balanced"},    {114, "parentheses () not balanced"},
                    {122, "parentheses () not balanced"}, {109, "quantifier operand invalid"},
                    {108, "invalid character range"},     {115, "invalid backreference number"},
                    {101, "invalid escape \\ sequence"},  {103, "invalid escape \\ sequence"},
                    {104, "invalid repetition count(s)"}, {105, "invalid repetition count(s)"},
                    {130, "invalid character class"}};
        const char *msg = text;
        for (size_t i = 0; i < sizeof same / sizeof *same; i++)
            if (same[i].code == code)
                msg = same[i].text;
        lg_call_error(c, "2201B", "invalid regular expression: %s", msg);
        return NULL;
    }
    r->match = pcre2_match_data_create_from_pattern(r->code, g);
    c->cache = r;
    return r;
}

/* >0 groups + 1, 0 no match, <0 error reported. */
static int
match(lg_call *c, struct regex *r, const char *s, size_t len, size_t from)
{
    int n = pcre2_match(r->code, (PCRE2_SPTR)s, len, from, PCRE2_NO_UTF_CHECK, r->match, NULL);
    if (n == PCRE2_ERROR_NOMATCH)
        return 0;
    if (n < 0) {
        lg_call_error(c, "54001", "regular expression failed: matching is too complex");
        return -1;
    }
    return n;
}

static bool
matches(lg_call *c, lg_datum s, lg_datum pattern, uint32_t options)
{
    struct regex *r = compile(c, pattern, BASE_OPTIONS | options);
    return r && match(c, r, lg_text_data(s), lg_text_len(s), 0) > 0;
}

#define REGEX(yes, no, options)                                                                    \
    LG_FN(yes)                                                                                     \
    {                                                                                              \
        return matches(c, ARG(0), ARG(1), options);                                                \
    }                                                                                              \
    LG_FN(no)                                                                                      \
    {                                                                                              \
        return !matches(c, ARG(0), ARG(1), options);                                               \
    }

REGEX(textregexeq, textregexne, 0)
REGEX(nameregexeq, nameregexne, 0)
REGEX(texticregexeq, texticregexne, PCRE2_CASELESS)
REGEX(nameicregexeq, nameicregexne, PCRE2_CASELESS)

/* substring(s from pattern): the first group if there is one, else the whole match. */
static lg_datum
regex_substring(lg_call *c, lg_datum s, lg_datum pattern)
{
    struct regex *r = compile(c, pattern, BASE_OPTIONS);
    if (!r)
        return 0;
    if (match(c, r, lg_text_data(s), lg_text_len(s), 0) <= 0)
        RET_NULL();
    size_t *v = pcre2_get_ovector_pointer(r->match);
    uint32_t groups = pcre2_get_ovector_count(r->match);
    size_t k = groups > 1 ? 2 : 0;
    if (v[k] == PCRE2_UNSET)
        RET_NULL();
    return lg_datum_text(c->arena, lg_text_data(s) + v[k], v[k + 1] - v[k]);
}

LG_FN(textregexsubstr)
{
    return regex_substring(c, ARG(0), ARG(1));
}
LG_FN(oid_2074) /* substring(s similar p escape e) */
{
    lg_datum p = similar(c, ARG(1), ARG_STR(2), ARG_LEN(2));
    return c->st ? 0 : regex_substring(c, ARG(0), p);
}

/* \1 ... \9 groups, \& the match, \\ a backslash. */
static void
append_replacement(lg_abuf *b, const struct regex *r, const char *s, const char *with, size_t n)
{
    size_t *v = pcre2_get_ovector_pointer(r->match);
    uint32_t groups = pcre2_get_ovector_count(r->match);
    for (size_t i = 0; i < n; i++) {
        if (with[i] != '\\' || i + 1 == n) {
            lg_abuf_putc(b, with[i]);
            continue;
        }
        char ch = with[++i];
        uint32_t g = ch == '&' ? 0 : isdigit((unsigned char)ch) ? (uint32_t)(ch - '0') : UINT32_MAX;
        if (g == UINT32_MAX || (g == 0 && ch == '0')) {
            if (ch != '\\')
                lg_abuf_putc(b, '\\');
            lg_abuf_putc(b, ch);
        } else if (g < groups && v[2 * g] != PCRE2_UNSET) {
            lg_abuf_add(b, s + v[2 * g], v[2 * g + 1] - v[2 * g]);
        }
    }
}

/* The next place to search after a match; an empty match moves on by a character. */
static size_t
next_start(const char *s, size_t len, const size_t *v)
{
    if (v[1] > v[0])
        return v[1];
    return v[1] < len ? v[1] + lg_utf8_len((uint8_t)s[v[1]]) : len + 1;
}

/* Replaces the nth match, or all (nth 0), from byte `from` on. */
static lg_datum
replace(lg_call *c, lg_datum text, lg_datum pattern, lg_datum with, uint32_t options, size_t from,
        int64_t nth)
{
    struct regex *r = compile(c, pattern, BASE_OPTIONS | options);
    if (!r)
        return 0;
    const char *s = lg_text_data(text);
    size_t len = lg_text_len(text), copied = 0;
    lg_abuf b;
    lg_abuf_init(&b, c->arena);
    for (int64_t k = 1; from <= len; k++) {
        int n = match(c, r, s, len, from);
        if (n < 0)
            return 0;
        if (n == 0)
            break;
        size_t *v = pcre2_get_ovector_pointer(r->match);
        if (nth == 0 || k == nth) {
            lg_abuf_add(&b, s + copied, v[0] - copied);
            append_replacement(&b, r, s, lg_text_data(with), lg_text_len(with));
            copied = v[1];
        }
        if (k == nth)
            break;
        from = next_start(s, len, v);
    }
    lg_abuf_add(&b, s + copied, len - copied);
    return lg_abuf_text(&b);
}

LG_FN(textregexreplace_noopt)
{
    return replace(c, ARG(0), ARG(1), ARG(2), 0, 0, 1);
}

LG_FN(textregexreplace)
{
    uint32_t o = 0;
    bool global = false;
    if (ARG_LEN(3) && isdigit((unsigned char)*ARG_STR(3))) {
        lg_call_error(c, "22023", "invalid regular expression option: \"%.*s\"", 1, ARG_STR(3));
        lg_error_hint(c->err, "If you meant to use regexp_replace() with a start parameter, cast "
                              "the fourth argument to integer explicitly.");
        return 0;
    }
    if (!parse_flags(c, ARG_STR(3), ARG_LEN(3), &o, &global))
        return 0;
    return replace(c, ARG(0), ARG(1), ARG(2), o, 0, global ? 0 : 1);
}

/* start, N, flags of the regexp_ functions of PostgreSQL 15. */
static bool
start_arg(lg_call *c, uint32_t i, size_t *from)
{
    int32_t start = i < c->nargs ? ARG_INT4(i) : 1;
    if (start <= 0) {
        lg_call_error(c, "22023", "invalid value for parameter \"%s\": %d", "start", start);
        return false;
    }
    *from = lg_utf8_prefix(ARG_STR(0), ARG_LEN(0), start - 1);
    if (lg_utf8_count(ARG_STR(0), ARG_LEN(0)) < start - 1)
        *from = ARG_LEN(0) + 1;
    return true;
}

static lg_datum
replace_extended(lg_call *c)
{
    size_t from;
    uint32_t o = 0;
    bool global = false;
    int32_t nth = c->nargs > 4 ? ARG_INT4(4) : 1;
    if (!start_arg(c, 3, &from))
        return 0;
    if (nth < 0)
        return lg_call_error(c, "22023", "invalid value for parameter \"%s\": %d", "n", nth);
    if (c->nargs > 5 && !parse_flags(c, ARG_STR(5), ARG_LEN(5), &o, &global))
        return 0;
    if (c->nargs <= 4)
        nth = global ? 0 : 1;
    return replace(c, ARG(0), ARG(1), ARG(2), o, from, nth);
}

LG_FN(textregexreplace_extended)
{
    return replace_extended(c);
}
LG_FN(textregexreplace_extended_no_n)
{
    return replace_extended(c);
}
LG_FN(textregexreplace_extended_no_flags)
{
    return replace_extended(c);
}

static lg_datum
flags_at(lg_call *c, uint32_t i, uint32_t *o, bool *global, bool allow_global, const char *fn)
{
    if (c->nargs > i && !parse_flags(c, ARG_STR(i), ARG_LEN(i), o, global))
        return 0;
    if (*global && !allow_global)
        return lg_call_error(c, "22023", "%s() does not support the \"global\" option", fn);
    return 1;
}

LG_FN(regexp_count)
{
    size_t from;
    uint32_t o = 0;
    bool global = false;
    int32_t k = 0;
    if (!start_arg(c, 2, &from) || !flags_at(c, 3, &o, &global, false, "regexp_count"))
        return 0;
    struct regex *r = compile(c, ARG(1), BASE_OPTIONS | o);
    while (r && from <= ARG_LEN(0)) {
        int n = match(c, r, ARG_STR(0), ARG_LEN(0), from);
        if (n <= 0)
            break;
        k++;
        from = next_start(ARG_STR(0), ARG_LEN(0), pcre2_get_ovector_pointer(r->match));
    }
    return lg_datum_int4(k);
}
LG_FN(regexp_count_no_start)
{
    return lg_fn_regexp_count(c);
}
LG_FN(regexp_count_no_flags)
{
    return lg_fn_regexp_count(c);
}

LG_FN(regexp_like)
{
    uint32_t o = 0;
    bool global = false;
    if (!flags_at(c, 2, &o, &global, false, "regexp_like"))
        return 0;
    return matches(c, ARG(0), ARG(1), o);
}
LG_FN(regexp_like_no_flags)
{
    return matches(c, ARG(0), ARG(1), 0);
}

/* The bounds of group `sub` of match n from the start position on. 0: there is no such; <0: error.
 */
static int
nth_match(lg_call *c, uint32_t flags_arg, int32_t n, int32_t sub, const char *fn, size_t *ret_from,
          size_t *ret_to)
{
    size_t from;
    uint32_t o = 0;
    bool global = false;
    if (!start_arg(c, 2, &from))
        return -1;
    if (n <= 0) {
        lg_call_error(c, "22023", "invalid value for parameter \"%s\": %d", "n", n);
        return -1;
    }
    if (sub < 0) {
        lg_call_error(c, "22023", "invalid value for parameter \"%s\": %d", "subexpr", sub);
        return -1;
    }
    if (!flags_at(c, flags_arg, &o, &global, false, fn))
        return -1;
    struct regex *r = compile(c, ARG(1), BASE_OPTIONS | o);
    for (; r && from <= ARG_LEN(0); n--) {
        int found = match(c, r, ARG_STR(0), ARG_LEN(0), from);
        if (found <= 0)
            return found;
        size_t *v = pcre2_get_ovector_pointer(r->match);
        if (n == 1) {
            if (sub == 1 && pcre2_get_ovector_count(r->match) == 1)
                sub = 0; /* without groups the whole match is the first */
            if ((uint32_t)sub >= pcre2_get_ovector_count(r->match) || v[2 * sub] == PCRE2_UNSET)
                return 0;
            *ret_from = v[2 * sub];
            *ret_to = v[2 * sub + 1];
            return 1;
        }
        from = next_start(ARG_STR(0), ARG_LEN(0), v);
    }
    return r ? 0 : -1;
}

LG_FN(regexp_instr)
{
    size_t from, to;
    int32_t end = c->nargs > 4 ? ARG_INT4(4) : 0, n = c->nargs > 3 ? ARG_INT4(3) : 1;
    if (n > 0 && end != 0 && end != 1 && (c->nargs < 3 || ARG_INT4(2) > 0))
        return lg_call_error(c, "22023", "invalid value for parameter \"%s\": %d", "endoption",
                             end);
    if (nth_match(c, 5, n, c->nargs > 6 ? ARG_INT4(6) : 0, "regexp_instr", &from, &to) <= 0)
        return lg_datum_int4(0);
    return lg_datum_int4((int32_t)lg_utf8_count(ARG_STR(0), end ? to : from) + 1);
}
LG_FN(regexp_instr_no_start)
{
    return lg_fn_regexp_instr(c);
}
LG_FN(regexp_instr_no_n)
{
    return lg_fn_regexp_instr(c);
}
LG_FN(regexp_instr_no_endoption)
{
    return lg_fn_regexp_instr(c);
}
LG_FN(regexp_instr_no_flags)
{
    return lg_fn_regexp_instr(c);
}
LG_FN(regexp_instr_no_subexpr)
{
    return lg_fn_regexp_instr(c);
}

LG_FN(regexp_substr)
{
    size_t from, to;
    int32_t n = c->nargs > 3 ? ARG_INT4(3) : 1, sub = c->nargs > 5 ? ARG_INT4(5) : 0;
    if (nth_match(c, 4, n, sub, "regexp_substr", &from, &to) <= 0)
        RET_NULL();
    return lg_datum_text(c->arena, ARG_STR(0) + from, to - from);
}
LG_FN(regexp_substr_no_start)
{
    return lg_fn_regexp_substr(c);
}
LG_FN(regexp_substr_no_n)
{
    return lg_fn_regexp_substr(c);
}
LG_FN(regexp_substr_no_flags)
{
    return lg_fn_regexp_substr(c);
}
LG_FN(regexp_substr_no_subexpr)
{
    return lg_fn_regexp_substr(c);
}

/* --- matches as rows --- */

struct rows {
    struct regex *r;
    const char *s;
    size_t len, from, last;
    bool global, done, split;
};

static lg_datum
groups_array(lg_call *c, const struct rows *x)
{
    size_t *v = pcre2_get_ovector_pointer(x->r->match);
    uint32_t groups = pcre2_get_ovector_count(x->r->match);
    uint32_t first = groups > 1, n = groups - first;
    lg_datum *d = lg_arena_alloc(c->arena, sizeof *d * n);
    uint8_t *nulls = lg_arena_alloc(c->arena, n);
    for (uint32_t i = 0; i < n; i++) {
        size_t a = v[2 * (i + first)], b = v[2 * (i + first) + 1];
        nulls[i] = a == PCRE2_UNSET;
        d[i] = nulls[i] ? 0 : lg_datum_text(c->arena, x->s + a, b - a);
    }
    return lg_array_make(c->arena, LG_T_TEXT, n, d, nulls);
}

static lg_status
rows_open(lg_call *c, void **ret_state)
{
    struct rows *x = LG_NEW(c->arena, struct rows);
    uint32_t o = 0;
    if (c->nargs > 2 && !parse_flags(c, ARG_STR(2), ARG_LEN(2), &o, &x->global))
        return c->st;
    c->cache = NULL; /* several may be open with one call site */
    x->r = compile(c, ARG(1), BASE_OPTIONS | o);
    x->s = ARG_STR(0);
    x->len = ARG_LEN(0);
    *ret_state = x;
    return c->st;
}

static lg_status
matches_next(lg_call *c, void *state, lg_datum *ret, uint8_t *ret_null)
{
    struct rows *x = state;
    if (x->done || x->from > x->len)
        return LG_END;
    int n = match(c, x->r, x->s, x->len, x->from);
    if (n <= 0) {
        x->done = true;
        return n ? c->st : LG_END;
    }
    *ret = groups_array(c, x);
    *ret_null = 0;
    x->from = next_start(x->s, x->len, pcre2_get_ovector_pointer(x->r->match));
    x->done = !x->global;
    return LG_OK;
}

LG_SRF(regexp_matches, rows_open, matches_next);
LG_SRF(regexp_matches_no_flags, rows_open, matches_next);

/* Pieces between matches; empty matches at the ends and right after another do not split. */
static bool
split_next(lg_call *c, struct rows *x, const char **s, size_t *n)
{
    if (x->done)
        return false;
    while (x->from <= x->len) {
        int k = match(c, x->r, x->s, x->len, x->from);
        if (k <= 0)
            break;
        size_t *v = pcre2_get_ovector_pointer(x->r->match);
        x->from = next_start(x->s, x->len, v);
        if (v[0] == v[1] && (v[0] == x->len || v[0] == x->last))
            continue;
        *s = x->s + x->last;
        *n = v[0] - x->last;
        x->last = v[1];
        return true;
    }
    *s = x->s + x->last;
    *n = x->len - x->last;
    x->done = true;
    return c->st == LG_OK;
}

static lg_status
split_rows_next(lg_call *c, void *state, lg_datum *ret, uint8_t *ret_null)
{
    const char *s;
    size_t n;
    if (!split_next(c, state, &s, &n))
        return c->st ? c->st : LG_END;
    *ret = lg_datum_text(c->arena, s, n);
    *ret_null = 0;
    return LG_OK;
}

LG_SRF(regexp_split_to_table, rows_open, split_rows_next);
LG_SRF(regexp_split_to_table_no_flags, rows_open, split_rows_next);

static lg_datum
split_array(lg_call *c)
{
    void *state;
    if (rows_open(c, &state))
        return 0;
    uint32_t n = 0, cap = 16;
    lg_datum *d = lg_arena_alloc(c->arena, sizeof *d * cap);
    const char *s;
    size_t len;
    while (split_next(c, state, &s, &len)) {
        if (n == cap) {
            lg_datum *more = lg_arena_alloc(c->arena, sizeof *d * cap * 2);
            memcpy(more, d, sizeof *d * cap);
            d = more;
            cap *= 2;
        }
        d[n++] = lg_datum_text(c->arena, s, len);
    }
    return c->st ? 0 : lg_array_make(c->arena, LG_T_TEXT, n, d, NULL);
}

LG_FN(regexp_split_to_array)
{
    return split_array(c);
}
LG_FN(regexp_split_to_array_no_flags)
{
    return split_array(c);
}

LG_FN(regexp_match)
{
    void *state;
    lg_datum d;
    uint8_t null;
    if (rows_open(c, &state))
        return 0;
    if (((struct rows *)state)->global) {
        lg_call_error(c, "22023", "%s does not support the \"global\" option", "regexp_match()");
        lg_error_hint(c->err, "Use the regexp_matches function instead.");
        return 0;
    }
    if (matches_next(c, state, &d, &null) != LG_OK)
        RET_NULL();
    return d;
}
LG_FN(regexp_match_no_flags)
{
    return lg_fn_regexp_match(c);
}
