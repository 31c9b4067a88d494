/* What the files of core/run share.
 *
 * OWNERSHIP  An lg_run and its fibers are allocated outside any instance heap, so that destroying a
 * run and then its heap (a simulated kill) leaves nothing dangling.
 *
 * LOCKS  None but two: the post stack (atomic) and the offload pool's mutex, both for foreign
 * threads.
 */
#ifndef LG_RUN_RUN_INTERNAL_H
#define LG_RUN_RUN_INTERNAL_H

#include "wait_hist.h"
#include "run.h"
#include "waitq.h"
#include <stdatomic.h>

#define LG_FIBER_MAX_LATCHES 32

enum lg_fiber_state { LG_FIBER_READY, LG_FIBER_RUNNING, LG_FIBER_PARKED, LG_FIBER_DONE };

typedef struct lg_stack {
    lg_list link;
    char *base;  /* lowest address: the guard page */
    size_t size; /* with the guard page */
    bool clean;  /* in the pool, and its memory was given back */
} lg_stack;

struct lg_fiber {
    lg_list ready; /* in run->ready */
    lg_list all;   /* in run->fibers */
    lg_run *run;
    const char *name;
    lg_fiber_fn fn;
    void *arg;
    void *ctx; /* fcontext while switched out */
    lg_stack *stack;
    lg_heap *heap; /* current while it runs */
    lg_mem_meter meter;
    enum lg_fiber_state state;
    bool in_park;     /* READY on the way out of a park */
    bool token;       /* an unpark came before the park */
    bool cancelable;  /* the wait in progress is */
    lg_status result; /* of the wait in progress */
    lg_status cancel; /* pending; LG_OK: none */
    lg_wait event;
    lg_time since;
    lg_timer timer;
    void *owner;
    lg_stats *owner_stats;
    uint64_t stat_base[LG_STAT_OWNED]; /* the instance's counters as of when they were last given */
    unsigned latches;
    uint8_t latch_ranks[LG_FIBER_MAX_LATCHES];
    void *asan_fake_stack;
    void *tsan_fiber;
};

struct post {
    struct post *next;
    void (*fn)(void *arg);
    void *arg;
};

struct lg_real; /* run_real.c */

struct lg_run {
    const char *name;
    lg_sim *sim;
    uint32_t sim_node;
    lg_heap *heap;
    lg_budget *budget;
    lg_stats *stats;
    lg_faults *faults;
    uint64_t wait_hist[LG_WAIT_COUNT][LG_WAIT_BUCKETS];
    size_t stack_bytes;
    lg_time now;
    lg_time slice_start; /* 0: not asked yet in this slice */
    uint64_t random_state;
    _Atomic bool stopping;
    bool looping;

    lg_list ready;
    unsigned ready_count;
    lg_list fibers;
    lg_list free_stacks;
    unsigned free_stack_count;
    unsigned free_stack_low; /* least of it since stacks_checked */
    lg_time stacks_checked;

    /* the native side of a switch */
    void *native_ctx;
    const void *native_bottom;
    size_t native_size;
    void *native_fake_stack;
    void *native_tsan;
    void (*native_fn)(void *arg);
    void *native_arg;

    lg_timer **timers; /* binary heap by (deadline, order) */
    uint32_t timer_count;
    uint32_t timer_cap;
    uint64_t timer_order;

    _Atomic(struct post *) posts; /* newest first */
    lg_list destroy_hooks;
    struct lg_real *real;  /* NULL in simulation */
    unsigned team_members; /* compute threads now */
    int nice_by;           /* what the worker's nice value was lowered by */
    bool prompt;           /* the worker asked for a short slice */
    lg_list sim_link;      /* in the sim's list of runs */
};

/* run_fiber.c */
void lg_run__resume(lg_run *r, lg_fiber *f); /* on the native stack */
void lg_run__make_ready(lg_fiber *f);
void lg_run__fibers_discard(lg_run *r);
void lg_run__stacks_free(lg_run *r);
/* Once a second: stacks that lay unused all along give their memory back. */
void lg_run__stacks_trim(lg_run *r);
lg_fiber *lg_run__current_swap(lg_fiber *f); /* what lg_fiber_self says */

/* run_timer.c */
unsigned lg_run__timers_fire(lg_run *r); /* all due at r->now */
lg_time lg_run__timers_next(const lg_run *r);

/* run.c */
unsigned lg_run__posts_run(lg_run *r);
bool lg_run__posts_pending(lg_run *r);
lg_time lg_run__clock(lg_run *r);

/* run_real.c */
LG_MUST lg_status lg_run__real_init(lg_run *r, uint32_t spin_us);
void lg_run__real_fini(lg_run *r);
void lg_run__real_wake(lg_run *r);    /* from any thread */
void lg_run__helper_begin(lg_run *r); /* first thing in a helper thread */
void lg_run__real_offload(lg_run *r, void (*fn)(void *arg), void *arg);

/* A ring operation that a fiber waits for. lg_run__op_wait cancels it on a deadline or a cancel and
 * in any case returns only when the kernel is done with it. *ret_res is the cqe's result. */
typedef struct lg_fiber_op {
    lg_ring_op op;
    lg_fiber *fiber;
    int res;
    bool done;
} lg_fiber_op;

struct io_uring_sqe *lg_run__op_prepare(lg_run *r, lg_fiber_op *op);
lg_status lg_run__op_wait(lg_run *r, lg_fiber_op *op, lg_wait event, lg_time deadline,
                          bool cancelable, int *ret_res);
void lg_run__op_cancel(lg_run *r, lg_ring_op *op);

/* sim.c */
lg_time lg_sim__node_clock(lg_sim *s, uint32_t node);
void lg_sim__run_add(lg_sim *s, lg_run *r);
void lg_sim__run_remove(lg_sim *s, lg_run *r);

#endif
