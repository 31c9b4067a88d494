/* Utility statements: dispatch, LOCK, ANALYZE and VACUUM, COMMENT, owners. */
#include "acl.h"
#include "cat_proc.h"
#include "ddl_internal.h"
#include "explain.h"
#include "relstat.h"
#include <string.h>
#include <strings.h>

/* ---- LOCK ---- */

lg_status
lg_ddl_lock(lg_util *u, const lg_ast_lock_stmt *s)
{
    snprintf(u->tag, LG_TAG_MAX, "LOCK TABLE");
    for (uint32_t i = 0; i < s->relations.n; i++) {
        const lg_ast_range_var *rv = lg_ast_as(s->relations.at[i], range_var);
        lg_relation *r;
        LG_TRY(lg_ddl_open(u, rv, LG_LOCK_NONE, false, &r));
        uint32_t have, any = LG_ACL_UPDATE | LG_ACL_DELETE | LG_ACL_TRUNCATE;
        any |= s->mode == LG_LOCK_ACCESS_SHARE    ? LG_ACL_SELECT
               : s->mode <= LG_LOCK_ROW_EXCLUSIVE ? LG_ACL_INSERT
                                                  : 0;
        lg_status st = lg_cat_relation_mask(u->cat, lg_cat_user(u->cat), r, any, &have);
        if (st == LG_OK && !have)
            st = lg_ddl_check_privilege(u, r, any, 0, NULL);
        if (st == LG_OK)
            st = lg_cat_lock(u->cat, r->oid, (lg_lockmode)s->mode, s->nowait);
        if (st == LG_LOCK_NOT_AVAILABLE && s->nowait)
            st = lg_error_set(u->err, "55P03", "could not obtain lock on relation \"%s\"", r->name);
        lg_relation_unref(r);
        LG_TRY(st);
    }
    return LG_OK;
}

/* ---- SET CONSTRAINTS ---- */

