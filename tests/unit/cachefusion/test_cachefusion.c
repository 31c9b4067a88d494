/* Three instances with real buffer caches, redo threads and volumes over a simulated network and
 * disks: fibers on all of them read and change the same few blocks; a model knows each block's
 * value. */
#include "buf.h"
#include "cachefusion.h"
#include "dwb.h"
#include "lg_test.h"
#include "mem.h"
#include "msg.h"
#include "mtr.h"
#include "reconf.h"
#include "sim.h"
#include "sim_disk.h"
#include "simnet.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES   4 /* 1 .. 3 */
#define BLOCKS  24
#define WORKERS 4
#define FRAMES  64 /* with 24 blocks and pins: evictions happen through explicit drops too */
#define VALUE   64 /* offset of the counter */

static const char *const disks[] = {"disk0"};

typedef struct node {
    struct world *w;
    uint32_t n;
    uint64_t incarnation;
    lg_run *run;
    lg_scn_clock clock;
    lg_io *io;
    lg_volume *volume;
    lg_redo *redo;
    lg_dwb *dwb;
    lg_rpc *rpc;
    lg_cf *cf;
    lg_buf_cache *cache;
    lg_reconf *reconf;
    bool ready;
    uint64_t copies, reads, writes, flushed;
} node;

typedef struct world {
    lg_sim *sim;
    lg_heap *heap;
    uint64_t seed;
    node n[NODES];
    uint64_t epoch, members;
    uint64_t model[BLOCKS];
    unsigned running;
    bool stop, created, lost;
    uint64_t errors;
    lg_scn acknowledged; /* the newest, in this epoch */
} world;

static void
fail(world *w, const char *what, uint64_t a, uint64_t b)
{
    if (w->errors++ < 5)
        printf("seed %llu: %s: %llu, model %llu\n", (unsigned long long)w->seed, what,
               (unsigned long long)a, (unsigned long long)b);
    CU_FAIL("see above");
}

/* Blocks of the metadata area that nobody uses: their place needs no map. */
static lg_addr
addr_of(const node *n, uint32_t i)
{
    return lg_vol_map_addr(n->volume, 40 + i);
}

static void
peer_down(void *arg, uint32_t who, uint64_t incarnation, lg_status why)
{
    (void)who;
    (void)incarnation;
    (void)why;
    ((node *)arg)->w->lost = true;
}

static lg_status
identity(void *arg, lg_addr addr, void *image, lg_scn snapshot)
{
    (void)arg;
    (void)addr;
    (void)image;
    (void)snapshot;
    return LG_OK;
}

static lg_status
boot_steps(node *n)
{
    char address[32], missing[64];
    LG_TRY(lg_io_create(n->run, LG_IO_AUTO, &n->io));
    if (n->n == 1 && !n->w->created) {
        lg_volume_create_config c = {.io = n->io,
                                     .paths = disks,
                                     .disk_count = 1,
                                     .block_bytes = 8192,
                                     .instances = 3,
                                     .log_files = 2,
                                     .log_file_bytes = 8 << 20,
                                     .name = "t"};
        LG_TRY(lg_volume_create(&c, false));
        n->w->created = true;
    }
    while (!n->w->created)
        (void)!lg_fiber_sleep_until(lg_run_now_exact_ns(n->run) + LG_MS, LG_WAIT_SLEEP);
    LG_TRY(lg_volume_open(n->io, disks, 1, missing, sizeof missing, &n->volume));
    lg_redo_config rc = {
        .run = n->run, .volume = n->volume, .thread = n->n - 1, .clock = &n->clock};
    LG_TRY(lg_redo_open(&rc, &n->redo));
    LG_TRY(lg_dwb_create(n->run, n->volume, n->n - 1, &n->dwb));
    snprintf(address, sizeof address, "sim:%u:7", n->n);
    lg_rpc_config pc = {.run = n->run,
                        .scn = &n->clock,
                        .transport = "sim",
                        .address = address,
                        .node = n->n,
                        .incarnation = n->incarnation,
                        .key = "k",
                        .key_len = 1,
                        .types = lg_msg_types(),
                        .type_count = LG_MSG_COUNT,
                        .block_bytes = 8192,
                        .arg = n,
                        .on_peer_down = peer_down};
    LG_TRY(lg_rpc_create(&pc, &n->rpc));
    lg_cf_config cc = {.run = n->run,
                       .rpc = n->rpc,
                       .clock = &n->clock,
                       .volume = n->volume,
                       .node = n->n,
                       .block_bytes = 8192};
    LG_TRY(lg_cf_create(&cc, &n->cf));
    lg_cf_set_cr(n->cf, identity, NULL);
    lg_buf_config bc = {.run = n->run,
                        .volume = n->volume,
                        .redo = n->redo,
                        .clock = &n->clock,
                        .coherence = lg_cf_coherence(n->cf),
                        .cache_bytes = FRAMES * 8192,
                        .dwb = n->dwb,
                        .min_hold_us = 50};
    LG_TRY(lg_buf_cache_create(&bc, &n->cache));
    LG_TRY(lg_cf_attach(n->cf, n->cache));
    lg_reconf_config fc = {
        .run = n->run, .rpc = n->rpc, .node = n->n, .incarnation = n->incarnation};
    LG_TRY(lg_reconf_create(&fc, &n->reconf));
    lg_participant p;
    lg_cf_participant(n->cf, &p);
    lg_reconf_add(n->reconf, &p);
    n->ready = true;
    return LG_OK;
}

