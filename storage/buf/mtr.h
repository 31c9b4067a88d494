/* Mini-transaction: the only way to change a block. Latch, change through the mtr, commit.
 *
 *     again:
 *         lg_mtr_begin(&m, cache);
 *         st = lg_mtr_get(&m, heap_addr, LG_LATCH_X, 0, &heap);     // first get: may wait
 *         if (st == LG_OK)
 *             st = lg_mtr_get(&m, undo_addr, LG_LATCH_X, 0, &undo); // later: LG_RETRY, no wait
 *         if (st == LG_RETRY) { LG_TRY(lg_mtr_restart(&m)); goto again; }  // waits holding nothing
 *         lg_mtr_set(&m, heap, off, bytes, len); ...
 *         lg_mtr_commit(&m, &lsn);
 *
 * - All gets come before the first change (asserted): until then abandoning costs nothing.
 * - commit appends one redo record covering every changed block {address, version before, version
 *   after, ops}, stamps the new versions, marks the buffers dirty, unlatches. It blocks only for
 *   redo space, which is reserved at the first change... so commit itself cannot fail.
 * - A debug build (LG_DEBUG) keeps before-images, replays the record on them and compares.
 * - lg_mtr_unlatch_early lets go of a block that was only read.
 */
#ifndef LG_BUF_MTR_H
#define LG_BUF_MTR_H

#include "buf.h"

#define LG_MTR_MAX_BLOCKS 24

enum lg_mtr_get_flags {
    LG_MTR_NEW = 1,   /* the block will be formatted: its content is not needed */
    LG_MTR_FIRST = 2, /* with NEW: nobody ever formatted it, so there is nothing on disk to read */
};

typedef struct lg_mtr_block {
    lg_buf *buf;
    lg_latch_mode latch;
    bool changed;
} lg_mtr_block;

typedef struct lg_mtr {
    lg_buf_cache *cache;
    lg_mtr_block blocks[LG_MTR_MAX_BLOCKS];
    uint32_t block_count;
    bool changed;
    lg_addr want; /* what LG_RETRY was about */
    lg_latch_mode want_latch;
    unsigned want_flags;
    bool want_redo;
    struct lg_mtr_log *log; /* the record being built; internal */
} lg_mtr;

void lg_mtr_begin(lg_mtr *m, lg_buf_cache *cache);
/* A block already in the mtr is returned again (its latch must suffice: asserted). The first get
 * may block the fiber; later ones return LG_RETRY instead of waiting for I/O, a peer or a latch
 * that is not free. Errors as lg_buf_get. */
LG_MUST lg_status lg_mtr_get(lg_mtr *m, lg_addr addr, lg_latch_mode latch, unsigned flags,
                             lg_buf **ret_buf);
/* After LG_RETRY: unlatches everything, waits until the wanted block is here, begins again. */
LG_MUST lg_status lg_mtr_restart(lg_mtr *m);
void lg_mtr_unlatch_early(lg_mtr *m, lg_buf *b); /* unchanged blocks only */

/* Changes; b must be held X. Offsets from the block's start, beyond the header. */
void lg_mtr_set(lg_mtr *m, lg_buf *b, uint32_t off, const void *bytes, uint32_t len);
void lg_mtr_move(lg_mtr *m, lg_buf *b, uint32_t dst, uint32_t src, uint32_t len);
void lg_mtr_fill(lg_mtr *m, lg_buf *b, uint32_t off, uint8_t byte, uint32_t len);
void lg_mtr_format(lg_mtr *m, lg_buf *b, lg_block_type type);

static inline void
lg_mtr_set_u16(lg_mtr *m, lg_buf *b, uint32_t off, uint16_t v)
{
    lg_mtr_set(m, b, off, &v, sizeof v);
}
static inline void
lg_mtr_set_u32(lg_mtr *m, lg_buf *b, uint32_t off, uint32_t v)
{
    lg_mtr_set(m, b, off, &v, sizeof v);
}
static inline void
lg_mtr_set_u64(lg_mtr *m, lg_buf *b, uint32_t off, uint64_t v)
{
    lg_mtr_set(m, b, off, &v, sizeof v);
}

/* ret_lsn (may be NULL): the end of the record: flush to it to make the change durable. */
void lg_mtr_commit(lg_mtr *m, lg_lsn *ret_lsn);
void lg_mtr_abort(lg_mtr *m); /* only before the first change (asserted) */

#endif
