/* Plans and long statements of an instance: what v$sql_plan, v$sql_monitor and v$sql_plan_monitor show.
 *
 * Plans are those that statements ran with last: of the LG_SQLSTAT_PLANS statements used last.
 * A statement is monitored while it runs, and remembered when it took LG_MONITOR_LONG or more: the last
 * LG_MONITOR_KEPT of them. Owned by the worker; nothing blocks. */
#ifndef LG_SESSION_SESSION_PLANS_H
#define LG_SESSION_SESSION_PLANS_H

#include "arena.h"
#include "session.h"
#include "stats.h"

#define LG_MONITOR_LONG LG_SEC
#define LG_MONITOR_KEPT 64u

/* A node of a plan, in the order of EXPLAIN; texts in the arena given, or NULL. */
typedef struct lg_plan_row {
    int32_t id, parent, depth; /* parent -1: the root */
    uint32_t node;             /* lg_node.id */
    const char *title;         /* as EXPLAIN has it: "Index Scan using t_pkey on t" */
    const char *operation, *options;
    const char *owner, *object, *alias, *type; /* schema, name, "INDEX" or "TABLE" */
    double cost, startup_cost, rows;
    int32_t width;
    const char *access, *filter, *other; /* index and join conditions; filters; keys and the rest */
    uint64_t starts, output, filtered;   /* of an execution */
} lg_plan_row;

typedef struct lg_plan_of {
    uint64_t query_id, hash;
    lg_oid user;
    uint32_t nrows;
    const lg_plan_row *rows;
} lg_plan_of;
void lg_session_plans(lg_session_server *srv, void (*fn)(void *arg, const lg_plan_of *p),
                      void *arg);

/* A statement that runs, or was long. */
typedef struct lg_monitored {
    uint64_t key; /* by start, unique on the instance */
    uint32_t pid;
    lg_oid user;
    char username[64];
    uint64_t query_id, plan_hash;
    const char *text;
    bool running;
    char sqlstate[6]; /* of its error; "": none */
    uint64_t start_us, seen_us;
    uint64_t elapsed_ns, cluster_ns, io_ns, lock_ns, commit_ns, other_ns; /* waits by class */
    uint64_t rows;
    uint64_t count[LG_STAT_OWNED];
    uint64_t temp_read, temp_written;
    uint32_t nlines;
    const lg_plan_row *lines;
} lg_monitored;
/* Running ones first, then the remembered, newest first; lines: also those of their plans. */
void lg_session_monitored(lg_session_server *srv, bool lines, lg_arena *a,
                          void (*fn)(void *arg, const lg_monitored *m), void *arg);

#endif
