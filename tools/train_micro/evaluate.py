"""Evaluates a checkpoint on held-out clips with Meta's predictors: one click on frame 0, 24 frames.

    python tools/train_micro/evaluate.py                          # the embedded checkpoint, 200 clips
    python tools/train_micro/evaluate.py WEIGHTS --clips 40
    python tools/train_micro/evaluate.py --clips 20 --write DIR   # also writes the clips, for `sam2 track`

J and F are those of DAVIS 2017 (first and last frame excluded). Presence: accuracy of "the mask is empty"
against "the object is invisible", per frame. Recovery: of the clips whose object is invisible for at least
two frames and visible again for at least three, the fraction whose mean IoU over the last three of these is
at least 0.5.
"""

import argparse
import json
import pathlib
import sys
import tempfile
import warnings

import cv2
import numpy as np
import sam2.sam2_video_predictor
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from PIL import Image
from safetensors import safe_open
from sam2.sam2_image_predictor import SAM2ImagePredictor

import data
import prompts
import scores
from steps import UNSURE

ASSET = pathlib.Path(__file__).resolve().parents[2] / "assets" / "sam2.1_micro.safetensors"
SIZE = 256
# Overrides that `build_sam2_video_predictor` applies to a configuration, without hole filling (it needs
# CUDA).
BUILDER = {
    "_target_": "sam2.sam2_video_predictor.SAM2VideoPredictor",
    "binarize_mask_from_pts_for_mem_enc": True,
    "fill_hole_area": 0,
    "sam_mask_decoder_extra_args": {
        "dynamic_multimask_via_stability": True,
        "dynamic_multimask_stability_delta": 0.05,
        "dynamic_multimask_stability_thresh": 0.98,
    },
}


def load(path: pathlib.Path) -> torch.nn.Module:
    """Meta's video predictor with the weights and configuration of a file from `model.export`."""
    with safe_open(path, "pt") as file:
        config = json.loads(file.metadata()["sam2.config"]) | BUILDER
        state = {name: file.get_tensor(name).float() for name in file.keys()}
    model = instantiate(OmegaConf.create(config), _recursive_=True)
    model.load_state_dict(state)
    return model.eval().requires_grad_(False)


