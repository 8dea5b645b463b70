#!/usr/bin/python3
"""replace_member.py ARCHIVE NAME FILE OUTPUT: the archive with another content for one member."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "ci"))
import archive

path, name, file, output = sys.argv[1:]
members = [(member.name, member.data) for member in archive.read(archive.read_file(path))]
if name not in [member for member, _ in members]:
    sys.exit(f"{path} has no member {name}")
content = archive.without_debug_data(archive.read_file(file))
archive.write_file(output, archive.pack([(member, content if member == name else data) for member, data in members]))
