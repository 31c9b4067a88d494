/* Rows and keys. */
#include "collate.h"
#include "func.h"
#include "keycodec.h"
#include "lg_test.h"
#include "rowcodec.h"
#include <stdlib.h>

static lg_datum
value(lg_arena *a, lg_oid type, const char *s)
{
    lg_env env;
    lg_error err;
    lg_datum d = 0;
    lg_env_init(&env);
    lg_error_init(&err, a);
    lg_status st = lg_type_input(&env, type, s, -1, a, &err, &d);
    if (st != LG_OK)
        CU_FAIL(s);
    return d;
}

LG_TEST(test_rowcodec__round_trip_with_nulls_and_missing_columns)
{
    lg_arena *a = lg_arena_create("t", 0);
    lg_oid types[] = {LG_T_INT4, LG_T_TEXT, LG_T_BOOL, LG_T_INT2, LG_T_NUMERIC, LG_T_INT8};
    lg_rowcol cols[6];
    for (int i = 0; i < 6; i++)
        lg_rowcol_init(&cols[i], types[i]);
    lg_datum v[5] = {lg_datum_int4(-7), value(a, LG_T_TEXT, "hello"), 0, lg_datum_int2(-300),
                     value(a, LG_T_NUMERIC, "12345.678")};
    uint8_t nulls[5] = {0, 0, 1, 0, 0};
    const uint8_t *row;
    size_t len;
    lg_row_encode_arena(cols, 5, v, nulls, a, &row, &len);
    CU_ASSERT_EQUAL(lg_row_natts(row, len), 5);
    lg_datum w[6];
    uint8_t wn[6];
    uint32_t natts;
    LG_ASSERT_OK(lg_row_decode(cols, 6, row, len, w, wn, &natts));
    CU_ASSERT_EQUAL(natts, 5);
    CU_ASSERT_EQUAL(lg_int4(w[0]), -7);
    CU_ASSERT_EQUAL(w[0], v[0]);
    CU_ASSERT_EQUAL(w[3], v[3]);
    CU_ASSERT(lg_type_equal_fn(LG_T_TEXT)(w[1], v[1]));
    CU_ASSERT(lg_type_equal_fn(LG_T_NUMERIC)(w[4], v[4]));
    CU_ASSERT_EQUAL(wn[2], 1);
    CU_ASSERT_EQUAL(wn[5], 1);
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *copy = lg_arena_dup(a, row, cut);
        CU_ASSERT_EQUAL(lg_row_decode(cols, 5, copy, cut, w, wn, &natts), LG_CORRUPT);
    }
    lg_arena_destroy(a);
}

/* The order of keys is the order of values, for every pair, both directions. */
static void
check_order(lg_oid type, const char *const *s, int n)
{
    lg_arena *a = lg_arena_create("t", 0);
    lg_compare_fn cmp = lg_type_compare_fn(type);
    for (int desc = 0; desc < 2; desc++) {
        lg_keycol col = {.type = type, .desc = desc, .nulls_first = desc};
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) {
                lg_datum x = value(a, type, s[i]), y = value(a, type, s[j]);
                uint8_t kx[256], ky[256];
                size_t nx = lg_key_encode(&col, 1, &x, NULL, kx, sizeof kx, NULL);
                size_t ny = lg_key_encode(&col, 1, &y, NULL, ky, sizeof ky, NULL);
                int r = memcmp(kx, ky, nx < ny ? nx : ny);
                r = r ? r : (nx > ny) - (nx < ny);
                int want = cmp(x, y) * (desc ? -1 : 1);
                CU_ASSERT_EQUAL((r > 0) - (r < 0), (want > 0) - (want < 0));
                lg_datum back;
                uint8_t null;
                size_t used;
                LG_ASSERT_OK(lg_key_decode(&col, 1, kx, nx, a, &back, &null, &used));
                CU_ASSERT_EQUAL(used, nx);
                if (lg_key_lossless(type))
                    CU_ASSERT(lg_type_equal_fn(type)(x, back));
            }
    }
    lg_arena_destroy(a);
}

