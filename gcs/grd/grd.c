/* The master's side: directory entries and lg_grd_step. See grd.h for the model. */
#include "grd_internal.h"

#include "assert.h"
#include "hash.h"
#include "mem.h"
#include <string.h>

typedef grd_entry entry;
typedef grd_pi_item pi_item;
typedef grd_wait_item wait_item;
typedef grd_conversion conversion;

#define BIT(node) (1ULL << (node))

/* ---- entries ---- */

lg_grd *
lg_grd_create(uint32_t self)
{
    lg_grd *g = lg_zalloc(sizeof *g);
    g->self = self;
    lg_grd__table_init(&g->table);
    return g;
}

void
lg_grd_destroy(lg_grd *g)
{
    if (!g)
        return;
    lg_grd__table_fini(&g->table);
    lg_free(g);
}

static void
pi_set(entry *e, uint32_t node, uint64_t version)
{
    uint32_t i;
    for (i = 0; i < e->pi_count && e->pi[i].node != node; i++)
        ;
    if (version == 0) {
        if (i < e->pi_count)
            e->pi[i] = e->pi[--e->pi_count];
        return;
    }
    if (i == e->pi_count) {
        if (e->pi_count == e->pi_cap) {
            e->pi_cap = e->pi_cap ? e->pi_cap * 2 : 2;
            e->pi = lg_realloc(e->pi, e->pi_cap * sizeof *e->pi);
        }
        e->pi[e->pi_count++] = (pi_item){node, 0};
    }
    e->pi[i].version = version;
}

static void
pi_raise(entry *e, uint32_t node, uint64_t version)
{
    for (uint32_t i = 0; i < e->pi_count; i++)
        if (e->pi[i].node == node && e->pi[i].version >= version)
            return;
    pi_set(e, node, version);
}

static const pi_item *
pi_newest(const entry *e)
{
    const pi_item *best = NULL;
    for (uint32_t i = 0; i < e->pi_count; i++)
        if (!best || e->pi[i].version > best->version ||
            (e->pi[i].version == best->version && e->pi[i].node < best->node))
            best = &e->pi[i];
    return best;
}

static void
queue_remove_at(entry *e, uint32_t i)
{
    memmove(&e->queue[i], &e->queue[i + 1], (e->queue_count - i - 1) * sizeof *e->queue);
    e->queue_count--;
}

static void
queue_remove_node(entry *e, uint32_t node)
{
    for (uint32_t i = e->queue_count; i-- > 0;)
        if (e->queue[i].node == node)
            queue_remove_at(e, i);
}

static void
queue_push(entry *e, uint32_t node, uint8_t mode, uint64_t id)
{
    if (e->queue_count == e->queue_cap) {
        e->queue_cap = e->queue_cap ? e->queue_cap * 2 : 4;
        e->queue = lg_realloc(e->queue, e->queue_cap * sizeof *e->queue);
    }
    e->queue[e->queue_count++] = (wait_item){node, mode, id};
}

static lg_grd_action *
emit(lg_grd_actions *out, lg_grd_action_kind kind, const entry *e, uint32_t to)
{
    LG_ASSERT(out->count < LG_GRD_ACTIONS_MAX);
    lg_grd_action *a = &out->a[out->count++];
    memset(a, 0, sizeof *a);
    a->kind = kind;
    a->to = to;
    a->key = e->key;
    return a;
}

/* ---- conversions ---- */

static uint32_t
lowest(uint64_t mask)
{
    return (uint32_t)__builtin_ctzll(mask);
}

static void
forward(entry *e, uint32_t holder, bool from_pi, lg_grd_actions *out)
{
    lg_grd_action *a = emit(out, LG_GRD_SEND_FORWARD, e, holder);
    a->id = e->conv.id;
    a->requester = e->conv.node;
    a->mode = e->conv.mode;
    a->acks = e->conv.acks;
    a->from_pi = from_pi;
    e->conv.asked = holder;
}

