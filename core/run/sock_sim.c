/* Simulated sockets: two ends and the bytes between them, delivered in order after a random delay.
 *
 * Connections live in the sim's shared state until the sim ends, so that events in flight always
 * find them. What an instance holds (sim_sock) is on its heap; when its run is destroyed a hook
 * closes its ends, as the kernel closes the sockets of a killed process.
 */
#include "assert.h"
#include "map.h"
#include "run_internal.h"
#include "sim.h"
#include "sock_internal.h"
#include "strbuf.h"
#include <stdio.h>
#include <string.h>

#define WINDOW_BYTES (256 * 1024)
#define DELAY_MIN_NS (10 * 1000)
#define DELAY_VAR_NS (200 * 1000)

struct conn;

struct end {
    struct conn *conn;
    lg_run *run;  /* NULL until accepted, and when gone */
    lg_strbuf rx; /* arrived, from rx_off on not yet read */
    size_t rx_off;
    size_t unread; /* bytes sent to this end and not yet read by it */
    lg_time last_arrival;
    bool closed;      /* this end */
    bool eof;         /* the other end closed, and all it sent has arrived */
    lg_waitq rx_wait; /* fibers of this end */
    lg_waitq tx_wait;
    void (*readable_fn)(void *arg);
    void *readable_arg;
};

struct conn {
    lg_list link; /* in state->conns */
    lg_list accept_link;
    struct end end[2]; /* 0 connected, 1 accepted */
    char from[64];
};

struct segment {
    lg_list link; /* in state->segments */
    struct end *to;
    size_t len; /* 0: end of stream */
    char data[];
};

struct listener {
    char *address;
    lg_list backlog; /* conn.accept_link */
    lg_waitq wait;
};

struct state {
    lg_sim *sim;
    lg_list conns;
    lg_list segments;
    lg_strmap *listeners;
};

typedef struct sim_sock {
    lg_sock base;
    struct end *end;           /* of a stream */
    struct listener *listener; /* of a listener */
    lg_run_hook hook;
} sim_sock;

static const struct lg_sock_ops sim_ops;

static void *
state_make(lg_sim *s)
{
    struct state *st = lg_zalloc(sizeof *st);
    st->sim = s;
    lg_list_init(&st->conns);
    lg_list_init(&st->segments);
    st->listeners = lg_strmap_create();
    return st;
}

static void
state_drop(void *arg)
{
    struct state *st = arg;
    lg_list *l;
    while ((l = lg_list_pop_front(&st->conns))) {
        struct conn *c = LG_CONTAINER_OF(l, struct conn, link);
        lg_strbuf_fini(&c->end[0].rx);
        lg_strbuf_fini(&c->end[1].rx);
        lg_free(c);
    }
    while ((l = lg_list_pop_front(&st->segments)))
        lg_free(LG_CONTAINER_OF(l, struct segment, link));
    lg_strmap_destroy(st->listeners);
    lg_free(st);
}

static struct state *
state_of(lg_run *r)
{
    return lg_sim_state(lg_run_sim(r), "core/run sockets", state_make, state_drop);
}

static struct end *
other(struct end *e)
{
    return e == &e->conn->end[0] ? &e->conn->end[1] : &e->conn->end[0];
}

/* ---- delivery ---- */

static void
readable_posted(void *arg)
{
    struct end *e = arg;
    void (*fn)(void *) = e->closed ? NULL : e->readable_fn;
    void *fn_arg = e->readable_arg;
    e->readable_fn = NULL;
    if (fn)
        fn(fn_arg);
}

static bool
has_input(const struct end *e)
{
    return e->rx.len > e->rx_off || e->eof;
}

static void
arrived(void *arg)
{
    struct segment *seg = arg;
    struct end *e = seg->to;
    if (!e->closed) {
        if (seg->len > 0)
            lg_strbuf_append(&e->rx, seg->data, seg->len);
        else
            e->eof = true;
        (void)lg_waitq_wake_all(&e->rx_wait);
        if (e->readable_fn && e->run)
            lg_run_post(e->run, readable_posted, e);
    }
    lg_list_remove(&seg->link);
    lg_free(seg);
}

