/* Creation, clock, random, posts: what real and simulated workers share. */
#include "run_internal.h"
#include "assert.h"
#include "sim.h"
#include "hash.h"
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_STACK_BYTES (2048 * 1024) /* of address space: only what is touched is memory */
#define NATIVE_STACK_BYTES  (64ul << 20)
#define SIM_EPOCH_US        1767225600000000ULL /* 2026-01-01, where simulated wall clocks begin */
#define FAULT_POLL_NS       LG_MS

lg_status
lg_run_create(const lg_run_config *cfg, lg_run **ret_run)
{
    lg_heap *outer = lg_heap_switch(NULL);
    lg_run *r = lg_zalloc(sizeof *r);
    r->name = cfg->name;
    r->sim = cfg->sim;
    r->sim_node = cfg->sim_node;
    r->heap = cfg->heap;
    r->budget = cfg->budget;
    r->stats = cfg->stats;
    r->faults = cfg->faults;
    r->stack_bytes = cfg->stack_bytes ? cfg->stack_bytes : DEFAULT_STACK_BYTES;
    lg_list_init(&r->ready);
    lg_list_init(&r->fibers);
    lg_list_init(&r->free_stacks);
    lg_list_init(&r->destroy_hooks);
    lg_list_init(&r->sim_link);
    lg_status st = LG_OK;
    if (r->sim) {
        lg_sim__run_add(r->sim, r);
    } else {
        lg_run_random_bytes(r, &r->random_state, sizeof r->random_state);
        st = lg_run__real_init(r, cfg->spin_us);
    }
    r->now = st == LG_OK ? lg_run__clock(r) : 0;
    if (st == LG_OK)
        *ret_run = r;
    else
        lg_free(r);
    (void)lg_heap_switch(outer);
    return st;
}

static uint64_t
group_limit(void)
{
    unsigned long long n = 0;
    FILE *f = fopen("/sys/fs/cgroup/memory.max", "re");
    if (!f)
        return UINT64_MAX;
    int got = fscanf(f, "%llu", &n); /* or "max" */
    (void)fclose(f);
    return got == 1 ? n : UINT64_MAX;
}

uint64_t
lg_run_memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;
    uint64_t group = group_limit();
    struct rlimit l;
    if (getrlimit(RLIMIT_AS, &l) == 0 && l.rlim_cur != RLIM_INFINITY && l.rlim_cur < bytes)
        bytes = l.rlim_cur;
    return group < bytes ? group : bytes;
}

lg_status
lg_run_native_stack_raise(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_STACK, &l) != 0)
        return LG_SYSTEM;
    if (l.rlim_cur != RLIM_INFINITY && l.rlim_cur < NATIVE_STACK_BYTES) {
        l.rlim_cur = NATIVE_STACK_BYTES; /* the kernel looks at it when the stack grows */
        if (setrlimit(RLIMIT_STACK, &l) != 0)
            return LG_SYSTEM;
    }
    return LG_OK;
}

void
lg_run_destroy(lg_run *r)
{
    if (!r)
        return;
    LG_ASSERT(!r->looping);
    lg_heap *outer = lg_heap_switch(r->heap);
    lg_list *l;
    while ((l = lg_list_pop_front(&r->destroy_hooks))) {
        lg_run_hook *h = LG_CONTAINER_OF(l, lg_run_hook, link);
        h->fn(h->arg);
    }
    (void)lg_heap_switch(NULL);
    if (r->sim)
        lg_sim__run_remove(r->sim, r);
    else
        lg_run__real_fini(r);
    lg_run__fibers_discard(r);
    lg_run__stacks_free(r);
    struct post *p = atomic_exchange(&r->posts, NULL);
    while (p) {
        struct post *next = p->next;
        lg_free(p);
        p = next;
    }
    for (uint32_t i = 0; i < r->timer_count; i++)
        r->timers[i]->slot = 0;
    lg_free(r->timers);
    lg_free(r);
    (void)lg_heap_switch(outer);
}

void
lg_run_on_destroy(lg_run *r, lg_run_hook *h)
{
    lg_list_push_front(&r->destroy_hooks, &h->link);
}

void
lg_run_hook_remove(lg_run_hook *h)
{
    lg_list_remove(&h->link);
}

/* ---- clock and random ---- */

