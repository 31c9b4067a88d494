/* Life cycle, elements, sending (to oneself through a queue), dispatch. See cachefusion.h. */
#include "cachefusion_internal.h"

static const lg_coherence_ops ops = {
    .acquire = lg_cf__acquire,
    .read_consistent = lg_cf__read_consistent,
    .release = lg_cf__release,
    .written = lg_cf__written,
    .demand_write = lg_cf__demand_write,
};

/* ---- elements ---- */

cf_elem *
lg_cf__elem(lg_cf *cf, uint64_t key)
{
    cf_elem *e = lg_map_get(cf->elems, key);
    if (!e) {
        e = lg_zalloc(sizeof *e);
        e->key = key;
        lg_waitq_init(&e->q);
        lg_list_init(&e->work);
        lg_list_init(&e->ready_link);
        lg_map_put(cf->elems, key, e);
    }
    return e;
}

void
lg_cf__elem_done(lg_cf *cf, cf_elem *e)
{
    if (e->requesting || e->serving || e->ready || !lg_list_empty(&e->work))
        return;
    LG_ASSERT(lg_waitq_empty(&e->q));
    lg_map_remove(cf->elems, e->key);
    lg_free(e);
}

uint32_t
lg_cf__master(const lg_cf *cf, uint64_t key)
{
    return lg_grd_master(&cf->map, key);
}

/* ---- messages ---- */

static void
dispatch(lg_cf *cf, uint16_t type, uint32_t from, const void *payload, lg_rpc_msg *m)
{
    switch (type) {
    case LG_MSG_GCS_GRANT:
    case LG_MSG_GCS_BLOCK:
    case LG_MSG_GCS_INV_ACK:
    case LG_MSG_GCS_CLAIM_ACK:
        lg_cf__requester_message(cf, type, from, payload, m);
        break;
    case LG_MSG_GCS_FORWARD:
    case LG_MSG_GCS_INVALIDATE:
    case LG_MSG_GCS_WRITE:
    case LG_MSG_GCS_WRITE_THROUGH:
        lg_cf__serve_message(cf, type, from, payload, m ? &m->token : NULL);
        break;
    case LG_MSG_GCS_PI_DISCARD: {
        const lg_msg_gcs_version *v = payload;
        lg_buf_superseded(cf->buf, lg_addr_from_key(v->key), v->version);
        break;
    }
    default:
        lg_cf__master_message(cf, type, from, payload);
        break;
    }
}

void
lg_cf__drain(lg_cf *cf)
{
    if (cf->draining)
        return;
    cf->draining = true;
    for (lg_list *it; (it = lg_list_pop_front(&cf->self_msgs)) != NULL;) {
        cf_self_msg *m = LG_CONTAINER_OF(it, cf_self_msg, link);
        dispatch(cf, m->type, cf->node, &m->u, NULL);
        lg_list_push_back(&cf->free_self, &m->link);
    }
    cf->draining = false;
}

void
lg_cf__send(lg_cf *cf, uint32_t node, uint16_t type, const void *payload, uint32_t len,
            const void *body)
{
    if (node == cf->node) {
        lg_list *it = lg_list_pop_front(&cf->free_self);
        cf_self_msg *m = it ? LG_CONTAINER_OF(it, cf_self_msg, link) : lg_zalloc(sizeof *m);
        LG_ASSERT(!body && len <= sizeof m->u);
        m->type = type;
        memcpy(&m->u, payload, len);
        lg_list_push_back(&cf->self_msgs, &m->link);
        return;
    }
    lg_stat_inc(cf->stats, LG_STAT_GCS_MESSAGES_SENT);
    /* To a peer that is down: a view without it follows, and everything is asked again. */
    (void)!lg_rpc_send(cf->rpc, node, type, payload, len, body, body ? cf->cfg.block_bytes : 0);
}

static void
on_message(void *arg, lg_rpc_msg *m)
{
    lg_cf *cf = arg;
    if (lg_msg_check(m) != LG_OK || m->node == 0 || m->node >= LG_NODES_MAX || !cf->buf)
        return;
    if (m->body_len != 0 && m->body_len != cf->cfg.block_bytes)
        return;
    dispatch(cf, m->type, m->node, m->payload, m);
    lg_cf__drain(cf);
}

static void
register_handlers(lg_cf *cf)
{
    static const uint16_t types[] = {
        LG_MSG_GCS_REQUEST,       LG_MSG_GCS_FORWARD,      LG_MSG_GCS_INVALIDATE,
        LG_MSG_GCS_GRANT,         LG_MSG_GCS_BLOCK,        LG_MSG_GCS_INV_ACK,
        LG_MSG_GCS_CLAIM,         LG_MSG_GCS_CLAIM_ACK,    LG_MSG_GCS_NOT_HERE,
        LG_MSG_GCS_RELEASE,       LG_MSG_GCS_WRITTEN,      LG_MSG_GCS_PI_DISCARD,
        LG_MSG_GCS_WRITE,         LG_MSG_GCS_DEMAND_WRITE, LG_MSG_GCS_CANCEL,
        LG_MSG_GCS_WRITE_THROUGH,
    };
    for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++)
        lg_rpc_handle(cf->rpc, types[i], on_message, cf);
    lg_cf__cr_register(cf);
    lg_cf__reconf_register(cf);
    lg_cf__scn_register(cf);
    lg_cf__txn_register(cf);
}

/* ---- life ---- */

