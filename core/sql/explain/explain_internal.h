/* Shared by explain.c (options, running) and explain_node.c (the tree). */
#ifndef LG_EXPLAIN_INTERNAL_H
#define LG_EXPLAIN_INTERNAL_H

#include "exec_stats.h"
#include "explain.h"
#include "explain_out.h"
#include "temp.h"

typedef struct lg_xexplain {
    lg_exec_session *es;
    lg_arena *a;
    lg_exec_sink sink;
    void *sink_arg;
    const lg_plan *plan;
    const lg_exec *x; /* after ANALYZE, else NULL */
    bool analyze, costs, timing, summary, buffers, verbose, settings, wal;
    lg_xout out;
    lg_plan_words words;
} lg_xexplain;

void lg_xexplain_plan(lg_xexplain *e);
/* label NULL: lines of a node; else a group of that name. */
void lg_xexplain_buffers(lg_xexplain *e, const lg_xusage *u, const char *label);

#endif
