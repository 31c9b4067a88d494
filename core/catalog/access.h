/* Access: the seam between relations and the access methods that store them.
 *
 * A table is a segment of rows with stable row ids; an index a segment of (key, row id) entries in
 * memcmp order, without versions: the row decides what a snapshot sees. The implementation over
 * storage/heap and storage/btree is access_storage.h (wired by core/instance); unit tests have one
 * in memory. `arg` is the implementation's; `txn` and `snap` pass through opaquely. A snapshot
 * always sees the transaction's own changes.
 *
 * All calls may block the fiber (I/O, another instance, a row lock). Row bytes are lg_row_encode's;
 * those returned live in the arena given. */
#ifndef LG_CATALOG_ACCESS_H
#define LG_CATALOG_ACCESS_H

#include "catalog.h"

struct lg_txn;
struct lg_snapshot;

typedef uint64_t lg_tid; /* block << 16 | slot: the tid datum */
#define LG_TID_NONE UINT64_MAX

typedef enum lg_seg_kind { LG_SEG_HEAP = 1, LG_SEG_BTREE = 2, LG_SEG_SEQUENCE = 3 } lg_seg_kind;

typedef enum lg_row_lockmode { /* PostgreSQL's, weakest first */
                               LG_ROW_KEY_SHARE = 0,
                               LG_ROW_SHARE = 1,
                               LG_ROW_NO_KEY_UPDATE = 2,
                               LG_ROW_UPDATE = 3,
} lg_row_lockmode;

typedef enum lg_row_wait { LG_WAIT_BLOCK, LG_WAIT_SKIP, LG_WAIT_ERROR } lg_row_wait;

typedef struct lg_seq_state {
    int64_t last_value;
    bool is_called;
} lg_seq_state;

typedef struct lg_access_row {
    lg_tid tid;
    const uint8_t *bytes;
    uint32_t len;
} lg_access_row;

/* Where a visiting scan is; see scan_place. */
typedef struct lg_access_place {
    uint32_t at;         /* block that the last visit finished */
    uint32_t next, last; /* block to be visited next; end */
    bool inside;         /* the last block was not shown to its end */
    uint64_t scn;        /* of the snapshot */
    uint64_t settled;    /* the finished block's version, when every snapshot from scn on sees the
                            same rows in it as long as it keeps this version; else 0 */
} lg_access_place;

typedef struct lg_access_seen {
    uint32_t block;
    uint64_t version;
} lg_access_seen;

typedef struct lg_access_entry {
    const uint8_t *key;
    uint32_t len;
    bool unique;
    lg_tid tid;
} lg_access_entry;

typedef bool (*lg_access_visit_fn)(void *arg, lg_tid tid, const uint8_t *bytes, uint32_t len);

