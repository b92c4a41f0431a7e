"""Bundled clips in assets/: NAME.gif, NAME_truth.gif (object in white), NAME_prompts.jsonl (one click)."""

import json
import pathlib

import numpy as np
from PIL import Image

ASSETS = pathlib.Path(__file__).resolve().parent.parent / "assets"


def decode(path) -> np.ndarray:
    """Every frame of a GIF as RGB, [frames, H, W, 3]."""
    with Image.open(path) as gif:
        frames = []
        for n in range(gif.n_frames):
            gif.seek(n)
            frames.append(np.array(gif.convert("RGB")))
    return np.stack(frames)


def write_gif(path, pictures, palette) -> None:
    """Writes a GIF with one palette, undithered; asserts that it decodes to the given indices."""
    indexed = [Image.fromarray(p).quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    indexed[0].save(
        path, save_all=True, append_images=indexed[1:], duration=80, loop=0, disposal=1, optimize=False
    )
    assert np.array_equal(decode(path), np.stack([np.array(i.convert("RGB")) for i in indexed])), path


def write(name: str, pictures, palette, truths, click: tuple, folder: pathlib.Path = ASSETS) -> None:
    """Writes a clip: frames [H, W, 3] uint8, truth masks [H, W] bool, and a click on frame 0."""
    write_gif(folder / f"{name}.gif", pictures, palette)
    black_white = Image.new("P", (1, 1))
    black_white.putpalette([0, 0, 0, 255, 255, 255])
    masks = [np.repeat(t[..., None] * np.uint8(255), 3, axis=2) for t in truths]
    write_gif(folder / f"{name}_truth.gif", masks, black_white)
    assert np.array_equal(decode(folder / f"{name}_truth.gif"), np.stack(masks))
    line = json.dumps({"frame": 0, "obj_id": 1, "points": [list(click)], "labels": [1]})
    (folder / f"{name}_prompts.jsonl").write_text(line + "\n")
    for file in (f"{name}.gif", f"{name}_truth.gif"):
        print(file, (folder / file).stat().st_size, "bytes")
