/* JSON lines by write(2). */
#include "log.h"
#include "mem.h"
#include "strbuf.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES (64 * 1024)

struct lg_log {
    int fd;
    char *who;
    lg_log_level min;
    uint64_t (*now_ns)(void *);
    void *now_arg;
};

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
    lg_free(log);
}

static uint64_t
wall_ns(const lg_log *log)
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

static void
put_json_string(lg_strbuf *b, const char *s)
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
lg_log_write(lg_log *log, lg_log_level level, const char *module, const char *fmt, ...)
{
    if (!log || level < log->min)
        return;
    char text[4096]; /* longer messages are cut */
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    lg_strbuf b;
    lg_strbuf_init(&b, LINE_MAX_BYTES);
    put_time(&b, wall_ns(log));
    lg_strbuf_printf(&b, ",\"level\":\"%s\",\"instance\":", level_names[level]);
    put_json_string(&b, log->who);
    lg_strbuf_puts(&b, ",\"module\":");
    put_json_string(&b, module);
    lg_strbuf_puts(&b, ",\"msg\":");
    put_json_string(&b, text);
    lg_strbuf_puts(&b, "}\n");
    write_all(log->fd, b.data, b.len);
    lg_strbuf_fini(&b);
}
