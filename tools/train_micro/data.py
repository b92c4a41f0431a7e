"""Synthetic clips: textured, deforming, shaded objects ("things") over a moving background, with occlusion.

A scene is a function of its seed. It can be rendered at any size and at any of its TICKS time steps; lengths
are in units of the image side. Thing 0 is the target; the story is its difficulty:

- free: all things move at random
- twin: a distractor with the target's shape and texture passes close by, or across it
- hidden: an occluder covers the target completely for a few ticks
- gone: the target leaves the image and returns
"""

import dataclasses
import typing

import cv2
import numpy as np

import appearance

TICKS = 24
STORIES = ("free", "twin", "hidden", "gone")
STORY_SHARES = (0.3, 0.3, 0.2, 0.2)
HELD_OUT = 1_000_000  # seeds from this one on are held out from training


@dataclasses.dataclass
class Thing:
    """An object: appearance and motion."""

    cover: np.ndarray
    paint: np.ndarray
    radius: float
    path: typing.Callable[[float], np.ndarray]
    angle: float = 0.0
    spin: float = 0.0
    breath: float = 0.0
    wobble: float = 0.0
    phase: float = 0.0
    shading: float = 0.0
    aspect: float = 1.0


def wander(rng: np.random.Generator, start: np.ndarray, speed: float) -> typing.Callable[[float], np.ndarray]:
    """A smooth path from `start`: constant velocity, reflected near the border, plus a sinusoidal sway."""
    velocity = rng.normal(size=2) * speed
    sway, rate, phase = rng.normal(size=2) * speed * 3, rng.uniform(0.1, 0.4, 2), rng.uniform(0, 6.3, 2)

    def path(t: float) -> np.ndarray:
        p = start + velocity * t
        p = np.abs(np.mod(p - 0.05, 1.8) - 0.9) * -1 + 0.95  # reflected at 0.05 and 0.95
        return p + sway * (np.sin(rate * t + phase) - np.sin(phase))

    return path


