/* Kept rows in memory: sorting, hash tables, stores, what a statement may keep. */
#include "lg_test.h"
#include "spill.h"
#include "type.h"
#include <string.h>

static lg_datum *
row(lg_arena *a, int64_t key, bool null, int64_t number)
{
    lg_datum *r = lg_xrow_new(a, 2);
    uint8_t *nulls = lg_xrow_nulls(r, 2);
    r[0] = (lg_datum)key;
    r[1] = (lg_datum)number;
    nulls[0] = null;
    nulls[1] = false;
    return r;
}

LG_TEST(test_spill_rows__sort_is_stable)
{
    static lg_error err;
    lg_exec_session es = {.err = &err};
    lg_exec *x;
    LG_ASSERT_OK(lg_exec_bare(&es, 0, &x));
    lg_xsort_key k = {.slot = 0, .cmp = lg_type_compare_fn(LG_T_INT8), .desc = true};
    lg_datum *rows[100];
    for (int64_t i = 0; i < 100; i++)
        rows[i] = row(x->arena, i % 7, i % 10 == 9, i);
    LG_ASSERT_OK(lg_xsort_rows(x, &k, 1, rows, 100, 2));
    for (int i = 1; i < 100; i++) {
        int d = lg_xsort_compare(&k, 1, rows[i - 1], rows[i], 2);
        CU_ASSERT(d < 0 || (d == 0 && rows[i - 1][1] < rows[i][1]));
    }
    CU_ASSERT(lg_xrow_nulls(rows[99], 2)[0]); /* NULLs last */
    lg_exec_close(x);
}

LG_TEST(test_spill_rows__hash_finds_all)
{
    lg_arena *a = lg_arena_create("test", 0);
    lg_xhash h;
    lg_xhash_init(&h, a);
    CU_ASSERT_PTR_NULL(lg_xhash_first(&h, 5));
    for (uint64_t i = 0; i < 1000; i++)
        lg_xhash_add(&h, i * 0x9E3779B97F4A7C15u, row(a, (int64_t)i, false, 0));
    for (uint64_t i = 0; i < 1000; i++) {
        const lg_xhash_entry *e = lg_xhash_first(&h, i * 0x9E3779B97F4A7C15u);
        while (e && e->row[0] != (lg_datum)i)
            e = e->next;
        CU_ASSERT_PTR_NOT_NULL(e);
    }
    lg_arena_destroy(a);
}

LG_TEST(test_spill_rows__kept_rows_of_a_cursor)
{
    static lg_error err;
    lg_exec_session es = {.err = &err};
    lg_outcol col = {.type = LG_T_INT8};
    lg_arena *a = lg_arena_create("test", 0);
    lg_xbatch b;
    lg_exec_kept *k;
    LG_ASSERT_OK(lg_exec_kept_create(&es, 1, &col, &k));
    lg_xbatch_init(&b, a, 1, &col.type, LG_BATCH);
    for (uint32_t i = 0; i < 10; i++)
        lg_vector_set(b.b.cols[0], i, i * i, i == 3);
    b.b.n = 10;
    LG_ASSERT_OK(lg_exec_kept_add(k, &b.b));
    LG_ASSERT_OK(lg_exec_kept_finish(k));
    CU_ASSERT_EQUAL(lg_exec_kept_count(k), 10);
    for (uint64_t i = 10; i-- > 0;) {
        const lg_datum *v;
        const uint8_t *nulls;
        LG_ASSERT_OK(lg_exec_kept_row(k, i, &v, &nulls));
        CU_ASSERT(i == 3 ? nulls[0] : !nulls[0] && v[0] == i * i);
    }
    lg_exec_kept_close(k);
    lg_arena_destroy(a);
}

LG_TEST(test_spill_rows__a_statement_keeps_so_much)
{
    static lg_error err;
    lg_exec_session es = {.err = &err};
    lg_exec *x;
    size_t mine = 0;
    LG_ASSERT_OK(lg_exec_bare(&es, 0, &x));
    lg_error_init(&err, x->arena);
    LG_ASSERT_OK(lg_xmemory(x, &mine, 1u << 30));
    CU_ASSERT_EQUAL(lg_xmemory(x, &mine, (size_t)3 << 30), LG_SQL);
    CU_ASSERT_STRING_EQUAL(err.sqlstate, "53200");
    LG_ASSERT_OK(lg_xmemory(x, &mine, 0));
    CU_ASSERT_EQUAL(x->memory, 0);
    lg_exec_close(x);
}
