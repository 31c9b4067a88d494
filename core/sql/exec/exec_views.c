/* The built-in views as virtual relations: PostgreSQL's pg_tables, pg_roles, ... and what of
 * information_schema describes tables. Rows are made from the catalog at each scan, as the
 * session's user and transaction see it. */
#include "exec_func_internal.h"
#include <string.h>

enum { /* V_tables_table_name: attribute numbers */
#define LG_VIEW(schema, name)              V_##name = 0,
#define LG_VIEW_COLUMN(view, column, type) V_##view##_##column,
#define LG_VIEW_END(name)
#include "view.def"
#undef LG_VIEW
#undef LG_VIEW_COLUMN
#undef LG_VIEW_END
};

enum { /* S_x, E_x: where the columns of a view start and end in the flat list */
#define LG_VIEW(schema, name)              S_##name, S_##name##_is = S_##name - 1,
#define LG_VIEW_COLUMN(view, column, type) F_##view##_##column,
#define LG_VIEW_END(name)                  E_##name, E_##name##_is = E_##name - 1,
#include "view.def"
#undef LG_VIEW
#undef LG_VIEW_COLUMN
#undef LG_VIEW_END
};

static const lg_virtual_column columns[] = {
#define LG_VIEW(schema, name)
#define LG_VIEW_COLUMN(view, column, type) {#column, LG_T_##type},
#define LG_VIEW_END(name)
#include "view.def"
#undef LG_VIEW
#undef LG_VIEW_COLUMN
#undef LG_VIEW_END
};

#define MAX_COLUMNS 64

/* A row being made, and a call for the functions that print definitions. */
struct row {
    lg_virtual_ctx *ctx;
    lg_call call;
    lg_datum v[MAX_COLUMNS];
    uint8_t null[MAX_COLUMNS];
};

static void
row_init(struct row *r, lg_virtual_ctx *ctx)
{
    lg_exec_session *es = ctx->session;
    r->ctx = ctx;
    lg_call_init(&r->call, NULL, es->env, ctx->err, ctx->arena, ctx->arena);
    memset(r->null, 1, sizeof r->null);
}

static void
row_emit(struct row *r)
{
    r->ctx->emit(r->ctx, r->v, r->null);
    memset(r->null, 1, sizeof r->null);
}

static void
set(struct row *r, int att, lg_datum d)
{
    r->v[att - 1] = d;
    r->null[att - 1] = 0;
}

static void
set_text(struct row *r, int att, const char *s)
{
    if (s)
        set(r, att, lg_datum_cstring_text(r->ctx->arena, s));
}

static void
set_int(struct row *r, int att, int32_t v)
{
    set(r, att, lg_datum_int4(v));
}

#define TEXT(view, col, s) set_text(r, V_##view##_##col, (s))
#define INT(view, col, v)  set_int(r, V_##view##_##col, (v))
#define PUT(view, col, d)  set(r, V_##view##_##col, (lg_datum)(d))
#define YES(b)             ((b) ? "YES" : "NO")

static const char *
owner_name(struct row *r, lg_oid oid)
{
    lg_role role;
    return lg_cat_role_by_oid(r->ctx->cat, oid, r->ctx->arena, &role) == LG_OK ? role.name : "";
}

/* Calls fn for every relation of one of the kinds that the user may know of. */
typedef lg_status (*each_fn)(struct row *r, lg_relation *rel);

static lg_status
each_relation(lg_virtual_ctx *ctx, const char *kinds, each_fn fn)
{
    lg_cat_scan s;
    lg_cat_row row;
    struct row r;
    row_init(&r, ctx);
    LG_TRY(lg_cat_scan_open(ctx->cat, LG_REL_pg_class, 0, 0, NULL, ctx->arena, &s));
    lg_status st;
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        char kind = lg_char(LG_ROW_GET(&row, LG_AT_pg_class_relkind));
        lg_relation *rel;
        if (!strchr(kinds, kind))
            continue;
        st =
            lg_cat_relation_by_oid(ctx->cat, lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_class_oid)), &rel);
        if (st == LG_NOT_FOUND)
            continue;
        if (st != LG_OK)
            break;
        st = fn(&r, rel);
        lg_relation_unref(rel);
        if (st != LG_OK)
            break;
    }
    lg_cat_scan_close(&s);
    return st == LG_END ? LG_OK : st;
}

