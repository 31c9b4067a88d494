/* What is common to all back ends: checks, fault points, the write gate, the blocking forms. */
#include "io.h"
#include "assert.h"
#include "io_internal.h"
#include <sys/mman.h>
#include <errno.h>
#include <string.h>

lg_status
lg_io_create(lg_run *r, lg_io_backend backend, lg_io **ret_io)
{
    lg_io *io = lg_zalloc(sizeof *io);
    io->run = r;
    io->faults = lg_run_faults(r);
    lg_list_init(&io->inflight);
    if (lg_run_sim(r))
        io->ops = &lg_io__sim_ops;
    else
        io->ops = backend == LG_IO_POSIX ? &lg_io__posix_ops : &lg_io__uring_ops;
    *ret_io = io;
    return LG_OK;
}

void
lg_io_destroy(lg_io *io)
{
    if (!io)
        return;
    LG_ASSERT(io->disks == 0);
    lg_io__writers_stop(io);
    lg_free(io);
}

void
lg_io_set_write_gate(lg_io *io, lg_status (*fn)(void *arg), void *arg)
{
    io->gate = fn;
    io->gate_arg = arg;
}

/* Large memory (the buffer cache) lies in huge pages where the system gives them when asked: most
 * of what a random read of a block costs otherwise is finding its page. */
#define HUGE_PAGE (2u << 20)

void *
lg_io_buf_alloc(size_t bytes)
{
    if (bytes < 8 * HUGE_PAGE)
        return lg_alloc_aligned(4096, bytes);
    void *p = lg_alloc_aligned(HUGE_PAGE, bytes);
    (void)madvise(p, bytes, MADV_HUGEPAGE); /* no harm done when refused */
    return p;
}

lg_status
lg_io__gate(lg_disk *d)
{
    lg_io *io = d->io;
    if (io->gate && io->gate(io->gate_arg) != LG_OK)
        return LG_FENCED;
    return LG_OK;
}

lg_status
lg_io__status_of(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return LG_DISK_FULL;
    case EBADE: /* reservation conflict */
        return LG_FENCED;
    case ENOENT:
    case ENXIO:
    case ENODEV:
        return LG_NO_DISK;
    case EEXIST:
        return LG_EXISTS;
    case ENOTTY:
    case EOPNOTSUPP:
        return LG_UNSUPPORTED;
    default:
        return LG_IO;
    }
}

void
lg_io__run_blocking(lg_io *io, void (*fn)(void *arg), void *arg)
{
    if (lg_fiber_self())
        lg_run_offload(io->run, fn, arg);
    else
        fn(arg);
}

/* ---- disks ---- */

lg_status
lg_disk_open(lg_io *io, const char *path, unsigned flags, lg_disk **ret_disk)
{
    lg_disk *d = lg_zalloc(sizeof *d);
    *d = (lg_disk){.io = io,
                   .path = lg_strdup(path),
                   .flags = flags,
                   .fd = -1,
                   .align = 4096,
                   .lock_slot = LG_DISK_NO_SLOT};
    lg_status st = io->ops->open(d);
    if (st != LG_OK) {
        lg_free(d->path);
        lg_free(d);
        return st;
    }
    io->disks++;
    *ret_disk = d;
    return LG_OK;
}

void
lg_disk_close(lg_disk *d)
{
    if (!d)
        return;
    LG_ASSERT(d->inflight == 0);
    d->io->ops->close(d);
    d->io->disks--;
    lg_free(d->path);
    lg_free(d);
}

lg_status
lg_disk_discard(lg_disk *d, uint64_t offset, uint64_t len)
{
    LG_ASSERT(d->flags & LG_DISK_SCRATCH);
    if (d->fd < 0)
        return LG_UNSUPPORTED; /* simulated */
    return lg_io__file_discard(d, offset, len);
}

lg_status
lg_disk_create(lg_io *io, const char *path, uint64_t size_bytes)
{
    if (size_bytes == 0 || size_bytes % 4096)
        return LG_INVALID;
    return io->ops->create(io, path, size_bytes);
}

uint64_t
lg_disk_size(const lg_disk *d)
{
    return d->size;
}

uint32_t
lg_disk_align(const lg_disk *d)
{
    return d->align;
}

uint32_t
lg_disk_atomic_bytes(const lg_disk *d)
{
    return d->atomic;
}

const char *
lg_disk_path(const lg_disk *d)
{
    return d->path;
}

int
lg_disk_fd(const lg_disk *d)
{
    return d->fd;
}

lg_status
lg_disk_lock(lg_disk *d, uint32_t slot)
{
    LG_ASSERT(d->lock_slot == LG_DISK_NO_SLOT && slot != LG_DISK_NO_SLOT);
    LG_TRY(d->io->ops->lock(d, slot));
    d->lock_slot = slot;
    return LG_OK;
}

lg_status
lg_disk_lock_probe(lg_disk *d, uint32_t slot)
{
    return d->lock_slot == slot ? LG_EXISTS : d->io->ops->probe(d, slot);
}

