-- FOR UPDATE over views and subqueries.
create schema cs_locking_views; set search_path = cs_locking_views;
create table t (a int primary key, b int); insert into t select g, g % 3 from generate_series(1,9) g; create table u (a int, c text); insert into u values (1,'x'),(2,'y'),(3,'z');
create view v as select * from t where b < 2; create view w as select t.a, u.c from t join u using (a);
begin; select * from (select * from t where b = 1) s where a > 4 for update; commit;
select * from v order by a limit 2 for update;
select * from w order by a limit 2 for update;
select * from w order by a limit 2 for update of w skip locked;
select s.a, u.c from (select a from t where a < 4) s left join u on s.a = u.a order by 1 for update of s;
select * from (select distinct b from t) s for update;
select * from (select * from t union all select * from t) s for update;
select count(*) from (select * from v for update) q;
select * from (select a, (select max(c) from u where u.a = t.a) m from t where a < 3) s order by a for no key update;
with q as (select * from t where a = 1) select * from q for update;
with q as (select * from t where a = 1) select * from q, t where t.a = 2 for update of q;
set client_min_messages = warning; drop schema cs_locking_views cascade; reset client_min_messages;
