/* jsonpath: the type and its execution over jsonb, as PostgreSQL 15's jsonpath_exec.c.
 *
 * An item gives a sequence of values. In lax mode arrays are unwrapped where a single value is
 * wanted and structural errors are an empty sequence; in strict mode they are errors. Inside
 * predicates errors are the truth value unknown. */
#include "jsonpath.h"
#include "array.h"
#include "numeric.h"
#include "types_internal.h"
#include <math.h>
#include <stdlib.h>

typedef enum result { R_OK, R_NONE, R_ERROR } result;
typedef enum truth { FALSE_, TRUE_, UNKNOWN } truth;

struct seq {
    const lg_json **v;
    uint32_t n, cap;
};

struct run {
    lg_call *c;
    const lg_json *root, *vars, *current;
    int64_t array_size; /* of the innermost array with subscripts; -1: none */
    bool lax, ignore_structure, throws;
    bool failed; /* an error was reported in c */
};

static void
append(struct run *r, struct seq *s, const lg_json *x)
{
    if (!s)
        return;
    if (s->n == s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : 8;
        const lg_json **v = lg_arena_alloc(r->c->arena, sizeof *v * cap);
        if (s->n)
            memcpy(v, s->v, sizeof *v * s->n);
        s->v = v;
        s->cap = cap;
    }
    s->v[s->n++] = x;
}

/* An error of the path: reported, or only the result where errors are not thrown. */
#define FAIL(r, ...)                                                                               \
    do {                                                                                           \
        if ((r)->throws) {                                                                         \
            lg_call_error((r)->c, __VA_ARGS__);                                                    \
            (r)->failed = true;                                                                    \
        }                                                                                          \
        return R_ERROR;                                                                            \
    } while (0)

/* --- new values --- */

static const lg_json *
new_json(struct run *r, lg_json_kind kind, const char *text, size_t len)
{
    lg_json *x = lg_arena_zalloc(r->c->arena, sizeof *x);
    x->kind = kind;
    x->text = text;
    x->len = len;
    if (kind == LG_JSON_STRING) {
        lg_abuf b;
        lg_abuf_init(&b, r->c->arena);
        lg_json_put_string(&b, text, len);
        x->s = text;
        x->slen = len;
        x->len = b.len;
        x->text = b.p;
    }
    return x;
}

static const lg_json *
json_word(struct run *r, lg_json_kind kind)
{
    const char *s = kind == LG_JSON_TRUE ? "true" : kind == LG_JSON_FALSE ? "false" : "null";
    return new_json(r, kind, s, strlen(s));
}

static const lg_json *
json_number(struct run *r, lg_datum numeric)
{
    const char *s = "0";
    size_t n = 1;
    r->c->st = lg_type_output(r->c->env, LG_T_NUMERIC, numeric, r->c->arena, r->c->err, &s, &n);
    return new_json(r, LG_JSON_NUMBER, s, n);
}

static lg_datum
numeric_of(struct run *r, const lg_json *x)
{
    lg_datum d = 0;
    const char *s = lg_arena_strndup(r->c->arena, x->text, x->len);
    r->c->st = lg_type_input(r->c->env, LG_T_NUMERIC, s, -1, r->c->arena, r->c->err, &d);
    return d;
}

/* A SQL function of one or two numerics; *ok false (and nothing kept) on an error. */
static lg_datum
numeric_call(struct run *r, lg_oid func, lg_datum x, lg_datum y, bool *ok)
{
    lg_call k;
    lg_datum args[2] = {x, y};
    uint8_t nulls[2] = {0};
    lg_error quiet = {.arena = r->c->arena};
    lg_call_init(&k, lg_func_get(func), r->c->env, r->throws ? r->c->err : &quiet, r->c->arena,
                 r->c->arena);
    k.args = args;
    k.nulls = nulls;
    k.nargs = k.func->nargs;
    lg_datum d = k.func->fn(&k);
    *ok = k.st == LG_OK;
    if (!*ok && r->throws) {
        r->c->st = k.st;
        r->failed = true;
    }
    return d;
}

enum {
    F_ADD = 1724,
    F_SUB = 1725,
    F_MUL = 1726,
    F_DIV = 1727,
    F_MOD = 1728,
    F_ABS = 1705,
    F_CEIL = 1711,
    F_FLOOR = 1712,
    F_NEG = 1771
};

