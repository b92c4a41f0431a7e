//! Meta's `.pt` files give the same model as safetensors, to the bit; damaged and hostile files are refused
//! in one line.

use std::path::PathBuf;

use safetensors::SafeTensors;
use sam2_model::Model;
use sam2_model::advanced::{Tap, Workspace};
use sam2_model::error::LoadError;
use sam2_tests::{micro, pt, seeded};

const TINY: &str = "sam2.1_hiera_tiny";

/// The seeded checkpoint in the layout of `torch.save`.
fn seeded_pt(model: &str) -> Vec<u8> {
    let bytes = seeded::checkpoint(model);
    let parsed = SafeTensors::deserialize(&bytes).expect("it is a safetensors file");
    let tensors = parsed.tensors().into_iter();
    pt::checkpoint(tensors.map(|(name, view)| (name, view.shape().to_vec(), view.data().to_vec())).collect())
}

/// "Download it again" is said of damaged files only.
fn refused(bytes: &[u8], words: &[&str]) {
    let error = Model::from_bytes(bytes, "broken.pt").expect_err("must not load");
    let message = error.to_string();
    assert!(message.starts_with("broken.pt: ") && !message.contains('\n'), "{message}");
    match error {
        LoadError::Format { kind: "PyTorch", .. } => {
            assert!(message.contains("download it again"), "{message}")
        }
        LoadError::NotACheckpoint { .. } => assert!(!message.contains("download"), "{message}"),
        _ => panic!("{message}"),
    }
    assert!(words.iter().all(|word| message.contains(word)), "{words:?}: {message}");
}

/// A name that every model has, so that the dict with it is read.
const NAME: &str = "no_mem_embed";

/// Hash of every bit of every recorded tensor.
#[derive(Default)]
struct Fingerprint(u64);

impl Tap for Fingerprint {
    fn enabled(&self) -> bool {
        true
    }
    fn record(&mut self, name: &str, _: &[usize], data: &[f32]) {
        for bits in data.iter().map(|v| u64::from(v.to_bits())) {
            self.0 = (self.0 ^ bits).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(23);
        }
        self.0 ^= seeded::fnv1a64(name.as_bytes());
    }
}

/// Compares the image encoder's results; the reader's own tests cover the other tensors.
#[test]
fn a_seeded_pt_equals_its_safetensors_twin() {
    let image = seeded::draw("image", 1024 * 1024 * 3, 0.0, 1.0);
    let fingerprint = |bytes: &[u8]| {
        let model = Model::from_bytes(bytes, TINY).expect("it loads");
        assert_eq!(model.summary().variant, "SAM 2.1 tiny");
        assert_eq!(model.summary().dtypes, "F32 471");
        let mut seen = Fingerprint::default();
        model.encode(&mut Workspace::default(), &mut seen, &image);
        assert_ne!(seen.0, 0);
        seen.0
    };
    assert_eq!(fingerprint(&seeded_pt(TINY)), fingerprint(&seeded::checkpoint(TINY)));
}

#[test]
fn a_pt_of_another_size_is_refused_by_its_trunk() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../assets/sam2.1_micro.safetensors");
    let bytes = std::fs::read(&path).expect("the embedded model is in assets/");
    let parsed = SafeTensors::deserialize(&bytes).expect("it is a safetensors file");
    let tensors = parsed.tensors().into_iter().map(|(name, view)| {
        let values = view.data().as_chunks().0.iter().map(|&b| half::f16::from_le_bytes(b).to_f32());
        (name, view.shape().to_vec(), values.flat_map(f32::to_le_bytes).collect())
    });
    let error =
        Model::from_bytes(&pt::checkpoint(tensors.collect()), "micro.pt").expect_err("no configuration");
    assert!(matches!(error, LoadError::UnknownModel { .. }), "{error}");
}

/// A file with one tensor.
fn one(value: Vec<u8>, storage: usize) -> Vec<u8> {
    pt::archive(pt::pickle(&[(NAME.to_owned(), value)]), vec![vec![0; storage]])
}

