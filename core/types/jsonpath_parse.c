/* jsonpath: reading and writing. A recursive-descent parser of PostgreSQL 15's grammar. */
#include "jsonpath.h"
#include "types_internal.h"
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

typedef enum token { T_END, T_CHAR, T_OP, T_IDENT, T_STRING, T_VARIABLE, T_NUMBER } token;

struct parser {
    lg_call *c;
    lg_arena *a;
    const char *p, *end;
    token tok;
    char ch;        /* T_CHAR */
    const char *op; /* T_OP */
    const char *s;  /* texts */
    size_t len;
    const char *at; /* where the token begins */
    int filters, subscripts, depth;
    bool bad;
};

static void
syntax_error(struct parser *p)
{
    if (p->bad)
        return;
    p->bad = true;
    if (p->tok == T_END)
        lg_call_error(p->c, "42601", "syntax error at end of jsonpath input");
    else
        lg_call_error(p->c, "42601", "syntax error at or near \"%.*s\" of jsonpath input",
                      (int)(p->p - p->at), p->at);
}

/* --- tokens --- */

static bool
special(char ch)
{
    return ch && (strchr("?%$.[]{}()|&!=<>@#,*:-+/\\\"", ch) || isspace((unsigned char)ch));
}

static void
put_utf8(lg_abuf *b, uint32_t x)
{
    if (x < 0x80) {
        lg_abuf_putc(b, (char)x);
    } else if (x < 0x800) {
        lg_abuf_putc(b, (char)(0xc0 | x >> 6));
        lg_abuf_putc(b, (char)(0x80 | (x & 0x3f)));
    } else if (x < 0x10000) {
        lg_abuf_putc(b, (char)(0xe0 | x >> 12));
        lg_abuf_putc(b, (char)(0x80 | (x >> 6 & 0x3f)));
        lg_abuf_putc(b, (char)(0x80 | (x & 0x3f)));
    } else {
        lg_abuf_putc(b, (char)(0xf0 | x >> 18));
        lg_abuf_putc(b, (char)(0x80 | (x >> 12 & 0x3f)));
        lg_abuf_putc(b, (char)(0x80 | (x >> 6 & 0x3f)));
        lg_abuf_putc(b, (char)(0x80 | (x & 0x3f)));
    }
}

static bool
hex_digits(struct parser *p, int n, uint32_t *ret)
{
    *ret = 0;
    for (int i = 0; i < n; i++, p->p++) {
        if (p->p >= p->end || !isxdigit((unsigned char)*p->p))
            return false;
        int d = tolower((unsigned char)*p->p);
        *ret = *ret * 16 + (uint32_t)(isdigit(d) ? d - '0' : d - 'a' + 10);
    }
    return true;
}

static bool
escape(struct parser *p, lg_abuf *b)
{
    static const char from[] = "bfnrtv", to[] = "\b\f\n\r\t\v";
    char ch = *p->p++;
    const char *f = ch ? strchr(from, ch) : NULL;
    uint32_t x, low;
    if (f) {
        lg_abuf_putc(b, to[f - from]);
        return true;
    }
    if (ch == 'x') {
        if (!hex_digits(p, 2, &x))
            return false;
        put_utf8(b, x);
        return true;
    }
    if (ch != 'u') {
        lg_abuf_putc(b, ch);
        return true;
    }
    if (p->p < p->end && *p->p == '{') {
        for (p->p++, x = 0; p->p < p->end && isxdigit((unsigned char)*p->p);) {
            hex_digits(p, 1, &low);
            x = x * 16 + low;
        }
        if (p->p >= p->end || *p->p++ != '}' || x > 0x10ffff)
            return false;
    } else if (!hex_digits(p, 4, &x)) {
        return false;
    } else if (x >= 0xd800 && x < 0xdc00 && p->end - p->p >= 6 && p->p[0] == '\\' &&
               p->p[1] == 'u') {
        p->p += 2;
        if (!hex_digits(p, 4, &low) || low < 0xdc00 || low > 0xdfff)
            return false;
        x = 0x10000 + ((x - 0xd800) << 10) + (low - 0xdc00);
    }
    put_utf8(b, x);
    return true;
}

