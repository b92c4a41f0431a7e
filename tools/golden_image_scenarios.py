"""Goldens of the image predictor: every kind of prompt on images of several shapes."""

import functools
import json

import numpy as np
import torch
from sam2.sam2_image_predictor import SAM2ImagePredictor

import golden_demo
import golden_scenarios
import oracle
import seeded
from golden_modules import decision_margins
from golden_scenarios import FULL, LOW
from probes import rel_l2

# Prompts as fractions of width and height, so that they fit every image. Several boxes or point lists are one
# batched call of Meta's predictor.
PROMPTS = {
    "click": {"points": [[(0.18, 0.42)]], "labels": [[1]]},
    "clicks": {"points": [[(0.3, 0.9), (0.2, 0.5)]], "labels": [[0, 1]]},
    "box": {"box": [(0.01, 0.16, 0.35, 0.76)]},
    "box_click": {"box": [(0.01, 0.16, 0.35, 0.76)], "points": [[(0.4, 0.8)]], "labels": [[0]]},
    "mask": {"mask": True},
    "mask_click": {"mask": True, "points": [[(0.18, 0.42)]], "labels": [[1]]},
    "boxes": {"box": [(0.0, 0.0, 0.4, 0.7), (0.35, 0.0, 0.7, 0.95), (0.6, 0.5, 1.0, 1.0)]},
    "boxes_clicks": {
        "box": [(0.0, 0.0, 0.4, 0.7), (0.35, 0.0, 0.7, 0.95)],
        "points": [[(0.2, 0.3)], [(0.9, 0.5)]],
        "labels": [[1], [0]],
    },
}
FEW = ("click", "box", "boxes")
# Image -> prompts. An image is (name, width, height): `demo.*` is frame 0 of the bundled clip, stretched to
# this size by nearest neighbour; the others are synthetic.
EMBEDDED = {
    ("demo.plain", 320, 240): PROMPTS,
    ("demo.square", 500, 500): PROMPTS,
    ("demo.wide", 960, 640): PROMPTS,
    ("demo.tall", 300, 900): PROMPTS,
    ("demo.exact", 1024, 1024): PROMPTS,
    ("demo.small", 60, 40): PROMPTS,
    ("demo.large", 4000, 3000): FEW,
}
TINY = {
    ("photo.tall", 300, 900): FEW,
    ("photo.small", 60, 40): FEW,
    ("photo.square", 500, 500): ("mask_click",),
}


def picture(name: str, width: int, height: int) -> np.ndarray:
    if not name.startswith("demo."):
        return seeded.photo(name, width, height)
    frame = golden_scenarios.demo_frames()[0]
    rows, columns = np.arange(height) * frame.shape[0] // height, np.arange(width) * frame.shape[1] // width
    return np.ascontiguousarray(frame[rows[:, None], columns])


def scaled(prompt: dict, width: int, height: int) -> dict:
    """The prompt in pixels, rounded to float32 as in the test."""
    out = {"mask": prompt.get("mask", False)}
    if "points" in prompt:
        out["points"] = [
            [[float(np.float32(x * width)), float(np.float32(y * height))] for x, y in p]
            for p in prompt["points"]
        ]
        out["labels"] = prompt["labels"]
    if "box" in prompt:
        size = (width, height, width, height)
        out["box"] = [[float(np.float32(v * s)) for v, s in zip(b, size)] for b in prompt["box"]]
    return out


