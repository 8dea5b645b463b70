"""A machine whose guest has switched it off, looked at from outside through QEMU's monitor."""
import subprocess
import time

LIMIT_SECONDS = 60


def halted_answer(command, question):
    """Runs QEMU with these arguments, waits until the guest has switched the machine off (QEMU keeps it) and returns what the
    monitor answers to the lines of `question`."""
    command = command + ["-display", "none", "-serial", "null", "-monitor", "stdio", "-no-reboot", "-no-shutdown"]
    qemu = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < end:
            time.sleep(1)
            qemu.stdin.write("info status\n")
            qemu.stdin.flush()
            while "VM status:" not in (line := qemu.stdout.readline()):
                if not line:
                    raise SystemExit("QEMU ended early")
            if "shutdown" in line:
                return qemu.communicate(question + "quit\n", timeout=LIMIT_SECONDS)[0]
        raise SystemExit("the machine was not switched off")
    finally:
        qemu.kill()
