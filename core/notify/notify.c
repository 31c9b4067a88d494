/* See notify.h. */
#include "notify.h"

#include "assert.h"
#include "map.h"
#include "mem.h"
#include "msg.h"
#include "waitq.h"
#include <string.h>

#define ENQUEUE_ID  0x4e544659u                 /* "NTFY": id1 of LG_GES_OTHER */
#define DOUBT_AFTER (500 * LG_MS)               /* then the outcome of the head is asked for */
#define RETRY_AFTER (20 * LG_MS)                /* a connection to a living member broke */
#define CHUNK_BYTES (LG_RPC_MAX_PAYLOAD - 512u) /* of items in one message */

enum state { PENDING, COMMITTED, ABORTED };

/* A publication in a hub's queue. Items as they came: {u16 channel bytes, u16 payload bytes, both
 * with their NUL}. */
struct entry {
    lg_list link;
    uint32_t node;
    uint64_t incarnation;
    uint64_t id; /* of the publisher */
    uint64_t xid;
    uint32_t pid;
    enum state state;
    bool complete; /* the last chunk is here */
    uint32_t chunks;
    uint8_t *items;
    size_t items_len;
    lg_time since;
};

struct channel {
    char name[LG_NOTIFY_CHANNEL_MAX + 1];
    lg_list subscriptions;
};

struct subscription {
    lg_list of_channel;
    lg_list of_listener;
    struct channel *channel;
    lg_notify_listener *listener;
};

struct lg_notify_hub {
    lg_notify_config cfg;
    lg_strmap *channels;
    lg_list queue; /* of entry, in commit order */
    uint32_t queued;
    uint64_t next_id;
    lg_waitq changed; /* wakes the doubter */
    lg_waitq gone;
    bool stopping, running;
};

/* ---- the queue ---- */

static struct entry *
find(lg_notify_hub *hub, uint32_t node, uint64_t incarnation, uint64_t id)
{
    LG_LIST_FOREACH (it, &hub->queue) {
        struct entry *e = LG_CONTAINER_OF(it, struct entry, link);
        if (e->node == node && e->incarnation == incarnation && e->id == id)
            return e;
    }
    return NULL;
}

static void
drop(lg_notify_hub *hub, struct entry *e)
{
    lg_list_remove(&e->link);
    hub->queued--;
    lg_free(e->items);
    lg_free(e);
}

static void
deliver_item(lg_notify_hub *hub, const char *channel, const char *payload, uint32_t pid)
{
    struct channel *c = lg_strmap_get(hub->channels, channel, strlen(channel));
    if (!c)
        return;
    LG_LIST_FOREACH (it, &c->subscriptions) {
        struct subscription *s = LG_CONTAINER_OF(it, struct subscription, of_channel);
        s->listener->deliver(s->listener->arg, channel, payload, pid);
    }
}

static void
deliver(lg_notify_hub *hub, const struct entry *e)
{
    for (size_t at = 0; at < e->items_len;) {
        uint16_t len[2];
        memcpy(len, e->items + at, sizeof len);
        const char *channel = (const char *)e->items + at + sizeof len;
        deliver_item(hub, channel, channel + len[0], e->pid);
        at += sizeof len + len[0] + len[1];
    }
}

/* Everything at the head whose outcome is known. */
static void
drain(lg_notify_hub *hub)
{
    while (!lg_list_empty(&hub->queue)) {
        struct entry *e = LG_CONTAINER_OF(hub->queue.next, struct entry, link);
        if (e->state == PENDING || (e->state == COMMITTED && !e->complete))
            break;
        if (e->state == COMMITTED)
            deliver(hub, e);
        drop(hub, e);
    }
    if (!lg_list_empty(&hub->queue))
        (void)lg_waitq_wake_all(&hub->changed);
}

