#!/usr/bin/python3
"""What a broker answers, packet by packet: the same script of MQTT clients for any broker, so that two can be compared.

    behaviour.py native              runs Debian's mosquitto on this host and writes behaviour.txt, which the test compares with
    behaviour.py compare PORT USERS  a broker with tests/mosquitto/behaviour.conf, and its port with users

The scenarios are those of Paho's interoperability suite and more; each says what its clients saw, in order. Nothing depends on the
time that a broker takes: what has come is known by the answer to a PINGREQ sent after it.
"""
import concurrent.futures
import difflib
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "mqtt")]
import wire
from wire import CONNACK, PINGREQ, PINGRESP, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBACK, SUBSCRIBE, Closed, packet, text

RECORD = HERE / "behaviour.txt"


def shown(got):
    """A packet as one line."""
    if got is None:
        return "nothing"
    fields = {name: value for name, value in got.fields.items() if value not in (None, 0) or name in ("reason_code", "present")}
    if "assigned_client" in fields:
        fields["assigned_client"] = "some"
    if "reason" in fields:
        fields["reason"] = "some"
    if isinstance(fields.get("payload"), bytes) and len(fields["payload"]) > 40:
        fields["payload"] = f"{len(fields['payload'])} bytes"
    return wire.NAMES[got.kind] + "".join(f" {name}={value}" for name, value in sorted(fields.items()))


class Client(wire.Client):
    """One that writes down what it sees."""

    def __init__(self, scene, label, version=None, port=None):
        super().__init__(port or scene.port, version or scene.version, 20)
        self.scene, self.label = scene, label

    def note(self, line):
        self.scene.lines.append(f"  {self.label}: {line}")

    def connect(self, name=None, **how):
        answer = None
        try:
            answer = super().connect(self.scene.name + "-" + self.label if name is None else name, **how)
            self.note(shown(answer))
        except Closed:
            self.note("closed")
        return answer

    def drain(self, acknowledge=True):
        """Everything that has been sent to it, handshakes to their ends."""
        quiet = False
        while not quiet:
            quiet = True
            try:
                self.send(packet(PINGREQ, b""))
                while (got := self.read()) is not None and got.kind != PINGRESP:
                    quiet = False
                    self.note(shown(got))
                    if acknowledge:
                        self.answer(got)
                if got is None:
                    self.note("no answer to a ping")
            except Closed:
                self.note("closed")
                return

    def answer(self, got):
        identifier = got.fields.get("identifier")
        if got.kind == PUBLISH and got.fields["qos"]:
            self.acknowledge(PUBACK if got.fields["qos"] == 1 else PUBREC, identifier)
        elif got.kind == PUBREC and got.fields.get("reason_code", 0) < 128:
            self.acknowledge(PUBREL, identifier)
        elif got.kind == PUBREL:
            self.acknowledge(PUBCOMP, identifier)

    def tell(self, topic, payload, qos=0, **what):
        """Publishes, and waits for the end of it."""
        self.publish(self.scene.topic(topic), payload, qos, **what)
        self.drain()

    def listen(self, *filters, **values):
        filters = [(self.scene.topic(name), options) for name, options in filters]
        body = struct.pack("!H", self.identifier()) + self.properties(values)
        self.send(packet(SUBSCRIBE, body + b"".join(text(name) + bytes((options,)) for name, options in filters), 2))
        self.drain()

    def forget(self, *filters):
        try:
            self.note(f"UNSUBACK {self.unsubscribe(*map(self.scene.topic, filters))}")
        except Closed:
            self.note("closed")


class Scene:
    def __init__(self, name, version, port, users):
        self.name, self.version, self.port, self.users, self.lines = f"{name}{version}", version, port, users, []

    def topic(self, name):
        """Each scene has its own topics."""
        if name.startswith("$share/"):
            _, group, rest = name.split("/", 2)
            return f"$share/{group}/{self.topic(rest)}"
        return name if name.startswith("$") else f"{self.name}/{name}"

    def client(self, label, version=None, port=None, **how):
        client = Client(self, label, version, port)
        client.connect(**how)
        return client

    def raw(self, label, data):
        """Bytes of a client that has connected; what comes of them."""
        client = self.client(label)
        try:
            client.send(data)
        except Closed:
            pass
        client.drain()
        client.close()


