/* This instance's rows: instance, sessions, waits, statistics, enqueues, reconfigurations, members.
 */
#include "views_internal.h"
#include "wait_hist.h"
#include <stdio.h>
#include <string.h>

#define COLUMNS(...) static const lg_virtual_column columns[] = {__VA_ARGS__}
#define ADD(w, name, fn)                                                                           \
    lg_views_add((w), (name), columns, (uint16_t)(sizeof columns / sizeof columns[0]), (fn), (w))

static lg_datum
seconds(lg_time ns)
{
    return lg_datum_float8((double)ns / 1e9);
}

/* ---- gv$instance ---- */

static void
instance_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    lg_view_instance i;
    memset(&i, 0, sizeof i);
    w->cfg.instance(w->cfg.arg, &i);
    lg_datum v[] = {
        lg_datum_int4((int32_t)w->cfg.node),
        lg_view_text(sink, i.name),
        lg_view_text(sink, i.host),
        lg_view_text(sink, i.version),
        lg_view_time(i.startup_us),
        lg_view_text(sink, lg_instance_state_name(i.state)),
        lg_datum_int8((int64_t)i.incarnation),
        lg_datum_int8((int64_t)i.epoch),
        lg_datum_int8((int64_t)i.scn),
        lg_datum_int4(w->cfg.sessions ? (int32_t)lg_session_count(w->cfg.sessions) : 0)};
    sink->row(sink, v, NULL);
}

static lg_status
add_instance(lg_views *w)
{
    COLUMNS({"instance_number", LG_T_INT4}, {"instance_name", LG_T_TEXT}, {"host_name", LG_T_TEXT},
            {"version", LG_T_TEXT}, {"startup_time", LG_T_TIMESTAMPTZ}, {"status", LG_T_TEXT},
            {"incarnation", LG_T_INT8}, {"epoch", LG_T_INT8}, {"current_scn", LG_T_INT8},
            {"sessions", LG_T_INT4});
    return ADD(w, "instance", instance_rows);
}

/* ---- gv$session ---- */

static void
session_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    lg_session_info i;
    uint32_t pos = 0;
    while (w->cfg.sessions && lg_session_next(w->cfg.sessions, &pos, &i)) {
        lg_time now = lg_run_now_ns(w->cfg.run);
        bool waiting = i.wait != LG_WAIT_NONE;
        lg_datum v[] = {
            lg_datum_int4((int32_t)i.pid),
            lg_view_text(sink, i.user),
            lg_view_text(sink, i.database),
            lg_view_text(sink, i.application),
            lg_view_text(sink, i.client),
            lg_view_text(sink, i.state),
            lg_view_text(sink, i.query),
            lg_view_time(i.logon_us),
            lg_view_time(i.query_start_us),
            lg_view_time(i.state_change_us),
            lg_view_time(i.xact_start_us),
            lg_datum_int8((int64_t)i.xid),
            lg_view_text(sink, lg_wait_name(i.wait)),
            lg_view_text(sink, lg_wait_class(i.wait)),
            seconds(waiting && i.wait_since && now > i.wait_since ? now - i.wait_since : 0),
            lg_datum_int8((int64_t)i.query_id),
            lg_view_text(sink, lg_wait_pg_type(i.wait))};
        uint8_t nulls[17] = {0};
        nulls[8] = i.query_start_us == 0;
        nulls[10] = i.xact_start_us == 0;
        nulls[11] = i.xid == 0;
        nulls[14] = !waiting || i.wait_since == 0;
        nulls[15] = i.query_id == 0;
        sink->row(sink, v, nulls);
    }
}

static lg_status
add_session(lg_views *w)
{
    COLUMNS({"sid", LG_T_INT4}, {"username", LG_T_TEXT}, {"database", LG_T_TEXT},
            {"application_name", LG_T_TEXT}, {"client", LG_T_TEXT}, {"status", LG_T_TEXT},
            {"query", LG_T_TEXT}, {"logon_time", LG_T_TIMESTAMPTZ},
            {"query_start", LG_T_TIMESTAMPTZ}, {"state_change", LG_T_TIMESTAMPTZ},
            {"xact_start", LG_T_TIMESTAMPTZ}, {"xid", LG_T_INT8}, {"event", LG_T_TEXT},
            {"wait_class", LG_T_TEXT}, {"seconds_in_wait", LG_T_FLOAT8}, {"sql_id", LG_T_INT8},
            {"wait_event_type", LG_T_TEXT});
    return ADD(w, "session", session_rows);
}

