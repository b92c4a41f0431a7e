"""Values against Meta's, from the goldens that the Rust tests use: embedded model, bundled clips."""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from cluster import ASSETS

import sam2_cpu
from sam2_cpu import _native
from sam2_cpu.sam2_image_predictor import SAM2ImagePredictor

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools"))
import seeded  # noqa: E402

TYPES = {"F32": np.float32, "F64": np.float64, "I32": np.int32, "I64": np.int64, "U64": np.uint64}


class Golden:
    """A file of samples and statistics (``tools/probes.py``)."""

    def __init__(self, name):
        data = (ROOT / "tests/golden" / name).read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        self._header, self._data = json.loads(data[8 : 8 + length]), data[8 + length :]
        self.compared = 0

    def __getitem__(self, name):
        entry = self._header[name]
        start, end = entry["data_offsets"]
        return np.frombuffer(self._data[start:end], TYPES[entry["dtype"]]).reshape(entry["shape"])

    def compare(self, name, value, tolerance, absolute=False):
        """Shape, samples and statistics. The tolerance is of the relative L2 distance, or of each value."""
        value = np.asarray(value)
        assert value.dtype == np.float32 and list(value.shape) == self[f"{name}#shape"].tolist(), name
        flat, expected = value.ravel(), self[name].ravel()
        if flat.size > expected.size:
            at = seeded.splitmix64(seeded.fnv1a64(name), 0, expected.size) % np.uint64(flat.size)
            kept = flat[at.astype(np.int64)]
        else:
            kept = flat
        distance = np.abs(kept - expected).max()
        if not absolute:
            distance = np.linalg.norm(np.float64(kept) - expected) / np.linalg.norm(np.float64(expected))
        assert distance <= tolerance, f"{name}: {distance}"
        *_, norm = self[f"{name}#stats"]
        assert abs(np.linalg.norm(np.float64(flat)) / norm - 1) <= max(tolerance, 1e-6), name
        self.compared += 1


@pytest.fixture(scope="module")
def balloon():
    clip = _native.ClipNative.open(str(ASSETS / "balloon.gif"))
    return lambda index: clip.frame(index, False)


def test_every_prompt_of_a_picture_gives_metas_values(model, balloon):
    golden = Golden("micro_predictor.safetensors")
    boxes, points, labels, clicks = (golden[f"prompt#{x}"] for x in ("boxes", "points", "labels", "clicks"))
    clicks, ones = clicks.reshape(-1, 1, 2), np.ones((len(clicks), 1), np.int32)

    def add(case, answer):
        for part, value in zip(("logits", "iou", "low_res"), answer):
            golden.compare(f"{case}/{part}", value, *((1e-5, True) if part == "iou" else (1e-4,)))

    plain = SAM2ImagePredictor(model)
    plain.set_image(balloon(0))
    for multi, kind in ((True, "multi"), (False, "single")):
        options = {"multimask_output": multi, "return_logits": True}
        both = {"box": boxes, "point_coords": points, "point_labels": labels}
        add(f"boxes/{kind}", plain.predict(box=boxes, **options))
        add(f"boxes_points/{kind}", plain.predict(**both, **options))
        add(f"clicks/{kind}", plain.predict(clicks, ones, **options))
    one = {"multimask_output": False, "return_logits": True}
    _, iou, low = plain.predict(clicks[0], ones[0])
    best = int(iou.argmax())
    add("refined", plain.predict(clicks[0], ones[0], mask_input=low[best : best + 1], **one))
    _, _, low = plain.predict(box=boxes, **one)
    add("boxes_refined", plain.predict(box=boxes, mask_input=low, **one))

    second = balloon(int(golden["prompt#second_frame"][0]))
    plain.set_image_batch([balloon(0), np.ascontiguousarray(second[:200, :180])])
    two, on = [clicks[0], clicks[0]], [ones[0], ones[0]]
    batch = plain.predict_batch(two, on, box_batch=[None, boxes[0]], return_logits=True)
    for i in range(2):
        add(f"image{i}", [part[i] for part in batch])

    cleaned = SAM2ImagePredictor(model, mask_threshold=-2.0, max_hole_area=40, max_sprinkle_area=60)
    cleaned.set_image(balloon(0))
    add("cleaned", cleaned.predict(box=boxes, return_logits=True))
    areas = cleaned.predict(box=boxes)[0].reshape(9, -1).sum(axis=1)
    assert np.abs(areas - golden["cleaned#area"]).max() <= 2, areas
    assert golden.compared == 33


def test_a_click_through_a_clip_gives_metas_masks(frames):
    """Meta's code fills no holes on a CPU."""
    golden = Golden("micro_demo.safetensors")
    prompt = json.loads((ASSETS / "demo_prompts.jsonl").read_text())
    model = sam2_cpu.build_sam2_micro(video=True, hydra_overrides_extra=["++model.fill_hole_area=0"])
    state = model.init_state(str(ASSETS / "demo.gif"))
    model.add_new_points_or_box(state, 0, 1, prompt["points"], prompt["labels"])
    for index, _, logits in model.propagate_in_video(state):
        logits = logits.numpy()[0, 0]
        golden.compare(f"{index}/video_res", logits, 1e-2)
        runs = golden[f"{index}#mask_runs"]
        expected = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(logits.shape)
        inside = logits > 0
        assert (inside & expected).sum() >= 0.999 * (inside | expected).sum(), f"frame {index}"
    assert golden.compared == 24
