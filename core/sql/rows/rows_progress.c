/* What a long utility statement is at (lg_progress): kept in the session, read by views. */
#include "rows.h"

void
lg_xprogress_begin(lg_exec_session *es, const char *command, lg_oid relid)
{
    uint64_t now = es->run ? lg_run_wall_us(es->run) : 0;
    es->progress = (lg_progress){.command = command,
                                 .datid = lg_cat_database_oid(es->cat),
                                 .relid = relid,
                                 .started_us = now,
                                 .changed_us = now};
}

void
lg_xprogress_set(lg_exec_session *es, uint32_t param, int64_t value)
{
    es->progress.param[param] = value;
}

void
lg_xprogress_end(lg_exec_session *es)
{
    es->progress.command = NULL;
}