/* All constraints of that name in the schema: their OIDs are appended. */
static lg_status
constraints_in(lg_util *u, lg_oid nsp, const char *name, bool deferred, lg_oid *oids, uint32_t cap,
               uint32_t *n, bool *ret_found)
{
    lg_cat_scan s;
    lg_cat_row row;
    lg_datum keys[2] = {lg_cat_name(u->a, name), lg_datum_oid(nsp)};
    lg_status st = lg_cat_scan_open(u->cat, LG_REL_pg_constraint,
                                    LG_IX_pg_constraint_conname_nsp_index, 2, keys, u->a, &s);
    while (st == LG_OK && (st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        *ret_found = true;
        if (lg_bool(GETC(&row, pg_constraint, condeferrable))) {
            if (*n < cap)
                oids[(*n)++] = lg_oid_of(GETC(&row, pg_constraint, oid));
        } else if (deferred) {
            st = lg_error_set(u->err, "42809", "constraint \"%s\" is not deferrable", name);
        }
    }
    lg_cat_scan_close(&s);
    return st == LG_END ? LG_OK : st;
}

static lg_status
set_constraints(lg_util *u, const lg_ast_constraints_set_stmt *s)
{
    enum { MAX = 1024 };
    lg_oid *oids = LG_NEWN(u->a, lg_oid, MAX);
    uint32_t n = 0;
    snprintf(u->tag, LG_TAG_MAX, "SET CONSTRAINTS");
    if (!s->constraints.n)
        return lg_xcheck_set(u->es, 0, NULL, s->deferred);
    for (uint32_t i = 0; i < s->constraints.n; i++) {
        const lg_ast_range_var *rv = lg_ast_as(s->constraints.at[i], range_var);
        const lg_oid *path;
        uint32_t npath;
        bool found = false;
        lg_oid one;
        if (rv->schemaname) {
            lg_status st = lg_cat_namespace_by_name(u->cat, rv->schemaname, &one);
            if (st == LG_NOT_FOUND)
                return lg_error_set(u->err, "3F000", "schema \"%s\" does not exist",
                                    rv->schemaname);
            LG_TRY(st);
            path = &one;
            npath = 1;
        } else {
            LG_TRY(lg_cat_search_path(u->cat, true, u->a, &path, &npath));
        }
        for (uint32_t k = 0; k < npath && !found; k++)
            LG_TRY(constraints_in(u, path[k], rv->relname, s->deferred, oids, MAX, &n, &found));
        if (!found)
            return lg_error_set(u->err, "42704", "constraint \"%s\" does not exist", rv->relname);
    }
    return n ? lg_xcheck_set(u->es, n, oids, s->deferred) : LG_OK;
}

/* ---- ANALYZE, VACUUM ---- */

static lg_status
check_vacuum_options(lg_util *u, const lg_ast_vacuum_stmt *s)
{
    static const char *const known[] = {
        "verbose",  "skip_locked", "analyze",       "freeze",       "full", "disable_page_skipping",
        "truncate", "parallel",    "index_cleanup", "process_toast"};
    for (uint32_t i = 0; i < s->options.n; i++) {
        const lg_ast_def_elem *e = lg_ast_as(s->options.at[i], def_elem);
        bool found = false;
        for (size_t k = 0; k < (s->is_vacuumcmd ? sizeof known / sizeof *known : 2); k++)
            found = found || strcmp(known[k], e->defname) == 0;
        if (found)
            continue;
        lg_error_set(u->err, "42601", "unrecognized %s option \"%s\"",
                     s->is_vacuumcmd ? "VACUUM" : "ANALYZE", e->defname);
        u->err->position = lg_exec_position(u->es, e->h.loc);
        return LG_SQL;
    }
    return LG_OK;
}

/* Whoever owns the table or the database may; else, and for what has no rows of its own, a warning. */
static lg_status
may_vacuum(lg_util *u, const lg_relation *r, const char *verb, bool *ret)
{
    lg_database db;
    bool kind = r->kind == LG_REL_TABLE || r->kind == LG_REL_MATVIEW;
    *ret = r->owner == lg_cat_user(u->cat);
    if (!*ret)
        LG_TRY(lg_cat_is_member(u->cat, lg_cat_user(u->cat), r->owner, false, ret));
    if (!*ret && lg_cat_database_by_name(u->cat, lg_cat_database(u->cat), u->a, &db) == LG_OK)
        LG_TRY(lg_cat_is_member(u->cat, lg_cat_user(u->cat), db.owner, false, ret));
    const char *why =
        !*ret ? lg_arena_printf(u->a, "only table or database owner can %s it", verb)
              : lg_arena_printf(u->a, "cannot %s non-tables or special system tables", verb);
    if (*ret && kind)
        return LG_OK;
    *ret = false;
    u->es->notice(u->es->arg, "WARNING", "01000",
                  lg_arena_printf(u->a, "skipping \"%s\" --- %s", r->name, why), NULL);
    return LG_OK;
}

static lg_status
check_analyze_columns(lg_util *u, const lg_relation *r, const lg_ast_list *names)
{
    for (uint32_t i = 0; i < names->n; i++) {
        const char *name = lg_ast_list_str(names, i);
        if (!lg_relation_column_by_name(r, name))
            return lg_error_set(u->err, "42703", "column \"%s\" of relation \"%s\" does not exist",
                                name, r->name);
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(name, lg_ast_list_str(names, k)) == 0)
                return lg_error_set(u->err, "42701",
                                    "column \"%s\" of relation \"%s\" appears more than once", name,
                                    r->name);
    }
    return LG_OK;
}