/* --- execution --- */

static result item(struct run *r, const lg_jp *n, const lg_json *x, struct seq *found, bool unwrap);
static truth boolean(struct run *r, const lg_jp *n, const lg_json *x, bool may_next);

static result
exec(struct run *r, const lg_jp *n, const lg_json *x, struct seq *found)
{
    return item(r, n, x, found, r->lax);
}

static result
exec_next(struct run *r, const lg_jp *n, const lg_json *x, struct seq *found)
{
    if (n->next)
        return exec(r, n->next, x, found);
    append(r, found, x);
    return R_OK;
}

/* The elements of an array, or values of an object, through `n` (NULL: as they are); levels of
 * nesting from first to last. */
static result
any_item(struct run *r, const lg_jp *n, const lg_json *x, struct seq *found, uint32_t level,
         uint32_t first, uint32_t last, bool ignore, bool unwrap_next)
{
    result res = R_NONE;
    if (level > last)
        return res;
    for (uint32_t i = 0; i < x->n; i++) {
        const lg_json *v = x->v[i];
        bool container = v->kind == LG_JSON_ARRAY || v->kind == LG_JSON_OBJECT;
        if (level >= first || (first == UINT32_MAX && last == UINT32_MAX && !container)) {
            if (n) {
                bool was = r->ignore_structure;
                r->ignore_structure |= ignore;
                res = item(r, n, v, found, unwrap_next);
                r->ignore_structure = was;
                if (res == R_ERROR || (res == R_OK && !found))
                    return res;
            } else {
                res = R_OK;
                append(r, found, v);
                if (!found)
                    return res;
            }
        }
        if (level < last && container) {
            result deep = any_item(r, n, v, found, level + 1, first, last, ignore, unwrap_next);
            if (deep == R_ERROR || (deep == R_OK && !found))
                return deep;
            res = deep == R_OK ? R_OK : res;
        }
    }
    return res;
}

static result
unwrap_array(struct run *r, const lg_jp *n, const lg_json *x, struct seq *found)
{
    return any_item(r, n, x, found, 1, 1, 1, false, false);
}

/* The sequence, with arrays in it replaced by their elements. */
static result
exec_unwrapped(struct run *r, const lg_jp *n, const lg_json *x, bool unwrap, struct seq *found)
{
    if (!unwrap || !r->lax)
        return exec(r, n, x, found);
    struct seq s = {0};
    result res = exec(r, n, x, &s);
    if (res == R_ERROR)
        return res;
    for (uint32_t i = 0; i < s.n; i++) {
        if (s.v[i]->kind == LG_JSON_ARRAY)
            unwrap_array(r, NULL, s.v[i], found);
        else
            append(r, found, s.v[i]);
    }
    return R_OK;
}

static result
exec_quietly(struct run *r, const lg_jp *n, const lg_json *x, bool unwrap, struct seq *found)
{
    bool was = r->throws;
    r->throws = false;
    result res = exec_unwrapped(r, n, x, unwrap, found);
    r->throws = was;
    return res;
}

static result
key(struct run *r, const lg_jp *n, const lg_json *x, struct seq *found, bool unwrap)
{
    if (x->kind == LG_JSON_OBJECT) {
        const lg_json *v = lg_json_field(x, n->s, n->len);
        if (v)
            return exec_next(r, n, v, found);
        if (!r->ignore_structure)
            FAIL(r, "2203A", "JSON object does not contain key \"%.*s\"", (int)n->len, n->s);
        return R_NONE;
    }
    if (unwrap && x->kind == LG_JSON_ARRAY)
        return unwrap_array(r, n, x, found);
    if (!r->ignore_structure)
        FAIL(r, "2203A", "jsonpath member accessor can only be applied to an object");
    return R_NONE;
}

static result
array_index(struct run *r, const lg_jp *n, const lg_json *x, int64_t *ret)
{
    struct seq s = {0};
    result res = exec(r, n, x, &s);
    if (res == R_ERROR)
        return res;
    if (s.n != 1 || s.v[0]->kind != LG_JSON_NUMBER)
        FAIL(r, "22033", "jsonpath array subscript is not a single numeric value");
    lg_num v = lg_num_unpack(r->c->arena, numeric_of(r, s.v[0]));
    lg_num t = lg_num_trunc(r->c->arena, &v, 0);
    if (!lg_num_to_int64(r->c->arena, &t, ret) || *ret > INT32_MAX || *ret < INT32_MIN)
        FAIL(r, "22033", "jsonpath array subscript is out of integer range");
    return R_OK;
}

