/* ALTER TABLE ... ALTER COLUMN: identity, generated expressions; VALIDATE CONSTRAINT. */
#include "ddl_internal.h"
#include <string.h>

struct mark {
    bool identity, generated; /* which one is set */
    char value;
    bool no_default;
};

static void
set_mark(lg_cat_row *row, void *arg)
{
    const struct mark *m = arg;
    if (m->identity)
        SETC(row, pg_attribute, attidentity, lg_datum_char(m->value));
    if (m->generated)
        SETC(row, pg_attribute, attgenerated, lg_datum_char(m->value));
    if (m->no_default)
        SETC(row, pg_attribute, atthasdef, 0);
}

lg_status
lg_ddl_column_named(lg_util *u, const lg_relation *r, const char *name, const lg_column **ret)
{
    *ret = lg_relation_column_by_name(r, name);
    return *ret ? LG_OK
                : lg_error_set(u->err, "42703", "column \"%s\" of relation \"%s\" does not exist",
                               name, r->name);
}

lg_status
lg_ddl_add_identity(lg_util *u, lg_relation *r, const lg_ast_alter_table_cmd *cmd)
{
    const lg_ast_constraint *c = lg_ast_as(cmd->def, constraint);
    const lg_column *col;
    lg_oid nsp = r->namespace_oid, seq;
    const char *name = NULL;
    struct mark m = {.identity = true,
                     .value = c->generated_when && *c->generated_when == 'd' ? 'd' : 'a'};
    LG_TRY(lg_ddl_column_named(u, r, cmd->name, &col));
    if (col->type != LG_T_INT2 && col->type != LG_T_INT4 && col->type != LG_T_INT8)
        return lg_error_set(u->err, "22023",
                            "identity column type must be smallint, integer, or bigint");
    if (!col->not_null)
        return lg_error_set(u->err, "55000",
                            "column \"%s\" of relation \"%s\" must be declared NOT NULL before "
                            "identity can be added",
                            col->name, r->name);
    if (col->identity)
        return lg_error_set(u->err, "55000",
                            "column \"%s\" of relation \"%s\" is already an identity column",
                            col->name, r->name);
    if (col->default_sql)
        return lg_error_set(u->err, "55000",
                            "column \"%s\" of relation \"%s\" already has a default value",
                            col->name, r->name);
    for (uint32_t i = 0; i < c->options.n; i++) {
        const lg_ast_def_elem *e = lg_ast_as(c->options.at[i], def_elem);
        if (strcmp(e->defname, "sequence_name") != 0)
            continue;
        const lg_ast_range_var *rv = lg_ddl_range_var(u, e->arg);
        LG_TRY(lg_ddl_namespace_for(u, rv, &nsp));
        LG_TRY(lg_ddl_check_free(u, nsp, rv->relname, false, NULL));
        name = rv->relname;
    }
    if (!name)
        LG_TRY(lg_ddl_choose_name(u, nsp, r->name, col->name, "seq", &name));
    LG_TRY(lg_ddl_sequence_make(u, nsp, name, col->type, &c->options, &seq));
    LG_TRY(lg_ddl_depend(u, LG_REL_pg_class, seq, 0, LG_REL_pg_class, r->oid, col->attnum, 'i'));
    LG_TRY(lg_ddl_attribute_update(u, r->oid, col->attnum, set_mark, &m));
    return lg_cat_touch(u->cat, r->oid);
}

/* SET GENERATED and the sequence's options (SET INCREMENT, RESTART ...). */
lg_status
lg_ddl_set_identity(lg_util *u, lg_relation *r, const lg_ast_alter_table_cmd *cmd)
{
    const lg_column *col;
    const lg_ast_list *options = &lg_ast_as(cmd->def, list_node)->list;
    lg_ast_list rest = {.at = LG_NEWN(u->a, lg_ast *, options->n + 1)};
    LG_TRY(lg_ddl_column_named(u, r, cmd->name, &col));
    if (!col->identity)
        return lg_error_set(u->err, "55000",
                            "column \"%s\" of relation \"%s\" is not an identity column", col->name,
                            r->name);
    for (uint32_t i = 0; i < options->n; i++) {
        const lg_ast_def_elem *e = lg_ast_as(options->at[i], def_elem);
        if (strcmp(e->defname, "generated") != 0) {
            rest.at[rest.n++] = options->at[i];
            continue;
        }
        struct mark m = {.identity = true, .value = (char)lg_ast_as(e->arg, value)->ival};
        LG_TRY(lg_ddl_attribute_update(u, r->oid, col->attnum, set_mark, &m));
    }
    if (rest.n) {
        lg_relation *seq;
        char tag[LG_TAG_MAX];
        snprintf(tag, sizeof tag, "%s", u->tag);
        LG_TRY(lg_cat_relation_by_oid(u->cat, col->identity_seq, &seq));
        lg_ast_range_var rv = {.relname = lg_arena_strdup(u->a, seq->name),
                               .schemaname = lg_arena_strdup(u->a, seq->schema)};
        lg_relation_unref(seq);
        lg_ast_alter_seq_stmt s = {.sequence = &rv, .options = rest};
        LG_TRY(lg_ddl_alter_sequence(u, &s));
        snprintf(u->tag, LG_TAG_MAX, "%s", tag);
    }
    return lg_cat_touch(u->cat, r->oid);
}

