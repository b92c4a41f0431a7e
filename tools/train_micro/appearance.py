"""Appearance of things: textures and shapes, as small patches that the renderer warps into the image."""

import cv2
import numpy as np

PATCH = 160  # side of a shape's patch in pixels;
REACH = 1.25  # it spans [-REACH, REACH] in units of the shape's radius
BACKDROP = 420  # side of a background texture in pixels


def noise(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Smooth noise [size, size] in 0..1: a cells x cells grid, interpolated bicubically."""
    grid = rng.random((cells, cells), dtype=np.float32)
    return cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def pattern(rng: np.random.Generator, size: int) -> np.ndarray:
    """Pattern [size, size] in 0..1: plain, gradient, noise of 1 or 3 octaves, stripes, chequers, dots."""
    kind = rng.choice(8, p=[0.12, 0.14, 0.16, 0.16, 0.14, 0.08, 0.1, 0.1])
    ys, xs = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    angle = rng.uniform(0, np.pi)
    along, across = xs * np.cos(angle) + ys * np.sin(angle), ys * np.cos(angle) - xs * np.sin(angle)
    waves = np.exp(rng.uniform(np.log(3), np.log(14))) * 2 * np.pi
    if kind == 0:
        return np.zeros((size, size), np.float32)
    if kind == 1:
        return (along + 0.5).clip(0, 1)
    if kind == 2:
        return noise(rng, size, int(rng.integers(3, 7)))
    if kind == 3:
        return 0.5 * noise(rng, size, 4) + 0.3 * noise(rng, size, 12) + 0.2 * noise(rng, size, 40)
    if kind == 4:
        return (0.5 + np.sin(along * waves) * rng.uniform(1, 3)).clip(0, 1)
    if kind == 5:
        return (0.5 + 3 * np.sin(along * waves) * np.sin(across * waves)).clip(0, 1)
    if kind == 6:
        return ((np.sin(along * waves) * np.sin(across * waves) - 0.5) * 6).clip(0, 1)
    return ((noise(rng, size, int(rng.integers(6, 24))) - rng.uniform(0.4, 0.6)) * 8 + 0.5).clip(0, 1)


def texture(rng: np.random.Generator, size: int, contrast: float) -> np.ndarray:
    """Texture [size, size, 3] in 0..1: a blend of two colours `contrast` apart, plus fine grain."""
    base = rng.random(3).astype(np.float32)
    other = rng.normal(size=3)
    other = (base + contrast * other / np.linalg.norm(other)).clip(0, 1).astype(np.float32)
    p = pattern(rng, size)[..., None]
    grain = (noise(rng, size, size // 4)[..., None] - 0.5) * rng.uniform(0, 0.12)
    return (base + p * (other - base) + grain).clip(0, 1).astype(np.float32)


def backdrop(rng: np.random.Generator) -> np.ndarray:
    """Background [BACKDROP, BACKDROP, 3]: one or two textures, sometimes with faint clutter."""
    picture = texture(rng, BACKDROP, rng.uniform(0.05, 0.5))
    if rng.random() < 0.4:
        share = ((noise(rng, BACKDROP, int(rng.integers(2, 6))) - 0.5) * rng.uniform(2, 12) + 0.5).clip(0, 1)
        picture += share[..., None] * (texture(rng, BACKDROP, rng.uniform(0.05, 0.4)) - picture)
    if rng.random() < 0.3:
        for _ in range(rng.integers(3, 14)):
            x, y, r = rng.integers(0, BACKDROP, 2).tolist() + [int(rng.integers(6, 40))]
            cover = np.zeros((BACKDROP, BACKDROP), np.float32)
            axes = (r, int(r * rng.uniform(0.3, 1)))
            cv2.ellipse(
                cover, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, float(rng.uniform(0.15, 0.6)), -1
            )
            picture += cover[..., None] * (rng.random(3).astype(np.float32) - picture)
    if rng.random() < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(1, 5))
    return picture


def cover(distance: np.ndarray) -> np.ndarray:
    """Coverage [PATCH, PATCH] in 0..1 from a signed distance to the edge in radii, positive inside."""
    return (distance * (PATCH / 2 / REACH) * 0.8 + 0.5).clip(0, 1).astype(np.float32)


def capsule(xs: np.ndarray, ys: np.ndarray, a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """Signed distance to the edge of a capsule from a to b, positive inside."""
    d = b - a
    t = (((xs - a[0]) * d[0] + (ys - a[1]) * d[1]) / max(float(d @ d), 1e-6)).clip(0, 1)
    return width - np.hypot(xs - a[0] - t * d[0], ys - a[1] - t * d[1])


def solid(rng: np.random.Generator) -> np.ndarray:
    """Coverage of an occluder: it contains the disc of radius 0.8."""
    ys, xs = np.mgrid[-REACH : REACH : PATCH * 1j, -REACH : REACH : PATCH * 1j].astype(np.float32)
    power = rng.uniform(2, 6)
    return cover(1 - (np.abs(xs) ** power + np.abs(ys) ** power) ** (1 / power))


def shape(rng: np.random.Generator) -> np.ndarray:
    """Coverage [PATCH, PATCH] of a random shape of radius about 1."""
    ys, xs = np.mgrid[-REACH : REACH : PATCH * 1j, -REACH : REACH : PATCH * 1j].astype(np.float32)
    r, angle = np.hypot(xs, ys), np.arctan2(ys, xs)
    kind = rng.choice(7, p=[0.28, 0.14, 0.12, 0.18, 0.1, 0.08, 0.1])
    if kind == 0:  # a blob
        edge = np.full_like(r, 0.8)
        for n in range(1, 7):
            edge += rng.normal() * 0.22 / n**0.8 * np.cos(n * angle + rng.uniform(0, 6.3))
        distance = edge.clip(0.3, 1.2) - r
    elif kind == 1:  # a polygon
        n = rng.integers(3, 8)
        a = np.mod(angle, 2 * np.pi / n) - np.pi / n
        distance = np.cos(np.pi / n) - r * np.cos(a)
    elif kind == 2:  # a star
        n = rng.integers(4, 8)
        distance = 0.78 + rng.uniform(0.12, 0.32) * np.cos(n * angle) - r
    elif kind == 3:  # a superellipse
        power, aspect = rng.uniform(1.6, 8), rng.uniform(0.4, 1)
        distance = aspect * (0.95 - (np.abs(xs) ** power + np.abs(ys / aspect) ** power) ** (1 / power))
    elif kind == 4:  # a ring
        aspect = rng.uniform(0.7, 1)
        q = np.hypot(xs, ys / aspect)
        distance = np.minimum(0.95 - q, q - rng.uniform(0.35, 0.6)) * aspect
    elif kind == 5:  # a rod, straight or bent
        bend = np.array([0, rng.uniform(-0.5, 0.5)])
        ends = np.array([-0.95, 0]), np.array([0.95, 0])
        width = rng.uniform(0.1, 0.22)
        distance = np.maximum(capsule(xs, ys, ends[0], bend, width), capsule(xs, ys, bend, ends[1], width))
    else:  # a figure: a body with limbs
        aspect = rng.uniform(0.6, 1)
        distance = rng.uniform(0.35, 0.5) - np.hypot(xs, ys * aspect)
        for a in rng.uniform(0, 6.3) + np.arange(k := rng.integers(2, 6)) * 2 * np.pi / k:
            a += rng.normal() * 0.25
            tip = rng.uniform(0.75, 1) * np.array([np.cos(a), np.sin(a)])
            distance = np.maximum(distance, capsule(xs, ys, np.zeros(2), tip, rng.uniform(0.1, 0.2)))
    return cover(distance)
