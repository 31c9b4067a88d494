/* The heap against a model: transactions of interleaved fibers insert, update, delete, lock, go
 * back to savepoints, commit and roll back; readers hold snapshots for a while and scan. Every
 * row's history is kept by commit SCN, and at the end each scan is compared with what its snapshot
 * must have seen. Then the transaction system is thrown away with transactions running, and
 * recovered. */
#include "arena.h"
#include "assert.h"
#include "dwb.h"
#include "heap.h"
#include "space_file.h"
#include "storage_rig.h"
#include <stdlib.h>

#define DISK_BYTES (320ull << 20)
#define ROWS       600
#define MAX_HIST   40000
#define MAX_SCANS  80

struct event { /* the row's state from scn on */
    uint32_t row;
    uint32_t ver; /* 0: not there */
    lg_scn scn;
};

struct scan {
    lg_scn scn;
    uint32_t ver[ROWS];
};

struct world {
    struct rig rig;
    lg_io *io;
    lg_volume *volume;
    lg_scn_clock clock;
    lg_dwb *dwb;
    lg_redo *redo;
    lg_buf_cache *cache;
    lg_space *space;
    lg_undo *undo;
    lg_txn_sys *txns;
    uint32_t undo_file;
    lg_segment *g;
    void (*body)(struct world *w);
    uint64_t rnd;
    uint32_t running;
    uint32_t row_count, next_ver;
    lg_rowid id[ROWS];
    struct event *hist;
    uint32_t hist_count;
    struct scan *scans;
    uint32_t scan_count;
    uint32_t deadlocks, commits, rollbacks;
    bool big;
    lg_txn *dropped_txn;
    lg_status dropped_st;
    lg_xid awaited;
    bool other_undo;
    uint32_t other_undo_file;
};

static uint64_t
draw(struct world *w, uint64_t below)
{
    w->rnd = w->rnd * 6364136223846793005ull + 1442695040888963407ull;
    return (w->rnd >> 33) % below;
}

static lg_status
undo_file_of(void *arg, uint16_t useg, uint32_t *ret_file)
{
    const struct world *w = arg;
    *ret_file = useg == 2 && w->other_undo ? w->other_undo_file : w->undo_file;
    return LG_OK;
}

static void
open_txns(struct world *w)
{
    lg_txn_config tc = {.undo = w->undo, .space = w->space, .useg = 1};
    RIG_OK(lg_txn_sys_create(&tc, &w->txns));
    lg_heap_register(w->txns);
}

static void
open_storage(struct world *w)
{
    lg_run *run = w->rig.nodes[0].run;
    RIG_OK(lg_io_create(run, LG_IO_AUTO, &w->io));
    lg_volume_create_config vc = {.io = w->io,
                                  .paths = rig_disk_names,
                                  .disk_count = 1,
                                  .instances = 1,
                                  .log_file_bytes = 64u << 20};
    RIG_OK(lg_volume_create(&vc, true));
    RIG_OK(lg_volume_open(w->io, rig_disk_names, 1, NULL, 0, &w->volume));
    RIG_OK(lg_dwb_create(run, w->volume, 0, &w->dwb));
    lg_redo_config rc = {.run = run, .volume = w->volume, .clock = &w->clock};
    RIG_OK(lg_redo_open(&rc, &w->redo));
    lg_buf_config bc = {.run = run,
                        .volume = w->volume,
                        .redo = w->redo,
                        .clock = &w->clock,
                        .coherence = {&lg_coherence_local, NULL},
                        .cache_bytes = 2u << 20,
                        .dwb = w->dwb};
    RIG_OK(lg_buf_cache_create(&bc, &w->cache));
    RIG_OK(lg_space_create(w->cache, &w->space));
    lg_undo_config uc = {
        .space = w->space, .retention_ms = 600000, .file_of = undo_file_of, .arg = w};
    RIG_OK(lg_undo_create(&uc, &w->undo));
    RIG_OK(lg_undo_segment_create(w->undo, 1, &w->undo_file));
    open_txns(w);
    uint32_t file;
    RIG_OK(lg_segment_create(w->space, LG_SEGMENT_HEAP, &file));
    RIG_OK(lg_segment_open(w->space, file, &w->g));
}

static void
in_world(void *arg)
{
    struct world *w = arg;
    open_storage(w);
    w->body(w);
}

static void
run_world(uint64_t seed, bool big, void (*body)(struct world *w))
{
    struct world *w = calloc(1, sizeof *w);
    w->rnd = seed;
    w->body = body;
    w->big = big;
    w->hist = calloc(MAX_HIST, sizeof *w->hist);
    w->scans = calloc(MAX_SCANS, sizeof *w->scans);
    rig_open(&w->rig, seed, 1, DISK_BYTES);
    rig_node_start(&w->rig, 0);
    CU_ASSERT(rig_run(&w->rig, 0, in_world, w, 6000 * LG_SEC));
    rig_close(&w->rig);
    free(w->hist);
    free(w->scans);
    free(w);
}

/* ---- rows: {row, ver, len} and bytes that follow from them ---- */

static uint32_t
row_make(struct world *w, uint32_t row, uint32_t ver, uint8_t *buf)
{
    uint32_t len = 12 + (uint32_t)draw(w, 120);
    uint64_t kind = draw(w, 40);
    if (kind == 0)
        len = 600 + (uint32_t)draw(w, 1400);
    if (kind == 1 && w->big)
        len = 3000 + (uint32_t)draw(w, 30000);
    memcpy(buf, &row, 4);
    memcpy(buf + 4, &ver, 4);
    memcpy(buf + 8, &len, 4);
    uint32_t x = row * 2654435761u + ver;
    bool packs = ver % 2;
    for (uint32_t i = 12; i < len; i++) {
        x = x * 1664525u + 1013904223u;
        buf[i] = packs ? (uint8_t)(ver + i / 64) : (uint8_t)(x >> 24);
    }
    return len;
}

static uint32_t
row_check(const uint8_t *buf, uint32_t len, uint32_t *ret_row)
{
    uint32_t row, ver, l;
    CU_ASSERT_FATAL(len >= 12);
    memcpy(&row, buf, 4);
    memcpy(&ver, buf + 4, 4);
    memcpy(&l, buf + 8, 4);
    CU_ASSERT_EQUAL_FATAL(l, len);
    uint32_t x = row * 2654435761u + ver;
    bool packs = ver % 2, good = true;
    for (uint32_t i = 12; i < len; i++) {
        x = x * 1664525u + 1013904223u;
        good = good && buf[i] == (packs ? (uint8_t)(ver + i / 64) : (uint8_t)(x >> 24));
    }
    CU_ASSERT_FATAL(good && row < ROWS);
    *ret_row = row;
    return ver;
}

/* ---- writers ---- */

struct pending {
    uint32_t row, ver;
    bool insert;
};

struct writer {
    struct world *w;
    lg_txn *t;
    struct pending changes[512];
    uint32_t count;
    uint8_t *buf;
    uint64_t mark;
};

#define MANY 40

static lg_status
many_rows(struct writer *x, uint32_t n)
{
    struct world *w = x->w;
    lg_heap_row rows[MANY];
    uint8_t *bufs = malloc((size_t)MANY * 40000);
    uint32_t first = w->row_count, ver[MANY];
    w->row_count += n;
    for (uint32_t i = 0; i < n; i++) {
        uint8_t *buf = bufs + (size_t)i * 40000;
        w->id[first + i] = LG_ROWID_NONE;
        ver[i] = ++w->next_ver;
        rows[i] = (lg_heap_row){LG_ROWID_NONE, buf, row_make(w, first + i, ver[i], buf)};
    }
    lg_status st = lg_heap_rows_insert(x->t, w->g, rows, n);
    for (uint32_t i = 0; i < n && st == LG_OK; i++) {
        w->id[first + i] = rows[i].id;
        x->changes[x->count++] = (struct pending){first + i, ver[i], true};
    }
    free(bufs);
    return st;
}

