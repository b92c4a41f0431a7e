"""The published models of every family with seeded weights, as bench_vs_torch.py times them.

EdgeTAM's fork of sam2 replaces the package of that name, so one process holds one family, and nothing that
imports sam2 is imported before the family is known.
"""

import dataclasses
import importlib
from collections.abc import Callable

import torch

HIERA = ("tiny", "small", "base_plus", "large")


@dataclasses.dataclass
class Original:
    # Also the stem of the checkpoint, from which EfficientTAM's variant follows.
    name: str
    # The video predictor.
    model: torch.nn.Module
    image_predictor: Callable
    # Of the masks of an image; None if the family's is not timed.
    mask_generator: Callable | None
    # (prompted frames, other frames) -> seeded outputs as the video predictor stores them.
    bank: Callable

    @property
    def image_size(self) -> int:
        return self.model.image_size

    @property
    def grid(self) -> int:
        return self.model.image_size // 16


def load(name: str, checkout: str | None) -> Original:
    """`name` is a size of SAM 2.1, edgetam, or the name of an EfficientTAM configuration."""
    if name in HIERA:
        return _hiera(f"sam2.1_hiera_{name}")
    if checkout is None:
        raise SystemExit(f"{name} needs --checkout: a clone of its published code")
    return _edgetam(checkout) if name == "edgetam" else _efficienttam(name, checkout)


def _hiera(name: str) -> Original:
    import golden_modules
    import oracle
    from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator
    from sam2.sam2_image_predictor import SAM2ImagePredictor

    model = oracle.build(name, video=True)
    return Original(
        name,
        model,
        lambda: SAM2ImagePredictor(model),
        lambda: SAM2AutomaticMaskGenerator(model),
        lambda cond, recent: golden_modules.bank(model, "bench", cond, recent),
    )


def _edgetam(checkout: str) -> Original:
    import golden_edgetam

    golden_edgetam.use(checkout)
    predictors = importlib.import_module("sam2.sam2_image_predictor")
    # By default the published code forbids the blocked attention kernel, which is faster.
    importlib.import_module("sam2.modeling.sam.transformer").ALLOW_ALL_KERNELS = True
    model = golden_edgetam.build()
    return Original(
        golden_edgetam.NAME,
        model,
        lambda: predictors.SAM2ImagePredictor(model),
        None,
        lambda cond, recent: golden_edgetam.bank(model, "bench", cond, recent),
    )


def _efficienttam(name: str, checkout: str) -> Original:
    import golden_efficienttam

    golden_efficienttam.use(checkout)
    package = golden_efficienttam.PACKAGE
    predictors = importlib.import_module(f"{package}.efficienttam_image_predictor")
    model = golden_efficienttam.build(name)
    return Original(
        name,
        model,
        lambda: predictors.EfficientTAMImagePredictor(model),
        None,
        lambda cond, recent: golden_efficienttam.bank(model, "bench", cond, recent),
    )
