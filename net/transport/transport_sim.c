/* The simulated network. See simnet.h for its faults.
 *
 * The world (lg_sim_state "simnet") owns connections and packets, so that events in flight always
 * find them; an instance owns its lg_transport and lg_links, and a hook on its run detaches them
 * when it is killed. An end of a connection without link is gone: packets to it are dropped.
 *
 * Life of a connection: connect -> OPEN packet -> accepted (link made, on_open) -> ACCEPTED packet
 * -> DATA both ways -> DOWN packet to each end that is still there. */
#include "simnet.h"
#include "transport_internal.h"

#include "assert.h"
#include "map.h"
#include "mem.h"
#include <stdio.h>
#include <string.h>

#define SIM_NODES 64
#define RETRY_NS  (100 * 1000) /* receiver out of buffers */

typedef struct sim_link sim_link;

struct end {
    sim_link *link; /* NULL: not accepted yet, or gone */
    lg_run *run;    /* NULL when gone */
    uint32_t node;
    lg_time last_arrival;
    lg_list rx;     /* arrived, waiting for a buffer */
    lg_list cut;    /* held back by a partition */
    bool break_due; /* an event that will look at the cut is under way */
};

struct conn {
    lg_list link; /* in world->conns */
    struct world *world;
    struct end end[2]; /* 0 connected, 1 listened */
    bool broken;       /* data under way is lost */
};

enum packet_kind { PACKET_OPEN, PACKET_ACCEPTED, PACKET_DATA, PACKET_DOWN };

struct packet {
    lg_list all;  /* in world->packets: freed with the world when their receiver was killed */
    lg_list link; /* in end->rx or end->cut */
    struct conn *conn;
    unsigned to; /* end */
    enum packet_kind kind;
    lg_status why;
    uint32_t len;
    uint8_t data[];
};

struct world {
    lg_sim *sim;
    lg_strmap *listening; /* address -> sim_transport */
    lg_list conns;
    lg_list packets;
    lg_simnet_knobs knobs;
    bool cut[SIM_NODES][SIM_NODES];
    uint64_t delivered;
};

typedef struct sim_transport {
    lg_transport base;
    struct world *world;
    uint32_t node;
    lg_run_hook hook;
    lg_sim_event *reap_event;
} sim_transport;

struct sim_link {
    lg_link base;
    struct conn *conn;
    unsigned end;
};

/* ---- the world ---- */

static void *
world_make(lg_sim *s)
{
    struct world *w = lg_zalloc(sizeof *w);
    w->sim = s;
    w->listening = lg_strmap_create();
    lg_list_init(&w->conns);
    lg_list_init(&w->packets);
    w->knobs = (lg_simnet_knobs){.latency_min_ns = 15000,
                                 .latency_var_ns = 100000,
                                 .slow_per_million = 5000,
                                 .slow_ns = 5 * LG_MS,
                                 .break_after_ns = 2 * LG_SEC};
    return w;
}

static void
world_drop(void *arg)
{
    struct world *w = arg;
    LG_LIST_FOREACH_SAFE (it, &w->packets)
        lg_free(LG_CONTAINER_OF(it, struct packet, all));
    LG_LIST_FOREACH_SAFE (it, &w->conns)
        lg_free(LG_CONTAINER_OF(it, struct conn, link));
    lg_strmap_destroy(w->listening);
    lg_free(w);
}

static struct world *
world_of(lg_sim *s)
{
    return lg_sim_state(s, "simnet", world_make, world_drop);
}

static lg_time
latency(struct world *w)
{
    lg_time d = w->knobs.latency_min_ns;
    if (w->knobs.latency_var_ns)
        d += lg_sim_random(w->sim) % w->knobs.latency_var_ns;
    if (w->knobs.slow_ns && lg_sim_chance(w->sim, w->knobs.slow_per_million))
        d += lg_sim_random(w->sim) % w->knobs.slow_ns;
    return d;
}

/* ---- packets ---- */

static void packet_arrived(void *arg);
static void cut_timeout(void *arg);

static struct packet *
packet_new(struct conn *c, unsigned to, enum packet_kind kind, const void *data, uint32_t len)
{
    lg_heap *outer = lg_heap_switch(NULL);
    struct packet *p = lg_alloc(sizeof *p + len);
    (void)lg_heap_switch(outer);
    *p = (struct packet){.conn = c, .to = to, .kind = kind, .why = LG_CLOSED, .len = len};
    lg_list_init(&p->link);
    if (len)
        memcpy(p->data, data, len);
    lg_list_push_back(&c->world->packets, &p->all);
    return p;
}

