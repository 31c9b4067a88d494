/* Every variant that this processor has gives what the scalar one gives, whatever the length. */
#include "lg_test.h"
#include "mem.h"
#include "simd.h"
#include <string.h>

#define ROUNDS 300

typedef struct rng {
    uint64_t s;
} rng;

static uint64_t
next(rng *r)
{
    r->s = r->s * 6364136223846793005u + 1442695040888963407u;
    uint64_t x = r->s ^ r->s >> 29;
    return x * 0xBF58476D1CE4E5B9u ^ x >> 31;
}

static uint32_t
length(rng *r)
{
    static const uint32_t edges[] = {0, 1, 7, 8, 9, 15, 16, 31, 32, 33, 63, 64, 65, 1024, 65535};
    return next(r) % 4 ? (uint32_t)(next(r) % 700) : edges[next(r) % 15];
}

static const lg_simd *
variant(unsigned i)
{
    return lg_simd_get((lg_simd_level)i);
}

/* Arrays of exactly the length, so that reading or writing beyond shows. */
static void *
exact(size_t bytes)
{
    return lg_alloc(bytes ? bytes : 1);
}

LG_TEST(test_simd__range_agrees_with_scalar)
{
    static const unsigned widths[] = {1, 2, 4, 8};
    rng r = {1};
    for (int round = 0; round < ROUNDS; round++) {
        unsigned w = widths[next(&r) % 4];
        uint32_t n = length(&r);
        uint64_t all = w == 8 ? UINT64_MAX : (1ULL << (8 * w)) - 1;
        uint64_t spread = next(&r) % 3 ? all : (next(&r) % 200) & all;
        uint8_t *v = exact((size_t)n * w);
        for (uint32_t i = 0; i < n; i++) {
            uint64_t x = spread == all ? next(&r) & all : next(&r) % (spread + 1);
            memcpy(v + (size_t)i * w, &x, w);
        }
        uint64_t lo = spread == all ? next(&r) & all : next(&r) % (spread + 1);
        uint64_t span = next(&r) & all;
        if (span > all - lo || next(&r) % 8 == 0)
            span = next(&r) % 2 ? all - lo : 0;
        bool out = next(&r) % 2;
        uint16_t *a = exact((size_t)n * 2), *b = exact((size_t)n * 2);
        uint32_t ka = variant(0)->range(v, w, n, lo, span, out, a);
        for (unsigned l = 1; l <= LG_SIMD_AVX512; l++) {
            if (!variant(l))
                continue;
            uint32_t kb = variant(l)->range(v, w, n, lo, span, out, b);
            CU_ASSERT_EQUAL_FATAL(ka, kb);
            CU_ASSERT_EQUAL_FATAL(memcmp(a, b, ka * sizeof *a), 0);
        }
        lg_free(v);
        lg_free(a);
        lg_free(b);
    }
}

/* Positions 3, 5, 7, ... stand for those left by a filter before. */
static uint16_t *
positions(uint32_t n)
{
    uint16_t *p = exact((size_t)n * 2);
    for (uint32_t i = 0; i < n; i++)
        p[i] = (uint16_t)(2 * i + 3);
    return p;
}

LG_TEST(test_simd__compare_agrees_with_scalar)
{
    rng r = {2};
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t n = length(&r);
        int64_t *a = exact((size_t)n * 8), *b = exact((size_t)n * 8);
        bool near = next(&r) % 2;
        for (uint32_t i = 0; i < n; i++) {
            a[i] = near ? (int64_t)(next(&r) % 5) - 2 : (int64_t)next(&r);
            b[i] = near ? (int64_t)(next(&r) % 5) - 2 : (int64_t)next(&r);
        }
        for (unsigned cmp = LG_SIMD_LT; cmp <= LG_SIMD_GT; cmp++) {
            uint16_t *p = positions(n);
            uint32_t k = variant(0)->compare((lg_simd_cmp)cmp, a, b, n, p);
            for (unsigned l = 1; l <= LG_SIMD_AVX512; l++) {
                if (!variant(l))
                    continue;
                uint16_t *q = positions(n);
                CU_ASSERT_EQUAL_FATAL(variant(l)->compare((lg_simd_cmp)cmp, a, b, n, q), k);
                CU_ASSERT_EQUAL_FATAL(memcmp(p, q, k * sizeof *p), 0);
                lg_free(q);
            }
            lg_free(p);
        }
        lg_free(a);
        lg_free(b);
    }
}

