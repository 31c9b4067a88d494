/* Reading rows: by id and in sequence, as of a snapshot.
 *
 * A row is read in place when the block is here and the row's newest change is visible. Otherwise
 * the block is copied (built by its holder when it is on another instance) and taken back. */
#include "heap_internal.h"
#include <lz4.h>

lg_status
lg_heap__itl_visible(lg_txn *t, lg_txn_sys *s, const heap_itl *i, lg_scn scn)
{
    if (i->xid == LG_XID_NONE || (t && i->xid == lg_txn_xid(t)))
        return LG_OK;
    if (i->scn != 0 && i->scn <= scn)
        return LG_OK;
    if (i->scn != 0 && !(i->flags & ITL_BOUND))
        return LG_NOT_VISIBLE;
    lg_txn_status st;
    LG_TRY(lg_txn_peek(s, i->xid, scn, &st));
    if (st.state == LG_XID_COMMITTED)
        return st.scn <= scn ? LG_OK : LG_NOT_VISIBLE;
    if (st.state != LG_XID_COMMITTING || st.scn > scn)
        return LG_NOT_VISIBLE;
    return t && lg_txn_early(t, i->xid) ? LG_OK : LG_WOULD_WAIT;
}

/* The block as the snapshot sees it. LG_NOT_FOUND: it is no heap block. */
static lg_status
block_copy(lg_txn *t, lg_segment *g, uint32_t block, const lg_snapshot *snap, uint8_t *frame)
{
    lg_txn_sys *s = lg_txn_sys_of(t);
    lg_buf_cache *c = lg_txn_sys_cache(s);
    lg_addr addr = {lg_segment_file(g), block};
    bool current = true;
    if (lg_txn_may_have_touched(t, addr)) { /* a holder would take our own changes back too */
        lg_buf *b;
        LG_TRY(lg_buf_get(c, addr, LG_LATCH_S, &b));
        memcpy(frame, b->data, lg_buf_block_bytes(c));
        lg_buf_put(c, b, LG_LATCH_S);
    } else {
        LG_TRY(lg_buf_read_copy(c, addr, snap->scn, frame, &current));
    }
    if (!hp_is_heap(frame))
        return LG_NOT_FOUND;
    lg_stat_inc(lg_run_stats(lg_txn_sys_run(s)), LG_STAT_CONSISTENT_GETS);
    return current ? lg_heap__cr(s, t, frame, snap) : LG_OK;
}

static lg_status
row_of(const hp *p, uint32_t slot, lg_arena *a, heap_content *ret)
{
    if (slot >= hp_head(p).nslots)
        return LG_NOT_FOUND;
    heap_slot sl = hp_slot(p, slot);
    if (sl.off == 0)
        return LG_NOT_FOUND;
    heap_row r = hp_row(p, sl);
    if (r.flags & ROW_DELETED)
        return LG_NOT_FOUND;
    ret->flags = r.flags & ROW_CONTENT;
    ret->len = sl.len - ROW_HEAD;
    ret->bytes = lg_arena_dup(a, p->d + sl.off + ROW_HEAD, ret->len);
    return LG_OK;
}

/* Without a copy. LG_RETRY: a copy is needed. LG_WOULD_WAIT: *ret_xid must be settled first. */
static lg_status
row_in_place(lg_txn *t, const hp *p, uint32_t slot, const lg_snapshot *snap, lg_arena *a,
             heap_content *ret, lg_xid *ret_xid)
{
    heap_head h = hp_head(p);
    if (!hp_is_heap(p->d))
        return LG_NOT_FOUND;
    if (slot >= h.nslots)
        return LG_RETRY;
    if (hp_slot(p, slot).off == 0) /* gone; after the snapshot? */
        return h.tomb_scn > snap->scn ? LG_RETRY : LG_NOT_FOUND;
    heap_row r = hp_row(p, hp_slot(p, slot));
    if (r.itl == 0) {
        if (h.evicted_scn > snap->scn)
            return LG_RETRY;
    } else {
        heap_itl i = hp_itl(p, r.itl);
        if (i.xid == lg_txn_xid(t) && lg_txn_seq(t) > snap->own_seq)
            return LG_RETRY;
        lg_status st = lg_heap__itl_visible(t, lg_txn_sys_of(t), &i, snap->scn);
        *ret_xid = i.xid;
        if (st != LG_OK)
            return st == LG_NOT_VISIBLE ? LG_RETRY : st;
    }
    return row_of(p, slot, a, ret);
}

