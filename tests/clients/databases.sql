-- Databases, on both servers line by line. \connect keeps host, port and user.
\set VERBOSITY verbose
\pset format unaligned
create role db_owner login;
create role db_maker createdb login;
create database db_a;
create database db_a;
begin; create database db_b; commit;
select 1 as one \; create database db_b;
create database db_b template nope;
create database db_b encoding 'nope';
create database db_b strange 1;
create database db_b with owner db_owner template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C' allow_connections true is_template false;
comment on database db_b is 'the second';
select datname, pg_get_userbyid(datdba) as owner, datistemplate, datallowconn, shobj_description(oid, 'pg_database') from pg_database where datname like 'db%' or datname like 'template%' or datname = 'postgres' order by 1;
\connect db_a
select current_database(), current_catalog;
create table t (a int primary key, b text);
insert into t select g, 'a' || g from generate_series(1, 1000) g;
create schema s; create type s.mood as enum ('x', 'y'); create sequence q; select nextval('q');
create table s.t (m s.mood); insert into s.t values ('y');
listen c; notify c, 'here';
select pg_advisory_lock(7);
select count(*), min(b), max(b) from db_a.public.t;
drop database db_a;
alter database db_a rename to db_c;
\connect db_b
select * from t;
create table t (other numeric); insert into t values (1.5); select * from t;
select nextval('q');
select pg_try_advisory_lock(7);
alter role db_owner set work_mem = '3MB';
alter database db_b set work_mem = '5MB';
alter database db_b set search_path = s, public;
\connect db_b
show work_mem; show search_path;
alter table t owner to db_owner;
\connect db_a
show work_mem;
select count(*) from t;
drop role db_owner;
alter database db_b rename to template1;
alter database db_b rename to db_c;
alter database nope rename to db_d;
alter database db_a rename to db_d;
alter database db_c owner to db_maker;
alter database db_c allow_connections false;
alter database db_c allow_connections true is_template true;
drop database db_c;
alter database db_c is_template false;
select has_database_privilege('db_maker', 'db_c', 'create'), has_database_privilege('db_owner', 'db_c', 'connect'), has_database_privilege('db_owner', 'nope', 'connect');
set role db_owner;
create database db_e;
drop database db_c;
alter database db_c owner to db_owner;
reset role;
set role db_maker;
create database db_e owner db_owner;
create database db_e;
drop database db_e;
reset role;
revoke connect on database db_c from public;
select datname, replace(datacl::text, current_user, 'me') from pg_database where datname in ('db_c', 'template1') order by 1;
drop database if exists nope;
drop database nope;
drop database db_c with (force);
\connect template1
drop database db_a;
drop database template1;
drop role db_owner;
drop role db_maker;
select count(*) from pg_database where datname like 'db%';
