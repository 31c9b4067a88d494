-- Small things that differ easily
select -9223372036854775808, pg_typeof(-9223372036854775808), pg_typeof(9223372036854775808), pg_typeof(-9223372036854775809);
select (-9223372036854775808) / -1; select (-9223372036854775808)::int8 % -1;
set intervalstyle = 'sql_standard'; select interval '-1 day 2:03', interval '-1 2:03', interval '-1-2 3 4:05', interval '-1 +2:03', interval '1 -2:03', interval '-1 day'; reset intervalstyle;
select interval '-1 day 2:03', interval '-1 2:03';
select parse_ident('a..b'); select parse_ident('.a'); select parse_ident('a.');
select float(54) '1'; select float(0) '1';
select jsonb_set('{"a":1}', '{a,null}', '1'); select jsonb_set('{"a":{}}', '{null}', '1'); select jsonb_object_agg(null, 1); select json_object_agg(null, 1);
select 1 order by 1 using +; select x from (values (2), (1)) v(x) order by x using >, x using <;
