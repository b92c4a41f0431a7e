"""Renders the clip of real-looking things: rendered.gif, rendered_truth.gif, rendered_prompts.jsonl.

Usage: python tools/make_rendered_clip.py THINGS [--number N] [--folder FOLDER]. THINGS is things.zip of
tools/train_micro/assets.py. N is a held-out scene of tools/train_micro/rooms.py, of furniture and other 3-D
models; its camera stands still and has no noise, so that the GIF stays small. The palette has COLOURS
colours.
"""

import argparse
import pathlib
import sys

import numpy as np
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).parent / "train_micro"))
import clips
import data
import prompts
import rooms
import things

NUMBER = 284
FRAMES = 24
SIZE = 256
COLOURS = 128
TURN = 0.25  # angle between the way of thing 0 and the picture's horizontal, in radians
REACH = 1.3  # length of this way, in half widths of the picture


def render(studio: rooms.Studio, number: int) -> tuple[np.ndarray, np.ndarray, rooms.Scene]:
    """Frames [n, S, S, 3] u8, masks of thing 0 [n, S, S], and the scene.

    Thing 0 drives across the picture, so that others hide it for a while; they and the camera stand still.
    """
    scene = rooms.Scene(data.HELD_OUT + number, studio, FRAMES, "free")
    scene.orbit, scene.pan, scene.dolly = np.zeros(2), np.zeros(3), 1.0
    scene.camera.noise = scene.camera.quality = scene.camera.sharpen = 0
    for actor in scene.actors:
        actor.drift, actor.spin, actor.hop = np.zeros(3), np.zeros(3), 0.0
    hero = scene.actors[0]
    way = np.array([np.cos(scene.yaw + TURN), 0, -np.sin(scene.yaw + TURN)])
    hero.drift = way * REACH * scene.distance * np.tan(scene.angle / 2) / FRAMES
    hero.place = scene.target * [1, 0, 1] + [0, hero.base, 0] - hero.drift * (FRAMES - 1) / 2
    hero.turn = -np.pi / 2 - np.arctan2(way[2], way[0]), 0.0, 0.0
    drawn = [scene.draw(t) for t in range(FRAMES)]
    owners = np.append(scene.owners, -1)  # id -1 is the last
    return np.stack([d[0] for d in drawn]), np.stack([owners[d[1]] == 0 for d in drawn]), scene


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("things", type=pathlib.Path)
    parser.add_argument("--number", type=int, default=NUMBER)
    parser.add_argument("--folder", type=pathlib.Path, default=clips.ASSETS)
    args = parser.parse_args()
    stock = things.Things(args.things)
    frames, truths, scene = render(rooms.Studio(stock, SIZE), args.number)
    palette = Image.fromarray(np.concatenate(frames)).quantize(
        COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
    )
    clips.write("rendered", frames, palette, truths, prompts.centre(truths[0]), args.folder)
    named = [stock.models[int(b.mesh)] for b in scene.bodies if b.first >= 0]
    print("things:", ", ".join(f"{m['name']} ({m['creator']}, {m['collection']})" for m in named))
    print("visible pixels:", [int(t.sum()) for t in truths])


if __name__ == "__main__":
    main()
