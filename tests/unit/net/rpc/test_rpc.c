/* Members of a small cluster on the simulated network, and the essentials again on TCP. */
#include "lg_test.h"
#include "mem.h"
#include "rpc.h"
#include "simnet.h"
#include "transport.h"
#include <stdio.h>
#include <string.h>

enum { ECHO, NOTE, FORWARD, KEEP, PING_ANY, LATER, TYPES };

static const lg_rpc_type types[TYPES] = {
    [ECHO] = {"echo", 0},
    [NOTE] = {"note", 0},
    [FORWARD] = {"forward", 0},
    [KEEP] = {"keep", 0},
    [PING_ANY] = {"ping", LG_RPC_ANY_EPOCH},
    [LATER] = {"later", 0}, /* nobody handles it */
};

#define MAX_MEMBERS 3
#define MAX_KEPT    64

struct member {
    lg_run *run;
    lg_rpc *rpc;
    lg_scn_clock scn;
    uint64_t incarnation;
    unsigned ups, downs;
    lg_status why;
    uint64_t notes, note_errors, last_note;
    lg_rpc_msg *kept[MAX_KEPT];
    unsigned kept_count;
    bool holding; /* the KEEP handler keeps messages */
    struct world *w;
};

struct world {
    const char *kind;
    lg_sim *sim; /* NULL: real, one worker for all */
    lg_heap *heap;
    struct member m[MAX_MEMBERS + 1]; /* by node number */
    unsigned count;
    uint32_t credits;
    void (*body)(struct world *w);
    bool done;
};

static void
on_echo(void *arg, lg_rpc_msg *m)
{
    struct member *me = arg;
    (void)!lg_rpc_reply(me->rpc, &m->token, LG_OK, m->payload, m->payload_len, m->body,
                        m->body_len);
}

static void
on_note(void *arg, lg_rpc_msg *m)
{
    struct member *me = arg;
    uint64_t seq;
    memcpy(&seq, m->payload, sizeof seq);
    me->note_errors += seq != me->last_note + 1;
    me->last_note = seq;
    me->notes++;
}

/* Hands the call on to node 3, which answers the caller directly. */
static void
on_forward(void *arg, lg_rpc_msg *m)
{
    struct member *me = arg;
    if (lg_rpc_node(me->rpc) == 3) {
        lg_rpc_token t;
        memcpy(&t, m->payload, sizeof t);
        uint8_t block[8192];
        memset(block, 0x5a, sizeof block);
        CU_ASSERT_EQUAL(lg_rpc_reply(me->rpc, &t, LG_OK, "three", 6, block, sizeof block), LG_OK);
        return;
    }
    CU_ASSERT_EQUAL(lg_rpc_send(me->rpc, 3, FORWARD, &m->token, sizeof m->token, NULL, 0), LG_OK);
}

static void
on_keep(void *arg, lg_rpc_msg *m)
{
    struct member *me = arg;
    me->notes++;
    if (!me->holding || me->kept_count == MAX_KEPT)
        return;
    lg_rpc_msg_take(m);
    me->kept[me->kept_count++] = m;
}

static void
on_up(void *arg, uint32_t node, uint64_t incarnation)
{
    (void)node;
    (void)incarnation;
    ((struct member *)arg)->ups++;
}

static void
on_lost(void *arg, uint32_t node, uint64_t incarnation, lg_status why)
{
    (void)node;
    (void)incarnation;
    ((struct member *)arg)->downs++;
    ((struct member *)arg)->why = why;
}

