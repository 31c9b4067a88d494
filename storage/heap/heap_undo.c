/* Taking heap records back: for real (rollback) and on copies (consistent read).
 *
 * Payload of a record: hu_prior, heap_itl when HU_HAS_ITL, then
 *     DELETE  the row's stored bytes        UPDATE  {old length, prefix, suffix} u16 and the middle
 *     INSERT_MANY  u16 slots, in the order of insertion
 */
#include "heap_internal.h"

typedef struct hu_parsed {
    hu_prior prior;
    heap_itl itl;
    const uint8_t *body;
    uint32_t body_len;
} hu_parsed;

static lg_status
parse(const lg_undo_rec *rec, const uint8_t *payload, hu_parsed *ret)
{
    uint32_t at = sizeof ret->prior;
    uint32_t need = at + (rec->flags & HU_HAS_ITL ? (uint32_t)sizeof ret->itl : 0);
    if (rec->len < need)
        return LG_CORRUPT;
    memcpy(&ret->prior, payload, sizeof ret->prior);
    if (rec->flags & HU_HAS_ITL)
        memcpy(&ret->itl, payload + at, sizeof ret->itl);
    ret->body = payload + need;
    ret->body_len = rec->len - need;
    return LG_OK;
}

/* The header as it was, as far as the slots it names still mean the same transactions. */
static heap_row
prior_header(const hp *p, const lg_undo_rec *rec, const hu_parsed *u, const heap_row *now)
{
    heap_row r = u->prior.row;
    uint32_t k = rec->itl, bit = 1u << (k - 1);
    bool mine_before = !(rec->flags & HU_HAS_ITL);
    if (r.itl != 0 && (r.itl > hp_head(p).nitl || hp_itl(p, r.itl).xid != u->prior.itl_xid))
        r.itl = 0;
    uint8_t lock_flags = ROW_NOKEY | ROW_STRONG;
    bool had_x = mine_before && u->prior.row.xlock == k;
    if (now->xlock == k && !had_x) {
        r.xlock = 0;
        r.flags &= (uint8_t)~ROW_NOKEY;
    } else if (now->xlock != k) {
        r.xlock = now->xlock;
        r.flags = (uint8_t)((r.flags & ~ROW_NOKEY) | (now->flags & ROW_NOKEY));
    }
    r.share = now->share;
    if (!mine_before || !(u->prior.row.share & bit))
        r.share &= ~bit;
    r.flags = (uint8_t)((r.flags & ~ROW_STRONG) | (now->flags & lock_flags & ROW_STRONG));
    r.cap = now->cap;
    return r;
}

/* Makes slot hold the row. In a real block it always fits where it is (invariant 1). */
static lg_status
row_restore(hp *p, uint32_t slot, const heap_row *r, const uint8_t *bytes, uint32_t len)
{
    heap_head h = hp_head(p);
    uint32_t need = ROW_HEAD + len;
    if (slot < h.nslots) {
        heap_slot sl = hp_slot(p, slot);
        if (sl.off != 0 && hp_row(p, sl).cap >= need) {
            heap_row row = *r;
            row.cap = hp_row(p, sl).cap;
            hp_put(p, sl.off, &row, sizeof row);
            if (len)
                hp_put(p, sl.off + ROW_HEAD, bytes, len);
            hp_slot_put(p, slot, (heap_slot){sl.off, (uint16_t)need});
            return LG_OK;
        }
        if (p->m)
            return LG_CORRUPT;
        if (sl.off != 0) {
            hp_slot_put(p, slot, (heap_slot){0, 0});
            h.nfree++;
            hp_head_put(p, &h);
        }
    } else if (p->m) {
        return LG_CORRUPT;
    }
    for (int pass = 0;; pass++) {
        h = hp_head(p);
        uint32_t more = slot < h.nslots ? 0 : (slot + 1 - h.nslots) * (uint32_t)sizeof(heap_slot);
        if (hp_gap(p) >= need + more)
            break;
        if (pass == 1)
            return LG_SNAPSHOT_TOO_OLD;
        lg_heap__compact(p, NULL);
    }
    while (h.nslots <= slot) {
        h.nslots++;
        h.nfree++;
        hp_head_put(p, &h);
        hp_slot_put(p, h.nslots - 1u, (heap_slot){0, 0});
    }
    uint32_t off = lg_heap__place(p, r, bytes, len, need);
    hp_slot_put(p, slot, (heap_slot){(uint16_t)off, (uint16_t)need});
    h = hp_head(p);
    h.nfree--;
    hp_head_put(p, &h);
    return LG_OK;
}

