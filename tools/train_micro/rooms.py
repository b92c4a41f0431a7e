"""Scenes of rendered 3-D models: rooms, yards and heaps, seen by a moving camera. A function of the seed.

Ids are parts of things; `owners` gives the thing of each part. Lengths: the scene is about 3 units wide.
"""

import dataclasses

import numpy as np

import camera
import collage
import raster
import things

IDS = 120  # most parts in a scene
KINDS = ("set", "toys", "hero", "heap")
KIND_SHARES = (0.25, 0.2, 0.4, 0.15)
COUNTS = {"set": (3, 9), "toys": (3, 10), "hero": (1, 5), "heap": (5, 12)}
STORIES = ("free", "crossed", "gone")
STORY_SHARES = (0.55, 0.25, 0.2)


def square() -> dict[str, np.ndarray]:
    """A floor of side 1 in the plane y = 0, facing up."""
    corners = np.array([[-0.5, 0, -0.5], [0.5, 0, -0.5], [0.5, 0, 0.5], [-0.5, 0, 0.5]], np.float32)
    return {
        "position": corners,
        "normal": np.tile(np.array([[0, 127, 0]], np.int8), (4, 1)),
        "uv": corners[:, [0, 2]] + 0.5,
        "faces": np.array([[0, 1, 2], [0, 2, 3]], np.uint16),
        "part": np.zeros(2, np.uint8),
        "material": np.zeros(2, np.uint8),
    }


