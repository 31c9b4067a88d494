/* Binding the statements of a function in SQL: for plan (inlining), exec (running) and DDL
 * (checking). */
#ifndef LG_BIND_SQLFUNC_H
#define LG_BIND_SQLFUNC_H

#include "bind.h"
#include "cat_proc.h"

/* b is about to bind statements of p: its parameters are those of the function, of the actual
 * types (NULL: the declared ones). b->sql is what positions refer to, or NULL. */
void lg_bind_function_begin(lg_bind *b, const lg_proc *p, const lg_oid *actual);
/* One statement. The last one's columns become what the function returns (result: its actual type),
 * or 42P13. */
LG_MUST lg_status lg_bind_function_query(lg_bind *b, const lg_proc *p, lg_oid result,
                                         const lg_ast *stmt, bool last, lg_query **ret);

#endif
