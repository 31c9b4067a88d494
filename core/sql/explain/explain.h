/* Explain: EXPLAIN of a statement: plans it, with ANALYZE runs it, and prints the tree of nodes with
 * PostgreSQL's names in its four formats.
 *
 * Everything made lies in the arena given; nothing stays. May block, as planning and running do.
 * Errors: in es->err with LG_SQL, or a bare status. */
#ifndef LG_SQL_EXPLAIN_H
#define LG_SQL_EXPLAIN_H

#include "exec.h"

/* Result columns of an EXPLAIN. */
uint32_t lg_explain_columns(const lg_ast_explain_stmt *s, lg_arena *a, lg_outcol **ret_cols);
/* params: of a parameterized statement; or NULL. */
LG_MUST lg_status lg_explain(lg_exec_session *es, lg_arena *a, const lg_ast_explain_stmt *s,
                             const lg_bind *params, lg_exec_sink sink, void *sink_arg);

#endif
