/* Block checksum and verification. */
#include "block.h"
#include "assert.h"
#include "hash.h"
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "formats on disk are little-endian");

static uint32_t
block_crc(const void *block, uint32_t block_bytes)
{
    static const uint32_t zero;
    uint32_t crc = lg_crc32c(0, &zero, sizeof zero);
    return lg_crc32c(crc, (const uint8_t *)block + sizeof zero, block_bytes - sizeof zero);
}

void
lg_block_seal(void *block, uint32_t block_bytes)
{
    lg_block_header *h = block;
    /* A block never written stays all zero: that is its valid form. */
    h->crc = h->version == 0 ? 0 : block_crc(block, block_bytes);
}

static bool
all_zero(const void *block, uint32_t block_bytes)
{
    const uint8_t *p = block;
    return p[0] == 0 && memcmp(p, p + 1, block_bytes - 1) == 0;
}

lg_status
lg_block_verify(const void *block, uint32_t block_bytes, lg_addr expected)
{
    const lg_block_header *h = block;
    if (h->version == 0 && all_zero(block, block_bytes))
        return LG_OK;
    if (h->file != expected.file || h->block != expected.block)
        return LG_CORRUPT;
    return h->crc == block_crc(block, block_bytes) ? LG_OK : LG_CORRUPT;
}
