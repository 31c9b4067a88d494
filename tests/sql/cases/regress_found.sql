-- What PostgreSQL's own regression files found here.
-- Grouping sets over a subquery's expressions: they become NULL as a whole.
CREATE TABLE regress_found (four int, ten int);
INSERT INTO regress_found SELECT i % 4, i % 10 FROM generate_series(1, 20) i;
SELECT four, x FROM (SELECT four, ten, 'foo'::text AS x FROM regress_found) AS t
  GROUP BY GROUPING SETS (four, x) HAVING x = 'foo';
SELECT four, x || 'x' FROM (SELECT four, ten, 'foo'::text AS x FROM regress_found) AS t
  GROUP BY GROUPING SETS (four, x) ORDER BY four;
SELECT (x + y) * 1, sum(z) FROM (SELECT 1 AS x, 2 AS y, 3 AS z) s GROUP BY GROUPING SETS (x + y, x) ORDER BY 1;
SELECT four, two, sum(ten) FROM (SELECT four, ten, four / 2 AS two FROM regress_found) t
  GROUP BY ROLLUP (two, four) ORDER BY 2, 1, 3;
DROP TABLE regress_found;
-- Zones: a number is hours east, with a colon it is POSIX and counts westwards.
SET datestyle = 'ISO, MDY';
SET timezone = '+02:00';
SHOW timezone;
SELECT '2000-01-01 12:00'::timestamptz;
SET timezone = '-04:30';
SELECT '2000-01-01 12:00'::timestamptz;
SET timezone = '5.5';
SHOW timezone;
SET TIME ZONE -1.5;
SHOW timezone;
SELECT '2000-01-01 12:00'::timestamptz;
SET timezone = '+169:00';
SET TIME ZONE 'PST8PDT';
SELECT 'Wed Jul 11 10:51:14 GMT-4 2001'::timestamptz, 'Wed Jul 11 10:51:14 GMT+4 2001'::timestamptz;
SELECT 'Wed Jul 11 10:51:14 PST-03:00 2001'::timestamptz, 'Wed Jul 11 10:51:14 PST+03:00 2001'::timestamptz;
SELECT '2001-07-11 10:51 UTC+3'::timestamptz, '2001-07-11 10:51 +3'::timestamptz, '2001-07-11 10:51-08:30'::timestamptz;
SELECT make_timestamptz(1973, 07, 15, 08, 15, 55.33, tz) FROM unnest('{+2,-2,+10:00:1,+1000,+1:}'::text[]) tz;
SELECT make_timestamptz(1973, 07, 15, 08, 15, 55.33, '2');
SELECT make_timestamptz(1973, 07, 15, 08, 15, 55.33, '+16');
SELECT '2014-10-26 12:00'::timestamp AT TIME ZONE '+2', '2014-10-26 12:00'::timestamp AT TIME ZONE 'GMT+4';
RESET timezone;
-- Roots next to a half.
SELECT sqrt(1.000000000000003::numeric), sqrt(8015491789940783531003294973900306::numeric), sqrt(2::numeric), sqrt(0.25);
-- Places in the log as numbers.
SELECT pg_lsn(18446744073709551616::numeric);
SELECT pg_lsn('NaN'::numeric);
SELECT pg_lsn(23783416::numeric), pg_lsn(18446744073709551615::numeric);
SELECT '0/0'::pg_lsn + ('FFFFFFFF/FFFFFFFF'::pg_lsn - '0/0'::pg_lsn), '0/16AE7F8'::pg_lsn + 16.5;
SELECT '0/1'::pg_lsn - 2::numeric;
SELECT '0/1'::pg_lsn + 'NaN'::numeric;
-- Settings of real numbers have units, too.
SET vacuum_cost_delay = 40;
SHOW vacuum_cost_delay;
SET vacuum_cost_delay = 80.1;
SHOW vacuum_cost_delay;
SET vacuum_cost_delay = 0;
SHOW vacuum_cost_delay;
RESET vacuum_cost_delay;
