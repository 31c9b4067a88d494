/* Sessions of all instances as one set: pg_cancel_backend, pg_terminate_backend, and who is connected to
 * a database. A process id names the instance (session_server.c), which answers for its own. */
#include "acl.h"
#include "session_internal.h"
#include <stdio.h>

#define F_PG_CANCEL_BACKEND    2171
#define F_PG_TERMINATE_BACKEND 2096
#define LOOK_AGAIN             (20 * LG_MS)

static uint64_t
database_sessions(lg_session_server *srv, lg_oid db, uint32_t flags)
{
    uint64_t n = 0;
    LG_LIST_FOREACH_SAFE (it, &srv->sessions) {
        lg_session *s = LG_CONTAINER_OF(it, lg_session, link);
        if (s->database_oid != db)
            continue;
        n++;
        if ((flags & LG_SESSION_ASK_END) && (!s->superuser || (flags & LG_SESSION_ASK_SUPER)))
            (void)lg_session_signal(srv, s->pid, LG_SHUTDOWN);
    }
    return n;
}

static uint64_t
logins(lg_session_server *srv, lg_oid role)
{
    uint64_t n = 0;
    LG_LIST_FOREACH (it, &srv->sessions)
        n += LG_CONTAINER_OF(it, lg_session, link)->auth_oid == role;
    return n;
}

uint64_t
lg_session_answer(lg_session_server *srv, const lg_session_ask *ask)
{
    lg_session *s;
    switch (ask->what) {
    case LG_SESSION_ASK_ROLE:
        s = lg_map_get(srv->by_pid, ask->id);
        return s ? (uint64_t)s->role_oid << 1 | 1 : 0;
    case LG_SESSION_ASK_CANCEL:
        return lg_session_signal(srv, ask->id, LG_CANCELED);
    case LG_SESSION_ASK_TERMINATE:
        return lg_session_signal(srv, ask->id, LG_SHUTDOWN);
    case LG_SESSION_ASK_DATABASE:
        return database_sessions(srv, ask->id, ask->flags);
    case LG_SESSION_ASK_LOGINS:
        return logins(srv, ask->id);
    }
    return 0;
}

/* Of the instance that has the process id. */
static uint64_t
ask_one(lg_session *s, lg_session_what what, int32_t pid)
{
    const lg_session_server_config *cfg = &s->server->cfg;
    lg_session_ask ask = {.what = what, .id = (uint32_t)pid};
    uint32_t instance = (uint32_t)pid >> LG_SESSION_PID_BITS;
    uint64_t answer = 0;
    if (pid <= 0)
        return 0;
    if (instance == cfg->instance)
        return lg_session_answer(s->server, &ask);
    if (!cfg->ask_remote || cfg->ask_remote(cfg->arg, instance, &ask, &answer) != LG_OK)
        return 0; /* an instance that is gone has no sessions */
    return answer;
}

uint32_t
lg_session__database_sessions(void *arg, lg_oid db, bool end)
{
    lg_session *s = arg;
    const lg_session_server_config *cfg = &s->server->cfg;
    lg_session_ask ask = {.what = LG_SESSION_ASK_DATABASE, .id = db};
    uint64_t others = 0;
    if (end)
        ask.flags = LG_SESSION_ASK_END | (s->superuser ? LG_SESSION_ASK_SUPER : 0);
    uint64_t here = lg_session_answer(s->server, &ask);
    if (cfg->ask_remote && cfg->ask_remote(cfg->arg, 0, &ask, &others) != LG_OK)
        others = 0;
    return (uint32_t)(here + others);
}

uint32_t
lg_session__role_sessions(lg_session *s)
{
    const lg_session_server_config *cfg = &s->server->cfg;
    lg_session_ask ask = {.what = LG_SESSION_ASK_LOGINS, .id = s->auth_oid};
    uint64_t others = 0, here = lg_session_answer(s->server, &ask);
    if (cfg->ask_remote && cfg->ask_remote(cfg->arg, 0, &ask, &others) != LG_OK)
        others = 0;
    return (uint32_t)(here + others);
}

