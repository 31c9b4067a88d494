/* Owners, their holds and waits; the instance's sticky mode. See ges.h and ges_internal.h. */
#include "ges_internal.h"

/* ---- resources ---- */

ges_res *
lg_ges__find(const lg_ges *g, lg_ges_res key)
{
    return lg_strmap_get(g->res, &key, sizeof key);
}

static bool
res_unused(const ges_res *r)
{
    return lg_list_empty(&r->holds) && lg_list_empty(&r->waiters) && r->requested == LG_LOCK_NONE;
}

static void
res_free(lg_ges *g, ges_res *r)
{
    if (!lg_list_empty(&r->idle_link)) {
        lg_list_remove(&r->idle_link);
        g->idle_count--;
    }
    lg_strmap_remove(g->res, &r->key, sizeof r->key);
    lg_free(r);
}

/* Keeps sticky modes without owners within bounds: the longest idle goes. */
static void
res_park(lg_ges *g, ges_res *r)
{
    if (!res_unused(r) || !lg_list_empty(&r->idle_link))
        return;
    if (r->granted == LG_LOCK_NONE) {
        res_free(g, r);
        return;
    }
    lg_list_push_back(&g->idle, &r->idle_link);
    if (++g->idle_count <= g->max_idle)
        return;
    ges_res *old = LG_CONTAINER_OF(g->idle.next, ges_res, idle_link);
    lg_ges_res key = old->key;
    lg_ges__lower(g, old, LG_LOCK_NONE);
    res_free(g, old);
    if (!g->frozen)
        lg_ges__send(g, lg_ges__master(g, key), LG_MSG_GES_RELEASE, key, LG_LOCK_NONE, 0,
                     g->grants_seen[lg_ges__master(g, key)], false);
}

ges_res *
lg_ges__get(lg_ges *g, lg_ges_res key)
{
    ges_res *r = lg_ges__find(g, key);
    if (!r) {
        r = lg_zalloc(sizeof *r);
        r->key = key;
        lg_list_init(&r->holds);
        lg_list_init(&r->waiters);
        lg_list_init(&r->idle_link);
        lg_strmap_put(g->res, &key, sizeof key, r);
    }
    if (!lg_list_empty(&r->idle_link)) {
        lg_list_remove(&r->idle_link);
        g->idle_count--;
    }
    return r;
}

/* Rendezvous hashing over the members, as for blocks: a death moves the dead one's resources only.
 */
uint32_t
lg_ges__master(const lg_ges *g, lg_ges_res key)
{
    uint64_t h = lg_hash_bytes(&key, sizeof key, 0), best = 0;
    uint32_t master = g->node;
    if ((g->members & (g->members - 1)) == 0)
        return master;
    for (uint64_t m = g->members; m; m &= m - 1) {
        uint32_t node = (uint32_t)__builtin_ctzll(m);
        uint64_t score = lg_hash_u64(h + node * 0x9E3779B97F4A7C15ULL);
        if (score >= best) {
            best = score;
            master = node;
        }
    }
    return master;
}

lg_lock_mode
lg_ges__needed(const ges_res *r)
{
    lg_lock_mode need = LG_LOCK_NONE;
    LG_LIST_FOREACH (it, &r->holds)
        need = lg_lock_join(need, LG_CONTAINER_OF(it, ges_hold, res_link)->mode);
    return need;
}

void
lg_ges__lower(lg_ges *g, ges_res *r, lg_lock_mode to)
{
    if (r->granted == to)
        return;
    bool falls = !lg_lock_covers(to, r->granted);
    r->granted = to;
    if (falls && r->key.type < LG_GES_TYPES && g->notify[r->key.type])
        g->notify[r->key.type](g->notify_arg[r->key.type], r->key, to);
}

/* ---- holds ---- */

static ges_hold *
hold_find(lg_ges_owner *o, const ges_res *r, lg_lock_mode mode, bool session)
{
    LG_LIST_FOREACH (it, &r->holds) {
        ges_hold *h = LG_CONTAINER_OF(it, ges_hold, res_link);
        if (h->owner == o && h->mode == mode && h->session == session)
            return h;
    }
    return NULL;
}

