/* Arrays: text and binary form, operators, functions; int2vector and oidvector. */
#include "array.h"
#include "interrupt.h"
#include "text.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define MAX_ELEMENTS (1u << 27)

/* --- input --- */

struct reader {
    lg_call *c;
    const char *text;
    const char *p;
    lg_oid elem;
    int32_t typmod;
    char delim;
    int ndim; /* -1: not known yet */
    int32_t dims[LG_ARRAY_MAX_DIM];
    lg_datum *values;
    uint8_t *nulls;
    uint32_t n, cap;
};

static bool
malformed(struct reader *r, const char *detail)
{
    lg_call_error(r->c, "22P02", "malformed array literal: \"%s\"", r->text);
    lg_error_detail(r->c->err, "%s", detail);
    return false;
}

static void
skip_space(struct reader *r)
{
    while (isspace((unsigned char)*r->p))
        r->p++;
}

static bool
push(struct reader *r, const char *s, bool null)
{
    if (r->n == r->cap) {
        uint32_t cap = r->cap ? r->cap * 2 : 16;
        lg_datum *v = lg_arena_alloc(r->c->arena, sizeof *v * cap);
        uint8_t *nulls = lg_arena_alloc(r->c->arena, cap);
        if (r->n) {
            memcpy(v, r->values, sizeof *v * r->n);
            memcpy(nulls, r->nulls, r->n);
        }
        r->values = v;
        r->nulls = nulls;
        r->cap = cap;
    }
    r->nulls[r->n] = null;
    r->values[r->n] = 0;
    if (!null) {
        r->c->st = lg_type_input(r->c->env, r->elem, s, r->typmod, r->c->arena, r->c->err,
                                 &r->values[r->n]);
        if (r->c->st)
            return false;
    }
    r->n++;
    return true;
}

/* A quoted or plain element. */
static bool
read_element(struct reader *r)
{
    lg_abuf b;
    lg_abuf_init(&b, r->c->arena);
    bool quoted = *r->p == '"', escaped = false;
    if (quoted) {
        for (r->p++; *r->p != '"'; r->p++) {
            if (*r->p == '\\')
                r->p++;
            if (!*r->p)
                return malformed(r, "Unexpected end of input.");
            lg_abuf_putc(&b, *r->p);
        }
        r->p++;
        skip_space(r);
        if (*r->p && *r->p != r->delim && *r->p != '}')
            return malformed(r, "Unexpected array element.");
    } else {
        size_t keep = 0;
        while (*r->p && *r->p != r->delim && *r->p != '}') {
            if (*r->p == '{')
                return malformed(r, "Unexpected \"{\" character.");
            if (*r->p == '"')
                return malformed(r, "Unexpected array element.");
            bool esc = *r->p == '\\';
            if (esc && !*++r->p)
                return malformed(r, "Unexpected end of input.");
            escaped |= esc;
            lg_abuf_putc(&b, *r->p);
            if (esc || !isspace((unsigned char)*r->p))
                keep = b.len;
            r->p++;
        }
        b.len = keep;
        if (keep == 0)
            return malformed(r, *r->p == '}' ? "Unexpected \"}\" character."
                                : *r->p      ? "Unexpected \",\" character."
                                             : "Unexpected end of input.");
    }
    const char *s = lg_abuf_cstring(&b);
    bool null = !quoted && !escaped && strcasecmp(s, "NULL") == 0;
    return push(r, s, null);
}

static bool
read_level(struct reader *r, int level)
{
    int32_t count = 0;
    bool leaf = false;
    if (level >= LG_ARRAY_MAX_DIM) {
        lg_call_error(r->c, "54000",
                      "number of array dimensions (%d) exceeds the maximum allowed (%d)", level + 1,
                      LG_ARRAY_MAX_DIM);
        return false;
    }
    r->p++; /* { */
    skip_space(r);
    if (*r->p == '}') {
        r->p++;
        if (level == 0)
            return true;
        return malformed(r, "Unexpected \"}\" character.");
    }
    for (;;) {
        skip_space(r);
        bool nested = *r->p == '{';
        if (count > 0 && nested == leaf)
            return malformed(r, "Multidimensional arrays must have sub-arrays with matching "
                                "dimensions.");
        leaf = !nested;
        if (nested) {
            if (!read_level(r, level + 1))
                return false;
        } else {
            if (r->ndim >= 0 && r->ndim != level + 1)
                return malformed(r, "Multidimensional arrays must have sub-arrays with matching "
                                    "dimensions.");
            r->ndim = level + 1;
            if (!read_element(r))
                return false;
        }
        count++;
        skip_space(r);
        if (*r->p == r->delim) {
            r->p++;
            continue;
        }
        if (*r->p != '}')
            return malformed(r, *r->p ? "Unexpected array element." : "Unexpected end of input.");
        r->p++;
        break;
    }
    if (r->dims[level] < 0)
        r->dims[level] = count;
    else if (r->dims[level] != count)
        return malformed(r, "Multidimensional arrays must have sub-arrays with matching "
                            "dimensions.");
    return true;
}

