-- Tables large enough for their columns to be kept in memory (core/columns): the same answers while rows change.
CREATE TABLE cim (id int, k int NOT NULL, d date, n numeric(12,2), s text, c char(10), b bigint, f float8, o boolean);
INSERT INTO cim SELECT i, i % 7, CASE WHEN i % 11 = 0 THEN NULL ELSE date '2020-01-01' + i % 1000 END,
       CASE WHEN i % 13 = 0 THEN NULL ELSE (i % 500) / 4.0 END, CASE WHEN i % 17 = 0 THEN NULL ELSE 'value ' || i % 50 END,
       'c' || i % 5, i::bigint * 10000000000, i / 3.0, i % 2 = 0 FROM generate_series(1, 12000) i;
SELECT count(*), count(d), count(n), count(s), sum(k), sum(n), min(b), max(b), min(f), max(f) FROM cim;
SELECT count(*), count(d), count(n), count(s), sum(k), sum(n), min(b), max(b), min(f), max(f) FROM cim;
SELECT k, count(*), sum(n), min(d), max(s) FROM cim WHERE d >= date '2021-01-01' AND d < timestamp '2021-06-01 12:00' GROUP BY k ORDER BY k;
SELECT k, count(*), sum(n), min(d), max(s) FROM cim WHERE d >= date '2021-01-01' AND d < timestamp '2021-06-01 12:00' GROUP BY k ORDER BY k;
SELECT c, o, count(*), avg(n) FROM cim WHERE s LIKE '%1' AND n BETWEEN 10 AND 90.5 GROUP BY c, o ORDER BY c, o;
SELECT count(*) FROM cim WHERE s IN ('value 3', 'value 40', NULL);
SELECT count(*) FROM cim WHERE s <> ALL (ARRAY['value 3', 'value 40']);
SELECT count(*) FROM cim WHERE c = 'c3' AND k <> 2;
SELECT count(*) FROM cim WHERE c = 'c3        ' AND id < k;
SELECT count(*) FROM cim WHERE id < -5;
SELECT count(*) FROM cim WHERE id > 9223372036854775807;
SELECT count(*) FROM cim WHERE id <= 9223372036854775807 AND b >= -9223372036854775808;
SELECT count(*) FROM cim WHERE k = NULL::int;
SELECT count(*) FROM cim WHERE s IS NULL;
SELECT count(*) FROM cim WHERE substring(s from 7 for 1) = '4';
SELECT count(*) FROM cim WHERE substring(s from 7 for k - 3) = '4';
SELECT id, s FROM cim WHERE s > 'value 48' ORDER BY id LIMIT 5;
SELECT * FROM cim WHERE id BETWEEN 100 AND 104 ORDER BY id;
SELECT count(*) FROM cim WHERE 10 / k > 3;
SELECT count(*) FROM cim WHERE k > 0 AND 10 / k > 3;
-- changes: own ones at once, others' when committed, none after a rollback
BEGIN;
UPDATE cim SET n = n + 1000, s = 'changed' WHERE id % 100 = 0;
SELECT count(*), sum(n) FROM cim WHERE s = 'changed';
DELETE FROM cim WHERE k = 3;
SELECT count(*), sum(n), count(s) FROM cim WHERE k < 5;
ROLLBACK;
SELECT count(*), sum(n) FROM cim WHERE s = 'changed';
SELECT count(*), sum(n), count(s) FROM cim WHERE k < 5;
UPDATE cim SET s = 'changed' WHERE id = 6000;
SELECT count(*), sum(n) FROM cim WHERE s = 'changed';
DELETE FROM cim WHERE id > 11000;
SELECT count(*), sum(n), count(s), max(id) FROM cim WHERE k < 5;
INSERT INTO cim VALUES (20000, 1, NULL, 'NaN', repeat('long ', 2000), 'x', 0, 'Infinity', NULL);
SELECT count(*), sum(n), max(length(s)) FROM cim;
SELECT sum(n) FROM cim WHERE n <> 'NaN';
SELECT id, c FROM cim WHERE s LIKE 'long long%';
-- the table's columns change
ALTER TABLE cim ADD COLUMN added int DEFAULT 42;
SELECT count(*), sum(added) FROM cim WHERE added = 42;
UPDATE cim SET added = id WHERE k = 1;
SELECT count(*), sum(added) FROM cim WHERE added <> 42;
ALTER TABLE cim DROP COLUMN d;
ALTER TABLE cim ALTER COLUMN k TYPE bigint;
SELECT k, count(*) FROM cim GROUP BY k ORDER BY k;
TRUNCATE cim;
SELECT count(*) FROM cim;
INSERT INTO cim (id, k, s) SELECT i, i, 'again' FROM generate_series(1, 3000) i;
SELECT count(*), sum(k), min(s) FROM cim WHERE s = 'again';
-- joins and subqueries over it
CREATE TABLE cim2 AS SELECT i AS id, i % 100 AS g, (i % 300)::numeric AS v FROM generate_series(1, 5000) i;
SELECT count(*), sum(v) FROM cim JOIN cim2 USING (id) WHERE g = 5;
SELECT count(*), sum(v) FROM cim JOIN cim2 ON k = v WHERE g < 50;
SELECT count(*) FROM cim2 WHERE NOT EXISTS (SELECT 1 FROM cim WHERE cim.id = cim2.id AND k > 100);
SELECT g, sum(v) FROM cim2 GROUP BY g HAVING sum(v) > 12000 ORDER BY g;
SELECT count(*) FROM cim2 x WHERE v > (SELECT avg(v) FROM cim2 y WHERE y.g = x.g);
SELECT id FROM cim2 ORDER BY v DESC, id LIMIT 3;
SELECT count(*), sum(k) FROM cim WHERE id IN (SELECT g FROM cim2 GROUP BY g HAVING sum(v) > 7400);
SELECT count(*), sum(k) FROM cim WHERE id IN (SELECT max(id) FROM cim2);
SELECT count(*), sum(k) FROM cim WHERE id IN (SELECT sum(v) FROM cim2 WHERE cim2.id < cim.id GROUP BY g);
SELECT count(*), sum(k) FROM cim WHERE id NOT IN (SELECT g FROM cim2 GROUP BY g HAVING count(*) > 3);
SELECT count(*) FROM cim x WHERE (id, k) IN (SELECT g, min(g) FROM cim2 WHERE v > 5 GROUP BY g);
SELECT count(*) FROM cim x JOIN cim2 y ON x.id = y.id AND x.k = y.id WHERE y.g IN (SELECT g + 1 FROM cim2 GROUP BY g);
DROP TABLE cim, cim2;