static void
member_start(struct world *w, unsigned n, const char *key)
{
    struct member *m = &w->m[n];
    *m = (struct member){.run = m->run, .incarnation = m->incarnation + 1, .w = w};
    if (w->sim) {
        lg_run_config rc = {.name = "m", .sim = w->sim, .sim_node = n, .heap = w->heap};
        LG_ASSERT_OK(lg_run_create(&rc, &m->run));
    }
    char address[64];
    snprintf(address, sizeof address, w->sim ? "sim:%u:7" : "127.0.0.1:0", n);
    if (strcmp(w->kind, "shm") == 0)
        snprintf(address, sizeof address, "rpctest%u", n);
    lg_rpc_config cfg = {.run = m->run,
                         .scn = &m->scn,
                         .transport = w->kind,
                         .address = address,
                         .node = n,
                         .incarnation = m->incarnation,
                         .key = key,
                         .key_len = strlen(key),
                         .types = types,
                         .type_count = TYPES,
                         .credits = w->credits,
                         .max_calls = 64,
                         .max_queue = 512,
                         .silence_ns = 3 * LG_SEC,
                         .arg = m,
                         .on_peer_up = on_up,
                         .on_peer_down = on_lost};
    LG_ASSERT_OK(lg_rpc_create(&cfg, &m->rpc));
    lg_rpc_handle(m->rpc, ECHO, on_echo, m);
    lg_rpc_handle(m->rpc, PING_ANY, on_echo, m);
    lg_rpc_handle(m->rpc, NOTE, on_note, m);
    lg_rpc_handle(m->rpc, FORWARD, on_forward, m);
    lg_rpc_handle(m->rpc, KEEP, on_keep, m);
}

/* Gives one member the view of `epoch` with the members in the bit mask. */
static void
view_to(struct world *w, unsigned n, uint64_t epoch, unsigned mask)
{
    lg_rpc_member v[MAX_MEMBERS];
    unsigned count = 0;
    for (unsigned i = 1; i <= w->count; i++)
        if (mask & 1u << i)
            v[count++] = (lg_rpc_member){i, w->m[i].incarnation,
                                         w->m[i].rpc ? lg_rpc_address(w->m[i].rpc) : "sim:9:9"};
    LG_ASSERT_OK(lg_rpc_set_view(w->m[n].rpc, epoch, v, count));
}

static void
view_all(struct world *w, uint64_t epoch, unsigned mask)
{
    for (unsigned i = 1; i <= w->count; i++)
        if (mask & 1u << i)
            view_to(w, i, epoch, mask);
}

static lg_run *
here(void)
{
    return lg_fiber_run(lg_fiber_self());
}

static void
pause_a_little(void)
{
    (void)!lg_fiber_sleep_until(lg_run_now_exact_ns(here()) + LG_MS / 2, LG_WAIT_SLEEP);
}

static lg_time
in_ms(uint64_t ms)
{
    return lg_run_now_exact_ns(here()) + ms * LG_MS;
}

#define WAIT_FOR(cond)                                                                             \
    do {                                                                                           \
        for (int wait_i_ = 0; wait_i_ < 20000 && !(cond); wait_i_++)                               \
            pause_a_little();                                                                      \
        CU_ASSERT(cond);                                                                           \
    } while (0)

static void
body_fiber(void *arg)
{
    struct world *w = arg;
    w->body(w);
    w->done = true;
    if (!w->sim)
        lg_run_stop(w->m[1].run);
}

static bool
is_done(void *arg)
{
    return ((struct world *)arg)->done;
}

/* The body runs as a fiber of node 1. */
static void
with_world_of(const char *kind, unsigned count, uint32_t credits, uint64_t seed,
              void (*body)(struct world *w))
{
    lg_heap *heap = lg_heap_create();
    lg_heap *outer = lg_heap_switch(heap);
    struct world *w = lg_zalloc(sizeof *w);
    bool sim = strcmp(kind, "sim") == 0;
    w->kind = kind;
    w->heap = heap;
    w->count = count;
    w->credits = credits;
    w->body = body;
    lg_run *run = NULL;
    if (sim) {
        LG_ASSERT_OK(lg_sim_create(seed, &w->sim));
    } else {
        lg_run_config rc = {.name = "rpc", .heap = heap};
        LG_ASSERT_OK(lg_run_create(&rc, &run));
    }
    for (unsigned i = 1; i <= count; i++) {
        w->m[i].run = run;
        member_start(w, i, "the key");
    }
    LG_ASSERT_OK(lg_run_spawn(w->m[1].run, "body", 0, body_fiber, w, NULL));
    LG_ASSERT_OK(sim ? lg_sim_run(w->sim, is_done, w, 1000 * LG_SEC) : lg_run_loop(run));
    for (unsigned i = 1; i <= count; i++) {
        lg_rpc_destroy(w->m[i].rpc);
        if (sim && w->m[i].run)
            lg_run_destroy(w->m[i].run);
    }
    if (run)
        lg_run_destroy(run);
    if (w->sim)
        lg_sim_destroy(w->sim);
    lg_free(w);
    (void)lg_heap_switch(outer);
    lg_heap_destroy(heap);
}