static void
insert_undo(hp *p, heap_head *h, uint32_t slot)
{
    heap_slot sl = hp_slot(p, slot);
    heap_row r = hp_row(p, sl);
    hp_slot_put(p, slot, (heap_slot){0, 0});
    h->nfree++;
    if (sl.off == h->data_low)
        h->data_low = (uint16_t)(h->data_low + r.cap);
}

static uint32_t
many_slot(const uint8_t *slots, uint32_t i)
{
    uint16_t slot;
    memcpy(&slot, slots + i * sizeof slot, sizeof slot);
    return slot;
}

bool
lg_heap__many_has(const lg_undo_rec *rec, const uint8_t *payload, uint32_t slot)
{
    hu_parsed u;
    if (parse(rec, payload, &u) != LG_OK)
        return false;
    for (uint32_t i = 0; i < u.body_len / sizeof(uint16_t); i++)
        if (many_slot(u.body, i) == slot)
            return true;
    return false;
}

/* Last row first, so that their room is all given back. Nothing is changed when the block does not
 * have them all. */
static lg_status
many_undo(hp *p, const hu_parsed *u)
{
    heap_head h = hp_head(p);
    uint32_t n = u->body_len / sizeof(uint16_t);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = many_slot(u->body, i);
        if (slot >= h.nslots || hp_slot(p, slot).off == 0)
            return LG_CORRUPT;
    }
    for (uint32_t i = n; i-- > 0;)
        insert_undo(p, &h, many_slot(u->body, i));
    hp_head_put(p, &h);
    return LG_OK;
}

/* The old bytes from the present ones and the record. */
static lg_status
update_undo(hp *p, const lg_undo_rec *rec, const hu_parsed *u, heap_slot sl, const heap_row *row)
{
    uint16_t v[3];
    if (u->body_len < sizeof v)
        return LG_CORRUPT;
    memcpy(v, u->body, sizeof v);
    uint32_t len = v[0], prefix = v[1], suffix = v[2], now_len = sl.len - ROW_HEAD;
    if (prefix + suffix > len || prefix + suffix > now_len ||
        u->body_len != sizeof v + len - prefix - suffix)
        return LG_CORRUPT;
    uint8_t *old = lg_alloc(len + 1);
    const uint8_t *now = p->d + sl.off + ROW_HEAD;
    memcpy(old, now, prefix);
    memcpy(old + prefix, u->body + sizeof v, len - prefix - suffix);
    memcpy(old + len - suffix, now + now_len - suffix, suffix);
    lg_status st = row_restore(p, rec->slot, row, old, len);
    lg_free(old);
    return st;
}

