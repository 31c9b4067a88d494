/* Real disks: opening, creating, open-locks (OFD locks), persistent reservations. */
#include "assert.h"
#include "io_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/fs.h>
#include <linux/pr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_BASE   (1LL << 61) /* beyond the end of any disk */
#define ZERO_CHUNK  (1u << 20)
#define SCRATCH_MAX (1ULL << 44)

/* A file on the helper thread: plain values only, nothing of the instance. */
struct job {
    const char *path;
    unsigned flags;
    int fd;
    uint64_t size;
    uint32_t align;
    int error;             /* errno or 0 */
    unsigned long request; /* ioctl */
    void *request_arg;
    uint64_t offset; /* discard: of size bytes */
};

/* ---- open ---- */

static int
measure(struct job *j)
{
    struct stat sb;
    if (fstat(j->fd, &sb) != 0)
        return errno;
    j->size = (uint64_t)sb.st_size;
    if (S_ISBLK(sb.st_mode) && ioctl(j->fd, BLKGETSIZE64, &j->size) != 0)
        return errno;
    if (j->flags & LG_DISK_BUFFERED) {
        j->align = 512;
        return 0;
    }
    struct statx sx;
    j->align = 4096;
    if (statx(j->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) == 0 &&
        (sx.stx_mask & STATX_DIOALIGN) && sx.stx_dio_offset_align > 0) {
        uint32_t a = sx.stx_dio_offset_align;
        if (sx.stx_dio_mem_align > a)
            a = sx.stx_dio_mem_align;
        j->align = a < 512 ? 512 : a;
    }
    return 0;
}

/* File systems without nameless files: one that loses its name at once. */
static int
open_unlinked(const char *dir, int mode)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/.lagoon-scratch-XXXXXX", dir) >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = mkostemp(path, O_CLOEXEC | (mode & O_DIRECT));
    if (fd >= 0)
        unlink(path);
    return fd;
}

static int
open_as(const struct job *j, int mode)
{
    if (!(j->flags & LG_DISK_SCRATCH))
        return open(j->path, mode);
    int fd = open(j->path, mode | O_TMPFILE, 0600);
    return fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR) ? open_unlinked(j->path, mode) : fd;
}

static void
open_job(void *arg)
{
    struct job *j = arg;
    int mode = ((j->flags & LG_DISK_READ_ONLY) ? O_RDONLY : O_RDWR) | O_CLOEXEC;
    j->fd = -1;
    if (!(j->flags & LG_DISK_BUFFERED)) {
        j->fd = open_as(j, mode | O_DIRECT);
        if (j->fd < 0 && errno == EINVAL)
            j->flags |= LG_DISK_BUFFERED;
    }
    if (j->fd < 0 && (j->flags & LG_DISK_BUFFERED))
        j->fd = open_as(j, mode);
    j->error = j->fd < 0 ? errno : measure(j);
    if (!j->error && (j->flags & LG_DISK_SCRATCH))
        j->size = SCRATCH_MAX;
}

static void
close_job(void *arg)
{
    close(((struct job *)arg)->fd);
}

lg_status
lg_io__file_open(lg_disk *d)
{
    struct job j = {.path = d->path, .flags = d->flags};
    lg_io__run_blocking(d->io, open_job, &j);
    if (j.error) {
        if (j.fd >= 0)
            close(j.fd);
        return lg_io__status_of(j.error);
    }
    d->fd = j.fd;
    d->flags = j.flags;
    d->size = j.size;
    d->align = j.align;
    return LG_OK;
}

void
lg_io__file_close(lg_disk *d)
{
    struct job j = {.fd = d->fd};
    if (d->flags & LG_DISK_SCRATCH) /* frees what it has on the file system: may take long */
        lg_io__run_blocking(d->io, close_job, &j);
    else
        close(d->fd);
}

static void
discard_job(void *arg)
{
    struct job *j = arg;
    if (fallocate(j->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)j->offset,
                  (off_t)j->size) != 0)
        j->error = errno;
}

lg_status
lg_io__file_discard(lg_disk *d, uint64_t offset, uint64_t len)
{
    struct job j = {.fd = d->fd, .offset = offset, .size = len};
    lg_io__run_blocking(d->io, discard_job, &j);
    if (j.error == EOPNOTSUPP || j.error == ENOSYS)
        return LG_UNSUPPORTED;
    return j.error ? lg_io__status_of(j.error) : LG_OK;
}

/* ---- create ---- */

static int
write_zeros(int fd, uint64_t size)
{
    char *zeros = lg_alloc_aligned(4096, ZERO_CHUNK);
    memset(zeros, 0, ZERO_CHUNK);
    uint64_t at = 0;
    int error = 0;
    while (at < size && !error) {
        size_t n = size - at < ZERO_CHUNK ? (size_t)(size - at) : ZERO_CHUNK;
        ssize_t w = pwrite(fd, zeros, n, (off_t)at);
        if (w > 0)
            at += (uint64_t)w;
        else if (w == 0 || errno != EINTR)
            error = w == 0 ? ENOSPC : errno;
    }
    lg_free(zeros);
    return error;
}

