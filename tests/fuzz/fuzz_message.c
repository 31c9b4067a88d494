/* A message between instances: whatever lg_msg_check lets through may be read by its type's
 * structure to the end of the counted items. The first two bytes are the type. */
#include "fuzz.h"

#include "msg.h"
#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    uint16_t type = (uint16_t)((data[0] | data[1] << 8) % (LG_MSG_COUNT + 2));
    size_t len = size - 2;
    uint8_t *payload = malloc(len + 1); /* of its own: reads past it are seen */
    memcpy(payload, data + 2, len);
    lg_rpc_msg m = {.type = type, .payload = payload, .payload_len = (uint32_t)len};
    if (lg_msg_check(&m) == LG_OK) {
        const lg_msg_doc *doc = lg_msg_doc_of(type);
        if (len < doc->min_payload)
            abort();
    }
    free(payload);
    return 0;
}
