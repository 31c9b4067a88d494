/* What indexes and their access method can do: pg_indexam_has_property, pg_index_has_property,
 * pg_index_column_has_property; and what has no objects here: partitions, foreign servers. There is one access method,
 * the B-tree, with PostgreSQL's properties: https://www.postgresql.org/docs/15/functions-info.html, table 9.72 ff. */
#include "syscat_internal.h"
#include "text.h"
#include <string.h>
#include <strings.h>

#define BTREE_AM 403

typedef enum { ABSENT, NO, YES } answer; /* ABSENT: no such property there, which is NULL */

static lg_datum
told(lg_call *c, answer a)
{
    return a == ABSENT ? lg_fx_null(c) : a == YES;
}

static bool
is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (strcasecmp(name, *list) == 0)
            return true;
    return false;
}

static answer
of_method(const char *name)
{
    static const char *const can[] = {"can_order",   "can_unique",  "can_multi_col",
                                      "can_exclude", "can_include", NULL};
    return is_one_of(name, can) ? YES : ABSENT;
}

static answer
of_index(const char *name)
{
    static const char *const can[] = {"clusterable", "index_scan", "bitmap_scan", "backward_scan",
                                      NULL};
    return is_one_of(name, can) ? YES : ABSENT;
}

/* key: the column's place among the key columns; NULL: one of INCLUDE. */
static answer
of_column(const char *name, const lg_keycol *key)
{
    static const char *const keys_can[] = {"search_array", "search_nulls", NULL};
    if (strcasecmp(name, "returnable") == 0)
        return YES;
    if (strcasecmp(name, "distance_orderable") == 0)
        return NO;
    if (strcasecmp(name, "orderable") == 0)
        return key ? YES : NO;
    if (!key)
        return ABSENT;
    if (is_one_of(name, keys_can))
        return YES;
    if (strcasecmp(name, "asc") == 0)
        return key->desc ? NO : YES;
    if (strcasecmp(name, "desc") == 0)
        return key->desc ? YES : NO;
    if (strcasecmp(name, "nulls_first") == 0)
        return key->nulls_first ? YES : NO;
    if (strcasecmp(name, "nulls_last") == 0)
        return key->nulls_first ? NO : YES;
    return ABSENT;
}

static lg_datum
fn_indexam_has_property(lg_call *c)
{
    const char *name = lg_text_cstring(c->arena, c->args[1]);
    return told(c, lg_oid_of(c->args[0]) == BTREE_AM ? of_method(name) : ABSENT);
}

/* column 0: the index itself. LG_NOT_FOUND: there is no such index. */
static lg_status
index_property(lg_call *c, int32_t column, const char *name, answer *ret)
{
    lg_cat *cat = lg_fx_session(c)->cat;
    lg_oid oid = lg_oid_of(c->args[0]), table;
    lg_relation *rel;
    *ret = ABSENT;
    LG_TRY(lg_cat_index_table(cat, oid, &table));
    if (table == 0)
        return LG_NOT_FOUND;
    LG_TRY(lg_cat_relation_by_oid(cat, table, &rel));
    const lg_index *ix = lg_relation_index(rel, oid);
    if (ix && column == 0)
        *ret = of_index(name);
    else if (ix && column <= ix->natts)
        *ret = of_column(name, column <= ix->nkeys ? &ix->key[column - 1] : NULL);
    lg_relation_unref(rel);
    return LG_OK;
}

static lg_datum
answer_about_index(lg_call *c, int32_t column, lg_datum name)
{
    answer a;
    lg_status st = index_property(c, column, lg_text_cstring(c->arena, name), &a);
    return st == LG_OK ? told(c, a) : st == LG_NOT_FOUND ? lg_fx_null(c) : lg_fx_fail(c, st);
}

static lg_datum
fn_index_has_property(lg_call *c)
{
    return answer_about_index(c, 0, c->args[1]);
}

static lg_datum
fn_index_column_has_property(lg_call *c)
{
    int32_t column = lg_int4(c->args[1]);
    return column <= 0 ? lg_fx_null(c) : answer_about_index(c, column, c->args[2]);
}

/* --- nothing is partitioned, nothing is foreign --- */

static lg_datum
fn_partition_root(lg_call *c)
{
    return lg_fx_null(c);
}

/* The object is the last argument but one: a name, which does not exist, or an OID, which is none. */
static lg_datum
no_such(lg_call *c, const char *what)
{
    uint32_t at = c->nargs - 2;
    if (lg_argtype(c, at) != LG_T_TEXT)
        return lg_fx_null(c);
    return lg_call_error(c, "42704", "%s \"%s\" does not exist", what,
                         lg_text_cstring(c->arena, c->args[at]));
}

static lg_datum
fn_has_server_privilege(lg_call *c)
{
    return no_such(c, "server");
}

static lg_datum
fn_has_foreign_data_wrapper_privilege(lg_call *c)
{
    return no_such(c, "foreign-data wrapper");
}

static const lg_fx_entry list[] = {
    {"pg_indexam_has_property", fn_indexam_has_property},
    {"pg_index_has_property", fn_index_has_property},
    {"pg_index_column_has_property", fn_index_column_has_property},
    {"pg_partition_root", fn_partition_root},
    {"has_server_privilege", fn_has_server_privilege},
    {"has_foreign_data_wrapper_privilege", fn_has_foreign_data_wrapper_privilege},
};

void
lg_fx_register_props(lg_fntable *t)
{
    lg_fx_register(t, list, sizeof list / sizeof *list);
}
