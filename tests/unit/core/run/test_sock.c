/* Sockets: the same conversation over TCP, a unix socket and in simulation. */
#include "lg_test.h"
#include "sim.h"
#include "sock.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BIG = 3 << 20 };

struct talk {
    lg_run *run;
    lg_sim *sim;
    char address[64];
    lg_sock *listener;
    lg_status st[4];
    int finished;
    int readable;
    lg_sock *idle;
    lg_fiber *fiber;
};

static void
finish(struct talk *t)
{
    if (++t->finished == 2 && !t->sim)
        lg_run_stop(t->run);
}

/* Echoes until the end of the stream. */
static void
server(void *arg)
{
    struct talk *t = arg;
    lg_sock *s;
    LG_ASSERT_OK(lg_sock_accept(t->listener, LG_FOREVER, &s));
    char *buf = lg_alloc(50000);
    size_t n;
    lg_status st;
    while ((st = lg_sock_read(s, buf, 50000, LG_FOREVER, &n)) == LG_OK)
        if ((st = lg_sock_write_all(s, buf, n, LG_FOREVER)) != LG_OK)
            break;
    t->st[0] = st;
    lg_free(buf);
    lg_sock_close(s);
    t->st[1] = lg_sock_accept(t->listener, lg_run_now_ns(t->run) + 2 * LG_MS, &s);
    lg_sock_close(t->listener);
    finish(t);
}

struct sender {
    lg_sock *s;
    lg_run *run;
    bool done;
};

static void
send_big(void *arg)
{
    struct sender *w = arg;
    char *buf = lg_alloc(BIG);
    for (int i = 0; i < BIG; i++)
        buf[i] = (char)(i * 7);
    LG_ASSERT_OK(lg_sock_write_all(w->s, buf, BIG, LG_FOREVER));
    lg_free(buf);
    w->done = true;
}

static void
client(void *arg)
{
    struct talk *t = arg;
    lg_sock *s;
    LG_ASSERT_OK(lg_sock_connect(t->run, t->address, LG_FOREVER, &s));
    CU_ASSERT(lg_sock_peer(s)[0] != 0);
    char small[16];
    size_t n;
    t->st[2] = lg_sock_read(s, small, sizeof small, lg_run_now_ns(t->run) + 2 * LG_MS, &n);
    struct sender w = {.s = s, .run = t->run};
    LG_ASSERT_OK(lg_run_spawn(t->run, "send", 0, send_big, &w, NULL));
    char *buf = lg_alloc(100000);
    size_t total = 0;
    bool same = true;
    while (total < BIG) {
        LG_ASSERT_OK(lg_sock_read(s, buf, 100000, LG_FOREVER, &n));
        for (size_t i = 0; i < n; i++)
            same &= buf[i] == (char)((total + i) * 7);
        total += n;
    }
    CU_ASSERT(same);
    CU_ASSERT_EQUAL(total, BIG);
    while (!w.done)
        lg_fiber_yield();
    lg_free(buf);
    lg_sock_close(s);
    finish(t);
}

static void
play(const char *address, bool simulated, void (*a)(void *), void (*b)(void *), struct talk *t)
{
    *t = (struct talk){0};
    snprintf(t->address, sizeof t->address, "%s", address);
    if (simulated)
        LG_ASSERT_OK(lg_sim_create(3, &t->sim));
    LG_ASSERT_OK(lg_run_create(&(lg_run_config){.name = "t", .sim = t->sim}, &t->run));
    LG_ASSERT_OK(lg_sock_listen(t->run, t->address, 10, &t->listener));
    LG_ASSERT_OK(lg_run_spawn(t->run, "a", 0, a, t, NULL));
    LG_ASSERT_OK(lg_run_spawn(t->run, "b", 0, b, t, &t->fiber));
    if (simulated)
        (void)!lg_sim_run(t->sim, NULL, NULL, 100 * LG_SEC);
    else
        LG_ASSERT_OK(lg_run_loop(t->run));
    CU_ASSERT_EQUAL(t->finished, 2);
    lg_run_destroy(t->run);
    lg_sim_destroy(t->sim);
}

