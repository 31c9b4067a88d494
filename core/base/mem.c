/* Heaps as lists of tagged blocks over malloc. Each block has a 48-byte tag before it. */
#include "mem.h"
#include "assert.h"
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAG_MAGIC 0x4c474d454d544147ULL

struct tag {
    union {
        struct tag *prev;
        lg_budget *budget; /* when heap is NULL: where it is counted, or NULL */
    };
    struct tag *next;
    lg_heap *heap; /* NULL: the process */
    void *raw;     /* what malloc returned */
    size_t size;
    uint64_t magic;
};

_Static_assert(sizeof(struct tag) % 16 == 0, "the tag keeps 16-byte alignment");

struct lg_heap {
    struct tag head;
    size_t used;
};

struct lg_budget {
    _Atomic int64_t used, most;
    _Atomic uint64_t refused;
    int64_t limit;
    _Atomic int64_t refs; /* its owner's and its blocks' */
};

static _Thread_local lg_heap *current_heap;
static _Thread_local lg_mem_meter *current_meter;

__attribute__((noreturn, cold)) static void
out_of_memory(size_t size)
{
    fprintf(stderr, "lagoon: out of memory allocating %zu bytes\n", size);
    abort();
}

/* ---- the budget ---- */

lg_budget *
lg_budget_create(void)
{
    lg_budget *b = calloc(1, sizeof *b);
    if (!b)
        out_of_memory(sizeof *b);
    atomic_init(&b->refs, 1);
    return b;
}

void
lg_budget_release(lg_budget *b)
{
    if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
        free(b);
}

void
lg_budget_limit(lg_budget *b, uint64_t limit_bytes)
{
    b->limit = limit_bytes ? atomic_load(&b->used) + (int64_t)limit_bytes : 0;
}

void
lg_budget_info_get(const lg_budget *b, lg_budget_info *ret_info)
{
    *ret_info = (lg_budget_info){.limit = (uint64_t)b->limit,
                                 .used = (uint64_t)atomic_load(&b->used),
                                 .most = (uint64_t)atomic_load(&b->most),
                                 .refused = atomic_load(&b->refused)};
}

void
lg_mem_trim(void)
{
    (void)malloc_trim(0);
}

lg_mem_meter *
lg_mem_meter_switch(lg_mem_meter *m)
{
    lg_mem_meter *old = current_meter;
    current_meter = m;
    return old;
}

__attribute__((cold)) static void
tell_over(lg_mem_meter *m)
{
    if (!m->over || m->bytes < LG_MEM_SMALL)
        return;
    atomic_fetch_add_explicit(&m->budget->refused, 1, memory_order_relaxed);
    m->over(m->arg);
}

static bool
exceeded(const lg_mem_meter *m, int64_t used, int64_t more)
{
    int64_t limit = m->budget->limit;
    return limit && (used + more > limit || m->bytes + more > limit / 2);
}

bool
lg_mem_room(size_t size_bytes)
{
    lg_mem_meter *m = current_meter;
    if (size_bytes < LG_MEM_LARGE || !m || !m->budget)
        return true;
    int64_t used = atomic_load_explicit(&m->budget->used, memory_order_relaxed);
    if (!exceeded(m, used, (int64_t)size_bytes))
        return true;
    atomic_fetch_add_explicit(&m->budget->refused, 1, memory_order_relaxed);
    return false;
}

bool
lg_mem_refused(size_t size_bytes)
{
    lg_mem_meter *m = current_meter;
    if (!m || !m->over || lg_mem_room(size_bytes))
        return false;
    m->over(m->arg);
    return true;
}

bool
lg_mem_fail(void)
{
    if (!current_meter || !current_meter->over)
        return false;
    current_meter->over(current_meter->arg);
    return true;
}

static void
count(struct tag *t)
{
    lg_mem_meter *m = current_meter;
    if (!m || !m->budget)
        return;
    lg_budget *b = t->budget = m->budget;
    int64_t size = (int64_t)t->size;
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    int64_t used = atomic_fetch_add_explicit(&b->used, size, memory_order_relaxed) + size;
    m->bytes += size;
    if (used > atomic_load_explicit(&b->most, memory_order_relaxed))
        atomic_store_explicit(&b->most, used, memory_order_relaxed); /* about right will do */
    if (exceeded(m, used, 0))
        tell_over(m);
}