#[test]
fn tensors_that_do_not_fit_their_storage_are_refused() {
    let view =
        |count, offset, shape: &[usize], strides: &[usize]| pt::view("0", count, offset, shape, strides);
    let big = 0x7fff_ffff;
    for (value, word) in [
        (view(6, 0, &[7], &[1]), "outside its storage"),
        (view(6, 6, &[1], &[1]), "outside its storage"),
        (view(6, 1, &[2, 3], &[3, 1]), "outside its storage"),
        (view(6, 0, &[2, 2], &[big, big]), "outside its storage"),
        (view(6, 0, &[big, big, big], &[0, 0, 0]), "outside its storage"),
        (view(6, 0, &[big, big], &[0, 0]), "bytes in a file of"),
        (view(6, 0, &[0, big, big, big, big], &[0; 5]), "outside its storage"),
        (view(6, 0, &[2, 3], &[1]), "2 axes but 1 strides"),
        (view(6, 0, &[1; 9], &[1; 9]), "9 axes"),
        (view(5, 0, &[1], &[1]), "24 bytes, 5 elements"),
        (view(big, 0, &[1], &[1]), "24 bytes"),
        (pt::view("1", 6, 0, &[6], &[1]), "not in the file"),
        (pt::view("../x\n", 6, 0, &[6], &[1]), "not in the file"),
    ] {
        refused(&one(value, 24), &["tensor", word]);
    }
}

/// 10,000 views of one storage: valid in the format, but 10,000 times its memory.
#[test]
fn overlapping_views_larger_than_the_file_are_refused() {
    let mut values: Vec<_> =
        (0..10_000).map(|i| (format!("t{i}"), pt::view("0", 1024, 0, &[1024, 8], &[1, 0]))).collect();
    values[0].0 = NAME.to_owned();
    refused(&pt::archive(pt::pickle(&values), vec![vec![0; 4096]]), &["bytes in a file of"]);
}

#[test]
fn entries_that_pytorch_never_writes_are_refused() {
    let file = one(pt::view("0", 6, 0, &[6], &[1]), 24);
    // Valid in format; only the tensors are missing.
    let error = Model::from_bytes(&file, "x").expect_err("one tensor is no model");
    assert!(matches!(error, LoadError::UnknownModel { .. }), "{error}");
    let find = |what: &[u8]| file.windows(what.len()).position(|w| w == what).expect("it is there");
    let directory = find(b"PK\x01\x02");
    let spoiled = |at: usize, value: u8| {
        let mut file = file.clone();
        file[at] ^= value;
        file
    };
    for (at, value, words) in [
        (directory + 8, 1, ["encrypted", "data.pkl"]),
        (directory + 10, 8, ["compressed", "method 8"]),
        (directory + 20, 1, ["two different sizes", "data.pkl"]),
        (directory + 42, 1, ["no header", "data.pkl"]),
        (directory + 45, 1, ["outside the file", "data.pkl"]),
        (directory + 47, 1, ["without", "data.pkl"]),
        (directory, 1, ["directory", "damaged"]),
        (find(b"little"), 1, ["byteorder", "neither"]),
        (find(b"m/data.pkl"), 1, ["another name", "data.pkl"]),
        (find(b"PK\x06\x06") + 55, 0x7f, ["outside", "file"]),
        (find(b"PK\x06\x06") + 33, 1, ["directory", "damaged"]),
    ] {
        refused(&spoiled(at, value), &words);
    }
    // A storage whose size, also in the pickle, extends into the next one.
    let values =
        [("0", NAME), ("1", "x")].map(|(key, name)| (name.to_owned(), pt::view(key, 6, 0, &[6], &[1])));
    let mut file = pt::archive(pt::pickle(&values), vec![vec![0; 20], vec![0; 24]]);
    let record = file.windows(8).rposition(|w| w == b"m/data/0").expect("it is in the directory") - 46;
    file[record + 20] = 24;
    file[record + 24] = 24;
    let error = Model::from_bytes(&file, "broken.pt").expect_err("nothing of a model is in it").to_string();
    assert!(!error.contains("overlaps"), "the trailer of an entry is no entry: {error}");
    file[record + 20] = 120;
    file[record + 24] = 120;
    refused(&file, &["overlaps the next one", "m/data/0"]);
    let twice = [("m/data.pkl".to_owned(), Vec::new()), ("m/data.pkl".to_owned(), Vec::new())];
    refused(&pt::zip(&twice), &["two entries"]);
    refused(&pt::zip(&[("m/other".to_owned(), Vec::new())]), &["without data.pkl"]);
    let two = ["a", "b"].map(|folder| (format!("{folder}/data.pkl"), Vec::new()));
    refused(&pt::zip(&two), &["more than one data.pkl"]);
    refused(b"PK\x03\x04 and so on", &["not a whole zip archive"]);
}

