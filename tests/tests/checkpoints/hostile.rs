//! Checkpoints of the other families with one thing wrong, in every naming: refused in one line, or read if
//! what is wrong is not needed.

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use sam2_model::Model;
use sam2_model::config::Config;
use sam2_model::convert::{ConvertOptions, Naming, convert};
use sam2_model::error::LoadError;
use sam2_tests::mutate::mutated;
use sam2_tests::{pt, seeded};

const EDGETAM: &str = "edgetam";
const EFFICIENTTAM: &str = "efficienttam_ti_512x512";
const COUNTER: &str = "num_batches_tracked";

type Tensor = (String, Dtype, Vec<usize>, Vec<u8>);

fn tensors(file: &[u8]) -> Vec<Tensor> {
    let parsed = SafeTensors::deserialize(file).expect("a safetensors file");
    let tensor = |(name, view): (String, TensorView)| {
        (name, view.dtype(), view.shape().to_vec(), view.data().to_vec())
    };
    parsed.tensors().into_iter().map(tensor).collect()
}

/// Loads the tensors, with one in place of that of its name; without one, that is left out.
fn load(tensors: &[Tensor], name: &str, with: Option<&Tensor>, origin: &str) -> Result<(), LoadError> {
    let kept = tensors.iter().filter(|tensor| tensor.0 != name).chain(with);
    let views = kept.map(|(name, dtype, shape, bytes)| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).expect("the bytes fill the shape"))
    });
    let file = safetensors::serialize(views, None).expect("it can be written");
    let loaded = Model::from_bytes(&file, origin).map(|_| ());
    if let Err(error) = &loaded {
        let text = error.to_string();
        assert!(text.starts_with(origin) && !text.contains('\n') && text.len() < 1000, "{text}");
    }
    loaded
}

/// What may be wrong with a tensor; `None` if it is missing.
fn damaged(tensor: &Tensor, kind: usize) -> Option<Tensor> {
    let (name, _, shape, bytes) = tensor.clone();
    let made = |dtype, shape: Vec<usize>, bytes| Some((name.clone(), dtype, shape, bytes));
    let zeros = |dtype: Dtype, shape: Vec<usize>| {
        let count: usize = shape.iter().product();
        made(dtype, shape, vec![0; count * dtype.bitsize() / 8])
    };
    let mut longer = shape.clone();
    longer[0] += 1;
    match kind {
        0 => None,
        // A number without an axis, as counters are.
        1 => zeros(Dtype::I64, vec![]),
        2 => zeros(Dtype::F32, vec![]),
        3 => zeros(Dtype::F32, vec![0]),
        4 => zeros(Dtype::F32, longer),
        5 => made(Dtype::F32, [&[1], shape.as_slice(), &[1]].concat(), bytes),
        6 => zeros(Dtype::I64, shape),
        7 => made(Dtype::F32, shape, f32::NAN.to_le_bytes().repeat(bytes.len() / 4)),
        _ => zeros(Dtype::BOOL, shape),
    }
}

/// Every kind of damage, each to tensors from all parts of the model.
fn attack(tensors: &[Tensor], origin: &str, family: &str) {
    let needed: Vec<&Tensor> = tensors.iter().filter(|tensor| !tensor.0.ends_with(COUNTER)).collect();
    for kind in 0..9 {
        for part in 0..3 {
            let tensor = needed[(part * needed.len() / 3 + kind * 13) % needed.len()];
            let error = load(tensors, &tensor.0, damaged(tensor, kind).as_ref(), origin);
            let error = error.expect_err(&format!("{family}, damage {kind} to {}", tensor.0));
            // A fused tensor is named by one of its parts: what is before its name.
            let text = error.to_string();
            let is_of_no_family = matches!(error, LoadError::UnknownModel { .. } | LoadError::Variant { .. });
            let (path, _) = tensor.0.rsplit_once('.').unwrap_or((&tensor.0, ""));
            let (section, _) = path.rsplit_once('.').unwrap_or((path, ""));
            assert!(
                is_of_no_family || text.contains(section),
                "{family}, damage {kind} to {}: {text}",
                tensor.0
            );
        }
    }
}

#[test]
fn edgetam_with_a_damaged_tensor() {
    attack(&tensors(&seeded::checkpoint(EDGETAM)), EDGETAM, EDGETAM);
}

#[test]
fn efficienttam_with_a_damaged_tensor() {
    attack(&tensors(&seeded::checkpoint(EFFICIENTTAM)), EFFICIENTTAM, EFFICIENTTAM);
}

/// The counters of batch norms have no axis and 64 bits; nothing is computed with them.
#[test]
fn counters_are_ignored_whatever_they_are() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = |file: &str| folder.path().join(file);
    std::fs::write(at("meta.safetensors"), seeded::checkpoint(EDGETAM)).expect("write");
    let options = ConvertOptions::default().naming(Naming::HuggingFace);
    convert(at("meta.safetensors"), at("hf.safetensors"), options, |_, _| ()).expect("it is converted");
    for file in ["meta.safetensors", "hf.safetensors"] {
        let tensors = tensors(&std::fs::read(at(file)).expect("it is there"));
        let counters = || tensors.iter().filter(|tensor| tensor.0.ends_with(COUNTER));
        let count = counters().count();
        assert!(count > 100, "{file}: {count}");
        for (kind, step) in [(0, 5), (2, 7), (3, 11), (6, 13), (8, 17)] {
            let counter = counters().nth(count / step).expect("there are more");
            assert!(counter.2.is_empty() && counter.1 == Dtype::I64, "{}", counter.0);
            let with_axis = (counter.0.clone(), counter.1, vec![1], counter.3.clone());
            let with = damaged(&with_axis, kind);
            load(&tensors, &counter.0, with.as_ref(), EDGETAM).expect("counters are not needed");
        }
    }
}