static void
boot(void *arg)
{
    lg_status st = boot_steps(arg);
    CU_ASSERT_EQUAL(st, LG_OK);
}

static void
node_start(world *w, uint32_t i)
{
    lg_heap *outer = lg_heap_switch(w->heap);
    node *n = &w->n[i];
    *n = (node){.w = w, .n = i, .incarnation = n->incarnation + 1};
    lg_run_config rc = {.name = "m", .sim = w->sim, .sim_node = i, .heap = w->heap};
    LG_ASSERT_OK(lg_run_create(&rc, &n->run));
    LG_ASSERT_OK(lg_run_spawn(n->run, "boot", 0, boot, n, NULL));
    (void)lg_heap_switch(outer);
}

static bool
all_ready(void *arg)
{
    world *w = arg;
    return w->n[1].ready && w->n[2].ready && w->n[3].ready;
}

static void
view(world *w, uint64_t members)
{
    static const char *const addresses[] = {"", "sim:1:7", "sim:2:7", "sim:3:7"};
    lg_reconf_member list[NODES];
    uint32_t count = 0;
    lg_heap *outer = lg_heap_switch(w->heap);
    w->members = members;
    w->epoch++;
    w->acknowledged = 0;
    w->lost = false;
    for (uint32_t i = 1; i < NODES; i++)
        if (members >> i & 1)
            list[count++] = (lg_reconf_member){i, w->n[i].incarnation, addresses[i]};
    for (uint32_t i = 1; i < NODES; i++)
        if (members >> i & 1)
            LG_ASSERT_OK(lg_reconf_view(w->n[i].reconf, w->epoch, list, count));
    (void)lg_heap_switch(outer);
}

static world *
world_new(uint64_t seed)
{
    world *w = lg_zalloc(sizeof *w);
    w->seed = seed;
    LG_ASSERT_OK(lg_sim_create(seed, &w->sim));
    w->heap = lg_heap_create();
    LG_ASSERT_OK(lg_sim_disk_create(w->sim, disks[0], 128u << 20));
    for (uint32_t i = 1; i < NODES; i++)
        node_start(w, i);
    LG_ASSERT_OK(lg_sim_run(w->sim, all_ready, w, 60 * LG_SEC));
    return w;
}

static void
world_free(world *w)
{
    for (uint32_t i = 1; i < NODES; i++)
        lg_run_destroy(w->n[i].run);
    lg_heap_destroy(w->heap);
    lg_sim_destroy(w->sim);
    lg_free(w);
}

/* ---- the work ---- */

static uint64_t
value_of(const lg_buf *b)
{
    uint64_t v;
    memcpy(&v, b->data + VALUE, sizeof v);
    return v;
}

