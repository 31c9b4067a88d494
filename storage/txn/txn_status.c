/* What became of an xid: own memory, cache, owner, table. And waiting for it. */
#include "txn_internal.h"
#include "assert.h"
#include "hash.h"
#include <string.h>

/* ---- cache ---- */

/* A set of CACHE_WAYS entries, newest first. Whoever looks at several transactions in turn (the slots
 * of a block) must find the first when the last is resolved: with one entry a set, two that fell
 * into the same one would push each other out for ever. */
static lg_txn_cached *
cache_set(lg_txn_sys *s, lg_xid xid)
{
    return &s->resolved[lg_hash_u64(xid) % (CACHE_SLOTS / CACHE_WAYS) * CACHE_WAYS];
}

static lg_txn_cached *
cache_find(lg_txn_sys *s, lg_xid xid)
{
    lg_txn_cached *set = cache_set(s, xid);
    for (uint32_t i = 0; i < CACHE_WAYS; i++)
        if (set[i].xid == xid)
            return &set[i];
    return NULL;
}

void
lg_txn__cache_put(lg_txn_sys *s, lg_xid xid, const lg_txn_status *st, lg_scn as_of)
{
    lg_txn_cached *set = cache_set(s, xid), *old = cache_find(s, xid);
    size_t moved = old ? (size_t)(old - set) : CACHE_WAYS - 1;
    memmove(set + 1, set, moved * sizeof *set);
    set[0] = (lg_txn_cached){xid, *st, as_of};
}

void
lg_txn_forget_active(lg_txn_sys *s, lg_xid xid)
{
    lg_txn_cached *c = cache_find(s, xid);
    if (c && c->status.state == LG_XID_ACTIVE)
        c->xid = LG_XID_NONE;
}

void
lg_txn_forget_doubtful(lg_txn_sys *s)
{
    for (uint32_t i = 0; i < CACHE_SLOTS; i++) {
        lg_txn_cached *c = &s->resolved[i];
        if (c->status.state != LG_XID_COMMITTED || c->status.upper_bound)
            c->xid = LG_XID_NONE;
    }
}

static bool
cache_get(lg_txn_sys *s, lg_xid xid, lg_scn snapshot, lg_txn_status *ret)
{
    const lg_txn_cached *c = cache_find(s, xid);
    if (!c)
        return false;
    if (c->status.state == LG_XID_ACTIVE && snapshot > c->as_of)
        return false;
    if (c->status.upper_bound && c->status.scn > snapshot)
        return false;
    *ret = c->status;
    return true;
}

/* ---- own segments ---- */

lg_txn *
lg_txn__find(const lg_txn_sys *s, lg_xid xid)
{
    lg_txn_seg *g = lg_txn__seg_find(s, lg_xid_useg(xid));
    uint16_t slot = lg_xid_slot(xid);
    if (!g || slot >= g->nslots || !g->txns[slot] || g->txns[slot]->xid != xid)
        return NULL;
    return g->txns[slot];
}

static void
status_of_slot(const lg_txn_slot *sl, lg_txn_status *ret)
{
    ret->state = (lg_txn_state)sl->state;
    ret->scn = sl->scn;
    ret->upper_bound = false;
}

/* Follows the slot's history back to the wrap wanted. Blocks the fiber. */
static lg_status
slot_history(lg_txn_sys *s, lg_xid xid, lg_txn_slot sl, lg_scn snapshot, lg_txn_status *ret)
{
    uint8_t payload[sizeof(lg_txn_slot)];
    uint32_t want = lg_xid_wrap(xid);
    for (;;) {
        if (sl.wrap == want) {
            status_of_slot(&sl, ret);
            return LG_OK;
        }
        if (sl.wrap < want) { /* never written: nothing of it can be met but by way of a crash */
            *ret = (lg_txn_status){LG_XID_ABORTED, 0, false};
            return LG_OK;
        }
        if (snapshot >= sl.begin_scn) {
            *ret = (lg_txn_status){LG_XID_COMMITTED, sl.begin_scn, true};
            return LG_OK;
        }
        lg_undo_rec rec;
        lg_xid user = lg_xid_make(lg_xid_useg(xid), lg_xid_slot(xid), sl.wrap);
        LG_TRY(lg_undo_read(s->cfg.undo, sl.first, user, &rec, payload));
        if (rec.kind != LG_UNDO_TXN || rec.len != sizeof sl)
            return LG_CORRUPT;
        memcpy(&sl, payload, sizeof sl);
    }
}

