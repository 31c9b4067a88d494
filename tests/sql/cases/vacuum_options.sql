-- ANALYZE and VACUUM: who may, of what; CHECK NO INHERIT; access methods
create table va (a int check (a > 0) no inherit, b text, constraint vb check (b <> '') no inherit not valid); insert into va values (1, 'x'); create view vv as select * from va;
\d va
select conname, connoinherit, pg_get_constraintdef(oid) from pg_constraint where conrelid = 'va'::regclass order by 1;
analyze va (a); analyze va (a, nope); analyze va (a, a); analyze vv; vacuum vv; analyze nope; vacuum va (a); vacuum (analyze) va (b); vacuum (analyze, nope) va; analyze (full) va; analyze (verbose off, skip_locked) va; analyze va, vv;
create role va_one; grant all on va to va_one; set role va_one; analyze va; vacuum va; vacuum analyze va; reset role;
create index on va using nope (a); create index on va using "gi" (a);
create table vl (like va including constraints); select conname, connoinherit from pg_constraint where conrelid = 'vl'::regclass order by 1;
drop table va, vl cascade; drop role va_one;
