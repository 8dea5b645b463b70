#!/usr/bin/env python3
"""What functions on files answer here and on a mainstream runtime, situation by situation (compare.c): every difference has its reason here.

    compare.py --arch ARCH --kernel FILE --archive ARCHIVE    the test: ours against node.txt
    compare.py --node MODULE                                  node.txt is written anew: the answers of the `node` in the path
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
KEPT = os.path.join(HERE, "node.txt")
QEMU = os.path.join(HERE, "..", "..", "ci", "qemu.py")
NODE = """
const { WASI } = require('node:wasi');
const [module, home, ro] = process.argv.slice(1);
const wasi = new WASI({ version: 'preview1', args: ['compare', 'avoid'], preopens: { '/home': home, '/ro': ro } });
WebAssembly.instantiate(require('fs').readFileSync(module), wasi.getImportObject())
    .then(({ instance }) => { process.exitCode = wasi.start(instance); });
"""
# (calls, situations, ours, Node's, why): regular expressions for whole words, errno values as WASI numbers them.
DIFFERENCES = (
    ("set both times", ".*", ".*", "None", "Node's WASI never comes back from its next call: it keeps a lock"),
    (".*", "a/\\.", "54", ".*", "a path is walked, not shortened as a text: a is no directory, as Linux says"),
    (".*", "missing/\\.\\.", "44", ".*", "likewise: missing is not there"),
    (".*", "", "44", "28", "an empty path names nothing: ENOENT, as Linux says and POSIX wants"),
    (".*", "a.xff", "25", ".*", "a path that is not UTF-8 is EILSEQ"),
    ("open nofollow", "(dir)?link|chain|dangling", "32", "0|44", "Node follows a link though it must not; the specification has ELOOP for it"),
    ("open creat excl", "dangling|loop", "20", ".*", "O_EXCL does not follow links: POSIX, open()"),
    ("rmdir|rename to|rename empty to", "(dir/)?\\./?", "28", ".*", "POSIX, rmdir() and rename(): EINVAL for a path that ends with a dot"),
    ("rename from", "dir/\\.", "28", "0", "likewise"),
    ("rename( empty)? to", "(dir|dirlink)/\\.\\.", "28", "55", "likewise, with two dots"),
    ("symlink to", "\\.\\.|\\.\\./a", "0", "76", "a link may hold anything relative: it is refused who follows it out of the directory"),
    ("stat through link to", "\\.\\.|\\.\\./a", "76", "None", "likewise: no such link was made"),
    ("symlink to", "/.*", "76", "63", "a link out of every directory: ENOTCAPABLE rather than EPERM"),
    ("fd_renumber.*", "closed", "8", "0", "nothing is open there"),
    ("fd_.*", "closed", "8", "28", "that the descriptor is closed is said before anything of the arguments"),
    ("fd_(set_times both|advise 9)", "file .*|directory", "76", "28", "a missing right is said before anything of the arguments"),
    ("fd_advise", "directory", "76", "8", "a directory has no right to be advised on"),
    ("fd_allocate none", "file( to append)?", "28", "0", "POSIX, posix_fallocate(): EINVAL for no bytes"),
    ("fd_prestat_get", "file.*|directory", "8", "28", "wasi-libc takes EBADF as the end of the preopened directories; wasmtime says so too"),
    ("fd_prestat_dir_name.*", "file.*|directory", "54", "8", "open, but not preopened: as wasmtime says"),
    ("fd_readdir", "file.*", "54", "76", "no directory, whatever rights it has"),
    (".*", "stream", "54", "76", "no directory, whatever rights it has"),
)


def answers_of(text):
    """{(call, situation): answer}"""
    lines = re.findall(r"^= (.*) '(.*)': ([0-9]+(?: [0-9]+)?)\r?$", text, re.MULTILINE)
    if "compare: done" not in text or len(lines) < 1000:
        raise SystemExit(f"compare.py: it did not come to its end:\n{text[-2000:]}")
    return {(call, situation): answer for call, situation, answer in lines}


def ask_node(module):
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(["node", "--no-warnings", "-e", NODE, module, home, os.path.join(HERE, "ro")], stdout=subprocess.PIPE,
                              text=True, timeout=60, check=True)
    version = subprocess.run(["node", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    answers_of(done.stdout)
    with open(KEPT, "w", encoding="utf-8") as file:
        file.write(f"Written by tests/wasi/compare.py --node: the answers of node {version}.\n{done.stdout}")


def ask_ours(options):
    command = [sys.executable, QEMU, "--arch", options.arch, "--kernel", options.kernel, "--archive", options.archive,
               "--timeout", "60", "--status", "0", "--expect", "process: all memory returned", "--expect", "tessera: all as expected"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, errors="replace", check=False)
    if done.returncode:
        raise SystemExit(f"compare.py: status {done.returncode}:\n{done.stdout[-2000:]}")
    return answers_of(done.stdout)


def reason_of(call, situation, ours, theirs):
    """The row of DIFFERENCES."""
    for row in DIFFERENCES:
        if all(re.fullmatch(pattern, text) for pattern, text in zip(row, (call, situation, ours.split()[0], str(theirs).split()[0]))):
            return row
    return None


def compare(ours, theirs):
    """The number of differences without a reason; of reasons without a difference, too."""
    used, failures, alike = set(), 0, 0
    for (call, situation), answer in ours.items():
        other = theirs.get((call, situation))
        alike += answer == other
        row = None if answer == other else reason_of(call, situation, answer, other)
        used.add(row)
        if answer != other and not row:
            failures += 1
            print(f"{call} '{situation}': ours {answer}, Node's {other}")
    for row in DIFFERENCES:
        if row not in used:
            failures += 1
            print(f"no difference any more: {row}")
    print(f"compare: {len(ours)} answers, {alike} as Node's, {failures} failures")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("arch", "kernel", "archive", "node"):
        parser.add_argument(f"--{name}")
    options = parser.parse_args()
    if options.node:
        return ask_node(options.node)
    with open(KEPT, encoding="utf-8") as file:
        return compare(ask_ours(options), answers_of(file.read())) != 0


if __name__ == "__main__":
    sys.exit(main())