static void
change(node *n, uint32_t i)
{
    world *w = n->w;
    lg_mtr m;
    lg_buf *b;
    lg_lsn lsn;
    lg_mtr_begin(&m, n->cache);
    lg_status st;
    while ((st = lg_mtr_get(&m, addr_of(n, i), LG_LATCH_X, 0, &b)) == LG_RETRY)
        if (lg_mtr_restart(&m) != LG_OK)
            return;
    if (st != LG_OK) {
        fail(w, lg_status_name(st), i, 0);
        lg_mtr_abort(&m);
        return;
    }
    if (value_of(b) != w->model[i])
        fail(w, "changing", value_of(b), w->model[i]);
    if (w->model[i] == 0)
        lg_mtr_format(&m, b, LG_BLOCK_HEAP);
    lg_mtr_set_u64(&m, b, VALUE, w->model[i] + 1);
    w->model[i]++;
    lg_mtr_commit(&m, &lsn);
    n->writes++;
}

static void
look(node *n, uint32_t i)
{
    lg_buf *b;
    lg_status st = lg_buf_get(n->cache, addr_of(n, i), LG_LATCH_S, &b);
    if (st != LG_OK) {
        fail(n->w, lg_status_name(st), i, 1);
        return;
    }
    if (value_of(b) != n->w->model[i])
        fail(n->w, "reading", value_of(b), n->w->model[i]);
    lg_buf_put(n->cache, b, LG_LATCH_S);
    n->reads++;
}

static void
look_at_copy(node *n, uint32_t i)
{
    uint64_t before = n->w->model[i], v;
    bool current;
    uint8_t *image = lg_alloc_aligned(4096, 8192);
    lg_status st =
        lg_buf_read_copy(n->cache, addr_of(n, i), lg_scn_current(&n->clock), image, &current);
    memcpy(&v, image + VALUE, sizeof v);
    if (st != LG_OK)
        fail(n->w, lg_status_name(st), i, 2);
    else if (v < before || v > n->w->model[i])
        fail(n->w, "copy", v, before);
    n->copies += !current;
    lg_free(image);
}

/* A question that was repeated arrives once more, long after its answer. */
static void
ask_again(node *n)
{
    lg_msg_scn old = {.gen = 1};
    uint32_t to = 1 + (uint32_t)(lg_run_random(n->run) % 3);
    if (to != n->n)
        (void)!lg_rpc_send(n->rpc, to, LG_MSG_SCN_ASK, &old, sizeof old, NULL, 0);
}

static void
worker(void *arg)
{
    node *n = arg;
    world *w = n->w;
    if (lg_reconf_wait_open(n->reconf, 1, LG_FOREVER) != LG_OK)
        return;
    while (!w->stop) {
        uint32_t i = (uint32_t)(lg_run_random(n->run) % BLOCKS);
        switch (lg_run_random(n->run) % 8) {
        case 0:
        case 1:
        case 2:
            change(n, i);
            break;
        case 3:
            look_at_copy(n, i);
            break;
        case 4: {
            uint32_t some;
            if (lg_run_random(n->run) % 4 == 0 &&
                lg_buf_write_dirty(n->cache, LG_LSN_MAX, 16, &some) == LG_OK)
                n->flushed += some;
            break;
        }
        case 5: {
            lg_scn scn = lg_scn_next(&n->clock);
            if (lg_run_random(n->run) % 2 == 0 && lg_cf_scn_broadcast(n->cf, scn) == LG_OK &&
                scn > w->acknowledged && (w->members >> n->n & 1))
                w->acknowledged = scn;
            break;
        }
        case 6: { /* a fresh snapshot has what was acknowledged, wherever */
            lg_scn before = w->acknowledged;
            uint64_t epoch = w->epoch;
            ask_again(n);
            if (lg_run_random(n->run) % 2 == 0 && lg_cf_scn_fresh(n->cf, false) == LG_OK &&
                w->epoch == epoch && lg_scn_current(&n->clock) < before)
                fail(w, "the snapshot is not fresh", n->n, 0);
            break;
        }
        default:
            look(n, i);
            break;
        }
        (void)!lg_fiber_sleep_until(lg_run_now_ns(n->run) + lg_run_random(n->run) % (200 * 1000),
                                    LG_WAIT_SLEEP);
    }
    w->running--;
}

