/* pg_settings: the settings as the session that asks has them. pg_stat_statements and
 * pg_stat_statements_info: the statements of this instance (session_stats.c), with the columns of
 * version 1.10 of the extension. */
#include "array.h"
#include "acl.h"
#include "numeric.h"
#include "session_internal.h"
#include "virtual.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const lg_virtual_column columns[] = {
    {"name", LG_T_TEXT},       {"setting", LG_T_TEXT},         {"unit", LG_T_TEXT},
    {"category", LG_T_TEXT},   {"short_desc", LG_T_TEXT},      {"extra_desc", LG_T_TEXT},
    {"context", LG_T_TEXT},    {"vartype", LG_T_TEXT},         {"source", LG_T_TEXT},
    {"min_val", LG_T_TEXT},    {"max_val", LG_T_TEXT},         {"enumvals", LG_T_TEXT_ARRAY},
    {"boot_val", LG_T_TEXT},   {"reset_val", LG_T_TEXT},       {"sourcefile", LG_T_TEXT},
    {"sourceline", LG_T_INT4}, {"pending_restart", LG_T_BOOL},
};
#define COLUMNS (sizeof columns / sizeof *columns)

#define ROLE_READ_ALL_STATS 3375u

/* "a, b" as an array. */
static lg_datum
words(lg_arena *a, const char *list)
{
    lg_datum v[64];
    uint32_t n = 0;
    while (*list && n < 64) {
        size_t len = strcspn(list, ",");
        v[n++] = lg_datum_text(a, list, len);
        list += len;
        while (*list == ',' || *list == ' ')
            list++;
    }
    return lg_array_make(a, LG_T_TEXT, n, v, NULL);
}

static lg_status
rows_settings(void *arg, lg_virtual_ctx *ctx)
{
    static const char *const types[] = {"bool", "integer", "real", "string", "enum"};
    lg_exec_session *es = ctx->session;
    lg_session *s = es->arg;
    (void)arg;
    for (int id = 0; id < LG_SETTING_COUNT; id++) {
        const lg_setting_info *i = lg_setting_info_of((lg_setting_id)id);
        const char *value = lg_settings_get(s->settings, i->name);
        const char *reset = lg_settings_reset_value(s->settings, (lg_setting_id)id);
        bool ranged = i->type == LG_SETTING_INTEGER || i->type == LG_SETTING_REAL;
        bool unit = i->unit && *i->unit, enums = i->enums && *i->enums;
        const char *text[COLUMNS] = {i->name,
                                     value,
                                     unit ? i->unit : NULL,
                                     i->category,
                                     i->text,
                                     NULL,
                                     i->context,
                                     types[i->type],
                                     value && i->boot && strcmp(value, i->boot) == 0 ? "default"
                                                                                     : "session",
                                     ranged ? lg_arena_printf(ctx->arena, "%.15g", i->min) : NULL,
                                     ranged ? lg_arena_printf(ctx->arena, "%.15g", i->max) : NULL,
                                     NULL,
                                     i->boot,
                                     reset,
                                     NULL,
                                     NULL,
                                     NULL};
        lg_datum v[COLUMNS] = {0};
        uint8_t null[COLUMNS];
        for (size_t k = 0; k < COLUMNS; k++) {
            null[k] = text[k] == NULL;
            if (text[k])
                v[k] = lg_datum_cstring_text(ctx->arena, text[k]);
        }
        if (enums) {
            v[11] = words(ctx->arena, i->enums);
            null[11] = 0;
        }
        null[COLUMNS - 1] = 0; /* pending_restart: false */
        ctx->emit(ctx, v, null);
    }
    return LG_OK;
}

/* ---- pg_stat_statements ---- */

#define F8(name)                                                                                   \
    {                                                                                              \
        name, LG_T_FLOAT8                                                                          \
    }
#define I8(name)                                                                                   \
    {                                                                                              \
        name, LG_T_INT8                                                                            \
    }

static const lg_virtual_column statement_columns[] = {
    {"userid", LG_T_OID},        {"dbid", LG_T_OID},
    {"toplevel", LG_T_BOOL},     I8("queryid"),
    {"query", LG_T_TEXT},        I8("plans"),
    F8("total_plan_time"),       F8("min_plan_time"),
    F8("max_plan_time"),         F8("mean_plan_time"),
    F8("stddev_plan_time"),      I8("calls"),
    F8("total_exec_time"),       F8("min_exec_time"),
    F8("max_exec_time"),         F8("mean_exec_time"),
    F8("stddev_exec_time"),      I8("rows"),
    I8("shared_blks_hit"),       I8("shared_blks_read"),
    I8("shared_blks_dirtied"),   I8("shared_blks_written"),
    I8("local_blks_hit"),        I8("local_blks_read"),
    I8("local_blks_dirtied"),    I8("local_blks_written"),
    I8("temp_blks_read"),        I8("temp_blks_written"),
    F8("blk_read_time"),         F8("blk_write_time"),
    F8("temp_blk_read_time"),    F8("temp_blk_write_time"),
    I8("wal_records"),           I8("wal_fpi"),
    {"wal_bytes", LG_T_NUMERIC}, I8("jit_functions"),
    F8("jit_generation_time"),   I8("jit_inlining_count"),
    F8("jit_inlining_time"),     I8("jit_optimization_count"),
    F8("jit_optimization_time"), I8("jit_emission_count"),
    F8("jit_emission_time"),
};
#define STATEMENT_COLUMNS (sizeof statement_columns / sizeof *statement_columns)

static double
stddev(double m2, uint64_t n)
{
    return n > 1 ? sqrt(m2 / (double)n) : 0.0;
}

