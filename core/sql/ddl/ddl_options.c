/* What a table has beside its columns: storage parameters, LOGGED and UNLOGGED.
 *
 * Storage parameters are kept as PostgreSQL keeps them (pg_class.reloptions) and shown by tools; those
 * that PostgreSQL has are known by name. Nothing here is vacuumed or filled to a factor, so none of
 * them changes what is done. An unlogged table is logged: the word allows it to lose its rows. */
#include "ddl_internal.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    const char *kinds; /* of relations */
    int min, max;      /* of an integer; both 0: not looked at */
} known[] = {
    {"fillfactor", "rmi", 10, 100},          {"deduplicate_items", "i", 0, 0},
    {"toast_tuple_target", "rm", 128, 8160}, {"parallel_workers", "rm", 0, 1024},
    {"user_catalog_table", "r", 0, 0},       {"vacuum_index_cleanup", "rm", 0, 0},
    {"vacuum_truncate", "rm", 0, 0},         {"log_autovacuum_min_duration", "rm", 0, 0},
};

static const char *
text_of(lg_util *u, const lg_ast *arg)
{
    if (!arg)
        return "true";
    if (arg->tag == LG_AST_INTEGER)
        return lg_arena_printf(u->a, "%d", lg_ast_as(arg, value)->ival);
    if (arg->tag == LG_AST_BOOLEAN)
        return lg_ast_as(arg, value)->ival ? "true" : "false";
    if (arg->tag == LG_AST_TYPE_NAME) {
        const lg_ast_list *names = &lg_ast_as(arg, type_name)->names;
        return names->n ? lg_ast_list_str(names, names->n - 1) : "";
    }
    const char *s = lg_ast_as(arg, value)->sval;
    return s ? s : "";
}

static lg_status
check_option(lg_util *u, char kind, const lg_ast_def_elem *e, const char *value)
{
    if (e->defnamespace && strcasecmp(e->defnamespace, "toast") != 0)
        return lg_error_set(u->err, "22023", "unrecognized parameter namespace \"%s\"",
                            e->defnamespace);
    if (strncmp(e->defname, "autovacuum_", 11) == 0 && kind != 'i')
        return LG_OK;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char *end;
        if (strcasecmp(known[i].name, e->defname) != 0 || !strchr(known[i].kinds, kind))
            continue;
        if (!known[i].max)
            return LG_OK;
        long v = strtol(value, &end, 10);
        if (*end || !*value)
            return lg_error_set(u->err, "22023", "invalid value for integer option \"%s\": %s",
                                known[i].name, value);
        if (v < known[i].min || v > known[i].max) {
            lg_error_set(u->err, "22023", "value %s out of bounds for option \"%s\"", value,
                         known[i].name);
            lg_error_detail(u->err, "Valid values are between \"%d\" and \"%d\".", known[i].min,
                            known[i].max);
            return LG_SQL;
        }
        return LG_OK;
    }
    return lg_error_set(u->err, "22023", "unrecognized parameter \"%s\"", e->defname);
}

#define OPTIONS_MAX 64

static void
set_options(lg_cat_row *row, void *arg)
{
    lg_datum d = *(lg_datum *)arg;
    SETC(row, pg_class, reloptions, d);
    row->null[LG_AT_pg_class_reloptions - 1] = d == 0;
}

static bool
names_option(const char *stored, const char *name)
{
    size_t n = strlen(name);
    return strncasecmp(stored, name, n) == 0 && stored[n] == '=';
}

