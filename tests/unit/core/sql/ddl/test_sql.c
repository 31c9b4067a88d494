/* Statements over tables in memory. With LG_SQL_FILE=x.sql the file's statements (each ending with
 * a semicolon at the end of a line) are run and their results printed, for comparing by hand with
 * psql -At. */
#include "lg_test.h"
#include "sql_memory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
run_file(sqlm *m)
{
    FILE *f = fopen(getenv("LG_SQL_FILE"), "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    static char text[1 << 16], line[1 << 14];
    size_t n = 0;
    while (fgets(line, sizeof line, f)) {
        size_t len = strlen(line);
        if (n == 0 && (line[0] == '\n' || strncmp(line, "--", 2) == 0))
            continue;
        memcpy(text + n, line, len + 1);
        n += len;
        if (len >= 2 && line[len - 2] == ';') {
            printf("%s", sqlm_run(m, text));
            fflush(stdout);
            n = 0;
        }
    }
    fclose(f);
}

LG_TEST(test_sql__file_in_environment)
{
    if (getenv("LG_SQL_FILE"))
        sqlm_with(run_file);
}

static const struct {
    const char *sql, *expected;
} cases[] = {
#define SQL(sql, expected) {sql, expected},
#include "sql_cases.def"
#undef SQL
};

static uint32_t next_case;

/* Up to the next "--". */
static void
run_cases(sqlm *m)
{
    for (; next_case < sizeof cases / sizeof *cases; next_case++) {
        const char *sql = cases[next_case].sql;
        if (strcmp(sql, "--") == 0)
            return;
        const char *got = sqlm_run(m, sql);
        if (strcmp(got, cases[next_case].expected) != 0) {
            printf("  %s\n  got: %s  PostgreSQL: %s", sql, got, cases[next_case].expected);
            CU_FAIL("differs from PostgreSQL");
        }
    }
}

LG_TEST(test_sql__agrees_with_postgresql)
{
    for (next_case = 0; next_case < sizeof cases / sizeof *cases; next_case++)
        sqlm_with(run_cases);
}
