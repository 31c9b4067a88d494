-- options of regular expressions, inside and beside them; EREs; empty back references
select p, s, s ~ p as m, array(select regexp_matches(s, p, 'g')::text), regexp_replace(s, p, '<\&>', 'g')
from unnest(array['(?e))', '(?e)a)', '(?e)(a))', '(?e)a|)', '(?e))*', '(?bq)a(b', '(?qe)a.b', '(?qb)a\(b', '(?be)a|b', '(?eb)a|b',
                  '(?nq)a.b', '(?qx)a b', '($)|\1', '($)|\1|', '(^)|\1', '($)|b\1|', '(^a)\1', '(?:(x)|b)\1|', '(a\M)?b|\1']) p,
     unnest(array['', 'a', ')', 'a)b', 'ab', 'aa', 'a|b', 'a.b', 'a b', 'a(b', E'a\nb']) s;
select p, f, regexp_match('a|b a.b ab', p, f) from unnest(array['a.b', 'a|b', 'a b', '\(a\)']) p, unnest(array['', 'b', 'e', 'q', 'be', 'eb', 'qe', 'eq', 'bq', 'x']) f;
select regexp_match('ab', 'a b', 'xq');
select regexp_match('ab', 'a b', 'qn');
select regexp_match('ab', 'a b', 'zq');
select regexp_match('ab', '(?z)a b');
select regexp_match('ab', '(?i');
select regexp_match('ab', 'a)');
select regexp_match('ab', '(?e)(a');
