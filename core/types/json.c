/* Parsing (RFC 8259), canonical text, comparison. */
#include "json.h"
#include "hash.h"
#include "numeric.h"
#include "text.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_DEPTH     1000
#define CONTEXT_BYTES 50 /* of the line, in the error's context */

/* ---- tokens ---- */

typedef enum token {
    T_END,
    T_PUNCTUATION, /* one of {}[],: */
    T_STRING,
    T_NUMBER,
    T_WORD /* true, false, null */
} token;

/* The next token is always looked at already: what is wrong with it is told before what it should
 * have been, as PostgreSQL does. strict: escapes must stand for characters that text can hold. */
struct parser {
    lg_call *c;
    const char *start, *end;
    bool strict;
    int depth;
    token kind;
    const char *tok, *p; /* the token: [tok, p) */
    const char *s;       /* strings: unescaped when strict */
    size_t slen;
};

static void
error_context(struct parser *x)
{
    const char *line = x->start, *from, *to = x->p;
    unsigned number = 1;
    for (const char *q = x->start; q < x->tok; q++)
        if (*q == '\n') {
            line = q + 1;
            number++;
        }
    from = line;
    while (to - from >= CONTEXT_BYTES)
        from += lg_utf8_len((uint8_t)*from);
    if (from - line <= 3)
        from = line;
    bool more = x->kind != T_END && to < x->end && *to != '\n' && *to != '\r';
    lg_error_context(x->c->err, "JSON data, line %u: %s%.*s%s", number, from > line ? "..." : "",
                     (int)(to - from), from, more ? "..." : "");
}

/* "Expected ..." or NULL: the token itself is wrong. */
static bool
fail(struct parser *x, const char *expected)
{
    lg_call_error(x->c, "22P02", "invalid input syntax for type json");
    int n = (int)(x->p - x->tok);
    if (expected && x->kind == T_END && strcmp(expected, "end of input") != 0)
        lg_error_detail(x->c->err, "The input string ended unexpectedly.");
    else if (expected)
        lg_error_detail(x->c->err, "Expected %s, but found \"%.*s\".", expected, n, x->tok);
    else
        lg_error_detail(x->c->err, "Token \"%.*s\" is invalid.", n, x->tok);
    error_context(x);
    return false;
}

/* The token ends before `end`; without a detail the escape sequence at `at` is wrong. */
static bool
fail_within(struct parser *x, const char *at, const char *end, const char *detail)
{
    lg_call_error(x->c, "22P02", "invalid input syntax for type json");
    x->p = end;
    if (detail)
        lg_error_detail(x->c->err, "%s", detail);
    else
        lg_error_detail(x->c->err, "Escape sequence \"\\%.*s\" is invalid.", (int)(x->p - at), at);
    error_context(x);
    return false;
}

static bool
fail_escape(struct parser *x, const char *at, const char *detail)
{
    return fail_within(x, at, at < x->end ? at + lg_utf8_len((uint8_t)*at) : at, detail);
}

/* Four digits at *p, which is moved behind them; false: an error was told. */
static bool
hex4(struct parser *x, const char **p, uint32_t *ret)
{
    *ret = 0;
    for (int i = 0; i < 4; i++, ++*p) {
        if (*p >= x->end) {
            x->p = *p;
            return fail(x, NULL);
        }
        int ch = tolower((unsigned char)**p);
        if (!isxdigit(ch))
            return fail_escape(x, *p, "\"\\u\" must be followed by four hexadecimal digits.");
        *ret = *ret * 16 + (uint32_t)(isdigit(ch) ? ch - '0' : ch - 'a' + 10);
    }
    return true;
}

