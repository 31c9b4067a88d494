/* Temporary tables, views and sequences: where they go, ON COMMIT, and their end.
 *
 *   made         in pg_temp_N of the session (catalog_temp.c), as ordinary objects with relpersistence t
 *   ON COMMIT    a list of the session, by OID; one whose making was rolled back is found by nobody
 *   session ends all that it made is dropped, in a transaction of its own
 *   instance dies the schema's slot is free: swept by the next owner, at a start, or after a recovery */
#include "acl.h"
#include "ddl_internal.h"
#include "usertype.h"
#include <string.h>

struct on_commit {
    lg_oid table;
    bool drop;
};

struct lg_ddl_temps {
    struct on_commit *at;
    uint32_t n, cap;
};

bool
lg_ddl_wants_temp(lg_util *u, const lg_ast_range_var *rv)
{
    if (rv->relpersistence && *rv->relpersistence == 't')
        return true;
    if (!rv->schemaname)
        return lg_cat_temp_path(u->cat);
    lg_oid nsp;
    return strcmp(rv->schemaname, "pg_temp") == 0 ||
           (lg_cat_temp_namespace(u->cat) && strncmp(rv->schemaname, "pg_temp_", 8) == 0 &&
            lg_cat_namespace_by_name(u->cat, rv->schemaname, &nsp) == LG_OK &&
            nsp == lg_cat_temp_namespace(u->cat));
}

/* ---- dropping ---- */

static lg_util
util_of(lg_exec_session *es, lg_arena *a, char tag[LG_TAG_MAX])
{
    return (lg_util){.es = es, .cat = es->cat, .err = es->err, .a = a, .tag = tag};
}

/* Relations of the schema, whoever made them. */
static lg_status
list_relations(lg_util *u, lg_oid nsp, lg_oid **ret, uint32_t *ret_n)
{
    lg_cat_scan s;
    lg_cat_row row;
    uint32_t cap = 0;
    lg_status st;
    *ret = NULL;
    *ret_n = 0;
    LG_TRY(lg_cat_scan_open(u->cat, LG_REL_pg_class, 0, 0, NULL, u->a, &s));
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        if (lg_oid_of(GETC(&row, pg_class, relnamespace)) != nsp)
            continue;
        *ret = lg_ddl_room(u, *ret, *ret_n, &cap, sizeof **ret);
        (*ret)[(*ret_n)++] = lg_oid_of(GETC(&row, pg_class, oid));
    }
    lg_cat_scan_close(&s);
    return st == LG_END ? LG_OK : st;
}

/* Nobody asked for it: no notices. */
static lg_status
drop_quietly(lg_util *u, const lg_oid *oids, uint32_t n)
{
    lg_ddl_object *list = LG_NEWN(u->a, lg_ddl_object, n + 1);
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++) {
        lg_relation *r;
        lg_status st = lg_cat_relation_by_oid(u->cat, oids[i], &r);
        if (st == LG_NOT_FOUND) /* gone, with what it belonged to perhaps */
            continue;
        LG_TRY(st);
        if (r->kind == LG_REL_COMPOSITE)
            list[k++] = (lg_ddl_object){LG_REL_pg_type, lg_usertype_oid(LG_UT_ROW, oids[i]), 0};
        else if (r->kind != LG_REL_INDEX)
            list[k++] = (lg_ddl_object){LG_REL_pg_class, oids[i], 0};
        lg_relation_unref(r);
    }
    return lg_ddl_delete(u, list, k, LG_DDL_QUIET | LG_DDL_CASCADE);
}

lg_status
lg_ddl_temp_drop(lg_exec_session *es, lg_arena *a)
{
    char tag[LG_TAG_MAX];
    lg_util u = util_of(es, a, tag);
    uint32_t n = 0;
    size_t pos = 0;
    lg_oid oid, *oids;
    while (lg_cat_temp_next(es->cat, &pos, &oid))
        n++;
    oids = LG_NEWN(a, lg_oid, n + 1);
    for (pos = 0, n = 0; lg_cat_temp_next(es->cat, &pos, &oid);)
        oids[n++] = oid;
    LG_TRY(drop_quietly(&u, oids, n));
    lg_cat_temp_over(es->cat);
    return LG_OK;
}

