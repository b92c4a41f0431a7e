"""Goldens of SAMURAI from its published code: python tools/golden_samurai.py CHECKOUT [--libraries FOLDER]

CHECKOUT is a clone of github.com/yangchris11/samurai (Apache-2.0); its fork of sam2 replaces the package.
Also needs scipy and loguru. Writes tests/golden/samurai.safetensors.
"""

import argparse
import json
import pathlib
import sys

import numpy as np

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "samurai.safetensors"
FRAMES = 40
# Samples per frame of the low-resolution logits.
LOW = 32
# Values of the fork's configuration for tiny, small and base+.
OPTIONS = {
    "stable_frames_threshold": 15,
    "stable_ious_threshold": 0.3,
    "min_obj_score_logits": -1.0,
    "kf_score_weight": 0.25,
    "memory_bank_iou_threshold": 0.5,
    "memory_bank_obj_score_threshold": 0.0,
    "memory_bank_kf_score_threshold": 0.0,
}
# The bundled clip forwards, then backwards.
PING_PONG = {"gif": "balloon.gif", "frames": [*range(30), *range(28, 18, -1)]}


def mixed(letters: str) -> dict:
    """Cuts between synthetic clips; each resumes at its next frame."""
    seen = dict.fromkeys(letters, 0)
    frames = []
    for letter in letters:
        frames.append([f"clip.{letter}", 2 * seen[letter]])
        seen[letter] += 1
    return {"photo": [480, 270], "frames": frames}


CLICK = {"points": [[58.0, 100.0]], "labels": [1]}
SEEDED_CLICK = {"points": [[140.0, 90.0]], "labels": [1]}
# name -> (model, clip, prompt on frame 0, options that differ)
CASES = {
    "demo_box": ("embedded", PING_PONG, {"box": [5.0, 41.0, 110.0, 180.0]}, {}),
    "demo_click": ("embedded", PING_PONG, CLICK, {}),
    # IoU estimates below the threshold before and after the filter is trusted; memories not selected.
    "demo_reset": (
        "embedded",
        PING_PONG,
        CLICK,
        {
            "stable_ious_threshold": 0.7,
            "stable_frames_threshold": 3,
            "kf_score_weight": 0.15,
            "memory_bank_iou_threshold": 0.75,
        },
    ),
    # The motion score overrides the IoU estimates.
    "demo_motion": ("embedded", PING_PONG, CLICK, {"kf_score_weight": 0.85}),
    # The object score crosses 0 (memories are no longer selected) and -1 (the object is absent).
    "demo_shy": ("embedded", PING_PONG, CLICK, {"object_score_shift": -6.5}),
    "seeded": (
        "seeded.micro_present",
        mixed("b" * 24 + "a" * 8 + "b" * 8),
        SEEDED_CLICK,
        {"stable_frames_threshold": 8},
    ),
}


class Noted(dict):
    """A stored output that records reads of its memory."""

    def __init__(self, values, frame: int, log: list):
        super().__init__(values)
        self.frame, self.log = frame, log

    def __getitem__(self, key):
        if key == "maskmem_features":
            self.log.append(self.frame)
        return super().__getitem__(key)


def build(model_name: str, options: dict):
    import golden_demo
    import seeded
    from golden_scenarios import seeded_model

    model = golden_demo.build(golden_demo.EARLIER)
    if model_name != "embedded":
        model = seeded_model(model_name, model)
    model.samurai_mode = True
    if shift := options.pop("object_score_shift", None):
        bias = model.get_parameter(seeded.OBJECT_SCORE_BIAS)
        bias.copy_((bias + shift).half())  # rounded as in the checkpoint
    for name, value in options.items():
        assert hasattr(model, name), name
        setattr(model, name, value)
    return model


