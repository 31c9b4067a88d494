/* Connections: dialling, the handshake that proves the cluster key, credits, loss.
 *
 *   dialler                                acceptor
 *   HELLO1 {who, whom, nonce A}      ->    is that me? is the incarnation not an old one?
 *          is that whom I meant?     <-    HELLO2 {who, nonce B, mac of "acceptor"}
 *   HELLO3 {mac of "dialler"}        ->    checks the mac: READY
 *   READY
 *
 * mac = HMAC-SHA256(cluster key, role, nonce A, nonce B, both nodes and incarnations): fresh
 * nonces from both sides make replays useless, the role makes reflections useless. */
#include "rpc_internal.h"

#include "assert.h"
#include "mem.h"
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <string.h>

#define HELLO_MAGIC 0x314e474cu /* "LGN1" */

static void
conn_timeout(void *arg)
{
    lg_rpc__conn_lost(arg, LG_TIMEOUT);
}

static lg_rpc_conn *
conn_new(lg_rpc *rpc, lg_link *l, bool dialled)
{
    lg_rpc_conn *c = lg_zalloc(sizeof *c);
    c->rpc = rpc;
    c->link = l;
    c->dialled = dialled;
    c->serial = ++rpc->conn_serial;
    lg_timer_init(&c->timer, rpc->run, conn_timeout, c);
    lg_timer_start(&c->timer, lg_run_now_ns(rpc->run) + LG_RPC_HELLO_MAX);
    lg_list_push_back(&rpc->conns, &c->node);
    return c;
}

lg_rpc_conn *
lg_rpc__conn_by_serial(lg_rpc *rpc, uint64_t serial)
{
    LG_LIST_FOREACH (it, &rpc->conns) {
        lg_rpc_conn *c = LG_CONTAINER_OF(it, lg_rpc_conn, node);
        if (c->serial == serial)
            return c;
    }
    return NULL;
}

/* ---- closing and loss ---- */

void
lg_rpc__conn_close(lg_rpc_conn *c)
{
    lg_rpc_peer *p = c->peer;
    if (p && p->conn == c)
        p->conn = NULL;
    if (p && p->dialling == c)
        p->dialling = NULL;
    lg_timer_stop(&c->timer);
    lg_list_remove(&c->node);
    lg_link_close(c->link);
    lg_free(c);
}

static void
redial_due(void *arg)
{
    lg_rpc__dial(arg);
}

void
lg_rpc__conn_lost(lg_rpc_conn *c, lg_status why)
{
    lg_rpc *rpc = c->rpc;
    lg_rpc_peer *p = c->peer;
    bool was_ready = c->ready;
    bool used = c->used_epoch == rpc->epoch;
    lg_rpc__conn_close(c);
    if (!p)
        return;
    if (was_ready) {
        /* What was sent in this epoch may be lost: nothing may follow it until the next one. */
        p->broken |= used;
        lg_rpc__purge(p, false);
        lg_rpc__fail_calls(rpc, p->number, true, LG_PEER_DOWN);
        (void)lg_waitq_wake_all(&p->room);
    }
    p->redial.fn = redial_due;
    lg_timer_start(&p->redial, lg_run_now_ns(rpc->run) + p->redial_ns);
    p->redial_ns = p->redial_ns * 2 > LG_RPC_DIAL_MAX ? LG_RPC_DIAL_MAX : p->redial_ns * 2;
    if ((was_ready || why == LG_AUTH) && rpc->cfg.on_peer_down)
        rpc->cfg.on_peer_down(rpc->cfg.arg, p->number, p->incarnation, why);
}

void
lg_rpc__on_down(void *arg, lg_link *l, lg_status why)
{
    (void)arg;
    lg_rpc_conn *c = lg_link_user(l);
    if (c)
        lg_rpc__conn_lost(c, why);
    else
        lg_link_close(l);
}

/* ---- dialling ---- */

void
lg_rpc__dial(lg_rpc_peer *p)
{
    lg_rpc *rpc = p->rpc;
    if (p->conn || p->dialling || rpc->cfg.node > p->number || !p->address[0])
        return;
    lg_link *l;
    lg_status st = lg_transport_connect(rpc->t, p->address, NULL, &l);
    if (st != LG_OK) {
        p->redial.fn = redial_due;
        lg_timer_start(&p->redial, lg_run_now_ns(rpc->run) + LG_RPC_DIAL_MAX);
        return;
    }
    lg_timer_stop(&p->redial);
    lg_rpc_conn *c = conn_new(rpc, l, true);
    lg_link_set_user(l, c);
    c->peer = p;
    c->peer_node = p->number;
    c->peer_incarnation = p->incarnation;
    p->dialling = c;
}

/* ---- handshake ---- */