static void
everywhere(void (*a)(void *), void (*b)(void *), void (*check)(struct talk *))
{
    struct talk t;
    char path[80], tcp[40];
    snprintf(path, sizeof path, "unix:/tmp/lg_test_sock.%d", (int)getpid());
    snprintf(tcp, sizeof tcp, "127.0.0.1:%d", 20000 + (int)getpid() % 10000);
    play(tcp, false, a, b, &t);
    check(&t);
    play(path, false, a, b, &t);
    check(&t);
    unlink(path + 5);
    play("sim:1:5440", true, a, b, &t);
    check(&t);
}

static void
check_echo(struct talk *t)
{
    CU_ASSERT_EQUAL(t->st[0], LG_CLOSED);
    CU_ASSERT_EQUAL(t->st[1], LG_TIMEOUT);
    CU_ASSERT_EQUAL(t->st[2], LG_TIMEOUT);
}

LG_TEST(test_sock__echo_big_with_timeouts)
{
    everywhere(server, client, check_echo);
}

/* ---- an address that is still in use ---- */

static void
holder(void *arg)
{
    struct talk *t = arg;
    (void)!lg_fiber_sleep_until(lg_run_now_ns(t->run) + 30 * LG_MS, LG_WAIT_SLEEP);
    lg_sock_close(t->listener);
    finish(t);
}

static void
successor(void *arg)
{
    struct talk *t = arg;
    lg_sock *s = NULL;
    t->st[0] = lg_sock_listen_wait(t->run, t->address, 1, lg_run_now_ns(t->run) + 5 * LG_MS, &s);
    t->st[1] = lg_sock_listen_wait(t->run, t->address, 1, lg_run_now_ns(t->run) + LG_SEC, &s);
    if (t->st[1] == LG_OK)
        lg_sock_close(s);
    finish(t);
}

LG_TEST(test_sock__listen_waits_for_an_earlier_life)
{
    struct talk t;
    char tcp[40];
    snprintf(tcp, sizeof tcp, "127.0.0.1:%d", 20000 + (int)getpid() % 10000);
    const char *const addresses[] = {tcp, "sim:1:5440"};
    for (int i = 0; i < 2; i++) {
        play(addresses[i], i == 1, holder, successor, &t);
        CU_ASSERT_EQUAL(t.st[0], LG_EXISTS);
        CU_ASSERT_EQUAL(t.st[1], LG_OK);
    }
}

/* ---- closing under a reader, cancel, idle callback, refused connections ---- */

static void
blocked_reader(void *arg)
{
    struct talk *t = arg;
    lg_sock *s;
    LG_ASSERT_OK(lg_sock_accept(t->listener, LG_FOREVER, &s));
    t->idle = s;
    char c;
    size_t n;
    t->st[0] = lg_sock_read(s, &c, 1, LG_FOREVER, &n);
    finish(t);
}

static void
closer(void *arg)
{
    struct talk *t = arg;
    lg_sock *s, *none;
    LG_ASSERT_OK(lg_sock_connect(t->run, t->address, LG_FOREVER, &s));
    while (!t->idle)
        (void)!lg_fiber_sleep_until(lg_run_now_ns(t->run) + LG_MS, LG_WAIT_SLEEP);
    (void)!lg_fiber_sleep_until(lg_run_now_ns(t->run) + LG_MS, LG_WAIT_SLEEP);
    lg_sock_close(t->idle);
    char c;
    size_t n;
    t->st[1] = lg_sock_read(s, &c, 1, LG_FOREVER, &n);
    lg_sock_close(s);
    lg_sock_close(t->listener);
    (void)!lg_fiber_sleep_until(lg_run_now_ns(t->run) + LG_MS, LG_WAIT_SLEEP);
    t->st[2] = lg_sock_connect(t->run, t->address, LG_FOREVER, &none);
    finish(t);
}

static void
check_close(struct talk *t)
{
    CU_ASSERT_EQUAL(t->st[0], LG_CLOSED);
    CU_ASSERT_EQUAL(t->st[1], LG_CLOSED);
    CU_ASSERT_EQUAL(t->st[2], LG_PEER_DOWN);
}

LG_TEST(test_sock__close_wakes_readers)
{
    everywhere(blocked_reader, closer, check_close);
}

static void
got_readable(void *arg)
{
    struct talk *t = arg;
    CU_ASSERT_PTR_NULL(lg_fiber_self());
    t->readable++;
}

