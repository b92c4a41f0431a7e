"""Masks through videos. Meta: ``sam2/sam2_video_predictor.py``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import Iterator

import numpy as np

from . import _native
from ._arrays import CPU, logits, packed, picture, prompt_of
from ._model import SAM2Model

_BOX_LATE = (
    "cannot add box without clearing old points, since "
    "box prompt must be provided before any point prompt "
    "(please use clear_old_points=True instead)"
)


class _Arrays:
    """Frames that the caller holds."""

    def __init__(self, frames) -> None:
        self._frames = frames
        height, width = self.frame(0, False).shape[:2]
        self.size = (width, height)

    def __len__(self) -> int:
        return len(self._frames)

    def frame(self, index: int, _backwards: bool) -> np.ndarray:
        return picture(self._frames[index], f"frame {index}")


class _Bytes:
    """A video file that the caller holds: in a temporary file, which goes away with this object."""

    def __init__(self, video) -> None:
        self._folder = tempfile.TemporaryDirectory()
        path = os.path.join(self._folder.name, "video.mp4")
        with open(path, "wb") as file:
            file.write(video)
        self._clip = _native.ClipNative.open(path)
        self.size = self._clip.size

    def __len__(self) -> int:
        return len(self._clip)

    def frame(self, index: int, backwards: bool) -> np.ndarray:
        return self._clip.frame(index, backwards)


def _frames_of(video):
    """Frames of a path, of the bytes of a video, of a list of pictures or an array ``(T, H, W, 3)``."""
    if isinstance(video, (bytes, bytearray, memoryview)):
        return _Bytes(video)
    if isinstance(video, np.ndarray) and video.ndim != 4:
        raise ValueError(f"video_path is an array of shape {video.shape}, (T, H, W, 3) is needed")
    if isinstance(video, (list, tuple, np.ndarray)):
        if len(video) == 0:
            raise ValueError("video_path has no frames")
        return _Arrays(video)
    return _native.ClipNative.open(os.fspath(video))


class InferenceState(Mapping):
    """The state of one video: what ``init_state`` returns.

    It is read like Meta's dict under the keys ``num_frames``, ``video_height``, ``video_width``, ``obj_ids``,
    ``device``.
    """

    def __init__(self, native: _native.NativeModel, frames, keep: str, memory: str) -> None:
        width, height = frames.size
        self._frames = frames
        self._size = (height, width)
        self._native = _native.VideoNative(native, width, height, len(frames), keep, memory)
        self._number_of: dict = {}
        self._id_of: dict[int, object] = {}
        self._prompted: dict[int, set[int]] = {}
        self._next_number = 1

    def _number(self, obj_id) -> int:
        """The number of an object of the caller's in the native predictor."""
        if obj_id not in self._number_of:
            self._number_of[obj_id] = self._next_number
            self._id_of[self._next_number] = obj_id
            self._prompted[self._next_number] = set()
            self._next_number += 1
        return self._number_of[obj_id]

    def _forget(self, obj_id) -> None:
        number = self._number_of.pop(obj_id)
        self._id_of.pop(number)
        self._prompted.pop(number)

    def _settle(self) -> None:
        """Drops the numbers of objects whose first prompt was refused."""
        known = set(self._native.object_ids())
        for number in [number for number in self._id_of if number not in known]:
            self._forget(self._id_of[number])

    def _index(self, frame_idx) -> int:
        index = int(frame_idx)
        if not 0 <= index < len(self._frames):
            raise IndexError(f"frame {index} of a video of {len(self._frames)} frames")
        return index

    def _frame(self, index: int, backwards: bool = False) -> np.ndarray:
        frame = self._frames.frame(index, backwards)
        if frame.shape[:2] != self._size:
            raise ValueError(f"frame {index} has the shape {frame.shape}, the video {(*self._size, 3)}")
        return frame

    def _answer(self, answer):
        numbers, masks = answer
        return [self._id_of[number] for number in numbers], logits(masks)

    @property
    def obj_ids(self) -> list:
        """Object ids in the order of their first prompts."""
        return [self._id_of[number] for number in self._native.object_ids()]

    def _values(self) -> dict:
        return {
            "num_frames": len(self._frames),
            "video_height": self._size[0],
            "video_width": self._size[1],
            "obj_ids": self.obj_ids,
            "device": CPU,
        }

    def __getitem__(self, key):
        values = self._values()
        if key not in values:
            raise KeyError(f"{key!r}: the state of sam2_cpu has the keys {', '.join(values)}")
        return values[key]

    def __iter__(self):
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())

    def __reduce__(self):
        raise TypeError(
            "InferenceState cannot be pickled; send ckpt_path and the video and prompt again there"
        )


