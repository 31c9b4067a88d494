/* Files dropped while an instance that changed them dies: nothing that recovery does may reach the
 * allocation units once they are another file's. */
#include "storage_model.h"

static struct model m;

static struct {
    uint32_t dropped, other; /* files */
    uint32_t other_block;    /* lies where block 3 of the dropped file lay */
    lg_volume_place place;   /* there */
    bool drop_done;
    lg_status drop_status;
    uint32_t past_images_asked;
} t;

static lg_run *
run_of(void)
{
    return m.rig.nodes[0].run;
}

static void
nap(lg_time ns)
{
    RIG_OK(lg_fiber_sleep_until(lg_run_now_ns(run_of()) + ns, LG_WAIT_SLEEP));
}

static void
open_both(void)
{
    RIG_OK(model_instance_mount(&m, 0));
    RIG_OK(lg_recovery_cold(run_of(), m.in[0].v, 0, &m.in[0].clock, NULL, &m.stats));
    RIG_OK(model_instance_mount(&m, 1));
    m.in[1].clock = m.in[0].clock;
    RIG_OK(model_instance_open(&m, 0));
    RIG_OK(model_instance_open(&m, 1));
}

/* A block full of `fill`, its redo durable. */
static void
change(struct instance *in, uint32_t file, uint32_t block, uint8_t fill)
{
    lg_mtr mtr;
    lg_buf *b;
    lg_lsn end;
    lg_status st;
    do {
        lg_mtr_begin(&mtr, in->cache);
        st = lg_mtr_get(&mtr, (lg_addr){file, block}, LG_LATCH_X, LG_MTR_NEW, &b);
        if (st == LG_RETRY)
            RIG_OK(lg_mtr_restart(&mtr));
        else
            RIG_OK(st);
    } while (st == LG_RETRY);
    lg_mtr_format(&mtr, b, LG_BLOCK_HEAP);
    lg_mtr_fill(&mtr, b, 64, fill, 1000);
    lg_mtr_commit(&mtr, &end);
    RIG_OK(lg_redo_flush(in->redo, end));
}

/* The dropped file's unit becomes another's: t.other grows until it has it. */
static void
reuse_unit(struct instance *in)
{
    lg_volume_place p;
    do {
        uint32_t blocks;
        RIG_OK(lg_space_file_extend(in->cache, t.other, 1, &blocks));
        t.other_block = blocks - lg_volume_blocks_per_au(in->v) + 3;
        RIG_OK(lg_buf_locate(in->cache, (lg_addr){t.other, t.other_block}, &p));
    } while (p.disk_index != t.place.disk_index || p.offset != t.place.offset);
}

static void
write_all(struct instance *in)
{
    RIG_OK(lg_buf_write_dirty(in->cache, LG_LSN_MAX, UINT32_MAX, NULL));
}

static void
check_other_on_disk(lg_volume *v)
{
    uint8_t *image = lg_io_buf_alloc(8192);
    lg_volume_place p = t.place;
    p.disk = lg_volume_disk(v, p.disk_index);
    lg_status st = lg_volume_read_block(v, &p, (lg_addr){t.other, t.other_block}, image);
    CU_ASSERT_EQUAL(st, LG_OK);
    CU_ASSERT(st == LG_OK && image[64] == 0x77 && image[1063] == 0x77);
    lg_free(image);
}

/* ---- beside a living instance ---- */

static void
dropper(void *arg)
{
    (void)arg;
    lg_status st = lg_space_file_drop_begin(m.in[0].cache, t.dropped);
    if (st == LG_OK)
        st = lg_buf_drop_file(m.in[1].cache, t.dropped);
    if (st == LG_OK)
        st = lg_space_file_drop(m.in[0].cache, t.dropped);
    t.drop_status = st;
    t.drop_done = true;
}

/* Recovery has located a block of the file and will write it: now the drop goes on. */
static lg_status
past_image(void *arg, lg_addr addr, void *ret_image, lg_version *ret_disk)
{
    if (addr.file == t.dropped && t.past_images_asked++ == 0) {
        lg_faults_disarm(m.rig.nodes[0].faults, "space_file_drop");
        for (int i = 0; i < 100 && !t.drop_done; i++)
            nap(LG_MS);
        if (t.drop_done) {
            reuse_unit(&m.in[0]);
            change(&m.in[0], t.other, t.other_block, 0x77);
            write_all(&m.in[0]);
        }
    }
    return model_env_past_image(arg, addr, ret_image, ret_disk);
}