static bool
owner_holds_any(const lg_ges_owner *o, const ges_res *r)
{
    LG_LIST_FOREACH (it, &r->holds)
        if (LG_CONTAINER_OF(it, ges_hold, res_link)->owner == o)
            return true;
    return false;
}

static bool
conflicts_with_others(const lg_ges_owner *o, const ges_res *r, lg_lock_mode mode)
{
    LG_LIST_FOREACH (it, &r->holds) {
        const ges_hold *h = LG_CONTAINER_OF(it, ges_hold, res_link);
        if (h->owner != o && lg_lock_conflicts(mode, h->mode))
            return true;
    }
    return false;
}

static void
hold_add(lg_ges_owner *o, ges_res *r, lg_lock_mode mode, bool session)
{
    ges_hold *h = hold_find(o, r, mode, session);
    if (h) {
        h->count++;
        return;
    }
    h = lg_zalloc(sizeof *h);
    *h = (ges_hold){
        .owner = o, .res = r, .mode = mode, .session = session, .count = 1, .seq = ++o->next_seq};
    lg_list_push_back(&o->holds, &h->owner_link);
    lg_list_push_back(&r->holds, &h->res_link);
}

/* After holds went: serve waiters, answer a BAST, park the resource. */
static void
res_relaxed(lg_ges *g, ges_res *r)
{
    if (r->bast)
        lg_ges__yield_mode(g, r);
    if (!lg_list_empty(&r->waiters))
        lg_ges__evaluate(g, r);
    res_park(g, r);
}

static void
hold_drop(lg_ges *g, ges_hold *h)
{
    ges_res *r = h->res;
    lg_list_remove(&h->owner_link);
    lg_list_remove(&h->res_link);
    lg_free(h);
    res_relaxed(g, r);
}

/* ---- waiters ---- */

void
lg_ges__waiter_finish(lg_ges_waiter *w, lg_status st)
{
    lg_list_remove(&w->link);
    w->done = true;
    w->result = st;
    if (w->owner->fiber)
        lg_fiber_unpark(w->owner->fiber);
}

static void
ask_master(lg_ges *g, ges_res *r, lg_lock_mode need, bool nowait)
{
    lg_lock_mode held = lg_ges__needed(r);
    lg_lock_mode target = lg_lock_join(need, held);
    if (g->frozen || r->requested == target)
        return;
    if (!lg_lock_covers(target, r->granted))
        lg_ges__lower(g, r, held); /* the surplus would be lost with the grant */
    r->requested = target;
    r->requested_nowait = nowait;
    r->request_id = ++g->next_request;
    lg_ges__send(g, lg_ges__master(g, r->key), LG_MSG_GES_REQUEST, r->key, target, r->request_id, 0,
                 nowait);
}

/* Grants what can be granted here, in order; a later waiter may pass an earlier one only when their
 * modes do not conflict. What the instance's mode does not cover is asked for at the master. */
