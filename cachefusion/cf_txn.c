/* Status of, and waiting for, transactions of other instances. The owner answers with the hooks
 * that core/instance wires to txn; each question runs in a fiber of its own, since it may read undo
 * blocks or wait as long as the transaction lives. */
#include "cachefusion_internal.h"

#define WAIT_SLICE_NS                                                                              \
    (2 * LG_SEC) /* the owner answers at least so often: a lost caller frees its fiber */

typedef struct tx_work {
    lg_cf *cf;
    lg_rpc_token token;
    uint64_t xid;
    bool wait;
} tx_work;

static void
tx_fiber(void *arg)
{
    tx_work *w = arg;
    lg_cf *cf = w->cf;
    lg_msg_tx_reply r = {0};
    lg_status st = LG_NOT_FOUND;
    if (w->wait && cf->txn.wait)
        st = cf->txn.wait(cf->txn.arg, w->xid, lg_run_now_ns(cf->run) + WAIT_SLICE_NS);
    else if (!w->wait && cf->txn.status)
        st = cf->txn.status(cf->txn.arg, w->xid, &r.state, &r.scn);
    (void)!lg_rpc_reply(cf->rpc, &w->token, st, &r, sizeof r, NULL, 0);
    lg_free(w);
    if (--cf->fibers == 0)
        lg_waitq_wake_all(&cf->drainedq);
}

static void
on_question(void *arg, lg_rpc_msg *m)
{
    lg_cf *cf = arg;
    if (lg_msg_check(m) != LG_OK || cf->stopping)
        return;
    tx_work *w = lg_zalloc(sizeof *w);
    *w = (tx_work){.cf = cf, .token = m->token, .xid = ((const lg_msg_tx *)m->payload)->xid};
    w->wait = m->type == LG_MSG_TX_WAIT;
    if (lg_cf__spawn(cf, "tx answer", tx_fiber, w) != LG_OK) {
        (void)!lg_rpc_reply(cf->rpc, &w->token, LG_RETRY, NULL, 0, NULL, 0);
        lg_free(w);
    }
}

void
lg_cf__txn_register(lg_cf *cf)
{
    lg_rpc_handle(cf->rpc, LG_MSG_TX_STATUS, on_question, cf);
    lg_rpc_handle(cf->rpc, LG_MSG_TX_WAIT, on_question, cf);
}

void
lg_cf_set_txn(lg_cf *cf, const lg_cf_txn_hooks *hooks)
{
    cf->txn = *hooks;
}

lg_status
lg_cf_txn_status(lg_cf *cf, uint32_t node, uint64_t xid, uint32_t *ret_state, lg_scn *ret_scn)
{
    lg_msg_tx m = {.xid = xid};
    lg_rpc_request rq = {
        .node = node, .type = LG_MSG_TX_STATUS, .cancelable = true, .event = LG_WAIT_TX_OUTCOME};
    rq.payload = &m;
    rq.payload_len = sizeof m;
    rq.deadline = LG_FOREVER;
    lg_rpc_msg *reply = NULL;
    lg_status st = lg_rpc_call(cf->rpc, &rq, &reply);
    if (st == LG_OK && reply->payload_len >= sizeof(lg_msg_tx_reply)) {
        const lg_msg_tx_reply *r = reply->payload;
        *ret_state = r->state;
        *ret_scn = r->scn;
    } else if (st == LG_OK) {
        st = LG_PROTOCOL;
    }
    lg_rpc_msg_free(reply);
    return st;
}

lg_status
lg_cf_txn_wait(lg_cf *cf, uint32_t node, uint64_t xid, lg_time deadline)
{
    lg_msg_tx m = {.xid = xid};
    lg_rpc_request rq = {
        .node = node, .type = LG_MSG_TX_WAIT, .cancelable = true, .event = LG_WAIT_ENQ_TX};
    rq.payload = &m;
    rq.payload_len = sizeof m;
    rq.deadline = deadline;
    for (;;) {
        lg_rpc_msg *reply = NULL;
        lg_status st = lg_rpc_call(cf->rpc, &rq, &reply);
        bool owner_said = reply != NULL;
        lg_rpc_msg_free(reply);
        /* the owner's slice is over, ours is not */
        if (!(owner_said && (st == LG_TIMEOUT || st == LG_LOCK_NOT_AVAILABLE || st == LG_RETRY)))
            return st;
        if (lg_run_now_ns(cf->run) >= deadline)
            return LG_TIMEOUT;
    }
}
