/* The holder: server fibers that take modes away for peers, ship blocks, and write what peers
 * demand.
 *
 * A wish waits in its element until no fiber serves the block and our own granted request for it is
 * finished. A server fiber waits for latches, redo and disks of this instance only; if a write has to find
 * the block's place anew (a drop has forgotten it) it gives up when a reconfiguration begins, which
 * waits for it: the demand comes again. What it began
 * in one epoch is not answered in the next: the mode is down then, and the rebuild tells so. */
#include "cachefusion_internal.h"

typedef struct serving {
    lg_cf *cf;
    uint8_t *image; /* block_bytes, the fiber's own */
    lg_fiber *fiber;
    lg_list link; /* in cf->servers */
} serving;

bool
lg_cf__is_server_fiber(const lg_cf *cf)
{
    const lg_fiber *self = lg_fiber_self();
    LG_LIST_FOREACH (it, &cf->servers) {
        if (LG_CONTAINER_OF(it, serving, link)->fiber == self)
            return true;
    }
    return false;
}

static void
work_free(lg_cf *cf, cf_work *w)
{
    lg_list_push_front(&cf->free_work, &w->link);
}

/* Gives the element to the server fibers if it has something they can do now. */
void
lg_cf__serve_kick(lg_cf *cf, cf_elem *e)
{
    if (e->serving || e->ready || lg_list_empty(&e->work))
        return;
    if (e->requesting && e->req.complete && !e->aborted)
        return; /* the acquiring fiber comes first; it kicks again */
    e->ready = true;
    lg_list_push_back(&cf->ready, &e->ready_link);
    lg_waitq_wake_one(&cf->serverq);
}

void
lg_cf__serve_message(lg_cf *cf, uint16_t type, uint32_t from, const void *payload,
                     const lg_rpc_token *token)
{
    lg_list *it = lg_list_pop_front(&cf->free_work);
    cf_work *w = it ? LG_CONTAINER_OF(it, cf_work, link) : lg_zalloc(sizeof *w);
    w->type = type;
    w->from = from;
    w->epoch = cf->epoch;
    w->arrived = lg_run_now_ns(cf->run);
    w->token = token ? *token : (lg_rpc_token){0};
    memcpy(&w->u, payload,
           type == LG_MSG_GCS_WRITE || type == LG_MSG_GCS_WRITE_THROUGH ? sizeof w->u.version
                                                                        : sizeof w->u.forward);
    cf_elem *e = lg_cf__elem(cf, *(const uint64_t *)payload);
    lg_list_push_back(&e->work, &w->link);
    lg_cf__serve_kick(cf, e);
}

/* The epoch is over: what nobody has begun will be asked again. */
void
lg_cf__serve_drop(lg_cf *cf)
{
    size_t n = lg_map_count(cf->elems), count = 0, pos = 0;
    void *v;
    cf_elem **all = lg_alloc((n + 1) * sizeof *all);
    while (lg_map_next(cf->elems, &pos, NULL, &v))
        all[count++] = v;
    for (size_t i = 0; i < count; i++) {
        cf_elem *e = all[i];
        for (lg_list *it; (it = lg_list_pop_front(&e->work)) != NULL;)
            work_free(cf, LG_CONTAINER_OF(it, cf_work, link));
        if (e->ready) {
            e->ready = false;
            lg_list_remove(&e->ready_link);
        }
        if (lg_waitq_empty(&e->q))
            lg_cf__elem_done(cf, e);
    }
    lg_free(all);
}

/* ---- what this instance has ---- */

static lg_grd_local
look(const lg_cf *cf, lg_addr addr)
{
    lg_grd_local l = {0};
    lg_buf *b = lg_buf_find(cf->buf, addr);
    if (b) {
        l.mode = (lg_grd_mode)b->mode;
        l.pi = b->pi && b->valid;
        l.pi_version = l.pi ? lg_block_version(b->data) : 0;
        lg_buf_unpin(cf->buf, b);
    }
    return l;
}