/* LG_OK, or why the transaction must roll back. */
static lg_status
one_change(struct writer *x)
{
    struct world *w = x->w;
    uint64_t what = draw(w, 10);
    uint32_t ver = ++w->next_ver;
    if (what == 0 && w->row_count + MANY < ROWS && draw(w, 4) == 0)
        return many_rows(x, 2 + (uint32_t)draw(w, MANY - 2));
    if (w->row_count < 8 || (what < 2 && w->row_count < ROWS)) {
        uint32_t row = w->row_count++;
        w->id[row] = LG_ROWID_NONE;
        uint32_t len = row_make(w, row, ver, x->buf);
        lg_rowid id;
        LG_TRY(lg_heap_row_insert(x->t, w->g, x->buf, len, &id));
        w->id[row] = id;
        x->changes[x->count++] = (struct pending){row, ver, true};
        return LG_OK;
    }
    uint32_t row = (uint32_t)draw(w, w->row_count);
    uint32_t len = row_make(w, row, ver, x->buf);
    for (;;) {
        lg_heap_out out;
        lg_status st;
        lg_rowid id = w->id[row]; /* of after a wait: a deleted row's number may be another's now */
        if (id == LG_ROWID_NONE)
            return LG_OK;
        if (what == 9)
            st = lg_heap_row_delete(x->t, w->g, id, NULL, &out);
        else if (what == 8)
            st = lg_heap_row_lock(x->t, w->g, id, NULL, (lg_heap_lock)draw(w, 4), &out);
        else
            st = lg_heap_row_update(x->t, w->g, id, NULL, x->buf, len, draw(w, 2) != 0, &out);
        if (st == LG_OK) {
            if (what != 8)
                x->changes[x->count++] = (struct pending){row, what == 9 ? 0 : ver, false};
            if (what == 9)
                w->id[row] = LG_ROWID_NONE; /* its number may be used again */
            return LG_OK;
        }
        if (st == LG_DELETED)
            return LG_OK;
        if (st != LG_IN_DOUBT)
            return st;
        LG_TRY(lg_txn_wait(x->t, out.xid));
    }
}

static void
own_changes_are_seen(struct writer *x)
{
    struct world *w = x->w;
    lg_snapshot snap;
    lg_arena *a = lg_arena_create("test", 0);
    lg_txn_snapshot(x->t, &snap);
    for (uint32_t i = 0; i < x->count; i++) {
        bool last = true;
        for (uint32_t j = i + 1; j < x->count; j++)
            last = last && x->changes[j].row != x->changes[i].row;
        if (!last || w->id[x->changes[i].row] == LG_ROWID_NONE)
            continue;
        const uint8_t *bytes;
        uint32_t len, row;
        lg_status st =
            lg_heap_row_fetch(x->t, w->g, w->id[x->changes[i].row], &snap, a, &bytes, &len);
        CU_ASSERT_EQUAL(st, LG_OK);
        if (st == LG_OK)
            CU_ASSERT_EQUAL(row_check(bytes, len, &row), x->changes[i].ver);
    }
    lg_txn_snapshots_done(x->t);
    lg_arena_destroy(a);
}

static void
undo_ids(struct writer *x, uint32_t from, const lg_rowid *ids)
{
    for (uint32_t i = from; i < x->count; i++)
        if (x->changes[i].ver == 0)
            x->w->id[x->changes[i].row] = ids[x->changes[i].row];
    for (uint32_t i = from; i < x->count; i++)
        if (x->changes[i].insert)
            x->w->id[x->changes[i].row] = LG_ROWID_NONE;
    x->count = from;
}

static void
one_transaction(struct world *w)
{
    struct writer x = {.w = w, .t = lg_txn_begin(w->txns), .buf = malloc(40000)};
    lg_rowid *ids = malloc(sizeof w->id);
    if (draw(w, 2))
        lg_txn_keep_mark(x.t, &x.mark);
    memcpy(ids, w->id, sizeof w->id);
    lg_status st = LG_OK;
    uint64_t n = 1 + draw(w, 12);
    lg_txn_savepoint sp;
    uint32_t at = 0;
    lg_txn_savepoint_take(x.t, &sp);
    for (uint64_t i = 0; i < n && st == LG_OK; i++) {
        for (uint32_t r = 0; r < w->row_count; r++)
            if (w->id[r] != LG_ROWID_NONE)
                ids[r] = w->id[r];
        st = one_change(&x);
        if (st == LG_OK && draw(w, 6) == 0) {
            lg_txn_savepoint_take(x.t, &sp);
            at = x.count;
        } else if (st == LG_OK && draw(w, 10) == 0) {
            RIG_OK(lg_txn_rollback_to(x.t, sp));
            undo_ids(&x, at, ids);
        }
        if (draw(w, 3) == 0)
            lg_fiber_yield();
    }
    if (st != LG_OK && st != LG_DEADLOCK)
        fprintf(stderr, "change: %s\n", lg_status_name(st));
    CU_ASSERT(st == LG_OK || st == LG_DEADLOCK);
    if (st == LG_OK && draw(w, 4) == 0)
        own_changes_are_seen(&x);
    w->deadlocks += st == LG_DEADLOCK;
    if (st == LG_OK && draw(w, 4) != 0) {
        lg_xid xid = lg_txn_xid(x.t);
        bool wrote = lg_txn_has_written(x.t);
        if (draw(w, 2))
            lg_txn_release_early(x.t);
        RIG_OK(lg_txn_commit(x.t));
        CU_ASSERT(!wrote || x.mark == 0);
        RIG_OK(lg_txn_mark_settle(w->txns, &x.mark));
        w->commits++;
        lg_txn_status status = {0};
        if (x.count > 0)
            RIG_OK(lg_txn_status_local(w->txns, xid, 0, &status));
        LG_ASSERT(w->hist_count + x.count < MAX_HIST);
        for (uint32_t i = 0; i < x.count; i++)
            w->hist[w->hist_count++] =
                (struct event){x.changes[i].row, x.changes[i].ver, status.scn};
    } else {
        RIG_OK(lg_txn_rollback(x.t));
        undo_ids(&x, 0, ids);
        w->rollbacks++;
    }
    free(ids);
    free(x.buf);
}

static void
writer_fiber(void *arg)
{
    struct world *w = arg;
    for (int i = 0; i < 60; i++)
        one_transaction(w);
    w->running--;
}

/* ---- readers ---- */

static void
scan_all(struct world *w, lg_txn *t, const lg_snapshot *snap, uint32_t *ver)
{
    lg_heap_scan *sc;
    lg_heap_row rows[16];
    uint32_t n;
    lg_status st;
    memset(ver, 0, ROWS * sizeof *ver);
    RIG_OK(lg_heap_scan_open(t, w->g, snap, 0, 0, &sc));
    while ((st = lg_heap_scan_next(sc, rows, 16, &n)) == LG_OK)
        for (uint32_t i = 0; i < n; i++) {
            uint32_t row, v = row_check(rows[i].bytes, rows[i].len, &row);
            CU_ASSERT_EQUAL(ver[row], 0);
            ver[row] = v;
        }
    if (st != LG_END)
        fprintf(stderr, "scan: %s\n", lg_status_name(st));
    CU_ASSERT_EQUAL(st, LG_END);
    lg_heap_scan_close(sc);
}

static void
reader_fiber(void *arg)
{
    struct world *w = arg;
    for (int i = 0; i < 12; i++) {
        lg_txn *t = lg_txn_begin(w->txns);
        lg_snapshot snap;
        uint64_t mark = 0;
        if (i % 2)
            lg_txn_keep_mark(t, &mark);
        lg_txn_snapshot(t, &snap);
        (void)!lg_fiber_sleep_until(lg_run_now_ns(w->rig.nodes[0].run) + draw(w, 20) * LG_MS,
                                    LG_WAIT_SLEEP);
        struct scan *s = &w->scans[w->scan_count++];
        s->scn = snap.scn;
        scan_all(w, t, &snap, s->ver);
        RIG_OK(lg_txn_commit(t));
    }
    w->running--;
}

static void
expected(const struct world *w, lg_scn scn, uint32_t *ver)
{
    lg_scn at[ROWS] = {0};
    memset(ver, 0, ROWS * sizeof *ver);
    for (uint32_t i = 0; i < w->hist_count; i++) {
        const struct event *e = &w->hist[i];
        if (e->scn <= scn && e->scn >= at[e->row]) {
            at[e->row] = e->scn;
            ver[e->row] = e->ver;
        }
    }
}

static void
blocks_are_sound(struct world *w)
{
    uint32_t n;
    RIG_OK(lg_segment_blocks(w->g, &n));
    for (uint32_t i = 0; i < n; i++) {
        lg_buf *b;
        RIG_OK(lg_buf_get(w->cache, (lg_addr){lg_segment_file(w->g), i}, LG_LATCH_S, &b));
        if (((lg_block_header *)(void *)b->data)->type == LG_BLOCK_HEAP)
            CU_ASSERT_EQUAL(lg_heap_block_check(b->data, 8192), LG_OK);
        lg_buf_put(w->cache, b, LG_LATCH_S);
    }
}