lg_status
lg_ddl_temp_list(lg_exec_session *es, lg_arena *a, const char *const **ret_names, uint32_t *ret_n)
{
    enum { MAX = 256 }; /* the rest next time */
    lg_oid seen[MAX];
    const char **names = LG_NEWN(a, const char *, MAX);
    lg_cat_scan s;
    lg_cat_row row;
    lg_status st;
    uint32_t n = 0;
    LG_TRY(lg_cat_scan_open(es->cat, LG_REL_pg_class, 0, 0, NULL, a, &s));
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK && n < MAX) {
        lg_oid nsp = lg_oid_of(GETC(&row, pg_class, relnamespace));
        bool known = lg_char(GETC(&row, pg_class, relpersistence)) != 't';
        for (uint32_t i = 0; i < n; i++)
            known |= seen[i] == nsp;
        if (!known)
            seen[n++] = nsp;
    }
    lg_cat_scan_close(&s);
    if (st != LG_END && st != LG_OK)
        return st;
    *ret_n = 0;
    for (uint32_t i = 0; i < n; i++)
        if (lg_cat_namespace_name(es->cat, seen[i], a, &names[*ret_n]) == LG_OK)
            (*ret_n)++;
    *ret_names = names;
    return LG_OK;
}

lg_status
lg_ddl_temp_sweep(lg_exec_session *es, lg_arena *a, const char *schema)
{
    char tag[LG_TAG_MAX];
    lg_util u = util_of(es, a, tag);
    lg_oid nsp, *oids;
    uint32_t n;
    lg_status st = lg_cat_namespace_by_name(es->cat, schema, &nsp);
    if (st == LG_NOT_FOUND)
        return LG_OK;
    LG_TRY(st);
    LG_TRY(list_relations(&u, nsp, &oids, &n));
    return drop_quietly(&u, oids, n);
}

/* ---- making ---- */

lg_status
lg_ddl_temp_namespace(lg_util *u, lg_oid *ret_nsp)
{
    uint32_t may, n;
    bool found;
    lg_oid *oids;
    LG_TRY(lg_cat_database_mask(u->cat, lg_cat_user(u->cat), lg_cat_database_oid(u->cat),
                                LG_ACL_TEMPORARY, &may));
    if (!may)
        return lg_error_set(u->err, "42501",
                            "permission denied to create temporary tables in database \"%s\"",
                            lg_cat_database(u->cat));
    if (u->es->read_only)
        return lg_error_set(u->err, "25006",
                            "cannot execute CREATE TABLE in a read-only "
                            "transaction");
    LG_TRY(lg_cat_temp_begin(u->cat, ret_nsp, &found));
    if (!found)
        return LG_OK;
    LG_TRY(list_relations(u, *ret_nsp, &oids, &n));
    return drop_quietly(u, oids, n);
}

/* ---- ON COMMIT ---- */

void
lg_ddl_temp_on_commit(lg_util *u, lg_oid table, int32_t action)
{
    struct lg_ddl_temps *t = u->es->temps;
    if (action != LG_A_ONCOMMIT_DELETE_ROWS && action != LG_A_ONCOMMIT_DROP)
        return;
    if (!t)
        t = u->es->temps = lg_zalloc(sizeof *t);
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 8;
        t->at = lg_realloc(t->at, t->cap * sizeof *t->at);
    }
    t->at[t->n++] = (struct on_commit){table, action == LG_A_ONCOMMIT_DROP};
}

void
lg_ddl_session_fini(lg_exec_session *es)
{
    if (es->temps)
        lg_free(es->temps->at);
    lg_free(es->temps);
    es->temps = NULL;
}

/* Only a table that the transaction has locked for writing can have rows to delete. */
static bool
was_written(lg_util *u, lg_oid table)
{
    lg_lockmode mode;
    return lg_cat_lock_held(u->cat, table, &mode) == LG_OK && mode >= LG_LOCK_ROW_EXCLUSIVE;
}

lg_status
lg_ddl_temp_commit(lg_exec_session *es, lg_arena *a)
{
    char tag[LG_TAG_MAX];
    lg_util u = util_of(es, a, tag);
    struct lg_ddl_temps *t = es->temps;
    uint32_t n = 0;
    for (uint32_t i = 0; t && i < t->n; i++) {
        lg_relation *r;
        struct on_commit c = t->at[i];
        lg_status st = lg_cat_relation_by_oid(es->cat, c.table, &r);
        if (st == LG_NOT_FOUND) /* dropped, or never made: OIDs are not given twice */
            continue;
        LG_TRY(st);
        lg_relation_unref(r);
        if (c.drop)
            LG_TRY(drop_quietly(&u, &c.table, 1));
        else if (was_written(&u, c.table))
            LG_TRY(lg_ddl_truncate_one(&u, c.table));
        if (!c.drop)
            t->at[n++] = c;
    }
    if (t)
        t->n = n;
    return LG_OK;
}
