-- Correlated aggregates: as joins where that is cheaper; the same answers in any case.
CREATE TABLE o (id int PRIMARY KEY, k int, g text, v int);
CREATE TABLE i (k int8, g text, v int, w numeric, f bool);
INSERT INTO o SELECT n, n % 37, 'g' || n % 5, n FROM generate_series(1, 400) n;
INSERT INTO o VALUES (1001, NULL, 'g1', 5), (1002, 3, NULL, NULL), (1003, 900, 'g1', 7);
INSERT INTO i SELECT n % 29, 'g' || n % 6, n % 400, n / 7.0, n % 3 = 0 FROM generate_series(1, 700) n;
INSERT INTO i VALUES (NULL, 'g1', 1, 1, true), (3, NULL, NULL, NULL, NULL), (33, 'g2', NULL, NULL, NULL);
ANALYZE o, i;
SELECT count(*), sum(id) FROM o WHERE v < (SELECT avg(v) FROM i WHERE i.k = o.k);
SELECT count(*), sum(id) FROM o WHERE v > (SELECT 0.2 * sum(w) FROM i WHERE i.k = o.k AND i.f);
SELECT count(*), sum(id) FROM o WHERE v > (SELECT max(v) - min(v) FROM i WHERE i.k = o.k AND o.g = i.g);
SELECT count(*), sum(id) FROM o WHERE (SELECT count(*) FROM i WHERE i.k = o.k) = 0;
SELECT count(*), sum(id) FROM o WHERE (SELECT count(v) FROM i WHERE i.k = o.k) < 3;
SELECT count(*), sum(id) FROM o WHERE (SELECT sum(v) FROM i WHERE i.k = o.k) IS NULL;
SELECT count(*), sum(id) FROM o WHERE (SELECT sum(v) FROM i WHERE i.k = o.k) IS DISTINCT FROM 4000;
SELECT count(*), sum(id) FROM o WHERE coalesce((SELECT min(v) FROM i WHERE i.k = o.k), 1000) > v;
SELECT count(*), sum(id) FROM o WHERE NOT (v < (SELECT avg(v) FROM i WHERE i.k = o.k));
SELECT count(*), sum(id) FROM o WHERE v < 50 OR v < (SELECT avg(v) FROM i WHERE i.k = o.k);
SELECT count(*), sum(id) FROM o WHERE (SELECT bool_and(f) FROM i WHERE i.k = o.k) IS NOT TRUE;
SELECT count(*), sum(id) FROM o WHERE v = (SELECT max(v) FROM i WHERE i.k = o.k + 1);
SELECT count(*), sum(id) FROM o WHERE v IN (SELECT max(v) FROM i WHERE i.k = o.k);
SELECT count(*), sum(id) FROM o WHERE v NOT IN (SELECT max(v) FROM i WHERE i.k = o.k);
-- in the result
SELECT id, (SELECT count(*) FROM i WHERE i.k = o.k), (SELECT sum(v) FROM i WHERE i.k = o.k AND i.v > 100) FROM o ORDER BY id OFFSET 390;
SELECT g, sum(n), sum(s) FROM (SELECT g, (SELECT count(*) FROM i WHERE i.k = o.k) AS n, (SELECT max(w) FROM i WHERE i.k = o.k) AS s FROM o) x
 GROUP BY g ORDER BY g;
