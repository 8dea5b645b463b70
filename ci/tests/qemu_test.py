"""Tests of ci/qemu.py: the verdict contract, the console filter, the judgement, and real QEMU runs of a tiny guest.

The guest is a hand-made 32-bit ELF with a PVH note (Xen's XEN_ELFNOTE_PHYS32_ENTRY, type 18): it writes a text to
the serial port and then does what the case wants.
"""
import io
import os
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import qemu

RUNNER = os.path.join(HERE, "..", "qemu.py")
LOAD_ADDRESS = 0x200000


def guest(text, ending):
    """A PVH kernel that prints `text` and then executes the bytes `ending`."""
    code_at = LOAD_ADDRESS + 0x100
    code = b"".join(b"\x66\xba\xf8\x03\xb0" + bytes([byte]) + b"\xee" for byte in text) + ending  # mov dx; mov al; out
    note = struct.pack("<III4sI", 4, 4, 18, b"Xen\0", code_at)
    header = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 2, 3, 1, code_at, 52, 0, 0, 52, 32, 2, 0, 0, 0)
    size = 0x100 + len(code)
    load = struct.pack("<IIIIIIII", 1, 0, LOAD_ADDRESS, LOAD_ADDRESS, size, size, 7, 0x1000)
    notes = struct.pack("<IIIIIIII", 4, 0xC0, LOAD_ADDRESS + 0xC0, LOAD_ADDRESS + 0xC0, len(note), len(note), 4, 4)
    return (header + load + notes).ljust(0xC0, b"\0") + note.ljust(0x40, b"\0") + code


def verdict(status):
    return b"\x66\xba\xf4\x00\xb8" + struct.pack("<I", status + 16) + b"\xef\xf4"  # mov dx, 0xf4; mov eax; out; hlt


HANG = b"\xeb\xfe"
RESET = b"\x66\xba\x64\x00\xb0\xfe\xee" + HANG  # the keyboard controller's reset line
BREAK_DOWN = b"\x0f\x01\x1d\x00\x00\x00\x00\x0f\x0b"  # lidt of nothing, then ud2: a triple fault


class Verdict(unittest.TestCase):
    def test_every_status_survives(self):
        for status in range(101):
            self.assertEqual(qemu.verdict_of("x86_64", ((status + 16) << 1) | 1), status)
            self.assertEqual(qemu.verdict_of("arm64", status + 16), status)

    def test_qemus_own_ends_are_none(self):
        for arch in ("x86_64", "arm64"):
            for code in (0, 1, 2, 3, 15, -6, -9, -11, 255):
                self.assertIsNone(qemu.verdict_of(arch, code), msg=(arch, code))


