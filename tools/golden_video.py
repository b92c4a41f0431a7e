"""Goldens of tiny's video predictor on synthetic frames: whole clips, single frames over a seeded bank."""

import contextlib
import pathlib
import tempfile
import warnings

import numpy as np
import torch
from PIL import Image

import oracle
import seeded
import taps as t
from golden_modules import bank, decision_margins
from probes import Probes

CLIP = ("clip.a", 480, 270)
MODEL = "sam2.1_hiera_tiny"


@contextlib.contextmanager
def clip_folder(frames: int):
    """PNG frames named .jpg: Meta's loader requires that extension, Pillow detects the format itself."""
    name, width, height = CLIP
    with tempfile.TemporaryDirectory() as folder:
        for f in range(frames):
            picture = Image.fromarray(seeded.photo(name, width, height, f))
            picture.save(pathlib.Path(folder) / f"{f:05d}.jpg", format="PNG")
        yield folder


def patch_memory_without_pointers(model) -> None:
    """Casts memories to float32: without pointer tokens they stay bf16, which float32 weights reject."""
    model.memory_attention.register_forward_pre_hook(
        lambda m, args, kwargs: (args, kwargs | {"memory": kwargs["memory"].to(torch.get_default_dtype())}),
        with_kwargs=True,
    )


def state_taps(state, obj: int, frame: int) -> dict:
    """The predictor's stored output of one object on one frame."""
    outputs = state["output_dict_per_obj"][state["obj_id_to_idx"][obj]]
    out = outputs["cond_frame_outputs"].get(frame) or outputs["non_cond_frame_outputs"][frame]
    return {
        "low_res": out["pred_masks"][0, 0],
        "object_score": out["object_score_logits"][0],
        "obj_ptr": out["obj_ptr"][0],
        "memory": rows_of(out["maskmem_features"].to(torch.get_default_dtype())),
    }


def rows_of(memory: torch.Tensor) -> torch.Tensor:
    """A memory as [H, W, C], or, of EdgeTAM, as its tokens [N, C]."""
    return t.hwc(memory) if memory.ndim == 4 else memory[0]


def near_decisions(taps: dict) -> list:
    """[share of low-resolution logits within 1e-3 of zero, share of foreground]."""
    low = taps["low_res"]
    return [float((low.abs() < 1e-3).double().mean()), float((low > 0).double().mean())]


# Long enough that every slot and all 16 pointers are in use.
LONG = (
    18,
    [
        (0, 1, {"points": [(140.0, 90.0)], "labels": [1]}),
        (0, 2, {"box": (220.0, 60.0, 400.0, 220.0)}),
    ],
)
# name -> (frames, prompts in order). A prompt is (frame, object, {points, labels | box | mask}).
CLIPS = {
    "clip": (
        10,
        [
            (0, 1, {"points": [(140.0, 90.0)], "labels": [1]}),
            (0, 2, {"box": (220.0, 60.0, 400.0, 220.0)}),
        ],
    ),
    # A mask prompt, and an object prompted on a later frame with two clicks. Frames before its prompt are
    # tracked without pointers; the second click takes the first click's logits as mask prompt.
    "late": (
        5,
        [
            (0, 7, {"mask": "input.clip_mask"}),
            (2, 3, {"points": [(300.0, 150.0)], "labels": [1]}),
            (2, 3, {"points": [(330.0, 30.0)], "labels": [0], "keep": True}),
        ],
    ),
}


def clip_mask(name: str) -> np.ndarray:
    """A boolean mask [270, 480], cut from a seeded field."""
    return seeded.smooth(name, 512, 512, 128, 0.0, 1.0)[:270, :480] > 0


def clip_case(model, clip: str) -> dict:
    frames, prompts = CLIPS[clip]
    patch_memory_without_pointers(model)
    out, ious, decisions = {}, {}, {}
    plain = model._forward_sam_heads

    def spy(*args, **kwargs):
        heads = plain(*args, **kwargs)
        ious["last"] = heads[2][0].clone()
        return heads

    model._forward_sam_heads = spy
    with clip_folder(frames) as folder, warnings.catch_warnings():
        # Meta's hole filling warns on every frame that its CUDA kernel is missing.
        warnings.simplefilter("ignore")
        state = model.init_state(folder)
        for frame, obj, prompt in prompts:
            if "mask" in prompt:
                model.add_new_mask(state, frame, obj, clip_mask(prompt["mask"]))
                out[f"{clip}/{frame}/{obj}/iou"] = torch.ones(1)
                continue
            model.add_new_points_or_box(
                state,
                frame,
                obj,
                points=prompt.get("points"),
                labels=prompt.get("labels"),
                box=prompt.get("box"),
                clear_old_points=not prompt.get("keep", False),
            )
            out[f"{clip}/{frame}/{obj}/iou"] = ious["last"]
        # One frame and object at a time, so that each IoU is attributed.
        run = model._run_single_frame_inference
        tracked = []

        def traced(**kwargs):
            result = run(**kwargs)
            tracked.append(ious["last"])
            return result

        model._run_single_frame_inference = traced
        for frame, objects, masks in model.propagate_in_video(state):
            for n, obj in enumerate(objects):
                prefix = f"{clip}/{frame}/{obj}/"
                out |= {prefix + name: tap.clone() for name, tap in state_taps(state, obj, frame).items()}
                if prefix + "iou" not in out:
                    out[prefix + "iou"] = tracked.pop(0)
                out[prefix + "video_res"] = masks[n, 0].clone()
        assert not tracked
    del model._forward_sam_heads, model._run_single_frame_inference
    return out