typedef struct lg_access_ops {
    /* Segments. Creation is undone by the catalog when the transaction fails; drop is final. */
    lg_status (*segment_create)(void *arg, struct lg_txn *txn, lg_seg_kind kind,
                                lg_rel_storage *ret);
    lg_status (*segment_drop)(void *arg, const lg_rel_storage *st);
    /* The next segment with space after *file; LG_END. May be NULL: nobody looks for lost ones. */
    lg_status (*segment_next)(void *arg, uint32_t *file);
    lg_status (*segment_blocks)(void *arg, const lg_rel_storage *st, uint32_t *ret_blocks);

    /* Rows. */
    lg_status (*row_insert)(void *arg, struct lg_txn *txn, const lg_rel_storage *st,
                            const void *row, size_t len, lg_tid *ret_tid);
    /* Many rows at once: fills in their tids. After an error some may be in: rollback_to. NULL: not
     * offered, nor are entries_insert, savepoint and rollback_to. */
    lg_status (*rows_insert)(void *arg, struct lg_txn *txn, const lg_rel_storage *st,
                             lg_access_row *rows, uint32_t n);
    /* Many entries of one index, in ascending (key, row id) order: as rows_insert and
     * entry_insert (which says whose LG_EXISTS is about). */
    lg_status (*entries_insert)(void *arg, struct lg_txn *txn, const lg_rel_storage *st,
                                const lg_access_entry *entries, uint32_t n);
    /* Where the transaction stands, and back to there. */
    uint64_t (*savepoint)(void *arg, struct lg_txn *txn);
    lg_status (*rollback_to)(void *arg, struct lg_txn *txn, uint64_t savepoint);
    /* The version that the snapshot sees; LG_NOT_FOUND: none. snap NULL: the newest committed or
     * own version instead (after a lock). */
    lg_status (*row_fetch)(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap,
                           const lg_rel_storage *st, lg_tid tid, lg_arena *a,
                           const uint8_t **ret_row, size_t *ret_len);
    /* row_fetch when the snapshot's version is certainly the newest that is committed on any instance
     * (or the transaction's own); LG_RETRY: not certain, or no version. Asks no other instance. May
     * be NULL. */
    lg_status (*row_newest)(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap,
                            const lg_rel_storage *st, lg_tid tid, lg_arena *a,
                            const uint8_t **ret_row, size_t *ret_len);
    /* Before row_fetch of a row that is to be changed: its block comes here for writing at once.
     * wait: also until nobody else is changing the row. *ret_changed: the newest version may not be
     * the snapshot's. Locks nothing. May be NULL. LG_OK, LG_DEADLOCK, LG_LOCK_NOT_AVAILABLE, a cancel.
     */
    lg_status (*row_claim)(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap,
                           const lg_rel_storage *st, lg_tid tid, bool wait, bool *ret_changed);
    /* LG_OK; LG_UPDATED / LG_DELETED: changed since the snapshot (LG_UPDATED from row_lock: it is
     * locked all the same; from row_update and row_delete: nothing was done);
     * LG_EXISTS (row_lock): locked; this transaction itself made or changed it after the snapshot;
     * LG_WOULD_WAIT: LG_WAIT_SKIP; LG_LOCK_NOT_AVAILABLE: LG_WAIT_ERROR; LG_DEADLOCK, ... */
    lg_status (*row_lock)(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap,
                          const lg_rel_storage *st, lg_tid tid, lg_row_lockmode mode,
                          lg_row_wait wait);
    lg_status (*row_update)(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap,
                            const lg_rel_storage *st, lg_tid tid, const void *row, size_t len,
                            bool keys_change);
    lg_status (*row_delete)(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap,
                            const lg_rel_storage *st, lg_tid tid);
    lg_status (*scan_open)(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap,
                           const lg_rel_storage *st, void **ret_scan);
    /* LG_END at the end. */
    lg_status (*scan_next)(void *scan, lg_arena *a, lg_tid *ret_tid, const uint8_t **ret_row,
                           size_t *ret_len);
    void (*scan_close)(void *scan);
    /* Up to max rows at once (never 0 with LG_OK): they live until the next call. LG_END. May be
     * NULL: then scan_next is used. Not mixed with scan_next on one scan. */
    lg_status (*scan_rows)(void *scan, lg_access_row *rows, uint32_t max, uint32_t *ret_n);
    /* Shows some rows where they lie: their bytes are gone when fn returns. fn must not block;
     * false: it cannot take the row, which comes again at the next call. LG_END. May be NULL. */
    lg_status (*scan_visit)(void *scan, lg_access_visit_fn fn, void *arg);
    /* For who keeps what visits showed (core/columns): where the scan is; goes on with another
     * block, not when inside one; are blocks readable here now and of these versions (never blocks,
     * false: perhaps not)? All three or none. */
    void (*scan_place)(void *scan, lg_access_place *ret);
    void (*scan_skip)(void *scan, uint32_t block);
    bool (*scan_same)(void *scan, const lg_access_seen *seen, uint32_t n);

    /* Index entries. unique: LG_EXISTS and the row's id when another live row has the key (after
     * waiting for one in doubt). */
    lg_status (*entry_insert)(void *arg, struct lg_txn *txn, const lg_rel_storage *st,
                              const void *key, size_t len, lg_tid tid, bool unique,
                              lg_tid *ret_conflict);
    /* All entries of a new index at once: next gives them in ascending (key, row id) order until
     * LG_END. Not undone: the segment goes when the transaction fails. May be NULL. */
    lg_status (*index_build)(void *arg, struct lg_txn *txn, const lg_rel_storage *st,
                             lg_status (*next)(void *next_arg, const uint8_t **key, uint32_t *len,
                                               lg_tid *tid),
                             void *next_arg);
    /* The live row with this key in a unique index. LG_NOT_FOUND. */
    lg_status (*entry_probe)(void *arg, struct lg_txn *txn, const lg_rel_storage *st,
                             const void *key, size_t len, lg_tid *ret_tid);
    /* LG_NOT_FOUND: there is none, as there may be in an index that is still being built. */
    lg_status (*entry_delete)(void *arg, struct lg_txn *txn, const lg_rel_storage *st,
                              const void *key, size_t len, lg_tid tid);
    /* Entries with lo <= key < hi in memcmp order (a proper prefix is less). hi_len 0: to the end.
     * Entries of rows that the snapshot does not see may come too. */
    lg_status (*index_open)(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap,
                            const lg_rel_storage *st, const void *lo, size_t lo_len, const void *hi,
                            size_t hi_len, bool backward, void **ret_scan);
    /* ret_key lives until the next call. recheck: the row that the snapshot sees may have another
     * key: compute it again and compare. */
    lg_status (*index_next)(void *scan, const uint8_t **ret_key, size_t *ret_key_len,
                            lg_tid *ret_tid, bool *ret_recheck);
    void (*index_close)(void *scan);

    /* The snapshot of all that is committed now: for reading the catalog. In the arena. */
    const struct lg_snapshot *(*snapshot_latest)(void *arg, struct lg_txn *txn, lg_arena *a);

    /* What commits have been given so far, and what all running snapshots on all instances see: an
     * SCN. May be NULL. */
    uint64_t (*scn_now)(void *arg);
    uint64_t (*scn_seen)(void *arg);

    /* Sequences: fn sees and changes the state with the block held exclusively; must not block.
     * Not transactional; durable when it returns. */
    lg_status (*seq_modify)(void *arg, const lg_rel_storage *st, void (*fn)(void *, lg_seq_state *),
                            void *fn_arg);
    /* A ring of 64-bit words beside a sequence's state. append: n words, at most 128, not
     * transactional, durable before the transaction's commit is. read: the words after number *at,
     * which moves on; LG_LIMIT: some of them are gone, *at is the end now. */
    lg_status (*ring_append)(void *arg, const lg_rel_storage *st, const uint64_t *words,
                             uint32_t n);
    lg_status (*ring_read)(void *arg, const lg_rel_storage *st, uint64_t *at, uint64_t *words,
                           uint32_t cap, uint32_t *ret_n);
} lg_access_ops;

struct lg_columns;

typedef struct lg_access {
    const lg_access_ops *ops;
    void *arg;
    struct lg_columns *columns; /* of tables scanned often (core/columns); NULL: none are kept */
} lg_access;

#endif