static void
quoted(struct parser *p, token tok)
{
    lg_abuf b;
    lg_abuf_init(&b, p->a);
    p->tok = tok;
    while (p->p < p->end && *p->p != '"') {
        if (*p->p != '\\') {
            lg_abuf_putc(&b, *p->p++);
        } else if (++p->p >= p->end || !escape(p, &b)) {
            p->bad = true;
            lg_call_error(p->c, "22P02", "invalid escape sequence in jsonpath string");
            return;
        }
    }
    if (p->p >= p->end) {
        p->bad = true;
        lg_call_error(p->c, "42601", "unexpected end of quoted string at end of jsonpath input");
        return;
    }
    p->p++;
    p->len = b.len;
    p->s = lg_abuf_cstring(&b);
}

static void
number(struct parser *p)
{
    const char *s = p->p;
    while (p->p < p->end && isdigit((unsigned char)*p->p))
        p->p++;
    if (p->p < p->end && *p->p == '.' && p->p + 1 < p->end && isdigit((unsigned char)p->p[1])) {
        for (p->p++; p->p < p->end && isdigit((unsigned char)*p->p);)
            p->p++;
    } else if (p->p < p->end && *p->p == '.' && p->p > s &&
               (p->p + 1 == p->end || special(p->p[1])) && !(p->p + 1 < p->end && p->p[1] == '*')) {
        p->p++;
    }
    if (p->p < p->end && (*p->p == 'e' || *p->p == 'E')) {
        const char *e = p->p + 1;
        if (e < p->end && (*e == '+' || *e == '-'))
            e++;
        if (e < p->end && isdigit((unsigned char)*e)) {
            while (e < p->end && isdigit((unsigned char)*e))
                e++;
            p->p = e;
        }
    }
    if (p->end - p->p > 1 && *p->p == '.' && !special(p->p[1]) &&
        !memchr(s, '.', (size_t)(p->p - s)))
        p->p++; /* 1.x is no number, and no accessor either */
    p->tok = T_NUMBER;
    p->s = lg_arena_strndup(p->a, s, (size_t)(p->p - s));
    p->len = (size_t)(p->p - s);
    if (p->p < p->end && !special(*p->p)) {
        p->bad = true;
        lg_call_error(p->c, "42601",
                      "trailing junk after numeric literal at or near \"%.*s\" of jsonpath input",
                      (int)(p->p + 1 - s), s);
    }
}

static void
identifier(struct parser *p, token tok)
{
    lg_abuf b;
    lg_abuf_init(&b, p->a);
    while (p->p < p->end && (!special(*p->p) || *p->p == '\\')) {
        if (*p->p != '\\')
            lg_abuf_putc(&b, *p->p++);
        else if (++p->p >= p->end || !escape(p, &b))
            break;
    }
    p->tok = tok;
    p->len = b.len;
    p->s = lg_abuf_cstring(&b);
}

static void
next(struct parser *p)
{
    static const char *const ops[] = {"&&", "||", "==", "!=", "<>", "<=", ">=", "**"};
    while (p->p < p->end) {
        if (isspace((unsigned char)*p->p)) {
            p->p++;
        } else if (p->end - p->p >= 2 && p->p[0] == '/' && p->p[1] == '*') {
            const char *q = strstr(p->p + 2, "*/");
            p->p = q ? q + 2 : p->end;
        } else {
            break;
        }
    }
    p->at = p->p;
    p->tok = T_END;
    if (p->p >= p->end || p->bad)
        return;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (p->end - p->p >= 2 && strncmp(p->p, ops[i], 2) == 0) {
            p->tok = T_OP;
            p->op = strcmp(ops[i], "<>") == 0 ? "!=" : ops[i];
            p->p += 2;
            return;
        }
    char ch = *p->p;
    if (ch == '"') {
        p->p++;
        quoted(p, T_STRING);
    } else if (ch == '$' && p->end - p->p > 1 && p->p[1] == '"') {
        p->p += 2;
        quoted(p, T_VARIABLE);
    } else if (ch == '$' && p->end - p->p > 1 && !special(p->p[1])) {
        p->p++;
        identifier(p, T_VARIABLE);
    } else if (isdigit((unsigned char)ch) ||
               (ch == '.' && p->end - p->p > 1 && isdigit((unsigned char)p->p[1]))) {
        number(p);
    } else if (special(ch) && ch != '\\') {
        p->tok = T_CHAR;
        p->ch = ch;
        p->p++;
    } else {
        identifier(p, T_IDENT);
    }
}

