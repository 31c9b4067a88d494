/* Sessions' waits and counters, transactions, buffers, disks, redo threads,
 * memory, and active session history. Nothing here blocks or reads a block: what the instance knows. */
#include "settings.h"
#include "views_internal.h"
#include <string.h>

#define COLUMNS(...) static const lg_virtual_column columns[] = {__VA_ARGS__}
#define ADD(w, name, fn)                                                                           \
    lg_views_add((w), (name), columns, (uint16_t)(sizeof columns / sizeof columns[0]), (fn), (w))

static lg_datum
count(uint64_t n)
{
    return lg_datum_int8((int64_t)n);
}

static lg_datum
seconds(lg_time ns)
{
    return lg_datum_float8((double)ns / 1e9);
}

/* ---- gv$session_wait, gv$sesstat, gv$session_event, gv$transaction ---- */

static void
wait_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    lg_session_info i;
    uint32_t pos = 0;
    while (w->cfg.sessions && lg_session_next(w->cfg.sessions, &pos, &i)) {
        lg_time now = lg_run_now_ns(w->cfg.run);
        bool waits = i.wait != LG_WAIT_NONE;
        lg_datum v[] = {
            lg_datum_int4((int32_t)i.pid),
            lg_view_text(sink, lg_wait_name(i.wait)),
            lg_view_text(sink, lg_wait_class(i.wait)),
            lg_view_text(sink, waits ? "WAITING" : "ON CPU"),
            seconds(waits && i.wait_since && now > i.wait_since ? now - i.wait_since : 0),
            count(i.wait_xid)};
        uint8_t nulls[6] = {0, 0, 0, 0, !waits || !i.wait_since, i.wait_xid == 0};
        sink->row(sink, v, nulls);
    }
}

static lg_status
add_session_wait(lg_views *w)
{
    COLUMNS({"sid", LG_T_INT4}, {"event", LG_T_TEXT}, {"wait_class", LG_T_TEXT},
            {"state", LG_T_TEXT}, {"seconds_in_wait", LG_T_FLOAT8}, {"blocking_xid", LG_T_INT8});
    return ADD(w, "session_wait", wait_rows);
}

static void
sesstat_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    lg_session_info i;
    uint32_t pos = 0;
    while (w->cfg.sessions && lg_session_next(w->cfg.sessions, &pos, &i))
        for (int k = 0; k < LG_STAT_COUNT; k++) {
            if (!i.stats->count[k])
                continue;
            lg_datum v[] = {lg_datum_int4((int32_t)i.pid), lg_datum_int4(k),
                            lg_view_text(sink, lg_stat_name((lg_stat)k)), count(i.stats->count[k])};
            sink->row(sink, v, NULL);
        }
}

static lg_status
add_sesstat(lg_views *w)
{
    COLUMNS({"sid", LG_T_INT4}, {"statistic#", LG_T_INT4}, {"name", LG_T_TEXT},
            {"value", LG_T_INT8});
    return ADD(w, "sesstat", sesstat_rows);
}

static void
session_event_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    lg_session_info i;
    uint32_t pos = 0;
    while (w->cfg.sessions && lg_session_next(w->cfg.sessions, &pos, &i))
        for (int k = LG_WAIT_NONE + 1; k < LG_WAIT_COUNT; k++) {
            if (!i.stats->wait_count[k])
                continue;
            lg_datum v[] = {lg_datum_int4((int32_t)i.pid),
                            lg_view_text(sink, lg_wait_name((lg_wait)k)),
                            lg_view_text(sink, lg_wait_class((lg_wait)k)),
                            count(i.stats->wait_count[k]),
                            count(i.stats->wait_ns[k] / 1000),
                            count(i.stats->wait_max_ns[k] / 1000)};
            sink->row(sink, v, NULL);
        }
}

static lg_status
add_session_event(lg_views *w)
{
    COLUMNS({"sid", LG_T_INT4}, {"event", LG_T_TEXT}, {"wait_class", LG_T_TEXT},
            {"total_waits", LG_T_INT8}, {"time_waited_micro", LG_T_INT8},
            {"max_wait_micro", LG_T_INT8});
    return ADD(w, "session_event", session_event_rows);
}