/* \uXXXX, in pairs beyond the first plane. *p is behind the u. */
static bool
unescape_unicode(struct parser *x, const char **p, lg_abuf *b)
{
    static const char lonely[] = "Unicode low surrogate must follow a high surrogate.";
    uint32_t ch, low;
    char utf8[4];
    const char *last;
    if (!hex4(x, p, &ch))
        return false;
    if (!x->strict)
        return true;
    last = *p - 1;
    if (ch >= 0xd800 && ch < 0xdc00) {
        if (x->end - *p < 2 || (*p)[0] != '\\' || (*p)[1] != 'u')
            return fail_escape(x,
                               *p >= x->end                     ? last
                               : **p == '\\' && *p + 1 < x->end ? *p + 1
                                                                : *p,
                               lonely);
        *p += 2;
        if (!hex4(x, p, &low))
            return false;
        if (low >= 0xd800 && low < 0xdc00)
            return fail_escape(x, *p - 1,
                               "Unicode high surrogate must not follow a high surrogate.");
        if (low < 0xdc00 || low > 0xdfff)
            return fail_escape(x, *p - 1, lonely);
        ch = 0x10000 + ((ch - 0xd800) << 10) + (low - 0xdc00);
    } else if (ch >= 0xdc00 && ch <= 0xdfff) {
        return fail_escape(x, last, lonely);
    } else if (ch == 0) {
        lg_call_error(x->c, "22P05", "unsupported Unicode escape sequence");
        lg_error_detail(x->c->err, "\\u0000 cannot be converted to text.");
        x->p = *p;
        error_context(x);
        return false;
    }
    lg_abuf_add(b, utf8, lg_utf8_encode(ch, utf8));
    return true;
}

static bool
lex_string(struct parser *x)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *p = x->tok + 1, *run = p;
    bool plain = true;
    lg_abuf b;
    x->kind = T_STRING;
    lg_abuf_init(&b, x->c->arena);
    for (;; p++) {
        if (p >= x->end) {
            x->p = p;
            return fail(x, NULL);
        }
        if (*p == '"')
            break;
        if ((uint8_t)*p < 0x20) {
            char detail[64];
            snprintf(detail, sizeof detail, "Character with value 0x%02x must be escaped.",
                     (unsigned)*p);
            return fail_within(x, p, p, detail);
        }
        if (*p != '\\')
            continue;
        if (x->strict)
            lg_abuf_add(&b, run, (size_t)(p - run));
        plain = false;
        if (++p >= x->end) {
            x->p = p;
            return fail(x, NULL);
        }
        const char *k = *p ? strchr(from, *p) : NULL;
        if (*p == 'u') {
            p++;
            if (!unescape_unicode(x, &p, &b))
                return false;
            p--;
        } else if (!k) {
            return fail_escape(x, p, NULL);
        } else if (x->strict) {
            lg_abuf_putc(&b, to[k - from]);
        }
        run = p + 1;
    }
    if (plain || !x->strict) {
        x->s = x->tok + 1;
        x->slen = (size_t)(p - x->s);
    } else {
        lg_abuf_add(&b, run, (size_t)(p - run));
        x->s = b.p;
        x->slen = b.len;
    }
    x->p = p + 1;
    return true;
}

static bool
is_word_char(char ch)
{
    return isalnum((unsigned char)ch) || ch == '_' || (uint8_t)ch >= 0x80;
}

static bool
lex_number(struct parser *x)
{
    const char *p = x->tok + (*x->tok == '-');
#define DIGIT(q) ((q) < x->end && isdigit((unsigned char)*(q)))
    bool ok = DIGIT(p);
    if (ok && *p == '0')
        p++;
    else
        while (DIGIT(p))
            p++;
    if (p < x->end && *p == '.') {
        ok = DIGIT(p + 1) && ok;
        for (p++; DIGIT(p);)
            p++;
    }
    if (p < x->end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < x->end && (*p == '+' || *p == '-');
        ok = DIGIT(p) && ok;
        while (DIGIT(p))
            p++;
    }
#undef DIGIT
    for (; p < x->end && is_word_char(*p); p++)
        ok = false;
    x->p = p;
    x->kind = T_NUMBER;
    return ok || fail(x, NULL);
}

static bool
is_word(const struct parser *x, const char *word)
{
    return x->p - x->tok == (ptrdiff_t)strlen(word) && !memcmp(x->tok, word, strlen(word));
}

