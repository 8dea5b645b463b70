-- What SQLite's shell does on target, and natively: a database in a file, with an index, a view, a trigger and a transaction undone.
PRAGMA page_size = 4096;
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL, weight REAL, UNIQUE (name));
CREATE TABLE change (id INTEGER PRIMARY KEY, item INTEGER, was REAL);
CREATE TRIGGER item_changed AFTER UPDATE OF weight ON item BEGIN INSERT INTO change (item, was) VALUES (old.id, old.weight); END;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
INSERT INTO item (name, weight) SELECT printf('item %05d', i * 7919 % 10007), i * 0.25 FROM n;
CREATE INDEX item_weight ON item (weight);
UPDATE item SET weight = weight * 2 WHERE id % 97 = 0;
BEGIN;
DELETE FROM item;
SELECT count(*) FROM item;
ROLLBACK;
CREATE VIEW heavy AS SELECT name, weight FROM item WHERE weight > 1200 ORDER BY weight DESC, name;
SELECT * FROM heavy LIMIT 5;
SELECT count(*), sum(was), max(item) FROM change;
SELECT substr(name, 1, 7) AS begins, count(*), round(avg(weight), 3) FROM item GROUP BY begins ORDER BY begins LIMIT 4;
INSERT INTO item (name) VALUES ('item 00001');
SELECT length(readfile('words')) > 1000, instr(readfile('words'), 'sqlite') > 0;
DELETE FROM item WHERE weight < 100;
VACUUM;
PRAGMA integrity_check;
.mode csv
SELECT id, name, json_extract('{"a": [1, 2, {"b": "c"}]}', '$.a[2].b') FROM item ORDER BY id LIMIT 2;
