#!/usr/bin/python3
"""Compiles a system description (docs/system.md) from JSON to the form of servers/proto/system.h.

    ci/system_description.py SYSTEM.json --arch x86_64 --host-dir build/host        check, and list what it needs
    ci/system_description.py SYSTEM.json --arch x86_64 --host-dir build/host -o F   write the binary form too

As a module: compile() gives the bytes and the files that belong into the archive; it raises DescriptionError, whose
text names the file, the place in it and what is allowed there.
"""
import argparse
import ipaddress
import json
import os
import re
import struct
import sys

MAGIC = 0x3153595353534554
HEADER = struct.Struct("<QIIIIIIII")
RESTART_RULE = struct.Struct("<IIHHI")
MOUNT = struct.Struct("<IIIIIIIIQ")
PROGRAM = struct.Struct("<IIIIIIIIIIIIIIIIIIHHI")
MANIFEST_HEAD = struct.Struct("<IIQIIII")
MANIFEST_BYTES = MANIFEST_HEAD.size + 13 * 8
IMAGE_VERSION = 1
ESSENTIAL, START, PREFIX, NATIVE, SERVER, TERMINAL, FLOAT = 1, 2, 4, 8, 16, 32, 64
PIPES = {"stdin": 128, "stdout": 256, "stderr": 512}
FRAMED, SYSTEM_DISK, SYSTEM_RANDOM, SYSTEM_NET = 1, 2, 4, 8
MOUNT_ARCHIVE, MOUNT_MEMORY, MOUNT_STORE, MOUNT_DEVICES = range(4)
MOUNT_READ_ONLY, MOUNT_RETURNED = 1, 2
MOUNTS = 64
MOUNTS_THAT_STAND_ALONE = (("archive", MOUNT_ARCHIVE, "fs", MOUNT_READ_ONLY), ("store", MOUNT_STORE, "store", 0),
                           ("devices", MOUNT_DEVICES, "fs", 0))
EXPECTATIONS = {"exit": 0, "trap": 1, "killed": 2, "fault": 3}
PERMISSION_BITS = {"clock": 1, "random": 2, "trap_thread": 8}
DEFAULT_CHILDREN = 16
DEFAULT_PERIOD_US = 10000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,46}")
CHANNEL_NAME = re.compile(r"[!-~]{1,63}")
LIMIT_TEXT = 4096


class DescriptionError(Exception):
    """The description is wrong; the text says where and what is allowed."""


