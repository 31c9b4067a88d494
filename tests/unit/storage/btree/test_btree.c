/* The B-tree against a model: random inserts, marks and rollbacks of interleaved fibers, scans both
 * ways, unique races, long keys, bulk build. One simulated instance; every mini-transaction is
 * proved by replay in the debug build. */
#include "assert.h"
#include "btree.h"
#include "dwb.h"
#include "space_file.h"
#include "storage_rig.h"

#define DISK_BYTES (320ull << 20)

struct world {
    struct rig rig;
    uint64_t seed;
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
    lg_segment *tree;
    void (*body)(struct world *w);
    uint64_t rnd;
    uint32_t running;
    /* the model: is there a live entry (key, rowid = key)? */
    uint8_t live[4096];
    uint8_t busy[4096]; /* touched by a running transaction */
    lg_txn *txn;
    lg_status st;
    bool rolled_back;
    uint32_t round;
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
    (void)useg;
    *ret_file = ((struct world *)arg)->undo_file;
    return LG_OK;
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
                        .cache_bytes = 4u << 20,
                        .dwb = w->dwb};
    RIG_OK(lg_buf_cache_create(&bc, &w->cache));
    RIG_OK(lg_space_create(w->cache, &w->space));
    lg_undo_config uc = {
        .space = w->space, .retention_ms = 1000, .file_of = undo_file_of, .arg = w};
    RIG_OK(lg_undo_create(&uc, &w->undo));
    RIG_OK(lg_undo_segment_create(w->undo, 1, &w->undo_file));
    lg_txn_config tc = {.undo = w->undo, .space = w->space, .useg = 1};
    RIG_OK(lg_txn_sys_create(&tc, &w->txns));
    lg_btree_register(w->txns);
    uint32_t file;
    RIG_OK(lg_segment_create(w->space, LG_SEGMENT_BTREE, &file));
    RIG_OK(lg_segment_open(w->space, file, &w->tree));
    RIG_OK(lg_btree_init(w->tree));
}

static void
in_world(void *arg)
{
    struct world *w = arg;
    open_storage(w);
    w->body(w);
}

static void
run_world(uint64_t seed, void (*body)(struct world *w))
{
    struct world *w = calloc(1, sizeof *w);
    w->seed = w->rnd = seed;
    w->body = body;
    rig_open(&w->rig, seed, 1, DISK_BYTES);
    rig_node_start(&w->rig, 0);
    CU_ASSERT(rig_run(&w->rig, 0, in_world, w, 600 * LG_SEC));
    rig_close(&w->rig);
    free(w);
}

/* Keys of several lengths in the order of n; every 16th is long. */
static uint32_t
key_of(uint32_t n, uint8_t key[LG_BTREE_KEY_MAX])
{
    uint32_t len = 4;
    key[0] = (uint8_t)(n >> 24);
    key[1] = (uint8_t)(n >> 16);
    key[2] = (uint8_t)(n >> 8);
    key[3] = (uint8_t)n;
    if (n % 16 == 0) {
        len = 600 + n % 900;
        memset(key + 4, (int)(n % 251), len - 4);
    }
    return len;
}

static uint32_t
number_of(const uint8_t *key)
{
    return (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];
}

static lg_status
insert(struct world *w, lg_txn *t, uint32_t n, bool unique)
{
    uint8_t key[LG_BTREE_KEY_MAX];
    lg_btree_out out;
    return lg_btree_insert(t, w->tree, key, key_of(n, key), n, unique, &out);
}

static lg_status
mark(struct world *w, lg_txn *t, uint32_t n)
{
    uint8_t key[LG_BTREE_KEY_MAX];
    return lg_btree_delete(t, w->tree, key, key_of(n, key), n);
}

/* Is there a live entry? Looked at through probe, which is what a unique insert sees. */
static lg_status
probe(struct world *w, lg_txn *t, uint32_t n)
{
    uint8_t key[LG_BTREE_KEY_MAX];
    lg_btree_out out;
    return lg_btree_probe(t, w->tree, key, key_of(n, key), &out);
}