lg_status
lg_cf_create(const lg_cf_config *cfg, lg_cf **ret_cf)
{
    if (cfg->node == 0 || cfg->node >= LG_NODES_MAX)
        return LG_INVALID;
    lg_cf *cf = lg_zalloc(sizeof *cf);
    cf->cfg = *cfg;
    if (cf->cfg.server_fibers == 0)
        cf->cfg.server_fibers = 16;
    if (cf->cfg.cr_fibers == 0)
        cf->cfg.cr_fibers = 16;
    if (cf->cfg.cr_per_version == 0)
        cf->cfg.cr_per_version = 4;
    cf->run = cfg->run;
    cf->rpc = cfg->rpc;
    cf->stats = lg_run_stats(cfg->run);
    cf->node = cfg->node;
    cf->members = 1ULL << cfg->node;
    cf->frozen = true; /* until the first view opens */
    cf->grd = lg_grd_create(cf->node);
    lg_grd_map_build(&cf->map, cf->members);
    cf->elems = lg_map_create();
    cf->gate = lg_map_create();
    cf->cr_served = lg_map_create();
    cf->segments = lg_map_create();
    lg_waitq_init(&cf->thawq);
    lg_waitq_init(&cf->serverq);
    lg_waitq_init(&cf->drainedq);
    lg_waitq_init(&cf->crq);
    lg_waitq_init(&cf->scnq);
    lg_waitq_init(&cf->scn_sendq);
    lg_waitq_init(&cf->freshq);
    lg_list_init(&cf->servers);
    lg_list_init(&cf->ready);
    lg_list_init(&cf->free_work);
    lg_list_init(&cf->self_msgs);
    lg_list_init(&cf->free_self);
    lg_list_init(&cf->cr_queue);
    for (uint32_t i = 0; i < LG_NODES_MAX; i++)
        cf->transfer[i].node = i;
    *ret_cf = cf;
    return LG_OK;
}

lg_coherence
lg_cf_coherence(lg_cf *cf)
{
    return (lg_coherence){&ops, cf};
}

lg_status
lg_cf__spawn(lg_cf *cf, const char *name, lg_fiber_fn fn, void *arg)
{
    LG_TRY(lg_run_spawn(cf->run, name, 0, fn, arg, NULL));
    cf->fibers++;
    return LG_OK;
}

lg_status
lg_cf_attach(lg_cf *cf, lg_buf_cache *buf)
{
    LG_ASSERT(!cf->buf);
    cf->buf = buf;
    for (int i = 0; i < 1024; i++) { /* invariant 9: no message fails for want of memory */
        cf_work *w = lg_zalloc(sizeof *w);
        lg_list_push_back(&cf->free_work, &w->link);
    }
    register_handlers(cf);
    for (uint32_t i = 0; i < cf->cfg.server_fibers; i++)
        LG_TRY(lg_cf__spawn(cf, "gc server", lg_cf__server_fiber, cf));
    for (uint32_t i = 0; i < cf->cfg.cr_fibers; i++)
        LG_TRY(lg_cf__spawn(cf, "cr server", lg_cf__cr_fiber, cf));
    return lg_cf__spawn(cf, "scn sender", lg_cf__scn_fiber, cf);
}

void
lg_cf_stop(lg_cf *cf)
{
    if (!cf || cf->stopping)
        return;
    cf->stopping = true;
    lg_waitq_wake_all(&cf->thawq);
    lg_waitq_wake_all(&cf->serverq);
    lg_waitq_wake_all(&cf->crq);
    lg_waitq_wake_all(&cf->scn_sendq);
    lg_waitq_wake_all(&cf->scnq);
    lg_cf__requests_abort(cf); /* of recovery tasks given up: no epoch will do it any more */
    lg_waitq_wake_all(&cf->freshq);
    while (cf->fibers > 0 && lg_fiber_self())
        (void)!lg_waitq_wait(&cf->drainedq, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
}

static void
free_list(lg_list *l, size_t link_offset)
{
    for (lg_list *it; (it = lg_list_pop_front(l)) != NULL;)
        lg_free((char *)it - link_offset);
}

void
lg_cf_destroy(lg_cf *cf)
{
    size_t pos = 0;
    void *v;
    if (!cf)
        return;
    LG_ASSERT(cf->fibers == 0);
    while (lg_map_next(cf->elems, &pos, NULL, &v)) {
        cf_elem *e = v;
        lg_rpc_msg_free(e->image);
        free_list(&e->work, offsetof(cf_work, link));
        lg_free(e);
    }
    lg_map_destroy(cf->elems);
    lg_map_destroy(cf->gate);
    lg_map_destroy(cf->cr_served);
    lg_cf__segments_drop(cf);
    lg_cf__cr_drop(cf);
    lg_cf__early_drop(cf);
    lg_free(cf->early);
    free_list(&cf->free_work, offsetof(cf_work, link));
    free_list(&cf->self_msgs, offsetof(cf_self_msg, link));
    free_list(&cf->free_self, offsetof(cf_self_msg, link));
    for (uint32_t i = 0; i < LG_NODES_MAX; i++)
        lg_free(cf->unacked[i].keys);
    lg_grd_destroy(cf->grd);
    lg_free(cf);
}

void
lg_cf_set_cr(lg_cf *cf, lg_cf_cr_fn fn, void *arg)
{
    cf->cr_fn = fn;
    cf->cr_arg = arg;
}
