/* Files of the server read and written in order; the calls run on helper threads.
 *
 * A helper thread cannot be cancelled, so that nothing it does may wait for another program: files are opened with
 * O_NONBLOCK (of no effect on regular ones) and the fiber waits for the other end of a FIFO or terminal, as a
 * blocking call would. For a FIFO:
 *   open to read   succeeds without a writer; poll(2) is ready when there are bytes, or when a writer came and went,
 *                  so that it comes before every read: the first waits for a writer, as open(2) would
 *   open to write  ENXIO while there is no reader: tried again until there is one
 */
#include "mem.h"
#include "server_file.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RETRY_MS = 20 };

struct lg_server_file {
    lg_run *run;
    int fd;
    bool fifo;
};

/* One call for a helper thread. */
struct job {
    enum { OPEN, READ, WRITE, CLOSE } what;
    const char *path;
    bool for_writing, fifo;
    int fd;
    void *buf;
    size_t len, done;
    int error;
};

static void
open_file(struct job *j)
{
    struct stat st;
    int flags = O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    j->fd = j->for_writing ? open(j->path, O_WRONLY | O_CREAT | O_TRUNC | flags, 0644)
                           : open(j->path, O_RDONLY | flags);
    j->error = j->fd < 0 ? errno : 0;
    bool known = j->fd < 0 ? j->error == ENXIO && stat(j->path, &st) == 0 : fstat(j->fd, &st) == 0;
    j->fifo = known && S_ISFIFO(st.st_mode);
    if (j->fd >= 0 && known && S_ISDIR(st.st_mode)) {
        close(j->fd);
        j->error = EISDIR;
    }
}

static void
do_job(void *arg)
{
    struct job *j = arg;
    ssize_t n = 0;
    switch (j->what) {
    case OPEN:
        open_file(j);
        return;
    case READ:
        do
            n = read(j->fd, j->buf, j->len);
        while (n < 0 && errno == EINTR);
        j->error = n < 0 ? errno : 0;
        j->done = n > 0 ? (size_t)n : 0;
        return;
    case WRITE:
        while (j->done < j->len) {
            n = write(j->fd, (const char *)j->buf + j->done, j->len - j->done);
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0) {
                j->error = n < 0 ? errno : ENOSPC;
                return;
            }
            j->done += (size_t)n;
        }
        return;
    case CLOSE:
        j->error = close(j->fd) < 0 ? errno : 0;
        return;
    }
}

static lg_status
run_job(lg_run *run, struct job *j, int *ret_errno)
{
    j->error = 0;
    lg_run_offload(run, do_job, j);
    *ret_errno = j->error;
    return j->error ? LG_IO : LG_OK;
}

static lg_status
wait_ready(lg_server_file *f, short events)
{
    return lg_run_wait_fd(f->run, f->fd, events, LG_WAIT_COPY_FILE, LG_FOREVER);
}

lg_status
lg_server_file_open(lg_run *run, const char *path, bool write, lg_server_file **ret_file,
                    int *ret_errno)
{
    struct job j = {.what = OPEN, .path = path, .for_writing = write, .fd = -1};
    lg_status st;
    while ((st = run_job(run, &j, ret_errno)) != LG_OK && j.fifo && j.error == ENXIO)
        LG_TRY(lg_fiber_sleep_until(lg_run_now_ns(run) + RETRY_MS * LG_MS, LG_WAIT_COPY_FILE));
    LG_TRY(st);
    lg_server_file *f = *ret_file = lg_alloc(sizeof *f);
    f->run = run;
    f->fd = j.fd;
    f->fifo = j.fifo;
    return LG_OK;
}

lg_status
lg_server_file_read(lg_server_file *f, void *buf, size_t cap, size_t *ret_n, int *ret_errno)
{
    struct job j = {.what = READ, .fd = f->fd, .buf = buf, .len = cap};
    *ret_n = 0;
    *ret_errno = 0;
    if (f->fifo)
        LG_TRY(wait_ready(f, POLLIN));
    lg_status st;
    while ((st = run_job(f->run, &j, ret_errno)) != LG_OK && j.error == EAGAIN)
        LG_TRY(wait_ready(f, POLLIN));
    *ret_n = j.done;
    return st;
}

lg_status
lg_server_file_write(lg_server_file *f, const void *data, size_t len, int *ret_errno)
{
    struct job j = {.what = WRITE, .fd = f->fd, .buf = (void *)(uintptr_t)data, .len = len};
    lg_status st;
    while ((st = run_job(f->run, &j, ret_errno)) != LG_OK && j.error == EAGAIN) { /* done: so far */
        *ret_errno = 0;
        LG_TRY(wait_ready(f, POLLOUT));
    }
    return st;
}

lg_status
lg_server_file_close(lg_server_file *f, int *ret_errno)
{
    if (!f)
        return LG_OK;
    struct job j = {.what = CLOSE, .fd = f->fd};
    lg_status st = run_job(f->run, &j, ret_errno);
    lg_free(f);
    return st;
}
