/* Rows of the global cache: transfers between instances, elements of the directory. */
#include "views_internal.h"

#define COLUMNS(...) static const lg_virtual_column columns[] = {__VA_ARGS__}
#define ADD(w, name, fn)                                                                           \
    lg_views_add((w), (name), columns, (uint16_t)(sizeof columns / sizeof columns[0]), (fn), (w))

/* ---- gv$instance_cache_transfer: what came from each other instance ---- */

static lg_datum
micros(uint64_t ns)
{
    return lg_datum_int8((int64_t)(ns / 1000));
}

static lg_datum
count(uint64_t n)
{
    return lg_datum_int8((int64_t)n);
}

static void
transfer_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    lg_cf_transfer t;
    unsigned pos = 0;
    while (w->cfg.cf && lg_cf_transfer_next(w->cfg.cf, &pos, &t)) {
        lg_datum v[] = {lg_datum_int4((int32_t)t.node),
                        count(t.lost),
                        count(t.cr_blocks),
                        count(t.cr_busy),
                        count(t.cr_congested),
                        count(t.cr_none),
                        micros(t.cr_ns),
                        count(t.current_2hop),
                        micros(t.current_2hop_ns),
                        count(t.current_3hop),
                        micros(t.current_3hop_ns),
                        count(t.current_busy),
                        count(t.current_congested),
                        micros(t.current_max_ns),
                        count(t.cr_served),
                        count(t.current_served),
                        micros(t.flush_ns)};
        sink->row(sink, v, NULL);
    }
}

static lg_status
add_transfer(lg_views *w)
{
    COLUMNS({"instance", LG_T_INT4}, {"lost", LG_T_INT8}, {"cr_block", LG_T_INT8},
            {"cr_busy", LG_T_INT8}, {"cr_congested", LG_T_INT8}, {"cr_none", LG_T_INT8},
            {"cr_block_time", LG_T_INT8}, {"current_block_2hop", LG_T_INT8},
            {"current_block_2hop_time", LG_T_INT8}, {"current_block_3hop", LG_T_INT8},
            {"current_block_3hop_time", LG_T_INT8}, {"current_busy", LG_T_INT8},
            {"current_congested", LG_T_INT8}, {"current_max_time", LG_T_INT8},
            {"cr_served", LG_T_INT8}, {"current_served", LG_T_INT8}, {"flush_time", LG_T_INT8});
    return ADD(w, "instance_cache_transfer", transfer_rows);
}

/* ---- gv$segment_statistics: blocks that travelled, by file (pg_class.relfilenode) ---- */

static void
segment_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    lg_cf_segment s;
    size_t pos = 0;
    while (w->cfg.cf && lg_cf_segment_next(w->cfg.cf, &pos, &s)) {
        lg_datum v[] = {lg_datum_int8(s.file), count(s.current_received), micros(s.current_ns),
                        count(s.cr_received),  micros(s.cr_ns),           count(s.current_served),
                        count(s.cr_served),    count(s.invalidated)};
        sink->row(sink, v, NULL);
    }
}

static lg_status
add_segments(lg_views *w)
{
    COLUMNS({"file", LG_T_INT8}, {"gc_current_received", LG_T_INT8}, {"gc_current_time", LG_T_INT8},
            {"gc_cr_received", LG_T_INT8}, {"gc_cr_time", LG_T_INT8},
            {"gc_current_served", LG_T_INT8}, {"gc_cr_served", LG_T_INT8},
            {"gc_invalidated", LG_T_INT8});
    return ADD(w, "segment_statistics", segment_rows);
}

/* ---- gv$segment_io: blocks asked for and read, by file ---- */

static void
segment_io_rows(void *arg, lg_view_sink *sink)
{
    const lg_views *w = arg;
    uint32_t n = w->cfg.buf ? lg_buf_files_counted(w->cfg.buf) : 0;
    for (uint32_t file = 1; file < n; file++) {
        lg_buf_file_counts f = lg_buf_file_count(w->cfg.buf, file);
        lg_datum v[] = {lg_datum_int8(file), count(f.gets), count(f.reads)};
        if (f.gets || f.reads)
            sink->row(sink, v, NULL);
    }
}

static lg_status
add_segment_io(lg_views *w)
{
    COLUMNS({"file", LG_T_INT8}, {"logical_reads", LG_T_INT8}, {"physical_reads", LG_T_INT8});
    return ADD(w, "segment_io", segment_io_rows);
}

/* ---- gv$gc_element: blocks held or mastered here ---- */

struct element_visit {
    lg_view_sink *sink;
};

static lg_datum
holders(lg_view_sink *sink, uint32_t x, uint64_t s)
{
    char text[200] = "";
    size_t len = 0;
    if (x)
        return lg_view_text(sink, lg_arena_printf(sink->arena, "X:%u", x));
    for (uint32_t n = 1; n < LG_NODES_MAX; n++)
        if (lg_node_in(s, n))
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%u", len ? "," : "S:", n);
    return lg_view_text(sink, text);
}

static void
element_row(void *arg, const lg_cf_element *e)
{
    static const char *const modes[] = {"N", "S", "X"};
    lg_view_sink *sink = ((struct element_visit *)arg)->sink;
    lg_datum v[] = {lg_datum_int8(e->addr.file),
                    lg_datum_int8(e->addr.block),
                    lg_view_text(sink, e->here ? modes[e->mode] : ""),
                    lg_datum_int4((int32_t)e->master),
                    lg_datum_bool(e->dirty),
                    lg_datum_bool(e->pi),
                    lg_datum_bool(e->acquiring),
                    lg_datum_bool(e->releasing),
                    lg_datum_bool(e->recovering),
                    count(e->version),
                    count(e->pi_version),
                    count(e->disk_version),
                    lg_datum_bool(e->mastered),
                    holders(sink, e->x_holder, e->s_holders),
                    lg_datum_bool(e->converting),
                    lg_datum_int4((int32_t)e->queued)};
    uint8_t nulls[16] = {0};
    nulls[2] = nulls[9] = nulls[10] = nulls[11] = !e->here;
    nulls[13] = !e->mastered;
    sink->row(sink, v, nulls);
}

static void
element_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    struct element_visit x = {sink};
    if (w->cfg.cf)
        lg_cf_elements(w->cfg.cf, element_row, &x);
}

static lg_status
add_element(lg_views *w)
{
    COLUMNS({"file", LG_T_INT8}, {"block", LG_T_INT8}, {"mode_held", LG_T_TEXT},
            {"master", LG_T_INT4}, {"dirty", LG_T_BOOL}, {"past_image", LG_T_BOOL},
            {"acquiring", LG_T_BOOL}, {"releasing", LG_T_BOOL}, {"recovering", LG_T_BOOL},
            {"version", LG_T_INT8}, {"pi_version", LG_T_INT8}, {"disk_version", LG_T_INT8},
            {"mastered", LG_T_BOOL}, {"holders", LG_T_TEXT}, {"converting", LG_T_BOOL},
            {"queued", LG_T_INT4});
    return ADD(w, "gc_element", element_rows);
}

lg_status
lg_views__register_gc(lg_views *w)
{
    LG_TRY(add_transfer(w));
    LG_TRY(add_segments(w));
    LG_TRY(add_segment_io(w));
    return add_element(w);
}
