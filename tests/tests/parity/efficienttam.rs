//! EfficientTAM against its published code: modules from given inputs, images and clips end to end.

use std::sync::Arc;

use sam2_model::advanced::{Features, NoTap, Workspace};
use sam2_model::config::Config;
use sam2_model::image::ImagePrompt;
use sam2_model::{Frame, ImagePredictor, Model, ModelOptions, Points, inspect};
use sam2_tests::golden::Golden;
use sam2_tests::probe::{Budget, Probes, rel_l2};
use sam2_tests::{seeded, small};

use crate::memory::bank;
use crate::{decoder, image, video};

const TINY: &str = "efficienttam_ti_512x512";

/// The seeded model; its name determines the variant.
fn model(name: &str) -> Arc<Model> {
    Model::from_bytes(&seeded::checkpoint(name), name).expect("the seeded checkpoint loads")
}

fn budget(name: &str) -> Budget {
    let part = |prefix: &str| name.starts_with(prefix);
    if name.ends_with("patch_embed") || name.ends_with("pos_embed") {
        Budget::relative(1e-6, 1e-5)
    } else if part("image_encoder.trunk") {
        Budget::relative(1e-5, 1e-3)
    } else if part("image_encoder") {
        Budget::relative(5e-5, 1e-3)
    } else if part("sam_") {
        decoder::budget(name)
    } else if part("memory_encoder") {
        Budget::relative(5e-6, 1e-4)
    } else if part("memory_attention.memory") {
        Budget::relative(1e-6, 1e-5)
    } else if name == "memory_attention.out" {
        Budget::relative(2e-5, 1e-3)
    } else if part("memory_attention") {
        Budget::relative(5e-6, 1e-4)
    } else {
        Budget::relative(1e-5, 1e-3)
    }
}

fn check_encoder(name: &str, file: &str) {
    let (probes, model) = (Probes::open(file), model(name));
    let size = model.config().image_size;
    let image = seeded::draw("input.image", size * size * 3, 0.0, 1.0);
    let mut golden = Golden::new(&probes, "", budget);
    let tapped = model.encode(&mut Workspace::default(), &mut golden, &image);
    golden.finish(|name| !name.starts_with("image_encoder"));
    let plain = model.encode(&mut Workspace::default(), &mut NoTap, &image);
    assert!(plain.level2() == tapped.level2(), "level 2 depends on the tap");
    // Blocks with padded windows, the first global one, the last.
    let (side, width) = (size / 16, model.config().trunk.width());
    for block in [0, 2, 11] {
        let input = seeded::draw(&format!("input.block{block}"), side * side * width, 0.0, 1.0);
        let mut golden = Golden::new(&probes, "module/", |_| Budget::relative(2e-6, 1e-4));
        inspect::trunk_block(&model, &mut golden, block, input, (side, side));
        let own = format!("image_encoder.trunk.blocks.{block}");
        golden.finish(|name| name != own && !name.starts_with(&format!("{own}.")));
    }
}

#[test]
fn the_encoder_at_512_pixels_matches() {
    check_encoder(TINY, "efficienttam_encoder.safetensors");
}

#[test]
fn the_encoder_at_1024_pixels_matches() {
    check_encoder("efficienttam_ti", "efficienttam_encoder_1024.safetensors");
}

