/* The same promises on every fabric: order, content, reported ends, waking a sleeping worker. */
#include "lg_test.h"
#include "mem.h"
#include "simnet.h"
#include "transport.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct side {
    lg_transport *t;
    lg_link *l; /* the newest link */
    unsigned opened, down, received, bad;
    lg_status why;
    uint32_t next_seq;
    bool echo;
    bool close_at_first;
    lg_run *run;
    unsigned stop_at; /* received */
};

static uint32_t
size_of(uint32_t seq)
{
    static const uint32_t sizes[] = {8, 100, 511, 8192 + 64, 4000, 24000, 16};
    return sizes[seq % 7];
}

static void
fill(lg_netbuf *b, uint32_t seq)
{
    b->len = size_of(seq);
    memset(b->data, (int)(seq & 0xff), b->len);
    memcpy(b->data, &seq, 4);
}

static bool
good(const lg_netbuf *b, uint32_t seq)
{
    uint32_t got;
    memcpy(&got, b->data, 4);
    if (got != seq || b->len != size_of(seq))
        return false;
    for (uint32_t i = 4; i < b->len; i++)
        if (b->data[i] != (seq & 0xff))
            return false;
    return true;
}

static void
on_open(void *arg, lg_link *l, bool outgoing)
{
    struct side *s = arg;
    (void)outgoing;
    s->opened++;
    s->l = l;
}

static void
on_message(void *arg, lg_link *l, lg_netbuf *b)
{
    struct side *s = arg;
    s->bad += !good(b, s->next_seq++);
    s->received++;
    if (s->close_at_first) {
        lg_link_close(l);
        s->l = NULL;
    } else if (s->echo) {
        lg_netbuf *r = lg_netbuf_get(s->t, b->len);
        r->len = b->len;
        memcpy(r->data, b->data, b->len);
        s->bad += lg_link_send(l, r, 0, NULL) != LG_OK;
    }
    lg_netbuf_put(b);
    if (s->stop_at && s->received == s->stop_at)
        lg_run_stop(s->run);
}

static void
on_down(void *arg, lg_link *l, lg_status why)
{
    struct side *s = arg;
    s->down++;
    s->why = why;
    lg_link_close(l);
    s->l = NULL;
    if (s->stop_at)
        lg_run_stop(s->run);
}

static const char *
address_of(const char *kind, unsigned n, char *buf, size_t size)
{
    if (strcmp(kind, "sim") == 0)
        snprintf(buf, size, "sim:%u:70", n);
    else if (strcmp(kind, "shm") == 0)
        snprintf(buf, size, "lgtest-%d-%u", (int)getpid(), n);
    else
        snprintf(buf, size, "127.0.0.1:0");
    return buf;
}

static void
side_create(struct side *s, lg_run *run, const char *kind, unsigned n)
{
    char addr[64];
    s->run = run;
    lg_transport_config cfg = {.run = run,
                               .kind = kind,
                               .address = address_of(kind, n, addr, sizeof addr),
                               .small_buffers = 256,
                               .block_buffers = 64,
                               .large_buffers = 128,
                               .events = {s, on_open, on_message, on_down}};
    LG_ASSERT_OK(lg_transport_create(&cfg, &s->t));
}

/* ---- two sides on one worker; the body runs as a fiber ---- */

struct pair {
    const char *kind;
    lg_sim *sim;
    lg_run *run[2]; /* the same one when real */
    struct side a, b;
    void (*body)(struct pair *p);
    bool done;
};

static void
pause_a_little(void)
{
    lg_run *r = lg_fiber_run(lg_fiber_self());
    (void)!lg_fiber_sleep_until(lg_run_now_ns(r) + LG_MS / 2, LG_WAIT_SLEEP);
}

#define WAIT_FOR(cond)                                                                             \
    do {                                                                                           \
        for (int wait_i_ = 0; wait_i_ < 20000 && !(cond); wait_i_++)                               \
            pause_a_little();                                                                      \
        CU_ASSERT(cond);                                                                           \
    } while (0)

static void
pair_fiber(void *arg)
{
    struct pair *p = arg;
    p->body(p);
    p->done = true;
    if (!p->sim)
        lg_run_stop(p->run[0]);
}

static bool
pair_done(void *arg)
{
    return ((struct pair *)arg)->done;
}

