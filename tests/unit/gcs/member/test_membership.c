/* Membership over many seeds: nodes that pause, die, restart; voting files that stall or vanish.
 *
 * Checked at every callback: one view per epoch (M1); an instance that a view leaves out for
 * silence has no lease left, in true time (M3); an empty view has one cold starter (M5). At the
 * end, with the trouble over, all living nodes are in one view. */
#include "lg_test.h"
#include "assert.h"
#include "membership.h"
#include "sim.h"
#include "sim_disk.h"
#include <stdio.h>
#include <string.h>

enum { NODES = 3, VOTES = 3, EPOCHS = 5000 };

struct cluster;

struct node {
    struct cluster *c;
    uint32_t id;
    lg_run *run;
    lg_heap *heap;
    lg_io *io;
    lg_membership *ms;
    bool up, began;
    lg_time started_wait;
};

struct cluster {
    lg_sim *sim;
    struct node nodes[NODES + 1];
    lg_member_view views[EPOCHS]; /* by epoch, as first decided */
    uint64_t newest;
    lg_time lease[NODES + 1]; /* of the newest incarnation: true time */
    uint64_t lease_incarnation[NODES + 1];
    bool exited[NODES + 1]; /* the newest incarnation was confirmed dead by its agent */
    unsigned silent_evictions, decided;
};

static const char *const vote_names[VOTES] = {"v1", "v2", "v3"};

static void
on_view(void *arg, const lg_member_view *v)
{
    struct node *n = arg;
    struct cluster *c = n->c;
    LG_ASSERT(v->epoch < EPOCHS);
    lg_member_view *known = &c->views[v->epoch];
    if (known->epoch) {
        LG_ASSERT(!memcmp(known, v, sizeof *v)); /* M1 */
    } else {
        *known = *v;
        c->decided++;
        for (uint32_t i = 1; i <= NODES; i++) {
            if (!(v->victims >> i & 1) || v->incarnation[i] != c->lease_incarnation[i] ||
                c->exited[i])
                continue;
            c->silent_evictions++;
            LG_ASSERT(lg_sim_now(c->sim) >= c->lease[i]); /* M3 */
        }
    }
    if (v->epoch > c->newest)
        c->newest = v->epoch;
}

static void
on_lease(void *arg, lg_time until)
{
    struct node *n = arg;
    struct cluster *c = n->c;
    lg_time left = until > lg_run_now_exact_ns(n->run) ? until - lg_run_now_exact_ns(n->run) : 0;
    c->lease_incarnation[n->id] = lg_membership_member(n->ms)->mine.incarnation;
    c->exited[n->id] = false;
    if (lg_sim_now(c->sim) + left > c->lease[n->id])
        c->lease[n->id] = lg_sim_now(c->sim) + left;
}

/* Plays the agent and its instance: welcomed -> ready; in a view -> done; left out -> dies. */
static void
on_round(void *arg)
{
    struct node *n = arg;
    lg_member *m = lg_membership_member(n->ms);
    bool cold, change = false;
    if (m->mine.instance == LG_MEMBER_DEAD || m->mine.instance == LG_MEMBER_NONE) {
        m->mine.incarnation++;
        m->mine.instance = LG_MEMBER_STARTING;
        change = true;
    } else if (lg_member_may_welcome(m, lg_run_now_exact_ns(n->run), &cold)) {
        m->mine.instance = LG_MEMBER_READY;
        snprintf(m->mine.address, sizeof m->mine.address, "i%u.%u", n->id,
                 (unsigned)m->mine.incarnation);
        n->began = false;
        change = true;
    } else if (lg_member_in_view(m)) {
        n->began = true;
        change = m->mine.done_epoch != m->view.epoch;
        m->mine.done_epoch = m->view.epoch;
    } else if (m->mine.instance == LG_MEMBER_READY && (n->began || m->view.members == 0)) {
        bool owner = m->view.cold_node == n->id && m->view.cold_incarnation == m->mine.incarnation;
        if (n->began || !owner) {
            m->mine.instance = LG_MEMBER_DEAD;
            n->c->exited[n->id] = true;
            change = true;
        }
    }
    if (change)
        lg_membership_changed(n->ms);
}

static void
node_main(void *arg)
{
    struct node *n = arg;
    lg_membership_config cfg = {.run = n->run,
                                .node = n->id,
                                .votes = vote_names,
                                .vote_count = VOTES,
                                .arg = n,
                                .on_view = on_view,
                                .on_lease = on_lease,
                                .on_round = on_round};
    LG_ASSERT(lg_io_create(n->run, LG_IO_AUTO, &n->io) == LG_OK);
    cfg.io = n->io;
    while (lg_membership_create(&cfg, &n->ms) != LG_OK)
        (void)!lg_fiber_sleep_until(lg_run_now_ns(n->run) + 100 * LG_MS, LG_WAIT_SLEEP);
    lg_member *m = lg_membership_member(n->ms);
    if (m->mine.instance == LG_MEMBER_READY || m->mine.instance == LG_MEMBER_STARTING) {
        m->mine.instance = LG_MEMBER_DEAD; /* it died with the node */
        n->c->exited[n->id] = true;
    }
    LG_ASSERT(lg_membership_begin(n->ms) == LG_OK);
}

