/* pg_identify_object, pg_identify_object_as_address: objects of the catalog by what stays true on
 * another server: kind, schema, name. Of what is gone only its kind is told. */
#include "array.h"
#include "bind.h"
#include "cat_collation.h"
#include "cat_proc.h"
#include "cat_type.h"
#include "syscat_internal.h"
#include "usertype.h"
#include <string.h>

#define GETC(row, tab, col) LG_ROW_GET((row), LG_AT_##tab##_##col)

typedef struct identity {
    lg_call *c;
    lg_cat *cat;
    lg_arena *a;
    lg_oid obj;
    int32_t sub;
    const char *type;
    const char *schema, *name, *text; /* NULL: none; quoted */
    const char *names[4], *args[128];
    uint32_t nnames, nargs;
} identity;

static const char *
quote(identity *d, const char *name)
{
    return lg_quote_ident(d->a, name);
}

static const char *
qualified(identity *d, const char *schema, const char *name)
{
    return lg_arena_printf(d->a, "%s.%s", quote(d, schema), quote(d, name));
}

static lg_status
row_of(identity *d, lg_oid table, lg_oid index, lg_cat_row *row)
{
    lg_datum key = lg_datum_oid(d->obj);
    return lg_cat_find(d->cat, table, index, 1, &key, d->a, row);
}

/* With its schema, but for the types that SQL has words for. */
static lg_status
type_text(identity *d, lg_oid type, const char **ret)
{
    const char *schema, *name;
    bool visible;
    lg_oid elem = lg_type_elem(type);
    LG_TRY(lg_cat_type_names(d->cat, elem ? elem : type, d->a, &schema, &name, &visible));
    if (lg_usertype_of(type) == LG_UT_NONE) {
        const char *shown = lg_type_name(d->c->env, elem ? elem : type, -1, d->a);
        *ret = strcmp(shown, quote(d, name)) ? shown : qualified(d, schema, name);
    } else {
        *ret = qualified(d, schema, name);
    }
    if (elem)
        *ret = lg_arena_printf(d->a, "%s[]", *ret);
    return LG_OK;
}

/* The relation, or (sub) a column of it: its schema, names and text. */
static lg_status
relation(identity *d, lg_oid oid, int32_t sub, const char **ret_kind)
{
    lg_relation *r;
    LG_TRY(lg_cat_relation_by_oid(d->cat, oid, &r));
    *ret_kind = r->kind == LG_REL_INDEX       ? "index"
                : r->kind == LG_REL_SEQUENCE  ? "sequence"
                : r->kind == LG_REL_VIEW      ? "view"
                : r->kind == LG_REL_MATVIEW   ? "materialized view"
                : r->kind == LG_REL_COMPOSITE ? "composite type"
                                              : "table";
    const lg_column *col = sub > 0 ? lg_relation_column(r, (int16_t)sub) : NULL;
    d->schema = quote(d, r->schema);
    d->names[0] = lg_arena_strdup(d->a, r->schema);
    d->names[1] = lg_arena_strdup(d->a, r->name);
    d->text = qualified(d, r->schema, r->name);
    d->nnames = 2;
    if (col && !col->dropped) {
        d->names[d->nnames++] = lg_arena_strdup(d->a, col->name);
        d->text = lg_arena_printf(d->a, "%s.%s", d->text, quote(d, col->name));
    }
    lg_relation_unref(r);
    return sub && d->nnames < 3 ? LG_NOT_FOUND : LG_OK;
}

static lg_status
of_class(identity *d)
{
    const char *kind = "relation";
    lg_status st = relation(d, d->obj, d->sub, &kind);
    d->type = d->sub && st == LG_OK ? lg_arena_printf(d->a, "%s column", kind) : kind;
    if (st == LG_OK)
        d->name = quote(d, d->names[1]);
    return st;
}

static lg_status
of_type(identity *d)
{
    const char *schema, *name;
    bool visible;
    d->type = "type";
    LG_TRY(lg_cat_type_names(d->cat, d->obj, d->a, &schema, &name, &visible));
    LG_TRY(type_text(d, d->obj, &d->text));
    d->schema = quote(d, schema);
    d->name = quote(d, name);
    d->names[d->nnames++] = d->text;
    return LG_OK;
}

