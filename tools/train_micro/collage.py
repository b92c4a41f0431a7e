"""Scenes of cut-out pictures: clip art, emoji and textured shapes over textured rooms and landscapes.

A scene is a function of its seed and the pack of assets.py. Thing 0 has a story, as in data.py.
"""

import dataclasses

import cv2
import numpy as np

import appearance
import camera
import things

MARGIN = 0.12  # backdrops exceed the image by this fraction on every side, for the camera's motion
STORIES = ("free", "twin", "hidden", "gone")
SHARES = (0.4, 0.2, 0.2, 0.2)


def backdrop(rng: np.random.Generator, stock: things.Things, side: int) -> np.ndarray:
    """Background [side, side, 3]: a room, a landscape or planes, often with clutter or out of focus."""
    kind = rng.random()
    picture = stock.material(rng, side, side)
    if kind < 0.35:  # a floor in perspective below a wall
        horizon = int(side * rng.uniform(0.25, 0.75))
        floor = stock.material(rng, side, side)
        spread = rng.uniform(0, 0.45) * side
        source = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
        target = np.array(
            [[0, horizon], [side, horizon], [side + spread * 3, side], [-spread * 3, side]], np.float32
        )
        matrix = cv2.getPerspectiveTransform(source, target)
        flags = cv2.INTER_AREA
        floor = cv2.warpPerspective(floor, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REFLECT)
        picture[horizon:] = floor[horizon:]
    elif kind < 0.55:  # sky over ground
        horizon = int(side * rng.uniform(0.3, 0.8))
        top, low = rng.uniform(0.3, 1, (2, 1, 3))
        sky = top + (low - top) * np.linspace(0, 1, side)[:, None]
        clouds = appearance.pattern(rng, side)[..., None] * rng.uniform(0, 0.3)
        skyline = appearance.noise(rng, side, int(rng.integers(4, 30)))[0] * rng.uniform(0, 0.2) * side
        above = np.arange(side)[:, None] < horizon - skyline[None]
        picture = np.where(above[..., None], sky[:, None, 0] + clouds, picture)
    picture = picture.astype(np.float32)
    for _ in range(rng.integers(0, 4)):  # panels
        corners = rng.uniform(-0.2, 1.2, (rng.integers(3, 6), 2)) * side
        cover = np.zeros((side, side), np.float32)
        cv2.fillPoly(cover, [cv2.convexHull(corners.astype(np.int32))], 1.0)
        cover = cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.5, 2))[..., None]
        picture += cover * (stock.material(rng, side, side) - picture)
    if rng.random() < 0.35:  # clutter
        for _ in range(rng.integers(5, 25)):
            made = prepared(rng, stock, 0.0)
            long = side * np.exp(rng.uniform(np.log(0.04), np.log(0.3)))
            lay(picture, made, affine(made, rng.uniform(0, 1, 2) * side, long, rng.uniform(-0.5, 0.5)), side)
    line = np.linspace(-1, 1, side, dtype=np.float32)
    slope = rng.uniform(-0.35, 0.35, 2)
    picture *= (1 + slope[0] * line[None] + slope[1] * line[:, None])[..., None] * rng.uniform(0.5, 1.15)
    if rng.random() < 0.45:
        picture = cv2.GaussianBlur(picture, (0, 0), np.exp(rng.uniform(-0.5, 1.8)) * side / 288)
    return picture.clip(0, 1)


