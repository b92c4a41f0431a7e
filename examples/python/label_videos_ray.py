"""Tracks objects through a folder of videos, on one machine or on a Ray cluster.

    python label_videos_ray.py VIDEOS PROMPTS OUT --checkpoint sam2.1_hiera_tiny.pt --cpus-per-worker 2

VIDEOS holds the videos: folders of pictures, animated GIFs, or files that ffmpeg reads. PROMPTS holds a file
``NAME.jsonl`` for each, in the format of ``sam2 track --prompts``: an object a line with ``frame``,
``obj_id`` and ``points`` with ``labels``, or a ``box``. OUT gets a file ``NAME.jsonl`` a video, with a line
for each frame and object: ``video``, ``frame``, ``obj_id``, ``segmentation`` (COCO run lengths), ``area`` and
``bbox`` (x, y, width, height).

A result is written whole or not at all. A video that has one is skipped, so the same command continues an
interrupted run and tries failed videos again. The results are the same bytes for any number of workers and
threads. ``--workers 0`` needs no Ray and runs in this process, ``--shard 2/8`` takes a part of the list, as
``sam2 vos --shard`` does: together they are a job of any other scheduler.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from sam2_cpu import build_sam2_micro, set_num_threads
from sam2_cpu.build_sam import build_sam2_video_predictor
from sam2_cpu.utils.amg import coco_encode_rle, mask_to_rle

UNFINISHED = ".part"
# Ray starts a worker that died again, with the same video. One that killed so many is given up.
DEATHS = 2
# A line for each video says how far a run is.
QUIET = {"TQDM_DISABLE": "1"}


def jobs(videos: Path, prompts: Path, out: Path, shard: tuple[int, int] = (1, 1)) -> list[dict[str, str]]:
    """The videos of a part of the list, in order: name and paths.

    Raises:
        ValueError: if there is no video, if two videos have one name, or if prompts are missing.
    """
    named: dict[str, Path] = {}
    for path in sorted(path for path in videos.iterdir() if not path.name.startswith(".")):
        name = path.name if path.is_dir() else path.stem
        if name in named:
            raise ValueError(f"{named[name]} and {path} would get the same result: rename or remove one")
        named[name] = path
    if not named:
        raise ValueError(f"{videos} holds no video")
    found = []
    for name, path in named.items():
        lines = prompts / f"{name}.jsonl"
        if not lines.is_file():
            raise ValueError(f"{lines} is missing: prompts of {path}")
        found.append(
            {"name": name, "video": str(path), "prompts": str(lines), "out": str(out / f"{name}.jsonl")}
        )
    index, count = shard
    return found[index - 1 :: count]


def read_prompts(path: str) -> list[dict]:
    """The prompts of a video, one for each object on a frame: lines about the same are combined.

    Raises:
        ValueError: if a line is none, or has a key that is not understood.
    """
    known = {"frame", "obj_id", "points", "labels", "box"}
    prompts: dict[tuple, dict] = {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
        if not isinstance(given, dict) or given.keys() - known:
            raise ValueError(f"{path}, line {number}: a prompt has the keys {', '.join(sorted(known))}")
        place = {"frame_idx": given.get("frame", 0), "obj_id": given.get("obj_id", 1)}
        empty = {**place, "points": None, "labels": None, "box": None}
        prompt = prompts.setdefault(tuple(place.values()), empty)
        points = given.get("points")
        if points is not None:
            prompt["points"] = (prompt["points"] or []) + points
            prompt["labels"] = (prompt["labels"] or []) + given.get("labels", [1] * len(points))
        if given.get("box") is not None:
            prompt["box"] = given["box"]
    if not prompts:
        raise ValueError(f"{path} holds no prompt")
    return list(prompts.values())


def record(name: str, frame: int, obj_id, mask: np.ndarray) -> str:
    """A line of the result: one mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = [0, 0, 0, 0]
    if rows.size:
        x, y = int(columns[0]), int(rows[0])
        box = [x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1]
    values = {
        "video": name,
        "frame": frame,
        "obj_id": obj_id,
        "segmentation": coco_encode_rle(mask_to_rle(mask)),
        "area": int(mask.sum()),
        "bbox": box,
    }
    return json.dumps(values) + "\n"


class Labeller:
    """A model with its threads, which labels one video after the other."""

    def __init__(self, model: dict, threads: int) -> None:
        set_num_threads(threads)
        options = {"keep": "needed", "precision": model["precision"]}
        if model["checkpoint"] is None:
            self._predictor = build_sam2_micro(video=True, **options)
        else:
            self._predictor = build_sam2_video_predictor(
                model["config"], model["checkpoint"], device="cpu", **options
            )

    def label(self, job: dict[str, str]) -> dict:
        """Labels a video. Returns its name, the number of its frames, seconds, and an error or ``""``."""
        start = time.monotonic()
        frames, error = 0, ""
        try:
            frames = self._track(job)
        except Exception as fault:  # The other videos go on, whatever is wrong with this one.
            error = f"{type(fault).__name__}: {fault}"
        return {"name": job["name"], "frames": frames, "seconds": time.monotonic() - start, "error": error}

    def _track(self, job: dict[str, str]) -> int:
        out = Path(job["out"])
        left = len(unfinished(out))
        if left >= DEATHS:
            raise RuntimeError(f"{left} workers died while they tracked it")
        file, part = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.", suffix=UNFINISHED)
        try:
            with os.fdopen(file, "w", encoding="utf-8") as lines:
                frames = self._write(job, lines)
                lines.flush()
                os.fsync(lines.fileno())
            os.chmod(part, 0o666 & ~_umask())
            os.replace(part, out)
        except BaseException:
            os.unlink(part)
            raise
        return frames

    def _write(self, job: dict[str, str], lines) -> int:
        prompts = read_prompts(job["prompts"])
        state = self._predictor.init_state(job["video"])
        for prompt in prompts:
            self._predictor.add_new_points_or_box(state, **prompt)
        frames = 0
        for frame, obj_ids, logits in self._predictor.propagate_in_video(state):
            for obj_id, mask in zip(obj_ids, logits.numpy() > 0.0):
                lines.write(record(job["name"], frame, obj_id, mask[0]))
            frames += 1
        return frames