def play(case: str) -> list:
    """One record per frame: the selected candidate and the state for the next frame."""
    import torch
    from golden_scenarios import folder_of, frames_of

    model_name, clip, prompt, options = CASES[case]
    model = build(model_name, OPTIONS | options)
    read, seen = [], {}
    heads, attend, run = (
        model._forward_sam_heads,
        model._prepare_memory_conditioned_features,
        model._run_single_frame_inference,
    )
    compare = model.kf.compute_iou

    def compute_iou(*args):
        seen["kf_ious"] = compare(*args)
        return seen["kf_ious"]

    def forward(*args, **kwargs):
        seen["kf_ious"] = None
        result = heads(*args, **kwargs)
        seen["ious"], seen["best"] = result[2][0].clone(), result[7].item()
        seen["multi"] = kwargs.get("multimask_output", False)
        return result

    def prepare(**kwargs):
        read.clear()
        features = attend(**kwargs)
        seen["memory"] = list(read)
        return features

    def single(**kwargs):
        seen["memory"] = []
        out, masks = run(**kwargs)
        seen["mean"], seen["covariance"] = model.kf_mean, model.kf_covariance
        seen["stable"] = model.stable_frames
        return Noted(out, kwargs["frame_idx"], read), masks

    model.kf.compute_iou, model._forward_sam_heads = compute_iou, forward
    model._prepare_memory_conditioned_features, model._run_single_frame_inference = prepare, single
    records = []
    with folder_of(frames_of(clip)) as folder, torch.inference_mode():
        state = model.init_state(folder)
        model.add_new_points_or_box(
            state, 0, 1, prompt.get("points"), prompt.get("labels"), box=prompt.get("box")
        )
        for frame, _, masks in model.propagate_in_video(state):
            outputs = state["output_dict"]
            stored = outputs["cond_frame_outputs"].get(frame) or outputs["non_cond_frame_outputs"][frame]
            ious = seen["ious"].double().numpy()
            where = np.argwhere(masks[0, 0].numpy() > 0)
            box = [*where.min(axis=0)[::-1], *where.max(axis=0)[::-1]] if len(where) else [0, 0, 0, 0]
            chosen = int(np.argmin(np.abs(ious - seen["best"])))
            kf = seen["kf_ious"]
            weight = model.kf_score_weight
            choice = ious if kf is None else weight * np.array(kf) + (1 - weight) * ious
            gap = np.diff(np.sort(choice))[-1] if seen["multi"] else 9.0
            if seen["multi"]:
                assert chosen == np.argmax(choice), (case, frame)
            records.append(
                {
                    "chosen": chosen,
                    "ious": ious if seen["multi"] else np.full(3, np.nan),
                    "best": seen["best"],
                    "kf_ious": np.full(3, np.nan) if kf is None else np.array(kf, np.float64),
                    "score": stored["object_score_logits"].item(),
                    "mean": np.full(8, np.nan) if seen["mean"] is None else seen["mean"],
                    "covariance": np.full((8, 8), np.nan) if seen["mean"] is None else seen["covariance"],
                    "stable": seen["stable"],
                    "memory": ([-1] * 6 + seen["memory"])[-6:],
                    "box": box,
                    "low": stored["pred_masks"][0, 0].clone().numpy(),
                    # Margin of every decision.
                    "margins": [
                        gap,
                        min(
                            abs(seen["best"] - model.stable_ious_threshold),
                            abs(seen["best"] - model.memory_bank_iou_threshold),
                        ),
                        min(
                            abs(stored["object_score_logits"].item() - at)
                            for at in (0.0, model.min_obj_score_logits)
                        ),
                    ],
                }
            )
    return records


COLUMNS = {
    "chosen": np.int32,
    "ious": np.float32,
    "best": np.float32,
    "kf_ious": np.float64,
    "score": np.float32,
    "mean": np.float64,
    "covariance": np.float64,
    "stable": np.int32,
    "memory": np.int32,
    "box": np.int32,
    "margins": np.float32,
}


