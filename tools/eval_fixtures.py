"""Writes tests/golden/eval.npz: synthetic cases for `sam2 eval` with the scores of the public evaluators.

    python tools/eval_fixtures.py DAVIS2017-EVALUATION SAM2 PYTRACKING

The arguments are checkouts of davisvideochallenge/davis2017-evaluation (ac7c43f), facebookresearch/sam2
(2b90b9f) and visionml/pytracking (7eb9e74). Their code runs unmodified on temporary folders. Needs numpy,
scipy, scikit-image, opencv, pandas, pillow, torch and tqdm.
"""

import argparse
import contextlib
import io
import os
import pathlib
import sys
import tempfile
import types

import numpy as np
from PIL import Image

OUT = pathlib.Path(__file__).parents[1] / "tests" / "golden" / "eval.npz"


def grid(height: int, width: int) -> tuple:
    return np.mgrid[0:height, 0:width].astype(float)


def ellipse(shape: tuple, y: float, x: float, ry: float, rx: float) -> np.ndarray:
    ys, xs = grid(*shape)
    return ((ys - y) / ry) ** 2 + ((xs - x) / rx) ** 2 <= 1


def blob(rng: np.random.Generator, shape: tuple, level: float) -> np.ndarray:
    """Thresholded smooth noise: several components, holes, ragged edges."""
    noise = rng.normal(size=shape)
    for axis in (0, 1):
        for _ in range(6):
            noise = (np.roll(noise, 1, axis) + noise + np.roll(noise, -1, axis)) / 3
    return noise / noise.std() > level


def pairs() -> list:
    """(truth, prediction, void) of single frames."""
    rng = np.random.default_rng(11)
    empty = lambda *shape: np.zeros(shape, bool)
    line = empty(37, 53)
    line[5:30, 26] = True
    moved = np.roll(line, 2, axis=1)
    border = empty(41, 29)
    border[0, :] = border[:, 0] = border[-1, :] = border[:, -1] = True
    full = ~empty(20, 30)
    corner = empty(20, 30)
    corner[-1, -1] = True
    dots = blob(rng, (64, 64), 2.0)
    cases = [
        (ellipse((60, 90), 30, 40, 17, 25), ellipse((60, 90), 33, 44, 18, 21)),
        (blob(rng, (75, 110), 0.7), blob(rng, (75, 110), 0.5)),
        (line, moved),
        (line, empty(37, 53)),
        (empty(37, 53), line),
        (empty(37, 53), empty(37, 53)),
        (border, np.roll(border, 1, axis=0)),
        (full, corner),
        (corner, full),
        (full, full),
        (dots, np.roll(dots, (1, 1), (0, 1))),
        (ellipse((240, 427), 100, 200, 70, 90), ellipse((240, 427), 104, 207, 66, 95)),
        (
            ellipse((480, 854), 260, 400, 150, 190),
            ellipse((480, 854), 268, 411, 147, 193) & ~ellipse((480, 854), 250, 380, 20, 9),
        ),
        (ellipse((1, 50), 0, 20, 1, 9), ellipse((1, 50), 0, 23, 1, 9)),
        (ellipse((50, 1), 20, 0, 9, 1), ellipse((50, 1), 26, 0, 9, 1)),
        (~empty(1, 1), empty(1, 1)),
    ]
    return [
        (truth, found, blob(rng, truth.shape, 1.0) if min(truth.shape) > 8 else empty(*truth.shape))
        for truth, found in cases
    ]


