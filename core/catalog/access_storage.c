/* access.h over storage/heap and storage/btree. A sequence is one block (the segment's first) with
 * {last_value, is_called} behind the header, changed by a mini-transaction of its own. That block
 * also has room for a ring of words: how many were ever appended, then the newest of them. */
#include "access_storage.h"
#include "assert.h"
#include "btree.h"
#include "heap.h"
#include "mtr.h"
#include "segment.h"
#include <string.h>

#define SEQ_AT       64u /* beyond any block header */
#define RING_AT      128u
#define RING_WORD(i) (RING_AT + 8u + 8u * (i))

static lg_txn_sys *
sys_of(void *arg)
{
    return arg;
}

/* head tells what a reserved segment is to become: it has no header yet (segment.h). */
static lg_status
seg_any(void *arg, const lg_rel_storage *st, lg_segment **ret)
{
    lg_space *space = lg_txn_sys_space(sys_of(arg));
    if (st->head == LG_SEGMENT_HEAP || st->head == LG_SEGMENT_BTREE)
        return lg_segment_open_reserved(space, st->file, (lg_segment_kind)st->head, ret);
    return lg_segment_open(space, st->file, ret);
}

/* To write to. A heap begins by itself with its first block. */
static lg_status
seg(void *arg, const lg_rel_storage *st, lg_segment **ret)
{
    LG_TRY(seg_any(arg, st, ret));
    return st->head == LG_SEGMENT_BTREE ? lg_btree_begin(*ret) : LG_OK;
}

/* To read. LG_END: there is nothing in it. */
static lg_status
seg_read(void *arg, const lg_rel_storage *st, lg_segment **ret)
{
    bool begun;
    LG_TRY(seg_any(arg, st, ret));
    LG_TRY(lg_segment_begun(*ret, &begun));
    return begun ? LG_OK : LG_END;
}

/* ---- segments ---- */

static lg_status
seq_format(lg_segment *g)
{
    lg_mtr m;
    lg_buf *b;
    lg_buf_cache *cache = lg_segment_cache(g);
    uint32_t block;
    unsigned flags;
    LG_TRY(lg_segment_alloc(g, &block, &flags));
    LG_ASSERT(block == LG_SEGMENT_FIRST_BLOCK);
    lg_addr addr = {.file = lg_segment_file(g), .block = block};
    for (;;) {
        lg_mtr_begin(&m, cache);
        lg_status st = lg_mtr_get(&m, addr, LG_LATCH_X, flags, &b);
        if (st == LG_RETRY) {
            LG_TRY(lg_mtr_restart(&m));
            continue;
        }
        LG_TRY(st);
        break;
    }
    uint64_t zero = 0;
    lg_mtr_format(&m, b, LG_BLOCK_SEQUENCE);
    lg_mtr_set(&m, b, SEQ_AT, &zero, sizeof zero);
    lg_mtr_commit(&m, NULL);
    return LG_OK;
}

static lg_status
segment_create(void *arg, struct lg_txn *txn, lg_seg_kind kind, lg_rel_storage *ret)
{
    lg_space *space = lg_txn_sys_space(sys_of(arg));
    lg_segment *g;
    (void)txn;
    *ret = (lg_rel_storage){0};
    if (kind != LG_SEG_SEQUENCE) {
        ret->head = kind == LG_SEG_BTREE ? LG_SEGMENT_BTREE : LG_SEGMENT_HEAP;
        return lg_segment_reserve(space, &ret->file);
    }
    LG_TRY(lg_segment_create(space, LG_SEGMENT_SEQUENCE, &ret->file));
    lg_status st = lg_segment_open(space, ret->file, &g);
    if (st == LG_OK)
        st = seq_format(g);
    if (st != LG_OK)
        (void)!lg_segment_drop(lg_txn_sys_space(sys_of(arg)), ret->file); /* st says enough */
    return st;
}

static lg_status
segment_drop(void *arg, const lg_rel_storage *st)
{
    return lg_segment_drop(lg_txn_sys_space(sys_of(arg)), st->file);
}

