/* json(b)_populate_record(set) and json(b)_to_record(set): JSON objects as rows. */
#include "array.h"
#include "json.h"
#include "record.h"
#include "types_internal.h"

/* Where a conversion stands, for hints. */
struct target {
    lg_oid type, domain;
    int32_t typmod;
    const char *name;
};

static bool convert(lg_call *c, const struct target *t, const lg_json *x, lg_datum *ret,
                    bool *ret_null);

static lg_datum populate(lg_call *c, const lg_row_type *t, lg_oid type, const lg_json *x,
                         const lg_record *base);

static bool
is_row(lg_oid type)
{
    return lg_usertype_of(type) == LG_UT_ROW;
}

static void
expected_array(lg_call *c, const char *name)
{
    lg_call_error(c, "22P02", "expected JSON array");
    if (name)
        lg_error_hint(c->err, "See the value of key \"%s\".", name);
}

/* --- arrays --- */

struct building {
    lg_call *c;
    struct target elem;
    lg_array out;
    uint32_t cap;
    int at[LG_ARRAY_MAX_DIM]; /* the element in work at each level */
    bool sized[LG_ARRAY_MAX_DIM];
};

static bool
add_element(struct building *b, const lg_json *x)
{
    if (b->out.n == b->cap) {
        uint32_t cap = b->cap ? b->cap * 2 : 16;
        lg_datum *v = lg_arena_alloc(b->c->arena, sizeof *v * cap);
        uint8_t *nulls = lg_arena_alloc(b->c->arena, cap);
        if (b->out.n) {
            memcpy(v, b->out.values, sizeof *v * b->out.n);
            memcpy(nulls, b->out.nulls, b->out.n);
        }
        b->out.values = v;
        b->out.nulls = nulls;
        b->cap = cap;
    }
    bool null;
    if (!convert(b->c, &b->elem, x, &b->out.values[b->out.n], &null))
        return false;
    b->out.nulls[b->out.n++] = null;
    return true;
}

/* An element where an array was expected: says which, by its place at each level above. */
static void
expected_array_at(struct building *b, int level)
{
    const char *at = "";
    if (level == 0) {
        expected_array(b->c, b->elem.name);
        return;
    }
    for (int i = 0; i < level; i++)
        at = lg_arena_printf(b->c->arena, "%s[%d]", at, b->at[i]);
    lg_call_error(b->c, "22P02", "expected JSON array");
    if (b->elem.name)
        lg_error_hint(b->c->err, "See the array element %s of key \"%s\".", at, b->elem.name);
    else
        lg_error_hint(b->c->err, "See the array element %s.", at);
}

/*
 * Nested JSON arrays are further dimensions. Their number is known with the first element that is
 * none (PostgreSQL's populate_array_dim_json): arrays below that are elements' own text.
 */
static bool
add_level(struct building *b, const lg_json *x, int level)
{
    if (x->kind != LG_JSON_ARRAY) {
        expected_array_at(b, level);
        return false;
    }
    if (level == LG_ARRAY_MAX_DIM) {
        lg_call_error(b->c, "54000",
                      "number of array dimensions (%d) exceeds the maximum allowed (%d)", level + 1,
                      LG_ARRAY_MAX_DIM);
        return false;
    }
    if (!b->out.ndim && (!x->n || x->v[0]->kind != LG_JSON_ARRAY))
        b->out.ndim = level + 1;
    for (uint32_t i = 0; i < x->n; i++) {
        b->at[level] = (int)i;
        bool inner = b->out.ndim && level + 1 >= b->out.ndim;
        if (inner ? !add_element(b, x->v[i]) : !add_level(b, x->v[i], level + 1))
            return false;
    }
    if (b->sized[level] && b->out.dims[level] != (int32_t)x->n) {
        lg_call_error(b->c, "22P02", "malformed JSON array");
        lg_error_detail(b->c->err,
                        "Multidimensional arrays must have sub-arrays with matching dimensions.");
        return false;
    }
    b->sized[level] = true;
    b->out.dims[level] = (int32_t)x->n;
    b->out.lbs[level] = 1;
    return true;
}

static bool
convert_array(lg_call *c, const struct target *t, const lg_json *x, lg_datum *ret)
{
    struct building b = {
        .c = c, .elem = {.type = lg_type_elem(t->type), .typmod = t->typmod, .name = t->name}};
    b.out.elem = b.elem.type;
    if (!add_level(&b, x, 0))
        return false;
    if (!b.out.n)
        b.out.ndim = 0;
    *ret = lg_array_pack(c->arena, &b.out);
    return true;
}

/* --- one value --- */

