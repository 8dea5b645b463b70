#!/usr/bin/python3
"""Runs a libFuzzer program, starting from its kept corpus.

    fuzz.py --fuzzer PROGRAM --corpus FILE [--seconds 45] [--longest BYTES] [--depth N] [--set NAME=VALUE]... [--jobs N]
            [--work FOLDER] [--keep [--counts]]

Ends with 0 when nothing was found. An input that breaks something is left in the work folder, reduced, with the command that
shows it again. --set is for the program's environment. With --keep, what was learned is reduced to what adds coverage and
packed back into the corpus. More folders of inputs may be named to start from.
"""
import argparse
import glob
import os
import subprocess
import sys
import tempfile

import corpus


def fuzz(arguments, folder, environment):
    options = [f"-max_total_time={arguments.seconds}", f"-max_len={arguments.longest}", "-timeout=20", "-detect_leaks=0",
               "-print_final_stats=1", f"-artifact_prefix={arguments.work}/", "-verbosity=0", "-reload=1", f"-mutate_depth={arguments.depth}"]
    running = [subprocess.Popen([arguments.fuzzer, *options, folder, *arguments.more], env=environment)
               for _ in range(arguments.jobs)]
    return sum(process.wait() != 0 for process in running)


def reduce(arguments, environment, path):
    """A shorter input with the same end, if one is found in half a minute."""
    reduced = path + ".reduced"
    subprocess.run([arguments.fuzzer, "-minimize_crash=1", "-max_total_time=30", f"-exact_artifact_path={reduced}", path],
                   env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return reduced if os.path.exists(reduced) else path


def keep(arguments, environment, folder):
    with tempfile.TemporaryDirectory() as merged:
        how = ["-merge=1"] if arguments.counts else ["-set_cover_merge=1", "-use_counters=0"]
        options = [*how, "-detect_leaks=0", f"-max_len={arguments.longest}", "-verbosity=0"]
        subprocess.run([arguments.fuzzer, *options, merged, folder], env=environment, check=True)
        corpus.pack(merged, arguments.corpus)
    print(f"{arguments.corpus}: {os.path.getsize(arguments.corpus)} bytes")


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fuzzer", required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--seconds", type=int, default=45)
    parser.add_argument("--longest", type=int, default=4096)
    parser.add_argument("--depth", type=int, default=5, help="changes of one input, one after the other")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--work")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--counts", action="store_true", help="keep what differs in how often code runs, too")
    parser.add_argument("more", nargs="*")
    arguments = parser.parse_args()
    arguments.fuzzer = os.path.abspath(arguments.fuzzer)
    arguments.work = os.path.abspath(arguments.work or os.path.join(os.path.dirname(arguments.fuzzer), "fuzz"))
    return arguments


def main():
    arguments = read_arguments()
    folder = os.path.join(arguments.work, "corpus")
    environment = dict(os.environ, **dict(setting.split("=", 1) for setting in arguments.set))
    corpus.unpack(arguments.corpus, folder)
    for old in glob.glob(os.path.join(arguments.work, "crash-*")):
        os.remove(old)
    if fuzz(arguments, folder, environment) != 0:
        for path in glob.glob(os.path.join(arguments.work, "[clot]*-*")):
            path = reduce(arguments, environment, path)
            print(f"an input that breaks something: {path}\nagain: {' '.join(arguments.set)} {arguments.fuzzer} {path}")
        return 1
    if arguments.keep:
        keep(arguments, environment, folder)
    return 0


sys.exit(main())
