/* Undo operations: how an access method takes one undo record back, on a private block copy
 * (consistent read) or for real (rollback). Upward call 5 of the five, and what access methods use
 * to write undo.
 *
 *     again:
 *         LG_TRY(lg_txn_undo_reserve(t, len));                  // no latch held
 *         lg_mtr_begin(&m, cache);
 *         st = lg_mtr_get(&m, data block, X);
 *         st = lg_txn_undo_get(t, &m, len, &u);                 // own undo last
 *         if (st == LG_RETRY) { restart, goto again }
 *         p = lg_txn_undo_append(t, &m, &u, &rec, payload);     // first change
 *         ... change the data block, lg_mtr_commit
 */
#ifndef LG_TXN_UNDO_OPS_H
#define LG_TXN_UNDO_OPS_H

#include "txn.h"

/* One record being taken back for real. The access method runs one mini-transaction that changes
 * its block and calls lg_txn_undo_done_get before its first change, lg_txn_undo_done after. */
typedef struct lg_undo_apply {
    lg_txn *txn; /* being rolled back; of a dead instance, perhaps */
    lg_uptr at;
    const lg_undo_rec *rec;
    const uint8_t *payload;
} lg_undo_apply;

typedef struct lg_undo_ops {
    lg_undo_kind kind;
    /* Rollback. Blocks the fiber. */
    lg_status (*apply)(const lg_undo_apply *a);
} lg_undo_ops;

/* How blocks of a type are rolled back as a copy, and marked at commit. */
typedef struct lg_block_ops {
    lg_block_type type;
    /* Takes a private copy back to what a snapshot at scn sees; t: whose own changes stay (NULL: of
     * nobody) up to own_seq. Blocks the fiber. LG_SNAPSHOT_TOO_OLD; LG_RETRY: cannot. */
    lg_status (*cr)(lg_txn_sys *s, lg_txn *t, void *frame, const lg_snapshot *snap);
    /* Commit in passing: writes the SCN beside the xid. b is held X; must not block. */
    void (*mark)(lg_txn_sys *s, lg_mtr *m, lg_buf *b, lg_xid xid, lg_scn scn);
} lg_block_ops;

/* At instance start. The tables must outlive the system. */
void lg_txn_register_undo(lg_txn_sys *s, const lg_undo_ops *ops);
void lg_txn_register_block(lg_txn_sys *s, const lg_block_ops *ops);

/* The consistent-read builder that cachefusion calls (upward call 4): takes a copy of a block back
 * to the snapshot. LG_OK; LG_RETRY: this type of block cannot be (ship it in S instead). */
LG_MUST lg_status lg_txn_cr_rollback(lg_txn_sys *s, void *frame, lg_scn snapshot);

/* ---- writing undo ---- */

typedef struct lg_txn_undo {
    lg_undo_place place;
    lg_buf *table; /* the slot's block, when this record must change it */
    bool first;
} lg_txn_undo;

LG_MUST lg_status lg_txn_undo_reserve(lg_txn *t, uint32_t payload_len);
LG_MUST lg_status lg_txn_undo_get(lg_txn *t, lg_mtr *m, uint32_t payload_len, lg_txn_undo *ret);
/* Fills xid, prev and seq of the record; the caller sets file, block, version and its own. */
lg_uptr lg_txn_undo_append(lg_txn *t, lg_mtr *m, lg_txn_undo *u, lg_undo_rec *rec,
                           const void *payload);
uint32_t lg_txn_seq(const lg_txn *t); /* of the last record written */
/* The block was changed by t: marked at commit, and read with own changes by t. */
void lg_txn_touched(lg_txn *t, lg_addr addr);
bool lg_txn_may_have_touched(const lg_txn *t, lg_addr addr);

/* ---- taking it back ---- */

LG_MUST lg_status lg_txn_undo_done_get(const lg_undo_apply *a, lg_mtr *m, lg_buf **ret_table);
void lg_txn_undo_done(const lg_undo_apply *a, lg_mtr *m, lg_buf *table);

#endif
