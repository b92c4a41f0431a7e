"""Scores a pool's clips with given weights through the program: FOLDER/{size}-{part}-lack.npy, [clips, 2].

    python tools/train_micro/lack.py FOLDER --program target/release/sam2 --weights MICRO.safetensors

Column 0: 1 - IoU of a click on frame 0, mean over the frame's things. Column 1: 1 - IoU of thing 0, mean over
the clip, after a click on frame 0. `train.py --hard` samples clips in proportion to these.
"""

import argparse
import os
import pathlib
import subprocess
import tempfile

import cv2
import numpy as np

import evaluate
import prompts
import scores

SMALLEST = 0.005  # things below this fraction of the image area are not prompted


def follow(command: list, frames: np.ndarray, things: dict[int, np.ndarray]) -> np.ndarray:
    """The program's low-resolution masks [things, T, h, w] of frames [T, S, S, 3], one click per thing."""
    size = f"{frames.shape[2]}x{frames.shape[1]}"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        clicks, logits = folder / "prompts.jsonl", folder / "logits"
        clicks.write_text("".join(evaluate.prompt(k + 1, prompts.centre(mask)) for k, mask in things.items()))
        where = ["--raw", size, "-", "--prompts", clicks, "-o", folder / "masks", "--save-logits", logits]
        command = [*command, *where, "--threads", "1", "--quiet"]
        subprocess.run(command, input=frames.tobytes(), check=True, stdout=subprocess.DEVNULL)
        read = lambda t, k: np.squeeze(np.load(logits / f"{t:05d}_obj{k + 1}.npy"))
        return np.array([[read(t, k) for t in range(len(frames))] for k in things]) > 0


def lacks(command: list, frames: np.ndarray, ids: np.ndarray) -> tuple[float, float]:
    """Both columns for one clip."""
    small = lambda mask, side: (
        cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA) > 0.5
    )
    things = {k: ids[0] == k for k in range(ids[0].max() + 1) if (ids[0] == k).mean() >= SMALLEST}
    if not things:
        return 0.0, 0.0
    found = follow(command, frames[:1], things)[:, 0]
    side = found.shape[-1]
    image = np.mean([1 - scores.jaccard(small(m, side), f) for m, f in zip(things.values(), found)])
    if 0 not in things:
        return float(image), 0.0
    found = follow(command, frames, {0: things[0]})[0]
    return float(image), float(
        np.mean([1 - scores.jaccard(small(i == 0, side), f) for i, f in zip(ids, found)])
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--weights", type=pathlib.Path, default=evaluate.ASSET)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    command = [args.program, "track", "--model", args.weights]
    for path in sorted(args.folder.glob("*-frames.npy")):
        out = path.with_name(path.name.replace("-frames", "-lack"))
        if out.exists():
            continue
        frames, ids = (
            np.load(str(path).replace("-frames", kind), mmap_mode="r") for kind in ("-frames", "-ids")
        )
        lack = np.array([lacks(command, f, i) for f, i in zip(frames, ids)], np.float32)
        np.save(f"{out}.tmp.npy", lack)
        os.rename(f"{out}.tmp.npy", out)
        print(out, *lack.mean(0).round(3), flush=True)


if __name__ == "__main__":
    main()
