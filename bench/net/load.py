"""The load of `./tessera bench net`: clients on this host's loopback, through QEMU's user network to the guest, the same for ours and
Linux. Everything is a closed loop: so much is under way at a time, and the next begins when something comes back.
"""
import selectors
import socket
import struct
import time

TIMEOUT = 30  # seconds without anything coming back
WINDOW = 10
PAYLOAD = b"x" * 64
CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK = range(1, 10)


class LoadError(Exception):
    pass


def connect(port):
    """QEMU connects to the guest only then: so this does not mean that the guest has accepted."""
    stream = socket.create_connection(("127.0.0.1", port), TIMEOUT)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def receive(stream, count):
    data = b""
    while len(data) < count:
        part = stream.recv(count - len(data))
        if not part:
            raise LoadError("the guest closed a connection")
        data += part
    return data


def wait_for(port, question, length, seconds):
    """Until the guest answers that question with so many bytes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with connect(port) as stream:
                stream.settimeout(2)
                stream.sendall(question)
                receive(stream, length)
                return
        except (OSError, LoadError):
            pass
        time.sleep(0.2)
    raise LoadError(f"the guest did not serve within {seconds} s")


# ---- TCP ----------------------------------------------------------------------------------------------------------

def echo(port, size, count, meter):
    """Instructions per round trip."""
    with connect(port) as stream:
        for measured in (max(10, count // 10), count):
            begin = meter()
            for _ in range(measured):
                stream.sendall(b"x" * size)
                receive(stream, size)
            taken = meter() - begin
    return taken / count


def upload(port, count, meter):
    """Instructions per KiB that the guest receives."""
    with connect(port) as stream:
        begin = meter()
        stream.sendall(b"x" * count)
        stream.shutdown(socket.SHUT_WR)
        receive(stream, 1)
        return (meter() - begin) / (count / 1024)


def download(port, count, meter):
    """Instructions per KiB that the guest sends."""
    with connect(port) as stream:
        begin = meter()
        stream.sendall(struct.pack(">I", count))
        left = count
        while left:
            part = len(stream.recv(min(left, 1 << 16)))
            if not part:
                raise LoadError("the guest closed a connection")
            left -= part
        return (meter() - begin) / (count / 1024)


def connections(port, count, meter):
    """Instructions per connection: opened, a byte there and back, closed."""
    for measured in (10, count):
        begin = meter()
        for _ in range(measured):
            with connect(port) as stream:
                stream.sendall(b"x")
                receive(stream, 1)
        taken = meter() - begin
    return taken / count


# ---- MQTT 3.1.1, sections 2 and 3 -----------------------------------------------------------------------------------

def text(value):
    return struct.pack(">H", len(value)) + value


def packet(first, body):
    assert len(body) < 128  # so the length is one byte
    return bytes([first, len(body)]) + body


def connect_packet(number):
    return packet(CONNECT << 4, text(b"MQTT") + bytes([4, 2, 0, 0]) + text(b"client-%05d" % number))


class Client:
    """One MQTT client, subscribed to a topic of its own, to which it publishes."""

    def __init__(self, port, number, qos):
        self.qos = qos
        self.topic = text(b"t/%05d" % number)
        self.next_id = 0
        self.kept = b""
        self.stream = connect(port)
        self.send(connect_packet(number))

    def send(self, data):
        self.stream.sendall(data)

    def subscribe(self):
        self.send(packet(SUBSCRIBE << 4 | 2, b"\0\1" + self.topic + bytes([self.qos])))

    def publish(self):
        identifier = b""
        if self.qos:
            self.next_id = self.next_id % 65535 + 1
            identifier = struct.pack(">H", self.next_id)
        self.send(packet(PUBLISH << 4 | self.qos << 1, self.topic + identifier + PAYLOAD))

    def take(self, first, body):
        """Handles one packet: how many messages have now been delivered, how many requests answered."""
        kind = first >> 4
        if kind in (CONNACK, SUBACK):
            return 0, 1
        if kind == PUBLISH:
            qos = first >> 1 & 3
            at = len(self.topic)
            if qos:
                self.send(packet((PUBACK if qos == 1 else PUBREC) << 4, body[at:at + 2]))
            return int(qos < 2), 0
        if kind == PUBREC:
            self.send(packet(PUBREL << 4 | 2, body[:2]))
        elif kind == PUBREL:
            self.send(packet(PUBCOMP << 4, body[:2]))
            return 1, 0
        elif kind not in (PUBACK, PUBCOMP):
            raise LoadError(f"the broker sent a packet of type {kind}")
        return 0, 0

    def receive(self):
        part = self.stream.recv(1 << 16)
        if not part:
            raise LoadError("the broker closed a connection")
        data, at = self.kept + part, 0
        delivered = answered = 0
        while len(data) - at >= 2 and len(data) - at >= 2 + data[at + 1]:
            one, other = self.take(data[at], data[at + 2:at + 2 + data[at + 1]])
            delivered, answered = delivered + one, answered + other
            at += 2 + data[at + 1]
        self.kept = data[at:]
        return delivered, answered


class Crowd:
    """So many clients of a broker, connected and subscribed."""

    def __init__(self, port, count, qos):
        self.clients = []
        self.selector = selectors.DefaultSelector()
        for number in range(count):  # one by one: QEMU lets hardly any wait to be accepted
            client = Client(port, number, qos)
            self.clients.append(client)
            self.selector.register(client.stream, selectors.EVENT_READ, client)
            self.wait_for_answer()
            client.subscribe()
            self.wait_for_answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.stream.close()
        self.selector.close()

    def receive(self):
        ready = self.selector.select(TIMEOUT)
        if not ready:
            raise LoadError(f"nothing came from the broker for {TIMEOUT} s")
        delivered = answered = 0
        for key, _ in ready:
            one, other = key.data.receive()
            delivered, answered = delivered + one, answered + other
        return delivered, answered

    def wait_for_answer(self):
        while not self.receive()[1]:
            pass

    def move(self, messages):
        """So many messages, the clients in turn, each to itself."""
        sent = done = 0
        while done < messages:
            while sent < messages and sent - done < WINDOW:
                self.clients[sent * 7919 % len(self.clients)].publish()
                sent += 1
            done += self.receive()[0]


def mqtt(port, count, qos, messages, meter):
    """Instructions per message: published, routed, delivered."""
    with Crowd(port, count, qos) as crowd:
        crowd.move(max(WINDOW, messages // 5))
        begin = meter()
        crowd.move(messages)
        taken = meter() - begin
    return taken / messages
