/* NOTIFY over simulated instances: order, outcome, a publisher's death, many items. */
#include "lg_test.h"
#include "mem.h"
#include "msg.h"
#include "notify.h"
#include "reconf.h"
#include "sim.h"
#include <stdio.h>
#include <string.h>

#define NODES 3 /* 1 and 2 are used */

struct world;
struct node {
    struct world *w;
    lg_run *run;
    lg_rpc *rpc;
    lg_ges *ges;
    lg_reconf *reconf;
    lg_scn_clock scn;
    lg_notify_hub *hub;
    lg_ges_owner owner;
    lg_notify_listener listener;
    char heard[200000]; /* "channel=payload/pid " in order of arrival */
    uint32_t count;
};

struct world {
    lg_sim *sim;
    lg_heap *heap;
    struct node n[NODES];
    uint64_t epoch;
    lg_notify_outcome outcome; /* what a doubtful transaction turns out to be */
    lg_status keep_says;
    uint32_t kept;
    uint32_t queued_at_keep; /* in the other's hub */
    unsigned running;
};

static lg_notify_outcome
outcome(void *arg, uint64_t xid)
{
    CU_ASSERT_EQUAL(xid, 77);
    return ((struct node *)arg)->w->outcome;
}

static lg_status
keep(void *arg, uint64_t xid)
{
    struct world *w = ((struct node *)arg)->w;
    CU_ASSERT_EQUAL(xid, 77);
    w->kept++;
    w->queued_at_keep = lg_notify_queued(w->n[2].hub);
    return w->keep_says;
}

static void
hear(void *arg, const char *channel, const char *payload, uint32_t pid)
{
    struct node *n = arg;
    size_t len = strlen(n->heard);
    snprintf(n->heard + len, sizeof n->heard - len, "%s=%s/%u ", channel, payload, pid);
    n->count++;
}

static void
node_start(struct world *w, uint32_t i)
{
    struct node *n = &w->n[i];
    char address[32];
    n->w = w;
    lg_run_config rc = {.name = "m", .sim = w->sim, .sim_node = i, .heap = w->heap};
    LG_ASSERT_OK(lg_run_create(&rc, &n->run));
    snprintf(address, sizeof address, "sim:%u:7", i);
    lg_rpc_config cfg = {.run = n->run,
                         .scn = &n->scn,
                         .transport = "sim",
                         .address = address,
                         .node = i,
                         .incarnation = 1,
                         .key = "k",
                         .key_len = 1,
                         .types = lg_msg_types(),
                         .type_count = LG_MSG_COUNT};
    LG_ASSERT_OK(lg_rpc_create(&cfg, &n->rpc));
    lg_ges_config gc = {.run = n->run, .rpc = n->rpc, .node = i};
    LG_ASSERT_OK(lg_ges_create(&gc, &n->ges));
    lg_reconf_config rcfg = {.run = n->run, .rpc = n->rpc, .node = i, .incarnation = 1};
    LG_ASSERT_OK(lg_reconf_create(&rcfg, &n->reconf));
    lg_participant p;
    lg_ges_participant(n->ges, &p);
    lg_reconf_add(n->reconf, &p);
    lg_notify_config nc = {.run = n->run,
                           .rpc = n->rpc,
                           .ges = n->ges,
                           .node = i,
                           .incarnation = 1,
                           .outcome = outcome,
                           .keep = keep,
                           .arg = n};
    LG_ASSERT_OK(lg_notify_create(&nc, &n->hub));
    lg_ges_owner_init(n->ges, &n->owner, NULL);
    lg_notify_listener_init(&n->listener, hear, n);
}

static void
view(struct world *w, uint32_t members)
{
    static const char *const addresses[] = {"", "sim:1:7", "sim:2:7"};
    lg_reconf_member list[NODES];
    uint32_t count = 0;
    w->epoch++;
    for (uint32_t i = 1; i < NODES; i++)
        if (members >> i & 1)
            list[count++] = (lg_reconf_member){i, 1, addresses[i]};
    for (uint32_t i = 1; i < NODES; i++)
        if (members >> i & 1)
            LG_ASSERT_OK(lg_reconf_view(w->n[i].reconf, w->epoch, list, count));
}

static struct world *
world_new(void)
{
    struct world *w = lg_zalloc(sizeof *w);
    LG_ASSERT_OK(lg_sim_create(5, &w->sim));
    w->heap = lg_heap_create();
    lg_heap *outer = lg_heap_switch(w->heap);
    for (uint32_t i = 1; i < NODES; i++)
        node_start(w, i);
    view(w, 6);
    (void)lg_heap_switch(outer);
    return w;
}

static void
world_free(struct world *w)
{
    for (uint32_t i = 1; i < NODES; i++)
        if (w->n[i].run)
            lg_run_destroy(w->n[i].run);
    lg_heap_destroy(w->heap);
    lg_sim_destroy(w->sim);
    lg_free(w);
}

