/* Changing rows: insert, update, delete, lock. Face: heap.h.
 *
 * Every change is one mini-transaction over the heap block, the undo block and, when the undo block
 * is new to the transaction, the transaction table. write_begin latches all of them and decides;
 * write_apply makes the undo record, the ITL entry and room; the caller then changes the row. */
#include "heap_internal.h"

typedef struct wr {
    lg_txn *t;
    lg_segment *g;
    lg_addr addr;
    uint32_t slot;
    const lg_snapshot *snap;
    bool piece; /* of a row that we have locked at its home: nothing to check */
    lg_heap_lock mode;
    lg_heap_out *out;
    lg_scn now;        /* as of which statuses are asked: fixed, so that answers stay good */
    uint32_t want_cap; /* the new version's room; 0: as it is */
    bool self_checked;
    lg_version unchanged_at; /* of the block, with the row as the snapshot sees it; 0: not known */
    unsigned looks;          /* into undo, for that */
    /* results of write_begin */
    lg_mtr m;
    hp p;
    lg_txn_undo u;
    hp_itl_plan plan;
    heap_slot sl;
    heap_row row;
    bool fits, compact;
    lg_xid settle;
    lg_scn settle_scn;
} wr;

static void
wr_init(wr *w, lg_txn *t, lg_segment *g, lg_rowid id)
{
    memset(w, 0, sizeof *w);
    w->t = t;
    w->g = g;
    w->addr = (lg_addr){lg_segment_file(g), (uint32_t)(id >> 16)};
    w->slot = (uint16_t)id;
    w->p.bb = lg_buf_block_bytes(lg_segment_cache(g));
    w->now = lg_scn_current(lg_buf_clock(lg_segment_cache(g)));
}

/* ---- may we? ---- */

/* Slot k is of another transaction that is not finished: LG_IN_DOUBT; LG_OK: nobody is in the way.
 */
static lg_status
active_other(wr *w, uint32_t k)
{
    if (k == 0)
        return LG_OK;
    heap_itl i = hp_itl(&w->p, k);
    lg_txn_status st;
    if (i.xid == LG_XID_NONE || i.xid == lg_txn_xid(w->t) || i.scn != 0)
        return LG_OK;
    lg_status got = lg_txn_peek(lg_txn_sys_of(w->t), i.xid, w->now, &st);
    if (got == LG_WOULD_WAIT) {
        w->settle = i.xid;
        w->settle_scn = w->now;
    }
    if (got != LG_OK)
        return got;
    if (st.state != LG_XID_ACTIVE && st.state != LG_XID_COMMITTING)
        return LG_OK;
    if (st.state == LG_XID_COMMITTING && lg_txn_early(w->t, i.xid))
        return LG_OK;
    w->out->xid = i.xid;
    return LG_IN_DOUBT;
}

static lg_status
check_locks(wr *w)
{
    bool nokey = w->row.flags & ROW_NOKEY;
    if (!(w->mode == LG_HEAP_KEY_SHARE && nokey))
        LG_TRY(active_other(w, w->row.xlock));
    bool strong = w->row.flags & ROW_STRONG;
    if (w->mode == LG_HEAP_UPDATE || (w->mode == LG_HEAP_NO_KEY_UPDATE && strong))
        for (uint32_t k = 1; k <= ITL_MAX; k++)
            if (w->row.share >> (k - 1) & 1)
                LG_TRY(active_other(w, k));
    return LG_OK;
}

#define LOOKS_MOST 8u /* while others change the block: then an abort too many does no harm */

/* The row's slot has another user, some of whose predecessors the snapshot does not see. */
static lg_status
check_evicted(const wr *w)
{
    if (!w->snap || hp_head(&w->p).evicted_scn <= w->snap->scn ||
        w->unchanged_at == lg_block_version(w->p.d))
        return LG_OK;
    return w->looks < LOOKS_MOST ? LG_RETRY : LG_UPDATED;
}

/* Was the row changed after the snapshot? LG_RETRY: look into the undo first, unlatched. */
static lg_status
check_version(wr *w)
{
    bool deleted = w->row.flags & ROW_DELETED;
    if (w->row.itl == 0) {
        return deleted ? LG_DELETED : check_evicted(w);
    }
    heap_itl i = hp_itl(&w->p, w->row.itl);
    if (i.xid == lg_txn_xid(w->t)) {
        if (deleted) {
            w->out->self = true;
            return LG_DELETED;
        }
        bool later = w->snap && lg_txn_seq(w->t) > w->snap->own_seq;
        return later && !w->self_checked ? LG_RETRY : LG_OK;
    }
    if (deleted)
        return LG_DELETED;
    if (!w->snap)
        return LG_OK;
    lg_status st = lg_heap__itl_visible(w->t, lg_txn_sys_of(w->t), &i, w->snap->scn);
    if (st == LG_WOULD_WAIT) {
        w->settle = i.xid;
        w->settle_scn = w->snap->scn;
    }
    return st == LG_NOT_VISIBLE ? LG_UPDATED : st;
}

