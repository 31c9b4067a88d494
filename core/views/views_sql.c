/* Statements over instances: gv$sql, gv$sqlstats. The entries are core/session's (session_stats.h). */
#include "session_stats.h"
#include "views_internal.h"
#include <math.h>
#include <string.h>

#define COLUMNS(...) static const lg_virtual_column columns[] = {__VA_ARGS__}
#define ADD(w, name, fn)                                                                           \
    lg_views_add((w), (name), columns, (uint16_t)(sizeof columns / sizeof columns[0]), (fn), (w))

#define TEXT_SHOWN 1000

static lg_datum
count(uint64_t n)
{
    return lg_datum_int8((int64_t)n);
}

static lg_datum
micros(uint64_t ns)
{
    return lg_datum_int8((int64_t)(ns / 1000));
}

static lg_datum
short_text(lg_view_sink *sink, const char *text)
{
    size_t n = strnlen(text, TEXT_SHOWN);
    while (n && n == TEXT_SHOWN && ((unsigned char)text[n] & 0xC0) == 0x80)
        n--; /* not within a character */
    return lg_datum_text(sink->arena, text, n);
}

static void
each_statement(const lg_views *w, lg_view_sink *sink,
               void (*row)(lg_view_sink *sink, const lg_sqlstat *e))
{
    if (!w->cfg.sessions)
        return;
    const lg_sqlstats *t = lg_session_sqlstats(w->cfg.sessions);
    for (const lg_sqlstat *e = NULL; (e = lg_sqlstats_next(t, e));)
        row(sink, e);
}

/* What both views begin with. */
#define FIRST_COLUMNS 6u
static void
first_columns(lg_view_sink *sink, const lg_sqlstat *e, lg_datum *v)
{
    v[0] = count(e->id);
    v[1] = lg_datum_oid(e->user);
    v[2] = short_text(sink, e->text);
    v[3] = count(e->calls);
    v[4] = count(e->rows);
    v[5] = lg_datum_int8((int64_t)(e->total_ms * 1000));
}

static void
sql_row(lg_view_sink *sink, const lg_sqlstat *e)
{
    lg_datum v[FIRST_COLUMNS + 4] = {[6] = count(lg_sqlstat_count(e, LG_STAT_LOGICAL_READS)),
                                     count(lg_sqlstat_count(e, LG_STAT_PHYSICAL_READS)),
                                     lg_view_time(e->first_us),
                                     lg_view_time(e->last_us)};
    uint8_t nulls[FIRST_COLUMNS + 4] = {[9] = e->last_us == 0};
    first_columns(sink, e, v);
    sink->row(sink, v, nulls);
}

static void
sql_rows(void *arg, lg_view_sink *sink)
{
    each_statement(arg, sink, sql_row);
}

static lg_status
add_sql(lg_views *w)
{
    COLUMNS({"sql_id", LG_T_INT8}, {"parsing_user_id", LG_T_OID}, {"sql_text", LG_T_TEXT},
            {"executions", LG_T_INT8}, {"rows_processed", LG_T_INT8}, {"elapsed_time", LG_T_INT8},
            {"buffer_gets", LG_T_INT8}, {"disk_reads", LG_T_INT8},
            {"first_load_time", LG_T_TIMESTAMPTZ}, {"last_active_time", LG_T_TIMESTAMPTZ});
    return ADD(w, "sql", sql_rows);
}

static void
sqlstats_row(lg_view_sink *sink, const lg_sqlstat *e)
{
    lg_datum v[FIRST_COLUMNS + 17] = {
        [6] = lg_datum_float8(e->calls ? e->min_ms * 1000 : 0),
        lg_datum_float8(e->calls ? e->max_ms * 1000 : 0),
        lg_datum_float8(e->calls ? e->mean_ms * 1000 : 0),
        lg_datum_float8(e->calls > 1 ? sqrt(e->m2 / (double)e->calls) * 1000 : 0),
        count(lg_sqlstat_count(e, LG_STAT_LOGICAL_READS)),
        count(lg_sqlstat_count(e, LG_STAT_CONSISTENT_GETS)),
        count(lg_sqlstat_count(e, LG_STAT_PHYSICAL_READS)),
        count(lg_sqlstat_count(e, LG_STAT_BLOCK_CHANGES)),
        count(lg_sqlstat_count(e, LG_STAT_REDO_SIZE)),
        count(e->gc_cr),
        count(e->gc_current),
        micros(e->cluster_ns),
        micros(e->lock_ns),
        micros(e->io_ns),
        micros(e->commit_ns),
        micros(e->other_ns),
        lg_view_time(e->last_us)};
    uint8_t nulls[FIRST_COLUMNS + 17] = {[22] = e->last_us == 0};
    first_columns(sink, e, v);
    sink->row(sink, v, nulls);
}

static void
sqlstats_rows(void *arg, lg_view_sink *sink)
{
    each_statement(arg, sink, sqlstats_row);
}

static lg_status
add_sqlstats(lg_views *w)
{
    COLUMNS({"sql_id", LG_T_INT8}, {"parsing_user_id", LG_T_OID}, {"sql_text", LG_T_TEXT},
            {"executions", LG_T_INT8}, {"rows_processed", LG_T_INT8}, {"elapsed_time", LG_T_INT8},
            {"min_elapsed", LG_T_FLOAT8}, {"max_elapsed", LG_T_FLOAT8},
            {"avg_elapsed", LG_T_FLOAT8}, {"stddev_elapsed", LG_T_FLOAT8},
            {"buffer_gets", LG_T_INT8}, {"consistent_gets", LG_T_INT8}, {"disk_reads", LG_T_INT8},
            {"block_changes", LG_T_INT8}, {"redo_size", LG_T_INT8},
            {"cr_blocks_received", LG_T_INT8}, {"current_blocks_received", LG_T_INT8},
            {"cluster_wait_time", LG_T_INT8}, {"application_wait_time", LG_T_INT8},
            {"user_io_wait_time", LG_T_INT8}, {"commit_wait_time", LG_T_INT8},
            {"other_wait_time", LG_T_INT8}, {"last_active_time", LG_T_TIMESTAMPTZ});
    return ADD(w, "sqlstats", sqlstats_rows);
}

lg_status
lg_views__register_sql(lg_views *w)
{
    LG_TRY(add_sql(w));
    return add_sqlstats(w);
}