def turned(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """Rotation [3, 3] about y, then x, then z."""
    (cy, sy), (cx, sx), (cz, sz) = ((np.cos(a), np.sin(a)) for a in (yaw, pitch, roll))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def placed(turn: np.ndarray, size, place) -> np.ndarray:
    """Model matrix [4, 4]."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn * size, place
    return matrix


@dataclasses.dataclass
class Actor:
    """A thing of the scene with its motion over the frames."""

    size: float
    base: float  # height of its centre above what it stands on
    place: np.ndarray
    turn: tuple[float, float, float]
    drift: np.ndarray
    spin: np.ndarray
    hop: float = 0.0
    path: np.ndarray | None = None  # offsets per frame [n, 3]


class Studio:
    """Models, textures and the renderer, shared by the scenes of a process."""

    def __init__(self, stock: things.Things, size: int):
        self.stock, self.size, self.made = stock, size, {}
        self.renderer = raster.Renderer(size, self._mesh, self._image)
        categories = np.array([m["category"] for m in stock.models])
        weights = 1 / np.sqrt([np.sum(categories == c) for c in categories])
        weights *= np.where(categories == "Doors and windows", 0.3, 1)
        self.chances = weights / weights.sum()

    def _mesh(self, key: str) -> dict[str, np.ndarray]:
        return square() if key == "square" else self.stock.mesh(self.stock.models[int(key)])

    def _image(self, key: str) -> np.ndarray:
        return self.made[key] if key in self.made else self.stock.image(key)

    def paint(self, rng: np.random.Generator) -> str:
        """Key of a new material image."""
        key = f"made/{len(self.made)}/{rng.integers(2**60)}"
        self.made[key] = self.stock.material(rng, 128, 128)
        return key

    def own(self, model: dict) -> list[raster.Surface]:
        """The materials of a model as its author made them."""
        out = []
        for material in model["materials"]:
            image = self.stock.texture(model["collection"], material.get("texture", ""))
            colour = np.array(material["colour"])
            colour = np.maximum(colour, 0.6) if image else colour
            out.append(raster.Surface(colour, image, int(bool(image)), 1.0, 0.4 * material["gloss"]))
        return out

    def surfaces(self, rng: np.random.Generator, model: dict) -> list[raster.Surface]:
        """The materials of a model: its own, recoloured, or replaced."""
        own, tint = rng.random() < 0.55, rng.random() < 0.5
        shift, out = np.exp(rng.normal(size=3) * 0.35), []
        single = raster.Surface(rng.random(3) * 0.9 + 0.05)
        if rng.random() < 0.6:
            single = raster.Surface(
                rng.uniform(0.6, 1.1, 3), self.paint(rng), 2, float(np.exp(rng.uniform(-0.5, 1.5)))
            )
        plain = rng.random() < 0.4
        for material in model["materials"]:
            colour, image, mapping, scale = np.array(material["colour"]), None, 0, 1.0
            image = self.stock.texture(model["collection"], material.get("texture", ""))
            if image:
                mapping = 1
                colour = np.maximum(colour, 0.6)
            if not own and plain:
                colour, image, mapping, scale = single.colour, single.image, single.mapping, single.scale
            elif not own and rng.random() < 0.7:
                colour = rng.random(3) * 0.9 + 0.05
                if rng.random() < 0.5:
                    image, mapping = self.paint(rng), 2
                    colour, scale = rng.uniform(0.6, 1.1, 3), float(np.exp(rng.uniform(-0.5, 1.5)))
            elif tint:
                colour = colour * shift
            gloss = material["gloss"] * rng.uniform(0, 0.8) if rng.random() < 0.7 else rng.uniform(0, 0.6)
            out.append(
                raster.Surface(colour, image, mapping, scale, gloss, float(np.exp(rng.uniform(1.5, 5))))
            )
        return out

    def light(self, rng: np.random.Generator) -> raster.Light:
        height, way = rng.uniform(0.25, 1.4), rng.uniform(0, 6.3)
        ray = np.array([np.cos(way) * np.cos(height), np.sin(height), np.sin(way) * np.cos(height)])
        warm = np.array([1.0, rng.uniform(0.85, 1), rng.uniform(0.65, 1.05)])
        sky = np.array([rng.uniform(0.75, 1), rng.uniform(0.85, 1), 1.0])
        ambient = rng.uniform(0.25, 0.9)
        lamps = rng.uniform(-2, 2, (2, 3)) + [0, 2.5, 0]
        glow = rng.uniform(0.2, 2.2, (2, 1)) * rng.uniform(0.7, 1, (2, 3)) * (rng.random((2, 1)) < 0.4)
        return raster.Light(
            ray,
            warm * rng.uniform(0.2, 1.7) * (rng.random() < 0.85),
            sky * ambient,
            rng.uniform(0.4, 1, 3) * ambient * rng.uniform(0.3, 0.8),
            lamps,
            glow,
            float(np.exp(rng.uniform(-7.5, -4.8))),
            rng.uniform(0, 0.12) * (rng.random() < 0.2),
            rng.uniform(0.4, 1, 3),
        )


class Scene:
    """The scene of a seed, for clips of `length` frames."""

    def __init__(self, seed: int, studio: Studio, length: int, story: str | None = None):
        rng = np.random.default_rng([seed, 41])
        self.studio, self.length = studio, length
        studio.made.clear()
        studio.renderer.begin()
        self.kind = str(rng.choice(KINDS, p=KIND_SHARES))
        self.story = str(rng.choice(STORIES, p=STORY_SHARES)) if length > 1 else "free"
        self.story = story or self.story
        self.light, self.camera = studio.light(rng), camera.Camera(rng)
        self.bodies: list[raster.Body] = []
        self.still: list[np.ndarray] = []
        self.actors: list[Actor] = []
        self._surroundings(rng)
        self._cast(rng)
        self._story(rng)
        self._shot(rng)

    def _surroundings(self, rng: np.random.Generator) -> None:
        """Floor, walls and what is behind them."""
        studio = self.studio
        sky = "made/sky"
        studio.made[sky] = collage.backdrop(rng, studio.stock, 320)[..., :3]
        self.sky = sky
        side = rng.uniform(4, 12)
        bare = rng.uniform(0.55, 1) + rng.normal(size=3) * 0.03 if rng.random() < 0.25 else None

        def wall(turn: np.ndarray, place, size: float, spread: float) -> None:
            colour, image = rng.random(3) * 0.8 + 0.1, None
            if rng.random() < 0.75:
                colour, image = rng.uniform(0.6, 1.1, 3), studio.paint(rng)
            if bare is not None:  # a plain room of one light colour
                colour, image = bare.clip(0, 1), None
            surface = raster.Surface(
                colour, image, int(image is not None), spread, rng.uniform(0, 0.4) * (rng.random() < 0.4)
            )
            self.bodies.append(raster.Body("square", [surface]))
            self.still.append(placed(turn, size, place))

        if rng.random() < 0.93:
            wall(turned(rng.uniform(-0.3, 0.3)), [0, 0, 0], side * 2, side * np.exp(rng.uniform(-1, 1)))
        for k in range(int(rng.choice(4, p=[0.3, 0.25, 0.3, 0.15]))):
            yaw = (0, np.pi / 2, -np.pi / 2)[k] + rng.normal() * 0.08
            away = turned(yaw) @ [0, 0, -rng.uniform(1.6, 3.5)]
            wall(turned(yaw, np.pi / 2), away, side * 2, side * np.exp(rng.uniform(-1.2, 0.6)))

    def _cast(self, rng: np.random.Generator) -> None:
        """Chooses things, sizes and places, so that most do not intersect."""
        studio, stock = self.studio, self.studio.stock
        low, high = COUNTS[self.kind]
        count = int(rng.integers(low, high + 1))
        chosen = list(rng.choice(len(stock.models), count, p=studio.chances))
        if count > 2 and rng.random() < 0.35:  # several of a kind
            chosen[1] = chosen[0]
            if rng.random() < 0.4:
                chosen[2 % count] = chosen[0]
        common = studio.surfaces(rng, stock.models[chosen[0]])
        share = max(1, IDS // count)
        zoom = np.exp(rng.uniform(-0.35, 0.9))
        self.owners = np.arange(128, dtype=np.int8)
        first, taken = 0, []
        for k, number in enumerate(chosen):
            model = stock.models[number]
            surfaces = common if number == chosen[0] and rng.random() < 0.7 else studio.surfaces(rng, model)
            centimetres = max(model["cm"])
            if self.kind == "set":
                size = np.clip(centimetres / 130 * zoom, 0.15, 2.2)
            elif self.kind == "hero" and k == 0:
                size = rng.uniform(0.9, 1.6)
            else:
                size = np.exp(rng.uniform(np.log(0.25), np.log(1.1)))
            if rng.random() < 0.12 and self.still:  # looks like the floor or a wall
                like = self.bodies[rng.integers(len(self.still))].surfaces[0]
                like = dataclasses.replace(
                    like, colour=like.colour * rng.uniform(0.75, 1.2), mapping=like.mapping * 2
                )
                surfaces = [like] * len(surfaces)
            tall = model["cm"][1] / centimetres
            base = size * min(tall, 1.0) / 2
            wide = size * max(model["cm"][0], model["cm"][2]) / centimetres / 2
            for attempt in range(25):
                spot = rng.normal(size=2) * (0.35 if self.kind == "heap" else 0.85)
                if k == 0 and self.kind == "hero":
                    spot = rng.normal(size=2) * 0.1
                closeness = 0.45 if self.kind == "heap" else 0.85
                if all(np.hypot(*(spot - s)) > closeness * (wide + w) for s, w in taken):
                    break
            taken.append((spot, wide))
            lift, tilt = 0.0, (0.0, 0.0)
            if rng.random() < (0.5 if self.kind == "heap" else 0.12):  # in the air, or fallen over
                lift, tilt = rng.uniform(0, 0.9), tuple(rng.normal(size=2) * 0.8)
            elif model["cm"][1] < 20 and rng.random() < 0.5:
                lift = rng.uniform(0, 0.8)
            moves = self.length > 1 and rng.random() < 0.45
            drift = np.array([rng.normal(), 0, rng.normal()]) * 0.045 * moves
            spin = np.array([rng.normal(), rng.normal() * (tilt[0] != 0), 0]) * 0.09 * moves
            self.actors.append(
                Actor(
                    size,
                    base,
                    np.array([spot[0], base + lift, spot[1]]),
                    (rng.uniform(0, 6.3), *tilt),
                    drift,
                    spin,
                    rng.uniform(0, 0.25) * (moves and rng.random() < 0.3),
                )
            )
            parts = share
            self.bodies.append(raster.Body(str(number), surfaces, first, parts - 1))
            self.owners[first : first + parts] = k
            first += parts

    def _story(self, rng: np.random.Generator) -> None:
        """Thing 0 is crossed by another, or leaves and returns, in the plane of the picture's sides."""
        hero, times = self.actors[0], np.arange(self.length)
        self.leave = None
        if self.story == "gone":
            leave, back = rng.integers(1, 4), rng.integers(5, self.length + 1)
            share = np.where(times < (leave + back) / 2, times / leave, (back - times) / 2).clip(0, 1)
            self.leave = share * rng.choice([-1, 1])
            hero.drift = hero.drift * 0
        self.cross = None
        if self.story == "crossed" and len(self.actors) > 1:
            self.cross = (times - rng.uniform(2, self.length - 2)) * rng.uniform(0.12, 0.3)

    def _shot(self, rng: np.random.Generator) -> None:
        """Camera: direction, distance so that the scene or thing 0 fills the picture, and its motion."""
        hero = self.actors[0]
        self.angle = rng.uniform(0.45, 1.15)
        spread = np.mean([np.linalg.norm(a.place[[0, 2]]) + a.size / 2 for a in self.actors])
        target = np.mean([a.place for a in self.actors], 0)
        reach = max(spread, 0.4) * rng.uniform(0.6, 1.25)
        if self.kind == "hero" or rng.random() < 0.35:
            target = hero.place + rng.normal(size=3) * hero.size * 0.15
            reach = hero.size * rng.uniform(0.36, 0.95)
        self.target = target + rng.normal(size=3) * 0.08
        self.distance = reach / np.tan(self.angle / 2) + hero.size * 0.25
        self.yaw = rng.uniform(-0.75, 0.75) if rng.random() < 0.75 else rng.uniform(0, 6.3)
        self.pitch = rng.choice([rng.uniform(0.03, 0.35), rng.uniform(0.2, 0.8), rng.uniform(0.7, 1.35)])
        lively = rng.random() < 0.7
        self.orbit = rng.normal(size=2) * np.array([0.03, 0.012]) * lively
        self.dolly = 1 + rng.normal() * 0.012 * lively
        self.pan = rng.normal(size=3) * 0.02 * lively

    def draw(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Frame t [S, S, 3] u8 and the visible part per pixel [S, S] i8, -1 for none."""
        yaw, pitch = self.yaw + self.orbit[0] * t, max(self.pitch + self.orbit[1] * t, 0.02)
        target = self.target + self.pan * t
        way = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
        eye = target + way * max(self.distance * self.dolly**t, 0.25)
        eye[1] = max(eye[1], 0.06)
        sideways = np.array([np.cos(yaw), 0, -np.sin(yaw)])
        models = list(self.still)
        for k, actor in enumerate(self.actors):
            place = actor.place + actor.drift * t
            place = place + [0, abs(np.sin(0.8 * t)) * actor.hop, 0]
            if k == 0 and self.leave is not None:
                far = np.linalg.norm(eye - actor.place) * np.tan(self.angle / 2) * 1.2 + actor.size
                place = place + sideways * self.leave[t] * far
            if k == 1 and self.cross is not None:
                hero = self.actors[0].place
                place = hero + (eye - hero) * 0.35 + sideways * self.cross[t]
                place[1] = max(place[1], actor.base)
            yaw_, pitch_, roll_ = np.array(actor.turn) + actor.spin * t
            models.append(placed(turned(yaw_, pitch_, roll_), actor.size, place))
        picture, ids = self.studio.renderer.draw(
            self.bodies, models, eye, target, self.angle, self.light, self.sky
        )
        return self.camera.take(picture, t), ids


def clip(seed: int, studio: Studio, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames [n, S, S, 3] u8, ids [n, S, S] i8 of parts, and the thing of each part, [128] i8.

    Things cover 4 % of the first frame, and one of them 1 %; in clips, thing 0 covers 0.5 %.
    """
    for attempt in range(50):
        scene = Scene(seed + attempt * 10_000_000, studio, length)
        frame, ids = scene.draw(0)
        owned = np.bincount(scene.owners[ids[ids >= 0]], minlength=1)
        if owned.sum() < 0.04 * ids.size or owned.max() < 0.01 * ids.size:
            continue
        if length == 1 or owned[0] > 0.005 * ids.size:
            break
    drawn = [(frame, ids)] + [scene.draw(t) for t in range(1, length)]
    return np.stack([d[0] for d in drawn]), np.stack([d[1] for d in drawn]), scene.owners
