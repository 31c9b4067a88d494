/* The cache on one instance: getting, evicting, writing, errors; mini-transactions. */
#include "storage_rig.h"
#include "dwb.h"
#include "mtr.h"

#define MIB    (1u << 20)
#define FRAMES 64

struct world {
    struct rig rig;
    lg_io *io;
    lg_volume *v;
    lg_redo *redo;
    lg_dwb *dwb;
    lg_buf_cache *c;
    lg_scn_clock clock;
    bool flag;
    int order;
    lg_status st;
};

static struct world w;

/* File 0's map blocks serve as blocks to change: their places need no map. */
static lg_addr
addr(uint32_t i)
{
    return (lg_addr){0, 512 + i};
}

static void
mount(bool create)
{
    RIG_OK(lg_io_create(w.rig.nodes[0].run, LG_IO_AUTO, &w.io));
    lg_volume_create_config vc = {.io = w.io,
                                  .paths = rig_disk_names,
                                  .disk_count = 1,
                                  .log_files = 2,
                                  .log_file_bytes = MIB};
    if (create)
        RIG_OK(lg_volume_create(&vc, true));
    RIG_OK(lg_volume_open(w.io, rig_disk_names, 1, NULL, 0, &w.v));
    lg_redo_config rc = {.run = w.rig.nodes[0].run, .volume = w.v, .clock = &w.clock};
    RIG_OK(lg_redo_open(&rc, &w.redo));
    RIG_OK(lg_dwb_create(w.rig.nodes[0].run, w.v, 0, &w.dwb));
    lg_buf_config bc = {.run = w.rig.nodes[0].run,
                        .volume = w.v,
                        .redo = w.redo,
                        .clock = &w.clock,
                        .cache_bytes = FRAMES * 8192,
                        .dwb = w.dwb};
    RIG_OK(lg_buf_cache_create(&bc, &w.c));
}

static void
unmount(void)
{
    lg_buf_cache_destroy(w.c);
    lg_dwb_destroy(w.dwb);
    (void)!lg_redo_close(w.redo, false);
    lg_volume_close(w.v);
    lg_io_destroy(w.io);
}

static void
in_fiber(void (*fn)(void *))
{
    memset(&w, 0, sizeof w);
    rig_open(&w.rig, 7, 1, 64 * MIB);
    rig_node_start(&w.rig, 0);
    CU_ASSERT_FATAL(rig_run(&w.rig, 0, fn, NULL, 100 * LG_SEC));
    rig_close(&w.rig);
}

static lg_lsn
change(uint32_t i, uint64_t value)
{
    lg_mtr t;
    lg_buf *b;
    lg_lsn lsn;
    lg_mtr_begin(&t, w.c);
    RIG_OK(lg_mtr_get(&t, addr(i), LG_LATCH_X, LG_MTR_NEW, &b));
    if (((lg_block_header *)(void *)b->data)->type == LG_BLOCK_FREE)
        lg_mtr_format(&t, b, LG_BLOCK_HEAP);
    lg_mtr_set_u64(&t, b, 4000, value);
    lg_mtr_commit(&t, &lsn);
    return lsn;
}

static uint64_t
value_of(uint32_t i)
{
    lg_buf *b;
    uint64_t v;
    RIG_OK(lg_buf_get(w.c, addr(i), LG_LATCH_S, &b));
    memcpy(&v, b->data + 4000, 8);
    lg_buf_put(w.c, b, LG_LATCH_S);
    return v;
}

/* ---- eviction and writing ---- */

static void
more_than_fits(void *arg)
{
    (void)arg;
    mount(true);
    for (uint32_t i = 0; i < 5 * FRAMES; i++)
        change(i % 250, i);
    for (uint32_t i = 5 * FRAMES - 250; i < 5 * FRAMES; i++)
        CU_ASSERT_EQUAL(value_of(i % 250), i);
    lg_buf_counts n;
    lg_buf_count(w.c, &n);
    CU_ASSERT(n.x + n.s + n.free <= FRAMES);
    CU_ASSERT(w.rig.nodes[0].stats.count[LG_STAT_BUFFERS_EVICTED] > 0);
    RIG_OK(lg_buf_write_dirty(w.c, LG_LSN_MAX, UINT32_MAX, NULL));
    lg_buf_count(w.c, &n);
    CU_ASSERT_EQUAL(n.dirty, 0);
    CU_ASSERT_EQUAL(lg_buf_oldest_rec_lsn(w.c), LG_LSN_MAX);
    unmount();
}

