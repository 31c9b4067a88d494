/* Hash maps: open addressing, linear probing, growing. Keys are 64-bit integers or byte strings
 * (copied); values are pointers (never NULL). Not thread-safe. Iteration order is unspecified but
 * the same for the same history, so the simulator replays exactly. */
#ifndef LG_BASE_MAP_H
#define LG_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lg_map lg_map;

lg_map *lg_map_create(void);                            /* keyed by u64 */
void lg_map_destroy(lg_map *m);                         /* values are the caller's */
void *lg_map_get(const lg_map *m, uint64_t key);        /* NULL: none */
void *lg_map_put(lg_map *m, uint64_t key, void *value); /* returns the old value or NULL */
void *lg_map_remove(lg_map *m, uint64_t key);           /* returns the removed value or NULL */
size_t lg_map_count(const lg_map *m);
/* Start with *pos = 0; false at the end. Removing the returned key while iterating is allowed only
 * through lg_map_iter_remove semantics: collect first, then remove. */
bool lg_map_next(const lg_map *m, size_t *pos, uint64_t *ret_key, void **ret_value);

typedef struct lg_strmap lg_strmap;

lg_strmap *lg_strmap_create(void); /* keyed by byte strings, copied */
void lg_strmap_destroy(lg_strmap *m);
void *lg_strmap_get(const lg_strmap *m, const void *key, size_t len);
void *lg_strmap_put(lg_strmap *m, const void *key, size_t len, void *value);
void *lg_strmap_remove(lg_strmap *m, const void *key, size_t len);
size_t lg_strmap_count(const lg_strmap *m);
bool lg_strmap_next(const lg_strmap *m, size_t *pos, const char **ret_key, size_t *ret_len,
                    void **ret_value);

#endif
