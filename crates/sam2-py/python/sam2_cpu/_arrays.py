"""Checks and conversions of arrays. Every refusal names what was given."""

from __future__ import annotations

import numpy as np

from ._errors import MissingLabels, PromptError


class Device(str):
    """``"cpu"``, with the attribute ``type`` that ``torch.device`` has."""

    __slots__ = ()

    @property
    def type(self) -> str:
        return str(self)

    index = None


CPU = Device("cpu")


class Logits(np.ndarray):
    """``float32`` logits with the methods of ``torch.Tensor`` that Meta's notebooks call.

    ``torch.as_tensor(x)`` shares its memory.
    """

    def cpu(self):
        return self

    def detach(self):
        return self

    def numpy(self):
        return self.view(np.ndarray)

    def float(self):
        return self.astype(np.float32, copy=False)

    def bool(self):
        return self.astype(bool)

    def to(self, *_args, **_kwargs):
        return self


def logits(array: np.ndarray) -> Logits:
    return array.view(Logits)


def _is_pil(image) -> bool:
    return type(image).__module__.split(".")[0] == "PIL" and hasattr(image, "convert")


def picture(image, what: str = "image") -> np.ndarray:
    """A picture as ``uint8 (H, W, 3)``, RGB.

    Raises:
        NotImplementedError: if it is neither an array nor a PIL picture.
        TypeError: if the array is not ``uint8``.
        ValueError: if its shape is not ``(H, W, 3)``.
    """
    if _is_pil(image):
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    if not isinstance(image, np.ndarray):
        raise NotImplementedError("Image format not supported")
    if image.dtype != np.uint8:
        hint = "; multiply by 255 and use .astype(np.uint8)" if image.dtype.kind == "f" else ""
        raise TypeError(f"{what} is an array of {image.dtype}, uint8 values 0 to 255 are needed{hint}")
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        hint = ""
        if image.ndim == 3 and image.shape[0] in (1, 3):
            hint = "; channels come last"
        elif image.ndim == 3 and image.shape[2] == 4:
            hint = "; leave alpha out with [..., :3]"
        elif image.ndim == 2:
            hint = "; for grey use np.stack([image] * 3, axis=-1)"
        raise ValueError(f"{what} has the shape {image.shape}, (H, W, 3) RGB is needed{hint}")
    return image


def _numbers(value, dtype, what: str) -> np.ndarray:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise TypeError
        return array.astype(dtype)
    except (TypeError, ValueError):
        raise ValueError(f"{what} is not an array of numbers: {value!r:.80}") from None


def labels_of(value) -> np.ndarray:
    array = _numbers(value, np.float64, "point_labels")
    if not np.all(array == np.round(array)):
        raise ValueError("point_labels are not all whole numbers")
    return array.astype(np.int32)


def points_of(coords, labels, *, missing: str) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Points ``(n, 2)`` and labels ``(n,)``, or those of B prompts, as ``(B, n, 2)`` and ``(B, n)``."""
    if coords is None:
        return None, None
    if labels is None:
        raise MissingLabels(missing)
    coords = _numbers(coords, np.float32, "point_coords")
    labels = labels_of(labels)
    if coords.ndim == 2:
        coords, labels = coords[None], labels[None]
    if coords.ndim != 3 or coords.shape[2] != 2:
        shape = coords.shape
        raise ValueError(f"point_coords have the shape {shape}, (n, 2) or (B, n, 2) is needed")
    if labels.shape != coords.shape[:2]:
        raise ValueError(
            f"point_labels have the shape {labels.shape}, point_coords {coords.shape}:"
            " one label per point is needed"
        )
    return coords, labels


def boxes_of(box) -> np.ndarray | None:
    """A box ``(4,)`` or boxes ``(B, 4)`` as ``(B, 4)``."""
    if box is None:
        return None
    box = _numbers(box, np.float32, "box")
    if box.size == 0 or box.size % 4 or (box.ndim > 1 and box.shape[-1] not in (2, 4)):
        raise ValueError(f"box has the shape {box.shape}, (4,) or (B, 4) is needed: x0, y0, x1, y1")
    return box.reshape(-1, 4)


def prompt_of(points, labels, box):
    """A prompt for one object: packed points ``(n, 2)``, labels ``(n,)``, the corners of the box or None."""
    coords, numbers = points_of(points, labels, missing="points and labels must be provided together")
    if coords is None:
        coords, numbers = np.zeros((1, 0, 2), np.float32), np.zeros((1, 0), np.int32)
    if len(coords) != 1:
        raise ValueError(f"points have the shape {np.shape(points)}: one object at a time, (n, 2) is needed")
    boxes = boxes_of(box)
    if boxes is not None and len(boxes) != 1:
        raise ValueError(f"box has the shape {np.shape(box)}: one object at a time, (4,) is needed")
    finite(coords, "points")
    finite(boxes, "box")
    if coords.shape[1] == 0 and boxes is None:
        raise PromptError("no point, box or mask given")
    corners = None if boxes is None else [float(x) for x in boxes[0]]
    return packed(coords[0]), packed(numbers[0]), corners


def mask_inputs_of(mask_input, side: int) -> np.ndarray | None:
    """Logits ``(1, s, s)`` or ``(B, 1, s, s)`` as ``(B, s, s)``."""
    if mask_input is None:
        return None
    logits = _numbers(mask_input, np.float32, "mask_input")
    if logits.ndim == 3:
        logits = logits[None]
    if logits.ndim != 4 or logits.shape[1:] != (1, side, side):
        shape = np.shape(mask_input)
        raise ValueError(
            f"mask_input has the shape {shape}, (1, {side}, {side}) or (B, 1, {side}, {side}) is needed:"
            " low-resolution logits of an earlier prediction"
        )
    return logits[:, 0]


def finite(array: np.ndarray | None, what: str) -> None:
    if array is not None and not np.isfinite(array).all():
        raise PromptError(f"{what} are not all finite numbers")


def packed(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array)
