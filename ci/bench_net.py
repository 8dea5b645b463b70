#!/usr/bin/python3
"""What the network costs: `./tessera bench net`. Clients on this host (bench/net/load.py) load the guest through QEMU's user network and a
virtio card: TCP with bench/net/server.c, MQTT with Mosquitto; with --vs linux also Debian's kernel with Debian's native mosquitto in the
same QEMU with the same card (ci/bench_linux_net.py).

Counted are the instructions that the guest's processor has executed, as QEMU itself says (QMP, query-replay): an idle processor executes
none, so these are the busy ones, of either guest, and neither counts for itself.

bench/net.json keeps the figures of both (--record); the test `bench-net` compares ours with it:

    ci/bench_net.py --arch A --build-dir D --check
"""
import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "bench", "net"))

import bench_linux
import bench_linux_net
import load
import qemu

ARCHES = ("x86_64", "arm64")
MEMORY = {"tessera": 64, "linux": 512}  # MiB; Linux does not start in 64
BOOT_SECONDS = 240
FILES = 4096  # a connection takes two of this host's in QEMU
TOLERANCE = 0.2  # how many packets come together is the host's doing
MANY_FACTOR = 2  # a message with 1,000 clients costs at most so many times what it does with 10
ABOUT = "Written by ./tessera bench net --vs linux --record: instructions, ours and Linux' (docs/performance.md)."
ECHO, DISCARD, GENERATE, MQTT = 7, 9, 19, 1883


class BenchError(Exception):
    pass


def mqtt_row(qos, clients, messages):
    return f"mqtt_qos{qos}_{clients}", lambda ports, meter: load.mqtt(ports[MQTT], clients, qos, messages, meter)


# Row and how it is measured: instructions per round trip, KiB, connection or message.
ROWS = [
    ("tcp_echo_1", lambda ports, meter: load.echo(ports[ECHO], 1, 1000, meter)),
    ("tcp_echo_64", lambda ports, meter: load.echo(ports[ECHO], 64, 1000, meter)),
    ("tcp_receive_kib", lambda ports, meter: load.upload(ports[DISCARD], 8 << 20, meter)),
    ("tcp_send_kib", lambda ports, meter: load.download(ports[GENERATE], 8 << 20, meter)),
    ("tcp_connection", lambda ports, meter: load.connections(ports[ECHO], 500, meter)),
    *(mqtt_row(qos, clients, 2000) for clients in (1, 10, 100) for qos in (0, 1, 2)),
    mqtt_row(0, 1000, 4000),
]
SHORT = [
    ("tcp_echo_64", lambda ports, meter: load.echo(ports[ECHO], 64, 200, meter)),
    ("tcp_receive_kib", lambda ports, meter: load.upload(ports[DISCARD], 2 << 20, meter)),
    ("tcp_send_kib", lambda ports, meter: load.download(ports[GENERATE], 2 << 20, meter)),
    ("tcp_connection", lambda ports, meter: load.connections(ports[ECHO], 100, meter)),
    mqtt_row(0, 10, 1000),
    mqtt_row(0, 1000, 1000),
]


# ---- A guest ------------------------------------------------------------------------------------------------------

