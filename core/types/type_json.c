/* json and jsonb: input, output, operators and functions. */
#include "json.h"
#include "array.h"
#include "datetime.h"
#include "numeric.h"
#include "record.h"
#include "text.h"
#include <ctype.h>
#include <stdlib.h>

static lg_datum
canonical(lg_call *c, const lg_json *x)
{
    lg_abuf b;
    lg_abuf_for(&b, c);
    lg_json_put(c, &b, x);
    return lg_abuf_text(&b);
}

/* A part of a stored value: its text, which is canonical if the whole is. */
static lg_datum
part(lg_call *c, const lg_json *x)
{
    return lg_datum_text(c->arena, x->text, x->len);
}

/* ->>: strings without quotes, JSON null as NULL. */
static lg_datum
part_text(lg_call *c, const lg_json *x)
{
    if (x->kind == LG_JSON_NULL)
        RET_NULL();
    return x->kind == LG_JSON_STRING ? lg_datum_text(c->arena, x->s, x->slen) : part(c, x);
}

static lg_json *
arg(lg_call *c, uint32_t i)
{
    return lg_json_parse(c, ARG_STR(i), ARG_LEN(i));
}

static bool
is_jsonb_func(const lg_call *c)
{
    return strncmp(c->func->name, "jsonb", 5) == 0 || c->func->result == LG_T_JSONB;
}

/* --- input and output --- */

static lg_datum
input(lg_call *c, const char *s, size_t n, bool jsonb)
{
    if (!jsonb)
        return lg_json_check(c, s, n) ? lg_datum_text(c->arena, s, n) : 0;
    lg_json *x = lg_json_parse(c, s, n);
    return x ? canonical(c, x) : 0;
}

LG_FN(json_in)
{
    return input(c, ARG_CSTR(0), strlen(ARG_CSTR(0)), false);
}
LG_FN(jsonb_in)
{
    return input(c, ARG_CSTR(0), strlen(ARG_CSTR(0)), true);
}
LG_FN(json_out)
{
    return lg_datum_ptr(lg_text_cstring(c->arena, ARG(0)));
}
LG_FN(jsonb_out)
{
    return lg_datum_ptr(lg_text_cstring(c->arena, ARG(0)));
}
LG_FN(json_send)
{
    return ARG(0);
}

LG_FN(json_recv)
{
    size_t n;
    const char *s = lg_recv_text(c, lg_ptr(ARG(0)), &n);
    return s ? input(c, s, n, false) : 0;
}

/* A version byte (1), then text. */
LG_FN(jsonb_recv)
{
    lg_recvbuf *b = lg_ptr(ARG(0));
    uint64_t version = lg_recv_uint(c, b, 1);
    if (c->st)
        return 0;
    if (version != 1)
        return lg_call_error(c, "XX000", "unsupported jsonb version number %d", (int)version);
    size_t n;
    const char *s = lg_recv_text(c, b, &n);
    return s ? input(c, s, n, true) : 0;
}

LG_FN(jsonb_send)
{
    lg_varlen *v = lg_varlen_new(c->arena, (size_t)ARG_LEN(0) + 1);
    v->data[0] = 1;
    memcpy(v->data + 1, ARG_STR(0), ARG_LEN(0));
    return lg_datum_ptr(v);
}

/* --- any SQL value as JSON --- */

/* lines: a line feed after each comma, as row_to_json(x, true). */
static bool put_value(lg_call *c, lg_abuf *b, lg_oid type, lg_datum d, bool null, bool lines);

static bool
put_array(lg_call *c, lg_abuf *b, const lg_array *x, int level, uint32_t *at, bool lines)
{
    lg_abuf_putc(b, '[');
    for (int32_t i = 0; x->n && i < x->dims[level]; i++) {
        if (i)
            lg_abuf_puts(b, lines ? ",\n " : ",");
        bool ok = level + 1 < x->ndim
                      ? put_array(c, b, x, level + 1, at, false)
                      : put_value(c, b, x->elem, x->values[*at], x->nulls[*at], false);
        if (!ok)
            return false;
        *at += level + 1 == x->ndim;
    }
    lg_abuf_putc(b, ']');
    return true;
}

/* Dates and times are written in ISO 8601 whatever DateStyle says. */
static bool
put_time(lg_call *c, lg_abuf *b, lg_oid type, lg_datum d)
{
    char text[128];
    lg_env env = *c->env;
    env.datestyle = LG_DATESTYLE_ISO;
    if (type == LG_T_DATE)
        lg_date_text(&env, lg_int4(d), text);
    else
        lg_ts_text(&env, lg_int8(d), type == LG_T_TIMESTAMPTZ, text);
    char *space = strchr(text, ' ');
    if (type != LG_T_DATE && space)
        *space = 'T';
    size_t n = strlen(text);
    bool zone = type == LG_T_TIMESTAMPTZ && n > 3 && (text[n - 3] == '+' || text[n - 3] == '-');
    lg_abuf_printf(b, "\"%s%s\"", text, zone ? ":00" : "");
    return true;
}

