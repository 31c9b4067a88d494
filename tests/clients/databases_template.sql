-- CREATE DATABASE ... TEMPLATE with objects and rows, on both servers line by line.
\set VERBOSITY verbose
\pset format unaligned
create role dt_r;
create database dt_a;
\connect dt_a
create schema s;
create type s.mood as enum ('sad', 'ok');
create domain s.pos as int check (value > 0);
create collation s.de (provider = icu, locale = 'de');
create table t (k serial primary key, m s.mood default 'ok', p s.pos, a text collate s.de, b text default 'x' || 'y', j jsonb, g text generated always as (lower(a)) stored, unique (a, k));
insert into t (m, p, a, j) select case when g % 2 = 0 then 'sad' else 'ok' end::s.mood, g, (array['ä','Z','a','b'])[1 + g % 4] || g, jsonb_build_object('k', g) from generate_series(1, 3000) g;
update t set a = a || '!' where k % 3 = 0;
update t set a = 'changed' where k between 100 and 110;
delete from t where k % 7 = 0;
create index t_a on t (a);
create index t_e on t (lower(b), (k % 10)) where k > 50;
create index t_m on t (m desc, p);
create table big (x text); insert into big select repeat(chr(65 + g), 20000) from generate_series(1, 5) g;
create function s.f(a int) returns int language sql immutable as 'select a * 2';
create index t_f on t (s.f(k));
create table child (id bigint generated always as identity, k int references t on delete cascade, check (id > 0));
insert into child (k) select k from t limit 50;
create view v as select m, count(*) as n from t group by m;
create materialized view mv as select * from v order by m;
create unique index mv_m on mv (m);
create sequence q start 100 increment 10; select nextval('q'), nextval('q');
create sequence unused;
create table empty (a int primary key);
alter default privileges in schema s grant select on tables to dt_r;
grant select (k) on t to dt_r;
comment on table t is 'the table';
analyze t;
create table d1 (a int unique deferrable initially deferred); insert into d1 values (1), (2);
\connect lagoon
alter database dt_a set work_mem = '5MB';
create database dt_b template dt_a;
create database dt_b template dt_a;
\connect dt_b
\d t
\d child
select count(*), sum(k), min(a), max(a), count(distinct m) from t;
set enable_seqscan = off;
select k, a from t where a >= 'a' and a < 'ä2' order by a limit 5;
select k from t where a = 'changed' order by k;
select count(*) from t where k > 50 and lower(b) = 'xy' and k % 10 = 3;
select k, p from t where m = 'sad' order by m desc, p limit 3;
select k from t where s.f(k) = 20;
select count(*) from t where k = 14;
select length(x), left(x, 1) from big order by 2;
select * from v order by m; select * from mv;
reset enable_seqscan;
insert into t (a) values ('new') returning k > 3000, m, b, g;
insert into t (k, a) values (1, 'again');
insert into t (p) values (-1);
insert into child (k) values (14);
insert into child (k) values (3) returning id > 50;
delete from t where k = 1;
select count(*) from child;
select nextval('q') >= 120, nextval('unused');
select s.f(21), 'sad'::s.mood < 'ok';
refresh materialized view concurrently mv; select * from mv;
begin; insert into d1 values (1); commit;
select obj_description('t'::regclass);
\dp t
select has_column_privilege('dt_r', 't', 'k', 'select'), has_table_privilege('dt_r', 't', 'select');
create table s.n (a int); select has_table_privilege('dt_r', 's.n', 'select');
alter table t rename to t2; drop table child; drop type s.mood cascade; create table t (z int);
vacuum t2; reindex table t2; select count(*) from t2;
\connect dt_a
select count(*) from t; select count(*) from child; select * from v order by m;
insert into t (a) values ('new') returning k > 3000;
drop table t cascade;
\connect dt_b
select count(*) from t2;
\connect lagoon
create database dt_c template dt_b owner dt_r is_template true;
select datname, pg_get_userbyid(datdba) o, datistemplate, datacl from pg_database where datname like 'dt_%' order by 1;
alter database dt_c is_template false;
drop database dt_a; drop database dt_b;
\connect dt_c
select count(*) from t2;
select s.f(4);
create database dt_d template dt_c;
\connect dt_d
select count(*) from t2;
\connect lagoon
drop database dt_c; drop database dt_d;
drop role dt_r;