lg_status
lg_heap__content(lg_txn *t, lg_segment *g, lg_rowid id, const lg_snapshot *snap, lg_arena *a,
                 heap_content *ret)
{
    lg_buf_cache *c = lg_segment_cache(g);
    lg_addr addr = {lg_segment_file(g), (uint32_t)(id >> 16)};
    hp p = {.bb = lg_buf_block_bytes(c)};
    for (;;) {
        lg_buf *b;
        lg_xid xid = LG_XID_NONE;
        lg_status st = lg_buf_try_get(c, addr, LG_LATCH_S, &b);
        if (st == LG_WOULD_WAIT)
            break;
        LG_TRY(st);
        p.d = b->data;
        st = row_in_place(t, &p, (uint16_t)id, snap, a, ret, &xid);
        lg_buf_put(c, b, LG_LATCH_S);
        if (st == LG_RETRY)
            break;
        if (st != LG_WOULD_WAIT)
            return st;
        LG_TRY(lg_txn_settle(lg_txn_sys_of(t), xid, snap->scn));
    }
    p.d = lg_alloc(p.bb);
    lg_status st = block_copy(t, g, addr.block, snap, p.d);
    if (st == LG_OK)
        st = row_of(&p, (uint16_t)id, a, ret);
    lg_free(p.d);
    return st;
}

lg_status
lg_heap__expand(lg_segment *g, lg_arena *a, const heap_content *c, const uint8_t **ret_row,
                uint32_t *ret_len)
{
    if (c->flags & ROW_LARGE) {
        heap_large l;
        if (c->len != sizeof l)
            return LG_CORRUPT;
        memcpy(&l, c->bytes, sizeof l);
        if (!lg_mem_room(l.raw_len))
            return LG_NO_MEMORY;
        uint8_t *row = lg_arena_alloc(a, l.raw_len);
        *ret_row = row;
        *ret_len = l.raw_len;
        return lg_heap__large_read(g, &l, row);
    }
    if (c->flags & ROW_LZ4) {
        uint32_t len;
        if (c->len < 4)
            return LG_CORRUPT;
        memcpy(&len, c->bytes, 4);
        uint8_t *row = lg_arena_alloc(a, len);
        *ret_row = row;
        *ret_len = len;
        return LZ4_decompress_safe((const char *)c->bytes + 4, (char *)row, (int)c->len - 4,
                                   (int)len) == (int)len
                   ? LG_OK
                   : LG_CORRUPT;
    }
    *ret_row = c->bytes;
    *ret_len = c->len;
    return LG_OK;
}

static lg_snapshot
newest(lg_txn *t)
{
    lg_buf_cache *c = lg_txn_sys_cache(lg_txn_sys_of(t));
    return (lg_snapshot){lg_scn_current(lg_buf_clock(c)), UINT32_MAX};
}

/* A migrated row's piece is versioned on its own, in step with its home. */
static lg_status
follow(lg_txn *t, lg_segment *g, const lg_snapshot *snap, lg_arena *a, heap_content *c)
{
    if (!(c->flags & ROW_FORWARD))
        return LG_OK;
    lg_rowid to;
    if (c->len != sizeof to)
        return LG_CORRUPT;
    memcpy(&to, c->bytes, sizeof to);
    lg_status st = lg_heap__content(t, g, to, snap, a, c);
    return st == LG_NOT_FOUND || (st == LG_OK && !(c->flags & ROW_MIGRATED)) ? LG_CORRUPT : st;
}

lg_status
lg_heap_row_fetch(lg_txn *t, lg_segment *g, lg_rowid id, const lg_snapshot *snap, lg_arena *a,
                  const uint8_t **ret_row, uint32_t *ret_len)
{
    lg_snapshot now = newest(t);
    const lg_snapshot *at = snap ? snap : &now;
    heap_content c;
    LG_TRY(lg_heap__content(t, g, id, at, a, &c));
    if (c.flags & ROW_MIGRATED)
        return LG_NOT_FOUND; /* no row begins here */
    LG_TRY(follow(t, g, at, a, &c));
    return lg_heap__expand(g, a, &c, ret_row, ret_len);
}

