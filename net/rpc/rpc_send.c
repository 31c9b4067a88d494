/* Messages out (building, queues, loop-back) and in (checks, epochs, dispatch).
 *
 * Invariants
 * 1. Messages leave a peer's queue in the order they entered; while the queue is not empty nothing
 *    passes it by.
 * 2. A data message costs its sender one credit, which comes back when the receiver's handler is
 *    done with it. Control messages cost none.
 * 3. Held messages of an epoch are delivered before anything that arrived later. */
#include "rpc_internal.h"

#include "assert.h"
#include "hash.h"
#include <string.h>

/* ---- out ---- */

static uint32_t
frame_crc(const lg_rpc_frame *f, const uint8_t *payload)
{
    lg_rpc_frame h = *f;
    h.crc = 0;
    return lg_crc32c(lg_crc32c(0, &h, sizeof h), payload, f->payload_len);
}

static void
stamp_and_send(lg_rpc_conn *c, lg_netbuf *b)
{
    lg_rpc *rpc = c->rpc;
    lg_rpc_frame *f = lg_rpc__frame(b);
    f->node = rpc->cfg.node;
    f->incarnation = rpc->cfg.incarnation;
    f->scn = rpc->cfg.scn ? lg_scn_current(rpc->cfg.scn) : 0;
    f->credits = (uint16_t)c->owed;
    c->owed = 0;
    c->sent = true;
    f->crc = frame_crc(f, b->data + sizeof *f);
    /* A link that is down by now reports itself: the message is lost with the connection. */
    (void)!lg_link_send(c->link, b, 0, NULL);
}

void
lg_rpc__control(lg_rpc_conn *c, lg_netbuf *b)
{
    stamp_and_send(c, b);
}

void
lg_rpc__transmit(lg_rpc_conn *c, lg_netbuf *b)
{
    lg_rpc *rpc = c->rpc;
    lg_rpc_frame *f = lg_rpc__frame(b);
    LG_ASSERT(c->ready && c->credits > 0);
    c->credits--;
    if (!(f->flags & LG_RPC_F_ANY_EPOCH))
        c->used_epoch = f->epoch;
    lg_rpc_type_counters *n = &rpc->counters[f->type];
    n->sent++;
    n->bytes_sent += b->len;
    lg_stat_add(lg_run_stats(rpc->run), LG_STAT_MESSAGE_BYTES_SENT, b->len);
    if (c->peer) {
        c->peer->info.messages_sent++;
        c->peer->info.bytes_sent += b->len;
    }
    stamp_and_send(c, b);
}

void
lg_rpc__flush(lg_rpc_peer *p)
{
    while (p->conn && p->conn->credits && !lg_list_empty(&p->queue)) {
        lg_netbuf *b = LG_CONTAINER_OF(lg_list_pop_front(&p->queue), lg_netbuf, link);
        p->queued--;
        lg_rpc__transmit(p->conn, b);
    }
    if (p->queued <= p->rpc->cfg.max_queue / 8 && !lg_waitq_empty(&p->room))
        (void)lg_waitq_wake_all(&p->room);
}

void
lg_rpc__purge(lg_rpc_peer *p, bool all)
{
    LG_LIST_FOREACH_SAFE (it, &p->queue) {
        lg_netbuf *b = LG_CONTAINER_OF(it, lg_netbuf, link);
        if (!all && (lg_rpc__frame(b)->flags & LG_RPC_F_ANY_EPOCH))
            continue;
        lg_list_remove(it);
        lg_netbuf_put(b);
        p->queued--;
    }
}

static void
build(lg_rpc *rpc, lg_netbuf *b, const lg_rpc_out *o)
{
    lg_rpc_frame *f = lg_rpc__frame(b);
    *f = (lg_rpc_frame){.type = o->type,
                        .flags = o->flags,
                        .epoch = rpc->epoch,
                        .request_id = o->token.request_id,
                        .token_node = o->token.node,
                        .token_incarnation = o->token.incarnation,
                        .token_type = o->token.type,
                        .status = (int32_t)o->status,
                        .payload_len = o->payload_len,
                        .body_len = o->body_len};
    uint8_t *at = b->data + sizeof *f;
    if (o->payload_len)
        memcpy(at, o->payload, o->payload_len);
    uint32_t padded = lg_rpc__pad8(o->payload_len);
    memset(at + o->payload_len, 0, padded - o->payload_len);
    if (o->body_len)
        memcpy(at + padded, o->body, o->body_len);
    b->len = (uint32_t)sizeof *f + padded + o->body_len;
}