def free_ports(count):
    """Of this host's loopback."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Guest:
    """A machine that serves, and the counter of its instructions."""

    def __init__(self, scratch, arguments):
        guest_ports = (ECHO, DISCARD, GENERATE, MQTT)
        self.ports = dict(zip(guest_ports, free_ports(len(guest_ports))))
        monitor = os.path.join(scratch, "monitor")
        arguments = [*arguments, "--icount", "on", "--net", "user", "--qemu=-qmp", f"--qemu=unix:{monitor},server=on,wait=off"]
        for guest, host in self.ports.items():
            arguments += ["--publish", f"{host}:{guest}"]
        self.log_path = os.path.join(scratch, "console")
        command = qemu.command_line(qemu.complete(qemu.parser().parse_args(arguments)), scratch)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=self.prepare)
        self.monitor = socket.socket(socket.AF_UNIX)
        for _ in range(100):
            try:
                self.monitor.connect(monitor)
                break
            except OSError:
                time.sleep(0.05)
        self.monitor.settimeout(30)
        self.lines = self.monitor.makefile("rw", encoding="utf-8")
        self.ask("qmp_capabilities")

    @staticmethod
    def prepare():
        qemu.die_with_parent()
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))

    def ask(self, what):
        self.lines.write(json.dumps({"execute": what}) + "\n")
        self.lines.flush()
        for line in self.lines:
            answer = json.loads(line)
            if "return" in answer or "error" in answer:
                return answer.get("return")
        raise BenchError("QEMU has ended")

    def instructions(self):
        return self.ask("query-replay")["icount"]

    def console(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.monitor.close()
        self.process.kill()
        self.process.wait()


def measure_guest(arguments, rows):
    """{row: instructions}"""
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    results = {}
    with tempfile.TemporaryDirectory(prefix="tessera-net-") as scratch, Guest(scratch, arguments) as guest:
        try:
            load.wait_for(guest.ports[ECHO], b"?", 1, BOOT_SECONDS)
            load.wait_for(guest.ports[MQTT], load.connect_packet(0), 4, BOOT_SECONDS)
            for row, measure in rows:
                results[row] = round(measure(guest.ports, guest.instructions))
        except (OSError, load.LoadError) as error:
            raise BenchError(f"{error}; the guest had said:\n{guest.console().rstrip()}") from None
    return results


def measure(arch, kernel, archive, rows=ROWS):
    return measure_guest(["--arch", arch, "--kernel", kernel, "--archive", archive, "--memory", str(MEMORY["tessera"])], rows)


def measure_linux(arch):
    """({row: instructions}, what was measured)"""
    with tempfile.TemporaryDirectory(prefix="tessera-linux-") as scratch:
        try:
            kernel, ram_disk, what = bench_linux_net.make(ROOT, arch, scratch)
        except bench_linux.LinuxError as error:
            raise BenchError(str(error)) from None
        return measure_guest(["--arch", arch, "--cpu", bench_linux.CPU[arch], "--kernel", kernel, "--archive", ram_disk, "--memory",
                              str(MEMORY["linux"]), "--append", f"console={bench_linux.CONSOLE[arch]} quiet panic=-1"], ROWS), what


# ---- Figures ------------------------------------------------------------------------------------------------------

def path_of_record():
    return os.path.join(ROOT, "bench", "net.json")


def recorded():
    try:
        with open(path_of_record(), encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {"tessera": {}, "linux": {}}


def record(arch, parts):
    """`parts`: of "tessera" and "linux" the figures to be kept; others stay."""
    kept = recorded()
    for part, figures in parts.items():
        for row, value in figures.items():
            kept[part].setdefault(row, {})[arch] = value
    order = [row for row, _ in ROWS]
    text = {part: ",\n".join(f"        {json.dumps(row)}: {json.dumps(kept[part][row], sort_keys=True)}" for row in order
                             if kept[part].get(row)) for part in ("tessera", "linux")}
    with open(path_of_record(), "w", encoding="utf-8") as file:
        file.write(f'{{\n    "about": {json.dumps(ABOUT)},\n    "tessera": {{\n{text["tessera"]}\n    }},\n'
                   f'    "linux": {{\n{text["linux"]}\n    }}\n}}\n')
    print("recorded in bench/net.json")


def run(arch, kernel, archive, json_path=None, with_linux=False, keep=False):
    import bench  # print_table, commit_of
    results = measure(arch, kernel, archive)
    linux, what = measure_linux(arch) if with_linux else (None, "recorded; --vs linux measures anew")
    others = linux or {row: figures[arch] for row, figures in recorded()["linux"].items() if arch in figures}
    lines = [("instructions", "Tessera", "Linux", "Linux / Tessera")]
    lines += [(row, f"{value:,}", f"{others[row]:,}" if row in others else "", f"{others[row] / value:.2f}" if row in others else "")
              for row, value in results.items()]
    bench.print_table(lines)
    print(f"Per round trip, KiB, connection (opened, a byte there and back, closed), message of 64 bytes (published, routed, delivered). Linux: {what}.")
    if json_path:
        with open(json_path, "w", encoding="utf-8") as file:
            json.dump({"arch": arch, "commit": bench.commit_of(ROOT), "counter": "instructions",
                       "results": [{"name": row, "value": value, "linux": others.get(row)} for row, value in results.items()]}, file, indent=4)
            file.write("\n")
    if keep:
        record(arch, {"tessera": results, **({"linux": linux} if linux else {})})


def check(arch, results):
    """False when something takes over TOLERANCE more than recorded."""
    rows, is_good = recorded()["tessera"], True
    for row, value in results.items():
        was = rows.get(row, {}).get(arch)
        if was is None or value > was * (1 + TOLERANCE):
            is_good = False
            print(f"REGRESSION on {arch}: {row} was {was}, is {value}")
        elif value < was * (1 - TOLERANCE):
            print(f"better on {arch}: {row} was {was}, is {value}")
    few, many = results["mqtt_qos0_10"], results["mqtt_qos0_1000"]
    if many > MANY_FACTOR * few:
        is_good = False
        print(f"REGRESSION on {arch}: a message with 1,000 clients takes {many} instructions, with 10 {few}")
    print(f"bench-net: {len(results)} figures" + ("" if is_good else f"; if that is meant: ./tessera bench net --arch {arch} --record"))
    return is_good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=ARCHES, required=True)
    parser.add_argument("--build-dir", required=True, metavar="DIR", help="the architecture's build folder")
    parser.add_argument("--check", action="store_true", required=True, help="compare with bench/net.json")
    options = parser.parse_args()
    kernel = os.path.join(options.build_dir, "kernel", "Image" if options.arch == "arm64" else "tessera.elf")
    try:
        results = measure(options.arch, kernel, os.path.join(options.build_dir, "archives", "net-bench.cpio"), SHORT)
    except BenchError as error:
        print(f"bench-net: {error}", file=sys.stderr)
        return 1
    return 0 if check(options.arch, results) else 1


if __name__ == "__main__":
    sys.exit(main())
