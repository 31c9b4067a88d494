/* Statements over tables in memory; what is expected is what PostgreSQL 15 prints. */
#include "lg_test.h"
#include "sql_memory.h"
#include <stdio.h>
#include <string.h>

static void
expect(sqlm *m, const char *sql, const char *want)
{
    const char *got = sqlm_run(m, sql);
    if (strcmp(got, want) != 0)
        printf("\n%s\n  expected: %s  got:      %s", sql, want, got);
    CU_ASSERT_STRING_EQUAL(got, want);
}

static void
tables(sqlm *m)
{
    expect(m, "create table t (id int primary key, a text default 'x', b int check (b > 0))",
           "CREATE TABLE\n");
    expect(m, "insert into t values (1, 'one', 5), (2, null, 6)", "INSERT 0 2\n");
    expect(m, "insert into t (id) values (3) returning *", "3|x|\nINSERT 0 1\n");
    expect(m, "insert into t values (1)",
           "ERROR:  23505 duplicate key value violates unique constraint \"t_pkey\"\n");
    expect(m, "insert into t values (9, 'n', -1)",
           "ERROR:  23514 new row for relation \"t\" violates check constraint \"t_b_check\"\n");
    expect(m, "insert into t values (null)",
           "ERROR:  23502 null value in column \"id\" of relation \"t\" violates not-null "
           "constraint\n");
    expect(m, "update t set b = b + 1 where id = 1 returning b", "6\nUPDATE 1\n");
    expect(m, "select * from t where id = 1", "1|one|6\n");
    expect(m,
           "insert into t values (2, 'z') on conflict (id) do update set a = excluded.a "
           "returning a",
           "z\nINSERT 0 1\n");
    expect(m, "delete from t where id > 1", "DELETE 2\n");
    expect(m, "select count(*) from t", "1\n");
}

LG_TEST(test_statements__tables_and_their_constraints)
{
    sqlm_with(tables);
}

static void
altering(sqlm *m)
{
    expect(m, "create table t (id serial primary key, a int)", "CREATE TABLE\n");
    expect(m, "insert into t (a) select g from generate_series(1, 3) g", "INSERT 0 3\n");
    expect(m, "alter table t add column d int not null default 5", "ALTER TABLE\n");
    expect(m, "alter table t rename column a to aa", "ALTER TABLE\n");
    expect(m, "select id, aa, d from t order by id", "1|1|5\n2|2|5\n3|3|5\n");
    expect(m, "alter table t alter column aa type text using 'v' || aa", "ALTER TABLE\n");
    expect(m, "select aa from t where id = 2", "v2\n");
    expect(m, "create unique index ti on t (d)",
           "ERROR:  23505 could not create unique index \"ti\"\n");
    expect(m, "alter table t drop column d", "ALTER TABLE\n");
    expect(m, "select * from t order by id limit 1", "1|v1\n");
    expect(m, "truncate t restart identity", "TRUNCATE TABLE\n");
    expect(m, "insert into t (aa) values ('n') returning id", "1\nINSERT 0 1\n");
    expect(m, "drop table t", "DROP TABLE\n");
    expect(m, "select 1 from t", "ERROR:  42P01 relation \"t\" does not exist\n");
}

LG_TEST(test_statements__altering_keeps_the_rows)
{
    sqlm_with(altering);
}

static void
queries(sqlm *m)
{
    expect(m, "create table p (id int primary key, v int)", "CREATE TABLE\n");
    expect(m, "insert into p select g, g % 3 from generate_series(1, 2000) g", "INSERT 0 2000\n");
    expect(m, "select v, count(*), sum(id) from p group by v order by v",
           "0|666|666333\n1|667|667000\n2|667|667667\n");
    expect(m, "select count(*) from p a join p b on a.id = b.id + 1 where b.v = 0", "666\n");
    expect(m, "select id from p where id in (5, 1999, 5, 3) order by id desc", "1999\n5\n3\n");
    expect(m, "select id from p where id between 10 and 12 order by id", "10\n11\n12\n");
    expect(m,
           "select a.x, b.x from (values (1),(2)) a(x) full join (values (2),(3)) b(x) "
           "on a.x = b.x order by 1, 2",
           "1|\n2|2\n|3\n");
    expect(m,
           "with recursive r(n) as (select 1 union all select n + 1 from r where n < 100) "
           "select sum(n) from r",
           "5050\n");
    expect(m, "select id from p where not exists (select 1 from p q where q.id = p.id + 1)",
           "2000\n");
    expect(m, "select (select max(q.id) from p q where q.v = p.v) from p where id < 3 order by 1",
           "1999\n2000\n");
    expect(m, "select string_agg(x::text, ',' order by x desc) from generate_series(1, 4) x",
           "4,3,2,1\n");
    expect(m, "select 1 union select 2 union all select 2 order by 1", "1\n2\n2\n");
    expect(m, "select 1/0", "ERROR:  22012 division by zero\n");
}

LG_TEST(test_statements__queries)
{
    sqlm_with(queries);
}

static void
foreign(sqlm *m)
{
    expect(m, "create table p (id int primary key)", "CREATE TABLE\n");
    expect(m, "create table c (id int, p int references p on delete cascade)", "CREATE TABLE\n");
    expect(m, "insert into p values (1), (2)", "INSERT 0 2\n");
    expect(m, "insert into c values (1, 1), (2, null)", "INSERT 0 2\n");
    expect(m, "insert into c values (3, 9)",
           "ERROR:  23503 insert or update on table \"c\" violates foreign key constraint "
           "\"c_p_fkey\"\n");
    expect(m, "delete from p where id = 1", "DELETE 1\n");
    expect(m, "select id from c", "2\n");
    expect(m, "drop table p",
           "ERROR:  2BP01 cannot drop table p because other objects depend on it\n");
    expect(m, "drop table p cascade", "DROP TABLE\n");
}

LG_TEST(test_statements__foreign_keys)
{
    sqlm_with(foreign);
}