class Place:
    """A value and where it stands, for messages: file: programs[2].grant.channel"""

    def __init__(self, value, file, path=""):
        self.value, self.file, self.path = value, file, path

    def fail(self, text):
        raise DescriptionError(f"{self.file}: {self.path or 'top level'}: {text}")

    def child(self, key):
        path = f"{self.path}[{key}]" if isinstance(key, int) else f"{self.path}.{key}" if self.path else key
        return Place(self.value[key], self.file, path)

    def object(self, allowed, required=()):
        if not isinstance(self.value, dict):
            self.fail("must be an object")
        for key in self.value:
            if key not in allowed:
                self.fail(f"unknown key \"{key}\"; allowed are {', '.join(allowed)}")
        for key in required:
            if key not in self.value:
                self.fail(f"\"{key}\" is required")
        return {key: self.child(key) for key in self.value}

    def list(self):
        if not isinstance(self.value, list):
            self.fail("must be a list")
        return [self.child(i) for i in range(len(self.value))]

    def text(self, empty=False):
        if not isinstance(self.value, str) or (not self.value and not empty):
            self.fail("must be a text" if empty else "must be a text that is not empty")
        if "\0" in self.value or len(self.value.encode()) > LIMIT_TEXT:
            self.fail(f"must hold no NUL and at most {LIMIT_TEXT} bytes")
        return self.value

    def name(self, pattern=CHANNEL_NAME, what="1 to 63 printable characters without space"):
        if not pattern.fullmatch(self.text()):
            self.fail(f"\"{self.value}\" must be {what}")
        return self.value

    def boolean(self):
        if not isinstance(self.value, bool):
            self.fail("must be true or false")
        return self.value

    def number(self, lowest, highest):
        if isinstance(self.value, bool) or not isinstance(self.value, int) or not lowest <= self.value <= highest:
            self.fail(f"must be a whole number from {lowest} to {highest}")
        return self.value

    def size(self):
        match = re.fullmatch(r"([1-9][0-9]{0,9})([KMG])", self.value) if isinstance(self.value, str) else None
        if match:
            return int(match[1]) << {"K": 10, "M": 20, "G": 30}[match[2]]
        if isinstance(self.value, int) and not isinstance(self.value, bool) and self.value >= 1:
            return self.value
        self.fail("must be a size such as \"16M\"")

    def cpu(self):
        if isinstance(self.value, str):
            match = re.fullmatch(r"([1-9][0-9]?|100)%", self.value)
            if not match:
                self.fail("must be a percentage from \"1%\" to \"100%\"")
            return DEFAULT_PERIOD_US * int(match[1]) // 100, DEFAULT_PERIOD_US
        keys = self.object(("budget_us", "period_us"), ("budget_us",))
        period = keys["period_us"].number(1, 10**9) if "period_us" in keys else DEFAULT_PERIOD_US
        return keys["budget_us"].number(1, period), period


class Bytes:
    """The binary form under construction: texts and tables behind a fixed part."""

    def __init__(self, fixed):
        self.data = bytearray(fixed)

    def add(self, content, alignment=4):
        self.data += bytes(-len(self.data) % alignment)
        offset = len(self.data)
        self.data += content
        return offset

    def text(self, text):
        encoded = text.encode()
        return self.add(encoded + b"\0"), len(encoded)

    def texts(self, texts):
        if not texts:
            return 0, 0
        strings = [self.text(text) for text in texts]
        return self.add(b"".join(struct.pack("<II", *string) for string in strings)), len(strings)


def spawn_of(place):
    """(children at a time, names or [])"""
    if isinstance(place.value, bool):
        return (DEFAULT_CHILDREN if place.value else 0), []
    if isinstance(place.value, dict):
        keys = place.object(("programs", "children"), ("programs", "children"))
        return keys["children"].number(1, 65536), spawn_of(keys["programs"])[1]
    if isinstance(place.value, list):
        return DEFAULT_CHILDREN, [item.name(NAME, "the name of a program") for item in place.list()]
    return place.number(0, 65536), []


def pair_of(place, first, second):
    keys = place.object((first, second))
    return tuple([item.name() for item in keys[key].list()] if key in keys else [] for key in (first, second))


DEVICES = {"disk": ("pci", "blk-virtio", "store"), "net": ("pci", "net-virtio", "net")}  # what may be granted, and the programs that it takes
RANDOM_DRIVERS = ("pci", "rng-virtio")  # where some program is granted random numbers
LINE_DRIVERS = ("pci", "console-virtio")  # where the console is framed
DRIVERS = {driver for drivers in (*DEVICES.values(), RANDOM_DRIVERS, LINE_DRIVERS) for driver in drivers}
# servers/lib/include/tessera/net_pattern.h
NET_PATTERN = re.compile(r"(tcp|udp):((\*(\.[A-Za-z0-9._-]+)?|[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):)?(\*|([1-9][0-9]*)(-([1-9][0-9]*))?)")


def check_address(item, host):
    """What stands in brackets."""
    try:
        ipaddress.IPv6Address(host[1:-1])
    except ValueError:
        item.fail(f"{host[1:-1]} is no IPv6 address")


