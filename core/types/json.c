/* Parsing (RFC 8259), canonical text, comparison. */
#include "json.h"
#include "hash.h"
#include "numeric.h"
#include "text.h"
#include <ctype.h>
#include <stdlib.h>

#define MAX_DEPTH 200

struct parser {
    lg_call *c;
    const char *start, *p, *end;
    int depth;
};

static lg_json *
fail(struct parser *x, const char *detail)
{
    lg_call_error(x->c, "22P02", "invalid input syntax for type json");
    const char *q = x->p;
    while (q < x->end && (isalnum((unsigned char)*q) || *q == '_'))
        q++;
    if (q == x->p && q < x->end)
        q += lg_utf8_len((uint8_t)*q);
    if (detail)
        lg_error_detail(x->c->err, "%s", detail);
    else if (x->p >= x->end)
        lg_error_detail(x->c->err, "The input string ended unexpectedly.");
    else
        lg_error_detail(x->c->err, "Token \"%.*s\" is invalid.", (int)(q - x->p), x->p);
    return NULL;
}

static void
skip(struct parser *x)
{
    while (x->p < x->end && strchr(" \t\r\n", *x->p) && *x->p)
        x->p++;
}

static bool
hex4(struct parser *x, uint32_t *ret)
{
    *ret = 0;
    for (int i = 0; i < 4; i++, x->p++) {
        if (x->p >= x->end || !isxdigit((unsigned char)*x->p))
            return false;
        int ch = tolower((unsigned char)*x->p);
        *ret = *ret * 16 + (uint32_t)(isdigit(ch) ? ch - '0' : ch - 'a' + 10);
    }
    return true;
}

static bool
unescape(struct parser *x, lg_abuf *b)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *k;
    if (x->p >= x->end)
        return false;
    if (*x->p != 'u') {
        k = *x->p ? strchr(from, *x->p) : NULL;
        if (!k)
            return false;
        lg_abuf_putc(b, to[k - from]);
        x->p++;
        return true;
    }
    x->p++;
    uint32_t ch, low;
    char utf8[4];
    if (!hex4(x, &ch))
        return false;
    if (ch >= 0xd800 && ch < 0xdc00) {
        if (x->end - x->p < 6 || x->p[0] != '\\' || x->p[1] != 'u')
            return false;
        x->p += 2;
        if (!hex4(x, &low) || low < 0xdc00 || low > 0xdfff)
            return false;
        ch = 0x10000 + ((ch - 0xd800) << 10) + (low - 0xdc00);
    } else if (ch >= 0xdc00 && ch <= 0xdfff) {
        return false;
    }
    if (ch == 0) { /* json may hold it as an escape; text cannot */
        lg_abuf_puts(b, "\\u0000");
        return true;
    }
    lg_abuf_add(b, utf8, lg_utf8_encode(ch, utf8));
    return true;
}

static lg_json *
new_node(struct parser *x, lg_json_kind kind)
{
    lg_json *n = LG_NEW(x->c->arena, lg_json);
    n->kind = kind;
    n->text = x->p;
    return n;
}

static lg_json *
parse_string(struct parser *x)
{
    lg_json *n = new_node(x, LG_JSON_STRING);
    lg_abuf b;
    const char *run = ++x->p;
    bool plain = true;
    lg_abuf_init(&b, x->c->arena);
    for (;;) {
        if (x->p >= x->end)
            return fail(x, "Token is invalid.");
        if ((uint8_t)*x->p < 0x20)
            return fail(x, "Character must be escaped.");
        if (*x->p == '"')
            break;
        if (*x->p != '\\') {
            x->p++;
            continue;
        }
        lg_abuf_add(&b, run, (size_t)(x->p - run));
        x->p++;
        plain = false;
        if (!unescape(x, &b))
            return fail(x, "Escape sequence is invalid.");
        run = x->p;
    }
    if (plain) {
        n->s = run;
        n->slen = (size_t)(x->p - run);
    } else {
        lg_abuf_add(&b, run, (size_t)(x->p - run));
        n->s = b.p;
        n->slen = b.len;
    }
    x->p++;
    n->len = (size_t)(x->p - n->text);
    return n;
}

static lg_json *
parse_number(struct parser *x)
{
    lg_json *n = new_node(x, LG_JSON_NUMBER);
    const char *p = x->p + (*x->p == '-');
#define DIGIT(q) ((q) < x->end && isdigit((unsigned char)*(q)))
    if (!DIGIT(p))
        return fail(x, NULL);
    if (*p == '0')
        p++;
    else
        while (DIGIT(p))
            p++;
    if (p < x->end && *p == '.') {
        if (!DIGIT(p + 1))
            return fail(x, NULL);
        for (p++; DIGIT(p);)
            p++;
    }
    if (p < x->end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < x->end && (*p == '+' || *p == '-');
        if (!DIGIT(p))
            return fail(x, NULL);
        while (DIGIT(p))
            p++;
    }
#undef DIGIT
    if (p < x->end && (isalnum((unsigned char)*p) || *p == '_'))
        return fail(x, NULL);
    x->p = p;
    n->len = (size_t)(p - n->text);
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

static lg_json *
parse_container(struct parser *x)
{
    bool object = *x->p == '{';
    char close = object ? '}' : ']';
    lg_json *n = new_node(x, object ? LG_JSON_OBJECT : LG_JSON_ARRAY), *key = NULL, *v;
    uint32_t cap = 0;
    if (++x->depth > MAX_DEPTH) {
        lg_call_error(x->c, "54001", "stack depth limit exceeded");
        return NULL;
    }
    x->p++;
    skip(x);
    bool first = true;
    while (x->p >= x->end || *x->p != close) {
        if (!first) {
            if (x->p >= x->end || *x->p != ',')
                return fail(x, NULL);
            x->p++;
            skip(x);
        }
        first = false;
        if (object) {
            if (x->p >= x->end || *x->p != '"')
                return fail(x, NULL);
            key = parse_string(x);
            if (!key)
                return NULL;
            skip(x);
            if (x->p >= x->end || *x->p != ':')
                return fail(x, NULL);
            x->p++;
            skip(x);
        }
        v = parse_value(x);
        if (!v)
            return NULL;
        push(x, n, &cap, key, v);
        skip(x);
    }
    x->p++;
    x->depth--;
    n->len = (size_t)(x->p - n->text);
    return n;
}

static lg_json *
parse_value(struct parser *x)
{
    static const struct {
        const char *word;
        lg_json_kind kind;
    } words[] = {{"true", LG_JSON_TRUE}, {"false", LG_JSON_FALSE}, {"null", LG_JSON_NULL}};
    if (x->p >= x->end)
        return fail(x, NULL);
    if (*x->p == '"')
        return parse_string(x);
    if (*x->p == '{' || *x->p == '[')
        return parse_container(x);
    if (*x->p == '-' || isdigit((unsigned char)*x->p))
        return parse_number(x);
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(words[i].word);
        bool same = (size_t)(x->end - x->p) >= n && memcmp(x->p, words[i].word, n) == 0;
        if (same && !(x->p + n < x->end && isalnum((unsigned char)x->p[n]))) {
            lg_json *k = new_node(x, words[i].kind);
            k->len = n;
            x->p += n;
            return k;
        }
    }
    return fail(x, NULL);
}

lg_json *
lg_json_parse(lg_call *c, const char *s, size_t len)
{
    struct parser x = {c, s, s, s + len, 0};
    skip(&x);
    lg_json *n = parse_value(&x);
    if (!n)
        return NULL;
    skip(&x);
    return x.p == x.end ? n : fail(&x, NULL);
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