lg_status
lg_ddl_reloptions(lg_util *u, lg_oid rel, char kind, const lg_ast_list *list, bool reset)
{
    lg_cat_row row;
    lg_datum key = lg_datum_oid(rel), out[OPTIONS_MAX], d = 0;
    const char *texts[OPTIONS_MAX];
    uint32_t n = 0;
    lg_array a;
    if (!list->n)
        return LG_OK;
    LG_TRY(lg_cat_find(u->cat, LG_REL_pg_class, LG_IX_pg_class_oid_index, 1, &key, u->a, &row));
    if (!NULLC(&row, pg_class, reloptions)) {
        lg_array_unpack(GETC(&row, pg_class, reloptions), u->a, &a);
        for (uint32_t i = 0; i < a.n && n < OPTIONS_MAX; i++)
            texts[n++] = lg_text_cstring(u->a, a.values[i]);
    }
    for (uint32_t i = 0; i < list->n; i++) {
        const lg_ast_def_elem *e = lg_ast_as(list->at[i], def_elem);
        const char *value = text_of(u, e->arg);
        if (strcasecmp(e->defname, "oids") == 0 && kind == 'r') {
            if (strcasecmp(value, "false") == 0)
                continue;
            return lg_error_set(u->err, "0A000", "tables declared WITH OIDS are not supported");
        }
        if (!reset)
            LG_TRY(check_option(u, kind, e, value));
        for (uint32_t k = 0; k < i && !reset; k++)
            if (!strcasecmp(lg_ast_as(list->at[k], def_elem)->defname, e->defname))
                return lg_error_set(u->err, "22023", "parameter \"%s\" specified more than once",
                                    e->defname);
        uint32_t kept = 0;
        for (uint32_t k = 0; k < n; k++)
            if (!names_option(texts[k], e->defname))
                texts[kept++] = texts[k];
        n = kept;
        if (!reset && !e->defnamespace && n < OPTIONS_MAX)
            texts[n++] = lg_arena_printf(u->a, "%s=%s", e->defname, value);
    }
    for (uint32_t i = 0; i < n; i++)
        out[i] = lg_datum_cstring_text(u->a, texts[i]);
    if (n)
        d = lg_array_make(u->a, LG_T_TEXT, n, out, NULL);
    return lg_ddl_class_update(u, rel, set_options, &d);
}

/* ---- LOGGED, UNLOGGED ---- */

static void
set_persistence(lg_cat_row *row, void *arg)
{
    SETC(row, pg_class, relpersistence, lg_datum_char(*(char *)arg));
}

lg_status
lg_ddl_set_logged(lg_util *u, lg_relation *r, bool logged)
{
    char now = logged ? 'p' : 'u';
    if (r->persistence == 't') {
        lg_error_set(u->err, "42P16",
                     "cannot change logged status of table \"%s\" because it is temporary",
                     r->name);
        u->err->schema = lg_arena_strdup(u->err->arena, r->schema);
        u->err->table = lg_arena_strdup(u->err->arena, r->name);
        return LG_SQL;
    }
    if (r->kind != LG_REL_TABLE)
        return lg_error_set(u->err, "42809", "\"%s\" is not a table", r->name);
    if (r->persistence == now)
        return LG_OK;
    for (uint16_t i = 0; i < r->nconstraints + r->nfk_refs; i++) {
        bool refers = i < r->nconstraints;
        lg_oid oid = refers ? (r->constraints[i].type == 'f' ? r->constraints[i].ref_table : 0)
                            : r->fk_refs[i - r->nconstraints].table;
        lg_relation *other;
        if (!oid || oid == r->oid || refers != logged)
            continue;
        LG_TRY(lg_cat_relation_by_oid(u->cat, oid, &other));
        lg_status st = LG_OK;
        if (logged && other->persistence != 'p')
            st = lg_error_set(u->err, "42P16",
                              "could not change table \"%s\" to logged because it references "
                              "unlogged table \"%s\"",
                              r->name, other->name);
        else if (!logged && other->persistence == 'p')
            st = lg_error_set(u->err, "42P16",
                              "could not change table \"%s\" to unlogged because it references "
                              "logged table \"%s\"",
                              r->name, other->name);
        if (st != LG_OK && refers)
            lg_xconstraint_name(u->es, r, r->constraints[i].name);
        for (uint16_t k = 0; st != LG_OK && !refers && k < other->nconstraints; k++)
            if (other->constraints[k].oid == r->fk_refs[i - r->nconstraints].constraint)
                lg_xconstraint_name(u->es, r, other->constraints[k].name);
        lg_relation_unref(other);
        LG_TRY(st);
    }
    LG_TRY(lg_ddl_class_update(u, r->oid, set_persistence, &now));
    for (uint16_t i = 0; i < r->nindexes; i++) {
        LG_TRY(lg_ddl_class_update(u, r->indexes[i]->oid, set_persistence, &now));
        LG_TRY(lg_cat_touch(u->cat, r->indexes[i]->oid));
    }
    return lg_cat_touch(u->cat, r->oid);
}

/* ---- the rest ---- */

#define STATISTICS_MAX 10000

static void
set_storage(lg_cat_row *row, void *arg)
{
    SETC(row, pg_attribute, attstorage, lg_datum_char(*(char *)arg));
}

