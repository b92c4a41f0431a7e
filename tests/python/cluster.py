"""Videos, prompts and runs of ``examples/python/label_videos_ray.py``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/python"
SCRIPT = EXAMPLES / "label_videos_ray.py"
ASSETS = EXAMPLES.parents[1] / "assets"


def make_clips(folder, frames):
    """Three clips and one whose third frame is cut short. Returns their folder and that of the prompts."""
    Image = pytest.importorskip("PIL.Image")
    videos, prompts = folder / "videos", folder / "prompts"
    prompts.mkdir(parents=True)
    for k, name in enumerate(("ant", "bee", "broken")):
        (videos / name).mkdir(parents=True)
        for i, frame in enumerate(frames[3 * k : 3 * k + 4]):
            Image.fromarray(frame).save(videos / name / f"{i:05}.png")
        place = {"frame": 0, "obj_id": 1}
        lines = [
            {**place, "points": [[109.5 - 15 * k, 90.5 - 5 * k]]},
            {**place, "points": [[9, 9]], "labels": [0]},
        ]
        if name == "bee":
            lines.append({"frame": 2, "obj_id": "a spot", "box": [8, 58, 50, 100]})
        (prompts / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (videos / "cat.gif").write_bytes((ASSETS / "demo.gif").read_bytes())
    (prompts / "cat.jsonl").write_text((ASSETS / "demo_prompts.jsonl").read_text())
    cut = videos / "broken/00002.png"
    cut.write_bytes(cut.read_bytes()[:2000])
    return videos, prompts


def label(videos, prompts, out, *options):
    command = [sys.executable, str(SCRIPT), str(videos), str(prompts), str(out), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def results(out):
    """Name -> bytes of every file, hidden ones too."""
    return {name: (out / name).read_bytes() for name in sorted(os.listdir(out))}
