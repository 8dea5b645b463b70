#!/usr/bin/env python3
"""OpenSSL for wasm32-wasi, from the pinned source package (ci/parts.json): FOLDER/lib/libssl.a, libcrypto.a and FOLDER/include.

    openssl.py FOLDER

OpenSSL's own build makes it, in less than a minute; the result is kept beside the source. Left out is what no TLS of today
uses, what needs threads, processes or loading at run time, and assembly. Of 735 short files, most of a compiler's time goes into
OpenSSL's headers: these are compiled once (HEADERS).
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
    asm threads shared dso engine tests ui-console secure-memory afalgeng async autoload-config module legacy ktls multiblock
    aria bf blake2 camellia cast cmac cmp cms comp ct des dgram dsa dtls ec2m gost idea md4 mdc2 nextprotoneg ocb padlockeng rc2 rc4 rmd160
    scrypt seed siphash siv sm2 sm3 sm4 srp srtp ssl-trace ts whirlpool ssl3 tls1 tls1_1 weak-ssl-ciphers""".split()
# With __ELF__ OpenSSL takes its seed from getentropy, which wasi-libc has; it is used for nothing else there.
OPTIONS = ["-O1", "-D_WASI_EMULATED_SIGNAL", "-D_WASI_EMULATED_GETPID", "-D_WASI_EMULATED_PROCESS_CLOCKS", "-D_WASI_EMULATED_MMAN", "-D__ELF__"]

# What most files include; those that want to be first (crypto/bio/bio_local.h) are compiled without.
HEADERS = """
    internal/deprecated.h stdio.h stdlib.h string.h openssl/crypto.h openssl/err.h openssl/evp.h openssl/x509.h openssl/x509v3.h
    openssl/pem.h openssl/asn1t.h openssl/core_names.h openssl/params.h openssl/rsa.h openssl/ec.h openssl/dh.h openssl/dsa.h openssl/ssl.h
    internal/cryptlib.h internal/provider.h crypto/evp.h crypto/x509.h crypto/asn1.h crypto/bn.h""".split()
MAKEFILE = """
include Makefile
PRECOMPILED = -include-pch headers.pch
CFLAGS += $(PRECOMPILED)
crypto/bio/%.o crypto/http/%.o headers.pch: PRECOMPILED =
headers.pch: headers.h
\t$(CC) -Iinclude -I$(SRCDIR)/include $(LIB_CFLAGS) $(LIB_CPPFLAGS) -x c-header $< -o $@
"""


def flags():
    resources = subprocess.run([CLANG, "-print-resource-dir"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    folders = [ROOT / "demos" / "ports" / "include", ROOT / "servers" / "wasi" / "socket" / "include", f"{resources}/include",
               "/usr/include/wasm32-wasi"]
    return ["--target=wasm32-wasi", "-w", "-nostdinc", *(word for folder in folders for word in ("-isystem", str(folder))), *OPTIONS]


def recipe():
    """Changes with all that the result depends on."""
    headers = sorted(file for folder in ("demos/ports/include", "servers/wasi/socket/include") for file in (ROOT / folder).rglob("*.h"))
    texts = [" ".join(WITHOUT + OPTIONS + HEADERS), MAKEFILE, *(file.read_text(encoding="utf-8") for file in headers)]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def folder():
    source = parts.fetch("openssl", parts.pins()["openssl"])

    def build(work, done):
        environment = os.environ | {"CC": CLANG, "AR": "llvm-ar-19", "RANLIB": "llvm-ranlib-19", "CFLAGS": " ".join(flags())}
        debian.run(["perl", source / "Configure", "linux-generic32", *(f"no-{name}" for name in WITHOUT)], cwd=work, env=environment)
        debian.run(["make", "build_generated"], cwd=work)
        (work / "headers.h").write_text("".join(f"#include <{name}>\n" for name in HEADERS))
        (work / "precompiled.mk").write_text(MAKEFILE)
        make = ["make", "-f", "precompiled.mk"]
        debian.run([*make, "headers.pch"], cwd=work)
        debian.run([*make, f"-j{os.cpu_count()}", "libcrypto.a", "libssl.a"], cwd=work)
        (done / "lib").mkdir()
        for name in ("libssl.a", "libcrypto.a"):
            shutil.copy(work / name, done / "lib")
        shutil.copytree(source / "include" / "openssl", done / "include" / "openssl")
        shutil.copytree(work / "include" / "openssl", done / "include" / "openssl", dirs_exist_ok=True)
    return parts.made(source, f"wasm-{recipe()}", build)


if __name__ == "__main__":
    sys.exit(parts.copy_command(__doc__, folder))
