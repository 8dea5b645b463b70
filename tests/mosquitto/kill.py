#!/usr/bin/python3
"""Mosquitto is killed while it serves, and run anew on the same machine (keeper.c): what was retained, kept and queued is there, and so is
all that was acknowledged.

    kill.py --arch x86_64 --build-dir build/x86_64 --host-dir build/host [--times N]
"""
import argparse
import pathlib
import socket
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "net"), str(HERE.parent / "mqtt")]
import net
import survival
import wire

KEEPER, BROKER = 1899, 1883


def system(options):
    """The keeper, and Mosquitto as its child."""
    granted = {"clock": True, "random": True, "fs": {"/etc/mosquitto": "r", "/data": "rw"}, "net": {"listen": [f"tcp:{BROKER}", f"tcp:{KEEPER}"]}}
    mosquitto = {"name": "mosquitto", "image": net.translated(options, "mosquitto"), "request": "granted", "grant": granted, "memory": 32 << 20, "start": False}
    keeper = {"name": "keeper", "image": net.translated(options, "mosquitto-keeper"), "request": "granted", "memory": 64 << 20,
              "arguments": ["keeper", str(KEEPER), "mosquitto", "-c", "/etc/mosquitto/mosquitto.conf"], "grant": granted | {"spawn": ["mosquitto"]}}
    mounts = {"/etc/mosquitto": {"folder": str(net.ROOT / "demos/ports/mosquitto/etc")}, "/data": {"memory": 32 << 20}}
    return {"programs": [keeper, mosquitto], "mounts": mounts}


def kill(port, machine):
    start = len(machine.lines)
    with socket.create_connection(("127.0.0.1", port)):
        machine.wait_for("keeper: killed", start)


def run(options):
    port, keeper = net.free_ports(2)
    with tempfile.TemporaryDirectory(prefix="kill-") as folder:
        machine = net.Machine(options, net.packed(options, system(options), folder), [(port, BROKER), (keeper, KEEPER)])
        try:
            machine.wait_for("mosquitto version .* running")
            estate = survival.Estate(port, net.Failure)
            for number in range(options.times):
                estate.leave()
                estate.flood(lambda: kill(keeper, machine), 20 + 13 * number)
                estate.check()
                print(f"ok: kill {number + 1}: {len(estate.flooded)} messages were acknowledged while it came, and none was lost")
        except BaseException:
            print("\n".join(line for line in machine.lines[-20:] if line), file=sys.stderr)
            raise
        finally:
            machine.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--build-dir", required=True)
    parser.add_argument("--host-dir", required=True)
    parser.add_argument("--times", type=int, default=2, help="how often it is killed")
    try:
        run(parser.parse_args())
    except (net.Failure, wire.Closed, OSError) as error:
        print(f"kill.py: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
