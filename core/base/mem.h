/* Memory: the one home of malloc and free.
 *
 * A heap (lg_heap) is the set of allocations of one instance. Several instances fit in one process
 * (the simulator), so every allocation is charged to the current heap of the calling thread, which
 * the fiber scheduler switches with the fiber. Destroying a heap frees whatever is still allocated
 * in it: that is how a simulated instance is killed. Allocations made with no current heap belong
 * to the process.
 *
 * Rules: a block may be freed whichever heap is current. A heap is used by one thread at a time.
 * lg_alloc and lg_realloc never return NULL: running out of memory ends the process, which the
 * cluster recovers from (as one killed by the kernel would be). Bounded pools are sized at start.
 *
 * BUDGET  So that statements do not come to that, a real instance has a budget (lg_budget): blocks
 * of LG_MEM_COUNTED bytes and more that belong to no heap are counted in the budget that was current
 * when they were made. Each fiber has a meter, which counts what it made and freed itself. What
 * happens when there is too much:
 *   - who is about to make something large asks first (lg_mem_room) and fails with 53200;
 *   - an allocation is never refused. One that goes beyond the budget, or beyond the half of it that
 *     one statement may have, calls the meter's `over`, which makes the statement fail as a cancel
 *     would: at the next question whether to go on. Meters below LG_MEM_SMALL are left alone.
 */
#ifndef LG_BASE_MEM_H
#define LG_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lg_heap lg_heap;

lg_heap *lg_heap_create(void);
void lg_heap_destroy(lg_heap *heap); /* frees all its allocations; NULL is fine */
size_t lg_heap_used_bytes(const lg_heap *heap);
lg_heap *lg_heap_current(void);
lg_heap *lg_heap_switch(lg_heap *heap); /* makes it current; returns the previous one */

__attribute__((malloc, returns_nonnull)) void *lg_alloc(size_t size_bytes);  /* not zeroed */
__attribute__((malloc, returns_nonnull)) void *lg_zalloc(size_t size_bytes); /* zeroed */
__attribute__((returns_nonnull)) void *lg_realloc(void *p, size_t size_bytes);
__attribute__((malloc, returns_nonnull)) void *lg_alloc_aligned(size_t align, size_t size_bytes);
__attribute__((malloc, returns_nonnull)) char *lg_strdup(const char *s);
void lg_free(void *p); /* of any of the above; NULL is fine */

#define LG_MEM_COUNTED ((size_t)4096)      /* smaller blocks are not counted */
#define LG_MEM_LARGE   ((size_t)1 << 20)   /* ask for room before making a value of that size */
#define LG_MEM_SMALL   ((int64_t)16 << 20) /* a statement that has less is never made to fail */

typedef struct lg_budget lg_budget;

/* Of one thread, current while it runs on somebody's behalf. Zeroed: counts nothing. */
typedef struct lg_mem_meter {
    lg_budget *budget;
    int64_t bytes;           /* made less freed; may be negative */
    void (*over)(void *arg); /* must not allocate; NULL: nobody is told */
    void *arg;
} lg_mem_meter;

typedef struct lg_budget_info {
    uint64_t limit; /* 0: none */
    uint64_t used;
    uint64_t most;    /* of used */
    uint64_t refused; /* questions for room that were refused, and overs */
} lg_budget_info;

/* Without a limit. Counts from any thread; limit and info: by the owner's thread. */
lg_budget *lg_budget_create(void);
void lg_budget_release(lg_budget *b); /* gone with its last block; NULL is fine */
/* limit_bytes beyond what is in use now; 0: no limit. */
void lg_budget_limit(lg_budget *b, uint64_t limit_bytes);
void lg_budget_info_get(const lg_budget *b, lg_budget_info *ret_info);

/* Gives the system back what was freed and nobody has asked for since. Takes up to some milliseconds. */
void lg_mem_trim(void);

lg_mem_meter *lg_mem_meter_switch(lg_mem_meter *m); /* makes it current; returns the previous one */
/* May size_bytes more be made? Always when that is less than LG_MEM_LARGE. */
bool lg_mem_room(size_t size_bytes);
/* There is no room, and the meter's `over` was told: a statement fails whatever is made now. */
bool lg_mem_refused(size_t size_bytes);
/* The same for a value that cannot be: true when a statement runs, which then fails. */
bool lg_mem_fail(void);

#endif