static lg_status
rec_undo(hp *p, const lg_undo_rec *rec, const uint8_t *payload)
{
    hu_parsed u;
    LG_TRY(parse(rec, payload, &u));
    heap_head h = hp_head(p);
    if (rec->itl == 0 || rec->itl > h.nitl || hp_itl(p, rec->itl).xid != rec->xid)
        return LG_CORRUPT;
    heap_slot sl = rec->slot < h.nslots ? hp_slot(p, rec->slot) : (heap_slot){0, 0};
    if (sl.off == 0 && rec->op != HU_DELETE && !(rec->op == HU_LOCK && !p->m))
        return LG_CORRUPT;
    heap_row now = sl.off ? hp_row(p, sl) : (heap_row){0};
    heap_row row = prior_header(p, rec, &u, &now);
    switch (rec->op) {
    case HU_INSERT:
        insert_undo(p, &h, rec->slot);
        hp_head_put(p, &h);
        break;
    case HU_INSERT_MANY:
        LG_TRY(many_undo(p, &u));
        break;
    case HU_DELETE:
        LG_TRY(row_restore(p, rec->slot, &row, u.body, u.body_len));
        break;
    case HU_UPDATE:
        LG_TRY(update_undo(p, rec, &u, sl, &row));
        break;
    case HU_LOCK:
        if (sl.off != 0) {
            row.itl = now.itl;
            row.flags = (uint8_t)((now.flags & ROW_CONTENT) | (now.flags & ROW_DELETED) |
                                  (row.flags & (ROW_NOKEY | ROW_STRONG)));
            hp_put(p, sl.off, &row, sizeof row);
        }
        break;
    default:
        return LG_CORRUPT;
    }
    heap_itl itl = hp_itl(p, rec->itl);
    if (rec->flags & HU_HAS_ITL)
        itl = u.itl;
    else
        itl.uptr = rec->prev_block;
    hp_itl_put(p, rec->itl, &itl);
    return LG_OK;
}

/* ---- for real ---- */

/* A chain that only the version being taken back refers to. */
static bool
large_of(const hp *p, const lg_undo_rec *rec, heap_large *ret)
{
    if (rec->op != HU_INSERT && rec->op != HU_UPDATE)
        return false;
    heap_slot sl = hp_slot(p, rec->slot);
    if (sl.off == 0 || !(hp_row(p, sl).flags & ROW_LARGE) || sl.len < ROW_HEAD + sizeof *ret)
        return false;
    memcpy(ret, p->d + sl.off + ROW_HEAD, sizeof *ret);
    return true;
}

/* The table was dropped meanwhile (a crash came between the drop and the end of the rollback). Who
 * rolls back for the dead holds no lock on it: a drop may begin and end at any point that blocks here. */
static lg_status
apply_to_nothing(const lg_undo_apply *a)
{
    lg_mtr m;
    lg_buf *table;
    lg_mtr_begin(&m, lg_txn_sys_cache(lg_txn_sys_of(a->txn)));
    lg_status st = lg_txn_undo_done_get(a, &m, &table);
    if (st != LG_OK) {
        lg_mtr_abort(&m);
        return st;
    }
    lg_txn_undo_done(a, &m, table);
    lg_mtr_commit(&m, NULL);
    return LG_OK;
}

lg_status
lg_heap__apply(const lg_undo_apply *a)
{
    lg_txn_sys *s = lg_txn_sys_of(a->txn);
    lg_buf_cache *c = lg_txn_sys_cache(s);
    lg_mtr m;
    hp p = {.m = &m, .bb = lg_buf_block_bytes(c)};
    lg_buf *table;
    lg_status st;
    for (;;) {
        lg_mtr_begin(&m, c);
        st = lg_mtr_get(&m, (lg_addr){a->rec->file, a->rec->block}, LG_LATCH_X, 0, &p.b);
        if (st == LG_OK)
            st = lg_txn_undo_done_get(a, &m, &table);
        if (st == LG_OK)
            break;
        if (st != LG_RETRY) {
            bool dropped = st == LG_INVALID && m.block_count == 0;
            lg_mtr_abort(&m);
            return dropped ? apply_to_nothing(a) : st;
        }
        LG_TRY(lg_mtr_restart(&m));
    }
    p.d = p.b->data;
    heap_large old, now;
    bool had = large_of(&p, a->rec, &old);
    st = rec_undo(&p, a->rec, a->payload);
    if (st != LG_OK) {
        LG_ASSERT(!m.changed); /* a block that contradicts its undo: stop before it spreads */
        lg_mtr_abort(&m);
        return st;
    }
    bool has = a->rec->op == HU_UPDATE && large_of(&p, a->rec, &now);
    lg_txn_undo_done(a, &m, table);
    bool inserts = a->rec->op == HU_INSERT || a->rec->op == HU_INSERT_MANY;
    uint32_t room = inserts ? hp_gap(&p) : 0;
    lg_mtr_commit(&m, NULL);
    bool large = had && !(has && memcmp(&old, &now, sizeof old) == 0);
    if (room < p.bb / 4 && !large)
        return LG_OK;
    lg_segment *g;
    st = lg_segment_open(lg_txn_sys_space(s), a->rec->file, &g);
    if (st == LG_OK && room >= p.bb / 4) /* for the next rows */
        lg_segment_note(g, a->rec->block, room - p.bb / 20);
    if (st == LG_OK && large)
        st = lg_heap__large_free(g, &old);
    return st == LG_INVALID || st == LG_NOT_FOUND ? LG_OK : st; /* dropped, with all its blocks */
}

