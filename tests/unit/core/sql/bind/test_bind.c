/* Bind: names, types and errors as PostgreSQL 15 gives them. */
#include "lg_test.h"
#include "lg_test_catalog.h"
#include <stdio.h>

static void
good(const char *sql)
{
    fixture f;
    lg_query *q;
    fixture_init(&f);
    if (fixture_bind(&f, sql, &q) != LG_OK) {
        printf("%s\n    %s %s\n", sql, f.err.sqlstate, f.err.message);
        CU_FAIL("does not bind");
    }
    fixture_fini(&f);
}

static void
bad(const char *sql, const char *state, const char *message, int position)
{
    fixture f;
    lg_query *q;
    fixture_init(&f);
    lg_status st = fixture_bind(&f, sql, &q);
    if (st == LG_OK || strcmp(f.err.sqlstate, state) || strcmp(f.err.message, message) ||
        f.err.position != position) {
        printf("%s\n    got %s %s at %d\n", sql, st ? f.err.sqlstate : "ok",
               st ? f.err.message : "", f.err.position);
        CU_FAIL("wrong error");
    }
    fixture_fini(&f);
}

LG_TEST(test_bind__queries)
{
    good("select 1");
    good("select id, a+1, b||'x', n*2 from t where id = 5 and b = 'x'");
    good("select * from t, u where t.id = u.t_id");
    good("select * from t join u on t.id = t_id left join u v using (v)");
    good("select * from t natural join u");
    good("select t.* from public.t");
    good("select count(*), sum(a), max(b) from t group by b having count(*) > 1 order by 1");
    good("select b, count(distinct a) filter (where a > 0) from t group by 1 order by b desc");
    good("select t.id, t.a, count(*) from t join u on u.t_id = t.id group by t.id");
    good("select distinct on (a) a, b from t order by a, b");
    good("select a as x from t order by x limit 5 offset 2");
    good("select * from t where exists (select 1 from u where u.t_id = t.id)");
    good("select * from t where id in (select t_id from u) and a not in (1,2,3)");
    good("select (select max(id) from u where t_id = t.id) from t");
    good("select array(select id from u)");
    good("select case a when 1 then 'x' else b end, coalesce(b, 'z'), nullif(a, 1) from t");
    good("select 1 union select 2.5 union all select a from t order by 1");
    good("with x as (select id from t) select * from x join x y using (id)");
    good("with recursive r(n) as (select 1 union all select n+1 from r where n < 5) "
         "select * from r");
    good("values (1, 'a'), (2, 'b')");
    good("select * from (values (1), (2)) v(x) where x > 1");
    good("select * from generate_series(1, 10) g");
    good("select g.* from t, lateral generate_series(1, t.a) with ordinality g(x, o)");
    good("select * from t, lateral (select * from u where u.t_id = t.id) z");
    good("select a::text, '5'::int, cast(n as varchar(3)), b::varchar(5) from t");
    good("select a between 1 and 5, (a, id) < (1, 2), a is distinct from 1, b like 'x%' from t");
    good("select current_date, current_timestamp, now(), current_user");
    good("select extract(year from d), d at time zone 'UTC', date_trunc('day', d) from t");
    good("select * from t for update of t skip locked");
    good("select $1::int + $2");
    good("select * from t where id = $1 and b = $2");
    good("select ctid, tableoid from t");
    good("select count(*) from t where a = any($1)");
    good("select 1 as x, 'a' as y where false");
    good("select abs(-5), length('x'), upper(b), substring(b from 1 for 2) from t");
    good("select greatest(a, 1.5), least(1, a) from t");
    good("select t from t");
}

LG_TEST(test_bind__changes)
{
    good("insert into t values (1, 2, 'x', now(), 1.5)");
    good("insert into t (id, b) values (1, 'x'), (2, default)");
    good("insert into t (id) select id from u returning *, ctid");
    good("insert into t (id, a) values ($1, $2) on conflict (id) do update "
         "set a = excluded.a + t.a where t.a > 0 returning id");
    good("insert into t default values on conflict do nothing");
    good("update t set a = a + $1, b = default where id = $2");
    good("update t set (a, b) = (1, 'x') from u where u.t_id = t.id returning t.*, u.v");
    good("update t set (a, b) = (select id, v from u where u.id = t.id)");
    good("delete from t using u where u.t_id = t.id and v = 'x' returning t.id");
    good("with d as (delete from t returning id) select * from d");
}

