"""Writes tests/golden/vos.npz: the output of Meta's vos_inference.py for 8 frames of the balloon clip.

    python tools/vos_fixtures.py SAM2

The argument is a checkout of facebookresearch/sam2 (2b90b9f), as the package lacks the script. Its functions
run unmodified, with the embedded checkpoint, on the CPU. Hole filling, which needs CUDA there, uses OpenCV's
components.

Where objects overlap, the larger logit wins a pixel. Pixels whose two best logits, or whose best logit and
the threshold, are closer than MARGIN are recorded as undecided.
"""

import argparse
import importlib.util
import json
import pathlib
import tempfile
import warnings

import numpy as np
import sam2.utils.misc
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from PIL import Image
from safetensors import safe_open

import clips
import golden_demo
from golden_predictor import components

OUT = pathlib.Path(__file__).parents[1] / "tests" / "golden" / "vos.npz"
FIRST, FRAMES = 7, 8
# Twice the largest change of these logits from float32 to float64 (9.6e-4, at a rounding boundary of
# bfloat16).
MARGIN = 2e-3
# Frames with a mask prompt of the object that appears later.
LATE = (3, 5)
CASES = {
    "first": {},
    "post": {"apply_postprocessing": True},
    "thresh": {"score_thresh": 1.5},
    "all": {"use_all_masks": True},
    "objects": {"per_obj_png_file": True},
    "later": {"track_object_appearing_later_in_video": True},
    "later_all": {"track_object_appearing_later_in_video": True, "use_all_masks": True},
    "later_objects": {"track_object_appearing_later_in_video": True, "per_obj_png_file": True},
}


def build(postprocess: bool, non_overlap: bool) -> torch.nn.Module:
    """The embedded checkpoint as `build_sam2_video_predictor` builds it."""
    with safe_open(clips.ASSETS / "sam2.1_micro.safetensors", "pt") as file:
        config = json.loads(file.metadata()["sam2.config"])
        state = {name: file.get_tensor(name) for name in file.keys()}
    config |= golden_demo.BUILDER if postprocess else {"_target_": golden_demo.BUILDER["_target_"]}
    model = instantiate(OmegaConf.create(config | {"non_overlap_masks": non_overlap}), _recursive_=True)
    model.load_state_dict(state, strict=True)
    return model.eval().requires_grad_(False)


def record(model: torch.nn.Module) -> dict:
    """Records every object's logits before overlap resolution: frame -> object -> [H, W]."""
    noted, last = {}, []
    propagate, resolve = model.propagate_in_video, model._apply_non_overlapping_constraints

    def spy(scores):
        last[:] = [scores.clone()]
        return resolve(scores)

    def noting(*args, **kwargs):
        for frame, ids, masks in propagate(*args, **kwargs):
            scores = last[0] if model.non_overlap_masks else masks
            noted.setdefault(frame, {}).update(zip(ids, scores[:, 0].numpy().copy()))
            yield frame, ids, masks

    model.propagate_in_video, model._apply_non_overlapping_constraints = noting, spy
    return noted


def undecided(noted: dict, objects: list, threshold: float) -> np.ndarray:
    """Undecided pixels as indices into the flattened [frames, H, W]."""
    absent = np.full_like(next(iter(noted[0].values())), -1024)
    close = []
    for frame in range(FRAMES):
        best = np.sort([noted[frame].get(i, absent) for i in objects] + [absent], axis=0)
        tie = (best[-1] - best[-2] < MARGIN) & (best[-1] > threshold - MARGIN)
        close.append(tie | (np.abs(best[-1] - threshold) < MARGIN))
    return np.flatnonzero(close)


