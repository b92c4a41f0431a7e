"""Scenes rendered by other processes during training; the device holds the newest ones. For a GPU.

A pool of files (pool.py) suffices for two CPU cores; a GPU would repeat its few thousand clips many times.
"""

import itertools
import mmap
import multiprocessing
import os
import threading
import time

import cv2
import numpy as np
import torch
import torch.nn.functional as F

import collage
import data
import pool
import prompts
import sampling
import things

SIDE = 288  # side of a rendered scene in pixels, before cropping
SLOTS = 128  # scenes in shared memory, in transit to the device
THINGS = 12  # upper bound of the things in a scene
WARM = 0.1  # fraction of the device's scenes that must be loaded before training starts
GUARD = 256  # oldest scenes that are not sampled, as they are replaced while queued steps may read them
CANDIDATES = 24  # clips drawn for each one that is used
CROPS = 3  # attempts at a crop with a visible thing

WHOLE = np.dtype(
    [
        ("frames", np.uint8, (data.TICKS, SIDE, SIDE, 3)),
        ("ids", np.int8, (data.TICKS, SIDE, SIDE)),
        ("shown", np.float32, data.TICKS),  # area fraction of thing 0
        ("touching", bool, data.TICKS),  # whether thing 0 is next to its twin
        ("thin", bool, (data.TICKS, THINGS)),
        ("upright", bool, ()),  # not drawn: has an upright direction and colours of its own
    ]
)


def render(slots: np.ndarray, free, done, first: int, step: int, pack, drawn: float) -> None:
    """Renders the scenes of seeds first, first + step, … into free slots, without end.

    pack: things.zip, from which all scenes but the fraction `drawn` are made, half by each room; or None.
    """
    os.nice(10)
    cv2.setNumThreads(1)
    if pack:
        import rooms  # needs moderngl

        stock = things.Things(pack)
        studio = rooms.Studio(stock, SIDE)
    for seed in itertools.count(first, step):
        rng = np.random.default_rng([seed, 6])
        story = str(rng.choice(data.STORIES, p=pool.SHARES))
        room = rng.random() if pack else 0.0
        if pack and room > (1 + drawn) / 2:
            frames, ids, owners = rooms.clip(seed % data.HELD_OUT, studio, data.TICKS)
            ids = sampling.whole(ids, owners)
        elif pack and room > drawn:
            frames, ids = collage.clip(seed % data.HELD_OUT, stock, data.TICKS, SIDE)
        else:
            frames, ids, _ = data.clip(seed % data.HELD_OUT, SIDE, story=story)
        upright = bool(pack) and room > drawn
        at = free.get()
        slot = slots[at]
        slot["frames"], slot["ids"], slot["upright"] = frames, ids, upright
        slot["shown"] = (ids == 0).mean((1, 2))
        slot["touching"] = sampling.touching(ids) if story == "twin" and not upright else False
        for tick, small in enumerate(ids[:, ::2, ::2]):
            slot["thin"][tick] = [(small == k).any() and prompts.is_thin(small == k) for k in range(THINGS)]
        done.put(at)


