"""Tests of ci/chart.py: what is drawn of which figures, and that it is well formed."""
import os
import sys
import unittest
import xml.etree.ElementTree as tree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import chart

OURS = {"syscall_null": {"x86_64": 80, "arm64": 90}, "ipc_call_reply_0": {"x86_64": 330}}
PEERS = {"syscall_null": {"seL4 MCS": {"x86_64": 94, "arm64": 97}}}
LINUX = {"ipc_call_reply_0": {"pipe": {"x86_64": 12000}, "futex": {"x86_64": 9000}}, "fault_reply": {"page-fault": {"arm64": 3000}}}
SVG = "{http://www.w3.org/2000/svg}"


class Chart(unittest.TestCase):
    def test_rows_are_ours_and_linux_gives_its_cheapest(self):
        self.assertEqual(chart.figures_of("x86_64", OURS, PEERS, LINUX),
                         [("cheapest system call", {"tessera": 80, "sel4": 94}),
                          ("call and reply, empty", {"tessera": 330, "linux": 9000})])
        self.assertEqual(chart.figures_of("arm64", OURS, PEERS, LINUX), [("cheapest system call", {"tessera": 90, "sel4": 97})])

    def test_the_picture_has_a_mark_for_each_figure_and_says_them_in_words(self):
        root = tree.fromstring(chart.draw(OURS, PEERS, LINUX))
        marks = [element.get("class") for element in root if element.tag in (SVG + "circle", SVG + "rect", SVG + "path")]
        self.assertEqual(marks.count("tessera"), 3 + 1)  # one of each in the legend
        self.assertEqual(marks.count("sel4"), 2 + 1)
        self.assertEqual(marks.count("linux"), 1 + 1)
        self.assertEqual([element.text for element in root][0], "Instructions per operation: Tessera, seL4 and Linux")
        self.assertIn("call and reply, empty Tessera 330, Linux 9,000", root.find(SVG + "desc").text)

    def test_less_is_further_left(self):
        root = tree.fromstring(chart.draw(OURS, PEERS, LINUX))
        places = [float(element.get("cx")) for element in root.iter(SVG + "circle")][1:]
        self.assertLess(places[0], places[2])
        self.assertLess(places[2], places[1])

    def test_the_table_has_a_column_for_each_kernel_and_machine(self):
        lines = chart.table(OURS, PEERS, LINUX)
        self.assertEqual(lines[0].count("|"), 2 + 2 * len(chart.KERNELS))
        self.assertIn("| cheapest system call | 80 | 94 |  | 90 | 97 |  |", lines)
        self.assertIn("| call and reply, empty | 330 |  | 9,000 |  |  |  |", lines)
        page = "# Page\n\n| instructions | old |\n|---|\n| x |\n\nRest.\n\n| instructions | of another |\n"
        self.assertEqual(chart.with_table(page, ["| new |"]), "# Page\n\n| new |\n\nRest.\n\n| instructions | of another |\n")
        with self.assertRaises(ValueError):
            chart.with_table("# Page\n", lines)

    def test_what_is_recorded_is_what_the_pages_show(self):
        rows = list(map(chart.read_rows, ("recorded.json", "peers.json", "linux.json")))
        with open(chart.OUTPUT, encoding="utf-8") as file:
            self.assertEqual(file.read(), chart.draw(*rows), msg="ci/chart.py draws it anew")
        with open(chart.PAGE, encoding="utf-8") as file:
            page = file.read()
        self.assertEqual(page, chart.with_table(page, chart.table(*rows)), msg="ci/chart.py writes it anew")


if __name__ == "__main__":
    unittest.main()
