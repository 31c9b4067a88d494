-- What pg_get_viewdef, pg_get_expr, pg_get_constraintdef, pg_get_indexdef and psql's commands print: with few and with all parentheses.
create table va (a int primary key, b text, c numeric); create table vb (a int, d int[]); create table vc (x int, y text);
create view v1 as select va.a, vb.d[1] as d1, va.b || 'x' || vc.y as t from va join vb on va.a = vb.a left join vc on vc.x = va.a and (vc.y <> 'q' or vc.y is null) where not (va.a > 3 and va.b like 'a%') and va.c between 1 and 2;
create view v2 as select count(*), sum(a + 2 * (c - 1)) filter (where a > 1) as s, max(lower(b)) from va group by a % 3, lower(b) having count(*) > 1 and not bool_and(a > 2) order by (a % 3), lower(b) desc;
create view v3 as select a from va where a in (1,2,3) or a = any (array[4,5]) or exists (select 1 from vb where vb.a = va.a) or a in (select x from vc) or a > (select max(x) from vc);
create view v4 as select * from va union all select x, y, 1.5 from vc union select a, b, c from va order by 1 limit 3;
create view v5 as with w as (select a, row_number() over (partition by b order by a desc) as rn from va) select w.a, (w.rn + 1) * 2 as z, -(w.a), w.a::text || 'k' as k, (w.a + 1)::numeric(10,2) as n from w cross join vb x(p, q) where (w.rn = 1) is true and w.a is distinct from 4 and x.p is not null;
create view v6 as select a, case when a > 1 and b is null then c + 1 else (c - a) - (c - 1) end, coalesce(b, 'z'), nullif(a, 1), greatest(a, 2), (b collate "C") as co, extract(year from now()), now() at time zone 'UTC', substring(b from 1 for 2), array[a, a + 1], row(a, b), (select x.y from vc x where x.x = va.a limit 1) as sub from va;
create view v7 as select * from (va join vb using (a)) join (vc c1 join vc c2 on c1.x = c2.x) on c1.x = va.a;
create view v8 as select l.*, va.a as va from va, lateral (select x from vc where vc.x = va.a order by x desc nulls last limit 1) l(lx), generate_series(1, 3) with ordinality g(g, o);
create view v9 as select a, b from va where (a, b) in (select x, y from vc) and (a > 1 or b = 'x') and not a = 3 and (a + 1 = 2) = (c > 1) and -a < 3 and c ^ 2 > 4 and a <> all (array[1,2]);
select relname, pg_get_viewdef(oid), pg_get_viewdef(oid, true) from pg_class where relkind = 'v' and relname ~ '^v[0-9]$' order by 1;
\d+ v5
create table vt (a int check (a > 0 and (a < 10 or a = 100)), b text check (b in ('x','y') and length(b) > 0), c int default 1 + 2 * 3, d timestamptz default now() + interval '1 day', e text default 'a' || 'b', f text generated always as (upper(e) || (c * 2)::text) stored);
create index on vt ((a + c)) where a > 1 and b is not null;
create index on vt ((a * (c + 1)), (b || e));
\d vt
select pg_get_constraintdef(oid), pg_get_constraintdef(oid, true) from pg_constraint where conrelid = 'vt'::regclass order by 1;
select pg_get_expr(adbin, adrelid), pg_get_expr(adbin, adrelid, true) from pg_attrdef where adrelid = 'vt'::regclass order by adnum;
create domain vd as int check (value > 0 and value < 10) check (case when value > 3 then true else value < 2 end);
\dD vd
select conname, pg_get_constraintdef(oid), pg_get_constraintdef(oid, true) from pg_constraint where contypid = 'vd'::regtype order by 1;
drop domain vd; drop view v1, v2, v3, v4, v5, v8, v9; drop table va, vb, vc, vt;
create table cs (a int, b text default case when true then 'x' else 'y' end, c int generated always as (case when a > 0 then 1 else 2 end) stored, check (case a when 1 then b is null else true end));
alter table cs add constraint k2 check (b is null or case when a = 1 then true when a = 2 then (case b when 'q' then true end) end);
create index csx on cs ((case when a > 0 then b else 'x' end)) where case when a > 1 then true else false end;
select pg_get_indexdef('csx'::regclass), pg_get_indexdef('csx'::regclass, 0, true), pg_get_indexdef('csx'::regclass, 1, false), pg_get_indexdef('csx'::regclass, 1, true);
select conname, pg_get_constraintdef(oid), pg_get_constraintdef(oid, true) from pg_constraint where conrelid = 'cs'::regclass order by 1;
select pg_get_expr(adbin, adrelid), pg_get_expr(adbin, adrelid, true) from pg_attrdef where adrelid = 'cs'::regclass order by adnum;
\d cs
create view csv as select case when a > 0 then 1 else 2 end as z, (case a when 1 then 2 end) + 1 as y from cs where case when a > 0 then true else false end;
select pg_get_viewdef('csv'), pg_get_viewdef('csv', true);
create index on cs ((b::int)); create index on cs ((a::text)); create index on cs ((b::numeric)); create index on cs ((b::float8)); create index on cs((b::uuid)); create index on cs((b::date));
create index on cs((b::timestamptz)); create index on cs((b::bool)); create index on cs((b::jsonb)); create index on cs((b::inet)); create index on cs((b::interval)); create index on cs((b::time)); create index on cs ((b::oid)); create index on cs ((b::bytea)); create index on cs((b::int[]));
create index on cs ((b::name)); create index on cs ((b::"char")); create index on cs ((b::varchar(3))); create index on cs((b::regclass)); create index on cs((b::bit(3))); create index on cs ((row(a,b)::text));
\d cs
begin read only; select * from cs for share; rollback;
begin read only; select * from cs for no key update; rollback;
begin read only; select * from cs for key share; rollback;
begin read only; declare c cursor for select * from cs for update; rollback;
begin read only; select * from (select * from cs for update) x; rollback;
begin read only; with x as (insert into cs values (1) returning *) select * from x; rollback;
drop view csv; drop table cs;
create table ps as select row(1, 2) as r;
create materialized view ps as select row(1, 2) as r;
