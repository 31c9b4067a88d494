/* Membership: which instances form the cluster, decided by the agents on the voting files.
 *
 * PURE: no I/O, no clock. The driver (the agent, or a test) runs rounds. A ROUND writes the own
 * slot to every voting file and then reads all slots from that file; it counts when a majority of
 * the files has done both. What was read is merged (the newest slot of each node) and handed in.
 *
 * VIEWS are a sequence, one disk-Paxos instance (Gafni, Lamport: Disk Paxos, 2003) per epoch:
 *
 *     IDLE --begin--> PHASE1 --scan: no higher ballot--> PHASE2 --scan: no higher ballot--> decided
 *                        \---------- a higher ballot ----------/--> IDLE, back off, again
 *
 * A slot that shows decided epoch E answers for all instances up to E: who is behind adopts it.
 *
 * INVARIANTS
 *  M1 One value per epoch (Paxos; the state of a slot survives restarts of its agent).
 *  M2 A lease is extended to s + lease_ns only after a round begun at s whose scan shows the own
 *     instance in the newest view and no proposal of another node for the epoch after it.
 *  M3 A proposer leaves out a live-looking member for silence only when the scan of its phase 1,
 *     read after its own mark was written, still shows no new heartbeat for dead_ns. Since on some
 *     file either it reads the other's heartbeat or the other reads its mark (M2), the lease of
 *     the one left out began before that silence: it has ended, as dead_ns exceeds lease_ns by a
 *     margin for writes already on their way and for clocks of different speed.
 *  M4 An instance is let in or welcomed only when every member has completed the newest view, so
 * that no recovery is forgotten when the members that owe it die. M5 An empty view has at most one
 * cold starter; only that one may join it.
 *  M6 A living member goes in two steps. A view CONDEMNS it: it stays a member, but gets no lease
 * any more and its own agent ends its instance. The view after that leaves it out: when its agent
 * has confirmed the end, or a member has thrown its key out on every device (reservations), or
 * dead_ns after the condemnation was learned (its last lease began before the mark of that
 * proposal). Where the devices have reservations, silence of half a lease condemns.
 *
 * LINKS  Each slot says whom its agent hears over the network and which members its instance has
 * lost, or needs a new epoch with. A pair of members is apart when either says so, and for good
 * when that has lasted link_ns by the observer's clock. Then the largest set of members of whom no
 * two are apart for good stays (ties: the one with the lowest node in which they differ), the rest
 * is condemned. A pair that came together again, with messages lost in between, gets a new epoch
 * with the same members. Who does not hear every member and is not heard by each is not let in.
 */
#ifndef LG_MEMBER_MEMBER_H
#define LG_MEMBER_MEMBER_H

#include "agent_proto.h"
#include <stdbool.h>
#include <stdint.h>

#define LG_MEMBER_NODES    16 /* nodes are 1 .. 15 */
#define LG_MEMBER_ADDRESS  64
#define LG_VOTE_SLOT_BYTES 4096

/* What a slot says of its node's instance. */
enum lg_member_instance {
    LG_MEMBER_NONE,
    LG_MEMBER_STARTING, /* its process runs; it waits to be welcomed, or recovers */
    LG_MEMBER_READY,    /* may be in a view */
    LG_MEMBER_DEAD,     /* its agent has seen the process end and its locks fall: fenced */
    LG_MEMBER_LEFT      /* ended by itself with everything on disk */
};

#define LG_MEMBER_TARGET_REMOVED 2 /* of a slot's target: taken out of the cluster for good */

/* No new sessions: ordered, confirmed by the instance; confirmed that it ends those it has. */
enum lg_member_drain { LG_DRAIN_OFF, LG_DRAIN_ORDERED, LG_DRAIN_REFUSES, LG_DRAIN_ENDS };

/* A service that clients connect to. Each agent keeps the table in its slot; of two entries of one
 * name the one with the higher version counts (ties: the lower node), so all come to the same. */
#define LG_MEMBER_SERVICES 12

typedef struct lg_member_service {
    char name[32];
    char database[32];
    uint64_t version;   /* 0: no entry */
    uint16_t preferred; /* bits of nodes */
    uint16_t available;
    uint32_t flags;
} lg_member_service;

#define LG_SERVICE_DISABLED 1u
#define LG_SERVICE_REMOVED  2u

typedef struct lg_member_view {
    uint64_t epoch;
    uint32_t members; /* bit per node */
    uint32_t victims;
    uint32_t cold_node; /* of an empty view: who recovers everything; 0: nobody yet */
    uint32_t by_lease;  /* some victim was fenced by waiting out its lease */
    uint32_t condemned; /* members that have to go (M6) */
    uint32_t by_key;    /* some victim's key was thrown out on every device */
    uint64_t cold_incarnation;
    uint64_t incarnation[LG_MEMBER_NODES]; /* of members and victims */
    char address[LG_MEMBER_NODES][LG_MEMBER_ADDRESS];
} lg_member_view;

