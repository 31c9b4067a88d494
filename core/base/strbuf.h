/* Growing byte buffer with a declared bound. Owns its memory (lg_alloc). */
#ifndef LG_BASE_STRBUF_H
#define LG_BASE_STRBUF_H

#include "status.h"
#include <stdarg.h>
#include <stddef.h>

typedef struct lg_strbuf {
    char *data; /* NUL after len when not NULL */
    size_t len;
    size_t cap;
    size_t max; /* growth beyond it sets `overflow` and drops the bytes */
    bool overflow;
} lg_strbuf;

void lg_strbuf_init(lg_strbuf *b, size_t max_bytes);
void lg_strbuf_fini(lg_strbuf *b);
void lg_strbuf_reset(lg_strbuf *b); /* len = 0, keeps memory */
void lg_strbuf_append(lg_strbuf *b, const void *p, size_t n);
void lg_strbuf_puts(lg_strbuf *b, const char *s);
void lg_strbuf_putc(lg_strbuf *b, char c);
__attribute__((format(printf, 2, 3))) void lg_strbuf_printf(lg_strbuf *b, const char *fmt, ...);
/* Reserves n bytes at the end and returns where to write them; NULL on overflow. */
char *lg_strbuf_extend(lg_strbuf *b, size_t n);
LG_MUST lg_status lg_strbuf_status(const lg_strbuf *b); /* LG_LIMIT after an overflow */

#endif