static lg_version
disk_version_of(const lg_cf *cf, lg_addr addr)
{
    lg_buf *b = lg_buf_find(cf->buf, addr);
    lg_version v = b ? b->disk_version : 0;
    if (b)
        lg_buf_unpin(cf->buf, b);
    return v;
}

static void
say_not_here(lg_cf *cf, const lg_msg_gcs_forward *f, uint64_t pi_version)
{
    lg_msg_gcs_not_here m = {
        .key = f->key, .id = f->id, .pi_version = pi_version, .requester = f->requester};
    lg_cf__send(cf, lg_cf__master(cf, f->key), LG_MSG_GCS_NOT_HERE, &m, sizeof m, NULL);
}

/* ---- forward and invalidate ---- */

typedef struct outcome {
    bool done; /* answer it; false: the instance is in trouble, the peer waits for a new view */
    bool have_image;
    bool dirty;
    bool from_pi;
    lg_version version;
    uint64_t pi_version; /* we keep a past image */
    lg_time flush_ns;    /* waited for redo */
} outcome;

static void
take_down(serving *s, lg_addr addr, const lg_grd_serve *plan, outcome *o)
{
    lg_cf *cf = s->cf;
    lg_mode to = (lg_mode)plan->to;
    bool dirty = false;
    lg_status st =
        lg_buf_revoke(cf->buf, addr, to, plan->ship ? s->image : NULL, &dirty, &o->version);
    /* Our disk read had failed, or nobody has formatted the block yet: the answer is "not here", so
     * nothing must be kept here. */
    bool nothing = st == LG_READ_DISK || (st == LG_OK && plan->ship && o->version == 0);
    if (nothing && to != LG_MODE_N)
        st = lg_buf_revoke(cf->buf, addr, LG_MODE_N, NULL, NULL, NULL);
    o->done = st == LG_OK || st == LG_READ_DISK || st == LG_NOT_FOUND;
    o->flush_ns = st == LG_OK ? lg_buf_revoke_flush_ns(cf->buf) : 0;
    lg_grd_local now = look(cf, addr);
    o->pi_version = now.mode == LG_GRD_N ? now.pi_version : 0;
    o->have_image = st == LG_OK && plan->ship && o->version != 0;
    o->dirty = st == LG_OK && dirty && to == LG_MODE_N;
}

/* We stay in S: a copy is all that is wanted. False: look again, we are in S no more. */
static bool
ship_shared(serving *s, lg_addr addr, outcome *o)
{
    lg_cf *cf = s->cf;
    bool current = false, held = true;
    lg_status st = LG_RETRY;
    lg_buf *b = lg_buf_find(cf->buf, addr);
    while (b && st == LG_RETRY) {
        held = b->mode == LG_MODE_S;
        if (!held)
            break;
        st = lg_buf_image(cf->buf, addr, s->image, &o->version, &current);
        if (st == LG_WOULD_WAIT) { /* invariant 1 */
            lg_time began = lg_run_now_exact_ns(cf->run);
            st = lg_redo_flush(lg_buf_redo(cf->buf), b->last_lsn);
            o->flush_ns += lg_run_now_exact_ns(cf->run) - began;
            st = st == LG_OK ? LG_RETRY : st;
        } else if (st == LG_NOT_FOUND && b->converting) { /* being read from disk */
            (void)!lg_waitq_wait(&b->convq, LG_WAIT_GC_BUFFER_BUSY_RELEASE, LG_FOREVER, false);
            st = LG_RETRY;
        }
    }
    if (b)
        lg_buf_unpin(cf->buf, b);
    if (!b || !held)
        return false;
    if (st == LG_NOT_FOUND) /* its disk read had failed: keep nothing */
        st = lg_buf_revoke(cf->buf, addr, LG_MODE_N, NULL, NULL, NULL);
    else
        o->have_image = st == LG_OK;
    o->done = st == LG_OK || st == LG_READ_DISK || st == LG_NOT_FOUND;
    return true;
}

