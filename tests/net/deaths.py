#!/usr/bin/python3
"""The net server dies while programs wait for the network, each in another way (deaths.c); on the cable a host of our own
(tests/harness/ether.py), which tells it to die and calls the next one's listeners.

    deaths.py --arch x86_64 --build-dir build/x86_64
"""
import json
import pathlib
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "harness")]
import ether
import names
import net
from ether import ACK, RST, TCP, UDP, Peer, address, ip4, udp

FAULT_PORT = 666  # faulty_server.h
LISTENERS = {"accept": 71, "poll-listener": 72, "epoll-listener": 73}
SILENT = address("10.0.0.6")


def told(machine, way, what):
    with machine.news:
        return any(line and line.startswith(f"{way}: deaths: {way}: {what}") for line in machine.lines)


def serve(wire, until, seconds=net.PATIENCE):
    """Takes connections, without another word, until that is so."""
    deadline = time.monotonic() + seconds
    while not until():
        if time.monotonic() > deadline:
            return False
        packet = wire.receive(0.05)
        if packet and packet[0] >> 4 == 4 and packet[9] == TCP and packet[16:20] != SILENT:
            names.accepted(wire, packet)
    return True


def datagram(wire, port, content):
    wire.packet(ip4(wire.own4, wire.guest4, UDP, udp(wire.own4, wire.guest4, (port, 7), content)))


def call(wire, machine):
    """Whoever still waits for somebody hears from us, until all are content."""
    if not told(machine, "recvfrom", "good"):
        datagram(wire, 500, b"salve")
    for way, port in LISTENERS.items():
        if not told(machine, way, "good") and (answer := (peer := Peer(wire, port)).syn()) and not answer.flags & RST:
            peer.send(ACK)


def die(wire, machine, ways):
    if not serve(wire, lambda: all(told(machine, way, "waits") for way in ways)):
        raise net.Failure("not all programs come to wait")
    serve(wire, lambda: False, 0.2)  # they say so a moment before
    datagram(wire, FAULT_PORT, b"die")
    at = machine.wait_for("net: killed")
    if early := [way for way in ways if told(machine, way, "good")]:
        raise net.Failure(f"{early[0]} did not wait")
    deadline = time.monotonic() + net.PATIENCE
    while machine.process.poll() is None and time.monotonic() < deadline:
        if any(line and "WRONG" in line for line in machine.lines[at:]):
            break
        if serve(wire, lambda: told(machine, "recvfrom", "good"), 0.2):
            call(wire, machine)
        else:
            datagram(wire, 500, b"salve")
    if missing := [way for way in ways if not told(machine, way, "good")]:
        raise net.Failure(f"after the net server's death not as it should be: {', '.join(missing)}")


def run(options):
    with open(HERE / "deaths-system.json", encoding="utf-8") as file:
        ways = [program["name"] for program in json.load(file)["programs"]]
    with tempfile.TemporaryDirectory(prefix="deaths-") as folder:
        wire = ether.Wire(folder)
        wire.neighbours |= {address("10.0.0.3"), SILENT}
        machine = net.Machine(options, "net-deaths", [], wire.qemu())
        try:
            die(wire, machine, ways)
            machine.finish()
        except BaseException:
            print("\n".join(line for line in machine.lines[-60:] if line), file=sys.stderr)
            raise
        finally:
            machine.stop()


if __name__ == "__main__":
    sys.exit(names.main(run, __doc__))
