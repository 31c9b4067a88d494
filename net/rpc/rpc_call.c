/* Requests and replies. A slot per pending call, from a pool made at creation; the request id is
 * {generation, slot}, so that a late reply never meets another call.
 *
 * A call ends in exactly one way: reply, failure (peer, epoch, shutdown), deadline, cancel or
 * abandon. Completions of asynchronous calls run from the kick timer or from a message's arrival,
 * never inside a call of the interface. */
#include "rpc_internal.h"

#include "assert.h"
#include "mem.h"
#include <string.h>

lg_status
lg_rpc__calls_init(lg_rpc *rpc)
{
    lg_list_init(&rpc->free_slots);
    lg_list_init(&rpc->pending);
    lg_list_init(&rpc->completed);
    lg_waitq_init(&rpc->slot_wait);
    rpc->slots = lg_zalloc(sizeof(lg_rpc_call_slot) * rpc->cfg.max_calls);
    for (uint32_t i = 0; i < rpc->cfg.max_calls; i++) {
        rpc->slots[i].rpc = rpc;
        lg_list_push_back(&rpc->free_slots, &rpc->slots[i].link);
    }
    return LG_OK;
}

static lg_rpc_call_slot *
slot_by_id(lg_rpc *rpc, uint64_t id)
{
    uint64_t i = id & 0xffff;
    if (i >= rpc->cfg.max_calls || !id || rpc->slots[i].id != id)
        return NULL;
    return &rpc->slots[i];
}

static void
slot_free(lg_rpc_call_slot *s)
{
    lg_rpc *rpc = s->rpc;
    lg_timer_stop(&s->timer);
    lg_list_remove(&s->link);
    s->id = 0;
    lg_list_push_front(&rpc->free_slots, &s->link);
    (void)lg_waitq_wake_one(&rpc->slot_wait);
}

/* The call is over; whoever waits is told soon. */
static void
slot_complete(lg_rpc_call_slot *s, lg_status status, lg_netbuf *reply)
{
    LG_ASSERT(!s->completed);
    s->completed = true;
    s->status = status;
    s->reply = reply;
    lg_timer_stop(&s->timer);
    if (!s->done) {
        lg_fiber_unpark(s->fiber);
        return;
    }
    lg_list_remove(&s->link);
    lg_list_push_back(&s->rpc->completed, &s->link);
    lg_rpc__kick(s->rpc);
}

void
lg_rpc__run_completed(lg_rpc *rpc)
{
    lg_list *n;
    while ((n = lg_list_pop_front(&rpc->completed))) {
        lg_rpc_call_slot *s = LG_CONTAINER_OF(n, lg_rpc_call_slot, link);
        lg_rpc_done done = s->done;
        void *arg = s->arg;
        lg_status st = s->status;
        lg_netbuf *reply = s->reply;
        slot_free(s);
        lg_rpc_rx *rx = reply ? lg_rpc__rx(reply) : NULL;
        done(arg, st, rx ? &rx->m : NULL);
        if (rx && !rx->taken)
            lg_rpc_msg_free(&rx->m);
    }
}

static void
call_expired(void *arg)
{
    slot_complete(arg, LG_TIMEOUT, NULL);
    lg_rpc__run_completed(((lg_rpc_call_slot *)arg)->rpc);
}

void
lg_rpc__fail_calls(lg_rpc *rpc, uint32_t node, bool any_epoch_too, lg_status why)
{
    LG_LIST_FOREACH_SAFE (it, &rpc->pending) {
        lg_rpc_call_slot *s = LG_CONTAINER_OF(it, lg_rpc_call_slot, link);
        if (!s->completed && (!node || s->node == node) && (any_epoch_too || !s->any_epoch))
            slot_complete(s, why, NULL);
    }
}

/* A reply came. The body goes where the caller wants it; a late reply is dropped. */
void
lg_rpc__complete(lg_rpc *rpc, lg_netbuf *reply)
{
    lg_rpc_rx *rx = lg_rpc__rx(reply);
    lg_rpc_call_slot *s = slot_by_id(rpc, rx->m.token.request_id);
    bool mine =
        rx->m.token.node == rpc->cfg.node && rx->m.token.incarnation == rpc->cfg.incarnation;
    if (!s || s->completed || !mine) {
        lg_rpc_msg_free(&rx->m);
        return;
    }
    lg_status status = rx->m.status;
    if (s->reply_body && rx->m.body) {
        if (rx->m.body_len > s->reply_body_cap) {
            status = LG_PROTOCOL;
        } else {
            memcpy(s->reply_body, rx->m.body, rx->m.body_len);
            rx->m.body = s->reply_body;
        }
    }
    slot_complete(s, status, reply);
    lg_rpc__run_completed(rpc);
}

