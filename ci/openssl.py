#!/usr/bin/env python3
"""OpenSSL for wasm32-wasi, from the pinned source package (ci/parts.json): FOLDER/lib/libssl.a, libcrypto.a and FOLDER/include.

    openssl.py FOLDER

OpenSSL's own build makes it, which takes a minute or two; the result is kept beside the source. Left out is what no TLS of today
uses, what needs threads, processes or loading at run time, and assembly.
"""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

import debian
import parts

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLANG = "clang-19"
WITHOUT = """
    asm threads shared dso engine tests ui-console secure-memory afalgeng async autoload-config module legacy ktls
    aria bf blake2 camellia cast cmac cmp cms comp ct des dgram dtls ec2m gost idea md4 mdc2 nextprotoneg ocb padlockeng rc2 rc4 rmd160
    scrypt seed siphash siv sm2 sm3 sm4 srp srtp ssl-trace ts whirlpool ssl3 tls1 tls1_1 weak-ssl-ciphers""".split()
# With __ELF__ OpenSSL takes its seed from getentropy, which wasi-libc has; it is used for nothing else there.
DEFINES = ["-D_WASI_EMULATED_SIGNAL", "-D_WASI_EMULATED_GETPID", "-D_WASI_EMULATED_PROCESS_CLOCKS", "-D_WASI_EMULATED_MMAN", "-D__ELF__"]


def flags():
    resources = subprocess.run([CLANG, "-print-resource-dir"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    folders = [ROOT / "demos" / "ports" / "include", ROOT / "servers" / "wasi" / "socket" / "include", f"{resources}/include",
               "/usr/include/wasm32-wasi"]
    return ["--target=wasm32-wasi", "-O2", "-w", "-nostdinc", *(word for folder in folders for word in ("-isystem", str(folder))), *DEFINES]


def recipe():
    """Changes with all that the result depends on."""
    headers = sorted(file for folder in ("demos/ports/include", "servers/wasi/socket/include") for file in (ROOT / folder).rglob("*.h"))
    texts = [" ".join(WITHOUT + DEFINES), *(file.read_text(encoding="utf-8") for file in headers)]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def folder():
    source = parts.fetch("openssl", parts.pins()["openssl"])

    def make(work, done):
        environment = os.environ | {"CC": CLANG, "AR": "llvm-ar-19", "RANLIB": "llvm-ranlib-19", "CFLAGS": " ".join(flags())}
        debian.run(["perl", source / "Configure", "linux-generic32", *(f"no-{name}" for name in WITHOUT)], cwd=work, env=environment)
        debian.run(["make", "build_generated"], cwd=work)
        debian.run(["make", f"-j{os.cpu_count()}", "libcrypto.a", "libssl.a"], cwd=work)
        (done / "lib").mkdir()
        for name in ("libssl.a", "libcrypto.a"):
            shutil.copy(work / name, done / "lib")
        shutil.copytree(source / "include" / "openssl", done / "include" / "openssl")
        shutil.copytree(work / "include" / "openssl", done / "include" / "openssl", dirs_exist_ok=True)
    return parts.made(source, f"wasm-{recipe()}", make)


if __name__ == "__main__":
    sys.exit(parts.copy_command(__doc__, folder))