static lg_status
rows_none(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    (void)ctx;
    return LG_OK;
}

/* --- roles --- */

typedef void (*role_fn)(struct row *r, const lg_role *role, const lg_cat_row *row);

static lg_status
each_role(lg_virtual_ctx *ctx, role_fn fn)
{
    lg_cat_scan s;
    lg_cat_row row;
    struct row r;
    row_init(&r, ctx);
    LG_TRY(lg_cat_scan_open(ctx->cat, LG_REL_pg_authid, 0, 0, NULL, ctx->arena, &s));
    lg_status st;
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        lg_role role;
        st = lg_cat_role_by_oid(ctx->cat, lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_authid_oid)),
                                ctx->arena, &role);
        if (st == LG_NOT_FOUND)
            continue;
        if (st != LG_OK)
            break;
        fn(&r, &role, &row);
    }
    lg_cat_scan_close(&s);
    return st == LG_END ? LG_OK : st;
}

static void
put_role(struct row *r, const lg_role *x, const lg_cat_row *row)
{
    TEXT(pg_roles, rolname, x->name);
    PUT(pg_roles, rolsuper, x->super);
    PUT(pg_roles, rolinherit, x->inherit);
    PUT(pg_roles, rolcreaterole, x->createrole);
    PUT(pg_roles, rolcreatedb, x->createdb);
    PUT(pg_roles, rolcanlogin, x->canlogin);
    PUT(pg_roles, rolreplication, x->replication);
    INT(pg_roles, rolconnlimit, x->connlimit);
    TEXT(pg_roles, rolpassword, "********");
    if (!LG_ROW_NULL(row, LG_AT_pg_authid_rolvaliduntil))
        PUT(pg_roles, rolvaliduntil, LG_ROW_GET(row, LG_AT_pg_authid_rolvaliduntil));
    PUT(pg_roles, rolbypassrls, x->bypassrls);
    PUT(pg_roles, oid, x->oid);
    row_emit(r);
}

static lg_status
rows_pg_roles(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    return each_role(ctx, put_role);
}

static void
put_user(struct row *r, const lg_role *x, const lg_cat_row *row)
{
    if (!x->canlogin)
        return;
    TEXT(pg_user, usename, x->name);
    PUT(pg_user, usesysid, x->oid);
    PUT(pg_user, usecreatedb, x->createdb);
    PUT(pg_user, usesuper, x->super);
    PUT(pg_user, userepl, x->replication);
    PUT(pg_user, usebypassrls, x->bypassrls);
    TEXT(pg_user, passwd, "********");
    if (!LG_ROW_NULL(row, LG_AT_pg_authid_rolvaliduntil))
        PUT(pg_user, valuntil, LG_ROW_GET(row, LG_AT_pg_authid_rolvaliduntil));
    row_emit(r);
}

static lg_status
rows_pg_user(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    return each_role(ctx, put_user);
}

/* --- pg_tables, pg_indexes, pg_views, pg_sequences --- */

static lg_status
put_pg_table(struct row *r, lg_relation *rel)
{
    TEXT(pg_tables, schemaname, rel->schema);
    TEXT(pg_tables, tablename, rel->name);
    TEXT(pg_tables, tableowner, owner_name(r, rel->owner));
    PUT(pg_tables, hasindexes, rel->nindexes > 0);
    PUT(pg_tables, hasrules, 0);
    PUT(pg_tables, hastriggers, 0);
    PUT(pg_tables, rowsecurity, 0);
    row_emit(r);
    return LG_OK;
}

static lg_status
rows_pg_tables(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    return each_relation(ctx, "rp", put_pg_table);
}

