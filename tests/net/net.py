#!/usr/bin/python3
"""The network on target: boots a system in QEMU, and talks to it through ports of this host's loopback.

    net.py echo --arch x86_64 --build-dir build/x86_64
"""
import argparse
import json
import os
import pathlib
import re
import select
import socket
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "tests" / "mqtt"), str(ROOT / "ci")]
import attack
import modules
import paho_clients
import survival
import system_image

PATIENCE = 60
BROKER_KIB = 7400  # in use at most under fire, however long that takes: the broker, two modules, the servers
BROKER_LOG = ("broker: closed '(flood|noise|mutant)[0-9]+': .+", "broker: closed 'huge[0-9]+': .+", "broker: [0-9]+ connections")


class Failure(Exception):
    pass


def free_ports(count):
    """Ports of the loopback that nobody has at the moment."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports


def packed(options, description, folder):
    """The archive of a system that is described here; of programs that are translated already. `options.host_dir`: the host's build folder."""
    path = os.path.join(folder, "system")
    pathlib.Path(path + ".json").write_text(json.dumps(description), encoding="utf-8")
    content, _ = system_image.pack(path + ".json", options.arch, os.path.abspath(options.host_dir), os.path.abspath(options.build_dir))
    pathlib.Path(path + ".cpio").write_bytes(content)
    return path


def translated(options, name):
    return os.path.abspath(os.path.join(options.build_dir, "images", name))


class Machine:
    """A system that runs in QEMU; its console is read all the time."""

    def __init__(self, options, archive, published, more=None):
        kernel = "kernel/tessera.elf" if options.arch == "x86_64" else "kernel/Image"
        command = [sys.executable, str(ROOT / "ci/qemu.py"), "--arch", options.arch, "--boot", "direct",
                   "--kernel", os.path.join(options.build_dir, kernel), "--timeout", str(2 * PATIENCE),
                   "--archive", os.path.join(options.build_dir, "archives", archive + ".cpio")]
        command += more or ["--net", "isolated"]
        for host, guest in published:
            command += ["--publish", f"{host}:{guest}"]  # the guest's port may have /udp behind it
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.lines = []
        self.news = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            with self.news:
                self.lines.append(line.rstrip())
                self.news.notify_all()
        with self.news:
            self.lines.append(None)
            self.news.notify_all()

    def wait_for(self, pattern, start=0):
        """The first line that matches, from line `start` on; its number."""
        deadline = time.monotonic() + PATIENCE
        with self.news:
            while True:
                for number in range(start, len(self.lines)):
                    if self.lines[number] is None:
                        raise Failure(f"the machine ended before it said {pattern!r}")
                    if re.search(pattern, self.lines[number]):
                        return number
                if not self.news.wait(deadline - time.monotonic()) and time.monotonic() > deadline:
                    raise Failure(f"the machine does not say {pattern!r}")

    def finish(self):
        """The machine's verdict must be good, and nothing of the net server's lost."""
        status = self.process.wait(PATIENCE)
        if status != 0:
            raise Failure(f"the machine ended with status {status}")
        self.wait_for("all memory returned")
        lost = [line for line in self.lines if line and "net: lost: " in line]
        if lost:
            raise Failure(lost[0])

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

    def expect_memory(self, most_kib):
        """All of it is back; and so much, at most, was in use for programs and servers together."""
        line = self.lines[self.wait_for("all memory returned")]
        used = int(re.search("at most ([0-9]+) KiB were in use", line).group(1))
        print(f"at most {used} KiB of memory were in use")
        if used > most_kib:
            raise Failure(f"{used} KiB of memory were in use, more than {most_kib}")


def connect(port):
    """QEMU takes a connection before the guest does; what fails then is a reset."""
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def expect(what, got, wanted):
    if got != wanted:
        raise Failure(f"{what}: {len(got)} bytes {got[:60]!r}, not {len(wanted)} bytes {wanted[:60]!r}")


def receive(client, count):
    data = bytearray()
    while len(data) < count:
        part = client.recv(count - len(data))
        if not part:
            break
        data += part
    return bytes(data)