def inputs(case: str) -> dict:
    """frame -> object -> mask: 1 is the balloon, 2 a part of the tower that occludes it, 3 a patch of sky."""
    truths = clips.decode(clips.ASSETS / "balloon_truth.gif")[..., 0] > 127
    tower = np.zeros(truths.shape[1:], bool)
    tower[90:230, 140:190] = True
    sky = np.zeros_like(tower)
    sky[20:60, 250:300] = True
    masks = {0: {1: truths[FIRST], 3: sky}}
    if case.startswith("later"):
        masks |= {LATE[0]: {1: truths[FIRST + LATE[0]], 2: tower}, LATE[1]: {2: np.roll(tower, 4, axis=0)}}
    else:
        masks[0][2] = tower
        masks[LATE[1]] = {1: truths[FIRST + LATE[1]], 2: tower, 3: sky}
    return masks


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sam2", type=pathlib.Path)
    script = parser.parse_args().sam2 / "tools" / "vos_inference.py"
    spec = importlib.util.spec_from_file_location("vos_inference", script)
    vos = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(vos)
    sam2.utils.misc.get_connected_components = components
    warnings.simplefilter("ignore")
    frames = clips.decode(clips.ASSETS / "balloon.gif")[FIRST : FIRST + FRAMES]
    arrays = {}
    for case, flags in CASES.items():
        with tempfile.TemporaryDirectory() as tmp:
            tmp = pathlib.Path(tmp)
            per_object = flags.get("per_obj_png_file", False)
            (tmp / "videos/demo").mkdir(parents=True)
            for i, frame in enumerate(frames):
                # Meta's script requires this extension; Pillow detects the format from the content.
                Image.fromarray(frame).save(tmp / f"videos/demo/{i:05d}.jpg", format="PNG")
            for i, objects in inputs(case).items():
                label_map = np.zeros(frames.shape[1:3], np.uint8)
                for label, mask in sorted(objects.items(), reverse=True):
                    label_map[mask] = label
                    folder = tmp / f"masks/demo/{label:03d}" if per_object else tmp / "masks/demo"
                    folder.mkdir(parents=True, exist_ok=True)
                    picture = Image.fromarray(mask.astype(np.uint8) if per_object else label_map)
                    picture.putpalette(vos.DAVIS_PALETTE)
                    picture.save(folder / f"{i:05d}.png")
                    if per_object:
                        arrays[f"{case}/input/{label}/{i}"] = np.array(picture)
                if not per_object:
                    arrays[f"{case}/input/{i}"] = label_map
            run = vos.vos_inference
            if flags.get("track_object_appearing_later_in_video"):
                run = vos.vos_separate_inference_per_object
            model = build(flags.get("apply_postprocessing", False), not per_object)
            noted = record(model)
            threshold = flags.get("score_thresh", 0.0)
            run(
                predictor=model,
                base_video_dir=str(tmp / "videos"),
                input_mask_dir=str(tmp / "masks"),
                output_mask_dir=str(tmp / "out"),
                video_name="demo",
                score_thresh=threshold,
                use_all_masks=flags.get("use_all_masks", False),
                per_obj_png_file=per_object,
            )
            for file in sorted((tmp / "out/demo").rglob("*.png")):
                arrays.setdefault(
                    f"{case}/output/{'/'.join(file.relative_to(tmp / 'out/demo').parts[:-1])}", []
                ).append(np.array(Image.open(file)))
        for name in [name for name in arrays if name.startswith(f"{case}/output")]:
            folder = name.rsplit("/", 1)[1]
            objects = [int(folder)] if per_object else [1, 2, 3]
            arrays[name] = np.stack(arrays[name])
            close = arrays[f"{case}/undecided/{folder}"] = undecided(noted, objects, threshold)
            print(
                name,
                [np.bincount(m.ravel(), minlength=4).tolist() for m in arrays[name][:: FRAMES - 1]],
                len(close),
            )
    for case in CASES:
        if f"{case}/output/" in arrays and case != "first" and not case.startswith("later"):
            print(
                case,
                "differs from first in",
                int((arrays[f"{case}/output/"] != arrays["first/output/"]).sum()),
                "pixels",
            )
    np.savez_compressed(OUT, **arrays)
    print(f"{OUT}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
