//! Files of `torch.save` are read exactly; anything that it never writes is an error.

use std::path::PathBuf;

use proptest::prelude::*;

use super::pickle::Pickle;
use super::reader;
use super::zip::Archive;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/pt").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn files_of_torch_save_are_read_value_by_value() {
    let expected: serde_json::Value = serde_json::from_slice(&fixture("values.json")).expect("JSON");
    let expected = expected.as_object().expect("a map");
    for name in ["plain.pt", "training.pt"] {
        let file = fixture(name);
        let (tensors, _) = reader::read(&file).expect("it is read");
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
    let (tensors, _) = reader::read(&file).expect("it is read");
    assert_eq!(tensors["fc.weight"].values().expect("floats"), [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]);
    let steps = &tensors["norm.num_batches_tracked"];
    assert_eq!((steps.element.name.as_str(), steps.values()), ("I64", None));
}

#[test]
fn other_files_of_torch_save_are_named() {
    let error = |name: &str| reader::read(&fixture(name)).expect_err("it has no model");
    assert!(error("bare.pt").contains("no dict \"model\""));
    assert!(reader::recognised(&fixture("legacy.pt")) && error("legacy.pt").contains("before 1.6"));
}

#[test]
fn opcodes_outside_the_list_are_refused() {
    let allowed = b".(}])tN\x80\x81\x85\x86\x87\x88\x89\x8a\x8fJKMGXUqrhjcRbaesuQ";
    for opcode in 0..=255_u8 {
        let bytes = [b"\x80\x02", [opcode].as_slice(), &[0; 64]].concat();
        let error = Pickle::parse(&bytes).err().expect("it is not whole");
        assert_eq!(
            error.contains(&format!("opcode 0x{opcode:02x},")),
            !allowed.contains(&opcode),
            "0x{opcode:02x}: {error}"
        );
    }
}

#[test]
fn pickles_that_only_an_attacker_writes_are_refused() {
    let deep = [b"\x80\x02".to_vec(), vec![b'('; 1 << 20], b".".to_vec()].concat();
    let wide = [b"\x80\x02".to_vec(), vec![b']'; 2 << 20], b".".to_vec()].concat();
    let many = [b"\x80\x02".to_vec(), b"]0".repeat(8), b".".to_vec()].concat();
    let cases: [(&[u8], &str); 18] = [
        (b"", "cut short"),
        (b"\x80\x04.", "protocol 4"),
        (b"\x80\x02", "cut short"),
        (b"\x80\x02}", "cut short"),
        (b"\x80\x02}}.", "does not end"),
        (b"\x80\x02}.}", "does not end"),
        (b"\x80\x02(}.", "does not end"),
        (b"\x80\x02}(0", "0x30"),
        (b"\x80\x02X\xff\xff\xff\xffabc.", "cut short"),
        (b"\x80\x02X\x01\0\0\0\xff.", "UTF-8"),
        (b"\x80\x02j\xff\xff\xff\x7f.", "memo entry 2147483647"),
        (b"\x80\x02q\0.", "takes more"),
        (b"\x80\x02cos\nsystem\n(X\x02\0\0\0lstR.", "os.system"),
        (b"\x80\x02c__builtin__\nev\x07al\n.", "ev\\u{7}al"),
        (b"\x80\x02ctorch\nFloatStorage\n)R.", "calls"),
        (&deep, "too deeply"),
        (&wide, "too deeply"),
        (&many, "0x30"),
    ];
    for (bytes, word) in cases {
        let error = Pickle::parse(bytes).err().expect("it is refused");
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
    if let Err(reason) = reader::read(bytes) {
        assert!(!reason.contains('\n') && reason.len() < 600, "{reason}");
    }
}

#[test]
fn files_cut_anywhere_are_refused() {
    let file = fixture("training.pt");
    for len in 0..file.len() {
        assert!(reader::read(&file[..len]).is_err(), "cut to {len} bytes");
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
        if let Ok(archive) = Archive::parse(&file) {
            archive.names().for_each(|name| { let _ = archive.get(name); });
        }
    }
}
