/* The simulator's world. One thread, one seed, one virtual clock.
 *
 * A step is, in this order: what is due (events of the world, then timers of nodes) in the order of
 * (time, sequence); else a slice of one runnable fiber of one node, both drawn by the seed; else
 * time jumps to the next event or timer. A slice takes a little virtual time, so that fibers that
 * wait by yielding see time pass.
 *
 * A node's clock is base + (true - base_true) * (1 + drift). A node's cached lg_run_now_ns is
 * refreshed at random, as the loop of a real worker refreshes it once per round: code that trusts
 * a cached time too long is found out. A paused node (SIGSTOP) runs nothing, its events wait, its
 * clock goes on, and its first slices afterwards still see the old cached time.
 *
 * Determinism: no pointer is ever compared for order; runs are kept in the order of creation.
 */
#include "sim.h"
#include "assert.h"
#include "hash.h"
#include "map.h"
#include "run_internal.h"
#include <string.h>

#define SLICE_MIN_NS 200
#define SLICE_VAR_NS 2000
#define MAX_NODES    64

struct lg_sim_event {
    lg_time when;
    uint64_t order;
    lg_run *owner;
    void (*fn)(void *arg);
    void *arg;
    uint32_t slot; /* heap position + 1 */
};

struct node_state {
    lg_time base_true;
    lg_time base_local;
    int32_t ppm;
    lg_time paused_until;  /* 0: running */
    unsigned stale_slices; /* slices left that still see the time before the pause */
};

struct shared {
    struct shared *next;
    char *name;
    void *state;
    void (*drop)(void *);
};

struct lg_sim {
    uint64_t seed;
    uint64_t random_state;
    lg_time now;
    lg_list runs;
    struct node_state nodes[MAX_NODES];
    lg_sim_event **events; /* binary heap */
    uint32_t event_count;
    uint32_t event_cap;
    uint64_t event_order;
    struct shared *shared; /* newest first: dropped in that order */
};

/* ---- life, random ---- */

lg_status
lg_sim_create(uint64_t seed, lg_sim **ret_sim)
{
    lg_heap *outer = lg_heap_switch(NULL);
    lg_sim *s = lg_zalloc(sizeof *s);
    s->seed = seed;
    s->random_state = lg_hash_u64(seed + 0x9e3779b97f4a7c15ULL);
    s->now = 1000 * LG_SEC; /* so that "long ago" is not below zero */
    lg_list_init(&s->runs);
    for (unsigned i = 0; i < MAX_NODES; i++)
        s->nodes[i].base_true = s->nodes[i].base_local = s->now;
    (void)lg_heap_switch(outer);
    *ret_sim = s;
    return LG_OK;
}

void
lg_sim_destroy(lg_sim *s)
{
    if (!s)
        return;
    LG_ASSERT(lg_list_empty(&s->runs));
    lg_heap *outer = lg_heap_switch(NULL);
    while (s->shared) {
        struct shared *sh = s->shared;
        s->shared = sh->next;
        sh->drop(sh->state);
        lg_free(sh->name);
        lg_free(sh);
    }
    for (uint32_t i = 0; i < s->event_count; i++)
        lg_free(s->events[i]);
    lg_free(s->events);
    lg_free(s);
    (void)lg_heap_switch(outer);
}

uint64_t
lg_sim_seed(const lg_sim *s)
{
    return s->seed;
}

uint64_t
lg_sim_random(lg_sim *s)
{
    s->random_state += 0x9e3779b97f4a7c15ULL;
    return lg_hash_u64(s->random_state);
}

bool
lg_sim_chance(lg_sim *s, uint32_t per_million)
{
    return lg_sim_random(s) % 1000000 < per_million;
}

lg_time
lg_sim_now(const lg_sim *s)
{
    return s->now;
}

void *
lg_sim_state(lg_sim *s, const char *name, void *(*make)(lg_sim *s), void (*drop)(void *))
{
    for (struct shared *sh = s->shared; sh; sh = sh->next)
        if (!strcmp(sh->name, name))
            return sh->state;
    lg_heap *outer = lg_heap_switch(NULL);
    struct shared *sh = lg_zalloc(sizeof *sh);
    sh->name = lg_strdup(name);
    sh->state = make(s);
    sh->drop = drop;
    sh->next = s->shared;
    s->shared = sh;
    (void)lg_heap_switch(outer);
    return sh->state;
}

/* ---- events ---- */

static bool
event_earlier(const lg_sim_event *a, const lg_sim_event *b)
{
    return a->when < b->when || (a->when == b->when && a->order < b->order);
}

