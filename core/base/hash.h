/* Hashes. Not cryptographic. lg_crc32c is Castagnoli's CRC as in iSCSI (RFC 3720), with the
 * processor's instruction where it has one. */
#ifndef LG_BASE_HASH_H
#define LG_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint32_t lg_crc32c(uint32_t crc, const void *data, size_t len); /* start with crc = 0 */
uint64_t lg_hash_bytes(const void *data, size_t len, uint64_t seed);

/* Finalizer of MurmurHash3 (Appleby, public domain): a bijection that mixes all bits. */
static inline uint64_t
lg_hash_u64(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ULL;
    x ^= x >> 33;
    return x;
}

#endif
