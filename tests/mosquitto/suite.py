#!/usr/bin/python3
"""A test of our own for each name in Eclipse Paho's interoperability suite (10 for MQTT 3.1.1, 27 for 5.0), by the specifications' words: what
a broker passes. The native Mosquitto does not pass all of them, and ours must pass and fail the same.

    suite.py native         runs Debian's mosquitto on this host and writes suite.txt, which the test compares with
    suite.py run PORT       a broker with tests/mosquitto/behaviour.conf
"""
import concurrent.futures
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "mqtt"), str(HERE)]
import behaviour
import wire
from wire import CONNACK, CONNECT, PINGREQ, PINGRESP, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, Closed, packet, text

RECORD = HERE / "suite.txt"


class Failed(Exception):
    pass


def require(what, condition):
    if not condition:
        raise Failed(what)


class Client(wire.Client):
    answer = behaviour.Client.answer

    def seen(self, acknowledge=True):
        """What was published to it so far, handshakes to their ends: all that comes before the answer to a PINGREQ, until nothing does."""
        found, is_quiet = [], False
        while not is_quiet:
            is_quiet = True
            self.send(packet(PINGREQ, b""))
            packets, self.kept = getattr(self, "kept", []), []
            while (got := packets.pop(0) if packets else self.read()) is None or got.kind != PINGRESP:
                if got is None:
                    raise Closed("no answer to a PINGREQ")
                is_quiet = False
                found += [got.fields] if got.kind == PUBLISH else []
                if acknowledge:
                    self.answer(got)
        return found

    def tell(self, topic, payload, qos=0, **what):
        self.deliver(topic, payload, qos, **what)
        self.seen()


class Case:
    def __init__(self, function, version, port):
        self.name, self.version, self.port = function.__name__, version, port

    def topic(self, rest):
        return f"suite/{self.version}/{self.name}/{rest}"

    def identifier(self, label):
        return f"suite-{self.version}-{self.name}-{label}"

    def client(self, label, **how):
        client = Client(self.port, self.version, timeout=20)
        client.connack = client.connect(self.identifier(label), **how).fields
        return client

    def keeps(self, seconds=1000):
        """What makes a session last."""
        return {"clean": False} | ({"session_expiry": seconds} if self.version == 5 else {})


def levels(got):
    return sorted((message["payload"], message["qos"]) for message in got)


def is_refused(client, data):
    """The connection ends, with a word or without."""
    client.send(data)
    try:
        while (got := client.read()) is not None:
            if got.kind == CONNACK and got.fields["reason_code"] == 0:
                return False
        return False
    except Closed:
        return True


# ---- both versions ----

def basic(case):
    client = case.client("a")
    client.subscribe((case.topic("x"), 2))
    for qos in range(3):
        client.publish(case.topic("x"), f"of {qos}", qos)
    require("three messages", levels(client.seen()) == [(b"of 0", 0), (b"of 1", 1), (b"of 2", 2)])
    properties = b"\0" if case.version == 5 else b""
    again = text("MQTT") + bytes((case.version,)) + b"\2\0\x3c" + properties + text("again")
    require("a second CONNECT is refused", is_refused(client, packet(CONNECT, again)))
    other = Client(case.port, case.version, timeout=20)
    require("another protocol's name is refused", is_refused(other, packet(CONNECT, text("hj") + again[6:])))


def retained_messages(case):
    client, more = case.client("a"), {"user": [("a", "2"), ("c", "3")]} if case.version == 5 else {}
    for qos in range(3):
        client.tell(case.topic(qos), f"of {qos}", qos, retain=True, **more)
    client.subscribe((case.topic("+"), 2))
    got = client.seen()
    require("three retained messages", levels(got) == [(b"of 0", 0), (b"of 1", 1), (b"of 2", 2)] and all(message["retain"] for message in got))
    require("with what belongs to them", all(message.get("user") == more.get("user") for message in got))
    for qos in range(3):
        client.tell(case.topic(qos), b"", qos, retain=True)
    late = case.client("b")
    late.subscribe((case.topic("+"), 2))
    require("none after they were removed", late.seen() == [])