#[test]
fn hugging_face_names_of_edgetam_with_a_damaged_tensor() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = |file: &str| folder.path().join(file);
    std::fs::write(at("meta.safetensors"), seeded::checkpoint(EDGETAM)).expect("write");
    let options = ConvertOptions::default().naming(Naming::HuggingFace);
    convert(at("meta.safetensors"), at("hf.safetensors"), options, |_, _| ()).expect("it is converted");
    let tensors = tensors(&std::fs::read(at("hf.safetensors")).expect("it is there"));
    for (name, kind) in [
        ("spatial_perceiver.latents_1d", 0),
        ("spatial_perceiver.latents_1d", 3),
        ("spatial_perceiver.layers.0.cross_attention.k_proj.weight", 0),
        ("spatial_perceiver.layers.0.cross_attention.v_proj.weight", 3),
        ("spatial_perceiver.layers.1.cross_attention.k_proj.weight", 4),
        ("spatial_perceiver.layers.1.cross_attention.v_proj.weight", 1),
        ("spatial_perceiver.layers.0.cross_attention.k_proj.weight", 6),
        ("memory_attention.layers.0.mlp.up_proj.weight", 5),
    ] {
        let tensor = tensors.iter().find(|tensor| tensor.0 == name).expect("it is there");
        let error = load(&tensors, name, damaged(tensor, kind).as_ref(), EDGETAM);
        error.expect_err(&format!("damage {kind} to {name}"));
    }
    // One tensor under both names.
    let twice = ("spatial_perceiver.latents".to_owned(), Dtype::F32, vec![256, 64], vec![0; 256 * 64 * 4]);
    load(&tensors, "", Some(&twice), EDGETAM).expect_err("a tensor is there twice");
}

#[test]
fn damaged_configurations_of_the_other_families() {
    let (mut read, mut refused) = (0, 0);
    for name in [EDGETAM, EFFICIENTTAM, "efficienttam_s_1"] {
        let text = Config::named(name).expect("it is published").to_json().into_bytes();
        for case in 0..1500 {
            let text = mutated(&text, text.len(), case);
            match Config::from_json(&String::from_utf8_lossy(&text), "x") {
                Ok(_) => read += 1,
                Err(error) => {
                    let error = error.to_string();
                    assert!(!error.contains('\n') && error.len() < 1000, "{name}, case {case}: {error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(read > 0 && refused > 1000, "{read} read, {refused} refused");
}

/// What a file says of itself does not make another model of it.
#[test]
fn configurations_of_other_models_in_the_metadata() {
    let published = |name: &str| Config::named(name).expect("it is published").to_json();
    let half = published(EDGETAM).chars().take(400).collect::<String>();
    let deep = "[".repeat(100_000);
    let texts = ["", "null", "[]", "{}", "{\"model\": 7}", "\u{feff}", &half, &deep];
    for (model, other) in [(EDGETAM, EFFICIENTTAM), (EDGETAM, "sam2.1_hiera_tiny"), (EFFICIENTTAM, EDGETAM)] {
        let other = published(other);
        for text in texts.iter().copied().chain([other.as_str()]) {
            let file = seeded::checkpoint_with(model, Some(text));
            let error = Model::from_bytes(&file, model).expect_err(&format!("{model} with {text:.40}"));
            let error = error.to_string();
            assert!(!error.contains('\n') && error.len() < 1000, "{error}");
        }
    }
}

/// Counters in a `.pt` are views of storages of 64-bit numbers, without an axis; one of floats is read too.
#[test]
fn counters_in_a_torch_file() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("edgetam.pt");
    let file = |counter: Vec<u8>, storage: Vec<u8>| {
        let (mut values, mut storages) = (Vec::new(), Vec::new());
        for (name, _, shape, bytes) in tensors(&seeded::checkpoint(EDGETAM)) {
            if name.ends_with(COUNTER) {
                values.push((name, counter.clone()));
                continue;
            }
            let strides: Vec<usize> = (1..=shape.len()).map(|axis| shape[axis..].iter().product()).collect();
            let key = (storages.len() + 1).to_string();
            values.push((name, pt::view(&key, bytes.len() / 4, 0, &shape, &strides)));
            storages.push(bytes);
        }
        storages.insert(0, storage);
        std::fs::write(&path, pt::archive(pt::pickle(&values), storages)).expect("write");
        Model::open(&path).map(|model| model.fingerprint())
    };
    let expected = Model::from_bytes(&seeded::checkpoint(EDGETAM), EDGETAM).expect("it loads").fingerprint();
    let longs = |view: Vec<u8>| {
        let at = view.windows(5).position(|part| part == b"Float").expect("a storage of floats");
        [&view[..at], b"Long", &view[at + 5..]].concat()
    };
    let number = longs(pt::view("0", 1, 0, &[], &[]));
    assert_eq!(file(number.clone(), vec![0xff; 8]).expect("it loads"), expected);
    assert_eq!(file(pt::view("0", 1, 0, &[], &[]), vec![0; 4]).expect("it loads"), expected);
    // A view beyond its storage, and a storage that is shorter than it says.
    for (counter, storage) in [
        (longs(pt::view("0", 1, 1, &[], &[])), vec![0; 8]),
        (longs(pt::view("0", 1, 0, &[1 << 30, 1 << 30], &[0, 0])), vec![0; 8]),
        (number, vec![0; 7]),
    ] {
        let error = file(counter, storage).expect_err("the counter is damaged").to_string();
        assert!(error.contains("edgetam.pt") && !error.contains('\n') && error.len() < 1000, "{error}");
    }
}
