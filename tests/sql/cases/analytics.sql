-- What runs a batch at a time: numerics as integers, groups, hash joins, conditions tested while decoding.
create table fact (id int, k int, d date, d2 date, n numeric(12,2), m numeric, t text, b bpchar(4));
insert into fact
  select i, case when i % 7 = 0 then null else i % 50 end, date '1994-01-01' + i % 900, date '1994-01-01' + i % 877,
         case when i % 11 = 0 then null else i * 1.25 end,
         case i % 4 when 0 then i when 1 then i * 0.1 when 2 then i * 0.001 else -i * 1000000.5 end,
         'row ' || i % 13, 'x' || i % 3
  from generate_series(1, 5000) i;
create table dim (k int primary key, name text, w bigint);
insert into dim select i, 'name ' || i, i * 10 from generate_series(0, 59) i;
create table many (k int, v int);
insert into many select i % 40, i from generate_series(1, 200) i;
insert into many values (null, 1), (null, 2);
-- the same before and after the planner knows the data
select sum(n), avg(n), sum(m), avg(m), count(n), count(*), min(n), max(m) from fact;
analyze fact;
analyze dim;
analyze many;
select sum(n), avg(n), sum(m), avg(m), count(n), count(*), min(n), max(m) from fact;
select b, sum(n), avg(n), sum(n * (1 - 0.05)), sum(n * 2 + m), count(k) from fact group by b order by b;
select k, sum(m), count(*) from fact group by k order by k nulls first limit 8;
select t, b, count(*), sum(case when k < 10 then n when k < 20 then n * 0.5 else 0 end),
       sum(case when k > 1000 then n else 0 end) from fact group by t, b order by t, b limit 6;
select sum(n) filter (where k = 3), sum(n) filter (where k = 1000), avg(m) filter (where m > 0) from fact;
select sum(case when n > 100.5 then 1 else 0 end), sum(case when m = 100 then n end) from fact;
select sum(x) from (values (1.5), ('NaN'::numeric), (2)) v(x);
select sum(x) from (values (1.5), ('Infinity'::numeric), (2)) v(x);
select sum(x), avg(x) from (values (9223372036854775807::numeric), (9223372036854775807.99), (-0.0001)) v(x);
select sum(x * x * x) from (values (123456789012.123456::numeric), (0.000001)) v(x);
select count(*) from fact where n > 100 and n <= 2000.25;
select count(*) from fact where m < 0.5 and m > -3000000;
select count(*), min(id) from fact where d >= date '1994-03-01' and d < date '1994-03-01' + interval '1 month';
select count(*) from fact where d < timestamp '1994-02-01 12:00:00' and d > timestamp '1994-01-15 00:00:01';
select count(*) from fact where d <= timestamp 'infinity' and d > timestamp '-infinity';
select count(*) from fact where d < d2 and id <> 17 and k >= 3;
select count(*) from fact where k = null or k <> 5;
-- joins
select count(*), sum(f.n), sum(w) from fact f join dim using (k);
select count(*), sum(f.n), count(w) from fact f left join dim on f.k = dim.k and dim.w < 200;
select count(*), count(f.id), count(dim.k) from fact f right join dim on f.k = dim.k and f.id < 300;
select count(*), count(f.id), count(dim.k) from fact f full join dim on f.k = dim.k;
select count(*), sum(v) from fact f join many on f.k = many.k where f.id < 1000;
select count(*), sum(v), count(*) - count(v) from fact f left join many on f.k = many.k and v > f.id;
select count(*) from fact f where exists (select 1 from many where many.k = f.k);
select count(*) from fact f where exists (select 1 from many where many.k = f.k and v > f.id);
select count(*) from fact f where not exists (select 1 from many where many.k = f.k);
select count(*) from fact f where not exists (select 1 from many where many.k = f.k and v <> f.id);
select count(*) from fact f where k in (select k from dim where name like '%1%');
select count(*) from fact f where k not in (select k from many where k is not null);
select count(*) from fact f where k not in (select k from many);
select count(*) from fact f join dim on f.k = dim.w;
select f.t, dim.name, count(*) from fact f join dim on f.k = dim.k
  where (f.t = 'row 1' and dim.name = 'name 3' and f.n > 10) or (f.t = 'row 2' and dim.name = 'name 4' and f.n > 20)
  group by 1, 2 order by 1, 2;
select count(*) from fact f, dim where (f.k = dim.k and f.n > 3000 and w < 100) or (f.k = dim.k and f.n < 100 and w > 200);
select f.id, (select sum(v) from many where many.k = f.k) s from fact f
  where f.id < 400 and f.n > (select avg(v) from many where many.k = f.k) order by f.id limit 5;
