/* Plans over instances: gv$sql_plan; statements that run or were long: gv$sql_monitor, and what the nodes
 * of their plans did: gv$sql_plan_monitor. The facts are core/session's (session_plans.h). */
#include "session_plans.h"
#include "views_internal.h"
#include <string.h>

#define COLUMNS(...) static const lg_virtual_column columns[] = {__VA_ARGS__}
#define ADD(w, name, fn)                                                                           \
    lg_views_add((w), (name), columns, (uint16_t)(sizeof columns / sizeof columns[0]), (fn), (w))

#define TEXT_SHOWN 1000u

static lg_datum
count(uint64_t n)
{
    return lg_datum_int8((int64_t)n);
}

static lg_datum
micros(uint64_t ns)
{
    return count(ns / 1000);
}

/* A row of a view must fit a message: what is longer is cut. */
static lg_datum
short_text(lg_view_sink *sink, const char *text)
{
    size_t n = text ? strnlen(text, TEXT_SHOWN) : 0;
    while (n && n == TEXT_SHOWN && ((unsigned char)text[n] & 0xC0) == 0x80)
        n--; /* not within a character */
    return lg_datum_text(sink->arena, text ? text : "", n);
}

/* ---- gv$sql_plan ---- */

enum { PLAN_COLUMNS = 20 };

static void
plan_rows(void *arg, const lg_plan_of *p)
{
    lg_view_sink *sink = arg;
    for (uint32_t i = 0; i < p->nrows; i++) {
        const lg_plan_row *r = &p->rows[i];
        const char *texts[] = {r->options, r->owner, r->object, r->alias, r->type};
        const char *conditions[] = {r->access, r->filter, r->other};
        lg_datum v[PLAN_COLUMNS] = {count(p->query_id),
                                    lg_datum_oid(p->user),
                                    count(p->hash),
                                    lg_datum_int4(r->id),
                                    lg_datum_int4(r->parent),
                                    lg_datum_int4(r->depth),
                                    lg_view_text(sink, r->operation)};
        uint8_t nulls[PLAN_COLUMNS] = {p->query_id == 0, p->user == 0};
        nulls[4] = r->parent < 0;
        for (int k = 0; k < 5; k++) {
            v[7 + k] = lg_view_text(sink, texts[k]);
            nulls[7 + k] = !texts[k];
        }
        v[12] = lg_datum_float8(r->cost);
        v[13] = lg_datum_float8(r->startup_cost);
        v[14] = lg_datum_float8(r->rows);
        v[15] = count((uint64_t)(uint32_t)r->width);
        for (int k = 0; k < 3; k++) {
            v[16 + k] = short_text(sink, conditions[k]);
            nulls[16 + k] = !conditions[k];
        }
        v[19] = short_text(sink, r->title);
        sink->row(sink, v, nulls);
    }
}

static void
sql_plan_rows(void *arg, lg_view_sink *sink)
{
    const lg_views *w = arg;
    if (w->cfg.sessions)
        lg_session_plans(w->cfg.sessions, plan_rows, sink);
}

static lg_status
add_sql_plan(lg_views *w)
{
    COLUMNS({"sql_id", LG_T_INT8}, {"parsing_user_id", LG_T_OID}, {"plan_hash_value", LG_T_INT8},
            {"id", LG_T_INT4}, {"parent_id", LG_T_INT4}, {"depth", LG_T_INT4},
            {"operation", LG_T_TEXT}, {"options", LG_T_TEXT}, {"object_owner", LG_T_TEXT},
            {"object_name", LG_T_TEXT}, {"object_alias", LG_T_TEXT}, {"object_type", LG_T_TEXT},
            {"cost", LG_T_FLOAT8}, {"startup_cost", LG_T_FLOAT8}, {"cardinality", LG_T_FLOAT8},
            {"bytes", LG_T_INT8}, {"access_predicates", LG_T_TEXT},
            {"filter_predicates", LG_T_TEXT}, {"other", LG_T_TEXT}, {"title", LG_T_TEXT});
    _Static_assert(sizeof columns / sizeof *columns == PLAN_COLUMNS, "as filled");
    return ADD(w, "sql_plan", sql_plan_rows);
}

/* ---- gv$sql_monitor, gv$sql_plan_monitor ---- */

#define STAT(m, which) count((m)->count[LG_STAT_##which - LG_STAT_OWNED_FIRST])

