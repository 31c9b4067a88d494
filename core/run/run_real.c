/* The real worker: one loop over its io_uring.
 *
 *   round:  posts -> due timers -> pollers -> completions -> the fibers that were ready
 *   idle:   submit; spin a little if spinning has paid lately; sleep in the ring until the next
 *           timer or completion
 *
 * Submission: sqes pile up during a round and go to the kernel together, with the sleep if there is
 * one, so that a round that ends in a sleep costs one system call.
 *
 * Spinning is off unless configured: where workers and clients share few processors it takes the
 * time from whoever is to answer (two workers over TCP on two busy processors: a round trip of 6 us
 * without, 50 to 80 us with 20 us of spinning). Spinning pays when sleeps turn out shorter than the
 * spin; spin_score follows that, so a worker that gets rare work does not burn the processor before
 * each sleep.
 */
#include "run_internal.h"
#include "assert.h"
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SQ_ENTRIES      1024
#define CQ_ENTRIES      8192
#define REAP_BATCH      64
#define OFFLOAD_THREADS 4
#define SPIN_SCORE_MAX  8

struct job {
    lg_list link;
    void (*fn)(void *arg);
    void *arg;
    lg_run *run;
    lg_fiber *fiber;
    bool done;
};

struct lg_fd_watch {
    lg_ring_op op;
    lg_list link; /* in armed or idle list of the worker */
    lg_run *run;
    int fd;
    void (*fn)(void *arg);
    void *arg;
    bool in_kernel;
    bool closing;
};

struct lg_real {
    struct io_uring ring;
    bool enabled;
    uint64_t inflight; /* operations whose completion is still to come */
    int event_fd;
    uint64_t event_buf;
    lg_ring_op event_op;
    bool event_armed;
    lg_ring_op timeout_op;
    lg_time timeout_at; /* what it is armed for; LG_FOREVER: not armed */
    struct __kernel_timespec timeout_ts;
    lg_time spin_ns;
    int spin_score;
    bool taskrun_stale; /* see reap() */
    lg_list pollers;
    lg_list watches;
    bool watches_idle; /* some watch must be armed again */

    pthread_mutex_t jobs_mu;
    pthread_cond_t jobs_cond;
    lg_list jobs;
    unsigned threads;
    unsigned threads_idle;
    bool jobs_stop;
    pthread_t thread[OFFLOAD_THREADS];
};

/* ---- ring ---- */

static lg_status
ring_open(struct lg_real *re)
{
    struct io_uring_params p = {0};
    p.flags = IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER |
              IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    p.cq_entries = CQ_ENTRIES;
    int rc = io_uring_queue_init_params(SQ_ENTRIES, &re->ring, &p);
    if (rc == 0)
        return LG_OK;
    memset(&p, 0, sizeof p); /* kernels before 6.1 */
    p.flags = IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED;
    p.cq_entries = CQ_ENTRIES;
    rc = io_uring_queue_init_params(SQ_ENTRIES, &re->ring, &p);
    return rc == 0 ? LG_OK : LG_SYSTEM;
}