#[test]
fn values_that_are_no_tensors_are_refused_or_left() {
    let storage = || vec![vec![0; 24]];
    for pickle in [
        b"\x80\x02}.".to_vec(),
        b"\x80\x02].".to_vec(),
        [b"\x80\x02}", pt::text("model").as_slice(), b"Ns."].concat(),
    ] {
        refused(&pt::archive(pickle, storage()), &["it holds"]);
    }
    // A parameter that contains itself through the memo, and a dict that is its own model.
    let view = pt::view("0", 6, 0, &[6], &[1]);
    let parameter = |inner: Vec<u8>| {
        [b"ctorch._utils\n_rebuild_parameter\n(".to_vec(), inner, b"\x89NtR".to_vec()].concat()
    };
    refused(&one(parameter(parameter(view.clone())), 24), &["not made of a tensor"]);
    let own = [b"\x80\x02}q\0".as_slice(), &pt::text("model"), b"h\0s."].concat();
    refused(&pt::archive(own, storage()), &["it holds the keys model"]);
    let twice = pt::pickle(&[(NAME.to_owned(), view.clone()), (NAME.to_owned(), view)]);
    refused(&pt::archive(twice, storage()), &["twice"]);
}

/// Parts of a checkpoint in several files, and a folder.
#[test]
fn a_checkpoint_in_parts_is_the_same_model() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = |name: &str| folder.path().join(name);
    let bytes = micro::asset(micro::CHECKPOINT);
    let whole = Model::from_bytes(&bytes, "micro").expect("it loads");
    let parsed = SafeTensors::deserialize(&bytes).expect("it is a safetensors file");
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
    let mut names: Vec<&str> = parsed.names();
    names.sort_unstable();
    let mut map = serde_json::Map::new();
    for (i, part) in names.chunks(150).enumerate() {
        let file = format!("model-{i}.safetensors");
        let views = part.iter().map(|&name| (name, parsed.tensor(name).expect("it is there")));
        let part_bytes = safetensors::serialize(views, header.metadata().clone()).expect("it can be written");
        std::fs::write(at(&file), part_bytes).expect("write");
        map.extend(part.iter().map(|&name| (name.to_owned(), serde_json::json!(file))));
    }
    let index = serde_json::json!({"metadata": {"total_size": 1}, "weight_map": map});
    std::fs::write(at("model.safetensors.index.json"), index.to_string()).expect("write");
    for path in [folder.path().to_owned(), at("model.safetensors.index.json")] {
        let model = Model::open(&path).expect("it loads");
        assert_eq!(model.fingerprint(), whole.fingerprint());
        assert_eq!(model.config(), whole.config());
    }
    std::fs::remove_file(at("model-1.safetensors")).expect("remove");
    let error = Model::open(folder.path()).expect_err("a part is missing").to_string();
    assert!(error.contains("model-1.safetensors"), "{error}");
}