lg_time
lg_run__clock(lg_run *r)
{
    if (r->sim)
        return lg_sim__node_clock(r->sim, r->sim_node);
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (lg_time)ts.tv_sec * LG_SEC + (lg_time)ts.tv_nsec;
}

lg_time
lg_run_now_ns(const lg_run *r)
{
    return r->now;
}

lg_time
lg_run_now_exact_ns(lg_run *r)
{
    return lg_run__clock(r);
}

uint64_t
lg_run_wall_us(lg_run *r)
{
    if (r->sim)
        return SIM_EPOCH_US + lg_run__clock(r) / 1000;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t
lg_run_random(lg_run *r)
{
    if (r->sim)
        return lg_sim_random(r->sim);
    r->random_state += 0x9e3779b97f4a7c15ULL;
    return lg_hash_u64(r->random_state);
}

void
lg_run_random_bytes(lg_run *r, void *buf, size_t n)
{
    char *p = buf;
    while (n > 0) {
        if (r->sim) {
            uint64_t v = lg_sim_random(r->sim);
            size_t take = n < sizeof v ? n : sizeof v;
            memcpy(p, &v, take);
            p += take;
            n -= take;
            continue;
        }
        ssize_t got = getrandom(p, n, 0);
        if (got > 0) {
            p += got;
            n -= (size_t)got;
        }
    }
}

lg_budget *
lg_run_budget(lg_run *r)
{
    return r->budget;
}

lg_stats *
lg_run_stats(lg_run *r)
{
    return r->stats;
}

lg_faults *
lg_run_faults(lg_run *r)
{
    return r->faults;
}

lg_sim *
lg_run_sim(lg_run *r)
{
    return r->sim;
}

uint32_t
lg_run_sim_node(const lg_run *r)
{
    return r->sim_node;
}

/* ---- posts ---- */

void
lg_run_post(lg_run *r, void (*fn)(void *arg), void *arg)
{
    lg_heap *outer = lg_heap_switch(NULL);
    struct post *p = lg_alloc(sizeof *p);
    (void)lg_heap_switch(outer);
    p->fn = fn;
    p->arg = arg;
    struct post *head = atomic_load_explicit(&r->posts, memory_order_relaxed);
    do {
        p->next = head;
    } while (!atomic_compare_exchange_weak(&r->posts, &head, p));
    if (!head && r->real) /* else whoever made it non-empty has woken the worker */
        lg_run__real_wake(r);
}

bool
lg_run__posts_pending(lg_run *r)
{
    return atomic_load_explicit(&r->posts, memory_order_relaxed) != NULL;
}

unsigned
lg_run__posts_run(lg_run *r)
{
    if (!lg_run__posts_pending(r))
        return 0;
    struct post *newest = atomic_exchange(&r->posts, NULL), *oldest = NULL;
    while (newest) {
        struct post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    unsigned n = 0;
    while (oldest) {
        struct post *p = oldest;
        oldest = p->next;
        p->fn(p->arg);
        lg_free(p);
        n++;
    }
    return n;
}

void
lg_run_offload(lg_run *r, void (*fn)(void *arg), void *arg)
{
    if (!r->sim) {
        lg_run__real_offload(r, fn, arg);
        return;
    }
    lg_heap *outer = lg_heap_switch(NULL);
    fn(arg);
    (void)lg_heap_switch(outer);
    lg_fiber_yield();
}

/* ---- fault hooks ---- */

static void
fault_pause(void *arg, const char *name)
{
    lg_run *r = arg;
    while (lg_fiber_self() && lg_faults_pausing(r->faults, name)) {
        lg_status st = lg_fiber_park(LG_WAIT_PAUSE_POINT, r->now + FAULT_POLL_NS, false);
        LG_ASSERT(st == LG_TIMEOUT || st == LG_OK);
    }
}

static void
fault_delay(void *arg, uint64_t delay_ms)
{
    lg_run *r = arg;
    lg_time until = r->now + delay_ms * LG_MS;
    while (lg_fiber_self() && r->now < until)
        (void)!lg_fiber_park(LG_WAIT_PAUSE_POINT, until,
                             false); /* an early unpark changes nothing */
}

void
lg_run_fault_hooks(lg_run *r, lg_fault_hooks *ret_hooks)
{
    *ret_hooks = (lg_fault_hooks){.arg = r, .pause = fault_pause, .delay = fault_delay};
}
