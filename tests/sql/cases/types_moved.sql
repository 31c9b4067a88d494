-- SET SCHEMA of types and domains; aggregates over bit strings.
create schema ts_a; create schema ts_b; set search_path = ts_a, ts_b;
create type e as enum ('x', 'y'); create domain d as int constraint dc check (value > 0) check (value < 9); create type c as (a int, b e); create table t (e e, d d, c c, a e[]); insert into t values ('x', 1, '(1,y)', '{x,y}');
create view v as select e, (c).b, d + 1 as d1, 'x'::e = e as eq from t; create function f(e) returns d language sql return 3;
alter type e set schema ts_b; alter domain d set schema ts_b; alter type c set schema ts_b;
select typname, typnamespace::regnamespace from pg_type where typname in ('e', '_e', 'd', '_d', 'c', '_c') order by 1;
select conname, connamespace::regnamespace from pg_constraint where contypid = 'ts_b.d'::regtype order by 1;
select relname, relnamespace::regnamespace from pg_class where relname = 'c';
select * from v; select f('y'); insert into t values ('y', 0); insert into t values ('y', 5, '(2,x)', '{y}'); select * from t order by 2;
set search_path = ts_a; select * from v; \d t
alter type ts_b.e set schema ts_b; alter type ts_b.e set schema nope; alter domain ts_b.e set schema ts_a; alter type ts_b._e set schema ts_a; alter type t set schema ts_b; alter type nope set schema ts_b; alter type ts_b.d set schema ts_a; alter domain ts_a.d set schema ts_b;
create type ts_a.q as enum (); alter type e set schema pg_temp;
begin; alter type ts_b.c set schema ts_a; select pg_typeof(c) from t limit 1; rollback; select pg_typeof(c) from t limit 1;
set client_min_messages = warning; drop schema ts_a, ts_b cascade; reset client_min_messages; reset search_path;
select bit_and(b), bit_or(b), bit_xor(b) from (values (b'1100'), (b'1010'), (null), (b'0110')) v (b);
select bit_and(b), bit_or(b), bit_xor(b) from (values (b'1100'::bit(4))) v (b) where false;
select g % 2, bit_and(b), bit_or(b), bit_xor(b) from (select g, (g * 7919)::bit(40) || b'101' as b from generate_series(1, 2000) g) v group by 1 order by 1;
select bit_and(b) from (values (b'1100'), (b'101')) v (b);
select bit_or(b::varbit), bit_xor(distinct b), bit_or(b) filter (where b > b'0') over (order by b) from (values (b'1100'), (b'1010')) v (b) group by b order by b;
create type ts_c as (a int, "B x" text); create table ts_t (c ts_c, n int); create view ts_v as select (c).a, (c)."B x", (c).a + n as s from ts_t where (c).a > 0;
select pg_get_viewdef('ts_v'); insert into ts_t values ('(1,x)', 4); select * from ts_v;
drop view ts_v; drop table ts_t; drop type ts_c;
