/* The message codec. */
#include "pgwire.h"
#include "mem.h"
#include <string.h>

#define READER_FIRST_BYTES 8192

void
lg_pgwire_reader_init(lg_pgwire_reader *r)
{
    memset(r, 0, sizeof *r);
    r->max_message = LG_PGWIRE_MESSAGE_MAX;
}

void
lg_pgwire_reader_fini(lg_pgwire_reader *r)
{
    lg_free(r->buf);
    memset(r, 0, sizeof *r);
}

lg_status
lg_pgwire_reader_space(lg_pgwire_reader *r, size_t want, char **ret_at, size_t *ret_room)
{
    size_t used = r->end - r->begin;
    if (used + want > (size_t)r->max_message + 5)
        return LG_LIMIT;
    if (r->begin && r->cap - r->end < want) {
        memmove(r->buf, r->buf + r->begin, used);
        r->begin = 0;
        r->end = used;
    }
    if (r->cap - r->end < want) {
        size_t cap = r->cap ? r->cap : READER_FIRST_BYTES;
        while (cap - r->end < want)
            cap *= 2;
        if (!lg_mem_room(cap - r->cap))
            return LG_NO_MEMORY;
        r->buf = lg_realloc(r->buf, cap);
        r->cap = cap;
    }
    *ret_at = r->buf + r->end;
    *ret_room = r->cap - r->end;
    return LG_OK;
}

void
lg_pgwire_reader_filled(lg_pgwire_reader *r, size_t n)
{
    r->end += n;
}

static uint32_t
load_u32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

lg_status
lg_pgwire_next(lg_pgwire_reader *r, bool startup, lg_pgwire_msg *ret_msg, size_t *ret_missing)
{
    size_t head = startup ? 4 : 5;
    size_t have = r->end - r->begin;
    if (have < head) {
        *ret_missing = head - have;
        return LG_WOULD_WAIT;
    }
    const char *p = r->buf + r->begin;
    uint32_t len = load_u32(p + head - 4);
    uint32_t max = startup ? LG_PGWIRE_STARTUP_MAX : r->max_message;
    if (len < 4 || len > max || (startup && len < 8))
        return LG_PROTOCOL;
    size_t total = head - 4 + len;
    if (have < total) {
        *ret_missing = total - have;
        return LG_WOULD_WAIT;
    }
    ret_msg->type = startup ? 0 : p[0];
    ret_msg->data = p + head;
    ret_msg->len = len - 4;
    r->begin += total;
    return LG_OK;
}

bool
lg_pgwire_reader_empty(const lg_pgwire_reader *r)
{
    return r->begin == r->end;
}

void
lg_pgwire_reader_shrink(lg_pgwire_reader *r)
{
    if (!lg_pgwire_reader_empty(r) || !r->buf)
        return;
    lg_free(r->buf);
    r->buf = NULL;
    r->cap = r->begin = r->end = 0;
}

lg_pgwire_cursor
lg_pgwire_cursor_of(const lg_pgwire_msg *m)
{
    return (lg_pgwire_cursor){m->data, m->data + m->len, false};
}

const char *
lg_pgwire_bytes(lg_pgwire_cursor *c, size_t n)
{
    if (c->bad || (size_t)(c->end - c->p) < n) {
        c->bad = true;
        return NULL;
    }
    const char *p = c->p;
    c->p += n;
    return p;
}

uint8_t
lg_pgwire_u8(lg_pgwire_cursor *c)
{
    const char *p = lg_pgwire_bytes(c, 1);
    return p ? (uint8_t)*p : 0;
}

