#include "storage_rig.h"
#include "redo.h"
#include "redo_internal.h"

#define MIB (1u << 20)

struct world {
    struct rig rig;
    lg_io *io;
    lg_volume *v;
    lg_redo *r;
    lg_scn_clock clock;
    uint32_t appended; /* records so far */
    uint32_t durable;  /* of them */
    uint32_t seen;     /* by a reader */
    uint64_t seed;
    bool stop;
    uint32_t pokes;
    lg_status st;
};

static void
open_volume(struct world *w, bool create)
{
    RIG_OK(lg_io_create(w->rig.nodes[0].run, LG_IO_AUTO, &w->io));
    if (create) {
        lg_volume_create_config c = {.io = w->io,
                                     .paths = rig_disk_names,
                                     .disk_count = 1,
                                     .instances = 2,
                                     .log_files = 2,
                                     .log_file_bytes = MIB};
        RIG_OK(lg_volume_create(&c, true));
    }
    RIG_OK(lg_volume_open(w->io, rig_disk_names, 1, NULL, 0, &w->v));
}

static lg_status
open_thread(struct world *w, const char *archive_dir)
{
    lg_redo_config c = {.run = w->rig.nodes[0].run,
                        .volume = w->v,
                        .clock = &w->clock,
                        .buffer_bytes = 256 << 10,
                        .archive_dir = archive_dir};
    return lg_redo_open(&c, &w->r);
}

/* Record i: one change of block i, its ops are of a length and content that follow from i. */
static uint32_t
record_make(uint32_t i, lg_redo_change_header *h, uint8_t *ops)
{
    uint32_t len = 8 + (i * 7919u) % 3000 / 8 * 8;
    *h =
        (lg_redo_change_header){.file = 9, .block = i, .before = i, .after = i + 1, .ops_len = len};
    memset(ops, (int)(i & 0xFF), len);
    return len;
}

static lg_status
append(struct world *w, lg_lsn *ret_end)
{
    lg_redo_change_header h;
    uint8_t ops[4096];
    LG_TRY(lg_redo_reserve(w->r, 4096));
    uint32_t i = w->appended, len = record_make(i, &h, ops);
    struct iovec parts[] = {{&h, sizeof h}, {ops, len}};
    lg_lsn start;
    lg_redo_append(w->r, 1, parts, 2, lg_scn_next(&w->clock), 4096, &start, ret_end);
    w->appended++;
    return LG_OK;
}

static void
append_and_flush(void *arg)
{
    struct world *w = arg;
    open_volume(w, true);
    RIG_OK(open_thread(w, NULL));
    for (int i = 0; i < 100; i++) {
        lg_lsn end;
        RIG_OK(append(w, &end));
        if (i % 3 == 0)
            RIG_OK(lg_redo_flush(w->r, end));
        if (i % 3 == 0)
            CU_ASSERT(lg_redo_flushed(w->r) >= end);
    }
    RIG_OK(lg_redo_flush(w->r, lg_redo_end(w->r)));
}

/* Reads the thread: each record is the next one, whole. */
static void
read_all(void *arg)
{
    struct world *w = arg;
    lg_redo_reader *rd;
    const lg_redo_record_header *h;
    uint8_t ops[4096];
    RIG_OK(lg_redo_reader_open(w->rig.nodes[0].run, w->v, 0, &rd));
    lg_status st;
    w->seen = 0;
    while ((st = lg_redo_reader_next(rd, &h)) == LG_OK) {
        uint32_t pos = 0;
        lg_redo_change c;
        lg_redo_change_header want;
        RIG_OK(lg_redo_change_next(h, &pos, &c));
        uint32_t len = record_make(c.addr.block, &want, ops);
        CU_ASSERT_EQUAL(c.ops_len, len);
        CU_ASSERT_EQUAL(memcmp(c.ops, ops, len), 0);
        CU_ASSERT(w->seen == 0 || c.addr.block == w->seen);
        CU_ASSERT_EQUAL(lg_redo_change_next(h, &pos, &c), LG_END);
        w->seen = c.addr.block + 1;
    }
    CU_ASSERT_EQUAL(st, LG_END);
    lg_redo_reader_close(rd);
}