static result
indexes(struct run *r, const lg_jp *n, const lg_json *x, struct seq *found)
{
    bool array = x->kind == LG_JSON_ARRAY;
    int64_t was = r->array_size, size = array ? x->n : 1;
    result res = R_NONE;
    if (!array && !r->lax) {
        if (!r->ignore_structure)
            FAIL(r, "22039", "jsonpath array accessor can only be applied to an array");
        return R_NONE;
    }
    r->array_size = size;
    for (uint32_t i = 0; i < n->n && res != R_ERROR; i++) {
        int64_t from, to;
        res = array_index(r, n->from[i], x, &from);
        if (res == R_ERROR)
            break;
        to = from;
        if (n->to[i] && (res = array_index(r, n->to[i], x, &to)) == R_ERROR)
            break;
        if (!r->ignore_structure && (from < 0 || from > to || to >= size)) {
            r->array_size = was;
            FAIL(r, "22033", "jsonpath array subscript is out of bounds");
        }
        from = from < 0 ? 0 : from;
        to = to >= size ? size - 1 : to;
        res = R_NONE;
        for (int64_t k = from; k <= to; k++) {
            const lg_json *v = array ? x->v[k] : x;
            if (!n->next && !found) {
                r->array_size = was;
                return R_OK;
            }
            res = exec_next(r, n, v, found);
            if (res == R_ERROR || (res == R_OK && !found))
                break;
        }
        if (res == R_OK && !found)
            break;
    }
    r->array_size = was;
    return res;
}

static result
arithmetic(struct run *r, const lg_jp *n, const lg_json *x, struct seq *found)
{
    struct seq l = {0}, q = {0};
    bool ok;
    if (exec_unwrapped(r, n->left, x, true, &l) == R_ERROR ||
        exec_unwrapped(r, n->right, x, true, &q) == R_ERROR)
        return R_ERROR;
    if (l.n != 1 || l.v[0]->kind != LG_JSON_NUMBER)
        FAIL(r, "22038", "left operand of jsonpath operator %s is not a single numeric value",
             n->op);
    if (q.n != 1 || q.v[0]->kind != LG_JSON_NUMBER)
        FAIL(r, "22038", "right operand of jsonpath operator %s is not a single numeric value",
             n->op);
    lg_oid f = *n->op == '+'   ? F_ADD
               : *n->op == '-' ? F_SUB
               : *n->op == '*' ? F_MUL
               : *n->op == '/' ? F_DIV
                               : F_MOD;
    lg_datum d = numeric_call(r, f, numeric_of(r, l.v[0]), numeric_of(r, q.v[0]), &ok);
    if (!ok)
        return R_ERROR;
    return exec_next(r, n, json_number(r, d), found);
}

static result
sign(struct run *r, const lg_jp *n, const lg_json *x, struct seq *found)
{
    struct seq s = {0};
    result res = R_NONE;
    if (exec_unwrapped(r, n->left, x, true, &s) == R_ERROR)
        return R_ERROR;
    for (uint32_t i = 0; i < s.n; i++) {
        const lg_json *v = s.v[i];
        bool ok;
        if (v->kind != LG_JSON_NUMBER) {
            if (!found && !n->next)
                continue;
            FAIL(r, "2203B", "operand of unary jsonpath operator %s is not a numeric value", n->op);
        }
        if (*n->op == '-')
            v = json_number(r, numeric_call(r, F_NEG, numeric_of(r, v), 0, &ok));
        res = exec_next(r, n, v, found);
        if (res == R_ERROR || (res == R_OK && !found))
            return res;
    }
    return res;
}

