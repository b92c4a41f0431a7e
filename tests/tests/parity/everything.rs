//! The automatic mask generator with the embedded model against Meta's: the kept masks, their order, every
//! pixel.

use sam2_model::automatic::{AutomaticMaskGenerator, AutomaticOptions};
use sam2_model::{Frame, Mask};
use sam2_tests::clips;
use sam2_tests::micro::{self, asset};
use sam2_tests::probe::Probes;

fn first_frame() -> Frame {
    clips::gif(&asset("balloon.gif")).swap_remove(0)
}

/// The cases of `tools/golden_everything.py`.
fn cases() -> [(&'static str, AutomaticOptions); 7] {
    let sharp = || {
        AutomaticOptions::default()
            .pred_iou_thresh(0.1)
            .stability_score_thresh(0.5)
            .stability_score_offset(0.1)
    };
    [
        ("plain", sharp().points_per_side(5).box_nms_thresh(1.0)),
        ("suppressed", sharp().points_per_side(5)),
        (
            "crops",
            sharp()
                .points_per_side(4)
                .crop_n_layers(1)
                .crop_n_points_downscale_factor(2)
                .box_nms_thresh(0.95)
                .crop_nms_thresh(0.5),
        ),
        (
            "grids",
            sharp()
                .point_grids(vec![vec![[0.18, 0.42], [0.7, 0.5], [0.5, 0.99]], vec![[0.3, 0.6]]])
                .points_per_batch(2)
                .box_nms_thresh(1.0)
                .crop_n_layers(1)
                .crop_nms_thresh(1.0),
        ),
        ("regions", sharp().points_per_side(4).min_mask_region_area(150).box_nms_thresh(1.0)),
        ("refined", sharp().points_per_side(3).use_m2m(true).box_nms_thresh(1.0)),
        ("single", sharp().points_per_side(4).multimask_output(false).box_nms_thresh(1.0)),
    ]
}

#[test]
fn records_match_meta() {
    let probes = Probes::open("micro_everything.safetensors");
    let model = micro::model();
    let image = first_frame();
    for (case, options) in cases() {
        let mut generator = AutomaticMaskGenerator::new(model.clone(), options).expect("valid parameters");
        let mut last = (0, 1);
        let records = generator.generate(&image, |done, total| last = (done, total)).expect("an image");
        assert_eq!(last.0, last.1, "{case}: progress ends at the end");
        let ints = |key: &str| probes.i64s(&format!("{case}#{key}"));
        let floats = |key: &str| probes.f32s(&format!("{case}#{key}"));
        let counts = String::from_utf8(probes.u8s(&format!("{case}#counts"))).expect("ASCII");
        assert_eq!(records.len(), counts.lines().count(), "{case}: number of masks");
        let mut decided = 0;
        for (i, (record, counts)) in records.iter().zip(counts.lines()).enumerate() {
            let here = format!("{case}, mask {i}");
            assert_eq!(record.crop_box, ints("crop_box")[4 * i..][..4], "{here}: crop");
            assert_eq!(record.point_coords, floats("point")[2 * i..][..2], "{here}: point");
            // Number of pixels that rounding decides: at the thresholds of the stability score, and of the
            // mask.
            let [of_score, of_mask] = [0, 1].map(|k| ints("undecided")[2 * i + k]);
            let mask = record.segmentation.mask();
            assert_eq!(mask.area() as u64, record.segmentation.area(), "{here}: decoded");
            if of_mask == 0 {
                decided += 1;
                assert_eq!(record.bbox, ints("bbox")[4 * i..][..4], "{here}: bbox");
                assert_eq!(record.segmentation.area() as i64, ints("area")[i], "{here}: area");
                assert_eq!(record.segmentation.to_coco_string(), counts, "{here}: COCO string");
            } else {
                let area = record.segmentation.area() as i64;
                assert!(
                    (area - ints("area")[i]).abs() <= of_mask,
                    "{here}: area {area}, {of_mask} undecided"
                );
            }
            let (iou, stability) = (floats("iou")[i], floats("stability")[i]);
            assert!((record.predicted_iou - iou).abs() <= 1e-5, "{here}: {} for {iou}", record.predicted_iou);
            // One pixel changes the stability score by at most 1 / area.
            let undecided = of_score as f32 / ints("area")[i] as f32;
            assert!(
                (record.stability_score - stability).abs() <= 1e-5 + undecided,
                "{here}: {} for {stability}, {of_score} undecided",
                record.stability_score
            );
            let polygons = mask.polygons();
            assert_eq!(Mask::from_polygons(mask.width(), mask.height(), &polygons), mask, "{here}: polygons");
        }
        assert!(decided * 4 >= records.len() * 3, "{case}: a golden that decides too little");
    }
}
