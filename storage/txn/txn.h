/* Transactions: xids, commit, rollback, snapshots, row-lock waits.
 *
 * STATES of a transaction that has written (those that have not never get an xid)
 *     ACTIVE      lg_txn_xid gave it a slot; its first undo record writes the slot
 *     COMMITTING  lg_txn_commit took the SCN; the slot's change may not be durable yet
 *     COMMITTED   durable, and heard by every live instance that listens (lg_txn_commit, after both)
 *     ABORTED     all its changes are taken back (lg_txn_rollback)
 * The truth is the slot in the transaction table of the owner's undo segment; the owner also keeps
 * it in memory, and others ask the owner (hooks.resolve_remote). A slot used again (greater wrap)
 * leads to its former content through the first undo record of its new user.
 *
 * SNAPSHOT  {scn, own_seq}: sees what committed at or below scn, and own changes up to record
 * own_seq: a statement does not see what it does itself. A value: copy it freely.
 *
 * COMMIT  SCN -> slot (mtr) -> redo flush and hooks.commit_send/_wait in parallel -> published,
 * waiters woken -> blocks touched last are marked in passing (the commit SCN into their ITL) if
 * still ours.
 *
 * EARLY RELEASE  A transaction whose commit record is in the redo buffer, and that allowed it
 * (lg_txn_release_early), lets local transactions that keep a mark (lg_txn_keep_mark) see its
 * changes and have its rows before the flush: it will not be rolled back any more, and whatever they
 * write lies behind its commit record in the same redo thread, so that a crash takes them with it.
 * Everybody else (other instances, copies made for them, transactions without a mark) goes on to
 * see COMMITTING, and nothing is marked in blocks; so it is always by the xid that an early one is
 * met, and lg_txn_early puts it down in the mark. What goes out to a client waits until everything
 * up to the mark is durable and heard (lg_txn_mark_settle); a commit of one's own settles it too.
 *
 * ROLLBACK  newest record first; each compensation moves the slot's `last` in the same mini-
 * transaction, so a crash in between repeats nothing. To a savepoint: the same, and goes on.
 *
 * WAITING  for a row = for its xid. lg_txn_wait finds local deadlocks at once; cycles over
 * instances are found from outside (lg_txn_visit_waits, lg_txn_kill_wait).
 *
 * BLOCKS  says so at each function. One worker: no locks. An lg_txn is used by one fiber at a time.
 */
#ifndef LG_TXN_TXN_H
#define LG_TXN_TXN_H

#include "undo.h"

typedef struct lg_txn_sys lg_txn_sys; /* of an instance */
typedef struct lg_txn lg_txn;

typedef enum lg_txn_state {
    LG_XID_ACTIVE = 1,
    LG_XID_COMMITTING = 2,
    LG_XID_COMMITTED = 3,
    LG_XID_ABORTED = 4,
} lg_txn_state;

typedef struct lg_txn_status {
    lg_txn_state state;
    lg_scn scn;       /* COMMITTING, COMMITTED */
    bool upper_bound; /* COMMITTED: at or below scn, and scn at or below the snapshot asked for */
} lg_txn_status;

typedef struct lg_snapshot {
    lg_scn scn;
    uint32_t own_seq; /* own changes up to this undo record are seen; UINT32_MAX: all */
} lg_snapshot;

/* Upward calls, wired by core/instance; each may be NULL on a lone instance. */
typedef struct lg_txn_hooks {
    void *arg;
    /* Status of an xid whose undo segment is not open here. The owner must call
     * lg_txn_status_local, which observes the snapshot's SCN. LG_PEER_DOWN: nobody has it open;
     * then the table is read from its block. Blocks the fiber. */
    lg_status (*resolve_remote)(void *arg, lg_xid xid, lg_scn snapshot, lg_txn_status *ret);
    /* Waits until the xid is finished (owner: lg_txn_wait_finished). waiter: for deadlock probes.
     * May return LG_OK early (the caller looks again), LG_DEADLOCK, LG_TIMEOUT, a cancel. */
    lg_status (*wait_remote)(void *arg, lg_xid waiter, lg_xid xid, lg_time deadline);
    /* Tells every live instance that listens the SCN of a commit; wait: until all have heard it. */
    void (*commit_send)(void *arg, lg_scn scn);
    lg_status (*commit_wait)(void *arg, lg_scn scn);
    /* Blocks until the clock is past every commit that any instance has acknowledged. */
    lg_status (*fresh)(void *arg, bool cancelable);
    /* The oldest snapshot in use on any other instance (a recent value will do); LG_SCN_MAX none.
     */
    lg_scn (*oldest_snapshot)(void *arg);
    /* A local transaction begins / has ended to wait for an xid: arms deadlock probes. how: how the
     * wait ended; LG_DEADLOCK when it begins: it would have been one, and does not wait. */
    void (*wait_changed)(void *arg, lg_xid waiter, lg_xid target, bool waiting, lg_status how);
} lg_txn_hooks;

typedef struct lg_txn_config {
    lg_undo *undo;
    lg_space *space;
    uint16_t useg; /* our own undo segment */
    lg_txn_hooks hooks;
} lg_txn_config;

