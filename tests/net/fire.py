#!/usr/bin/python3
"""The network under fire: a host of our own on the cable (tests/harness/ether.py) does to a server of echoes what honest hosts do not.

    fire.py --arch x86_64 --build-dir build/x86_64 [--only NAME] [--times N] [--tap | --offload]

Each attack ends with an honest client being served. Everything stays between this program and QEMU.
"""
import argparse
import os
import pathlib
import random
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
from ether import ACK, FIN, ICMP, ICMP6, PSH, RST, SYN, TCP, UDP, Peer, address, checksum, echo_request, ip4, ip6, tcp, udp, with_checksum

ECHO = 7
ECHO_KIB = 4700  # in use at most under fire, however long that takes
FAR_MAC = bytes.fromhex("020000000002")


def require(what, condition, seen=None):
    if not condition:
        raise net.Failure(f"{what}" + (f": {seen!r}" if seen is not None else ""))


def served(wire, version=4, what="an honest client is served"):
    """A whole connection: opened, data, its end."""
    peer = Peer(wire, ECHO, version)
    require(f"{what}: it is let in", peer.open())
    peer.write(b"salve")
    require(f"{what}: its echo", peer.take(5) == b"salve")
    peer.send(FIN | ACK)
    peer.seq += 1
    end = peer.receive(3, lambda segment: segment.flags & (FIN | RST))
    require(f"{what}: its end", end and end.flags & FIN)
    peer.ack += 1
    peer.send(ACK)


def reply_of(wire, protocol, seconds=2.0):
    """The guest's next packet with this protocol."""
    deadline = time.monotonic() + seconds
    while (packet := wire.receive(deadline - time.monotonic())) is not None:
        if packet[9 if packet[0] >> 4 == 4 else 6] == protocol:
            return packet
    return None


def whole_reply(wire, protocol, seconds=3.0):
    """The same, put together from its fragments; its payload."""
    data, end = {}, None
    deadline = time.monotonic() + seconds
    while packet := reply_of(wire, protocol, deadline - time.monotonic()):
        field, = struct.unpack("!H", packet[6:8])
        payload = packet[20:struct.unpack("!H", packet[2:4])[0]]
        data[(field & 0x1fff) * 8] = payload
        if not field & 0x2000:
            end = (field & 0x1fff) * 8 + len(payload)
        if end is not None and sum(map(len, data.values())) >= end:
            return b"".join(data[at] for at in sorted(data))
    return None


