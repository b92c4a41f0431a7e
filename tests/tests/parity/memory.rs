//! Memory encoder and memory attention of tiny against Meta's code, from given inputs.

use std::sync::Arc;

use half::bf16;
use sam2_model::advanced::Workspace;
use sam2_model::{Model, inspect};
use sam2_tests::golden::Golden;
use sam2_tests::probe::{Budget, Probes};
use sam2_tests::seeded;

const TINY: &str = "sam2.1_hiera_tiny";
const FILE: &str = "memory_tiny.safetensors";

fn model() -> Arc<Model> {
    Model::from_bytes(&seeded::checkpoint(TINY), TINY).expect("the seeded checkpoint loads")
}

fn budget(name: &str) -> Budget {
    if name.starts_with("memory_encoder.mask_downsampler") {
        Budget::relative(2e-6, 1e-4)
    } else if name.starts_with("memory_encoder") {
        Budget::relative(5e-6, 1e-4)
    } else if name.starts_with("memory_attention.memory") {
        Budget::relative(1e-6, 1e-5)
    } else if name == "memory_attention.out" {
        Budget::relative(2e-5, 1e-3)
    } else {
        Budget::relative(5e-6, 1e-4)
    }
}

#[test]
fn memory_encoder_matches_meta() {
    let probes = Probes::open(FILE);
    let model = model();
    let pix_feat = seeded::draw("input.pix_feat", 64 * 64 * 256, 0.0, 1.0);
    let mask = seeded::smooth("input.mask_high_res", 1024, 1024, 32, 0.0, 5.0);
    let no_obj_embed = seeded::tensor(TINY, "no_obj_embed_spatial", &[1, 64]);
    for (case, binary, absent) in
        [("tracked", false, false), ("prompted", true, false), ("absent", false, true)]
    {
        let logits = if absent { vec![-1024.0; mask.len()] } else { mask.clone() };
        let mut golden = Golden::new(&probes, format!("{case}/"), budget);
        let mut memory = inspect::memory_encoder(&model, &mut golden, &pix_feat, logits, binary);
        if absent {
            memory
                .chunks_exact_mut(64)
                .for_each(|m| m.iter_mut().zip(&no_obj_embed).for_each(|(a, b)| *a += b));
        }
        golden.finish(|name| name == "memory_encoder.stored");

        // As stored in bf16: equal, except where a value is so close to a rounding boundary that f32 errors
        // decide. Near zero the spacing of bf16 is below the f32 error: there a value may differ by the
        // budget's mean error.
        let stored = format!("{case}/memory_encoder.stored");
        let rounded: Vec<f32> = memory.iter().map(|&x| bf16::from_f32(x).to_f32()).collect();
        let golden = probes.f32s(&stored);
        let rms = (golden.iter().map(|x| x * x).sum::<f32>() / golden.len() as f32).sqrt();
        let rounding = budget("memory_encoder.stored").rel_l2 as f32 * rms;
        let seed = seeded::fnv1a64(stored.as_bytes());
        let mut different = 0;
        for (j, &expected) in golden.iter().enumerate() {
            let actual = rounded[(seeded::splitmix64(seed, j as u64) % rounded.len() as u64) as usize];
            assert!(
                (actual - expected).abs() <= expected.abs() / 128.0 + rounding,
                "{stored}: {actual} for {expected}"
            );
            different += usize::from(actual != expected);
        }
        assert!(different * 200 <= golden.len(), "{stored}: {different} of {} values differ", golden.len());
    }
}

/// The seeded bank of a case; a memory has `cells` tokens.
pub fn bank(probes: &Probes, case: &str, file_case: &str, cells: usize) -> Vec<inspect::Stored> {
    let frames = |key: &str| probes.i64s(&format!("{case}#{key}")).into_iter().map(|f| f as usize);
    let stored = |frame: usize, cond: bool| inspect::Stored {
        frame,
        cond,
        memory: seeded::draw(&format!("{file_case}.memory{frame}"), cells * 64, 0.0, 1.0),
        obj_ptr: seeded::draw(&format!("{file_case}.pointer{frame}"), 256, 0.0, 1.0),
    };
    frames("cond").map(|f| stored(f, true)).chain(frames("recent").map(|f| stored(f, false))).collect()
}

#[test]
fn memory_attention_matches_meta() {
    let probes = Probes::open(FILE);
    let model = model();
    let curr = seeded::draw("input.curr", 64 * 64 * 256, 0.0, 1.0);
    let mut workspace = Workspace::default();
    for case in ["two", "full", "two_cond", "future_cond", "reverse"] {
        let [frame, num_frames, reverse] = probes.i64s(&format!("{case}#frame"))[..] else {
            panic!("{case}#frame")
        };
        let stored = bank(&probes, case, &format!("bank.{case}"), 4096);
        let mut golden = Golden::new(&probes, format!("{case}/"), budget);
        inspect::memory_attention(
            &model,
            &mut workspace,
            &mut golden,
            &curr,
            &stored,
            (frame as usize, num_frames as usize, reverse != 0),
        );
        golden.finish(|_| false);
    }
}

/// Teacher forcing: one tracked frame of a clip over given memories, from pixels to the new memory.
#[test]
fn a_tracked_frame_over_given_memories_matches_meta() {
    let probes = Probes::open("forced_tiny.safetensors");
    let rgb = seeded::photo("clip.a", 480, 270, 9);
    let frame = sam2_model::Frame::new(480, 270, rgb).expect("the photo fills the frame");
    let mut workspace = Workspace::default();
    for (case, name) in [("a", TINY), ("b", TINY), ("absent", "sam2.1_hiera_tiny_absent")] {
        let model = Model::from_bytes(&seeded::checkpoint(name), name).expect("the seeded checkpoint loads");
        let input = inspect::video_input(&model, &frame);
        let features = model.encode(&mut workspace, &mut sam2_model::advanced::NoTap, &input);
        let stored = bank(&probes, case, &format!("forced.{case}"), 4096);
        let mut golden = Golden::new(&probes, format!("{case}/"), |name| match name {
            "sam_mask_decoder.iou" => Budget::absolute(1e-4),
            "sam_mask_decoder.object_score" => Budget::absolute(1e-3),
            // bf16: values whose rounding went the other way differ by one unit in the last place.
            "memory" => Budget::relative(1e-3, 2e-2),
            _ => Budget::relative(1e-4, 1e-2),
        });
        let heads = inspect::track(&model, &mut workspace, &mut golden, &features, &stored, 9, 10);
        golden.compare("low_res", &[256, 256], &heads.low_res);
        golden.compare("obj_ptr", &[256], &heads.obj_ptr);
        let memory: Vec<f32> = heads.memory.iter().map(|&x| bf16::from_f32(x).to_f32()).collect();
        golden.compare("memory", &[64, 64, 64], &memory);
        golden.finish(|_| false);
    }
}