def will_message(case):
    watcher = case.client("b")
    watcher.subscribe((case.topic("will"), 2))
    case.client("a", keep_alive=2, will=(case.topic("will"), "gone", 0, False, {})).close()
    require("the will", (got := watcher.read()) and got.kind == PUBLISH and got.fields["payload"] == b"gone")
    require("once", watcher.seen() == [])


def zero_length_clientid(case):
    def connect(clean):
        client = Client(case.port, case.version, timeout=20)
        try:
            return client.connect("", clean=clean).fields
        except Closed:
            return {"reason_code": None}
    require("with a clean session", connect(True)["reason_code"] == 0)
    kept = connect(False)
    if case.version == 4:
        require("not with a kept session", kept["reason_code"] != 0)
    else:
        require("with a name given", kept["reason_code"] == 0 and kept.get("assigned_client"))


def offline_message_queueing(case):
    away = case.client("a", **case.keeps())
    away.subscribe((case.topic("+"), 2))
    away.disconnect()
    sender = case.client("b")
    for qos in range(3):
        sender.tell(case.topic(qos), f"of {qos}", qos)
    require("what was queued", levels(case.client("a", **case.keeps()).seen())[-2:] == [(b"of 1", 1), (b"of 2", 2)])


def overlapping_subscriptions(case):
    client = case.client("a")
    client.subscribe((case.topic("#"), 2), (case.topic("+"), 1))
    client.publish(case.topic("x"), "once or twice", 2)
    got = sorted(message["qos"] for message in client.seen())
    require(f"one message of QoS 2, or one of each level: {got}", got in ([2], [1, 2]))


def keepalive(case):
    watcher = case.client("b", keep_alive=0)
    watcher.subscribe((case.topic("will"), 2))
    start = time.monotonic()
    silent = case.client("a", keep_alive=2, will=(case.topic("will"), "silent", 0, False, {}))
    require("the will of the silent one", (got := watcher.read()) and got.fields.get("payload") == b"silent")
    require("not before its time", time.monotonic() - start > 2.5)
    require("its connection ends", is_refused(silent, b""))


def redelivery_on_reconnect(case):
    client, sender = case.client("a", **case.keeps()), case.client("b")
    client.subscribe((case.topic("#"), 2))
    for qos in (1, 2):
        sender.tell(case.topic(qos), f"of {qos}", qos)
    client.seen(acknowledge=False)
    client.close()
    require("both again", levels(case.client("a", **case.keeps()).seen()) == [(b"of 1", 1), (b"of 2", 2)])


def subscribe_failure(case):
    require("a subscription refused", case.client("a").subscribe(("nosubscribe" if case.version == 4 else "test/nosubscribe", 2))[0] >= 0x80)


def dollar_topics(case):
    client = case.client("a")
    client.subscribe(("+/" + case.name, 2))
    client.publish("$suite/" + case.name, b"hidden", 1)
    require("nothing for a filter that begins with a wildcard", client.seen() == [])


# ---- MQTT 5.0 ----

def unsubscribe(case):
    receiver, sender = case.client("a"), case.client("b")
    receiver.subscribe(*((case.topic(number), 2) for number in range(3)))
    receiver.unsubscribe(case.topic(0))
    for number in range(3):
        sender.tell(case.topic(number), f"{number}", 1)
    require("what is still subscribed", levels(receiver.seen()) == [(b"1", 1), (b"2", 1)])


def session_expiry(case):
    def session(seconds, clean=False):
        client = case.client("a", clean=clean, session_expiry=seconds)
        return client, client.connack["present"]
    first, _ = session(0, clean=True)
    first.subscribe((case.topic("x"), 2))
    first.disconnect()
    second, is_present = session(3)
    require("none after an expiry of 0", not is_present)
    second.disconnect()
    time.sleep(0.5)
    third, is_present = session(2)
    require("there before its end", is_present)
    third.disconnect()
    time.sleep(5)
    fourth, is_present = session(1)
    require("gone after its end", not is_present)
    fourth.disconnect(0, session_expiry=1000)
    time.sleep(3)
    fifth, is_present = session(1)
    require("kept for longer by DISCONNECT", is_present)
    fifth.disconnect(0, session_expiry=0)
    require("ended by DISCONNECT", not session(0)[1])


