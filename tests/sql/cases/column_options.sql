-- SET STATISTICS and SET STORAGE; how many rows ANALYZE looks at; what foreign keys depend on.
create table co (a int, b text, c numeric, d int);
insert into co select i % 700, 'v' || i % 700, i, i % 3 from generate_series(1, 20000) i;
alter table co alter a set statistics 20, alter b set statistics 0, alter c set storage main;
alter table co alter d set statistics 20000;
alter table co alter d set statistics -2;
alter table co alter nosuch set statistics 5;
alter table co alter b set storage external, alter d set storage plain;
alter table co alter d set storage external;
alter table co alter b set storage sideways;
select attname, attstattarget, attstorage from pg_attribute where attrelid = 'co'::regclass and attnum > 0 order by attnum;
alter table co alter d set statistics -1;
set default_statistics_target = 30;
analyze co;
select attname, array_length(most_common_vals::text::text[], 1) <= 20 as few, array_length(histogram_bounds::text::text[], 1) as bounds, n_distinct > 0 as counted from pg_stats where tablename = 'co' order by 1;
reset default_statistics_target;
analyze co;
select attname, array_length(histogram_bounds::text::text[], 1) as bounds from pg_stats where tablename = 'co' order by 1;
\d+ co
create table co_p (x int, y int, primary key (x, y));
create table co_f (x int, y int, foreign key (x, y) references co_p on delete cascade);
select constraint_name, unique_constraint_name, delete_rule from information_schema.referential_constraints where constraint_name like 'co_f%';
alter table co_p drop column y cascade;
\d co_f
drop table co, co_p, co_f;
