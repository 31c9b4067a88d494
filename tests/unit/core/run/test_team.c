/* Teams: every item is done once, by a member or by the worker; errors, early returns, stops. */
#include "lg_test.h"
#include "assert.h"
#include "sim.h"
#include "team.h"
#include <stdatomic.h>
#include <string.h>

#define ITEMS 5000

struct world {
    lg_run *run;
    lg_sim *sim;
    lg_heap *heap;
    bool over;
    int values[ITEMS];
    _Atomic int done[ITEMS];
    _Atomic unsigned by_members;
    unsigned returned, quit_after;
    bool stop;
    unsigned size;
};

static void
work(lg_team *t, void *arg, unsigned member)
{
    struct world *w = arg;
    int *item;
    unsigned n = 0;
    (void)member;
    while ((!w->quit_after || n < w->quit_after) && (item = lg_team_next(t)) != NULL) {
        atomic_fetch_add(&w->done[*item], 1);
        atomic_fetch_add(&w->by_members, 1);
        lg_team_give_back(t, item);
        n++;
    }
}

static void
one(struct world *w, int *item)
{
    atomic_fetch_add(&w->done[*item], 1);
}

static void
lead(void *arg)
{
    struct world *w = arg;
    int i = 0, *item;
    lg_team *t = lg_team_create(w->run, 3, work, w);
    w->size = t ? lg_team_size(t) : 0;
    if (t)
        lg_team_go(t);
    while (i < ITEMS) {
        while (t && lg_team_done(t))
            w->returned++;
        while (t && i < ITEMS && lg_team_wants(t))
            lg_team_put(t, &w->values[i++]);
        if (i < ITEMS)
            one(w, &w->values[i++]);
        if (i % 100 == 0)
            lg_fiber_yield();
        if (w->stop && i > ITEMS / 2)
            break;
    }
    if (t) {
        if (w->stop) {
            bool room = lg_team_wants(t);
            lg_team_stop(t); /* as a member may between the two */
            if (room)
                lg_team_put(t, &w->values[i++]);
        }
        while ((item = lg_team_take(t)))
            one(w, item);
        lg_team_finish(t);
        while ((item = lg_team_take(t)))
            one(w, item);
        while (lg_team_done(t))
            w->returned++;
        CU_ASSERT_EQUAL(lg_team_available(w->run) + w->size, lg_team_most(w->run));
        lg_team_destroy(t);
    }
    CU_ASSERT_EQUAL(lg_team_available(w->run), lg_team_most(w->run));
    w->over = true;
    if (!w->sim)
        lg_run_stop(w->run);
}

static struct world *
world_run(bool simulated, unsigned quit_after, bool stop)
{
    struct world *w = lg_zalloc(sizeof *w);
    w->quit_after = quit_after;
    w->stop = stop;
    for (int i = 0; i < ITEMS; i++)
        w->values[i] = i;
    w->heap = lg_heap_create();
    lg_run_config cfg = {.name = "team", .heap = w->heap};
    if (simulated)
        LG_ASSERT_OK(lg_sim_create(7, &w->sim));
    cfg.sim = w->sim;
    LG_ASSERT_OK(lg_run_create(&cfg, &w->run));
    LG_ASSERT_OK(lg_run_spawn(w->run, "lead", 0, lead, w, NULL));
    if (simulated)
        (void)!lg_sim_run(w->sim, NULL, NULL, 100 * LG_SEC);
    else
        LG_ASSERT_OK(lg_run_loop(w->run));
    CU_ASSERT(w->over);
    return w;
}

static void
world_free(struct world *w)
{
    lg_run_destroy(w->run);
    if (w->sim)
        lg_sim_destroy(w->sim);
    lg_heap_destroy(w->heap);
    lg_free(w);
}

static void
all_once(struct world *w)
{
    int wrong = 0;
    for (int i = 0; i < ITEMS; i++)
        wrong += atomic_load(&w->done[i]) != 1;
    CU_ASSERT_EQUAL(wrong, 0);
}

LG_TEST(test_team__every_item_is_done_once)
{
    for (int simulated = 0; simulated < 2; simulated++)
        for (int round = 0; round < 20; round++) {
            struct world *w = world_run(simulated, 0, false);
            all_once(w);
            CU_ASSERT_EQUAL(w->returned, atomic_load(&w->by_members));
            CU_ASSERT(!simulated || atomic_load(&w->by_members) > 0);
            world_free(w);
        }
}

LG_TEST(test_team__what_members_leave_the_worker_does)
{
    for (int simulated = 0; simulated < 2; simulated++) {
        struct world *w = world_run(simulated, 10, false);
        all_once(w);
        CU_ASSERT(atomic_load(&w->by_members) <= 10 * w->size);
        world_free(w);
    }
}

LG_TEST(test_team__stopped_members_return)
{
    for (int simulated = 0; simulated < 2; simulated++) {
        struct world *w = world_run(simulated, 0, true);
        int twice = 0;
        for (int i = 0; i < ITEMS; i++)
            twice += atomic_load(&w->done[i]) > 1;
        CU_ASSERT_EQUAL(twice, 0);
        world_free(w);
    }
}

/* ---- a cancel while the fiber waits for members ---- */

struct waiting {
    lg_run *run;
    lg_fiber *lead;
    _Atomic bool at_work, gave_up;
    lg_status pending;
    bool ended;
};

static void
endless(lg_team *t, void *arg, unsigned member)
{
    struct waiting *w = arg;
    (void)member;
    void *item = lg_team_next(t);
    atomic_store(&w->at_work, true);
    while (!lg_team_stopped(t))
        ;
    atomic_store(&w->gave_up, true);
    if (item)
        lg_team_give_back(t, item);
}

static void
wait_for_members(void *arg)
{
    struct waiting *w = arg;
    int item = 1;
    lg_team *t = lg_team_create(w->run, 1, endless, w);
    LG_ASSERT(t);
    lg_team_go(t);
    lg_team_put(t, &item);
    lg_team_finish(t);
    w->ended = true;
    w->pending = lg_fiber_canceled(lg_fiber_self());
    while (lg_team_done(t))
        ;
    lg_team_destroy(t);
    lg_run_stop(w->run);
}

static void
cancel(void *arg)
{
    struct waiting *w = arg;
    while (!atomic_load(&w->at_work))
        LG_ASSERT_OK(lg_fiber_sleep_until(lg_run_now_ns(w->run) + LG_MS, LG_WAIT_BACKGROUND_IDLE));
    CU_ASSERT(!w->ended);
    lg_fiber_cancel(w->lead, LG_CANCELED);
}

LG_TEST(test_team__a_cancel_does_not_wait_for_members_and_stays_pending)
{
    struct waiting w = {.pending = LG_OK};
    lg_run_config cfg = {.name = "team"};
    LG_ASSERT_OK(lg_run_create(&cfg, &w.run));
    if (lg_team_most(w.run)) {
        LG_ASSERT_OK(lg_run_spawn(w.run, "lead", 0, wait_for_members, &w, &w.lead));
        LG_ASSERT_OK(lg_run_spawn(w.run, "cancel", 0, cancel, &w, NULL));
        LG_ASSERT_OK(lg_run_loop(w.run));
        CU_ASSERT(w.ended && atomic_load(&w.gave_up));
        CU_ASSERT_EQUAL(w.pending, LG_CANCELED);
    }
    lg_run_destroy(w.run);
}
