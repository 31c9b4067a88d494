/* Kernels over plain arrays, in variants for what the processor has.
 *
 * A variant is a constant table of functions; lg_simd_best() asks the processor (cpuid) which of them
 * it can run and gives the fastest. All variants compute the same, to the last element (the unit
 * tests compare them), so that an answer never depends on the machine. Nothing here has state,
 * allocates, blocks or reads beyond what it is given.
 *
 * LISTS OF POSITIONS  are uint16_t, ascending. A kernel that narrows a list writes it where it was
 * read or to an array with room for all n; what lies behind the positions returned is undefined. */
#ifndef LG_SIMD_SIMD_H
#define LG_SIMD_SIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum lg_simd_cmp {
    LG_SIMD_LT,
    LG_SIMD_LE,
    LG_SIMD_EQ,
    LG_SIMD_NE,
    LG_SIMD_GE,
    LG_SIMD_GT
} lg_simd_cmp;

typedef enum lg_simd_level { LG_SIMD_SCALAR, LG_SIMD_AVX2, LG_SIMD_AVX512 } lg_simd_level;

typedef struct lg_simd {
    const char *name;
    /* Positions i < n whose v[i] (unsigned, `width` bytes: 1, 2, 4, 8) is in lo .. lo + span, or with
     * out is not; lo + span fits into the width. Returns how many. */
    uint32_t (*range)(const void *v, unsigned width, uint32_t n, uint64_t lo, uint64_t span,
                      bool out, uint16_t *pos);
    /* Those of n positions for which a[i] CMP b[i] holds; i counts positions. */
    uint32_t (*compare)(lg_simd_cmp cmp, const int64_t *a, const int64_t *b, uint32_t n,
                        uint16_t *pos);
    /* out[i] = base + v[i], v unsigned of `width` bytes. */
    void (*widen)(const void *v, unsigned width, uint32_t n, uint64_t base, int64_t *out);
    /* h[i] = lg_simd_mix(h[i], v[i]) */
    void (*hash)(uint64_t *h, const int64_t *v, uint32_t n);
    /* Those of n positions whose key (a[i], or a[i] and b[i] when b is not NULL) may be in the
     * filter; mask: number of its words - 1. */
    uint32_t (*bloom)(const uint64_t *words, uint64_t mask, const int64_t *a, const int64_t *b,
                      uint32_t n, uint16_t *pos);
} lg_simd;

const lg_simd *lg_simd_best(void);
const lg_simd *lg_simd_get(lg_simd_level level); /* NULL: not on this processor */

/* ---- hashes and bloom filters of keys that are words ---- */

#define LG_SIMD_SEED 0x2545F491u
#define LG_SIMD_K    0x9E3779B97F4A7C15u

static inline uint64_t
lg_simd_mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * LG_SIMD_K;
    return h ^ h >> 32;
}

/* A filter is a power of two of words; a key sets three bits of one word. The lowest bit of the hash
 * is not looked at. */
static inline uint64_t
lg_simd_bloom_words(uint64_t keys)
{
    uint64_t n = 8;
    while (n < keys / 6)
        n *= 2;
    return n;
}

static inline uint64_t
lg_simd_bloom_bits(uint64_t hash)
{
    return 1ULL << (hash >> 58) | 1ULL << ((hash >> 52) & 63) | 1ULL << ((hash >> 46) & 63);
}

static inline void
lg_simd_bloom_add(uint64_t *words, uint64_t mask, uint64_t hash)
{
    words[(hash >> 1) & mask] |= lg_simd_bloom_bits(hash);
}

static inline bool
lg_simd_bloom_maybe(const uint64_t *words, uint64_t mask, uint64_t hash)
{
    uint64_t bits = lg_simd_bloom_bits(hash);
    return (words[(hash >> 1) & mask] & bits) == bits;
}

#endif
