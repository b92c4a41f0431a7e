#!/usr/bin/env python3
"""Counts the instructions that an AArch64 build of the embedded model executes, exactly, on any machine.

    tools/count_aarch64/count.py target/aarch64-unknown-linux-musl/release/examples/count
    tools/count_aarch64/count.py --precision int8 --symbols 25 target/…/count

`cargo xtask count` builds the program, crates/sam2-micro/examples/count.rs. A click is a whole run: it
starts, reads the embedded model, draws a disc, encodes and decodes. A tracked frame is a third of what three
more frames take. One thread. Prints JSON, and with --symbols the largest symbols of each on stderr; for names
the program must not be stripped: `cargo build --config profile.release.strip=false`.

Needs `qemu-aarch64` with plugins (Debian: qemu-user; the static build takes none) and a C compiler.
"""

import argparse
import bisect
import collections
import json
import os
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
# `sdot` and no `smmla`, as most boards; "max" has both, and `bfmmla`.
CPU = "cortex-a76"
# Of a Raspberry Pi 5, whatever the host has.
CACHES = "512K,2M"
TRACKED = 3


def build_plugin(folder):
    plugin = Path(folder) / "plugin.so"
    source = HERE / "plugin.c"
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-shared", "-fPIC", "-o", plugin, source], check=True)
    return plugin


def blocks(plugin, program, cpu, precision, part):
    """Instructions executed per address of a block."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "blocks"
        emulator = ["qemu-aarch64", "-cpu", cpu, "-plugin", f"{plugin},out={out}"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SAM2_")}
        environment["RAYON_NUM_THREADS"] = "1"
        environment["SAM2_CACHES"] = CACHES
        if isa := os.environ.get("SAM2_ISA"):
            environment["SAM2_ISA"] = isa
        command = [*emulator, program, precision, part]
        run = subprocess.run(command, env=environment, capture_output=True, text=True)
        if run.returncode != 0 or not out.exists():
            output = run.stdout + run.stderr
            raise SystemExit(f"{program}: exit code {run.returncode} under qemu-aarch64\n{output}")
        counts = collections.Counter()
        for line in out.read_text().splitlines():
            address, instructions, entered = line.split()
            counts[int(address, 16)] += int(instructions) * int(entered)
    return counts


def symbols(program):
    """Addresses and names of the functions of a 64-bit little-endian ELF file, in order."""
    data = Path(program).read_bytes()
    (offset,) = struct.unpack_from("<Q", data, 0x28)
    size, count = struct.unpack_from("<HH", data, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, offset + i * size) for i in range(count)]
    found = []
    for kind, at, length, link in ((s[1], s[4], s[5], s[6]) for s in sections):
        if kind != 2:
            continue
        names = sections[link][4]
        for i in range(at, at + length, 24):
            name, info, _, _, value, _ = struct.unpack_from("<IBBHQQ", data, i)
            if info & 15 == 2 and value:
                end = data.index(b"\0", names + name)
                found.append((value, data[names + name : end].decode()))
    return sorted(found)


def readable(name):
    """The path of a mangled name, without its hash."""
    if not name.startswith("_ZN"):
        return name
    parts, rest = [], name[3:]
    while rest and rest[0].isdigit():
        digits = len(rest) - len(rest.lstrip("0123456789"))
        length = int(rest[:digits])
        parts.append(rest[digits : digits + length])
        rest = rest[digits + length :]
    return "::".join(parts[:-1])


def by_symbol(program, counts):
    table = symbols(program)
    addresses = [address for address, _ in table]
    totals = collections.Counter()
    for address, count in counts.items():
        i = bisect.bisect_right(addresses, address) - 1
        totals[readable(table[i][1]) if i >= 0 else "?"] += count
    return totals


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program")
    parser.add_argument("--precision", choices=["f32", "bf16", "int8"], action="append")
    parser.add_argument("--cpu", default=CPU, help="QEMU's name of the processor (cortex-a72 has no sdot)")
    parser.add_argument("--symbols", type=int, default=0, help="print that many symbols")
    args = parser.parse_args()
    precisions = args.precision or ["f32", "int8"]
    parts = [str(1 + TRACKED), "1", "click"]
    result = {}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        plugin = build_plugin(folder)
        runs = [(precision, part) for precision in precisions for part in parts]
        counted = list(pool.map(lambda run: blocks(plugin, args.program, args.cpu, *run), runs))
        for i, precision in enumerate(precisions):
            frames, first, click = counted[len(parts) * i : len(parts) * (i + 1)]
            frames.subtract(first)
            result[precision] = {"click": sum(click.values()), "frame": sum(frames.values()) // TRACKED}
            if args.symbols:
                for title, counts in (("click", click), (f"{TRACKED} tracked frames", frames)):
                    print(f"{precision}, {title}:", file=sys.stderr)
                    total = sum(counts.values())
                    for name, count in by_symbol(args.program, counts).most_common(args.symbols):
                        print(f"{count / 1e6:9.1f} M {count / total:6.3f}  {name}", file=sys.stderr)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