/* Without blocking: LG_WOULD_WAIT when the slot's history is needed; *ret_slot: where it begins. */
static lg_status
status_in_memory(const lg_txn_seg *g, lg_xid xid, lg_scn snapshot, lg_txn_slot *ret_slot,
                 lg_txn_status *ret)
{
    uint16_t slot = lg_xid_slot(xid);
    if (slot >= g->nslots)
        return LG_CORRUPT;
    const lg_txn_slot *sl = &g->slots[slot];
    if (sl->wrap > lg_xid_wrap(xid) && sl->first == 0 && g->txns[slot])
        sl = &g->txns[slot]->before; /* its new user has not written yet */
    *ret_slot = *sl;
    if (sl->wrap == lg_xid_wrap(xid)) {
        status_of_slot(sl, ret);
        return LG_OK;
    }
    if (sl->wrap > lg_xid_wrap(xid) && snapshot >= sl->begin_scn) {
        *ret = (lg_txn_status){LG_XID_COMMITTED, sl->begin_scn, true};
        return LG_OK;
    }
    return LG_WOULD_WAIT;
}

lg_status
lg_txn_status_local(lg_txn_sys *s, lg_xid xid, lg_scn snapshot, lg_txn_status *ret)
{
    lg_txn_seg *g = lg_txn__seg_find(s, lg_xid_useg(xid));
    if (!g)
        return LG_NOT_FOUND;
    if (snapshot < LG_SCN_MAX)
        lg_scn_observe(s->clock, snapshot); /* a later commit gets a greater SCN */
    lg_txn_slot sl;
    lg_status st = status_in_memory(g, xid, snapshot, &sl, ret);
    return st == LG_WOULD_WAIT ? slot_history(s, xid, sl, snapshot, ret) : st;
}

lg_status
lg_txn_peek(lg_txn_sys *s, lg_xid xid, lg_scn snapshot, lg_txn_status *ret)
{
    lg_txn_seg *g = lg_txn__seg_find(s, lg_xid_useg(xid));
    if (g) {
        lg_txn_slot sl;
        lg_status st = status_in_memory(g, xid, snapshot, &sl, ret);
        if (st != LG_WOULD_WAIT)
            return st;
    }
    return cache_get(s, xid, snapshot, ret) ? LG_OK : LG_WOULD_WAIT;
}

/* ---- others' segments ---- */

/* Nobody answers for the segment: its table block does. */
static lg_status
status_from_block(lg_txn_sys *s, lg_xid xid, lg_scn snapshot, lg_txn_status *ret)
{
    uint32_t per = (lg_buf_block_bytes(s->cache) - TABLE_DATA_OFF) / (uint32_t)sizeof(lg_txn_slot);
    uint32_t slot = lg_xid_slot(xid);
    if (slot >= per * LG_UNDO_TABLES)
        return LG_CORRUPT;
    lg_addr a = lg_undo_table_addr(s->cfg.undo, lg_xid_useg(xid), slot / per);
    if (a.block == LG_ADDR_NONE.block)
        return LG_CORRUPT;
    lg_buf *b;
    LG_TRY(lg_buf_get(s->cache, a, LG_LATCH_S, &b));
    lg_txn_slot sl;
    memcpy(&sl, b->data + TABLE_DATA_OFF + slot % per * sizeof sl, sizeof sl);
    lg_buf_put(s->cache, b, LG_LATCH_S);
    return slot_history(s, xid, sl, snapshot, ret);
}

