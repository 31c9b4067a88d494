/* Cache Fusion in reconfigurations (participant.h), and what recovery asks.
 *
 *   freeze   requests under way are given up (asked again after thaw), wishes of peers dropped;
 * waits until fibers that have begun are finished: a mode once taken down stays down, unanswered
 *   rebuild  the directory drops what is dead or moved; every instance tells the masters what it
 * holds: everything in buckets that lost their master, what it claimed without acknowledgement, and
 *            all past images. When somebody died, blocks held here that are not known to be on disk
 *            turn dirty: their write may have been owed by the dead
 *   thaw     everything goes on
 *   opened   the gate opens; until then it stays closed, also over newer epochs that interrupt
 * recovery */
#include "cachefusion_internal.h"

/* Recovery waits for blocks of members that may be in the newer view already, and the newer view's
 * script waits for recovery: it must let go. */
static void
interrupt(void *self)
{
    lg_cf *cf = self;
    size_t pos = 0;
    void *v;
    cf->interrupted = true;
    while (lg_map_next(cf->elems, &pos, NULL, &v)) {
        cf_elem *e = v;
        if (!e->requesting || !e->by_recovery || e->req.complete)
            continue;
        e->aborted = true;
        lg_waitq_wake_all(&e->q);
    }
}

static lg_status
freeze(void *self, const lg_reconf_change *c)
{
    lg_cf *cf = self;
    cf->frozen = cf->rebuilding = true;
    cf->interrupted = false;
    lg_cf__early_drop(cf);
    cf->epoch = c->epoch;
    for (lg_list *it; (it = lg_list_pop_front(&cf->self_msgs)) != NULL;)
        lg_list_push_back(&cf->free_self, it);
    lg_cf__requests_abort(cf);
    lg_cf__serve_drop(cf);
    while ((cf->serving || cf->finishing) && !cf->stopping)
        (void)!lg_waitq_wait(&cf->drainedq, LG_WAIT_GC_REMASTER, LG_FOREVER, false);
    return LG_OK;
}

/* ---- rebuild ---- */

typedef struct batch {
    lg_msg_gcs_holding head;
    lg_msg_gcs_held_item item[LG_MSG_HOLDING_MAX];
} batch;

typedef struct telling {
    lg_cf *cf;
    const lg_reconf_change *c;
    const lg_grd_map *base;
    batch *to[LG_NODES_MAX];
} telling;

static void
flush(telling *t, uint32_t node)
{
    batch *b = t->to[node];
    if (b->head.count)
        (void)!lg_rpc_send(t->cf->rpc, node, LG_MSG_GCS_HOLDING, b,
                           (uint32_t)(sizeof b->head + b->head.count * sizeof b->item[0]), NULL, 0);
    b->head.count = 0;
}

static void
tell(telling *t, uint64_t key, lg_mode mode, lg_version pi_version)
{
    lg_cf *cf = t->cf;
    uint32_t master = lg_cf__master(cf, key);
    if (master == cf->node) {
        lg_grd_event ev = {.kind = LG_GRD_HOLDING,
                           .node = cf->node,
                           .key = key,
                           .mode = (uint8_t)mode,
                           .pi_version = pi_version};
        lg_cf__master_event(cf, &ev);
        return;
    }
    if (!t->to[master])
        t->to[master] = lg_zalloc(sizeof *t->to[master]);
    batch *b = t->to[master];
    b->item[b->head.count++] =
        (lg_msg_gcs_held_item){.key = key, .pi_version = pi_version, .mode = (uint8_t)mode};
    if (b->head.count == LG_MSG_HOLDING_MAX)
        flush(t, master);
}

static lg_version
past_image_of(const lg_buf *b)
{
    return b->pi && b->valid ? lg_block_version(b->data) : 0;
}

static void
visit(void *arg, lg_buf *b)
{
    telling *t = arg;
    uint64_t key = lg_addr_key(b->addr);
    if (t->c->dead)
        (void)lg_buf_adopt(t->cf->buf, b);
    if (!t->c->incremental || b->pi || lg_grd_lost(t->base, &t->cf->map, t->c->survivors, key))
        tell(t, key, b->mode, past_image_of(b));
}

