//! The automatic mask generator: invalid options are refused, encoded images give the same masks, tiny images
//! work.

use sam2_model::automatic::{AutomaticMaskGenerator, AutomaticOptions};
use sam2_model::error::ImageError;
use sam2_model::{Frame, ImagePredictor};
use sam2_tests::micro::{self, asset};
use sam2_tests::{clips, small};

#[test]
fn invalid_options_are_refused() {
    let model = micro::model();
    let refused = |options| AutomaticMaskGenerator::new(model.clone(), options).is_err();
    let default = AutomaticOptions::default;
    assert!(refused(default().points_per_side(0)));
    assert!(refused(default().points_per_side(1_000_000)));
    assert!(refused(default().crop_n_layers(60).crop_n_points_downscale_factor(2)));
    assert!(refused(default().crop_n_points_downscale_factor(0).crop_n_layers(1)));
    assert!(refused(default().points_per_batch(0)));
    assert!(refused(default().point_grids(vec![])));
    assert!(refused(default().point_grids(vec![vec![[0.5, 1.5]]])));
    let one_for_two = Some(vec![vec![[0.5, 0.5]]]);
    assert!(refused(default().point_grids(one_for_two).crop_n_layers(1)));
    assert!(refused(default().pred_iou_thresh(f32::NAN)));
}

#[test]
fn an_encoded_image_gives_the_same_masks() {
    for (name, model) in small::models() {
        let image = clips::gif(&asset("balloon.gif")).swap_remove(0);
        // Seeded weights are sure of nothing.
        let plain = AutomaticOptions::default().points_per_side(5).pred_iou_thresh(0.1);
        let plain = plain.stability_score_thresh(if name == small::NAMES[0] { 0.95 } else { 0.0 });
        let crops = plain.clone().crop_n_layers(1);
        let mut generator = AutomaticMaskGenerator::new(model.clone(), plain).expect("valid options");
        let expected = generator.generate(&image, |_, _| ()).expect("an image");
        let embedding = ImagePredictor::new(model.clone()).encode(&image);
        assert!(!expected.is_empty(), "{name}");
        assert_eq!(generator.generate_encoded(&embedding, |_, _| ()).expect("no crops"), expected, "{name}");
        let mut generator = AutomaticMaskGenerator::new(model, crops).expect("valid options");
        assert_eq!(generator.generate_encoded(&embedding, |_, _| ()), Err(ImageError::CropsOfEmbedding));
    }
}

#[test]
fn images_of_a_few_pixels_do_not_panic() {
    for (_, model) in small::models() {
        let options = AutomaticOptions::default().points_per_side(2).crop_n_layers(2);
        let mut generator = AutomaticMaskGenerator::new(model, options).expect("valid options");
        for (width, height) in [(1, 1), (3, 2), (1, 40)] {
            let image = Frame::new(width, height, vec![90; width * height * 3]).expect("a frame");
            generator.generate(&image, |_, _| ()).expect("an image");
        }
    }
}