static void
with_pair(const char *kind, void (*body)(struct pair *p))
{
    struct pair *p = lg_zalloc(sizeof *p);
    p->kind = kind;
    p->body = body;
    bool sim = strcmp(kind, "sim") == 0;
    if (sim)
        LG_ASSERT_OK(lg_sim_create(7, &p->sim));
    lg_heap *heap = sim ? lg_heap_create() : NULL; /* of what fibers and events allocate */
    lg_run_config rc = {.name = "t", .sim = p->sim, .sim_node = 1, .heap = heap};
    LG_ASSERT_OK(lg_run_create(&rc, &p->run[0]));
    p->run[1] = p->run[0];
    rc.sim_node = 2;
    if (sim)
        LG_ASSERT_OK(lg_run_create(&rc, &p->run[1]));
    side_create(&p->a, p->run[0], kind, 1);
    side_create(&p->b, p->run[1], kind, 2);
    LG_ASSERT_OK(lg_run_spawn(p->run[0], "body", 0, pair_fiber, p, NULL));
    LG_ASSERT_OK(sim ? lg_sim_run(p->sim, pair_done, p, 100 * LG_SEC) : lg_run_loop(p->run[0]));
    if (p->a.t)
        lg_transport_destroy(p->a.t);
    if (p->b.t)
        lg_transport_destroy(p->b.t);
    lg_run_destroy(p->run[0]);
    if (sim) {
        if (p->run[1])
            lg_run_destroy(p->run[1]);
        lg_sim_destroy(p->sim);
    }
    lg_heap_destroy(heap);
    lg_free(p);
}

static void
connect_ab(struct pair *p)
{
    LG_ASSERT_OK(lg_transport_connect(p->a.t, lg_transport_address(p->b.t), p, &p->a.l));
    CU_ASSERT_PTR_EQUAL(lg_link_user(p->a.l), p);
    WAIT_FOR(p->a.opened == 1 && p->b.opened == 1);
}

static void
send_seq(struct side *s, uint32_t seq)
{
    lg_netbuf *b;
    while (!(b = lg_netbuf_get(s->t, size_of(seq))))
        pause_a_little();
    fill(b, seq);
    LG_ASSERT_OK(lg_link_send(s->l, b, 0, NULL));
}

static void
body_echo(struct pair *p)
{
    connect_ab(p);
    p->b.echo = true;
    for (uint32_t i = 0; i < 500; i++) {
        send_seq(&p->a, i);
        if (i % 20 == 19)
            WAIT_FOR(p->a.received + 40 > i);
    }
    WAIT_FOR(p->a.received == 500);
    CU_ASSERT_EQUAL(p->a.bad, 0);
    CU_ASSERT_EQUAL(p->b.bad, 0);
    CU_ASSERT_EQUAL(p->b.received, 500);
}

static void
body_close(struct pair *p)
{
    connect_ab(p);
    for (uint32_t i = 0; i < 20; i++)
        send_seq(&p->a, i);
    WAIT_FOR(p->b.received == 20);
    lg_link_close(p->a.l);
    WAIT_FOR(p->b.down == 1);
    CU_ASSERT(p->b.why < 0);
    CU_ASSERT_EQUAL(p->a.down, 0);
    CU_ASSERT_EQUAL(p->b.bad, 0);
    /* and again, the other way round, from within a callback */
    p->b.next_seq = p->b.received = 0;
    LG_ASSERT_OK(lg_transport_connect(p->a.t, lg_transport_address(p->b.t), p, &p->a.l));
    WAIT_FOR(p->a.opened == 2 && p->b.opened == 2);
    p->b.close_at_first = true;
    send_seq(&p->a, 0);
    WAIT_FOR(p->a.down == 1);
}

static void
body_refused(struct pair *p)
{
    char address[128];
    snprintf(address, sizeof address, "%s", lg_transport_address(p->b.t));
    lg_transport_destroy(p->b.t);
    p->b.t = NULL;
    lg_link *l;
    lg_status st = lg_transport_connect(p->a.t, address, NULL, &l);
    if (st == LG_OK)
        WAIT_FOR(p->a.down == 1);
    CU_ASSERT_EQUAL(p->a.opened, 0);
}

