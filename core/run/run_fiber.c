/* Fibers: contexts, stacks, park and unpark.
 *
 *   spawn      unpark, timeout, cancel
 *     |        +-------------------+
 *     v        v                   |
 *   READY -> RUNNING -- park --> PARKED
 *     ^        |  |
 *     +- yield-+  +-- returns --> DONE (freed by the native side)
 *
 * A switch always goes between the worker's native stack and a fiber, never fiber to fiber. The
 * context switch is Boost.Context's C ABI (boost/context/detail/fcontext.hpp, 1.74). Sanitizers are
 * told of each switch.
 */
#include "run_internal.h"
#include "assert.h"
#include "interrupt.h"
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define LG_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LG_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define LG_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LG_TSAN 1
#endif
#endif

#ifdef LG_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#ifdef LG_TSAN
#include <sanitizer/tsan_interface.h>
#endif

typedef struct transfer {
    void *ctx;
    void *data;
} transfer;
extern transfer jump_fcontext(void *to, void *data);
extern void *make_fcontext(void *stack_top, size_t size, void (*fn)(transfer));

#define GUARD_BYTES      4096
#define MAX_FREE_STACKS  256
#define TRIM_NS          LG_SEC
#define OUTERMOST_BYTES  16384
#define SLICE_NS         (2 * LG_MS)
#define SIM_YIELD_ONE_IN 8

static _Thread_local lg_fiber *current;

lg_fiber *
lg_fiber_self(void)
{
    return current;
}

lg_fiber *
lg_run__current_swap(lg_fiber *f)
{
    lg_fiber *old = current;
    current = f;
    return old;
}

/* ---- stacks ---- */

static lg_stack *
stack_map(size_t bytes)
{
    size_t size = ((bytes + 4095) & ~(size_t)4095) + GUARD_BYTES;
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    (void)madvise(p, size, MADV_NOHUGEPAGE); /* a page where one is touched, not two megabytes */
    if (mprotect(p, GUARD_BYTES, PROT_NONE) != 0) {
        munmap(p, size);
        return NULL;
    }
#ifdef LG_ASAN
    __asan_unpoison_memory_region(p + GUARD_BYTES, size - GUARD_BYTES);
    __lsan_register_root_region(p + GUARD_BYTES, size - GUARD_BYTES);
#endif
    lg_stack *s = lg_alloc(sizeof *s);
    lg_list_init(&s->link);
    s->base = p;
    s->size = size;
    return s;
}

static void
stack_unmap(lg_stack *s)
{
#ifdef LG_ASAN
    __asan_unpoison_memory_region(s->base + GUARD_BYTES, s->size - GUARD_BYTES);
    __lsan_unregister_root_region(s->base + GUARD_BYTES, s->size - GUARD_BYTES);
#endif
    munmap(s->base, s->size);
    lg_free(s);
}

/* The pool keeps stacks of the default size only. */
static lg_stack *
stack_take(lg_run *r, size_t bytes)
{
    if (bytes == 0 || bytes == r->stack_bytes) {
        lg_list *l = lg_list_pop_front(&r->free_stacks);
        if (l) {
            if (--r->free_stack_count < r->free_stack_low)
                r->free_stack_low = r->free_stack_count;
            return LG_CONTAINER_OF(l, lg_stack, link);
        }
        bytes = r->stack_bytes;
    }
    lg_heap *outer = lg_heap_switch(NULL);
    lg_stack *s = stack_map(bytes);
    (void)lg_heap_switch(outer);
    return s;
}

/* done: its fiber returned, and with it all frames but the outermost. */
static void
stack_give(lg_run *r, lg_stack *s, bool done)
{
    (void)done; /* used under sanitizers only */
    if (s->size - GUARD_BYTES == ((r->stack_bytes + 4095) & ~(size_t)4095) &&
        r->free_stack_count < MAX_FREE_STACKS) {
#ifdef LG_ASAN
        size_t used = done ? OUTERMOST_BYTES : s->size - GUARD_BYTES;
        __asan_unpoison_memory_region(s->base + s->size - used, used);
#endif
        s->clean = false;
        lg_list_push_front(&r->free_stacks, &s->link);
        r->free_stack_count++;
    } else {
        stack_unmap(s);
    }
}

