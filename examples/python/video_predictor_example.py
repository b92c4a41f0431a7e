"""Masks through a video: the calls of Meta's notebook of this name.

    python examples/python/video_predictor_example.py [FOLDER]

Only the import and the checkpoint differ from Meta's: the small model and a bundled clip of 30 frames, so
that nothing is downloaded. Pictures go to FOLDER, by default ``examples-out``. torch is used if it is there.
"""

import sys
from pathlib import Path

import numpy as np
from drawing import draw, save
from PIL import Image, ImageSequence

from sam2_cpu.build_sam import build_sam2_video_predictor

try:
    import torch

    device = torch.device("cpu")
except ImportError:
    device = "cpu"

assets = Path(__file__).resolve().parents[2] / "assets"
out = Path(sys.argv[1] if len(sys.argv) > 1 else "examples-out")

# Model and clip. A folder of pictures or a video file does as well.
sam2_checkpoint = assets / "sam2.1_micro.safetensors"
model_cfg = assets / "sam2.1_micro.yaml"
predictor = build_sam2_video_predictor(model_cfg, sam2_checkpoint, device=device)
video_dir = str(assets / "balloon.gif")
frames = [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(Image.open(video_dir))]
vis_frame_stride = 7


def propagate():
    """Frame -> object -> mask."""
    video_segments = {}
    for out_frame_idx, out_obj_ids, out_mask_logits in predictor.propagate_in_video(inference_state):
        video_segments[out_frame_idx] = {
            out_obj_id: (out_mask_logits[i] > 0.0).cpu().numpy() for i, out_obj_id in enumerate(out_obj_ids)
        }
    return video_segments


def show(name, video_segments):
    """Every seventh frame with its masks."""
    chosen = range(0, len(frames), vis_frame_stride)
    save(out, name, *(draw(frames[i], [m[0] for m in video_segments[i].values()]) for i in chosen))


def on_frame(index, out_mask_logits, points=None, labels=None, boxes=()):
    """A prompted frame with its masks."""
    masks = [(logits[0] > 0.0).cpu().numpy() for logits in out_mask_logits]
    return draw(frames[index], masks, points, labels, boxes)


# Example 1: an object from clicks.
inference_state = predictor.init_state(video_path=video_dir)
predictor.reset_state(inference_state)
ann_frame_idx = 0
ann_obj_id = 1
points = np.array([[58, 100]], dtype=np.float32)
labels = np.array([1], np.int32)
_, out_obj_ids, out_mask_logits = predictor.add_new_points_or_box(
    inference_state=inference_state,
    frame_idx=ann_frame_idx,
    obj_id=ann_obj_id,
    points=points,
    labels=labels,
)
one_click = on_frame(ann_frame_idx, out_mask_logits, points, labels)

# A second click refines it.
points = np.array([[58, 100], [58, 172]], dtype=np.float32)
labels = np.array([1, 1], np.int32)
_, out_obj_ids, out_mask_logits = predictor.add_new_points_or_box(
    inference_state=inference_state,
    frame_idx=ann_frame_idx,
    obj_id=ann_obj_id,
    points=points,
    labels=labels,
)
save(out, "video_clicks", one_click, on_frame(ann_frame_idx, out_mask_logits, points, labels))
video_segments = propagate()
show("video_from_clicks", video_segments)

# A click off the object on a later frame corrects the mask there, and the clip is tracked again.
ann_frame_idx = 25
points = np.array([[160, 150]], dtype=np.float32)
labels = np.array([0], np.int32)
before = draw(frames[ann_frame_idx], [video_segments[ann_frame_idx][ann_obj_id][0]])
_, _, out_mask_logits = predictor.add_new_points_or_box(
    inference_state=inference_state,
    frame_idx=ann_frame_idx,
    obj_id=ann_obj_id,
    points=points,
    labels=labels,
)
save(out, "video_correction", before, on_frame(ann_frame_idx, out_mask_logits, points, labels))
video_segments = propagate()
show("video_after_correction", video_segments)

# Example 2: an object from a box, then from the box and a click.
predictor.reset_state(inference_state)
ann_frame_idx = 0
ann_obj_id = 4
box = np.array([2, 38, 114, 182], dtype=np.float32)
_, out_obj_ids, out_mask_logits = predictor.add_new_points_or_box(
    inference_state=inference_state,
    frame_idx=ann_frame_idx,
    obj_id=ann_obj_id,
    box=box,
)
from_box = on_frame(ann_frame_idx, out_mask_logits, boxes=[box])
points = np.array([[58, 172]], dtype=np.float32)
labels = np.array([1], np.int32)
_, out_obj_ids, out_mask_logits = predictor.add_new_points_or_box(
    inference_state=inference_state,
    frame_idx=ann_frame_idx,
    obj_id=ann_obj_id,
    points=points,
    labels=labels,
    box=box,
)
save(out, "video_box", from_box, on_frame(ann_frame_idx, out_mask_logits, points, labels, [box]))
video_segments = propagate()
show("video_from_box", video_segments)

# Example 3: two objects at once.
predictor.reset_state(inference_state)
prompts = {}
ann_frame_idx = 0
ann_obj_id = 2
points = np.array([[58, 100]], dtype=np.float32)
labels = np.array([1], np.int32)
prompts[ann_obj_id] = points, labels
_, out_obj_ids, out_mask_logits = predictor.add_new_points_or_box(
    inference_state=inference_state,
    frame_idx=ann_frame_idx,
    obj_id=ann_obj_id,
    points=points,
    labels=labels,
)
points = np.array([[58, 100], [160, 150]], dtype=np.float32)
labels = np.array([1, 0], np.int32)
prompts[ann_obj_id] = points, labels
_, out_obj_ids, out_mask_logits = predictor.add_new_points_or_box(
    inference_state=inference_state,
    frame_idx=ann_frame_idx,
    obj_id=ann_obj_id,
    points=points,
    labels=labels,
)
ann_obj_id = 3
points = np.array([[275, 48]], dtype=np.float32)
labels = np.array([1], np.int32)
prompts[ann_obj_id] = points, labels
_, out_obj_ids, out_mask_logits = predictor.add_new_points_or_box(
    inference_state=inference_state,
    frame_idx=ann_frame_idx,
    obj_id=ann_obj_id,
    points=points,
    labels=labels,
)
points = np.concatenate([points for points, _ in prompts.values()])
labels = np.concatenate([labels for _, labels in prompts.values()])
save(out, "video_two_objects", on_frame(ann_frame_idx, out_mask_logits, points, labels))
video_segments = propagate()
show("video_of_two_objects", video_segments)
