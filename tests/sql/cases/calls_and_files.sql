-- calls in odd places and with odd arguments, each of which once ended an instance or gave wrong rows
select concat_ws(',', variadic 10);
select concat_ws(',', variadic array[1, 2, 3]);
-- set-returning functions below each other
select generate_series(1, generate_series(1, 3));
select generate_series(1, generate_series(1, 3)), generate_series(2, 4);
select generate_series(generate_series(1, 2), generate_series(2, 3)) + 10;
select * from generate_series(1, generate_series(1, 3));
select * from abs(generate_series(1, 3));
create temp table few (id int, dataa text);
insert into few values (1, 'a'), (2, 'foo');
select min(generate_series(1, 3)) from few;
select sum(generate_series(1, id)) over () from few;
-- functions that hand on other arguments, over many rows
select f, date_part('year', f), date_part('epoch', f)
  from (values (date '1957-04-09'), ('2040-04-10 BC'), ('2000-02-29'), ('infinity')) v(f);
select date_part('year', date '5874897-12-31');
select 16 + l from (values (pg_lsn '0/16AE7F7'), ('1/0'), ('0/0')) v(l);
select to_char(i * interval '1 mon', 'RM') as up, to_char(i * interval '1 mon', 'rm') as low
  from generate_series(-13, 13) i;
select interval '3000000 months' / 0.001;
select interval '1 month 2146410 days' * 1000.5002;
select interval '1 year' / 'nan';
select pg_size_pretty((-9223372036854775808)::bigint);
-- names in lists of privileges
create role "regress_""quoted";
select '"regress_""quoted"=r*/"regress_""quoted"'::aclitem;
select 'regress_"quoted'::regrole;
drop role "regress_""quoted";
-- grouping sets explained
create view gv(a, b, v) as values (1, 1, 10), (1, 2, 11), (2, 2, 12);
\o /dev/null
explain (costs off) select a, b, grouping(a, b), sum(v) from gv group by grouping sets ((a), (b)) order by 3, 1, 2;
\o
select a, b, grouping(a, b), sum(v) from gv group by grouping sets ((a), (b)) order by 3, 1, 2;
drop view gv;
-- views in a circle
create view circle1 as select 1 as a;
create view circle2 as select a from circle1;
create or replace view circle1 as select a from circle2;
\set VERBOSITY terse
drop view circle1 cascade;
\set VERBOSITY verbose
-- a column's value for rows that were there before
create domain positive as int check (value > 0);
create table grown (a int);
insert into grown values (1), (2);
alter table grown add c int[] default '{1,2}', add d text default 'x', add e numeric default 1.5;
select attname, attmissingval from pg_attribute where attrelid = 'grown'::regclass and attnum > 1 order by attnum;
alter table grown add b positive default 3;
select * from grown order by a;
drop table grown;
drop domain positive;
-- a body of nothing
create procedure nothing(x text) begin atomic end;
call nothing('');
drop procedure nothing;
-- JSON into rows
create type made as (ia int[], ta text[], c char(10), ja json[]);
select ta from json_populate_record(null::made, '{"ta": [[1, 2, 3], {"k": "v"}]}');
select ia from json_populate_record(null::made, '{"ia": [[1, 2], [3]]}');
select ia from json_populate_record(null::made, '{"ia": [[1, 2], 3]}');
select ia from json_populate_record(null::made, '{"ia": [[[1], 2]]}');
select ia from json_populate_record(null::made, '{"ia": [[], []]}');
select ia from json_populate_record(null::made, '{"ia": [[[1, 2], [3, 4]]]}');
select ta from json_populate_record(null::made, '{"ta": [1, [2], {"a": 3}]}');
select ja from json_populate_record(null::made, '{"ja": [1, [2], {"a": 3}]}');
select ja from json_populate_record(null::made, '{"ja": [[1, [5]], [{"a": 3}, null]]}');
select * from json_populate_recordset(row(0::int), '[{"a":"1","b":"2"}]') q (a text, b text);
select * from json_populate_recordset(row(0::int, 0::int), '[{"a":"1","b":"2"}]') q (a text, b text);
select * from json_populate_recordset(row('x'::text, 'y'::text), '[{"a":"1"},{"b":"2"}]') q (a text, b text);
select json_populate_record(row(1, 2), '{"f1": 0, "f2": 1}');
drop type made;
-- the rule of a sequence
create sequence ruled;
alter sequence ruled restart with 0;
alter sequence ruled minvalue 5;
alter sequence ruled as smallint;
alter sequence ruled as smallint maxvalue 100000;
alter sequence ruled cache 0;
select seqtypid::regtype, seqmin, seqmax from pg_sequence where seqrelid = 'ruled'::regclass;
alter sequence ruled as bigint;
alter sequence ruled restart with 24 increment by 4 maxvalue 36 minvalue 5 cycle;
select nextval('ruled'), nextval('ruled'), nextval('ruled'), nextval('ruled'), nextval('ruled');
alter sequence ruled increment -1 no maxvalue no minvalue;
drop sequence ruled;
-- files of the server
create table filed (a int, b text);
insert into filed select g, 'row ' || g from generate_series(1, 5000) g;
copy filed to '/dev/null';
copy filed (b) to '/dev/null' with (format csv, header);
copy filed from '/dev/null';
copy filed to 'relative';
\set VERBOSITY terse
copy filed to '/nonexistent/file';
copy filed from '/nonexistent/file';
\set VERBOSITY verbose
copy filed from '/tmp';
create role regress_reader;
grant all on filed to regress_reader;
set role regress_reader;
copy filed to '/dev/null';
copy filed from '/dev/null';
copy filed to program 'true';
reset role;
drop table filed;
drop role regress_reader;