LG_TEST(test_buf__more_blocks_than_frames)
{
    in_fiber(more_than_fits);
}

/* A scan of a file through a stream. */
static void
scan_through(uint32_t from, uint32_t to)
{
    lg_buf_stream *s = lg_buf_stream_open(w.c, 0, addr(to).block, LG_SCN_MAX);
    for (uint32_t i = from; i < to; i++) {
        bool here = lg_buf_present(w.c, addr(i));
        lg_buf_stream_at(s, addr(i).block);
        CU_ASSERT_EQUAL(value_of(i), i);
        if (!here)
            lg_buf_stream_brought(s, addr(i).block);
    }
    lg_buf_stream_close(s);
}

static void
reads_ahead(void *arg)
{
    const uint64_t *count = w.rig.nodes[0].stats.count;
    (void)arg;
    mount(true);
    for (uint32_t i = 0; i < 250; i++)
        change(i, i);
    RIG_OK(lg_buf_write_dirty(w.c, LG_LSN_MAX, UINT32_MAX, NULL));
    uint64_t before = count[LG_STAT_READS_AHEAD];
    scan_through(0, 250);
    CU_ASSERT(count[LG_STAT_READS_AHEAD] - before > 100);
    before = count[LG_STAT_READS_AHEAD];
    scan_through(248, 250); /* all here */
    CU_ASSERT_EQUAL(count[LG_STAT_READS_AHEAD], before);
    lg_buf_stream *s = lg_buf_stream_open(w.c, 0, addr(250).block, LG_SCN_MAX);
    lg_buf_stream_at(s, addr(0).block); /* closed at once */
    lg_buf_stream_close(s);
    unmount();
}

LG_TEST(test_buf__stream_reads_ahead)
{
    in_fiber(reads_ahead);
}

static void
large_scan(void *arg)
{
    (void)arg;
    mount(true);
    for (uint32_t i = 0; i < 250; i++)
        change(i, i);
    RIG_OK(lg_buf_write_dirty(w.c, LG_LSN_MAX, UINT32_MAX, NULL));
    scan_through(20, 250); /* fills the cache; the last ones brought stay */
    for (uint32_t i = 0; i < 16; i++)
        CU_ASSERT_EQUAL(value_of(i), i);
    scan_through(20, 250);
    uint32_t left = 0;
    for (uint32_t i = 0; i < 16; i++)
        left += lg_buf_present(w.c, addr(i));
    CU_ASSERT(left >= 12); /* the scan's own share was somebody's before */
    unmount();
}

LG_TEST(test_buf__large_scan_leaves_the_cache_to_others)
{
    in_fiber(large_scan);
}

static void
wal_rule(void *arg)
{
    (void)arg;
    mount(true);
    lg_lsn lsn = change(1, 11);
    CU_ASSERT(lg_redo_flushed(w.redo) < lsn);
    uint32_t n;
    RIG_OK(lg_buf_write_dirty(w.c, LG_LSN_MAX, 10, &n));
    CU_ASSERT_EQUAL(n, 1);
    CU_ASSERT(lg_redo_flushed(w.redo) >= lsn);
    unmount();
}

LG_TEST(test_buf__redo_is_durable_before_the_block)
{
    in_fiber(wal_rule);
}

static void
change_meanwhile(void *arg)
{
    (void)arg;
    (void)!lg_fiber_sleep_until(lg_run_now_ns(w.rig.nodes[0].run) + LG_MS / 20, LG_WAIT_SLEEP);
    change(1, 22);
    w.flag = true;
}

static void
changed_while_written(void *arg)
{
    (void)arg;
    mount(true);
    change(1, 11);
    RIG_OK(lg_run_spawn(w.rig.nodes[0].run, "other", 0, change_meanwhile, NULL, NULL));
    uint32_t n;
    RIG_OK(lg_buf_write_dirty(w.c, LG_LSN_MAX, 1, &n));
    CU_ASSERT(w.flag);
    lg_buf *b = lg_buf_find(w.c, addr(1));
    CU_ASSERT(b->dirty);
    CU_ASSERT(b->disk_version < lg_block_version(b->data));
    CU_ASSERT_EQUAL(lg_buf_oldest_rec_lsn(w.c), b->rec_lsn);
    lg_buf_unpin(w.c, b);
    RIG_OK(lg_buf_write_one(w.c, addr(1)));
    CU_ASSERT_EQUAL(lg_buf_oldest_rec_lsn(w.c), LG_LSN_MAX);
    CU_ASSERT_EQUAL(lg_buf_write_one(w.c, addr(99)), LG_NOT_FOUND);
    unmount();
}