def davis_sequences() -> dict:
    """name -> truth and prediction, label maps of all frames."""
    rng = np.random.default_rng(5)

    def walk(
        frames: int, shape: tuple, objects: list, dy: float = 0.0, dx: float = 0.0, grow: float = 1.0
    ) -> np.ndarray:
        maps = np.zeros((frames, *shape), np.uint8)
        for t in range(frames):
            for label, (y, x, vy, vx, ry, rx) in enumerate(objects, 1):
                drift = t / max(frames - 1, 1)
                inside = ellipse(
                    shape, y + vy * t + dy * drift, x + vx * t + dx * drift, ry * grow, rx * grow
                )
                maps[t][inside] = label
        return maps

    three = [(25, 20, 1, 3, 12, 9), (40, 70, -1, -2, 9, 14), (20, 90, 0.5, -3, 7, 6)]
    blobs = walk(7, (64, 110), three)
    found = walk(7, (64, 110), three, dy=4, dx=-3, grow=0.95)
    missing = walk(6, (48, 64), three[:2])
    without = np.where(missing == 2, 0, missing).astype(np.uint8)
    without[3] = 0
    border = np.zeros((12, 40, 56), np.uint8)
    shifted = np.zeros_like(border)
    for t in range(12):
        border[t, :, max(0, 20 - 2 * t)] = 1
        border[t, -3:, t : t + 9] = 2
        shifted[t, :, min(55, max(0, 21 - t))] = 1
        shifted[t, -4:, t : t + 7] = 2
    gone = walk(9, (40, 40), [(20, 14, 0, 1, 9, 9)])
    gone[4:7] = 0
    late = walk(9, (40, 40), [(21, 14, 0, 1, 9, 8)])
    late[5:7] = 0
    void = walk(5, (50, 50), [(20, 20, 2, 2, 11, 8)])
    void[blob(rng, void.shape[1:], 1.1)[None].repeat(5, 0) & (np.arange(5) % 2 == 1)[:, None, None]] = 255
    more = walk(8, (32, 32), [(15, 12, 0, 1, 6, 6)])
    more[4:, 20:28, 20:28] = 2  # not in frame 0, so not an object of this sequence
    long = walk(43, (24, 32), [(12, 6, 0, 0.5, 5, 4), (8, 24, 0.1, -0.3, 4, 4)])
    wander = walk(43, (24, 32), [(12, 6, 0.15, 0.5, 5, 4), (8, 24, 0.1, -0.5, 4, 4)])
    return {
        "blobs": (blobs, found),
        "border": (border, shifted),
        "gone": (gone, late),
        "late-object": (more, np.where(more == 2, 0, more).astype(np.uint8)),
        "long": (long, wander),
        "missing": (missing, without),
        "short": (blobs[:3, :, :60], found[2:5, :, :60]),
        "void": (void, walk(5, (50, 50), [(21, 21, 2, 2, 10, 8)])),
    }


def sav_videos() -> dict:
    """name -> object -> truth frames, their frame indices, prediction for every frame of the clip."""
    shape = (54, 80)
    rng = np.random.default_rng(23)

    def clip(frames: int, y: float, x: float, vy: float, vx: float, ry: float, rx: float) -> np.ndarray:
        return np.stack([ellipse(shape, y + vy * t, x + vx * t, ry, rx) for t in range(frames)])

    videos = {}
    for name, frames, objects in [
        ("sav_000001", 21, [(20, 20, 0.5, 1.5, 10, 8), (40, 60, -0.4, -1, 7, 12)]),
        ("sav_000022", 13, [(27, 40, 1, -1, 15, 9)]),
        ("sav_000300", 17, [(12, 15, 0.2, 2.5, 8, 8), (30, 70, 0, -2, 6, 9), (45, 10, 0, 1, 5, 5)]),
    ]:
        videos[name] = {}
        for k, (y, x, vy, vx, ry, rx) in enumerate(objects):
            truth = clip(frames, y, x, vy, vx, ry, rx)
            found = clip(frames, y + 1.5, x - 1, vy * 1.1, vx * 0.95, ry * 1.05, rx * 0.9)
            found[rng.integers(0, frames)] = False
            if (name, k) == ("sav_000300", 1):
                truth[:9] = False  # absent: scoring starts where truth or prediction is non-empty
                found[:5] = False
            if (name, k) == ("sav_000300", 2):
                truth[6:] = False
                found[8:] = False
            index = np.arange(0, frames, 4)
            videos[name][f"{k:03d}"] = (truth[index].astype(np.uint8), index, found.astype(np.uint8))
    return videos


