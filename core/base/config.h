/* Configuration: a YAML document (libyaml) read into a tree, looked up by dotted path
 * ("cluster.nodes[1].address"). Values keep their text; typed getters parse with units
 * (sizes: 64MiB, 8k; times: 500ms, 3s). Unknown keys are found with lg_config_unknown. */
#ifndef LG_BASE_CONFIG_H
#define LG_BASE_CONFIG_H

#include "status.h"
#include <stddef.h>
#include <stdint.h>

typedef struct lg_config lg_config;

/* On failure ret_message (size message_size) says what and in which line. */
LG_MUST lg_status lg_config_parse(const char *text, size_t len, lg_config **ret_config,
                                  char *ret_message, size_t message_size);
LG_MUST lg_status lg_config_load(const char *path, lg_config **ret_config, char *ret_message,
                                 size_t message_size);
void lg_config_free(lg_config *c);

/* NULL when absent or not a scalar. The string lives as long as the config. */
const char *lg_config_string(const lg_config *c, const char *path);
/* LG_NOT_FOUND leaves *ret untouched (so defaults stand); LG_CONFIG when it does not parse. */
lg_status lg_config_int(const lg_config *c, const char *path, int64_t *ret);
lg_status lg_config_bool(const lg_config *c, const char *path, bool *ret);
lg_status lg_config_bytes(const lg_config *c, const char *path, uint64_t *ret);
lg_status lg_config_duration_ms(const lg_config *c, const char *path, uint64_t *ret);
/* Elements of the sequence at path; 0 when absent. Keys of the mapping at path likewise. */
size_t lg_config_count(const lg_config *c, const char *path);
const char *lg_config_key(const lg_config *c, const char *path, size_t i);
/* First key in the tree that was never looked up, as a path; NULL when all were used. */
const char *lg_config_unknown(const lg_config *c);

#endif