static void
tell_unacked(telling *t)
{
    lg_cf *cf = t->cf;
    for (uint32_t n = 1; n < LG_NODES_MAX; n++)
        for (uint32_t i = 0; i < cf->unacked[n].count; i++) {
            uint64_t key = cf->unacked[n].keys[i];
            lg_buf *b = lg_buf_find(cf->buf, lg_addr_from_key(key));
            tell(t, key, b ? b->mode : LG_MODE_N, b ? past_image_of(b) : 0);
            if (b)
                lg_buf_unpin(cf->buf, b);
        }
    lg_cf__claims_forget(cf);
}

static void
holdings(lg_cf *cf, const lg_rpc_msg *m)
{
    const lg_msg_gcs_holding *h = m->payload;
    const lg_msg_gcs_held_item *item = (const lg_msg_gcs_held_item *)(h + 1);
    for (uint32_t i = 0; i < h->count; i++) {
        lg_grd_event ev = {.kind = LG_GRD_HOLDING,
                           .node = m->node,
                           .key = item[i].key,
                           .mode = item[i].mode,
                           .pi_version = item[i].pi_version};
        lg_cf__master_event(cf, &ev);
    }
}

/* A faster member's holdings wait until our directory has dropped what is old. */
static void
on_holding(void *arg, lg_rpc_msg *m)
{
    lg_cf *cf = arg;
    if (lg_msg_check(m) != LG_OK || m->node >= LG_NODES_MAX)
        return;
    if (!cf->rebuilding) {
        holdings(cf, m);
        return;
    }
    if (cf->early_count == cf->early_cap) {
        cf->early_cap = cf->early_cap ? cf->early_cap * 2 : 64;
        cf->early = lg_realloc(cf->early, cf->early_cap * sizeof *cf->early);
    }
    lg_rpc_msg_take(m);
    cf->early[cf->early_count++] = m;
}

void
lg_cf__early_drop(lg_cf *cf)
{
    for (uint32_t i = 0; i < cf->early_count; i++)
        lg_rpc_msg_free(cf->early[i]);
    cf->early_count = 0;
}

static lg_status
rebuild(void *self, const lg_reconf_change *c)
{
    lg_cf *cf = self;
    telling t = {.cf = cf, .c = c};
    lg_grd_map *base = lg_alloc(sizeof *base);
    lg_grd_map_build(base, c->base_members);
    t.base = base;
    cf->members = c->members;
    lg_grd_map_build(&cf->map, c->members);
    lg_grd_reset(cf->grd, base, &cf->map, c->survivors, !c->incremental);
    cf->rebuilding = false;
    for (uint32_t i = 0; i < cf->early_count; i++)
        holdings(cf, cf->early[i]);
    lg_cf__early_drop(cf);
    lg_buf_visit(cf->buf, visit, &t);
    tell_unacked(&t);
    for (uint32_t n = 1; n < LG_NODES_MAX; n++) {
        if (t.to[n])
            flush(&t, n);
        lg_free(t.to[n]);
    }
    lg_free(base);
    return LG_OK;
}

static void
thaw(void *self, const lg_reconf_change *c)
{
    lg_cf *cf = self;
    cf->frozen = false;
    lg_waitq_wake_all(&cf->thawq);
    lg_cf__scn_thaw(cf, c->joiners);
}

static lg_status
opened(void *self, const lg_reconf_change *c)
{
    (void)c;
    lg_cf__gate_clear(self);
    return LG_OK;
}

void
lg_cf_participant(lg_cf *cf, lg_participant *ret_p)
{
    *ret_p = (lg_participant){.name = "cache fusion",
                              .self = cf,
                              .interrupt = interrupt,
                              .freeze = freeze,
                              .rebuild = rebuild,
                              .thaw = thaw,
                              .opened = opened};
}

/* ---- the gate ---- */