def lasot_sequences() -> dict:
    """name -> truth [n, 4], prediction [n, 4], full occlusion [n], out of view [n]."""
    rng = np.random.default_rng(37)
    sequences = {}
    for name, n in [("airplane-1", 60), ("book-3", 45), ("cat-20", 80)]:
        t = np.arange(n)
        truth = np.stack([20 + 3 * t, 40 + 10 * np.sin(t / 5), 50 + t % 7, 30 + t % 5], 1).round(0)
        found = (
            truth + rng.normal(size=(n, 4)) * [4, 3, 2, 2] + np.linspace(0, 30, n)[:, None] * [1, 0.3, 0, 0]
        )
        found[:, 2:] = found[:, 2:].clip(1)
        found = found.round(2)
        occluded = np.zeros(n, int)
        out = np.zeros(n, int)
        if name == "book-3":
            occluded[10:15] = 1
            out[14:20] = 1
            truth[12:18] = 0
        if name == "cat-20":
            found[5, 2:] = 0  # an empty box: the evaluator uses the previous one
            found[6] = 0
            truth[30:33, 0] = 0  # at the image edge: invalid for the evaluator
            found[50] = truth[50]
        sequences[name] = (truth, found, occluded, out)
    return sequences


def save_maps(folder: pathlib.Path, maps: np.ndarray, indices=None) -> None:
    folder.mkdir(parents=True)
    for i, labels in zip(range(len(maps)) if indices is None else indices, maps):
        picture = Image.fromarray(labels)
        picture.putpalette(bytes(range(256)) * 3)
        picture.save(folder / f"{i:05d}.png")


def run_pairs(arrays: dict) -> None:
    from davis2017.metrics import db_eval_iou, f_measure

    for i, (truth, found, void) in enumerate(pairs()):
        expected = [
            db_eval_iou(truth, found),
            f_measure(found, truth),
            db_eval_iou(truth, found, void),
            f_measure(found, truth, void),
        ]
        for name, mask in (("truth", truth), ("found", found), ("void", void)):
            arrays[f"pair/{i:02d}/{name}"] = mask.astype(np.uint8)
        arrays[f"pair/{i:02d}/expected"] = np.array(expected, float)


def run_davis(arrays: dict, tmp: pathlib.Path) -> None:
    from davis2017.evaluation import DAVISEvaluation

    root, results = tmp / "davis", tmp / "davis-results"
    sequences = davis_sequences()
    (root / "ImageSets/2017").mkdir(parents=True)
    (root / "ImageSets/2017/val.txt").write_text("\n".join(sequences) + "\n")
    for name, (truth, found) in sequences.items():
        save_maps(root / "Annotations/480p" / name, truth)
        save_maps(results / name, found)
        images = root / "JPEGImages/480p" / name
        images.mkdir(parents=True)
        for i in range(len(truth)):
            (images / f"{i:05d}.jpg").touch()
        arrays[f"davis/{name}/truth"], arrays[f"davis/{name}/found"] = truth, found
    measured = DAVISEvaluation(str(root), "semi-supervised", "val").evaluate(str(results))
    j, f = measured["J"], measured["F"]
    assert list(j["M_per_object"].values()) == j["M"]
    rows = np.array([j["M"], j["R"], j["D"], f["M"], f["R"], f["D"]]).T
    objects = [name.rsplit("_", 1) for name in j["M_per_object"]]
    for name in sequences:
        arrays[f"davis/{name}/expected"] = rows[[k for k, (s, _) in enumerate(objects) if s == name]]
    means = rows.mean(0)
    arrays["davis/expected"] = np.array([(means[0] + means[3]) / 2, *means])


def run_sav(arrays: dict, tmp: pathlib.Path) -> None:
    from utils.sav_benchmark import benchmark

    # Per-object folders, truth on every fourth frame.
    truth_root, found_root = tmp / "sav", tmp / "sav-results"
    for video, objects in sav_videos().items():
        for obj, (truth, index, found) in objects.items():
            save_maps(truth_root / video / obj, truth, index)
            save_maps(found_root / video / obj, found)
            arrays[f"sav/{video}/{obj}/truth"], arrays[f"sav/{video}/{obj}/index"] = (
                truth,
                index.astype(np.int64),
            )
            arrays[f"sav/{video}/{obj}/found"] = found
    # One label map per frame, with the sequences of DAVIS.
    flat_root, flat_found = tmp / "flat", tmp / "flat-results"
    for name, (truth, found) in davis_sequences().items():
        save_maps(flat_root / name, truth)
        save_maps(flat_found / name, found)
    for case, truth, found in (("sav", truth_root, found_root), ("flat", flat_root, flat_found)):
        for skip in (True, False):
            with contextlib.redirect_stdout(io.StringIO()):
                jf, j, f, per_object = benchmark(
                    [str(truth)], [str(found)], True, 2, verbose=False, skip_first_and_last=skip
                )
            rules = "inner" if skip else "all"
            arrays[f"{case}/expected/{rules}"] = np.array([jf[0], j[0], f[0]])
            for video, (ious, boundaries) in per_object[0].items():
                names = sorted(ious)
                arrays[f"{case}/expected/{rules}/{video}"] = np.array(
                    [[int(n), ious[n], boundaries[n]] for n in names]
                )