/* Opens our undo segment and loads its table. Transactions that a crash left active are in the
 * table: start lg_txn_recover_segment(own) in a fiber. Blocks the fiber. */
LG_MUST lg_status lg_txn_sys_create(const lg_txn_config *cfg, lg_txn_sys **ret_sys);
void lg_txn_sys_destroy(lg_txn_sys *s); /* no transaction is running; NULL is fine */
lg_space *lg_txn_sys_space(lg_txn_sys *s);
lg_undo *lg_txn_sys_undo(lg_txn_sys *s);
const lg_undo_seg *lg_txn_sys_own_undo(const lg_txn_sys *s); /* NULL: none is open */
lg_buf_cache *lg_txn_sys_cache(lg_txn_sys *s);
lg_run *lg_txn_sys_run(lg_txn_sys *s);

/* ---- one transaction ---- */

lg_txn *lg_txn_begin(lg_txn_sys *s); /* cheap; never fails */
/* Both free the transaction, whatever they return, except LG_FENCED and LG_IO from commit, where
 * the outcome is unknown: the instance must stop. Block the fiber; not cancelable. */
LG_MUST lg_status lg_txn_commit(lg_txn *t);
LG_MUST lg_status lg_txn_rollback(lg_txn *t);

/* Before lg_txn_commit: see EARLY RELEASE. Not for one that changed what is cached beside blocks (the
 * catalog), or that tells others of itself in other ways (notifications). */
void lg_txn_release_early(lg_txn *t);
/* The transaction may see what is committed and not durable yet; *mark, which outlives it, says up to
 * which early release it has. 0: nothing. */
void lg_txn_keep_mark(lg_txn *t, uint64_t *mark);
/* Is xid, which is COMMITTING, released early, and may t know it? Then it is in t's mark. */
bool lg_txn_early(lg_txn *t, lg_xid xid);
/* Waits until what a mark stands for is durable and heard. An error: the redo thread is broken. Blocks
 * the fiber; not cancelable. */
LG_MUST lg_status lg_txn_mark_settle(lg_txn_sys *s, uint64_t *mark);

lg_xid lg_txn_xid(const lg_txn *t); /* LG_XID_NONE until it has written */
lg_txn_sys *lg_txn_sys_of(const lg_txn *t);
bool lg_txn_has_written(const lg_txn *t);
/* Gives it an xid if it has none (deadlock detection names waiters by xid). While all slots are
 * active it waits for one, at most five seconds; then LG_UNDO_FULL. May block. */
LG_MUST lg_status lg_txn_assign(lg_txn *t);
/* Deadline of the row-lock waits inside heap and btree calls; LG_FOREVER at begin. */
void lg_txn_set_lock_deadline(lg_txn *t, lg_time deadline);

/* After it, a snapshot has in it whatever was acknowledged on any instance before the call. Without
 * it, only what this instance has heard of: enough for who reads nothing but the newest version of
 * rows that it holds (lg_heap_row_claim), since who brings a block or an outcome brings its SCN.
 * Blocks the fiber, seldom. LG_SHUTDOWN; a cancel if it may be canceled. */
LG_MUST lg_status lg_txn_fresh(lg_txn_sys *s, bool cancelable);
/* A snapshot taken without it, as of now; what it sees of t itself stays the same. */
LG_MUST lg_status lg_txn_snapshot_renew(lg_txn *t, lg_snapshot *snap);
/* A snapshot as of now. The transaction holds purge back at its oldest until
 * lg_txn_snapshots_done (no statement or cursor of it is open). */
void lg_txn_snapshot(lg_txn *t, lg_snapshot *ret);
void lg_txn_snapshots_done(lg_txn *t);
/* A snapshot taken before, by a transaction of any instance that still holds it (an exported one).
 * LG_INVALID: it is in the future, or what it needs may be gone already. */
LG_MUST lg_status lg_txn_snapshot_at(lg_txn *t, lg_scn scn, lg_snapshot *ret);
/* The same SCN, and all own changes made so far: for the next statement of REPEATABLE READ. */
void lg_txn_snapshot_refresh_own(const lg_txn *t, lg_snapshot *snap);
/* As of now, but with the own changes that it saw: good only while nothing that was read under it
 * can have changed since. */
void lg_txn_snapshot_advance(const lg_txn *t, lg_snapshot *snap);
/* Nothing at or below it is needed by any snapshot any more. */
lg_scn lg_txn_horizon(lg_txn_sys *s);
lg_scn lg_txn_oldest_local_snapshot(lg_txn_sys *s); /* for hooks.oldest_snapshot of others */

typedef struct lg_txn_savepoint {
    uint32_t seq;
} lg_txn_savepoint;
void lg_txn_savepoint_take(const lg_txn *t, lg_txn_savepoint *ret);
/* Takes back everything after the savepoint, row locks too. Blocks the fiber. */
LG_MUST lg_status lg_txn_rollback_to(lg_txn *t, lg_txn_savepoint sp);

/* ---- status of other transactions ---- */