LG_TEST(test_transport__sim_echo)
{
    with_pair("sim", body_echo);
}
LG_TEST(test_transport__sim_close)
{
    with_pair("sim", body_close);
}
LG_TEST(test_transport__sim_refused)
{
    with_pair("sim", body_refused);
}
LG_TEST(test_transport__tcp_echo)
{
    with_pair("tcp", body_echo);
}
LG_TEST(test_transport__tcp_close)
{
    with_pair("tcp", body_close);
}
LG_TEST(test_transport__tcp_refused)
{
    with_pair("tcp", body_refused);
}

LG_TEST(test_transport__shm_echo)
{
    with_pair("shm", body_echo);
}
LG_TEST(test_transport__shm_close)
{
    with_pair("shm", body_close);
}
LG_TEST(test_transport__shm_refused)
{
    with_pair("shm", body_refused);
}
LG_TEST(test_transport__ucx_echo)
{
    with_pair("ucx", body_echo);
}
LG_TEST(test_transport__ucx_close)
{
    with_pair("ucx", body_close);
}
LG_TEST(test_transport__ucx_refused)
{
    with_pair("ucx", body_refused);
}

/* ---- two threads, a worker each, which sleeps between messages ---- */

struct peer {
    pthread_t thread;
    struct side side;
    char address[128];
    const char *kind;
    pthread_barrier_t *ready;
};

static void *
echo_thread(void *arg)
{
    struct peer *p = arg;
    lg_run *r;
    lg_run_config rc = {.name = "echo", .spin_us = 1};
    LG_ASSERT_OK(lg_run_create(&rc, &r));
    side_create(&p->side, r, p->kind, 9);
    p->side.echo = true;
    p->side.stop_at = UINT32_MAX; /* stops when the link goes down */
    snprintf(p->address, sizeof p->address, "%s", lg_transport_address(p->side.t));
    pthread_barrier_wait(p->ready);
    LG_ASSERT_OK(lg_run_loop(r));
    lg_transport_destroy(p->side.t);
    lg_run_destroy(r);
    return NULL;
}

struct pinger {
    struct side side;
    const char *address;
};

static void
ping_fiber(void *arg)
{
    struct pinger *g = arg;
    struct side *s = &g->side;
    LG_ASSERT_OK(lg_transport_connect(s->t, g->address, NULL, &s->l));
    WAIT_FOR(s->opened == 1);
    for (uint32_t i = 0; i < 100; i++) {
        if (i % 10 == 0)
            pause_a_little(); /* both workers fall asleep */
        send_seq(s, i);
        WAIT_FOR(s->received == i + 1);
    }
    lg_link_close(s->l);
    pause_a_little();
    lg_run_stop(s->run);
}

static void
ping_pong(const char *kind)
{
    pthread_barrier_t ready;
    pthread_barrier_init(&ready, NULL, 2);
    struct peer *p = lg_zalloc(sizeof *p);
    p->kind = kind;
    p->ready = &ready;
    pthread_create(&p->thread, NULL, echo_thread, p);
    pthread_barrier_wait(&ready);
    lg_run *r;
    lg_run_config rc = {.name = "ping", .spin_us = 1};
    LG_ASSERT_OK(lg_run_create(&rc, &r));
    struct pinger *g = lg_zalloc(sizeof *g);
    g->address = p->address;
    side_create(&g->side, r, kind, 8);
    LG_ASSERT_OK(lg_run_spawn(r, "ping", 0, ping_fiber, g, NULL));
    LG_ASSERT_OK(lg_run_loop(r));
    lg_transport_destroy(g->side.t);
    lg_run_destroy(r);
    pthread_join(p->thread, NULL);
    CU_ASSERT_EQUAL(g->side.bad, 0);
    CU_ASSERT_EQUAL(g->side.received, 100);
    CU_ASSERT_EQUAL(p->side.down, 1);
    lg_free(g);
    lg_free(p);
    pthread_barrier_destroy(&ready);
}

LG_TEST(test_transport__tcp_wakes_sleepers)
{
    ping_pong("tcp");
}
LG_TEST(test_transport__shm_wakes_sleepers)
{
    ping_pong("shm");
}
LG_TEST(test_transport__ucx_wakes_sleepers)
{
    ping_pong("ucx");
}

/* ---- a process that is killed ---- */

