/* The sessions of an instance: listening, accepting, the registry, cancel, drain. */
#include "session_internal.h"
#include <string.h>

#define TRIM_EVERY   256           /* sessions that have ended */
#define LISTEN_LIMIT (10 * LG_SEC) /* an earlier life of this instance may still be torn down */

static void
accept_main(void *arg)
{
    lg_session_server *srv = arg;
    for (;;) {
        lg_sock *sock;
        lg_status st = lg_sock_accept(srv->listener, LG_FOREVER, &sock);
        if (st == LG_CLOSED || srv->stopping)
            break;
        if (st != LG_OK) {
            /* Out of descriptors, most likely: keep serving those we have, try again soon. */
            lg_log_warn(srv->cfg.log, "session", "accept failed: %s", lg_status_text(st));
            lg_status slept = lg_fiber_sleep_until(lg_run_now_ns(srv->cfg.run) + 100 * LG_MS,
                                                   LG_WAIT_BACKGROUND_IDLE);
            (void)slept;
            continue;
        }
        lg_session__create(srv, sock);
    }
    srv->acceptor = NULL;
    lg_waitq_wake_all(&srv->gone);
}

/* Serials wrap around within their bits and skip those in use. */
static uint32_t
next_pid(lg_session_server *srv)
{
    uint32_t mask = (1u << LG_SESSION_PID_BITS) - 1;
    do {
        srv->next_serial = (srv->next_serial + 1) & mask;
    } while (srv->next_serial == 0 ||
             lg_map_get(srv->by_pid, srv->cfg.instance << LG_SESSION_PID_BITS | srv->next_serial));
    return srv->cfg.instance << LG_SESSION_PID_BITS | srv->next_serial;
}

static void
scratch_free(lg_session_scratch *x)
{
    lg_arena_destroy(x->rows);
    lg_arena_destroy(x->statement);
    lg_free(x);
}

void
lg_session__scratch_take(lg_session *s)
{
    lg_session_server *srv = s->server;
    if (s->scratch)
        return;
    if (srv->scratch_count) {
        s->scratch = srv->scratch[--srv->scratch_count];
    } else {
        s->scratch = lg_zalloc(sizeof *s->scratch);
        s->scratch->statement = lg_arena_create("statement", 8192);
        s->scratch->rows = lg_arena_create("rows", 4096);
    }
    s->statement = s->err.arena = s->scratch->statement;
    s->rows = s->scratch->rows;
}

void
lg_session__scratch_give(lg_session *s)
{
    lg_session_server *srv = s->server;
    if (!s->scratch)
        return;
    lg_error_clear(&s->err);
    lg_arena_reset(s->statement);
    lg_arena_reset(s->rows);
    if (srv->scratch_count < LG_SESSION_SCRATCH)
        srv->scratch[srv->scratch_count++] = s->scratch;
    else
        scratch_free(s->scratch);
    s->scratch = NULL;
    s->statement = s->rows = s->err.arena = NULL;
}

/* What the instance's configuration says of settings. It was found good at the start. */
static void
apply_defaults(lg_session *s)
{
    const lg_session_server_config *cfg = &s->server->cfg;
    for (uint32_t i = 0; i < cfg->ndefaults; i++)
        if (lg_settings_set(s->settings, cfg->defaults[i].name, cfg->defaults[i].value,
                            LG_SET_FORCE, true, &s->err) != LG_OK)
            lg_error_clear(&s->err);
}

void
lg_session__create(lg_session_server *srv, lg_sock *sock)
{
    lg_session *s = lg_zalloc(sizeof *s);
    s->server = srv;
    s->sock = sock;
    s->pid = next_pid(srv);
    s->cancel_key = (uint32_t)lg_run_random(srv->cfg.run);
    s->logon_us = lg_run_wall_us(srv->cfg.run);
    s->arena = lg_arena_create("session", 1024);
    lg_error_init(&s->err, NULL);
    lg_session__scratch_take(s);
    lg_pgwire_reader_init(&s->in);
    lg_strbuf_init(&s->out, LG_SESSION_OUT_MAX);
    lg_timer_init(&s->idle_timer, srv->cfg.run, lg_session__on_idle_timeout, s);
    lg_session__sql_open(s);
    s->settings = lg_settings_create(lg_session__check_setting, s);
    apply_defaults(s);
    lg_session__log_settings(s);
    lg_list_push_back(&srv->sessions, &s->link);
    lg_map_put(srv->by_pid, s->pid, s);
    srv->session_count++;
    lg_session__set_state(s, LG_SESSION_STARTUP);
    if (lg_session__spawn(s) != LG_OK)
        lg_session__end(s);
}

