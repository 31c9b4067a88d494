/* Teams (team.h): a bounded queue of items, a list of those that members are through with. */
#include "team.h"
#include "assert.h"
#include "run_internal.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define STACK_BYTES (2u << 20)

struct member {
    lg_team *team;
    unsigned number;
    pthread_t thread;
};

struct lg_team {
    lg_run *run;
    lg_fiber *fiber;
    lg_team_fn fn;
    void *arg;
    unsigned reserved;
    unsigned n, ended; /* members; those whose end the worker has heard of */
    bool inside;       /* simulated: the member runs in finish */
    bool waiting;      /* the fiber is in finish */
    struct member member[LG_TEAM_MAX];
    _Atomic bool stop;
    pthread_mutex_t mu;
    pthread_cond_t cond; /* items came, or there will be no more */
    /* under mu */
    bool finished;
    unsigned taking; /* members that have not returned */
    void **queue;    /* ring of cap */
    uint32_t cap, first, count;
    void **done;
    uint32_t ndone, done_cap;
};

unsigned
lg_team_most(const lg_run *r)
{
    long cpus = r->sim ? 2 : sysconf(_SC_NPROCESSORS_ONLN);
    return cpus > LG_TEAM_MAX ? LG_TEAM_MAX : cpus > 1 ? (unsigned)cpus - 1 : 0;
}

unsigned
lg_team_available(const lg_run *r)
{
    unsigned most = lg_team_most(r);
    return most > r->team_members ? most - r->team_members : 0;
}

bool
lg_team_inside(const lg_team *t)
{
    return t->inside;
}

static void
member_ended(void *arg)
{
    struct member *m = arg;
    pthread_join(m->thread, NULL); /* it said so with its last breath */
    m->team->ended++;
    if (m->team->waiting) /* else it may be parked for something else */
        lg_fiber_unpark(m->team->fiber);
}

static void
member_returned(lg_team *t)
{
    pthread_mutex_lock(&t->mu);
    t->taking--;
    pthread_mutex_unlock(&t->mu);
}

static void *
member_main(void *arg)
{
    struct member *m = arg;
    lg_team *t = m->team;
    lg_mem_meter meter = {.budget = t->run->budget}; /* counted; the worker is who is told */
    (void)lg_mem_meter_switch(&meter);
    lg_run__helper_begin(t->run);
    t->fn(t, t->arg, m->number);
    member_returned(t);
    lg_run_post(t->run, member_ended, m);
    return NULL;
}

/* Signals are the worker's. */
static bool
spawn(struct member *m)
{
    sigset_t all, old;
    pthread_attr_t attr;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&m->thread, &attr, member_main, m);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return rc == 0;
}

lg_team *
lg_team_create(lg_run *r, unsigned n, lg_team_fn fn, void *arg)
{
    unsigned most = lg_team_available(r);
    n = n > most ? most : n;
    if (!n || !lg_fiber_self())
        return NULL;
    lg_heap *outer = lg_heap_switch(NULL);
    lg_team *t = lg_zalloc(sizeof *t);
    t->run = r;
    t->fiber = lg_fiber_self();
    t->fn = fn;
    t->arg = arg;
    t->inside = r->sim != NULL;
    t->reserved = t->inside ? 1 : n;
    t->cap = t->reserved * LG_TEAM_QUEUE;
    t->queue = lg_alloc(t->cap * sizeof *t->queue);
    t->done_cap = 2 * t->cap;
    t->done = lg_alloc(t->done_cap * sizeof *t->done);
    (void)lg_heap_switch(outer);
    pthread_mutex_init(&t->mu, NULL);
    pthread_cond_init(&t->cond, NULL);
    r->team_members += t->reserved;
    return t;
}

void
lg_team_go(lg_team *t)
{
    LG_ASSERT(t->n == 0);
    for (unsigned i = 0; i < t->reserved; i++) {
        t->member[i] = (struct member){.team = t, .number = i};
        pthread_mutex_lock(&t->mu);
        t->taking++;
        pthread_mutex_unlock(&t->mu);
        if (!t->inside && !spawn(&t->member[i])) {
            member_returned(t);
            break;
        }
        t->n++;
    }
}