static lg_status
call(struct world *w, uint32_t to, uint16_t type, uint64_t ms, lg_rpc_msg **ret)
{
    lg_rpc_request rq = {
        .node = to, .type = type, .payload = "hello", .payload_len = 6, .deadline = in_ms(ms)};
    return lg_rpc_call(w->m[1].rpc, &rq, ret);
}

/* ---- calls ---- */

static void
body_call(struct world *w)
{
    view_all(w, 1, 6);
    lg_rpc_msg *r;
    LG_ASSERT_OK(call(w, 2, ECHO, 5000, &r));
    CU_ASSERT_STRING_EQUAL(r->payload, "hello");
    CU_ASSERT_EQUAL(r->node, 2);
    lg_rpc_msg_free(r);

    static uint8_t block[8192], frame[8192];
    for (unsigned i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)(i * 7);
    char big[LG_RPC_MAX_PAYLOAD];
    memset(big, 'b', sizeof big);
    lg_rpc_request rq = {.node = 2,
                         .type = ECHO,
                         .payload = big,
                         .payload_len = sizeof big,
                         .body = block,
                         .body_len = sizeof block,
                         .reply_body = frame,
                         .reply_body_cap = sizeof frame,
                         .deadline = in_ms(5000)};
    LG_ASSERT_OK(lg_rpc_call(w->m[1].rpc, &rq, &r));
    CU_ASSERT_PTR_EQUAL(r->body, frame);
    CU_ASSERT_EQUAL(memcmp(frame, block, sizeof block), 0);
    CU_ASSERT_EQUAL(r->payload_len, sizeof big);
    lg_rpc_msg_free(r);
    CU_ASSERT_EQUAL(lg_rpc_counters(w->m[2].rpc, ECHO)->received, 2);
    CU_ASSERT_EQUAL(w->m[1].ups, 1);
}

LG_TEST(test_rpc__call_sim)
{
    with_world_of("sim", 2, 0, 1, body_call);
}
LG_TEST(test_rpc__call_tcp)
{
    with_world_of("tcp", 2, 0, 1, body_call);
}
LG_TEST(test_rpc__call_shm)
{
    with_world_of("shm", 2, 0, 1, body_call);
}
LG_TEST(test_rpc__call_ucx)
{
    with_world_of("ucx", 2, 0, 1, body_call);
}

static void
body_self(struct world *w)
{
    view_all(w, 1, 6);
    uint64_t one = 1;
    LG_ASSERT_OK(lg_rpc_send(w->m[1].rpc, 1, NOTE, &one, sizeof one, NULL, 0));
    CU_ASSERT_EQUAL(w->m[1].notes, 0); /* asynchronous */
    LG_ASSERT_OK(call(w, 1, ECHO, 1000, NULL));
    CU_ASSERT_EQUAL(w->m[1].notes, 1);
}

LG_TEST(test_rpc__loop_back)
{
    with_world_of("sim", 2, 0, 2, body_self);
}