static bool
next(struct parser *x)
{
    while (x->p < x->end && *x->p && strchr(" \t\r\n", *x->p))
        x->p++;
    x->tok = x->p;
    if (x->p >= x->end) {
        x->kind = T_END;
        return true;
    }
    if (*x->p && strchr("{}[],:", *x->p)) {
        x->kind = T_PUNCTUATION;
        x->p++;
        return true;
    }
    if (*x->p == '"')
        return lex_string(x);
    if (*x->p == '-' || isdigit((unsigned char)*x->p))
        return lex_number(x);
    x->kind = T_WORD;
    while (x->p < x->end && is_word_char(*x->p))
        x->p++;
    x->p += x->p == x->tok;
    return is_word(x, "true") || is_word(x, "false") || is_word(x, "null") || fail(x, NULL);
}

static bool
is(const struct parser *x, char punctuation)
{
    return x->kind == T_PUNCTUATION && *x->tok == punctuation;
}

/* ---- values ---- */

static lg_json *
new_node(struct parser *x, lg_json_kind kind)
{
    lg_json *n = LG_NEW(x->c->arena, lg_json);
    n->kind = kind;
    n->text = x->tok;
    n->len = (size_t)(x->p - x->tok);
    if (kind == LG_JSON_STRING) {
        n->s = x->s;
        n->slen = x->slen;
    }
    return n;
}

static lg_json *parse_value(struct parser *x);

static void
push(struct parser *x, lg_json *n, uint32_t *cap, lg_json *key, lg_json *v)
{
    if (n->n == *cap) {
        *cap = *cap ? *cap * 2 : 8;
        lg_json **more = lg_arena_alloc(x->c->arena, sizeof *more * *cap);
        lg_json **keys = lg_arena_alloc(x->c->arena, sizeof *keys * *cap);
        if (n->n) {
            memcpy(more, n->v, sizeof *more * n->n);
            memcpy(keys, n->keys, sizeof *keys * n->n);
        }
        n->v = more;
        n->keys = keys;
    }
    n->keys[n->n] = key;
    n->v[n->n++] = v;
}

/* "key" : of an object. */
static lg_json *
parse_key(struct parser *x, const char *expected)
{
    if (x->kind != T_STRING) {
        fail(x, expected);
        return NULL;
    }
    lg_json *key = new_node(x, LG_JSON_STRING);
    if (!next(x))
        return NULL;
    if (!is(x, ':')) {
        fail(x, "\":\"");
        return NULL;
    }
    return next(x) ? key : NULL;
}

static lg_json *
parse_container(struct parser *x)
{
    bool object = is(x, '{');
    char close = object ? '}' : ']';
    lg_json *n = new_node(x, object ? LG_JSON_OBJECT : LG_JSON_ARRAY), *key = NULL, *v;
    uint32_t cap = 0;
    if (++x->depth > MAX_DEPTH) {
        lg_call_error(x->c, "54001", "stack depth limit exceeded");
        return NULL;
    }
    if (!next(x))
        return NULL;
    for (bool first = true; first ? !is(x, close) : is(x, ','); first = false) {
        if (!first && !next(x))
            return NULL;
        if (object) {
            key = parse_key(x, first ? "string or \"}\"" : "string");
            if (!key)
                return NULL;
        }
        v = parse_value(x);
        if (!v)
            return NULL;
        push(x, n, &cap, key, v);
    }
    if (!is(x, close)) {
        fail(x, object ? "\",\" or \"}\"" : "\",\" or \"]\"");
        return NULL;
    }
    n->len = (size_t)(x->p - n->text);
    x->depth--;
    return next(x) ? n : NULL;
}

static lg_json *
parse_value(struct parser *x)
{
    lg_json *n = NULL;
    if (is(x, '{') || is(x, '['))
        return parse_container(x);
    if (x->kind == T_STRING)
        n = new_node(x, LG_JSON_STRING);
    else if (x->kind == T_NUMBER)
        n = new_node(x, LG_JSON_NUMBER);
    else if (x->kind == T_WORD)
        n = new_node(x, *x->tok == 't'   ? LG_JSON_TRUE
                        : *x->tok == 'f' ? LG_JSON_FALSE
                                         : LG_JSON_NULL);
    else
        fail(x, "JSON value");
    return n && next(x) ? n : NULL;
}

static lg_json *
parse(lg_call *c, const char *s, size_t len, bool strict)
{
    struct parser x = {.c = c, .start = s, .p = s, .end = s + len, .strict = strict};
    if (!next(&x))
        return NULL;
    lg_json *n = parse_value(&x);
    if (n && x.kind != T_END) {
        fail(&x, "end of input");
        return NULL;
    }
    return n;
}

