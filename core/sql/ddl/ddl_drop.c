/* DROP: what is named. All objects of a statement are found and looked at before the first goes, so
 * they may need each other; what goes along and what forbids it is ddl_depend.c's. */
#include "acl.h"
#include "cat_proc.h"
#include "ddl_internal.h"
#include "usertype.h"
#include <ctype.h>
#include <string.h>

/* ---- schemas ---- */

static lg_status
find_schema(lg_util *u, const char *name, bool missing_ok, lg_oid *ret)
{
    lg_cat_row row;
    lg_datum key = lg_cat_name(u->a, name);
    *ret = 0;
    lg_status st = lg_cat_find(u->cat, LG_REL_pg_namespace, LG_IX_pg_namespace_nspname_index, 1,
                               &key, u->a, &row);
    if (st == LG_NOT_FOUND && missing_ok) {
        lg_ddl_notice(u, "00000", "schema \"%s\" does not exist, skipping", name);
        return LG_OK;
    }
    if (st == LG_NOT_FOUND)
        return lg_error_set(u->err, "3F000", "schema \"%s\" does not exist", name);
    LG_TRY(st);
    lg_oid nsp = lg_oid_of(GETC(&row, pg_namespace, oid));
    bool owns = false;
    LG_TRY(lg_cat_is_member(u->cat, lg_cat_user(u->cat),
                            lg_oid_of(GETC(&row, pg_namespace, nspowner)), false, &owns));
    if (!owns)
        return lg_error_set(u->err, "42501", "must be owner of schema %s", name);
    if (nsp < LG_OID_FIRST_NORMAL && nsp != LG_NSP_PUBLIC)
        return lg_error_set(u->err, "2BP01",
                            "cannot drop schema %s because it is required by the database system",
                            name);
    *ret = nsp;
    return LG_OK;
}

/* ---- relations ---- */

static const char *
kind_word(int32_t type)
{
    return type == LG_A_OBJECT_VIEW       ? "view"
           : type == LG_A_OBJECT_MATVIEW  ? "materialized view"
           : type == LG_A_OBJECT_SEQUENCE ? "sequence"
           : type == LG_A_OBJECT_INDEX    ? "index"
                                          : "table";
}

/* A relation that is named: found, of that kind, the user's own. *ret: 0 when it may be missing. */
static lg_status
find_one(lg_util *u, const lg_ast_drop_stmt *s, const lg_ast *object, lg_oid *ret)
{
    *ret = 0;
    const lg_ast_range_var *rv = lg_ddl_range_var(u, object);
    const char *word = kind_word(s->remove_type);
    lg_relation *r;
    lg_status st = lg_ddl_open(u, rv, LG_LOCK_ACCESS_EXCLUSIVE, true, &r);
    if (st == LG_NOT_FOUND) {
        st = lg_ddl_schema_missing(u, rv->schemaname, s->missing_ok);
        if (st == LG_NOT_FOUND)
            return LG_OK;
        LG_TRY(st);
        if (s->missing_ok) {
            lg_ddl_notice(u, "00000", "%s \"%s\" does not exist, skipping", word, rv->relname);
            return LG_OK;
        }
        return lg_error_set(u->err, s->remove_type == LG_A_OBJECT_INDEX ? "42704" : "42P01",
                            "%s \"%s\" does not exist", word, rv->relname);
    }
    LG_TRY(st);
    char want = s->remove_type == LG_A_OBJECT_VIEW       ? LG_REL_VIEW
                : s->remove_type == LG_A_OBJECT_MATVIEW  ? LG_REL_MATVIEW
                : s->remove_type == LG_A_OBJECT_SEQUENCE ? LG_REL_SEQUENCE
                : s->remove_type == LG_A_OBJECT_INDEX    ? LG_REL_INDEX
                                                         : LG_REL_TABLE;
    if (r->kind != want) {
        const char *is = lg_ddl_relation_word(r);
        st = lg_error_set(u->err, "42809", "\"%s\" is not a%s %s", r->name,
                          want == LG_REL_INDEX ? "n" : "", word);
        char upper[32];
        size_t len = 0;
        for (; is[len] && len + 1 < sizeof upper; len++)
            upper[len] = (char)toupper((unsigned char)is[len]);
        upper[len] = '\0';
        lg_error_hint(u->err, "Use DROP %s to remove a%s %s.", upper,
                      r->kind == LG_REL_INDEX ? "n" : "", is);
        goto out;
    }
    LG_CHECK(lg_ddl_check_owner(u, r));
    if (want == LG_REL_INDEX) {
        lg_oid table;
        lg_relation *t;
        LG_CHECK(lg_cat_index_table(u->cat, r->oid, &table));
        LG_CHECK(lg_ddl_open_oid(u, table, LG_LOCK_ACCESS_EXCLUSIVE, &t));
        lg_relation_unref(t);
    }
    *ret = r->oid;
out:
    lg_relation_unref(r);
    return st;
}

