"""Every refusal: its class, which Meta's callers catch, and its words."""

import pickle

import numpy as np
import pytest
from conftest import CLICK, ON

import sam2_cpu
from sam2_cpu import build_sam
from sam2_cpu.sam2_image_predictor import SAM2ImagePredictor


@pytest.mark.parametrize(
    "image, error, words",
    [
        ("photo.jpg", NotImplementedError, "Image format not supported"),
        (np.zeros((4, 4, 3)), TypeError, "multiply by 255"),
        (np.zeros((4, 4, 3), np.int64), TypeError, "int64"),
        (np.zeros((4, 4), np.uint8), ValueError, r"\(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), ValueError, r"\(4, 4, 4\).*alpha"),
        (np.zeros((3, 4, 4), np.uint8), ValueError, r"\(3, 4, 4\).*channels come last"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, r"\(0, 4, 3\)"),
    ],
)
def test_pictures(model, image, error, words):
    with pytest.raises(error, match=words):
        SAM2ImagePredictor(model).set_image(image)


def test_without_an_image(model):
    predictor = SAM2ImagePredictor(model)
    words = r"An image must be set with .set_image\(...\) before mask prediction."
    with pytest.raises(RuntimeError, match=words):
        predictor.predict(CLICK, ON)
    with pytest.raises(RuntimeError, match="An image must be set"):
        predictor.get_image_embedding()
    with pytest.raises(AssertionError):
        predictor.predict_batch([CLICK], [ON])
    with pytest.raises(AssertionError):
        predictor.set_image_batch(CLICK)


@pytest.mark.parametrize(
    "prompt, error, words",
    [
        ({}, sam2_cpu.PromptError, "no point, box or mask"),
        ({"point_coords": CLICK}, AssertionError, "point_labels must be supplied"),
        ({"point_coords": CLICK}, ValueError, "point_labels must be supplied"),
        ({"point_coords": CLICK, "point_labels": [1, 1]}, ValueError, r"\(2,\)|\(1, 2\)"),
        ({"point_coords": [[1, 2, 3]], "point_labels": [1]}, ValueError, "shape"),
        ({"point_coords": "here", "point_labels": [1]}, ValueError, "not an array of numbers"),
        ({"point_coords": CLICK, "point_labels": [0.5]}, ValueError, "whole numbers"),
        ({"point_coords": CLICK, "point_labels": [9]}, sam2_cpu.PromptError, "label 9"),
        ({"point_coords": CLICK * np.nan, "point_labels": ON}, sam2_cpu.PromptError, "finite"),
        ({"box": [1, 2, 3]}, ValueError, "box has the shape"),
        ({"box": [1, 2, np.inf, 4]}, sam2_cpu.PromptError, "finite"),
        ({"mask_input": np.zeros((64, 64))}, ValueError, r"mask_input has the shape \(64, 64\)"),
        ({"mask_input": np.zeros((1, 256, 256))}, ValueError, r"\(1, 64, 64\)"),
        (
            {"box": np.ones((2, 4)), "point_coords": np.ones((3, 1, 2)), "point_labels": np.ones((3, 1))},
            ValueError,
            "agree",
        ),
    ],
)
def test_prompts(predictor, prompt, error, words):
    with pytest.raises(error, match=words):
        predictor.predict(**prompt)
    assert predictor.predict(CLICK, ON)[0].any(), "the predictor stays usable"


@pytest.mark.parametrize(
    "prompt, error, words",
    [
        ({}, ValueError, "at least one of points or box must be provided as input"),
        ({"points": CLICK}, ValueError, "points and labels must be provided together"),
        ({"points": CLICK}, AssertionError, "points and labels must be provided together"),
        ({"labels": ON}, ValueError, "points and labels must be provided together"),
        (
            {"box": [1, 2, 3, 4], "clear_old_points": False},
            ValueError,
            "cannot add box without clearing old points",
        ),
        ({"frame_idx": 99, "points": CLICK, "labels": ON}, IndexError, "frame 99"),
        ({"frame_idx": -1, "points": CLICK, "labels": ON}, IndexError, "frame -1"),
        ({"points": CLICK * np.nan, "labels": ON}, sam2_cpu.PromptError, "finite"),
    ],
)
def test_prompts_of_videos(video_model, frames, prompt, error, words):
    state = video_model.init_state(frames[:2])
    with pytest.raises(error, match=words):
        video_model.add_new_points_or_box(**{"inference_state": state, "frame_idx": 0, "obj_id": 1, **prompt})
    assert state["obj_ids"] == []
    with pytest.raises(KeyError, match="keys"):
        state["point_inputs_per_obj"]


def test_videos(video_model):
    with pytest.raises(ValueError):
        video_model.init_state([])
    with pytest.raises(ValueError):
        video_model.init_state(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="frame 1"):
        state = video_model.init_state([np.zeros((4, 4, 3), np.uint8), np.zeros((5, 4, 3), np.uint8)])
        video_model.add_new_points_or_box(state, 1, 1, [[1, 1]], [1])


def test_checkpoints(tmp_path):
    config = "configs/sam2.1/sam2.1_hiera_t.yaml"
    with pytest.raises(FileNotFoundError):
        build_sam.build_sam2(config, tmp_path / "no.pt", device="cpu")
    with pytest.raises(ValueError, match="build_sam2_micro"):
        build_sam.build_sam2(config, None, device="cpu")
    (tmp_path / "page.pt").write_text("<html>not found</html>")
    with pytest.raises(sam2_cpu.CheckpointError, match="page.pt"):
        build_sam.build_sam2(config, tmp_path / "page.pt", device="cpu")
    with pytest.raises(RuntimeError):
        build_sam.build_sam2(None, tmp_path / "page.pt", device="cpu")
    with pytest.raises(ValueError, match="sam2.1_hiera_t.yaml"):
        build_sam.build_sam2("sam3.yaml", tmp_path / "page.pt", device="cpu")
    with pytest.raises(ValueError, match="num_maskmem"):
        build_sam.build_sam2(config, "x.pt", device="cpu", hydra_overrides_extra=["++model.num_maskmem=3"])
    with pytest.raises(NotImplementedError, match="train"):
        build_sam.build_sam2(config, "x.pt", device="cpu", mode="train")
    with pytest.raises(ValueError, match="int4"):
        sam2_cpu.build_sam2_micro(precision="int4")
    with pytest.raises(KeyError, match="facebook/sam2.1-hiera-tiny"):
        build_sam.build_sam2_hf("facebook/sam9", device="cpu")


def test_another_device_is_said_once(tmp_path, monkeypatch):
    monkeypatch.setattr(build_sam, "_warned", False)
    for i in range(2):
        with pytest.raises(FileNotFoundError):
            if i == 0:
                with pytest.warns(UserWarning, match="runs on the CPU"):
                    build_sam.build_sam2(None, tmp_path / "no.pt")
            build_sam.build_sam2(None, tmp_path / "no.pt")


def test_what_cannot_be_pickled_says_what_to_send(model, predictor, video_model):
    for thing in (model, predictor, video_model):
        with pytest.raises(TypeError, match="ckpt_path"):
            pickle.dumps(thing)


def test_a_model_of_another_package_is_refused():
    with pytest.raises(TypeError, match="sam2_cpu.build_sam"):
        SAM2ImagePredictor(object())
