/* What sessions write into the instance's log, as PostgreSQL's settings say and in its words: errors
 * and notices (log_min_messages, log_min_error_statement, log_error_verbosity), connections
 * (log_connections, log_disconnections), long waits for locks (log_lock_waits after deadlock_timeout),
 * temporary files (log_temp_files). Statements and durations are in session_logstmt.c. What the
 * settings say is understood once, when they change. */
#include "session_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* As the server's log ranks them: LOG stands above ERROR. */
static const char *const ranks[] = {"debug5", "debug4",  "debug3", "debug2", "debug1", "info",
                                    "notice", "warning", "error",  "log",    "fatal",  "panic"};
enum { RANK_DEBUG = 4, RANK_LOG = 9 };

static int
rank(const char *severity)
{
    for (int i = 0; i < (int)(sizeof ranks / sizeof *ranks); i++)
        if (!strcasecmp(severity, ranks[i]))
            return i;
    return RANK_DEBUG; /* DEBUG */
}

/* ---- one line ---- */

static void
who_is(const lg_session *s, lg_log_who *w, char peer[128])
{
    bool known = *s->user != '\0';
    snprintf(peer, 128, "%s", lg_sock_peer(s->sock));
    char *port = strrchr(peer, ':');
    bool local = !strncmp(peer, "unix:", 5);
    *w = (lg_log_who){.application = lg_settings_string(s->settings, LG_SETTING_application_name),
                      .user = known ? s->user : "",
                      .database = known ? s->database : "",
                      .backend_type = "client backend",
                      .pid = s->pid,
                      .start_us = s->logon_us,
                      .lines = (uint64_t *)(uintptr_t)&s->log_lines,
                      .xid = (uint32_t)lg_session__xid(s),
                      .query_id = s->query_id};
    if (local)
        w->host = "[local]";
    else if (port) {
        *port = '\0';
        w->host = peer;
        w->port = port + 1;
    }
    char txn = lg_session__txn_char(s);
    if (s->state == LG_SESSION_STARTUP) {
        w->command = known ? "authentication" : "";
        w->application = NULL; /* taken over later */
    } else if (s->state == LG_SESSION_ENDING)
        w->command = "idle";
    else if (s->state == LG_SESSION_IDLE)
        w->command = txn == 'I'   ? "idle"
                     : txn == 'E' ? "idle in transaction (aborted)"
                                  : "idle in transaction";
    else
        w->command = s->server->log_commands ? s->log_command : NULL;
    if (known && s->state != LG_SESSION_ENDING)
        snprintf(w->vxid, sizeof w->vxid, "%u/%u", s->pid >> LG_SESSION_PID_BITS,
                 s->pid & ((1u << LG_SESSION_PID_BITS) - 1));
}

static lg_log_level
level_of(const char *severity, const char *sqlstate)
{
    if (!strncmp(sqlstate, "XX", 2) || !strncmp(sqlstate, "58", 2) || !strcmp(severity, "PANIC"))
        return LG_LOG_ERROR;
    return rank(severity) < rank("warning") || !strcmp(severity, "LOG") ? LG_LOG_INFO : LG_LOG_WARN;
}

static void
write_line(lg_session *s, const char *severity, lg_log_event *ev, bool hide_statement)
{
    lg_log_who who;
    char peer[128];
    who_is(s, &who, peer);
    ev->who = &who;
    ev->severity = severity;
    ev->verbose = s->logs.verbose;
    ev->terse = s->logs.terse;
    if (!hide_statement && s->log_text && rank(severity) >= s->logs.min_error_statement)
        ev->statement = s->log_text;
    lg_log_event_write(s->server->cfg.log, level_of(severity, ev->sqlstate), "session", ev);
}

bool
lg_session__logs(const lg_session *s, const char *severity)
{
    return rank(severity) >= s->logs.min_messages;
}

void
lg_session__log(lg_session *s, bool hide_statement, const char *detail, const char *fmt, ...)
{
    lg_strbuf b;
    va_list ap;
    char *at;
    if (!lg_session__logs(s, "log"))
        return;
    lg_strbuf_init(&b, LG_SESSION_LOG_MAX);
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n >= 0 && (at = lg_strbuf_extend(&b, (size_t)n + 1))) {
        va_start(ap, fmt);
        vsnprintf(at, (size_t)n + 1, fmt, ap);
        va_end(ap);
        lg_log_event ev = {.sqlstate = "00000", .message = at, .detail = detail};
        write_line(s, "LOG", &ev, hide_statement);
    }
    lg_strbuf_fini(&b);
}

/* ---- errors and notices ---- */

void
lg_session__log_error(lg_session *s, const char *severity)
{
    const lg_error *e = &s->err;
    /* Who comes too early comes again, and often. */
    if (!lg_session__logs(s, severity) || !strcmp(e->sqlstate, "57P03"))
        return;
    lg_log_event ev = {.sqlstate = e->sqlstate,
                       .message = e->message ? e->message : "",
                       .detail = e->detail,
                       .hint = e->hint,
                       .context = e->context,
                       .position = e->position};
    write_line(s, severity, &ev, false);
}

