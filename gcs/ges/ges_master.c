/* The master of a resource: which instance has which mode, who waits. See ges_internal.h. */
#include "ges_internal.h"

static ges_mres *
mres_get(lg_ges *g, lg_ges_res key)
{
    ges_mres *r = lg_strmap_get(g->mres, &key, sizeof key);
    if (!r) {
        r = lg_zalloc(sizeof *r);
        r->key = key;
        lg_list_init(&r->queue);
        lg_strmap_put(g->mres, &key, sizeof key, r);
    }
    return r;
}

static void
mres_free(ges_mres *r)
{
    for (lg_list *it; (it = lg_list_pop_front(&r->queue)) != NULL;)
        lg_free(LG_CONTAINER_OF(it, ges_mwait, link));
    lg_free(r);
}

static void
mres_drop_if_empty(lg_ges *g, ges_mres *r)
{
    for (uint32_t n = 0; n < LG_NODES_MAX; n++)
        if (r->granted[n])
            return;
    if (!lg_list_empty(&r->queue))
        return;
    lg_strmap_remove(g->mres, &r->key, sizeof r->key);
    mres_free(r);
}

void
lg_ges__master_clear(lg_ges *g)
{
    size_t pos = 0;
    void *v;
    while (lg_strmap_next(g->mres, &pos, NULL, NULL, &v))
        mres_free(v);
    lg_strmap_destroy(g->mres);
    g->mres = lg_strmap_create();
}

static bool
conflicts_with_granted(const ges_mres *r, uint32_t node, lg_lock_mode mode)
{
    for (uint32_t n = 1; n < LG_NODES_MAX; n++)
        if (n != node && r->granted[n] && lg_lock_conflicts(mode, (lg_lock_mode)r->granted[n]))
            return true;
    return false;
}

static void
deny(lg_ges *g, const ges_mres *r, ges_mwait *w)
{
    lg_ges__send(g, w->node, LG_MSG_GES_DENY, r->key, w->mode, w->id, 0, false);
    lg_list_remove(&w->link);
    lg_free(w);
}

static void
grant(lg_ges *g, ges_mres *r, ges_mwait *w)
{
    r->granted[w->node] = (uint8_t)w->mode;
    r->asked[w->node] = 0; /* what it was asked for may concern its new mode again */
    r->grant_number[w->node] = ++g->grants_sent[w->node];
    lg_ges__send(g, w->node, LG_MSG_GES_GRANT, r->key, w->mode, w->id, r->grant_number[w->node],
                 false);
    lg_list_remove(&w->link);
    lg_free(w);
}

/* Tells every holder what others wait for because of it, when that has changed. */
static void
ask_back(lg_ges *g, ges_mres *r)
{
    for (uint32_t n = 1; n < LG_NODES_MAX; n++) {
        lg_lock_mode wanted = LG_LOCK_NONE;
        if (!r->granted[n])
            continue;
        LG_LIST_FOREACH (it, &r->queue) {
            const ges_mwait *w = LG_CONTAINER_OF(it, ges_mwait, link);
            if (w->node != n && lg_lock_conflicts(w->mode, (lg_lock_mode)r->granted[n]))
                wanted = lg_lock_join(wanted, w->mode);
        }
        if (wanted == (lg_lock_mode)r->asked[n])
            continue;
        r->asked[n] = (uint8_t)wanted;
        lg_ges__send(g, n, LG_MSG_GES_BAST, r->key, wanted, 0, 0, false);
    }
}

/* Serves the queue in order; one may pass another only when their modes do not conflict. */
static void
serve(lg_ges *g, ges_mres *r)
{
    uint32_t ahead = 0;
    LG_LIST_FOREACH_SAFE (it, &r->queue) {
        ges_mwait *w = LG_CONTAINER_OF(it, ges_mwait, link);
        bool queued_behind = false;
        for (int m = 1; m < LG_LOCK_MODES && !queued_behind; m++)
            queued_behind = (ahead >> m & 1) && lg_lock_conflicts(w->mode, (lg_lock_mode)m);
        if (!queued_behind && !conflicts_with_granted(r, w->node, w->mode)) {
            grant(g, r, w);
            continue;
        }
        if (w->nowait && queued_behind) {
            deny(g, r, w);
            continue;
        }
        ahead |= 1u << w->mode;
    }
    ask_back(g, r);
    mres_drop_if_empty(g, r);
}

