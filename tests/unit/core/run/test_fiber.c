/* Fibers, timers, wait queues, latches: the same cases on a real and on a simulated worker. */
#include "lg_test.h"
#include "run.h"
#include "sim.h"
#include "waitq.h"
#include "assert.h"
#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct world {
    lg_run *run;
    lg_sim *sim;
    lg_heap *heap;
    lg_stats stats;
    int trace[64];
    int n;
    lg_waitq q;
    lg_latch latch;
    lg_fiber *fiber;
    lg_status st;
    int count;
    uint64_t slice;
};

static void
note(struct world *w, int v)
{
    w->trace[w->n++] = v;
}

static void
stop_arg(void *arg)
{
    lg_run_stop(arg);
}

static void
drive(struct world *w)
{
    if (w->sim) {
        (void)!lg_sim_run(w->sim, NULL, NULL, 100 * LG_SEC);
        return;
    }
    lg_timer t;
    lg_timer_init(&t, w->run, stop_arg, w->run);
    lg_timer_start(&t, lg_run_now_ns(w->run) + 100 * LG_MS);
    LG_ASSERT_OK(lg_run_loop(w->run));
    lg_timer_stop(&t);
}

/* A real worker may be slow under a sanitizer or on a busy machine: as often as it takes. */
static void
drive_to(struct world *w, int count)
{
    for (int i = 0; i < 100 && w->count < count; i++)
        drive(w);
}

static void
both(void (*body)(struct world *w))
{
    for (int simulated = 0; simulated < 2; simulated++) {
        struct world w = {0};
        lg_waitq_init(&w.q);
        lg_latch_init(&w.latch, 1);
        if (simulated)
            LG_ASSERT_OK(lg_sim_create(42, &w.sim));
        w.heap = lg_heap_create();
        lg_run_config cfg = {.name = "t", .sim = w.sim, .heap = w.heap, .stats = &w.stats};
        LG_ASSERT_OK(lg_run_create(&cfg, &w.run));
        body(&w);
        lg_run_destroy(w.run);
        lg_heap_destroy(w.heap);
        lg_sim_destroy(w.sim);
    }
}

static void
fiber_count(void *arg)
{
    struct world *w = arg;
    CU_ASSERT_PTR_EQUAL(lg_heap_current(), w->heap);
    CU_ASSERT_PTR_EQUAL(lg_fiber_run(lg_fiber_self()), w->run);
    for (int i = 0; i < 3; i++) {
        w->count++;
        lg_fiber_yield();
    }
}

static void
spawn_many(struct world *w)
{
    for (int i = 0; i < 100; i++)
        LG_ASSERT_OK(
            lg_run_spawn(w->run, "count", i % 10 ? 0 : 64 * 1024 * 8, fiber_count, w, NULL));
    drive_to(w, 300);
    CU_ASSERT_EQUAL(w->count, 300);
    CU_ASSERT_PTR_NULL(lg_fiber_self());
    for (int i = 0; i < 10; i++) /* pooled stacks */
        LG_ASSERT_OK(lg_run_spawn(w->run, "count", 0, fiber_count, w, NULL));
    drive_to(w, 330);
    CU_ASSERT_EQUAL(w->count, 330);
}

LG_TEST(test_fiber__spawn_yield_return)
{
    both(spawn_many);
}

static void
sleeper_a(void *arg)
{
    struct world *w = arg;
    lg_time start = lg_run_now_exact_ns(w->run);
    w->st = lg_fiber_sleep_until(lg_run_now_ns(w->run) + 20 * LG_MS, LG_WAIT_SLEEP);
    note(w, 1);
    CU_ASSERT(lg_run_now_exact_ns(w->run) - start >= 19 * LG_MS);
}

static void
sleeper_b(void *arg)
{
    struct world *w = arg;
    w->st = lg_fiber_sleep_until(lg_run_now_ns(w->run) + 5 * LG_MS, LG_WAIT_SLEEP);
    note(w, 2);
}

static void
sleeps(struct world *w)
{
    LG_ASSERT_OK(lg_run_spawn(w->run, "a", 0, sleeper_a, w, NULL));
    LG_ASSERT_OK(lg_run_spawn(w->run, "b", 0, sleeper_b, w, NULL));
    drive(w);
    CU_ASSERT_EQUAL(w->n, 2);
    CU_ASSERT_EQUAL(w->trace[0], 2);
    CU_ASSERT_EQUAL(w->stats.wait_count[LG_WAIT_SLEEP], 2);
    CU_ASSERT(w->stats.wait_ns[LG_WAIT_SLEEP] >= 24 * LG_MS);
}

