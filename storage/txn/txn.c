/* Transactions: begin, undo records, commit, rollback, recovery. Model: txn.h.
 *
 * INVARIANTS
 *  1. The slot in the table block names the transaction before any data block does: the same
 *     mini-transaction writes both (first record).
 *  2. From slot.last the newest record can be found: it is in the same block, or `last` is exact.
 *  3. A compensation and the move of slot.last are one mini-transaction.
 *  4. COMMITTED is visible to others only when durable and heard (lg_txn_commit), but for local
 *     transactions that keep a mark: their clients hear nothing of it before.
 */
#include "txn_internal.h"
#include "assert.h"
#include "hash.h"
#include <string.h>

/* ---- the system ---- */

lg_status
lg_txn_sys_create(const lg_txn_config *cfg, lg_txn_sys **ret_sys)
{
    lg_txn_sys *s = lg_zalloc(sizeof *s);
    s->cfg = *cfg;
    s->cache = lg_space_cache(cfg->space);
    s->run = lg_buf_run(s->cache);
    s->clock = lg_buf_clock(s->cache);
    s->segs = lg_map_create();
    s->resolved = lg_zalloc(CACHE_SLOTS * sizeof *s->resolved);
    lg_list_init(&s->txns);
    lg_list_init(&s->early);
    lg_waitq_init(&s->slotq);
    lg_status st = lg_undo_segment_open(cfg->undo, cfg->useg, &s->own_undo);
    if (st == LG_OK)
        st = lg_txn__seg_load(s, cfg->useg, &s->own);
    if (st != LG_OK) {
        lg_txn_sys_destroy(s);
        return st;
    }
    for (uint32_t i = 0; i < s->own->nslots; i++)
        if (s->own->txns[i])
            lg_undo_hold_old(s->own_undo, &s->own->txns[i]->hold);
    *ret_sys = s;
    return LG_OK;
}

void
lg_txn_sys_destroy(lg_txn_sys *s)
{
    if (!s)
        return;
    LG_LIST_FOREACH_SAFE (it, &s->txns)
        lg_txn__free(LG_CONTAINER_OF(it, lg_txn, link));
    size_t pos = 0;
    uint64_t key;
    void *v;
    while (lg_map_next(s->segs, &pos, &key, &v))
        lg_txn__seg_free(v);
    lg_map_destroy(s->segs);
    lg_txn__seg_free(s->own);
    lg_undo_segment_close(s->own_undo);
    lg_free(s->resolved);
    lg_free(s);
}

lg_space *
lg_txn_sys_space(lg_txn_sys *s)
{
    return s->cfg.space;
}

const lg_undo_seg *
lg_txn_sys_own_undo(const lg_txn_sys *s)
{
    return s->own_undo;
}

lg_undo *
lg_txn_sys_undo(lg_txn_sys *s)
{
    return s->cfg.undo;
}

lg_buf_cache *
lg_txn_sys_cache(lg_txn_sys *s)
{
    return s->cache;
}

lg_run *
lg_txn_sys_run(lg_txn_sys *s)
{
    return s->run;
}

void
lg_txn_register_undo(lg_txn_sys *s, const lg_undo_ops *ops)
{
    LG_ASSERT(ops->kind < LG_UNDO_KIND_COUNT);
    s->undo_ops[ops->kind] = ops;
}

void
lg_txn_register_block(lg_txn_sys *s, const lg_block_ops *ops)
{
    LG_ASSERT((unsigned)ops->type < sizeof s->block_ops / sizeof s->block_ops[0]);
    s->block_ops[ops->type] = ops;
}

static const lg_block_ops *
ops_of_block(const lg_txn_sys *s, const void *data)
{
    uint8_t type = ((const lg_block_header *)data)->type;
    return type < sizeof s->block_ops / sizeof s->block_ops[0] ? s->block_ops[type] : NULL;
}