/* claim: the requester waits for acks, so the conversion stays open until it has claimed. */
static void
grant(entry *e, lg_grd_how how, bool claim, lg_grd_actions *out)
{
    lg_grd_action *a = emit(out, LG_GRD_SEND_GRANT, e, e->conv.node);
    a->id = e->conv.id;
    a->mode = e->conv.mode;
    a->how = (uint8_t)how;
    a->acks = e->conv.acks;
    a->claim = claim;
    e->conv.asked = 0;
}

/* The conversion is over: the requester has the mode. */
static void
complete(entry *e)
{
    uint32_t r = e->conv.node;
    if (e->conv.mode == LG_GRD_X) {
        e->x = r;
        e->s = 0;
    } else {
        if (e->x && e->x != r)
            e->s |= BIT(e->x); /* it stepped down to S */
        e->x = 0;
        e->s |= BIT(r);
    }
    e->conv = (conversion){0};
    LG_ASSERT(e->x == 0 || e->s == 0); /* I1 */
}

/* Sends S holders other than the requester and `source` away; their acks go to the requester. */
static void
spread_invalidations(entry *e, uint64_t targets, bool no_image, lg_grd_actions *out)
{
    e->conv.spread = true;
    e->conv.acks = (uint8_t)__builtin_popcountll(targets);
    while (targets) {
        uint32_t h = lowest(targets);
        targets &= targets - 1;
        lg_grd_action *a = emit(out, LG_GRD_SEND_INVALIDATE, e, h);
        a->id = e->conv.id;
        a->requester = e->conv.node;
        a->mode = e->conv.mode;
        a->no_image = no_image;
    }
}

/* Nobody holds the block any more (or they are on their way out): past images, newest first, then
 * disk (F2, I4). True: the conversion is complete. */
static bool
route_without_holder(entry *e, lg_grd_actions *out)
{
    const pi_item *pi = pi_newest(e);
    bool wait = e->conv.acks != 0;
    if (pi && pi->node != e->conv.node) {
        forward(e, pi->node, true, out);
        return false;
    }
    grant(e, pi ? LG_GRD_OWN_PI : LG_GRD_DISK, wait, out);
    return !wait;
}

/* Finds the next source for the conversion, which has just started or whose last source had
 * nothing. True: the conversion is complete (granted by ourselves, nobody else involved). */
static bool
route(lg_grd *g, entry *e, lg_grd_actions *out)
{
    uint32_t r = e->conv.node;
    uint64_t others = e->s & ~BIT(r);
    if (e->conv.spread)
        return route_without_holder(e, out);
    if (e->x) {
        LG_ASSERT(e->x != r);
        forward(e, e->x, false, out);
        return false;
    }
    if (e->s & BIT(r)) {
        if (e->conv.mode == LG_GRD_X && others) {
            spread_invalidations(e, others, true, out);
            grant(e, LG_GRD_OWN, true, out);
            return false;
        }
        grant(e, LG_GRD_OWN, false, out);
        return true;
    }
    if (others) {
        uint32_t h = others & BIT(g->self) ? g->self : lowest(others);
        if (e->conv.mode == LG_GRD_X)
            spread_invalidations(e, others & ~BIT(h), false, out);
        forward(e, h, false, out);
        return false;
    }
    return route_without_holder(e, out);
}

static void
start(entry *e, uint32_t node, uint8_t mode, uint64_t id)
{
    LG_ASSERT(!e->conv.active);
    e->conv = (conversion){.active = true, .mode = mode, .node = node, .id = id};
}

/* Starts what is queued as long as conversions complete at once. */
static void
serve_queue(lg_grd *g, entry *e, lg_grd_actions *out)
{
    while (!e->conv.active && e->queue_count) {
        wait_item w = e->queue[0];
        queue_remove_at(e, 0);
        start(e, w.node, w.mode, w.id);
        if (route(g, e, out))
            complete(e);
    }
}

/* A past image waits for a version on disk: whoever holds the block writes it. */
static void
serve_demand(entry *e, lg_grd_actions *out)
{
    if (!e->demand || e->conv.active)
        return;
    uint32_t to = e->x;
    if (!to && e->s)
        to = lowest(e->s);
    if (!to && e->pi_count)
        to = pi_newest(e)->node; /* it takes the block back and writes it */
    if (to)
        emit(out, LG_GRD_SEND_WRITE, e, to)->version = e->demand;
    e->demand = 0;
}

