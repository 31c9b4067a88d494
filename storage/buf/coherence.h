/* Coherence: how a buffer gains and gives up a global mode. Upward call 1 of the five.
 *
 * storage/buf calls these; cachefusion implements them for a cluster and lg_coherence_local for an
 * instance alone (grants everything). The way back (a peer asks for a block) uses the functions in
 * the second half of buf.h.
 *
 * CONTRACT
 * - A buffer has at most one conversion in flight (buf->converting): buf sees to it.
 * - acquire blocks the fiber. No latch is held by the fiber. On return the mode is granted and, for
 *   LG_OK, buf->data holds the current image (version checked) installed by lg_buf_install; for
 *   LG_READ_DISK the mode is granted and the disk holds the current image, which buf reads.
 *   An error leaves the mode as it was. LG_RETRY too: the request waited for a reconfiguration to
 *   end, after which the block may be closed: buf looks at the gate and begins again.
 * - A granted mode is used at least once before it may be taken away: see lg_buf_revoke.
 */
#ifndef LG_BUF_COHERENCE_H
#define LG_BUF_COHERENCE_H

#include "block.h"
#include "run.h"

struct lg_buf;

typedef enum lg_mode { LG_MODE_N = 0, LG_MODE_S = 1, LG_MODE_X = 2 } lg_mode;

typedef struct lg_coherence_ops {
    /* N->S, N->X, S->X. is_new: the caller will format the block; its content is not needed, but
     * its version is (a reformatted block starts above every earlier version): the holder's or the
     * disk's image still comes unless the master knows that nobody ever had the block. */
    lg_status (*acquire)(void *self, struct lg_buf *b, lg_mode want, bool is_new, lg_time deadline);
    /* A private copy of the block as of `snapshot` into frame (block_bytes), without taking a
     * mode. LG_OK; LG_RETRY: take S instead (no writer holds it, or the holder prefers to step
     * down). Blocks the fiber. */
    lg_status (*read_consistent)(void *self, lg_addr addr, lg_scn snapshot, void *frame,
                                 lg_time deadline);
    /* The buffer is leaving the cache: give up its mode (the block is clean here, or was never
     * changed). After return no message refers to the frame. Blocks the fiber. */
    lg_status (*release)(void *self, struct lg_buf *b);
    /* The current holder has written `version` to the block's place, durably: past images up to
     * it may go. Never blocks. */
    void (*written)(void *self, lg_addr addr, lg_version version);
    /* This instance needs redo space or a checkpoint and its past image of addr is in the way:
     * ask the current holder to write the block. Never blocks; idempotent. */
    void (*demand_write)(void *self, lg_addr addr, lg_version version);
} lg_coherence_ops;

typedef struct lg_coherence {
    const lg_coherence_ops *ops;
    void *self;
} lg_coherence;

/* The local implementation: one instance, no peers. */
extern const lg_coherence_ops lg_coherence_local;

#endif
