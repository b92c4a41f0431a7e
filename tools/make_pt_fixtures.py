"""Writes tests/golden/pt: small `torch.save` files for the .pt reader, and the expected values.

Run with PyTorch and NumPy: python tools/make_pt_fixtures.py
"""

import collections
import json
import pathlib

import torch

OUT = pathlib.Path(__file__).parents[1] / "tests" / "golden" / "pt"


def state() -> dict:
    """Tensors with every kind of storage view: offset, stride, shared, expanded, transposed."""
    base = torch.arange(24, dtype=torch.float32) / 8 - 1
    grid = base.reshape(2, 3, 4)
    return {
        "whole": grid.clone(),
        "shared.base": base,
        "shared.row": base[5:11],
        "shared.transposed": grid.permute(2, 0, 1),
        "shared.step": base[1::3],
        "shared.expanded": base[7:8].expand(3, 5),
        "half": torch.tensor([[0.5, -2.0], [65504.0, 6e-8]], dtype=torch.float16),
        "bfloat": torch.tensor([[1.0, -3.140625, 1e5]], dtype=torch.bfloat16).t(),
        "parameter": torch.nn.Parameter(torch.tensor([1.5, 2.5])),
        "scalar": torch.tensor(4.25),
        "empty": torch.zeros(0, 3),
    }


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    tensors = state()
    ordered = collections.OrderedDict(tensors)
    ordered._metadata = collections.OrderedDict({"": {"version": 1}})
    extra = {
        "epoch": 3,
        "loss": 0.25,
        "big": 1 << 100,
        "none": [None, True, (), {"x": -5, 300: 70000}],
        "optimizer": {
            "state": {0: {"exp_avg": torch.ones(3, dtype=torch.float64)}},
            "param_groups": [{"lr": 1e-3}],
        },
    }
    torch.save({"model": tensors}, OUT / "plain.pt")
    torch.save({**extra, "model": ordered}, OUT / "training.pt")
    layer = torch.nn.Sequential(
        collections.OrderedDict(fc=torch.nn.Linear(3, 2), norm=torch.nn.BatchNorm1d(2))
    )
    with torch.no_grad():
        for value in layer.parameters():
            value.copy_(torch.arange(value.numel()).reshape(value.shape) / 4)
    torch.save({"model": layer.state_dict()}, OUT / "module.pt")
    torch.save(tensors, OUT / "bare.pt")
    torch.save({"model": {"x": torch.ones(2)}}, OUT / "legacy.pt", _use_new_zipfile_serialization=False)
    values = {
        name: {"shape": list(tensor.shape), "values": tensor.detach().float().flatten().tolist()}
        for name, tensor in tensors.items()
    }
    (OUT / "values.json").write_text(json.dumps(values, indent=0) + "\n")


if __name__ == "__main__":
    main()
