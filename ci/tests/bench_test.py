"""Tests of ci/bench.py's comparison with recorded figures."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import bench

ROWS = {"call": {"arm64": 400, "x86_64": 1000}, "yield": {"arm64": 300, "x86_64": 200.5}}


class Page(unittest.TestCase):
    PAGE = "| row | what | x86-64 | arm64 |\n|---|---|---|---|\n| `call` | a call |  |  |\n| `yield` | `a` yield | 1 | 2,000 |\n| `x` | y | 1 | 2 |\n"

    def test_rows_with_recorded_figures_show_them(self):
        shown = bench.with_figures(self.PAGE, ROWS)
        self.assertIn("| `call` | a call | 1,000 | 400 |\n", shown)
        self.assertIn("| `yield` | `a` yield | 200.50 | 300 |\n", shown)
        self.assertIn("| `x` | y | 1 | 2 |\n", shown)
        self.assertEqual(bench.with_figures(shown, ROWS), shown)

    def test_the_page_of_latencies_shows_every_recorded_latency(self):
        root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
        rows = bench.read_rows(root, "recorded.json")
        with open(os.path.join(root, bench.LATENCY_PAGE), encoding="utf-8") as file:
            page = file.read()
        self.assertEqual(bench.with_figures(page, rows), page)
        for name in rows:
            if name.startswith(("latency_", "longest_")):
                self.assertIn(f"| `{name}` |", page)


class Compare(unittest.TestCase):
    def test_the_same_passes_in_silence(self):
        self.assertEqual(bench.compare(ROWS, "x86_64", [("loop_check", 2.0), ("call", 1000.0), ("yield", 200.5)]), ([], []))

    def test_up_to_three_percent_is_no_regression(self):
        self.assertEqual(bench.compare(ROWS, "x86_64", [("call", 1030.0), ("yield", 200.5)]), ([], []))

    def test_a_stretch_is_a_row_like_any_other(self):
        rows = {"latency_chain": {"arm64": 1000}}
        self.assertEqual(bench.compare(rows, "arm64", [("latency_chain", 1030.0)]), ([], []))
        self.assertEqual(len(bench.compare(rows, "arm64", [("latency_chain", 1031.0)])[0]), 1)

    def test_no_stretch_is_longer_than_the_target(self):
        rows = {"latency_chain": {"arm64": 9990}}
        self.assertEqual(bench.compare(rows, "arm64", [("latency_chain", 10000.0)]), ([], []))
        self.assertEqual(len(bench.compare(rows, "arm64", [("latency_chain", 10001.0)])[0]), 1)

    def test_a_regression_names_row_was_is_and_percent(self):
        regressions, remarks = bench.compare(ROWS, "x86_64", [("call", 1031.0), ("yield", 200.5)])
        self.assertEqual(regressions, ["call: was 1,000, is 1,031 (+3.1%)"])
        self.assertEqual(remarks, [])

    def test_better_is_a_remark(self):
        regressions, remarks = bench.compare(ROWS, "x86_64", [("call", 900.0), ("yield", 200.5)])
        self.assertEqual(regressions, [])
        self.assertEqual(remarks, ["call: was 1,000, is 900 (-10.0%)"])

    def test_a_new_row_is_a_remark(self):
        regressions, remarks = bench.compare(ROWS, "x86_64", [("call", 1000.0), ("yield", 200.5), ("new", 5.0)])
        self.assertEqual((regressions, remarks), ([], ["new: 5, not recorded yet"]))

    def test_a_row_that_is_gone_fails(self):
        regressions, _ = bench.compare(ROWS, "arm64", [("call", 400.0)])
        self.assertEqual(regressions, ["yield: was 300, is not measured any more"])

    def test_architectures_are_apart(self):
        self.assertEqual(bench.compare(ROWS, "arm64", [("call", 400.0), ("yield", 300.0)]), ([], []))


class Record(unittest.TestCase):
    def test_one_architecture_is_replaced_and_the_other_kept(self):
        rows = bench.with_results(ROWS, "x86_64", [("loop_check", 2.0), ("call", 900.0), ("new", 7.25)])
        self.assertEqual(rows, {"call": {"arm64": 400, "x86_64": 900}, "yield": {"arm64": 300}, "new": {"x86_64": 7.25}})

    def test_linux_figures_keep_operations_apart(self):
        rows = bench.with_linux_results({"call": {"pipe": {"arm64": 9, "x86_64": 8}, "gone": {"x86_64": 1}}}, "x86_64",
                                        [("call", "pipe", 7.0), ("call", "futex", 6.5)])
        self.assertEqual(rows, {"call": {"pipe": {"arm64": 9, "x86_64": 7}, "futex": {"x86_64": 6.5}}})

    def test_the_text_is_json_with_a_row_a_line(self):
        text = bench.recorded_text(ROWS)
        self.assertEqual(json.loads(text)["rows"], ROWS)
        self.assertIn('\n        "call": {"arm64": 400, "x86_64": 1000},\n', text)


if __name__ == "__main__":
    unittest.main()