def ease(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """Smoothstep from a to b."""
    share = min(max(share, 0.0), 1.0)
    return a + (b - a) * share * share * (3 - 2 * share)


class Scene:
    """The scene of a seed, optionally with a given story."""

    def __init__(self, seed: int, story: str | None = None):
        self.seed = seed
        rng = np.random.default_rng([seed, 77])
        self.story = story or str(rng.choice(STORIES, p=STORY_SHARES))
        self.backdrop = appearance.backdrop(rng)
        self.small_backdrop = cv2.resize(self.backdrop, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        self._colours = self.backdrop[
            rng.integers(0, appearance.BACKDROP, 64), rng.integers(0, appearance.BACKDROP, 64)
        ]
        self._means: list[np.ndarray] = []
        self.things: list[Thing] = []
        self.order: list[int] = []  # back to front
        getattr(self, "_" + self.story)(rng)
        self._extras(rng)
        self._camera(rng)

    # --- appearance

    def _paint(self, rng: np.random.Generator, cover: np.ndarray) -> np.ndarray:
        """A texture that contrasts with background and earlier things; 10 % of things are unconstrained."""
        strict = rng.random() < 0.9
        for attempt in range(12):
            paint = appearance.texture(rng, appearance.PATCH, rng.uniform(0, 0.45))
            mean = (paint * cover[..., None]).sum((0, 1)) / cover.sum()
            near = (np.linalg.norm(self._colours - mean, axis=1) < 0.22).mean()
            apart = all(np.linalg.norm(mean - m) > 0.2 for m in self._means)
            if not strict or (near < 0.08 and apart):
                break
        self._means.append(mean)
        return paint

    def _thing(
        self, rng: np.random.Generator, radius: float, path: typing.Callable, solid: bool = False
    ) -> Thing:
        cover = appearance.solid(rng) if solid else appearance.shape(rng)
        lively = rng.random() < 0.8
        return Thing(
            cover,
            self._paint(rng, cover),
            radius,
            path,
            rng.uniform(0, 6.3),
            rng.normal() * 0.05 * (rng.random() < 0.7),
            rng.normal() * 0.1,
            0.0 if solid else rng.uniform(0, 0.12) * lively,
            rng.uniform(0, 6.3),
            rng.uniform(0, 0.35) * (rng.random() < 0.6),
        )

    def _twin_of(self, rng: np.random.Generator, thing: Thing, path: typing.Callable) -> Thing:
        return dataclasses.replace(
            thing,
            path=path,
            radius=thing.radius * rng.uniform(0.88, 1.12),
            angle=thing.angle + rng.normal() * 0.3,
            phase=rng.uniform(0, 6.3),
        )

    def _put(self, *things: Thing) -> None:
        for thing in things:
            self.order.append(len(self.things))
            self.things.append(thing)

    # --- stories

    def _free(self, rng: np.random.Generator) -> None:
        radius = np.exp(rng.uniform(np.log(0.09), np.log(0.32)))
        self._put(self._thing(rng, radius, wander(rng, rng.uniform(0.25, 0.75, 2), 0.012)))

    def _twin(self, rng: np.random.Generator) -> None:
        radius = np.exp(rng.uniform(np.log(0.1), np.log(0.22)))
        hero = self._thing(rng, radius, wander(rng, rng.uniform(0.3, 0.7, 2), 0.009))
        when, angle = rng.uniform(7, 16), rng.uniform(0, 6.3)
        along = np.array([np.cos(angle), np.sin(angle)])
        aside = (
            np.array([-along[1], along[0]])
            * radius
            * rng.choice([rng.uniform(0, 0.6), rng.uniform(0.6, 1.6)])
        )
        speed = radius * rng.uniform(0.25, 0.5)
        twin = self._twin_of(rng, hero, lambda t: hero.path(t) + along * speed * (t - when) + aside)
        self._put(hero, twin)
        if rng.random() < 0.4:
            self.order.reverse()  # the target is drawn in front of its twin

    def _hidden(self, rng: np.random.Generator) -> None:
        radius = np.exp(rng.uniform(np.log(0.08), np.log(0.15)))
        when = rng.uniform(7, 15)
        if rng.random() < 0.5:  # a moving occluder
            hero = self._thing(rng, radius, wander(rng, rng.uniform(0.25, 0.75, 2), 0.009))
            big = radius * rng.uniform(1.6, 2.0) + 0.02
            slack, hold, angle = big * 0.8 - radius, rng.uniform(3, 6), rng.uniform(0, 6.3)
            along = np.array([np.cos(angle), np.sin(angle)])

            def pass_by(t: float) -> np.ndarray:
                s = (t - when) / hold * 2
                return hero.path(t) + along * slack * np.sign(s) * max(abs(s), abs(s) ** 1.6)

            cover = self._thing(rng, big, pass_by, solid=True)
        else:  # a static occluder
            side, height = rng.choice([-1.0, 1.0]), rng.uniform(0.25, 0.75)
            wall, speed = rng.uniform(0.4, 0.6), rng.uniform(0.03, 0.042)
            drift, flip = rng.normal() * 0.008, rng.random() < 0.5

            def cross(t: float) -> np.ndarray:
                p = np.array([wall + side * speed * (t - when), height + drift * t])
                return p[::-1] if flip else p

            hero = self._thing(rng, radius, cross)
            width = radius + speed * rng.uniform(1.5, 3)  # half width
            cover = self._thing(
                rng, 1.2, lambda t: np.array([0.5, wall] if flip else [wall, 0.5]), solid=True
            )
            cover.angle, cover.spin, cover.breath = (0.0 if flip else np.pi / 2), 0.0, 0.0
            cover.aspect = width / 1.2
        self._put(hero, cover)

    def _gone(self, rng: np.random.Generator) -> None:
        radius = np.exp(rng.uniform(np.log(0.09), np.log(0.22)))
        start, end = rng.uniform(0.25, 0.75, 2), rng.uniform(0.25, 0.75, 2)
        axis, side = rng.integers(2), rng.choice([-1.0, 1.0])
        out, back = start.copy(), end.copy()
        out[axis] = back[axis] = 0.5 + side * (0.55 + 1.3 * radius)
        leave, stay = rng.uniform(7, 10), rng.uniform(2, 5)

        def path(t: float) -> np.ndarray:
            if t < leave:
                return ease(start, out, t / leave)
            if t < leave + stay:
                return ease(out, back, (t - leave) / stay)
            return ease(back, end, (t - leave - stay) / 8)

        self._put(self._thing(rng, radius, path))

    def _extras(self, rng: np.random.Generator) -> None:
        """Adds other things behind and in front, and sometimes another twin."""
        for _ in range(rng.choice(5, p=[0.15, 0.25, 0.25, 0.2, 0.15])):
            radius = np.exp(rng.uniform(np.log(0.06), np.log(0.24)))
            path = wander(rng, rng.uniform(0.05, 0.95, 2), 0.012)
            if rng.random() < 0.2:
                thing = self._twin_of(rng, self.things[0], path)
            else:
                thing = self._thing(rng, radius, path)
            self.things.append(thing)
            self.order.insert(0 if rng.random() < 0.7 else len(self.order), len(self.things) - 1)

    def _camera(self, rng: np.random.Generator) -> None:
        self.zoom = rng.uniform(0.55, 0.75)  # visible fraction of the backdrop
        self.pan = rng.normal(size=2) * 0.003 * (rng.random() < 0.7)
        self.shake = rng.uniform(0, 0.012) * (rng.random() < 0.4)
        self.jitter = rng.normal(size=(TICKS + 1, 2))
        self.light = rng.uniform(-0.15, 0.15), rng.uniform(0.1, 0.5), rng.uniform(0, 6.3)
        self.sun = rng.uniform(0, 6.3)
        self.blur = rng.uniform(0.3, 1.1) * (rng.random() < 0.35)
        self.grain = rng.uniform(0, 0.035)

    # --- drawing

    def draw(self, t: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Renders tick t: image [size, size, 3] u8; visible thing per pixel [size, size] i8, -1 for none."""
        shake = self.shake * self.jitter[t]
        picture = self._background(t, size, shake)
        ids = np.full((size, size), -1, np.int8)
        for index in self.order:
            self._draw_thing(picture, ids, index, t, size, shake)
        depth, rate, phase = self.light
        picture *= 1 + depth * np.sin(rate * t + phase)
        if self.blur:
            picture = cv2.GaussianBlur(picture, (0, 0), self.blur * size / 256)
        if self.grain:
            rng = np.random.default_rng([self.seed, t, size])
            picture += rng.standard_normal(picture.shape, dtype=np.float32) * self.grain
        return (picture * 255).round().clip(0, 255).astype(np.uint8), ids

    def _background(self, t: int, size: int, shake: np.ndarray) -> np.ndarray:
        scale = appearance.BACKDROP * self.zoom / size  # backdrop pixels per pixel
        source = self.backdrop
        centre = appearance.BACKDROP * (0.5 + (self.pan * (t - TICKS / 2) - shake) * self.zoom)
        if scale > 1.4:
            source, scale, centre = self.small_backdrop, scale / 2, centre / 2
        corner = centre - (size - 1) / 2 * scale
        matrix = np.array([[scale, 0, corner[0]], [0, scale, corner[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(source, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT)

    def _draw_thing(
        self, picture: np.ndarray, ids: np.ndarray, index: int, t: int, size: int, shake: np.ndarray
    ):
        """Renders one thing into `picture` and `ids`."""
        thing = self.things[index]
        centre = (thing.path(float(t)) + shake) * size
        radius = thing.radius * (1 + thing.breath * np.sin(0.25 * t + thing.phase)) * size
        reach = radius * appearance.REACH * 1.1 + 1
        x0, y0 = np.floor((centre - reach).clip(0, size)).astype(int)
        x1, y1 = np.ceil((centre + reach).clip(0, size)).astype(int)
        if x1 <= x0 or y1 <= y0:
            return
        dx = (np.arange(x0, x1, dtype=np.float32) + 0.5 - centre[0])[None] / radius
        dy = (np.arange(y0, y1, dtype=np.float32) + 0.5 - centre[1])[:, None] / radius
        angle = thing.angle + thing.spin * t
        u = dx * np.cos(angle) + dy * np.sin(angle)
        v = (dy * np.cos(angle) - dx * np.sin(angle)) / thing.aspect
        if thing.wobble:
            u, v = (
                u + thing.wobble * np.sin(2.5 * v + 0.5 * t + thing.phase),
                v + thing.wobble * np.sin(2.1 * u + 0.4 * t + 2 * thing.phase),
            )
        to_patch = appearance.PATCH / 2 / appearance.REACH
        u = ((u + appearance.REACH) * to_patch - 0.5).astype(np.float32)
        v = ((v + appearance.REACH) * to_patch - 0.5).astype(np.float32)
        cover = cv2.remap(thing.cover, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        paint = cv2.remap(thing.paint, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        if thing.shading:
            paint = paint * (1 + thing.shading * (dx * np.cos(self.sun) + dy * np.sin(self.sun)))[..., None]
        region = picture[y0:y1, x0:x1]
        region += cover[..., None] * (paint - region)
        ids[y0:y1, x0:x1][cover > 0.5] = index


def clip(seed: int, size: int, ticks: typing.Sequence[int] = range(TICKS), story: str | None = None):
    """Frames [n, size, size, 3] u8 and ids [n, size, size] i8 of a scene, and the scene.

    Thing 0 is clearly visible on the first tick; otherwise the seed's next scene is used.
    """
    for attempt in range(50):
        scene = Scene(seed + attempt * 10_000_000, story)
        first = scene.draw(ticks[0], 64)[1]
        alone = np.full_like(first, -1)
        scene._draw_thing(np.zeros((64, 64, 3), np.float32), alone, 0, ticks[0], 64, np.zeros(2))
        if (first == 0).mean() > 0.008 and (first == 0).sum() > 0.8 * (alone == 0).sum():
            break
    drawn = [scene.draw(t, size) for t in ticks]
    return np.stack([d[0] for d in drawn]), np.stack([d[1] for d in drawn]), scene