/* [l:u][l:u]= before the braces. */
static bool
read_bounds(struct reader *r, int32_t *lbs, int32_t *dims, int *ret_n)
{
    *ret_n = 0;
    while (*r->p == '[') {
        char *end;
        long lo = 1, hi = strtol(r->p + 1, &end, 10);
        if (end == r->p + 1)
            return malformed(r, "\"[\" must introduce explicitly-specified array dimensions.");
        if (*end == ':') {
            lo = hi;
            const char *q = end + 1;
            hi = strtol(q, &end, 10);
            if (end == q)
                return malformed(r, "Missing array dimension value.");
        }
        if (*end != ']')
            return malformed(r, "Missing \"]\" after array dimensions.");
        if (*ret_n == LG_ARRAY_MAX_DIM || hi - lo >= MAX_ELEMENTS)
            return malformed(r, "Specified array dimensions do not match array contents.");
        if (hi < lo) {
            lg_call_error(r->c, "2202E", "upper bound cannot be less than lower bound");
            return false;
        }
        lbs[*ret_n] = (int32_t)lo;
        dims[(*ret_n)++] = (int32_t)(hi - lo + 1);
        r->p = end + 1;
        skip_space(r);
    }
    if (*ret_n) {
        if (*r->p != '=')
            return malformed(r, "Missing \"=\" after array dimensions.");
        r->p++;
        skip_space(r);
        if (*r->p != '{')
            return malformed(r, "Array contents must start with \"{\".");
    }
    return true;
}

LG_FN(array_in)
{
    const lg_type *t = lg_type_get(ARG_OID(1));
    struct reader r = {.c = c,
                       .text = ARG_CSTR(0),
                       .p = ARG_CSTR(0),
                       .elem = ARG_OID(1),
                       .typmod = ARG_INT4(2),
                       .delim = t ? t->delim : ',',
                       .ndim = -1};
    lg_array x = {.elem = r.elem};
    int32_t dims[LG_ARRAY_MAX_DIM];
    int bounds;
    for (int i = 0; i < LG_ARRAY_MAX_DIM; i++) {
        r.dims[i] = -1;
        x.lbs[i] = 1;
    }
    skip_space(&r);
    if (!read_bounds(&r, x.lbs, dims, &bounds))
        return 0;
    if (*r.p != '{') {
        malformed(&r, "Array value must start with \"{\" or dimension information.");
        return 0;
    }
    if (!read_level(&r, 0))
        return 0;
    skip_space(&r);
    if (*r.p) {
        malformed(&r, "Junk after closing right brace.");
        return 0;
    }
    x.ndim = r.n ? r.ndim : 0;
    if (bounds && (bounds != x.ndim || memcmp(dims, r.dims, sizeof(int32_t) * (size_t)bounds))) {
        malformed(&r, "Specified array dimensions do not match array contents.");
        return 0;
    }
    memcpy(x.dims, r.dims, sizeof x.dims);
    x.n = r.n;
    x.values = r.values;
    x.nulls = r.nulls;
    return lg_array_pack(c->arena, &x);
}

/* --- output --- */

static bool
needs_quotes(const char *s, size_t n, char delim)
{
    if (n == 0 || (n == 4 && strncasecmp(s, "NULL", 4) == 0))
        return true;
    for (size_t i = 0; i < n; i++)
        if (s[i] == '"' || s[i] == '\\' || s[i] == '{' || s[i] == '}' || s[i] == delim ||
            isspace((unsigned char)s[i]))
            return true;
    return false;
}

static bool
put_element(lg_call *c, lg_abuf *b, const lg_array *x, uint32_t i, char delim)
{
    const char *s;
    size_t n;
    if (x->nulls[i]) {
        lg_abuf_puts(b, "NULL");
        return true;
    }
    c->st = lg_type_output(c->env, x->elem, x->values[i], c->arena, c->err, &s, &n);
    if (c->st)
        return false;
    if (!needs_quotes(s, n, delim)) {
        lg_abuf_add(b, s, n);
        return true;
    }
    lg_abuf_putc(b, '"');
    for (size_t k = 0; k < n; k++) {
        if (s[k] == '"' || s[k] == '\\')
            lg_abuf_putc(b, '\\');
        lg_abuf_putc(b, s[k]);
    }
    lg_abuf_putc(b, '"');
    return true;
}

