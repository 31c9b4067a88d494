/* Run: fibers on a worker, timers, clock, random, waiting. Real and simulated.
 *
 * MODEL
 * An lg_run is one worker: one thread, its run queue, its io_uring, its pollers. An instance has
 * one worker (docs/decisions/0001): everything an instance owns is touched by its worker only, so
 * between two yields a fiber runs alone and needs no mutex. What can yield says so ("blocks the
 * fiber"). Other threads reach a worker through lg_run_post only.
 *
 * The simulated worker (config.sim set) has the same interface; an lg_sim steps many of them,
 * single-threaded, from one seed: virtual time, seeded random, seeded choice among runnable fibers.
 *
 * LIFE OF A FIBER
 *     spawn -> READY -> RUNNING -> (park -> PARKED -> unpark -> READY)* -> returns -> gone
 * Stacks are pooled, with a guard page; the memory of those that a second had no use for is given
 * back. A fiber that returns is freed; join is done with a waitq.
 *
 * WAITING  All waits go through lg_fiber_park or what is built on it (waitq, latch, sleep), are
 * charged to a wait event, and take a deadline (absolute lg_run_now_ns, LG_FOREVER for none).
 * A wait marked cancelable returns the status given to lg_fiber_cancel.
 */
#ifndef LG_RUN_RUN_H
#define LG_RUN_RUN_H

#include "fault.h"
#include "list.h"
#include "log.h"
#include "mem.h"
#include "stats.h"
#include "status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lg_run lg_run;
typedef struct lg_fiber lg_fiber;
typedef struct lg_sim lg_sim;
typedef uint64_t lg_time; /* nanoseconds, monotonic, of one run's clock */

#define LG_FOREVER UINT64_MAX
#define LG_MS      1000000ULL
#define LG_SEC     1000000000ULL

typedef struct lg_run_config {
    const char *name;
    lg_sim *sim;          /* NULL: real */
    uint32_t sim_node;    /* which simulated node (clock, disks, network identity) */
    lg_heap *heap;        /* made current while its fibers run; may be NULL */
    lg_budget *budget;    /* of what its fibers allocate outside heaps (mem.h); may be NULL */
    lg_stats *stats;      /* waits and counters of the instance; may be NULL */
    lg_faults *faults;    /* may be NULL */
    uint32_t stack_bytes; /* default of a fiber's stack; 0 = 2 MiB */
    uint32_t spin_us;     /* an idle worker may spin this long before it sleeps; 0: never */
} lg_run_config;

LG_MUST lg_status lg_run_create(const lg_run_config *cfg, lg_run **ret_run);
void lg_run_destroy(lg_run *r); /* no fiber runs any more; parked ones are discarded */

/* Called by lg_run_destroy, newest first, before anything is freed, with the run's heap current:
 * how the simulated world (disks, networks, sockets) learns that a node was killed. */
typedef struct lg_run_hook {
    void (*fn)(void *arg);
    void *arg;
    lg_list link;
} lg_run_hook;
void lg_run_on_destroy(lg_run *r, lg_run_hook *h);
void lg_run_hook_remove(lg_run_hook *h);

/* Before the loop, by the thread that will run it: adds `by` (below 0: more of the processors) to that
 * thread's nice value, as far as the system allows it to this process, and asks that it runs soon after it
 * wakes (run_priority.c). Helper threads keep what was there before; a thread that the worker makes
 * itself inherits. Returns the nice value that the worker has now. */
int lg_run_prioritize(lg_run *r, int by);
/* Real: runs fibers on the calling thread until lg_run_stop. Simulated: not called (lg_sim steps).
 */
lg_status lg_run_loop(lg_run *r);
void lg_run_stop(lg_run *r);

lg_time lg_run_now_ns(const lg_run *r); /* cached per loop round; monotonic */
lg_time lg_run_now_exact_ns(lg_run *r); /* reads the clock: for leases and measuring */
uint64_t lg_run_wall_us(lg_run *r);     /* microseconds since 1970, for SQL now() and logs only */
uint64_t lg_run_random(lg_run *r);      /* seeded in simulation, else from the system */
void lg_run_random_bytes(lg_run *r, void *buf, size_t n); /* fit for keys when real */
lg_stats *lg_run_stats(lg_run *r);
lg_budget *lg_run_budget(lg_run *r); /* NULL: none */
lg_faults *lg_run_faults(lg_run *r);
/* Hooks that pause and delay fibers of this run; the caller may add kill before setting them. */
void lg_run_fault_hooks(lg_run *r, lg_fault_hooks *ret_hooks);
lg_sim *lg_run_sim(lg_run *r); /* NULL when real */
uint32_t lg_run_sim_node(const lg_run *r);

/* ---- fibers ---- */

typedef void (*lg_fiber_fn)(void *arg);

/* Starts a fiber on r. name: a literal. stack_bytes 0 = default. ret_fiber may be NULL. */
LG_MUST lg_status lg_run_spawn(lg_run *r, const char *name, size_t stack_bytes, lg_fiber_fn fn,
                               void *arg, lg_fiber **ret_fiber);
