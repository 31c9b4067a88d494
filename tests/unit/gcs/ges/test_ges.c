/* Enqueues over simulated instances: modes, stickiness, fairness, nowait, deadlocks, views. */
#include "ges.h"
#include "lg_test.h"
#include "mem.h"
#include "msg.h"
#include "reconf.h"
#include "sim.h"
#include <stdio.h>
#include <string.h>

#define NODES 4

struct world;
typedef struct node {
    struct world *w;
    uint32_t n;
    uint64_t incarnation;
    lg_run *run;
    lg_rpc *rpc;
    lg_ges *ges;
    lg_reconf *reconf;
    lg_scn_clock scn;
    uint32_t notified;
} node;

typedef struct world {
    lg_sim *sim;
    lg_heap *heap;
    node n[NODES];
    uint64_t epoch;
    unsigned running;
    uint64_t seed;
    /* the model: who holds which mode on the few resources */
    lg_ges_owner *owner[64][NODES * 8];
    lg_lock_mode held[64][NODES * 8];
    uint64_t grants, deadlocks, timeouts;
    uint64_t members;
    bool stop;
    bool slow; /* freezing takes time */
} world;

static lg_ges_res
table(uint64_t id)
{
    return (lg_ges_res){LG_GES_TABLE, 0, id};
}

static void
on_fall(void *arg, lg_ges_res res, lg_lock_mode now)
{
    (void)res;
    (void)now;
    ((node *)arg)->notified++;
}

/* One before GES takes its time to freeze, as cachefusion does, and another on each instance. */
static lg_status
slow_freeze(void *self, const lg_reconf_change *c)
{
    node *n = self;
    uint64_t ms = n->w->slow ? (n->w->seed + 3 * n->n + c->epoch) % 7 : 0;
    return ms ? lg_fiber_sleep_until(lg_run_now_ns(n->run) + ms * LG_MS, LG_WAIT_BACKGROUND_IDLE)
              : LG_OK;
}

static void
node_start(world *w, uint32_t i)
{
    node *n = &w->n[i];
    char address[32];
    lg_heap *outer = lg_heap_switch(w->heap);
    *n = (node){.w = w, .n = i, .incarnation = n->incarnation + 1};
    lg_run_config rc = {.name = "m", .sim = w->sim, .sim_node = i, .heap = w->heap};
    LG_ASSERT_OK(lg_run_create(&rc, &n->run));
    snprintf(address, sizeof address, "sim:%u:7", i);
    lg_rpc_config cfg = {.run = n->run,
                         .scn = &n->scn,
                         .transport = "sim",
                         .address = address,
                         .node = i,
                         .incarnation = n->incarnation,
                         .key = "k",
                         .key_len = 1,
                         .types = lg_msg_types(),
                         .type_count = LG_MSG_COUNT};
    LG_ASSERT_OK(lg_rpc_create(&cfg, &n->rpc));
    lg_ges_config gc = {.run = n->run, .rpc = n->rpc, .node = i};
    LG_ASSERT_OK(lg_ges_create(&gc, &n->ges));
    lg_ges_notify(n->ges, LG_GES_DICTIONARY, on_fall, n);
    lg_reconf_config rcfg = {
        .run = n->run, .rpc = n->rpc, .node = i, .incarnation = n->incarnation};
    LG_ASSERT_OK(lg_reconf_create(&rcfg, &n->reconf));
    lg_participant p = {.name = "slow", .self = n, .freeze = slow_freeze};
    lg_reconf_add(n->reconf, &p);
    lg_ges_participant(n->ges, &p);
    lg_reconf_add(n->reconf, &p);
    (void)lg_heap_switch(outer);
}

static void
view(world *w, uint64_t members)
{
    lg_reconf_member list[NODES];
    static const char *const addresses[] = {"", "sim:1:7", "sim:2:7", "sim:3:7"};
    uint32_t count = 0;
    lg_heap *outer = lg_heap_switch(w->heap);
    w->members = members;
    w->epoch++;
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
    for (uint32_t i = 1; i < NODES; i++)
        node_start(w, i);
    view(w, 0xE);
    return w;
}

static void
node_kill(world *w, uint32_t i)
{
    lg_run_destroy(w->n[i].run);
    w->n[i].run = NULL;
}

typedef struct task {
    world *w;
    node *n;
    void (*fn)(struct task *t);
    int step;
    lg_status st;
    lg_ges_owner o;
    lg_ges_res res;
    lg_lock_mode mode;
    unsigned flags;
    lg_time deadline;
    bool done;
    uint64_t rng;
    uint32_t slot;
} task;

