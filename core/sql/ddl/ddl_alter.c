/* ALTER TABLE. Each command opens the table anew, so that it sees what the one before
 * did. Stored rows are rewritten only where a new value must be computed for each. */
#include "ddl_internal.h"
#include "usertype.h"
#include <string.h>

static void
set_flag(lg_cat_row *row, void *arg)
{
    SETC(row, pg_attribute, attnotnull, *(bool *)arg);
}

static void
set_has_def(lg_cat_row *row, void *arg)
{
    SETC(row, pg_attribute, atthasdef, *(bool *)arg);
}

static void
set_natts(lg_cat_row *row, void *arg)
{
    SETC(row, pg_class, relnatts, lg_datum_int2(*(int16_t *)arg));
}

/* Gives every row that is stored the value of the expression in a column (new: NULL before). */
static lg_status
rewrite_column(lg_util *u, lg_oid table, int16_t attnum, const lg_expr *e, uint32_t n_ids)
{
    lg_relation *r;
    lg_exec *x = NULL;
    lg_xtarget t;
    lg_bind b;
    lg_plan_target pt;
    lg_ddl_rows old = {0};
    LG_TRY(lg_cat_relation_by_oid(u->cat, table, &r));
    lg_exec_bind_init(u->es, u->a, &b);
    lg_status st = LG_OK;
    LG_CHECK(lg_plan_target_make(&b, r, &pt));
    LG_CHECK(lg_exec_bare(u->es, n_ids + 1024, &x));
    LG_CHECK(lg_xtarget_open(x, &pt, 0, &t));
    LG_CHECK(lg_ddl_rows_open(&old, u, r));
    while ((st = lg_ddl_rows_next(&old)) == LG_OK) {
        lg_datum *v = LG_NEWN(old.a, lg_datum, r->ncols + 1u);
        uint8_t *n = LG_NEWN(old.a, uint8_t, r->ncols + 1u);
        memcpy(v, old.values, r->ncols * sizeof *v);
        memcpy(n, old.nulls, r->ncols);
        LG_CHECK(lg_ddl_rows_eval(&old, &t, e, &v[attnum - 1], &n[attnum - 1]));
        LG_CHECK(lg_xtarget_check(&t, old.a, v, n));
        LG_CHECK(lg_xtarget_update(&t, old.a, NULL, old.tid, old.values, old.nulls, v, n));
    }
    if (st == LG_END)
        st = LG_OK;
out:
    lg_ddl_rows_close(&old);
    lg_exec_close(x);
    lg_bind_fini(&b);
    lg_relation_unref(r);
    return st;
}

