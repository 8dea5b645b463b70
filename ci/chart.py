#!/usr/bin/python3
"""Draws docs/figures/comparison.svg: Tessera, seL4 and Linux side by side, instructions per operation on a logarithmic axis; and
writes the table of docs/comparison.md, which says the same in figures.

    ci/chart.py                      from bench/recorded.json (ours), bench/peers.json (seL4) and bench/linux.json (Linux)
    ci/chart.py -o FILE.svg          only the picture, elsewhere

`./tessera bench --record` calls it; with --vs linux Linux' figures are recorded too. A dot for each kernel: on a logarithmic axis
lengths mean nothing. Where Linux has two operations, the cheaper one is drawn. The picture follows the reader's light or dark preference.
"""
import argparse
import json
import math
import os
import sys
from xml.sax.saxutils import escape

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUTPUT = os.path.join(ROOT, "docs", "figures", "comparison.svg")
PAGE = os.path.join(ROOT, "docs", "comparison.md")
ARCHES = (("x86_64", "x86-64"), ("arm64", "arm64"))
ROWS = (
    ("syscall_null", "cheapest system call"),
    ("notify_nowait", "signal, nobody waits"),
    ("ipc_call_reply_0", "call and reply, empty"),
    ("ipc_call_reply_8", "call and reply, 8 words"),
    ("ipc_call_reply_64", "call and reply, 64 words"),
    ("yield_switch", "yield to another space"),
    ("notify_switch", "signal a waiter, and back"),
    ("map_unmap", "map and unmap a page"),
    ("fault_reply", "page fault"),
    ("cap_copy_delete", "copy and delete a capability"),
    ("retype_delete", "make and delete an endpoint"),
    ("pubsub_hop_64", "message through a broker"),
    ("spawn_exit", "spawn a process, wait for it"),
)
BOOT = ("boot_kernel_to_root", "boot, kernel to first program")
KERNELS = (("tessera", "Tessera"), ("sel4", "seL4 (MCS)"), ("linux", "Linux"))
WIDTH, NAME_WIDTH, MARGIN, ROW_HEIGHT, TOP, GAP = 1000, 205, 16, 38, 78, 46
STYLE = """
    .ground { fill: #ffffff; } .text { fill: #1f2328; } .faint { fill: #59636e; } .grid { stroke: #d1d9e0; } .span { stroke: #afb8c1; }
    .tessera { fill: #0969da; } .sel4 { fill: #1a7f37; } .linux { fill: #bc4c00; }
    text { font-family: system-ui, "Segoe UI", "DejaVu Sans", sans-serif; font-size: 13px; } .value { font-size: 11px; }
    .title { font-size: 17px; font-weight: 600; } .heading { font-weight: 600; }
    @media (prefers-color-scheme: dark) {
        .ground { fill: #0d1117; } .text { fill: #f0f6fc; } .faint { fill: #9198a1; } .grid { stroke: #2f353d; } .span { stroke: #656c76; }
        .tessera { fill: #4493f8; } .sel4 { fill: #3fb950; } .linux { fill: #f0883e; }
    }
"""


def read_rows(name):
    with open(os.path.join(ROOT, "bench", name), encoding="utf-8") as file:
        return json.load(file)["rows"]


def figures_of(arch, ours, peers, linux, rows=ROWS):
    """[(row's text, {kernel: instructions})] of the rows that we have."""
    found = []
    for name, text in rows:
        values = {"tessera": ours.get(name, {}).get(arch), "sel4": peers.get(name, {}).get("seL4 MCS", {}).get(arch),
                  "linux": min((each[arch] for each in linux.get(name, {}).values() if arch in each), default=None)}
        if values["tessera"]:
            found.append((text, {kernel: value for kernel, value in values.items() if value}))
    return found


def short(value):
    for limit, divisor, unit in ((1e9, 1e9, " G"), (1e6, 1e6, " M"), (1e4, 1e3, " k")):
        if value >= limit:
            return f"{value / divisor:.3g}{unit}"
    return f"{value:,.0f}"


def mark(kernel, x, y):
    if kernel == "tessera":
        return f'<circle class="tessera" cx="{x:.1f}" cy="{y}" r="6"/>'
    if kernel == "sel4":
        return f'<rect class="sel4" x="{x - 5:.1f}" y="{y - 5}" width="10" height="10"/>'
    return f'<path class="linux" d="M{x:.1f} {y - 7}l7 7l-7 7l-7 -7z"/>'


