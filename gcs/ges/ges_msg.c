/* Messages of GES: sending (to oneself through a queue, so that no handler runs inside another),
 * receiving, and the participant in reconfigurations. */
#include "ges_internal.h"

static void
dispatch(lg_ges *g, uint16_t type, uint32_t from, const void *payload)
{
    const lg_msg_ges *m = payload;
    /* Nobody may ask before all have passed rebuild: a master would serve from empty tables. */
    LG_ASSERT(!g->blank);
    switch (type) {
    case LG_MSG_GES_REQUEST:
    case LG_MSG_GES_BUSY:
    case LG_MSG_GES_RELEASE:
    case LG_MSG_GES_CANCEL:
        lg_ges__master_step(g, type, from, m);
        break;
    case LG_MSG_GES_PROBE:
        lg_ges__probe(g, payload);
        break;
    default:
        lg_ges__client(g, type, m);
        break;
    }
}

/* Handles what this instance has sent to itself. Called at the end of each entry point, where
 * nobody holds on to a resource any more. */
void
lg_ges__drain(lg_ges *g)
{
    if (g->draining)
        return;
    g->draining = true;
    for (lg_list *it; (it = lg_list_pop_front(&g->inbox)) != NULL;) {
        ges_local_msg *m = LG_CONTAINER_OF(it, ges_local_msg, link);
        dispatch(g, m->type, g->node, &m->body);
        lg_free(m);
    }
    g->draining = false;
}

static void
send_bytes(lg_ges *g, uint32_t node, uint16_t type, const void *payload, uint32_t len)
{
    if (node == g->node) {
        ges_local_msg *m = lg_zalloc(sizeof *m);
        m->type = type;
        memcpy(&m->body, payload, len);
        lg_list_push_back(&g->inbox, &m->link);
        return;
    }
    lg_stat_inc(g->stats, LG_STAT_GES_MESSAGES_SENT);
    /* A peer that is down is replaced by a view without it: everything is then asked again. */
    (void)!lg_rpc_send(g->rpc, node, type, payload, len, NULL, 0);
}

void
lg_ges__send(lg_ges *g, uint32_t node, uint16_t type, lg_ges_res key, lg_lock_mode mode,
             uint64_t id, uint64_t number, bool nowait)
{
    lg_msg_ges m = {
        .type = key.type, .id1 = key.id1, .id2 = key.id2, .id = id, .mode = (uint8_t)mode};
    m.number = number;
    m.nowait = nowait;
    send_bytes(g, node, type, &m, sizeof m);
}

void
lg_ges__send_probe(lg_ges *g, uint32_t node, const lg_msg_ges_probe *p)
{
    g->counts.probes++;
    send_bytes(g, node, LG_MSG_GES_PROBE, p, sizeof *p);
}

/* ---- receiving ---- */

static void
on_message(void *arg, lg_rpc_msg *m)
{
    lg_ges *g = arg;
    if (lg_msg_check(m) != LG_OK || m->node >= LG_NODES_MAX)
        return;
    dispatch(g, m->type, m->node, m->payload);
    lg_ges__drain(g);
}

static void
on_holding(void *arg, lg_rpc_msg *m)
{
    lg_ges *g = arg;
    if (lg_msg_check(m) != LG_OK || m->node >= LG_NODES_MAX)
        return;
    const lg_msg_ges_holding *h = m->payload;
    const lg_msg_ges_held_item *item = (const lg_msg_ges_held_item *)(h + 1);
    for (uint32_t i = 0; i < h->count; i++)
        if (item[i].mode < LG_LOCK_MODES)
            lg_ges__master_holding(g, m->node, (lg_ges_res){item[i].type, item[i].id1, item[i].id2},
                                   (lg_lock_mode)item[i].mode);
}