static lg_status
add_column(lg_util *u, lg_relation *r, const lg_ast_alter_table_cmd *cmd)
{
    const lg_ast_column_def *def = lg_ast_as(cmd->def, column_def);
    lg_ast_column_def own = *def;
    lg_ddl_column col;
    lg_oid seq;
    char dep = 0, generated = 0;
    int16_t att = (int16_t)(r->ncols + 1);
    lg_bind b;
    lg_expr *e = NULL;
    uint32_t ids = 0;
    if (lg_relation_column_by_name(r, def->colname)) {
        if (cmd->missing_ok) {
            lg_ddl_notice(u, "42701", "column \"%s\" of relation \"%s\" already exists, skipping",
                          def->colname, r->name);
            return LG_OK;
        }
        return lg_error_set(u->err, "42701", "column \"%s\" of relation \"%s\" already exists",
                            def->colname, r->name);
    }
    LG_TRY(lg_ddl_constraint_attrs(u, &def->constraints, &own.constraints));
    def = &own;
    LG_TRY(lg_ddl_column_from_def(u, r->name, r->namespace_oid, def, &col, &seq, &dep));
    const char *text = col.default_sql;
    if (!text)
        LG_TRY(lg_ddl_column_default(u, def, r, &col, &text, &generated));
    lg_exec_bind_init(u->es, u->a, &b);
    lg_status st = LG_OK;
    bool constant = false, not_null = col.not_null;
    const char *value = text;
    if (col.identity)
        value = lg_arena_printf(u->a, "nextval('%u'::regclass)", seq);
    if (value) {
        lg_expr *bound;
        LG_CHECK(lg_bind_expr_text(&b, value, generated ? LG_PLACE_GENERATED : LG_PLACE_DEFAULT,
                                   generated ? r : NULL, col.type, col.typmod, &bound));
        constant = !generated && lg_expr_volatility(bound) != 'v';
        LG_CHECK(lg_plan_expr(&b, bound, &e, &ids));
    }
    if (constant) { /* rows stored before read it from the catalog */
        lg_exec *x;
        bool null;
        LG_CHECK(lg_exec_bare(u->es, ids, &x));
        st = lg_xexpr_scalar(x, u->a, e, &col.missing, &null);
        if (st == LG_OK && !null) {
            lg_oid base;
            st = lg_usertype_base(u->es->env, col.type, u->a, u->err, &base, NULL);
            if (st == LG_OK)
                col.missing = lg_datum_copy(base, col.missing, u->a);
            col.has_missing = true;
        }
        lg_exec_close(x);
        if (st != LG_OK)
            goto out;
    }
    col.default_sql = text;
    col.generated = generated;
    col.not_null = not_null && col.has_missing; /* else after the rows have values */
    LG_CHECK(lg_ddl_attribute_insert(u, r->oid, att, &col));
    if (text)
        LG_CHECK(lg_ddl_default_insert(u, r->oid, att, text, generated ? r : NULL));
    if (seq)
        LG_CHECK(lg_ddl_depend(u, LG_REL_pg_class, seq, 0, LG_REL_pg_class, r->oid, att, dep));
    LG_CHECK(lg_ddl_class_update(u, r->oid, set_natts, &att));
    LG_CHECK(lg_cat_touch(u->cat, r->oid));
    if (e && !constant && !generated)
        LG_CHECK(rewrite_column(u, r->oid, att, e, ids));
    else if (generated) /* computed by the check of each row */
        LG_CHECK(rewrite_column(u, r->oid, att, e, ids));
    if (not_null && !col.not_null) {
        lg_ast_constraint c = {.contype = LG_A_CONSTR_NOTNULL};
        LG_CHECK(lg_ddl_constraint_add(u, r->oid, &c, col.name));
    }
    for (uint32_t i = 0; i < def->constraints.n; i++) {
        const lg_ast_constraint *c = lg_ast_as(def->constraints.at[i], constraint);
        if (c->contype == LG_A_CONSTR_CHECK || c->contype == LG_A_CONSTR_PRIMARY ||
            c->contype == LG_A_CONSTR_UNIQUE || c->contype == LG_A_CONSTR_FOREIGN)
            LG_CHECK(lg_ddl_constraint_add(u, r->oid, c, col.name));
    }
out:
    lg_bind_fini(&b);
    return st;
}

static bool
index_uses(const lg_index *ix, int16_t att)
{
    for (uint16_t i = 0; i < ix->natts; i++)
        if (ix->attnum[i] == att)
            return true;
    return false;
}

lg_status
lg_ddl_drop_column(lg_util *u, lg_relation *r, const lg_ast_alter_table_cmd *cmd)
{
    const lg_column *col = lg_relation_column_by_name(r, cmd->name);
    bool cascade = cmd->behavior == LG_A_DROP_CASCADE;
    if (!col && cmd->missing_ok) {
        lg_ddl_notice(u, "00000", "column \"%s\" of relation \"%s\" does not exist, skipping",
                      cmd->name, r->name);
        return LG_OK;
    }
    LG_TRY(lg_ddl_column_named(u, r, cmd->name, &col));
    LG_TRY(lg_ddl_rowtype_unused(u, r));
    const lg_ddl_object o = {LG_REL_pg_class, r->oid, col->attnum};
    return lg_ddl_delete(u, &o, 1, cascade ? LG_DDL_CASCADE : 0);
}

