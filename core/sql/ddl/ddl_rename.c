/* RENAME, SET SCHEMA: of relations, columns, constraints, schemas.
 *
 * Stored texts name columns and, in views, relations. Whoever changes a name has them bound with the
 * old one and written again with the new: expressions of the table at once (rewrite_text), the views
 * that read a relation around the change (readers_find, readers_write). */
#include "acl.h"
#include "ddl_internal.h"
#include "usertype.h"
#include <string.h>

/* ---- views that read a relation ---- */

struct reader {
    struct reader *next;
    lg_relation *view;
    lg_bind bind;
    lg_query *q;
    const char ***old; /* the columns' names of each entry, as bound */
};

typedef struct readers {
    lg_util *u;
    struct reader *list;
    lg_relation *fresh[64]; /* what was renamed, as it is now */
    uint32_t nfresh;
} readers;

static void
readers_fini(readers *r)
{
    for (; r->list; r->list = r->list->next) {
        lg_bind_fini(&r->list->bind);
        lg_relation_unref(r->list->view);
    }
    while (r->nfresh)
        lg_relation_unref(r->fresh[--r->nfresh]);
}

static lg_status
reader_add(readers *rs, lg_oid oid)
{
    lg_util *u = rs->u;
    lg_parse_tree *t;
    lg_relation *view;
    for (struct reader *r = rs->list; r; r = r->next)
        if (r->view->oid == oid)
            return LG_OK;
    lg_status st = lg_cat_relation_by_oid(u->cat, oid, &view);
    if (st != LG_OK)
        return st == LG_NOT_FOUND ? LG_OK : st;
    if (!view->view_sql) {
        lg_relation_unref(view);
        return LG_OK;
    }
    struct reader *r = LG_NEW(u->a, struct reader);
    r->view = view;
    r->next = rs->list;
    rs->list = r;
    lg_exec_bind_init(u->es, u->a, &r->bind);
    r->bind.sql = NULL;
    LG_TRY(lg_cat_lock(u->cat, oid, LG_LOCK_ACCESS_EXCLUSIVE, false));
    st = lg_parse_sql(u->es->run, view->view_sql, u->a, u->err, &t);
    if (st == LG_OK && t->n == 1)
        st = lg_bind_query(&r->bind, t->stmts[0].stmt, &r->q);
    if (st == LG_SQL) { /* broken before: it stays as it is */
        lg_error_clear(u->err);
        r->q = NULL;
        return LG_OK;
    }
    LG_TRY(st);
    r->old = LG_NEWN(u->a, const char **, r->bind.nnamed + 1);
    for (uint32_t i = 0; i < r->bind.nnamed; i++) {
        const lg_rte *e = r->bind.named[i];
        r->old[i] = LG_NEWN(u->a, const char *, e->ncols + 1);
        for (uint32_t c = 0; c < e->ncols; c++)
            r->old[i][c] = e->cols[c].name;
    }
    return LG_OK;
}

/* Binds the views that read the relation, before its names change. */
static lg_status
readers_find(readers *rs, lg_oid rel)
{
    lg_util *u = rs->u;
    lg_ddl_object *at;
    uint32_t n;
    LG_TRY(lg_ddl_column_links(u, rel, 0, &at, &n));
    for (uint32_t i = 0; i < n; i++)
        if (at[i].cls == LG_REL_pg_class && at[i].obj != rel)
            LG_TRY(reader_add(rs, at[i].obj));
    return LG_OK;
}

/* The entry goes by its relation's names of now. */
static void
entry_rename(lg_rte *e, lg_relation *now)
{
    const lg_relation *was = e->view ? e->view : e->rel;
    if (!e->has_alias)
        e->alias = now->name;
    for (uint32_t i = 0; i < e->ncols && i < was->ncols && i < now->ncols; i++)
        if (e->cols[i].name && strcmp(e->cols[i].name, was->cols[i].name) == 0)
            e->cols[i].name = now->cols[i].name;
    if (e->view)
        e->view = now;
    else
        e->rel = now;
}