void
lg_ges__evaluate(lg_ges *g, ges_res *r)
{
    uint32_t ahead = 0; /* modes of waiters that stay */
    lg_lock_mode need = LG_LOCK_NONE;
    bool all_nowait = true;
    LG_LIST_FOREACH_SAFE (it, &r->waiters) {
        lg_ges_waiter *w = LG_CONTAINER_OF(it, lg_ges_waiter, link);
        bool blocked = conflicts_with_others(w->owner, r, w->mode);
        for (int m = 1; m < LG_LOCK_MODES && !blocked; m++)
            blocked = (ahead >> m & 1) && lg_lock_conflicts(w->mode, (lg_lock_mode)m) &&
                      !owner_holds_any(w->owner, r);
        w->remote = false;
        if (!blocked && r->bast && lg_lock_conflicts(w->mode, r->bast) &&
            !owner_holds_any(w->owner, r))
            blocked = w->remote = true; /* another instance was first */
        if (!blocked && lg_lock_covers(r->granted, w->mode)) {
            hold_add(w->owner, r, w->mode, w->session);
            g->counts.local_grants++;
            lg_ges__waiter_finish(w, LG_OK);
            continue;
        }
        if (blocked && w->nowait) {
            lg_ges__waiter_finish(w, LG_LOCK_NOT_AVAILABLE);
            continue;
        }
        ahead |= 1u << w->mode;
        if (blocked)
            continue;
        w->remote = true;
        all_nowait &= w->nowait;
        need = lg_lock_join(need, w->mode);
    }
    if (need)
        ask_master(g, r, need, all_nowait);
    else if (r->requested && !g->frozen && lg_list_empty(&r->waiters)) {
        r->requested = LG_LOCK_NONE;
        lg_ges__send(g, lg_ges__master(g, r->key), LG_MSG_GES_CANCEL, r->key, LG_LOCK_NONE,
                     r->request_id, 0, false);
    }
}

void
lg_ges__yield_mode(lg_ges *g, ges_res *r)
{
    lg_lock_mode need = lg_ges__needed(r);
    bool busy = lg_lock_conflicts(need, r->bast);
    uint32_t master = lg_ges__master(g, r->key);
    if (g->frozen)
        return;
    lg_ges__lower(g, r, need);
    lg_ges__send(g, master, LG_MSG_GES_RELEASE, r->key, need, 0, g->grants_seen[master], false);
    if (busy)
        lg_ges__send(g, master, LG_MSG_GES_BUSY, r->key, need, 0, 0, false);
    else
        r->bast = LG_LOCK_NONE;
}

/* What the master says. */
void
lg_ges__client(lg_ges *g, uint16_t type, const lg_msg_ges *m)
{
    lg_ges_res key = {m->type, m->id1, m->id2};
    ges_res *r = lg_ges__get(g, key);
    if (m->mode >= LG_LOCK_MODES)
        return;
    if (type == LG_MSG_GES_GRANT) {
        g->counts.remote_grants++;
        g->grants_seen[lg_ges__master(g, key)] = m->number;
        if (r->requested == LG_LOCK_NONE || m->id == r->request_id) {
            LG_ASSERT(lg_lock_covers((lg_lock_mode)m->mode, lg_ges__needed(r)));
            if (lg_lock_covers((lg_lock_mode)m->mode, r->granted))
                r->granted = (lg_lock_mode)m->mode;
            else
                lg_ges__lower(g, r, (lg_lock_mode)m->mode);
            r->requested = LG_LOCK_NONE;
        }
    } else if (type == LG_MSG_GES_BAST) {
        g->counts.basts++;
        r->bast = (lg_lock_mode)m->mode;
        if (r->bast)
            lg_ges__yield_mode(g, r);
    } else if (type == LG_MSG_GES_DENY && m->id == r->request_id) {
        r->requested = LG_LOCK_NONE;
        LG_LIST_FOREACH_SAFE (it, &r->waiters) {
            lg_ges_waiter *w = LG_CONTAINER_OF(it, lg_ges_waiter, link);
            if (w->nowait && w->remote)
                lg_ges__waiter_finish(w, LG_LOCK_NOT_AVAILABLE);
        }
    }
    if (!lg_list_empty(&r->waiters))
        lg_ges__evaluate(g, r);
    res_park(g, r);
}

/* ---- locking ---- */

bool
lg_ges_waits_for(const lg_ges_owner *o, lg_ges_res *ret_res, lg_lock_mode *ret_mode)
{
    if (!o->waiter)
        return false;
    *ret_res = o->waiter->res->key;
    *ret_mode = o->waiter->mode;
    return true;
}

