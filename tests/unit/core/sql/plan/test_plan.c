/* Plan: shapes of plans, by EXPLAIN's words. */
#include "lg_test.h"
#include "lg_test_catalog.h"
#include "plan.h"
#include "strbuf.h"
#include <stdio.h>
#include <stdlib.h>

static void
show(const lg_plan *p, const lg_node *n, int depth, lg_strbuf *out, fixture *f)
{
    lg_plan_line *l;
    if (!n)
        return;
    lg_strbuf_printf(out, "%*s%s", depth * 2, "", lg_plan_node_title(n, f->a));
    uint32_t k = lg_plan_node_lines(p, n, &f->env, f->a, &l);
    for (uint32_t i = 0; i < k; i++)
        lg_strbuf_printf(out, " [%s: %s]", l[i].label, l[i].text);
    lg_strbuf_putc(out, '\n');
    for (uint32_t i = 0; n->kind == LG_NODE_APPEND && i < n->append.n; i++)
        show(p, n->append.children[i], depth + 1, out, f);
    show(p, n->left, depth + 1, out, f);
    show(p, n->right, depth + 1, out, f);
}

static void
plan_with(const lg_plan_settings *settings, const char *sql, const char *want)
{
    fixture f;
    lg_query *q;
    lg_plan *p = NULL;
    lg_strbuf out;
    fixture_init(&f);
    lg_strbuf_init(&out, 1 << 20);
    lg_status st = fixture_bind(&f, sql, &q);
    if (st == LG_OK)
        st = lg_plan_query(&f.b, q, settings, &p);
    if (st == LG_OK)
        show(p, p->root, 0, &out, &f);
    if (st != LG_OK || getenv("LG_SHOW") || (want && strcmp(out.data, want)))
        printf("%s\n%s%s\n", sql, st ? f.err.message ? f.err.message : "?" : "got\n",
               st ? "" : out.data);
    CU_ASSERT_EQUAL(st, LG_OK);
    if (want && st == LG_OK)
        CU_ASSERT_STRING_EQUAL(out.data, want);
    lg_plan_fini(p);
    lg_strbuf_fini(&out);
    fixture_fini(&f);
}

static void
plan_is(const char *sql, const char *want)
{
    plan_with(NULL, sql, want);
}

LG_TEST(test_plan__single_table)
{
    plan_is("select a from t where id = 1",
            "Index Scan using t_pkey on t [Index Cond: (id = 1)]\n");
    plan_is("select * from t where id = $1",
            "Index Scan using t_pkey on t [Index Cond: (id = $1)]\n");
    plan_is("select * from t", "Seq Scan on t\n");
    plan_is("select * from t where a = 5 and b > 'x' and n > 1",
            "Index Scan using t_a_b on t [Index Cond: ((a = 5) AND (b > 'x'::text))] "
            "[Filter: (n > '1'::numeric)]\n");
    plan_is("select * from t order by id limit 3", "Limit\n  Index Scan using t_pkey on t\n");
    plan_is("select * from t order by id desc limit 3",
            "Limit\n  Index Scan Backward using t_pkey on t\n");
    plan_is("select id from t where id in (1, 2, 3)",
            "Index Only Scan using t_pkey on t [Index Cond: (id = ANY (ARRAY[1, 2, 3]))]\n");
    plan_is("select * from t where 5 < id and n = 2", NULL);
    plan_is("select * from t where ctid = '(0,1)'",
            "Tid Scan on t [TID Cond: (ctid = '(0,1)'::tid)]\n");
    plan_is("select a from t where lower(b) = 'x'",
            "Index Scan using t_lower on t [Index Cond: (lower(b) = 'x'::text)]\n");
    plan_is("select * from t order by n", "Sort [Sort Key: n]\n  Seq Scan on t\n");
}

LG_TEST(test_plan__joins)
{
    plan_is("select * from t join u on t.id = u.t_id where u.id = 7",
            "Nested Loop\n  Index Scan using u_pkey on u [Index Cond: (id = 7)]\n"
            "  Index Scan using t_pkey on t [Index Cond: (id = u.t_id)]\n");
    plan_is("select * from t left join u on t.id = u.t_id", NULL);
    plan_is("select * from t left join u on t.id = u.t_id where u.v = 'x'", NULL);
    plan_is("select * from t full join u on t.id = u.t_id", NULL);
    plan_is("select * from t, u, t t2, u u2 where t.id = u.t_id and t2.id = u2.t_id and t.a = t2.a",
            NULL);
    plan_is("select * from t, lateral (select * from u where u.t_id = t.id limit 1) z", NULL);
    plan_is("select * from t, generate_series(1, t.a) g", NULL);
    plan_is("select * from t right join (u join t x on x.id = u.t_id) on t.id = u.t_id", NULL);
}