lg_status
lg_ddl_analyze(lg_util *u, const lg_ast_vacuum_stmt *s)
{
    bool analyze = !s->is_vacuumcmd;
    for (uint32_t i = 0; i < s->options.n; i++)
        analyze |= strcasecmp(lg_ast_as(s->options.at[i], def_elem)->defname, "analyze") == 0;
    snprintf(u->tag, LG_TAG_MAX, "%s", s->is_vacuumcmd ? "VACUUM" : "ANALYZE");
    LG_TRY(check_vacuum_options(u, s));
    for (uint32_t i = 0; i < s->rels.n; i++) {
        lg_relation *r;
        const lg_ast_vacuum_relation *v = lg_ast_as(s->rels.at[i], vacuum_relation);
        bool may;
        if (v->va_cols.n && !analyze)
            return lg_error_set(u->err, "0A000",
                                "ANALYZE option must be specified when a column list is provided");
        LG_TRY(lg_ddl_open(u, v->relation, LG_LOCK_SHARE_UPDATE_EXCLUSIVE, false, &r));
        lg_status st = may_vacuum(u, r, s->is_vacuumcmd ? "vacuum" : "analyze", &may);
        if (st == LG_OK && may)
            st = check_analyze_columns(u, r, &v->va_cols);
        if (st != LG_OK || !may) {
            lg_relation_unref(r);
            LG_TRY(st);
            continue;
        }
        if (analyze && (r->kind == LG_REL_TABLE || r->kind == LG_REL_MATVIEW) && !r->is_system)
            st = lg_ddl_analyze_table(u, r);
        if (st == LG_OK && s->is_vacuumcmd)
            lg_cat_relstat_vacuumed(u->cat, r->oid);
        lg_relation_unref(r);
        LG_TRY(st);
    }
    if (s->rels.n || !analyze)
        return LG_OK;
    lg_cat_scan sc; /* all tables */
    lg_cat_row row;
    lg_oid *oids = LG_NEWN(u->a, lg_oid, 4096);
    uint32_t n = 0;
    LG_TRY(lg_cat_scan_open(u->cat, LG_REL_pg_class, 0, 0, NULL, u->a, &sc));
    lg_status st;
    while ((st = lg_cat_scan_next(&sc, &row)) == LG_OK)
        if (strchr("rm", lg_char(GETC(&row, pg_class, relkind))) && n < 4096 &&
            lg_oid_of(GETC(&row, pg_class, oid)) >= LG_OID_FIRST_NORMAL)
            oids[n++] = lg_oid_of(GETC(&row, pg_class, oid));
    lg_cat_scan_close(&sc);
    if (st != LG_END)
        return st;
    for (uint32_t i = 0; i < n; i++) {
        lg_relation *r;
        st = lg_ddl_open_oid(u, oids[i], LG_LOCK_SHARE_UPDATE_EXCLUSIVE, &r);
        if (st != LG_OK) { /* dropped meanwhile */
            lg_error_clear(u->err);
            continue;
        }
        st = lg_ddl_analyze_table(u, r);
        lg_relation_unref(r);
        LG_TRY(st);
    }
    return LG_OK;
}

static bool
is_function(int32_t type)
{
    return type == LG_A_OBJECT_FUNCTION || type == LG_A_OBJECT_PROCEDURE ||
           type == LG_A_OBJECT_ROUTINE;
}

/* ---- COMMENT ---- */

/* Databases and roles, which are the cluster's. */
static lg_status
comment_shared(lg_util *u, const lg_ast_comment_stmt *s)
{
    bool role = s->objtype == LG_A_OBJECT_ROLE;
    const char *name = lg_ast_str(s->object);
    lg_role r;
    lg_database db;
    lg_cat_row row;
    lg_status st = role ? lg_cat_role_by_name(u->cat, name, u->a, &r)
                        : lg_cat_database_by_name(u->cat, name, u->a, &db);
    if (st == LG_NOT_FOUND)
        return role ? lg_error_set(u->err, "42704", "role \"%s\" does not exist", name)
                    : lg_error_set(u->err, "3D000", "database \"%s\" does not exist", name);
    LG_TRY(st);
    lg_oid obj = role ? r.oid : db.oid, cls = role ? LG_REL_pg_authid : LG_REL_pg_database;
    bool may = false;
    LG_TRY(lg_cat_is_member(u->cat, lg_cat_user(u->cat), role ? r.oid : db.owner, false, &may));
    if (!may)
        return lg_error_set(u->err, "42501", "must be owner of %s %s", role ? "role" : "database",
                            name);
    lg_datum keys[2] = {lg_datum_oid(obj), lg_datum_oid(cls)};
    LG_TRY(lg_cat_delete_where(u->cat, LG_REL_pg_shdescription, LG_IX_pg_shdescription_o_c_index, 2,
                               keys, NULL));
    if (!s->comment || !*s->comment)
        return LG_OK;
    lg_cat_row_init(LG_REL_pg_shdescription, &row);
    SETC(&row, pg_shdescription, objoid, obj);
    SETC(&row, pg_shdescription, classoid, cls);
    SETC(&row, pg_shdescription, description, lg_datum_cstring_text(u->a, s->comment));
    return lg_cat_insert(u->cat, LG_REL_pg_shdescription, &row);
}