static lg_status
put_pg_index(struct row *r, lg_relation *rel)
{
    for (uint16_t i = 0; i < rel->nindexes; i++) {
        TEXT(pg_indexes, schemaname, rel->schema);
        TEXT(pg_indexes, tablename, rel->name);
        TEXT(pg_indexes, indexname, rel->indexes[i]->name);
        TEXT(pg_indexes, indexdef, lg_fx_index_text(&r->call, rel, rel->indexes[i], false));
        row_emit(r);
    }
    return LG_OK;
}

static lg_status
rows_pg_indexes(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    return each_relation(ctx, "r", put_pg_index);
}

static lg_status
put_pg_view(struct row *r, lg_relation *rel)
{
    TEXT(pg_views, schemaname, rel->schema);
    TEXT(pg_views, viewname, rel->name);
    TEXT(pg_views, viewowner, owner_name(r, rel->owner));
    if (rel->view_sql)
        TEXT(pg_views, definition, lg_arena_printf(r->ctx->arena, "%s;", rel->view_sql));
    row_emit(r);
    return LG_OK;
}

static lg_status
rows_pg_views(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    return each_relation(ctx, "v", put_pg_view);
}

static lg_status
put_pg_sequence(struct row *r, lg_relation *rel)
{
    lg_sequence q;
    lg_seq_state s;
    LG_TRY(lg_cat_sequence(r->ctx->cat, rel->oid, &q));
    LG_TRY(lg_cat_sequence_read(r->ctx->cat, rel->oid, &s));
    TEXT(pg_sequences, schemaname, rel->schema);
    TEXT(pg_sequences, sequencename, rel->name);
    TEXT(pg_sequences, sequenceowner, owner_name(r, rel->owner));
    PUT(pg_sequences, data_type, q.type);
    PUT(pg_sequences, start_value, q.start);
    PUT(pg_sequences, min_value, q.min);
    PUT(pg_sequences, max_value, q.max);
    PUT(pg_sequences, increment_by, q.increment);
    PUT(pg_sequences, cycle, q.cycle);
    PUT(pg_sequences, cache_size, q.cache);
    if (s.is_called)
        PUT(pg_sequences, last_value, s.last_value);
    row_emit(r);
    return LG_OK;
}

static lg_status
rows_pg_sequences(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    return each_relation(ctx, "S", put_pg_sequence);
}

/* --- information_schema --- */

static lg_status
rows_information_schema_catalog_name(void *arg, lg_virtual_ctx *ctx)
{
    struct row row, *r = &row;
    (void)arg;
    row_init(r, ctx);
    TEXT(information_schema_catalog_name, catalog_name, lg_cat_database(ctx->cat));
    row_emit(r);
    return LG_OK;
}

static lg_status
rows_schemata(void *arg, lg_virtual_ctx *ctx)
{
    lg_cat_scan s;
    lg_cat_row row;
    struct row out, *r = &out;
    (void)arg;
    row_init(r, ctx);
    LG_TRY(lg_cat_scan_open(ctx->cat, LG_REL_pg_namespace, 0, 0, NULL, ctx->arena, &s));
    lg_status st;
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        TEXT(schemata, catalog_name, lg_cat_database(ctx->cat));
        PUT(schemata, schema_name, LG_ROW_GET(&row, LG_AT_pg_namespace_nspname));
        TEXT(schemata, schema_owner,
             owner_name(r, lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_namespace_nspowner))));
        row_emit(r);
    }
    lg_cat_scan_close(&s);
    return st == LG_END ? LG_OK : st;
}

static lg_status
put_table(struct row *r, lg_relation *rel)
{
    bool table = rel->kind == LG_REL_TABLE;
    TEXT(tables, table_catalog, lg_cat_database(r->ctx->cat));
    TEXT(tables, table_schema, rel->schema);
    TEXT(tables, table_name, rel->name);
    TEXT(tables, table_type,
         rel->persistence == 't' ? "LOCAL TEMPORARY"
         : table                 ? "BASE TABLE"
                                 : "VIEW");
    TEXT(tables, is_insertable_into, YES(table));
    TEXT(tables, is_typed, "NO");
    row_emit(r);
    return LG_OK;
}