def net_patterns(place):
    """A list of texts such as "tcp:*.example:443"."""
    for item in place.list():
        match = NET_PATTERN.fullmatch(item.text())
        ports = [int(port) for port in (match[6], match[8]) if port] if match else [0]
        if not match or max(ports, default=1) > 65535 or ports != sorted(ports) or len(match[2] or "") > 254:
            item.fail("must be \"tcp:\" or \"udp:\", a host if any (a name, \"*.suffix\", an IPv4 address, \"[IPv6 address]\", "
                      "\"*\") with \":\", and ports (\"443\", \"8000-8080\", \"*\")")
        if match[3] and match[3].startswith("["):
            check_address(item, match[3])
    return [item.value for item in place.list()]


def check_path(path, place):
    parts = path[1:].split("/") if path != "/" else []
    if not path.startswith("/") or len(path.encode()) >= 800 or "\0" in path or \
       any(part in ("", ".", "..") or len(part.encode()) > 255 for part in parts):
        place.fail("a directory's path must be absolute, without empty, \".\" or \"..\" components, and shorter than 800 bytes")


class Mount:
    """One part of the name space, and the server that has it."""

    def __init__(self, path, place, description):
        check_path(path, place)
        keys = place.object(("archive", "memory", "folder", "return", "store", "devices"))
        self.path, self.server, self.source, self.flags, self.bytes = path, "fs", "", 0, 0
        for key, kind, server, flags in MOUNTS_THAT_STAND_ALONE:
            if key in keys:
                if len(keys) != 1 or keys[key].value is not True:
                    place.fail(f"\"{key}\" stands alone and must be true")
                self.kind, self.server, self.flags = kind, server, flags
                return
        self.kind = MOUNT_MEMORY
        if "memory" in keys:
            self.bytes = keys["memory"].size()
        elif "folder" in keys:
            self.flags |= MOUNT_READ_ONLY
        else:
            place.fail("must have \"archive\", \"memory\", \"folder\", \"store\" or \"devices\"")
        if "return" in keys and keys["return"].boolean():
            self.flags |= MOUNT_RETURNED
        if "folder" in keys:
            folder = os.path.join(os.path.dirname(description.file), keys["folder"].text())
            if not os.path.isdir(folder):
                keys["folder"].fail(f"there is no folder {folder}")
            self.source = f"folder/{len(description.folders)}"
            description.folders.append((self.source, folder))


def mode_of(place):
    """(IMAGE_PATH_READ and _WRITE, quota in KiB) of "r", "rw" or {"mode": "rw", "quota": "16M"}."""
    mode, quota = place, 0
    if isinstance(place.value, dict):
        keys = place.object(("mode", "quota"))
        if set(keys) != {"mode", "quota"} or keys["mode"].value != "rw":
            place.fail("must be \"r\", \"rw\" or {\"mode\": \"rw\", \"quota\": \"16M\"}")
        mode, quota = keys["mode"], keys["quota"].size() >> 10
        if not 0 < quota < 1 << 32:
            keys["quota"].fail("must be from 1K to 4T")
    if mode.value not in ("r", "rw"):
        mode.fail("must be \"r\" or \"rw\"")
    return 1 if mode.value == "r" else 3, quota


class Grant:
    """Permissions in the manifest's form."""

    def __init__(self, place):
        self.keys = keys = place.object(("fs", "net", "channel", "service", "spawn", "clock", "random", "trap_thread", "device"))
        self.bits = sum(bit for key, bit in PERMISSION_BITS.items() if key in keys and keys[key].boolean())
        self.channel = pair_of(keys["channel"], "serve", "connect") if "channel" in keys else ([], [])
        self.service = pair_of(keys["service"], "serve", "connect") if "service" in keys else ([], [])
        self.children, self.child_names = spawn_of(keys["spawn"]) if "spawn" in keys else (0, [])
        self.spawn_place = keys.get("spawn")
        self.device = [item.name() for item in keys["device"].list()] if "device" in keys else []
        self.paths = []
        if "fs" in keys:
            for path, mode in keys["fs"].object(keys["fs"].value).items():
                check_path(path, mode)
                self.paths.append((path, *mode_of(mode)))
        self.listen, self.connect = [], []
        if "net" in keys:
            net = keys["net"].object(("listen", "connect", "resolve"))
            self.listen = net_patterns(net["listen"]) if "listen" in net else []
            self.connect = net_patterns(net["connect"]) if "connect" in net else []
            self.bits |= 4 if "resolve" in net and net["resolve"].boolean() else 0


