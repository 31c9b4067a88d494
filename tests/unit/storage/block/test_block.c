#include "lg_test.h"
#include "block.h"
#include <string.h>

#define BYTES 8192
static const lg_addr ADDR = {7, 42};

static void
format(uint8_t *block, lg_addr a)
{
    memset(block, 0, BYTES);
    lg_block_header *h = (lg_block_header *)block;
    h->type = LG_BLOCK_HEAP;
    h->file = a.file;
    h->block = a.block;
    h->version = 5;
    lg_block_seal(block, BYTES);
}

LG_TEST(test_block__sealed_block_verifies)
{
    static uint8_t b[BYTES];
    format(b, ADDR);
    LG_ASSERT_OK(lg_block_verify(b, BYTES, ADDR));
}

LG_TEST(test_block__any_flipped_byte_is_found)
{
    static uint8_t b[BYTES];
    format(b, ADDR);
    for (unsigned i = 0; i < BYTES; i += 13) {
        b[i] ^= 0x40;
        CU_ASSERT_EQUAL(lg_block_verify(b, BYTES, ADDR), LG_CORRUPT);
        b[i] ^= 0x40;
    }
    LG_ASSERT_OK(lg_block_verify(b, BYTES, ADDR));
}

LG_TEST(test_block__wrong_address_is_found)
{
    static uint8_t b[BYTES];
    format(b, ADDR);
    CU_ASSERT_EQUAL(lg_block_verify(b, BYTES, ((lg_addr){7, 43})), LG_CORRUPT);
    CU_ASSERT_EQUAL(lg_block_verify(b, BYTES, ((lg_addr){8, 42})), LG_CORRUPT);
}

LG_TEST(test_block__all_zero_is_a_free_block)
{
    static uint8_t b[BYTES];
    memset(b, 0, sizeof b);
    LG_ASSERT_OK(lg_block_verify(b, BYTES, ADDR));
    lg_block_seal(b, BYTES);
    LG_ASSERT_OK(lg_block_verify(b, BYTES, ADDR));
    b[BYTES - 1] = 1;
    CU_ASSERT_EQUAL(lg_block_verify(b, BYTES, ADDR), LG_CORRUPT);
}

static uint32_t
put(uint8_t *ops, uint32_t n, uint64_t v, unsigned bytes)
{
    memcpy(ops + n, &v, bytes);
    return n + bytes;
}

LG_TEST(test_change__operations_do_what_they_say)
{
    static uint8_t b[BYTES];
    uint8_t ops[64];
    uint32_t n = 0;
    memset(b, 0xEE, sizeof b);
    n = put(ops, n, LG_CHANGE_FORMAT, 1);
    n = put(ops, n, LG_BLOCK_BTREE, 1);
    n = put(ops, n, ADDR.file, 4);
    n = put(ops, n, ADDR.block, 4);
    n = put(ops, n, LG_CHANGE_SET, 1);
    n = put(ops, n, 100, 2);
    n = put(ops, n, 4, 2);
    n = put(ops, n, 0x44332211, 4);
    n = put(ops, n, LG_CHANGE_MOVE, 1);
    n = put(ops, n, 102, 2);
    n = put(ops, n, 100, 2);
    n = put(ops, n, 4, 2);
    n = put(ops, n, LG_CHANGE_FILL, 1);
    n = put(ops, n, 8000, 2);
    n = put(ops, n, 192, 2);
    n = put(ops, n, 0xAB, 1);
    LG_ASSERT_OK(lg_change_apply(b, BYTES, ops, n, 99));
    CU_ASSERT_EQUAL(lg_block_version(b), 99);
    CU_ASSERT_EQUAL(((lg_block_header *)b)->type, LG_BLOCK_BTREE);
    const uint8_t want[6] = {0x11, 0x22, 0x11, 0x22, 0x33, 0x44};
    CU_ASSERT_EQUAL(memcmp(b + 100, want, 6), 0);
    CU_ASSERT_EQUAL(b[8000], 0xAB);
    CU_ASSERT_EQUAL(b[BYTES - 1], 0xAB);
    CU_ASSERT_EQUAL(b[7999], 0);
    CU_ASSERT_TRUE(lg_change_formats(ops, n));
}

LG_TEST(test_change__operations_outside_the_block_are_corrupt)
{
    static uint8_t b[BYTES];
    uint8_t ops[16];
    uint32_t n = put(ops, 0, LG_CHANGE_FILL, 1);
    n = put(ops, n, BYTES - 1, 2);
    n = put(ops, n, 2, 2);
    n = put(ops, n, 0, 1);
    CU_ASSERT_EQUAL(lg_change_apply(b, BYTES, ops, n, 1), LG_CORRUPT);
    n = put(ops, 0, LG_CHANGE_SET, 1); /* into the header */
    n = put(ops, n, 16, 2);
    n = put(ops, n, 2, 2);
    n = put(ops, n, 0, 2);
    CU_ASSERT_EQUAL(lg_change_apply(b, BYTES, ops, n, 1), LG_CORRUPT);
    CU_ASSERT_EQUAL(lg_change_apply(b, BYTES, ops, n - 1, 1), LG_CORRUPT); /* cut short */
    ops[0] = 77;
    CU_ASSERT_EQUAL(lg_change_apply(b, BYTES, ops, 1, 1), LG_CORRUPT);
}
