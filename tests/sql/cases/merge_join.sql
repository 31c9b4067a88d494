-- Merge joins: every kind of join, duplicates on both sides, NULL keys, several keys, other conditions.
CREATE TABLE ml (k int, j int8, s text, v int);
CREATE TABLE mr (k int8, j int2, s varchar(20), w int);
INSERT INTO ml SELECT i % 40, i % 3, 's' || i % 7, i FROM generate_series(1, 300) i;
INSERT INTO ml VALUES (NULL, 1, 's1', 1001), (NULL, NULL, NULL, 1002), (5, NULL, 's5', 1003), (900, 1, NULL, 1004);
INSERT INTO mr SELECT i % 55 + 10, i % 4, 's' || i % 9, i FROM generate_series(1, 200) i;
INSERT INTO mr VALUES (NULL, 1, 's1', 2001), (NULL, NULL, NULL, 2002), (15, NULL, 's5', 2003), (800, 1, NULL, 2004);
ANALYZE ml, mr;
SET enable_hashjoin = off;
SET enable_nestloop = off;
EXPLAIN (COSTS OFF) SELECT * FROM ml LEFT JOIN mr ON ml.k = mr.k AND ml.v < mr.w;
EXPLAIN (COSTS OFF) SELECT * FROM mr FULL JOIN ml ON ml.k = mr.k AND ml.j = mr.j;
SELECT count(*), sum(ml.v), sum(mr.w), sum(ml.v * mr.w) FROM ml JOIN mr ON ml.k = mr.k;
SELECT count(*), count(mr.w), sum(ml.v), sum(mr.w) FROM ml LEFT JOIN mr ON ml.k = mr.k;
SELECT count(*), count(ml.v), sum(ml.v), sum(mr.w) FROM ml RIGHT JOIN mr ON ml.k = mr.k;
SELECT count(*), count(ml.v), count(mr.w), sum(ml.v), sum(mr.w) FROM ml FULL JOIN mr ON ml.k = mr.k;
SELECT count(*), sum(ml.v) FROM ml WHERE EXISTS (SELECT 1 FROM mr WHERE mr.k = ml.k);
SELECT count(*), sum(ml.v) FROM ml WHERE NOT EXISTS (SELECT 1 FROM mr WHERE mr.k = ml.k);
-- further conditions decide whether a row is alone
SELECT count(*), sum(ml.v), sum(mr.w) FROM ml JOIN mr ON ml.k = mr.k AND ml.v + mr.w > 200;
SELECT count(*), count(mr.w), sum(ml.v), sum(mr.w) FROM ml LEFT JOIN mr ON ml.k = mr.k AND ml.v + mr.w > 300;
SELECT count(*), count(ml.v), sum(ml.v), sum(mr.w) FROM ml RIGHT JOIN mr ON ml.k = mr.k AND ml.v + mr.w > 300;
SELECT count(*), count(ml.v), count(mr.w), sum(ml.v), sum(mr.w) FROM ml FULL JOIN mr ON ml.k = mr.k AND ml.v + mr.w > 300;
SELECT count(*), sum(ml.v) FROM ml WHERE EXISTS (SELECT 1 FROM mr WHERE mr.k = ml.k AND mr.w > ml.v);
SELECT count(*), sum(ml.v) FROM ml WHERE NOT EXISTS (SELECT 1 FROM mr WHERE mr.k = ml.k AND mr.w > ml.v);
-- several keys, keys of other types, expressions as keys
SELECT count(*), sum(ml.v), sum(mr.w) FROM ml JOIN mr ON ml.k = mr.k AND ml.j = mr.j;
SELECT count(*), count(mr.w), sum(ml.v), sum(mr.w) FROM ml LEFT JOIN mr ON ml.k = mr.k AND ml.j = mr.j AND ml.s = mr.s;
SELECT count(*), count(ml.v), count(mr.w), sum(ml.v), sum(mr.w) FROM ml FULL JOIN mr ON ml.s = mr.s AND ml.j = mr.j;
SELECT count(*), sum(ml.v), sum(mr.w) FROM ml JOIN mr ON ml.k + 1 = mr.k - 1 AND upper(ml.s) = upper(mr.s);
SELECT count(*) FROM ml JOIN mr ON ml.k::float4 = mr.k::float8;
SELECT count(*) FROM ml JOIN mr ON ml.k::numeric = mr.k::numeric;
SELECT ml.k, mr.k, ml.v, mr.w FROM ml FULL JOIN mr ON ml.k = mr.k WHERE coalesce(ml.k, mr.k) > 60 OR ml.k IS NULL AND mr.k IS NULL
 ORDER BY 1, 2, 3, 4;
