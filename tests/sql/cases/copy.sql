create table c (id int, name text, v numeric);
copy c from stdin;
1	one	1.5
2	tab\there	\N
3	back\\slash	-3
\.
select * from c order by id;
copy c to stdout;
copy c from stdin with (format csv);
4,"quoted, comma",4
5,"with ""quotes""",
6,plain,6.25
\.
copy c to stdout with (format csv, header);
copy (select id, name from c where id > 3 order by id) to stdout with (format csv, delimiter ';', force_quote (name));
copy c (name, id) from stdin with (delimiter '|', null 'NULL');
seven|7
NULL|8
\.
select * from c order by id;
copy c from stdin;
9	too	many	columns
\.
copy c from stdin;
x	bad	1
\.
copy c from stdin;
10	missing
\.
copy nosuch from stdin;
copy c from stdin with (format csv, header true);
id,name,v
11,eleven,11
\.
select count(*) from c;
copy c (id) to stdout;
drop table c;