/* Items come from a peer that holds the cluster key; still, nothing is read past its end. */
static bool
items_good(const uint8_t *p, size_t len)
{
    while (len > 0) {
        uint16_t n[2];
        if (len < sizeof n)
            return false;
        memcpy(n, p, sizeof n);
        size_t all = sizeof n + n[0] + n[1];
        if (all > len || n[0] == 0 || n[1] == 0 || p[sizeof n + n[0] - 1] || p[all - 1])
            return false;
        p += all;
        len -= all;
    }
    return true;
}

/* A chunk may come twice: a call is repeated when its connection broke. */
static void
enqueue(lg_notify_hub *hub, const lg_msg_notify *m, const uint8_t *items, size_t len)
{
    struct entry *e = find(hub, m->node, m->incarnation, m->id);
    if (!e) {
        if (m->chunk != 0)
            return;
        e = lg_zalloc(sizeof *e);
        e->node = m->node;
        e->incarnation = m->incarnation;
        e->id = m->id;
        e->xid = m->xid;
        e->pid = m->pid;
        e->since = lg_run_now_ns(hub->cfg.run);
        e->state = m->committed ? COMMITTED : PENDING;
        lg_list_push_back(&hub->queue, &e->link);
        hub->queued++;
        (void)lg_waitq_wake_all(&hub->changed);
    }
    if (m->chunk != e->chunks)
        return;
    e->items = lg_realloc(e->items, e->items_len + len);
    memcpy(e->items + e->items_len, items, len);
    e->items_len += len;
    e->chunks++;
    e->complete = m->last;
    if (e->state == COMMITTED)
        drain(hub);
}

static void
settle(lg_notify_hub *hub, const lg_msg_notify *m)
{
    struct entry *e = find(hub, m->node, m->incarnation, m->id);
    if (!e)
        return;
    e->state = m->committed ? COMMITTED : ABORTED;
    drain(hub);
}

/* ---- the doubter: a head that stays pending ---- */

static bool
publisher_lives(const lg_notify_hub *hub, const struct entry *e)
{
    unsigned pos = 0;
    lg_rpc_peer_info peer;
    if (e->node == hub->cfg.node)
        return e->incarnation == hub->cfg.incarnation;
    while (hub->cfg.rpc && lg_rpc_peer_next(hub->cfg.rpc, &pos, &peer))
        if (peer.node == e->node)
            return peer.incarnation == e->incarnation;
    return false;
}

/* The head has been in doubt for long. Asking blocks: the entry is looked up again afterwards. */
static void
resolve_head(lg_notify_hub *hub)
{
    struct entry *e = LG_CONTAINER_OF(hub->queue.next, struct entry, link);
    lg_msg_notify m = {.node = e->node, .incarnation = e->incarnation, .id = e->id};
    if (e->xid == 0) { /* came as committed, but its rest did not */
        if (!publisher_lives(hub, e))
            drop(hub, e);
        return;
    }
    lg_notify_outcome o = hub->cfg.outcome(hub->cfg.arg, e->xid);
    e = find(hub, m.node, m.incarnation, m.id);
    if (!e || o == LG_NOTIFY_UNKNOWN)
        return;
    /* A commit is preceded by every chunk, so a committed one is complete here. */
    m.committed = o == LG_NOTIFY_COMMITTED && e->complete;
    settle(hub, &m);
}

static void
doubter(void *arg)
{
    lg_notify_hub *hub = arg;
    while (!hub->stopping) {
        lg_time until = LG_FOREVER;
        if (!lg_list_empty(&hub->queue)) {
            struct entry *e = LG_CONTAINER_OF(hub->queue.next, struct entry, link);
            until = e->since + DOUBT_AFTER;
            if (lg_run_now_ns(hub->cfg.run) >= until) {
                e->since = lg_run_now_ns(hub->cfg.run);
                resolve_head(hub);
                drain(hub);
                continue;
            }
        }
        lg_status st = lg_waitq_wait(&hub->changed, LG_WAIT_BACKGROUND_IDLE, until, false);
        (void)st; /* woken or timed out: the head is looked at again */
    }
    hub->running = false;
    (void)lg_waitq_wake_all(&hub->gone);
}