/* ---- gv$sysstat, gv$system_event ---- */

static void
sysstat_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    const lg_stats *s = lg_run_stats(w->cfg.run);
    for (int i = 0; s && i < LG_STAT_COUNT; i++) {
        lg_datum v[] = {lg_datum_int4(i), lg_view_text(sink, lg_stat_name((lg_stat)i)),
                        lg_view_text(sink, lg_stat_class((lg_stat)i)),
                        lg_datum_int8((int64_t)s->count[i])};
        sink->row(sink, v, NULL);
    }
}

static lg_status
add_sysstat(lg_views *w)
{
    COLUMNS({"statistic#", LG_T_INT4}, {"name", LG_T_TEXT}, {"class", LG_T_TEXT},
            {"value", LG_T_INT8});
    return ADD(w, "sysstat", sysstat_rows);
}

static void
event_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    const lg_stats *s = lg_run_stats(w->cfg.run);
    for (int i = LG_WAIT_NONE + 1; s && i < LG_WAIT_COUNT; i++) {
        uint64_t n = s->wait_count[i];
        lg_datum v[] = {lg_view_text(sink, lg_wait_name((lg_wait)i)),
                        lg_view_text(sink, lg_wait_class((lg_wait)i)),
                        lg_view_text(sink, lg_wait_pg_type((lg_wait)i)),
                        lg_datum_int8((int64_t)n),
                        lg_datum_int8((int64_t)(s->wait_ns[i] / 1000)),
                        lg_datum_float8(n ? (double)s->wait_ns[i] / 1000 / (double)n : 0),
                        lg_datum_int8((int64_t)(s->wait_max_ns[i] / 1000))};
        sink->row(sink, v, NULL);
    }
}

static void
histogram_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    for (int i = LG_WAIT_NONE + 1; i < LG_WAIT_COUNT; i++)
        for (uint32_t b = 0; b < LG_WAIT_BUCKETS; b++) {
            uint64_t n = lg_run_wait_bucket(w->cfg.run, (lg_wait)i, b);
            if (!n)
                continue;
            lg_datum v[] = {lg_view_text(sink, lg_wait_name((lg_wait)i)),
                            lg_view_text(sink, lg_wait_class((lg_wait)i)),
                            lg_datum_int8((int64_t)1 << b), lg_datum_int8((int64_t)n)};
            uint8_t nulls[] = {0, 0, b == LG_WAIT_BUCKETS - 1, 0};
            sink->row(sink, v, nulls);
        }
}

/* Waits of less than wait_time_micro, and not less than half of it; NULL: longer than all others. */
static lg_status
add_event_histogram(lg_views *w)
{
    COLUMNS({"event", LG_T_TEXT}, {"wait_class", LG_T_TEXT}, {"wait_time_micro", LG_T_INT8},
            {"wait_count", LG_T_INT8});
    return ADD(w, "event_histogram", histogram_rows);
}

static lg_status
add_system_event(lg_views *w)
{
    COLUMNS({"event", LG_T_TEXT}, {"wait_class", LG_T_TEXT}, {"wait_event_type", LG_T_TEXT},
            {"total_waits", LG_T_INT8}, {"time_waited_micro", LG_T_INT8},
            {"average_wait_micro", LG_T_FLOAT8}, {"max_wait_micro", LG_T_INT8});
    return ADD(w, "system_event", event_rows);
}

/* ---- gv$reconfiguration, gv$reconfiguration_step ---- */

static lg_datum
node_list(lg_view_sink *sink, uint64_t mask)
{
    char text[256] = "";
    size_t len = 0;
    for (uint32_t n = 1; n < LG_NODES_MAX; n++)
        if (lg_node_in(mask, n))
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%u", len ? "," : "", n);
    return lg_view_text(sink, text);
}