def panel(title, rows, top, low, high):
    """One architecture: heading, grid, a line a row. Its lines of SVG."""
    left, right, bottom = MARGIN + NAME_WIDTH, WIDTH - MARGIN - 30, top + len(rows) * ROW_HEIGHT

    def place(value):
        return left + (math.log10(value) - low) / (high - low) * (right - left)

    lines = [f'<text class="text heading" x="{MARGIN}" y="{top - 8}">{escape(title)}</text>']
    for power in range(math.ceil(low), math.floor(high) + 1):
        x = place(10**power)
        lines.append(f'<line class="grid" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}"/>')
        lines.append(f'<text class="faint value" x="{x:.1f}" y="{bottom + 15}" text-anchor="middle">{short(10**power)}</text>')
    for index, (text, values) in enumerate(rows):
        y = top + index * ROW_HEIGHT + ROW_HEIGHT // 2
        lines.append(f'<text class="text" x="{left - 10}" y="{y + 4}" text-anchor="end">{escape(text)}</text>')
        lines.append(f'<line class="span" x1="{place(min(values.values())):.1f}" y1="{y}" x2="{place(max(values.values())):.1f}" y2="{y}"/>')
        for kernel, _ in reversed(KERNELS):
            if kernel in values:
                x = place(values[kernel])
                lines.append(mark(kernel, x, y))
                # Ours below, the others above: neighbours do not cover each other's figures.
                lines.append(f'<text class="{kernel} value" x="{x:.1f}" y="{y + 17 if kernel == "tessera" else y - 9}" '
                             f'text-anchor="middle">{short(values[kernel])}</text>')
    return lines


def describe(panels):
    """The same in words, for who cannot see it."""
    parts = []
    for title, rows in panels:
        parts.append(f"{title}: " + "; ".join(
            text + " " + ", ".join(f"{name} {short(values[kernel])}" for kernel, name in KERNELS if kernel in values) for text, values in rows))
    return "Executed instructions for each operation, fewer is better. " + ". ".join(parts) + "."


def draw(ours, peers, linux):
    """The picture as SVG text."""
    panels = [(title, figures_of(arch, ours, peers, linux)) for arch, title in ARCHES]
    every = [value for _, rows in panels for _, values in rows for value in values.values()]
    low, high = math.log10(min(every)) - 0.15, math.log10(max(every)) + 0.15
    heights = [len(rows) * ROW_HEIGHT for _, rows in panels]
    height = TOP + sum(heights) + GAP * (len(panels) - 1) + 50
    title = "Instructions per operation: Tessera, seL4 and Linux"
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title desc">',
             f'<title id="title">{title}</title>', f'<desc id="desc">{escape(describe(panels))}</desc>', f"<style>{STYLE}</style>",
             f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
             f'<text class="text title" x="{MARGIN}" y="28">{title}</text>']
    x = WIDTH - MARGIN - 330
    for kernel, name in KERNELS:
        lines += [mark(kernel, x, 23), f'<text class="text" x="{x + 12}" y="28">{name}</text>']
        x += 115
    top = TOP
    for (name, rows), panel_height in zip(panels, heights):
        lines += panel(name, rows, top, low, high)
        top += panel_height + GAP
    lines.append(f'<text class="faint" x="{MARGIN + NAME_WIDTH}" y="{height - 14}">executed instructions, logarithmic; fewer is better. '
                 "The operations are the nearest, not the same: docs/comparison.md</text>")
    return "\n".join([*lines, "</svg>", ""])


def table(ours, peers, linux):
    """The figures as lines of Markdown, the kernels of both architectures beside each other."""
    columns = [dict(figures_of(arch, ours, peers, linux, (*ROWS, BOOT))) for arch, _ in ARCHES]
    heads = [f"{name}, {arch}" for _, arch in ARCHES for _, name in KERNELS]
    lines = ["| instructions | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    for _, text in (*ROWS, BOOT):
        cells = [short(found[text][kernel]) if kernel in found.get(text, ()) else "" for found in columns for kernel, _ in KERNELS]
        lines.append(f"| {text} | " + " | ".join(cells) + " |")
    return lines


def with_table(page, lines):
    """The page with these lines in the place of its table."""
    before, head, rest = page.partition("\n| instructions |")
    _, end, after = rest.partition("\n\n")
    if not head or not end:
        raise ValueError("no table of instructions")
    return before + "\n" + "\n".join(lines) + end + after


def write(path=None):
    rows = [read_rows(name) for name in ("recorded.json", "peers.json", "linux.json")]
    with open(path or OUTPUT, "w", encoding="utf-8") as file:
        file.write(draw(*rows))
    if path:
        return
    with open(PAGE, "r+", encoding="utf-8") as file:
        page = with_table(file.read(), table(*rows))
        file.seek(0)
        file.truncate()
        file.write(page)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", metavar="FILE.svg")
    try:
        write(parser.parse_args().output)
    except OSError as error:
        print(f"chart: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