lg_status
lg_ddl_drop_identity(lg_util *u, lg_relation *r, const lg_ast_alter_table_cmd *cmd)
{
    const lg_column *col;
    struct mark m = {.identity = true, .value = 0};
    LG_TRY(lg_ddl_column_named(u, r, cmd->name, &col));
    if (!col->identity && cmd->missing_ok) {
        lg_ddl_notice(u, "00000",
                      "column \"%s\" of relation \"%s\" is not an identity column, skipping",
                      col->name, r->name);
        return LG_OK;
    }
    if (!col->identity)
        return lg_error_set(u->err, "55000",
                            "column \"%s\" of relation \"%s\" is not an identity column", col->name,
                            r->name);
    lg_oid seq = col->identity_seq;
    LG_TRY(lg_ddl_attribute_update(u, r->oid, col->attnum, set_mark, &m));
    LG_TRY(lg_cat_touch(u->cat, r->oid));
    if (!seq)
        return LG_OK;
    const lg_ddl_object o = {LG_REL_pg_class, seq, 0};
    LG_TRY(lg_ddl_depend_forget_sub(u, o.cls, seq, 0)); /* it is no part of the column now */
    return lg_ddl_delete(u, &o, 1, LG_DDL_QUIET | LG_DDL_CASCADE);
}

lg_status
lg_ddl_drop_expression(lg_util *u, lg_relation *r, const lg_ast_alter_table_cmd *cmd)
{
    const lg_column *col;
    struct mark m = {.generated = true, .value = 0, .no_default = true};
    LG_TRY(lg_ddl_column_named(u, r, cmd->name, &col));
    if (!col->generated && cmd->missing_ok) {
        lg_ddl_notice(u, "00000",
                      "column \"%s\" of relation \"%s\" is not a stored generated column, skipping",
                      col->name, r->name);
        return LG_OK;
    }
    if (!col->generated)
        return lg_error_set(u->err, "55000",
                            "column \"%s\" of relation \"%s\" is not a stored generated column",
                            col->name, r->name);
    LG_TRY(lg_ddl_attribute_update(u, r->oid, col->attnum, set_mark, &m));
    LG_TRY(lg_ddl_default_drop(u, col->default_oid));
    return lg_cat_touch(u->cat, r->oid);
}

lg_status
lg_ddl_alter_constraint(lg_util *u, lg_relation *r, const lg_ast_constraint *c)
{
    for (uint16_t i = 0; i < r->nconstraints; i++) {
        const lg_constraint *k = &r->constraints[i];
        lg_cat_row old, row;
        lg_datum key = lg_datum_oid(k->oid);
        if (strcmp(k->name, c->conname) != 0)
            continue;
        if (k->type != 'f')
            return lg_error_set(
                u->err, "42809",
                "constraint \"%s\" of relation \"%s\" is not a foreign key constraint", k->name,
                r->name);
        LG_TRY(lg_cat_find(u->cat, LG_REL_pg_constraint, LG_IX_pg_constraint_oid_index, 1, &key,
                           u->a, &old));
        row = old;
        SETC(&row, pg_constraint, condeferrable, c->deferrable);
        SETC(&row, pg_constraint, condeferred, c->initdeferred);
        LG_TRY(lg_cat_update(u->cat, LG_REL_pg_constraint, &old, &row));
        LG_TRY(lg_cat_touch(u->cat, k->ref_table));
        return lg_cat_touch(u->cat, r->oid);
    }
    return lg_error_set(u->err, "42704", "constraint \"%s\" of relation \"%s\" does not exist",
                        c->conname, r->name);
}

lg_status
lg_ddl_validate(lg_util *u, lg_relation *r, const char *name)
{
    for (uint16_t i = 0; i < r->nconstraints; i++) {
        const lg_constraint *k = &r->constraints[i];
        lg_cat_row old, row;
        lg_datum key = lg_datum_oid(k->oid);
        if (strcmp(k->name, name) != 0)
            continue;
        if (k->type != 'c' && k->type != 'f')
            return lg_error_set(
                u->err, "42809",
                "constraint \"%s\" of relation \"%s\" is not a foreign key or check "
                "constraint",
                name, r->name);
        if (k->validated)
            return LG_OK;
        LG_TRY(lg_ddl_constraint_validate(u, r, k));
        LG_TRY(lg_cat_find(u->cat, LG_REL_pg_constraint, LG_IX_pg_constraint_oid_index, 1, &key,
                           u->a, &old));
        row = old;
        SETC(&row, pg_constraint, convalidated, 1);
        LG_TRY(lg_cat_update(u->cat, LG_REL_pg_constraint, &old, &row));
        return lg_cat_touch(u->cat, r->oid);
    }
    return lg_error_set(u->err, "42704", "constraint \"%s\" of relation \"%s\" does not exist",
                        name, r->name);
}
