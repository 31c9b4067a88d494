-- CREATE, ALTER and DROP COLLATION
create schema cm;
set search_path = cm;
create collation german (provider = icu, locale = 'de');
create collation phone (provider = icu, locale = 'de-u-co-phonebk');
create collation if not exists german (provider = icu, locale = 'sv');
create collation german (provider = icu, locale = 'sv');
create collation german (locale = 'C');
create collation byte1 (locale = 'C');
create collation byte2 (lc_collate = 'C', lc_ctype = 'POSIX');
create collation if not exists byte1 (locale = 'POSIX');
create collation byte1 (locale = 'POSIX');
create collation byte1 (provider = icu, locale = 'de');
create collation copy1 from german;
create collation copy2 from "C";
create collation copy3 from pg_catalog."tr-x-icu";
create collation cm.copy4 from ucs_basic;
set client_min_messages = error; -- it tells of the version
create collation versioned (provider = icu, locale = 'en', version = '1.0');
reset client_min_messages;
select collname, collprovider, collisdeterministic, collencoding, collcollate, collctype, colliculocale, collversion = pg_collation_actual_version(oid) as ver
  from pg_collation where collnamespace = 'cm'::regnamespace order by 1;
\dO
\dO+ cm.ph*
-- what is refused
create collation x;
create collation x ();
create collation x (provider = icu);
create collation x (lc_collate = 'C');
create collation x (lc_ctype = 'C');
create collation x (provider = nope, locale = 'C');
create collation x (locale = 'C', lc_ctype = 'C');
create collation x (locale = 'C', locale = 'C');
create collation x (colour = 'red');
create collation x from german (locale = 'C');
create collation x (from = german, locale = 'C');
create collation x from "default";
create collation x from nothere;
create collation x from cm.nothere;
create collation x from nosch.nothere;
create collation nosch.x from "C";
create collation x (locale = 'xx_YY');
create collation x (locale = 'C', deterministic = false);
create collation x (locale = 'C', deterministic = perhaps);
create collation x (provider = icu, locale = 'de', deterministic = true);
drop collation x;
-- it orders
create table w (k int, t text collate german, p text collate phone, b text collate byte1, d text);
insert into w select g, x, x, x, x from unnest(array['b','A','a','ä','Z','z','Ö','o','oe','of','ß','ss','ae','af', null]) with ordinality u (x, g);
select t from w order by t;
select p from w order by p;
select b from w order by b;
select d from w order by d collate german desc;
select d from w order by d collate cm.phone;
select d from w order by d collate copy2;
select count(*) from w where t < 'b';
select min(t), max(t), min(p), max(p), min(b), max(b) from w;
select upper(d collate copy3), lower('I' collate copy3), upper('i' collate byte1) from w where k = 1;
select a.t from w a join w b on a.t = b.t order by a.t limit 3;
select distinct t from w order by t desc limit 3;
select t, row_number() over (order by t) from w order by 2 limit 4;
select t < p from w;
select t < p collate german from w where k = 1;
select t collate german < p collate phone from w;
select collation for (t), collation for (d collate byte1), collation for (d), collation for ('x' || t) from w limit 1;
set search_path = public;
select collation for (t), collation for (d collate cm.byte1) from cm.w limit 1;
select 'german'::regcollation;
select 'cm.german'::regcollation, to_regcollation('cm.none'), to_regcollation('german'), to_regcollation('cm.german');
select pg_collation_is_visible('cm.german'::regcollation), pg_collation_is_visible('pg_catalog."C"'::regcollation);
select 'a' collate german;
select 'a' collate cm.nothere;
select 'a' collate nosch.german;
set search_path = cm;
-- indexes
create index w_t on w (t);
create index w_tc on w (t collate "C");
create index w_d on w (d collate german);
create index w_e on w (lower(d) collate phone) where d collate german > 'a';
create unique index w_u on w (p);
select indexrelid::regclass, pg_get_indexdef(indexrelid) from pg_index where indrelid = 'w'::regclass order by indexrelid::regclass::text;
\d w
set enable_seqscan = off;
select t from w where t < 'b' order by t;
select d from w where d collate german between 'a' and 'o' order by d collate german;
insert into w (p) values ('ä');
reset enable_seqscan;
-- domains, defaults, checks, views, functions
create domain dg as text collate german check (value collate phone <> 'x');
create table dt (a dg, b text default 'x' collate byte1, c text collate german default 'q', check (b collate phone < 'zz'), e text generated always as (lower(c collate copy3)) stored);
insert into dt values ('ö'), ('z'), ('A');
select a from dt order by a;
insert into dt values ('x');
create view v as select t, d collate phone as d, d collate "C" as c from w where d collate german > 'b' order by d collate german;
select pg_get_viewdef('v'::regclass);
select * from v;
create function f(a text) returns bool language sql immutable return a collate german < 'b';
select f('ä'), f('z');
\d+ v
\d dt
\dD dg
comment on collation german is 'as in books';
select obj_description('german'::regcollation, 'pg_collation');
\dO+ german
select pg_describe_object('pg_collation'::regclass, 'german'::regcollation, 0);
comment on collation german is null;
comment on collation nothere is 'x';
-- renaming
alter collation german rename to deutsch;
alter collation phone rename to deutsch;
alter collation phone rename to byte1;
alter collation nothere rename to x;
select pg_get_viewdef('v'::regclass);
select * from v limit 2;
select pg_get_indexdef('w_d'::regclass), pg_get_indexdef('w_e'::regclass);
select f('ä'), f('z');
insert into dt values ('u');
select a from dt order by a;
\d w
create schema cm2;
alter collation deutsch set schema cm2;
alter collation byte1 set schema cm2;
alter collation byte2 set schema cm2;
alter collation byte2 set schema nosch;
alter collation nothere set schema cm2;
create collation cm2.copy1 from "C";
alter collation copy1 set schema cm2;
select pg_get_viewdef('v'::regclass);
\d w
-- versions
alter collation versioned refresh version;
alter collation nothere refresh version;
alter collation copy1 refresh version;
alter collation "de-x-icu" refresh version;
select collversion = pg_collation_actual_version(oid) from pg_collation where collname = 'versioned';
select pg_collation_actual_version(4), pg_collation_actual_version(100);
-- owners
create role cm_r;
create role cm_s;
grant usage on schema cm to cm_r;
set role cm_r;
create collation x from "C";
alter collation copy1 rename to c9;
drop collation copy1;
comment on collation copy1 is 'x';
alter collation copy1 owner to cm_r;
alter collation copy1 refresh version;
reset role;
alter collation copy1 owner to cm_r;
grant create on schema cm to cm_r;
alter collation copy1 owner to cm_r;
alter collation copy1 owner to nobody_at_all;
select collowner::regrole from pg_collation where collname = 'copy1' and collnamespace = 'cm'::regnamespace;
set role cm_r;
create collation mine from "C";
alter collation copy1 rename to c9;
alter collation c9 owner to cm_s;
reset role;
drop role cm_r;
reassign owned by cm_r to cm_s;
select collname, collowner::regrole from pg_collation where collnamespace = 'cm'::regnamespace order by 1;
drop owned by cm_s;
drop owned by cm_r;
drop role cm_r, cm_s;
-- dropping
drop collation cm2.deutsch;
drop collation phone;
drop collation copy3;
drop collation cm2.byte1;
drop collation nothere;
drop collation cm.nothere;
drop collation nosch.nothere;
drop collation if exists nothere, cm.nothere, nosch.nothere;
drop collation "C";
begin;
drop collation cm2.deutsch cascade;
\d w
rollback;
\d w
begin;
create collation t1 from "de-x-icu";
create table tt (a text collate t1);
insert into tt values ('ä'), ('b'), ('a');
select a from tt order by a;
rollback;
select 'a' collate t1;
drop collation copy2, copy4, versioned;
create collation cm2.again (provider = icu, locale = 'de');
drop schema cm2 cascade;
drop schema cm cascade;
select count(*) from pg_collation where collnamespace not in ('pg_catalog'::regnamespace);