/* The wait itself: in slices, for the deadlock probes. */
static lg_status
wait_for(lg_ges *g, lg_ges_waiter *w, lg_time deadline)
{
    lg_ges_owner *o = w->owner;
    lg_wait event = w->res->key.type == LG_GES_TABLE ? LG_WAIT_ENQ_TM : LG_WAIT_ENQ_OTHER;
    lg_time probe = lg_run_now_ns(g->run) + g->probe_after;
    while (!w->done) {
        lg_status st = lg_fiber_park(event, probe < deadline ? probe : deadline, true);
        if (w->done) {
            if (lg_failed(st) && st != LG_TIMEOUT && st != LG_DEADLOCK && w->result == LG_OK)
                lg_fiber_cancel(lg_fiber_self(),
                                st); /* granted: the cancel strikes the next wait */
            break;
        }
        lg_time now = lg_run_now_ns(g->run);
        if (lg_failed(st) && st != LG_TIMEOUT)
            return st;
        if (now >= deadline)
            return LG_LOCK_NOT_AVAILABLE;
        if (now >= probe) {
            if (lg_ges__local_cycle(g, o))
                return LG_DEADLOCK;
            lg_ges__probe_start(g, o);
            lg_ges__drain(g);
            probe = now + LG_SEC;
        }
    }
    return w->result;
}

/* An owner that holds something here passes waiters it stands in the way of (as PostgreSQL does).
 */
static void
enqueue(ges_res *r, lg_ges_waiter *w)
{
    LG_LIST_FOREACH (it, &r->waiters) {
        lg_ges_waiter *other = LG_CONTAINER_OF(it, lg_ges_waiter, link);
        LG_LIST_FOREACH (ht, &r->holds) {
            const ges_hold *h = LG_CONTAINER_OF(ht, ges_hold, res_link);
            if (h->owner == w->owner && lg_lock_conflicts(h->mode, other->mode)) {
                lg_list_push_back(&other->link, &w->link); /* before it */
                return;
            }
        }
    }
    lg_list_push_back(&r->waiters, &w->link);
}

static lg_status
lock_slow(lg_ges *g, lg_ges_owner *o, ges_res *r, lg_lock_mode mode, unsigned flags,
          lg_time deadline)
{
    lg_ges_waiter w = {.owner = o, .res = r, .mode = mode, .result = LG_OK};
    w.session = (flags & LG_GES_SESSION) != 0;
    w.nowait = (flags & LG_GES_NOWAIT) != 0;
    if (w.nowait && r->requested && !r->requested_nowait)
        return LG_LOCK_NOT_AVAILABLE; /* others of us are waiting for it already */
    enqueue(r, &w);
    lg_ges__evaluate(g, r);
    lg_ges__drain(g);
    if (w.done)
        return w.result;
    o->fiber = lg_fiber_self();
    o->waiter = &w;
    o->wait_since = lg_run_now_ns(g->run);
    g->counts.waits++;
    lg_stat_inc(g->stats, LG_STAT_ENQUEUE_WAITS);
    lg_ges__tell_begin(o);
    lg_status st = lg_ges__local_cycle(g, o) ? LG_DEADLOCK : wait_for(g, &w, deadline);
    lg_ges__tell_end(o, st);
    o->fiber = NULL;
    o->waiter = NULL;
    if (st == LG_DEADLOCK) {
        g->counts.deadlocks++;
        lg_stat_inc(g->stats, LG_STAT_ENQUEUE_DEADLOCKS);
    }
    if (!w.done) {
        lg_list_remove(&w.link);
        g->counts.timeouts += st == LG_LOCK_NOT_AVAILABLE;
        lg_ges__evaluate(g, r);
    }
    return st;
}

