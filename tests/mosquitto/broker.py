#!/usr/bin/python3
"""Eclipse Mosquitto on target: mosquitto_pub and mosquitto_sub of this host talk to it as to any broker (tests/mqtt/real_clients.py),
through ports of the loopback.

    broker.py --arch x86_64 --build-dir build/x86_64 --host-dir build/host [--tls] [--cuts N]

With --tls it is the one with OpenSSL, by hand, since that takes minutes to build (targets wasm-mosquitto-tls of the host configuration and
image-mosquitto-tls of the target's). The machine is killed in the middle, as a power cut would, and started again with its disk.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "ci"), str(ROOT / "tests" / "mqtt"), str(HERE)]
import archive
import attack
import behaviour
import disk
import paho_clients
import ports
import real_clients
import run_app
import suite
import survival
import system_image
import tls
import wire
from real_clients import expect, messages

PATIENCE = 60
MEMORY = "32M"  # that it may use for everything, buffers of connections too
HEAP_MOST, HEAP_KEPT = 8 << 20, 64 << 10  # bytes that Mosquitto allocates at most under fire, however long that takes, and keeps of each round (topics, retained messages)
FAULTS = ("Client (flood|noise|mutant)[0-9]+ disconnected due to malformed packet", "Client mutant[0-9]+ disconnected due to protocol error",
          "Client stage closed its connection", "Client huge[0-9]+ disconnected due to oversize packet")
MACHINE_SECONDS = 120


def free_ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return found


def settings(folder, peer, is_tls):
    """Our configuration, and a bridge to a broker on this host."""
    made = os.path.join(folder, "etc")
    shutil.copytree(HERE / "etc", made)
    with open(os.path.join(made, "mosquitto.conf"), "a", encoding="utf-8") as file:
        file.write(f"connection peer\naddress 10.0.2.2:{peer.port}\ntopic bridged/# both 1\nbridge_protocol_version mqttv311\n"
                   "try_private false\nnotifications false\nrestart_timeout 1\n")
        if is_tls:
            file.write("listener 8883\nallow_anonymous true\n" +
                       "".join(f"{key}file /etc/mosquitto/{name}\n" for key, name in (("ca", "ca.crt"), ("cert", "server.crt"), ("key", "server.key"))))
            tls.certificates(made)
            shutil.copy(HERE / "passwords-hashed", os.path.join(made, "passwords"))
    return made


def serve(name, arch, build, host, image, published, folder, etc, server):
    """The machine, in a process of its own: its streams are the program's, and QEMU ends with it. `server` is the net server's image."""
    options = argparse.Namespace(demo=name, arguments=[], mem=MEMORY, cpu=None, env=[], spawn=[], dir=[f"{etc}::/etc/mosquitto:ro"], disk=image,
                                 stdin=None, net=True, publish=published.split(","))
    port = ports.find(name)
    app = run_app.App(options, port.module(host), port)
    app.module = os.path.join(build, "images", name)  # translated already
    content, _ = system_image.pack(app.write(folder), arch, host, build)
    path = os.path.join(folder, "app.cpio")
    pathlib.Path(path).write_bytes(content)
    if server != "net":
        other = archive.without_debug_data(archive.read_file(os.path.join(build, "programs", server)))
        archive.write_file(path, archive.pack([(member.name, other if member.name == "net" else member.data) for member in archive.read(content)]))
    kernel = os.path.join(build, "kernel", "Image" if arch == "arm64" else "tessera.elf")
    return run_app.run(app, arch, kernel, path, MACHINE_SECONDS)


class Machine(real_clients.Broker):
    """A broker of real_clients' that runs on target."""

    def __init__(self, options, image, etc, server="net", guests=None):
        folder = tempfile.mkdtemp(dir=os.path.dirname(image))
        guests = guests or ((1883, 1884, 8883) if options.tls else (1883, 1884))
        self.ports = free_ports(len(guests))
        self.port = str(self.ports[0])
        self.log = open(os.path.join(folder, "log"), "w+", encoding="utf-8", errors="replace")  # it holds names that clients made up
        published = ",".join(f"{host}:{guest}" for host, guest in zip(self.ports, guests))
        command = [sys.executable, str(HERE / "broker.py"), "--serve", "mosquitto-tls" if options.tls else "mosquitto", options.arch, os.path.abspath(options.build_dir),
                   os.path.abspath(options.host_dir), image, published, folder, etc, server]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.wait_for("running")

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def wait_for(self, text, times=1):
        deadline = time.monotonic() + PATIENCE
        while self.said().count(text) < times:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the broker does not say '{text}':\n{self.said()}")
            time.sleep(0.05)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def as_user(self, name, password, *arguments, client="mosquitto_pub"):
        words = [client, "-h", "127.0.0.1", "-p", str(self.ports[1]), "-V", self.version, "-u", name, "-P", password, *arguments]
        return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)


