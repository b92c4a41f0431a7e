//! Files of `torch.save` are read exactly; anything that it never writes is an error.

use std::path::PathBuf;

use proptest::prelude::*;

use super::pickle::Pickle;
use super::reader;
use super::zip::Archive;
use crate::weights::fault::Fault;
use crate::weights::select::{Group, Listing};
use crate::weights::source::Source;

mod files;
mod python;
mod training;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/pt").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All dicts of a file.
fn all(file: &[u8]) -> Result<Listing<'_>, Fault> {
    reader::read_dicts(Source::Memory(file), &|_| true)
}

/// The dict of a file at this path.
fn group<'f>(file: &'f [u8], path: &str) -> Group<'f> {
    let groups = all(file).expect("it is read").groups;
    groups.into_iter().find(|group| group.path == path).expect("there is such a dict")
}

fn reason(fault: Fault) -> String {
    match fault {
        Fault::Damaged(reason) | Fault::Foreign(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_of_torch_save_are_read_value_by_value() {
    let expected: serde_json::Value = serde_json::from_slice(&fixture("values.json")).expect("JSON");
    let expected = expected.as_object().expect("a map");
    for name in ["plain.pt", "training.pt"] {
        let file = fixture(name);
        let tensors = group(&file, "model").tensors;
        assert_eq!(tensors.len(), expected.len());
        for (tensor, facts) in expected {
            let found = &tensors[tensor];
            let list = |key: &str| facts[key].as_array().expect("a list").clone();
            let shape: Vec<usize> =
                list("shape").iter().map(|v| v.as_u64().expect("a size") as usize).collect();
            let values: Vec<f32> =
                list("values").iter().map(|v| v.as_f64().expect("a number") as f32).collect();
            assert_eq!(found.shape, shape, "{name}: {tensor}");
            assert_eq!(found.values().expect("a float type"), values, "{name}: {tensor}");
        }
    }
}

#[test]
fn a_module_with_metadata_and_integer_buffers_is_read() {
    let file = fixture("module.pt");
    let tensors = group(&file, "model").tensors;
    assert_eq!(tensors["fc.weight"].values().expect("floats"), [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]);
    let steps = &tensors["norm.num_batches_tracked"];
    assert!(!steps.element.is_float() && steps.element.name == "I64");
    assert!(steps.values().is_err());
}

#[test]
fn a_bare_dict_and_the_older_format_are_read() {
    for name in ["bare.pt", "legacy.pt"] {
        let file = fixture(name);
        assert!(reader::recognised(&file));
        let groups = all(&file).expect("it is read").groups;
        assert!(groups.iter().any(|group| !group.tensors.is_empty()), "{name}");
    }
}

#[test]
fn opcodes_outside_the_protocols_are_refused() {
    let known = b"(.012FIJKLMNPQRSTUVXabcdeghijloprqstu}])GBC";
    let buffers = [0x97, 0x98];
    for opcode in 0..=255_u8 {
        let bytes = [b"\x80\x02", [opcode].as_slice(), &[0; 64]].concat();
        let error = reason(Pickle::parse(&bytes).err().expect("it is not whole"));
        let is_known = known.contains(&opcode) || (0x80..=0x98).contains(&opcode);
        let is_refused = error.contains(&format!("unknown opcode 0x{opcode:02x}"));
        assert_eq!(is_refused, !is_known, "0x{opcode:02x}: {error}");
        assert_eq!(error.contains("never writes"), buffers.contains(&opcode), "0x{opcode:02x}: {error}");
    }
}

#[test]
fn pickles_that_only_an_attacker_writes_are_refused() {
    let deep = [b"\x80\x02".to_vec(), vec![b'('; 1 << 20], b".".to_vec()].concat();
    let wide = [b"\x80\x02".to_vec(), vec![b']'; 2 << 20], b".".to_vec()].concat();
    let many = [b"\x80\x02".to_vec(), b"]0".repeat(3 << 20), b".".to_vec()].concat();
    let cases: [(&[u8], &str); 14] = [
        (b"", "cut short"),
        (b"\x80\x06.", "protocol 6"),
        (b"\x80\x02", "cut short"),
        (b"\x80\x02}", "cut short"),
        (b"\x80\x02}}.", "does not end"),
        (b"\x80\x02}.}", "does not end"),
        (b"\x80\x02(}.", "does not end"),
        (b"\x80\x020", "closes what it never opened"),
        (b"\x80\x02X\xff\xff\xff\xffabc.", "cut short"),
        (b"\x80\x02j\xff\xff\xff\x7f.", "memo entry 2147483647"),
        (b"\x80\x02q\0.", "takes more"),
        (&deep, "too deeply"),
        (&wide, "too deeply"),
        (&many, "more than 2097152 objects"),
    ];
    for (bytes, word) in cases {
        let error = reason(Pickle::parse(bytes).err().expect("it is refused"));
        assert!(error.contains(word) && !error.contains('\n'), "{word}: {error}");
    }
}

/// An object that contains itself, under the largest memo id, is read without an endless loop.
#[test]
fn cycles_and_large_memo_ids_are_harmless() {
    let cyclic = b"\x80\x02}r\xff\xff\xff\xffX\x05\0\0\0modelj\xff\xff\xff\xffs.";
    assert!(Pickle::parse(cyclic).is_ok());
    let list = b"\x80\x02]q\0h\0a.";
    assert!(Pickle::parse(list).is_ok());
}

/// Every error is one line.
fn attempt(bytes: &[u8]) {
    for reason in
        [all(bytes).err(), reader::read(Source::Memory(bytes), false).err()].into_iter().flatten().map(reason)
    {
        assert!(!reason.contains('\n') && reason.len() < 600, "{reason}");
    }
}

#[test]
fn files_cut_anywhere_are_refused() {
    let file = fixture("training.pt");
    for len in 0..file.len() {
        assert!(all(&file[..len]).is_err(), "cut to {len} bytes");
    }
}

#[test]
fn no_flipped_bit_makes_it_panic() {
    let file = fixture("training.pt");
    for at in 0..file.len() {
        let mut flipped = file.clone();
        flipped[at] ^= 1 << (at % 8);
        attempt(&flipped);
        flipped[at] = 0xff;
        attempt(&flipped);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_no_pickle_that_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Pickle::parse(&bytes);
    }

    #[test]
    fn any_opcodes_are_no_pickle_that_panics(
        picks in prop::collection::vec((0..33_usize, 0..4_u8), 0..120),
    ) {
        let parts: [&[u8]; 33] = [
            b".", b"(", b"}", b"]", b")", b"t", b"N", b"\x81", b"\x85", b"\x86", b"\x87",
            b"\x88", b"\x8f", b"J\xff\xff\xff\xff",
            b"K\x05", b"M\x05\x01", b"G\0\0\0\0\0\0\0\0", b"X\x01\0\0\0x", b"U\x01y",
            b"\x8a\x01\x80", b"ctorch\nSize\n",
            b"ccollections\nOrderedDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n",
            b"ctorch\nHalfStorage\n", b"R",
            b"b", b"a", b"e", b"s", b"u", b"Q", b"q", b"h",
        ];
        let mut bytes = b"\x80\x02".to_vec();
        for (pick, id) in picks {
            bytes.extend_from_slice(parts[pick]);
            if pick >= 31 {
                bytes.push(id);
            }
        }
        let _ = Pickle::parse(&bytes);
    }

    #[test]
    fn any_bytes_are_no_archive_that_panics(
        edits in prop::collection::vec((0..4059_usize, any::<u8>()), 1..20),
        tail in 0..200_usize,
    ) {
        let mut file = fixture("training.pt");
        let len = file.len();
        for (at, value) in edits {
            // Half of the edits are in the directory.
            let at = if value % 2 == 0 { at % len } else { len - 1 - at % (tail + 1) };
            file[at] = value;
        }
        attempt(&file);
        if let Ok(archive) = Archive::parse(Source::Memory(&file)) {
            archive.names().for_each(|name| { let _ = archive.get(name); });
        }
    }
}
