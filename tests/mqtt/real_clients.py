#!/usr/bin/python3
"""mosquitto_pub and mosquitto_sub (2.0.11) and Paho's clients against the demo's broker, built with sanitizers, on a loopback TCP port.

    real_clients.py TCP_BROKER
"""
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import attack
import paho_clients

TIMEOUT_S = 20


class Broker:
    version = "mqttv311"

    def __init__(self, program, idle_ms=1500):
        self.process = subprocess.Popen([program, str(idle_ms)], stdout=subprocess.PIPE, text=True)
        self.port = self.process.stdout.readline().split()[1]

    def arguments(self, program, *arguments):
        return [program, "-h", "127.0.0.1", "-p", self.port, "-V", self.version, *arguments]

    def publish(self, *arguments, stdin=None):
        subprocess.run(self.arguments("mosquitto_pub", *arguments), input=stdin, check=True, timeout=TIMEOUT_S)

    def subscribe(self, *arguments):
        """Starts a subscriber and waits until its SUBACK has come."""
        command = self.arguments("mosquitto_sub", "-d", "-F", "%t|%q|%r|%p", *arguments)
        # Unbuffered: communicate() with a time limit reads past what readline() had read ahead.
        client = subprocess.Popen(["stdbuf", "-oL", *command], stdout=subprocess.PIPE, bufsize=0)
        while b"SUBACK" not in (line := client.stdout.readline()):
            if not line:
                raise SystemExit("mosquitto_sub ended before its SUBACK")
        return client


def messages(client):
    """What a subscriber received, to its end; its debug lines left out."""
    out, _ = client.communicate(timeout=TIMEOUT_S)
    lines = [line for line in out.split(b"\n") if b"|" in line]
    return [line.decode() for line in lines]


def expect(what, got, wanted):
    if got != wanted:
        if isinstance(wanted, bool):
            raise SystemExit(f"{what}: got {got}, wanted {wanted}")
        # From the first difference on.
        at = next((n for n, pair in enumerate(zip(got, wanted)) if pair[0] != pair[1]), min(len(got), len(wanted)))
        raise SystemExit(f"{what}: at {at} of {len(wanted)} got {str(got[at:])[:500]}, wanted {str(wanted[at:])[:500]}")
    print(f"ok: {what}")


def levels(broker):
    for sub in "012":
        subscriber = broker.subscribe("-q", sub, "-t", "levels/+", "-C", "3")
        for pub in "012":
            broker.publish("-q", pub, "-t", f"levels/{pub}", "-m", f"m{pub}")
        wanted = [f"levels/{pub}|{min(pub, sub)}|0|m{pub}" for pub in "012"]
        expect(f"subscriber of QoS {sub}", messages(subscriber), wanted)


def many(broker, most=2000):
    for qos in "012":
        # With more than MQTT 5's receive maximum of QoS 2 on the way, mosquitto_sub 2.0.11 takes a message too many for an error
        # now and then, from a native Mosquitto as well.
        count = 20 if qos == "2" and broker.version == "mqttv5" else most
        subscriber = broker.subscribe("-q", qos, "-t", "many", "-C", str(count))
        broker.publish("-q", qos, "-t", "many", "-l", stdin=b"".join(b"line %d\n" % i for i in range(count)))
        expect(f"{count} messages of QoS {qos} in order", messages(subscriber), [f"many|{qos}|0|line {i}" for i in range(count)])


def retained(broker):
    broker.publish("-r", "-t", "kept/a", "-m", "old")
    broker.publish("-r", "-t", "kept/a", "-m", "new")
    expect("a late subscriber gets the last one", messages(broker.subscribe("-t", "kept/#", "-C", "1")), ["kept/a|0|1|new"])
    broker.publish("-r", "-n", "-t", "kept/a")
    expect("nothing after it was removed", messages(broker.subscribe("-t", "kept/#", "-W", "1")), [])


def wills(broker):
    watcher = broker.subscribe("-q", "1", "-t", "will/+", "-C", "1")
    calm = broker.subscribe("-t", "none", "-W", "1", "--will-topic", "will/calm", "--will-payload", "never")
    calm.wait(TIMEOUT_S)
    doomed = broker.subscribe("-t", "none", "--will-topic", "will/doomed", "--will-payload", "gone", "--will-qos", "1")
    doomed.send_signal(signal.SIGKILL)
    expect("the will of the one that was killed", messages(watcher), ["will/doomed|1|0|gone"])


def kept_session(broker):
    who = ("-i", "keeper", "-c", "-q", "1", "-t", "session")
    first = broker.subscribe(*who, "-C", "1")
    broker.publish("-q", "1", "-t", "session", "-m", "there")
    expect("while there", messages(first), ["session|1|0|there"])
    for i in range(100):
        broker.publish("-q", "1", "-t", "session", "-m", f"away {i}")
    again = subprocess.Popen(broker.arguments("mosquitto_sub", "-F", "%t|%q|%r|%p", *who, "-C", "100"), stdout=subprocess.PIPE)
    expect("100 messages while away", messages(again), [f"session|1|0|away {i}" for i in range(100)])


def large(broker):
    text = "x" * 200000
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(text)
        file.flush()
        subscriber = broker.subscribe("-q", "1", "-t", "large", "-C", "1")
        broker.publish("-q", "1", "-t", "large", "-f", file.name)
        expect("200,000 bytes", messages(subscriber), [f"large|1|0|{text}"])


def take_over(broker):
    first = broker.subscribe("-i", "same", "-t", "take")
    first.send_signal(signal.SIGSTOP)  # running, it would connect again and take over in its turn
    second = broker.subscribe("-i", "same", "-t", "take", "-C", "1")
    broker.publish("-t", "take", "-m", "mine")
    expect("the later client of the same name", messages(second), ["take|0|0|mine"])
    first.kill()
    expect("and not the earlier one", messages(first), [])


def keep_alive(broker):
    subscriber = broker.subscribe("-k", "5", "-t", "quiet", "-C", "1")
    time.sleep(8) # longer than 1.5 times the keep-alive: it must have asked, and been answered
    broker.publish("-t", "quiet", "-m", "still here")
    expect("a quiet client is kept by its PINGREQ", messages(subscriber), ["quiet|0|0|still here"])


def main():
    if not shutil.which("mosquitto_pub") or not shutil.which("mosquitto_sub"):
        raise SystemExit("mosquitto_pub and mosquitto_sub are missing: './tessera setup' installs them")
    broker = Broker(sys.argv[1])
    for scenario in (levels, many, retained, wills, kept_session, large, take_over, keep_alive):
        scenario(broker)
    paho_clients.check(int(broker.port))
    print(f"ok: under fire {attack.under_fire(int(broker.port))} messages were acknowledged, and none was lost")
    status = broker.process.wait(TIMEOUT_S)
    expect("the broker's own verdict", status, 0)


if __name__ == "__main__":
    main()