lg_status
lg_txn_resolve(lg_txn_sys *s, lg_xid xid, lg_scn snapshot, lg_txn_status *ret)
{
    lg_scn as_of =
        lg_scn_current(s->clock); /* of the question: an answer may be older than its arrival */
    if (snapshot < as_of)
        as_of = snapshot;
    if (lg_txn__seg_find(s, lg_xid_useg(xid))) {
        LG_TRY(lg_txn_status_local(s, xid, snapshot, ret));
    } else {
        if (cache_get(s, xid, snapshot, ret))
            return LG_OK;
        lg_status st = LG_PEER_DOWN;
        if (s->cfg.hooks.resolve_remote)
            st = s->cfg.hooks.resolve_remote(s->cfg.hooks.arg, xid, snapshot, ret);
        /* the owner answers as of its own present: a bound above our snapshot is of no use */
        bool vague = st == LG_OK && ret->upper_bound && ret->scn > snapshot;
        if (st == LG_PEER_DOWN || vague)
            st = status_from_block(s, xid, snapshot, ret);
        LG_TRY(st);
    }
    lg_txn_status keep = *ret;
    if (keep.state == LG_XID_COMMITTING) {
        if (keep.scn <= snapshot)
            return LG_OK;
        keep.state = LG_XID_ACTIVE; /* for this snapshot and older ones */
    }
    lg_txn__cache_put(s, xid, &keep, as_of);
    return LG_OK;
}

/* ---- visibility ---- */

lg_status
lg_txn_visible(lg_txn *t, lg_xid xid, lg_scn snapshot)
{
    if (xid == LG_XID_NONE || (t && xid == t->xid))
        return LG_OK;
    LG_ASSERT(snapshot <= LG_SCN_MAX);
    lg_txn_status st;
    LG_TRY(lg_txn_peek(t->sys, xid, snapshot, &st));
    switch (st.state) {
    case LG_XID_COMMITTED:
        return st.scn <= snapshot ? LG_OK : LG_NOT_VISIBLE;
    case LG_XID_COMMITTING:
        return st.scn <= snapshot ? LG_WOULD_WAIT : LG_NOT_VISIBLE;
    case LG_XID_ACTIVE:
    case LG_XID_ABORTED:
        return LG_NOT_VISIBLE;
    }
    return LG_CORRUPT;
}

lg_status
lg_txn_settle(lg_txn_sys *s, lg_xid xid, lg_scn snapshot)
{
    lg_txn_status st;
    LG_TRY(lg_txn_resolve(s, xid, snapshot, &st));
    if (st.state == LG_XID_COMMITTING && st.scn <= snapshot)
        return lg_txn_wait_outcome(s, xid);
    return LG_OK;
}

/* ---- waiting ---- */

static lg_status
wait_local(lg_txn_sys *s, lg_xid xid, lg_time deadline, lg_wait event, bool cancelable)
{
    lg_txn *t = lg_txn__find(s, xid);
    return t ? lg_waitq_wait(&t->finishq, event, deadline, cancelable) : LG_OK;
}

lg_status
lg_txn_wait_outcome(lg_txn_sys *s, lg_xid xid)
{
    if (lg_txn__seg_find(s, lg_xid_useg(xid)))
        return wait_local(s, xid, LG_FOREVER, LG_WAIT_TX_OUTCOME, true);
    if (s->cfg.hooks.wait_remote)
        return s->cfg.hooks.wait_remote(s->cfg.hooks.arg, LG_XID_NONE, xid, LG_FOREVER);
    return lg_fiber_sleep_until(lg_run_now_ns(s->run) + LG_MS, LG_WAIT_TX_OUTCOME);
}

lg_status
lg_txn_wait_finished(lg_txn_sys *s, lg_xid xid, lg_time deadline)
{
    if (!lg_txn__seg_find(s, lg_xid_useg(xid)))
        return LG_NOT_FOUND;
    while (lg_txn__find(s, xid)) {
        lg_status st = wait_local(s, xid, deadline, LG_WAIT_ENQ_TX, true);
        if (st != LG_OK)
            return st;
    }
    return LG_OK;
}

/* ---- early release ---- */

bool
lg_txn_early(lg_txn *t, lg_xid xid)
{
    const lg_txn *o = t->mark ? lg_txn__find(t->sys, xid) : NULL;
    if (!o || !o->early_seq)
        return false;
    if (*t->mark < o->early_seq)
        *t->mark = o->early_seq;
    return true;
}

#define MARK_LOOK (50 * LG_MS)

