"""Objects in a stream, whose frames come once and are not kept. Not part of Meta's package."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from . import _native
from ._arrays import packed, picture, prompt_of
from ._model import native_of


@dataclass(frozen=True)
class Result:
    """The objects on one frame, in the order of their first prompts."""

    frame_idx: int
    obj_ids: list
    masks: np.ndarray
    """``bool (N, H, W)``."""
    object_scores: np.ndarray
    """``float32 (N,)``: logits of being present; present if above 0."""
    ious: np.ndarray
    """``float32 (N,)``: predicted IoU of the mask with the object."""
    events: list
    """``"lost"``, ``"found"`` or None."""


class Tracker:
    """Tracks objects into every frame that is pushed. Memory does not grow with the length of the stream.

    Arguments:
        model: of ``build_sam2``, ``build_sam2_video_predictor`` or ``build_sam2_micro``.
        width, height (int): of every frame, pixels.
        memory (str): memory policy: ``"sam2"``, ``"samurai"``, ``"dam4sam"`` or ``"sam2long"``.
        fill_hole_area (int): holes of at most this many pixels of the low-resolution logits are filled.
        non_overlap (bool): every pixel belongs to one object at most.

    >>> from sam2_cpu import build_sam2_micro
    >>> tracker = Tracker(build_sam2_micro(), 320, 240)
    """

    def __init__(self, model, width, height, *, memory="sam2", fill_hole_area=0, non_overlap=None) -> None:
        self._native = _native.TrackerNative(
            native_of(model), int(width), int(height), memory, int(fill_hole_area), non_overlap
        )

    @classmethod
    def resume(cls, model, path) -> Tracker:
        """Continues a session that :meth:`save` wrote with the same checkpoint."""
        tracker = cls.__new__(cls)
        tracker._native = _native.TrackerNative.resume(native_of(model), os.fspath(path))
        return tracker

    def push(self, frame) -> Result:
        """The next frame, ``uint8 (H, W, 3)`` RGB or a PIL picture."""
        return self._result(self._native.push(self._checked(frame)))

    def add_points(self, obj_id, points=None, labels=None, box=None, *, clear_old_points=True) -> Result:
        """Prompts an object, new or known, on the last frame.

        Arguments:
            points: ``(n, 2)``, x and y in pixels. labels: ``(n,)``; default: all on the object.
            box: ``(4,)``: x0, y0, x1, y1.
            clear_old_points (bool): earlier points of the object on this frame are replaced.
        """
        if points is not None and labels is None:
            labels = np.ones(len(points), np.int32)
        prompt = (*prompt_of(points, labels, box), bool(clear_old_points))
        return self._result(self._native.add_points(int(obj_id), *prompt))

    def add_mask(self, obj_id, mask) -> Result:
        """The mask of an object on the last frame: ``(H, W)`` of any size, true inside."""
        mask = np.asarray(mask)
        if mask.ndim != 2 or 0 in mask.shape:
            raise ValueError(f"mask has the shape {mask.shape}, (H, W) is needed")
        return self._result(self._native.add_mask(int(obj_id), packed(mask.astype(bool))))

    def remove_object(self, obj_id) -> bool:
        """Removes an object. Returns whether it existed."""
        return self._native.remove_object(int(obj_id))

    @property
    def obj_ids(self) -> list:
        """Object ids in the order of their first prompts."""
        return self._native.object_ids()

    @property
    def frame_idx(self):
        """Index of the last frame, or None."""
        return self._native.frame_idx()

    def save(self, path) -> None:
        """Writes the session. The file is complete or absent."""
        self._native.save(path)

    def _checked(self, frame) -> np.ndarray:
        frame = picture(frame, "frame")
        width, height = self._native.size()
        if frame.shape[:2] != (height, width):
            raise ValueError(f"frame has the shape {frame.shape}, {(height, width, 3)} is needed")
        return frame

    def _result(self, answer) -> Result:
        frame_idx, ids, masks, scores, ious, events = answer
        return Result(
            frame_idx, ids, masks, np.asarray(scores, np.float32), np.asarray(ious, np.float32), events
        )

    def __reduce__(self):
        raise TypeError("Tracker cannot be pickled; use save and resume")