static void
transaction_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    lg_session_info i;
    uint32_t pos = 0;
    while (w->cfg.sessions && lg_session_next(w->cfg.sessions, &pos, &i)) {
        if (!i.xid)
            continue;
        lg_datum v[] = {lg_datum_int4((int32_t)i.pid),
                        count(i.xid),
                        lg_view_time(i.xact_start_us),
                        lg_view_text(sink, "ACTIVE"),
                        count(i.stats->count[LG_STAT_UNDO_RECORDS]),
                        count(i.stats->count[LG_STAT_LOGICAL_READS])};
        sink->row(sink, v, NULL);
    }
}

/* The counts are the session's: since its log-in. */
static lg_status
add_transaction(lg_views *w)
{
    COLUMNS({"sid", LG_T_INT4}, {"xid", LG_T_INT8}, {"start_date", LG_T_TIMESTAMPTZ},
            {"status", LG_T_TEXT}, {"session_undo_records", LG_T_INT8},
            {"session_logical_reads", LG_T_INT8});
    return ADD(w, "transaction", transaction_rows);
}

/* ---- gv$bh ---- */

static void
bh_row(void *arg, lg_buf *b)
{
    lg_view_sink *sink = arg;
    const char *status = b->pi ? "pi" : b->mode == LG_MODE_X ? "xcur" : "scur";
    lg_datum v[] = {lg_datum_int8(b->addr.file), lg_datum_int8(b->addr.block),
                    lg_view_text(sink, status), lg_datum_bool(b->dirty)};
    sink->row(sink, v, NULL);
}

static void
bh_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    if (w->cfg.buf)
        lg_buf_visit(w->cfg.buf, bh_row, sink);
}

static lg_status
add_bh(lg_views *w)
{
    COLUMNS({"file#", LG_T_INT8}, {"block#", LG_T_INT8}, {"status", LG_T_TEXT},
            {"dirty", LG_T_BOOL});
    return ADD(w, "bh", bh_rows);
}

/* ---- gv$disk, gv$log, gv$sgastat ---- */

static void
disk_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    if (!w->cfg.buf)
        return;
    const lg_volume *v = lg_buf_volume(w->cfg.buf);
    for (uint32_t d = 0; d < lg_volume_disk_count(v); d++) {
        lg_view_fence f = {.path = ""};
        if (w->cfg.fence)
            (void)w->cfg.fence(w->cfg.arg, d, &f);
        uint64_t aus = lg_volume_disk_aus(v, d);
        lg_datum row[] = {lg_datum_int4((int32_t)d), lg_view_text(sink, f.path),
                          count(aus * LG_VOLUME_AU_BYTES), count(aus),
                          lg_datum_int4((int32_t)lg_volume_block_bytes(v))};
        sink->row(sink, row, NULL);
    }
}

static lg_status
add_disk(lg_views *w)
{
    COLUMNS({"disk_number", LG_T_INT4}, {"path", LG_T_TEXT}, {"bytes", LG_T_INT8},
            {"allocation_units", LG_T_INT8}, {"block_size", LG_T_INT4});
    return ADD(w, "disk", disk_rows);
}

static void
datafile_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    if (!w->cfg.buf)
        return;
    const lg_volume *v = lg_buf_volume(w->cfg.buf);
    uint32_t block = lg_volume_block_bytes(v);
    for (uint32_t d = 0; d < lg_volume_disk_count(v); d++) {
        uint64_t bytes = (uint64_t)lg_volume_disk_aus(v, d) * LG_VOLUME_AU_BYTES;
        lg_datum row[] = {lg_datum_int4((int32_t)d + 1), /* from 1, as Oracle's */
                          lg_view_text(sink, lg_disk_path(lg_volume_disk(v, d))),
                          lg_view_text(sink, "ONLINE"),
                          count(bytes),
                          count(bytes / block),
                          lg_datum_int4((int32_t)block),
                          count((uint64_t)lg_volume_disk_fixed_aus(v, d) * LG_VOLUME_AU_BYTES)};
        sink->row(sink, row, NULL);
    }
}

