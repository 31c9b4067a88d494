/* Temporary files: what a statement keeps that does not fit into its memory.
 *
 * WHERE     A local directory of the instance, not the shared volume: nobody else reads these
 * bytes, so they need no redo, no coherence, no fencing and no recovery. All temporary files of an
 * instance share one scratch file without a name (LG_DISK_SCRATCH), cut into extents: when the
 * process ends, however it ends, the system frees all of it.
 * LIFE      lg_temp (instance) -> lg_temp_owner (session) -> lg_temp_file -> lg_temp_reader.
 *
 *   WRITING --seal--> SEALED        write appends; readers may be opened in both states and see
 *      \_________________\_ close   what was appended before they read
 *
 * INVARIANTS
 *   1. An extent belongs to at most one file; it is free again only when no request of that file
 *      is in flight (close waits).
 *   2. Bytes [0, durable) of a file are on the device or were refused (then the file's status says
 *      so and every later call gives it); bytes [durable, size) are in its buffers.
 *   3. owner->used_bytes is the sum of what its files have written; above limit_bytes no write.
 *   4. At most 64 MiB of free extents keep their space: beyond that a file that is closed gives
 *      its extents back to the file system (a hole), and when the last extent is free the scratch
 *      file is closed.
 *
 * MEMORY    A file has two buffers while it is written, a reader two windows: one in use and one
 * in flight. Their size is the caller's choice; sealed files keep none.
 * BLOCKING  everything but lg_temp_file_size may block the fiber, on local I/O only.
 * ERRORS    LG_IO, LG_DISK_FULL, LG_LIMIT (temp_file_limit), LG_NO_DISK (no such directory).
 *           Fault points: temp_open, temp_write, temp_read. */
#ifndef LG_STORAGE_TEMP_H
#define LG_STORAGE_TEMP_H

#include "io.h"
#include "run.h"

typedef struct lg_temp lg_temp;
typedef struct lg_temp_file lg_temp_file;
typedef struct lg_temp_reader lg_temp_reader;

#define LG_TEMP_PAGE         8192u /* unit of the counters, as PostgreSQL's blocks */
#define LG_TEMP_BUFFER_MIN   8192u
#define LG_TEMP_BUFFER_MAX   (256u << 10)
#define LG_TEMP_EXTENT_BYTES (256u << 10)

/* Whoever temporary files are charged to: a session. Counters only rise; the user may read them
 * and write limit_bytes, timing and closed. */
typedef struct lg_temp_owner {
    lg_list files;
    uint64_t limit_bytes; /* 0: none */
    uint64_t used_bytes;
    uint64_t pages_written, pages_read;
    lg_time write_ns, read_ns; /* waited for; when timing */
    uint64_t files_made, bytes_made;
    bool timing;
    void (*closed)(void *arg,
                   uint64_t bytes); /* a file of it is gone; may be NULL; set by the user */
    void *arg;
} lg_temp_owner;

void lg_temp_owner_init(lg_temp_owner *o);
/* Closes what is still open: there is nothing then unless a statement was abandoned. */
void lg_temp_owner_fini(lg_temp_owner *o);

/* dir: an existing directory. Nothing is opened before the first file is made. */
LG_MUST lg_status lg_temp_create(lg_run *run, const char *dir, lg_temp **ret_temp);
void lg_temp_destroy(lg_temp *t); /* no files are open; NULL is fine */

typedef struct lg_temp_info {
    const char *dir;
    uint64_t files, bytes;              /* in use now */
    uint64_t bytes_kept;                /* free, not given back to the file system */
    uint64_t files_made, bytes_written; /* since the start */
} lg_temp_info;
void lg_temp_info_get(const lg_temp *t, lg_temp_info *ret);

/* buffer_bytes is rounded to a power of two between the limits above. */
LG_MUST lg_status lg_temp_file_create(lg_temp *t, lg_temp_owner *o, uint32_t buffer_bytes,
                                      lg_temp_file **ret_file);
LG_MUST lg_status lg_temp_file_write(lg_temp_file *f, const void *data, size_t len);
/* Nothing is appended any more: writes the rest and gives the buffers back. */
LG_MUST lg_status lg_temp_file_seal(lg_temp_file *f);
uint64_t lg_temp_file_size(const lg_temp_file *f);
void lg_temp_file_close(lg_temp_file *f); /* with its last reader; NULL is fine */

/* Reads from `offset` on. */
LG_MUST lg_status lg_temp_reader_open(lg_temp_file *f, uint64_t offset, uint32_t window_bytes,
                                      lg_temp_reader **ret_reader);
/* The next len bytes: all of them or an error. LG_END: none are left. */
LG_MUST lg_status lg_temp_read(lg_temp_reader *r, void *buf, size_t len);
void lg_temp_reader_seek(lg_temp_reader *r, uint64_t offset);
uint64_t lg_temp_reader_tell(const lg_temp_reader *r);
void lg_temp_reader_close(lg_temp_reader *r); /* NULL is fine */

#endif