def levels(scene):
    receiver, sender = scene.client("receiver"), scene.client("sender")
    for options in (0, 1, 2):
        receiver.listen((f"at{options}/#", options))
    for options in (0, 1, 2):
        for qos in (0, 1, 2):
            sender.tell(f"at{options}/x", f"of {qos}", qos)
            receiver.drain()
    sender.tell("at0/empty", b"")
    receiver.drain()


def retained(scene):
    sender = scene.client("sender")
    for topic in ("a", "b/c", "b/d"):
        sender.tell(topic, "old", 1, retain=True)
        sender.tell(topic, f"new {topic}", len(topic) % 3, retain=True)
    for number, name in enumerate(("a", "b/+", "#")):
        receiver = scene.client(f"late{number}")
        receiver.listen((name, 2)) if name != "#" else receiver.listen(("b/#", 1))
        sender.tell("a", "live", 1, retain=True)
        receiver.drain()
    sender.tell("a", b"", 1, retain=True)
    sender.tell("b/c", b"", 0, retain=True)
    late = scene.client("last")
    late.listen(("+", 2), ("b/+", 0))


def wills(scene):
    watcher = scene.client("watcher")
    watcher.listen(("will/#", 2))
    for label, qos, retain in (("killed0", 0, False), ("killed1", 1, True), ("killed2", 2, False)):
        doomed = scene.client(label, will=(scene.topic(f"will/{label}"), "gone", qos, retain, {}))
        doomed.send(b"\0\0")  # against the protocol: the broker ends it
        doomed.drain()
        watcher.drain()
    calm = scene.client("calm", will=(scene.topic("will/calm"), "never", 1, False, {}))
    calm.disconnect()
    watcher.drain()
    if scene.version == 5:
        wishes = scene.client("wishes", will=(scene.topic("will/wishes"), "all the same", 1, False, {"user": [("a", "b")], "content_type": "t"}))
        wishes.disconnect(4)
        again = scene.client("wishes")  # it has gone when this one is answered
        watcher.drain()
        again.disconnect()
    late = scene.client("late")
    late.listen(("will/#", 1))


def zero_length(scene):
    first, second = Client(scene, "clean"), Client(scene, "kept")
    first.connect("", clean=True)
    second.connect("", clean=False)


def offline(scene):
    away = scene.client("away", clean=False, **({"session_expiry": 1000} if scene.version == 5 else {}))
    away.listen(("queue/#", 2))
    away.disconnect()
    sender = scene.client("sender")
    for number in range(12):
        sender.tell(f"queue/{number}", f"m{number}", number % 3)
    away = scene.client("away", clean=False, **({"session_expiry": 1000} if scene.version == 5 else {}))
    away.drain()
    away.disconnect()
    away = scene.client("away", clean=True)
    away.drain()


def redelivery(scene):
    keep = {"session_expiry": 1000} if scene.version == 5 else {}
    receiver = scene.client("receiver", clean=False, **keep)
    receiver.listen(("again/#", 2))
    sender = scene.client("sender")
    for qos in (1, 2, 1):
        sender.tell("again/x", f"of {qos}", qos)
    receiver.drain(acknowledge=False)
    receiver.close()
    receiver = scene.client("receiver", clean=False, **keep)
    receiver.drain()
    receiver.close()
    receiver = scene.client("receiver", clean=False, **keep)
    receiver.drain()
    identifier = sender.publish(scene.topic("again/y"), "twice", 2)
    sender.drain(acknowledge=False)
    sender.publish(scene.topic("again/y"), "twice", 2, identifier=identifier, dup=True)
    sender.drain(acknowledge=False)
    sender.acknowledge(PUBREL, identifier)
    sender.drain()
    sender.acknowledge(PUBREL, identifier)
    sender.drain()
    receiver.drain()


def overlapping(scene):
    receiver, sender = scene.client("receiver"), scene.client("sender")
    receiver.listen(("o/#", 2), ("o/+", 1), ("o/x", 0))
    for qos in (0, 1, 2):
        sender.tell("o/x", f"of {qos}", qos)
        receiver.drain()
    receiver.listen(("o/x", 2))
    sender.tell("o/x", "more", 2)
    receiver.drain()
    receiver.forget("o/#", "o/+")
    sender.tell("o/x", "less", 2)
    receiver.drain()