/* The pool is a stack of stacks: the ones at its far end were not touched if it never went as low.
 */
void
lg_run__stacks_trim(lg_run *r)
{
    if (r->now < r->stacks_checked + TRIM_NS)
        return;
    r->stacks_checked = r->now;
    lg_list *at = r->free_stacks.prev;
    for (unsigned n = r->free_stack_low; n > 0 && at != &r->free_stacks; n--, at = at->prev) {
        lg_stack *s = LG_CONTAINER_OF(at, lg_stack, link);
        if (!s->clean)
            (void)madvise(s->base + GUARD_BYTES, s->size - GUARD_BYTES, MADV_DONTNEED);
        s->clean = true;
    }
    r->free_stack_low = r->free_stack_count;
}

void
lg_run__stacks_free(lg_run *r)
{
    lg_list *l;
    while ((l = lg_list_pop_front(&r->free_stacks)))
        stack_unmap(LG_CONTAINER_OF(l, lg_stack, link));
    r->free_stack_count = 0;
}

/* ---- switching ---- */

/* From a fiber to the native stack. Returns when the fiber is resumed. */
static void
switch_out(lg_fiber *f)
{
    lg_run *r = f->run;
#ifdef LG_ASAN
    __sanitizer_start_switch_fiber(f->state == LG_FIBER_DONE ? NULL : &f->asan_fake_stack,
                                   r->native_bottom, r->native_size);
#endif
#ifdef LG_TSAN
    __tsan_switch_to_fiber(r->native_tsan, 0);
#endif
    transfer t = jump_fcontext(r->native_ctx, NULL);
#ifdef LG_ASAN
    __sanitizer_finish_switch_fiber(f->asan_fake_stack, &r->native_bottom, &r->native_size);
#endif
    r->native_ctx = t.ctx;
}

static void
switch_in(lg_run *r, lg_fiber *f)
{
    (void)r; /* used under sanitizers only */
#ifdef LG_ASAN
    __sanitizer_start_switch_fiber(&r->native_fake_stack, f->stack->base + GUARD_BYTES,
                                   f->stack->size - GUARD_BYTES);
#endif
#ifdef LG_TSAN
    r->native_tsan = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(f->tsan_fiber, 0);
#endif
    transfer t = jump_fcontext(f->ctx, f);
#ifdef LG_ASAN
    __sanitizer_finish_switch_fiber(r->native_fake_stack, NULL, NULL);
#endif
    f->ctx = t.ctx;
}

static void
fiber_main(transfer t)
{
    lg_fiber *f = t.data;
    lg_run *r = f->run;
#ifdef LG_ASAN
    __sanitizer_finish_switch_fiber(NULL, &r->native_bottom, &r->native_size);
#endif
    r->native_ctx = t.ctx;
    f->fn(f->arg);
    LG_ASSERT(f->latches == 0);
    f->state = LG_FIBER_DONE;
    switch_out(f);
    LG_UNREACHABLE();
}

static void
fiber_free(lg_fiber *f)
{
    lg_run *r = f->run;
    lg_timer_stop(&f->timer);
    lg_list_remove(&f->all);
    lg_list_remove(&f->ready);
#ifdef LG_TSAN
    __tsan_destroy_fiber(f->tsan_fiber);
#endif
    stack_give(r, f->stack, f->state == LG_FIBER_DONE);
    lg_free(f);
}

/* lg_poll: true when the running fiber is to give up. A latch holder must not be switched out. */
static bool
poll_current(void)
{
    lg_fiber *f = current;
    if (!f || f->latches)
        return false;
    if (lg_fiber_should_yield())
        lg_fiber_yield();
    return f->cancel != LG_OK;
}

/* ---- what a fiber's work did to the counters ---- */

static void
stats_base(lg_run *r, lg_fiber *f)
{
    if (f->owner_stats && r->stats)
        memcpy(f->stat_base, r->stats->count + LG_STAT_OWNED_FIRST, sizeof f->stat_base);
}

