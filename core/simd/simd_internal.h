/* Inside core/simd: the tables, one per file. */
#ifndef LG_SIMD_INTERNAL_H
#define LG_SIMD_INTERNAL_H

#include "simd.h"

extern const lg_simd lg_simd__scalar, lg_simd__avx2, lg_simd__avx512;

/* Where a wide variant leaves the last rows, which do not fill a register: positions from..n-1 go
 * behind the k that are there. */
uint32_t lg_simd__range_rest(const void *v, unsigned width, uint32_t from, uint32_t n, uint64_t lo,
                             uint64_t span, bool out, uint16_t *pos, uint32_t k);
uint32_t lg_simd__compare_rest(lg_simd_cmp cmp, const int64_t *a, const int64_t *b, uint32_t from,
                               uint32_t n, uint16_t *pos, uint32_t k);
uint32_t lg_simd__bloom_rest(const uint64_t *words, uint64_t mask, const int64_t *a,
                             const int64_t *b, uint32_t from, uint32_t n, uint16_t *pos,
                             uint32_t k);
void lg_simd__widen_rest(const void *v, unsigned width, uint32_t from, uint32_t n, uint64_t base,
                         int64_t *out);

#endif