def encrypted(broker, etc):
    """Over TLS everything is as without."""
    same = tls.Client(broker.ports[2], etc)
    for scenario in (real_clients.levels, real_clients.retained, real_clients.large):
        scenario(same)
    for version in paho_clients.PROTOCOLS:
        paho_clients.check(int(same.port), version, os.path.join(etc, "ca.crt"))


def version_5(broker):
    subscriber = broker.subscribe("-q", "1", "-t", "five", "-C", "1", "-F", "%t|%q|%P|%p")
    broker.publish("-q", "1", "-t", "five", "-m", "m", "-D", "publish", "user-property", "colour", "red")
    expect("a user's property", messages(subscriber), ["five|1|colour:red|m"])
    shared = [broker.subscribe("-q", "1", "-t", "$share/all/split", "-W", "1") for _ in range(2)]
    for number in range(4):
        broker.publish("-q", "1", "-t", "split", "-m", str(number))
    parts = sorted(messages(one) for one in shared)
    expect("a shared subscription", parts, [["split|1|0|0", "split|1|0|2"], ["split|1|0|1", "split|1|0|3"]])


def users(broker):
    wrong = broker.as_user("anna", "attic", "-t", "house/door", "-m", "open")
    expect("a wrong password", wrong.returncode != 0 and "ot authori" in wrong.stdout, True)
    broker.as_user("otto", "cellar", "-q", "1", "-r", "-t", "house/door", "-m", "of one who may not")
    broker.as_user("anna", "kitchen", "-q", "1", "-r", "-t", "house/door", "-m", "open")
    broker.as_user("anna", "kitchen", "-q", "1", "-r", "-t", "users/otto", "-m", "of one who may not")
    broker.as_user("otto", "cellar", "-q", "1", "-r", "-t", "users/otto", "-m", "mine")
    seen = broker.as_user("otto", "cellar", "-t", "#", "-W", "1", "-F", "%t|%p", client="mosquitto_sub").stdout.splitlines()
    expect("what the access list allows", sorted(line for line in seen if "|" in line), ["house/door|open", "users/otto|mine"])


def bridge(broker, peer):
    for near, far in ((broker, peer), (peer, broker)):
        subscriber = far.subscribe("-q", "1", "-t", "bridged/#", "-C", "1")
        near.publish("-q", "1", "-t", "bridged/topic", "-m", "across")
        expect(f"over the bridge from {near.port} to {far.port}", messages(subscriber), ["bridged/topic|1|0|across"])


def behaves(options, folder):
    """Packet by packet as the native one (behaviour.py). Its end is an exception when not."""
    etc, image = os.path.join(folder, "behaviour"), os.path.join(folder, "behaviour.img")
    os.mkdir(etc)
    shutil.copy(HERE / "behaviour.conf", os.path.join(etc, "mosquitto.conf"))
    shutil.copy(HERE / "etc" / "acl", etc)
    shutil.copy(HERE / "passwords-hashed" if options.tls else HERE / "etc" / "passwords", os.path.join(etc, "passwords"))
    disk.create(image, 32 << 20, 32 << 20)
    broker = Machine(options, image, etc)
    try:
        differences, count = behaviour.compare(*broker.ports[:2])
        if differences:
            raise SystemExit("it does not behave like the native one:\n" + "\n".join(differences))
        print(f"ok: {count} lines of a transcript like the native one's")
        expect("it passes and fails what the native one does", suite.verdicts(broker.ports[0]), suite.RECORD.read_text().splitlines())
    finally:
        broker.kill()


