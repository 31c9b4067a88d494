/* Volume: one or more shared disks seen as files of blocks.
 *
 * DISK LAYOUT  A disk is a row of allocation units (AU, 1 MiB).
 *   AU 0            label (two copies), and on disk 0 the instance slot table (two copies)
 *   AU 1..M         this disk's share of file 0: AU bitmap, and on disk 0 file table and map blocks
 *   then            instance areas (redo thread header, double-write area, log ring), file AUs
 *
 * FILE 0 is the volume's own metadata: ordinary logged blocks, coherent like all others, whose
 * places are computed. Block numbers: disk << 20 | index within that disk's share.
 *   disk 0: 0 header (next file number; AUs being taken, space_file.c) | 1.. map-block bitmap | file table | map blocks
 *   disk d: AU bitmap blocks from LG_VOL_BITMAP_BASE on
 * A file f: file table entry -> root map block -> AU entries {disk, au}; a large file's root also
 * points to further map blocks. File numbers are never reused and AU mappings are only ever added
 * (until the drop), so a cached mapping never goes stale.
 *
 * The volume changes no metadata block: it knows formats and places (pure functions below);
 * storage/space/space_file changes them in mini-transactions. What it does write itself, before any
 * instance runs or under the caller's cluster-wide lock: labels and the instance slot table.
 *
 * BLOCKING  functions that say so block the fiber on disk I/O. lg_volume_locate never blocks.
 * ERRORS    LG_NO_DISK (lg_volume_missing says which), LG_CORRUPT (bad label), LG_INVALID, LG_IO.
 */
#ifndef LG_VOLUME_VOLUME_H
#define LG_VOLUME_VOLUME_H

#include "block.h"
#include "io.h"
#include "run.h"

typedef struct lg_volume lg_volume;

#define LG_VOLUME_AU_BYTES      (1u << 20)
#define LG_VOLUME_MAX_DISKS     32u
#define LG_VOLUME_MAX_INSTANCES 16u

/* ---- life ---- */

typedef struct lg_volume_create_config {
    lg_io *io;
    const char *const *paths; /* devices or existing files, each at least 16 MiB */
    uint32_t disk_count;
    uint32_t block_bytes;    /* 0 = 8192; 4096, 8192, 16384, 32768 */
    uint32_t instances;      /* instance areas to make now; 0 = 1 */
    uint32_t log_files;      /* per redo ring; 0 = 3 (at least 2) */
    uint64_t log_file_bytes; /* whole MiB; 0 = 16 MiB */
    const char *name;
} lg_volume_create_config;

/* Labels the disks and formats file 0 and the instance areas. LG_EXISTS when a disk carries a label
 * already and force is false. LG_DISK_FULL when they are too small. Blocks the fiber. */
LG_MUST lg_status lg_volume_create(const lg_volume_create_config *cfg, bool force);

/* Opens the disks; every disk of the volume must be among the paths (in any order). On LG_NO_DISK
 * ret_missing (may be NULL) names the path or the disk's UUID. Blocks the fiber. */
LG_MUST lg_status lg_volume_open(lg_io *io, const char *const *paths, uint32_t count,
                                 char *ret_missing, size_t missing_size, lg_volume **ret_volume);
void lg_volume_close(lg_volume *v); /* no request in flight; NULL is fine */

uint32_t lg_volume_block_bytes(const lg_volume *v);
uint32_t lg_volume_blocks_per_au(const lg_volume *v);
uint32_t lg_volume_disk_count(const lg_volume *v);
lg_disk *lg_volume_disk(const lg_volume *v, uint32_t disk);
uint32_t lg_volume_disk_aus(const lg_volume *v, uint32_t disk);
const uint8_t *lg_volume_uuid(const lg_volume *v); /* 16 bytes */
lg_io *lg_volume_io(const lg_volume *v);
/* True when every disk writes whole blocks atomically: no double-write area is needed. */
bool lg_volume_atomic_blocks(const lg_volume *v);

/* Growth. Labels the new disk, then raises the generation on all labels. Its bitmap blocks are
 * still unformatted: lg_space_disk_format follows. The caller holds a cluster-wide lock; other
 * instances call lg_volume_refresh. Blocks the fiber. */