static const char *
outcome(const lg_reconf_record *r)
{
    if (r->running)
        return "RUNNING";
    if (r->status == LG_OK)
        return "COMPLETED";
    return r->status == LG_STALE_EPOCH ? "SUPERSEDED" : lg_status_name(r->status);
}

static void
reconf_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    lg_reconf_record r;
    unsigned pos = 0;
    while (w->cfg.reconf && lg_reconf_next(w->cfg.reconf, &pos, &r)) {
        lg_time first = r.start[LG_RECONF_PUBLISH];
        lg_time open = r.end[LG_RECONF_THAW];
        lg_time end = r.end[LG_RECONF_OPEN];
        lg_datum v[] = {lg_datum_int8((int64_t)r.epoch),
                        lg_view_time(r.wall_us),
                        node_list(sink, r.members),
                        node_list(sink, r.joiners),
                        node_list(sink, r.dead),
                        lg_datum_int4((int32_t)r.recoverer),
                        lg_view_text(sink, outcome(&r)),
                        seconds(open > first ? open - first : 0),
                        seconds(end > first ? end - first : 0)};
        uint8_t nulls[9] = {0};
        nulls[7] = open == 0;
        nulls[8] = end == 0;
        sink->row(sink, v, nulls);
    }
}

static lg_status
add_reconfiguration(lg_views *w)
{
    COLUMNS({"epoch", LG_T_INT8}, {"start_time", LG_T_TIMESTAMPTZ}, {"members", LG_T_TEXT},
            {"joiners", LG_T_TEXT}, {"dead", LG_T_TEXT}, {"recoverer", LG_T_INT4},
            {"status", LG_T_TEXT}, {"seconds_to_open", LG_T_FLOAT8},
            {"seconds_to_end", LG_T_FLOAT8});
    return ADD(w, "reconfiguration", reconf_rows);
}

static void
reconf_step_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    lg_reconf_record r;
    unsigned pos = 0;
    while (w->cfg.reconf && lg_reconf_next(w->cfg.reconf, &pos, &r))
        for (int s = 0; s < LG_RECONF_STEPS; s++) {
            if (!r.start[s])
                continue;
            uint64_t begun = r.wall_us + (r.start[s] - r.start[LG_RECONF_PUBLISH]) / 1000;
            lg_datum v[] = {lg_datum_int8((int64_t)r.epoch),
                            lg_datum_int4(s),
                            lg_view_text(sink, lg_reconf_step_name((lg_reconf_step)s)),
                            lg_view_time(begun),
                            lg_view_time(begun + (r.end[s] ? (r.end[s] - r.start[s]) / 1000 : 0)),
                            seconds(r.end[s] ? r.end[s] - r.start[s] : 0),
                            lg_view_text(sink, r.end[s]    ? "COMPLETED"
                                               : r.running ? "RUNNING"
                                                           : "ABORTED")};
            uint8_t nulls[7] = {0};
            nulls[4] = nulls[5] = r.end[s] == 0;
            sink->row(sink, v, nulls);
        }
}

static lg_status
add_reconfiguration_step(lg_views *w)
{
    COLUMNS({"epoch", LG_T_INT8}, {"step#", LG_T_INT4}, {"step", LG_T_TEXT},
            {"start_time", LG_T_TIMESTAMPTZ}, {"finish_time", LG_T_TIMESTAMPTZ},
            {"cost", LG_T_FLOAT8}, {"state", LG_T_TEXT});
    return ADD(w, "reconfiguration_step", reconf_step_rows);
}

/* ---- gv$member, gv$vote, gv$fence ---- */

static const lg_agent_member *
find_member(const lg_agent_view *m, uint32_t node, bool *ret_victim)
{
    for (uint32_t i = 0; i < m->member_count + m->victim_count; i++) {
        *ret_victim = i >= m->member_count;
        const lg_agent_member *x = *ret_victim ? &m->victims[i - m->member_count] : &m->members[i];
        if (x->node == node)
            return x;
    }
    *ret_victim = false;
    return NULL;
}