static void
packet_free(struct packet *p)
{
    lg_list_remove(&p->all);
    lg_list_remove(&p->link);
    lg_free(p);
}

/* In order per direction: never earlier than the one before it. */
static void
packet_launch(struct packet *p)
{
    struct world *w = p->conn->world;
    struct end *to = &p->conn->end[p->to];
    lg_time when = lg_sim_now(w->sim) + latency(w);
    if (when <= to->last_arrival)
        when = to->last_arrival + 1;
    to->last_arrival = when;
    (void)lg_sim_at(w->sim, when, to->run, packet_arrived, p);
}

static void
packet_send(struct packet *p)
{
    struct conn *c = p->conn;
    struct world *w = c->world;
    struct end *to = &c->end[p->to];
    if (!to->run) {
        packet_free(p);
        return;
    }
    bool cut = w->cut[c->end[0].node][c->end[1].node];
    if (!cut && lg_list_empty(&to->cut)) {
        packet_launch(p);
        return;
    }
    lg_list_push_back(&to->cut, &p->link);
    if (!to->break_due) {
        to->break_due = true;
        (void)lg_sim_at(w->sim, lg_sim_now(w->sim) + w->knobs.break_after_ns, NULL, cut_timeout, c);
    }
}

/* One end is gone; the other learns it in order, after all that was sent before. */
static void
end_gone(struct conn *c, unsigned which, lg_status why)
{
    c->end[which].link = NULL;
    c->end[which].run = NULL;
    struct packet *p = packet_new(c, 1 - which, PACKET_DOWN, NULL, 0);
    p->why = why;
    packet_send(p);
}

static void
conn_break(struct conn *c)
{
    c->broken = true;
    for (unsigned i = 0; i < 2; i++) {
        LG_LIST_FOREACH_SAFE (it, &c->end[i].cut)
            packet_free(LG_CONTAINER_OF(it, struct packet, link));
        if (!c->end[i].run)
            continue;
        struct packet *p = packet_new(c, i, PACKET_DOWN, NULL, 0);
        p->why = LG_PEER_DOWN;
        packet_launch(p);
    }
}

static void
cut_timeout(void *arg)
{
    struct conn *c = arg;
    struct world *w = c->world;
    bool waiting = false;
    for (unsigned i = 0; i < 2; i++) {
        c->end[i].break_due = false;
        waiting |= !lg_list_empty(&c->end[i].cut);
    }
    if (!c->broken && waiting && w->cut[c->end[0].node][c->end[1].node])
        conn_break(c);
}

/* ---- arrival ---- */

static sim_link *
link_new(sim_transport *t, struct conn *c, unsigned end)
{
    sim_link *l = lg_zalloc(sizeof *l);
    lg_transport__link_init(&t->base, &l->base, end == 0);
    l->conn = c;
    l->end = end;
    c->end[end].link = l;
    return l;
}

static sim_transport *
transport_of(sim_link *l)
{
    return (sim_transport *)l->base.t;
}

static void
open_arrived(struct packet *p)
{
    struct conn *c = p->conn;
    sim_transport *t = lg_strmap_get(c->world->listening, (const char *)p->data, p->len);
    if (!t || t->base.run != c->end[1].run) {
        end_gone(c, 1, LG_PEER_DOWN);
        return;
    }
    sim_link *l = link_new(t, c, 1);
    packet_send(packet_new(c, 0, PACKET_ACCEPTED, NULL, 0));
    lg_transport__opened(&l->base);
}

/* False: no buffer now. */
static bool
packet_deliver(struct packet *p)
{
    struct end *e = &p->conn->end[p->to];
    if (p->kind == PACKET_OPEN) {
        if (!p->conn->broken)
            open_arrived(p);
        return true;
    }
    if (!e->link)
        return true;
    if (p->kind == PACKET_DOWN) {
        lg_link *l = &e->link->base;
        e->link = NULL;
        e->run = NULL;
        ((sim_link *)l)->conn = NULL;
        lg_transport__down(l, p->why);
        return true;
    }
    if (p->conn->broken)
        return true; /* lost */
    if (p->kind == PACKET_ACCEPTED) {
        lg_transport__opened(&e->link->base);
        return true;
    }
    lg_netbuf *b = lg_netbuf_get(e->link->base.t, p->len);
    if (!b)
        return false;
    memcpy(b->data, p->data, p->len);
    b->len = p->len;
    p->conn->world->delivered++;
    lg_transport__deliver(&e->link->base, b);
    return true;
}

