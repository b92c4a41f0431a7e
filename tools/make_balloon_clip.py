"""Draws the example clip: assets/balloon.gif, balloon_truth.gif, balloon_prompts.jsonl.

Usage: python tools/make_balloon_clip.py. Needs NumPy and Pillow only. A hot-air balloon drifts behind a tower
that occludes up to 90 % of it and reappears on the other side; a small balloon of another colour is a
distractor. All shapes are formulas, so the truth masks are exact.
"""

import numpy as np
from PIL import Image

import clips

WIDTH, HEIGHT, FRAMES = 320, 240, 30
SUPERSAMPLING = 3

SKY = ("5b6fc8", "6f86d6", "8ea6e0", "b3c4ea")
# (colour, height, amplitude, frequency, phase)
HILLS = (("8f86c0", 196, 12, 0.02, 0.5), ("7a6fb0", 212, 9, 0.03, 2.0), ("655a9e", 228, 5, 0.045, 1.0))
BALLOON = {"x": 58.0, "y": 100.0, "vx": 7.3, "bob": 6.0, "radius": 52.0, "aspect": 1.12, "gores": 7}
DISTRACTOR = {"x": 275.0, "y": 48.0, "vx": -1.2, "vy": 0.3, "radius": 12.0}
TOWER = {"x": 165.0, "width": 84.0, "top": 50.0}


def rgb(code: str) -> np.ndarray:
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], float)


def paint_background(image, x, y) -> None:
    stops = np.array([rgb(c) for c in (*SKY, SKY[-1])])
    position = np.floor(np.clip(y / (HEIGHT * 0.85), 0, 0.9999) * (len(SKY) - 1) * 4) / 4
    at = position.astype(int)
    blend = (position - at)[..., None]
    image[:] = stops[at] * (1 - blend) + stops[at + 1] * blend
    for colour, height, amplitude, frequency, phase in HILLS:
        edge = height + amplitude * (
            np.sin(x * frequency + phase) + 0.4 * np.sin(x * frequency * 2.7 + 2 * phase)
        )
        image[y > edge] = rgb(colour)


def paint_distractor(image, x, y, frame) -> None:
    d = DISTRACTOR
    dx = (x - d["x"] - d["vx"] * frame) / d["radius"]
    dy = (y - d["y"] - d["vy"] * frame) / d["radius"]
    image[dx**2 + (dy / 1.15) ** 2 < 1] = rgb("d23cc8")
    image[(abs(dx) < 0.25) & (dy > 1.35) & (dy < 1.7)] = rgb("5b4636")


def paint_balloon(image, x, y, frame) -> np.ndarray:
    """Paints the object; returns its mask: envelope, ropes and basket."""
    b = BALLOON
    dx = (x - b["x"] - b["vx"] * frame) / b["radius"]
    dy = (y - b["y"] - b["bob"] * np.sin(0.35 * frame)) / (b["radius"] * b["aspect"])
    envelope = dx**2 + dy**2 < 1
    longitude = np.arcsin(np.clip(dx / np.sqrt(np.clip(1 - dy**2, 1e-6, 1)), -1, 1)) / np.pi + 0.5
    gore = np.floor(longitude * b["gores"]) % 2
    colour = np.where(gore[..., None] == 0, rgb("78c81e"), rgb("66b414"))
    light = np.where((dx + 0.35) ** 2 + (dy + 0.4) ** 2 < 0.35, 1.1, 1.0)
    light = np.where((dx + 0.25) ** 2 + (dy + 0.3) ** 2 > 1.3, 0.84, light)[..., None]
    image[:] = np.where(envelope[..., None], np.clip(colour * light, 0, 255), image)
    ropes = (abs(abs(dx) - 0.17) < 0.02) & (dy > 0.9) & (dy < 1.15) & ~envelope
    basket = (abs(dx) < 0.2) & (dy >= 1.12) & (dy < 1.38)
    image[ropes | basket] = rgb("6b4a2b")
    return envelope | ropes | basket


def paint_tower(image, x, y) -> np.ndarray:
    """Paints the occluder; returns its mask."""
    t = TOWER
    side = abs(x - t["x"])
    wall = (side < t["width"] / 2) & (y > t["top"])
    roof = (side < (y - t["top"] + 0.7 * t["width"]) * 0.88) & (y <= t["top"])
    image[wall] = rgb("c86450")
    image[roof] = rgb("9c4638")
    for row in range(int(t["top"]) + 16, HEIGHT, 30):
        for column in (-16, 16):
            image[(abs(x - t["x"] - column) < 4) & (abs(y - row) < 8)] = rgb("b25644")
    image[wall & (x > t["x"] + 0.2 * t["width"])] *= 0.9
    return wall | roof


def render(frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Frame [H, W, 3] uint8 and truth [H, W] bool (the visible object covers at least half of the pixel)."""
    s = SUPERSAMPLING
    y, x = (np.mgrid[: HEIGHT * s, : WIDTH * s] + 0.5) / s
    image = np.zeros((HEIGHT * s, WIDTH * s, 3))
    paint_background(image, x, y)
    paint_distractor(image, x, y, frame)
    visible = paint_balloon(image, x, y, frame)
    visible &= ~paint_tower(image, x, y)
    image = image.reshape(HEIGHT, s, WIDTH, s, 3).mean((1, 3))
    coverage = visible.reshape(HEIGHT, s, WIDTH, s).mean((1, 3))
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), coverage >= 0.5


def main() -> None:
    pictures, truths = zip(*(render(n) for n in range(FRAMES)))
    palette = Image.fromarray(np.concatenate(pictures)).quantize(
        255, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
    )
    clips.write("balloon", pictures, palette, truths, (BALLOON["x"], BALLOON["y"]))
    print("visible pixels:", [int(t.sum()) for t in truths])


if __name__ == "__main__":
    main()
