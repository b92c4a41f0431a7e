//! The image predictor against Meta's, from pixels to masks, for every size of SAM 2.1 and for 2.0 tiny.

use sam2_model::image::{ImagePrompt, Multimask};
use sam2_model::{Frame, ImagePredictor, Model, Points, inspect};
use sam2_tests::golden::Golden;
use sam2_tests::probe::{Budget, Probes};
use sam2_tests::seeded;

/// Low-resolution logits: relative L2 at most 1e-4.
fn budget(name: &str) -> Budget {
    if name.ends_with("/iou") || name.ends_with("decoder.iou") {
        Budget::absolute(1e-5)
    } else if name.ends_with("object_score") {
        Budget::absolute(1e-4)
    } else if name.starts_with("image_encoder") {
        Budget::relative(5e-5, 1e-3)
    } else {
        Budget::relative(1e-4, 1e-2)
    }
}

/// The clicks and the box of a case.
pub fn points(probes: &Probes, case: &str) -> Points {
    let has = |key: &str| probes.has(&format!("{case}#{key}"));
    let mut points = Points::new();
    if has("points") {
        let coords = probes.f32s(&format!("{case}#points"));
        let labels = probes.i32s(&format!("{case}#labels"));
        points = Points::labelled(coords.as_chunks().0, &labels).expect("known labels");
    }
    if has("box") {
        let corners = probes.f32s(&format!("{case}#box"));
        points = points.within(<[f32; 4]>::try_from(corners).expect("a box has four numbers"));
    }
    points
}

/// Compares three masks of a prompt, and one, with the golden, whose tensors are all used; `size` is the
/// picture's width and height.
pub fn check_prompt(
    predictor: &ImagePredictor,
    prompt: &ImagePrompt,
    mut golden: Golden,
    (width, height): (usize, usize),
) {
    for (multimask, kind) in [(Multimask::Three, "multi"), (Multimask::One, "single")] {
        let prompt = prompt.clone().multimask(multimask);
        let prediction = predictor.predict_tapped(&prompt, &mut golden).expect("a valid prompt");
        let k = prediction.len();
        golden.compare(&format!("{kind}/low_res"), &prediction.low_res_shape(), prediction.low_res());
        golden.compare(&format!("{kind}/iou"), &[k], prediction.ious());
        let masks: Vec<f32> = (0..k).flat_map(|i| prediction.mask_logits(i)).collect();
        golden.compare(&format!("{kind}/logits"), &[k, height, width], &masks);
    }
    golden.finish(|_| false);
}

pub fn check(model_name: &str, file: &str, photos: &[&str]) {
    let probes = Probes::open(file);
    let model =
        Model::from_bytes(&seeded::checkpoint(model_name), model_name).expect("the seeded checkpoint loads");
    let logits = seeded::smooth("input.mask_logits", 256, 256, 16, 0.0, 5.0);
    let mut predictor = ImagePredictor::new(model);
    for photo in photos {
        let [width, height] = probes.i64s(&format!("{photo}#size"))[..] else { panic!("{photo}#size") };
        let (width, height) = (width as usize, height as usize);
        let frame = Frame::new(width, height, seeded::photo(photo, width, height, 0))
            .expect("the photo fills the frame");
        let mut golden = Golden::new(&probes, format!("{photo}/"), budget);
        predictor.set_image_tapped(&frame, &mut golden);
        golden.finish(|name| !name.starts_with("image_encoder"));
        for case in ["click", "clicks", "box", "box_click", "mask"] {
            let mask = probes.has(&format!("{case}#mask")).then(|| logits.clone());
            let prompt = ImagePrompt::from(points(&probes, case)).mask_logits(mask);
            let golden = Golden::new(&probes, format!("{photo}/{case}/"), budget);
            check_prompt(&predictor, &prompt, golden, (width, height));
        }
    }
}

#[test]
fn tiny_matches_meta() {
    check("sam2.1_hiera_tiny", "image_tiny.safetensors", &["photo.a", "photo.b"]);
}

#[test]
fn tiny_of_version_2_0_matches_meta() {
    check("sam2_hiera_tiny", "image_tiny_2.0.safetensors", &["photo.a"]);
}

#[test]
fn small_matches_meta() {
    check("sam2.1_hiera_small", "image_small.safetensors", &["photo.a"]);
}

#[test]
fn base_plus_matches_meta() {
    check("sam2.1_hiera_base_plus", "image_base_plus.safetensors", &["photo.a"]);
}

#[test]
fn large_matches_meta() {
    check("sam2.1_hiera_large", "image_large.safetensors", &["photo.a"]);
}

#[test]
fn preprocessing_matches_meta() {
    let probes = Probes::open("preprocess.safetensors");
    let tiny = Model::from_bytes(&seeded::checkpoint("sam2.1_hiera_tiny"), "tiny")
        .expect("the seeded checkpoint loads");
    let mut golden = Golden::new(&probes, "image/", |_| Budget::absolute(2e-6));
    for (width, height) in [(1024, 683), (1024, 1024), (60, 40), (333, 1500), (2100, 1111), (480, 270)] {
        let frame = Frame::new(width, height, seeded::photo("photo.p", width, height, 0))
            .expect("the photo fills the frame");
        golden.compare(&format!("{width}x{height}"), &[1024, 1024, 3], &inspect::image_input(&tiny, &frame));
    }
    golden.finish(|_| false);
    // Pillow's bicubic resize of bytes: exact.
    for ((width, height), side) in
        [((480, 270), 1024), ((1280, 720), 1024), ((60, 40), 1024), ((1024, 600), 1024), ((320, 240), 256)]
    {
        let photo = seeded::photo("photo.p", width, height, 0);
        let resized = kernels::image::resize_pil_bicubic_u8(
            kernels::Isa::best(),
            &photo,
            (height, width),
            3,
            (side, side),
        );
        let expected = probes.u64s(&format!("frame/{width}x{height}-{side}#fnv"))[0];
        assert_eq!(seeded::fnv1a64(&resized), expected, "{width}x{height} to {side}");
    }
}