def shared_subscriptions(case):
    receivers, sender = [case.client(label) for label in "ab"], case.client("c")
    for receiver in receivers:
        receiver.subscribe((f"$share/group/{case.topic('x')}", 2))
    for number in range(10):
        sender.tell(case.topic("x"), f"{number}", number % 3)
    got = [receiver.seen() for receiver in receivers]
    require("each to one of them", sorted(message["payload"] for part in got for message in part) == [b"%d" % number for number in range(10)])
    require("some to each", all(got))


def passes_on(case, **values):
    client = case.client("a")
    client.subscribe((case.topic("x"), 2))
    for qos in range(3):
        client.publish(case.topic("x"), f"of {qos}", qos, **values)
    got = client.seen()
    require("three messages", len(got) == 3)
    require("with what belongs to them", all(message.get(name) == value for message in got for name, value in values.items()))


def user_properties(case):
    passes_on(case, user=[("a", "2"), ("c", "3")])


def payload_format(case):
    passes_on(case, payload_format=1, content_type="My name")


def publication_expiry(case):
    away = case.client("a", **case.keeps())
    away.subscribe((case.topic("x"), 2))
    away.disconnect()
    sender = case.client("b")
    for seconds in (1, 1000):
        for qos in (1, 2):
            sender.tell(case.topic("x"), f"{seconds} s, {qos}", qos, message_expiry=seconds)
    time.sleep(3)
    got = case.client("a", **case.keeps()).seen()
    require("what has not expired", levels(got) == [(b"1000 s, 1", 1), (b"1000 s, 2", 2)])
    require("with less time", all(message["message_expiry"] < 1000 for message in got))


def subscribe_options(case):
    own, other = case.client("a"), case.client("b")
    for client in (own, other):
        client.subscribe((case.topic("local"), 2 | 4))
    own.publish(case.topic("local"), "not to me", 1)
    require("no local", own.seen() == [] and len(other.seen()) == 1)
    own.subscribe((case.topic("published"), 2 | 8))
    for retain in (False, True):
        own.publish(case.topic("published"), "x", 1, retain=retain)
    require("retain as published", [message["retain"] for message in own.seen()] == [0, 1])
    for handling, wanted in ((1, [1, 0]), (2, [0, 0]), (0, [1, 1])):
        client = case.client(f"handling{handling}")
        got = []
        for _ in range(2):
            client.subscribe((case.topic("published"), 2 | handling << 4))
            got.append(len(client.seen()))
        require(f"retain handling {handling}", got == wanted)


def assigned_clientid(case):
    client = Client(case.port, 5, timeout=20)
    require("a name is given", client.connect("", clean=True).fields.get("assigned_client"))


def subscribe_identifiers(case):
    one, two = case.client("a"), case.client("b")
    one.subscribe((case.topic("x"), 2), subscription=456789)
    two.subscribe((case.topic("x"), 2), subscription=2)
    two.subscribe((case.topic("x/#"), 2), subscription=3)
    two.publish(case.topic("x"), "m", 1)
    both = two.seen()
    require("its identifier", [message.get("subscription") for message in one.seen()] == [[456789]])
    got = sorted(identifier for message in both for identifier in message.get("subscription", []))
    require(f"the identifiers of both that match: {got}", got == [2, 3])


def request_response(case):
    asks, answers = case.client("a"), case.client("b")
    asks.subscribe((case.topic("answer"), 2))
    answers.subscribe((case.topic("request"), 2))
    asks.publish(case.topic("request"), "request", 1, response_topic=case.topic("answer"), correlation="334")
    asks.seen()
    request, = answers.seen()
    answers.tell(request["response_topic"], "response", 1, correlation=request["correlation"])
    require("the answer", [(message["payload"], message.get("correlation")) for message in asks.seen()] == [(b"response", "334")])


def client_topic_alias(case):
    most = case.client("a").connack.get("topic_alias_maximum", 0)
    require("aliases are taken", most > 0)
    for alias in (0, most + 1):
        client = case.client(f"wrong{alias}")
        require(f"alias {alias} is refused", is_refused(client, packet(PUBLISH, text(case.topic("x")) + wire.properties({"topic_alias": alias}))))
    client = case.client("b")
    client.subscribe((case.topic("x"), 2))
    for topic in (case.topic("x"), ""):
        client.publish(topic, "m", 1, topic_alias=most)
    require("two messages", [message["topic"] for message in client.seen()] == [case.topic("x")] * 2)