/* The disks, in Oracle's words: every segment is spread over all of them. */
static lg_status
add_datafile(lg_views *w)
{
    COLUMNS({"file#", LG_T_INT4}, {"name", LG_T_TEXT}, {"status", LG_T_TEXT}, {"bytes", LG_T_INT8},
            {"blocks", LG_T_INT8}, {"block_size", LG_T_INT4}, {"reserved_bytes", LG_T_INT8});
    return ADD(w, "datafile", datafile_rows);
}

static void
log_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    const lg_redo *r = w->cfg.buf ? lg_buf_redo(w->cfg.buf) : NULL;
    if (!r)
        return;
    lg_datum v[] = {lg_datum_int4((int32_t)lg_redo_thread(r)),
                    count(lg_redo_incarnation(r)),
                    count(lg_redo_capacity(r)),
                    count(lg_redo_end(r)),
                    count(lg_redo_flushed(r)),
                    count(lg_redo_checkpoint_lsn(r)),
                    count(lg_redo_end(r) - lg_redo_checkpoint_lsn(r)),
                    lg_view_text(sink, lg_redo_broken(r) == LG_OK ? "CURRENT" : "BROKEN")};
    sink->row(sink, v, NULL);
}

static lg_status
add_log(lg_views *w)
{
    COLUMNS({"thread#", LG_T_INT4}, {"incarnation", LG_T_INT8}, {"bytes", LG_T_INT8},
            {"end_lsn", LG_T_INT8}, {"flushed_lsn", LG_T_INT8}, {"checkpoint_lsn", LG_T_INT8},
            {"bytes_to_recover", LG_T_INT8}, {"status", LG_T_TEXT});
    return ADD(w, "log", log_rows);
}

static void
sga_row(lg_view_sink *sink, const char *pool, const char *name, uint64_t n)
{
    lg_datum v[] = {lg_view_text(sink, pool), lg_view_text(sink, name), count(n)};
    sink->row(sink, v, NULL);
}

static void
sga_visit(void *arg, lg_buf *b)
{
    (void)b;
    ++*(uint64_t *)arg;
}

static void
sgastat_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    lg_ges_counts g;
    uint64_t held = 0;
    if (w->cfg.buf) {
        lg_buf_visit(w->cfg.buf, sga_visit, &held);
        sga_row(sink, "buffer cache", "blocks held, bytes", held * lg_buf_block_bytes(w->cfg.buf));
    }
    sga_row(sink, "dictionary cache", "descriptors", lg_catalog_cached(w->cfg.catalog));
    if (w->cfg.ges) {
        lg_ges_count(w->cfg.ges, &g);
        sga_row(sink, "enqueues", "resources", g.resources);
        sga_row(sink, "enqueues", "resources mastered", g.master_resources);
    }
}

static lg_status
add_sgastat(lg_views *w)
{
    COLUMNS({"pool", LG_T_TEXT}, {"name", LG_T_TEXT}, {"value", LG_T_INT8});
    return ADD(w, "sgastat", sgastat_rows);
}

/* ---- gv$parameter ---- */

static void
parameter_rows(void *arg, lg_view_sink *sink)
{
    (void)arg;
    for (int k = 0; k < LG_SETTING_COUNT; k++) {
        const lg_setting_info *i = lg_setting_info_of((lg_setting_id)k);
        lg_datum v[] = {lg_datum_int4(k), lg_view_text(sink, i->name), lg_view_text(sink, i->boot),
                        lg_view_text(sink, i->context), lg_view_text(sink, i->text)};
        sink->row(sink, v, NULL);
    }
}

/* What a session of the instance starts with; its own values are in pg_settings. */
static lg_status
add_parameter(lg_views *w)
{
    COLUMNS({"num", LG_T_INT4}, {"name", LG_T_TEXT}, {"default_value", LG_T_TEXT},
            {"context", LG_T_TEXT}, {"description", LG_T_TEXT});
    return ADD(w, "parameter", parameter_rows);
}

/* ---- gv$cr_block_server, gv$current_block_server: what this instance sent to the others ---- */