static result
to_double(struct run *r, const lg_jp *n, const lg_json *x, struct seq *found)
{
    if (x->kind != LG_JSON_NUMBER && x->kind != LG_JSON_STRING)
        FAIL(r, "22036",
             "jsonpath item method .%s() can only be applied to a string or numeric value", n->op);
    bool string = x->kind == LG_JSON_STRING;
    const char *s = string ? lg_arena_strndup(r->c->arena, x->s, x->slen)
                           : lg_arena_strndup(r->c->arena, x->text, x->len);
    lg_error quiet = {.arena = r->c->arena};
    lg_datum d = 0;
    lg_status st = lg_type_input(r->c->env, LG_T_FLOAT8, s, -1, r->c->arena, &quiet, &d);
    if (st != LG_OK || isnan(lg_float8(d)) || isinf(lg_float8(d)))
        FAIL(r, "22036",
             string ? "string argument of jsonpath item method .%s() is not a valid "
                      "representation of a double precision number"
                    : "numeric argument of jsonpath item method .%s() is out of range for type "
                      "double precision",
             n->op);
    const char *text;
    size_t len;
    st = lg_type_output(r->c->env, LG_T_FLOAT8, d, r->c->arena, &quiet, &text, &len);
    if (st != LG_OK)
        return R_ERROR;
    lg_json number = {.kind = LG_JSON_NUMBER, .text = text, .len = len};
    return exec_next(r, n, string ? json_number(r, numeric_of(r, &number)) : x, found);
}

/* {"id": ..., "key": ..., "value": ...} of each pair. */
static result
key_values(struct run *r, const lg_jp *n, const lg_json *x, struct seq *found)
{
    result res = R_NONE;
    if (x->kind != LG_JSON_OBJECT)
        FAIL(r, "2203C", "jsonpath item method .%s() can only be applied to an object", n->op);
    for (uint32_t i = 0; i < x->n; i++) {
        lg_abuf b;
        lg_abuf_init(&b, r->c->arena);
        lg_abuf_puts(&b, "{\"id\": 0, \"key\": ");
        lg_json_put_string(&b, x->keys[i]->s, x->keys[i]->slen);
        lg_abuf_puts(&b, ", \"value\": ");
        lg_abuf_add(&b, x->v[i]->text, x->v[i]->len);
        lg_abuf_putc(&b, '}');
        const lg_json *o = lg_json_parse(r->c, b.p, b.len);
        if (!o)
            return R_ERROR;
        res = exec_next(r, n, o, found);
        if (res == R_ERROR || (res == R_OK && !found))
            return res;
    }
    return res;
}

static result
method(struct run *r, const lg_jp *n, const lg_json *x, struct seq *found, bool unwrap)
{
    static const char *const names[] = {"null",    "string", "number", "boolean",
                                        "boolean", "array",  "object"};
    bool ok;
    if (strcmp(n->op, "type") == 0)
        return exec_next(r, n, new_json(r, LG_JSON_STRING, names[x->kind], strlen(names[x->kind])),
                         found);
    if (strcmp(n->op, "size") == 0) {
        if (x->kind != LG_JSON_ARRAY && !r->lax) {
            if (!r->ignore_structure)
                FAIL(r, "22039", "jsonpath item method .%s() can only be applied to an array",
                     n->op);
            return R_NONE;
        }
        const char *s = lg_arena_printf(r->c->arena, "%u", x->kind == LG_JSON_ARRAY ? x->n : 1u);
        return exec_next(r, n, new_json(r, LG_JSON_NUMBER, s, strlen(s)), found);
    }
    if (unwrap && x->kind == LG_JSON_ARRAY)
        return unwrap_array(r, n, x, found);
    if (strcmp(n->op, "double") == 0)
        return to_double(r, n, x, found);
    if (strcmp(n->op, "keyvalue") == 0)
        return key_values(r, n, x, found);
    if (strcmp(n->op, "datetime") == 0)
        FAIL(r, "0A000", "jsonpath item method .datetime() is not supported");
    if (x->kind != LG_JSON_NUMBER)
        FAIL(r, "22036", "jsonpath item method .%s() can only be applied to a numeric value",
             n->op);
    lg_oid f = *n->op == 'a' ? F_ABS : *n->op == 'c' ? F_CEIL : F_FLOOR;
    return exec_next(r, n, json_number(r, numeric_call(r, f, numeric_of(r, x), 0, &ok)), found);
}

static result
filter(struct run *r, const lg_jp *n, const lg_json *x, struct seq *found, bool unwrap)
{
    if (unwrap && x->kind == LG_JSON_ARRAY)
        return unwrap_array(r, n, x, found);
    const lg_json *was = r->current;
    r->current = x;
    truth t = boolean(r, n->left, x, false);
    r->current = was;
    if (r->failed)
        return R_ERROR;
    return t == TRUE_ ? exec_next(r, n, x, found) : R_NONE;
}