static void
monitor_row(void *arg, const lg_monitored *m)
{
    lg_view_sink *sink = arg;
    uint64_t waited = m->cluster_ns + m->io_ns + m->lock_ns + m->commit_ns + m->other_ns;
    lg_datum v[] = {
        count(m->key),
        lg_view_text(sink, m->running     ? "EXECUTING"
                           : *m->sqlstate ? "DONE (ERROR)"
                                          : "DONE"),
        lg_datum_int4((int32_t)m->pid),
        lg_datum_oid(m->user),
        lg_view_text(sink, m->username),
        count(m->query_id),
        short_text(sink, m->text),
        count(m->plan_hash),
        lg_view_time(m->start_us),
        lg_view_time(m->seen_us),
        micros(m->elapsed_ns),
        micros(m->elapsed_ns > waited ? m->elapsed_ns - waited : 0),
        micros(m->cluster_ns),
        micros(m->io_ns),
        micros(m->lock_ns),
        micros(m->commit_ns),
        micros(m->other_ns),
        count(m->rows),
        STAT(m, LOGICAL_READS),
        STAT(m, PHYSICAL_READS),
        STAT(m, BLOCK_CHANGES),
        STAT(m, REDO_SIZE),
        count(m->temp_read),
        count(m->temp_written),
        lg_view_text(sink, m->sqlstate),
    };
    uint8_t nulls[sizeof v / sizeof *v] = {0};
    nulls[7] = m->nlines == 0;
    nulls[24] = !*m->sqlstate;
    sink->row(sink, v, nulls);
}

static void
line_rows(void *arg, const lg_monitored *m)
{
    lg_view_sink *sink = arg;
    for (uint32_t i = 0; i < m->nlines; i++) {
        const lg_plan_row *r = &m->lines[i];
        lg_datum v[] = {count(m->key),
                        lg_view_text(sink, m->running ? "EXECUTING" : "DONE"),
                        count(m->query_id),
                        count(m->plan_hash),
                        lg_datum_int4(r->id),
                        lg_datum_int4(r->parent),
                        lg_datum_int4(r->depth),
                        lg_view_text(sink, r->operation),
                        lg_view_text(sink, r->options),
                        lg_view_text(sink, r->object),
                        lg_datum_float8(r->cost),
                        lg_datum_float8(r->rows),
                        count(r->starts),
                        count(r->output),
                        count(r->filtered)};
        uint8_t nulls[sizeof v / sizeof *v] = {0};
        nulls[5] = r->parent < 0;
        nulls[8] = !r->options;
        nulls[9] = !r->object;
        sink->row(sink, v, nulls);
    }
}

static void
monitored(lg_views *w, lg_view_sink *sink, bool lines, void (*fn)(void *arg, const lg_monitored *m))
{
    if (!w->cfg.sessions)
        return;
    lg_arena *a = lg_arena_create("plans", 8192);
    lg_session_monitored(w->cfg.sessions, lines, a, fn, sink);
    lg_arena_destroy(a);
}

static void
sql_monitor_rows(void *arg, lg_view_sink *sink)
{
    monitored(arg, sink, false, monitor_row);
}

static void
sql_plan_monitor_rows(void *arg, lg_view_sink *sink)
{
    monitored(arg, sink, true, line_rows);
}

static lg_status
add_sql_monitor(lg_views *w)
{
    COLUMNS({"key", LG_T_INT8}, {"status", LG_T_TEXT}, {"pid", LG_T_INT4}, {"user_id", LG_T_OID},
            {"username", LG_T_TEXT}, {"sql_id", LG_T_INT8}, {"sql_text", LG_T_TEXT},
            {"plan_hash_value", LG_T_INT8}, {"sql_exec_start", LG_T_TIMESTAMPTZ},
            {"last_refresh_time", LG_T_TIMESTAMPTZ}, {"elapsed_time", LG_T_INT8},
            {"cpu_time", LG_T_INT8}, {"cluster_wait_time", LG_T_INT8},
            {"user_io_wait_time", LG_T_INT8}, {"application_wait_time", LG_T_INT8},
            {"commit_wait_time", LG_T_INT8}, {"other_wait_time", LG_T_INT8},
            {"rows_processed", LG_T_INT8}, {"buffer_gets", LG_T_INT8}, {"disk_reads", LG_T_INT8},
            {"block_changes", LG_T_INT8}, {"redo_size", LG_T_INT8}, {"temp_reads", LG_T_INT8},
            {"temp_writes", LG_T_INT8}, {"error", LG_T_TEXT});
    return ADD(w, "sql_monitor", sql_monitor_rows);
}

static lg_status
add_sql_plan_monitor(lg_views *w)
{
    COLUMNS({"key", LG_T_INT8}, {"status", LG_T_TEXT}, {"sql_id", LG_T_INT8},
            {"plan_hash_value", LG_T_INT8}, {"plan_line_id", LG_T_INT4},
            {"plan_parent_id", LG_T_INT4}, {"plan_depth", LG_T_INT4}, {"plan_operation", LG_T_TEXT},
            {"plan_options", LG_T_TEXT}, {"plan_object_name", LG_T_TEXT},
            {"plan_cost", LG_T_FLOAT8}, {"plan_cardinality", LG_T_FLOAT8}, {"starts", LG_T_INT8},
            {"output_rows", LG_T_INT8}, {"filtered_rows", LG_T_INT8});
    return ADD(w, "sql_plan_monitor", sql_plan_monitor_rows);
}

lg_status
lg_views__register_plan(lg_views *w)
{
    LG_TRY(add_sql_plan(w));
    LG_TRY(add_sql_monitor(w));
    return add_sql_plan_monitor(w);
}