static void
uncount(struct tag *t)
{
    lg_budget *b = t->budget;
    if (current_meter && current_meter->budget == b)
        current_meter->bytes -= (int64_t)t->size;
    atomic_fetch_sub_explicit(&b->used, (int64_t)t->size, memory_order_relaxed);
    lg_budget_release(b);
}

/* ---- heaps ---- */

static void
tag_link(struct tag *t, lg_heap *heap)
{
    t->heap = heap;
    if (!heap) {
        t->budget = NULL;
        if (t->size >= LG_MEM_COUNTED)
            count(t);
        return;
    }
    t->prev = &heap->head;
    t->next = heap->head.next;
    t->next->prev = t;
    heap->head.next = t;
    heap->used += t->size;
}

static void
tag_unlink(struct tag *t)
{
    if (!t->heap) {
        if (t->budget)
            uncount(t);
        return;
    }
    t->prev->next = t->next;
    t->next->prev = t->prev;
    t->heap->used -= t->size;
}

lg_heap *
lg_heap_create(void)
{
    lg_heap *h = calloc(1, sizeof *h);
    if (!h)
        out_of_memory(sizeof *h);
    h->head.prev = h->head.next = &h->head;
    return h;
}

void
lg_heap_destroy(lg_heap *heap)
{
    if (!heap)
        return;
    LG_ASSERT(current_heap != heap);
    while (heap->head.next != &heap->head) {
        struct tag *t = heap->head.next;
        tag_unlink(t);
        free(t->raw);
    }
    free(heap);
}

size_t
lg_heap_used_bytes(const lg_heap *heap)
{
    return heap->used;
}

lg_heap *
lg_heap_current(void)
{
    return current_heap;
}

lg_heap *
lg_heap_switch(lg_heap *heap)
{
    lg_heap *old = current_heap;
    current_heap = heap;
    return old;
}

void *
lg_alloc(size_t size_bytes)
{
    struct tag *t = malloc(sizeof *t + size_bytes);
    if (!t)
        out_of_memory(size_bytes);
    t->raw = t;
    t->size = size_bytes;
    t->magic = TAG_MAGIC;
    tag_link(t, current_heap);
    return t + 1;
}

void *
lg_zalloc(size_t size_bytes)
{
    void *p = lg_alloc(size_bytes);
    memset(p, 0, size_bytes);
    return p;
}

void *
lg_alloc_aligned(size_t align, size_t size_bytes)
{
    LG_ASSERT(align >= 16 && (align & (align - 1)) == 0);
    char *raw = malloc(size_bytes + align + sizeof(struct tag));
    if (!raw)
        out_of_memory(size_bytes);
    uintptr_t user = ((uintptr_t)raw + sizeof(struct tag) + align - 1) & ~(uintptr_t)(align - 1);
    struct tag *t = (struct tag *)user - 1;
    t->raw = raw;
    t->size = size_bytes;
    t->magic = TAG_MAGIC;
    tag_link(t, current_heap);
    return (void *)user;
}

void *
lg_realloc(void *p, size_t size_bytes)
{
    if (!p)
        return lg_alloc(size_bytes);
    struct tag *t = (struct tag *)p - 1;
    LG_ASSERT(t->magic == TAG_MAGIC);
    LG_ASSERT(t->raw == t); /* aligned blocks do not grow */
    lg_heap *heap = t->heap;
    tag_unlink(t);
    struct tag *n = realloc(t, sizeof *n + size_bytes);
    if (!n)
        out_of_memory(size_bytes);
    n->raw = n;
    n->size = size_bytes;
    tag_link(n, heap);
    return n + 1;
}

char *
lg_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *d = lg_alloc(n);
    memcpy(d, s, n);
    return d;
}

void
lg_free(void *p)
{
    if (!p)
        return;
    struct tag *t = (struct tag *)p - 1;
    LG_ASSERT(t->magic == TAG_MAGIC);
    tag_unlink(t);
    t->magic = 0;
    free(t->raw);
}
