/* B-tree: ordered entries (key, row id), keys compared with memcmp (a proper prefix is less).
 *
 * Entries carry no versions: an entry names the transaction that last inserted or marked it, and a
 * delete mark. Where that one committed at or below the snapshot, it decides; else THE HEAP ROW DECIDES
 * what a snapshot sees: an entry returned by a scan may be stale (the row's visible version has another
 * key, or none). The contract with exec:
 *   - scan -> fetch the row at the same snapshot -> none: skip -> compute its key again and compare
 *     with the entry's: differs: skip. (A row with several entries in range is thus returned once.)
 *   - when !entry.heap_check (all that is in the entry is visible to the snapshot) neither is
 * needed.
 *   - an entry is inserted only when a new version has a key that the old one had not, and deleted
 *     (marked) when the new version has it no more or the row is deleted; within one transaction.
 *
 * Lehman-Yao: every node has a high key and right link; a split is two mini-transactions, with a
 * flag on the left node in between that anybody who meets it completes. Nodes are never unlinked. A
 * reader or writer that was held up looks at the high key again and moves right. The root stays in
 * its block. Marked entries whose transaction no snapshot can miss any more are pruned when a leaf
 * is full.
 *
 * Rollback is logical, by key. UNIQUE: the first leaf that may hold the key is held X while all
 * equal keys are looked at, so of two racing inserts one sees the other.
 *
 * All calls block the fiber; no latch held. Key up to LG_BTREE_KEY_MAX bytes: else LG_TOO_LARGE.
 */
#ifndef LG_BTREE_BTREE_H
#define LG_BTREE_BTREE_H

#include "undo_ops.h"

#define LG_BTREE_KEY_MAX 2600u /* blocks of 8 KiB and more; a third of a 4 KiB block: 1200 */

typedef struct lg_btree_out {
    uint64_t rowid; /* LG_DUPLICATE_KEY: whose it is; LG_IN_DOUBT: the row in doubt */
    lg_xid xid;     /* LG_IN_DOUBT: lg_txn_wait(t, xid), then call again */
} lg_btree_out;

void lg_btree_register(lg_txn_sys *s);

/* Makes the root of a new LG_SEGMENT_BTREE segment. */
LG_MUST lg_status lg_btree_init(lg_segment *g);
/* The same for a reserved segment, when it is first written to. Idempotent. */
LG_MUST lg_status lg_btree_begin(lg_segment *g);

/* unique: LG_DUPLICATE_KEY, LG_IN_DOUBT (nothing done). Inserting an entry that is there and marked
 * brings it to life; one that is there and live is LG_EXISTS (unique or not). */
LG_MUST lg_status lg_btree_insert(lg_txn *t, lg_segment *g, const void *key, uint32_t len,
                                  uint64_t rowid, bool unique, lg_btree_out *ret_out);

typedef struct lg_btree_item {
    const uint8_t *key;
    uint32_t len;
    bool unique;
    uint64_t rowid;
} lg_btree_item;
/* Many, in ascending (key, row id) order; equal keys are all unique or all not. Those that go into
 * one leaf go in by one mini-transaction with one undo record. *ret_done of them are in; after
 * anything but LG_OK the next one is what the status is about, and the call may be repeated with
 * what is left. */
LG_MUST lg_status lg_btree_insert_many(lg_txn *t, lg_segment *g, const lg_btree_item *items,
                                       uint32_t n, uint32_t *ret_done, lg_btree_out *ret_out);
/* Marks. LG_NOT_FOUND: no such live entry. */
LG_MUST lg_status lg_btree_delete(lg_txn *t, lg_segment *g, const void *key, uint32_t len,
                                  uint64_t rowid);
/* Is there a live entry with this key (as a unique insert would find)? LG_OK: out.rowid;
 * LG_NOT_FOUND; LG_IN_DOUBT. For INSERT ... ON CONFLICT. */
LG_MUST lg_status lg_btree_probe(lg_txn *t, lg_segment *g, const void *key, uint32_t len,
                                 lg_btree_out *ret_out);

/* ---- range scan ---- */

typedef struct lg_btree_scan lg_btree_scan;

typedef struct lg_btree_entry {
    const uint8_t *key; /* lives until the next call */
    uint32_t len;
    uint64_t rowid;
    bool heap_check;
} lg_btree_entry;

/* Entries with lo <= key < hi in order, or backward in reverse order. lo_len 0: from the start;
 * hi_len 0: to the end. Bounds and snapshot are copied; snap NULL: all entries, also marked ones.
 */
LG_MUST lg_status lg_btree_scan_open(lg_txn *t, lg_segment *g, const lg_snapshot *snap,
                                     const void *lo, uint32_t lo_len, const void *hi,
                                     uint32_t hi_len, bool backward, lg_btree_scan **ret_scan);
LG_MUST lg_status lg_btree_scan_next(lg_btree_scan *sc, lg_btree_entry *ret); /* LG_END */
void lg_btree_scan_close(lg_btree_scan *sc);

/* ---- bulk build (CREATE INDEX) ---- */

/* Into a freshly initialised tree that nobody else uses yet, entries in ascending (key, row id)
 * order. Not undone: the segment is dropped when the transaction fails. They are t's entries: snapshots
 * before its commit ask the rows (all do when t has written nothing before). */
typedef struct lg_btree_build lg_btree_build;
LG_MUST lg_status lg_btree_build_begin(lg_txn *t, lg_segment *g, lg_btree_build **ret_build);
LG_MUST lg_status lg_btree_build_add(lg_btree_build *b, const void *key, uint32_t len,
                                     uint64_t rowid);
LG_MUST lg_status lg_btree_build_finish(lg_btree_build *b); /* frees it, also on error */

/* Sweeps the whole tree for marked entries that nobody can need. */
LG_MUST lg_status lg_btree_purge(lg_txn_sys *s, lg_segment *g, uint64_t *ret_removed);

typedef struct lg_btree_stat {
    uint32_t levels;
    uint64_t inner, leaves, entries, marked;
} lg_btree_stat;
/* Checks every invariant of the tree at rest (nobody is changing it): order, bounds, links, levels.
 * LG_CORRUPT. */
LG_MUST lg_status lg_btree_check(lg_segment *g, lg_btree_stat *ret_stat);

#endif