static lg_status
call_start(lg_rpc *rpc, const lg_rpc_request *rq, lg_rpc_done done, void *arg,
           lg_rpc_call_slot **ret_slot)
{
    LG_ASSERT(rq->type < rpc->cfg.type_count);
    if (rpc->closing)
        return LG_SHUTDOWN;
    lg_list *n = lg_list_pop_front(&rpc->free_slots);
    if (!n)
        return LG_LIMIT;
    lg_rpc_call_slot *s = LG_CONTAINER_OF(n, lg_rpc_call_slot, link);
    bool any = rpc->cfg.types[rq->type].flags & LG_RPC_ANY_EPOCH;
    *s = (lg_rpc_call_slot){.rpc = rpc,
                            .id = ++rpc->call_counter << 16 | (uint64_t)(s - rpc->slots),
                            .node = rq->node,
                            .any_epoch = any,
                            .reply_body = rq->reply_body,
                            .reply_body_cap = rq->reply_body_cap,
                            .done = done,
                            .arg = arg,
                            .fiber = done ? NULL : lg_fiber_self()};
    lg_timer_init(&s->timer, rpc->run, call_expired, s);
    lg_list_push_back(&rpc->pending, &s->link);
    lg_rpc_out o = {.type = rq->type,
                    .flags = any ? LG_RPC_F_ANY_EPOCH : 0,
                    .token = {.node = rpc->cfg.node,
                              .type = rq->type,
                              .incarnation = rpc->cfg.incarnation,
                              .request_id = s->id},
                    .payload = rq->payload,
                    .payload_len = rq->payload_len,
                    .body = rq->body,
                    .body_len = rq->body_len};
    lg_status st = lg_rpc__send(rpc, rq->node, 0, &o);
    if (st != LG_OK) {
        slot_free(s);
        return st;
    }
    if (done && rq->deadline != LG_FOREVER)
        lg_timer_start(&s->timer, rq->deadline);
    *ret_slot = s;
    return LG_OK;
}

lg_status
lg_rpc_call_async(lg_rpc *rpc, const lg_rpc_request *rq, lg_rpc_done done, void *arg,
                  uint64_t *ret_request_id)
{
    LG_ASSERT(done);
    lg_rpc_call_slot *s;
    LG_TRY(call_start(rpc, rq, done, arg, &s));
    if (ret_request_id)
        *ret_request_id = s->id;
    return LG_OK;
}

void
lg_rpc_call_abandon(lg_rpc *rpc, uint64_t request_id)
{
    lg_rpc_call_slot *s = slot_by_id(rpc, request_id);
    if (!s)
        return;
    if (s->reply)
        lg_rpc_msg_free(&lg_rpc__rx(s->reply)->m);
    slot_free(s);
}

/* A free slot, and room in the queue to the node. */
static lg_status
call_admit(lg_rpc *rpc, const lg_rpc_request *rq)
{
    while (lg_list_empty(&rpc->free_slots) && !rpc->closing) {
        LG_TRY(lg_waitq_wait(&rpc->slot_wait, LG_WAIT_RPC_CREDIT, rq->deadline, rq->cancelable));
    }
    bool any = rpc->cfg.types[rq->type].flags & LG_RPC_ANY_EPOCH;
    return lg_rpc__throttle(rpc, rq->node, any, rq->deadline);
}

lg_status
lg_rpc_call(lg_rpc *rpc, const lg_rpc_request *rq, lg_rpc_msg **ret_reply)
{
    LG_ASSERT(lg_fiber_self());
    if (ret_reply)
        *ret_reply = NULL;
    LG_TRY(call_admit(rpc, rq));
    lg_rpc_call_slot *s;
    LG_TRY(call_start(rpc, rq, NULL, NULL, &s));
    lg_wait event = rq->event ? rq->event : LG_WAIT_RPC_REPLY;
    while (!s->completed) {
        lg_status st = lg_fiber_park(event, rq->deadline, rq->cancelable);
        if (st != LG_OK && !s->completed) {
            slot_free(s);
            return st;
        }
    }
    lg_status st = s->status;
    lg_netbuf *reply = s->reply;
    slot_free(s);
    if (reply && ret_reply)
        *ret_reply = &lg_rpc__rx(reply)->m;
    else if (reply)
        lg_rpc_msg_free(&lg_rpc__rx(reply)->m);
    return st;
}

lg_status
lg_rpc_reply(lg_rpc *rpc, const lg_rpc_token *token, lg_status status, const void *payload,
             uint32_t payload_len, const void *body, uint32_t body_len)
{
    LG_ASSERT(token->node && token->type < rpc->cfg.type_count);
    bool any = rpc->cfg.types[token->type].flags & LG_RPC_ANY_EPOCH;
    lg_rpc_out o = {.type = token->type,
                    .flags = (uint16_t)(LG_RPC_F_REPLY | (any ? LG_RPC_F_ANY_EPOCH : 0)),
                    .token = *token,
                    .status = status,
                    .payload = payload,
                    .payload_len = payload_len,
                    .body = body,
                    .body_len = body_len};
    return lg_rpc__send(rpc, token->node, token->incarnation, &o);
}