def play(model, pictures: dict) -> dict:
    predictor = SAM2ImagePredictor(model)
    # Meta's class hard-codes the feature sizes of 1024-pixel models.
    side = model.image_size // 4
    predictor._bb_feat_sizes = [(side, side), (side // 2, side // 2), (side // 4, side // 4)]
    mask = seeded.smooth("input.mask_logits", side, side, side // 16, 0.0, 5.0)[None]
    out, four = {}, {}
    plain = model.sam_mask_decoder.predict_masks

    def predict_masks(*args, **kwargs):
        four["last"] = plain(*args, **kwargs)
        return four["last"]

    model.sam_mask_decoder.predict_masks = predict_masks
    for (name, width, height), prompts in pictures.items():
        predictor.set_image(picture(name, width, height))
        for case in prompts:
            prompt = scaled(PROMPTS[case], width, height)
            for multimask in (True, False):
                masks, ious, low = predictor.predict(
                    point_coords=np.array(prompt["points"]) if "points" in prompt else None,
                    point_labels=np.array(prompt["labels"]) if "labels" in prompt else None,
                    box=np.array(prompt["box"]) if "box" in prompt else None,
                    mask_input=mask if prompt["mask"] else None,
                    multimask_output=multimask,
                    return_logits=True,
                )
                margins = []
                for logits, iou in zip(*four["last"][:2]):
                    gap, _, stability, value = decision_margins(
                        iou.double().numpy(), [1.0], logits.double().numpy()
                    )
                    margins.append([gap if value < 0.98 else 9.0, stability] if not multimask else [9.0, 9.0])
                key = f"{name}/{case}/{'multi' if multimask else 'single'}"
                shape = (-1, *masks.shape[-2:])
                out[key] = {
                    "ious": ious.reshape(-1),
                    "low": low.reshape(-1, *low.shape[-2:]),
                    "full": masks.reshape(shape),
                    "margins": np.min(margins, axis=0),
                    "prompt": prompt,
                }
    return out


class Recorded(golden_scenarios.Recorded):
    """Golden file: one row per mask of every prediction; the masks of a batch are consecutive."""

    def row(self, key: str, single: dict, double: dict) -> None:
        columns = {
            "iou": single["ious"],
            "area": [],
            "near": [],
            "low": [],
            "norm": [],
            "full": [],
            "f64": [],
        }
        for i, (low, full) in enumerate(zip(single["low"], single["full"])):
            seed = seeded.fnv1a64(f"{key}/{i}")
            for column, values, count in (("low", low.ravel(), LOW), ("full", full.ravel(), FULL)):
                at = seeded.splitmix64(seed, 0, count) % np.uint64(values.size)
                columns[column].append(values[at.astype(np.int64)])
            columns["area"].append((full > 0).sum())
            columns["near"].append((np.abs(full) < 1e-3).sum())
            columns["norm"].append(np.linalg.norm(low.astype(np.float64)))
            columns["f64"].append(rel_l2(low, double["low"][i]))
        for column, values in columns.items():
            dtype = {"area": np.int32, "near": np.int32, "norm": np.float64}.get(column, np.float32)
            self.put(f"{key}#{column}", np.array(values), dtype)
        self.put(f"{key}#margins", single["margins"], np.float32)
        self.calibration[key] = max(columns["f64"])


def images(build, pictures: dict) -> Recorded:
    single = play(build(), pictures)
    least = np.min([p["margins"] for p in single.values()], axis=0)
    print("smallest margins: gap, stability", least)
    for key, prediction in single.items():
        gap, stability = prediction["margins"]
        if gap < 1e-3 or stability < 1e-3:
            print("  too close", key, prediction["margins"])
    with oracle.float64():
        double = play(build(), pictures)
    recorded = Recorded()
    for key, prediction in single.items():
        recorded.row(key, prediction, double[key])
    sizes = {name: [width, height] for name, width, height in pictures}
    prompts = {key: prediction["prompt"] for key, prediction in single.items() if key.endswith("/multi")}
    script = {
        "pictures": sizes,
        "prompts": {key.removesuffix("/multi"): prompt for key, prompt in prompts.items()},
    }
    recorded.put("images#script", np.frombuffer(json.dumps(script).encode(), np.uint8), np.uint8)
    return recorded


def embedded() -> Recorded:
    return images(functools.partial(golden_demo.build, golden_demo.EARLIER), EMBEDDED)


def tiny() -> Recorded:
    name = "sam2.1_hiera_tiny"
    return images(lambda: oracle.build(name).to(torch.get_default_dtype()), TINY)
