/* Doubling byte buffer. */
#include "strbuf.h"
#include "mem.h"
#include <stdio.h>
#include <string.h>

void
lg_strbuf_init(lg_strbuf *b, size_t max_bytes)
{
    *b = (lg_strbuf){.max = max_bytes};
}

void
lg_strbuf_fini(lg_strbuf *b)
{
    lg_free(b->data);
    *b = (lg_strbuf){.max = b->max};
}

void
lg_strbuf_reset(lg_strbuf *b)
{
    b->len = 0;
    b->overflow = false;
    if (b->data)
        b->data[0] = 0;
}

/* Room for n more bytes and the NUL. */
static bool
reserve(lg_strbuf *b, size_t n)
{
    if (b->overflow || n > b->max || b->len > b->max - n) {
        b->overflow = true;
        return false;
    }
    if (b->len + n < b->cap)
        return true;
    size_t cap = b->cap ? b->cap : 64;
    while (cap <= b->len + n)
        cap *= 2;
    b->data = lg_realloc(b->data, cap);
    b->cap = cap;
    return true;
}

char *
lg_strbuf_extend(lg_strbuf *b, size_t n)
{
    if (!reserve(b, n))
        return NULL;
    char *p = b->data + b->len;
    b->len += n;
    b->data[b->len] = 0;
    return p;
}

void
lg_strbuf_append(lg_strbuf *b, const void *p, size_t n)
{
    char *d = lg_strbuf_extend(b, n);
    if (d && n)
        memcpy(d, p, n);
}

void
lg_strbuf_puts(lg_strbuf *b, const char *s)
{
    lg_strbuf_append(b, s, strlen(s));
}

void
lg_strbuf_putc(lg_strbuf *b, char c)
{
    lg_strbuf_append(b, &c, 1);
}

void
lg_strbuf_printf(lg_strbuf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !reserve(b, (size_t)n))
        return;
    va_start(ap, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

lg_status
lg_strbuf_status(const lg_strbuf *b)
{
    return b->overflow ? LG_LIMIT : LG_OK;
}