static bool
convert(lg_call *c, const struct target *t, const lg_json *x, lg_datum *ret, bool *ret_null)
{
    *ret = 0;
    *ret_null = !x || x->kind == LG_JSON_NULL;
    bool string = x && x->kind == LG_JSON_STRING;
    if (*ret_null) {
        /* nothing to convert */
    } else if (t->type == LG_T_JSON || t->type == LG_T_JSONB) {
        const char *s = lg_arena_strndup(c->arena, x->text, x->len);
        c->st = lg_type_input(c->env, t->type, s, -1, c->arena, c->err, ret);
    } else if (is_row(t->type) && !string) {
        const lg_row_type *row;
        c->st = lg_usertype_row(c->env, t->type, c->arena, c->err, &row);
        if (c->st == LG_OK)
            *ret = populate(c, row, t->type, x, NULL);
    } else if (lg_type_elem(t->type) && lg_type_get(t->type)->category == 'A' && !string) {
        if (!convert_array(c, t, x, ret))
            return false;
    } else {
        const char *s = string ? lg_arena_strndup(c->arena, x->s, x->slen)
                               : lg_arena_strndup(c->arena, x->text, x->len);
        c->st = lg_type_input(c->env, t->type, s, t->typmod, c->arena, c->err, ret);
    }
    if (c->st == LG_OK && t->domain)
        c->st = c->env->user->domain_check(c->env, t->domain, *ret, *ret_null, c->arena, c->err);
    return c->st == LG_OK;
}

/* Lengths of char types cut on explicit conversion only: a value too long is an error here. */
static lg_datum
populate(lg_call *c, const lg_row_type *t, lg_oid type, const lg_json *x, const lg_record *base)
{
    if (x && x->kind != LG_JSON_OBJECT)
        return lg_call_error(c, "22023", "cannot call populate_composite on %s",
                             x->kind == LG_JSON_ARRAY ? "an array" : "a scalar");
    lg_oid *types = lg_arena_alloc(c->arena, sizeof *types * (t->n + 1));
    lg_datum *values = lg_arena_zalloc(c->arena, sizeof *values * (t->n + 1));
    uint8_t *nulls = lg_arena_alloc(c->arena, t->n + 1);
    const char **names = lg_arena_alloc(c->arena, sizeof *names * (t->n + 1));
    for (uint32_t i = 0; i < t->n; i++) {
        const lg_row_field *f = &t->fields[i];
        struct target to = {f->type, f->domain, f->typmod, f->name};
        const lg_json *v = x ? lg_json_field(x, f->name, strlen(f->name)) : NULL;
        bool null = true;
        types[i] = f->type;
        names[i] = f->name;
        if (!v && base && i < base->n) {
            values[i] = base->values[i];
            nulls[i] = base->nulls[i];
            continue;
        }
        if (!convert(c, &to, v, &values[i], &null))
            return 0;
        nulls[i] = null;
    }
    return lg_record_pack(c->arena, type, t->n, types, values, nulls, is_row(type) ? NULL : names);
}

/* --- the functions --- */

static bool
row_of_record(lg_call *c, const lg_record *r, const lg_row_type **ret)
{
    const char *const *names;
    lg_row_field *f = lg_arena_zalloc(c->arena, sizeof *f * (r->n + 1));
    lg_row_type *t = lg_arena_zalloc(c->arena, sizeof *t);
    c->st = lg_record_names(c->env, r, c->arena, c->err, &names);
    if (c->st != LG_OK)
        return false;
    for (uint32_t i = 0; i < r->n; i++)
        f[i] = (lg_row_field){.name = names[i], .type = r->types[i], .typmod = -1};
    t->n = r->n;
    t->fields = f;
    *ret = t;
    return true;
}

/* A record given as the default must have the columns that the call names. */
static bool
record_fits(lg_call *c, const lg_record *r, const lg_row_type *t)
{
    const char *detail = NULL;
    if (r->n != t->n)
        detail =
            lg_arena_printf(c->arena, "Returned row contains %u attribute%s, but query expects %u.",
                            r->n, r->n == 1 ? "" : "s", t->n);
    for (uint32_t i = 0; i < r->n && !detail; i++)
        if (r->types[i] != t->fields[i].type)
            detail = lg_arena_printf(
                c->arena, "Returned type %s at ordinal position %u, but query expects %s.",
                lg_type_name(c->env, r->types[i], -1, c->arena), i + 1,
                lg_type_name(c->env, t->fields[i].type, -1, c->arena));
    if (!detail)
        return true;
    lg_call_error(c, "42804", "function return row and query-specified return row do not match");
    lg_error_detail(c->err, "%s", detail);
    return false;
}