static lg_status
storage(lg_util *u, const lg_relation *r, const lg_ast_alter_table_cmd *cmd)
{
    static const struct {
        const char *name;
        char code;
    } names[] = {{"plain", 'p'}, {"external", 'e'}, {"extended", 'x'}, {"main", 'm'}};
    const char *word = text_of(u, cmd->def);
    const lg_column *col;
    char code = 0;
    LG_TRY(lg_ddl_column_named(u, r, cmd->name, &col));
    for (size_t i = 0; i < 4; i++)
        if (!strcasecmp(names[i].name, word))
            code = names[i].code;
    if (!code)
        return lg_error_set(u->err, "22023", "invalid storage type \"%s\"", word);
    const lg_type *t = lg_type_get(col->type);
    if (t && t->typlen != -1 && code != 'p')
        return lg_error_set(u->err, "0A000", "column data type %s can only have storage PLAIN",
                            lg_type_name(u->es->env, lg_column_declared(col), -1, u->a));
    /* Kept and shown: where a value goes is decided by the row's size. */
    LG_TRY(lg_ddl_attribute_update(u, r->oid, col->attnum, set_storage, &code));
    return lg_cat_touch(u->cat, r->oid);
}

static void
set_statistics(lg_cat_row *row, void *arg)
{
    SETC(row, pg_attribute, attstattarget, lg_datum_int4(*(int32_t *)arg));
}

static lg_status
statistics(lg_util *u, const lg_relation *r, const lg_ast_alter_table_cmd *cmd)
{
    const lg_column *col;
    int32_t target = lg_ast_as(cmd->def, value)->ival;
    if (!cmd->name)
        return lg_error_set(u->err, "0A000",
                            "a statistics target of an index column is not supported");
    if (target < -1)
        return lg_error_set(u->err, "22023", "statistics target %d is too low", target);
    if (target > STATISTICS_MAX) {
        target = STATISTICS_MAX;
        if (u->es->notice)
            u->es->notice(u->es->arg, "WARNING", "22023",
                          lg_arena_printf(u->a, "lowering statistics target to %d", target), NULL);
    }
    LG_TRY(lg_ddl_column_named(u, r, cmd->name, &col));
    LG_TRY(lg_ddl_attribute_update(u, r->oid, col->attnum, set_statistics, &target));
    return lg_cat_touch(u->cat, r->oid);
}

/* Forms of ALTER TABLE about such things. */
lg_status
lg_ddl_alter_option(lg_util *u, lg_relation *r, const lg_ast_alter_table_cmd *cmd)
{
    const lg_column *col;
    switch (cmd->subtype) {
    case LG_A_AT_SET_LOGGED:
    case LG_A_AT_SET_UN_LOGGED:
        return lg_ddl_set_logged(u, r, cmd->subtype == LG_A_AT_SET_LOGGED);
    case LG_A_AT_SET_REL_OPTIONS:
    case LG_A_AT_RESET_REL_OPTIONS:
        LG_TRY(lg_ddl_reloptions(u, r->oid, r->kind, &lg_ast_as(cmd->def, list_node)->list,
                                 cmd->subtype == LG_A_AT_RESET_REL_OPTIONS));
        return lg_cat_touch(u->cat, r->oid);
    case LG_A_AT_SET_STORAGE:
        return storage(u, r, cmd);
    case LG_A_AT_SET_COMPRESSION:
        LG_TRY(lg_ddl_column_named(u, r, cmd->name, &col));
        return strcasecmp(text_of(u, cmd->def), "default") == 0
                   ? LG_OK
                   : lg_error_set(u->err, "0A000",
                                  "choosing the compression of a column is not supported");
    case LG_A_AT_SET_STATISTICS:
        return statistics(u, r, cmd);
    case LG_A_AT_RESET_OPTIONS: /* of a column: none can be set */
    case LG_A_AT_DROP_CLUSTER:  /* no table is clustered */
    case LG_A_AT_DISABLE_ROW_SECURITY:
    case LG_A_AT_NO_FORCE_ROW_SECURITY: /* no table has it enabled */
    case LG_A_AT_ENABLE_TRIG_USER:
    case LG_A_AT_DISABLE_TRIG_USER: /* no table has triggers of users */
        return LG_OK;
    default:
        return lg_error_set(u->err, "0A000", "this form of ALTER TABLE is not supported");
    }
}
