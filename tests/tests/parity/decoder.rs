//! Prompt encoder, mask decoder and heads of tiny against Meta's code, from given features.

use std::sync::Arc;

use sam2_model::advanced::{Features, NoTap, Tap};
use sam2_model::{Model, inspect};
use sam2_tests::golden::Golden;
use sam2_tests::probe::{Budget, Probes};
use sam2_tests::seeded;

const TINY: &str = "sam2.1_hiera_tiny";

pub fn budget(name: &str) -> Budget {
    let part = |prefix: &str| name.starts_with(prefix);
    if part("sam_prompt_encoder.sparse") {
        Budget::absolute(2e-5)
    } else if part("sam_prompt_encoder") {
        // The dense encoding is a sine of large angles: where rounding of the angle dominates, its budget is
        // that of the sparse one, as the golden's distance from float64 shows.
        Budget::relative(1e-6, 1e-5)
    } else if part("sam_mask_decoder.transformer") {
        Budget::relative(5e-6, 1e-4)
    } else if part("sam_mask_decoder.iou") {
        Budget::absolute(1e-5)
    } else if part("sam_mask_decoder.object_score") {
        Budget::absolute(1e-4)
    } else if part("sam_mask_decoder.mask_logits") || part("sam_heads") {
        Budget { rel_l2: 1e-5, max_over_rms: 1e-3, max_abs: 2e-3 }
    } else {
        Budget::relative(1e-5, 1e-3)
    }
}

fn model() -> Arc<Model> {
    Model::from_bytes(&seeded::checkpoint(TINY), TINY).expect("the seeded checkpoint loads")
}

fn features() -> Features {
    Features::from_parts(
        seeded::draw("input.image_embed", 64 * 64 * 256, 0.0, 1.0),
        seeded::draw("input.high_res0", 256 * 256 * 32, 0.0, 0.5),
        seeded::draw("input.high_res1", 128 * 128 * 64, 0.0, 0.7),
    )
}

fn high_res(low_res: &[f32]) -> Vec<f32> {
    kernels::image::resize_bilinear(kernels::Isa::best(), low_res, (256, 256), 1, (1024, 1024))
}

#[test]
fn every_prompt_matches_meta() {
    let probes = Probes::open("decoder_tiny.safetensors");
    let (model, features) = (model(), features());
    let logits = seeded::smooth("input.mask_logits", 256, 256, 16, 0.0, 5.0);
    for case in ["click", "clicks", "box", "box_click", "click_mask", "none"] {
        let points: Vec<(f32, f32, i32)> = if probes.has(&format!("{case}#points")) {
            let labels = probes.i32s(&format!("{case}#labels"));
            let coords = probes.f32s(&format!("{case}#points"));
            coords.chunks_exact(2).zip(labels).map(|(p, label)| (p[0], p[1], label)).collect()
        } else {
            Vec::new()
        };
        let mask = (probes.u8s(&format!("{case}#mask_prompt"))[0] == 1).then_some(&logits[..]);
        let multimask = probes.u8s(&format!("{case}#multimask"))[0] == 1;
        let mut golden = Golden::new(&probes, format!("{case}/"), budget);
        let heads = inspect::sam_heads(&model, &mut golden, &features, &points, mask, multimask);
        golden.record("sam_heads.high_res", &[1024, 1024], &high_res(&heads.low_res));
        golden.finish(|_| false);
    }
}

#[test]
fn a_mask_prompt_alone_matches_meta() {
    let probes = Probes::open("decoder_tiny.safetensors");
    let logits = seeded::smooth("input.mask_logits", 256, 256, 16, 0.0, 5.0);
    let mut golden = Golden::new(&probes, "mask/", budget);
    inspect::decode(&model(), &mut golden, &features(), &[], Some(&logits));
    golden.finish(|_| false);
}

#[test]
fn a_mask_prompt_of_a_video_is_the_output() {
    let probes = Probes::open("decoder_tiny.safetensors");
    let mask: Vec<f32> = seeded::smooth("input.mask", 1024, 1024, 128, 0.0, 1.0)
        .iter()
        .map(|&x| if x > 0.0 { 1.0 } else { 0.0 })
        .collect();
    let mut golden = Golden::new(&probes, "mask_as_output/", budget);
    let heads = inspect::mask_as_output(&model(), &mut WithoutHeads(&mut golden), &features(), &mask);
    golden.finish(|name| name.starts_with("sam_heads"));
    let mut golden = Golden::new(&probes, "mask_as_output/sam_heads.", budget_of_heads);
    golden.record("low_res", &[256, 256], &heads.low_res);
    golden.record("obj_ptr", &[256], &heads.obj_ptr);
    let high: Vec<f32> = mask.iter().map(|x| x * 20.0 - 10.0).collect();
    golden.record("high_res", &[1024, 1024], &high);
    golden.finish(|_| false);
    assert_eq!((heads.iou, heads.object_score), (1.0, 10.0));

    let empty = inspect::mask_as_output(&model(), &mut NoTap, &features(), &vec![0.0; 1024 * 1024]);
    assert_eq!(empty.object_score, -10.0, "an empty mask means that the object is absent");
    // The weights of the resize sum to 1 up to rounding.
    assert!(empty.low_res.iter().all(|&x| (x + 10.0).abs() <= 1e-5));
}

/// Ignores the heads' taps: for a mask prompt the decoder runs its heads only for the pointer.
struct WithoutHeads<'a, 'p>(&'a mut Golden<'p>);

impl Tap for WithoutHeads<'_, '_> {
    fn enabled(&self) -> bool {
        true
    }
    fn record(&mut self, name: &str, shape: &[usize], data: &[f32]) {
        if !name.starts_with("sam_heads") {
            self.0.record(name, shape, data);
        }
    }
}

fn budget_of_heads(_: &str) -> Budget {
    budget("sam_heads")
}

#[test]
fn constant_encodings_match_meta() {
    let probes = Probes::open("decoder_tiny.safetensors");
    let mut golden = Golden::new(&probes, "", budget);
    inspect::decode(&model(), &mut golden, &features(), &[(0.0, 0.0, -1)], None);
    golden.finish(|name| name != "sam_prompt_encoder.dense_pe");
}