def heap(broker):
    """Bytes that Mosquitto has from malloc, and the most that it ever had. It says so once a second."""
    time.sleep(1.5)
    said = messages(broker.subscribe("-t", "$SYS/broker/heap/+", "-C", "2"))
    now, most = (next(int(line.split("|")[-1]) for line in said if line.startswith(f"$SYS/broker/heap/{name}")) for name in ("current", "maximum"))
    return now, most


def disk_full(options, folder):
    """When there is no room, Mosquitto stops before it acknowledges, and has in its next life all that it did acknowledge."""
    image, etc = os.path.join(folder, "full.img"), os.path.join(folder, "full")
    os.mkdir(etc)
    shutil.copy(HERE / "behaviour.conf", os.path.join(etc, "mosquitto.conf"))
    shutil.copy(HERE / "etc" / "acl", etc)
    shutil.copy(HERE / "passwords-hashed" if options.tls else HERE / "etc" / "passwords", os.path.join(etc, "passwords"))
    disk.create(image, 8 << 20, 24 << 20)
    broker, done = Machine(options, image, etc), []
    try:
        client = wire.Client(int(broker.port), timeout=PATIENCE)
        client.connect("writer", keep_alive=0)
        try:
            for number in range(100):
                client.deliver(f"full/{number}", bytes([number]) * 100000, 1 + number % 2, retain=True)
                done.append(number)
            raise SystemExit("8 MiB are never full")
        except wire.Closed:
            pass
        broker.process.wait(PATIENCE)
        expect("the log: why it stopped", "No space left on device" in broker.said() and "could not be saved, and is not acknowledged" in broker.said(), True)
        expect("acknowledged before", len(done) > 5, True)
        broker = Machine(options, image, etc)
        client = wire.Client(int(broker.port), timeout=PATIENCE)
        client.connect("reader", keep_alive=0)
        client.subscribe(("full/#", 0))
        there = {message["topic"]: message["payload"] for message in client.messages(2)}
        expect("acknowledged and lost with the full disk", [number for number in done if there.get(f"full/{number}") != bytes([number]) * 100000], [])
    finally:
        broker.kill()


def under_fire(broker, times):
    before, _ = heap(broker)
    print(f"ok: under fire {attack.under_fire(int(broker.port), (4, 5), times)} messages were acknowledged and none was lost")
    after, most = heap(broker)
    expect(f"Mosquitto has {before >> 10} KiB, under fire at most {most >> 10}, then {after >> 10}", most <= HEAP_MOST and after - before <= HEAP_KEPT * times, True)
    for pattern in FAULTS:
        expect(f"the log: {pattern}", re.search(pattern, broker.said()) is not None, True)


def acknowledged_until(broker, seconds):
    """Publishes to an absent subscriber without a pause, until the machine is killed: what was acknowledged, by level of service."""
    done, stop = {1: [], 2: []}, time.monotonic() + seconds
    client = wire.Client(int(broker.port))
    client.connect("absent", clean=False)
    client.subscribe(("flood/+", 2))
    client.disconnect()
    client = wire.Client(int(broker.port), timeout=5)
    client.connect("restless")
    under_way, number = {}, 0
    try:
        while True:
            if time.monotonic() > stop:
                broker.kill()
            while len(under_way) < 8 and broker.process.poll() is None:
                qos, number = 1 + number % 2, number + 1
                under_way[client.publish(f"flood/{qos}", f"message {number}", qos)] = (qos, f"message {number}")
            got = client.read()
            if got is None:
                raise SystemExit("the broker does not answer any more")
            if got.kind == wire.PUBREC:
                client.acknowledge(wire.PUBREL, got.fields["identifier"])
            else:  # PUBACK, PUBCOMP
                qos, payload = under_way.pop(got.fields["identifier"])
                done[qos].append(payload)
    except wire.Closed:
        return done


