/* What sessions write into the instance's log: errors, long statements, temporary files, as the
 * settings log_min_messages, log_min_error_statement, log_min_duration_statement, log_duration and
 * log_temp_files say. What they say is understood once, when settings change. */
#include "session_internal.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define STATEMENT_SHOWN 1500

/* As the server's log ranks them: LOG stands above ERROR. */
static int
rank(const char *severity)
{
    static const char *const order[] = {"info", "notice", "warning", "error",
                                        "log",  "fatal",  "panic"};
    for (int i = 0; i < 7; i++)
        if (!strcasecmp(severity, order[i]))
            return i;
    return -1; /* debug */
}

static void
temp_closed(void *arg, uint64_t bytes)
{
    lg_session *s = arg;
    if (s->logs.temp_kb < 0 || bytes < (uint64_t)s->logs.temp_kb << 10)
        return;
    lg_log_info(s->server->cfg.log, "session", "pid %u: temporary file: size %llu; statement: %.*s",
                s->pid, (unsigned long long)bytes, STATEMENT_SHOWN, s->query);
}

void
lg_session__log_settings(lg_session *s)
{
    const lg_settings *g = s->settings;
    s->logs.min_ms = lg_settings_int(g, LG_SETTING_log_min_duration_statement);
    s->logs.duration = lg_settings_bool(g, LG_SETTING_log_duration);
    s->logs.temp_kb = lg_settings_int(g, LG_SETTING_log_temp_files);
    s->logs.errors = rank(lg_settings_string(g, LG_SETTING_log_min_messages)) <= rank("error");
    s->logs.statements =
        rank(lg_settings_string(g, LG_SETTING_log_min_error_statement)) <= rank("error");
    s->temp_owner.closed = s->logs.temp_kb >= 0 ? temp_closed : NULL;
    s->temp_owner.arg = s;
}

void
lg_session__log_error(lg_session *s, const char *severity)
{
    const lg_error *e = &s->err;
    bool fatal = strcmp(severity, "FATAL") == 0;
    /* Who comes too early comes again, and often. */
    if ((!s->logs.errors && !fatal) || !strcmp(e->sqlstate, "57P03"))
        return;
    bool grave = !strncmp(e->sqlstate, "XX", 2) || !strncmp(e->sqlstate, "58", 2);
    bool statement = s->logs.statements && !fatal && *s->query;
    lg_log_write(s->server->cfg.log, grave ? LG_LOG_ERROR : LG_LOG_WARN, "session",
                 "pid %u %s@%s: %s %s: %s%s%s%s%.*s", s->pid, s->user, s->database, severity,
                 e->sqlstate, e->message ? e->message : "", e->detail ? "; " : "",
                 e->detail ? e->detail : "", statement ? "; statement: " : "", STATEMENT_SHOWN,
                 statement ? s->query : "");
}

void
lg_session__log_duration(lg_session *s, lg_time ns)
{
    bool slow = s->logs.min_ms >= 0 && ns >= (lg_time)s->logs.min_ms * LG_MS;
    if (slow)
        lg_log_info(s->server->cfg.log, "session",
                    "pid %u %s@%s: duration: %.3f ms  statement: %.*s", s->pid, s->user,
                    s->database, (double)ns / 1e6, STATEMENT_SHOWN, s->query);
    else if (s->logs.duration)
        lg_log_info(s->server->cfg.log, "session", "pid %u %s@%s: duration: %.3f ms", s->pid,
                    s->user, s->database, (double)ns / 1e6);
}
