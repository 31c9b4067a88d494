/* What all DDL shares: opening by name, catalog rows, dropping with dependents. */
#include "acl.h"
#include "array.h"
#include "cat_proc.h"
#include "ddl_internal.h"
#include "usertype.h"
#include <stdarg.h>
#include <stdlib.h>
#include <ctype.h>
#include <string.h>

void
lg_ddl_notice(lg_util *u, const char *sqlstate, const char *fmt, ...)
{
    va_list ap;
    if (!u->es->notice)
        return;
    va_start(ap, fmt);
    u->es->notice(u->es->arg, "NOTICE", sqlstate, lg_arena_vprintf(u->a, fmt, ap), NULL);
    va_end(ap);
}

void *
lg_ddl_room(lg_util *u, void *at, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap)
        return at;
    *cap = *cap * 2 + 16;
    void *more = lg_arena_alloc(u->a, *cap * size);
    if (n)
        memcpy(more, at, n * size);
    return more;
}

static const char *
oid_name(void *arg, lg_oid oid)
{
    return lg_arena_printf(arg, "%u", oid);
}

lg_status
lg_ddl_expr_text(lg_util *u, lg_bind *b, const lg_expr *e, const lg_relation *rel,
                 const char **ret_text)
{
    (void)b;
    lg_deparse d = {.arena = u->a,
                    .env = u->es->env,
                    .relation_name = oid_name,
                    .arg = u->a,
                    .type_oids = true};
    return lg_deparse_expr(&d, e, rel, ret_text);
}

lg_status
lg_ddl_next(lg_util *u, const lg_access *acc, void *scan, lg_arena *a, lg_tid *ret_tid,
            const uint8_t **ret_row, size_t *ret_len)
{
    if (lg_fiber_self() && lg_fiber_should_yield()) {
        lg_fiber_yield();
        if (u->es->check_cancel)
            LG_TRY(u->es->check_cancel(u->es->arg));
    }
    return acc->ops->scan_next(scan, a, ret_tid, ret_row, ret_len);
}

/* ---- names ---- */

/* A byte offset of the statement's text as the client counts: characters, from 1. */
lg_status
lg_ddl_namespace_for(lg_util *u, const lg_ast_range_var *rv, lg_oid *ret_nsp)
{
    lg_status st;
    if (lg_ddl_wants_temp(u, rv)) {
        const char *own = "pg_temp";
        if (rv->schemaname && lg_cat_temp_namespace(u->cat))
            LG_TRY(lg_cat_namespace_name(u->cat, lg_cat_temp_namespace(u->cat), u->a, &own));
        if (rv->schemaname && strcmp(rv->schemaname, "pg_temp") != 0 &&
            strcmp(rv->schemaname, own) != 0) {
            lg_error_set(u->err, "42P16",
                         "cannot create temporary relation in non-temporary schema");
            u->err->position = lg_exec_position(u->es, rv->h.loc);
            return LG_SQL;
        }
        return lg_ddl_temp_namespace(u, ret_nsp);
    }
    if (rv->schemaname && strncmp(rv->schemaname, "pg_temp_", 8) == 0 &&
        lg_cat_namespace_by_name(u->cat, rv->schemaname, ret_nsp) == LG_OK)
        return lg_error_set(u->err, "42P16",
                            "cannot create relations in temporary schemas of other sessions");
    if (rv->schemaname) {
        st = lg_cat_namespace_by_name(u->cat, rv->schemaname, ret_nsp);
        if (st == LG_NOT_FOUND)
            return lg_error_set(u->err, "3F000", "schema \"%s\" does not exist", rv->schemaname);
    } else {
        st = lg_cat_creation_namespace(u->cat, ret_nsp);
        if (st == LG_NOT_FOUND)
            return lg_error_set(u->err, "3F000", "no schema has been selected to create in");
    }
    LG_TRY(st);
    uint32_t may = 0;
    LG_TRY(lg_cat_namespace_mask(u->cat, lg_cat_user(u->cat), *ret_nsp, LG_ACL_CREATE, &may));
    if (!may) {
        const char *name = "";
        LG_TRY(lg_cat_namespace_name(u->cat, *ret_nsp, u->a, &name));
        lg_error_set(u->err, "42501", "permission denied for schema %s", name);
        u->err->position = lg_exec_position(u->es, rv->h.loc);
        return LG_SQL;
    }
    if (*ret_nsp == LG_NSP_CATALOG || *ret_nsp == LG_NSP_INFORMATION) {
        lg_error_set(u->err, "42501", "permission denied to create \"%s.%s\"",
                     rv->schemaname ? rv->schemaname : "pg_catalog", rv->relname);
        lg_error_detail(u->err, "System catalog modifications are currently disallowed.");
        return LG_SQL;
    }
    return LG_OK;
}

