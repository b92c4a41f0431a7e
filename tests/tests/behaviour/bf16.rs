//! bf16 against f32: relative errors of the modules, and IoU of the masks.

use sam2_model::advanced::Workspace;
use sam2_model::models::Precision;
use sam2_model::{Model, ModelOptions, Points};
use sam2_tests::{micro, seeded, small};

use super::int8::{
    bundled_clip_ious, clip_ious, in_precisions, memory_parts, model, photo, relative, tracked,
};

const PRECISIONS: [Precision; 2] = [Precision::F32, Precision::Bf16];

#[test]
fn parts_stay_within_a_third_of_the_distances_of_int8() {
    const NAME: &str = "sam2.1_hiera_tiny";
    let image = seeded::draw("input.image", 1024 * 1024 * 3, 0.0, 1.0);
    let [(single, single_parts), (bf16, bf16_parts)] = in_precisions(NAME, PRECISIONS, |model, taps| {
        model.encode(&mut Workspace::default(), taps, &image);
        memory_parts(model)
    });
    for part in ["conv_s0", "conv_s1", "neck.level2"] {
        let part = format!("image_encoder.{part}");
        check(&part, relative(&bf16.0[&part], &single.0[&part]), 6e-3);
    }
    for (part, single) in &single_parts {
        check(part, relative(&bf16_parts[part], single), 8e-3);
    }
}

fn check(part: &str, error: f64, limit: f64) {
    println!("{part}: {error:.5}");
    assert!(error > 0.0, "{part}: nothing ran in bf16");
    assert!(error <= limit, "{part}: {error}");
}

#[test]
fn masks_are_nearly_the_same() {
    let frames: Vec<_> = (0..8).map(|f| photo(480, 270, f)).collect();
    let of_edgetam =
        clip_ious(&frames, &Points::click(140.0, 90.0), Precision::Bf16, |p| model("edgetam", p));
    for (name, ious) in [("embedded model", bundled_clip_ious(Precision::Bf16)), ("edgetam", of_edgetam)] {
        let mean = ious.iter().sum::<f64>() / ious.len() as f64;
        println!("{name}: mean IoU {mean:.4}, least {:.4}", ious.iter().copied().fold(1.0, f64::min));
        assert!(mean >= 0.9975, "{name}: {ious:?}");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for name in small::NAMES {
        let model = small::model_with(name, &ModelOptions::default().precision(Precision::Bf16));
        let [one, three] = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| tracked(&model, 4))
        });
        assert!(one == three, "{name}");
    }
}

#[test]
fn the_precision_has_a_fingerprint_of_its_own() {
    let [bf16, int8] = [Precision::Bf16, Precision::Int8].map(|precision| {
        let options = ModelOptions::default().precision(precision);
        let file = micro::asset(micro::CHECKPOINT);
        Model::from_bytes_with(&file, "micro", &options).expect("it loads").fingerprint()
    });
    assert!(bf16 != int8 && bf16 != micro::model().fingerprint());
}