def fragments(wire, protocol, payload, ident, size=1480):
    return [ip4(wire.own4, wire.guest4, protocol, payload[at:at + size], ident, at // 8 | (0x2000 if at + size < len(payload) else 0))
            for at in range(0, len(payload), size)]


def left_alone(wire, machine, options):
    """A peer that does not read, and one that acknowledges nothing, are there all the time."""
    for window in (0, 65535):
        peer = Peer(wire, ECHO, window=window)
        require("let in", peer.open())
        peer.write(b"n" * 1000)
        options.left.append(peer)
    served(wire)


# What the log says of each, in the end: what is wrong, and where.
LOG = ("net: port 7: 1 connections wait, with data to send, for peers that do not read",
       "net: port 7: [0-9]+ connections send the same again and again: their peers are gone, or the network loses packets",
       "net: [0-9]+ fragments of datagrams that were never whole were dropped", "net: [0-9]+ packets with wrong checksums were dropped",
       "net: [0-9]+ malformed packets were dropped", "net: port 7: [0-9]+ half-open connections were given up", "net: the link is down", "net: the link is up",
       "echo: a client: Connection reset by peer")


# ---- below TCP -------------------------------------------------------------------------------------------------------------------

def lower_layers(wire, machine, options):
    """ARP, ICMP echo, UDP, IPv6 neighbours: what every host must do."""
    wire.frame(ether.ARP, struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + ether.MAC + wire.own4 + b"\0" * 6 + wire.guest4, ether.BROADCAST)
    while (frame := wire.next_frame(2)) and (frame[12:14] != b"\x08\x06" or frame[20:22] != b"\0\2"):
        pass
    require("the answer to who has the guest's address", frame and frame[22:28] == wire.guest_mac and frame[28:32] == wire.guest4)
    wire.packet(ip4(wire.own4, wire.guest4, ICMP, echo_request(b"e" * 1400)))
    require("ICMP echo", reply_of(wire, ICMP)[28:] == b"e" * 1400)
    wire.packet(ip4(wire.own4, wire.guest4, UDP, udp(wire.own4, wire.guest4, (9999, ECHO), b"datagram")))
    require("a datagram's echo", reply_of(wire, UDP)[28:] == b"datagram")
    wire.packet(ip4(wire.own4, wire.guest4, UDP, udp(wire.own4, wire.guest4, (9999, 4242), b"nobody")))
    require("port unreachable", reply_of(wire, ICMP)[20:22] == b"\3\3")
    answer = None
    deadline = time.monotonic() + 10
    solicited = b"\xff\2" + b"\0" * 9 + b"\1\xff" + wire.guest6[13:]
    data = struct.pack("!BBHI", 135, 0, 0, 0) + wire.guest6 + b"\1\1" + ether.MAC
    while not answer and time.monotonic() < deadline:
        wire.frame(ether.IP6, ip6(wire.own6, solicited, ICMP6, with_checksum(wire.own6, solicited, ICMP6, data, 2), 255), b"\x33\x33" + solicited[12:])
        answer = reply_of(wire, ICMP6, 0.3)
    require("a neighbour's advertisement", answer and answer[40] == 136 and answer[48:64] == wire.guest6)
    data = with_checksum(wire.own6, wire.guest6, ICMP6, struct.pack("!BBHHH", 128, 0, 0, 1, 1) + b"six", 2)
    wire.packet(ip6(wire.own6, wire.guest6, ICMP6, data))
    answer = reply_of(wire, ICMP6)
    require("ICMPv6 echo", answer and answer[40] == 129 and answer[48:] == b"six")
    served(wire, 6, "over IPv6")


def fragmented(wire, machine, options):
    """Datagrams in pieces: in any order, twice, overlapping, and thousands that are never whole."""
    request = echo_request(bytes(range(256)) * 16)
    for order in (lambda parts: parts, lambda parts: parts[::-1], lambda parts: [part for part in parts for _ in range(2)]):
        for part in order(fragments(wire, ICMP, request, random.getrandbits(16))):
            wire.packet(part)
        answer = whole_reply(wire, ICMP)
        require("the echo of a datagram in pieces", answer and answer[8:] == request[8:])
    for ident in range(600 * options.times):  # never whole
        wire.packet(fragments(wire, ICMP, request, ident)[ident % 2])
        if ident % 50 == 0:
            wire.receive(0.001)
    for ident in range(40 * options.times):  # overlapping, beyond 64 KiB, of no length, the end twice
        for field, length in ((0x2000, 800), (0x2000 | 50, 800), (0x1fff, 800), (0x2000 | 7, 0), (100, 9), (90, 80)):
            wire.packet(ip4(wire.own4, wire.guest4, ICMP, b"f" * length, 60000 + ident, field))
    while wire.receive(0.3):
        pass
    served(wire)


def damaged(wire, machine, options):
    """Wrong checksums, wrong lengths, every truncation, and bytes at random."""
    good = ip4(wire.own4, wire.guest4, ICMP, echo_request(b"checked"))
    udp_good = ip4(wire.own4, wire.guest4, UDP, udp(wire.own4, wire.guest4, (9999, ECHO), b"checked"))
    for packet in (good, udp_good):
        for at in (10, 16, 22, 26, len(packet) - 1):
            bad = bytearray(packet)
            bad[at] ^= 0x55
            wire.packet(bytes(bad))
    peer = Peer(wire, ECHO)
    require("let in", peer.open())
    bad = bytearray(peer.segment(ACK | PSH, b"never"))
    bad[-1] ^= 1
    wire.packet(bytes(bad))
    while (packet := wire.receive(0.3)) is not None:
        require("nothing that is damaged is answered", not b"checked" in packet and not b"never" in packet, packet)
    for packet in (good, udp_good, peer.segment(ACK | PSH, b"short"), Peer(wire, ECHO, 6).segment(SYN)):
        for length in range(1, len(packet)):
            wire.packet(packet[:length])
    noise = random.Random(4)
    valid = [good, udp_good, peer.segment(ACK, b"noise"), peer.segment(SYN, options=b"\2\4\5\xb4\1\3\3\7"), Peer(wire, ECHO, 6).segment(SYN, options=b"\5\x0a" + b"s" * 8)]
    for round in range(600 * options.times):
        data = bytearray(noise.choice(valid))
        for _ in range(noise.randrange(1, 5)):
            data[noise.randrange(len(data))] = noise.randrange(256)
        if round % 3 == 0:  # its header's own checksum is right: further in
            data[0], data[10:12] = 0x45, b"\0\0"
            data[10:12] = struct.pack("!H", checksum(bytes(data[:20])))
        wire.frame(noise.choice((ether.IP4, ether.IP6, ether.ARP, noise.randrange(65536))), bytes(data))
        if round % 50 == 0:
            wire.receive(0.001)
    while wire.receive(0.3):
        pass
    served(wire)
    served(wire, 6, "over IPv6")
    machine.wait_for("net: [0-9]+ packets with wrong checksums were dropped")
    machine.wait_for("net: [0-9]+ malformed packets were dropped")


# ---- TCP -------------------------------------------------------------------------------------------------------------------------

def out_of_order(wire, machine, options):
    """Segments lost, reordered, duplicated, overlapping; what the guest says to them; and its own that are lost."""
    peer = Peer(wire, ECHO)
    require("let in", peer.open())
    require("SACK is offered", 4 in peer.options and 3 in peer.options, peer.options)
    data = bytes(range(250)) * 4
    parts = [(at, data[at:at + 200]) for at in range(0, len(data), 200)]
    start = peer.seq
    peer.send(ACK | PSH, parts[1][1], seq=start + parts[1][0])  # the first is lost
    answer = peer.receive(2, lambda segment: 5 in segment.options)
    require("a selective acknowledgement", answer and answer.options[5][:8] == struct.pack("!II", start + 200, start + 400), answer and answer.options)
    for at, part in reversed(parts):
        for _ in range(2):
            peer.send(ACK | PSH, part, seq=start + at)
    peer.send(ACK | PSH, data[100:500], seq=start + 100)
    peer.seq += len(data)
    require("everything in order, once", peer.take(len(data)) == data)
    peer.write(b"x" * 3000)
    lost = peer.receive(2, lambda segment: segment.payload)
    require("sent again when nobody acknowledges it", peer.take(3000, 10) == b"x" * 3000 and lost, lost)
    served(wire)


def shrinking(wire, machine, options):
    """The longest segment is said anew in the middle of a connection, or is a byte: it counts with the SYN only, and from 64 bytes on."""
    for version in (4, 6):
        for mss in (b"\2\4\0\1", b"\2\4\0\x40", b"\2\4\xff\xff"):
            peer = Peer(wire, ECHO, version)
            require("let in", peer.open())
            peer.write(b"o" * 1000)
            require("its echo", peer.take(1000) == b"o" * 1000)
            peer.send(ACK, options=mss)
            peer.write(b"o" * 1000)
            require("its echo after that", peer.take(1000) == b"o" * 1000)
            peer.send(RST | ACK)
    peer = Peer(wire, ECHO)
    require("let in", peer.syn(options=b"\2\4\0\1"))
    peer.send(ACK)
    peer.write(b"o" * 640)
    first = peer.receive(2, lambda segment: segment.payload)
    require("segments of 64 bytes", first and len(first.payload) == 64, first and len(first.payload))
    peer.send(RST | ACK)
    served(wire)


def creeping(wire, machine, options):
    """A peer offers a window of one byte, then of two, and reads what it was sent byte by byte."""
    for first in (0, 1, 2):
        peer = Peer(wire, ECHO, window=first)
        require("let in", peer.open())
        peer.write(b"c" * 1000)
        time.sleep(0.05)
        peer.window = first + 1
        peer.write(b"d" * 1000)
        served(wire)
        peer.window = 65535
        peer.send(ACK)
        require("its echo, in the end", peer.take(2000, 10) == b"c" * 1000 + b"d" * 1000)
        peer.send(RST | ACK)
    served(wire)


def hoarded(wire, machine, options):
    """Forty connections with sixteen segments each behind a gap: more than the card has buffers; the others' packets still come in."""
    peers = []
    for number in range(40):
        peer = Peer(wire, ECHO)
        require("let in", peer.open())
        peers.append(peer)
        for at in range(2, 34, 2):
            peer.send(ACK | PSH, b"g", seq=peer.seq + at)
    while wire.receive(0.05):
        pass
    served(wire)
    for peer in peers[:20]:
        peer.send(ACK | PSH, b"0123456789", seq=peer.seq)
    require("what fills a gap is taken", peers[0].take(10) == b"0123456789")
    for peer in peers:
        peer.seq += 10
        peer.send(RST | ACK)
    served(wire)


def too_big(wire, machine, options):
    """ICMPv6 Packet Too Big with links of no length, and of any: nobody is cut into pieces of nothing."""
    for mtu in (0, 47, 48, 56, 1279, 65535, 0xffffffff):
        peer = Peer(wire, ECHO, 6)
        require("let in", peer.open())
        quoted = peer.segment(ACK)
        quoted = quoted[:8] + quoted[24:40] + quoted[8:24] + quoted[40:]
        data = struct.pack("!BBHI", 2, 0, 0, mtu) + quoted
        wire.packet(ip6(wire.own6, wire.guest6, ICMP6, with_checksum(wire.own6, wire.guest6, ICMP6, data, 2)))
        peer.write(b"b" * 1000)
        require(f"its echo after a link of {mtu}", peer.take(1000) == b"b" * 1000)
        peer.send(RST | ACK)
    served(wire, 6, "over IPv6")


def losses(wire, machine, options):
    """A quarter of the packets of both directions is lost, some come twice or late; all data arrives."""
    chance = random.Random(7)
    peer = Peer(wire, ECHO)
    require("let in", peer.open())
    data = bytes(chance.randrange(256) for _ in range(8000 * options.times))
    first, sent, got, late = peer.seq, 0, bytearray(), []
    acknowledged, since = 0, time.monotonic()
    # The guest's timer doubles with every loss: a cable that is bad for ever would need any time.
    good_from, deadline = since + 8 * options.times, since + 60 * options.times
    while len(got) < len(data) and time.monotonic() < deadline:
        while sent < len(data) and sent - acknowledged < 8000:
            late.append(sent)
            sent += 1000
        if time.monotonic() - since > 0.15:
            late.append(acknowledged)  # what was lost
            since = time.monotonic()
        for at in late:
            for _ in range(chance.choice((0, 1, 1, 1, 2))):
                peer.send(ACK | PSH, data[at:at + 1000], seq=first + at, window=16000)
        late.clear()
        segment = peer.receive(0.05)
        is_good = time.monotonic() > good_from
        if not segment or (not is_good and chance.random() < 0.25):
            continue
        require("no reset", not segment.flags & RST)
        if (segment.ack - first) % 2**32 > acknowledged and (segment.ack - first) % 2**32 <= len(data):
            acknowledged, since = segment.ack - first, time.monotonic()
        if segment.payload:
            peer.arrived[segment.seq] = segment.payload
            while peer.ack in peer.arrived:
                part = peer.arrived.pop(peer.ack)
                got += part
                peer.ack += len(part)
            if is_good or chance.random() < 0.75:
                peer.send(ACK, seq=first + acknowledged, window=16000)
    require("all of it", bytes(got) == data, len(got))
    peer.send(RST | ACK, seq=first + sent)
    served(wire)


def long_path(wire, machine, options):
    """A long path: who fills the window time and again has a larger one, which is kept to, and shuts when nobody reads."""
    peer = Peer(wire, ECHO)
    answer = peer.syn()
    require("the window of who begins, and its scale", answer and answer.window == 16064 and peer.options.get(3) == b"\5", answer and peer.options)
    time.sleep(0.7)  # the round trip, as the guest sees it
    peer.send(ACK)
    peer.write(b"?")
    require("it is served", peer.take(1) == b"?")
    first = sent = acknowledged = peer.seq
    edge, largest, got, data = first + answer.window - 1, 0, bytearray(), bytes(range(251)) * 20000
    is_shut, deadline = False, time.monotonic() + 30
    while not is_shut or first + len(got) < sent:
        require("it goes on", time.monotonic() < deadline, (sent - first, acknowledged - first, len(got)))
        while not is_shut and sent < edge:
            part = data[sent - first:min(sent + 1400, edge) - first]
            peer.send(ACK | PSH, part, seq=sent)
            sent += len(part)
        segment = peer.receive(0.3)
        if not segment and acknowledged == sent and largest > 1 << 16:
            require("the window is shut", edge - sent < 32, edge - sent)
            served(wire, what="another client beside one who does not read")
            is_shut, peer.window = True, 65535
            peer.send(ACK, seq=sent)
        if not segment:
            continue
        require("no reset", not segment.flags & RST)
        require("the window's right edge stays", segment.ack + (segment.window << 5) > edge - 32, (segment.ack, segment.window, edge))
        acknowledged, largest = segment.ack, max(largest, segment.window << 5)
        edge = max(edge, segment.ack + (segment.window << 5))
        if largest > 1 << 16 and not is_shut:
            peer.window = 0  # nobody wants the echoes until the guest's window is shut
        if segment.payload:
            peer.arrived[segment.seq] = segment.payload
            while peer.ack in peer.arrived:
                part = peer.arrived.pop(peer.ack)
                got += part
                peer.ack += len(part)
            peer.send(ACK, seq=sent)
    require("its echo", got == data[:len(got)])
    peer.send(RST | ACK, seq=sent)
    small = Peer(wire, ECHO)
    answer = small.syn(b"\2\4\5\xb4")
    require("to who scales no windows none is scaled", answer and answer.window == 16064 and 3 not in small.options)
    small.send(RST | ACK)
    served(wire)


def resets(wire, machine, options):
    """RST at every stage of a connection; and where it is none, it has no effect."""
    for stage in ("begun", "open", "data", "unread", "ended"):
        peer = Peer(wire, ECHO)
        require("let in", peer.syn())
        if stage != "begun":
            peer.send(ACK)
        if stage in ("data", "unread"):
            peer.write(b"y" * (100 if stage == "data" else 1400))
        if stage == "data":
            require("its echo", peer.take(100) == b"y" * 100)
        if stage == "ended":
            peer.send(FIN | ACK)
            peer.seq += 1
            peer.receive(2, lambda segment: segment.flags & FIN)
        peer.send(RST | ACK)
        peer.write(b"z")
        answer = peer.receive(0.5, lambda segment: segment.seq != peer.ack or segment.flags & RST)
        require(f"nothing more of one that was reset when {stage}", not answer or answer.flags & RST or stage in ("unread", "ended"), answer and answer.flags)
    peer = Peer(wire, ECHO)
    require("let in", peer.open())
    for wrong in (1 << 20, -5000, 1 << 31):
        peer.send(RST, seq=peer.seq + wrong)
    peer.write(b"still")
    require("a reset outside of the window is none", peer.take(5) == b"still")
    answer = Peer(wire, 4242).syn()
    require("a port that nobody listens at answers with a reset", answer and answer.flags & RST)
    stranger = Peer(wire, ECHO)
    stranger.send(ACK | PSH, b"of no connection")
    answer = stranger.receive(2)
    require("as does a segment of no connection", answer and answer.flags & RST)
    served(wire)


def forged(wire, machine, options):
    """Packets in the guest's own name, or in the loopback's: dropped, where an echo would go round in the machine for ever."""
    local = address("127.0.0.1")
    for source, target in ((wire.guest4, wire.guest4), (local, wire.guest4), (wire.own4, local), (local, local)):
        wire.packet(ip4(source, target, UDP, udp(source, target, (ECHO, ECHO), b"round")))
        wire.packet(ip4(source, target, TCP, tcp(source, target, (ECHO, ECHO), 1, 0, SYN)))
    local = address("::1")
    for source, target in ((wire.guest6, wire.guest6), (local, wire.guest6), (wire.own6, local)):
        wire.packet(ip6(source, target, UDP, with_checksum(source, target, UDP, struct.pack("!HHHH", ECHO, ECHO, 13, 0) + b"round", 6)))
        wire.packet(ip6(source, target, TCP, tcp(source, target, (ECHO, ECHO), 1, 0, SYN)))
    served(wire)
    served(wire, 6, "over IPv6")
    machine.wait_for("net: [0-9]+ packets were dropped that somebody on the network sends in this machine's own name")


def claimed(wire, machine, options):
    """Somebody else says that the guest's IPv6 address is his: it is kept by who had it first."""
    everybody = address("ff02::1")
    data = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + wire.guest6 + b"\2\1" + FAR_MAC
    for head, kind in ((b"", ICMP6), (struct.pack("!BB6s", ICMP6, 0, b"\1\4\0\0\0\0"), 0)):  # and behind a header of options
        packet = head + with_checksum(wire.own6, everybody, ICMP6, data, 2)
        wire.frame(ether.IP6, ip6(wire.own6, everybody, kind, packet, 255), b"\x33\x33\0\0\0\1")
    served(wire, 6, "over IPv6")


def guessed(wire, machine, options):
    """Where connections begin cannot be guessed, and between the same ports goes on; what acknowledges nothing that was sent is nobody's."""
    firsts = []
    for _ in range(8):
        peer = Peer(wire, ECHO)
        firsts.append(peer.syn().seq)
        peer.send(RST | ACK)
    steps = [(after - before) % 2**32 for before, after in zip(firsts, firsts[1:])]
    require("first numbers that do not follow each other", sum(step < 1 << 24 for step in steps) < 4, steps)
    start = time.monotonic()
    peer.seq = 1000
    step = (peer.syn().seq - firsts[-1]) % 2**32
    require("a first number beyond the last between these ports, by a clock of 4 us", 0 < step < (time.monotonic() - start + 60) * 250000, step)
    peer.send(ACK)
    for wrong in (1, 1 << 20, 1 << 31, -(1 << 24)):
        peer.send(ACK | PSH, b"guess", ack=(peer.ack + wrong) % 2**32)
    peer.send(PSH, b"guess")
    peer.write(b"known")
    require("what a stranger guesses is not taken", peer.take(5) == b"known")
    peer.send(RST | ACK)
    served(wire)


def slow(wire, machine, options):
    """A peer that does not read, and one that writes byte by byte: others do not notice."""
    stuck = Peer(wire, ECHO, window=0)
    require("let in", stuck.open())
    stuck.write(b"s" * 1000)
    for number in range(40):  # the server blocks no later than when its rings are full; this one is below
        served(wire) if number % 20 == 0 else None
    trickle = Peer(wire, ECHO)
    require("let in", trickle.open())
    for byte in b"drop by drop":
        trickle.write(bytes([byte]))
        require("each byte's echo", trickle.take(1) == bytes([byte]))
    stuck.window = 65535
    stuck.send(ACK)
    require("the window opens", stuck.take(1000, 10) == b"s" * 1000)
    served(wire)


def half_open(wire, machine, options):
    """A flood of SYN from hosts that never answer; others come through it."""
    hosts = [bytes((10, 0, 0, 10 + number % 240)) for number in range(500 * options.times)]
    wire.neighbours |= set(hosts)
    flood = [Peer(wire, ECHO, source=host) for host in hosts]
    for number, peer in enumerate(flood):
        peer.send(SYN, options=b"\2\4\5\xb4")
        if number % 25 == 0:
            while wire.receive(0.002):
                pass
        if number % 500 == 250:
            served(wire, what=f"while {number} are half open")
    served(wire)
    machine.wait_for("net: port 7: .*half-open connections were given up")


def connections(wire, machine, options):
    """More connections than the server takes: opened and left alone, then reset; the next is served."""
    many = []
    for _ in range(100):
        peer = Peer(wire, ECHO)
        require("let in", peer.open())
        many.append(peer)
    for peer in many:
        peer.send(RST | ACK)
    deadline = time.monotonic() + 20
    while True:  # the server has to see first that there is room again
        try:
            served(wire)
            return
        except net.Failure:
            require("there is room again", time.monotonic() < deadline)


def unplugged(wire, machine, options):
    """The cable is drawn while data flows, and put back: the connection goes on."""
    peer = Peer(wire, ECHO)
    require("let in", peer.open())
    peer.write(b"before")
    require("before", peer.take(6) == b"before")
    start = len(machine.lines)
    machine.monitor("set_link net off")
    machine.wait_for("net: the link is down", start)
    peer.write(b"lost!!")
    time.sleep(0.2)
    machine.monitor("set_link net on")
    machine.wait_for("net: the link is up", start)
    peer.send(ACK | PSH, b"lost!!", seq=peer.seq - 6)
    require("after", peer.take(6, 10) == b"lost!!")
    served(wire)


ATTACKS = (left_alone, lower_layers, fragmented, damaged, too_big, shrinking, creeping, out_of_order, hoarded, losses, long_path, resets, forged, claimed, guessed, slow, half_open, connections, unplugged)


class Machine(net.Machine):
    """The echo server's, on our cable, with QEMU's monitor."""

    def __init__(self, options, wire, folder):
        self.monitor_path = os.path.join(folder, "monitor")
        super().__init__(options, "net-echo", [], [*wire.qemu(), f"--qemu=-monitor", f"--qemu=unix:{self.monitor_path},server=on,wait=off"])

    def monitor(self, command):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as monitor:
            monitor.connect(self.monitor_path)
            monitor.settimeout(5)
            for text in (None, command):
                if text:
                    monitor.sendall(text.encode() + b"\n")
                heard = b""
                while not heard.endswith(b"(qemu) "):
                    heard += monitor.recv(4096)


def find_neighbour(wire):
    """The guest's IPv6 address; it looks for a second first whether that is its own alone."""
    deadline = time.monotonic() + 10
    while not wire.guest6 and time.monotonic() < deadline:
        wire.receive(0.1)
    require("the guest has an IPv6 address", wire.guest6)
    while time.monotonic() < deadline:
        data = with_checksum(wire.own6, wire.guest6, ICMP6, struct.pack("!BBHHH", 128, 0, 0, 2, 1), 2)
        wire.packet(ip6(wire.own6, wire.guest6, ICMP6, data))
        if (answer := reply_of(wire, ICMP6, 0.2)) and answer[40] == 129:
            return
    raise net.Failure("the guest does not answer at its IPv6 address")


def wait_for_server(wire, machine):
    """The machine is up, and the guest knows its addresses."""
    deadline = time.monotonic() + net.PATIENCE
    while not any(line and "echo: listening" in line for line in machine.lines):
        require("the machine starts", time.monotonic() < deadline and None not in machine.lines, machine.lines[-3:])
        wire.receive(0.05)
    find_neighbour(wire)


def finish(wire, machine):
    """The echo server is asked to end, and the machine must have lost nothing."""
    last = Peer(wire, ECHO)
    require("let in", last.open())
    last.write(b"quit\n")
    machine.finish()


def run(options):
    options.left = []
    with tempfile.TemporaryDirectory(prefix="fire-") as folder:
        wire = ether.Tap(folder) if options.tap else vhost_user.Card(folder, vhost_user.LARGE) if options.offload else ether.Wire(folder)
        machine = Machine(options, wire, folder)
        try:
            wait_for_server(wire, machine)
            for attack in ATTACKS:
                if options.only in (None, attack.__name__):
                    start = time.monotonic()
                    attack(wire, machine, options)
                    print(f"ok: {attack.__doc__.splitlines()[0]} ({time.monotonic() - start:.1f} s)", flush=True)
            finish(wire, machine)
            machine.expect_memory(ECHO_KIB)
            if options.tap or options.offload:
                require("checksums are left to the card", options.only or wire.finished > 100, wire.finished)
                print(f"ok: the guest left {wire.finished} checksums to the card")
        except BaseException:
            print("\n".join(line for line in machine.lines[-30:] if line), file=sys.stderr)
            raise
        finally:
            machine.stop()
            wire.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--build-dir", required=True)
    parser.add_argument("--only", choices=[attack.__name__ for attack in ATTACKS])
    cards = parser.add_mutually_exclusive_group()
    cards.add_argument("--tap", action="store_true", help="over an interface of this host, as root: with checksums that are left to the card")
    cards.add_argument("--offload", action="store_true", help="with checksums that are left to the card, which is of our own making (tests/harness/vhost_user.py)")
    parser.add_argument("--times", type=int, default=1, help="so many times as much of what is random or many")
    try:
        run(parser.parse_args())
    except (net.Failure, OSError, ValueError) as error:
        print(f"fire.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
