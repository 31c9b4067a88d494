/* Consistent reads.
 *
 *   reader --CR_REQUEST--> master --CR_FORWARD--> X holder --reply, with the copy--> reader
 *                             \--reply RETRY--> reader takes S (no writer has it: S is as good)
 *
 * The holder copies its image under an S latch, makes its redo durable (invariant 1), rolls the
 * copy back with the builder that txn gave, ships it. After cr_per_version copies of an unchanged
 * block it answers RETRY: the reader then takes S, and the holder steps down. Own fibers: the
 * builder may read undo blocks of other instances. */
#include "cachefusion_internal.h"

typedef struct cr_work {
    lg_list link;
    lg_addr addr;
    lg_scn snapshot;
    lg_rpc_token token;
} cr_work;

/* ---- reader ---- */

lg_status
lg_cf__read_consistent(void *self, lg_addr addr, lg_scn snapshot, void *frame, lg_time deadline)
{
    lg_cf *cf = self;
    lg_msg_gcs_cr m = {.key = lg_addr_key(addr), .snapshot = snapshot};
    lg_status st;
    do {
        while (cf->frozen) {
            if (cf->stopping)
                return LG_SHUTDOWN;
            LG_TRY(lg_waitq_wait(&cf->thawq, LG_WAIT_GC_REMASTER, deadline, false));
        }
        uint32_t master = lg_cf__master(cf, m.key);
        lg_grd_info info;
        if (master == cf->node &&
            (!lg_grd_find(cf->grd, m.key, &info) || info.x == 0 || info.x == cf->node))
            return LG_RETRY;
        lg_time began = lg_run_now_exact_ns(cf->run);
        lg_rpc_request rq = {
            .node = master, .type = LG_MSG_GCS_CR_REQUEST, .event = LG_WAIT_GC_CR_REQUEST};
        rq.payload = &m;
        rq.payload_len = sizeof m;
        rq.reply_body = frame;
        rq.reply_body_cap = cf->cfg.block_bytes;
        rq.deadline = deadline;
        lg_rpc_msg *reply = NULL;
        st = lg_rpc_call(cf->rpc, &rq, &reply);
        uint32_t asked = reply && reply->node < LG_NODES_MAX ? reply->node : master;
        if (st == LG_OK) {
            st = reply->body_len == cf->cfg.block_bytes
                     ? lg_block_verify(frame, cf->cfg.block_bytes, addr)
                     : LG_RETRY;
            lg_cf_transfer *t = &cf->transfer[reply->node < LG_NODES_MAX ? reply->node : 0];
            lg_time ns = lg_run_now_exact_ns(cf->run) - began;
            t->cr_blocks++;
            t->cr_ns += ns;
            t->cr_congested += ns > LG_MS;
            t->cr_busy += reply->payload_len == sizeof(lg_msg_gcs_cr_reply) &&
                          ((const lg_msg_gcs_cr_reply *)reply->payload)->flush_us != 0;
            lg_cf_segment *g = lg_cf__segment(cf, m.key);
            g->cr_received++;
            g->cr_ns += ns;
            cf->counts.cr_received++;
            lg_stat_inc(cf->stats, LG_STAT_GC_CR_RECEIVED);
        }
        cf->transfer[asked].cr_none += reply && st == LG_RETRY;
        cf->transfer[asked].lost += st == LG_STALE_EPOCH || st == LG_PEER_DOWN;
        lg_rpc_msg_free(reply);
        if ((st == LG_STALE_EPOCH || st == LG_PEER_DOWN) &&
            !cf->frozen) /* a new view is on its way */
            LG_TRY(lg_fiber_sleep_until(lg_run_now_ns(cf->run) + LG_MS, LG_WAIT_GC_CR_REQUEST));
    } while (st == LG_STALE_EPOCH || st == LG_PEER_DOWN);
    return st == LG_NOT_FOUND ? LG_RETRY : st;
}

/* ---- master ---- */

static void
on_request(void *arg, lg_rpc_msg *m)
{
    lg_cf *cf = arg;
    const lg_msg_gcs_cr *r = m->payload;
    lg_grd_info info;
    if (lg_msg_check(m) != LG_OK)
        return;
    bool writer = lg_grd_find(cf->grd, r->key, &info) && info.x != 0 && info.x != m->node;
    if (!writer) {
        (void)!lg_rpc_reply(cf->rpc, &m->token, LG_RETRY, NULL, 0, NULL, 0);
        return;
    }
    lg_msg_gcs_cr_forward f = {.key = r->key, .snapshot = r->snapshot, .token = m->token};
    if (lg_rpc_send(cf->rpc, info.x, LG_MSG_GCS_CR_FORWARD, &f, sizeof f, NULL, 0) != LG_OK)
        (void)!lg_rpc_reply(cf->rpc, &m->token, LG_PEER_DOWN, NULL, 0, NULL, 0);
}

/* ---- holder ---- */