def video(clip: str) -> Probes:
    single = clip_case(oracle.build(MODEL, video=True), clip)
    with oracle.float64():
        double = clip_case(oracle.build_float64(MODEL, video=True), clip)
    return clip_probes(clip, single, double, {"low_res": 2048, "memory": 1024, "": 512})


def clip_probes(clip: str, single: dict, double: dict | None, samples: dict) -> Probes:
    """Probes of a clip; `samples` maps the last part of a name, or "" for the others, to a number."""
    probes = Probes()
    for name, tap in single.items():
        probes.add(name, tap, double and double[name], samples.get(name.split("/")[-1], samples[""]))
    for prefix in sorted({name.rsplit("/", 1)[0] for name in single}):
        iou = np.sort(single[prefix + "/iou"].numpy())[::-1]
        gap = float(iou[0] - iou[1]) if len(iou) > 1 else 1.0
        taps = {"low_res": single[prefix + "/low_res"]}
        score = abs(float(single[prefix + "/object_score"][0]))
        probes.fact(prefix + "#margins", [gap, score, *near_decisions(taps)], np.float64)
    frames, prompts = CLIPS[clip]
    probes.fact(f"{clip}#size", [*CLIP[1:], frames], np.int64)
    for n, (frame, obj, prompt) in enumerate(prompts):
        key = f"{clip}/prompt{n}"
        probes.fact(key + "#frame_object_keep", [frame, obj, prompt.get("keep", False)], np.int64)
        for name, dtype in (("points", np.float32), ("labels", np.int32), ("box", np.float32)):
            if name in prompt:
                probes.fact(f"{key}#{name}", prompt[name], dtype)
    return probes


# name -> (model, cond frames, other frames with outputs); the frame tracked is 9 of 10.
BANKS = {
    "a": (MODEL, [0], [1, 2, 3, 4, 5, 6, 7, 8]),
    "b": (MODEL, [2, 0], [4, 5, 7, 8]),
    "absent": ("sam2.1_hiera_tiny_absent", [0], [5, 6, 7, 8]),
}


def forced_case(model, case: str) -> dict:
    """One tracked frame over seeded memories and pointers (`forced.{case}.memory{f}`, `….pointer{f}`)."""
    _, cond, recent = BANKS[case]
    taps = {}
    with clip_folder(10) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = model.init_state(folder)
        stored = bank(model, f"forced.{case}", cond, recent)
        with t.decoder_recorder(model, taps), t.memory_attention_recorder(model, taps):
            out, _ = model._run_single_frame_inference(
                inference_state=state,
                output_dict=stored,
                frame_idx=9,
                batch_size=1,
                is_init_cond_frame=False,
                point_inputs=None,
                mask_inputs=None,
                reverse=False,
                run_mem_encoder=True,
            )
    names = ("sam_mask_decoder.iou", "sam_mask_decoder.object_score", "sam_mask_decoder.mask_logits")
    kept = {name: taps[name] for name in (*names, "memory_attention.out")}
    kept["low_res"] = out["pred_masks"][0, 0]
    kept["obj_ptr"] = out["obj_ptr"][0]
    kept["memory"] = t.hwc(out["maskmem_features"].to(torch.get_default_dtype()))
    return {f"{case}/{name}": tap.clone() for name, tap in kept.items()}


def forced() -> Probes:
    probes = Probes()
    for case, (model_name, cond, recent) in BANKS.items():
        with torch.inference_mode():
            single = forced_case(oracle.build(model_name, video=True), case)
            with oracle.float64():
                double = forced_case(oracle.build_float64(model_name, video=True), case)
        probes.add_all("", single, double, samples=1024)
        names = ("iou", "object_score", "mask_logits")
        margins = decision_margins(*[single[f"{case}/sam_mask_decoder.{n}"].numpy() for n in names])
        probes.fact(f"{case}#margins", margins, np.float64)
        probes.fact(f"{case}#cond", cond, np.int64)
        probes.fact(f"{case}#recent", recent, np.int64)
    return probes