static lg_status
check(wr *w)
{
    if (!hp_is_heap(w->p.d) || w->slot >= hp_head(&w->p).nslots)
        return LG_DELETED;
    w->sl = hp_slot(&w->p, w->slot);
    if (w->sl.off == 0)
        return LG_DELETED;
    w->row = hp_row(&w->p, w->sl);
    if (w->piece)
        return LG_OK;
    if (w->row.flags & ROW_MIGRATED)
        return LG_DELETED;
    LG_TRY(check_locks(w));
    lg_status st = check_version(w);
    /* weak locks beside a writer at work: the version that the snapshot sees is still the row's */
    if (st == LG_UPDATED && w->mode == LG_HEAP_KEY_SHARE && w->row.itl != 0 &&
        active_other(w, w->row.itl) == LG_IN_DOUBT)
        st = LG_OK;
    return st;
}

/* Number of our newest change of the row in the block; 0 none. Blocks the fiber: no latch. */
static lg_status
own_change(wr *w, lg_uptr at, uint32_t *ret_seq)
{
    lg_undo *undo = lg_txn_sys_undo(lg_txn_sys_of(w->t));
    uint8_t *payload = lg_alloc(w->p.bb);
    lg_status st = LG_OK;
    *ret_seq = 0;
    while (at != 0 && *ret_seq == 0) {
        lg_undo_rec rec;
        st = lg_undo_read(undo, at, lg_txn_xid(w->t), &rec, payload);
        if (st != LG_OK)
            break;
        if (rec.op == HU_INSERT_MANY ? lg_heap__many_has(&rec, payload, w->slot)
                                     : rec.slot == w->slot && rec.op != HU_LOCK)
            *ret_seq = rec.seq;
        at = rec.prev_block;
    }
    lg_free(payload);
    return st;
}

/* The block is latched by w->m, which ends here. LG_OK: look again; LG_UPDATED: the row has changed. */
static lg_status
look_into_undo(wr *w)
{
    if (w->row.itl != 0) { /* ours, newer than the snapshot? */
        uint32_t seq;
        heap_itl i = hp_itl(&w->p, w->row.itl);
        lg_mtr_abort(&w->m);
        LG_TRY(own_change(w, i.uptr, &seq));
        w->self_checked = true;
        w->out->self = seq > w->snap->own_seq;
        return w->out->self ? LG_UPDATED : LG_OK;
    }
    uint8_t *frame = lg_alloc(w->p.bb);
    memcpy(frame, w->p.d, w->p.bb);
    lg_version version = lg_block_version(frame);
    lg_mtr_abort(&w->m);
    w->looks++;
    lg_status st = lg_heap__changed_since(lg_txn_sys_of(w->t), w->t, frame, w->slot, w->snap->scn);
    lg_free(frame);
    if (st == LG_OK)
        w->unchanged_at = version;
    else if (st == LG_UPDATED)
        w->looks = LOOKS_MOST;
    return st;
}

static lg_status
itl_wait(lg_txn *t, lg_xid xid, lg_scn now)
{
    lg_txn_sys *s = lg_txn_sys_of(t);
    lg_txn_status st;
    LG_TRY(lg_txn_resolve(s, xid, now, &st));
    if (st.state == LG_XID_ACTIVE || st.state == LG_XID_COMMITTING)
        return lg_txn_wait(t, xid);
    return LG_OK;
}

/* Decides on the ITL entry and on room for `room` bytes more. */
static lg_status
plan_room(wr *w, uint32_t room, lg_xid *ret_wait)
{
    uint32_t gap = hp_gap(&w->p), most = gap;
    uint32_t spare = room + (uint32_t)sizeof(heap_itl);
    if (gap < spare) {
        most = lg_heap__room(&w->p, lg_txn_sys_of(w->t));
        if (most < gap)
            most = gap;
    }
    LG_TRY(lg_heap__itl_plan(&w->p, w->t, most, &w->plan, ret_wait));
    uint32_t total = room + (w->plan.grow ? (uint32_t)sizeof(heap_itl) : 0);
    w->compact = gap < total;
    w->fits = most >= total;
    return LG_OK;
}

/* Latches everything for a change of the row. LG_OK, or LG_UPDATED with `lock`: latched, w->fits
 * says whether want_cap can be had. Otherwise nothing is latched. */