LG_TEST(test_buf__a_block_changed_while_written_stays_dirty)
{
    in_fiber(changed_while_written);
}

/* ---- errors ---- */

static void
bad_checksum(void *arg)
{
    (void)arg;
    mount(true);
    change(3, 33);
    RIG_OK(lg_buf_write_dirty(w.c, LG_LSN_MAX, UINT32_MAX, NULL));
    lg_volume_place p;
    RIG_OK(lg_buf_locate(w.c, addr(3), &p));
    lg_buf *b = lg_buf_find(w.c, addr(3));
    lg_buf_unpin(w.c, b);
    RIG_OK(lg_buf_revoke(w.c, addr(3), LG_MODE_N, NULL, NULL, NULL)); /* forget it */
    uint8_t sector[512];
    lg_sim_disk_peek(w.rig.sim, "disk0", p.offset + 1024, sector, 512);
    sector[100] ^= 1;
    lg_sim_disk_poke(w.rig.sim, "disk0", p.offset + 1024, sector, 512);
    CU_ASSERT_EQUAL(lg_buf_get(w.c, addr(3), LG_LATCH_S, &b), LG_CORRUPT);
    CU_ASSERT_EQUAL(lg_buf_get(w.c, addr(3), LG_LATCH_S, &b), LG_CORRUPT);
    change(3, 34); /* a new block may take its place */
    CU_ASSERT_EQUAL(value_of(3), 34);
    lg_sim_disk_set_errors(w.rig.sim, "disk0", 1000000, 0);
    CU_ASSERT_EQUAL(lg_buf_get(w.c, addr(4), LG_LATCH_S, &b), LG_IO);
    lg_sim_disk_set_errors(w.rig.sim, "disk0", 0, 0);
    RIG_OK(lg_buf_get(w.c, addr(4), LG_LATCH_S, &b));
    lg_buf_put(w.c, b, LG_LATCH_S);
    CU_ASSERT_EQUAL(lg_buf_get(w.c, (lg_addr){77, 0}, LG_LATCH_S, &b), LG_INVALID);
    unmount();
}

LG_TEST(test_buf__bad_checksum_and_read_errors)
{
    in_fiber(bad_checksum);
}

static void
write_errors(void *arg)
{
    (void)arg;
    mount(true);
    lg_lsn lsn = change(3, 33);
    RIG_OK(lg_redo_flush(w.redo, lsn));
    lg_sim_disk_set_errors(w.rig.sim, "disk0", 0, 1000000);
    CU_ASSERT_EQUAL(lg_buf_write_dirty(w.c, LG_LSN_MAX, UINT32_MAX, NULL), LG_IO);
    lg_buf *b = lg_buf_find(w.c, addr(3));
    CU_ASSERT(b->dirty && b->rec_lsn != LG_LSN_NONE && b->users == 0);
    lg_buf_unpin(w.c, b);
    lg_sim_disk_set_errors(w.rig.sim, "disk0", 0, 0);
    RIG_OK(lg_buf_write_dirty(w.c, LG_LSN_MAX, UINT32_MAX, NULL));
    CU_ASSERT_EQUAL(lg_buf_oldest_rec_lsn(w.c), LG_LSN_MAX);
    unmount();
}

LG_TEST(test_buf__a_failed_write_leaves_the_block_dirty)
{
    in_fiber(write_errors);
}

/* Some places fail, once their images are in the double-write area: the batch is not left before
 * all of them have it, since the area is the only good copy of what a failed write has torn. */
