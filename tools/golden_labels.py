"""Goldens of prompts with every label of Meta's prompt encoder, −1 (padding) included: embedded checkpoint,
two frames of the bundled clip, the image predictor and the video predictor.
"""

import warnings

import numpy as np
import torch

import golden_demo
import oracle
from golden_predictor import make
from golden_scenarios import demo_frames, folder_of
from probes import Probes

# Points and their labels. The coordinates of a −1 have no effect.
PROMPTS = {
    "padded": ([[58.0, 100.0], [0.0, 0.0]], [1, -1]),
    "padded_first": ([[300.0, 10.0], [58.0, 100.0], [200.5, 120.25]], [-1, 1, 0]),
    "padded_twice": ([[58.0, 100.0], [0.0, 0.0], [-50.0, 999.0]], [1, -1, -1]),
    "corners": ([[4.0, 40.0], [110.0, 180.0]], [2, 3]),
    "padded_corners": ([[4.0, 40.0], [110.0, 180.0], [0.0, 0.0]], [2, 3, -1]),
    "only_padding": ([[58.0, 100.0]], [-1]),
}
# With the first of `PROMPTS`.
BOX = [4.0, 40.0, 110.0, 180.0]
# A batch of two prompts, the second one padded to the length of the first.
RAGGED = ([[[58.0, 100.0], [200.5, 120.25]], [[58.0, 100.0], [0.0, 0.0]]], [[1, 0], [1, -1]])
# Prompts of the video predictor on frame 0, each tracked into frame 1.
VIDEO = ("padded", "padded_first", "padded_corners")


def cases() -> dict:
    frames, model, out = demo_frames()[:2], golden_demo.build(), {}
    image = make(model)

    def add(case: str, result) -> None:
        out.update({f"{case}/{part}": value for part, value in zip(("logits", "iou", "low_res"), result)})

    with torch.inference_mode(), folder_of(frames) as folder, warnings.catch_warnings():
        # Meta's hole filling needs CUDA and warns.
        warnings.simplefilter("ignore")
        image.set_image(frames[0])
        for multi in (True, False):
            kind = "multi" if multi else "single"
            ask = lambda points, labels, **box: image.predict(
                np.array(points), np.array(labels), **box, multimask_output=multi, return_logits=True
            )
            for name, prompt in PROMPTS.items():
                add(f"{name}/{kind}", ask(*prompt))
            add(f"padded_box/{kind}", ask(*PROMPTS["padded"], box=np.array(BOX)))
            add(f"ragged/{kind}", ask(*RAGGED))
        for name in VIDEO:
            points, labels = PROMPTS[name]
            state = model.init_state(folder)
            model.add_new_points_or_box(state, 0, 1, points=points, labels=labels)
            for n, _, masks in model.propagate_in_video(state):
                outputs = state["output_dict_per_obj"][0]
                stored = outputs["cond_frame_outputs"].get(n) or outputs["non_cond_frame_outputs"][n]
                out[f"video_{name}/{n}/logits"] = masks[0, 0].clone()
                out[f"video_{name}/{n}/low_res"] = stored["pred_masks"][0, 0].clone()
                out[f"video_{name}/{n}/object_score"] = stored["object_score_logits"][0].clone()
    return out


def labels() -> Probes:
    single = cases()
    with oracle.float64():
        double = cases()
    probes = Probes()
    for name, (points, labels) in PROMPTS.items():
        probes.fact(f"{name}#points", points, np.float32)
        probes.fact(f"{name}#labels", labels, np.int32)
    probes.fact("ragged#points", RAGGED[0], np.float32)
    probes.fact("ragged#labels", RAGGED[1], np.int32)
    probes.fact("padded_box#box", BOX, np.float32)
    for name, value in single.items():
        probes.add(name, value, double[name], samples=256)
    return probes
