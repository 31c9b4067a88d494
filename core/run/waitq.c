/* Wait queues and latches: FIFO lists of waiters that live on their fibers' stacks. */
#include "waitq.h"
#include "assert.h"
#include "run_internal.h"

struct waiter {
    lg_list link;
    lg_fiber *fiber;
    lg_latch_mode mode; /* of a latch */
    bool woken;
};

static struct waiter *
waiter_of(lg_list *l)
{
    return LG_CONTAINER_OF(l, struct waiter, link);
}

void
lg_waitq_init(lg_waitq *q)
{
    lg_list_init(&q->waiters);
}

bool
lg_waitq_empty(const lg_waitq *q)
{
    return lg_list_empty(&q->waiters);
}

lg_status
lg_waitq_wait(lg_waitq *q, lg_wait event, lg_time deadline, bool cancelable)
{
    struct waiter w = {.fiber = lg_fiber_self()};
    LG_ASSERT(w.fiber);
    lg_list_push_back(&q->waiters, &w.link);
    lg_status st = LG_OK;
    while (!w.woken && st == LG_OK)
        st = lg_fiber_park(event, deadline, cancelable);
    lg_list_remove(&w.link);
    if (!w.woken)
        return st;
    if (st != LG_OK && st != LG_TIMEOUT)
        w.fiber->cancel = st; /* woken first: the cancel is for the next wait */
    return LG_OK;
}

static void
wake(struct waiter *w)
{
    lg_list_remove(&w->link);
    w->woken = true;
    lg_fiber_unpark(w->fiber);
}

bool
lg_waitq_wake_one(lg_waitq *q)
{
    if (lg_list_empty(&q->waiters))
        return false;
    wake(waiter_of(q->waiters.next));
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
    struct waiter w = {.fiber = f, .mode = mode};
    lg_list_push_back(&l->q.waiters, &w.link);
    if (mode == LG_LATCH_X)
        l->x_waiting++;
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
        struct waiter *w = waiter_of(l->q.waiters.next);
        if (!grantable(l, w->mode))
            break;
        if (w->mode == LG_LATCH_X)
            l->x_waiting--;
        grant(l, w->mode, w->fiber);
        wake(w);
    }
}
