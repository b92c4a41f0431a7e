"""Compares 40 random prompt scripts through Meta's package and through `sam2_cpu`, in one process.

Embedded checkpoint, bundled clip. Needs Meta's package and the wheel of `crates/sam2-py` in one environment.
Prints the largest difference of every kind of output, relative to the largest value of Meta's, and fails
above 1e-3 or where shapes, types, object ids or errors differ.
"""

import sys
import warnings

import numpy as np
import sam2_cpu
import torch
from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator as MetaGenerator
from sam2.sam2_image_predictor import SAM2ImagePredictor as MetaPredictor
from sam2_cpu import _native
from sam2_cpu.automatic_mask_generator import SAM2AutomaticMaskGenerator
from sam2_cpu.sam2_image_predictor import SAM2ImagePredictor

import golden_demo
import golden_predictor
import golden_video

SCRIPTS = 40
TOLERANCE = 1e-3

worst: dict[str, float] = {}


def compare(kind: str, theirs, ours) -> None:
    theirs = theirs.detach().cpu().numpy() if torch.is_tensor(theirs) else np.asarray(theirs)
    ours = np.asarray(ours)
    if theirs.shape != ours.shape or theirs.dtype != ours.dtype:
        sys.exit(f"{kind}: {ours.shape} {ours.dtype}, Meta's are {theirs.shape} {theirs.dtype}")
    scale = max(np.abs(theirs).max(initial=0), 1e-6)
    error = float(np.abs(theirs.astype(np.float64) - ours).max(initial=0) / scale)
    if not error <= worst.get(kind, 0):
        worst[kind] = error


def random_prompt(rng, width: int, height: int, count: int) -> dict:
    prompt = {}
    shape = (count,) if count > 1 else ()
    kind = rng.integers(3)
    if kind != 1:
        n = int(rng.integers(1, 4))
        prompt["point_coords"] = rng.uniform(0, 1, (*shape, n, 2)) * [width, height]
        prompt["point_labels"] = rng.integers(-1 if n > 1 else 0, 2, (*shape, n))
    if kind != 0:
        corners = np.sort(rng.uniform(0, 1, (*shape, 2, 2)), axis=-2) * [width, height]
        prompt["box"] = corners.reshape(*shape, 4)
    return prompt


def image_script(rng, pair, frame) -> None:
    theirs, ours = pair
    height, width = frame.shape[:2]
    for predictor in pair:
        predictor.set_image(frame)
    compare("embedding", theirs.get_image_embedding(), ours.get_image_embedding().numpy())
    for _ in range(3):
        prompt = random_prompt(rng, width, height, int(rng.integers(1, 4)))
        options = {"multimask_output": bool(rng.integers(2)), "return_logits": True}
        a, b = theirs.predict(**prompt, **options), ours.predict(**prompt, **options)
        for name, x, y in zip(("image logits", "predicted IoU", "low-resolution logits"), a, b):
            compare(name, x, y)
        if a[2].ndim == 3:
            refined = {**prompt, "mask_input": a[2][:1], **options}
            for name, x, y in zip(
                ("refined logits", "refined IoU"), theirs.predict(**refined), ours.predict(**refined)
            ):
                compare(name, x, y)