def kalman() -> dict:
    """The Kalman filter alone on synthetic boxes: initiate, then predict and, on most steps, update."""
    import seeded
    from sam2.utils.kalman_filter import KalmanFilter

    kf = KalmanFilter()
    noise = seeded.draw("kalman.noise", (FRAMES, 4), 0.0, 3.0).astype(np.float64)
    boxes = np.array([[100 + 4 * t, 80 - t, 180 + 5 * t, 220 + 2 * t] for t in range(FRAMES)]) + np.round(
        noise
    )
    boxes[17] = [300, 40, 420, 40]  # height 0
    boxes[18] = [0, 0, 0, 0]  # the box of an empty mask
    missed = [5, 6, 30]
    means, covariances, ious = [], [], []
    for t, box in enumerate(boxes.tolist()):
        if t == 0:
            mean, covariance = kf.initiate(kf.xyxy_to_xyah(box))
            ious.append([np.nan] * 2)
        else:
            mean, covariance = kf.predict(mean, covariance)
            shifted = [box[0] + 10, box[1], box[2] + 10, box[3]]
            ious.append(kf.compute_iou(mean[:4], [box, shifted]))
            if t not in missed:
                mean, covariance = kf.update(mean, covariance, kf.xyxy_to_xyah(box))
        means.append(mean)
        covariances.append(covariance)
    return {
        "kalman#boxes": boxes,
        "kalman#missed": np.array(missed, np.int32),
        "kalman#mean": np.array(means),
        "kalman#covariance": np.array(covariances).reshape(-1),
        "kalman#ious": np.array(ious).reshape(-1),
    }


def check_purpose(case: str, records: list) -> None:
    """Fails if a case no longer exercises its branch, as new weights may cause: then change its options."""
    scores, stable = [r["score"] for r in records], [r["stable"] for r in records]
    if case == "demo_shy":
        assert scores[0] > 0 and any(-1 < s < 0 for s in scores) and min(scores) < -1, scores
    if case == "demo_reset":
        resets = {before for before, after in zip(stable, stable[1:]) if after == 0}
        assert resets & {1, 2} and 3 in resets, stable


def samurai() -> dict:
    import oracle
    import seeded
    from probes import rel_l2

    tensors = kalman()
    for case, (model, clip, prompt, options) in CASES.items():
        single = play(case)
        check_purpose(case, single)
        with oracle.float64():
            double = play(case)
        script = {"model": model, "clip": clip, "prompt": prompt, "options": OPTIONS | options}
        tensors[f"{case}#script"] = np.frombuffer(json.dumps(script).encode(), np.uint8)
        for column, dtype in COLUMNS.items():
            tensors[f"{case}#{column}"] = np.array([r[column] for r in single], dtype).reshape(-1)
        samples, norms = [], []
        for frame, record in enumerate(single):
            low = record["low"].ravel()
            at = seeded.splitmix64(seeded.fnv1a64(f"{case}/{frame}"), 0, LOW) % np.uint64(low.size)
            samples.append(low[at.astype(np.int64)])
            norms.append(np.linalg.norm(low.astype(np.float64)))
        tensors[f"{case}#low"] = np.array(samples, np.float32).reshape(-1)
        tensors[f"{case}#norm"] = np.array(norms, np.float64)
        distance = [rel_l2(a["low"], b["low"]) for a, b in zip(single, double)]
        tensors[f"{case}#f64"] = np.array(distance, np.float32)
        least = np.min([r["margins"] for r in single], axis=0)
        same = all(
            a["chosen"] == b["chosen"] and a["memory"] == b["memory"] and a["box"] == b["box"]
            for a, b in zip(single, double)
        )
        moved = sum(r["chosen"] != np.argmax(r["ious"]) for r in single if not np.isnan(r["kf_ious"]).any())
        kalman_rows = sum(not np.isnan(r["kf_ious"]).any() for r in single)
        print(
            f"{case}: float32 {max(distance):.1e}, same decisions {same}, margins {np.round(least, 4)}, "
            f"by motion {kalman_rows} frames, {moved} otherwise chosen"
        )
        print("  stable", [r["stable"] for r in single])
        print("  best", [round(r["best"], 2) for r in single])
        print("  score", [round(r["score"], 2) for r in single])
        print("  memory", [r["memory"] for r in single][-6:])
    return tensors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=pathlib.Path)
    parser.add_argument(
        "--libraries", type=pathlib.Path, help="folder with scipy and loguru, if they are not installed"
    )
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    sys.path.insert(0, str(args.checkout / "sam2"))
    if args.libraries:
        sys.path.append(str(args.libraries))
    import sam2
    import torch
    from probes import Probes

    assert pathlib.Path(sam2.__path__[0]).is_relative_to(args.checkout.resolve()), "the fork comes first"
    torch.set_num_threads(args.threads)
    probes = Probes()
    probes.tensors = samurai()
    probes.save(GOLDEN)
    print(GOLDEN.name, GOLDEN.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
