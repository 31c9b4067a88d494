/* Objects of the catalog in words, as PostgreSQL's getObjectDescription has them: "column a of table
 * t". For pg_describe_object and the reports of DDL. What is gone has no description. */
#include "acl.h"
#include "cat_collation.h"
#include "cat_proc.h"
#include "syscat_internal.h"
#include <string.h>

#define GETC(row, tab, col) LG_ROW_GET((row), LG_AT_##tab##_##col)

typedef struct describe {
    lg_exec_session *es;
    lg_arena *a;
    lg_oid obj;
    int32_t sub;
    const char *text; /* NULL: there is no such thing */
} describe;

static const char *
kind_word(char kind)
{
    switch (kind) {
    case LG_REL_INDEX:
        return "index";
    case LG_REL_SEQUENCE:
        return "sequence";
    case LG_REL_VIEW:
        return "view";
    case LG_REL_MATVIEW:
        return "materialized view";
    case LG_REL_COMPOSITE:
        return "composite type";
    default:
        return "table";
    }
}

static lg_status
relation_text(describe *d, lg_oid oid, const char **ret)
{
    lg_relation *r;
    bool visible = false;
    LG_TRY(lg_cat_relation_by_oid(d->es->cat, oid, &r));
    lg_status st = lg_cat_relation_visible(d->es->cat, oid, &visible);
    const char *name = lg_quote_ident(d->a, r->name);
    *ret = visible ? lg_arena_printf(d->a, "%s %s", kind_word(r->kind), name)
                   : lg_arena_printf(d->a, "%s %s.%s", kind_word(r->kind),
                                     lg_quote_ident(d->a, r->schema), name);
    lg_relation_unref(r);
    return st;
}

/* A column of a relation, or (0) the relation. */
static lg_status
class_text(describe *d, lg_oid oid, int32_t sub, const char **ret)
{
    lg_relation *r;
    LG_TRY(relation_text(d, oid, ret));
    if (!sub)
        return LG_OK;
    LG_TRY(lg_cat_relation_by_oid(d->es->cat, oid, &r));
    const lg_column *c = sub > 0 ? lg_relation_column(r, (int16_t)sub) : NULL;
    *ret = c && !c->dropped ? lg_arena_printf(d->a, "column %s of %s", c->name, *ret) : NULL;
    lg_relation_unref(r);
    return LG_OK;
}

static lg_status
of_class(describe *d)
{
    return class_text(d, d->obj, d->sub, &d->text);
}

static lg_status
of_type(describe *d)
{
    const char *name = lg_type_name(d->es->env, d->obj, -1, d->a);
    if (strcmp(name, "???") != 0)
        d->text = lg_arena_printf(d->a, "type %s", name);
    return LG_OK;
}

static lg_status
of_proc(describe *d)
{
    const lg_func *f = lg_func_get(d->obj);
    const char *name;
    if (f) {
        name = f->name;
    } else {
        lg_proc *p;
        bool visible = false;
        LG_TRY(lg_cat_proc(d->es->cat, d->obj, d->a, &p));
        LG_TRY(lg_cat_proc_visible(d->es->cat, p, &visible));
        f = &p->func;
        name = lg_quote_ident(d->a, f->name);
        if (!visible)
            name = lg_arena_printf(d->a, "%s.%s", lg_quote_ident(d->a, p->schema), name);
    }
    name = lg_arena_printf(d->a, "function %s(", name); /* whatever it is, as PostgreSQL */
    for (uint32_t i = 0; i < f->nargs; i++)
        name = lg_arena_printf(d->a, "%s%s%s", name, i ? "," : "",
                               lg_type_name(d->es->env, f->args[i], -1, d->a));
    d->text = lg_arena_printf(d->a, "%s)", name);
    return LG_OK;
}

static lg_status
find_row(describe *d, lg_oid table, lg_oid index, lg_cat_row *row)
{
    lg_datum key = lg_datum_oid(d->obj);
    return lg_cat_find(d->es->cat, table, index, 1, &key, d->a, row);
}

static lg_status
of_constraint(describe *d)
{
    lg_cat_row row;
    const char *on;
    LG_TRY(find_row(d, LG_REL_pg_constraint, LG_IX_pg_constraint_oid_index, &row));
    const char *name = lg_text_cstring(d->a, GETC(&row, pg_constraint, conname));
    lg_oid rel = lg_oid_of(GETC(&row, pg_constraint, conrelid));
    if (!rel) {
        d->text = lg_arena_printf(d->a, "constraint %s", name);
        return LG_OK;
    }
    LG_TRY(relation_text(d, rel, &on));
    d->text = lg_arena_printf(d->a, "constraint %s on %s", name, on);
    return LG_OK;
}