static lg_status
segment_next(void *arg, uint32_t *file)
{
    return lg_space_segment_next(lg_txn_sys_space(sys_of(arg)), file);
}

static lg_status
segment_blocks(void *arg, const lg_rel_storage *st, uint32_t *ret)
{
    lg_segment *g;
    LG_TRY(seg_any(arg, st, &g));
    return lg_segment_blocks(g, ret);
}

/* ---- rows ---- */

static lg_status
row_insert(void *arg, struct lg_txn *txn, const lg_rel_storage *st, const void *row, size_t len,
           lg_tid *ret)
{
    lg_segment *g;
    LG_TRY(seg(arg, st, &g));
    return lg_heap_row_insert(txn, g, row, (uint32_t)len, ret);
}

static lg_status
rows_insert(void *arg, struct lg_txn *txn, const lg_rel_storage *st, lg_access_row *rows,
            uint32_t n)
{
    lg_segment *g;
    LG_TRY(seg(arg, st, &g));
    return lg_heap_rows_insert(txn, g, (lg_heap_row *)(void *)rows, n);
}

static uint64_t
savepoint(void *arg, struct lg_txn *txn)
{
    lg_txn_savepoint sp;
    (void)arg;
    lg_txn_savepoint_take(txn, &sp);
    return sp.seq;
}

static lg_status
rollback_to(void *arg, struct lg_txn *txn, uint64_t to)
{
    (void)arg;
    return lg_txn_rollback_to(txn, (lg_txn_savepoint){(uint32_t)to});
}

static lg_status
row_fetch(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap, const lg_rel_storage *st,
          lg_tid tid, lg_arena *a, const uint8_t **ret_row, size_t *ret_len)
{
    lg_segment *g;
    uint32_t len;
    lg_status begun = seg_read(arg, st, &g);
    if (begun != LG_OK)
        return begun == LG_END ? LG_NOT_FOUND : begun;
    LG_TRY(lg_heap_row_fetch(txn, g, tid, snap, a, ret_row, &len));
    *ret_len = len;
    return LG_OK;
}

static lg_status
row_newest(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap, const lg_rel_storage *st,
           lg_tid tid, lg_arena *a, const uint8_t **ret_row, size_t *ret_len)
{
    lg_segment *g;
    uint32_t len;
    lg_status begun = seg_read(arg, st, &g);
    if (begun != LG_OK)
        return begun == LG_END ? LG_RETRY : begun;
    lg_status r = lg_heap_row_newest(txn, g, tid, snap, a, ret_row, &len);
    if (r == LG_OK)
        *ret_len = len;
    return r;
}

static lg_status
row_claim(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap, const lg_rel_storage *st,
          lg_tid tid, bool wait, bool *ret_changed)
{
    lg_segment *g;
    LG_TRY(seg(arg, st, &g));
    for (;;) {
        lg_heap_out out = {0};
        lg_status r = lg_heap_row_claim(txn, g, tid, snap, &out);
        if (r == LG_IN_DOUBT && wait) {
            LG_TRY(lg_txn_wait(txn, out.xid));
            continue;
        }
        *ret_changed = r == LG_UPDATED || r == LG_DELETED;
        return r < 0 ? r : LG_OK;
    }
}

static lg_status
row_lock(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap, const lg_rel_storage *st,
         lg_tid tid, lg_row_lockmode mode, lg_row_wait wait)
{
    lg_segment *g;
    LG_TRY(seg(arg, st, &g));
    for (;;) {
        lg_heap_out out = {0};
        lg_status r = lg_heap_row_lock(txn, g, tid, snap, (lg_heap_lock)mode, &out);
        if (r == LG_UPDATED && out.self)
            return LG_EXISTS;
        if (r != LG_IN_DOUBT)
            return r;
        if (wait == LG_WAIT_SKIP)
            return LG_WOULD_WAIT;
        if (wait == LG_WAIT_ERROR)
            return LG_LOCK_NOT_AVAILABLE;
        LG_TRY(lg_txn_wait(txn, out.xid));
    }
}