lg_status
lg_txn_cr_rollback(lg_txn_sys *s, void *frame, lg_scn snapshot)
{
    const lg_block_ops *ops = ops_of_block(s, frame);
    if (!ops || !ops->cr)
        return LG_RETRY;
    lg_snapshot snap = {snapshot, UINT32_MAX};
    return ops->cr(s, NULL, frame, &snap);
}

/* ---- begin, snapshots ---- */

lg_txn *
lg_txn__new(lg_txn_sys *s)
{
    lg_txn *t = lg_zalloc(sizeof *t);
    t->sys = s;
    t->state = LG_XID_ACTIVE;
    t->lock_deadline = LG_FOREVER;
    t->began_at = lg_run_now_ns(s->run);
    t->oldest_snapshot = LG_SCN_MAX;
    lg_waitq_init(&t->finishq);
    lg_list_init(&t->early_link);
    lg_undo_hold_init(&t->hold);
    lg_list_push_back(&s->txns, &t->link);
    return t;
}

void
lg_txn__free(lg_txn *t)
{
    lg_list_remove(&t->link);
    lg_list_remove(&t->early_link);
    lg_list_remove(&t->hold.link);
    lg_free(t);
}

lg_txn *
lg_txn_begin(lg_txn_sys *s)
{
    return lg_txn__new(s);
}

lg_xid
lg_txn_xid(const lg_txn *t)
{
    return t->xid;
}

lg_txn_sys *
lg_txn_sys_of(const lg_txn *t)
{
    return t->sys;
}

bool
lg_txn_has_written(const lg_txn *t)
{
    return t->last != 0;
}

void
lg_txn_set_lock_deadline(lg_txn *t, lg_time deadline)
{
    t->lock_deadline = deadline;
}

lg_status
lg_txn_assign(lg_txn *t)
{
    return t->xid != LG_XID_NONE ? LG_OK : lg_txn__slot_take(t->sys, t);
}

lg_status
lg_txn_fresh(lg_txn_sys *s, bool cancelable)
{
    const lg_txn_hooks *h = &s->cfg.hooks;
    return h->fresh ? h->fresh(h->arg, cancelable) : LG_OK;
}

lg_status
lg_txn_snapshot_renew(lg_txn *t, lg_snapshot *snap)
{
    LG_TRY(lg_txn_fresh(t->sys, true));
    lg_txn_snapshot_advance(t, snap);
    return LG_OK;
}

void
lg_txn_snapshot(lg_txn *t, lg_snapshot *ret)
{
    ret->scn = lg_scn_current(t->sys->clock);
    ret->own_seq = t->seq;
    if (ret->scn < t->oldest_snapshot)
        t->oldest_snapshot = ret->scn;
}

void
lg_txn_snapshot_advance(const lg_txn *t, lg_snapshot *snap)
{
    snap->scn = lg_scn_current(t->sys->clock);
}

lg_status
lg_txn_snapshot_at(lg_txn *t, lg_scn scn, lg_snapshot *ret)
{
    if (scn > lg_scn_current(t->sys->clock) || scn < lg_txn_horizon(t->sys))
        return LG_INVALID;
    ret->scn = scn;
    ret->own_seq = t->seq;
    if (scn < t->oldest_snapshot)
        t->oldest_snapshot = scn;
    return LG_OK;
}

void
lg_txn_snapshots_done(lg_txn *t)
{
    t->oldest_snapshot = LG_SCN_MAX;
}

void
lg_txn_snapshot_refresh_own(const lg_txn *t, lg_snapshot *snap)
{
    snap->own_seq = t->seq;
}

lg_scn
lg_txn_oldest_local_snapshot(lg_txn_sys *s)
{
    lg_scn oldest = lg_scn_current(s->clock);
    LG_LIST_FOREACH (it, &s->txns) {
        const lg_txn *t = LG_CONTAINER_OF(it, lg_txn, link);
        if (t->oldest_snapshot < oldest)
            oldest = t->oldest_snapshot;
    }
    return oldest;
}