static void
place_errors(void *arg)
{
    (void)arg;
    lg_status st = LG_IO;
    lg_lsn lsn = 0;
    mount(true);
    for (uint32_t i = 0; i < 30; i++)
        lsn = change(3 + i, 40 + i);
    RIG_OK(lg_redo_flush(w.redo, lsn));
    lg_sim_disk_set_errors(w.rig.sim, "disk0", 0, 400000);
    for (uint32_t i = 0; i < 40 && st == LG_IO; i++) /* the area's own write may fail, too */
        st = lg_buf_write_dirty(w.c, LG_LSN_MAX, UINT32_MAX, NULL);
    CU_ASSERT_EQUAL(st, LG_OK);
    lg_sim_disk_set_errors(w.rig.sim, "disk0", 0, 0);
    CU_ASSERT_EQUAL(lg_buf_oldest_rec_lsn(w.c), LG_LSN_MAX);
    CU_ASSERT_EQUAL(lg_redo_broken(w.redo), LG_OK);
    unmount();
}

LG_TEST(test_buf__a_batch_is_finished_before_the_next)
{
    in_fiber(place_errors);
}

/* Fenced between the area and the places: the area is given up, and all who wait for it hear so. */
static lg_status
one_write_only(void *arg)
{
    uint32_t *writes = arg;
    return (*writes)++ == 0 ? LG_OK : LG_FENCED;
}

static void
one_block(void *arg)
{
    uint32_t *ended = arg;
    uint8_t *image = lg_io_buf_alloc(8192);
    lg_dwb_block b = {.image = image};
    lg_addr none;
    memset(image, 0, 8192);
    RIG_OK(lg_volume_locate(w.v, addr(0), &b.place, &none));
    CU_ASSERT_EQUAL(lg_dwb_write(w.dwb, &b, 1), LG_FENCED);
    lg_free(image);
    ++*ended;
}

static void
area_given_up(void *arg)
{
    uint32_t writes = 0, ended = 0;
    lg_run *run = w.rig.nodes[0].run;
    (void)arg;
    mount(true);
    lg_io_set_write_gate(w.io, one_write_only, &writes);
    for (unsigned i = 0; i < 5; i++)
        RIG_OK(lg_run_spawn(run, "writer", 0, one_block, &ended, NULL));
    RIG_OK(lg_fiber_sleep_until(lg_run_now_ns(run) + LG_SEC, LG_WAIT_SLEEP));
    CU_ASSERT_EQUAL(ended, 5);
    CU_ASSERT_EQUAL(lg_dwb_broken(w.dwb), LG_FENCED);
    lg_io_set_write_gate(w.io, NULL, NULL);
    unmount();
}

LG_TEST(test_buf__nobody_waits_for_an_area_that_is_given_up)
{
    in_fiber(area_given_up);
}

/* ---- peers ---- */

static void
holder(void *arg)
{
    (void)arg;
    lg_buf *b;
    RIG_OK(lg_buf_get(w.c, addr(1), LG_LATCH_X, &b));
    w.flag = true;
    (void)!lg_fiber_sleep_until(lg_run_now_ns(w.rig.nodes[0].run) + 5 * LG_MS, LG_WAIT_SLEEP);
    w.order = w.order * 10 + 1;
    lg_buf_put(w.c, b, LG_LATCH_X);
}

