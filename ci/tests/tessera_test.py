"""Tests of the command line of ./tessera that need no build."""
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(HERE, ".."))
import bench
import run_app
import tessera


def door(*words):
    return subprocess.run([os.path.join(ROOT, "tessera"), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL)


class CommandLine(unittest.TestCase):
    def test_help_everywhere(self):
        for words in ([], ["setup"], ["build"], ["run"], ["disk"], ["disk", "put"], ["test"], ["bench"], ["image"]):
            done = door(*words, "--help")
            self.assertEqual(done.returncode, 0, msg=done.stderr)
            self.assertIn("./tessera", done.stdout)

    def test_wrong_words(self):
        for words in (["walk"], ["run", "--arch", "vax"], ["run", "--boot", "floppy"], ["image", "x.json"], ["run", "--timeout", "-1"],
                      ["test", "--jobs", "0"], ["test", "("], ["bench", "--json", "x.json"],
                      ["bench", "--arch", "arm64", "--json", "no-such-folder/x.json"],
                      ["run", "no-such.json"], ["image", "no-such.json", "-o", "x.iso"], ["image", __file__, "-o", "no-such-folder/x.iso"],
                      ["bench", "fs", "--target"], ["bench", "--runs", "3"], ["bench", "wasm", "--record"], ["bench", "net", "x.wasm"],
                      ["run", "hello", "--arch", "arm64", "--firmware", "bios"], ["run", "hello", "--boot", "direct", "--firmware", "uefi"]):
            done = door(*words)
            self.assertEqual(done.returncode, tessera.WRONG_ARGUMENTS, msg=(words, done.stderr))
            self.assertNotIn("==>", done.stdout, msg=words)  # said before anything is built

    def test_an_unknown_demo_names_the_demos(self):
        done = door("run", "no-such-demo")
        self.assertEqual(done.returncode, tessera.WRONG_ARGUMENTS)
        self.assertIn("mqtt", done.stderr)

    def test_every_preset_is_known(self):
        for arch in tessera.ARCHES:
            self.assertTrue(os.path.isfile(os.path.join(ROOT, "ci", "cmake", f"toolchain-{arch}.cmake")))


class Endings(unittest.TestCase):
    def test_frames_stand_in_lines(self):
        self.assertEqual(run_app.told("wasm trap: unreachable, in f (a.c:1) called from g called from ..."),
                         "wasm trap: unreachable\n    in f (a.c:1)\n    called from g\n    called from ...")
        self.assertEqual(run_app.told("killed: page fault reading 0x1, at 0x2"), "killed: page fault reading 0x1, at 0x2")

    def test_names_of_rust(self):
        for name, expected in (("_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write"),
                               ("_ZN4core3fmt5write17h01", "core::fmt::write"), ("_ZN4core3fmt5wri", "core::fmt::wri"),
                               ("_ZN3std28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE", "std::{{closure}}"),
                               ("_ZN34_$LT$A$u20$as$u20$core..fmt..B$GT$3fmt17h0123456789abcdefE", "<A as core::fmt::B>::fmt"),
                               ("_ZN", "_ZN"), ("_ZNbad", "_ZNbad"), ("_ZN99", "_ZN99"), ("main", "main")):
            self.assertEqual(run_app.told(name), expected)


class Bench(unittest.TestCase):
    def test_lines(self):
        self.assertEqual(bench.LINE.match("bench syscall_null 80.25").groups(), ("syscall_null", "80.25"))
        self.assertEqual(bench.LINE.match("broker: bench hop 2500").groups(), ("hop", "2500"))
        self.assertIsNone(bench.LINE.match("bench: a loop of two instructions does not read 2.00"))

    def test_read_only_bytes(self):
        with self.assertRaises(bench.BenchError):
            bench.read_only_bytes(__file__)
        listed = subprocess.run(["readelf", "-SW", "/bin/true"], stdout=subprocess.PIPE, text=True, check=True).stdout
        expected = 0
        for line in listed.splitlines():
            words = line.partition("]")[2].split()
            if len(words) == 10 and "A" in words[6] and "W" not in words[6] and words[1] != "NOBITS":
                expected += int(words[4], 16)
        self.assertGreater(expected, 1000)
        self.assertEqual(bench.read_only_bytes("/bin/true"), expected)


if __name__ == "__main__":
    unittest.main()
