#!/usr/bin/python3
"""Mosquitto as it is, made for this host with ASan and UBSan, under the fire of tests/mqtt/attack.py; by hand:

    sanitized.py MOSQUITTO_SOURCES [--include FOLDER]... [--times N]

The sources are those that the port is made of (demos/ports/mosquitto/mosquitto.cmake); cJSON's headers are needed, too.
"""
import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "mqtt"), str(HERE.parent / "net")]
import attack
import net

SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
LEFT_OUT = {"service", "websockets", "xtreport", "plugin_debug", "plugin_defer"}
LIBRARY = """alias_mosq handle_ping handle_pubackcomp handle_pubrec handle_pubrel handle_suback handle_unsuback memory_mosq misc_mosq net_mosq
    net_mosq_ocsp packet_datatypes packet_mosq property_mosq send_mosq send_connect send_disconnect send_publish send_subscribe send_unsubscribe
    strings_mosq time_mosq tls_mosq util_mosq util_topic utf8_mosq will_mosq""".split()
SETTINGS = ["-DVERSION=\"2.0.11\"", *(f"-DWITH_{name}" for name in "BROKER BRIDGE PERSISTENCE MEMORY_TRACKING SYS_TREE CONTROL EPOLL".split())]


def build(options, folder):
    root = pathlib.Path(options.sources)
    sources = [path for path in sorted((root / "src").glob("*.c")) if path.stem not in LEFT_OUT] + [root / "lib" / f"{name}.c" for name in LIBRARY]
    includes = [f"-I{root / name}" for name in (".", "src", "include", "lib", "deps")] + [f"-I{path}" for path in options.include]

    def compile_one(source):
        path = os.path.join(folder, f"{source.parent.name}-{source.stem}.o")
        subprocess.run(["clang-19", "-g", "-O1", "-w", "-D_GNU_SOURCE", *SETTINGS, *includes, *SANITIZE, "-c", str(source), "-o", path], check=True)
        return path

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, sources))
    program = os.path.join(folder, "mosquitto")
    subprocess.run(["clang-19", *SANITIZE, *objects, "-o", program, "-ldl", "-lm"], check=True)
    return program


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources")
    parser.add_argument("--include", action="append", default=[])
    parser.add_argument("--times", type=int, default=2, help="so many times as long under fire")
    options = parser.parse_args()
    port, = net.free_ports(1)
    with tempfile.TemporaryDirectory(prefix="sanitized-") as folder:
        settings = os.path.join(folder, "mosquitto.conf")
        pathlib.Path(settings).write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_packet_size 1048576\npersistence true\n"
                                          f"persistence_location {folder}/\nuser root\n", encoding="utf-8")
        log = os.path.join(folder, "log")
        with open(log, "wb") as file:
            broker = subprocess.Popen([build(options, folder), "-c", settings], stdout=file, stderr=file)
        try:
            time.sleep(1)
            print(f"ok: {attack.under_fire(port, (4, 5), options.times)} messages were acknowledged, and none was lost")
        finally:
            broker.terminate()
            status = broker.wait(30)
            said = pathlib.Path(log).read_text(encoding="utf-8", errors="replace")
    reports = [line for line in said.split("\n") if "ERROR: AddressSanitizer" in line or "runtime error" in line]
    if status or reports:
        print("\n".join(reports) or said[-2000:], f"\nmosquitto ended with {status}", file=sys.stderr)
        return 1
    print("ok: no report of a sanitizer")
    return 0


if __name__ == "__main__":
    sys.exit(main())
