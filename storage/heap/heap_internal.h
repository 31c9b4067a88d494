/* Inside of storage/heap: the slotted block.
 *
 * BLOCK    block header | heap_head | ITL (head.nitl entries) | slots (head.nslots) | gap | rows
 * Rows grow down from the end; data_low is the lowest. A slot: {off, len}; off 0: no row. len 1
 * with off 0 is a tombstone: the row was deleted, its room is used again, its number not before
 * tomb_scn is below the horizon.
 *
 * ROW      row header | bytes. `cap` bytes are the row's: a version that shrank keeps its room
 * until its transaction has ended, so that rollback always finds it (invariant 1 below).
 *
 * ITL      slot k (1..nitl; 0 none): who changed rows here last. scn 0: outcome not marked yet. A
 * slot of a finished transaction is used again; then no row names it any more and its scn is in
 * evicted_scn. Its former content is in the undo of its new user.
 *
 * INVARIANTS
 *  1. Room given up by a transaction that is not finished is not used by others.
 *  2. Undo records of a block are taken back in the exact reverse order of its versions
 * (rec.version).
 *  3. row.itl == 0 or the slot of whoever made its present version.
 */
#ifndef LG_HEAP_INTERNAL_H
#define LG_HEAP_INTERNAL_H

#include "assert.h"
#include "heap.h"
#include <string.h>

typedef struct heap_head {
    uint16_t nslots;
    uint16_t nitl;
    uint16_t data_low;
    uint16_t nfree; /* slots without a row, tombstones too */
    lg_scn evicted_scn;
    lg_scn tomb_scn;
    uint64_t reserved;
} heap_head;
_Static_assert(sizeof(heap_head) == 32, "heap head");

typedef struct heap_itl {
    lg_xid xid;
    lg_uptr uptr;
    lg_scn scn;
    uint32_t flags;
    uint32_t reserved;
} heap_itl;
_Static_assert(sizeof(heap_itl) == 32, "ITL entry");
#define ITL_BOUND 1u /* scn is an upper bound */

typedef struct heap_slot {
    uint16_t off;
    uint16_t len;
} heap_slot;

typedef struct __attribute__((packed)) heap_row {
    uint8_t flags;
    uint8_t itl;
    uint8_t xlock; /* ITL slot of the exclusive locker */
    uint8_t reserved;
    uint16_t cap;
    uint32_t share; /* bit k-1: ITL slot k has it shared */
} heap_row;
_Static_assert(sizeof(heap_row) == 10, "row header");

#define ROW_DELETED  1u
#define ROW_FORWARD  2u  /* bytes: row id of the piece */
#define ROW_MIGRATED 4u  /* a piece: reached through its home only */
#define ROW_LARGE    8u  /* bytes: heap_large */
#define ROW_LZ4      16u /* bytes: length u32, compressed row */
#define ROW_NOKEY    32u /* xlock is NO KEY UPDATE */
#define ROW_STRONG   64u /* share has SHARE lockers, not only KEY SHARE */
#define ROW_CONTENT  (ROW_FORWARD | ROW_MIGRATED | ROW_LARGE | ROW_LZ4)

#define HEAD_OFF    LG_BLOCK_HEADER_BYTES
#define ITL_OFF     64u
#define ITL_MAX     32u
#define ITL_FIRST   2u
#define ROW_HEAD    ((uint32_t)sizeof(heap_row))
#define ROW_CAP_MIN (ROW_HEAD + 8u)

/* A block being looked at or changed: through a mini-transaction, or a private copy (m NULL). */
typedef struct hp {
    lg_mtr *m;
    lg_buf *b;
    uint8_t *d;
    uint32_t bb;
} hp;

static inline void
hp_put(hp *p, uint32_t off, const void *src, uint32_t len)
{
    if (p->m)
        lg_mtr_set(p->m, p->b, off, src, len);
    else
        memcpy(p->d + off, src, len);
}
static inline heap_head
hp_head(const hp *p)
{
    heap_head h;
    memcpy(&h, p->d + HEAD_OFF, sizeof h);
    return h;
}
static inline void
hp_head_put(hp *p, const heap_head *h)
{
    hp_put(p, HEAD_OFF, h, sizeof *h);
}
static inline heap_itl
hp_itl(const hp *p, uint32_t k)
{
    heap_itl i;
    memcpy(&i, p->d + ITL_OFF + (k - 1) * sizeof i, sizeof i);
    return i;
}
static inline void
hp_itl_put(hp *p, uint32_t k, const heap_itl *i)
{
    hp_put(p, ITL_OFF + (k - 1) * (uint32_t)sizeof *i, i, sizeof *i);
}
static inline uint32_t
hp_slot_off(const heap_head *h, uint32_t slot)
{
    return ITL_OFF + h->nitl * (uint32_t)sizeof(heap_itl) + slot * (uint32_t)sizeof(heap_slot);
}
static inline heap_slot
hp_slot(const hp *p, uint32_t slot)
{
    heap_head h = hp_head(p);
    heap_slot s;
    memcpy(&s, p->d + hp_slot_off(&h, slot), sizeof s);
    return s;
}
static inline void
hp_slot_put(hp *p, uint32_t slot, heap_slot s)
{
    heap_head h = hp_head(p);
    hp_put(p, hp_slot_off(&h, slot), &s, sizeof s);
}
static inline heap_row
hp_row(const hp *p, heap_slot s)
{
    heap_row r;
    memcpy(&r, p->d + s.off, sizeof r);
    return r;
}
static inline uint32_t
hp_gap(const hp *p)
{
    heap_head h = hp_head(p);
    return h.data_low - hp_slot_off(&h, h.nslots);
}
static inline bool
hp_is_heap(const void *d)
{
    return ((const lg_block_header *)d)->type == LG_BLOCK_HEAP;
}