static void
request(lg_grd *g, entry *e, const lg_grd_event *ev, lg_grd_actions *out)
{
    uint32_t r = ev->node;
    /* The requester knows best what it has (I3): a release or a step down may have been lost.
     * Having S when we do not know it means that an invalidation is under way to it. */
    if (e->x == r && ev->have < LG_GRD_X) {
        e->x = 0;
        if (ev->have == LG_GRD_S)
            e->s |= BIT(r);
    }
    if (ev->have == LG_GRD_N)
        e->s &= ~BIT(r);
    queue_remove_node(e, r); /* one request per instance: a repeated one replaces the former */
    if (e->conv.active && e->conv.node == r && e->conv.id == ev->id)
        return;
    queue_push(e, r, ev->mode, ev->id);
    serve_queue(g, e, out);
}

static void
claim(lg_grd *g, entry *e, const lg_grd_event *ev, lg_grd_actions *out)
{
    if (ev->pi_version && ev->pi_node && ev->pi_node < LG_GRD_NODES)
        pi_set(e, ev->pi_node, ev->pi_version);
    if (!e->conv.active || e->conv.node != ev->node || e->conv.id != ev->id)
        return; /* repeated */
    if (ev->version) {
        LG_ASSERT(ev->version >= e->claimed); /* I5 */
        e->claimed = ev->version;
    }
    complete(e);
    serve_demand(e, out);
    serve_queue(g, e, out);
}

static void
not_here(lg_grd *g, entry *e, const lg_grd_event *ev, lg_grd_actions *out)
{
    if (e->x == ev->node)
        e->x = 0;
    e->s &= ~BIT(ev->node);
    pi_set(e, ev->node, ev->pi_version);
    if (!e->conv.active || e->conv.id != ev->id || e->conv.node != ev->requester ||
        e->conv.asked != ev->node)
        return; /* only a report of a past image, or late */
    if (route(g, e, out)) {
        complete(e);
        serve_queue(g, e, out);
    }
}

static void
release(entry *e, const lg_grd_event *ev)
{
    if (e->x == ev->node)
        e->x = 0;
    e->s &= ~BIT(ev->node);
    if (ev->pi_version)
        pi_set(e, ev->node, ev->pi_version);
}

static void
written(entry *e, const lg_grd_event *ev, lg_grd_actions *out)
{
    for (uint32_t i = e->pi_count; i-- > 0;) {
        /* the duty may be older than the image we know of: the holder compares for itself */
        emit(out, LG_GRD_SEND_PI_DISCARD, e, e->pi[i].node)->version = ev->version;
        if (e->pi[i].version <= ev->version)
            e->pi[i] = e->pi[--e->pi_count];
    }
}

static void
cancel(entry *e, const lg_grd_event *ev, lg_grd_actions *out)
{
    for (uint32_t i = 0; i < e->queue_count; i++) {
        if (e->queue[i].node != ev->node || e->queue[i].id != ev->id)
            continue;
        lg_grd_action *a = emit(out, LG_GRD_SEND_GRANT, e, ev->node);
        a->id = ev->id;
        a->how = LG_GRD_REFUSED;
        queue_remove_at(e, i);
        return;
    }
}

/* What a survivor tells during the rebuild is the truth; what we believed may be stale (I3). */
static void
holding(entry *e, const lg_grd_event *ev)
{
    uint64_t bit = BIT(ev->node);
    if (e->x == ev->node)
        e->x = 0;
    e->s &= ~bit;
    if (ev->mode == LG_GRD_X) {
        e->x = ev->node;
        e->s = 0;
    } else if (ev->mode == LG_GRD_S) {
        if (e->x)
            e->s |= BIT(e->x);
        e->x = 0;
        e->s |= bit;
    }
    pi_set(e, ev->node, ev->pi_version);
}