static void
on_forward(void *arg, lg_rpc_msg *m)
{
    lg_cf *cf = arg;
    const lg_msg_gcs_cr_forward *f = m->payload;
    if (lg_msg_check(m) != LG_OK)
        return;
    cr_work *w = lg_alloc(sizeof *w);
    w->addr = lg_addr_from_key(f->key);
    w->snapshot = f->snapshot;
    w->token = f->token;
    lg_list_push_back(&cf->cr_queue, &w->link);
    lg_waitq_wake_one(&cf->crq);
}

/* Counts copies of an unchanged block. The map is dropped whole when it has grown: the counts are a
 * hint. */
static bool
served_enough(lg_cf *cf, lg_addr addr, lg_version version)
{
    uint64_t key = lg_addr_key(addr);
    uintptr_t old = (uintptr_t)lg_map_get(cf->cr_served, key);
    uintptr_t mark = (uintptr_t)(version << 8) & ~(uintptr_t)0xFF, count = old & 0xFF;
    if ((old & ~(uintptr_t)0xFF) != mark)
        count = 0;
    if (count >= cf->cfg.cr_per_version)
        return true;
    if (lg_map_count(cf->cr_served) > 4096) {
        lg_map_destroy(cf->cr_served);
        cf->cr_served = lg_map_create();
    }
    lg_map_put(cf->cr_served, key, (void *)(mark | (count + 1)));
    return false;
}

static lg_status
copy_current(lg_cf *cf, lg_addr addr, void *image, lg_time *ret_flush_ns)
{
    lg_buf *b = NULL;
    lg_status st = LG_WOULD_WAIT;
    for (int i = 0; i < 8 && st == LG_WOULD_WAIT; i++) { /* latched by a local fiber: soon free */
        if (i > 0)
            lg_fiber_yield();
        b = lg_buf_find(cf->buf, addr);
        if (!b)
            return LG_RETRY;
        bool writer = b->mode == LG_MODE_X;
        lg_buf_unpin(cf->buf, b);
        if (!writer)
            return LG_RETRY;
        st = lg_buf_try_get(cf->buf, addr, LG_LATCH_S, &b);
    }
    if (st != LG_OK)
        return LG_RETRY;
    if (served_enough(cf, addr, lg_block_version(b->data))) {
        lg_buf_put(cf->buf, b, LG_LATCH_S);
        return LG_RETRY;
    }
    memcpy(image, b->data, cf->cfg.block_bytes);
    lg_lsn lsn = b->last_lsn;
    lg_buf_put(cf->buf, b, LG_LATCH_S);
    lg_redo *redo = lg_buf_redo(cf->buf);
    if (redo && lsn > lg_redo_flushed(redo)) { /* invariant 1 */
        lg_time began = lg_run_now_exact_ns(cf->run);
        st = lg_redo_flush(redo, lsn);
        *ret_flush_ns = lg_run_now_exact_ns(cf->run) - began;
        return st;
    }
    return LG_OK;
}

static void
serve(lg_cf *cf, const cr_work *w, void *image)
{
    lg_time flush_ns = 0;
    lg_status st = cf->cr_fn ? copy_current(cf, w->addr, image, &flush_ns) : LG_RETRY;
    if (st == LG_OK)
        st = cf->cr_fn(cf->cr_arg, w->addr, image, w->snapshot);
    if (st != LG_OK) {
        (void)!lg_rpc_reply(cf->rpc, &w->token, LG_RETRY, NULL, 0, NULL, 0);
        return;
    }
    lg_block_seal(image, cf->cfg.block_bytes);
    if (w->token.node < LG_NODES_MAX) {
        cf->transfer[w->token.node].cr_served++;
        cf->transfer[w->token.node].flush_ns += flush_ns;
    }
    lg_cf__segment(cf, lg_addr_key(w->addr))->cr_served++;
    lg_stat_inc(cf->stats, LG_STAT_GC_CR_SERVED);
    lg_msg_gcs_cr_reply r = {.flush_us = (uint32_t)(flush_ns / 1000) + (flush_ns != 0)};
    (void)!lg_rpc_reply(cf->rpc, &w->token, LG_OK, &r, sizeof r, image, cf->cfg.block_bytes);
}

void
lg_cf__cr_fiber(void *arg)
{
    lg_cf *cf = arg;
    void *image = lg_alloc_aligned(64, cf->cfg.block_bytes);
    for (;;) {
        lg_list *it = lg_list_pop_front(&cf->cr_queue);
        if (!it && cf->stopping)
            break;
        if (!it) {
            (void)!lg_waitq_wait(&cf->crq, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
            continue;
        }
        cr_work *w = LG_CONTAINER_OF(it, cr_work, link);
        serve(cf, w, image);
        lg_free(w);
    }
    lg_free(image);
    if (--cf->fibers == 0)
        lg_waitq_wake_all(&cf->drainedq);
}

void
lg_cf__cr_drop(lg_cf *cf)
{
    for (lg_list *it; (it = lg_list_pop_front(&cf->cr_queue)) != NULL;)
        lg_free(LG_CONTAINER_OF(it, cr_work, link));
}

void
lg_cf__cr_register(lg_cf *cf)
{
    lg_rpc_handle(cf->rpc, LG_MSG_GCS_CR_REQUEST, on_request, cf);
    lg_rpc_handle(cf->rpc, LG_MSG_GCS_CR_FORWARD, on_forward, cf);
}
