//! Conversion of checkpoints between Meta's `.pt`, Meta's names and Hugging Face's: round trips give the same
//! bytes, and every file the same model.

use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::SafeTensors;
use sam2_model::Model;
use sam2_model::convert::{ConvertOptions, DType, Naming, convert};
use sam2_model::error::ConvertError;
use sam2_tests::seeded;

fn micro() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../assets/sam2.1_micro.safetensors")
}

fn options(naming: Option<Naming>, precision: Option<DType>) -> ConvertOptions {
    ConvertOptions::default().naming(naming).precision(precision)
}

/// Name, type, shape and bytes of every tensor.
fn tensors(path: &Path) -> Vec<(String, String, Vec<usize>, Vec<u8>)> {
    let file = std::fs::read(path).expect("it is there");
    let parsed = SafeTensors::deserialize(&file).expect("a safetensors file");
    let mut all: Vec<_> = parsed
        .tensors()
        .into_iter()
        .map(|(name, t)| (name, format!("{:?}", t.dtype()), t.shape().to_vec(), t.data().to_vec()))
        .collect();
    all.sort();
    all
}

fn metadata(path: &Path, key: &str) -> Option<String> {
    let file = std::fs::read(path).expect("it is there");
    SafeTensors::read_metadata(&file).expect("a header").1.metadata().as_ref()?.get(key).cloned()
}

#[test]
fn round_trips_give_the_same_bytes_and_every_file_the_same_model() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = |name: &str| folder.path().join(name);
    let start = micro();
    let model = Model::open(&start).expect("it loads");
    let (meta, hf) = (Some(Naming::Meta), Some(Naming::HuggingFace));
    let steps: [(PathBuf, PathBuf, Option<Naming>); 5] = [
        (start.clone(), at("hf.safetensors"), hf),
        (at("hf.safetensors"), at("a.pt"), None),
        (at("a.pt"), at("meta.safetensors"), meta),
        (at("a.pt"), at("hf_again.safetensors"), hf),
        (at("hf.safetensors"), at("b.safetensors"), meta),
    ];
    for (from, to, naming) in &steps {
        let mut last = (0, 1);
        convert(from, to, options(*naming, None), |done, total| last = (done, total))
            .expect("it is converted");
        assert_eq!(last.0, last.1, "progress ends at the end");
        let found = Model::open(to).expect("it loads");
        assert_eq!(found.fingerprint(), model.fingerprint(), "{}", to.display());
        assert_eq!(found.config(), model.config());
    }
    assert_eq!(tensors(&at("meta.safetensors")), tensors(&start));
    assert_eq!(tensors(&at("b.safetensors")), tensors(&start));
    assert_eq!(tensors(&at("hf_again.safetensors")), tensors(&at("hf.safetensors")));
    for name in ["hf.safetensors", "meta.safetensors", "b.safetensors"] {
        assert_eq!(metadata(&at(name), "sam2.config"), metadata(&start, "sam2.config"), "{name}");
    }
    assert_eq!(metadata(&at("hf.safetensors"), "format").as_deref(), Some("pt"));
}

#[test]
fn weights_are_rounded_to_nearest_even() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let start = folder.path().join("tiny.safetensors");
    std::fs::write(&start, seeded::checkpoint("sam2.1_hiera_tiny")).expect("write");
    let expected = tensors(&start);
    for (precision, name) in [(DType::F16, "F16"), (DType::BF16, "BF16"), (DType::F32, "F32")] {
        let to = folder.path().join(format!("{name}.safetensors"));
        convert(&start, &to, options(None, Some(precision)), |_, _| ()).expect("it is converted");
        for (found, expected) in tensors(&to).iter().zip(&expected) {
            assert_eq!((&found.0, &found.2), (&expected.0, &expected.2));
            assert_eq!(found.1, name);
            let rounded: Vec<u8> = expected
                .3
                .as_chunks()
                .0
                .iter()
                .flat_map(|&b| {
                    let value = f32::from_le_bytes(b);
                    match precision {
                        DType::F32 => b.to_vec(),
                        DType::F16 => f16::from_f32(value).to_le_bytes().to_vec(),
                        DType::BF16 => bf16::from_f32(value).to_le_bytes().to_vec(),
                    }
                })
                .collect();
            assert_eq!(found.3, rounded, "{}", found.0);
        }
        // Converting back to f32 in the other formats loses nothing more.
        let (pt, wide) = (folder.path().join("x.pt"), folder.path().join("wide.safetensors"));
        convert(&to, &pt, ConvertOptions::default(), |_, _| ()).expect("it is converted");
        convert(&pt, &wide, options(Some(Naming::HuggingFace), Some(DType::F32)), |_, _| ())
            .expect("it is converted");
        let print = |path: &Path| Model::open(path).expect("it loads").fingerprint();
        assert_eq!(print(&wide), print(&to), "{name}");
    }
}

#[test]
fn impossible_conversions_are_refused_and_leave_no_file() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = |name: &str| folder.path().join(name);
    let copy = at("copy.safetensors");
    std::fs::copy(micro(), &copy).expect("copy");
    let go = |from: &Path, to: &Path, options| convert(from, to, options, |_, _| ()).expect_err("refused");
    let plain = ConvertOptions::default();
    let linked = at("link.safetensors");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&copy, &linked).expect("link");
        assert!(matches!(go(&copy, &linked, plain.clone()), ConvertError::SameFile(_)));
    }
    assert!(matches!(go(&copy, &copy, plain.clone()), ConvertError::SameFile(_)));
    let hf = options(Some(Naming::HuggingFace), None);
    assert!(matches!(go(&copy, &at("x.pt"), hf.clone()), ConvertError::TorchNaming(_)));
    assert!(matches!(go(&at("absent.pt"), &at("x.pt"), plain.clone()), ConvertError::Load(_)));
    assert!(matches!(go(&copy, &at("absent/x.pt"), plain), ConvertError::Write { .. }));

    let edited = |name: &str, tensor: &str, values: [f32; 1]| {
        let bytes = values[0].to_le_bytes();
        let view =
            |b| safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1], b).expect("one");
        let file = std::fs::read(&copy).expect("it is there");
        let parsed = SafeTensors::deserialize(&file).expect("a safetensors file");
        let mut all = parsed.tensors();
        all.push((tensor.to_owned(), view(&bytes)));
        std::fs::write(at(name), safetensors::serialize(all, None).expect("it can be written"))
            .expect("write");
        at(name)
    };
    let large = edited("large.safetensors", "x", [70000.0]);
    let error = go(&large, &at("x.safetensors"), options(None, Some(DType::F16)));
    assert!(matches!(&error, ConvertError::TooLarge { name, .. } if name == "x"), "{error}");
    let foreign = edited("foreign.safetensors", "memory_encoder.layer_norm.weight", [1.0]);
    let error = go(&foreign, &at("x.safetensors"), hf);
    assert!(error.to_string().contains("memory_encoder.layer_norm.weight"), "{error}");
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .expect("list")
        .map(|entry| entry.expect("entry").file_name())
        .filter(|name| name.to_string_lossy().starts_with(['x', '.']))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
