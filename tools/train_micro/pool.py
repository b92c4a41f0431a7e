"""Renders training clips ahead of time: FOLDER/{size}-{part}-frames.npy and -ids.npy.

    python tools/train_micro/pool.py FOLDER --size 160 --parts 0 24
    python tools/train_micro/pool.py FOLDER --size 288 --room collage --things DIR/things.zip --frames 1

A part has CLIPS clips of FRAMES frames, or with --frames 1 as many images. Drawn frames are 1 to 3 ticks
apart, or with --frames 24 every tick of a scene. Parts of the rooms "collage" and "rendered" show the
things of the pack of assets.py; their numbers are shifted by 1000 and 2000. A part of "rendered" also has a
file -owners.npy: ids there are parts of things, and owners [clips, 128] gives the thing of each. Existing
parts are kept.
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
ROOMS = {"drawn": 0, "collage": 1000, "rendered": 2000}  # number of the first part


def plan(number: int, frames: int = FRAMES) -> list[tuple[range, str]]:
    """Ticks and story of every clip of a drawn part."""
    rng = np.random.default_rng([number, 5])
    clips = []
    for _ in range(CLIPS):
        stride = min(rng.choice([1, 2, 3], p=[0.3, 0.3, 0.4]), (data.TICKS - 1) // max(frames - 1, 1))
        first = rng.integers(0, data.TICKS - stride * (frames - 1))
        clips.append((range(first, first + stride * frames, stride), str(rng.choice(data.STORIES, p=SHARES))))
    return clips


def drawn(size: int, number: int, length: int, _):
    for i, (ticks, story) in enumerate(plan(number, length)):
        yield data.clip(number * CLIPS + i, size, ticks, story)[:2]


def collages(size: int, number: int, length: int, pack: pathlib.Path):
    import collage
    import things

    stock = things.Things(pack)
    for i in range(CLIPS):
        yield collage.clip(number * CLIPS + i, stock, length, size)


def renderings(size: int, number: int, length: int, pack: pathlib.Path):
    import rooms
    import things

    studio = rooms.Studio(things.Things(pack), size)
    for i in range(CLIPS):
        yield rooms.clip(number * CLIPS + i, studio, length)


def part(folder: pathlib.Path, size: int, number: int, length: int, pack: pathlib.Path | None) -> None:
    name = folder / f"{size}-{number:03d}"
    done = pathlib.Path(f"{name}-frames.npy")
    if done.exists():
        return
    began = time.time()
    frames = np.zeros((CLIPS, length, size, size, 3), np.uint8)
    ids = np.zeros((CLIPS, length, size, size), np.int8)
    owners = np.tile(np.arange(128, dtype=np.int8), (CLIPS, 1))
    room = (drawn, collages, renderings)[min(number // 1000, 2)]
    for i, made in enumerate(room(size, number, length, pack)):
        frames[i], ids[i] = made[:2]
        if len(made) > 2:
            owners[i] = made[2]
    if room is renderings:
        np.save(f"{name}-owners.npy", owners)
    np.save(f"{name}-ids.npy", ids)
    np.save(f"{name}.tmp.npy", frames)
    os.rename(f"{name}.tmp.npy", done)
    print(f"{name}: {time.time() - began:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--parts", type=int, nargs=2, default=(0, 24), metavar=("FIRST", "END"))
    parser.add_argument("--frames", type=int, default=FRAMES, choices=(1, FRAMES, data.TICKS))
    parser.add_argument("--room", default="drawn", choices=ROOMS)
    parser.add_argument("--things", type=pathlib.Path, help="things.zip of assets.py, for the other rooms")
    args = parser.parse_args()
    if args.room != "drawn" and not args.things:
        parser.error(f"--room {args.room}: needs --things")
    cv2.setNumThreads(1)
    args.folder.mkdir(parents=True, exist_ok=True)
    for number in range(*args.parts):
        part(args.folder, args.size, ROOMS[args.room] + number, args.frames, args.things)


if __name__ == "__main__":
    main()
