"""The demo's broker between clients of the host, over TCP, and modules of its own machine, over its channel (relay.c): what the host
publishes under from-host/ the module `first` publishes under between/, and `second` that under to-host/."""
import threading

import paho_clients
import real_clients
from real_clients import expect, messages

COUNT = 40


class Broker(real_clients.Broker):
    def __init__(self, port):
        self.port = str(port)


def ready(broker):
    """What modules retained, the host sees, at the latest when it asks again."""
    messages(broker.subscribe("-q", "1", "-t", "relay/+", "-C", "2"))
    said = messages(broker.subscribe("-q", "1", "-t", "relay/+", "-C", "2"))
    expect("both modules are ready", sorted(said), ["relay/first|1|1|ready", "relay/second|1|1|ready"])


def levels(broker):
    """mosquitto's clients: from the host to a module, from module to module and back to the host; and what goes between modules is
    heard on the host, too."""
    back = broker.subscribe("-q", "2", "-t", "to-host/#", "-C", str(3 * COUNT + 3))
    between = broker.subscribe("-q", "1", "-t", "between/#", "-C", str(3 * COUNT + 3))
    for qos in "012":
        broker.publish("-q", qos, "-t", f"from-host/{qos}", "-l", stdin=b"".join(b"line %d\n" % number for number in range(COUNT)))
        broker.publish("-q", qos, "-t", f"from-host/{qos}/long", "-m", "x" * 10000)
    for where, most, client in (("between", 1, between), ("to-host", 2, back)):
        seen = messages(client)
        for qos in range(3):
            level = min(qos, most)
            wanted = [f"{where}/{qos}|{level}|0|line {number}" for number in range(COUNT)] + [f"{where}/{qos}/long|{level}|0|{'x' * 10000}"]
            expect(f"{where}, QoS {qos}", [line for line in seen if line.startswith(f"{where}/{qos}")], wanted)


class Ring:
    """A client of Paho's sends messages through both modules all the time, until it is asked whether they came back."""

    def __init__(self, port):
        self.client = paho_clients.Client(port, "mqttv311", "ring")
        self.client.subscribe(("to-host/ring", 2))
        self.sent, self.is_over = 0, threading.Event()
        self.thread = threading.Thread(target=self.send, daemon=True)
        self.thread.start()

    def send(self):
        while not self.is_over.wait(0.02):
            self.client.paho.publish("from-host/ring", b"%d" % self.sent, self.sent % 3)
            self.sent += 1

    def check(self):
        self.is_over.set()
        self.thread.join()
        got = self.client.received(self.sent)
        for qos in range(3):
            expect(f"round the ring, QoS {qos}", [part for part in got if part[2] == qos],
                   [("to-host/ring", b"%d" % number, qos, 0) for number in range(qos, self.sent, 3)])
        self.client.leave()
        return self.sent


def end(broker):
    """The modules die without a word, one after the other; their wills come to the host."""
    wills = broker.subscribe("-q", "1", "-t", "relay/+", "-C", "4")
    broker.publish("-q", "1", "-t", "from-host/end", "-m", "end")
    expect("their wills", sorted(messages(wills)), [f"relay/{name}|1|{line}" for name in ("first", "second") for line in ("0|gone", "1|ready")])
