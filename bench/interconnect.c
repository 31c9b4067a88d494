/* bench-interconnect [--transport T]... [--count N]: an 8 KiB block fetched from another process,
 * p50 and p99 in microseconds, beside a raw round trip of the same transport with both sides
 * spinning.
 *
 *   raw     64 bytes there, 8 KiB back, links only, callbacks, spinning workers
 *   fetch   the same as an lg_rpc_call of a fiber into a named frame, workers that sleep when idle
 *   paced   fetch with a pause of 200 us before each, so that both workers are asleep
 */
#include "rpc.h"
#include "transport.h"
#include "mem.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK 8192

struct bench {
    const char *kind;
    const char *what;
    unsigned count;
    lg_run *run;
    lg_transport *t;
    lg_link *link;
    lg_rpc *rpc;
    bool server;
    char peer[128];
    uint64_t *ns;
    unsigned done;
    lg_time sent_at;
};

static const lg_rpc_type types[1] = {{"fetch", 0}};
static uint8_t block[BLOCK];

static void
raw_ask(struct bench *b)
{
    lg_netbuf *m = lg_netbuf_get(b->t, 64);
    memset(m->data, 0, 64);
    m->len = 64;
    b->sent_at = lg_run_now_exact_ns(b->run);
    (void)!lg_link_send(b->link, m, 0, NULL);
}

static void
raw_open(void *arg, lg_link *l, bool outgoing)
{
    struct bench *b = arg;
    b->link = l;
    if (outgoing)
        raw_ask(b);
}

static void
raw_message(void *arg, lg_link *l, lg_netbuf *m)
{
    struct bench *b = arg;
    lg_netbuf_put(m);
    if (b->server) {
        lg_netbuf *r = lg_netbuf_get(b->t, BLOCK);
        memcpy(r->data, block, BLOCK);
        r->len = BLOCK;
        (void)!lg_link_send(l, r, 0, NULL);
        return;
    }
    b->ns[b->done++] = lg_run_now_exact_ns(b->run) - b->sent_at;
    if (b->done == b->count)
        lg_run_stop(b->run);
    else
        raw_ask(b);
}

static void
raw_down(void *arg, lg_link *l, lg_status why)
{
    (void)l;
    (void)why;
    lg_run_stop(((struct bench *)arg)->run);
}

static void
on_fetch(void *arg, lg_rpc_msg *m)
{
    struct bench *b = arg;
    (void)!lg_rpc_reply(b->rpc, &m->token, LG_OK, "", 1, block, BLOCK);
}

static void
fetch_fiber(void *arg)
{
    struct bench *b = arg;
    uint8_t *frame = lg_alloc_aligned(4096, BLOCK);
    bool paced = strcmp(b->what, "paced") == 0;
    char ask[64] = {0};
    lg_rpc_request rq = {.node = 2,
                         .type = 0,
                         .payload = ask,
                         .payload_len = sizeof ask,
                         .reply_body = frame,
                         .reply_body_cap = BLOCK,
                         .deadline = LG_FOREVER};
    while (b->done < b->count) {
        if (paced)
            (void)!lg_fiber_sleep_until(lg_run_now_exact_ns(b->run) + 200000, LG_WAIT_SLEEP);
        lg_time t0 = lg_run_now_exact_ns(b->run);
        if (lg_rpc_call(b->rpc, &rq, NULL) != LG_OK)
            break;
        b->ns[b->done++] = lg_run_now_exact_ns(b->run) - t0;
    }
    lg_free(frame);
    lg_run_stop(b->run);
}

static void
address_of(const struct bench *b, char *ret, size_t size)
{
    if (strcmp(b->kind, "shm") == 0)
        snprintf(ret, size, "bench%d", b->server);
    else
        snprintf(ret, size, "127.0.0.1:0");
}