static void
child_main(const char *kind, const char *address)
{
    lg_run *r;
    lg_run_config rc = {.name = "child"};
    if (lg_run_create(&rc, &r))
        _exit(3);
    struct pinger *g = lg_zalloc(sizeof *g);
    side_create(&g->side, r, kind, 5);
    if (lg_transport_connect(g->side.t, address, NULL, &g->side.l))
        _exit(4);
    (void)!lg_run_loop(r);
    _exit(5);
}

struct killer {
    struct side side;
    pid_t child;
    lg_timer timer;
};

static void
kill_child(void *arg)
{
    struct killer *k = arg;
    if (k->side.opened)
        kill(k->child, SIGKILL);
    else
        lg_timer_start(&k->timer, lg_run_now_ns(k->side.run) + LG_MS);
}

static void
process_death(const char *kind)
{
    int fds[2];
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    struct killer *k = lg_zalloc(sizeof *k);
    fflush(NULL);
    k->child = fork(); /* before this process opens a fabric: they do not survive a fork */
    if (k->child == 0) {
        char address[128] = "";
        if (read(fds[0], address, sizeof address) <= 0)
            _exit(2);
        child_main(kind, address);
    }
    lg_run *r;
    lg_run_config rc = {.name = "parent"};
    LG_ASSERT_OK(lg_run_create(&rc, &r));
    side_create(&k->side, r, kind, 4);
    k->side.stop_at = 1;
    CU_ASSERT(write(fds[1], lg_transport_address(k->side.t), 128) > 0);
    lg_timer_init(&k->timer, r, kill_child, k);
    lg_timer_start(&k->timer, lg_run_now_ns(r));
    LG_ASSERT_OK(lg_run_loop(r)); /* ends with on_down */
    CU_ASSERT_EQUAL(k->side.down, 1);
    lg_transport_destroy(k->side.t);
    lg_run_destroy(r);
    waitpid(k->child, NULL, 0);
    close(fds[0]);
    close(fds[1]);
    lg_free(k);
}

LG_TEST(test_transport__tcp_peer_killed)
{
    process_death("tcp");
}
LG_TEST(test_transport__shm_peer_killed)
{
    process_death("shm");
}
LG_TEST(test_transport__ucx_peer_killed)
{
    process_death("ucx");
}

/* ---- faults of the simulated network ---- */

static void
body_partition(struct pair *p)
{
    connect_ab(p);
    lg_simnet_cut(p->sim, 1, 2, true);
    send_seq(&p->a, 0);
    for (int i = 0; i < 1000; i++) /* half a second */
        pause_a_little();
    CU_ASSERT_EQUAL(p->b.received, 0);
    lg_simnet_cut(p->sim, 1, 2, false);
    WAIT_FOR(p->b.received == 1);
    lg_simnet_cut(p->sim, 1, 2, true);
    send_seq(&p->a, 1);
    WAIT_FOR(p->a.down == 1 && p->b.down == 1);
    CU_ASSERT_EQUAL(p->b.received, 1);
}

LG_TEST(test_transport__sim_partition_heals_or_breaks)
{
    with_pair("sim", body_partition);
}

static void
body_killed(struct pair *p)
{
    connect_ab(p);
    send_seq(&p->a, 0);
    lg_run_destroy(p->run[1]); /* without a word, as by SIGKILL */
    p->run[1] = NULL;
    WAIT_FOR(p->a.down == 1);
    CU_ASSERT_EQUAL(p->b.down, 0);
    LG_ASSERT_OK(lg_transport_connect(p->a.t, "sim:2:70", p, &p->a.l));
    WAIT_FOR(p->a.down == 2);
    lg_run_config rc = {.name = "t", .sim = p->sim, .sim_node = 2};
    LG_ASSERT_OK(lg_run_create(&rc, &p->run[1]));
    /* the dead one's memory: a heap in real life */
    struct side dead = p->b;
    memset(&p->b, 0, sizeof p->b);
    side_create(&p->b, p->run[1], "sim", 2);
    p->a.opened = 0;
    connect_ab(p);
    (void)dead;
}

LG_TEST(test_transport__sim_kill_and_restart)
{
    lg_heap *h = lg_heap_create(); /* frees what the killed side leaves */
    lg_heap *outer = lg_heap_switch(h);
    with_pair("sim", body_killed);
    (void)lg_heap_switch(outer);
    lg_heap_destroy(h);
}
