"""Goldens of every input and option of Meta's image predictor: embedded checkpoint, bundled clip.

Holes and specks are removed with OpenCV's connected components instead of Meta's CUDA kernel (`pip install
opencv-python-headless`). Both use 8-connectivity, and only areas are read.
"""

from unittest import mock

import cv2
import numpy as np
import torch
from sam2.sam2_image_predictor import SAM2ImagePredictor
from sam2.utils import misc

import clips
import golden_demo
from probes import Probes

BOXES = [[4.0, 40.0, 110.0, 180.0], [150.0, 60.0, 300.0, 200.0], [0.0, 120.0, 320.0, 240.0]]
POINTS = [[[58.0, 100.0]], [[220.0, 130.0]], [[160.0, 20.0]]]
LABELS = [[1], [1], [0]]
CLICKS = [[58.0, 100.0], [200.5, 120.25], [300.0, 10.0], [1.0, 239.0]]
# Mask threshold and areas (pixels) for which the clean-up changes these masks.
CLEANED = {"mask_threshold": -2.0, "max_hole_area": 40, "max_sprinkle_area": 60}
SECOND_FRAME = 12


def components(mask: torch.Tensor):
    labels, areas = np.zeros(mask.shape, np.int32), np.zeros(mask.shape, np.int32)
    for i, image in enumerate(mask[:, 0].numpy().astype(np.uint8)):
        _, found, stats, _ = cv2.connectedComponentsWithStats(image, connectivity=8)
        labels[i, 0], areas[i, 0] = found, stats[found, cv2.CC_STAT_AREA]
    return torch.from_numpy(labels), torch.from_numpy(areas)


def make(model, **options) -> SAM2ImagePredictor:
    predictor = SAM2ImagePredictor(model, **options)
    side = model.image_size // 4
    predictor._bb_feat_sizes = [(side, side), (side // 2, side // 2), (side // 4, side // 4)]
    return predictor


# Undone for later groups of the same process: on a CPU Meta's code fills no holes.
@mock.patch.object(misc, "get_connected_components", components)
def predictor() -> Probes:
    frames = clips.decode(clips.ASSETS / "balloon.gif")
    model = golden_demo.build()
    plain = make(model)
    probes = Probes()
    for name, value in {"boxes": BOXES, "points": POINTS, "clicks": CLICKS}.items():
        probes.fact(f"prompt#{name}", value, np.float32)
    probes.fact("prompt#labels", LABELS, np.int32)
    probes.fact("prompt#second_frame", SECOND_FRAME, np.int64)

    def add(case, result):
        for part, value in zip(("logits", "iou", "low_res"), result):
            probes.add(f"{case}/{part}", value, samples=512)

    with torch.inference_mode():
        plain.set_image(frames[0])
        boxes, points, labels = np.array(BOXES), np.array(POINTS), np.array(LABELS)
        clicks, ones = np.array(CLICKS)[:, None], np.ones((len(CLICKS), 1), np.int32)
        for multi in (True, False):
            kind = "multi" if multi else "single"
            ask = lambda **prompt: plain.predict(**prompt, multimask_output=multi, return_logits=True)
            add(f"boxes/{kind}", ask(box=boxes))
            add(f"boxes_points/{kind}", ask(box=boxes, point_coords=points, point_labels=labels))
            add(f"clicks/{kind}", ask(point_coords=clicks, point_labels=ones))
        _, iou, low = plain.predict(clicks[0], ones[0], return_logits=True)
        best = int(iou.argmax())
        add(
            "refined",
            plain.predict(
                clicks[0],
                ones[0],
                mask_input=low[best : best + 1],
                multimask_output=False,
                return_logits=True,
            ),
        )
        # The same refinement for a batch of boxes, each with its own mask prompt.
        _, _, low = plain.predict(box=boxes, multimask_output=False, return_logits=True)
        add(
            "boxes_refined",
            plain.predict(box=boxes, mask_input=low, multimask_output=False, return_logits=True),
        )

        plain.set_image_batch([frames[0], np.ascontiguousarray(frames[SECOND_FRAME][:200, :180])])
        batch = plain.predict_batch(
            [clicks[0], clicks[0]], [ones[0], ones[0]], box_batch=[None, boxes[0]], return_logits=True
        )
        for i in range(2):
            add(f"image{i}", [part[i] for part in batch])

        cleaned = make(model, **CLEANED)
        cleaned.set_image(frames[0])
        plain.set_image(frames[0])
        add("cleaned", cleaned.predict(box=boxes, return_logits=True))
        without, with_ = (
            plain.predict(box=boxes, return_logits=True)[0],
            cleaned.predict(box=boxes, return_logits=True)[0],
        )
        probes.fact(
            "cleaned#changed",
            [(a != b).sum() for a, b in zip(without.reshape(9, -1), with_.reshape(9, -1))],
            np.int64,
        )
        masks = cleaned.predict(box=boxes)[0].reshape(9, *frames.shape[1:3])
        probes.fact("cleaned#area", masks.sum((1, 2)), np.int64)
        for name, value in CLEANED.items():
            probes.fact(f"cleaned#{name}", value, np.float32)
    print("pixels that the clean-up changed:", probes.tensors["cleaned#changed"].tolist())
    return probes
