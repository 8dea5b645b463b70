"""`./tessera run app.wasm`: one program as if it ran here. Its module becomes a system of one program, which QEMU boots; its
streams are ours, its exit status is ours, and what it wrote into folders given with --dir comes back.

The console is framed (servers/proto/console.h): every byte that arrives says which stream it belongs to.
"""
import argparse
import errno
import json
import os
import re
import select
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import time

import disk
import folder
import qemu

FRAME = 0xF5
STREAM_LOG, STREAM_OUTPUT, STREAM_ERROR, STREAM_FILES, STREAM_VERDICT = range(5)
VERDICT = struct.Struct("<III")
ENDED_EXIT, ENDED_TRAP, ENDED_FAULT, ENDED_KILLED = 1, 2, 3, 4
STATUS_TRAP, STATUS_KILLED, STATUS_FAULT = 134, 137, 139  # as a shell shows SIGABRT, SIGKILL, SIGSEGV
INPUT_CHUNK = 32768
INPUT_SILENCE, INPUT_SECONDS, INPUT_MOST = 0.1, 5.0, 256 << 20  # seconds, seconds, bytes: see gather_input
MACHINE_MEMORY = 512 << 20
SYSTEM_MEMORY = 96 << 20  # beside the program's and the archive: kernel, servers
LARGEST_MEMORY = 3 << 30
FOLDER_MEMORY = 1 << 30  # of a folder that the program may write to
DISK_PATH = "/data"  # where a program finds --disk
OWN_NAME = "app"  # of the program in its system
CHILD_MEMORY = 16 << 20  # limit of a child, unless --spawn says otherwise: as of a program without a manifest
CHILDREN = 4000  # at a time: memory is what ends them


class AppError(Exception):
    """The program cannot be run; the text says why."""


class OutputError(Exception):
    """What the program wrote cannot be passed on; the text says why."""


def parse_size(text, option="--mem "):
    unit = {"K": 10, "M": 20, "G": 30}.get(text[-1:].upper())
    number = text[:-1] if unit else text
    if not number.isdigit() or int(number) == 0:
        raise AppError(f"{option}{text}: must be a size such as 64M")
    size = int(number) << (unit or 0)
    if size > LARGEST_MEMORY:
        raise AppError(f"{option}{text}: at most 3G")
    return size


def parse_folder(text):
    """HOST[::GUEST][:ro] -> (host folder, guest path, is read-only)"""
    places = text.removesuffix(":ro")
    is_read_only = places != text
    host, separator, guest = places.removesuffix(":rw").partition("::")
    if not separator:
        guest = host
    if not os.path.isdir(host):
        hint = "" if separator or ":" not in host else " (with a path for the program: HOST::GUEST)"
        raise AppError(f"--dir {text}: there is no folder {host}{hint}")
    # Programs take relative paths from the root: "." is what they see there.
    path = os.path.normpath("/" + guest)
    if ".." in guest.split("/"):
        raise AppError(f"--dir {text}: the program's path must not hold '..'")
    return host, "/" + path.lstrip("/"), is_read_only


def parse_disk(text):
    """IMAGE[::GUEST] -> (image, guest path)"""
    image, _, guest = text.partition("::")
    if ".." in guest.split("/"):
        raise AppError(f"--disk {text}: the program's path must not hold '..'")
    try:
        disk.prepare(image)
    except (disk.DiskError, OSError) as error:
        raise AppError(f"--disk {text}: {error}") from None
    return image, "/" + os.path.normpath("/" + (guest or DISK_PATH)).lstrip("/")


def parse_child(text):
    """MODULE[::NAME[::SIZE]] -> (module, name, bytes)"""
    module, name, size = (text.split("::") + ["", ""])[:3]
    check_module(module)
    name = name or os.path.basename(module).removesuffix(".wasm")
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,47}", name) or name == OWN_NAME:
        raise AppError(f"--spawn {text}: the name must be 1 to 47 letters, digits, '.', '_', '-', and not '{OWN_NAME}'")
    return os.path.abspath(module), name, parse_size(size, "--spawn ...::") if size else CHILD_MEMORY


def parse_network(options):
    """[(host port, guest port, protocol)], None without a network"""
    try:
        published = [qemu.parse_publish(text) for text in options.publish]
        qemu.check_published(published)
    except argparse.ArgumentTypeError as error:
        raise AppError(f"--publish {error}") from None
    except qemu.UsageError as error:
        raise AppError(str(error)) from None
    return published if options.net or options.publish else None


