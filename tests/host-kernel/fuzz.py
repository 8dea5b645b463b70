#!/usr/bin/python3
"""Fuzzes the kernel's model, starting from the kept corpus.

    fuzz.py --fuzzer build/host/tests/host-kernel/kernel-fuzz [--seconds 45] [--corpus tests/sequence/corpus.bin]
            [--work FOLDER] [--keep]

Ends with 0 when nothing was found. What breaks the kernel is left in the work folder, reduced, with the command that
shows it again. With --keep, what was learned is reduced to what adds coverage and packed back into the corpus.
"""
import argparse
import glob
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SEQUENCES = os.path.join(os.path.dirname(HERE), "sequence")
LONGEST = 801  # 100 steps
sys.path.insert(0, SEQUENCES)
import corpus  # noqa: E402  (tests/sequence/corpus.py)


def fuzz(arguments, folder, environment):
    options = [f"-max_total_time={arguments.seconds}", f"-max_len={LONGEST}", "-timeout=20", "-detect_leaks=0",
               "-print_final_stats=1", f"-artifact_prefix={arguments.work}/", "-verbosity=0"]
    return subprocess.run([arguments.fuzzer, *options, folder], env=environment).returncode


def reduce(arguments, environment, path):
    """A shorter input with the same end, if one is found in half a minute."""
    reduced = path + ".reduced"
    subprocess.run([arguments.fuzzer, "-minimize_crash=1", "-max_total_time=30", f"-exact_artifact_path={reduced}", path],
                   env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return reduced if os.path.exists(reduced) else path


def keep(arguments, environment, folder):
    with tempfile.TemporaryDirectory() as merged:
        options = ["-set_cover_merge=1", "-use_counters=0", "-detect_leaks=0", f"-max_len={LONGEST}", "-verbosity=0"]
        subprocess.run([arguments.fuzzer, *options, merged, folder], env=environment, check=True)
        corpus.pack(merged, arguments.corpus)
    print(f"{arguments.corpus}: {os.path.getsize(arguments.corpus)} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fuzzer", required=True)
    parser.add_argument("--seconds", type=int, default=45)
    parser.add_argument("--corpus", default=os.path.join(SEQUENCES, "corpus.bin"))
    parser.add_argument("--work")
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    arguments.fuzzer = os.path.abspath(arguments.fuzzer)
    arguments.work = os.path.abspath(arguments.work or os.path.join(os.path.dirname(arguments.fuzzer), "fuzz"))
    folder = os.path.join(arguments.work, "corpus")
    environment = dict(os.environ, KERNEL_FUZZ_ARCHIVE=os.path.join(os.path.dirname(arguments.fuzzer), "model.cpio"))
    corpus.unpack(arguments.corpus, folder)
    for old in glob.glob(os.path.join(arguments.work, "crash-*")):
        os.remove(old)
    if fuzz(arguments, folder, environment) != 0:
        for path in glob.glob(os.path.join(arguments.work, "[clot]*-*")):
            path = reduce(arguments, environment, path)
            print(f"a sequence that breaks the kernel: {path}\nagain: KERNEL_FUZZ_ARCHIVE="
                  f"{environment['KERNEL_FUZZ_ARCHIVE']} {arguments.fuzzer} {path}")
        return 1
    if arguments.keep:
        keep(arguments, environment, folder)
    return 0


sys.exit(main())