static void
reopen_and_read(void *arg)
{
    struct world *w = arg;
    open_volume(w, false);
    CU_ASSERT_EQUAL(open_thread(w, NULL), LG_EXISTS);
    read_all(w);
    lg_redo_header h;
    RIG_OK(lg_redo_header_read(w->v, 0, &h));
    CU_ASSERT_EQUAL(h.state, LG_REDO_OPEN);
}

LG_TEST(test_redo__what_was_flushed_is_read_back)
{
    static struct world w;
    w = (struct world){0};
    rig_open(&w.rig, 1, 1, 64 * MIB);
    rig_node_start(&w.rig, 0);
    CU_ASSERT(rig_run(&w.rig, 0, append_and_flush, &w, 100 * LG_SEC));
    rig_node_kill(&w.rig, 0);
    rig_settle(&w.rig);
    rig_node_start(&w.rig, 0);
    CU_ASSERT(rig_run(&w.rig, 0, reopen_and_read, &w, 100 * LG_SEC));
    CU_ASSERT_EQUAL(w.seen, 100);
    rig_close(&w.rig);
}

static void
clean_close(void *arg)
{
    struct world *w = arg;
    append_and_flush(w);
    CU_ASSERT(lg_redo_checkpoint(w->r, lg_redo_flushed(w->r)) == LG_OK);
    RIG_OK(lg_redo_close(w->r, true));
    lg_scn scn = w->clock.now;
    w->clock.now = 0;
    RIG_OK(open_thread(w, NULL));
    CU_ASSERT_EQUAL(w->clock.now, scn);
    CU_ASSERT_EQUAL(lg_redo_incarnation(w->r), 2);
    RIG_OK(lg_redo_close(w->r, true));
    lg_volume_close(w->v);
    lg_io_destroy(w->io);
}

/* What was changed after the checkpoint must be recovered. */
static void
hasty_close(void *arg)
{
    struct world *w = arg;
    append_and_flush(w);
    lg_lsn end, checkpoint = lg_redo_flushed(w->r);
    RIG_OK(lg_redo_checkpoint(w->r, checkpoint));
    RIG_OK(append(w, &end));
    CU_ASSERT_EQUAL(lg_redo_close(w->r, true), LG_WOULD_WAIT);
    CU_ASSERT_EQUAL(open_thread(w, NULL), LG_EXISTS);
    lg_redo_header h;
    RIG_OK(lg_redo_header_read(w->v, 0, &h));
    CU_ASSERT_EQUAL(h.state, LG_REDO_OPEN);
    CU_ASSERT_EQUAL(h.checkpoint, checkpoint);
    lg_volume_close(w->v);
    lg_io_destroy(w->io);
}

LG_TEST(test_redo__what_is_not_checkpointed_is_not_closed_clean)
{
    static struct world w;
    w = (struct world){0};
    rig_open(&w.rig, 1, 1, 64 * MIB);
    rig_node_start(&w.rig, 0);
    CU_ASSERT(rig_run(&w.rig, 0, hasty_close, &w, 100 * LG_SEC));
    rig_close(&w.rig);
}

static void
flushes_overlap(void *arg)
{
    struct world *w = arg;
    lg_lsn first, second;
    open_volume(w, true);
    RIG_OK(open_thread(w, NULL));
    RIG_OK(append(w, &first));
    lg_redo_flush_start(w->r, first);
    for (int i = 0; i < 20 && w->r->in_flight < 1; i++) /* the simulator orders fibers at random */
        lg_fiber_yield();
    CU_ASSERT_EQUAL(w->r->in_flight, 1);
    RIG_OK(append(w, &second));
    lg_redo_flush_start(w->r, second);
    for (int i = 0; i < 20 && w->r->in_flight < 2; i++)
        lg_fiber_yield();
    CU_ASSERT_EQUAL(w->r->in_flight, 2);
    CU_ASSERT(lg_redo_flushed(w->r) < first);
    RIG_OK(lg_redo_flush(w->r, second));
    CU_ASSERT(lg_redo_flushed(w->r) >= second);
}