static lg_status
rule_update(lg_util *u, lg_oid view, const char *text)
{
    lg_cat_row old, row;
    lg_datum keys[2] = {lg_datum_oid(view), lg_cat_name(u->a, "_RETURN")};
    LG_TRY(lg_cat_find(u->cat, LG_REL_pg_rewrite, LG_IX_pg_rewrite_rel_rulename_index, 2, keys,
                       u->a, &old));
    row = old;
    SETC(&row, pg_rewrite, ev_action, lg_datum_cstring_text(u->a, text));
    LG_TRY(lg_cat_update(u->cat, LG_REL_pg_rewrite, &old, &row));
    return lg_cat_touch(u->cat, view);
}

static lg_status
reader_print(lg_util *u, struct reader *r, const char **ret)
{
    lg_deparse d = {.arena = u->a,
                    .env = u->es->env,
                    .relation_name = lg_ddl_qualified_name,
                    .arg = u,
                    .type_oids = true};
    const char **names = LG_NEWN(u->a, const char *, r->view->ncols + 1u);
    for (uint16_t i = 0; i < r->view->ncols; i++)
        names[i] = r->view->cols[i].name;
    return lg_deparse_query(&d, r->q, r->view->ncols, names, ret);
}

/* Does the text give what the view has? */
static bool
binds_alike(lg_util *u, const lg_relation *view, const char *text)
{
    lg_parse_tree *t;
    lg_query *q;
    lg_outcol *out;
    lg_error err;
    lg_bind b;
    bool same = false;
    lg_error_init(&err, u->a);
    if (lg_parse_sql(u->es->run, text, u->a, &err, &t) != LG_OK || t->n != 1)
        return false;
    lg_bind_init(&b, u->cat, u->es->run, u->a, u->es->env, &err, NULL);
    if (lg_bind_query(&b, t->stmts[0].stmt, &q) == LG_OK) {
        same = lg_query_outcols(q, u->a, &out) == view->ncols;
        for (uint32_t i = 0; same && i < view->ncols; i++)
            same = out[i].type == view->cols[i].type || out[i].type == LG_T_UNKNOWN;
    }
    lg_bind_fini(&b);
    return same;
}

/* One pass over the readers: their texts with the names of now. */
static lg_status
readers_print(readers *rs, const char **texts)
{
    uint32_t k = 0;
    for (struct reader *r = rs->list; r; r = r->next, k++) {
        if (!r->q)
            continue;
        for (uint32_t i = 0; i < r->bind.nnamed; i++) {
            lg_rte *e = r->bind.named[i];
            const lg_relation *was = e->view ? e->view : e->rel;
            for (uint32_t j = 0; j < rs->nfresh; j++)
                if (was->oid == rs->fresh[j]->oid)
                    entry_rename(e, rs->fresh[j]);
        }
        LG_TRY(reader_print(rs->u, r, &texts[k]));
        LG_TRY(rule_update(rs->u, r->view->oid, texts[k]));
    }
    return LG_OK;
}

/* After the change: writes the views again. The names of columns are taken over as PostgreSQL shows
 * them; where that changes what a text means (USING, an outer name), they stay behind aliases. */
static lg_status
readers_write(readers *rs, const lg_oid *rels, uint32_t nrels)
{
    uint32_t n = 0, k = 0;
    for (struct reader *r = rs->list; r; r = r->next)
        n++;
    if (!n)
        return LG_OK;
    const char **texts = LG_NEWN(rs->u->a, const char *, n);
    for (uint32_t i = 0; i < nrels && i < 64; i++) {
        LG_TRY(lg_cat_relation_by_oid(rs->u->cat, rels[i], &rs->fresh[rs->nfresh]));
        rs->nfresh++;
    }
    LG_TRY(readers_print(rs, texts));
    for (struct reader *r = rs->list; r; r = r->next, k++) {
        if (!r->q || binds_alike(rs->u, r->view, texts[k]))
            continue;
        for (uint32_t i = 0; i < r->bind.nnamed; i++)
            for (uint32_t c = 0; c < r->bind.named[i]->ncols; c++)
                r->bind.named[i]->cols[c].name = r->old[i][c];
        LG_TRY(reader_print(rs->u, r, &texts[k]));
        if (!binds_alike(rs->u, r->view, texts[k]))
            return lg_error_set(rs->u->err, "0A000",
                                "view \"%s\" cannot be written again with the new name",
                                r->view->name);
        LG_TRY(rule_update(rs->u, r->view->oid, texts[k]));
    }
    return LG_OK;
}

/* ---- RENAME ---- */