static void
task_main(void *arg)
{
    task *t = arg;
    if (lg_reconf_wait_open(t->n->reconf, 1, LG_FOREVER) == LG_OK)
        t->fn(t);
    t->done = true;
    t->w->running--;
}

static void
task_start(world *w, task *t, uint32_t node_nr, void (*fn)(task *))
{
    t->w = w;
    t->n = &w->n[node_nr];
    t->fn = fn;
    w->running++;
    LG_ASSERT_OK(lg_run_spawn(t->n->run, "task", 0, task_main, t, NULL));
}

static bool
none_running(void *arg)
{
    return ((world *)arg)->running == 0;
}

static void
run_all(world *w, lg_time limit)
{
    lg_status st = lg_sim_run(w->sim, none_running, w, limit);
    if (st != LG_OK)
        printf("seed %llu: %s, %u running\n", (unsigned long long)w->seed, lg_status_name(st),
               w->running);
    LG_ASSERT_OK(st);
}

static void
world_free(world *w)
{
    for (uint32_t i = 1; i < NODES; i++)
        if (w->n[i].run)
            lg_run_destroy(w->n[i].run);
    lg_heap_destroy(w->heap);
    lg_sim_destroy(w->sim);
    lg_free(w);
}

static void
lock_once(task *t)
{
    lg_ges_owner_init(t->n->ges, &t->o, t);
    t->st = lg_ges_lock(&t->o, t->res, t->mode, t->flags, t->deadline ? t->deadline : LG_FOREVER);
    while (t->step == 0 && t->st == LG_OK)
        (void)!lg_fiber_sleep_until(lg_run_now_ns(t->n->run) + LG_MS, LG_WAIT_SLEEP);
    lg_ges_owner_fini(&t->o);
}

LG_TEST(test_ges__modes_form_a_lattice)
{
    for (int a = 0; a < LG_LOCK_MODES; a++)
        for (int b = 0; b < LG_LOCK_MODES; b++) {
            lg_lock_mode j = lg_lock_join((lg_lock_mode)a, (lg_lock_mode)b);
            CU_ASSERT(lg_lock_covers(j, (lg_lock_mode)a) && lg_lock_covers(j, (lg_lock_mode)b));
            CU_ASSERT_EQUAL(j, lg_lock_join((lg_lock_mode)b, (lg_lock_mode)a));
            CU_ASSERT_EQUAL(lg_lock_conflicts((lg_lock_mode)a, (lg_lock_mode)b),
                            lg_lock_conflicts((lg_lock_mode)b, (lg_lock_mode)a));
        }
    CU_ASSERT_EQUAL(lg_lock_join(LG_LOCK_SHARE, LG_LOCK_ROW_EXCLUSIVE),
                    LG_LOCK_SHARE_ROW_EXCLUSIVE);
    CU_ASSERT(!lg_lock_conflicts(LG_LOCK_SHARE, LG_LOCK_SHARE));
    CU_ASSERT(lg_lock_conflicts(LG_LOCK_SHARE, LG_LOCK_ROW_EXCLUSIVE));
}

LG_TEST(test_ges__sticky_mode_is_asked_back)
{
    world *w = world_new(1);
    task a = {.res = {LG_GES_DICTIONARY, 1, 7}, .mode = LG_LOCK_ACCESS_SHARE, .step = 1};
    task b = {.res = {LG_GES_DICTIONARY, 1, 7}, .mode = LG_LOCK_ACCESS_EXCLUSIVE, .step = 1};
    task_start(w, &a, 1, lock_once);
    run_all(w, 10 * LG_SEC);
    CU_ASSERT_EQUAL(a.st, LG_OK);
    CU_ASSERT_EQUAL(lg_ges_instance_mode(w->n[1].ges, a.res), LG_LOCK_ACCESS_SHARE);
    CU_ASSERT_EQUAL(w->n[1].notified, 0);
    task_start(w, &b, 2, lock_once);
    run_all(w, 10 * LG_SEC);
    CU_ASSERT_EQUAL(b.st, LG_OK);
    CU_ASSERT_EQUAL(lg_ges_instance_mode(w->n[1].ges, a.res), LG_LOCK_NONE);
    CU_ASSERT_EQUAL(lg_ges_instance_mode(w->n[2].ges, a.res), LG_LOCK_ACCESS_EXCLUSIVE);
    CU_ASSERT_EQUAL(w->n[1].notified, 1);
    world_free(w);
}