SELECT DISTINCT (SELECT count(*) FROM i WHERE i.k = o.k) FROM o ORDER BY 1;
-- EXISTS and IN over groups
SELECT count(*), sum(id) FROM o WHERE EXISTS (SELECT 1 FROM i WHERE i.k = o.k GROUP BY g HAVING count(*) > 4);
SELECT count(*), sum(id) FROM o WHERE NOT EXISTS (SELECT g FROM i WHERE i.k = o.k GROUP BY g HAVING sum(v) > 900);
SELECT count(*), sum(id) FROM o WHERE EXISTS (SELECT 1 FROM i WHERE i.k = o.k HAVING count(*) > 24);
SELECT count(*), sum(id) FROM o WHERE EXISTS (SELECT 1 FROM i WHERE i.k = o.k HAVING count(*) = 0);
SELECT count(*), sum(id) FROM o WHERE g IN (SELECT g FROM i WHERE i.k = o.k GROUP BY g HAVING min(v) > 5);
SELECT count(*), sum(id) FROM o WHERE (g, 4) IN (SELECT g, count(*) FROM i WHERE i.k = o.k GROUP BY g);
-- other ways to name the outer row
SELECT count(*), sum(id) FROM o WHERE v < (SELECT avg(i.v) FROM i JOIN o o2 ON o2.id = i.v WHERE i.k = o.k);
SELECT count(*), sum(id) FROM o WHERE v < (SELECT avg(v) FROM i WHERE i.k < o.k);
SELECT count(*), sum(id) FROM o WHERE v < (SELECT avg(v + o.v) FROM i WHERE i.k = o.k);
SELECT count(*), sum(id) FROM o WHERE v < (SELECT avg(v) FROM i WHERE i.k = o.k AND i.g IN (SELECT g FROM o x WHERE x.id = i.v));
SELECT count(*) FROM o LEFT JOIN i x ON x.v = o.v AND x.k = 3 WHERE o.v >= (SELECT max(v) FROM i WHERE i.k = x.k);
SELECT count(*) FROM o a WHERE EXISTS (SELECT 1 FROM o b WHERE b.id = a.id AND b.v > (SELECT avg(v) FROM i WHERE i.k = b.k AND i.g = a.g));
-- what groups nobody asks for would say is not said
SELECT count(*) FROM o WHERE k = 100 AND v < (SELECT 1 / count(*) FROM i WHERE i.k = o.k);
SELECT count(*) FROM o WHERE k < 20 AND v < (SELECT 1 / sum(v - v) FROM i WHERE i.k = o.k AND i.k > 25);
SELECT count(*) FROM o WHERE v < (SELECT 10 / min(i.v) FROM i WHERE i.k = o.k);
-- changes are planned as before
BEGIN;
UPDATE o SET v = 0 WHERE v < (SELECT avg(v) FROM i WHERE i.k = o.k);
DELETE FROM o WHERE (SELECT count(*) FROM i WHERE i.k = o.k) = 0;
SELECT count(*), sum(v) FROM o;
ROLLBACK;
-- outer joins that add nothing
CREATE TABLE d (id int PRIMARY KEY, a int, b int, UNIQUE (a, b));
INSERT INTO d SELECT n, n % 10, n FROM generate_series(1, 30) n;
EXPLAIN (COSTS OFF) SELECT o.id FROM o LEFT JOIN d ON d.id = o.k;
EXPLAIN (COSTS OFF) SELECT o.id FROM o LEFT JOIN d ON d.id = o.k AND d.b > 4 LEFT JOIN d e ON e.a = d.a AND e.b = o.v;
SELECT count(*), sum(o.id) FROM o LEFT JOIN d ON d.id = o.k;
SELECT count(*), sum(o.id) FROM o LEFT JOIN d ON d.a = o.k;
SELECT count(*), sum(o.id) FROM o LEFT JOIN d ON d.a = o.k AND d.b = o.v;
SELECT count(*), sum(o.id) FROM d RIGHT JOIN o ON d.id = o.k;
SELECT count(*), sum(o.id) FROM o LEFT JOIN d ON d.id = o.k WHERE d.id IS NULL;
SELECT count(*), sum(o.id) FROM o LEFT JOIN (SELECT a, count(*) FROM d GROUP BY a) x ON x.a = o.k;
SELECT count(*), sum(o.id) FROM o LEFT JOIN (SELECT b % 3 AS r, count(*) FROM d GROUP BY a, b % 3) x ON x.r = o.k;
SELECT count(*), sum(o.id) FROM o LEFT JOIN d ON d.id = o.k WHERE EXISTS (SELECT 1 FROM i WHERE i.k = d.a);
SELECT count(*), sum(o.id) FROM o LEFT JOIN d ON d.id = o.k, LATERAL (SELECT d.a) x WHERE o.id < 20;
CREATE VIEW wide AS SELECT o.*, d.a, d.b FROM o LEFT JOIN d ON d.id = o.k;
SELECT sum(id), sum(v) FROM wide WHERE v > 390;
DROP VIEW wide;
EXPLAIN (COSTS OFF) SELECT c.relname FROM pg_class c LEFT JOIN pg_am am ON am.oid = c.relam;
-- very many tables
CREATE TABLE one (id int PRIMARY KEY, nx int);
INSERT INTO one SELECT n, n % 50 + 1 FROM generate_series(1, 50) n;
SELECT 'SELECT count(*), sum(t0.id), sum(t79.nx) FROM ' || string_agg('one t' || n, ', ' ORDER BY n) || ' WHERE ' ||
       string_agg(format('t%s.nx = t%s.id', n, n + 1), ' AND ' ORDER BY n) FILTER (WHERE n < 79) FROM generate_series(0, 79) n \gexec
SELECT 'SELECT count(*), sum(t0.id), sum(t99.nx) FROM one t0 ' ||
       string_agg(format('LEFT JOIN one t%s ON t%s.nx = t%s.id AND t%s.id > 1', n, n - 1, n, n), ' ' ORDER BY n) || ' WHERE t0.id < 7 AND t30.id > 33'
  FROM generate_series(1, 99) n \gexec
-- a star: what connects all stands last
SELECT 'SELECT count(*), sum(f.nx), sum(t3.nx) FROM ' || string_agg('one t' || n, ', ' ORDER BY n) || ', one f WHERE ' ||
       string_agg(format('t%s.id = f.nx', n), ' AND ' ORDER BY n) FROM generate_series(0, 69) n \gexec
DROP TABLE o, i, d, one;