static lg_status
rows_tables(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    return each_relation(ctx, "rv", put_table);
}

static lg_status
put_view(struct row *r, lg_relation *rel)
{
    TEXT(views, table_catalog, lg_cat_database(r->ctx->cat));
    TEXT(views, table_schema, rel->schema);
    TEXT(views, table_name, rel->name);
    if (rel->view_sql)
        TEXT(views, view_definition, lg_arena_printf(r->ctx->arena, "%s;", rel->view_sql));
    TEXT(views, check_option, "NONE");
    TEXT(views, is_updatable, "NO");
    TEXT(views, is_insertable_into, "NO");
    TEXT(views, is_trigger_updatable, "NO");
    TEXT(views, is_trigger_deletable, "NO");
    TEXT(views, is_trigger_insertable_into, "NO");
    row_emit(r);
    return LG_OK;
}

static lg_status
rows_views(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    return each_relation(ctx, "v", put_view);
}

/* Length, precision and scale, as the standard counts them. */
static void
put_type_facts(struct row *r, const lg_column *col)
{
    int32_t m = col->typmod;
    switch (col->type) {
    case LG_T_VARCHAR:
    case LG_T_BPCHAR:
        if (m >= 4) {
            INT(columns, character_maximum_length, m - 4);
            INT(columns, character_octet_length, (m - 4) * 4);
        } else {
            INT(columns, character_octet_length, 1 << 30);
        }
        break;
    case LG_T_TEXT:
        INT(columns, character_octet_length, 1 << 30);
        break;
    case LG_T_INT2:
    case LG_T_INT4:
    case LG_T_INT8:
        INT(columns, numeric_precision,
            col->type == LG_T_INT2   ? 16
            : col->type == LG_T_INT4 ? 32
                                     : 64);
        INT(columns, numeric_precision_radix, 2);
        INT(columns, numeric_scale, 0);
        break;
    case LG_T_FLOAT4:
    case LG_T_FLOAT8:
        INT(columns, numeric_precision, col->type == LG_T_FLOAT4 ? 24 : 53);
        INT(columns, numeric_precision_radix, 2);
        break;
    case LG_T_NUMERIC:
        INT(columns, numeric_precision_radix, 10);
        if (m >= 4) {
            INT(columns, numeric_precision, ((m - 4) >> 16) & 0xffff);
            INT(columns, numeric_scale, (((m - 4) & 0x7ff) ^ 1024) - 1024);
        }
        break;
    case LG_T_DATE:
        INT(columns, datetime_precision, 0);
        break;
    case LG_T_TIME:
    case LG_T_TIMETZ:
    case LG_T_TIMESTAMP:
    case LG_T_TIMESTAMPTZ:
        INT(columns, datetime_precision, m >= 0 ? m : 6);
        break;
    case LG_T_INTERVAL:
        INT(columns, datetime_precision, m >= 0 && (m & 0xffff) != 0xffff ? m & 0xffff : 6);
        break;
    default:
        break;
    }
}

static void
put_identity(struct row *r, const lg_column *col)
{
    lg_sequence q;
    lg_arena *a = r->ctx->arena;
    TEXT(columns, is_identity, YES(col->identity));
    if (!col->identity || lg_cat_sequence(r->ctx->cat, col->identity_seq, &q) != LG_OK)
        return;
    TEXT(columns, identity_generation, col->identity == 'a' ? "ALWAYS" : "BY DEFAULT");
    TEXT(columns, identity_start, lg_arena_printf(a, "%lld", (long long)q.start));
    TEXT(columns, identity_increment, lg_arena_printf(a, "%lld", (long long)q.increment));
    TEXT(columns, identity_maximum, lg_arena_printf(a, "%lld", (long long)q.max));
    TEXT(columns, identity_minimum, lg_arena_printf(a, "%lld", (long long)q.min));
}

