/* Records and composite values: packing, text and binary forms, comparison. */
#include "record.h"
#include "assert.h"
#include "hash.h"
#include "rowcodec.h"
#include "types_internal.h"
#include "types_values.h"
#include <ctype.h>

struct head {
    uint32_t type;
    uint16_t n;
    uint16_t names; /* bytes */
};

static lg_oid
stored_type(lg_oid type)
{
    return type == LG_T_UNKNOWN || type == 0 ? LG_T_TEXT : type;
}

lg_datum
lg_record_pack(lg_arena *a, lg_oid type, uint32_t n, const lg_oid *types, const lg_datum *values,
               const uint8_t *nulls, const char *const *names)
{
    LG_ASSERT(n <= LG_RECORD_MAX);
    struct head h = {type, (uint16_t)n, 0};
    size_t names_len = 0;
    for (uint32_t i = 0; names && i < n; i++)
        names_len += strlen(names[i]) + 1;
    if (names_len > UINT16_MAX)
        names_len = 0;
    h.names = (uint16_t)names_len;
    lg_rowcol *cols = lg_arena_alloc(a, sizeof *cols * (n + 1));
    for (uint32_t i = 0; i < n; i++)
        lg_rowcol_init(&cols[i], stored_type(types[i]));
    size_t row = lg_row_size(cols, n, values, nulls);
    size_t size = sizeof h + 4 * (size_t)n + names_len + row;
    if (lg_value_impossible(size)) {
        uint8_t *none = lg_arena_alloc(a, n);
        memset(none, 1, n);
        return lg_record_pack(a, type, n, types, values, none, names);
    }
    lg_varlen *v = lg_varlen_new(a, size);
    char *p = v->data;
    memcpy(p, &h, sizeof h);
    p += sizeof h;
    for (uint32_t i = 0; i < n; i++, p += 4)
        memcpy(p, &cols[i].type, 4);
    for (uint32_t i = 0; names_len && i < n; i++) {
        size_t k = strlen(names[i]) + 1;
        memcpy(p, names[i], k);
        p += k;
    }
    lg_row_encode(cols, n, values, nulls, (uint8_t *)p);
    return lg_datum_ptr(v);
}

void
lg_record_unpack(lg_datum record, lg_arena *a, lg_record *ret)
{
    const lg_varlen *v = lg_varlen_of(record);
    struct head h;
    const char *p = v->data;
    memcpy(&h, p, sizeof h);
    p += sizeof h;
    ret->type = h.type;
    ret->n = h.n;
    ret->types = lg_arena_alloc(a, 4 * ((size_t)h.n + 1));
    ret->values = lg_arena_alloc(a, sizeof(lg_datum) * ((size_t)h.n + 1));
    ret->nulls = lg_arena_alloc(a, (size_t)h.n + 1);
    ret->names = NULL;
    memcpy(ret->types, p, 4 * (size_t)h.n);
    p += 4 * (size_t)h.n;
    if (h.names) {
        ret->names = lg_arena_alloc(a, sizeof *ret->names * ((size_t)h.n + 1));
        const char *s = p;
        for (uint32_t i = 0; i < h.n; i++, s += strlen(s) + 1)
            ret->names[i] = s;
        p += h.names;
    }
    lg_rowcol *cols = lg_arena_alloc(a, sizeof *cols * ((size_t)h.n + 1));
    for (uint32_t i = 0; i < h.n; i++)
        lg_rowcol_init(&cols[i], ret->types[i]);
    lg_status st = lg_row_decode(cols, h.n, (const uint8_t *)p, v->len - (size_t)(p - v->data),
                                 ret->values, ret->nulls, NULL);
    LG_ASSERT(st == LG_OK);
}

