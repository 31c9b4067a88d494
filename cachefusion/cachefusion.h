/* Cache Fusion: coherence of the buffer cache over all instances: the driver that connects the
 * state machines of gcs/grd with messages (net/rpc), buffers (storage/buf), the disk
 * (storage/volume) and reconfiguration. Implements lg_coherence_ops.
 *
 * PIECES
 *   cf_acquire.c  requester: acquire, release, written, demand_write; blocks arriving; claims
 *   cf_master.c   master: feeds lg_grd_step, sends its actions
 *   cf_serve.c    holder: a pool of server fibers that take modes away and ship blocks. A server
 *                 fiber waits for local things only (latches, redo, disk), never for another
 *                 instance, so pools cannot wait for each other in a ring. One block is served by
 *                 one fiber at a time
 *   cf_cr.c       consistent reads: reader and holder; its own pool, since building a copy may
 *                 itself need blocks of others
 *   cf_reconf.c   participant: freeze, rebuild, gates; what recovery asks
 *   cf_scn.c      SCNs are heard before the commit is acknowledged, or asked for before the
 *                 snapshot
 *   cf_txn.c      status of and waiting for transactions of other instances
 *   cf_stats.c    counters per pair of instances, iteration for views
 *
 * INVARIANTS of DESIGN section 5 kept here: 1 (lg_buf_revoke flushes before it copies), 3 (grd;
 * version asserted at install and claim), 4, 5 (past images go only on WRITTEN), 6 (epoch of each
 * message; a service begun in one epoch is not answered in the next), 8, 9.
 *
 * ALONE  With one member everything is mastered here: acquire completes without a fiber switch.
 * All on the instance's worker. "Blocks" means the calling fiber.
 */
#ifndef LG_CACHEFUSION_CACHEFUSION_H
#define LG_CACHEFUSION_CACHEFUSION_H

#include "buf.h"
#include "participant.h"
#include "rpc.h"

typedef struct lg_cf lg_cf;

typedef struct lg_cf_config {
    lg_run *run;
    lg_rpc *rpc;
    lg_scn_clock *clock;
    lg_volume *volume;
    uint32_t node; /* 1..63 */
    uint32_t block_bytes;
    uint32_t server_fibers;  /* 0 = 16 */
    uint32_t cr_fibers;      /* 0 = 16 */
    uint32_t cr_per_version; /* after so many copies of an unchanged block the holder steps down to
                              * S; 0 = 4 */
} lg_cf_config;

/* create -> lg_buf_cache_create with lg_cf_coherence -> attach -> reconf opens -> ... -> destroy.
 */
LG_MUST lg_status lg_cf_create(const lg_cf_config *cfg, lg_cf **ret_cf);
lg_coherence lg_cf_coherence(lg_cf *cf);
/* Gives it the buffer cache; registers message handlers and starts the server fibers. */
LG_MUST lg_status lg_cf_attach(lg_cf *cf, lg_buf_cache *buf);
void lg_cf_participant(lg_cf *cf, lg_participant *ret_p);
/* Ends the fibers. Nobody calls acquire any more; the buffer cache still exists. Blocks. */
void lg_cf_stop(lg_cf *cf);
void lg_cf_destroy(lg_cf *cf);

/* ---- consistent-read builder: upward call 4. Wired to txn. ----
 * image: a private copy of the current block (block_bytes). Rolls it back to what `snapshot` sees.
 * May block, and get blocks of other instances. An error or LG_RETRY: the reader takes the block.
 */
typedef lg_status (*lg_cf_cr_fn)(void *arg, lg_addr addr, void *image, lg_scn snapshot);
void lg_cf_set_cr(lg_cf *cf, lg_cf_cr_fn fn, void *arg);

/* ---- SCN at commit ----
 * Blocks until every other member that listens has heard scn (or has left). One message covers all
 * commits that are waiting. Charged to "scn broadcast on commit". LG_OK or LG_SHUTDOWN. */
LG_MUST lg_status lg_cf_scn_broadcast(lg_cf *cf, lg_scn scn);
/* In two halves, so that the redo flush runs in parallel: start, flush, wait. */
void lg_cf_scn_broadcast_start(lg_cf *cf, lg_scn scn);
/* After it, a snapshot of the clock has in it whatever was acknowledged anywhere before the call.
 * Does not wait while this instance listens to all others; else it asks them, once for all who wait
 * here. Charged to "scn of other instances". LG_SHUTDOWN, a cancel. */
LG_MUST lg_status lg_cf_scn_fresh(lg_cf *cf, bool cancelable);

/* ---- transactions of other instances ----
 * hooks: how this instance answers for its own transactions. */
