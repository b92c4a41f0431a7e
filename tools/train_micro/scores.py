"""J and F of DAVIS 2017 for a pair of masks (the public evaluator's formulae, on OpenCV)."""

import math

import cv2
import numpy as np

BOUND = 0.008  # boundary tolerance as a fraction of the diagonal


def jaccard(truth: np.ndarray, found: np.ndarray) -> float:
    union = (truth | found).sum()
    return float((truth & found).sum() / union) if union else 1.0


def boundary(mask: np.ndarray) -> np.ndarray:
    """Boundary pixels: they differ from their right, lower or lower right neighbour."""
    right, below, both = mask.copy(), mask.copy(), mask.copy()
    right[:, :-1], below[:-1], both[:-1, :-1] = mask[:, 1:], mask[1:], mask[1:, 1:]
    edge = (mask ^ right) | (mask ^ below) | (mask ^ both)
    edge[-1], edge[:, -1] = mask[-1] ^ right[-1], mask[:, -1] ^ below[:, -1]
    edge[-1, -1] = False
    return edge


def f_measure(truth: np.ndarray, found: np.ndarray) -> float:
    reach = math.ceil(BOUND * math.hypot(*truth.shape))
    ys, xs = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (xs**2 + ys**2 <= reach**2).astype(np.uint8)
    a, b = boundary(found), boundary(truth)
    if not a.any() or not b.any():
        return 1.0 if not a.any() and not b.any() else 0.0
    precision = (a & (cv2.dilate(b.astype(np.uint8), disc) > 0)).sum() / a.sum()
    recall = (b & (cv2.dilate(a.astype(np.uint8), disc) > 0)).sum() / b.sum()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0
