"""docs/abi.md has a section for each system call, invocation and fault of kernel/include/abi, with all its parts."""
import os
import re
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
CALL_PARTS = ["Purpose", "Arguments", "Result", "Errors", "Preemption", "Notes"]
FAULT_PARTS = ["Raised by", "Words", "Answer"]


def text_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def enum_values(path, name):
    """The values of `enum name`, but for the first and last marks that stand for nothing."""
    text = re.sub(r"/\*.*?\*/", "", text_of(path), flags=re.DOTALL)
    body = re.search(r"enum %s \{(.*?)\}" % name, text, re.DOTALL).group(1)
    values = [part.split("=")[0].strip() for part in body.split(",")]
    return [value for value in values if value and not value.endswith(("_NONE", "_COUNT"))]


def sections():
    """Heading -> names of its parts that have text."""
    found = {}
    for section in re.split(r"^### ", text_of("docs/abi.md"), flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        body = re.split(r"^## ", body, flags=re.MULTILINE)[0]
        for name in re.findall(r"`([A-Z_]+)`", heading):
            found[name] = re.findall(r"^- \*([A-Z][a-z ]+)\*: \S", body, re.MULTILINE)
    return found


class AbiPage(unittest.TestCase):
    def expect(self, values, parts):
        page = sections()
        self.assertGreater(len(values), 3)
        for value in values:
            self.assertIn(value, page, f"docs/abi.md has no section for {value}")
            self.assertEqual(page[value], parts, value)

    def test_system_calls(self):
        self.expect(enum_values("kernel/include/abi/message.h", "syscall"), CALL_PARTS)

    def test_invocations(self):
        self.expect(enum_values("kernel/include/abi/object.h", "invocation"), CALL_PARTS)

    def test_faults(self):
        self.expect(enum_values("kernel/include/abi/fault.h", "fault"), FAULT_PARTS)

    def test_nothing_else(self):
        known = [*enum_values("kernel/include/abi/message.h", "syscall"),
                 *enum_values("kernel/include/abi/object.h", "invocation"),
                 *enum_values("kernel/include/abi/fault.h", "fault")]
        self.assertEqual([name for name in sections() if name not in known], [])


if __name__ == "__main__":
    unittest.main()
