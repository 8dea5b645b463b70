#!/usr/bin/env python3
"""ci/disk.py: what it puts into an image comes out again, and what is wrong with one is said."""
import io
import os
import sqlite3
import subprocess
import sys
import tempfile
import unittest

CI = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "ci")
sys.path.insert(0, CI)
import disk


class DiskTool(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.image = self.path("data.img")
        disk.create(self.image, 16 << 20, 24 << 20)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def file(self, name, content):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as file:
            file.write(content)
        return self.path(name)

    def listing(self, path="/"):
        out = io.StringIO()
        disk.list_directory(self.image, path, out)
        return out.getvalue()

    def test_both_files_have_their_size(self):
        self.assertEqual([os.path.getsize(path) for path in (self.image, self.image + "-wal")], [16 << 20, 24 << 20])

    def test_one_user_at_a_time(self):
        """SQLite on the host under a machine that runs would take what the machine has written, but not read, out of the log."""
        machine = ["qemu-system-x86_64", "-S", "-display", "none", "-nodefaults", "-monitor", "stdio",
                   "-drive", f"if=none,id=data,format=raw,file={self.image}", "-device", "virtio-blk-pci,drive=data"]
        with disk.Disk(self.image):
            with self.assertRaisesRegex(disk.DiskError, "in use"):
                disk.prepare(self.image)
            done = subprocess.run(machine, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)
            self.assertIn("lock", done.stderr)
        with subprocess.Popen(machine, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            process.stdout.readline()  # the monitor greets when the machine stands
            with self.assertRaisesRegex(disk.DiskError, "in use"):
                disk.list_directory(self.image, "/")
            process.communicate(b"quit\n", timeout=30)
        self.assertEqual(self.listing(), "")

    def test_put_and_get(self):
        content = bytes(range(256)) * 300
        disk.put(self.image, self.file("a", content), "one/two/a")
        disk.get(self.image, "/one/two/a", self.path("b"))
        with open(self.path("b"), "rb") as file:
            self.assertEqual(file.read(), content)
        disk.put(self.image, self.file("a", b"short"), "one/two/a")
        self.assertIn(" 5 ", self.listing("one/two"))
        self.assertEqual(disk.problems(self.image), [])

    def test_a_folder(self):
        self.file("tree/x", b"x")
        self.file("tree/below/y", b"y")
        disk.put(self.image, self.path("tree"), "tree")
        self.assertIn("y", self.listing("tree/below"))
        self.assertEqual(disk.problems(self.image), [])

    def test_too_much_changes_nothing(self):
        with self.assertRaises(sqlite3.DatabaseError):
            disk.put(self.image, self.file("a", bytes(20 << 20)), "a")
        self.assertEqual(self.listing(), "")
        self.assertEqual(disk.problems(self.image), [])

    def test_quota(self):
        disk.put(self.image, self.file("a", b"12345"), "below/a")
        disk.set_quota(self.image, "below", 100)
        self.assertEqual(disk.problems(self.image), [])
        disk.put(self.image, self.file("a", b"123"), "below/b")
        self.assertEqual(disk.problems(self.image), [])

    def test_damage_is_found(self):
        disk.put(self.image, self.file("a", b"12345"), "a")
        with sqlite3.connect(self.image) as connection:
            connection.execute("UPDATE inode SET links = 2 WHERE type = 4")
            connection.execute("INSERT INTO chunk VALUES (?, ?)", (99 << 32, b""))
        disk.prepare(self.image)
        found = disk.problems(self.image)
        self.assertEqual(len(found), 2, found)

    def change(self, script):
        with sqlite3.connect(self.image) as connection:
            connection.executescript(script)

    def refused(self, function, *words):
        with self.assertRaises((disk.DiskError, sqlite3.DatabaseError)):
            function(self.image, *words)

    def test_holes(self):
        disk.put(self.image, self.file("a", b"x"), "a")
        self.change("UPDATE inode SET bytes = 1 << 40 WHERE type = 4; INSERT INTO chunk VALUES ((2 << 32) + 1000000, 'late')")
        disk.get(self.image, "a", self.path("b"))
        self.assertEqual(os.path.getsize(self.path("b")), 1 << 40)
        self.assertLess(os.stat(self.path("b")).st_blocks, 1000)
        with open(self.path("b"), "rb") as file:
            self.assertEqual(file.read(2), b"x\0")
            file.seek(1000000 * disk.CHUNK)
            self.assertEqual(file.read(6), b"late\0\0")

    def test_a_stream_has_its_zeroes(self):
        disk.put(self.image, self.file("a", b"x" * (2 * disk.CHUNK + 1)), "a")
        self.change("DELETE FROM chunk WHERE chunk & 0xffffffff = 1; UPDATE inode SET bytes = bytes + 5 WHERE type = 4")
        result = subprocess.run([sys.executable, os.path.join(CI, "disk.py"), "get", self.image, "a"], capture_output=True, check=True)
        self.assertEqual(result.stdout, b"x" * disk.CHUNK + bytes(disk.CHUNK) + b"x" + bytes(5))

    def test_what_runs_by_itself(self):
        for script in ("CREATE TRIGGER t AFTER INSERT ON inode BEGIN DELETE FROM entry; END", "CREATE VIEW w AS SELECT 1",
                       "ALTER TABLE entry RENAME TO e; CREATE VIEW entry AS SELECT * FROM e",
                       "CREATE VIRTUAL TABLE t USING fts4(x)"):
            with self.subTest(script):
                self.setUp()
                self.change(script)
                for function, words in ((disk.list_directory, "/"), (disk.problems, ""), (disk.prepare, ""), (disk.put, (self.path("x"), "y"))):
                    self.refused(function, *(words if isinstance(words, tuple) else [words] if words else []))

    def test_numbers_that_are_none(self):
        for script in ("UPDATE volume SET data_bytes = 'large'", "UPDATE volume SET log_bytes = 1 << 60", "DELETE FROM volume",
                       "UPDATE volume SET data_bytes = -1"):
            with self.subTest(script):
                self.setUp()
                self.change(script)
                self.refused(disk.prepare)
        self.setUp()
        disk.put(self.image, self.file("a", b"x"), "a")
        self.change("UPDATE inode SET bytes = 'many', links = x'00', modified_ns = 9223372036854775807 WHERE type = 4;"
                    "UPDATE chunk SET data = 5")
        self.assertIn(" a\n", self.listing())
        disk.get(self.image, "a", self.path("b"))

    def test_names_do_not_steer_a_terminal(self):
        disk.put(self.image, self.file("a", b"x"), "a")
        self.change("UPDATE entry SET name = 'b' || char(27) || '[2Jc' || char(155) || char(10) || 'd'")
        self.assertTrue(self.listing().endswith(" b?[2Jc??d\n"), self.listing())

    def test_clear_errors(self):
        other = self.file("other", b"this is no database" * 100)
        for words, text in ((["ls", self.path("none")], "does not exist"), (["ls", other], "no disk of Tessera"),
                            (["create", self.image], "exists already"), (["get", self.image, "none"], "has no none"),
                            (["put", self.image, other, "../x"], "no path within"), (["create", self.path("c"), "--size", "1M"], "at least")):
            result = subprocess.run([sys.executable, os.path.join(CI, "disk.py"), *words], capture_output=True, text=True)
            self.assertEqual(result.returncode, 1)
            self.assertIn(text, result.stderr)


if __name__ == "__main__":
    unittest.main()