lg_status
lg_ddl_comment(lg_util *u, const lg_ast_comment_stmt *s)
{
    lg_oid cls = LG_REL_pg_class, obj = 0;
    int32_t sub = 0;
    lg_status st = LG_OK;
    snprintf(u->tag, LG_TAG_MAX, "COMMENT");
    if (s->objtype == LG_A_OBJECT_SCHEMA) {
        const char *name = lg_ast_str(s->object);
        cls = LG_REL_pg_namespace;
        st = lg_cat_namespace_by_name(u->cat, name, &obj);
        if (st == LG_NOT_FOUND)
            return lg_error_set(u->err, "3F000", "schema \"%s\" does not exist", name);
        LG_TRY(st);
        lg_cat_row nsp;
        bool owns = false;
        lg_datum key = lg_cat_name(u->a, name);
        if (lg_cat_find(u->cat, LG_REL_pg_namespace, LG_IX_pg_namespace_nspname_index, 1, &key,
                        u->a, &nsp) == LG_OK)
            LG_TRY(lg_cat_is_member(u->cat, lg_cat_user(u->cat),
                                    lg_oid_of(GETC(&nsp, pg_namespace, nspowner)), false, &owns));
        if (!owns)
            return lg_error_set(u->err, "42501", "must be owner of schema %s", name);
    } else if (is_function(s->objtype)) {
        lg_proc *p;
        bool may = false;
        LG_TRY(lg_ddl_function_named(u, lg_ast_as(s->object, object_with_args), s->objtype, false,
                                     &p));
        LG_TRY(lg_cat_is_member(u->cat, lg_cat_user(u->cat), p->owner, false, &may));
        cls = LG_REL_pg_proc;
        obj = p->func.oid;
        st = may ? LG_OK
                 : lg_error_set(u->err, "42501", "must be owner of function %s", p->func.name);
    } else if (s->objtype == LG_A_OBJECT_COLLATION) {
        cls = LG_REL_pg_collation;
        st = lg_ddl_collation_named(u, &lg_ast_as(s->object, list_node)->list, &obj);
    } else if (s->objtype == LG_A_OBJECT_DATABASE || s->objtype == LG_A_OBJECT_ROLE) {
        return comment_shared(u, s);
    } else if (s->objtype == LG_A_OBJECT_COLUMN || s->objtype == LG_A_OBJECT_TABCONSTRAINT) {
        const lg_ast_list *l = &lg_ast_as(s->object, list_node)->list;
        if (l->n < 2)
            return lg_error_set(u->err, "42601", "column name must be qualified");
        lg_ast_range_var rv = {.relname = lg_ast_list_str(l, l->n - 2),
                               .schemaname = l->n > 2 ? lg_ast_list_str(l, l->n - 3) : NULL};
        const char *name = lg_ast_list_str(l, l->n - 1);
        lg_relation *r;
        LG_TRY(lg_ddl_open(u, &rv, LG_LOCK_SHARE_UPDATE_EXCLUSIVE, false, &r));
        obj = r->oid;
        st = lg_ddl_check_owner(u, r);
        if (st != LG_OK) {
            lg_relation_unref(r);
            return st;
        }
        if (s->objtype == LG_A_OBJECT_COLUMN) {
            const lg_column *c = lg_relation_column_by_name(r, name);
            if (!c)
                st = lg_error_set(u->err, "42703",
                                  "column \"%s\" of relation \"%s\" does not exist", name, r->name);
            else
                sub = c->attnum;
        } else {
            cls = LG_REL_pg_constraint;
            obj = 0;
            for (uint16_t i = 0; i < r->nconstraints; i++)
                if (strcmp(r->constraints[i].name, name) == 0)
                    obj = r->constraints[i].oid;
            if (!obj)
                st = lg_error_set(u->err, "42704",
                                  "constraint \"%s\" for table \"%s\" does not exist", name,
                                  r->name);
        }
        lg_relation_unref(r);
    } else if (s->objtype == LG_A_OBJECT_TABLE || s->objtype == LG_A_OBJECT_VIEW ||
               s->objtype == LG_A_OBJECT_MATVIEW || s->objtype == LG_A_OBJECT_INDEX ||
               s->objtype == LG_A_OBJECT_SEQUENCE) {
        lg_relation *r;
        LG_TRY(lg_ddl_open(u, lg_ddl_range_var(u, s->object), LG_LOCK_SHARE_UPDATE_EXCLUSIVE, false,
                           &r));
        obj = r->oid;
        st = lg_ddl_check_owner(u, r);
        char want = s->objtype == LG_A_OBJECT_VIEW       ? LG_REL_VIEW
                    : s->objtype == LG_A_OBJECT_MATVIEW  ? LG_REL_MATVIEW
                    : s->objtype == LG_A_OBJECT_INDEX    ? LG_REL_INDEX
                    : s->objtype == LG_A_OBJECT_SEQUENCE ? LG_REL_SEQUENCE
                                                         : LG_REL_TABLE;
        if (st == LG_OK && r->kind != want)
            st = lg_error_set(u->err, "42809", "\"%s\" is not a%s", r->name,
                              want == LG_REL_VIEW       ? " view"
                              : want == LG_REL_MATVIEW  ? " materialized view"
                              : want == LG_REL_INDEX    ? "n index"
                              : want == LG_REL_SEQUENCE ? " sequence"
                                                        : " table");
        lg_relation_unref(r);
    } else if (s->objtype == LG_A_OBJECT_TYPE || s->objtype == LG_A_OBJECT_DOMAIN) {
        cls = LG_REL_pg_type;
        LG_TRY(lg_ddl_type_named(u, &lg_ast_as(s->object, type_name)->names, false, &obj));
        st = lg_ddl_type_owner_check(u, obj);
    } else {
        return lg_error_set(u->err, "0A000", "COMMENT on this kind of object is not supported");
    }
    LG_TRY(st);
    lg_datum keys[3] = {lg_datum_oid(obj), lg_datum_oid(cls), lg_datum_int4(sub)};
    LG_TRY(lg_cat_delete_where(u->cat, LG_REL_pg_description, LG_IX_pg_description_o_c_o_index, 3,
                               keys, NULL));
    if (!s->comment || !*s->comment)
        return LG_OK;
    lg_cat_row row;
    lg_cat_row_init(LG_REL_pg_description, &row);
    SETC(&row, pg_description, objoid, obj);
    SETC(&row, pg_description, classoid, cls);
    SETC(&row, pg_description, objsubid, lg_datum_int4(sub));
    SETC(&row, pg_description, description, lg_datum_cstring_text(u->a, s->comment));
    return lg_cat_insert(u->cat, LG_REL_pg_description, &row);
}

