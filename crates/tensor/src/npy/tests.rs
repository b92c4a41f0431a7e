use super::*;
use crate::{bf16, f16};
use proptest::prelude::*;

/// The bytes of a version 1.0 file with this dictionary and data.
fn file(dict: &str, data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(dict.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &len[..], dict.as_bytes(), data].concat()
}

fn error_of(dict: &str, data: &[u8]) -> NpyError {
    read_from(&file(dict, data)[..]).unwrap_err()
}

fn bytes_of<T: Element>(tensor: &Tensor<T>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_to(&mut bytes, &tensor.view()).unwrap();
    bytes
}

fn round_trip<T: Element>(tensor: &Tensor<T>) -> Tensor<T>
where
    Tensor<T>: TryFrom<NpyArray, Error = NpyError>,
{
    read_from(&bytes_of(tensor)[..]).unwrap().try_into().unwrap()
}

#[test]
fn header_is_what_numpy_writes() {
    let bytes = bytes_of(&Tensor::from_vec(&[2, 3], vec![0f32; 6]));
    let dict = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
    assert_eq!(&bytes[10..10 + dict.len()], dict);
    assert_eq!((bytes[127], bytes.len()), (b'\n', 128 + 24));
    assert!(bytes_of(&Tensor::from_vec(&[3], vec![0u8; 3])).windows(4).any(|w| w == b"(3,)"));
    assert!(bytes_of(&Tensor::from_vec(&[], vec![0u8])).windows(2).any(|w| w == b"()"));
}

#[test]
fn every_type_round_trips() {
    let t = Tensor::from_vec(&[2, 1, 2], vec![-1.5f32, f32::MIN_POSITIVE, 3.25, f32::NEG_INFINITY]);
    assert_eq!(round_trip(&t), t);
    let (h, b) = (t.map(|&v| f16::from_f32(v)), t.map(|&v| bf16::from_f32(v)));
    assert_eq!((round_trip(&h), round_trip(&b)), (h, b));
    let d = t.map(|&v| f64::from(v) / 3.0);
    assert_eq!(round_trip(&d), d);
    let i = Tensor::from_vec(&[3], vec![i64::MIN, 0, i64::MAX]);
    assert_eq!(round_trip(&i), i);
    let (u8s, i8s, i32s) = (i.map(|&v| v as u8), i.map(|&v| (v >> 56) as i8), i.map(|&v| (v >> 32) as i32));
    assert_eq!((round_trip(&u8s), round_trip(&i8s), round_trip(&i32s)), (u8s, i8s, i32s));
}

#[test]
fn nan_bits_survive() {
    let t = Tensor::from_vec(&[1], vec![f32::from_bits(0x7fc0_1234)]);
    assert_eq!(round_trip(&t).data()[0].to_bits(), 0x7fc0_1234);
}

#[test]
fn versions_two_and_three_are_read() {
    for version in [2u8, 3] {
        let dict = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }\n";
        let len = (dict.len() as u32).to_le_bytes();
        let bytes = [b"\x93NUMPY", &[version, 0][..], &len, dict.as_bytes(), &[7, 8]].concat();
        let array = read_from(&bytes[..]).unwrap();
        assert_eq!(array, Tensor::from_vec(&[2], vec![7u8, 8]).into());
    }
}

#[test]
fn unusual_but_valid_spellings_are_read() {
    for dict in [
        r#"{"shape": (2, ), "descr": "|b1", "fortran_order": False}"#,
        "{ 'fortran_order' :False,'shape':(2,),'descr':'|u1'}",
    ] {
        assert_eq!(read_from(&file(dict, &[0, 1])[..]).unwrap().dtype(), "u8");
    }
}

#[test]
fn refused_arrays_say_why() {
    let object = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }";
    assert!(matches!(error_of(object, &[0; 8]), NpyError::Pickled));
    for descr in [">c8", "<c8", "<U3", ">>f4", "<b1", "|u2", "<f16", "=f4", ""] {
        let dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (1,), }}");
        let error = error_of(&dict, &[0; 4]);
        assert!(matches!(&error, NpyError::Dtype { descr: d } if d == descr), "{error}");
    }
    let record = "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }";
    assert!(matches!(error_of(record, &[0; 4]), NpyError::Dtype { .. }));
}