static bool
put_level(lg_call *c, lg_abuf *b, const lg_array *x, int level, uint32_t *at, char delim)
{
    lg_abuf_putc(b, '{');
    for (int32_t i = 0; i < x->dims[level]; i++) {
        if (i)
            lg_abuf_putc(b, delim);
        bool ok = level == x->ndim - 1 ? put_element(c, b, x, (*at)++, delim)
                                       : put_level(c, b, x, level + 1, at, delim);
        if (!ok)
            return false;
    }
    lg_abuf_putc(b, '}');
    return true;
}

static lg_datum
array_out(lg_call *c)
{
    lg_array x;
    lg_abuf b;
    lg_array_unpack(ARG(0), c->arena, &x);
    lg_abuf_for(&b, c);
    if (x.n == 0)
        return lg_datum_ptr("{}");
    bool bounds = false;
    for (int i = 0; i < x.ndim; i++)
        bounds |= x.lbs[i] != 1;
    for (int i = 0; bounds && i < x.ndim; i++)
        lg_abuf_printf(&b, "[%d:%d]", x.lbs[i], x.lbs[i] + x.dims[i] - 1);
    if (bounds)
        lg_abuf_putc(&b, '=');
    const lg_type *t = lg_type_get(x.elem);
    uint32_t at = 0;
    if (!put_level(c, &b, &x, 0, &at, t ? t->delim : ','))
        return 0;
    return lg_datum_ptr(lg_abuf_cstring(&b));
}

LG_FN(array_out)
{
    return array_out(c);
}
LG_FN(anyarray_out)
{
    return array_out(c);
}

/* Binary form: i32 ndim, flags, element type, {i32 dim, lower bound}..., {i32 length, bytes}... */
static void
put_i32(lg_abuf *b, int32_t v)
{
    for (int i = 3; i >= 0; i--)
        lg_abuf_putc(b, (char)((uint32_t)v >> (8 * i)));
}

static lg_datum
array_send(lg_call *c)
{
    lg_array x;
    lg_abuf b;
    lg_array_unpack(ARG(0), c->arena, &x);
    lg_abuf_for(&b, c);
    int32_t nulls = 0;
    for (uint32_t i = 0; i < x.n; i++)
        nulls |= x.nulls[i];
    put_i32(&b, x.ndim);
    put_i32(&b, nulls);
    put_i32(&b, (int32_t)x.elem);
    for (int i = 0; i < x.ndim; i++) {
        put_i32(&b, x.dims[i]);
        put_i32(&b, x.lbs[i]);
    }
    for (uint32_t i = 0; i < x.n; i++) {
        const char *s;
        size_t n;
        if (x.nulls[i]) {
            put_i32(&b, -1);
            continue;
        }
        c->st = lg_type_send(c->env, x.elem, x.values[i], c->arena, c->err, &s, &n);
        if (c->st)
            return 0;
        put_i32(&b, (int32_t)n);
        lg_abuf_add(&b, s, n);
    }
    return lg_abuf_text(&b);
}

LG_FN(array_send)
{
    return array_send(c);
}
LG_FN(anyarray_send)
{
    return array_send(c);
}
LG_FN(int2vectorsend)
{
    return array_send(c);
}
LG_FN(oidvectorsend)
{
    return array_send(c);
}

static lg_datum
array_recv(lg_call *c, lg_oid elem)
{
    lg_recvbuf *b = lg_ptr(ARG(0));
    lg_array x = {.elem = elem};
    x.ndim = (int32_t)lg_recv_uint(c, b, 4);
    uint32_t flags = (uint32_t)lg_recv_uint(c, b, 4);
    lg_oid sent = (lg_oid)lg_recv_uint(c, b, 4);
    if (c->st)
        return 0;
    if (x.ndim < 0 || x.ndim > LG_ARRAY_MAX_DIM)
        return lg_call_error(c, "54000",
                             "number of array dimensions (%d) exceeds the maximum allowed (%d)",
                             x.ndim, LG_ARRAY_MAX_DIM);
    if (flags > 1)
        return lg_call_error(c, "22P03", "invalid array flags");
    if (sent != elem)
        return lg_call_error(c, "42804", "wrong element type");
    uint64_t total = x.ndim ? 1 : 0;
    for (int i = 0; i < x.ndim; i++) {
        x.dims[i] = (int32_t)lg_recv_uint(c, b, 4);
        x.lbs[i] = (int32_t)lg_recv_uint(c, b, 4);
        if (c->st)
            return 0;
        if (x.dims[i] < 0 || (total *= (uint64_t)x.dims[i]) > MAX_ELEMENTS)
            return lg_call_error(c, "54000", "array size exceeds the maximum allowed (%u)",
                                 MAX_ELEMENTS);
    }
    if (total > b->len)
        return lg_call_error(c, "08P01", "insufficient data left in message");
    x.n = (uint32_t)total;
    x.values = lg_arena_zalloc(c->arena, sizeof(lg_datum) * (total + 1));
    x.nulls = lg_arena_zalloc(c->arena, total + 1);
    for (uint32_t i = 0; i < x.n; i++) {
        int32_t n = (int32_t)lg_recv_uint(c, b, 4);
        if (c->st)
            return 0;
        if (n == -1) {
            x.nulls[i] = 1;
            continue;
        }
        if (n < 0 || (size_t)n > b->len - b->pos)
            return lg_call_error(c, "22P03", "insufficient data left in message");
        c->st = lg_type_recv(c->env, elem, b->data + b->pos, (size_t)n, ARG_INT4(2), c->arena,
                             c->err, &x.values[i]);
        if (c->st)
            return 0;
        b->pos += (size_t)n;
    }
    return lg_array_pack(c->arena, &x);
}