def echo_all(client, data):
    """Sends and receives at the same time, as fast as it goes; what came back."""
    back, sent = bytearray(), 0
    client.setblocking(False)
    deadline = time.monotonic() + PATIENCE
    while len(back) < len(data):
        readable, writable, _ = select.select([client], [client] if sent < len(data) else [], [], deadline - time.monotonic())
        if not readable and not writable:
            raise Failure(f"echo stops after {len(back)} of {len(data)} bytes")
        if writable:
            sent += client.send(data[sent:sent + 65536])
        if readable:
            part = client.recv(65536)
            if not part:
                break
            back += part
    client.settimeout(PATIENCE)
    return bytes(back)


def echo(options):
    port, = free_ports(1)
    machine = Machine(options, "net-echo", [(port, 7)])
    try:
        machine.wait_for("echo: listening")
        with connect(port) as one, connect(port) as two:
            one.sendall(b"salve")
            expect("a short message", receive(one, 5), b"salve")
            data = bytes(range(256)) * 1024
            expect("256 KiB", echo_all(two, data), data)
            two.shutdown(socket.SHUT_WR)
            expect("after the end", receive(two, 1), b"")
            one.sendall(b"again")
            expect("the other one", receive(one, 5), b"again")
        clients = []
        for number in range(20):  # one after the other: QEMU's own queue holds one
            clients.append(connect(port))
            clients[-1].sendall(b"client %d" % number)
            time.sleep(0.01)
        for number, client in enumerate(clients):
            expect("one of many", receive(client, len(b"client %d" % number)), b"client %d" % number)
            client.close()
        with connect(port) as last:
            quit_machine(last, machine)
    finally:
        machine.stop()


def plain(options):
    """A program of preview 1 alone: its listener is there from the start, where it is granted."""
    port, = free_ports(1)
    machine = Machine(options, "net-plain", [(port, 80)])
    try:
        machine.wait_for("plain: listening")
        for _ in range(2):
            with connect(port) as client:
                client.sendall(b"salve")
                expect("its answer", receive(client, 5), b"SALVE")
                expect("its end", receive(client, 1), b"")
        machine.finish()
        machine.wait_for("process: plain: refused: net.listen 'tcp:.*:81' is not granted")
        machine.wait_for("plain: no second listener")
    finally:
        machine.stop()


def forward(options):
    """rinetd, as Debian has it, passes connections and datagrams on to a server of this machine, and refuses what its rules do not allow."""
    *tcp, udp = free_ports(5)
    machine = Machine(options, "net-forward", [*zip(tcp, (80, 81, 82, 83)), (udp, "53/udp")])
    try:
        machine.wait_for("rinetd: starting redirections")
        data = bytes(range(256)) * 1024
        clients = [connect(port) for port in tcp[:2] for _ in range(3)]
        for number, client in enumerate(clients):
            client.sendall(b"client %d" % number)
        for number, client in enumerate(clients):
            expect("what is passed on", receive(client, 8), b"client %d" % number)
            expect("256 KiB", echo_all(client, data), data)
        for port in tcp[2:]:
            with connect(port) as client:
                expect("a port that is closed", receive(client, 1), b"")
        machine.wait_for("process: rinetd: refused: net.connect 'tcp:127.0.0.1:8' is not granted")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(PATIENCE)
            for number in range(10):
                client.sendto(b"datagram %d" % number, ("127.0.0.1", udp))
                expect("a datagram", client.recv(100), b"datagram %d" % number)
        clients[0].sendall(b"quit\n")
        status = machine.process.wait(PATIENCE)  # rinetd itself never ends
        if status != 0:
            raise Failure(f"the machine ended with status {status}")
    finally:
        machine.stop()


