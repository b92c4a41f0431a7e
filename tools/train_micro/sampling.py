"""Training batches: frames and object masks from a rendered pool, with random augmentation."""

import contextlib
import pathlib

import cv2
import numpy as np
import torch

import pool
import prompts

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
BACKWARDS = 0.3  # fraction of clips that are reversed
STORY_FIRST = 0.7  # fraction of clips whose target, if visible, is the first prompted object
CROP = 0.7  # smallest crop, as a fraction of the side
CROP_IMAGE = 0.5  # of a single image that is not drawn, whose two sides are cropped independently
ZOOM = 0.4  # fraction of these images whose crop is around one thing, down to CLOSEST of a side
CLOSEST = 0.3
SHUFFLED = 0.3  # fraction of clips that are not drawn whose colour channels are permuted
PART = 0.5  # fraction of images with parts of things on which parts are prompted too
CONTRAST = (0.6, 1.2)
LIGHT = 0.15  # largest change of brightness


class Pool:
    """The parts that pool.py has written; `refresh` adds later ones."""

    quiet = contextlib.nullcontext()  # for graphs.Captured: no other thread uses the device

    def __init__(
        self,
        folder: pathlib.Path,
        size: int,
        rng: np.random.Generator,
        vanish: float = 0.0,
        touch: float = 0.0,
        thin: float = 0.0,
        hard: float = 0.0,
        drawn: tuple[float, float] | None = None,
    ):
        """vanish: fraction of clips whose target disappears and returns.

        touch: fraction of clips, and of images, whose target is next to its twin or overlaps it.
        thin: fraction of images with only thin things (rings, bars) as prompted objects.
        hard: fraction of draws that sample clips in proportion to the errors that lack.py measured.
        drawn: fractions of images and of clips from drawn parts; else every part is drawn equally often.
        """
        self.drawn = drawn
        self.folder, self.size, self.rng = folder, size, rng
        self.vanish, self.touch, self.thin, self.hard = vanish, touch, thin, hard
        self.parts: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.owners: dict[
            str, np.ndarray
        ] = {}  # thing of each id, [clips, 128], of parts with parts of things
        self.shown: dict[str, np.ndarray] = {}  # area fraction of thing 0, [clips, frames]
        self.touching: dict[str, np.ndarray] = {}  # whether thing 0 is next to its twin, [clips, frames]
        self.ranked: list[tuple[str, int]] = []  # clips with a score of lack.py
        self.chances = np.zeros((0, 2))  # their probabilities, as an image and as a clip
        self.refresh()

    def refresh(self) -> None:
        for path in sorted(self.folder.glob("*-frames.npy")):
            if path.name not in self.parts:
                ids = path.with_name(path.name.replace("-frames", "-ids"))
                self.parts[path.name] = np.load(path, mmap_mode="r"), np.load(ids, mmap_mode="r")
                owners = path.with_name(path.name.replace("-frames", "-owners"))
                if owners.exists():
                    self.owners[path.name] = np.load(owners)
                if self.vanish or self.touch:
                    self.shown[path.name] = self._shown(path.name)
                if self.touch and not is_drawn(path.name):
                    self.touching[path.name] = np.zeros(self.parts[path.name][1].shape[:2], bool)
                elif self.touch:
                    number, ids = int(path.name.split("-")[1]), self.parts[path.name][1]
                    stories = [story for _, story in pool.plan(number, ids.shape[1])]
                    beside = [
                        touching(i) if s == "twin" else np.zeros(len(i), bool) for i, s in zip(ids, stories)
                    ]
                    self.touching[path.name] = np.stack(beside)
        if not self.parts:
            raise SystemExit(f"{self.folder}: no rendered clips; run pool.py first")
        if self.hard:
            self._rank()

    def _shown(self, name: str) -> np.ndarray:
        """Area fraction of thing 0 of every clip and frame."""
        ids, owners = self.parts[name][1], self.owners.get(name)
        if owners is None:
            return (ids == 0).mean((2, 3))
        return np.stack([(whole(i, o) == 0).mean((1, 2)) for i, o in zip(ids, owners)])

    def _rank(self) -> None:
        """Reads the scores that lack.py has written."""
        scored = {n: self.folder / n.replace("-frames", "-lack") for n in self.parts}
        lacks = {n: np.load(path) for n, path in scored.items() if path.exists()}
        if not lacks:
            raise SystemExit(f"{self.folder}: no scores of its clips; run lack.py first, or leave out --hard")
        if sum(map(len, lacks.values())) > len(self.ranked):
            self.ranked = [(n, k) for n, lack in lacks.items() for k in range(len(lack))]
            lack = np.concatenate(list(lacks.values())).astype(np.float64)
            self.chances = lack / lack.sum(0)

    def batch(
        self, batch: int, frames: int, objects: int, smallest: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Normalised frames [B, T, 3, S, S], masks [B, N, T, S, S] in {0, 1}, and which are things [B, N].

        Objects cover at least the fraction `smallest` of the first frame; one object may be repeated. Those
        that are not things (0 in the last tensor) are parts of things, on images only.
        """
        pictures, masks, things = [], [], []
        for u in self.rng.random(batch):
            gone, touching = frames > 1 and u > 1 - self.vanish, u < self.touch
            thin = frames == 1 and u > 1 - self.thin
            x, ids, fine, choice = self._one(frames, gone, touching, thin, smallest)
            chosen = list(self.rng.permutation(choice))
            if 0 in chosen and (gone or touching or self.rng.random() < STORY_FIRST):
                chosen.sort(key=lambda k: min(k, 2))  # the target first, then its twin or occluder
            chosen = (chosen * objects)[:objects]
            found = [ids == k for k in chosen]
            whole = np.ones(objects, np.float32)
            if frames == 1 and fine is not None and self.rng.random() < PART:
                parts = self._parts(ids, fine, smallest)
                slots = self.rng.permutation(objects)[: max(1, objects // 3)]
                for slot, k in zip(slots, parts):
                    found[slot], whole[slot] = fine == k, 0
            pictures.append(x)
            masks.append(np.stack(found))
            things.append(whole)
        x = torch.from_numpy(np.stack(pictures)).permute(0, 1, 4, 2, 3).contiguous()
        return x, torch.from_numpy(np.stack(masks)).float(), torch.from_numpy(np.stack(things))

    def _parts(self, ids: np.ndarray, fine: np.ndarray, smallest: float) -> list[int]:
        """Parts of things, shuffled: large enough, and at most 85 % of the visible thing."""
        seen, first, counts = np.unique(fine[0], return_index=True, return_counts=True)
        owner = ids[0].reshape(-1)[first]
        good = (seen >= 0) & (counts >= smallest * fine[0].size)
        good &= np.array([n < 0.85 * (ids[0] == o).sum() for n, o in zip(counts, owner)])
        return [int(k) for k in self.rng.permutation(seen[good])]

    def _one(self, frames: int, gone: bool, touching: bool, thin: bool, smallest: float) -> tuple:
        """Frames [T, S, S, 3], things and parts per pixel [T, S, S] (no parts: None), things to prompt."""
        while True:
            name, clip, index = self._draw(frames, gone, touching, smallest)
            stored, stored_ids = self.parts[name]
            x, ids = self._alter(stored[clip][index], stored_ids[clip][index], is_drawn(name))
            fine = None
            if name in self.owners:
                fine, ids = ids, whole(ids, self.owners[name][clip])
            seen, counts = np.unique(ids[0], return_counts=True)
            choice = [int(k) for k, n in zip(seen, counts) if k >= 0 and n >= smallest * ids[0].size]
            if thin:
                choice = [k for k in choice if prompts.is_thin(ids[0] == k)]
            if choice:
                return x, ids, fine, choice

    def _draw(self, frames: int, gone: bool, touching: bool, smallest: float) -> tuple[str, int, list[int]]:
        """A part, a clip, frame indices; on request thing 0 disappears and returns, or touches its twin."""
        names = [n for n in self.parts if self.parts[n][0].shape[1] >= frames]
        if self.drawn is not None:
            wanted = self.rng.random() < self.drawn[int(frames > 1)] or touching
            names = [n for n in names if is_drawn(n) == wanted] or names
        if not names:
            raise SystemExit(
                f"{self.folder}: no clips of {frames} frames; see pool.py --frames, or train.py --frames"
            )
        while True:
            name, clip = "", 0
            if self.hard and self.rng.random() < self.hard:
                name, clip = self.ranked[
                    self.rng.choice(len(self.ranked), p=self.chances[:, int(frames > 1)])
                ]
            if name not in names:
                name = names[self.rng.integers(len(names))]
                clip = int(self.rng.integers(len(self.parts[name][0])))
            index = self._frames(frames, self.parts[name][0].shape[1])
            if not (gone or touching):
                return name, clip, index
            shown = self.shown[name][clip][index]
            suitable = returns(shown, smallest) if gone else self.touching[name][clip][index].any()
            if shown[0] >= smallest and suitable:
                return name, clip, index

    def _frames(self, wanted: int, stored: int) -> list[int]:
        """Frame indices within a stored clip."""
        stride = int(self.rng.integers(1, widest(wanted, stored) + 1))
        first = int(self.rng.integers(0, stored - stride * (wanted - 1)))
        index = list(range(first, first + stride * wanted, stride))
        return index[::-1] if self.rng.random() < BACKWARDS else index

    def _alter(self, frames: np.ndarray, ids: np.ndarray, drawn: bool) -> tuple[np.ndarray, np.ndarray]:
        """Augmentation, the same for all frames: crop, flips, transposition, colours.

        What is not drawn keeps its upright direction, and mostly its colours.
        """
        rng, side = self.rng, frames.shape[1]
        share = rng.uniform(CROP_IMAGE if len(frames) == 1 and not drawn else CROP, 1, 2)
        crop = np.rint(side * (share[:1].repeat(2) if drawn else share)).astype(int)
        top, left = (rng.integers(0, side - n + 1) for n in crop)
        if len(frames) == 1 and not drawn and rng.random() < ZOOM:
            top, left, crop = self._around(ids[0])
        space = (slice(None), slice(top, top + crop[0]), slice(left, left + crop[1]))
        size = (self.size, self.size)
        smooth = cv2.INTER_AREA if crop.min() > 1.4 * self.size else cv2.INTER_LINEAR
        frames = np.stack([cv2.resize(f, size, interpolation=smooth) for f in frames[space]])
        ids = np.stack([cv2.resize(i, size, interpolation=cv2.INTER_NEAREST) for i in ids[space]])
        if drawn and rng.random() < 0.5:
            frames, ids = frames[:, ::-1], ids[:, ::-1]
        if rng.random() < 0.5:
            frames, ids = frames[:, :, ::-1], ids[:, :, ::-1]
        if drawn and rng.random() < 0.5:
            frames, ids = frames.swapaxes(1, 2), ids.swapaxes(1, 2)
        if drawn or rng.random() < SHUFFLED:
            frames = frames[..., rng.permutation(3)]
        frames = frames.astype(np.float32) / 255
        frames = ((frames - 0.5) * rng.uniform(*CONTRAST) + 0.5 + rng.uniform(-LIGHT, LIGHT)).clip(0, 1)
        return (frames - MEAN) / DEVIATION, ids

    def _around(self, ids: np.ndarray) -> tuple[int, int, np.ndarray]:
        """Top, left, height and width of a crop in which a random id of [S, S] fills much of the picture."""
        rng, side = self.rng, len(ids)
        seen = np.unique(ids[ids >= 0])
        if not len(seen):
            return 0, 0, np.array([side, side])
        ys, xs = np.nonzero(ids == rng.choice(seen))
        low, high = np.array([ys.min(), xs.min()]), np.array([ys.max(), xs.max()]) + 1
        crop = np.rint((high - low) * rng.uniform(0.8, 1.9, 2)).astype(int)
        crop = np.maximum(crop, crop.max() // 2).clip(round(CLOSEST * side), side)
        corner = np.rint((low + high - crop) / 2 + rng.normal(size=2) * 0.12 * crop).astype(int)
        top, left = corner.clip(0, side - crop)
        return int(top), int(left), crop


def is_drawn(name: str) -> bool:
    """Whether a part's file name is that of drawn clips."""
    return int(name.split("-")[1]) < pool.ROOMS["collage"]


def whole(ids: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Things per pixel from parts per pixel, -1 for none."""
    return np.where(ids < 0, np.int8(-1), owners[ids.clip(0)])


def widest(wanted: int, stored: int) -> int:
    """Largest frame stride: 1 for clips of pool.FRAMES frames, already strided; up to 3 for longer ones."""
    return min((stored - 1) // max(wanted - 1, 1), 3) if stored > pool.FRAMES else 1


def returns(shown: np.ndarray, smallest: float) -> np.ndarray:
    """Whether area fractions [..., frames] are 0 on some frame and at least `smallest` on a later one."""
    away = np.maximum.accumulate(shown == 0, -1)
    return ((shown >= smallest) & away).any(-1)


def touching(ids: np.ndarray) -> np.ndarray:
    """Whether things 0 and 1 are within 1/60 of the image side, per frame of ids [T, S, S]."""
    side = ids.shape[-1] // 30 | 1
    near = np.ones((side, side), np.uint8)
    return np.array([cv2.dilate((seen == 0).astype(np.uint8), near)[seen == 1].any() for seen in ids])