LG_TEST(test_fiber__sleep_and_accounting)
{
    both(sleeps);
}

static void
waiter_timeout(void *arg)
{
    struct world *w = arg;
    w->st = lg_waitq_wait(&w->q, LG_WAIT_LATCH, lg_run_now_ns(w->run) + 5 * LG_MS, false);
}

static void
times_out(struct world *w)
{
    LG_ASSERT_OK(lg_run_spawn(w->run, "w", 0, waiter_timeout, w, NULL));
    drive(w);
    CU_ASSERT_EQUAL(w->st, LG_TIMEOUT);
    CU_ASSERT(lg_waitq_empty(&w->q));
}

LG_TEST(test_waitq__times_out)
{
    both(times_out);
}

static void
waiter_cancelable(void *arg)
{
    struct world *w = arg;
    w->st = lg_waitq_wait(&w->q, LG_WAIT_LATCH, LG_FOREVER, true);
    note(w, 1);
    (void)!lg_waitq_wait(&w->q, LG_WAIT_LATCH, LG_FOREVER, false);
    note(w, 2);
    CU_ASSERT(lg_fiber_should_yield()); /* a long computation is told of it at once */
    CU_ASSERT_EQUAL(lg_fiber_canceled(lg_fiber_self()), LG_CANCELED);
}

static void
canceler(void *arg)
{
    struct world *w = arg;
    while (lg_waitq_empty(&w->q))
        lg_fiber_yield();
    lg_time since;
    CU_ASSERT_EQUAL(lg_fiber_waiting_for(w->fiber, &since), LG_WAIT_LATCH);
    lg_fiber_cancel(w->fiber, LG_CANCELED);
    while (w->n == 0)
        lg_fiber_yield();
    lg_fiber_cancel(w->fiber, LG_CANCELED); /* not cancelable now: stays pending */
    lg_fiber_yield();
    CU_ASSERT_EQUAL(w->n, 1);
    while (!lg_waitq_wake_one(&w->q))
        lg_fiber_yield();
}

static void
cancels(struct world *w)
{
    LG_ASSERT_OK(lg_run_spawn(w->run, "w", 0, waiter_cancelable, w, &w->fiber));
    LG_ASSERT_OK(lg_run_spawn(w->run, "c", 0, canceler, w, NULL));
    drive(w);
    CU_ASSERT_EQUAL(w->st, LG_CANCELED);
    CU_ASSERT_EQUAL(w->n, 2);
}

LG_TEST(test_waitq__cancel_only_when_cancelable)
{
    both(cancels);
}

static void
park_once(void *arg)
{
    struct world *w = arg;
    lg_fiber_unpark(lg_fiber_self());
    w->st = lg_fiber_park(LG_WAIT_NONE, LG_FOREVER, false);
    note(w, 1);
}

static void
early_unpark(struct world *w)
{
    LG_ASSERT_OK(lg_run_spawn(w->run, "w", 0, park_once, w, NULL));
    drive(w);
    CU_ASSERT_EQUAL(w->n, 1);
}

LG_TEST(test_fiber__unpark_before_park_is_kept)
{
    both(early_unpark);
}

/* Counter protected by the latch only: an S holder must never see an X holder at work. */
static void
latch_user(void *arg)
{
    struct world *w = arg;
    for (int i = 0; i < 20; i++) {
        bool x = lg_run_random(w->run) % 3 == 0;
        lg_latch_acquire(&w->latch, x ? LG_LATCH_X : LG_LATCH_S, LG_WAIT_LATCH);
        CU_ASSERT_EQUAL(lg_fiber_latches_held(), 1);
        CU_ASSERT_EQUAL(w->count % 2, 0);
        if (x)
            w->count++;
        lg_fiber_yield();
        if (x)
            w->count++;
        lg_latch_release(&w->latch, x ? LG_LATCH_X : LG_LATCH_S);
        CU_ASSERT_EQUAL(lg_fiber_latches_held(), 0);
    }
    note(w, 1);
}

static void
latches(struct world *w)
{
    for (int i = 0; i < 10; i++)
        LG_ASSERT_OK(lg_run_spawn(w->run, "l", 0, latch_user, w, NULL));
    drive(w);
    CU_ASSERT_EQUAL(w->n, 10);
    CU_ASSERT(lg_latch_idle(&w->latch));
}