lg_status
lg_record_names(const lg_env *env, const lg_record *r, lg_arena *a, lg_error *err,
                const char *const **ret)
{
    if (r->names) {
        *ret = r->names;
        return LG_OK;
    }
    const lg_row_type *t = NULL;
    if (lg_usertype_of(r->type) == LG_UT_ROW)
        LG_TRY(lg_usertype_row(env, r->type, a, err, &t));
    const char **names = lg_arena_alloc(a, sizeof *names * (r->n + 1));
    for (uint32_t i = 0; i < r->n; i++)
        names[i] = t && i < t->n ? t->fields[i].name : lg_arena_printf(a, "f%u", i + 1);
    *ret = names;
    return LG_OK;
}

/* --- text --- */

static bool
needs_quotes(const char *s, size_t n)
{
    if (!n)
        return true;
    for (size_t i = 0; i < n; i++)
        if (strchr("\"\\(),", s[i]) || isspace((unsigned char)s[i]))
            return true;
    return false;
}

/* Fields to show: those added to the type after the value was stored are NULL. */
static uint32_t
field_count(const lg_row_type *t, const lg_record *r)
{
    return t && t->n > r->n ? t->n : r->n;
}

static bool
composite_of(lg_call *c, lg_oid type, const lg_row_type **ret)
{
    *ret = NULL;
    if (lg_usertype_of(type) == LG_UT_ROW)
        c->st = lg_usertype_row(c->env, type, c->arena, c->err, ret);
    return c->st == LG_OK;
}

LG_FN(record_out)
{
    lg_record r;
    lg_abuf b;
    const lg_row_type *t;
    lg_record_unpack(ARG(0), c->arena, &r);
    if (!composite_of(c, r.type, &t))
        return 0;
    lg_abuf_for(&b, c);
    lg_abuf_putc(&b, '(');
    for (uint32_t i = 0; i < field_count(t, &r); i++) {
        const char *s;
        size_t n;
        if (i)
            lg_abuf_putc(&b, ',');
        if (i >= r.n || r.nulls[i])
            continue;
        c->st = lg_type_output(c->env, r.types[i], r.values[i], c->arena, c->err, &s, &n);
        if (c->st)
            return 0;
        bool quote = needs_quotes(s, n);
        if (quote)
            lg_abuf_putc(&b, '"');
        for (size_t k = 0; k < n; k++) {
            if (s[k] == '"' || s[k] == '\\')
                lg_abuf_putc(&b, s[k]);
            lg_abuf_putc(&b, s[k]);
        }
        if (quote)
            lg_abuf_putc(&b, '"');
    }
    lg_abuf_putc(&b, ')');
    return lg_datum_ptr(lg_abuf_cstring(&b));
}

static lg_datum
malformed(lg_call *c, const char *s, const char *detail)
{
    lg_call_error(c, "22P02", "malformed record literal: \"%s\"", s);
    lg_error_detail(c->err, "%s", detail);
    return 0;
}

/* One field's text from *at, unquoted; false at a missing quote or parenthesis. */
static bool
field_text(const char **at, lg_abuf *b)
{
    const char *p = *at;
    bool quoted = false;
    lg_abuf_extend(b, 0);
    while (quoted || (*p != ',' && *p != ')')) {
        char ch = *p++;
        if (!ch)
            return false;
        if (ch == '\\') {
            if (!*p)
                return false;
            lg_abuf_putc(b, *p++);
        } else if (ch == '"') {
            if (!quoted)
                quoted = true;
            else if (*p == '"')
                lg_abuf_putc(b, *p++);
            else
                quoted = false;
        } else {
            lg_abuf_putc(b, ch);
        }
    }
    *at = p;
    return true;
}

static bool
field_value(lg_call *c, const lg_row_field *f, const char *text, lg_datum *ret)
{
    if (text) {
        c->st = lg_type_input(c->env, f->type, text, f->typmod, c->arena, c->err, ret);
        if (c->st)
            return false;
    }
    if (f->domain)
        c->st = c->env->user->domain_check(c->env, f->domain, *ret, text == NULL, c->arena, c->err);
    return c->st == LG_OK;
}