/// The header of an array of this type and shape.
fn header(descr: &str, fortran: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}")
}

#[test]
fn arrays_in_fortran_order_are_read_row_by_row() {
    // As np.save writes np.asfortranarray([[0, 1, 2], [3, 4, 5]]).
    let bytes = file(&header("|u1", "True", "(2, 3)"), &[0, 3, 1, 4, 2, 5]);
    assert_eq!(read_from(&bytes[..]).unwrap(), Tensor::from_vec(&[2, 3], vec![0u8, 1, 2, 3, 4, 5]).into());
    // Element [i, j, k] of three axes is at i + 2 j + 6 k.
    let bytes = file(&header("|u1", "True", "(2, 3, 4)"), &(0..24).collect::<Vec<u8>>());
    let array = read_from(&bytes[..]).unwrap();
    for ((i, j), k) in
        (0..2).flat_map(|i| (0..3).map(move |j| (i, j))).flat_map(|ij| (0..4).map(move |k| (ij, k)))
    {
        assert_eq!(array.value(12 * i + 4 * j + k), (i + 2 * j + 6 * k) as f64);
    }
    for (shape, data) in [("()", &[7][..]), ("(3,)", &[7, 8, 9]), ("(0, 4)", &[]), ("(1, 2)", &[7, 8])] {
        let array = read_from(&file(&header("|u1", "True", shape), data)[..]).unwrap();
        assert_eq!(array, read_from(&file(&header("|u1", "False", shape), data)[..]).unwrap());
    }
    assert!(matches!(
        error_of(&header("|u1", "True", "(2, 3)"), &[0; 5]),
        NpyError::Truncated { found: 5, .. }
    ));
}

#[test]
fn big_endian_numbers_are_read() {
    let of = |descr: &str, data: &[u8]| read_from(&file(&header(descr, "False", "(1,)"), data)[..]).unwrap();
    assert_eq!(of(">f4", &1.5f32.to_be_bytes()), Tensor::from_vec(&[1], vec![1.5f32]).into());
    assert_eq!(of(">f8", &(-2.5f64).to_be_bytes()), Tensor::from_vec(&[1], vec![-2.5f64]).into());
    assert_eq!(of(">i4", &(-3i32).to_be_bytes()), Tensor::from_vec(&[1], vec![-3i32]).into());
    assert_eq!(of(">u2", &700u16.to_be_bytes()), Tensor::from_vec(&[1], vec![700i32]).into());
}

#[test]
fn integers_of_other_widths_become_signed_ones() {
    let of = |descr: &str, data: &[u8]| read_from(&file(&header(descr, "False", "(1,)"), data)[..]).unwrap();
    assert_eq!(of("<u2", &u16::MAX.to_le_bytes()), Tensor::from_vec(&[1], vec![65_535i32]).into());
    assert_eq!(of("<i2", &(-9i16).to_le_bytes()), Tensor::from_vec(&[1], vec![-9i32]).into());
    assert_eq!(of("<u4", &u32::MAX.to_le_bytes()), Tensor::from_vec(&[1], vec![4_294_967_295i64]).into());
    assert_eq!(of("<u8", &8u64.to_le_bytes()), Tensor::from_vec(&[1], vec![8i64]).into());
    assert!(matches!(error_of(&header("<u8", "False", "(1,)"), &u64::MAX.to_le_bytes()), NpyError::Beyond));
}

#[test]
fn malformed_headers_are_refused() {
    for dict in [
        "",
        "{",
        "{}",
        "[]",
        "{'descr': '<f4'",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'extra': 1}",
        "{'descr': '<f4, 'fortran_order': False, 'shape': (1,)}",
        "{'é",
    ] {
        let error = error_of(dict, &[0; 4]);
        assert!(matches!(error, NpyError::Header { .. }), "{dict}: {error}");
    }
    let mut invalid_utf8 = file("{'descr'", &[]);
    invalid_utf8[12] = 0xff;
    assert!(matches!(read_from(&invalid_utf8[..]), Err(NpyError::Header { .. })));
}