lg_json *
lg_json_parse(lg_call *c, const char *s, size_t len)
{
    return parse(c, s, len, true);
}

bool
lg_json_check(lg_call *c, const char *s, size_t len)
{
    return parse(c, s, len, false) != NULL;
}

/* --- canonical text --- */

void
lg_json_put_string(lg_abuf *b, const char *s, size_t len)
{
    lg_abuf_putc(b, '"');
    for (size_t i = 0; i < len; i++) {
        switch (s[i]) {
        case '"':
            lg_abuf_puts(b, "\\\"");
            break;
        case '\\':
            lg_abuf_puts(b, "\\\\");
            break;
        case '\b':
            lg_abuf_puts(b, "\\b");
            break;
        case '\f':
            lg_abuf_puts(b, "\\f");
            break;
        case '\n':
            lg_abuf_puts(b, "\\n");
            break;
        case '\r':
            lg_abuf_puts(b, "\\r");
            break;
        case '\t':
            lg_abuf_puts(b, "\\t");
            break;
        default:
            if ((uint8_t)s[i] < 0x20)
                lg_abuf_printf(b, "\\u%04x", s[i]);
            else
                lg_abuf_putc(b, s[i]);
        }
    }
    lg_abuf_putc(b, '"');
}

struct pair {
    lg_json *key, *v;
    uint32_t at;
};

static int
compare_keys(const lg_json *a, const lg_json *b)
{
    if (a->slen != b->slen)
        return a->slen < b->slen ? -1 : 1;
    return a->slen ? memcmp(a->s, b->s, a->slen) : 0;
}

static int
compare_pairs(const void *pa, const void *pb)
{
    const struct pair *a = pa, *b = pb;
    int r = compare_keys(a->key, b->key);
    return r ? r : (a->at > b->at) - (a->at < b->at);
}

static void
put_object(lg_call *c, lg_abuf *b, const lg_json *x)
{
    struct pair *p = lg_arena_alloc(c->arena, sizeof *p * (x->n + 1));
    for (uint32_t i = 0; i < x->n; i++)
        p[i] = (struct pair){x->keys[i], x->v[i], i};
    qsort(p, x->n, sizeof *p, compare_pairs);
    bool any = false;
    lg_abuf_putc(b, '{');
    for (uint32_t i = 0; i < x->n; i++) {
        if (i + 1 < x->n && compare_keys(p[i].key, p[i + 1].key) == 0)
            continue; /* the last of equal keys wins */
        if (any)
            lg_abuf_puts(b, ", ");
        any = true;
        lg_json_put_string(b, p[i].key->s, p[i].key->slen);
        lg_abuf_puts(b, ": ");
        lg_json_put(c, b, p[i].v);
    }
    lg_abuf_putc(b, '}');
}

void
lg_json_put(lg_call *c, lg_abuf *b, const lg_json *x)
{
    switch (x->kind) {
    case LG_JSON_STRING:
        lg_json_put_string(b, x->s, x->slen);
        return;
    case LG_JSON_NUMBER: {
        lg_num v;
        const char *end;
        char *text = lg_arena_strndup(c->arena, x->text, x->len);
        lg_datum packed;
        if (!lg_num_parse(c->arena, text, &v, &end))
            return;
        if (!lg_num_pack(c->arena, &v, &packed)) /* before it is written out in full */
            (void)lg_call_error(c, "22003", "value overflows numeric format");
        else
            lg_abuf_puts(b, lg_num_text(c->arena, &v));
        return;
    }
    case LG_JSON_ARRAY:
        lg_abuf_putc(b, '[');
        for (uint32_t i = 0; i < x->n; i++) {
            if (i)
                lg_abuf_puts(b, ", ");
            lg_json_put(c, b, x->v[i]);
        }
        lg_abuf_putc(b, ']');
        return;
    case LG_JSON_OBJECT:
        put_object(c, b, x);
        return;
    default:
        lg_abuf_add(b, x->text, x->len);
        return;
    }
}

