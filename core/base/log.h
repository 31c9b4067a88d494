/* Log: JSON lines {ts, level, instance, module, msg, ...} to a file descriptor. Only the programs
 * and core/instance, agents and listeners log; library code returns statuses. The sink is a plain
 * write(2) of whole lines, so that a crash loses none. A log may be NULL: nothing is written.
 *
 * What sessions say (lg_log_event_write) has PostgreSQL's parts: in JSON the members of its jsonlog
 * beside ours; in the other format, LG_LOG_TEXT, the lines that PostgreSQL 15 writes to standard error,
 * each with log_line_prefix. */
#ifndef LG_BASE_LOG_H
#define LG_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

typedef enum lg_log_level { LG_LOG_DEBUG, LG_LOG_INFO, LG_LOG_WARN, LG_LOG_ERROR } lg_log_level;

typedef struct lg_log lg_log;

/* fd is not owned. now_ns gives wall-clock time (the simulator gives its own); NULL means the
 * system's. */
lg_log *lg_log_create(int fd, const char *who, lg_log_level min, uint64_t (*now_ns)(void *),
                      void *now_arg);
void lg_log_destroy(lg_log *log);
__attribute__((format(printf, 4, 5))) void lg_log_write(lg_log *log, lg_log_level level,
                                                        const char *module, const char *fmt, ...);

typedef enum lg_log_format { LG_LOG_JSON, LG_LOG_TEXT } lg_log_format;
/* prefix: log_line_prefix of LG_LOG_TEXT. */
void lg_log_set_format(lg_log *log, lg_log_format format, const char *prefix);
/* "" when there is none. */
const char *lg_log_prefix(const lg_log *log);

/* Of whom a line tells: what the escapes of log_line_prefix stand for. NULL or 0: not known. */
typedef struct lg_log_who {
    const char *application, *user, *database;
    const char *host, *port;
    const char *backend_type;
    const char *command; /* "SELECT", "idle" */
    uint32_t pid;
    uint64_t start_us; /* wall clock */
    uint64_t *lines;   /* of the session so far: counted here */
    char vxid[32];
    uint64_t xid;
    uint64_t query_id;
} lg_log_who;

typedef struct lg_log_event {
    const lg_log_who *who;
    const char *severity; /* "LOG", "ERROR", ... */
    const char *sqlstate;
    const char *message;
    const char *detail, *hint, *context; /* or NULL, as the following */
    const char *statement;
    int position; /* 1-based; 0: none */
    bool verbose; /* log_error_verbosity: with the SQLSTATE */
    bool terse;   /* without detail, hint and context */
} lg_log_event;

void lg_log_event_write(lg_log *log, lg_log_level level, const char *module,
                        const lg_log_event *ev);

#define lg_log_info(log, module, ...)  lg_log_write((log), LG_LOG_INFO, (module), __VA_ARGS__)
#define lg_log_warn(log, module, ...)  lg_log_write((log), LG_LOG_WARN, (module), __VA_ARGS__)
#define lg_log_error(log, module, ...) lg_log_write((log), LG_LOG_ERROR, (module), __VA_ARGS__)
#define lg_log_debug(log, module, ...) lg_log_write((log), LG_LOG_DEBUG, (module), __VA_ARGS__)

#endif