static void
set_relname(lg_cat_row *row, void *arg)
{
    SETC(row, pg_class, relname, *(lg_datum *)arg);
}

static void
set_attname(lg_cat_row *row, void *arg)
{
    SETC(row, pg_attribute, attname, *(lg_datum *)arg);
}

static lg_status
rename_constraint_row(lg_util *u, lg_oid oid, const char *name)
{
    lg_cat_row old, row;
    lg_datum key = lg_datum_oid(oid);
    LG_TRY(lg_cat_find(u->cat, LG_REL_pg_constraint, LG_IX_pg_constraint_oid_index, 1, &key, u->a,
                       &old));
    row = old;
    SETC(&row, pg_constraint, conname, lg_cat_name(u->a, name));
    return lg_cat_update(u->cat, LG_REL_pg_constraint, &old, &row);
}

/* Stored texts name columns: each is bound with the old names and written again with the new. */
static lg_status
rewrite_text(lg_util *u, lg_relation *r, const lg_relation *renamed, const char *text, bool boolean,
             const char **ret)
{
    lg_bind b;
    lg_expr *e;
    lg_exec_bind_init(u->es, u->a, &b);
    lg_status st = lg_bind_expr_text(&b, text, boolean ? LG_PLACE_CHECK : LG_PLACE_USING, r,
                                     boolean ? LG_T_BOOL : 0, -1, &e);
    if (st == LG_OK)
        st = lg_ddl_expr_text(u, &b, e, renamed, ret);
    lg_bind_fini(&b);
    return st;
}

static lg_status
rename_column(lg_util *u, lg_relation *r, const char *old_name, const char *new_name)
{
    const lg_column *col;
    col = lg_relation_column_by_name(r, old_name);
    if (!col)
        return lg_error_set(u->err, "42703", "column \"%s\" does not exist", old_name);
    if (lg_relation_column_by_name(r, new_name))
        return lg_error_set(u->err, "42701", "column \"%s\" of relation \"%s\" already exists",
                            new_name, r->name);
    lg_relation renamed = *r;
    lg_column *cols = lg_arena_dup(u->a, r->cols, r->ncols * sizeof *cols);
    cols[col->attnum - 1].name = new_name;
    renamed.cols = cols;
    for (uint16_t i = 0; i < r->nconstraints; i++) {
        const char *text;
        lg_cat_row old, row;
        if (r->constraints[i].type != 'c')
            continue;
        lg_datum key = lg_datum_oid(r->constraints[i].oid);
        LG_TRY(rewrite_text(u, r, &renamed, r->constraints[i].check_sql, true, &text));
        LG_TRY(lg_cat_find(u->cat, LG_REL_pg_constraint, LG_IX_pg_constraint_oid_index, 1, &key,
                           u->a, &old));
        row = old;
        SETC(&row, pg_constraint, conbin, lg_datum_cstring_text(u->a, text));
        LG_TRY(lg_cat_update(u->cat, LG_REL_pg_constraint, &old, &row));
    }
    for (uint16_t i = 0; i < r->nindexes; i++) {
        const lg_index *ix = r->indexes[i];
        lg_cat_row old, row;
        lg_datum key = lg_datum_oid(ix->oid);
        for (uint16_t k = 0; k < ix->natts; k++)
            if (ix->attnum[k] == col->attnum) {
                lg_datum name = lg_cat_name(u->a, new_name);
                LG_TRY(lg_ddl_attribute_update(u, ix->oid, (int16_t)(k + 1), set_attname, &name));
            }
        if (!ix->predicate_sql && !ix->nexprs)
            continue;
        LG_TRY(lg_cat_find(u->cat, LG_REL_pg_index, LG_IX_pg_index_indexrelid_index, 1, &key, u->a,
                           &old));
        row = old;
        const char *text, *all = NULL;
        if (ix->predicate_sql) {
            LG_TRY(rewrite_text(u, r, &renamed, ix->predicate_sql, true, &text));
            SETC(&row, pg_index, indpred, lg_datum_cstring_text(u->a, text));
        }
        for (uint16_t k = 0, e = 0; k < ix->natts; k++) {
            if (ix->attnum[k])
                continue;
            LG_TRY(rewrite_text(u, r, &renamed, ix->exprs[e++], false, &text));
            all = all ? lg_arena_printf(u->a, "%s\n%u %s", all, ix->key[k].type, text)
                      : lg_arena_printf(u->a, "%u %s", ix->key[k].type, text);
        }
        if (all)
            SETC(&row, pg_index, indexprs, lg_datum_cstring_text(u->a, all));
        LG_TRY(lg_cat_update(u->cat, LG_REL_pg_index, &old, &row));
    }
    lg_datum name = lg_cat_name(u->a, new_name);
    LG_TRY(lg_ddl_attribute_update(u, r->oid, col->attnum, set_attname, &name));
    return lg_cat_touch(u->cat, r->oid);
}

