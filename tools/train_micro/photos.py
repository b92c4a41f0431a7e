"""Measures a checkpoint on real photographs and clips labelled by hand (`validation/`), through the program.

    cargo build --release -p sam2-cli
    python tools/train_micro/photos.py                               # the checkpoint in the program
    python tools/train_micro/photos.py WEIGHTS --sheet sheet.png     # also draws truth and masks

Per object of a photograph: IoU of the mask that `sam2 segment` keeps after one click (of three, the one with
the highest predicted IoU) and after a box (one mask). Per clip: J of `sam2 track` after a click and after a
box on frame 0, as the mean over the later labelled frames; "first" is frame 0. The click is the centre of the
pixel of the mask that is farthest from its border, the box the smallest that holds the mask's pixels.

`labels.json` holds outlines in pixels, where (x, y) is the centre of the pixel in column x and row y, counted
from 0. OpenCV's `fillPoly` rasterises all outlines of an object at once: pixels on an outline belong to the
object, and an outline inside another is a hole (even-odd rule).
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import cv2
import numpy as np

import prompts
import scores

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(__file__).resolve().parent / "validation"
PROGRAM = ROOT / "target" / "release" / "sam2"
CELL = 420  # longest side of a picture on the sheet, in pixels
TINT = np.array([255, 160, 30])  # blue, green, red
EDGE = ((0, 0, 0), (0, 255, 255))  # the dashes of the truth's outline


def rasterise(outlines: list, shape: tuple[int, int]) -> np.ndarray:
    """Mask [H, W] of an object's outlines."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.array(points, np.int32) for points in outlines], 1)
    if not mask.any():
        raise ValueError("an object of labels.json has no pixel in its picture")
    return mask.astype(bool)


def arguments(truth: np.ndarray) -> dict[str, list[str]]:
    """Options of the program for a click and for a box."""
    ys, xs = np.nonzero(truth)
    box = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
    x, y = prompts.centre(truth)
    return {"click": ["-p", f"{x},{y}"], "box": ["-b", ",".join(map(str, box))]}