lg_scn
lg_txn_horizon(lg_txn_sys *s)
{
    lg_scn oldest = lg_txn_oldest_local_snapshot(s);
    if (s->cfg.hooks.oldest_snapshot) {
        lg_scn others = s->cfg.hooks.oldest_snapshot(s->cfg.hooks.arg);
        if (others < oldest)
            oldest = others;
    }
    return oldest;
}

void
lg_txn_savepoint_take(const lg_txn *t, lg_txn_savepoint *ret)
{
    ret->seq = t->seq;
}

/* ---- undo records ---- */

uint32_t
lg_txn_seq(const lg_txn *t)
{
    return t->seq;
}

#define FIRST_EXTRA ((uint32_t)(sizeof(lg_undo_rec) + sizeof(lg_txn_slot)))

lg_status
lg_txn_undo_reserve(lg_txn *t, uint32_t payload_len)
{
    LG_ASSERT(t->state == LG_XID_ACTIVE && !t->recovering);
    LG_TRY(lg_txn_assign(t));
    return lg_undo_reserve(t->sys->own_undo,
                           payload_len + (t->last == 0 ? (uint32_t)sizeof(lg_txn_slot) : 0));
}

lg_status
lg_txn_undo_get(lg_txn *t, lg_mtr *m, uint32_t payload_len, lg_txn_undo *ret)
{
    uint32_t off;
    ret->first = t->last == 0;
    ret->table = NULL;
    uint32_t total = payload_len + (uint32_t)sizeof(lg_undo_rec) + (ret->first ? FIRST_EXTRA : 0);
    LG_TRY(lg_undo_get(t->sys->own_undo, m, total, &ret->place));
    if (ret->first || t->force_table || ret->place.block != t->last_block) {
        lg_addr a = lg_txn__slot_addr(t->sys, t->seg, lg_xid_slot(t->xid), &off);
        LG_TRY(lg_mtr_get(m, a, LG_LATCH_X, 0, &ret->table));
    }
    return LG_OK;
}

lg_uptr
lg_txn_undo_append(lg_txn *t, lg_mtr *m, lg_txn_undo *u, lg_undo_rec *rec, const void *payload)
{
    lg_undo_seg *us = t->sys->own_undo;
    lg_txn_slot *sl = &t->seg->slots[lg_xid_slot(t->xid)];
    if (u->first) {
        lg_undo_rec head = {.xid = t->xid, .len = sizeof t->before, .kind = LG_UNDO_TXN};
        t->last = lg_undo_append(us, m, &u->place, &t->hold, &head, &t->before);
        sl->first = t->last;
    }
    rec->xid = t->xid;
    rec->prev = t->last;
    rec->seq = ++t->seq;
    lg_uptr at = lg_undo_append(us, m, &u->place, &t->hold, rec, payload);
    if (u->table) {
        uint32_t off;
        (void)lg_txn__slot_addr(t->sys, t->seg, lg_xid_slot(t->xid), &off);
        sl->last = u->first ? t->last : at;
        sl->flags = 0;
        lg_txn__slot_put(m, u->table, off, sl);
        t->force_table = false;
    }
    t->last = at;
    t->last_block = u->place.block;
    return at;
}

static uint64_t
bloom_bit(lg_addr addr)
{
    return lg_hash_u64(lg_addr_key(addr)) % (BLOOM_WORDS * 64);
}

void
lg_txn_touched(lg_txn *t, lg_addr addr)
{
    uint64_t bit = bloom_bit(addr);
    t->bloom[bit / 64] |= 1ULL << bit % 64;
    uint32_t n = t->touched_count < TXN_TOUCHED ? t->touched_count : TXN_TOUCHED;
    for (uint32_t i = 0; i < n; i++)
        if (lg_addr_key(t->touched[i]) == lg_addr_key(addr))
            return;
    t->touched[t->touched_count++ % TXN_TOUCHED] = addr;
}

bool
lg_txn_may_have_touched(const lg_txn *t, lg_addr addr)
{
    uint64_t bit = bloom_bit(addr);
    return t->bloom[bit / 64] >> bit % 64 & 1;
}

/* ---- the end of a transaction ---- */