LG_TEST(test_plan__merge_joins)
{
    lg_plan_settings s;
    lg_plan_settings_init(&s);
    s.hashjoin = s.nestloop = false;
    plan_with(&s, "select t.a, u.v from t left join u on t.a = u.t_id and t.b < u.v",
              "Merge Left Join [Merge Cond: (t.a = u.t_id)] [Join Filter: (t.b < (u.v)::text)]\n"
              "  Index Only Scan using t_a_b on t\n"
              "  Sort [Sort Key: u.t_id]\n    Seq Scan on u\n");
    /* the order of the keys is given on */
    plan_with(&s, "select t.a, u.v from t join u on t.a = u.t_id order by t.a",
              "Merge Join [Merge Cond: (t.a = u.t_id)]\n"
              "  Index Only Scan using t_a_b on t\n"
              "  Sort [Sort Key: u.t_id]\n    Seq Scan on u\n");
    plan_with(&s, "select t.a + 1 from t full join u on t.a + 1 = u.t_id",
              "Merge Full Join [Merge Cond: (((t.a + 1)) = u.t_id)]\n"
              "  Sort [Sort Key: ((t.a + 1))]\n    Seq Scan on t\n"
              "  Sort [Sort Key: u.t_id]\n    Seq Scan on u\n");
    /* from indexes, the unique side on the right */
    s.seqscan = s.sort = false;
    plan_with(&s, "select t.b, u.v from t join u on t.id = u.t_id order by u.t_id limit 3", NULL);
    s.hashjoin = true;
    s.mergejoin = false;
    s.seqscan = true;
    plan_with(&s, "select t.a from t full join u on t.a = u.t_id",
              "Hash Full Join [Hash Cond: (t.a = u.t_id)]\n  Seq Scan on t\n  Seq Scan on u\n");
}

LG_TEST(test_plan__correlated_aggregates_are_joined)
{
    plan_is("select t.id from t where t.a < (select avg(u.id) from u where u.v = t.b)",
            "Hash Join [Hash Cond: (t.b = (u.v))] [Join Filter: ((t.a)::numeric < (avg(u.id)))]\n"
            "  Seq Scan on t\n  HashAggregate [Group Key: u.v]\n    Seq Scan on u\n");
    plan_is("select t.id, (select count(*) from u where u.v = t.b) from t",
            "Hash Left Join [Hash Cond: (t.b = (u.v))]\n"
            "  Seq Scan on t\n  HashAggregate [Group Key: u.v]\n    Seq Scan on u\n");
    plan_is("select t.id from t where exists (select 1 from u where u.v = t.b group by u.t_id "
            "having count(*) > 2)",
            "Hash Semi Join [Hash Cond: (t.b = (u.v))]\n"
            "  Seq Scan on t\n"
            "  HashAggregate [Group Key: u.t_id, u.v] [Filter: (count(*) > 2)]\n"
            "    Seq Scan on u\n");
    /* one row asks: an index finds what it wants */
    plan_is("select t.id from t where t.id = 3 and t.a < (select avg(u.id) from u where "
            "u.t_id = t.id)",
            "Index Scan using t_pkey on t [Index Cond: (id = 3)] "
            "[Filter: ((a)::numeric < (SubPlan 1))]\n");
}

LG_TEST(test_plan__outer_joins_that_add_nothing_go)
{
    plan_is("select u.v from u left join t on t.id = u.t_id", "Seq Scan on u\n");
    plan_is("select u.v from u left join t on t.id = u.t_id left join t x on x.id = t.a",
            "Seq Scan on u\n");
    plan_is("select u.v from u left join (select a, count(*) c from t group by a) g "
            "on g.a = u.t_id",
            "Seq Scan on u\n");
    plan_is("select u.v, t.a from u left join t on t.id = u.t_id", NULL);
    plan_is("select u.v from u left join t on t.a = u.t_id",
            "Hash Right Join [Hash Cond: (t.a = u.t_id)]\n  Seq Scan on t\n  Seq Scan on u\n");
    plan_is("select u.v from u left join t on t.id = u.t_id where t.id is null",
            "Nested Loop Left Join [Filter: (t.id IS NULL)]\n  Seq Scan on u\n"
            "  Index Only Scan using t_pkey on t [Index Cond: (id = u.t_id)]\n");
}

