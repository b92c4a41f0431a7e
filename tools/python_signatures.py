"""Writes `tests/python/signatures.json`: parameters and defaults of Meta's public functions, sam2 1.1.0."""

import inspect
import json
from pathlib import Path

import sam2.automatic_mask_generator
import sam2.build_sam
import sam2.sam2_image_predictor
import sam2.sam2_video_predictor

# Helpers on tensors.
LEFT_OUT = {"postprocess_small_regions", "refine_with_m2m"}
OUT = Path(__file__).parent.parent / "tests/python/signatures.json"


def parameters(function):
    found = inspect.signature(function).parameters.values()
    return [
        [p.name, None if p.default is p.empty else repr(p.default)]
        for p in found
        if p.name not in ("self", "cls")
    ]


def main():
    signatures = {}
    for name in (
        "build_sam2",
        "build_sam2_video_predictor",
        "build_sam2_hf",
        "build_sam2_video_predictor_hf",
    ):
        signatures[f"build_sam.{name}"] = parameters(getattr(sam2.build_sam, name))
    for module, name in (
        (sam2.sam2_image_predictor, "SAM2ImagePredictor"),
        (sam2.sam2_video_predictor, "SAM2VideoPredictor"),
        (sam2.automatic_mask_generator, "SAM2AutomaticMaskGenerator"),
    ):
        kind = getattr(module, name)
        for member, value in vars(kind).items():
            is_init = member == "__init__" and name != "SAM2VideoPredictor"
            if member in LEFT_OUT or isinstance(value, property) or (member.startswith("_") and not is_init):
                continue
            function = value.__func__ if isinstance(value, classmethod) else value
            key = f"{module.__name__.split('.')[-1]}.{name}.{member}"
            signatures[key] = parameters(inspect.unwrap(function))
    OUT.write_text(json.dumps(signatures, indent=1) + "\n")
    print(f"{len(signatures)} functions")


if __name__ == "__main__":
    main()
