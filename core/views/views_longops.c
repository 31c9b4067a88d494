/* gv$session_longops: what long statements of this instance are at (lg_progress). */
#include "views_internal.h"
#include <stdio.h>
#include <string.h>

typedef struct longop {
    const char *name, *units;
    int64_t sofar, total; /* total 0: not known */
} longop;

/* The parameters as core/sql/ddl sets them: PostgreSQL's (commands/progress.h). */
static longop
longop_of(const lg_progress *p)
{
    const int64_t *v = p->param;
    if (strcmp(p->command, "COPY") == 0)
        return (longop){v[4] == 1 ? "Copy In" : "Copy Out", "Rows", v[2], 0};
    if (strcmp(p->command, "ANALYZE") == 0)
        return (longop){"Gather Table Statistics", "Blocks", v[2], v[1]};
    if (v[10] >= 3) /* sorting, loading */
        return (longop){"Index Build", "Rows", v[12], v[11]};
    return (longop){"Index Build", "Blocks", v[16], v[15]};
}

static void
longops_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    lg_session_info i;
    uint32_t pos = 0;
    uint64_t now = lg_run_wall_us(w->cfg.run);
    while (w->cfg.sessions && lg_session_next(w->cfg.sessions, &pos, &i)) {
        const lg_progress *p = i.progress;
        char message[160];
        if (!p->command)
            continue;
        longop o = longop_of(p);
        double elapsed = now > p->started_us ? (double)(now - p->started_us) / 1e6 : 0;
        bool known = o.total >= o.sofar && o.sofar > 0;
        double left = known ? elapsed * (double)(o.total - o.sofar) / (double)o.sofar : 0;
        if (known)
            snprintf(message, sizeof message, "%s: %u : %lld out of %lld %s done", o.name, p->relid,
                     (long long)o.sofar, (long long)o.total, o.units);
        else
            snprintf(message, sizeof message, "%s: %u : %lld %s done", o.name, p->relid,
                     (long long)o.sofar, o.units);
        lg_datum v[] = {lg_datum_int4((int32_t)i.pid), lg_view_text(sink, i.user),
                        lg_view_text(sink, o.name),    lg_datum_oid(p->relid),
                        lg_datum_int8(o.sofar),        lg_datum_int8(o.total),
                        lg_view_text(sink, o.units),   lg_view_time(p->started_us),
                        lg_datum_float8(left),         lg_datum_float8(elapsed),
                        lg_view_text(sink, message),   lg_view_text(sink, i.query)};
        uint8_t nulls[12] = {0};
        nulls[3] = !p->relid;
        nulls[5] = !o.total;
        nulls[8] = !known;
        sink->row(sink, v, nulls);
    }
}

lg_status
lg_views__register_longops(lg_views *w)
{
    static const lg_virtual_column columns[] = {{"sid", LG_T_INT4},
                                                {"username", LG_T_TEXT},
                                                {"opname", LG_T_TEXT},
                                                {"target", LG_T_OID},
                                                {"sofar", LG_T_INT8},
                                                {"totalwork", LG_T_INT8},
                                                {"units", LG_T_TEXT},
                                                {"start_time", LG_T_TIMESTAMPTZ},
                                                {"time_remaining", LG_T_FLOAT8},
                                                {"elapsed_seconds", LG_T_FLOAT8},
                                                {"message", LG_T_TEXT},
                                                {"query", LG_T_TEXT}};
    return lg_views_add(w, "session_longops", columns,
                        (uint16_t)(sizeof columns / sizeof columns[0]), longops_rows, w);
}