/* A row that this transaction changed after the snapshot (by the same statement, or a function it
 * called) counts as it is for PostgreSQL's UPDATE and DELETE: left alone. */
static lg_status
row_update(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap, const lg_rel_storage *st,
           lg_tid tid, const void *row, size_t len, bool keys_change)
{
    lg_segment *g;
    LG_TRY(seg(arg, st, &g));
    for (;;) {
        lg_heap_out out = {0};
        lg_status r = lg_heap_row_update(txn, g, tid, snap, row, (uint32_t)len, keys_change, &out);
        if (r != LG_IN_DOUBT)
            return (r == LG_UPDATED || r == LG_DELETED) && out.self ? LG_DELETED : r;
        LG_TRY(lg_txn_wait(txn, out.xid));
    }
}

static lg_status
row_delete(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap, const lg_rel_storage *st,
           lg_tid tid)
{
    lg_segment *g;
    LG_TRY(seg(arg, st, &g));
    for (;;) {
        lg_heap_out out = {0};
        lg_status r = lg_heap_row_delete(txn, g, tid, snap, &out);
        if (r != LG_IN_DOUBT)
            return (r == LG_UPDATED || r == LG_DELETED) && out.self ? LG_DELETED : r;
        LG_TRY(lg_txn_wait(txn, out.xid));
    }
}

#define SCAN_ROWS 256u

struct scan {
    lg_heap_scan *sc;
    lg_heap_row rows[SCAN_ROWS];
    uint32_t n, at;
};

static lg_status
scan_open(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap, const lg_rel_storage *st,
          void **ret)
{
    lg_segment *g;
    LG_TRY(seg_any(arg, st, &g));
    struct scan *s = lg_alloc(sizeof *s);
    s->n = s->at = 0;
    lg_status r = lg_heap_scan_open(txn, g, snap, 0, 0, &s->sc);
    if (r != LG_OK) {
        lg_free(s);
        return r;
    }
    *ret = s;
    return LG_OK;
}

static lg_status
scan_next(void *scan, lg_arena *a, lg_tid *ret_tid, const uint8_t **ret_row, size_t *ret_len)
{
    struct scan *s = scan;
    while (s->at == s->n) {
        s->at = s->n = 0;
        LG_TRY(lg_heap_scan_next(s->sc, s->rows, SCAN_ROWS, &s->n));
    }
    const lg_heap_row *r = &s->rows[s->at++];
    *ret_tid = r->id;
    *ret_row = lg_arena_dup(a, r->bytes, r->len);
    *ret_len = r->len;
    return LG_OK;
}

_Static_assert(sizeof(lg_access_row) == sizeof(lg_heap_row) &&
                   offsetof(lg_access_row, tid) == offsetof(lg_heap_row, id) &&
                   offsetof(lg_access_row, bytes) == offsetof(lg_heap_row, bytes) &&
                   offsetof(lg_access_row, len) == offsetof(lg_heap_row, len),
               "the heap's rows are handed out as they are");

static lg_status
scan_rows(void *scan, lg_access_row *rows, uint32_t max, uint32_t *ret_n)
{
    return lg_heap_scan_next(((struct scan *)scan)->sc, (lg_heap_row *)(void *)rows, max, ret_n);
}

static lg_status
scan_visit(void *scan, lg_access_visit_fn fn, void *arg)
{
    return lg_heap_scan_visit(((struct scan *)scan)->sc, fn, arg);
}

_Static_assert(sizeof(lg_access_seen) == sizeof(lg_heap_seen) &&
                   offsetof(lg_access_seen, block) == offsetof(lg_heap_seen, block) &&
                   offsetof(lg_access_seen, version) == offsetof(lg_heap_seen, version),
               "taken as they are");

static void
scan_place(void *scan, lg_access_place *ret)
{
    lg_heap_place p;
    lg_heap_scan_place(((struct scan *)scan)->sc, &p);
    *ret = (lg_access_place){.at = p.at,
                             .next = p.next,
                             .last = p.last,
                             .inside = p.inside,
                             .scn = p.scn,
                             .settled = p.settled};
}