static bool
put_record(lg_call *c, lg_abuf *b, lg_datum d, bool lines)
{
    lg_record r;
    const char *const *names;
    lg_record_unpack(d, c->arena, &r);
    c->st = lg_record_names(c->env, &r, c->arena, c->err, &names);
    if (c->st)
        return false;
    lg_abuf_putc(b, '{');
    for (uint32_t i = 0; i < r.n; i++) {
        if (i)
            lg_abuf_puts(b, lines ? ",\n " : ",");
        lg_json_put_string(b, names[i], strlen(names[i]));
        lg_abuf_putc(b, ':');
        if (!put_value(c, b, r.types[i], r.values[i], r.nulls[i], false))
            return false;
    }
    lg_abuf_putc(b, '}');
    return true;
}

static bool
put_value(lg_call *c, lg_abuf *b, lg_oid type, lg_datum d, bool null, bool lines)
{
    const lg_type *t = lg_type_get(type);
    const char *s;
    size_t n;
    if (null) {
        lg_abuf_puts(b, "null");
        return true;
    }
    if (t && lg_type_is_array(t)) {
        lg_array x;
        uint32_t at = 0;
        lg_array_unpack(d, c->arena, &x);
        return put_array(c, b, &x, 0, &at, lines);
    }
    if (type == LG_T_RECORD || lg_usertype_of(type) == LG_UT_ROW)
        return put_record(c, b, d, lines);
    switch (type) {
    case LG_T_BOOL:
        lg_abuf_puts(b, d ? "true" : "false");
        return true;
    case LG_T_JSON:
    case LG_T_JSONB:
        lg_abuf_add(b, lg_text_data(d), lg_text_len(d));
        return true;
    case LG_T_DATE:
    case LG_T_TIMESTAMP:
    case LG_T_TIMESTAMPTZ:
        return put_time(c, b, type, d);
    default:
        break;
    }
    c->st = lg_type_output(c->env, type, d, c->arena, c->err, &s, &n);
    if (c->st)
        return false;
    bool number = type == LG_T_INT2 || type == LG_T_INT4 || type == LG_T_INT8 ||
                  type == LG_T_FLOAT4 || type == LG_T_FLOAT8 || type == LG_T_NUMERIC;
    if (number && (isdigit((unsigned char)*s) || (*s == '-' && isdigit((unsigned char)s[1]))))
        lg_abuf_add(b, s, n);
    else
        lg_json_put_string(b, s, n);
    return true;
}

/* What was put together, made canonical for jsonb. */
static lg_datum
finish(lg_call *c, lg_abuf *b)
{
    if (c->st)
        return 0;
    return is_jsonb_func(c) ? input(c, b->p, b->len, true) : lg_abuf_text(b);
}

static lg_datum
to_json(lg_call *c)
{
    lg_abuf b;
    lg_abuf_for(&b, c);
    put_value(c, &b, lg_argtype(c, 0), ARG(0), false, c->nargs > 1 && ARG_BOOL(1));
    return finish(c, &b);
}

LG_FN(row_to_json)
{
    return to_json(c);
}
LG_FN(row_to_json_pretty)
{
    return to_json(c);
}
LG_FN(array_to_json_pretty)
{
    return to_json(c);
}

LG_FN(to_json)
{
    return to_json(c);
}
LG_FN(to_jsonb)
{
    return to_json(c);
}
LG_FN(array_to_json)
{
    return to_json(c);
}

static lg_datum
build_array(lg_call *c)
{
    lg_abuf b;
    lg_abuf_for(&b, c);
    lg_abuf_putc(&b, '[');
    for (uint32_t i = 0; i < c->nargs && !c->st; i++) {
        if (i)
            lg_abuf_puts(&b, ", ");
        put_value(c, &b, lg_argtype(c, i), ARG(i), ARG_NULL(i), false);
    }
    lg_abuf_putc(&b, ']');
    return finish(c, &b);
}

/* A key: any value that is not NULL, as a string. */
static bool
put_key(lg_call *c, lg_abuf *b, lg_oid type, lg_datum d, bool null, uint32_t number)
{
    const char *s;
    size_t n;
    if (null) {
        if (is_jsonb_func(c))
            lg_call_error(c, "22023", "argument %u: key must not be null", number);
        else {
            lg_call_error(c, "22023", "argument %u cannot be null", number);
            lg_error_hint(c->err, "Object keys should be text.");
        }
        return false;
    }
    c->st = lg_type_output(c->env, type, d, c->arena, c->err, &s, &n);
    if (c->st)
        return false;
    lg_json_put_string(b, s, n);
    lg_abuf_puts(b, " : ");
    return true;
}