static lg_status
write_begin(wr *w, bool lock)
{
    uint32_t payload = (uint32_t)(sizeof(hu_prior) + sizeof(heap_itl)) + 6 +
                       lg_heap__inline_max(w->p.bb) + (uint32_t)sizeof(heap_large);
    for (;;) {
        LG_TRY(lg_txn_undo_reserve(w->t, payload));
        lg_mtr_begin(&w->m, lg_segment_cache(w->g));
        w->p.m = &w->m;
        lg_status verdict = LG_OK;
        lg_xid wait = LG_XID_NONE;
        lg_status st = lg_mtr_get(&w->m, w->addr, LG_LATCH_X, 0, &w->p.b);
        if (st == LG_OK) {
            w->p.d = w->p.b->data;
            verdict = check(w);
            if (verdict == LG_RETRY) {
                st = look_into_undo(w);
                if (st == LG_OK || (st == LG_UPDATED && lock && !w->out->self))
                    continue; /* changed or not, it is to be locked */
                return st;
            }
            if (verdict != LG_OK && !(verdict == LG_UPDATED && lock)) {
                lg_mtr_abort(&w->m);
                if (verdict != LG_WOULD_WAIT)
                    return verdict;
                LG_TRY(lg_txn_settle(lg_txn_sys_of(w->t), w->settle, w->settle_scn));
                continue;
            }
            uint32_t room = w->want_cap > w->row.cap ? w->want_cap : 0;
            st = plan_room(w, room, &wait);
            if (st == LG_OK && w->compact && room == 0) /* the row may lose room it does not use */
                st = plan_room(w, w->want_cap, &wait);
            if (st == LG_OK)
                st = lg_txn_undo_get(w->t, &w->m, payload, &w->u);
            else if (st == LG_IN_DOUBT) {
                lg_mtr_abort(&w->m);
                LG_TRY(itl_wait(w->t, wait, w->now));
                continue;
            }
        }
        if (st == LG_OK)
            return verdict;
        if (st != LG_RETRY) {
            lg_mtr_abort(&w->m);
            return st;
        }
        LG_TRY(lg_mtr_restart(&w->m));
    }
}

/* ---- the change ---- */

/* Undo record, room, ITL entry. After it w->sl and w->row are current and row.itl may be set to
 * w->plan.k. */
static void
write_apply(wr *w, uint8_t op, const void *body, uint32_t body_len)
{
    hu_prior prior = {.row = w->row};
    if (w->row.itl)
        prior.itl_xid = hp_itl(&w->p, w->row.itl).xid;
    heap_itl was = w->plan.grow ? (heap_itl){0} : hp_itl(&w->p, w->plan.k);
    uint8_t *payload = lg_alloc(sizeof prior + sizeof was + body_len);
    uint32_t len = sizeof prior;
    memcpy(payload, &prior, sizeof prior);
    if (!w->plan.own) {
        memcpy(payload + len, &was, sizeof was);
        len += (uint32_t)sizeof was;
    }
    if (body_len)
        memcpy(payload + len, body, body_len);
    lg_undo_rec rec = {.prev_block = w->plan.own ? was.uptr : 0,
                       .file = w->addr.file,
                       .block = w->addr.block,
                       .slot = (uint16_t)w->slot,
                       .len = (uint16_t)(len + body_len),
                       .kind = LG_UNDO_HEAP,
                       .op = op,
                       .flags = w->plan.own ? 0 : HU_HAS_ITL,
                       .itl = (uint8_t)w->plan.k,
                       .version = lg_block_version(w->p.d)};
    lg_uptr at = lg_txn_undo_append(w->t, &w->m, &w->u, &rec, payload);
    lg_free(payload);
    if (w->compact && w->fits)
        lg_heap__compact(&w->p, lg_txn_sys_of(w->t));
    lg_heap__cleanout(&w->p, w->t);
    lg_heap__itl_take(&w->p, w->t, &w->plan);
    heap_itl mine = {.xid = lg_txn_xid(w->t), .uptr = at};
    hp_itl_put(&w->p, w->plan.k, &mine);
    if (op != HU_INSERT && op != HU_INSERT_MANY) {
        w->sl = hp_slot(&w->p, w->slot);
        w->row = hp_row(&w->p, w->sl);
    }
    lg_txn_touched(w->t, w->addr);
}

/* What the block will have when everything deleted in it is gone for good. */
static uint32_t
room_promised(const hp *p)
{
    heap_head h = hp_head(p);
    uint32_t used = hp_slot_off(&h, h.nslots) + p->bb / 20;
    for (uint32_t i = 0; i < h.nslots; i++) {
        heap_slot s = hp_slot(p, i);
        if (s.off != 0 && !(hp_row(p, s).flags & ROW_DELETED))
            used += s.len;
    }
    return used < p->bb ? p->bb - used : 0;
}