static void
revoking(void *arg)
{
    (void)arg;
    mount(true);
    lg_lsn lsn = change(1, 11);
    uint8_t *image = lg_io_buf_alloc(8192);
    bool dirty;
    lg_version version;
    RIG_OK(lg_run_spawn(w.rig.nodes[0].run, "holder", 0, holder, NULL, NULL));
    while (!w.flag)
        lg_fiber_yield();
    RIG_OK(lg_buf_revoke(w.c, addr(1), LG_MODE_S, image, &dirty, &version));
    w.order = w.order * 10 + 2;
    CU_ASSERT_EQUAL(w.order, 12); /* the user came first */
    CU_ASSERT(dirty);
    CU_ASSERT(lg_redo_flushed(w.redo) >= lsn); /* invariant 1 */
    RIG_OK(lg_block_verify(image, 8192, addr(1)));
    lg_buf *b = lg_buf_find(w.c, addr(1));
    CU_ASSERT(b->mode == LG_MODE_S && b->dirty && !b->pi);
    CU_ASSERT_EQUAL(lg_buf_revoke(w.c, addr(1), LG_MODE_S, image, &dirty, &version), LG_NOT_FOUND);
    RIG_OK(lg_buf_revoke(w.c, addr(1), LG_MODE_N, image, &dirty, &version));
    CU_ASSERT(b->mode == LG_MODE_N && !b->dirty && b->pi && b->pi_version == version);
    CU_ASSERT(b->rec_lsn < lsn && lg_buf_oldest_rec_lsn(w.c) == b->rec_lsn); /* invariant 5 */
    lg_buf_superseded(w.c, addr(1), version - 1);
    CU_ASSERT(b->pi);
    bool current;
    RIG_OK(lg_buf_image(w.c, addr(1), image, &version, &current));
    CU_ASSERT(!current);
    lg_buf_superseded(w.c, addr(1), version);
    CU_ASSERT(!b->pi && !b->valid && lg_buf_oldest_rec_lsn(w.c) == LG_LSN_MAX);
    CU_ASSERT_EQUAL(lg_buf_image(w.c, addr(1), image, &version, &current), LG_NOT_FOUND);
    /* versions never go back */
    RIG_OK(lg_buf_install(w.c, b, image, true));
    lg_block_header *h = (lg_block_header *)(void *)image;
    h->version--;
    lg_block_seal(image, 8192);
    CU_ASSERT_EQUAL(lg_buf_install(w.c, b, image, true), LG_CORRUPT);
    lg_buf_unpin(w.c, b);
    CU_ASSERT_EQUAL(lg_buf_revoke(w.c, addr(50), LG_MODE_N, NULL, NULL, NULL), LG_NOT_FOUND);
    lg_free(image);
    unmount();
}

LG_TEST(test_buf__revoke_flushes_ships_and_leaves_a_past_image)
{
    in_fiber(revoking);
}

static void
minimum_hold(void *arg)
{
    (void)arg;
    mount(true);
    RIG_OK(lg_buf_secure(w.c, addr(1), LG_LATCH_X, LG_MTR_NEW));
    lg_time t = lg_run_now_ns(w.rig.nodes[0].run);
    RIG_OK(lg_buf_revoke(w.c, addr(1), LG_MODE_N, NULL, NULL, NULL));
    CU_ASSERT(lg_run_now_ns(w.rig.nodes[0].run) >= t + 500 * 1000); /* secured, not used yet */
    value_of(1);
    t = lg_run_now_ns(w.rig.nodes[0].run);
    RIG_OK(lg_buf_revoke(w.c, addr(1), LG_MODE_N, NULL, NULL, NULL));
    CU_ASSERT_EQUAL(lg_run_now_ns(w.rig.nodes[0].run), t); /* used and idle: goes at once */
    unmount();
}

LG_TEST(test_buf__a_grant_is_used_before_it_goes)
{
    in_fiber(minimum_hold);
}

static void
one_of_many(void *arg)
{
    unsigned *done = arg;
    RIG_OK(lg_buf_secure(w.c, addr(1), LG_LATCH_X, 0));
    value_of(1);
    ++*done;
}

static void
crowd(void *arg)
{
    uint32_t n;
    unsigned done = 0;
    (void)arg;
    mount(true);
    change(1, 1);
    RIG_OK(lg_buf_write_dirty(w.c, LG_LSN_MAX, 16, &n));
    RIG_OK(lg_buf_revoke(w.c, addr(1), LG_MODE_N, NULL, NULL, NULL));
    lg_run *run = w.rig.nodes[0].run;
    lg_time t = lg_run_now_ns(run);
    for (int i = 0; i < 3; i++) /* the first reads the block, the others wait for it */
        RIG_OK(lg_run_spawn(run, "one", 0, one_of_many, &done, NULL));
    while (done < 3)
        (void)!lg_fiber_sleep_until(lg_run_now_ns(run) + LG_MS / 10, LG_WAIT_SLEEP);
    RIG_OK(lg_buf_revoke(w.c, addr(1), LG_MODE_N, NULL, NULL, NULL));
    CU_ASSERT(lg_run_now_ns(run) >= t + 2 * LG_MS); /* for those who come meanwhile */
    one_of_many(&done);
    t = lg_run_now_ns(run);
    RIG_OK(lg_buf_revoke(w.c, addr(1), LG_MODE_N, NULL, NULL, NULL));
    CU_ASSERT_EQUAL(lg_run_now_ns(run), t); /* only one had wanted it this time */
    unmount();
}

LG_TEST(test_buf__what_many_wait_for_stays_for_a_while)
{
    in_fiber(crowd);
}

