/* Eval: expressions over rows, and what an execution of anything works in.
 *
 * lg_exec_session is what the modules of the executor (eval, spill, rows, syscat, exec, ddl) need of
 * the session: its catalog, transaction, settings, error; it stays as long as the session.
 *
 * lg_exec is an execution: the parameters, the state of call sites and the arena that expressions work
 * with. exec makes those of plans; lg_exec_bare makes one for expressions outside a plan (defaults,
 * checks, COPY, DDL). lg_exec_close ends both, and frees all that came from it.
 *
 * Expressions are evaluated a vector at a time where a kernel or a simple rule exists, else row by
 * row; both read the input row as columns of vectors at a row number (lg_ectx). Results lie in
 * lg_ectx.arena or in the input.
 *
 * Nothing here is shared between sessions. Evaluating may block (functions that read the catalog or
 * run statements). Errors: in es->err with LG_SQL, or a bare status. */
#ifndef LG_SQL_EVAL_H
#define LG_SQL_EVAL_H

#include "catalog_admin.h"
#include "plan.h"
#include "stats.h"
#include "team.h"
#include "usertype.h"

typedef struct lg_exec lg_exec;
typedef struct lg_exec_session lg_exec_session;
typedef struct lg_ectx lg_ectx;

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
    bool unconfirmed; /* it may miss what others committed (lg_exec_reads_newest): who reads more
                       * than the statement does renews it (lg_txn_snapshot_renew) */
    bool repeatable_read; /* a changed row is 40001 instead of read anew */
    bool read_only;       /* 25006 for writes */
    const char *sql;      /* text of the running statement, for error positions */
    void *arg;            /* of the callbacks; each may be NULL */
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
    /* May it be kept for later sessions? value NULL: taken back. The error is in err. */
    lg_status (*check_setting)(void *arg, const char *name, const char *value);
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
     * out: bytes of one row, or of what stands before or behind the rows. end: of what goes out. */
    const struct lg_encoding *client_encoding; /* NULL: UTF8 */
    lg_status (*copy_start)(void *arg, bool in, bool binary, uint32_t ncols);
    lg_status (*copy_in)(void *arg, const char **ret_data, size_t *ret_len);
    lg_status (*copy_out)(void *arg, const char *data, size_t len);
    lg_status (*copy_end)(void *arg);
    struct lg_snapshot *inner; /* exec's own: of the statement of a function that runs; NULL */
    struct lg_map *functions;  /* exec's own: plans of functions' statements; starts NULL */
    const char *stack_base;    /* exec's own: where the outermost function began; NULL */
    struct lg_map *domains;    /* exec's own: compiled checks of domains; starts NULL */
    struct lg_xchecks *checks; /* exec's own: checks that wait (rows_internal.h); starts NULL */
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

/* ---- an execution ---- */

struct lg_exec {
    lg_exec_session *es;
    const lg_plan *plan; /* an empty one outside a plan */
    lg_arena *arena;
    const lg_datum *params;
    const uint8_t *param_nulls;
    lg_datum *exec_values;
    uint8_t *exec_nulls;
    uint64_t *exec_version; /* moves at each set: who depends on it starts again */
    void **sites;           /* by expression id */
    size_t memory;          /* bytes of rows that are kept (lg_xmemory) */
    lg_team *team;          /* a compute thread's: whether to stop is asked there; else NULL */
    struct lg_xtree *tree;  /* exec's own: the nodes of the plan; NULL: none */
    /* With a tree: subqueries in expressions; lets go what the nodes keep. */
    lg_status (*subplan)(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null);
    void (*end)(lg_exec *x);
};

/* Evaluates expressions outside a plan (defaults, checks, COPY, DDL): an lg_exec without nodes. */
lg_status lg_exec_bare(lg_exec_session *es, uint32_t n_ids, lg_exec **ret);
void lg_exec_close(lg_exec *x); /* NULL is fine */

/* In long loops: lets others run when the time slice is over, and sees whether to stop. */
lg_status lg_xcheck(lg_exec *x);
/* The statement's outcome, or that it was canceled (lg_poll). */
lg_status lg_xcanceled(lg_exec_session *es, lg_status st);

/* ---- expressions ---- */

#define LG_SYSCOLS 7 /* index -slot */

/* Where an expression is evaluated. */
struct lg_ectx {
    lg_exec *x;
    lg_vector *const *cols;
    lg_vector *const *sys;
    uint32_t row;
    uint32_t cap;
    lg_arena *arena; /* results */
    lg_datum test;   /* CASE_TEST */
    bool test_null;
    lg_datum value; /* DOMAIN_VALUE */
    bool value_null;
    const lg_datum *subcols; /* SUBCOL */
    const uint8_t *subnulls;
    struct lg_xnum_memo *memo; /* or NULL */
};

lg_status lg_xexpr_eval(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null);
/* No input row: parameters and constants only. */
lg_status lg_xexpr_scalar(lg_exec *x, lg_arena *a, const lg_expr *e, lg_datum *ret, bool *ret_null);
/* Does the value keep the domain's constraints? (eval_types.c) */
LG_MUST lg_status lg_xdomain_check(lg_exec_session *es, lg_oid domain, lg_datum value, bool isnull,
                                   lg_arena *a);
/* Over the selected rows; the result is a vector of the input or one in c->arena. */
lg_status lg_xexpr_vector(lg_ectx *c, const lg_expr *e, const uint16_t *sel, uint32_t n,
                          lg_vector **ret);
/* Rows for which e is true, into out (may be sel itself). */
lg_status lg_xexpr_filter(lg_ectx *c, const lg_expr *e, const uint16_t *sel, uint32_t n,
                          uint16_t *out, uint32_t *ret_n);
void lg_xexec_param_set(lg_exec *x, uint32_t param, lg_datum v, bool isnull);
lg_call *lg_xexpr_call_site(lg_exec *x, const lg_expr *e);

/* Row i of the batch. */
static inline void
lg_batch_row(const lg_batch *b, uint32_t i, lg_datum *values, uint8_t *nulls)
{
    uint32_t row = lg_sel_row(b->sel, i);
    for (uint32_t k = 0; k < b->ncols; k++) {
        nulls[k] = lg_vector_is_null(b->cols[k], row);
        values[k] = nulls[k] ? 0 : lg_vector_value(b->cols[k], row);
    }
}

/* ---- numerics as integers (eval_num.c) ---- */

/* value = v[row] / 10^scale */
typedef struct lg_xnum {
    int64_t *v;
    const uint8_t *null; /* NULL: no row is */
    bool constant;
    int scale;
} lg_xnum;

/* What was computed for a batch already: aggregates often share parts of their arguments. */
#define LG_XNUM_MEMO 16u
typedef struct lg_xnum_memo {
    const uint16_t *sel; /* for this selection */
    uint32_t n, used;
    const lg_expr *expr[LG_XNUM_MEMO];
    lg_xnum num[LG_XNUM_MEMO];
    lg_status st[LG_XNUM_MEMO];
} lg_xnum_memo;

/* LG_NOT_FOUND: go the general way. */
lg_status lg_xnum_vector(lg_ectx *c, const lg_expr *e, const uint16_t *sel, uint32_t n,
                         lg_xnum *ret);
lg_datum lg_xnum_write(lg_arena *a, int64_t v, int scale); /* v / 10^scale */

/* ---- types made by users ---- */

/* Types made by users, for lg_env.user: reads the catalog of lg_env.session. */
extern const lg_usertypes lg_exec_usertypes;
/* Lets go the compiled checks of domains that the session keeps. */
void lg_xdomains_fini(lg_exec_session *es);

#endif