static lg_datum
build_object(lg_call *c)
{
    lg_abuf b;
    lg_abuf_for(&b, c);
    if (c->nargs % 2) {
        lg_call_error(c, "22023", "argument list must have even number of elements");
        lg_error_hint(c->err, "The arguments of %s must consist of alternating keys and values.",
                      is_jsonb_func(c) ? "jsonb_build_object()" : "json_build_object()");
        return 0;
    }
    lg_abuf_putc(&b, '{');
    for (uint32_t i = 0; i + 1 < c->nargs && !c->st; i += 2) {
        if (i)
            lg_abuf_puts(&b, ", ");
        if (put_key(c, &b, lg_argtype(c, i), ARG(i), ARG_NULL(i), i + 1))
            put_value(c, &b, lg_argtype(c, i + 1), ARG(i + 1), ARG_NULL(i + 1), false);
    }
    lg_abuf_putc(&b, '}');
    return finish(c, &b);
}

LG_FN(json_build_array)
{
    return build_array(c);
}
LG_FN(json_build_array_noargs)
{
    return build_array(c);
}
LG_FN(jsonb_build_array)
{
    return build_array(c);
}
LG_FN(jsonb_build_array_noargs)
{
    return build_array(c);
}
LG_FN(json_build_object)
{
    return build_object(c);
}
LG_FN(json_build_object_noargs)
{
    return build_object(c);
}
LG_FN(jsonb_build_object)
{
    return build_object(c);
}
LG_FN(jsonb_build_object_noargs)
{
    return build_object(c);
}

/* --- looking inside --- */

static const lg_json *
element(const lg_json *x, int64_t i)
{
    if (x->kind != LG_JSON_ARRAY)
        return NULL;
    if (i < 0)
        i += x->n;
    return i >= 0 && i < x->n ? x->v[i] : NULL;
}

static lg_datum
get(lg_call *c, bool by_index, bool text)
{
    const lg_json *x = arg(c, 0);
    if (!x)
        return 0;
    int32_t at = by_index ? ARG_INT4(1) : 0;
    if (by_index && is_jsonb_func(c) && x->kind != LG_JSON_ARRAY && x->kind != LG_JSON_OBJECT &&
        (at == 0 || at == -1)) /* PostgreSQL keeps a scalar as an array of one */
        return text ? part_text(c, x) : part(c, x);
    x = by_index ? element(x, ARG_INT4(1)) : lg_json_field(x, ARG_STR(1), ARG_LEN(1));
    if (!x)
        RET_NULL();
    return text ? part_text(c, x) : part(c, x);
}

LG_FN(json_object_field)
{
    return get(c, false, false);
}
LG_FN(json_object_field_text)
{
    return get(c, false, true);
}
LG_FN(json_array_element)
{
    return get(c, true, false);
}
LG_FN(json_array_element_text)
{
    return get(c, true, true);
}
LG_FN(jsonb_object_field)
{
    return get(c, false, false);
}
LG_FN(jsonb_object_field_text)
{
    return get(c, false, true);
}
LG_FN(jsonb_array_element)
{
    return get(c, true, false);
}
LG_FN(jsonb_array_element_text)
{
    return get(c, true, true);
}

static bool
path_index(const char *s, size_t n, int64_t *ret)
{
    char buf[24], *end;
    if (n == 0 || n >= sizeof buf)
        return false;
    memcpy(buf, s, n);
    buf[n] = 0;
    *ret = strtoll(buf, &end, 10);
    return *end == 0;
}

static lg_datum
get_path(lg_call *c, bool text)
{
    const lg_json *x = arg(c, 0);
    lg_array path;
    if (!x)
        return 0;
    lg_array_unpack(ARG(1), c->arena, &path);
    for (uint32_t i = 0; i < path.n; i++) {
        int64_t k;
        if (path.nulls[i])
            RET_NULL();
        const char *s = lg_text_data(path.values[i]);
        size_t n = lg_text_len(path.values[i]);
        if (x->kind == LG_JSON_ARRAY)
            x = path_index(s, n, &k) ? element(x, k) : NULL;
        else
            x = lg_json_field(x, s, n);
        if (!x)
            RET_NULL();
    }
    return text ? part_text(c, x) : part(c, x);
}

LG_FN(json_extract_path)
{
    return get_path(c, false);
}
LG_FN(json_extract_path_text)
{
    return get_path(c, true);
}
LG_FN(jsonb_extract_path)
{
    return get_path(c, false);
}
LG_FN(jsonb_extract_path_text)
{
    return get_path(c, true);
}

static lg_datum
array_length(lg_call *c)
{
    const lg_json *x = arg(c, 0);
    if (!x)
        return 0;
    if (x->kind != LG_JSON_ARRAY)
        return lg_call_error(c, "22023",
                             x->kind == LG_JSON_OBJECT ? "cannot get array length of a non-array"
                                                       : "cannot get array length of a scalar");
    return lg_datum_int4((int32_t)x->n);
}