static lg_status
put_columns(struct row *r, lg_relation *rel)
{
    int32_t position = 0;
    for (uint16_t i = 0; i < rel->ncols; i++) {
        const lg_column *col = &rel->cols[i];
        const lg_type *t = lg_type_get(col->type);
        const char *text = NULL;
        position = col->attnum;
        if (col->dropped)
            continue;
        TEXT(columns, table_catalog, lg_cat_database(r->ctx->cat));
        TEXT(columns, table_schema, rel->schema);
        TEXT(columns, table_name, rel->name);
        TEXT(columns, column_name, col->name);
        INT(columns, ordinal_position, position);
        if (col->default_sql)
            LG_TRY(lg_fx_expression_text(&r->call, col->default_sql, rel, &text));
        if (col->generated) {
            TEXT(columns, generation_expression, text);
            text = NULL;
        }
        TEXT(columns, column_default, text);
        TEXT(columns, is_nullable, YES(!col->not_null));
        TEXT(columns, data_type, !t ? "USER-DEFINED" : lg_type_is_array(t) ? "ARRAY" : t->sql_name);
        put_type_facts(r, col);
        TEXT(columns, udt_catalog, lg_cat_database(r->ctx->cat));
        TEXT(columns, udt_schema, "pg_catalog");
        TEXT(columns, udt_name, t ? t->name : "");
        TEXT(columns, dtd_identifier, lg_arena_printf(r->ctx->arena, "%d", position));
        TEXT(columns, is_self_referencing, "NO");
        put_identity(r, col);
        TEXT(columns, identity_cycle, "NO");
        TEXT(columns, is_generated, col->generated ? "ALWAYS" : "NEVER");
        TEXT(columns, is_updatable, YES(rel->kind == LG_REL_TABLE));
        row_emit(r);
    }
    return LG_OK;
}

static lg_status
rows_columns(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    return each_relation(ctx, "rv", put_columns);
}

static lg_status
put_sequence(struct row *r, lg_relation *rel)
{
    lg_sequence q;
    lg_arena *a = r->ctx->arena;
    LG_TRY(lg_cat_sequence(r->ctx->cat, rel->oid, &q));
    TEXT(sequences, sequence_catalog, lg_cat_database(r->ctx->cat));
    TEXT(sequences, sequence_schema, rel->schema);
    TEXT(sequences, sequence_name, rel->name);
    TEXT(sequences, data_type, lg_type_format(a, q.type, -1));
    INT(sequences, numeric_precision, q.type == LG_T_INT2 ? 16 : q.type == LG_T_INT4 ? 32 : 64);
    INT(sequences, numeric_precision_radix, 2);
    INT(sequences, numeric_scale, 0);
    TEXT(sequences, start_value, lg_arena_printf(a, "%lld", (long long)q.start));
    TEXT(sequences, minimum_value, lg_arena_printf(a, "%lld", (long long)q.min));
    TEXT(sequences, maximum_value, lg_arena_printf(a, "%lld", (long long)q.max));
    TEXT(sequences, increment, lg_arena_printf(a, "%lld", (long long)q.increment));
    TEXT(sequences, cycle_option, YES(q.cycle));
    row_emit(r);
    return LG_OK;
}

static lg_status
rows_sequences(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    return each_relation(ctx, "S", put_sequence);
}

/* Every view of constraints begins with the constraint's name. */
#define CONSTRAINT(view, k)                                                                        \
    do {                                                                                           \
        TEXT(view, constraint_catalog, lg_cat_database(r->ctx->cat));                              \
        TEXT(view, constraint_schema, rel->schema);                                                \
        TEXT(view, constraint_name, (k)->name);                                                    \
    } while (0)
#define OF_TABLE(view, of)                                                                         \
    do {                                                                                           \
        TEXT(view, table_catalog, lg_cat_database(r->ctx->cat));                                   \
        TEXT(view, table_schema, (of)->schema);                                                    \
        TEXT(view, table_name, (of)->name);                                                        \
    } while (0)

