/* Membership over many seeds: nodes that pause, die, restart; voting files that stall or vanish;
 * networks that part and come back, agents that cannot end a condemned instance.
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
    bool stuck; /* cannot end its instance */
    uint64_t broken_epoch;
    uint32_t broken; /* in that epoch */
    lg_time started_wait;
};

struct cluster {
    lg_sim *sim;
    struct node nodes[NODES + 1];
    lg_member_view views[EPOCHS]; /* by epoch, as first decided */
    uint64_t newest;
    lg_time lease[NODES + 1]; /* of the newest incarnation: true time */
    uint64_t lease_incarnation[NODES + 1];
    bool exited[NODES + 1];         /* the newest incarnation was confirmed dead by its agent */
    bool cut[NODES + 1][NODES + 1]; /* [lower][higher] */
    unsigned silent_evictions, decided, condemned, healed;
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
        const lg_member_view *before = &c->views[v->epoch - 1];
        *known = *v;
        c->decided++;
        c->condemned += v->condemned != 0;
        c->healed += v->members && v->members == before->members && !v->condemned &&
                     !before->condemned && !before->victims &&
                     !memcmp(v->incarnation, before->incarnation, sizeof v->incarnation);
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

/* What the agent and the instance know of the network. */
static bool
look_at_network(struct node *n, lg_member *m)
{
    struct cluster *c = n->c;
    uint32_t heard = 0, lost = 0;
    for (uint32_t k = 1; k <= NODES; k++)
        if (k != n->id && c->nodes[k].up && !c->cut[k < n->id ? k : n->id][k < n->id ? n->id : k])
            heard |= 1u << k;
    if (lg_member_in_view(m)) {
        lost = m->view.members & ~heard & ~(1u << n->id);
        if (n->broken_epoch != m->view.epoch)
            n->broken = 0;
        n->broken_epoch = m->view.epoch;
        n->broken |= lost;
    } else {
        n->broken = 0;
    }
    bool change =
        m->mine.heard != heard || m->mine.link_lost != lost || m->mine.link_broken != n->broken;
    m->mine.heard = heard;
    m->mine.link_lost = lost;
    m->mine.link_broken = n->broken;
    m->mine.link_epoch = n->broken_epoch;
    return change;
}

/* Plays the agent and its instance: welcomed -> ready; in a view -> done; left out -> dies. */
static void
on_round(void *arg)
{
    struct node *n = arg;
    lg_member *m = lg_membership_member(n->ms);
    bool cold, change = look_at_network(n, m);
    if (lg_member_condemned(m)) {
        if (!n->stuck) {
            m->mine.instance = LG_MEMBER_DEAD;
            n->c->exited[n->id] = true;
            change = true;
        }
    } else if (m->mine.instance == LG_MEMBER_DEAD || m->mine.instance == LG_MEMBER_NONE) {
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
                                .link_ns = 2 * LG_SEC,
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
    uint32_t a = 1 + (uint32_t)lg_sim_random(s) % NODES;
    n->stuck = lg_sim_random(s) % 6 == 0;
    if (a < n->id && lg_sim_random(s) % 3 == 0)
        c->cut[a][n->id] = !c->cut[a][n->id];
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
play(uint64_t seed, struct cluster *ret_sum)
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
        uint32_t a = 1 + (uint32_t)lg_sim_random(c.sim) % (NODES - 1);
        c.cut[a][NODES] = lg_sim_random(c.sim) % 3 != 0;
        (void)!lg_sim_run(c.sim, NULL, NULL, lg_sim_random(c.sim) % (3 * LG_SEC / 2));
        c.cut[a][NODES] = false;
        (void)!lg_sim_run(c.sim, NULL, NULL, lg_sim_random(c.sim) % (3 * LG_SEC / 2));
    }
    for (int i = 0; i < VOTES; i++) {
        lg_sim_disk_set_errors(c.sim, vote_names[i], 0, 0);
        for (uint32_t n = 1; n <= NODES; n++)
            lg_sim_disk_detach(c.sim, vote_names[i], n, false);
    }
    memset(c.cut, 0, sizeof c.cut);
    for (uint32_t i = 1; i <= NODES; i++) {
        c.nodes[i].stuck = false;
        if (!c.nodes[i].up)
            node_start(&c.nodes[i]);
    }
    st = lg_sim_run(c.sim, whole, &c, 120 * LG_SEC);
    if (st != LG_OK)
        printf("seed %llu: does not recover\n", (unsigned long long)seed);
    CU_ASSERT_EQUAL(st, LG_OK);
    ret_sum->silent_evictions += c.silent_evictions;
    ret_sum->decided += c.decided;
    ret_sum->condemned += c.condemned;
    ret_sum->healed += c.healed;
    for (uint32_t i = 1; i <= NODES; i++)
        node_kill(&c.nodes[i]);
    lg_sim_destroy(c.sim);
}

LG_TEST(test_membership__many_seeds)
{
    static struct cluster sum;
    for (uint64_t seed = 1; seed <= 60; seed++)
        play(seed, &sum);
    printf("%u views, %u condemning, %u of the same members, %u left out for silence\n",
           sum.decided, sum.condemned, sum.healed, sum.silent_evictions);
    CU_ASSERT(sum.silent_evictions > 20);
    CU_ASSERT(sum.decided > 500);
    CU_ASSERT(sum.condemned > 20);
    CU_ASSERT(sum.healed > 20);
}

/* ---- who stays when links are gone ---- */

struct rule {
    lg_member m;
    uint64_t now;
};

/* Five nodes in view 7, seen from node `self`. */
static void
five(struct rule *r, uint32_t self)
{
    lg_member_config cfg = {
        .node = self, .lease_ns = 3 * LG_SEC, .dead_ns = 4 * LG_SEC, .link_ns = 2 * LG_SEC};
    lg_member_init(&r->m, &cfg, NULL, 1);
    r->now = LG_SEC;
    r->m.view.epoch = 7;
    for (uint32_t n = 1; n <= 5; n++) {
        lg_vote_slot *s = n == self ? &r->m.mine : &r->m.seen.slot[n];
        *s = (lg_vote_slot){.node = n,
                            .seq = 1,
                            .incarnation = n * 10,
                            .instance = LG_MEMBER_READY,
                            .done_epoch = 7,
                            .link_epoch = 7,
                            .heard = 0x3e & ~(1u << n)};
        r->m.view.members |= 1u << n;
        r->m.view.incarnation[n] = n * 10;
    }
}

static void
lose(struct rule *r, uint32_t a, uint32_t b)
{
    lg_vote_slot *s = a == r->m.cfg.node ? &r->m.mine : &r->m.seen.slot[a];
    s->link_lost |= 1u << b;
    s->link_broken |= 1u << b;
}

/* Time passes; everybody's heart beats. Is a new view wanted? */
static bool
wait_for(struct rule *r, uint64_t ns)
{
    lg_vote_scan scan = r->m.seen;
    bool mine;
    for (int i = 0; i < 4; i++) {
        for (uint32_t n = 1; n <= 5; n++)
            scan.slot[n].seq++;
        r->now += ns / 4;
        (void)lg_member_scan(&r->m, &scan, r->now);
    }
    return lg_member_wants(&r->m, r->now, &mine);
}

/* What would be proposed, through both phases. */
static uint32_t
condemned(struct rule *r)
{
    lg_vote_scan scan = r->m.seen;
    lg_member_begin(&r->m);
    (void)lg_member_scan(&r->m, &scan, r->now);
    CU_ASSERT(lg_member_scan(&r->m, &scan, r->now));
    CU_ASSERT_EQUAL(r->m.view.epoch, 8);
    CU_ASSERT_EQUAL(r->m.view.members, 0x3e);
    return r->m.view.condemned;
}

LG_TEST(test_member__a_link_away_for_a_moment_condemns_nobody)
{
    static struct rule r;
    five(&r, 1);
    CU_ASSERT(!wait_for(&r, LG_SEC));
    lose(&r, 4, 5);
    CU_ASSERT(!wait_for(&r, LG_SEC));
    r.m.seen.slot[4].link_lost = 0; /* it is back, messages were lost: a new epoch for all */
    CU_ASSERT(wait_for(&r, LG_SEC));
    CU_ASSERT_EQUAL(condemned(&r), 0);
    CU_ASSERT(!wait_for(&r, LG_SEC)); /* what was broken in epoch 7 is whole in epoch 8 */
}

LG_TEST(test_member__the_largest_connected_set_stays)
{
    static struct rule r;
    for (uint32_t self = 1; self <= 5; self++) { /* all come to the same */
        five(&r, self);
        lose(&r, 4, 5); /* of two, the lower stays */
        CU_ASSERT(wait_for(&r, 3 * LG_SEC));
        CU_ASSERT_EQUAL(condemned(&r), 1u << 5);
        five(&r, self);
        lose(&r, 1, 3), lose(&r, 4, 1), lose(&r, 5, 1); /* 1 has only 2: it is the one */
        CU_ASSERT(wait_for(&r, 3 * LG_SEC));
        CU_ASSERT_EQUAL(condemned(&r), 1u << 1);
        five(&r, self);
        lose(&r, 1, 4), lose(&r, 1, 5), lose(&r, 2, 4), lose(&r, 2, 5), lose(&r, 3, 4),
            lose(&r, 3, 5); /* {1 2 3} against {4 5} */
        CU_ASSERT(wait_for(&r, 3 * LG_SEC));
        CU_ASSERT_EQUAL(condemned(&r), 1u << 4 | 1u << 5);
    }
}

LG_TEST(test_member__a_condemned_one_gets_no_lease_and_goes_when_confirmed_or_after_its_lease)
{
    static struct rule r;
    five(&r, 5);
    lose(&r, 4, 5);
    CU_ASSERT(wait_for(&r, 3 * LG_SEC));
    CU_ASSERT(lg_member_lease_until(&r.m, r.now) > 0);
    CU_ASSERT_EQUAL(condemned(&r), 1u << 5);
    CU_ASSERT(lg_member_condemned(&r.m));
    CU_ASSERT_EQUAL(lg_member_lease_until(&r.m, r.now), 0);

    five(&r, 2);
    lose(&r, 4, 5);
    CU_ASSERT(wait_for(&r, 3 * LG_SEC));
    CU_ASSERT_EQUAL(condemned(&r), 1u << 5);
    CU_ASSERT(!wait_for(&r, 3 * LG_SEC)); /* its agent lives, but does not say that it has ended */
    CU_ASSERT(wait_for(&r, 2 * LG_SEC));  /* dead_ns is over */

    five(&r, 2);
    lose(&r, 4, 5);
    CU_ASSERT(wait_for(&r, 3 * LG_SEC));
    CU_ASSERT_EQUAL(condemned(&r), 1u << 5);
    r.m.seen.slot[5].instance = LG_MEMBER_DEAD;
    CU_ASSERT(wait_for(&r, 10 * LG_MS));
}

LG_TEST(test_member__who_is_not_heard_by_all_is_not_let_in)
{
    static struct rule r;
    five(&r, 2);
    r.m.view.members &= ~(1u << 5);
    r.m.view.incarnation[5] = 0;
    r.m.seen.slot[3].heard &= ~(1u << 5);
    CU_ASSERT(!wait_for(&r, LG_SEC));
    r.m.seen.slot[3].heard |= 1u << 5;
    CU_ASSERT(wait_for(&r, LG_SEC));
}

/* ---- voting files that are gone ---- */

static struct cluster votes_world;

static void
votes_begin(uint64_t seed)
{
    struct cluster *c = &votes_world;
    memset(c, 0, sizeof *c);
    LG_ASSERT_OK(lg_sim_create(seed, &c->sim));
    for (int i = 0; i < VOTES; i++)
        LG_ASSERT_OK(lg_sim_disk_create(c->sim, vote_names[i], LG_VOTE_FILE_BYTES));
    for (uint32_t i = 1; i <= NODES; i++) {
        c->nodes[i].c = c;
        c->nodes[i].id = i;
        node_start(&c->nodes[i]);
    }
    LG_ASSERT_OK(lg_sim_run(c->sim, whole, c, 60 * LG_SEC));
    (void)!lg_sim_run(c->sim, NULL, NULL, 5 * LG_SEC);
}

static void
votes_end(void)
{
    for (uint32_t i = 1; i <= NODES; i++)
        node_kill(&votes_world.nodes[i]);
    lg_sim_destroy(votes_world.sim);
}

static void
detach(int vote, bool off)
{
    for (uint32_t n = 1; n <= NODES; n++)
        lg_sim_disk_detach(votes_world.sim, vote_names[vote], n, off);
}

LG_TEST(test_membership__one_of_three_votes_gone_is_survived)
{
    struct cluster *c = &votes_world;
    votes_begin(71);
    uint64_t epoch = c->newest;
    detach(1, true);
    (void)!lg_sim_run(c->sim, NULL, NULL, 20 * LG_SEC);
    CU_ASSERT_EQUAL(c->newest, epoch); /* nobody went */
    CU_ASSERT(whole(c));
    for (uint32_t i = 1; i <= NODES; i++) {
        CU_ASSERT(lg_membership_vote_ok(c->nodes[i].ms, 0));
        CU_ASSERT(!lg_membership_vote_ok(c->nodes[i].ms, 1));
        CU_ASSERT(lg_membership_quorate(c->nodes[i].ms));
    }
    detach(1, false);
    (void)!lg_sim_run(c->sim, NULL, NULL, 10 * LG_SEC);
    CU_ASSERT(lg_membership_vote_ok(c->nodes[1].ms, 1));
    votes_end();
}

LG_TEST(test_membership__without_a_majority_of_votes_leases_end_and_all_come_back_with_it)
{
    struct cluster *c = &votes_world;
    votes_begin(72);
    detach(0, true);
    detach(2, true);
    (void)!lg_sim_run(c->sim, NULL, NULL, 10 * LG_SEC);
    for (uint32_t i = 1; i <= NODES; i++) {
        CU_ASSERT(!lg_membership_quorate(c->nodes[i].ms));
        CU_ASSERT(c->lease[i] < lg_sim_now(c->sim)); /* nobody may write */
    }
    detach(0, false);
    CU_ASSERT_EQUAL(lg_sim_run(c->sim, whole, c, 60 * LG_SEC), LG_OK);
    votes_end();
}

LG_TEST(test_membership__a_vote_that_forgot_is_counted_when_all_have_written_it_again)
{
    static char zeros[LG_VOTE_FILE_BYTES];
    struct cluster *c = &votes_world;
    lg_vote_info info;
    votes_begin(73);
    uint64_t epoch = c->newest;
    lg_sim_pause_node(c->sim, 3, lg_sim_now(c->sim) + 2 * LG_SEC);
    lg_sim_disk_poke(c->sim, vote_names[1], 0, zeros, sizeof zeros);
    (void)!lg_sim_run(c->sim, NULL, NULL, LG_SEC);
    lg_membership_vote_info(c->nodes[1].ms, 1, &info);
    CU_ASSERT(info.lost && !info.ok); /* node 3 has not written it again */
    CU_ASSERT(lg_membership_quorate(c->nodes[1].ms));
    (void)!lg_sim_run(c->sim, NULL, NULL, 4 * LG_SEC);
    lg_membership_vote_info(c->nodes[1].ms, 1, &info);
    CU_ASSERT(!info.lost && info.ok);
    CU_ASSERT_EQUAL(c->newest, epoch);

    /* an agent that starts while a node is down and a file is empty */
    node_kill(&c->nodes[3]);
    (void)!lg_sim_run(c->sim, NULL, NULL, 8 * LG_SEC);
    lg_sim_disk_poke(c->sim, vote_names[2], 0, zeros, sizeof zeros);
    node_kill(&c->nodes[2]);
    node_start(&c->nodes[2]);
    (void)!lg_sim_run(c->sim, NULL, NULL, 8 * LG_SEC);
    for (uint32_t i = 1; i <= 2; i++) {
        lg_membership_vote_info(c->nodes[i].ms, 2, &info);
        CU_ASSERT(info.lost); /* what node 3 had written there is not known */
    }
    node_start(&c->nodes[3]);
    CU_ASSERT_EQUAL(lg_sim_run(c->sim, whole, c, 60 * LG_SEC), LG_OK);
    (void)!lg_sim_run(c->sim, NULL, NULL, 4 * LG_SEC);
    lg_membership_vote_info(c->nodes[1].ms, 2, &info);
    CU_ASSERT(!info.lost && info.ok);
    votes_end();
}

/* ---- M2 and M3 at once: who comes back while it is left out ---- */

static const lg_vote_slot *
silent_for_long(struct rule *r, uint32_t node)
{
    lg_vote_scan scan = r->m.seen;
    bool mine;
    for (int i = 0; i < 17; i++) {
        for (uint32_t n = 1; n <= 5; n++)
            scan.slot[n].seq += n != node;
        r->now += LG_SEC / 4;
        (void)lg_member_scan(&r->m, &scan, r->now);
    }
    CU_ASSERT(lg_member_wants(&r->m, r->now, &mine));
    lg_member_begin(&r->m);
    return lg_member_next_slot(&r->m); /* the mark */
}

LG_TEST(test_member__who_comes_back_while_it_is_left_out_stays_or_gets_no_lease)
{
    static struct rule r, back;
    /* its heartbeat was there before the proposer read: its lease is renewed, and it stays */
    five(&r, 2);
    (void)silent_for_long(&r, 4);
    lg_vote_scan scan = r.m.seen;
    scan.slot[4].seq++;
    (void)lg_member_scan(&r.m, &scan, r.now);
    CU_ASSERT(lg_member_scan(&r.m, &scan, r.now));
    CU_ASSERT_EQUAL(r.m.view.members, 0x3e);
    five(&back, 4);
    scan = back.m.seen;
    (void)lg_member_scan(&back.m, &scan, back.now);
    CU_ASSERT_EQUAL(lg_member_lease_until(&back.m, back.now), back.now + 3 * LG_SEC);

    /* it came later, so the other's mark was there when it read: no lease, and it goes */
    five(&r, 2);
    scan.slot[2] = *silent_for_long(&r, 4);
    five(&back, 4);
    (void)lg_member_scan(&back.m, &scan, back.now);
    CU_ASSERT_EQUAL(lg_member_lease_until(&back.m, back.now), 0);
    scan = r.m.seen;
    (void)lg_member_scan(&r.m, &scan, r.now);
    scan.slot[4].seq++;
    CU_ASSERT(lg_member_scan(&r.m, &scan, r.now));
    CU_ASSERT_EQUAL(r.m.view.members, 0x2e);
    CU_ASSERT_EQUAL(r.m.view.victims, 1u << 4);
    scan.slot[2] = *lg_member_next_slot(&r.m);
    CU_ASSERT(lg_member_scan(&back.m, &scan, back.now));
    CU_ASSERT(!lg_member_in_view(&back.m));
    CU_ASSERT_EQUAL(lg_member_lease_until(&back.m, back.now), 0);
}

/* ---- devices that fence ---- */

LG_TEST(test_member__with_reservations_half_a_lease_of_silence_and_a_key_thrown_out_will_do)
{
    static struct rule r;
    bool mine;
    five(&r, 2);
    for (uint32_t n = 1; n <= 5; n++)
        (n == 2 ? &r.m.mine : &r.m.seen.slot[n])->reservations = 1;
    CU_ASSERT(!wait_for(&r, LG_SEC));
    lg_vote_scan scan = r.m.seen;
    for (int i = 0; i < 8; i++) { /* 4 is silent, the others beat */
        for (uint32_t n = 1; n <= 5; n++)
            scan.slot[n].seq += n != 4;
        r.now += LG_SEC / 4;
        (void)lg_member_scan(&r.m, &scan, r.now);
    }
    CU_ASSERT(lg_member_wants(&r.m, r.now, &mine));
    CU_ASSERT_EQUAL(condemned(&r), 1u << 4);
    CU_ASSERT(!lg_member_wants(&r.m, r.now, &mine)); /* not before a device has said so */
    r.m.mine.fence_epoch = 7;
    r.m.mine.fenced = 1u << 4;
    CU_ASSERT(!lg_member_wants(&r.m, r.now, &mine)); /* said in another epoch */
    r.m.mine.fence_epoch = 8;
    CU_ASSERT(lg_member_wants(&r.m, r.now, &mine));
    scan = r.m.seen;
    lg_member_begin(&r.m);
    (void)lg_member_scan(&r.m, &scan, r.now);
    (void)lg_member_scan(&r.m, &scan, r.now);
    lg_agent_view v;
    lg_member_agent_view(&r.m.view, &v);
    CU_ASSERT_EQUAL(r.m.view.members, 0x2e);
    CU_ASSERT_EQUAL(r.m.view.victims, 1u << 4);
    CU_ASSERT_STRING_EQUAL(v.fence, "reservation");
}

LG_TEST(test_member__without_reservations_silence_waits_for_the_lease)
{
    static struct rule r;
    bool mine;
    five(&r, 2);
    CU_ASSERT(!wait_for(&r, LG_SEC));
    lg_vote_scan scan = r.m.seen;
    for (int i = 0; i < 12; i++) {
        for (uint32_t n = 1; n <= 5; n++)
            scan.slot[n].seq += n != 4;
        r.now += LG_SEC / 4;
        (void)lg_member_scan(&r.m, &scan, r.now);
    }
    CU_ASSERT(!lg_member_wants(&r.m, r.now, &mine));
}