static void
compare_now(struct world *w)
{
    static uint32_t got[ROWS], want[ROWS];
    lg_txn *t = lg_txn_begin(w->txns);
    lg_snapshot snap;
    lg_txn_snapshot(t, &snap);
    scan_all(w, t, &snap, got);
    expected(w, snap.scn, want);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < ROWS; i++)
        if (got[i] != want[i] && wrong++ < 3)
            fprintf(stderr, "now, %lu: row %u: %u, not %u\n", (unsigned long)snap.scn, i, got[i],
                    want[i]);
    CU_ASSERT_EQUAL(wrong, 0);
    RIG_OK(lg_txn_commit(t));
}

static void
work(struct world *w, uint32_t writers, uint32_t readers)
{
    w->running = writers + readers;
    for (uint32_t i = 0; i < writers + readers; i++)
        RIG_OK(lg_run_spawn(w->rig.nodes[0].run, "test", 0,
                            i < writers ? writer_fiber : reader_fiber, w, NULL));
    while (w->running > 0)
        (void)!lg_fiber_sleep_until(lg_run_now_ns(w->rig.nodes[0].run) + 5 * LG_MS, LG_WAIT_SLEEP);
}

static void
model(struct world *w)
{
    static uint32_t want[ROWS];
    work(w, 6, 4);
    for (uint32_t i = 0; i < w->scan_count; i++) {
        expected(w, w->scans[i].scn, want);
        uint32_t wrong = 0;
        for (uint32_t r = 0; r < ROWS; r++)
            if (w->scans[i].ver[r] != want[r] && wrong++ == 0)
                fprintf(stderr, "scan %u at %lu: row %u: %u, not %u\n", i,
                        (unsigned long)w->scans[i].scn, r, w->scans[i].ver[r], want[r]);
        CU_ASSERT_EQUAL(wrong, 0);
    }
    compare_now(w);
    blocks_are_sound(w);
    CU_ASSERT(w->commits > 50 && w->rollbacks > 20);
}

LG_TEST(test_heap__random_transactions_match_a_model)
{
    for (uint64_t seed = 1; seed <= 6; seed++)
        run_world(seed, seed % 2 == 0, model);
}

/* ---- crash: the transaction system goes, the blocks stay ---- */

static void
abandoned(struct world *w)
{
    work(w, 4, 0);
    struct writer x[5];
    for (int i = 0; i < 5; i++) {
        x[i] = (struct writer){.w = w, .t = lg_txn_begin(w->txns), .buf = malloc(40000)};
        lg_txn_savepoint sp;
        lg_rowid ids[ROWS];
        memcpy(ids, w->id, sizeof ids);
        for (int k = 0; k < 8; k++) {
            if (k == 3)
                lg_txn_savepoint_take(x[i].t, &sp);
            if (k == 2 || k == 4) { /* never to be seen by anybody */
                static uint8_t bytes[MANY][200];
                lg_heap_row rows[MANY];
                for (uint32_t r = 0; r < MANY; r++)
                    rows[r] = (lg_heap_row){LG_ROWID_NONE, bytes[r], 20 + r * 4};
                RIG_OK(lg_heap_rows_insert(x[i].t, w->g, rows, MANY));
            }
            /* only rows that nobody else has: a wait would be for ever */
            uint32_t row = (uint32_t)draw(w, w->row_count);
            lg_heap_out out;
            if (w->id[row] == LG_ROWID_NONE)
                continue;
            uint32_t len = row_make(w, row, ++w->next_ver, x[i].buf);
            lg_status st = k % 4 == 1 ? lg_heap_row_delete(x[i].t, w->g, w->id[row], NULL, &out)
                                      : lg_heap_row_update(x[i].t, w->g, w->id[row], NULL, x[i].buf,
                                                           len, false, &out);
            CU_ASSERT(st == LG_OK || st == LG_IN_DOUBT || st == LG_DELETED);
            if (k == 5 && i % 2)
                RIG_OK(lg_txn_rollback_to(x[i].t, sp));
        }
        free(x[i].buf);
    }
    lg_txn_sys_destroy(w->txns);
    open_txns(w);
    CU_ASSERT(lg_txn_recovering(w->txns) > 0);
    compare_now(w);                /* before the rollback: nobody sees what was left behind */
    lg_txn_recovery_stop(w->txns); /* who has begun ends, the next goes on */
    CU_ASSERT_EQUAL(lg_txn_recover_segment(w->txns, 1), LG_SHUTDOWN);
    lg_txn_sys_destroy(w->txns);
    open_txns(w);
    CU_ASSERT(lg_txn_recovering(w->txns) > 0);
    RIG_OK(lg_txn_recover_segment(w->txns, 1));
    CU_ASSERT_EQUAL(lg_txn_recovering(w->txns), 0);
    compare_now(w);
    blocks_are_sound(w);
    w->scan_count = 0;
    model(w); /* and life goes on */
}

LG_TEST(test_heap__abandoned_transactions_are_rolled_back)
{
    for (uint64_t seed = 11; seed <= 14; seed++)
        run_world(seed, seed % 2 == 0, abandoned);
}

/* ---- one thing at a time ---- */

static lg_rowid
insert_small(struct world *w, lg_txn *t, uint32_t row, uint32_t ver)
{
    uint8_t buf[64] = {0};
    uint32_t len = 40;
    memcpy(buf, &row, 4);
    memcpy(buf + 4, &ver, 4);
    memcpy(buf + 8, &len, 4);
    lg_rowid id;
    RIG_OK(lg_heap_row_insert(t, w->g, buf, len, &id));
    return id;
}

static lg_status
update_small(struct world *w, lg_txn *t, lg_rowid id, const lg_snapshot *snap, uint32_t ver,
             lg_heap_out *out)
{
    uint8_t buf[64] = {0};
    uint32_t len = 40;
    memcpy(buf + 4, &ver, 4);
    memcpy(buf + 8, &len, 4);
    return lg_heap_row_update(t, w->g, id, snap, buf, len, false, out);
}

static lg_status
fetch_ver(struct world *w, lg_txn *t, lg_rowid id, const lg_snapshot *snap, uint32_t *ret_ver)
{
    lg_arena *a = lg_arena_create("test", 0);
    const uint8_t *bytes;
    uint32_t len;
    lg_status st = lg_heap_row_fetch(t, w->g, id, snap, a, &bytes, &len);
    if (st == LG_OK)
        memcpy(ret_ver, bytes + 4, 4);
    lg_arena_destroy(a);
    return st;
}

/* ---- a table dropped while the changes of a dead instance to it are taken back ---- */

/* Every other instance is to forget the file: DROPPING is durable, buffers of the file are still here,
 * but not its header, which is read anew and in vain. */
static lg_status
roll_back_meanwhile(void *arg, uint32_t file)
{
    struct world *w = arg;
    bool dirty;
    lg_version version;
    RIG_OK(lg_buf_write_dirty(w->cache, LG_LSN_MAX, UINT32_MAX, NULL));
    lg_volume_map_forget(w->volume, file);
    RIG_OK(lg_buf_revoke(w->cache, (lg_addr){file, 0}, LG_MODE_N, NULL, &dirty, &version));
    w->dropped_st = lg_txn_rollback(w->dropped_txn);
    return LG_OK;
}

static void
dropped_while_rolled_back(struct world *w)
{
    for (int kind = 0; kind < 3; kind++) {
        static uint8_t large[30000];
        uint32_t file;
        lg_heap_out out;
        lg_rowid id;
        RIG_OK(lg_segment_create(w->space, LG_SEGMENT_HEAP, &file));
        RIG_OK(lg_segment_open(w->space, file, &w->g));
        lg_txn *t = lg_txn_begin(w->txns);
        id = insert_small(w, t, 0, 1);
        RIG_OK(lg_txn_commit(t));
        t = w->dropped_txn = lg_txn_begin(w->txns);
        for (uint32_t i = 0; i < sizeof large; i++)
            large[i] = (uint8_t)draw(w, 256);
        if (kind == 0)
            (void)insert_small(w, t, 1, 1);
        else if (kind == 1)
            RIG_OK(update_small(w, t, id, NULL, 2, &out));
        else
            RIG_OK(lg_heap_row_insert(t, w->g, large, sizeof large, &id));
        w->dropped_st = LG_IO;
        lg_space_set_forget(w->space, roll_back_meanwhile, w);
        RIG_OK(lg_segment_drop(w->space, file));
        CU_ASSERT_EQUAL(w->dropped_st, LG_OK);
    }
    lg_space_set_forget(w->space, NULL, NULL);
    CU_ASSERT_EQUAL(lg_space_release(w->space), LG_OK);
}

LG_TEST(test_heap__rollback_goes_on_when_the_table_is_dropped)
{
    run_world(1, false, dropped_while_rolled_back);
}

