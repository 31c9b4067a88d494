/* Exec: runs plans (plan.h).
 *
 * LIFE OF A STATEMENT (the session's part)
 *     parse -> lg_bind_is_query?
 *       yes: lg_bind_query, lg_plan_query; then per execution
 *            lg_exec_open -> lg_exec_fetch (any number of times) -> lg_exec_close
 *       no:  lg_ddl_utility (ddl.h)
 * A transaction is running (lg_cat_begin was called) and es->snapshot is the statement's snapshot.
 *
 * lg_exec_open locks the plan's relations again (cheap when held) and looks whether they are still
 * what was planned: LG_RETRY = plan again. It evaluates nothing yet. fetch gives batches of at most
 * LG_BATCH rows to a sink; what a sink is given lives until it returns. A plan may be run by
 * several executions at once; each has its own arena, freed by close.
 *
 * MEMORY  per execution arena + a per-batch scratch that is reset between batches. Sorts, hash
 * tables, groups and kept rows above work_mem go to temporary files (exec_spill.h).
 *
 * BLOCKS  everything here may block the fiber. Errors: in es->err with LG_SQL, or a bare status. */
#ifndef LG_SQL_EXEC_H
#define LG_SQL_EXEC_H

#include "catalog_admin.h"
#include "plan.h"
#include "stats.h"
#include "usertype.h"

typedef struct lg_exec lg_exec;
typedef struct lg_exec_session lg_exec_session;

/* Rows of a result: ncols vectors; the selected rows count (see vector.h). */
typedef struct lg_batch {
    uint32_t ncols;
    lg_vector **cols;
    const uint16_t *sel; /* NULL: rows 0..n-1 */
    uint32_t n;
} lg_batch;

typedef lg_status (*lg_exec_sink)(void *arg, const lg_batch *b);

/* What a long utility statement is at: PostgreSQL's progress parameters (commands/progress.h), for
 * pg_stat_progress_* and gv$session_longops. command NULL: none runs. */
#define LG_PROGRESS_PARAMS 20
typedef struct lg_progress {
    const char *command; /* "COPY", "CREATE INDEX", "ANALYZE" */
    lg_oid datid, relid;
    uint64_t started_us, changed_us;
    int64_t param[LG_PROGRESS_PARAMS];
} lg_progress;

/* What exec needs of the session. Filled by the session; lg_env.session must point here. */
struct lg_exec_session {
    lg_run *run;
    lg_cat *cat;
    lg_env *env;
    lg_error *err;
    const struct lg_snapshot *snapshot; /* of the running statement */
    bool repeatable_read;               /* a changed row is 40001 instead of read anew */
    bool read_only;                     /* 25006 for writes */
    const char *sql;                    /* text of the running statement, for error positions */
    void *arg;                          /* of the callbacks; each may be NULL */
    /* READ COMMITTED: a newer snapshot for running the statement again. Sets es->snapshot. */
    lg_status (*new_snapshot)(void *arg);
    lg_status (*check_cancel)(void *arg);
    /* detail may be NULL */
    void (*notice)(void *arg, const char *severity, const char *sqlstate, const char *message,
                   const char *detail);
    /* Settings: value as text, NULL unknown. set: for set_config(). */
    const char *(*setting)(void *arg, const char *name);
    /* enable_* and their like, for what exec plans itself; NULL: defaults. */
    void (*plan_settings)(void *arg, lg_plan_settings *ret);
    lg_status (*set_setting)(void *arg, const char *name, const char *value, bool local);
    int32_t (*backend_pid)(void *arg);
    /* Between BEGIN and COMMIT? */
    bool (*in_block)(void *arg);
    /* How many sessions, of all instances, are connected to a database; and ending them. May
     * block. */
    uint32_t (*database_sessions)(void *arg, lg_oid db, bool end);
    /* Commits the running transaction, which is not a block, and begins another, without a snapshot:
     * CREATE INDEX CONCURRENTLY. */
    lg_status (*next_txn)(void *arg);
    /* Runs one statement inside the running transaction and sinks its rows (CREATE TABLE AS of an
     * EXECUTE, EXPLAIN EXECUTE). */
    lg_status (*run_prepared)(void *arg, const lg_ast *execute, lg_exec_sink sink, void *sink_arg);
    /* Runs a utility statement: a function's. params, sink may be NULL. (lg_ddl_utility) */
    lg_status (*utility)(lg_exec_session *es, lg_arena *arena, const lg_ast *stmt,
                         const lg_bind *params, lg_exec_sink sink, void *sink_arg, char *tag);
    /* CREATE ROLE ... PASSWORD: the SCRAM-SHA-256 verifier of a plain password, in the arena. */
    lg_status (*scram_verifier)(void *arg, const char *password, lg_arena *a, const char **ret);
    /* COPY. start: formats of the columns (0 text, 1 binary) for CopyInResponse/CopyOutResponse.
     * in: the next bytes (any split); *ret_len 0 at the end (CopyDone); an error on CopyFail.
     * out: bytes of one or more whole rows. end: CopyDone to the client. */
    lg_status (*copy_start)(void *arg, bool in, bool binary, uint32_t ncols);
    lg_status (*copy_in)(void *arg, const char **ret_data, size_t *ret_len);
    lg_status (*copy_out)(void *arg, const char *data, size_t len);
    lg_status (*copy_end)(void *arg);
    struct lg_snapshot *inner; /* exec's own: of the statement of a function that runs; NULL */
    struct lg_map *functions;  /* exec's own: plans of functions' statements; starts NULL */
    const char *stack_base;    /* exec's own: where the outermost function began; NULL */
    struct lg_map *domains;    /* exec's own: compiled checks of domains; starts NULL */
    struct lg_xchecks *checks; /* exec's own: checks that wait (exec_check.h); starts NULL */
    /* Where and from how many bytes on rows go to temporary files (work_mem, and that times
     * hash_mem_multiplier). temp NULL or work_mem 0: they stay in memory. */
    struct lg_temp *temp;
    struct lg_temp_owner *temp_owner;
    size_t work_mem, hash_mem;
    size_t maintenance_work_mem; /* the same of an index build; 0: as much as it takes */
    uint32_t statistics_target;  /* default_statistics_target; 0: 100 */
    uint64_t tape_ids;           /* exec's own */
    lg_progress progress;
    /* Of the session, for EXPLAIN; NULL: not known. */
    const lg_stats *stats;
    /* Settings that are not at their built-in default: *pos starts at 0; false at the end. */
    bool (*changed_setting)(void *arg, size_t *pos, const char **ret_name, const char **ret_value);
    struct lg_ddl_temps *temps; /* ddl's own: ON COMMIT of temporary tables; starts NULL */
    /* Compute threads that a part of a plan may have (max_parallel_workers_per_gather), for tables
     * of at least so many blocks (min_parallel_table_scan_size). */
    uint32_t max_helpers, min_parallel_blocks;
};