void
lg_heap__mark(lg_txn_sys *s, lg_mtr *m, lg_buf *b, lg_xid xid, lg_scn scn)
{
    (void)s;
    hp p = {.m = m, .b = b, .d = b->data, .bb = 0};
    heap_head h = hp_head(&p);
    for (uint32_t k = 1; k <= h.nitl; k++) {
        heap_itl i = hp_itl(&p, k);
        if (i.xid != xid)
            continue;
        i.scn = scn;
        i.flags = 0;
        hp_itl_put(&p, k, &i);
        return;
    }
}

/* ---- copies ---- */

/* The newest change in the copy that the snapshot does not see. LG_END: there is none. */
static lg_status
newest_unseen(lg_txn_sys *s, lg_txn *t, hp *p, const lg_snapshot *snap, lg_undo_rec *ret,
              uint8_t **payload)
{
    lg_undo *undo = lg_txn_sys_undo(s);
    uint32_t unseen = 0, best_k = 0;
    heap_head h = hp_head(p);
    lg_version best = 0;
    for (uint32_t k = 1; k <= h.nitl; k++) {
        heap_itl i = hp_itl(p, k);
        lg_undo_rec rec;
        if (i.xid == LG_XID_NONE || i.uptr == 0)
            continue;
        bool own = t && i.xid == lg_txn_xid(t);
        if (own) {
            if (lg_txn_seq(t) <= snap->own_seq)
                continue;
        } else {
            lg_status st = lg_heap__itl_visible(t, s, &i, snap->scn);
            if (st == LG_WOULD_WAIT) {
                LG_TRY(lg_txn_settle(s, i.xid, snap->scn));
                k--; /* look again */
                continue;
            }
            if (st == LG_OK)
                continue;
            if (st != LG_NOT_VISIBLE)
                return st;
        }
        if (!*payload)
            *payload = lg_alloc(p->bb);
        LG_TRY(lg_undo_read(undo, i.uptr, i.xid, &rec, *payload));
        if (own && rec.seq <= snap->own_seq)
            continue;
        unseen++;
        if (best_k == 0 || rec.version > best) {
            best = rec.version;
            best_k = k;
            *ret = rec;
        }
    }
    if (unseen == 0)
        return LG_END;
    if (unseen > 1) { /* the payload read last may be another's */
        heap_itl i = hp_itl(p, best_k);
        LG_TRY(lg_undo_read(undo, i.uptr, i.xid, ret, *payload));
    }
    return LG_OK;
}

/* Does the record change (not only lock) the row in the slot? */
static bool
rec_changes(const lg_undo_rec *rec, const uint8_t *payload, uint32_t slot)
{
    if (rec->op == HU_INSERT_MANY)
        return lg_heap__many_has(rec, payload, slot);
    return rec->op != HU_LOCK && rec->slot == slot;
}

#define NO_SLOT UINT32_MAX

