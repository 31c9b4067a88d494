/* DDL: runs utility statements: DDL, COPY, EXPLAIN, TRUNCATE, LOCK, ANALYZE, ... SET, SHOW, BEGIN,
 * PREPARE, cursors and the like are the session's and give LG_UNSUPPORTED here with nothing set.
 *
 * LIFE    A transaction is running (lg_cat_begin was called) and es->snapshot is the statement's
 *         snapshot. A statement changes rows of the catalog (core/catalog) and segments under the
 *         relation's lock; other sessions and instances see it when the transaction commits, by
 *         the versions that core/catalog checks. Rolled back, nothing stays.
 * STATE   The session's, in lg_exec_session (temps); freed by lg_ddl_session_fini.
 * BLOCKS  everything here may block the fiber. Errors: in es->err with LG_SQL, or a bare status.
 *
 * A plan may run a utility statement, too (one in a function): exec calls it by
 * lg_exec_session.utility, which the session sets to lg_ddl_utility. */
#ifndef LG_SQL_DDL_H
#define LG_SQL_DDL_H

#include "exec.h"

/* Result columns of a utility statement (EXPLAIN); 0: none. */
uint32_t lg_ddl_utility_columns(const lg_ast *stmt, lg_arena *a, lg_outcol **ret_cols);
/* arena: the statement's. params: for EXPLAIN of a parameterized statement. */
LG_MUST lg_status lg_ddl_utility(lg_exec_session *es, lg_arena *arena, const lg_ast *stmt,
                                 const lg_bind *params, lg_exec_sink sink, void *sink_arg,
                                 char tag[LG_TAG_MAX]);

/* ---- temporary tables (ddl_temp.c), each in a running transaction ---- */

/* ON COMMIT DELETE ROWS and DROP; before a commit. */
LG_MUST lg_status lg_ddl_temp_commit(lg_exec_session *es, lg_arena *a);
/* Drops all temporary objects of the session: its end, DISCARD. */
LG_MUST lg_status lg_ddl_temp_drop(lg_exec_session *es, lg_arena *a);
/* The schemas of temporary objects that exist: names, for lg_ddl_temp_sweep, in the arena. */
LG_MUST lg_status lg_ddl_temp_list(lg_exec_session *es, lg_arena *a, const char *const **ret_names,
                                   uint32_t *ret_n);
/* Drops what is in such a schema. The caller has claimed it (lg_cat_temp_claim). */
LG_MUST lg_status lg_ddl_temp_sweep(lg_exec_session *es, lg_arena *a, const char *schema);

/* Lets go what ddl keeps for a session. */
void lg_ddl_session_fini(lg_exec_session *es);

#endif