def manifest_bytes(name, grant, arguments, environment, memory, cpu):
    """A struct image_manifest (aot/image/image.h)."""
    out = Bytes(bytes(MANIFEST_BYTES))
    texts = [out.text(name), out.text("-"), out.text("_start")]
    path_texts = [(out.text(path), mode, quota) for path, mode, quota in grant.paths]
    lists = [out.texts(arguments), out.texts([f"{key}={value}" for key, value in environment.items()])]
    paths = b"".join(struct.pack("<IIII", *text, mode, quota) for text, mode, quota in path_texts)
    lists.append((out.add(paths), len(path_texts)) if paths else (0, 0))
    for names in (grant.listen, grant.connect, *grant.channel, *grant.service, grant.device):
        lists.append(out.texts(names))
    head = MANIFEST_HEAD.pack(IMAGE_VERSION, len(out.data), memory, *cpu, grant.children, grant.bits)
    out.data[:MANIFEST_BYTES] = head + b"".join(struct.pack("<II", *pair) for pair in (*texts, *lists))
    return bytes(out.data)


RESTARTS = {"never": 0, "on failure": 1, "always": 2}
DEFAULT_RESTARTS, DEFAULT_PAUSE_MS = 10, 100
SERVER_RESTARTS = (RESTARTS["on failure"], 100, 0)  # of a program with "server": true; the root task's own have 16
ROOT_SERVERS = ("uart", "console", "tracer", "pci", "blk-virtio", "net-virtio", "rng-virtio", "console-virtio")  # servers/root/start.c, but for "process"


def restart_of(place):
    """(when, how often at most, pause before the first time in ms)"""
    keys = place.object(("when", "limit", "pause_ms"), ("when",)) if isinstance(place.value, dict) else {"when": place}
    if keys["when"].text() not in RESTARTS:
        keys["when"].fail(f"must be one of {', '.join(RESTARTS)}")
    return (RESTARTS[keys["when"].value], keys["limit"].number(0, 65535) if "limit" in keys else DEFAULT_RESTARTS,
            keys["pause_ms"].number(0, 10000) if "pause_ms" in keys else DEFAULT_PAUSE_MS)


MANIFEST_KEYS = ("name", "version", "entry", "arguments", "environment", "memory", "cpu", "permissions")
PROGRAM_KEYS = ("name", "image", "manifest", "arguments", "environment", "stdin", "grant", "memory", "cpu",
                "deadline_ms", "start", "expect", "essential", "prefix", "server", "float", "request", "pipes", "restart")