/* The last of equal keys counts. */
const lg_json *
lg_json_field(const lg_json *x, const char *key, size_t len)
{
    if (x->kind != LG_JSON_OBJECT)
        return NULL;
    for (uint32_t i = x->n; i-- > 0;)
        if (x->keys[i]->slen == len && memcmp(x->keys[i]->s, key, len) == 0)
            return x->v[i];
    return NULL;
}

/* --- comparison: object > array > boolean > number > string > null --- */

static int
rank_of(const lg_json *x)
{
    static const int rank[] = {0, 1, 2, 3, 3, 4, 5};
    return rank[x->kind];
}

static int
compare_numbers(const lg_json *a, const lg_json *b)
{
    lg_arena *t = lg_arena_create("json compare", 0);
    lg_num x, y;
    const char *end;
    (void)lg_num_parse(t, lg_arena_strndup(t, a->text, a->len), &x, &end);
    (void)lg_num_parse(t, lg_arena_strndup(t, b->text, b->len), &y, &end);
    int r = lg_num_compare(&x, &y);
    lg_arena_destroy(t);
    return r;
}

/* Both canonical. */
int
lg_json_compare(const lg_json *a, const lg_json *b)
{
    int r = rank_of(a) - rank_of(b);
    if (r)
        return r;
    switch (a->kind) {
    case LG_JSON_STRING:
        return lg_bytes_compare(a->s, a->slen, b->s, b->slen);
    case LG_JSON_NUMBER:
        return compare_numbers(a, b);
    case LG_JSON_FALSE:
    case LG_JSON_TRUE:
        return (int)a->kind - (int)b->kind;
    case LG_JSON_ARRAY:
    case LG_JSON_OBJECT:
        if (a->n != b->n)
            return a->n < b->n ? -1 : 1;
        for (uint32_t i = 0; r == 0 && i < a->n; i++) {
            if (a->kind == LG_JSON_OBJECT)
                r = lg_bytes_compare(a->keys[i]->s, a->keys[i]->slen, b->keys[i]->s,
                                     b->keys[i]->slen);
            if (r == 0)
                r = lg_json_compare(a->v[i], b->v[i]);
        }
        return r;
    default:
        return 0;
    }
}

static const lg_json *
parse_stored(lg_arena *a, lg_datum d)
{
    lg_error err;
    lg_call c = {.arena = a, .err = &err};
    lg_error_init(&err, a);
    return lg_json_parse(&c, lg_text_data(d), lg_text_len(d));
}

int
lg_jsonb_compare(lg_datum a, lg_datum b)
{
    lg_arena *t = lg_arena_create("jsonb compare", 0);
    const lg_json *x = parse_stored(t, a), *y = parse_stored(t, b);
    bool ex = x && x->kind == LG_JSON_ARRAY && !x->n, ey = y && y->kind == LG_JSON_ARRAY && !y->n;
    /* PostgreSQL's accident: an empty array is below everything, scalars too. */
    int r = ex || ey ? (int)ey - (int)ex : x && y ? lg_json_compare(x, y) : 0;
    lg_arena_destroy(t);
    return (r > 0) - (r < 0);
}

static uint64_t
hash_json(lg_arena *t, const lg_json *x, uint64_t h)
{
    h = lg_hash_u64(h * 31 + (uint64_t)x->kind);
    if (x->kind == LG_JSON_STRING)
        return lg_hash_bytes(x->s, x->slen, h);
    if (x->kind == LG_JSON_NUMBER) {
        lg_num v;
        lg_datum d;
        const char *end;
        bool ok = lg_num_parse(t, lg_arena_strndup(t, x->text, x->len), &v, &end) &&
                  lg_num_pack(t, &v, &d);
        return ok ? lg_hash_u64(h ^ lg_numeric_hash(d)) : h;
    }
    for (uint32_t i = 0; i < x->n; i++) {
        if (x->kind == LG_JSON_OBJECT)
            h = lg_hash_bytes(x->keys[i]->s, x->keys[i]->slen, h);
        h = hash_json(t, x->v[i], h);
    }
    return h;
}

uint64_t
lg_jsonb_hash(lg_datum d)
{
    lg_arena *t = lg_arena_create("jsonb hash", 0);
    const lg_json *x = parse_stored(t, d);
    uint64_t h = x ? hash_json(t, x, 1) : 0;
    lg_arena_destroy(t);
    return h;
}