/* The new version's content; the row stays in its block (w->fits). */
static void
update_apply(wr *w, const heap_content *c, bool keys_change)
{
    const uint8_t *old = w->p.d + w->sl.off + ROW_HEAD;
    uint32_t old_len = w->sl.len - ROW_HEAD, prefix = 0, suffix = 0;
    uint32_t least = old_len < c->len ? old_len : c->len;
    while (prefix < least && old[prefix] == c->bytes[prefix])
        prefix++;
    while (suffix < least - prefix && old[old_len - 1 - suffix] == c->bytes[c->len - 1 - suffix])
        suffix++;
    uint32_t mid = old_len - prefix - suffix;
    uint16_t v[3] = {(uint16_t)old_len, (uint16_t)prefix, (uint16_t)suffix};
    uint8_t *body = lg_alloc(sizeof v + mid);
    memcpy(body, v, sizeof v);
    memcpy(body + sizeof v, old + prefix, mid);
    write_apply(w, HU_UPDATE, body, (uint32_t)sizeof v + mid);
    lg_free(body);
    heap_row r = w->row;
    bool had_key_lock = r.xlock == w->plan.k && !(r.flags & ROW_NOKEY);
    r.flags = (uint8_t)((r.flags & (ROW_STRONG | ROW_MIGRATED)) | c->flags);
    if (!keys_change && !had_key_lock)
        r.flags |= ROW_NOKEY;
    r.itl = r.xlock = (uint8_t)w->plan.k;
    uint32_t need = ROW_HEAD + c->len, cap = w->want_cap;
    if (need <= r.cap) {
        hp_put(&w->p, w->sl.off, &r, sizeof r);
        uint32_t tail = old_len == c->len ? suffix : 0;
        if (c->len > prefix + tail)
            hp_put(&w->p, w->sl.off + ROW_HEAD + prefix, c->bytes + prefix, c->len - prefix - tail);
        hp_slot_put(&w->p, w->slot, (heap_slot){w->sl.off, (uint16_t)need});
    } else {
        uint32_t off = lg_heap__place(&w->p, &r, c->bytes, c->len, cap);
        hp_slot_put(&w->p, w->slot, (heap_slot){(uint16_t)off, (uint16_t)need});
    }
    lg_mtr_commit(&w->m, NULL);
}

static uint32_t
cap_of(uint32_t content_len)
{
    return ROW_HEAD + content_len < ROW_CAP_MIN ? ROW_CAP_MIN : ROW_HEAD + content_len;
}

/* ---- insert ---- */

/* One block: LG_END: it has no room (told to the segment). */
static lg_status
insert_into(wr *w, unsigned flags, const heap_content *c, lg_rowid *ret_rowid)
{
    bool is_new = flags != 0;
    uint32_t cap = cap_of(c->len), bb = w->p.bb;
    uint32_t payload = (uint32_t)(sizeof(hu_prior) + sizeof(heap_itl));
    lg_scn horizon = lg_txn_horizon(lg_txn_sys_of(w->t));
    for (;;) {
        LG_TRY(lg_txn_undo_reserve(w->t, payload));
        lg_mtr_begin(&w->m, lg_segment_cache(w->g));
        w->p.m = &w->m;
        lg_status st = lg_mtr_get(&w->m, w->addr, LG_LATCH_X, flags, &w->p.b);
        bool reuse = false;
        if (st == LG_OK && !is_new) {
            w->p.d = w->p.b->data;
            lg_xid wait;
            uint32_t left = 0;
            if (!hp_is_heap(w->p.d)) {
                st = LG_END;
            } else {
                reuse = lg_heap__slot_pick(&w->p, horizon, &w->slot);
                uint32_t need = cap + (reuse ? 0 : (uint32_t)sizeof(heap_slot)) + bb / 20;
                st = plan_room(w, need, &wait);
                if (st == LG_OK && (!w->fits || w->slot >= UINT16_MAX)) {
                    left = lg_heap__room(&w->p, lg_txn_sys_of(w->t));
                    left = left > bb / 20 ? left - bb / 20 : 0;
                    st = LG_END;
                }
            }
            if (st == LG_END || st == LG_IN_DOUBT) {
                lg_mtr_abort(&w->m);
                lg_segment_note(w->g, w->addr.block, left < cap ? left : cap - 1);
                return LG_END;
            }
        } else if (st == LG_OK) {
            w->p.d = w->p.b->data;
            w->plan = (hp_itl_plan){.k = 1};
            w->compact = false;
            w->slot = 0;
        }
        if (st == LG_OK)
            st = lg_txn_undo_get(w->t, &w->m, payload, &w->u);
        if (st == LG_OK) {
            if (is_new)
                lg_heap__format(&w->p);
            heap_row r = {.flags = (uint8_t)c->flags};
            memset(&w->row, 0, sizeof w->row);
            write_apply(w, HU_INSERT, NULL, 0);
            r.itl = r.xlock = (uint8_t)w->plan.k;
            heap_head h = hp_head(&w->p);
            if (reuse)
                h.nfree--;
            else
                h.nslots++;
            hp_head_put(&w->p, &h);
            uint32_t off = lg_heap__place(&w->p, &r, c->bytes, c->len, cap);
            hp_slot_put(&w->p, w->slot, (heap_slot){(uint16_t)off, (uint16_t)(ROW_HEAD + c->len)});
            uint32_t gap = hp_gap(&w->p);
            lg_mtr_commit(&w->m, NULL);
            lg_segment_note(w->g, w->addr.block, gap > bb / 20 ? gap - bb / 20 : 0);
            *ret_rowid = lg_rowid_make(w->addr.block, (uint16_t)w->slot);
            return LG_OK;
        }
        if (st != LG_RETRY) {
            lg_mtr_abort(&w->m);
            return st;
        }
        LG_TRY(lg_mtr_restart(&w->m));
    }
}

static lg_status
content_insert(lg_txn *t, lg_segment *g, const heap_content *c, lg_rowid *ret_rowid)
{
    for (;;) {
        wr w;
        unsigned flags;
        uint32_t block;
        LG_TRY(lg_segment_target(g, cap_of(c->len) + (uint32_t)sizeof(heap_slot), &block, &flags));
        wr_init(&w, t, g, lg_rowid_make(block, 0));
        lg_status st = insert_into(&w, flags, c, ret_rowid);
        if (st == LG_END)
            continue;
        if (st != LG_OK && flags)
            lg_segment_unalloc(g, block);
        return st;
    }
}

