"""Times of the Python package's calls beside those of the Rust library, on the same work and in turns.

    cargo build --release -p sam2 --example times
    python tools/python_times.py target/release/examples/times [CHECKPOINT] [--rounds N] [--threads N]

Needs the wheel of ``crates/sam2-py`` (built with ``--release``). Frames are those of the bundled clip at
854x480; without CHECKPOINT the embedded model. A row: an encoded picture, a click with three masks at full
size, a tracked frame with its logits. Prints the medians, and the median of the ratios of neighbouring runs.
"""

import argparse
import os
import statistics
import subprocess
import time

os.environ["TQDM_DISABLE"] = "1"

import numpy as np
import sam2_cpu
from sam2_cpu import _native
from sam2_cpu.build_sam import build_sam2_video_predictor
from sam2_cpu.sam2_image_predictor import SAM2ImagePredictor

PARTS = ("encode", "click", "track")
WIDTH, HEIGHT = 854, 480
FRAMES = 16
CLICK, ON = np.array([[365.0, 170.0]], np.float32), np.array([1], np.int32)


class Python:
    """The package."""

    def __init__(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            self._video = sam2_cpu.build_sam2_micro(video=True)
        else:
            self._video = build_sam2_video_predictor(None, checkpoint, device="cpu")
        clip = _native.demo_clip()
        width, height = clip.size
        ys, xs = np.arange(HEIGHT) * height // HEIGHT, np.arange(WIDTH) * width // WIDTH
        self._frames = [np.ascontiguousarray(clip.frame(i, False)[ys][:, xs]) for i in range(FRAMES)]
        self._image = SAM2ImagePredictor(self._video)
        self._image.set_image(self._frames[0])
        self._pass, self._left = None, 0

    def milliseconds(self, part: str) -> float:
        if part == "track" and self._left == 0:
            state = self._video.init_state(self._frames)
            self._video.add_new_points_or_box(state, 0, 1, CLICK, ON)
            self._pass, self._left = self._video.propagate_in_video(state), FRAMES - 1
            next(self._pass)  # The masks of the prompted frame are there already.
        start = time.perf_counter()
        answer = self._call(part)
        milliseconds = (time.perf_counter() - start) * 1e3
        del answer
        return milliseconds

    def _call(self, part: str):
        if part == "encode":
            return self._image.set_image(self._frames[0])
        if part == "click":
            return self._image.predict(CLICK, ON)
        self._left -= 1
        return next(self._pass)


class Rust:
    """The library, in a program of its own."""

    def __init__(self, program: str, checkpoint: str | None, threads: int) -> None:
        self._child = subprocess.Popen(
            [program, checkpoint or "micro", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "RAYON_NUM_THREADS": str(threads)},
        )

    def milliseconds(self, part: str) -> float:
        self._child.stdin.write(part + "\n")
        self._child.stdin.flush()
        return float(self._child.stdout.readline())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("checkpoint", nargs="?")
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    sam2_cpu.set_num_threads(args.threads)
    contenders = {
        "rust": Rust(args.program, args.checkpoint, args.threads),
        "python": Python(args.checkpoint),
    }
    print("| | Rust, ms | Python, ms | ratio |\n|---|---|---|---|")
    for part in PARTS:
        times = {name: [] for name in contenders}
        for turn in range(args.rounds + 1):
            for name in list(times)[:: -1 if turn % 2 else 1]:
                milliseconds = contenders[name].milliseconds(part)
                # The first round brings the caches and threads up.
                if turn:
                    times[name].append(milliseconds)
        ratios = [python / rust for rust, python in zip(times["rust"], times["python"])]
        rust, python = (statistics.median(times[name]) for name in ("rust", "python"))
        print(f"| {part} | {rust:.2f} | {python:.2f} | {statistics.median(ratios):.3f} |", flush=True)


if __name__ == "__main__":
    main()