/* ---- owners ---- */

static void
set_owner(lg_cat_row *row, void *arg)
{
    SETC(row, pg_class, relowner, *(lg_oid *)arg);
}

lg_status
lg_ddl_owner(lg_util *u, const lg_ast_alter_owner_stmt *s)
{
    lg_oid role;
    LG_TRY(lg_ddl_role(u, s->newowner, &role));
    if (s->object_type == LG_A_OBJECT_DATABASE)
        return lg_ddl_database_owner(u, lg_ast_str(s->object), role);
    if (is_function(s->object_type))
        return lg_ddl_function_owner(u, s, role);
    if (s->object_type == LG_A_OBJECT_SCHEMA) {
        lg_cat_row old, row;
        lg_datum key = lg_cat_name(u->a, lg_ast_str(s->object));
        lg_status st = lg_cat_find(u->cat, LG_REL_pg_namespace, LG_IX_pg_namespace_nspname_index, 1,
                                   &key, u->a, &old);
        if (st == LG_NOT_FOUND)
            return lg_error_set(u->err, "3F000", "schema \"%s\" does not exist",
                                lg_ast_str(s->object));
        LG_TRY(st);
        row = old;
        SETC(&row, pg_namespace, nspowner, role);
        snprintf(u->tag, LG_TAG_MAX, "ALTER SCHEMA");
        return lg_cat_update(u->cat, LG_REL_pg_namespace, &old, &row);
    }
    if (s->object_type == LG_A_OBJECT_TYPE || s->object_type == LG_A_OBJECT_DOMAIN)
        return lg_ddl_type_owner(u, &lg_ast_as(s->object, list_node)->list, role,
                                 s->object_type == LG_A_OBJECT_DOMAIN);
    if (s->object_type == LG_A_OBJECT_COLLATION)
        return lg_ddl_collation_owner(u, s, role);
    if (!s->relation)
        return lg_error_set(u->err, "0A000", "ALTER OWNER of this kind of object is not supported");
    lg_relation *r;
    LG_TRY(lg_ddl_open(u, s->relation, LG_LOCK_ACCESS_EXCLUSIVE, false, &r));
    lg_status st = lg_ddl_class_update(u, r->oid, set_owner, &role);
    if (st == LG_OK)
        st = lg_cat_touch(u->cat, r->oid);
    lg_relation_unref(r);
    snprintf(u->tag, LG_TAG_MAX, "ALTER TABLE");
    return st;
}