void
lg_session__log_notice(lg_session *s, const char *severity, const char *sqlstate,
                       const char *message, const char *detail)
{
    if (!lg_session__logs(s, severity))
        return;
    lg_log_event ev = {.sqlstate = sqlstate, .message = message, .detail = detail};
    write_line(s, severity, &ev, false);
}

/* ---- connections ---- */

void
lg_session__log_received(lg_session *s)
{
    if (!lg_settings_bool(s->settings, LG_SETTING_log_connections))
        return;
    char peer[128];
    lg_log_who w;
    who_is(s, &w, peer);
    lg_session__log(s, true, NULL, "connection received: host=%s%s%s", w.host ? w.host : "",
                    w.port ? " port=" : "", w.port ? w.port : "");
}

void
lg_session__log_authenticated(lg_session *s, bool password)
{
    if (password && lg_settings_bool(s->settings, LG_SETTING_log_connections))
        lg_session__log(s, true, NULL,
                        "connection authenticated: identity=\"%s\" method=scram-sha-256", s->user);
}

void
lg_session__log_authorized(lg_session *s)
{
    const char *application = lg_settings_string(s->settings, LG_SETTING_application_name);
    s->log_disconnection = lg_settings_bool(s->settings, LG_SETTING_log_disconnections);
    if (lg_settings_bool(s->settings, LG_SETTING_log_connections))
        lg_session__log(s, true, NULL, "connection authorized: user=%s database=%s%s%s", s->user,
                        s->database, *application ? " application_name=" : "", application);
}

void
lg_session__log_gone(lg_session *s)
{
    if (!s->log_disconnection)
        return;
    char peer[128];
    lg_log_who w;
    uint64_t ms = (lg_run_wall_us(s->server->cfg.run) - s->logon_us) / 1000;
    who_is(s, &w, peer);
    s->log_text = NULL;
    lg_session__log(
        s, true, NULL,
        "disconnection: session time: %u:%02u:%02u.%03u user=%s database=%s host=%s%s%s",
        (unsigned)(ms / 3600000), (unsigned)(ms / 60000 % 60), (unsigned)(ms / 1000 % 60),
        (unsigned)(ms % 1000), s->user, s->database, w.host ? w.host : "", w.port ? " port=" : "",
        w.port ? w.port : "");
}

/* ---- temporary files ---- */

static void
temp_closed(void *arg, uint64_t bytes)
{
    lg_session *s = arg;
    lg_temp_info t = {.dir = ""};
    if (s->logs.temp_kb < 0 || bytes < (uint64_t)s->logs.temp_kb << 10)
        return;
    if (s->server->cfg.sql.temp)
        lg_temp_info_get(s->server->cfg.sql.temp, &t);
    lg_session__log(s, false, NULL, "temporary file: path \"%s\", size %llu", t.dir,
                    (unsigned long long)bytes);
}

/* ---- waits for locks ---- */

/* Who holds what is waited for, and who else waits: what this instance knows. */
struct wait_queue {
    lg_session_server *srv;
    lg_ges_res res;
    uint32_t holders;
    bool elsewhere; /* the instance lacks the mode: others have it */
    lg_lock_mode mode, own;
    char held[512], waiting[512];
};

static void
name_process(char list[512], uint32_t pid)
{
    size_t n = strlen(list);
    snprintf(list + n, 512 - n, "%s%u", n ? ", " : "", pid);
}

static void
queue_row(void *arg, const lg_ges_row *r)
{
    struct wait_queue *q = arg;
    if (r->res.type != q->res.type || r->res.id1 != q->res.id1 || r->res.id2 != q->res.id2)
        return;
    if (!r->user) {
        q->own = r->held;
        return;
    }
    uint32_t pid = lg_session_pid_of(q->srv, r->user);
    if (r->requested != LG_LOCK_NONE) {
        name_process(q->waiting, pid);
    } else if (r->held != LG_LOCK_NONE) {
        name_process(q->held, pid);
        q->holders++;
    }
}

static void
describe_enqueue(char text[160], const lg_ges_res *r)
{
    uint32_t high = (uint32_t)(r->id2 >> 32), low = (uint32_t)r->id2;
    switch (r->type) {
    case LG_GES_TABLE:
        snprintf(text, 160, "relation %u of database %u", low, r->id1);
        break;
    case LG_GES_ADVISORY:
        snprintf(text, 160, "advisory lock [%u,%u,%u,%u]", r->id1 >> 2, high, low, r->id1 & 3);
        break;
    case LG_GES_DATABASE:
        snprintf(text, 160, "object %u of class 1262 of database 0", r->id1);
        break;
    default:
        snprintf(text, 160, "object %u of class %u of database %u", low, r->type, r->id1);
    }
}