static result
any_levels(struct run *r, const lg_jp *n, const lg_json *x, struct seq *found)
{
    result res = R_NONE;
    if (n->first == 0) {
        bool was = r->ignore_structure;
        r->ignore_structure = true;
        res = exec_next(r, n, x, found);
        r->ignore_structure = was;
        if (res == R_ERROR || (res == R_OK && !found))
            return res;
    }
    if (x->kind == LG_JSON_ARRAY || x->kind == LG_JSON_OBJECT) {
        result deep = any_item(r, n->next, x, found, 1, n->first, n->last, true, r->lax);
        res = deep == R_NONE ? res : deep;
    }
    return res;
}

static const lg_json *
literal(struct run *r, const lg_jp *n)
{
    switch (n->kind) {
    case LG_JP_TRUE:
        return json_word(r, LG_JSON_TRUE);
    case LG_JP_FALSE:
        return json_word(r, LG_JSON_FALSE);
    case LG_JP_NULL:
        return json_word(r, LG_JSON_NULL);
    case LG_JP_NUMBER:
        return new_json(r, LG_JSON_NUMBER, n->s, n->len);
    case LG_JP_STRING:
        return new_json(r, LG_JSON_STRING, n->s, n->len);
    default: { /* a variable: missing ones are errors even in silence */
        const lg_json *v = r->vars ? lg_json_field(r->vars, n->s, n->len) : NULL;
        if (!v) {
            lg_call_error(r->c, "42704", "could not find jsonpath variable \"%.*s\"", (int)n->len,
                          n->s);
            r->failed = true;
        }
        return v;
    }
    }
}

static result
item(struct run *r, const lg_jp *n, const lg_json *x, struct seq *found, bool unwrap)
{
    if (r->failed || r->c->st)
        return R_ERROR;
    switch (n->kind) {
    case LG_JP_ROOT:
        return exec_next(r, n, r->root, found);
    case LG_JP_CURRENT:
        return exec_next(r, n, r->current, found);
    case LG_JP_LAST: {
        const char *s = lg_arena_printf(r->c->arena, "%lld", (long long)r->array_size - 1);
        return exec_next(r, n, new_json(r, LG_JSON_NUMBER, s, strlen(s)), found);
    }
    case LG_JP_VARIABLE:
    case LG_JP_NULL:
    case LG_JP_TRUE:
    case LG_JP_FALSE:
    case LG_JP_NUMBER:
    case LG_JP_STRING: {
        const lg_json *v = literal(r, n);
        return v ? exec_next(r, n, v, found) : R_ERROR;
    }
    case LG_JP_KEY:
        return key(r, n, x, found, unwrap);
    case LG_JP_ANY_KEY:
        if (x->kind == LG_JSON_OBJECT)
            return any_item(r, n->next, x, found, 1, 1, 1, false, r->lax);
        if (unwrap && x->kind == LG_JSON_ARRAY)
            return unwrap_array(r, n, x, found);
        if (!r->ignore_structure)
            FAIL(r, "2203C", "jsonpath wildcard member accessor can only be applied to an object");
        return R_NONE;
    case LG_JP_ANY_ARRAY:
        if (x->kind == LG_JSON_ARRAY)
            return any_item(r, n->next, x, found, 1, 1, 1, false, r->lax);
        if (r->lax)
            return exec_next(r, n, x, found);
        if (!r->ignore_structure)
            FAIL(r, "22039", "jsonpath wildcard array accessor can only be applied to an array");
        return R_NONE;
    case LG_JP_INDEX:
        return indexes(r, n, x, found);
    case LG_JP_ANY:
        return any_levels(r, n, x, found);
    case LG_JP_FILTER:
        return filter(r, n, x, found, unwrap);
    case LG_JP_METHOD:
        return method(r, n, x, found, unwrap);
    case LG_JP_BINARY:
        return arithmetic(r, n, x, found);
    case LG_JP_UNARY:
        return sign(r, n, x, found);
    default: {
        truth t = boolean(r, n, x, true);
        if (r->failed)
            return R_ERROR;
        return exec_next(r, n,
                         json_word(r, t == TRUE_    ? LG_JSON_TRUE
                                      : t == FALSE_ ? LG_JSON_FALSE
                                                    : LG_JSON_NULL),
                         found);
    }
    }
}