/* A scan gives every live entry once, in order, and marked ones perhaps. */
static void
check_scan(struct world *w, uint32_t lo, uint32_t hi, bool backward)
{
    uint8_t lo_key[LG_BTREE_KEY_MAX], hi_key[LG_BTREE_KEY_MAX];
    lg_btree_scan *sc;
    lg_btree_entry e;
    lg_status st;
    uint8_t seen[4096] = {0};
    int64_t last = backward ? INT64_MAX : -1;
    lg_txn *t = lg_txn_begin(w->txns);
    RIG_OK(lg_btree_scan_open(t, w->tree, NULL, lo_key, key_of(lo, lo_key), hi_key,
                              key_of(hi, hi_key), backward, &sc));
    while ((st = lg_btree_scan_next(sc, &e)) == LG_OK) {
        uint32_t n = number_of(e.key);
        LG_ASSERT(n >= lo && n < hi && e.rowid == n);
        LG_ASSERT(backward ? n < last : n > last);
        last = n;
        seen[n] = 1;
    }
    LG_ASSERT(st == LG_END);
    lg_btree_scan_close(sc);
    for (uint32_t n = lo; n < hi; n++)
        LG_ASSERT(!w->live[n] || seen[n]);
    RIG_OK(lg_txn_rollback(t));
}

static void
check_all(struct world *w, uint32_t keys)
{
    lg_btree_stat stat;
    lg_txn *t = lg_txn_begin(w->txns);
    RIG_OK(lg_btree_check(w->tree, &stat));
    for (uint32_t n = 0; n < keys; n++)
        LG_ASSERT((probe(w, t, n) == LG_OK) == w->live[n]);
    RIG_OK(lg_txn_rollback(t));
    check_scan(w, 0, keys, false);
    check_scan(w, 0, keys, true);
    check_scan(w, keys / 3, keys / 2, false);
    check_scan(w, keys / 3, keys / 2, true);
}

/* Inserts the numbers, ascending, at once. */
static lg_status
insert_many(struct world *w, lg_txn *t, const uint32_t *list, uint32_t n, bool unique,
            uint32_t *ret_done)
{
    lg_btree_item *items = malloc(n * sizeof *items);
    uint8_t *keys = malloc((size_t)n * LG_BTREE_KEY_MAX);
    lg_btree_out out;
    for (uint32_t i = 0; i < n; i++) {
        uint8_t *key = keys + (size_t)i * LG_BTREE_KEY_MAX;
        items[i] = (lg_btree_item){key, key_of(list[i], key), unique, list[i]};
    }
    lg_status st = lg_btree_insert_many(t, w->tree, items, n, ret_done, &out);
    free(keys);
    free(items);
    return st;
}

/* ---- one fiber of random transactions ---- */

#define KEYS 3000u

static void
worker(void *arg)
{
    struct world *w = arg;
    for (int round = 0; round < 60; round++) {
        uint32_t touched[112], count = 0;
        uint8_t after[112];
        lg_txn *t = lg_txn_begin(w->txns);
        if (draw(w, 3) == 0) { /* neighbours, or from all over */
            uint32_t step = draw(w, 2) ? 1 : KEYS / 100, n = (uint32_t)draw(w, step), done;
            if (step == 1)
                n = (uint32_t)draw(w, KEYS - 100);
            for (; n < KEYS && count < 100; n += step)
                if (!w->busy[n] && !w->live[n]) {
                    w->busy[n] = 1;
                    touched[count] = n;
                    after[count++] = 1;
                }
            RIG_OK(insert_many(w, t, touched, count, draw(w, 2), &done));
            LG_ASSERT(done == count);
        }
        for (uint32_t i = 0; i < 1 + draw(w, 12); i++) {
            uint32_t n = (uint32_t)draw(w, KEYS);
            if (w->busy[n])
                continue;
            w->busy[n] = 1;
            touched[count] = n;
            after[count] = !w->live[n];
            count++;
            RIG_OK(w->live[n] ? mark(w, t, n) : insert(w, t, n, draw(w, 2)));
        }
        if (draw(w, 4) == 0) {
            RIG_OK(lg_txn_rollback(t));
        } else {
            RIG_OK(lg_txn_commit(t));
            for (uint32_t i = 0; i < count; i++)
                w->live[touched[i]] = after[i];
        }
        for (uint32_t i = 0; i < count; i++)
            w->busy[touched[i]] = 0;
    }
    w->running--;
}