/* Content that was not used after all. */
static lg_status
content_drop(lg_segment *g, const heap_content *c, lg_status st)
{
    if (c->flags & ROW_LARGE) {
        heap_large l;
        memcpy(&l, c->bytes, sizeof l);
        LG_KEEP(lg_heap__large_free(g, &l));
    }
    return st;
}

lg_status
lg_heap_row_insert(lg_txn *t, lg_segment *g, const void *row, uint32_t len, lg_rowid *ret_rowid)
{
    lg_arena *a = lg_arena_create("heap insert", 256);
    heap_content c;
    lg_status st = lg_heap__store(g, a, row, len, &c);
    if (st == LG_OK) {
        st = content_insert(t, g, &c, ret_rowid);
        if (st != LG_OK)
            st = content_drop(g, &c, st);
    }
    lg_arena_destroy(a);
    return st;
}

/* ---- insert of many ---- */

/* The rows of a list that one block takes: the first `take`, in the slots chosen, of which the first
 * `reused` are there already and the rest new, next to each other. */
typedef struct batch {
    const lg_heap_row *rows;
    uint32_t n, take, reused;
    uint16_t slots[MANY_MAX];
} batch;

/* How many go into `avail` bytes. */
static void
batch_fill(batch *b, uint32_t avail)
{
    uint32_t used = 0;
    for (b->take = 0; b->take < b->n; b->take++) {
        uint32_t more = cap_of(b->rows[b->take].len);
        if (b->take >= b->reused)
            more += (uint32_t)sizeof(heap_slot);
        if (used + more > avail)
            break;
        used += more;
    }
    if (b->reused > b->take)
        b->reused = b->take;
}

/* LG_END: the block has no room for the first of them; *ret_left: what it has. LG_IN_DOUBT. */
static lg_status
batch_plan(wr *w, batch *b, bool is_new, lg_scn horizon, uint32_t *ret_left)
{
    uint32_t bb = w->p.bb, avail;
    uint32_t first = 0;
    *ret_left = 0;
    b->reused = 0;
    if (is_new) {
        w->plan = (hp_itl_plan){.k = 1};
        w->compact = false;
        avail = bb - ITL_OFF - ITL_FIRST * (uint32_t)sizeof(heap_itl) - bb / 20;
    } else {
        if (!hp_is_heap(w->p.d))
            return LG_END;
        lg_xid wait;
        heap_head h = hp_head(&w->p);
        first = h.nslots;
        for (uint32_t i = 0; h.nfree > 0 && i < h.nslots && b->reused < b->n; i++) {
            heap_slot s = hp_slot(&w->p, i);
            if (s.off == 0 && (s.len == 0 || h.tomb_scn <= horizon))
                b->slots[b->reused++] = (uint16_t)i;
        }
        uint32_t need = cap_of(b->rows[0].len) + bb / 20;
        need += b->reused ? 0 : (uint32_t)sizeof(heap_slot);
        LG_TRY(plan_room(w, need, &wait));
        avail = w->compact || !w->fits ? lg_heap__room(&w->p, lg_txn_sys_of(w->t)) : hp_gap(&w->p);
        uint32_t keep = bb / 20 + (w->plan.grow ? (uint32_t)sizeof(heap_itl) : 0);
        avail = avail > keep ? avail - keep : 0;
        if (!w->fits) {
            *ret_left = avail;
            return LG_END;
        }
    }
    batch_fill(b, avail);
    for (uint32_t i = b->reused; i < b->take; i++)
        b->slots[i] = (uint16_t)(first + i - b->reused);
    return b->take > 0 && first + b->take <= UINT16_MAX ? LG_OK : LG_END;
}

/* The rows into the gap, as one run of bytes; the new slots as another. */
static void
batch_place(wr *w, const batch *b)
{
    heap_head h = hp_head(&w->p);
    uint32_t bytes = 0, nnew = b->take - b->reused;
    for (uint32_t i = 0; i < b->take; i++)
        bytes += cap_of(b->rows[i].len);
    LG_ASSERT(hp_gap(&w->p) >= bytes + nnew * sizeof(heap_slot));
    uint32_t at = h.data_low, low = at - bytes;
    uint8_t *image = lg_alloc(bytes + nnew * sizeof(heap_slot));
    for (uint32_t i = 0; i < b->take; i++) {
        uint32_t len = b->rows[i].len, cap = cap_of(len);
        heap_row r = {.itl = (uint8_t)w->plan.k, .xlock = (uint8_t)w->plan.k, .cap = (uint16_t)cap};
        at -= cap;
        uint8_t *to = image + (at - low);
        memcpy(to, &r, sizeof r);
        memcpy(to + ROW_HEAD, b->rows[i].bytes, len);
        memset(to + ROW_HEAD + len, 0, cap - ROW_HEAD - len);
        heap_slot s = {(uint16_t)at, (uint16_t)(ROW_HEAD + len)};
        if (i < b->reused)
            hp_slot_put(&w->p, b->slots[i], s);
        else
            memcpy(image + bytes + (i - b->reused) * sizeof s, &s, sizeof s);
    }
    uint32_t new_slots = hp_slot_off(&h, h.nslots);
    h.data_low = (uint16_t)low;
    h.nslots = (uint16_t)(h.nslots + nnew);
    h.nfree = (uint16_t)(h.nfree - b->reused);
    hp_head_put(&w->p, &h);
    hp_put(&w->p, low, image, bytes);
    hp_put(&w->p, new_slots, image + bytes, nnew * (uint32_t)sizeof(heap_slot));
    lg_free(image);
}

