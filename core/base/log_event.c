/* Lines as PostgreSQL 15 has them: a message with its severity, then DETAIL, HINT, CONTEXT and
 * STATEMENT on lines of their own, each begun by log_line_prefix; or one JSON object with the members
 * of PostgreSQL's jsonlog. */
#include "log_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* "2026-11-24 02:52:51.123 GMT": log_timezone is GMT. */
static const char *
moment(char out[64], uint64_t us, bool millis)
{
    time_t sec = (time_t)(us / 1000000);
    struct tm tm;
    char text[32];
    gmtime_r(&sec, &tm);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
    if (millis)
        snprintf(out, 64, "%s.%03u GMT", text, (unsigned)(us % 1000000 / 1000));
    else
        snprintf(out, 64, "%s GMT", text);
    return out;
}

static void
put_padded(lg_strbuf *b, const char *text, int padding)
{
    lg_strbuf_printf(b, "%*s", padding, text); /* negative: to the left */
}

static const char *
number(char out[64], uint64_t n)
{
    snprintf(out, 64, "%llu", (unsigned long long)n);
    return out;
}

/* One escape; NULL: it is none of them. Background lines have nobody: their who is all empty. */
static const char *
escape(char what, const lg_log *log, const lg_log_who *w, const char *sqlstate, char out[64])
{
    uint64_t now_us = lg_log__wall_ns(log) / 1000;
    switch (what) {
    case 'a':
        return w->user ? (w->application && *w->application ? w->application : "[unknown]") : "";
    case 'u':
        return w->user ? (*w->user ? w->user : "[unknown]") : "";
    case 'd':
        return w->database ? (*w->database ? w->database : "[unknown]") : "";
    case 'b':
        return w->backend_type ? w->backend_type : "instance";
    case 'h':
        return w->host ? w->host : "";
    case 'r':
        snprintf(out, 64, w->port && *w->port ? "%s(%s)" : "%s", w->host ? w->host : "",
                 w->port ? w->port : "");
        return out;
    case 'p':
        return number(out, w->pid ? w->pid : (uint64_t)getpid());
    case 'P': /* leader of a parallel group: there are no worker processes */
        return "";
    case 't':
        return moment(out, now_us, false);
    case 'm':
        return moment(out, now_us, true);
    case 'n':
        snprintf(out, 64, "%llu.%03u", (unsigned long long)(now_us / 1000000),
                 (unsigned)(now_us % 1000000 / 1000));
        return out;
    case 's':
        return w->start_us ? moment(out, w->start_us, false) : "";
    case 'c':
        snprintf(out, 64, "%llx.%x", (unsigned long long)(w->start_us / 1000000), w->pid);
        return out;
    case 'l':
        return number(out, w->lines ? *w->lines : log->lines);
    case 'i':
        return w->command ? w->command : "";
    case 'v':
        return w->vxid;
    case 'x':
        return number(out, w->xid);
    case 'Q':
        snprintf(out, 64, "%lld", (long long)w->query_id);
        return out;
    case 'e':
        return sqlstate ? sqlstate : "00000";
    default:
        return NULL;
    }
}

static void
put_prefix(lg_strbuf *b, lg_log *log, const lg_log_who *w, const char *sqlstate)
{
    char out[64];
    (*(w->lines ? w->lines : &log->lines))++;
    for (const char *p = log->prefix ? log->prefix : ""; *p; p++) {
        if (*p != '%') {
            lg_strbuf_putc(b, *p);
            continue;
        }
        p++;
        char *end = NULL;
        long padding = 0;
        if (*p == '-' || (*p >= '0' && *p <= '9')) {
            padding = strtol(p, &end, 10);
            p = end;
        }
        if (padding > 1000 || padding < -1000)
            padding = 0;
        if (!*p)
            break;
        if (*p == '%')
            lg_strbuf_putc(b, '%');
        else if (*p == 'q' && !w->user)
            break; /* the rest is for sessions */
        else {
            const char *text = escape(*p, log, w, sqlstate, out);
            if (text)
                put_padded(b, text, (int)padding);
        }
    }
}

/* A tab after each line end, as PostgreSQL writes what goes over several lines. */
static void
put_text(lg_strbuf *b, const char *s)
{
    for (; *s; s++) {
        lg_strbuf_putc(b, *s);
        if (*s == '\n')
            lg_strbuf_putc(b, '\t');
    }
    lg_strbuf_putc(b, '\n');
}

static void
put_part(lg_strbuf *b, lg_log *log, const lg_log_event *ev, const char *name, const char *text)
{
    if (!text)
        return;
    put_prefix(b, log, ev->who, ev->sqlstate);
    lg_strbuf_printf(b, "%s:  ", name);
    put_text(b, text);
}