static int
sync_directory_of(const char *path)
{
    char *copy = lg_strdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    lg_free(copy);
    if (fd < 0)
        return errno;
    int error = fsync(fd) != 0 ? errno : 0;
    close(fd);
    return error;
}

static void
create_job(void *arg)
{
    struct job *j = arg;
    int fd = open(j->path, O_RDWR | O_CREAT | O_CLOEXEC | O_DIRECT, 0600);
    if (fd < 0 && errno == EINVAL)
        fd = open(j->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat sb;
    if (fd < 0 || fstat(fd, &sb) != 0) {
        j->error = errno;
    } else if (sb.st_size > 0) {
        j->error = EEXIST;
    } else {
        j->error = posix_fallocate(fd, 0, (off_t)j->size);
        if (!j->error)
            j->error = write_zeros(fd, j->size);
        if (!j->error && fsync(fd) != 0)
            j->error = errno;
        if (!j->error)
            j->error = sync_directory_of(j->path);
    }
    if (fd >= 0)
        close(fd);
}

lg_status
lg_io__file_create(lg_io *io, const char *path, uint64_t size_bytes)
{
    struct job j = {.path = path, .size = size_bytes};
    lg_io__run_blocking(io, create_job, &j);
    return j.error ? lg_io__status_of(j.error) : LG_OK;
}

/* ---- open-lock ---- */

static struct flock
lock_of(uint32_t slot)
{
    return (struct flock){
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_BASE + slot, .l_len = 1};
}

lg_status
lg_io__file_lock(lg_disk *d, uint32_t slot)
{
    struct flock fl = lock_of(slot);
    if (fcntl(d->fd, F_OFD_SETLK, &fl) == 0)
        return LG_OK;
    return errno == EAGAIN || errno == EACCES ? LG_EXISTS : LG_IO;
}

lg_status
lg_io__file_probe(lg_disk *d, uint32_t slot)
{
    struct flock fl = lock_of(slot);
    if (fcntl(d->fd, F_OFD_GETLK, &fl) != 0)
        return LG_IO;
    return fl.l_type == F_UNLCK ? LG_OK : LG_EXISTS;
}

/* ---- persistent reservations ---- */

static void
ioctl_job(void *arg)
{
    struct job *j = arg;
    j->error = ioctl(j->fd, j->request, j->request_arg) != 0 ? errno : 0;
}

static lg_status
pr_ioctl(lg_disk *d, unsigned long request, void *arg)
{
    struct job j = {.fd = d->fd, .request = request, .request_arg = arg};
    lg_io__run_blocking(d->io, ioctl_job, &j);
    if (j.error == EINVAL)
        return LG_UNSUPPORTED;
    return j.error ? lg_io__status_of(j.error) : LG_OK;
}

lg_status
lg_io__file_pr_register(lg_disk *d, uint64_t old_key, uint64_t new_key)
{
    struct pr_registration reg = {.old_key = old_key, .new_key = new_key};
    if (old_key == 0)
        reg.flags = PR_FL_IGNORE_KEY; /* a key left by an earlier life of this node */
    LG_TRY(pr_ioctl(d, IOC_PR_REGISTER, &reg));
    if (new_key == 0)
        return LG_OK;
    struct pr_reservation res = {.key = new_key, .type = PR_WRITE_EXCLUSIVE_ALL_REGS};
    lg_status st = pr_ioctl(d, IOC_PR_RESERVE, &res);
    return st == LG_FENCED ? LG_OK : st; /* reserved by another registrant already */
}

lg_status
lg_io__file_pr_preempt(lg_disk *d, uint64_t own_key, uint64_t victim_key)
{
    struct pr_preempt p = {
        .old_key = victim_key, .new_key = own_key, .type = PR_WRITE_EXCLUSIVE_ALL_REGS};
    lg_status st = pr_ioctl(d, IOC_PR_PREEMPT_ABORT, &p);
    return st == LG_FENCED ? LG_OK : st; /* the victim's key was not there any more */
}

/* linux/pr.h cannot list the keys. But a device answers with a conflict when it is to preempt a key
 * that is not registered (SPC-4 5.13.11.2.4; NVMe base, Reservation Acquire), or to change one from
 * a key that is not ours. */
lg_status
lg_io__file_pr_check(lg_disk *d, uint64_t own_key, uint64_t victim_key)
{
    struct pr_registration reg = {.old_key = own_key, .new_key = own_key};
    LG_TRY(pr_ioctl(d, IOC_PR_REGISTER, &reg));
    struct pr_preempt p = {
        .old_key = victim_key, .new_key = own_key, .type = PR_WRITE_EXCLUSIVE_ALL_REGS};
    lg_status st = pr_ioctl(d, IOC_PR_PREEMPT_ABORT, &p);
    return st == LG_FENCED ? LG_OK : st == LG_OK ? LG_EXISTS : st;
}
