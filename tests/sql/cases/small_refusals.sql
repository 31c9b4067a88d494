-- Declarations that contradict themselves, lists of columns and roles that go, cursors that stay
create table q2 (a int null not null); create table q3 (a int not null null); create table q4 (a int default 1 default 2); create table q5 (a int primary key null); create table q6 (a serial default 3); create table q7 (a int null null default 1);
alter table q7 add b int null not null; alter table q7 add b int default 1 default 2; alter table q7 add b serial;
\d q7
create sequence s1 as smallint maxvalue 40000; create sequence s1 as smallint minvalue -40000; create sequence s1 as int maxvalue 3000000000; create sequence s1 cache 0; create sequence s1 as smallint; alter sequence s1 maxvalue 40000; alter sequence s1 as int maxvalue 40000; \d s1
create table p (a int, b text); insert into p values (1, 'x'), (2, null);
select a from p where p in (select p from p) order by 1; select a from p where p in (select x from p x) order by 1; select a from p where p = any (select x from p x) order by a; select a from p where row(p.*) in (select x.* from p x); select a from p where (a, b) in (select a, b from p); select a from p where p not in (select p from p where a = 2) order by 1; select a from p where (a, b) in (select p from p); select a from p where p in (select a, b from p);
begin; declare h cursor with hold for select a from p order by a; commit;
select 1 as something_that_needs_some_memory, repeat('x', 20) from p;
select name, statement, is_holdable, is_scrollable from pg_cursors; fetch all from h; select statement from pg_cursors; close h;
create role sr_one; create role sr_two; grant select (a), update (a, b) on p to sr_one; grant select (b) on p to sr_two; grant insert on p to sr_one;
drop role sr_one; drop owned by sr_one; drop role sr_one;
select attname, attacl::text from pg_attribute where attrelid = 'p'::regclass and attnum > 0 order by attnum;
drop owned by sr_two; drop role sr_two; select attname, attacl from pg_attribute where attrelid = 'p'::regclass and attnum > 0 order by attnum;
drop table p, q5, q7; drop sequence s1;