static void
start_workers(world *w, uint32_t i)
{
    for (int k = 0; k < WORKERS; k++) {
        w->running++;
        LG_ASSERT_OK(lg_run_spawn(w->n[i].run, "worker", 0, worker, &w->n[i], NULL));
    }
}

static bool
idle(void *arg)
{
    return ((world *)arg)->running == 0;
}

static void
finish(world *w)
{
    w->stop = true;
    if (w->lost)
        view(w, w->members);
    lg_status st = lg_sim_run(w->sim, idle, w, 60 * LG_SEC);
    if (st != LG_OK) {
        printf("seed %llu: %s, %u still working\n", (unsigned long long)w->seed, lg_status_name(st),
               w->running);
        CU_FAIL("hangs");
    }
    uint64_t copies = 0, writes = 0;
    for (uint32_t i = 1; i < NODES; i++) {
        copies += w->n[i].copies;
        writes += w->n[i].writes;
    }
    CU_ASSERT(writes > 100);
    if (getenv("LG_TEST_VERBOSE"))
        for (uint32_t i = 1; i < NODES; i++) {
            lg_cf_counts c;
            lg_cf_count(w->n[i].cf, &c);
            printf("seed %llu node %u: writes %llu reads %llu copies %llu flushed %llu acquires "
                   "%llu received %llu disk %llu own "
                   "%llu nothere %llu pi %llu retries %llu\n",
                   (unsigned long long)w->seed, i, (unsigned long long)w->n[i].writes,
                   (unsigned long long)w->n[i].reads, (unsigned long long)w->n[i].copies,
                   (unsigned long long)w->n[i].flushed, (unsigned long long)c.acquires,
                   (unsigned long long)c.blocks_received, (unsigned long long)c.grants_disk,
                   (unsigned long long)c.grants_own, (unsigned long long)c.not_here,
                   (unsigned long long)c.pi_served, (unsigned long long)c.retries);
        }
}

static uint64_t
seeds(uint64_t normal)
{
    const char *s = getenv("LG_TEST_SEEDS");
    return s ? strtoull(s, NULL, 10) : normal;
}

/* What one instance received another has served; the parts are not more than the whole. */
static void
figures_agree(world *w)
{
    lg_cf_transfer all = {0}, t;
    lg_cf_segment seg = {0}, s;
    for (uint32_t i = 1; i < NODES; i++) {
        unsigned pos = 0;
        size_t at = 0;
        while (lg_cf_transfer_next(w->n[i].cf, &pos, &t)) {
            CU_ASSERT_NOT_EQUAL(t.node, i);
            CU_ASSERT(t.current_busy <= t.current_2hop + t.current_3hop);
            CU_ASSERT(t.cr_busy <= t.cr_blocks);
            all.current_2hop += t.current_2hop + t.current_3hop;
            all.current_busy += t.current_busy;
            all.current_served += t.current_served;
            all.cr_blocks += t.cr_blocks;
            all.cr_busy += t.cr_busy;
            all.cr_none += t.cr_none;
            all.cr_served += t.cr_served;
            all.flush_ns += t.flush_ns;
            all.lost += t.lost;
        }
        while (lg_cf_segment_next(w->n[i].cf, &at, &s)) {
            seg.current_received += s.current_received;
            seg.current_served += s.current_served;
            seg.cr_received += s.cr_received;
            seg.cr_served += s.cr_served;
            seg.current_ns += s.current_ns;
        }
    }
    CU_ASSERT(all.current_2hop > 0 && all.current_2hop <= all.current_served);
    CU_ASSERT(all.cr_blocks > 0 && all.cr_blocks == all.cr_served);
    CU_ASSERT(all.cr_none > 0);
    CU_ASSERT(all.current_busy > 0 && all.flush_ns > 0);
    CU_ASSERT_EQUAL(all.lost, 0);
    CU_ASSERT_EQUAL(seg.current_received, all.current_2hop);
    CU_ASSERT_EQUAL(seg.current_served, all.current_served);
    CU_ASSERT_EQUAL(seg.cr_received, all.cr_blocks);
    CU_ASSERT_EQUAL(seg.cr_served, all.cr_served);
    CU_ASSERT(seg.current_ns > 0);
}

