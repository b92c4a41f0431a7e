//! EfficientTAM: four published variants have the same tensors, so the name of the file or a configuration
//! decides, and nothing else does.

use std::collections::BTreeSet;
use std::path::Path;

use safetensors::SafeTensors;
use sam2_model::config::Config;
use sam2_model::convert::{ConvertOptions, Naming, convert};
use sam2_model::error::{ConvertError, LoadError};
use sam2_model::models::Precision;
use sam2_model::{Model, ModelOptions};
use sam2_tests::{pt, seeded};

const TI: &str = "efficienttam_ti_512x512";

/// The seeded Ti checkpoint as a `.pt`.
fn torch_file() -> Vec<u8> {
    let file = seeded::checkpoint(TI);
    let parsed = SafeTensors::deserialize(&file).expect("a safetensors file");
    let tensors = parsed.tensors().into_iter();
    pt::checkpoint(tensors.map(|(name, t)| (name, t.shape().to_vec(), t.data().to_vec())).collect())
}

#[test]
fn the_name_of_the_file_decides_among_variants_with_the_same_tensors() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = torch_file();
    let open = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, &file).expect("write");
        Model::open(&path)
    };
    let model = open("efficienttam_ti_512x512.pt").expect("the name is published");
    assert_eq!(model.config(), &Config::named(TI).expect("published"));
    assert_eq!(model.summary().variant, "EfficientTAM Ti_512x512");
    assert_eq!((model.config().image_size, model.low_res_size()), (512, 128));
    let base = open("EfficientTAM_Ti.pt").expect("the case does not matter");
    assert_eq!(base.config().image_size, 1024);
    assert_ne!(base.fingerprint(), model.fingerprint());
    // Any other name is refused, also that of the other size, with the names to choose from.
    for name in ["model.pt", "efficienttam_ti_512.pt", "efficienttam_ti_512x512 (1).pt", "efficienttam_s.pt"]
    {
        let error = open(name).expect_err("the variant is unknown");
        assert!(matches!(&error, LoadError::Variant { names, .. } if names.contains(TI)), "{error}");
        let text = error.to_string();
        assert!(text.contains(name) && text.contains("--variant") && !text.contains('\n'), "{text}");
    }
}

#[test]
fn a_configuration_decides_before_the_name() {
    let file = seeded::checkpoint(TI);
    let open = |config: Option<Config>| {
        Model::from_bytes_with(&file, "efficienttam_ti.pt", &ModelOptions::default().config(config))
    };
    assert_eq!(open(None).expect("it loads").config().image_size, 1024);
    assert_eq!(open(Config::named(TI)).expect("it loads").config().image_size, 512);
    let error = open(Config::named("efficienttam_s")).expect_err("another size");
    assert!(matches!(error, LoadError::ShapeMismatch { .. }), "{error}");
    let error = open(Config::named("sam2.1_hiera_tiny")).expect_err("another family");
    assert!(error.to_string().contains("SAM 2.1 tiny"), "{error}");
    let metadata = Config::named(TI).expect("published").to_json();
    let stated = seeded::checkpoint_with(TI, Some(&metadata));
    let model = Model::from_bytes(&stated, "efficienttam_ti.safetensors").expect("it loads");
    assert_eq!(model.config().image_size, 512);
}

#[test]
fn converted_files_state_their_variant() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("efficienttam_ti_512x512.pt"), torch_file()).expect("write");
    let model = Model::open(at("efficienttam_ti_512x512.pt")).expect("it loads");
    let plain = ConvertOptions::default;
    for (from, to) in [("efficienttam_ti_512x512.pt", "a.safetensors"), ("a.safetensors", "b.pt")] {
        convert(at(from), at(to), plain(), |_, _| ()).expect("it is converted");
        let found = Model::open(at(to)).expect("it states its variant");
        assert_eq!((found.config(), found.fingerprint()), (model.config(), model.fingerprint()), "{to}");
    }
    std::fs::copy(at("efficienttam_ti_512x512.pt"), at("unknown.pt")).expect("copy");
    let error =
        convert(at("unknown.pt"), at("c.pt"), plain(), |_, _| ()).expect_err("the variant is unknown");
    assert!(matches!(error, ConvertError::Load(LoadError::Variant { .. })), "{error}");
    let named = plain().config(Config::named("efficienttam_ti"));
    convert(at("unknown.pt"), at("c.pt"), named, |_, _| ()).expect("it is converted");
    assert_eq!(Model::open(at("c.pt")).expect("it loads").config().image_size, 1024);
    let hf = plain().naming(Naming::HuggingFace);
    let error = convert(at("c.pt"), at("d.safetensors"), hf, |_, _| ()).expect_err("there are no names");
    assert!(matches!(error, ConvertError::NoNames { .. }), "{error}");
    assert!(!at("d.safetensors").exists());
}

