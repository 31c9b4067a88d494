/* Lists, maps, string buffers, hashes. */
#include "lg_test.h"
#include "hash.h"
#include "list.h"
#include "map.h"
#include "mem.h"
#include "strbuf.h"
#include <stdio.h>
#include <string.h>

/* Bit by bit, from the polynomial. */
static uint32_t
crc32c_slow(uint32_t crc, const uint8_t *p, size_t len)
{
    uint32_t c = ~crc;
    while (len--) {
        c ^= *p++;
        for (int k = 0; k < 8; k++)
            c = (c >> 1) ^ (c & 1 ? 0x82f63b78u : 0);
    }
    return ~c;
}

LG_TEST(test_hash__crc32c_of_every_length)
{
    static uint8_t bytes[20000];
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 24);
    for (size_t len = 0; len < 1300; len++)
        CU_ASSERT_EQUAL(lg_crc32c((uint32_t)len, bytes + len % 7, len),
                        crc32c_slow((uint32_t)len, bytes + len % 7, len));
    static const size_t lens[] = {8159, 8160, 8161, 8188, 8192, 8544, 16320, 16384, 19993};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++)
        CU_ASSERT_EQUAL(lg_crc32c(7, bytes + i % 5, lens[i]),
                        crc32c_slow(7, bytes + i % 5, lens[i]));
}

