/* Shared by deparse.c (expressions) and deparse_query.c (whole queries). */
#ifndef LG_SQL_DEPARSE_INTERNAL_H
#define LG_SQL_DEPARSE_INTERNAL_H

#include "bind_internal.h"
#include "strbuf.h"

/* A query being printed: the names that its range table goes by. */
typedef struct lg_dlevel {
    const struct lg_dlevel *up;
    const lg_query *q;
    const char **names; /* by range table entry */
} lg_dlevel;

typedef struct lg_dout {
    const lg_deparse *d;
    const lg_relation *rel;
    const lg_dlevel *level; /* NULL: expressions over rel */
    lg_strbuf b;
    lg_status st;
    int indent;
    bool show; /* the next expression shows its coercion though nobody wrote it */
} lg_dout;

void lg_deparse__expr(lg_dout *o, const lg_expr *e);
void lg_deparse__arg(lg_dout *o, const lg_expr *e); /* shows implicit coercions */
/* A target or a field of ROW(): a whole row says its type, or it would be expanded. */
void lg_deparse__top(lg_dout *o, const lg_expr *e);
/* --- deparse_query.c --- */
void lg_deparse__var(lg_dout *o, const lg_expr *e);
/* The name of the relation whose whole row e is; NULL: it is none. */
const char *lg_deparse__whole_row(const lg_dout *o, const lg_expr *e);
void lg_deparse__sublink(lg_dout *o, const lg_expr *e);
/* The word on a line of its own, without the space before it; where lines are not asked for, as it
 * stands. */
void lg_deparse__keyword(lg_dout *o, const char *text, int before, int after);
void lg_deparse__sort_expr(lg_dout *o, const lg_expr *e);
void lg_deparse__over(lg_dout *o, const lg_expr *e);

#endif
