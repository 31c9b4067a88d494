/* gv$column_cache and gv$column_cache_object: the columns kept in memory; gv$pgastat: what sessions
 * use. */
#include "instance_internal.h"

static void
cache_rows(void *arg, lg_view_sink *sink)
{
    const lg_instance *in = arg;
    lg_columns_info i;
    if (!in->columns)
        return;
    lg_columns_info_get(in->columns, &i);
    lg_datum v[] = {lg_view_count(i.bytes), lg_view_count(i.max_bytes), lg_view_count(i.chunks),
                    lg_view_count(i.scans), lg_view_count(i.hits),      lg_view_count(i.stale),
                    lg_view_count(i.added), lg_view_count(i.evicted),   lg_view_count(i.refused),
                    lg_view_count(i.wasted)};
    sink->row(sink, v, NULL);
}

/* Chunks of a file come one after the other or not: files are few, so a short list does. */
#define FILES_SHOWN 512u
struct files {
    uint32_t n;
    struct {
        uint32_t file;
        uint64_t chunks, blocks, rows, bytes;
    } of[FILES_SHOWN];
};

static void
add_chunk(void *arg, uint32_t file, const lg_chunk *k)
{
    struct files *f = arg;
    uint32_t i = 0;
    while (i < f->n && f->of[i].file != file)
        i++;
    if (i == FILES_SHOWN)
        return;
    if (i == f->n) {
        f->n++;
        f->of[i].file = file;
    }
    f->of[i].chunks++;
    f->of[i].blocks += k->nblocks;
    f->of[i].rows += k->nrows;
    f->of[i].bytes += k->bytes;
}

static void
object_rows(void *arg, lg_view_sink *sink)
{
    const lg_instance *in = arg;
    if (!in->columns)
        return;
    struct files *f = lg_zalloc(sizeof *f);
    lg_columns_visit(in->columns, add_chunk, f);
    for (uint32_t i = 0; i < f->n; i++) {
        lg_datum v[] = {lg_view_count(f->of[i].file), lg_view_count(f->of[i].chunks),
                        lg_view_count(f->of[i].blocks), lg_view_count(f->of[i].rows),
                        lg_view_count(f->of[i].bytes)};
        sink->row(sink, v, NULL);
    }
    lg_free(f);
}

static void
pga_row(lg_view_sink *sink, const char *name, uint64_t value, const char *unit)
{
    lg_datum v[] = {lg_view_text(sink, name), lg_view_count(value), lg_view_text(sink, unit)};
    sink->row(sink, v, NULL);
}

static void
pga_rows(void *arg, lg_view_sink *sink)
{
    const lg_instance *in = arg;
    lg_temp_info t = {.dir = ""};
    if (in->sessions)
        pga_row(sink, "process count", lg_session_count(in->sessions), "sessions");
    if (in->temp)
        lg_temp_info_get(in->temp, &t);
    lg_budget *budget = lg_run_budget(in->env.run);
    if (budget) {
        lg_budget_info b;
        lg_budget_info_get(budget, &b);
        pga_row(sink, "PGA limit", b.limit, "bytes");
        pga_row(sink, "total PGA allocated", b.used, "bytes");
        pga_row(sink, "maximum PGA allocated", b.most, "bytes");
        pga_row(sink, "over allocation count", b.refused, "requests");
    }
    pga_row(sink, "temporary files in use", t.files, "files");
    pga_row(sink, "temporary space in use", t.bytes, "bytes");
    pga_row(sink, "temporary space kept", t.bytes_kept, "bytes");
    pga_row(sink, "temporary files made", t.files_made, "files");
    pga_row(sink, "extra bytes written", t.bytes_written, "bytes");
}

lg_status
lg_instance__memory_views(lg_instance *in)
{
    static const lg_virtual_column cache[] = {{"bytes", LG_T_INT8},   {"max_bytes", LG_T_INT8},
                                              {"chunks", LG_T_INT8},  {"scans", LG_T_INT8},
                                              {"hits", LG_T_INT8},    {"stale", LG_T_INT8},
                                              {"added", LG_T_INT8},   {"evicted", LG_T_INT8},
                                              {"refused", LG_T_INT8}, {"wasted", LG_T_INT8}};
    static const lg_virtual_column objects[] = {{"file#", LG_T_INT8},
                                                {"chunks", LG_T_INT8},
                                                {"blocks", LG_T_INT8},
                                                {"rows", LG_T_INT8},
                                                {"bytes", LG_T_INT8}};
    static const lg_virtual_column pga[] = {
        {"name", LG_T_TEXT}, {"value", LG_T_INT8}, {"unit", LG_T_TEXT}};
    LG_TRY(LG_INSTANCE_VIEW(in, "column_cache", cache, cache_rows));
    LG_TRY(LG_INSTANCE_VIEW(in, "column_cache_object", objects, object_rows));
    return LG_INSTANCE_VIEW(in, "pgastat", pga, pga_rows);
}