struct task {
    struct node *n;
    void (*fn)(struct node *n, void *arg);
    void *arg;
};

static void
task_main(void *arg)
{
    struct task *t = arg;
    if (lg_reconf_wait_open(t->n->reconf, 1, LG_FOREVER) == LG_OK)
        t->fn(t->n, t->arg);
    t->n->w->running--;
}

static bool
none_running(void *arg)
{
    return ((struct world *)arg)->running == 0;
}

/* Runs fn in a fiber of node i and the world until it returns. */
static void
in_node(struct world *w, uint32_t i, void (*fn)(struct node *, void *), void *arg)
{
    struct task t = {&w->n[i], fn, arg};
    w->running++;
    LG_ASSERT_OK(lg_run_spawn(t.n->run, "task", 0, task_main, &t, NULL));
    LG_ASSERT_OK(lg_sim_run(w->sim, none_running, w, 60 * LG_SEC));
}

static bool
never(void *arg)
{
    (void)arg;
    return false;
}

static void
pass_time(struct world *w, lg_time t)
{
    lg_status st = lg_sim_run(w->sim, never, w, t);
    CU_ASSERT(st == LG_TIMEOUT || st == LG_END); /* END: nothing is left to happen */
}

static void
listen(struct node *n, void *channel)
{
    LG_ASSERT_OK(lg_notify_listen(n->hub, &n->owner, &n->listener, channel));
    lg_ges_unlock_transaction(&n->owner);
}

struct publication {
    lg_notify_publication p;
    lg_notify_item items[32];
    uint32_t count;
    bool finish, commit;
};

static void
publish(struct node *n, void *arg)
{
    struct publication *p = arg;
    LG_ASSERT_OK(lg_notify_publish(n->hub, &n->owner, &p->p, p->items, p->count));
    if (!p->finish)
        return;
    lg_notify_finish(n->hub, &p->p, p->commit);
    lg_ges_unlock_transaction(&n->owner);
}

static void
finish(struct node *n, void *arg)
{
    struct publication *p = arg;
    lg_notify_finish(n->hub, &p->p, p->commit);
    lg_ges_unlock_transaction(&n->owner);
}

LG_TEST(test_notify__heard_everywhere_after_the_commit_only)
{
    struct world *w = world_new();
    struct publication p = {
        .p = {.xid = 77, .pid = 9}, .items = {{"a", "x"}, {"b", "y"}}, .count = 2};
    in_node(w, 1, listen, "a");
    in_node(w, 2, listen, "a");
    in_node(w, 2, listen, "b");
    in_node(w, 1, publish, &p);
    pass_time(w, 100 * LG_MS);
    CU_ASSERT_STRING_EQUAL(w->n[1].heard, "");
    CU_ASSERT_STRING_EQUAL(w->n[2].heard, "");
    CU_ASSERT_EQUAL(lg_notify_queued(w->n[2].hub), 1);
    p.commit = true;
    in_node(w, 1, finish, &p);
    CU_ASSERT_STRING_EQUAL(w->n[1].heard, "a=x/9 "); /* at once where it was published */
    pass_time(w, 100 * LG_MS);
    CU_ASSERT_STRING_EQUAL(w->n[2].heard, "a=x/9 b=y/9 ");
    CU_ASSERT_EQUAL(lg_notify_queued(w->n[2].hub), 0);
    world_free(w);
}

LG_TEST(test_notify__rollback_is_silent_and_order_is_common)
{
    struct world *w = world_new();
    struct publication no = {
        .p = {.xid = 77}, .items = {{"a", "no"}}, .count = 1, .finish = true, .commit = false};
    struct publication one = {
        .p = {.xid = 77}, .items = {{"a", "1"}}, .count = 1, .finish = true, .commit = true};
    struct publication two = {
        .p = {.xid = 0}, .items = {{"a", "2"}}, .count = 1, .finish = true, .commit = true};
    in_node(w, 1, listen, "a");
    in_node(w, 2, listen, "a");
    in_node(w, 1, publish, &no);
    in_node(w, 2, publish, &one);
    in_node(w, 1, publish, &two);
    pass_time(w, 100 * LG_MS);
    CU_ASSERT_STRING_EQUAL(w->n[1].heard, "a=1/0 a=2/0 ");
    CU_ASSERT_STRING_EQUAL(w->n[2].heard, "a=1/0 a=2/0 ");
    world_free(w);
}

/* The publisher dies between the messages and the outcome: the transaction's own outcome decides.
 */