static void
scan_skip(void *scan, uint32_t block)
{
    lg_heap_scan_skip(((struct scan *)scan)->sc, block);
}

static bool
scan_same(void *scan, const lg_access_seen *seen, uint32_t n)
{
    return lg_heap_scan_same(((struct scan *)scan)->sc, (const lg_heap_seen *)(const void *)seen,
                             n);
}

static void
scan_close(void *scan)
{
    struct scan *s = scan;
    lg_heap_scan_close(s->sc);
    lg_free(s);
}

/* ---- index entries ---- */

static lg_status
index_build(void *arg, struct lg_txn *txn, const lg_rel_storage *st,
            lg_status (*next)(void *next_arg, const uint8_t **key, uint32_t *len, lg_tid *tid),
            void *next_arg)
{
    lg_segment *g;
    lg_btree_build *b;
    lg_status r;
    const uint8_t *key;
    uint32_t len;
    lg_tid tid;
    r = next(next_arg, &key, &len, &tid);
    if (r != LG_OK) /* nothing begins for nothing */
        return r == LG_END ? LG_OK : r;
    LG_TRY(seg(arg, st, &g));
    LG_TRY(lg_btree_build_begin(txn, g, &b));
    do
        r = lg_btree_build_add(b, key, len, tid);
    while (r == LG_OK && (r = next(next_arg, &key, &len, &tid)) == LG_OK);
    lg_status end = lg_btree_build_finish(b);
    return r == LG_END ? end : r;
}

static lg_status
entry_insert(void *arg, struct lg_txn *txn, const lg_rel_storage *st, const void *key, size_t len,
             lg_tid tid, bool unique, lg_tid *ret_conflict)
{
    lg_segment *g;
    LG_TRY(seg(arg, st, &g));
    for (;;) {
        lg_btree_out out = {0};
        lg_status r = lg_btree_insert(txn, g, key, (uint32_t)len, tid, unique, &out);
        if (r == LG_IN_DOUBT) {
            LG_TRY(lg_txn_wait(txn, out.xid));
            continue;
        }
        if (r == LG_EXISTS) /* this very entry is there: nothing to do */
            return LG_OK;
        if (r == LG_DUPLICATE_KEY) {
            *ret_conflict = out.rowid;
            return LG_EXISTS;
        }
        return r;
    }
}

_Static_assert(sizeof(lg_access_entry) == sizeof(lg_btree_item) &&
                   offsetof(lg_access_entry, key) == offsetof(lg_btree_item, key) &&
                   offsetof(lg_access_entry, len) == offsetof(lg_btree_item, len) &&
                   offsetof(lg_access_entry, unique) == offsetof(lg_btree_item, unique) &&
                   offsetof(lg_access_entry, tid) == offsetof(lg_btree_item, rowid),
               "entries are handed on as they are");

static lg_status
entries_insert(void *arg, struct lg_txn *txn, const lg_rel_storage *st,
               const lg_access_entry *entries, uint32_t n)
{
    lg_segment *g;
    LG_TRY(seg(arg, st, &g));
    for (uint32_t at = 0; at < n;) {
        lg_btree_out out = {0};
        uint32_t done;
        const lg_btree_item *items = (const lg_btree_item *)(const void *)(entries + at);
        lg_status r = lg_btree_insert_many(txn, g, items, n - at, &done, &out);
        at += done;
        if (r == LG_IN_DOUBT)
            LG_TRY(lg_txn_wait(txn, out.xid));
        else if (r == LG_EXISTS) /* this very entry is there: nothing to do */
            at++;
        else if (r != LG_OK)
            return r == LG_DUPLICATE_KEY ? LG_EXISTS : r;
    }
    return LG_OK;
}