static void
body_forward(struct world *w)
{
    view_all(w, 1, 14);
    static uint8_t frame[8192];
    lg_rpc_msg *r;
    lg_rpc_request rq = {.node = 2,
                         .type = FORWARD,
                         .reply_body = frame,
                         .reply_body_cap = sizeof frame,
                         .deadline = in_ms(5000)};
    LG_ASSERT_OK(lg_rpc_call(w->m[1].rpc, &rq, &r));
    CU_ASSERT_EQUAL(r->node, 3);
    CU_ASSERT_STRING_EQUAL(r->payload, "three");
    CU_ASSERT_EQUAL(frame[8191], 0x5a);
    lg_rpc_msg_free(r);
}

LG_TEST(test_rpc__third_member_replies)
{
    with_world_of("sim", 3, 0, 3, body_forward);
}
LG_TEST(test_rpc__third_member_replies_tcp)
{
    with_world_of("tcp", 3, 0, 3, body_forward);
}

struct async {
    unsigned called;
    lg_status st;
};

static void
async_done(void *arg, lg_status st, lg_rpc_msg *reply)
{
    struct async *a = arg;
    CU_ASSERT_PTR_NULL(lg_fiber_self());
    CU_ASSERT((reply != NULL) == (st == LG_OK));
    a->called++;
    a->st = st;
}

static void
body_async(struct world *w)
{
    view_all(w, 1, 6);
    struct async a = {0}, b = {0}, c = {0};
    uint64_t id;
    lg_rpc_request rq = {.node = 2, .type = ECHO, .deadline = LG_FOREVER};
    LG_ASSERT_OK(lg_rpc_call_async(w->m[1].rpc, &rq, async_done, &a, NULL));
    LG_ASSERT_OK(lg_rpc_call_async(w->m[1].rpc, &rq, async_done, &b, &id));
    lg_rpc_call_abandon(w->m[1].rpc, id);
    WAIT_FOR(a.called == 1);
    CU_ASSERT_EQUAL(a.st, LG_OK);
    rq.type = KEEP; /* never replies */
    rq.deadline = in_ms(20);
    LG_ASSERT_OK(lg_rpc_call_async(w->m[1].rpc, &rq, async_done, &c, NULL));
    WAIT_FOR(c.called == 1);
    CU_ASSERT_EQUAL(c.st, LG_TIMEOUT);
    CU_ASSERT_EQUAL(b.called, 0);
    CU_ASSERT_EQUAL(call(w, 2, KEEP, 20, NULL), LG_TIMEOUT);
    CU_ASSERT_EQUAL(call(w, 2, LATER, 5000, NULL), LG_NOT_OPEN);
    CU_ASSERT_EQUAL(call(w, 1, LATER, 5000, NULL), LG_NOT_OPEN);
    CU_ASSERT_EQUAL(w->m[1].downs, 0);
}

LG_TEST(test_rpc__asynchronous_calls)
{
    with_world_of("sim", 2, 0, 4, body_async);
}

/* ---- order and credits ---- */

static void
body_credits(struct world *w)
{
    view_all(w, 1, 6);
    for (uint64_t i = 1; i <= 3000; i++) {
        LG_ASSERT_OK(lg_rpc_throttle(w->m[1].rpc, 2, in_ms(5000)));
        LG_ASSERT_OK(lg_rpc_send(w->m[1].rpc, 2, NOTE, &i, sizeof i, NULL, 0));
    }
    WAIT_FOR(w->m[2].notes == 3000);
    CU_ASSERT_EQUAL(w->m[2].note_errors, 0);
    lg_rpc_peer_info info;
    unsigned pos = 0;
    CU_ASSERT(lg_rpc_peer_next(w->m[1].rpc, &pos, &info));
    CU_ASSERT(info.credit_waits > 0);
}

LG_TEST(test_rpc__order_under_credits)
{
    with_world_of("sim", 2, 8, 5, body_credits);
}
LG_TEST(test_rpc__order_under_credits_tcp)
{
    with_world_of("tcp", 2, 8, 5, body_credits);
}
LG_TEST(test_rpc__order_under_credits_shm)
{
    with_world_of("shm", 2, 8, 5, body_credits);
}
LG_TEST(test_rpc__order_under_credits_ucx)
{
    with_world_of("ucx", 2, 8, 5, body_credits);
}

