/* What the files of storage/volume share: on-disk label and slot table, the open volume. */
#ifndef LG_VOLUME_VOLUME_INTERNAL_H
#define LG_VOLUME_VOLUME_INTERNAL_H

#include "map.h"
#include "volume.h"

#define LG_VOL_LABEL_MAGIC  0x31304b5349444c47ULL /* "GLDISK01" */
#define LG_VOL_SLOTS_MAGIC  0x3130544f4c534c47ULL
#define LG_VOL_FORMAT       1u
#define LG_VOL_LABEL_BYTES  4096u
#define LG_VOL_LABEL_OFFSET 0u     /* the copy follows */
#define LG_VOL_SLOTS_OFFSET 65536u /* on disk 0; the copy at twice that */

/* Indexes within a disk's share of file 0. Table and map blocks on disk 0 only. */
#define LG_VOL_MAPBITS_INDEX 1u
#define LG_VOL_MAPBITS_MAX   8u
#define LG_VOL_AUBITS_INDEX  16u
#define LG_VOL_AUBITS_MAX    112u
#define LG_VOL_TABLE_INDEX   128u
#define LG_VOL_TABLE_MAX     384u
#define LG_VOL_MAP_INDEX     512u

struct lg_vol__disk_entry {
    uint8_t uuid[16];
    uint32_t aus;
    uint32_t meta_aus;
};

struct lg_vol__label {
    uint64_t magic;
    uint32_t crc; /* of the 4 KiB with this field zero */
    uint32_t format;
    uint8_t volume_uuid[16];
    uint64_t generation;
    uint32_t disk_index;
    uint32_t disk_count;
    uint32_t block_bytes;
    uint32_t au_bytes;
    uint64_t log_file_bytes;
    uint32_t log_files;
    uint32_t dwb_bytes;
    char name[64];
    struct lg_vol__disk_entry disks[LG_VOLUME_MAX_DISKS];
};
_Static_assert(sizeof(struct lg_vol__label) <= LG_VOL_LABEL_BYTES, "label");

struct lg_vol__slots {
    uint64_t magic;
    uint32_t crc;
    uint32_t pad;
    uint64_t seq;
    struct {
        uint32_t present;
        uint32_t disk;
        uint32_t first_au;
        uint32_t pad;
    } slot[LG_VOLUME_MAX_INSTANCES];
};
_Static_assert(sizeof(struct lg_vol__slots) <= LG_VOL_LABEL_BYTES, "slot table");

/* Cached mapping of one file: AU number -> lg_vol_au_encode, 0 unknown. */
struct lg_vol__file {
    uint32_t root;
    uint32_t au_room;
    uint64_t *au;
    uint32_t pointer_count;
    uint32_t *pointers;
    uint32_t aus_seen; /* count in the root when it was read last */
};

struct lg_volume {
    lg_io *io;
    struct lg_vol__label label; /* disk_index is meaningless here */
    struct lg_vol__slots slots;
    lg_disk *disks[LG_VOLUME_MAX_DISKS];
    bool atomic;
    lg_map *files; /* file number -> struct lg_vol__file */
};

/* label: disks[0].meta_aus holds. Sizes of the share of file 0. */
uint32_t lg_vol__meta_aus(uint32_t block_bytes, uint32_t disk_index, uint32_t disk_aus);
/* How many map blocks disk 0 has room for. */
uint32_t lg_vol__map_blocks(uint32_t block_bytes, uint32_t disk0_aus);
void lg_vol__files_free(lg_volume *v);
LG_MUST lg_status lg_vol__label_write(lg_disk *d, const struct lg_vol__label *label,
                                      uint32_t disk_index);
LG_MUST lg_status lg_vol__label_read(lg_disk *d, struct lg_vol__label *ret);
LG_MUST lg_status lg_vol__slots_write(lg_disk *d, struct lg_vol__slots *slots);
LG_MUST lg_status lg_vol__zero(lg_disk *d, uint64_t offset, uint64_t bytes);
void lg_vol__meta_init(void *image, uint32_t block_bytes, lg_addr addr, lg_vol_kind kind,
                       uint32_t base, uint32_t count);

#endif