LG_TEST(test_bind__errors)
{
    bad("select * from nope", "42P01", "relation \"nope\" does not exist", 15);
    bad("select x from t", "42703", "column \"x\" does not exist", 8);
    bad("select t.x from t", "42703", "column t.x does not exist", 8);
    bad("select z.x from t", "42P01", "missing FROM-clause entry for table \"z\"", 8);
    bad("select id from t, u", "42702", "column reference \"id\" is ambiguous", 8);
    bad("select a + b from t", "42883", "operator does not exist: integer + text", 10);
    bad("select foo(1)", "42883", "function foo(integer) does not exist", 8);
    bad("select a, count(*) from t", "42803",
        "column \"t.a\" must appear in the GROUP BY clause or be used in an aggregate function", 8);
    bad("select * from t where count(*) > 1", "42803",
        "aggregate functions are not allowed in WHERE", 23);
    bad("select sum(count(*)) from t", "42803", "aggregate function calls cannot be nested", 12);
    bad("select 'x'::int", "22P02", "invalid input syntax for type integer: \"x\"", 8);
    bad("select * from t where a", "42804",
        "argument of WHERE must be type boolean, not type integer", 23);
    bad("insert into t (id, zz) values (1, 2)", "42703",
        "column \"zz\" of relation \"t\" does not exist", 20);
    bad("insert into t (id) values (1, 2)", "42601",
        "INSERT has more expressions than target columns", 31);
    bad("insert into t (id, a) values (1)", "42601",
        "INSERT has more target columns than expressions", 20);
    bad("update t set id = true", "42804",
        "column \"id\" is of type integer but expression is of type boolean", 19);
    bad("select 1 union select 1, 2", "42601",
        "each UNION query must have the same number of columns", 23);
    bad("select 1 order by 2", "42P10", "ORDER BY position 2 is not in select list", 19);
    bad("select * from t, t", "42712", "table name \"t\" specified more than once", 0);
    bad("select (select 1, 2)", "42601", "subquery must return only one column", 8);
    bad("insert into t (id) values (1) on conflict (a) do nothing", "42P10",
        "there is no unique or exclusion constraint matching the ON CONFLICT specification", 0);
    bad("select $1 is null", "42P18", "could not determine data type of parameter $1", 0);
    bad("select 1::nope", "42704", "type \"nope\" does not exist", 11);
    bad("select distinct a from t order by b", "42P10",
        "for SELECT DISTINCT, ORDER BY expressions must appear in select list", 35);
}

LG_TEST(test_bind__infers_parameters)
{
    fixture f;
    lg_query *q;
    fixture_init(&f);
    LG_ASSERT_OK(fixture_bind(&f, "select * from t where id = $1 and b like $2 and n > $3", &q));
    CU_ASSERT_EQUAL_FATAL(f.b.nparams, 3);
    CU_ASSERT_EQUAL(f.b.params[0], LG_T_INT4);
    CU_ASSERT_EQUAL(f.b.params[1], LG_T_TEXT);
    CU_ASSERT_EQUAL(f.b.params[2], LG_T_NUMERIC);
    CU_ASSERT_EQUAL(q->rtes[0]->rel->refs, 2);
    lg_bind_fini(&f.b);
    fixture_fini(&f);
}

static void
deparsed(const char *sql, const char *want)
{
    fixture f;
    lg_query *q;
    const char *text = "";
    fixture_init(&f);
    LG_ASSERT_OK(fixture_bind(&f, sql, &q));
    lg_deparse d = {.arena = f.a, .env = &f.env};
    LG_ASSERT_OK(lg_deparse_expr(&d, q->targets[0].expr, q->rtes[0]->rel, &text));
    if (strcmp(text, want))
        printf("%s\n  got  %s\n  want %s\n", sql, text, want);
    CU_ASSERT_STRING_EQUAL(text, want);
    fixture_fini(&f);
}

LG_TEST(test_bind__deparse)
{
    deparsed("select a > 0 and b <> '' from t", "((a > 0) AND (b <> ''::text))");
    deparsed("select upper(b) || 'x' from t", "(upper(b) || 'x'::text)");
    deparsed("select a::text from t", "(a)::text");
    deparsed("select a in (1, 2) from t", "(a = ANY (ARRAY[1, 2]))");
    deparsed("select case when a is null then -1 else a end from t",
             "CASE WHEN (a IS NULL) THEN '-1'::integer ELSE a END");
    deparsed("select current_timestamp from t", "CURRENT_TIMESTAMP");
    deparsed("select n > 5 from t", "(n > (5)::numeric)");
}