/* ---- dispatch ---- */

uint32_t
lg_ddl_utility_columns(const lg_ast *stmt, lg_arena *a, lg_outcol **ret_cols)
{
    return stmt->tag == LG_AST_EXPLAIN_STMT
               ? lg_explain_columns(lg_ast_as(stmt, explain_stmt), a, ret_cols)
               : 0;
}

static bool
writes(const lg_ast *stmt)
{
    switch (stmt->tag) {
    case LG_AST_VACUUM_STMT: /* changes what no query sees */
    case LG_AST_EXPLAIN_STMT:
    case LG_AST_LOCK_STMT:
    case LG_AST_CONSTRAINTS_SET_STMT:
        return false;
    case LG_AST_COPY_STMT:
        return lg_ast_as(stmt, copy_stmt)->is_from;
    default:
        return true;
    }
}

/* There are none; what PostgreSQL says of one that is not installed. */
static lg_status
create_extension(lg_util *u, const lg_ast_create_extension_stmt *s)
{
    lg_error_set(u->err, "0A000", "extension \"%s\" is not available", s->extname);
    lg_error_detail(u->err, "Lagoon has no extensions.");
    return LG_SQL;
}

/* SELECT ... INTO is CREATE TABLE AS; INTO stands in the leftmost SELECT. */
static lg_status
select_into(lg_util *u, const lg_ast_select_stmt *s)
{
    lg_ast_select_stmt *top = lg_arena_dup(u->a, s, sizeof *s), *left = top;
    while (left->larg)
        left = left->larg = lg_arena_dup(u->a, left->larg, sizeof *left);
    lg_ast_create_table_as_stmt c = {.h = {LG_AST_CREATE_TABLE_AS_STMT, -1},
                                     .query = &top->h,
                                     .into = left->into_clause,
                                     .objtype = LG_A_OBJECT_TABLE,
                                     .is_select_into = true};
    if (!c.into)
        return LG_UNSUPPORTED;
    left->into_clause = NULL;
    return lg_ddl_create_table_as(u, &c);
}

