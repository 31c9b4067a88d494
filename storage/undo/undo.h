/* Undo: the records that take changes back, kept in undo segments.
 *
 * An undo segment belongs to an instance slot; only its owner appends (after the owner's death,
 * only the adopter changes its transaction table). Its file: block 0            control: owner,
 * extent directory (ring sequence number per extent) blocks 1..T        transaction tables
 * (storage/txn keeps the slots) the rest           extents of extent_aus MiB, used as a ring in the
 * order of their sequence numbers. All transactions of an instance append to one current block: small
 * transactions share blocks.
 *
 * POINTERS  lg_uptr = {undo segment 16, block 32, offset 16}; 0 = none. A record carries its xid
 * and number, so a reader that follows a pointer into reused space notices: LG_SNAPSHOT_TOO_OLD.
 *
 * RETENTION An extent is reused when no active transaction has records in it and the last one that
 * had ended more than undo_retention ago; else the segment grows to keep_bytes. From there on
 * finished undo is reused early (old snapshots then get LG_SNAPSHOT_TOO_OLD), and only open
 * transactions make the segment grow, to max_bytes; when even that is not possible: LG_UNDO_FULL.
 * Undo of an active transaction is never overwritten. As segments do not shrink, keep_bytes is what
 * versions for old snapshots may take from the tables.
 *
 * WRITING (inside a mini-transaction, own undo last):
 *     lg_undo_reserve(seg, len)              no latch held; may block, may open the next extent
 *     lg_undo_get(seg, mtr, len, &place)     latches the block for it; LG_RETRY as lg_mtr_get
 *     lg_undo_append(seg, mtr, &place, ...)  after which nothing can fail
 */
#ifndef LG_UNDO_UNDO_H
#define LG_UNDO_UNDO_H

#include "mtr.h"
#include "segment.h"

typedef uint64_t lg_xid; /* undo segment 16 | slot 16 | wrap 32; 0 = none */
typedef uint64_t lg_uptr;

#define LG_XID_NONE 0

static inline lg_xid
lg_xid_make(uint16_t useg, uint16_t slot, uint32_t wrap)
{
    return (uint64_t)useg << 48 | (uint64_t)slot << 32 | wrap;
}
static inline uint16_t
lg_xid_useg(lg_xid x)
{
    return (uint16_t)(x >> 48);
}
static inline uint16_t
lg_xid_slot(lg_xid x)
{
    return (uint16_t)(x >> 32);
}
static inline uint32_t
lg_xid_wrap(lg_xid x)
{
    return (uint32_t)x;
}
static inline lg_uptr
lg_uptr_make(uint16_t useg, uint32_t block, uint16_t off)
{
    return (uint64_t)useg << 48 | (uint64_t)block << 16 | off;
}
static inline uint16_t
lg_uptr_useg(lg_uptr p)
{
    return (uint16_t)(p >> 48);
}
static inline uint32_t
lg_uptr_block(lg_uptr p)
{
    return (uint32_t)(p >> 16);
}
static inline uint16_t
lg_uptr_off(lg_uptr p)
{
    return (uint16_t)p;
}

/* Who takes a record back: see txn/undo_ops.h. On disk: never renumber. */
typedef enum lg_undo_kind {
    LG_UNDO_TXN = 1,   /* first record of a transaction: what its slot held before */
    LG_UNDO_HEAP = 2,  /* storage/heap */
    LG_UNDO_BTREE = 3, /* storage/btree */
    LG_UNDO_KIND_COUNT
} lg_undo_kind;

/* As stored, then `len` bytes of payload. */
typedef struct lg_undo_rec {
    lg_xid xid;
    lg_uptr prev;       /* the transaction's record before this one */
    lg_uptr prev_block; /* the same transaction's record before this one about the same block */
    uint32_t seq;       /* number of the record in its transaction, from 1 */
    uint32_t file;      /* what it is about */
    uint32_t block;
    uint16_t slot;
    uint16_t len;       /* of the payload */
    uint8_t kind;       /* lg_undo_kind */
    uint8_t op;         /* the kind's own */
    uint8_t flags;      /* the kind's own */
    uint8_t itl;        /* the kind's own */
    uint32_t check;     /* lg_undo_append fills it in */
    lg_version version; /* the block's before the change: the order in which to take back */
} lg_undo_rec;

_Static_assert(sizeof(lg_undo_rec) == 56, "undo record header");

typedef struct lg_undo lg_undo;         /* of an instance: all undo segments it reads or writes */
typedef struct lg_undo_seg lg_undo_seg; /* one it appends to */

