#!/usr/bin/python3
"""TCP's throughput over a path with a delay: an upload to bench/net/server.c and a download from it, at round trips of 0, 10 and 50 ms.

    path.py --arch x86_64 --kernel build/x86_64/kernel/tessera.elf --archive build/x86_64/archives/net-bench.cpio [--trips 0,10,50] [--linux]

The guest's card is one end of a cable of ours (tests/harness/ether.py), an interface of this host the other, which takes root; between the two
each frame waits for half of the round trip. So the peer is this host's TCP, which tunes its buffers up to net.ipv4.tcp_wmem and tcp_rmem. Wall
time: on a busy machine less than there could be. --linux measures Debian's guest in place of ours (ci/bench_linux_net.py).
"""
import argparse
import collections
import fcntl
import multiprocessing
import os
import pathlib
import random
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "ci"), str(ROOT / "tests" / "harness"), str(ROOT / "bench" / "net")]
import bench_linux
import bench_linux_net
import ether
import load
import qemu

INTERFACE = "tessera-path"
TUNSETIFF, TAP_WITHOUT_HEAD = 0x400454ca, 0x1002  # linux/if_tun.h
LINUX_GUEST = "10.0.2.15"  # bench/linux/net.c
DISCARD, GENERATE = 9, 19
SECONDS = 3  # of a measurement, at least
LEAST = 1 << 19  # bytes


class Path:
    """The cable and the interface; frames wait in between."""

    def __init__(self, folder, trip, loss):
        self.wire = ether.Wire(folder)
        self.half, self.loss = trip / 2, loss
        self.chance = random.Random(1)
        self.interface = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.interface, TUNSETIFF, struct.pack("16sH22x", INTERFACE.encode(), TAP_WITHOUT_HEAD))
        for command in ("addr add 10.0.0.1/24 dev", "addr add 10.0.2.2/24 dev", "link set txqueuelen 10000 up dev"):
            subprocess.run(["ip", *command.split(), INTERFACE], check=True)

    def is_dhcp(self, frame):
        return frame[12:14] == b"\x08\0" and frame[23] == ether.UDP and frame[36:38] == b"\0\x43"

    def to_guest(self, frame):
        try:
            self.wire.put(frame)
        except (FileNotFoundError, ConnectionRefusedError):
            pass

    def to_host(self, frame):
        os.write(self.interface, frame)

    def run(self):
        """For ever."""
        ways = ((self.wire.socket, self.wire.take, self.to_host, collections.deque()),
                (self.interface, lambda: os.read(self.interface, 65536), self.to_guest, collections.deque()))
        while True:
            dues = [queue[0][0] for *_, queue in ways if queue]
            patience = max(0, min(dues) - time.monotonic()) if dues else None
            ready = select.select([way[0] for way in ways], [], [], patience)[0]
            for source, take, give, queue in ways:
                while source in ready:
                    try:
                        frame = take()
                    except BlockingIOError:
                        break
                    if give == self.to_host and self.is_dhcp(frame):
                        self.wire.dhcp(frame[42:])
                    elif not self.loss or self.chance.random() >= self.loss:
                        queue.append((time.monotonic() + self.half, frame))
                try:
                    while queue and queue[0][0] <= time.monotonic():
                        give(queue[0][1])
                        queue.popleft()
                except BlockingIOError:  # QEMU has no room now
                    time.sleep(0.0002)


def transfer(address, port, count, is_upload):
    """When it began and ended."""
    with socket.create_connection((address, port), load.TIMEOUT) as stream:
        begin = time.monotonic()
        if is_upload:
            stream.sendall(bytes(count))
            stream.shutdown(socket.SHUT_WR)
            load.receive(stream, 1)
        else:
            stream.sendall(struct.pack(">I", count))
            while count:
                part = len(stream.recv(min(count, 1 << 20)))
                if not part:
                    raise load.LoadError("the guest closed a connection")
                count -= part
        return begin, time.monotonic()


def rate(address, port, is_upload):
    """Bytes per second, of a transfer that takes SECONDS or more."""
    count = LEAST
    while True:
        begin, end = transfer(address, port, count, is_upload)
        if end - begin >= SECONDS:
            return count / (end - begin)
        count = min(count * 4, 1 << 30)


def is_up(address):
    try:
        transfer(address, DISCARD, 1, True)
    except (OSError, load.LoadError):
        time.sleep(0.3)
        return False
    return True


def measure(options, machine, address, trip):
    with tempfile.TemporaryDirectory(prefix="tessera-path-") as scratch:
        path = Path(scratch, trip / 1000, options.loss)
        relay = multiprocessing.Process(target=path.run, daemon=True)
        relay.start()
        arguments = qemu.complete(qemu.parser().parse_args(["--arch", options.arch, *machine, *path.wire.qemu()]))
        with open(os.path.join(scratch, "console"), "wb") as log, subprocess.Popen(qemu.command_line(arguments, scratch), stdin=subprocess.DEVNULL,
                                                                                   stdout=log, stderr=log, preexec_fn=qemu.die_with_parent) as guest:
            try:
                deadline = time.monotonic() + 240
                while not is_up(address):
                    if time.monotonic() > deadline:
                        raise load.LoadError("the guest does not serve")
                figures = [max(rate(address, port, port == DISCARD) for _ in range(options.times)) / 1e6 for port in (DISCARD, GENERATE)]
            finally:
                guest.kill()
                relay.kill()
                relay.join()
                os.close(path.interface)
                path.wire.close()
    print(f"{trip:4} ms   to the guest {figures[0]:8.2f} MB/s   from it {figures[1]:8.2f} MB/s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--kernel")
    parser.add_argument("--archive")
    parser.add_argument("--memory", default="64", help="MiB")
    parser.add_argument("--trips", default="0,10,50", help="round trips in ms")
    parser.add_argument("--loss", type=float, default=0, help="so much of all frames, 0.001 for one in a thousand")
    parser.add_argument("--times", type=int, default=1, help="the best of so many counts")
    parser.add_argument("--linux", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tessera-linux-") as scratch:
        machine, address = ["--kernel", options.kernel, "--archive", options.archive, "--memory", options.memory], "10.0.0.2"
        if options.linux:
            kernel, ram_disk, what = bench_linux_net.make(str(ROOT), options.arch, scratch)
            machine = ["--cpu", bench_linux.CPU[options.arch], "--kernel", kernel, "--archive", ram_disk, "--memory", "512", "--append",
                       f"console={bench_linux.CONSOLE[options.arch]} quiet panic=-1"]
            address = LINUX_GUEST
            print(what)
        for trip in map(int, options.trips.split(",")):
            measure(options, machine, address, trip)


if __name__ == "__main__":
    main()
