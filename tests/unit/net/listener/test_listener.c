/* The listener between simulated clients and simulated instances. */
#include "lg_test.h"
#include "listener.h"
#include "mem.h"
#include "sim.h"
#include "sock.h"
#include <stdio.h>
#include <string.h>

#define INSTANCES 3

struct world;

struct instance {
    struct world *w;
    unsigned id;
    lg_run *run;
    lg_sock *listener;
    bool not_open;
    bool silent;       /* accepts and never answers: stopped */
    unsigned sessions; /* startup packets seen */
    unsigned cancels;
    char database[32];
};

struct world {
    lg_sim *sim;
    lg_heap *heap;
    lg_run *run; /* of listener and clients: node 10 */
    struct instance inst[INSTANCES + 1];
    lg_listener *l;
    void (*body)(struct world *w);
    bool done;
};

struct conn_arg {
    struct instance *i;
    lg_sock *s;
};

static void
pause_ms(uint64_t ms)
{
    lg_run *r = lg_fiber_run(lg_fiber_self());
    (void)!lg_fiber_sleep_until(lg_run_now_exact_ns(r) + ms * LG_MS, LG_WAIT_SLEEP);
}

static uint32_t
be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool
read_all(lg_sock *s, void *buf, size_t n)
{
    char *p = buf;
    while (n > 0) {
        size_t got;
        if (lg_sock_read(s, p, n, LG_FOREVER, &got) != LG_OK)
            return false;
        p += got;
        n -= got;
    }
    return true;
}

static void
note_database(struct instance *in, const char *p, size_t n)
{
    const char *d = memmem(p, n, "database", 9);
    snprintf(in->database, sizeof in->database, "%s", d ? d + 9 : "");
}

/* One connection of a fake instance: answers with its number, then echoes. */
static void
instance_session(void *arg)
{
    struct conn_arg a = *(struct conn_arg *)arg;
    lg_free(arg);
    unsigned char p[4096];
    while (a.i->silent)
        pause_ms(50);
    for (;;) {
        if (!read_all(a.s, p, 8))
            break;
        uint32_t len = be32(p), code = be32(p + 4);
        if (len > sizeof p || !read_all(a.s, p + 8, len - 8))
            break;
        if (code == 80877103) {
            if (lg_sock_write_all(a.s, "N", 1, LG_FOREVER) != LG_OK)
                break;
            continue;
        }
        if (code == 80877102) {
            a.i->cancels++;
            break;
        }
        a.i->sessions++;
        note_database(a.i, (char *)p + 8, len - 8);
        if (a.i->not_open) {
            static const char e[] = "E\0\0\0\x1cSFATAL\0C57P03\0Mstarting\0";
            (void)!lg_sock_write_all(a.s, e, sizeof e, LG_FOREVER);
            break;
        }
        char hello[2] = {'R', (char)('0' + a.i->id)};
        if (lg_sock_write_all(a.s, hello, 2, LG_FOREVER) != LG_OK)
            break;
        size_t n;
        while (lg_sock_read(a.s, p, sizeof p, LG_FOREVER, &n) == LG_OK)
            if (lg_sock_write_all(a.s, p, n, LG_FOREVER) != LG_OK)
                break;
        break;
    }
    lg_sock_close(a.s);
}

static void
instance_accept(void *arg)
{
    struct instance *in = arg;
    char address[32];
    snprintf(address, sizeof address, "sim:%u:5", in->id);
    LG_ASSERT_OK(lg_sock_listen(in->run, address, 64, &in->listener));
    lg_sock *s;
    while (lg_sock_accept(in->listener, LG_FOREVER, &s) == LG_OK) {
        struct conn_arg *a = lg_alloc(sizeof *a);
        *a = (struct conn_arg){in, s};
        LG_ASSERT_OK(lg_run_spawn(in->run, "session", 0, instance_session, a, NULL));
    }
}

static void
instance_start(struct world *w, unsigned id)
{
    struct instance *in = &w->inst[id];
    *in = (struct instance){.w = w, .id = id};
    lg_run_config rc = {.name = "inst", .sim = w->sim, .sim_node = id, .heap = w->heap};
    LG_ASSERT_OK(lg_run_create(&rc, &in->run));
    LG_ASSERT_OK(lg_run_spawn(in->run, "accept", 0, instance_accept, in, NULL));
}