/* What the result's rows are: the first argument's type, or the columns of the call. */
static bool
row_of_call(lg_call *c, bool to_record, const lg_row_type **ret, lg_oid *ret_type, lg_record *base,
            bool *ret_has_base)
{
    *ret_has_base = false;
    *ret_type = LG_T_RECORD;
    *ret = c->columns;
    if (to_record) {
        if (!c->columns) {
            lg_call_error(c, "0A000",
                          "function returning record called in context that cannot accept type "
                          "record");
            return false;
        }
        return true;
    }
    lg_oid type = lg_argtype(c, 0);
    if (!ARG_NULL(0) && (is_row(type) || type == LG_T_RECORD)) {
        lg_record_unpack(ARG(0), c->arena, base);
        *ret_has_base = true;
    }
    if (is_row(type)) {
        *ret_type = type;
        c->st = lg_usertype_row(c->env, type, c->arena, c->err, ret);
        return c->st == LG_OK;
    }
    if (type != LG_T_RECORD) {
        lg_call_error(c, "42804", "first argument of %s must be a row type", c->func->name);
        return false;
    }
    if (*ret_has_base) /* the keys are the names of the record given, as with PostgreSQL */
        return row_of_record(c, base, ret) && (!c->columns || record_fits(c, base, c->columns));
    if (!c->columns) {
        lg_call_error(c, "22023", "could not determine row type for result of %s", c->func->name);
        lg_error_hint(c->err, "Provide a non-null record argument, or call the function in the "
                              "FROM clause using a column definition list.");
        return false;
    }
    return true;
}

static lg_datum
one(lg_call *c, bool to_record)
{
    uint32_t at = to_record ? 0 : 1;
    const lg_row_type *t;
    lg_oid type;
    lg_record base;
    bool has_base;
    if (!row_of_call(c, to_record, &t, &type, &base, &has_base))
        return 0;
    if (ARG_NULL(at)) {
        if (!has_base)
            RET_NULL();
        return ARG(0);
    }
    const lg_json *x = lg_json_parse(c, ARG_STR(at), ARG_LEN(at));
    return x ? populate(c, t, type, x, has_base ? &base : NULL) : 0;
}

LG_FN(json_populate_record)
{
    return one(c, false);
}
LG_FN(jsonb_populate_record)
{
    return one(c, false);
}
LG_FN(json_to_record)
{
    return one(c, true);
}
LG_FN(jsonb_to_record)
{
    return one(c, true);
}

struct set {
    const lg_row_type *t;
    lg_oid type;
    lg_record base;
    bool has_base;
    const lg_json *x; /* NULL: empty */
    uint32_t at;
};

static lg_status
set_open(lg_call *c, bool to_record, void **ret_state)
{
    struct set *s = lg_arena_zalloc(c->arena, sizeof *s);
    uint32_t at = to_record ? 0 : 1;
    *ret_state = s;
    if (!row_of_call(c, to_record, &s->t, &s->type, &s->base, &s->has_base))
        return c->st;
    if (ARG_NULL(at))
        return LG_OK;
    s->x = lg_json_parse(c, ARG_STR(at), ARG_LEN(at));
    if (!s->x)
        return c->st;
    if (s->x->kind != LG_JSON_ARRAY)
        lg_call_error(c, "22023", "cannot call %s on %s", c->func->name,
                      s->x->kind == LG_JSON_OBJECT ? "an object" : "a scalar");
    return c->st;
}

static lg_status
populate_open(lg_call *c, void **ret_state)
{
    return set_open(c, false, ret_state);
}

static lg_status
to_record_open(lg_call *c, void **ret_state)
{
    return set_open(c, true, ret_state);
}

static lg_status
set_next(lg_call *c, void *state, lg_datum *ret_values, uint8_t *ret_nulls)
{
    struct set *s = state;
    if (!s->x || s->at >= s->x->n)
        return LG_END;
    const lg_json *x = s->x->v[s->at++];
    if (x->kind != LG_JSON_OBJECT) {
        lg_call_error(c, "22023", "argument of %s must be an array of objects", c->func->name);
        return c->st;
    }
    ret_values[0] = populate(c, s->t, s->type, x, s->has_base ? &s->base : NULL);
    ret_nulls[0] = 0;
    return c->st;
}

LG_SRF(json_populate_recordset, populate_open, set_next);
LG_SRF(jsonb_populate_recordset, populate_open, set_next);
LG_SRF(json_to_recordset, to_record_open, set_next);
LG_SRF(jsonb_to_recordset, to_record_open, set_next);

/* --- json_object: from arrays of texts --- */

static bool
put_pair(lg_call *c, lg_abuf *b, bool first, const lg_array *k, uint32_t ki, const lg_array *v,
         uint32_t vi)
{
    if (k->nulls[ki]) {
        lg_call_error(c, "22004", "null value not allowed for object key");
        return false;
    }
    if (!first)
        lg_abuf_puts(b, ", ");
    lg_json_put_string(b, lg_text_data(k->values[ki]), lg_text_len(k->values[ki]));
    lg_abuf_puts(b, " : ");
    if (v->nulls[vi])
        lg_abuf_puts(b, "null");
    else
        lg_json_put_string(b, lg_text_data(v->values[vi]), lg_text_len(v->values[vi]));
    return true;
}