/* ---- a block that contradicts its undo: all else is rolled back ---- */

/* Makes the transaction's slot in the block another's; the same again puts it right. */
static void
confuse(struct world *w, uint32_t file, lg_rowid id, lg_xid xid)
{
    lg_mtr m;
    lg_buf *b;
    lg_mtr_begin(&m, w->cache);
    RIG_OK(lg_mtr_get(&m, (lg_addr){file, (uint32_t)(id >> 16)}, LG_LATCH_X, 0, &b));
    lg_xid other = xid ^ 1ull << 40, found;
    uint32_t at = LG_BLOCK_HEADER_BYTES;
    do {
        at += 8;
        memcpy(&found, b->data + at, sizeof found);
    } while (found != xid && found != other);
    found = found == xid ? other : xid;
    lg_mtr_set(&m, b, at, &found, sizeof found);
    lg_mtr_commit(&m, NULL);
}

static void
wait_for_it(void *arg)
{
    struct world *w = arg;
    lg_txn *t = lg_txn_begin(w->txns);
    lg_status st = lg_txn_wait(t, w->awaited);
    CU_ASSERT_EQUAL(st, LG_OK);
    RIG_OK(lg_txn_rollback(t));
    w->running--;
}

static void
contradiction(struct world *w)
{
    lg_segment *table[2];
    lg_rowid id[2];
    lg_xid xid[2];
    lg_heap_out out;
    lg_txn *t;
    uint32_t file, ver;
    for (int i = 0; i < 2; i++) {
        RIG_OK(lg_segment_create(w->space, LG_SEGMENT_HEAP, &file));
        RIG_OK(lg_segment_open(w->space, file, &table[i]));
        w->g = table[i];
        t = lg_txn_begin(w->txns);
        id[i] = insert_small(w, t, 0, 1);
        RIG_OK(lg_txn_commit(t));
        t = lg_txn_begin(w->txns);
        RIG_OK(update_small(w, t, id[i], NULL, 2, &out));
        xid[i] = lg_txn_xid(t);
    }
    /* the instance dies; another, with undo of its own, takes over */
    lg_txn_sys_destroy(w->txns);
    w->other_undo = true;
    RIG_OK(lg_undo_segment_create(w->undo, 2, &w->other_undo_file));
    lg_txn_config tc = {.undo = w->undo, .space = w->space, .useg = 2};
    RIG_OK(lg_txn_sys_create(&tc, &w->txns));
    lg_heap_register(w->txns);
    confuse(w, lg_segment_file(table[0]), id[0], xid[0]);
    RIG_OK(lg_txn_adopt_segment(w->txns, 1));
    w->awaited = xid[0];
    w->running = 1;
    RIG_OK(lg_run_spawn(w->rig.nodes[0].run, "waits", 0, wait_for_it, w, NULL));
    for (int attempt = 0; attempt < 2; attempt++) {
        CU_ASSERT_EQUAL(lg_txn_recover_segment(w->txns, 1), LG_CORRUPT);
        CU_ASSERT_EQUAL(lg_txn_recovering(w->txns), 1);
        t = lg_txn_begin(w->txns);
        w->g = table[1];
        RIG_OK(fetch_ver(w, t, id[1], NULL, &ver));
        CU_ASSERT_EQUAL(ver, 1);
        RIG_OK(update_small(w, t, id[1], NULL, 3, &out));
        RIG_OK(lg_txn_rollback(t));
    }
    CU_ASSERT_EQUAL(w->running, 1);
    lg_txn_release_segment(w->txns, 1);
    CU_ASSERT(!lg_txn_segment_loaded(w->txns, 1));
    while (w->running) /* who waited for it is let go, and asks elsewhere */
        RIG_OK(lg_fiber_sleep_until(lg_run_now_ns(w->rig.nodes[0].run) + LG_MS, LG_WAIT_SLEEP));
    lg_txn_status status;
    RIG_OK(lg_txn_resolve(w->txns, xid[0], LG_SCN_MAX, &status));
    CU_ASSERT_EQUAL(status.state, LG_XID_ACTIVE);
    /* put right: the next attempt ends it */
    confuse(w, lg_segment_file(table[0]), id[0], xid[0]);
    RIG_OK(lg_txn_recover_segment(w->txns, 1));
    lg_txn_release_segment(w->txns, 1);
    t = lg_txn_begin(w->txns);
    w->g = table[0];
    RIG_OK(fetch_ver(w, t, id[0], NULL, &ver));
    CU_ASSERT_EQUAL(ver, 1);
    RIG_OK(update_small(w, t, id[0], NULL, 3, &out));
    RIG_OK(lg_txn_commit(t));
}

LG_TEST(test_heap__what_cannot_be_rolled_back_stays_alone)
{
    run_world(1, false, contradiction);
}

/* PostgreSQL's table of row lock conflicts. */
static void
lock_modes(struct world *w)
{
    static const bool conflict[4][4] = {{false, false, false, true},
                                        {false, false, true, true},
                                        {false, true, true, true},
                                        {true, true, true, true}};
    lg_txn *t = lg_txn_begin(w->txns);
    lg_rowid id = insert_small(w, t, 0, 1);
    RIG_OK(lg_txn_commit(t));
    for (int held = 0; held < 4; held++)
        for (int want = 0; want < 4; want++) {
            lg_heap_out out;
            lg_txn *a = lg_txn_begin(w->txns), *b = lg_txn_begin(w->txns);
            RIG_OK(lg_heap_row_lock(a, w->g, id, NULL, (lg_heap_lock)held, &out));
            lg_status st = lg_heap_row_lock(b, w->g, id, NULL, (lg_heap_lock)want, &out);
            CU_ASSERT_EQUAL(st, conflict[held][want] ? LG_IN_DOUBT : LG_OK);
            if (st == LG_IN_DOUBT)
                CU_ASSERT_EQUAL(out.xid, lg_txn_xid(a));
            RIG_OK(held % 2 ? lg_txn_commit(a) : lg_txn_rollback(a));
            CU_ASSERT_EQUAL(lg_heap_row_lock(b, w->g, id, NULL, LG_HEAP_UPDATE, &out), LG_OK);
            RIG_OK(lg_txn_rollback(b));
        }
    /* many sharers; a savepoint gives a lock back */
    lg_txn *many[10];
    lg_heap_out out;
    for (int i = 0; i < 10; i++) {
        many[i] = lg_txn_begin(w->txns);
        RIG_OK(lg_heap_row_lock(many[i], w->g, id, NULL, LG_HEAP_SHARE, &out));
    }
    t = lg_txn_begin(w->txns);
    for (int i = 0; i < 10; i++) {
        CU_ASSERT_EQUAL(update_small(w, t, id, NULL, 2, &out), LG_IN_DOUBT);
        RIG_OK(lg_txn_commit(many[i]));
    }
    lg_txn_savepoint sp;
    lg_txn_savepoint_take(t, &sp);
    CU_ASSERT_EQUAL(update_small(w, t, id, NULL, 2, &out), LG_OK);
    RIG_OK(lg_txn_rollback_to(t, sp));
    lg_txn *u = lg_txn_begin(w->txns);
    CU_ASSERT_EQUAL(update_small(w, u, id, NULL, 3, &out), LG_OK);
    RIG_OK(lg_txn_commit(u));
    RIG_OK(lg_txn_commit(t));
}

LG_TEST(test_heap__row_locks_conflict_as_in_postgresql)
{
    run_world(1, false, lock_modes);
}