def connect_patiently(port, machine):
    """A connection that the guest answers: after its net server has died, it takes a moment."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            client = connect(port)
            client.settimeout(5)
            client.sendall(b"salve")
            if receive(client, 5) == b"salve":
                client.settimeout(PATIENCE)
                return client
        except OSError:
            pass
        time.sleep(0.1)
    raise Failure("nobody answers any more")


def quit_machine(client, machine):
    client.sendall(b"quit\n")
    machine.finish()
    machine.wait_for("all memory returned")


def faulty_driver(options):
    """The driver of the network card dies while data flows: TCP sees packets lost, nobody else sees anything."""
    port, = free_ports(1)
    machine = Machine(options, "net-faulty-driver", [(port, 7)])
    try:
        machine.wait_for("echo: listening")
        with connect(port) as client:
            data = bytes(range(256)) * 4096
            expect("1 MiB", echo_all(client, data), data)
            quit_machine(client, machine)
        deaths = sum(1 for line in machine.lines if line and "server 'net-virtio' failed" in line)
        if deaths != 3:
            raise Failure(f"the driver died {deaths} times, not three")
    finally:
        machine.stop()


def faulty_server(options):
    """The net server dies while data flows: the connection is reset on both sides, and the program's listener goes on."""
    port, = free_ports(1)
    machine = Machine(options, "net-faulty-server", [(port, 7)])
    try:
        machine.wait_for("echo: listening")
        with connect(port) as client:
            try:
                if len(echo_all(client, bytes(1 << 20))) == 1 << 20:
                    raise Failure("the net server did not die")
            except ConnectionError:
                pass
        machine.wait_for("net: killed")
        machine.wait_for("echo: a client: Connection reset by peer")
        with connect_patiently(port, machine) as client:
            quit_machine(client, machine)
    finally:
        machine.stop()


def mqtt(options):
    """mosquitto's clients, Paho's and modules of the machine use the demo's broker on target, at all levels of service; the broker ends
    when they are gone."""
    port, = free_ports(1)
    machine = Machine(options, "net-mqtt", [(port, 1883)])
    broker = modules.Broker(port)
    try:
        machine.wait_for("broker: listening on TCP port 1883")
        modules.ready(broker)
        modules.levels(broker)
        ring = modules.Ring(port)
        paho_clients.check(port)
        acknowledged = attack.under_fire(port, times=options.times)
        print(f"ok: under fire {acknowledged} messages were acknowledged and {ring.check()} went round by way of modules; none was lost")
        modules.end(broker)
        machine.finish()
        for line in BROKER_LOG:
            machine.wait_for(line)
        wrong = [line for line in machine.lines if line and "malformed packets" in line]
        if wrong:  # QEMU's own network sends none
            raise Failure(wrong[0])
        machine.expect_memory(BROKER_KIB)
    finally:
        machine.stop()


def mqtt_faulty_server(options):
    """The net server dies under the demo's broker: its clients come back, and what it had for them is there."""
    port, = free_ports(1)
    machine = Machine(options, "net-mqtt-faulty", [(port, 1883)])
    try:
        machine.wait_for("broker: listening on TCP port 1883")
        estate = survival.Estate(port, Failure)
        for death in range(options.times):
            estate.leave()
            fat, _ = survival.reconnect(port, "fat")
            fat.subscribe(("fat", 0))
            try:
                while True:
                    fat.publish("fat", b"f" * 10000)
                    fat.wait(survival.wire.PUBLISH)
            except survival.wire.Closed:
                pass
            estate.check()
            print(f"ok: after the net server's death number {death + 1} the broker has what was retained, queued and kept")
        modules.end(modules.Broker(port))
        machine.finish()
        machine.wait_for("net: killed")
    finally:
        machine.stop()


TESTS = {"echo": echo, "plain": plain, "forward": forward, "mqtt": mqtt, "faulty-driver": faulty_driver, "faulty-server": faulty_server, "mqtt-faulty-server": mqtt_faulty_server}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("test", choices=TESTS)
    parser.add_argument("--arch", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--build-dir", required=True)
    parser.add_argument("--times", type=int, default=2, help="mqtt: so many times as long under fire; mqtt-faulty-server: deaths")
    options = parser.parse_args()
    try:
        TESTS[options.test](options)
    except (Failure, attack.Failure, attack.Closed, OSError, subprocess.TimeoutExpired) as error:
        print(f"net.py: {options.test}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
