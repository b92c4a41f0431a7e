//! EdgeTAM against its published code: modules from given inputs, images and clips end to end. The clip with
//! two objects is compared with the predictor of sam2 1.1.0 over the published model: the published predictor
//! fails with two objects (docs/decisions/0049).

use std::sync::Arc;

use sam2_model::advanced::{NoTap, Workspace};
use sam2_model::{Model, inspect};
use sam2_tests::golden::Golden;
use sam2_tests::probe::{Budget, Probes};
use sam2_tests::seeded;

use crate::memory::bank;
use crate::{image, video};

const NAME: &str = "edgetam";
/// Tokens of a spatial memory.
const TOKENS: usize = 512;

fn model() -> Arc<Model> {
    Model::from_bytes(&seeded::checkpoint(NAME), NAME).expect("the seeded checkpoint loads")
}

fn budget(name: &str) -> Budget {
    let part = |prefix: &str| name.starts_with(prefix);
    if part("image_encoder.trunk") {
        Budget::relative(1e-5, 1e-3)
    } else if part("image_encoder") {
        Budget::relative(5e-5, 1e-3)
    } else if part("memory_attention.memory") {
        Budget::relative(1e-6, 1e-5)
    } else if name == "memory_attention.out" {
        Budget::relative(2e-5, 1e-3)
    } else {
        Budget::relative(5e-6, 1e-4)
    }
}

#[test]
fn the_encoder_matches() {
    let (probes, model) = (Probes::open("edgetam_encoder.safetensors"), model());
    let image = seeded::draw("input.image", 1024 * 1024 * 3, 0.0, 1.0);
    let mut golden = Golden::new(&probes, "", budget);
    let tapped = model.encode(&mut Workspace::default(), &mut golden, &image);
    golden.finish(|_| false);
    let plain = model.encode(&mut Workspace::default(), &mut NoTap, &image);
    assert!(plain.level2() == tapped.level2(), "level 2 depends on the tap");
}

#[test]
fn the_perceiver_matches() {
    let (probes, model) = (Probes::open("edgetam_memory.safetensors"), model());
    let memory = seeded::draw("input.memory", 64 * 64 * 64, 0.0, 1.0);
    let mut golden = Golden::new(&probes, "spatial_perceiver.", |name| match name {
        "position" => Budget::absolute(2e-6),
        _ => budget(name),
    });
    inspect::perceiver(&model, &mut Prefixed(&mut golden), &memory);
    golden.compare("position", &[TOKENS, 64], inspect::position_encodings(&model).1);
    golden.finish(|_| false);
}

/// Passes the perceiver's taps on without their prefix.
struct Prefixed<'a, 'p>(&'a mut Golden<'p>);

impl sam2_model::advanced::Tap for Prefixed<'_, '_> {
    fn enabled(&self) -> bool {
        true
    }
    fn record(&mut self, name: &str, shape: &[usize], data: &[f32]) {
        let name = name.strip_prefix("spatial_perceiver.").expect("a tap of the perceiver");
        self.0.compare(name, shape, data);
    }
}

#[test]
fn memory_attention_matches() {
    let (probes, model) = (Probes::open("edgetam_memory.safetensors"), model());
    let curr = seeded::draw("input.curr", 64 * 64 * 256, 0.0, 1.0);
    let mut workspace = Workspace::default();
    for case in ["one", "two", "two_cond", "full", "reverse"] {
        let [frame, num_frames, reverse] = probes.i64s(&format!("{case}#frame"))[..] else {
            panic!("{case}#frame")
        };
        let stored = bank(&probes, case, &format!("bank.{case}"), TOKENS);
        let mut golden = Golden::new(&probes, format!("{case}/"), budget);
        let at = (frame as usize, num_frames as usize, reverse != 0);
        inspect::memory_attention(&model, &mut workspace, &mut golden, &curr, &stored, at);
        golden.finish(|_| false);
    }
}

#[test]
fn images_match() {
    image::check(NAME, "edgetam_image.safetensors", &["photo.a"]);
}

#[test]
fn a_clip_with_two_objects_matches() {
    video::check("long", "edgetam_video.safetensors", NAME);
}
