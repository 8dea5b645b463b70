#!/usr/bin/python3
"""Packs the system archive of a system description (docs/system.md), translating modules on the way.

    ci/system_image.py demos/hello/system.json --arch x86_64 --host-dir build/host --build-dir build/x86_64 -o hello.cpio

The archive holds the native system programs (build/ARCH/system-programs.txt, the root task first), the compiled description and
what the description names. A translation is kept in build/ARCH/images under a name made of the hash of everything that
went into it, so that it is done once.
"""
import argparse
import hashlib
import os
import subprocess
import sys

import archive
import folder
import system_description

WASM_MAGIC = b"\0asm"
TRANSLATION_LIBRARIES = ("libwasi.a", "libwasm_runtime.a")


class PackError(Exception):
    """The system cannot be packed; the text names what is wrong."""


class Packer:
    """One architecture's build folders, and the files that went into the archive (for the dependency file)."""

    def __init__(self, arch, host_dir, build_dir, scratch=None):
        self.arch = arch
        self.host_dir = host_dir
        self.build_dir = build_dir
        self.scratch = scratch
        self.inputs = []

    def read(self, path):
        self.inputs.append(os.path.abspath(path))
        return archive.read_file(path)

    def translator(self):
        return os.path.join(self.host_dir, "aot", "tessera-aot")

    def translate(self, module_path, module, options):
        """The program image of a module, from the cache where it is there."""
        fingerprint = hashlib.sha256(hashlib.sha256(module).digest())
        libraries = os.path.join(self.build_dir, "lib")
        for path in (self.translator(), *(os.path.join(libraries, name) for name in TRANSLATION_LIBRARIES)):
            fingerprint.update(hashlib.sha256(self.read(path)).digest())
        fingerprint.update(repr((self.arch, [self.option_content(option) for option in options])).encode())
        name = f"{os.path.splitext(os.path.basename(module_path))[0]}-{fingerprint.hexdigest()}"
        image_path = os.path.join(self.build_dir, "images", name)
        if not os.path.exists(image_path):
            image_path = os.path.join(self.images_folder(), name)
            unfinished = f"{image_path}.{os.getpid()}.tmp"
            command = [self.translator(), "--target", self.arch, "--lib-dir", libraries, *options, "-o", unfinished,
                       module_path]
            try:
                if subprocess.run(command).returncode:
                    raise PackError(f"{module_path}: not translated; the translator's message stands above")
                os.replace(unfinished, image_path)
            finally:
                if os.path.exists(unfinished):
                    os.unlink(unfinished)
        return archive.read_file(image_path)

    def images_folder(self):
        """Where a translation is kept; in a checkout of somebody else's: the scratch folder, where there is one."""
        kept = os.path.join(self.build_dir, "images")
        try:
            os.makedirs(kept, exist_ok=True)
        except OSError as error:
            raise PackError(f"{kept}: {error.strerror}") from None
        return self.scratch if self.scratch and not os.access(kept, os.W_OK) else kept

    def option_content(self, option):
        """An option that names a file stands for the file's content."""
        return hashlib.sha256(self.read(option)).hexdigest() if os.path.isfile(option) else option

    def system_programs(self):
        names = self.read(os.path.join(self.build_dir, "system-programs.txt")).decode().split()
        if "root" not in names:
            raise PackError(f"{self.build_dir} has no root task: './tessera build' makes it")
        names.sort(key=lambda name: name != "root")
        programs = [(name, self.read(os.path.join(self.build_dir, "programs", name))) for name in names]
        return [(name, archive.without_debug_data(content)) for name, content in programs]

    def described(self, description):
        """The compiled description and what it names, as archive members."""
        self.inputs.append(os.path.abspath(description))
        compiled, wanted = system_description.compile(description, self.arch, self.host_dir, self.build_dir)
        members = [("system", compiled)]
        for name, path, *options in wanted:
            if os.path.isdir(path):
                members.append((name, folder.pack(path)))
                continue
            content = self.read(path)
            if content.startswith(WASM_MAGIC):
                content = self.translate(path, content, options[0] if options else [])
            elif name in system_description.DRIVERS:
                content = archive.without_debug_data(content)
            members.append((name, content))
        return members

    def pack(self, description):
        return archive.pack(self.system_programs() + self.described(description))


def pack(description, arch, host_dir, build_dir, scratch=None):
    """The bytes of the system archive, and the list of files that it was made of."""
    packer = Packer(arch, host_dir, build_dir, scratch)
    return packer.pack(description), packer.inputs


def write_depfile(path, output, inputs):
    escaped = [name.replace("\\", "\\\\").replace(" ", "\\ ") for name in dict.fromkeys(inputs)]
    archive.write_file(path, f"{os.path.abspath(output)}: {' '.join(escaped)}\n".encode())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("description", metavar="SYSTEM.json")
    parser.add_argument("--arch", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--host-dir", required=True)
    parser.add_argument("--build-dir", required=True)
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--depfile")
    options = parser.parse_args()
    try:
        content, inputs = pack(options.description, options.arch, options.host_dir, options.build_dir)
        os.makedirs(os.path.dirname(os.path.abspath(options.output)), exist_ok=True)
        archive.write_file(options.output, content)
        if options.depfile:
            write_depfile(options.depfile, options.output, inputs)
    except (PackError, archive.ArchiveError, folder.FolderError, system_description.DescriptionError, OSError) as error:
        print(f"system_image.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
