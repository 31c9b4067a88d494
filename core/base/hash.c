/* CRC-32C (RFC 3720 appendix B.4) and a 64-bit byte-string hash. */
#include "hash.h"
#include <string.h>
#ifdef __SSE4_2__
#include <nmmintrin.h>
#include <wmmintrin.h>
#endif

#ifdef __SSE4_2__

static inline uint64_t
word(const unsigned char *p)
{
    uint64_t w;
    memcpy(&w, p, 8);
    return w;
}

/* The checksum as it is after so many zero bytes more: times x^(8n - 33) modulo the polynomial
 * (`by`), the rest of the reduction done by the crc instruction (Gopal and others, "Fast CRC
 * Computation for iSCSI Polynomial Using CRC32 Instruction", Intel 2011). */
__attribute__((target("pclmul"))) static inline uint64_t
zeros_after(uint64_t crc, uint32_t by)
{
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)crc),
                                           _mm_cvtsi64_si128((long long)by), 0);
    return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

/* Three runs of `run` bytes side by side: the instruction takes three cycles but one can begin in
 * each. by1, by2: constants for one run and two runs of zeros. */
__attribute__((target("pclmul"))) static inline uint64_t
three_runs(uint64_t c, const unsigned char *p, size_t run, uint32_t by1, uint32_t by2)
{
    uint64_t c1 = 0, c2 = 0;
    for (size_t i = 0; i < run; i += 8) {
        c = _mm_crc32_u64(c, word(p + i));
        c1 = _mm_crc32_u64(c1, word(p + run + i));
        c2 = _mm_crc32_u64(c2, word(p + 2 * run + i));
    }
    return zeros_after(c, by2) ^ zeros_after(c1, by1) ^ c2;
}

#define LONG_RUN  2720u /* three of them are nearly a block of 8 KiB */
#define SHORT_RUN 128u

/* Every processor with SSE 4.2 that is in use today has PCLMULQDQ; the check is free beside the
 * work. */
static size_t
crc_in_runs(uint64_t *c, const unsigned char *p, size_t len)
{
    size_t done = 0;
    if (!__builtin_cpu_supports("pclmul"))
        return 0;
    for (; len - done >= 3 * LONG_RUN; done += 3 * LONG_RUN)
        *c = three_runs(*c, p + done, LONG_RUN, 0x5aa1f3cf, 0xfa0f2bd0);
    for (; len - done >= 3 * SHORT_RUN; done += 3 * SHORT_RUN)
        *c = three_runs(*c, p + done, SHORT_RUN, 0x0d3b6092, 0xb9e02b86);
    return done;
}

uint32_t
lg_crc32c(uint32_t crc, const void *data, size_t len)
{
    const unsigned char *p = data;
    uint64_t c = (uint32_t)~crc;
    if (len >= 3 * SHORT_RUN) {
        size_t done = crc_in_runs(&c, p, len);
        p += done;
        len -= done;
    }
    while (len >= 8) {
        c = _mm_crc32_u64(c, word(p));
        p += 8;
        len -= 8;
    }
    uint32_t c32 = (uint32_t)c;
    while (len--)
        c32 = _mm_crc32_u8(c32, *p++);
    return ~c32;
}
#else
/* Reflected polynomial 0x82f63b78, four bits a step: no table to initialize. */
static const uint32_t nibble_table[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};

uint32_t
lg_crc32c(uint32_t crc, const void *data, size_t len)
{
    const unsigned char *p = data;
    uint32_t c = ~crc;
    while (len--) {
        c ^= *p++;
        c = (c >> 4) ^ nibble_table[c & 15];
        c = (c >> 4) ^ nibble_table[c & 15];
    }
    return ~c;
}
#endif

/* Folded 64x64->128 multiplication, the mixing step of wyhash (Wang Yi, public domain). */
static uint64_t
mix(uint64_t a, uint64_t b)
{
    unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint64_t
lg_hash_bytes(const void *data, size_t len, uint64_t seed)
{
    const unsigned char *p = data;
    uint64_t h = mix(seed ^ 0xa0761d6478bd642fULL, (uint64_t)len ^ 0xe7037ed1a0b428dbULL);
    while (len >= 16) {
        uint64_t a, b;
        memcpy(&a, p, 8);
        memcpy(&b, p + 8, 8);
        h = mix(a ^ 0x8ebc6af09c88c6e3ULL ^ h, b ^ 0x589965cc75374cc3ULL);
        p += 16;
        len -= 16;
    }
    uint64_t tail[2] = {0, 0};
    if (len)
        memcpy(tail, p, len);
    h = mix(tail[0] ^ 0x1d8e4e27c47d124fULL ^ h, tail[1] ^ 0xa0761d6478bd642fULL);
    return lg_hash_u64(h ^ seed);
}
