/* A redo record with a right checksum but any content, replayed on a block: what recovery does with
 * a record from a disk that lies. The changes it names are applied or the record is corrupt;
 * nothing is touched outside the block, and the header of the block survives. */
#include "fuzz.h"

#include "redo.h"
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 8192u

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 65536)
        return 0;
    size_t len = sizeof(lg_redo_record_header) + (size + 7) / 8 * 8;
    char *record = calloc(1, len), *block = malloc(BLOCK_BYTES);
    lg_redo_record_header *h = (lg_redo_record_header *)(void *)record;
    h->len = (uint32_t)len;
    h->change_count = (uint16_t)(1 + (size ? data[0] % 4 : 0));
    memcpy(record + sizeof *h, data, size);

    uint32_t pos = 0;
    lg_redo_change change;
    while (lg_redo_change_next(h, &pos, &change) == LG_OK) {
        memset(block, 0x5a, BLOCK_BYTES);
        (void)lg_change_formats(change.ops, change.ops_len);
        if (lg_change_apply(block, BLOCK_BYTES, change.ops, change.ops_len, change.after) ==
                LG_OK &&
            lg_block_version(block) != change.after)
            abort();
    }
    free(block);
    free(record);
    return 0;
}