/* --- predicates --- */

static int
compare_numbers(struct run *r, const lg_json *x, const lg_json *y)
{
    lg_num a = lg_num_unpack(r->c->arena, numeric_of(r, x));
    lg_num b = lg_num_unpack(r->c->arena, numeric_of(r, y));
    return lg_num_compare(&a, &b);
}

static lg_json_kind
kind_of(const lg_json *x)
{
    return x->kind == LG_JSON_FALSE ? LG_JSON_TRUE : x->kind;
}

static truth
compare(struct run *r, const char *op, const lg_json *x, const lg_json *y)
{
    int cmp;
    if (kind_of(x) != kind_of(y)) {
        if (x->kind == LG_JSON_NULL || y->kind == LG_JSON_NULL)
            return strcmp(op, "!=") == 0 ? TRUE_ : FALSE_;
        return UNKNOWN;
    }
    switch (kind_of(x)) {
    case LG_JSON_NULL:
        cmp = 0;
        break;
    case LG_JSON_TRUE:
        cmp = (x->kind == LG_JSON_TRUE) - (y->kind == LG_JSON_TRUE);
        break;
    case LG_JSON_NUMBER:
        cmp = compare_numbers(r, x, y);
        break;
    case LG_JSON_STRING:
        cmp = lg_bytes_compare(x->s, x->slen, y->s, y->slen);
        break;
    default:
        return UNKNOWN;
    }
    bool eq = op[1] == '=';
    switch (*op) {
    case '=':
        return cmp == 0 ? TRUE_ : FALSE_;
    case '!':
        return cmp != 0 ? TRUE_ : FALSE_;
    case '<':
        return cmp < 0 || (eq && cmp == 0) ? TRUE_ : FALSE_;
    default:
        return cmp > 0 || (eq && cmp == 0) ? TRUE_ : FALSE_;
    }
}

static truth
like(struct run *r, const lg_jp *n, const lg_json *x)
{
    if (x->kind != LG_JSON_STRING)
        return UNKNOWN;
    const char *pattern =
        strchr(n->op, 'q')
            ? lg_arena_printf(r->c->arena, "***=%.*s", (int)n->len, n->s)
            : lg_arena_printf(r->c->arena, "(?%s%s)%.*s", strchr(n->op, 'i') ? "i" : "",
                              strchr(n->op, 'm')   ? (strchr(n->op, 's') ? "w" : "n")
                              : strchr(n->op, 's') ? "s"
                                                   : "p",
                              (int)n->len, n->s);
    lg_call k;
    lg_datum args[2] = {lg_datum_text(r->c->arena, x->s, x->slen),
                        lg_datum_cstring_text(r->c->arena, pattern)};
    uint8_t nulls[2] = {0};
    lg_call_init(&k, lg_func_get(1254), r->c->env, r->c->err, r->c->arena, r->c->arena);
    k.args = args;
    k.nulls = nulls;
    k.nargs = 2;
    lg_datum d = k.func->fn(&k);
    if (k.st) {
        r->c->st = k.st;
        r->failed = true;
    }
    return d ? TRUE_ : FALSE_;
}

static truth
one_pair(struct run *r, const lg_jp *n, const lg_json *x, const lg_json *y)
{
    if (n->kind == LG_JP_COMPARE)
        return compare(r, n->op, x, y);
    if (n->kind == LG_JP_LIKE)
        return like(r, n, x);
    if (x->kind != LG_JSON_STRING || y->kind != LG_JSON_STRING)
        return UNKNOWN;
    return x->slen >= y->slen && memcmp(x->s, y->s, y->slen) == 0 ? TRUE_ : FALSE_;
}

static truth
pairs(struct run *r, const lg_jp *n, const lg_json *x)
{
    struct seq l = {0}, q = {0};
    bool error = false, hit = false;
    if (exec_quietly(r, n->left, x, true, &l) == R_ERROR)
        return UNKNOWN;
    if (n->right) {
        if (exec_quietly(r, n->right, x, n->kind == LG_JP_COMPARE, &q) == R_ERROR)
            return UNKNOWN;
    } else {
        append(r, &q, x);
    }
    for (uint32_t i = 0; i < l.n; i++)
        for (uint32_t k = 0; k < q.n; k++) {
            truth t = one_pair(r, n, l.v[i], q.v[k]);
            if (t == UNKNOWN) {
                if (!r->lax)
                    return UNKNOWN;
                error = true;
            } else if (t == TRUE_) {
                if (r->lax)
                    return TRUE_;
                hit = true;
            }
        }
    return hit ? TRUE_ : error ? UNKNOWN : FALSE_;
}