LG_TEST(test_redo__a_flush_does_not_wait_for_the_one_before)
{
    static struct world w;
    w = (struct world){0};
    rig_open(&w.rig, 1, 1, 64 * MIB);
    rig_node_start(&w.rig, 0);
    CU_ASSERT(rig_run(&w.rig, 0, flushes_overlap, &w, 100 * LG_SEC));
    rig_close(&w.rig);
}

LG_TEST(test_redo__clean_close_and_next_incarnation)
{
    static struct world w;
    w = (struct world){0};
    rig_open(&w.rig, 1, 1, 64 * MIB);
    rig_node_start(&w.rig, 0);
    CU_ASSERT(rig_run(&w.rig, 0, clean_close, &w, 100 * LG_SEC));
    rig_close(&w.rig);
}

/* ---- kills: everything acknowledged is there, nothing out of order ---- */

static void
writer(void *arg)
{
    struct world *w = arg;
    while (!w->stop) {
        lg_lsn end;
        if (append(w, &end) != LG_OK)
            return;
        uint32_t upto = w->appended;
        if (lg_run_random(w->rig.nodes[0].run) % 4 == 0)
            (void)!lg_fiber_sleep_until(lg_run_now_ns(w->rig.nodes[0].run) + LG_MS / 10,
                                        LG_WAIT_SLEEP);
        if (lg_redo_flush(w->r, end) == LG_OK && upto > w->durable)
            w->durable = upto;
    }
}

static void
checkpointer(void *arg)
{
    struct world *w = arg;
    while (!w->stop) {
        (void)!lg_fiber_sleep_until(lg_run_now_ns(w->rig.nodes[0].run) + 3 * LG_MS, LG_WAIT_SLEEP);
        lg_lsn at = lg_redo_flushed(w->r);
        if (at > lg_redo_checkpoint_lsn(w->r) + MIB)
            CU_ASSERT(lg_redo_checkpoint(w->r, at) == LG_OK);
    }
}

static void
crash_start(void *arg)
{
    struct world *w = arg;
    open_volume(w, w->appended == 0);
    RIG_OK(open_thread(w, NULL));
    for (int i = 0; i < 6; i++)
        RIG_OK(lg_run_spawn(w->rig.nodes[0].run, "writer", 0, writer, w, NULL));
    RIG_OK(lg_run_spawn(w->rig.nodes[0].run, "ckpt", 0, checkpointer, w, NULL));
}

static void
crash_check(void *arg)
{
    struct world *w = arg;
    open_volume(w, false);
    read_all(w);
    lg_redo_header h;
    RIG_OK(lg_redo_header_read(w->v, 0, &h));
    lg_redo_reader *rd;
    const lg_redo_record_header *rec;
    RIG_OK(lg_redo_reader_open(w->rig.nodes[0].run, w->v, 0, &rd));
    while (lg_redo_reader_next(rd, &rec) == LG_OK)
        ;
    lg_lsn end = lg_redo_reader_position(rd);
    lg_redo_reader_close(rd);
    RIG_OK(lg_redo_thread_release(w->v, 0, h.incarnation, end, w->clock.now));
    RIG_OK(lg_redo_thread_release(w->v, 0, h.incarnation, end, w->clock.now));
}

