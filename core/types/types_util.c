/* Texts that grow in an arena; environment defaults. */
#include "types_internal.h"
#include "assert.h"
#include "interrupt.h"
#include <stdio.h>

void
lg_abuf_init(lg_abuf *b, lg_arena *a)
{
    b->a = a;
    b->c = NULL;
    b->len = 0;
    b->cap = 112;
    b->p = (char *)lg_arena_alloc(a, b->cap + sizeof(lg_varlen)) + sizeof(lg_varlen);
}

void
lg_abuf_for(lg_abuf *b, lg_call *c)
{
    lg_abuf_init(b, c->arena);
    b->c = c;
}

bool
lg_call_fits(lg_call *c, size_t bytes)
{
    if (bytes > LG_TEXT_MAX) {
        if (c->st == LG_OK)
            (void)lg_call_error(c, "54000", "out of memory");
        return false;
    }
    if (bytes < LG_MEM_LARGE || lg_mem_room(bytes))
        return true;
    if (c->st == LG_OK) {
        (void)lg_call_error(c, "53200", "out of memory");
        lg_error_detail(c->err, "Failed on request of size %zu.", bytes);
    }
    return false;
}

bool
lg_value_impossible(size_t bytes)
{
    if (bytes < LG_MEM_LARGE)
        return false;
    if (bytes <= LG_TEXT_MAX)
        return lg_mem_refused(bytes);
    bool fails = lg_mem_fail();
    LG_ASSERT(fails || bytes <= UINT32_MAX);
    return fails;
}

char *
lg_abuf_extend(lg_abuf *b, size_t n)
{
    if (b->c && !lg_call_fits(b->c, b->len + n))
        b->len = 0;
    if (b->len + n + 1 > b->cap) {
        size_t cap = (b->cap + n + 1) * 2;
        if (b->c && cap > LG_TEXT_MAX + (size_t)1)
            cap = LG_TEXT_MAX + (size_t)1;
        if (!lg_mem_room(cap))
            cap = b->len + n + 1;
        char *p = (char *)lg_arena_alloc(b->a, cap + sizeof(lg_varlen)) + sizeof(lg_varlen);
        lg_poll_copy(p, b->p, b->len);
        b->p = p;
        b->cap = cap;
    }
    char *at = b->p + b->len;
    b->len += n;
    return at;
}

void
lg_abuf_add(lg_abuf *b, const char *s, size_t n)
{
    if (b->c && (b->c->st != LG_OK || !lg_call_fits(b->c, b->len + n)))
        return;
    char *at = lg_abuf_extend(b, n);
    if (n)
        lg_poll_copy(at, s, n);
}

void
lg_abuf_puts(lg_abuf *b, const char *s)
{
    lg_abuf_add(b, s, strlen(s));
}

void
lg_abuf_putc(lg_abuf *b, char ch)
{
    *lg_abuf_extend(b, 1) = ch;
}

void
lg_abuf_printf(lg_abuf *b, const char *fmt, ...)
{
    char small[256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if ((size_t)n < sizeof small) {
        lg_abuf_add(b, small, (size_t)n);
        return;
    }
    char *at = lg_abuf_extend(b, (size_t)n);
    va_start(ap, fmt);
    vsnprintf(at, (size_t)n + 1, fmt, ap);
    va_end(ap);
}

/* The header's room is before p, so that no copy is needed. */
lg_datum
lg_abuf_text(lg_abuf *b)
{
    lg_varlen *v = (lg_varlen *)(void *)(b->p - sizeof(lg_varlen));
    v->len = (uint32_t)b->len;
    return lg_datum_ptr(v);
}

char *
lg_abuf_cstring(lg_abuf *b)
{
    b->p[b->len] = 0;
    return b->p;
}

void
lg_env_init(lg_env *env)
{
    memset(env, 0, sizeof *env);
    env->extra_float_digits = 1;
}
