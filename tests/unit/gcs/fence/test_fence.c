/* Locks that fall only when the last write of a dead node is off the disk; keys; preemption. */
#include "lg_test.h"
#include "assert.h"
#include "fence.h"
#include "sim.h"
#include "sim_disk.h"
#include <string.h>

struct who {
    lg_run *run;
    lg_status st;
    bool done, wrote;
};

static void
victim_main(void *arg)
{
    struct who *w = arg;
    lg_io *io;
    lg_disk *d;
    LG_ASSERT(lg_io_create(w->run, LG_IO_AUTO, &io) == LG_OK);
    LG_ASSERT(lg_disk_open(io, "d", 0, &d) == LG_OK);
    LG_ASSERT(lg_disk_lock(d, 1) == LG_OK);
    char *buf = lg_io_buf_alloc(8192);
    memset(buf, 0xaa, 8192);
    (void)!lg_disk_write(d, 0, buf, 8192, 0, LG_WAIT_DB_FILE_WRITE);
    w->wrote = true;
    (void)!lg_fiber_sleep_until(LG_FOREVER, LG_WAIT_SLEEP);
}

static void
observer_main(void *arg)
{
    struct who *w = arg;
    lg_io *io;
    lg_disk *d;
    LG_ASSERT(lg_io_create(w->run, LG_IO_AUTO, &io) == LG_OK);
    LG_ASSERT(lg_disk_open(io, "d", 0, &d) == LG_OK);
    w->st = lg_fence_wait_locks(w->run, &d, 1, 1, lg_run_now_ns(w->run) + 5 * LG_SEC);
    w->done = true;
    lg_disk_close(d);
    lg_io_destroy(io);
}

LG_TEST(test_fence__nothing_lands_after_the_locks_have_fallen)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        lg_sim *s;
        LG_ASSERT_OK(lg_sim_create(seed, &s));
        LG_ASSERT_OK(lg_sim_disk_create(s, "d", 1 << 20));
        struct who victim = {0}, observer = {0};
        lg_heap *heap = lg_heap_create();
        LG_ASSERT_OK(lg_run_create(
            &(lg_run_config){.name = "v", .sim = s, .sim_node = 1, .heap = heap}, &victim.run));
        LG_ASSERT_OK(
            lg_run_create(&(lg_run_config){.name = "o", .sim = s, .sim_node = 2}, &observer.run));
        LG_ASSERT_OK(lg_run_spawn(victim.run, "v", 0, victim_main, &victim, NULL));
        (void)!lg_sim_run(s, NULL, NULL, 50 * 1000);
        lg_sim_disk_stall(s, "d", lg_sim_now(s) + LG_SEC);
        lg_run_destroy(victim.run);
        lg_heap_destroy(heap);
        LG_ASSERT_OK(lg_run_spawn(observer.run, "o", 0, observer_main, &observer, NULL));
        (void)!lg_sim_run(s, NULL, NULL, 500 * LG_MS);
        CU_ASSERT_FALSE(observer.done);
        while (!observer.done)
            LG_ASSERT(lg_sim_step(s));
        CU_ASSERT_EQUAL(observer.st, LG_OK);
        char before[8192], after[8192];
        lg_sim_disk_peek(s, "d", 0, before, sizeof before);
        (void)!lg_sim_run(s, NULL, NULL, LG_SEC);
        lg_sim_disk_peek(s, "d", 0, after, sizeof after);
        CU_ASSERT_EQUAL(memcmp(before, after, sizeof after), 0);
        lg_run_destroy(observer.run);
        lg_sim_destroy(s);
    }
}

LG_TEST(test_fence__keys_differ_by_life)
{
    CU_ASSERT_NOT_EQUAL(lg_fence_key(1, 1), lg_fence_key(1, 2));
    CU_ASSERT_NOT_EQUAL(lg_fence_key(1, 1), lg_fence_key(2, 1));
    CU_ASSERT_NOT_EQUAL(lg_fence_key(1, 0), 0);
}

/* ---- reservations, on disks that have them ---- */

