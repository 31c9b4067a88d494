/* Files of the server read and written in order; the calls run on helper threads. */
#include "mem.h"
#include "server_file.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct lg_server_file {
    lg_run *run;
    int fd;
};

/* One call for a helper thread. */
struct job {
    enum { OPEN, READ, WRITE, CLOSE } what;
    const char *path;
    bool for_writing;
    int fd;
    void *buf;
    size_t len, done;
    int error;
};

static void
open_file(struct job *j)
{
    struct stat st;
    j->fd = j->for_writing ? open(j->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)
                           : open(j->path, O_RDONLY | O_CLOEXEC);
    j->error = j->fd < 0 ? errno : 0;
    if (j->fd >= 0 && fstat(j->fd, &st) == 0 && S_ISDIR(st.st_mode)) {
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
    lg_run_offload(run, do_job, j);
    *ret_errno = j->error;
    return j->error ? LG_IO : LG_OK;
}

lg_status
lg_server_file_open(lg_run *run, const char *path, bool write, lg_server_file **ret_file,
                    int *ret_errno)
{
    struct job j = {.what = OPEN, .path = path, .for_writing = write, .fd = -1};
    LG_TRY(run_job(run, &j, ret_errno));
    lg_server_file *f = *ret_file = lg_alloc(sizeof *f);
    f->run = run;
    f->fd = j.fd;
    return LG_OK;
}

lg_status
lg_server_file_read(lg_server_file *f, void *buf, size_t cap, size_t *ret_n, int *ret_errno)
{
    struct job j = {.what = READ, .fd = f->fd, .buf = buf, .len = cap};
    lg_status st = run_job(f->run, &j, ret_errno);
    *ret_n = j.done;
    return st;
}

lg_status
lg_server_file_write(lg_server_file *f, const void *data, size_t len, int *ret_errno)
{
    struct job j = {.what = WRITE, .fd = f->fd, .buf = (void *)(uintptr_t)data, .len = len};
    return run_job(f->run, &j, ret_errno);
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