/* ---- messages ---- */

static void
on_queue(void *arg, lg_rpc_msg *m)
{
    lg_notify_hub *hub = arg;
    const lg_msg_notify *n = m->payload;
    lg_status st = hub->stopping ? LG_NOT_OPEN : lg_msg_check(m);
    if (st == LG_OK && n->node != m->node)
        st = LG_PROTOCOL; /* nobody speaks for another */
    if (st == LG_OK) {
        const uint8_t *items = (const uint8_t *)m->payload + sizeof *n;
        size_t len = m->payload_len - sizeof *n;
        if (items_good(items, len))
            enqueue(hub, n, items, len);
        else
            st = LG_PROTOCOL;
    }
    lg_status sent = lg_rpc_reply(hub->cfg.rpc, &m->token, st, NULL, 0, NULL, 0);
    (void)sent; /* a publisher that is gone is resolved by its outcome */
}

static void
on_done(void *arg, lg_rpc_msg *m)
{
    lg_notify_hub *hub = arg;
    if (lg_msg_check(m) == LG_OK && !hub->stopping &&
        ((const lg_msg_notify *)m->payload)->node == m->node)
        settle(hub, m->payload);
}

/* Until the peer has it or is no member any more. */
static lg_status
send_chunk(lg_notify_hub *hub, uint32_t node, const void *payload, uint32_t len)
{
    for (;;) {
        lg_rpc_request rq = {.node = node,
                             .type = LG_MSG_NOTIFY_QUEUE,
                             .cancelable = true,
                             .payload = payload,
                             .payload_len = len,
                             .deadline = LG_FOREVER};
        lg_status st = lg_rpc_call(hub->cfg.rpc, &rq, NULL);
        if (st == LG_NOT_OPEN) /* it is starting: nobody can listen there yet */
            return LG_OK;
        if (st != LG_PEER_DOWN && st != LG_STALE_EPOCH)
            return st;
        if (!lg_rpc_peer_in_view(hub->cfg.rpc, node))
            return LG_OK;
        LG_TRY(lg_fiber_sleep_until(lg_run_now_ns(hub->cfg.run) + RETRY_AFTER, LG_WAIT_RPC_REPLY));
    }
}

#define MEMBERS_MAX 64

static uint32_t
others(const lg_notify_hub *hub, uint32_t nodes[MEMBERS_MAX])
{
    unsigned pos = 0;
    uint32_t n = 0;
    lg_rpc_peer_info peer;
    while (hub->cfg.rpc && n < MEMBERS_MAX && lg_rpc_peer_next(hub->cfg.rpc, &pos, &peer))
        if (peer.node != hub->cfg.node)
            nodes[n++] = peer.node;
    return n;
}

/* ---- publishing ---- */

static lg_ges_res
enqueue_res(void)
{
    return (lg_ges_res){.type = LG_GES_OTHER, .id1 = ENQUEUE_ID};
}

/* The next items that fit into a message, behind its header. Returns how many. */
static uint32_t
fill_chunk(uint8_t *buf, const lg_notify_item *items, uint32_t count, size_t *ret_len)
{
    size_t len = 0;
    uint32_t n = 0;
    for (; n < count; n++) {
        uint16_t l[2] = {(uint16_t)(strlen(items[n].channel) + 1),
                         (uint16_t)(strlen(items[n].payload) + 1)};
        LG_ASSERT(l[0] <= LG_NOTIFY_CHANNEL_MAX + 1 && l[1] <= LG_NOTIFY_PAYLOAD_MAX + 1);
        if (len + sizeof l + l[0] + l[1] > CHUNK_BYTES)
            break;
        memcpy(buf + len, l, sizeof l);
        memcpy(buf + len + sizeof l, items[n].channel, l[0]);
        memcpy(buf + len + sizeof l + l[0], items[n].payload, l[1]);
        len += sizeof l + l[0] + l[1];
    }
    *ret_len = len;
    return n;
}