def track(model: torch.nn.Module, frames: np.ndarray, click: tuple) -> np.ndarray:
    """Masks [T, H, W] of the object clicked on frame 0."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n, frame in enumerate(frames):
            Image.fromarray(frame).save(pathlib.Path(folder) / f"{n:05d}.jpg", format="PNG")
        state = model.init_state(folder)
    model.add_new_points_or_box(state, 0, 1, points=[click], labels=[1])
    return np.stack([masks[0, 0].numpy() > 0 for _, _, masks in model.propagate_in_video(state)])


def prompted(model: torch.nn.Module, frame: np.ndarray, ids: np.ndarray) -> tuple[list, list]:
    """IoUs after one click and after a box, for every thing that covers at least 1 % of the image."""
    predictor = SAM2ImagePredictor(model)
    side = model.image_size // 4
    predictor._bb_feat_sizes = [
        (side, side),
        (side // 2, side // 2),
        (side // 4, side // 4),
    ]  # Meta's are of 1024
    predictor.set_image(frame)
    by_click, by_box = [], []
    for k in range(ids.max() + 1):
        truth = ids == k
        if truth.mean() < 0.01:
            continue
        point = np.array([prompts.centre(truth)])
        masks, quality, _ = predictor.predict(point, np.array([1]), multimask_output=True)
        by_click.append(scores.jaccard(truth, masks[quality.argmax()] > 0))
        ys, xs = np.nonzero(truth)
        box = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
        masks, _, _ = predictor.predict(box=box, multimask_output=False)
        by_box.append(scores.jaccard(truth, masks[0] > 0))
    return by_click, by_box


def measure(truth: np.ndarray, found: np.ndarray) -> dict:
    """Scores of one clip, masks [T, H, W]."""
    j = np.array([scores.jaccard(a, b) for a, b in zip(truth, found)])
    f = [scores.f_measure(a, b) for a, b in zip(truth[1:-1], found[1:-1])]
    share = truth.mean((1, 2))
    sure = (share == 0) | (share > UNSURE)
    right = [bool(b.any()) == bool(a.any()) for a, b in zip(truth[1:], found[1:])]
    out = {
        "j": float(j[1:-1].mean()),
        "f": float(np.mean(f)),
        "first": float(j[0]),
        "frames": j.round(3).tolist(),
    }
    out["absent"] = int((share == 0).sum())
    out["presence"] = float(np.mean(np.array(right)[sure[1:]]))
    away = np.flatnonzero((share[:-1] == 0) & (share[1:] == 0))
    if len(away):
        again = np.flatnonzero(share > 2 * UNSURE)
        again = again[again > away[-1]]
        if len(again) >= 3:
            out["recovered"] = bool(j[again[-3:]].mean() >= 0.5)
    return out


def prompt(number: int, click: tuple) -> str:
    """A line of a prompts file of `sam2 track`: a click on frame 0."""
    return json.dumps({"frame": 0, "obj_id": number, "points": [list(click)], "labels": [1]}) + "\n"


def write(folder: pathlib.Path, name: str, frames: np.ndarray, truth: np.ndarray, click: tuple) -> None:
    """Writes frames/NAME/*.png, truth/NAME/*.png (label maps) and prompts/NAME.jsonl."""
    for part in ("frames", "truth"):
        (folder / part / name).mkdir(parents=True, exist_ok=True)
    (folder / "prompts").mkdir(exist_ok=True)
    for n, (frame, mask) in enumerate(zip(frames, truth)):
        Image.fromarray(frame).save(folder / "frames" / name / f"{n:05d}.png")
        labels = Image.fromarray(mask.astype(np.uint8))
        labels.putpalette([0, 0, 0, 255, 255, 255])
        labels.save(folder / "truth" / name / f"{n:05d}.png")
    (folder / "prompts" / f"{name}.jsonl").write_text(prompt(1, click))


def summary(rows: list[dict]) -> dict:
    mean = lambda key, chosen=rows: round(float(np.mean([r[key] for r in chosen])), 4) if chosen else None
    out = {"clips": len(rows), "J": mean("j"), "F": mean("f"), "J&F": round((mean("j") + mean("f")) / 2, 4)}
    for story in data.STORIES:
        chosen = [r for r in rows if r["story"] == story]
        if chosen:
            out[f"J&F {story}"] = round((mean("j", chosen) + mean("f", chosen)) / 2, 4)
    out["first frame IoU"] = mean("first")
    out["click IoU"] = round(float(np.mean([v for r in rows for v in r["click"]])), 4)
    out["box IoU"] = round(float(np.mean([v for r in rows for v in r["box"]])), 4)
    out["presence, gone"] = mean("presence", [r for r in rows if r["story"] == "gone"])
    out["presence, hidden"] = mean("presence", [r for r in rows if r["story"] == "hidden"])
    back = [r["recovered"] for r in rows if "recovered" in r]
    out["recovered"] = f"{sum(back)} of {len(back)}"
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=pathlib.Path, nargs="?", default=ASSET)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="number of the first clip")
    parser.add_argument("--story", choices=data.STORIES, help="only clips with this story")
    parser.add_argument(
        "--write", type=pathlib.Path, metavar="DIR", help="also write clips, truth and prompts"
    )
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the scores of every clip")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    sam2.sam2_video_predictor.tqdm = lambda frames, **_: frames
    sam2.utils.misc.tqdm = lambda frames, **_: frames
    model = load(args.weights)
    rows = []
    with torch.inference_mode():
        for number in range(args.first, args.first + args.clips):
            frames, ids, scene = data.clip(data.HELD_OUT + number, SIZE, story=args.story)
            truth = ids == 0
            click = prompts.centre(truth[0])
            row = {"clip": number, "story": scene.story, **measure(truth, track(model, frames, click))}
            row["click"], row["box"] = prompted(model, frames[0], ids[0])
            rows.append(row)
            if args.write:
                write(args.write, f"{number:03d}-{scene.story}", frames, truth, click)
            print(
                f"\r{len(rows)}/{args.clips}  J {np.mean([r['j'] for r in rows]):.3f}",
                end="",
                file=sys.stderr,
            )
    print(file=sys.stderr)
    for key, value in summary(rows).items():
        print(f"{key:18} {value}")
    if args.json:
        args.json.write_text(json.dumps({"summary": summary(rows), "clips": rows}))


if __name__ == "__main__":
    main()