def _progress(frames, total: int):
    try:
        from tqdm import tqdm
    except ImportError:
        return frames
    return tqdm(frames, desc="propagate in video", total=total)


class SAM2VideoPredictor(SAM2Model):
    """Tracks objects through videos; several states may live side by side. It is a model for images too.

    Made by :func:`sam2_cpu.build_sam.build_sam2_video_predictor`.
    """

    def __init__(self, native, source: str, *, keep: str = "everything", memory: str = "config") -> None:
        super().__init__(native, source)
        self._keep, self._memory = keep, memory
        # An option that is wrong is refused here and not with the first video.
        _native.VideoNative(native, 1, 1, 1, keep, memory)

    @classmethod
    def from_pretrained(cls, model_id, **kwargs):
        """A predictor by the name on Hugging Face, such as ``"facebook/sam2.1-hiera-tiny"``, or a path."""
        from .build_sam import build_sam2_video_predictor_hf

        return build_sam2_video_predictor_hf(model_id, **kwargs)

    def init_state(
        self, video_path, offload_video_to_cpu=False, offload_state_to_cpu=False, async_loading_frames=False
    ) -> InferenceState:
        """The state of a video without prompts.

        Arguments:
            video_path: a folder of pictures in natural order; a video file, read through ffmpeg; its bytes;
                a list of ``uint8 (H, W, 3)`` arrays or PIL pictures; or an array ``(T, H, W, 3)``. Frames of
                files are decoded when they are needed.
            offload_video_to_cpu, offload_state_to_cpu, async_loading_frames: accepted for compatibility.
        """
        return InferenceState(self._native, _frames_of(video_path), self._keep, self._memory)

    def add_new_points_or_box(
        self,
        inference_state,
        frame_idx,
        obj_id,
        points=None,
        labels=None,
        clear_old_points=True,
        normalize_coords=True,
        box=None,
    ):
        """Prompts an object, new or known, on a frame.

        Arguments:
            obj_id: any hashable value.
            points: ``(n, 2)``, x and y in pixels. labels: ``(n,)``, 1 on the object, 0 off it.
            clear_old_points (bool): earlier points of the object on this frame are replaced.
            normalize_coords (bool): coordinates are pixels; False: fractions of width and height.
            box: ``(4,)``: x0, y0, x1, y1.

        Returns:
            ``(frame_idx, obj_ids, masks)``; masks are float32 logits ``(N, 1, H, W)`` of all objects on this
            frame, -1024 for an object without an output there.
        """
        state = inference_state
        if points is None and labels is not None:
            raise ValueError("points and labels must be provided together")
        if points is None and box is None:
            raise ValueError("at least one of points or box must be provided as input")
        if box is not None and not clear_old_points:
            raise ValueError(_BOX_LATE)
        coords, numbers, corners = prompt_of(points, labels, box)
        index = state._index(frame_idx)
        if not normalize_coords:
            size = np.array(state._size[::-1], np.float32)
            coords = coords * size
            corners = None if corners is None else (np.array(corners, np.float32) * np.tile(size, 2)).tolist()
        frame = state._frame(index)
        number = state._number(obj_id)
        try:
            answer = state._native.add_points(
                index, frame, number, coords, numbers, corners, bool(clear_old_points)
            )
            state._prompted[number].add(index)
        finally:
            state._settle()
        return (frame_idx, *state._answer(answer))

    def add_new_points(self, *args, **kwargs):
        """Deprecated alias of :meth:`add_new_points_or_box`."""
        return self.add_new_points_or_box(*args, **kwargs)

    def add_new_mask(self, inference_state, frame_idx, obj_id, mask):
        """The mask of an object on a frame: ``(H, W)`` of any size, true inside. Returns as the points do."""
        state = inference_state
        if hasattr(mask, "detach"):
            mask = mask.detach().cpu().numpy()
        mask = np.asarray(mask)
        if mask.ndim != 2 or 0 in mask.shape:
            raise ValueError(f"mask has the shape {mask.shape}, (H, W) is needed")
        if mask.dtype.kind not in "buif":
            raise ValueError(f"mask is an array of {mask.dtype}, bool is needed")
        index = state._index(frame_idx)
        frame = state._frame(index)
        number = state._number(obj_id)
        try:
            answer = state._native.add_mask(index, frame, number, packed(mask.astype(bool)))
            state._prompted[number].add(index)
        finally:
            state._settle()
        return (frame_idx, *state._answer(answer))

    def propagate_in_video_preflight(self, inference_state) -> None:
        """Checks that every object has a prompt."""
        state = inference_state
        if not state._native.object_ids():
            raise RuntimeError(
                "No input points or masks are provided for any object; please add inputs first."
            )
        state._native.begin(None, None, False)

    def propagate_in_video(
        self, inference_state, start_frame_idx=None, max_frame_num_to_track=None, reverse=False
    ) -> Iterator:
        """Tracks all objects through the video.

        Arguments:
            start_frame_idx (int): default: the first prompted frame.
            max_frame_num_to_track (int): distance from the first frame to the last; default: to the end.
            reverse (bool): towards the first frame.

        Yields:
            ``(frame_idx, obj_ids, masks)``; masks are float32 logits ``(N, 1, H, W)``.
        """
        state = inference_state
        if not state._native.object_ids():
            raise RuntimeError(
                "No input points or masks are provided for any object; please add inputs first."
            )
        start = None if start_frame_idx is None else state._index(start_frame_idx)
        most = None if max_frame_num_to_track is None else max(int(max_frame_num_to_track), 0)
        indices = state._native.begin(start, most, bool(reverse))
        for index in _progress(iter(indices), len(indices)):
            answer = state._native.track(index, state._frame(index, bool(reverse)))
            yield (index, *state._answer(answer))

    def clear_all_prompts_in_frame(self, inference_state, frame_idx, obj_id, need_output=True):
        """Removes the prompts of an object on a frame. Returns ``(frame_idx, obj_ids, masks)``, or None."""
        state = inference_state
        index = state._index(frame_idx)
        if obj_id in state._number_of:
            number = state._number_of[obj_id]
            state._native.clear_prompts(index, number)
            state._prompted[number].discard(index)
        if not need_output:
            return None
        return (frame_idx, *state._answer(state._native.output_on(index)))

    def remove_object(self, inference_state, obj_id, strict=False, need_output=True):
        """Removes an object.

        Returns:
            ``(obj_ids, [(frame_idx, masks), …])``: the remaining objects, and their masks on the frames
            where the removed one had prompts.
        """
        state = inference_state
        if obj_id not in state._number_of:
            if not strict:
                return state.obj_ids, []
            raise RuntimeError(
                f"Cannot remove object id {obj_id} as it doesn't exist. "
                f"All existing object ids: {state.obj_ids}."
            )
        number = state._number_of[obj_id]
        frames = sorted(state._prompted[number])
        state._native.remove_object(number)
        state._forget(obj_id)
        if not need_output or not state.obj_ids:
            return state.obj_ids, []
        return state.obj_ids, [(index, state._answer(state._native.output_on(index))[1]) for index in frames]

    def reset_state(self, inference_state) -> None:
        """Removes all objects and prompts."""
        state = inference_state
        state._native.reset()
        state._settle()
