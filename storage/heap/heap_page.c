/* The slotted block: ITL, slots, room. Layout and invariants: heap_internal.h. */
#include "heap_internal.h"

void
lg_heap__format(hp *p)
{
    lg_mtr_format(p->m, p->b, LG_BLOCK_HEAP);
    heap_head h = {.nitl = ITL_FIRST, .data_low = (uint16_t)p->bb};
    hp_head_put(p, &h);
}

/* Committed, as far as is known without asking. */
static bool
itl_committed(lg_txn_sys *s, const heap_itl *i, lg_txn_status *ret)
{
    if (i->xid == LG_XID_NONE) {
        *ret = (lg_txn_status){LG_XID_COMMITTED, 0, false};
        return true;
    }
    if (i->scn != 0) {
        *ret = (lg_txn_status){LG_XID_COMMITTED, i->scn, (i->flags & ITL_BOUND) != 0};
        return true;
    }
    lg_scn now = lg_scn_current(lg_buf_clock(lg_txn_sys_cache(s)));
    return lg_txn_peek(s, i->xid, now, ret) == LG_OK && ret->state == LG_XID_COMMITTED;
}

lg_status
lg_heap__itl_plan(const hp *p, lg_txn *t, uint32_t room, hp_itl_plan *ret, lg_xid *ret_wait)
{
    lg_txn_sys *s = lg_txn_sys_of(t);
    heap_head h = hp_head(p);
    lg_scn best = LG_SCN_MAX;
    memset(ret, 0, sizeof *ret);
    *ret_wait = LG_XID_NONE;
    for (uint32_t k = 1; k <= h.nitl; k++) {
        heap_itl i = hp_itl(p, k);
        if (i.xid == lg_txn_xid(t)) {
            *ret = (hp_itl_plan){.k = k, .own = true};
            return LG_OK;
        }
        lg_txn_status st;
        if (itl_committed(s, &i, &st)) {
            if (st.scn < best) {
                best = st.scn;
                *ret = (hp_itl_plan){.k = k, .evict = i.xid != LG_XID_NONE};
            }
        } else {
            *ret_wait = i.xid;
        }
    }
    if (ret->k != 0)
        return LG_OK;
    if (h.nitl < ITL_MAX && room >= sizeof(heap_itl)) {
        *ret = (hp_itl_plan){.k = h.nitl + 1u, .grow = true};
        return LG_OK;
    }
    return LG_IN_DOUBT;
}

/* No row names slot k any more. */
static void
itl_forget(hp *p, uint32_t k)
{
    heap_head h = hp_head(p);
    for (uint32_t i = 0; i < h.nslots; i++) {
        heap_slot s = hp_slot(p, i);
        if (s.off == 0)
            continue;
        heap_row r = hp_row(p, s), was = r;
        if (r.itl == k)
            r.itl = 0;
        if (r.xlock == k)
            r.xlock = 0;
        r.share &= ~(1u << (k - 1));
        if (memcmp(&r, &was, sizeof r) != 0)
            hp_put(p, s.off, &r, sizeof r);
    }
}

/* A deleted row of a slot about to be used again is gone for good: free it while we know the SCN.
 */
static void
reap_deleted(hp *p, uint32_t k, lg_scn scn)
{
    heap_head h = hp_head(p);
    bool any = false;
    for (uint32_t i = 0; i < h.nslots; i++) {
        heap_slot s = hp_slot(p, i);
        if (s.off == 0)
            continue;
        heap_row r = hp_row(p, s);
        if (!(r.flags & ROW_DELETED) || r.itl != k)
            continue;
        hp_slot_put(p, i, (heap_slot){0, 1});
        h.nfree++;
        any = true;
    }
    if (any) {
        if (scn > h.tomb_scn)
            h.tomb_scn = scn;
        hp_head_put(p, &h);
    }
}

