//! The image encoder of tiny against Meta's code, end to end and block by block.

use sam2_model::advanced::{NoTap, Workspace};
use sam2_model::{Model, inspect};
use sam2_tests::golden::Golden;
use sam2_tests::probe::{Budget, Probes};
use sam2_tests::seeded;

const TINY: &str = "sam2.1_hiera_tiny";

/// Budget end to end.
fn end_to_end(name: &str) -> Budget {
    if name.ends_with("patch_embed") || name.ends_with("pos_embed") {
        Budget::relative(1e-6, 1e-5)
    } else if name.starts_with("image_encoder.trunk") {
        Budget::relative(1e-5, 1e-3)
    } else {
        Budget::relative(5e-5, 1e-3)
    }
}

/// Budget of one module from a given input.
fn module(_: &str) -> Budget {
    Budget::relative(2e-6, 1e-4)
}

#[test]
fn every_stage_matches_meta_end_to_end() {
    let probes = Probes::open("encoder_tiny.safetensors");
    let model = Model::from_bytes(&seeded::checkpoint(TINY), TINY).expect("the seeded checkpoint loads");
    let image = seeded::draw("input.image", 1024 * 1024 * 3, 0.0, 1.0);
    let mut golden = Golden::new(&probes, "", end_to_end);
    let tapped = model.encode(&mut Workspace::default(), &mut golden, &image);
    golden.finish(|name| !name.starts_with("image_encoder"));

    // Without a tap the work is split differently; the result must be the same to the bit.
    let plain = model.encode(&mut Workspace::default(), &mut NoTap, &image);
    assert!(plain.level2() == tapped.level2(), "level 2 depends on the tap");
}

#[test]
fn every_kind_of_block_matches_meta_from_its_own_input() {
    let probes = Probes::open("encoder_tiny.safetensors");
    let model = Model::from_bytes(&seeded::checkpoint(TINY), TINY).expect("the seeded checkpoint loads");
    for (block, side, channels) in
        [(0, 256, 96), (1, 256, 96), (4, 64, 384), (5, 64, 384), (10, 64, 384), (11, 32, 768)]
    {
        let input = seeded::draw(&format!("input.block{block}"), side * side * channels, 0.0, 1.0);
        let mut golden = Golden::new(&probes, "module/", module);
        inspect::trunk_block(&model, &mut golden, block, input, (side, side));
        let own = format!("image_encoder.trunk.blocks.{block}");
        golden.finish(|name| name != own && !name.starts_with(&format!("{own}.")));
    }
}

#[test]
fn constant_tables_match_meta() {
    let probes = Probes::open("encoder_tiny.safetensors");
    let model = Model::from_bytes(&seeded::checkpoint(TINY), TINY).expect("the seeded checkpoint loads");
    let (image, memory) = inspect::position_encodings(&model);
    let mut golden = Golden::new(&probes, "position_encoding.", |_| Budget::absolute(2e-6));
    golden.compare("image", &[64, 64, 256], &image);
    golden.compare("memory", &[64, 64, 64], memory);
    golden.finish(|_| false);

    // Rotating (1, 0) gives cosine and sine.
    let mut turned = [1.0, 0.0].repeat(4096 * 128);
    kernels::rope::Rope::new(64, 256, 10_000.0).rotate_queries(kernels::Isa::best(), &mut turned);
    let mut golden = Golden::new(&probes, "rope.", |_| Budget::absolute(4e-6));
    for (i, name) in ["cos", "sin"].into_iter().enumerate() {
        let part: Vec<f32> = turned.iter().skip(i).step_by(2).copied().collect();
        golden.compare(name, &[4096, 128], &part);
    }
    golden.finish(|_| false);
}
