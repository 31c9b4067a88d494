-- rows that go in together: errors tell of the first row that is not allowed, and nothing stays
\set SHOW_CONTEXT errors
create table b (id int primary key, k int, t text, constraint k_positive check (k > 0));
create unique index b_k on b (k);
create index b_t on b (t);
insert into b select i, i * 2, 'row ' || i % 7 from generate_series(1, 3000) i;
select count(*), sum(id), sum(k), count(distinct t) from b;
select id, k, t from b where k = 4242;
select count(*) from b where t = 'row 3';
insert into b values (3001, 7001, 'x'), (3002, 7003, 'y'), (3003, 2000, 'z'), (1, 7005, 'one');
insert into b values (3001, 7001, 'x'), (1, 7003, 'y'), (3003, 2000, 'z');
insert into b values (3001, 7001, 'x'), (3002, 7001, 'y');
insert into b values (3001, 7001, 'x'), (3001, 7003, 'y');
insert into b values (3001, 7001, 'x'), (7, 7003, 'seven'), (3003, -1, 'negative');
insert into b values (3001, 7001, 'x'), (3003, -1, 'negative'), (7, 7003, 'seven');
insert into b values (3001, 7001, 'x'), (null, 7003, 'no key');
select count(*) from b;
insert into b select i, i * 2, null from generate_series(3001, 3100) i;
select count(*), count(t) from b;
copy b from stdin;
4001	9001	a
4002	9003	b
4003	2	taken
4004	9005	d
\.
copy b from stdin;
4001	9001	a
4002	9003	b
4001	9005	again
\.
copy b from stdin;
4001	9001	a
4002	-5	negative
1	9005	d
\.
copy b from stdin;
4001	9001	a
1	9003	taken
4003	not a number	d
\.
copy b from stdin;
4001	9001	\\ and \t tab
4002	9003	\N
4003	9005	
\.
select id, k, t, t is null as nothing from b where id > 4000 order by id;
copy b (id, k) from stdin where k % 2 = 1;
5001	9101
5002	9102
5003	9103
\.
select id, k from b where id > 5000 order by id;
-- savepoints, rollback
begin;
insert into b select i, i * 2, 'later' from generate_series(6000, 6999) i;
savepoint a;
insert into b select i, i * 2, 'much later' from generate_series(7000, 7999) i;
update b set t = 'changed' where id = 7500;
delete from b where id = 7501;
rollback to a;
select count(*) from b where id >= 6000;
insert into b select i, i * 2, 'in between' from generate_series(7400, 7600) i;
select count(*) from b where id >= 6000;
insert into b values (9000, 90001, 'a'), (6500, 90003, 'there');
rollback;
select count(*) from b where id >= 6000;
select count(*) from b where k >= 12000;
-- keys that were deleted in the same transaction, and before
begin;
delete from b where id <= 1000;
insert into b select i, i * 2, 'anew' from generate_series(1, 1000) i;
select count(*), count(*) filter (where t = 'anew') from b;
commit;
select count(*), count(*) filter (where t = 'anew') from b;
select count(*) from b where k between 1 and 200;
delete from b where id between 100 and 199;
insert into b select i, i * 2, 'once more' from generate_series(100, 199) i;
select count(*), count(*) filter (where t = 'once more') from b;
-- rows of all lengths, also too long for a block
create table w (id int primary key, t text);
insert into w select i, repeat(chr(97 + i % 26), i * i % 5000) from generate_series(1, 200) i;
insert into w select i, (select string_agg(md5((i * 1000 + j)::text), '') from generate_series(1, 400) j) from generate_series(201, 205) i;
select count(*), sum(length(t)), md5(string_agg(t, ',' order by id)) from w;
insert into w values (300, 'a'), (301, repeat('b', 100000)), (302, 'c'), (201, 'taken');
select count(*) from w;
-- index expressions, partial indexes, keys too long
create table e (a int, b int, t text);
create unique index e_div on e ((a / b)) where b < 100;
insert into e values (1, 1, 'x'), (2, 0, 'y'), (3, 1, 'z');
insert into e values (1, 1, 'x'), (5, 5, 'y'), (3, 0, 'z');
insert into e values (1, 1, 'x'), (5, 500, 'y'), (500, 500, 'y'), (3, 1, 'z');
select * from e order by a;
create index e_t on e (t);
select count(*) from e;
-- a table as a query's result
create table c as select i as id, 'text ' || i as t from generate_series(1, 2500) i;
select count(*), sum(id), max(t) from c;
-- foreign keys: of another table, of the same one
create table f (id int primary key, parent int references f, b int references b);
insert into f values (1, null, 1), (2, 1, 2), (3, 2, 3);
insert into f values (5, 4, 4), (4, 5, 5);
insert into f values (6, 1, 4), (7, 77, 4), (8, 1, 88888);
insert into f values (6, 1, 88888), (7, 77, 4), (1, 1, 1);
select * from f order by id;
copy f from stdin;
10	11	1
11	10	2
\.
copy f from stdin;
12	1	1
13	1	99999
\.
select count(*) from f;
-- ON CONFLICT and RETURNING beside it
insert into b values (1, 90001, 'a'), (9001, 90003, 'b'), (9001, 90005, 'c') on conflict (id) do nothing;
insert into b values (9002, 90005, 'd'), (9003, 90007, 'e') returning id, t;
select id, k, t from b where id > 9000 order by id;
drop table f, e, w, c, b;
-- a long line is cut in the error
create table b (id int primary key, t text check (length(t) < 200));
copy b from stdin;
1	short
2	0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789
\.
copy b from stdin (format csv);
1,"short"
2,"0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 äääääääää 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789"
\.
copy b from stdin (format csv);
1,"short"
x0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789,"long"
\.
select * from b;
drop table b;