/* The peer whose queue holds most buffers is the one that does not keep up: it is given up. */
static lg_netbuf *
buffer_by_breaking(lg_rpc *rpc, uint32_t need)
{
    lg_rpc_peer *worst = NULL;
    LG_LIST_FOREACH (it, &rpc->peers) {
        lg_rpc_peer *p = LG_CONTAINER_OF(it, lg_rpc_peer, node);
        if (p->queued && (!worst || p->queued > worst->queued))
            worst = p;
    }
    if (!worst)
        return NULL;
    worst->broken = true;
    lg_rpc__purge(worst, true);
    if (worst->conn)
        lg_rpc__conn_lost(worst->conn, LG_LIMIT);
    return lg_netbuf_get(rpc->t, need);
}

static lg_status
send_to_peer(lg_rpc *rpc, lg_rpc_peer *p, lg_netbuf *b)
{
    if (p->conn && p->conn->credits && lg_list_empty(&p->queue)) {
        lg_rpc__transmit(p->conn, b);
        return LG_OK;
    }
    if (p->queued >= rpc->cfg.max_queue) {
        lg_netbuf_put(b);
        p->broken = true;
        lg_rpc__purge(p, true);
        if (p->conn)
            lg_rpc__conn_lost(p->conn, LG_LIMIT);
        return LG_PEER_DOWN;
    }
    p->info.credit_waits += p->conn != NULL;
    p->queued++;
    lg_list_push_back(&p->queue, &b->link);
    return LG_OK;
}

/* A conn of a member that the view does not know (yet): answers of ANY_EPOCH types go there. */
static lg_rpc_conn *
early_conn(lg_rpc *rpc, uint32_t node, uint64_t incarnation)
{
    LG_LIST_FOREACH (it, &rpc->conns) {
        lg_rpc_conn *c = LG_CONTAINER_OF(it, lg_rpc_conn, node);
        if (c->ready && !c->peer && c->peer_node == node && c->peer_incarnation == incarnation)
            return c;
    }
    return NULL;
}

lg_status
lg_rpc__send(lg_rpc *rpc, uint32_t node, uint64_t incarnation, const lg_rpc_out *o)
{
    LG_ASSERT(o->payload_len <= LG_RPC_MAX_PAYLOAD && o->body_len <= rpc->cfg.block_bytes);
    bool any = o->flags & LG_RPC_F_ANY_EPOCH;
    bool self = node == rpc->cfg.node;
    lg_rpc_peer *p = self ? NULL : lg_rpc__peer(rpc, node);
    lg_rpc_conn *early = NULL;
    if (self) {
        if (incarnation && incarnation != rpc->cfg.incarnation)
            return LG_PEER_DOWN;
    } else if (!p || (incarnation && p->incarnation != incarnation)) {
        early = any ? early_conn(rpc, node, incarnation) : NULL;
        if (!early || !early->credits)
            return LG_PEER_DOWN;
    } else if (p->broken && !any) {
        return LG_PEER_DOWN;
    }
    LG_TRY(LG_FAULT(lg_run_faults(rpc->run), "rpc_send"));
    uint32_t need = (uint32_t)sizeof(lg_rpc_frame) + lg_rpc__pad8(o->payload_len) + o->body_len;
    lg_netbuf *b = lg_netbuf_get(rpc->t, need);
    if (!b)
        b = buffer_by_breaking(rpc, need);
    if (!b)
        return LG_LIMIT;
    build(rpc, b, o);
    if (self) {
        lg_list_push_back(&rpc->local, &b->link);
        lg_rpc__kick(rpc);
        return LG_OK;
    }
    if (early) {
        lg_rpc__transmit(early, b);
        return LG_OK;
    }
    if (p->broken && !any) { /* the buffer was got by breaking this very peer */
        lg_netbuf_put(b);
        return LG_PEER_DOWN;
    }
    return send_to_peer(rpc, p, b);
}

static uint16_t
out_flags(const lg_rpc *rpc, uint16_t type)
{
    LG_ASSERT(type < rpc->cfg.type_count);
    return rpc->cfg.types[type].flags & LG_RPC_ANY_EPOCH ? LG_RPC_F_ANY_EPOCH : 0;
}

lg_status
lg_rpc_send(lg_rpc *rpc, uint32_t node, uint16_t type, const void *payload, uint32_t payload_len,
            const void *body, uint32_t body_len)
{
    lg_rpc_out o = {.type = type,
                    .flags = out_flags(rpc, type),
                    .payload = payload,
                    .payload_len = payload_len,
                    .body = body,
                    .body_len = body_len};
    return lg_rpc__send(rpc, node, 0, &o);
}