static bool
is_char(const struct parser *p, char ch)
{
    return p->tok == T_CHAR && p->ch == ch;
}

static bool
is_op(const struct parser *p, const char *op)
{
    return p->tok == T_OP && strcmp(p->op, op) == 0;
}

/* Keywords are of any case, but true, false and null. */
static bool
is_word(const struct parser *p, const char *w)
{
    return p->tok == T_IDENT &&
           (islower((unsigned char)*w) && strchr("tfn", *w) && p->len <= 5 &&
                    (!strcmp(w, "true") || !strcmp(w, "false") || !strcmp(w, "null"))
                ? strcmp(p->s, w) == 0
                : strcasecmp(p->s, w) == 0);
}

static void
expect(struct parser *p, char ch)
{
    if (!is_char(p, ch))
        syntax_error(p);
    else
        next(p);
}

static lg_jp *
node(struct parser *p, lg_jp_kind kind)
{
    lg_jp *n = lg_arena_zalloc(p->a, sizeof *n);
    n->kind = kind;
    return n;
}

static lg_jp *
binary(struct parser *p, lg_jp_kind kind, const char *op, lg_jp *l, lg_jp *r)
{
    lg_jp *n = node(p, kind);
    n->op = op;
    n->left = l;
    n->right = r;
    return n;
}

/* --- grammar --- */

static lg_jp *expr(struct parser *p);
static lg_jp *predicate(struct parser *p);

static bool
is_predicate(const lg_jp *n)
{
    return n && n->kind >= LG_JP_COMPARE && !n->next;
}

static void
need_predicate(struct parser *p, const lg_jp *n)
{
    if (!is_predicate(n))
        syntax_error(p);
}

static void
need_value(struct parser *p, const lg_jp *n)
{
    if (is_predicate(n))
        syntax_error(p);
}

static lg_jp *
subscripts(struct parser *p)
{
    lg_jp *n = node(p, LG_JP_INDEX);
    uint32_t cap = 0;
    p->subscripts++;
    do {
        next(p);
        if (n->n == cap) {
            uint32_t more = cap ? cap * 2 : 4;
            lg_jp **f = lg_arena_alloc(p->a, sizeof *f * more);
            lg_jp **t = lg_arena_alloc(p->a, sizeof *t * more);
            if (cap) {
                memcpy(f, n->from, sizeof *f * cap);
                memcpy(t, n->to, sizeof *t * cap);
            }
            n->from = f;
            n->to = t;
            cap = more;
        }
        n->from[n->n] = expr(p);
        n->to[n->n] = NULL;
        if (is_word(p, "to")) {
            next(p);
            n->to[n->n] = expr(p);
        }
        n->n++;
    } while (!p->bad && is_char(p, ','));
    p->subscripts--;
    expect(p, ']');
    return n;
}

static uint32_t
any_level(struct parser *p)
{
    uint32_t x = UINT32_MAX;
    if (p->tok == T_NUMBER)
        x = (uint32_t)strtoul(p->s, NULL, 10);
    else if (!is_word(p, "last"))
        syntax_error(p);
    next(p);
    return x;
}

static lg_jp *
any_path(struct parser *p)
{
    lg_jp *n = node(p, LG_JP_ANY);
    n->last = UINT32_MAX;
    next(p);
    if (!is_char(p, '{'))
        return n;
    next(p);
    n->first = n->last = any_level(p);
    if (is_word(p, "to")) {
        next(p);
        n->last = any_level(p);
    }
    expect(p, '}');
    return n;
}