static void
registrant_main(void *arg)
{
    struct who *w = arg;
    lg_io *io;
    lg_disk *d[2];
    char *buf = lg_io_buf_alloc(8192);
    LG_ASSERT(lg_io_create(w->run, LG_IO_AUTO, &io) == LG_OK);
    LG_ASSERT(lg_disk_open(io, "d", 0, &d[0]) == LG_OK);
    LG_ASSERT(lg_disk_open(io, "e", 0, &d[1]) == LG_OK);
    w->st = lg_fence_register(d, 2, lg_fence_key(1, 7));
    if (w->st == LG_OK) {
        CU_ASSERT_EQUAL(lg_disk_write(d[0], 0, buf, 8192, 0, LG_WAIT_DB_FILE_WRITE), LG_OK);
        w->wrote = true;
        (void)!lg_fiber_sleep_until(lg_run_now_ns(w->run) + 100 * LG_MS, LG_WAIT_SLEEP);
        w->st = lg_disk_write(d[1], 0, buf, 8192, 0, LG_WAIT_DB_FILE_WRITE);
    } else {
        CU_ASSERT_EQUAL(lg_disk_write(d[0], 0, buf, 8192, 0, LG_WAIT_DB_FILE_WRITE), LG_OK);
    }
    lg_free(buf);
    lg_disk_close(d[0]);
    lg_disk_close(d[1]);
    lg_io_destroy(io);
    w->done = true;
}

static void
fencer_main(void *arg)
{
    struct who *w = arg;
    lg_io *io;
    lg_disk *d[2];
    LG_ASSERT(lg_io_create(w->run, LG_IO_AUTO, &io) == LG_OK);
    LG_ASSERT(lg_disk_open(io, "d", 0, &d[0]) == LG_OK);
    LG_ASSERT(lg_disk_open(io, "e", 0, &d[1]) == LG_OK);
    LG_ASSERT(lg_fence_register(d, 2, lg_fence_key(2, 3)) == LG_OK);
    (void)!lg_fiber_sleep_until(lg_run_now_ns(w->run) + 50 * LG_MS, LG_WAIT_SLEEP);
    w->st = lg_fence_preempt(d, 2, lg_fence_key(2, 3), lg_fence_key(1, 7));
    lg_disk_close(d[0]);
    lg_disk_close(d[1]);
    lg_io_destroy(io);
    w->done = true;
}

static unsigned deaf;

static void
play_reservations(bool on_e, lg_status *ret_victim, lg_status *ret_fencer)
{
    lg_sim *s;
    LG_ASSERT_OK(lg_sim_create(5, &s));
    LG_ASSERT_OK(lg_sim_disk_create(s, "d", 1 << 20));
    LG_ASSERT_OK(lg_sim_disk_create(s, "e", 1 << 20));
    lg_sim_disk_set_pr(s, "d", true);
    lg_sim_disk_set_pr(s, "e", on_e);
    lg_sim_disk_set_pr_deaf(s, "e", deaf);
    struct who victim = {0}, fencer = {0};
    LG_ASSERT_OK(
        lg_run_create(&(lg_run_config){.name = "v", .sim = s, .sim_node = 1}, &victim.run));
    LG_ASSERT_OK(
        lg_run_create(&(lg_run_config){.name = "f", .sim = s, .sim_node = 2}, &fencer.run));
    LG_ASSERT_OK(lg_run_spawn(victim.run, "v", 0, registrant_main, &victim, NULL));
    if (on_e)
        LG_ASSERT_OK(lg_run_spawn(fencer.run, "f", 0, fencer_main, &fencer, NULL));
    (void)!lg_sim_run(s, NULL, NULL, LG_SEC);
    CU_ASSERT(victim.done);
    *ret_victim = victim.st;
    *ret_fencer = fencer.st;
    lg_run_destroy(victim.run);
    lg_run_destroy(fencer.run);
    lg_sim_destroy(s);
}

LG_TEST(test_fence__a_key_thrown_out_keeps_its_owner_from_writing)
{
    lg_status victim, fencer;
    play_reservations(true, &victim, &fencer);
    CU_ASSERT_EQUAL(fencer, LG_OK);
    CU_ASSERT_EQUAL(victim, LG_FENCED);
}

LG_TEST(test_fence__a_device_that_keeps_the_key_is_found_out)
{
    lg_status victim, fencer;
    deaf = 1; /* it hears the second time */
    play_reservations(true, &victim, &fencer);
    CU_ASSERT_EQUAL(fencer, LG_OK);
    CU_ASSERT_EQUAL(victim, LG_FENCED);
    deaf = 1000;
    play_reservations(true, &victim, &fencer);
    CU_ASSERT_EQUAL(fencer, LG_IO);
    CU_ASSERT_EQUAL(victim, LG_OK);
    deaf = 0;
}

LG_TEST(test_fence__one_device_without_reservations_and_the_lease_it_is)
{
    lg_status victim, fencer;
    play_reservations(false, &victim, &fencer);
    CU_ASSERT_EQUAL(victim, LG_UNSUPPORTED);
}
