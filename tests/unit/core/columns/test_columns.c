/* Chunks: what goes in comes out; what the cache keeps and lets go. */
#include "columns.h"
#include "lg_test.h"
#include "mem.h"
#include "type.h"
#include <stdlib.h>

enum { INT4, INT8, TEXT, NUM, NCOLS };

static lg_rowcol cols[NCOLS];

static void
make_cols(void)
{
    lg_rowcol_init(&cols[INT4], LG_T_INT4);
    lg_rowcol_init(&cols[INT8], LG_T_INT8);
    lg_rowcol_init(&cols[TEXT], LG_T_TEXT);
    lg_rowcol_init(&cols[NUM], LG_T_NUMERIC);
}

typedef struct row {
    lg_datum v[NCOLS];
    uint8_t null[NCOLS];
} row;

/* Row i of a table made by seed. */
static row
make_row(lg_arena *a, uint32_t i, int64_t spread, uint32_t distinct)
{
    row r = {.null = {i % 5 == 4, 0, i % 7 == 6, i % 9 == 8}};
    char text[32];
    int len = snprintf(text, sizeof text, "text %u", i % distinct);
    r.v[INT4] = lg_datum_int4((int32_t)(i % 300) - 150);
    r.v[INT8] = lg_datum_int8(INT64_C(-7) + (int64_t)(i % 17) * spread);
    r.v[TEXT] = lg_datum_text(a, text, (size_t)len);
    /* i % distinct hundredths: flags (scale 2), weight, digits */
    lg_varlen *x = lg_varlen_new(a, 8);
    uint16_t flags = 2, weight = 0;
    int16_t digit[2] = {(int16_t)(1 + i % distinct % 100), 2500};
    memcpy(x->data, &flags, 2);
    memcpy(x->data + 2, &weight, 2);
    memcpy(x->data + 4, digit, 4);
    r.v[NUM] = lg_datum_ptr(x);
    return r;
}

static lg_chunk *
make_chunk(uint32_t n, int64_t spread, uint32_t distinct, const bool *want)
{
    lg_arena *a = lg_arena_create("test", 0);
    lg_chunk_build *b = lg_chunk_build_begin(cols, NCOLS, want);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *bytes;
        size_t len;
        row r = make_row(a, i, spread, distinct);
        lg_row_encode_arena(cols, NCOLS, r.v, r.null, a, &bytes, &len);
        CU_ASSERT_TRUE_FATAL(lg_chunk_build_row(b, bytes, (uint32_t)len));
    }
    lg_arena_destroy(a);
    return lg_chunk_build_end(b);
}

static uint64_t
offset_at(const lg_chunk_col *c, uint32_t i)
{
    uint64_t x = 0;
    if (c->width)
        memcpy(&x, (const uint8_t *)c->rows + (size_t)i * c->width, c->width);
    return x;
}

