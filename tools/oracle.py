"""Meta's SAM 2 with seeded weights on the CPU, in float32 as published or in float64 throughout."""

import contextlib
import math
import types

import numpy as np
import sam2.modeling.backbones.image_encoder
import sam2.modeling.position_encoding
import sam2.modeling.sam2_base
import sam2.modeling.sam2_utils
import sam2.modeling.sam.transformer
import sam2.sam2_image_predictor
import sam2.sam2_video_predictor
import sam2.utils.misc
import torch
from sam2.build_sam import build_sam2, build_sam2_video_predictor

import seeded

# Silences Meta's progress bars.
sam2.utils.misc.tqdm = sam2.sam2_video_predictor.tqdm = lambda frames, **_: frames

CONFIGS = {
    "sam2.1_hiera_tiny": "configs/sam2.1/sam2.1_hiera_t.yaml",
    "sam2.1_hiera_tiny_absent": "configs/sam2.1/sam2.1_hiera_t.yaml",
    "sam2.1_hiera_small": "configs/sam2.1/sam2.1_hiera_s.yaml",
    "sam2.1_hiera_base_plus": "configs/sam2.1/sam2.1_hiera_b+.yaml",
    "sam2.1_hiera_large": "configs/sam2.1/sam2.1_hiera_l.yaml",
    "sam2_hiera_tiny": "configs/sam2/sam2_hiera_t.yaml",
}


def seeded_state_dict(model_name: str, model: torch.nn.Module) -> dict:
    """Every tensor of `model` by Meta's name, float32; counters are integers."""
    out = {}
    for name, tensor in model.state_dict().items():
        shape = tuple(tensor.shape)
        drawn = seeded.draw(name, shape, *seeded.rule(model_name, name, shape))
        out[name] = torch.from_numpy(drawn).to(tensor.dtype)
    return out


def build(model_name: str, video: bool = False) -> torch.nn.Module:
    """The model with seeded weights and the post-processing overrides of Meta's builder (its default).

    Without the CUDA extension, hole filling prints a warning and does nothing.
    """
    make = build_sam2_video_predictor if video else build_sam2
    model = make(CONFIGS[model_name], device="cpu")
    model.load_state_dict(seeded_state_dict(model_name, model), strict=True)
    return model.requires_grad_(False)


class _DoubleTorch(types.ModuleType):
    """A replacement for `torch` inside Meta's modules in which float32 is float64."""

    float32 = torch.float64
    float = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


# The scripts of other families append the modules of their packages.
PATCHED = [
    sam2.modeling.backbones.image_encoder,
    sam2.modeling.position_encoding,
    sam2.modeling.sam2_base,
    sam2.modeling.sam2_utils,
    sam2.sam2_image_predictor,
    sam2.sam2_video_predictor,
    sam2.utils.misc,
]


@contextlib.contextmanager
def float64():
    """Context: models are built and run in float64, tables and rotations included; memories stay bf16.

    Calling `.double()` on a model is not enough: Meta's code casts to float32 in the rotary encoding, in the
    tables, in the neck and around the masks.
    """
    stand_in = _DoubleTorch("torch")
    single = torch.Tensor.float
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double
    for module in PATCHED:
        module.torch = stand_in
    try:
        yield
    finally:
        for module in PATCHED:
            module.torch = torch
        torch.Tensor.float = single
        torch.set_default_dtype(torch.float32)


def build_float64(model_name: str, video: bool = False) -> torch.nn.Module:
    """`build` in float64; call it, and run the model, inside `float64()` only."""
    model = build(model_name, video).double()
    rebuild_rope(model)
    return model


def rebuild_rope(model: torch.nn.Module) -> None:
    """Recomputes the rotary tables in the current default dtype."""
    for module in model.modules():
        if hasattr(module, "freqs_cis"):
            side = math.isqrt(module.freqs_cis.shape[0])
            module.freqs_cis = module.compute_cis(end_x=side, end_y=side)


def tensor(array: np.ndarray) -> torch.Tensor:
    """A torch copy in the current default dtype."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(torch.get_default_dtype())


def hwc_to_nchw(array: np.ndarray) -> torch.Tensor:
    """Converts [H, W, C] (this repository) to [1, C, H, W] (Meta)."""
    return tensor(array).permute(2, 0, 1)[None].contiguous()