static void
served_rows(lg_views *w, lg_view_sink *sink, bool cr)
{
    lg_cf_transfer t;
    unsigned pos = 0;
    while (w->cfg.cf && lg_cf_transfer_next(w->cfg.cf, &pos, &t)) {
        lg_datum v[] = {lg_datum_int4((int32_t)t.node), count(cr ? t.cr_served : t.current_served),
                        count(t.flush_ns / 1000)};
        uint8_t nulls[3] = {0, 0, cr};
        sink->row(sink, v, nulls);
    }
}

static void
cr_server_rows(void *arg, lg_view_sink *sink)
{
    served_rows(arg, sink, true);
}

static void
current_server_rows(void *arg, lg_view_sink *sink)
{
    served_rows(arg, sink, false);
}

static lg_status
add_servers(lg_views *w)
{
    COLUMNS({"instance", LG_T_INT4}, {"blocks_served", LG_T_INT8}, {"flush_time", LG_T_INT8});
    LG_TRY(ADD(w, "cr_block_server", cr_server_rows));
    return ADD(w, "current_block_server", current_server_rows);
}

/* ---- gv$active_session_history: who was active at each second, the last LG_ASH_SAMPLES of them ---- */

void
lg_views__ash_sample(void *arg)
{
    lg_views *w = arg;
    lg_session_info i;
    uint32_t pos = 0;
    uint64_t now = lg_run_wall_us(w->cfg.run);
    while (w->cfg.sessions && lg_session_next(w->cfg.sessions, &pos, &i)) {
        if (strcmp(i.state, "active") != 0)
            continue;
        struct lg_views__ash *a = &w->ash[w->ash_count++ % LG_ASH_SAMPLES];
        *a = (struct lg_views__ash){.at_us = now,
                                    .pid = i.pid,
                                    .user = i.user_oid,
                                    .query_id = i.query_id,
                                    .xid = i.xid,
                                    .wait_xid = i.wait_xid,
                                    .wait = i.wait};
    }
    lg_timer_start(&w->ash_timer, lg_run_now_ns(w->cfg.run) + LG_SEC);
}

static void
ash_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    uint64_t first = w->ash_count > LG_ASH_SAMPLES ? w->ash_count - LG_ASH_SAMPLES : 0;
    for (uint64_t k = first; k < w->ash_count; k++) {
        const struct lg_views__ash *a = &w->ash[k % LG_ASH_SAMPLES];
        lg_datum v[] = {count(k),
                        lg_view_time(a->at_us),
                        lg_datum_int4((int32_t)a->pid),
                        lg_datum_oid(a->user),
                        count(a->query_id),
                        lg_view_text(sink, a->wait == LG_WAIT_NONE ? "ON CPU" : "WAITING"),
                        lg_view_text(sink, lg_wait_name(a->wait)),
                        lg_view_text(sink, lg_wait_class(a->wait)),
                        count(a->xid),
                        count(a->wait_xid)};
        uint8_t nulls[10] = {0};
        nulls[4] = a->query_id == 0;
        nulls[8] = a->xid == 0;
        nulls[9] = a->wait_xid == 0;
        sink->row(sink, v, nulls);
    }
}

static lg_status
add_ash(lg_views *w)
{
    COLUMNS({"sample_id", LG_T_INT8}, {"sample_time", LG_T_TIMESTAMPTZ}, {"session_id", LG_T_INT4},
            {"user_id", LG_T_OID}, {"sql_id", LG_T_INT8}, {"session_state", LG_T_TEXT},
            {"event", LG_T_TEXT}, {"wait_class", LG_T_TEXT}, {"xid", LG_T_INT8},
            {"blocking_xid", LG_T_INT8});
    return ADD(w, "active_session_history", ash_rows);
}

lg_status
lg_views__register_more(lg_views *w)
{
    LG_TRY(add_session_wait(w));
    LG_TRY(add_sesstat(w));
    LG_TRY(add_session_event(w));
    LG_TRY(add_transaction(w));
    LG_TRY(add_bh(w));
    LG_TRY(add_disk(w));
    LG_TRY(add_datafile(w));
    LG_TRY(add_log(w));
    LG_TRY(add_sgastat(w));
    LG_TRY(add_parameter(w));
    LG_TRY(add_servers(w));
    return add_ash(w);
}