static void
random_body(struct world *w)
{
    w->running = 6;
    for (uint32_t i = 0; i < 6; i++)
        RIG_OK(lg_run_spawn(w->rig.nodes[0].run, "worker", 0, worker, w, NULL));
    while (w->running)
        RIG_OK(lg_fiber_sleep_until(lg_run_now_ns(w->rig.nodes[0].run) + LG_MS, LG_WAIT_SLEEP));
    check_all(w, KEYS);
}

LG_TEST(test_btree__random_transactions_of_many_fibers_match_the_model)
{
    for (uint64_t seed = 1; seed <= 6; seed++)
        run_world(seed, random_body);
}

/* ---- rising and falling keys, then everything marked and purged ---- */

static void
sequential_body(struct world *w)
{
    lg_txn *t = lg_txn_begin(w->txns);
    for (uint32_t n = 0; n < KEYS; n++) {
        uint32_t k = w->seed % 2 ? n : KEYS - 1 - n;
        RIG_OK(insert(w, t, k, true));
        w->live[k] = 1;
    }
    RIG_OK(lg_txn_commit(t));
    check_all(w, KEYS);
    t = lg_txn_begin(w->txns);
    CU_ASSERT_EQUAL(insert(w, t, 5, true), LG_DUPLICATE_KEY);
    CU_ASSERT_EQUAL(insert(w, t, 5, false), LG_EXISTS);
    CU_ASSERT_EQUAL(mark(w, t, KEYS + 5), LG_NOT_FOUND);
    for (uint32_t n = 0; n < KEYS; n += 2) {
        RIG_OK(mark(w, t, n));
        w->live[n] = 0;
    }
    CU_ASSERT_EQUAL(mark(w, t, 0), LG_NOT_FOUND);
    RIG_OK(lg_txn_commit(t));
    check_all(w, KEYS);
    uint64_t removed;
    lg_btree_stat stat;
    RIG_OK(lg_btree_purge(w->txns, w->tree, &removed));
    CU_ASSERT(removed > 0);
    RIG_OK(lg_btree_check(w->tree, &stat));
    CU_ASSERT_EQUAL(stat.entries, KEYS / 2);
    check_all(w, KEYS);
}

LG_TEST(test_btree__rising_and_falling_keys)
{
    run_world(1, sequential_body);
    run_world(2, sequential_body);
}

/* ---- an index dropped before, or while, its changes are rolled back (for a dead instance) ---- */

static void
rollback_fiber(void *arg)
{
    struct world *w = arg;
    w->st = lg_txn_rollback(w->txn);
    w->rolled_back = true;
}

static void
dropped_body(struct world *w)
{
    for (int during = 0; during < 2; during++) {
        lg_btree_out out;
        uint32_t file;
        uint8_t key[8] = {0};
        RIG_OK(lg_segment_create(w->space, LG_SEGMENT_BTREE, &file));
        RIG_OK(lg_segment_open(w->space, file, &w->tree));
        RIG_OK(lg_btree_init(w->tree));
        w->txn = lg_txn_begin(w->txns);
        w->rolled_back = false;
        for (uint32_t i = 0; i < 3000; i++) {
            memcpy(key, &i, sizeof i);
            RIG_OK(lg_btree_insert(w->txn, w->tree, key, sizeof key, i, false, &out));
        }
        RIG_OK(lg_buf_write_dirty(w->cache, LG_LSN_MAX, UINT32_MAX, NULL));
        if (!during)
            RIG_OK(lg_segment_drop(w->space, file));
        RIG_OK(lg_run_spawn(w->rig.nodes[0].run, "rollback", 0, rollback_fiber, w, NULL));
        lg_fiber_yield();
        if (during)
            RIG_OK(lg_segment_drop(w->space, file));
        while (!w->rolled_back)
            RIG_OK(lg_fiber_sleep_until(lg_run_now_ns(w->rig.nodes[0].run) + LG_MS, LG_WAIT_SLEEP));
        CU_ASSERT_EQUAL(w->st, LG_OK);
    }
}

LG_TEST(test_btree__rollback_goes_on_when_the_index_is_dropped)
{
    run_world(5, dropped_body);
}