LG_FN(json_array_length)
{
    return array_length(c);
}
LG_FN(jsonb_array_length)
{
    return array_length(c);
}

static lg_datum
type_of(lg_call *c)
{
    static const char *const names[] = {"null",    "string", "number", "boolean",
                                        "boolean", "array",  "object"};
    const lg_json *x = arg(c, 0);
    return x ? lg_datum_cstring_text(c->arena, names[x->kind]) : 0;
}

LG_FN(json_typeof)
{
    return type_of(c);
}
LG_FN(jsonb_typeof)
{
    return type_of(c);
}

/* --- rows --- */

struct walk {
    const lg_json *x;
    uint32_t at;
};

static lg_status
walk_open(lg_call *c, void **ret_state)
{
    struct walk *w = LG_NEW(c->arena, struct walk);
    w->x = arg(c, 0);
    *ret_state = w;
    return c->st;
}

/* What a function says of a value that is no array or object: PostgreSQL's json and jsonb differ. */
static lg_status
unfit(lg_call *c, const char *fmt)
{
    lg_call_error(c, "22023", "%s", lg_arena_printf(c->arena, fmt, c->func->name));
    return c->st;
}

static lg_status
elements_open(lg_call *c, void **ret_state)
{
    const struct walk *w;
    LG_TRY(walk_open(c, ret_state));
    w = *ret_state;
    bool json = c->func->args[0] == LG_T_JSON;
    if (w->x->kind < LG_JSON_ARRAY)
        return unfit(c,
                     json ? "cannot call %s on a scalar" : "cannot extract elements from a scalar");
    if (w->x->kind == LG_JSON_OBJECT)
        return unfit(c, json ? "cannot call %s on a non-array"
                             : "cannot extract elements from an object");
    return LG_OK;
}

static lg_status
elements(lg_call *c, struct walk *w, lg_datum *ret, uint8_t *ret_null, bool text)
{
    if (w->at >= w->x->n)
        return LG_END;
    const lg_json *x = w->x->v[w->at++];
    c->isnull = false;
    *ret = text ? part_text(c, x) : part(c, x);
    *ret_null = c->isnull;
    return LG_OK;
}

static lg_status
elements_next(lg_call *c, void *w, lg_datum *ret, uint8_t *ret_null)
{
    return elements(c, w, ret, ret_null, false);
}

static lg_status
elements_text_next(lg_call *c, void *w, lg_datum *ret, uint8_t *ret_null)
{
    return elements(c, w, ret, ret_null, true);
}

LG_SRF(json_array_elements, elements_open, elements_next);
LG_SRF(jsonb_array_elements, elements_open, elements_next);
LG_SRF(json_array_elements_text, elements_open, elements_text_next);
LG_SRF(jsonb_array_elements_text, elements_open, elements_text_next);

static lg_status
each_open(lg_call *c, void **ret_state)
{
    const struct walk *w;
    LG_TRY(walk_open(c, ret_state));
    w = *ret_state;
    if (w->x->kind == LG_JSON_OBJECT)
        return LG_OK;
    if (c->func->args[0] != LG_T_JSON)
        return unfit(c, "cannot call %s on a non-object");
    return unfit(c, w->x->kind == LG_JSON_ARRAY ? "cannot deconstruct an array as an object"
                                                : "cannot deconstruct a scalar");
}

static lg_status
each(lg_call *c, struct walk *w, lg_datum *ret, uint8_t *ret_null, bool text)
{
    if (w->at >= w->x->n)
        return LG_END;
    const lg_json *k = w->x->keys[w->at], *x = w->x->v[w->at];
    w->at++;
    ret[0] = lg_datum_text(c->arena, k->s, k->slen);
    ret_null[0] = 0;
    c->isnull = false;
    ret[1] = text ? part_text(c, x) : part(c, x);
    ret_null[1] = c->isnull;
    return LG_OK;
}

static lg_status
each_next(lg_call *c, void *w, lg_datum *ret, uint8_t *ret_null)
{
    return each(c, w, ret, ret_null, false);
}

static lg_status
each_text_next(lg_call *c, void *w, lg_datum *ret, uint8_t *ret_null)
{
    return each(c, w, ret, ret_null, true);
}

LG_SRF(json_each, each_open, each_next);
LG_SRF(jsonb_each, each_open, each_next);
LG_SRF(json_each_text, each_open, each_text_next);
LG_SRF(jsonb_each_text, each_open, each_text_next);

static lg_status
keys_open(lg_call *c, void **ret_state)
{
    const struct walk *w;
    LG_TRY(walk_open(c, ret_state));
    w = *ret_state;
    if (w->x->kind == LG_JSON_OBJECT)
        return LG_OK;
    return unfit(c, w->x->kind == LG_JSON_ARRAY ? "cannot call %s on an array"
                                                : "cannot call %s on a scalar");
}

