"""The command line of the scripts that write a family's goldens from a checkout of its published code."""

import argparse
import pathlib
import time
from collections.abc import Callable

import torch


def arguments(doc: str, groups: dict) -> argparse.Namespace:
    """The arguments; also sets the number of threads."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("checkout", metavar="CHECKOUT")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(["seeded", *groups]))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--float64", action="store_true", help="also measure float32's own rounding errors")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    return args


def write(
    prefix: pathlib.Path, groups: dict, wanted: list[str], write_seeded: Callable, packages: tuple
) -> None:
    """Writes `prefix`_GROUP.safetensors for the wanted groups, or for all, with the packages' versions."""
    for group in wanted or ["seeded", *groups]:
        start = time.time()
        if group == "seeded":
            write_seeded()
            print(f"seeded: {time.time() - start:.0f} s")
            continue
        probes = groups[group]()
        path = prefix.with_name(f"{prefix.name}_{group}.safetensors")
        probes.save(path, packages)
        print(f"{path.name}: {path.stat().st_size} bytes, {time.time() - start:.0f} s")
        probes.report()