LG_TEST(test_redo__kills_lose_nothing_acknowledged)
{
    static struct world w;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        w = (struct world){0};
        rig_open(&w.rig, seed, 1, 64 * MIB);
        for (int life = 0; life < 8; life++) {
            rig_node_start(&w.rig, 0);
            CU_ASSERT_FATAL(rig_run(&w.rig, 0, crash_start, &w, 100 * LG_SEC));
            uint32_t before = w.durable;
            lg_time limit = lg_sim_random(w.rig.sim) % (400 * LG_MS) + LG_MS;
            (void)!lg_sim_run(w.rig.sim, rig_call_done, &(struct rig_call){0}, limit);
            if (lg_sim_random(w.rig.sim) % 2)
                lg_sim_disk_power_loss(w.rig.sim, "disk0");
            rig_node_kill(&w.rig, 0);
            rig_settle(&w.rig);
            rig_node_start(&w.rig, 0);
            CU_ASSERT_FATAL(rig_run(&w.rig, 0, crash_check, &w, 100 * LG_SEC));
            if (w.seen) /* 0: the checkpoint stands at the end */
                CU_ASSERT(w.seen >= w.durable && w.seen <= w.appended);
            CU_ASSERT(life == 0 || w.durable >= before);
            w.appended = w.seen ? w.seen : w.appended;
            w.durable = 0;
            rig_node_kill(&w.rig, 0);
        }
        rig_close(&w.rig);
    }
}

/* ---- a full thread waits ---- */

static void
advance(void *arg)
{
    struct world *w = arg;
    RIG_OK(lg_redo_checkpoint(w->r, lg_redo_flushed(w->r)));
}

static void
poked(void *arg)
{
    ((struct world *)arg)->pokes++;
}

static void
fill_poked(void *arg)
{
    struct world *w = arg;
    open_volume(w, true);
    RIG_OK(open_thread(w, NULL));
    lg_redo_set_poke(w->r, poked, w);
    lg_lsn end;
    while (lg_redo_end(w->r) < 6 * MIB)
        RIG_OK(append(w, &end));
}

LG_TEST(test_redo__a_full_thread_waits_for_the_checkpoint)
{
    static struct world w;
    w = (struct world){0};
    rig_open(&w.rig, 1, 1, 64 * MIB);
    rig_node_start(&w.rig, 0);
    CU_ASSERT_FALSE(rig_run(&w.rig, 0, fill_poked, &w, 10 * LG_SEC));
    lg_lsn full = lg_redo_end(w.r);
    CU_ASSERT(full <= 2 * MIB + 4096 && full > MIB); /* the ring, never more */
    CU_ASSERT(w.pokes > 0);
    CU_ASSERT(w.rig.nodes[0].stats.count[LG_STAT_REDO_SPACE_WAITS] > 0);
    CU_ASSERT(rig_run(&w.rig, 0, advance, &w, LG_SEC));
    (void)!lg_sim_run(w.rig.sim, rig_call_done, &(struct rig_call){0}, LG_SEC);
    CU_ASSERT(lg_redo_end(w.r) > full);
    rig_close(&w.rig);
}

/* ---- a broken disk breaks the thread ---- */

static void
broken_hook(void *arg, lg_status why)
{
    ((struct world *)arg)->st = why;
}

static void
break_it(void *arg)
{
    struct world *w = arg;
    lg_lsn end;
    open_volume(w, true);
    RIG_OK(open_thread(w, NULL));
    lg_redo_set_on_broken(w->r, broken_hook, w);
    RIG_OK(append(w, &end));
    lg_sim_disk_set_errors(w->rig.sim, "disk0", 0, 1000000);
    CU_ASSERT_EQUAL(lg_redo_flush(w->r, end), LG_IO);
    CU_ASSERT_EQUAL(w->st, LG_IO);
    CU_ASSERT_EQUAL(lg_redo_reserve(w->r, 100), LG_IO);
    CU_ASSERT_EQUAL(lg_redo_flush(w->r, end), LG_IO);
    CU_ASSERT_EQUAL(lg_redo_close(w->r, true), LG_IO);
}

