"""Renders training clips ahead of time: FOLDER/{size}-{part}-frames.npy and -ids.npy.

    python tools/train_micro/pool.py FOLDER --size 160 --parts 0 24

A part has CLIPS clips of FRAMES frames, 1 to 3 ticks apart, or with --frames 24 of every tick of a scene.
Existing parts are kept.
"""

import argparse
import os
import pathlib
import time

import cv2
import numpy as np

import data

CLIPS = 250
FRAMES = 8
SHARES = (0.15, 0.3, 0.3, 0.25)  # of data.STORIES: more hard stories than in the held-out clips


def plan(number: int, frames: int = FRAMES) -> list[tuple[range, str]]:
    """Ticks and story of every clip of a part."""
    rng = np.random.default_rng([number, 5])
    clips = []
    for _ in range(CLIPS):
        stride = min(rng.choice([1, 2, 3], p=[0.3, 0.3, 0.4]), (data.TICKS - 1) // (frames - 1))
        first = rng.integers(0, data.TICKS - stride * (frames - 1))
        clips.append((range(first, first + stride * frames, stride), str(rng.choice(data.STORIES, p=SHARES))))
    return clips


def part(folder: pathlib.Path, size: int, number: int, length: int) -> None:
    name = folder / f"{size}-{number:03d}"
    done = pathlib.Path(f"{name}-frames.npy")
    if done.exists():
        return
    began = time.time()
    frames = np.zeros((CLIPS, length, size, size, 3), np.uint8)
    ids = np.zeros((CLIPS, length, size, size), np.int8)
    for i, (ticks, story) in enumerate(plan(number, length)):
        frames[i], ids[i], _ = data.clip(number * CLIPS + i, size, ticks, story)
    np.save(f"{name}-ids.npy", ids)
    np.save(f"{name}.tmp.npy", frames)
    os.rename(f"{name}.tmp.npy", done)
    print(f"{name}: {time.time() - began:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--parts", type=int, nargs=2, default=(0, 24), metavar=("FIRST", "END"))
    parser.add_argument("--frames", type=int, default=FRAMES, choices=(FRAMES, data.TICKS))
    args = parser.parse_args()
    cv2.setNumThreads(1)
    args.folder.mkdir(parents=True, exist_ok=True)
    for number in range(*args.parts):
        part(args.folder, args.size, number, args.frames)


if __name__ == "__main__":
    main()