/* ---- checks that wait: foreign keys, deferrable constraints ---- */

typedef struct lg_exec_checks_marks {
    uint32_t events, modes;
    uint64_t clock;
} lg_exec_checks_marks;

/* A savepoint; and after storage rolled back to it. */
void lg_exec_checks_mark(lg_exec_session *es, lg_exec_checks_marks *ret);
void lg_exec_checks_rollback_to(lg_exec_session *es, lg_exec_checks_marks m);
/* Before a commit: an error rolls the transaction back. */
LG_MUST lg_status lg_exec_checks_commit(lg_exec_session *es);
/* After either outcome. */
void lg_exec_checks_end(lg_exec_session *es);

/* Lets go what exec keeps for a session. */
void lg_exec_session_fini(lg_exec_session *es);
/* Types made by users, for lg_env.user: reads the catalog of lg_env.session. */
extern const lg_usertypes lg_exec_usertypes;

/* ---- plans ---- */

/* params: plan->nparams values; they must stay until close. LG_RETRY: the plan is out of date. */
LG_MUST lg_status lg_exec_open(lg_exec_session *es, const lg_plan *plan, const lg_datum *params,
                               const uint8_t *param_nulls, lg_exec **ret_exec);
/* Up to max_rows rows (0: all) into the sink (NULL: dropped). *ret_n: how many. LG_END: there are
 * no more; LG_OK: max_rows reached, maybe more. Statements without a result run to their end. */
LG_MUST lg_status lg_exec_fetch(lg_exec *x, uint64_t max_rows, lg_exec_sink sink, void *sink_arg,
                                uint64_t *ret_n);
uint64_t lg_exec_rows(const lg_exec *x); /* so far: returned by SELECT, changed by the others */
void lg_exec_close(lg_exec *x);          /* NULL is fine */

/* ---- kept rows: of cursors that scroll or outlive their transaction ---- */

/* In memory up to work_mem, then in a temporary file of the session. */
typedef struct lg_exec_kept lg_exec_kept;

LG_MUST lg_status lg_exec_kept_create(lg_exec_session *es, uint32_t ncols, const lg_outcol *cols,
                                      lg_exec_kept **ret_kept);
LG_MUST lg_status lg_exec_kept_add(lg_exec_kept *k, const lg_batch *b);
LG_MUST lg_status lg_exec_kept_finish(lg_exec_kept *k); /* no more rows */
uint64_t lg_exec_kept_count(const lg_exec_kept *k);
/* Row i from 0; its values live until the next call. */
LG_MUST lg_status lg_exec_kept_row(lg_exec_kept *k, uint64_t i, const lg_datum **ret_values,
                                   const uint8_t **ret_nulls);
/* Between fetches: gives back what reading takes. After it, close does not block. */
void lg_exec_kept_rest(lg_exec_kept *k);
void lg_exec_kept_close(lg_exec_kept *k); /* NULL is fine */

/* "SELECT 5", "INSERT 0 1", "UPDATE 3", "DELETE 0". */
#define LG_TAG_MAX 64
void lg_exec_tag(const lg_plan *plan, uint64_t rows, char tag[LG_TAG_MAX]);

/* ---- EXPLAIN ---- */

/* Result columns of an EXPLAIN. */
uint32_t lg_exec_explain_columns(const lg_ast_explain_stmt *s, lg_arena *a, lg_outcol **ret_cols);
/* params: of a parameterized statement; or NULL. */
LG_MUST lg_status lg_exec_explain(lg_exec_session *es, lg_arena *a, const lg_ast_explain_stmt *s,
                                  const lg_bind *params, lg_exec_sink sink, void *sink_arg);

/* ---- functions that need the catalog ---- */

/* Puts the implementations of nextval, pg_get_indexdef, regclassin, ... into the instance's table.
 */
void lg_exec_functions_register(lg_fntable *t);

/* The built-in views that are virtual relations (pg_tables, pg_indexes, pg_roles, pg_settings'
 * neighbours, information_schema). Call once per catalog, before lg_catalog_bootstrap. */
LG_MUST lg_status lg_exec_views_register(lg_catalog *cat);

#endif
