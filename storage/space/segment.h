/* Segment: a file of blocks that belongs to one table or index, and its free space.
 *
 * LAYOUT  Block 0 is the segment header: kind, high-water mark (hwm). Block 1, and every span of
 * blocks again, is a space map block: one byte for each block of its span. Everything else is the
 * access method's.
 *
 * FREE SPACE BELONGS TO INSTANCES  An instance that runs out of room takes a chunk [hwm, hwm + n)
 * from the header (n grows with the segment, 4 to 64) and uses its blocks alone: instances that
 * insert into one table do not meet in the same blocks. What it has taken it keeps in memory: the
 * pool (new blocks) and the insert targets (blocks with room). A block in which others freed room
 * is offered in the space map (byte > 0) and claimed by whoever sets the byte back to 0. What an
 * instance held when it died stays unused until rows in it are deleted; a clean stop offers it
 * again (lg_space_release).
 *
 * A SEGMENT WITHOUT ROWS OWNS NOTHING  A reserved segment is a file number (4 bytes of the volume's
 * table). The first instance that writes begins it: one AU, then header, first map and what the
 * access method wants in LG_SEGMENT_FIRST_BLOCK, in one mini-transaction under the header's X. A
 * crash in between leaves an AU without a header: still empty, and the next writer goes on from there.
 * Who reads asks lg_segment_begun, which looks at the file table (coherent) until it says yes.
 *
 * SCANS  Every block ever formatted is below the hwm, which is read coherently. Blocks of a chunk
 * not used yet are of type LG_BLOCK_FREE (all zero): skip them.
 *
 * LIFE    lg_space (one per instance) -> lg_segment handles, cached by file, valid until the
 * segment is dropped or the space destroyed. Not counted: table locks keep a handle in use alive.
 * BLOCKS  all but lg_segment_note/_unalloc may block the fiber; call them with no latch held.
 * ERRORS  LG_DISK_FULL, LG_IO, LG_CORRUPT, LG_NOT_FOUND (no such file).
 */
#ifndef LG_SPACE_SEGMENT_H
#define LG_SPACE_SEGMENT_H

#include "buf.h"

/* The first block lg_segment_alloc gives out in a new segment: a B-tree's root, a sequence's block.
 */
#define LG_SEGMENT_FIRST_BLOCK 2u

typedef struct lg_space lg_space;
typedef struct lg_segment lg_segment;

typedef enum lg_segment_kind {
    LG_SEGMENT_HEAP = 1,
    LG_SEGMENT_BTREE = 2,
    LG_SEGMENT_SEQUENCE = 3,
    LG_SEGMENT_UNDO = 4,
} lg_segment_kind;

LG_MUST lg_status lg_space_create(lg_buf_cache *cache, lg_space **ret_space);
void lg_space_destroy(lg_space *s); /* NULL is fine */
/* Clean stop: offers what this instance had taken to all. */
LG_MUST lg_status lg_space_release(lg_space *s);
lg_buf_cache *lg_space_cache(const lg_space *s);

/* A new file with a formatted header and map. Not transactional: the caller drops it when its
 * transaction fails. */
LG_MUST lg_status lg_segment_create(lg_space *s, lg_segment_kind kind, uint32_t *ret_file);
LG_MUST lg_status lg_segment_open(lg_space *s, uint32_t file, lg_segment **ret_seg);
/* A segment that takes no space until lg_segment_begin. Not transactional either. */
LG_MUST lg_status lg_segment_reserve(lg_space *s, uint32_t *ret_file);
/* Opens one that may not have begun yet. */
LG_MUST lg_status lg_segment_open_reserved(lg_space *s, uint32_t file, lg_segment_kind kind,
                                           lg_segment **ret_seg);
LG_MUST lg_status lg_segment_begun(lg_segment *g, bool *ret);
/* Idempotent, from any instance. first: formats LG_SEGMENT_FIRST_BLOCK; NULL: nothing there. Done by
 * lg_segment_alloc and _target themselves for kinds that need no first block. */
struct lg_mtr;
LG_MUST lg_status lg_segment_begin(lg_segment *g, void (*first)(struct lg_mtr *m, lg_buf *b));
/* Gives the file's space back. Nobody uses the segment any more, on any instance; other instances
 * call lg_segment_forget. TRUNCATE = a new segment, and drop of the old one after commit. */
LG_MUST lg_status lg_segment_drop(lg_space *s, uint32_t file);
/* How lg_segment_drop has the other instances call lg_segment_forget before any block of the file
 * can be given to another: wired by core/instance. It may block. */
void lg_space_set_forget(lg_space *s, lg_status (*forget)(void *arg, uint32_t file), void *arg);
LG_MUST lg_status lg_segment_forget(lg_space *s, uint32_t file); /* drops buffers and handle */
/* Finishes the drops of instances that died in the middle (space_file.h). Blocks. */
LG_MUST lg_status lg_space_sweep(lg_space *s);

/* The next file after *file (0: from the first on) that has begun and is a segment of rows, entries
 * or a sequence, or was to become one when its maker died; not undo, not what is no segment. For
 * those who look for segments that nobody knows of. LG_END. */
LG_MUST lg_status lg_space_segment_next(lg_space *s, uint32_t *file);

uint32_t lg_segment_file(const lg_segment *g);
lg_segment_kind lg_segment_kind_of(const lg_segment *g);
lg_space *lg_segment_space(const lg_segment *g);
lg_buf_cache *lg_segment_cache(const lg_segment *g);
/* The high-water mark, as of now on all instances: blocks 0 .. n-1 may be in use. 0: not begun. */
LG_MUST lg_status lg_segment_blocks(lg_segment *g, uint32_t *ret_blocks);
/* Is this block a segment header or space map (not the access method's)? */
bool lg_segment_is_meta(const lg_segment *g, uint32_t block);

/* ---- whole blocks (B-tree nodes, large values, new heap blocks) ---- */

/* A block of ours to format; *ret_flags: for lg_mtr_get (LG_MTR_NEW, LG_MTR_FIRST). Given out once;
 * unalloc takes it back when it was not formatted after all. */
LG_MUST lg_status lg_segment_alloc(lg_segment *g, uint32_t *ret_block, unsigned *ret_flags);
void lg_segment_unalloc(lg_segment *g, uint32_t block);
/* The block's content is not needed by anybody any more: offers it for alloc. */
LG_MUST lg_status lg_segment_free(lg_segment *g, uint32_t block);

/* ---- insert targets (heap) ---- */

/* A block believed to have room for `need` bytes. *ret_flags not 0: it must be formatted, as after
 * lg_segment_alloc. The caller tells the outcome with lg_segment_note in any case. */
LG_MUST lg_status lg_segment_target(lg_segment *g, uint32_t need, uint32_t *ret_block,
                                    unsigned *ret_flags);
/* What is left in a block of ours. A block that is not a target becomes one when room >= a quarter
 * of a block (up to a bound; what is beyond is offered in the map by lg_segment_offer). */
void lg_segment_note(lg_segment *g, uint32_t block, uint32_t room);
/* Writes offers that lg_segment_note collected into the map. Cheap when there is none. */
LG_MUST lg_status lg_segment_offer(lg_segment *g);

#endif