def flood_after_the_cut(broker, done):
    client = wire.Client(int(broker.port))
    expect("the session is kept", client.connect("absent", clean=False).fields["present"], 1)
    there = {message["payload"].decode() for message in client.messages(2)}
    client.disconnect()
    for qos in (1, 2):
        expect(f"acknowledged, QoS {qos}, and not there after the cut", [payload for payload in done[qos] if payload not in there], [])
    print(f"ok: {len(done[1])} messages of QoS 1 and {len(done[2])} of QoS 2 were acknowledged before the cut")


def net_server_dies(options, image, etc):
    """It dies each time it has passed on 400,000 bytes: Mosquitto listens in the next one, and has what it had."""
    broker = Machine(options, image, etc, "net-faulty")
    try:
        estate = survival.Estate(int(broker.port), SystemExit)
        estate.leave()
        try:
            client, _ = survival.reconnect(int(broker.port), "writer")
            for _ in range(60):
                client.deliver("bulk", b"b" * 10000, 1)
            raise SystemExit("the net server did not die")
        except wire.Closed:
            pass
        estate.check()
        print("ok: after the net server's death: what was retained, queued and kept")
    except BaseException:
        print(broker.said()[-3000:])
        raise
    finally:
        broker.kill()


def before_the_cut(broker):
    for qos in "12":
        who = ("-i", f"away{qos}", "-c", "-q", qos, "-t", "queue")
        subprocess.run(broker.arguments("mosquitto_sub", *who, "-E"), check=True, timeout=PATIENCE)
    for number in range(20):
        broker.publish("-q", str(1 + number % 2), "-t", "queue", "-m", f"queued {number}")
    broker.publish("-q", "1", "-r", "-t", "stays", "-m", "retained")


def after_the_cut(broker):
    expect("a retained message after the cut", messages(broker.subscribe("-t", "stays", "-C", "1")), ["stays|0|1|retained"])
    for qos in "12":
        who = ("-i", f"away{qos}", "-c", "-q", qos, "-t", "queue", "-C", "20", "-W", "10")
        again = subprocess.Popen(broker.arguments("mosquitto_sub", "-F", "%t|%q|%r|%p", *who), stdout=subprocess.PIPE)
        wanted = [f"queue|{min(int(qos), 1 + number % 2)}|0|queued {number}" for number in range(20)]
        expect(f"a session of QoS {qos} after the cut", sorted(messages(again)), sorted(wanted))  # handshakes of QoS 2 end later


def check(options):
    with tempfile.TemporaryDirectory(prefix="mosquitto-") as folder, concurrent.futures.ThreadPoolExecutor() as pool:
        alike = pool.submit(behaves, options, folder)  # on a machine of its own: it waits most of the time
        full = pool.submit(disk_full, options, folder)
        image = os.path.join(folder, "data.img")
        disk.create(image, 32 << 20, 32 << 20)
        peer = real_clients.Broker(os.path.join(options.host_dir, "tests", "mqtt", "mqtt-tcp_broker"), 1000 * MACHINE_SECONDS)
        etc = settings(folder, peer, options.tls)
        broker = Machine(options, image, etc)
        try:
            for broker.version in ("mqttv311", "mqttv5"):
                for scenario in (real_clients.levels, real_clients.retained, real_clients.large):
                    scenario(broker)
                paho_clients.check(int(broker.port), broker.version)
            real_clients.many(broker, 200)
            version_5(broker)
            users(broker)
            bridge(broker, peer)
            under_fire(broker, options.times)
            if options.tls:
                encrypted(broker, etc)
            before_the_cut(broker)
            broker.kill()
            broker = Machine(options, image, etc)
            after_the_cut(broker)
            for number in range(options.cuts):
                done = acknowledged_until(broker, 0.3 + 0.37 * number % 1.5)
                broker = Machine(options, image, etc)
                flood_after_the_cut(broker, done)
            broker.kill()
            net_server_dies(options, image, etc)
            alike.result()
            full.result()
        except BaseException:
            print(broker.said()[-3000:])
            raise
        finally:
            broker.kill()
            peer.process.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--build-dir", required=True)
    parser.add_argument("--host-dir", required=True)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--cuts", type=int, default=1, help="how often power is cut while messages are acknowledged")
    parser.add_argument("--times", type=int, default=1, help="so many times as long under fire")
    check(parser.parse_args())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        sys.exit(serve(*sys.argv[2:]))
    main()
