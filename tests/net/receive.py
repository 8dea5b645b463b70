#!/usr/bin/python3
"""What receiving costs with each thing that a card may do for the guest: instructions per KiB, counted as ci/bench_net.py does. By hand; docs/network.md has
the figures.

    receive.py --arch x86_64 --build-dir build/x86_64
"""
import argparse
import json
import os
import pathlib
import socket
import struct
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "harness")]
import ether
import net
import vhost_user
from ether import ACK, PSH, Peer
from fire import find_neighbour, require

DISCARD, MSS, KIB = 9, 1460, 2048
WAYS = (("the guest does all", 0, MSS), ("the card sums", vhost_user.SUMS, MSS),
        ("the card puts two segments together", vhost_user.LARGE, 2 * MSS), ("five", vhost_user.LARGE, 5 * MSS),
        ("up to 44, as many as the window has", vhost_user.LARGE, 44 * MSS))


class Counter:
    """Of the instructions that the guest's processor has executed."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.lines = self.socket.makefile("rw", encoding="utf-8")
        self.ask("qmp_capabilities")

    def ask(self, what):
        self.lines.write(json.dumps({"execute": what}) + "\n")
        self.lines.flush()
        for line in self.lines:
            if "return" in (answer := json.loads(line)):
                return answer["return"]
        raise net.Failure("QEMU has ended")

    def read(self):
        return self.ask("query-replay")["icount"]


def segment_put(wire, peer, seq, data):
    packet = peer.segment(ACK | PSH, data, seq=seq)
    frame = wire.guest_mac + ether.MAC + struct.pack("!H", ether.IP4) + packet
    flags, kind = (vhost_user.NEEDS_CHECKSUM, 1 if len(data) > MSS else 0) if wire.features & vhost_user.GUEST_CHECKSUM else (0, 0)
    while True:
        try:
            return wire.fill((flags, kind, 54, MSS, 34, 16, None) if flags else (0, 0, 0, 0, 0, 0, None), frame)
        except BlockingIOError:
            wire.wait(0.001)


def upload(wire, peer, size):
    """Keeps the guest's window full; nothing is lost."""
    first, sent, acknowledged, window = peer.seq, 0, 0, peer.begin
    deadline = time.monotonic() + net.PATIENCE
    while acknowledged < KIB * 1024:
        require("it goes on", time.monotonic() < deadline, (sent, acknowledged, window))
        while (part := min(size, acknowledged + window - sent, KIB * 1024 - sent)) == size or (part > 0 and sent == acknowledged):
            segment_put(wire, peer, first + sent, bytes(part))
            sent += part
        if segment := peer.receive(0.5):
            acknowledged, window = segment.ack - first, segment.window << peer.options[3][0]


def measure(options, features, size):
    with tempfile.TemporaryDirectory(prefix="receive-") as folder:
        wire = vhost_user.Card(folder, features)
        path = os.path.join(folder, "qmp")
        machine = net.Machine(options, "net-bench", [], ["--icount", "on", *wire.qemu(), "--qemu=-qmp", f"--qemu=unix:{path},server=on,wait=off"])
        try:
            deadline = time.monotonic() + net.PATIENCE
            while not wire.guest6:
                require("the machine starts", time.monotonic() < deadline)
                wire.receive(0.1)
            find_neighbour(wire)
            counter, peer = Counter(path), Peer(wire, DISCARD)
            answer = peer.syn()
            require("let in", answer)
            peer.begin = answer.window
            peer.send(ACK)
            time.sleep(0.5)  # the program has the connection then
            begin = counter.read()
            upload(wire, peer, size)
            return (counter.read() - begin) / KIB
        finally:
            machine.stop()
            wire.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--build-dir", required=True)
    options = parser.parse_args()
    for name, features, size in WAYS:
        print(f"{measure(options, features, size):8.0f} instructions per KiB: {name}", flush=True)


if __name__ == "__main__":
    main()
