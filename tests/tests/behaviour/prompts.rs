//! Prompts that can be given in several ways give the same bits in each.

use kernels::Isa;
use kernels::image::resize_bilinear_antialias;
use sam2_model::error::{ImageError, PromptError};
use sam2_model::image::{ImagePrompt, Multimask};
use sam2_model::types::Label;
use sam2_model::video::{VideoInfo, VideoOptions};
use sam2_model::{Frame, FrameView, ImagePredictor, Mask, PixelFormat, Points, VideoPredictor};
use sam2_tests::micro::model;
use sam2_tests::seeded;

const SIZE: (usize, usize) = (200, 150);

fn frame() -> Frame {
    Frame::new(SIZE.0, SIZE.1, seeded::photo("prompts", SIZE.0, SIZE.1, 0)).expect("it fills the frame")
}

fn logits(predictor: &ImagePredictor, points: Points) -> Vec<f32> {
    let prompt = ImagePrompt::from(points).multimask(Multimask::Three);
    predictor.predict(&prompt).expect("a valid prompt").low_res().to_vec()
}

#[test]
fn labels_two_and_three_are_a_box_and_minus_one_has_no_place() {
    let mut predictor = ImagePredictor::new(model());
    predictor.set_image(&frame());
    let corners = Points::new().point(20.0, 30.0, Label::TopLeft).point(120.0, 140.0, Label::BottomRight);
    assert_eq!(logits(&predictor, corners), logits(&predictor, Points::bbox(20.0, 30.0, 120.0, 140.0)));
    let padded = |x, y| Points::click(80.0, 70.0).point(x, y, Label::NotAPoint);
    let without = logits(&predictor, Points::click(80.0, 70.0));
    assert_eq!(logits(&predictor, padded(0.0, 0.0)), logits(&predictor, padded(-50.0, 999.0)));
    assert_ne!(logits(&predictor, padded(0.0, 0.0)), without, "the token takes part");
}

#[test]
fn the_kind_of_prompt_decides_the_number_of_masks() {
    let mut predictor = ImagePredictor::new(model());
    predictor.set_image(&frame());
    let count = |prompt: ImagePrompt| predictor.predict(&prompt).expect("a valid prompt").len();
    assert_eq!(count(Points::click(80.0, 70.0).into()), 3);
    assert_eq!(count(Points::new().on(80.0, 70.0).off(10.0, 10.0).into()), 1);
    assert_eq!(count(Points::bbox(20.0, 30.0, 120.0, 140.0).into()), 1);
    let mask = Mask::new(SIZE.0, SIZE.1, vec![true; SIZE.0 * SIZE.1]).expect("a mask");
    let refined = ImagePrompt::from(Points::click(80.0, 70.0)).mask_logits(model().mask_logits(&mask));
    assert_eq!(count(refined.clone()), 1);
    assert_eq!(count(refined.multimask(Multimask::Three)), 3);
    assert_eq!(count(ImagePrompt::from(Points::click(80.0, 70.0)).multimask(Multimask::One)), 1);
}

#[test]
fn coordinates_outside_the_image_need_the_option() {
    let mut predictor = ImagePredictor::new(model());
    predictor.set_image(&frame());
    let outside = Points::click(-0.5, 150.5);
    let refused = predictor.predict(&outside.clone().into());
    assert!(matches!(refused, Err(ImageError::Prompt(PromptError::OutsideImage { .. }))));
    assert!(predictor.predict(&outside.allow_outside(true).into()).is_ok());
}

#[test]
fn a_borrowed_frame_gives_the_bits_of_an_owned_one() {
    let frame = frame();
    let mut bgra = Vec::new();
    for row in frame.rgb().chunks(SIZE.0 * 3) {
        bgra.extend(row.chunks(3).flat_map(|p| [p[2], p[1], p[0], 9]));
        bgra.extend([77; 12]);
    }
    let view = FrameView::with_stride(&bgra, SIZE.0, SIZE.1, SIZE.0 * 4 + 12, PixelFormat::Bgra8);
    let view = view.expect("it fills the view");
    let model = model();
    let [owned, borrowed] = [FrameView::from(&frame), view].map(|view| {
        let mut image = ImagePredictor::new(model.clone());
        image.set_image(view);
        let info = VideoInfo::new(SIZE.0, SIZE.1, 1);
        let mut video = VideoPredictor::new(model.clone(), info, VideoOptions::default()).expect("a video");
        let output = video.add_points(0, view, 1, &Points::click(80.0, 70.0)).expect("a valid prompt");
        assert!(image.embedding().expect("an image is set").is_of(&frame));
        (logits(&image, Points::click(80.0, 70.0)), output.objects)
    });
    assert!(owned == borrowed);
}

#[test]
fn a_mask_prompt_of_another_size_is_resized_to_the_input() {
    let model = model();
    let side = model.config().image_size;
    let (width, height) = (120, 70);
    let inside = |i: usize| (i % width).abs_diff(60).pow(2) + (i / width).abs_diff(30).pow(2) < 500;
    let mask = Mask::new(width, height, (0..width * height).map(inside).collect()).expect("a mask");
    let values: Vec<f32> = mask.data().iter().map(|&x| f32::from(u8::from(x))).collect();
    let square = resize_bilinear_antialias(Isa::best(), &values, (height, width), 1, (side, side));
    let square = Mask::new(side, side, square.iter().map(|&x| x >= 0.5).collect()).expect("a mask");
    let outputs = [mask, square].map(|mask| {
        let info = VideoInfo::new(SIZE.0, SIZE.1, 2);
        let mut video = VideoPredictor::new(model.clone(), info, VideoOptions::default()).expect("a video");
        video.add_mask(0, &frame(), 1, &mask).expect("a mask of any size");
        video.track_frame(0, &frame()).expect("the frame of the prompt");
        video.track_frame(1, &frame()).expect("the next frame").objects
    });
    assert!(outputs[0] == outputs[1]);
}