typedef struct lg_cf_txn_hooks {
    void *arg;
    /* The outcome of xid, owned by this instance or adopted. Runs in a fiber; may block. state:
     * txn's own numbering; LG_SNAPSHOT_TOO_OLD and the like travel to the asker. */
    lg_status (*status)(void *arg, uint64_t xid, uint32_t *ret_state, lg_scn *ret_scn);
    /* Blocks until xid is over. */
    lg_status (*wait)(void *arg, uint64_t xid, lg_time deadline);
} lg_cf_txn_hooks;
void lg_cf_set_txn(lg_cf *cf, const lg_cf_txn_hooks *hooks);
/* Asks instance `node`. Blocks; cancelable. LG_PEER_DOWN: it is not there; ask whoever adopted its
 * undo (retry after the reconfiguration). */
LG_MUST lg_status lg_cf_txn_status(lg_cf *cf, uint32_t node, uint64_t xid, uint32_t *ret_state,
                                   lg_scn *ret_scn);
LG_MUST lg_status lg_cf_txn_wait(lg_cf *cf, uint32_t node, uint64_t xid, lg_time deadline);

/* ---- for recovery (participant steps analyse, recover, opened) ---- */

typedef struct lg_cf_block {
    lg_addr addr;
    lg_version version; /* newest in the redo of the dead */
} lg_cf_block;
/* Which of the blocks have a living holder in S or X? Those need no recovery: the holder has every
 * change and is told that it owes the write. ret_held[count]. Blocks the fiber. */
LG_MUST lg_status lg_cf_recovery_filter(lg_cf *cf, const lg_cf_block *blocks, uint32_t count,
                                        bool *ret_held);
/* In analyse: closes the blocks on every member (also here) until `opened`. While its recover step
 * runs, the fiber that calls lg_cf_recovery_begin passes the gate. Blocks. */
LG_MUST lg_status lg_cf_recovery_close(lg_cf *cf, const lg_cf_block *blocks, uint32_t count);
/* These are recovered and on disk: opens them on every member before the others. */
void lg_cf_recovery_open(lg_cf *cf, const lg_addr *addrs, uint32_t count);
/* The calling fiber may use closed blocks, for the recovery of this epoch: what it still asks for in
 * a later one is refused with LG_STALE_EPOCH, since another may be recovering that block then. */
void lg_cf_recovery_begin(lg_cf *cf, uint64_t epoch);
void lg_cf_recovery_end(lg_cf *cf);
/* Returns when `version` or a newer one of the block is on disk, written by whoever holds it:
 * before a dead thread is released (invariant 7). Blocks. */
LG_MUST lg_status lg_cf_write_through(lg_cf *cf, lg_addr addr, lg_version version);

/* ---- views ---- */

/* gv$instance_cache_transfer: what came from `node`. Times in ns. */
typedef struct lg_cf_transfer {
    uint32_t node;
    uint64_t cr_blocks, cr_busy, cr_congested, cr_none;
    uint64_t current_2hop, current_3hop, current_busy, current_congested, lost;
    uint64_t cr_ns, current_2hop_ns, current_3hop_ns, current_max_ns;
    uint64_t cr_served, current_served, invalidations_served, not_here_served;
    uint64_t flush_ns; /* redo flushes for blocks served to it */
} lg_cf_transfer;
bool lg_cf_transfer_next(const lg_cf *cf, unsigned *pos, lg_cf_transfer *ret);

/* gv$segment_statistics: what travelled of each file; where two instances meet shows here. */
typedef struct lg_cf_segment {
    uint32_t file;
    uint64_t current_received, current_ns, cr_received, cr_ns; /* here */
    uint64_t current_served, cr_served, invalidated;           /* taken from here */
} lg_cf_segment;
bool lg_cf_segment_next(const lg_cf *cf, size_t *pos, lg_cf_segment *ret);

/* gv$gc_element: blocks in this cache with a mode or past image, or mastered here. */
typedef struct lg_cf_element {
    lg_addr addr;
    lg_mode mode; /* here */
    bool here;    /* in this cache */
    bool dirty, pi, acquiring, releasing, recovering;
    lg_version version, pi_version, disk_version;
    uint32_t master;
    bool mastered; /* here; then: */
    uint32_t x_holder;
    uint64_t s_holders, pi_holders;
    bool converting;
    uint32_t queued;
} lg_cf_element;
typedef void (*lg_cf_element_fn)(void *arg, const lg_cf_element *e);
void lg_cf_elements(lg_cf *cf, lg_cf_element_fn fn, void *arg); /* fn must not block */

typedef struct lg_cf_counts {
    uint64_t acquires, local_grants, grants_disk, grants_own, blocks_received, cr_received;
    uint64_t forwards_served, invalidations_served, not_here, pi_served, retries;
    uint64_t claims, releases, written, demands, scn_broadcasts, scn_covered, scn_asks;
    uint64_t directory_entries, mastered_buckets;
    uint64_t frozen; /* 1 while frozen */
} lg_cf_counts;
void lg_cf_count(const lg_cf *cf, lg_cf_counts *ret);

#endif