LG_TEST(test_plan__subqueries_merge)
{
    plan_is("select x + 1 from (select a * 2 as x, id from t where a > 5) z where id = 3",
            "Index Scan using t_pkey on t [Index Cond: (id = 3)] [Filter: (a > 5)]\n");
    plan_is("with c as (select id, b from t) select b from c where id = 1",
            "Index Scan using t_pkey on t [Index Cond: (id = 1)]\n");
    plan_is("select * from (select t.id, u.v from t join u on u.t_id = t.id) z "
            "where exists (select 1 from u where u.id = z.id)",
            NULL);
    plan_is("select * from t left join (select id, t_id from u) z on z.t_id = t.id", NULL);
    plan_is("select * from t left join (select id + 1 as i, t_id from u) z on z.t_id = t.id", NULL);
    plan_is("select (select max(u.id) from u where u.t_id = z.q) from (select id q from t) z",
            NULL);
    plan_is("select * from t, lateral (select u.id, t.a + u.id as s from u where u.t_id = t.id) z "
            "where s > 1",
            NULL);
    plan_is("select count(*), x from (select a + 1 as x from t) z group by x order by x", NULL);
    plan_is("insert into t (id) select q from (select id as q from u) z", NULL);
    plan_is("select * from (select * from (select * from (select id from t) a) b) c where id = 1",
            "Index Only Scan using t_pkey on t [Index Cond: (id = 1)]\n");
}

LG_TEST(test_plan__semi_joins)
{
    plan_is("select * from t where id = 3 and exists (select 1 from u where u.t_id = t.id)",
            "Nested Loop Semi Join\n  Index Scan using t_pkey on t [Index Cond: (id = 3)]\n"
            "  Index Only Scan using u_t_id on u [Index Cond: (t_id = t.id)]\n");
    plan_is("select b from t where not exists (select 1 from u where u.t_id = t.id)",
            "Hash Anti Join [Hash Cond: (t.id = u.t_id)]\n  Seq Scan on t\n  Seq Scan on u\n");
    plan_is("select b from t where id in (select t_id from u where v = 'x')", NULL);
    plan_is("select b from t where id in (select x.t_id from u x join u y on x.id = y.t_id)", NULL);
    plan_is("select b from t where exists (select 1 from u x join u y on x.id = y.t_id "
            "where x.t_id = t.id and y.v > t.b)",
            NULL);
    plan_is("select b from t left join u on u.t_id = t.id where u.id in (select id from t)", NULL);
    plan_is("select b from t where id not in (select t_id from u)", NULL);
    plan_is("select b from t where id in (select t_id from u) and a in (select id from u)", NULL);
}

LG_TEST(test_plan__above_joins)
{
    plan_is("select count(*), b from t group by b having count(*) > 1 order by 1 desc",
            "Sort [Sort Key: (count(*)) DESC]\n"
            "  HashAggregate [Group Key: b] [Filter: (count(*) > 1)]\n    Seq Scan on t\n");
    plan_is("select count(*) from t", "Aggregate\n  Seq Scan on t\n");
    plan_is("select distinct a from t", "HashAggregate [Group Key: a]\n  Seq Scan on t\n");
    plan_is("select a+1, sum(n) from t group by a+1", NULL);
    plan_is("select distinct on (a) a, b from t order by a, b desc", NULL);
    plan_is("select id from t union all select id from u",
            "Append\n  Seq Scan on t\n  Seq Scan on u\n");
    plan_is("select id from t intersect select id from u order by 1", NULL);
    plan_is("with recursive r(n) as (select 1 union all select n+1 from r where n < 5) "
            "select * from r",
            NULL);
    plan_is("with x as materialized (select * from t) select * from x, x y", NULL);
    plan_is("select generate_series(1,3), id from t", NULL);
    plan_is("select generate_series(1,3) + 1", NULL);
    plan_is("select (select count(*) from u where u.t_id = t.id) from t", NULL);
    plan_is("select * from t where id in (select t_id from u)", NULL);
    plan_is("select * from t where exists (select 1 from u where u.t_id = t.id and u.v = t.b)",
            NULL);
    plan_is("select (select (select t.a + u.id) from u limit 1) from t", NULL);
    plan_is("select b, (select max(id) from u where u.t_id = sum(t.a)) from t group by b", NULL);
    plan_is("values (1), (2) order by 1", NULL);
    plan_is("select x from (select a as x, count(*) c from t group by a) z where c > 1", NULL);
    plan_is("select 1 where false", "Result [One-Time Filter: false]\n");
    plan_is("select * from t where id = 1 for update",
            "LockRows\n  Index Scan using t_pkey on t [Index Cond: (id = 1)]\n");
}