LG_MUST lg_status lg_volume_disk_add(lg_volume *v, const char *path, bool force);
LG_MUST lg_status lg_volume_refresh(lg_volume *v, const char *const *new_paths, uint32_t count);

/* ---- instance areas: fixed places, one contiguous run of AUs each ---- */

typedef struct lg_volume_area {
    lg_disk *disk;
    uint64_t header_offset[2]; /* redo thread header copies, 4 KiB each */
    uint64_t dwb_offset;
    uint64_t dwb_bytes;
    uint64_t log_offset; /* the ring: log_files * log_file_bytes */
    uint64_t log_file_bytes;
    uint32_t log_files;
    uint32_t first_au, au_count, disk_index;
} lg_volume_area;

/* LG_NOT_FOUND when the slot (0..15) has no area. */
lg_status lg_volume_instance_area(const lg_volume *v, uint32_t slot, lg_volume_area *ret);
uint32_t lg_volume_instance_aus(const lg_volume *v); /* AUs that an area takes */
/* Records an area made of AUs already allocated (lg_space_instance_add) after zeroing its headers.
 * Idempotent.
 * Blocks the fiber. */
LG_MUST lg_status lg_volume_instance_add(lg_volume *v, uint32_t slot, uint32_t disk,
                                         uint32_t first_au);
/* Reads the slot table again (an instance was added elsewhere). Blocks the fiber. */
LG_MUST lg_status lg_volume_instances_refresh(lg_volume *v);

/* ---- addresses ---- */

typedef struct lg_volume_place {
    lg_disk *disk;
    uint64_t offset;
    uint32_t disk_index;
} lg_volume_place;

/* Where the block lies. LG_OK; LG_NOT_FOUND: *ret_map_block (file 0) must be read (S) and given to
 * lg_volume_map_install, then ask again; LG_INVALID: the block is not mapped (beyond the file's
 * end, as far as the metadata blocks installed last say, or the file was dropped or never made).
 * Never blocks. */
lg_status lg_volume_locate(lg_volume *v, lg_addr addr, lg_volume_place *ret_place,
                           lg_addr *ret_map_block);
/* Decodes a file 0 block asked for by locate for `addr`: its mappings enter the cache. */
LG_MUST lg_status lg_volume_map_install(lg_volume *v, lg_addr addr, lg_addr map_block,
                                        const void *image);
/* After a drop: forgets the file's mappings; locate answers LG_INVALID. */
void lg_volume_map_forget(lg_volume *v, uint32_t file);
/* Recovery looked for blocks by metadata that was not recovered yet: forgets all mappings. */
void lg_volume_maps_forget(lg_volume *v);
/* Blocks mapped as far as the cache knows (0 when unknown). */
uint32_t lg_volume_file_blocks_cached(const lg_volume *v, uint32_t file);

/* Whole-block I/O with checksum and address check. Reading an all-zero block is fine. Blocks the
 * fiber. */
LG_MUST lg_status lg_volume_read_block(lg_volume *v, const lg_volume_place *p, lg_addr addr,
                                       void *image);

typedef struct lg_au {
    uint16_t disk;
    uint32_t au;
} lg_au;

/* Zeroes allocation units, durably: what a file gets reads as never written. Blocks the fiber. */
LG_MUST lg_status lg_volume_aus_zero(lg_volume *v, const lg_au *aus, uint32_t count);
/* AUs at the front of a disk that are taken for good: label and its share of file 0. */
uint32_t lg_volume_disk_fixed_aus(const lg_volume *v, uint32_t disk);

/* ---- formats of file 0, for storage/space/space_file and recovery ---- */

#define LG_VOL_DISK_SHIFT   20
#define LG_VOL_HEADER_BLOCK 0u
/* Kinds: header.type is LG_BLOCK_VOLUME_MAP for all; this is the byte after the block header. */
typedef enum lg_vol_kind {
    LG_VOL_HEADER = 1,
    LG_VOL_MAPBITS = 2, /* which map blocks are taken */
    LG_VOL_TABLE = 3,
    LG_VOL_ROOT = 4,
    LG_VOL_MAP = 5,
    LG_VOL_AUBITS = 6,
} lg_vol_kind;

