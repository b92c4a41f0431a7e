"""Goldens of the automatic mask generator: the embedded checkpoint on frame 0 of the balloon clip."""

import numpy as np
import torch
from PIL import Image
from sam2 import automatic_mask_generator
from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator

import clips
import golden_demo
from probes import Probes

# Low thresholds and a small stability offset keep uncertain masks; a box NMS threshold of 1 keeps duplicates.
# Both give the test more masks to compare.
SHARP = {"pred_iou_thresh": 0.1, "stability_score_thresh": 0.5, "stability_score_offset": 0.1}
CASES = {
    "plain": SHARP | {"points_per_side": 5, "box_nms_thresh": 1.0},
    "suppressed": SHARP | {"points_per_side": 5},
    "crops": SHARP
    | {
        "points_per_side": 4,
        "crop_n_layers": 1,
        "crop_n_points_downscale_factor": 2,
        "box_nms_thresh": 0.95,
        "crop_nms_thresh": 0.5,
    },
    "refined": SHARP | {"points_per_side": 3, "use_m2m": True, "box_nms_thresh": 1.0},
    "grids": SHARP
    | {"points_per_side": None, "box_nms_thresh": 1.0, "crop_n_layers": 1, "crop_nms_thresh": 1.0},
    "regions": SHARP | {"points_per_side": 4, "box_nms_thresh": 1.0},
    "single": SHARP | {"points_per_side": 4, "multimask_output": False, "box_nms_thresh": 1.0},
}


# Point grids as fractions of width and height: of the image, of its crops.
GRIDS = [[[0.18, 0.42], [0.7, 0.5], [0.5, 0.99]], [[0.3, 0.6]]]
# Area threshold (pixels) of `postprocess_small_regions`, which SAM 2 has but never calls. It needs OpenCV.
SMALL_REGIONS = 150


# Rounding may decide a logit closer than OF_SCORE to a stability threshold, or closer than OF_MASK to zero.
OF_SCORE, OF_MASK = 1e-4, 1e-5
stability_score = automatic_mask_generator.calculate_stability_score


def noting_undecided(near: dict):
    """The stability score; records per value how many pixels of it and of the mask are undecided."""

    def score(masks, threshold, offset):
        values = stability_score(masks, threshold, offset)
        distance = (masks - threshold).abs()
        undecided = (distance - offset).abs() < OF_SCORE, distance < OF_MASK
        for value, *counts in zip(values.tolist(), *(u.flatten(1).sum(1).tolist() for u in undecided)):
            near[value] = [max(pair) for pair in zip(counts, near.get(value, (0, 0)))]
        return values

    return score


def margins(records: list, options: dict) -> list:
    """Gaps of the kept masks' scores from both thresholds and of their predicted IoUs from each other."""
    ious = np.sort([r["predicted_iou"] for r in records])
    stability = min(r["stability_score"] for r in records) - options["stability_score_thresh"]
    gap = np.diff(ious).min() if len(ious) > 1 else 1.0
    return [ious[0] - options["pred_iou_thresh"], stability, gap]


def everything() -> Probes:
    probes = Probes()
    image = np.array(Image.open(clips.ASSETS / "balloon.gif").convert("RGB"))
    model = golden_demo.build()
    side = model.image_size // 4
    for case, options in CASES.items():
        if case == "grids":
            options = options | {"point_grids": [np.array(grid) for grid in GRIDS]}
        generator = SAM2AutomaticMaskGenerator(model, output_mode="coco_rle", **options)
        if case == "regions":
            find, threshold = (
                generator._generate_masks,
                max(generator.box_nms_thresh, generator.crop_nms_thresh),
            )
            generator._generate_masks = lambda image: generator.postprocess_small_regions(
                find(image), SMALL_REGIONS, threshold
            )
        generator.predictor._bb_feat_sizes = [(side, side), (side // 2, side // 2), (side // 4, side // 4)]
        near: dict[float, list] = {}
        automatic_mask_generator.calculate_stability_score = noting_undecided(near)
        with torch.inference_mode():
            records = generator.generate(image)
        assert records, case
        strings = [r["segmentation"]["counts"].encode() for r in records]
        probes.fact(f"{case}#bbox", [r["bbox"] for r in records], np.int64)
        probes.fact(f"{case}#crop_box", [r["crop_box"] for r in records], np.int64)
        probes.fact(f"{case}#area", [r["area"] for r in records], np.int64)
        probes.fact(f"{case}#point", [r["point_coords"][0] for r in records], np.float32)
        probes.fact(f"{case}#iou", [r["predicted_iou"] for r in records], np.float32)
        probes.fact(f"{case}#stability", [r["stability_score"] for r in records], np.float32)
        probes.fact(f"{case}#undecided", [near[r["stability_score"]] for r in records], np.int64)
        probes.fact(f"{case}#margins", margins(records, options), np.float64)
        probes.fact(f"{case}#counts", np.frombuffer(b"\n".join(strings), np.uint8), np.uint8)
        print(f"  {case}: {len(records)} masks, {len({tuple(r['bbox']) for r in records})} boxes")
    return probes
