#!/usr/bin/python3
"""The description compiler: a good description compiles (the result is kept for the reader's test), and each mistake is
refused with a message that names its place."""
import copy
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "ci"))
import system_description  # noqa: E402

GOOD = {
    "programs": [
        {"name": "first", "image": "m.wasm", "arguments": ["first", "", "ü"], "environment": {"A": "1", "B": ""},
         "stdin": "data", "grant": {"channel": {"serve": ["c"]}, "clock": True, "spawn": ["second"]}, "memory": "4M",
         "cpu": "20%", "deadline_ms": 5000, "expect": {"trap": "out of bounds"}},
        {"name": "second", "image": "m.wasm", "manifest": "other.json", "start": False, "essential": False,
         "stdin": {"terminal": True},
         "grant": {"channel": {"connect": ["c"]}, "service": {"serve": ["s"]}, "spawn": 4, "fs": {"/": "r", "/d/e": "rw"}}},
        {"name": "third", "image": "native", "cpu": {"budget_us": 10, "period_us": 20}, "expect": {"fault": True}},
    ],
    "files": {"data": "data.txt"},
    "mounts": {"/": {"archive": True}, "/d": {"memory": "1M"}, "/d/f": {"memory": "2M", "folder": "folder", "return": True},
               "/r": {"folder": "folder"}},
    "console": "framed",
    "restart": {"uart": "always", "rng-virtio": {"when": "on failure", "limit": 3, "pause_ms": 0}, "fs": "never"},
}

# (what is changed, the place that the message must name)
MISTAKES = [
    (lambda d: d.update(extra=1), "top level"),
    (lambda d: d.pop("programs"), "\"programs\" is required"),
    (lambda d: d.update(programs=[]), "programs"),
    (lambda d: d["programs"][0].update(colour="red"), "programs[0]"),
    (lambda d: d["programs"][0].pop("image"), "programs[0]"),
    (lambda d: d["programs"][1].update(image="missing.wasm"), "programs[1].image"),
    (lambda d: d["programs"][1].update(image="data.txt"), "data.txt"),
    (lambda d: d["programs"][1].update(name="first"), "programs[1].name"),
    (lambda d: d["programs"][0].update(name="a b"), "programs[0].name"),
    (lambda d: d["programs"][0].update(name="x" * 48), "programs[0].name"),
    (lambda d: d["programs"][0].update(stdin="nothing"), "programs[0].stdin"),
    (lambda d: d["programs"][0].update(memory="4T"), "programs[0].memory"),
    (lambda d: d["programs"][0].update(cpu="120%"), "programs[0].cpu"),
    (lambda d: d["programs"][0].update(cpu={"budget_us": 30, "period_us": 20}), "programs[0].cpu.budget_us"),
    (lambda d: d["programs"][0].update(arguments="first"), "programs[0].arguments"),
    (lambda d: d["programs"][0].update(arguments=["a\0b"]), "programs[0].arguments[0]"),
    (lambda d: d["programs"][0].update(environment={"A=": "1"}), "programs[0].environment"),
    (lambda d: d["programs"][0].update(expect={"exit": 0, "trap": "x"}), "programs[0].expect"),
    (lambda d: d["programs"][0].update(expect={"exit": -1}), "programs[0].expect.exit"),
    (lambda d: d["programs"][0].update(essential=1), "programs[0].essential"),
    (lambda d: d["programs"][0]["grant"].update(clok=True), "programs[0].grant"),
    (lambda d: d["programs"][0]["grant"].update(spawn=["nobody"]), "programs[0].grant.spawn"),
    (lambda d: d["programs"][0]["grant"]["channel"].update(serve=["a b"]), "programs[0].grant.channel.serve[0]"),
    (lambda d: d["programs"][1]["grant"].update(fs={"/data": "x"}), "programs[1].grant.fs./data"),
    (lambda d: d["programs"][1]["grant"].update(fs={"data": "r"}), "programs[1].grant.fs.data"),
    (lambda d: d["programs"][1]["grant"].update(fs={"/a/../b": "r"}), "programs[1].grant.fs./a/../b"),
    (lambda d: d["programs"][1]["grant"].update(fs={"/a/": "r"}), "programs[1].grant.fs./a/"),
    (lambda d: d["mounts"].pop("/"), "programs[1].grant: fs: \"/\" lies in no mount"),
    (lambda d: d["mounts"].update({"x": {"memory": "1M"}}), "mounts.x"),
    (lambda d: d["mounts"].update({"/x": {"memory": "lots"}}), "mounts./x.memory"),
    (lambda d: d["mounts"].update({"/x": {}}), "mounts./x"),
    (lambda d: d["mounts"].update({"/x": {"archive": True, "memory": "1M"}}), "mounts./x"),
    (lambda d: d["mounts"].update({"/x": {"folder": "missing"}}), "mounts./x.folder"),
    (lambda d: d.update(console="raw"), "console"),
    (lambda d: d["restart"].update(process="always"), "restart.process: there is no such server"),
    (lambda d: d["restart"].update(first="always"), "restart.first: there is no such server"),
    (lambda d: d["restart"].update(uart="often"), "restart.uart"),
    (lambda d: d["restart"].update(uart={"limit": 3}), "restart.uart"),
    (lambda d: d["restart"]["rng-virtio"].update(pause_ms=-1), "restart.rng-virtio.pause_ms"),
    (lambda d: d["programs"][1].update(pipes=["stdlog"]), "programs[1].pipes[0]"),
    (lambda d: d["programs"][0].update(request="all"), "programs[0].request"),
    (lambda d: d["programs"][1].update(request="granted"), "programs[1].request"),
    (lambda d: d["programs"][1].update(stdin={"terminal": 1}), "programs[1].stdin.terminal"),
    *((lambda d, text=text: d["programs"][1]["grant"].update(net={"connect": ["tcp:80", text]}), "programs[1].grant.net.connect[1]")
      for text in ("tcp", "80", "tcp:", "tcp:0", "tcp:65536", "tcp:9-8", "tcp:a*b:80", "tcp:*a:80", "icmp:*", "tcp:::1:80", "tcp:a b:80",
                   "tcp:" + "a" * 254 + ":80")),
    (lambda d: d["programs"][1]["grant"].update(device=["d"]), "programs[1].grant.device: there is no device"),
    (lambda d: d["programs"][2].update(grant={"channel": {"serve": ["c"]}}), "programs[2].grant"),
    (lambda d: d["programs"][1].update(manifest="missing.json"), "programs[1].manifest"),
    (lambda d: d["programs"][1].update(manifest="bad.json"), "bad.json: permissions"),
    (lambda d: [p.update(essential=False) for p in d["programs"]], "programs"),
    (lambda d: d["files"].update(more="missing"), "files.more"),
]