class PublishedPorts(unittest.TestCase):
    def test_of_another_program(self):
        for kind, protocol in ((socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")):
            with socket.socket(socket.AF_INET, kind) as other:
                other.bind(("127.0.0.1", 0))
                if protocol == "tcp":
                    other.listen()
                port = other.getsockname()[1]
                with self.assertRaisesRegex(qemu.UsageError, f"port {port} cannot be had: another program of this host has it"):
                    qemu.check_published([(port, 80, protocol)])
            qemu.check_published([(port, 80, protocol)])

    def test_isolated_is_not_mute(self):
        """QEMU drops all that a restricted guest sends by UDP."""
        self.assertIn(",restrict=on", " ".join(qemu.net_options("isolated", [(1234, 80, "tcp")])))
        self.assertNotIn("restrict", " ".join(qemu.net_options("isolated", [(1234, 80, "tcp"), (1234, 53, "udp")])))

    def test_twice(self):
        qemu.check_published([(23456, 80, "tcp"), (23456, 80, "udp")])
        with self.assertRaisesRegex(qemu.UsageError, "the same port"):
            qemu.check_published([(23456, 80, "tcp"), (23456, 81, "tcp")])


class ConsoleFilter(unittest.TestCase):
    def shown(self, pieces, is_terminal=False):
        out = io.StringIO()
        console = qemu.Console(out, is_terminal)
        for piece in pieces:
            console.feed(piece)
        console.finish()
        return out.getvalue(), console.lines

    def test_firmware_escapes_vanish(self):
        text = b"\x1b[2J\x1b[01;01H\x1b[=3hBdsDxe\x1b[0m\x1b[35m\x1b[40m: boot\r\n\x1bcnext\r\n"
        for cut in range(len(text)):
            self.assertEqual(self.shown([text[:cut], text[cut:]]), ("BdsDxe: boot\nnext\n", ["BdsDxe: boot", "next"]))

    def test_colours_stay_on_a_terminal(self):
        self.assertEqual(self.shown([b"\x1b[2J\x1b[31mred\x1b[0m\n"], True)[0], "\x1b[31mred\x1b[0m\n")

    def test_split_utf8_and_missing_newline(self):
        self.assertEqual(self.shown([b"\xc3", b"\xa4 end"]), ("\u00e4 end\n", ["\u00e4 end"]))


class Runs(unittest.TestCase):
    def run_guest(self, text, ending, *options):
        with tempfile.TemporaryDirectory() as folder:
            kernel = os.path.join(folder, "guest,1.elf")
            with open(kernel, "wb") as file:
                file.write(guest(text, ending))
            done = subprocess.run([sys.executable, RUNNER, "--arch", "x86_64", "--kernel", kernel, "--timeout", "30", *options],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
            return done.returncode, done.stdout, done.stderr

    def test_statuses(self):
        for status in (0, 7, 100):
            self.assertEqual(self.run_guest(b"hello\n", verdict(status))[:2], (status, "hello\n"))

    def test_expectations(self):
        wanted = ("--status", "3", "--expect", "^one$", "--expect", "t.o")
        self.assertEqual(self.run_guest(b"one\ntwo\n", verdict(3), *wanted)[0], 0)
        self.assertEqual(self.run_guest(b"two\none\n", verdict(3), *wanted)[0], qemu.UNEXPECTED)
        self.assertEqual(self.run_guest(b"one\ntwo\n", verdict(4), *wanted)[0], qemu.UNEXPECTED)
        self.assertEqual(self.run_guest(b"one\ntwo\n", verdict(3), *wanted, "--forbid", "wo")[0], qemu.UNEXPECTED)

    def test_any_failure(self):
        self.assertEqual(self.run_guest(b"", verdict(5), "--status", "fail")[0], 0)
        self.assertEqual(self.run_guest(b"", verdict(0), "--status", "fail")[0], qemu.UNEXPECTED)
        self.assertEqual(self.run_guest(b"", RESET, "--status", "fail")[0], qemu.UNEXPECTED)

    def test_timeout_shows_the_last_lines(self):
        status, out, err = self.run_guest(b"stuck here\n", HANG, "--timeout", "2")
        self.assertEqual((status, out), (qemu.TIMEOUT, "stuck here\n"))
        self.assertIn("| stuck here", err)

    def test_reset_and_triple_fault_are_no_verdict(self):
        for ending in (RESET, BREAK_DOWN):
            status, _, err = self.run_guest(b"bye\n", ending)
            self.assertEqual(status, qemu.NO_VERDICT)
            self.assertIn("without a verdict", err)

    def test_a_wrong_option_of_qemu(self):
        self.assertEqual(self.run_guest(b"", verdict(0), "--qemu=-no-such-option")[0], qemu.NOT_STARTED)

    def test_missing_files_and_combinations(self):
        for options in (["--arch", "x86_64", "--kernel", "/nonexistent"], ["--arch", "x86_64", "--boot", "iso"],
                        ["--arch", "arm64", "--boot", "iso", "--firmware", "bios", "--iso", "/nonexistent"]):
            done = subprocess.run([sys.executable, RUNNER, *options], stderr=subprocess.PIPE, text=True)
            self.assertEqual(done.returncode, qemu.USAGE, msg=done.stderr)


if __name__ == "__main__":
    unittest.main()