LG_TEST(test_latch__excludes)
{
    both(latches);
}

static void
s_then_note(void *arg)
{
    struct world *w = arg;
    lg_latch_acquire(&w->latch, LG_LATCH_S, LG_WAIT_LATCH);
    note(w, 1);
    lg_latch_release(&w->latch, LG_LATCH_S);
}

static void
x_then_note(void *arg)
{
    struct world *w = arg;
    lg_latch_acquire(&w->latch, LG_LATCH_X, LG_WAIT_LATCH);
    note(w, 2);
    lg_latch_release(&w->latch, LG_LATCH_X);
}

static void
fair_main(void *arg)
{
    struct world *w = arg;
    lg_latch_acquire(&w->latch, LG_LATCH_S, LG_WAIT_LATCH);
    LG_ASSERT_OK(lg_run_spawn(w->run, "x", 0, x_then_note, w, NULL));
    while (lg_waitq_empty(&w->latch.q))
        lg_fiber_yield();
    LG_ASSERT_OK(lg_run_spawn(w->run, "s", 0, s_then_note, w, NULL));
    for (int i = 0; i < 50; i++)
        lg_fiber_yield();
    CU_ASSERT_EQUAL(w->n, 0); /* the waiting X blocks the later S */
    lg_latch_release(&w->latch, LG_LATCH_S);
}

static void
fairness(struct world *w)
{
    LG_ASSERT_OK(lg_run_spawn(w->run, "m", 0, fair_main, w, NULL));
    drive(w);
    CU_ASSERT_EQUAL(w->n, 2);
    CU_ASSERT_EQUAL(w->trace[0], 2);
}

LG_TEST(test_latch__waiting_x_blocks_later_s)
{
    both(fairness);
}

static void
native_fn(void *arg)
{
    struct world *w = arg;
    char big[1 << 20]; /* more than a fiber's stack */
    memset(big, 1, sizeof big);
    CU_ASSERT_PTR_NULL(lg_fiber_self());
    note(w, big[500]);
}

static void
blocking_fn(void *arg)
{
    struct world *w = arg;
    CU_ASSERT_PTR_NULL(lg_heap_current());
    w->count++;
}

static void
excursions(void *arg)
{
    struct world *w = arg;
    lg_run_on_native_stack(w->run, native_fn, w);
    CU_ASSERT_PTR_NOT_NULL(lg_fiber_self());
    for (int i = 0; i < 5; i++)
        lg_run_offload(w->run, blocking_fn, w);
    note(w, 2);
}

static void
native_and_offload(struct world *w)
{
    LG_ASSERT_OK(lg_run_spawn(w->run, "e", 0, excursions, w, NULL));
    drive(w);
    CU_ASSERT_EQUAL(w->n, 2);
    CU_ASSERT_EQUAL(w->count, 5);
}

LG_TEST(test_fiber__native_stack_and_offload)
{
    both(native_and_offload);
}

/* A sleeping worker has armed for a far timer; a nearer one, started by a post, must not wait for it. */
struct nearer {
    lg_run *run;
    lg_timer far, near;
    lg_time far_at, fired_at;
    int rounds;
};

static void
near_start(void *arg)
{
    struct nearer *n = arg;
    lg_timer_start(&n->near, lg_run_now_exact_ns(n->run) + LG_MS);
}

static void *
near_poster(void *arg)
{
    struct nearer *n = arg;
    usleep(20000);
    lg_run_post(n->run, near_start, n);
    return NULL;
}

static void
near_fired(void *arg)
{
    struct nearer *n = arg;
    n->fired_at = lg_run_now_exact_ns(n->run);
    if (++n->rounds < 3)
        lg_timer_start(&n->near, n->fired_at + LG_MS);
    else
        lg_run_stop(n->run);
}

LG_TEST(test_fiber__a_nearer_timer_wakes_a_worker_armed_for_a_far_one)
{
    struct world w = {0};
    struct nearer n = {0};
    pthread_t poster;
    lg_run_config cfg = {.name = "near", .stats = &w.stats};
    LG_ASSERT_OK(lg_run_create(&cfg, &n.run));
    lg_timer_init(&n.far, n.run, stop_arg, n.run);
    lg_timer_init(&n.near, n.run, near_fired, &n);
    n.far_at = lg_run_now_exact_ns(n.run) + 20 * LG_SEC;
    lg_timer_start(&n.far, n.far_at);
    CU_ASSERT_EQUAL(pthread_create(&poster, NULL, near_poster, &n), 0);
    LG_ASSERT_OK(lg_run_loop(n.run));
    pthread_join(poster, NULL);
    lg_timer_stop(&n.far);
    lg_run_destroy(n.run);
    CU_ASSERT_EQUAL(n.rounds, 3);
    CU_ASSERT(n.fired_at < n.far_at);
}