uint16_t
lg_pgwire_u16(lg_pgwire_cursor *c)
{
    const unsigned char *p = (const unsigned char *)lg_pgwire_bytes(c, 2);
    if (!p)
        return 0;
    return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t
lg_pgwire_u32(lg_pgwire_cursor *c)
{
    const char *p = lg_pgwire_bytes(c, 4);
    return p ? load_u32(p) : 0;
}

const char *
lg_pgwire_cstr(lg_pgwire_cursor *c)
{
    const char *z = c->bad ? NULL : memchr(c->p, 0, (size_t)(c->end - c->p));
    if (!z) {
        c->bad = true;
        return "";
    }
    const char *s = c->p;
    c->p = z + 1;
    return s;
}

bool
lg_pgwire_at_end(const lg_pgwire_cursor *c)
{
    return !c->bad && c->p == c->end;
}

size_t
lg_pgwire_begin(lg_strbuf *b, char type)
{
    if (type)
        lg_strbuf_putc(b, type);
    size_t at = b->len;
    lg_strbuf_append(b, "\0\0\0\0", 4);
    return at;
}

void
lg_pgwire_end(lg_strbuf *b, size_t at)
{
    if (b->overflow)
        return;
    uint32_t n = __builtin_bswap32((uint32_t)(b->len - at));
    memcpy(b->data + at, &n, 4);
}

void
lg_pgwire_put_u8(lg_strbuf *b, uint8_t v)
{
    lg_strbuf_putc(b, (char)v);
}

void
lg_pgwire_put_u16(lg_strbuf *b, uint16_t v)
{
    v = __builtin_bswap16(v);
    lg_strbuf_append(b, &v, sizeof v);
}

void
lg_pgwire_put_u32(lg_strbuf *b, uint32_t v)
{
    v = __builtin_bswap32(v);
    lg_strbuf_append(b, &v, sizeof v);
}

void
lg_pgwire_put_u64(lg_strbuf *b, uint64_t v)
{
    v = __builtin_bswap64(v);
    lg_strbuf_append(b, &v, sizeof v);
}

void
lg_pgwire_put_cstr(lg_strbuf *b, const char *s)
{
    lg_strbuf_append(b, s, strlen(s) + 1);
}

void
lg_pgwire_send_empty(lg_strbuf *b, char type)
{
    lg_pgwire_end(b, lg_pgwire_begin(b, type));
}

void
lg_pgwire_send_ready(lg_strbuf *b, char transaction_status)
{
    size_t at = lg_pgwire_begin(b, 'Z');
    lg_strbuf_putc(b, transaction_status);
    lg_pgwire_end(b, at);
}

void
lg_pgwire_send_parameter(lg_strbuf *b, const char *name, const char *value)
{
    size_t at = lg_pgwire_begin(b, 'S');
    lg_pgwire_put_cstr(b, name);
    lg_pgwire_put_cstr(b, value);
    lg_pgwire_end(b, at);
}

void
lg_pgwire_send_complete(lg_strbuf *b, const char *tag)
{
    size_t at = lg_pgwire_begin(b, 'C');
    lg_pgwire_put_cstr(b, tag);
    lg_pgwire_end(b, at);
}

static void
put_field(lg_strbuf *b, char code, const char *text)
{
    if (!text)
        return;
    lg_strbuf_putc(b, code);
    lg_pgwire_put_cstr(b, text);
}

void
lg_pgwire_send_error(lg_strbuf *b, const char *severity, const lg_error *e)
{
    bool error =
        !strcmp(severity, "ERROR") || !strcmp(severity, "FATAL") || !strcmp(severity, "PANIC");
    size_t at = lg_pgwire_begin(b, error ? 'E' : 'N');
    put_field(b, 'S', severity);
    put_field(b, 'V', severity);
    put_field(b, 'C', e->sqlstate);
    put_field(b, 'M', e->message);
    put_field(b, 'D', e->detail);
    put_field(b, 'H', e->hint);
    put_field(b, 'W', e->context);
    if (e->position > 0) {
        lg_strbuf_putc(b, 'P');
        lg_strbuf_printf(b, "%d", e->position);
        lg_strbuf_putc(b, 0);
    }
    put_field(b, 's', e->schema);
    put_field(b, 't', e->table);
    put_field(b, 'c', e->column);
    put_field(b, 'd', e->datatype);
    put_field(b, 'n', e->constraint);
    lg_strbuf_putc(b, 0);
    lg_pgwire_end(b, at);
}