static lg_status
keys_next(lg_call *c, void *state, lg_datum *ret, uint8_t *ret_null)
{
    struct walk *w = state;
    if (w->at >= w->x->n)
        return LG_END;
    const lg_json *k = w->x->keys[w->at++];
    *ret = lg_datum_text(c->arena, k->s, k->slen);
    *ret_null = 0;
    return LG_OK;
}

LG_SRF(json_object_keys, keys_open, keys_next);
LG_SRF(jsonb_object_keys, keys_open, keys_next);

/* --- jsonb: comparison, containment --- */

LG_FN(jsonb_eq)
{
    return lg_jsonb_compare(ARG(0), ARG(1)) == 0;
}
LG_FN(jsonb_ne)
{
    return lg_jsonb_compare(ARG(0), ARG(1)) != 0;
}
LG_FN(jsonb_lt)
{
    return lg_jsonb_compare(ARG(0), ARG(1)) < 0;
}
LG_FN(jsonb_le)
{
    return lg_jsonb_compare(ARG(0), ARG(1)) <= 0;
}
LG_FN(jsonb_gt)
{
    return lg_jsonb_compare(ARG(0), ARG(1)) > 0;
}
LG_FN(jsonb_ge)
{
    return lg_jsonb_compare(ARG(0), ARG(1)) >= 0;
}
LG_FN(jsonb_cmp)
{
    return lg_datum_int4(lg_jsonb_compare(ARG(0), ARG(1)));
}
LG_FN(jsonb_hash)
{
    return lg_datum_int4((int32_t)lg_jsonb_hash(ARG(0)));
}

static bool
scalar(const lg_json *x)
{
    return x->kind < LG_JSON_ARRAY;
}

/* Does a hold b? An array also holds a bare scalar, but only at the top. */
static bool
holds(const lg_json *a, const lg_json *b, bool top)
{
    if (a->kind == LG_JSON_ARRAY && top && scalar(b)) {
        for (uint32_t i = 0; i < a->n; i++)
            if (scalar(a->v[i]) && lg_json_compare(a->v[i], b) == 0)
                return true;
        return false;
    }
    if (a->kind != b->kind)
        return false;
    if (b->kind == LG_JSON_OBJECT) {
        for (uint32_t i = 0; i < b->n; i++) {
            const lg_json *v = lg_json_field(a, b->keys[i]->s, b->keys[i]->slen);
            if (!v || !holds(v, b->v[i], false))
                return false;
        }
        return true;
    }
    if (b->kind != LG_JSON_ARRAY)
        return lg_json_compare(a, b) == 0;
    for (uint32_t i = 0; i < b->n; i++) {
        bool found = false;
        for (uint32_t k = 0; !found && k < a->n; k++)
            found = holds(a->v[k], b->v[i], false);
        if (!found)
            return false;
    }
    return true;
}

LG_FN(jsonb_contains)
{
    const lg_json *a = arg(c, 0), *b = arg(c, 1);
    return a && b && holds(a, b, true);
}

LG_FN(jsonb_contained)
{
    const lg_json *a = arg(c, 0), *b = arg(c, 1);
    return a && b && holds(b, a, true);
}

/* A key of an object, or a string of an array (or the string itself). */
static bool
has_key(const lg_json *x, const char *s, size_t n)
{
    if (x->kind == LG_JSON_OBJECT)
        return lg_json_field(x, s, n) != NULL;
    if (x->kind == LG_JSON_STRING)
        return x->slen == n && memcmp(x->s, s, n) == 0;
    for (uint32_t i = 0; i < x->n; i++)
        if (x->v[i]->kind == LG_JSON_STRING && x->v[i]->slen == n && memcmp(x->v[i]->s, s, n) == 0)
            return true;
    return false;
}

LG_FN(jsonb_exists)
{
    const lg_json *x = arg(c, 0);
    return x && has_key(x, ARG_STR(1), ARG_LEN(1));
}

static lg_datum
exists_many(lg_call *c, bool all)
{
    const lg_json *x = arg(c, 0);
    lg_array k;
    lg_array_unpack(ARG(1), c->arena, &k);
    for (uint32_t i = 0; x && i < k.n; i++) {
        if (k.nulls[i])
            continue;
        if (has_key(x, lg_text_data(k.values[i]), lg_text_len(k.values[i])) != all)
            return !all;
    }
    return all;
}

LG_FN(jsonb_exists_any)
{
    return exists_many(c, false);
}
LG_FN(jsonb_exists_all)
{
    return exists_many(c, true);
}

/* --- jsonb: changing --- */

