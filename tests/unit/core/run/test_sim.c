/* The simulator: determinism, time, pauses, drift, kills. */
#include "lg_test.h"
#include "hash.h"
#include "run.h"
#include "sim.h"

struct node {
    lg_run *run;
    lg_heap *heap;
    uint64_t *trace;
    int id;
    int steps;
};

static void
busy(void *arg)
{
    struct node *n = arg;
    for (int i = 0; i < 20; i++) {
        n->steps++;
        *n->trace = lg_hash_u64(*n->trace ^ (uint64_t)n->id ^ lg_run_now_ns(n->run));
        if (lg_run_random(n->run) % 4 == 0)
            (void)!lg_fiber_sleep_until(lg_run_now_ns(n->run) + lg_run_random(n->run) % LG_MS,
                                        LG_WAIT_SLEEP);
        else
            lg_fiber_yield();
    }
}

static uint64_t
play(uint64_t seed)
{
    lg_sim *s;
    uint64_t trace = 0;
    struct node n[3];
    LG_ASSERT_OK(lg_sim_create(seed, &s));
    for (int i = 0; i < 3; i++) {
        n[i] = (struct node){.trace = &trace, .id = i, .heap = lg_heap_create()};
        lg_run_config cfg = {.name = "n", .sim = s, .sim_node = (uint32_t)i, .heap = n[i].heap};
        LG_ASSERT_OK(lg_run_create(&cfg, &n[i].run));
        for (int j = 0; j < 4; j++)
            LG_ASSERT_OK(lg_run_spawn(n[i].run, "busy", 0, busy, &n[i], NULL));
    }
    CU_ASSERT_EQUAL(lg_sim_run(s, NULL, NULL, LG_SEC), LG_OK);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(n[i].steps, 80);
        lg_run_destroy(n[i].run);
        lg_heap_destroy(n[i].heap);
    }
    lg_sim_destroy(s);
    return trace;
}

LG_TEST(test_sim__same_seed_same_history)
{
    CU_ASSERT_EQUAL(play(1), play(1));
    CU_ASSERT_NOT_EQUAL(play(1), play(2));
}

static void
bump(void *arg)
{
    ++*(int *)arg;
}

LG_TEST(test_sim__events_fire_in_order_and_are_dropped_with_their_owner)
{
    lg_sim *s;
    LG_ASSERT_OK(lg_sim_create(5, &s));
    lg_run *r;
    LG_ASSERT_OK(lg_run_create(&(lg_run_config){.name = "n", .sim = s}, &r));
    int fired = 0, lost = 0, canceled = 0;
    lg_time now = lg_sim_now(s);
    for (int i = 0; i < 100; i++) {
        (void)lg_sim_at(s, now + (lg_time)(i * 7 % 50), NULL, bump, &fired);
        (void)lg_sim_at(s, now + (lg_time)(i * 7 % 50), r, bump, &lost);
    }
    lg_sim_event *e = lg_sim_at(s, now + 5, NULL, bump, &canceled);
    lg_sim_cancel(s, e);
    lg_run_destroy(r);
    while (lg_sim_step(s))
        ;
    CU_ASSERT_EQUAL(fired, 100);
    CU_ASSERT_EQUAL(lost, 0);
    CU_ASSERT_EQUAL(canceled, 0);
    lg_sim_destroy(s);
}

struct ticker {
    lg_run *run;
    int ticks;
};

static void
tick(void *arg)
{
    struct ticker *t = arg;
    for (;;) {
        t->ticks++;
        (void)!lg_fiber_sleep_until(lg_run_now_exact_ns(t->run) + 10 * LG_MS, LG_WAIT_SLEEP);
    }
}

LG_TEST(test_sim__pause_stops_a_node_and_drift_bends_its_clock)
{
    lg_sim *s;
    LG_ASSERT_OK(lg_sim_create(9, &s));
    struct ticker t[2] = {0};
    for (uint32_t i = 0; i < 2; i++) {
        lg_run_config cfg = {.name = "n", .sim = s, .sim_node = i};
        LG_ASSERT_OK(lg_run_create(&cfg, &t[i].run));
        LG_ASSERT_OK(lg_run_spawn(t[i].run, "tick", 0, tick, &t[i], NULL));
    }
    (void)!lg_sim_run(s, NULL, NULL, LG_SEC);
    CU_ASSERT(t[0].ticks >= 99 && t[1].ticks >= 99);
    t[0].ticks = t[1].ticks = 0;
    lg_sim_pause_node(s, 0, lg_sim_now(s) + LG_SEC);
    lg_sim_set_drift_ppm(s, 1, 100000); /* 10 % fast */
    (void)!lg_sim_run(s, NULL, NULL, LG_SEC - LG_MS);
    CU_ASSERT_EQUAL(t[0].ticks, 0);
    CU_ASSERT(t[1].ticks >= 107 && t[1].ticks <= 111);
    (void)!lg_sim_run(s, NULL, NULL, LG_SEC);
    CU_ASSERT(t[0].ticks >= 98 && t[0].ticks <= 101);
    for (int i = 0; i < 2; i++)
        lg_run_destroy(t[i].run);
    lg_sim_destroy(s);
}

static void *
make_state(lg_sim *s)
{
    (void)s;
    return lg_zalloc(sizeof(int));
}

LG_TEST(test_sim__shared_state_is_made_once)
{
    lg_sim *s;
    LG_ASSERT_OK(lg_sim_create(9, &s));
    lg_heap *h = lg_heap_create();
    lg_heap *old = lg_heap_switch(h);
    int *a = lg_sim_state(s, "x", make_state, lg_free);
    (void)lg_heap_switch(old);
    lg_heap_destroy(h);
    *a = 7;
    CU_ASSERT_PTR_EQUAL(lg_sim_state(s, "x", make_state, lg_free), a);
    CU_ASSERT_PTR_NOT_EQUAL(lg_sim_state(s, "y", make_state, lg_free), a);
    lg_sim_destroy(s);
}
