/* What the files of storage/io share. */
#ifndef LG_STORAGE_IO_INTERNAL_H
#define LG_STORAGE_IO_INTERNAL_H

#include "io.h"

#define LG_IO_MAX_RANGES 16
#define LG_IO_WRITERS    4

typedef struct lg_io__writer lg_io__writer; /* io_writer.c */

struct lg_io__ops {
    void (*submit)(lg_io_req *req); /* checked and let through by the gate */
    lg_status (*open)(lg_disk *d);
    void (*close)(lg_disk *d);
    lg_status (*create)(lg_io *io, const char *path, uint64_t size_bytes);
    lg_status (*lock)(lg_disk *d, uint32_t slot);
    lg_status (*probe)(lg_disk *d, uint32_t slot);
    lg_status (*pr_register)(lg_disk *d, uint64_t old_key, uint64_t new_key);
    lg_status (*pr_preempt)(lg_disk *d, uint64_t own_key, uint64_t victim_key);
    lg_status (*pr_check)(lg_disk *d, uint64_t own_key, uint64_t victim_key);
};

struct lg_io {
    lg_run *run;
    const struct lg_io__ops *ops;
    lg_faults *faults;
    lg_status (*gate)(void *arg);
    void *gate_arg;
    unsigned disks;
    lg_list inflight; /* requests in the order in which they were submitted */
    unsigned ranges;
    struct iovec range[LG_IO_MAX_RANGES];
    int range_slot[LG_IO_MAX_RANGES]; /* in the ring's buffer table; -1: not registered */
    bool table_made;
    unsigned writer_count;
    lg_io__writer *writer[LG_IO_WRITERS];
    uint32_t urgent_count;
    lg_time pace[2]; /* of urgent writes by the ring, by a thread: smoothed; 0: none yet */
};

#define LG_DISK_NO_SLOT UINT32_MAX

struct lg_disk {
    lg_io *io;
    char *path;
    unsigned flags;
    int fd;
    uint64_t size;
    uint32_t align;
    uint32_t atomic;
    unsigned inflight;
    uint32_t lock_slot;
    uint64_t pr_key;
    void *sim; /* sim_disk.c */
};

extern const struct lg_io__ops lg_io__uring_ops;
extern const struct lg_io__ops lg_io__posix_ops;
extern const struct lg_io__ops lg_io__sim_ops;

/* Every request ends here, on the native stack or in a fiber of the worker. */
void lg_io__finish(lg_io_req *req, lg_status st);
lg_status lg_io__gate(lg_disk *d); /* LG_OK or LG_FENCED; on any thread */
lg_status lg_io__status_of(int error);
size_t lg_io__req_len(const lg_io_req *req);
/* In a fiber on a helper thread, else in place. */
void lg_io__run_blocking(lg_io *io, void (*fn)(void *arg), void *arg);

/* io_writer.c. False: the ring is better, or no thread is free. The request ends in its ring.fn, as
 * from the ring, and there how long it took is noted. */
bool lg_io__writer_take(lg_io_req *req);
void lg_io__writer_note(const lg_io_req *req);
void lg_io__writers_stop(lg_io *io); /* none is busy */

/* disk_file.c: what uring and posix share */
lg_status lg_io__file_open(lg_disk *d);
void lg_io__file_close(lg_disk *d);
lg_status lg_io__file_discard(lg_disk *d, uint64_t offset, uint64_t len);
lg_status lg_io__file_create(lg_io *io, const char *path, uint64_t size_bytes);
lg_status lg_io__file_lock(lg_disk *d, uint32_t slot);
lg_status lg_io__file_probe(lg_disk *d, uint32_t slot);
lg_status lg_io__file_pr_register(lg_disk *d, uint64_t old_key, uint64_t new_key);
lg_status lg_io__file_pr_preempt(lg_disk *d, uint64_t own_key, uint64_t victim_key);
lg_status lg_io__file_pr_check(lg_disk *d, uint64_t own_key, uint64_t victim_key);

#endif