static void
helper_nice(void *arg)
{
    struct world *w = arg;
    note(w, getpriority(PRIO_PROCESS, 0));
}

static uint64_t
slice_ns(void)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attr = {.size = sizeof attr};
    return syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0) == 0 ? attr.runtime : 0;
}

static void
helper_slice(void *arg)
{
    *(uint64_t *)arg = slice_ns();
}

/* Before Linux 6.12 there is none of its own: both are what they were. */
static void
nice_of_both(void *arg)
{
    struct world *w = arg;
    uint64_t helper = 0, before = w->slice;
    note(w, getpriority(PRIO_PROCESS, 0));
    CU_ASSERT(slice_ns() == before || slice_ns() == 100000);
    lg_run_offload(w->run, helper_nice, w);
    lg_run_offload(w->run, helper_slice, &helper);
    CU_ASSERT_EQUAL(helper, before);
    lg_run_stop(w->run);
}

/* As far as the system lets this process: at worst nothing changes. */
LG_TEST(test_fiber__a_worker_with_priority_has_helpers_without)
{
    struct world w = {.slice = slice_ns()};
    int before = getpriority(PRIO_PROCESS, 0);
    lg_run_config cfg = {.name = "nice", .stats = &w.stats};
    LG_ASSERT_OK(lg_run_create(&cfg, &w.run));
    int now = lg_run_prioritize(w.run, -3);
    CU_ASSERT(now <= before && now >= before - 3);
    LG_ASSERT_OK(lg_run_spawn(w.run, "nice", 0, nice_of_both, &w, NULL));
    LG_ASSERT_OK(lg_run_loop(w.run));
    lg_run_destroy(w.run);
    (void)setpriority(PRIO_PROCESS, 0, before);
    CU_ASSERT_EQUAL(w.n, 2);
    CU_ASSERT_EQUAL(w.trace[0], now);
    CU_ASSERT_EQUAL(w.trace[1], before);
}

static void
timer_note(void *arg)
{
    struct world *w = arg;
    w->count++;
}

static void
timers(struct world *w)
{
    lg_timer t[50];
    lg_time now = lg_run_now_ns(w->run);
    for (int i = 0; i < 50; i++) {
        lg_timer_init(&t[i], w->run, timer_note, w);
        lg_timer_start(&t[i], now + (lg_time)((i * 37) % 50) * LG_MS / 2);
    }
    for (int i = 0; i < 50; i += 2)
        lg_timer_stop(&t[i]);
    lg_timer_start(&t[1], now + LG_MS); /* restart */
    lg_timer_stop(&t[0]);
    drive(w);
    CU_ASSERT_EQUAL(w->count, 25);
}

LG_TEST(test_timer__start_stop_restart)
{
    both(timers);
}

static void
parked_for_ever(void *arg)
{
    struct world *w = arg;
    char *leak = lg_alloc(100);
    memset(leak, 0, 100);
    w->count++;
    (void)!lg_waitq_wait(&w->q, LG_WAIT_LATCH, LG_FOREVER, true);
    note(w, 1);
}

static void
discard(struct world *w)
{
    for (int i = 0; i < 5; i++)
        LG_ASSERT_OK(lg_run_spawn(w->run, "p", 0, parked_for_ever, w, NULL));
    drive(w);
    CU_ASSERT_EQUAL(w->count, 5);
}

LG_TEST(test_run__destroy_discards_parked_fibers)
{
    both(discard);
}

/* ---- real only ---- */

struct poster {
    lg_run *run;
    _Atomic int posted;
    int ran;
};

static void
posted_fn(void *arg)
{
    struct poster *p = arg;
    if (++p->ran == 4000)
        lg_run_stop(p->run);
}

static void *
post_thread(void *arg)
{
    struct poster *p = arg;
    for (int i = 0; i < 2000; i++) {
        lg_run_post(p->run, posted_fn, p);
        if (i % 100 == 0)
            usleep(200);
    }
    return NULL;
}

