/* Extents of the scratch file; files and their write buffers. */
#include "assert.h"
#include "fault.h"
#include "mem.h"
#include "stats.h"
#include "temp_internal.h"
#include <string.h>

#define ALIGN      4096u
#define KEEP_BYTES (64ULL << 20) /* more than this is not kept for files to come: invariant 4 */

void
lg_temp_owner_init(lg_temp_owner *o)
{
    memset(o, 0, sizeof *o);
    lg_list_init(&o->files);
}

void
lg_temp_owner_fini(lg_temp_owner *o)
{
    while (o->files.next && !lg_list_empty(&o->files))
        lg_temp_file_close(LG_CONTAINER_OF(o->files.next, lg_temp_file, link));
}

lg_status
lg_temp_create(lg_run *run, const char *dir, lg_temp **ret_temp)
{
    lg_temp *t = lg_zalloc(sizeof *t);
    t->run = run;
    /* No write gate: these bytes are nobody else's, and a fenced instance hurts no one with them.
     */
    lg_status st = lg_io_create(run, LG_IO_AUTO, &t->io);
    if (st != LG_OK) {
        lg_free(t);
        return st;
    }
    t->dir = lg_strdup(dir);
    lg_waitq_init(&t->opened);
    *ret_temp = t;
    return LG_OK;
}

void
lg_temp_destroy(lg_temp *t)
{
    if (!t)
        return;
    LG_ASSERT(!t->files && !t->extents);
    lg_disk_close(t->disk);
    lg_io_destroy(t->io);
    lg_free(t->map);
    lg_free(t->backed);
    lg_free(t->dir);
    lg_free(t);
}

void
lg_temp_info_get(const lg_temp *t, lg_temp_info *ret)
{
    *ret = (lg_temp_info){.dir = t->dir,
                          .files = t->files,
                          .bytes = (uint64_t)t->extents * LG_TEMP_EXTENT_BYTES,
                          .bytes_kept = (uint64_t)t->spare * LG_TEMP_EXTENT_BYTES,
                          .files_made = t->files_made,
                          .bytes_written = t->bytes_written};
}

/* ---- extents ---- */

static lg_status
scratch_open(lg_temp *t)
{
    while (t->opening)
        LG_TRY(lg_waitq_wait(&t->opened, LG_WAIT_TEMP_WRITE, LG_FOREVER, false));
    if (t->disk)
        return LG_OK;
    t->opening = true;
    lg_status st = LG_FAULT(lg_run_faults(t->run), "temp_open");
    if (st == LG_OK)
        st = lg_disk_open(t->io, t->dir, LG_DISK_SCRATCH, &t->disk);
    t->opening = false;
    lg_waitq_wake_all(&t->opened);
    return st;
}

static uint32_t
extent_take(lg_temp *t)
{
    uint32_t w = t->hint;
    while (w < t->words && t->map[w] == UINT64_MAX)
        w++;
    if (w == t->words) {
        uint32_t words = t->words ? t->words * 2 : 16;
        t->map = lg_realloc(t->map, words * sizeof *t->map);
        memset(t->map + t->words, 0, (words - t->words) * sizeof *t->map);
        t->backed = lg_realloc(t->backed, words * sizeof *t->backed);
        memset(t->backed + t->words, 0, (words - t->words) * sizeof *t->backed);
        t->words = words;
    }
    t->hint = w;
    uint32_t e = w * 64 + (uint32_t)__builtin_ctzll(~t->map[w]);
    uint64_t bit = 1ULL << (e % 64);
    t->map[w] |= bit;
    t->spare -= (t->backed[w] & bit) != 0;
    t->backed[w] |= bit;
    t->extents++;
    uint64_t end = (uint64_t)(e + 1) * LG_TEMP_EXTENT_BYTES;
    if (t->reach < end)
        t->reach = end;
    return e;
}

static void
extent_give(lg_temp *t, uint32_t e)
{
    LG_ASSERT(t->map[e / 64] & 1ULL << (e % 64));
    t->map[e / 64] &= ~(1ULL << (e % 64));
    t->spare += (t->backed[e / 64] & 1ULL << (e % 64)) != 0;
    t->extents--;
    if (e / 64 < t->hint)
        t->hint = e / 64;
}