def filters(scene):
    receiver, sender = scene.client("receiver"), scene.client("sender")
    names = ("+/+", "/#", "a//b", "a/+/b", "+", "a/#", "/", "a b/\u00e4\u20ac", "long/" + "x/" * 40 + "+")
    for name in names:
        receiver.listen((name, 1))
    for name in ("a", "a/b", "/a", "a//b", "/", "a/x/b", "a b/\u00e4\u20ac", "long/" + "x/" * 40 + "y", "A/b"):
        sender.tell(name, name, 1)
        receiver.drain()


def refused_filters(scene):
    for number, name in enumerate(("a/#/b", "a#", "+a", "", "a\0b")):
        client = scene.client(f"wrong{number}")
        client.send(packet(SUBSCRIBE, b"\0\1" + client.properties({}) + text(name) + b"\1", 2))
        client.drain()
        client.close()


def dollar(scene):
    receiver, sender = scene.client("receiver"), scene.client("sender")
    receiver.listen(("$SYS/broker/version", 1))
    receiver.send(packet(SUBSCRIBE, b"\0\5" + receiver.properties({}) + text(f"+/{scene.name}dollar") + b"\1", 2))
    receiver.drain()
    sender.publish(f"$other/{scene.name}dollar", "hidden", 1)
    sender.drain()
    sender.publish("$SYS/broker/version", "forged", 1)
    sender.drain()
    receiver.drain()


def unsubscribing(scene):
    receiver, sender = scene.client("receiver"), scene.client("sender")
    receiver.listen(("u/a", 1), ("u/b", 1), ("u/#", 0))
    receiver.forget("u/#", "u/never", "u/a")
    for name in ("u/a", "u/b", "u/c"):
        sender.tell(name, name, 1)
    receiver.drain()


def take_over(scene):
    first, watcher = scene.client("first", name=scene.name + "same", will=(scene.topic("taken"), "over", 1, False, {})), scene.client("watcher")
    watcher.listen(("taken", 1))
    second = scene.client("second", name=scene.name + "same")
    first.drain()
    watcher.drain()
    second.listen(("x", 1))
    third = scene.client("third", name=scene.name + "same", clean=False)
    second.drain()
    third.disconnect()


def by_name(scene):
    Client(scene, "nobody", port=scene.users).connect()
    Client(scene, "wrong", port=scene.users).connect(user="anna", password="attic")
    anna = scene.client("anna", port=scene.users, user="anna", password="kitchen")
    otto = scene.client("otto", port=scene.users, user="otto", password="cellar")
    for name in ("house/door", "users/otto", "users/anna", "elsewhere"):
        for client in (anna, otto):
            client.send(packet(SUBSCRIBE, struct.pack("!H", client.identifier()) + client.properties({}) + text(name) + b"\1", 2))
            client.drain()
    for client in (anna, otto):
        for name in ("house/door", "users/otto"):
            client.publish(name, f"{scene.name} {client.label} {name}", 1)
            client.drain()
            client.publish(name, f"{scene.name} {client.label} {name}", 2)
            client.drain()
    anna.drain()
    otto.drain()


def against_the_protocol(scene):
    properties = b"\0" if scene.version == 5 else b""
    for label, data in (
            ("second-connect", packet(wire.CONNECT, text("MQTT") + bytes((scene.version,)) + b"\2\0\x3c" + properties + text("again"))),
            ("qos3", packet(PUBLISH, text("t") + b"\0\1" + properties, 6)),
            ("identifier0", packet(PUBLISH, text("t") + b"\0\0" + properties, 2)),
            ("wildcard", packet(PUBLISH, text("a/#") + properties)),
            ("empty-topic", packet(PUBLISH, text("") + properties)),
            ("nul", packet(PUBLISH, text("a\0b") + properties)),
            ("surrogate", packet(PUBLISH, text(b"\xed\xa0\x80") + properties)),
            ("not-utf8", packet(PUBLISH, text(b"\xff\xfe") + properties)),
            ("truncated", packet(PUBLISH, b"\0\x20abc")),
            ("subscribe-flags", packet(SUBSCRIBE, b"\0\1" + properties + text("t") + b"\1", 0)),
            ("subscribe-nothing", packet(SUBSCRIBE, b"\0\1" + properties, 2)),
            ("subscribe-qos3", packet(SUBSCRIBE, b"\0\1" + properties + text("t") + b"\3", 2)),
            ("unsubscribe-nothing", packet(wire.UNSUBSCRIBE, b"\0\1" + properties, 2)),
            ("unknown-puback", packet(PUBACK, b"\0\x63")),
            ("unknown-pubrel", packet(PUBREL, b"\0\x63", 2)),
            ("unknown-pubrec", packet(PUBREC, b"\0\x63")),
            ("unknown-pubcomp", packet(PUBCOMP, b"\0\x63")),
            ("pubrel-flags", packet(PUBREL, b"\0\x63", 0)),
            ("connack", packet(CONNACK, b"\0\0")),
            ("suback", packet(SUBACK, b"\0\1\0")),
            ("reserved", packet(0, b"")),
            ("auth", packet(15, b"")),
            ("length", b"\x30\xff\xff\xff\xff\x01"),
            ("ping-with-body", packet(PINGREQ, b"x")),
            ("disconnect-flags", packet(wire.DISCONNECT, b"", 1))):
        scene.raw(label, data)