/* Ends the session and frees it. On its own fiber, or with none. */
void
lg_session__end(lg_session *s)
{
    lg_session_server *srv = s->server;
    s->state = LG_SESSION_ENDING;
    lg_session__scratch_take(s);
    lg_timer_stop(&s->idle_timer);
    lg_session__log_gone(s);
    lg_session__prepared_unref(s->log_of);
    s->log_of = NULL;
    lg_session__sql_close(s);
    lg_sock_close(s->sock);
    lg_list_remove(&s->link);
    lg_map_remove(srv->by_pid, s->pid);
    srv->session_count--;
    lg_fiber *self = lg_fiber_self();
    if (self && lg_fiber_owner(self) == s)
        lg_fiber_set_owner(self, NULL, NULL);
    lg_settings_destroy(s->settings);
    lg_pgwire_reader_fini(&s->in);
    lg_strbuf_fini(&s->out);
    lg_session__scratch_give(s);
    lg_arena_destroy(s->arena);
    lg_free(s);
    lg_waitq_wake_all(&srv->gone);
    /* What many sessions had lies in small pieces all over the heap. */
    if (++srv->ended % TRIM_EVERY == 0 && !lg_run_sim(srv->cfg.run))
        lg_mem_trim();
}

lg_status
lg_session_server_start(const lg_session_server_config *cfg, lg_session_server **ret_server)
{
    lg_session_server *srv = lg_zalloc(sizeof *srv);
    srv->cfg = *cfg;
    lg_list_init(&srv->sessions);
    lg_waitq_init(&srv->gone);
    lg_status st = lg_sock_listen_wait(cfg->run, cfg->listen, 1024,
                                       lg_run_now_ns(cfg->run) + LISTEN_LIMIT, &srv->listener);
    if (st != LG_OK) {
        lg_free(srv);
        return st;
    }
    srv->by_pid = lg_map_create();
    srv->cache = lg_session__cache_create();
    srv->sqlstats = lg_session__stats_create(lg_run_wall_us(cfg->run));
    lg_session__pgstat_start(srv);
    lg_session__log_start(srv);
    st = lg_run_spawn(cfg->run, "accept", 0, accept_main, srv, &srv->acceptor);
    if (st != LG_OK) {
        lg_sock_close(srv->listener);
        lg_map_destroy(srv->by_pid);
        lg_free(srv);
        return st;
    }
    *ret_server = srv;
    lg_session_server_sweep(srv);
    return LG_OK;
}

/* Makes a session end with `why`: at once when idle, at its next wait when active. */
static void
end_from_outside(lg_session *s, lg_status why)
{
    if (s->pending_end == LG_OK)
        s->pending_end = why;
    if (s->fiber)
        lg_fiber_cancel(s->fiber, why);
    else
        lg_session__wake(s);
}

void
lg_session_server_wind_down(lg_session_server *srv, bool on)
{
    srv->draining = on;
    if (!on)
        return;
    LG_LIST_FOREACH_SAFE (it, &srv->sessions) {
        lg_session *s = LG_CONTAINER_OF(it, lg_session, link);
        if (s->state == LG_SESSION_IDLE && lg_session__txn_char(s) == 'I')
            end_from_outside(s, LG_SHUTDOWN);
    }
}

