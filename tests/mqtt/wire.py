"""MQTT packets made and read by hand: a client that does what a test tells it, and no more. MQTT 3.1.1 and 5.0 (OASIS Standards)."""
import collections
import socket
import struct
import threading
import time

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(1, 16)
NAMES = "0 CONNECT CONNACK PUBLISH PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE UNSUBACK PINGREQ PINGRESP DISCONNECT AUTH".split()

# MQTT 5.0, 2.2.2.2: identifier, name, form of the value.
PROPERTIES = {1: ("payload_format", "B"), 2: ("message_expiry", "I"), 3: ("content_type", "s"), 8: ("response_topic", "s"), 9: ("correlation", "s"),
              11: ("subscription", "v"), 17: ("session_expiry", "I"), 18: ("assigned_client", "s"), 19: ("server_keep_alive", "H"),
              21: ("auth_method", "s"), 22: ("auth_data", "s"), 23: ("problem_information", "B"), 24: ("will_delay", "I"),
              25: ("response_information", "B"), 26: ("response_info", "s"), 28: ("server_reference", "s"), 31: ("reason", "s"),
              33: ("receive_maximum", "H"), 34: ("topic_alias_maximum", "H"), 35: ("topic_alias", "H"), 36: ("maximum_qos", "B"),
              37: ("retain_available", "B"), 38: ("user", "p"), 39: ("maximum_packet", "I"), 40: ("wildcards_available", "B"),
              41: ("identifiers_available", "B"), 42: ("shared_available", "B")}
NUMBERS = {name: (number, form) for number, (name, form) in PROPERTIES.items()}

Packet = collections.namedtuple("Packet", "kind flags fields")

# QEMU's queue of connections that it has not taken yet holds one. Who finds it full believes to be connected, and is told otherwise
# after seconds, or half a minute: so threads open theirs one after the other.
OPENING = threading.Lock()


def number(value):
    """A variable byte integer."""
    out = b""
    while True:
        value, low = divmod(value, 128)
        out += bytes((low | (128 if value else 0),))
        if not value:
            return out


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack("!H", len(value)) + value


def properties(values):
    """Of {name: value}; a value may be a list of several."""
    out = b""
    for name, value in values.items():
        identifier, form = NUMBERS[name]
        for one in value if isinstance(value, list) else [value]:
            out += bytes((identifier,))
            out += text(one) if form == "s" else text(one[0]) + text(one[1]) if form == "p" else number(one) if form == "v" else struct.pack("!" + form, one)
    return number(len(out)) + out


def packet(kind, body, flags=0):
    return bytes((kind << 4 | flags,)) + number(len(body)) + body


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        self.at += count
        return self.data[self.at - count:self.at]

    def word(self, form="H"):
        return struct.unpack("!" + form, self.take(struct.calcsize("!" + form)))[0]

    def text(self):
        return self.take(self.word()).decode("utf-8", "replace")

    def number(self):
        value, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def properties(self):
        end, found = self.number(), {}
        end += self.at
        while self.at < end:
            name, form = PROPERTIES[self.take(1)[0]]
            value = (self.text() if form == "s" else (self.text(), self.text()) if form == "p" else self.number() if form == "v" else self.word(form))
            if name in ("user", "subscription"):
                found.setdefault(name, []).append(value)
            else:
                found[name] = value
        return found

    def rest(self):
        return self.take(len(self.data) - self.at)


class Closed(Exception):
    pass