class Program:
    def __init__(self, place, description):
        keys = place.object(PROGRAM_KEYS, ("name", "image"))
        self.place, self.keys, self.description = place, keys, description
        self.name = keys["name"].name(NAME, "1 to 47 letters, digits, '.', '_', '-'")
        self.grant = Grant(keys["grant"] if "grant" in keys else Place({}, place.file, place.path + ".grant"))
        for name in self.grant.device:
            if name not in DEVICES:
                self.grant.keys["device"].fail(f"there is no device \"{name}\"; there are {', '.join(DEVICES)}")
        self.arguments = self.texts("arguments")
        self.environment = self.pairs()
        self.memory = keys["memory"].size() if "memory" in keys else 0
        self.cpu = keys["cpu"].cpu() if "cpu" in keys else (0, 0)
        self.deadline = keys["deadline_ms"].number(1, 2**31) if "deadline_ms" in keys else 0
        self.input, is_terminal = self.standard_input()
        self.flags = sum(flag for key, flag in (("essential", ESSENTIAL), ("start", START), ("prefix", PREFIX))
                         if key not in keys or keys[key].boolean())
        self.flags |= (TERMINAL if is_terminal else 0) | (SERVER if "server" in keys and keys["server"].boolean() else 0)
        self.flags |= FLOAT if "float" in keys and keys["float"].boolean() else 0
        for item in keys["pipes"].list() if "pipes" in keys else ():
            if item.value not in PIPES:
                item.fail(f"must be one of {', '.join(PIPES)}")
            self.flags |= PIPES[item.value]
        self.expect, self.expect_status, self.expect_text = self.expectation()
        self.restart = self.restart_policy()
        if self.flags & SERVER: # the archive always has its image; it requests what it is granted
            self.flags |= NATIVE
            self.image_path, self.manifest_path, self.is_module = None, None, False
            self.request = manifest_bytes(self.name, self.grant, [], {}, self.memory, self.cpu)
            return
        self.image_path = description.find_image(keys["image"])
        self.is_module, is_program = kind_of(self.image_path)
        self.manifest_path = self.find_manifest()
        self.request = b""
        if "request" in keys:
            if keys["request"].text() != "granted" or "manifest" in keys:
                keys["request"].fail("must be \"granted\", and stands in the place of a manifest")
            self.manifest_path = None
            self.request = manifest_bytes(self.name, self.grant, [], {}, self.memory, self.cpu)
        elif not self.is_module:
            self.flags |= 0 if is_program else NATIVE
            self.request = self.native_request()
        if "request" in keys and not self.is_module and not is_program:
            self.flags |= NATIVE
        self.check_request()

    def texts(self, key):
        return [item.text(empty=True) for item in self.keys[key].list()] if key in self.keys else []

    def standard_input(self):
        """(file of the archive or "", whether the console is)"""
        if "stdin" not in self.keys:
            return "", False
        if isinstance(self.keys["stdin"].value, dict):
            return "", self.keys["stdin"].object(("terminal",), ("terminal",))["terminal"].boolean()
        return self.keys["stdin"].text(), False

    def pairs(self):
        if "environment" not in self.keys:
            return {}
        items = self.keys["environment"].object(self.keys["environment"].value)
        for key, value in items.items():
            if not key or "=" in key:
                value.fail("a variable's name must not be empty or hold '='")
        return {key: value.text(empty=True) for key, value in items.items()}

    def expectation(self):
        if "expect" not in self.keys:
            return 0, 0, ""
        keys = self.keys["expect"].object(EXPECTATIONS)
        if len(keys) != 1:
            self.keys["expect"].fail(f"must have one key of {', '.join(EXPECTATIONS)}")
        (kind, place), = keys.items()
        if kind == "exit":
            return EXPECTATIONS[kind], place.number(0, 2**32 - 1), ""
        if kind == "fault":
            if place.value is not True:
                place.fail("must be true")
            return EXPECTATIONS[kind], 0, ""
        return EXPECTATIONS[kind], 0, place.text()

    def restart_policy(self):
        if "restart" in self.keys:
            return restart_of(self.keys["restart"])
        return SERVER_RESTARTS if self.flags & SERVER else (RESTARTS["never"], 0, 0)

    def find_manifest(self):
        folder = os.path.dirname(self.description.file)
        if "manifest" in self.keys:
            path = os.path.join(folder, self.keys["manifest"].text())
            if not os.path.isfile(path):
                self.keys["manifest"].fail(f"there is no file {path}")
            return path
        stem = re.sub(r"\.wasm$", "", os.path.basename(self.image_path))
        for place in (folder, os.path.dirname(self.image_path)):
            if os.path.isfile(os.path.join(place, stem + ".json")):
                return os.path.join(place, stem + ".json")
        return None

    def manifest(self):
        if not self.manifest_path:
            return None
        return load(self.manifest_path).object(MANIFEST_KEYS, ("name", "version"))

    def check_request(self):
        """Mistakes in a manifest are found here, before anything is translated."""
        keys = self.manifest()
        if keys and "permissions" in keys:
            Grant(keys["permissions"])

    def native_request(self):
        keys = self.manifest() or {}
        grant = Grant(keys["permissions"]) if "permissions" in keys else Grant(Place({}, self.image_path))
        memory = keys["memory"].size() if "memory" in keys else 0
        cpu = keys["cpu"].cpu() if "cpu" in keys else (0, 0)
        arguments = [item.text(empty=True) for item in keys["arguments"].list()] if "arguments" in keys else []
        return manifest_bytes(self.name, grant, arguments, {}, memory, cpu)

    def member(self):
        """Archive member: one for each pair of image and manifest."""
        if self.flags & SERVER:
            return self.keys["image"].text()
        return self.description.member_of(self.image_path, self.manifest_path if self.is_module else None)


