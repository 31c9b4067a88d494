/* Life, view, counters. See rpc_internal.h for the model. */
#include "rpc_internal.h"

#include "assert.h"
#include "mem.h"
#include <stdio.h>
#include <string.h>

lg_rpc_peer *
lg_rpc__peer(const lg_rpc *rpc, uint32_t node)
{
    LG_LIST_FOREACH (it, &rpc->peers) {
        lg_rpc_peer *p = LG_CONTAINER_OF(it, lg_rpc_peer, node);
        if (p->number == node)
            return p;
    }
    return NULL;
}

static void
kicked(void *arg)
{
    lg_rpc *rpc = arg;
    lg_rpc__deliver_held(rpc);
    lg_rpc__deliver_local(rpc);
    lg_rpc__run_completed(rpc);
}

void
lg_rpc__kick(lg_rpc *rpc)
{
    if (!rpc->kick.slot)
        lg_timer_start(&rpc->kick, 0);
}

lg_status
lg_rpc_create(const lg_rpc_config *cfg, lg_rpc **ret_rpc)
{
    if (!cfg->run || !cfg->node || !cfg->key_len || cfg->type_count >= LG_RPC_T_HELLO1)
        return LG_INVALID;
    lg_rpc *rpc = lg_zalloc(sizeof *rpc);
    rpc->cfg = *cfg;
    rpc->run = cfg->run;
    lg_rpc_config *c = &rpc->cfg;
    c->block_bytes = c->block_bytes ? c->block_bytes : 8192;
    c->credits = c->credits ? c->credits : 256;
    c->max_calls = c->max_calls ? c->max_calls : 4096;
    c->max_queue = c->max_queue ? c->max_queue : 4096;
    LG_ASSERT(c->credits < UINT16_MAX && c->max_calls <= UINT16_MAX);
    rpc->key = lg_alloc(c->key_len);
    memcpy(rpc->key, c->key, c->key_len);
    lg_list_init(&rpc->peers);
    lg_list_init(&rpc->conns);
    lg_list_init(&rpc->local);
    lg_list_init(&rpc->held);
    lg_timer_init(&rpc->kick, rpc->run, kicked, rpc);
    lg_timer_init(&rpc->beat, rpc->run, lg_rpc__beat, rpc);
    rpc->handlers = lg_zalloc(sizeof(lg_rpc_handler) * (c->type_count + 1u));
    rpc->handler_args = lg_zalloc(sizeof(void *) * (c->type_count + 1u));
    rpc->counters = lg_zalloc(sizeof(lg_rpc_type_counters) * (c->type_count + 1u));
    lg_status st;
    LG_CHECK(lg_rpc__calls_init(rpc));
    bool sim = strcmp(c->transport, "sim") == 0; /* many instances in one process */
    lg_transport_config tc = {
        .run = rpc->run,
        .kind = c->transport,
        .address = c->address,
        .block_bytes = c->block_bytes,
        .max_message_bytes =
            (uint32_t)sizeof(lg_rpc_frame) + LG_RPC_MAX_PAYLOAD + c->block_bytes + 64,
        .small_buffers = sim ? 4096 : c->max_queue * 2,
        .block_buffers = sim ? 512 : 0,
        .large_buffers = sim ? 64 : 0,
        .events = {rpc, lg_rpc__on_open, lg_rpc__on_message, lg_rpc__on_down},
    };
    LG_CHECK(lg_transport_create(&tc, &rpc->t));
    if (c->silence_ns)
        lg_timer_start(&rpc->beat, lg_run_now_ns(rpc->run) + c->silence_ns / LG_RPC_BEATS);
    *ret_rpc = rpc;
    return LG_OK;
out:
    lg_rpc_destroy(rpc);
    return st;
}

static void
put_list(lg_list *list)
{
    lg_list *n;
    while ((n = lg_list_pop_front(list)))
        lg_netbuf_put(LG_CONTAINER_OF(n, lg_netbuf, link));
}

static void
peer_free(lg_rpc_peer *p)
{
    if (p->conn)
        lg_rpc__conn_close(p->conn);
    if (p->dialling)
        lg_rpc__conn_close(p->dialling);
    lg_rpc__purge(p, true);
    lg_timer_stop(&p->redial);
    (void)lg_waitq_wake_all(&p->room);
    lg_list_remove(&p->node);
    lg_free(p);
}

void
lg_rpc_stop(lg_rpc *rpc)
{
    rpc->closing = true;
    lg_rpc__fail_calls(rpc, 0, true, LG_SHUTDOWN);
    (void)lg_waitq_wake_all(&rpc->slot_wait);
    lg_rpc__kick(rpc);
}

void
lg_rpc_destroy(lg_rpc *rpc)
{
    if (!rpc)
        return;
    lg_rpc_stop(rpc);
    lg_rpc__run_completed(rpc);
    while (!lg_list_empty(&rpc->peers))
        peer_free(LG_CONTAINER_OF(rpc->peers.next, lg_rpc_peer, node));
    while (!lg_list_empty(&rpc->conns))
        lg_rpc__conn_close(LG_CONTAINER_OF(rpc->conns.next, lg_rpc_conn, node));
    put_list(&rpc->local);
    put_list(&rpc->held);
    lg_timer_stop(&rpc->kick);
    lg_timer_stop(&rpc->beat);
    lg_transport_destroy(rpc->t);
    lg_free(rpc->slots);
    lg_free(rpc->key);
    lg_free(rpc->handlers);
    lg_free(rpc->handler_args);
    lg_free(rpc->counters);
    lg_free(rpc);
}