lg_status
lg_rpc__throttle(lg_rpc *rpc, uint32_t node, bool any_epoch, lg_time deadline)
{
    if (node == rpc->cfg.node)
        return LG_OK;
    for (;;) {
        lg_rpc_peer *p = lg_rpc__peer(rpc, node);
        if (!p || (p->broken && !any_epoch))
            return LG_PEER_DOWN;
        if (p->queued < rpc->cfg.max_queue / 4)
            return LG_OK;
        lg_status st = lg_waitq_wait(&p->room, LG_WAIT_RPC_CREDIT, deadline, false);
        if (st != LG_OK)
            return st;
    }
}

lg_status
lg_rpc_throttle(lg_rpc *rpc, uint32_t node, lg_time deadline)
{
    return lg_rpc__throttle(rpc, node, false, deadline);
}

/* ---- in ---- */

static void
rx_done(lg_rpc *rpc, lg_netbuf *b)
{
    uint64_t serial = lg_rpc__rx(b)->conn_serial;
    lg_netbuf_put(b);
    lg_rpc_conn *c = serial ? lg_rpc__conn_by_serial(rpc, serial) : NULL;
    if (c)
        lg_rpc__credit_return(c);
}

void
lg_rpc_msg_take(lg_rpc_msg *m)
{
    lg_rpc__rx(lg_rpc__buf_of(m))->taken = true;
}

void
lg_rpc_msg_free(lg_rpc_msg *m)
{
    if (!m)
        return;
    lg_netbuf *b = lg_rpc__buf_of(m);
    rx_done(lg_rpc__rx(b)->rpc, b);
}

/* Fills the receiver's view of a message from its frame. */
static void
rx_fill(lg_rpc *rpc, lg_netbuf *b, uint64_t conn_serial)
{
    const lg_rpc_frame *f = lg_rpc__frame(b);
    const uint8_t *payload = b->data + sizeof *f;
    *lg_rpc__rx(b) =
        (lg_rpc_rx){.rpc = rpc,
                    .conn_serial = conn_serial,
                    .flags = f->flags,
                    .m = {.type = f->type,
                          .node = f->node,
                          .incarnation = f->incarnation,
                          .epoch = f->epoch,
                          .scn = f->scn,
                          .token = {.node = f->token_node,
                                    .type = f->token_type,
                                    .incarnation = f->token_incarnation,
                                    .request_id = f->request_id},
                          .status = (lg_status)f->status,
                          .payload = payload,
                          .payload_len = f->payload_len,
                          .body_len = f->body_len,
                          .body = f->body_len ? payload + lg_rpc__pad8(f->payload_len) : NULL}};
}

/* A message of an epoch that is over. Its caller is told; nobody waits for the rest. */
static void
drop_stale(lg_rpc *rpc, lg_netbuf *b)
{
    const lg_rpc_rx *rx = lg_rpc__rx(b);
    rpc->counters[rx->m.type].dropped_stale++;
    if (rx->m.token.node && !(rx->flags & LG_RPC_F_REPLY)) {
        lg_rpc_out o = {.type = rx->m.type,
                        .flags = LG_RPC_F_REPLY | LG_RPC_F_ANY_EPOCH,
                        .token = rx->m.token,
                        .status = LG_STALE_EPOCH};
        /* A caller that cannot be reached is told by its own view. */
        (void)!lg_rpc__send(rpc, rx->m.token.node, rx->m.token.incarnation, &o);
    }
    rx_done(rpc, b);
}

/* The part of this instance that answers is not up (yet): a caller is told so, a one-way message
 * cannot be dropped in silence. */
static void
no_handler(lg_rpc *rpc, lg_netbuf *b)
{
    const lg_rpc_rx *rx = lg_rpc__rx(b);
    lg_rpc_conn *c = lg_rpc__conn_by_serial(rpc, rx->conn_serial);
    if (rx->m.token.node) {
        lg_rpc_out o = {.type = rx->m.type,
                        .flags = (uint16_t)(rx->flags | LG_RPC_F_REPLY),
                        .token = rx->m.token,
                        .status = LG_NOT_OPEN};
        (void)!lg_rpc__send(rpc, rx->m.token.node, rx->m.token.incarnation, &o);
        c = NULL;
    }
    rx_done(rpc, b);
    if (c)
        lg_rpc__conn_lost(c, LG_PROTOCOL);
}

static void
dispatch(lg_rpc *rpc, lg_netbuf *b)
{
    lg_rpc_rx *rx = lg_rpc__rx(b);
    if (!(rx->flags & LG_RPC_F_ANY_EPOCH) && rx->m.epoch != rpc->epoch) {
        if (rx->m.epoch < rpc->epoch) {
            drop_stale(rpc, b);
        } else {
            rpc->counters[rx->m.type].held++;
            lg_list_push_back(&rpc->held, &b->link);
        }
        return;
    }
    if (rx->flags & LG_RPC_F_REPLY) {
        lg_rpc__complete(rpc, b);
        return;
    }
    lg_rpc_handler fn = rpc->handlers[rx->m.type];
    if (!fn) {
        no_handler(rpc, b);
        return;
    }
    fn(rpc->handler_args[rx->m.type], &rx->m);
    if (!rx->taken)
        rx_done(rpc, b);
}