LG_TEST(test_run__posts_from_threads_all_arrive)
{
    struct poster p = {0};
    LG_ASSERT_OK(lg_run_create(&(lg_run_config){.name = "t"}, &p.run));
    pthread_t t[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, post_thread, &p);
    LG_ASSERT_OK(lg_run_loop(p.run));
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    CU_ASSERT_EQUAL(p.ran, 4000);
    lg_run_destroy(p.run);
}

struct piped {
    lg_run *run;
    int fd[2];
    int fired;
    lg_status st;
    lg_fd_watch *watch;
};

static void
pipe_readable(void *arg)
{
    struct piped *p = arg;
    p->fired++;
    char c;
    CU_ASSERT_EQUAL(read(p->fd[0], &c, 1), 1); /* one of two: must fire again */
    if (p->fired == 2) {
        lg_run_unwatch_fd(p->watch);
        lg_run_stop(p->run);
    }
}

LG_TEST(test_run__watch_is_level_triggered)
{
    struct piped p = {0};
    LG_ASSERT_OK(lg_run_create(&(lg_run_config){.name = "t"}, &p.run));
    CU_ASSERT_EQUAL_FATAL(pipe(p.fd), 0);
    LG_ASSERT_OK(lg_run_watch_fd(p.run, p.fd[0], pipe_readable, &p, &p.watch));
    CU_ASSERT_EQUAL(write(p.fd[1], "ab", 2), 2);
    LG_ASSERT_OK(lg_run_loop(p.run));
    CU_ASSERT_EQUAL(p.fired, 2);
    lg_run_destroy(p.run);
    close(p.fd[0]);
    close(p.fd[1]);
}

static void
wait_fd_fiber(void *arg)
{
    struct piped *p = arg;
    p->st = lg_run_wait_fd(p->run, p->fd[0], 1 /* POLLIN */, LG_WAIT_CLIENT_MESSAGE,
                           lg_run_now_ns(p->run) + 5 * LG_MS);
    CU_ASSERT_EQUAL(write(p->fd[1], "a", 1), 1);
    p->fired = lg_run_wait_fd(p->run, p->fd[0], 1, LG_WAIT_CLIENT_MESSAGE, LG_FOREVER) == LG_OK;
    lg_run_stop(p->run);
}

LG_TEST(test_run__wait_fd_times_out_then_fires)
{
    struct piped p = {0};
    LG_ASSERT_OK(lg_run_create(&(lg_run_config){.name = "t"}, &p.run));
    CU_ASSERT_EQUAL_FATAL(pipe(p.fd), 0);
    LG_ASSERT_OK(lg_run_spawn(p.run, "w", 0, wait_fd_fiber, &p, NULL));
    LG_ASSERT_OK(lg_run_loop(p.run));
    CU_ASSERT_EQUAL(p.st, LG_TIMEOUT);
    CU_ASSERT_EQUAL(p.fired, 1);
    lg_run_destroy(p.run);
    close(p.fd[0]);
    close(p.fd[1]);
}

struct stuck {
    lg_ring_op op;
    struct world *w;
};

static void
stuck_done(lg_ring_op *op, int res)
{
    struct world *w = LG_CONTAINER_OF(op, struct stuck, op)->w;
    w->count = 1;
    w->st = res == 0 ? LG_OK : LG_IO;
    lg_run_stop(w->run);
}

static void
stuck_main(void *arg)
{
    struct stuck *k = arg;
    struct io_uring *ring = lg_run_ring(k->w->run);
    __atomic_fetch_or(ring->sq.kflags, IORING_SQ_TASKRUN, __ATOMIC_SEQ_CST);
    io_uring_prep_nop(lg_run_sqe(k->w->run, &k->op));
}

/* The kernel may leave its TASKRUN flag up with nothing behind it: what is prepared is submitted all
 * the same. */
LG_TEST(test_run__stale_taskrun_flag)
{
    struct world w = {.st = LG_TIMEOUT};
    struct stuck k = {{stuck_done}, &w};
    LG_ASSERT_OK(lg_run_create(&(lg_run_config){.name = "t"}, &w.run));
    LG_ASSERT_OK(lg_run_spawn(w.run, "stuck", 0, stuck_main, &k, NULL));
    lg_timer t;
    lg_timer_init(&t, w.run, stop_arg, w.run);
    lg_timer_start(&t, lg_run_now_ns(w.run) + 5 * LG_SEC);
    LG_ASSERT_OK(lg_run_loop(w.run));
    lg_timer_stop(&t);
    CU_ASSERT_EQUAL(w.count, 1);
    CU_ASSERT_EQUAL(w.st, LG_OK);
    lg_run_destroy(w.run);
}
