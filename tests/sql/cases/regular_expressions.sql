-- leftmost, then longest or shortest as the expression prefers
select regexp_match('abcd', 'a|ab|abc'), regexp_match('abcd', '(a|ab)(c|bcd)(d*)'), regexp_match('XY1234Z', 'Y*([0-9]{1,3})'),
       regexp_match('XY1234Z', 'Y*?([0-9]{1,3})'), regexp_match('abc01234xyz', '(.*)(\d+)(.*)'), regexp_match('abc01234xyz', '(.*?)(\d+)(.*)'),
       regexp_match('abc01234xyz', '(?:(.*?)(\d+)(.*)){1,1}');
select regexp_match('foobarbequebaz', '(bar)(beque)'), regexp_match('foobarbequebaz', 'bar.*que'), regexp_match('abab', '(ab)*'), regexp_match('', '(a|)*'),
       regexp_match('aa', '(a|b*)+'), regexp_match('xax', '(a)?x\1'), regexp_match('abcabc', '(...)\1'), regexp_match('AbAb', '(ab)\1', 'i');
select 'foo' ~ 'f(?=o)', 'foo' ~ 'f(?!o)', 'foo' ~ '(?<=f)o', 'foo' ~ '(?<!f)oo', 'a b' ~ '\mb', 'ab' ~ '\mb', 'ab' ~ 'b\M', E'a\nb' ~ 'a$', E'a\nb' ~ '(?n)a$',
       E'a\nb' ~ '(?w)a$', E'a\nb' ~ 'a.b', E'a\nb' ~ '(?p)a.b', 'a.b' ~ '***=a.b', 'axb' ~ '***=a.b', 'AB' ~* 'ab', 'ä' ~ '\w', 'Ä' ~* 'ä';
select regexp_replace('foobarbaz', 'b..', 'X'), regexp_replace('foobarbaz', 'b..', 'X', 'g'), regexp_replace('foobarbaz', 'b(..)', 'X\1Y\&\\', 'g'),
       regexp_replace('A PostgreSQL function', 'a|e|i|o|u', 'X', 1, 0, 'i'), regexp_replace('A PostgreSQL function', 'a|e|i|o|u', 'X', 1, 3, 'i'),
       regexp_replace('abc', '', '-', 'g'), regexp_replace('äöü', 'ö', '<\&>');
select regexp_split_to_array('the quick  brown', '\s*'), regexp_split_to_array('a,b,,c', ','), regexp_split_to_array('', 'x'), regexp_split_to_array('abc', '');
select regexp_count('123123123', '\d{3}', 2), regexp_instr('number of your street, town zip, FR', '[^,]+', 1, 2), regexp_substr('ABCDEFGHI', '(c..)(...)', 1, 1, 'i', 2);
select array(select regexp_matches('foobarbequebazilbarfbonk', '(b[^b]+)(b[^b]+)', 'g'));
select 'abc' similar to 'abc', 'abc' similar to '%(b|d)%', 'abc' similar to '(b|c)%', substring('foobar' similar '%#"o_b#"%' escape '#'),
       substring('foobar' similar '#"o_b#"%' escape '#'), substring('foobar' from 'o(.)b'), substring('abc' similar 'a#"b#"c' escape 'ä');
select regexp_match('a', '(');
select regexp_match('a', 'a)');
select regexp_match('a', '[a');
select regexp_match('a', 'a{2,1}');
select regexp_match('a', 'a{1');
select regexp_match('a', '*a');
select regexp_match('a', 'a**');
select regexp_match('a', '[b-a]');
select regexp_match('a', '[[:nope:]]');
select regexp_match('a', '(a)\2');
select regexp_match('a', '\q');
select regexp_match('a', 'a{256}');
select regexp_match('a', '(?<=(a))\1');
select regexp_match('a', 'a', 'g');
select regexp_split_to_table('a', 'a', 'g');
select regexp_match('a', 'a', 'k');
-- what takes backtracking engines for ever
select repeat('a', 40) || 'b' ~ '^(a*)*$', repeat('a', 3000) ~ '(a|aa)+$', length(substring(repeat('x', 5000) || 'y' from '(x+x+)+y'));
-- arrays of arrays
select array(select array[g, g + 1] from generate_series(1, 3) g), array[array[1, 2], array[3, 4]], array[null::int[], '{}'], array(select array[1] where false);
select array(select x from (values (array[1]), (array[1, 2])) v(x));
select array[array[1, 2], null];
-- keys of network addresses and jsonb
create table keyed (i inet, j jsonb, k int);
insert into keyed select (case when g % 3 = 0 then '2001:db8::' || g % 9 || '/' || 60 + g % 60 else '10.' || g % 7 || '.0.' || g % 13 || '/' || 8 + g % 25 end)::inet,
       case g % 6 when 0 then to_jsonb(g % 11) when 1 then jsonb_build_array(g % 3, null) when 2 then '[]' when 3 then jsonb_build_object('a', g % 4, 'b', true)
       when 4 then to_jsonb('s' || g % 5) else 'null' end, g from generate_series(1, 600) g;
create index on keyed (i);
create index on keyed (j desc);
create index on keyed (i, j);
analyze keyed;
set enable_seqscan = off;
select count(*) from keyed where i > '10.3.0.0/16';
select count(*) from keyed where j > '5' and j < '[1]';
select i, j, min(k) from keyed where i = '10.1.0.1/9' group by i, j order by i, j;
select distinct j from keyed order by j desc;
create unique index on keyed (k, i, j);
drop table keyed;
-- FULL JOIN by constants and by what only merges
select * from (values (1), (2)) a(x) full join (values (3)) b(y) on false order by 1;
select * from (values (1), (2)) a(x) full join (values (3)) b(y) on null order by 1;
select * from (values (1), (2)) a(x) full join (values (3)) b(y) on true order by 1;
select * from (values (b'101'), (b'1')) a(x) full join (values (b'101'::varbit)) b(y) on x::varbit = y order by 1;
select * from (values (1), (2)) a(x) full join (values (3)) b(y) on x < y;
