/* AVX2 with BMI2. Eight positions at a time are packed by pext: the mask, a byte a row, picks the
 * numbers 0 to 7 of the rows that stay; the eight stored at pos + k do not reach past the rows
 * already read. */
#include "simd_internal.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,bmi2,popcnt")))

TARGET static inline __m128i
pick(uint32_t m)
{
    uint64_t bytes = _pdep_u64(m, 0x0101010101010101u) * 0xFF;
    return _mm_cvtepu8_epi16(_mm_cvtsi64_si128((long long)_pext_u64(0x0706050403020100u, bytes)));
}

TARGET static inline uint32_t
put8(uint16_t *pos, uint32_t k, uint32_t i, uint32_t m)
{
    __m128i at = _mm_add_epi16(pick(m), _mm_set1_epi16((short)i));
    _mm_storeu_si128((__m128i *)(void *)(pos + k), at);
    return k + (uint32_t)_mm_popcnt_u32(m);
}

TARGET static uint32_t
range8(const uint8_t *v, uint32_t n, uint64_t lo, uint64_t span, bool out, uint16_t *pos)
{
    uint32_t k = 0, i = 0, flip = out ? ~0u : 0;
    __m256i l = _mm256_set1_epi8((char)lo), s = _mm256_set1_epi8((char)span);
    for (; i + 32 <= n; i += 32) {
        __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(v + i));
        x = _mm256_sub_epi8(x, l);
        uint32_t m = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(x, s), x));
        m ^= flip;
        for (uint32_t j = 0; j < 32; j += 8)
            k = put8(pos, k, i + j, (m >> j) & 0xFF);
    }
    return lg_simd__range_rest(v, 1, i, n, lo, span, out, pos, k);
}

TARGET static uint32_t
range16(const uint16_t *v, uint32_t n, uint64_t lo, uint64_t span, bool out, uint16_t *pos)
{
    uint32_t k = 0, i = 0, flip = out ? 0xFF : 0;
    __m128i l = _mm_set1_epi16((short)lo), s = _mm_set1_epi16((short)span);
    for (; i + 8 <= n; i += 8) {
        __m128i x = _mm_sub_epi16(_mm_loadu_si128((const __m128i *)(const void *)(v + i)), l);
        __m128i in = _mm_cmpeq_epi16(_mm_min_epu16(x, s), x);
        uint32_t m = (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(in, _mm_setzero_si128()));
        k = put8(pos, k, i, (m & 0xFF) ^ flip);
    }
    return lg_simd__range_rest(v, 2, i, n, lo, span, out, pos, k);
}

TARGET static uint32_t
range32(const uint32_t *v, uint32_t n, uint64_t lo, uint64_t span, bool out, uint16_t *pos)
{
    uint32_t k = 0, i = 0, flip = out ? 0xFF : 0;
    __m256i l = _mm256_set1_epi32((int)lo), s = _mm256_set1_epi32((int)span);
    for (; i + 8 <= n; i += 8) {
        __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(v + i));
        x = _mm256_sub_epi32(x, l);
        __m256i in = _mm256_cmpeq_epi32(_mm256_min_epu32(x, s), x);
        k = put8(pos, k, i, (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(in)) ^ flip);
    }
    return lg_simd__range_rest(v, 4, i, n, lo, span, out, pos, k);
}

TARGET static inline uint32_t
mask64(__m256i m)
{
    return (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(m));
}

