/* Disks: shared block devices or preallocated files, read and written directly (O_DIRECT).
 *
 * LIFE      lg_io (one per instance, on its worker) -> lg_disk (open) -> requests.
 *           Close a disk only when it has no request in flight; it asserts that.
 * BACK ENDS io_uring on the worker's ring; posix (pread/pwrite on helper threads) for kernels
 * without it; the simulated disk (sim_disk.h) when the run is simulated: paths are then names.
 * BLOCKING  lg_io_submit never blocks and may be called from a fiber or from the native stack;
 *           done() runs on the worker's native stack and must not block. lg_disk_x functions block
 *           the calling fiber.
 * ALIGNMENT offset, length and memory of a request are multiples of lg_disk_align() (512 or 4096).
 *           lg_io_buf_alloc gives memory that always fits.
 *
 * DURABILITY (docs: README.md) A write is durable when it completes, unless it was marked
 * LG_IO_LAZY: then the first sync of that disk that was submitted after its completion makes it so.
 * One redo write = one durable write; a batch of block writes = lazy writes, then one sync.
 * A power loss tears writes at 512 bytes: any subset of the sectors of a write in flight may land.
 *
 * FENCING   Invariant 6 has three nets here. (a) The write gate: asked before each write (and each
 * sync) goes to the device; the instance checks its lease there. (b) Persistent reservations, where
 * the device has them: the device itself refuses. (c) The open-lock: held as long as the open file
 * is referenced, and that includes each request in the kernel; when it has fallen, nothing of the
 * dead process can still reach the disk. A refused write completes with LG_FENCED.
 *
 * ERRORS    LG_IO (device error, past the end), LG_FENCED, LG_DISK_FULL, LG_NO_DISK, LG_INVALID.
 * Fault points: io_read, io_write, io_sync (return a status in place of the operation).
 */
#ifndef LG_STORAGE_IO_H
#define LG_STORAGE_IO_H

#include "run.h"
#include <sys/uio.h>

typedef struct lg_io lg_io;
typedef struct lg_disk lg_disk;
typedef struct lg_io_req lg_io_req;

typedef enum lg_io_backend { LG_IO_AUTO, LG_IO_URING, LG_IO_POSIX } lg_io_backend;

LG_MUST lg_status lg_io_create(lg_run *r, lg_io_backend backend, lg_io **ret_io);
void lg_io_destroy(lg_io *io); /* its disks must be closed; NULL is fine */

/* fn answers LG_OK when a write may go out now; anything else completes the write with LG_FENCED.
 * It must not block and may be asked on any thread. NULL takes the gate away (an instance without a
 * cluster); neither while a write is in flight. */
void lg_io_set_write_gate(lg_io *io, lg_status (*fn)(void *arg), void *arg);

/* Memory that reads and writes of this range shall use without mapping it each time (the buffer
 * cache, the log buffer). Optional; at most 16 ranges, which live as long as the lg_io. */
void lg_io_register_memory(lg_io *io, void *base, size_t bytes);

void *lg_io_buf_alloc(size_t bytes); /* 4 KiB aligned; lg_free */

/* ---- disks ---- */

#define LG_DISK_READ_ONLY 1u
#define LG_DISK_BUFFERED  2u /* not O_DIRECT: file systems without it (tmpfs) */
/* A scratch file without a name in the directory `path`: it ends with the process, however that
 * ends. It grows as it is written (lg_disk_size: how far it may); closing it may block the fiber. */
#define LG_DISK_SCRATCH 4u

/* Opens a device or file. LG_NO_DISK when it is not there. O_DIRECT is given up by itself where the
 * file system refuses it. */
LG_MUST lg_status lg_disk_open(lg_io *io, const char *path, unsigned flags, lg_disk **ret_disk);
void lg_disk_close(lg_disk *d); /* NULL is fine */
/* Makes a file of that size, filled with zeros (so that later writes change no metadata), durable
 * together with its name. LG_EXISTS when a non-empty file is there. */