static lg_status
of_proc(identity *d)
{
    const lg_func *f = lg_func_get(d->obj);
    const char *schema = "pg_catalog", *list = "";
    d->type = "routine";
    if (!f) {
        lg_proc *p;
        LG_TRY(lg_cat_proc(d->cat, d->obj, d->a, &p));
        f = &p->func;
        schema = p->schema;
    }
    d->type = f->kind == 'p' ? "procedure" : f->kind == 'a' ? "aggregate" : "function";
    for (uint32_t i = 0; i < f->nargs && i < 128; i++) {
        LG_TRY(type_text(d, f->args[i], &d->args[d->nargs]));
        list = lg_arena_printf(d->a, "%s%s%s", list, i ? "," : "", d->args[d->nargs++]);
    }
    d->schema = quote(d, schema);
    d->names[0] = schema;
    d->names[1] = f->name;
    d->nnames = 2;
    d->text = lg_arena_printf(d->a, "%s(%s)", qualified(d, schema, f->name), list);
    return LG_OK;
}

static lg_status
of_constraint(identity *d)
{
    lg_cat_row row;
    const char *kind;
    d->type = "constraint";
    LG_TRY(row_of(d, LG_REL_pg_constraint, LG_IX_pg_constraint_oid_index, &row));
    const char *name = lg_text_cstring(d->a, GETC(&row, pg_constraint, conname));
    lg_oid rel = lg_oid_of(GETC(&row, pg_constraint, conrelid));
    if (rel) {
        d->type = "table constraint";
        LG_TRY(relation(d, rel, 0, &kind));
        d->names[d->nnames++] = name;
    } else {
        const char *schema;
        d->type = "domain constraint";
        LG_TRY(type_text(d, lg_oid_of(GETC(&row, pg_constraint, contypid)), &d->text));
        LG_TRY(lg_cat_namespace_name(d->cat, lg_oid_of(GETC(&row, pg_constraint, connamespace)),
                                     d->a, &schema));
        d->schema = quote(d, schema);
        d->names[d->nnames++] = d->text;
        d->args[d->nargs++] = name;
    }
    d->text = lg_arena_printf(d->a, "%s on %s", quote(d, name), d->text);
    return LG_OK;
}

static lg_status
of_default(identity *d)
{
    lg_cat_row row;
    const char *kind;
    d->type = "default value";
    LG_TRY(row_of(d, LG_REL_pg_attrdef, LG_IX_pg_attrdef_oid_index, &row));
    LG_TRY(relation(d, lg_oid_of(GETC(&row, pg_attrdef, adrelid)),
                    lg_int2(GETC(&row, pg_attrdef, adnum)), &kind));
    d->schema = NULL;
    d->text = lg_arena_printf(d->a, "for %s", d->text);
    return LG_OK;
}

static lg_status
of_rule(identity *d)
{
    lg_cat_row row;
    const char *kind;
    d->type = "rule";
    LG_TRY(row_of(d, LG_REL_pg_rewrite, LG_IX_pg_rewrite_oid_index, &row));
    LG_TRY(relation(d, lg_oid_of(GETC(&row, pg_rewrite, ev_class)), 0, &kind));
    const char *name = lg_text_cstring(d->a, GETC(&row, pg_rewrite, rulename));
    d->schema = NULL;
    d->names[d->nnames++] = name;
    d->text = lg_arena_printf(d->a, "%s on %s", quote(d, name), d->text);
    return LG_OK;
}

static lg_status
named(identity *d, const char *name)
{
    d->name = d->text = quote(d, name);
    d->names[d->nnames++] = name;
    return LG_OK;
}

static lg_status
of_schema(identity *d)
{
    const char *name;
    d->type = "schema";
    LG_TRY(lg_cat_namespace_name(d->cat, d->obj, d->a, &name));
    return named(d, name);
}

static lg_status
of_role(identity *d)
{
    lg_role r;
    d->type = "role";
    LG_TRY(lg_cat_role_by_oid(d->cat, d->obj, d->a, &r));
    return named(d, r.name);
}

static lg_status
of_database(identity *d)
{
    lg_database db;
    d->type = "database";
    LG_TRY(lg_cat_database_by_oid(d->cat, d->obj, d->a, &db));
    return named(d, db.name);
}

static lg_status
of_collation(identity *d)
{
    lg_cat_collation k;
    d->type = "collation";
    LG_TRY(lg_cat_collation_by_oid(d->cat, d->obj, d->a, &k));
    d->schema = quote(d, k.schema);
    d->name = quote(d, k.name);
    d->names[0] = k.schema;
    d->names[1] = k.name;
    d->nnames = 2;
    d->text = qualified(d, k.schema, k.name);
    return LG_OK;
}