static bool
block_five(void *arg, lg_addr a)
{
    (void)arg;
    return a.block == addr(5).block;
}

static void
gate_waiter(void *arg)
{
    (void)arg;
    value_of(5);
    w.flag = true;
}

static void
gates(void *arg)
{
    (void)arg;
    mount(true);
    change(5, 1);
    change(6, 1);
    lg_buf_set_gate(w.c, block_five, NULL);
    RIG_OK(lg_run_spawn(w.rig.nodes[0].run, "waiter", 0, gate_waiter, NULL, NULL));
    value_of(6);
    (void)!lg_fiber_sleep_until(lg_run_now_ns(w.rig.nodes[0].run) + 5 * LG_MS, LG_WAIT_SLEEP);
    CU_ASSERT(!w.flag);
    lg_buf *b;
    CU_ASSERT_EQUAL(lg_buf_try_get(w.c, addr(5), LG_LATCH_S, &b), LG_WOULD_WAIT);
    lg_buf_set_gate(w.c, NULL, NULL);
    (void)!lg_fiber_sleep_until(lg_run_now_ns(w.rig.nodes[0].run) + LG_MS, LG_WAIT_SLEEP);
    CU_ASSERT(w.flag);
    unmount();
}

LG_TEST(test_buf__a_gate_keeps_blocks_closed)
{
    in_fiber(gates);
}

static void
dropper(void *arg)
{
    (void)arg;
    w.st = lg_buf_drop_file(w.c, 1);
    w.flag = true;
}

/* Recovery has located blocks of the file and will write them: its space is not freed before. */
static void
drop_during_recovery(void *arg)
{
    (void)arg;
    mount(true);
    lg_buf_set_gate(w.c, block_five, NULL);
    RIG_OK(lg_run_spawn(w.rig.nodes[0].run, "dropper", 0, dropper, NULL, NULL));
    (void)!lg_fiber_sleep_until(lg_run_now_ns(w.rig.nodes[0].run) + 5 * LG_MS, LG_WAIT_SLEEP);
    CU_ASSERT(!w.flag);
    lg_buf_set_gate(w.c, block_five, NULL); /* another block has opened */
    (void)!lg_fiber_sleep_until(lg_run_now_ns(w.rig.nodes[0].run) + 5 * LG_MS, LG_WAIT_SLEEP);
    CU_ASSERT(!w.flag);
    lg_buf_set_gate(w.c, NULL, NULL);
    (void)!lg_fiber_sleep_until(lg_run_now_ns(w.rig.nodes[0].run) + 5 * LG_MS, LG_WAIT_SLEEP);
    CU_ASSERT(w.flag);
    CU_ASSERT_EQUAL(w.st, LG_OK);
    unmount();
}

LG_TEST(test_buf__no_file_is_dropped_while_blocks_are_recovered)
{
    in_fiber(drop_during_recovery);
}

/* A joiner holds a block that somebody owed the write of, and its own thread is not open yet: the
 * image must not be lost when the frame is needed. */
static void
adopt_without_redo(void *arg)
{
    (void)arg;
    lg_buf *b;
    uint8_t *image = lg_io_buf_alloc(8192);
    mount(true);
    lg_buf_cache_destroy(w.c);
    lg_buf_config bc = {.run = w.rig.nodes[0].run,
                        .volume = w.v,
                        .clock = &w.clock,
                        .cache_bytes = FRAMES * 8192,
                        .dwb = w.dwb};
    RIG_OK(lg_buf_cache_create(&bc, &w.c));
    RIG_OK(lg_buf_get(w.c, addr(3), LG_LATCH_S, &b));
    lg_buf_put(w.c, b, LG_LATCH_S);
    memset(image, 0, 8192);
    *(lg_block_header *)(void *)image = (lg_block_header){
        .type = LG_BLOCK_HEAP, .version = 77u << 16, .file = 0, .block = addr(3).block};
    lg_block_seal(image, 8192);
    RIG_OK(lg_buf_install(w.c, b, image, false));
    CU_ASSERT(lg_buf_adopt(w.c, b));
    for (uint32_t i = 10; i < 10 + 3 * FRAMES; i++)
        (void)value_of(i);
    RIG_OK(lg_buf_write_one(w.c, addr(3))); /* settling asks */
    lg_volume_place p;
    lg_addr none;
    RIG_OK(lg_volume_locate(w.v, addr(3), &p, &none));
    RIG_OK(lg_volume_read_block(w.v, &p, addr(3), image));
    CU_ASSERT_EQUAL(lg_block_version(image), 77u << 16);
    lg_free(image);
    unmount();
}

