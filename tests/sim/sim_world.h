/* The simulator: whole instances in one process from one seed.
 *
 *   sim_main.c   arguments; one child process per seed, so that an assertion ends one seed only
 *   sim_world.c  the world: clusterware (leases, views, fencing by lease), faults, the end
 *   sim_node.c   kind "storage": storage, cache fusion, recovery on simulated disks and network
 *   sim_bank.c   its workload: transfers between accounts and a ledger of what was acknowledged
 *   sim_ges.c    kind "ges": interconnect, reconfiguration, enqueues
 *   sim_sql.c    kind "sql": core/instance as it is, with a simulated agent and SQL clients
 *   sim_pg.c     a small PostgreSQL client for simulated sockets
 *   sim_hard.c   the harder faults (--hard; "sql+" in a seed file)
 *   sim_check.c  invariants of blocks at every so many steps
 *   sim_redo.c   invariants 5 and 7: each durable record of redo against the disks
 *   sim_watch.c  invariants 4, 6 and 10 at each write; 8 and 9
 *   sim_read.c   kind "sql": readers that compare each snapshot with the ledger
 *   sim_ddl.c    kind "sql": tables and indexes that come and go
 *   sim_skew.c   kind "sql": SERIALIZABLE transactions, and whether they were
 *   sim_seen.c   kind "sql": what clients were shown stays
 *   sim_big.c    kind "wide": statements that spill, with compute threads
 *   sim_numbers.c kind "wide": sequences
 *   sim_told.c   kind "wide": LISTEN and NOTIFY
 *   sim_mutate.c damage done on purpose: each check must see it (--mutate)
 *
 * The clusterware here stands for lagoon-agent: it sees the truth (a process that ended is known at
 * once), gives leases, and decides views the way the agents would: a member whose lease has run out
 * (with margin) is out. An instance checks its lease by its own clock before every write.
 *
 * Faults are drawn from the seed: kill and restart, all killed, pause (a stalled process that wakes
 * as a zombie), network cut, broken connections, slow and stalled disks, clock drift, torn writes
 * (every kill tears what is in flight). A run ends with all faults healed, everybody restarted and
 * the sums compared. */
#ifndef LG_SIM_WORLD_H
#define LG_SIM_WORLD_H

#include "map.h"
#include "mem.h"
#include "rpc.h"
#include "run.h"
#include "sim.h"
#include "simnet.h"

#define SIM_MAX_NODES    4
#define SIM_DISKS        2
#define SIM_BLOCK_BYTES  8192u
#define SIM_DISK_TIMEOUT LG_SEC /* no fault but a lost completion takes so long */
#define SIM_LEASE        (400 * LG_MS)
#define SIM_MARGIN       (150 * LG_MS) /* drift and writes on their way */

typedef struct sim_world sim_world;
typedef struct sim_node sim_node;
typedef struct sim_instance sim_instance; /* sim_node.c, on the node's heap */

/* What runs in the world: storage with cache fusion only, or whole instances with SQL. */
typedef struct sim_kind {
    const char *name;
    /* Before the clusterware begins; may step the world. May be NULL. */
    void (*world_begin)(sim_world *w);
    void (*world_end)(sim_world *w);
    void (*boot)(sim_node *n);  /* spawns the first fiber; the node's heap is current */
    void (*ended)(sim_node *n); /* the process is gone; may be NULL */
    void (*lease)(sim_node *n); /* until n->lease_until, by the node's clock */
    void (*view)(sim_node *n, uint64_t epoch, const lg_rpc_member *members, unsigned count);
    bool (*settled)(const sim_node *n); /* open in the newest view, nothing left to recover */
    struct lg_buf_cache *(*cache)(const sim_node *n); /* NULL while booting */
    void (*check)(sim_world *w);                      /* invariants of the kind; may be NULL */
    bool (*closed)(const sim_node *n, uint64_t key);  /* block waits for recovery; may be NULL */
    void (*stop)(sim_node *n);                        /* asks it to end in order; may be NULL */
    struct lg_txn_sys *(*txns)(const sim_node *n);    /* NULL while booting; may be NULL */
    void (*post_mortem)(sim_world *w);                /* a run failed: tells more; may be NULL */
    void (*verify)(sim_world *w); /* everything is healed: reads all, sets w->verdict */
} sim_kind;
extern const sim_kind sim_kind_storage, sim_kind_sql, sim_kind_wide, sim_kind_ges;

struct sim_node {
    sim_world *w;
    uint32_t id;
    uint64_t incarnation;
    lg_heap *heap; /* NULL: down */
    lg_run *run;
    sim_instance *inst;
    void *agent;     /* of the kind; outlives the process */
    unsigned active; /* transfers under way */
    bool ready;      /* opened its redo thread: may enter a view */
    bool was_member; /* never enters a view again in this life once it left */
    bool open;       /* works in the current epoch, as far as it knows */
    bool failed;     /* gives up: the world ends it */
    bool lost_disk;  /* a disk of this life was away */
    const char *why;
    lg_status why_status;
    lg_time lease_until; /* by its own clock */
    lg_time lease_given; /* the same, on its way to it */
    lg_time last_beat;   /* true time of the last lease given */
    lg_time paused_until;
    bool cut;           /* from all others */
    bool cold;          /* started to recover everything */
    lg_time restart_at; /* 0: not planned */
};

