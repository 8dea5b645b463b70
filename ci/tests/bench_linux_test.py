"""Tests of ci/bench_linux.py without a Linux: the RAM disk, what apt and the console say, what is missing."""
import os
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import bench_linux

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Console(unittest.TestCase):
    def test_figures(self):
        text = "[  1.0] a line\nlinux syscall_null getppid 327.01\nlinux spawn_exit vfork+exec+wait 131435.00\nlinux end\n[ 2.0] off\n"
        self.assertEqual(bench_linux.figures_of(text),
                         [("syscall_null", "getppid", 327.01), ("spawn_exit", "vfork+exec+wait", 131435.0)])

    def test_an_end_before_the_end_shows_the_last_lines(self):
        with self.assertRaisesRegex(bench_linux.LinuxError, "(?s)before it had measured.*not syncing: attempted"):
            bench_linux.figures_of("linux syscall_null getppid 327.01\nKernel panic - not syncing: attempted\n")


class Kernel(unittest.TestCase):
    def test_the_package_that_is_named(self):
        shown = "Package: linux-image-cloud-arm64\nDepends: linux-image-6.1.0-9-cloud-arm64 (= 6.1.9-2)\n\nPackage: older\nDepends: linux-image-5\n"
        self.assertEqual(bench_linux.image_package(shown), "linux-image-6.1.0-9-cloud-arm64")
        with self.assertRaisesRegex(bench_linux.LinuxError, "no linux-image-cloud"):
            bench_linux.image_package("")

    def test_what_is_kept_needs_no_network(self):
        with tempfile.TemporaryDirectory() as cache, mock.patch.dict(os.environ, XDG_CACHE_HOME=cache):
            folder = os.path.join(cache, "tessera", "linux")
            os.makedirs(folder)
            self.assertIsNone(bench_linux.kept_kernel("arm64", folder))
            path = os.path.join(folder, "linux-image-6.1.0-9-cloud-arm64_6.1.9-2_arm64.vmlinuz")
            open(path, "w").close()
            self.assertEqual(bench_linux.find_kernel("arm64"), (path, "linux-image-6.1.0-9-cloud-arm64", "6.1.9-2"))
            self.assertIsNone(bench_linux.kept_kernel("x86_64", folder))

    def test_a_failed_download_says_what_apt_said(self):
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(bench_linux.LinuxError, "(?s)could not be fetched.*cannot access '/nowhere'"):
                bench_linux.apt(["ls", "/nowhere"], "arm64", folder)


class RamDisk(unittest.TestCase):
    def test_the_programs_compile_and_cpio_reads_the_disk(self):
        for arch in bench_linux.DEBIAN:
            with tempfile.TemporaryDirectory() as folder:
                with open(bench_linux.make_ram_disk(ROOT, arch, folder), "rb") as disk:
                    listed = subprocess.run(["cpio", "-itv", "--quiet"], stdin=disk, stdout=subprocess.PIPE, check=True, text=True).stdout
            self.assertEqual([line.split()[8] for line in listed.splitlines()], ["init", "small", "child"])
            self.assertTrue(listed.startswith("-rwxr-xr-x"), listed)
            self.assertTrue(listed.rstrip().endswith("child -> init"), listed)


if __name__ == "__main__":
    unittest.main()