static lg_status
column_default(lg_util *u, lg_relation *r, const lg_ast_alter_table_cmd *cmd)
{
    const lg_column *col;
    LG_TRY(lg_ddl_column_named(u, r, cmd->name, &col));
    if (col->identity || col->generated) {
        lg_error_set(u->err, "42601", "column \"%s\" of relation \"%s\" is %s", col->name, r->name,
                     col->identity ? "an identity column" : "a generated column");
        return LG_SQL;
    }
    LG_TRY(lg_ddl_default_drop(u, col->default_oid));
    bool has = cmd->def != NULL;
    if (has) {
        lg_bind b;
        lg_expr *e;
        const char *text;
        lg_exec_bind_init(u->es, u->a, &b);
        lg_status st = lg_bind_expr(&b, cmd->def, LG_PLACE_DEFAULT, NULL, lg_column_declared(col),
                                    col->typmod, col->name, &e);
        if (st == LG_OK)
            st = lg_ddl_expr_text(u, &b, e, r, &text);
        if (st == LG_OK)
            st = lg_ddl_default_insert(u, r->oid, col->attnum, text, NULL);
        lg_bind_fini(&b);
        LG_TRY(st);
    }
    LG_TRY(lg_ddl_attribute_update(u, r->oid, col->attnum, set_has_def, &has));
    return lg_cat_touch(u->cat, r->oid);
}

static lg_status
drop_not_null(lg_util *u, lg_relation *r, const char *name)
{
    const lg_column *col;
    bool no = false;
    LG_TRY(lg_ddl_column_named(u, r, name, &col));
    if (r->primary && index_uses(r->primary, col->attnum))
        return lg_error_set(u->err, "42P16", "column \"%s\" is in a primary key", name);
    if (col->identity)
        return lg_error_set(u->err, "42601",
                            "column \"%s\" of relation \"%s\" is an identity column", name,
                            r->name);
    LG_TRY(lg_ddl_attribute_update(u, r->oid, col->attnum, set_flag, &no));
    return lg_cat_touch(u->cat, r->oid);
}

static lg_status
drop_constraint(lg_util *u, lg_relation *r, const lg_ast_alter_table_cmd *cmd)
{
    for (uint16_t i = 0; i < r->nconstraints; i++)
        if (strcmp(r->constraints[i].name, cmd->name) == 0)
            return lg_ddl_delete(u,
                                 &(lg_ddl_object){LG_REL_pg_constraint, r->constraints[i].oid, 0},
                                 1, cmd->behavior == LG_A_DROP_CASCADE ? LG_DDL_CASCADE : 0);
    if (cmd->missing_ok) {
        lg_ddl_notice(u, "00000", "constraint \"%s\" of relation \"%s\" does not exist, skipping",
                      cmd->name, r->name);
        return LG_OK;
    }
    return lg_error_set(u->err, "42704", "constraint \"%s\" of relation \"%s\" does not exist",
                        cmd->name, r->name);
}

static void
set_type(lg_cat_row *row, void *arg)
{
    const lg_column *c = arg;
    const lg_type *t = lg_type_get(c->type);
    SETC(row, pg_attribute, atttypid, lg_column_declared(c));
    SETC(row, pg_attribute, atttypmod, lg_datum_int4(c->typmod));
    SETC(row, pg_attribute, attlen, lg_datum_int2(t ? t->typlen : -1));
    SETC(row, pg_attribute, attbyval, t && t->typbyval);
    SETC(row, pg_attribute, attalign, lg_datum_char(t ? t->align : 'i'));
    SETC(row, pg_attribute, attstorage, lg_datum_char(t ? t->storage : 'x'));
    SETC(row, pg_attribute, attcollation,
         !t || !t->collation ? 0
         : c->collation      ? c->collation
                             : t->collation);
    SETC(row, pg_attribute, attndims, lg_datum_int4(t && lg_type_is_array(t) ? 1 : 0));
    SETC(row, pg_attribute, atthasmissing, 0); /* every row is written anew */
    row->null[LG_AT_pg_attribute_attmissingval - 1] = 1;
}