#[test]
fn every_prompt_matches_without_high_resolution_maps() {
    let (probes, model) = (Probes::open("efficienttam_decoder.safetensors"), model(TINY));
    let (low, size) = (model.low_res_size(), model.config().image_size);
    let features =
        Features::from_level2(seeded::draw("input.image_embed", (size / 16).pow(2) * 256, 0.0, 1.0));
    let logits = seeded::smooth("input.mask_logits", low, low, 16, 0.0, 5.0);
    for case in ["click", "box_click", "click_mask", "none"] {
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
        inspect::sam_heads(&model, &mut golden, &features, &points, mask, multimask);
        golden.finish(|name| name == "sam_heads.high_res");
    }
    let mut golden = Golden::new(&probes, "", budget);
    inspect::decode(&model, &mut golden, &features, &[(0.0, 0.0, -1)], None);
    golden.finish(|name| name != "sam_prompt_encoder.dense_pe");

    let field = seeded::smooth("input.mask", size, size, 64, 0.0, 1.0);
    let mask: Vec<f32> = field.iter().map(|&x| if x > 0.0 { 1.0 } else { 0.0 }).collect();
    let heads = inspect::mask_as_output(&model, &mut NoTap, &features, &mask);
    let mut golden = Golden::new(&probes, "mask_as_output/", budget);
    golden.compare("sam_heads.low_res", &[low, low], &heads.low_res);
    golden.compare("sam_heads.obj_ptr", &[256], &heads.obj_ptr);
    golden.finish(|name| !["sam_heads.low_res", "sam_heads.obj_ptr"].contains(&name));
}

#[test]
fn the_memory_encoder_at_512_pixels_matches() {
    let (probes, model) = (Probes::open("efficienttam_memory.safetensors"), model(TINY));
    let size = model.config().image_size;
    let pix_feat = seeded::draw("input.pix_feat", (size / 16).pow(2) * 256, 0.0, 1.0);
    let mask = seeded::smooth("input.mask_high_res", size, size, 32, 0.0, 5.0);
    for (case, binary) in [("tracked", false), ("prompted", true)] {
        let mut golden = Golden::new(&probes, format!("{case}/"), budget);
        inspect::memory_encoder(&model, &mut golden, &pix_feat, mask.clone(), binary);
        golden.finish(|_| false);
    }
}

/// The result of the memory attention over a seeded bank.
fn attend(model: &Model, probes: &Probes, case: &str, golden: &mut Golden) -> Vec<f32> {
    let [frame, num_frames, reverse] = probes.i64s(&format!("{case}#frame"))[..] else {
        panic!("{case}#frame")
    };
    let cells = model.config().grid().pow(2);
    let curr = seeded::draw("input.curr", cells * 256, 0.0, 1.0);
    let stored = bank(probes, case, &format!("bank.{case}"), cells);
    let at = (frame as usize, num_frames as usize, reverse != 0);
    inspect::memory_attention(model, &mut Workspace::default(), golden, &curr, &stored, at)
}

#[test]
fn memory_attention_at_512_pixels_matches() {
    let (probes, model) = (Probes::open("efficienttam_memory.safetensors"), model(TINY));
    for case in ["one", "two", "two_cond", "full"] {
        let mut golden = Golden::new(&probes, format!("{case}/"), budget);
        attend(&model, &probes, case, &mut golden);
        golden.finish(|_| false);
    }
}

fn check_image(name: &str, file: &str) {
    let (probes, model) = (Probes::open(file), model(name));
    let low = model.low_res_size();
    let [width, height] = probes.i64s("photo#size")[..] else { panic!("photo#size") };
    let (width, height) = (width as usize, height as usize);
    let photo = seeded::photo("photo.a", width, height, 0);
    let photo = Frame::new(width, height, photo).expect("the photo fills the frame");
    let logits = seeded::smooth("input.mask_logits", low, low, 16, 0.0, 5.0);
    let mut predictor = ImagePredictor::new(model);
    let mut golden = Golden::new(&probes, "", budget);
    predictor.set_image_tapped(&photo, &mut golden);
    golden.finish(|name| !name.starts_with("image_encoder"));
    for case in ["click", "box_click", "mask"] {
        let mask = (probes.u8s(&format!("{case}#mask"))[0] == 1).then(|| logits.clone());
        let prompt = ImagePrompt::from(image::points(&probes, case)).mask_logits(mask);
        let golden = Golden::new(&probes, format!("{case}/"), |name| match name {
            "sam_mask_decoder.iou" => Budget::absolute(1e-5),
            "sam_mask_decoder.object_score" => Budget::absolute(1e-4),
            _ if name.ends_with("/iou") => Budget::absolute(1e-5),
            _ => Budget::relative(1e-4, 1e-2),
        });
        image::check_prompt(&predictor, &prompt, golden, (width, height));
    }
}