def main():
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        def write(name, content):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)
            return os.path.join(folder, name)

        def compile_text(text):
            return system_description.compile(write("system.json", text.encode()), "x86_64", os.path.join(folder, "host"))

        os.mkdir(os.path.join(folder, "folder"))
        write("m.wasm", b"\0asm\1\0\0\0")
        write("native", b"\x7fELF\2\1" + bytes(60))
        write("data.txt", b"x")
        write("m.json", b'{"name": "m", "version": "1", "permissions": {"clock": true}}')
        write("other.json", b'{"name": "o", "version": "1"}')
        write("bad.json", b'{"name": "o", "version": "1", "permissions": {"clocks": true}}')
        content, wanted = compile_text(json.dumps(GOOD))
        with open(sys.argv[1], "wb") as file:
            file.write(content)
        names = [item[0] for item in wanted]
        if names != ["data", "folder/0", "folder/1", "console-virtio", "pci", "program/m", "program/m-2", "program/native"]:
            failures += 1
            print("members:", names)
        if (content, wanted) != compile_text(json.dumps(GOOD)):
            failures += 1
            print("the same description gives other bytes")
        for i, (change, place) in enumerate(MISTAKES):
            description = copy.deepcopy(GOOD)
            change(description)
            try:
                compile_text(json.dumps(description))
                failures += 1
                print(f"mistake {i} ({place}) was accepted")
            except system_description.DescriptionError as error:
                if place not in str(error):
                    failures += 1
                    print(f"mistake {i}: expected {place} in: {error}")
        for text, place in (("{", "system.json:1:2"), ('{"programs": [], "programs": []}', "twice"), ("[]", "must be an object")):
            try:
                compile_text(text)
                failures += 1
                print(f"{text!r} was accepted")
            except system_description.DescriptionError as error:
                if place not in str(error):
                    failures += 1
                    print(f"{text!r}: expected {place} in: {error}")
    print(f"description: {failures} failures")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