/* The slot as it is in memory goes to its table block. */
static lg_status
slot_write(lg_txn *t, lg_lsn *ret_lsn)
{
    uint32_t slot = lg_xid_slot(t->xid), off;
    lg_addr a = lg_txn__slot_addr(t->sys, t->seg, slot, &off);
    lg_mtr m;
    lg_buf *b;
    for (;;) {
        lg_mtr_begin(&m, t->sys->cache);
        lg_status st = lg_mtr_get(&m, a, LG_LATCH_X, 0, &b);
        if (st == LG_OK)
            break;
        if (st != LG_RETRY) {
            lg_mtr_abort(&m);
            return st;
        }
        LG_TRY(lg_mtr_restart(&m));
        lg_mtr_abort(&m);
    }
    lg_txn__slot_put(&m, b, off, &t->seg->slots[slot]);
    lg_mtr_commit(&m, ret_lsn);
    return LG_OK;
}

/* Publishes the outcome, wakes waiters, lets go of the slot and the undo. */
static void
finish(lg_txn *t, lg_txn_state state)
{
    lg_txn_sys *s = t->sys;
    lg_txn_slot *sl = &t->seg->slots[lg_xid_slot(t->xid)];
    t->state = state;
    if (t->last == 0 && !t->recovering)
        *sl = t->before; /* nothing on disk knows of it */
    else
        sl->state = (uint8_t)state;
    t->seg->txns[lg_xid_slot(t->xid)] = NULL;
    lg_list_remove(&t->early_link);
    if (t->recovering)
        t->seg->recovering--;
    lg_undo_hold_release(s->own_undo, &t->hold);
    lg_txn_status st = {state, sl->scn, false};
    if (t->last != 0)
        lg_txn__cache_put(s, t->xid, &st, LG_SCN_MAX);
    lg_waitq_wake_all(&t->finishq);
    lg_waitq_wake_one(&s->slotq);
}

/* Commit in passing: blocks that we still hold and nobody is using. */
static void
mark_touched(lg_txn *t, lg_scn scn)
{
    lg_txn_sys *s = t->sys;
    uint32_t n = t->touched_count < TXN_TOUCHED ? t->touched_count : TXN_TOUCHED;
    for (uint32_t i = 0; i < n; i++) {
        lg_buf *b = lg_buf_find(s->cache, t->touched[i]);
        if (!b)
            continue;
        const lg_block_ops *ops = b->valid ? ops_of_block(s, b->data) : NULL;
        bool ours = b->mode == LG_MODE_X && !b->revoking && !b->converting &&
                    lg_latch_idle(&b->latch) && ops && ops->mark;
        lg_mtr m;
        lg_buf *same;
        if (ours) {
            lg_mtr_begin(&m, s->cache);
            if (lg_mtr_get(&m, t->touched[i], LG_LATCH_X, 0, &same) == LG_OK)
                ops->mark(s, &m, same, t->xid, scn);
            if (m.changed)
                lg_mtr_commit(&m, NULL);
            else
                lg_mtr_abort(&m);
        }
        lg_buf_unpin(s->cache, b);
    }
}

void
lg_txn_release_early(lg_txn *t)
{
    t->release_early = true;
}

void
lg_txn_keep_mark(lg_txn *t, uint64_t *mark)
{
    t->mark = mark;
}

/* The commit record is in the redo buffer: local transactions that keep a mark go on. */
static void
let_go_early(lg_txn *t)
{
    lg_txn_sys *s = t->sys;
    t->early_seq = ++s->early_seq;
    lg_list_push_back(&s->early, &t->early_link);
    lg_waitq_wake_all(&t->finishq);
}

/* What t saw early lies before its own commit record, and has smaller SCNs. */
static void
mark_clear(lg_txn *t)
{
    if (t->mark)
        *t->mark = 0;
}