def no_connection(scene):
    for label, data in (("ping-first", packet(PINGREQ, b"")), ("publish-first", packet(PUBLISH, text("t") + b"x")),
                        ("http", b"GET / HTTP/1.1\r\n\r\n"),
                        ("other-name", packet(wire.CONNECT, text("MQTX") + b"\4\2\0\x3c" + text("n"))),
                        ("other-level", packet(wire.CONNECT, text("MQTT") + b"\x09\2\0\x3c" + text("n"))),
                        ("reserved-flag", packet(wire.CONNECT, text("MQTT") + b"\4\3\0\x3c" + text("n"))),
                        ("will-qos3", packet(wire.CONNECT, text("MQTT") + b"\4\x1e\0\x3c" + text("n") + text("w") + text("m"))),
                        ("password-alone", packet(wire.CONNECT, text("MQTT") + b"\4\x42\0\x3c" + text("n") + text("p"))),
                        ("cut-off", packet(wire.CONNECT, text("MQTT") + b"\4\2\0\x3c\0\x20ab"))):
        client = Client(scene, label)
        try:
            client.send(data)
            client.note(shown(client.read(3)))
            client.note(shown(client.read(3)))
        except Closed:
            client.note("closed")
        client.close()


def keep_alive(scene):
    watcher = scene.client("watcher")
    watcher.listen(("quiet", 1))
    start = time.monotonic()
    quiet = scene.client("quiet", keep_alive=1, will=(scene.topic("quiet"), "was quiet", 1, False, {}))
    try:
        quiet.note(shown(quiet.read(10)))
        quiet.note(shown(quiet.read(10)))
    except Closed:
        quiet.note("closed" if 1 < time.monotonic() - start else "closed too early")  # it counts in whole seconds
    watcher.drain()


# ---- MQTT 5.0 --------------------------------------------------------------------------------------------------------------------

def session_expiry(scene):
    first = scene.client("gone", clean=False)  # no expiry: ends with the connection
    first.listen(("t", 1))
    first.disconnect()
    scene.client("gone", clean=False).disconnect()
    scene.client("short", clean=False, session_expiry=1).disconnect()
    scene.client("long", clean=False, session_expiry=1000).disconnect()
    changed = scene.client("changed", clean=False, session_expiry=1000)
    changed.disconnect(0, session_expiry=0)
    scene.client("raised", clean=False).disconnect(0, session_expiry=10)
    time.sleep(4)
    for label in ("short", "long", "changed", "raised"):
        scene.client(label, clean=False).disconnect()


def shared(scene):
    one, two, all_of = scene.client("one"), scene.client("two"), scene.client("all")
    one.listen(("$share/group/s/#", 2))
    two.listen(("$share/group/s/#", 2))
    all_of.listen(("s/#", 1))
    sender = scene.client("sender")
    for number in range(6):
        sender.tell("s/x", f"m{number}", number % 3)
    for client in (one, two, all_of):
        client.drain()
    one.forget("$share/group/s/#")
    sender.tell("s/x", "for two", 1)
    for client in (one, two, all_of):
        client.drain()