lg_status
lg_ddl_rename_relation(lg_util *u, lg_relation *r, const char *new_name)
{
    lg_datum name = lg_cat_name(u->a, new_name);
    LG_TRY(lg_ddl_check_free(u, r->namespace_oid, new_name, false, NULL));
    LG_TRY(lg_ddl_class_update(u, r->oid, set_relname, &name));
    LG_TRY(lg_ddl_type_change(u, lg_usertype_oid(LG_UT_ROW, r->oid), new_name, 0, 0));
    if (r->kind == LG_REL_INDEX) { /* its constraint has the same name */
        lg_oid table;
        lg_relation *t;
        LG_TRY(lg_cat_index_table(u->cat, r->oid, &table));
        LG_TRY(lg_cat_relation_by_oid(u->cat, table, &t));
        const lg_index *ix = lg_relation_index(t, r->oid);
        lg_oid constraint = ix ? ix->constraint : 0;
        lg_relation_unref(t);
        if (constraint)
            LG_TRY(rename_constraint_row(u, constraint, new_name));
        LG_TRY(lg_cat_touch(u->cat, table));
    }
    return lg_cat_touch(u->cat, r->oid);
}

static lg_status
rename_constraint(lg_util *u, lg_relation *r, const char *old_name, const char *new_name)
{
    for (uint16_t i = 0; i < r->nconstraints; i++) {
        const lg_constraint *k = &r->constraints[i];
        if (strcmp(k->name, old_name) != 0)
            continue;
        if (k->index && k->type != 'f') {
            lg_datum name = lg_cat_name(u->a, new_name);
            LG_TRY(lg_ddl_check_free(u, r->namespace_oid, new_name, false, NULL));
            LG_TRY(lg_ddl_class_update(u, k->index, set_relname, &name));
        }
        LG_TRY(rename_constraint_row(u, k->oid, new_name));
        return lg_cat_touch(u->cat, r->oid);
    }
    return lg_error_set(u->err, "42704", "constraint \"%s\" for table \"%s\" does not exist",
                        old_name, r->name);
}

/* The views that read anything in the schema. */
static lg_status
schema_readers(readers *rs, lg_oid nsp)
{
    lg_cat_scan s;
    lg_cat_row row;
    uint32_t n = 0, cap = 4096;
    lg_oid *oids = LG_NEWN(rs->u->a, lg_oid, cap);
    lg_status st = lg_cat_scan_open(rs->u->cat, LG_REL_pg_class, 0, 0, NULL, rs->u->a, &s);
    while (st == LG_OK && (st = lg_cat_scan_next(&s, &row)) == LG_OK && n < cap)
        if (lg_oid_of(GETC(&row, pg_class, relnamespace)) == nsp &&
            strchr("rvm", lg_char(GETC(&row, pg_class, relkind))))
            oids[n++] = lg_oid_of(GETC(&row, pg_class, oid));
    lg_cat_scan_close(&s);
    if (st != LG_END && st != LG_OK)
        return st;
    if (n == cap)
        return lg_error_set(rs->u->err, "54000", "too many relations in the schema to rename it");
    for (uint32_t i = 0; i < n; i++)
        LG_TRY(readers_find(rs, oids[i]));
    return LG_OK;
}