static const cf_recovery_fiber *
recovery_fiber(const lg_cf *cf)
{
    lg_fiber *self = lg_fiber_self();
    for (unsigned i = 0; i < cf->recovery_fiber_count; i++)
        if (cf->recovery_fibers[i].fiber == self)
            return &cf->recovery_fibers[i];
    return NULL;
}

bool
lg_cf__is_recovery_fiber(const lg_cf *cf)
{
    return recovery_fiber(cf) != NULL;
}

bool
lg_cf__is_stale_recovery(const lg_cf *cf)
{
    const cf_recovery_fiber *f = recovery_fiber(cf);
    return f && (cf->interrupted || f->epoch != cf->epoch);
}

bool
lg_cf__gate(void *arg, lg_addr addr)
{
    lg_cf *cf = arg;
    if (!lg_map_get(cf->gate, lg_addr_key(addr)))
        return false;
    return !lg_cf__is_recovery_fiber(cf);
}

void
lg_cf__gate_clear(lg_cf *cf)
{
    if (lg_map_count(cf->gate) == 0)
        return;
    lg_map_destroy(cf->gate);
    cf->gate = lg_map_create();
    lg_buf_set_gate(cf->buf, NULL, NULL);
}

static void
gate_add(lg_cf *cf, uint64_t key)
{
    if (lg_map_count(cf->gate) == 0)
        lg_buf_set_gate(cf->buf, lg_cf__gate, cf);
    lg_map_put(cf->gate, key, cf);
}

/* Whoever waits at the gate looks again after gate_changed. */
static void
gate_changed(lg_cf *cf)
{
    if (lg_map_count(cf->gate) == 0)
        lg_buf_set_gate(cf->buf, NULL, NULL);
    else
        lg_buf_set_gate(cf->buf, lg_cf__gate, cf);
}

static void
on_gate(void *arg, lg_rpc_msg *m)
{
    lg_cf *cf = arg;
    if (lg_msg_check(m) != LG_OK)
        return;
    const lg_msg_gcs_list *l = m->payload;
    const lg_msg_gcs_version *v = (const lg_msg_gcs_version *)(l + 1);
    bool open = (l->flags & LG_LIST_OPEN) != 0;
    for (uint32_t i = 0; i < l->count; i++)
        if (open)
            (void)lg_map_remove(cf->gate, v[i].key);
        else
            gate_add(cf, v[i].key);
    if (open)
        gate_changed(cf);
}

typedef struct list_msg {
    lg_msg_gcs_list head;
    lg_msg_gcs_version item[LG_MSG_LIST_MAX];
} list_msg;

static uint32_t
list_fill(list_msg *m, const lg_cf_block *blocks, uint32_t count)
{
    m->head.count = count < LG_MSG_LIST_MAX ? count : LG_MSG_LIST_MAX;
    for (uint32_t i = 0; i < m->head.count; i++)
        m->item[i] = (lg_msg_gcs_version){lg_addr_key(blocks[i].addr), blocks[i].version};
    return (uint32_t)(sizeof m->head + m->head.count * sizeof m->item[0]);
}

lg_status
lg_cf_recovery_close(lg_cf *cf, const lg_cf_block *blocks, uint32_t count)
{
    list_msg *m = lg_zalloc(sizeof *m);
    for (uint32_t at = 0; at < count; at += LG_MSG_LIST_MAX) {
        uint32_t len = list_fill(m, blocks + at, count - at);
        for (uint32_t i = 0; i < m->head.count; i++)
            gate_add(cf, m->item[i].key);
        for (uint32_t n = 1; n < LG_NODES_MAX; n++)
            if (n != cf->node && (cf->members >> n & 1))
                (void)!lg_rpc_send(cf->rpc, n, LG_MSG_GCS_GATE, m, len, NULL, 0);
    }
    lg_free(m);
    return LG_OK;
}