static const char *
open_side(struct bench *b, bool raw)
{
    char address[64];
    address_of(b, address, sizeof address);
    lg_run_config rc = {.name = "bench", .spin_us = raw ? 10000000 : 0};
    if (lg_run_create(&rc, &b->run) != LG_OK)
        return NULL;
    if (raw) {
        lg_transport_config tc = {.run = b->run,
                                  .kind = b->kind,
                                  .address = address,
                                  .events = {b, raw_open, raw_message, raw_down}};
        return lg_transport_create(&tc, &b->t) == LG_OK ? lg_transport_address(b->t) : NULL;
    }
    lg_rpc_config c = {.run = b->run,
                       .transport = b->kind,
                       .address = address,
                       .node = b->server ? 2 : 1,
                       .incarnation = 1,
                       .key = "bench",
                       .key_len = 5,
                       .types = types,
                       .type_count = 1};
    if (lg_rpc_create(&c, &b->rpc) != LG_OK)
        return NULL;
    lg_rpc_handle(b->rpc, 0, on_fetch, b);
    return lg_rpc_address(b->rpc);
}

static void
view(struct bench *b, const char *mine)
{
    lg_rpc_member m[2] = {{1, 1, b->server ? b->peer : mine}, {2, 1, b->server ? mine : b->peer}};
    (void)!lg_rpc_set_view(b->rpc, 1, m, 2);
}

static void
serve(struct bench *b, bool raw, const int *down, const int *up)
{
    const char *mine = open_side(b, raw);
    char address[128] = "";
    if (mine)
        snprintf(address, sizeof address, "%s", mine);
    if (write(up[1], address, sizeof address) < 0 || !mine ||
        read(down[0], b->peer, sizeof b->peer) <= 0)
        _exit(1);
    if (!raw)
        view(b, address);
    (void)!lg_run_loop(b->run);
    _exit(0);
}

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void
measure(const char *kind, const char *what, unsigned count)
{
    bool raw = strcmp(what, "raw") == 0;
    int down[2], up[2];
    if (pipe(down) || pipe(up))
        exit(1);
    fflush(NULL);
    pid_t child = fork(); /* before a fabric is opened */
    struct bench b = {.kind = kind, .what = what, .count = count, .server = child == 0};
    if (child == 0)
        serve(&b, raw, down, up);
    b.ns = lg_zalloc(sizeof(uint64_t) * count);
    const char *mine = open_side(&b, raw);
    char address[128] = "";
    if (mine)
        snprintf(address, sizeof address, "%s", mine);
    bool ok = mine && read(up[0], b.peer, sizeof b.peer) > 0 && b.peer[0] &&
              write(down[1], address, sizeof address) > 0;
    if (ok && raw)
        ok = lg_transport_connect(b.t, b.peer, NULL, &b.link) == LG_OK;
    else if (ok) {
        view(&b, address);
        ok = lg_run_spawn(b.run, "fetch", 0, fetch_fiber, &b, NULL) == LG_OK;
    }
    if (ok)
        (void)!lg_run_loop(b.run);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    if (b.done < count / 10) {
        printf("%-6s %-6s not available\n", kind, what);
        return;
    }
    unsigned skip = b.done / 10; /* warming up */
    qsort(b.ns + skip, b.done - skip, sizeof *b.ns, compare);
    unsigned n = b.done - skip;
    printf("%-6s %-6s p50 %7.1f us  p99 %7.1f us  (%u)\n", kind, what,
           (double)b.ns[skip + n / 2] / 1000, (double)b.ns[skip + n - n / 100 - 1] / 1000, n);
    fflush(stdout);
}

/* In a process of its own: fabric libraries do not survive a fork. */
static void
measure_apart(const char *kind, const char *what, unsigned count)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        measure(kind, what, count);
        exit(0);
    }
    waitpid(child, NULL, 0);
}

int
main(int argc, char **argv)
{
    const char *kinds[8] = {"tcp", "shm", "ucx"};
    unsigned kind_count = 0, count = 20000;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--transport") == 0 && kind_count < 8)
            kinds[kind_count++] = argv[i + 1];
        else if (strcmp(argv[i], "--count") == 0)
            count = (unsigned)atoi(argv[i + 1]);
    }
    kind_count = kind_count ? kind_count : 3;
    static const char *const whats[] = {"raw", "fetch", "paced"};
    for (unsigned k = 0; k < kind_count; k++)
        for (unsigned i = 0; i < 3; i++)
            measure_apart(kinds[k], whats[i], strcmp(whats[i], "paced") ? count : count / 10);
    return 0;
}
