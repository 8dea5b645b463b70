"""Tests of ci/archive.py: layout, agreement with GNU cpio, and damage of every kind."""
import os
import random
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import archive

SAMPLE = [
    ("root", bytes(range(256)) * 40),
    ("empty", b""),
    ("a/b.json", b"{}"),
    ("page", b"x" * 4096),
    ("long/" + "n" * 200, b"12345"),
]


class Layout(unittest.TestCase):
    def test_round_trip(self):
        members = archive.read(archive.pack(SAMPLE))
        self.assertEqual([(member.name, member.data) for member in members], SAMPLE)

    def test_alignment_and_size(self):
        blob = archive.pack(SAMPLE)
        self.assertEqual(len(blob) % 4096, 0)
        for member in archive.read(blob):
            self.assertEqual(member.offset % 4096, 0)
            self.assertEqual(blob[member.offset : member.offset + len(member.data)], member.data)

    def test_deterministic(self):
        self.assertEqual(archive.pack(SAMPLE), archive.pack(list(SAMPLE)))

    def test_many_sizes_around_the_page(self):
        for size in [*range(0, 20), *range(4080, 4110)]:
            members = [("root", b"r" * size), ("m" * (size % 250 + 1), b"q" * (4097 - size % 97))]
            self.assertEqual([(m.name, m.data) for m in archive.read(archive.pack(members))], members)

    def test_gnu_cpio_reads_it(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["cpio", "-idm", "--quiet"], input=archive.pack(SAMPLE), cwd=folder, check=True)
            for name, data in SAMPLE:
                with open(os.path.join(folder, name), "rb") as extracted:
                    self.assertEqual(extracted.read(), data)

    def test_trailing_bytes_of_a_loader_are_ignored(self):
        self.assertEqual(len(archive.read(archive.pack(SAMPLE) + b"junk" * 1000)), len(SAMPLE))

    def test_checksum_against_its_definition(self):
        data = bytes(random.Random(1).randrange(256) for _ in range(1003))
        a = b = 0
        for at in range(0, len(data), 8):
            a = (a + int.from_bytes(data[at : at + 8], "little")) % (1 << 64)
            b = (b + a) % (1 << 64)
        self.assertEqual(archive.checksum(data), (a, b))


class DebugData(unittest.TestCase):
    def test_segments_stay_and_the_rest_goes(self):
        with tempfile.TemporaryDirectory() as folder:
            source, full = os.path.join(folder, "a.c"), os.path.join(folder, "a")
            with open(source, "w", encoding="ascii") as file:
                file.write("int data[3000] = {1}; void _start(void) { for (;;) data[1]++; }\n")
            subprocess.run(["gcc", "-g", "-nostdlib", "-static", "-no-pie", source, "-o", full], check=True)
            whole = archive.read_file(full)
            cut = archive.without_debug_data(whole)
            self.assertLess(len(cut), len(whole))
            with open(os.path.join(folder, "cut"), "wb") as file:
                file.write(cut)
            listed = [subprocess.run(["readelf", "-lW", path], stdout=subprocess.PIPE, text=True, check=True).stdout
                      for path in (full, os.path.join(folder, "cut"))]
            loads = [[line for line in text.splitlines() if "LOAD" in line] for text in listed]
            self.assertEqual(loads[0], loads[1])
            self.assertTrue(loads[0])
            self.assertEqual(cut[0x40:], whole[0x40 : len(cut)])

    def test_others_are_left_alone(self):
        for data in (b"", b"\x7fELF", b"\0asm" + bytes(100), b"\x7fELF\x02\x01" + bytes(10) + b"\x02\0" + b"\xff" * 60):
            self.assertEqual(archive.without_debug_data(data), data)


class Refusal(unittest.TestCase):
    def test_bad_names(self):
        for name in ["", "/x", "a//b", "../x", "a/./b", "sp ace", "umlaut\u00e4", "x" * 256, "tessera.manifest", "TRAILER!!!"]:
            with self.assertRaises(archive.ArchiveError, msg=name):
                archive.pack([(name, b"")])

    def test_duplicates_and_emptiness(self):
        with self.assertRaises(archive.ArchiveError):
            archive.pack([("a", b"1"), ("a", b"2")])
        with self.assertRaises(archive.ArchiveError):
            archive.pack([])

    def test_every_truncation(self):
        blob = archive.pack(SAMPLE)
        for size in [*range(0, len(blob), 97), len(blob) - 1]:
            with self.assertRaises(archive.ArchiveError, msg=size):
                archive.read(blob[:size])

    def test_every_flipped_byte(self):
        """Any change is refused, except in cpio fields that carry nothing (inode, mode, times, check ...)."""
        blob = archive.pack([("root", b"r" * 700), ("second", b"s" * 5000)])
        chooser = random.Random(2)
        accepted = set()
        for at in range(len(blob)):
            broken = bytearray(blob)
            broken[at] ^= 1 << chooser.randrange(8)
            try:
                members = archive.read(bytes(broken))
            except archive.ArchiveError:
                continue
            self.assertEqual([m.data for m in members], [b"r" * 700, b"s" * 5000], msg=at)
            accepted.add(at)
        insignificant = set()
        for header in [match for match in range(len(blob)) if blob[match : match + 6] == b"070701"]:
            insignificant.update(range(header + 6, header + 110))
        for member in archive.read(blob):  # the one to three bytes that fill a member up to 4
            end = member.offset + len(member.data)
            insignificant.update(range(end, end + -end % 4))
        manifest_end = 4096 + archive.HEADER.size + 2 * archive.ENTRY.size + len("root") + len("second") + 2
        insignificant.update(range(manifest_end, manifest_end + -manifest_end % 4))
        self.assertLessEqual(accepted, insignificant)

    def test_random_garbage(self):
        chooser = random.Random(3)
        blob = archive.pack(SAMPLE)
        for _ in range(300):
            broken = bytearray(blob)
            start = chooser.randrange(len(broken))
            count = chooser.randrange(1, 64)
            broken[start : start + count] = chooser.randbytes(count)
            try:
                archive.read(bytes(broken))
            except archive.ArchiveError:
                pass

    def test_swapped_members(self):
        first = archive.pack([("a", b"1" * 10), ("b", b"2" * 10)])
        second = archive.pack([("a", b"1" * 10), ("b", b"3" * 10)])
        with self.assertRaises(archive.ArchiveError):
            archive.read(first[:8192] + second[8192:])


if __name__ == "__main__":
    unittest.main()