void
lg_cf_recovery_open(lg_cf *cf, const lg_addr *addrs, uint32_t count)
{
    list_msg *m = lg_zalloc(sizeof *m);
    LG_ASSERT(count <= LG_MSG_LIST_MAX);
    m->head = (lg_msg_gcs_list){.count = count, .flags = LG_LIST_OPEN};
    for (uint32_t i = 0; i < count; i++) {
        m->item[i].key = lg_addr_key(addrs[i]);
        (void)lg_map_remove(cf->gate, m->item[i].key);
    }
    gate_changed(cf);
    uint32_t len = (uint32_t)(sizeof m->head + count * sizeof m->item[0]);
    for (uint32_t n = 1; n < LG_NODES_MAX; n++)
        if (n != cf->node && (cf->members >> n & 1))
            (void)!lg_rpc_send(cf->rpc, n, LG_MSG_GCS_GATE, m, len, NULL, 0);
    lg_free(m);
}

void
lg_cf_recovery_begin(lg_cf *cf, uint64_t epoch)
{
    LG_ASSERT(cf->recovery_fiber_count < CF_RECOVERY_FIBERS);
    cf->recovery_fibers[cf->recovery_fiber_count++] = (cf_recovery_fiber){lg_fiber_self(), epoch};
}

void
lg_cf_recovery_end(lg_cf *cf)
{
    lg_fiber *self = lg_fiber_self();
    for (unsigned i = 0; i < cf->recovery_fiber_count; i++)
        if (cf->recovery_fibers[i].fiber == self) {
            cf->recovery_fibers[i] = cf->recovery_fibers[--cf->recovery_fiber_count];
            return;
        }
}

/* ---- who holds it? Every survivor answers for itself: the directory may be wrong (grd.h, I3) ----
 */

static void
held_here(lg_cf *cf, const lg_msg_gcs_version *v, uint32_t count, lg_msg_gcs_held_reply *r)
{
    memset(r, 0, sizeof *r);
    r->count = count;
    for (uint32_t i = 0; i < count && i < LG_MSG_LIST_MAX; i++) {
        lg_buf *b = lg_buf_find(cf->buf, lg_addr_from_key(v[i].key));
        if (!b)
            continue;
        /* What an interrupted recovery has fetched is not the newest: the gate is closed until the
         * end. Whoever says that he has a block keeps it until it is on disk: nobody will recover
         * it. */
        if (!lg_map_get(cf->gate, v[i].key) && lg_buf_adopt(cf->buf, b))
            r->held[i / 8] |= (uint8_t)(1u << (i % 8));
        if (past_image_of(b))
            r->past_image[i / 8] |= (uint8_t)(1u << (i % 8));
        lg_buf_unpin(cf->buf, b);
    }
}

static void
on_held(void *arg, lg_rpc_msg *m)
{
    lg_cf *cf = arg;
    lg_msg_gcs_held_reply r;
    if (lg_msg_check(m) != LG_OK)
        return;
    const lg_msg_gcs_list *l = m->payload;
    held_here(cf, (const lg_msg_gcs_version *)(l + 1), l->count, &r);
    (void)!lg_rpc_reply(cf->rpc, &m->token, LG_OK, &r, sizeof r, NULL, 0);
}

static void
mark_held(const lg_msg_gcs_held_reply *r, uint32_t count, bool *ret_held)
{
    for (uint32_t i = 0; i < count; i++)
        if (r->held[i / 8] >> (i % 8) & 1)
            ret_held[i] = true;
}

static lg_status
ask_all(lg_cf *cf, const list_msg *m, uint32_t len, bool *ret_held)
{
    lg_msg_gcs_held_reply mine;
    held_here(cf, m->item, m->head.count, &mine);
    mark_held(&mine, m->head.count, ret_held);
    for (uint32_t n = 1; n < LG_NODES_MAX; n++) {
        if (n == cf->node || !(cf->members >> n & 1))
            continue;
        lg_rpc_request rq = {
            .node = n, .type = LG_MSG_GCS_HELD, .event = LG_WAIT_GC_RECOVERY, .payload = m};
        rq.payload_len = len;
        rq.deadline = LG_FOREVER;
        lg_rpc_msg *reply = NULL;
        lg_status st = lg_rpc_call(cf->rpc, &rq, &reply);
        if (st == LG_OK && reply->payload_len >= sizeof(lg_msg_gcs_held_reply))
            mark_held(reply->payload, m->head.count, ret_held);
        else if (st == LG_OK)
            st = LG_PROTOCOL;
        lg_rpc_msg_free(reply);
        if (st != LG_OK) /* a member that is lost now: a newer view is on its way */
            return st == LG_PEER_DOWN ? LG_STALE_EPOCH : st;
    }
    return LG_OK;
}