static void
rx_retry(void *arg)
{
    struct packet *head = arg;
    struct end *e = &head->conn->end[head->to];
    while (!lg_list_empty(&e->rx)) {
        struct packet *p = LG_CONTAINER_OF(e->rx.next, struct packet, link);
        if (!packet_deliver(p)) {
            lg_sim *s = p->conn->world->sim;
            (void)lg_sim_at(s, lg_sim_now(s) + RETRY_NS, e->run, rx_retry, p);
            return;
        }
        packet_free(p);
    }
}

static void
packet_arrived(void *arg)
{
    struct packet *p = arg;
    struct end *e = &p->conn->end[p->to];
    bool first = lg_list_empty(&e->rx);
    lg_list_push_back(&e->rx, &p->link);
    if (first)
        rx_retry(p);
}

/* ---- the operations ---- */

static uint32_t
node_in(const char *address)
{
    unsigned node = 0, port = 0;
    char rest;
    if (sscanf(address, "sim:%u:%u%c", &node, &port, &rest) != 2 || node >= SIM_NODES)
        return UINT32_MAX;
    return node;
}

static void
detach_all(sim_transport *t)
{
    struct world *w = t->world;
    lg_heap *outer = lg_heap_switch(NULL);
    (void)lg_strmap_remove(w->listening, t->base.address, strlen(t->base.address));
    LG_LIST_FOREACH_SAFE (it, &w->conns) {
        struct conn *c = LG_CONTAINER_OF(it, struct conn, link);
        for (unsigned i = 0; i < 2; i++)
            if (c->end[i].run == t->base.run &&
                (!c->end[i].link || transport_of(c->end[i].link) == t))
                end_gone(c, i, LG_CLOSED);
    }
    (void)lg_heap_switch(outer);
}

static void
run_destroyed(void *arg)
{
    detach_all(arg);
}

static lg_status
sim_create(const lg_transport_config *cfg, lg_transport **ret_t)
{
    lg_sim *s = lg_run_sim(cfg->run);
    uint32_t node = node_in(cfg->address);
    if (!s || node == UINT32_MAX)
        return LG_INVALID;
    struct world *w = world_of(s);
    if (lg_strmap_get(w->listening, cfg->address, strlen(cfg->address)))
        return LG_SYSTEM;
    sim_transport *t = lg_zalloc(sizeof *t);
    lg_transport__init_common(&t->base, &lg_transport__sim, cfg);
    snprintf(t->base.address, sizeof t->base.address, "%s", cfg->address);
    t->world = w;
    t->node = node;
    t->hook = (lg_run_hook){.fn = run_destroyed, .arg = t};
    lg_run_on_destroy(cfg->run, &t->hook);
    lg_heap *outer = lg_heap_switch(NULL);
    (void)lg_strmap_put(w->listening, cfg->address, strlen(cfg->address), t);
    (void)lg_heap_switch(outer);
    *ret_t = &t->base;
    return LG_OK;
}

static void
reap(void *arg)
{
    sim_transport *t = arg;
    t->reap_event = NULL;
    lg_list *n;
    while ((n = lg_list_pop_front(&t->base.reap)))
        lg_free(LG_CONTAINER_OF(n, sim_link, base.node));
}

static void
sim_destroy(lg_transport *base)
{
    sim_transport *t = (sim_transport *)base;
    lg_run_hook_remove(&t->hook);
    if (t->reap_event)
        lg_sim_cancel(t->world->sim, t->reap_event);
    detach_all(t);
    LG_LIST_FOREACH_SAFE (it, &base->links) {
        lg_list_remove(it);
        lg_free(LG_CONTAINER_OF(it, sim_link, base.node));
    }
    lg_list *n;
    while ((n = lg_list_pop_front(&base->reap)))
        lg_free(LG_CONTAINER_OF(n, sim_link, base.node));
    lg_transport__fini_common(base);
    lg_free(t);
}