LG_MUST lg_status lg_disk_create(lg_io *io, const char *path, uint64_t size_bytes);
/* Gives what a scratch file has there back to the file system; reads as zeros then. Blocks the
 * fiber. LG_UNSUPPORTED: the file system cannot. */
LG_MUST lg_status lg_disk_discard(lg_disk *d, uint64_t offset, uint64_t len);
uint64_t lg_disk_size(const lg_disk *d);
uint32_t lg_disk_align(const lg_disk *d);
uint32_t lg_disk_atomic_bytes(const lg_disk *d); /* largest write that is never torn; 0: unknown */
const char *lg_disk_path(const lg_disk *d);
int lg_disk_fd(const lg_disk *d); /* -1 in simulation */

/* ---- requests ---- */

typedef enum lg_io_op { LG_IO_READ, LG_IO_WRITE, LG_IO_SYNC } lg_io_op;

#define LG_IO_LAZY 1u /* a write that a later sync makes durable */
/* A durable write that somebody waits for (a commit's redo), with `buf`: goes by a thread with the
 * worker's priority when the kernel's own have to wait for a processor (io_writer.c). */
#define LG_IO_URGENT 2u

struct lg_io_req {
    /* the caller fills these in; they stay untouched */
    lg_disk *disk;
    lg_io_op op;
    unsigned flags;
    uint64_t offset;
    void *buf; /* or iov */
    size_t len;
    const struct iovec *iov; /* iovcnt > 0: a scattered read or write; lives until done */
    int iovcnt;
    void (*done)(lg_io_req *req, lg_status st);
    void *arg;
    /* private */
    lg_ring_op ring;
    size_t progress;
    lg_status status;
    lg_time since;     /* submitted */
    lg_time urgent_at; /* the same, exactly: of LG_IO_URGENT */
    bool by_thread;
    lg_list flying;
    struct iovec one;
    lg_list link;
    void *back;
};

void lg_io_submit(lg_io_req *req);
/* When the oldest request that has not come back was submitted; 0: there is none. A request has no
 * deadline of its own: the device may still be using its memory. */
lg_time lg_io_oldest(const lg_io *io);

/* Blocking forms: not cancelable, no deadline; waits are charged to `event`. */
LG_MUST lg_status lg_disk_read(lg_disk *d, uint64_t offset, void *buf, size_t len, lg_wait event);
LG_MUST lg_status lg_disk_write(lg_disk *d, uint64_t offset, const void *buf, size_t len,
                                unsigned flags, lg_wait event);
LG_MUST lg_status lg_disk_sync(lg_disk *d, lg_wait event);

/* ---- open-lock ---- */

/* Takes the lock of `slot` (the node number) on the disk, held until it is closed and its last
 * request is out of the kernel, also when the process is killed. LG_EXISTS: another open file holds
 * it. Locks of different slots do not conflict. They are seen by processes on the same machine. */
LG_MUST lg_status lg_disk_lock(lg_disk *d, uint32_t slot);
/* LG_OK: nobody holds the lock of `slot`; LG_EXISTS: somebody does (also this process). */
LG_MUST lg_status lg_disk_lock_probe(lg_disk *d, uint32_t slot);

/* ---- persistent reservations (SCSI-3, NVMe; linux/pr.h) ---- */

/* LG_UNSUPPORTED when the device has none, from each of these. Blocking. Keys are never 0. */
LG_MUST lg_status lg_disk_pr_register(lg_disk *d, uint64_t key); /* and reserve for registrants */
LG_MUST lg_status lg_disk_pr_unregister(lg_disk *d, uint64_t key);
/* Throws the victim's key out and aborts what it has in flight. LG_OK also when it is not there. */
LG_MUST lg_status lg_disk_pr_preempt(lg_disk *d, uint64_t own_key, uint64_t victim_key);
/* What the device itself says afterwards. LG_OK: our key is registered, the victim's is not.
 * LG_EXISTS: the victim's was still there. LG_FENCED: ours is not. */
LG_MUST lg_status lg_disk_pr_check(lg_disk *d, uint64_t own_key, uint64_t victim_key);

#endif