def video_script(rng, pair, folder, size) -> None:
    width, height = size
    states = [predictor.init_state(folder) for predictor in pair]

    def both(name, method, *args, **kwargs):
        answers = [
            getattr(predictor, method)(state, *args, **kwargs) for predictor, state in zip(pair, states)
        ]
        if answers[0] is None or answers[1] is None:
            return
        (index, ids, masks), (our_index, our_ids, our_masks) = answers
        if (index, list(ids)) != (our_index, our_ids):
            sys.exit(f"{name}: {(our_index, our_ids)}, Meta's are {(index, ids)}")
        compare(name, masks, our_masks.numpy())

    count = int(states[0]["num_frames"])
    for obj_id in range(1, int(rng.integers(2, 4))):
        frame = int(rng.integers(0, count))
        if rng.integers(4) == 0:
            mask = rng.uniform(0, 1, (height // 16, width // 16)).repeat(16, 0).repeat(16, 1) > 0.6
            both("mask prompt", "add_new_mask", frame, obj_id, mask)
        else:
            prompt = random_prompt(rng, width, height, 1)
            points = {
                "points": prompt.get("point_coords"),
                "labels": prompt.get("point_labels"),
                "box": prompt.get("box"),
            }
            both("prompt", "add_new_points_or_box", frame, obj_id, **points)
    for step in range(2):
        reverse = bool(rng.integers(4) == 0)
        passes = [
            predictor.propagate_in_video(state, reverse=reverse) for predictor, state in zip(pair, states)
        ]
        for (index, ids, masks), (our_index, our_ids, our_masks) in zip(*passes, strict=True):
            if (index, list(ids)) != (our_index, our_ids):
                sys.exit(f"propagation: {(our_index, our_ids)}, Meta's are {(index, ids)}")
            compare("tracked", masks, our_masks.numpy())
        if step == 0:
            click = rng.uniform(0, 1, (1, 2)) * [width, height]
            frame = int(rng.integers(0, count))
            both("correction", "add_new_points_or_box", frame, 1, points=click, labels=np.array([1]))
            if len(states[1]["obj_ids"]) > 1 and rng.integers(2):
                answers = [predictor.remove_object(state, 2) for predictor, state in zip(pair, states)]
                if list(answers[0][0]) != answers[1][0] or len(answers[0][1]) != len(answers[1][1]):
                    sys.exit(f"remove_object: {answers[1]}, Meta's {answers[0]}")
                for (_, x), (_, y) in zip(sorted(answers[0][1], key=lambda item: item[0]), answers[1][1]):
                    compare("after removal", x, y.numpy())


def main() -> None:
    import tempfile
    from pathlib import Path

    from PIL import Image

    warnings.simplefilter("ignore")
    clip = _native.demo_clip()
    frames = [clip.frame(i, False) for i in range(8)]
    size = (frames[0].shape[1], frames[0].shape[0])
    rng = np.random.default_rng(2026)
    meta = golden_predictor.make(golden_demo.build())
    ours = SAM2ImagePredictor(sam2_cpu.build_sam2_micro())
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for i, frame in enumerate(frames):
            Image.fromarray(frame).save(Path(folder) / f"{i:05}.jpg", format="PNG")
        tracker = golden_demo.build()
        golden_video.patch_memory_without_pointers(tracker)
        videos = (
            tracker,
            sam2_cpu.build_sam2_micro(video=True, hydra_overrides_extra=["++model.fill_hole_area=0"]),
        )
        for script in range(SCRIPTS):
            print(f"script {script + 1} of {SCRIPTS}", file=sys.stderr)
            if script % 2 == 0:
                image_script(rng, (meta, ours), frames[script % len(frames)])
            else:
                video_script(rng, videos, folder, size)
        options = {"points_per_side": 8, "pred_iou_thresh": 0.5, "stability_score_thresh": 0.5}
        theirs = MetaGenerator(meta.model, **options)
        theirs.predictor = meta
        for a, b in zip(
            theirs.generate(frames[0]),
            SAM2AutomaticMaskGenerator(ours.model, **options).generate(frames[0]),
            strict=True,
        ):
            if list(a) != list(b) or a["bbox"] != b["bbox"] or a["point_coords"] != b["point_coords"]:
                sys.exit(f"generator: {b}, Meta's {a}")
            compare(
                "generated masks", a["segmentation"].astype(np.float32), b["segmentation"].astype(np.float32)
            )
    for kind, error in worst.items():
        print(f"{kind:24} {error:.1e}")
    if not all(error <= TOLERANCE for error in worst.values()):
        sys.exit("too different")


if __name__ == "__main__":
    main()
