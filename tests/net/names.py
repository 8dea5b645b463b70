#!/usr/bin/python3
"""Names and waiting: a program in C on the socket library, and on the cable a host of our own (tests/harness/ether.py) that is its name server
and its peer.

    names.py --arch x86_64 --build-dir build/x86_64
"""
import argparse
import pathlib
import struct
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "harness")]
import ether
import net
from ether import ACK, RST, SYN, UDP, Peer, Segment, address, ip4, udp

PORT = 443
A, AAAA = 1, 28
NAMES = {("www.example", A): "10.0.0.3", ("www.example", AAAA): "fd00::3", ("four.example", A): "10.0.0.4", ("six.example", AAAA): "fd00::3",
         ("www.test", A): "10.0.0.5", ("www.test", AAAA): "fd00::5",
         ("local.example", A): "127.0.0.1", ("local.example", AAAA): "::1"}
PLACES = ("10.0.0.3", "10.0.0.4", "10.0.0.5", "fd00::3", "fd00::5", "fd00::6")


def name_answer(wire, packet):
    """To a question for an address (RFC 1035)."""
    port, = struct.unpack("!H", packet[20:22])
    query, at, labels = packet[28:], 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    kind, = struct.unpack("!H", query[at + 1:at + 3])
    name = ".".join(labels)
    found = NAMES.get((name, kind))
    known = any(name == other for other, _ in NAMES)
    head = query[:2] + struct.pack("!HHHHH", 0x8180 | (0 if known else 3), 1, 1 if found else 0, 0, 0) + query[12:at + 5]
    data = address(found) if found else b""
    record = b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data if found else b""
    wire.packet(ip4(wire.own4, wire.guest4, UDP, udp(wire.own4, wire.guest4, (53, port), head + record)))


def accepted(wire, packet):
    """The near end of a connection that the guest begins."""
    segment = Segment.of(packet)
    if not segment or segment.flags != SYN or segment.ports[1] != PORT:
        return None
    peer = Peer(wire, 0, source=segment.target)
    peer.target = segment.source
    peer.ports, peer.ack = segment.ports[::-1], segment.seq + 1
    peer.send(SYN | ACK, options=b"\2\4\5\xb4")
    peer.seq += 1
    return peer


def serve(wire, machine):
    """Answers for names; of its connections it takes the first word, and is silent then. How often it was asked whether it is there, and the
    ports that came: of connections, of questions."""
    probes, peers, asked = 0, {}, []
    deadline = time.monotonic() + net.PATIENCE
    while time.monotonic() < deadline and machine.process.poll() is None:
        packet = wire.receive(0.1)
        if packet is None:
            continue
        if packet[0] >> 4 == 4 and packet[9] == UDP and packet[22:24] == b"\0\x35":
            asked.append(struct.unpack("!H", packet[20:22])[0])
            name_answer(wire, packet)
        elif peer := accepted(wire, packet):
            peers[peer.ports] = peer
        elif segment := Segment.of(packet):
            peer = peers.get(segment.ports[::-1])
            if not peer or segment.flags & RST:
                continue
            if segment.payload == b"salve":
                peer.ack += 5
                peer.send(ACK, window=5000)
            elif peer.source == address("10.0.0.4") and segment.seq == peer.ack - 1:
                probes += 1
    return probes, [ports[1] for ports in peers], asked


def check_ports(kind, ports):
    """Nobody who knows one of them knows the next."""
    near = sum(abs(after - before) < 64 for before, after in zip(ports, ports[1:]))
    if len(ports) < 2 or near > len(ports) // 2:
        raise net.Failure(f"ports of {kind} that follow each other: {ports}")



def run(options):
    with tempfile.TemporaryDirectory(prefix="names-") as folder:
        wire = ether.Wire(folder)
        wire.neighbours |= {address(text) for text in PLACES}
        wire.prefix = address("fd00::")
        machine = net.Machine(options, "net-names", [], wire.qemu())
        try:
            probes, connections, questions = serve(wire, machine)
            machine.finish()
            if probes != 2:
                raise net.Failure(f"{probes} keep-alive probes came, not two")
            check_ports("connections", connections)
            check_ports("questions", questions)
            machine.wait_for("names: 0 failures")
            for address_text in ("10.0.0.5", r"\[fd00::5\]", "127.0.0.1"):
                machine.wait_for(rf"process: names: refused: net.connect 'tcp:{address_text}:443' is not granted")
            told = sum("'tcp:10.0.0.5:443'" in (line or "") for line in machine.lines)
            if told != 1:  # it was tried twice
                raise net.Failure(f"the log names what was refused {told} times, not once")
        except BaseException:
            print("\n".join(line for line in machine.lines[-40:] if line), file=sys.stderr)
            raise
        finally:
            machine.stop()


def main(test, description):
    """Of this test, and of others with such a host."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--build-dir", required=True)
    try:
        test(parser.parse_args())
    except (net.Failure, OSError, ValueError) as error:
        print(f"{pathlib.Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(run, __doc__))
