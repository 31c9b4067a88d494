/* Reconfiguration: one script, run by a fiber on every member whenever a new view arrives, in step
 * with the other members; restarted from the top by any newer view.
 *
 * The script (reconf.c: run_script, readable top to bottom):
 *
 *   view published -> stop, rpc takes the epoch (older messages drop) -> freeze -> barrier FROZEN
 *     -> rebuild -> barrier REBUILT -> analyse -> barrier ANALYSED -> thaw
 *     -> recover -> barrier RECOVERED -> opened
 *
 * Fencing of the dead is verified by the agents before they publish the view.
 * Barrier: every member sends RECONF_STEP {epoch, step} to all; messages between two members arrive
 * in order, so whoever has everybody's REBUILT has everything that was told during rebuild.
 *
 * All on the instance's worker. Each run is kept, step by step with times, for gv$reconfiguration.
 */
#ifndef LG_RECONF_RECONF_H
#define LG_RECONF_RECONF_H

#include "participant.h"
#include "rpc.h"
#include "run.h"

typedef struct lg_reconf lg_reconf;

/* ---- one run, also for gv$reconfiguration and gv$reconfiguration_step ---- */

typedef enum lg_reconf_step {
    LG_RECONF_PUBLISH,
    LG_RECONF_FREEZE,
    LG_RECONF_REBUILD,
    LG_RECONF_ANALYSE,
    LG_RECONF_THAW,
    LG_RECONF_RECOVER,
    LG_RECONF_OPEN,
    LG_RECONF_STEPS
} lg_reconf_step;

typedef struct lg_reconf_record {
    uint64_t epoch;
    uint64_t members, joiners, dead;
    uint32_t recoverer;
    uint64_t wall_us;               /* start */
    lg_time start[LG_RECONF_STEPS]; /* 0: not reached */
    lg_time end[LG_RECONF_STEPS];   /* 0: not finished */
    lg_status status; /* LG_OK, LG_STALE_EPOCH: a newer view took over, or the error */
    bool running;
} lg_reconf_record;

typedef struct lg_reconf_config {
    lg_run *run;
    lg_rpc *rpc;
    uint32_t node;
    uint64_t incarnation;
    void *arg; /* of the callbacks; each may be NULL; they must not block */
    void (*on_open)(void *arg, uint64_t epoch); /* thawed: the instance may work in this epoch */
    /* Who joined and who died is known (r->running); and at the script's end. */
    void (*on_change)(void *arg, const lg_reconf_record *r);
    void (*on_failed)(void *arg, uint64_t epoch, const char *step,
                      lg_status st); /* give up: stop */
} lg_reconf_config;

LG_MUST lg_status lg_reconf_create(const lg_reconf_config *cfg, lg_reconf **ret_r);
void lg_reconf_destroy(lg_reconf *r);
/* Participants are called in this order. Before the first view. */
void lg_reconf_add(lg_reconf *r, const lg_participant *p);
/* A new view, from membership: newer epochs only (others are ignored). Does not block: a fiber runs
 * the script. The list is copied. The view must contain this instance. */
LG_MUST lg_status lg_reconf_view(lg_reconf *r, uint64_t epoch, const lg_reconf_member *members,
                                 uint32_t count);
/* The epoch whose view this instance is open in; 0 while none is. */
uint64_t lg_reconf_open_epoch(const lg_reconf *r);
/* Blocks until the instance is open in `epoch` or a newer one. */
LG_MUST lg_status lg_reconf_wait_open(lg_reconf *r, uint64_t epoch, lg_time deadline);
/* Blocks until the script of the newest view is over, to the last step. */
LG_MUST lg_status lg_reconf_wait_done(lg_reconf *r, lg_time deadline);
/* For participants that block: has a newer view arrived than the one of this change? */
bool lg_reconf_stale(const lg_reconf *r, uint64_t epoch);
/* Members of the newest view (bit mask). */
uint64_t lg_reconf_members(const lg_reconf *r);

const char *lg_reconf_step_name(lg_reconf_step s);
/* The last 64 runs, newest first; start with *pos = 0; false at the end. */
bool lg_reconf_next(const lg_reconf *r, unsigned *pos, lg_reconf_record *ret_record);

#endif