void
lg_heap__itl_take(hp *p, lg_txn *t, const hp_itl_plan *plan)
{
    if (plan->own)
        return;
    heap_head h = hp_head(p);
    if (plan->grow) {
        uint32_t from = hp_slot_off(&h, 0), len = h.nslots * (uint32_t)sizeof(heap_slot);
        LG_ASSERT(hp_gap(p) >= sizeof(heap_itl));
        if (len > 0)
            lg_mtr_move(p->m, p->b, from + (uint32_t)sizeof(heap_itl), from, len);
        h.nitl++;
        hp_head_put(p, &h);
    } else if (plan->evict) {
        heap_itl i = hp_itl(p, plan->k);
        lg_txn_status st;
        bool known = itl_committed(lg_txn_sys_of(t), &i, &st);
        LG_ASSERT(known);
        reap_deleted(p, plan->k, st.scn);
        itl_forget(p, plan->k);
        h = hp_head(p);
        if (st.scn > h.evicted_scn) {
            h.evicted_scn = st.scn;
            hp_head_put(p, &h);
        }
    }
    heap_itl own = {.xid = lg_txn_xid(t)};
    hp_itl_put(p, plan->k, &own);
}

void
lg_heap__cleanout(hp *p, lg_txn *t)
{
    heap_head h = hp_head(p);
    for (uint32_t k = 1; k <= h.nitl; k++) {
        heap_itl i = hp_itl(p, k);
        lg_txn_status st;
        if (i.xid == LG_XID_NONE || i.xid == lg_txn_xid(t) || i.scn != 0 ||
            !itl_committed(lg_txn_sys_of(t), &i, &st))
            continue;
        i.scn = st.scn;
        i.flags = st.upper_bound ? ITL_BOUND : 0;
        hp_itl_put(p, k, &i);
    }
}

/* ---- room ---- */

/* What a compaction keeps of the row: 0 = nothing (deleted for good); *ret_scn: by whom. */
static uint32_t
keep_bytes(const hp *p, lg_txn_sys *s, heap_slot sl, lg_scn *ret_scn)
{
    heap_row r = hp_row(p, sl);
    *ret_scn = 0;
    if (!s) /* a copy: undo brings back what is needed */
        return r.flags & ROW_DELETED ? 0 : sl.len;
    if (r.itl != 0) {
        heap_itl i = hp_itl(p, r.itl);
        lg_txn_status st;
        if (!itl_committed(s, &i, &st))
            return r.cap;
        *ret_scn = st.scn;
    } else {
        *ret_scn = hp_head(p).evicted_scn;
    }
    if (r.flags & ROW_DELETED)
        return 0;
    return sl.len < ROW_CAP_MIN ? ROW_CAP_MIN : sl.len;
}

uint32_t
lg_heap__room(const hp *p, lg_txn_sys *s)
{
    heap_head h = hp_head(p);
    uint32_t used = 0;
    lg_scn scn;
    for (uint32_t i = 0; i < h.nslots; i++) {
        heap_slot sl = hp_slot(p, i);
        if (sl.off != 0)
            used += keep_bytes(p, s, sl, &scn);
    }
    uint32_t low = hp_slot_off(&h, h.nslots);
    return used > p->bb - low ? 0 : p->bb - low - used;
}

/* Copies shed what only later users of the block needed: empty slots and ITL entries at the end. */
static void
copy_trim(hp *p)
{
    heap_head h = hp_head(p);
    while (h.nslots > 0 && hp_slot(p, h.nslots - 1u).off == 0) {
        h.nslots--;
        h.nfree--;
        hp_head_put(p, &h);
    }
    while (h.nitl > ITL_FIRST && hp_itl(p, h.nitl).xid == LG_XID_NONE) {
        uint32_t from = hp_slot_off(&h, 0);
        memmove(p->d + from - sizeof(heap_itl), p->d + from, h.nslots * sizeof(heap_slot));
        h.nitl--;
        hp_head_put(p, &h);
    }
}