lg_status
lg_cf_recovery_filter(lg_cf *cf, const lg_cf_block *blocks, uint32_t count, bool *ret_held)
{
    list_msg *m = lg_zalloc(sizeof *m);
    lg_status st = LG_OK;
    memset(ret_held, 0, count * sizeof *ret_held);
    for (uint32_t at = 0; at < count && st == LG_OK; at += LG_MSG_LIST_MAX) {
        uint32_t len = list_fill(m, blocks + at, count - at);
        st = ask_all(cf, m, len, ret_held + at);
    }
    lg_free(m);
    return st;
}

/* ---- writes and past images that recovery asks for ---- */

/* Asks this instance and then all others until one has it. */
static lg_status
call_until_found(lg_cf *cf, uint16_t type, lg_addr addr, lg_version version, void *ret_image)
{
    lg_msg_gcs_version m = {lg_addr_key(addr), version};
    for (uint32_t n = 1; n < LG_NODES_MAX; n++) {
        if (n == cf->node || !(cf->members >> n & 1))
            continue;
        lg_rpc_request rq = {.node = n, .type = type, .event = LG_WAIT_GC_RECOVERY, .payload = &m};
        rq.payload_len = sizeof m;
        rq.reply_body = ret_image;
        rq.reply_body_cap = ret_image ? cf->cfg.block_bytes : 0;
        rq.deadline = LG_FOREVER;
        lg_status st = lg_rpc_call(cf->rpc, &rq, NULL);
        if (st != LG_NOT_FOUND)
            return st == LG_PEER_DOWN ? LG_STALE_EPOCH : st;
    }
    return LG_NOT_FOUND;
}

lg_status
lg_cf_write_through(lg_cf *cf, lg_addr addr, lg_version version)
{
    lg_status st = lg_buf_write_one(cf->buf, addr);
    if (st != LG_NOT_FOUND)
        return st;
    return call_until_found(cf, LG_MSG_GCS_WRITE_THROUGH, addr, version, NULL);
}

static void
on_pi_fetch(void *arg, lg_rpc_msg *m)
{
    lg_cf *cf = arg;
    if (lg_msg_check(m) != LG_OK)
        return;
    lg_addr addr = lg_addr_from_key(((const lg_msg_gcs_version *)m->payload)->key);
    void *image = lg_alloc_aligned(64, cf->cfg.block_bytes);
    lg_version version = 0;
    bool current = false;
    lg_status st = lg_buf_image(cf->buf, addr, image, &version, &current);
    lg_msg_gcs_version r = {lg_addr_key(addr), version};
    (void)!lg_rpc_reply(cf->rpc, &m->token, st == LG_OK ? LG_OK : LG_NOT_FOUND, &r, sizeof r,
                        st == LG_OK ? image : NULL, st == LG_OK ? cf->cfg.block_bytes : 0);
    lg_free(image);
}

void
lg_cf__reconf_register(lg_cf *cf)
{
    lg_rpc_handle(cf->rpc, LG_MSG_GCS_HOLDING, on_holding, cf);
    lg_rpc_handle(cf->rpc, LG_MSG_GCS_GATE, on_gate, cf);
    lg_rpc_handle(cf->rpc, LG_MSG_GCS_HELD, on_held, cf);
    lg_rpc_handle(cf->rpc, LG_MSG_GCS_PI_FETCH, on_pi_fetch, cf);
}
