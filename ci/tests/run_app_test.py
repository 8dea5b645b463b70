"""Tests of ci/run_app.py: what a machine sends is taken apart and shown, whatever it is."""
import contextlib
import io
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import run_app


def frame(stream, content):
    return bytes([run_app.FRAME, stream]) + len(content).to_bytes(2, "little") + content


def said(function, *words):
    out = io.StringIO()
    with contextlib.redirect_stderr(out):
        function(*words)
    return out.getvalue()


class Frames(unittest.TestCase):
    def test_in_any_pieces(self):
        sent = b"kernel\n" + frame(run_app.STREAM_LOG, b"log") + frame(run_app.STREAM_FILES, b"file" * 1000) + b"panic"
        for size in (1, 3, 1000, len(sent)):
            frames = run_app.Frames(4000)
            for at in range(0, len(sent), size):
                frames.feed(sent[at:at + size])
            self.assertEqual((frames.text, frames.log.text, b"".join(frames.files)), (b"kernel\npanic", b"log", b"file" * 1000))

    def test_files_without_end(self):
        frames = run_app.Frames(10000)
        with self.assertRaises(run_app.AppError):
            for _ in range(11):
                frames.feed(frame(run_app.STREAM_FILES, bytes(1000)))

    def test_only_the_program_has_a_verdict(self):
        frames = run_app.Frames()
        frames.feed(frame(run_app.STREAM_VERDICT, run_app.VERDICT.pack(1, 1, 7)))
        self.assertIsNone(frames.verdict)
        frames.feed(frame(run_app.STREAM_VERDICT, run_app.VERDICT.pack(0, 1, 7) + b"exit 7"))
        self.assertEqual(run_app.status_of(frames.verdict), 7)

    def test_what_is_shown_steers_no_terminal(self):
        hostile = b"\x1b]0;title\x07\x9b2J\xc2\x9b2J\r\x08"
        frames = run_app.Frames()
        frames.feed(b"panic " + hostile + b"\n" + frame(run_app.STREAM_LOG, b"log " + hostile))
        refusal = said(run_app.Log().feed, b"process: app: refused: spawn '" + hostile + b"'\nother\n")
        trap = said(run_app.status_of, (0, run_app.ENDED_TRAP, 1, "wasm trap: in " + hostile.decode("latin-1")))
        for text in (frames.chatter(), refusal, trap):
            self.assertTrue(all(letter.isprintable() or letter == "\n" for letter in text), repr(text))
        self.assertTrue(refusal.startswith("tessera: app: refused: spawn '?]0;title?"), refusal)
        self.assertEqual(refusal.count("\n"), 1)

    def test_what_was_refused_is_told_at_once_and_once(self):
        log = run_app.Log()
        refusal = b"process: app: refused: net.connect 'tcp:10.0.0.1:80' is not granted\n"
        self.assertEqual(said(log.feed, refusal[:20]), "")
        self.assertEqual(said(log.feed, refusal[20:] + refusal),
                         "tessera: app: refused: net.connect 'tcp:10.0.0.1:80' is not granted (--net does)\n")
        self.assertEqual(said(log.feed, refusal + b"process: child: refused: net.listen 'tcp:0.0.0.0:80' is not granted\n"),
                         "tessera: child: refused: net.listen 'tcp:0.0.0.0:80' is not granted (--publish HOST:GUEST does)\n")

    def test_what_is_wrong_with_the_network_is_told(self):
        log = run_app.Log()
        self.assertEqual(said(log.feed, b"net: the link is up\n"), "")
        self.assertEqual(said(log.feed, b"net: the link is down\nnet: the link is up\nnet: 2 malformed packets were dropped\n"),
                         "tessera: net: the link is down\ntessera: net: the link is up\ntessera: net: 2 malformed packets were dropped\n")


if __name__ == "__main__":
    unittest.main()
