/* Timers: a binary heap by (deadline, order of arming). slot is the heap position + 1. */
#include "run_internal.h"
#include "assert.h"

static bool
earlier(const lg_timer *a, const lg_timer *b)
{
    return a->deadline < b->deadline || (a->deadline == b->deadline && a->order < b->order);
}

static void
place(lg_run *r, uint32_t i, lg_timer *t)
{
    r->timers[i] = t;
    t->slot = i + 1;
}

static void
sift_up(lg_run *r, uint32_t i, lg_timer *t)
{
    while (i > 0) {
        uint32_t parent = (i - 1) / 2;
        if (!earlier(t, r->timers[parent]))
            break;
        place(r, i, r->timers[parent]);
        i = parent;
    }
    place(r, i, t);
}

static void
sift_down(lg_run *r, uint32_t i, lg_timer *t)
{
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= r->timer_count)
            break;
        if (child + 1 < r->timer_count && earlier(r->timers[child + 1], r->timers[child]))
            child++;
        if (!earlier(r->timers[child], t))
            break;
        place(r, i, r->timers[child]);
        i = child;
    }
    place(r, i, t);
}

void
lg_timer_init(lg_timer *t, lg_run *r, void (*fn)(void *arg), void *arg)
{
    *t = (lg_timer){.fn = fn, .arg = arg, .run = r};
}

void
lg_timer_start(lg_timer *t, lg_time deadline)
{
    lg_run *r = t->run;
    lg_timer_stop(t);
    if (r->timer_count == r->timer_cap) {
        r->timer_cap = r->timer_cap ? r->timer_cap * 2 : 64;
        lg_heap *outer = lg_heap_switch(NULL);
        r->timers = lg_realloc(r->timers, r->timer_cap * sizeof(lg_timer *));
        (void)lg_heap_switch(outer);
    }
    t->deadline = deadline;
    t->order = r->timer_order++;
    sift_up(r, r->timer_count++, t);
}

void
lg_timer_stop(lg_timer *t)
{
    if (t->slot == 0)
        return;
    lg_run *r = t->run;
    uint32_t i = t->slot - 1;
    LG_ASSERT(r->timers[i] == t);
    t->slot = 0;
    lg_timer *last = r->timers[--r->timer_count];
    if (last == t)
        return;
    if (i > 0 && earlier(last, r->timers[(i - 1) / 2]))
        sift_up(r, i, last);
    else
        sift_down(r, i, last);
}

lg_time
lg_run__timers_next(const lg_run *r)
{
    return r->timer_count ? r->timers[0]->deadline : LG_FOREVER;
}

unsigned
lg_run__timers_fire(lg_run *r)
{
    unsigned n = 0;
    while (r->timer_count && r->timers[0]->deadline <= r->now) {
        lg_timer *t = r->timers[0];
        lg_timer_stop(t);
        t->fn(t->arg);
        n++;
    }
    return n;
}