def kind_of(path):
    """(is a module, is an image that tessera-aot made: an ELF file with notes)"""
    with open(path, "rb") as file:
        head = file.read(64)
        if head[:4] == b"\0asm":
            return True, True
        if head[:6] != b"\x7fELF\2\1" or len(head) < 64:
            raise DescriptionError(f"{path}: neither a WebAssembly module nor a program image")
        offset, = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        file.seek(offset)
        table = file.read(size * count)
        return False, any(table[i * size:i * size + 4] == struct.pack("<I", 4) for i in range(count))


def load(path):
    try:
        with open(path, encoding="utf-8") as file:
            return Place(json.load(file, object_pairs_hook=unique_keys), path)
    except json.JSONDecodeError as error:
        raise DescriptionError(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except (OSError, UnicodeDecodeError, RepeatedKey) as error:
        raise DescriptionError(f"{path}: {error}") from None
    except RecursionError:
        raise DescriptionError(f"{path}: nested too deeply") from None


class RepeatedKey(Exception):
    """Python would silently keep the last."""


def unique_keys(pairs):
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        raise RepeatedKey(f"the key \"{next(k for k in keys if keys.count(k) > 1)}\" stands twice in one object")
    return result


# What runs where the description has mounts. Its memory is the machine's: each mount has a quota of its own.
FILE_SERVER = {"name": "fs", "image": "fs", "server": True, "essential": False, "memory": "4G", "prefix": False,
               "grant": {"service": {"serve": ["fs"]}, "clock": True}}

STORE = {"name": "store", "image": "store", "server": True, "float": True, "essential": False, "memory": "128M", "prefix": False,
         "grant": {"service": {"serve": ["store"]}, "device": ["disk"], "clock": True}}

NET_SERVER = {"name": "net", "image": "net", "server": True, "essential": False, "memory": "64M", "prefix": False,
              "grant": {"service": {"serve": ["net"]}, "device": ["net"], "random": True}}


class Description:
    def __init__(self, file, arch, host_dir, build_dir=None):
        self.file, self.arch, self.host_dir = file, arch, host_dir
        self.build_dir = build_dir or os.path.join(os.path.dirname(os.path.abspath(host_dir)), arch)
        self.members = {}  # (image, manifest) -> member name
        keys = load(file).object(("programs", "files", "mounts", "console", "restart"), ("programs",))
        self.files = self.read_files(keys.get("files"))
        self.folders = []
        self.flags = self.console_flags(keys.get("console"))
        self.programs = [Program(place, self) for place in keys["programs"].list()]
        self.mounts = self.read_mounts(keys.get("mounts"))
        self.add_net_server()
        self.restarts = self.read_restarts(keys.get("restart"))
        self.check(keys["programs"])

    def read_restarts(self, place):
        """Of the root task's servers; what says how those that run as programs are started again goes to these."""
        rules = []
        for name, rule in (place.object(place.value).items() if place else ()):
            servers = [program for program in self.programs if program.name == name and program.flags & SERVER]
            if name not in ROOT_SERVERS and not servers:
                rule.fail(f"there is no such server; there are {', '.join(ROOT_SERVERS)} and what has \"server\": true")
            if servers:
                servers[0].restart = restart_of(rule)
            else:
                rules.append((name, restart_of(rule)))
        return rules

    def console_flags(self, place):
        if place and place.text() != "framed":
            place.fail("must be \"framed\"")
        return FRAMED if place else 0

    def read_mounts(self, place):
        """Whoever has files needs the server that has them: it is added here."""
        mounts = [Mount(path, item, self) for path, item in (place.object(place.value).items() if place else ())]
        if len(mounts) > MOUNTS:
            place.fail(f"at most {MOUNTS} mounts")
        is_there = any(program.flags & SERVER and program.name == "fs" for program in self.programs)
        if not is_there and any(mount.server == "fs" for mount in mounts):
            self.programs.append(Program(Place(FILE_SERVER, "the file server"), self))
        if any(mount.server == "store" for mount in mounts):
            self.programs.append(Program(Place(STORE, "the store"), self))
        return mounts

    def add_net_server(self):
        """Whoever has a network needs the server that has it."""
        is_there = any("net" in program.grant.service[0] for program in self.programs)
        if not is_there and any("net" in program.grant.keys for program in self.programs):
            self.programs.append(Program(Place(NET_SERVER, "the net server"), self))

    def find_image(self, place):
        name = place.text()
        build = self.build_dir
        tried = [os.path.join(os.path.dirname(self.file), name), os.path.join(self.host_dir, "wasm", name),
                 os.path.join(build, "images", name), os.path.join(build, "programs", name)]
        for path in tried:
            if os.path.isfile(path):
                return path
        place.fail(f"no such image; looked for {', '.join(tried)}")

    def read_files(self, place):
        files = {}
        for name, path in (place.object(place.value).items() if place else ()):
            if not re.fullmatch(r"[!-~]{1,200}", name):
                path.fail("a file's name in the archive must be printable and without space")
            full = os.path.join(os.path.dirname(self.file), path.text())
            if not os.path.isfile(full):
                path.fail(f"there is no file {full}")
            files[name] = full
        return files

    def member_of(self, image, manifest):
        key = (os.path.abspath(image), manifest and os.path.abspath(manifest))
        if key not in self.members:
            stem = re.sub(r"[^A-Za-z0-9._-]", "-", re.sub(r"\.wasm$", "", os.path.basename(image)))
            taken = set(self.members.values())
            name, number = f"program/{stem}", 2
            while name in taken:
                name, number = f"program/{stem}-{number}", number + 1
            self.members[key] = name
        return self.members[key]

    def check(self, place):
        names = [program.name for program in self.programs]
        for i, program in enumerate(self.programs):
            if names.index(program.name) != i:
                program.keys["name"].fail(f"\"{program.name}\" is the name of programs[{names.index(program.name)}] too")
        for program in self.programs:
            for path, *_ in program.grant.paths:
                if not any(mount.path in ("/", path) or path.startswith(mount.path + "/") for mount in self.mounts):
                    program.keys["grant"].fail(f"fs: \"{path}\" lies in no mount of \"mounts\"")
            if program.input and program.input not in self.files:
                program.keys["stdin"].fail(f"\"{program.input}\" is not in \"files\"")
            for child in program.grant.child_names:
                if child not in names:
                    program.grant.spawn_place.fail(f"there is no program \"{child}\"")
        if not any(program.flags & START and program.flags & ESSENTIAL for program in self.programs):
            place.fail("at least one program must be started and essential, or the system would never end")
        for kind in ("channel", "service"):
            served = {name: program.name for program in reversed(self.programs) for name in getattr(program.grant, kind)[0]}
            for program in self.programs:
                for name in getattr(program.grant, kind)[0]:
                    both_start = program.flags & START and self.started(served[name])
                    if served[name] != program.name and both_start:
                        program.keys["grant"].fail(f"{kind} \"{name}\" is served by \"{served[name]}\" too")

    def started(self, name):
        return any(program.name == name and program.flags & START for program in self.programs)

    def encode(self):
        out = Bytes(bytes(HEADER.size))
        records = []
        for program in self.programs:
            grant = manifest_bytes(program.name, program.grant, program.arguments, program.environment, program.memory,
                                   program.cpu)
            texts = [out.text(text) if text else (0, 0)
                     for text in (program.name, program.member(), program.input, program.expect_text)]
            children = out.texts(program.grant.child_names)
            records.append(PROGRAM.pack(
                *(number for text in texts for number in text), out.add(grant, 8),
                out.add(program.request, 8) if program.request else 0, program.flags, program.expect,
                program.expect_status, program.deadline, *program.cpu, children[1], children[0], *program.restart))
        mounts = [MOUNT.pack(*out.text(mount.path), *out.text(mount.server), *(out.text(mount.source) if mount.source else (0, 0)),
                             mount.kind, mount.flags, mount.bytes) for mount in self.mounts]
        offset = out.add(b"".join(records), 8)
        mounts_offset = out.add(b"".join(mounts), 8)
        restarts = [RESTART_RULE.pack(*out.text(name), *rule) for name, rule in self.restarts]
        restarts_offset = out.add(b"".join(restarts), 8) if restarts else 0
        out.data += bytes(-len(out.data) % 8)
        out.data[:HEADER.size] = HEADER.pack(MAGIC, len(out.data), len(records), offset, len(mounts), mounts_offset,
                                             self.flags | self.device_flags(), len(restarts), restarts_offset)
        return bytes(out.data)

    def devices(self):
        return {name for program in self.programs for name in program.grant.device}

    def device_flags(self):
        flags = sum(flag for name, flag in (("disk", SYSTEM_DISK), ("net", SYSTEM_NET)) if name in self.devices())
        return flags | (SYSTEM_RANDOM if self.has_random() else 0)

    def has_random(self):
        return any(program.grant.bits & PERMISSION_BITS["random"] for program in self.programs)

    def drivers(self):
        """Archive members: native programs of the build."""
        names = sorted({driver for device in self.devices() for driver in DEVICES[device]} |
                       set(RANDOM_DRIVERS if self.has_random() else ()) | set(LINE_DRIVERS if self.flags & FRAMED else ()))
        return [(name, os.path.join(self.build_dir, "programs", name)) for name in names]

    def wanted(self):
        members = list(self.files.items()) + self.folders + self.drivers()
        for program in self.programs:
            program.member()
        for (image, manifest), name in self.members.items():
            options = ["--manifest", manifest] if manifest else []
            members.append((name, image, options))
        return members


def compile(path, arch, host_build_dir, build_dir=None):
    """(the binary description, [(archive member, host file or folder[, translator options])]). Modules are to be
    translated, folders packed (ci/folder.py)."""
    description = Description(path, arch, host_build_dir, build_dir)
    return description.encode(), description.wanted()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("description", metavar="SYSTEM.json")
    parser.add_argument("--arch", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--host-dir", required=True)
    parser.add_argument("-o", "--output")
    options = parser.parse_args()
    try:
        content, wanted = compile(options.description, options.arch, options.host_dir)
    except DescriptionError as error:
        print(f"system_description.py: {error}", file=sys.stderr)
        return 1
    for name, path, *translator in wanted:
        print(name, path, *(translator[0] if translator else []))
    if options.output:
        with open(options.output, "wb") as file:
            file.write(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