LG_FN(record_in)
{
    const char *s = ARG_CSTR(0), *p = s;
    lg_oid type = ARG_OID(1);
    const lg_row_type *t;
    if (lg_usertype_of(type) != LG_UT_ROW)
        return lg_call_error(c, "0A000", "input of anonymous composite types is not implemented");
    if (!composite_of(c, type, &t))
        return 0;
    lg_oid *types = lg_arena_zalloc(c->arena, sizeof *types * (t->n + 1));
    lg_datum *values = lg_arena_zalloc(c->arena, sizeof *values * (t->n + 1));
    uint8_t *nulls = lg_arena_alloc(c->arena, t->n + 1);
    while (isspace((unsigned char)*p))
        p++;
    if (*p++ != '(')
        return malformed(c, s, "Missing left parenthesis.");
    for (uint32_t i = 0; i < t->n; i++) {
        const lg_row_field *f = &t->fields[i];
        types[i] = f->type;
        nulls[i] = 1;
        if (i > 0) {
            if (*p == ',')
                p++;
            else
                return malformed(c, s, "Too few columns.");
        }
        const char *text = NULL;
        if (*p != ',' && *p != ')') {
            lg_abuf b;
            lg_abuf_for(&b, c);
            if (!field_text(&p, &b))
                return malformed(c, s, "Unexpected end of input.");
            text = lg_abuf_cstring(&b);
        }
        if (!field_value(c, f, text, &values[i]))
            return 0;
        nulls[i] = text == NULL;
    }
    if (*p++ != ')')
        return malformed(c, s, "Too many columns.");
    while (isspace((unsigned char)*p))
        p++;
    if (*p)
        return malformed(c, s, "Junk after right parenthesis.");
    return lg_record_pack(c->arena, type, t->n, types, values, nulls, NULL);
}

/* --- binary: a count, then for each field its type, its length (-1: null) and its bytes --- */

static void
put_u32(lg_abuf *b, uint32_t x)
{
    const char bytes[4] = {(char)(x >> 24), (char)(x >> 16), (char)(x >> 8), (char)x};
    lg_abuf_add(b, bytes, 4);
}

LG_FN(record_send)
{
    lg_record r;
    lg_abuf b;
    const lg_row_type *t;
    lg_record_unpack(ARG(0), c->arena, &r);
    if (!composite_of(c, r.type, &t))
        return 0;
    uint32_t n = field_count(t, &r);
    lg_abuf_for(&b, c);
    put_u32(&b, n);
    for (uint32_t i = 0; i < n; i++) {
        const char *s;
        size_t len;
        const lg_row_field *f = t && i < t->n ? &t->fields[i] : NULL;
        put_u32(&b, f && f->domain ? f->domain : f ? f->type : r.types[i]);
        if (i >= r.n || r.nulls[i]) {
            put_u32(&b, UINT32_MAX);
            continue;
        }
        c->st = lg_type_send(c->env, r.types[i], r.values[i], c->arena, c->err, &s, &len);
        if (c->st)
            return 0;
        put_u32(&b, (uint32_t)len);
        lg_abuf_add(&b, s, len);
    }
    return lg_abuf_text(&b);
}

static bool
recv_field(lg_call *c, lg_recvbuf *b, const lg_row_field *f, uint32_t at, lg_datum *ret,
           uint8_t *ret_null)
{
    lg_oid type = (lg_oid)lg_recv_uint(c, b, 4);
    int32_t len = (int32_t)(uint32_t)lg_recv_uint(c, b, 4);
    if (c->st)
        return false;
    if (type != f->type && type != f->domain) {
        lg_call_error(c, "42804",
                      "binary data has type %u (%s) instead of expected %u (%s) in record column "
                      "%u",
                      type, lg_type_name(c->env, type, -1, c->arena), f->type,
                      lg_type_name(c->env, f->type, -1, c->arena), at + 1);
        return false;
    }
    *ret_null = len == -1;
    if (len >= 0) {
        if ((size_t)len > b->len - b->pos) {
            lg_call_error(c, "22P03", "insufficient data left in message");
            return false;
        }
        c->st = lg_type_recv(c->env, f->type, b->data + b->pos, (size_t)len, f->typmod, c->arena,
                             c->err, ret);
        b->pos += (size_t)len;
    } else if (len != -1) {
        lg_call_error(c, "22P03", "insufficient data left in message");
    }
    if (c->st == LG_OK && f->domain)
        c->st = c->env->user->domain_check(c->env, f->domain, *ret, len == -1, c->arena, c->err);
    return c->st == LG_OK;
}

