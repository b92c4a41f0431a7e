"""Prompts for object masks: clicks, boxes and corrective clicks, drawn on the device that the masks are on."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F


def depth(mask: np.ndarray) -> np.ndarray:
    """Distance of every pixel of the mask from the outside, of which there is a border around the picture."""
    return cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]


def is_thin(mask: np.ndarray) -> bool:
    """Whether no point lies deep in the mask, for its area: 0.56 of its root in a disc, 0.2 in a bar of one to six."""
    return depth(mask).max() < 0.25 * np.sqrt(mask.sum())


def centre(mask: np.ndarray) -> tuple[float, float]:
    """x, y of the innermost pixel of a mask."""
    deep = depth(mask)
    y, x = np.unravel_index(deep.argmax(), deep.shape)
    return float(x) + 0.5, float(y) + 0.5


def depths(masks: torch.Tensor) -> torch.Tensor:
    """`depth` of [B, S, S] bool; on CUDA that of every other pixel, and for the larger of dx and dy as the distance."""
    if not masks.is_cuda:
        return torch.from_numpy(np.stack([depth(m) for m in masks.numpy()]))
    return peeled(masks)


def peeled(masks: torch.Tensor) -> torch.Tensor:
    """How often every other pixel of [B, S, S] can lose its border before it is gone, for each pixel."""
    outside = F.pad((~masks[:, None, ::2, ::2]).half(), (1, 1, 1, 1), value=1.0)
    rounds = masks.shape[-1] // 4
    reached = torch.zeros_like(outside)
    for _ in range(rounds):
        reached += outside
        outside = F.max_pool2d(outside, 3, 1, 1)
    left = rounds - reached[:, 0, 1:-1, 1:-1].float()
    return left.repeat_interleave(2, 1).repeat_interleave(2, 2)


def inner_points(masks: torch.Tensor, middle: float) -> torch.Tensor:
    """x, y [B, 1, 2] of a pixel of each of [B, S, S] bool: with probability `middle` the innermost, else any."""
    score = torch.rand(masks.shape, device=masks.device)
    deep = torch.rand(len(masks), 1, 1, device=masks.device) < middle
    score = 1 + 0.1 * score + deep * depths(masks)
    index = (score * masks).flatten(1).argmax(1)
    side = masks.shape[-1]
    return torch.stack([index % side, index // side], 1)[:, None] + 0.5


def clicks(masks: torch.Tensor) -> dict:
    """One positive click on each of [B, S, S] bool."""
    labels = torch.ones(len(masks), 1, dtype=torch.int32, device=masks.device)
    return {"point_coords": inner_points(masks, 0.5), "point_labels": labels}


def boxes(masks: torch.Tensor) -> dict:
    """The box of each of [B, S, S] bool as its two corners, moved by up to a tenth of its sides."""
    first = lambda line: line.float().argmax(1)
    last = lambda line: line.shape[1] - line.flip(1).float().argmax(1)
    across, down = masks.any(1), masks.any(2)
    box = torch.stack([first(across), first(down), last(across), last(down)], 1).float()
    sides = (box[:, 2:] - box[:, :2]).repeat(1, 2)
    box += (torch.randn_like(box) * 0.04).clamp(-0.1, 0.1) * sides
    labels = torch.arange(2, 4, dtype=torch.int32, device=masks.device).repeat(len(masks), 1)
    return {"point_coords": box.view(-1, 2, 2), "point_labels": labels}


def corrections(points: dict, found: torch.Tensor, masks: torch.Tensor) -> dict:
    """The prompts and one more click, on a pixel where `found` is wrong (or, if none is, on the object)."""
    wrong = found != masks
    more = inner_points(torch.where(wrong.any((1, 2))[:, None, None], wrong, masks), 0.5)
    x, y = more[:, 0].long().unbind(1)
    label = masks[torch.arange(len(masks), device=masks.device), y, x][:, None].int()
    return {
        "point_coords": torch.cat([points["point_coords"], more], 1),
        "point_labels": torch.cat([points["point_labels"], label], 1),
    }
