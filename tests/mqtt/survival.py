"""What a broker keeps when something dies: retained messages, kept sessions, and what is queued for them of QoS 1 and 2."""
import time

import wire
from attack import all_messages

QUEUED = 6


def reconnect(port, name, seconds=60, **how):
    """A client that tries until the broker answers, and the broker's CONNACK."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            client = wire.Client(port, timeout=5)
            return client, client.connect(name, **how)
        except (wire.Closed, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class Estate:
    """Of `fail`, an exception, is raised what is not there any more."""

    def __init__(self, port, fail):
        self.port, self.fail, self.round, self.flooded = port, fail, 0, []

    def expect(self, what, got, wanted):
        if got != wanted:
            raise self.fail(f"{what}: {str(got)[:500]}, not {str(wanted)[:500]}")

    def away(self, name, topic):
        """A kept session whose client leaves."""
        client, _ = reconnect(self.port, name, clean=False)
        client.subscribe((topic, 2))
        client.disconnect()

    def back(self, name, count):
        """What was kept for it, by level of service."""
        client, answer = reconnect(self.port, name, clean=False)
        self.expect(f"{name}'s session", answer.fields["present"], 1)
        there = {1: [], 2: []}
        for message in all_messages(client, count):
            there[message["qos"]].append(message["payload"].decode())
        client.disconnect()
        return there

    def queued(self, qos):
        return [f"queued {self.round}.{number}" for number in range(QUEUED) if 1 + number % 2 == qos]

    def leave(self):
        self.round += 1
        self.away("estate-heir", "estate/#")
        writer, _ = reconnect(self.port, "estate-writer")
        for number in range(QUEUED):
            writer.deliver(f"estate/{number}", f"queued {self.round}.{number}", 1 + number % 2)
        for qos in (1, 2):
            writer.deliver(f"remains/{qos}", f"retained {self.round}", qos, retain=True)
        writer.disconnect()

    def flood(self, kill, count):
        """Eight messages at a time are under way to a session whose client is away, until `kill`, after so many acknowledgements, has ended the
        connection."""
        self.away("flood-heir", "flood/#")
        self.flooded, under_way, number = [], {}, 0
        writer, _ = reconnect(self.port, "flood-writer")
        try:
            while True:
                while len(under_way) < 8:
                    number += 1
                    under_way[writer.publish(f"flood/{number}", f"flood {self.round}.{number}", 1 + number % 2)] = f"flood {self.round}.{number}"
                if not (got := writer.read()):
                    raise self.fail("the broker does not answer, and does not end")
                if got.kind == wire.PUBREC:
                    writer.acknowledge(wire.PUBREL, got.fields["identifier"])
                else:  # PUBACK, PUBCOMP
                    self.flooded.append(under_way.pop(got.fields["identifier"]))
                    if len(self.flooded) == count:
                        kill()
        except wire.Closed:
            return

    def check(self):
        """All of it, once; of the flood, what was acknowledged."""
        there = self.back("estate-heir", QUEUED)
        for qos in (1, 2):
            self.expect(f"what was queued of QoS {qos}", there[qos], self.queued(qos))
        reader, _ = reconnect(self.port, "estate-reader")
        reader.subscribe(("remains/#", 2))
        retained = sorted((message["topic"], message["payload"].decode()) for message in all_messages(reader, 2))
        self.expect("what was retained", retained, [(f"remains/{qos}", f"retained {self.round}") for qos in (1, 2)])
        reader.disconnect()
        if self.flooded:
            there = self.back("flood-heir", len(self.flooded))
            self.expect("acknowledged, and lost", [payload for payload in self.flooded if payload not in there[1] + there[2]], [])
