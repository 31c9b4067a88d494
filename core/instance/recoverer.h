/* Recoverer: the participant of reconfiguration that recovers the redo threads of dead members.
 *
 * Every member remembers which threads wait to be recovered (dead in this view, or in an earlier
 * one whose recovery was not finished); the view's recoverer does the work, so that its death hands
 * the work on. Thread slot = node - 1.
 *
 *   analyse   recoverer: repairs torn blocks, reads the threads, asks who holds what (those blocks
 *             need no recovery), closes the rest on every member
 *   recover   recoverer: applies, waits until blocks that living members hold newer are on disk,
 *             releases the threads
 *   opened    all: the threads are done; recoverer: adopt() is called for each dead slot
 *
 * An image to start from comes through the buffer cache (past images of survivors, or the disk),
 * the recovered image goes to disk and back into the cache. Any step restarts harmlessly with a
 * newer view. A cold start has been recovered before the first view (lg_recovery_cold): nothing to
 * do here. */
#ifndef LG_INSTANCE_RECOVERER_H
#define LG_INSTANCE_RECOVERER_H

#include "cachefusion.h"
#include "dwb.h"
#include "participant.h"
#include "reconf.h"
#include "recovery.h"

typedef struct lg_recoverer lg_recoverer;

typedef struct lg_recoverer_config {
    lg_run *run;
    lg_volume *volume;
    lg_dwb *dwb; /* this instance's */
    lg_buf_cache *cache;
    lg_cf *cf;
    lg_scn_clock *clock;
    lg_reconf *reconf;
    const char *archive_dir; /* or NULL */
    /* For how long blocks that living members hold may be on their way to disk; 0: 30 s. Longer than
     * what ends a member whose disk hangs: else the one that waits ends, and whoever recovers next. */
    lg_time settle_limit;
    void *arg;
    /* The redo of these slots is recovered and open: adopt their undo. In a fiber; should only
     * start work. May be NULL. */
    void (*adopt)(void *arg, uint64_t slots);
    bool threads_open_early; /* members open their threads before they join (the simulator's storage
                              * kind): a member's thread is its own, never a dead one's */
} lg_recoverer_config;

LG_MUST lg_status lg_recoverer_create(const lg_recoverer_config *cfg, lg_recoverer **ret_r);
void lg_recoverer_destroy(lg_recoverer *r); /* no reconfiguration is running */
void lg_recoverer_participant(lg_recoverer *r, lg_participant *ret_p);
/* Slots whose threads wait for recovery (bit mask by slot). */
uint64_t lg_recoverer_pending(const lg_recoverer *r);
/* Of the last (or running) recovery here; the time of each of its parts. */
typedef struct lg_recoverer_times {
    uint64_t epoch; /* 0: there was none */
    bool running;
    lg_time analyse_ns, filter_ns, apply_ns, settle_ns;
} lg_recoverer_times;
void lg_recoverer_stats(const lg_recoverer *r, lg_recovery_stats *ret,
                        lg_recoverer_times *ret_times);

#endif
