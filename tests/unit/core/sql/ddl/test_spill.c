/* Statements with next to no memory: the same answers as with enough of it. */
#include "lg_test.h"
#include "mem.h"
#include "sql_memory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *sql, *expected;
} cases[] = {
#define SQL(sql, expected) {sql, expected},
#include "sql_cases.def"
#undef SQL
};

static int
compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The same lines in any order: what has no ORDER BY may come in another one. */
static bool
same_lines(const char *x, const char *y)
{
    char *texts[2] = {lg_strdup(x), lg_strdup(y)}, **lines[2];
    size_t n[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        lines[i] = lg_alloc((strlen(texts[i]) + 2) * sizeof(char *));
        for (char *save, *l = strtok_r(texts[i], "\n", &save); l; l = strtok_r(NULL, "\n", &save))
            lines[i][n[i]++] = l;
        qsort(lines[i], n[i], sizeof(char *), compare_lines);
    }
    bool same = n[0] == n[1];
    for (size_t i = 0; same && i < n[0]; i++)
        same = strcmp(lines[0][i], lines[1][i]) == 0;
    for (int i = 0; i < 2; i++) {
        lg_free(lines[i]);
        lg_free(texts[i]);
    }
    return same;
}

static uint32_t next_case;

/* Up to the next "--". One byte: everything that can go out goes out. */
static void
run_cases(sqlm *m)
{
    sqlm_spill(m, 1);
    for (; next_case < sizeof cases / sizeof *cases; next_case++) {
        const char *sql = cases[next_case].sql;
        if (strcmp(sql, "--") == 0)
            return;
        const char *got = sqlm_run(m, sql);
        if (!same_lines(got, cases[next_case].expected)) {
            printf("  %s\n  got: %s  PostgreSQL: %s", sql, got, cases[next_case].expected);
            CU_FAIL("differs from PostgreSQL");
        }
    }
}

LG_TEST(test_spill__agrees_with_postgresql)
{
    for (next_case = 0; next_case < sizeof cases / sizeof *cases; next_case++)
        sqlm_with(run_cases);
}

/* ---- larger statements, in memory and out of it ---- */

static const char *const setup[] = {
    "CREATE TABLE big(id int, k int, g int, t text, n numeric, f float8, d date)",
    "INSERT INTO big SELECT i, i % 700, i % 13, CASE WHEN i % 11 = 0 THEN NULL ELSE repeat('x', i "
    "% 50)"
    " || i END, i * 1.25, i / 3.0, date '2020-01-01' + i % 400 FROM generate_series(1, 3000) i",
    "CREATE TABLE other(k int, v text)",
    "INSERT INTO other SELECT CASE WHEN i % 17 = 0 THEN NULL ELSE i % 900 END, 'v' || i"
    " FROM generate_series(1, 1500) i",
    "CREATE TABLE skew(k int, v int)",
    "INSERT INTO skew SELECT CASE WHEN i % 10 = 0 THEN i ELSE 7 END, i FROM generate_series(1, "
    "1000) i",
};