def call(program: pathlib.Path, *args) -> None:
    command = [program, *map(str, args), "--quiet"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{program} {args[0]}: {done.stderr.strip()}")


def read(path: pathlib.Path) -> np.ndarray:
    """A mask file as bool: any pixel that is not black."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        sys.exit(f"{path}: cannot be read as a picture")
    return picture.any(2)


def draw(picture: np.ndarray, truth: np.ndarray, found: np.ndarray, text: str) -> np.ndarray:
    """The picture with the mask tinted and the truth's outline dashed, scaled, with a line of text."""
    scale = CELL / max(picture.shape[:2])
    size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    canvas = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    truth, found = (
        cv2.resize(m.astype(np.uint8), size, interpolation=cv2.INTER_LINEAR) for m in (truth, found)
    )
    canvas[found > 0] = (0.5 * canvas[found > 0] + 0.5 * TINT).astype(np.uint8)
    for outline in cv2.findContours(truth, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]:
        for n, (x, y) in enumerate(outline[:, 0]):
            cv2.circle(canvas, (int(x), int(y)), 1, EDGE[n // 6 % 2], -1)
    cell = np.full((CELL + 20, CELL + 4, 3), 255, np.uint8)
    cell[20 : 20 + size[1], : size[0]] = canvas
    cv2.putText(cell, text, (2, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return cell


def output(*suffixes: str):
    """Type of an option for an output file: checked before anything is measured."""

    def check(text: str) -> pathlib.Path:
        path = pathlib.Path(text)
        if path.suffix not in suffixes or not path.parent.is_dir():
            raise argparse.ArgumentTypeError(
                f"{text}: give a path that ends in {' or '.join(suffixes)} in an existing folder"
            )
        return path

    return check


def write_sheet(path: pathlib.Path, cells: list[np.ndarray], columns: int = 4) -> None:
    cells = cells + [np.full_like(cells[0], 255)] * (-len(cells) % columns)
    rows = [np.hstack(cells[n : n + columns]) for n in range(0, len(cells), columns)]
    if not cv2.imwrite(str(path), np.vstack(rows)):
        sys.exit(f"{path}: cannot be written; is the disk full or the folder read-only?")


class Measure:
    def __init__(self, program: pathlib.Path, weights: pathlib.Path | None, options: list[str]):
        self.program = program
        self.model = ["-m", weights] if weights else []
        self.options = options
        self.cells = []

    def photo(self, name: str, label: str, outlines: list) -> dict:
        path = DATA / "photos" / name
        picture = cv2.imread(str(path))
        truth = rasterise(outlines, picture.shape[:2])
        row = {"photo": name, "object": label, "share": float(truth.mean())}
        with tempfile.TemporaryDirectory() as folder:
            for kind, prompt in arguments(truth).items():
                out = pathlib.Path(folder) / f"{kind}.png"
                call(self.program, "segment", path, *prompt, "-o", out, *self.model, *self.options)
                found = read(out)
                row[kind] = scores.jaccard(truth, found)
                text = f"{path.stem}: {label}, {kind} {row[kind]:.2f}"
                self.cells.append(draw(picture, truth, found, text))
        return row

    def clip(self, name: str, label: dict) -> dict:
        frames = sorted((DATA / "clips" / name).glob("*.jpg"))
        pictures = [cv2.imread(str(frame)) for frame in frames]
        truths = {int(n): rasterise(o, pictures[int(n)].shape[:2]) for n, o in label["frames"].items()}
        row = {"clip": name, "object": label["object"]}
        with tempfile.TemporaryDirectory() as folder:
            for kind, prompt in arguments(truths[0]).items():
                out = pathlib.Path(folder) / kind
                call(self.program, "track", frames[0].parent, *prompt, "-o", out, *self.model, *self.options)
                found = {n: read(out / f"{n:05d}.png") for n in truths}
                j = {n: scores.jaccard(truths[n], found[n]) for n in truths}
                row[kind] = {"first": j[0], "j": float(np.mean([v for n, v in j.items() if n]))}
                row[kind]["frames"] = {str(n): v for n, v in j.items()}
                for n, truth in truths.items():
                    text = f"{name}, frame {n}, {kind} {j[n]:.2f}"
                    self.cells.append(draw(pictures[n], truth, found[n], text))
        return row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", nargs="?", type=pathlib.Path, help="default: those in the program")
    parser.add_argument("--program", type=pathlib.Path, default=PROGRAM, metavar="FILE")
    parser.add_argument("--options", default="", help="further options of the program, such as '--threads 2'")
    parser.add_argument(
        "--sheet", type=output(".png", ".jpg"), metavar="FILE", help="draw truth and masks: .png, .jpg"
    )
    parser.add_argument("--json", type=output(".json"), metavar="FILE", help="write every score")
    args = parser.parse_args()
    if not args.program.is_file():
        sys.exit(f"{args.program}: no such program; build it with cargo build --release -p sam2-cli")
    labels = json.loads((DATA / "labels.json").read_text())
    measure = Measure(args.program, args.weights, args.options.split())
    photos = [measure.photo(n, o, outlines) for n, p in labels["photos"].items() for o, outlines in p.items()]
    print("photograph        object          share  click    box")
    for row in photos:
        print(
            f"{row['photo']:17} {row['object']:14} {row['share']:6.3f}  {row['click']:.3f}  {row['box']:.3f}"
        )
    summary = {kind: float(np.mean([row[kind] for row in photos])) for kind in ("click", "box")}
    print(f"{len(photos)} objects, mean IoU {'':18} {summary['click']:.3f}  {summary['box']:.3f}")
    clips = [measure.clip(name, label) for name, label in labels["clips"].items()]
    if clips:
        print("\nclip              object          click: first, J   box: first, J")
    for row in clips:
        pairs = [f"{row[kind]['first']:.3f}  {row[kind]['j']:.3f}" for kind in ("click", "box")]
        print(f"{row['clip']:17} {row['object']:15} {pairs[0]}      {pairs[1]}")
    if clips:
        summary |= {
            f"j_{kind}": float(np.mean([row[kind]["j"] for row in clips])) for kind in ("click", "box")
        }
        print(f"{len(clips)} clips, mean J {summary['j_click']:.3f} by click, {summary['j_box']:.3f} by box")
    if args.sheet:
        write_sheet(args.sheet, measure.cells)
    if args.json:
        args.json.write_text(json.dumps({"summary": summary, "photos": photos, "clips": clips}, indent=1))


if __name__ == "__main__":
    main()