static const char *
constraint_type(char t)
{
    return t == 'p' ? "PRIMARY KEY" : t == 'u' ? "UNIQUE" : t == 'f' ? "FOREIGN KEY" : "CHECK";
}

/* NOT NULL counts as a check, with the name that PostgreSQL makes up for it. */
static const char *
not_null_name(struct row *r, const lg_relation *rel, const lg_column *col)
{
    return lg_arena_printf(r->ctx->arena, "%u_%u_%d_not_null", rel->namespace_oid, rel->oid,
                           col->attnum);
}

static lg_status
put_table_constraints(struct row *r, lg_relation *rel)
{
    for (uint16_t i = 0; i < rel->nconstraints; i++) {
        const lg_constraint *k = &rel->constraints[i];
        CONSTRAINT(table_constraints, k);
        OF_TABLE(table_constraints, rel);
        TEXT(table_constraints, constraint_type, constraint_type(k->type));
        TEXT(table_constraints, is_deferrable, YES(k->deferrable));
        TEXT(table_constraints, initially_deferred, YES(k->deferred));
        TEXT(table_constraints, enforced, "YES");
        if (k->type == 'u') {
            const lg_index *ix = lg_relation_index(rel, k->index);
            TEXT(table_constraints, nulls_distinct, YES(!ix || !ix->nulls_not_distinct));
        }
        row_emit(r);
    }
    for (uint16_t i = 0; i < rel->ncols; i++) {
        const lg_column *col = &rel->cols[i];
        if (!col->not_null || col->dropped)
            continue;
        CONSTRAINT(table_constraints, &(lg_constraint){.name = not_null_name(r, rel, col)});
        OF_TABLE(table_constraints, rel);
        TEXT(table_constraints, constraint_type, "CHECK");
        TEXT(table_constraints, is_deferrable, "NO");
        TEXT(table_constraints, initially_deferred, "NO");
        TEXT(table_constraints, enforced, "YES");
        row_emit(r);
    }
    return LG_OK;
}

static lg_status
rows_table_constraints(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    return each_relation(ctx, "r", put_table_constraints);
}

static lg_status
put_check_constraints(struct row *r, lg_relation *rel)
{
    for (uint16_t i = 0; i < rel->nconstraints; i++) {
        const lg_constraint *k = &rel->constraints[i];
        const char *text;
        if (k->type != 'c')
            continue;
        LG_TRY(lg_fx_expression_text(&r->call, k->check_sql, rel, &text));
        CONSTRAINT(check_constraints, k);
        TEXT(check_constraints, check_clause, text);
        row_emit(r);
    }
    for (uint16_t i = 0; i < rel->ncols; i++) {
        const lg_column *col = &rel->cols[i];
        if (!col->not_null || col->dropped)
            continue;
        CONSTRAINT(check_constraints, &(lg_constraint){.name = not_null_name(r, rel, col)});
        TEXT(check_constraints, check_clause,
             lg_arena_printf(r->ctx->arena, "%s IS NOT NULL", col->name));
        row_emit(r);
    }
    return LG_OK;
}

static lg_status
rows_check_constraints(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    return each_relation(ctx, "r", put_check_constraints);
}

static lg_status
put_key_columns(struct row *r, lg_relation *rel)
{
    for (uint16_t i = 0; i < rel->nconstraints; i++) {
        const lg_constraint *k = &rel->constraints[i];
        for (uint16_t n = 0; k->type != 'c' && n < k->nkeys; n++) {
            CONSTRAINT(key_column_usage, k);
            OF_TABLE(key_column_usage, rel);
            TEXT(key_column_usage, column_name, rel->cols[k->keys[n] - 1].name);
            INT(key_column_usage, ordinal_position, n + 1);
            if (k->type == 'f')
                INT(key_column_usage, position_in_unique_constraint, n + 1);
            row_emit(r);
        }
    }
    return LG_OK;
}