LG_FN(record_recv)
{
    lg_recvbuf *b = lg_ptr(ARG(0));
    lg_oid type = ARG_OID(1);
    const lg_row_type *t;
    if (lg_usertype_of(type) != LG_UT_ROW)
        return lg_call_error(c, "0A000", "input of anonymous composite types is not implemented");
    if (!composite_of(c, type, &t))
        return 0;
    lg_oid *types = lg_arena_zalloc(c->arena, sizeof *types * (t->n + 1));
    lg_datum *values = lg_arena_zalloc(c->arena, sizeof *values * (t->n + 1));
    uint8_t *nulls = lg_arena_alloc(c->arena, t->n + 1);
    uint32_t got = (uint32_t)lg_recv_uint(c, b, 4), want = t->n;
    if (c->st)
        return 0;
    if (got != want)
        return lg_call_error(c, "42804", "wrong number of columns: %d, expected %d", (int)got,
                             (int)want);
    for (uint32_t i = 0; i < t->n; i++) {
        types[i] = t->fields[i].type;
        nulls[i] = 1;
        if (!recv_field(c, b, &t->fields[i], i, &values[i], &nulls[i]))
            return 0;
    }
    return lg_record_pack(c->arena, type, t->n, types, values, nulls, NULL);
}

/* --- comparison --- */

static int
compare_fields(const lg_record *x, const lg_record *y)
{
    uint32_t n = x->n < y->n ? x->n : y->n;
    for (uint32_t i = 0; i < n; i++) {
        if (x->types[i] != y->types[i])
            return x->types[i] < y->types[i] ? -1 : 1;
        if (x->nulls[i] || y->nulls[i]) {
            if (x->nulls[i] != y->nulls[i])
                return x->nulls[i] ? 1 : -1;
            continue;
        }
        lg_compare_fn f = lg_type_compare_fn(x->types[i]);
        int r = f ? f(x->values[i], y->values[i]) : 0;
        if (r)
            return r;
    }
    return (x->n > y->n) - (x->n < y->n);
}

int
lg_record_compare(lg_datum a, lg_datum b)
{
    lg_arena *s = lg_arena_create("record", 1024);
    lg_record x, y;
    lg_record_unpack(a, s, &x);
    lg_record_unpack(b, s, &y);
    int r = compare_fields(&x, &y);
    lg_arena_destroy(s);
    return r;
}

uint64_t
lg_record_hash(lg_datum d)
{
    lg_arena *s = lg_arena_create("record", 1024);
    lg_record x;
    uint64_t h = 17;
    lg_record_unpack(d, s, &x);
    for (uint32_t i = 0; i < x.n; i++) {
        lg_hash_fn f = lg_type_hash_fn(x.types[i]);
        h = h * 31 + (x.nulls[i] || !f ? 0 : f(x.values[i]));
    }
    lg_arena_destroy(s);
    return h;
}