static void
idle_server(void *arg)
{
    struct talk *t = arg;
    LG_ASSERT_OK(lg_sock_accept(t->listener, LG_FOREVER, &t->idle));
    lg_sock_on_readable(t->idle, got_readable, t);
    while (t->readable == 0)
        (void)!lg_fiber_sleep_until(lg_run_now_ns(t->run) + LG_MS, LG_WAIT_SLEEP);
    char c;
    size_t n;
    t->st[0] = lg_sock_read(t->idle, &c, 1, LG_FOREVER, &n);
    lg_sock_on_readable(t->idle, got_readable, t); /* now wait, and be closed under it */
    (void)!lg_fiber_sleep_until(lg_run_now_ns(t->run) + LG_MS, LG_WAIT_SLEEP);
    lg_sock_close(t->idle);
    lg_sock_close(t->listener);
    finish(t);
}

static void
idle_client(void *arg)
{
    struct talk *t = arg;
    lg_sock *s;
    LG_ASSERT_OK(lg_sock_connect(t->run, t->address, LG_FOREVER, &s));
    (void)!lg_fiber_sleep_until(lg_run_now_ns(t->run) + 3 * LG_MS, LG_WAIT_SLEEP);
    CU_ASSERT_EQUAL(t->readable, 0);
    LG_ASSERT_OK(lg_sock_write_all(s, "x", 1, LG_FOREVER));
    char c;
    size_t n;
    t->st[1] = lg_sock_read(s, &c, 1, LG_FOREVER, &n);
    lg_sock_close(s);
    (void)!lg_fiber_sleep_until(lg_run_now_ns(t->run) + 3 * LG_MS, LG_WAIT_SLEEP);
    finish(t);
}

static void
check_idle(struct talk *t)
{
    CU_ASSERT_EQUAL(t->st[0], LG_OK);
    CU_ASSERT_EQUAL(t->st[1], LG_CLOSED);
    CU_ASSERT_EQUAL(t->readable, 1);
}

LG_TEST(test_sock__idle_callback)
{
    everywhere(idle_server, idle_client, check_idle);
}

static void
orphan(void *arg)
{
    struct talk *t = arg;
    lg_sock *s;
    LG_ASSERT_OK(lg_sock_connect(t->run, t->address, LG_FOREVER, &s));
    char c;
    size_t n;
    t->st[1] = lg_sock_read(s, &c, 1, LG_FOREVER, &n);
    t->st[2] = lg_sock_write_all(s, "x", 1, LG_FOREVER);
    lg_sock_close(s);
    t->finished++;
}

LG_TEST(test_sock__killed_node_closes_its_sockets)
{
    struct talk t = {.address = "sim:1:1"}, v = {0};
    LG_ASSERT_OK(lg_sim_create(8, &t.sim));
    lg_heap *heap = lg_heap_create();
    lg_run_config cfg = {.name = "v", .sim = t.sim, .sim_node = 1, .heap = heap};
    LG_ASSERT_OK(lg_run_create(&cfg, &v.run));
    LG_ASSERT_OK(lg_run_create(&(lg_run_config){.name = "o", .sim = t.sim}, &t.run));
    lg_heap *old = lg_heap_switch(heap);
    LG_ASSERT_OK(lg_sock_listen(v.run, "sim:1:1", 1, &v.listener));
    (void)lg_heap_switch(old);
    LG_ASSERT_OK(lg_run_spawn(v.run, "r", 0, blocked_reader, &v, NULL));
    LG_ASSERT_OK(lg_run_spawn(t.run, "o", 0, orphan, &t, NULL));
    (void)!lg_sim_run(t.sim, NULL, NULL, LG_MS);
    CU_ASSERT_PTR_NOT_NULL(v.idle);
    lg_run_destroy(v.run);
    lg_heap_destroy(heap);
    CU_ASSERT_EQUAL(t.finished, 0);
    (void)!lg_sim_run(t.sim, NULL, NULL, LG_MS);
    CU_ASSERT_EQUAL(t.finished, 1);
    CU_ASSERT_EQUAL(t.st[1], LG_CLOSED);
    CU_ASSERT_EQUAL(t.st[2], LG_CLOSED);
    lg_run_destroy(t.run);
    lg_sim_destroy(t.sim);
}
