/* Checkpointer: bounds recovery work and gives redo space back.
 *
 * One fiber an instance. It keeps the distance between the thread's end and its checkpoint below a
 * target by writing the oldest dirty blocks, and advances the checkpoint in the thread header to
 *     min(oldest rec_lsn over dirty and past-image buffers, flushed LSN)
 * (invariants 5 and 7). A past image in the way is not written here: its current holder is asked to
 * (coherence->demand_write). It sleeps unless poked (redo space short) or the target is passed.
 */
#ifndef LG_CKPT_CKPT_H
#define LG_CKPT_CKPT_H

#include "buf.h"
#include "redo.h"

typedef struct lg_ckpt lg_ckpt;

typedef struct lg_ckpt_config {
    lg_run *run;
    lg_buf_cache *cache;
    lg_redo *redo;
    uint64_t target_bytes; /* redo to replay after a crash; 0 = half of the ring, at most 64 MiB */
    uint64_t interval_ms;  /* looks at least so often while there is something dirty; 0 = 1000 */
    uint64_t max_dirty_ms; /* 0 = 10000: every change gets to disk in about this time */
} lg_ckpt_config;

/* Creates and starts the fiber; hooks itself to the redo thread's poke. */
LG_MUST lg_status lg_ckpt_create(const lg_ckpt_config *cfg, lg_ckpt **ret_ckpt);
/* Ends the fiber (waits for its I/O) and frees. Blocks the fiber. */
void lg_ckpt_destroy(lg_ckpt *k);
void lg_ckpt_poke(lg_ckpt *k); /* never blocks */

/* Full checkpoint: everything changed before the call is on disk and the checkpoint has passed it.
 * Blocks;
 * LG_TIMEOUT: a past image's holder did not write in time. */
LG_MUST lg_status lg_ckpt_full(lg_ckpt *k, lg_time deadline);

typedef struct lg_ckpt_info {
    lg_lsn checkpoint, end;
    uint64_t target_bytes, written_blocks, checkpoints;
} lg_ckpt_info;
void lg_ckpt_status(const lg_ckpt *k, lg_ckpt_info *ret);

#endif