unsigned
lg_team_size(const lg_team *t)
{
    return t->reserved;
}

bool
lg_team_wants(lg_team *t)
{
    pthread_mutex_lock(&t->mu);
    bool wants = t->count < t->cap && t->taking > 0 && !t->finished;
    pthread_mutex_unlock(&t->mu);
    return wants && !atomic_load_explicit(&t->stop, memory_order_relaxed);
}

static void
add_done(lg_team *t, void *item)
{
    if (t->ndone == t->done_cap) {
        lg_heap *outer = lg_heap_switch(NULL);
        t->done_cap *= 2;
        t->done = lg_realloc(t->done, t->done_cap * sizeof *t->done);
        (void)lg_heap_switch(outer);
    }
    t->done[t->ndone++] = item;
}

void
lg_team_put(lg_team *t, void *item)
{
    pthread_mutex_lock(&t->mu);
    LG_ASSERT(t->count < t->cap);
    if (t->finished) { /* a member has stopped the team meanwhile */
        add_done(t, item);
    } else {
        t->queue[(t->first + t->count++) % t->cap] = item;
        pthread_cond_signal(&t->cond);
    }
    pthread_mutex_unlock(&t->mu);
}

static void *
take(lg_team *t)
{
    void *item = t->queue[t->first];
    t->first = (t->first + 1) % t->cap;
    t->count--;
    return item;
}

void *
lg_team_done(lg_team *t)
{
    pthread_mutex_lock(&t->mu);
    void *item = t->ndone ? t->done[--t->ndone] : NULL;
    pthread_mutex_unlock(&t->mu);
    return item;
}

static void
end_items(lg_team *t, bool drop)
{
    pthread_mutex_lock(&t->mu);
    while (drop && t->count)
        add_done(t, take(t));
    t->finished = true;
    pthread_cond_broadcast(&t->cond);
    pthread_mutex_unlock(&t->mu);
}

void
lg_team_stop(lg_team *t)
{
    atomic_store(&t->stop, true);
    end_items(t, true);
}

void
lg_team_finish(lg_team *t)
{
    end_items(t, false);
    if (t->inside && t->n > t->ended) {
        t->fn(t, t->arg, 0);
        member_returned(t);
        t->ended = 1;
    }
    /* A cancel stops the members, and is kept for who looks next. */
    lg_status why = LG_OK;
    t->waiting = true;
    while (t->ended < t->n) {
        lg_status st = lg_fiber_park(LG_WAIT_PARALLEL_FINISH, LG_FOREVER, why == LG_OK);
        if (lg_failed(st)) {
            why = st;
            lg_team_stop(t);
        }
    }
    if (why != LG_OK)
        lg_fiber_cancel(t->fiber, why);
}

void *
lg_team_take(lg_team *t)
{
    void *item = NULL;
    pthread_mutex_lock(&t->mu);
    if (t->count && (t->finished || !t->inside))
        item = take(t);
    pthread_mutex_unlock(&t->mu);
    return item;
}

void
lg_team_destroy(lg_team *t)
{
    LG_ASSERT(t->ended == t->n && t->ndone == 0 && t->count == 0);
    t->run->team_members -= t->reserved;
    pthread_mutex_destroy(&t->mu);
    pthread_cond_destroy(&t->cond);
    lg_free(t->queue);
    lg_free(t->done);
    lg_free(t);
}

/* ---- members ---- */

void *
lg_team_next(lg_team *t)
{
    void *item = NULL;
    pthread_mutex_lock(&t->mu);
    while (!t->count && !t->finished)
        pthread_cond_wait(&t->cond, &t->mu);
    if (t->count && !lg_team_stopped(t))
        item = take(t);
    pthread_mutex_unlock(&t->mu);
    return item;
}

void
lg_team_give_back(lg_team *t, void *item)
{
    pthread_mutex_lock(&t->mu);
    add_done(t, item);
    pthread_mutex_unlock(&t->mu);
}

bool
lg_team_stopped(const lg_team *t)
{
    return atomic_load_explicit(&t->stop, memory_order_relaxed);
}