static void
member_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    static const lg_view_node unknown;
    lg_agent_view m;
    memset(&m, 0, sizeof m);
    w->cfg.membership(w->cfg.arg, &m);
    for (uint32_t n = 1; n < LG_VIEW_NODES; n++) {
        bool victim;
        const lg_agent_member *x = find_member(&m, n, &victim);
        const lg_view_node *k = w->cfg.cluster ? &w->cfg.cluster->nodes[n] : &unknown;
        if (!x && !k->set)
            continue;
        const char *state = !x ? "OUT" : victim ? "FENCED" : k->condemned ? "CONDEMNED" : "MEMBER";
        lg_datum v[] = {lg_datum_int8((int64_t)m.epoch),
                        lg_datum_int4((int32_t)n),
                        lg_datum_int8((int64_t)(x ? x->incarnation : k->incarnation)),
                        lg_view_text(sink, x ? x->address : ""),
                        lg_view_text(sink, state),
                        lg_view_text(sink, victim ? m.fence : ""),
                        lg_view_text(sink, k->agent),
                        lg_view_text(sink, k->instance),
                        lg_view_text(sink, k->network),
                        node_list(sink, k->lost)};
        sink->row(sink, v, NULL);
    }
}

static lg_status
add_member(lg_views *w)
{
    COLUMNS({"epoch", LG_T_INT8}, {"node", LG_T_INT4}, {"incarnation", LG_T_INT8},
            {"address", LG_T_TEXT}, {"state", LG_T_TEXT}, {"fence_method", LG_T_TEXT},
            {"agent", LG_T_TEXT}, {"instance_state", LG_T_TEXT}, {"network", LG_T_TEXT},
            {"links_lost", LG_T_TEXT});
    return ADD(w, "member", member_rows);
}

static void
vote_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    for (uint32_t i = 0; w->cfg.cluster && i < LG_VIEW_VOTES; i++) {
        const lg_view_vote *k = &w->cfg.cluster->votes[i];
        if (!k->set)
            continue;
        lg_datum v[] = {lg_datum_int4((int32_t)i + 1),      lg_view_text(sink, k->path),
                        lg_view_text(sink, k->state),       lg_datum_int8((int64_t)k->rounds),
                        lg_datum_int8((int64_t)k->errors),  lg_view_time(k->last_ok_us),
                        lg_datum_int8((int64_t)k->round_us)};
        uint8_t nulls[7] = {0};
        nulls[5] = k->last_ok_us == 0;
        sink->row(sink, v, nulls);
    }
}

static lg_status
add_vote(lg_views *w)
{
    COLUMNS({"vote#", LG_T_INT4}, {"path", LG_T_TEXT}, {"state", LG_T_TEXT}, {"rounds", LG_T_INT8},
            {"errors", LG_T_INT8}, {"last_ok", LG_T_TIMESTAMPTZ}, {"round_us", LG_T_INT8});
    return ADD(w, "vote", vote_rows);
}

static void
fence_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    lg_view_fence f;
    for (uint32_t i = 0; w->cfg.fence && w->cfg.fence(w->cfg.arg, i, &f); i++) {
        char key[24];
        snprintf(key, sizeof key, "%016llx", (unsigned long long)f.key);
        lg_datum v[] = {lg_view_text(sink, f.path),
                        lg_view_text(sink, f.reservations ? "reservation" : "lease"),
                        lg_view_text(sink, f.reservations ? key : "")};
        sink->row(sink, v, NULL);
    }
}

static lg_status
add_fence(lg_views *w)
{
    COLUMNS({"device", LG_T_TEXT}, {"method", LG_T_TEXT}, {"key", LG_T_TEXT});
    return ADD(w, "fence", fence_rows);
}

lg_status
lg_views__register_local(lg_views *w)
{
    LG_TRY(add_instance(w));
    LG_TRY(add_session(w));
    LG_TRY(add_sysstat(w));
    LG_TRY(add_system_event(w));
    LG_TRY(add_event_histogram(w));
    LG_TRY(add_reconfiguration(w));
    LG_TRY(add_reconfiguration_step(w));
    LG_TRY(add_member(w));
    LG_TRY(add_vote(w));
    return add_fence(w);
}