-- statistics
select attname, n_distinct, null_frac, avg_width from pg_stats where tablename = 'dim' and attname <> 'w' order by attname;
select staattnum, stanullfrac, stadistinct, stakind1, stakind2, stakind3 from pg_statistic where starelid = 'dim'::regclass
  order by staattnum;
select relname, reltuples from pg_class where relname in ('dim', 'many') order by relname;
-- COPY's plain values, and those that are not
create table plain (i int, b bigint, d date, n numeric(8,3), v varchar(5), c char(4), t text);
copy plain from stdin;
1	-2	2000-02-29	12.5	abc	xy	plain
-12	9000000000	1999-12-31	-0.125	abcde	wxyz	
0	0	0001-01-01	0	é	é	ünï
2147483647	-9223372036854775808	infinity	99999.999	\N	\N	\N
 7 	+8	1.2.2003	1e2	abcde   	ab      	x
\.
select * from plain;
copy plain (d) from stdin;
2001-02-29
\.
copy plain (n) from stdin;
100000
\.
copy plain (v) from stdin;
abcdef
\.
copy plain (i) from stdin;
12a
\.
drop table fact, dim, many, plain;
-- indexes over rows that are there
create table ib (a int, b text, c int);
insert into ib select i % 100, 'k' || (i * 7919 % 5003), i from generate_series(1, 3000) i;
create index ib_ab on ib (a, b);
create unique index ib_c on ib (c);
insert into ib values (500, 'dup', 3001), (501, 'dup', 3002);
create unique index ib_bad on ib (b) where c > 3000;
create unique index ib_part on ib (b) where c < 2500;
create index ib_expr on ib ((a + c) desc);
set enable_seqscan = off;
select count(*) from ib where a between 5 and 9 and b > 'k3';
select * from ib where c = 1234;
select a + c from ib order by (a + c) desc limit 3;
insert into ib values (1, 'x', 5);
insert into ib values (1, 'x', 20001), (null, null, null);
delete from ib where a = 3;
select count(*) from ib where a = 3;
begin;
create index ib2 on ib (c, a);
rollback;
select count(*) from ib where a >= 0;
drop table ib;
-- EXISTS and NOT EXISTS with the outer side hashed; conditions on pairs; NULL keys on both sides
create table outer_few (id int, k int, v int);
insert into outer_few select i, case when i % 10 = 0 then null else i * 37 % 997 end, i % 5 from generate_series(1, 60) i;
create table inner_many (k int, v int, t text);
insert into inner_many select case when i % 50 = 0 then null else i % 700 end, i % 4, 'text ' || i % 9 from generate_series(1, 30000) i;
analyze outer_few;
analyze inner_many;
select count(*), sum(id) from outer_few o where exists (select 1 from inner_many i where i.k = o.k);
select count(*), sum(id) from outer_few o where not exists (select 1 from inner_many i where i.k = o.k);
select count(*), sum(id) from outer_few o where exists (select 1 from inner_many i where i.k = o.k and i.v <> o.v);
select count(*), sum(id) from outer_few o where not exists (select 1 from inner_many i where i.k = o.k and i.v > o.v and i.t like '%1');
select count(*), sum(id) from outer_few o where k in (select k from inner_many where t in ('text 1', 'text 2', null));
select count(*), sum(id) from outer_few o where not exists (select 1 from inner_many i where i.k = o.k and false);
select o.id from outer_few o where not exists (select 1 from inner_many i where i.k = o.k) and v = 1 order by id;
-- groups: few and many, NULL keys, one key and several
select k % 3, v, count(*), sum(k) from inner_many group by 1, 2 order by 1 nulls first, 2;
select count(*), sum(c), max(k), sum(n) from (select k, count(*) c, sum(v::numeric) n from inner_many group by k) x;
select k, sum(v * 1.5) from inner_many group by k having sum(v * 1.5) > 95.5 order by k nulls first;
select k, sum(v * 1.5), sum(case when v = 1 then 0.001 else 1e18 end) from inner_many where k < 3 group by k order by k;
select t, v, count(*) from inner_many group by t, v order by t, v limit 5;
-- patterns
select count(*) from inner_many where t like 'text%' and t not like '%3%' and t like '%e%t%';
select count(*) from inner_many where t like 'text 1' or t like '%' or t like '';
select 'aab' like 'a%ab', 'ab' like 'a%b%b', 'äöü' like '%ö%', 'abc' like '%%c', 'x' like '', '' like '%', 'abab' like '%ab', 'aXbXc' like 'a%X%Xc', 'ab' like 'ab%ab';
select count(*) from inner_many where v = any (array[1, null, 3]) or k = any ('{1,2}'::int[]);
select count(*) from inner_many where v <> all (array[1, null, 3]);
select count(*) from inner_many where v <> all (array[1, 3]) and v >= any ('{}') is not true;
select count(*) from inner_many where (k = 1 and v = 1) or (t like '%5' and k < 100) or k is null;
drop table outer_few, inner_many;