static void
node_start(struct node *n)
{
    n->heap = lg_heap_create();
    lg_run_config cfg = {.name = "node", .sim = n->c->sim, .sim_node = n->id, .heap = n->heap};
    LG_ASSERT_OK(lg_run_create(&cfg, &n->run));
    LG_ASSERT_OK(lg_run_spawn(n->run, "main", 0, node_main, n, NULL));
    n->up = true;
    n->ms = NULL;
    n->began = false;
}

static void
node_kill(struct node *n)
{
    lg_run_destroy(n->run);
    lg_heap_destroy(n->heap);
    n->up = false;
}

/* All living nodes have the same view with all of them in it, and leases. */
static bool
whole(void *arg)
{
    struct cluster *c = arg;
    uint64_t epoch = 0;
    for (uint32_t i = 1; i <= NODES; i++) {
        struct node *n = &c->nodes[i];
        if (!n->up || !n->ms)
            return false;
        const lg_member *m = lg_membership_member(n->ms);
        if (m->view.members != 0xe || !lg_member_in_view(m) || (epoch && epoch != m->view.epoch) ||
            c->lease[i] <= lg_sim_now(c->sim))
            return false;
        epoch = m->view.epoch;
    }
    return true;
}

static void
trouble(struct cluster *c)
{
    lg_sim *s = c->sim;
    struct node *n = &c->nodes[1 + lg_sim_random(s) % NODES];
    const char *vote = vote_names[lg_sim_random(s) % VOTES];
    lg_time now = lg_sim_now(s);
    switch (lg_sim_random(s) % 8) {
    case 0:
    case 1:
        if (n->up)
            node_kill(n);
        break;
    case 2:
        lg_sim_pause_node(s, n->id, now + lg_sim_random(s) % (8 * LG_SEC));
        break;
    case 3:
        lg_sim_disk_stall(s, vote, now + lg_sim_random(s) % (6 * LG_SEC));
        break;
    case 4:
        lg_sim_disk_detach(s, vote, n->id, lg_sim_random(s) % 2);
        break;
    case 5:
        lg_sim_disk_set_errors(s, vote, 0, lg_sim_random(s) % 2 ? 200000 : 0);
        break;
    case 6:
        lg_sim_set_drift_ppm(s, n->id, (int32_t)(lg_sim_random(s) % 20000) - 10000);
        break;
    default:
        if (!n->up)
            node_start(n);
    }
}

static void
play(uint64_t seed, unsigned *ret_silent, unsigned *ret_views)
{
    static struct cluster c;
    memset(&c, 0, sizeof c);
    LG_ASSERT_OK(lg_sim_create(seed, &c.sim));
    for (int i = 0; i < VOTES; i++)
        LG_ASSERT_OK(lg_sim_disk_create(c.sim, vote_names[i], LG_VOTE_FILE_BYTES));
    for (uint32_t i = 1; i <= NODES; i++) {
        c.nodes[i].c = &c;
        c.nodes[i].id = i;
        node_start(&c.nodes[i]);
    }
    lg_status st = lg_sim_run(c.sim, whole, &c, 60 * LG_SEC);
    if (st != LG_OK)
        printf("seed %llu: never whole\n", (unsigned long long)seed);
    CU_ASSERT_EQUAL(st, LG_OK);
    for (int i = 0; i < 25; i++) {
        trouble(&c);
        (void)!lg_sim_run(c.sim, NULL, NULL, lg_sim_random(c.sim) % (3 * LG_SEC));
    }
    for (int i = 0; i < VOTES; i++) {
        lg_sim_disk_set_errors(c.sim, vote_names[i], 0, 0);
        for (uint32_t n = 1; n <= NODES; n++)
            lg_sim_disk_detach(c.sim, vote_names[i], n, false);
    }
    for (uint32_t i = 1; i <= NODES; i++)
        if (!c.nodes[i].up)
            node_start(&c.nodes[i]);
    st = lg_sim_run(c.sim, whole, &c, 120 * LG_SEC);
    if (st != LG_OK)
        printf("seed %llu: does not recover\n", (unsigned long long)seed);
    CU_ASSERT_EQUAL(st, LG_OK);
    *ret_silent += c.silent_evictions;
    *ret_views += c.decided;
    for (uint32_t i = 1; i <= NODES; i++)
        node_kill(&c.nodes[i]);
    lg_sim_destroy(c.sim);
}

LG_TEST(test_membership__many_seeds)
{
    unsigned silent = 0, views = 0;
    for (uint64_t seed = 1; seed <= 60; seed++)
        play(seed, &silent, &views);
    CU_ASSERT(silent > 20);
    CU_ASSERT(views > 500);
}