/* Of a name that was not found: is it the schema that is missing? LG_OK: no, or none was named. With
 * missing_ok it is said as a notice, LG_NOT_FOUND; else 3F000. */
lg_status
lg_ddl_schema_missing(lg_util *u, const char *schema, bool missing_ok)
{
    lg_oid nsp;
    if (!schema)
        return LG_OK;
    lg_status st = lg_cat_namespace_by_name(u->cat, schema, &nsp);
    if (st != LG_NOT_FOUND)
        return st;
    if (!missing_ok)
        return lg_error_set(u->err, "3F000", "schema \"%s\" does not exist", schema);
    lg_ddl_notice(u, "00000", "schema \"%s\" does not exist, skipping", schema);
    return LG_NOT_FOUND;
}

lg_status
lg_ddl_open(lg_util *u, const lg_ast_range_var *rv, lg_lockmode mode, bool missing_ok,
            lg_relation **ret_rel)
{
    for (;;) {
        lg_relation *r;
        lg_status st = lg_cat_relation_by_name(u->cat, rv->schemaname, rv->relname, &r);
        if (st == LG_NOT_FOUND && missing_ok)
            return LG_NOT_FOUND;
        if (st == LG_NOT_FOUND)
            LG_TRY(lg_ddl_schema_missing(u, rv->schemaname, false));
        if (st == LG_NOT_FOUND)
            return rv->schemaname
                       ? lg_error_set(u->err, "42P01", "relation \"%s.%s\" does not exist",
                                      rv->schemaname, rv->relname)
                       : lg_error_set(u->err, "42P01", "relation \"%s\" does not exist",
                                      rv->relname);
        LG_TRY(st);
        st = lg_cat_lock(u->cat, r->oid, mode, false);
        if (st != LG_OK) {
            lg_relation_unref(r);
            return st;
        }
        if (!r->stale) {
            *ret_rel = r;
            return LG_OK;
        }
        lg_relation_unref(r); /* changed while we waited for the lock */
    }
}

lg_status
lg_ddl_open_oid(lg_util *u, lg_oid oid, lg_lockmode mode, lg_relation **ret_rel)
{
    LG_TRY(lg_cat_lock(u->cat, oid, mode, false));
    lg_status st = lg_cat_relation_by_oid(u->cat, oid, ret_rel);
    if (st == LG_NOT_FOUND)
        return lg_error_set(u->err, "42P01", "relation with OID %u does not exist", oid);
    return st;
}

lg_ast_range_var *
lg_ddl_range_var(lg_util *u, const lg_ast *list)
{
    lg_ast_range_var *rv = LG_NEW(u->a, lg_ast_range_var);
    rv->h.tag = LG_AST_RANGE_VAR;
    if (list && list->tag == LG_AST_LIST) {
        const lg_ast_list *l = &lg_ast_as(list, list_node)->list;
        if (l->n >= 2)
            rv->schemaname = lg_ast_list_str(l, l->n - 2);
        if (l->n)
            rv->relname = lg_ast_list_str(l, l->n - 1);
    } else {
        rv->relname = lg_ast_str(list);
    }
    if (!rv->relname)
        rv->relname = "";
    return rv;
}

