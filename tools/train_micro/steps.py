"""Training steps on images and on clips (features once per frame, then many objects), and the losses."""

import numpy as np
import torch
import torch.nn.functional as F

import prompts

PART_QUALITY = 0.2  # weight of the predicted IoUs after a click on a part
UNSURE = 0.0005  # objects below this fraction of the image area count neither as present nor as absent
ALL_POINTERS = (
    16  # predictors divide pointer ages by this number less one, or by the length of a shorter clip less one
)


def mask_losses(raw: torch.Tensor, ious: torch.Tensor, truth: torch.Tensor, sure: torch.Tensor | None = None):
    """Sum [B] of cross-entropy, dice and the predicted IoUs' L1 over candidates; IoU of the selected one.

    raw [B, M, H, W] logits, ious [B, M], truth [B, 1, H, W] coverage in 0..1. Where `sure` [B] is 0, as for a
    click on a part of a thing, only the best candidate has to match, and the predicted IoUs count little.
    """
    raw, ious, truth = raw.float(), ious.float(), truth.expand_as(raw)
    entropy = F.binary_cross_entropy_with_logits(raw, truth, reduction="none").mean((2, 3))
    p = raw.sigmoid()
    dice = 1 - (2 * (p * truth).sum((2, 3)) + 1) / (p.sum((2, 3)) + truth.sum((2, 3)) + 1)
    total = 3 * entropy + dice
    with torch.no_grad():
        a, b = raw > 0, truth > 0.5
        actual = (a & b).sum((2, 3)) / (a | b).sum((2, 3)).clamp(min=1)
    rows, chosen = torch.arange(len(raw), device=raw.device), ious.argmax(1)
    quality = (ious - actual).abs().mean(1)
    # Not the best candidate alone: these images are not ambiguous, the selection is imperfect, and the
    # selected candidate becomes the memory.
    best = total.min(1).values
    masks = 0.4 * best + 0.6 * total[rows, chosen] + 0.3 * total.mean(1)
    if sure is not None:
        masks = sure * masks + (1 - sure) * best
        quality = quality * (PART_QUALITY + (1 - PART_QUALITY) * sure)
    return masks + quality, actual[rows, chosen]