static void
instance_kill(struct world *w, unsigned id)
{
    lg_run_destroy(w->inst[id].run);
    w->inst[id].run = NULL;
}

static const char yaml[] = "listen: ['sim:10:6']\n"
                           "instances:\n"
                           "  - {id: 1, address: 'sim:1:5'}\n"
                           "  - {id: 2, address: 'sim:2:5'}\n"
                           "  - {id: 3, address: 'sim:3:5'}\n"
                           "services:\n"
                           "  - {name: batch, database: lagoon, instances: [3]}\n"
                           "status_listen: 'sim:10:7'\n"
                           "probe_interval: 100ms\n"
                           "probe_timeout: 500ms\n";

static void
body_fiber(void *arg)
{
    struct world *w = arg;
    lg_listener_config cfg;
    char message[200];
    LG_ASSERT_OK(lg_listener_config_parse(yaml, strlen(yaml), &cfg, message, sizeof message));
    LG_ASSERT_OK(lg_listener_start(w->run, &cfg, NULL, &w->l));
    pause_ms(50);
    w->body(w);
    lg_listener_stop(w->l);
    w->done = true;
}

static bool
is_done(void *arg)
{
    return ((struct world *)arg)->done;
}

static void
with_world(void (*body)(struct world *w))
{
    lg_heap *heap = lg_heap_create();
    lg_heap *outer = lg_heap_switch(heap);
    struct world *w = lg_zalloc(sizeof *w);
    w->heap = heap;
    w->body = body;
    LG_ASSERT_OK(lg_sim_create(5, &w->sim));
    for (unsigned i = 1; i <= INSTANCES; i++)
        instance_start(w, i);
    lg_run_config rc = {.name = "listener", .sim = w->sim, .sim_node = 10, .heap = heap};
    LG_ASSERT_OK(lg_run_create(&rc, &w->run));
    LG_ASSERT_OK(lg_run_spawn(w->run, "body", 0, body_fiber, w, NULL));
    LG_ASSERT_OK(lg_sim_run(w->sim, is_done, w, 1000 * LG_SEC));
    lg_run_destroy(w->run);
    for (unsigned i = 1; i <= INSTANCES; i++)
        if (w->inst[i].run)
            lg_run_destroy(w->inst[i].run);
    lg_sim_destroy(w->sim);
    lg_free(w);
    (void)lg_heap_switch(outer);
    lg_heap_destroy(heap);
}

static lg_sock *
dial(struct world *w)
{
    lg_sock *s;
    LG_ASSERT_OK(lg_sock_connect(w->run, "sim:10:6", LG_FOREVER, &s));
    return s;
}

static size_t
startup_packet(unsigned char *p, const char *database)
{
    size_t n = 8;
    memcpy(p + 4, "\0\3\0\0", 4);
    n += (size_t)sprintf((char *)p + n, "user%cme%cdatabase%c%s%c", 0, 0, 0, database, 0);
    p[n++] = 0;
    p[0] = p[1] = 0;
    p[2] = (unsigned char)(n >> 8);
    p[3] = (unsigned char)n;
    return n;
}

/* Connects as a client; returns the number of the instance that answered, or -1; 'E': refused. */
static int
connect_client(struct world *w, const char *database, lg_sock **ret_s)
{
    lg_sock *s = dial(w);
    unsigned char p[200];
    size_t n = startup_packet(p, database);
    LG_ASSERT_OK(lg_sock_write_all(s, p, n, LG_FOREVER));
    char answer[2] = {0};
    int id = -1;
    if (read_all(s, answer, 2))
        id = answer[0] == 'R' ? answer[1] - '0' : answer[0];
    if (ret_s)
        *ret_s = s;
    else
        lg_sock_close(s);
    return id;
}

static bool
echoes(lg_sock *s, const char *text)
{
    char back[64];
    size_t n = strlen(text);
    return lg_sock_write_all(s, text, n, LG_FOREVER) == LG_OK && read_all(s, back, n) &&
           memcmp(back, text, n) == 0;
}

