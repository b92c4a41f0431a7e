"""Run lengths of masks. Meta: ``sam2/utils/amg.py``."""

from __future__ import annotations

import numpy as np

from .. import _native


def rle_to_mask(rle):
    """A bool array ``(h, w)`` from ``{"size": [h, w], "counts": [...]}``, which run down the columns."""
    h, w = rle["size"]
    counts = np.asarray(rle["counts"], np.int64)
    if (counts < 0).any() or counts.sum() != h * w:
        raise ValueError(f"the runs are {counts.sum()} pixels together, a mask of {w}x{h} has {h * w}")
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(w, h).transpose()


def mask_to_rle(mask):
    """The inverse of :func:`rle_to_mask`, for one bool array ``(h, w)``."""
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise ValueError(f"mask has the shape {mask.shape}, (h, w) is needed")
    h, w = mask.shape
    flat = mask.astype(bool).transpose().ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    if flat.size and flat[0]:
        counts.insert(0, 0)
    return {"size": [h, w], "counts": counts}


def area_from_rle(rle):
    """Pixels inside."""
    return sum(rle["counts"][1::2])


def coco_encode_rle(uncompressed_rle):
    """The same mask with ``counts`` as COCO's string."""
    h, w = uncompressed_rle["size"]
    return {"size": [h, w], "counts": _native.coco_string(h, w, list(uncompressed_rle["counts"]))}


def box_xyxy_to_xywh(box_xyxy):
    """``[x0, y0, x1, y1]`` as ``[x0, y0, x1 - x0, y1 - y0]``."""
    x0, y0, x1, y1 = box_xyxy
    xywh = [x0, y0, x1 - x0, y1 - y0]
    return np.asarray(xywh) if isinstance(box_xyxy, np.ndarray) else xywh