static void
body_taken(struct world *w)
{
    view_all(w, 1, 6);
    w->m[2].holding = true;
    for (unsigned i = 0; i < 20; i++)
        LG_ASSERT_OK(lg_rpc_send(w->m[1].rpc, 2, KEEP, "x", 1, NULL, 0));
    WAIT_FOR(w->m[2].kept_count == 8);
    for (unsigned i = 0; i < 50; i++)
        pause_a_little();
    CU_ASSERT_EQUAL(w->m[2].kept_count, 8); /* all credits are held */
    w->m[2].holding = false;
    for (unsigned i = 0; i < 8; i++)
        lg_rpc_msg_free(w->m[2].kept[i]);
    WAIT_FOR(w->m[2].notes == 20);
}

LG_TEST(test_rpc__taken_messages_hold_credit)
{
    with_world_of("sim", 2, 8, 6, body_taken);
}

static void
body_overflow(struct world *w)
{
    view_all(w, 1, 6);
    LG_ASSERT_OK(call(w, 2, ECHO, 5000, NULL));
    w->m[2].holding = true;
    lg_status st = LG_OK;
    unsigned sent = 0;
    for (; st == LG_OK && sent < 5000; sent++)
        st = lg_rpc_send(w->m[1].rpc, 2, KEEP, "x", 1, NULL, 0);
    CU_ASSERT_EQUAL(st, LG_PEER_DOWN); /* reported, not dropped silently */
    CU_ASSERT(sent > 500 && sent < 600);
    CU_ASSERT_EQUAL(w->m[1].downs, 1);
    CU_ASSERT_EQUAL(w->m[1].why, LG_LIMIT);
    for (unsigned i = 0; i < w->m[2].kept_count; i++)
        lg_rpc_msg_free(w->m[2].kept[i]);
}

LG_TEST(test_rpc__overfull_queue_breaks_the_peer)
{
    with_world_of("sim", 2, 8, 7, body_overflow);
}

/* ---- key, epochs, loss ---- */

static void
body_wrong_key(struct world *w)
{
    lg_rpc_destroy(w->m[2].rpc);
    w->m[2].rpc = NULL;
    lg_run_destroy(w->m[2].run);
    member_start(w, 2, "another key");
    view_all(w, 1, 6);
    CU_ASSERT_EQUAL(call(w, 2, ECHO, 300, NULL), LG_TIMEOUT);
    CU_ASSERT_EQUAL(w->m[1].ups + w->m[2].ups, 0);
    CU_ASSERT_EQUAL(w->m[1].why, LG_AUTH);
    CU_ASSERT_EQUAL(lg_rpc_counters(w->m[2].rpc, ECHO)->received, 0);
}

LG_TEST(test_rpc__wrong_key_is_refused)
{
    with_world_of("sim", 2, 0, 8, body_wrong_key);
}

static void
body_epochs(struct world *w)
{
    view_all(w, 1, 6);
    LG_ASSERT_OK(call(w, 2, ECHO, 5000, NULL));
    /* node 2 is ahead: ours is stale there, and we are told */
    view_to(w, 2, 2, 6);
    CU_ASSERT_EQUAL(call(w, 2, ECHO, 5000, NULL), LG_STALE_EPOCH);
    LG_ASSERT_OK(call(w, 2, PING_ANY, 5000, NULL));
    /* node 2's message waits here until the view comes */
    uint64_t one = 1;
    LG_ASSERT_OK(lg_rpc_send(w->m[2].rpc, 1, NOTE, &one, sizeof one, NULL, 0));
    WAIT_FOR(lg_rpc_counters(w->m[1].rpc, NOTE)->held == 1);
    CU_ASSERT_EQUAL(w->m[1].notes, 0);
    view_to(w, 1, 2, 6);
    WAIT_FOR(w->m[1].notes == 1);
    LG_ASSERT_OK(call(w, 2, ECHO, 5000, NULL));
    CU_ASSERT_EQUAL(lg_rpc_counters(w->m[2].rpc, ECHO)->dropped_stale, 1);
    lg_rpc_member none = {0};
    CU_ASSERT_EQUAL(lg_rpc_set_view(w->m[1].rpc, 1, &none, 0), LG_INVALID);
}

