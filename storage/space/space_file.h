/* Files of the volume: made, extended and dropped in mini-transactions on file 0 (formats:
 * volume.h).
 *
 * All functions block the fiber; no latch may be held. LG_DISK_FULL comes before any change. Fault point:
 * space_file_taken, when AUs are taken and not yet mapped.
 */
#ifndef LG_SPACE_SPACE_FILE_H
#define LG_SPACE_SPACE_FILE_H

#include "buf.h"

/* A new file with `aus` allocation units (may be 0). Not transactional: a creator that fails later
 * drops it. */
LG_MUST lg_status lg_space_file_create(lg_buf_cache *c, uint32_t aus, uint32_t *ret_file);
/* A number and an entry in the table, nothing else: costs 4 bytes until it is extended. */
LG_MUST lg_status lg_space_file_reserve(lg_buf_cache *c, uint32_t *ret_file);
/* The first AU, unless it has one already (another instance was faster: LG_OK too). */
LG_MUST lg_status lg_space_file_begin(lg_buf_cache *c, uint32_t file);
/* At the start of an instance, before it extends a file: AUs that an earlier life had taken and not yet
 * given to a file. */
LG_MUST lg_status lg_space_taken_return(lg_buf_cache *c);
/* Adds AUs at the end, round robin over the disks. ret_blocks (may be NULL): the file's blocks
 * after. A
 * partial extension (disk filled up on the way) returns LG_DISK_FULL and keeps nothing of it. */
LG_MUST lg_status lg_space_file_extend(lg_buf_cache *c, uint32_t file, uint32_t aus,
                                       uint32_t *ret_blocks);
/* Blocks that the file has. LG_NOT_FOUND: no such file. */
LG_MUST lg_status lg_space_file_blocks(lg_buf_cache *c, uint32_t file, uint32_t *ret_blocks);
/* From here on the file is being dropped, whoever dies (the redo that says so is durable): no
 * instance can locate its blocks anew, nobody can extend it. Idempotent. LG_NOT_FOUND: already gone. */
LG_MUST lg_status lg_space_file_drop_begin(lg_buf_cache *c, uint32_t file);
/* Frees the AUs. All other instances have called lg_buf_drop_file after lg_space_file_drop_begin
 * (both are done here for this one). Restartable: a drop cut short is finished by the next call,
 * also by another instance at the same time. LG_NOT_FOUND: already gone. Fault point:
 * space_file_drop, before each step. */
LG_MUST lg_status lg_space_file_drop(lg_buf_cache *c, uint32_t file);
/* Drops cut short by a crash: finishes them all. forget: has all other instances call
 * lg_buf_drop_file; NULL when there are none. LG_CORRUPT: all but those whose metadata is bad. */
LG_MUST lg_status lg_space_files_sweep(lg_buf_cache *c,
                                       lg_status (*forget)(void *arg, uint32_t file), void *arg);

/* The next file after *file that has a root (so perhaps AUs), also one that is being dropped. LG_END. */
LG_MUST lg_status lg_space_file_next(lg_buf_cache *c, uint32_t *file);

/* Formats the AU bitmap of a disk added by lg_volume_disk_add. Idempotent. */
LG_MUST lg_status lg_space_disk_format(lg_buf_cache *c, uint32_t disk);
/* Allocates and records the area of a further instance slot. LG_EXISTS when it has one. */
LG_MUST lg_status lg_space_instance_add(lg_buf_cache *c, uint32_t slot);

typedef struct lg_space_usage {
    uint64_t total_aus, free_aus;
} lg_space_usage;
LG_MUST lg_status lg_space_disk_usage(lg_buf_cache *c, uint32_t disk, lg_space_usage *ret);

#endif