static void
stats_give(lg_run *r, lg_fiber *f)
{
    if (!f->owner_stats || !r->stats)
        return;
    const uint64_t *now = r->stats->count + LG_STAT_OWNED_FIRST;
    uint64_t *own = f->owner_stats->count + LG_STAT_OWNED_FIRST;
    for (unsigned i = 0; i < LG_STAT_OWNED; i++) {
        own[i] += now[i] - f->stat_base[i];
        f->stat_base[i] = now[i];
    }
}

void
lg_fiber_stats(void)
{
    if (current)
        stats_give(current->run, current);
}

void
lg_run__resume(lg_run *r, lg_fiber *f)
{
    lg_poll_install(poll_current);
    LG_ASSERT(f->state == LG_FIBER_READY);
    lg_list_remove(&f->ready);
    r->ready_count--;
    f->state = LG_FIBER_RUNNING;
    r->slice_start = 0;
    lg_fiber *outer = lg_run__current_swap(f);
    lg_heap *outer_heap = lg_heap_switch(f->heap);
    lg_mem_meter *outer_meter = lg_mem_meter_switch(&f->meter);
    stats_base(r, f);
    switch_in(r, f);
    while (r->native_fn) { /* lg_run_on_native_stack */
        void (*fn)(void *) = r->native_fn;
        r->native_fn = NULL;
        current = NULL;
        fn(r->native_arg);
        current = f;
        switch_in(r, f);
    }
    f->heap = lg_heap_switch(outer_heap);
    (void)lg_mem_meter_switch(outer_meter);
    stats_give(r, f);
    (void)lg_run__current_swap(outer);
    if (f->state == LG_FIBER_DONE)
        fiber_free(f);
}

void
lg_run__fibers_discard(lg_run *r)
{
    while (!lg_list_empty(&r->fibers)) {
        lg_fiber *f = LG_CONTAINER_OF(r->fibers.next, lg_fiber, all);
        LG_ASSERT(f->state != LG_FIBER_RUNNING);
        fiber_free(f);
    }
    r->ready_count = 0;
}

void
lg_run_on_native_stack(lg_run *r, void (*fn)(void *arg), void *arg)
{
    lg_fiber *f = current;
    if (!f) {
        fn(arg);
        return;
    }
    LG_ASSERT(f->run == r);
    r->native_arg = arg;
    r->native_fn = fn;
    switch_out(f);
}

/* ---- spawn, yield, park ---- */

void
lg_run__make_ready(lg_fiber *f)
{
    f->state = LG_FIBER_READY;
    lg_list_push_back(&f->run->ready, &f->ready);
    f->run->ready_count++;
}

static void
park_timeout(void *arg)
{
    lg_fiber *f = arg;
    if (f->state == LG_FIBER_PARKED) {
        f->result = LG_TIMEOUT;
        lg_run__make_ready(f);
    }
}

lg_status
lg_run_spawn(lg_run *r, const char *name, size_t stack_bytes, lg_fiber_fn fn, void *arg,
             lg_fiber **ret_fiber)
{
    lg_stack *stack = stack_take(r, stack_bytes);
    if (!stack)
        return LG_NO_MEMORY;
    lg_heap *outer = lg_heap_switch(NULL);
    lg_fiber *f = lg_zalloc(sizeof *f);
    (void)lg_heap_switch(outer);
    f->run = r;
    f->name = name;
    f->fn = fn;
    f->arg = arg;
    f->stack = stack;
    f->heap = r->heap;
    f->meter.budget = r->budget;
    lg_list_init(&f->ready);
    lg_list_push_back(&r->fibers, &f->all);
    lg_timer_init(&f->timer, r, park_timeout, f);
    f->ctx = make_fcontext(stack->base + stack->size, stack->size - GUARD_BYTES, fiber_main);
#ifdef LG_TSAN
    f->tsan_fiber = __tsan_create_fiber(0);
#endif
    lg_run__make_ready(f);
    if (ret_fiber)
        *ret_fiber = f;
    return LG_OK;
}

void
lg_fiber_yield(void)
{
    lg_fiber *f = current;
    LG_ASSERT(f);
    lg_run__make_ready(f);
    switch_out(f);
}

bool
lg_fiber_should_yield(void)
{
    lg_fiber *f = current;
    if (!f)
        return false;
    if (f->cancel != LG_OK) /* who waits for a disk at each step never uses up a slice */
        return true;
    lg_run *r = f->run;
    if (r->sim)
        return lg_run_random(r) % SIM_YIELD_ONE_IN == 0;
    lg_time now = lg_run__clock(r);
    if (r->slice_start == 0)
        r->slice_start = now;
    return now - r->slice_start >= SLICE_NS;
}

