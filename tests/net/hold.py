#!/usr/bin/python3
"""Hundreds who take what they can get and give nothing back, and honest ones beside them: from the cable (tests/harness/ether.py), peers that ask for much
and do not read, that read a byte at a time, that acknowledge nothing; from inside, a program (hold.c) that does not accept, that fills connections to a
peer who does not read, that writes to neighbours who are not there. Meanwhile echoes come back and messages of QoS 1 and 2 arrive, each within PATIENCE;
what is acknowledged is not lost; and when the bad ones are gone, all is as before.

    hold.py --arch x86_64 --build-dir build/x86_64 [--mosquitto build/host] [--only NAME] [--clients N] [--rounds N]

With --mosquitto the clients are that broker's.
"""
import argparse
import pathlib
import re
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "harness")]
import ether
import net
from ether import Stream
from fire import require
import attack
import wire as mqtt

ECHO, UNACCEPTED, ORDERS, BROKER, SILENT = 7, (9, 10), 11, 1883, 900
PATIENCE = 6  # seconds that an honest one waits at most, to be let in or for an echo and two messages
SIZES = (100, 3000, 40000)  # bytes of messages and echoes
MEMORY_KIB, CLIENT_KIB = 13000, 90  # in use at most, however long it takes, and for each bad client: two servers have rings for each, or the bad program has
GROWN_KIB = 3 * (64 << 10) // 8  # larger rings of three programs, of each an eighth of what it may have
TINY = 64  # the shortest segments that a peer may ask for


class Client(mqtt.Client):
    """A client of the broker's on our cable."""

    def __init__(self, host, port, version=4):
        self.version, self.timeout, self.buffer, self.next_identifier = version, PATIENCE, b"", 0
        self.socket = Stream(host, port, seconds=PATIENCE)
        self.socket.until(lambda: self.socket.is_open)


class Witness:
    """Honest ones of all servers. `looks` is how often they were served, and `longest` how long that took at most."""

    def __init__(self, host, has_echo):
        self.host, self.looks, self.longest = host, 0, 0.0
        self.echo = Stream(host, ECHO, seconds=PATIENCE) if has_echo else None
        self.messages = attack.Witness(BROKER, lambda: Client(host, BROKER))

    def echoed(self, stream, data):
        stream.sendall(data)
        back = b""
        while len(back) < len(data):
            part = stream.recv(len(data))
            require("an echo's end comes too early", part)
            back += part
        require("its echo", back == data)

    def look(self, size=0):
        begun = time.monotonic()
        if self.echo:
            self.echoed(self.echo, b"salve %d" % self.looks + b"." * size)
        self.messages.look(size)
        self.looks += 1
        took = time.monotonic() - begun
        require(f"an honest one is served within {PATIENCE} s", took < PATIENCE, took)
        self.longest = max(self.longest, took)

    def new_ones(self):
        """Who comes now is served, too."""
        if self.echo:
            late = Stream(self.host, ECHO, seconds=PATIENCE)
            self.echoed(late, b"late")
            late.close()
        late = Client(self.host, BROKER)
        late.connect("late")
        late.disconnect()


class Crowd:
    """The bad ones. They come in groups, since a listener's queue is not longer than that."""

    GROUP = 60

    def __init__(self, host):
        self.host, self.members = host, []

    def open(self, count, port, words, is_heard=False, **how):
        """`words`: what each says, by its number; it goes on saying that until it is acknowledged. `is_heard`: which is waited for."""
        opened = 0
        for first in range(0, count, self.GROUP):
            group = [Stream(self.host, port, **how) for _ in range(first, min(count, first + self.GROUP))]
            self.members += group
            opened += self.host.opened(group, PATIENCE)
            for number, stream in enumerate(group):
                if stream.is_open:
                    stream.put(words(first + number))
            deadline = time.monotonic() + PATIENCE
            while is_heard and any(stream.out for stream in group) and time.monotonic() < deadline:
                self.host.turn(0.05)
        return opened

    def take_more(self, count=1):
        for stream in self.members:
            if stream.takes is not None and not stream.is_reset:
                stream.takes += count
                stream.say(ether.ACK)

    def leave(self):
        for number, stream in enumerate(self.members):
            stream.reset()
            if number % 50 == 0:
                self.host.wait(0.01)
        self.members = []


