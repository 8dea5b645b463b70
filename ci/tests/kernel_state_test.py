#!/usr/bin/python3
"""Tests of ci/kernel_state.py on a small page."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import kernel_state

PAGE = f"""# Page

{kernel_state.HEADING}

| object | machine | why |
|---|---|---|
| `one`, `two` | both | locked |
| `three` | x86-64 | boot only |
| `silent` | both | |

## Another

| `four` | both | elsewhere |
"""


class Table(unittest.TestCase):
    def test_a_row_counts_for_its_machines_and_with_a_reason(self):
        self.assertEqual(kernel_state.explained(PAGE, "x86_64"), {"one", "two", "three"})
        self.assertEqual(kernel_state.explained(PAGE, "arm64"), {"one", "two"})

    def test_what_is_not_explained_and_what_is_gone_are_faults(self):
        self.assertEqual(kernel_state.faults({"one"}, {"one"}), [])
        self.assertEqual(len(kernel_state.faults({"one", "new"}, {"one", "gone"})), 2)

    def test_only_objects_are_looked_at(self):
        self.assertEqual(kernel_state.objects({"", "$d", "image_end", "local.7", "one"}, {"image_end"}), {"local", "one"})


if __name__ == "__main__":
    unittest.main()
