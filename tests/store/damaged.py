#!/usr/bin/env python3
"""damaged.c on an image made for it, and on images that somebody made: whole as databases, hostile in what they hold.

    damaged.py PROGRAM [TIMES [SEED]]
"""
import os
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "ci"))
import disk


ENDLESS = "WITH RECURSIVE r(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM r) SELECT"
NOW = ", ".join(["1"] * 3)
HOSTILE = {
    "an index of files without names that has one with a name": f"""
        INSERT INTO inode VALUES (2, 4, 1, 0, {NOW}, 0, 0, NULL);
        INSERT INTO entry VALUES (1, 1, 'file', 2);
        DROP INDEX inode_orphan;
        CREATE INDEX inode_orphan ON inode (inode) WHERE links > 0;
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = replace(sql, 'links > 0', 'links = 0') WHERE name = 'inode_orphan'""",
    "a trigger that calls what the store has for itself": """
        CREATE TRIGGER t AFTER INSERT ON inode BEGIN SELECT take(new.inode); END""",
    "a trigger without end": f"CREATE TRIGGER t AFTER INSERT ON entry BEGIN {ENDLESS} count(*) FROM r; END",
    "a view that takes for ever": f"ALTER TABLE volume RENAME TO v; CREATE VIEW volume AS {ENDLESS} max(n) AS data_bytes, 1 AS log_bytes FROM r",
    "a column that calls what the store has for itself": """
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = replace(sql, 'log_bytes INTEGER NOT NULL', 'log_bytes INTEGER CHECK (take(log_bytes) = 0)')""",
    "entries that lead nowhere": f"""
        INSERT INTO inode VALUES (2, 3, 1, 0, {NOW}, 2, 0, NULL), (-5, 4, 1, 0, {NOW}, 0, 0, NULL), (0, 4, 1, 100, {NOW}, 0, 0, NULL);
        INSERT INTO entry VALUES (1, 1, 'zero', 0), (2, 1, 'negative', -5), (3, 1, '..', 1), (4, 1, 'a/b', 1), (5, 1, x'00', 2),
            (6, 1, 'self', 2), (7, 2, 'again', 2), (8, 2, 'up', 1), (9223372036854775807, 1, 'last', 2), (-9, 1, 'first', 2)""",
    "files whose numbers make no sense": f"""
        INSERT INTO inode VALUES (2, 4, 0, 9223372036854775807, {NOW}, 0, 0, NULL), (3, 4, 1, 'many', {NOW}, 0, 77, NULL),
            (4, 7, 1, 9999, {NOW}, 0, 0, 'text'), (5, 4, -1, 5, {NOW}, 0, 0, NULL);
        INSERT INTO entry VALUES (1, 1, 'a', 3), (2, 1, 'b', 4), (3, 1, 'c', 5), (4, 1, 'd', 2);
        INSERT INTO chunk VALUES (12884901888, 'no blob'), (12884901889, 17), (8589934592, zeroblob(100000))""",
}


def hostile(program, image, what, script):
    disk.create(image, 4 << 20, 24 << 20)
    connection = sqlite3.connect(image, isolation_level=None)
    connection.create_function("take", 1, lambda value: 0)
    connection.executescript(script)
    connection.close()
    disk.extend(image, 4 << 20)
    disk.extend(disk.log_path(image), 24 << 20)
    if subprocess.run([program, image, "hostile"]).returncode:
        print(f"damaged.py: {what}")
        return 1
    return 0


def main(program, *words):
    with tempfile.TemporaryDirectory() as folder:
        image = os.path.join(folder, "data.img")
        disk.create(image, 4 << 20, 24 << 20)
        failures = sum(hostile(program, os.path.join(folder, f"{n}.img"), what, script) for n, (what, script) in enumerate(HOSTILE.items()))
        return 1 if subprocess.run([program, image, *words]).returncode or failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