/* DROPPING is durable, some buffers of the index are still here, the others can no longer be read. */
static lg_status
roll_back_meanwhile(void *arg, uint32_t file)
{
    struct world *w = arg;
    RIG_OK(lg_buf_write_dirty(w->cache, LG_LSN_MAX, UINT32_MAX, NULL));
    lg_volume_map_forget(w->volume, file);
    for (uint32_t block = w->round == 0 ? 0 : 2; block < 200; block += 1 + w->round) {
        bool dirty;
        lg_version version;
        (void)!lg_buf_revoke(w->cache, (lg_addr){file, block}, LG_MODE_N, NULL, &dirty, &version);
    }
    w->st = lg_txn_rollback(w->txn);
    return LG_OK;
}

static void
dropped_many_body(struct world *w)
{
    for (w->round = 0; w->round < 5; w->round++) {
        uint32_t file, done, list[1000];
        RIG_OK(lg_segment_create(w->space, LG_SEGMENT_BTREE, &file));
        RIG_OK(lg_segment_open(w->space, file, &w->tree));
        RIG_OK(lg_btree_init(w->tree));
        w->txn = lg_txn_begin(w->txns);
        for (uint32_t i = 0; i < 1000; i++)
            list[i] = i;
        RIG_OK(insert_many(w, w->txn, list, 1000, true, &done));
        w->st = LG_IO;
        lg_space_set_forget(w->space, roll_back_meanwhile, w);
        RIG_OK(lg_segment_drop(w->space, file));
        CU_ASSERT_EQUAL(w->st, LG_OK);
    }
    lg_space_set_forget(w->space, NULL, NULL);
    CU_ASSERT_EQUAL(lg_space_release(w->space), LG_OK);
}

LG_TEST(test_btree__rollback_of_many_goes_on_when_the_index_is_dropped)
{
    run_world(6, dropped_many_body);
}

/* ---- many row ids with one key ---- */

static void
equal_body(struct world *w)
{
    static const uint8_t key[3] = {'a', 'b', 'c'};
    lg_btree_out out;
    lg_txn *t = lg_txn_begin(w->txns);
    for (uint64_t r = 0; r < 2000; r++)
        RIG_OK(lg_btree_insert(t, w->tree, key, 3, (r * 7919) % 2000, false, &out));
    RIG_OK(lg_txn_commit(t));
    t = lg_txn_begin(w->txns);
    CU_ASSERT_EQUAL(lg_btree_insert(t, w->tree, key, 3, 5000, true, &out), LG_DUPLICATE_KEY);
    for (uint64_t r = 0; r < 2000; r++)
        RIG_OK(lg_btree_delete(t, w->tree, key, 3, r));
    /* All equal entries are marked by us: the unique insert looks at each, over many leaves. */
    RIG_OK(lg_btree_insert(t, w->tree, key, 3, 5000, true, &out));
    RIG_OK(lg_txn_rollback(t));
    lg_btree_stat stat;
    RIG_OK(lg_btree_check(w->tree, &stat));
    CU_ASSERT_EQUAL(stat.entries, 2000);
    CU_ASSERT_EQUAL(stat.marked, 0);
}

LG_TEST(test_btree__many_rows_with_one_key)
{
    run_world(3, equal_body);
}

/* ---- the order of keys of any length ---- */

enum { ORDER_KEYS = 1500, ORDER_MAX = 20 };

struct ordered {
    uint8_t bytes[ORDER_MAX];
    uint32_t len;
};

static int
order(const void *va, const void *vb)
{
    const struct ordered *a = va, *b = vb;
    uint32_t n = a->len < b->len ? a->len : b->len;
    int c = memcmp(a->bytes, b->bytes, n);
    return c ? c : a->len < b->len ? -1 : a->len > b->len;
}

/* Few different bytes, zeros among them: many that differ only in length or beyond the eighth byte. */
static struct ordered
any_key(struct world *w)
{
    static const uint8_t values[] = {0, 0, 1, 255};
    struct ordered k = {.len = (uint32_t)draw(w, ORDER_MAX + 1)};
    for (uint32_t i = 0; i < k.len; i++)
        k.bytes[i] = i < 6 ? values[draw(w, 2)] : values[draw(w, 4)];
    return k;
}

