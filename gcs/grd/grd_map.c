/* Buckets and masters: rendezvous hashing (Thaler and Ravishankar, 1998). */
#include "grd.h"

#include "hash.h"
#include <string.h>

void
lg_grd_map_build(lg_grd_map *map, uint64_t members)
{
    memset(map, 0, sizeof *map);
    map->members = members;
    for (uint32_t b = 0; b < LG_GRD_BUCKETS; b++) {
        uint64_t best = 0;
        for (uint64_t m = members & ~1ULL; m; m &= m - 1) {
            uint32_t node = (uint32_t)__builtin_ctzll(m);
            uint64_t h = lg_hash_u64((uint64_t)b << 32 | node);
            if (map->master[b] == 0 || h > best) {
                best = h;
                map->master[b] = (uint8_t)node;
            }
        }
    }
}

uint32_t
lg_grd_bucket(uint64_t key)
{
    return (uint32_t)(lg_hash_u64(key) % LG_GRD_BUCKETS);
}

uint32_t
lg_grd_master(const lg_grd_map *map, uint64_t key)
{
    return map->master[lg_grd_bucket(key)];
}

bool
lg_grd_lost(const lg_grd_map *old_map, const lg_grd_map *new_map, uint64_t survivors, uint64_t key)
{
    uint32_t b = lg_grd_bucket(key), master = new_map->master[b];
    return old_map->master[b] != master || !(survivors >> master & 1);
}