static lg_datum
finish(lg_call *c, lg_abuf *b)
{
    if (c->func->result != LG_T_JSONB)
        return lg_abuf_text(b);
    lg_json *x = lg_json_parse(c, b->p, b->len);
    if (!x)
        return 0;
    lg_abuf out;
    lg_abuf_for(&out, c);
    lg_json_put(c, &out, x);
    return lg_abuf_text(&out);
}

static lg_datum
object_of_one(lg_call *c)
{
    lg_array x;
    lg_abuf b;
    lg_array_unpack(ARG(0), c->arena, &x);
    lg_abuf_for(&b, c);
    if (x.ndim > 2)
        return lg_call_error(c, "2202E", "wrong number of array subscripts");
    if (x.ndim == 1 && x.dims[0] % 2)
        return lg_call_error(c, "2202E", "array must have even number of elements");
    if (x.ndim == 2 && x.dims[1] != 2)
        return lg_call_error(c, "2202E", "array must have two columns");
    lg_abuf_putc(&b, '{');
    for (uint32_t i = 0; i + 1 < x.n; i += 2)
        if (!put_pair(c, &b, i == 0, &x, i, &x, i + 1))
            return 0;
    lg_abuf_putc(&b, '}');
    return finish(c, &b);
}

static lg_datum
object_of_two(lg_call *c)
{
    lg_array k, v;
    lg_abuf b;
    lg_array_unpack(ARG(0), c->arena, &k);
    lg_array_unpack(ARG(1), c->arena, &v);
    lg_abuf_for(&b, c);
    if (k.ndim > 1 || k.ndim != v.ndim)
        return lg_call_error(c, "2202E", "wrong number of array subscripts");
    if (k.n != v.n)
        return lg_call_error(c, "2202E", "mismatched array dimensions");
    lg_abuf_putc(&b, '{');
    for (uint32_t i = 0; i < k.n; i++)
        if (!put_pair(c, &b, i == 0, &k, i, &v, i))
            return 0;
    lg_abuf_putc(&b, '}');
    return finish(c, &b);
}

LG_FN(json_object)
{
    return object_of_one(c);
}
LG_FN(jsonb_object)
{
    return object_of_one(c);
}
LG_FN(json_object_two_arg)
{
    return object_of_two(c);
}
LG_FN(jsonb_object_two_arg)
{
    return object_of_two(c);
}

/* jsonb_set, and what a NULL value means. */
LG_FN(jsonb_set_lax)
{
    lg_datum lg_fn_jsonb_set(lg_call * call);
    lg_datum lg_fn_jsonb_delete_path(lg_call * call);
    if (ARG_NULL(0) || ARG_NULL(1) || ARG_NULL(3))
        RET_NULL();
    if (ARG_NULL(4))
        return lg_call_error(c, "22023",
                             "null_value_treatment must be \"delete_key\", \"return_target\", "
                             "\"use_json_null\", or \"raise_exception\"");
    lg_call k = *c;
    lg_datum args[5];
    uint8_t nulls[5] = {0};
    memcpy(args, c->args, sizeof args);
    k.args = args;
    k.nulls = nulls;
    k.nargs = 4;
    lg_datum r;
    const char *how = lg_text_cstring(c->arena, ARG(4));
    if (!ARG_NULL(2)) {
        r = lg_fn_jsonb_set(&k);
    } else if (strcmp(how, "raise_exception") == 0) {
        lg_call_error(c, "22004", "JSON value must not be null");
        lg_error_detail(
            c->err, "Exception was raised because null_value_treatment is \"raise_exception\".");
        lg_error_hint(c->err, "To avoid, either change the null_value_treatment argument or ensure "
                              "that an SQL NULL is not passed.");
        return 0;
    } else if (strcmp(how, "use_json_null") == 0) {
        args[2] = lg_datum_cstring_text(c->arena, "null");
        r = lg_fn_jsonb_set(&k);
    } else if (strcmp(how, "delete_key") == 0) {
        k.nargs = 2;
        r = lg_fn_jsonb_delete_path(&k);
    } else if (strcmp(how, "return_target") == 0) {
        return ARG(0);
    } else {
        return lg_call_error(c, "22023",
                             "null_value_treatment must be \"delete_key\", \"return_target\", "
                             "\"use_json_null\", or \"raise_exception\"");
    }
    c->st = k.st;
    c->isnull = k.isnull;
    return r;
}
