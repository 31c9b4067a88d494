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
 * tables, groups and kept rows above work_mem go to temporary files (spill.h).
 *
 * BLOCKS  everything here may block the fiber. Errors: in es->err with LG_SQL, or a bare status. */
#ifndef LG_SQL_EXEC_H
#define LG_SQL_EXEC_H

#include "eval.h"
#include "plan.h"

/* Lets go what exec and the modules below it keep for a session. */
void lg_exec_session_fini(lg_exec_session *es);
/* How the catalog runs functions in SQL. Call once per catalog. */
void lg_exec_procs_register(lg_catalog *cat);

/* ---- plans ---- */

/* A statement that is bound outside a plan; and a place in its text: characters, from 1; 0: none. */
void lg_exec_bind_init(lg_exec_session *es, lg_arena *a, lg_bind *b);
int lg_exec_position(const lg_exec_session *es, int32_t loc);
/* A plan under the session's settings, for the snapshot that is set. */
LG_MUST lg_status lg_exec_plan(lg_exec_session *es, lg_bind *b, lg_query *q, lg_plan **ret_plan);

/* Does the plan read nothing but the newest version of one row, found by a unique key, or nothing
 * stored at all? Then its snapshot need not be known to have in it what
 * other instances have committed (lg_txn_fresh): what it meets brings its SCN along. */
bool lg_exec_reads_newest(const lg_plan *plan);
/* params: plan->nparams values; they must stay until close. LG_RETRY: the plan is out of date. */
LG_MUST lg_status lg_exec_open(lg_exec_session *es, const lg_plan *plan, const lg_datum *params,
                               const uint8_t *param_nulls, lg_exec **ret_exec);
/* Up to max_rows rows (0: all) into the sink (NULL: dropped). *ret_n: how many. LG_END: there are
 * no more; LG_OK: max_rows reached, maybe more. Statements without a result run to their end. */
LG_MUST lg_status lg_exec_fetch(lg_exec *x, uint64_t max_rows, lg_exec_sink sink, void *sink_arg,
                                uint64_t *ret_n);
uint64_t lg_exec_rows(const lg_exec *x); /* so far: returned by SELECT, changed by the others */

/* "SELECT 5", "INSERT 0 1", "UPDATE 3", "DELETE 0". */
#define LG_TAG_MAX 64
void lg_exec_tag(const lg_plan *plan, uint64_t rows, char tag[LG_TAG_MAX]);

#endif