/* One block: as many of the rows as it takes (b->take). LG_END: it has no room. */
static lg_status
batch_into(wr *w, batch *b, unsigned flags)
{
    bool is_new = flags != 0;
    uint32_t bb = w->p.bb, left;
    uint32_t payload = (uint32_t)(sizeof(hu_prior) + sizeof(heap_itl));
    lg_scn horizon = lg_txn_horizon(lg_txn_sys_of(w->t));
    for (;;) {
        LG_TRY(lg_txn_undo_reserve(w->t, payload + b->n * (uint32_t)sizeof(uint16_t)));
        lg_mtr_begin(&w->m, lg_segment_cache(w->g));
        w->p.m = &w->m;
        lg_status st = lg_mtr_get(&w->m, w->addr, LG_LATCH_X, flags, &w->p.b);
        if (st == LG_OK) {
            w->p.d = w->p.b->data;
            st = batch_plan(w, b, is_new, horizon, &left);
            if (st == LG_END || st == LG_IN_DOUBT) {
                uint32_t cap = cap_of(b->rows[0].len);
                lg_mtr_abort(&w->m);
                lg_segment_note(w->g, w->addr.block, left < cap ? left : cap - 1);
                return LG_END;
            }
        }
        if (st == LG_OK)
            st =
                lg_txn_undo_get(w->t, &w->m, payload + b->take * (uint32_t)sizeof(uint16_t), &w->u);
        if (st == LG_OK)
            break;
        if (st != LG_RETRY) {
            lg_mtr_abort(&w->m);
            return st;
        }
        LG_TRY(lg_mtr_restart(&w->m));
    }
    if (is_new)
        lg_heap__format(&w->p);
    memset(&w->row, 0, sizeof w->row);
    w->slot = b->slots[0];
    write_apply(w, HU_INSERT_MANY, b->slots, b->take * (uint32_t)sizeof b->slots[0]);
    batch_place(w, b);
    uint32_t gap = hp_gap(&w->p);
    lg_mtr_commit(&w->m, NULL);
    lg_segment_note(w->g, w->addr.block, gap > bb / 20 ? gap - bb / 20 : 0);
    return LG_OK;
}

/* Rows short enough to lie in a block; *ret_done of them are in now. */
static lg_status
batch_insert(lg_txn *t, lg_segment *g, lg_heap_row *rows, uint32_t n, uint32_t *ret_done)
{
    batch *b = lg_alloc(sizeof *b);
    lg_status st;
    b->rows = rows;
    b->n = n < MANY_MAX ? n : MANY_MAX;
    do {
        wr w;
        unsigned flags;
        uint32_t block;
        st =
            lg_segment_target(g, cap_of(rows[0].len) + (uint32_t)sizeof(heap_slot), &block, &flags);
        if (st != LG_OK)
            break;
        wr_init(&w, t, g, lg_rowid_make(block, 0));
        st = batch_into(&w, b, flags);
        if (st != LG_OK && st != LG_END && flags)
            lg_segment_unalloc(g, block);
        for (uint32_t i = 0; st == LG_OK && i < b->take; i++)
            rows[i].id = lg_rowid_make(block, b->slots[i]);
    } while (st == LG_END);
    *ret_done = st == LG_OK ? b->take : 0;
    lg_free(b);
    return st;
}

lg_status
lg_heap_rows_insert(lg_txn *t, lg_segment *g, lg_heap_row *rows, uint32_t n)
{
    uint32_t max = lg_heap__inline_max(lg_buf_block_bytes(lg_segment_cache(g)));
    for (uint32_t i = 0; i < n;) {
        uint32_t run = 0, done = 1;
        while (i + run < n && rows[i + run].len <= max)
            run++;
        if (run == 0)
            LG_TRY(lg_heap_row_insert(t, g, rows[i].bytes, rows[i].len, &rows[i].id));
        else
            LG_TRY(batch_insert(t, g, rows + i, run, &done));
        i += done;
    }
    return LG_OK;
}

/* ---- lock ---- */

static bool
have_lock(const wr *w)
{
    if (!w->plan.own)
        return false;
    bool x = w->row.xlock == w->plan.k, nokey = w->row.flags & ROW_NOKEY;
    if (x && (!nokey || w->mode <= LG_HEAP_NO_KEY_UPDATE))
        return true;
    return w->mode <= LG_HEAP_SHARE && (w->row.share >> (w->plan.k - 1) & 1) &&
           (w->mode == LG_HEAP_KEY_SHARE || w->row.flags & ROW_STRONG);
}