static void
set_file(lg_cat_row *row, void *arg)
{
    const lg_rel_storage *st = arg;
    SETC(row, pg_class, relfilenode, st->file);
    SETC(row, pg_class, relfrozenxid, st->head);
}

/* Views, and generated columns but for this, keep the type as it is. */
static lg_status
check_type_free(lg_util *u, const lg_relation *r, const lg_column *col)
{
    lg_ddl_object *at;
    uint32_t n;
    LG_TRY(lg_ddl_column_links(u, r->oid, col->attnum, &at, &n));
    for (uint32_t i = 0; i < n; i++) {
        lg_relation *view;
        if (at[i].cls == LG_REL_pg_attrdef) {
            for (uint16_t k = 0; k < r->ncols; k++) {
                const lg_column *g = &r->cols[k];
                if (g->default_oid != at[i].obj || g == col || !g->generated)
                    continue;
                lg_error_set(u->err, "0A000",
                             "cannot alter type of a column used by a generated column");
                lg_error_detail(u->err, "Column \"%s\" is used by generated column \"%s\".",
                                col->name, g->name);
                return LG_SQL;
            }
        }
        if (at[i].cls != LG_REL_pg_class || at[i].sub)
            continue;
        LG_TRY(lg_cat_relation_by_oid(u->cat, at[i].obj, &view));
        if (view->kind == LG_REL_VIEW || view->kind == LG_REL_MATVIEW) {
            lg_error_set(u->err, "0A000", "cannot alter type of a column used by a view or rule");
            lg_error_detail(u->err, "rule _RETURN on %s %s depends on column \"%s\"",
                            lg_ddl_relation_word(view), lg_ddl_shown_name(u, view), col->name);
            lg_relation_unref(view);
            return LG_SQL;
        }
        lg_relation_unref(view);
    }
    return LG_OK;
}