static void
statement_row(lg_virtual_ctx *ctx, const lg_sqlstat *e, bool shown)
{
    lg_datum v[STATEMENT_COLUMNS];
    uint8_t null[STATEMENT_COLUMNS] = {0};
    uint64_t gets = lg_sqlstat_count(e, LG_STAT_LOGICAL_READS);
    uint64_t reads = lg_sqlstat_count(e, LG_STAT_PHYSICAL_READS);
    for (size_t i = 0; i < STATEMENT_COLUMNS; i++) /* what is not there is zero */
        v[i] = statement_columns[i].type == LG_T_FLOAT8 ? lg_datum_float8(0) : lg_datum_int8(0);
    v[0] = lg_datum_oid(e->user);
    v[1] = lg_datum_oid(e->database);
    v[2] = lg_datum_bool(true);
    v[3] = lg_datum_int8((int64_t)e->id);
    v[4] = lg_datum_cstring_text(ctx->arena, shown ? e->text : "<insufficient privilege>");
    null[3] = !shown;
    v[5] = lg_datum_int8((int64_t)e->plans);
    v[6] = lg_datum_float8(e->plan_total_ms);
    v[7] = lg_datum_float8(e->plan_min_ms);
    v[8] = lg_datum_float8(e->plan_max_ms);
    v[9] = lg_datum_float8(e->plan_mean_ms);
    v[10] = lg_datum_float8(stddev(e->plan_m2, e->plans));
    v[11] = lg_datum_int8((int64_t)e->calls);
    v[12] = lg_datum_float8(e->total_ms);
    v[13] = lg_datum_float8(e->min_ms);
    v[14] = lg_datum_float8(e->max_ms);
    v[15] = lg_datum_float8(e->mean_ms);
    v[16] = lg_datum_float8(stddev(e->m2, e->calls));
    v[17] = lg_datum_int8((int64_t)e->rows);
    v[18] = lg_datum_int8((int64_t)(gets > reads ? gets - reads : 0));
    v[19] = lg_datum_int8((int64_t)reads);
    v[20] = lg_datum_int8((int64_t)lg_sqlstat_count(e, LG_STAT_BLOCK_CHANGES));
    v[26] = lg_datum_int8((int64_t)e->temp_read);
    v[27] = lg_datum_int8((int64_t)e->temp_written);
    v[28] = lg_datum_float8((double)e->io_ns / 1e6);
    v[32] = lg_datum_int8((int64_t)lg_sqlstat_count(e, LG_STAT_REDO_ENTRIES));
    lg_num bytes = lg_num_of_int(ctx->arena, (int64_t)lg_sqlstat_count(e, LG_STAT_REDO_SIZE));
    null[34] = !lg_num_pack(ctx->arena, &bytes, &v[34]);
    ctx->emit(ctx, v, null);
}

/* Others' texts are for superusers and members of pg_read_all_stats. */
static lg_status
rows_statements(void *arg, lg_virtual_ctx *ctx)
{
    lg_exec_session *es = ctx->session;
    lg_session *s = es->arg;
    bool all = false;
    (void)arg;
    LG_TRY(lg_cat_is_member(ctx->cat, lg_cat_user(ctx->cat), ROLE_READ_ALL_STATS, false, &all));
    for (const lg_sqlstat *e = NULL; (e = lg_sqlstats_next(s->server->sqlstats, e));)
        if (e->calls)
            statement_row(ctx, e, all || e->user == lg_cat_user(ctx->cat));
    return LG_OK;
}

static const lg_virtual_column info_columns[] = {I8("dealloc"), {"stats_reset", LG_T_TIMESTAMPTZ}};

static lg_status
rows_info(void *arg, lg_virtual_ctx *ctx)
{
    lg_exec_session *es = ctx->session;
    uint64_t evicted, reset_us;
    (void)arg;
    lg_sqlstats_info(((lg_session *)es->arg)->server->sqlstats, &evicted, &reset_us);
    lg_datum v[] = {lg_datum_int8((int64_t)evicted),
                    lg_datum_int8((int64_t)reset_us - LG_TS_UNIX_EPOCH_US)};
    ctx->emit(ctx, v, NULL);
    return LG_OK;
}

lg_datum
lg_session__fn_statements_reset(lg_call *c)
{
    lg_exec_session *es = c->env->session;
    lg_session *s = es->arg;
    if (!s->superuser) {
        c->st = lg_error_set(c->err, "42501",
                             "permission denied for function pg_stat_statements_reset");
        return 0;
    }
    lg_session__stats_reset(s->server->sqlstats, lg_oid_of(c->args[0]),
                            (uint64_t)lg_int8(c->args[2]), lg_run_wall_us(s->server->cfg.run));
    return 0;
}

lg_status
lg_session_views_register(lg_catalog *cat)
{
    static const lg_virtual_rel settings = {
        .name = "pg_settings", .columns = columns, .ncolumns = COLUMNS, .rows = rows_settings};
    static const lg_virtual_rel statements = {.name = "pg_stat_statements",
                                              .columns = statement_columns,
                                              .ncolumns = STATEMENT_COLUMNS,
                                              .rows = rows_statements};
    static const lg_virtual_rel info = {.name = "pg_stat_statements_info",
                                        .columns = info_columns,
                                        .ncolumns = 2,
                                        .rows = rows_info};
    LG_TRY(lg_catalog_virtual_register(cat, &settings));
    LG_TRY(lg_catalog_virtual_register(cat, &statements));
    LG_TRY(lg_catalog_virtual_register(cat, &lg_session__prepared_rel));
    return lg_catalog_virtual_register(cat, &info);
}