LG_TEST(test_cachefusion__everybody_sees_the_newest_value)
{
    for (uint64_t seed = 1; seed <= seeds(8); seed++) {
        world *w = world_new(seed);
        view(w, 0xE);
        for (uint32_t i = 1; i < NODES; i++)
            start_workers(w, i);
        (void)!lg_sim_run(w->sim, NULL, NULL, 150 * LG_MS);
        finish(w);
        figures_agree(w);
        world_free(w);
    }
}

LG_TEST(test_cachefusion__views_in_the_middle_of_everything)
{
    for (uint64_t seed = 1; seed <= seeds(8); seed++) {
        world *w = world_new(seed + 100);
        view(w, 0x6);
        start_workers(w, 1);
        start_workers(w, 2);
        (void)!lg_sim_run(w->sim, NULL, NULL, 40 * LG_MS);
        view(w, 0xE); /* a join */
        start_workers(w, 3);
        for (int k = 0; k < 10; k++) {
            (void)!lg_sim_run(w->sim, NULL, NULL, (1 + lg_sim_random(w->sim) % 25) * LG_MS);
            if (k % 3 == 1) {
                uint32_t a = 1 + (uint32_t)(lg_sim_random(w->sim) % 3);
                lg_simnet_break(w->sim, a, a % 3 + 1); /* messages are lost: a new view follows */
                (void)!lg_sim_run(w->sim, NULL, NULL, 2 * LG_MS);
            }
            view(w, 0xE);
            if (k % 4 == 0) {
                (void)!lg_sim_run(w->sim, NULL, NULL, lg_sim_random(w->sim) % LG_MS);
                view(w, 0xE);
            }
        }
        (void)!lg_sim_run(w->sim, NULL, NULL, 50 * LG_MS);
        finish(w);
        world_free(w);
    }
}

/* ---- blocks that open while others are still recovered ---- */

typedef struct closing {
    world *w;
    bool closed, go_on, done, seen[2];
} closing;

static void
wait_for(const node *n, const bool *flag)
{
    while (!*flag)
        (void)!lg_fiber_sleep_until(lg_run_now_exact_ns(n->run) + LG_MS, LG_WAIT_SLEEP);
}

static bool
flag_set(void *flag)
{
    return *(bool *)flag;
}

static void
closing_recoverer(void *arg)
{
    closing *c = arg;
    node *n = &c->w->n[1];
    lg_cf_block blocks[2] = {{.addr = addr_of(n, 0)}, {.addr = addr_of(n, 1)}};
    lg_buf *b;
    CU_ASSERT_EQUAL(lg_cf_recovery_close(n->cf, blocks, 2), LG_OK);
    c->closed = true;
    wait_for(n, &c->go_on);
    /* One that was left over from the epoch before must not get the block in our way. */
    lg_cf_recovery_begin(n->cf, c->w->epoch - 1);
    CU_ASSERT_EQUAL(lg_buf_get(n->cache, blocks[0].addr, LG_LATCH_X, &b), LG_STALE_EPOCH);
    lg_cf_recovery_end(n->cf);
    lg_cf_recovery_begin(n->cf, c->w->epoch);
    LG_ASSERT_OK(lg_buf_get(n->cache, blocks[0].addr, LG_LATCH_X, &b));
    lg_buf_put(n->cache, b, LG_LATCH_X);
    lg_cf_recovery_end(n->cf);
    CU_ASSERT_FALSE(c->seen[0] || c->seen[1]);
    lg_cf_recovery_open(n->cf, &blocks[0].addr, 1);
    wait_for(n, &c->seen[0]);
    (void)!lg_fiber_sleep_until(lg_run_now_exact_ns(n->run) + 20 * LG_MS, LG_WAIT_SLEEP);
    CU_ASSERT_FALSE(c->seen[1]);
    lg_cf_recovery_open(n->cf, &blocks[1].addr, 1);
    wait_for(n, &c->seen[1]);
    c->done = true;
}

static void
closing_reader(void *arg)
{
    closing *c = arg;
    node *n = &c->w->n[2];
    wait_for(n, &c->closed);
    (void)!lg_fiber_sleep_until(lg_run_now_exact_ns(n->run) + 20 * LG_MS, LG_WAIT_SLEEP);
    c->go_on = true;
    for (uint32_t i = 0; i < 2; i++) {
        change(n, i);
        c->seen[i] = true;
    }
}