/* ---- functions ---- */

static bool
may_signal(lg_call *c, lg_session *s, lg_oid target, bool cancel)
{
    lg_role r;
    bool member = false;
    const char *what = cancel ? "query" : "process";
    lg_status st = lg_cat_role_by_oid(s->cat, target, c->arena, &r);
    if (st == LG_OK && r.super) {
        lg_role me;
        st = lg_cat_role_by_oid(s->cat, lg_cat_user(s->cat), c->arena, &me);
        if (st == LG_OK && !me.super) {
            lg_call_error(c, "42501", "must be a superuser to %s superuser %s",
                          cancel ? "cancel" : "terminate", what);
            return false;
        }
    }
    if (st == LG_OK)
        st = lg_cat_is_member(s->cat, lg_cat_user(s->cat), target, false, &member);
    if (st == LG_OK && !member)
        st = lg_cat_is_member(s->cat, lg_cat_user(s->cat), LG_ROLE_SIGNAL_BACKEND, false, &member);
    if (st != LG_OK && st != LG_NOT_FOUND) {
        c->st = st;
        return false;
    }
    if (!member)
        lg_call_error(c, "42501",
                      "must be a member of the role whose %s is being %s or member of "
                      "pg_signal_backend",
                      what, cancel ? "canceled" : "terminated");
    return member;
}

static lg_session *
session_of(lg_call *c)
{
    return ((lg_exec_session *)c->env->session)->arg;
}

static bool
signal_one(lg_call *c, lg_session *s, int32_t pid, bool cancel)
{
    uint64_t role = ask_one(s, LG_SESSION_ASK_ROLE, pid);
    if (!role) {
        char text[80];
        snprintf(text, sizeof text, "PID %d is not a PostgreSQL backend process", pid);
        lg_session__notice(s, "WARNING", "01000", text);
        return false;
    }
    if (!may_signal(c, s, (lg_oid)(role >> 1), cancel))
        return false;
    return ask_one(s, cancel ? LG_SESSION_ASK_CANCEL : LG_SESSION_ASK_TERMINATE, pid) != 0;
}

static lg_datum
fn_pg_cancel_backend(lg_call *c)
{
    return lg_datum_bool(signal_one(c, session_of(c), lg_int4(c->args[0]), true));
}

/* timeout > 0: until the session is gone. */
static lg_datum
fn_pg_terminate_backend(lg_call *c)
{
    lg_session *s = session_of(c);
    int32_t pid = lg_int4(c->args[0]);
    int64_t timeout = lg_int8(c->args[1]);
    if (timeout < 0) {
        lg_call_error(c, "22003", "\"timeout\" must not be negative");
        return 0;
    }
    if (!signal_one(c, s, pid, false))
        return 0;
    if (!timeout)
        return 1;
    lg_run *run = s->server->cfg.run;
    if (timeout > INT32_MAX)
        timeout = INT32_MAX;
    lg_time until = lg_run_now_ns(run) + timeout * LG_MS;
    while (lg_run_now_ns(run) < until) {
        if (!ask_one(s, LG_SESSION_ASK_ROLE, pid))
            return 1;
        lg_status st = lg_fiber_sleep_until(lg_run_now_ns(run) + LOOK_AGAIN, LG_WAIT_ENQ_OTHER);
        if (st != LG_OK) {
            c->st = st;
            return 0;
        }
    }
    char text[100];
    snprintf(text, sizeof text, "backend with PID %d did not terminate within %lld milliseconds",
             pid, (long long)timeout);
    lg_session__notice(s, "WARNING", "01000", text);
    return 0;
}

void
lg_session__signal_functions(lg_fntable *t)
{
    lg_fntable_set(t, F_PG_CANCEL_BACKEND, fn_pg_cancel_backend);
    lg_fntable_set(t, F_PG_TERMINATE_BACKEND, fn_pg_terminate_backend);
}