#[test]
fn images_match_with_ti_at_512_pixels() {
    check_image(TINY, "efficienttam_image_ti_512.safetensors");
}

#[test]
fn images_match_with_s_at_512_pixels() {
    check_image("efficienttam_s_512x512", "efficienttam_image_s_512.safetensors");
}

#[test]
fn images_match_with_s_at_1024_pixels() {
    check_image("efficienttam_s", "efficienttam_image_s.safetensors");
}

#[test]
fn a_clip_with_two_objects_matches() {
    video::check("long", "efficienttam_video_ti_512.safetensors", TINY);
}

/// The beginning of the clip above, for an emulator, which takes minutes for a frame.
#[test]
fn two_frames_match() {
    video::check_frames("long", "efficienttam_video_ti_512.safetensors", TINY, 2);
}

/// From the third frame on memories are averaged in the variants `_1` and `_2`.
#[test]
fn clips_at_1024_pixels_match() {
    for name in ["efficienttam_ti", "efficienttam_ti_1", "efficienttam_ti_2"] {
        video::check(
            "long",
            &format!("{}.safetensors", name.replace("efficienttam_", "efficienttam_video_")),
            name,
        );
    }
}

#[test]
fn the_same_weights_as_another_variant_differ() {
    let checkpoint = seeded::checkpoint(TINY);
    let as_variant = |name: &str| {
        let options = ModelOptions::default().config(Config::named(name));
        Model::from_bytes_with(&checkpoint, "weights", &options).expect("the shapes fit")
    };
    let photo = Frame::new(480, 270, seeded::photo("photo.a", 480, 270, 0)).expect("it fills the frame");
    let masks = |name: &str| {
        let mut predictor = ImagePredictor::new(as_variant(name));
        predictor.set_image(&photo);
        let prompt = ImagePrompt::from(Points::click(240.0, 130.0));
        predictor.predict(&prompt).expect("a valid prompt").mask_logits(0)
    };
    let (own, other) = (masks(TINY), masks("efficienttam_ti"));
    assert!(rel_l2(&other, &own) > 0.1);
    assert_ne!(as_variant(TINY).fingerprint(), as_variant("efficienttam_ti").fingerprint());
}

/// The tensors do not tell these variants apart: with one memory they are the same model, with two they are
/// not.
#[test]
fn averaging_variants_differ_from_two_memories_on() {
    let names = ["efficienttam_ti", "efficienttam_ti_1", "efficienttam_ti_2"];
    let models = names.map(small::model);
    let cells = models[0].config().grid().pow(2);
    let level2 = seeded::draw("input.curr", cells * 256, 0.0, 1.0);
    let stored = |count: usize| -> Vec<inspect::Stored> {
        let output = |frame| inspect::Stored {
            frame,
            cond: frame == 0,
            memory: seeded::draw(&format!("bank.two.memory{frame}"), cells * 64, 0.0, 1.0),
            obj_ptr: seeded::draw(&format!("bank.two.pointer{frame}"), 256, 0.0, 1.0),
        };
        (0..count).map(output).collect()
    };
    let attend = |model: &Model, memories: usize| {
        let (workspace, at) = (&mut Workspace::default(), (memories, 10, false));
        inspect::memory_attention(model, workspace, &mut NoTap, &level2, &stored(memories), at)
    };
    for (i, a) in models.iter().enumerate() {
        for (j, b) in models.iter().enumerate().skip(i + 1) {
            assert!(attend(a, 1) == attend(b, 1), "{} and {} with one memory", names[i], names[j]);
            let distance = rel_l2(&attend(b, 2), &attend(a, 2));
            println!("{} and {}: {distance:.2}", names[i], names[j]);
            assert!(distance > 0.1, "{} and {}: {distance}", names[i], names[j]);
            assert_ne!(a.fingerprint(), b.fingerprint());
        }
    }
}