static void
outcomes(struct world *w)
{
    lg_heap_out out;
    lg_snapshot old, own;
    uint32_t ver;
    lg_txn *t = lg_txn_begin(w->txns);
    lg_rowid a = insert_small(w, t, 0, 1), b = insert_small(w, t, 1, 1);
    RIG_OK(lg_txn_commit(t));
    lg_txn *rr = lg_txn_begin(w->txns);
    lg_txn_snapshot(rr, &old);
    t = lg_txn_begin(w->txns);
    CU_ASSERT_EQUAL(update_small(w, t, a, NULL, 2, &out), LG_OK);
    CU_ASSERT_EQUAL(lg_heap_row_delete(t, w->g, b, NULL, &out), LG_OK);
    RIG_OK(lg_txn_commit(t));
    CU_ASSERT_EQUAL(update_small(w, rr, a, &old, 3, &out), LG_UPDATED);
    CU_ASSERT_FALSE(out.self);
    CU_ASSERT_EQUAL(lg_heap_row_lock(rr, w->g, a, &old, LG_HEAP_UPDATE, &out), LG_UPDATED);
    CU_ASSERT_EQUAL(update_small(w, rr, b, &old, 3, &out), LG_DELETED);
    CU_ASSERT_EQUAL(fetch_ver(w, rr, a, &old, &ver), LG_OK);
    CU_ASSERT_EQUAL(ver, 1);
    CU_ASSERT_EQUAL(fetch_ver(w, rr, b, &old, &ver), LG_OK);
    CU_ASSERT_EQUAL(fetch_ver(w, rr, b, NULL, &ver), LG_NOT_FOUND);
    /* a statement does not see its own changes, and does not change a row twice */
    lg_txn_snapshot(rr, &own);
    CU_ASSERT_EQUAL(update_small(w, rr, a, &own, 4, &out), LG_OK);
    CU_ASSERT_EQUAL(fetch_ver(w, rr, a, &own, &ver), LG_OK);
    CU_ASSERT_EQUAL(ver, 2);
    CU_ASSERT_EQUAL(update_small(w, rr, a, &own, 5, &out), LG_UPDATED);
    CU_ASSERT(out.self);
    lg_txn_snapshot_refresh_own(rr, &own);
    CU_ASSERT_EQUAL(fetch_ver(w, rr, a, &own, &ver), LG_OK);
    CU_ASSERT_EQUAL(ver, 4);
    RIG_OK(lg_txn_commit(rr));
}

LG_TEST(test_heap__outcomes_of_writes)
{
    run_world(2, false, outcomes);
}

/* What a claim says of a row before it is read for a change; and it locks nothing. */
static void
claims(struct world *w)
{
    lg_heap_out out;
    lg_snapshot old, now;
    lg_txn *t = lg_txn_begin(w->txns);
    lg_rowid a = insert_small(w, t, 0, 1), b = insert_small(w, t, 1, 1);
    RIG_OK(lg_txn_commit(t));
    lg_txn *reader = lg_txn_begin(w->txns);
    lg_txn_snapshot(reader, &old);
    CU_ASSERT_EQUAL(lg_heap_row_claim(reader, w->g, a, &old, &out), LG_OK);
    t = lg_txn_begin(w->txns);
    CU_ASSERT_EQUAL(update_small(w, t, a, NULL, 2, &out), LG_OK); /* the claim is no lock */
    CU_ASSERT_EQUAL(lg_heap_row_delete(t, w->g, b, NULL, &out), LG_OK);
    CU_ASSERT_EQUAL(lg_heap_row_claim(reader, w->g, a, &old, &out), LG_IN_DOUBT);
    CU_ASSERT_EQUAL(out.xid, lg_txn_xid(t));
    RIG_OK(lg_txn_commit(t));
    CU_ASSERT_EQUAL(lg_heap_row_claim(reader, w->g, a, &old, &out), LG_UPDATED);
    CU_ASSERT_EQUAL(lg_heap_row_claim(reader, w->g, b, &old, &out), LG_DELETED);
    lg_txn_snapshot(reader, &now);
    CU_ASSERT_EQUAL(lg_heap_row_claim(reader, w->g, a, &now, &out), LG_OK);
    CU_ASSERT_EQUAL(update_small(w, reader, a, &now, 3, &out), LG_OK);
    CU_ASSERT_EQUAL(lg_heap_row_claim(reader, w->g, a, &now, &out), LG_OK); /* our own change */
    RIG_OK(lg_txn_commit(reader));
}

/* The newest version, when the snapshot is enough to know it; else it says that it does not know. */
static void
newest_versions(struct world *w)
{
    lg_heap_out out;
    lg_snapshot old, now;
    const uint8_t *row;
    uint32_t len;
    lg_arena *a = lg_arena_create("row", 1024);
    lg_txn *t = lg_txn_begin(w->txns);
    lg_rowid calm = insert_small(w, t, 0, 1), hot = insert_small(w, t, 1, 1);
    lg_rowid gone = insert_small(w, t, 2, 1);
    RIG_OK(lg_txn_commit(t));
    lg_txn *reader = lg_txn_begin(w->txns);
    lg_txn_snapshot(reader, &old);
    CU_ASSERT_EQUAL(lg_heap_row_newest(reader, w->g, hot, &old, a, &row, &len), LG_OK);
    t = lg_txn_begin(w->txns);
    CU_ASSERT_EQUAL(update_small(w, t, hot, NULL, 2, &out), LG_OK);
    CU_ASSERT_EQUAL(lg_heap_row_delete(t, w->g, gone, NULL, &out), LG_OK);
    /* may be committed elsewhere by now, for all we know */
    CU_ASSERT_EQUAL(lg_heap_row_newest(reader, w->g, hot, &old, a, &row, &len), LG_RETRY);
    CU_ASSERT_EQUAL(lg_heap_row_newest(t, w->g, hot, &old, a, &row, &len), LG_RETRY);
    lg_txn_snapshot(t, &now);
    CU_ASSERT_EQUAL(lg_heap_row_newest(t, w->g, hot, &now, a, &row, &len), LG_OK); /* our own */
    RIG_OK(lg_txn_commit(t));
    CU_ASSERT_EQUAL(lg_heap_row_newest(reader, w->g, hot, &old, a, &row, &len), LG_RETRY);
    CU_ASSERT_EQUAL(lg_heap_row_newest(reader, w->g, gone, &old, a, &row, &len), LG_RETRY);
    CU_ASSERT_EQUAL(lg_heap_row_newest(reader, w->g, calm, &old, a, &row, &len), LG_OK);
    lg_txn_snapshot(reader, &now);
    CU_ASSERT_EQUAL(lg_heap_row_newest(reader, w->g, hot, &now, a, &row, &len), LG_OK);
    CU_ASSERT_EQUAL(lg_heap_row_newest(reader, w->g, gone, &now, a, &row, &len), LG_RETRY);
    RIG_OK(lg_txn_commit(reader));
    lg_arena_destroy(a);
}

LG_TEST(test_heap__the_newest_version_or_no_answer)
{
    run_world(5, false, newest_versions);
}

LG_TEST(test_heap__a_claim_tells_and_locks_nothing)
{
    run_world(3, false, claims);
}

/* Rows of a block whose ITL entries all have had several users since the snapshot: a row counts as
 * changed when it was. */
static void
busy_block(struct world *w)
{
    lg_heap_out out;
    lg_snapshot old;
    lg_txn *t = lg_txn_begin(w->txns);
    lg_rowid calm = insert_small(w, t, 0, 1), busy = insert_small(w, t, 1, 1);
    lg_rowid once = insert_small(w, t, 2, 1), locked = insert_small(w, t, 3, 1);
    lg_rowid twice = insert_small(w, t, 4, 1);
    RIG_OK(lg_txn_commit(t));
    lg_txn *reader = lg_txn_begin(w->txns), *other = lg_txn_begin(w->txns);
    lg_txn_snapshot(reader, &old);
    t = lg_txn_begin(w->txns);
    CU_ASSERT_EQUAL(update_small(w, t, once, NULL, 2, &out), LG_OK);
    CU_ASSERT_EQUAL(update_small(w, t, twice, NULL, 2, &out), LG_OK);
    CU_ASSERT_EQUAL(lg_heap_row_lock(t, w->g, locked, NULL, LG_HEAP_UPDATE, &out), LG_OK);
    RIG_OK(lg_txn_commit(t));
    for (uint32_t i = 0; i < 40; i++) {
        t = lg_txn_begin(w->txns);
        CU_ASSERT_EQUAL(update_small(w, t, busy, NULL, 2 + i, &out), LG_OK);
        if (i == 3)
            CU_ASSERT_EQUAL(update_small(w, t, twice, NULL, 1, &out), LG_OK); /* as it was */
        RIG_OK(lg_txn_commit(t));
    }
    CU_ASSERT_EQUAL(update_small(w, other, busy, NULL, 90, &out), LG_OK); /* at work meanwhile */
    lg_snapshot now; /* a claim does not look into the undo: what may have changed has */
    CU_ASSERT_EQUAL(lg_heap_row_claim(reader, w->g, calm, &old, &out), LG_UPDATED);
    CU_ASSERT_EQUAL(lg_heap_row_claim(reader, w->g, once, &old, &out), LG_UPDATED);
    lg_txn_snapshot(reader, &now);
    CU_ASSERT_EQUAL(lg_heap_row_claim(reader, w->g, calm, &now, &out), LG_OK);
    CU_ASSERT_EQUAL(lg_heap_row_claim(reader, w->g, once, &now, &out), LG_OK);
    CU_ASSERT_EQUAL(update_small(w, reader, calm, &old, 2, &out), LG_OK);
    CU_ASSERT_EQUAL(lg_heap_row_lock(reader, w->g, locked, &old, LG_HEAP_SHARE, &out), LG_OK);
    CU_ASSERT_EQUAL(lg_heap_row_delete(reader, w->g, locked, &old, &out), LG_OK);
    CU_ASSERT_EQUAL(update_small(w, reader, once, &old, 3, &out), LG_UPDATED);
    CU_ASSERT_EQUAL(lg_heap_row_delete(reader, w->g, twice, &old, &out), LG_UPDATED);
    CU_ASSERT_EQUAL(lg_heap_row_lock(reader, w->g, once, &old, LG_HEAP_UPDATE, &out), LG_UPDATED);
    CU_ASSERT_FALSE(out.self);
    CU_ASSERT_EQUAL(update_small(w, other, once, NULL, 4, &out),
                    LG_IN_DOUBT); /* locked all the same */
    RIG_OK(lg_txn_rollback(reader));
    CU_ASSERT_EQUAL(update_small(w, other, calm, &old, 5, &out), LG_OK);
    RIG_OK(lg_txn_commit(other));
}