lg_fiber *lg_fiber_self(void); /* NULL on a worker's native stack */
lg_run *lg_fiber_run(const lg_fiber *f);
const char *lg_fiber_name(const lg_fiber *f);
void lg_fiber_yield(void); /* to the back of the run queue */
/* True when the time slice (2 ms) is used up or a cancel is pending: yield, then look for one. */
bool lg_fiber_should_yield(void);
lg_wait lg_fiber_waiting_for(const lg_fiber *f, lg_time *ret_since); /* LG_WAIT_NONE: running */
/* A pointer the owner of the fiber hangs on it (a session); its stats get the waits too, and what the
 * instance's counters of blocks, redo and undo moved while it ran. */
void lg_fiber_set_owner(lg_fiber *f, void *owner, lg_stats *stats);
/* Brings the owner's counters up to now: of the running fiber. */
void lg_fiber_stats(void);
void *lg_fiber_owner(const lg_fiber *f);
/* What the fiber has allocated and freed; counts when the run has a budget. */
lg_mem_meter *lg_fiber_meter(lg_fiber *f);
/* Bytes of memory that this process may have: the machine's, or less by its control group or
 * limits. */
uint64_t lg_run_memory_bytes(void);

/* Parks the running fiber until lg_fiber_unpark, the deadline (LG_TIMEOUT) or, when cancelable, a
 * cancel. An unpark that came before the park makes the park return at once. */
LG_MUST lg_status lg_fiber_park(lg_wait event, lg_time deadline, bool cancelable);
void lg_fiber_unpark(lg_fiber *f); /* same worker only */
/* Makes the current or the next cancelable wait return `why` (< 0), once. */
void lg_fiber_cancel(lg_fiber *f, lg_status why);
bool lg_fiber_cancel_pending(void);       /* of the running fiber; not taken. Cheap. */
lg_status lg_fiber_canceled(lg_fiber *f); /* takes a pending cancel: LG_OK when there is none */
LG_MUST lg_status lg_fiber_sleep_until(lg_time deadline, lg_wait event); /* LG_OK or the cancel */

/* Latch-rank checking (debug): the number of latches the running fiber holds. */
unsigned lg_fiber_latches_held(void);

/* Runs fn on the worker's own stack, not yielding (libpg_query). */
void lg_run_on_native_stack(lg_run *r, void (*fn)(void *arg), void *arg);
/* Programs whose main thread is a worker call this first: its stack may grow to 64 MiB, which the
 * parser's depth bound counts on. LG_SYSTEM: the hard limit is lower. */
LG_MUST lg_status lg_run_native_stack_raise(void);
/* Runs fn on a helper thread; blocks the fiber. fn must not touch the instance's state. In
 * simulation it runs in place. */
void lg_run_offload(lg_run *r, void (*fn)(void *arg), void *arg);
/* From any thread: fn(arg) will run on the worker's native stack. */
void lg_run_post(lg_run *r, void (*fn)(void *arg), void *arg);

/* ---- timers: callbacks on the native stack; must not block ---- */

typedef struct lg_timer {
    lg_time deadline;
    void (*fn)(void *arg);
    void *arg;
    lg_run *run;
    uint32_t slot; /* heap position + 1; 0 = not armed */
    uint64_t order;
} lg_timer;

void lg_timer_init(lg_timer *t, lg_run *r, void (*fn)(void *arg), void *arg);
void lg_timer_start(lg_timer *t, lg_time deadline); /* restarts when armed */
void lg_timer_stop(lg_timer *t);

/* ---- pollers and descriptors (real workers only) ---- */

typedef struct lg_poller {
    unsigned (*poll)(void *arg); /* called each loop round; returns how much it did */
    /* Called right before the worker sleeps: makes sure the poller's descriptor will wake it.
     * False: there is work, poll again instead of sleeping. NULL: always ready to sleep. */
    bool (*arm)(void *arg);
    void *arg;
    lg_list link;
} lg_poller;

void lg_run_poller_add(lg_run *r, lg_poller *p);
void lg_run_poller_remove(lg_run *r, lg_poller *p);

/* A descriptor that wakes the worker when readable: fn runs on the native stack (fn may be NULL:
 * the pollers then do the work). Level-triggered: fires again while readable. */
typedef struct lg_fd_watch lg_fd_watch;
LG_MUST lg_status lg_run_watch_fd(lg_run *r, int fd, void (*fn)(void *arg), void *arg,
                                  lg_fd_watch **ret_watch);
void lg_run_unwatch_fd(lg_fd_watch *w);
/* Blocks the fiber until poll(2) events are ready on fd. */
LG_MUST lg_status lg_run_wait_fd(lg_run *r, int fd, short poll_events, lg_wait event,
                                 lg_time deadline);

/* The worker's ring, for storage/io (NULL in simulation): get an sqe, prepare it; op->fn is called
 * on the native stack with the cqe's res; submission is batched per loop round. user_data is
 * already set (io_uring_prep_x leaves it alone from liburing 2.1 on). */
typedef struct lg_ring_op {
    void (*fn)(struct lg_ring_op *op, int res);
} lg_ring_op;
struct io_uring;
struct io_uring_sqe;
struct io_uring *lg_run_ring(lg_run *r);
struct io_uring_sqe *lg_run_sqe(lg_run *r, lg_ring_op *op); /* never NULL: submits when full */

#endif