lg_status
lg_txn_commit(lg_txn *t)
{
    lg_txn_sys *s = t->sys;
    const lg_txn_hooks *h = &s->cfg.hooks;
    if (t->last == 0) { /* read only */
        if (t->xid != LG_XID_NONE)
            finish(t, LG_XID_COMMITTED);
        lg_txn__free(t);
        return LG_OK;
    }
    lg_txn_slot *sl = &t->seg->slots[lg_xid_slot(t->xid)];
    sl->scn = lg_scn_next(s->clock);
    sl->state = (uint8_t)LG_XID_COMMITTING; /* in memory; the block gets COMMITTED */
    t->state = LG_XID_COMMITTING;
    lg_lsn lsn;
    lg_txn_slot durable = *sl;
    durable.state = (uint8_t)LG_XID_COMMITTED;
    uint32_t off;
    lg_addr a = lg_txn__slot_addr(s, t->seg, lg_xid_slot(t->xid), &off);
    lg_mtr m;
    lg_buf *b;
    lg_mtr_begin(&m, s->cache);
    lg_status st = lg_mtr_get(&m, a, LG_LATCH_X, 0, &b);
    if (st != LG_OK) {
        lg_mtr_abort(&m);
        return st;
    }
    lg_txn__slot_put(&m, b, off, &durable);
    lg_mtr_commit(&m, &lsn);
    if (h->commit_send)
        h->commit_send(h->arg, sl->scn);
    if (t->release_early)
        let_go_early(t);
    LG_TRY(lg_redo_flush(lg_buf_redo(s->cache), lsn));
    if (h->commit_wait)
        LG_TRY(h->commit_wait(h->arg, sl->scn));
    lg_scn scn = sl->scn;
    finish(t, LG_XID_COMMITTED);
    mark_clear(t);
    mark_touched(t, scn);
    lg_txn__free(t);
    return LG_OK;
}

lg_status
lg_txn_undo_done_get(const lg_undo_apply *a, lg_mtr *m, lg_buf **ret_table)
{
    uint32_t off;
    lg_txn *t = a->txn;
    lg_addr addr = lg_txn__slot_addr(t->sys, t->seg, lg_xid_slot(t->xid), &off);
    return lg_mtr_get(m, addr, LG_LATCH_X, 0, ret_table);
}

void
lg_txn_undo_done(const lg_undo_apply *a, lg_mtr *m, lg_buf *table)
{
    uint32_t off;
    lg_txn *t = a->txn;
    LG_ASSERT(t->last == a->at);
    (void)lg_txn__slot_addr(t->sys, t->seg, lg_xid_slot(t->xid), &off);
    lg_txn_slot *sl = &t->seg->slots[lg_xid_slot(t->xid)];
    sl->last = a->rec->prev;
    sl->flags |= SLOT_EXACT;
    lg_txn__slot_put(m, table, off, sl);
    t->last = a->rec->prev;
    t->force_table = true;
    lg_stat_inc(lg_run_stats(t->sys->run), LG_STAT_ROLLBACK_CHANGES);
}

lg_status
lg_txn__undo_to(lg_txn *t, uint32_t seq)
{
    lg_txn_sys *s = t->sys;
    uint8_t *payload = lg_alloc(lg_buf_block_bytes(s->cache));
    lg_status st = LG_OK;
    while (t->last != 0) {
        lg_undo_rec rec;
        lg_uptr at = t->last;
        LG_CHECK(lg_undo_read(s->cfg.undo, at, t->xid, &rec, payload));
        if (rec.seq <= seq || rec.kind == LG_UNDO_TXN)
            break;
        if (t->recovering && s->recovery_stopped) {
            st = LG_SHUTDOWN;
            goto out;
        }
        const lg_undo_ops *ops = rec.kind < LG_UNDO_KIND_COUNT ? s->undo_ops[rec.kind] : NULL;
        if (!ops) {
            st = LG_CORRUPT;
            goto out;
        }
        lg_undo_apply a = {t, at, &rec, payload};
        LG_CHECK(ops->apply(&a));
        LG_ASSERT(t->last == rec.prev);
    }
out:
    lg_free(payload);
    return st == LG_SNAPSHOT_TOO_OLD ? LG_CORRUPT : st; /* undo of an active one cannot be gone */
}