static void
event_place(lg_sim *s, uint32_t i, lg_sim_event *e)
{
    s->events[i] = e;
    e->slot = i + 1;
}

static void
event_sift(lg_sim *s, uint32_t i, lg_sim_event *e)
{
    while (i > 0 && event_earlier(e, s->events[(i - 1) / 2])) {
        event_place(s, i, s->events[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= s->event_count)
            break;
        if (child + 1 < s->event_count && event_earlier(s->events[child + 1], s->events[child]))
            child++;
        if (!event_earlier(s->events[child], e))
            break;
        event_place(s, i, s->events[child]);
        i = child;
    }
    event_place(s, i, e);
}

static void
event_push(lg_sim *s, lg_sim_event *e)
{
    if (s->event_count == s->event_cap) {
        s->event_cap = s->event_cap ? s->event_cap * 2 : 256;
        lg_heap *outer = lg_heap_switch(NULL);
        s->events = lg_realloc(s->events, s->event_cap * sizeof(lg_sim_event *));
        (void)lg_heap_switch(outer);
    }
    uint32_t i = s->event_count++;
    event_sift(s, i, e);
}

static void
event_unlink(lg_sim *s, lg_sim_event *e)
{
    uint32_t i = e->slot - 1;
    LG_ASSERT(s->events[i] == e);
    lg_sim_event *last = s->events[--s->event_count];
    if (last != e)
        event_sift(s, i, last);
    e->slot = 0;
}

lg_sim_event *
lg_sim_at(lg_sim *s, lg_time when, lg_run *owner, void (*fn)(void *arg), void *arg)
{
    lg_heap *outer = lg_heap_switch(NULL);
    lg_sim_event *e = lg_zalloc(sizeof *e);
    (void)lg_heap_switch(outer);
    *e = (lg_sim_event){.when = when > s->now ? when : s->now,
                        .order = s->event_order++,
                        .owner = owner,
                        .fn = fn,
                        .arg = arg};
    event_push(s, e);
    return e;
}

void
lg_sim_cancel(lg_sim *s, lg_sim_event *e)
{
    event_unlink(s, e);
    lg_free(e);
}

/* ---- nodes ---- */

static struct node_state *
node_of(lg_sim *s, uint32_t node)
{
    LG_ASSERT(node < MAX_NODES);
    return &s->nodes[node];
}

lg_time
lg_sim__node_clock(lg_sim *s, uint32_t node)
{
    struct node_state *n = node_of(s, node);
    lg_time elapsed = s->now - n->base_true;
    __int128 drift = (__int128)elapsed * n->ppm / 1000000;
    return n->base_local + elapsed + (lg_time)drift;
}

/* The first true time at which the node's clock shows at least `local`. */
static lg_time
true_time(lg_sim *s, uint32_t node, lg_time local)
{
    struct node_state *n = node_of(s, node);
    if (local <= n->base_local)
        return n->base_true;
    __int128 want = (__int128)(local - n->base_local) * 1000000;
    __int128 rate = 1000000 + n->ppm;
    return n->base_true + (lg_time)((want + rate - 1) / rate);
}

void
lg_sim_set_drift_ppm(lg_sim *s, uint32_t node, int32_t ppm)
{
    struct node_state *n = node_of(s, node);
    LG_ASSERT(ppm > -500000 && ppm < 500000);
    n->base_local = lg_sim__node_clock(s, node);
    n->base_true = s->now;
    n->ppm = ppm;
}

static void
nothing(void *arg)
{
    (void)arg;
}

void
lg_sim_pause_node(lg_sim *s, uint32_t node, lg_time until)
{
    struct node_state *n = node_of(s, node);
    n->paused_until = until;
    n->stale_slices = 4;
    if (until != LG_FOREVER)
        (void)lg_sim_at(s, until, NULL, nothing, NULL); /* time must get there */
}

static bool
paused(lg_sim *s, const lg_run *r)
{
    return node_of(s, r->sim_node)->paused_until > s->now;
}

void
lg_sim__run_add(lg_sim *s, lg_run *r)
{
    lg_list_push_back(&s->runs, &r->sim_link);
}

void
lg_sim__run_remove(lg_sim *s, lg_run *r)
{
    lg_list_remove(&r->sim_link);
    for (uint32_t i = s->event_count; i-- > 0;)
        if (i < s->event_count && s->events[i]->owner == r) {
            lg_sim_cancel(s, s->events[i]);
            i = s->event_count; /* the heap moved: look at all again */
        }
}

/* ---- stepping ---- */

static lg_run *
run_of(lg_list *l)
{
    return LG_CONTAINER_OF(l, lg_run, sim_link);
}

static bool
stopped(const lg_run *r)
{
    return atomic_load_explicit(&((lg_run *)(uintptr_t)r)->stopping, memory_order_relaxed);
}

static void
enter(lg_sim *s, lg_run *r)
{
    struct node_state *n = node_of(s, r->sim_node);
    if (n->paused_until && n->stale_slices > 0) {
        n->stale_slices--;
        return;
    }
    n->paused_until = 0;
    if (lg_sim_random(s) % 2)
        r->now = lg_sim__node_clock(s, r->sim_node);
}

/* True when it ran one. */
static bool
run_due_event(lg_sim *s)
{
    while (s->event_count > 0 && s->events[0]->when <= s->now) {
        lg_sim_event *e = s->events[0];
        event_unlink(s, e);
        if (e->owner && paused(s, e->owner)) {
            e->when = node_of(s, e->owner->sim_node)->paused_until;
            event_push(s, e);
            continue;
        }
        lg_heap *outer = lg_heap_switch(e->owner ? e->owner->heap : NULL);
        void (*fn)(void *) = e->fn;
        void *arg = e->arg;
        lg_free(e);
        fn(arg);
        (void)lg_heap_switch(outer);
        return true;
    }
    return false;
}

static bool
run_due_timers(lg_sim *s)
{
    LG_LIST_FOREACH (it, &s->runs) {
        lg_run *r = run_of(it);
        if (paused(s, r) || stopped(r))
            continue;
        lg_time local = lg_sim__node_clock(s, r->sim_node);
        if (lg_run__timers_next(r) > local && !lg_run__posts_pending(r))
            continue;
        struct node_state *n = node_of(s, r->sim_node);
        n->paused_until = 0; /* timers fire from a fresh round */
        r->now = local;
        lg_heap *outer = lg_heap_switch(r->heap);
        (void)lg_run__posts_run(r);
        (void)lg_run__timers_fire(r);
        (void)lg_heap_switch(outer);
        return true;
    }
    return false;
}

static bool
run_some_fiber(lg_sim *s)
{
    unsigned total = 0;
    LG_LIST_FOREACH (it, &s->runs) {
        lg_run *r = run_of(it);
        if (!paused(s, r) && !stopped(r))
            total += r->ready_count;
    }
    if (total == 0)
        return false;
    unsigned pick = (unsigned)(lg_sim_random(s) % total);
    LG_LIST_FOREACH (it, &s->runs) {
        lg_run *r = run_of(it);
        if (paused(s, r) || stopped(r))
            continue;
        if (pick >= r->ready_count) {
            pick -= r->ready_count;
            continue;
        }
        lg_list *l = r->ready.next;
        while (pick-- > 0)
            l = l->next;
        enter(s, r);
        lg_run__resume(r, LG_CONTAINER_OF(l, lg_fiber, ready));
        s->now += SLICE_MIN_NS + lg_sim_random(s) % SLICE_VAR_NS;
        return true;
    }
    LG_UNREACHABLE();
}

/* When the next thing is due; LG_FOREVER: never. */
static lg_time
next_time(lg_sim *s)
{
    lg_time t = s->event_count > 0 ? s->events[0]->when : LG_FOREVER;
    LG_LIST_FOREACH (it, &s->runs) {
        lg_run *r = run_of(it);
        lg_time local = lg_run__timers_next(r);
        if (local == LG_FOREVER || stopped(r))
            continue;
        lg_time at = true_time(s, r->sim_node, local);
        if (paused(s, r) && at < node_of(s, r->sim_node)->paused_until)
            at = node_of(s, r->sim_node)->paused_until;
        if (at < t)
            t = at;
    }
    return t;
}

/* One step that takes time no further than `end`. */
static bool
step_until(lg_sim *s, lg_time end)
{
    if (run_due_event(s) || run_due_timers(s) || run_some_fiber(s))
        return true;
    lg_time t = next_time(s);
    if (t == LG_FOREVER)
        return false;
    LG_ASSERT(t >= s->now);
    t = t > s->now ? t : s->now + 1;
    s->now = t < end ? t : end;
    return true;
}

bool
lg_sim_step(lg_sim *s)
{
    return step_until(s, LG_FOREVER);
}

lg_status
lg_sim_run(lg_sim *s, bool (*done)(void *arg), void *arg, lg_time limit)
{
    lg_time end = s->now + limit;
    while (!done || !done(arg)) {
        if (s->now >= end)
            return LG_TIMEOUT;
        if (!step_until(s, end))
            return done ? LG_END : LG_OK;
    }
    return LG_OK;
}
