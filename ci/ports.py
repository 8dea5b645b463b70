"""Programs of others that the project brings (demos/ports/NAME): `./tessera run NAME`.

demos/ports/NAME/port.json says how the program runs when nothing else is asked for:

    about       a line for the help
    folders     path for the program -> folder beside port.json, which it may read; --dir with that path replaces it
    memory      path for the program -> size of a folder in memory, in which it may write; --dir or --disk with that path replaces it
    arguments   unless some follow --

The module is the host configuration's target wasm-NAME.
"""
import json
import pathlib

PORTS = pathlib.Path(__file__).resolve().parent.parent / "demos" / "ports"


class Port:
    def __init__(self, name):
        self.name, self.folder = name, PORTS / name
        text = json.loads((self.folder / "port.json").read_text(encoding="utf-8"))
        self.about, self.arguments, self.memory = text["about"], text["arguments"], text["memory"]
        self.folders = {guest: str(self.folder / host) for guest, host in text["folders"].items()}

    @property
    def target(self):
        return f"wasm-{self.name}"

    def module(self, build):
        """In the host configuration's folder."""
        return str(pathlib.Path(build) / "wasm" / f"{self.name}.wasm")


def names():
    return sorted(file.parent.name for file in PORTS.glob("*/port.json"))


def find(name):
    """None when the project brings no such program."""
    return Port(name) if name in names() else None