LG_TEST(test_cachefusion__closed_blocks_open_one_by_one)
{
    for (uint64_t seed = 1; seed <= seeds(8); seed++) {
        closing c = {.w = world_new(seed + 200)};
        view(c.w, 0xE);
        (void)!lg_sim_run(c.w->sim, NULL, NULL, 50 * LG_MS);
        LG_ASSERT_OK(lg_run_spawn(c.w->n[1].run, "recoverer", 0, closing_recoverer, &c, NULL));
        LG_ASSERT_OK(lg_run_spawn(c.w->n[2].run, "reader", 0, closing_reader, &c, NULL));
        CU_ASSERT_EQUAL(lg_sim_run(c.w->sim, flag_set, &c.done, 10 * LG_SEC), LG_OK);
        world_free(c.w);
    }
}

/* ---- a write is demanded of a file whose map was forgotten, and the view changes ---- */

#define FILE_NO  5u
#define FILE_MAP 30u  /* its root */
#define FILE_AU  120u /* of nobody else */

typedef struct demanding {
    world *w;
    bool made, held, written;
} demanding;

static lg_buf *
meta_block(lg_mtr *m, lg_addr addr, lg_vol_kind kind, uint32_t base, uint32_t count)
{
    lg_buf *b;
    lg_vol_meta meta = {.kind = (uint8_t)kind, .base = base, .count = count};
    LG_ASSERT_OK(lg_mtr_get(m, addr, LG_LATCH_X, 0, &b));
    lg_mtr_format(m, b, LG_BLOCK_VOLUME_MAP);
    lg_mtr_set(m, b, LG_VOL_META_OFFSET, &meta, sizeof meta);
    return b;
}

/* The file is made, and its one block changed, on the first node; the third has the file table then. */
static void
demanding_maker(void *arg)
{
    demanding *d = arg;
    node *n = &d->w->n[1];
    uint32_t off;
    lg_addr table = lg_vol_table_addr(n->volume, FILE_NO, &off);
    lg_mtr m;
    lg_buf *b;
    lg_mtr_begin(&m, n->cache);
    b = meta_block(&m, lg_vol_map_addr(n->volume, FILE_MAP), LG_VOL_ROOT, FILE_NO, 1);
    lg_mtr_set_u64(&m, b, lg_vol_root_au_offset(8192, 0), lg_vol_au_encode((lg_au){0, FILE_AU}));
    lg_mtr_commit(&m, NULL);
    lg_mtr_begin(&m, n->cache);
    b = meta_block(&m, table, LG_VOL_TABLE, 0, 0);
    lg_mtr_set_u32(&m, b, off, FILE_MAP + 1);
    lg_mtr_commit(&m, NULL);
    d->made = true;
}

static void
demanding_holder(void *arg)
{
    demanding *d = arg;
    node *n = &d->w->n[2];
    lg_mtr m;
    lg_buf *b;
    lg_mtr_begin(&m, n->cache);
    LG_ASSERT_OK(lg_mtr_get(&m, (lg_addr){FILE_NO, 0}, LG_LATCH_X, LG_MTR_NEW | LG_MTR_FIRST, &b));
    lg_mtr_format(&m, b, LG_BLOCK_HEAP);
    lg_mtr_set_u64(&m, b, VALUE, 7);
    lg_mtr_commit(&m, NULL);
    d->held = true;
}

static void
demanding_writer(void *arg)
{
    demanding *d = arg;
    (void)!lg_cf_write_through(d->w->n[1].cf, (lg_addr){FILE_NO, 0}, 1);
    d->written = true;
}

/* Nobody else may read the table here any more. */
static void
demanding_table(void *arg)
{
    demanding *d = arg;
    node *n = &d->w->n[3];
    uint32_t off;
    lg_addr table = lg_vol_table_addr(n->volume, FILE_NO, &off);
    lg_mtr m;
    lg_buf *b;
    lg_mtr_begin(&m, n->cache);
    LG_ASSERT_OK(lg_mtr_get(&m, table, LG_LATCH_X, 0, &b));
    lg_mtr_set_u32(&m, b, off + 8, 0);
    lg_mtr_commit(&m, NULL);
    d->made = true;
}