typedef struct lg_undo_config {
    lg_space *space;
    uint64_t retention_ms;
    uint64_t max_bytes;  /* of one segment; 0 = 1 GiB */
    uint64_t keep_bytes; /* of one segment, for finished undo; 0 = max_bytes */
    uint32_t extent_aus; /* of segments that are made from now on; 0 = 1 */
    /* The file of an undo segment, of whichever owner. Must not block. */
    lg_status (*file_of)(void *arg, uint16_t useg, uint32_t *ret_file);
    void *arg;
} lg_undo_config;

LG_MUST lg_status lg_undo_create(const lg_undo_config *cfg, lg_undo **ret_undo);
void lg_undo_destroy(lg_undo *u);
lg_undo_config *lg_undo_cfg(lg_undo *u); /* retention and limit may be changed at any time */

/* Creates the file of a new undo segment (at database creation, when an instance is added). */
LG_MUST lg_status lg_undo_segment_create(lg_undo *u, uint16_t useg, uint32_t *ret_file);
/* Opens our own segment for appending. Begins in a fresh extent. */
LG_MUST lg_status lg_undo_segment_open(lg_undo *u, uint16_t useg, lg_undo_seg **ret_seg);
void lg_undo_segment_close(lg_undo_seg *s);

#define LG_UNDO_TABLES 4      /* transaction table blocks 1..4 */
typedef struct lg_undo_info { /* gv$undostat */
    uint16_t useg;
    uint32_t file;
    uint64_t extents, extent_bytes, max_bytes;
    uint64_t active, unexpired,
        expired;    /* extents: of open transactions, younger than retention, older */
    uint64_t holds; /* transactions with undo */
    uint64_t retention_ms;
    lg_time
        reach_ns; /* how far back the oldest version that is left reaches; 0: nothing was reused */
    uint64_t reused, reused_early; /* extents; early: before retention was over */
} lg_undo_info;
void lg_undo_info_get(const lg_undo_seg *s, lg_undo_info *ret);

lg_addr lg_undo_table_addr(lg_undo *u, uint16_t useg, uint32_t table); /* LG_ADDR_NONE: unknown */

/* A transaction's hold on undo: from its first record on, nothing from there on is reused. Embedded
 * in lg_txn. */
typedef struct lg_undo_hold {
    lg_list link;
    uint64_t first_seq; /* ring sequence of the extent of its first record; 0 = none yet */
    uint64_t last_seq;
} lg_undo_hold;
void lg_undo_hold_init(lg_undo_hold *h);
void lg_undo_hold_release(lg_undo_seg *s, lg_undo_hold *h); /* the transaction has ended */
/* Holds every extent of before the restart: what a transaction that a crash left may need. Not what is
 * written since, so that one which cannot be rolled back does not fill the segment. */
void lg_undo_hold_old(lg_undo_seg *s, lg_undo_hold *h);

typedef struct lg_undo_place {
    lg_buf *buf;
    uint16_t off;
    bool fresh; /* the block is to be formatted */
    uint32_t block;
} lg_undo_place;

#define LG_UNDO_MAX_PAYLOAD(block_bytes)                                                           \
    ((block_bytes)-32u - 32u - (uint32_t)sizeof(lg_undo_rec) * 2u)

LG_MUST lg_status lg_undo_reserve(lg_undo_seg *s, uint32_t payload_len);
/* payload_len: of all records to be appended, each plus sizeof(lg_undo_rec). */
LG_MUST lg_status lg_undo_get(lg_undo_seg *s, lg_mtr *m, uint32_t total_len,
                              lg_undo_place *ret_place);
/* rec->len bytes of payload. Several may be appended to one place. */
lg_uptr lg_undo_append(lg_undo_seg *s, lg_mtr *m, lg_undo_place *p, lg_undo_hold *h,
                       const lg_undo_rec *rec, const void *payload);

/* Copies a record (payload to buf of block size). xid: whose it must be. Blocks the fiber: no latch
 * held. LG_SNAPSHOT_TOO_OLD: it is gone. */
LG_MUST lg_status lg_undo_read(lg_undo *u, lg_uptr p, lg_xid xid, lg_undo_rec *ret_rec, void *buf);
/* The newest record of xid in the block of p, at or after p (crash: the table names the first one
 * of the last block). LG_SNAPSHOT_TOO_OLD when p itself is not of xid. */
LG_MUST lg_status lg_undo_last_in_block(lg_undo *u, lg_uptr p, lg_xid xid, lg_uptr *ret_last);

#endif