static lg_status
lock(wr *w)
{
    lg_status verdict = write_begin(w, true);
    if (verdict != LG_OK && !(verdict == LG_UPDATED && !w->out->self))
        return verdict;
    if (have_lock(w)) {
        lg_mtr_abort(&w->m);
        return verdict;
    }
    write_apply(w, HU_LOCK, NULL, 0);
    heap_row r = w->row;
    uint8_t k = (uint8_t)w->plan.k;
    if (w->mode >= LG_HEAP_NO_KEY_UPDATE) {
        r.xlock = k;
        r.flags &= (uint8_t)~ROW_NOKEY;
        if (w->mode == LG_HEAP_NO_KEY_UPDATE)
            r.flags |= ROW_NOKEY;
    } else {
        bool alone = true;
        for (uint32_t i = 1; i <= ITL_MAX && alone; i++)
            if (i != k && r.share >> (i - 1) & 1)
                alone = active_other(w, i) == LG_OK;
        uint32_t bit = 1u << (k - 1);
        if (alone && !(r.share & bit))
            r.flags &= (uint8_t)~ROW_STRONG;
        r.share = (alone ? r.share & bit : r.share) | bit;
        if (w->mode == LG_HEAP_SHARE)
            r.flags |= ROW_STRONG;
    }
    hp_put(&w->p, w->sl.off, &r, sizeof r);
    lg_mtr_commit(&w->m, NULL);
    return verdict;
}

lg_status
lg_heap_row_lock(lg_txn *t, lg_segment *g, lg_rowid id, const lg_snapshot *snap, lg_heap_lock mode,
                 lg_heap_out *ret_out)
{
    wr w;
    wr_init(&w, t, g, id);
    memset(ret_out, 0, sizeof *ret_out);
    w.snap = snap;
    w.mode = mode;
    w.out = ret_out;
    lg_status st = lock(&w);
    if (st != LG_UPDATED || !ret_out->self)
        return st;
    wr_init(&w, t, g, id); /* changed by ourselves: the lock is still wanted */
    w.mode = mode;
    w.out = ret_out;
    st = lock(&w);
    return st == LG_OK ? LG_UPDATED : st;
}

/* ---- update, delete ---- */

/* Of a piece, or of a home row that we have locked: no questions. LG_END: it does not fit. */
static lg_status
piece_update(lg_txn *t, lg_segment *g, lg_rowid id, const heap_content *c, bool keys_change)
{
    wr w;
    lg_heap_out out;
    wr_init(&w, t, g, id);
    w.piece = true;
    w.out = &out;
    w.want_cap = cap_of(c->len);
    lg_status st = write_begin(&w, false);
    if (st == LG_DELETED)
        return LG_CORRUPT;
    LG_TRY(st);
    if (!w.fits) {
        lg_mtr_abort(&w.m);
        return LG_END;
    }
    update_apply(&w, c, keys_change);
    return LG_OK;
}

lg_status
lg_heap_row_claim(lg_txn *t, lg_segment *g, lg_rowid id, const lg_snapshot *snap,
                  lg_heap_out *ret_out)
{
    wr w;
    lg_buf_cache *c = lg_segment_cache(g);
    wr_init(&w, t, g, id);
    memset(ret_out, 0, sizeof *ret_out);
    w.snap = snap;
    w.mode = LG_HEAP_NO_KEY_UPDATE;
    w.out = ret_out;
    for (;;) {
        LG_TRY(lg_buf_get(c, w.addr, LG_LATCH_X, &w.p.b));
        w.p.d = w.p.b->data;
        lg_status st = check(&w);
        lg_buf_put(c, w.p.b, LG_LATCH_X);
        if (st == LG_RETRY) /* only undo knows, for the write to look at; or we did it ourselves */
            return w.row.itl == 0 ? LG_UPDATED : LG_OK;
        if (st != LG_WOULD_WAIT)
            return st;
        LG_TRY(lg_txn_settle(lg_txn_sys_of(t), w.settle, w.settle_scn));
    }
}

static void
delete_apply(wr *w)
{
    uint8_t *old = lg_alloc(w->sl.len);
    uint32_t len = w->sl.len - ROW_HEAD;
    memcpy(old, w->p.d + w->sl.off + ROW_HEAD, len);
    write_apply(w, HU_DELETE, old, len);
    lg_free(old);
    heap_row r = w->row;
    r.flags = (uint8_t)((r.flags | ROW_DELETED) & ~ROW_NOKEY);
    r.itl = r.xlock = (uint8_t)w->plan.k;
    hp_put(&w->p, w->sl.off, &r, sizeof r);
    uint32_t room = room_promised(&w->p);
    lg_mtr_commit(&w->m, NULL);
    lg_segment_note(w->g, w->addr.block, room);
}