static void
ship_past_image(serving *s, lg_addr addr, outcome *o)
{
    bool current = false;
    lg_status st = lg_buf_image(s->cf->buf, addr, s->image, &o->version, &current);
    o->done = true;
    o->have_image = o->from_pi = st == LG_OK;
    o->pi_version = st == LG_OK ? o->version : 0;
    s->cf->counts.pi_served += st == LG_OK;
}

static void
answer(serving *s, const cf_work *w, const outcome *o)
{
    lg_cf *cf = s->cf;
    const lg_msg_gcs_forward *f = &w->u.forward;
    lg_cf_transfer *t = &cf->transfer[f->requester];
    lg_msg_gcs_block m = {
        .key = f->key, .id = f->id, .version = o->version, .mode = f->mode, .acks = f->acks};
    m.pi_version = o->pi_version;
    m.dirty = o->dirty;
    m.from_pi = o->from_pi;
    m.serve_us = (uint32_t)((lg_run_now_exact_ns(cf->run) - w->arrived) / 1000);
    m.flush_us = (uint32_t)(o->flush_ns / 1000);
    m.busy = o->flush_ns != 0;
    t->flush_ns += o->flush_ns;
    m.disk_version = o->dirty || o->from_pi ? 0 : disk_version_of(cf, lg_addr_from_key(f->key));
    if (w->type == LG_MSG_GCS_FORWARD) {
        if (!o->have_image) {
            cf->counts.not_here++;
            t->not_here_served++;
            say_not_here(cf, f, o->pi_version);
            return;
        }
        cf->counts.forwards_served++;
        t->current_served++;
        lg_cf__segment(cf, f->key)->current_served++;
        lg_stat_inc(cf->stats, LG_STAT_GC_CURRENT_SERVED);
        lg_cf__send(cf, f->requester, LG_MSG_GCS_BLOCK, &m, sizeof m, s->image);
        return;
    }
    /* Only a dirty copy or a past image travels with an ack: a clean one is on disk, or with
     * whoever was asked for the block. */
    bool image = o->have_image && (o->dirty || o->from_pi);
    cf->counts.invalidations_served++;
    t->invalidations_served++;
    lg_cf__segment(cf, f->key)->invalidated++;
    lg_stat_inc(cf->stats, LG_STAT_GC_INVALIDATIONS);
    if (o->pi_version)
        say_not_here(cf, f, o->pi_version);
    lg_cf__send(cf, f->requester, LG_MSG_GCS_INV_ACK, &m, sizeof m, image ? s->image : NULL);
}

static void
serve_forward(serving *s, const cf_work *w)
{
    lg_cf *cf = s->cf;
    const lg_msg_gcs_forward *f = &w->u.forward;
    lg_addr addr = lg_addr_from_key(f->key);
    outcome o;
    lg_grd_local l;
    lg_grd_serve plan;
    bool shared;
    do {
        o = (outcome){0};
        l = look(cf, addr);
        plan = w->type == LG_MSG_GCS_FORWARD
                   ? lg_grd_serve_forward(&l, (lg_grd_mode)f->mode, f->from_pi != 0)
                   : lg_grd_serve_invalidate(&l, f->no_image != 0);
        shared = plan.what == LG_GRD_SERVE_REVOKE && plan.to == l.mode;
    } while (shared && !ship_shared(s, addr, &o));
    if (shared)
        ;
    else if (plan.what == LG_GRD_SERVE_REVOKE)
        take_down(s, addr, &plan, &o);
    else if (plan.what == LG_GRD_SERVE_PI)
        ship_past_image(s, addr, &o);
    else
        o = (outcome){.done = true, .pi_version = l.pi_version};
    if (o.done &&
        w->epoch == cf->epoch) /* also before our own thaw: the master thawed, so it may ask */
        answer(s, w, &o);
}

/* ---- writes ---- */

typedef struct take_back {
    lg_cf *cf;
    lg_addr addr;
} take_back;