static lg_jp *
method_or_key(struct parser *p)
{
    static const char *const methods[] = {"type",  "size", "double",   "ceiling",
                                          "floor", "abs",  "keyvalue", "datetime"};
    lg_jp *n = node(p, LG_JP_KEY);
    bool word = p->tok == T_IDENT;
    n->s = p->s;
    n->len = p->len;
    next(p);
    if (!word || !is_char(p, '('))
        return n;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcasecmp(n->s, methods[i]) == 0)
            n->op = methods[i];
    if (!n->op) {
        syntax_error(p);
        return n;
    }
    n->kind = LG_JP_METHOD;
    next(p);
    if (strcmp(n->op, "datetime") == 0 && p->tok == T_STRING) {
        n->left = node(p, LG_JP_STRING);
        n->left->s = p->s;
        n->left->len = p->len;
        next(p);
    }
    expect(p, ')');
    return n;
}

/* The accessor at the token; NULL: there is none. */
static lg_jp *
accessor(struct parser *p)
{
    lg_jp *n;
    if (is_char(p, '.')) {
        next(p);
        if (is_op(p, "**"))
            return any_path(p);
        if (is_char(p, '*')) {
            next(p);
            return node(p, LG_JP_ANY_KEY);
        }
        if (p->tok == T_IDENT || p->tok == T_STRING)
            return method_or_key(p);
        syntax_error(p);
        return NULL;
    }
    if (is_char(p, '[')) {
        struct parser save = *p;
        next(p);
        if (is_char(p, '*')) {
            next(p);
            expect(p, ']');
            return node(p, LG_JP_ANY_ARRAY);
        }
        *p = save;
        return subscripts(p);
    }
    if (!is_char(p, '?'))
        return NULL;
    next(p);
    expect(p, '(');
    p->filters++;
    n = binary(p, LG_JP_FILTER, NULL, predicate(p), NULL);
    need_predicate(p, n->left);
    p->filters--;
    expect(p, ')');
    return n;
}

static lg_jp *
literal(struct parser *p, lg_jp_kind kind)
{
    lg_jp *n = node(p, kind);
    n->s = p->s;
    n->len = p->len;
    if (kind == LG_JP_NUMBER && !p->bad) { /* as numeric writes it */
        lg_datum d;
        lg_call *c = p->c;
        c->st = lg_type_input(c->env, LG_T_NUMERIC, p->s, -1, p->a, c->err, &d);
        if (c->st == LG_OK)
            c->st = lg_type_output(c->env, LG_T_NUMERIC, d, p->a, c->err, &n->s, &n->len);
        p->bad = c->st != LG_OK;
    }
    next(p);
    return n;
}

static lg_jp *
primary(struct parser *p)
{
    if (is_char(p, '$')) {
        next(p);
        return node(p, LG_JP_ROOT);
    }
    if (is_char(p, '@')) {
        if (!p->filters && !p->bad) {
            p->bad = true;
            lg_call_error(p->c, "42601", "@ is not allowed in root expressions");
        }
        next(p);
        return node(p, LG_JP_CURRENT);
    }
    if (is_word(p, "last")) {
        if (!p->subscripts && !p->bad) {
            p->bad = true;
            lg_call_error(p->c, "42601", "LAST is allowed only in array subscripts");
        }
        next(p);
        return node(p, LG_JP_LAST);
    }
    switch (p->tok) {
    case T_VARIABLE:
        return literal(p, LG_JP_VARIABLE);
    case T_STRING:
        return literal(p, LG_JP_STRING);
    case T_NUMBER:
        return literal(p, LG_JP_NUMBER);
    default:
        break;
    }
    if (is_word(p, "null"))
        return literal(p, LG_JP_NULL);
    if (is_word(p, "true"))
        return literal(p, LG_JP_TRUE);
    if (is_word(p, "false"))
        return literal(p, LG_JP_FALSE);
    syntax_error(p);
    return node(p, LG_JP_NULL);
}

static lg_jp *
with_accessors(struct parser *p, lg_jp *n)
{
    lg_jp *last = n;
    while (last && last->next)
        last = last->next;
    for (lg_jp *a; !p->bad && (a = accessor(p)); last = a)
        last->next = a;
    return n;
}

