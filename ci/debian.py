"""What Debian's archive holds beyond the installed packages: source packages, and packages of another architecture.

apt does the fetching and checks every signature, with a configuration of its own in the cache folder: the machine's stays as
it is, and no root rights are needed. The archive's address is the one that the machine's own apt uses.
"""
import os
import pathlib
import subprocess
import time

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
INDEX_SECONDS = 24 * 3600  # after which the lists of packages are fetched again


class DebianError(Exception):
    pass


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base) / "tessera"


def run(words, cwd=None, env=None):
    try:
        done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", cwd=cwd, env=env, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise DebianError(f"{words[0]} is missing; './tessera setup' installs it") from None
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if line.startswith(("E:", "W:", "dpkg"))] or done.stdout.splitlines()
        raise DebianError(f"{words[0]} failed: {' '.join(lines[-3:])}")
    return done.stdout


def archives():
    """(address, suite, component) of each part of Debian's archive that the machine's apt knows."""
    listed = run(["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)",
                  "Created-By: Packages"])
    found = {tuple(line.split()[1:]) for line in listed.splitlines() if line.startswith("Debian ")}
    if not found:
        raise DebianError("apt knows no Debian archive: run 'apt-get update' as root")
    return sorted(found, key=lambda archive: archive[1])  # the release before its updates: apt takes the first of equals


class Apt:
    """An apt of our own for an architecture of Debian ("amd64", "arm64")."""

    def __init__(self, architecture):
        self.folder = cache_folder() / f"apt-{architecture}"
        for name in ("lists/partial", "archives/partial", "state"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "state" / "status").touch()
        self.options = []
        for name, value in {"APT::Architecture": architecture, "APT::Architectures": architecture,
                            "Dir::Etc::SourceList": self.folder / "sources.list", "Dir::Etc::SourceParts": "-",
                            "Dir::State": self.folder / "state", "Dir::State::Lists": self.folder / "lists",
                            "Dir::State::Status": self.folder / "state" / "status", "Dir::Cache": self.folder,
                            "Dir::Cache::Archives": self.folder / "archives", "APT::Sandbox::User": "root"}.items():
            self.options += ["-o", f"{name}={value}"]
        if not os.path.exists(KEYRING):
            raise DebianError(f"{KEYRING} is missing: install debian-archive-keyring")

    def get(self, *words, cwd=None):
        return run(["apt-get", "-q", *self.options, *words], cwd=cwd)

    def update(self):
        """Fetches the lists of packages, unless that was lately."""
        stamp = self.folder / "updated"
        if stamp.exists() and time.time() - stamp.stat().st_mtime < INDEX_SECONDS:
            return
        lines = [f"{kind} [signed-by={KEYRING}] {address} {suite} {component}" for address, suite, component in archives()
                 for kind in ("deb", "deb-src")]
        (self.folder / "sources.list").write_text("\n".join(lines) + "\n")
        self.get("update")
        stamp.touch()

    def download(self, package, folder):
        """The newest .deb of a package, in `folder`."""
        self.update()
        self.get("download", package, cwd=folder)

    def download_source(self, package, version, folder):
        """The files of that version of a source package, in `folder`."""
        self.update()
        self.get("source", "--download-only", "--only-source", f"{package}={version}", cwd=folder)