TARGET static inline __m256i
load4(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

TARGET static uint32_t
range64(const uint64_t *v, uint32_t n, uint64_t lo, uint64_t span, bool out, uint16_t *pos)
{
    uint32_t k = 0, i = 0, flip = out ? 0 : 0xFF; /* the comparison says which are not in it */
    const __m256i sign = _mm256_set1_epi64x(INT64_MIN);
    __m256i l = _mm256_set1_epi64x((long long)lo);
    __m256i s = _mm256_xor_si256(_mm256_set1_epi64x((long long)span), sign);
    for (; i + 8 <= n; i += 8) {
        __m256i x = _mm256_xor_si256(_mm256_sub_epi64(load4(v + i), l), sign);
        __m256i y = _mm256_xor_si256(_mm256_sub_epi64(load4(v + i + 4), l), sign);
        uint32_t m = mask64(_mm256_cmpgt_epi64(x, s)) | mask64(_mm256_cmpgt_epi64(y, s)) << 4;
        k = put8(pos, k, i, m ^ flip);
    }
    return lg_simd__range_rest(v, 8, i, n, lo, span, out, pos, k);
}

static uint32_t
range(const void *v, unsigned width, uint32_t n, uint64_t lo, uint64_t span, bool out,
      uint16_t *pos)
{
    switch (width) {
    case 1:
        return range8(v, n, lo, span, out, pos);
    case 2:
        return range16(v, n, lo, span, out, pos);
    case 4:
        return range32(v, n, lo, span, out, pos);
    default:
        return range64(v, n, lo, span, out, pos);
    }
}

/* Eight positions that are at hand. */
TARGET static inline uint32_t
keep8(uint16_t *pos, uint32_t k, uint32_t i, uint32_t m)
{
    __m128i at = _mm_loadu_si128((const __m128i *)(const void *)(pos + i));
    __m128i by = pick(m); /* word numbers to byte numbers */
    by = _mm_add_epi8(_mm_slli_epi16(by, 1), _mm_slli_epi16(by, 9));
    by = _mm_add_epi8(by, _mm_set1_epi16(0x0100));
    _mm_storeu_si128((__m128i *)(void *)(pos + k), _mm_shuffle_epi8(at, by));
    return k + (uint32_t)_mm_popcnt_u32(m);
}

TARGET static uint32_t
compare(lg_simd_cmp cmp, const int64_t *a, const int64_t *b, uint32_t n, uint16_t *pos)
{
    uint32_t k = 0, i = 0;
    bool equality = cmp == LG_SIMD_EQ || cmp == LG_SIMD_NE;
    bool swap = cmp == LG_SIMD_LT || cmp == LG_SIMD_GE;
    uint32_t flip = cmp == LG_SIMD_NE || cmp == LG_SIMD_GE || cmp == LG_SIMD_LE ? 0xFF : 0;
    const int64_t *x = swap ? b : a, *y = swap ? a : b;
    for (; i + 8 <= n; i += 8) {
        uint32_t m;
        if (equality)
            m = mask64(_mm256_cmpeq_epi64(load4(x + i), load4(y + i))) |
                mask64(_mm256_cmpeq_epi64(load4(x + i + 4), load4(y + i + 4))) << 4;
        else
            m = mask64(_mm256_cmpgt_epi64(load4(x + i), load4(y + i))) |
                mask64(_mm256_cmpgt_epi64(load4(x + i + 4), load4(y + i + 4))) << 4;
        k = keep8(pos, k, i, m ^ flip);
    }
    return lg_simd__compare_rest(cmp, a, b, i, n, pos, k);
}

TARGET static void
widen(const void *v, unsigned width, uint32_t n, uint64_t base, int64_t *out)
{
    const uint8_t *x = v;
    uint32_t i = 0;
    __m256i add = _mm256_set1_epi64x((long long)base);
    for (; i + 4 <= n; i += 4) {
        __m256i w;
        if (width == 1) {
            uint32_t four;
            __builtin_memcpy(&four, x + i, 4);
            w = _mm256_cvtepu8_epi64(_mm_cvtsi32_si128((int)four));
        } else if (width == 2) {
            w = _mm256_cvtepu16_epi64(
                _mm_loadl_epi64((const __m128i *)(const void *)(x + 2 * (size_t)i)));
        } else if (width == 4) {
            w = _mm256_cvtepu32_epi64(
                _mm_loadu_si128((const __m128i *)(const void *)(x + 4 * (size_t)i)));
        } else {
            w = load4(x + 8 * (size_t)i);
        }
        _mm256_storeu_si256((__m256i *)(void *)(out + i), _mm256_add_epi64(w, add));
    }
    lg_simd__widen_rest(v, width, i, n, base, out);
}

/* The low 64 bits of a product with LG_SIMD_K. */
TARGET static inline __m256i
times_k(__m256i x)
{
    const __m256i k = _mm256_set1_epi64x((long long)LG_SIMD_K);
    __m256i cross = _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(x, 32), k),
                                     _mm256_mul_epu32(x, _mm256_srli_epi64(k, 32)));
    return _mm256_add_epi64(_mm256_mul_epu32(x, k), _mm256_slli_epi64(cross, 32));
}

TARGET static inline __m256i
mix(__m256i h, __m256i v)
{
    h = times_k(_mm256_xor_si256(h, v));
    return _mm256_xor_si256(h, _mm256_srli_epi64(h, 32));
}

TARGET static void
hash(uint64_t *h, const int64_t *v, uint32_t n)
{
    uint32_t i = 0;
    for (; i + 4 <= n; i += 4)
        _mm256_storeu_si256((__m256i *)(void *)(h + i), mix(load4(h + i), load4(v + i)));
    for (; i < n; i++)
        h[i] = lg_simd_mix(h[i], (uint64_t)v[i]);
}

TARGET static inline uint32_t
maybe4(const uint64_t *words, uint64_t mask, __m256i h)
{
    const __m256i one = _mm256_set1_epi64x(1), low6 = _mm256_set1_epi64x(63);
    __m256i at = _mm256_and_si256(_mm256_srli_epi64(h, 1), _mm256_set1_epi64x((long long)mask));
    __m256i w = _mm256_i64gather_epi64((const long long *)(const void *)words, at, 8);
    __m256i bits = _mm256_sllv_epi64(one, _mm256_srli_epi64(h, 58));
    bits = _mm256_or_si256(
        bits, _mm256_sllv_epi64(one, _mm256_and_si256(_mm256_srli_epi64(h, 52), low6)));
    bits = _mm256_or_si256(
        bits, _mm256_sllv_epi64(one, _mm256_and_si256(_mm256_srli_epi64(h, 46), low6)));
    return mask64(_mm256_cmpeq_epi64(_mm256_and_si256(w, bits), bits));
}

TARGET static uint32_t
bloom(const uint64_t *words, uint64_t mask, const int64_t *a, const int64_t *b, uint32_t n,
      uint16_t *pos)
{
    uint32_t k = 0, i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i h = mix(_mm256_set1_epi64x(LG_SIMD_SEED), load4(a + i));
        __m256i g = mix(_mm256_set1_epi64x(LG_SIMD_SEED), load4(a + i + 4));
        if (b) {
            h = mix(h, load4(b + i));
            g = mix(g, load4(b + i + 4));
        }
        k = keep8(pos, k, i, maybe4(words, mask, h) | maybe4(words, mask, g) << 4);
    }
    return lg_simd__bloom_rest(words, mask, a, b, i, n, pos, k);
}

const lg_simd lg_simd__avx2 = {"avx2", range, compare, widen, hash, bloom};
#endif
