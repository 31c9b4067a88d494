-- more rows than memory: sorts, joins, groups, windows, kept rows go on by temporary files
set work_mem = '64kB';
set hash_mem_multiplier = 1;
create table big(id int, k int, g int, t text, n numeric, f float8, d date, a int[], j jsonb);
insert into big select i, i % 3001, i % 17,
  case when i % 11 = 0 then null else repeat(chr(97 + i % 26), i % 60) || i end,
  i * 1.25, i / 3.0, date '2020-01-01' + i % 900,
  case when i % 5 = 0 then null else array[i, null, i % 7] end,
  jsonb_build_object('i', i, 'l', i % 9) from generate_series(1, 20000) i;
create table other(k int, v text);
insert into other select case when i % 23 = 0 then null else i % 4000 end, 'v' || i from generate_series(1, 9000) i;
create table skew(k int, v int);
insert into skew select case when i % 10 = 0 then i else 7 end, i from generate_series(1, 3000) i;
analyze big; analyze other; analyze skew;

-- sorts
select count(*), count(distinct t), md5(string_agg(x.t, ',' order by rn)) from
  (select t, row_number() over () as rn from (select t from big order by t collate "C" desc nulls last, id) y) x;
select id, t from big order by t collate "C" nulls first, id limit 5;
select id, t from big order by t collate "C" desc nulls last, id desc offset 12345 limit 5;
select id, a, j from big order by j -> 'l', a desc nulls last, id offset 7000 limit 4;
select * from (select id, n from big order by n desc limit 15000) x order by n limit 3;
select id from big order by id fetch first 3 rows with ties;

-- joins
select count(*), sum(b.id), max(o.v collate "C") from big b join other o on b.k = o.k;
select count(*), count(o.v), sum(b.id) from big b left join other o on b.k = o.k and o.v > 'v5';
select count(*), count(b.id), count(o.v) from big b right join other o on b.k = o.k and b.id < 9000;
select count(*), count(b.id), count(o.v), count(b.t) from big b full join other o on b.k = o.k and b.g = 2;
select count(*), sum(id) from big b where exists (select 1 from other o where o.k = b.k);
select count(*), sum(id) from big b where not exists (select 1 from other o where o.k = b.k);
select count(*), sum(a.v::bigint * b.v) from skew a join skew b on a.k = b.k;
select count(*), sum(a.v), sum(b.v) from (select * from skew where v < 500) a full join skew b on a.k = b.k and b.v < 90;
select count(*) from skew a where exists (select 1 from skew b where a.k = b.k and b.v > a.v + 2500);
select count(*) from skew a where not exists (select 1 from skew b where a.k = b.k and b.v > a.v + 100);
select count(*), max(x.t collate "C"), max(y.j ->> 'i') from big x join big y on x.t = y.t and x.id <> y.id + 1;
select count(*) from big x join big y on x.a = y.a;

-- groups
select count(*), sum(c), sum(s), max(m) from
  (select t, g, count(*) c, sum(n) s, max(d) m from big group by t, g) x;
select count(*), sum(c), sum(s) from (select k, count(t) c, sum(n) s, avg(f) from big group by k having count(*) > 1) x;
select count(*), sum(c) from (select k, g, count(*) c from big group by grouping sets ((k, g), (k), (g), ())) x;
select count(*), sum(c) from (select g, d, count(*) c from big group by cube (g, d)) x;
select count(*) from (select distinct k, t from big) x;
select count(*), sum(l), sum(c) from
  (select k, length(string_agg(t, ',' order by id)) l, count(distinct t) c from big group by k) x;
select count(distinct t), count(distinct n), count(distinct j) from big;
select g, percentile_disc(0.3) within group (order by id), mode() within group (order by g) from big group by g order by g limit 3;
select sum(array_length(x, 1)) from (select array_agg(t order by id) x from big group by k) y;

-- rows of DISTINCT and ORDER BY in aggregates
select count(*), md5(string_agg(x.a || x.b || x.c::text, ',' order by k, g)), sum(e) from
  (select k, g, count(distinct t) || '' a, coalesce(string_agg(distinct t collate "C", ';' order by t collate "C" desc), '-') b,
          coalesce(array_agg(id order by f desc) filter (where id % 3 = 0), '{}') c, sum(distinct n) e
   from big group by grouping sets ((k), (g), ())) x;