lg_status
lg_disk_pr_register(lg_disk *d, uint64_t key)
{
    LG_ASSERT(key != 0);
    LG_TRY(d->io->ops->pr_register(d, d->pr_key, key));
    d->pr_key = key;
    return LG_OK;
}

lg_status
lg_disk_pr_unregister(lg_disk *d, uint64_t key)
{
    LG_TRY(d->io->ops->pr_register(d, key, 0));
    d->pr_key = 0;
    return LG_OK;
}

lg_status
lg_disk_pr_preempt(lg_disk *d, uint64_t own_key, uint64_t victim_key)
{
    LG_ASSERT(own_key != 0 && victim_key != 0);
    return d->io->ops->pr_preempt(d, own_key, victim_key);
}

lg_status
lg_disk_pr_check(lg_disk *d, uint64_t own_key, uint64_t victim_key)
{
    LG_ASSERT(own_key != 0 && victim_key != 0);
    return d->io->ops->pr_check(d, own_key, victim_key);
}

/* ---- requests ---- */

size_t
lg_io__req_len(const lg_io_req *req)
{
    if (req->iovcnt == 0)
        return req->len;
    size_t n = 0;
    for (int i = 0; i < req->iovcnt; i++)
        n += req->iov[i].iov_len;
    return n;
}

void
lg_io__finish(lg_io_req *req, lg_status st)
{
    LG_ASSERT(req->disk->inflight > 0);
    req->disk->inflight--;
    lg_list_remove(&req->flying);
    req->done(req, st);
}

static void
finish_posted(void *arg)
{
    lg_io_req *req = arg;
    lg_io__finish(req, req->status);
}

static lg_status
check(const lg_io_req *req)
{
    const lg_disk *d = req->disk;
    if (req->op == LG_IO_SYNC)
        return LG_OK;
    size_t len = lg_io__req_len(req), mask = d->align - 1;
    if (len == 0 || ((len | req->offset) & mask))
        return LG_INVALID;
    if (req->iovcnt == 0 && ((uintptr_t)req->buf & mask))
        return LG_INVALID;
    if (len > d->size || req->offset > d->size - len)
        return LG_IO;
    if (req->op == LG_IO_WRITE && (d->flags & LG_DISK_READ_ONLY))
        return LG_INVALID;
    LG_ASSERT(!(req->flags & LG_IO_URGENT) ||
              (req->op == LG_IO_WRITE && req->iovcnt == 0 && !(req->flags & LG_IO_LAZY)));
    return LG_OK;
}

void
lg_io_submit(lg_io_req *req)
{
    static const char *const points[] = {"io_read", "io_write", "io_sync"};
    lg_disk *d = req->disk;
    d->inflight++;
    lg_list_push_back(&d->io->inflight, &req->flying);
    req->since = lg_run_now_ns(d->io->run);
    req->progress = 0;
    lg_status st = check(req);
    if (st == LG_OK)
        st = LG_FAULT(d->io->faults, points[req->op]);
    if (st == LG_OK && req->op != LG_IO_READ)
        st = lg_io__gate(d);
    if (st == LG_OK) {
        d->io->ops->submit(req);
        return;
    }
    req->status = st;
    lg_run_post(d->io->run, finish_posted, req); /* done() never runs inside of submit */
}

lg_time
lg_io_oldest(const lg_io *io)
{
    const lg_list *first = io->inflight.next;
    return first == &io->inflight ? 0 : LG_CONTAINER_OF(first, lg_io_req, flying)->since;
}

struct waited {
    lg_io_req req;
    lg_fiber *fiber;
    lg_status st;
    bool done;
};

static void
waited_done(lg_io_req *req, lg_status st)
{
    struct waited *w = LG_CONTAINER_OF(req, struct waited, req);
    w->st = st;
    w->done = true;
    lg_fiber_unpark(w->fiber);
}

static lg_status
submit_and_wait(lg_disk *d, lg_io_op op, unsigned flags, uint64_t offset, void *buf, size_t len,
                lg_wait event)
{
    struct waited w = {.fiber = lg_fiber_self()};
    LG_ASSERT(w.fiber);
    w.req = (lg_io_req){.disk = d,
                        .op = op,
                        .flags = flags,
                        .offset = offset,
                        .buf = buf,
                        .len = len,
                        .done = waited_done};
    lg_io_submit(&w.req);
    while (!w.done)
        (void)!lg_fiber_park(event, LG_FOREVER, false); /* the loop looks at done */
    return w.st;
}

lg_status
lg_disk_read(lg_disk *d, uint64_t offset, void *buf, size_t len, lg_wait event)
{
    return submit_and_wait(d, LG_IO_READ, 0, offset, buf, len, event);
}

lg_status
lg_disk_write(lg_disk *d, uint64_t offset, const void *buf, size_t len, unsigned flags,
              lg_wait event)
{
    return submit_and_wait(d, LG_IO_WRITE, flags, offset, (void *)(uintptr_t)buf, len, event);
}

lg_status
lg_disk_sync(lg_disk *d, lg_wait event)
{
    return submit_and_wait(d, LG_IO_SYNC, 0, 0, NULL, 0, event);
}