LG_TEST(test_redo__a_failed_write_breaks_the_thread)
{
    static struct world w;
    w = (struct world){0};
    rig_open(&w.rig, 1, 1, 64 * MIB);
    rig_node_start(&w.rig, 0);
    CU_ASSERT(rig_run(&w.rig, 0, break_it, &w, 100 * LG_SEC));
    rig_close(&w.rig);
}

/* ---- archiving ---- */

static void
archive(void *arg)
{
    struct world *w = arg;
    lg_lsn end;
    open_volume(w, true);
    RIG_OK(open_thread(w, "arch"));
    while (lg_redo_end(w->r) < 5 * MIB) {
        RIG_OK(append(w, &end));
        if (lg_redo_end(w->r) - lg_redo_checkpoint_lsn(w->r) > MIB) {
            RIG_OK(lg_redo_flush(w->r, end));
            RIG_OK(lg_redo_checkpoint(w->r, lg_redo_flushed(w->r)));
        }
    }
    RIG_OK(lg_redo_flush(w->r, end));
    CU_ASSERT(lg_redo_archived(w->r) >= 3 * MIB);
    RIG_OK(lg_redo_checkpoint(w->r, lg_redo_flushed(w->r)));
    RIG_OK(lg_redo_close(w->r, true));
    lg_disk *d;
    RIG_OK(lg_disk_open(w->io, "arch/t00_00000001_0000000000100000.arc", 0, &d));
    uint8_t *page = lg_io_buf_alloc(4096);
    RIG_OK(lg_disk_read(d, 0, page, 4096, LG_WAIT_NONE));
    lg_redo_archive_header *h = (lg_redo_archive_header *)(void *)page;
    CU_ASSERT_EQUAL(h->start, MIB);
    CU_ASSERT_EQUAL(h->end, 2 * MIB);
    CU_ASSERT_EQUAL(memcmp(h->magic, "LGARCH1", 8), 0);
    lg_disk_close(d);
    lg_free(page);
}

LG_TEST(test_redo__filled_files_are_archived_before_reuse)
{
    static struct world w;
    w = (struct world){0};
    rig_open(&w.rig, 1, 1, 64 * MIB);
    rig_node_start(&w.rig, 0);
    CU_ASSERT(rig_run(&w.rig, 0, archive, &w, 100 * LG_SEC));
    rig_close(&w.rig);
}

/* Failed writes of the header, any number of them, leave the good copy and its number alone. */
static void
header_fails(void *arg)
{
    struct world *w = arg;
    lg_redo_header before, after;
    open_volume(w, true);
    RIG_OK(open_thread(w, NULL));
    RIG_OK(lg_redo_header_read(w->v, 0, &before));
    for (unsigned failures = 1; failures < 6; failures++) {
        lg_lsn end;
        RIG_OK(append(w, &end));
        RIG_OK(lg_redo_flush(w->r, end));
        lg_sim_disk_set_errors(w->rig.sim, rig_disk_names[0], 0, 1000000);
        for (unsigned i = 0; i < failures; i++)
            CU_ASSERT_EQUAL(lg_redo_checkpoint(w->r, end), LG_IO);
        lg_sim_disk_set_errors(w->rig.sim, rig_disk_names[0], 0, 0);
        RIG_OK(lg_redo_header_read(w->v, 0, &after));
        CU_ASSERT_EQUAL(after.seq, before.seq);
        RIG_OK(lg_redo_checkpoint(w->r, end));
        RIG_OK(lg_redo_header_read(w->v, 0, &after));
        CU_ASSERT_EQUAL(after.seq, before.seq + 1);
        CU_ASSERT_EQUAL(after.checkpoint, end);
        before = after;
    }
}

LG_TEST(test_redo__failed_header_writes_do_not_count)
{
    static struct world w;
    w = (struct world){0};
    rig_open(&w.rig, 1, 1, 64 * MIB);
    rig_node_start(&w.rig, 0);
    CU_ASSERT(rig_run(&w.rig, 0, header_fails, &w, 100 * LG_SEC));
    rig_close(&w.rig);
}