static truth
exists(struct run *r, const lg_jp *n, const lg_json *x)
{
    struct seq s = {0};
    if (!r->lax) {
        if (exec_quietly(r, n->left, x, false, &s) == R_ERROR)
            return UNKNOWN;
        return s.n ? TRUE_ : FALSE_;
    }
    result res = exec_quietly(r, n->left, x, false, NULL);
    return res == R_ERROR ? UNKNOWN : res == R_OK ? TRUE_ : FALSE_;
}

static truth
boolean(struct run *r, const lg_jp *n, const lg_json *x, bool may_next)
{
    truth a, b;
    (void)may_next;
    if (r->failed)
        return UNKNOWN;
    switch (n->kind) {
    case LG_JP_AND:
        a = boolean(r, n->left, x, false);
        if (a == FALSE_)
            return FALSE_;
        b = boolean(r, n->right, x, false);
        return b == TRUE_ ? a : b;
    case LG_JP_OR:
        a = boolean(r, n->left, x, false);
        if (a == TRUE_)
            return TRUE_;
        b = boolean(r, n->right, x, false);
        return b == FALSE_ ? a : b;
    case LG_JP_NOT:
        a = boolean(r, n->left, x, false);
        return a == UNKNOWN ? UNKNOWN : a == TRUE_ ? FALSE_ : TRUE_;
    case LG_JP_UNKNOWN:
        return boolean(r, n->left, x, false) == UNKNOWN ? TRUE_ : FALSE_;
    case LG_JP_EXISTS:
        return exists(r, n, x);
    default:
        return pairs(r, n, x);
    }
}

/* --- the type --- */

static lg_datum
input(lg_call *c, const char *s, size_t n)
{
    const lg_jsonpath *p = lg_jsonpath_parse(c, c->arena, s, n);
    if (!p)
        return 0;
    lg_abuf b;
    lg_abuf_for(&b, c);
    lg_jsonpath_put(&b, p);
    return lg_abuf_text(&b);
}

LG_FN(jsonpath_in)
{
    return input(c, ARG_CSTR(0), strlen(ARG_CSTR(0)));
}
LG_FN(jsonpath_out)
{
    return lg_datum_ptr(lg_text_cstring(c->arena, ARG(0)));
}
LG_FN(jsonpath_recv)
{
    lg_recvbuf *b = lg_ptr(ARG(0));
    uint64_t version = lg_recv_uint(c, b, 1);
    if (c->st)
        return 0;
    if (version != 1)
        return lg_call_error(c, "XX000", "unsupported jsonpath version number: %d", (int)version);
    size_t n;
    const char *s = lg_recv_text(c, b, &n);
    return s ? input(c, s, n) : 0;
}
LG_FN(jsonpath_send)
{
    lg_varlen *v = lg_varlen_new(c->arena, (size_t)ARG_LEN(0) + 1);
    v->data[0] = 1;
    memcpy(v->data + 1, ARG_STR(0), ARG_LEN(0));
    return lg_datum_ptr(v);
}

/* --- the functions --- */

/* Runs the call's path over its document; in silence *found is what came before the error. false:
 * an error. */
static bool
run_call(lg_call *c, bool silent, struct seq *found, result *ret)
{
    struct run r = {.c = c, .array_size = -1, .throws = !silent};
    const lg_jsonpath *p = lg_jsonpath_parse(c, c->arena, ARG_STR(1), ARG_LEN(1));
    if (!p)
        return false;
    r.root = r.current = lg_json_parse(c, ARG_STR(0), ARG_LEN(0));
    if (!r.root)
        return false;
    if (c->nargs > 2) {
        r.vars = lg_json_parse(c, ARG_STR(2), ARG_LEN(2));
        if (r.vars && r.vars->kind != LG_JSON_OBJECT) {
            lg_call_error(c, "22023", "\"vars\" argument is not an object");
            lg_error_detail(c->err, "Jsonpath parameters should be encoded as key-value pairs of "
                                    "\"vars\" object.");
        }
        if (c->st)
            return false;
    }
    r.lax = r.ignore_structure = !p->strict;
    struct seq s = {0};
    /* Strict mode looks for errors in all of it even where one value would do. */
    *ret = exec(&r, p->root, r.root, found || p->strict ? &s : NULL);
    if (*ret != R_ERROR && !found && p->strict)
        *ret = s.n ? R_OK : R_NONE;
    if (found)
        *found = s;
    return c->st == LG_OK;
}

