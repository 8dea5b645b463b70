"""What a message through Mosquitto costs: `./tessera bench net`. Broker, TCP/IP stack and clients (bench/net/clients.c) are programs of
one machine, over its loopback interface, so QEMU's counter sees all of them and the same every time.
"""
import json
import os
import re
import subprocess
import sys

RUN_SECONDS = 240
LINE = re.compile(r"^(?:.*\s)?bench net_mqtt_qos([012])_([0-9]+) ([0-9]+)$")


class BenchError(Exception):
    pass


def measure(root, arch, kernel, archive):
    """[(QoS, clients, instructions per message)]"""
    command = [sys.executable, os.path.join(root, "ci", "qemu.py"), "--arch", arch, "--boot", "direct", "--icount", "on", "--kernel", kernel,
               "--archive", archive, "--timeout", str(RUN_SECONDS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
    results = [tuple(map(int, match.groups())) for match in map(LINE.match, done.stdout.splitlines()) if match]
    if done.returncode or not results:
        raise BenchError(f"the machine ended with status {done.returncode} and said:\n{done.stdout.rstrip()}")
    return results


def run(root, arch, kernel, archive, json_path=None):
    import bench  # print_table, commit_of
    results = measure(root, arch, kernel, archive)
    lines = [("MQTT through Mosquitto", "instructions per message", "messages per 10^9 instructions")]
    lines += [(f"QoS {qos}, clients: {clients}", f"{value:,}", f"{10 ** 9 // value:,}") for qos, clients, value in results]
    bench.print_table(lines)
    print("64 bytes of payload, published, routed and delivered; the instructions are the broker's, the stack's and the clients' together.")
    if json_path:
        with open(json_path, "w", encoding="utf-8") as file:
            json.dump({"arch": arch, "commit": bench.commit_of(root), "counter": "instructions",
                       "results": [{"name": f"net_mqtt_qos{qos}_{clients}", "value": value} for qos, clients, value in results]}, file, indent=4)
            file.write("\n")
