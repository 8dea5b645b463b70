"""Tests of ci/stack_depth.py on small graphs and what gcc writes of them."""
import contextlib
import io
import os
import sys
import unittest
from unittest import mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import stack_depth

TEXT = """node: { title: "main" label: "main\\na.c:1:5\\n32 bytes (static)" }
node: { title: "a.c:one" label: "one\\na.c:2:5\\n100 bytes (static)" }
node: { title: "a.c:two" label: "two\\na.c:3:5\\n48 bytes (dynamic,bounded)" }
node: { title: "end" label: "end\\na.c:4:5\\n8 bytes (static)" }
node: { title: "other" label: "other\\nb.h:4:5" shape : ellipse }
edge: { sourcename: "main" targetname: "a.c:one" label: "a.c:10:5" }
edge: { sourcename: "main" targetname: "a.c:two" label: "a.c:11:5" }
edge: { sourcename: "a.c:two" targetname: "end" label: "a.c:12:5" }
edge: { sourcename: "end" targetname: "a.c:deep" }
node: { title: "a.c:deep" label: "deep\\na.c:5:5\\n60 bytes (static)" }
"""


def graph_of(text):
    graph = stack_depth.Graph()
    graph.read(text)
    return graph


def calls_of(graph):
    return {name: {callee for callee, _ in callees} for name, callees in graph.calls.items()}


class Longest(unittest.TestCase):
    def test_the_deepest_path_is_not_the_one_of_the_largest_frame(self):
        graph = graph_of(TEXT)
        self.assertNotIn("other", graph.size)
        self.assertEqual(stack_depth.longest(graph, calls_of(graph), "main"), (148, ["main", "a.c:two", "end", "a.c:deep"]))

    def test_a_circle_fails_with_its_functions(self):
        graph = graph_of(TEXT + 'edge: { sourcename: "a.c:deep" targetname: "a.c:two" }\n')
        with self.assertRaisesRegex(stack_depth.DepthError, "circle: a.c:two -> end -> a.c:deep -> a.c:two"):
            stack_depth.longest(graph, calls_of(graph), "main")

    def test_a_circle_that_is_known_to_end_counts_each_round(self):
        graph = graph_of(TEXT + 'edge: { sourcename: "a.c:deep" targetname: "a.c:two" }\n')
        with mock.patch.dict(stack_depth.REPEATS, {"end": 2}):
            self.assertEqual(stack_depth.longest(graph, calls_of(graph), "main")[0], 32 + 3 * 48 + 2 * (8 + 60))

    def test_a_frame_without_bound_fails(self):
        graph = graph_of(TEXT.replace("8 bytes (static)", "8 bytes (dynamic)"))
        with self.assertRaisesRegex(stack_depth.DepthError, "no bound"):
            stack_depth.longest(graph, calls_of(graph), "main")


class Resolve(unittest.TestCase):
    executable = mock.Mock(functions={}, table=lambda name: set(), same_code=lambda name: set())

    def test_an_unknown_indirect_call_fails_with_its_line(self):
        place = os.path.abspath(__file__) + ":1:1"
        graph = graph_of(TEXT + f'edge: {{ sourcename: "end" targetname: "__indirect_call" label: "{place}" }}\n')
        graph.calls["end"] = {call for call in graph.calls["end"] if call[0] == "__indirect_call"}
        with self.assertRaisesRegex(stack_depth.DepthError, "(?s)indirect call that INDIRECT.*Tests of ci"):
            stack_depth.resolve(graph, "x86_64", self.executable)

    def test_machine_code_of_unknown_depth_fails(self):
        graph = graph_of(TEXT + 'edge: { sourcename: "end" targetname: "other" label: "a.c:1:1" }\n')
        with self.assertRaisesRegex(stack_depth.DepthError, "end calls other, which is neither"):
            stack_depth.resolve(graph, "x86_64", self.executable)

    def test_a_function_of_the_executable_that_gcc_did_not_tell_of_fails(self):
        with self.assertRaisesRegex(stack_depth.DepthError, "unknown depth: stranger"):
            stack_depth.check_executable(graph_of(TEXT), "x86_64", mock.Mock(functions={1: ["main"], 2: ["stranger"]}))


class Prove(unittest.TestCase):
    def prove(self, size):
        graph = graph_of(TEXT)
        stack = stack_depth.Stack("a stack", size, {"main"}, before=20)
        with mock.patch.object(stack_depth, "ways_in", return_value=set()), \
                mock.patch.object(stack_depth, "stacks_of", return_value=([stack], None)), contextlib.redirect_stdout(io.StringIO()) as shown:
            stack_depth.prove(graph, calls_of(graph), "arm64", False)
        return shown.getvalue()

    def test_just_enough_and_one_byte_too_little(self):
        self.assertIn("168 of 168 bytes", self.prove(168))
        with self.assertRaisesRegex(stack_depth.DepthError, "a stack of 167 bytes is too small for 168"):
            self.prove(167)


if __name__ == "__main__":
    unittest.main()