static bool
silent_of(const lg_call *c)
{
    return c->nargs <= 3 || ARG_BOOL(3);
}

static lg_datum
path_exists(lg_call *c, bool silent)
{
    result res;
    if (!run_call(c, silent, NULL, &res))
        return 0;
    if (res == R_ERROR)
        RET_NULL();
    return lg_datum_bool(res == R_OK);
}

LG_FN(jsonb_path_exists)
{
    return path_exists(c, silent_of(c));
}
LG_FN(jsonb_path_exists_tz)
{
    return path_exists(c, silent_of(c));
}
LG_FN(jsonb_path_exists_opr)
{
    return path_exists(c, true);
}

static lg_datum
path_match(lg_call *c, bool silent)
{
    result res;
    struct seq s = {0};
    if (!run_call(c, silent, &s, &res))
        return 0;
    if (res != R_ERROR && s.n == 1) {
        if (s.v[0]->kind == LG_JSON_TRUE || s.v[0]->kind == LG_JSON_FALSE)
            return lg_datum_bool(s.v[0]->kind == LG_JSON_TRUE);
        if (s.v[0]->kind == LG_JSON_NULL)
            RET_NULL();
    }
    if (!silent)
        return lg_call_error(c, "22038", "single boolean result is expected");
    RET_NULL();
}

LG_FN(jsonb_path_match)
{
    return path_match(c, silent_of(c));
}
LG_FN(jsonb_path_match_tz)
{
    return path_match(c, silent_of(c));
}
LG_FN(jsonb_path_match_opr)
{
    return path_match(c, true);
}

static lg_datum
json_datum(lg_call *c, const lg_json *x)
{
    lg_abuf b;
    lg_abuf_for(&b, c);
    lg_json_put(c, &b, x);
    return lg_abuf_text(&b);
}

static lg_datum
query_array(lg_call *c)
{
    result res;
    struct seq s = {0};
    lg_abuf b;
    if (!run_call(c, silent_of(c), &s, &res))
        return 0;
    lg_abuf_for(&b, c);
    lg_abuf_putc(&b, '[');
    for (uint32_t i = 0; i < s.n; i++) {
        lg_abuf_puts(&b, i ? ", " : "");
        lg_json_put(c, &b, s.v[i]);
    }
    lg_abuf_putc(&b, ']');
    return lg_abuf_text(&b);
}

LG_FN(jsonb_path_query_array)
{
    return query_array(c);
}
LG_FN(jsonb_path_query_array_tz)
{
    return query_array(c);
}

static lg_datum
query_first(lg_call *c)
{
    result res;
    struct seq s = {0};
    if (!run_call(c, silent_of(c), &s, &res))
        return 0;
    if (!s.n)
        RET_NULL();
    return json_datum(c, s.v[0]);
}

LG_FN(jsonb_path_query_first)
{
    return query_first(c);
}
LG_FN(jsonb_path_query_first_tz)
{
    return query_first(c);
}

struct query {
    struct seq s;
    uint32_t at;
};

static lg_status
query_open(lg_call *c, void **ret_state)
{
    struct query *q = lg_arena_zalloc(c->arena, sizeof *q);
    result res;
    *ret_state = q;
    if (!run_call(c, silent_of(c), &q->s, &res))
        return c->st;
    return LG_OK;
}

static lg_status
query_next(lg_call *c, void *state, lg_datum *ret_values, uint8_t *ret_nulls)
{
    struct query *q = state;
    if (q->at >= q->s.n)
        return LG_END;
    ret_values[0] = json_datum(c, q->s.v[q->at++]);
    ret_nulls[0] = 0;
    return c->st;
}

LG_SRF(jsonb_path_query, query_open, query_next);
LG_SRF(jsonb_path_query_tz, query_open, query_next);
