"""The scripts with the calls of Meta's notebooks, and what their pictures show."""

import subprocess
import sys

import numpy as np
import pytest
from cluster import ASSETS, EXAMPLES

Image = pytest.importorskip("PIL.Image")
ImageSequence = pytest.importorskip("PIL.ImageSequence")


def run(name, out, *args):
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), str(out), *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def frames(clip):
    with Image.open(ASSETS / clip) as pictures:
        return [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(pictures)]


FRAMES = frames("balloon.gif")
TRUTH = [frame[..., 0] > 127 for frame in frames("balloon_truth.gif")]


def painted(path, indices):
    """The masks of a sheet with these frames side by side: what differs from the frames."""
    sheet = np.array(Image.open(path))[::2, ::2]
    assert sheet.shape == (240, 320 * len(indices), 3), path
    panels = np.split(sheet, len(indices), axis=1)
    return [(panel != FRAMES[index]).any(axis=-1) for panel, index in zip(panels, indices)]


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def test_images(tmp_path):
    printed = run("image_predictor_example", tmp_path).splitlines()
    assert printed[0] == "(1, 128, 16, 16) (128, 16, 16)" and printed[1].startswith("(3, 240, 320) [")
    assert sum(line.endswith(".png") for line in printed) == len(list(tmp_path.glob("*.png"))) == 6
    # The small model leaves the basket out, which the truth has.
    for mask in painted(tmp_path / "image_click.png", [0, 0, 0]):
        assert iou(mask, TRUTH[0]) > 0.9
    for mask in painted(tmp_path / "image_two_clicks.png", [0, 0]):
        assert iou(mask, TRUTH[0]) > 0.9
    (mask,) = painted(tmp_path / "image_boxes.png", [0])
    tower = mask[60:200, 130:200]
    assert tower.all() and iou(mask[:, :110], TRUTH[0][:, :110]) > 0.85


def test_videos(tmp_path):
    run("video_predictor_example", tmp_path)
    assert len(list(tmp_path.glob("*.png"))) == 8
    shown = [0, 7, 21, 28]
    for name in ("video_from_clicks", "video_after_correction", "video_from_box"):
        masks = painted(tmp_path / f"{name}.png", [0, 7, 14, 21, 28])
        for index in shown:
            assert iou(masks[index // 7], TRUTH[index]) > 0.85, f"{name}, frame {index}"
    two = painted(tmp_path / "video_of_two_objects.png", [0, 7, 14, 21, 28])
    assert two[0][40:56, 268:282].all(), "the small balloon"


def test_everything(tmp_path):
    printed = run("automatic_mask_generator_example", tmp_path, "16").splitlines()
    assert int(printed[0]) >= 3 and int(printed[2]) > int(printed[0])
    keys = "['segmentation', 'area', 'bbox', 'predicted_iou', 'point_coords', 'stability_score', 'crop_box']"
    assert printed[1] == f"dict_keys({keys})"
    few, many = painted(tmp_path / "automatic.png", [0, 0])
    assert iou(few[:, :110], TRUTH[0][:, :110]) > 0.85 and many.mean() > 0.9