static void
write_text(lg_log *log, const lg_log_event *ev)
{
    lg_strbuf b;
    lg_strbuf_init(&b, LG_LOG__LINE_MAX);
    put_prefix(&b, log, ev->who, ev->sqlstate);
    lg_strbuf_printf(&b, "%s:  ", ev->severity);
    if (ev->verbose && ev->sqlstate)
        lg_strbuf_printf(&b, "%s: ", ev->sqlstate);
    put_text(&b, ev->message);
    if (ev->position && b.len) {
        b.len--; /* before the line's end */
        lg_strbuf_printf(&b, " at character %d\n", ev->position);
    }
    if (!ev->terse) {
        put_part(&b, log, ev, "DETAIL", ev->detail);
        put_part(&b, log, ev, "HINT", ev->hint);
        put_part(&b, log, ev, "CONTEXT", ev->context);
    }
    put_part(&b, log, ev, "STATEMENT", ev->statement);
    if (b.overflow && b.len)
        b.data[b.len - 1] = '\n'; /* cut */
    lg_log__write(log, &b);
    lg_strbuf_fini(&b);
}

static void
put_member(lg_strbuf *b, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    lg_strbuf_printf(b, ",\"%s\":", name);
    lg_log__json_string(b, value);
}

static void
put_number(lg_strbuf *b, const char *name, uint64_t value)
{
    if (value)
        lg_strbuf_printf(b, ",\"%s\":%llu", name, (unsigned long long)value);
}

static void
put_who(lg_strbuf *b, lg_log *log, const lg_log_who *w)
{
    char out[64];
    put_member(b, "user", w->user);
    put_member(b, "dbname", w->database);
    put_number(b, "pid", w->pid);
    put_member(b, "remote_host", w->host);
    put_number(b, "remote_port", w->port ? strtoull(w->port, NULL, 10) : 0);
    put_member(b, "session_id", escape('c', log, w, NULL, out));
    if (w->lines)
        put_number(b, "line_num", ++*w->lines);
    put_member(b, "ps", w->command);
    put_member(b, "session_start", escape('s', log, w, NULL, out));
    put_member(b, "vxid", w->vxid);
    put_number(b, "txid", w->xid);
    put_member(b, "application_name", w->application);
    put_member(b, "backend_type", w->backend_type);
    if (w->query_id)
        lg_strbuf_printf(b, ",\"query_id\":%lld", (long long)w->query_id);
}

static void
write_json(lg_log *log, lg_log_level level, const char *module, const lg_log_event *ev)
{
    lg_strbuf b;
    lg_strbuf_init(&b, LG_LOG__LINE_MAX);
    lg_log__json_head(&b, log, level, module);
    lg_log__json_string(&b, ev->message);
    put_member(&b, "error_severity", ev->severity);
    put_member(&b, "state_code", ev->sqlstate);
    if (!ev->terse) {
        put_member(&b, "detail", ev->detail);
        put_member(&b, "hint", ev->hint);
        put_member(&b, "context", ev->context);
    }
    put_member(&b, "statement", ev->statement);
    put_number(&b, "cursor_position", (uint64_t)ev->position);
    put_who(&b, log, ev->who);
    if (b.overflow) { /* what remains is no object: say so in one */
        lg_strbuf_reset(&b);
        b.overflow = false;
        lg_log__json_head(&b, log, level, module);
        lg_strbuf_puts(&b, "\"a line of more than 1 MiB was left out\"");
        put_who(&b, log, ev->who);
    }
    lg_strbuf_puts(&b, "}\n");
    lg_log__write(log, &b);
    lg_strbuf_fini(&b);
}

void
lg_log_event_write(lg_log *log, lg_log_level level, const char *module, const lg_log_event *ev)
{
    if (!log || level < log->min)
        return;
    if (log->format == LG_LOG_TEXT)
        write_text(log, ev);
    else
        write_json(log, level, module, ev);
}

/* A line of the instance itself. */
void
lg_log__plain(lg_log *log, lg_log_level level, const char *module, const char *text)
{
    static const char *const severities[] = {"DEBUG", "LOG", "WARNING", "ERROR"};
    const lg_log_who nobody = {0};
    lg_strbuf b;
    lg_strbuf_init(&b, LG_LOG__LINE_MAX);
    put_prefix(&b, log, &nobody, NULL);
    lg_strbuf_printf(&b, "%s:  %s: ", severities[level], module);
    put_text(&b, text);
    lg_log__write(log, &b);
    lg_strbuf_fini(&b);
}