static lg_jp *
unary(struct parser *p)
{
    if (++p->depth > 500) {
        p->bad = true;
        lg_call_error(p->c, "54001", "stack depth limit exceeded");
    }
    lg_jp *n;
    if (p->bad) {
        n = node(p, LG_JP_NULL);
    } else if (is_char(p, '+') || is_char(p, '-')) {
        const char *op = p->ch == '+' ? "+" : "-";
        next(p);
        n = unary(p);
        need_value(p, n);
        if (n->kind == LG_JP_NUMBER && !n->next) { /* a signed number */
            if (*op == '-') {
                n->s = *n->s == '-' ? n->s + 1 : lg_arena_printf(p->a, "-%s", n->s);
                n->len = strlen(n->s);
            }
        } else {
            n = binary(p, LG_JP_UNARY, op, n, NULL);
        }
    } else if (is_char(p, '(')) {
        next(p);
        n = predicate(p);
        expect(p, ')');
        if (is_predicate(n) && is_word(p, "is")) {
            next(p);
            if (!is_word(p, "unknown"))
                syntax_error(p);
            next(p);
            n = binary(p, LG_JP_UNKNOWN, NULL, n, NULL);
        } else {
            n = with_accessors(p, n);
        }
    } else {
        n = with_accessors(p, primary(p));
    }
    p->depth--;
    return n;
}

static lg_jp *
product(struct parser *p)
{
    lg_jp *n = unary(p);
    while (!p->bad && (is_char(p, '*') || is_char(p, '/') || is_char(p, '%'))) {
        const char *op = p->ch == '*' ? "*" : p->ch == '/' ? "/" : "%";
        need_value(p, n);
        next(p);
        n = binary(p, LG_JP_BINARY, op, n, unary(p));
        need_value(p, n->right);
    }
    return n;
}

static lg_jp *
expr(struct parser *p)
{
    lg_jp *n = product(p);
    while (!p->bad && (is_char(p, '+') || is_char(p, '-'))) {
        const char *op = p->ch == '+' ? "+" : "-";
        need_value(p, n);
        next(p);
        n = binary(p, LG_JP_BINARY, op, n, product(p));
        need_value(p, n->right);
    }
    return n;
}

static lg_jp *
like(struct parser *p, lg_jp *n)
{
    next(p);
    n = binary(p, LG_JP_LIKE, "", n, NULL);
    if (p->tok != T_STRING) {
        syntax_error(p);
        return n;
    }
    n->s = p->s;
    n->len = p->len;
    next(p);
    if (!is_word(p, "flag"))
        return n;
    next(p);
    if (p->tok != T_STRING)
        syntax_error(p);
    n->op = p->s;
    for (const char *f = p->bad ? "" : p->s; *f; f++)
        if (!strchr("ismxq", *f)) {
            p->bad = true;
            lg_call_error(p->c, "42601", "invalid input syntax for type %s", "jsonpath");
            lg_error_detail(p->c->err,
                            "Unrecognized flag character \"%.*s\" in LIKE_REGEX predicate.", 1, f);
            return n;
        }
    next(p);
    return n;
}

static lg_jp *comparison(struct parser *p);

/* What ! takes: exists(...), or a predicate in parentheses. */
static lg_jp *
unary_predicate(struct parser *p)
{
    if (is_word(p, "exists"))
        return comparison(p);
    expect(p, '(');
    lg_jp *n = predicate(p);
    expect(p, ')');
    return n;
}

static lg_jp *
comparison(struct parser *p)
{
    if (is_char(p, '!')) {
        next(p);
        if (!is_char(p, '(') && !is_word(p, "exists"))
            syntax_error(p);
        lg_jp *not = binary(p, LG_JP_NOT, NULL, unary_predicate(p), NULL);
        need_predicate(p, not ->left);
        return not ;
    }
    if (is_word(p, "exists")) {
        next(p);
        expect(p, '(');
        lg_jp *n = binary(p, LG_JP_EXISTS, NULL, expr(p), NULL);
        need_value(p, n->left);
        expect(p, ')');
        return n;
    }
    lg_jp *n = expr(p);
    const char *op = is_op(p, "==") || is_op(p, "!=") || is_op(p, "<=") || is_op(p, ">=") ? p->op
                     : is_char(p, '<')                                                    ? "<"
                     : is_char(p, '>')                                                    ? ">"
                                                                                          : NULL;
    if (op) {
        need_value(p, n);
        next(p);
        n = binary(p, LG_JP_COMPARE, op, n, expr(p));
        need_value(p, n->right);
        return n;
    }
    if (is_word(p, "like_regex"))
        return like(p, n);
    if (is_word(p, "starts")) {
        next(p);
        if (!is_word(p, "with"))
            syntax_error(p);
        next(p);
        if (p->tok != T_STRING && p->tok != T_VARIABLE)
            syntax_error(p);
        return binary(p, LG_JP_STARTS, NULL, n,
                      literal(p, p->tok == T_STRING ? LG_JP_STRING : LG_JP_VARIABLE));
    }
    return n;
}

