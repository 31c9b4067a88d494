/* The fiber driver of member.h: runs rounds on the voting files, proposes views, hands out leases.
 *
 * One fiber runs the rounds; one per voting file writes and reads it, so that a file that hangs
 * delays nobody while the others are a majority. A file that has forgotten something it showed
 * before, or that others show (a disk replaced by an empty one), is not counted until every node
 * has written its slot there again: what it has forgotten may have been half of a decision. All
 * calls and callbacks are on the run's worker; callbacks must not block. */
#ifndef LG_MEMBER_MEMBERSHIP_H
#define LG_MEMBER_MEMBERSHIP_H

#include "io.h"
#include "member.h"
#include "run.h"

#define LG_VOTE_FILES_MAX  5
#define LG_VOTE_FILE_BYTES (LG_MEMBER_NODES * 2 * LG_VOTE_SLOT_BYTES)

typedef struct lg_membership lg_membership;

typedef struct lg_membership_config {
    lg_run *run;
    lg_io *io;
    uint32_t node;
    const char *const *votes;
    uint32_t vote_count;
    uint64_t heartbeat_ns; /* 0: 250 ms */
    uint64_t lease_ns;     /* 0: 3 s */
    uint64_t dead_ns;      /* 0: 4 s */
    uint64_t link_ns;      /* 0: links are not looked at */
    void *arg;
    void (*on_view)(void *arg, const lg_member_view *v);
    void (*on_lease)(void *arg, lg_time until); /* lg_run_now_exact_ns of the run */
    void (*on_round)(void *arg);                /* after each: look at slots, decide what to do */
    void (*on_news)(void *arg);                 /* others should look now: poke them */
} lg_membership_config;

/* Blocks: opens the files, finds the own slot. LG_NO_QUORUM: no majority can be read. The rounds
 * begin with lg_membership_begin, once the caller has put the truth about its instance into the
 * slot. */
LG_MUST lg_status lg_membership_create(const lg_membership_config *cfg, lg_membership **ret_ms);
LG_MUST lg_status lg_membership_begin(lg_membership *ms);
void lg_membership_destroy(lg_membership *ms); /* blocks until its fibers have ended */

lg_member *lg_membership_member(lg_membership *ms);
/* The own slot was changed: it is written durably at once. */
void lg_membership_changed(lg_membership *ms);
/* Something happened elsewhere: look at the slots now. */
void lg_membership_look(lg_membership *ms);
/* Blocks until what the slot says now is on a majority. */
LG_MUST lg_status lg_membership_flush(lg_membership *ms, lg_time deadline);
bool lg_membership_quorate(const lg_membership *ms); /* the newest round reached a majority */
/* For each voting file: does it answer, and is it counted? */
bool lg_membership_vote_ok(const lg_membership *ms, uint32_t vote);

typedef struct lg_vote_info {
    bool ok;
    bool lost; /* it has forgotten something */
    uint64_t rounds, errors;
    uint64_t last_ok_us; /* wall time; 0: never */
    uint64_t round_ns;   /* the newest one that succeeded */
} lg_vote_info;

void lg_membership_vote_info(const lg_membership *ms, uint32_t vote, lg_vote_info *ret);

#endif