const char *
lg_ddl_qualified_name(void *arg, lg_oid oid)
{
    lg_util *u = arg;
    lg_relation *r;
    if (lg_cat_relation_by_oid(u->cat, oid, &r) != LG_OK)
        return NULL;
    const char *name = lg_arena_printf(u->a, "%s.%s", lg_quote_ident(u->a, r->schema),
                                       lg_quote_ident(u->a, r->name));
    lg_relation_unref(r);
    return name;
}

const char *
lg_ddl_shown_name(lg_util *u, const lg_relation *r)
{
    bool visible = true;
    if (lg_cat_relation_visible(u->cat, r->oid, &visible) != LG_OK || visible)
        return r->name;
    return lg_arena_printf(u->a, "%s.%s", r->schema, r->name);
}

static lg_status
name_taken(lg_util *u, lg_oid nsp, const char *name, bool *ret)
{
    lg_cat_row row;
    lg_datum keys[2] = {lg_cat_name(u->a, name), lg_datum_oid(nsp)};
    lg_status st =
        lg_cat_find(u->cat, LG_REL_pg_class, LG_IX_pg_class_relname_nsp_index, 2, keys, u->a, &row);
    *ret = st == LG_OK;
    return st == LG_NOT_FOUND ? LG_OK : st;
}

lg_status
lg_ddl_check_free(lg_util *u, lg_oid nsp, const char *name, bool if_not_exists, bool *ret_exists)
{
    bool taken;
    LG_TRY(name_taken(u, nsp, name, &taken));
    if (ret_exists)
        *ret_exists = taken;
    if (!taken)
        return LG_OK;
    if (!if_not_exists)
        return lg_error_set(u->err, "42P07", "relation \"%s\" already exists", name);
    lg_ddl_notice(u, "42P07", "relation \"%s\" already exists, skipping", name);
    return LG_OK;
}

lg_status
lg_ddl_column_base(lg_util *u, const char *column, lg_oid type, lg_oid *ret_base)
{
    LG_TRY(lg_usertype_base(u->es->env, type, u->a, u->err, ret_base, NULL));
    const lg_type *t = lg_type_get(*ret_base);
    if (t && t->store != LG_STORE_NONE && t->store != LG_STORE_CSTRING && t->typtype != 'p')
        return LG_OK;
    return lg_error_set(u->err, "42P16", "column \"%s\" has pseudo-type %s", column,
                        lg_type_name(u->es->env, type, -1, u->a));
}

lg_status
lg_ddl_choose_name(lg_util *u, lg_oid nsp, const char *name1, const char *name2, const char *label,
                   const char **ret_name)
{
    for (int i = 0;; i++) {
        char mod[80];
        size_t n1 = strlen(name1), n2 = name2 ? strlen(name2) : 0;
        if (i)
            snprintf(mod, sizeof mod, "%s%d", label, i);
        else
            snprintf(mod, sizeof mod, "%s", label);
        size_t room = LG_NAME_MAX - strlen(mod) - 1 - (name2 ? 1 : 0);
        while (n1 + n2 > room) { /* the longer one is cut, as PostgreSQL's makeObjectName */
            if (n1 > n2)
                n1--;
            else
                n2--;
        }
        const char *name =
            name2 ? lg_arena_printf(u->a, "%.*s_%.*s_%s", (int)n1, name1, (int)n2, name2, mod)
                  : lg_arena_printf(u->a, "%.*s_%s", (int)n1, name1, mod);
        bool taken;
        LG_TRY(name_taken(u, nsp, name, &taken));
        if (!taken) {
            *ret_name = name;
            return LG_OK;
        }
    }
}

const char *
lg_ddl_relation_word(const lg_relation *rel)
{
    return rel->kind == LG_REL_VIEW       ? "view"
           : rel->kind == LG_REL_MATVIEW  ? "materialized view"
           : rel->kind == LG_REL_SEQUENCE ? "sequence"
           : rel->kind == LG_REL_INDEX    ? "index"
                                          : "table";
}