lg_status
lg_heap_row_newest(lg_txn *t, lg_segment *g, lg_rowid id, const lg_snapshot *snap, lg_arena *a,
                   const uint8_t **ret_row, uint32_t *ret_len)
{
    lg_buf_cache *c = lg_segment_cache(g);
    lg_addr addr = {lg_segment_file(g), (uint32_t)(id >> 16)};
    hp p = {.bb = lg_buf_block_bytes(c)};
    heap_content row;
    lg_buf *b;
    lg_xid xid;
    lg_status st = lg_buf_try_get(c, addr, LG_LATCH_S, &b);
    if (st != LG_OK)
        return st == LG_WOULD_WAIT ? LG_RETRY : st;
    p.d = b->data;
    st = row_in_place(t, &p, (uint16_t)id, snap, a, &row, &xid);
    lg_buf_put(c, b, LG_LATCH_S);
    if (st == LG_WOULD_WAIT || st == LG_NOT_FOUND)
        return LG_RETRY;
    LG_TRY(st);
    if (row.flags & (ROW_MIGRATED | ROW_FORWARD))
        return LG_RETRY; /* the piece has versions of its own */
    return lg_heap__expand(g, a, &row, ret_row, ret_len);
}

/* ---- sequential scan ---- */

/* Copies of blocks whose rows one call may return; small rows: the batch is full first. */
#define SCAN_FRAMES 48u
/* Shorter scans are not read ahead. */
#define AHEAD_BLOCKS 8u

struct lg_heap_scan {
    lg_txn *t;
    lg_segment *g;
    lg_snapshot snap;
    uint32_t block, last; /* next to read, end */
    hp page;              /* the block being returned: frames[nframes - 1] */
    uint8_t *frames[SCAN_FRAMES];
    uint32_t nframes, have; /* in use by this call; allocated */
    uint32_t at, slot, nslots;
    uint32_t visit_slot;  /* visits: where to go on in `block` */
    lg_buf_stream *ahead; /* since a block was not here */
    lg_version settled;   /* of the block that the last visit finished; see lg_heap_scan_place */
    lg_arena *arena;      /* rows that are not in the copies themselves */
};

lg_status
lg_heap_scan_open(lg_txn *t, lg_segment *g, const lg_snapshot *snap, uint32_t first, uint32_t last,
                  lg_heap_scan **ret_scan)
{
    if (last == 0)
        LG_TRY(lg_segment_blocks(g, &last));
    lg_heap_scan *sc = lg_zalloc(sizeof *sc);
    sc->t = t;
    sc->g = g;
    sc->snap = snap ? *snap : newest(t);
    sc->block = first;
    sc->last = last;
    sc->page.bb = lg_buf_block_bytes(lg_segment_cache(g));
    sc->arena = lg_arena_create("heap scan", 0);
    *ret_scan = sc;
    return LG_OK;
}

/* Blocks that follow one that is not here are read ahead. */
static bool
look_ahead(lg_heap_scan *sc, uint32_t block)
{
    lg_buf_cache *c = lg_segment_cache(sc->g);
    bool here = lg_buf_present(c, (lg_addr){lg_segment_file(sc->g), block});
    if (!here && !sc->ahead && sc->last - sc->block >= AHEAD_BLOCKS)
        sc->ahead = lg_buf_stream_open(c, lg_segment_file(sc->g), sc->last, sc->snap.scn);
    if (sc->ahead)
        lg_buf_stream_at(sc->ahead, block);
    return here;
}

static lg_status
scan_next_block(lg_heap_scan *sc)
{
    while (sc->block < sc->last) {
        uint32_t block = sc->block;
        if (lg_segment_is_meta(sc->g, block)) {
            sc->block++;
            continue;
        }
        if (sc->nframes == sc->have)
            sc->frames[sc->have++] = lg_alloc(sc->page.bb);
        uint8_t *frame = sc->frames[sc->nframes];
        bool here = look_ahead(sc, block);
        lg_status st = block_copy(sc->t, sc->g, block, &sc->snap, frame);
        if (!here && sc->ahead)
            lg_buf_stream_brought(sc->ahead, block);
        sc->block++;
        if (st == LG_NOT_FOUND)
            continue;
        LG_TRY(st);
        sc->page.d = frame;
        sc->nframes++;
        sc->at = block;
        sc->slot = 0;
        sc->nslots = hp_head(&sc->page).nslots;
        return LG_OK;
    }
    return LG_END;
}

/* The block that the last call did not finish stays, the others' frames are free again. */
static void
scan_frames_reset(lg_heap_scan *sc)
{
    if (sc->slot < sc->nslots) {
        uint8_t *keep = sc->frames[sc->nframes - 1];
        sc->frames[sc->nframes - 1] = sc->frames[0];
        sc->frames[0] = keep;
        sc->nframes = 1;
    } else {
        sc->nframes = 0;
    }
}