LG_TEST(test_keycodec__order_is_the_order_of_values)
{
    check_order(LG_T_INT4,
                (const char *[]){"-2147483648", "-1", "0", "1", "255", "256", "2147483647"}, 7);
    check_order(LG_T_INT2, (const char *[]){"-32768", "-1", "0", "1", "32767"}, 5);
    check_order(LG_T_INT8,
                (const char *[]){"-9223372036854775808", "-1", "0", "1", "9223372036854775807"}, 5);
    check_order(LG_T_FLOAT8,
                (const char *[]){"-Infinity", "-1.5", "-0", "0", "1e-300", "2", "Infinity", "NaN"},
                8);
    check_order(LG_T_FLOAT4,
                (const char *[]){"-Infinity", "-1.5", "-0", "0", "1e-30", "2", "Infinity", "NaN"},
                8);
    check_order(LG_T_TEXT, (const char *[]){"", "a", "aa", "ab", "b", "\xc3\xa4", "~"}, 7);
    check_order(LG_T_BPCHAR, (const char *[]){"", "a", "a  ", "a b", "b"}, 5);
    check_order(LG_T_NUMERIC,
                (const char *[]){"-Infinity", "-100000", "-1.5", "-1.50", "-0.0001", "0", "0.00",
                                 "0.00001", "0.1", "1", "1.0001", "9999", "10000", "10001",
                                 "123456789.123", "Infinity", "NaN"},
                17);
    check_order(LG_T_INET,
                (const char *[]){"0.0.0.0/0", "10.0.0.0/8", "10.1.2.3/8", "10.0.0.0/9", "10.0.0.0",
                                 "10.128.0.0/9", "11.0.0.0/8", "::/0", "2001:db8::/32",
                                 "2001:db8::1/128"},
                10);
    check_order(LG_T_JSONB,
                (const char *[]){"[]", "null", "\"a\"", "\"b\"", "-1.5", "2", "10", "false", "true",
                                 "[3]", "[1, 2]", "{}", "{\"a\": 1}", "{\"a\": \"x\", \"b\": 1}"},
                14);
    check_order(LG_T_BOOL, (const char *[]){"f", "t"}, 2);
    check_order(LG_T_OID, (const char *[]){"0", "1", "4294967295"}, 3);
}

LG_TEST(test_keycodec__nulls_go_where_asked)
{
    lg_datum v = lg_datum_int4(5);
    uint8_t null = 1, not_null = 0, a[16], b[16];
    bool has_null;
    lg_keycol last = {.type = LG_T_INT4};
    lg_keycol first = {.type = LG_T_INT4, .desc = true, .nulls_first = true};
    size_t na = lg_key_encode(&last, 1, &v, &null, a, sizeof a, &has_null);
    size_t nb = lg_key_encode(&last, 1, &v, &not_null, b, sizeof b, NULL);
    CU_ASSERT(has_null);
    CU_ASSERT(memcmp(a, b, na < nb ? na : nb) > 0);
    na = lg_key_encode(&first, 1, &v, &null, a, sizeof a, NULL);
    nb = lg_key_encode(&first, 1, &v, &not_null, b, sizeof b, NULL);
    CU_ASSERT(memcmp(a, b, na < nb ? na : nb) < 0);
    CU_ASSERT(lg_key_encode(&last, 1, &v, &not_null, b, 2, NULL) > 2);
}

/* In an ICU collation: its order, ties by the bytes, and the text comes back. */
LG_TEST(test_keycodec__an_icu_collation_orders_keys)
{
    static const char *const s[] = {"",  "1", "a", "A",   "\xc3\xa4", "aa",
                                    "b", "Z", "z", "a-b", "ab"};
    lg_arena *a = lg_arena_create("t", 0);
    lg_tz_cache *tzs = lg_tz_cache_create();
    lg_oid coll = lg_collation_by_name("de-x-icu")->oid;
    CU_ASSERT_PTR_NULL(lg_collator_get(tzs, LG_COLLATION_C));
    for (int desc = 0; desc < 2; desc++) {
        lg_keycol col = {LG_T_TEXT, desc, desc, coll, lg_collator_get(tzs, coll)};
        CU_ASSERT_PTR_NOT_NULL_FATAL(col.collator);
        for (size_t i = 0; i < sizeof s / sizeof *s; i++)
            for (size_t k = 0; k < sizeof s / sizeof *s; k++) {
                uint8_t x[200], y[200], null;
                lg_datum dx = value(a, LG_T_TEXT, s[i]), dy = value(a, LG_T_TEXT, s[k]), back;
                size_t nx = lg_key_encode(&col, 1, &dx, NULL, x, sizeof x, NULL), used;
                size_t ny = lg_key_encode(&col, 1, &dy, NULL, y, sizeof y, NULL);
                int d = memcmp(x, y, nx < ny ? nx : ny), want = lg_key_compare(&col, dx, dy);
                CU_ASSERT_EQUAL((desc ? -d : d) < 0, want < 0);
                CU_ASSERT_EQUAL(d == 0, i == k);
                LG_ASSERT_OK(lg_key_decode(&col, 1, x, nx, a, &back, &null, &used));
                CU_ASSERT_EQUAL(used, nx);
                CU_ASSERT(lg_type_equal_fn(LG_T_TEXT)(back, dx));
            }
        CU_ASSERT(lg_key_compare(&col, value(a, LG_T_TEXT, "\xc3\xa4"), value(a, LG_T_TEXT, "b")) <
                  0);
    }
    lg_tz_cache_destroy(tzs);
    lg_arena_destroy(a);
}