static lg_status
of_operator(identity *d)
{
    const lg_operator *o = lg_operator_get(d->obj);
    const char *left = "NONE", *right = "NONE";
    d->type = "operator";
    if (!o)
        return LG_NOT_FOUND;
    if (o->left)
        LG_TRY(type_text(d, o->left, &left));
    if (o->right)
        LG_TRY(type_text(d, o->right, &right));
    if (o->left)
        d->args[d->nargs++] = left;
    if (o->right)
        d->args[d->nargs++] = right;
    d->schema = "pg_catalog";
    d->names[0] = "pg_catalog";
    d->names[1] = o->name;
    d->nnames = 2;
    d->text = lg_arena_printf(d->a, "pg_catalog.%s(%s,%s)", o->name, left, right);
    return LG_OK;
}

static const struct {
    lg_oid cls;
    lg_status (*fn)(identity *d);
} kinds[] = {
    {LG_REL_pg_class, of_class},       {LG_REL_pg_type, of_type},
    {LG_REL_pg_proc, of_proc},         {LG_REL_pg_constraint, of_constraint},
    {LG_REL_pg_attrdef, of_default},   {LG_REL_pg_rewrite, of_rule},
    {LG_REL_pg_namespace, of_schema},  {LG_REL_pg_authid, of_role},
    {LG_REL_pg_database, of_database}, {LG_REL_pg_collation, of_collation},
    {LG_REL_pg_operator, of_operator},
};

/* LG_NOT_FOUND: only its type is known. */
static lg_status
identify(lg_call *c, identity *d)
{
    lg_oid cls = lg_oid_of(c->args[0]);
    *d = (identity){.c = c,
                    .cat = lg_fx_session(c)->cat,
                    .a = c->arena,
                    .obj = lg_oid_of(c->args[1]),
                    .sub = lg_int4(c->args[2])};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].cls == cls)
            return kinds[i].fn(d);
    lg_call_error(c, "XX000", "unrecognized object class: %u", cls);
    return LG_SQL;
}

static lg_status
open_one(lg_call *c, void **ret_state)
{
    bool *first = LG_NEW(c->arena, bool);
    *first = true;
    *ret_state = first;
    return LG_OK;
}

static void
put(lg_call *c, const char *s, lg_datum *value, uint8_t *null)
{
    *null = s == NULL;
    *value = s ? lg_fx_text(c, s) : 0;
}

static lg_datum
texts(lg_call *c, const char *const *s, uint32_t n)
{
    lg_datum *v = LG_NEWN(c->arena, lg_datum, n + 1);
    for (uint32_t i = 0; i < n; i++)
        v[i] = lg_fx_text(c, s[i]);
    return lg_array_make(c->arena, LG_T_TEXT, n, v, NULL);
}

/* NULL arguments: the function is strict, a row of NULLs. */
static lg_status
next_one(lg_call *c, void *state, identity *d, bool *ret_gone)
{
    bool *first = state;
    if (!*first)
        return LG_END;
    *first = false;
    lg_status st = identify(c, d);
    *ret_gone = st == LG_NOT_FOUND;
    if (st == LG_NOT_FOUND)
        st = LG_OK;
    return c->st != LG_OK ? c->st : st;
}

static lg_status
object_next(lg_call *c, void *state, lg_datum *values, uint8_t *nulls)
{
    identity d;
    bool gone;
    LG_TRY(next_one(c, state, &d, &gone));
    put(c, d.type, &values[0], &nulls[0]);
    put(c, gone ? NULL : d.schema, &values[1], &nulls[1]);
    put(c, gone ? NULL : d.name, &values[2], &nulls[2]);
    put(c, gone ? NULL : d.text, &values[3], &nulls[3]);
    return LG_OK;
}

static lg_status
address_next(lg_call *c, void *state, lg_datum *values, uint8_t *nulls)
{
    identity d;
    bool gone;
    LG_TRY(next_one(c, state, &d, &gone));
    put(c, d.type, &values[0], &nulls[0]);
    nulls[1] = nulls[2] = gone;
    values[1] = gone ? 0 : texts(c, d.names, d.nnames);
    values[2] = gone ? 0 : texts(c, d.args, d.nargs);
    return LG_OK;
}

static const lg_srf object_srf = {open_one, object_next};
static const lg_srf address_srf = {open_one, address_next};

void
lg_fx_register_identify(lg_fntable *t)
{
    lg_fntable_set_srf(t, 3839, &object_srf);
    lg_fntable_set_srf(t, 3382, &address_srf);
}
