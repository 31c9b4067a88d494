/* Requests on the worker's ring. */
#include "assert.h"
#include "io_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <string.h>

static void uring_done(lg_ring_op *op, int res);

/* ---- registered memory ---- */

void
lg_io_register_memory(lg_io *io, void *base, size_t bytes)
{
    struct io_uring *ring = lg_run_ring(io->run);
    if (!ring || io->ops != &lg_io__uring_ops || io->ranges == LG_IO_MAX_RANGES)
        return;
    if (!io->table_made && io_uring_register_buffers_sparse(ring, LG_IO_MAX_RANGES) != 0)
        return; /* an old kernel: requests map their memory themselves */
    io->table_made = true;
    struct iovec iov = {.iov_base = base, .iov_len = bytes};
    __u64 tag = 0;
    if (io_uring_register_buffers_update_tag(ring, io->ranges, &iov, &tag, 1) != 1)
        return; /* over RLIMIT_MEMLOCK or over 1 GiB */
    io->range_slot[io->ranges] = (int)io->ranges;
    io->range[io->ranges++] = iov;
}

static int
slot_of(const lg_io *io, const char *buf, size_t len)
{
    for (unsigned i = 0; i < io->ranges; i++) {
        const char *base = io->range[i].iov_base;
        if (buf >= base && buf + len <= base + io->range[i].iov_len)
            return io->range_slot[i];
    }
    return -1;
}

/* ---- submit, complete ---- */

static void
prepare_vector(lg_io_req *req, struct io_uring_sqe *sqe, int rw_flags)
{
    if (req->op == LG_IO_READ)
        io_uring_prep_readv2(sqe, req->disk->fd, req->iov, (unsigned)req->iovcnt, req->offset, 0);
    else
        io_uring_prep_writev2(sqe, req->disk->fd, req->iov, (unsigned)req->iovcnt, req->offset,
                              rw_flags);
}

static void
prepare_single(lg_io_req *req, struct io_uring_sqe *sqe, int rw_flags)
{
    char *buf = (char *)req->buf + req->progress;
    unsigned len = (unsigned)(req->len - req->progress);
    uint64_t offset = req->offset + req->progress;
    int fd = req->disk->fd, slot = slot_of(req->disk->io, buf, len);
    if (req->op == LG_IO_READ) {
        if (slot >= 0)
            io_uring_prep_read_fixed(sqe, fd, buf, len, offset, slot);
        else
            io_uring_prep_read(sqe, fd, buf, len, offset);
        return;
    }
    if (slot >= 0)
        io_uring_prep_write_fixed(sqe, fd, buf, len, offset, slot);
    else
        io_uring_prep_write(sqe, fd, buf, len, offset);
    sqe->rw_flags = rw_flags;
}

static void
uring_submit(lg_io_req *req)
{
    req->ring.fn = uring_done;
    if ((req->flags & LG_IO_URGENT) && lg_io__writer_take(req))
        return;
    struct io_uring_sqe *sqe = lg_run_sqe(req->disk->io->run, &req->ring);
    int rw_flags = (req->flags & LG_IO_LAZY) ? 0 : RWF_DSYNC;
    if (req->op == LG_IO_SYNC)
        io_uring_prep_fsync(sqe, req->disk->fd, IORING_FSYNC_DATASYNC);
    else if (req->iovcnt > 0)
        prepare_vector(req, sqe, rw_flags);
    else
        prepare_single(req, sqe, rw_flags);
}

/* What is left of a short or interrupted request goes out again, through the gate. */
static void
again(lg_io_req *req)
{
    lg_status st = req->op == LG_IO_READ ? LG_OK : lg_io__gate(req->disk);
    if (st == LG_OK)
        uring_submit(req);
    else
        lg_io__finish(req, st);
}

static void
uring_done(lg_ring_op *op, int res)
{
    lg_io_req *req = LG_CONTAINER_OF(op, lg_io_req, ring);
    if (res == -EAGAIN || res == -EINTR) {
        again(req);
        return;
    }
    if (res < 0) {
        lg_io__finish(req, lg_io__status_of(-res));
        return;
    }
    if (req->op == LG_IO_SYNC) {
        lg_io__finish(req, LG_OK);
        return;
    }
    req->progress += (size_t)res;
    if (req->flags & LG_IO_URGENT)
        lg_io__writer_note(req);
    if (req->progress == lg_io__req_len(req))
        lg_io__finish(req, LG_OK);
    else if (res == 0 || req->iovcnt > 0 || req->progress % req->disk->align)
        lg_io__finish(req, LG_IO); /* never seen on a disk; not worth taking a vector apart */
    else
        again(req);
}

const struct lg_io__ops lg_io__uring_ops = {
    .submit = uring_submit,
    .open = lg_io__file_open,
    .close = lg_io__file_close,
    .create = lg_io__file_create,
    .lock = lg_io__file_lock,
    .probe = lg_io__file_probe,
    .pr_register = lg_io__file_pr_register,
    .pr_preempt = lg_io__file_pr_preempt,
    .pr_check = lg_io__file_pr_check,
};
