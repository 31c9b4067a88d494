/* Shared by parse's files; includes libpg_query, so nothing outside may include it. */
#ifndef LG_SQL_PARSE_INTERNAL_H
#define LG_SQL_PARSE_INTERNAL_H

#include "parse.h"
#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

/* A protobuf node as ours, in the arena; NULL for NULL and for kinds that ast.def does not list
 * (*unsupported then names the kind). */
lg_ast *lg_parse__convert(lg_arena *a, const PgQuery__Node *n, const char **unsupported);

#endif