def properties_pass(scene):
    receiver, sender = scene.client("receiver"), scene.client("sender")
    receiver.listen(("p", 2), user=[("of", "subscribe")], subscription=77)
    receiver.listen(("+", 2), subscription=78)
    sender.tell("p", "all", 2, user=[("a", "b"), ("a", "c")], content_type="text", response_topic="r", correlation="data", payload_format=1, message_expiry=100)
    receiver.drain()
    sender.tell("p", b"\xff\xfe", 1, payload_format=1)
    receiver.drain()
    sender.publish("r/#", "wrong", 1, response_topic="a/#")
    sender.drain()


def expiry(scene):
    away = scene.client("away", clean=False, session_expiry=1000)
    away.listen(("e", 2))
    away.disconnect()
    sender = scene.client("sender")
    sender.tell("e", "short", 1, message_expiry=1)
    sender.tell("e", "long", 1, message_expiry=1000)
    sender.tell("kept", "short", 1, message_expiry=1, retain=True)
    time.sleep(3)
    away = Client(scene, "away")
    away.connect(clean=False, session_expiry=1000)
    for got in iter(lambda: away.read(2), None):
        left = got.fields.pop("message_expiry", 1000)
        away.note(shown(got) + (" with less time" if left < 1000 else ""))
        away.answer(got)
    late = scene.client("late")
    late.listen(("kept", 1))


def subscribe_options(scene):
    own = scene.client("own")
    own.listen(("n", 1 | 4), ("y", 1))  # no local
    own.tell("n", "not to me", 1)
    own.tell("y", "to me", 1)
    sender = scene.client("sender")
    sender.tell("kept", "retained", 1, retain=True)
    for label, handling in (("always", 0), ("new", 1), ("never", 2)):
        receiver = scene.client(label)
        receiver.listen(("kept", 1 | handling << 4))
        receiver.listen(("kept", 1 | handling << 4))
        receiver.close()
    published = scene.client("published")
    published.listen(("kept", 1 | 8 | 2 << 4))  # retain as published
    sender.tell("kept", "again", 1, retain=True)
    published.drain()
    scene.raw("handling3", packet(SUBSCRIBE, b"\0\1\0" + text("t") + b"\x31", 2))
    scene.raw("local-shared", packet(SUBSCRIBE, b"\0\1\0" + text("$share/g/t") + b"\x05", 2))


def aliases(scene):
    receiver, sender = scene.client("receiver", topic_alias_maximum=3), scene.client("sender")
    receiver.listen(("#", 1))
    sender.tell("one", "named", 1, topic_alias=3)
    sender.publish("", "by alias", 1, topic_alias=3)
    sender.drain()
    sender.tell("two", "named anew", 1, topic_alias=3)
    sender.publish("", "by alias", 1, topic_alias=3)
    sender.drain()
    receiver.drain()
    for label, alias in (("zero", 0), ("unknown", 5), ("too-large", 11)):
        scene.raw(label, packet(PUBLISH, text("" if label == "unknown" else "t") + wire.properties({"topic_alias": alias})))


def receive_maximum(scene):
    slow, sender = scene.client("slow", receive_maximum=2), scene.client("sender")
    slow.listen(("flow", 2))
    for number in range(6):
        sender.tell("flow", f"m{number}", 1 + number % 2)
    slow.drain(acknowledge=False)
    slow.acknowledge(PUBACK, 1)
    slow.drain(acknowledge=False)
    slow.acknowledge(PUBREC, 2)
    slow.drain(acknowledge=False)
    slow.acknowledge(PUBCOMP, 2)
    slow.drain()
    eager = scene.client("eager")
    for number in range(25):
        eager.send(packet(PUBLISH, text(scene.topic("eager")) + struct.pack("!H", number + 1) + b"\0x", 4))
    lines = []
    try:
        while (got := eager.read(3)) is not None:
            lines.append(shown(got))
    except Closed:
        lines.append("closed")
    eager.note(f"{len([line for line in lines if line.startswith('PUBREC')])} PUBREC, then {lines[-1]}")
    Client(scene, "zero").connect(receive_maximum=0)


def packet_size(scene):
    small, sender = scene.client("small", maximum_packet=60), scene.client("sender")
    small.listen(("size", 1))
    sender.tell("size", "x" * 10, 1)
    sender.tell("size", "x" * 100, 1)
    sender.tell("size", "y" * 10, 1)
    small.drain()
    Client(scene, "zero").connect(maximum_packet=0)


