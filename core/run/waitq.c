/* Wait queues and latches: FIFO lists of waiters that live on their fibers' stacks. */
#include "waitq.h"
#include "assert.h"
#include "run_internal.h"

struct lg_waiter {
    struct lg_waiter *prev, *next; /* a ring */
    lg_fiber *fiber;
    lg_latch_mode mode; /* of a latch */
    bool woken;         /* and out of the queue */
};

void
lg_waitq_init(lg_waitq *q)
{
    q->first = NULL;
}

bool
lg_waitq_empty(const lg_waitq *q)
{
    return !q->first;
}

/* Waiters lie on their fibers' stacks and are out of the queue before their functions return, which the
 * compiler cannot see. */
__attribute__((noinline)) static void
push_back(lg_waitq *q, struct lg_waiter *w)
{
    struct lg_waiter *first = q->first;
    if (!first) {
        q->first = w->prev = w->next = w;
        return;
    }
    w->next = first;
    w->prev = first->prev;
    first->prev->next = w;
    first->prev = w;
}

static void
take_out(lg_waitq *q, struct lg_waiter *w)
{
    if (w->next == w) {
        q->first = NULL;
        return;
    }
    w->prev->next = w->next;
    w->next->prev = w->prev;
    if (q->first == w)
        q->first = w->next;
}

lg_status
lg_waitq_wait(lg_waitq *q, lg_wait event, lg_time deadline, bool cancelable)
{
    struct lg_waiter w = {.fiber = lg_fiber_self()};
    LG_ASSERT(w.fiber);
    push_back(q, &w);
    lg_status st = LG_OK;
    while (!w.woken && st == LG_OK)
        st = lg_fiber_park(event, deadline, cancelable);
    if (!w.woken) {
        take_out(q, &w);
        return st;
    }
    if (st != LG_OK && st != LG_TIMEOUT)
        w.fiber->cancel = st; /* woken first: the cancel is for the next wait */
    return LG_OK;
}

static void
wake(lg_waitq *q, struct lg_waiter *w)
{
    take_out(q, w);
    w->woken = true;
    lg_fiber_unpark(w->fiber);
}

bool
lg_waitq_wake_one(lg_waitq *q)
{
    if (!q->first)
        return false;
    wake(q, q->first);
    return true;
}

unsigned
lg_waitq_wake_all(lg_waitq *q)
{
    unsigned n = 0;
    while (lg_waitq_wake_one(q))
        n++;
    return n;
}

/* ---- latches ----
 * A release hands the latch over to the first waiters that can have it, so that nobody overtakes.
 */

void
lg_latch_init(lg_latch *l, uint8_t rank)
{
    *l = (lg_latch){.rank = rank};
    lg_waitq_init(&l->q);
}

bool
lg_latch_idle(const lg_latch *l)
{
    return l->shared == 0 && !l->exclusive && lg_waitq_empty(&l->q);
}

static bool
grantable(const lg_latch *l, lg_latch_mode mode)
{
    return mode == LG_LATCH_S ? !l->exclusive : !l->exclusive && l->shared == 0;
}

static void
grant(lg_latch *l, lg_latch_mode mode, lg_fiber *f)
{
    if (mode == LG_LATCH_S) {
        l->shared++;
    } else {
        l->exclusive = 1;
        l->owner = f;
    }
    if (!f)
        return;
    LG_ASSERT(f->latches < LG_FIBER_MAX_LATCHES);
    f->latch_ranks[f->latches++] = l->rank;
}

bool
lg_latch_try(lg_latch *l, lg_latch_mode mode)
{
    if (!lg_waitq_empty(&l->q) || !grantable(l, mode))
        return false;
    grant(l, mode, lg_fiber_self());
    return true;
}

/* Rank 0 is exempt. A try cannot deadlock, so only waiting acquires are checked. */
static void
check_rank(const lg_fiber *f, const lg_latch *l)
{
    for (unsigned i = 0; i < f->latches; i++)
        LG_DEBUG_ASSERT(l->rank == 0 || f->latch_ranks[i] <= l->rank);
}

void
lg_latch_acquire(lg_latch *l, lg_latch_mode mode, lg_wait event)
{
    lg_fiber *f = lg_fiber_self();
    LG_ASSERT(f);
    check_rank(f, l);
    if (lg_latch_try(l, mode))
        return;
    LG_ASSERT(l->owner != f);
    struct lg_waiter w = {.fiber = f, .mode = mode};
    push_back(&l->q, &w);
    while (!w.woken) {
        lg_status st = lg_fiber_park(event, LG_FOREVER, false);
        LG_ASSERT(st == LG_OK);
    }
}

static void
forget_rank(lg_fiber *f, uint8_t rank)
{
    for (unsigned i = f->latches; i-- > 0;) {
        if (f->latch_ranks[i] == rank) {
            for (; i + 1 < f->latches; i++)
                f->latch_ranks[i] = f->latch_ranks[i + 1];
            f->latches--;
            return;
        }
    }
}

void
lg_latch_release(lg_latch *l, lg_latch_mode mode)
{
    lg_fiber *f = lg_fiber_self();
    if (mode == LG_LATCH_S) {
        LG_ASSERT(l->shared > 0);
        l->shared--;
    } else {
        LG_ASSERT(l->exclusive);
        f = l->owner; /* may be released on behalf of its holder (an I/O completion) */
        l->exclusive = 0;
        l->owner = NULL;
    }
    if (f)
        forget_rank(f, l->rank);
    while (!lg_waitq_empty(&l->q)) {
        struct lg_waiter *w = l->q.first;
        if (!grantable(l, w->mode))
            break;
        grant(l, w->mode, w->fiber);
        wake(&l->q, w);
    }
}
