"""All masks of an image. Meta: ``sam2/automatic_mask_generator.py``."""

from __future__ import annotations

import numpy as np

from . import _native
from ._arrays import picture
from ._model import native_of

_MODES = ("binary_mask", "uncompressed_rle", "coco_rle")


class SAM2AutomaticMaskGenerator:
    """Finds masks by a grid of clicks and keeps those above the thresholds, without duplicates.

    Arguments have Meta's names, meanings and defaults; ``point_grids`` replaces ``points_per_side``, one
    grid of fractions ``(n, 2)`` for the image and for every layer of crops. Of ``min_mask_region_area``:
    holes and specks of at most this many pixels of the low-resolution logits are removed.
    """

    def __init__(
        self,
        model,
        points_per_side=32,
        points_per_batch=64,
        pred_iou_thresh=0.8,
        stability_score_thresh=0.95,
        stability_score_offset=1.0,
        mask_threshold=0.0,
        box_nms_thresh=0.7,
        crop_n_layers=0,
        crop_nms_thresh=0.7,
        crop_overlap_ratio=512 / 1500,
        crop_n_points_downscale_factor=1,
        point_grids=None,
        min_mask_region_area=0,
        output_mode="binary_mask",
        use_m2m=False,
        multimask_output=True,
        **kwargs,
    ) -> None:
        assert (points_per_side is None) != (point_grids is None), (
            "Exactly one of points_per_side or point_grid must be provided."
        )
        assert output_mode in _MODES, f"Unknown output_mode {output_mode}."
        self._native = native_of(model)
        self.output_mode = output_mode
        self.min_mask_region_area = min_mask_region_area
        self._options = {
            "points_per_batch": int(points_per_batch),
            "pred_iou_thresh": float(pred_iou_thresh),
            "stability_score_thresh": float(stability_score_thresh),
            "stability_score_offset": float(stability_score_offset),
            "mask_threshold": float(mask_threshold),
            "box_nms_thresh": float(box_nms_thresh),
            "crop_n_layers": int(crop_n_layers),
            "crop_nms_thresh": float(crop_nms_thresh),
            "crop_overlap_ratio": float(crop_overlap_ratio),
            "crop_n_points_downscale_factor": int(crop_n_points_downscale_factor),
            "use_m2m": bool(use_m2m),
            "multimask_output": bool(multimask_output),
        }
        if point_grids is None:
            self._options["points_per_side"] = int(points_per_side)
        else:
            grids = [np.asarray(grid, np.float64).reshape(-1, 2).tolist() for grid in point_grids]
            if len(grids) <= crop_n_layers:
                raise ValueError(
                    f"{len(grids)} point_grids, {crop_n_layers + 1} are needed: the image and its crops"
                )
            self._options["point_grids"] = grids

    @classmethod
    def from_pretrained(cls, model_id, **kwargs):
        """A generator by the name on Hugging Face, such as ``"facebook/sam2.1-hiera-tiny"``, or a path."""
        from .build_sam import build_sam2_hf

        return cls(build_sam2_hf(model_id, **kwargs), **kwargs)

    def generate(self, image):
        """The masks of an image, ``uint8 (H, W, 3)`` RGB or a PIL picture, best first.

        Returns:
            A list of dicts: ``segmentation``, a bool array ``(H, W)`` or a run-length dict; ``area`` int,
            pixels; ``bbox`` [x, y, w, h] floats; ``predicted_iou`` float; ``point_coords`` [[x, y]] floats;
            ``stability_score`` float; ``crop_box`` [x, y, w, h] floats.
        """
        records = _native.generate(
            self._native, picture(image), self._options, int(self.min_mask_region_area), self.output_mode
        )
        return [
            {
                "segmentation": segmentation,
                "area": area,
                "bbox": [float(x) for x in bbox],
                "predicted_iou": iou,
                "point_coords": [[float(x) for x in point]],
                "stability_score": stability,
                "crop_box": [float(x) for x in crop],
            }
            for segmentation, bbox, iou, point, stability, crop, area in records
        ]
