/* Deadlocks. The wait graph's nodes are owners (by gid, cluster-wide), its edges
 *
 *   enqueue      waiter -> owners of this instance that hold, or wait before it in, a conflicting
 * mode waiter -> (PROBE_MASTER) -> owners that hold it at other instances, or wait before
 *   transaction  waiter -> owner of the xid, here or (PROBE_TXN) at another instance
 *
 * Local cycles: depth-first search when a wait starts. Cycles over instances: edge chasing (Chandy,
 * Misra, Haas, 1983): a probe carries the initiator's gid; an owner younger (larger gid) than the
 * initiator drops it, since its own probe will go round; so in each cycle only the youngest owner's
 * probe comes home, and that owner is the one victim. A probe visits an owner once a round. */
#include "ges_internal.h"

#define MAX_DEPTH 128
#define MAX_HOPS  64

typedef void (*edge_fn)(lg_ges *g, lg_ges_owner *to, void *arg);

/* Calls fn for every owner of this instance that o waits for. Returns whether it may also wait for
 * owners of other instances. */
static bool
local_edges(lg_ges *g, lg_ges_owner *o, edge_fn fn, void *arg)
{
    if (o->waiter && !o->waiter->done) {
        const lg_ges_waiter *w = o->waiter;
        LG_LIST_FOREACH (it, &w->res->holds) {
            const ges_hold *h = LG_CONTAINER_OF(it, ges_hold, res_link);
            if (h->owner != o && lg_lock_conflicts(w->mode, h->mode))
                fn(g, h->owner, arg);
        }
        LG_LIST_FOREACH (it, &w->res->waiters) {
            const lg_ges_waiter *ahead = LG_CONTAINER_OF(it, lg_ges_waiter, link);
            if (ahead == w)
                break;
            if (lg_lock_conflicts(w->mode, ahead->mode))
                fn(g, ahead->owner, arg);
        }
        return w->remote;
    }
    if (o->wait_xid && o->wait_node == g->node) {
        lg_ges_owner *holder = g->find_owner ? g->find_owner(g->find_arg, o->wait_xid) : NULL;
        if (holder && holder != o)
            fn(g, holder, arg);
        return false;
    }
    return o->wait_xid != 0;
}

/* ---- local ---- */

typedef struct search {
    lg_ges_owner *start;
    uint64_t mark;
    int depth;
    bool found;
} search;

static void
search_visit(lg_ges *g, lg_ges_owner *o, void *arg)
{
    search *s = arg;
    if (s->found || o == s->start) {
        s->found = true;
        return;
    }
    if (o->visit_mark == s->mark || s->depth >= MAX_DEPTH)
        return;
    o->visit_mark = s->mark;
    s->depth++;
    (void)local_edges(g, o, search_visit, s);
    s->depth--;
}

bool
lg_ges__local_cycle(lg_ges *g, lg_ges_owner *o)
{
    search s = {.start = o, .mark = ++g->visit_mark};
    (void)local_edges(g, o, search_visit, &s);
    return s.found;
}

/* ---- over instances ---- */

static void expand(lg_ges *g, lg_ges_owner *o, lg_msg_ges_probe *p);

static void
probe_visit(lg_ges *g, lg_ges_owner *o, void *arg)
{
    lg_msg_ges_probe *p = arg;
    uint64_t mark = lg_hash_u64(p->initiator ^ lg_hash_u64(p->round)) | 1;
    if (o->gid == p->initiator) {
        if (o->probe_mark != p->round || !o->fiber)
            return; /* of an earlier wait */
        g->victim = o;
        return;
    }
    if (o->gid > p->initiator || o->visit_mark == mark || !o->fiber)
        return;
    o->visit_mark = mark;
    if (++p->hops < MAX_HOPS)
        expand(g, o, p);
    p->hops--;
}

static void
expand(lg_ges *g, lg_ges_owner *o, lg_msg_ges_probe *p)
{
    if (!local_edges(g, o, probe_visit, p))
        return;
    lg_msg_ges_probe next = *p;
    next.node = g->node;
    next.hops++;
    if (o->waiter && !o->waiter->done) {
        const ges_res *r = o->waiter->res;
        next.target = LG_PROBE_MASTER;
        next.type = r->key.type;
        next.id1 = r->key.id1;
        next.id2 = r->key.id2;
        /* it waits until the instance gets all that it asks for */
        next.mode = (uint8_t)lg_lock_join(o->waiter->mode, r->requested);
        lg_ges__send_probe(g, lg_ges__master(g, r->key), &next);
    } else if (o->wait_xid && lg_node_in(g->members, o->wait_node)) {
        next.target = LG_PROBE_TXN;
        next.xid = o->wait_xid;
        lg_ges__send_probe(g, o->wait_node, &next);
    }
}

/* A probe came home. Done last: nobody walks the lists any more. */
static void
strike(lg_ges *g)
{
    lg_ges_owner *o = g->victim;
    g->victim = NULL;
    if (!o)
        return;
    o->probe_mark = 0;
    if (o->waiter && !o->waiter->done) {
        ges_res *r = o->waiter->res;
        lg_ges__waiter_finish(o->waiter, LG_DEADLOCK);
        lg_ges__evaluate(g, r);
    } else if (o->wait_xid) {
        lg_fiber_cancel(o->fiber, LG_DEADLOCK);
    }
}