static lg_status
rename_schema(lg_util *u, const char *old_name, const char *new_name)
{
    lg_cat_row old, row;
    lg_datum key = lg_cat_name(u->a, old_name);
    lg_status st = lg_cat_find(u->cat, LG_REL_pg_namespace, LG_IX_pg_namespace_nspname_index, 1,
                               &key, u->a, &old);
    if (st == LG_NOT_FOUND)
        return lg_error_set(u->err, "3F000", "schema \"%s\" does not exist", old_name);
    LG_TRY(st);
    bool owns;
    LG_TRY(lg_cat_is_member(u->cat, lg_cat_user(u->cat),
                            lg_oid_of(GETC(&old, pg_namespace, nspowner)), false, &owns));
    if (!owns)
        return lg_error_set(u->err, "42501", "must be owner of schema %s", old_name);
    if (strncmp(new_name, "pg_", 3) == 0) {
        lg_error_set(u->err, "42939", "unacceptable schema name \"%s\"", new_name);
        lg_error_detail(u->err, "The prefix \"pg_\" is reserved for system schemas.");
        return LG_SQL;
    }
    readers rs = {.u = u};
    LG_CHECK(schema_readers(&rs, lg_oid_of(GETC(&old, pg_namespace, oid))));
    row = old;
    SETC(&row, pg_namespace, nspname, lg_cat_name(u->a, new_name));
    st = lg_cat_update(u->cat, LG_REL_pg_namespace, &old, &row);
    if (st == LG_EXISTS)
        st = lg_error_set(u->err, "42P06", "schema \"%s\" already exists", new_name);
    if (st != LG_OK)
        goto out;
    LG_CHECK(lg_cat_touch(u->cat, 0));
    st = readers_write(&rs, NULL, 0);
out:
    readers_fini(&rs);
    return st;
}

lg_status
lg_ddl_rename(lg_util *u, const lg_ast_rename_stmt *s)
{
    lg_relation *r;
    if (s->rename_type == LG_A_OBJECT_DATABASE)
        return lg_ddl_rename_database(u, s->subname, s->newname);
    if (s->rename_type == LG_A_OBJECT_ROLE)
        return lg_ddl_rename_role(u, s->subname, s->newname);
    if (s->rename_type == LG_A_OBJECT_SCHEMA) {
        snprintf(u->tag, LG_TAG_MAX, "ALTER SCHEMA");
        return rename_schema(u, s->subname, s->newname);
    }
    if (s->rename_type == LG_A_OBJECT_FUNCTION || s->rename_type == LG_A_OBJECT_PROCEDURE ||
        s->rename_type == LG_A_OBJECT_ROUTINE)
        return lg_ddl_rename_function(u, s);
    if (s->rename_type == LG_A_OBJECT_TYPE || s->rename_type == LG_A_OBJECT_DOMAIN)
        return lg_ddl_rename_type(u, s);
    if (s->rename_type == LG_A_OBJECT_COLLATION)
        return lg_ddl_rename_collation(u, s);
    if (s->rename_type == LG_A_OBJECT_DOMCONSTRAINT)
        return lg_ddl_rename_domain_constraint(u, s);
    if (!s->relation)
        return lg_error_set(u->err, "0A000", "renaming this kind of object is not supported");
    const char *part = s->rename_type == LG_A_OBJECT_RULE      ? "rule \"%s\" for relation"
                       : s->rename_type == LG_A_OBJECT_TRIGGER ? "trigger \"%s\" for table"
                       : s->rename_type == LG_A_OBJECT_POLICY  ? "policy \"%s\" for table"
                                                               : NULL;
    if (part) { /* there are none: what is named is the table that they would belong to */
        LG_TRY(lg_ddl_open(u, s->relation, LG_LOCK_ACCESS_SHARE, false, &r));
        lg_relation_unref(r);
        return lg_error_set(u->err, "42704", "%s \"%s\" does not exist",
                            lg_arena_printf(u->a, part, s->subname), s->relation->relname);
    }
    bool column = s->rename_type == LG_A_OBJECT_COLUMN || s->rename_type == LG_A_OBJECT_ATTRIBUTE;
    int32_t type = column ? s->relation_type : s->rename_type;
    snprintf(u->tag, LG_TAG_MAX, "ALTER %s",
             type == LG_A_OBJECT_VIEW       ? "VIEW"
             : type == LG_A_OBJECT_MATVIEW  ? "MATERIALIZED VIEW"
             : type == LG_A_OBJECT_SEQUENCE ? "SEQUENCE"
             : type == LG_A_OBJECT_INDEX    ? "INDEX"
             : type == LG_A_OBJECT_TYPE     ? "TYPE"
                                            : "TABLE");
    lg_status st = lg_ddl_open(u, s->relation, LG_LOCK_ACCESS_EXCLUSIVE, s->missing_ok, &r);
    if (st == LG_NOT_FOUND) {
        lg_ddl_notice(u, "00000", "relation \"%s\" does not exist, skipping", s->relation->relname);
        return LG_OK;
    }
    LG_TRY(st);
    lg_oid oid = r->oid;
    bool names = s->rename_type != LG_A_OBJECT_TABCONSTRAINT && r->kind != LG_REL_INDEX &&
                 r->kind != LG_REL_SEQUENCE;
    readers rs = {.u = u};
    st = lg_ddl_check_owner(u, r);
    if (st == LG_OK && names)
        st = readers_find(&rs, oid);
    if (st == LG_OK) {
        if (column)
            st = rename_column(u, r, s->subname, s->newname);
        else if (s->rename_type == LG_A_OBJECT_TABCONSTRAINT)
            st = rename_constraint(u, r, s->subname, s->newname);
        else
            st = lg_ddl_rename_relation(u, r, s->newname);
    }
    if (st == LG_OK)
        st = readers_write(&rs, &oid, 1);
    readers_fini(&rs);
    lg_relation_unref(r);
    return st;
}