LG_TEST(test_rpc__epochs)
{
    with_world_of("sim", 2, 0, 9, body_epochs);
}

static void
body_scn(struct world *w)
{
    view_all(w, 1, 6);
    w->m[2].scn.now = 777;
    LG_ASSERT_OK(call(w, 2, ECHO, 5000, NULL));
    CU_ASSERT_EQUAL(w->m[1].scn.now, 777);
}

LG_TEST(test_rpc__scn_is_observed)
{
    with_world_of("sim", 2, 0, 10, body_scn);
}

static void
change_view(void *arg)
{
    struct world *w = arg;
    pause_a_little();
    view_to(w, 1, 2, 2);
}

static void
body_leave(struct world *w)
{
    view_all(w, 1, 6);
    LG_ASSERT_OK(call(w, 2, ECHO, 5000, NULL));
    LG_ASSERT_OK(lg_run_spawn(here(), "view", 0, change_view, w, NULL));
    CU_ASSERT_EQUAL(call(w, 2, KEEP, 60000, NULL), LG_PEER_DOWN);
    CU_ASSERT_EQUAL(call(w, 2, ECHO, 5000, NULL), LG_PEER_DOWN);
    CU_ASSERT_EQUAL(lg_rpc_send(w->m[1].rpc, 2, NOTE, "x", 1, NULL, 0), LG_PEER_DOWN);
    CU_ASSERT_FALSE(lg_rpc_peer_in_view(w->m[1].rpc, 2));
}

LG_TEST(test_rpc__departed_fail_at_once)
{
    with_world_of("sim", 2, 0, 11, body_leave);
}

static void
break_soon(void *arg)
{
    struct world *w = arg;
    pause_a_little();
    lg_simnet_break(w->sim, 1, 2);
}

static void
body_broken(struct world *w)
{
    view_all(w, 1, 6);
    LG_ASSERT_OK(call(w, 2, ECHO, 5000, NULL));
    LG_ASSERT_OK(lg_run_spawn(here(), "break", 0, break_soon, w, NULL));
    CU_ASSERT_EQUAL(call(w, 2, KEEP, 60000, NULL), LG_PEER_DOWN);
    CU_ASSERT_EQUAL(w->m[1].downs, 1);
    WAIT_FOR(lg_rpc_peer_connected(w->m[1].rpc, 2));             /* redialled */
    CU_ASSERT_EQUAL(call(w, 2, ECHO, 5000, NULL), LG_PEER_DOWN); /* not in this epoch */
    LG_ASSERT_OK(call(w, 2, PING_ANY, 5000, NULL));
    WAIT_FOR(lg_rpc_peer_connected(w->m[2].rpc, 1));
    view_all(w, 2, 6);
    LG_ASSERT_OK(call(w, 2, ECHO, 5000, NULL));
}

LG_TEST(test_rpc__broken_until_next_epoch)
{
    with_world_of("sim", 2, 0, 12, body_broken);
}