static void
mac_of(const lg_rpc_conn *c, const char *role, uint8_t *ret_mac)
{
    const lg_rpc *rpc = c->rpc;
    struct {
        char role[8];
        uint8_t nonce[2][LG_RPC_NONCE];
        uint64_t who[4];
    } text = {0};
    memcpy(text.role, role, strlen(role));
    memcpy(text.nonce, c->nonce, sizeof text.nonce);
    uint64_t mine[2] = {rpc->cfg.node, rpc->cfg.incarnation};
    uint64_t theirs[2] = {c->peer_node, c->peer_incarnation};
    memcpy(text.who, c->dialled ? mine : theirs, sizeof mine);
    memcpy(text.who + 2, c->dialled ? theirs : mine, sizeof mine);
    unsigned len = LG_RPC_MAC;
    LG_ASSERT(HMAC(EVP_sha256(), rpc->key, (int)rpc->cfg.key_len, (const unsigned char *)&text,
                   sizeof text, ret_mac, &len));
}

static void
hello_send(lg_rpc_conn *c, uint16_t type, const char *role)
{
    lg_rpc *rpc = c->rpc;
    lg_netbuf *b = lg_netbuf_get(rpc->t, sizeof(lg_rpc_frame) + sizeof(lg_rpc_hello));
    if (!b)
        return; /* the handshake times out and is tried again */
    lg_rpc_hello h = {.magic = HELLO_MAGIC,
                      .version = LG_RPC_VERSION,
                      .node = rpc->cfg.node,
                      .incarnation = rpc->cfg.incarnation,
                      .peer_node = c->peer_node,
                      .peer_incarnation = c->peer_incarnation,
                      .credits = rpc->cfg.credits,
                      .block_bytes = rpc->cfg.block_bytes};
    memcpy(h.nonce, c->nonce[c->dialled ? 0 : 1], LG_RPC_NONCE);
    if (role)
        mac_of(c, role, h.mac);
    *lg_rpc__frame(b) = (lg_rpc_frame){.type = type, .payload_len = sizeof h};
    memcpy(b->data + sizeof(lg_rpc_frame), &h, sizeof h);
    b->len = sizeof(lg_rpc_frame) + sizeof h;
    lg_rpc__control(c, b);
}

void
lg_rpc__on_open(void *arg, lg_link *l, bool outgoing)
{
    lg_rpc *rpc = arg;
    lg_rpc_conn *c = lg_link_user(l);
    if (!outgoing) {
        c = conn_new(rpc, l, false);
        lg_link_set_user(l, c);
    }
    lg_run_random_bytes(rpc->run, c->nonce[outgoing ? 0 : 1], LG_RPC_NONCE);
    if (outgoing)
        hello_send(c, LG_RPC_T_HELLO1, NULL);
}

static void
conn_ready(lg_rpc_conn *c, const lg_rpc_hello *h)
{
    lg_rpc *rpc = c->rpc;
    c->ready = true;
    c->credits = h->credits;
    lg_timer_stop(&c->timer);
    lg_rpc_peer *p = lg_rpc__peer(rpc, c->peer_node);
    if (p && p->incarnation == c->peer_incarnation)
        lg_rpc__attach_early(p);
}

/* Attaches the newest ready conn of this very incarnation, if there is one. */
void
lg_rpc__attach_early(lg_rpc_peer *p)
{
    lg_rpc *rpc = p->rpc;
    lg_rpc_conn *found = NULL;
    LG_LIST_FOREACH (it, &rpc->conns) {
        lg_rpc_conn *c = LG_CONTAINER_OF(it, lg_rpc_conn, node);
        if (c->ready && c != p->conn && c->peer_node == p->number &&
            c->peer_incarnation == p->incarnation)
            found = c;
    }
    if (!found)
        return;
    if (p->conn) /* the other side gave the old one up */
        lg_rpc__conn_lost(p->conn, LG_CLOSED);
    if (p->dialling == found)
        p->dialling = NULL;
    found->peer = p;
    p->conn = found;
    p->redial_ns = LG_RPC_DIAL_MIN;
    lg_timer_stop(&p->redial);
    p->info.reconnects += p->was_up;
    p->was_up = true;
    if (rpc->cfg.on_peer_up)
        rpc->cfg.on_peer_up(rpc->cfg.arg, p->number, p->incarnation);
    lg_rpc__flush(p);
}

static bool
mac_good(const lg_rpc_conn *c, const char *role, const lg_rpc_hello *h)
{
    uint8_t want[LG_RPC_MAC];
    mac_of(c, role, want);
    return CRYPTO_memcmp(want, h->mac, sizeof want) == 0;
}