static lg_status
rows_key_column_usage(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    return each_relation(ctx, "r", put_key_columns);
}

/* The columns that a constraint speaks of: of foreign keys those referred to. */
static lg_status
put_constraint_columns(struct row *r, lg_relation *rel)
{
    for (uint16_t i = 0; i < rel->nconstraints; i++) {
        const lg_constraint *k = &rel->constraints[i];
        lg_relation *of = rel;
        bool foreign = k->type == 'f';
        if (foreign)
            LG_TRY(lg_cat_relation_by_oid(r->ctx->cat, k->ref_table, &of));
        for (uint16_t n = 0; n < k->nkeys; n++) {
            int16_t att = foreign ? k->ref_keys[n] : k->keys[n];
            OF_TABLE(constraint_column_usage, of);
            TEXT(constraint_column_usage, column_name, of->cols[att - 1].name);
            CONSTRAINT(constraint_column_usage, k);
            row_emit(r);
        }
        if (foreign)
            lg_relation_unref(of);
    }
    return LG_OK;
}

static lg_status
rows_constraint_column_usage(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    return each_relation(ctx, "r", put_constraint_columns);
}

static const char *
rule_text(char a)
{
    return a == 'c'   ? "CASCADE"
           : a == 'n' ? "SET NULL"
           : a == 'd' ? "SET DEFAULT"
           : a == 'r' ? "RESTRICT"
                      : "NO ACTION";
}

static lg_status
put_referential(struct row *r, lg_relation *rel)
{
    for (uint16_t i = 0; i < rel->nconstraints; i++) {
        const lg_constraint *k = &rel->constraints[i];
        lg_relation *ref;
        if (k->type != 'f')
            continue;
        LG_TRY(lg_cat_relation_by_oid(r->ctx->cat, k->ref_table, &ref));
        CONSTRAINT(referential_constraints, k);
        for (uint16_t n = 0; n < ref->nconstraints; n++)
            if (ref->constraints[n].index == k->index && ref->constraints[n].type != 'f') {
                TEXT(referential_constraints, unique_constraint_catalog,
                     lg_cat_database(r->ctx->cat));
                TEXT(referential_constraints, unique_constraint_schema, ref->schema);
                TEXT(referential_constraints, unique_constraint_name, ref->constraints[n].name);
            }
        lg_relation_unref(ref);
        TEXT(referential_constraints, match_option,
             k->match == 'f'   ? "FULL"
             : k->match == 'p' ? "PARTIAL"
                               : "NONE");
        TEXT(referential_constraints, update_rule, rule_text(k->on_update));
        TEXT(referential_constraints, delete_rule, rule_text(k->on_delete));
        row_emit(r);
    }
    return LG_OK;
}

static lg_status
rows_referential_constraints(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    return each_relation(ctx, "r", put_referential);
}

/* --- the list --- */

/* Views of things that Lagoon has none of are empty. */
#define rows_domains               rows_none
#define rows_triggers              rows_none
#define rows_pg_group              rows_none
#define rows_pg_matviews           rows_none
#define rows_pg_policies           rows_none
#define rows_pg_prepared_xacts     rows_none
#define rows_pg_publication_tables rows_none
#define rows_pg_rules              rows_none
#define rows_pg_shadow             rows_pg_user

static const lg_virtual_rel views[] = {
#define LG_VIEW(s, n)                                                                              \
    {.schema = #s,                                                                                 \
     .name = #n,                                                                                   \
     .columns = &columns[S_##n],                                                                   \
     .ncolumns = E_##n - S_##n,                                                                    \
     .rows = rows_##n},
#define LG_VIEW_COLUMN(view, column, type)
#define LG_VIEW_END(name)
#include "view.def"
#undef LG_VIEW
#undef LG_VIEW_COLUMN
#undef LG_VIEW_END
};

lg_status
lg_exec_views_register(lg_catalog *cat)
{
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        LG_TRY(lg_catalog_virtual_register(cat, &views[i]));
    return LG_OK;
}
