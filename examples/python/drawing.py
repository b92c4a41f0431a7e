"""Pictures of masks, in files: what the notebooks show in windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

COLOURS = [(31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189), (140, 86, 75)]
SCALE = 2


def draw(image, masks=(), points=None, labels=None, boxes=()) -> Image.Image:
    """A picture at twice its size with masks of ``(H, W)``, clicks (green on, red off) and boxes."""
    pixels = np.asarray(image, np.float32).copy()
    for i, mask in enumerate(masks):
        inside = np.asarray(mask).astype(bool)
        pixels[inside] = 0.4 * pixels[inside] + 0.6 * np.array(COLOURS[i % len(COLOURS)], np.float32)
        edge = inside & ~_eroded(inside)
        pixels[edge] = 255
    picture = Image.fromarray(pixels.astype(np.uint8))
    picture = picture.resize((picture.width * SCALE, picture.height * SCALE), Image.Resampling.NEAREST)
    canvas = ImageDraw.Draw(picture)
    for box in boxes:
        canvas.rectangle([SCALE * float(x) for x in box], outline=(0, 255, 0), width=2)
    if points is not None:
        for (x, y), label in zip(np.reshape(points, (-1, 2)) * SCALE, np.ravel(labels)):
            colour = (0, 200, 0) if label == 1 else (220, 0, 0)
            canvas.ellipse([x - 6, y - 6, x + 6, y + 6], fill=colour, outline=(255, 255, 255), width=2)
    return picture


def _eroded(inside: np.ndarray) -> np.ndarray:
    framed = np.pad(inside, 1)
    inner = framed[1:-1, 1:-1]
    return inner & framed[:-2, 1:-1] & framed[2:, 1:-1] & framed[1:-1, :-2] & framed[1:-1, 2:]


def save(out: Path, name: str, *pictures: Image.Image) -> None:
    """Writes pictures side by side as ``out/name.png``."""
    out.mkdir(parents=True, exist_ok=True)
    sheet = Image.new("RGB", (sum(p.width for p in pictures), max(p.height for p in pictures)))
    x = 0
    for picture in pictures:
        sheet.paste(picture, (x, 0))
        x += picture.width
    path = out / f"{name}.png"
    sheet.save(path)
    print(path)
