/* gv$recovery_progress: the last (or running) recovery that this instance did for dead members. */
#include "instance_internal.h"

static lg_datum
micros(lg_time ns)
{
    return lg_datum_int8((int64_t)(ns / 1000));
}

static void
rows(void *arg, lg_view_sink *sink)
{
    lg_instance *in = arg;
    lg_recovery_stats s;
    lg_recoverer_times t;
    if (!in->recoverer)
        return;
    lg_recoverer_stats(in->recoverer, &s, &t);
    if (t.epoch == 0)
        return;
    lg_datum v[] = {lg_view_count(t.epoch),
                    lg_view_text(sink, t.running ? "RUNNING" : "DONE"),
                    lg_view_count(s.threads),
                    lg_view_count(s.redo_bytes),
                    lg_view_count(s.records),
                    lg_view_count(s.blocks_in_set),
                    lg_view_count(s.blocks_held),
                    lg_view_count(s.blocks_done),
                    lg_view_count(s.blocks_written),
                    lg_view_count(s.past_images),
                    lg_view_count(s.repaired),
                    micros(t.analyse_ns),
                    micros(t.filter_ns),
                    micros(t.apply_ns),
                    micros(t.settle_ns)};
    sink->row(sink, v, NULL);
}

lg_status
lg_instance__recovery_view(lg_instance *in)
{
    static const lg_virtual_column columns[] = {{"epoch", LG_T_INT8},
                                                {"state", LG_T_TEXT},
                                                {"threads", LG_T_INT8},
                                                {"redo_bytes", LG_T_INT8},
                                                {"records", LG_T_INT8},
                                                {"blocks_in_set", LG_T_INT8},
                                                {"blocks_held", LG_T_INT8},
                                                {"blocks_done", LG_T_INT8},
                                                {"blocks_written", LG_T_INT8},
                                                {"past_images", LG_T_INT8},
                                                {"repaired", LG_T_INT8},
                                                {"analyse_time", LG_T_INT8},
                                                {"ask_holders_time", LG_T_INT8},
                                                {"apply_time", LG_T_INT8},
                                                {"settle_time", LG_T_INT8}};
    return lg_views_add(in->views, "recovery_progress", columns,
                        (uint16_t)(sizeof columns / sizeof columns[0]), rows, in);
}
