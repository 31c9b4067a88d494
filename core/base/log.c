/* Lines by write(2): JSON, or as PostgreSQL writes them to standard error (log_event.c). */
#include "log_internal.h"
#include "mem.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warn", "error"};

lg_log *
lg_log_create(int fd, const char *who, lg_log_level min, uint64_t (*now_ns)(void *), void *now_arg)
{
    lg_log *l = lg_zalloc(sizeof *l);
    *l =
        (lg_log){.fd = fd, .who = lg_strdup(who), .min = min, .now_ns = now_ns, .now_arg = now_arg};
    return l;
}

void
lg_log_destroy(lg_log *log)
{
    if (!log)
        return;
    lg_free(log->who);
    lg_free(log->prefix);
    lg_free(log);
}

void
lg_log_set_format(lg_log *log, lg_log_format format, const char *prefix)
{
    lg_free(log->prefix);
    log->prefix = prefix ? lg_strdup(prefix) : NULL;
    log->format = format;
}

const char *
lg_log_prefix(const lg_log *log)
{
    return log && log->format == LG_LOG_TEXT && log->prefix ? log->prefix : "";
}

uint64_t
lg_log__wall_ns(const lg_log *log)
{
    if (log->now_ns)
        return log->now_ns(log->now_arg);
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static void
put_time(lg_strbuf *b, uint64_t ns)
{
    time_t sec = (time_t)(ns / 1000000000ULL);
    struct tm tm;
    gmtime_r(&sec, &tm);
    char text[32];
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    lg_strbuf_printf(b, "{\"ts\":\"%s.%06uZ\"", text, (unsigned)(ns % 1000000000ULL / 1000));
}

void
lg_log__json_string(lg_strbuf *b, const char *s)
{
    lg_strbuf_putc(b, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            lg_strbuf_printf(b, "\\%c", c);
        else if (c == '\n')
            lg_strbuf_puts(b, "\\n");
        else if (c < 0x20)
            lg_strbuf_printf(b, "\\u%04x", c);
        else
            lg_strbuf_putc(b, (char)c);
    }
    lg_strbuf_putc(b, '"');
}

static void
write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno != EINTR)
            return; /* a log that cannot be written stops nothing */
        if (w > 0) {
            p += w;
            n -= (size_t)w;
        }
    }
}

void
lg_log__write(const lg_log *log, const lg_strbuf *b)
{
    write_all(log->fd, b->data, b->len);
}

void
lg_log__json_head(lg_strbuf *b, const lg_log *log, lg_log_level level, const char *module)
{
    put_time(b, lg_log__wall_ns(log));
    lg_strbuf_printf(b, ",\"level\":\"%s\",\"instance\":", level_names[level]);
    lg_log__json_string(b, log->who);
    lg_strbuf_puts(b, ",\"module\":");
    lg_log__json_string(b, module);
    lg_strbuf_puts(b, ",\"msg\":");
}

void
lg_log_write(lg_log *log, lg_log_level level, const char *module, const char *fmt, ...)
{
    if (!log || level < log->min)
        return;
    char text[4096]; /* longer messages are cut */
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (log->format == LG_LOG_TEXT) {
        lg_log__plain(log, level, module, text);
        return;
    }
    lg_strbuf b;
    lg_strbuf_init(&b, LG_LOG__LINE_MAX);
    lg_log__json_head(&b, log, level, module);
    lg_log__json_string(&b, text);
    lg_strbuf_puts(&b, "}\n");
    lg_log__write(log, &b);
    lg_strbuf_fini(&b);
}