static void
tell_wait(lg_ges_owner *o, lg_ges_news news)
{
    lg_session *s = o->user;
    const lg_session_server_config *cfg = &s->server->cfg;
    struct wait_queue q = {.srv = s->server, .mode = LG_LOCK_SHARE};
    char what[160], detail[1200] = "";
    lg_time now = lg_run_now_exact_ns(cfg->run);
    double ms = now > o->wait_since ? (double)(now - o->wait_since) / 1e6 : 0;
    if (lg_ges_waits_for(o, &q.res, &q.mode)) {
        describe_enqueue(what, &q.res);
        lg_ges_visit(o->ges, queue_row, &q);
        if (!q.holders && !lg_lock_covers(q.own, q.mode))
            q.elsewhere = true;
    } else {
        lg_ges_owner *holder = lg_session_owner_of(s->server, o->wait_xid);
        snprintf(what, sizeof what, "transaction %u", (uint32_t)o->wait_xid);
        name_process(q.waiting, s->pid);
        if (holder)
            name_process(q.held, ((lg_session *)holder->user)->pid);
        else
            snprintf(q.held, sizeof q.held, "one of instance %u", o->wait_node);
        q.holders = 1;
    }
    if (news != LG_GES_ACQUIRED)
        snprintf(detail, sizeof detail, "Process%s holding the lock: %s. Wait queue: %s.",
                 q.holders == 1 ? "" : "es", q.elsewhere ? "of other instances" : q.held,
                 q.waiting);
    size_t n = strlen(s->log_command);
    if (s->server->log_commands && n + sizeof " waiting" <= sizeof s->log_command)
        strcpy(s->log_command + n, " waiting");
    lg_session__log(s, false, *detail ? detail : NULL, "process %u %s %s on %s after %.3f ms",
                    s->pid,
                    news == LG_GES_ACQUIRED     ? "acquired"
                    : news == LG_GES_DEADLOCKED ? "detected deadlock while waiting for"
                                                : "still waiting for",
                    lg_lock_mode_name(q.mode), what, ms);
    s->log_command[n] = '\0';
}

/* ---- what is logged ---- */

static uint8_t
statement_level(const char *name)
{
    return !strcmp(name, "all")   ? LG_SESSION_LOG_ALL
           : !strcmp(name, "mod") ? LG_SESSION_LOG_MOD
           : !strcmp(name, "ddl") ? LG_SESSION_LOG_DDL
                                  : LG_SESSION_LOG_NONE;
}

void
lg_session__log_settings(lg_session *s)
{
    const lg_settings *g = s->settings;
    lg_session_logs *l = &s->logs;
    const char *verbosity = lg_settings_string(g, LG_SETTING_log_error_verbosity);
    l->min_ms = lg_settings_int(g, LG_SETTING_log_min_duration_statement);
    l->sample_ms = lg_settings_int(g, LG_SETTING_log_min_duration_sample);
    l->sample_rate = strtod(lg_settings_string(g, LG_SETTING_log_statement_sample_rate), NULL);
    l->txn_rate = strtod(lg_settings_string(g, LG_SETTING_log_transaction_sample_rate), NULL);
    l->parameter_max = lg_settings_int(g, LG_SETTING_log_parameter_max_length);
    l->parameter_max_error = lg_settings_int(g, LG_SETTING_log_parameter_max_length_on_error);
    l->duration = lg_settings_bool(g, LG_SETTING_log_duration);
    l->timed = l->duration || l->min_ms >= 0 || l->sample_ms >= 0 || l->txn_rate > 0;
    l->statements = statement_level(lg_settings_string(g, LG_SETTING_log_statement));
    l->temp_kb = lg_settings_int(g, LG_SETTING_log_temp_files);
    l->min_messages = rank(lg_settings_string(g, LG_SETTING_log_min_messages));
    l->min_error_statement = rank(lg_settings_string(g, LG_SETTING_log_min_error_statement));
    l->verbose = !strcmp(verbosity, "verbose");
    l->terse = !strcmp(verbosity, "terse");
    s->temp_owner.closed = l->temp_kb >= 0 ? temp_closed : NULL;
    s->temp_owner.arg = s;
    s->owner.tell = tell_wait;
    s->owner.tell_after = lg_settings_bool(g, LG_SETTING_log_lock_waits)
                              ? (lg_time)lg_settings_int(g, LG_SETTING_deadlock_timeout) * LG_MS
                              : 0;
}

void
lg_session__log_start(lg_session_server *srv)
{
    for (const char *p = lg_log_prefix(srv->cfg.log); *p; p++)
        if (*p == '%') {
            p++;
            p += strspn(p, "-0123456789");
            srv->log_commands |= *p == 'i';
            if (!*p)
                break;
        }
}
