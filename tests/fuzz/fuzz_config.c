/* Configuration files: any bytes give a tree or a message. */
#include "fuzz.h"

#include "config.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lg_config *c = NULL;
    char message[200];
    if (lg_config_parse((const char *)data, size, &c, message, sizeof message) != LG_OK)
        return 0;
    int64_t i;
    uint64_t u;
    (void)!lg_config_int(c, "a.b[0].c", &i);
    (void)!lg_config_bytes(c, "cache", &u);
    (void)!lg_config_duration_ms(c, "lease", &u);
    for (size_t k = 0; k < lg_config_count(c, ""); k++)
        (void)lg_config_key(c, "", k);
    (void)lg_config_unknown(c);
    lg_config_free(c);
    return 0;
}