/* ---- the view ---- */

static lg_rpc_peer *
peer_new(lg_rpc *rpc, const lg_rpc_member *m)
{
    lg_rpc_peer *p = lg_zalloc(sizeof *p);
    p->rpc = rpc;
    p->number = m->node;
    p->incarnation = m->incarnation;
    p->redial_ns = LG_RPC_DIAL_MIN;
    lg_list_init(&p->queue);
    lg_waitq_init(&p->room);
    lg_timer_init(&p->redial, rpc->run, NULL, p);
    lg_list_push_back(&rpc->peers, &p->node);
    return p;
}

/* Those who left, and those who came back as another incarnation, go with all that was theirs. */
static void
drop_departed(lg_rpc *rpc, const lg_rpc_member *members, unsigned count)
{
    LG_LIST_FOREACH_SAFE (it, &rpc->peers) {
        lg_rpc_peer *p = LG_CONTAINER_OF(it, lg_rpc_peer, node);
        p->in_view = false;
        for (unsigned i = 0; i < count; i++)
            p->in_view |= members[i].node == p->number && members[i].incarnation == p->incarnation;
        if (p->in_view)
            continue;
        lg_rpc__fail_calls(rpc, p->number, true, LG_PEER_DOWN);
        peer_free(p);
    }
}

lg_status
lg_rpc_set_view(lg_rpc *rpc, uint64_t epoch, const lg_rpc_member *members, unsigned count)
{
    if (epoch < rpc->epoch)
        return LG_INVALID;
    drop_departed(rpc, members, count);
    if (epoch > rpc->epoch) {
        rpc->epoch = epoch;
        lg_rpc__fail_calls(rpc, 0, false, LG_STALE_EPOCH);
        LG_LIST_FOREACH (it, &rpc->peers) {
            lg_rpc_peer *p = LG_CONTAINER_OF(it, lg_rpc_peer, node);
            p->broken = false;
            lg_rpc__purge(p, false);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        const lg_rpc_member *m = &members[i];
        if (m->node == rpc->cfg.node)
            continue;
        lg_rpc_peer *p = lg_rpc__peer(rpc, m->node);
        if (!p)
            p = peer_new(rpc, m);
        snprintf(p->address, sizeof p->address, "%s", m->address ? m->address : "");
        p->in_view = true;
        lg_rpc__attach_early(p);
        lg_rpc__dial(p);
    }
    lg_rpc__kick(rpc);
    return LG_OK;
}

/* ---- looking ---- */

const char *
lg_rpc_address(const lg_rpc *rpc)
{
    return lg_transport_address(rpc->t);
}

uint32_t
lg_rpc_node(const lg_rpc *rpc)
{
    return rpc->cfg.node;
}

uint64_t
lg_rpc_incarnation(const lg_rpc *rpc)
{
    return rpc->cfg.incarnation;
}

uint64_t
lg_rpc_epoch(const lg_rpc *rpc)
{
    return rpc->epoch;
}

bool
lg_rpc_peer_connected(const lg_rpc *rpc, uint32_t node)
{
    if (node == rpc->cfg.node)
        return true;
    const lg_rpc_peer *p = lg_rpc__peer(rpc, node);
    return p && p->conn;
}

bool
lg_rpc_peer_in_view(const lg_rpc *rpc, uint32_t node)
{
    return node == rpc->cfg.node || lg_rpc__peer(rpc, node);
}

const lg_rpc_type_counters *
lg_rpc_counters(const lg_rpc *rpc, uint16_t type)
{
    LG_ASSERT(type < rpc->cfg.type_count);
    return &rpc->counters[type];
}

const char *
lg_rpc_type_name(const lg_rpc *rpc, uint16_t type)
{
    return type < rpc->cfg.type_count ? rpc->cfg.types[type].name : "?";
}

bool
lg_rpc_peer_next(const lg_rpc *rpc, unsigned *pos, lg_rpc_peer_info *ret_info)
{
    unsigned i = 0;
    LG_LIST_FOREACH (it, &rpc->peers) {
        if (i++ < *pos)
            continue;
        const lg_rpc_peer *p = LG_CONTAINER_OF(it, lg_rpc_peer, node);
        *ret_info = p->info;
        ret_info->node = p->number;
        ret_info->incarnation = p->incarnation;
        ret_info->connected = p->conn != NULL;
        ret_info->broken = p->broken;
        ret_info->queued = p->queued;
        ret_info->credits = p->conn ? p->conn->credits : 0;
        ret_info->address = p->address;
        (*pos)++;
        return true;
    }
    return false;
}

void
lg_rpc_handle(lg_rpc *rpc, uint16_t type, lg_rpc_handler fn, void *arg)
{
    LG_ASSERT(type < rpc->cfg.type_count && (!rpc->handlers[type] || !fn));
    rpc->handlers[type] = fn;
    rpc->handler_args[type] = arg;
}