/* ---- SET SCHEMA ---- */

static void
set_nsp(lg_cat_row *row, void *arg)
{
    SETC(row, pg_class, relnamespace, *(lg_oid *)arg);
}

lg_status
lg_ddl_move_constraint(lg_util *u, lg_oid oid, lg_oid nsp)
{
    lg_cat_row old, row;
    lg_datum key = lg_datum_oid(oid);
    LG_TRY(lg_cat_find(u->cat, LG_REL_pg_constraint, LG_IX_pg_constraint_oid_index, 1, &key, u->a,
                       &old));
    row = old;
    SETC(&row, pg_constraint, connamespace, nsp);
    return lg_cat_update(u->cat, LG_REL_pg_constraint, &old, &row);
}

lg_status
lg_ddl_move_relation(lg_util *u, lg_relation *r, lg_oid nsp, const char *schema)
{
    lg_cat_scan s;
    lg_cat_row row;
    lg_oid seqs[64];
    uint32_t n = 0;
    bool taken;
    lg_cat_row found;
    lg_datum at[2] = {lg_cat_name(u->a, r->name), lg_datum_oid(nsp)};
    lg_status st =
        lg_cat_find(u->cat, LG_REL_pg_class, LG_IX_pg_class_relname_nsp_index, 2, at, u->a, &found);
    taken = st == LG_OK;
    if (st != LG_OK && st != LG_NOT_FOUND)
        return st;
    if (taken)
        return lg_error_set(u->err, "42P07", "relation \"%s\" already exists in schema \"%s\"",
                            r->name, schema);
    LG_TRY(lg_ddl_class_update(u, r->oid, set_nsp, &nsp));
    if (r->kind != LG_REL_SEQUENCE)
        LG_TRY(lg_ddl_type_change(u, lg_usertype_oid(LG_UT_ROW, r->oid), NULL, nsp, 0));
    for (uint16_t i = 0; i < r->nconstraints; i++)
        LG_TRY(lg_ddl_move_constraint(u, r->constraints[i].oid, nsp));
    for (uint16_t i = 0; i < r->nindexes; i++) {
        LG_TRY(lg_ddl_class_update(u, r->indexes[i]->oid, set_nsp, &nsp));
        LG_TRY(lg_cat_touch(u->cat, r->indexes[i]->oid));
    }
    LG_TRY(lg_cat_touch(u->cat, r->oid));
    lg_datum keys[2] = {lg_datum_oid(LG_REL_pg_class), lg_datum_oid(r->oid)};
    LG_TRY(lg_cat_scan_open(u->cat, LG_REL_pg_depend, LG_IX_pg_depend_reference_index, 2, keys,
                            u->a, &s));
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK && n < 64)
        if (lg_oid_of(GETC(&row, pg_depend, classid)) == LG_REL_pg_class &&
            strchr("ai", lg_char(GETC(&row, pg_depend, deptype))))
            seqs[n++] = lg_oid_of(GETC(&row, pg_depend, objid));
    lg_cat_scan_close(&s);
    if (st != LG_END && st != LG_OK)
        return st;
    for (uint32_t i = 0; i < n; i++) {
        lg_relation *seq;
        LG_TRY(lg_cat_relation_by_oid(u->cat, seqs[i], &seq));
        st = seq->kind == LG_REL_SEQUENCE ? lg_ddl_move_relation(u, seq, nsp, schema) : LG_OK;
        lg_relation_unref(seq);
        LG_TRY(st);
    }
    return LG_OK;
}