static void
send_segment(struct state *st, struct end *to, const void *data, size_t len)
{
    lg_heap *outer = lg_heap_switch(NULL);
    struct segment *seg = lg_alloc(sizeof *seg + len);
    lg_list_push_back(&st->segments, &seg->link);
    seg->to = to;
    seg->len = len;
    if (len)
        memcpy(seg->data, data, len);
    lg_time when = lg_sim_now(st->sim) + DELAY_MIN_NS + lg_sim_random(st->sim) % DELAY_VAR_NS;
    if (when < to->last_arrival)
        when = to->last_arrival;
    to->last_arrival = when;
    to->unread += len;
    (void)lg_sim_at(st->sim, when, NULL, arrived, seg);
    (void)lg_heap_switch(outer);
}

/* ---- life ---- */

static void
end_close(struct state *st, struct end *e)
{
    if (e->closed)
        return;
    e->closed = true;
    e->run = NULL;
    lg_strbuf_fini(&e->rx);
    e->rx_off = 0;
    struct end *o = other(e);
    if (!o->closed) {
        send_segment(st, o, NULL, 0);
        (void)lg_waitq_wake_all(&o->tx_wait);
    }
}

static void
listener_close(struct state *st, struct listener *l)
{
    (void)lg_strmap_remove(st->listeners, l->address, strlen(l->address));
    lg_list *it;
    while ((it = lg_list_pop_front(&l->backlog)))
        end_close(st, &LG_CONTAINER_OF(it, struct conn, accept_link)->end[1]);
    lg_free(l->address);
    lg_free(l);
}

/* The node was killed: its fibers, which may wait in our queues, are about to vanish. */
static void
node_killed(void *arg)
{
    sim_sock *s = arg;
    struct state *st = state_of(s->base.run);
    if (s->listener) {
        listener_close(st, s->listener);
        return;
    }
    lg_waitq_init(&s->end->rx_wait);
    lg_waitq_init(&s->end->tx_wait);
    end_close(st, s->end);
}

static sim_sock *
sock_of(lg_sock *s)
{
    return LG_CONTAINER_OF(s, sim_sock, base);
}

static sim_sock *
sock_create(lg_run *r, struct end *e, struct listener *l, const char *peer)
{
    sim_sock *s = lg_zalloc(sizeof *s);
    s->base = (lg_sock){.ops = &sim_ops, .run = r, .fd = -1};
    s->end = e;
    s->listener = l;
    snprintf(s->base.peer, sizeof s->base.peer, "%s", peer);
    s->hook = (lg_run_hook){.fn = node_killed, .arg = s};
    lg_list_init(&s->hook.link);
    lg_run_on_destroy(r, &s->hook);
    if (e)
        e->run = r;
    return s;
}

static void
sim_close(lg_sock *base)
{
    sim_sock *s = sock_of(base);
    struct state *st = state_of(base->run);
    lg_run_hook_remove(&s->hook);
    if (s->listener) {
        (void)lg_waitq_wake_all(&s->listener->wait);
        listener_close(st, s->listener);
    } else {
        end_close(st, s->end);
        (void)lg_waitq_wake_all(&s->end->rx_wait);
        (void)lg_waitq_wake_all(&s->end->tx_wait);
    }
    lg_free(s);
}

/* ---- operations ---- */

static lg_status
sim_read(lg_sock *base, void *buf, size_t n, lg_time deadline, size_t *ret_n)
{
    struct end *e = sock_of(base)->end;
    while (!e->closed && !has_input(e))
        LG_TRY(lg_waitq_wait(&e->rx_wait, LG_WAIT_CLIENT_MESSAGE, deadline, true));
    if (e->closed)
        return LG_CLOSED;
    size_t have = e->rx.len - e->rx_off;
    if (have == 0)
        return LG_CLOSED;
    size_t take = have < n ? have : n;
    memcpy(buf, e->rx.data + e->rx_off, take);
    e->rx_off += take;
    e->unread -= take;
    if (e->rx_off == e->rx.len) {
        lg_strbuf_reset(&e->rx);
        e->rx_off = 0;
    }
    (void)lg_waitq_wake_all(&other(e)->tx_wait);
    *ret_n = take;
    return LG_OK;
}