void
lg_grd_step(lg_grd *g, const lg_grd_event *ev, lg_grd_actions *out)
{
    out->count = 0;
    if (ev->node == 0 || ev->node >= LG_GRD_NODES)
        return;
    entry *e = lg_grd__table_take(&g->table, ev->key);
    switch (ev->kind) {
    case LG_GRD_REQUEST:
        if (ev->mode == LG_GRD_S || ev->mode == LG_GRD_X)
            request(g, e, ev, out);
        break;
    case LG_GRD_CLAIM:
        claim(g, e, ev, out);
        break;
    case LG_GRD_NOT_HERE:
        not_here(g, e, ev, out);
        break;
    case LG_GRD_RELEASE:
        release(e, ev);
        break;
    case LG_GRD_WRITTEN:
        written(e, ev, out);
        break;
    case LG_GRD_DEMAND_WRITE:
        pi_raise(e, ev->node, ev->version);
        if (e->demand < ev->version)
            e->demand = ev->version;
        break;
    case LG_GRD_CANCEL:
        cancel(e, ev, out);
        break;
    case LG_GRD_HOLDING:
        holding(e, ev);
        break;
    }
    serve_demand(e, out);
    LG_ASSERT(e->x == 0 || e->s == 0); /* I1 */
    lg_grd__table_settle(&g->table, e);
}

/* ---- epochs ---- */

static void
entry_reset(entry *e, uint64_t alive)
{
    e->conv = (conversion){0};
    e->queue_count = 0;
    e->demand = 0;
    e->claimed = 0; /* recovery fetches images older than what the dead had claimed */
    if (e->x && !(alive & BIT(e->x)))
        e->x = 0;
    e->s &= alive;
    if (!e->x && !e->s)
        e->claimed = 0; /* its holder is dead: recovery starts from an older image */
    for (uint32_t i = e->pi_count; i-- > 0;)
        if (!(alive & BIT(e->pi[i].node)))
            e->pi[i] = e->pi[--e->pi_count];
}

void
lg_grd_reset(lg_grd *g, const lg_grd_map *old_map, const lg_grd_map *new_map, uint64_t alive,
             bool full)
{
    size_t n = g->table.count, count = 0, pos = 0;
    uint64_t key;
    if (n == 0)
        return;
    uint64_t *all = lg_alloc(n * sizeof *all);
    while (lg_grd__table_next(&g->table, &pos, &key))
        all[count++] = key;
    for (size_t i = 0; i < count; i++) {
        bool kept = !full && lg_grd_master(new_map, all[i]) == g->self &&
                    !lg_grd_lost(old_map, new_map, alive, all[i]);
        if (kept) {
            entry *e = lg_grd__table_take(&g->table, all[i]);
            entry_reset(e, alive);
            lg_grd__table_settle(&g->table, e);
        } else {
            lg_grd__table_remove(&g->table, all[i]);
        }
    }
    lg_free(all);
}

/* ---- looking ---- */

static void
fill_info(const entry *e, lg_grd_info *ret)
{
    *ret = (lg_grd_info){.key = e->key, .x = e->x, .s = e->s, .queued = e->queue_count};
    ret->converting = e->conv.active;
    ret->requester = e->conv.node;
    ret->mode = e->conv.mode;
    for (uint32_t i = 0; i < e->pi_count; i++) {
        ret->pi |= BIT(e->pi[i].node);
        if (e->pi[i].version > ret->pi_max)
            ret->pi_max = e->pi[i].version;
    }
}

bool
lg_grd_find(const lg_grd *g, uint64_t key, lg_grd_info *ret_info)
{
    entry view;
    const entry *e = lg_grd__table_look(&g->table, key, &view);
    if (e)
        fill_info(e, ret_info);
    return e != NULL;
}

bool
lg_grd_next(const lg_grd *g, size_t *pos, lg_grd_info *ret_info)
{
    uint64_t key;
    return lg_grd__table_next(&g->table, pos, &key) && lg_grd_find(g, key, ret_info);
}

size_t
lg_grd_count(const lg_grd *g)
{
    return g->table.count;
}
