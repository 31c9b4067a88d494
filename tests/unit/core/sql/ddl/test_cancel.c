/* Statements that would take long end soon after a cancel, wherever they are. None of them would come
 * to its end by itself within the test's time: that it was canceled is what is tested, not how fast. */
#include "lg_test.h"
#include "sql_memory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const setup[] = {
    "CREATE TABLE a(i int, t text)",
    "INSERT INTO a SELECT i, repeat('x', 20) || i FROM generate_series(1, 3000) i",
    "CREATE TABLE long(t text)",
    "INSERT INTO long SELECT repeat('a', 40) || '!' FROM generate_series(1, 500)",
};

static const char *const statements[] = {
    /* joins of kept rows, with and without a match */
    "SELECT count(*) FROM a x, a y, a z WHERE x.i + y.i + z.i = -1",
    "SELECT count(*) FROM a x, a y, a z",
    "SELECT * FROM a x JOIN a y ON x.t > y.t JOIN a z ON z.t > y.t ORDER BY x.t, y.t, z.t",
    "SELECT count(*) FROM a x WHERE EXISTS (SELECT 1 FROM a y, a z WHERE x.i + y.i + z.i = -1)",
    /* sorts, groups, windows */
    "SELECT x.t FROM a x, a y ORDER BY x.t || y.t DESC, y.t",
    "SELECT count(*) FROM (SELECT x.i, y.i, count(*) FROM a x, a y GROUP BY x.i, y.i) q, a z, a w",
    "SELECT count(DISTINCT x.t || y.t) FROM a x, a y",
    "SELECT sum(s) FROM (SELECT sum(x.i::float8) OVER (ORDER BY x.i ROWS BETWEEN 2900 PRECEDING AND"
    " CURRENT ROW EXCLUDE CURRENT ROW) s FROM a x, generate_series(1, 50)) q",
    /* recursion, sets */
    "WITH RECURSIVE r AS (SELECT 1 i UNION ALL SELECT i + 1 FROM r) SELECT max(i) FROM r",
    "SELECT count(*) FROM generate_series(1, 100000000000)",
    "SELECT sum(generate_series) FROM generate_series(1, 100000000000) WHERE generate_series < 0",
    /* one call that takes long */
    "SELECT factorial(32000) + factorial(31999) + factorial(31998) + factorial(31997) > 0",
    "SELECT length((1.0000000001 ^ 123456789012)::text) + length((9.87654321::numeric ^"
    " 131000)::text) + length((9.87654322::numeric ^ 131000)::text) + length((9.8765433::numeric ^ "
    "131000)::text)",
    "SELECT exp(5999.123456789::numeric(1000,900)), ln(repeat('7', 100000)::numeric)",
    "SELECT gcd(factorial(20000) + 1, factorial(20001) + 7)",
    "SELECT sqrt(repeat('7', 130000)::numeric + x.i) FROM a x",
    "SELECT count(*) FROM a x, a y WHERE repeat(x.t, 3000) ~ ('(.*)' || y.i || '(.*)q\\1')",
    "SELECT length(regexp_replace(repeat(t, 5000), '(x*)(x*)\\1\\2y', 'x', 'g')) FROM a",
    "SELECT count(md5(repeat(t, 100000))) FROM a",
    /* utility statements */
    "CREATE TABLE made AS SELECT x.i, y.t FROM a x, a y, a z",
    "CREATE INDEX ON a ((factorial(20000 + i) > 0))",
    "ALTER TABLE a ADD CHECK (factorial(20000 + i) > 0)",
    "ALTER TABLE a ALTER i TYPE numeric USING factorial(20000 + i)",
    "COPY (SELECT x.i, y.t FROM a x, a y, a z) TO STDOUT",
    "INSERT INTO a SELECT x.i FROM a x, a y, a z WHERE x.i + y.i + z.i < 0",
    "UPDATE a SET i = (SELECT count(*) FROM a x, a y, a z WHERE a.i + x.i + y.i + z.i = -1)",
    "EXPLAIN ANALYZE SELECT count(*) FROM a x, a y, a z",
};

static void
canceled(sqlm *m)
{
    for (size_t i = 0; i < sizeof setup / sizeof *setup; i++)
        CU_ASSERT_EQUAL(strncmp(sqlm_run(m, setup[i]), "ERROR", 5) != 0, true);
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        uint64_t after_ms;
        const char *got = sqlm_run_canceled(m, statements[i], 60, &after_ms);
        const char *error = strstr(got, "ERROR"); /* behind what COPY gave out */
        bool was =
            error && !strcmp(error, "ERROR:  57014 canceling statement due to user request\n");
        if (getenv("LG_SHOW") || !was)
            printf("  %4llu ms  %s\n  %.80s\n", (unsigned long long)after_ms, statements[i],
                   error ? error : got);
        CU_ASSERT(was);
    }
    CU_ASSERT_STRING_EQUAL(sqlm_run(m, "SELECT count(*) FROM a"), "3000\n");
}

LG_TEST(test_cancel__anywhere)
{
    sqlm_with(canceled);
}

static void
canceled_with_little_memory(sqlm *m)
{
    lg_temp_owner *o = sqlm_spill(m, 64 << 10);
    canceled(m);
    CU_ASSERT(lg_list_empty(&o->files) && o->used_bytes == 0);
}

/* A cancel is seen while the sample is sorted, and others get their turn. */
static void
canceled_analyze(sqlm *m)
{
    sqlm_run(m, "CREATE TABLE s(a text, b text, c text, d text, e text, f text)");
    sqlm_run(
        m, "INSERT INTO s SELECT v, v, v, v, v, v FROM (SELECT repeat('x', 900) || i % 7919 v FROM"
           " generate_series(1, 8000) i) q");
    uint64_t after_ms;
    const char *got = sqlm_run_canceled(m, "ANALYZE s", 60, &after_ms);
    CU_ASSERT_STRING_EQUAL(got, "ERROR:  57014 canceling statement due to user request\n");
}

LG_TEST(test_cancel__analyze)
{
    sqlm_with(canceled_analyze);
}

LG_TEST(test_cancel__frees_temporary_files)
{
    sqlm_with(canceled_with_little_memory);
}