def weighted(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (values * weights).sum() / weights.sum().clamp(min=1)


def mean_where(found: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """Mean of the values whose weight is 1 (weights are 0 or 1); NaN if there is none."""
    values, weights = (torch.stack(v).detach() for v in zip(*found))
    return (values * weights).sum() / weights.sum()


def features(model, frames: torch.Tensor):
    """Feature levels of frames [B, T, 3, S, S] as tokens, with position encodings and sizes; batch B*T."""
    out = model.forward_image(frames.flatten(0, 1))
    _, feats, positions, sizes = model._prepare_backbone_features(out)
    return feats, positions, sizes


def maps(model, feats: list, sizes: list, rows: torch.Tensor):
    """Image embedding (plus no_mem_embed) and high-resolution maps of the given rows, [B, C, H, W]."""
    chosen = [f[:, rows] for f in feats]
    chosen[-1] = chosen[-1] + model.no_mem_embed
    chosen = [f.permute(1, 2, 0).unflatten(2, s) for f, s in zip(chosen, sizes)]
    return chosen[-1], chosen[:-1]


def place_step(model, frames: torch.Tensor, each: int, rng: np.random.Generator):
    """Trains prompt positions alone: the target is a disc around a click, or the ellipse inscribed in a box.

    Without this stage masks hardly depend on the prompts for a long time.
    """
    batch, size = len(frames), frames.shape[-1]
    with torch.no_grad():
        feats, _, sizes = features(model, frames)
    rows = torch.arange(batch, device=frames.device).repeat_interleave(each)
    embedding, high = maps(model, feats, sizes, rows)
    centres = rng.uniform(0.1, 0.9, (len(rows), 1, 2)) * size
    grid = (torch.arange(size // 4) + 0.5) * 4
    total, scores = 0.0, {}
    for name in ("click", "box"):
        radii = np.full_like(centres, 0.22) if name == "click" else rng.uniform(0.12, 0.45, centres.shape)
        radii *= size
        if name == "click":
            points, labels = centres, np.ones((len(rows), 1))
        else:
            points, labels = (
                np.concatenate([centres - radii, centres + radii], 1),
                np.tile([[2, 3]], (len(rows), 1)),
            )
        points = {"point_coords": torch.tensor(points).float(), "point_labels": torch.tensor(labels).int()}
        points = {k: v.to(frames.device) for k, v in points.items()}
        raw, _, ious, *_ = model._forward_sam_heads(embedding, points, None, high, name == "click")
        c, r = torch.tensor(centres).float(), torch.tensor(radii).float()
        dx, dy = (grid - c[..., 0]) / r[..., 0], (grid - c[..., 1]) / r[..., 1]
        truth = (dx[:, None] ** 2 + dy[:, :, None] ** 2 < 1).float()[:, None].to(frames.device)
        loss, iou = mask_losses(raw, ious, truth)
        total, scores[name] = total + loss.mean(), iou.mean().detach()
    return total, scores


def image_step(model, frames: torch.Tensor, masks: torch.Tensor, things: torch.Tensor, correct: bool):
    """Clicks on most objects, boxes on the others; with `correct`, a corrective click and the mask prompt.

    things [B, N]: 0 for an object that is a part of a thing, so that a click on it is ambiguous.
    """
    batch, objects = masks.shape[:2]
    feats, _, sizes = features(model, frames)
    boxed = objects // 3
    total, scores = 0.0, {}
    for name, prompt, first, end in (
        ("click", prompts.clicks, boxed, objects),
        ("box", prompts.boxes, 0, boxed),
    ):
        if first == end:
            continue
        rows = torch.arange(batch, device=frames.device).repeat_interleave(end - first)
        truth = masks[:, first:end, 0].flatten(0, 1)
        cover = F.avg_pool2d(truth[:, None], 4)
        solid = truth > 0.5
        embedding, high = maps(model, feats, sizes, rows)
        points = prompt(solid)
        share = (end - first) / objects
        raw, _, ious, low, *_ = model._forward_sam_heads(embedding, points, None, high, name == "click")
        sure = things[:, first:end].flatten() if name == "click" else None
        loss, iou = mask_losses(raw, ious, cover, sure)
        mean = iou.mean() if sure is None else weighted(iou, sure)
        total, scores[name] = total + share * loss.mean(), mean.detach()
        if correct:
            with torch.no_grad():
                best = raw[torch.arange(len(raw), device=raw.device), ious.argmax(1)][:, None].float()
                found = F.interpolate(best, truth.shape[-2:], mode="bilinear")[:, 0] > 0
            points = prompts.corrections(points, found, solid)
            raw, _, ious, *_ = model._forward_sam_heads(embedding, points, best.clamp(-32, 32), high, False)
            loss, iou = mask_losses(raw, ious, cover)
            total, scores["again"] = total + share * loss.mean(), iou.mean().detach()
    return total, scores


def clip_step(model, frames: torch.Tensor, masks: torch.Tensor, kind: str):
    """A prompt on frame 0 (click, box or mask), then tracking with the model's own masks as memories."""
    batch, objects, length = masks.shape[:3]
    feats, positions, sizes = features(model, frames)
    bank = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}
    clip = torch.arange(batch, device=frames.device).repeat_interleave(objects)
    total, scores = 0.0, {}
    for t in range(length):
        rows = clip * length + t
        current, places = [f[:, rows] for f in feats], [p[:, rows] for p in positions]
        truth = masks[:, :, t].flatten(0, 1)
        points = prompt_mask = None
        if t == 0 and kind == "mask":
            prompt_mask = truth[:, None]
        elif t == 0:
            points = (prompts.clicks if kind == "click" else prompts.boxes)(truth > 0.5)
        out, heads, _, _ = model._track_step(
            t,
            t == 0,
            current,
            places,
            sizes,
            points,
            prompt_mask,
            bank,
            max(length, ALL_POINTERS),
            False,
            None,
        )
        raw, _, ious, low, high, pointer, score = heads
        if prompt_mask is None:
            shown = truth.mean((1, 2))
            present, sure = (shown > UNSURE).float(), ((shown == 0) | (shown > UNSURE)).float()
            loss, iou = mask_losses(raw, ious, F.avg_pool2d(truth[:, None], 4))
            presence = F.binary_cross_entropy_with_logits(score[:, 0].float(), present, reduction="none")
            total = total + weighted(loss, present) + weighted(presence, sure)
            group = kind if t == 0 else "track"
            guess = (score[:, 0] > 0).float()
            scores.setdefault(group, []).append((iou * guess, present))
            if t:
                scores.setdefault("here", []).append((guess, present))
                scores.setdefault("away", []).append((1 - guess, (1 - present) * sure))
        out |= {
            "pred_masks": low,
            "pred_masks_high_res": high,
            "obj_ptr": pointer,
            "object_score_logits": score,
        }
        if t + 1 < length:
            if points is not None:  # as predictors do with what was prompted: in memory its mask is in or out
                high = (high > 0) * 64.0 - 32.0
            model._encode_memory_in_output(current, sizes, points, True, high, score, out)
        bank["cond_frame_outputs" if t == 0 else "non_cond_frame_outputs"][t] = out
    return total / length, {k: mean_where(v) for k, v in scores.items()}