lg_status
lg_txn_mark_settle(lg_txn_sys *s, uint64_t *mark)
{
    while (!lg_list_empty(&s->early)) {
        lg_txn *first = LG_CONTAINER_OF(s->early.next, lg_txn, early_link);
        if (first->early_seq > *mark)
            break;
        LG_TRY(lg_redo_broken(lg_buf_redo(s->cache))); /* then nobody would wake us */
        lg_time look = lg_run_now_exact_ns(s->run) + MARK_LOOK;
        lg_status st = lg_waitq_wait(&first->finishq, LG_WAIT_TX_OUTCOME, look, false);
        LG_ASSERT(st == LG_OK || st == LG_TIMEOUT);
    }
    *mark = 0;
    return LG_OK;
}

/* Would t, waiting for xid, wait for itself? Follows local edges only. */
static bool
wait_closes_cycle(lg_txn_sys *s, const lg_txn *t, lg_xid xid)
{
    const lg_txn *at = lg_txn__find(s, xid);
    while (at && at != t && at->waiting_for != LG_XID_NONE && at->killed == LG_OK)
        at = lg_txn__find(s, at->waiting_for); /* ends: cycles without t were not let in */
    return at == t;
}

lg_status
lg_txn_wait(lg_txn *t, lg_xid xid)
{
    lg_txn_sys *s = t->sys;
    const lg_txn_hooks *h = &s->cfg.hooks;
    LG_ASSERT(xid != t->xid);
    LG_TRY(lg_txn_assign(t));
    lg_txn_forget_active(s, xid);
    bool local = lg_txn__seg_find(s, lg_xid_useg(xid)) != NULL;
    if (local && !lg_txn__find(s, xid))
        return LG_OK;
    if (wait_closes_cycle(s, t, xid)) {
        lg_stat_inc(lg_run_stats(s->run), LG_STAT_ENQUEUE_DEADLOCKS);
        if (h->wait_changed)
            h->wait_changed(h->arg, t->xid, xid, true, LG_DEADLOCK);
        return LG_DEADLOCK;
    }
    lg_stat_inc(lg_run_stats(s->run), LG_STAT_ENQUEUE_WAITS);
    t->waiting_for = xid;
    t->wait_fiber = lg_fiber_self();
    t->killed = LG_OK;
    if (h->wait_changed)
        h->wait_changed(h->arg, t->xid, xid, true, LG_OK);
    lg_status st;
    if (local)
        st = wait_local(s, xid, t->lock_deadline, LG_WAIT_ENQ_TX, true);
    else if (h->wait_remote)
        st = h->wait_remote(h->arg, t->xid, xid, t->lock_deadline);
    else
        st = lg_fiber_sleep_until(lg_run_now_ns(s->run) + LG_MS, LG_WAIT_ENQ_TX);
    lg_xid target = t->waiting_for;
    t->waiting_for = LG_XID_NONE;
    if (h->wait_changed)
        h->wait_changed(h->arg, t->xid, target, false, t->killed != LG_OK ? t->killed : st);
    if (t->killed != LG_OK) {
        (void)lg_fiber_canceled(
            t->wait_fiber); /* the cancel may still be pending: it was this wait's */
        return t->killed;
    }
    return st == LG_TIMEOUT ? LG_LOCK_NOT_AVAILABLE : st;
}

void
lg_txn_visit_waits(lg_txn_sys *s, lg_txn_wait_fn fn, void *arg)
{
    LG_LIST_FOREACH (it, &s->txns) {
        lg_txn *t = LG_CONTAINER_OF(it, lg_txn, link);
        if (t->waiting_for != LG_XID_NONE)
            fn(arg, t->xid, t->waiting_for);
    }
}

bool
lg_txn_awaited(const lg_txn *t)
{
    return !lg_waitq_empty(&t->finishq);
}

lg_xid
lg_txn_waiting_for(lg_txn_sys *s, lg_xid waiter)
{
    const lg_txn *t = lg_txn__find(s, waiter);
    return t ? t->waiting_for : LG_XID_NONE;
}

bool
lg_txn_kill_wait(lg_txn_sys *s, lg_xid waiter, lg_status why)
{
    lg_txn *t = lg_txn__find(s, waiter);
    if (!t || t->waiting_for == LG_XID_NONE || t->killed != LG_OK)
        return false;
    t->killed = why;
    lg_stat_inc(lg_run_stats(s->run), LG_STAT_ENQUEUE_DEADLOCKS);
    lg_fiber_cancel(t->wait_fiber, why);
    return true;
}