static lg_status
hello1(lg_rpc_conn *c, const lg_rpc_hello *h)
{
    lg_rpc *rpc = c->rpc;
    if (c->dialled || c->hello_sent || h->peer_node != rpc->cfg.node ||
        h->peer_incarnation != rpc->cfg.incarnation || h->node >= rpc->cfg.node)
        return LG_PROTOCOL;
    const lg_rpc_peer *p = lg_rpc__peer(rpc, h->node);
    if (p && h->incarnation < p->incarnation)
        return LG_STALE_EPOCH;
    c->peer_node = h->node;
    c->peer_incarnation = h->incarnation;
    memcpy(c->nonce[0], h->nonce, LG_RPC_NONCE);
    c->hello_sent = true;
    hello_send(c, LG_RPC_T_HELLO2, "accept");
    return LG_OK;
}

static lg_status
hello2(lg_rpc_conn *c, const lg_rpc_hello *h)
{
    if (!c->dialled || h->node != c->peer_node || h->incarnation != c->peer_incarnation)
        return LG_PROTOCOL;
    memcpy(c->nonce[1], h->nonce, LG_RPC_NONCE);
    if (!mac_good(c, "accept", h))
        return LG_AUTH;
    hello_send(c, LG_RPC_T_HELLO3, "dial");
    conn_ready(c, h);
    return LG_OK;
}

static lg_status
hello3(lg_rpc_conn *c, const lg_rpc_hello *h)
{
    if (!c->hello_sent)
        return LG_PROTOCOL;
    if (!mac_good(c, "dial", h))
        return LG_AUTH;
    conn_ready(c, h);
    return LG_OK;
}

/* A message of a conn that is not ready, or a control message. */
static lg_status
control_take(lg_rpc_conn *c, const lg_rpc_frame *f, const uint8_t *payload)
{
    if (f->type == LG_RPC_T_CREDIT)
        return c->ready ? LG_OK : LG_PROTOCOL; /* the credits are in the frame */
    lg_rpc_hello h;
    if (c->ready || f->payload_len != sizeof h)
        return LG_PROTOCOL;
    memcpy(&h, payload, sizeof h);
    if (h.magic != HELLO_MAGIC || h.version != LG_RPC_VERSION ||
        h.block_bytes != c->rpc->cfg.block_bytes || !h.credits)
        return LG_PROTOCOL;
    switch (f->type) {
    case LG_RPC_T_HELLO1:
        return hello1(c, &h);
    case LG_RPC_T_HELLO2:
        return hello2(c, &h);
    case LG_RPC_T_HELLO3:
        return hello3(c, &h);
    default:
        return LG_PROTOCOL;
    }
}

void
lg_rpc__on_control(lg_rpc_conn *c, const lg_rpc_frame *f, const uint8_t *payload)
{
    lg_status st = control_take(c, f, payload);
    if (st != LG_OK)
        lg_rpc__conn_lost(c, st);
}

/* ---- credits ---- */

/* Enough processed and nothing else to tell the peer: a message of its own returns the credits. */
void
lg_rpc__credit_return(lg_rpc_conn *c)
{
    c->owed++;
    if (c->owed < c->rpc->cfg.credits / 2)
        return;
    lg_netbuf *b = lg_netbuf_get(c->rpc->t, sizeof(lg_rpc_frame));
    if (!b)
        return; /* the next one tries again */
    *lg_rpc__frame(b) = (lg_rpc_frame){.type = LG_RPC_T_CREDIT};
    b->len = sizeof(lg_rpc_frame);
    lg_rpc__control(c, b);
}

/* ---- silence ---- */

static void
send_empty(lg_rpc_conn *c)
{
    lg_netbuf *b = lg_netbuf_get(c->rpc->t, sizeof(lg_rpc_frame));
    if (!b)
        return; /* so there is much on its way */
    *lg_rpc__frame(b) = (lg_rpc_frame){.type = LG_RPC_T_CREDIT};
    b->len = sizeof(lg_rpc_frame);
    lg_rpc__control(c, b);
}

/* A worker that was busy itself for a while comes here once, not once for each time it missed: it
 * reads what has come meanwhile before it counts on. */
void
lg_rpc__beat(void *arg)
{
    lg_rpc *rpc = arg;
    LG_LIST_FOREACH (it, &rpc->conns) {
        lg_rpc_conn *c = LG_CONTAINER_OF(it, lg_rpc_conn, node);
        if (!c->ready)
            continue; /* has its own limit */
        c->quiet = c->heard ? 0 : c->quiet + 1;
        if (c->quiet < LG_RPC_BEATS && !c->sent)
            send_empty(c);
        c->sent = c->heard = false;
    }
    for (bool again = true; again;) { /* a loss may change the list */
        again = false;
        LG_LIST_FOREACH (it, &rpc->conns) {
            lg_rpc_conn *c = LG_CONTAINER_OF(it, lg_rpc_conn, node);
            if (c->quiet < LG_RPC_BEATS)
                continue;
            lg_rpc__conn_lost(c, LG_TIMEOUT);
            again = true;
            break;
        }
    }
    lg_timer_start(&rpc->beat, lg_run_now_ns(rpc->run) + rpc->cfg.silence_ns / LG_RPC_BEATS);
}