void
lg_session_server_drain(lg_session_server *srv, lg_time deadline)
{
    lg_session_server_wind_down(srv, true);
    while (srv->session_count && lg_run_now_ns(srv->cfg.run) < deadline)
        if (lg_waitq_wait(&srv->gone, LG_WAIT_BACKGROUND_IDLE, deadline, false) == LG_TIMEOUT)
            break;
    LG_LIST_FOREACH_SAFE (it, &srv->sessions) {
        end_from_outside(LG_CONTAINER_OF(it, lg_session, link), LG_SHUTDOWN);
    }
    while (srv->session_count) {
        lg_status st = lg_waitq_wait(&srv->gone, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
        (void)st; /* looked at again */
    }
}

void
lg_session_server_stop(lg_session_server *srv)
{
    if (!srv)
        return;
    LG_ASSERT(srv->session_count == 0);
    srv->stopping = true;
    lg_sock_close(srv->listener);
    if (srv->sweeper)
        lg_fiber_cancel(srv->sweeper, LG_SHUTDOWN);
    while (srv->acceptor || srv->sweeper) {
        lg_status st = lg_waitq_wait(&srv->gone, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
        (void)st;
    }
    lg_map_destroy(srv->by_pid);
    lg_session__cache_destroy(srv->cache);
    lg_session__stats_destroy(srv->sqlstats);
    lg_session__monitor_fini(srv);
    while (srv->scratch_count)
        scratch_free(srv->scratch[--srv->scratch_count]);
    lg_free(srv);
}

void
lg_session_cancel(lg_session_server *srv, uint32_t pid, uint32_t key)
{
    lg_session *s = lg_map_get(srv->by_pid, pid);
    if (s && s->cancel_key == key && s->fiber && s->state == LG_SESSION_ACTIVE)
        lg_fiber_cancel(s->fiber, LG_CANCELED);
}

bool
lg_session_signal(lg_session_server *srv, uint32_t pid, lg_status why)
{
    lg_session *s = lg_map_get(srv->by_pid, pid);
    if (!s)
        return false;
    if (why == LG_SHUTDOWN)
        end_from_outside(s, why);
    else if (s->fiber && s->state == LG_SESSION_ACTIVE)
        lg_fiber_cancel(s->fiber, why);
    return true;
}

lg_ges_owner *
lg_session_owner_of(lg_session_server *srv, uint64_t xid)
{
    LG_LIST_FOREACH (it, &srv->sessions) {
        lg_session *s = LG_CONTAINER_OF(it, lg_session, link);
        if (xid != LG_XID_NONE && lg_session__xid(s) == xid)
            return &s->owner;
    }
    return NULL;
}

uint32_t
lg_session_count(const lg_session_server *srv)
{
    return srv->session_count;
}

static const char *
state_text(lg_session *s)
{
    if (s->state != LG_SESSION_IDLE)
        return "active";
    switch (lg_session__txn_char(s)) {
    case 'T':
        return "idle in transaction";
    case 'E':
        return "idle in transaction (aborted)";
    default:
        return "idle";
    }
}

const lg_sqlstats *
lg_session_sqlstats(const lg_session_server *s)
{
    return s->sqlstats;
}

uint32_t
lg_session_pid_of(const lg_session_server *srv, const void *owner)
{
    LG_LIST_FOREACH (it, &srv->sessions) {
        const lg_session *s = LG_CONTAINER_OF(it, lg_session, link);
        if (s == owner)
            return s->pid;
    }
    return 0;
}

bool
lg_session_next(lg_session_server *srv, uint32_t *pos, lg_session_info *ret_info)
{
    uint32_t i = 0;
    LG_LIST_FOREACH (it, &srv->sessions) {
        if (i++ < *pos)
            continue;
        lg_session *s = LG_CONTAINER_OF(it, lg_session, link);
        lg_time since = 0;
        *pos = i;
        *ret_info = (lg_session_info){
            .pid = s->pid,
            .user = s->user,
            .database = s->database,
            .application = lg_settings_string(s->settings, LG_SETTING_application_name),
            .client = lg_sock_peer(s->sock),
            .state = state_text(s),
            .query = s->query,
            .logon_us = s->logon_us,
            .query_start_us = s->query_start_us,
            .state_change_us = s->state_change_us,
            .xact_start_us = s->xact_start_us,
            .xid = lg_session__xid(s),
            .xid_awaited = s->txn && lg_txn_awaited(s->txn),
            .wait = s->fiber ? lg_fiber_waiting_for(s->fiber, &since) : LG_WAIT_CLIENT_MESSAGE,
            .stats = &s->stats,
            .query_id = s->query_id,
            .user_oid = s->role_oid,
            .wait_xid = s->owner.wait_xid,
            .progress = &s->es.progress,
        };
        ret_info->wait_since = since;
        return true;
    }
    return false;
}