lg_status
lg_ges_lock(lg_ges_owner *o, lg_ges_res key, lg_lock_mode mode, unsigned flags, lg_time deadline)
{
    lg_ges *g = o->ges;
    bool session = (flags & LG_GES_SESSION) != 0;
    LG_ASSERT(mode > LG_LOCK_NONE && mode < LG_LOCK_MODES);
    g->counts.requests++;
    lg_stat_inc(g->stats, LG_STAT_ENQUEUE_REQUESTS);
    ges_res *r = lg_ges__get(g, key);
    ges_hold *h = hold_find(o, r, mode, session);
    if (h) {
        h->count++;
        return LG_OK;
    }
    if (lg_list_empty(&r->waiters) && !r->bast && lg_lock_covers(r->granted, mode) &&
        !conflicts_with_others(o, r, mode)) {
        hold_add(o, r, mode, session);
        g->counts.local_grants++;
        return LG_OK;
    }
    lg_status st = lock_slow(g, o, r, mode, flags, deadline);
    r = lg_ges__find(g, key); /* a failed wait may have ended its life */
    if (r)
        res_relaxed(g, r);
    lg_ges__drain(g);
    return st;
}

lg_status
lg_ges_unlock(lg_ges_owner *o, lg_ges_res key, lg_lock_mode mode, unsigned flags)
{
    ges_res *r = lg_ges__find(o->ges, key);
    ges_hold *h = r ? hold_find(o, r, mode, (flags & LG_GES_SESSION) != 0) : NULL;
    if (!h)
        return LG_NOT_FOUND;
    if (--h->count == 0)
        hold_drop(o->ges, h);
    lg_ges__drain(o->ges);
    return LG_OK;
}

static void
unlock_where(lg_ges_owner *o, bool session, uint32_t type, uint64_t after_seq)
{
    LG_LIST_FOREACH_SAFE (it, &o->holds) {
        ges_hold *h = LG_CONTAINER_OF(it, ges_hold, owner_link);
        if (h->session == session && h->seq > after_seq && (type == 0 || h->res->key.type == type))
            hold_drop(o->ges, h);
    }
    lg_ges__drain(o->ges);
}

void
lg_ges_unlock_transaction(lg_ges_owner *o)
{
    unlock_where(o, false, 0, 0);
}

void
lg_ges_unlock_session(lg_ges_owner *o, uint32_t type)
{
    unlock_where(o, true, type, 0);
}

uint64_t
lg_ges_mark(const lg_ges_owner *o)
{
    return o->next_seq;
}

void
lg_ges_unlock_to_mark(lg_ges_owner *o, uint64_t mark)
{
    unlock_where(o, false, 0, mark);
}

bool
lg_ges_holds(const lg_ges_owner *o, lg_ges_res key, lg_lock_mode mode)
{
    const ges_res *r = lg_ges__find(o->ges, key);
    LG_LIST_FOREACH (it, &o->holds) {
        const ges_hold *h = LG_CONTAINER_OF(it, ges_hold, owner_link);
        if (r && h->res == r && lg_lock_covers(h->mode, mode))
            return true;
    }
    return false;
}

void
lg_ges_notify(lg_ges *g, uint32_t type, lg_ges_notify_fn fn, void *arg)
{
    LG_ASSERT(type < LG_GES_TYPES);
    g->notify[type] = fn;
    g->notify_arg[type] = arg;
}

lg_lock_mode
lg_ges_instance_mode(const lg_ges *g, lg_ges_res key)
{
    const ges_res *r = lg_ges__find(g, key);
    if (!r)
        return LG_LOCK_NONE;
    return r->bast ? lg_ges__needed(r) : r->granted;
}

/* ---- life ---- */

lg_status
lg_ges_create(const lg_ges_config *cfg, lg_ges **ret_ges)
{
    lg_ges *g = lg_zalloc(sizeof *g);
    LG_ASSERT(cfg->node > 0 && cfg->node < LG_NODES_MAX);
    g->run = cfg->run;
    g->rpc = cfg->rpc;
    g->stats = lg_run_stats(cfg->run);
    g->node = cfg->node;
    g->max_idle = cfg->max_idle ? cfg->max_idle : 4096;
    g->probe_after = (cfg->probe_after_ms ? cfg->probe_after_ms : 100) * LG_MS;
    g->members = 1ULL << cfg->node;
    g->frozen = cfg->rpc != NULL; /* until the first view opens */
    g->res = lg_strmap_create();
    g->mres = lg_strmap_create();
    lg_list_init(&g->idle);
    lg_list_init(&g->owners);
    lg_list_init(&g->inbox);
    g->next_gid = lg_run_wall_us(cfg->run);
    if (g->rpc)
        lg_ges__register(g);
    *ret_ges = g;
    return LG_OK;
}