/* Every file 0 block: block header, then this. `base` and `count`: AUBITS: first AU and number of
 * AUs it covers; MAPBITS likewise in map blocks; TABLE: first file number; ROOT and MAP: file
 * number, AUs mapped in this block. */
typedef struct lg_vol_meta {
    uint8_t kind;
    uint8_t pad[3];
    uint32_t base;
    uint32_t count;
    uint32_t next; /* HEADER: next file number; ROOT: number of further map blocks; AUBITS: search
                      hint */
} lg_vol_meta;
#define LG_VOL_META_OFFSET LG_BLOCK_HEADER_BYTES
#define LG_VOL_DATA_OFFSET (LG_BLOCK_HEADER_BYTES + 16)

/* Geometry: places of things in file 0; pure functions of the block size (and disk sizes). */
lg_addr lg_vol_header_addr(void);
lg_addr lg_vol_aubits_addr(const lg_volume *v, uint32_t disk, uint32_t au);
uint32_t lg_vol_aubits_per_block(uint32_t block_bytes);
lg_addr lg_vol_table_addr(const lg_volume *v, uint32_t file, uint32_t *ret_offset);
lg_addr lg_vol_mapbits_addr(const lg_volume *v, uint32_t map_index);
lg_addr lg_vol_map_addr(const lg_volume *v, uint32_t map_index); /* ROOT and MAP blocks */
uint32_t lg_vol_map_capacity(const lg_volume *v); /* number of map blocks there is room for */
uint32_t lg_vol_files_max(const lg_volume *v);

/* Bitmaps (AUBITS, MAPBITS): bit i at data[i / 8]. First free bit at or after `from`, wrapping
 * round;
 * LG_NOT_FOUND when none. run: that many in a row (no wrap inside the run). */
lg_status lg_vol_bits_find(const void *image, uint32_t from, uint32_t run, uint32_t *ret_bit);
bool lg_vol_bits_test(const void *image, uint32_t bit);
uint32_t lg_vol_bits_free(const void *image);
/* The byte that holds the bit, for an mtr SET. */
uint32_t lg_vol_bits_byte(uint32_t bit, uint8_t *ret_mask);

/* File table entry: u32 at the offset: 0 none, LG_VOL_TABLE_DROPPED, LG_VOL_TABLE_EMPTY: a file
 * without AUs nor a root yet, else map_index + 1 of the root; LG_VOL_TABLE_DROPPING is or-ed in while
 * its AUs are being freed. */
#define LG_VOL_TABLE_DROPPED  UINT32_MAX
#define LG_VOL_TABLE_DROPPING 0x80000000u
#define LG_VOL_TABLE_EMPTY    0x7fffffffu
_Static_assert((LG_VOL_TABLE_EMPTY | LG_VOL_TABLE_DROPPING) == LG_VOL_TABLE_DROPPED,
               "gone at once");

/* AU entry i of a ROOT or MAP block: 8 bytes {u16 disk, u16 0, u32 au}. */
uint32_t lg_vol_root_aus(uint32_t block_bytes);      /* AU entries in a root */
uint32_t lg_vol_root_pointers(uint32_t block_bytes); /* pointers {u32 map_index} to MAP blocks */
uint32_t lg_vol_map_aus(uint32_t block_bytes);       /* AU entries in a MAP block */
uint32_t lg_vol_root_au_offset(uint32_t block_bytes, uint32_t i);
uint32_t lg_vol_root_pointer_offset(uint32_t block_bytes, uint32_t i);
uint32_t lg_vol_map_au_offset(uint32_t i);
static inline uint64_t
lg_vol_au_encode(lg_au a)
{
    return (uint64_t)a.au << 32 | a.disk;
}
static inline lg_au
lg_vol_au_decode(uint64_t e)
{
    return (lg_au){(uint16_t)e, (uint32_t)(e >> 32)};
}

#endif