/* A network that swallows everything and breaks nothing. */
static void
body_silence(struct world *w)
{
    lg_simnet_knobs k;
    lg_simnet_get(w->sim, &k);
    k.break_after_ns = 1000 * LG_SEC;
    lg_simnet_set(w->sim, &k);
    view_all(w, 1, 6);
    LG_ASSERT_OK(call(w, 2, ECHO, 5000, NULL));
    (void)!lg_fiber_sleep_until(in_ms(20000), LG_WAIT_SLEEP);
    CU_ASSERT_EQUAL(w->m[1].downs + w->m[2].downs, 0); /* nobody has said anything, all live */
    lg_time cut_at = lg_run_now_exact_ns(here());
    lg_simnet_cut(w->sim, 1, 2, true);
    CU_ASSERT_EQUAL(call(w, 2, ECHO, 60000, NULL), LG_PEER_DOWN);
    lg_time took = lg_run_now_exact_ns(here()) - cut_at;
    CU_ASSERT(took > 2 * LG_SEC && took < 4 * LG_SEC);
    WAIT_FOR(w->m[2].downs == 1);
    CU_ASSERT_EQUAL(w->m[1].why, LG_TIMEOUT);
    CU_ASSERT(!lg_rpc_peer_connected(w->m[1].rpc, 2));
    lg_simnet_cut(w->sim, 1, 2, false);
    WAIT_FOR(lg_rpc_peer_connected(w->m[1].rpc, 2) && lg_rpc_peer_connected(w->m[2].rpc, 1));
    view_all(w, 2, 6);
    LG_ASSERT_OK(call(w, 2, ECHO, 5000, NULL));
}

LG_TEST(test_rpc__silence_is_a_loss)
{
    with_world_of("sim", 2, 0, 18, body_silence);
}

static void
body_restart(struct world *w)
{
    view_all(w, 1, 6);
    LG_ASSERT_OK(call(w, 2, ECHO, 5000, NULL));
    lg_run_destroy(w->m[2].run); /* SIGKILL: its rpc is never destroyed */
    WAIT_FOR(w->m[1].downs == 1);
    member_start(w, 2, "the key");
    view_all(w, 2, 6);
    LG_ASSERT_OK(call(w, 2, ECHO, 5000, NULL));
    LG_ASSERT_OK(call(w, 2, ECHO, 5000, NULL));
}

LG_TEST(test_rpc__restart_is_another_incarnation)
{
    with_world_of("sim", 2, 0, 13, body_restart);
}

/* A joiner dials before we know the view in which it is: its messages wait for it. */
static void
body_early(struct world *w)
{
    view_to(w, 2, 5, 6 | 8);
    view_to(w, 3, 5, 6 | 8);
    uint64_t one = 1;
    LG_ASSERT_OK(lg_rpc_send(w->m[2].rpc, 3, NOTE, &one, sizeof one, NULL, 0));
    view_to(w, 1, 4, 2 | 4);
    WAIT_FOR(w->m[3].notes == 1);
    view_to(w, 1, 5, 6 | 8);
    LG_ASSERT_OK(call(w, 3, ECHO, 5000, NULL));
}

LG_TEST(test_rpc__early_connections)
{
    with_world_of("sim", 3, 0, 14, body_early);
}

/* ---- strangers: random and mutated frames over bare links ---- */

static void
stranger_open(void *arg, lg_link *l, bool outgoing)
{
    (void)outgoing;
    *(lg_link **)arg = l;
}

static void
stranger_message(void *arg, lg_link *l, lg_netbuf *b)
{
    (void)arg;
    (void)l;
    lg_netbuf_put(b);
}

static void
stranger_down(void *arg, lg_link *l, lg_status why)
{
    (void)why;
    *(lg_link **)arg = NULL;
    lg_link_close(l);
}

static void
garbage(struct world *w, lg_netbuf *b, unsigned round)
{
    b->len = 1 + (uint32_t)(lg_sim_random(w->sim) % 300);
    for (uint32_t i = 0; i < b->len; i++)
        b->data[i] = (uint8_t)lg_sim_random(w->sim);
    if (round % 2 == 0 && b->len >= 4) { /* nearly right: a control or data type, short lengths */
        b->data[0] = (uint8_t)(round % 6);
        b->data[1] = round % 4 ? 0xff : 0;
        b->data[2] = b->data[3] = 0;
    }
}