static void
publisher_dies(lg_notify_outcome o, const char *expected)
{
    struct world *w = world_new();
    struct publication p = {.p = {.xid = 77, .pid = 1}, .items = {{"a", "x"}}, .count = 1};
    struct publication later = {.p = {.xid = 0, .pid = 2},
                                .items = {{"a", "y"}},
                                .count = 1,
                                .finish = true,
                                .commit = true};
    w->outcome = LG_NOTIFY_UNKNOWN;
    in_node(w, 2, listen, "a");
    in_node(w, 1, publish, &p);
    lg_run_destroy(w->n[1].run);
    w->n[1].run = NULL;
    lg_heap *outer = lg_heap_switch(w->heap);
    view(w, 4);
    (void)lg_heap_switch(outer);
    in_node(w, 2, publish, &later); /* waits in the queue behind what is in doubt */
    pass_time(w, 3 * LG_SEC);
    CU_ASSERT_STRING_EQUAL(w->n[2].heard, "");
    w->outcome = o;
    pass_time(w, 3 * LG_SEC);
    CU_ASSERT_STRING_EQUAL(w->n[2].heard, expected);
    world_free(w);
}

LG_TEST(test_notify__publisher_that_dies_committed_is_heard)
{
    publisher_dies(LG_NOTIFY_COMMITTED, "a=x/1 a=y/2 ");
}

LG_TEST(test_notify__publisher_that_dies_uncommitted_is_not)
{
    publisher_dies(LG_NOTIFY_ABORTED, "a=y/2 ");
}

LG_TEST(test_notify__more_than_a_message_holds)
{
    struct world *w = world_new();
    static char payload[32][7000];
    struct publication p = {.p = {.xid = 77}, .count = 20, .finish = true, .commit = true};
    for (uint32_t i = 0; i < p.count; i++) {
        memset(payload[i], 'a' + (int)i, sizeof payload[i] - 1);
        p.items[i] = (lg_notify_item){"a", payload[i]};
    }
    in_node(w, 2, listen, "a");
    in_node(w, 1, publish, &p);
    pass_time(w, 100 * LG_MS);
    CU_ASSERT_EQUAL(w->n[2].count, 20);
    CU_ASSERT_EQUAL(strlen(w->n[2].heard), 20 * (6999 + 5));
    world_free(w);
}

static void
publish_refused(struct node *n, void *arg)
{
    struct publication *p = arg;
    CU_ASSERT_EQUAL(lg_notify_publish(n->hub, &n->owner, &p->p, p->items, p->count), LG_IO);
}

/* An xid whose redo is lost is given again: nobody else may know it before it is durable. */
LG_TEST(test_notify__an_xid_is_durable_before_others_know_it)
{
    struct world *w = world_new();
    struct publication p = {
        .p = {.xid = 77}, .items = {{"a", "1"}}, .count = 1, .finish = true, .commit = true};
    struct publication reader = {
        .p = {.xid = 0}, .items = {{"a", "2"}}, .count = 1, .finish = true, .commit = true};
    in_node(w, 2, listen, "a");
    w->keep_says = LG_IO;
    in_node(w, 1, publish_refused, &p);
    pass_time(w, 3 * LG_SEC);
    CU_ASSERT_EQUAL(w->kept, 1);
    CU_ASSERT_EQUAL(lg_notify_queued(w->n[1].hub), 0);
    CU_ASSERT_EQUAL(lg_notify_queued(w->n[2].hub), 0);
    w->keep_says = LG_OK;
    in_node(w, 1, publish, &p);
    CU_ASSERT_EQUAL(w->kept, 2);
    CU_ASSERT_EQUAL(w->queued_at_keep, 0); /* told only afterwards */
    in_node(w, 1, publish, &reader);
    CU_ASSERT_EQUAL(w->kept, 2); /* has no xid */
    pass_time(w, 100 * LG_MS);
    CU_ASSERT_STRING_EQUAL(w->n[2].heard, "a=1/0 a=2/0 ");
    world_free(w);
}

static void
unlisten(struct node *n, void *channel)
{
    lg_notify_unlisten(n->hub, &n->listener, channel);
}

LG_TEST(test_notify__unlisten_ends_it)
{
    struct world *w = world_new();
    struct publication p = {.p = {.xid = 0},
                            .items = {{"a", "1"}, {"b", "2"}},
                            .count = 2,
                            .finish = true,
                            .commit = true};
    in_node(w, 2, listen, "a");
    in_node(w, 2, listen, "b");
    in_node(w, 2, unlisten, "a");
    in_node(w, 1, publish, &p);
    pass_time(w, 100 * LG_MS);
    CU_ASSERT_STRING_EQUAL(w->n[2].heard, "b=2/0 ");
    in_node(w, 2, unlisten, NULL);
    const lg_list *pos = NULL;
    CU_ASSERT_PTR_NULL(lg_notify_next_channel(&w->n[2].listener, &pos));
    world_free(w);
}
