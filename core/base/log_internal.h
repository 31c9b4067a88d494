/* What the files of the log share. */
#ifndef LG_BASE_LOG_INTERNAL_H
#define LG_BASE_LOG_INTERNAL_H

#include "log.h"
#include "strbuf.h"

#define LG_LOG__LINE_MAX (1024 * 1024)

struct lg_log {
    int fd;
    char *who;
    lg_log_level min;
    uint64_t (*now_ns)(void *);
    void *now_arg;
    lg_log_format format;
    char *prefix; /* log_line_prefix; NULL: none */
    uint64_t lines;
};

uint64_t lg_log__wall_ns(const lg_log *log);
void lg_log__json_head(lg_strbuf *b, const lg_log *log, lg_log_level level, const char *module);
void lg_log__json_string(lg_strbuf *b, const char *s);
void lg_log__write(const lg_log *log, const lg_strbuf *b);
/* log_event.c */
void lg_log__plain(lg_log *log, lg_log_level level, const char *module, const char *text);

#endif