static uint32_t
scan_ordered(struct world *w, lg_txn *t, const struct ordered *keys, uint32_t lo, uint32_t hi,
             bool backward)
{
    lg_btree_scan *sc;
    lg_btree_entry e;
    uint32_t n = 0;
    RIG_OK(lg_btree_scan_open(t, w->tree, NULL, keys[lo].bytes, keys[lo].len, keys[hi].bytes,
                              keys[hi].len, backward, &sc));
    while (lg_btree_scan_next(sc, &e) == LG_OK) {
        const struct ordered *k = &keys[backward ? hi - 1 - n : lo + n];
        LG_ASSERT(lo + n < hi && e.len == k->len && !memcmp(e.key, k->bytes, k->len));
        n++;
    }
    lg_btree_scan_close(sc);
    return n;
}

static void
order_body(struct world *w)
{
    static struct ordered keys[ORDER_KEYS];
    lg_btree_out out;
    uint32_t n = 0;
    lg_txn *t = lg_txn_begin(w->txns);
    for (uint32_t i = 0; i < ORDER_KEYS; i++) {
        keys[n] = any_key(w);
        lg_status st = lg_btree_insert(t, w->tree, keys[n].bytes, keys[n].len, i, true, &out);
        LG_ASSERT(st == LG_OK || st == LG_DUPLICATE_KEY);
        n += st == LG_OK;
    }
    RIG_OK(lg_txn_commit(t));
    qsort(keys, n, sizeof keys[0], order);
    lg_btree_stat stat;
    RIG_OK(lg_btree_check(w->tree, &stat));
    CU_ASSERT_EQUAL(stat.entries, n);
    t = lg_txn_begin(w->txns);
    for (uint32_t i = 0; i < 2000; i++) { /* one, a few, many; none has no bound */
        uint32_t lo = 1 + (uint32_t)draw(w, n - 2), most = i % 3 == 0 ? 2 : i % 3 == 1 ? 7 : n;
        uint32_t hi = lo + (uint32_t)draw(w, most < n - lo ? most : n - lo);
        CU_ASSERT_EQUAL(scan_ordered(w, t, keys, lo, hi, i % 5 == 4), hi - lo);
    }
    RIG_OK(lg_txn_rollback(t));
}

LG_TEST(test_btree__the_order_of_short_and_long_keys)
{
    run_world(8, order_body);
}

/* ---- unique races ---- */

struct race {
    struct world *w;
    bool commit;
    lg_status second;
};

static void
second_inserter(void *arg)
{
    struct race *r = arg;
    uint8_t key[LG_BTREE_KEY_MAX];
    uint32_t len = key_of(77, key);
    lg_txn *t = lg_txn_begin(r->w->txns);
    lg_btree_out out;
    RIG_OK(lg_txn_assign(t));
    while ((r->second = lg_btree_insert(t, r->w->tree, key, len, 78, true, &out)) == LG_IN_DOUBT)
        RIG_OK(lg_txn_wait(t, out.xid));
    RIG_OK(lg_txn_rollback(t));
    r->w->running--;
}

static void
race_body(struct world *w)
{
    for (int commit = 0; commit < 2; commit++) {
        struct race r = {w, commit, LG_INTERNAL};
        lg_txn *t = lg_txn_begin(w->txns);
        RIG_OK(insert(w, t, 77, true));
        w->running = 1;
        RIG_OK(lg_run_spawn(w->rig.nodes[0].run, "second", 0, second_inserter, &r, NULL));
        RIG_OK(
            lg_fiber_sleep_until(lg_run_now_ns(w->rig.nodes[0].run) + 20 * LG_MS, LG_WAIT_SLEEP));
        CU_ASSERT_EQUAL(w->running, 1); /* it waits */
        if (commit)
            RIG_OK(lg_txn_commit(t));
        else
            RIG_OK(lg_txn_rollback(t));
        while (w->running)
            RIG_OK(lg_fiber_sleep_until(lg_run_now_ns(w->rig.nodes[0].run) + LG_MS, LG_WAIT_SLEEP));
        CU_ASSERT_EQUAL(r.second, commit ? LG_DUPLICATE_KEY : LG_OK);
    }
}

LG_TEST(test_btree__of_two_unique_inserts_the_second_waits_for_the_first)
{
    run_world(4, race_body);
}

/* ---- what entries tell without the row ---- */

#define VKEYS    300u
#define READINGS 400u