-- what hashing cannot do
SELECT count(*), count(a), count(b) FROM (VALUES (B'1'), (B'10'), (NULL)) x(a) FULL JOIN (VALUES (B'10'), (B'0')) y(b) ON a = b;
-- in the order of the keys
SELECT ml.k, count(*) FROM ml JOIN mr ON ml.k = mr.k GROUP BY ml.k ORDER BY ml.k LIMIT 5;
SELECT ml.k, ml.v, mr.w FROM ml JOIN mr ON ml.k = mr.k ORDER BY ml.k, ml.v, mr.w LIMIT 5;
SELECT ml.k FROM ml JOIN mr ON ml.k = mr.k ORDER BY ml.k OFFSET 100 LIMIT 5;
SELECT ml.k FROM ml LEFT JOIN mr ON ml.k = mr.k ORDER BY ml.k OFFSET 430 LIMIT 12;
SELECT ml.k FROM ml JOIN mr ON ml.k = mr.k ORDER BY ml.k DESC OFFSET 100 LIMIT 5;
-- from indexes
CREATE TABLE ma (a int PRIMARY KEY, b int, c int);
CREATE TABLE mb (a int, b int, d int, PRIMARY KEY (b, a));
INSERT INTO ma SELECT i, i % 10, i * 2 FROM generate_series(1, 3000) i;
INSERT INTO mb SELECT i, i % 10, i * 3 FROM generate_series(500, 4000) i;
CREATE INDEX ma_b ON ma (b DESC, a DESC);
ANALYZE ma, mb;
SET enable_seqscan = off;
SET enable_sort = off;
SELECT count(*), sum(c), sum(d) FROM ma JOIN mb ON ma.a = mb.a AND ma.b = mb.b;
SELECT count(*), sum(c), sum(d) FROM ma LEFT JOIN mb ON ma.b = mb.b AND ma.a = mb.a;
SELECT count(*), sum(c), sum(d) FROM ma FULL JOIN mb ON ma.a = mb.a;
SELECT ma.a, d FROM ma JOIN mb ON ma.a = mb.a ORDER BY ma.a LIMIT 3;
RESET enable_seqscan;
RESET enable_sort;
-- groups larger than a batch and than work_mem, on both sides
CREATE TABLE mg (k int, t text);
INSERT INTO mg SELECT i / 2500, repeat('x', 40) || i FROM generate_series(1, 10000) i;
ANALYZE mg;
SET work_mem = '64kB';
SELECT count(*), sum(length(y.t)) FROM mg x JOIN mg y ON x.k = y.k;
SELECT count(*), count(y.t) FROM mg x LEFT JOIN mg y ON x.k = y.k AND x.t > y.t AND y.t LIKE '%7';
SELECT count(*), count(x.t), count(y.t) FROM mg x FULL JOIN mg y ON x.k = y.k + 1 AND x.t > y.t AND y.t LIKE '%77';
SELECT count(*), count(x.t), count(y.t) FROM mg x FULL JOIN mg y ON x.k = y.k + 2;
SELECT count(*) FROM mg x WHERE NOT EXISTS (SELECT 1 FROM mg y WHERE x.k = y.k AND x.t < y.t);
RESET work_mem;
-- run again for each row of what is outside
SELECT v, (SELECT count(*) FROM ma JOIN mb ON ma.a = mb.a WHERE ma.b = ml.v) FROM ml WHERE v < 6 ORDER BY v;
SELECT v, (SELECT sum(d) FROM ma LEFT JOIN mb ON ma.a = mb.a AND mb.d > ml.v * 1000) FROM ml WHERE v < 4 ORDER BY v;
-- empty inputs
SELECT count(*) FROM ml JOIN (SELECT * FROM mr WHERE w < 0) x ON ml.k = x.k;
SELECT count(*), count(x.k) FROM ml LEFT JOIN (SELECT * FROM mr WHERE w < 0) x ON ml.k = x.k;
SELECT count(*), count(x.k) FROM (SELECT * FROM mr WHERE w < 0) x FULL JOIN ml ON ml.k = x.k;
SET enable_mergejoin = off;
SET enable_hashjoin = on;
EXPLAIN (COSTS OFF) SELECT * FROM ml FULL JOIN mr ON ml.k = mr.k;
RESET enable_hashjoin;
RESET enable_nestloop;
RESET enable_mergejoin;
-- what neither can do
SELECT 1 FROM ml FULL JOIN mr ON ml.k < mr.k;
DROP TABLE ml, mr, ma, mb, mg;