static lg_status
publish_chunks(lg_notify_hub *hub, const lg_notify_publication *p, const lg_notify_item *items,
               uint32_t count, uint8_t *buf)
{
    lg_msg_notify *m = (lg_msg_notify *)(void *)buf;
    uint32_t nodes[MEMBERS_MAX], n = others(hub, nodes);
    *m = (lg_msg_notify){.xid = p->xid,
                         .incarnation = hub->cfg.incarnation,
                         .id = p->id,
                         .node = hub->cfg.node,
                         .pid = p->pid,
                         .committed = p->xid == 0};
    for (uint32_t at = 0; at < count; m->chunk++) {
        size_t len;
        at += fill_chunk(buf + sizeof *m, items + at, count - at, &len);
        m->last = at == count;
        for (uint32_t i = 0; i < n; i++)
            LG_TRY(send_chunk(hub, nodes[i], buf, (uint32_t)(sizeof *m + len)));
        enqueue(hub, m, buf + sizeof *m, len);
    }
    return LG_OK;
}

lg_status
lg_notify_publish(lg_notify_hub *hub, lg_ges_owner *owner, lg_notify_publication *p,
                  const lg_notify_item *items, uint32_t count)
{
    /* Before the enqueue, so that publishers elsewhere do not wait for our disk. */
    if (p->xid != 0 && hub->cfg.rpc && hub->cfg.keep)
        LG_TRY(hub->cfg.keep(hub->cfg.arg, p->xid));
    LG_TRY(lg_ges_lock(owner, enqueue_res(), LG_LOCK_EXCLUSIVE, 0, LG_FOREVER));
    p->id = ++hub->next_id;
    uint8_t *buf = lg_alloc(LG_RPC_MAX_PAYLOAD);
    lg_status st = publish_chunks(hub, p, items, count, buf);
    lg_free(buf);
    if (st != LG_OK)
        lg_notify_finish(hub, p, false);
    return st;
}

void
lg_notify_finish(lg_notify_hub *hub, const lg_notify_publication *p, bool committed)
{
    uint32_t nodes[MEMBERS_MAX], n = others(hub, nodes);
    lg_msg_notify m = {.xid = p->xid,
                       .incarnation = hub->cfg.incarnation,
                       .id = p->id,
                       .node = hub->cfg.node,
                       .committed = committed};
    if (p->xid == 0 && committed)
        return; /* it was sent as committed */
    for (uint32_t i = 0; i < n; i++) {
        lg_status st =
            lg_rpc_send(hub->cfg.rpc, nodes[i], LG_MSG_NOTIFY_DONE, &m, sizeof m, NULL, 0);
        (void)st; /* lost: the outcome will be asked for */
    }
    settle(hub, &m);
}

/* ---- listeners ---- */

void
lg_notify_listener_init(lg_notify_listener *l,
                        void (*deliver_fn)(void *arg, const char *channel, const char *payload,
                                           uint32_t pid),
                        void *arg)
{
    lg_list_init(&l->subscriptions);
    l->deliver = deliver_fn;
    l->arg = arg;
}

static struct subscription *
subscription_of(const lg_notify_listener *l, const char *channel)
{
    LG_LIST_FOREACH (it, &l->subscriptions) {
        struct subscription *s = LG_CONTAINER_OF(it, struct subscription, of_listener);
        if (strcmp(s->channel->name, channel) == 0)
            return s;
    }
    return NULL;
}

bool
lg_notify_listening(const lg_notify_listener *l, const char *channel)
{
    return subscription_of(l, channel) != NULL;
}

