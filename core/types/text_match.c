/* LIKE, ILIKE and SIMILAR TO's pattern. */
#include "collate.h"
#include "text.h"
#include <ctype.h>
#include <unicode/uchar.h>

/* --- LIKE --- */

static bool
bad_escape(lg_call *c)
{
    lg_call_error(c, "22025", "LIKE pattern must not end with escape character");
    return false;
}

/* How characters are told apart: as they are, upper and lower case the same, byte by byte. */
enum fold { PLAIN, CASE, UNICODE_CASE, BYTES };

static size_t
step(const char *s, enum fold fold)
{
    return fold == BYTES ? 1 : lg_utf8_len((uint8_t)*s);
}

static bool
same_char(const char *s, const char *p, size_t *ns, size_t *np, size_t ls, size_t lp,
          enum fold fold)
{
    if (fold == BYTES) {
        *ns = *np = 1;
        return *s == *p;
    }
    uint32_t a = lg_utf8_decode(s, ls, ns), b = lg_utf8_decode(p, lp, np);
    if (fold == UNICODE_CASE)
        return u_tolower((UChar32)a) == u_tolower((UChar32)b);
    if (fold == CASE && a < 128 && b < 128) /* collation "C" */
        return tolower((int)a) == tolower((int)b);
    return a == b;
}

/* Patterns of plain text and % only: pieces are looked for as bytes, which UTF-8 allows. The first
 * place where a piece is found leaves most room for the rest. */
static bool
like_pieces(const char *s, size_t ns, const char *p, size_t np)
{
    const char *se = s + ns, *pe = p + np;
    for (bool first = true;; first = false) {
        const char *end = memchr(p, '%', (size_t)(pe - p));
        size_t len = (size_t)((end ? end : pe) - p), left = (size_t)(se - s);
        if (len > left)
            return false;
        if (first) {
            if (memcmp(s, p, len) != 0)
                return false;
            s += len;
            if (!end)
                return s == se;
        } else if (!end) {
            return memcmp(se - len, p, len) == 0;
        } else if (len) {
            s = memmem(s, left, p, len);
            if (!s)
                return false;
            s += len;
        }
        p = end + 1;
    }
}

/* Greedy with one level of backtracking: after a %, only the latest matters. */
static bool
like(lg_call *c, const char *s, size_t ns, const char *p, size_t np, enum fold fold)
{
    if (fold == CASE && !lg_collation_is_c(c->collation))
        fold = UNICODE_CASE;
    const char *se = s + ns, *pe = p + np, *star_p = NULL, *star_s = NULL;
    if (!fold && !memchr(p, '_', np) && !memchr(p, '\\', np))
        return like_pieces(s, ns, p, np);
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
                size_t n = step(s, fold);
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
        star_s += step(star_s, fold);
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

LIKE(textlike, textnlike, PLAIN)
LIKE(namelike, namenlike, PLAIN)
LIKE(bytealike, byteanlike, BYTES)
LIKE(texticlike, texticnlike, CASE)
LIKE(nameiclike, nameicnlike, CASE)

/* LIKE ... ESCAPE e: the pattern with \ as its escape character. */
static lg_datum
escaped_like(lg_call *c, enum fold fold)
{
    const char *p = ARG_STR(0), *end = p + ARG_LEN(0), *e = ARG_STR(1);
    size_t ne = ARG_LEN(1);
    lg_abuf b;
    lg_abuf_for(&b, c);
    if (ne && (fold == BYTES ? ne : (size_t)lg_utf8_count(e, ne)) > 1) {
        lg_call_error(c, "22025", "invalid escape string");
        lg_error_hint(c->err, "Escape string must be empty or one character.");
        return 0;
    }
    bool after = false;
    while (p < end) {
        size_t n = step(p, fold);
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

LG_FN(like_escape)
{
    return escaped_like(c, PLAIN);
}
LG_FN(like_escape_bytea)
{
    return escaped_like(c, BYTES);
}

/* --- SIMILAR TO: its pattern as a regular expression --- */

lg_datum
lg_text__similar(lg_call *c, lg_datum pattern, const char *e, size_t ne)
{
    const char *p = lg_text_data(pattern), *end = p + lg_text_len(pattern);
    bool escaped = false, in_class = false;
    int quotes = 0;
    lg_abuf b;
    lg_abuf_for(&b, c);
    lg_abuf_puts(&b, "^(?:");
    for (; p < end; p++) {
        char ch = *p;
        if (ne > 1 && (size_t)(end - p) >= ne && memcmp(p, e, ne) == 0 && !escaped) {
            escaped = true;
            p += ne - 1;
        } else if (escaped) {
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

bool
lg_text__escape_ok(lg_call *c, lg_datum escape)
{
    if (lg_text_len(escape) < 2 || lg_utf8_count(lg_text_data(escape), lg_text_len(escape)) < 2)
        return true;
    lg_call_error(c, "22025", "invalid escape string");
    lg_error_hint(c->err, "Escape string must be empty or one character.");
    return false;
}

LG_FN(similar_to_escape_1)
{
    return lg_text__similar(c, ARG(0), "\\", 1);
}
LG_FN(similar_to_escape_2)
{
    if (!lg_text__escape_ok(c, ARG(1)))
        return 0;
    return lg_text__similar(c, ARG(0), ARG_STR(1), ARG_LEN(1));
}
LG_FN(similar_escape)
{
    if (ARG_NULL(0))
        RET_NULL();
    if (!ARG_NULL(1) && !lg_text__escape_ok(c, ARG(1)))
        return 0;
    return ARG_NULL(1) ? lg_text__similar(c, ARG(0), "\\", 1)
                       : lg_text__similar(c, ARG(0), ARG_STR(1), ARG_LEN(1));
}