/* A file's extents back to the file system, as long as they are nobody else's (may block). */
static void
extents_discard(lg_temp *t, const uint32_t *e, uint32_t n)
{
    for (uint32_t i = 0, run; i < n && !t->no_discard; i += run) {
        for (run = 1; i + run < n && e[i + run] == e[i] + run;)
            run++;
        lg_status st = lg_disk_discard(t->disk, (uint64_t)e[i] * LG_TEMP_EXTENT_BYTES,
                                       (uint64_t)run * LG_TEMP_EXTENT_BYTES);
        t->no_discard = st == LG_UNSUPPORTED;
        for (uint32_t k = 0; st == LG_OK && k < run; k++)
            t->backed[e[i + k] / 64] &= ~(1ULL << (e[i + k] % 64));
    }
}

/* Invariant 4. */
static void
scratch_give_back(lg_temp *t)
{
    lg_disk *d = t->disk;
    if (t->files || t->extents || !d || t->reach < KEEP_BYTES)
        return;
    t->disk = NULL;
    t->reach = 0;
    t->spare = 0;
    memset(t->backed, 0, t->words * sizeof *t->backed);
    lg_disk_close(d); /* may block: others open a new one meanwhile */
}

/* ---- requests ---- */

static void
io_done(lg_io_req *req, lg_status st)
{
    lg_temp_io *io = LG_CONTAINER_OF(req, lg_temp_io, req);
    io->st = st;
    io->busy = false;
    if (io->waiter)
        lg_fiber_unpark(io->waiter);
    io->waiter = NULL;
}

/* A file's buffers never cross an extent: both are powers of two. */
void
lg_temp__submit(lg_temp_file *f, lg_temp_io *io, lg_io_op op, uint64_t offset, void *buf,
                uint32_t len)
{
    LG_ASSERT(!io->busy && offset / LG_TEMP_EXTENT_BYTES < f->nextents);
    LG_ASSERT(offset / LG_TEMP_EXTENT_BYTES == (offset + len - 1) / LG_TEMP_EXTENT_BYTES);
    uint64_t at = (uint64_t)f->extents[offset / LG_TEMP_EXTENT_BYTES] * LG_TEMP_EXTENT_BYTES +
                  offset % LG_TEMP_EXTENT_BYTES;
    lg_temp_owner *o = f->o;
    uint64_t pages = (len + LG_TEMP_PAGE - 1) / LG_TEMP_PAGE;
    lg_stats *stats = lg_run_stats(f->t->run);
    if (op == LG_IO_READ) {
        o->pages_read += pages;
        if (stats)
            lg_stat_add(stats, LG_STAT_TEMP_READS, pages);
    } else {
        o->pages_written += pages;
        if (stats)
            lg_stat_add(stats, LG_STAT_TEMP_WRITES, pages);
    }
    io->t = f->t;
    io->busy = true;
    io->st = LG_OK;
    io->req = (lg_io_req){.disk = f->t->disk,
                          .op = op,
                          .flags = LG_IO_LAZY,
                          .offset = at,
                          .buf = buf,
                          .len = len,
                          .done = io_done};
    lg_io_submit(&io->req);
}

lg_status
lg_temp__wait(lg_temp_io *io, lg_temp_owner *o)
{
    if (!io->busy)
        return io->st;
    bool reading = io->req.op == LG_IO_READ;
    lg_time from = o->timing ? lg_run_now_exact_ns(io->t->run) : 0;
    while (io->busy) {
        io->waiter = lg_fiber_self();
        LG_ASSERT(io->waiter);
        (void)!lg_fiber_park(reading ? LG_WAIT_TEMP_READ : LG_WAIT_TEMP_WRITE, LG_FOREVER, false);
    }
    if (o->timing) {
        lg_time ns = lg_run_now_exact_ns(io->t->run) - from;
        if (reading)
            o->read_ns += ns;
        else
            o->write_ns += ns;
    }
    return io->st;
}

/* ---- files ---- */

uint32_t
lg_temp__buffer_size(uint32_t wanted)
{
    uint32_t n = LG_TEMP_BUFFER_MIN;
    while (n < wanted && n < LG_TEMP_BUFFER_MAX)
        n *= 2;
    return n;
}