static const char *const queries[] = {
    "SELECT id, t FROM big ORDER BY t DESC NULLS LAST, id",
    "SELECT * FROM big ORDER BY g, d, id OFFSET 500 LIMIT 1250",
    "SELECT id FROM (SELECT * FROM big ORDER BY n DESC LIMIT 2900) x ORDER BY id LIMIT 5",
    "SELECT count(*), sum(b.id), max(o.v) FROM big b JOIN other o ON b.k = o.k",
    "SELECT b.id, o.v FROM big b LEFT JOIN other o ON b.k = o.k AND o.v > 'v2' WHERE b.g < 3",
    "SELECT b.id, o.v FROM big b RIGHT JOIN other o ON b.k = o.k AND b.id < 500",
    "SELECT b.id, o.k, o.v FROM big b FULL JOIN other o ON b.k = o.k AND b.g = 2",
    "SELECT count(*), sum(id) FROM big b WHERE EXISTS (SELECT 1 FROM other o WHERE o.k = b.k)",
    "SELECT count(*), sum(id) FROM big b WHERE NOT EXISTS (SELECT 1 FROM other o WHERE o.k = b.k)",
    "SELECT count(*) FROM big b WHERE k NOT IN (SELECT k FROM other WHERE k IS NOT NULL)",
    "SELECT count(*) FROM big b WHERE k NOT IN (SELECT k FROM other)",
    "SELECT count(*), sum(a.v::bigint * b.v) FROM skew a JOIN skew b ON a.k = b.k WHERE a.v < 400",
    "SELECT a.v, b.v FROM (SELECT * FROM skew WHERE v < 60) a FULL JOIN skew b ON a.k = b.k AND "
    "b.v < 90",
    "SELECT count(*), sum(a.v) FROM skew a LEFT JOIN skew b ON a.k = b.k AND b.v = a.v + 1",
    "SELECT count(*) FROM skew a WHERE EXISTS (SELECT 1 FROM skew b WHERE a.k = b.k AND b.v > a.v "
    "+ 750)",
    "SELECT count(*) FROM skew a WHERE NOT EXISTS (SELECT 1 FROM skew b WHERE a.k = b.k AND b.v > "
    "a.v + 100)",
    "SELECT k, count(*), sum(n), avg(f), max(t), min(d) FROM big GROUP BY k",
    "SELECT k, g, count(t), sum(n) FROM big GROUP BY GROUPING SETS ((k), (k, g), ())",
    "SELECT g, d, count(*) FROM big GROUP BY ROLLUP (g, d)",
    "SELECT DISTINCT k, t FROM big",
    "SELECT k, count(DISTINCT t), string_agg(t, ',' ORDER BY id) FROM big GROUP BY k",
    "SELECT count(DISTINCT t), count(DISTINCT n), array_length(array_agg(id ORDER BY f DESC), 1) "
    "FROM big",
    "SELECT g, percentile_cont(0.3) WITHIN GROUP (ORDER BY f), mode() WITHIN GROUP (ORDER BY k) "
    "FROM big GROUP BY g",
    "SELECT k, count(DISTINCT g), string_agg(DISTINCT t, ';' ORDER BY t DESC NULLS LAST),"
    " sum(DISTINCT n) FILTER (WHERE g < 6) FROM big GROUP BY GROUPING SETS ((k), ())",
    "SELECT count(DISTINCT g), count(DISTINCT (g, k)), array_agg(DISTINCT d ORDER BY d DESC)"
    " FROM big",
    "SELECT percentile_disc(ARRAY[0, 0.4, NULL, 1]) WITHIN GROUP (ORDER BY t DESC NULLS FIRST),"
    " percentile_cont(ARRAY[0.1, 0.77]) WITHIN GROUP (ORDER BY f), rank(800, 'x') WITHIN GROUP"
    " (ORDER BY id DESC, t), cume_dist(7) WITHIN GROUP (ORDER BY g), dense_rank(300) WITHIN GROUP"
    " (ORDER BY k), mode() WITHIN GROUP (ORDER BY t) FROM big",
    "SELECT g, k, array_agg(f ORDER BY n DESC), count(DISTINCT t) FROM (SELECT * FROM big ORDER BY"
    " g, k) x GROUP BY g, k ORDER BY g, k",
    "SELECT count(*) FROM big WHERE t IN (SELECT v FROM other) OR k IN (SELECT k FROM other)"
    " OR g > 99",
    "SELECT count(*), count(t <> ALL (SELECT t FROM big WHERE id % 40 = 0)) FROM big WHERE g < 4"
    " OR n < ANY (SELECT -id FROM big WHERE id < 60)",
    "SELECT id IN (SELECT k FROM other), (id, t) NOT IN (SELECT id, t FROM big WHERE id < 60 AND t "
    "IS NOT NULL)"
    " FROM big",
    "WITH RECURSIVE r AS (SELECT 1 AS a, 2 AS b UNION SELECT (a * 7 + b) % 301, (b + 5) % 11"
    " FROM r) SELECT * FROM r",
    "SELECT k, t FROM big INTERSECT SELECT k, t FROM big WHERE id > 1000",
    "SELECT k FROM big EXCEPT SELECT k FROM other",
    "SELECT k FROM big EXCEPT ALL SELECT k FROM other",
    "SELECT k FROM big INTERSECT ALL SELECT k FROM other",
    "SELECT k FROM big UNION SELECT k FROM other",
    "SELECT id, sum(n) OVER (PARTITION BY g ORDER BY id ROWS BETWEEN 10 PRECEDING AND 5 FOLLOWING),"
    " lag(t, 3) OVER (PARTITION BY g ORDER BY id), first_value(t) OVER (PARTITION BY g ORDER BY "
    "id),"
    " last_value(t) OVER (PARTITION BY g ORDER BY d) FROM big",
    "SELECT id, rank() OVER (ORDER BY k), ntile(7) OVER (ORDER BY id), max(t) OVER (ORDER BY id "
    "ROWS"
    " BETWEEN 100 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), count(*) OVER () FROM big",
    "SELECT id, sum(f) OVER (ORDER BY d RANGE BETWEEN '3 days' PRECEDING AND '1 day' FOLLOWING),"
    " count(*) OVER (ORDER BY d GROUPS BETWEEN 2 PRECEDING AND 1 FOLLOWING) FROM big",
    "WITH c AS MATERIALIZED (SELECT * FROM big) SELECT count(*), sum(a.id), max(b.t)"
    " FROM c a JOIN c b ON a.id = b.id + 1 WHERE a.g <> 5",
    "WITH c AS MATERIALIZED (SELECT id, t FROM big WHERE id < 150) SELECT count(*), max(a.t || b.t)"
    " FROM c a, c b WHERE a.id <> b.id",
    "WITH RECURSIVE r AS (SELECT id, t, 1 AS l FROM big WHERE id < 400 UNION ALL"
    " SELECT id + 1, t, l + 1 FROM r WHERE l < 4) SELECT count(*), sum(id), max(t) FROM r",
    "WITH RECURSIVE r AS (SELECT id, t FROM big WHERE id < 400 UNION"
    " SELECT id + 1, t FROM r WHERE id < 300) SELECT count(*), sum(id), max(t) FROM r",
    "SELECT count(*) FROM skew a, (SELECT v FROM skew ORDER BY v LIMIT 150) b WHERE a.v > b.v",
    "SELECT g, (SELECT count(*) FROM (SELECT DISTINCT t FROM big WHERE id < big2.g * 40) x)"
    " FROM (SELECT DISTINCT g FROM big) big2",
    "SELECT count(*) FROM skew a, skew b WHERE a.v < 40", /* rows of no columns */
    "UPDATE skew SET v = v + 1 WHERE v % 3 = 0 RETURNING k, v",
};
#define NQ (sizeof queries / sizeof *queries)