def parse_variable(text):
    """KEY=VALUE, or KEY: as it is here -> [(key, value)], nothing of a KEY that is not set"""
    key, separator, value = text.partition("=")
    if not key:
        raise AppError(f"--env {text}: must be KEY=VALUE or KEY")
    if separator:
        return [(key, value)]
    return [(key, os.environ[key])] if key in os.environ else []


def check_text(text):
    """Programs take and give names in UTF-8; Python keeps what is not as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise AppError(f"{text.encode(errors='surrogateescape')!r} is not UTF-8") from None


def check_module(path):
    try:
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError as error:
        raise AppError(f"{path}: {error.strerror}") from None
    if head[:4] != b"\0asm":
        raise AppError(f"{path} is not a WebAssembly module")
    if head[4:] == b"\x0d\0\1\0":
        raise AppError(f"{path} is a component (WASI preview 2): Tessera runs modules (preview 1)")
    if head[4:] != b"\1\0\0\0":
        raise AppError(f"{path} is no WebAssembly module of version 1")


def assemble(text, scratch):
    """The module that a .wat describes, with its names."""
    module = os.path.join(scratch, os.path.basename(text).removesuffix(".wat") + ".wasm")
    try:
        status = subprocess.run(["wat2wasm", "--enable-all", "--debug-names", text, "-o", module]).returncode
    except FileNotFoundError:
        raise AppError("wat2wasm is missing; './tessera setup' installs it") from None
    if status:
        raise AppError(f"{text}: not assembled; wat2wasm's message stands above")
    return module


def redirect_input(path):
    """As the shell's < has it."""
    try:
        with open(path, "rb", buffering=0) as file:
            if stat.S_ISDIR(os.fstat(file.fileno()).st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            os.dup2(file.fileno(), sys.stdin.fileno())
    except OSError as error:
        raise AppError(f"--stdin {path}: {error.strerror}") from None


def is_terminal(stream):
    return stream is not None and stream.isatty()


def gather_input(source, out):
    """Copies what a pipe gives into a file, while it comes without a pause. True when that was all of it: the file can then be
    packed, which is a thousand times as fast as the serial line. Who types, or feeds us slowly or for ever, is better served by
    the line: then what came so far goes first."""
    begin, size = time.monotonic(), 0
    while size < INPUT_MOST and time.monotonic() - begin < INPUT_SECONDS and select.select([source], [], [], INPUT_SILENCE)[0]:
        data = os.read(source, 1 << 16)
        if not data:
            return True
        out.write(data)
        size += len(data)
    return False


class App:
    """What is asked for, as a system description in a scratch folder; of a program that the project brings (ports.Port), with
    what belongs to it."""

    def __init__(self, options, module=None, port=None):
        self.module = os.path.abspath(module or options.demo)
        if not self.module.endswith(".wat") or not os.path.isfile(self.module):
            check_module(self.module)
        self.port = port
        given = options.arguments or (port.arguments if port else [])
        self.arguments = [os.path.basename(options.demo), *given]
        self.memory = parse_size(options.mem or "256M")
        self.cpu = options.cpu
        self.environment = dict(pair for text in options.env for pair in parse_variable(text))
        self.folders = [parse_folder(text) for text in options.dir]
        self.disk = parse_disk(options.disk) if options.disk else None
        guests = [guest for _, guest, _ in self.folders] + ([self.disk[1]] if self.disk else [])
        if len(set(guests)) != len(guests):
            raise AppError("--dir, --disk: two of them have the same path for the program")
        self.network, self.reaches_out = parse_network(options), options.net
        self.children = [parse_child(text) for text in options.spawn]
        if len({name for _, name, _ in self.children}) != len(self.children):
            raise AppError("--spawn: two programs have the same name")
        self.input = None  # a file that is all of standard input
        self.first_input = None  # what came by a pipe before the machine was there, unless it is `input`
        if options.stdin:
            redirect_input(options.stdin)
        if self.cpu and not re.fullmatch(r"([1-9][0-9]?|100)%", self.cpu):
            raise AppError(f"--cpu {self.cpu}: must be a percentage from 1% to 100%")
        for text in (*self.arguments, *self.environment, *self.environment.values(), *guests):
            check_text(text)
        self.packed = {}

    def write(self, scratch):
        """system.json. What the command line gives is what the program asks for: so its translation, which would hold a
        manifest, is the same whatever the options are."""
        if self.module.endswith(".wat"):
            self.module = assemble(self.module, scratch)
        self.take_input(os.path.join(scratch, "input"))
        modes = {guest: "r" if is_read_only else "rw" for _, guest, is_read_only in self.folders}
        if self.disk:
            modes[self.disk[1]] = "rw"
        own = self.own_mounts(modes)
        modes |= {guest: "r" if "folder" in mount else "rw" for guest, mount in own.items()}
        permissions = {"clock": True, "random": True, "fs": modes}
        if self.network is not None:
            permissions["net"] = {"listen": [f"{protocol}:{guest}" for _, guest, protocol in self.network]}
            if self.reaches_out:
                permissions["net"] |= {"connect": ["tcp:*", "udp:*"], "resolve": True}
        if self.children:
            permissions["spawn"] = {"programs": [name for _, name, _ in self.children], "children": CHILDREN}
        program = {"name": OWN_NAME, "image": self.module, "request": "granted", "arguments": self.arguments,
                   "environment": self.environment, "grant": permissions, "memory": self.memory,
                   "stdin": "input" if self.input else {"terminal": True}}
        if self.cpu:
            program["cpu"] = self.cpu
        program["pipes"] = [name for name in ("stdin", "stdout", "stderr") if not is_terminal(getattr(sys, name))]
        mounts = {}
        for number, (host, guest, is_read_only) in enumerate(self.folders):  # those that come back are known by number
            mounts[guest] = {"folder": os.path.abspath(host)}
            if not is_read_only:
                mounts[guest] |= {"memory": FOLDER_MEMORY, "return": True}
                self.packed[number] = {path for path, _ in folder.entries(host)}
        if self.disk:
            mounts[self.disk[1]] = {"store": True}
        mounts |= own
        children = [{"name": name, "image": module, "request": "granted", "start": False, "grant": permissions,
                     "environment": self.environment, "memory": memory} for module, name, memory in self.children]
        system = {"console": "framed", "programs": [program, *children], "mounts": mounts,
                  "files": {"input": os.path.abspath(self.input)} if self.input else {}}
        path = os.path.join(scratch, "system.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(system, file)
        return path

    def own_mounts(self, given):
        """Those of the program itself, where the command line gives nothing else; and /dev, unless that is the user's."""
        mounts = {guest: {"folder": host} for guest, host in self.port.folders.items()} if self.port else {}
        mounts |= {guest: {"memory": size} for guest, size in self.port.memory.items()} if self.port else {}
        if not any(guest == "/" and os.path.lexists(os.path.join(host, "dev")) for host, guest, _ in self.folders):
            mounts["/dev"] = {"devices": True}
        mounts = {guest: mount for guest, mount in mounts.items() if guest not in given}
        for guest in (guest for guest, mount in mounts.items() if "memory" in mount):
            keeps = "" if self.disk else f": --disk IMAGE{'' if guest == DISK_PATH else f'::{guest}'} keeps it"
            print(f"tessera: {guest} is in memory and gone at the end{keeps}", file=sys.stderr, flush=True)
        return mounts

    def take_input(self, path):
        """Input that has an end is packed."""
        kind = os.fstat(sys.stdin.fileno()).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
            return
        with open(path, "wb") as file:
            if stat.S_ISREG(kind):
                shutil.copyfileobj(sys.stdin.buffer, file)
                self.input = path
            elif gather_input(sys.stdin.fileno(), file):
                self.input = path
            else:
                self.first_input = path

    def machine_memory(self, archive):
        """MiB, of which the archive takes some: it has the input and the folders in it."""
        return max(MACHINE_MEMORY, self.memory + os.path.getsize(archive) + SYSTEM_MEMORY) >> 20

    def returned(self):
        """Folders that the program may change, by their numbers."""
        return {number: host for number, (host, _, is_read_only) in enumerate(self.folders) if not is_read_only}

    def bring_back(self, data):
        if self.returned():
            folder.unpack(data, self.returned(), self.packed)


def shown(text):
    """What the machine says: lines of it, and nothing that a terminal would follow."""
    return "\n".join(map(disk.shown, text.replace("\r", "").replace("\t", " ").split("\n")))


GRANTED_BY = {"permission 'net'": "--publish HOST:GUEST, or --net", "net.listen": "--publish HOST:GUEST", "net.connect": "--net", "net.resolve": "--net",
              "permission 'spawn'": "--spawn"}
LOG_KEPT = 1 << 16  # of the log, for when nothing but the machine can say what went wrong


class Log:
    """What the servers say. What the program tried without having been given it, and what is wrong with its network, is shown
    at once: a server that runs until it is stopped has no end to tell it at."""

    def __init__(self):
        self.text = self.rest = b""
        self.told = set()
        self.had_link = False

    def feed(self, content):
        self.text = (self.text + content)[-LOG_KEPT:]
        *lines, self.rest = (self.rest + content).split(b"\n")
        for line in lines:
            self.take(shown(line.decode("utf-8", "replace")))

    def take(self, line):
        if re.match("process: [^ ]+: refused: ", line):
            if line not in self.told:  # they are few: the process server counts them
                option = next((f" ({given} does)" for what, given in GRANTED_BY.items() if f"refused: {what}" in line), "")
                print(f"tessera: {line.removeprefix('process: ')}{option}", file=sys.stderr, flush=True)
            self.told.add(line)
        elif line.startswith("net: "):
            if self.had_link or line != "net: the link is up":
                print(f"tessera: {line}", file=sys.stderr, flush=True)
            self.had_link = True


class Frames:
    """Takes the console's bytes apart. Files that come back, and are kept until they all have, may have so many bytes."""

    def __init__(self, files_limit=0):
        self.files_limit = files_limit
        self.pending = b""
        self.text = b""  # what has no frame: the kernel's words
        self.log = Log()
        self.files = []
        self.verdict = None
        self.is_ready = False  # the machine takes input

    def feed(self, data):
        data = self.pending + data
        while data:
            if data[0] != FRAME:
                end = data.find(FRAME)
                self.text += data if end < 0 else data[:end]
                data = b"" if end < 0 else data[end:]
                continue
            length = int.from_bytes(data[2:4], "little")
            if len(data) < 4 or len(data) < 4 + length:
                break
            self.frame(data[1], data[4:4 + length])
            data = data[4 + length:]
        self.pending = data

    def frame(self, stream, content):
        self.is_ready = True
        if stream == STREAM_OUTPUT:
            put(sys.stdout, content)
        elif stream == STREAM_ERROR:
            put(sys.stderr, content)
        elif stream == STREAM_FILES:
            self.files.append(content)
            self.files_limit -= len(content)
            if self.files_limit < 0:
                raise AppError("what the program leaves in its folders is larger than 1 GiB each, holes included: nothing was brought back")
        elif stream == STREAM_VERDICT and len(content) >= VERDICT.size:
            verdict = (*VERDICT.unpack_from(content), content[VERDICT.size:].decode("utf-8", "replace"))
            self.verdict = verdict if verdict[0] == 0 else self.verdict  # the others are servers
        else:
            self.log.feed(content)

    def chatter(self):
        return shown((self.text + self.log.text + self.pending).decode("utf-8", "replace")).strip()


def put(stream, content):
    """All of it, although our end may not block. BrokenPipeError: nobody reads any more."""
    fd = stream.fileno()
    while content:
        try:
            content = content[os.write(fd, content):]
        except BlockingIOError:
            select.select([], [fd], [])
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"what the program writes is lost: {error.strerror}") from None


def framed(data):
    return len(data).to_bytes(2, "little") + data


class Feeder:
    """Our standard input, in frames, as fast as the machine takes it."""

    def __init__(self, pipe, app):
        self.pipe = pipe.fileno()
        os.set_blocking(self.pipe, False)
        self.source = None if app.input else sys.stdin.fileno()
        self.pending = b"\0\0" if app.input else b""
        if app.first_input:
            with open(app.first_input, "rb") as file:
                self.pending = memoryview(b"".join(map(framed, iter(lambda: file.read(INPUT_CHUNK), b""))))

    def reads(self):
        return [self.source] if self.source is not None and not self.pending else []

    def writes(self):
        return [self.pipe] if self.pending else []

    def take(self):
        try:
            data = os.read(self.source, INPUT_CHUNK)
        except OSError:
            data = b""
        self.pending = framed(data)
        if not data:
            self.source = None

    def give(self):
        try:
            self.pending = self.pending[os.write(self.pipe, self.pending):]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self.pending, self.source = b"", None


def converse(process, frames, feeder, deadline):
    """Until QEMU ends. False when the deadline came first."""
    output = process.stdout.fileno()
    while True:
        wait = None if deadline is None else max(0.0, deadline - time.monotonic())
        readable, writable, _ = select.select([output, *feeder.reads()], feeder.writes() if frames.is_ready else [], [], wait)
        if deadline is not None and time.monotonic() >= deadline:
            return False
        if writable:
            feeder.give()
        if output in readable:
            data = os.read(output, 65536)
            if not data:
                return True
            frames.feed(data)
        if feeder.source is not None and feeder.source in readable:
            feeder.take()


def machine(app, arch, kernel, archive, uart):
    words = ["--arch", arch, "--kernel", kernel, "--archive", archive, "--memory", str(app.machine_memory(archive)), "--uart", uart]
    options = qemu.parser().parse_args(words + (["--disk", app.disk[0]] if app.disk else []))
    if app.network is not None:
        options.net, options.publish = "user" if app.reaches_out else "isolated", app.network
    qemu.complete(options)
    try:
        command = qemu.command_line(options, None)
    except qemu.UsageError as error:
        raise AppError(str(error)) from None
    # No signals through QEMU's own terminal handling: ours is the terminal.
    return [word.replace("stdio,id=console,signal=on", "stdio,id=console,signal=off") for word in command]


RUST_NAME = re.compile(r"\b_ZN[0-9A-Za-z_$.]+")
RUST_SIGNS = {"LT": "<", "GT": ">", "RF": "&", "BP": "*", "C": ",", "LP": "(", "RP": ")", "u20": " ", "u27": "'", "u5b": "[",
              "u5d": "]", "u7b": "{", "u7d": "}", "u7e": "~"}


def rust_name(match):
    """_ZN4core3fmt5write17h0123456789abcdefE -> core::fmt::write, of a name that was cut as far as it goes (the old mangling of
    rustc, compiler/rustc_symbol_mangling/src/legacy.rs; wasm-ld has put C++'s names into words already)."""
    rest, parts = match[0][3:], []
    while length := re.match("[0-9]+", rest):
        rest = rest[length.end():]
        parts.append(rest[:int(length[0])].removeprefix("_") if rest.startswith("_$") else rest[:int(length[0])])
        rest = rest[int(length[0]):]
    if len(parts) > 1 and re.fullmatch("h[0-9a-f]{0,16}", parts[-1]):
        parts.pop()
    signs = re.sub(r"\$(\w+)\$", lambda sign: RUST_SIGNS.get(sign[1], sign[0]), "::".join(parts))
    return signs.replace("..", "::") or match[0]


def told(ending):
    """How a program ended, for people: a trap's frames line by line."""
    lines = ending.replace(", in ", "\n    in ", 1).replace(" called from ", "\n    called from ")
    return RUST_NAME.sub(rust_name, lines).replace("its memory limit is", "its memory limit (--mem) is")


def status_of(verdict):
    _, end, status, text = verdict
    if end == ENDED_EXIT:
        return status if status <= 255 else status & 0xff or 1
    print(f"tessera: {shown(told(text))}", file=sys.stderr)
    return {ENDED_TRAP: STATUS_TRAP, ENDED_FAULT: STATUS_FAULT}.get(end, STATUS_KILLED)


def tell_lost(app):
    """Folders come back at a program's end; a disk has what was synced, always."""
    for folder_path in app.returned().values():
        print(f"tessera: {folder_path} is as it was: the program was stopped before its end", file=sys.stderr)


def run(app, arch, kernel, archive, timeout):
    """The program's exit status."""
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as uart:
        command = machine(app, arch, kernel, archive, f"/dev/fd/{uart.fileno()}")
        try:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, bufsize=0,
                                       pass_fds=[uart.fileno()], preexec_fn=before_qemu)
        except OSError as error:
            raise AppError(f"cannot start {command[0]}: {error.strerror} ('./tessera setup' installs it)") from None
        # Names and headers come on top.
        frames, feeder = Frames(len(app.returned()) * (FOLDER_MEMORY + (FOLDER_MEMORY >> 3))), Feeder(process.stdin, app)
        try:
            in_time = converse(process, frames, feeder, time.monotonic() + timeout if timeout else None)
            if in_time:
                process.wait()
        except (KeyboardInterrupt, SystemExit):
            tell_lost(app)
            raise
        finally:
            qemu.stop(process)
            process.stdout.close()
        errors.seek(0)
        complaint = errors.read().decode("utf-8", "replace").strip()
        early = Frames()  # the kernel's words, and those of a root task that fails
        early.feed(uart.read())
    if not in_time:
        print(f"tessera: the program still runs after {timeout:g} s", file=sys.stderr)
        tell_lost(app)
        return qemu.TIMEOUT
    if frames.verdict is None or b"root:" in early.text + frames.text:
        said = "\n".join(part for part in (complaint, early.chatter(), frames.chatter()) if part)
        raise AppError("the machine ended without the program's verdict" + (f":\n{said}" if said else ""))
    app.bring_back(b"".join(frames.files))
    return status_of(frames.verdict)


def before_qemu():
    qemu.die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # control-C is for us: we end QEMU
