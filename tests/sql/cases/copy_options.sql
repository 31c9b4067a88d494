-- Options of COPY that do not go together, headers that must match
create temp table cp (a int, b text default 'd', c date); insert into cp values (1, 'x', null);
copy cp to stdout (format binary, delimiter ','); copy cp to stdout (format binary, null 'x'); copy cp to stdout (format binary, header);
copy cp to stdout (delimiter E'\n'); copy cp to stdout (delimiter E'\r', format csv); copy cp to stdout (null E'a\nb'); copy cp to stdout (delimiter 'a'); copy cp to stdout (delimiter E'\\'); copy cp to stdout (delimiter '.'); copy cp to stdout (delimiter '7'); copy cp to stdout (delimiter ''); copy cp to stdout (delimiter 'ab'); copy cp to stdout (delimiter 'A');
copy cp to stdout (format text, quote 'a'); copy cp to stdout (quote 'abc'); copy cp to stdout (escape 'x'); copy cp to stdout (force_quote (a)); copy cp from '/dev/null' (force_not_null (a)); copy cp from '/dev/null' (force_null (a));
copy cp to stdout (format csv, quote 'ab'); copy cp to stdout (format csv, escape ''); copy cp to stdout (format csv, delimiter '"'); copy cp from '/dev/null' (format csv, force_quote (a)); copy cp to stdout (format csv, force_not_null (a)); copy cp to stdout (format csv, force_null (a));
copy cp to stdout (null 'a|b', delimiter '|'); copy cp to stdout (format csv, null 'a"b'); copy cp to stdout (format csv, format text); copy cp to stdout (header, header off); copy cp to stdout (delimiter ',', null 'x', delimiter ';');
copy cp to stdout (header match); copy cp to stdout (header 'maybe'); copy cp to stdout (header 2); copy cp to stdout (header 1); copy cp to stdout (header false); copy cp to stdout (format csv, header on, null 'N', encoding 'utf-8');
copy cp from stdin (header match, format csv);
a,b,c
2,y,2024-01-01
\.
copy cp from stdin (header match);
a	b	c
3	z	\N
\.
copy cp from stdin (header match, format csv);
a,c,b
4,y,2024-01-01
\.
copy cp from stdin (header match, format csv);
a,b
5,y
\.
copy cp (b, a) from stdin (header match);
b	a
q	6
\.
copy cp from stdin (header match, null 'b');
a	b	c
7	y	2024-01-01
\.
copy cp from stdin csv;
8,"unterminated
\.
select * from cp order by a; select count(*) from cp;