static lg_status
sim_connect(lg_transport *base, const char *address, lg_link **ret_link)
{
    sim_transport *t = (sim_transport *)base;
    struct world *w = t->world;
    uint32_t node = node_in(address);
    if (node == UINT32_MAX)
        return LG_INVALID;
    size_t len = strlen(address);
    sim_transport *peer = lg_strmap_get(w->listening, address, len);
    lg_heap *outer = lg_heap_switch(NULL);
    struct conn *c = lg_zalloc(sizeof *c);
    (void)lg_heap_switch(outer);
    c->world = w;
    lg_list_push_back(&w->conns, &c->link);
    for (unsigned i = 0; i < 2; i++) {
        lg_list_init(&c->end[i].rx);
        lg_list_init(&c->end[i].cut);
    }
    c->end[0].run = base->run;
    c->end[0].node = t->node;
    c->end[1].run = peer ? peer->base.run : NULL;
    c->end[1].node = node;
    sim_link *l = link_new(t, c, 0);
    if (peer)
        packet_send(packet_new(c, 1, PACKET_OPEN, address, (uint32_t)len));
    else
        end_gone(c, 1, LG_PEER_DOWN);
    *ret_link = &l->base;
    return LG_OK;
}

static void
sim_close(lg_link *base)
{
    sim_link *l = (sim_link *)base;
    sim_transport *t = transport_of(l);
    if (l->conn)
        end_gone(l->conn, l->end, LG_CLOSED);
    l->conn = NULL;
    if (!t->reap_event)
        t->reap_event = lg_sim_at(t->world->sim, 0, base->t->run, reap, t);
}

static lg_status
sim_send(lg_link *base, lg_netbuf *b, uint32_t body_len, const lg_frame_ref *frame)
{
    (void)body_len;
    (void)frame;
    sim_link *l = (sim_link *)base;
    struct conn *c = l->conn;
    struct world *w = c->world;
    if (!c->broken && lg_sim_chance(w->sim, w->knobs.break_per_million))
        conn_break(c);
    if (!c->broken)
        packet_send(packet_new(c, 1 - l->end, PACKET_DATA, b->data, b->len));
    lg_netbuf_put(b);
    return LG_OK;
}

const lg_transport_ops lg_transport__sim = {
    .create = sim_create,
    .destroy = sim_destroy,
    .connect = sim_connect,
    .close = sim_close,
    .send = sim_send,
};

/* ---- faults ---- */

void
lg_simnet_get(lg_sim *s, lg_simnet_knobs *ret_knobs)
{
    *ret_knobs = world_of(s)->knobs;
}

void
lg_simnet_set(lg_sim *s, const lg_simnet_knobs *knobs)
{
    world_of(s)->knobs = *knobs;
}

static bool
conn_between(const struct conn *c, uint32_t a, uint32_t b)
{
    return (c->end[0].node == a && c->end[1].node == b) ||
           (c->end[0].node == b && c->end[1].node == a);
}

void
lg_simnet_cut(lg_sim *s, uint32_t a, uint32_t b, bool cut_off)
{
    struct world *w = world_of(s);
    LG_ASSERT(a < SIM_NODES && b < SIM_NODES);
    w->cut[a][b] = w->cut[b][a] = cut_off;
    if (cut_off)
        return;
    LG_LIST_FOREACH (it, &w->conns) {
        struct conn *c = LG_CONTAINER_OF(it, struct conn, link);
        for (unsigned i = 0; i < 2 && conn_between(c, a, b); i++) {
            lg_list *n;
            while ((n = lg_list_pop_front(&c->end[i].cut))) {
                struct packet *p = LG_CONTAINER_OF(n, struct packet, link);
                if (c->end[i].run)
                    packet_launch(p);
                else
                    packet_free(p);
            }
        }
    }
}

void
lg_simnet_break(lg_sim *s, uint32_t a, uint32_t b)
{
    struct world *w = world_of(s);
    LG_LIST_FOREACH (it, &w->conns) {
        struct conn *c = LG_CONTAINER_OF(it, struct conn, link);
        if (!c->broken && conn_between(c, a, b) && (c->end[0].run || c->end[1].run))
            conn_break(c);
    }
}

uint64_t
lg_simnet_delivered(lg_sim *s)
{
    return world_of(s)->delivered;
}
