-- System columns in RETURNING
create table u (a int primary key, b text);
insert into u values (1, 'x') returning xmax = 0 as inserted, tableoid::regclass, ctid is not null, xmin is not null, cmin is not null, cmax is not null;
insert into u values (1, 'y'), (2, 'z') on conflict (a) do update set b = excluded.b returning a, b, (xmax = 0) as inserted;
insert into u values (1, 'y'), (3, 'z') on conflict (a) do nothing returning a, xmax = 0;
insert into u as t values (2, 'w') on conflict (a) do update set b = t.b || excluded.b where t.b <> 'q' returning t.*, t.xmax::text <> '0' as updated, t.tableoid = 'u'::regclass;
with i as (insert into u values (1, 'n'), (9, 'n') on conflict (a) do update set b = 'n' returning xmax = 0 as inserted) select inserted, count(*) from i group by 1 order by 1;
update u set b = 'z' where a = 1 returning ctid = (select ctid from u where a = 1) or true, tableoid::regclass;
delete from u where a = 2 returning tableoid::regclass, a;
create view uv as select a, b from u; insert into uv values (20, 'v') returning a, b; insert into uv values (21, 'v') returning xmax;
drop table u cascade;