static lg_json *
container(lg_call *c, lg_json_kind kind, uint32_t cap)
{
    lg_json *x = LG_NEW(c->arena, lg_json);
    x->kind = kind;
    x->v = lg_arena_alloc(c->arena, sizeof(lg_json *) * (cap + 1));
    x->keys = lg_arena_alloc(c->arena, sizeof(lg_json *) * (cap + 1));
    return x;
}

static void
append(lg_json *to, const lg_json *from, uint32_t i)
{
    to->keys[to->n] = from->keys ? from->keys[i] : NULL;
    to->v[to->n++] = from->v[i];
}

LG_FN(jsonb_concat)
{
    lg_json *a = arg(c, 0), *b = arg(c, 1);
    if (!a || !b)
        return 0;
    bool objects = a->kind == LG_JSON_OBJECT && b->kind == LG_JSON_OBJECT;
    lg_json *side[2] = {a, b};
    lg_json *r = container(c, objects ? LG_JSON_OBJECT : LG_JSON_ARRAY, a->n + b->n + 2);
    for (int k = 0; k < 2; k++) {
        if (!objects && side[k]->kind != LG_JSON_ARRAY) {
            r->v[r->n++] = side[k];
            continue;
        }
        for (uint32_t i = 0; i < side[k]->n; i++)
            append(r, side[k], i);
    }
    return canonical(c, r);
}

static lg_datum
delete_keys(lg_call *c, const lg_array *keys)
{
    lg_json *x = arg(c, 0);
    if (!x)
        return 0;
    if (scalar(x))
        return lg_call_error(c, "22023", "cannot delete from scalar");
    lg_json *r = container(c, x->kind, x->n);
    for (uint32_t i = 0; i < x->n; i++) {
        const lg_json *s = x->kind == LG_JSON_OBJECT ? x->keys[i] : x->v[i];
        bool drop = false;
        for (uint32_t k = 0; s->kind == LG_JSON_STRING && k < keys->n; k++)
            drop |= !keys->nulls[k] && lg_text_len(keys->values[k]) == s->slen &&
                    memcmp(lg_text_data(keys->values[k]), s->s, s->slen) == 0;
        if (!drop)
            append(r, x, i);
    }
    return canonical(c, r);
}

LG_FN(jsonb_delete)
{
    lg_array k = {.n = 1, .values = (lg_datum[]){ARG(1)}, .nulls = (uint8_t[]){0}};
    return delete_keys(c, &k);
}

LG_FN(jsonb_delete_array)
{
    lg_array k;
    lg_array_unpack(ARG(1), c->arena, &k);
    return delete_keys(c, &k);
}

LG_FN(jsonb_delete_idx)
{
    lg_json *x = arg(c, 0);
    int64_t at = ARG_INT4(1);
    if (!x)
        return 0;
    if (scalar(x))
        return lg_call_error(c, "22023", "cannot delete from scalar");
    if (x->kind == LG_JSON_OBJECT)
        return lg_call_error(c, "22023", "cannot delete from object using integer index");
    if (at < 0)
        at += x->n;
    lg_json *r = container(c, LG_JSON_ARRAY, x->n);
    for (uint32_t i = 0; i < x->n; i++)
        if (i != at)
            append(r, x, i);
    return canonical(c, r);
}

enum change { SET, INSERT, DELETE };

/* A copy of x with the path's target set, inserted or deleted. */
static lg_json *
changed(lg_call *c, lg_json *x, const lg_array *path, uint32_t level, lg_json *v, enum change op,
        bool flag)
{
    if (level < path->n && path->nulls[level])
        lg_call_error(c, "22004", "path element at position %u is null", level + 1);
    if (scalar(x) || level >= path->n || path->nulls[level])
        return x;
    const char *s = lg_text_data(path->values[level]);
    size_t n = lg_text_len(path->values[level]);
    bool last = level + 1 == path->n;
    lg_json *r = container(c, x->kind, x->n + 1);
    int64_t at = 0;
    if (x->kind == LG_JSON_ARRAY) {
        if (!path_index(s, n, &at)) {
            lg_call_error(c, "22P02", "path element at position %u is not an integer: \"%.*s\"",
                          level + 1, (int)n, s);
            return x;
        }
        if (at < 0)
            at += x->n;
        if (at < 0 && last && op != DELETE && (op == INSERT || flag))
            r->v[r->n++] = v;
    }
    bool found = false;
    for (uint32_t i = 0; i < x->n; i++) {
        bool here = x->kind == LG_JSON_ARRAY
                        ? i == at
                        : x->keys[i]->slen == n && memcmp(x->keys[i]->s, s, n) == 0;
        if (!here) {
            append(r, x, i);
            continue;
        }
        found = true;
        if (!last) {
            append(r, x, i);
            r->v[r->n - 1] = changed(c, x->v[i], path, level + 1, v, op, flag);
        } else if (op == SET) {
            append(r, x, i);
            r->v[r->n - 1] = v;
        } else if (op == INSERT && x->kind == LG_JSON_OBJECT) {
            lg_call_error(c, "22023", "cannot replace existing key");
            lg_error_hint(c->err, "Try using the function jsonb_set to replace key value.");
            return x;
        } else if (op == INSERT) {
            if (!flag)
                r->v[r->n++] = v;
            append(r, x, i);
            if (flag)
                r->v[r->n++] = v;
        }
    }
    bool create = op == INSERT || (op == SET && flag);
    if (!found && last && create && (x->kind == LG_JSON_OBJECT || at >= x->n)) {
        lg_json *key = LG_NEW(c->arena, lg_json);
        *key = (lg_json){.kind = LG_JSON_STRING, .s = s, .slen = n};
        r->keys[r->n] = key;
        r->v[r->n++] = v;
    }
    return r;
}