/* What is named; obj 0: it may be missing, and is. */
static lg_status
find_named(lg_util *u, const lg_ast_drop_stmt *s, const lg_ast *object, lg_ddl_object *ret)
{
    *ret = (lg_ddl_object){LG_REL_pg_class, 0, 0};
    switch (s->remove_type) {
    case LG_A_OBJECT_SCHEMA: {
        const char *name = lg_ast_str(object);
        ret->cls = LG_REL_pg_namespace;
        return find_schema(u, name ? name : lg_ddl_range_var(u, object)->relname, s->missing_ok,
                           &ret->obj);
    }
    case LG_A_OBJECT_TYPE:
    case LG_A_OBJECT_DOMAIN:
        ret->cls = LG_REL_pg_type;
        return lg_ddl_drop_type_find(u, s, object, &ret->obj);
    case LG_A_OBJECT_FUNCTION:
    case LG_A_OBJECT_PROCEDURE:
    case LG_A_OBJECT_ROUTINE:
        ret->cls = LG_REL_pg_proc;
        return lg_ddl_drop_function_find(u, s, object, &ret->obj);
    case LG_A_OBJECT_COLLATION:
        ret->cls = LG_REL_pg_collation;
        return lg_ddl_drop_collation_find(u, s, object, &ret->obj);
    default:
        return find_one(u, s, object, &ret->obj);
    }
}

static lg_status
drop_named(lg_util *u, const lg_ast_drop_stmt *s)
{
    lg_ddl_object *list = LG_NEWN(u->a, lg_ddl_object, s->objects.n + 1), o;
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->objects.n; i++) {
        LG_TRY(find_named(u, s, s->objects.at[i], &o));
        for (uint32_t k = 0; k < n && o.obj; k++)
            if (list[k].obj == o.obj)
                o.obj = 0;
        if (o.obj)
            list[n++] = o;
    }
    return lg_ddl_delete(u, list, n, s->behavior == LG_A_DROP_CASCADE ? LG_DDL_CASCADE : 0);
}

/* DROP INDEX CONCURRENTLY: what cannot be dropped is told by find_one. */
static lg_status
drop_prepare(lg_util *u, const lg_ast *object)
{
    lg_relation *r, *t;
    lg_oid table = 0, index = 0;
    lg_status st =
        lg_ddl_open(u, lg_ddl_range_var(u, object), LG_LOCK_SHARE_UPDATE_EXCLUSIVE, true, &r);
    if (st != LG_OK)
        return st == LG_NOT_FOUND ? LG_OK : st;
    if (r->kind == LG_REL_INDEX && r->persistence != 't' && lg_ddl_check_owner(u, r) == LG_OK) {
        index = r->oid;
        st = lg_cat_index_table(u->cat, r->oid, &table);
    }
    lg_error_clear(u->err);
    lg_relation_unref(r);
    if (st != LG_OK || !table)
        return st;
    LG_TRY(lg_ddl_open_oid(u, table, LG_LOCK_SHARE_UPDATE_EXCLUSIVE, &t));
    const lg_index *ix = lg_relation_index(t, index);
    bool plain = ix && !ix->constraint;
    lg_relation_unref(t);
    return plain ? lg_ddl_drop_index_concurrently(u, table, index) : LG_OK;
}

lg_status
lg_ddl_drop(lg_util *u, const lg_ast_drop_stmt *s)
{
    static const struct {
        int32_t type;
        const char *tag;
    } tags[] = {{LG_A_OBJECT_TABLE, "DROP TABLE"},
                {LG_A_OBJECT_VIEW, "DROP VIEW"},
                {LG_A_OBJECT_MATVIEW, "DROP MATERIALIZED VIEW"},
                {LG_A_OBJECT_FUNCTION, "DROP FUNCTION"},
                {LG_A_OBJECT_PROCEDURE, "DROP PROCEDURE"},
                {LG_A_OBJECT_ROUTINE, "DROP ROUTINE"},
                {LG_A_OBJECT_SEQUENCE, "DROP SEQUENCE"},
                {LG_A_OBJECT_INDEX, "DROP INDEX"},
                {LG_A_OBJECT_SCHEMA, "DROP SCHEMA"},
                {LG_A_OBJECT_TYPE, "DROP TYPE"},
                {LG_A_OBJECT_COLLATION, "DROP COLLATION"},
                {LG_A_OBJECT_DOMAIN, "DROP DOMAIN"}};
    const char *tag = NULL;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (tags[i].type == s->remove_type)
            tag = tags[i].tag;
    if (!tag)
        return lg_error_set(u->err, "0A000", "DROP of this kind of object is not supported");
    if (s->concurrent && s->objects.n > 1)
        return lg_error_set(u->err, "0A000",
                            "DROP INDEX CONCURRENTLY does not support dropping multiple objects");
    if (s->concurrent && s->behavior == LG_A_DROP_CASCADE)
        return lg_error_set(u->err, "0A000", "DROP INDEX CONCURRENTLY does not support CASCADE");
    if (s->concurrent)
        LG_TRY(drop_prepare(u, s->objects.at[0]));
    LG_TRY(drop_named(u, s));
    snprintf(u->tag, LG_TAG_MAX, "%s", tag);
    return LG_OK;
}
