"""Writes tests/golden/seeded.json and inventory/, which verify the Rust twin of seeded.py."""

import json
import pathlib

import numpy as np

import oracle
import seeded
from probes import Probes


def checksum(array: np.ndarray) -> int:
    """Sum of bits[i] * (2 i + 1) modulo 2^64, over the 32-bit patterns."""
    bits = np.ascontiguousarray(array).view(np.uint32).ravel()
    total = 0
    step = 1 << 22
    with np.errstate(over="ignore"):
        for start in range(0, bits.size, step):
            part = bits[start : start + step].astype(np.uint64)
            weight = np.arange(start, start + part.size, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
            total += int((part * weight).sum(dtype=np.uint64))
    return total & seeded.MASK64


def fnv_bytes(array: np.ndarray) -> int:
    h = 0xCBF29CE484222325
    for byte in array.tobytes():
        h = ((h ^ byte) * 0x100000001B3) & seeded.MASK64
    return h


def checkpoint_facts(model, golden: pathlib.Path, inventory: str | None) -> dict:
    """Counts and checksum of a model's weights; writes their names and shapes as the named inventory."""
    state = {k: v.numpy() for k, v in sorted(model.state_dict().items())}
    if inventory:
        lines = ",\n".join(
            f"{json.dumps(k)}:{json.dumps(list(v.shape), separators=(',', ':'))}" for k, v in state.items()
        )
        (golden / "inventory" / f"{inventory}.json").write_text("{\n" + lines + "\n}\n")
    total = 0
    for k, v in state.items():
        total = (total + seeded.fnv1a64(k) * checksum(v)) & seeded.MASK64
    return {
        "tensors": len(state),
        "parameters": int(sum(v.size for v in state.values())),
        "checksum": f"{total:016x}",
    }


def write(golden: pathlib.Path) -> None:
    """Writes checksums as hexadecimal strings, inventories with one tensor per line."""
    (golden / "inventory").mkdir(parents=True, exist_ok=True)
    facts = {"checkpoints": {}}
    for name in oracle.CONFIGS:
        inventory = None if name.endswith("_absent") else name
        facts["checkpoints"][name] = checkpoint_facts(oracle.build(name), golden, inventory)
    tensor = seeded.draw("input.check", (3, 5, 7), 0.25, 2.0)
    facts["draw"] = {"checksum": f"{checksum(tensor):016x}", "first": tensor.ravel()[:4].tolist()}
    field = seeded.smooth("input.check", 64, 128, 16, -0.5, 3.0)
    facts["smooth"] = {"checksum": f"{checksum(field):016x}", "first": field.ravel()[:4].tolist()}
    facts["photo"] = {
        "photo.check 150x100 frame 3": f"{fnv_bytes(seeded.photo('photo.check', 150, 100, 3)):016x}",
    }
    probes = Probes()
    probes.add("input.probe", seeded.draw("input.probe", (40, 100), 0.5, 2.0))
    probes.save(golden / "probe_check.safetensors")
    (golden / "seeded.json").write_text(json.dumps(facts, indent=1) + "\n")