uint64_t
lg_run_wait_bucket(const lg_run *r, lg_wait event, uint32_t bucket)
{
    return r->wait_hist[event][bucket];
}

static void
account_wait(lg_fiber *f, lg_wait event)
{
    if (event == LG_WAIT_NONE)
        return;
    lg_time ns = lg_run__clock(f->run) - f->since;
    uint64_t us = ns / 1000;
    uint32_t b = us ? 64u - (uint32_t)__builtin_clzll(us) : 0;
    f->run->wait_hist[event][b < LG_WAIT_BUCKETS ? b : LG_WAIT_BUCKETS - 1]++;
    lg_stats_wait(f->run->stats, event, ns);
    lg_stats_wait(f->owner_stats, event, ns);
}

static lg_status
take_cancel(lg_fiber *f)
{
    lg_status st = f->cancel;
    f->cancel = LG_OK;
    return st;
}

lg_status
lg_fiber_park(lg_wait event, lg_time deadline, bool cancelable)
{
    lg_fiber *f = current;
    LG_ASSERT(f && f->state == LG_FIBER_RUNNING);
    if (f->token) {
        f->token = false;
        return LG_OK;
    }
    if (cancelable && f->cancel != LG_OK)
        return take_cancel(f);
    if (deadline <= f->run->now)
        return LG_TIMEOUT;
    f->event = event;
    f->since = lg_run__clock(f->run);
    f->cancelable = cancelable;
    f->result = LG_OK;
    f->in_park = true;
    f->state = LG_FIBER_PARKED;
    if (deadline != LG_FOREVER)
        lg_timer_start(&f->timer, deadline);
    switch_out(f);
    lg_timer_stop(&f->timer);
    f->in_park = false;
    f->event = LG_WAIT_NONE;
    f->cancelable = false;
    account_wait(f, event);
    return f->result;
}

void
lg_fiber_unpark(lg_fiber *f)
{
    if (f->state == LG_FIBER_PARKED) {
        f->result = LG_OK;
        lg_run__make_ready(f);
    } else if (f->in_park && f->result == LG_TIMEOUT) {
        f->result = LG_OK; /* woken and timed out in one round: woken wins */
    } else if (!f->in_park) {
        f->token = true;
    }
}

void
lg_fiber_cancel(lg_fiber *f, lg_status why)
{
    LG_ASSERT(why < 0);
    f->cancel = why;
    if (f->state == LG_FIBER_PARKED && f->cancelable) {
        f->result = take_cancel(f);
        lg_run__make_ready(f);
    }
}

bool
lg_fiber_cancel_pending(void)
{
    return current && current->cancel != LG_OK;
}

lg_status
lg_fiber_canceled(lg_fiber *f)
{
    return take_cancel(f);
}

lg_status
lg_fiber_sleep_until(lg_time deadline, lg_wait event)
{
    for (;;) {
        lg_status st = lg_fiber_park(event, deadline, true);
        if (st == LG_TIMEOUT)
            return LG_OK;
        if (st != LG_OK)
            return st;
    }
}

/* ---- accessors ---- */

lg_run *
lg_fiber_run(const lg_fiber *f)
{
    return f->run;
}

const char *
lg_fiber_name(const lg_fiber *f)
{
    return f->name;
}

lg_wait
lg_fiber_waiting_for(const lg_fiber *f, lg_time *ret_since)
{
    if (ret_since)
        *ret_since = f->since;
    return f->event;
}

void
lg_fiber_set_owner(lg_fiber *f, void *owner, lg_stats *stats)
{
    if (f == current)
        stats_give(f->run, f);
    f->owner = owner;
    f->owner_stats = stats;
    stats_base(f->run, f);
}

lg_mem_meter *
lg_fiber_meter(lg_fiber *f)
{
    return &f->meter;
}

void *
lg_fiber_owner(const lg_fiber *f)
{
    return f->owner;
}

unsigned
lg_fiber_latches_held(void)
{
    return current ? current->latches : 0;
}
