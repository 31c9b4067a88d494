/* Heap: rows of bytes in slotted blocks, versioned by undo.
 *
 * A row keeps its row id {block 32, slot 16} for life. Updated in place, moved within its block, or
 * migrated behind a forward pointer. Rows above LG_HEAP_INLINE_MAX go out of line as a whole, lz4
 * compressed when that helps; callers see one run of bytes up to 1 GiB.
 *
 * ROW LOCKS are in the block: the ITL slot of the locker in the row's header (exclusive: one slot;
 * shared: a bitmap over slots), so they cost no message and any number of rows can be locked.
 * Modes and conflicts are PostgreSQL's. They end with the transaction or at rollback to a
 * savepoint.
 *
 * WRITES (insert, update, delete, lock) look at the present row. With a snapshot:
 *     LG_OK        done
 *     LG_UPDATED   a transaction that the snapshot does not see changed the row and committed (or
 *                  out.self: this transaction did, after the snapshot). lock: locked all the same.
 *                  update, delete: nothing done. READ COMMITTED: fetch with snap NULL, check the
 *                  condition again, call again with snap NULL; REPEATABLE READ: LG_SERIALIZATION.
 *     LG_DELETED   the row is gone (out.self: by this transaction, after the snapshot)
 *     LG_IN_DOUBT  out.xid is in the way: lg_txn_wait(t, out.xid), then call again. Nothing done.
 * snap NULL: whatever the last committed version is: LG_UPDATED is not returned.
 * An update whose new version moved does not change the row id.
 *
 * All calls block the fiber (I/O, peers) and must be made with no latch held. lg_row bytes returned
 * are copies in the arena, or, in scans, live until the next call. Errors: LG_TOO_LARGE (above 1
 * GiB), LG_UNDO_FULL, LG_DISK_FULL, LG_SNAPSHOT_TOO_OLD, LG_DEADLOCK and LG_LOCK_NOT_AVAILABLE
 * (waiting for an ITL slot), LG_IO, LG_CORRUPT.
 */
#ifndef LG_HEAP_HEAP_H
#define LG_HEAP_HEAP_H

#include "arena.h"
#include "undo_ops.h"

typedef uint64_t lg_rowid; /* block << 16 | slot */
#define LG_ROWID_NONE   UINT64_MAX
#define LG_HEAP_ROW_MAX (1u << 30)

static inline lg_rowid
lg_rowid_make(uint32_t block, uint16_t slot)
{
    return (uint64_t)block << 16 | slot;
}

typedef enum lg_heap_lock {
    LG_HEAP_KEY_SHARE = 0,
    LG_HEAP_SHARE = 1,
    LG_HEAP_NO_KEY_UPDATE = 2,
    LG_HEAP_UPDATE = 3,
} lg_heap_lock;

typedef struct lg_heap_out {
    lg_xid xid; /* LG_IN_DOUBT: wait for it */
    bool self;  /* LG_UPDATED, LG_DELETED: by this transaction itself */
} lg_heap_out;

/* At instance start: heap's undo and block operations. */
void lg_heap_register(lg_txn_sys *s);

LG_MUST lg_status lg_heap_row_insert(lg_txn *t, lg_segment *g, const void *row, uint32_t len,
                                     lg_rowid *ret_rowid);

typedef struct lg_heap_row {
    lg_rowid id;
    const uint8_t *bytes;
    uint32_t len;
} lg_heap_row;

/* Many rows: those that one block takes go in by one mini-transaction with one undo record. Fills
 * in their ids. On an error some may be in: the caller goes back to a savepoint. */
LG_MUST lg_status lg_heap_rows_insert(lg_txn *t, lg_segment *g, lg_heap_row *rows, uint32_t n);
/* keys_change: whether columns of a key may change (lock mode UPDATE instead of NO KEY UPDATE). */
LG_MUST lg_status lg_heap_row_update(lg_txn *t, lg_segment *g, lg_rowid id, const lg_snapshot *snap,
                                     const void *row, uint32_t len, bool keys_change,
                                     lg_heap_out *ret_out);
LG_MUST lg_status lg_heap_row_delete(lg_txn *t, lg_segment *g, lg_rowid id, const lg_snapshot *snap,
                                     lg_heap_out *ret_out);
