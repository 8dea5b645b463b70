"""The compile commands of a build folder (CMake's compile_commands.json), for the checks that compile again with other flags."""
import json
import os
import shlex

from sources import ROOT


class Unit:
    """One C file as the build compiles it: path from the root, folder, command without the output."""

    def __init__(self, entry):
        self.path = os.path.relpath(entry["file"], ROOT)
        self.folder = entry["directory"]
        words = shlex.split(entry["command"])
        self.output = os.path.normpath(os.path.join(self.folder, words[words.index("-o") + 1]))
        at = words.index("-o")
        del words[at : at + 2]
        if os.path.basename(words[0]) == "ccache":  # it may keep an object and not what these checks ask for
            del words[0]
        self.command = words


def units(build, wanted):
    """The C files for which wanted(unit) holds, each once per output."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = [Unit(entry) for entry in json.load(file) if entry["file"].endswith(".c")]
    return [unit for unit in entries if wanted(unit)]


def is_kernel(unit):
    return f"{os.sep}kernel.dir{os.sep}" in unit.output
