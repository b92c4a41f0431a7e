"""``examples/python/label_videos_ray.py`` on Ray with two workers. Needs the package ``ray[data]``."""

import ray  # noqa: F401 - absent, this test fails
from cluster import label, make_clips, results


def test_two_workers_write_what_one_process_writes(tmp_path, frames):
    videos, prompts = make_clips(tmp_path, frames)
    one = label(videos, prompts, tmp_path / "one", "--workers", "0", "--retries", "0")
    assert one.returncode == 1, one.stdout + one.stderr
    two = label(videos, prompts, tmp_path / "two", "--workers", "2")
    assert two.returncode == 1, two.stdout + two.stderr
    assert "1 failed, attempt 2" in two.stdout and "failed: broken:" in two.stderr, two.stdout + two.stderr
    assert "3 videos, 32 frames in " in two.stdout, two.stdout
    expected = results(tmp_path / "one")
    assert list(expected) == ["ant.jsonl", "bee.jsonl", "cat.jsonl"]
    assert results(tmp_path / "two") == expected
