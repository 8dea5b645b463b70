"""A broker under fire: clients that flood, hang, do not read, or send what MQTT does not know, and beside them honest ones, who must not notice."""
import random
import socket
import struct
import time

import wire
from wire import CONNECT, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBSCRIBE, Closed, packet, text


HELD_MAX = 100


class Failure(Exception):
    pass


def all_messages(client, count):
    """So many, and what comes in the second behind them; fewer only when none has come for ten."""
    there, silent = [], 0
    while silent == 0 or (len(there) < count and silent < 10):
        more = client.messages(1)
        there += more
        silent = silent + 1 if not more or len(there) >= count else 0
    return there


class Witness:
    """An honest pair: one publishes, the other gets it; and a third who is away all the time, for whom everything is kept. `client` makes one."""

    def __init__(self, port, client=None):
        self.client, self.count, self.acknowledged = client or (lambda: wire.Client(port, timeout=30)), 0, []
        self.sender, self.receiver, absent = (self.client() for _ in range(3))
        absent.connect("fire-absent", clean=False)
        absent.subscribe(("witness/#", 2))
        absent.disconnect()
        self.sender.connect("fire-sender", keep_alive=0)
        self.receiver.connect("fire-receiver", keep_alive=0)
        self.receiver.subscribe(("witness/#", 2))

    def look(self, size=0):
        """One message of each level, there and acknowledged; of at least so many bytes."""
        for qos in (1, 2):
            self.count += 1
            payload = f"message {self.count}".ljust(size, ".")
            self.sender.deliver(f"witness/{qos}", payload, qos)
            self.acknowledged.append(payload)
            got = self.receiver.wait(PUBLISH).fields
            if got["payload"] != payload.encode() or got["qos"] != qos:
                raise Failure(f"the witness got {got}")
            self.receiver.acknowledge(PUBACK if qos == 1 else PUBREC, got["identifier"])
            if qos == 2:
                self.receiver.wait(PUBREL)
                self.receiver.acknowledge(PUBCOMP, got["identifier"])

    def finish(self):
        """Nothing that was acknowledged is missing."""
        absent = self.client()
        absent.connect("fire-absent", clean=False)
        there = [message["payload"].decode() for message in all_messages(absent, len(self.acknowledged))]
        if there != self.acknowledged:
            lost = [payload for payload in self.acknowledged if payload not in there]
            raise Failure(f"of {len(self.acknowledged)} messages that were acknowledged {len(there)} came; lost: {lost[:5]}")
        absent.disconnect()
        for client in (self.sender, self.receiver):
            client.disconnect()
        return len(there)


def connection(port):
    """One of many: QEMU's queue of those that it has not taken yet is short, and who finds it full is asked to wait for a second."""
    deadline = time.monotonic() + 30
    while True:
        try:
            client = socket.create_connection(("127.0.0.1", port), timeout=0.05)
            client.setblocking(False)
            return client
        except TimeoutError:
            if time.monotonic() > deadline:
                raise


def send(client, data):
    try:
        client.send(data)
    except OSError:
        pass  # full, or gone: as it may be


class Held:
    """So many connections are left as they are; older ones go without a word, or with a reset, by turns."""

    def __init__(self):
        self.clients, self.closed = [], 0

    def add(self, client):
        self.clients.append(client)
        if len(self.clients) > HELD_MAX:
            self.close_oldest()

    def close_oldest(self):
        client = self.clients.pop(0)
        self.closed += 1
        if self.closed % 2:
            reset(client)
        else:
            client.close()


def hello(name, version):
    return packet(CONNECT, text("MQTT") + bytes((version, 2)) + b"\0\x3c" + (b"\0" if version == 5 else b"") + text(name))


def seeds(version):
    """Packets as a client sends them."""
    none = b"\0" if version == 5 else b""
    user = wire.properties({"user": [("a", "b")], "content_type": "c"}) if version == 5 else b""
    subscribe = packet(SUBSCRIBE, b"\0\1" + none + text("fire/#") + b"\1" + text("+/x") + b"\2", 2)
    return [packet(PUBLISH, text("fire/a") + user + b"payload"), packet(PUBLISH, text("fire/b") + b"\0\7" + user + b"x" * 200, 2),
            packet(PUBLISH, text("fire/c") + b"\0\x08" + none + b"y", 5), packet(PUBREL, b"\0\x08", 2), packet(PUBACK, b"\0\1"), packet(PUBREC, b"\0\2"),
            subscribe, packet(wire.UNSUBSCRIBE, b"\0\3" + none + text("fire/#"), 2), packet(wire.PINGREQ, b""), packet(wire.DISCONNECT, b"")]


