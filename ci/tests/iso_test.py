"""Tests of ci/iso.py: same input, same image; content as put in; sizes at the edges of the FAT variants."""
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import iso

SECTOR = 512


def esp_offset(image):
    """Where the second GPT or MBR partition begins: the EFI system partition."""
    with open(image, "rb") as file:
        head = file.read(64 * SECTOR)
    table = int.from_bytes(head[SECTOR + 72 : SECTOR + 80], "little") * SECTOR if head[512:520] == b"EFI PART" else None
    if table is None:
        return int.from_bytes(head[446 + 16 + 8 : 446 + 16 + 12], "little") * SECTOR
    entry = head[table + 128 : table + 256]
    return int.from_bytes(entry[32:40], "little") * SECTOR


class Images(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def file(self, name, content):
        path = os.path.join(self.folder.name, name)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def content(self, image, path):
        return subprocess.run(["mtype", "-i", f"{image}@@{esp_offset(image)}", "::/" + path], stdout=subprocess.PIPE,
                              check=True).stdout

    def make(self, arch, kernel, archive, name):
        output = os.path.join(self.folder.name, name)
        iso.make(arch, kernel, archive, output)
        return output

    def test_same_input_same_image(self):
        kernel = self.file("kernel", b"\x7fELF" + bytes(5000))
        archive = self.file("archive", b"070701" * 3000)
        for arch in ("x86_64", "arm64"):
            images = [self.make(arch, kernel, archive, name) for name in ("one.iso", "two.iso")]
            contents = []
            for image in images:
                with open(image, "rb") as file:
                    contents.append(file.read())
            self.assertTrue(contents[0] == contents[1], msg=arch)
            self.assertEqual(os.listdir(self.folder.name).count("out.iso"), 0)

    def test_arm64_content_at_many_sizes(self):
        kernel = self.file("kernel", os.urandom(70000))
        for size in (1, 1 << 20, 15 << 20, 40 << 20):
            content = os.urandom(1 << 16) * (size >> 16) or b"x"
            archive = self.file("archive", content)
            image = self.make("arm64", kernel, archive, "a.iso")
            self.assertTrue(self.content(image, "tessera.cpio") == content, msg=size)
            with open(kernel, "rb") as file:
                self.assertEqual(self.content(image, "EFI/BOOT/BOOTAA64.EFI"), file.read())

    def test_x86_64_content(self):
        kernel = self.file("kernel", os.urandom(70000))
        archive = self.file("archive", os.urandom(3 << 20))
        image = self.make("x86_64", kernel, archive, "x.iso")
        for inside, outside in (("/boot/tessera.elf", kernel), ("/boot/tessera.cpio", archive)):
            copy = os.path.join(self.folder.name, "copy")
            subprocess.run(["xorriso", "-osirrox", "on", "-indev", image, "-extract", inside, copy], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            with open(copy, "rb") as one, open(outside, "rb") as other:
                self.assertTrue(one.read() == other.read(), msg=inside)
            os.unlink(copy)
        self.assertGreater(len(self.content(image, "EFI/BOOT/BOOTX64.EFI")), 50000)

    def test_missing_input_keeps_the_old_image(self):
        kept = self.file("old.iso", b"old")
        with self.assertRaises(iso.ImageError):
            iso.make("x86_64", "/nonexistent", kept, kept)
        with open(kept, "rb") as file:
            self.assertEqual(file.read(), b"old")


if __name__ == "__main__":
    unittest.main()
