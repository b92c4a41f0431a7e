"""Goldens of whole sessions with the video predictor; `scenarios.py` has the scripts."""

import contextlib
import functools
import hashlib
import json
import pathlib
import tempfile
from unittest import mock

import numpy as np
import torch
from hydra import compose
from hydra.utils import instantiate
from omegaconf import OmegaConf
from PIL import Image
from sam2.utils import misc

import clips
import golden_demo
import oracle
import scenarios
import seeded
from golden_predictor import components
from golden_video import patch_memory_without_pointers
from probes import Probes, rel_l2

# Samples per record of the logits, at the model's and at the video's resolution.
LOW, FULL = 32, 16
ABSENT = -1024.0
OPTIONS = {
    "add_all_frames_to_correct_as_cond": False,
    "non_overlap": False,
    "max_cond_frames_in_attn": -1,
    "memory_temporal_stride_for_eval": 1,
    "clear_non_cond_mem_around_input": False,
    "fill_hole_area": 0,
}


@functools.lru_cache
def demo_frames() -> np.ndarray:
    return clips.decode(clips.ASSETS / "balloon.gif")


def frames_of(clip: dict) -> list:
    if "gif" in clip:
        return [demo_frames()[n] for n in clip["frames"]]
    return [seeded.photo(name, *clip["photo"], n) for name, n in clip["frames"]]


@contextlib.contextmanager
def folder_of(frames: list):
    """PNG frames named .jpg: Meta's loader requires that extension, Pillow detects the format itself."""
    with tempfile.TemporaryDirectory() as folder:
        for n, frame in enumerate(frames):
            Image.fromarray(frame).save(pathlib.Path(folder) / f"{n:05d}.jpg", format="PNG")
        yield folder


def ellipse(width: int, height: int, cx: int, cy: int, rx: int, ry: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width].astype(np.int64)
    return (x - cx) ** 2 * ry**2 + (y - cy) ** 2 * rx**2 <= rx**2 * ry**2


def drop_around(model, state, frame: int, index: int) -> None:
    """The method that `clear_non_cond_mem_around_input` calls and Meta's class lacks, for one object."""
    reach = model.memory_temporal_stride_for_eval * model.num_maskmem
    for t in range(frame - reach, frame + reach + 1):
        state["output_dict_per_obj"][index]["non_cond_frame_outputs"].pop(t, None)