/* The comparison of an operator, which minds the types; *ret as memcmp. */
static bool
compare(lg_call *c, bool equality, int *ret)
{
    lg_record x, y;
    lg_record_unpack(ARG(0), c->arena, &x);
    lg_record_unpack(ARG(1), c->arena, &y);
    uint32_t n = x.n < y.n ? x.n : y.n;
    *ret = 0;
    for (uint32_t i = 0; i < n && !*ret; i++) {
        if (x.types[i] != y.types[i]) {
            lg_call_error(c, "42804",
                          "cannot compare dissimilar column types %s and %s at record column %u",
                          lg_type_name(c->env, x.types[i], -1, c->arena),
                          lg_type_name(c->env, y.types[i], -1, c->arena), i + 1);
            return false;
        }
        lg_compare_fn f = lg_type_compare_fn(x.types[i]);
        lg_equal_fn eq = lg_type_equal_fn(x.types[i]);
        if (equality ? !eq : !f) {
            lg_call_error(c, "42883", "could not identify %s for type %s",
                          equality ? "an equality operator" : "a comparison function",
                          lg_type_name(c->env, x.types[i], -1, c->arena));
            return false;
        }
        if (x.nulls[i] || y.nulls[i])
            *ret = (int)x.nulls[i] - (int)y.nulls[i];
        else if (equality)
            *ret = !eq(x.values[i], y.values[i]);
        else
            *ret = f(x.values[i], y.values[i]);
    }
    if (!*ret && x.n != y.n) {
        lg_call_error(c, "42804", "cannot compare record types with different numbers of columns");
        return false;
    }
    return true;
}

LG_FN(record_eq)
{
    int r;
    return compare(c, true, &r) ? lg_datum_bool(r == 0) : 0;
}
LG_FN(record_ne)
{
    int r;
    return compare(c, true, &r) ? lg_datum_bool(r != 0) : 0;
}
LG_FN(record_lt)
{
    int r;
    return compare(c, false, &r) ? lg_datum_bool(r < 0) : 0;
}
LG_FN(record_le)
{
    int r;
    return compare(c, false, &r) ? lg_datum_bool(r <= 0) : 0;
}
LG_FN(record_gt)
{
    int r;
    return compare(c, false, &r) ? lg_datum_bool(r > 0) : 0;
}
LG_FN(record_ge)
{
    int r;
    return compare(c, false, &r) ? lg_datum_bool(r >= 0) : 0;
}
LG_FN(btrecordcmp)
{
    int r;
    return compare(c, false, &r) ? lg_datum_int4((r > 0) - (r < 0)) : 0;
}
LG_FN(hash_record)
{
    return lg_datum_int4((int32_t)lg_record_hash(ARG(0)));
}
LG_FN(hash_record_extended)
{
    return lg_datum_int8((int64_t)(lg_record_hash(ARG(0)) + (uint64_t)ARG_INT8(1)));
}

/* --- comparison of the images: by bytes, for REFRESH and such --- */

static int
image_compare(lg_call *c)
{
    lg_record x, y;
    lg_record_unpack(ARG(0), c->arena, &x);
    lg_record_unpack(ARG(1), c->arena, &y);
    for (uint32_t i = 0; i < x.n && i < y.n; i++) {
        if (x.nulls[i] != y.nulls[i])
            return x.nulls[i] ? 1 : -1;
        if (x.nulls[i])
            continue;
        size_t n = lg_datum_size(x.types[i], x.values[i]),
               m = lg_datum_size(y.types[i], y.values[i]);
        int r = n ? lg_bytes_compare(lg_ptr(x.values[i]), n, lg_ptr(y.values[i]), m)
                  : (x.values[i] > y.values[i]) - (x.values[i] < y.values[i]);
        if (r)
            return r;
    }
    return (x.n > y.n) - (x.n < y.n);
}

LG_FN(record_image_eq)
{
    return lg_datum_bool(image_compare(c) == 0);
}
LG_FN(record_image_ne)
{
    return lg_datum_bool(image_compare(c) != 0);
}
LG_FN(record_image_lt)
{
    return lg_datum_bool(image_compare(c) < 0);
}
LG_FN(record_image_le)
{
    return lg_datum_bool(image_compare(c) <= 0);
}
LG_FN(record_image_gt)
{
    return lg_datum_bool(image_compare(c) > 0);
}
LG_FN(record_image_ge)
{
    return lg_datum_bool(image_compare(c) >= 0);
}
LG_FN(btrecordimagecmp)
{
    int r = image_compare(c);
    return lg_datum_int4((r > 0) - (r < 0));
}