def run_lasot(arrays: dict, tmp: pathlib.Path, checkout: pathlib.Path) -> None:
    import torch

    results = tmp / "lasot-results"
    results.mkdir()
    settings = types.SimpleNamespace(result_plot_path=str(tmp / "plots"))
    # Stubs for modules that import every tracker, data set and plotting package: the evaluation uses none.
    for name in (
        "pytracking.evaluation",
        "pytracking.evaluation.environment",
        "tikzplotlib",
        "matplotlib",
        "matplotlib.pyplot",
    ):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["matplotlib"].pyplot = sys.modules["matplotlib.pyplot"]
    utils = types.ModuleType("pytracking.utils")
    utils.__path__ = [str(checkout / "pytracking" / "utils")]
    sys.modules["pytracking.utils"] = utils
    sys.modules["pytracking.evaluation.environment"].env_settings = lambda: settings
    from pytracking.analysis.extract_results import extract_results
    from pytracking.analysis.plot_results import get_auc_curve, get_prec_curve

    dataset = []
    for name, (truth, found, occluded, out) in lasot_sequences().items():
        np.savetxt(results / f"{name}.txt", found, fmt="%.2f", delimiter=",")
        visible = np.logical_and(occluded == 0, out == 0)
        dataset.append(
            types.SimpleNamespace(name=name, ground_truth_rect=truth, target_visible=visible, dataset="lasot")
        )
        for key, value in (("truth", truth), ("found", found), ("occluded", occluded), ("out_of_view", out)):
            arrays[f"lasot/{name}/{key}"] = value.astype(float)
    tracker = types.SimpleNamespace(
        results_dir=str(results), name="t", parameter_name="p", run_id=None, display_name="t"
    )
    for rules, exclude in (("all", False), ("visible", True)):
        data = extract_results([tracker], dataset, "report", exclude_invalid_frames=exclude, verbose=False)
        curves = [
            torch.tensor(data[f"ave_success_rate_plot_{k}"]) for k in ("overlap", "center", "center_norm")
        ]
        ok = torch.tensor(data["valid_sequence"], dtype=torch.bool)
        curve, auc = get_auc_curve(curves[0], ok)
        precision, normalised = get_prec_curve(curves[1], ok)[1], get_prec_curve(curves[2], ok)[1]
        arrays[f"lasot/expected/{rules}"] = np.array(
            [auc[0], curve[0, 10], curve[0, 15], precision[0], normalised[0]], float
        )
        for i, sequence in enumerate(dataset):
            overlap, center, norm = (c[i, 0].double().numpy() for c in curves)
            arrays[f"lasot/expected/{rules}/{sequence.name}"] = np.array(
                [overlap.mean() * 100, center[20] * 100, norm[20] * 100, data["avg_overlap_all"][i][0]]
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("davis", type=pathlib.Path)
    parser.add_argument("sam2", type=pathlib.Path)
    parser.add_argument("pytracking", type=pathlib.Path)
    args = parser.parse_args()
    sys.path[:0] = [str(args.davis), str(args.sam2 / "sav_dataset"), str(args.pytracking)]
    arrays: dict = {}
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        run_pairs(arrays)
        run_davis(arrays, tmp)
        run_sav(arrays, tmp)
        run_lasot(arrays, tmp, args.pytracking)
    np.savez_compressed(OUT, **arrays)
    print(f"{OUT}: {len(arrays)} arrays, {os.path.getsize(OUT)} bytes")
    for key in (
        "davis/expected",
        "sav/expected/inner",
        "sav/expected/all",
        "flat/expected/inner",
        "lasot/expected/all",
    ):
        print(key, arrays[key])


if __name__ == "__main__":
    main()