LG_TEST(test_heap__a_row_beneath_evicted_changes_is_known)
{
    run_world(4, false, busy_block);
}

/* ---- early release ---- */

struct early {
    struct world *w;
    lg_rowid a, b;
    lg_xid xid;
    bool done;
};

static void
commit_early(void *arg)
{
    struct early *e = arg;
    lg_heap_out out;
    lg_txn *t = lg_txn_begin(e->w->txns);
    RIG_OK(update_small(e->w, t, e->a, NULL, 2, &out));
    RIG_OK(update_small(e->w, t, e->b, NULL, 2, &out));
    e->xid = lg_txn_xid(t);
    (void)!lg_fiber_sleep_until(lg_run_now_ns(e->w->rig.nodes[0].run) + LG_MS, LG_WAIT_SLEEP);
    lg_txn_release_early(t);
    RIG_OK(lg_txn_commit(t));
    e->done = true;
}

/* Waits for the row's writer and changes it; the commit may be in flight still. */
static void
update_after(struct early *e, lg_txn *t, lg_rowid id, uint32_t ver)
{
    lg_heap_out out;
    lg_status st;
    while ((st = update_small(e->w, t, id, NULL, ver, &out)) == LG_IN_DOUBT)
        RIG_OK(lg_txn_wait(t, out.xid));
    CU_ASSERT_EQUAL(st, LG_OK);
}

static void
early_release(struct world *w)
{
    struct early e = {.w = w};
    lg_txn_status status;
    lg_snapshot snap;
    uint32_t ver = 0;
    uint64_t mark = 0, seen = 0;
    lg_txn *t = lg_txn_begin(w->txns);
    e.a = insert_small(w, t, 0, 1);
    e.b = insert_small(w, t, 1, 1);
    RIG_OK(lg_txn_commit(t));
    RIG_OK(lg_run_spawn(w->rig.nodes[0].run, "test", 0, commit_early, &e, NULL));
    while (e.xid == LG_XID_NONE)
        lg_fiber_yield();
    lg_txn *after = lg_txn_begin(w->txns), *reader = lg_txn_begin(w->txns);
    lg_txn_keep_mark(after, &mark);
    lg_txn_keep_mark(reader, &seen);
    update_after(&e, after, e.a, 3);
    CU_ASSERT_FALSE(e.done); /* before the commit was durable */
    CU_ASSERT(mark != 0);
    RIG_OK(lg_txn_status_local(w->txns, e.xid, LG_SCN_MAX, &status));
    CU_ASSERT_EQUAL(status.state, LG_XID_COMMITTING); /* for everybody else */
    /* a reader sees it too, and knows; neither sees what is not committed at all */
    lg_txn_snapshot(reader, &snap);
    CU_ASSERT_EQUAL(fetch_ver(w, reader, e.a, &snap, &ver), LG_OK);
    CU_ASSERT_EQUAL(ver, 2);
    CU_ASSERT_EQUAL(fetch_ver(w, reader, e.b, &snap, &ver), LG_OK);
    CU_ASSERT_EQUAL(ver, 2);
    CU_ASSERT_EQUAL(seen, mark);
    CU_ASSERT_FALSE(e.done);
    /* without a mark: not before it is durable */
    lg_txn *plain = lg_txn_begin(w->txns);
    lg_heap_out out;
    CU_ASSERT_EQUAL(update_small(w, plain, e.b, NULL, 4, &out), LG_IN_DOUBT);
    CU_ASSERT_EQUAL(fetch_ver(w, plain, e.b, &snap, &ver), LG_OK); /* waited for it */
    RIG_OK(lg_txn_status_local(w->txns, e.xid, LG_SCN_MAX, &status));
    CU_ASSERT_EQUAL(status.state, LG_XID_COMMITTED);
    RIG_OK(lg_txn_mark_settle(w->txns, &seen));
    CU_ASSERT_EQUAL(seen, 0);
    /* the successor gives back what it found */
    RIG_OK(lg_txn_rollback(after));
    CU_ASSERT_EQUAL(fetch_ver(w, plain, e.a, NULL, &ver), LG_OK);
    CU_ASSERT_EQUAL(ver, 2);
    RIG_OK(lg_txn_mark_settle(w->txns, &mark));
    RIG_OK(lg_txn_commit(reader));
    RIG_OK(lg_txn_commit(plain));
}

LG_TEST(test_heap__rows_are_let_go_before_the_commit_is_durable)
{
    for (uint64_t seed = 1; seed < 6; seed++)
        run_world(seed, false, early_release);
}

struct locker {
    struct world *w;
    lg_rowid first, second;
    lg_status st;
};

static void
lock_two(void *arg)
{
    struct locker *l = arg;
    lg_heap_out out;
    lg_txn *t = lg_txn_begin(l->w->txns);
    RIG_OK(update_small(l->w, t, l->first, NULL, 9, &out));
    (void)!lg_fiber_sleep_until(lg_run_now_ns(l->w->rig.nodes[0].run) + LG_MS, LG_WAIT_SLEEP);
    while ((l->st = update_small(l->w, t, l->second, NULL, 9, &out)) == LG_IN_DOUBT) {
        l->st = lg_txn_wait(t, out.xid);
        if (l->st != LG_OK)
            break;
    }
    RIG_OK(l->st == LG_OK ? lg_txn_commit(t) : lg_txn_rollback(t));
    l->w->running--;
}

static void
deadlock(struct world *w)
{
    lg_txn *t = lg_txn_begin(w->txns);
    lg_rowid a = insert_small(w, t, 0, 1), b = insert_small(w, t, 1, 1);
    lg_rowid c = insert_small(w, t, 2, 1);
    RIG_OK(lg_txn_commit(t));
    struct locker l[3] = {{w, a, b, 0}, {w, b, c, 0}, {w, c, a, 0}};
    w->running = 3;
    for (int i = 0; i < 3; i++)
        RIG_OK(lg_run_spawn(w->rig.nodes[0].run, "test", 0, lock_two, &l[i], NULL));
    while (w->running > 0)
        (void)!lg_fiber_sleep_until(lg_run_now_ns(w->rig.nodes[0].run) + LG_MS, LG_WAIT_SLEEP);
    int victims = 0;
    for (int i = 0; i < 3; i++) {
        CU_ASSERT(l[i].st == LG_OK || l[i].st == LG_DEADLOCK);
        victims += l[i].st == LG_DEADLOCK;
    }
    CU_ASSERT_EQUAL(victims, 1);
}

LG_TEST(test_heap__deadlock_has_one_victim)
{
    for (uint64_t seed = 1; seed < 6; seed++)
        run_world(seed, false, deadlock);
}

