/* gv$archived_log, gv$undostat; and what the log says of the archiver. */
#include "instance_internal.h"

/* Redo files in the archive directory, of this life of the instance: the last ones, oldest first. */
static void
archived_rows(void *arg, lg_view_sink *sink)
{
    const lg_instance *in = arg;
    const lg_redo_archive_info *i = in->redo ? lg_redo_archive_info_of(in->redo) : NULL;
    if (!i)
        return;
    uint64_t n = i->files < LG_REDO_ARCHIVED_KEPT ? i->files : LG_REDO_ARCHIVED_KEPT;
    for (uint64_t k = i->files - n; k < i->files; k++) {
        const lg_redo_archived_file *f = &i->last[k % LG_REDO_ARCHIVED_KEPT];
        char name[64];
        lg_redo_archive_name(in->cfg.node - 1, f->incarnation, f->from, name, sizeof name);
        lg_datum v[] = {lg_datum_int4((int32_t)in->cfg.node),
                        lg_view_count(k + 1),
                        lg_view_text(sink, name),
                        lg_view_count(f->from),
                        lg_view_count(f->to),
                        lg_view_count(f->to - f->from),
                        lg_view_time(f->done_us)};
        sink->row(sink, v, NULL);
    }
}

static void
undo_rows(void *arg, lg_view_sink *sink)
{
    const lg_instance *in = arg;
    const lg_undo_seg *seg = in->txns ? lg_txn_sys_own_undo(in->txns) : NULL;
    lg_undo_info i;
    if (!seg)
        return;
    lg_undo_info_get(seg, &i);
    uint64_t extent = i.extent_bytes;
    lg_datum v[] = {lg_datum_int4((int32_t)i.useg),
                    lg_view_count(i.file),
                    lg_view_count(i.extents * extent),
                    lg_view_count(i.max_bytes),
                    lg_view_count(i.active * extent),
                    lg_view_count(i.unexpired * extent),
                    lg_view_count(i.expired * extent),
                    lg_view_count(i.holds),
                    lg_datum_float8((double)i.retention_ms / 1000),
                    lg_datum_float8((double)i.reach_ns / 1e9),
                    lg_view_count(i.reused),
                    lg_view_count(i.reused_early)};
    uint8_t nulls[12] = {0};
    nulls[9] = i.reach_ns == 0; /* nothing has been reused: all of this life */
    sink->row(sink, v, nulls);
}

lg_status
lg_instance__log_views(lg_instance *in)
{
    static const lg_virtual_column archived[] = {{"thread", LG_T_INT4},
                                                 {"sequence", LG_T_INT8},
                                                 {"name", LG_T_TEXT},
                                                 {"first_lsn", LG_T_INT8},
                                                 {"next_lsn", LG_T_INT8},
                                                 {"bytes", LG_T_INT8},
                                                 {"completion_time", LG_T_TIMESTAMPTZ}};
    static const lg_virtual_column undo[] = {{"segment", LG_T_INT4},
                                             {"file", LG_T_INT8},
                                             {"bytes", LG_T_INT8},
                                             {"max_bytes", LG_T_INT8},
                                             {"active_bytes", LG_T_INT8},
                                             {"unexpired_bytes", LG_T_INT8},
                                             {"expired_bytes", LG_T_INT8},
                                             {"active_transactions", LG_T_INT8},
                                             {"undo_retention", LG_T_FLOAT8},
                                             {"reach", LG_T_FLOAT8},
                                             {"extents_reused", LG_T_INT8},
                                             {"extents_stolen", LG_T_INT8}};
    LG_TRY(LG_INSTANCE_VIEW(in, "archived_log", archived, archived_rows));
    return LG_INSTANCE_VIEW(in, "undostat", undo, undo_rows);
}

void
lg_instance__on_archive(void *arg, lg_status st)
{
    lg_instance *in = arg;
    if (st != LG_OK)
        lg_log_error(in->env.log, "archive",
                     "a redo file cannot be copied to %s: %s; it is tried again every second, and "
                     "writers wait when the redo thread is full",
                     in->cfg.archive_dir, lg_status_text(st));
    else
        lg_log_info(in->env.log, "archive", "redo files are copied to %s again",
                    in->cfg.archive_dir);
}
