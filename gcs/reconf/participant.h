/* Participant: what takes part in a reconfiguration. Upward call 2 of the five.
 *
 * lg_reconf (reconf.h) runs one script on every member of a new view, in step with the others. At
 * each step it calls the participants in the order in which they were added. Every call carries the
 * epoch (in the change). A newer view makes the script start again from freeze: a call that blocks
 * must then return LG_STALE_EPOCH soon (lg_reconf_stale tells), and everything done for the older
 * epoch that the next freeze and rebuild do not replace must be harmless to repeat.
 *
 *   step      when                               what a participant does
 *   stop      with publish, all in one moment    stops starting global work
 *   freeze    first; rpc already at the new      waits until what runs
 * for epoch, older messages are dropped  peers is finished. Blocks for local things only rebuild
 * all members are frozen             tells masters what this instance holds analyse   all masters
 * know everything        (recovery) the recoverer reads the dead threads and tells all members
 * which blocks must stay closed thaw      all members have the closed set    opens everything else:
 * global work goes on. No wait recover   beside running sessions            (recovery) the
 * recoverer repairs the closed set opened    all members heard that it is done  opens the closed
 * set; adopt the dead undo, roll back in the background, checkpoint, release the threads
 *
 * analyse, recover: called on every member, also those that have nothing to do; both are left out
 * when nobody is dead. A member whose own former incarnation is among the dead, and everybody on a
 * cold start, is open (lg_reconf_open_epoch, on_open) only after recover: its redo thread is not
 * its own before. At freeze only epoch, self and members are known; dead, survivors and the rest
 * from rebuild on.
 *
 * Any pointer may be NULL.
 */
#ifndef LG_RECONF_PARTICIPANT_H
#define LG_RECONF_PARTICIPANT_H

#include "status.h"
#include <stdbool.h>
#include <stdint.h>

#define LG_NODES_MAX 64 /* node numbers are 1 .. LG_NODES_MAX-1 */

typedef struct lg_reconf_member {
    uint32_t node;
    uint64_t incarnation;
    const char *address; /* of its rpc; may be NULL for oneself */
} lg_reconf_member;

/* The change from the last view that was opened here to the new one. Valid during the call. */
typedef struct lg_reconf_change {
    uint64_t epoch;
    uint32_t self;
    uint64_t members;      /* bit mask by node number: the new view */
    uint64_t survivors;    /* members that were open before with the same incarnation */
    uint64_t joiners;      /* members that were not */
    uint64_t dead;         /* nodes open before that are gone or came back as another incarnation,
                            * and those dead earlier whose recovery was interrupted */
    uint64_t base_members; /* members of the view all survivors had opened last */
    bool incremental; /* all survivors had opened the same view last: what they knew of it still
                       * holds. False: masters forget everything and holders tell everything */
    bool cold;        /* nobody was open before: every thread that is not clean is dead */
    uint32_t
        recoverer; /* the member that recovers the dead: the lowest survivor, else the lowest */
    lg_reconf_member list[LG_NODES_MAX];
    uint32_t count;
} lg_reconf_change;

static inline bool
lg_node_in(uint64_t mask, uint32_t node)
{
    return node < LG_NODES_MAX && (mask >> node & 1) != 0;
}

typedef struct lg_participant {
    const char *name;
    void *self;
    /* Of all participants at once, in the moment in which rpc goes to the new epoch: from here on
     * nothing global is started, above all no message to a master. A master that has frozen knows
     * nothing until rebuild, and what is sent between publish and freeze bears the new epoch: it
     * would be served from empty tables. (A freeze may block, and the next participant's comes only
     * after it.) Must not block. */
    void (*stop)(void *self, const lg_reconf_change *c);
    /* At once when a newer view arrives, whatever the script is doing: waits for other members
     * inside a step must end (LG_STALE_EPOCH), since those have moved on. Must not block. */
    void (*interrupt)(void *self);
    lg_status (*freeze)(void *self, const lg_reconf_change *c);
    lg_status (*rebuild)(void *self, const lg_reconf_change *c);
    lg_status (*analyse)(void *self, const lg_reconf_change *c);
    void (*thaw)(void *self, const lg_reconf_change *c);
    lg_status (*recover)(void *self, const lg_reconf_change *c);
    lg_status (*opened)(void *self, const lg_reconf_change *c);
} lg_participant;

#endif