static lg_jp *
conjunction(struct parser *p)
{
    lg_jp *n = comparison(p);
    while (!p->bad && is_op(p, "&&")) {
        need_predicate(p, n);
        next(p);
        n = binary(p, LG_JP_AND, "&&", n, comparison(p));
        need_predicate(p, n->right);
    }
    return n;
}

static lg_jp *
predicate(struct parser *p)
{
    lg_jp *n = conjunction(p);
    while (!p->bad && is_op(p, "||")) {
        need_predicate(p, n);
        next(p);
        n = binary(p, LG_JP_OR, "||", n, conjunction(p));
        need_predicate(p, n->right);
    }
    return n;
}

const lg_jsonpath *
lg_jsonpath_parse(lg_call *c, lg_arena *a, const char *s, size_t len)
{
    lg_jsonpath *r = lg_arena_zalloc(a, sizeof *r);
    const char *copy = lg_arena_strndup(a, s, len);
    struct parser p = {.c = c, .a = a, .p = copy, .end = copy + len};
    next(&p);
    if (p.tok == T_END && !p.bad) {
        lg_call_error(c, "22P02", "invalid input syntax for type %s: \"%s\"", "jsonpath", copy);
        return NULL;
    }
    if (is_word(&p, "strict") || is_word(&p, "lax")) {
        r->strict = is_word(&p, "strict");
        next(&p);
    }
    r->root = predicate(&p);
    if (!p.bad && p.tok != T_END)
        syntax_error(&p);
    return p.bad || c->st ? NULL : r;
}

/* --- writing --- */

static int
priority(const lg_jp *n)
{
    switch (n->kind) {
    case LG_JP_OR:
        return 0;
    case LG_JP_AND:
        return 1;
    case LG_JP_COMPARE:
    case LG_JP_STARTS:
        return 2;
    case LG_JP_BINARY:
        return strchr("+-", *n->op) ? 3 : 4;
    case LG_JP_UNARY:
        return 5;
    default:
        return 6;
    }
}

static void put(lg_abuf *b, const lg_jp *n, bool in_key, bool brackets);

static void
put_binary(lg_abuf *b, const lg_jp *n, const char *op, bool brackets)
{
    if (brackets)
        lg_abuf_putc(b, '(');
    put(b, n->left, false, priority(n->left) <= priority(n));
    lg_abuf_printf(b, " %s ", op);
    put(b, n->right, false, priority(n->right) <= priority(n));
    if (brackets)
        lg_abuf_putc(b, ')');
}

static void
put_any(lg_abuf *b, const lg_jp *n)
{
    lg_abuf_puts(b, "**");
    if (n->first == 0 && n->last == UINT32_MAX)
        return;
    if (n->first == n->last) {
        if (n->first == UINT32_MAX)
            lg_abuf_puts(b, "{last}");
        else
            lg_abuf_printf(b, "{%u}", n->first);
    } else if (n->first == UINT32_MAX) {
        lg_abuf_printf(b, "{last to %u}", n->last);
    } else if (n->last == UINT32_MAX) {
        lg_abuf_printf(b, "{%u to last}", n->first);
    } else {
        lg_abuf_printf(b, "{%u to %u}", n->first, n->last);
    }
}

static void
put_index(lg_abuf *b, const lg_jp *n)
{
    lg_abuf_putc(b, '[');
    for (uint32_t i = 0; i < n->n; i++) {
        if (i)
            lg_abuf_putc(b, ',');
        put(b, n->from[i], false, false);
        if (n->to[i]) {
            lg_abuf_puts(b, " to ");
            put(b, n->to[i], false, false);
        }
    }
    lg_abuf_putc(b, ']');
}