void
lg_ges_destroy(lg_ges *g)
{
    size_t pos = 0;
    void *v;
    if (!g)
        return;
    LG_ASSERT(lg_list_empty(&g->owners));
    while (lg_strmap_next(g->res, &pos, NULL, NULL, &v))
        lg_free(v);
    lg_strmap_destroy(g->res);
    lg_ges__master_clear(g);
    lg_strmap_destroy(g->mres);
    for (lg_list *it; (it = lg_list_pop_front(&g->inbox)) != NULL;)
        lg_free(LG_CONTAINER_OF(it, ges_local_msg, link));
    lg_free(g);
}

void
lg_ges_owner_init(lg_ges *g, lg_ges_owner *o, void *user)
{
    memset(o, 0, sizeof *o);
    o->ges = g;
    o->user = user;
    uint64_t now = lg_run_wall_us(g->run);
    g->next_gid = now > g->next_gid ? now : g->next_gid + 1;
    o->gid = g->next_gid << 6 | g->node;
    lg_list_init(&o->holds);
    lg_list_push_back(&g->owners, &o->link);
}

void
lg_ges_owner_fini(lg_ges_owner *o)
{
    LG_ASSERT(!o->fiber);
    while (!lg_list_empty(&o->holds))
        hold_drop(o->ges, LG_CONTAINER_OF(o->holds.next, ges_hold, owner_link));
    lg_list_remove(&o->link);
    lg_ges__drain(o->ges);
}

void
lg_ges_set_txn_hook(lg_ges *g, lg_ges_find_owner_fn find, void *arg)
{
    g->find_owner = find;
    g->find_arg = arg;
}

/* Does somebody wait because of this hold, here or elsewhere? */
static bool
blocks(const ges_res *r, const ges_hold *h)
{
    if (r->bast != LG_LOCK_NONE && lg_lock_conflicts(h->mode, r->bast))
        return true;
    LG_LIST_FOREACH (it, &r->waiters) {
        const lg_ges_waiter *w = LG_CONTAINER_OF(it, lg_ges_waiter, link);
        if (w->owner != h->owner && lg_lock_conflicts(h->mode, w->mode))
            return true;
    }
    return false;
}

void
lg_ges_visit(const lg_ges *g, lg_ges_row_fn fn, void *arg)
{
    size_t pos = 0;
    void *v;
    while (lg_strmap_next(g->res, &pos, NULL, NULL, &v)) {
        const ges_res *r = v;
        lg_ges_row row = {.res = r->key, .held = r->granted, .requested = r->requested};
        row.blocking = r->bast != LG_LOCK_NONE;
        row.master = lg_ges__master(g, r->key);
        fn(arg, &row);
        LG_LIST_FOREACH (it, &r->holds) {
            const ges_hold *h = LG_CONTAINER_OF(it, ges_hold, res_link);
            row.user = h->owner->user;
            row.gid = h->owner->gid;
            row.held = h->mode;
            row.requested = LG_LOCK_NONE;
            row.blocking = blocks(r, h);
            row.session = h->session;
            fn(arg, &row);
        }
        LG_LIST_FOREACH (it, &r->waiters) {
            const lg_ges_waiter *w = LG_CONTAINER_OF(it, lg_ges_waiter, link);
            row.user = w->owner->user;
            row.gid = w->owner->gid;
            row.held = LG_LOCK_NONE;
            row.requested = w->mode;
            row.blocking = false;
            row.session = w->session;
            row.since = w->owner->wait_since;
            fn(arg, &row);
        }
    }
}

void
lg_ges_count(const lg_ges *g, lg_ges_counts *ret)
{
    *ret = g->counts;
    ret->resources = lg_strmap_count(g->res);
    ret->master_resources = lg_strmap_count(g->mres);
}
