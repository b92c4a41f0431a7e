import numpy as np
import pytest
from conftest import CLICK, ON

from sam2_cpu._arrays import Logits
from sam2_cpu.sam2_image_predictor import SAM2ImagePredictor


@pytest.fixture
def state(video_model, frames):
    return video_model.init_state(frames[:6])


def track(model, state, **kwargs):
    return {index: (ids, np.array(masks)) for index, ids, masks in model.propagate_in_video(state, **kwargs)}


def test_a_clip_returns_what_meta_returns(video_model, state, frames):
    height, width = frames[0].shape[:2]
    assert dict(state) == {
        "num_frames": 6,
        "video_height": height,
        "video_width": width,
        "obj_ids": [],
        "device": "cpu",
    }
    index, ids, masks = video_model.add_new_points_or_box(state, 0, "left one", CLICK, ON)
    assert (index, ids, masks.shape, masks.dtype) == (0, ["left one"], (1, 1, height, width), np.float32)
    assert isinstance(masks, Logits) and (masks[0] > 0.0).cpu().numpy().any()
    index, ids, masks = video_model.add_new_points_or_box(state, 0, 7, box=[20, 20, 60, 60])
    assert ids == ["left one", 7] and masks.shape[0] == 2
    answers = track(video_model, state)
    assert list(answers) == [0, 1, 2, 3, 4, 5]
    assert all(
        ids == ["left one", 7] and masks.shape == (2, 1, height, width) for ids, masks in answers.values()
    )
    assert state["obj_ids"] == ["left one", 7]


def test_nothing_runs_before_the_first_next(video_model, state):
    generator = video_model.propagate_in_video(state)
    with pytest.raises(RuntimeError, match="No input points or masks are provided for any object"):
        next(generator)


def test_an_object_without_an_output_is_minus_1024(video_model, state):
    video_model.add_new_points_or_box(state, 2, 1, CLICK, ON)
    _, ids, masks = video_model.add_new_points_or_box(state, 4, 2, CLICK, ON)
    assert ids == [1, 2] and (masks[0] == -1024).all() and (masks[1] > 0).any()


def test_passes_forwards_and_backwards(video_model, state):
    video_model.add_new_points_or_box(state, 3, 1, CLICK, ON)
    assert list(track(video_model, state)) == [3, 4, 5]
    assert list(track(video_model, state, reverse=True)) == [3, 2, 1, 0]
    assert list(track(video_model, state, start_frame_idx=1, max_frame_num_to_track=2)) == [1, 2, 3]


def test_clicks_add_up_or_replace(video_model, state):
    more = CLICK + 4
    video_model.add_new_points_or_box(state, 0, 1, CLICK, ON)
    added = video_model.add_new_points_or_box(state, 0, 1, more, ON, clear_old_points=False)[2]
    replaced = video_model.add_new_points_or_box(state, 0, 1, more, ON)[2]
    assert not np.array_equal(added, replaced)


def test_masks_of_any_size(video_model, state, frames):
    height, width = frames[0].shape[:2]
    for shape in ((height, width), (2, 2), (1000, 700)):
        mask = np.zeros(shape, bool)
        mask[: shape[0] // 2] = True
        _, _, masks = video_model.add_new_mask(state, 0, 1, mask)
        assert abs((masks > 0).mean() - 0.5) < 0.1


def test_clear_remove_and_reset(video_model, state):
    video_model.add_new_points_or_box(state, 0, 1, CLICK, ON)
    video_model.add_new_points_or_box(state, 0, 2, CLICK + 9, ON)
    assert video_model.clear_all_prompts_in_frame(state, 0, 2, need_output=False) is None
    with pytest.raises(RuntimeError):
        list(video_model.propagate_in_video(state))
    ids, updated = video_model.remove_object(state, 1)
    assert ids == [2] and [index for index, _ in updated] == [0]
    assert video_model.remove_object(state, "unknown") == ([2], [])
    with pytest.raises(RuntimeError, match="Cannot remove object id unknown as it doesn't exist"):
        video_model.remove_object(state, "unknown", strict=True)
    video_model.reset_state(state)
    assert state["obj_ids"] == []


def test_states_live_side_by_side(video_model, frames):
    states = [video_model.init_state(frames[:3]) for _ in range(2)]
    for state in states:
        video_model.add_new_points_or_box(state, 0, 1, CLICK, ON)
    passes = [video_model.propagate_in_video(state) for state in states]
    for (_, _, a), (_, _, b) in zip(*passes):
        assert np.array_equal(a, b)


def test_every_form_of_a_video_gives_the_same(video_model, frames, tmp_path):
    Image = pytest.importorskip("PIL.Image")
    for i, frame in enumerate(frames[:3]):
        Image.fromarray(frame).save(tmp_path / f"{i}.png")
    videos = [
        frames[:3],
        np.stack(frames[:3]),
        [Image.fromarray(f) for f in frames[:3]],
        tmp_path,
        str(tmp_path),
    ]
    answers = []
    for video in videos:
        state = video_model.init_state(video)
        video_model.add_new_points_or_box(state, 0, 1, CLICK, ON)
        answers.append(np.stack([masks for _, masks in track(video_model, state).values()]))
    assert all(np.array_equal(answers[0], other) for other in answers[1:])


def test_a_correction_of_a_tracked_frame(video_model, state):
    video_model.add_new_points_or_box(state, 0, 1, CLICK, ON)
    before = track(video_model, state)[3][1]
    _, _, corrected = video_model.add_new_points_or_box(state, 3, 1, CLICK + 30, np.array([0]))
    assert not np.array_equal(before, corrected)
    track(video_model, state)


def test_a_video_model_is_a_model_for_images(video_model, frames):
    predictor = SAM2ImagePredictor(video_model)
    predictor.set_image(frames[0])
    assert predictor.predict(CLICK, ON)[0].any()


def test_streams(model, frames, tmp_path):
    from sam2_cpu.tracker import Tracker

    height, width = frames[0].shape[:2]
    tracker = Tracker(model, width, height, memory="samurai")
    assert tracker.push(frames[0]).masks.shape == (0, height, width)
    first = tracker.add_points(5, CLICK)
    assert first.obj_ids == [5] and first.masks.dtype == bool and first.masks.any()
    tracker.push(frames[1])
    tracker.save(tmp_path / "stream.session")
    resumed = Tracker.resume(model, tmp_path / "stream.session")
    a, b = tracker.push(frames[2]), resumed.push(frames[2])
    assert a.frame_idx == b.frame_idx == 2 and np.array_equal(a.masks, b.masks)
    assert a.object_scores.shape == a.ious.shape == (1,) and a.events == [None]
    assert tracker.remove_object(5) and not tracker.remove_object(5)


def test_a_broken_clip_says_so(video_model, tmp_path):
    with pytest.raises(FileNotFoundError):
        video_model.init_state(tmp_path / "no such clip.mp4")
    (tmp_path / "note.mp4").write_text("not a video")
    with pytest.raises(RuntimeError):
        video_model.init_state(tmp_path / "note.mp4")