def unfinished(out: Path) -> list[Path]:
    """What killed workers left of a result."""
    return list(out.parent.glob(f".{glob.escape(out.name)}.*{UNFINISHED}"))


def remove_unfinished(jobs: list[dict[str, str]]) -> None:
    for part in [part for job in jobs for part in unfinished(Path(job["out"]))]:
        part.unlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


class RayLabeller(Labeller):
    """A worker of Ray Data, with as many threads as it was given cores."""

    def __init__(self, model: dict) -> None:
        import ray

        cores = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
        super().__init__(model, max(1, int(cores)))

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list]:
        keys = list(batch)
        rows = [self.label(dict(zip(keys, map(str, values)))) for values in zip(*batch.values())]
        return {key: [row[key] for row in rows] for key in rows[0]}


def in_process(todo: list[dict[str, str]], args: argparse.Namespace):
    """Labels here."""
    os.environ.update(QUIET)
    labeller = Labeller(model_of(args), args.cpus_per_worker)
    yield from map(labeller.label, todo)


def on_ray(todo: list[dict[str, str]], args: argparse.Namespace):
    """Labels with Ray Data: a block for each video, a predictor for each worker."""
    import ray

    workers = ray.data.ActorPoolStrategy(size=min(args.workers, len(todo)), max_tasks_in_flight_per_actor=1)
    rows = ray.data.from_items(todo, override_num_blocks=len(todo)).map_batches(
        RayLabeller,
        batch_size=1,
        compute=workers,
        num_cpus=args.cpus_per_worker,
        fn_constructor_args=(model_of(args),),
    )
    yield from rows.iter_rows()


def start_ray(args: argparse.Namespace) -> None:
    """Joins the cluster, or starts one on this machine.

    Raises:
        ValueError: if the cluster has fewer cores than the workers need.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DATA_LOG_LEVEL", "WARNING")
    import ray

    options = {"logging_level": "warning", "runtime_env": {"env_vars": QUIET}}
    if args.address is None:
        needed = args.workers * args.cpus_per_worker
        ray.init(address="local", num_cpus=needed, include_dashboard=False, **options)
    else:
        ray.init(address=args.address, **options)
    ray.data.DataContext.get_current().enable_progress_bars = False
    cores = int(ray.cluster_resources().get("CPU", 0))
    if args.workers * args.cpus_per_worker > cores:
        raise ValueError(
            f"--workers {args.workers} with --cpus-per-worker {args.cpus_per_worker}: the cluster has {cores}"
            " cores"
        )


def model_of(args: argparse.Namespace) -> dict:
    return {"checkpoint": args.checkpoint, "config": args.config, "precision": args.precision}


def shard_of(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise argparse.ArgumentTypeError("a part and their number are needed, such as 2/8, from 1/8 to 8/8")
    return int(index), int(count)


def at_least(least: int):
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"a whole number of at least {least} is needed")
        return int(text)

    return number


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", type=Path)
    parser.add_argument("prompts", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--checkpoint", help="default: the small model in the package")
    parser.add_argument("--config", help="default: found from the checkpoint")
    parser.add_argument("--precision", choices=("f32", "int8"), default="f32")
    parser.add_argument("--workers", type=at_least(0), default=2, help="0: in this process, without Ray")
    parser.add_argument("--cpus-per-worker", type=at_least(1), default=1, help="cores and threads a worker")
    parser.add_argument("--address", help="a Ray cluster, such as auto; default: one on this machine")
    parser.add_argument("--retries", type=at_least(0), default=1, help="how often a failed video is retried")
    parser.add_argument("--shard", type=shard_of, default=(1, 1), metavar="I/N", help="a part of the list")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> int:
    found = jobs(args.videos, args.prompts, args.out, args.shard)
    args.out.mkdir(parents=True, exist_ok=True)
    todo = [job for job in found if not os.path.exists(job["out"])]
    print(f"{len(found)} videos, {len(found) - len(todo)} of them finished already", flush=True)
    if not todo:
        return 0
    remove_unfinished(todo)
    if args.workers:
        start_ray(args)
    start, frames, done = time.monotonic(), 0, 0
    failed: dict[str, str] = {}
    for attempt in range(1 + args.retries):
        again = [job for job in todo if job["name"] in failed] if attempt else todo
        if attempt:
            print(f"{len(again)} failed, attempt {attempt + 1}", flush=True)
        failed = {}
        for row in on_ray(again, args) if args.workers else in_process(again, args):
            if row["error"]:
                failed[row["name"]] = row["error"]
                continue
            frames, done = frames + row["frames"], done + 1
            print(f"{row['name']}: {row['frames']} frames in {row['seconds']:.1f} s", flush=True)
        if not failed:
            break
    remove_unfinished(todo)
    seconds = time.monotonic() - start
    cores = max(args.workers, 1) * args.cpus_per_worker
    print(
        f"{done} videos, {frames} frames in {seconds:.1f} s: {frames / seconds:.2f} frames/s,"
        f" {frames / seconds / cores:.2f} a core"
    )
    for name, error in sorted(failed.items()):
        print(f"failed: {name}: {error}", file=sys.stderr)
    return 1 if failed else 0


def main(argv: list[str] | None = None) -> int:
    args = arguments(argv)
    try:
        return run(args)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