class Live:
    """Samples batches from a stream of scenes; `batch` has the interface of sampling.Pool."""

    def __init__(self, size: int, processes: int, held: int, first: int, pack=None, drawn: float = 0.35):
        """held: number of scenes on the device, 8 MB each. first: seed of the first scene.

        pack: things.zip of assets.py, if scenes are not all drawn; drawn: fraction of those that still are.
        """
        context = multiprocessing.get_context("fork")  # CUDA must not be initialised yet
        shared = mmap.mmap(-1, SLOTS * WHOLE.itemsize)
        self.size, self.held = size, held
        self.slots = np.frombuffer(shared, WHOLE)
        self.free, self.done = context.Queue(), context.Queue()
        for at in range(SLOTS):
            self.free.put(at)
        for k in range(processes):
            arguments = self.slots, self.free, self.done, first + k, processes, pack, drawn
            context.Process(target=render, args=arguments, daemon=True).start()
        self.notes = {
            k: np.zeros((held, *WHOLE[k].shape), WHOLE[k].base)
            for k in ("shown", "touching", "thin", "upright")
        }
        self.written = 0
        self.quiet = threading.Lock()  # for graphs.Captured

    def open(
        self, device: torch.device, rng: np.random.Generator, vanish: float, touch: float, thin: float
    ) -> None:
        """Starts loading scenes and waits for the first ones. The fractions are those of sampling.Pool."""
        self.device, self.rng = device, rng
        self.vanish, self.touch, self.thin = vanish, touch, thin
        self.frames = torch.zeros((self.held, *WHOLE["frames"].shape), dtype=torch.uint8, device=device)
        self.ids = torch.zeros((self.held, *WHOLE["ids"].shape), dtype=torch.int8, device=device)
        colour = lambda values: torch.from_numpy(values).to(device)[:, None, None]
        self.mean, self.deviation = colour(sampling.MEAN), colour(sampling.DEVIATION)
        threading.Thread(target=self._load, daemon=True).start()
        while self.written < WARM * self.held:
            time.sleep(0.1)

    def _load(self) -> None:
        # A stream of its own does not wait for queued steps.
        side = torch.cuda.Stream() if self.device.type == "cuda" else None
        while True:
            at = self.done.get()
            slot, place = self.slots[at], self.written % self.held
            with self.quiet, torch.cuda.stream(side):
                self.frames[place].copy_(torch.from_numpy(slot["frames"]))
                self.ids[place].copy_(torch.from_numpy(slot["ids"]))
            for key, note in self.notes.items():
                note[place] = slot[key]
            self.free.put(at)
            self.written += 1

    def refresh(self) -> None:
        """Does nothing: scenes are loaded continuously."""

    def batch(
        self, batch: int, frames: int, objects: int, smallest: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Normalised frames [B, T, 3, S, S], masks [B, N, T, S, S] in {0, 1} and ones, on the device."""
        scenes, ticks, story = self._draw(batch, frames, smallest)
        allowed = np.ones((batch, THINGS), bool)
        if frames == 1:
            thin = self.notes["thin"][scenes, ticks[:, 0]]
            only_thin = thin.any(1) & (self.rng.random(batch) < self.thin)
            allowed[only_thin] = thin[only_thin]
            story &= ~only_thin
        upright = self.notes["upright"][scenes]
        crops = np.stack([self._crops(upright, frames == 1) for _ in range(CROPS)])
        there = lambda array: torch.from_numpy(array).to(self.device, non_blocking=True)
        parts = scenes, ticks, story, allowed, crops, upright
        scenes, ticks, story, allowed, crops, upright = map(there, parts)
        seen, crops = self._seen(self.ids[scenes, ticks[:, 0]], crops, story, allowed, smallest)
        prefer = story | (torch.rand(batch, device=self.device) < sampling.STORY_FIRST)
        chosen = _choose(seen, prefer & seen[:, 0], objects)
        every = scenes[:, None], ticks
        pictures = self.frames[every].permute(0, 1, 4, 2, 3).float().flatten(1, 2)
        pictures = self._warp(pictures, crops, "bilinear").unflatten(1, (frames, 3))
        ids = self._warp(self.ids[every].float(), crops, "nearest")
        masks = (ids[:, None] == chosen[:, :, None, None, None]).float()
        return self._colours(pictures, upright), masks, torch.ones_like(chosen, dtype=torch.float32)

    def _draw(self, batch: int, frames: int, smallest: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scenes [B], ticks [B, T], and whether thing 0 must be prompted, [B]."""
        rng, many = self.rng, batch * CANDIDATES
        last = self.written
        held = min(last, self.held)
        spared = GUARD if last >= self.held else 0
        scenes = (last + spared + rng.integers(0, held - spared, many)) % held
        stride = rng.integers(1, sampling.widest(frames, data.TICKS) + 1, many)
        first = rng.integers(0, data.TICKS - stride * (frames - 1))
        ticks = first[:, None] + stride[:, None] * np.arange(frames)
        ticks = np.where(rng.random((many, 1)) < sampling.BACKWARDS, ticks[:, ::-1], ticks)
        shown = self.notes["shown"][scenes[:, None], ticks]
        begins = shown[:, 0] >= smallest
        returns = begins & sampling.returns(shown, smallest)
        beside = begins & self.notes["touching"][scenes[:, None], ticks].any(1)
        wish = rng.random(batch)
        gone = int((wish > 1 - self.vanish).sum()) if frames > 1 else 0
        take = list(np.flatnonzero(returns)[:gone])
        take += list(np.flatnonzero(beside)[: int((wish < self.touch).sum())])
        story = np.arange(batch) < len(take)
        take += list(range(many - batch + len(take), many))  # the rest unconditionally
        return scenes[take], ticks[take], story

    def _crops(self, upright: np.ndarray, single: bool) -> np.ndarray:
        """Affine maps [B, 2, 3], batch to image coordinates in -1..1: crop, flips, transposition.

        As sampling.Pool: scenes that are `upright` are only mirrored, and single images of them are cropped
        further, each side by itself.
        """
        rng, batch = self.rng, len(upright)
        square, free = rng.uniform(sampling.CROP, 1, (batch, 1, 1)), rng.uniform(0, 1, (batch, 2, 1))
        least = sampling.CROP_IMAGE if single else sampling.CROP
        upright = upright[:, None, None]
        share = np.where(upright, least + (1 - least) * free, square)
        signs = rng.choice([-1, 1], (batch, 1, 2))
        turn = np.eye(2)[None] * np.where(upright & [[[False, True]]], 1, signs)
        turn = np.where(upright | (rng.random((batch, 1, 1)) < 0.5), turn, turn[:, ::-1])
        shift = rng.uniform(-1, 1, (batch, 2, 1)) * (1 - share)
        return np.concatenate([turn * share, shift], 2).astype(np.float32)

    def _warp(self, maps: torch.Tensor, crops: torch.Tensor, mode: str) -> torch.Tensor:
        grid = F.affine_grid(crops, (len(maps), 1, self.size, self.size), align_corners=False)
        return F.grid_sample(maps, grid, mode=mode, padding_mode="border", align_corners=False)

    def _seen(self, ids, crops, story, allowed, smallest: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Visible things [B, THINGS] and the chosen crop, of ids [B, SIDE, SIDE] and CROPS crops each."""
        batch = len(ids)
        views = self._warp(
            ids.float()[:, None].repeat(CROPS, 1, 1, 1), crops.flatten(0, 1), "nearest"
        ).flatten(1)
        share = torch.stack([(views == k).float().mean(1) for k in range(THINGS)], 1).view(
            CROPS, batch, THINGS
        )
        seen = (share >= smallest) & allowed
        best = torch.where(story, seen[..., 0], seen.any(2)).float().argmax(0)
        rows = torch.arange(batch, device=ids.device)
        return seen[best, rows], crops[best, rows]

    def _colours(self, pictures: torch.Tensor, upright: torch.Tensor) -> torch.Tensor:
        """Channel order, contrast and brightness, constant over a clip; then normalisation."""
        batch, device = len(pictures), self.device
        low, high = sampling.CONTRAST
        order = torch.rand(batch, 3, device=device).argsort(1)
        kept = upright & (torch.rand(batch, device=device) > sampling.SHUFFLED)
        order = torch.where(kept[:, None], torch.arange(3, device=device), order)
        order = order[:, None, :, None, None].expand_as(pictures)
        contrast, light = torch.rand(2, batch, 1, 1, 1, 1, device=device)
        x = pictures.gather(2, order) / 255
        light = 2 * sampling.LIGHT * (light - 0.5)
        x = ((x - 0.5) * (low + (high - low) * contrast) + 0.5 + light).clamp(0, 1)
        return (x - self.mean) / self.deviation


def _choose(seen: torch.Tensor, story: torch.Tensor, objects: int) -> torch.Tensor:
    """Things to prompt, [B, objects], among those in `seen`; where `story`, thing 0 first, then thing 1.

    With too few visible things they repeat; with none, thing 0 is returned, whose mask is empty.
    """
    key = torch.rand(seen.shape, device=seen.device) + 8.0 * seen
    key[:, 0] += 4.0 * story
    key[:, 1] += 2.0 * (story & seen[:, 1])
    order = torch.where(seen.any(1)[:, None], key.argsort(1, descending=True), 0)
    turns = torch.arange(objects, device=seen.device) % seen.sum(1, keepdim=True).clamp(min=1)
    return order.gather(1, turns)