void
lg_ges__register(lg_ges *g)
{
    static const uint16_t types[] = {LG_MSG_GES_REQUEST, LG_MSG_GES_GRANT, LG_MSG_GES_DENY,
                                     LG_MSG_GES_BAST,    LG_MSG_GES_BUSY,  LG_MSG_GES_RELEASE,
                                     LG_MSG_GES_CANCEL,  LG_MSG_GES_PROBE};
    for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++)
        lg_rpc_handle(g->rpc, types[i], on_message, g);
    lg_rpc_handle(g->rpc, LG_MSG_GES_HOLDING, on_holding, g);
}

/* ---- reconfiguration: masters forget everything, holders tell everything, waiters ask again ----
 */

static void
stop(void *self, const lg_reconf_change *c)
{
    lg_ges *g = self;
    size_t pos = 0;
    void *v;
    (void)c;
    g->frozen = g->blank = true;
    memset(g->grants_sent, 0, sizeof g->grants_sent);
    memset(g->grants_seen, 0, sizeof g->grants_seen);
    lg_ges__master_clear(g);
    for (lg_list *it; (it = lg_list_pop_front(&g->inbox)) != NULL;)
        lg_free(LG_CONTAINER_OF(it, ges_local_msg, link));
    while (lg_strmap_next(g->res, &pos, NULL, NULL, &v)) {
        ges_res *r = v;
        r->requested = r->bast = LG_LOCK_NONE;
    }
}

typedef struct holding_batch {
    lg_msg_ges_holding head;
    lg_msg_ges_held_item item[LG_MSG_HOLDING_MAX];
} holding_batch;

static void
batch_send(lg_ges *g, uint32_t node, holding_batch *b)
{
    if (b->head.count)
        (void)!lg_rpc_send(g->rpc, node, LG_MSG_GES_HOLDING, b,
                           (uint32_t)(sizeof b->head + b->head.count * sizeof b->item[0]), NULL, 0);
    b->head.count = 0;
}

static void
tell_master(lg_ges *g, uint32_t node)
{
    holding_batch *b = lg_zalloc(sizeof *b);
    size_t pos = 0;
    void *v;
    while (lg_strmap_next(g->res, &pos, NULL, NULL, &v)) {
        const ges_res *r = v;
        if (r->granted == LG_LOCK_NONE || lg_ges__master(g, r->key) != node)
            continue;
        if (node == g->node) {
            lg_ges__master_holding(g, node, r->key, r->granted);
            continue;
        }
        b->item[b->head.count++] = (lg_msg_ges_held_item){
            .type = r->key.type, .id1 = r->key.id1, .id2 = r->key.id2, .mode = (uint8_t)r->granted};
        if (b->head.count == LG_MSG_HOLDING_MAX)
            batch_send(g, node, b);
    }
    batch_send(g, node, b);
    lg_free(b);
}

static lg_status
rebuild(void *self, const lg_reconf_change *c)
{
    lg_ges *g = self;
    g->members = c->members;
    g->blank = false;
    for (uint32_t node = 1; node < LG_NODES_MAX; node++)
        if (lg_node_in(c->members, node))
            tell_master(g, node);
    return LG_OK;
}

static void
thaw(void *self, const lg_reconf_change *c)
{
    lg_ges *g = self;
    size_t n = lg_strmap_count(g->res), count = 0, pos = 0;
    void *v;
    (void)c;
    g->frozen = false;
    lg_ges_res *keys = lg_alloc((n + 1) * sizeof *keys);
    while (lg_strmap_next(g->res, &pos, NULL, NULL, &v))
        if (!lg_list_empty(&((ges_res *)v)->waiters) || ((ges_res *)v)->bast)
            keys[count++] = ((ges_res *)v)->key;
    for (size_t i = 0; i < count; i++) {
        ges_res *r = lg_ges__find(g, keys[i]);
        if (r && r->bast) /* a master that thawed before us has asked already */
            lg_ges__yield_mode(g, r);
        if (r)
            lg_ges__evaluate(g, r);
    }
    lg_free(keys);
    lg_ges__drain(g);
}

void
lg_ges_participant(lg_ges *g, struct lg_participant *ret_p)
{
    *ret_p =
        (lg_participant){.name = "ges", .self = g, .stop = stop, .rebuild = rebuild, .thaw = thaw};
}
