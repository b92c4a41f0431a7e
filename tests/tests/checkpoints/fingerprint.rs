//! Fingerprints of models. Sessions and embeddings hold them, so a change makes every saved file unreadable.

use sam2_model::models::Precision;
use sam2_model::{Model, ModelOptions};
use sam2_tests::{micro, seeded};

/// Seeded weights at the published sizes, recorded from commit 39a9d7d.
const RECORDED: [(&str, u64); 5] = [
    ("sam2.1_hiera_tiny", 0xe370_b092_900b_d746),
    ("sam2.1_hiera_small", 0x1a1a_7de5_7d34_0798),
    ("sam2.1_hiera_base_plus", 0x9dd4_04e4_b1da_fc11),
    ("sam2.1_hiera_large", 0x1588_8bb4_1b59_ca19),
    ("sam2_hiera_tiny", 0xd580_36d3_1957_b78b),
];

#[test]
fn fingerprints_of_the_published_sizes_do_not_change() {
    for (name, recorded) in RECORDED {
        let model = Model::from_bytes(&seeded::checkpoint(name), name).expect("it loads");
        assert_eq!(model.fingerprint(), recorded, "{name}");
    }
}

#[test]
fn fingerprints_of_the_earlier_embedded_model_do_not_change() {
    let fingerprint = |options: ModelOptions| {
        let model = Model::from_bytes_with(&micro::earlier(), "micro", &options);
        model.expect("it loads").fingerprint()
    };
    let defaults = ModelOptions::default();
    assert_eq!(fingerprint(defaults.clone()), 0x0d30_446e_f64c_bf93);
    assert_eq!(fingerprint(defaults.clone().precision(Precision::Int8)), 0x8e8b_2f83_6585_ca8d);
    assert_eq!(fingerprint(defaults.image_size(512)), 0x8424_49de_7fec_4ecb);
}

#[test]
fn models_with_other_weights_have_other_fingerprints() {
    let micro = micro::model();
    let tiny =
        |name: &str| Model::from_bytes(&seeded::checkpoint(name), name).expect("it loads").fingerprint();
    assert_eq!(micro.fingerprint(), micro::model().fingerprint());
    let (a, b) = (tiny("sam2.1_hiera_tiny"), tiny("sam2.1_hiera_tiny_absent"));
    assert_ne!(a, b, "they differ in one bias");
    assert_ne!(a, micro.fingerprint());
}
