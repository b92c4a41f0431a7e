//! The image predictor refuses invalid prompts, batches and options.

use sam2_model::error::{ImageError, PromptError};
use sam2_model::image::{ImageBatch, ImageOptions, ImagePrompt};
use sam2_model::{Frame, ImagePredictor, Points};
use sam2_tests::clips;
use sam2_tests::micro::{asset, model};

fn frame(index: usize) -> Frame {
    clips::gif(&asset("balloon.gif")).swap_remove(index)
}

#[test]
fn an_invalid_prompt_refuses_the_whole_batch() {
    let mut predictor = ImagePredictor::new(model());
    let click: ImagePrompt = Points::click(5.0, 5.0).into();
    assert!(matches!(predictor.predict_batch(std::slice::from_ref(&click)), Err(ImageError::NoImage)));
    predictor.set_image(&frame(0));
    assert!(predictor.predict_batch(&[]).expect("nothing to do").is_empty());
    let error = predictor.predict_batch(&[click, Points::click(5.0, 999.0).into()]);
    assert!(matches!(error, Err(ImageError::Prompt(PromptError::OutsideImage { .. }))));
    let batch = ImageBatch::new(model(), ImageOptions::default(), [&frame(0)]).expect("default options");
    let error = batch.predict_all(&[]);
    assert!(matches!(error, Err(ImageError::BatchSize { images: 1, prompts: 0 })));
    let options = ImageOptions::default().mask_threshold(f32::NAN);
    assert!(ImagePredictor::with_options(model(), options).is_err());
}