class Session:
    """Replays scripts on one model; caches the features of every image."""

    def __init__(self, model):
        self.model = model
        patch_memory_without_pointers(model)
        model._clear_obj_non_cond_mem_around_input = functools.partial(drop_around, model)
        self.features, self.margins, self.four = {}, [], None
        plain_image, plain_run = model.forward_image, model._run_single_frame_inference
        plain_heads, plain_masks = model._forward_sam_heads, model.sam_mask_decoder.predict_masks

        def forward_image(image):
            key = hashlib.sha1(image.numpy().tobytes()).digest()
            if key not in self.features:
                self.features[key] = plain_image(image)
            return {
                name: list(maps) if isinstance(maps, list) else maps
                for name, maps in self.features[key].items()
            }

        def predict_masks(*args, **kwargs):
            self.four = plain_masks(*args, **kwargs)
            return self.four

        def heads(*args, **kwargs):
            result = plain_heads(*args, **kwargs)
            self.ious = result[2][0]
            self.margins.append(self.decision(kwargs.get("multimask_output", False), result[6].item()))
            return result

        def run(**kwargs):
            out, masks = plain_run(**kwargs)
            out["iou"] = 1.0 if kwargs["mask_inputs"] is not None else self.ious.max().item()
            return out, masks

        model.forward_image, model._run_single_frame_inference = forward_image, run
        model._forward_sam_heads, model.sam_mask_decoder.predict_masks = heads, predict_masks

    def decision(self, multimask: bool, score: float) -> list:
        """[gap of the best IoUs, |object score|, |stability - 0.98|]; 9 where no decision depends on it."""
        logits, iou = self.four[0], self.four[1]
        best = np.sort(iou[0, 1:].double().numpy())
        gap, stability = best[-1] - best[-2], 9.0
        if not multimask:
            stability = self.model.sam_mask_decoder._get_stability_scores(logits[:, :1]).item() - 0.98
            gap = gap if stability < 0 else 9.0
        return [gap if score > 0 else 9.0, abs(score), abs(stability) if score > 0 else 9.0]

    def record(self, state, out: dict, frame: int, key: str, masks: torch.Tensor) -> None:
        """All objects on one frame: the returned masks and the stored outputs behind them."""
        for index, obj in enumerate(state["obj_ids"]):
            stored = state["temp_output_dict_per_obj"][index][key].get(frame) if key else None
            outputs = state["output_dict_per_obj"][index]
            stored = (
                stored
                or outputs["cond_frame_outputs"].get(frame)
                or outputs["non_cond_frame_outputs"].get(frame)
            )
            side = self.model.image_size // 4
            out["records"].append(
                {
                    "frame": frame,
                    "obj": obj,
                    "low": stored["pred_masks"][0, 0].clone() if stored else torch.full((side, side), ABSENT),
                    "score": stored["object_score_logits"].item() if stored else float("nan"),
                    "iou": stored["iou"] if stored else float("nan"),
                    "full": masks[index, 0].clone(),
                }
            )

    def step(self, state, step: dict) -> dict:
        model, op = self.model, step["op"]
        self.margins = []
        out = {"records": [], "frames": []}
        if op == "points":
            frame, _, masks = model.add_new_points_or_box(
                state,
                step["frame"],
                step["obj"],
                step.get("points"),
                step.get("labels"),
                step["clear_old"],
                box=step.get("box"),
            )
        elif op == "mask":
            image = ellipse(state["video_width"], state["video_height"], *step["ellipse"])
            frame, _, masks = model.add_new_mask(state, step["frame"], step["obj"], image)
        elif op == "clear":
            frame, _, masks = model.clear_all_prompts_in_frame(state, step["frame"], step["obj"])
        elif op == "remove":
            _, updated = model.remove_object(state, step["obj"])
            for frame, masks in sorted(updated, key=lambda u: u[0]):
                out["frames"].append(frame)
                self.record(state, out, frame, self.shown_key(state, frame), masks)
        elif op == "propagate":
            for frame, _, masks in model.propagate_in_video(
                state, step["start"], step["max"], step["reverse"]
            ):
                out["frames"].append(frame)
                self.record(state, out, frame, "", masks)
        elif op == "reset":
            model.reset_state(state)
        if op in ("points", "mask", "clear"):
            index = state["obj_id_to_idx"][step["obj"]]
            key = self.shown_key(state, frame)
            if op != "clear":
                # The dictionary that holds this prompt's output.
                tracked = frame in state["frames_tracked_per_obj"][index]
                cond = not tracked or model.add_all_frames_to_correct_as_cond
                key = "cond_frame_outputs" if cond else "non_cond_frame_outputs"
            out["frames"].append(frame)
            self.record(state, out, frame, key, masks)
        out["objects"] = list(state["obj_ids"])
        out["margins"] = np.min([[9.0] * 3, *self.margins], axis=0)
        return out

    @staticmethod
    def shown_key(state, frame: int) -> str:
        fresh = state["temp_output_dict_per_obj"].values()
        return (
            "cond_frame_outputs"
            if any(frame in t["cond_frame_outputs"] for t in fresh)
            else "non_cond_frame_outputs"
        )

    def play(self, script: dict) -> list:
        options = OPTIONS | script["options"]
        self.model.non_overlap_masks = options.pop("non_overlap")
        for name, value in options.items():
            assert hasattr(self.model, name), name
            setattr(self.model, name, value)
        with folder_of(frames_of(script["clip"])) as folder, torch.inference_mode():
            state = self.model.init_state(folder)
            return [self.step(state, step) for step in script["steps"]]