static void
body_balance(struct world *w)
{
    lg_sock *s[9];
    unsigned per[INSTANCES + 1] = {0};
    for (unsigned i = 0; i < 9; i++) {
        int id = connect_client(w, "lagoon", &s[i]);
        CU_ASSERT_FATAL(id >= 1 && id <= INSTANCES);
        per[id]++;
    }
    for (unsigned i = 1; i <= INSTANCES; i++)
        CU_ASSERT_EQUAL(per[i], 3);
    CU_ASSERT(echoes(s[0], "select 1"));
    pause_ms(1000); /* the pumps park */
    CU_ASSERT(echoes(s[0], "select 2"));
    CU_ASSERT(echoes(s[4], "select 3"));
    pause_ms(1000);
    for (unsigned i = 0; i < 9; i++)
        lg_sock_close(s[i]);
    pause_ms(300);
    lg_listener_instance_info info[INSTANCES];
    CU_ASSERT_EQUAL(lg_listener_info(w->l, info, INSTANCES), INSTANCES);
    for (unsigned i = 0; i < INSTANCES; i++) {
        CU_ASSERT_EQUAL(info[i].connections, 0);
        CU_ASSERT_EQUAL(info[i].total, 3);
    }
}

LG_TEST(test_listener__balances_and_relays)
{
    with_world(body_balance);
}

static void
body_services(struct world *w)
{
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(connect_client(w, "batch", NULL), 3);
    CU_ASSERT_STRING_EQUAL(w->inst[3].database, "lagoon");
}

LG_TEST(test_listener__service_restricts_and_renames)
{
    with_world(body_services);
}

static void
body_death(struct world *w)
{
    lg_sock *s[6];
    int id[6];
    for (unsigned i = 0; i < 6; i++)
        id[i] = connect_client(w, "lagoon", &s[i]);
    pause_ms(1000);
    instance_kill(w, 2);
    for (unsigned i = 0; i < 6; i++) {
        CU_ASSERT_EQUAL(echoes(s[i], "still there?"), id[i] != 2);
        lg_sock_close(s[i]);
    }
    for (unsigned i = 0; i < 8; i++) { /* at once, without an error */
        int got = connect_client(w, "lagoon", NULL);
        CU_ASSERT(got == 1 || got == 3);
    }
    instance_start(w, 2);
    pause_ms(300);
    CU_ASSERT_EQUAL(connect_client(w, "lagoon", &s[0]), 2); /* the least used of equals */
    lg_sock_close(s[0]);
}

LG_TEST(test_listener__survives_death)
{
    with_world(body_death);
}

static void
body_not_open(struct world *w)
{
    w->inst[1].not_open = w->inst[2].not_open = true;
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(connect_client(w, "lagoon", NULL), 3);
    w->inst[3].not_open = true;
    CU_ASSERT_EQUAL(connect_client(w, "lagoon", NULL), 'E');
}

LG_TEST(test_listener__passes_over_who_is_not_open)
{
    with_world(body_not_open);
}

static void
body_hang(struct world *w)
{
    lg_sock *s[3];
    int hung = 0;
    for (unsigned i = 0; i < 3; i++)
        if (connect_client(w, "lagoon", &s[i]) == 2)
            hung = (int)i;
    lg_sim_pause_node(w->sim, 2, LG_FOREVER);
    char c;
    CU_ASSERT_FALSE(read_all(s[hung], &c, 1)); /* closed by the listener */
    for (unsigned i = 0; i < 3; i++)
        lg_sock_close(s[i]);
    CU_ASSERT(connect_client(w, "lagoon", NULL) != 2);
}

LG_TEST(test_listener__closes_clients_of_the_hung)
{
    with_world(body_hang);
}

