"""Reads every format of `sam2 export` with the reader of the tool that it is for, and compares the masks.

    python3 -m venv venv && venv/bin/pip install pycocotools labelme ultralytics trackeval tabulate matplotlib
    cargo build --release
    venv/bin/python tools/export_readers.py --sam2 target/release/sam2 /tmp/readers

The masks are made here: one pixel, a ring with an island, pieces that touch at corners, discs that come and
go and overlap, the whole frame, nothing at all; and a frame with 255 objects. The folder keeps all files, so
that pictures and videos can be looked at. `--sav-utils FILE` is Meta's sav_dataset/utils/sav_utils.py. Exit
code 1 if a mask differs more than the format allows.
"""

import argparse
import contextlib
import importlib.metadata
import importlib.util
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys

import cv2
import numpy as np
import PIL.Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

WIDTH, HEIGHT, FRAMES = 321, 240, 8
NAMES = ['a "red", big car', "Größe = 3", "object"]
CLASSES = {1: 0, 2: 1}  # object -> class; all others are the last

faults = []


def disc(x, y, radius):
    ys, xs = np.mgrid[:HEIGHT, :WIDTH]
    return (xs - x) ** 2 + (ys - y) ** 2 < radius**2


def hard():
    """Masks by frame and object: (frame, id) -> bool[H, W]; empty ones included."""
    ys, xs = np.mgrid[:HEIGHT, :WIDTH]
    masks = {}
    for frame in range(FRAMES):
        masks[frame, 1] = (xs == WIDTH - 1) & (ys == HEIGHT - 1)
        masks[frame, 2] = disc(60 + 20 * frame, 100, 40) & (frame % 3 != 1)
        ring = disc(150, 120, 90) & ~disc(150, 120, 60)
        masks[frame, 3] = ring | disc(150, 120, 30) & ~disc(150, 120, 10)
        masks[frame, 7] = (xs < 40) & (ys < 40) & ((xs // 8 + ys // 8) % 2 == 0)
        masks[frame, 9] = np.zeros((HEIGHT, WIDTH), bool)
        if frame == 5:
            masks[frame, 255] = np.ones((HEIGHT, WIDTH), bool)
    return masks


def many():
    """255 objects on one frame."""
    ys, xs = np.mgrid[:HEIGHT, :WIDTH]
    masks = {}
    for number in range(255):
        left, top = number % 20 * 16, number // 20 * 18
        masks[0, number + 1] = (xs >= left) & (xs < left + 12) & (ys >= top) & (ys < top + 9 + number % 7)
    return masks


def write_results(folder, masks):
    folder.mkdir()
    with open(folder / "tracks.jsonl", "w") as file:
        for (frame, number), mask in sorted(masks.items()):
            rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
            rle = {"size": rle["size"], "counts": rle["counts"].decode()}
            line = {"frame": frame, "obj_id": number, "predicted_iou": 0.5, "rle": rle}
            file.write(json.dumps(line) + "\n")


def iou(a, b):
    union = (a | b).sum()
    return 1.0 if union == 0 else (a & b).sum() / union


def visible(masks):
    return {key: mask for key, mask in masks.items() if mask.any()}


def without_overlaps(masks):
    kept = {}
    for (frame, number), mask in masks.items():
        for (other_frame, other), lower in masks.items():
            if other_frame == frame and other < number:
                mask = mask & ~lower
        kept[frame, number] = mask
    return visible(kept)


def compare(what, found, expected, least=1.0):
    """Every object on every frame; reports the lowest IoU."""
    if found.keys() != expected.keys():
        faults.append(what)
        print(f"{what}: other objects: {sorted(found.keys() ^ expected.keys())}")
        return
    lowest = min(iou(found[key], expected[key]) for key in expected)
    verdict = "" if lowest >= least else f"  FAULT, at least {least} is expected"
    if verdict:
        faults.append(what)
    print(f"{what}: {len(expected)} masks, lowest IoU {lowest:.6f}{verdict}")


def decode(rle):
    return coco_mask.decode(rle).astype(bool)


def inside(corners):
    """The pixels whose centres are inside, by the even-odd rule: the reader's corners, filled exactly."""
    ys, xs = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    flips = np.zeros((HEIGHT, WIDTH), bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0)):
        crosses = (ay > ys) != (by > ys)
        with np.errstate(divide="ignore", invalid="ignore"):
            flips ^= crosses & (xs < ax + (ys - ay) * (bx - ax) / (by - ay))
    return flips


def spread(drawn, expected):
    ious = [iou(drawn[key], mask) for key, mask in expected.items()]
    return f"IoU {min(ious):.3f} to {max(ious):.3f}, mean {np.mean(ious):.3f}"


class Run:
    def __init__(self, sam2, place, name, masks):
        self.sam2, self.place, self.name, self.masks = sam2, place / name, name, masks
        self.place.mkdir()
        self.frames = self.place / "Bilder, \"ü\""
        self.frames.mkdir()
        for frame in sorted({frame for frame, _ in masks}):
            ys, xs = np.mgrid[:HEIGHT, :WIDTH]
            picture = np.stack([xs * 255 // WIDTH, ys * 255 // HEIGHT, np.full_like(xs, 30 * frame)], -1)
            PIL.Image.fromarray(picture.astype(np.uint8)).save(self.frames / f"Bild \"{frame}\", ü.png")
        write_results(self.place / "results", masks)
        (self.place / "names.txt").write_text("\n".join(NAMES) + "\n", encoding="utf-8")

    def export(self, format, out, *more):
        classes = [f"{number}={NAMES[index]}" for number, index in CLASSES.items()]
        command = [self.sam2, "export", self.place / "results", "--to", format, "-o", self.place / out]
        command += ["--images", self.frames, "--names", self.place / "names.txt"]
        command += ["--classes", ",".join(classes)]
        done = subprocess.run([*map(str, command), *map(str, more)], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{format}: {done.stderr}")
        return self.place / out


def read_coco(run):
    for more in [[], ["--rle", "always"], ["--simplify", "1"]]:
        path = run.export("coco", "coco" + "".join(more) + ".json", *more)
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(path))
        assert [category["name"] for category in coco.cats.values()] == NAMES
        files = sorted(path.name for path in run.frames.iterdir())
        assert [image["file_name"] for image in coco.imgs.values()] == files
        found, boxes = {}, 0
        for annotation in coco.anns.values():
            mask = coco.annToMask(annotation).astype(bool)
            found[files.index(coco.imgs[annotation["image_id"]]["file_name"]), annotation["track_id"]] = mask
            # Its own box of the run lengths, not of the polygons, which simplification moves.
            boxes += list(coco_mask.toBbox(coco.annToRLE(annotation))) != annotation["bbox"] and not more
        if boxes:
            faults.append("coco")
        compare("coco " + " ".join(more), found, visible(run.masks), 0.99 if "--simplify" in more else 1.0)


def read_ytvis(run):
    value = json.loads(run.export("ytvis", "ytvis.json").read_text("utf-8"))
    found = {}
    for annotation in value["annotations"]:
        for frame, rle in enumerate(annotation["segmentations"]):
            if rle is not None:
                found[frame, annotation["track_id"]] = decode(rle)
    compare("ytvis", found, visible(run.masks))


def read_sav(run, utils):
    folder = run.export("sav", "sav")
    video = run.frames.name
    run.export("overlay", f"sav/{video}.mp4")
    if utils:
        spec = importlib.util.spec_from_file_location("sav_utils", utils)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        data = module.SAVDataset(str(folder), annot_sample_rate=1)
        with contextlib.redirect_stdout(io.StringIO()):
            frames, manual, _ = data.get_frames_and_annotations(video)
        assert len(frames) == len(manual["masklet"]), (len(frames), len(manual["masklet"]))
    else:
        manual = json.loads((folder / f"{video}_manual.json").read_text("utf-8"))
    pairs = enumerate(manual["masklet"])
    found = {(frame, n): decode(rle) for frame, rles in pairs for n, rle in zip(manual["masklet_id"], rles)}
    compare("sav" + (" (sav_utils)" if utils else ""), visible(found), visible(run.masks))


def read_pictures(run):
    folder = run.export("davis", "davis")
    found = {}
    for frame, path in enumerate(sorted(folder.iterdir())):
        labels = np.asarray(PIL.Image.open(path))
        found |= {(frame, int(n)): labels == n for n in np.unique(labels) if n}
    compare("davis (Pillow)", found, without_overlaps(run.masks))
    found = {}
    for path in sorted(run.export("sav-png", "sav-png").glob("*/*")):
        for frame, file in enumerate(sorted(path.iterdir())):
            found[frame, int(path.name)] = np.asarray(PIL.Image.open(file)) > 0
    compare("sav-png (Pillow)", visible(found), visible(run.masks))


def read_yolo(run):
    from ultralytics.data.utils import check_det_dataset, polygon2mask, verify_image_label

    for more in [[], ["--simplify", "1"]]:
        folder = run.export("yolo", "yolo" + "".join(more), *more)
        data = check_det_dataset(str(folder / "data.yaml"), autodownload=False)
        assert list(data["names"].values()) == NAMES
        found, drawn, expected = {}, {}, visible(run.masks)
        for frame, image in enumerate(sorted(pathlib.Path(data["train"]).iterdir())):
            labels = folder / "labels" / (image.stem + ".txt")
            answer = verify_image_label((str(image), str(labels), "", False, len(NAMES), 0, 0, False))
            _, rows, shape, segments, _, missing, _, _, corrupt, message = answer
            assert not missing and not corrupt and not message and tuple(shape) == (HEIGHT, WIDTH), message
            numbers = sorted(number for other, number in expected if other == frame)
            assert [int(row[0]) for row in rows] == [CLASSES.get(number, 2) for number in numbers]
            for number, segment in zip(numbers, segments, strict=True):
                corners = segment.astype(np.float64) * [WIDTH, HEIGHT]
                found[frame, number] = inside(corners)
                drawn[frame, number] = polygon2mask((HEIGHT, WIDTH), [corners.reshape(-1)]).astype(bool)
        compare("yolo (ultralytics' labels) " + " ".join(more), found, expected, 0.99 if more else 1.0)
        print(f"  drawn by its polygon2mask, which adds the outline: {spread(drawn, expected)}")


def read_labelme(run):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("LOGURU_LEVEL", "WARNING")
    from labelme._label_file import read_label_file
    from labelme.utils import shape_to_mask

    for more in [[], ["--labelme-mask"]]:
        folder = run.export("labelme", "labelme" + "".join(more), *more)
        found, drawn, expected = {}, {}, visible(run.masks)
        for frame, path in enumerate(sorted(folder.glob("*.json"))):
            for shape in read_label_file(str(path)).shapes:
                key = frame, shape["group_id"]
                assert shape["label"] == NAMES[CLASSES.get(key[1], 2)]
                mask, empty = np.zeros((HEIGHT, WIDTH), bool), np.zeros((HEIGHT, WIDTH), bool)
                if more:
                    (x0, y0), (x1, y1) = np.asarray(shape["points"]).astype(int)
                    mask[y0 : y1 + 1, x0 : x1 + 1] = shape["mask"]
                else:
                    mask = inside(np.asarray(shape["points"]))
                    pillow = shape_to_mask((HEIGHT, WIDTH), shape["points"], "polygon")
                    drawn[key] = drawn.get(key, empty) | pillow
                found[key] = found.get(key, empty) | mask
        compare("labelme (its label file) " + " ".join(more), found, expected)
        if drawn:
            print(f"  drawn by its shape_to_mask, which adds the outline: {spread(drawn, expected)}")


def read_trackeval(run):
    """Its readers refuse overlaps, unknown frames and ids that occur twice."""
    import trackeval

    root = run.place / "trackeval"
    sequence = "seq"
    for name, more, dataset in [
        ("mot", [], trackeval.datasets.MotChallenge2DBox),
        ("mots", ["--first-frame", "1"], trackeval.datasets.MOTSChallenge),
    ]:
        truth, tracker = root / name / "gt" / sequence, root / name / "trackers/sam2/data"
        tracker.mkdir(parents=True)
        run.export("mot", truth.relative_to(run.place))
        run.export(name, (tracker / f"{sequence}.txt").relative_to(run.place), *more)
        if name == "mots":
            shutil.copy(tracker / f"{sequence}.txt", truth / "gt/gt.txt")
        config = {"GT_FOLDER": str(root / name / "gt"), "TRACKERS_FOLDER": str(root / name / "trackers")}
        config |= {"SKIP_SPLIT_FOL": True, "PRINT_CONFIG": False, "DO_PREPROC": False}
        config |= {"SEQ_INFO": {sequence: None}}
        with contextlib.redirect_stdout(io.StringIO()):
            data = dataset(config)
            raw = data.get_raw_seq_data("sam2", sequence)
        found, boxes = {}, 0
        for frame in range(raw["num_timesteps"]):
            for number, box in zip(raw["tracker_ids"][frame], raw["tracker_dets"][frame]):
                if name == "mots":
                    found[frame, int(number) % 1000] = decode(box)
                else:
                    ys, xs = np.nonzero(run.masks[frame, int(number)])
                    sides = [xs.min(), ys.min(), xs.max() + 1 - xs.min(), ys.max() + 1 - ys.min()]
                    boxes += list(box) == sides
        if name == "mots":
            compare("mots (TrackEval)", found, without_overlaps(run.masks))
            continue
        count = len(visible(run.masks))
        print(f"mot (TrackEval): {boxes} of {count} boxes, also as ground truth")
        same = all((a == b).all() for a, b in zip(raw["gt_dets"], raw["tracker_dets"], strict=True))
        if boxes != count or not same:
            faults.append("mot")


def read_videos(run):
    overlays = [("overlay", f"overlay.{end}") for end in ["mp4", "webm", "mov", "gif", "apng"]]
    for format, name in [*overlays, ("alpha", "alpha.webm"), ("alpha", "alpha.mov")]:
        path = run.export(format, name, *(["--labels"] if format == "overlay" else []))
        fields = "stream=codec_name,width,height,pix_fmt,color_space,avg_frame_rate,nb_read_frames"
        command = ["ffprobe", "-v", "error", "-count_frames", "-show_entries", fields, "-of", "csv=p=0"]
        told = subprocess.run([*command, path], capture_output=True, text=True, check=True).stdout.strip()
        print(f"{name} (ffprobe): {told}")
        if not told.endswith(f",{FRAMES}"):
            faults.append(name)
        if format == "alpha":
            decoder = ["-c:v", "libvpx-vp9"] if name.endswith("webm") else []
            command = ["ffmpeg", "-v", "error", *decoder, "-i", str(path)]
            command += ["-pix_fmt", "rgba", "-f", "rawvideo", "-"]
            data = subprocess.run(command, capture_output=True, check=True).stdout
            pixels = np.frombuffer(data, np.uint8).reshape(FRAMES, HEIGHT, WIDTH, 4)
            found = {(frame, 0): pixels[frame, :, :, 3] > 127 for frame in range(FRAMES)}
            union = {}
            for (frame, _), mask in run.masks.items():
                union[frame, 0] = union.get((frame, 0), mask) | mask
            compare("  its opacity above one half", found, union, 0.99)
    for frame, path in enumerate(sorted(run.export("alpha", "alpha").iterdir())):
        opacity = np.asarray(PIL.Image.open(path))[:, :, 3]
        union = np.any([mask for (other, _), mask in run.masks.items() if other == frame], axis=0)
        if ((opacity == 255) != union).any():
            faults.append("alpha")


def main():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--sam2", default="target/release/sam2")
    parser.add_argument("--sav-utils")
    parser.add_argument("folder", type=pathlib.Path, help="is made, and must not be there")
    args = parser.parse_args()
    packages = ["pycocotools", "labelme", "ultralytics", "trackeval", "Pillow"]
    for package in [*packages, "opencv-python-headless", "numpy"]:
        print(package, importlib.metadata.version(package))
    print(subprocess.run(["ffprobe", "-version"], capture_output=True, text=True).stdout.split("\n")[0])
    args.folder.mkdir()
    runs = [Run(args.sam2, args.folder, "hard", hard()), Run(args.sam2, args.folder, "many", many())]
    for run in runs:
        print(f"\n{run.name}: {len(run.masks)} masks")
        for reader in [read_coco, read_ytvis, read_pictures, read_yolo, read_labelme, read_trackeval]:
            reader(run)
        read_sav(run, args.sav_utils)
    read_videos(runs[0])
    print("\nfaults:", ", ".join(faults) if faults else "none")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