/* An instance that blocks an earlier waiter goes before it: else both would wait for each other. */
static void
enqueue(ges_mres *r, ges_mwait *w)
{
    LG_LIST_FOREACH (it, &r->queue) {
        ges_mwait *other = LG_CONTAINER_OF(it, ges_mwait, link);
        if (r->granted[w->node] && other->node != w->node &&
            lg_lock_conflicts((lg_lock_mode)r->granted[w->node], other->mode)) {
            lg_list_push_back(&other->link, &w->link);
            return;
        }
    }
    lg_list_push_back(&r->queue, &w->link);
}

static void
request(lg_ges *g, ges_mres *r, uint32_t from, const lg_msg_ges *m)
{
    ges_mwait *w = NULL;
    LG_LIST_FOREACH (it, &r->queue)
        if (LG_CONTAINER_OF(it, ges_mwait, link)->node == from)
            w = LG_CONTAINER_OF(it, ges_mwait, link);
    if (!w) {
        w = lg_zalloc(sizeof *w);
        w->node = from;
        w->mode = (lg_lock_mode)m->mode;
        enqueue(r, w);
    }
    /* covered already (an older grant is on its way): granted as it is, nothing is taken away */
    bool covered = lg_lock_covers((lg_lock_mode)r->granted[from], (lg_lock_mode)m->mode);
    w->mode = (lg_lock_mode)(covered ? r->granted[from] : m->mode);
    w->id = m->id;
    w->nowait = m->nowait != 0;
    if (covered)
        grant(g, r, w), w = NULL;
    for (uint32_t n = 1; w && n < LG_NODES_MAX && w->nowait; n++)
        if (n != from && lg_lock_conflicts(w->mode, (lg_lock_mode)r->granted[n]))
            r->asked[n] = 0; /* asks once more: each BAST is answered */
    serve(g, r);
}

void
lg_ges__master_step(lg_ges *g, uint16_t type, uint32_t from, const lg_msg_ges *m)
{
    lg_ges_res key = {m->type, m->id1, m->id2};
    if (m->mode >= LG_LOCK_MODES || from >= LG_NODES_MAX)
        return;
    ges_mres *r = mres_get(g, key);
    if (type == LG_MSG_GES_REQUEST) {
        request(g, r, from, m);
        return;
    }
    if (type == LG_MSG_GES_RELEASE) {
        bool crossed = m->number < r->grant_number[from];
        if (crossed || m->mode != r->granted[from])
            r->asked[from] = 0; /* ask again; the grant gets there first */
        if (!crossed)
            r->granted[from] = m->mode;
    } else if (type == LG_MSG_GES_CANCEL) {
        LG_LIST_FOREACH_SAFE (it, &r->queue) {
            ges_mwait *w = LG_CONTAINER_OF(it, ges_mwait, link);
            if (w->node == from && w->id == m->id) {
                lg_list_remove(&w->link);
                lg_free(w);
            }
        }
    } else if (type == LG_MSG_GES_BUSY) {
        LG_LIST_FOREACH_SAFE (it, &r->queue) {
            ges_mwait *w = LG_CONTAINER_OF(it, ges_mwait, link);
            if (w->nowait && w->node != from &&
                lg_lock_conflicts(w->mode, (lg_lock_mode)r->granted[from]))
                deny(g, r, w);
        }
    }
    serve(g, r);
}

void
lg_ges__master_holding(lg_ges *g, uint32_t from, lg_ges_res key, lg_lock_mode mode)
{
    ges_mres *r = mres_get(g, key);
    /* Two instances never hold conflicting modes: the rebuild must not find any. */
    LG_ASSERT(!conflicts_with_granted(r, from, mode));
    r->granted[from] = (uint8_t)mode;
}

/* A probe from an instance that waits here: on to those it waits for. */
void
lg_ges__master_probe(lg_ges *g, const lg_msg_ges_probe *p)
{
    lg_ges_res key = {p->type, p->id1, p->id2};
    const ges_mres *r = lg_strmap_get(g->mres, &key, sizeof key);
    lg_msg_ges_probe next = *p;
    if (!r || p->mode >= LG_LOCK_MODES)
        return;
    next.hops++;
    next.target = LG_PROBE_HOLDER;
    for (uint32_t n = 1; n < LG_NODES_MAX; n++)
        if (n != p->node && lg_lock_conflicts((lg_lock_mode)p->mode, (lg_lock_mode)r->granted[n]))
            lg_ges__send_probe(g, n, &next);
    next.target = LG_PROBE_WAITER;
    LG_LIST_FOREACH (it, &r->queue) {
        const ges_mwait *w = LG_CONTAINER_OF(it, ges_mwait, link);
        if (w->node == p->node)
            break;
        if (lg_lock_conflicts((lg_lock_mode)p->mode, w->mode))
            lg_ges__send_probe(g, w->node, &next);
    }
}