lg_status
lg_temp_file_create(lg_temp *t, lg_temp_owner *o, uint32_t buffer_bytes, lg_temp_file **ret_file)
{
    t->files++; /* from here on nobody gives the scratch file back */
    lg_status st = scratch_open(t);
    if (st != LG_OK) {
        t->files--;
        return st;
    }
    lg_temp_file *f = lg_zalloc(sizeof *f);
    f->t = t;
    f->o = o;
    f->buffer = lg_temp__buffer_size(buffer_bytes);
    lg_list_push_back(&o->files, &f->link);
    t->files_made++;
    o->files_made++;
    *ret_file = f;
    return LG_OK;
}

static lg_status
fail(lg_temp_file *f, lg_status st)
{
    if (f->st == LG_OK)
        f->st = st;
    return f->st;
}

/* The filled buffer goes out (len bytes of it, whole sectors); the other one is free then. */
static lg_status
send(lg_temp_file *f, uint32_t len)
{
    lg_temp_owner *o = f->o;
    lg_status st = lg_temp__wait(&f->io, o);
    if (st == LG_OK)
        st = LG_FAULT(lg_run_faults(f->t->run), "temp_write");
    if (st == LG_OK && o->limit_bytes && o->used_bytes + len > o->limit_bytes)
        st = LG_LIMIT;
    if (st != LG_OK)
        return fail(f, st);
    uint64_t at = f->durable;
    if (at / LG_TEMP_EXTENT_BYTES == f->nextents) {
        if (f->nextents == f->cap) {
            f->cap = f->cap ? f->cap * 2 : 4;
            f->extents = lg_realloc(f->extents, f->cap * sizeof *f->extents);
        }
        f->extents[f->nextents++] = extent_take(f->t);
    }
    o->used_bytes += len;
    o->bytes_made += len;
    f->t->bytes_written += len;
    lg_temp__submit(f, &f->io, LG_IO_WRITE, at, f->buf[f->cur], len);
    f->durable += len;
    f->cur ^= 1;
    f->fill = 0;
    return LG_OK;
}

lg_status
lg_temp_file_write(lg_temp_file *f, const void *data, size_t len)
{
    const char *p = data;
    LG_ASSERT(!f->sealed);
    LG_TRY(f->st);
    while (len) {
        if (!f->buf[f->cur])
            f->buf[f->cur] = lg_io_buf_alloc(f->buffer);
        size_t n = f->buffer - f->fill;
        if (n > len)
            n = len;
        memcpy(f->buf[f->cur] + f->fill, p, n);
        f->fill += (uint32_t)n;
        f->size += n;
        p += n;
        len -= n;
        if (f->fill == f->buffer)
            LG_TRY(send(f, f->buffer));
    }
    return LG_OK;
}

lg_status
lg_temp_file_seal(lg_temp_file *f)
{
    if (f->sealed)
        return f->st;
    LG_TRY(f->st);
    if (f->fill) {
        uint32_t len = (f->fill + ALIGN - 1) / ALIGN * ALIGN;
        memset(f->buf[f->cur] + f->fill, 0, len - f->fill);
        LG_TRY(send(f, len));
    }
    lg_status st = lg_temp__wait(&f->io, f->o);
    if (st != LG_OK)
        return fail(f, st);
    lg_free(f->buf[0]);
    lg_free(f->buf[1]);
    f->buf[0] = f->buf[1] = NULL;
    f->sealed = true;
    return LG_OK;
}

uint64_t
lg_temp_file_size(const lg_temp_file *f)
{
    return f->size;
}

void
lg_temp_file_close(lg_temp_file *f)
{
    if (!f)
        return;
    lg_temp *t = f->t;
    if (f->readers) {
        f->closed = true; /* the last of them closes it */
        return;
    }
    (void)!lg_temp__wait(&f->io, f->o); /* invariant 1 */
    if (t->extents > f->nextents &&     /* else all of it is given back below */
        (uint64_t)(t->spare + f->nextents) * LG_TEMP_EXTENT_BYTES > KEEP_BYTES)
        extents_discard(t, f->extents, f->nextents);
    for (uint32_t i = 0; i < f->nextents; i++)
        extent_give(t, f->extents[i]);
    f->o->used_bytes -= f->durable;
    if (f->o->closed)
        f->o->closed(f->o->arg, f->size);
    lg_list_remove(&f->link);
    lg_free(f->extents);
    lg_free(f->buf[0]);
    lg_free(f->buf[1]);
    lg_free(f);
    t->files--;
    scratch_give_back(t);
}