static void
recover_peer(void)
{
    struct instance *a = &m.in[0];
    uint32_t slot = 1;
    lg_recovery_config cfg = {.run = run_of(),
                              .volume = a->v,
                              .dwb = a->dwb,
                              .cache = a->cache,
                              .clock = &a->clock,
                              .threads = &slot,
                              .thread_count = 1,
                              .env = {a, model_env_held, past_image, NULL, model_env_written, NULL,
                                      model_env_demand, NULL}};
    m.dead[1] = m.in[1].fenced = m.in[1].stop = true;
    m.in[1].alive = false;
    lg_buf_visit(a->cache, model_adopt, a->cache);
    RIG_OK(lg_recovery_create(&cfg, &m.rec));
    lg_buf_set_gate(a->cache, lg_recovery_block_in_set, m.rec);
    nap(500 * LG_MS);
    RIG_OK(lg_recovery_repair(m.rec));
    RIG_OK(lg_recovery_analyse(m.rec));
    lg_buf_set_gate(a->cache, lg_recovery_block_in_set, m.rec);
    RIG_OK(lg_recovery_apply(m.rec));
    RIG_OK(lg_recovery_settle(m.rec, lg_run_now_ns(run_of()) + 10 * LG_SEC));
    RIG_OK(lg_recovery_release(m.rec));
    lg_buf_set_gate(a->cache, NULL, NULL);
    lg_recovery_progress(m.rec, &m.stats);
    lg_recovery_destroy(m.rec);
    m.rec = NULL;
}

static void
files_make(void)
{
    memset(&t, 0, sizeof t);
    RIG_OK(lg_space_file_create(m.in[0].cache, 1, &t.other));
    RIG_OK(lg_space_file_create(m.in[0].cache, 1, &t.dropped));
    change(&m.in[1], t.dropped, 3, 0x11);
    RIG_OK(lg_buf_locate(m.in[1].cache, (lg_addr){t.dropped, 3}, &t.place));
}

static void
drop_meets_death(void *arg)
{
    (void)arg;
    lg_faults *faults = m.rig.nodes[0].faults;
    open_both();
    files_make();
    lg_faults_arm(faults, "space_file_drop", &(lg_fault_spec){.action = LG_FAULT_PAUSE});
    RIG_OK(lg_run_spawn(run_of(), "dropper", 0, dropper, NULL, NULL));
    while (lg_faults_hits(faults, "space_file_drop") == 0)
        nap(LG_MS);
    recover_peer(); /* all have forgotten, nothing is freed yet */
    CU_ASSERT_EQUAL(t.past_images_asked, 0);
    CU_ASSERT_EQUAL(m.stats.blocks_dropped, 1);
    lg_faults_disarm(faults, "space_file_drop");
    while (!t.drop_done)
        nap(LG_MS);
    CU_ASSERT_EQUAL(t.drop_status, LG_OK);
    if (t.past_images_asked == 0) {
        reuse_unit(&m.in[0]);
        change(&m.in[0], t.other, t.other_block, 0x77);
        write_all(&m.in[0]);
    }
    check_other_on_disk(m.in[0].v);
}

LG_TEST(test_drop__recovery_writes_nothing_of_a_file_that_is_being_dropped)
{
    model_open(&m, 1, 2, 2);
    rig_node_start(&m.rig, 0);
    CU_ASSERT_FATAL(rig_run(&m.rig, 0, drop_meets_death, NULL, 1000 * LG_SEC));
    model_kill(&m, false);
    rig_close(&m.rig);
}

/* ---- everybody dies: the disk still shows the file, its unit is another's already ---- */

static void
drop_and_reuse(void *arg)
{
    (void)arg;
    struct instance *a = &m.in[0], *b = &m.in[1];
    open_both();
    RIG_OK(lg_space_file_create(a->cache, 1, &t.other));
    RIG_OK(lg_space_file_create(a->cache, 1, &t.dropped));
    change(a, t.dropped, 3, 0x11);
    RIG_OK(lg_buf_locate(a->cache, (lg_addr){t.dropped, 3}, &t.place));
    write_all(a); /* its image is in a's double-write area */
    lg_ckpt_destroy(a->ckpt);
    a->ckpt = NULL;
    RIG_OK(lg_space_file_drop_begin(a->cache, t.dropped));
    RIG_OK(lg_buf_drop_file(b->cache, t.dropped));
    RIG_OK(lg_space_file_drop(a->cache, t.dropped));
    RIG_OK(lg_redo_flush(a->redo, lg_redo_end(a->redo)));
    reuse_unit(b);
    change(b, t.other, t.other_block, 0x77);
    for (uint32_t i = 0; i < 4; i++) { /* nothing of it is left in b's redo and area */
        RIG_OK(lg_ckpt_full(b->ckpt, lg_run_now_ns(run_of()) + 10 * LG_SEC));
        change(b, t.other, 20 + i, 0x55);
        write_all(b);
    }
    check_other_on_disk(b->v);
}

static void
recover_all(void *arg)
{
    (void)arg;
    RIG_OK(model_instance_mount(&m, 0));
    RIG_OK(lg_recovery_cold(run_of(), m.in[0].v, 0, &m.in[0].clock, NULL, &m.stats));
    check_other_on_disk(m.in[0].v);
    model_check_files(m.in[0].v);
}

LG_TEST(test_drop__repair_leaves_units_that_are_another_files)
{
    memset(&t, 0, sizeof t);
    model_open(&m, 2, 2, 2);
    rig_node_start(&m.rig, 0);
    CU_ASSERT_FATAL(rig_run(&m.rig, 0, drop_and_reuse, NULL, 1000 * LG_SEC));
    model_kill(&m, false);
    rig_node_start(&m.rig, 0);
    CU_ASSERT_FATAL(rig_run(&m.rig, 0, recover_all, NULL, 1000 * LG_SEC));
    model_kill(&m, false);
    rig_close(&m.rig);
}
