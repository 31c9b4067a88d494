/* The checkpointer: bounded distance, full checkpoints, past images that hold it back. */
#include "storage_rig.h"
#include "ckpt.h"
#include "dwb.h"
#include "mtr.h"

#define MIB (1u << 20)

struct world {
    struct rig rig;
    lg_io *io;
    lg_volume *v;
    lg_redo *redo;
    lg_dwb *dwb;
    lg_buf_cache *c;
    lg_ckpt *k;
    lg_scn_clock clock;
    uint32_t demands;
};

static struct world w;

static lg_status
acquire(void *self, lg_buf *b, lg_mode want, bool is_new, lg_time deadline)
{
    (void)self;
    return lg_coherence_local.acquire(NULL, b, want, is_new, deadline);
}

static void
written(void *self, lg_addr a, lg_version v)
{
    (void)self, (void)a, (void)v;
}

static void
demanded(void *self, lg_addr a, lg_version v)
{
    (void)self, (void)a, (void)v;
    w.demands++;
}

static lg_status
copy(void *self, lg_addr a, lg_scn s, void *frame, lg_time d)
{
    (void)self, (void)a, (void)s, (void)frame, (void)d;
    return LG_RETRY;
}

static lg_status
let_go(void *self, lg_buf *b)
{
    (void)self, (void)b;
    return LG_OK;
}

static const lg_coherence_ops ops = {acquire, copy, let_go, written, demanded};

static lg_addr
addr(uint32_t i)
{
    return (lg_addr){0, 512 + i};
}

static void
mount(void)
{
    lg_run *run = w.rig.nodes[0].run;
    RIG_OK(lg_io_create(run, LG_IO_AUTO, &w.io));
    lg_volume_create_config vc = {.io = w.io,
                                  .paths = rig_disk_names,
                                  .disk_count = 1,
                                  .log_files = 2,
                                  .log_file_bytes = MIB};
    RIG_OK(lg_volume_create(&vc, true));
    RIG_OK(lg_volume_open(w.io, rig_disk_names, 1, NULL, 0, &w.v));
    lg_redo_config rc = {.run = run, .volume = w.v, .clock = &w.clock};
    RIG_OK(lg_redo_open(&rc, &w.redo));
    RIG_OK(lg_dwb_create(run, w.v, 0, &w.dwb));
    lg_buf_config bc = {.run = run,
                        .volume = w.v,
                        .redo = w.redo,
                        .clock = &w.clock,
                        .coherence = {&ops, NULL},
                        .cache_bytes = 128 * 8192,
                        .dwb = w.dwb};
    RIG_OK(lg_buf_cache_create(&bc, &w.c));
    lg_ckpt_config kc = {
        .run = run, .cache = w.c, .redo = w.redo, .target_bytes = 128 << 10, .max_dirty_ms = 500};
    RIG_OK(lg_ckpt_create(&kc, &w.k));
}

static void
unmount(void)
{
    lg_ckpt_destroy(w.k);
    lg_buf_cache_destroy(w.c);
    lg_dwb_destroy(w.dwb);
    RIG_OK(lg_redo_close(w.redo, false));
    lg_volume_close(w.v);
    lg_io_destroy(w.io);
}

static void
in_fiber(void (*fn)(void *))
{
    memset(&w, 0, sizeof w);
    rig_open(&w.rig, 5, 1, 64 * MIB);
    rig_node_start(&w.rig, 0);
    CU_ASSERT_FATAL(rig_run(&w.rig, 0, fn, NULL, 1000 * LG_SEC));
    rig_close(&w.rig);
}

static void
change(uint32_t i)
{
    uint8_t bytes[2000];
    lg_mtr t;
    lg_buf *b;
    lg_mtr_begin(&t, w.c);
    RIG_OK(lg_mtr_get(&t, addr(i), LG_LATCH_X, LG_MTR_NEW, &b));
    memset(bytes, (int)lg_run_random(w.rig.nodes[0].run) & 0xFF, sizeof bytes);
    lg_mtr_format(&t, b, LG_BLOCK_HEAP);
    lg_mtr_set(&t, b, 100, bytes, sizeof bytes);
    lg_mtr_commit(&t, NULL);
}

static void
endless(void *arg)
{
    (void)arg;
    mount();
    while (lg_redo_end(w.redo) < 20 * MIB) /* ten times round the ring */
        change((uint32_t)lg_run_random(w.rig.nodes[0].run) % 100);
    RIG_OK(lg_ckpt_full(w.k, LG_FOREVER));
    lg_lsn end = lg_redo_end(w.redo);
    CU_ASSERT_EQUAL(lg_redo_checkpoint_lsn(w.redo), end);
    CU_ASSERT_EQUAL(lg_buf_oldest_rec_lsn(w.c), LG_LSN_MAX);
    lg_ckpt_info info;
    lg_ckpt_status(w.k, &info);
    CU_ASSERT(info.written_blocks > 100 && info.checkpoints > 5);
    unmount();
}

LG_TEST(test_ckpt__redo_goes_round_for_ever)
{
    in_fiber(endless);
}

static void
idle(void *arg)
{
    (void)arg;
    mount();
    for (uint32_t i = 0; i < 10; i++)
        change(i);
    (void)!lg_fiber_sleep_until(lg_run_now_ns(w.rig.nodes[0].run) + 10 * LG_SEC, LG_WAIT_SLEEP);
    CU_ASSERT_EQUAL(lg_buf_oldest_rec_lsn(w.c), LG_LSN_MAX);
    CU_ASSERT_EQUAL(lg_redo_checkpoint_lsn(w.redo), lg_redo_flushed(w.redo));
    unmount();
}

LG_TEST(test_ckpt__an_idle_instance_gets_clean)
{
    in_fiber(idle);
}

static void
past_image(void *arg)
{
    (void)arg;
    mount();
    change(1);
    lg_version version;
    bool dirty;
    uint8_t *image = lg_io_buf_alloc(8192);
    RIG_OK(lg_buf_revoke(w.c, addr(1), LG_MODE_N, image, &dirty, &version));
    lg_free(image);
    lg_buf *b = lg_buf_find(w.c, addr(1));
    lg_lsn rec = b->rec_lsn;
    change(2);
    lg_time now = lg_run_now_ns(w.rig.nodes[0].run);
    CU_ASSERT_EQUAL(lg_ckpt_full(w.k, now + LG_SEC), LG_TIMEOUT);
    CU_ASSERT(lg_redo_checkpoint_lsn(w.redo) <= rec); /* invariant 5 */
    CU_ASSERT(w.demands > 0);
    lg_buf_superseded(w.c, addr(1), version);
    lg_buf_unpin(w.c, b);
    RIG_OK(lg_ckpt_full(w.k, LG_FOREVER));
    unmount();
}

LG_TEST(test_ckpt__a_past_image_holds_the_checkpoint_back)
{
    in_fiber(past_image);
}
