/* Heaps as lists of tagged blocks over malloc. Each block has a 48-byte tag before it. */
#include "mem.h"
#include "assert.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAG_MAGIC 0x4c474d454d544147ULL

struct tag {
    struct tag *prev;
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

static _Thread_local lg_heap *current_heap;

__attribute__((noreturn, cold)) static void
out_of_memory(size_t size)
{
    fprintf(stderr, "lagoon: out of memory allocating %zu bytes\n", size);
    abort();
}

static void
tag_link(struct tag *t, lg_heap *heap)
{
    t->heap = heap;
    if (!heap)
        return;
    t->prev = &heap->head;
    t->next = heap->head.next;
    t->next->prev = t;
    heap->head.next = t;
    heap->used += t->size;
}

static void
tag_unlink(struct tag *t)
{
    if (!t->heap)
        return;
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
