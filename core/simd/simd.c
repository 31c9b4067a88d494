/* The choice of a variant, and the scalar one, which is also what the others must agree with. */
#include "simd_internal.h"

const lg_simd *
lg_simd_get(lg_simd_level level)
{
#if defined(__x86_64__)
    if (level == LG_SIMD_AVX512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                       __builtin_cpu_supports("avx512vbmi2")
                   ? &lg_simd__avx512
                   : NULL;
    if (level == LG_SIMD_AVX2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") ? &lg_simd__avx2
                                                                                : NULL;
#endif
    return level == LG_SIMD_SCALAR ? &lg_simd__scalar : NULL;
}

const lg_simd *
lg_simd_best(void)
{
    const lg_simd *s = lg_simd_get(LG_SIMD_AVX512);
    if (!s)
        s = lg_simd_get(LG_SIMD_AVX2);
    return s ? s : &lg_simd__scalar;
}

#define RANGE(TYPE)                                                                                \
    do {                                                                                           \
        const TYPE *x = v;                                                                         \
        for (uint32_t i = from; i < n; i++) {                                                      \
            pos[k] = (uint16_t)i;                                                                  \
            k += (x[i] - lo <= span) != out;                                                       \
        }                                                                                          \
    } while (0)

uint32_t
lg_simd__range_rest(const void *v, unsigned width, uint32_t from, uint32_t n, uint64_t lo,
                    uint64_t span, bool out, uint16_t *pos, uint32_t k)
{
    if (width == 1)
        RANGE(uint8_t);
    else if (width == 2)
        RANGE(uint16_t);
    else if (width == 4)
        RANGE(uint32_t);
    else
        RANGE(uint64_t);
    return k;
}

static uint32_t
range(const void *v, unsigned width, uint32_t n, uint64_t lo, uint64_t span, bool out,
      uint16_t *pos)
{
    return lg_simd__range_rest(v, width, 0, n, lo, span, out, pos, 0);
}

#define COMPARE(OP)                                                                                \
    for (uint32_t i = from; i < n; i++) {                                                          \
        pos[k] = pos[i];                                                                           \
        k += a[i] OP b[i];                                                                         \
    }

uint32_t
lg_simd__compare_rest(lg_simd_cmp cmp, const int64_t *a, const int64_t *b, uint32_t from,
                      uint32_t n, uint16_t *pos, uint32_t k)
{
    switch (cmp) {
    case LG_SIMD_LT:
        COMPARE(<);
        break;
    case LG_SIMD_LE:
        COMPARE(<=);
        break;
    case LG_SIMD_EQ:
        COMPARE(==);
        break;
    case LG_SIMD_NE:
        COMPARE(!=);
        break;
    case LG_SIMD_GE:
        COMPARE(>=);
        break;
    case LG_SIMD_GT:
        COMPARE(>);
        break;
    }
    return k;
}

static uint32_t
compare(lg_simd_cmp cmp, const int64_t *a, const int64_t *b, uint32_t n, uint16_t *pos)
{
    return lg_simd__compare_rest(cmp, a, b, 0, n, pos, 0);
}

#define WIDEN(TYPE)                                                                                \
    do {                                                                                           \
        const TYPE *x = v;                                                                         \
        for (uint32_t i = from; i < n; i++)                                                        \
            out[i] = (int64_t)(base + x[i]);                                                       \
    } while (0)

void
lg_simd__widen_rest(const void *v, unsigned width, uint32_t from, uint32_t n, uint64_t base,
                    int64_t *out)
{
    if (width == 1)
        WIDEN(uint8_t);
    else if (width == 2)
        WIDEN(uint16_t);
    else if (width == 4)
        WIDEN(uint32_t);
    else
        WIDEN(uint64_t);
}

static void
widen(const void *v, unsigned width, uint32_t n, uint64_t base, int64_t *out)
{
    lg_simd__widen_rest(v, width, 0, n, base, out);
}

static void
hash(uint64_t *h, const int64_t *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        h[i] = lg_simd_mix(h[i], (uint64_t)v[i]);
}

uint32_t
lg_simd__bloom_rest(const uint64_t *words, uint64_t mask, const int64_t *a, const int64_t *b,
                    uint32_t from, uint32_t n, uint16_t *pos, uint32_t k)
{
    for (uint32_t i = from; i < n; i++) {
        uint64_t h = lg_simd_mix(LG_SIMD_SEED, (uint64_t)a[i]);
        if (b)
            h = lg_simd_mix(h, (uint64_t)b[i]);
        pos[k] = pos[i];
        k += lg_simd_bloom_maybe(words, mask, h);
    }
    return k;
}

static uint32_t
bloom(const uint64_t *words, uint64_t mask, const int64_t *a, const int64_t *b, uint32_t n,
      uint16_t *pos)
{
    return lg_simd__bloom_rest(words, mask, a, b, 0, n, pos, 0);
}

const lg_simd lg_simd__scalar = {"scalar", range, compare, widen, hash, bloom};
