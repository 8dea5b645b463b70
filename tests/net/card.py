#!/usr/bin/python3
"""A card that breaks the rules: the echo server's is ours (tests/harness/vhost_user.py), and lies, is silent, or goes away.

    card.py --arch x86_64 --build-dir build/x86_64

The driver says what it saw and resets the card; whoever calls next is served. A card that goes on is given up, and the machine runs on without it.
"""
import argparse
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "harness")]
import net
import offload
from ether import RST, SYN, Peer
from fire import ECHO, require, served
import vhost_user
from vhost_user import IS_VALID, NEEDS_CHECKSUM, RECEIVE, TRANSMIT

RESETS_MOST = 8  # servers/drivers/net-virtio/main.c


def absurd_headers(wire, machine):
    """Of a received frame's header the two flags count, whatever the rest says."""
    for header in ((0, 0xff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff), (0xfc, 1, 0, 0, 0, 0, 0), (IS_VALID, 4, 1, 1, 0xffff, 0, 0),
                   (NEEDS_CHECKSUM, 0, 0, 0, 0xffff, 0xffff, 1), (NEEDS_CHECKSUM | IS_VALID, 0x80, 0, 65535, 0, 0, 0x8000)):
        peer = Peer(wire, ECHO)
        offload.put(wire, peer.segment(SYN), header)
        answer = peer.receive(3, lambda segment: segment.flags & SYN)
        require(f"let in with {header}", answer)
        peer.seq += 1
        peer.send(RST)
    served(wire)


def asked(wire):
    """A frame of the guest's that the card has taken and not given back."""
    wire.is_deaf = True
    Peer(wire, ECHO).send(SYN)
    deadline = time.monotonic() + 5
    while (head := wire.queues[TRANSMIT].take()) is None:
        require("the guest answers", time.monotonic() < deadline)
        time.sleep(0.01)
    return head


def reset(wire, machine, deed, line):
    """The deed makes the guest say that line and begin again."""
    start, begun = len(machine.lines), wire.starts
    deed()
    machine.wait_for(line, start)
    wire.wait_for_start(begun)
    wire.is_deaf = False
    served(wire, what=f"after {line!r}")


def lies(wire, machine):
    """What was not given is used, what was is used twice, indices run ahead, lengths are impossible."""
    buffer = wire.queues[RECEIVE].take
    for lie, what in (
            (lambda: wire.lie(RECEIVE, (5000, 100)), "it fills what it was not given"),
            (lambda: wire.lie(RECEIVE, *[(buffer(), 60)] * 2), "it fills what it was not given"),
            (lambda: wire.lie(RECEIVE, (buffer(), 5000)), "it fills a buffer with more than that holds, or with no header"),
            (lambda: wire.lie(RECEIVE, (buffer(), 0)), "it fills a buffer with more than that holds, or with no header"),
            (lambda: wire.jump(RECEIVE, 1000), "its index runs ahead of the buffers"),
            (lambda: wire.lie(TRANSMIT, (asked(wire) + 0x10000, 0)), "it has sent what it was not given"),
            # Which, depends on whether other frames are out.
            (lambda: wire.lie(TRANSMIT, *[(asked(wire), 0)] * 2), "(its index runs ahead of the frames|it has sent what it was not given)"),
            (lambda: wire.jump(TRANSMIT, 1000), "its index runs ahead of the frames")):
        reset(wire, machine, lie, f"net-virtio: the network card is reset: {what}")
    served(wire, 6, "over IPv6")


def unfinished(wire, machine):
    """Frames of no buffer, of more than there are, without end, or longer than a packet can be."""
    for buffers in (0, 129, 0xffff):
        reset(wire, machine, lambda: wire.fill((0, 0, 0, 0, 0, 0, buffers), bytes(100)),
              "net-virtio: the network card is reset: a frame has no buffer, or more than there are")
    for buffers, size in ((100, 100), (None, 70000)):
        wire.fill((IS_VALID, 1, 54, 1460, 0, 0, buffers), bytes(size))
        reset(wire, machine, lambda: wire.jump(RECEIVE, 1000), "net-virtio: the network card is reset")
    wire.fill((IS_VALID, 1, 54, 1460, 0, 0, None), bytes(70000))
    served(wire)


def silence(wire, machine):
    """The card takes nothing for seconds."""
    reset(wire, machine, lambda: asked(wire), "net: the card has sent nothing for 3 seconds: it is reset")


def absence(wire, machine):
    """The card goes away and comes back."""
    start = len(machine.lines)
    reset(wire, machine, wire.leave, "net: the link is down")
    machine.wait_for("net: the link is up", start)


def given_up(wire, machine):
    """A card that breaks the rules again and again is not asked any more, and the machine runs on."""
    for _ in range(RESETS_MOST):
        reset(wire, machine, lambda: wire.jump(RECEIVE, 1000), "net-virtio: the network card is reset")
    start = len(machine.lines)
    wire.jump(RECEIVE, 1000)
    machine.wait_for("net-virtio: the network card is given up: its index runs ahead of the buffers", start)
    machine.wait_for("net: the link is down", start)
    for _ in range(3):
        wire.queues[RECEIVE].interrupt()
        time.sleep(0.1)
    more = [line for line in machine.lines[start + 2:] if line is None or "net" not in line]
    require("the machine runs on, and says no more", machine.process.poll() is None and not more, more)
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--build-dir", required=True)
    options = parser.parse_args()
    try:
        offload.run_all((options, vhost_user.SUMS, absurd_headers, lies, absence), (options, vhost_user.LARGE, unfinished, silence), (options, vhost_user.SUMS, given_up))
    except (net.Failure, OSError, ValueError) as error:
        print(f"card.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