/* Takes back what the snapshot does not see. LG_UPDATED: up to a change of the row in the slot. */
static lg_status
take_back(lg_txn_sys *s, lg_txn *t, hp *p, const lg_snapshot *snap, uint32_t slot)
{
    uint8_t *payload = NULL;
    lg_status st;
    for (;;) {
        lg_undo_rec rec;
        st = newest_unseen(s, t, p, snap, &rec, &payload);
        if (st == LG_OK && slot != NO_SLOT && rec_changes(&rec, payload, slot))
            st = LG_UPDATED;
        if (st == LG_OK)
            st = rec_undo(p, &rec, payload);
        if (st != LG_OK)
            break;
    }
    if (payload)
        lg_stat_inc(lg_run_stats(lg_txn_sys_run(s)), LG_STAT_CR_BLOCKS_CREATED);
    lg_free(payload);
    return st == LG_END ? LG_OK : st;
}

/* The transaction's own slot; 0: it has none here. */
static uint32_t
own_slot(const hp *p, const lg_txn *t)
{
    for (uint32_t k = 1; t && k <= hp_head(p).nitl; k++)
        if (hp_itl(p, k).xid == lg_txn_xid(t) && lg_txn_xid(t) != LG_XID_NONE)
            return k;
    return 0;
}

/* The rows that slot k made in `from`, and those that it deleted, in `to` as well. */
static lg_status
own_rows(const hp *from, uint32_t k, hp *to)
{
    for (uint32_t i = 0; i < hp_head(from).nslots; i++) {
        heap_slot sl = hp_slot(from, i);
        if (sl.off == 0)
            continue;
        heap_row r = hp_row(from, sl);
        if (r.itl != k)
            continue;
        heap_head h = hp_head(to);
        if (!(r.flags & ROW_DELETED)) {
            r.itl = 0;
            LG_TRY(row_restore(to, i, &r, from->d + sl.off + ROW_HEAD, sl.len - ROW_HEAD));
        } else if (i < h.nslots && hp_slot(to, i).off != 0) {
            hp_slot_put(to, i, (heap_slot){0, 0});
            h.nfree++;
            hp_head_put(to, &h);
        }
    }
    return LG_OK;
}

/* A transaction that sees its own changes may have them in a slot it took from one that its snapshot
 * does not see: that one's undo is found only beneath its own. So all is taken back in another copy,
 * and the rows of its own are put there: nobody else changed those after the snapshot. */
lg_status
lg_heap__cr(lg_txn_sys *s, lg_txn *t, void *frame, const lg_snapshot *snap)
{
    hp p = {.d = frame, .bb = lg_buf_block_bytes(lg_txn_sys_cache(s))}, all = p;
    uint32_t k;
    LG_TRY(take_back(s, t, &p, snap, NO_SLOT));
    if (hp_head(&p).evicted_scn <= snap->scn || !(k = own_slot(&p, t)))
        return LG_OK;
    all.d = lg_alloc(p.bb);
    memcpy(all.d, p.d, p.bb);
    lg_status st = take_back(s, t, &all, &(lg_snapshot){.scn = snap->scn, .own_seq = 0}, NO_SLOT);
    if (st == LG_OK)
        st = own_rows(&p, k, &all);
    if (st == LG_OK)
        memcpy(p.d, all.d, p.bb);
    lg_free(all.d);
    return st;
}

/* Whoever made the row's present version lies beneath others in its ITL slot: only undo knows whether
 * that was after the snapshot. */
lg_status
lg_heap__changed_since(lg_txn_sys *s, lg_txn *t, void *frame, uint32_t slot, lg_scn scn)
{
    hp p = {.d = frame, .bb = lg_buf_block_bytes(lg_txn_sys_cache(s))};
    lg_status st = take_back(s, t, &p, &(lg_snapshot){.scn = scn, .own_seq = 0}, slot);
    return st == LG_SNAPSHOT_TOO_OLD ? LG_UPDATED : st; /* nobody can tell any more */
}