LG_FN(array_recv)
{
    return array_recv(c, ARG_OID(1));
}
LG_FN(int2vectorrecv)
{
    return array_recv(c, LG_T_INT2);
}
LG_FN(oidvectorrecv)
{
    return array_recv(c, LG_T_OID);
}

/* --- int2vector, oidvector: numbers with spaces between --- */

static lg_datum
vector_in(lg_call *c, lg_oid elem)
{
    const char *p = ARG_CSTR(0);
    uint32_t n = 0, cap = (uint32_t)strlen(p) / 2 + 2;
    int16_t *shorts = lg_arena_alloc(c->arena, sizeof *shorts * cap);
    lg_oid *oids = lg_arena_alloc(c->arena, sizeof *oids * cap);
    for (;;) {
        while (isspace((unsigned char)*p))
            p++;
        if (!*p)
            break;
        size_t len = strcspn(p, " \t\n");
        char *word = lg_arena_strndup(c->arena, p, len);
        p += len;
        if (elem == LG_T_INT2)
            shorts[n] = (int16_t)lg_parse_int(c, word, INT16_MIN, INT16_MAX, "smallint");
        else
            oids[n] = (lg_oid)lg_parse_int(c, word, 0, UINT32_MAX, "oid");
        if (c->st)
            return 0;
        n++;
    }
    return elem == LG_T_INT2 ? lg_array_int2vector(c->arena, n, shorts)
                             : lg_array_oidvector(c->arena, n, oids);
}

static lg_datum
vector_out(lg_call *c)
{
    lg_array x;
    lg_abuf b;
    lg_array_unpack(ARG(0), c->arena, &x);
    lg_abuf_for(&b, c);
    for (uint32_t i = 0; i < x.n; i++)
        lg_abuf_printf(&b, i ? " %lld" : "%lld", (long long)lg_int8(x.values[i]));
    return lg_datum_ptr(lg_abuf_cstring(&b));
}

LG_FN(int2vectorin)
{
    return vector_in(c, LG_T_INT2);
}
LG_FN(int2vectorout)
{
    return vector_out(c);
}
LG_FN(oidvectorin)
{
    return vector_in(c, LG_T_OID);
}
LG_FN(oidvectorout)
{
    return vector_out(c);
}

/* --- comparison --- */

