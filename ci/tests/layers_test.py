"""Tests of ci/check_layers.py on small trees made here."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import check_layers


class Layers(unittest.TestCase):
    def expect(self, path, include, *others, fault):
        texts = {name: "" for name in others}
        texts[path] = f"/* head */\n#include {include}\n"
        found = check_layers.faults(texts)
        self.assertEqual(bool(found), fault, msg=found)
        if fault:
            self.assertTrue(found[0].startswith(f"{path}:2: "), msg=found)

    def test_downwards(self):
        self.expect("ipc/endpoint.c", "<sched/thread.h>", "sched/thread.h", fault=False)
        self.expect("mm/frame.c", "<arch/mmu.h>", "arch/include/arch/mmu.h", fault=False)
        self.expect("sched/a.c", "<abi/types.h>", "kernel/include/abi/types.h", fault=False)
        self.expect("servers/root/a.c", '"proto/root.h"', "servers/proto/root.h", fault=False)

    def test_upwards(self):
        self.expect("sched/thread.c", "<ipc/ipc.h>", "ipc/ipc.h", fault=True)
        self.expect("mm/frame.c", "<kernel/system_call.h>", "kernel/system_call.h", fault=True)
        self.expect("arch/x86_64/mmu.c", "<mm/vspace.h>", "mm/vspace.h", fault=True)
        self.expect("ipc/endpoint.c", '"arch/x86_64/mmu.h"', "arch/x86_64/mmu.h", fault=True)

    def test_machines_do_not_mix(self):
        self.expect("arch/arm64/a.c", '"arch/x86_64/mmu.h"', "arch/x86_64/mmu.h", fault=True)
        self.expect("arch/arm64/a.c", "<machine/core.h>", "arch/x86_64/include/machine/core.h",
                    "arch/arm64/include/machine/core.h", fault=False)

    def test_servers(self):
        self.expect("servers/root/a.c", '"console/c.h"', "servers/console/c.h", fault=True)
        self.expect("servers/drivers/uart/a.c", '"drivers/blk/c.h"', "servers/drivers/blk/c.h", fault=True)
        self.expect("servers/root/a.c", "<kernel/cap.h>", "kernel/cap.h", fault=True)
        self.expect("servers/lib/a.c", '"root/root.h"', "servers/root/root.h", fault=True)

    def test_translator_and_system_headers(self):
        self.expect("aot/main.c", "<llvm-c/Core.h>", fault=False)
        self.expect("servers/root/a.c", "<llvm-c/Core.h>", fault=True)
        self.expect("aot/main.c", "<kernel/cap.h>", "kernel/cap.h", fault=True)
        self.expect("kernel/a.c", "<stdio.h>", fault=True)
        self.expect("kernel/a.c", "<stdint.h>", fault=False)
        self.expect("tests/kernel/a.c", "<kernel/cap.h>", "kernel/cap.h", fault=False)


if __name__ == "__main__":
    unittest.main()