void
lg_ges__probe_start(lg_ges *g, lg_ges_owner *o)
{
    lg_msg_ges_probe p = {.initiator = o->gid, .round = ++g->probe_round, .node = g->node};
    o->probe_mark = p.round;
    if (!g->frozen)
        expand(g, o, &p);
    strike(g);
}

static void
probe_step(lg_ges *g, const lg_msg_ges_probe *p)
{
    lg_msg_ges_probe next = *p;
    lg_ges_res key = {p->type, p->id1, p->id2};
    ges_res *r;
    if (p->hops >= MAX_HOPS || p->mode >= LG_LOCK_MODES)
        return;
    switch (p->target) {
    case LG_PROBE_MASTER:
        lg_ges__master_probe(g, p);
        return;
    case LG_PROBE_TXN: {
        lg_ges_owner *o = g->find_owner ? g->find_owner(g->find_arg, p->xid) : NULL;
        if (o)
            probe_visit(g, o, &next);
        return;
    }
    case LG_PROBE_HOLDER:
    case LG_PROBE_WAITER:
        if ((r = lg_ges__find(g, key)) == NULL)
            return;
        if (p->target == LG_PROBE_HOLDER) {
            LG_LIST_FOREACH_SAFE (it, &r->holds) {
                const ges_hold *h = LG_CONTAINER_OF(it, ges_hold, res_link);
                if (lg_lock_conflicts((lg_lock_mode)p->mode, h->mode))
                    probe_visit(g, h->owner, &next);
            }
            return;
        }
        LG_LIST_FOREACH_SAFE (it, &r->waiters) {
            const lg_ges_waiter *w = LG_CONTAINER_OF(it, lg_ges_waiter, link);
            if (lg_lock_conflicts((lg_lock_mode)p->mode, w->mode))
                probe_visit(g, w->owner, &next);
        }
        return;
    default:
        return;
    }
}

void
lg_ges__probe(lg_ges *g, const lg_msg_ges_probe *p)
{
    probe_step(g, p);
    strike(g);
}

/* ---- telling of long waits ---- */

static void
on_tell_timer(void *arg)
{
    lg_ges_owner *o = arg;
    o->told = true;
    o->tell(o, LG_GES_STILL_WAITING);
}

void
lg_ges__tell_begin(lg_ges_owner *o)
{
    o->told = false;
    if (!o->tell_after || !o->tell)
        return;
    lg_timer_init(&o->tell_timer, o->ges->run, on_tell_timer, o);
    lg_timer_start(&o->tell_timer, o->wait_since + o->tell_after);
}

void
lg_ges__tell_end(lg_ges_owner *o, lg_status how)
{
    if (o->tell_timer.slot)
        lg_timer_stop(&o->tell_timer);
    if (!o->tell_after || !o->tell)
        return;
    if (how == LG_DEADLOCK)
        o->tell(o, LG_GES_DEADLOCKED);
    else if (o->told && how == LG_OK)
        o->tell(o, LG_GES_ACQUIRED);
    o->told = false;
}

/* ---- waits for transactions ---- */

lg_status
lg_ges_txn_wait_begin(lg_ges_owner *o, uint64_t xid, uint32_t node)
{
    LG_ASSERT(!o->fiber && xid != 0);
    lg_ges *g = o->ges;
    o->fiber = lg_fiber_self();
    o->wait_xid = xid;
    o->wait_node = node;
    o->wait_since = lg_run_now_ns(g->run);
    if (lg_ges__local_cycle(g, o)) {
        lg_ges_txn_wait_end(o, LG_DEADLOCK);
        g->counts.deadlocks++;
        lg_stat_inc(g->stats, LG_STAT_ENQUEUE_DEADLOCKS);
        return LG_DEADLOCK;
    }
    lg_ges__tell_begin(o);
    lg_timer_init(&o->probe_timer, g->run, lg_ges__on_probe_timer, o);
    lg_timer_start(&o->probe_timer, o->wait_since + g->probe_after);
    return LG_OK;
}

/* A waiter for a transaction sleeps elsewhere: its probes are sent by a timer. */
void
lg_ges__on_probe_timer(void *arg)
{
    lg_ges_owner *o = arg;
    lg_ges *g = o->ges;
    if (!o->wait_xid)
        return;
    lg_timer_start(&o->probe_timer, lg_run_now_ns(g->run) + LG_SEC);
    if (lg_ges__local_cycle(g, o)) {
        lg_fiber_cancel(o->fiber, LG_DEADLOCK);
        return;
    }
    lg_ges__probe_start(g, o);
    lg_ges__drain(g);
}

void
lg_ges_txn_wait_end(lg_ges_owner *o, lg_status how)
{
    if (o->wait_xid && o->probe_timer.slot)
        lg_timer_stop(&o->probe_timer);
    if (o->wait_xid)
        lg_ges__tell_end(o, how);
    o->fiber = NULL;
    o->wait_xid = 0;
}

void
lg_ges_txn_wait_refused(lg_ges_owner *o, uint64_t xid, uint32_t node)
{
    if (!o->tell_after || !o->tell)
        return;
    o->wait_xid = xid;
    o->wait_node = node;
    o->wait_since = lg_run_now_exact_ns(o->ges->run);
    o->tell(o, LG_GES_DEADLOCKED);
    o->wait_xid = 0;
}