select k, cardinality(array_agg(distinct d order by d desc)), count(distinct (g, d)) from big group by k order by k desc limit 3;
select percentile_disc(array[0, 0.4, null, 1]) within group (order by t collate "C" desc nulls first),
       percentile_cont(array[0.1, 0.77]) within group (order by f), percentile_cont(0.5) within group (order by d - date '2020-01-01'),
       rank(800, 'x') within group (order by id desc, t collate "C"), cume_dist(7) within group (order by g),
       percent_rank(300) within group (order by k), dense_rank(300) within group (order by k), mode() within group (order by t collate "C") from big;
select percentile_disc(1.5) within group (order by id) from big;
select g, mode() within group (order by k desc), count(distinct k) from (select * from big order by g) x group by g order by g limit 4;

-- rows of subqueries, and the rows that a recursion has seen
select count(*) from big where t in (select v from other) or k in (select k from other) or g > 99;
select count(*) from big where k not in (select k from other);
select count(*) from big where k not in (select k from other where k is not null) or g = 77;
select count(*), sum(id) from big where g < 4 and (t is null or t <> all (select t from big where id < 300 and t is not null));
select count(*) from big where id < 900 and n < any (select k from other where k > 3800);
select count(*), count(x) from (select (id, t) not in (select id, t from big where id < 90 and t is not null) x from big where id < 3000) y;
with recursive r as (select 1 as a, 2 as b union select (a * 7 + b) % 3001, (b + 5) % 11 from r) select count(*), sum(a), sum(b) from r;
with recursive r as (select id, k from big where id <= 40 union select r.id % 40 + 1, (r.k + b.g * 17) % 907 from r, big b where b.id < 18)
  select count(*), sum(id), sum(k) from r;

-- set operations
select count(*), max(t collate "C") from (select k, t from big intersect select k, t from big where id > 5000) x;
select count(*), sum(k) from (select k from other except select k from big where k > 100) x;
select count(*), sum(k) from (select k from big except all select k from other) x;
select count(*), sum(k) from (select k from big intersect all select k from other) x;
select count(*), sum(k) from (select k from big union select k from other) x;

-- windows
select count(*), sum(a), sum(length(b)), sum(length(c)), sum(length(e)) from
  (select sum(n) over (partition by g order by id rows between 10 preceding and 5 following) a,
          lag(t, 3) over (partition by g order by id) b,
          first_value(t) over (partition by g order by id) c,
          last_value(t) over (partition by g order by d, id) e from big) x;
select sum(a), sum(b), sum(c), sum(e) from
  (select rank() over (order by k) a, ntile(7) over (order by id) b, count(*) over () c,
          min(id) over (order by id rows between 50 preceding and 3 preceding exclude ties) e from big) x;
select sum(a), sum(b) from
  (select sum(id) over (order by d range between '3 days' preceding and '1 day' following) a,
          count(*) over (order by d groups between 2 preceding and 1 following) b from big) x;

-- kept rows
with c as materialized (select * from big)
  select count(*), sum(a.id), max(b.t collate "C") from c a join c b on a.id = b.id + 1 where a.g <> 5;
with c as materialized (select id, t from big where id < 300)
  select count(*), max(a.t || b.t collate "C") from c a, c b where a.id <> b.id;
with recursive r as (select id, t, 1 as l from big where id < 2000 union all select id + 1, t, l + 1 from r where l < 5)
  select count(*), sum(id), max(t collate "C") from r;
with recursive r as (select id, t from big where id < 800 union select id + 1, t from r where id < 600)
  select count(*), sum(id), max(t collate "C") from r;
with u as (update big set g = g + 1 where id <= 9000 returning id, t) select count(*), max(t collate "C"), sum(id) from u;
begin;
declare c cursor for select id, t from big order by t collate "C", id;
fetch 2 from c;
move 10000 in c;
fetch 2 from c;
declare s scroll cursor for select id, t from big order by id;
fetch last from s;
fetch absolute 77 from s;
fetch prior from s;
close c;
commit;

-- nothing fits: the limit on temporary files, and after it everything goes on
set temp_file_limit = '200kB';
select count(*) from (select * from big order by t) x;
select count(*), sum(b.id) from big b join other o on b.k = o.k;
reset temp_file_limit;
select count(*) from (select * from big order by t limit 1000000) x;
drop table big, other, skew;
