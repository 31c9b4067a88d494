/* Recovery: brings the blocks that dead instances changed to their newest durable version.
 *
 *   lg_recovery_create(threads)   the threads of the dead (cold start: all OPEN ones)
 *   lg_recovery_repair            torn blocks <- the dead's double-write areas
 *   lg_recovery_analyse           reads the threads from their checkpoints; builds the recovery
 *                                 set: block -> change vectors chained by version (before -> after),
 *                                 threads merged
 *   (now every block outside the set may open: lg_recovery_block_in_set is the gate)
 *   lg_recovery_apply             for each block: newest of the disk's and the survivors' images,
 *                                 vectors after it in version order (continuity checked), to disk
 *   lg_recovery_settle            blocks that a living holder has newer: until they are on disk
 *   (undo of the dead is adopted)
 *   lg_recovery_release           the dead threads become CLEAN
 *   lg_recovery_destroy
 *
 * Any step may be repeated, by another instance too, after a death in the middle: nothing but block
 * images (idempotent by version) is written before release, and release is last.
 * Volume metadata (file 0) is recovered first: the other blocks are found through it.
 *
 * The vectors are kept in memory: bounded by the threads' checkpoint distance (ckpt's target).
 * All functions block the calling fiber except where stated.
 */
#ifndef LG_RECOVERY_RECOVERY_H
#define LG_RECOVERY_RECOVERY_H

#include "buf.h"
#include "dwb.h"
#include "redo.h"

typedef struct lg_recovery lg_recovery;

/* How recovery asks the cluster; all may be NULL (cold start: nobody else lives). They may block.
 * */
typedef struct lg_recovery_env {
    void *arg;
    /* A living instance (this one included) holds the block in S or X: no recovery needed; false
     * when
     * nobody does. */
    bool (*held)(void *arg, lg_addr addr);
    /* The newest past image that a survivor (this one included) has: LG_OK, image (verified by the
     * caller) filled; LG_NOT_FOUND: none. *ret_disk: the disk has this very version (else 0: it
     * must be read). */
    lg_status (*past_image)(void *arg, lg_addr addr, void *ret_image, lg_version *ret_disk);
    /* A block of volume metadata that is outside the set, through the cache. It may be with a
     * member that is lost meanwhile: must return then. */
    lg_status (*map_block)(void *arg, lg_addr addr, void *ret_image);
    /* Recovered and durable in this version: past images up to it may go. */
    void (*written)(void *arg, lg_addr addr, lg_version version);
    /* After written: nothing more will be done to these blocks, whoever waits for them may go on.
     * Never told of file 0: recovery finds the other blocks through it to the end. */
    void (*open)(void *arg, const lg_addr *addrs, uint32_t count);
    /* Ask the living holder to write the block in this version or newer. Idempotent. */
    void (*demand_write)(void *arg, lg_addr addr, lg_version version);
    /* False stops the work with LG_RECONFIGURING: a newer epoch has begun. */
    bool (*still_valid)(void *arg);
} lg_recovery_env;

typedef struct lg_recovery_config {
    lg_run *run;
    lg_volume *volume;
    lg_dwb *dwb;             /* this instance's, for writing */
    lg_buf_cache *cache;     /* NULL: cold start, map blocks are read from disk */
    lg_scn_clock *clock;     /* observes every SCN found; may be NULL */
    const uint32_t *threads; /* instance slots of the dead */
    uint32_t thread_count;
    /* Slots (bit mask) whose double-write areas may hold the good copy of a torn block, beside
     * those of the threads: of everybody who may have died writing. Whoever recovers, or has not
     * opened its thread yet, writes too. */
    uint64_t areas;
    uint32_t own_slot; /* cold start: whose area dwb is */
    lg_recovery_env env;
    uint32_t parallel;       /* fibers that apply; 0 = 8 */
    const char *archive_dir; /* archive the tails; NULL: off */
} lg_recovery_config;

LG_MUST lg_status lg_recovery_create(const lg_recovery_config *cfg, lg_recovery **ret_rec);
void lg_recovery_destroy(lg_recovery *rec); /* NULL is fine */

LG_MUST lg_status lg_recovery_repair(lg_recovery *rec);
LG_MUST lg_status lg_recovery_analyse(lg_recovery *rec);
/* Puts a block into the set without vectors: past image at a survivor, current holder dead. Before
 * apply. */
void lg_recovery_add(lg_recovery *rec, lg_addr addr);
/* Gate for lg_buf_set_gate: the block is in the set and not yet recovered. Before analysis has
 * finished everything is in the set. arg: the lg_recovery. Never blocks. */
bool lg_recovery_block_in_set(void *arg, lg_addr addr);
/* Visits the set: for the masters, which keep these blocks closed. fn must not block. */
void lg_recovery_visit(lg_recovery *rec, void (*fn)(void *arg, lg_addr addr), void *arg);
LG_MUST lg_status lg_recovery_apply(lg_recovery *rec);
LG_MUST lg_status lg_recovery_settle(lg_recovery *rec, lg_time deadline);
LG_MUST lg_status lg_recovery_release(lg_recovery *rec);

typedef struct lg_recovery_stats {
    uint32_t threads;
    uint64_t redo_bytes, records, vectors;
    uint64_t blocks_in_set, blocks_done, blocks_written, blocks_held, blocks_current,
        blocks_dropped;
    uint64_t repaired;    /* torn blocks */
    uint64_t past_images; /* blocks that started from one */
    lg_scn max_scn;
    lg_addr failed; /* the block that apply failed on */
} lg_recovery_stats;
void lg_recovery_progress(const lg_recovery *rec, lg_recovery_stats *ret);

/* Cold start: all OPEN threads of the volume, everything above in order, released at the end. slot:
 * the caller's instance slot, whose double-write area is used. LG_OK also when nothing was to do.
 * */
LG_MUST lg_status lg_recovery_cold(lg_run *run, lg_volume *v, uint32_t slot, lg_scn_clock *clock,
                                   const char *archive_dir, lg_recovery_stats *ret_stats);

#endif
