-- whole rows beneath outer joins are NULL, not rows of NULLs
create table wr_a (id int primary key, v text);
create table wr_b (id int primary key, a int, v text);
insert into wr_a values (1, 'one'), (2, 'two'), (3, 'three');
insert into wr_b values (10, 1, 'x'), (11, 1, 'y'), (12, 3, null);
select a.id, count(b), count(b.*), count(*) from wr_a a left join wr_b b on b.a = a.id group by a.id order by 1;
select a.id, b, b is null, b is not null, row_to_json(b), (b).v from wr_a a left join wr_b b on b.a = a.id order by 1, 2;
select a.id, json_agg(b order by b.id), json_agg(b) filter (where b is not null) is null from wr_a a left join wr_b b on b.a = a.id group by a.id order by 1;
select count(a), count(b), count(*) from wr_b b right join wr_a a on b.a = a.id + 1;
select count(a), count(b), count(*) from wr_b b full join wr_a a on b.a = a.id + 1;
select a.id, coalesce(b, row(0, 0, 'none')::wr_b) from wr_a a left join wr_b b on b.a = a.id order by 1, 2;
select a.id, b, json_agg(a) from wr_a a left join wr_b b on b.id = a.id + 9 group by b.id, a.id order by 1;
create view wr_v as select a.id, b, row(b, 1) as r, (b).v as bv from wr_a a left join wr_b b on b.a = a.id;
select pg_get_viewdef('wr_v'::regclass);
select * from wr_v order by 1, 2;
drop view wr_v;
-- an aggregate of an outer query whose argument is a subquery
select (select max((select b.id from wr_b b where b.id = o.id + 9))) from wr_a o;
select (select array_agg((select b.v from wr_b b where b.id = o.id + 9) order by o.id)) from wr_a o;
select (select count((select 1 from wr_b b where b.a = o.id limit 1))) from wr_a o;
-- a hash join whose keys hang on a row outside
create table wr_k as select g as k, g % 50 as f from generate_series(1, 2000) g;
create table wr_i (f int);
insert into wr_i values (0), (7), (-3);
analyze wr_k;
select o.q, s.* from (values (5), (40), (1000), (12)) o(q),
  lateral (select k.f, i.f as i, count(*) from wr_k k join wr_i i on k.f = i.f + o.q group by 1, 2 order by 1, 2) s;
set enable_mergejoin = off;
set enable_nestloop = off;
select o.q, s.* from (values (5), (40), (1000), (12)) o(q),
  lateral (select k.f, i.f as i, count(*) from wr_k k join wr_i i on k.f = i.f + o.q group by 1, 2 order by 1, 2) s;
reset enable_mergejoin;
reset enable_nestloop;
-- volatile targets see the rows in their order and only those given
create sequence wr_s;
select id, nextval('wr_s') from wr_a order by v limit 2;
select currval('wr_s');
select k, nextval('wr_s') from wr_k order by k desc limit 5;
select k, nextval('wr_s') + k as n from wr_k order by f, k limit 3;
select currval('wr_s');
select nextval('wr_s') from wr_k limit 10;
select currval('wr_s');
create table wr_numbered (n int, k int);
insert into wr_numbered select nextval('wr_s'), k from wr_k where k <= 20 order by k desc;
select min(n) - max(n), bool_and(k = (select max(n) from wr_numbered) - n + 1) from wr_numbered;
select v, nextval('wr_s') - 0 as n from wr_a order by n desc limit 2;
select sum(k), nextval('wr_s') from wr_k group by f order by f limit 2;
-- printed limits
create view wr_l1 as select k from wr_k order by k fetch first 5 rows with ties;
create view wr_l3 as select k from wr_k order by k limit 2 + 3 offset 1;
create view wr_l4 as select k from wr_k order by k fetch first (5::bigint) rows with ties;
create view wr_l5 as select k from wr_k order by k fetch first (null + 1) rows with ties;
select pg_get_viewdef('wr_l1'::regclass), pg_get_viewdef('wr_l3'::regclass);
select pg_get_viewdef('wr_l4'::regclass), pg_get_viewdef('wr_l5'::regclass);
drop view wr_l1, wr_l3, wr_l4, wr_l5;
drop table wr_a, wr_b, wr_k, wr_i, wr_numbered;
drop sequence wr_s;
-- the one value of a function goes by its declared name
select e.value, e from json_array_elements('[1, {"a": 2}]') e;
select value ->> 'a' from jsonb_array_elements('[{"a": 1}, {"a": 2}]') as elem where elem.value ->> 'a' <> '1';
select e from jsonb_array_elements_text('["x"]') e where value = 'x';
select * from jsonb_array_elements('[1]') with ordinality e;
select * from generate_series(1, 2) g;
create function one_out(out seen int) language sql as 'select 7';
select o.seen, o from one_out() o;
drop function one_out();
-- a temporary function does not pass for another
create function pg_temp.whoami() returns text language sql as $$ select 'temp'::text $$;
create function public.whoami() returns text language sql as $$ select 'public'::text $$;
select whoami(), pg_temp.whoami();
set search_path to pg_temp, public;
select whoami();
reset search_path;
drop function public.whoami();
select whoami();