/* Without waiting (latches may be held): own memory or cache. LG_WOULD_WAIT: ask lg_txn_resolve. An
 * ACTIVE answer is good for readers at `snapshot` or older: it will commit above. */
LG_MUST lg_status lg_txn_peek(lg_txn_sys *s, lg_xid xid, lg_scn snapshot, lg_txn_status *ret);
/* Blocks the fiber (RPC, undo blocks): no latch held. A reader that gets COMMITTING with scn at or
 * below its snapshot calls lg_txn_wait_outcome. LG_SNAPSHOT_TOO_OLD. */
LG_MUST lg_status lg_txn_resolve(lg_txn_sys *s, lg_xid xid, lg_scn snapshot, lg_txn_status *ret);
LG_MUST lg_status lg_txn_wait_outcome(lg_txn_sys *s, lg_xid xid);
/* Forgets a cached ACTIVE answer (a writer must know the present). */
void lg_txn_forget_active(lg_txn_sys *s, lg_xid xid);
/* An instance died. Forgets all cached answers but that something is committed, with its SCN: a
 * rollback that was told was not durable, no more was the slot's next user. Recovery finds such a
 * transaction active and takes its changes back once more; until then they must be waited for. */
void lg_txn_forget_doubtful(lg_txn_sys *s);

/* Is what xid did visible to t at the snapshot? LG_OK, LG_NOT_VISIBLE, LG_WOULD_WAIT (then call
 * lg_txn_settle without latches and look again). Own changes: LG_OK (compare seq yourself). */
LG_MUST lg_status lg_txn_visible(lg_txn *t, lg_xid xid, lg_scn snapshot);
LG_MUST lg_status lg_txn_settle(lg_txn_sys *s, lg_xid xid, lg_scn snapshot);

/* Waits until xid is finished. t->lock deadline and cancel apply: LG_OK (look again), LG_DEADLOCK,
 * LG_LOCK_NOT_AVAILABLE (deadline), a cancel. Blocks the fiber. */
LG_MUST lg_status lg_txn_wait(lg_txn *t, lg_xid xid);

/* Handlers of the hooks' RPCs, at the owner. LG_NOT_FOUND: that undo segment is not open here. */
LG_MUST lg_status lg_txn_status_local(lg_txn_sys *s, lg_xid xid, lg_scn snapshot,
                                      lg_txn_status *ret);
LG_MUST lg_status lg_txn_wait_finished(lg_txn_sys *s, lg_xid xid, lg_time deadline);

/* Somebody, here or for another instance, waits for it to end. */
bool lg_txn_awaited(const lg_txn *t);

/* For GES: edges of the wait graph (waiting local transaction -> xid), and the victim. */
typedef void (*lg_txn_wait_fn)(void *arg, lg_xid waiter, lg_xid target);
void lg_txn_visit_waits(lg_txn_sys *s, lg_txn_wait_fn fn, void *arg);
/* What the local transaction waits for; LG_XID_NONE when it does not wait or is not here. */
lg_xid lg_txn_waiting_for(lg_txn_sys *s, lg_xid waiter);
/* Ends its wait with `why` (LG_DEADLOCK). false: it is not waiting any more. */
bool lg_txn_kill_wait(lg_txn_sys *s, lg_xid waiter, lg_status why);

/* Running transactions, for views. */
typedef struct lg_txn_info {
    lg_xid xid;
    lg_txn_state state;
    lg_scn snapshot;
    lg_xid waiting_for;
    lg_time began_at;
} lg_txn_info;
typedef void (*lg_txn_info_fn)(void *arg, const lg_txn_info *info);
void lg_txn_visit(lg_txn_sys *s, lg_txn_info_fn fn, void *arg);

/* ---- recovery ---- */

/* Adopts the undo segment (of a dead instance, or our own after a crash): its statuses are answered
 * here from now on, its active transactions are rolled back one by one. After redo recovery. Blocks
 * the fiber until all are rolled back; run it in its own. An error: of the first transaction that could
 * not be; it stays active with what it locks, the others are done. May be called again: each record
 * taken back is done for good. LG_SHUTDOWN: after lg_txn_recovery_stop. */
LG_MUST lg_status lg_txn_recover_segment(lg_txn_sys *s, uint16_t useg);
/* This system ends soon: rollbacks of adopted transactions end at their next record with LG_SHUTDOWN.
 * Whoever loads the segment next goes on from there. */
void lg_txn_recovery_stop(lg_txn_sys *s);
/* Loads the table only: answers from now on, rolls nothing back yet. recover_segment does both. */
LG_MUST lg_status lg_txn_adopt_segment(lg_txn_sys *s, uint16_t useg);
/* Others may load it now: after the rollback, or after one that failed, whose transactions then are
 * active as the table's blocks say. */
void lg_txn_release_segment(lg_txn_sys *s, uint16_t useg);
/* Are its transactions answered for here? At most one instance may (see core/instance). */
bool lg_txn_segment_loaded(const lg_txn_sys *s, uint16_t useg);
uint32_t lg_txn_recovering(lg_txn_sys *s); /* transactions of adopted segments still active */

#endif
