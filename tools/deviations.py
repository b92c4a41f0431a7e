"""Summarises the errors of the Rust results against the goldens, one row per tensor.

Usage: SAM2_SHOW_DEVIATIONS=1 cargo test -p sam2-tests -- --nocapture | python tools/deviations.py
"""

import collections
import re
import sys

LINE = re.compile(
    r"(?P<name>\S+): rel L2 (?P<rel>\S+), max/rms (?P<rms>\S+), max abs (?P<abs>\S+), stats \S+;.*?"
    r"(?:reference itself is (?P<f64>\S+) from float64)?$"
)


def row(name: str) -> str:
    """The name without the parts that only number cases: prompts, photos, frames, objects, blocks."""
    parts = [p for p in name.split("/") if not p.isdigit()]
    kind = re.sub(r"\.\d+", "", parts[-1])
    return ("module/" if parts[0] == "module" else "") + kind


def main() -> None:
    rows = collections.defaultdict(lambda: [0, 0.0, 0.0, 0.0, 0.0])
    for line in sys.stdin:
        if match := LINE.search(line.strip()):
            entry = rows[row(match["name"])]
            entry[0] += 1
            for at, key in enumerate(("rel", "rms", "abs", "f64"), start=1):
                entry[at] = max(entry[at], float(match[key] or 0))
    print(f"{'':52}{'count':>6}{'rel L2':>10}{'max/rms':>10}{'max abs':>10}{'golden-f64':>12}")
    for kind, (count, rel, rms, largest, f64) in sorted(rows.items()):
        print(f"{kind:52}{count:6}{rel:10.1e}{rms:10.1e}{largest:10.1e}{f64:12.1e}")


if __name__ == "__main__":
    main()
