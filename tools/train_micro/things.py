"""The pack that assets.py writes: sprites, textures and meshes, decoded when first used."""

import functools
import io
import json
import pathlib
import zipfile

import cv2
import numpy as np

import appearance


def decoded(data: bytes) -> np.ndarray:
    """Pixels [H, W, 3 or 4] u8, RGB."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, 2)
    order = [2, 1, 0, 3][: image.shape[2]]
    return np.ascontiguousarray(image[..., order])


class Things:
    """Everything that scenes are made of, drawn at random."""

    def __init__(self, pack: pathlib.Path):
        if not pack.exists():
            raise SystemExit(f"{pack}: no such pack; run assets.py first")
        self.archive = zipfile.ZipFile(pack)
        names = self.archive.namelist()
        self.sprites = [n for n in names if n.startswith("sprites/")]
        self.textures = [n for n in names if n.startswith("textures/")]
        self.models = json.loads(self.archive.read("models.json")) if "models.json" in names else []
        self.decoded = functools.lru_cache(1000)(lambda name: decoded(self.archive.read(name)))

    def image(self, name: str) -> np.ndarray:
        """Pixels [H, W, 3 or 4] in 0..1."""
        return self.decoded(name).astype(np.float32) / 255

    def texture(self, collection: str, name: str) -> str | None:
        """Key for `image` of a texture that a model names, if the pack has it."""
        name = f"textures/{collection}/{name}"
        return name if name in self.archive.NameToInfo else None

    def mesh(self, model: dict) -> dict[str, np.ndarray]:
        return dict(np.load(io.BytesIO(self.archive.read(model["file"]))))

    def sprite(self, rng: np.random.Generator) -> np.ndarray:
        """A sprite [H, W, 4], straight alpha: three of four are clip art or emoji, others textured shapes."""
        if rng.random() < 0.75:
            return self.image(self.sprites[rng.integers(len(self.sprites))])
        cover = appearance.shape(rng)
        return np.dstack([self.material(rng, *cover.shape), cover])

    def material(self, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        """A surface [height, width, 3]: a texture of the pack, coloured 1/f noise, or a drawn texture."""
        kind = rng.random()
        if kind < 0.6 and self.textures:
            return fitted(rng, self.image(self.textures[rng.integers(len(self.textures))]), height, width)
        side = max(height, width)
        if kind < 0.85:
            return rough(rng, side)[:height, :width]
        return appearance.texture(rng, side, rng.uniform(0.05, 0.5))[:height, :width]


def fitted(rng: np.random.Generator, texture: np.ndarray, height: int, width: int) -> np.ndarray:
    """A random part of a texture, enlarged or repeated to the size."""
    texture = texture[..., :3]
    rows, columns = texture.shape[:2]
    if rng.random() < 0.4 and min(rows, columns) > 48:
        share = rng.uniform(0.2, 0.7)
        texture = cv2.resize(texture, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        if rng.random() < 0.5:
            texture = np.concatenate([texture, texture[:, ::-1]], 1)
        texture = np.tile(texture, (-(-height // texture.shape[0]), -(-width // texture.shape[1]), 1))
    else:
        scale = max(height / rows, width / columns) * rng.uniform(1, 2.2)
        size = max(width, round(columns * scale)), max(height, round(rows * scale))
        texture = cv2.resize(texture, size, interpolation=cv2.INTER_LINEAR)
    top = rng.integers(0, texture.shape[0] - height + 1)
    left = rng.integers(0, texture.shape[1] - width + 1)
    return texture[top : top + height, left : left + width].copy()


def rough(rng: np.random.Generator, side: int) -> np.ndarray:
    """Coloured noise [side, side, 3] whose octaves fall in amplitude, as in pictures of natural surfaces."""
    picture = np.zeros((side, side, 3), np.float32) + rng.random(3, dtype=np.float32)
    fall, cells = rng.uniform(0.45, 0.85), int(rng.integers(2, 6))
    size, stretch = rng.uniform(0.1, 0.5), rng.uniform(0.4, 1)
    tint = rng.normal(size=(2, 3)).astype(np.float32) * [[0.35], [1.0]] + [[0.0], [0.3]]
    while cells < side / 2:
        across = max(2, round(cells * stretch))
        for colour, share in zip(tint, (0.5, 1.0)):
            grid = rng.random((cells, across), dtype=np.float32) - 0.5
            smooth = cv2.resize(grid, (side, side), interpolation=cv2.INTER_LINEAR)
            picture += smooth[..., None] * (colour * size * share).astype(np.float32)
        cells, size = cells * 2, size * fall
    return picture.clip(0, 1)