def server_topic_alias(case):
    client = case.client("a", topic_alias_maximum=1)
    client.subscribe((case.topic("x"), 2))
    for qos in range(3):
        client.publish(case.topic("x"), f"of {qos}", qos)
    require("the broker uses the alias that it may", [message.get("topic_alias") for message in client.seen()] == [1] * 3)


def maximum_packet_size(case):
    client = case.client("a", maximum_packet=64 + len(case.topic("x")))
    client.subscribe((case.topic("x"), 2))
    sender = case.client("b")
    for size in (10, 100):
        sender.tell(case.topic("x"), b"m" * size, 1)
    require("none larger than its client takes", [len(message["payload"]) for message in client.seen()] == [10])
    require("the broker names its own", sender.connack.get("maximum_packet", 0) > 0)


def server_keep_alive(case):
    require("the broker names a shorter one", case.client("a", keep_alive=120).connack.get("server_keep_alive") == 60)


def will_delay(case):
    watcher = case.client("b")
    watcher.subscribe((case.topic("will"), 2))
    start = time.monotonic()
    case.client("a", **case.keeps(5), will=(case.topic("will"), "late", 0, False, {"will_delay": 3})).close()
    got = watcher.read()
    require("the will", got and got.fields.get("payload") == b"late")
    require("late", time.monotonic() - start > 2)


def flow_control1(case):
    """The broker takes as many as it has said, and its answers make room."""
    client = case.client("a")
    most = client.connack.get("receive_maximum", 65535)
    identifiers = [client.publish(case.topic("x"), "m", 2) for _ in range(min(most, 1000))]
    for number in identifiers:
        require("a PUBREC for each", client.wait(PUBREC).fields["identifier"] == number)
    for number in identifiers:
        client.acknowledge(PUBREL, number)
        client.wait(PUBCOMP)
    client.tell(case.topic("x"), "m", 2)


def flow_control2(case):
    """It sends no more than its client takes at once."""
    client, sender = case.client("a", receive_maximum=3), case.client("b")
    client.subscribe((case.topic("x"), 2))
    for number in range(8):
        sender.tell(case.topic("x"), f"{number}", 1)
    first = client.seen(acknowledge=False)
    require("three at first", len(first) == 3)
    for message in first:
        client.acknowledge(PUBACK, message["identifier"])
    require("then the others", [message["payload"] for message in first + client.seen()] == [b"%d" % number for number in range(8)])


EITHER = (basic, retained_messages, offline_message_queueing, will_message, overlapping_subscriptions, keepalive, redelivery_on_reconnect,
          zero_length_clientid, subscribe_failure, dollar_topics)
VERSION_5 = (unsubscribe, session_expiry, shared_subscriptions, user_properties, payload_format, publication_expiry, subscribe_options,
             assigned_clientid, subscribe_identifiers, request_response, client_topic_alias, server_topic_alias, maximum_packet_size,
             server_keep_alive, will_delay, flow_control1, flow_control2)


def verdict(function, version, port):
    try:
        function(Case(function, version, port))
        return "passes"
    except Failed as reason:
        return f"fails: {reason}"
    except Closed:
        return "fails: the connection ended"


def verdicts(port):
    """A line for each test."""
    cases = [(function, 4) for function in EITHER] + [(function, 5) for function in EITHER + VERSION_5]
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda case: verdict(*case, port), cases))
    return [f"{'5.0  ' if version == 5 else '3.1.1'} {function.__name__}: {said}" for (function, version), said in zip(cases, found)]


def main(words):
    if words == ["native"]:
        lines = behaviour.native(behaviour.free_ports(), lambda port, users: verdicts(port))
        RECORD.write_text("\n".join(lines) + "\n")
    elif words[:1] == ["run"] and len(words) == 2:
        lines = verdicts(int(words[1]))
    else:
        raise SystemExit(__doc__)
    print("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
