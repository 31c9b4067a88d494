/* Requests as system calls on helper threads: a fiber per request hands it over and waits. */
#include "assert.h"
#include "io_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

struct call {
    lg_io_op op;
    int fd;
    uint64_t offset;
    struct iovec one;
    const struct iovec *iov;
    int iovcnt;
    int rw_flags;
    size_t len;
    int error;
};

static void
call_job(void *arg)
{
    struct call *c = arg;
    ssize_t n;
    do {
        if (c->op == LG_IO_SYNC)
            n = fdatasync(c->fd);
        else if (c->op == LG_IO_READ)
            n = preadv2(c->fd, c->iov, c->iovcnt, (off_t)c->offset, 0);
        else
            n = pwritev2(c->fd, c->iov, c->iovcnt, (off_t)c->offset, c->rw_flags);
    } while (n < 0 && errno == EINTR);
    c->error = n < 0 ? errno : c->op != LG_IO_SYNC && (size_t)n != c->len ? EIO : 0;
}

static void
call_fiber(void *arg)
{
    lg_io_req *req = arg;
    lg_io *io = req->disk->io;
    struct call c = {.op = req->op,
                     .fd = req->disk->fd,
                     .offset = req->offset,
                     .one = {req->buf, req->len},
                     .rw_flags = (req->flags & LG_IO_LAZY) ? 0 : RWF_DSYNC,
                     .len = lg_io__req_len(req)};
    c.iov = req->iovcnt > 0 ? req->iov : &c.one;
    c.iovcnt = req->iovcnt > 0 ? req->iovcnt : 1;
    lg_run_offload(io->run, call_job, &c);
    lg_io__finish(req, c.error ? lg_io__status_of(c.error) : LG_OK);
}

static void
finish_posted(void *arg)
{
    lg_io__finish(arg, LG_NO_MEMORY);
}

static void
posix_submit(lg_io_req *req)
{
    lg_run *r = req->disk->io->run;
    if (lg_run_spawn(r, "posix io", 0, call_fiber, req, NULL) != LG_OK)
        lg_run_post(r, finish_posted, req);
}

const struct lg_io__ops lg_io__posix_ops = {
    .submit = posix_submit,
    .open = lg_io__file_open,
    .close = lg_io__file_close,
    .create = lg_io__file_create,
    .lock = lg_io__file_lock,
    .probe = lg_io__file_probe,
    .pr_register = lg_io__file_pr_register,
    .pr_preempt = lg_io__file_pr_preempt,
    .pr_check = lg_io__file_pr_check,
};