static char *answers[NQ];

static void
make_tables(sqlm *m)
{
    for (size_t i = 0; i < sizeof setup / sizeof *setup; i++)
        CU_ASSERT_EQUAL(strncmp(sqlm_run(m, setup[i]), "ERROR", 5) != 0, true);
}

static void
in_memory(sqlm *m)
{
    make_tables(m);
    for (size_t i = 0; i < NQ; i++) {
        const char *got = sqlm_run(m, queries[i]);
        lg_heap *h = lg_heap_switch(NULL); /* outlives the instance */
        answers[i] = lg_strdup(got);
        lg_heap_switch(h);
        if (strncmp(got, "ERROR", 5) == 0) {
            printf("  %s\n  %s", queries[i], got);
            CU_FAIL("the statement is wrong");
        }
    }
}

static size_t work_mem;

static void
out_of_memory(sqlm *m)
{
    make_tables(m);
    lg_temp_owner *o = sqlm_spill(m, work_mem);
    for (size_t i = 0; i < NQ; i++) {
        const char *got = sqlm_run(m, queries[i]);
        if (!same_lines(got, answers[i])) {
            printf("  %zu bytes: %s\n  got: %.300s\n  in memory: %.300s\n", work_mem, queries[i],
                   got, answers[i]);
            CU_FAIL("differs when it spills");
        }
        /* Sorted is sorted. */
        if (strstr(queries[i], "NULLS LAST, id") || strstr(queries[i], "OFFSET"))
            CU_ASSERT_STRING_EQUAL(got, answers[i]);
        CU_ASSERT(lg_list_empty(&o->files) && o->used_bytes == 0);
    }
    CU_ASSERT(work_mem > (16u << 10) || o->files_made > 200);
}

LG_TEST(test_spill__agrees_with_memory)
{
    static const size_t sizes[] = {1, 12 << 10, 64 << 10};
    sqlm_with(in_memory);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        work_mem = sizes[i];
        sqlm_with(out_of_memory);
    }
    for (size_t i = 0; i < NQ; i++)
        lg_free(answers[i]);
}

/* ---- when the disk fails ---- */

static const struct {
    const char *point;
    lg_status status;
    const char *error;
} failures[] = {
    {"temp_open", LG_NO_DISK, "ERROR:  58P01"},
    {"temp_write", LG_IO, "ERROR:  58030"},
    {"temp_write", LG_DISK_FULL, "ERROR:  53100"},
    {"temp_read", LG_IO, "ERROR:  58030"},
};

/* The Nth request fails, for every N until the statement gets through. */
static void
failing(sqlm *m)
{
    make_tables(m);
    lg_temp_owner *o = sqlm_spill(m, 24 << 10);
    for (size_t q = 0; q < NQ - 2; q += 5)
        for (size_t k = 0; k < sizeof failures / sizeof *failures; k++)
            for (uint32_t nth = 0; nth < 200; nth = nth * 3 + 1) {
                lg_fault_spec spec = {.action = LG_FAULT_RETURN,
                                      .status = failures[k].status,
                                      .skip = nth,
                                      .count = 1};
                lg_faults_arm(sqlm_faults(m), failures[k].point, &spec);
                const char *got = sqlm_run(m, queries[q]);
                lg_faults_disarm(sqlm_faults(m), failures[k].point);
                CU_ASSERT(lg_list_empty(&o->files) && o->used_bytes == 0);
                if (strncmp(got, "ERROR", 5) != 0)
                    break;
                CU_ASSERT_EQUAL(strncmp(got, failures[k].error, strlen(failures[k].error)), 0);
            }
}

LG_TEST(test_spill__failing_disk_is_an_error)
{
    sqlm_with(failing);
}

static void
limited(sqlm *m)
{
    make_tables(m);
    lg_temp_owner *o = sqlm_spill(m, 16 << 10);
    o->limit_bytes = 64 << 10;
    CU_ASSERT_STRING_EQUAL(sqlm_run(m, queries[0]),
                           "ERROR:  53400 temporary file size exceeds temp_file_limit (64kB)\n");
    CU_ASSERT(lg_list_empty(&o->files) && o->used_bytes == 0);
    o->limit_bytes = 0;
    CU_ASSERT_EQUAL(strncmp(sqlm_run(m, queries[0]), "ERROR", 5) != 0, true);
}

LG_TEST(test_spill__temp_file_limit)
{
    sqlm_with(limited);
}