/* A sequence that belongs to a column moves with its table only. */
static lg_status
check_not_owned(lg_util *u, const lg_relation *r)
{
    lg_cat_scan s;
    lg_cat_row row;
    lg_oid owner = 0;
    lg_datum keys[2] = {lg_datum_oid(LG_REL_pg_class), lg_datum_oid(r->oid)};
    lg_status st = lg_cat_scan_open(u->cat, LG_REL_pg_depend, LG_IX_pg_depend_depender_index, 2,
                                    keys, u->a, &s);
    while (st == LG_OK && (st = lg_cat_scan_next(&s, &row)) == LG_OK)
        if (strchr("ai", lg_char(GETC(&row, pg_depend, deptype))))
            owner = lg_oid_of(GETC(&row, pg_depend, refobjid));
    lg_cat_scan_close(&s);
    if (st != LG_END)
        return st;
    if (!owner)
        return LG_OK;
    lg_relation *t;
    LG_TRY(lg_cat_relation_by_oid(u->cat, owner, &t));
    lg_error_set(u->err, "0A000", "cannot move an owned sequence into another schema");
    lg_error_detail(u->err, "Sequence \"%s\" is linked to table \"%s\".", r->name, t->name);
    lg_relation_unref(t);
    return LG_SQL;
}

lg_status
lg_ddl_set_schema(lg_util *u, const lg_ast_alter_object_schema_stmt *s)
{
    static const struct {
        int32_t type;
        const char *tag;
    } tags[] = {{LG_A_OBJECT_TABLE, "TABLE"},
                {LG_A_OBJECT_VIEW, "VIEW"},
                {LG_A_OBJECT_MATVIEW, "MATERIALIZED VIEW"},
                {LG_A_OBJECT_SEQUENCE, "SEQUENCE"}};
    const char *tag = NULL;
    lg_oid nsp;
    lg_relation *r;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (tags[i].type == s->object_type)
            tag = tags[i].tag;
    if (!tag || !s->relation)
        return lg_error_set(u->err, "0A000", "SET SCHEMA of this kind of object is not supported");
    snprintf(u->tag, LG_TAG_MAX, "ALTER %s", tag);
    lg_status st = lg_ddl_open(u, s->relation, LG_LOCK_ACCESS_EXCLUSIVE, s->missing_ok, &r);
    if (st == LG_NOT_FOUND) {
        lg_ddl_notice(u, "00000", "relation \"%s\" does not exist, skipping", s->relation->relname);
        return LG_OK;
    }
    LG_TRY(st);
    readers rs = {.u = u};
    lg_oid oid = r->oid;
    uint32_t may = 0;
    LG_CHECK(lg_ddl_check_owner(u, r));
    if (r->kind == LG_REL_SEQUENCE)
        LG_CHECK(check_not_owned(u, r));
    st = lg_cat_namespace_by_name(u->cat, s->newschema, &nsp);
    if (st == LG_NOT_FOUND)
        st = lg_error_set(u->err, "3F000", "schema \"%s\" does not exist", s->newschema);
    if (st != LG_OK)
        goto out;
    if (r->persistence == 't' || nsp == lg_cat_temp_namespace(u->cat)) {
        st = lg_error_set(u->err, "0A000", "cannot move objects into or out of temporary schemas");
        goto out;
    }
    LG_CHECK(lg_cat_namespace_mask(u->cat, lg_cat_user(u->cat), nsp, LG_ACL_CREATE, &may));
    if (!may) {
        st = lg_error_set(u->err, "42501", "permission denied for schema %s", s->newschema);
        goto out;
    }
    if (nsp == r->namespace_oid)
        goto out;
    LG_CHECK(readers_find(&rs, oid));
    LG_CHECK(lg_ddl_move_relation(u, r, nsp, s->newschema));
    st = readers_write(&rs, &oid, 1);
out:
    readers_fini(&rs);
    lg_relation_unref(r);
    return st;
}