static lg_datum
change(lg_call *c, enum change op, lg_json *v, bool flag)
{
    lg_json *x = arg(c, 0);
    lg_array path;
    if (!x)
        return 0;
    lg_array_unpack(ARG(1), c->arena, &path);
    if (scalar(x))
        return lg_call_error(c, "22023",
                             op == DELETE ? "cannot delete path in scalar"
                                          : "cannot set path in scalar");
    if (path.n == 0 || (x->n == 0 && (op == DELETE || (op == SET && !flag))))
        return ARG(0);
    x = changed(c, x, &path, 0, v, op, flag);
    return c->st ? 0 : canonical(c, x);
}

LG_FN(jsonb_delete_path)
{
    return change(c, DELETE, NULL, false);
}

LG_FN(jsonb_set)
{
    lg_json *v = arg(c, 2);
    return v ? change(c, SET, v, c->nargs < 4 || ARG_BOOL(3)) : 0;
}

LG_FN(jsonb_insert)
{
    lg_json *v = arg(c, 2);
    return v ? change(c, INSERT, v, c->nargs > 3 && ARG_BOOL(3)) : 0;
}

/* Fields that are null go; elements of arrays stay. */
static lg_json *
stripped(lg_call *c, lg_json *x)
{
    if (scalar(x))
        return x;
    lg_json *r = container(c, x->kind, x->n);
    for (uint32_t i = 0; i < x->n; i++) {
        if (x->kind == LG_JSON_OBJECT && x->v[i]->kind == LG_JSON_NULL)
            continue;
        append(r, x, i);
        r->v[r->n - 1] = stripped(c, x->v[i]);
    }
    return r;
}

static void
put_compact(lg_call *c, lg_abuf *b, const lg_json *x)
{
    if (scalar(x)) {
        if (x->kind == LG_JSON_STRING)
            lg_json_put_string(b, x->s, x->slen);
        else
            lg_abuf_add(b, x->text, x->len);
        return;
    }
    bool object = x->kind == LG_JSON_OBJECT;
    lg_abuf_putc(b, object ? '{' : '[');
    for (uint32_t i = 0; i < x->n; i++) {
        if (i)
            lg_abuf_putc(b, ',');
        if (object) {
            lg_json_put_string(b, x->keys[i]->s, x->keys[i]->slen);
            lg_abuf_putc(b, ':');
        }
        put_compact(c, b, x->v[i]);
    }
    lg_abuf_putc(b, object ? '}' : ']');
}

LG_FN(json_strip_nulls)
{
    lg_json *x = arg(c, 0);
    lg_abuf b;
    if (!x)
        return 0;
    lg_abuf_for(&b, c);
    put_compact(c, &b, stripped(c, x));
    return lg_abuf_text(&b);
}

LG_FN(jsonb_strip_nulls)
{
    lg_json *x = arg(c, 0);
    return x ? canonical(c, stripped(c, x)) : 0;
}

static void
put_pretty(lg_call *c, lg_abuf *b, const lg_json *x, int depth)
{
    bool object = x->kind == LG_JSON_OBJECT;
    if (scalar(x)) {
        lg_json_put(c, b, x);
        return;
    }
    lg_abuf_putc(b, object ? '{' : '[');
    for (uint32_t i = 0; i < x->n; i++) {
        lg_abuf_printf(b, "%s\n%*s", i ? "," : "", 4 * (depth + 1), "");
        if (object) {
            lg_json_put_string(b, x->keys[i]->s, x->keys[i]->slen);
            lg_abuf_puts(b, ": ");
        }
        put_pretty(c, b, x->v[i], depth + 1);
    }
    lg_abuf_printf(b, "\n%*s%c", 4 * depth, "", object ? '}' : ']');
}

LG_FN(jsonb_pretty)
{
    lg_json *x = arg(c, 0);
    lg_abuf b;
    if (!x)
        return 0;
    lg_abuf_for(&b, c);
    put_pretty(c, &b, x, 0);
    return lg_abuf_text(&b);
}