/* Nobody holds the block and our past image is the newest: we take it back and write it. In a fiber
 * of its own, since it asks the master. */
static void
take_back_fiber(void *arg)
{
    take_back *t = arg;
    lg_cf *cf = t->cf;
    if (lg_buf_secure(cf->buf, t->addr, LG_LATCH_S, 0) == LG_OK &&
        lg_buf_write_one(cf->buf, t->addr) == LG_OK)
        lg_cf__written(cf, t->addr, disk_version_of(cf, t->addr));
    lg_free(t);
    if (--cf->fibers == 0)
        lg_waitq_wake_all(&cf->drainedq);
}

static void
take_it_back(lg_cf *cf, lg_addr addr)
{
    lg_buf *b = lg_buf_find(cf->buf, addr);
    bool under_way = !b || b->converting;
    if (b)
        lg_buf_unpin(cf->buf, b);
    if (under_way || cf->stopping)
        return;
    take_back *t = lg_alloc(sizeof *t);
    *t = (take_back){cf, addr};
    if (lg_cf__spawn(cf, "gc take back", take_back_fiber, t) != LG_OK)
        lg_free(t); /* the demand comes again */
}

/* A past image is in the way of a checkpoint, here or elsewhere. */
static void
serve_write(serving *s, const cf_work *w)
{
    lg_cf *cf = s->cf;
    lg_addr addr = lg_addr_from_key(w->u.version.key);
    lg_grd_local l = look(cf, addr);
    if (l.mode == LG_GRD_N && l.pi) {
        take_it_back(cf, addr);
        return;
    }
    lg_status st = lg_buf_write_one(cf->buf, addr);
    if (st == LG_OK && w->epoch == cf->epoch) /* also when nothing had to be written */
        lg_cf__written(cf, addr, disk_version_of(cf, addr));
}

static void
serve_write_through(serving *s, const cf_work *w)
{
    lg_cf *cf = s->cf;
    lg_addr addr = lg_addr_from_key(w->u.version.key);
    lg_status st = lg_buf_write_one(cf->buf, addr);
    if (st == LG_OK && disk_version_of(cf, addr) < w->u.version.version)
        st = LG_NOT_FOUND;
    if (w->token.node != 0)
        (void)!lg_rpc_reply(cf->rpc, &w->token, st, NULL, 0, NULL, 0);
}

/* ---- the fibers ---- */

static cf_elem *
next_ready(lg_cf *cf)
{
    while (lg_list_empty(&cf->ready)) {
        if (cf->stopping)
            return NULL;
        (void)!lg_waitq_wait(&cf->serverq, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
    }
    cf_elem *e = LG_CONTAINER_OF(lg_list_pop_front(&cf->ready), cf_elem, ready_link);
    e->ready = false;
    return e;
}

void
lg_cf__server_fiber(void *arg)
{
    serving s = {.cf = arg, .fiber = lg_fiber_self()};
    lg_cf *cf = s.cf;
    lg_list_push_back(&cf->servers, &s.link);
    cf_elem *e;
    s.image = lg_alloc_aligned(64, cf->cfg.block_bytes);
    while ((e = next_ready(cf)) != NULL) {
        cf_work *w = LG_CONTAINER_OF(lg_list_pop_front(&e->work), cf_work, link);
        e->serving = true;
        cf->serving++;
        if (w->type == LG_MSG_GCS_WRITE)
            serve_write(&s, w);
        else if (w->type == LG_MSG_GCS_WRITE_THROUGH)
            serve_write_through(&s, w);
        else
            serve_forward(&s, w);
        work_free(cf, w);
        e->serving = false;
        lg_cf__serve_kick(cf, e);
        lg_cf__elem_done(cf, e);
        lg_cf__drain(cf);
        if (--cf->serving == 0)
            lg_waitq_wake_all(&cf->drainedq);
    }
    lg_free(s.image);
    lg_list_remove(&s.link);
    if (--cf->fibers == 0)
        lg_waitq_wake_all(&cf->drainedq);
}