def will_delay(scene):
    watcher = scene.client("watcher")
    watcher.listen(("late", 1))
    will = (scene.topic("late"), "delayed", 1, False, {"will_delay": 1})
    doomed = scene.client("doomed", clean=False, session_expiry=1000, will=will)
    doomed.close()
    watcher.drain()
    time.sleep(3)
    watcher.drain()
    doomed = scene.client("back", clean=False, session_expiry=1000, will=will)
    doomed.close()
    time.sleep(0.3)
    scene.client("back", clean=False, session_expiry=1000)
    time.sleep(2.5)
    watcher.drain()


def reasons(scene):
    client = scene.client("client")
    client.tell("nobody", "listens", 1)
    client.tell("nobody", "listens", 2)
    client.listen(("t", 2))
    client.tell("t", "refused by its receiver", 0)
    other = scene.client("other")
    other.publish(scene.topic("t"), "x", 2)
    other.drain()
    while (got := client.read()) and got.kind != PUBLISH:
        client.note(shown(got))
    client.note(shown(got))
    client.send(packet(PUBREC, struct.pack("!HB", got.fields["identifier"], 0x83)))
    client.drain()
    other.drain()
    Client(scene, "auth").connect(auth_method="unknown")
    Client(scene, "information").connect(response_information=1, problem_information=0)
    Client(scene, "long-keep-alive").connect(keep_alive=1000)


EITHER = (levels, retained, wills, zero_length, offline, redelivery, overlapping, filters, refused_filters, dollar, unsubscribing, take_over,
          against_the_protocol, no_connection, keep_alive, shared)
VERSION_5 = (session_expiry, properties_pass, expiry, subscribe_options, aliases, receive_maximum, packet_size, will_delay, reasons)


def run_scene(function, version, port, users):
    scene = Scene(function.__name__, version, port, users)
    try:
        function(scene)
    except (Closed, OSError) as error:
        scene.lines.append(f"  ended by {type(error).__name__}")
    return [f"{function.__name__}, MQTT {'3.1.1' if version == 4 else '5.0'}"] + scene.lines


def transcript(port, users):
    scenes = [(function, version) for version in (4, 5) for function in EITHER] + [(function, 5) for function in VERSION_5]
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        parts = [pool.submit(run_scene, function, version, port, users) for function, version in scenes]
        lines = [line for part in parts for line in part.result()]
    return lines + [line for version in (4, 5) for line in run_scene(by_name, version, port, users)]  # these have the same topics


def configuration(folder, port, users, etc):
    """behaviour.conf for a broker on this host."""
    made = (HERE / "behaviour.conf").read_text()
    for old, new in ((" 1883", f" {port} 127.0.0.1"), (" 1884", f" {users} 127.0.0.1"), ("/etc/mosquitto", etc), ("/data/", folder + "/")):
        made = made.replace(old, new)
    path = pathlib.Path(folder, "mosquitto.conf")
    path.write_text("user root\n" + made)  # it may not read the folder otherwise; no matter to who is not root
    return str(path)


def free_ports():
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports


def native(ports, script):
    """What script(port, port with users) gives of Debian's mosquitto on this host."""
    with tempfile.TemporaryDirectory(prefix="behaviour-") as folder:
        etc = pathlib.Path(folder, "etc")
        etc.mkdir()
        (etc / "acl").write_text((HERE / "etc" / "acl").read_text())
        (etc / "passwords").write_text((HERE / "passwords-hashed").read_text())
        broker = subprocess.Popen(["/usr/sbin/mosquitto", "-c", configuration(folder, *ports, str(etc))], stderr=subprocess.DEVNULL)
        try:
            time.sleep(1)
            return script(*ports)
        finally:
            broker.terminate()
            broker.wait()


def compare(port, users):
    """Lines that differ from what the native one did, and how many there are in all."""
    lines, wanted = transcript(port, users), RECORD.read_text().splitlines()
    return [line for line in difflib.unified_diff(wanted, lines, "native", "here", lineterm="", n=2)], len(lines)


def main(words):
    if words[:1] == ["native"]:
        RECORD.write_text("\n".join(native(free_ports(), transcript)) + "\n")
        return 0
    if words[:1] != ["compare"] or len(words) != 3:
        raise SystemExit(__doc__)
    differences, count = compare(int(words[1]), int(words[2]))
    print("\n".join(differences) or f"{count} lines agree")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
