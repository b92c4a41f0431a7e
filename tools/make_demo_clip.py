"""Draws the clip of `sam2 demo`: assets/demo.gif, demo_truth.gif, demo_prompts.jsonl.

Usage: python tools/make_demo_clip.py [NUMBER]. NUMBER is a held-out clip of tools/train_micro. In the bundled
one an identical distractor passes in front of the object.
"""

import argparse
import pathlib
import sys

import numpy as np
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).parent / "train_micro"))
import clips
import data
import evaluate
import prompts

NUMBER = 33


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("number", type=int, nargs="?", default=NUMBER)
    number = parser.parse_args().number
    frames, ids, scene = data.clip(data.HELD_OUT + number, evaluate.SIZE)
    truths = ids == 0
    palette = Image.fromarray(np.concatenate(frames)).quantize(
        255, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
    )
    clips.write("demo", frames, palette, truths, prompts.centre(truths[0]))
    print(scene.story, "visible pixels:", [int(t.sum()) for t in truths])


if __name__ == "__main__":
    main()
