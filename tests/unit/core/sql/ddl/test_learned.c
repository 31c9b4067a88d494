/* The catalog's tables are not analyzed: scans of them tell the planner how many rows they have. */
#include "catalog_deps.h"
#include "lg_test.h"
#include "sql_memory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static float
tuples(sqlm *m, const char *name)
{
    lg_relation *r;
    LG_ASSERT_OK(lg_cat_refresh(sqlm_cat(m)));
    LG_ASSERT_OK(lg_cat_relation_by_name(sqlm_cat(m), NULL, name, &r));
    float n = r->tuples;
    lg_relation_unref(r);
    return n;
}

static void
sizes(sqlm *m)
{
    sqlm_run(m, "create table t (id int primary key)");
    float rows = strtof(sqlm_run(m, "select count(*) from pg_class"), NULL);
    CU_ASSERT_EQUAL(tuples(m, "pg_class"), rows);
    /* those that a condition or the end of a LIMIT keeps back count, or nothing is learned */
    sqlm_run(m, "create table t2 (id int primary key)");
    sqlm_run(m, "select count(*) from pg_class where relname = 't2' or relname = 'x'");
    CU_ASSERT_EQUAL(tuples(m, "pg_class"), rows + 2);
    sqlm_run(m, "create table t3 (id int primary key)");
    sqlm_run(m, "select relname from pg_class limit 1");
    CU_ASSERT_EQUAL(tuples(m, "pg_class"), rows + 2);
    /* so does what is computed */
    rows = strtof(sqlm_run(m, "select count(*) from pg_type"), NULL);
    CU_ASSERT_EQUAL(tuples(m, "pg_type"), rows);
    /* a user's table keeps what ANALYZE found */
    float before = tuples(m, "t");
    sqlm_run(m, "insert into t values (1), (2); select count(*) from t");
    CU_ASSERT_EQUAL(tuples(m, "t"), before);
}

LG_TEST(test_learned__scans_tell_sizes)
{
    sqlm_with(sizes);
}