LG_TEST(test_hash__crc32c_known_answers)
{
    unsigned char zeros[32] = {0}, ones[32];
    memset(ones, 0xff, sizeof ones);
    CU_ASSERT_EQUAL(lg_crc32c(0, "123456789", 9), 0xe3069283u);
    CU_ASSERT_EQUAL(lg_crc32c(0, zeros, 32), 0x8a9136aau); /* RFC 3720 B.4 */
    CU_ASSERT_EQUAL(lg_crc32c(0, ones, 32), 0x62a8ab43u);
    CU_ASSERT_EQUAL(lg_crc32c(lg_crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
    CU_ASSERT_EQUAL(lg_crc32c(0, "", 0), 0);
}

LG_TEST(test_hash__bytes_differ_by_length_seed_and_content)
{
    CU_ASSERT_NOT_EQUAL(lg_hash_bytes("a", 1, 0), lg_hash_bytes("a\0", 2, 0));
    CU_ASSERT_NOT_EQUAL(lg_hash_bytes("a", 1, 0), lg_hash_bytes("a", 1, 1));
    CU_ASSERT_NOT_EQUAL(lg_hash_bytes("0123456789abcdef", 16, 0),
                        lg_hash_bytes("0123456789abcdeg", 16, 0));
    CU_ASSERT_EQUAL(lg_hash_bytes("0123456789abcdefXYZ", 19, 5),
                    lg_hash_bytes("0123456789abcdefXYZ", 19, 5));
}

struct item {
    int v;
    lg_list link;
};

LG_TEST(test_list__keeps_order_and_removes_twice)
{
    lg_list head;
    lg_list_init(&head);
    struct item a = {.v = 1}, b = {.v = 2}, c = {.v = 3};
    lg_list_push_back(&head, &b.link);
    lg_list_push_back(&head, &c.link);
    lg_list_push_front(&head, &a.link);
    int want = 1;
    LG_LIST_FOREACH (it, &head)
        CU_ASSERT_EQUAL(LG_CONTAINER_OF(it, struct item, link)->v, want++);
    lg_list_remove(&b.link);
    lg_list_remove(&b.link);
    CU_ASSERT_PTR_EQUAL(lg_list_pop_front(&head), &a.link);
    CU_ASSERT_PTR_EQUAL(lg_list_pop_front(&head), &c.link);
    CU_ASSERT_PTR_NULL(lg_list_pop_front(&head));
}

/* Against a plain array: puts, overwrites and removals in a pseudo-random order. */
LG_TEST(test_map__agrees_with_a_plain_array)
{
    enum { KEYS = 500, STEPS = 20000 };
    static char model[KEYS];
    lg_map *m = lg_map_create();
    uint64_t rnd = 7;
    size_t count = 0;
    memset(model, 0, sizeof model);
    for (int i = 0; i < STEPS; i++) {
        rnd = lg_hash_u64(rnd + 1);
        uint64_t k = rnd % KEYS;
        uint64_t key = k * 1024; /* keys that share low bits */
        if (rnd >> 63) {
            void *old = lg_map_put(m, key, &model[k]);
            CU_ASSERT_EQUAL(old != NULL, model[k]);
            count += !model[k];
            model[k] = 1;
        } else {
            void *old = lg_map_remove(m, key);
            CU_ASSERT_EQUAL(old != NULL, model[k]);
            count -= model[k];
            model[k] = 0;
        }
        CU_ASSERT_EQUAL(lg_map_count(m), count);
    }
    for (uint64_t k = 0; k < KEYS; k++)
        CU_ASSERT_EQUAL(lg_map_get(m, k * 1024) == &model[k], model[k]);
    size_t pos = 0, seen = 0;
    uint64_t key;
    void *v;
    while (lg_map_next(m, &pos, &key, &v)) {
        CU_ASSERT_PTR_EQUAL(v, &model[key / 1024]);
        seen++;
    }
    CU_ASSERT_EQUAL(seen, count);
    lg_map_destroy(m);
}

LG_TEST(test_strmap__copies_keys_and_removes)
{
    lg_strmap *m = lg_strmap_create();
    static int values[300];
    char key[32];
    for (int i = 0; i < 300; i++) {
        int n = snprintf(key, sizeof key, "key-%d", i);
        CU_ASSERT_PTR_NULL(lg_strmap_put(m, key, (size_t)n, &values[i]));
    }
    CU_ASSERT_EQUAL(lg_strmap_count(m), 300);
    for (int i = 0; i < 300; i += 2) {
        int n = snprintf(key, sizeof key, "key-%d", i);
        CU_ASSERT_PTR_EQUAL(lg_strmap_remove(m, key, (size_t)n), &values[i]);
    }
    for (int i = 0; i < 300; i++) {
        int n = snprintf(key, sizeof key, "key-%d", i);
        CU_ASSERT_PTR_EQUAL(lg_strmap_get(m, key, (size_t)n), i % 2 ? &values[i] : NULL);
    }
    CU_ASSERT_PTR_NULL(lg_strmap_put(m, "", 0, &values[0]));
    CU_ASSERT_PTR_EQUAL(lg_strmap_get(m, "", 0), &values[0]);
    size_t pos = 0, seen = 0, len;
    const char *k;
    void *v;
    while (lg_strmap_next(m, &pos, &k, &len, &v)) {
        CU_ASSERT_EQUAL(k[len], 0);
        seen++;
    }
    CU_ASSERT_EQUAL(seen, 151);
    lg_strmap_destroy(m);
}

LG_TEST(test_strbuf__grows_to_its_bound_and_no_further)
{
    lg_strbuf b;
    lg_strbuf_init(&b, 100);
    for (int i = 0; i < 10; i++)
        lg_strbuf_puts(&b, "0123456789");
    CU_ASSERT_EQUAL(b.len, 100);
    CU_ASSERT_EQUAL(lg_strbuf_status(&b), LG_OK);
    lg_strbuf_putc(&b, 'x');
    CU_ASSERT_EQUAL(lg_strbuf_status(&b), LG_LIMIT);
    CU_ASSERT_EQUAL(b.len, 100);
    lg_strbuf_reset(&b);
    lg_strbuf_printf(&b, "%d-%s", 42, "abc");
    CU_ASSERT_STRING_EQUAL(b.data, "42-abc");
    char *p = lg_strbuf_extend(&b, 2);
    memcpy(p, "!!", 2);
    CU_ASSERT_STRING_EQUAL(b.data, "42-abc!!");
    CU_ASSERT_PTR_NULL(lg_strbuf_extend(&b, 1000));
    lg_strbuf_fini(&b);
}