void
lg_rpc__deliver_held(lg_rpc *rpc)
{
    lg_list due;
    lg_list_init(&due);
    LG_LIST_FOREACH_SAFE (it, &rpc->held) {
        if (lg_rpc__rx(LG_CONTAINER_OF(it, lg_netbuf, link))->m.epoch > rpc->epoch)
            continue;
        lg_list_remove(it);
        lg_list_push_back(&due, it);
    }
    lg_list *n;
    while ((n = lg_list_pop_front(&due)))
        dispatch(rpc, LG_CONTAINER_OF(n, lg_netbuf, link));
}

void
lg_rpc__deliver_local(lg_rpc *rpc)
{
    lg_list now; /* what handlers send to oneself meanwhile waits for the next round */
    lg_list_init(&now);
    lg_list *n;
    while ((n = lg_list_pop_front(&rpc->local)))
        lg_list_push_back(&now, n);
    while ((n = lg_list_pop_front(&now))) {
        lg_netbuf *b = LG_CONTAINER_OF(n, lg_netbuf, link);
        lg_rpc_frame *f = lg_rpc__frame(b);
        f->node = rpc->cfg.node;
        f->incarnation = rpc->cfg.incarnation;
        f->scn = rpc->cfg.scn ? lg_scn_current(rpc->cfg.scn) : 0;
        rpc->counters[f->type].sent++;
        rpc->counters[f->type].received++;
        rx_fill(rpc, b, 0);
        dispatch(rpc, b);
    }
}

static bool
frame_good(const lg_rpc_conn *c, const lg_netbuf *b)
{
    const lg_rpc *rpc = c->rpc;
    const lg_rpc_frame *f = (const lg_rpc_frame *)(const void *)b->data;
    if (b->len < sizeof *f || f->payload_len > LG_RPC_MAX_PAYLOAD ||
        f->body_len > rpc->cfg.block_bytes ||
        b->len != sizeof *f + lg_rpc__pad8(f->payload_len) + f->body_len)
        return false;
    if (frame_crc(f, b->data + sizeof *f) != f->crc)
        return false;
    if (f->type >= LG_RPC_T_HELLO1)
        return true;
    return c->ready && f->type < rpc->cfg.type_count && f->node == c->peer_node &&
           f->incarnation == c->peer_incarnation;
}

/* Small messages move to small buffers, so that those kept long hold no receive buffer. */
static lg_netbuf *
shrink(lg_rpc *rpc, lg_netbuf *b)
{
    if (b->size_class == 0 || b->len > 512)
        return b;
    lg_netbuf *s = lg_netbuf_get(rpc->t, b->len);
    if (!s)
        return b;
    memcpy(s->data, b->data, b->len);
    s->len = b->len;
    lg_netbuf_put(b);
    return s;
}

void
lg_rpc__on_message(void *arg, lg_link *l, lg_netbuf *b)
{
    lg_rpc *rpc = arg;
    lg_rpc_conn *c = lg_link_user(l);
    lg_status fault = LG_FAULT(lg_run_faults(rpc->run), "rpc_recv");
    if (fault != LG_OK || !frame_good(c, b)) {
        lg_netbuf_put(b);
        lg_rpc__conn_lost(c, fault != LG_OK ? fault : LG_PROTOCOL);
        return;
    }
    b = shrink(rpc, b);
    const lg_rpc_frame *f = lg_rpc__frame(b);
    lg_rpc_peer *p = c->peer;
    c->heard = true;
    c->credits += f->credits;
    if (f->type >= LG_RPC_T_HELLO1) {
        bool credit = f->type == LG_RPC_T_CREDIT;
        lg_rpc__on_control(c, f, b->data + sizeof *f); /* may close c */
        lg_netbuf_put(b);
        if (credit && p)
            lg_rpc__flush(p);
        return;
    }
    if (rpc->cfg.scn)
        lg_scn_observe(rpc->cfg.scn, f->scn);
    lg_stat_inc(lg_run_stats(rpc->run), LG_STAT_MESSAGES_RECEIVED);
    rpc->counters[f->type].received++;
    rpc->counters[f->type].bytes_received += b->len;
    if (p) {
        p->info.messages_received++;
        p->info.bytes_received += b->len;
        if (f->credits)
            lg_rpc__flush(p);
    }
    rx_fill(rpc, b, c->serial);
    if (!lg_list_empty(&rpc->held))
        lg_rpc__deliver_held(rpc); /* may change anything: c is not used any more */
    dispatch(rpc, b);
}