LG_TEST(test_buf__what_is_adopted_stays_until_it_is_on_disk)
{
    in_fiber(adopt_without_redo);
}

/* ---- mini-transactions ---- */

static void
restarts(void *arg)
{
    (void)arg;
    mount(true);
    lg_mtr t;
    lg_buf *a, *b;
    lg_mtr_begin(&t, w.c);
    RIG_OK(lg_mtr_get(&t, addr(1), LG_LATCH_X, LG_MTR_NEW, &a));
    CU_ASSERT_EQUAL(lg_mtr_get(&t, addr(2), LG_LATCH_X, LG_MTR_NEW, &b), LG_RETRY);
    CU_ASSERT_EQUAL(lg_fiber_latches_held(), 1);
    RIG_OK(lg_mtr_restart(&t));
    CU_ASSERT_EQUAL(lg_fiber_latches_held(), 0);
    lg_mtr_begin(&t, w.c);
    RIG_OK(lg_mtr_get(&t, addr(1), LG_LATCH_X, LG_MTR_NEW, &a));
    RIG_OK(lg_mtr_get(&t, addr(2), LG_LATCH_X, LG_MTR_NEW, &b));
    lg_buf *again;
    RIG_OK(lg_mtr_get(&t, addr(1), LG_LATCH_S, 0, &again));
    CU_ASSERT_PTR_EQUAL(a, again);
    lg_mtr_unlatch_early(&t, b);
    lg_mtr_format(&t, a, LG_BLOCK_HEAP);
    lg_lsn lsn;
    lg_version before = lg_block_version(a->data);
    lg_mtr_commit(&t, &lsn);
    CU_ASSERT(lsn > 0 && lg_block_version(a->data) > before && a->dirty && !b->dirty);
    /* nothing changed: nothing logged */
    lg_lsn end = lg_redo_end(w.redo);
    lg_mtr_begin(&t, w.c);
    RIG_OK(lg_mtr_get(&t, addr(1), LG_LATCH_X, 0, &a));
    lg_mtr_commit(&t, &lsn);
    CU_ASSERT(lsn == 0 && lg_redo_end(w.redo) == end);
    unmount();
}

LG_TEST(test_mtr__later_gets_retry_instead_of_waiting)
{
    in_fiber(restarts);
}

static void
versions_and_snapshots(void *arg)
{
    (void)arg;
    mount(true);
    change(1, 1);
    lg_scn snapshot = lg_scn_current(&w.clock);
    change(1, 2);
    lg_buf *b = lg_buf_find(w.c, addr(1));
    CU_ASSERT(lg_version_scn(lg_block_version(b->data)) > snapshot);
    lg_buf_unpin(w.c, b);
    uint8_t *copy = lg_io_buf_alloc(8192);
    bool current;
    RIG_OK(lg_buf_read_copy(w.c, addr(1), snapshot, copy, &current));
    CU_ASSERT(current);
    lg_free(copy);
    unmount();
}

LG_TEST(test_mtr__a_change_is_numbered_above_every_snapshot_taken)
{
    in_fiber(versions_and_snapshots);
}

static void
outgrown(void *arg)
{
    (void)arg;
    mount(true);
    lg_mtr t;
    lg_buf *b;
    lg_lsn start = lg_redo_end(w.redo), lsn;
    lg_mtr_begin(&t, w.c);
    RIG_OK(lg_mtr_get(&t, addr(1), LG_LATCH_X, LG_MTR_NEW, &b));
    lg_mtr_format(&t, b, LG_BLOCK_HEAP);
    for (uint32_t i = 0; i < 3000; i++) /* the debug build proves the record at commit */
        lg_mtr_set_u32(&t, b, 32 + i % 2000 * 4, i + 1);
    lg_mtr_commit(&t, &lsn);
    CU_ASSERT(lsn - start < 8192 + 200);
    unmount();
}

LG_TEST(test_mtr__operations_that_outgrow_the_block_become_an_image)
{
    in_fiber(outgrown);
}