#[test]
fn foreign_files_are_refused() {
    assert!(matches!(read_from(&b"PK\x03\x04 something else"[..]), Err(NpyError::Magic)));
    assert!(matches!(
        read_from(&b"\x93NUMPY\x04\x00\x00\x00"[..]),
        Err(NpyError::Version { major: 4, minor: 0 })
    ));
    assert!(matches!(read_from(&b"\x93NUM"[..]), Err(NpyError::Io(_))));
}

#[test]
fn hostile_sizes_do_not_allocate() {
    // 4 GiB header, shapes whose product overflows, and 8 TiB of data that never arrive.
    let huge_header = b"\x93NUMPY\x02\x00\xff\xff\xff\xff";
    assert!(matches!(read_from(&huge_header[..]), Err(NpyError::Header { .. })));
    let overflow = "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }";
    assert!(matches!(error_of(overflow, &[0; 4]), NpyError::Header { .. }));
    let not_isize = "{'descr': '<f8', 'fortran_order': False, 'shape': (1152921504606846976,), }";
    assert!(matches!(error_of(not_isize, &[0; 4]), NpyError::Header { .. }));
    let tebibytes = "{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,), }";
    let error = error_of(tebibytes, &[0; 16]);
    assert!(matches!(error, NpyError::Truncated { expected: 8_796_093_022_208, found: 16, .. }), "{error}");
    let zero = "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 18446744073709551615), }";
    assert!(read_from(&file(zero, &[])[..]).unwrap().is_empty());
}

#[test]
fn files_must_end_with_the_data_but_streams_need_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npy");
    let mut bytes = bytes_of(&Tensor::from_vec(&[2], vec![1f32, 2.0]));
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(read_f32(&path).unwrap().data(), [1.0, 2.0]);
    bytes.push(0);
    std::fs::write(&path, &bytes).unwrap();
    let error = read(&path).unwrap_err();
    assert!(matches!(error.root(), NpyError::Trailing));
    assert!(error.to_string().ends_with("a.npy"));
    assert!(read_from(&bytes[..]).is_ok());
}

#[test]
fn typed_read_refuses_other_types() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npy");
    write(&path, &Tensor::from_vec(&[1], vec![1f64]).view()).unwrap();
    let error = read_f32(&path).unwrap_err();
    assert_eq!(error.root().to_string(), "the array has type f64, expected f32");
    assert_eq!(read(&path).unwrap().to_f32_lossy().data(), [1.0]);
    assert!(matches!(read(dir.path().join("none.npy")).unwrap_err().root(), NpyError::Io(_)));
}

proptest! {
    #[test]
    fn arrays_round_trip(dims in prop::collection::vec(0usize..5, 0..5), seed in any::<u32>()) {
        let n = dims.iter().product::<usize>();
        let data: Vec<i32> = (0..n as u32).map(|i| (i ^ seed).wrapping_mul(0x9E37_79B9) as i32).collect();
        let tensor = Tensor::from_vec(&dims, data);
        prop_assert_eq!(round_trip(&tensor), tensor);
    }

    #[test]
    fn truncation_anywhere_is_an_error(cut in 0usize..152) {
        let bytes = bytes_of(&Tensor::from_vec(&[2, 3], vec![1f32; 6]));
        prop_assert!(read_from(&bytes[..cut]).is_err());
    }

    #[test]
    fn arbitrary_headers_never_panic(
        dict in "[{}()\\[\\],:' 0-9a-zA-Z<|é\"-]{0,80}",
        data in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let _ = read_from(&file(&dict, &data)[..]);
    }

    #[test]
    fn flipped_bytes_never_panic(edits in prop::collection::vec((0usize..152, any::<u8>()), 1..5)) {
        let mut bytes = bytes_of(&Tensor::from_vec(&[2, 3], vec![1f32; 6]));
        edits.into_iter().for_each(|(at, value)| bytes[at] = value);
        let _ = read_from(&bytes[..]);
    }
}
