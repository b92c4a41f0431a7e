"""Renders the clip of real-looking things: rendered.gif, rendered_truth.gif, rendered_prompts.jsonl.

Usage: python tools/make_rendered_clip.py THINGS [--folder FOLDER]. THINGS is things.zip of
tools/train_micro/assets.py. A car drives through a street behind a man, his dog and a hydrant. The models
are also in the training data, with other colours and lights; this scene is not. The camera stands still and
has no noise, so that the GIF stays small; its palette has COLOURS colours.
"""

import argparse
import pathlib
import sys

import numpy as np
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).parent / "train_micro"))
import clips
import photo
import prompts
import raster
import rooms
import things

FRAMES = 24
SIZE = 256
COLOURS = 160
CENTIMETRES = 250  # in a unit of the scene
CAR = "smart-car"
WAY = -1.2, 1.6  # x of the car on the first and on the last frame
LANE = -0.3  # its z; +z is towards the camera
# model, x, z, direction of its front (0: towards the camera)
STREET = (
    ("male01", 0.42, 0.5, 0.3),
    ("dog", 0.85, 0.62, 0.6),
    ("fire-hydrant", -0.62, 0.5, 0.0),
    ("hedgeTextured", -2.1, -1.15, 0.0),
    ("hedgeTextured", -1.45, -1.15, 0.0),
    ("painted-bench", -0.6, -1.15, 0.0),
    ("cypress", 0.25, -1.2, 0.0),
    ("hedgeTextured", 1.15, -1.15, 0.0),
    ("hedgeTextured", 1.8, -1.15, 0.0),
)
FLOOR = "textures/Scopia/scopia/coffee-table2/little_stones.jpg"
WALL = "textures/Scopia/scopia/doll-house/mini-bricks.jpg"
EYE, TARGET, ANGLE = (0.35, 1.0, 3.6), (0.0, 0.45, 0.0), 0.66


def light() -> raster.Light:
    ray = np.array([-0.45, 0.75, 0.5])
    none = np.zeros((2, 3))
    return raster.Light(
        ray / np.linalg.norm(ray),
        np.array([1.15, 1.08, 0.95]),
        np.array([0.5, 0.56, 0.65]),
        np.array([0.3, 0.28, 0.26]),
        none + 5,
        none,
        0.002,
        0.0,
        np.ones(3),
    )


def camera() -> photo.Camera:
    """One that changes little."""
    made = photo.Camera(np.random.default_rng(0))
    made.exposure, made.cast, made.saturation, made.gamma, made.contrast = (
        1.1,
        np.ones(3, np.float32),
        1,
        1,
        1.1,
    )
    made.vignette = made.noise = made.quality = made.sharpen = 0
    made.blur = 0.4
    return made


def render(studio: rooms.Studio) -> tuple[np.ndarray, np.ndarray, list[dict]]:
    """Frames [n, S, S, 3] u8, masks of the car [n, S, S], and the models."""
    stock = studio.stock
    numbers = {pathlib.PurePath(m["file"]).stem: n for n, m in enumerate(stock.models)}
    flat = lambda image, repeats: raster.Surface(np.array([0.85, 0.82, 0.8]), image, 1, repeats)
    bodies = [raster.Body("square", [flat(FLOOR, 14.0)]), raster.Body("square", [flat(WALL, 9.0)])]
    still = [np.eye(4) * [16, 16, 16, 1], rooms.placed(rooms.turned(0, np.pi / 2), 16, [0, 0, -1.6])]
    lifts, sizes = [], []
    for first, name in enumerate((CAR, *(s[0] for s in STREET))):
        model = stock.models[numbers[name]]
        sizes.append(max(model["cm"]) / CENTIMETRES)
        lifts.append(model["cm"][1] / CENTIMETRES / 2)
        bodies.append(raster.Body(str(numbers[name]), studio.own(model), first, 0))
    for (_, x, z, yaw), size, lift in zip(STREET, sizes[1:], lifts[1:]):
        still.append(rooms.placed(rooms.turned(yaw), size, [x, lift, z]))
    lens, sun = camera(), light()
    studio.made["made/sky"] = np.ones((8, 8, 3), np.float32) * [0.6, 0.75, 0.9]
    frames, truths = [], []
    for t, x in enumerate(np.linspace(*WAY, FRAMES)):
        car = rooms.placed(rooms.turned(np.pi / 2), sizes[0], [x, lifts[0], LANE])
        models = [*still[:2], car, *still[2:]]
        picture, ids = studio.renderer.draw(bodies, models, EYE, TARGET, ANGLE, sun, "made/sky")
        frames.append(lens.take(picture, t))
        truths.append(ids == 0)
    return np.stack(frames), np.stack(truths), [stock.models[int(b.mesh)] for b in bodies[2:]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("things", type=pathlib.Path)
    parser.add_argument("--folder", type=pathlib.Path, default=clips.ASSETS)
    args = parser.parse_args()
    frames, truths, models = render(rooms.Studio(things.Things(args.things), SIZE))
    palette = Image.fromarray(np.concatenate(frames)).quantize(
        COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
    )
    clips.write("rendered", frames, palette, truths, prompts.centre(truths[0]), args.folder)
    print("models:", ", ".join(sorted({f"{m['name']} ({m['creator']}, {m['collection']})" for m in models})))
    print("visible pixels:", [int(t.sum()) for t in truths])


if __name__ == "__main__":
    main()
