#!/usr/bin/python3
"""Checksums left to the card, both ways: a server of echoes whose card is ours (tests/harness/vhost_user.py) and does them, or offers not to.

    offload.py --arch x86_64 --build-dir build/x86_64

VIRTIO 1.1, 5.1.6.2 (what the guest leaves undone), 5.1.6.4 (what it may believe).
"""
import argparse
import concurrent.futures
import os
import pathlib
import struct
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "harness")]
import ether
import fire
import net
import vhost_user
from ether import ACK, PSH, RST, TCP, UDP, Peer, ip4, udp
from fire import ECHO, fragments, reply_of, require, served
from vhost_user import IS_VALID, NEEDS_CHECKSUM


def head(flags=0, start=0, offset=0):
    return flags, 0, 0, 0, start, offset, None


def put(wire, packet, header=head(), sizes=()):
    """Past what the wire does by itself: header and packet as they are here."""
    kind = ether.IP4 if packet[0] >> 4 == 4 else ether.IP6
    wire.fill(header, wire.guest_mac + ether.MAC + struct.pack("!H", kind) + packet, sizes)


def spoilt(packet, at):
    return packet[:at] + bytes((packet[at] ^ 0x55, packet[at + 1] ^ 0xaa)) + packet[at + 2:]


def answered(peer, seconds=0.3):
    """Its word came back."""
    got = peer.take(5, seconds) == b"salve"
    peer.seq += 5 if got else 0
    return got


def sent_by_guest(wire, machine):
    """Of each segment the guest leaves the sum undone, and puts the pseudo header's in its place; nothing else is left."""
    for version, start in ((4, 34), (6, 54)):
        wire.left.clear()
        served(wire, version, f"over IPv{version}")
        require("checksums are left to the card", len(wire.left) >= 3, len(wire.left))
        for header, frame in wire.left:
            protocol, where, pseudo = ether.transport(frame)
            place, = struct.unpack_from("!H", frame, start + 16)
            require("what is left is TCP's", protocol == TCP and where == start)
            require("where the sum begins and where it goes", header == (NEEDS_CHECKSUM, 0, 0, 0, start, 16, 0), header)
            require("the sum of the pseudo header", place == ~ether.checksum(pseudo) & 0xffff, place)
    peer = Peer(wire, ECHO)
    require("let in", peer.open())
    peer.write(b"salve")
    require("a short echo", peer.take(5, 3) == b"salve")  # the program has the connection now
    wire.left.clear()
    data = bytes(range(251)) * 11  # segments in several pieces, the last of an odd length
    peer.write(data)
    require("its echo, of segments that are full", peer.take(len(data)) == data)
    require("they are long", max(len(frame) for _, frame in wire.left) > 1400)
    peer.send(RST | ACK)
    wire.left.clear()
    for size in (8, 3001):
        for packet in fragments(wire, UDP, udp(wire.own4, wire.guest4, (9999, ECHO), b"d" * size), size):
            wire.packet(packet)
        answer = fire.whole_reply(wire, UDP)
        pseudo = ether.pseudo_header(wire.guest4, wire.own4, UDP, len(answer))
        require("a datagram's sum is done by the guest", answer[6:8] != b"\0\0" and ether.checksum(pseudo + answer) == 0)
    require("and not left", not wire.left)


def segments(wire, version):
    """A connection, and how its next segment is sent: `mark` makes the header, `spoil` a wrong checksum."""
    peer, start = Peer(wire, ECHO, version), 20 if version == 4 else 40
    require("let in", peer.open())

    def send(mark, spoil):
        packet = peer.segment(ACK | PSH, b"salve")
        put(wire, spoilt(packet, start + 16) if spoil else packet, mark(14 + start))
    return peer, send