LG_TEST(test_ges__nowait_and_timeout)
{
    world *w = world_new(2);
    task a = {.res = table(9), .mode = LG_LOCK_ROW_EXCLUSIVE};
    task b = {.res = table(9), .mode = LG_LOCK_ACCESS_EXCLUSIVE, .flags = LG_GES_NOWAIT};
    task c = {.res = table(9), .mode = LG_LOCK_SHARE, .deadline = 3 * LG_SEC};
    task d = {.res = table(9), .mode = LG_LOCK_SHARE, .flags = LG_GES_NOWAIT};
    task_start(w, &a, 1, lock_once);
    (void)!lg_sim_run(w->sim, NULL, NULL, 500 * LG_MS);
    w->running = 1; /* a stays */
    task_start(w, &b, 2, lock_once);
    task_start(w, &c, 3, lock_once);
    task_start(w, &d, 1, lock_once);
    (void)!lg_sim_run(w->sim, NULL, NULL, 5 * LG_SEC);
    CU_ASSERT_EQUAL(a.st, LG_OK);
    CU_ASSERT(b.done && c.done && d.done && !a.done);
    CU_ASSERT_EQUAL(b.st, LG_LOCK_NOT_AVAILABLE);
    CU_ASSERT_EQUAL(c.st, LG_LOCK_NOT_AVAILABLE);
    CU_ASSERT_EQUAL(d.st, LG_LOCK_NOT_AVAILABLE);
    a.step = 1;
    run_all(w, 10 * LG_SEC);
    world_free(w);
}

/* Each locks its own table, then the other's. */
static void
lock_crossing(task *t)
{
    lg_ges_res other = {t->res.type, t->res.id1, t->res.id1 ^ t->res.id2 ^ 1};
    other.id2 = t->res.id2 == 100 ? 101 : 100;
    lg_ges_owner_init(t->n->ges, &t->o, t);
    t->st = lg_ges_lock(&t->o, t->res, LG_LOCK_EXCLUSIVE, 0, LG_FOREVER);
    (void)!lg_fiber_sleep_until(lg_run_now_ns(t->n->run) + 20 * LG_MS, LG_WAIT_SLEEP);
    if (t->st == LG_OK)
        t->st = lg_ges_lock(&t->o, other, LG_LOCK_EXCLUSIVE, 0, LG_FOREVER);
    lg_ges_owner_fini(&t->o);
}

static void
deadlock_between(uint32_t node_a, uint32_t node_b, uint64_t seed)
{
    world *w = world_new(seed);
    task a = {.res = table(100)}, b = {.res = table(101)};
    task_start(w, &a, node_a, lock_crossing);
    task_start(w, &b, node_b, lock_crossing);
    run_all(w, 20 * LG_SEC);
    CU_ASSERT_EQUAL((a.st == LG_DEADLOCK) + (b.st == LG_DEADLOCK), 1);
    CU_ASSERT_EQUAL((a.st == LG_OK) + (b.st == LG_OK), 1);
    world_free(w);
}

LG_TEST(test_ges__deadlock_has_one_victim)
{
    for (uint64_t seed = 1; seed < 30; seed++) {
        deadlock_between(1, 1, seed);
        deadlock_between(1, 2, seed);
        deadlock_between(2, 3, seed);
    }
}

static lg_ges_owner *
find_by_xid(void *arg, uint64_t xid)
{
    (void)arg;
    return (lg_ges_owner *)(uintptr_t)xid; /* the test's xid is the owner's address */
}

static task *crossing[2];

static void
wait_rowwise(task *t)
{
    task *other = crossing[t == crossing[0]];
    lg_ges_owner_init(t->n->ges, &t->o, t);
    lg_ges_set_txn_hook(t->n->ges, find_by_xid, NULL);
    (void)!lg_fiber_sleep_until(lg_run_now_ns(t->n->run) + 20 * LG_MS, LG_WAIT_SLEEP);
    t->st = lg_ges_txn_wait_begin(&t->o, (uint64_t)(uintptr_t)&other->o, other->n->n);
    if (t->st == LG_OK) {
        while (!other->done && t->st == LG_OK) {
            t->st = lg_fiber_sleep_until(lg_run_now_ns(t->n->run) + 5 * LG_SEC, LG_WAIT_ENQ_TX);
        }
        lg_ges_txn_wait_end(&t->o, LG_OK);
    }
    lg_ges_owner_fini(&t->o);
}