static lg_status
sim_write_all(lg_sock *base, const void *buf, size_t n, lg_time deadline)
{
    struct end *e = sock_of(base)->end;
    struct end *o = other(e);
    struct state *st = state_of(base->run);
    const char *p = buf;
    while (n > 0) {
        while (!e->closed && !o->closed && o->unread >= WINDOW_BYTES)
            LG_TRY(lg_waitq_wait(&e->tx_wait, LG_WAIT_CLIENT_WRITE, deadline, false));
        if (e->closed || o->closed)
            return LG_CLOSED;
        size_t room = WINDOW_BYTES - o->unread;
        size_t take = n < room ? n : room;
        send_segment(st, o, p, take);
        p += take;
        n -= take;
    }
    return LG_OK;
}

static void
sim_on_readable(lg_sock *base, void (*fn)(void *arg), void *arg)
{
    struct end *e = sock_of(base)->end;
    e->readable_fn = fn;
    e->readable_arg = arg;
    if (fn && has_input(e))
        lg_run_post(base->run, readable_posted, e);
}

static lg_status
sim_accept(lg_sock *base, lg_time deadline, lg_sock **ret_sock)
{
    lg_run *r = base->run;
    struct listener *l = sock_of(base)->listener;
    char *address = lg_strdup(l->address); /* the listener may be gone when we wake */
    lg_status st = LG_OK;
    while (st == LG_OK && lg_list_empty(&l->backlog)) {
        st = lg_waitq_wait(&l->wait, LG_WAIT_BACKGROUND_IDLE, deadline, true);
        if (lg_strmap_get(state_of(r)->listeners, address, strlen(address)) != l)
            st = LG_CLOSED;
    }
    lg_free(address);
    LG_TRY(st);
    struct conn *c = LG_CONTAINER_OF(lg_list_pop_front(&l->backlog), struct conn, accept_link);
    *ret_sock = &sock_create(r, &c->end[1], NULL, c->from)->base;
    return LG_OK;
}

static const struct lg_sock_ops sim_ops = {sim_accept, sim_close, sim_read, sim_write_all,
                                           sim_on_readable};

lg_status
lg_sock__sim_listen(lg_run *r, const char *address, lg_sock **ret_sock)
{
    struct state *st = state_of(r);
    if (strncmp(address, "sim:", 4))
        return LG_INVALID;
    if (lg_strmap_get(st->listeners, address, strlen(address)))
        return LG_EXISTS;
    lg_heap *outer = lg_heap_switch(NULL);
    struct listener *l = lg_zalloc(sizeof *l);
    l->address = lg_strdup(address);
    lg_list_init(&l->backlog);
    lg_waitq_init(&l->wait);
    (void)lg_strmap_put(st->listeners, address, strlen(address), l);
    (void)lg_heap_switch(outer);
    *ret_sock = &sock_create(r, NULL, l, "")->base;
    return LG_OK;
}

lg_status
lg_sock__sim_connect(lg_run *r, const char *address, lg_time deadline, lg_sock **ret_sock)
{
    struct state *st = state_of(r);
    lg_time arrive = lg_run_now_ns(r) + DELAY_MIN_NS + lg_sim_random(st->sim) % DELAY_VAR_NS;
    lg_time until = arrive < deadline ? arrive : deadline;
    LG_TRY(lg_fiber_sleep_until(until, LG_WAIT_BACKGROUND_IDLE));
    if (until < arrive)
        return LG_TIMEOUT;
    struct listener *l = lg_strmap_get(st->listeners, address, strlen(address));
    if (!l)
        return LG_PEER_DOWN;
    lg_heap *outer = lg_heap_switch(NULL);
    struct conn *c = lg_zalloc(sizeof *c);
    (void)lg_heap_switch(outer);
    for (int i = 0; i < 2; i++) {
        c->end[i].conn = c;
        lg_strbuf_init(&c->end[i].rx, 2 * WINDOW_BYTES);
        lg_waitq_init(&c->end[i].rx_wait);
        lg_waitq_init(&c->end[i].tx_wait);
    }
    snprintf(c->from, sizeof c->from, "sim:%u", lg_run_sim_node(r));
    lg_list_push_back(&st->conns, &c->link);
    lg_list_push_back(&l->backlog, &c->accept_link);
    (void)lg_waitq_wake_one(&l->wait);
    *ret_sock = &sock_create(r, &c->end[0], NULL, address)->base;
    return LG_OK;
}