/* A changed type means a new table segment, written from the old one, and new index segments. */
static lg_status
column_type(lg_util *u, lg_relation *r, const lg_ast_alter_table_cmd *cmd)
{
    const lg_ast_column_def *def = lg_ast_as(cmd->def, column_def);
    const lg_column *col;
    lg_column now;
    lg_bind b;
    lg_expr *e, *run;
    uint32_t ids;
    lg_exec *x = NULL;
    lg_relation *fresh = NULL;
    lg_ddl_rows old = {0};
    lg_status st = LG_OK;
    lg_exec_bind_init(u->es, u->a, &b);
    LG_CHECK(lg_ddl_column_named(u, r, cmd->name, &col));
    now = *col;
    lg_oid declared;
    LG_CHECK(lg_bind_type_name(&b, def->type_name, &declared, &now.typmod, NULL));
    LG_CHECK(lg_usertype_base(u->es->env, declared, u->a, u->err, &now.type, NULL));
    now.domain = declared == now.type ? 0 : declared;
    LG_CHECK(lg_ddl_collation(u, def->coll_clause, declared, &now.collation));
    LG_CHECK(lg_ddl_rowtype_unused(u, r));
    LG_CHECK(lg_ddl_depend_forget_sub(u, LG_REL_pg_class, r->oid, col->attnum));
    LG_CHECK(lg_ddl_type_depend(u, LG_REL_pg_class, r->oid, col->attnum, declared));
    LG_CHECK(lg_ddl_collation_depend(u, LG_REL_pg_class, r->oid, col->attnum, now.collation));
    if (r->kind == LG_REL_COMPOSITE) {
        LG_CHECK(lg_ddl_attribute_update(u, r->oid, col->attnum, set_type, &now));
        st = lg_cat_touch(u->cat, r->oid);
        goto out;
    }
    lg_ast_value name = {.h = {LG_AST_STRING, -1}, .sval = col->name};
    lg_ast *fields[1] = {&name.h};
    lg_ast_column_ref ref = {.h = {LG_AST_COLUMN_REF, -1}, .fields = {1, fields}};
    st = lg_bind_expr(&b, def->raw_default ? def->raw_default : &ref.h, LG_PLACE_USING, r, declared,
                      now.typmod, col->name, &e);
    if (st == LG_SQL && !def->raw_default && strcmp(u->err->sqlstate, "42804") == 0) {
        lg_error_clear(u->err);
        st = lg_error_set(u->err, "42804", "column \"%s\" cannot be cast automatically to type %s",
                          col->name, lg_type_name(u->es->env, declared, now.typmod, u->a));
        lg_error_hint(u->err, "You might need to specify \"USING %s::%s\".", col->name,
                      lg_type_name(u->es->env, declared, now.typmod, u->a));
    }
    if (st != LG_OK)
        goto out;
    LG_CHECK(check_type_free(u, r, col));
    LG_CHECK(lg_plan_expr(&b, e, &run, &ids));
    LG_CHECK(lg_ddl_attribute_update(u, r->oid, col->attnum, set_type, &now));
    lg_rel_storage heap;
    LG_CHECK(lg_cat_segment_create(u->cat, LG_SEG_HEAP, &heap));
    lg_cat_segment_drop(u->cat, &r->storage);
    LG_CHECK(lg_ddl_class_update(u, r->oid, set_file, &heap));
    for (uint16_t i = 0; i < r->nindexes; i++) {
        lg_rel_storage tree;
        LG_CHECK(lg_cat_segment_create(u->cat, LG_SEG_BTREE, &tree));
        lg_cat_segment_drop(u->cat, &r->indexes[i]->storage);
        LG_CHECK(lg_ddl_class_update(u, r->indexes[i]->oid, set_file, &tree));
        LG_CHECK(lg_ddl_index_retype(u, r->indexes[i], col, &now));
    }
    LG_CHECK(lg_cat_touch(u->cat, r->oid));
    LG_CHECK(lg_cat_relation_by_oid(u->cat, r->oid, &fresh));
    lg_plan_target pt;
    lg_xtarget t, from;
    lg_plan_target none = {.rel = r};
    LG_CHECK(lg_plan_target_make(&b, fresh, &pt));
    LG_CHECK(lg_exec_bare(u->es, ids + 1024, &x));
    LG_CHECK(lg_xtarget_open(x, &pt, 0, &t));
    LG_CHECK(lg_xtarget_open(x, &none, 0, &from));
    LG_CHECK(lg_ddl_rows_open(&old, u, r));
    while ((st = lg_ddl_rows_next(&old)) == LG_OK) {
        lg_tid tid, other;
        LG_CHECK(lg_ddl_rows_eval(&old, &from, run, &old.values[col->attnum - 1],
                                  &old.nulls[col->attnum - 1]));
        LG_CHECK(lg_xtarget_check(&t, old.a, old.values, old.nulls));
        LG_CHECK(lg_xtarget_insert(&t, old.a, old.values, old.nulls, false, 0, NULL, &tid, &other));
    }
    if (st == LG_END)
        st = LG_OK;
out:
    lg_ddl_rows_close(&old);
    lg_exec_close(x);
    lg_relation_unref(fresh);
    lg_bind_fini(&b);
    return st;
}

static void
set_owner(lg_cat_row *row, void *arg)
{
    SETC(row, pg_class, relowner, *(lg_oid *)arg);
}