lg_status
lg_ddl_check_privilege(lg_util *u, const lg_relation *rel, uint32_t want, uint32_t ncols,
                       const int16_t *cols)
{
    uint32_t have;
    lg_oid user = lg_cat_user(u->cat);
    LG_TRY(lg_cat_relation_mask(u->cat, user, rel, want, &have));
    bool ok = have == want;
    for (uint32_t i = 0; !ok && i < ncols; i++) {
        const lg_column *col = lg_relation_column(rel, cols[i]);
        have = 0;
        if (col && col->acl)
            LG_TRY(lg_cat_acl_mask(u->cat, user, LG_ACL_COLUMN, rel->owner, col->acl, want, &have));
        if (have != want)
            break;
        ok = i + 1 == ncols;
    }
    return ok ? LG_OK
              : lg_error_set(u->err, "42501", "permission denied for %s %s",
                             lg_ddl_relation_word(rel), rel->name);
}

lg_status
lg_ddl_check_unused(lg_util *u, const lg_relation *rel, const char *action)
{
    if (rel->persistence == 't' && rel->namespace_oid != lg_cat_temp_namespace(u->cat) &&
        strncmp(action, "DROP", 4) != 0)
        return lg_error_set(u->err, "0A000", "cannot %s temporary tables of other sessions",
                            strcmp(action, "TRUNCATE") == 0 ? "truncate" : "alter");
    if (!lg_xcheck_pending(u->es, rel->oid))
        return LG_OK;
    return lg_error_set(u->err, "55006", "cannot %s \"%s\" because it has pending trigger events",
                        action, rel->name);
}

lg_status
lg_ddl_check_owner(lg_util *u, const lg_relation *rel)
{
    if (rel->is_system) {
        lg_error_set(u->err, "42501", "permission denied: \"%s\" is a system catalog", rel->name);
        return LG_SQL;
    }
    bool owns = rel->owner == lg_cat_user(u->cat);
    if (!owns)
        LG_TRY(lg_cat_is_member(u->cat, lg_cat_user(u->cat), rel->owner, false, &owns));
    if (owns)
        return LG_OK;
    return lg_error_set(u->err, "42501", "must be owner of %s %s", lg_ddl_relation_word(rel),
                        rel->name);
}

lg_status
lg_ddl_role(lg_util *u, const lg_ast_role_spec *r, lg_oid *ret_oid)
{
    lg_role role;
    if (r->roletype != LG_A_ROLESPEC_CSTRING) {
        *ret_oid = r->roletype == LG_A_ROLESPEC_PUBLIC ? 0 : lg_cat_user(u->cat);
        return LG_OK;
    }
    lg_status st = lg_cat_role_by_name(u->cat, r->rolename, u->a, &role);
    if (st == LG_NOT_FOUND)
        return lg_error_set(u->err, "42704", "role \"%s\" does not exist", r->rolename);
    LG_TRY(st);
    *ret_oid = role.oid;
    return LG_OK;
}

/* ---- rows ---- */