static lg_status
scan_block_rows(lg_heap_scan *sc, lg_heap_row *rows, uint32_t max, uint32_t *n)
{
    heap_head h = hp_head(&sc->page);
    const uint8_t *slots = sc->page.d + hp_slot_off(&h, 0);
    while (*n < max && sc->slot < sc->nslots) {
        uint32_t slot = sc->slot++;
        heap_slot sl;
        memcpy(&sl, slots + slot * sizeof sl, sizeof sl);
        if (sl.off == 0)
            continue;
        uint8_t flags = sc->page.d[sl.off + offsetof(heap_row, flags)];
        if (flags & (ROW_DELETED | ROW_MIGRATED))
            continue;
        lg_heap_row *r = &rows[(*n)++];
        r->id = lg_rowid_make(sc->at, (uint16_t)slot);
        r->bytes = sc->page.d + sl.off + ROW_HEAD;
        r->len = sl.len - ROW_HEAD;
        if (flags & ROW_CONTENT) {
            heap_content c = {flags & ROW_CONTENT, r->bytes, r->len};
            LG_TRY(follow(sc->t, sc->g, &sc->snap, sc->arena, &c));
            LG_TRY(lg_heap__expand(sc->g, sc->arena, &c, &r->bytes, &r->len));
        }
    }
    return LG_OK;
}

lg_status
lg_heap_scan_next(lg_heap_scan *sc, lg_heap_row *rows, uint32_t max, uint32_t *ret_n)
{
    uint32_t n = 0;
    lg_arena_reset(sc->arena);
    scan_frames_reset(sc);
    for (;;) {
        if (sc->slot < sc->nslots)
            LG_TRY(scan_block_rows(sc, rows, max, &n));
        if (n == max || (n && sc->nframes == SCAN_FRAMES))
            break;
        if (!n) /* nothing in the blocks read so far */
            sc->nframes = 0;
        lg_status st = scan_next_block(sc);
        if (st == LG_END && n)
            break;
        LG_TRY(st);
    }
    *ret_n = n;
    return LG_OK;
}

/* Does the snapshot see everything in the block? Never blocks. *ret_own: also changes of its own
 * transaction, or of one that is committed and not durable yet, which not everybody may see. */
static bool
all_visible(const lg_heap_scan *sc, const hp *p, bool *ret_own)
{
    heap_head h = hp_head(p);
    *ret_own = false;
    for (uint32_t k = 1; k <= h.nitl; k++) {
        heap_itl i = hp_itl(p, k);
        if (i.xid == LG_XID_NONE || i.uptr == 0)
            continue;
        if (i.xid == lg_txn_xid(sc->t)) {
            if (lg_txn_seq(sc->t) > sc->snap.own_seq)
                return false;
            *ret_own = true;
        } else if (lg_heap__itl_visible(sc->t, lg_txn_sys_of(sc->t), &i, sc->snap.scn) != LG_OK) {
            return false;
        } else if (i.scn == 0 && lg_txn_early(sc->t, i.xid)) {
            *ret_own = true;
        }
    }
    return true;
}

#define AHEAD 6u /* rows whose bytes are asked for before they are looked at */

/* Rows from *slot on. LG_OK: the block is done; LG_WOULD_WAIT: fn has enough; LG_RETRY: the row at
 * *slot cannot be shown in place. */
static lg_status
visit_in_place(const hp *p, uint32_t block, uint32_t *slot, lg_heap_visit_fn fn, void *arg)
{
    heap_head h = hp_head(p);
    const uint8_t *slots = p->d + hp_slot_off(&h, 0);
    for (; *slot < h.nslots; (*slot)++) {
        heap_slot sl;
        memcpy(&sl, slots + *slot * sizeof sl, sizeof sl);
        if (*slot + AHEAD < h.nslots) {
            heap_slot next;
            memcpy(&next, slots + (*slot + AHEAD) * sizeof next, sizeof next);
            for (uint32_t at = 0; at < next.len && at < 192; at += 64)
                __builtin_prefetch(p->d + next.off + at);
        }
        if (sl.off == 0)
            continue;
        uint8_t flags = p->d[sl.off + offsetof(heap_row, flags)];
        if (flags & (ROW_DELETED | ROW_MIGRATED))
            continue;
        if (flags & ROW_CONTENT)
            return LG_RETRY;
        if (!fn(arg, lg_rowid_make(block, (uint16_t)*slot), p->d + sl.off + ROW_HEAD,
                sl.len - ROW_HEAD))
            return LG_WOULD_WAIT;
    }
    return LG_OK;
}