static bool
demanding_open(void *arg)
{
    const demanding *d = arg;
    bool all = d->written;
    for (uint32_t i = 1; i < NODES; i++)
        all &= lg_reconf_open_epoch(d->w->n[i].reconf) == d->w->epoch;
    return all;
}

LG_TEST(test_cachefusion__a_write_that_looks_for_its_place_holds_up_no_view)
{
    demanding d = {.w = world_new(77)};
    view(d.w, 0xE);
    (void)!lg_sim_run(d.w->sim, NULL, NULL, 50 * LG_MS);
    LG_ASSERT_OK(lg_run_spawn(d.w->n[1].run, "maker", 0, demanding_maker, &d, NULL));
    LG_ASSERT_OK(lg_sim_run(d.w->sim, flag_set, &d.made, LG_SEC));
    for (int k = 0; k < 40; k++) {
        d.made = d.held = d.written = false;
        LG_ASSERT_OK(lg_run_spawn(d.w->n[2].run, "holder", 0, demanding_holder, &d, NULL));
        LG_ASSERT_OK(lg_sim_run(d.w->sim, flag_set, &d.held, LG_SEC));
        LG_ASSERT_OK(lg_run_spawn(d.w->n[3].run, "table", 0, demanding_table, &d, NULL));
        LG_ASSERT_OK(lg_sim_run(d.w->sim, flag_set, &d.made, LG_SEC));
        lg_volume_map_forget(d.w->n[2].volume, FILE_NO); /* as a drop does */
        LG_ASSERT_OK(lg_run_spawn(d.w->n[1].run, "writer", 0, demanding_writer, &d, NULL));
        (void)!lg_sim_run(d.w->sim, NULL, NULL, (lg_time)k * 10000);
        view(d.w, 0xE);
        lg_status st = lg_sim_run(d.w->sim, demanding_open, &d, 10 * LG_SEC);
        CU_ASSERT_EQUAL(st, LG_OK);
        if (st != LG_OK)
            break;
    }
    world_free(d.w);
}

/* ---- a block that nobody has formatted ---- */

typedef struct unformatted {
    world *w;
    bool held, read, changed, done;
} unformatted;

/* Has it in X for a while and changes nothing. */
static void
unformatted_holder(void *arg)
{
    unformatted *u = arg;
    node *n = &u->w->n[1];
    lg_buf *b;
    LG_ASSERT_OK(lg_buf_get(n->cache, addr_of(n, 0), LG_LATCH_X, &b));
    lg_buf_put(n->cache, b, LG_LATCH_X);
    u->held = true;
    wait_for(n, &u->changed);
    look(n, 0);
    u->done = true;
}

static void
unformatted_writer(void *arg)
{
    unformatted *u = arg;
    wait_for(&u->w->n[3], &u->read);
    change(&u->w->n[3], 0);
    u->changed = true;
}

static void
unformatted_reader(void *arg)
{
    unformatted *u = arg;
    node *n = &u->w->n[2];
    wait_for(n, &u->held);
    look(n, 0);
    u->read = true;
}

/* Its holder has nothing to ship and says so; then it must not keep the block either. */
LG_TEST(test_cachefusion__unformatted_blocks_are_given_up)
{
    for (uint64_t seed = 1; seed <= seeds(8); seed++) {
        unformatted u = {.w = world_new(seed + 300)};
        view(u.w, 0xE);
        (void)!lg_sim_run(u.w->sim, NULL, NULL, 50 * LG_MS);
        LG_ASSERT_OK(lg_run_spawn(u.w->n[1].run, "holder", 0, unformatted_holder, &u, NULL));
        LG_ASSERT_OK(lg_run_spawn(u.w->n[2].run, "reader", 0, unformatted_reader, &u, NULL));
        LG_ASSERT_OK(lg_run_spawn(u.w->n[3].run, "writer", 0, unformatted_writer, &u, NULL));
        CU_ASSERT_EQUAL(lg_sim_run(u.w->sim, flag_set, &u.done, 10 * LG_SEC), LG_OK);
        world_free(u.w);
    }
}
