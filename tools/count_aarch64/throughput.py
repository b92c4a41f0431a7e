#!/usr/bin/env python3
"""Throughput of the inner loops of an AArch64 build, predicted for processors that are not here.

    cargo build --release -p sam2-kernels --target aarch64-unknown-linux-musl
    tools/count_aarch64/throughput.py target/aarch64-unknown-linux-musl/release/deps/libkernels-*.rlib

Disassembles the kernels, takes every innermost loop that multiplies, groups the loops by what they multiply,
and lets llvm-mca predict the multiply-adds a cycle of each with its operands in L1. Prints a Markdown table:
of loops of one kind, the slowest. Needs LLVM 17 or newer (Debian: llvm-19).
"""

import argparse
import collections
import re
import subprocess
import sys
import tempfile
from pathlib import Path

# Column and the processor that LLVM models best. Its `cortex-a76` is an A57 with other features; Neoverse N1
# is the same core.
PROCESSORS = [
    ("A76 / N1", "neoverse-n1"),
    ("A72", "cortex-a72"),
    ("A55", "cortex-a55"),
    ("N2", "neoverse-n2"),
    ("V1", "neoverse-v1"),
    ("V2", "neoverse-v2"),
]

# Instructions that a processor lacks.
WITHOUT = {
    "cortex-a72": {"fmla.8h", "sdot", "smmla", "bfmmla"},
    "neoverse-n1": {"smmla", "bfmmla"},
    "cortex-a55": {"smmla", "bfmmla"},
}

# Multiply-adds of an instruction on whole registers.
PRODUCTS = {
    **{"fmla": 4, "fmla.8h": 8, "sdot": 16, "smmla": 32, "bfmmla": 16},
    **{"smull": 8, "smull2": 8, "smlal": 8, "smlal2": 8},
}

# Products of bytes without `sdot`.
BYTES = ("smull", "smull2", "smlal", "smlal2")

# Kinds of loops by what four steps of k (sixteen bytes) multiply, add (the column and the row part in
# attention over grids) and prefetch. Loops of the portable set multiply as much but prefetch nothing and
# splat (`ld1r`).
KINDS = [
    *[(f"f32 {r}×8: weights, flash attention", {"fmla": 8 * r}, 0, 2) for r in (8, 4, 2, 1)],
    *[(f"f16 {r}×8: weighted values in 8 bits", {"fmla.8h": 8 * r}, 0, 2) for r in (8, 4, 2, 1)],
    *[(f"f16 grid scores, {t} copies", {"fmla.8h": 8 * t}, 8, 0) for t in range(8, 0, -1)],
    # Eight steps of k, of one row as of two.
    *[(f"bf16 `bfmmla` {r}×8", {"bfmmla": 4 * r}, 0, 2) for r in (8, 4, 2)],
    *[(f"f32 grid scores, {t} copies", {"fmla": 8 * t}, 8, 0) for t in range(8, 0, -1)],
    *[(f"int8 `sdot` {r}×8", {"sdot": 8 * r}, 0, 2) for r in (8, 4, 2, 1)],
    *[(f"int8 `smmla` {r}×8", {"smmla": 4 * r}, 0, 2) for r in (8, 4, 2)],
    *[(f"int8 `smull`, `sadalp` {r}×8", dict.fromkeys(BYTES, 2 * r), 0, 1) for r in (4, 2, 1)],
]

def run(*command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def functions(objdump, library):
    """The instructions of every function, as (address, text)."""
    with tempfile.TemporaryDirectory() as folder:
        run("ar", "x", "--output", folder, library)
        objects = sorted(Path(folder).glob("*.o"))
        if not objects:
            sys.exit(f"{library}: holds no object; pass the .rlib of the crate kernels")
        features = "--mattr=+dotprod,+i8mm,+bf16,+fullfp16"
        listing = run(objdump, "-d", "--no-show-raw-insn", features, *objects)
    body = []
    for line in listing.splitlines():
        if re.match(r"[0-9a-f]+ <", line):
            if body:
                yield body
            body = []
        elif found := re.match(r"\s*([0-9a-f]+):\s+(\S.*)", line):
            body.append((int(found[1], 16), found[2].replace("\t", " ").strip()))
    if body:
        yield body


def innermost_loops(body):
    """The loops without a jump inside: from the target of a backward jump to that jump."""
    jumps = r"(?:b\.\w+|b|cbn?z \w+,|tbn?z \w+, #\w+,) (?:0x)?([0-9a-f]+)"
    index = {address: i for i, (address, _) in enumerate(body)}
    for end, (address, text) in enumerate(body):
        found = re.match(jumps, text)
        start = index.get(int(found[1], 16)) if found else None
        if start is None or start > end:
            continue
        inside = [text for _, text in body[start:end]]
        if not any(re.match(r"(b|b\.\w+|bl|blr|br|ret|cbn?z|tbn?z)\b", text) for text in inside):
            yield inside


def operation(text):
    """The name of an instruction, with the size of its elements where that decides its products."""
    name = text.split()[0].split(".")[0]
    return "fmla.8h" if name == "fmla" and ".8h" in text else name


def kind(loop):
    counts = collections.Counter(operation(text) for text in loop)
    products = {name: counts[name] for name in PRODUCTS if counts[name]}
    for name, wanted, additions, prefetches in KINDS:
        same = products == wanted and counts["fadd"] == additions and counts["prfm"] == prefetches
        if same and not (counts["ld1r"] and "fmla" in wanted):
            return name
    return None


def predict(mca, loop, processor):
    """Cycles of one turn."""
    lines = [".Lloop:", *(line.split("//")[0] for line in loop), "b.ne .Lloop"]
    text = "\n".join(lines) + "\n"
    architecture = ["-mtriple=aarch64", f"-mcpu={processor}", "-mattr=+dotprod,+i8mm,+bf16,+fullfp16"]
    report = run(mca, *architecture, "-iterations=200", text=text)
    return int(re.search(r"Total Cycles:\s+(\d+)", report)[1]) / 200


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("library", help="libkernels-….rlib")
    parser.add_argument("--llvm", default="19", help="version in the names of LLVM's programs")
    parser.add_argument("--loops", action="store_true", help="print the slowest loop of each kind")
    args = parser.parse_args()
    suffix = f"-{args.llvm}" if args.llvm else ""
    groups = collections.defaultdict(dict)
    for body in functions(f"llvm-objdump{suffix}", args.library):
        for loop in innermost_loops(body):
            if name := kind(loop):
                groups[name][tuple(loop)] = groups[name].get(tuple(loop), 0) + 1
    print("| loop | copies | instructions a MAC | " + " | ".join(name for name, _ in PROCESSORS) + " |")
    print("|---" * (3 + len(PROCESSORS)) + "|")
    for name, wanted, _, _ in KINDS:
        if name not in groups:
            continue
        macs = sum(PRODUCTS[op] * count for op, count in wanted.items())
        loops = groups[name]
        cells = []
        for _, processor in PROCESSORS:
            if WITHOUT.get(processor, set()) & set(wanted):
                cells.append("–")
            else:
                cycles = max(predict(f"llvm-mca{suffix}", loop, processor) for loop in loops)
                cells.append(f"{macs / cycles:.2f}")
        longest = max(loops, key=len)
        first = [name, str(sum(loops.values())), f"{(len(longest) + 1) / macs:.3f}"]
        print("| " + " | ".join([*first, *cells]) + " |")
        if args.loops:
            print("\n".join(longest))


if __name__ == "__main__":
    main()