static void
body_cancel(struct world *w)
{
    unsigned char p[16] = {0, 0, 0, 16, 4, 210, 22, 46, 0, 0x20, 0, 5, 1, 2, 3, 4};
    lg_sock *s = dial(w);
    LG_ASSERT_OK(lg_sock_write_all(s, p, sizeof p, LG_FOREVER));
    char c;
    CU_ASSERT_FALSE(read_all(s, &c, 1));
    lg_sock_close(s);
    CU_ASSERT_EQUAL(w->inst[2].cancels, 1);
    CU_ASSERT_EQUAL(w->inst[1].cancels + w->inst[3].cancels, 0);
}

LG_TEST(test_listener__routes_cancels)
{
    with_world(body_cancel);
}

static void
body_odd(struct world *w)
{
    lg_sock *s = dial(w); /* encryption declined, then a startup in two pieces */
    unsigned char p[200], ssl[8] = {0, 0, 0, 8, 4, 210, 22, 47};
    char c[2];
    LG_ASSERT_OK(lg_sock_write_all(s, ssl, 8, LG_FOREVER));
    CU_ASSERT(read_all(s, c, 1) && c[0] == 'N');
    size_t n = startup_packet(p, "lagoon");
    LG_ASSERT_OK(lg_sock_write_all(s, p, 5, LG_FOREVER));
    pause_ms(5);
    LG_ASSERT_OK(lg_sock_write_all(s, p + 5, n - 5, LG_FOREVER));
    CU_ASSERT(read_all(s, c, 2) && c[0] == 'R');
    lg_sock_close(s);
    s = dial(w); /* nonsense */
    LG_ASSERT_OK(lg_sock_write_all(s, "GET / HTTP/1.1\r\n", 16, LG_FOREVER));
    while (read_all(s, c, 1))
        ;
    lg_sock_close(s);
    s = dial(w); /* gone before a word */
    lg_sock_close(s);
    LG_ASSERT_OK(lg_sock_connect(w->run, "sim:10:7", LG_FOREVER, &s));
    CU_ASSERT(read_all(s, c, 1) && c[0] == '{');
    lg_sock_close(s);
}

LG_TEST(test_listener__odd_clients)
{
    with_world(body_odd);
}

/* Both pumps of a session wake at once, and the first that runs ends the session. */
#define LEAVING 40
static void
body_both_ends(struct world *w)
{
    lg_sock *s[LEAVING];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < LEAVING; i++)
            CU_ASSERT(connect_client(w, "lagoon", &s[i]) > 0);
        pause_ms(600); /* they fall silent */
        for (int i = 0; i < LEAVING; i++) {
            LG_ASSERT_OK(lg_sock_write_all(s[i], "X", 1, LG_FOREVER));
            lg_sock_close(s[i]);
        }
        for (unsigned id = 1; id <= 3; id++)
            instance_kill(w, id);
        pause_ms(400);
        for (unsigned id = 1; id <= 3; id++)
            instance_start(w, id);
        pause_ms(3000);
    }
}

LG_TEST(test_listener__both_ends_leave_at_once)
{
    with_world(body_both_ends);
}

LG_TEST(test_listener__config_errors_name_the_key)
{
    static const struct {
        const char *text, *where;
    } bad[] = {
        {"instances: [{id: 1, address: 'x:1'}]\n", "listen"},
        {"listen: ['a:1']\n", "instances"},
        {"listen: ['a:1']\ninstances: [{id: 0, address: 'x:1'}]\n", "instances[0].id"},
        {"listen: ['a:1']\ninstances: [{id: 1}]\n", "instances[0].address"},
        {"listen: ['a:1']\ninstances: [{id: 1, address: 'x:1'}]\n"
         "services: [{name: s, instances: [4]}]\n",
         "services[0].instances[0]"},
        {"listen: ['a:1']\ninstances: [{id: 1, address: 'x:1'}]\nnonsense: 1\n", "nonsense"},
        {"listen: ['a:1']\ninstances: [{id: 1, address: 'x:1'}]\nprobe_interval: soon\n",
         "probe_interval"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        lg_listener_config cfg;
        char message[200] = "";
        CU_ASSERT_EQUAL(lg_listener_config_parse(bad[i].text, strlen(bad[i].text), &cfg, message,
                                                 sizeof message),
                        LG_CONFIG);
        CU_ASSERT_PTR_NOT_NULL(strstr(message, bad[i].where));
    }
}