/* Rows of the copy in sc->page, which is not latched: large and moved ones too. */
static lg_status
visit_copy(lg_heap_scan *sc, lg_heap_visit_fn fn, void *arg)
{
    lg_heap_row r;
    while (sc->slot < sc->nslots) {
        uint32_t from = sc->slot, n = 0;
        lg_arena_reset(sc->arena);
        LG_TRY(scan_block_rows(sc, &r, 1, &n));
        if (n && !fn(arg, r.id, r.bytes, r.len)) {
            sc->slot = from;
            break;
        }
    }
    return LG_OK;
}

lg_status
lg_heap_scan_visit(lg_heap_scan *sc, lg_heap_visit_fn fn, void *arg)
{
    lg_buf_cache *c = lg_segment_cache(sc->g);
    sc->settled = 0;
    if (sc->slot < sc->nslots)
        return visit_copy(sc, fn, arg);
    for (;; sc->visit_slot = 0) {
        lg_addr addr = {lg_segment_file(sc->g), sc->block};
        lg_buf *b;
        if (sc->block >= sc->last)
            return LG_END;
        if (lg_segment_is_meta(sc->g, sc->block)) {
            sc->block++;
            continue;
        }
        if (!lg_txn_may_have_touched(sc->t, addr) &&
            lg_buf_try_get(c, addr, LG_LATCH_S, &b) == LG_OK) {
            hp p = {.d = b->data, .bb = sc->page.bb};
            bool own, whole = sc->visit_slot == 0;
            lg_status st = !hp_is_heap(p.d) ? LG_NOT_FOUND
                           : all_visible(sc, &p, &own)
                               ? visit_in_place(&p, sc->block, &sc->visit_slot, fn, arg)
                               : LG_RETRY;
            if (st == LG_OK && whole && !own)
                sc->settled = lg_block_version(p.d);
            lg_buf_put(c, b, LG_LATCH_S);
            if (sc->ahead)
                lg_buf_stream_at(sc->ahead, sc->block);
            if (st == LG_WOULD_WAIT)
                return LG_OK;
            if (st == LG_OK || st == LG_NOT_FOUND) {
                sc->block++;
                if (st == LG_NOT_FOUND)
                    continue;
                sc->visit_slot = 0;
                lg_stat_inc(lg_run_stats(lg_buf_run(c)), LG_STAT_CONSISTENT_GETS);
                return LG_OK;
            }
        }
        uint32_t from = sc->visit_slot, block = sc->block;
        sc->nframes = 0;
        lg_status st = scan_next_block(sc);
        if (st != LG_OK)
            return st;
        if (sc->at == block)
            sc->slot = from;
        sc->visit_slot = 0;
        return visit_copy(sc, fn, arg);
    }
}

void
lg_heap_scan_place(const lg_heap_scan *sc, lg_heap_place *ret)
{
    bool inside = sc->slot < sc->nslots || sc->visit_slot > 0;
    *ret = (lg_heap_place){.at = sc->block ? sc->block - 1 : 0,
                           .next = sc->block,
                           .last = sc->last,
                           .inside = inside,
                           .scn = sc->snap.scn,
                           .settled = inside ? 0 : sc->settled};
    while (!inside && ret->next < sc->last && lg_segment_is_meta(sc->g, ret->next))
        ret->next++;
}

void
lg_heap_scan_skip(lg_heap_scan *sc, uint32_t block)
{
    LG_ASSERT(sc->slot >= sc->nslots && sc->visit_slot == 0);
    sc->block = block;
    sc->settled = 0;
}

bool
lg_heap_scan_same(const lg_heap_scan *sc, const lg_heap_seen *seen, uint32_t n)
{
    lg_buf_cache *c = lg_segment_cache(sc->g);
    for (unsigned stage = 0; stage < LG_BUF_SAME_STAGES; stage++)
        for (uint32_t i = 0; i < n; i++)
            lg_buf_same_ahead(c, (lg_addr){lg_segment_file(sc->g), seen[i].block}, stage);
    for (uint32_t i = 0; i < n; i++)
        if (!lg_buf_same(c, (lg_addr){lg_segment_file(sc->g), seen[i].block}, seen[i].version))
            return false;
    return true;
}

void
lg_heap_scan_close(lg_heap_scan *sc)
{
    if (!sc)
        return;
    lg_buf_stream_close(sc->ahead);
    lg_arena_destroy(sc->arena);
    for (uint32_t i = 0; i < sc->have; i++)
        lg_free(sc->frames[i]);
    lg_free(sc);
}