/* What a client was promised. Kept outside of all instances. */
typedef struct sim_ack {
    uint64_t op; /* node << 48 | number */
    uint32_t from, to;
    int64_t amount;
    lg_time at; /* true time of the promise, or of its beginning (a try) */
} sim_ack;

struct sim_world {
    const sim_kind *kind;
    lg_sim *sim;
    uint64_t seed;
    bool verbose;
    bool hard;
    const char *mutate; /* damage to be done: its check must fire */
    bool mutated;
    unsigned endless_lease; /* a node whose lease never ends: damage */
    unsigned node_count;
    sim_node node[SIM_MAX_NODES + 1]; /* by id */
    uint64_t epoch;
    uint64_t members;                         /* bit mask by id; 0: the database is down */
    uint64_t incarnations[SIM_MAX_NODES + 1]; /* of the members */
    bool report;                              /* somebody lost a connection: a new epoch is due */
    lg_time view_after;                       /* not before */
    bool quiet;                               /* no more faults: heal, restart, finish */
    lg_time quiet_since;
    bool stop_work; /* the workload ends */
    bool verifying;
    lg_time until; /* faults until then */
    unsigned faults;
    bool pair_cut[SIM_MAX_NODES + 1][SIM_MAX_NODES + 1];
    uint32_t watch_file, watch_block; /* verbose: tells of each version of this block */
    struct sim_redo *redo;            /* sim_redo.c */
    lg_map *floors;                   /* sim_check.c: block -> versions that may not be lost */
    void *kind_state;
    uint32_t file; /* of the accounts; 0: not made yet */
    bool bank_ready;
    uint32_t account_blocks;
    sim_ack *acks;
    size_t ack_count, ack_cap;
    sim_ack *tries; /* every transfer that was begun: for the post mortem */
    size_t try_count, try_cap;
    uint64_t *seen; /* transfers that some snapshot has shown */
    size_t seen_count, seen_cap;
    lg_map *seen_ops;
    uint64_t readings;
    struct ddl **ddls; /* sim_ddl.c */
    unsigned ddl_count;
    uint64_t ddl_done;
    uint64_t shown[2]; /* sim_seen.c: the most that a client was told */
    uint64_t big_done; /* sim_big.c */
    lg_map *numbers;   /* sim_numbers.c: given to a client */
    struct told *told; /* sim_told.c */
    uint64_t told_heard;
    uint64_t *skew_acks; /* sim_skew.c */
    size_t skew_ack_count, skew_ack_cap;
    uint64_t op_counter[SIM_MAX_NODES + 1];
    uint64_t lost; /* requests to disks */
    uint64_t attempts, errors, views, kills, pauses, cuts, colds;
    int verdict; /* 0 running, 1 fine, -1 failed */
    char message[256];
};

/* ---- world ---- */
void sim_log(sim_world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_fail(sim_world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* An instance gives up (fenced, redo broken, reconfiguration failed): ended soon. */
void sim_node_give_up(sim_node *n, const char *why, lg_status st);
void sim_node_lost_peer(sim_node *n);
void sim_acknowledge(sim_world *w, const sim_ack *ack);
void sim_begun(sim_world *w, const sim_ack *ack);
/* 0: the seed passed. nodes 0: drawn from the seed. */
typedef struct sim_options {
    unsigned nodes;
    bool verbose, hard;
    const char *mutate;
    uint32_t watch_file, watch_block;
} sim_options;
int sim_world_run(const sim_kind *kind, uint64_t seed, const sim_options *opt);
uint64_t sim_draw(sim_world *w, uint64_t below);
bool sim_paused(const sim_world *w, const sim_node *n);
void sim_node_end(sim_world *w, unsigned id); /* kills it */
void sim_cuts_apply(sim_world *w);            /* after a change of cut or pair_cut */
void sim_pause(sim_world *w, sim_node *n, lg_time ms);
const char *sim_disk_name(unsigned i);

/* ---- sim_bank.c: the workload of sim_kind_storage; in fibers of the node ---- */
void sim_bank_start(sim_node *n); /* the node is open: starts its clients, once per incarnation */
void sim_bank_verify(sim_world *w);
lg_status sim_instance_commit(sim_node *n, uint64_t lsn); /* durable and heard; blocks */

/* ---- sim_check.c ---- */
void sim_check_modes(sim_world *w);  /* at most one X, no S beside it */
void sim_check_floors(sim_world *w); /* nothing durable is lost from caches */
void sim_check_disk(sim_world *w);   /* disks neither go back nor run ahead of the redo */
void sim_check_end(sim_world *w);
void sim_check_power_lost(sim_world *w);

/* ---- sim_redo.c ---- */
void sim_check_redo(sim_world *w);
void sim_check_redo_end(sim_world *w);

/* ---- sim_watch.c ---- */
void sim_watch_begin(sim_world *w);
void sim_watch_end(sim_world *w);
void sim_check_fibers(sim_world *w);

/* ---- sim_hard.c ---- */
void sim_hard_begin(sim_world *w);
void sim_hard_fault(sim_world *w);
void sim_hard_view(sim_world *w); /* a view was published: strikes soon, perhaps */
void sim_hard_quiet(sim_world *w);

/* ---- sim_mutate.c ---- */
void sim_mutate(sim_world *w); /* each tick, until it succeeds */

/* In the newest view with this incarnation; others are fenced. */
static inline bool
sim_is_member(const sim_world *w, unsigned id)
{
    return w->node[id].heap && (w->members >> id & 1) &&
           w->incarnations[id] == w->node[id].incarnation;
}

#endif