#define COMPARE(p, eq)                                                                             \
    LG_FN(p##eq)                                                                                   \
    {                                                                                              \
        return lg_array_compare(ARG(0), ARG(1)) == 0;                                              \
    }                                                                                              \
    LG_FN(p##ne)                                                                                   \
    {                                                                                              \
        return lg_array_compare(ARG(0), ARG(1)) != 0;                                              \
    }                                                                                              \
    LG_FN(p##lt)                                                                                   \
    {                                                                                              \
        return lg_array_compare(ARG(0), ARG(1)) < 0;                                               \
    }                                                                                              \
    LG_FN(p##le)                                                                                   \
    {                                                                                              \
        return lg_array_compare(ARG(0), ARG(1)) <= 0;                                              \
    }                                                                                              \
    LG_FN(p##gt)                                                                                   \
    {                                                                                              \
        return lg_array_compare(ARG(0), ARG(1)) > 0;                                               \
    }                                                                                              \
    LG_FN(p##ge)                                                                                   \
    {                                                                                              \
        return lg_array_compare(ARG(0), ARG(1)) >= 0;                                              \
    }

COMPARE(array_, eq)
COMPARE(oidvector, eq)
LG_FN(btarraycmp)
{
    return lg_datum_int4(lg_array_compare(ARG(0), ARG(1)));
}
LG_FN(btoidvectorcmp)
{
    return lg_datum_int4(lg_array_compare(ARG(0), ARG(1)));
}
LG_FN(array_larger)
{
    return lg_array_compare(ARG(0), ARG(1)) > 0 ? ARG(0) : ARG(1);
}
LG_FN(array_smaller)
{
    return lg_array_compare(ARG(0), ARG(1)) < 0 ? ARG(0) : ARG(1);
}
LG_FN(hashoidvector)
{
    return lg_datum_int4((int32_t)lg_array_hash(ARG(0)));
}

static lg_array
unpack(lg_call *c, uint32_t i)
{
    lg_array x;
    lg_array_unpack(ARG(i), c->arena, &x);
    return x;
}

static bool
element_equal(lg_call *c, const lg_array *x, uint32_t i, lg_datum d)
{
    lg_equal_fn eq = lg_type_equal_fn(x->elem);
    if (!eq) {
        lg_call_error(c, "42883", "could not identify an equality operator for type %s",
                      lg_type_format(c->arena, x->elem, -1));
        return false;
    }
    return eq(x->values[i], d);
}

static bool
has_element(lg_call *c, const lg_array *x, lg_datum d)
{
    for (uint32_t i = 0; i < x->n && !c->st; i++)
        if (!x->nulls[i] && element_equal(c, x, i, d))
            return true;
    return false;
}

/* Every element of y (none NULL) is in x. */
static bool
contains(lg_call *c, uint32_t outer, uint32_t inner)
{
    lg_array x = unpack(c, outer), y = unpack(c, inner);
    for (uint32_t i = 0; i < y.n; i++)
        if (y.nulls[i] || !has_element(c, &x, y.values[i]))
            return false;
    return true;
}

LG_FN(arraycontains)
{
    return contains(c, 0, 1);
}
LG_FN(arraycontained)
{
    return contains(c, 1, 0);
}
LG_FN(arrayoverlap)
{
    lg_array x = unpack(c, 0), y = unpack(c, 1);
    for (uint32_t i = 0; i < y.n; i++)
        if (!y.nulls[i] && has_element(c, &x, y.values[i]))
            return true;
    return false;
}

/* --- dimensions --- */

LG_FN(array_ndims)
{
    lg_array x = unpack(c, 0);
    if (!x.ndim)
        RET_NULL();
    return lg_datum_int4(x.ndim);
}

LG_FN(array_dims)
{
    lg_array x = unpack(c, 0);
    lg_abuf b;
    if (!x.ndim)
        RET_NULL();
    lg_abuf_for(&b, c);
    for (int i = 0; i < x.ndim; i++)
        lg_abuf_printf(&b, "[%d:%d]", x.lbs[i], x.lbs[i] + x.dims[i] - 1);
    return lg_abuf_text(&b);
}

static lg_datum
dimension(lg_call *c, int what)
{
    lg_array x = unpack(c, 0);
    int32_t d = ARG_INT4(1);
    if (d < 1 || d > x.ndim)
        RET_NULL();
    int32_t lo = x.lbs[d - 1], n = x.dims[d - 1];
    return lg_datum_int4(what == 0 ? n : what == 1 ? lo : lo + n - 1);
}

LG_FN(array_length)
{
    return dimension(c, 0);
}
LG_FN(array_lower)
{
    return dimension(c, 1);
}
LG_FN(array_upper)
{
    return dimension(c, 2);
}
LG_FN(array_cardinality)
{
    return lg_datum_int4((int32_t)unpack(c, 0).n);
}

/* --- building --- */

/* The element type of the result when an argument is NULL. */
static lg_oid
result_elem(lg_call *c, uint32_t array_arg)
{
    lg_oid elem = lg_type_elem(lg_argtype(c, array_arg));
    return elem || !c->rettype ? elem : lg_type_elem(c->rettype);
}

static lg_array
array_or_empty(lg_call *c, uint32_t i)
{
    if (!ARG_NULL(i))
        return unpack(c, i);
    return (lg_array){.elem = result_elem(c, i)};
}

static lg_array
room(lg_call *c, const lg_array *like, uint32_t n)
{
    lg_array r = *like;
    r.n = n;
    r.values = lg_arena_alloc(c->arena, sizeof(lg_datum) * (n + 1));
    r.nulls = lg_arena_alloc(c->arena, n + 1);
    return r;
}

static void
copy_elements(lg_array *to, uint32_t at, const lg_array *from, uint32_t first, uint32_t n)
{
    if (n == 0)
        return;
    memcpy(to->values + at, from->values + first, sizeof(lg_datum) * n);
    memcpy(to->nulls + at, from->nulls + first, n);
}

static lg_datum
add_element(lg_call *c, uint32_t array, uint32_t elem, bool front)
{
    lg_array x = array_or_empty(c, array);
    if (x.ndim > 1)
        return lg_call_error(c, "22000", "argument must be empty or one-dimensional array");
    lg_array r = room(c, &x, x.n + 1);
    copy_elements(&r, front ? 1 : 0, &x, 0, x.n);
    uint32_t at = front ? 0 : x.n;
    r.values[at] = ARG_NULL(elem) ? 0 : ARG(elem);
    r.nulls[at] = ARG_NULL(elem);
    if (x.ndim == 0)
        r.lbs[0] = 1;
    r.ndim = 1;
    r.dims[0] = (int32_t)r.n;
    return lg_array_pack(c->arena, &r);
}

LG_FN(array_append)
{
    return add_element(c, 0, 1, false);
}
LG_FN(array_prepend)
{
    return add_element(c, 1, 0, true);
}

LG_FN(array_cat)
{
    if (ARG_NULL(0) && ARG_NULL(1))
        RET_NULL();
    if (ARG_NULL(0) || ARG_NULL(1))
        return ARG(ARG_NULL(0) ? 1 : 0);
    lg_array x = unpack(c, 0), y = unpack(c, 1);
    if (x.n == 0)
        return ARG(1);
    if (y.n == 0)
        return ARG(0);
    const lg_array *like = x.ndim >= y.ndim ? &x : &y;
    int inner = like->ndim - 1;
    const lg_array *other = like == &x ? &y : &x;
    int from = x.ndim == y.ndim; /* the other's first dimension that must match like's second */
    size_t bytes = sizeof(int32_t) * (size_t)inner;
    bool same = like->ndim - other->ndim <= 1 &&
                memcmp(like->dims + 1, other->dims + from, bytes) == 0 &&
                memcmp(like->lbs + 1, other->lbs + from, bytes) == 0;
    if (!same)
        return lg_call_error(c, "2202E", "cannot concatenate incompatible arrays");
    lg_array r = room(c, like, x.n + y.n);
    copy_elements(&r, 0, &x, 0, x.n);
    copy_elements(&r, x.n, &y, 0, y.n);
    r.dims[0] = x.ndim == y.ndim ? x.dims[0] + y.dims[0] : like->dims[0] + 1;
    if (x.ndim == y.ndim)
        r.lbs[0] = x.lbs[0];
    return lg_array_pack(c->arena, &r);
}

static bool
same_value(lg_call *c, const lg_array *x, uint32_t i, uint32_t arg)
{
    if (x->nulls[i] || ARG_NULL(arg))
        return x->nulls[i] && ARG_NULL(arg);
    return element_equal(c, x, i, ARG(arg));
}

LG_FN(array_remove)
{
    if (ARG_NULL(0))
        RET_NULL();
    lg_array x = unpack(c, 0);
    if (x.ndim > 1)
        return lg_call_error(c, "0A000",
                             "removing elements from multidimensional arrays is not supported");
    lg_array r = room(c, &x, x.n);
    r.n = 0;
    for (uint32_t i = 0; i < x.n && !c->st; i++)
        if (!same_value(c, &x, i, 1))
            copy_elements(&r, r.n++, &x, i, 1);
    r.dims[0] = (int32_t)r.n;
    return c->st ? 0 : lg_array_pack(c->arena, &r);
}

LG_FN(array_replace)
{
    if (ARG_NULL(0))
        RET_NULL();
    lg_array x = unpack(c, 0);
    for (uint32_t i = 0; i < x.n && !c->st; i++)
        if (same_value(c, &x, i, 1)) {
            x.nulls[i] = ARG_NULL(2);
            x.values[i] = ARG_NULL(2) ? 0 : ARG(2);
        }
    return c->st ? 0 : lg_array_pack(c->arena, &x);
}

static lg_datum
position(lg_call *c, bool all)
{
    if (ARG_NULL(0))
        RET_NULL();
    lg_array x = unpack(c, 0);
    if (x.ndim > 1)
        return lg_call_error(c, "0A000",
                             "searching for elements in multidimensional arrays is not supported");
    int64_t from = INT32_MIN;
    if (c->nargs > 2) {
        if (ARG_NULL(2))
            return lg_call_error(c, "22004", "initial position must not be null");
        from = ARG_INT4(2);
    }
    lg_datum *hits = lg_arena_alloc(c->arena, sizeof *hits * (x.n + 1));
    uint32_t n = 0;
    for (uint32_t i = 0; i < x.n && !c->st; i++) {
        int64_t at = (int64_t)x.lbs[0] + i;
        if (at < from || !same_value(c, &x, i, 1))
            continue;
        hits[n++] = lg_datum_int8(at);
        if (!all)
            return hits[0];
    }
    if (c->st)
        return 0;
    if (all)
        return lg_array_make(c->arena, LG_T_INT4, n, hits, NULL);
    RET_NULL();
}

LG_FN(array_position)
{
    return position(c, false);
}
LG_FN(array_position_start)
{
    return position(c, false);
}
LG_FN(array_positions)
{
    return position(c, true);
}

static lg_datum
fill(lg_call *c, bool bounds)
{
    lg_array r = {.elem = lg_argtype(c, 0)};
    if (ARG_NULL(1) || (bounds && ARG_NULL(2)))
        return lg_call_error(c, "22004", "dimension array or low bound array cannot be null");
    lg_array d = unpack(c, 1), l = bounds ? unpack(c, 2) : d;
    if (d.ndim > 1)
        return lg_call_error(c, "2202E", "wrong number of array subscripts");
    if (d.n > LG_ARRAY_MAX_DIM)
        return lg_call_error(c, "54000",
                             "number of array dimensions (%u) exceeds the maximum allowed (%d)",
                             d.n, LG_ARRAY_MAX_DIM);
    for (uint32_t i = 0; i < d.n + (bounds ? l.n : 0); i++)
        if (i < d.n ? d.nulls[i] : l.nulls[i - d.n])
            return lg_call_error(c, "22004", "dimension values cannot be null");
    if (bounds && l.n != d.n)
        return lg_call_error(c, "2202E", "wrong number of array subscripts");
    uint64_t n = d.n ? 1 : 0;
    for (uint32_t i = 0; i < d.n; i++) {
        r.dims[i] = lg_int4(d.values[i]);
        r.lbs[i] = bounds ? lg_int4(l.values[i]) : 1;
        if (r.dims[i] < 0 || (n *= (uint64_t)r.dims[i]) > MAX_ELEMENTS)
            return lg_call_error(c, "54000", "array size exceeds the maximum allowed (%u)",
                                 MAX_ELEMENTS);
    }
    r.ndim = (int32_t)d.n;
    lg_array x = room(c, &r, (uint32_t)n);
    for (uint32_t i = 0; i < x.n; i++) {
        x.values[i] = ARG_NULL(0) ? 0 : ARG(0);
        x.nulls[i] = ARG_NULL(0);
    }
    return lg_array_pack(c->arena, &x);
}

LG_FN(array_fill)
{
    return fill(c, false);
}
LG_FN(array_fill_with_lower_bounds)
{
    return fill(c, true);
}

LG_FN(trim_array)
{
    lg_array x = unpack(c, 0);
    int32_t n = ARG_INT4(1), have = x.ndim ? x.dims[0] : 0;
    if (n < 0 || n > have)
        return lg_call_error(c, "2202E", "number of elements to trim must be between 0 and %d",
                             have);
    int32_t upper = x.ndim ? x.lbs[0] + have - n - 1 : 0;
    if (!x.ndim)
        return ARG(0);
    int32_t lower = x.lbs[0];
    return lg_array_slice(ARG(0), 1, &lower, &upper, NULL, NULL, c->arena);
}

/* --- to and from text --- */

static lg_datum
to_text(lg_call *c, bool has_null_text)
{
    lg_array x = unpack(c, 0);
    lg_abuf b;
    bool any = false;
    lg_abuf_for(&b, c);
    for (uint32_t i = 0; i < x.n; i++) {
        const char *s;
        size_t n;
        if (x.nulls[i]) {
            if (!has_null_text)
                continue;
            s = ARG_STR(2);
            n = ARG_LEN(2);
        } else {
            c->st = lg_type_output(c->env, x.elem, x.values[i], c->arena, c->err, &s, &n);
            if (c->st)
                return 0;
        }
        if (any)
            lg_abuf_add(&b, ARG_STR(1), ARG_LEN(1));
        lg_abuf_add(&b, s, n);
        any = true;
    }
    return lg_abuf_text(&b);
}

LG_FN(array_to_text)
{
    return to_text(c, false);
}
LG_FN(array_to_text_null)
{
    if (ARG_NULL(0) || ARG_NULL(1))
        RET_NULL();
    return to_text(c, !ARG_NULL(2));
}

struct split {
    const char *p, *end;
    bool done;
};

/* The next piece; a NULL separator cuts characters, an empty one nothing. */
static bool
split_next(lg_call *c, struct split *s, const char **ret, size_t *len)
{
    if (s->done)
        return false;
    *ret = s->p;
    if (ARG_NULL(1)) {
        if (s->p >= s->end)
            return false;
        size_t n = lg_utf8_len((uint8_t)*s->p);
        *len = n > (size_t)(s->end - s->p) ? (size_t)(s->end - s->p) : n;
        s->p += *len;
        return true;
    }
    const char *q =
        ARG_LEN(1) ? memmem(s->p, (size_t)(s->end - s->p), ARG_STR(1), ARG_LEN(1)) : NULL;
    *len = (size_t)((q ? q : s->end) - s->p);
    s->done = !q;
    if (q)
        s->p = q + ARG_LEN(1);
    return true;
}

static bool
is_null_text(const lg_call *c, const char *s, size_t n)
{
    return c->nargs > 2 && !ARG_NULL(2) && n == ARG_LEN(2) && memcmp(s, ARG_STR(2), n) == 0;
}

static lg_datum
from_text(lg_call *c)
{
    lg_array x = {.elem = LG_T_TEXT, .ndim = 1, .lbs = {1}};
    if (ARG_NULL(0))
        RET_NULL();
    struct split s = {ARG_STR(0), ARG_STR(0) + ARG_LEN(0), ARG_LEN(0) == 0};
    uint32_t cap = 16;
    x = room(c, &x, cap);
    x.n = 0;
    const char *p;
    size_t n;
    while (split_next(c, &s, &p, &n)) {
        if (x.n == cap) {
            lg_array more = room(c, &x, cap *= 2);
            copy_elements(&more, 0, &x, 0, x.n);
            more.n = x.n;
            x = more;
        }
        x.nulls[x.n] = is_null_text(c, p, n);
        x.values[x.n++] = lg_datum_text(c->arena, p, n);
        if (x.n % 1024 == 0 && lg_poll()) {
            c->st = LG_CANCELED;
            return 0;
        }
    }
    x.dims[0] = (int32_t)x.n;
    return lg_array_pack(c->arena, &x);
}

LG_FN(text_to_array)
{
    return from_text(c);
}
LG_FN(text_to_array_null)
{
    return from_text(c);
}

static lg_status
table_open(lg_call *c, void **ret_state)
{
    struct split *s = LG_NEW(c->arena, struct split);
    s->done = ARG_NULL(0) || ARG_LEN(0) == 0;
    if (!s->done) {
        s->p = ARG_STR(0);
        s->end = s->p + ARG_LEN(0);
    }
    *ret_state = s;
    return LG_OK;
}

static lg_status
table_next(lg_call *c, void *state, lg_datum *ret, uint8_t *ret_null)
{
    const char *p;
    size_t n;
    if (!split_next(c, state, &p, &n))
        return LG_END;
    *ret_null = is_null_text(c, p, n);
    *ret = lg_datum_text(c->arena, p, n);
    return LG_OK;
}

LG_SRF(text_to_table, table_open, table_next);
LG_SRF(text_to_table_null, table_open, table_next);

/* --- unnest, generate_subscripts --- */

struct walk {
    lg_array x;
    uint32_t at;
};

static lg_status
unnest_open(lg_call *c, void **ret_state)
{
    struct walk *w = LG_NEW(c->arena, struct walk);
    w->x = unpack(c, 0);
    *ret_state = w;
    return LG_OK;
}

static lg_status
unnest_next(lg_call *c, void *state, lg_datum *ret, uint8_t *ret_null)
{
    (void)c;
    struct walk *w = state;
    if (w->at >= w->x.n)
        return LG_END;
    *ret_null = w->x.nulls[w->at];
    *ret = w->x.values[w->at++];
    return LG_OK;
}

LG_SRF(array_unnest, unnest_open, unnest_next);

struct subscripts {
    int64_t at, end;
    bool down;
};

static lg_status
subscripts_open(lg_call *c, void **ret_state)
{
    struct subscripts *s = LG_NEW(c->arena, struct subscripts);
    lg_array x = unpack(c, 0);
    int32_t d = ARG_INT4(1);
    *ret_state = s;
    if (d < 1 || d > x.ndim) {
        s->end = -1;
        return LG_OK;
    }
    s->down = c->nargs > 2 && ARG_BOOL(2);
    s->at = x.lbs[d - 1];
    s->end = s->at + x.dims[d - 1] - 1;
    if (s->down) {
        int64_t t = s->at;
        s->at = s->end;
        s->end = t;
    }
    return LG_OK;
}

static lg_status
subscripts_next(lg_call *c, void *state, lg_datum *ret, uint8_t *ret_null)
{
    (void)c;
    struct subscripts *s = state;
    if (s->down ? s->at < s->end : s->at > s->end)
        return LG_END;
    *ret = lg_datum_int8(s->at);
    *ret_null = 0;
    s->at += s->down ? -1 : 1;
    return LG_OK;
}

LG_SRF(generate_subscripts, subscripts_open, subscripts_next);
LG_SRF(generate_subscripts_nodir, subscripts_open, subscripts_next);