/* Debian's liburing 2.3 declares io_uring_enable_rings but does not export it to the linker. */
static long
ring_enable(struct lg_real *re)
{
    return syscall(__NR_io_uring_register, re->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

struct io_uring *
lg_run_ring(lg_run *r)
{
    return r->real ? &r->real->ring : NULL;
}

struct io_uring_sqe *
lg_run_sqe(lg_run *r, lg_ring_op *op)
{
    struct lg_real *re = r->real;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&re->ring);
    if (!sqe) {
        LG_ASSERT(re->enabled); /* more than SQ_ENTRIES before the loop began */
        while (!sqe) {
            int rc = io_uring_submit(&re->ring);
            LG_ASSERT(rc >= 0 || rc == -EAGAIN || rc == -EINTR || rc == -EBUSY);
            sqe = io_uring_get_sqe(&re->ring);
        }
    }
    memset(sqe, 0, sizeof *sqe);
    sqe->user_data = (uintptr_t)op;
    if (op)
        re->inflight++;
    return sqe;
}

/* The kernel's TASKRUN flag says that entering it would bring completions. It can stay up with none
 * left: it is raised after the completion was queued, and we may have taken that in between. So a flag
 * that brought nothing is not believed until something comes or the ring has slept; else the loop
 * would go round for ever, and what is prepared would never be submitted. */
static bool
taskrun(struct lg_real *re)
{
    return (IO_URING_READ_ONCE(*re->ring.sq.kflags) & IORING_SQ_TASKRUN) != 0;
}

static unsigned
reap(lg_run *r)
{
    struct lg_real *re = r->real;
    struct io_uring_cqe *cqes[REAP_BATCH];
    unsigned total = 0, n;
    do {
        n = io_uring_peek_batch_cqe(&re->ring, cqes, REAP_BATCH);
        struct {
            lg_ring_op *op;
            int res;
        } got[REAP_BATCH];
        for (unsigned i = 0; i < n; i++) {
            got[i].op = (lg_ring_op *)(uintptr_t)cqes[i]->user_data;
            got[i].res = cqes[i]->res;
        }
        io_uring_cq_advance(&re->ring, n);
        for (unsigned i = 0; i < n; i++) {
            if (!got[i].op)
                continue;
            re->inflight--;
            got[i].op->fn(got[i].op, got[i].res);
            total++;
        }
        /* Looking again costs nothing unless the kernel has more to hand over, and then it would be
         * asked for in the next round: so all who are ready share this one, and its writes. */
    } while (n > 0 && total < 8 * REAP_BATCH);
    re->taskrun_stale = total == 0 && taskrun(re);
    return total;
}

/* ---- waking for timers ----
 *
 * One timeout in the kernel, armed for the next timer. It stays armed over sleeps that end before it and is not
 * moved when the next timer turns out to be later: the worker then wakes once for nothing. Arming and disarming
 * it at each sleep, as a wait with a limit does, costs more than a sleep of some microseconds. */

static void
timeout_fired(lg_ring_op *op, int res)
{
    (void)res;
    LG_CONTAINER_OF(op, struct lg_real, timeout_op)->timeout_at = LG_FOREVER;
}

static void
timeout_arm(lg_run *r, lg_time deadline)
{
    struct lg_real *re = r->real;
    if (deadline >= re->timeout_at)
        return;
    re->timeout_ts = (struct __kernel_timespec){.tv_sec = (long long)(deadline / LG_SEC),
                                                .tv_nsec = (long long)(deadline % LG_SEC)};
    if (re->timeout_at == LG_FOREVER) {
        io_uring_prep_timeout(lg_run_sqe(r, &re->timeout_op), &re->timeout_ts, 0,
                              IORING_TIMEOUT_ABS);
    } else { /* when it has fired meanwhile that completion is there, and the next sleep arms anew */
        struct io_uring_sqe *sqe = lg_run_sqe(r, NULL);
        io_uring_prep_timeout_update(sqe, &re->timeout_ts, (uintptr_t)&re->timeout_op,
                                     IORING_TIMEOUT_ABS);
        if (re->ring.features & IORING_FEAT_CQE_SKIP)
            sqe->flags |= IOSQE_CQE_SKIP_SUCCESS; /* its completion is not worth a round */
    }
    re->timeout_at = deadline;
}

/* ---- waking from other threads ---- */

static void
event_arm(lg_run *r)
{
    struct lg_real *re = r->real;
    struct io_uring_sqe *sqe = lg_run_sqe(r, &re->event_op);
    io_uring_prep_read(sqe, re->event_fd, &re->event_buf, sizeof re->event_buf, 0);
    re->event_armed = true;
}

static void
event_fired(lg_ring_op *op, int res)
{
    (void)res;
    struct lg_real *re = LG_CONTAINER_OF(op, struct lg_real, event_op);
    re->event_armed = false; /* armed again at the next idle */
}

void
lg_run__real_wake(lg_run *r)
{
    uint64_t one = 1;
    ssize_t rc;
    do {
        rc = write(r->real->event_fd, &one, sizeof one);
    } while (rc < 0 && errno == EINTR);
}

void
lg_run_stop(lg_run *r)
{
    atomic_store(&r->stopping, true);
    if (r->real)
        lg_run__real_wake(r);
}

/* ---- life ---- */

lg_status
lg_run__real_init(lg_run *r, uint32_t spin_us)
{
    struct lg_real *re = lg_zalloc(sizeof *re);
    r->real = re;
    re->spin_ns = (lg_time)spin_us * 1000;
    lg_list_init(&re->pollers);
    lg_list_init(&re->watches);
    lg_list_init(&re->jobs);
    pthread_mutex_init(&re->jobs_mu, NULL);
    pthread_cond_init(&re->jobs_cond, NULL);
    re->event_op.fn = event_fired;
    re->timeout_op.fn = timeout_fired;
    re->timeout_at = LG_FOREVER;
    re->event_fd = eventfd(0, EFD_CLOEXEC);
    lg_status st = re->event_fd < 0 ? LG_SYSTEM : ring_open(re);
    if (st != LG_OK) {
        if (re->event_fd >= 0)
            close(re->event_fd);
        lg_free(re);
        r->real = NULL;
    }
    return st;
}

/* The kernel may still write into buffers of operations in flight: cancel them and wait. */
static void
drain(struct lg_real *re)
{
    if (!re->enabled || re->inflight == 0)
        return;
    struct io_uring_sync_cancel_reg reg = {.flags =
                                               IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL,
                                           .timeout = {.tv_sec = -1, .tv_nsec = -1}};
    (void)io_uring_submit(&re->ring);
    (void)io_uring_register_sync_cancel(&re->ring, &reg);
    struct __kernel_timespec limit = {.tv_sec = 5};
    while (re->inflight > 0) {
        struct io_uring_cqe *cqe;
        int rc = io_uring_wait_cqe_timeout(&re->ring, &cqe, &limit);
        if (rc == -EINTR)
            continue;
        if (rc < 0)
            break; /* another thread than the loop's, or a device that does not answer */
        if (cqe->user_data)
            re->inflight--;
        io_uring_cqe_seen(&re->ring, cqe);
    }
}

void
lg_run__real_fini(lg_run *r)
{
    struct lg_real *re = r->real;
    pthread_mutex_lock(&re->jobs_mu);
    re->jobs_stop = true;
    pthread_cond_broadcast(&re->jobs_cond);
    pthread_mutex_unlock(&re->jobs_mu);
    for (unsigned i = 0; i < re->threads; i++)
        pthread_join(re->thread[i], NULL);
    drain(re);
    io_uring_queue_exit(&re->ring);
    close(re->event_fd);
    lg_list *l;
    while ((l = lg_list_pop_front(&re->watches)))
        lg_free(LG_CONTAINER_OF(l, lg_fd_watch, link));
    pthread_mutex_destroy(&re->jobs_mu);
    pthread_cond_destroy(&re->jobs_cond);
    lg_free(re);
    r->real = NULL;
}

/* ---- the loop ---- */

static unsigned
poll_all(struct lg_real *re)
{
    unsigned n = 0;
    LG_LIST_FOREACH_SAFE (it, &re->pollers) {
        lg_poller *p = LG_CONTAINER_OF(it, lg_poller, link);
        n += p->poll(p->arg);
    }
    return n;
}

static bool
arm_all(struct lg_real *re)
{
    LG_LIST_FOREACH (it, &re->pollers) {
        lg_poller *p = LG_CONTAINER_OF(it, lg_poller, link);
        if (p->arm && !p->arm(p->arg))
            return false;
    }
    return true;
}

static void watches_arm(lg_run *r);

static unsigned
run_ready(lg_run *r)
{
    unsigned n = r->ready_count;
    for (unsigned i = 0; i < n && r->ready_count > 0; i++)
        lg_run__resume(r, LG_CONTAINER_OF(r->ready.next, lg_fiber, ready));
    return n;
}

static bool
work_appeared(lg_run *r)
{
    struct lg_real *re = r->real;
    return r->ready_count > 0 || lg_run__posts_pending(r) || io_uring_cq_ready(&re->ring) > 0 ||
           (!re->taskrun_stale && taskrun(re)) ||
           atomic_load_explicit(&r->stopping, memory_order_relaxed);
}

static void
submit(struct lg_real *re)
{
    int rc = io_uring_submit(&re->ring);
    LG_ASSERT(rc >= 0 || rc == -EAGAIN || rc == -EINTR || rc == -EBUSY);
}

/* True when work came while spinning. */
static bool
spin(lg_run *r, lg_time deadline)
{
    struct lg_real *re = r->real;
    if (re->spin_ns == 0 || re->spin_score <= 0)
        return false;
    if (io_uring_sq_ready(&re->ring))
        submit(re);
    lg_time until = lg_run__clock(r) + re->spin_ns;
    if (deadline < until)
        until = deadline;
    do {
        if (poll_all(re) > 0 || work_appeared(r)) {
            if (re->spin_score < SPIN_SCORE_MAX)
                re->spin_score++;
            return true;
        }
        __builtin_ia32_pause();
    } while (lg_run__clock(r) < until);
    re->spin_score--;
    return false;
}

static void
idle(lg_run *r)
{
    struct lg_real *re = r->real;
    if (!re->event_armed)
        event_arm(r);
    lg_time deadline = lg_run__timers_next(r);
    if (spin(r, deadline))
        return;
    /* The round before found nothing to poll; arming looks once more, and comes last: polling again
     * would disarm. A post that comes now makes the event readable. */
    if (work_appeared(r) || !arm_all(re))
        return;
    lg_run__stacks_trim(r);
    lg_time before = lg_run__clock(r);
    if (deadline <= before)
        return;
    timeout_arm(r, deadline);
    int rc = io_uring_submit_and_wait(&re->ring, 1);
    LG_ASSERT(rc >= 0 || rc == -EINTR || rc == -EAGAIN || rc == -EBUSY);
    r->now = lg_run__clock(r);
    if (r->now - before < 2 * re->spin_ns && re->spin_score < SPIN_SCORE_MAX - 1)
        re->spin_score += 2;
}

lg_status
lg_run_loop(lg_run *r)
{
    LG_ASSERT(!r->sim && !r->looping);
    struct lg_real *re = r->real;
    if (!re->enabled) {
        if (ring_enable(re) != 0)
            return LG_SYSTEM;
        re->enabled = true;
    }
    r->looping = true;
    lg_heap *outer = lg_heap_switch(r->heap);
    bool deferred = false; /* the last busy round left its sqes for the sleep to submit */
    while (!atomic_load_explicit(&r->stopping, memory_order_relaxed)) {
        r->now = lg_run__clock(r);
        unsigned did = lg_run__posts_run(r);
        did += lg_run__timers_fire(r);
        did += poll_all(re);
        did += reap(r);
        if (re->watches_idle)
            watches_arm(r);
        did += run_ready(r);
        if (did == 0) {
            idle(r);
            deferred = false;
        } else if (io_uring_sq_ready(&re->ring)) {
            if (r->ready_count > 0 || deferred)
                submit(re);
            deferred = !deferred;
        }
    }
    atomic_store(&r->stopping, false);
    (void)lg_heap_switch(outer);
    r->looping = false;
    return LG_OK;
}

/* ---- pollers and watches ---- */

void
lg_run_poller_add(lg_run *r, lg_poller *p)
{
    LG_ASSERT(r->real);
    lg_list_push_back(&r->real->pollers, &p->link);
}

void
lg_run_poller_remove(lg_run *r, lg_poller *p)
{
    (void)r;
    lg_list_remove(&p->link);
}

static void
watch_fired(lg_ring_op *op, int res)
{
    lg_fd_watch *w = LG_CONTAINER_OF(op, lg_fd_watch, op);
    w->in_kernel = false;
    if (w->closing) {
        lg_list_remove(&w->link);
        lg_free(w);
        return;
    }
    w->run->real->watches_idle = true;
    if (res >= 0 && w->fn)
        w->fn(w->arg);
}

/* One-shot polls armed each time: a poll that is armed while the descriptor is readable completes
 * at once, which makes the watch level-triggered. */
static void
watches_arm(lg_run *r)
{
    struct lg_real *re = r->real;
    re->watches_idle = false;
    LG_LIST_FOREACH (it, &re->watches) {
        lg_fd_watch *w = LG_CONTAINER_OF(it, lg_fd_watch, link);
        if (w->in_kernel || w->closing)
            continue;
        struct io_uring_sqe *sqe = lg_run_sqe(r, &w->op);
        io_uring_prep_poll_add(sqe, w->fd, POLLIN);
        w->in_kernel = true;
    }
}

lg_status
lg_run_watch_fd(lg_run *r, int fd, void (*fn)(void *arg), void *arg, lg_fd_watch **ret_watch)
{
    LG_ASSERT(r->real);
    lg_heap *outer = lg_heap_switch(NULL);
    lg_fd_watch *w = lg_zalloc(sizeof *w);
    (void)lg_heap_switch(outer);
    *w = (lg_fd_watch){.op = {watch_fired}, .run = r, .fd = fd, .fn = fn, .arg = arg};
    lg_list_push_back(&r->real->watches, &w->link);
    r->real->watches_idle = true;
    *ret_watch = w;
    return LG_OK;
}

void
lg_run_unwatch_fd(lg_fd_watch *w)
{
    if (!w->in_kernel) {
        lg_list_remove(&w->link);
        lg_free(w);
        return;
    }
    w->closing = true;
    lg_run__op_cancel(w->run, &w->op);
}

/* ---- operations that a fiber waits for ---- */

static void
fiber_op_done(lg_ring_op *op, int res)
{
    lg_fiber_op *o = LG_CONTAINER_OF(op, lg_fiber_op, op);
    o->res = res;
    o->done = true;
    lg_fiber_unpark(o->fiber);
}

struct io_uring_sqe *
lg_run__op_prepare(lg_run *r, lg_fiber_op *op)
{
    *op = (lg_fiber_op){.op = {fiber_op_done}, .fiber = lg_fiber_self()};
    LG_ASSERT(op->fiber);
    return lg_run_sqe(r, &op->op);
}

void
lg_run__op_cancel(lg_run *r, lg_ring_op *op)
{
    struct io_uring_sqe *sqe = lg_run_sqe(r, NULL);
    io_uring_prep_cancel(sqe, op, 0);
}

lg_status
lg_run__op_wait(lg_run *r, lg_fiber_op *op, lg_wait event, lg_time deadline, bool cancelable,
                int *ret_res)
{
    lg_status st = LG_OK;
    while (!op->done && st == LG_OK)
        st = lg_fiber_park(event, deadline, cancelable);
    if (!op->done)
        lg_run__op_cancel(r, &op->op);
    while (!op->done)
        (void)!lg_fiber_park(event, LG_FOREVER, false); /* the loop looks at done */
    *ret_res = op->res;
    if (st == LG_OK || op->res == -ECANCELED || op->res == -EINTR)
        return st;
    /* it completed in spite of the deadline or cancel: nothing is lost, the cancel comes next */
    if (st != LG_TIMEOUT)
        op->fiber->cancel = st;
    return LG_OK;
}

lg_status
lg_run_wait_fd(lg_run *r, int fd, short poll_events, lg_wait event, lg_time deadline)
{
    lg_fiber_op op;
    struct io_uring_sqe *sqe = lg_run__op_prepare(r, &op);
    io_uring_prep_poll_add(sqe, fd, (unsigned)poll_events);
    int res;
    LG_TRY(lg_run__op_wait(r, &op, event, deadline, true, &res));
    return res < 0 ? LG_SYSTEM : LG_OK;
}

/* ---- offload ---- */

static void
job_done(void *arg)
{
    struct job *j = arg;
    j->done = true;
    lg_fiber_unpark(j->fiber);
}

static void *
offload_main(void *arg)
{
    lg_run *r = arg;
    struct lg_real *re = r->real;
    lg_run__helper_begin(r);
    pthread_mutex_lock(&re->jobs_mu);
    for (;;) {
        while (lg_list_empty(&re->jobs) && !re->jobs_stop) {
            re->threads_idle++;
            pthread_cond_wait(&re->jobs_cond, &re->jobs_mu);
            re->threads_idle--;
        }
        if (lg_list_empty(&re->jobs))
            break;
        struct job *j = LG_CONTAINER_OF(lg_list_pop_front(&re->jobs), struct job, link);
        pthread_mutex_unlock(&re->jobs_mu);
        j->fn(j->arg);
        lg_run_post(j->run, job_done, j);
        pthread_mutex_lock(&re->jobs_mu);
    }
    pthread_mutex_unlock(&re->jobs_mu);
    return NULL;
}

void
lg_run__real_offload(lg_run *r, void (*fn)(void *arg), void *arg)
{
    struct lg_real *re = r->real;
    struct job j = {.fn = fn, .arg = arg, .run = r, .fiber = lg_fiber_self()};
    LG_ASSERT(j.fiber);
    pthread_mutex_lock(&re->jobs_mu);
    lg_list_push_back(&re->jobs, &j.link);
    bool more = re->threads_idle == 0 && re->threads < OFFLOAD_THREADS;
    if (more && pthread_create(&re->thread[re->threads], NULL, offload_main, r) == 0)
        re->threads++;
    LG_ASSERT(re->threads > 0);
    pthread_cond_signal(&re->jobs_cond);
    pthread_mutex_unlock(&re->jobs_mu);
    while (!j.done)
        (void)!lg_fiber_park(LG_WAIT_NONE, LG_FOREVER, false); /* the loop looks at done */
}