static lg_status
entry_probe(void *arg, struct lg_txn *txn, const lg_rel_storage *st, const void *key, size_t len,
            lg_tid *ret_tid)
{
    lg_segment *g;
    lg_status begun = seg_read(arg, st, &g);
    if (begun != LG_OK)
        return begun == LG_END ? LG_NOT_FOUND : begun;
    for (;;) {
        lg_btree_out out = {0};
        lg_status r = lg_btree_probe(txn, g, key, (uint32_t)len, &out);
        if (r == LG_IN_DOUBT) {
            LG_TRY(lg_txn_wait(txn, out.xid));
            continue;
        }
        *ret_tid = out.rowid;
        return r;
    }
}

static lg_status
entry_delete(void *arg, struct lg_txn *txn, const lg_rel_storage *st, const void *key, size_t len,
             lg_tid tid)
{
    lg_segment *g;
    LG_TRY(seg(arg, st, &g));
    return lg_btree_delete(txn, g, key, (uint32_t)len, tid);
}

static lg_status
index_open(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap, const lg_rel_storage *st,
           const void *lo, size_t lo_len, const void *hi, size_t hi_len, bool backward, void **ret)
{
    lg_segment *g;
    lg_btree_scan *sc;
    *ret = NULL;
    lg_status begun = seg_read(arg, st, &g);
    if (begun != LG_OK)
        return begun == LG_END ? LG_OK : begun;
    LG_TRY(lg_btree_scan_open(txn, g, snap, lo, (uint32_t)lo_len, hi, (uint32_t)hi_len, backward,
                              &sc));
    *ret = sc;
    return LG_OK;
}

static lg_status
index_next(void *scan, const uint8_t **ret_key, size_t *ret_len, lg_tid *ret_tid, bool *ret_recheck)
{
    lg_btree_entry e;
    if (!scan) /* the segment has not begun */
        return LG_END;
    LG_TRY(lg_btree_scan_next(scan, &e));
    *ret_key = e.key;
    *ret_len = e.len;
    *ret_tid = e.rowid;
    *ret_recheck = e.heap_check;
    return LG_OK;
}

static void
index_close(void *scan)
{
    if (scan)
        lg_btree_scan_close(scan);
}

static const struct lg_snapshot *
snapshot_latest(void *arg, struct lg_txn *txn, lg_arena *a)
{
    lg_snapshot *s = LG_NEW(a, lg_snapshot);
    (void)!lg_txn_fresh(sys_of(arg), false); /* fails only in an instance that stops */
    lg_txn_snapshot(txn, s);
    s->own_seq = UINT32_MAX;
    return s;
}

static uint64_t
scn_now(void *arg)
{
    return lg_scn_current(lg_buf_clock(lg_txn_sys_cache(sys_of(arg))));
}

static uint64_t
scn_seen(void *arg)
{
    return lg_txn_horizon(sys_of(arg));
}

/* ---- sequences ---- */

static lg_status
seq_modify(void *arg, const lg_rel_storage *st, void (*fn)(void *, lg_seq_state *), void *fn_arg)
{
    lg_buf_cache *cache = lg_txn_sys_cache(sys_of(arg));
    lg_addr addr = {.file = st->file, .block = LG_SEGMENT_FIRST_BLOCK};
    lg_mtr m;
    lg_buf *b;
    for (;;) {
        lg_mtr_begin(&m, cache);
        lg_status r = lg_mtr_get(&m, addr, LG_LATCH_X, 0, &b);
        if (r == LG_RETRY) {
            LG_TRY(lg_mtr_restart(&m));
            continue;
        }
        LG_TRY(r);
        break;
    }
    struct __attribute__((packed)) {
        int64_t last;
        uint8_t called;
    } was, now;
    memcpy(&was, b->data + SEQ_AT, sizeof was);
    lg_seq_state s = {was.last, was.called != 0};
    fn(fn_arg, &s);
    now.last = s.last_value;
    now.called = s.is_called;
    if (memcmp(&was, &now, sizeof was) == 0) {
        lg_mtr_abort(&m);
        return LG_OK;
    }
    lg_mtr_set(&m, b, SEQ_AT, &now, sizeof now);
    lg_lsn lsn;
    lg_mtr_commit(&m, &lsn);
    return lg_redo_flush(lg_buf_redo(cache), lsn);
}

