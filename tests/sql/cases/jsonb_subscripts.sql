-- Subscripts of jsonb, to read
create table js (id int, j jsonb); insert into js values (1, '{"a":{"b":[1,2,{"c":null}]},"0":"zero"}'), (2, '[1,[2,3]]'), (3, '5'), (4, null);
select id, j['a'], j['a']['b'], j['a']['b'][1], j['a']['b'][-1]['c'], j[0], j[1][0], j['1']['1'], j[null], j['x']['y'] from js order by id;
select id from js where j['a']['b'][0] = '1';
select ('{"a":1}'::jsonb)['a'], (jsonb_build_object('k', array[1,2]))['k'][1], ('[1]'::jsonb || '[2]')[1], (j)['a'] is null from js order by id limit 1;
select j['a'] as x, count(*) from js group by j['a'] order by 1;
select j[1.5] from js; select j[true] from js; select j[1::bigint] from js; select j['a':'b'] from js; select j[:] from js; select j[1:] from js; select ('{"a":1}'::json)['a'];
select j['a'::varchar]['b'][1::smallint] from js order by id limit 1;
prepare p(text, int) as select j['a'][$1][$2] from js order by id limit 1; execute p('b', 1);
drop table js;