static void
body_strangers(struct world *w)
{
    view_all(w, 1, 6);
    LG_ASSERT_OK(call(w, 2, ECHO, 5000, NULL));
    lg_link *l = NULL;
    lg_transport *t;
    lg_transport_config tc = {.run = w->m[1].run,
                              .kind = "sim",
                              .address = "sim:1:99",
                              .small_buffers = 64,
                              .block_buffers = 8,
                              .large_buffers = 8,
                              .events = {&l, stranger_open, stranger_message, stranger_down}};
    LG_ASSERT_OK(lg_transport_create(&tc, &t));
    for (unsigned round = 0; round < 300; round++) {
        if (!l) {
            lg_link *unused;
            LG_ASSERT_OK(lg_transport_connect(t, "sim:2:7", NULL, &unused));
            WAIT_FOR(l != NULL);
        }
        lg_netbuf *b = lg_netbuf_get(t, 400);
        if (!b) {
            pause_a_little();
            continue;
        }
        garbage(w, b, round);
        (void)!lg_link_send(l, b, 0, NULL);
        if (round % 5 == 0)
            pause_a_little();
    }
    lg_transport_destroy(t);
    LG_ASSERT_OK(call(w, 2, ECHO, 5000, NULL)); /* members do not notice */
    CU_ASSERT_EQUAL(lg_rpc_counters(w->m[2].rpc, ECHO)->received, 2);
    CU_ASSERT_EQUAL(w->m[2].downs, 0);
}

LG_TEST(test_rpc__strangers_are_turned_away)
{
    for (uint64_t seed = 300; seed < 306; seed++)
        with_world_of("sim", 2, 0, seed, body_strangers);
}

/* ---- many seeds: notes between 1 and 2 over a network that breaks; per epoch no gap, no reorder,
 * and what was lost was reported ---- */

static void
body_soak(struct world *w)
{
    lg_simnet_knobs k;
    lg_simnet_get(w->sim, &k);
    k.break_per_million = 3000;
    lg_simnet_set(w->sim, &k);
    uint64_t epoch = 1, seq = 0;
    view_all(w, epoch, 6);
    for (unsigned i = 0; i < 1500; i++) {
        lg_status st = lg_rpc_throttle(w->m[1].rpc, 2, in_ms(3000));
        if (st == LG_OK) {
            seq++;
            st = lg_rpc_send(w->m[1].rpc, 2, NOTE, &seq, sizeof seq, NULL, 0);
        }
        if (i % 40 == 39)
            pause_a_little();
        if (st == LG_OK)
            continue;
        CU_ASSERT_EQUAL(st, LG_PEER_DOWN);
        CU_ASSERT_EQUAL(w->m[2].note_errors, 0);
        view_all(w, ++epoch, 6);
        seq = w->m[2].last_note; /* nothing of the old epoch arrives any more */
    }
    k.break_per_million = 0;
    lg_simnet_set(w->sim, &k);
    view_all(w, ++epoch, 6);
    seq = w->m[2].last_note + 1;
    lg_status st = lg_rpc_send(w->m[1].rpc, 2, NOTE, &seq, sizeof seq, NULL, 0);
    for (int i = 0; st == LG_OK && w->m[2].last_note != seq && i < 4000; i++) {
        pause_a_little();
        lg_rpc_peer_info info;
        unsigned pos = 0;
        if (lg_rpc_peer_next(w->m[1].rpc, &pos, &info) && info.broken) {
            view_all(w, ++epoch, 6); /* the last break was found out only now */
            st = lg_rpc_send(w->m[1].rpc, 2, NOTE, &seq, sizeof seq, NULL, 0);
        }
    }
    CU_ASSERT_EQUAL(w->m[2].last_note, seq);
    CU_ASSERT_EQUAL(w->m[2].note_errors, 0);
}

LG_TEST(test_rpc__soak)
{
    for (uint64_t seed = 100; seed < 112; seed++)
        with_world_of("sim", 2, 16, seed, body_soak);
}
