/* AVX-512 (F, BW, DQ, VL, VBMI2). Positions are packed with vpcompressw: whole registers are stored at
 * pos + k, which never reaches past the rows already read, as k <= i. */
#include "simd_internal.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* Without ThreadSanitizer's calls between the instructions: GCC 12 spills a mask of 8 bits around a
 * call as one byte and takes it back as four. For the same reason such masks are widened by an
 * instruction of their own (bits8). */
#define TARGET                                                                                     \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,popcnt"),                \
                   no_sanitize_thread))

TARGET static inline uint32_t
bits8(__mmask8 m)
{
    return _cvtmask8_u32(m);
}

TARGET static inline __m512i
count32(void)
{
    return _mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14,
                            13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

/* 32 rows from i: those of the mask. */
TARGET static inline uint32_t
put32(uint16_t *pos, uint32_t k, uint32_t i, __mmask32 m)
{
    __m512i at = _mm512_add_epi16(count32(), _mm512_set1_epi16((short)i));
    _mm512_storeu_si512(pos + k, _mm512_maskz_compress_epi16(m, at));
    return k + (uint32_t)_mm_popcnt_u32(m);
}

/* 16 and 8 rows whose positions are at hand. */
TARGET static inline uint32_t
keep16(uint16_t *pos, uint32_t k, __m256i at, __mmask16 m)
{
    _mm256_storeu_si256((__m256i *)(void *)(pos + k), _mm256_maskz_compress_epi16(m, at));
    return k + (uint32_t)_mm_popcnt_u32(m);
}

TARGET static inline uint32_t
keep8(uint16_t *pos, uint32_t k, __m128i at, __mmask8 m)
{
    _mm_storeu_si128((__m128i *)(void *)(pos + k), _mm_maskz_compress_epi16(m, at));
    return k + (uint32_t)_mm_popcnt_u32(bits8(m));
}

TARGET static uint32_t
range8(const uint8_t *v, uint32_t n, uint64_t lo, uint64_t span, bool out, uint16_t *pos)
{
    uint32_t k = 0, i = 0;
    __m512i l = _mm512_set1_epi8((char)lo), s = _mm512_set1_epi8((char)span);
    uint64_t flip = out ? ~0ULL : 0;
    for (; i + 64 <= n; i += 64) {
        __m512i x = _mm512_sub_epi8(_mm512_loadu_si512(v + i), l);
        uint64_t m = _mm512_cmple_epu8_mask(x, s) ^ flip;
        k = put32(pos, k, i, (__mmask32)m);
        k = put32(pos, k, i + 32, (__mmask32)(m >> 32));
    }
    return lg_simd__range_rest(v, 1, i, n, lo, span, out, pos, k);
}

TARGET static uint32_t
range16(const uint16_t *v, uint32_t n, uint64_t lo, uint64_t span, bool out, uint16_t *pos)
{
    uint32_t k = 0, i = 0, flip = out ? ~0u : 0;
    __m512i l = _mm512_set1_epi16((short)lo), s = _mm512_set1_epi16((short)span);
    for (; i + 32 <= n; i += 32) {
        __m512i x = _mm512_sub_epi16(_mm512_loadu_si512(v + i), l);
        k = put32(pos, k, i, _mm512_cmple_epu16_mask(x, s) ^ flip);
    }
    return lg_simd__range_rest(v, 2, i, n, lo, span, out, pos, k);
}

TARGET static uint32_t
range32(const uint32_t *v, uint32_t n, uint64_t lo, uint64_t span, bool out, uint16_t *pos)
{
    uint32_t k = 0, i = 0, flip = out ? ~0u : 0;
    __m512i l = _mm512_set1_epi32((int)lo), s = _mm512_set1_epi32((int)span);
    for (; i + 32 <= n; i += 32) {
        __m512i x = _mm512_sub_epi32(_mm512_loadu_si512(v + i), l);
        __m512i y = _mm512_sub_epi32(_mm512_loadu_si512(v + i + 16), l);
        uint32_t m =
            (uint32_t)_mm512_cmple_epu32_mask(x, s) | (uint32_t)_mm512_cmple_epu32_mask(y, s) << 16;
        k = put32(pos, k, i, m ^ flip);
    }
    return lg_simd__range_rest(v, 4, i, n, lo, span, out, pos, k);
}

TARGET static uint32_t
range64(const uint64_t *v, uint32_t n, uint64_t lo, uint64_t span, bool out, uint16_t *pos)
{
    uint32_t k = 0, i = 0, flip = out ? ~0u : 0;
    __m512i l = _mm512_set1_epi64((long long)lo), s = _mm512_set1_epi64((long long)span);
    for (; i + 32 <= n; i += 32) {
        uint32_t m = 0;
        for (uint32_t j = 0; j < 32; j += 8) {
            __m512i x = _mm512_sub_epi64(_mm512_loadu_si512(v + i + j), l);
            m |= bits8(_mm512_cmple_epu64_mask(x, s)) << j;
        }
        k = put32(pos, k, i, m ^ flip);
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

#define COMPARE(PREDICATE)                                                                         \
    for (; i + 16 <= n; i += 16) {                                                                 \
        __m256i at = _mm256_loadu_si256((const __m256i *)(const void *)(pos + i));                 \
        uint32_t m = bits8(_mm512_cmp_epi64_mask(_mm512_loadu_si512(a + i),                        \
                                                 _mm512_loadu_si512(b + i), PREDICATE));           \
        m |= bits8(_mm512_cmp_epi64_mask(_mm512_loadu_si512(a + i + 8),                            \
                                         _mm512_loadu_si512(b + i + 8), PREDICATE))                \
             << 8;                                                                                 \
        k = keep16(pos, k, at, (__mmask16)m);                                                      \
    }

TARGET static uint32_t
compare(lg_simd_cmp cmp, const int64_t *a, const int64_t *b, uint32_t n, uint16_t *pos)
{
    uint32_t k = 0, i = 0;
    switch (cmp) {
    case LG_SIMD_LT:
        COMPARE(_MM_CMPINT_LT);
        break;
    case LG_SIMD_LE:
        COMPARE(_MM_CMPINT_LE);
        break;
    case LG_SIMD_EQ:
        COMPARE(_MM_CMPINT_EQ);
        break;
    case LG_SIMD_NE:
        COMPARE(_MM_CMPINT_NE);
        break;
    case LG_SIMD_GE:
        COMPARE(_MM_CMPINT_NLT);
        break;
    case LG_SIMD_GT:
        COMPARE(_MM_CMPINT_NLE);
        break;
    }
    return lg_simd__compare_rest(cmp, a, b, i, n, pos, k);
}

TARGET static void
widen(const void *v, unsigned width, uint32_t n, uint64_t base, int64_t *out)
{
    const uint8_t *x = v;
    uint32_t i = 0;
    __m512i add = _mm512_set1_epi64((long long)base);
    for (; i + 8 <= n; i += 8) {
        __m512i w;
        if (width == 1)
            w = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(const void *)(x + i)));
        else if (width == 2)
            w = _mm512_cvtepu16_epi64(
                _mm_loadu_si128((const __m128i *)(const void *)(x + 2 * (size_t)i)));
        else if (width == 4)
            w = _mm512_cvtepu32_epi64(
                _mm256_loadu_si256((const __m256i *)(const void *)(x + 4 * (size_t)i)));
        else
            w = _mm512_loadu_si512(x + 8 * (size_t)i);
        _mm512_storeu_si512(out + i, _mm512_add_epi64(w, add));
    }
    lg_simd__widen_rest(v, width, i, n, base, out);
}

TARGET static inline __m512i
mix(__m512i h, __m512i v)
{
    h = _mm512_mullo_epi64(_mm512_xor_si512(h, v), _mm512_set1_epi64((long long)LG_SIMD_K));
    return _mm512_xor_si512(h, _mm512_srli_epi64(h, 32));
}

TARGET static void
hash(uint64_t *h, const int64_t *v, uint32_t n)
{
    uint32_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm512_storeu_si512(h + i, mix(_mm512_loadu_si512(h + i), _mm512_loadu_si512(v + i)));
    for (; i < n; i++)
        h[i] = lg_simd_mix(h[i], (uint64_t)v[i]);
}

TARGET static uint32_t
bloom(const uint64_t *words, uint64_t mask, const int64_t *a, const int64_t *b, uint32_t n,
      uint16_t *pos)
{
    const __m512i one = _mm512_set1_epi64(1), low6 = _mm512_set1_epi64(63);
    const __m512i most = _mm512_set1_epi64((long long)mask);
    uint32_t k = 0, i = 0;
    for (; i + 8 <= n; i += 8) {
        __m512i h = mix(_mm512_set1_epi64(LG_SIMD_SEED), _mm512_loadu_si512(a + i));
        if (b)
            h = mix(h, _mm512_loadu_si512(b + i));
        __m512i at = _mm512_and_si512(_mm512_srli_epi64(h, 1), most);
        __m512i w = _mm512_i64gather_epi64(at, words, 8);
        __m512i bits = _mm512_sllv_epi64(one, _mm512_srli_epi64(h, 58));
        bits = _mm512_or_si512(
            bits, _mm512_sllv_epi64(one, _mm512_and_si512(_mm512_srli_epi64(h, 52), low6)));
        bits = _mm512_or_si512(
            bits, _mm512_sllv_epi64(one, _mm512_and_si512(_mm512_srli_epi64(h, 46), low6)));
        __mmask8 m = _mm512_cmpeq_epi64_mask(_mm512_and_si512(w, bits), bits);
        k = keep8(pos, k, _mm_loadu_si128((const __m128i *)(const void *)(pos + i)), m);
    }
    return lg_simd__bloom_rest(words, mask, a, b, i, n, pos, k);
}

const lg_simd lg_simd__avx512 = {"avx512", range, compare, widen, hash, bloom};
#endif
