-- index-only scans: what the index has is read from it, and the table is asked only about late changes
create table io (id int primary key, a int, b text, n numeric, d date, pad text);
insert into io select g, g % 50, 'b' || g % 7, g / 3.0, date '2020-01-01' + g % 90, repeat('p', 200) from generate_series(1, 4000) g;
create index io_ab on io (a, b);
create index io_d on io (d desc, id);
create index io_n on io (n, id);
create index io_part on io (a, id) where a < 5;
create index io_expr on io ((a * 2));
vacuum analyze io;
set enable_seqscan = off;
set enable_bitmapscan = off;
explain (analyze, costs off, timing off, summary off) select id from io where id = 77;
explain (analyze, costs off, timing off, summary off) select id from io where id between 100 and 200;
explain (analyze, costs off, timing off, summary off) select a, b from io where a = 3 and b = 'b4';
explain (analyze, costs off, timing off, summary off) select b from io where a = 3 and b <> 'b4';
explain (analyze, costs off, timing off, summary off) select d, id from io where d = '2020-01-05' order by d desc, id;
explain (analyze, costs off, timing off, summary off) select pad is null from io where id = 77;
explain (costs off) select id from io where id = 77 for update;
explain (costs off) select ctid, id from io where id = 77;
-- the same rows as by the table
select count(*), sum(id), min(id), max(id) from io where id between 100 and 3000;
select b, count(*) from io where a in (3, 4, 49) group by b order by b;
select d, id from io where d = '2020-01-05' order by d desc, id limit 3;
select n, id from io where n between 10 and 11 order by n, id;
select a, id from io where a < 5 and id < 60 order by a, id;
select a, b from io where a = 3 and b like '%4' limit 2;
select count(*) from io where a is null;
-- changes of our own, and taken back
begin;
update io set a = 1000 where id = 10;
delete from io where id = 11;
insert into io values (5000, 1000, 'new');
select a, b from io where a = 1000 order by b;
select id from io where id in (10, 11, 12, 5000) order by id;
select id from io where a = 10 and id < 100 order by id;
savepoint s;
delete from io where id between 12 and 20;
select count(*) from io where id between 1 and 25;
rollback to s;
select count(*) from io where id between 1 and 25;
declare c cursor for select id from io where id between 4 and 9;
delete from io where id in (5, 6);
insert into io select 5, 5, 'again';
fetch all from c;
select id from io where id between 4 and 9 order by id;
rollback;
select id from io where id in (10, 11, 12, 5000) order by id;
-- deleted and inserted again, keys that come back
delete from io where id between 100 and 109;
insert into io select g, -g, 'again' from generate_series(105, 107) g;
select id from io where id between 98 and 112 order by id;
update io set a = -1 where id = 200;
update io set a = 0 where id = 200;
update io set a = -1 where id = 200;
select a, id from io where a in (-1, 0) and id <= 200 order by a, id;
select count(*) from io where a = 0;
-- a change that leaves the key alone
update io set pad = 'q' where id between 300 and 400;
select count(*) from io where id between 300 and 400;
-- NULLs
insert into io values (6000, null, null), (6001, null, 'x');
select a, b from io where a is null order by b;
select count(b) from io where a is null;
-- expressions and numerics are asked of the row
select a * 2 from io where a * 2 = 98 limit 1;
select n from io where n = 100 and id = 300;
-- joins, semi joins, minimum
select count(*) from io x join io y on y.id = x.id + 1 where x.id between 1 and 50;
select count(*) from io x where exists (select from io y where y.a = x.id) and x.id < 100;
select min(id), max(id) from io;
select max(d) from io;
drop table io;