/* heap_page.c */
void lg_heap__format(hp *p);
/* Which ITL slot t may use: 0 = none (then *ret_wait: whom to wait for). Changes nothing. */
typedef struct hp_itl_plan {
    uint32_t k;
    bool own, evict, grow;
} hp_itl_plan;
LG_MUST lg_status lg_heap__itl_plan(const hp *p, lg_txn *t, uint32_t room, hp_itl_plan *ret,
                                    lg_xid *ret_wait);
/* Takes it (unless own already): the entry is t's, with no undo pointer yet. */
void lg_heap__itl_take(hp *p, lg_txn *t, const hp_itl_plan *plan);
void lg_heap__cleanout(hp *p, lg_txn *t);
/* Bytes of gap after a compaction. t NULL: a copy, nothing is kept for rollback. */
uint32_t lg_heap__room(const hp *p, lg_txn_sys *s);
void lg_heap__compact(hp *p, lg_txn_sys *s);
/* Puts row bytes (header and content) into the gap, which is large enough; returns the offset. */
uint32_t lg_heap__place(hp *p, const heap_row *r, const void *bytes, uint32_t len, uint32_t cap);
bool lg_heap__slot_pick(const hp *p, lg_scn horizon, uint32_t *ret_slot); /* false: a new one */

/* heap_undo.c */
#define HU_INSERT      1u
#define HU_DELETE      2u
#define HU_UPDATE      3u
#define HU_LOCK        4u
#define HU_INSERT_MANY 5u /* one record for all the rows: their slots follow */
#define HU_HAS_ITL     1u /* flags: the record holds the ITL entry's former content */
typedef struct __attribute__((packed)) hu_prior {
    heap_row row;
    lg_xid itl_xid; /* of row.itl then */
} hu_prior;
LG_MUST lg_status lg_heap__cr(lg_txn_sys *s, lg_txn *t, void *frame, const lg_snapshot *snap);
/* Has another transaction than t changed the row since the snapshot? LG_OK: no; LG_UPDATED. The frame
 * is a copy of the block, which is used up. Blocks the fiber. */
LG_MUST lg_status lg_heap__changed_since(lg_txn_sys *s, lg_txn *t, void *frame, uint32_t slot,
                                         lg_scn scn);
void lg_heap__mark(lg_txn_sys *s, lg_mtr *m, lg_buf *b, lg_xid xid, lg_scn scn);
LG_MUST lg_status lg_heap__apply(const lg_undo_apply *a);
/* Is the slot one of those of an INSERT_MANY record? */
bool lg_heap__many_has(const lg_undo_rec *rec, const uint8_t *payload, uint32_t slot);
#define MANY_MAX 512u /* rows of one such record */

/* heap_read.c */
/* Is what ITL entry i stands for visible? As lg_txn_visible. */
lg_status lg_heap__itl_visible(lg_txn *t, lg_txn_sys *s, const heap_itl *i, lg_scn scn);
typedef struct heap_content {
    uint32_t flags;
    const uint8_t *bytes;
    uint32_t len;
} heap_content;
/* The stored bytes of a row as the snapshot sees it, copied into the arena. */
LG_MUST lg_status lg_heap__content(lg_txn *t, lg_segment *g, lg_rowid id, const lg_snapshot *snap,
                                   lg_arena *a, heap_content *ret);
/* Stored bytes to row bytes. */
LG_MUST lg_status lg_heap__expand(lg_segment *g, lg_arena *a, const heap_content *c,
                                  const uint8_t **ret_row, uint32_t *ret_len);

/* heap_large.c */
typedef struct heap_large {
    uint32_t raw_len;
    uint32_t stored_len; /* == raw_len: not compressed */
    uint32_t first_block;
    uint32_t reserved;
    uint64_t chain_id;
} heap_large;
static inline uint32_t
lg_heap__inline_max(uint32_t bb)
{
    return bb / 4;
}
/* Makes the stored form of a row: *ret_bytes points to row or to memory in the arena. */
LG_MUST lg_status lg_heap__store(lg_segment *g, lg_arena *a, const void *row, uint32_t len,
                                 heap_content *ret);
LG_MUST lg_status lg_heap__large_read(lg_segment *g, const heap_large *l, uint8_t *buf);
LG_MUST lg_status lg_heap__large_free(lg_segment *g, const heap_large *l);

#endif
