/* Shared by parse's files; includes libpg_query, so nothing outside may include it. */
#ifndef LG_SQL_PARSE_INTERNAL_H
#define LG_SQL_PARSE_INTERNAL_H

#include "parse.h"
#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

/* A protobuf node as ours, in the arena; NULL for NULL and for kinds that ast.def does not list
 * (*unsupported then names the kind). */
lg_ast *lg_parse__convert(lg_arena *a, const PgQuery__Node *n, const char **unsupported);

/* lg_ast_command_tag for a statement that has no node of ours. */
const char *lg_parse__command_tag(const PgQuery__Node *n, char tag[LG_COMMAND_TAG_MAX]);

#endif