static lg_status
one_command(lg_util *u, lg_relation *r, const lg_ast_alter_table_cmd *cmd)
{
    switch (cmd->subtype) {
    case LG_A_AT_ADD_COLUMN:
        return add_column(u, r, cmd);
    case LG_A_AT_DROP_COLUMN:
        return lg_ddl_drop_column(u, r, cmd);
    case LG_A_AT_COLUMN_DEFAULT:
        return column_default(u, r, cmd);
    case LG_A_AT_DROP_NOT_NULL:
        return drop_not_null(u, r, cmd->name);
    case LG_A_AT_SET_NOT_NULL: {
        const lg_column *col;
        lg_ast_constraint c = {.contype = LG_A_CONSTR_NOTNULL};
        LG_TRY(lg_ddl_column_named(u, r, cmd->name, &col));
        return lg_ddl_constraint_add(u, r->oid, &c, cmd->name);
    }
    case LG_A_AT_ADD_CONSTRAINT:
        return lg_ddl_constraint_add(u, r->oid, lg_ast_as(cmd->def, constraint), NULL);
    case LG_A_AT_DROP_CONSTRAINT:
        return drop_constraint(u, r, cmd);
    case LG_A_AT_ALTER_COLUMN_TYPE:
        return column_type(u, r, cmd);
    case LG_A_AT_CHANGE_OWNER: {
        lg_oid role;
        LG_TRY(lg_ddl_role(u, cmd->newowner, &role));
        LG_TRY(lg_ddl_class_update(u, r->oid, set_owner, &role));
        LG_TRY(lg_ddl_type_change(u, lg_usertype_oid(LG_UT_ROW, r->oid), NULL, 0, role));
        return lg_cat_touch(u->cat, r->oid);
    }
    case LG_A_AT_ADD_IDENTITY:
        return lg_ddl_add_identity(u, r, cmd);
    case LG_A_AT_SET_IDENTITY:
        return lg_ddl_set_identity(u, r, cmd);
    case LG_A_AT_DROP_IDENTITY:
        return lg_ddl_drop_identity(u, r, cmd);
    case LG_A_AT_DROP_EXPRESSION:
        return lg_ddl_drop_expression(u, r, cmd);
    case LG_A_AT_ALTER_CONSTRAINT:
        return lg_ddl_alter_constraint(u, r, lg_ast_as(cmd->def, constraint));
    case LG_A_AT_VALIDATE_CONSTRAINT:
        return lg_ddl_validate(u, r, cmd->name);
    case LG_A_AT_SET_REL_OPTIONS:
    case LG_A_AT_RESET_REL_OPTIONS:
        if (r->kind != LG_REL_VIEW)
            return lg_ddl_alter_option(u, r, cmd);
        return lg_ddl_view_options(u, r, &lg_ast_as(cmd->def, list_node)->list,
                                   cmd->subtype == LG_A_AT_RESET_REL_OPTIONS);
    default:
        return lg_ddl_alter_option(u, r, cmd);
    }
}

lg_status
lg_ddl_alter_table(lg_util *u, const lg_ast_alter_table_stmt *s)
{
    lg_relation *r;
    snprintf(u->tag, LG_TAG_MAX, "ALTER %s",
             s->objtype == LG_A_OBJECT_VIEW       ? "VIEW"
             : s->objtype == LG_A_OBJECT_MATVIEW  ? "MATERIALIZED VIEW"
             : s->objtype == LG_A_OBJECT_SEQUENCE ? "SEQUENCE"
             : s->objtype == LG_A_OBJECT_INDEX    ? "INDEX"
             : s->objtype == LG_A_OBJECT_TYPE     ? "TYPE"
                                                  : "TABLE");
    lg_status st = lg_ddl_open(u, s->relation, LG_LOCK_ACCESS_EXCLUSIVE, s->missing_ok, &r);
    if (st == LG_NOT_FOUND) {
        lg_ddl_notice(u, "00000", "relation \"%s\" does not exist, skipping", s->relation->relname);
        return LG_OK;
    }
    LG_TRY(st);
    lg_oid oid = r->oid;
    st = lg_ddl_check_owner(u, r);
    if (st == LG_OK)
        st = lg_ddl_check_unused(u, r, "ALTER TABLE");
    lg_relation_unref(r);
    for (uint32_t i = 0; i < s->cmds.n && st == LG_OK; i++) {
        LG_TRY(lg_ddl_open_oid(u, oid, LG_LOCK_ACCESS_EXCLUSIVE, &r));
        st = one_command(u, r, lg_ast_as(s->cmds.at[i], alter_table_cmd));
        lg_relation_unref(r);
    }
    return st;
}