static void
put_wrapped(lg_abuf *b, const char *before, const lg_jp *n, const char *after)
{
    lg_abuf_puts(b, before);
    put(b, n->left, false, false);
    lg_abuf_puts(b, after);
}

static void
put_like(lg_abuf *b, const lg_jp *n, bool brackets)
{
    if (brackets)
        lg_abuf_putc(b, '(');
    put(b, n->left, false, priority(n->left) <= priority(n));
    lg_abuf_puts(b, " like_regex ");
    lg_json_put_string(b, n->s, n->len);
    if (*n->op) {
        lg_abuf_puts(b, " flag \"");
        for (const char *f = "ismxq"; *f; f++)
            if (strchr(n->op, *f))
                lg_abuf_putc(b, *f);
        lg_abuf_putc(b, '"');
    }
    if (brackets)
        lg_abuf_putc(b, ')');
}

/* The number as numeric shows it. */
static void
put_number(lg_abuf *b, const lg_jp *n)
{
    if (n->next)
        lg_abuf_putc(b, '(');
    lg_abuf_add(b, n->s, n->len);
    if (n->next)
        lg_abuf_putc(b, ')');
}

static void
put(lg_abuf *b, const lg_jp *n, bool in_key, bool brackets)
{
    switch (n->kind) {
    case LG_JP_ROOT:
        lg_abuf_putc(b, '$');
        break;
    case LG_JP_CURRENT:
        lg_abuf_putc(b, '@');
        break;
    case LG_JP_LAST:
        lg_abuf_puts(b, "last");
        break;
    case LG_JP_VARIABLE:
        lg_abuf_putc(b, '$');
        lg_json_put_string(b, n->s, n->len);
        break;
    case LG_JP_NULL:
        lg_abuf_puts(b, "null");
        break;
    case LG_JP_TRUE:
        lg_abuf_puts(b, "true");
        break;
    case LG_JP_FALSE:
        lg_abuf_puts(b, "false");
        break;
    case LG_JP_NUMBER:
        put_number(b, n);
        break;
    case LG_JP_STRING:
        lg_json_put_string(b, n->s, n->len);
        break;
    case LG_JP_KEY:
        lg_abuf_putc(b, '.');
        lg_json_put_string(b, n->s, n->len);
        break;
    case LG_JP_ANY_KEY:
        lg_abuf_puts(b, ".*");
        break;
    case LG_JP_ANY_ARRAY:
        lg_abuf_puts(b, "[*]");
        break;
    case LG_JP_INDEX:
        put_index(b, n);
        break;
    case LG_JP_ANY:
        lg_abuf_putc(b, '.');
        put_any(b, n);
        break;
    case LG_JP_FILTER:
        put_wrapped(b, "?(", n, ")");
        break;
    case LG_JP_METHOD:
        lg_abuf_printf(b, ".%s(", n->op);
        if (n->left)
            put(b, n->left, false, false);
        lg_abuf_putc(b, ')');
        break;
    case LG_JP_BINARY:
    case LG_JP_COMPARE:
    case LG_JP_AND:
    case LG_JP_OR:
        put_binary(b, n, n->op, brackets || n->next);
        break;
    case LG_JP_STARTS:
        put_binary(b, n, "starts with", brackets);
        break;
    case LG_JP_UNARY:
        lg_abuf_puts(b, brackets || n->next ? "(" : "");
        lg_abuf_puts(b, n->op);
        put(b, n->left, false, priority(n->left) <= priority(n));
        lg_abuf_puts(b, brackets || n->next ? ")" : "");
        break;
    case LG_JP_NOT:
        put_wrapped(b, "!(", n, ")");
        break;
    case LG_JP_EXISTS:
        put_wrapped(b, "exists (", n, ")");
        break;
    case LG_JP_UNKNOWN:
        put_wrapped(b, "(", n, ") is unknown");
        break;
    case LG_JP_LIKE:
        put_like(b, n, brackets);
        break;
    }
    (void)in_key;
    if (n->next)
        put(b, n->next, true, true);
}

void
lg_jsonpath_put(lg_abuf *b, const lg_jsonpath *p)
{
    if (p->strict)
        lg_abuf_puts(b, "strict ");
    put(b, p->root, false, true);
}