lg_status
lg_ddl_class_insert(lg_util *u, lg_oid oid, const char *name, lg_oid nsp, char kind,
                    const lg_rel_storage *st, uint16_t natts, char persistence)
{
    lg_cat_row row;
    lg_cat_row_init(LG_REL_pg_class, &row);
    SETC(&row, pg_class, oid, oid);
    SETC(&row, pg_class, relname, lg_cat_name(u->a, name));
    SETC(&row, pg_class, relnamespace, nsp);
    SETC(&row, pg_class, relowner, lg_cat_user(u->cat));
    SETC(&row, pg_class, relam, kind == 'r' ? 2 : kind == 'i' ? LG_AM_BTREE : 0);
    SETC(&row, pg_class, relfilenode, st ? st->file : 0);
    SETC(&row, pg_class, relfrozenxid, st ? st->head : 0);
    SETC(&row, pg_class, reltuples, lg_datum_float4(kind == 'i' ? 0 : -1));
    if (nsp == lg_cat_temp_namespace(u->cat))
        persistence = 't';
    SETC(&row, pg_class, relpersistence, lg_datum_char(persistence));
    SETC(&row, pg_class, relkind, lg_datum_char(kind));
    SETC(&row, pg_class, relnatts, lg_datum_int2((int16_t)natts));
    SETC(&row, pg_class, relhasrules, kind == 'v');
    SETC(&row, pg_class, relispopulated, 1);
    if (kind != 'i') {
        lg_datum acl;
        LG_TRY(lg_ddl_default_acl(u, kind == 'S' ? 'S' : 'r', nsp, &acl));
        if (acl)
            SETC(&row, pg_class, relacl, acl);
    }
    SETC(&row, pg_class, relreplident, lg_datum_char(kind == 'r' ? 'd' : 'n'));
    bool row_type = kind != LG_REL_INDEX && kind != LG_REL_SEQUENCE;
    if (row_type)
        SETC(&row, pg_class, reltype, lg_usertype_oid(LG_UT_ROW, oid));
    lg_status s = lg_cat_insert(u->cat, LG_REL_pg_class, &row);
    if (s == LG_EXISTS)
        return lg_error_set(u->err, "42P07", "relation \"%s\" already exists", name);
    LG_TRY(s);
    return row_type ? lg_ddl_rowtype_insert(u, oid, name, nsp) : LG_OK;
}

lg_status
lg_ddl_attribute_insert(lg_util *u, lg_oid rel, int16_t attnum, const lg_ddl_column *col)
{
    lg_cat_row row;
    lg_oid base;
    LG_TRY(lg_usertype_base(u->es->env, col->type, u->a, u->err, &base, NULL));
    const lg_type *t = lg_type_get(base);
    lg_cat_row_init(LG_REL_pg_attribute, &row);
    SETC(&row, pg_attribute, attrelid, rel);
    SETC(&row, pg_attribute, attname, lg_cat_name(u->a, col->name));
    SETC(&row, pg_attribute, atttypid, col->type);
    SETC(&row, pg_attribute, attstattarget, lg_datum_int4(-1));
    SETC(&row, pg_attribute, attlen, lg_datum_int2(t ? t->typlen : -1));
    SETC(&row, pg_attribute, attnum, lg_datum_int2(attnum));
    SETC(&row, pg_attribute, attndims, lg_datum_int4(t && lg_type_is_array(t) ? 1 : 0));
    SETC(&row, pg_attribute, attcacheoff, lg_datum_int4(-1));
    SETC(&row, pg_attribute, atttypmod, lg_datum_int4(col->typmod));
    SETC(&row, pg_attribute, attbyval, t && t->typbyval);
    SETC(&row, pg_attribute, attalign, lg_datum_char(t ? t->align : 'i'));
    SETC(&row, pg_attribute, attstorage, lg_datum_char(t ? t->storage : 'x'));
    SETC(&row, pg_attribute, attnotnull, col->not_null);
    SETC(&row, pg_attribute, atthasdef, col->default_sql != NULL);
    SETC(&row, pg_attribute, attidentity, lg_datum_char(col->identity));
    SETC(&row, pg_attribute, attgenerated, lg_datum_char(col->generated));
    SETC(&row, pg_attribute, attislocal, 1);
    lg_oid coll = lg_cat_collation_stored(u->cat, col->collation);
    SETC(&row, pg_attribute, attcollation, !t || !t->collation ? 0 : coll ? coll : t->collation);
    if (col->has_missing) {
        lg_array one = {.elem = base, .ndim = 1, .dims = {1}, .lbs = {1}, .n = 1};
        lg_datum value = col->missing;
        one.values = &value;
        SETC(&row, pg_attribute, atthasmissing, 1);
        SETC(&row, pg_attribute, attmissingval, lg_array_pack(u->a, &one));
    }
    lg_status st = lg_cat_insert(u->cat, LG_REL_pg_attribute, &row);
    if (st == LG_EXISTS)
        return lg_error_set(u->err, "42701", "column \"%s\" specified more than once", col->name);
    LG_TRY(st);
    if (col->of_index)
        return LG_OK;
    LG_TRY(lg_ddl_collation_depend(u, LG_REL_pg_class, rel, attnum, coll));
    return lg_ddl_type_depend(u, LG_REL_pg_class, rel, attnum, col->type);
}