LG_TEST(test_simd__widen_and_hash_agree_with_scalar)
{
    static const unsigned widths[] = {1, 2, 4, 8};
    rng r = {3};
    for (int round = 0; round < ROUNDS; round++) {
        unsigned w = widths[next(&r) % 4];
        uint32_t n = length(&r);
        uint64_t base = next(&r);
        uint8_t *v = exact((size_t)n * w);
        for (size_t i = 0; i < (size_t)n * w; i++)
            v[i] = (uint8_t)next(&r);
        int64_t *a = exact((size_t)n * 8), *b = exact((size_t)n * 8);
        uint64_t *ha = exact((size_t)n * 8), *hb = exact((size_t)n * 8);
        variant(0)->widen(v, w, n, base, a);
        for (uint32_t i = 0; i < n; i++)
            ha[i] = LG_SIMD_SEED + i;
        variant(0)->hash(ha, a, n);
        for (unsigned l = 1; l <= LG_SIMD_AVX512; l++) {
            if (!variant(l))
                continue;
            variant(l)->widen(v, w, n, base, b);
            for (uint32_t i = 0; i < n; i++)
                hb[i] = LG_SIMD_SEED + i;
            variant(l)->hash(hb, b, n);
            CU_ASSERT_EQUAL_FATAL(memcmp(a, b, (size_t)n * 8), 0);
            CU_ASSERT_EQUAL_FATAL(memcmp(ha, hb, (size_t)n * 8), 0);
        }
        lg_free(v);
        lg_free(a);
        lg_free(b);
        lg_free(ha);
        lg_free(hb);
    }
}

LG_TEST(test_simd__bloom_keeps_all_keys_and_agrees_with_scalar)
{
    rng r = {4};
    for (int round = 0; round < ROUNDS; round++) {
        bool two = next(&r) % 2;
        uint32_t n = length(&r), in = 0;
        uint64_t words = lg_simd_bloom_words(n / 2), mask = words - 1;
        uint64_t *f = lg_zalloc(words * 8);
        int64_t *a = exact((size_t)n * 8), *b = exact((size_t)n * 8);
        for (uint32_t i = 0; i < n; i++) {
            a[i] = (int64_t)next(&r) >> (next(&r) % 60);
            b[i] = (int64_t)(next(&r) % 100);
            if (i % 2)
                continue;
            uint64_t h = lg_simd_mix(LG_SIMD_SEED, (uint64_t)a[i]);
            lg_simd_bloom_add(f, mask, two ? lg_simd_mix(h, (uint64_t)b[i]) : h);
            in++;
        }
        uint16_t *p = positions(n);
        uint32_t k = variant(0)->bloom(f, mask, a, two ? b : NULL, n, p), found = 0;
        for (uint32_t i = 0; i < k; i++)
            found += (p[i] - 3) / 2 % 2 == 0;
        CU_ASSERT_EQUAL_FATAL(found, in);
        for (unsigned l = 1; l <= LG_SIMD_AVX512; l++) {
            if (!variant(l))
                continue;
            uint16_t *q = positions(n);
            CU_ASSERT_EQUAL_FATAL(variant(l)->bloom(f, mask, a, two ? b : NULL, n, q), k);
            CU_ASSERT_EQUAL_FATAL(memcmp(p, q, k * sizeof *p), 0);
            lg_free(q);
        }
        lg_free(f);
        lg_free(a);
        lg_free(b);
        lg_free(p);
    }
}

LG_TEST(test_simd__bloom_refuses_most_others)
{
    rng r = {5};
    enum { N = 50000 };
    uint64_t words = lg_simd_bloom_words(N), mask = words - 1;
    uint64_t *f = lg_zalloc(words * 8);
    for (uint64_t i = 0; i < N; i++)
        lg_simd_bloom_add(f, mask, lg_simd_mix(LG_SIMD_SEED, i));
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < N; i++)
        wrong += lg_simd_bloom_maybe(f, mask, lg_simd_mix(LG_SIMD_SEED, N + next(&r) % 1000000000));
    CU_ASSERT(wrong < N / 10);
    lg_free(f);
}

LG_TEST(test_simd__best_is_one_of_them)
{
    const lg_simd *best = lg_simd_best();
    CU_ASSERT(best == variant(0) || best == variant(1) || best == variant(2));
    CU_ASSERT_PTR_NOT_NULL(variant(0));
}