static lg_status
of_default(describe *d)
{
    lg_cat_row row;
    const char *column;
    LG_TRY(find_row(d, LG_REL_pg_attrdef, LG_IX_pg_attrdef_oid_index, &row));
    LG_TRY(class_text(d, lg_oid_of(GETC(&row, pg_attrdef, adrelid)),
                      lg_int2(GETC(&row, pg_attrdef, adnum)), &column));
    if (column)
        d->text = lg_arena_printf(d->a, "default value for %s", column);
    return LG_OK;
}

static lg_status
of_rule(describe *d)
{
    lg_cat_row row;
    const char *on;
    LG_TRY(find_row(d, LG_REL_pg_rewrite, LG_IX_pg_rewrite_oid_index, &row));
    LG_TRY(relation_text(d, lg_oid_of(GETC(&row, pg_rewrite, ev_class)), &on));
    d->text = lg_arena_printf(d->a, "rule %s on %s",
                              lg_text_cstring(d->a, GETC(&row, pg_rewrite, rulename)), on);
    return LG_OK;
}

static lg_status
of_schema(describe *d)
{
    const char *name;
    LG_TRY(lg_cat_namespace_name(d->es->cat, d->obj, d->a, &name));
    d->text = lg_arena_printf(d->a, "schema %s", name);
    return LG_OK;
}

static lg_status
of_role(describe *d)
{
    lg_role r;
    LG_TRY(lg_cat_role_by_oid(d->es->cat, d->obj, d->a, &r));
    d->text = lg_arena_printf(d->a, "role %s", r.name);
    return LG_OK;
}

static lg_status
of_database(describe *d)
{
    lg_cat_row row;
    LG_TRY(find_row(d, LG_REL_pg_database, LG_IX_pg_database_oid_index, &row));
    d->text = lg_arena_printf(d->a, "database %s",
                              lg_text_cstring(d->a, GETC(&row, pg_database, datname)));
    return LG_OK;
}

static lg_status
of_operator(describe *d)
{
    const lg_operator *o = lg_operator_get(d->obj);
    if (!o)
        return LG_NOT_FOUND;
    d->text = lg_arena_printf(d->a, "operator %s(%s,%s)", o->name,
                              o->left ? lg_type_format(d->a, o->left, -1) : "NONE",
                              o->right ? lg_type_format(d->a, o->right, -1) : "NONE");
    return LG_OK;
}

static lg_status
of_collation(describe *d)
{
    lg_cat_collation k;
    LG_TRY(lg_cat_collation_by_oid(d->es->cat, d->obj, d->a, &k));
    d->text = lg_arena_printf(d->a, "collation %s", lg_deparse_collation(d->es->env, d->obj, d->a));
    return LG_OK;
}

static const struct {
    lg_oid cls;
    lg_status (*fn)(describe *d);
} kinds[] = {
    {LG_REL_pg_class, of_class},         {LG_REL_pg_type, of_type},
    {LG_REL_pg_proc, of_proc},           {LG_REL_pg_constraint, of_constraint},
    {LG_REL_pg_attrdef, of_default},     {LG_REL_pg_rewrite, of_rule},
    {LG_REL_pg_namespace, of_schema},    {LG_REL_pg_authid, of_role},
    {LG_REL_pg_database, of_database},   {LG_REL_pg_operator, of_operator},
    {LG_REL_pg_collation, of_collation},
};

lg_status
lg_syscat_describe(lg_exec_session *es, lg_arena *a, lg_oid cls, lg_oid obj, int32_t sub,
                   const char **ret_text)
{
    describe d = {.es = es, .a = a, .obj = obj, .sub = sub};
    lg_status st = LG_UNSUPPORTED;
    *ret_text = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].cls == cls)
            st = kinds[i].fn(&d);
    if (st == LG_NOT_FOUND)
        return LG_OK;
    LG_TRY(st);
    *ret_text = d.text;
    return LG_OK;
}

static lg_datum
fn_pg_describe_object(lg_call *c)
{
    lg_oid cls = lg_oid_of(c->args[0]), obj = lg_oid_of(c->args[1]);
    const char *text;
    if (!cls && !obj) /* a pin of older catalogs */
        return lg_fx_null(c);
    lg_status st =
        lg_syscat_describe(lg_fx_session(c), c->arena, cls, obj, lg_int4(c->args[2]), &text);
    if (st == LG_UNSUPPORTED)
        return lg_call_error(c, "XX000", "unrecognized object class: %u", cls);
    if (st != LG_OK)
        return lg_fx_fail(c, st);
    return text ? lg_fx_text(c, text) : lg_fx_null(c);
}

void
lg_fx_register_describe(lg_fntable *t)
{
    static const lg_fx_entry list[] = {{"pg_describe_object", fn_pg_describe_object}};
    lg_fx_register(t, list, sizeof list / sizeof *list);
}