static lg_status
dispatch(lg_util *u, const lg_ast *stmt)
{
    switch (stmt->tag) {
    case LG_AST_CREATE_STMT:
        return lg_ddl_create_table(u, lg_ast_as(stmt, create_stmt));
    case LG_AST_INDEX_STMT:
        return lg_ddl_create_index(u, lg_ast_as(stmt, index_stmt));
    case LG_AST_DROP_STMT:
        return lg_ddl_drop(u, lg_ast_as(stmt, drop_stmt));
    case LG_AST_TRUNCATE_STMT:
        return lg_ddl_truncate(u, lg_ast_as(stmt, truncate_stmt));
    case LG_AST_REINDEX_STMT:
        return lg_ddl_reindex(u, lg_ast_as(stmt, reindex_stmt));
    case LG_AST_CREATE_SEQ_STMT:
        return lg_ddl_create_sequence(u, lg_ast_as(stmt, create_seq_stmt));
    case LG_AST_ALTER_SEQ_STMT:
        return lg_ddl_alter_sequence(u, lg_ast_as(stmt, alter_seq_stmt));
    case LG_AST_CREATE_SCHEMA_STMT:
        return lg_ddl_create_schema(u, lg_ast_as(stmt, create_schema_stmt));
    case LG_AST_VIEW_STMT:
        return lg_ddl_create_view(u, lg_ast_as(stmt, view_stmt));
    case LG_AST_CREATE_FUNCTION_STMT:
        return lg_ddl_create_function(u, lg_ast_as(stmt, create_function_stmt));
    case LG_AST_ALTER_FUNCTION_STMT:
        return lg_ddl_alter_function(u, lg_ast_as(stmt, alter_function_stmt));
    case LG_AST_ALTER_OBJECT_SCHEMA_STMT:
        if (lg_ast_as(stmt, alter_object_schema_stmt)->object_type == LG_A_OBJECT_TYPE ||
            lg_ast_as(stmt, alter_object_schema_stmt)->object_type == LG_A_OBJECT_DOMAIN)
            return lg_ddl_type_schema(u, lg_ast_as(stmt, alter_object_schema_stmt));
        if (lg_ast_as(stmt, alter_object_schema_stmt)->object_type == LG_A_OBJECT_COLLATION)
            return lg_ddl_collation_schema(u, lg_ast_as(stmt, alter_object_schema_stmt));
        return is_function(lg_ast_as(stmt, alter_object_schema_stmt)->object_type)
                   ? lg_ddl_function_schema(u, lg_ast_as(stmt, alter_object_schema_stmt))
                   : lg_ddl_set_schema(u, lg_ast_as(stmt, alter_object_schema_stmt));
    case LG_AST_REFRESH_MAT_VIEW_STMT:
        return lg_ddl_refresh(u, lg_ast_as(stmt, refresh_mat_view_stmt));
    case LG_AST_CREATE_TABLE_AS_STMT:
        return lg_ddl_create_table_as(u, lg_ast_as(stmt, create_table_as_stmt));
    case LG_AST_SELECT_STMT:
        return select_into(u, lg_ast_as(stmt, select_stmt));
    case LG_AST_COMMENT_STMT:
        return lg_ddl_comment(u, lg_ast_as(stmt, comment_stmt));
    case LG_AST_DEFINE_STMT:
        if (lg_ast_as(stmt, define_stmt)->kind != LG_A_OBJECT_COLLATION)
            return LG_UNSUPPORTED;
        return lg_ddl_create_collation(u, lg_ast_as(stmt, define_stmt));
    case LG_AST_ALTER_COLLATION_STMT:
        return lg_ddl_alter_collation(u, lg_ast_as(stmt, alter_collation_stmt));
    case LG_AST_CREATE_ROLE_STMT:
        return lg_ddl_create_role(u, lg_ast_as(stmt, create_role_stmt));
    case LG_AST_ALTER_ROLE_STMT:
        return lg_ddl_alter_role(u, lg_ast_as(stmt, alter_role_stmt));
    case LG_AST_DROP_ROLE_STMT:
        return lg_ddl_drop_role(u, lg_ast_as(stmt, drop_role_stmt));
    case LG_AST_ALTER_ROLE_SET_STMT:
        return lg_ddl_alter_role_set(u, lg_ast_as(stmt, alter_role_set_stmt));
    case LG_AST_CREATEDB_STMT:
        return lg_ddl_create_database(u, lg_ast_as(stmt, createdb_stmt));
    case LG_AST_DROPDB_STMT:
        return lg_ddl_drop_database(u, lg_ast_as(stmt, dropdb_stmt));
    case LG_AST_ALTER_DATABASE_REFRESH_COLL_STMT:
        return lg_ddl_refresh_database(u, lg_ast_as(stmt, alter_database_refresh_coll_stmt));
    case LG_AST_ALTER_DATABASE_STMT:
        return lg_ddl_alter_database(u, lg_ast_as(stmt, alter_database_stmt));
    case LG_AST_ALTER_DATABASE_SET_STMT:
        return lg_ddl_alter_database_set(u, lg_ast_as(stmt, alter_database_set_stmt));
    case LG_AST_GRANT_STMT:
        return lg_ddl_grant(u, lg_ast_as(stmt, grant_stmt));
    case LG_AST_GRANT_ROLE_STMT:
        return lg_ddl_grant_role(u, lg_ast_as(stmt, grant_role_stmt));
    case LG_AST_ALTER_DEFAULT_PRIVILEGES_STMT:
        return lg_ddl_default_privileges(u, lg_ast_as(stmt, alter_default_privileges_stmt));
    case LG_AST_REASSIGN_OWNED_STMT:
        return lg_ddl_reassign_owned(u, lg_ast_as(stmt, reassign_owned_stmt));
    case LG_AST_DROP_OWNED_STMT:
        return lg_ddl_drop_owned(u, lg_ast_as(stmt, drop_owned_stmt));
    case LG_AST_ALTER_OWNER_STMT:
        return lg_ddl_owner(u, lg_ast_as(stmt, alter_owner_stmt));
    case LG_AST_CREATE_ENUM_STMT:
        return lg_ddl_create_enum(u, lg_ast_as(stmt, create_enum_stmt));
    case LG_AST_ALTER_ENUM_STMT:
        return lg_ddl_alter_enum(u, lg_ast_as(stmt, alter_enum_stmt));
    case LG_AST_COMPOSITE_TYPE_STMT:
        return lg_ddl_create_composite(u, lg_ast_as(stmt, composite_type_stmt));
    case LG_AST_CREATE_DOMAIN_STMT:
        return lg_ddl_create_domain(u, lg_ast_as(stmt, create_domain_stmt));
    case LG_AST_ALTER_DOMAIN_STMT:
        return lg_ddl_alter_domain(u, lg_ast_as(stmt, alter_domain_stmt));
    case LG_AST_COPY_STMT:
        return lg_ddl_copy(u, lg_ast_as(stmt, copy_stmt));
    case LG_AST_ALTER_TABLE_STMT:
        return lg_ddl_alter_table(u, lg_ast_as(stmt, alter_table_stmt));
    case LG_AST_RENAME_STMT:
        return lg_ddl_rename(u, lg_ast_as(stmt, rename_stmt));
    case LG_AST_EXPLAIN_STMT:
        snprintf(u->tag, LG_TAG_MAX, "EXPLAIN");
        return lg_explain(u->es, u->a, lg_ast_as(stmt, explain_stmt), u->params, u->sink,
                          u->sink_arg);
    case LG_AST_CONSTRAINTS_SET_STMT:
        return set_constraints(u, lg_ast_as(stmt, constraints_set_stmt));
    case LG_AST_LOCK_STMT:
        return lg_ddl_lock(u, lg_ast_as(stmt, lock_stmt));
    case LG_AST_VACUUM_STMT:
        return lg_ddl_analyze(u, lg_ast_as(stmt, vacuum_stmt));
    case LG_AST_CREATE_EXTENSION_STMT:
        return create_extension(u, lg_ast_as(stmt, create_extension_stmt));
    default: {
        char tag[LG_COMMAND_TAG_MAX];
        return lg_error_set(u->err, "0A000", "%s is not supported", lg_ast_command_tag(stmt, tag));
    }
    }
}

lg_status
lg_ddl_utility(lg_exec_session *es, lg_arena *arena, const lg_ast *stmt, const lg_bind *params,
               lg_exec_sink sink, void *sink_arg, char tag[LG_TAG_MAX])
{
    lg_util u = {.es = es,
                 .cat = es->cat,
                 .err = es->err,
                 .a = arena,
                 .params = params,
                 .sink = sink,
                 .sink_arg = sink_arg,
                 .tag = tag};
    char name[LG_COMMAND_TAG_MAX];
    if (es->read_only && writes(stmt))
        return lg_error_set(es->err, "25006", "cannot execute %s in a read-only transaction",
                            lg_ast_command_tag(stmt, name));
    tag[0] = '\0';
    uint32_t from = lg_xcheck_mark(es);
    lg_status st = dispatch(&u, stmt);
    lg_xprogress_end(es);
    LG_TRY(lg_xcanceled(es, st));
    return lg_xcheck_statement(es, from);
}