def relief(rng: np.random.Generator, cover: np.ndarray, sun: float) -> np.ndarray:
    """Light [H, W, 1] on a cut-out as if it bulged: its height grows with the distance from its edge."""
    inside = cv2.distanceTransform(np.pad(cover > 0.5, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    reach = max(inside.max() * rng.uniform(0.3, 1.2), 1)
    height = np.sqrt((inside / reach).clip(0, 1)) * reach * rng.uniform(0.3, 0.9)
    height = cv2.GaussianBlur(height, (0, 0), max(reach * 0.15, 0.6))
    dy, dx = np.gradient(height)
    facing = (-dx * np.cos(sun) - dy * np.sin(sun) + rng.uniform(0.4, 1.2)) / np.sqrt(dx**2 + dy**2 + 1)
    light = rng.uniform(0.35, 0.7) + rng.uniform(0.4, 0.9) * facing.clip(0, None)
    return light[..., None].astype(np.float32)


def patch(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Coverage [H, W, 1] of a region of a cut-out: a side of a line, a stripe, or blotches."""
    height, width = shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = rng.uniform(0, 6.3)
    along = (x / width - 0.5) * np.cos(angle) + (y / height - 0.5) * np.sin(angle) + rng.uniform(-0.3, 0.3)
    kind = rng.random()
    if kind < 0.4:
        distance = along
    elif kind < 0.7:
        distance = rng.uniform(0.05, 0.2) - np.abs(along)
    else:
        blotches = appearance.noise(rng, max(shape), int(rng.integers(3, 7)))
        distance = blotches[:height, :width] - rng.uniform(0.4, 0.65)
    return (distance * max(shape) * rng.uniform(0.3, 1) + 0.5).clip(0, 1)[..., None]


def prepared(rng: np.random.Generator, stock: things.Things, sun: float, like: np.ndarray | None = None):
    """A sprite [H, W, 4] with premultiplied alpha: recoloured, textured, lit. `like`: colour to resemble."""
    sprite = stock.sprite(rng)
    colour, cover = sprite[..., :3], sprite[..., 3]
    if rng.random() < 0.25:
        colour = colour[..., rng.permutation(3)]
    if rng.random() < 0.55:  # a texture over it; inner edges stay
        grain = stock.material(rng, *cover.shape)
        share = rng.uniform(0.15, 0.85)
        colour = colour * (1 - share + share * grain / (grain.mean() + 0.05))
    if rng.random() < 0.15:  # one material throughout
        colour = stock.material(rng, *cover.shape)
    for _ in range(int(rng.choice(4, p=[0.6, 0.2, 0.1, 0.1]))):  # patches of other materials
        colour = colour + patch(rng, cover.shape) * (stock.material(rng, *cover.shape) - colour)
    colour = colour * rng.uniform(0.55, 1.15) + rng.uniform(-0.1, 0.1)
    if like is not None:
        mean = (colour * cover[..., None]).sum((0, 1)) / max(cover.sum(), 1)
        colour = colour + (like - mean) * rng.uniform(0.5, 1)
    if rng.random() < 0.75:
        colour = colour * relief(rng, cover, sun)
    colour = colour.clip(0, 1).astype(np.float32)
    return np.dstack([colour * cover[..., None], cover])


def affine(sprite: np.ndarray, centre: np.ndarray, long: float, angle: float, stretch: float = 1.0):
    """Map [2, 3] from sprite to image pixels; the sprite's longer side becomes `long`."""
    height, width = sprite.shape[:2]
    scale = long / max(height, width)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * scale
    turn = turn @ np.diag([stretch, 1 / stretch])
    return np.column_stack([turn, centre - turn @ [width / 2, height / 2]])


def lay(picture: np.ndarray, sprite: np.ndarray, matrix: np.ndarray, side: int, shadow=None) -> np.ndarray:
    """Draws a sprite over the picture, after its shadow (shift, blur, depth); returns its coverage."""
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if scale < 0.6:  # the sprite is reduced before it is sampled
        less = cv2.resize(sprite, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        ratio = [sprite.shape[1] / less.shape[1], sprite.shape[0] / less.shape[0]]
        matrix = np.column_stack([matrix[:, :2] * ratio, matrix[:, 2]])
        sprite = less
    drawn = cv2.warpAffine(sprite, matrix, (side, side), flags=cv2.INTER_LINEAR)
    cover = drawn[..., 3:]
    if shadow is not None:
        shift, blur, depth = shadow
        moved = cv2.warpAffine(cover, np.array([[1, 0, shift[0]], [0, 1, shift[1]]]), (side, side))
        picture *= 1 - depth * cv2.GaussianBlur(moved, (0, 0), blur)[..., None] * (1 - cover)
    picture *= 1 - cover
    picture += drawn[..., :3]
    return cover[..., 0]


@dataclasses.dataclass
class Piece:
    """A sprite with its motion: centre per frame in units of the image side."""

    sprite: np.ndarray
    path: np.ndarray
    long: float
    angle: float
    spin: float
    growth: float
    wobble: float
    phase: float
    stretch: float


def wobbled(piece: Piece, t: int) -> np.ndarray:
    """The sprite, bent by two sine waves that change with time."""
    if not piece.wobble:
        return piece.sprite
    height, width = piece.sprite.shape[:2]
    v, u = np.mgrid[0:height, 0:width].astype(np.float32)
    bend = piece.wobble * max(height, width)
    x = u + bend * np.sin(5 * v / height + 0.5 * t + piece.phase)
    y = v + bend * np.sin(4.2 * u / width + 0.4 * t + 2 * piece.phase)
    return cv2.remap(piece.sprite, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)


class Scene:
    """The scene of a seed, for clips of `length` frames."""

    def __init__(self, seed: int, stock: things.Things, length: int, side: int):
        rng = np.random.default_rng([seed, 31])
        self.length, self.side = length, side
        self.sun = rng.uniform(0, 6.3)
        self.backdrop = backdrop(rng, stock, round(side * (1 + 2 * MARGIN)))
        self.camera = camera.Camera(rng)
        self.story = str(rng.choice(STORIES, p=SHARES)) if length > 1 else "free"
        calm = rng.random() < 0.3
        self.pan = rng.normal(size=2) * 0.006 * (not calm)
        self.zoom = 1 + rng.normal() * 0.01 * (not calm)
        self.shadow = (rng.uniform(-0.05, 0.05, 2) * side, rng.uniform(1, 8), rng.uniform(0, 0.6))
        self.sharp = rng.random() < 0.75  # otherwise pieces that are not thing 0 are out of focus
        self.haze = rng.uniform(0.5, 2.5)
        self.pieces = self._pieces(rng, stock)
        self.order = [int(k) for k in rng.permutation(len(self.pieces))]
        if self.story in ("hidden", "twin"):
            self.order.remove(1)
            self.order.append(1)

    def _pieces(self, rng: np.random.Generator, stock: things.Things) -> list[Piece]:
        count = int(rng.choice([1, 2, 3, 4, 5, 6, 8, 10], p=[0.08, 0.1, 0.14, 0.16, 0.16, 0.16, 0.12, 0.08]))
        pieces, sprites = [], []
        large = rng.random() < 0.5
        for k in range(max(count, 2 if self.story in ("hidden", "twin") else 1)):
            like = None
            if rng.random() < 0.2:
                y, x = rng.integers(0, len(self.backdrop), 2)
                like = self.backdrop[y, x]
            if sprites and rng.random() < 0.15:  # several of a kind
                sprite = sprites[rng.integers(len(sprites))]
            else:
                sprite = prepared(rng, stock, self.sun, like)
            sprites.append(sprite)
            long = np.exp(rng.uniform(np.log(0.13), np.log(0.8)))
            if k == 0 and large:
                long = rng.uniform(0.6, 1.25)
            pieces.append(self._piece(rng, sprite, long))
        if self.story == "twin":
            hero = pieces[0]
            when, angle = rng.uniform(2, self.length - 2), rng.uniform(0, 6.3)
            along = np.array([np.cos(angle), np.sin(angle)]) * hero.long * rng.uniform(0.25, 0.5)
            aside = np.array([-along[1], along[0]]) * rng.uniform(-2, 2)
            times = np.arange(self.length)[:, None] - when
            path = hero.path + along * times + aside
            pieces[1] = dataclasses.replace(hero, path=path, phase=rng.uniform(0, 6.3))
        if self.story == "hidden":
            hero = pieces[0]
            hero.long = min(hero.long, 0.35)
            pieces[1].long = hero.long * rng.uniform(1.5, 2.5)
            when, angle = rng.uniform(2, self.length - 2), rng.uniform(0, 6.3)
            along = np.array([np.cos(angle), np.sin(angle)]) * hero.long * rng.uniform(0.4, 0.8)
            pieces[1].path = hero.path + along * (np.arange(self.length)[:, None] - when)
        if self.story == "gone":
            hero = pieces[0]
            hero.long = min(hero.long, 0.5)
            axis, side = rng.integers(2), rng.choice([-1.0, 1.0])
            leave, back = rng.integers(1, 4), rng.integers(5, self.length + 1)
            out = 0.5 + side * (0.5 + hero.long * 0.75)
            for t in range(self.length):
                share = min(t / leave, 1.0) if t < (leave + back) / 2 else max((back - t) / 2, 0.0)
                hero.path[t, axis] += (out - hero.path[t, axis]) * min(share, 1.0)
        return pieces

    def _piece(self, rng: np.random.Generator, sprite: np.ndarray, long: float) -> Piece:
        times = np.arange(self.length)[:, None]
        speed = rng.choice([0, 0.006, 0.02])
        sway = np.sin(rng.uniform(0.3, 0.9, 2) * times + rng.uniform(0, 6.3, 2)) * speed
        path = rng.uniform(0.08, 0.92, 2) + rng.normal(size=2) * speed * times + sway
        lively = rng.random() < 0.5
        return Piece(
            sprite,
            path,
            long,
            rng.normal() * 0.3,
            rng.normal() * 0.05 * lively,
            rng.normal() * 0.015 * lively,
            rng.uniform(0.005, 0.06) * lively,
            rng.uniform(0, 6.3),
            np.exp(rng.normal() * 0.15),
        )

    def draw(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Frame t [S, S, 3] u8 and the visible piece per pixel [S, S] i8, -1 for none."""
        side = self.side
        zoom = self.zoom**t
        middle = len(self.backdrop) / 2 + self.pan * (t - self.length / 2) * side
        shift = side / 2 - middle * zoom
        matrix = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]])
        picture = cv2.warpAffine(self.backdrop, matrix, (side, side), borderMode=cv2.BORDER_REFLECT)
        ids = np.full((side, side), -1, np.int8)
        for k in self.order:
            piece = self.pieces[k]
            centre = (piece.path[t] - self.pan * t - 0.5) * zoom * side + side / 2
            long = piece.long * side * zoom * (1 + piece.growth) ** t
            sprite = wobbled(piece, t)
            matrix = affine(sprite, centre, long, piece.angle + piece.spin * t, piece.stretch)
            if k and not self.sharp:
                sprite = cv2.GaussianBlur(sprite, (0, 0), self.haze * max(sprite.shape) / max(long, 1))
            cover = lay(picture, sprite, matrix, side, self.shadow)
            ids[cover > 0.5] = k
        return self.camera.take(picture, t), ids


def clip(seed: int, stock: things.Things, length: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames [n, S, S, 3] u8 and ids [n, S, S] i8. Something covers 1 % of the first frame."""
    for attempt in range(50):
        scene = Scene(seed + attempt * 10_000_000, stock, length, side)
        frame, ids = scene.draw(0)
        shown = np.bincount(ids[ids >= 0].astype(int), minlength=1)
        if shown.max() > 0.01 * ids.size and (length == 1 or shown[0] > 0.005 * ids.size):
            break
    drawn = [(frame, ids)] + [scene.draw(t) for t in range(1, length)]
    return np.stack([d[0] for d in drawn]), np.stack([d[1] for d in drawn])
