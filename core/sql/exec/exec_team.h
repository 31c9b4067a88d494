/* Parts of a plan that compute threads help with (core/run's team.h).
 *
 * MODEL
 * A pipeline is a sequential scan over columns in memory, any hash joins that it probes, and what takes
 * the rows: an aggregate, or the table of a hash join. The worker runs it as ever. When the table is
 * large enough and all the expressions are pure, members of a team run copies of the pipeline beside
 * it: an execution of their own each (arenas, call sites, error), whose scan is given morsels, chunks
 * of core/columns, by the worker's scan. The worker finds, makes and validates chunks, holds them and
 * lets them go; a chunk is not changed while it is held. When the scan is at its end the worker takes
 * what the members have collected into its own table.
 *
 *   worker: joins built -> copies made -> [scan: feed members, do a morsel]* -> finish -> absorb
 *   member:                               [morsel -> rows -> own groups or entries]*
 *
 * A COPY  shares with the worker: the plan, parameters, finished hash tables and their filters, which
 * nobody changes meanwhile. It has no temporary file, snapshot, transaction or session.
 * PURE    expressions are made of built-in immutable functions over plain types (no catalog, settings,
 * time zones, ICU collations, user's types). Sums and averages of floats stay with the worker: they
 * depend on the order.
 * MEMORY  members may keep half of what the worker may; one that has its share takes no more morsels.
 * When the worker's own table is full the team is ended first, then rows go to tapes as ever.
 * ERRORS  a member's error stops the team and becomes the statement's. Cancel: a flag that members
 * look at between batches; the worker waits for them. */
#ifndef LG_EXEC_TEAM_H
#define LG_EXEC_TEAM_H

#include "exec_internal.h"
#include "team.h"

/* What a copy's execution knows of its team. */
struct lg_xhelper {
    size_t limit; /* bytes that it may keep */
    bool full;    /* it has them */
    lg_error err;
    lg_env env;
    lg_exec_session es;
    lg_status st;
    lg_xnode *sink;
};

typedef struct lg_xteam lg_xteam;

/* Builds the joins below and starts a team, if there can be one now: *ret NULL is fine. run: what a
 * member does with its copy of the sink. */
LG_MUST lg_status lg_xteam_begin(lg_xnode *sink, lg_status (*run)(lg_xnode *copy),
                                 lg_xteam **ret_team);
/* Waits for the members; then absorb(sink, copy) for each. The scan may still have morsels that nobody
 * took. NULL and a second time are fine. */
LG_MUST lg_status lg_xteam_finish(lg_xteam *t, lg_status (*absorb)(lg_xnode *sink, lg_xnode *copy));
/* The end, whatever happened; returns what the sink is to return. */
LG_MUST lg_status lg_xteam_end(lg_xteam *t, lg_status st);

/* exec_hash.c: the table is made (now, if need be) and copies may probe it. *ret_shared false: it is
 * not so; the node goes on by itself. */
LG_MUST lg_status lg_xhash_share(lg_xnode *s, bool *ret_shared);
void lg_xhash_adopt(lg_xnode *copy, const lg_xnode *of);

/* exec_scan.c, exec_columns.c */
bool lg_xscan_in_columns(const lg_xnode *s);
void lg_xscan_lead(lg_xnode *s, lg_team *t);                   /* NULL: no more */
LG_MUST lg_status lg_xscan_follow(lg_xnode *copy, lg_team *t); /* before the members run */
void lg_xscan_absorb(lg_xnode *s, lg_xnode *copy);
void lg_xscan_let_go(lg_xnode *s, lg_team *t); /* chunks that members are through with */

#endif
