#!/usr/bin/python3
"""Records what mosquitto_pub and mosquitto_sub say to a real mosquitto broker, and what it answers.

    record.py [FOLDER]

Writes one file for each scenario below into FOLDER (by default `recorded` beside this script). The MQTT demo's
`replay` module plays the clients' bytes to our broker and compares the answers byte for byte. A file's lines:

    # text      a comment
    N+          connection N is opened
    N> HEX      bytes from the client
    N< HEX      bytes from the broker
    N-          the client has closed the connection

Lines stand in the order in which the bytes passed, so an answer always follows what caused it. Client identifiers
differ between the scenarios, so that recordings can be played at the same time. Needs Debian's mosquitto and
mosquitto-clients (2.0.11).
"""
import pathlib
import select
import signal
import socket
import subprocess
import sys
import time

SETTLE_S = 0.3


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Recorder:
    """A proxy before the broker, with the clients as its children."""

    def __init__(self, broker_port, path, title):
        self.broker_port = broker_port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.file = path.open("w")
        self.file.write(f"# {title}\n# Recorded by tests/mqtt/record.py from mosquitto {mosquitto_version()}.\n")
        self.peers = {}
        self.connections = 0
        self.clients = []
        self.last = time.monotonic()

    def accept(self):
        client, _ = self.listener.accept()
        broker = socket.create_connection(("127.0.0.1", self.broker_port))
        self.connections += 1
        self.peers[client] = (self.connections, ">", broker)
        self.peers[broker] = (self.connections, "<", client)
        self.file.write(f"{self.connections}+\n")

    def close(self, end):
        number, direction, other = self.peers.pop(end)
        self.peers.pop(other)
        if direction == ">":
            self.file.write(f"{number}-\n")
        end.close()
        other.close()

    def move(self, end):
        number, direction, other = self.peers[end]
        try:
            data = end.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.close(end)
            return
        self.file.write(f"{number}{direction} {data.hex()}\n")
        other.sendall(data)

    def pump(self, until):
        """Moves bytes until `until()` holds and nothing has moved for a while."""
        self.last = time.monotonic()
        end = self.last + 20
        while time.monotonic() < end:
            ready, _, _ = select.select([self.listener, *self.peers], [], [], 0.05)
            for end_of in ready:
                self.last = time.monotonic()
                if end_of is self.listener:
                    self.accept()
                elif end_of in self.peers:
                    self.move(end_of)
            if until() and time.monotonic() - self.last > SETTLE_S:
                return
        raise SystemExit("the scenario does not end")

    def start(self, program, *arguments, stdin=None):
        """Starts a client and waits until it is quiet."""
        self.file.write(f"# {program} {' '.join(arguments)}\n")
        client = subprocess.Popen([program, "-h", "127.0.0.1", "-p", str(self.port), "-V", "mqttv311", *arguments],
                                  stdin=subprocess.PIPE if stdin else subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        if stdin:
            client.stdin.write(stdin)
            client.stdin.close()
        self.pump(lambda: self.connections > 0)
        return client

    def run(self, program, *arguments, stdin=None):
        """Runs a client to its end."""
        client = self.start(program, *arguments, stdin=stdin)
        self.pump(lambda: client.poll() is not None)

    def finish(self, *clients):
        for client in clients:
            self.pump(lambda client=client: client.poll() is not None)
        self.listener.close()
        self.file.close()


def mosquitto_version():
    usage = subprocess.run(["mosquitto", "-h"], capture_output=True, text=True, check=False).stdout
    return usage.split("version", 1)[1].split()[0]


def qos_levels(recorder):
    subscriber = recorder.start("mosquitto_sub", "-i", "qos-sub", "-q", "2", "-t", "recorded/qos/#", "-C", "6")
    for qos in "012":
        recorder.run("mosquitto_pub", "-i", "qos-pub", "-q", qos, "-t", f"recorded/qos/{qos}", "-m", f"level {qos}")
    recorder.run("mosquitto_pub", "-i", "qos-pub", "-q", "1", "-t", "recorded/qos/lines", "-l", stdin=b"one\ntwo\nthree\n")
    recorder.finish(subscriber)


def retained(recorder):
    recorder.run("mosquitto_pub", "-i", "retained-pub", "-r", "-t", "recorded/kept/a", "-m", "first")
    recorder.run("mosquitto_pub", "-i", "retained-pub", "-r", "-q", "1", "-t", "recorded/kept/a", "-m", "second")
    recorder.run("mosquitto_sub", "-i", "retained-sub", "-q", "1", "-t", "recorded/kept/+", "-C", "1")
    subscriber = recorder.start("mosquitto_sub", "-i", "retained-sub", "-t", "recorded/kept/a", "-C", "2")
    recorder.run("mosquitto_pub", "-i", "retained-pub", "-r", "-n", "-t", "recorded/kept/a")
    recorder.run("mosquitto_sub", "-i", "retained-late", "-t", "recorded/kept/#", "-W", "1")
    recorder.finish(subscriber)


def wills(recorder):
    watcher = recorder.start("mosquitto_sub", "-i", "wills-watch", "-q", "1", "-t", "recorded/will/+", "-C", "1")
    calm = recorder.start("mosquitto_sub", "-i", "wills-calm", "-t", "recorded/none", "-W", "1", "--will-topic",
                          "recorded/will/calm", "--will-payload", "never")
    recorder.pump(lambda: calm.poll() is not None)
    doomed = recorder.start("mosquitto_sub", "-i", "wills-doomed", "-t", "recorded/none", "--will-topic",
                            "recorded/will/doomed", "--will-payload", "gone", "--will-qos", "1")
    doomed.send_signal(signal.SIGKILL)
    recorder.finish(doomed, watcher)


def kept_session(recorder):
    arguments = ["-i", "kept-kept", "-c", "-q", "1", "-t", "recorded/session/#"]
    first = recorder.start("mosquitto_sub", *arguments, "-C", "1")
    recorder.run("mosquitto_pub", "-i", "kept-pub", "-q", "1", "-t", "recorded/session/a", "-m", "while there")
    recorder.pump(lambda: first.poll() is not None)
    for message in ("one", "two", "three"):
        recorder.run("mosquitto_pub", "-i", "kept-pub", "-q", "1", "-t", "recorded/session/b", "-m", f"{message} while away")
    recorder.run("mosquitto_sub", *arguments, "-C", "3")
    recorder.run("mosquitto_sub", "-i", "kept-kept", "-t", "recorded/session/#", "-W", "1")
    recorder.finish()


def filters(recorder):
    subscriber = recorder.start("mosquitto_sub", "-i", "filters-sub", "-q", "1", "-t", "recorded/+/temperature", "-t",
                                "recorded/deep/#", "-U", "recorded/deep/#", "-C", "2")
    for topic in ("recorded/hall/temperature", "recorded/hall/pressure", "recorded/deep/er/still", "recorded//temperature"):
        recorder.run("mosquitto_pub", "-i", "filters-pub", "-q", "1", "-t", topic, "-m", topic)
    recorder.finish(subscriber)


SCENARIOS = {
    "qos-levels": (qos_levels, "QoS 0, 1 and 2 from publisher to subscriber"),
    "retained": (retained, "Retained messages: replaced, delivered late, removed"),
    "wills": (wills, "A will that must be published, and one that must not"),
    "kept-session": (kept_session, "A session that is kept while its client is away, then ended"),
    "filters": (filters, "Wildcards and unsubscribing"),
}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "recorded"
    for name, (scenario, title) in SCENARIOS.items():
        port = free_port()
        broker = subprocess.Popen(["mosquitto", "-p", str(port)], stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        try:
            scenario(Recorder(port, folder / f"{name}.txt", title))
        finally:
            broker.terminate()
            broker.wait()
        print(f"recorded {name}")


if __name__ == "__main__":
    main()
