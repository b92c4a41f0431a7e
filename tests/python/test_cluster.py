"""``examples/python/label_videos_ray.py`` in one process: what it writes, resumes and refuses."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from cluster import EXAMPLES, SCRIPT, label, make_clips, results

import sam2_cpu
from sam2_cpu.utils.amg import coco_encode_rle, mask_to_rle


@pytest.fixture
def clips(tmp_path, frames):
    return make_clips(tmp_path, frames)


def test_lines_are_the_predictors_masks(clips, tmp_path, video_model):
    videos, prompts = clips
    done = label(videos, prompts, tmp_path / "out", "--workers", "0", "--retries", "0")
    assert done.returncode == 1, done.stdout + done.stderr
    state = video_model.init_state(videos / "bee")
    video_model.add_new_points_or_box(state, 0, 1, [[94.5, 85.5], [9, 9]], [1, 0])
    video_model.add_new_points_or_box(state, 2, "a spot", box=[8, 58, 50, 100])
    expected = []
    for frame, obj_ids, logits in video_model.propagate_in_video(state):
        for obj_id, mask in zip(obj_ids, logits[:, 0] > 0):
            ys, xs = np.nonzero(mask)
            box = [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1] if xs.size else [0, 0, 0, 0]
            values = {"video": "bee", "frame": frame, "obj_id": obj_id, "area": int(mask.sum())}
            rle = coco_encode_rle(mask_to_rle(mask))
            expected.append({**values, "segmentation": rle, "bbox": [int(x) for x in box]})
    lines = (tmp_path / "out/bee.jsonl").read_text().splitlines()
    assert len(expected) == 8 and max(line["area"] for line in expected) > 1000
    assert [json.loads(line) for line in lines] == expected


def test_a_run_is_continued_and_a_part_is_a_part(clips, tmp_path):
    videos, prompts = clips
    out = tmp_path / "out"
    first = label(videos, prompts, out, "--workers", "0")
    assert first.returncode == 1 and "1 failed, attempt 2" in first.stdout, first.stdout + first.stderr
    assert "failed: broken:" in first.stderr and "00002.png" in first.stderr
    whole = results(out)
    assert list(whole) == ["ant.jsonl", "bee.jsonl", "cat.jsonl"]
    # A killed run leaves an unfinished file; a result that is there is not made again.
    (out / ".bee.jsonl.abc.part").write_text("{}")
    (out / "bee.jsonl").unlink()
    (out / "ant.jsonl").write_text("kept\n")
    (videos / "broken/00002.png").write_bytes((videos / "broken/00001.png").read_bytes())
    second = label(videos, prompts, out, "--workers", "0", "--cpus-per-worker", "2")
    assert second.returncode == 0, second.stderr
    assert second.stdout.startswith("4 videos, 2 of them finished already\n")
    assert "2 videos, 8 frames in " in second.stdout and "frames/s" in second.stdout
    assert list(results(out)) == ["ant.jsonl", "bee.jsonl", "broken.jsonl", "cat.jsonl"]
    assert results(out)["bee.jsonl"] == whole["bee.jsonl"] and results(out)["ant.jsonl"] == b"kept\n"
    for part in ("1/2", "2/2"):
        assert label(videos, prompts, tmp_path / "parts", "--workers", "0", "--shard", part).returncode == 0
    parts = results(tmp_path / "parts")
    assert parts == {**results(out), "ant.jsonl": whole["ant.jsonl"]}


def test_a_killed_run_leaves_no_half_result(clips, tmp_path):
    videos, prompts = clips
    out = tmp_path / "out"
    options = [str(videos), str(prompts), str(out), "--workers", "0"]
    child = subprocess.Popen([sys.executable, str(SCRIPT), *options], stdout=subprocess.PIPE)
    for _ in range(6000):
        if list(out.glob(".cat.jsonl.*")):
            break
        time.sleep(0.01)
    child.kill()
    child.communicate()
    names = [name for name in results(out) if not name.startswith(".")]
    assert {"ant.jsonl", "bee.jsonl"} <= set(names)
    label(videos, prompts, out, "--workers", "0")
    again = results(out)
    assert list(again) == ["ant.jsonl", "bee.jsonl", "cat.jsonl"]
    assert again["cat.jsonl"].count(b"\n") == 24


def test_a_video_that_kills_workers_is_given_up(clips, tmp_path, monkeypatch):
    """Ray hands the video of a worker that died to the next one, without end."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from label_videos_ray import Labeller, jobs

    (job, *_) = jobs(*clips, tmp_path)
    labeller = Labeller({"checkpoint": None, "config": None, "precision": "f32"}, sam2_cpu.get_num_threads())
    (tmp_path / ".ant.jsonl.1.part").touch()
    assert labeller.label(job)["error"] == ""
    (tmp_path / ".ant.jsonl.2.part").touch()
    assert labeller.label(job)["error"] == "RuntimeError: 2 workers died while they tracked it"


def test_what_cannot_be_labelled_is_refused_first(clips, tmp_path):
    videos, prompts = clips
    for option, words in (
        (["--shard", "3/2"], "such as 2/8"),
        (["--shard", "0/2"], "such as 2/8"),
        (["--cpus-per-worker", "0"], "at least 1"),
        (["--workers", "x"], "at least 0"),
    ):
        refused = label(videos, prompts, tmp_path / "out", *option)
        assert refused.returncode == 2 and words in refused.stderr, refused.stderr
    (videos / "ant.gif").write_bytes(b"")
    refused = label(videos, prompts, tmp_path / "out", "--workers", "0")
    assert refused.returncode == 2 and "ant.gif" in refused.stderr and "rename" in refused.stderr
    (videos / "ant.gif").unlink()
    (prompts / "cat.jsonl").unlink()
    refused = label(videos, prompts, tmp_path / "out", "--workers", "0")
    assert refused.returncode == 2 and "cat.jsonl is missing" in refused.stderr
    assert not (tmp_path / "out").exists()


def test_a_bad_line_of_prompts_is_named(clips, tmp_path):
    videos, prompts = clips
    (prompts / "ant.jsonl").write_text('{"points": [[1, 2]]}\n{"mask": "m.png"}\n')
    (prompts / "bee.jsonl").write_text("click\n")
    (prompts / "cat.jsonl").write_text("\n")
    done = label(videos, prompts, tmp_path / "out", "--workers", "0", "--retries", "0")
    for words in (
        "ant.jsonl, line 2: a prompt has the keys",
        "bee.jsonl, line 1",
        "cat.jsonl holds no prompt",
    ):
        assert words in done.stderr, done.stderr
    assert done.returncode == 1 and results(tmp_path / "out") == {}
