"""Prompts for object masks: clicks, boxes and corrective clicks, sampled on the masks' device."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F


def depth(mask: np.ndarray) -> np.ndarray:
    """Distance transform of the mask, in pixels; beyond the image border counts as outside."""
    return cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]


def is_thin(mask: np.ndarray) -> bool:
    """Whether the largest distance is below 0.25 √area: it is 0.56 √area for a disc, 0.2 for a 1:6 bar."""
    return depth(mask).max() < 0.25 * np.sqrt(mask.sum())


def centre(mask: np.ndarray) -> tuple[float, float]:
    """x, y of the centre of the pixel with the largest distance."""
    deep = depth(mask)
    y, x = np.unravel_index(deep.argmax(), deep.shape)
    return float(x) + 0.5, float(y) + 0.5


def depths(masks: torch.Tensor) -> torch.Tensor:
    """`depth` of [B, S, S] bool; on CUDA in the Chebyshev metric and at every other pixel."""
    if not masks.is_cuda:
        return torch.from_numpy(np.stack([depth(m) for m in masks.numpy()]))
    return peeled(masks)


def peeled(masks: torch.Tensor) -> torch.Tensor:
    """Number of erosions until each pixel of [B, S, S] vanishes, computed at every other pixel."""
    outside = F.pad((~masks[:, None, ::2, ::2]).half(), (1, 1, 1, 1), value=1.0)
    rounds = masks.shape[-1] // 4
    reached = torch.zeros_like(outside)
    for _ in range(rounds):
        reached += outside
        outside = F.max_pool2d(outside, 3, 1, 1)
    left = rounds - reached[:, 0, 1:-1, 1:-1].float()
    return left.repeat_interleave(2, 1).repeat_interleave(2, 2)


def inner_points(masks: torch.Tensor, middle: float) -> torch.Tensor:
    """x, y [B, 1, 2] of a pixel per mask [B, S, S]: the deepest with probability `middle`, else random."""
    score = torch.rand(masks.shape, device=masks.device)
    deep = torch.rand(len(masks), 1, 1, device=masks.device) < middle
    score = 1 + 0.1 * score + deep * depths(masks)
    index = (score * masks).flatten(1).argmax(1)
    side = masks.shape[-1]
    return torch.stack([index % side, index // side], 1)[:, None] + 0.5


def clicks(masks: torch.Tensor) -> dict:
    """One positive click per mask [B, S, S] bool."""
    labels = torch.ones(len(masks), 1, dtype=torch.int32, device=masks.device)
    return {"point_coords": inner_points(masks, 0.5), "point_labels": labels}


def boxes(masks: torch.Tensor) -> dict:
    """The box of each mask [B, S, S] bool as two corner points, jittered by up to 10 % of its sides."""
    first = lambda line: line.float().argmax(1)
    last = lambda line: line.shape[1] - line.flip(1).float().argmax(1)
    across, down = masks.any(1), masks.any(2)
    box = torch.stack([first(across), first(down), last(across), last(down)], 1).float()
    sides = (box[:, 2:] - box[:, :2]).repeat(1, 2)
    box += (torch.randn_like(box) * 0.04).clamp(-0.1, 0.1) * sides
    labels = torch.arange(2, 4, dtype=torch.int32, device=masks.device).repeat(len(masks), 1)
    return {"point_coords": box.view(-1, 2, 2), "point_labels": labels}


def corrections(points: dict, found: torch.Tensor, masks: torch.Tensor) -> dict:
    """The prompts plus a click where `found` is wrong, or on the object if it is right everywhere."""
    wrong = found != masks
    more = inner_points(torch.where(wrong.any((1, 2))[:, None, None], wrong, masks), 0.5)
    x, y = more[:, 0].long().unbind(1)
    label = masks[torch.arange(len(masks), device=masks.device), y, x][:, None].int()
    return {
        "point_coords": torch.cat([points["point_coords"], more], 1),
        "point_labels": torch.cat([points["point_labels"], label], 1),
    }