/* --- casts of scalars --- */

static bool
cast_scalar(lg_call *c, lg_json_kind want, const char *type, const lg_json **ret)
{
    static const char *const names[] = {"null",    "string", "numeric", "boolean",
                                        "boolean", "array",  "object"};
    const lg_json *x = arg(c, 0);
    if (!x)
        return false;
    bool ok = want == LG_JSON_NUMBER ? x->kind == LG_JSON_NUMBER
                                     : x->kind == LG_JSON_TRUE || x->kind == LG_JSON_FALSE;
    *ret = x;
    if (!ok)
        lg_call_error(c, "22023", "cannot cast jsonb %s to type %s", names[x->kind], type);
    return ok;
}

LG_FN(jsonb_bool)
{
    const lg_json *x;
    return cast_scalar(c, LG_JSON_TRUE, "boolean", &x) && x->kind == LG_JSON_TRUE;
}

/* By way of numeric's own cast. */
static lg_datum
cast_number(lg_call *c, const char *type, lg_fn cast)
{
    const lg_json *x;
    lg_num v;
    lg_datum d;
    const char *end;
    if (!cast_scalar(c, LG_JSON_NUMBER, type, &x))
        return 0;
    if (!lg_num_parse(c->arena, lg_arena_strndup(c->arena, x->text, x->len), &v, &end) ||
        !lg_num_pack(c->arena, &v, &d))
        return lg_call_error(c, "22003", "value overflows numeric format");
    if (!cast)
        return d;
    const lg_datum *args = c->args;
    c->args = &d;
    d = cast(c);
    c->args = args;
    return d;
}

lg_datum lg_fn_numeric_int2(lg_call *c);
lg_datum lg_fn_numeric_int4(lg_call *c);
lg_datum lg_fn_numeric_int8(lg_call *c);
lg_datum lg_fn_numeric_float4(lg_call *c);
lg_datum lg_fn_numeric_float8(lg_call *c);

LG_FN(jsonb_numeric)
{
    return cast_number(c, "numeric", NULL);
}
LG_FN(jsonb_int2)
{
    return cast_number(c, "smallint", lg_fn_numeric_int2);
}
LG_FN(jsonb_int4)
{
    return cast_number(c, "integer", lg_fn_numeric_int4);
}
LG_FN(jsonb_int8)
{
    return cast_number(c, "bigint", lg_fn_numeric_int8);
}
LG_FN(jsonb_float4)
{
    return cast_number(c, "real", lg_fn_numeric_float4);
}
LG_FN(jsonb_float8)
{
    return cast_number(c, "double precision", lg_fn_numeric_float8);
}

/* --- json_agg and kin --- */

struct state {
    lg_abuf b;
    bool any;
};

static void
start(lg_call *c, struct state *s, char open)
{
    if (!s->any) {
        lg_abuf_init(&s->b, c->perm);
        lg_abuf_putc(&s->b, open);
    } else {
        lg_abuf_puts(&s->b, ", ");
    }
    s->b.c = c; /* it ends when there is no room, whichever call comes upon it */
    s->any = true;
}

void
lg_json__agg_step(lg_call *c, void *state)
{
    struct state *s = state;
    lg_oid type = lg_argtype(c, 0);
    bool more = s->any;
    start(c, s, '[');
    if (more && !ARG_NULL(0) &&
        (lg_type_elem(type) || type == LG_T_RECORD || lg_usertype_of(type) == LG_UT_ROW))
        lg_abuf_puts(&s->b, "\n ");
    put_value(c, &s->b, lg_argtype(c, 0), ARG(0), ARG_NULL(0), false);
}

void
lg_json__object_agg_step(lg_call *c, void *state)
{
    struct state *s = state;
    start(c, s, '{');
    if (!s->b.len || s->b.p[s->b.len - 1] == '{')
        lg_abuf_putc(&s->b, ' ');
    if (ARG_NULL(0))
        lg_call_error(c, "22023", "field name must not be null");
    else if (put_key(c, &s->b, lg_argtype(c, 0), ARG(0), false, 1))
        put_value(c, &s->b, lg_argtype(c, 1), ARG(1), ARG_NULL(1), false);
}

static lg_datum
agg_final(lg_call *c, struct state *s, const char *close)
{
    if (!s->any)
        RET_NULL();
    lg_abuf b;
    lg_abuf_for(&b, c);
    lg_abuf_add(&b, s->b.p, s->b.len);
    lg_abuf_puts(&b, close);
    return finish(c, &b);
}

lg_datum
lg_json__agg_final(lg_call *c, void *state)
{
    return agg_final(c, state, "]");
}

lg_datum
lg_json__object_agg_final(lg_call *c, void *state)
{
    return agg_final(c, state, " }");
}

_Static_assert(sizeof(struct state) <= LG_JSON_AGG_STATE, "agg.c knows the size");
