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
 */
#ifndef LG_BASE_MEM_H
#define LG_BASE_MEM_H

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

#endif