LG_TEST(test_ges__deadlock_over_row_waits)
{
    for (uint64_t seed = 1; seed < 20; seed++) {
        world *w = world_new(seed);
        task a = {0}, b = {0};
        crossing[0] = &a;
        crossing[1] = &b;
        task_start(w, &a, 1, wait_rowwise);
        task_start(w, &b, 1 + (uint32_t)(seed & 1), wait_rowwise);
        run_all(w, 60 * LG_SEC);
        CU_ASSERT_EQUAL((a.st == LG_DEADLOCK) + (b.st == LG_DEADLOCK), 1);
        world_free(w);
    }
}

/* ---- random: the model knows who holds what ---- */

#define RESOURCES 3

static void
model_check_add(world *w, task *t, uint32_t res, lg_lock_mode mode)
{
    for (uint32_t i = 0; i < NODES * 8; i++)
        if (i != t->slot && w->held[res][i] && lg_lock_conflicts(mode, w->held[res][i])) {
            printf("seed %llu: %s beside %s\n", (unsigned long long)w->seed,
                   lg_lock_mode_name(mode), lg_lock_mode_name(w->held[res][i]));
            CU_FAIL("conflicting modes held");
        }
    w->held[res][t->slot] = lg_lock_join(w->held[res][t->slot], mode);
}

static void
work_random(task *t)
{
    world *w = t->w;
    lg_ges_owner_init(t->n->ges, &t->o, t);
    for (int i = 0; i < 40; i++) {
        uint32_t locks = 1 + (uint32_t)(lg_run_random(t->n->run) % 3);
        for (uint32_t k = 0; k < locks; k++) {
            uint32_t res = (uint32_t)(lg_run_random(t->n->run) % RESOURCES);
            lg_lock_mode mode = (lg_lock_mode)(1 + lg_run_random(t->n->run) % 8);
            unsigned flags = lg_run_random(t->n->run) % 5 == 0 ? LG_GES_NOWAIT : 0;
            lg_time deadline =
                lg_run_random(t->n->run) % 5 == 0
                    ? lg_run_now_ns(t->n->run) + lg_run_random(t->n->run) % (300 * LG_MS)
                    : LG_FOREVER;
            lg_status st = lg_ges_lock(&t->o, table(res), mode, flags, deadline);
            if (st == LG_OK) {
                model_check_add(w, t, res, mode);
                w->grants++;
            } else if (st == LG_DEADLOCK) {
                w->deadlocks++;
                break;
            } else {
                CU_ASSERT_EQUAL(st, LG_LOCK_NOT_AVAILABLE);
                w->timeouts++;
            }
            (void)!lg_fiber_sleep_until(
                lg_run_now_ns(t->n->run) + lg_run_random(t->n->run) % (2 * LG_MS), LG_WAIT_SLEEP);
        }
        for (uint32_t r = 0; r < RESOURCES; r++)
            w->held[r][t->slot] = LG_LOCK_NONE;
        lg_ges_unlock_transaction(&t->o);
    }
    lg_ges_owner_fini(&t->o);
}

LG_TEST(test_ges__random_owners_never_conflict_and_all_finish)
{
    for (uint64_t seed = 1; seed <= 25; seed++) {
        world *w = world_new(seed);
        task t[12];
        memset(t, 0, sizeof t);
        for (uint32_t i = 0; i < 12; i++) {
            t[i].slot = i;
            task_start(w, &t[i], 1 + i % 3, work_random);
        }
        run_all(w, 600 * LG_SEC);
        CU_ASSERT(w->grants > 100);
        world_free(w);
    }
}

LG_TEST(test_ges__random_owners_through_views_and_a_death)
{
    for (uint64_t seed = 1; seed <= 25; seed++) {
        world *w = world_new(seed);
        w->slow = seed % 2;
        task t[12];
        memset(t, 0, sizeof t);
        for (uint32_t i = 0; i < 12; i++) {
            t[i].slot = i;
            task_start(w, &t[i], 1 + i % 3, work_random);
        }
        for (uint64_t k = 0; k < 4; k++) {
            (void)!lg_sim_run(w->sim, none_running, w, (20 + 13 * seed % 50) * LG_MS);
            view(w, 0xE);
        }
        (void)!lg_sim_run(w->sim, none_running, w, 30 * LG_MS);
        for (uint32_t i = 2; i < 12; i += 3) {
            w->running -= !t[i].done;
            for (uint32_t r = 0; r < RESOURCES; r++)
                w->held[r][t[i].slot] = LG_LOCK_NONE;
        }
        node_kill(w, 3);
        view(w, 0x6);
        run_all(w, 600 * LG_SEC);
        world_free(w);
    }
}
