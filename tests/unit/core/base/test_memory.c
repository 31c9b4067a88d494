/* Heaps and arenas, statuses, errors. */
#include "lg_test.h"
#include "arena.h"
#include "error.h"
#include "mem.h"
#include "scn.h"
#include <string.h>

LG_TEST(test_mem__heap_destroy_frees_all)
{
    lg_heap *h = lg_heap_create();
    lg_heap *old = lg_heap_switch(h);
    void *a = lg_alloc(100);
    (void)lg_alloc_aligned(4096, 8192);
    a = lg_realloc(a, 1000);
    CU_ASSERT_EQUAL(lg_heap_used_bytes(h), 9192);
    lg_arena *arena = lg_arena_create("t", 0);
    memset(lg_arena_alloc(arena, 20000), 1, 20000);
    (void)lg_heap_switch(old);
    lg_free(a); /* freed whichever heap is current */
    CU_ASSERT(lg_heap_used_bytes(h) >= 8192);
    lg_heap_destroy(h); /* the sanitizer sees any leak */
}

LG_TEST(test_mem__aligned)
{
    void *p = lg_alloc_aligned(4096, 100);
    CU_ASSERT_EQUAL((uintptr_t)p % 4096, 0);
    lg_free(p);
}

LG_TEST(test_arena__reset_keeps_first_chunk)
{
    lg_arena *a = lg_arena_create("t", 256);
    char *first = lg_arena_strdup(a, "hello");
    for (int i = 0; i < 100; i++)
        CU_ASSERT_EQUAL((uintptr_t)lg_arena_alloc(a, 33) % 16, 0);
    CU_ASSERT_STRING_EQUAL(first, "hello");
    lg_arena_reset(a);
    CU_ASSERT_EQUAL(lg_arena_used_bytes(a), 0);
    CU_ASSERT_PTR_EQUAL(lg_arena_alloc(a, 1), first);
    CU_ASSERT_STRING_EQUAL(lg_arena_printf(a, "%s %d", "x", 5), "x 5");
    lg_arena_destroy(a);
}

LG_TEST(test_status__names_and_sqlstates)
{
    CU_ASSERT_STRING_EQUAL(lg_status_name(LG_DEADLOCK), "DEADLOCK");
    CU_ASSERT_STRING_EQUAL(lg_status_sqlstate(LG_SNAPSHOT_TOO_OLD), "72000");
    CU_ASSERT_STRING_EQUAL(lg_status_sqlstate((lg_status)-9999), "XX000");
}

LG_TEST(test_error__first_error_is_kept)
{
    lg_arena *a = lg_arena_create("t", 0);
    lg_error e;
    lg_error_init(&e, a);
    CU_ASSERT_EQUAL(lg_error_set(&e, "42P01", "relation \"%s\" does not exist", "t"), LG_SQL);
    lg_error_from_status(&e, LG_IO);
    CU_ASSERT_STRING_EQUAL(e.sqlstate, "42P01");
    CU_ASSERT_STRING_EQUAL(e.message, "relation \"t\" does not exist");
    lg_error_clear(&e);
    lg_error_from_status(&e, LG_IO);
    CU_ASSERT_STRING_EQUAL(e.sqlstate, "58030");
    lg_arena_destroy(a);
}

LG_TEST(test_scn__versions_strictly_increase)
{
    lg_scn_clock c = {0};
    CU_ASSERT_EQUAL(lg_scn_next(&c), 1);
    lg_scn_observe(&c, 10);
    lg_scn_observe(&c, 5);
    CU_ASSERT_EQUAL(lg_scn_next(&c), 11);
    lg_version v = lg_version_next(0, 11);
    CU_ASSERT_EQUAL(lg_version_scn(v), 11);
    CU_ASSERT(lg_version_next(v, 11) > v);
    CU_ASSERT(lg_version_next(v, 3) > v);
}

static void
told(void *arg)
{
    ++*(int *)arg;
}

LG_TEST(test_budget__counts_large_blocks_and_tells_who_goes_beyond)
{
    int times = 0;
    lg_budget_info i;
    lg_budget *b = lg_budget_create();
    lg_mem_meter m = {.budget = b, .over = told, .arg = &times};
    lg_mem_meter *outer = lg_mem_meter_switch(&m);
    void *before = lg_alloc(1 << 20), *small = lg_alloc(100);
    lg_budget_limit(b, 100 << 20); /* beside what there is */
    m.bytes = 0;
    lg_budget_info_get(b, &i);
    CU_ASSERT_EQUAL(i.used, 1 << 20);
    CU_ASSERT_EQUAL(i.limit, 101 << 20);
    CU_ASSERT(lg_mem_room(50 << 20));
    CU_ASSERT(!lg_mem_room(51 << 20)); /* one statement has half of it */
    CU_ASSERT(!lg_mem_room(SIZE_MAX / 4));
    CU_ASSERT_EQUAL(times, 0);
    CU_ASSERT(lg_mem_refused(51 << 20));
    CU_ASSERT_EQUAL(times, 1);

    void *a = lg_alloc(40 << 20);
    CU_ASSERT_EQUAL(times, 1);
    void *c = lg_alloc(20 << 20); /* never refused, but told */
    CU_ASSERT_EQUAL(times, 2);
    lg_free(a);
    a = lg_alloc(10 << 20);
    CU_ASSERT_EQUAL(times, 2);
    CU_ASSERT_EQUAL(m.bytes, 30 << 20);

    lg_mem_meter other = {.budget = b, .over = told, .arg = &times}; /* it has little itself */
    (void)lg_mem_meter_switch(&other);
    void *d = lg_alloc(15 << 20);
    c = lg_realloc(c, 90 << 20);
    CU_ASSERT_EQUAL(other.bytes, 85 << 20);
    CU_ASSERT_EQUAL(times, 3);
    lg_free(c);
    lg_free(d);
    d = lg_alloc(12 << 20);
    CU_ASSERT_EQUAL(times, 3);

    (void)lg_mem_meter_switch(outer);
    lg_free(a);
    lg_free(before);
    lg_free(small);
    lg_budget_info_get(b, &i);
    CU_ASSERT_EQUAL(i.used, 12 << 20);
    CU_ASSERT_EQUAL(i.most, 116 << 20);
    CU_ASSERT(i.refused >= 5);
    lg_budget_release(b); /* it stays until its last block is gone: the sanitizer sees */
    lg_free(d);
}