#[test]
fn damaged_checkpoints_are_refused_by_the_tensor() {
    let file = seeded::checkpoint(TI);
    let parsed = SafeTensors::deserialize(&file).expect("a safetensors file");
    let without = |left_out: &str| {
        let kept = parsed.tensors().into_iter().filter(|(name, _)| name != left_out);
        safetensors::serialize(kept, None).expect("plain tensors")
    };
    for name in ["image_encoder.trunk.blocks.7.attn.qkv.bias", "image_encoder.neck.convs.0.norm_1.weight"] {
        let error = Model::from_bytes(&without(name), TI).expect_err("a tensor is missing");
        assert!(matches!(&error, LoadError::MissingTensor { name: found, .. } if found == name), "{error}");
    }
    for marker in ["image_encoder.trunk.pos_embed", "image_encoder.neck.convs.0.conv_1x1.weight"] {
        let error = Model::from_bytes(&without(marker), TI).expect_err("no family has these tensors");
        assert!(matches!(error, LoadError::UnknownModel { .. }), "{error}");
    }
}

#[test]
fn every_published_model_is_named_and_written_as_it_is_read() {
    let names = Config::names();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for name in names {
        let config = Config::named(&name).expect("it is in the list");
        assert_eq!(Config::from_json(&config.to_json(), "x").expect("it is read"), config, "{name}");
    }
    assert_eq!(Config::named("efficienttam_m"), None);
}

#[test]
fn eight_bits_give_nearly_the_same_masks() {
    let file = seeded::checkpoint(TI);
    let options = ModelOptions::default().precision(Precision::Int8);
    let image = seeded::draw("input.image", 512 * 512 * 3, 0.0, 1.0);
    let level2 = |model: &Model| {
        let mut workspace = sam2_model::advanced::Workspace::default();
        model.encode(&mut workspace, &mut sam2_model::advanced::NoTap, &image).level2().to_vec()
    };
    let single = level2(&Model::from_bytes(&file, TI).expect("it loads"));
    let eight = level2(&Model::from_bytes_with(&file, TI, &options).expect("it loads"));
    let distance = sam2_tests::probe::rel_l2(&eight, &single);
    assert!(distance > 0.0 && distance <= 0.05, "{distance}");
}

/// The published YAML files of both families, as they are, with weights whose file has another name.
#[test]
fn published_configurations_give_the_published_models() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/configs");
    for name in seeded::EFFICIENTTAM.into_iter().chain([seeded::EDGETAM]) {
        let config = Config::open(folder.join(format!("{name}.yaml"))).expect("it is read");
        assert_eq!(Some(&config), Config::named(name).as_ref(), "{name}");
    }
    for name in ["efficienttam_ti_2", seeded::EDGETAM] {
        let config = Config::open(folder.join(format!("{name}.yaml"))).expect("it is read");
        let file = seeded::checkpoint(name);
        let options = ModelOptions::default().config(config);
        let model = Model::from_bytes_with(&file, "mine.safetensors", &options).expect("it loads");
        let plain = Model::from_bytes(&file, name).expect("it loads");
        assert_eq!((model.config(), model.fingerprint()), (plain.config(), plain.fingerprint()), "{name}");
    }
}

/// What `sam2 info` prints: the tensors of the file, of which EdgeTAM's `to_kv` is one.
#[test]
fn a_summary_counts_the_tensors_of_the_file() {
    for (name, tensors) in [(seeded::EDGETAM, 982), (TI, 455)] {
        let model = Model::from_bytes(&seeded::checkpoint(name), name).expect("it loads");
        let summary = model.summary();
        assert_eq!(summary.tensors, tensors, "{name}");
        assert_eq!(summary.tensors, seeded::inventory(name).len(), "{name}");
        let numbers =
            |text: &str| text.split([' ', ',']).filter_map(|word| word.parse::<usize>().ok()).sum::<usize>();
        assert_eq!(numbers(&summary.dtypes), tensors, "{name}: {}", summary.dtypes);
    }
}