class Client:
    """`version` is 4 (MQTT 3.1.1) or 5."""

    def __init__(self, port, version=4, timeout=10):
        self.version, self.timeout = version, timeout
        with OPENING:
            self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
            time.sleep(0.03)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.next_identifier = 0

    def close(self):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except ConnectionError as error:
            raise Closed from error

    # ---- out

    def properties(self, values):
        return properties(values) if self.version == 5 else b""

    def connect(self, name, clean=True, keep_alive=60, will=None, user=None, password=None, **values):
        """`will`: (topic, payload, QoS, retain, properties). Its CONNACK."""
        flags = 2 * clean
        body = text("MQTT") + bytes((self.version,))
        payload = text(name)
        if will:
            topic, message, qos, retain, of_will = will
            flags |= 4 | qos << 3 | retain << 5
            payload += self.properties(of_will) + text(topic) + text(message)
        if user is not None:
            flags |= 0x80
            payload += text(user)
        if password is not None:
            flags |= 0x40
            payload += text(password)
        self.send(packet(CONNECT, body + bytes((flags,)) + struct.pack("!H", keep_alive) + self.properties(values) + payload))
        return self.wait(CONNACK)

    def identifier(self):
        self.next_identifier = self.next_identifier % 65535 + 1
        return self.next_identifier

    def publish(self, topic, payload, qos=0, retain=False, identifier=None, dup=False, **values):
        """Sends only."""
        identifier = identifier or (self.identifier() if qos else 0)
        payload = payload.encode() if isinstance(payload, str) else payload
        body = text(topic) + (struct.pack("!H", identifier) if qos else b"") + self.properties(values) + payload
        self.send(packet(PUBLISH, body, dup << 3 | qos << 1 | retain))
        return identifier

    def deliver(self, topic, payload, qos=1, **what):
        """Sends, and the whole handshake; the reason of the first answer."""
        identifier = self.publish(topic, payload, qos, **what)
        if qos == 0:
            return None
        answer = self.wait(PUBACK if qos == 1 else PUBREC)
        if qos == 2 and answer.fields.get("reason_code", 0) < 128:
            self.acknowledge(PUBREL, identifier)
            self.wait(PUBCOMP)
        return answer.fields.get("reason_code", 0)

    def acknowledge(self, kind, identifier):
        self.send(packet(kind, struct.pack("!H", identifier), 2 if kind == PUBREL else 0))

    def subscribe(self, *filters, **values):
        """Of (filter, options); the reasons in its SUBACK. What comes before that is kept for `wait`."""
        body = struct.pack("!H", self.identifier()) + self.properties(values)
        self.send(packet(SUBSCRIBE, body + b"".join(text(name) + bytes((options,)) for name, options in filters), 2))
        return self.wait(SUBACK).fields["reasons"]

    def unsubscribe(self, *filters):
        body = struct.pack("!H", self.identifier()) + self.properties({})
        self.send(packet(UNSUBSCRIBE, body + b"".join(map(text, filters)), 2))
        return self.wait(UNSUBACK).fields.get("reasons", [])

    def disconnect(self, reason=0, **values):
        self.send(packet(DISCONNECT, bytes((reason,)) + properties(values) if self.version == 5 and (reason or values) else b""))
        self.close()

    # ---- in

    def read(self, seconds=None):
        """The next packet; None: none came in time."""
        deadline = time.monotonic() + (self.timeout if seconds is None else seconds)
        while True:
            if whole := self.whole():
                return self.parse(*whole)
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                return None
            except ConnectionError as error:
                raise Closed from error
            if not data:
                raise Closed
            self.buffer += data

    def whole(self):
        if len(self.buffer) < 2:
            return None
        length, at = 0, 1
        while True:
            if at >= len(self.buffer):
                return None
            length |= (self.buffer[at] & 127) << 7 * (at - 1)
            at += 1
            if self.buffer[at - 1] < 128:
                break
        if len(self.buffer) < at + length:
            return None
        first, body, self.buffer = self.buffer[0], self.buffer[at:at + length], self.buffer[at + length:]
        return first, body

    def parse(self, first, body):
        kind, flags, reader, fields = first >> 4, first & 15, Reader(body), {}
        is_5 = self.version == 5
        if kind == CONNACK:
            fields["present"], fields["reason_code"] = reader.take(2)
        elif kind == PUBLISH:
            fields.update(topic=reader.text(), qos=flags >> 1 & 3, retain=flags & 1, dup=flags >> 3)
            if fields["qos"]:
                fields["identifier"] = reader.word()
        elif kind in (PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK):
            fields["identifier"] = reader.word()
            if kind in (PUBACK, PUBREC, PUBREL, PUBCOMP) and reader.at < len(body):
                fields["reason_code"] = reader.take(1)[0]
        elif kind == DISCONNECT and body:
            fields["reason_code"] = reader.take(1)[0]
        if is_5 and reader.at < len(body) and kind != PINGRESP:
            fields.update(reader.properties())
        if kind == PUBLISH:
            fields["payload"] = reader.rest()
        elif kind in (SUBACK, UNSUBACK):
            fields["reasons"] = list(reader.rest())
        return Packet(kind, flags, fields)

    def wait(self, kind):
        """The next packet of that kind; others on the way are put back behind it."""
        before, deadline = [], time.monotonic() + self.timeout
        while True:
            got = self.read(deadline - time.monotonic())
            if got is None:
                raise Closed(f"no {NAMES[kind]} came")
            if got.kind == kind:
                self.kept = getattr(self, "kept", []) + before
                return got
            before.append(got)

    def messages(self, seconds=0.5, acknowledge=True):
        """What is published to it until nothing comes for so long; the handshakes of QoS 1 and 2."""
        found, kept = [], getattr(self, "kept", [])
        self.kept = []
        while True:
            got = kept.pop(0) if kept else self.read(seconds)
            if got is None:
                return found
            if got.kind == PUBLISH:
                found.append(got.fields)
                if acknowledge and got.fields["qos"]:
                    self.acknowledge(PUBACK if got.fields["qos"] == 1 else PUBREC, got.fields["identifier"])
            elif got.kind == PUBREC and acknowledge:
                self.acknowledge(PUBREL, got.fields["identifier"])
            elif got.kind == PUBREL and acknowledge:
                self.acknowledge(PUBCOMP, got.fields["identifier"])
