/* Double-write area: block writes that a crash cannot tear (invariant 10).
 *
 * A batch of sealed block images goes first, in one sequential write, to this instance's area of
 * the volume (durable when complete), then lazily to the blocks' places, then a sync of each disk.
 * The area has two halves used in turn; a half is reused only after its batch is synced at its
 * places. The images describe themselves (address, version, checksum): recovery needs no directory
 * of the area. When every disk writes whole blocks atomically the area is skipped.
 *
 * One batch is in flight at a time; further callers queue.
 */
#ifndef LG_BUF_DWB_H
#define LG_BUF_DWB_H

#include "volume.h"

typedef struct lg_dwb lg_dwb;

typedef struct lg_dwb_block {
    lg_volume_place place;
    const void *image; /* sealed; block_bytes */
    lg_status status;  /* out: of the write to its place */
} lg_dwb_block;

/* slot: the instance's area. */
LG_MUST lg_status lg_dwb_create(lg_run *run, lg_volume *v, uint32_t slot, lg_dwb **ret_dwb);
void lg_dwb_destroy(lg_dwb *d);                /* idle; NULL is fine */
uint32_t lg_dwb_batch_blocks(const lg_dwb *d); /* most blocks in one lg_dwb_write */

/* Writes count blocks; LG_OK: all are durable at their places. On an error none may be taken for
 * written, and all may have been. Places that fail are tried again for some seconds. Blocks the
 * fiber. */
LG_MUST lg_status lg_dwb_write(lg_dwb *d, lg_dwb_block *blocks, uint32_t count);
/* Not LG_OK: some places may be torn, and only the area has them whole. Nothing more can be written
 * through it; the instance must stop, so that it is recovered. */
lg_status lg_dwb_broken(const lg_dwb *d);

/* The next batch goes to the half that does not hold the image at this index of lg_dwb_scan: for
 * recovery, whose own area may hold the only good copies of what it repairs. */
void lg_dwb_spare(lg_dwb *d, uint32_t index);

/* Reads the images in a (dead) instance's area. fn is called for each valid one; it may block. */
LG_MUST lg_status lg_dwb_scan(lg_run *run, lg_volume *v, uint32_t slot,
                              lg_status (*fn)(void *arg, lg_addr addr, const void *image,
                                              uint32_t index),
                              void *arg);

#endif