/* Undo at its limit: old snapshots lose, running transactions do not; the slot history is exact. */
static void
undo_limit(struct world *w)
{
    lg_heap_out out;
    lg_snapshot old;
    uint32_t ver;
    lg_undo_cfg(w->undo)->retention_ms = 0;
    lg_undo_cfg(w->undo)->max_bytes = 3u << 20;
    lg_txn *t = lg_txn_begin(w->txns);
    lg_rowid a = insert_small(w, t, 0, 1), b = insert_small(w, t, 1, 1);
    RIG_OK(lg_txn_commit(t));
    lg_txn *reader = lg_txn_begin(w->txns);
    lg_txn_snapshot(reader, &old);
    for (uint32_t i = 2; i < 1500; i++) { /* more than there are slots */
        t = lg_txn_begin(w->txns);
        RIG_OK(update_small(w, t, a, NULL, i, &out));
        RIG_OK(lg_txn_commit(t));
    }
    CU_ASSERT_EQUAL(fetch_ver(w, reader, a, &old, &ver), LG_OK);
    CU_ASSERT_EQUAL(ver, 1);
    lg_status st = LG_OK;
    for (int i = 0; i < 40000 && st != LG_SNAPSHOT_TOO_OLD; i++) {
        t = lg_txn_begin(w->txns);
        for (uint32_t k = 0; k < 20; k++)
            RIG_OK(update_small(w, t, a, NULL, k + 10, &out));
        RIG_OK(lg_txn_commit(t));
        if (i % 100 == 0)
            st = fetch_ver(w, reader, a, &old, &ver);
    }
    CU_ASSERT_EQUAL(st, LG_SNAPSHOT_TOO_OLD);
    RIG_OK(lg_txn_commit(reader));
    t = lg_txn_begin(w->txns);
    while ((st = update_small(w, t, b, NULL, 7, &out)) == LG_OK)
        ;
    CU_ASSERT_EQUAL(st, LG_UNDO_FULL);
    RIG_OK(lg_txn_rollback(t));
    t = lg_txn_begin(w->txns);
    CU_ASSERT_EQUAL(fetch_ver(w, t, b, NULL, &ver), LG_OK);
    CU_ASSERT_EQUAL(ver, 1);
    RIG_OK(update_small(w, t, b, NULL, 8, &out));
    RIG_OK(lg_txn_commit(t));
}

LG_TEST(test_heap__undo_at_its_limit)
{
    run_world(3, false, undo_limit);
}

/* Finished undo does not make a segment larger than keep_bytes; an open transaction's does. */
static void
undo_keeps_its_size(struct world *w)
{
    lg_heap_out out;
    lg_undo_info info;
    lg_undo_cfg(w->undo)->keep_bytes = 3u << 20;
    lg_txn *t = lg_txn_begin(w->txns);
    lg_rowid a = insert_small(w, t, 0, 1);
    RIG_OK(lg_txn_commit(t));
    for (uint32_t i = 0; i < 3000; i++) {
        t = lg_txn_begin(w->txns);
        for (uint32_t k = 0; k < 20; k++)
            RIG_OK(update_small(w, t, a, NULL, k + 10, &out));
        RIG_OK(lg_txn_commit(t));
    }
    lg_undo_info_get(lg_txn_sys_own_undo(w->txns), &info);
    CU_ASSERT_EQUAL(info.extents * info.extent_bytes, 3u << 20);
    CU_ASSERT(info.reused_early > 0);
    t = lg_txn_begin(w->txns);
    for (uint32_t k = 0; k < 60000; k++)
        RIG_OK(update_small(w, t, a, NULL, k + 10, &out));
    lg_undo_info_get(lg_txn_sys_own_undo(w->txns), &info);
    CU_ASSERT(info.extents * info.extent_bytes > 4u << 20);
    RIG_OK(lg_txn_rollback(t));
    uint32_t ver;
    t = lg_txn_begin(w->txns);
    RIG_OK(fetch_ver(w, t, a, NULL, &ver));
    CU_ASSERT_EQUAL(ver, 29);
    RIG_OK(lg_txn_commit(t));
}

LG_TEST(test_heap__finished_undo_keeps_its_size)
{
    run_world(5, false, undo_keeps_its_size);
}

/* One that cannot be rolled back keeps its undo, and no more than that. */
static void
undo_of_a_bad_one(struct world *w)
{
    lg_heap_out out;
    uint32_t ver;
    lg_undo_cfg(w->undo)->retention_ms = 0;
    lg_undo_cfg(w->undo)->max_bytes = 3u << 20;
    lg_txn *t = lg_txn_begin(w->txns);
    lg_rowid a = insert_small(w, t, 0, 1);
    RIG_OK(lg_txn_commit(t));
    t = lg_txn_begin(w->txns);
    RIG_OK(update_small(w, t, a, NULL, 2, &out));
    lg_xid xid = lg_txn_xid(t);
    lg_txn_sys_destroy(w->txns);
    open_txns(w);
    uint32_t bad = lg_segment_file(w->g), other;
    confuse(w, bad, a, xid);
    CU_ASSERT_EQUAL(lg_txn_recover_segment(w->txns, 1), LG_CORRUPT);
    RIG_OK(lg_segment_create(w->space, LG_SEGMENT_HEAP, &other));
    RIG_OK(lg_segment_open(w->space, other, &w->g));
    t = lg_txn_begin(w->txns);
    lg_rowid b = insert_small(w, t, 1, 1);
    RIG_OK(lg_txn_commit(t));
    for (uint32_t i = 0; i < 3000; i++) { /* the ring goes round several times */
        t = lg_txn_begin(w->txns);
        for (uint32_t k = 0; k < 20; k++)
            RIG_OK(update_small(w, t, b, NULL, k + 10, &out));
        RIG_OK(lg_txn_commit(t));
    }
    confuse(w, bad, a, xid);
    RIG_OK(lg_txn_recover_segment(w->txns, 1));
    RIG_OK(lg_segment_open(w->space, bad, &w->g));
    t = lg_txn_begin(w->txns);
    RIG_OK(fetch_ver(w, t, a, NULL, &ver));
    CU_ASSERT_EQUAL(ver, 1);
    RIG_OK(lg_txn_commit(t));
}

LG_TEST(test_heap__undo_of_what_cannot_be_rolled_back_is_kept_alone)
{
    run_world(1, false, undo_of_a_bad_one);
}

/* With all slots taken a transaction waits for one; for five seconds, not for ever. */
struct late {
    struct world *w;
    lg_status st;
    bool done;
};

static void
late_writer(void *arg)
{
    struct late *l = arg;
    lg_txn *t = lg_txn_begin(l->w->txns);
    l->st = lg_txn_assign(t);
    RIG_OK(lg_txn_rollback(t));
    l->done = true;
}

static void
slots_taken(struct world *w)
{
    enum { MOST = 5000 };
    lg_run *run = w->rig.nodes[0].run;
    lg_txn **all = lg_zalloc(MOST * sizeof *all);
    uint32_t n = 0;
    lg_time before = lg_run_now_ns(run);
    for (; n < MOST; n++) {
        all[n] = lg_txn_begin(w->txns);
        if (lg_txn_assign(all[n]) != LG_OK)
            break;
    }
    CU_ASSERT(n >= 800 && n < MOST);
    CU_ASSERT(lg_run_now_ns(run) >= before + 5 * LG_SEC); /* of the simulator's clock */
    RIG_OK(lg_txn_rollback(all[n]));
    struct late l = {w, LG_INTERNAL, false};
    RIG_OK(lg_run_spawn(run, "late", 0, late_writer, &l, NULL));
    RIG_OK(lg_fiber_sleep_until(lg_run_now_ns(run) + LG_SEC, LG_WAIT_SLEEP));
    CU_ASSERT_FALSE(l.done);
    RIG_OK(lg_txn_rollback(all[--n]));
    RIG_OK(lg_fiber_sleep_until(lg_run_now_ns(run) + LG_SEC, LG_WAIT_SLEEP));
    CU_ASSERT_TRUE(l.done);
    CU_ASSERT_EQUAL(l.st, LG_OK);
    while (n > 0)
        RIG_OK(lg_txn_rollback(all[--n]));
    lg_free(all);
}

LG_TEST(test_heap__a_writer_waits_for_a_transaction_slot)
{
    run_world(4, false, slots_taken);
}

/* Rows of which none fits into what is left of a block fill block after block all the same. */
static void
packing(struct world *w)
{
    uint8_t row[170] = {0};
    lg_rowid id;
    uint32_t blocks, n = 12000;
    for (uint32_t i = 0; i < n;) {
        lg_txn *t = lg_txn_begin(w->txns);
        for (uint32_t k = 0; k < 500; k++, i++)
            RIG_OK(lg_heap_row_insert(t, w->g, row, 140 + i % 30, &id));
        RIG_OK(lg_txn_commit(t));
    }
    RIG_OK(lg_segment_blocks(w->g, &blocks));
    CU_ASSERT(blocks < n / 30);
    lg_txn *t = lg_txn_begin(w->txns);
    lg_heap_scan *sc;
    lg_heap_row rows[300];
    uint32_t got, total = 0;
    lg_status st;
    RIG_OK(lg_heap_scan_open(t, w->g, NULL, 0, 0, &sc));
    while ((st = lg_heap_scan_next(sc, rows, 300, &got)) == LG_OK)
        for (uint32_t i = 0; i < got; i++, total++)
            CU_ASSERT(rows[i].len >= 140 && rows[i].len < 170);
    CU_ASSERT_EQUAL(st, LG_END);
    CU_ASSERT_EQUAL(total, n);
    lg_heap_scan_close(sc);
    RIG_OK(lg_txn_commit(t));
}