lg_status
lg_ddl_default_insert(lg_util *u, lg_oid rel, int16_t attnum, const char *text, lg_relation *of)
{
    lg_cat_row row;
    lg_oid oid;
    LG_TRY(lg_cat_new_oid(u->cat, &oid));
    lg_cat_row_init(LG_REL_pg_attrdef, &row);
    SETC(&row, pg_attrdef, oid, oid);
    SETC(&row, pg_attrdef, adrelid, rel);
    SETC(&row, pg_attrdef, adnum, lg_datum_int2(attnum));
    SETC(&row, pg_attrdef, adbin, lg_datum_cstring_text(u->a, text));
    LG_TRY(lg_cat_insert(u->cat, LG_REL_pg_attrdef, &row));
    LG_TRY(
        lg_ddl_depend(u, LG_REL_pg_attrdef, oid, 0, LG_REL_pg_class, rel, attnum, of ? 'i' : 'a'));
    LG_TRY(lg_ddl_depend_text(u, LG_REL_pg_attrdef, oid, text));
    if (of)
        LG_TRY(lg_ddl_depend_columns(u, LG_REL_pg_attrdef, oid, of, text, false, 'n'));
    /* the sequences that it names, which are stored by OID */
    for (const char *p = text; (p = strstr(p, "::regclass")); p++) {
        const char *q = p;
        lg_relation *seq;
        if (q == text || *--q != '\'')
            continue;
        while (q > text && q[-1] >= '0' && q[-1] <= '9')
            q--;
        lg_oid used = (lg_oid)strtoul(q, NULL, 10);
        if (!used || used == rel || lg_cat_relation_by_oid(u->cat, used, &seq) != LG_OK)
            continue;
        lg_relation_unref(seq);
        LG_TRY(lg_ddl_depend(u, LG_REL_pg_attrdef, oid, 0, LG_REL_pg_class, used, 0, 'n'));
    }
    return LG_OK;
}

/* What psql looks at before it asks for constraints: relchecks, and relhastriggers for foreign
 * keys. */
static void
count_checks(lg_cat_row *row, void *arg)
{
    int16_t n = lg_int2(GETC(row, pg_class, relchecks));
    SETC(row, pg_class, relchecks, lg_datum_int2((int16_t)(n + *(int *)arg)));
}

static void
set_triggers(lg_cat_row *row, void *arg)
{
    (void)arg;
    SETC(row, pg_class, relhastriggers, 1);
}

