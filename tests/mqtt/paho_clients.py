"""Clients of Eclipse Paho's library for Python (Debian's python3-paho-mqtt) against any broker: what they see of it must be what MQTT says."""
import queue
import socket

from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from attack import Failure

PATIENCE = 30
PROTOCOLS = {"mqttv311": paho.MQTTv311, "mqttv5": paho.MQTTv5}


def expect(what, got, wanted):
    if got != wanted:
        raise Failure(f"Paho: {what}: got {str(got)[:300]}, not {str(wanted)[:300]}")


class Client:
    """One that is connected, its loop in a thread of the library's; what happens is taken from queues."""

    def __init__(self, port, version, name, authority=None, will=None, kept=False):
        self.version, self.own_topic, self.messages, self.answers = version, f"own/{name}", queue.Queue(), queue.Queue()
        how = {"protocol": PROTOCOLS[version], "client_id": name, "reconnect_on_failure": False}
        if version == "mqttv311":
            how["clean_session"] = not kept
        self.paho = paho.Client(**how)
        self.paho.on_message = lambda client, data, message: self.messages.put(message)
        self.paho.on_connect = lambda client, data, flags, code, *more: self.answers.put(("connected", int(getattr(code, "value", code)), flags["session present"]))
        self.paho.on_subscribe = lambda client, data, number, codes, *more: self.answers.put(("subscribed", [int(getattr(code, "value", code)) for code in codes]))
        if authority:
            self.paho.tls_set(authority)
        if will:
            self.paho.will_set(**will)
        self.paho.connect("127.0.0.1", port, keepalive=30)
        self.paho.loop_start()
        answer = self.answers.get(timeout=PATIENCE)
        expect(f"{name}: CONNACK", answer[:2], ("connected", 0))
        self.is_session_present = answer[2]

    def subscribe(self, *topics):
        self.paho.subscribe(list(topics) if self.version == "mqttv311" else [(topic, paho.SubscribeOptions(qos)) for topic, qos in topics])
        expect("what is granted", self.answers.get(timeout=PATIENCE), ("subscribed", [qos for _, qos in topics]))

    def publish(self, topic, payload, qos, **more):
        """Waits for the end of the handshake."""
        done = self.paho.publish(topic, payload, qos, **more)
        done.wait_for_publish(PATIENCE)
        expect(f"QoS {qos}: acknowledged", done.is_published(), True)

    def next(self):
        try:
            got = self.messages.get(timeout=PATIENCE)
        except queue.Empty:
            raise Failure("Paho: a message does not come") from None
        return got

    def received(self, count):
        return [(got.topic, got.payload, got.qos, got.retain) for got in (self.next() for _ in range(count))]

    def expect_no_more(self, what):
        """What there is comes before what this client now sends to itself."""
        self.publish(self.own_topic, what, 0)
        expect(what, self.received(1), [(self.own_topic, what.encode(), 0, 0)])

    def leave(self):
        self.paho.disconnect()
        self.paho.loop_stop()

    def vanish(self):
        """Without a DISCONNECT."""
        self.paho.socket().shutdown(socket.SHUT_RDWR)
        self.paho.loop_stop()


def levels(one, two):
    """Each level published against each that is subscribed, from one to the other and back."""
    for near, far, name in ((one, two, "there"), (two, one, "back")):
        far.subscribe(*((f"paho/{name}/{qos}/#", qos) for qos in range(3)))
        for qos in range(3):
            for published in range(3):
                topic, payload = f"paho/{name}/{qos}/{published}", b"%d to %d" % (published, qos)
                near.publish(topic, payload, published)
                expect(f"QoS {published} to {qos}", far.received(1), [(topic, payload, min(published, qos), 0)])
        large = bytes(range(256)) * 400
        near.publish(f"paho/{name}/2/large", large, 2)
        expect("102,400 bytes", far.received(1), [(f"paho/{name}/2/large", large, 2, 0)])
        near.publish(f"paho/{name}/1/empty", b"", 1)
        expect("no bytes", far.received(1), [(f"paho/{name}/1/empty", b"", 1, 0)])
        far.expect_no_more("nothing twice")


def many(one, two):
    """In order, with many on the way at once."""
    two.subscribe(("paho/many/+", 2))
    for number in range(90):
        done = one.paho.publish(f"paho/many/{number % 3}", str(number), number % 3)
    done.wait_for_publish(PATIENCE)
    got = two.received(90)
    for qos in range(3):
        expect(f"QoS {qos} in order", [(payload, level) for topic, payload, level, _ in got if topic == f"paho/many/{qos}"],
               [(b"%d" % number, qos) for number in range(qos, 90, 3)])


def retained(one, two):
    one.publish("paho/kept", "old", 1, retain=True)
    one.publish("paho/kept", "new", 2, retain=True)
    two.subscribe(("paho/kept", 2))
    expect("what is retained", two.received(1), [("paho/kept", b"new", 2, 1)])
    one.publish("paho/kept", b"", 1, retain=True)
    expect("its removal", two.received(1), [("paho/kept", b"", 1, 0)])
    two.subscribe(("paho/kept", 2))
    two.expect_no_more("nothing retained after its removal")


def wills(one, start):
    one.subscribe(("paho/will/+", 1))
    calm = start("paho-calm", will={"topic": "paho/will/calm", "payload": "never"})
    calm.leave()
    doomed = start("paho-doomed", will={"topic": "paho/will/doomed", "payload": "gone", "qos": 1})
    doomed.vanish()
    expect("the will of the one that vanished", one.received(1), [("paho/will/doomed", b"gone", 1, 0)])


def kept_session(one, start):
    """Of 3.1.1: what came while its client was away."""
    away = start("paho-away", kept=True)
    expect("a new session", away.is_session_present, 0)
    away.subscribe(("paho/away", 2))
    away.leave()
    for qos in (1, 2):
        one.publish("paho/away", f"away {qos}", qos)
    back = start("paho-away", kept=True)
    expect("the kept session", back.is_session_present, 1)
    expect("what was queued", back.received(2), [("paho/away", b"away 1", 1, 0), ("paho/away", b"away 2", 2, 0)])
    back.leave()
    start("paho-away").leave()  # and the session is gone


def properties(one, two):
    """Of 5.0."""
    two.subscribe(("paho/properties", 1))
    sent = Properties(PacketTypes.PUBLISH)
    sent.UserProperty, sent.ContentType, sent.ResponseTopic, sent.CorrelationData = [("colour", "red")], "text", "paho/answer", b"\0\1"
    one.publish("paho/properties", "p", 1, properties=sent)
    got = two.next().properties
    expect("properties", (got.UserProperty, got.ContentType, got.ResponseTopic, got.CorrelationData), ([("colour", "red")], "text", "paho/answer", b"\0\1"))


def check(port, version="mqttv311", authority=None):
    """Raises Failure."""
    def start(name, **how):
        return Client(port, version, name, authority, **how)
    one, two = start("paho-one"), start("paho-two")
    for client in (one, two):
        client.subscribe((client.own_topic, 0))
    levels(one, two)
    many(one, two)
    retained(one, two)
    wills(one, start)
    if version == "mqttv5":
        properties(one, two)
    else:
        kept_session(one, start)
    one.leave()
    two.leave()
    print(f"ok: Paho's clients, {version}{', TLS' if authority else ''}")
