-- Plans whose parts run on compute threads: the same answers, errors and limits as without.
set min_parallel_table_scan_size = 0;
create table par_o (ok int primary key, cust int, day date, status "char", total numeric(12,2), note text);
create table par_l (ok int, line int, part int, qty numeric(6,2), price numeric(12,2), disc numeric(4,2),
                    ship date, flag char(1), mode varchar(10), f float8);
insert into par_o select g, g * 7 % 997, date '2020-01-01' + g % 900, (case g % 3 when 0 then 'O' when 1 then 'F' else 'P' end)::"char",
    (g * 13 % 100000)::numeric / 100, case when g % 11 = 0 then null else 'note ' || g % 50 end from generate_series(1, 20000) g;
insert into par_l select g / 4 + 1, g % 4, g * 31 % 2000, (g % 50)::numeric, (g * 17 % 90000)::numeric / 100, (g % 10)::numeric / 100,
    date '2020-01-01' + g % 1000, case g % 3 when 0 then 'A' when 1 then 'R' else null end, 'mode' || g % 7, g % 13
    from generate_series(1, 60000) g;
analyze par_o;
analyze par_l;
-- one group, few, many
select count(*), count(flag), sum(qty), avg(qty), sum(line), avg(line), min(price), max(price), min(ship), max(mode) from par_l;
select flag, mode, count(*), sum(price * (1 - disc)), avg(disc), min(ship), max(qty) from par_l where ship <= date '2022-01-01'
    group by flag, mode order by 1, 2;
select part, count(*), sum(qty), min(mode), max(flag) from par_l group by part having sum(qty) > 700 order by 1 limit 20;
select count(*), sum(c), max(s) from (select part, count(*) c, sum(price) s from par_l where line <> 2 group by part) x;
select ok % 5 as k, sum(case when mode = 'mode1' then price else 0 end), count(*) filter (where flag is null) from par_l group by 1 order by 1;
-- nothing, and nothing left
select count(*), sum(qty), max(mode) from par_l where part < 0;
select mode, sum(qty) from par_l where ship > date '2030-01-01' group by mode;
-- joins probed, tables built
select o.status, count(*), sum(l.price) from par_l l join par_o o on l.ok = o.ok where o.day < date '2021-01-01' group by 1 order by 1;
select count(*), sum(l.qty), count(o.note) from par_l l left join par_o o on l.ok = o.ok and o.cust < 300;
select count(*), sum(qty) from par_l l where exists (select 1 from par_o o where o.ok = l.ok and o.status = 'F');
select count(*), sum(qty) from par_l l where not exists (select 1 from par_o o where o.ok = l.ok and o.total > 500);
select count(*) from par_l where ok not in (select cust from par_o where cust is not null);
select o.note, count(*), sum(l.price) from par_o o join par_l l on l.ok = o.ok and l.line = o.cust % 4 group by 1 order by 1 nulls first limit 10;
select a.mode, count(*) from par_l a join par_l b on a.ok = b.ok and a.part = b.part where b.disc > 0.05 group by 1 order by 1;
select count(*), sum(o.total) from par_o o right join par_l l on o.ok = l.ok where l.qty > 40;
-- sums of floats depend on the order and stay in it
select mode, sum(f), avg(f) from par_l group by mode order by mode;
select count(distinct part), count(distinct flag) from par_l;
-- errors of compute threads are the statement's
select sum(1 / (part - 1999)) from par_l;
select mode, sum(price / (qty - 49)) from par_l group by mode;
select sum(cast(substr(mode, 4, 1) as int)) from par_l;
select count(*) from par_l l join par_o o on l.ok = o.ok where 10 / (o.cust - 5) > 100;
select count(*) from par_l;
-- more groups than memory
set work_mem = '64kB';
select count(*), sum(c), sum(q) from (select ok, count(*) c, sum(qty) q, max(mode) m from par_l group by ok) x;
select count(*), sum(a.qty) from par_l a join par_l b on a.ok = b.ok and a.line = b.line;
reset work_mem;
-- in a transaction that changed the rows, in a cursor, in a function
begin;
update par_l set qty = qty + 1 where part % 10 = 3;
delete from par_o where cust = 7;
select sum(qty), count(*) from par_l;
select count(*), sum(l.price) from par_l l join par_o o on l.ok = o.ok;
declare c cursor for select mode, count(*) from par_l group by mode order by mode;
fetch 2 from c;
fetch all from c;
rollback;
prepare par_p(int, text) as select count(*), sum(price) from par_l where part < $1 and mode <> $2;
execute par_p(100, 'mode3');
execute par_p(1000, 'mode5');
select part, (select sum(qty) from par_l l where l.part = p.part) from (values (1), (2), (3)) p(part) order by 1;
create table par_s as select mode, count(*) n, sum(price) s from par_l group by mode;
select * from par_s order by mode;
set max_parallel_workers_per_gather = 0;
select count(*), sum(qty), avg(price) from par_l;
drop table par_o, par_l, par_s;