static uint32_t
ring_words(lg_buf_cache *cache)
{
    return (lg_buf_block_bytes(cache) - RING_WORD(0) - 16) / 8;
}

static uint64_t
word_at(const lg_buf *b, uint32_t off)
{
    uint64_t w;
    memcpy(&w, b->data + off, sizeof w);
    return w;
}

static lg_status
ring_append(void *arg, const lg_rel_storage *st, const uint64_t *words, uint32_t n)
{
    lg_buf_cache *cache = lg_txn_sys_cache(sys_of(arg));
    lg_addr addr = {.file = st->file, .block = LG_SEGMENT_FIRST_BLOCK};
    uint32_t cap = ring_words(cache);
    lg_mtr m;
    lg_buf *b;
    LG_ASSERT(n <= cap);
    for (;;) {
        lg_mtr_begin(&m, cache);
        lg_status r = lg_mtr_get(&m, addr, LG_LATCH_X, 0, &b);
        if (r == LG_RETRY) {
            LG_TRY(lg_mtr_restart(&m));
            continue;
        }
        LG_TRY(r);
        break;
    }
    uint64_t end = word_at(b, RING_AT);
    for (uint32_t i = 0; i < n; i++)
        lg_mtr_set_u64(&m, b, RING_WORD((uint32_t)((end + i) % cap)), words[i]);
    lg_mtr_set_u64(&m, b, RING_AT, end + n);
    lg_mtr_commit(&m, NULL);
    return LG_OK;
}

static lg_status
ring_read(void *arg, const lg_rel_storage *st, uint64_t *at, uint64_t *words, uint32_t cap,
          uint32_t *ret_n)
{
    lg_buf_cache *cache = lg_txn_sys_cache(sys_of(arg));
    lg_addr addr = {.file = st->file, .block = LG_SEGMENT_FIRST_BLOCK};
    uint32_t have = ring_words(cache);
    lg_buf *b;
    LG_TRY(lg_buf_get(cache, addr, LG_LATCH_S, &b));
    uint64_t end = word_at(b, RING_AT);
    bool gone = *at > end || end - *at > have;
    *ret_n = 0;
    if (gone)
        *at = end;
    for (; *at < end && *ret_n < cap; ++*at)
        words[(*ret_n)++] = word_at(b, RING_WORD((uint32_t)(*at % have)));
    lg_buf_put(cache, b, LG_LATCH_S);
    return gone ? LG_LIMIT : LG_OK;
}

lg_access
lg_access_storage(lg_txn_sys *sys)
{
    static const lg_access_ops ops = {
        .segment_create = segment_create,
        .segment_drop = segment_drop,
        .segment_next = segment_next,
        .segment_blocks = segment_blocks,
        .row_insert = row_insert,
        .rows_insert = rows_insert,
        .entries_insert = entries_insert,
        .savepoint = savepoint,
        .rollback_to = rollback_to,
        .row_fetch = row_fetch,
        .row_newest = row_newest,
        .row_claim = row_claim,
        .row_lock = row_lock,
        .row_update = row_update,
        .row_delete = row_delete,
        .scan_open = scan_open,
        .scan_next = scan_next,
        .scan_close = scan_close,
        .scan_rows = scan_rows,
        .scan_visit = scan_visit,
        .scan_place = scan_place,
        .scan_skip = scan_skip,
        .scan_same = scan_same,
        .entry_insert = entry_insert,
        .index_build = index_build,
        .entry_probe = entry_probe,
        .entry_delete = entry_delete,
        .index_open = index_open,
        .index_next = index_next,
        .index_close = index_close,
        .snapshot_latest = snapshot_latest,
        .scn_now = scn_now,
        .scn_seen = scn_seen,
        .seq_modify = seq_modify,
        .ring_append = ring_append,
        .ring_read = ring_read,
    };
    return (lg_access){.ops = &ops, .arg = sys};
}
