/* Reading temporary files: a window in use and, behind it in the file, one in flight. */
#include "assert.h"
#include "fault.h"
#include "mem.h"
#include "temp_internal.h"
#include <string.h>

#define ALIGN 4096u

struct window {
    char *buf;
    uint64_t from; /* a multiple of the window's size */
    uint32_t len;  /* 0: nothing there */
    lg_temp_io io;
};

struct lg_temp_reader {
    lg_temp_file *f;
    uint32_t bytes; /* of a window */
    uint64_t pos;
    struct window w[2];
    unsigned cur;
};

lg_status
lg_temp_reader_open(lg_temp_file *f, uint64_t offset, uint32_t window_bytes,
                    lg_temp_reader **ret_reader)
{
    LG_TRY(f->st);
    lg_temp_reader *r = lg_zalloc(sizeof *r);
    r->f = f;
    r->bytes = lg_temp__buffer_size(window_bytes);
    r->pos = offset;
    f->readers++;
    *ret_reader = r;
    return LG_OK;
}

/* What of the window that begins at `from` is on the device. */
static uint32_t
available(const lg_temp_reader *r, uint64_t from)
{
    uint64_t end = r->f->durable;
    if (from >= end)
        return 0;
    return end - from < r->bytes ? (uint32_t)(end - from) : r->bytes;
}

static void
start(lg_temp_reader *r, struct window *w, uint64_t from)
{
    uint32_t len = available(r, from);
    w->len = 0;
    w->from = from;
    if (!len)
        return;
    if (!w->buf)
        w->buf = lg_io_buf_alloc(r->bytes);
    w->len = (len + ALIGN - 1) / ALIGN * ALIGN;
    lg_temp__submit(r->f, &w->io, LG_IO_READ, from, w->buf, w->len);
}

/* The window that pos lies in, read; and the one behind it on its way. */
static lg_status
fill(lg_temp_reader *r)
{
    uint64_t from = r->pos - r->pos % r->bytes;
    struct window *w = &r->w[r->cur], *o = &r->w[r->cur ^ 1];
    bool here = w->len && w->from == from && r->pos < from + w->len;
    if (!here && o->len && o->from == from && r->pos < from + o->len) {
        r->cur ^= 1;
        o = w;
        w = &r->w[r->cur];
        here = true;
    }
    /* What was written last may still be on its way. */
    LG_TRY(lg_temp__wait(&r->f->io, r->f->o));
    if (!here) {
        LG_TRY(LG_FAULT(lg_run_faults(r->f->t->run), "temp_read"));
        (void)!lg_temp__wait(&w->io, r->f->o);
        start(r, w, from);
    }
    lg_status st = lg_temp__wait(&w->io, r->f->o);
    if (st != LG_OK) {
        w->len = 0;
        return st;
    }
    if ((!o->len || o->from != from + r->bytes) && available(r, from + r->bytes)) {
        (void)!lg_temp__wait(&o->io, r->f->o);
        start(r, o, from + r->bytes);
    }
    return LG_OK;
}

lg_status
lg_temp_read(lg_temp_reader *r, void *buf, size_t len)
{
    lg_temp_file *f = r->f;
    char *to = buf;
    if (!len)
        return LG_OK;
    if (r->pos >= f->size)
        return LG_END;
    if (len > f->size - r->pos)
        return LG_CORRUPT;
    while (len) {
        size_t n;
        const char *from;
        if (!f->sealed && r->pos >= f->durable) {
            LG_TRY(f->st);
            from = f->buf[f->cur] + (r->pos - f->durable);
            n = (size_t)(f->size - r->pos);
        } else {
            const struct window *w = &r->w[r->cur];
            if (w->io.busy || !w->len || r->pos < w->from || r->pos >= w->from + w->len)
                LG_TRY(fill(r));
            w = &r->w[r->cur];
            from = w->buf + (r->pos - w->from);
            n = (size_t)(w->from + w->len - r->pos);
        }
        if (n > len)
            n = len;
        memcpy(to, from, n);
        to += n;
        r->pos += n;
        len -= n;
    }
    return LG_OK;
}

void
lg_temp_reader_seek(lg_temp_reader *r, uint64_t offset)
{
    r->pos = offset;
}

uint64_t
lg_temp_reader_tell(const lg_temp_reader *r)
{
    return r->pos;
}

void
lg_temp_reader_close(lg_temp_reader *r)
{
    if (!r)
        return;
    for (int i = 0; i < 2; i++) {
        (void)!lg_temp__wait(&r->w[i].io, r->f->o);
        lg_free(r->w[i].buf);
    }
    lg_temp_file *f = r->f;
    lg_free(r);
    if (!--f->readers && f->closed)
        lg_temp_file_close(f);
}