static lg_status
piece_delete(lg_txn *t, lg_segment *g, lg_rowid id)
{
    wr w;
    lg_heap_out out;
    wr_init(&w, t, g, id);
    w.piece = true;
    w.out = &out;
    lg_status st = write_begin(&w, false);
    if (st == LG_DELETED)
        return LG_CORRUPT;
    LG_TRY(st);
    delete_apply(&w);
    return LG_OK;
}

/* The row's new version goes to another block; the home row, locked by us, points there. */
static lg_status
migrate(lg_txn *t, lg_segment *g, lg_rowid home, const heap_content *c, bool keys_change)
{
    heap_content piece = {c->flags | ROW_MIGRATED, c->bytes, c->len};
    lg_rowid to;
    LG_TRY(content_insert(t, g, &piece, &to));
    heap_content stub = {ROW_FORWARD, (const uint8_t *)&to, sizeof to};
    lg_status st = piece_update(t, g, home, &stub, keys_change);
    return st == LG_END ? LG_CORRUPT : st; /* every row has room for a stub */
}

/* Home is a stub that we have just touched. */
static lg_status
update_piece(lg_txn *t, lg_segment *g, lg_rowid home, lg_rowid at, const heap_content *c,
             bool keys_change)
{
    lg_status st = piece_update(t, g, at, c, keys_change);
    if (st != LG_END)
        return st;
    LG_TRY(migrate(t, g, home, c, keys_change));
    return piece_delete(t, g, at);
}

/* Home is a stub and stays one: it is touched, so that others see a change, then its piece changes.
 */
static lg_status
update_forwarded(wr *w, lg_rowid id, lg_rowid at, const heap_content *c, bool keys_change)
{
    w->want_cap = 0;
    w->compact = false;
    if (w->plan.grow && hp_gap(&w->p) < sizeof(heap_itl)) {
        w->compact = w->fits = lg_heap__room(&w->p, lg_txn_sys_of(w->t)) >= sizeof(heap_itl);
        LG_ASSERT(w->fits); /* the plan said so */
    }
    heap_content same = {ROW_FORWARD, (const uint8_t *)&at, sizeof at};
    update_apply(w, &same, keys_change);
    return update_piece(w->t, w->g, id, at, c, keys_change);
}

static lg_status
update(wr *w, lg_rowid id, const heap_content *c, bool keys_change)
{
    for (bool locked = false;; locked = true) {
        w->want_cap = cap_of(c->len);
        LG_TRY(write_begin(w, false));
        if (w->row.flags & ROW_FORWARD) {
            lg_rowid at;
            memcpy(&at, w->p.d + w->sl.off + ROW_HEAD, sizeof at);
            if (!w->fits)
                return update_forwarded(w, id, at, c, keys_change);
            update_apply(w, c, keys_change); /* back home */
            return piece_delete(w->t, w->g, at);
        }
        if (w->fits) {
            update_apply(w, c, keys_change);
            return LG_OK;
        }
        lg_mtr_abort(&w->m);
        if (locked)
            return migrate(w->t, w->g, id, c, keys_change);
        w->want_cap = 0;
        LG_TRY(lock(w)); /* then look again: nobody changes it any more */
    }
}

lg_status
lg_heap_row_update(lg_txn *t, lg_segment *g, lg_rowid id, const lg_snapshot *snap, const void *row,
                   uint32_t len, bool keys_change, lg_heap_out *ret_out)
{
    lg_arena *a = lg_arena_create("heap update", 256);
    heap_content c;
    memset(ret_out, 0, sizeof *ret_out);
    lg_status st = lg_heap__store(g, a, row, len, &c);
    if (st == LG_OK) {
        wr w;
        wr_init(&w, t, g, id);
        w.snap = snap;
        w.mode = keys_change ? LG_HEAP_UPDATE : LG_HEAP_NO_KEY_UPDATE;
        w.out = ret_out;
        st = update(&w, id, &c, keys_change);
        if (st != LG_OK)
            st = content_drop(g, &c, st);
    }
    lg_arena_destroy(a);
    return st;
}

lg_status
lg_heap_row_delete(lg_txn *t, lg_segment *g, lg_rowid id, const lg_snapshot *snap,
                   lg_heap_out *ret_out)
{
    wr w;
    memset(ret_out, 0, sizeof *ret_out);
    wr_init(&w, t, g, id);
    w.snap = snap;
    w.mode = LG_HEAP_UPDATE;
    w.out = ret_out;
    LG_TRY(write_begin(&w, false));
    lg_rowid at = LG_ROWID_NONE;
    if (w.row.flags & ROW_FORWARD)
        memcpy(&at, w.p.d + w.sl.off + ROW_HEAD, sizeof at);
    delete_apply(&w);
    return at == LG_ROWID_NONE ? LG_OK : piece_delete(t, g, at);
}

static const lg_undo_ops heap_undo_ops = {LG_UNDO_HEAP, lg_heap__apply};
static const lg_block_ops heap_block_ops = {LG_BLOCK_HEAP, lg_heap__cr, lg_heap__mark};

void
lg_heap_register(lg_txn_sys *s)
{
    lg_txn_register_undo(s, &heap_undo_ops);
    lg_txn_register_block(s, &heap_block_ops);
}
