"""Probe files (safetensors): samples and statistics of large tensors.

A tensor NAME has the entries
  NAME         f32  all values if there are no more than the number of samples, else samples at flat index
                    splitmix64(fnv1a64(NAME), j) % len, j = 0, 1, 2, ...
  NAME#shape   i64
  NAME#stats   f64  mean, standard deviation (population), largest absolute value, L2 norm, of all values
  NAME#f64     f64  if known: relative L2 distance of the float32 reference from the float64 computation
Other keys with '#' hold facts about a case (prompts, decision margins), unsampled.
"""

from importlib.metadata import version

import numpy as np
import torch
from safetensors.numpy import save_file

import seeded


def rel_l2(actual, expected) -> float:
    actual, expected = np.float64(actual).ravel(), np.float64(expected).ravel()
    return float(np.linalg.norm(actual - expected) / max(np.linalg.norm(expected), 1e-300))


def to_numpy(value) -> np.ndarray:
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


class Probes:
    def __init__(self):
        self.tensors = {}
        self.calibration = {}

    def fact(self, name: str, value, dtype) -> None:
        assert "#" in name and name not in self.tensors, name
        self.tensors[name] = np.atleast_1d(np.asarray(value, dtype))

    def add(self, name: str, value, truth=None, samples: int = 512) -> None:
        """Probe `value`; `truth` is the same tensor from the float64 run."""
        assert name not in self.tensors, name
        value = to_numpy(value)
        assert np.isfinite(value).all(), name
        flat = value.astype(np.float32).ravel()
        if flat.size > samples:
            at = seeded.splitmix64(seeded.fnv1a64(name), 0, samples) % np.uint64(flat.size)
            kept = flat[at.astype(np.int64)]
        else:
            kept = flat
        wide = flat.astype(np.float64)
        self.tensors[name] = kept
        self.tensors[name + "#shape"] = np.asarray(value.shape, np.int64)
        self.tensors[name + "#stats"] = np.array(
            [wide.mean(), wide.std(), np.abs(wide).max(), np.linalg.norm(wide)], np.float64
        )
        if truth is not None:
            self.calibration[name] = rel_l2(value, to_numpy(truth))
            self.tensors[name + "#f64"] = np.array([self.calibration[name]], np.float64)

    def add_all(self, prefix: str, values: dict, truths: dict | None = None, samples: int = 512) -> None:
        for name, value in values.items():
            self.add(prefix + name, value, truths[name] if truths else None, samples)

    def report(self) -> None:
        """Prints the distance of float32 from float64 per tensor, and the decision margins."""
        for name, distance in self.calibration.items():
            print(f"  {distance:.1e}  {name}")
        for name, value in self.tensors.items():
            if name.endswith("#margins"):
                print("  ", name, value.tolist())

    def save(self, path: str, packages=("sam2", "torch", "torchvision")) -> None:
        # A single entry: safetensors writes several in no fixed order, and the file must be reproducible.
        made_with = ", ".join(f"{package} {version(package)}" for package in packages)
        tensors = {k: np.ascontiguousarray(v) for k, v in sorted(self.tensors.items())}
        save_file(tensors, path, metadata={"made_with": made_with})
