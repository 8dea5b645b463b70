#!/usr/bin/env python3
"""Hold the reader and validator against the official suite's binary modules.

Every module of assert_malformed and assert_invalid must be rejected, every other module accepted.
The data are the archives of the conformance folder (TESSERA_WASM_SPEC, or ../shared/wasm-spec beside the
repository); without it the test is skipped (exit status 77). They are unpacked once, into --work.
"""
import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys
import tarfile

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]

# Suite: the languages it is read as (check_modules knows them).
SUITES = {
    "wasm-2.0": ["2"],
    "wasm-3.0": ["3", "all"],
    "threads": ["threads", "all"],
    "threads-testsuite": ["threads"],
    "legacy-eh": ["legacy", "all"],
    "wasm-3.0-custom": ["3", "all"],
}

GC = "needs the gc proposal, which is refused"


def find_data():
    places = [os.environ.get("TESSERA_WASM_SPEC"), REPOSITORY.parent / "shared" / "wasm-spec"]
    for place in places:
        if place and pathlib.Path(place).is_dir():
            return pathlib.Path(place)
    print("skipped: no conformance data; set TESSERA_WASM_SPEC to the folder with wasm-2.0.tar.xz and the others")
    sys.exit(77)


def unpack(archive, work):
    folder = work / archive.name.removesuffix(".tar.xz")
    stamp = folder / ".complete"
    if not stamp.exists() or stamp.stat().st_mtime < archive.stat().st_mtime:
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as tar:
            tar.extractall(folder)
        stamp.touch()
    return folder


class Case:
    """A module of a script: its file, and what the suite says of it."""

    def __init__(self, script, command):
        self.path = script.parent / command["filename"]
        self.name = f"{script.parent.name}/{self.path.name} (line {command['line']})"
        self.script = script.parent.name
        self.wanted = {"assert_malformed": "malformed", "assert_invalid": "invalid"}.get(command["type"], "ok")
        self.text = command.get("text", "") if self.wanted != "ok" else ""


def read_cases(folder):
    for script in sorted(folder.rglob("*.json")):
        for command in json.loads(script.read_text())["commands"]:
            if "filename" in command and command.get("module_type", "binary") == "binary":
                yield Case(script, command)


def check(checker, language, cases):
    lines = "".join(f"{language} {case.path}\n" for case in cases)
    done = subprocess.run([checker], input=lines, capture_output=True, text=True, check=False)
    answers = done.stdout.splitlines()
    if done.returncode != 0 or len(answers) != len(cases):
        where = cases[len(answers)].name if len(answers) < len(cases) else "the end"
        sys.exit(f"{checker} failed at {where}, status {done.returncode}\n{done.stderr}")
    return answers


def is_stale(suite, case, answer):
    """Assertions of the threads proposal's copy of an older suite that later versions made valid."""
    return suite == "threads-testsuite" and case.text in ("multiple tables",) and answer == "ok"


def judge(suite, case, answer):
    result, _, message = answer.partition(" ")
    if result == "unsupported" and "gc " in message:
        return "skipped"
    if is_stale(suite, case, answer):
        return "skipped"
    return "passed" if (result == "ok") == (case.wanted == "ok") else "failed"


def report(suite, language, cases, answers, show_texts):
    """Print what did not pass, and the sums; return the number of failures."""
    tally = collections.Counter()
    worded = 0
    for case, answer in zip(cases, answers):
        verdict = judge(suite, case, answer)
        tally[verdict] += 1
        if verdict == "failed":
            print(f"FAILED {suite} {case.name}: wanted {case.wanted} {case.text!r}, got {answer}")
        if verdict == "skipped":
            print(f"skipped {suite} {case.name}: {GC if 'gc ' in answer else 'stale: ' + case.text}")
        if verdict == "passed" and case.wanted != "ok":
            same = case.text in answer
            worded += same
            if show_texts and not same:
                print(f"text {suite} {case.name}: {case.text!r}: {answer}")
    rejected = sum(case.wanted != "ok" for case in cases)
    print(f"{suite} read as {language}: {tally['passed']} passed, {tally['failed']} failed, "
          f"{tally['skipped']} skipped; {worded} of {rejected} rejections in the suite's words")
    return tally["failed"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checker", required=True, help="the check_modules program")
    parser.add_argument("--work", required=True, type=pathlib.Path, help="folder to unpack into")
    parser.add_argument("--suite", choices=SUITES, action="append", help="only these")
    parser.add_argument("--texts", action="store_true", help="show messages that do not begin with the suite's text")
    arguments = parser.parse_args()
    data = find_data()
    failures = 0
    for suite in arguments.suite or SUITES:
        cases = list(read_cases(unpack(data / f"{suite}.tar.xz", arguments.work)))
        for language in SUITES[suite]:
            failures += report(suite, language, cases, check(arguments.checker, language, cases), arguments.texts)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
