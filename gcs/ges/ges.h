/* GES: the global enqueue service: locks that are held by sessions and transactions: table locks,
 * dictionary locks, advisory locks, sequences. (Blocks are grd's and cachefusion's; rows are locked
 * by their ITL slot; waiting for a row is waiting for its transaction, which takes part here only
 * as an edge of the wait graph.)
 *
 * MODEL
 * A resource {type, id1, id2} is locked in PostgreSQL's eight modes, with its conflict table.
 * Two levels:
 *
 *   owner (a session)  holds / waits for modes on a resource inside its instance, first come first
 *                      served, as in PostgreSQL's lock manager;
 *   instance           holds ONE mode per resource, granted by the resource's master instance, that
 *                      covers what its owners hold. It is sticky: it stays when the last owner
 *                      lets go, until the master asks for it back (BAST). So a lock that no other
 * instance wants costs a message once, and nothing from then on.
 *
 * A mode a covers b when everything that conflicts with b conflicts with a: then b may be granted
 * under a without asking. Modes form a lattice under "covers"; lg_lock_join gives the least cover
 * of two.
 *
 * The master of a resource is found by hash over the members of the view; when the view changes the
 * holders tell the new masters what they hold (ges_reconf.c) and waiters ask again.
 *
 * DEADLOCKS  A local cycle is found when the wait that closes it starts: that owner gets
 * LG_DEADLOCK. Cycles over instances: a waiting owner sends probes along its wait edges after 100
 * ms and then every second; a probe is dropped at an owner younger than its initiator; the one that
 * comes home names the initiator, the youngest of the cycle, as the single victim.
 *
 * LIFE CYCLE  create -> (owner_init -> lock/unlock... -> owner_fini)* -> destroy.
 * THREADS  Everything on the instance's worker. "Blocks" means the calling fiber; no latch may be
 * held. ALONE  With rpc == NULL the instance is its own master and nothing is ever sent.
 */
#ifndef LG_GES_GES_H
#define LG_GES_GES_H

#include "list.h"
#include "lock_mode.h"
#include "rpc.h"
#include "run.h"
#include "waitq.h"

bool lg_lock_conflicts(lg_lock_mode a, lg_lock_mode b);
bool lg_lock_covers(lg_lock_mode a, lg_lock_mode b);
lg_lock_mode lg_lock_join(lg_lock_mode a, lg_lock_mode b);
const char *lg_lock_mode_name(lg_lock_mode m); /* "AccessShareLock", as pg_locks shows */

typedef enum lg_ges_type {
    LG_GES_TABLE = 1,      /* TM: id1 = database, id2 = relation oid */
    LG_GES_DICTIONARY = 2, /* DI: id1 = object class, id2 = oid; or one id2 for the whole cache */
    LG_GES_ADVISORY = 3,   /* UL: id1 = database << 2 | key space, id2 = key */
    LG_GES_SEQUENCE = 4,   /* SQ: id2 = sequence oid */
    LG_GES_DDL = 5,        /* DD: id2 = whatever is to be serialised */
    LG_GES_OTHER = 6,
    LG_GES_DATABASE = 7, /* DB: id1 = database; catalog_db.c */
    LG_GES_TYPES = 8,
} lg_ges_type;

typedef struct lg_ges_res {
    uint32_t type; /* lg_ges_type */
    uint32_t id1;
    uint64_t id2;
} lg_ges_res;

typedef struct lg_ges lg_ges;

/* How a wait goes on: lg_ges_owner.tell. */
typedef enum lg_ges_news {
    LG_GES_STILL_WAITING,
    LG_GES_ACQUIRED,
    LG_GES_DEADLOCKED,
} lg_ges_news;

/* One per session. Locks of one owner never conflict with each other. */
typedef struct lg_ges_owner {
    lg_ges *ges;
    uint64_t gid;  /* unique in the cluster; larger = younger; the deadlock victim is the largest */
    void *user;    /* the session, for views */
    lg_list holds; /* in order of acquisition; internal */
    uint64_t next_seq;
    /* the one wait of the owner, if any */
    lg_fiber *fiber;              /* not NULL while waiting */
    struct lg_ges_waiter *waiter; /* for an enqueue */
    uint64_t wait_xid;            /* or for a transaction (0: no) */
    uint32_t wait_node;
    lg_time wait_since;
    uint64_t probe_mark;
    uint64_t visit_mark;
    lg_timer probe_timer;
    /* Set by the user: told of a wait that has lasted tell_after, of its success after that, and of
     * a deadlock, while lg_ges_waits_for and wait_xid still say for what. Must not block: it may be
     * called from a timer. tell_after 0: never. */
    lg_time tell_after;
    void (*tell)(struct lg_ges_owner *o, lg_ges_news news);
    lg_timer tell_timer;
    bool told;
    lg_list link; /* in ges->owners */
} lg_ges_owner;

typedef struct lg_ges_config {
    lg_run *run;
    lg_rpc *rpc;             /* NULL: an instance alone */
    uint32_t node;           /* this instance, 1..63 */
    uint32_t max_idle;       /* resources kept without any owner; 0 = 4096 */
    uint32_t probe_after_ms; /* first deadlock probe; 0 = 100 */
} lg_ges_config;