def stages(version):
    """What a client's life consists of."""
    none = b"\0" if version == 5 else b""
    will = packet(CONNECT, text("MQTT") + bytes((version, 6)) + b"\0\x3c" + none + text("stage") + none + text("fire/will") + text("gone"))
    return [will, packet(SUBSCRIBE, b"\0\1" + none + text("stage/#") + b"\2", 2), packet(PUBLISH, text("stage/1") + b"\0\2" + none + b"to itself", 2),
            packet(PUBLISH, text("stage/2") + b"\0\3" + none + b"to itself", 4), packet(PUBREL, b"\0\3", 2), packet(wire.PINGREQ, b"")]


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def cut_off(port, version, look):
    """A client's life ends with a reset at every stage: after each packet, in the middle of the next one, at once or when it was answered."""
    packets = stages(version)
    for stage in range(len(packets) + 1):
        for tail in (b"", packets[stage][:-1] if stage < len(packets) else b"\x30\x7f"):
            for waits in (False, True):
                client = connection(port)
                send(client, b"".join(packets[:stage]) + tail)
                if waits:
                    client.settimeout(0.05)
                    try:
                        client.recv(65536)
                    except OSError:
                        pass  # no answer, or closed already
                reset(client)
        look()


def mutated(chance, data):
    data = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        at, what = chance.randrange(len(data)), chance.randrange(4)
        if what == 0:
            data[at] = chance.randrange(256)
        elif what == 1:
            data[at] ^= 1 << chance.randrange(8)
        elif what == 2:
            del data[at:at + chance.randrange(1, 4)]
        else:
            data[at:at] = chance.randbytes(chance.randrange(1, 5))
        if not data:
            data = bytearray(b"\0")
    return bytes(data)


def under_fire(port, versions=(4,), times=1):
    """How many messages were acknowledged meanwhile, all of which were there in the end."""
    chance, witness, held = random.Random(11), Witness(port), Held()
    for number in range(60 * times):  # a flood: some say nothing, some half a packet
        client = connection(port)
        data = hello(f"flood{number}", versions[0])
        send(client, data[:number % (len(data) + 1)])
        held.add(client)
        if number % 20 == 0:
            witness.look()
    for number in range(60 * times):  # bytes at random, with and without a CONNECT before
        client = connection(port)
        send(client, (hello(f"noise{number}", versions[0]) if number % 2 else b"") + chance.randbytes(chance.randrange(1, 300)))
        held.add(client)
        if number % 20 == 0:
            witness.look()
    for number in range(120 * times):  # packets that are nearly good
        client, version = connection(port), chance.choice(versions)
        packets = [chance.choice(seeds(version)) for _ in range(5)]
        packets[chance.randrange(5)] = mutated(chance, chance.choice(packets))
        first = hello(f"mutant{number}", version)
        send(client, (mutated(chance, first) if number % 5 == 0 else first) + b"".join(packets))
        held.add(client)
        if number % 20 == 0:
            witness.look()
    for version in versions:
        cut_off(port, version, witness.look)
    for number in range(40 * times):  # five bytes announce a packet of 256 MiB
        client = connection(port)
        send(client, hello(f"huge{number}", versions[0]) + b"\x30\xff\xff\xff\x7f" + bytes(100))
        held.add(client)
    witness.look()
    deaf = wire.Client(port, timeout=30)  # it never reads what it subscribes to
    deaf.connect("fire-deaf", keep_alive=0)
    deaf.subscribe(("bulk", 0))
    slow = connection(port)  # and one writes byte by byte
    drops = hello("drops", versions[0]) + packet(PUBLISH, text("slow") + b"drop")
    for number in range(200 * times):
        witness.sender.publish("bulk", b"b" * 4000)
        send(slow, drops[number:number + 1])
        if number % 40 == 0:
            witness.look()
    while held.clients:
        held.close_oldest()
    deaf.close()
    slow.close()
    for _ in range(10):
        time.sleep(0.05)
        witness.look()
    return witness.finish()
