"""Goldens of the embedded checkpoint on the bundled clip."""

import json
import pathlib
import tempfile
import warnings

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from PIL import Image
from safetensors import safe_open
from sam2.sam2_image_predictor import SAM2ImagePredictor

import clips
import golden_seeded
import oracle
from probes import Probes

# The embedded checkpoint of before the training on rendered things, for whose masks the prompts of the
# scenarios were chosen.
EARLIER = clips.ASSETS.parent / "tests/fixtures/saved/sam2.1_micro.safetensors"
# Overrides that `build_sam2_video_predictor` applies to a configuration.
BUILDER = {
    "_target_": "sam2.sam2_video_predictor.SAM2VideoPredictor",
    "binarize_mask_from_pts_for_mem_enc": True,
    "fill_hole_area": 8,
    "sam_mask_decoder_extra_args": {
        "dynamic_multimask_via_stability": True,
        "dynamic_multimask_stability_delta": 0.05,
        "dynamic_multimask_stability_thresh": 0.98,
    },
}


def build(checkpoint: pathlib.Path = clips.ASSETS / "sam2.1_micro.safetensors") -> torch.nn.Module:
    with safe_open(checkpoint, "pt") as file:
        config = json.loads(file.metadata()["sam2.config"]) | BUILDER
        state = {name: file.get_tensor(name).to(torch.get_default_dtype()) for name in file.keys()}
    model = instantiate(OmegaConf.create(config), _recursive_=True)
    model.load_state_dict(state, strict=True)
    model = model.eval().requires_grad_(False).to(torch.get_default_dtype())
    oracle.rebuild_rope(model)
    return model


def runs(mask: np.ndarray) -> np.ndarray:
    """Row-major run lengths; the first run is background."""
    flat = np.concatenate([[False], mask.ravel()])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff(np.concatenate([[0], edges, [mask.size]]))


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    union = (a | b).sum()
    return 1.0 if union == 0 else float((a & b).sum() / union)


def demo_case(frames: np.ndarray, prompt: dict) -> dict:
    model = build()
    out, seen = {}, []
    plain = model._forward_sam_heads

    def spy(*args, **kwargs):
        heads = plain(*args, **kwargs)
        seen.append(heads[2][0].clone())
        return heads

    model._forward_sam_heads = spy
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n, frame in enumerate(frames):
            Image.fromarray(frame).save(pathlib.Path(folder) / f"{n:05d}.jpg", format="PNG")
        state = model.init_state(folder)
        model.add_new_points_or_box(
            state, 0, prompt["obj_id"], points=prompt["points"], labels=prompt["labels"]
        )
        for n, _, masks in model.propagate_in_video(state):
            outputs = state["output_dict_per_obj"][0]
            stored = outputs["cond_frame_outputs"].get(n) or outputs["non_cond_frame_outputs"][n]
            out |= {
                f"{n}/low_res": stored["pred_masks"][0, 0].clone(),
                f"{n}/obj_ptr": stored["obj_ptr"][0].clone(),
                f"{n}/object_score": stored["object_score_logits"][0].clone(),
                f"{n}/iou": seen[n],
                f"{n}/video_res": masks[0, 0].clone(),
            }
    # The image predictor on frame 0. Meta's class hard-codes the feature sizes of 1024-pixel models.
    predictor = SAM2ImagePredictor(model)
    side = model.image_size // 4
    predictor._bb_feat_sizes = [(side, side), (side // 2, side // 2), (side // 4, side // 4)]
    with torch.inference_mode():
        predictor.set_image(frames[0])
        for multimask in (True, False):
            masks, iou, low = predictor.predict(
                np.array(prompt["points"]),
                np.array(prompt["labels"]),
                multimask_output=multimask,
                return_logits=True,
            )
            prefix = f"image/{'multi' if multimask else 'single'}/"
            out |= {prefix + "logits": masks, prefix + "iou": iou, prefix + "low_res": low}
    return out


def demo() -> Probes:
    frames = clips.decode(clips.ASSETS / "demo.gif")
    truths = clips.decode(clips.ASSETS / "demo_truth.gif")[..., 0] > 127
    prompt = json.loads((clips.ASSETS / "demo_prompts.jsonl").read_text())
    single = demo_case(frames, prompt)
    with oracle.float64():
        double = demo_case(frames, prompt)
    probes = Probes()
    scores, near = [], []
    for name, tap in single.items():
        probes.add(name, tap, double[name], samples=1024 if name.endswith("low_res") else 256)
    for n, truth in enumerate(truths):
        logits = single[f"{n}/video_res"].numpy()
        probes.fact(f"{n}#mask_runs", runs(logits > 0), np.int32)
        scores.append(jaccard(logits > 0, truth))
        near.append((np.abs(logits) < 1e-3).sum())
        iou = np.sort(single[f"{n}/iou"].numpy())[::-1]
        probes.fact(f"{n}#margins", [iou[0] - iou[1], abs(float(single[f"{n}/object_score"][0]))], np.float64)
    probes.fact("clip#jaccard", scores, np.float64)
    probes.fact("clip#frame_fnv", [golden_seeded.fnv_bytes(f) for f in frames], np.uint64)
    print(f"mean J {np.mean(scores):.4f}, smallest {min(scores):.4f} at {int(np.argmin(scores))}")
    print("J per frame", np.round(scores, 3).tolist())
    print("pixels with |logit| < 1e-3, per frame:", [int(v) for v in near])
    return probes