struct change {
    lg_scn scn;
    uint16_t key;
    bool live;
};

struct reading { /* of a snapshot: what the scan said of each key */
    lg_scn scn;
    uint8_t said[VKEYS]; /* 1 asked, 2 visible */
};

struct told {
    struct world *w;
    struct change changes[20000];
    struct reading readings[READINGS];
    uint32_t nchanges, nreadings, running;
    bool stop;
};

static void
pause_a_little(struct world *w, uint64_t up_to)
{
    lg_time now = lg_run_now_ns(w->rig.nodes[0].run);
    RIG_OK(lg_fiber_sleep_until(now + draw(w, up_to) * (LG_MS / 1000), LG_WAIT_SLEEP));
}

static void
scan_told(struct world *w, lg_txn *t, const lg_snapshot *snap, bool backward, uint8_t *said)
{
    lg_btree_scan *sc;
    lg_btree_entry e;
    lg_status st;
    RIG_OK(lg_btree_scan_open(t, w->tree, snap, NULL, 0, NULL, 0, backward, &sc));
    while ((st = lg_btree_scan_next(sc, &e)) == LG_OK) {
        said[number_of(e.key)] = e.heap_check ? 1 : 2;
        if (draw(w, 50) == 0)
            pause_a_little(w, 300);
    }
    LG_ASSERT(st == LG_END);
    lg_btree_scan_close(sc);
}

static uint32_t
visible_entries(struct world *w, lg_txn *t, const lg_snapshot *snap)
{
    uint8_t said[4096] = {0};
    uint32_t n = 0;
    scan_told(w, t, snap, false, said);
    for (uint32_t k = 0; k < 4096; k++)
        n += said[k] == 2;
    return n;
}

/* Marks, inserts, revives; goes back to savepoints; commits or rolls back. */
static void
teller(void *arg)
{
    struct told *v = arg;
    struct world *w = v->w;
    while (!v->stop) {
        uint32_t touched[24], kept = 0, count = 0;
        lg_txn *t = lg_txn_begin(w->txns);
        lg_txn_savepoint sp;
        bool back = draw(w, 4) == 0;
        lg_txn_savepoint_take(t, &sp);
        uint32_t half = (uint32_t)draw(w, 8);
        for (uint32_t i = 0; i < 1 + draw(w, 8); i++) {
            uint32_t n = (uint32_t)draw(w, VKEYS);
            if (i == half)
                lg_txn_savepoint_take(t, &sp), kept = count;
            if (w->busy[n])
                continue;
            w->busy[n] = 1;
            touched[count++] = n;
            RIG_OK(w->live[n] ? mark(w, t, n) : insert(w, t, n, draw(w, 2)));
            if (draw(w, 4) == 0) /* and there again, by the same */
                RIG_OK(w->live[n] ? insert(w, t, n, false) : mark(w, t, n));
            else
                w->live[n] ^= 2;
            if (draw(w, 3) == 0)
                pause_a_little(w, 400);
        }
        if (back && kept < count) {
            RIG_OK(lg_txn_rollback_to(t, sp));
            for (uint32_t i = kept; i < count; i++)
                w->live[touched[i]] &= 1;
        }
        lg_txn_status s;
        lg_xid xid = lg_txn_xid(t);
        bool commit = draw(w, 3) > 0;
        RIG_OK(commit ? lg_txn_commit(t) : lg_txn_rollback(t));
        for (uint32_t i = 0; i < count; i++) {
            uint32_t n = touched[i];
            bool changed = w->live[n] & 2;
            w->live[n] &= 1;
            if (commit && changed && v->nchanges < 20000) {
                w->live[n] ^= 1;
                RIG_OK(lg_txn_peek(w->txns, xid, LG_SCN_MAX, &s));
                LG_ASSERT(s.state == LG_XID_COMMITTED && !s.upper_bound);
                v->changes[v->nchanges++] = (struct change){s.scn, (uint16_t)n, w->live[n]};
            }
            w->busy[n] = 0;
        }
    }
    v->running--;
}