def watch(witness, crowd, rounds, drips=False, work=lambda number: None):
    """The honest ones are served, all the time."""
    for number in range(rounds):
        work(number)
        if drips:
            crowd.take_more()
        witness.look(SIZES[number % len(SIZES)])
        witness.host.wait(0.05)
    witness.new_ones()


def said(witness, machine, pattern, start=0):
    """The cable goes on meanwhile."""
    deadline = time.monotonic() + net.PATIENCE
    while not any(line and re.search(pattern, line) for line in machine.lines[start:]):
        witness.host.turn(0.05)
        require(f"the machine says '{pattern}'", None not in machine.lines[start:] and time.monotonic() < deadline)


# ---- from outside: peers of the echo server ----------------------------------------------------------------------------------------

def echo_deaf(witness, options, machine):
    """They send to the echo server, and read nothing of it."""
    crowd = Crowd(witness.host)
    opened = crowd.open(options.clients, ECHO, lambda number: b"e" * 16000, takes=0)
    require("the bad ones are let in", opened == options.clients, opened)
    watch(witness, crowd, options.rounds)
    crowd.leave()


def echo_slow(witness, options, machine):
    """They read a byte at a time, of segments as short as may be."""
    crowd = Crowd(witness.host)
    crowd.open(options.clients // 3, ECHO, lambda number: b"s" * 16000, takes=1, mss=TINY)
    watch(witness, crowd, options.rounds, drips=True)
    crowd.leave()


def echo_mute(witness, options, machine):
    """They ask for segments as short as may be, have room for all, and acknowledge none."""
    crowd = Crowd(witness.host)
    crowd.open(options.clients, ECHO, lambda number: b"m" * 16000, is_mute=True, mss=TINY)
    watch(witness, crowd, options.rounds)
    crowd.leave()


# ---- clients of a broker -----------------------------------------------------------------------------------------------------------

ANSWERS = 9  # bytes: CONNACK and SUBACK


def subscriber(number, name):
    """Says who it is, and what it wants of the broker: everything, some of them more."""
    topic = "more/#" if number < 10 else "bulk/#"
    return attack.hello(f"{name}{number}", 4) + mqtt.packet(mqtt.SUBSCRIBE, b"\0\1" + mqtt.text(topic) + bytes([number % 3]), 2)


def broker_crowd(witness, options, machine):
    """Subscribers to much: most never read, some read a byte at a time, some acknowledge nothing; another publishes to them all."""
    crowd, publisher = Crowd(witness.host), Client(witness.host, BROKER)
    publisher.connect("bulk", keep_alive=0)
    third = options.clients // 6
    opened = crowd.open(options.clients, BROKER, lambda number: subscriber(number, "deaf"), True, takes=2000)
    opened += crowd.open(third, BROKER, lambda number: subscriber(number, "slow"), True, takes=2000, mss=TINY)
    opened += crowd.open(third, BROKER, lambda number: subscriber(number, "mute"), True, is_mute=True, mss=TINY)
    require("the bad ones are let in", opened == options.clients + 2 * third, opened)

    def publish(number):
        for topic, size in (("bulk", 8000), ("more", 60000)):
            publisher.socket.put(mqtt.packet(mqtt.PUBLISH, mqtt.text(f"{topic}/{number}") + b"b" * size))

    watch(witness, crowd, options.rounds, drips=True, work=publish)
    hungry = sum(stream.taken > ANSWERS for stream in crowd.members)
    require("they get something of what they ask for", hungry == options.clients + third, [stream.taken for stream in crowd.members])
    if witness.echo:
        said(witness, machine, "broker: '(deaf|slow|mute)[0-9]+' does not read: ")
    crowd.leave()
    publisher.disconnect()


# ---- from inside -------------------------------------------------------------------------------------------------------------------

def orders(witness, machine, text, answer):
    start = len(machine.lines)
    witness.master.put(text)
    said(witness, machine, answer, start)


def unaccepted(witness, options, machine):
    """A program does not accept who connects to it, hundreds who have sent data."""
    orders(witness, machine, b"l", "two listeners")
    crowd = Crowd(witness.host)
    for port in UNACCEPTED:
        crowd.open(options.clients // 2, port, lambda number: b"u" * 12000)
        watch(witness, crowd, options.rounds)
    crowd.leave()
    orders(witness, machine, b"x", "all is let go")


def hoarding(witness, options, machine):
    """A program opens hundreds of connections to a peer who does not read, and fills them all."""
    deaf = []
    witness.host.listens[SILENT] = lambda segment: deaf.append(Stream(witness.host, SILENT, takes=0, begun=segment))
    orders(witness, machine, b"c", "connections")
    watch(witness, None, options.rounds)
    require("its connections", sum(stream.is_open for stream in deaf) >= 100, len(deaf))
    orders(witness, machine, b"x", "all is let go")
    for stream in deaf:
        stream.reset()


def nobody_there(witness, options, machine):
    """A program sends datagrams of 16,000 bytes to neighbours who do not answer."""
    witness.master.put(b"d")
    watch(witness, None, options.rounds)
    orders(witness, machine, b"x", "all is let go")


SCENES = (echo_deaf, echo_slow, echo_mute, broker_crowd, unaccepted, hoarding, nobody_there)


def mosquitto(options, folder):
    """Mosquitto alone, as `./tessera run mosquitto` has it; the archive."""
    granted = {"clock": True, "random": True, "fs": {"/etc/mosquitto": "r", "/data": "rw"}, "net": {"listen": [f"tcp:{BROKER}"]}}
    program = {"name": "mosquitto", "image": net.translated(options, "mosquitto"), "request": "granted",
               "arguments": ["mosquitto", "-c", "/etc/mosquitto/mosquitto.conf"], "grant": granted, "memory": 64 << 20}
    mounts = {"/etc/mosquitto": {"folder": str(net.ROOT / "demos/ports/mosquitto/etc")}, "/data": {"memory": 64 << 20}}
    return net.packed(options, {"programs": [program], "mounts": mounts}, folder)


def play(witness, machine, options, scenes):
    watch(witness, None, 1)
    for scene in scenes:
        if options.only in (None, scene.__name__):
            start, witness.longest = time.monotonic(), 0.0
            scene(witness, options, machine)
            watch(witness, None, 1)
            print(f"ok: {scene.__doc__} ({time.monotonic() - start:.1f} s, {witness.looks} looks, the longest {witness.longest:.1f} s)", flush=True)
    print(f"ok: {witness.messages.finish()} messages were acknowledged, and none was lost")


def finish(witness, machine, options):
    """All programs end, and the net server's books must agree."""
    witness.master.close()
    witness.echo.sendall(b"quit\n")
    deadline = time.monotonic() + net.PATIENCE
    while machine.process.poll() is None and time.monotonic() < deadline:
        witness.host.turn(0.05)
    machine.finish()
    machine.expect_memory(MEMORY_KIB + GROWN_KIB + CLIENT_KIB * options.clients)


def run(options):
    with tempfile.TemporaryDirectory(prefix="hold-") as folder:
        cable = ether.Wire(folder)
        archive = mosquitto(options, folder) if options.host_dir else "net-hold"
        host, machine = ether.Host(cable), net.Machine(options, archive, [], cable.qemu())
        try:
            deadline = time.monotonic() + net.PATIENCE
            for ready in ("mosquitto version .* running",) if options.host_dir else ("echo: listening", "broker: listening", "hold: ready"):
                while not any(line and re.search(ready, line) for line in machine.lines):
                    require("the machine starts", time.monotonic() < deadline and None not in machine.lines, machine.lines[-3:])
                    host.turn(0.05)
            witness = Witness(host, not options.host_dir)
            if options.host_dir:
                play(witness, machine, options, [broker_crowd])
            else:
                witness.master = Stream(host, ORDERS)
                play(witness, machine, options, SCENES)
                finish(witness, machine, options)
        except BaseException:
            print("\n".join(line for line in machine.lines[-30:] if line and "a client from" not in line), file=sys.stderr)
            raise
        finally:
            machine.stop()
            cable.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--build-dir", required=True)
    parser.add_argument("--mosquitto", dest="host_dir", metavar="HOST_DIR", help="the host's build folder: Mosquitto is the broker, and alone")
    parser.add_argument("--only", choices=[scene.__name__ for scene in SCENES])
    parser.add_argument("--clients", type=int, default=300, help="so many bad ones at a time")
    parser.add_argument("--rounds", type=int, default=3, help="how often the honest ones are looked at in each scene")
    try:
        run(parser.parse_args())
    except (net.Failure, attack.Failure, mqtt.Closed, OSError, ValueError) as error:
        print(f"hold.py: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
