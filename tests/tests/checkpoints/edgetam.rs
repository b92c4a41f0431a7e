//! EdgeTAM from its published kinds of files: Meta's `.pt` and the Hugging Face library's safetensors.

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use sam2_model::Model;
use sam2_model::convert::{ConvertOptions, Naming, convert};
use sam2_model::error::LoadError;
use sam2_tests::{golden, seeded};

use crate::hf::checksum;

const NAME: &str = "edgetam";

/// `transformers` read the weights under these names and wrote them with these checksums.
#[test]
fn a_save_pretrained_file_is_the_same_model_to_the_bit() {
    let text = std::fs::read_to_string(golden("edgetam_hf_saved.json")).expect("facts");
    let facts: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let saved = facts[NAME]["tensors"].as_object().expect("name -> checksum");
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = |file: &str| folder.path().join(file);
    let meta = seeded::checkpoint(NAME);
    std::fs::write(at("meta.safetensors"), &meta).expect("write");
    let go = |from: &str, to: &str, naming| {
        let options = ConvertOptions::default().naming(naming);
        convert(at(from), at(to), options, |_, _| ()).expect("it is converted");
    };
    go("meta.safetensors", "hf.safetensors", Naming::HuggingFace);
    let converted = std::fs::read(at("hf.safetensors")).expect("it is there");
    let ours = SafeTensors::deserialize(&converted).expect("a safetensors file");
    assert_eq!(ours.len(), saved.len());
    for (tensor, sum) in saved {
        let view = ours.tensor(tensor).unwrap_or_else(|e| panic!("{tensor}: {e}"));
        assert_eq!(format!("{:016x}", checksum(view.data())), sum.as_str().expect("hex"), "{tensor}");
    }
    let (loaded, expected) = (Model::open(at("hf.safetensors")), Model::from_bytes(&meta, "meta"));
    let (loaded, expected) = (loaded.expect("it loads"), expected.expect("it loads"));
    assert_eq!(loaded.fingerprint(), expected.fingerprint());
    assert_eq!(loaded.summary().variant, "EdgeTAM");
    // And back, by way of a `.pt`: the same names and bytes.
    go("hf.safetensors", "back.pt", Naming::Meta);
    go("back.pt", "back.safetensors", Naming::Meta);
    let back = std::fs::read(at("back.safetensors")).expect("it is there");
    let (back, start) = (SafeTensors::deserialize(&back), SafeTensors::deserialize(&meta));
    let (back, start) = (back.expect("a safetensors file"), start.expect("a safetensors file"));
    assert_eq!(back.len(), start.len());
    for (name, view) in start.tensors() {
        let found = back.tensor(&name).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((found.dtype(), found.shape(), found.data()), (view.dtype(), view.shape(), view.data()));
    }
}

/// The seeded checkpoint with one tensor replaced, or left out.
fn edited(name: &str, with: Option<(Dtype, Vec<usize>, Vec<u8>)>) -> Vec<u8> {
    let file = seeded::checkpoint(NAME);
    let parsed = SafeTensors::deserialize(&file).expect("a safetensors file");
    let mut views: Vec<_> = parsed.tensors().into_iter().filter(|(of, _)| of != name).collect();
    assert_eq!(views.len() + 1, parsed.len(), "{name}");
    if let Some((dtype, shape, bytes)) = &with {
        views.push((name.to_owned(), TensorView::new(*dtype, shape.clone(), bytes).expect("it is whole")));
    }
    safetensors::serialize(views, None).expect("it can be written")
}

#[test]
fn damaged_checkpoints_are_refused_by_the_tensor() {
    let load = |file: &[u8]| Model::from_bytes(file, NAME);
    let stage = "image_encoder.trunk.body.stages_2.";
    for name in [
        &format!("{stage}blocks.13.token_mixer.conv.bn.running_var"),
        &format!("{stage}blocks.4.se.fc1.weight"),
        "spatial_perceiver.layers.1.ff.3.weight",
    ] {
        let error = load(&edited(name, None)).expect_err("a tensor is missing");
        assert!(matches!(&error, LoadError::MissingTensor { name: found, .. } if found == name), "{error}");
    }
    // Counters are not needed, whatever they hold.
    let counter = format!("{stage}blocks.0.token_mixer.conv.bn.num_batches_tracked");
    assert!(load(&edited(&counter, None)).is_ok());
    let large = (Dtype::I64, vec![], i64::MAX.to_le_bytes().to_vec());
    assert!(load(&edited(&counter, Some(large))).is_ok());
    // Keys and values must be the halves of one tensor.
    for (shape, len) in [(vec![127, 64], 127 * 64), (vec![128, 63], 128 * 63), (vec![8192], 8192)] {
        let wrong = (Dtype::F32, shape, vec![0; 4 * len]);
        let error = load(&edited("spatial_perceiver.layers.0.attn.to_kv.weight", Some(wrong)));
        let error = error.expect_err("the shape is wrong").to_string();
        assert!(error.contains("spatial_perceiver.layers.0.attn.to_k"), "{error}");
    }
    let nan = (Dtype::F32, vec![48], [f32::NAN.to_le_bytes(); 48].concat());
    let error = load(&edited("image_encoder.trunk.body.stem.conv2.bn.running_var", Some(nan)));
    assert!(matches!(error, Err(LoadError::BadValue { .. })));
    let negative = (Dtype::F32, vec![48], [(-1.0_f32).to_le_bytes(); 48].concat());
    let error = load(&edited("image_encoder.trunk.body.stem.conv2.bn.running_var", Some(negative)));
    let error = error.expect_err("no variance is negative");
    assert!(matches!(&error, LoadError::BadValue { name, .. } if name.ends_with("running_var")), "{error}");
}
