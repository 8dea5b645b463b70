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
