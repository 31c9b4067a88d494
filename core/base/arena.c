/* Arena: a chain of chunks, bump allocation in the newest. */
#include "arena.h"
#include "interrupt.h"
#include "mem.h"
#include <stdio.h>
#include <string.h>

struct chunk {
    struct chunk *next;
    size_t size; /* usable bytes */
    size_t used;
    size_t pad;
    char data[];
};

struct lg_arena {
    const char *name;
    size_t chunk_bytes;
    struct chunk *first; /* the oldest, kept by reset */
    struct chunk *top;
    size_t total;
};

static struct chunk *
chunk_create(size_t size)
{
    struct chunk *c = lg_alloc(sizeof *c + size);
    c->next = NULL;
    c->size = size;
    c->used = 0;
    return c;
}

lg_arena *
lg_arena_create(const char *name, size_t chunk_bytes)
{
    lg_arena *a = lg_zalloc(sizeof *a);
    a->name = name;
    a->chunk_bytes = chunk_bytes ? chunk_bytes : 8192;
    return a;
}

static void
free_all_but_first(lg_arena *a)
{
    struct chunk *c = a->top;
    while (c && c != a->first) {
        struct chunk *older = c->next;
        lg_free(c);
        c = older;
    }
    a->top = a->first;
}

void
lg_arena_destroy(lg_arena *a)
{
    if (!a)
        return;
    free_all_but_first(a);
    lg_free(a->first);
    lg_free(a);
}

void
lg_arena_reset(lg_arena *a)
{
    free_all_but_first(a);
    if (a->first)
        a->first->used = 0;
    a->total = 0;
}

void *
lg_arena_alloc(lg_arena *a, size_t size_bytes)
{
    size_t n = (size_bytes + 15) & ~(size_t)15;
    struct chunk *c = a->top;
    if (!c || c->size - c->used < n) {
        c = chunk_create(n > a->chunk_bytes ? n : a->chunk_bytes);
        c->next = a->top;
        a->top = c;
        if (!a->first)
            a->first = c;
    }
    void *p = c->data + c->used;
    c->used += n;
    a->total += n;
    return p;
}

void *
lg_arena_zalloc(lg_arena *a, size_t size_bytes)
{
    void *p = lg_arena_alloc(a, size_bytes);
    memset(p, 0, size_bytes);
    return p;
}

void *
lg_arena_dup(lg_arena *a, const void *p, size_t n)
{
    void *d = lg_arena_alloc(a, n);
    if (n)
        memcpy(d, p, n);
    return d;
}

char *
lg_arena_strndup(lg_arena *a, const char *s, size_t n)
{
    char *d = lg_arena_alloc(a, n + 1);
    lg_poll_copy(d, s, n); /* lets others run */
    d[n] = 0;
    return d;
}

char *
lg_arena_strdup(lg_arena *a, const char *s)
{
    return lg_arena_strndup(a, s, strlen(s));
}

char *
lg_arena_vprintf(lg_arena *a, const char *fmt, va_list ap)
{
    va_list ap2;
    va_copy(ap2, ap);
    int n = vsnprintf(NULL, 0, fmt, ap2);
    va_end(ap2);
    char *d = lg_arena_alloc(a, (size_t)n + 1);
    vsnprintf(d, (size_t)n + 1, fmt, ap);
    return d;
}

char *
lg_arena_printf(lg_arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *d = lg_arena_vprintf(a, fmt, ap);
    va_end(ap);
    return d;
}

size_t
lg_arena_used_bytes(const lg_arena *a)
{
    return a->total;
}
