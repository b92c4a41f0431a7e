import numpy as np
import pytest
from conftest import CLICK, ON

import sam2_cpu
from sam2_cpu.sam2_image_predictor import SAM2ImagePredictor

BOX = np.array([60.0, 50.0, 150.0, 130.0])


def test_one_prompt_returns_what_meta_returns(predictor, photo):
    height, width = photo.shape[:2]
    masks, ious, low_res = predictor.predict(CLICK, ON)
    assert masks.shape == (3, height, width) and ious.shape == (3,) and low_res.shape == (3, 64, 64)
    assert masks.dtype == ious.dtype == low_res.dtype == np.float32
    assert set(np.unique(masks)) == {0.0, 1.0}
    assert np.abs(low_res).max() <= 32
    logits, same, _ = predictor.predict(CLICK, ON, return_logits=True)
    assert np.array_equal(logits > 0, masks == 1) and np.array_equal(ious, same)
    single, iou, _ = predictor.predict(CLICK, ON, multimask_output=False)
    assert single.shape == (1, height, width) and iou.shape == (1,)


@pytest.mark.parametrize("box", [BOX, BOX[None], BOX.tolist()])
def test_a_box_of_either_shape(predictor, photo, box):
    masks, ious, low_res = predictor.predict(box=box, multimask_output=False)
    assert masks.shape == (1, *photo.shape[:2]) and masks.sum() > 100


def test_many_prompts_keep_their_axis_and_equal_one_by_one(predictor, photo):
    boxes = np.stack([BOX, BOX + 20, BOX / 2])
    masks, ious, low_res = predictor.predict(box=boxes, multimask_output=False)
    assert (
        masks.shape == (3, 1, *photo.shape[:2]) and ious.shape == (3, 1) and low_res.shape == (3, 1, 64, 64)
    )
    for i, box in enumerate(boxes):
        one = predictor.predict(box=box, multimask_output=False)
        assert np.array_equal(one[0], masks[i]) and np.array_equal(one[2], low_res[i])
    coords, labels = np.stack([CLICK, CLICK + 9]), np.stack([ON, ON])
    masks, ious, low_res = predictor.predict(coords, labels, boxes[:2], low_res[:2])
    assert masks.shape[:2] == (2, 3)
    masks, _, _ = predictor.predict(coords[:1], labels[:1])
    assert masks.shape[0] == 3, "with one prompt the first axis goes"


def test_a_mask_refines(predictor):
    _, ious, low_res = predictor.predict(CLICK, ON)
    best = int(np.argmax(ious))
    masks, iou, _ = predictor.predict(CLICK, ON, mask_input=low_res[best][None], multimask_output=False)
    assert masks.shape[0] == 1 and masks.sum() > 100


def test_fractions_and_pixels_agree(predictor, photo):
    size = np.array(photo.shape[1::-1], np.float32)
    pixels = predictor.predict(CLICK, ON)[2]
    fractions = predictor.predict(CLICK / size, ON, normalize_coords=False)[2]
    assert np.abs(pixels - fractions).max() < 1e-3


def test_points_outside_and_padding_are_accepted(predictor):
    for point in ([-0.5, 3.0], [10_000.0, -70.0]):
        assert np.isfinite(predictor.predict(np.array([point]), ON)[1]).all()
    padded = predictor.predict(np.concatenate([CLICK, CLICK * 0]), np.array([1, -1]))
    assert np.isfinite(padded[1]).all()


def test_batches_of_images_equal_single_ones(model, frames):
    predictor = SAM2ImagePredictor(model)
    predictor.set_image_batch(frames[:2])
    masks, ious, low_res = predictor.predict_batch([CLICK, CLICK], [ON, ON], multimask_output=False)
    assert [m.shape[0] for m in masks] == [1, 1]
    assert predictor.get_image_embedding().shape == (2, 128, 16, 16)
    for i in range(2):
        predictor.set_image(frames[i])
        one = predictor.predict(CLICK, ON, multimask_output=False)
        assert np.array_equal(one[2], low_res[i])


def test_pictures_of_any_memory_order(model, photo):
    predictor = SAM2ImagePredictor(model)
    answers = []
    for image in (photo, np.asfortranarray(photo), photo[:, ::-1][:, ::-1]):
        predictor.set_image(image)
        answers.append(predictor.predict(CLICK, ON)[2])
    assert np.array_equal(answers[0], answers[1]) and np.array_equal(answers[0], answers[2])


def test_pil_pictures_of_any_mode(model, photo):
    Image = pytest.importorskip("PIL.Image")
    predictor = SAM2ImagePredictor(model)
    predictor.set_image(photo)
    expected = predictor.predict(CLICK, ON)[2]
    rgb = Image.fromarray(photo)
    for picture in (rgb, rgb.convert("RGBA")):
        predictor.set_image(picture)
        assert np.array_equal(predictor.predict(CLICK, ON)[2], expected)
    predictor.set_image(rgb.convert("L"))


def test_the_stability_fallback_follows_postprocessing(model, photo):
    """Without it a single mask is the decoder's first token, whatever its stability."""
    models = (model, sam2_cpu.build_sam2_micro(apply_postprocessing=False))
    predictors = [SAM2ImagePredictor(model) for model in models]
    differ = 0
    for predictor in predictors:
        predictor.set_image(photo)
    for x in range(8, photo.shape[1], 24):
        for y in range(8, photo.shape[0], 24):
            a, b = (p.predict(np.array([[x, y]]), ON, multimask_output=False)[2] for p in predictors)
            differ += not np.array_equal(a, b)
            three = [p.predict(np.array([[x, y]]), ON)[2] for p in predictors]
            assert np.array_equal(*three)
    assert differ > 0


def test_info_embedding_and_files(predictor, model, photo, tmp_path):
    *_, info = predictor.predict(CLICK, ON, return_info=True)
    assert info["object_score"].shape == (1,) and info["stability"].shape == (3,)
    embedding = predictor.get_image_embedding()
    assert embedding.shape == (1, 128, 16, 16) and embedding.dtype == np.float32
    expected = predictor.predict(CLICK, ON)[2]
    predictor.save_embedding(tmp_path / "photo.safetensors")
    other = SAM2ImagePredictor(model)
    other.load_embedding(tmp_path / "photo.safetensors")
    assert np.array_equal(other.predict(CLICK, ON)[2], expected)


def test_8_bits_and_other_sizes(photo):
    predictor = SAM2ImagePredictor(sam2_cpu.build_sam2_micro(precision="int8"))
    predictor.set_image(photo)
    assert predictor.predict(CLICK, ON)[0].any()
    assert sam2_cpu.build_sam2_micro(image_size=128).image_size == 128


def test_the_same_bits_for_any_number_of_threads(model, photo):
    answers = []
    before = sam2_cpu.get_num_threads()
    for threads in (1, 2, 3):
        sam2_cpu.set_num_threads(threads)
        assert sam2_cpu.get_num_threads() == threads
        predictor = SAM2ImagePredictor(model)
        predictor.set_image(photo)
        answers.append(predictor.predict(CLICK, ON)[2])
    sam2_cpu.set_num_threads(before)
    assert np.array_equal(answers[0], answers[1]) and np.array_equal(answers[0], answers[2])
