/* Log: JSON lines {ts, level, instance, module, msg, ...} to a file descriptor. Only the programs
 * and core/instance, agents and listeners log; library code returns statuses. The sink is a plain
 * write(2) of whole lines, so that a crash loses none. A log may be NULL: nothing is written. */
#ifndef LG_BASE_LOG_H
#define LG_BASE_LOG_H

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

#define lg_log_info(log, module, ...)  lg_log_write((log), LG_LOG_INFO, (module), __VA_ARGS__)
#define lg_log_warn(log, module, ...)  lg_log_write((log), LG_LOG_WARN, (module), __VA_ARGS__)
#define lg_log_error(log, module, ...) lg_log_write((log), LG_LOG_ERROR, (module), __VA_ARGS__)
#define lg_log_debug(log, module, ...) lg_log_write((log), LG_LOG_DEBUG, (module), __VA_ARGS__)

#endif