lg_status
lg_txn_rollback_to(lg_txn *t, lg_txn_savepoint sp)
{
    LG_ASSERT(t->state == LG_XID_ACTIVE);
    lg_status st = lg_txn__undo_to(t, sp.seq);
    lg_waitq_wake_all(&t->finishq); /* row locks were let go: waiters look again */
    return st;
}

/* Takes everything back and ends it; t lives on when that fails (only a broken instance does). */
static lg_status
rollback(lg_txn *t)
{
    if (t->last != 0) {
        LG_TRY(lg_txn__undo_to(t, 0));
        lg_txn_slot *sl = &t->seg->slots[lg_xid_slot(t->xid)];
        sl->state = (uint8_t)LG_XID_ABORTED;
        lg_lsn lsn;
        lg_status st = slot_write(t, &lsn);
        if (st != LG_OK) {
            sl->state = (uint8_t)LG_XID_ACTIVE;
            return st;
        }
    }
    if (t->xid != LG_XID_NONE)
        finish(t, LG_XID_ABORTED);
    return LG_OK;
}

lg_status
lg_txn_rollback(lg_txn *t)
{
    LG_TRY(rollback(t));
    lg_txn__free(t);
    return LG_OK;
}

void
lg_txn_visit(lg_txn_sys *s, lg_txn_info_fn fn, void *arg)
{
    LG_LIST_FOREACH (it, &s->txns) {
        const lg_txn *t = LG_CONTAINER_OF(it, lg_txn, link);
        lg_txn_info info = {t->xid, t->state, t->oldest_snapshot, t->waiting_for, t->began_at};
        fn(arg, &info);
    }
}

/* ---- recovery ---- */

lg_status
lg_txn_adopt_segment(lg_txn_sys *s, uint16_t useg)
{
    if (lg_txn__seg_find(s, useg))
        return LG_OK;
    lg_txn_seg *g;
    LG_TRY(lg_txn__seg_load(s, useg, &g));
    LG_ASSERT(!lg_txn__seg_find(s, useg));
    lg_map_put(s->segs, useg, g);
    return LG_OK;
}

lg_status
lg_txn_recover_segment(lg_txn_sys *s, uint16_t useg)
{
    LG_TRY(lg_txn_adopt_segment(s, useg));
    lg_txn_seg *g = lg_txn__seg_find(s, useg);
    lg_status st = LG_OK;
    for (uint32_t i = 0; i < g->nslots && !s->recovery_stopped; i++) {
        lg_txn *t = g->txns[i];
        if (!t || !t->recovering)
            continue;
        lg_status one = rollback(t);
        if (one == LG_OK)
            lg_txn__free(t);
        else if (st == LG_OK)
            st = one;
    }
    return s->recovery_stopped && g->recovering ? LG_SHUTDOWN : st;
}

void
lg_txn_recovery_stop(lg_txn_sys *s)
{
    s->recovery_stopped = true;
}

void
lg_txn_release_segment(lg_txn_sys *s, uint16_t useg)
{
    LG_ASSERT(useg != s->cfg.useg);
    lg_txn_seg *g = lg_map_get(s->segs, useg);
    if (!g)
        return;
    lg_map_remove(s->segs, useg);
    for (uint32_t i = 0; i < g->nslots && g->recovering > 0; i++) {
        lg_txn *t = g->txns[i];
        if (!t)
            continue;
        g->recovering--;
        lg_waitq_wake_all(&t->finishq); /* they ask again, elsewhere */
        lg_txn__free(t);
    }
    lg_txn__seg_free(g);
}

bool
lg_txn_segment_loaded(const lg_txn_sys *s, uint16_t useg)
{
    return lg_txn__seg_find(s, useg) != NULL;
}

uint32_t
lg_txn_recovering(lg_txn_sys *s)
{
    uint32_t n = s->own->recovering;
    size_t pos = 0;
    uint64_t key;
    void *v;
    while (lg_map_next(s->segs, &pos, &key, &v))
        n += ((lg_txn_seg *)v)->recovering;
    return n;
}