/* Under snapshots of all ages. */
static void
listener(void *arg)
{
    struct told *v = arg;
    struct world *w = v->w;
    while (v->nreadings < READINGS) {
        lg_snapshot snap;
        lg_txn *t = lg_txn_begin(w->txns);
        lg_txn_snapshot(t, &snap);
        for (uint32_t i = 0; i < 4 && v->nreadings < READINGS; i++) {
            struct reading *r = &v->readings[v->nreadings++];
            r->scn = snap.scn;
            scan_told(w, t, &snap, draw(w, 2), r->said);
            pause_a_little(w, 3000);
        }
        lg_txn_snapshots_done(t);
        RIG_OK(lg_txn_rollback(t));
    }
    v->stop = true;
    v->running--;
}

static void
told_body(struct world *w)
{
    struct told *v = calloc(1, sizeof *v);
    uint64_t visible = 0, asked = 0, gone = 0;
    v->w = w;
    v->running = 8;
    for (uint32_t i = 0; i < 8; i++)
        RIG_OK(lg_run_spawn(w->rig.nodes[0].run, "told", 0, i < 5 ? teller : listener, v, NULL));
    while (v->running)
        pause_a_little(w, 2000);
    for (uint32_t i = 0; i < v->nreadings; i++) {
        const struct reading *r = &v->readings[i];
        bool live[VKEYS] = {false}, ever[VKEYS] = {false};
        lg_scn last[VKEYS] = {0};
        for (uint32_t c = 0; c < v->nchanges; c++) { /* their order here is not that of the SCNs */
            const struct change *h = &v->changes[c];
            if (h->scn > r->scn || h->scn < last[h->key])
                continue;
            last[h->key] = h->scn;
            live[h->key] = h->live;
            ever[h->key] = true;
        }
        for (uint32_t k = 0; k < VKEYS; k++) {
            CU_ASSERT(live[k] ? r->said[k] != 0 : r->said[k] != 2);
            visible += r->said[k] == 2;
            asked += r->said[k] == 1;
            gone += ever[k] && !live[k] && !r->said[k];
        }
    }
    CU_ASSERT(v->nchanges > 1000 && v->nchanges < 20000);
    CU_ASSERT(visible > 2 * asked && gone > 1000);
    lg_btree_stat stat;
    RIG_OK(lg_btree_check(w->tree, &stat));
    free(v);
}

LG_TEST(test_btree__entries_tell_snapshots_without_the_row)
{
    for (uint64_t seed = 1; seed <= 4; seed++)
        run_world(seed, told_body);
}

/* ---- bulk build, bounds ---- */

static void
build_body(struct world *w)
{
    lg_btree_build *b;
    uint8_t key[LG_BTREE_KEY_MAX + 1];
    lg_btree_out out;
    lg_txn *t = lg_txn_begin(w->txns);
    lg_snapshot before, after;
    lg_txn *old = lg_txn_begin(w->txns);
    lg_txn_snapshot(old, &before);
    RIG_OK(insert(w, t, KEYS, true));
    RIG_OK(mark(w, t, KEYS));
    RIG_OK(lg_btree_build_begin(t, w->tree, &b));
    for (uint32_t n = 0; n < KEYS; n++) {
        RIG_OK(lg_btree_build_add(b, key, key_of(n, key), n));
        w->live[n] = 1;
    }
    RIG_OK(lg_btree_build_finish(b));
    /* its entries are of the transaction that builds: asked by itself and by older snapshots */
    lg_txn_snapshot(t, &after);
    CU_ASSERT_EQUAL(visible_entries(w, t, &after), 0);
    CU_ASSERT_EQUAL(visible_entries(w, old, &before), 0);
    RIG_OK(lg_txn_commit(t));
    CU_ASSERT_EQUAL(visible_entries(w, old, &before), 0);
    lg_txn_snapshots_done(old);
    lg_txn_snapshot(old, &after);
    CU_ASSERT_EQUAL(visible_entries(w, old, &after), KEYS);
    RIG_OK(lg_txn_rollback(old));
    check_all(w, KEYS);
    memset(key, 'x', sizeof key);
    t = lg_txn_begin(w->txns);
    CU_ASSERT_EQUAL(lg_btree_insert(t, w->tree, key, LG_BTREE_KEY_MAX + 1, 1, false, &out),
                    LG_TOO_LARGE);
    RIG_OK(lg_btree_insert(t, w->tree, key, LG_BTREE_KEY_MAX, 1, false, &out));
    RIG_OK(lg_btree_insert(t, w->tree, key, LG_BTREE_KEY_MAX, 2, false, &out));
    RIG_OK(lg_btree_insert(t, w->tree, key, LG_BTREE_KEY_MAX, 3, false, &out));
    RIG_OK(lg_btree_insert(t, w->tree, "", 0, 4, false, &out));
    RIG_OK(lg_txn_commit(t));
    lg_btree_stat stat;
    RIG_OK(lg_btree_check(w->tree, &stat));
    CU_ASSERT_EQUAL(stat.entries - stat.marked, KEYS + 4);
}