void
lg_heap__compact(hp *p, lg_txn_sys *s)
{
    if (!s)
        copy_trim(p);
    heap_head h = hp_head(p);
    uint32_t slots_off = hp_slot_off(&h, 0), slots_len = h.nslots * (uint32_t)sizeof(heap_slot);
    uint8_t *image = lg_alloc(p->bb);
    uint32_t low = p->bb;
    heap_slot *slots =
        (heap_slot *)(void *)image; /* the new directory, then rows at their places */
    memcpy(slots, p->d + slots_off, slots_len);
    uint8_t *rows = lg_alloc(p->bb);
    for (uint32_t i = 0; i < h.nslots; i++) {
        heap_slot sl = slots[i];
        if (sl.off == 0)
            continue;
        lg_scn scn;
        uint32_t keep = keep_bytes(p, s, sl, &scn);
        if (keep == 0) {
            slots[i] = (heap_slot){0, 1};
            h.nfree++;
            if (scn > h.tomb_scn)
                h.tomb_scn = scn;
            continue;
        }
        LG_ASSERT(low >= keep && keep >= sl.len);
        low -= keep;
        heap_row r = hp_row(p, sl);
        r.cap = (uint16_t)keep;
        memset(rows + low, 0, keep);
        memcpy(rows + low, p->d + sl.off, sl.len);
        memcpy(rows + low, &r, sizeof r);
        slots[i].off = (uint16_t)low;
    }
    h.data_low = (uint16_t)low;
    LG_ASSERT(low >= slots_off + slots_len);
    hp_head_put(p, &h);
    if (slots_len)
        hp_put(p, slots_off, slots, slots_len);
    if (low < p->bb)
        hp_put(p, low, rows + low, p->bb - low);
    lg_free(rows);
    lg_free(image);
}

uint32_t
lg_heap__place(hp *p, const heap_row *r, const void *bytes, uint32_t len, uint32_t cap)
{
    heap_head h = hp_head(p);
    LG_ASSERT(cap >= ROW_HEAD + len && hp_gap(p) >= cap);
    uint32_t off = h.data_low - cap;
    h.data_low = (uint16_t)off;
    hp_head_put(p, &h);
    heap_row row = *r;
    row.cap = (uint16_t)cap;
    hp_put(p, off, &row, sizeof row);
    if (len)
        hp_put(p, off + ROW_HEAD, bytes, len);
    return off;
}

bool
lg_heap__slot_pick(const hp *p, lg_scn horizon, uint32_t *ret_slot)
{
    heap_head h = hp_head(p);
    *ret_slot = h.nslots;
    if (h.nfree == 0)
        return false;
    for (uint32_t i = 0; i < h.nslots; i++) {
        heap_slot s = hp_slot(p, i);
        if (s.off == 0 && (s.len == 0 || h.tomb_scn <= horizon)) {
            *ret_slot = i;
            return true;
        }
    }
    return false;
}

lg_status
lg_heap_block_check(const void *block, uint32_t block_bytes)
{
    hp p = {NULL, NULL, (uint8_t *)(uintptr_t)block, block_bytes};
    heap_head h = hp_head(&p);
    uint32_t end = hp_slot_off(&h, h.nslots), nfree = 0;
    uint64_t used = 0;
    if (!hp_is_heap(block) || h.nitl < ITL_FIRST || h.nitl > ITL_MAX ||
        (h.data_low != (uint16_t)block_bytes && h.data_low > block_bytes) || end > h.data_low)
        return LG_CORRUPT;
    for (uint32_t i = 0; i < h.nslots; i++) {
        heap_slot s = hp_slot(&p, i);
        if (s.off == 0) {
            nfree++;
            continue;
        }
        if (s.off < h.data_low || s.len < ROW_HEAD || (uint32_t)s.off + s.len > block_bytes)
            return LG_CORRUPT;
        heap_row r = hp_row(&p, s);
        if (r.cap < s.len || (uint32_t)s.off + r.cap > block_bytes || r.itl > h.nitl ||
            r.xlock > h.nitl)
            return LG_CORRUPT;
        used += r.cap;
    }
    return nfree == h.nfree && used <= block_bytes - h.data_low ? LG_OK : LG_CORRUPT;
}
