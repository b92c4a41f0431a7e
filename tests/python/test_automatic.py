import numpy as np
import pytest

from sam2_cpu.automatic_mask_generator import SAM2AutomaticMaskGenerator
from sam2_cpu.utils import amg

KEYS = ["segmentation", "area", "bbox", "predicted_iou", "point_coords", "stability_score", "crop_box"]
LOOSE = {"points_per_side": 6, "pred_iou_thresh": 0.5, "stability_score_thresh": 0.5}


def test_records_have_metas_form(model, photo):
    records = SAM2AutomaticMaskGenerator(model, **LOOSE).generate(photo)
    assert records
    for record in records:
        assert list(record) == KEYS
        assert record["segmentation"].dtype == bool and record["segmentation"].shape == photo.shape[:2]
        assert record["area"] == record["segmentation"].sum() and isinstance(record["area"], int)
        ys, xs = np.nonzero(record["segmentation"])
        assert record["bbox"] == [xs.min(), ys.min(), xs.max() - xs.min(), ys.max() - ys.min()]
        assert isinstance(record["predicted_iou"], float) and len(record["point_coords"][0]) == 2
        assert record["crop_box"] == [0.0, 0.0, photo.shape[1], photo.shape[0]]


def test_run_lengths_are_the_same_masks(model, photo):
    masks, runs, coco = (
        SAM2AutomaticMaskGenerator(model, **LOOSE, output_mode=mode).generate(photo)
        for mode in ("binary_mask", "uncompressed_rle", "coco_rle")
    )
    for mask, run, text in zip(masks, runs, coco):
        mask, run, text = mask["segmentation"], run["segmentation"], text["segmentation"]
        assert np.array_equal(amg.rle_to_mask(run), mask) and amg.mask_to_rle(mask) == run
        assert amg.area_from_rle(run) == mask.sum()
        assert isinstance(text["counts"], str) and amg.coco_encode_rle(run) == text
    assert amg.box_xyxy_to_xywh([1, 2, 4, 8]) == [1, 2, 3, 6]
    with pytest.raises(ValueError, match="pixels together"):
        amg.rle_to_mask({"size": [2, 2], "counts": [1, 1]})


def test_grids_of_the_callers_own(model, photo):
    grid = np.array([[0.34, 0.38], [0.7, 0.5]])
    generator = SAM2AutomaticMaskGenerator(
        model, points_per_side=None, point_grids=[grid], pred_iou_thresh=0, stability_score_thresh=0
    )
    clicks = {tuple(r["point_coords"][0]) for r in generator.generate(photo)}
    assert clicks <= {tuple(np.float32(p * photo.shape[1::-1]).tolist()) for p in grid}


def test_wrong_options_are_refused(model):
    for wrong in ({"points_per_side": None}, {"point_grids": [[[0.5, 0.5]]]}, {"output_mode": "png"}):
        with pytest.raises(AssertionError):
            SAM2AutomaticMaskGenerator(model, **wrong)


def test_supervision_reads_the_records(model, photo):
    sv = pytest.importorskip("supervision")
    records = SAM2AutomaticMaskGenerator(model, **LOOSE).generate(photo)
    assert len(sv.Detections.from_sam(sam_result=records)) == len(records)
