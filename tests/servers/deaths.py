#!/usr/bin/python3
"""deaths.py --arch A --kernel K --archive CPIO SERVER ...: boots a system in which these servers die at moments of chance, many times.

All programs must end as they should, all memory must come back, and of the teller's lines none may be missing: what was being
written when the server died may stand there twice or in part, and nothing else may."""
import argparse
import os
import re
import subprocess
import sys

QEMU = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "ci", "qemu.py")

BOOTS = 6
ENOUGH = 3


def boot(options):
    """The number of deaths of each."""
    command = [sys.executable, QEMU, "--arch", options.arch, "--kernel", options.kernel, "--archive", options.archive,
               "--timeout", "100", "--status", "0", "--expect", "process: all memory returned", "--expect", "tessera: all as expected"]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, errors="replace", check=False)
    text = result.stdout
    each = {server: len(re.findall(rf"server '{server}' failed", text)) for server in options.servers}
    deaths = sum(each.values())
    lines = [int(number) for number in re.findall(r"line (\d+) of 400, which is as long as lines are", text)]
    missing = sorted(set(range(400)) - set(lines))
    twice = len(lines) - len(set(lines))
    print(f"{each}: {deaths} deaths told of, {len(missing)} lines missing, {twice} twice")
    if result.returncode != 0 or missing or twice > deaths or lines != sorted(lines):
        print(text[-6000:])
        sys.exit(f"deaths.py: {each}: status {result.returncode}, missing {missing[:10]}")
    return each


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--arch", "--kernel", "--archive"):
        parser.add_argument(name, required=True)
    parser.add_argument("servers", nargs="+")
    options = parser.parse_args()
    deaths = dict.fromkeys(options.servers, 0)
    for _ in range(BOOTS):
        for server, count in boot(options).items():
            deaths[server] += count
        if min(deaths.values()) >= ENOUGH:
            return
    sys.exit(f"deaths.py: {deaths} in {BOOTS} boots")


if __name__ == "__main__":
    main()
