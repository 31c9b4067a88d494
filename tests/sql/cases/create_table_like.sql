-- CREATE TABLE (LIKE ... INCLUDING ...)
create table src (id int generated always as identity (start 5 increment 2 maxvalue 99 cycle), a text collate "de-x-icu" not null default 'q', b numeric(6,2) check (b > 0), c int generated always as (id * 2) stored, d varchar(10), gone int, constraint d_len check (length(d) < 8), primary key (id), unique (a, b) include (d), unique (d) deferrable initially deferred);
alter table src drop gone;
create index src_e on src (lower(a), (b + 1) desc, upper(d)) where b < 100;
create unique index src_n on src (d nulls first) nulls not distinct;
create index src_c on src (d collate "C" text_pattern_ops);
comment on column src.a is 'the a'; comment on constraint d_len on src is 'short'; comment on index src_e is 'an index'; comment on constraint src_pkey on src is 'the key';
alter table src alter a set storage external;
create table l0 (like src);
create table l1 (x int, like src including all, y int);
create table l2 (like src including defaults including identity);
create table l3 (like src including indexes including comments);
create table l4 (like src including constraints including generated);
create table l5 (like src including all excluding indexes excluding constraints);
\d+ l0
\d+ l1
\d l2
\d l3
\d l4
\d+ l5
select conname, contype, condeferrable, condeferred, obj_description(oid, 'pg_constraint') from pg_constraint where conrelid in ('l1'::regclass, 'l3'::regclass) order by conrelid, 1;
select relname, obj_description(oid, 'pg_class') from pg_class where relname like 'l1%' order by 1;
select col_description('l1'::regclass, 3), col_description('l3'::regclass, 2), col_description('l0'::regclass, 2);
insert into l1 (x, b, d) values (1, 2, 'one'), (2, 3, 'two') returning *;
insert into l1 (x, b, d) values (1, 2, 'one');
insert into l1 (x, b) values (1, -2);
insert into l1 (x, d) values (1, 'much too long');
insert into l4 (id, d) values (1, 'much too long');
insert into l2 (b) values (-1) returning id, a, b, c;
select currval(pg_get_serial_sequence('l2', 'id')), pg_get_serial_sequence('l1', 'id') from l2;
-- of a view, a type, twice, temporary, itself
create view sv as select a, b from src; create type ct as (p int, q text);
create table l6 (like sv including all, like ct); \d l6
create temp table l7 (like src including all); select indexrelid::regclass from pg_index where indrelid = 'l7'::regclass order by indexrelid::regclass::text;
create table l8 (like l8); create table l8 (like nosuch); create table l8 (like src_e); create table l8 (like src_id_seq); create table l8 (a int, like src);
create table if not exists l1 (like nosuch);
create role like_nobody; set role like_nobody; create temp table l9 (like src); reset role; grant select on src to like_nobody; set role like_nobody; create temp table l9 (like src including all); reset role;
drop table l0, l1, l2, l3, l4, l5, l6, src cascade; drop type ct; drop table l9; drop role like_nobody;
