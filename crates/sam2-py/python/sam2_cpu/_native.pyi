"""Entry points on packed arrays; the other modules check, convert and document."""

import os
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__version__: str

_Masks = tuple[list[int], NDArray[np.float32]]
_Answer = tuple[int, list[int], NDArray[np.bool_], list[float], list[float], list[str | None]]

def set_num_threads(n: int) -> None: ...
def get_num_threads() -> int: ...
def named_config(stem: str) -> str | None: ...
def find_checkpoint(name: str) -> os.PathLike[str]: ...
def coco_string(height: int, width: int, counts: list[int]) -> str: ...
def demo_clip() -> ClipNative: ...
def generate(
    model: NativeModel, image: NDArray[np.uint8], given: dict[str, Any], clean_area: int, form: str
) -> list[tuple[Any, list[int], float, list[float], float, list[int], int]]: ...

@final
class NativeModel:
    image_size: int
    low_res_size: int
    grid: int
    channels: int
    variant: str
    precision: str
    config: str
    @staticmethod
    def open(
        path: str | os.PathLike[str], config: str | None, origin: str, precision: str, image_size: int | None
    ) -> NativeModel: ...
    @staticmethod
    def micro(config: str | None, precision: str, image_size: int | None) -> NativeModel: ...

@final
class Embedding:
    size: tuple[int, int]

@final
class ImageNative:
    def __new__(
        cls, model: NativeModel, mask_threshold: float, max_hole_area: int, max_sprinkle_area: int
    ) -> ImageNative: ...
    def encode(self, image: NDArray[np.uint8]) -> Embedding: ...
    def predict(
        self,
        embedding: Embedding,
        coords: NDArray[np.float32],
        labels: NDArray[np.int32],
        boxes: NDArray[np.float32] | None,
        masks: NDArray[np.float32] | None,
        multimask: bool,
        return_logits: bool,
        stability: bool,
    ) -> tuple[
        NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], list[float], NDArray[np.float32]
    ]: ...
    def features(self, embedding: Embedding) -> NDArray[np.float32]: ...
    def save(self, embedding: Embedding, path: str | os.PathLike[str]) -> None: ...
    def load(self, path: str | os.PathLike[str]) -> Embedding: ...

@final
class ClipNative:
    size: tuple[int, int]
    notes: list[str]
    @staticmethod
    def open(path: str | os.PathLike[str]) -> ClipNative: ...
    def __len__(self) -> int: ...
    def frame(self, index: int, backwards: bool) -> NDArray[np.uint8]: ...

@final
class VideoNative:
    def __new__(
        cls, model: NativeModel, width: int, height: int, num_frames: int, keep: str, memory: str
    ) -> VideoNative: ...
    def object_ids(self) -> list[int]: ...
    def add_points(
        self,
        frame_idx: int,
        frame: NDArray[np.uint8],
        obj_id: int,
        coords: NDArray[np.float32],
        labels: NDArray[np.int32],
        corners: list[float] | None,
        clear_old_points: bool,
    ) -> _Masks: ...
    def add_mask(
        self, frame_idx: int, frame: NDArray[np.uint8], obj_id: int, mask: NDArray[np.bool_]
    ) -> _Masks: ...
    def begin(self, start: int | None, max_frames: int | None, reverse: bool) -> list[int]: ...
    def track(self, frame_idx: int, frame: NDArray[np.uint8]) -> _Masks: ...
    def output_on(self, frame_idx: int) -> _Masks: ...
    def clear_prompts(self, frame_idx: int, obj_id: int) -> bool: ...
    def remove_object(self, obj_id: int) -> bool: ...
    def reset(self) -> None: ...

@final
class TrackerNative:
    def __new__(
        cls,
        model: NativeModel,
        width: int,
        height: int,
        memory: str,
        fill_hole_area: int | None,
        non_overlap: bool | None,
    ) -> TrackerNative: ...
    @staticmethod
    def resume(model: NativeModel, path: str | os.PathLike[str]) -> TrackerNative: ...
    def save(self, path: str | os.PathLike[str]) -> None: ...
    def size(self) -> tuple[int, int]: ...
    def frame_idx(self) -> int | None: ...
    def object_ids(self) -> list[int]: ...
    def push(self, frame: NDArray[np.uint8]) -> _Answer: ...
    def add_points(
        self,
        obj_id: int,
        coords: NDArray[np.float32],
        labels: NDArray[np.int32],
        corners: list[float] | None,
        clear_old_points: bool,
    ) -> _Answer: ...
    def add_mask(self, obj_id: int, mask: NDArray[np.bool_]) -> _Answer: ...
    def remove_object(self, obj_id: int) -> bool: ...