LG_TEST(test_plan__min_max_and_queues)
{
    plan_is("select max(id) + 1, min(a) from t", "Result\n");
    plan_is("select max(id), sum(a) from t", "Aggregate\n  Seq Scan on t\n");
    plan_is("select max(id) from t where a > 5", "Result\n");
    plan_is("select * from t where a = 5 order by b limit 1 for update skip locked",
            "Limit\n  LockRows\n    Index Scan using t_a_b on t [Index Cond: (a = 5)]\n");
    plan_is("select * from t order by n limit 1 for update",
            "Limit\n  LockRows\n    Sort [Sort Key: n]\n      Seq Scan on t\n");
}

LG_TEST(test_plan__changes)
{
    plan_is("insert into t (id, a) values ($1, 2)", "Insert on t\n  Result\n");
    plan_is("insert into t (id) values (1), (2) on conflict (id) do update set a = excluded.a",
            "Insert on t [Conflict Resolution: UPDATE] [Conflict Arbiter Indexes: t_pkey]\n"
            "  Values Scan on \"*VALUES*\"\n");
    plan_is("insert into t (id, b) select id, v from u returning id", NULL);
    plan_is("update t set a = a + $1 where id = $2",
            "Update on t\n  Index Scan using t_pkey on t [Index Cond: (id = $2)]\n");
    plan_is("delete from t where id = 1 returning *",
            "Delete on t\n  Index Scan using t_pkey on t [Index Cond: (id = 1)]\n");
    plan_is("update t set a = u.id from u where u.t_id = t.id returning t.a, u.v", NULL);
    plan_is("delete from t where id in (select t_id from u where v = 'x')", NULL);
}

LG_TEST(test_plan__update_row_layout)
{
    fixture f;
    lg_query *q;
    lg_plan *p;
    fixture_init(&f);
    LG_ASSERT_OK(fixture_bind(&f, "update t set a = u.id from u where u.t_id = t.id", &q));
    LG_ASSERT_OK(lg_plan_query(&f.b, q, NULL, &p));
    const lg_node *n = p->root;
    CU_ASSERT_EQUAL(n->kind, LG_NODE_MODIFY);
    CU_ASSERT_TRUE(n->left->ncols >= 7); /* five columns, ctid, u.id */
    CU_ASSERT_EQUAL(n->left->cols[5].type, LG_T_TID);
    CU_ASSERT_EQUAL(n->modify.nassigns, 1);
    CU_ASSERT_EQUAL(n->modify.assigns[0].attno, 2);
    CU_ASSERT_TRUE(n->modify.assigns[0].expr->slot >= 6);
    CU_ASSERT_PTR_NOT_NULL(n->modify.recheck);
    CU_ASSERT_FALSE(n->modify.restart);
    CU_ASSERT_EQUAL(p->nrelations, 2);
    lg_plan_fini(p);
    fixture_fini(&f);
}

LG_TEST(test_plan__conditions_go_into_subqueries)
{
    plan_is("select * from (select id, a, 1 as k from t union all select id, t_id, 2 from u) z "
            "where id = 7",
            "Append\n  Index Scan using t_pkey on t [Index Cond: (id = 7)]\n"
            "  Index Scan using u_pkey on u [Index Cond: (id = 7)]\n");
    plan_is("select id from (select id, a, 1 as k from t union all select id, t_id, 2 from u) z "
            "where k = 2",
            "Result\n  Append\n    Seq Scan on u\n");
    plan_is("select * from (select a, count(*) c from t group by a) z where a = 5 and c > 1",
            "HashAggregate [Group Key: a] [Filter: (count(*) > 1)]\n"
            "  Index Only Scan using t_a_b on t [Index Cond: (a = 5)]\n");
    plan_is("select * from (select id, a from t limit 5) z where id = 7",
            "Subquery Scan on z [Filter: (id = 7)]\n  Limit\n    Seq Scan on t\n");
    plan_is("select t.b, u.v from t, u where t.id = u.id and u.id = 3",
            "Nested Loop\n  Index Scan using t_pkey on t [Index Cond: (id = 3)]\n"
            "  Index Scan using u_pkey on u [Index Cond: (id = 3)]\n");
}