static void
check_chunk(uint32_t n, int64_t spread, uint32_t distinct)
{
    static const bool all[NCOLS] = {true, true, true, true};
    lg_arena *a = lg_arena_create("test", 0);
    lg_chunk *k = make_chunk(n, spread, distinct, all);
    CU_ASSERT_EQUAL(k->nrows, n);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < n; i++) {
        row r = make_row(a, i, spread, distinct);
        for (uint32_t c = 0; c < NCOLS; c++) {
            const lg_chunk_col *col = &k->cols[c];
            bool null = col->null && col->null[i];
            if (null != (r.null[c] != 0)) {
                wrong++;
            } else if (!null && col->kind == LG_CHUNK_INT) {
                wrong += (int64_t)r.v[c] != (int64_t)((uint64_t)col->min + offset_at(col, i));
                wrong += (int64_t)r.v[c] < col->min || (int64_t)r.v[c] > col->max;
            } else if (!null) {
                lg_datum v = lg_chunk_value(col, (uint32_t)offset_at(col, i));
                wrong += lg_text_len(v) != lg_text_len(r.v[c]) ||
                         memcmp(lg_text_data(v), lg_text_data(r.v[c]), lg_text_len(v)) != 0;
            }
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_PTR_NOT_NULL(k->cols[NUM].num);
    CU_ASSERT_EQUAL(k->cols[NUM].num_scale, 2);
    CU_ASSERT_EQUAL(k->cols[NUM].num[0], 125);
    lg_chunk_put(k);
    lg_arena_destroy(a);
}

LG_TEST(test_columns__chunk_gives_back_every_row)
{
    make_cols();
    check_chunk(1, 1, 3);
    check_chunk(5000, 0, 10);
    check_chunk(5000, 3, 300);
    check_chunk(5000, 1000, 5000);
    check_chunk(3000, INT64_C(1) << 30, 70);
    check_chunk(3000, INT64_C(1) << 58, 2900);
}

LG_TEST(test_columns__narrow_rows_and_few_values)
{
    static const bool all[NCOLS] = {true, true, true, true};
    make_cols();
    lg_chunk *k = make_chunk(2000, 0, 10, all);
    CU_ASSERT_EQUAL(k->cols[INT4].width, 2); /* 300 values */
    CU_ASSERT_EQUAL(k->cols[INT8].width, 0); /* all the same */
    CU_ASSERT_EQUAL(k->cols[TEXT].width, 1);
    CU_ASSERT_EQUAL(k->cols[TEXT].nvalues, 10);
    lg_chunk_put(k);
}

LG_TEST(test_columns__row_that_lacks_a_column_is_refused)
{
    static const bool all[NCOLS] = {true, true, true, true};
    static const bool first[NCOLS] = {true, false, false, false};
    const uint8_t *bytes;
    size_t len;
    make_cols();
    lg_arena *a = lg_arena_create("test", 0);
    row r = make_row(a, 0, 1, 1);
    lg_row_encode_arena(cols, 2, r.v, r.null, a, &bytes, &len);
    lg_chunk_build *b = lg_chunk_build_begin(cols, NCOLS, all);
    CU_ASSERT_FALSE(lg_chunk_build_row(b, bytes, (uint32_t)len));
    lg_chunk_build_drop(b);
    b = lg_chunk_build_begin(cols, NCOLS, first);
    CU_ASSERT_TRUE(lg_chunk_build_row(b, bytes, (uint32_t)len));
    CU_ASSERT_FALSE(lg_chunk_build_row(b, bytes, 3)); /* cut off */
    lg_chunk_build_drop(b);
    lg_arena_destroy(a);
}

LG_TEST(test_columns__columns_are_added_later)
{
    static const bool one[NCOLS] = {true, false, false, false};
    static const bool other[NCOLS] = {false, false, true, false};
    make_cols();
    lg_chunk *k = make_chunk(100, 1, 5, one), *more = make_chunk(100, 1, 5, other);
    lg_columns *c = lg_columns_create(1u << 20);
    lg_columns_add(c, 1, 64, k);
    size_t before = lg_columns_bytes(c);
    CU_ASSERT_EQUAL(k->ncols, 1);
    lg_columns_merge(k, more);
    lg_chunk_put(more);
    CU_ASSERT_EQUAL(k->cols[INT4].kind, LG_CHUNK_INT);
    CU_ASSERT_EQUAL(k->cols[INT8].kind, LG_CHUNK_NONE);
    CU_ASSERT_EQUAL(k->cols[TEXT].kind, LG_CHUNK_DICT);
    CU_ASSERT_TRUE(lg_columns_bytes(c) > before);
    lg_chunk_put(k);
    lg_columns_destroy(c);
}

LG_TEST(test_columns__cache_is_bounded_and_not_washed_out)
{
    static const bool all[NCOLS] = {true, true, true, true};
    make_cols();
    lg_chunk *k = make_chunk(1000, 5, 50, all);
    size_t one = k->bytes;
    lg_columns *c = lg_columns_create(4 * one + one / 2);
    lg_chunk_put(k);
    for (int round = 0; round < 3; round++) { /* a table of ten chunks, scanned again and again */
        lg_columns_scan_begin(c);
        for (uint32_t i = 0; i < 10; i++) {
            k = lg_columns_get(c, 7, i * LG_CHUNK_BLOCKS);
            CU_ASSERT_EQUAL(k != NULL, round > 0 && i < 4);
            if (k) {
                lg_columns_hit(c, k);
            } else if (lg_columns_worth(c, 7, i * LG_CHUNK_BLOCKS)) {
                k = make_chunk(1000, 5, 50, all);
                lg_columns_add(c, 7, i * LG_CHUNK_BLOCKS, k);
            }
            lg_chunk_put(k);
            CU_ASSERT_TRUE(lg_columns_bytes(c) <= 4 * one + one / 2);
        }
    }
    for (int i = 0; i < 20; i++) /* others' scans: the old table's chunks make room */
        lg_columns_scan_begin(c);
    CU_ASSERT_TRUE(lg_columns_worth(c, 8, 0));
    k = make_chunk(1000, 5, 50, all);
    lg_columns_add(c, 8, 0, k);
    lg_chunk_put(k);
    k = lg_columns_get(c, 8, 0);
    CU_ASSERT_PTR_NOT_NULL(k);
    lg_chunk_put(k);
    lg_columns_destroy(c);
}

LG_TEST(test_columns__chunk_that_never_pays_is_not_made_again)
{
    static const bool all[NCOLS] = {true, true, true, true};
    make_cols();
    lg_columns *c = lg_columns_create(1u << 20);
    int made = 0;
    for (int i = 0; i < 40; i++) { /* changed before every scan */
        lg_columns_scan_begin(c);
        lg_chunk *k = lg_columns_get(c, 7, 0);
        if (k)
            lg_columns_stale(c, k);
        lg_chunk_put(k);
        if (lg_columns_worth(c, 7, 0)) {
            k = make_chunk(100, 5, 50, all);
            lg_columns_add(c, 7, 0, k);
            lg_chunk_put(k);
            made++;
        }
    }
    CU_ASSERT_TRUE(made >= 2 && made <= 8);
    made = 0;
    for (int i = 0; i < 40; i++) /* such that it can never be kept */
        if (lg_columns_worth(c, 8, 0)) {
            lg_columns_wasted(c, 8, 0);
            made++;
        }
    CU_ASSERT_TRUE(made >= 2 && made <= 8);
    lg_columns_destroy(c);
}

LG_TEST(test_columns__who_holds_a_chunk_keeps_it)
{
    static const bool all[NCOLS] = {true, true, true, true};
    make_cols();
    lg_columns *c = lg_columns_create(1u << 20);
    lg_chunk *k = make_chunk(100, 5, 50, all);
    lg_columns_add(c, 7, 0, k);
    lg_columns_stale(c, k);
    CU_ASSERT_PTR_NULL(lg_columns_get(c, 7, 0));
    CU_ASSERT_EQUAL(lg_columns_bytes(c), 0);
    CU_ASSERT_EQUAL(k->nrows, 100);
    lg_chunk_put(k);
    lg_columns_destroy(c);
}