class Recorded:
    """Golden file: for every step its frames and objects, and per pair of them scores and sampled logits."""

    def __init__(self):
        self.tensors, self.calibration = {}, {}
        self.undecided: list[str] = []

    def put(self, key: str, value, dtype) -> None:
        assert key not in self.tensors, key
        self.tensors[key] = np.asarray(value, dtype).reshape(-1)

    def add(self, name: str, script: dict, single: list, double: list) -> None:
        self.put(f"{name}#script", np.frombuffer(json.dumps(script).encode(), np.uint8), np.uint8)
        worst, drift, least = 0.0, 0.0, np.full(3, 9.0)
        for n, (step, truth) in enumerate(zip(single, double)):
            key = f"{name}/{n}"
            self.put(f"{key}#objects", step["objects"], np.int64)
            self.put(f"{key}#frames", step["frames"], np.int64)
            assert step["frames"] == truth["frames"]
            least = np.minimum(least, step["margins"])
            if not step["records"]:
                continue
            self.put(f"{key}#margins", step["margins"], np.float32)
            columns = {
                "score": [],
                "iou": [],
                "area": [],
                "near": [],
                "low": [],
                "norm": [],
                "full": [],
                "f64": [],
            }
            for record, exact in zip(step["records"], truth["records"]):
                seed = seeded.fnv1a64(f"{key}/{record['frame']}/{record['obj']}")
                low, full = record["low"].numpy().ravel(), record["full"].numpy().ravel()
                at = [
                    seeded.splitmix64(seed, 0, count) % np.uint64(all.size)
                    for count, all in ((LOW, low), (FULL, full))
                ]
                columns["score"].append(record["score"])
                columns["iou"].append(record["iou"])
                drift = np.fmax(drift, abs(record["iou"] - exact["iou"]))
                columns["area"].append((full > 0).sum())
                columns["near"].append((np.abs(full) < 1e-3).sum())
                columns["low"].append(low[at[0].astype(np.int64)])
                columns["norm"].append(np.linalg.norm(low.astype(np.float64)))
                columns["full"].append(full[at[1].astype(np.int64)])
                columns["f64"].append(rel_l2(low, exact["low"].numpy()))
            worst = max(worst, *columns["f64"])
            for column, values in columns.items():
                dtype = {"area": np.int32, "near": np.int32, "norm": np.float64}.get(column, np.float32)
                self.put(f"{key}#{column}", np.array(values), dtype)
        self.calibration[name] = worst
        gap, score, stability = least
        print(
            f"  {name}: float32 {worst:.1e}, IoU {drift:.1e}; "
            f"margins: {gap:.1e}, score {score:.3f}, stability {stability:.4f}"
        )
        # Below this margin rounding could decide, and later frames could not be compared.
        if not (gap > max(1e-5, 20 * drift) and score > 1e-2 and stability > 1e-3):
            self.undecided.append(name)

    def report(self) -> None:
        """Nothing: every script has been reported as it was added."""

    def save(self, path) -> None:
        probes = Probes()
        probes.tensors = self.tensors
        probes.save(path)


def composed(model_name: str, side: int):
    """A published configuration at another image size, with the overrides of Meta's builder."""
    layer = "model.memory_attention.layer."
    grid = [side // 16, side // 16]
    overrides = [f"++{layer}self_attention.feat_sizes={grid}", f"++{layer}cross_attention.feat_sizes={grid}"]
    config = compose(
        config_name=oracle.CONFIGS[model_name], overrides=[f"++model.image_size={side}", *overrides]
    )
    return OmegaConf.to_container(config.model, resolve=True) | golden_demo.BUILDER


def seeded_model(model_name: str, model):
    """The model with seeded weights, in the current default dtype."""
    state = oracle.seeded_state_dict(model_name, model)
    model.load_state_dict({k: v.to(torch.get_default_dtype()) for k, v in state.items()}, strict=True)
    model = model.eval().requires_grad_(False).to(torch.get_default_dtype())
    oracle.rebuild_rope(model)
    return model


def build_at(model_name: str, side: int):
    return seeded_model(
        model_name, instantiate(OmegaConf.create(composed(model_name, side)), _recursive_=True)
    )


def build_micro(model_name: str):
    """The embedded model's configuration with seeded weights."""
    return seeded_model(model_name, golden_demo.build(golden_demo.EARLIER))


@mock.patch.object(misc, "get_connected_components", components)  # Meta's needs CUDA
def record(build, scripts: dict) -> Recorded:
    recorded = Recorded()
    single = Session(build())
    singles = {name: single.play(script) for name, script in scripts.items()}
    with oracle.float64():
        double = Session(build())
        doubles = {name: double.play(script) for name, script in scripts.items()}
    for name, script in scripts.items():
        recorded.add(name, script, singles[name], doubles[name])
    assert not recorded.undecided, f"change the prompts of {recorded.undecided}"
    return recorded


def demo() -> Recorded:
    return record(functools.partial(golden_demo.build, golden_demo.EARLIER), scenarios.DEMO)


def tiny(side: int, scripts: dict) -> Recorded:
    model = "sam2.1_hiera_tiny"
    recorded = record(functools.partial(build_at, model, side), scripts)
    recorded.put(
        "model#config", np.frombuffer(json.dumps(composed(model, side)).encode(), np.uint8), np.uint8
    )
    return recorded


def fickle() -> Recorded:
    return record(functools.partial(build_micro, "seeded.micro_fickle"), scenarios.FICKLE)