lg_status
lg_notify_listen(lg_notify_hub *hub, lg_ges_owner *owner, lg_notify_listener *l,
                 const char *channel)
{
    if (lg_notify_listening(l, channel))
        return LG_OK;
    size_t len = strlen(channel);
    LG_ASSERT(len <= LG_NOTIFY_CHANNEL_MAX);
    LG_TRY(lg_ges_lock(owner, enqueue_res(), LG_LOCK_SHARE, 0, LG_FOREVER));
    struct channel *c = lg_strmap_get(hub->channels, channel, len);
    if (!c) {
        c = lg_zalloc(sizeof *c);
        memcpy(c->name, channel, len);
        lg_list_init(&c->subscriptions);
        (void)lg_strmap_put(hub->channels, channel, len, c);
    }
    struct subscription *s = lg_zalloc(sizeof *s);
    s->channel = c;
    s->listener = l;
    lg_list_push_back(&c->subscriptions, &s->of_channel);
    lg_list_push_back(&l->subscriptions, &s->of_listener);
    return LG_OK;
}

static void
unsubscribe(lg_notify_hub *hub, struct subscription *s)
{
    struct channel *c = s->channel;
    lg_list_remove(&s->of_channel);
    lg_list_remove(&s->of_listener);
    lg_free(s);
    if (lg_list_empty(&c->subscriptions)) {
        (void)lg_strmap_remove(hub->channels, c->name, strlen(c->name));
        lg_free(c);
    }
}

void
lg_notify_unlisten(lg_notify_hub *hub, lg_notify_listener *l, const char *channel)
{
    struct subscription *s;
    if (channel) {
        if ((s = subscription_of(l, channel)))
            unsubscribe(hub, s);
        return;
    }
    while (!lg_list_empty(&l->subscriptions))
        unsubscribe(hub, LG_CONTAINER_OF(l->subscriptions.next, struct subscription, of_listener));
}

const char *
lg_notify_next_channel(const lg_notify_listener *l, const lg_list **pos)
{
    const lg_list *next = *pos ? (*pos)->next : l->subscriptions.next;
    if (next == &l->subscriptions)
        return NULL;
    *pos = next;
    return LG_CONTAINER_OF(next, const struct subscription, of_listener)->channel->name;
}

uint32_t
lg_notify_queued(const lg_notify_hub *hub)
{
    return hub->queued;
}

/* ---- life ---- */

lg_status
lg_notify_create(const lg_notify_config *cfg, lg_notify_hub **ret_hub)
{
    lg_notify_hub *hub = lg_zalloc(sizeof *hub);
    hub->cfg = *cfg;
    hub->channels = lg_strmap_create();
    lg_list_init(&hub->queue);
    lg_waitq_init(&hub->changed);
    lg_waitq_init(&hub->gone);
    hub->running = true;
    lg_status st = lg_run_spawn(cfg->run, "notify", 0, doubter, hub, NULL);
    if (st != LG_OK) {
        lg_strmap_destroy(hub->channels);
        lg_free(hub);
        return st;
    }
    if (cfg->rpc) {
        lg_rpc_handle(cfg->rpc, LG_MSG_NOTIFY_QUEUE, on_queue, hub);
        lg_rpc_handle(cfg->rpc, LG_MSG_NOTIFY_DONE, on_done, hub);
    }
    *ret_hub = hub;
    return LG_OK;
}

void
lg_notify_stop(lg_notify_hub *hub)
{
    if (!hub)
        return;
    hub->stopping = true;
    (void)lg_waitq_wake_all(&hub->changed);
    while (hub->running) {
        lg_status st = lg_waitq_wait(&hub->gone, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
        (void)st;
    }
}

void
lg_notify_destroy(lg_notify_hub *hub)
{
    if (!hub)
        return;
    LG_ASSERT(!hub->running);
    while (!lg_list_empty(&hub->queue))
        drop(hub, LG_CONTAINER_OF(hub->queue.next, struct entry, link));
    LG_ASSERT(lg_strmap_count(hub->channels) == 0);
    lg_strmap_destroy(hub->channels);
    lg_free(hub);
}