/* A slot on a voting file: exactly 4 KiB, two copies per node written in turn. */
typedef struct lg_vote_slot {
    uint32_t magic;
    uint32_t crc; /* of everything after it */
    uint32_t version;
    uint32_t node;
    uint64_t seq;  /* counts writes: the heartbeat */
    uint64_t boot; /* random for each life of the agent */
    uint64_t incarnation;
    uint32_t instance; /* enum lg_member_instance */
    uint32_t pid;
    uint64_t done_epoch;  /* the instance has completed this view */
    uint32_t shown_state; /* lg_instance_state */
    uint32_t sessions;
    uint32_t target; /* 1: the instance shall run; the agents know further values */
    uint32_t restarts;
    char address[LG_MEMBER_ADDRESS]; /* interconnect */
    char listen[LG_MEMBER_ADDRESS];
    char agent_address[LG_MEMBER_ADDRESS]; /* of the agent itself: where it is poked */
    uint64_t command_seq[LG_MEMBER_NODES]; /* requests to other agents ... */
    uint32_t command[LG_MEMBER_NODES];
    uint64_t command_done; /* ... and the newest one to this node that it has carried out */
    lg_member_service services[LG_MEMBER_SERVICES];
    lg_member_view decided;
    uint64_t prop_epoch, mbal, bal;
    lg_member_view value; /* accepted with bal */
    uint64_t link_epoch;  /* of the two below, which the instance tells: */
    uint32_t link_broken; /* members with whom messages were lost in that epoch */
    uint32_t link_lost;   /* members without a connection */
    uint32_t heard;       /* nodes whose agents are heard over the network */
    uint32_t draining;    /* enum lg_member_drain: no new sessions go to the instance */
    uint64_t since_s;     /* for people: wall time of the last change of shown_state, and why */
    char reason[64];
    uint64_t fence_epoch;  /* of the view in which ... */
    uint32_t fenced;       /* ... these condemned members' keys were thrown out on every device */
    uint32_t reservations; /* the instance's key is registered on every device */
    char rest[LG_VOTE_SLOT_BYTES - 2984 - 80 * LG_MEMBER_SERVICES];
} lg_vote_slot;

_Static_assert(sizeof(lg_vote_slot) == LG_VOTE_SLOT_BYTES, "a slot is one unit of writing");

/* Newest slot of each node; seq 0: none. */
typedef struct lg_vote_scan {
    lg_vote_slot slot[LG_MEMBER_NODES];
} lg_vote_scan;

void lg_vote_seal(lg_vote_slot *s); /* magic, version, crc */
bool lg_vote_valid(const lg_vote_slot *s, uint32_t node);

typedef struct lg_member_config {
    uint32_t node;
    uint64_t lease_ns; /* dead_ns must exceed it by the margin */
    uint64_t dead_ns;
    uint64_t link_ns; /* 0: links are not looked at */
} lg_member_config;

enum lg_member_phase { LG_MEMBER_IDLE, LG_MEMBER_PHASE1, LG_MEMBER_PHASE2 };

typedef struct lg_member {
    lg_member_config cfg;
    lg_vote_slot mine; /* the caller sets what concerns its instance; the rest is ours */
    lg_vote_scan seen;
    uint64_t changed_at[LG_MEMBER_NODES]; /* own clock: when a new heartbeat was last seen */
    lg_member_view view;                  /* newest decided */
    enum lg_member_phase phase;
    lg_member_view proposal; /* of phase 2 */
    uint64_t highest_ballot;
    uint64_t mark_since; /* another's unfinished proposal is in sight since; 0: none */
    uint64_t apart_since[LG_MEMBER_NODES][LG_MEMBER_NODES]; /* [lower][higher]; 0: together */
    uint64_t condemned_at[LG_MEMBER_NODES]; /* learned that it must go; 0: it need not */
} lg_member;

/* own: the slot found on the voting files (NULL: none, a first start). boot: random. */
void lg_member_init(lg_member *m, const lg_member_config *cfg, const lg_vote_slot *own,
                    uint64_t boot);
/* The slot to write in the next round: counts the heartbeat and seals it. */
const lg_vote_slot *lg_member_next_slot(lg_member *m);
/* The result of a round, completed at `now`. True: a newer view was learned. Drives a proposal on.
 */
bool lg_member_scan(lg_member *m, const lg_vote_scan *scan, uint64_t now);
/* Is a new view called for? `mine_ret`: for a reason of the own node, so propose without delay. */
bool lg_member_wants(const lg_member *m, uint64_t now, bool *mine_ret);
void lg_member_begin(lg_member *m);   /* IDLE -> PHASE1; a round must follow */
void lg_member_abandon(lg_member *m); /* a round failed: back to IDLE, the mark stays */
/* After a scan of a round begun at `began`: the lease of the own instance; 0: not extended. */
uint64_t lg_member_lease_until(const lg_member *m, uint64_t began);
bool lg_member_alive(const lg_member *m, uint32_t node, uint64_t now);
/* May the own instance, STARTING, be welcomed? *ret_cold: it is the cold starter. */
bool lg_member_may_welcome(const lg_member *m, uint64_t now, bool *ret_cold);
bool lg_member_cold_starter(
    const lg_member *m); /* the own instance recovers everything; it has leases */
bool lg_member_in_view(const lg_member *m);   /* the own instance, this incarnation */
bool lg_member_condemned(const lg_member *m); /* the own instance: it must be ended at once */
/* Members that keep the own instance, READY, out of the view: no network between its agent and
 * theirs. */
uint32_t lg_member_unheard(const lg_member *m);
/* Takes over newer services of other nodes. True: the own table changed. */
bool lg_member_merge_services(lg_member *m);
/* The entry of that name, or one to put it in; NULL: the table is full. */
lg_member_service *lg_member_service_find(lg_member *m, const char *name);
/* Bits of the nodes that have ever written a slot. */
uint32_t lg_member_known(const lg_member *m);
/* As the instances and lagoonctl are told it. */
void lg_member_agent_view(const lg_member_view *v, lg_agent_view *ret);

#endif
