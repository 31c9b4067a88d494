/* Block: the unit of coherence, redo and I/O. 8 KiB by default, 4 to 32 KiB at volume creation.
 *
 * Every block of every file begins with lg_block_header. Its version {scn 48, seq 16} strictly
 * increases with every logged change, whichever instance makes it: the total order of the block's
 * history, over which redo threads are merged. The checksum is computed when a block leaves memory
 * (disk or wire) and verified at every read and every arrival.
 *
 * All integers on disk are little-endian; the build asserts the host is.
 */
#ifndef LG_BLOCK_BLOCK_H
#define LG_BLOCK_BLOCK_H

#include "scn.h"
#include "status.h"
#include <stddef.h>
#include <stdint.h>

typedef struct lg_addr {
    uint32_t file; /* file number in the volume, never reused; 0 is the volume's own metadata */
    uint32_t block;
} lg_addr;

#define LG_ADDR_NONE ((lg_addr){0, UINT32_MAX})

static inline uint64_t
lg_addr_key(lg_addr a)
{
    return (uint64_t)a.file << 32 | a.block;
}

static inline lg_addr
lg_addr_from_key(uint64_t key)
{
    return (lg_addr){(uint32_t)(key >> 32), (uint32_t)key};
}

typedef enum lg_block_type {
    LG_BLOCK_FREE = 0, /* never formatted: all zero on disk */
    LG_BLOCK_VOLUME_MAP = 1,
    LG_BLOCK_SEGMENT_HEADER = 2,
    LG_BLOCK_SPACE_MAP = 3,
    LG_BLOCK_UNDO_HEADER = 4,
    LG_BLOCK_UNDO = 5,
    LG_BLOCK_HEAP = 6,
    LG_BLOCK_LARGE = 7, /* out-of-line values */
    LG_BLOCK_BTREE = 8,
    LG_BLOCK_SEQUENCE = 9,
    LG_BLOCK_CONTROL = 10, /* what must be known before the catalog: core/instance */
} lg_block_type;

typedef struct lg_block_header {
    uint32_t crc; /* crc32c of the block with this field zero */
    uint8_t type;
    uint8_t flags;
    uint16_t reserved;
    lg_version version; /* 0 only while never written */
    uint32_t file;
    uint32_t block;
    uint64_t reserved2;
} lg_block_header;

_Static_assert(sizeof(lg_block_header) == 32, "block header");
#define LG_BLOCK_HEADER_BYTES 32

/* Sets the checksum. */
void lg_block_seal(void *block, uint32_t block_bytes);
/* LG_OK; LG_CORRUPT when checksum or address differ. An all-zero block is a valid FREE block. */
LG_MUST lg_status lg_block_verify(const void *block, uint32_t block_bytes, lg_addr expected);

static inline lg_version
lg_block_version(const void *block)
{
    return ((const lg_block_header *)block)->version;
}

/* ---- change vectors: the byte operations of redo, applied to block images ---- */

typedef enum lg_change_op {
    LG_CHANGE_SET = 1,    /* {off u16, len u16, bytes} */
    LG_CHANGE_MOVE = 2,   /* {dst u16, src u16, len u16}: memmove */
    LG_CHANGE_FILL = 3,   /* {off u16, len u16, byte u8} */
    LG_CHANGE_FORMAT = 4, /* {type u8, file u32, block u32}: zero the whole block, set the header */
} lg_change_op;

/* Applies the encoded operations to the image and sets its version to `after`. LG_CORRUPT when an
 * operation leaves the block. Does not compare versions: redo/recovery do. */
LG_MUST lg_status lg_change_apply(void *block, uint32_t block_bytes, const void *ops,
                                  uint32_t ops_len, lg_version after);
/* The operations begin with FORMAT: they can be applied whatever the block held before. */
bool lg_change_formats(const void *ops, uint32_t ops_len);

#endif