LG_TEST(test_heap__blocks_are_filled)
{
    run_world(4, false, packing);
}

static lg_status
update_to(struct world *w, lg_txn *t, lg_rowid id, uint32_t len)
{
    uint8_t *row = lg_zalloc(len);
    lg_heap_out out;
    lg_status st = lg_heap_row_update(t, w->g, id, NULL, row, len, false, &out);
    lg_free(row);
    return st;
}

/* A row that was long has room to grow back into; a compaction, which another transaction's ITL
 * entry makes necessary, takes that room away before the row is written. */
static void
room_taken_by_compaction(struct world *w)
{
    enum { LOCKERS = 24, FILLERS = 200 };
    for (uint32_t lockers = 1; lockers < LOCKERS; lockers++) {
        uint8_t row[1200] = {0};
        lg_rowid grown, filler[FILLERS];
        lg_txn *locker[LOCKERS];
        lg_heap_out out;
        uint32_t n = 0, file;
        RIG_OK(lg_segment_create(w->space, LG_SEGMENT_HEAP, &file));
        RIG_OK(lg_segment_open(w->space, file, &w->g));
        lg_txn *t = lg_txn_begin(w->txns);
        RIG_OK(lg_heap_row_insert(t, w->g, row, sizeof row, &grown));
        RIG_OK(lg_txn_commit(t));
        t = lg_txn_begin(w->txns);
        for (; n < FILLERS; n++)
            RIG_OK(lg_heap_row_insert(t, w->g, row, 100 - n % 60, &filler[n]));
        RIG_OK(lg_txn_commit(t));
        t = lg_txn_begin(w->txns);
        RIG_OK(update_to(w, t, grown, 20));
        RIG_OK(lg_txn_commit(t));
        for (uint32_t i = 0; i < lockers; i++) {
            locker[i] = lg_txn_begin(w->txns);
            RIG_OK(lg_heap_row_lock(locker[i], w->g, filler[i], NULL, LG_HEAP_UPDATE, &out));
        }
        t = lg_txn_begin(w->txns);
        RIG_OK(update_to(w, t, grown, sizeof row));
        RIG_OK(lg_txn_commit(t));
        for (uint32_t i = 0; i < lockers; i++)
            RIG_OK(lg_txn_commit(locker[i]));
    }
}

LG_TEST(test_heap__a_row_grows_back_although_its_block_is_compacted)
{
    run_world(4, false, room_taken_by_compaction);
}

/* ---- many rows at once ---- */

#define BULK 2000u

static void
bulk_make(lg_heap_row *rows, uint8_t *bytes, uint32_t n, uint32_t ver)
{
    for (uint32_t i = 0; i < n; i++) {
        uint8_t *b = bytes + (size_t)i * 100;
        uint32_t len = 40 + i % 61;
        memset(b, (int)i, 100);
        memcpy(b, &i, 4);
        memcpy(b + 4, &ver, 4);
        memcpy(b + 8, &len, 4);
        rows[i] = (lg_heap_row){LG_ROWID_NONE, b, len};
    }
}

/* How many rows of that version the snapshot sees; each once. */
static uint32_t
bulk_count(struct world *w, lg_txn *t, const lg_snapshot *snap, uint32_t ver)
{
    lg_heap_scan *sc;
    lg_heap_row rows[64];
    static uint8_t seen[BULK];
    uint32_t n, count = 0;
    lg_status st;
    memset(seen, 0, sizeof seen);
    RIG_OK(lg_heap_scan_open(t, w->g, snap, 0, 0, &sc));
    while ((st = lg_heap_scan_next(sc, rows, 64, &n)) == LG_OK)
        for (uint32_t i = 0; i < n; i++) {
            uint32_t h[3];
            memcpy(h, rows[i].bytes, sizeof h);
            CU_ASSERT_EQUAL(h[2], rows[i].len);
            if (h[1] != ver)
                continue;
            CU_ASSERT_FATAL(h[0] < BULK && !seen[h[0]]);
            seen[h[0]] = 1;
            count++;
        }
    CU_ASSERT_EQUAL(st, LG_END);
    lg_heap_scan_close(sc);
    return count;
}

static void
bulk(struct world *w)
{
    lg_heap_row *rows = malloc(BULK * sizeof *rows);
    uint8_t *bytes = malloc((size_t)BULK * 100);
    lg_stats *stats = lg_run_stats(w->rig.nodes[0].run);
    lg_txn *reader = lg_txn_begin(w->txns), *t = lg_txn_begin(w->txns);
    lg_snapshot before, own, part;
    lg_txn_savepoint sp;
    lg_heap_out out;
    uint32_t blocks_before, blocks;
    lg_txn_snapshot(reader, &before);
    RIG_OK(lg_segment_blocks(w->g, &blocks_before));
    uint64_t records = stats->count[LG_STAT_UNDO_RECORDS];

    bulk_make(rows, bytes, BULK, 1);
    RIG_OK(lg_heap_rows_insert(t, w->g, rows, BULK));
    records = stats->count[LG_STAT_UNDO_RECORDS] - records;
    CU_ASSERT(records < 40); /* one for each block of some 80 rows, not one for each row */
    lg_txn_snapshot(t, &own);
    CU_ASSERT_EQUAL(bulk_count(w, t, &own, 1), BULK);
    CU_ASSERT_EQUAL(bulk_count(w, reader, &before, 1), 0);

    /* what came after a statement's snapshot is not seen by it, and counts as changed by itself */
    part = own;
    lg_txn_savepoint_take(t, &sp);
    bulk_make(rows, bytes, BULK, 2);
    RIG_OK(lg_heap_rows_insert(t, w->g, rows, BULK));
    CU_ASSERT_EQUAL(bulk_count(w, t, &part, 1), BULK);
    CU_ASSERT_EQUAL(bulk_count(w, t, &part, 2), 0);
    CU_ASSERT_EQUAL(update_small(w, t, rows[7].id, &part, 9, &out), LG_UPDATED);
    CU_ASSERT(out.self);
    RIG_OK(lg_heap_row_delete(t, w->g, rows[8].id, NULL, &out));
    RIG_OK(lg_txn_rollback_to(t, sp));
    lg_txn_snapshot(t, &own);
    CU_ASSERT_EQUAL(bulk_count(w, t, &own, 2), 0);
    CU_ASSERT_EQUAL(bulk_count(w, t, &own, 1), BULK);
    blocks_are_sound(w);

    /* the room that was given back is used again */
    RIG_OK(lg_segment_blocks(w->g, &blocks));
    bulk_make(rows, bytes, BULK, 3);
    RIG_OK(lg_heap_rows_insert(t, w->g, rows, BULK));
    uint32_t more;
    RIG_OK(lg_segment_blocks(w->g, &more));
    CU_ASSERT(more <= blocks + (blocks - blocks_before) / 4);
    RIG_OK(lg_txn_commit(t));
    CU_ASSERT_EQUAL(bulk_count(w, reader, &before, 1), 0);
    CU_ASSERT_EQUAL(bulk_count(w, reader, &before, 3), 0);
    RIG_OK(lg_txn_commit(reader));

    /* slots of deleted rows too, and a whole transaction goes back */
    t = lg_txn_begin(w->txns);
    for (uint32_t i = 0; i < BULK; i += 2)
        RIG_OK(lg_heap_row_delete(t, w->g, rows[i].id, NULL, &out));
    RIG_OK(lg_txn_commit(t));
    for (int round = 0; round < 2; round++) {
        t = lg_txn_begin(w->txns);
        bulk_make(rows, bytes, BULK, 4);
        RIG_OK(lg_heap_rows_insert(t, w->g, rows, BULK));
        RIG_OK(round ? lg_txn_commit(t) : lg_txn_rollback(t));
        blocks_are_sound(w);
        t = lg_txn_begin(w->txns);
        lg_txn_snapshot(t, &own);
        CU_ASSERT_EQUAL(bulk_count(w, t, &own, 4), round ? BULK : 0);
        CU_ASSERT_EQUAL(bulk_count(w, t, &own, 1), BULK);
        CU_ASSERT_EQUAL(bulk_count(w, t, &own, 3), BULK / 2);
        RIG_OK(lg_txn_commit(t));
    }
    free(bytes);
    free(rows);
}

LG_TEST(test_heap__many_rows_are_one_change_of_a_block)
{
    run_world(21, false, bulk);
}