LG_TEST(test_btree__bulk_build_and_longest_keys)
{
    run_world(5, build_body);
}

/* ---- many entries at once ---- */

static void
many_body(struct world *w)
{
    uint32_t list[1000], done, n = 0;
    lg_btree_out out;
    uint8_t key[LG_BTREE_KEY_MAX];
    lg_stats *stats = lg_run_stats(w->rig.nodes[0].run);
    lg_txn *t = lg_txn_begin(w->txns);
    for (uint32_t k = 0; k < KEYS; k += 3)
        list[n++] = k;
    uint64_t records = stats->count[LG_STAT_UNDO_RECORDS];
    RIG_OK(insert_many(w, t, list, n, true, &done));
    CU_ASSERT_EQUAL(done, n);
    CU_ASSERT(stats->count[LG_STAT_UNDO_RECORDS] - records < n / 4);
    for (uint32_t i = 0; i < n; i++)
        w->live[list[i]] = 1;
    RIG_OK(lg_txn_commit(t));
    check_all(w, KEYS);

    /* a run, whose leaf then splits many times over, goes back leaf by leaf */
    t = lg_txn_begin(w->txns);
    uint32_t few[40];
    for (uint32_t i = 0; i < 40; i++)
        few[i] = 1000 + 3 * i;
    RIG_OK(insert_many(w, t, few, 40, true, &done));
    lg_txn *other = lg_txn_begin(w->txns);
    for (uint32_t i = 0; i < 40; i++) {
        uint32_t k = few[i] + 1; /* with long rows between them */
        key[0] = (uint8_t)(k >> 24), key[1] = (uint8_t)(k >> 16), key[2] = (uint8_t)(k >> 8);
        key[3] = (uint8_t)k;
        memset(key + 4, 'x', 2000);
        RIG_OK(lg_btree_insert(other, w->tree, key, 2004, k, false, &out));
    }
    RIG_OK(lg_txn_rollback(t));
    RIG_OK(lg_txn_rollback(other));
    check_all(w, KEYS);

    /* the row that has the key already, or has it twice: all before it are in */
    t = lg_txn_begin(w->txns);
    uint32_t bad[3] = {1, 2, 3};
    CU_ASSERT_EQUAL(insert_many(w, t, bad, 3, true, &done), LG_DUPLICATE_KEY);
    CU_ASSERT_EQUAL(done, 2);
    CU_ASSERT_EQUAL(insert_many(w, t, bad, 3, false, &done), LG_EXISTS);
    CU_ASSERT_EQUAL(done, 0);
    lg_btree_item twice[2] = {{key, 4, true, 71}, {key, 4, true, 72}};
    memset(key, 0xEE, 4);
    CU_ASSERT_EQUAL(lg_btree_insert_many(t, w->tree, twice, 2, &done, &out), LG_DUPLICATE_KEY);
    CU_ASSERT(done == 1 && out.rowid == 71);
    RIG_OK(lg_txn_rollback(t));
    check_all(w, KEYS);

    /* one that somebody else is about to delete */
    t = lg_txn_begin(w->txns);
    other = lg_txn_begin(w->txns);
    RIG_OK(mark(w, other, 3));
    CU_ASSERT_EQUAL(insert_many(w, t, bad, 3, true, &done), LG_IN_DOUBT);
    CU_ASSERT_EQUAL(done, 2);
    RIG_OK(lg_txn_commit(other));
    RIG_OK(insert_many(w, t, bad + done, 3 - done, true, &done));
    RIG_OK(lg_txn_commit(t));
    w->live[1] = w->live[2] = 1;
    check_all(w, KEYS);
}

LG_TEST(test_btree__many_entries_at_once)
{
    run_world(6, many_body);
}