def received_by_guest(wire, machine):
    """What the card vouches for is taken as it is; what it does not vouch for is summed, and dropped when it is wrong."""
    for version in (4, 6):
        peer, send = segments(wire, version)
        for mark in (lambda start: head(IS_VALID), lambda start: head(NEEDS_CHECKSUM, start, 16), lambda start: head(IS_VALID | NEEDS_CHECKSUM, start, 16)):
            send(mark, True)
            require(f"IPv{version}: what the card vouches for is not summed", answered(peer, 3))
        send(lambda start: head(), True)
        require(f"IPv{version}: without that, a wrong checksum is seen", not answered(peer))
        send(lambda start: head(), False)
        require(f"IPv{version}: and a right one", answered(peer, 3))
        peer.send(RST | ACK)
    datagram = udp(wire.own4, wire.guest4, (9999, ECHO), b"datagram")
    for header, is_spoilt in ((head(), False), (head(), True), (head(IS_VALID), True), (head(NEEDS_CHECKSUM, 34, 6), True)):
        put(wire, ip4(wire.own4, wire.guest4, UDP, spoilt(datagram, 6) if is_spoilt else datagram), header)
        require(f"a datagram, {header[0]}, {is_spoilt}", bool(reply_of(wire, UDP, 0.3)) != (header == head() and is_spoilt))
    put(wire, spoilt(ip4(wire.own4, wire.guest4, UDP, datagram), 10), head(IS_VALID))
    require("nobody vouches for the sum of IPv4's own header", reply_of(wire, UDP, 0.3) is None)
    long = udp(wire.own4, wire.guest4, (9999, ECHO), b"l" * 3000)
    for is_spoilt in (False, True):
        for packet in fragments(wire, UDP, spoilt(long, 6) if is_spoilt else long, 77 + is_spoilt):
            put(wire, packet, head(IS_VALID))
        require("nor for that of a datagram in pieces", bool(fire.whole_reply(wire, UDP, 0.5)) != is_spoilt)
    machine.wait_for("net: [0-9]+ packets with wrong checksums were dropped")
    served(wire)
    served(wire, 6, "over IPv6")


def large_frames(wire, machine):
    """Segments that the card has put together come in several buffers, however it divides them."""
    for version, start, kind in ((4, 34, 1), (6, 54, 4)):
        served(wire, version, f"over IPv{version}")
        peer = Peer(wire, ECHO, version)
        require("let in", peer.open())
        peer.write(b"salve")
        require("a short echo", peer.take(5, 3) == b"salve")
        for number, sizes in enumerate(((), (500,), (12 + start + 20, 1, 1, 2), [300] * 30, (12 + 14, start - 14, 20), (12 + start + 3, 8, 8))):
            data = os.urandom(9000 + number)
            packet = peer.segment(ACK | PSH, data)
            put(wire, spoilt(packet, start + 2), (NEEDS_CHECKSUM, kind, start + 20, 1460, start, 16, None), sizes)
            peer.seq += len(data)
            if number < 4:
                require(f"IPv{version}: a large segment's echo, {sizes}", peer.take(len(data)) == data)
            else:  # headers in pieces: dropped
                require(f"IPv{version}: headers in pieces, {sizes}", not peer.take(len(data), 0.1))
                peer.seq -= len(data)
        peer.send(RST | ACK)
    machine.wait_for("net: [0-9]+ malformed packets were dropped")
    require("the guest leaves no segments to the card", max(len(frame) for _, frame in wire.left) <= 1514)
    served(wire)


def not_offered(wire, machine):
    """The card offers nothing: the guest sums everything itself, and believes no flag."""
    for version in (4, 6):
        served(wire, version, f"over IPv{version}")
        peer, send = segments(wire, version)
        send(lambda start: head(IS_VALID | NEEDS_CHECKSUM, start, 16), True)
        require(f"IPv{version}: a flag that was not agreed upon is none", not answered(peer))
        send(lambda start: head(), False)
        require(f"IPv{version}: a right checksum", answered(peer, 3))
        peer.send(RST | ACK)
    require("nothing is left to the card", wire.finished == 0)
    machine.wait_for("net: [0-9]+ packets with wrong checksums were dropped")


def run(options, features, *tests):
    """One machine. A test that returns False leaves no card, to ask the server to end."""
    with tempfile.TemporaryDirectory(prefix="offload-") as folder:
        wire = vhost_user.Card(folder, features)
        machine = fire.Machine(options, wire, folder)
        try:
            fire.wait_for_server(wire, machine)
            has_card = True
            for test in tests:
                has_card = test(wire, machine) is not False
                print(f"ok: {test.__doc__}", flush=True)
            if has_card:
                fire.finish(wire, machine)
        except BaseException:
            print("\n".join(line for line in machine.lines[-30:] if line), file=sys.stderr)
            raise
        finally:
            machine.stop()
            wire.close()


def run_all(*runs):
    """Machines side by side: they mostly wait."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for one in [pool.submit(run, *arguments) for arguments in runs]:
            one.result()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--build-dir", required=True)
    options = parser.parse_args()
    try:
        run_all((options, vhost_user.SUMS, sent_by_guest, received_by_guest), (options, vhost_user.LARGE, large_frames, received_by_guest),
                (options, 0, not_offered))
    except (net.Failure, OSError, ValueError) as error:
        print(f"offload.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