LG_MUST lg_status lg_ges_create(const lg_ges_config *cfg, lg_ges **ret_ges);
void lg_ges_destroy(lg_ges *g); /* no owner waits any more */

void lg_ges_owner_init(lg_ges *g, lg_ges_owner *o, void *user);
void lg_ges_owner_fini(lg_ges_owner *o); /* releases everything it holds */

enum lg_ges_flags {
    LG_GES_NOWAIT = 1, /* LG_LOCK_NOT_AVAILABLE instead of waiting for another owner */
    LG_GES_SESSION =
        2, /* held until unlocked or the session ends; else: until the transaction ends */
};

/* Locks. Repeated locks count. Blocks the fiber (cancelable); charged to enq: TM / enq: other.
 * LG_LOCK_NOT_AVAILABLE (nowait, or the deadline: as lock_timeout), LG_DEADLOCK, the cancel's
 * status. */
LG_MUST lg_status lg_ges_lock(lg_ges_owner *o, lg_ges_res res, lg_lock_mode mode, unsigned flags,
                              lg_time deadline);
/* Takes one lock back. LG_NOT_FOUND: not held so (a warning for pg_advisory_unlock). Does not
 * block. */
LG_MUST lg_status lg_ges_unlock(lg_ges_owner *o, lg_ges_res res, lg_lock_mode mode, unsigned flags);
/* The transaction ends: all but LG_GES_SESSION locks go. */
void lg_ges_unlock_transaction(lg_ges_owner *o);
/* All session locks go (pg_advisory_unlock_all, DISCARD ALL): of one type, 0 = all. */
void lg_ges_unlock_session(lg_ges_owner *o, uint32_t type);
/* Savepoints: a mark before, and letting go of the transaction locks taken since. */
uint64_t lg_ges_mark(const lg_ges_owner *o);
void lg_ges_unlock_to_mark(lg_ges_owner *o, uint64_t mark);
/* Does the owner hold a mode that covers this one? */
bool lg_ges_holds(const lg_ges_owner *o, lg_ges_res res, lg_lock_mode mode);

/* ---- what an instance keeps under a sticky lock: caches ---- */

/* fn is called when this instance's mode on a resource of `type` falls (asked back, idle, or the
 * end of a reconfiguration that lost it): whatever was cached under the old mode is stale from now
 * on. Must not block. One per type. To cache something under a resource: lock it (any owner), read,
 * keep; the cached thing is good while lg_ges_instance_mode covers the mode it was read under. */
typedef void (*lg_ges_notify_fn)(void *arg, lg_ges_res res, lg_lock_mode now);
void lg_ges_notify(lg_ges *g, uint32_t type, lg_ges_notify_fn fn, void *arg);
/* The mode this instance has now; while a peer waits for it, what its owners hold. */
lg_lock_mode lg_ges_instance_mode(const lg_ges *g, lg_ges_res res);

/* ---- waiting for transactions: edges of the wait graph ---- */

/* Finds the owner of a transaction of this instance; NULL when it is over. Must not block. */
typedef lg_ges_owner *(*lg_ges_find_owner_fn)(void *arg, uint64_t xid);
void lg_ges_set_txn_hook(lg_ges *g, lg_ges_find_owner_fn find, void *arg);
/* Around a fiber's wait for transaction xid of instance node. LG_DEADLOCK: do not wait. The wait
 * between begin and end must be cancelable: a victim's wait ends with LG_DEADLOCK. */
LG_MUST lg_status lg_ges_txn_wait_begin(lg_ges_owner *o, uint64_t xid, uint32_t node);
void lg_ges_txn_wait_end(lg_ges_owner *o, lg_status how);
/* The wait would have closed a cycle that somebody else saw: only told of. */
void lg_ges_txn_wait_refused(lg_ges_owner *o, uint64_t xid, uint32_t node);

/* ---- reconfiguration (participant.h): called by core/instance's wiring ---- */
struct lg_participant;
void lg_ges_participant(lg_ges *g, struct lg_participant *ret_p);

/* ---- views ---- */

typedef struct lg_ges_row { /* gv$lock, gv$ges_enqueue, pg_locks */
    lg_ges_res res;
    void *user; /* of the owner; NULL: the instance's own sticky mode */
    uint64_t gid;
    lg_lock_mode held;      /* by the owner, or the instance's mode */
    lg_lock_mode requested; /* LG_LOCK_NONE when not waiting */
    bool blocking;          /* somebody waits because of it; of an instance: another one */
    bool session;
    uint32_t master;
    lg_time since; /* of the wait */
} lg_ges_row;

/* The enqueue that the owner waits for; false: for none (perhaps for a transaction). */
bool lg_ges_waits_for(const lg_ges_owner *o, lg_ges_res *ret_res, lg_lock_mode *ret_mode);

typedef void (*lg_ges_row_fn)(void *arg, const lg_ges_row *row);
void lg_ges_visit(const lg_ges *g, lg_ges_row_fn fn, void *arg); /* fn must not block */

typedef struct lg_ges_counts {
    uint64_t requests, local_grants, remote_grants, waits, basts, deadlocks, probes, timeouts;
    uint64_t resources, master_resources;
} lg_ges_counts;
void lg_ges_count(const lg_ges *g, lg_ges_counts *ret);

#endif