lg_status
lg_ddl_constraint_insert(lg_util *u, const lg_relation *rel, const lg_constraint *k)
{
    lg_cat_row row;
    lg_cat_row_init(LG_REL_pg_constraint, &row);
    SETC(&row, pg_constraint, oid, k->oid);
    SETC(&row, pg_constraint, conname, lg_cat_name(u->a, k->name));
    SETC(&row, pg_constraint, connamespace, rel->namespace_oid);
    SETC(&row, pg_constraint, contype, lg_datum_char(k->type));
    SETC(&row, pg_constraint, condeferrable, k->deferrable);
    SETC(&row, pg_constraint, condeferred, k->deferred);
    SETC(&row, pg_constraint, convalidated, k->validated);
    SETC(&row, pg_constraint, conrelid, rel->oid);
    SETC(&row, pg_constraint, conindid, k->index);
    SETC(&row, pg_constraint, confrelid, k->ref_table);
    SETC(&row, pg_constraint, confupdtype, lg_datum_char(k->type == 'f' ? k->on_update : ' '));
    SETC(&row, pg_constraint, confdeltype, lg_datum_char(k->type == 'f' ? k->on_delete : ' '));
    SETC(&row, pg_constraint, confmatchtype, lg_datum_char(k->type == 'f' ? k->match : ' '));
    SETC(&row, pg_constraint, conislocal, 1);
    SETC(&row, pg_constraint, connoinherit, k->type != 'c');
    lg_datum v[LG_INDEX_MAX_KEYS];
    for (uint16_t i = 0; i < k->nkeys; i++)
        v[i] = lg_datum_int2(k->keys[i]);
    if (k->nkeys)
        SETC(&row, pg_constraint, conkey, lg_array_make(u->a, LG_T_INT2, k->nkeys, v, NULL));
    if (k->type == 'f') {
        for (uint16_t i = 0; i < k->nkeys; i++)
            v[i] = lg_datum_int2(k->ref_keys[i]);
        SETC(&row, pg_constraint, confkey, lg_array_make(u->a, LG_T_INT2, k->nkeys, v, NULL));
    }
    for (uint16_t i = 0; i < k->nset; i++)
        v[i] = lg_datum_int2(k->set_keys[i]);
    if (k->nset)
        SETC(&row, pg_constraint, confdelsetcols, lg_array_make(u->a, LG_T_INT2, k->nset, v, NULL));
    if (k->check_sql)
        SETC(&row, pg_constraint, conbin, lg_datum_cstring_text(u->a, k->check_sql));
    lg_status st = lg_cat_insert(u->cat, LG_REL_pg_constraint, &row);
    if (st == LG_EXISTS)
        return lg_error_set(u->err, "42710", "constraint \"%s\" for relation \"%s\" already exists",
                            k->name, rel->name);
    LG_TRY(st);
    for (uint16_t i = 0; i < k->nkeys; i++)
        LG_TRY(lg_ddl_depend(u, LG_REL_pg_constraint, k->oid, 0, LG_REL_pg_class, rel->oid,
                             k->keys[i], 'a'));
    if (!k->nkeys)
        LG_TRY(
            lg_ddl_depend(u, LG_REL_pg_constraint, k->oid, 0, LG_REL_pg_class, rel->oid, 0, 'a'));
    for (uint16_t i = 0; i < k->nkeys && k->type == 'c'; i++) /* as its expression, too */
        LG_TRY(lg_ddl_depend(u, LG_REL_pg_constraint, k->oid, 0, LG_REL_pg_class, rel->oid,
                             k->keys[i], 'n'));
    LG_TRY(lg_ddl_depend_text(u, LG_REL_pg_constraint, k->oid, k->check_sql));
    int one = 1;
    if (k->type == 'c')
        return lg_ddl_class_update(u, rel->oid, count_checks, &one);
    if (k->type != 'f')
        return LG_OK;
    LG_TRY(lg_ddl_class_update(u, rel->oid, set_triggers, NULL));
    return k->ref_table == rel->oid ? LG_OK
                                    : lg_ddl_class_update(u, k->ref_table, set_triggers, NULL);
}

lg_status
lg_ddl_class_update(lg_util *u, lg_oid oid, void (*fn)(lg_cat_row *, void *), void *arg)
{
    lg_cat_row old, row;
    lg_datum key = lg_datum_oid(oid);
    LG_TRY(lg_cat_find(u->cat, LG_REL_pg_class, LG_IX_pg_class_oid_index, 1, &key, u->a, &old));
    row = old;
    fn(&row, arg);
    return lg_cat_update(u->cat, LG_REL_pg_class, &old, &row);
}

lg_status
lg_ddl_attribute_update(lg_util *u, lg_oid rel, int16_t attnum, void (*fn)(lg_cat_row *, void *),
                        void *arg)
{
    lg_cat_row old, row;
    lg_datum keys[2] = {lg_datum_oid(rel), lg_datum_int2(attnum)};
    LG_TRY(lg_cat_find(u->cat, LG_REL_pg_attribute, LG_IX_pg_attribute_relid_attnum_index, 2, keys,
                       u->a, &old));
    row = old;
    fn(&row, arg);
    return lg_cat_update(u->cat, LG_REL_pg_attribute, &old, &row);
}