LG_MUST lg_status lg_heap_row_lock(lg_txn *t, lg_segment *g, lg_rowid id, const lg_snapshot *snap,
                                   lg_heap_lock mode, lg_heap_out *ret_out);

/* Before a row is read that is to be changed: brings its block here in X at once, rather than a
 * copy first and the block afterwards, and tells how the present row stands to the snapshot (not
 * NULL): LG_OK, LG_UPDATED (also when only undo could tell), LG_DELETED, LG_IN_DOUBT as above.
 * Changes and locks nothing. */
LG_MUST lg_status lg_heap_row_claim(lg_txn *t, lg_segment *g, lg_rowid id, const lg_snapshot *snap,
                                    lg_heap_out *ret_out);

/* The version the snapshot sees, copied into the arena. LG_NOT_FOUND: none. snap NULL: the newest
 * version that is committed or own (in doubt ones are looked through). */
LG_MUST lg_status lg_heap_row_fetch(lg_txn *t, lg_segment *g, lg_rowid id, const lg_snapshot *snap,
                                    lg_arena *a, const uint8_t **ret_row, uint32_t *ret_len);

/* The same when that is certainly the newest version that is committed on any instance, or our own:
 * the block is here in S or X, and the snapshot sees the row's last change. Else LG_RETRY. Asks
 * nobody. */
LG_MUST lg_status lg_heap_row_newest(lg_txn *t, lg_segment *g, lg_rowid id, const lg_snapshot *snap,
                                     lg_arena *a, const uint8_t **ret_row, uint32_t *ret_len);

/* ---- sequential scan ---- */

typedef struct lg_heap_scan lg_heap_scan;

/* The snapshot is copied. Blocks [first, last) of the segment; last 0: to the high-water mark as of
 * now. Different fibers may scan disjoint ranges. */
LG_MUST lg_status lg_heap_scan_open(lg_txn *t, lg_segment *g, const lg_snapshot *snap,
                                    uint32_t first, uint32_t last, lg_heap_scan **ret_scan);
/* Up to max rows, of several blocks (never 0 with LG_OK); their bytes live until the next call.
 * LG_END at the end. */
LG_MUST lg_status lg_heap_scan_next(lg_heap_scan *sc, lg_heap_row *rows, uint32_t max,
                                    uint32_t *ret_n);
/* The same without copies: shows the rows of the next block (or of what is left of one) to fn where
 * they lie; the bytes are gone when fn returns. fn must not block, as the block is latched; it
 * answers false when it cannot take the row: that row comes first at the next call. LG_END. */
typedef bool (*lg_heap_visit_fn)(void *arg, lg_rowid id, const uint8_t *bytes, uint32_t len);
LG_MUST lg_status lg_heap_scan_visit(lg_heap_scan *sc, lg_heap_visit_fn fn, void *arg);

/* For who keeps what visits showed: where the scan is. */
typedef struct lg_heap_place {
    uint32_t at;         /* block that the last visit finished */
    uint32_t next, last; /* block to be visited next; end */
    bool inside;         /* the last block was not shown to its end */
    lg_scn scn;          /* of the snapshot */
    lg_version settled;  /* of the block that the last visit finished, when every snapshot from scn
                            on sees the same rows in it as long as it keeps this version; else 0 */
} lg_heap_place;
void lg_heap_scan_place(const lg_heap_scan *sc, lg_heap_place *ret);
/* Goes on with another block; not when inside one. */
void lg_heap_scan_skip(lg_heap_scan *sc, uint32_t block);
/* Are these blocks readable here now, and in these versions? Never blocks; false: perhaps not. */
typedef struct lg_heap_seen {
    uint32_t block;
    lg_version version;
} lg_heap_seen;
bool lg_heap_scan_same(const lg_heap_scan *sc, const lg_heap_seen *seen, uint32_t n);
void lg_heap_scan_close(lg_heap_scan *sc); /* NULL is fine */

/* ---- for tests and views ---- */

/* Checks the structure of a heap block image. LG_CORRUPT. */
LG_MUST lg_status lg_heap_block_check(const void *block, uint32_t block_bytes);

#endif
