//! Whole files, in the current format and in that before PyTorch 1.6.

use super::python::{Py, dict, pickle, storage, text, view};

/// A zip archive of uncompressed entries, without zip64 records.
pub fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let header = file.len() as u32;
        let sizes = [data.len() as u32; 2].map(u32::to_le_bytes).concat();
        let mut common = vec![0; 10];
        common.extend([0; 4]);
        common.extend(&sizes);
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0; 2]);
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend(name.bytes());
        file.extend(*data);
        directory.extend(b"PK\x01\x02\0\0");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(header.to_le_bytes());
        directory.extend(name.bytes());
    }
    let start = file.len() as u32;
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([entries.len() as u16; 2].map(u16::to_le_bytes).concat());
    file.extend([directory.len() as u32, start].map(u32::to_le_bytes).concat());
    file.extend([0; 2]);
    file
}

/// A file of `torch.save` with this object and storages `0`, `1`, ...
pub fn archive(object: &Py, storages: &[Vec<u8>], protocol: u8) -> Vec<u8> {
    let pickle = pickle(object, protocol);
    let names: Vec<String> = (0..storages.len()).map(|i| format!("m/data/{i}")).collect();
    let mut entries: Vec<(&str, &[u8])> = vec![("m/data.pkl", &pickle), ("m/byteorder", b"little")];
    entries.extend(names.iter().map(String::as_str).zip(storages.iter().map(Vec::as_slice)));
    zip(&entries)
}

/// As [`archive`], in the format before PyTorch 1.6, with storages of `f32`.
pub fn legacy(object: &Py, storages: &[Vec<u8>], protocol: u8) -> Vec<u8> {
    let magic = match protocol {
        0 | 1 => b"L119547037146038801333356L\n".to_vec(),
        _ => b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19".to_vec(),
    };
    let machine = dict(vec![("protocol_version", Py::Int(1001)), ("little_endian", Py::True)]);
    let keys = Py::List((0..storages.len()).map(|i| text(&i.to_string())).collect());
    let parts = [&Py::Raw(magic), &Py::Int(1001), &machine, object, &keys];
    let mut file: Vec<u8> = parts.iter().flat_map(|part| pickle(part, protocol)).collect();
    for storage in storages {
        file.extend((storage.len() as u64 / 4).to_le_bytes());
        file.extend(storage);
    }
    file
}

/// Names that every model has.
pub const NAMES: [&str; 4] =
    ["maskmem_tpos_enc", "no_mem_embed", "sam_mask_decoder.iou_token.weight", "no_obj_ptr"];

/// A dict of tensors of three numbers, the first of which is `first`, with names behind `prefix`; their
/// storages are added to `storages`.
pub fn state_dict(prefix: &str, first: f32, legacy: bool, storages: &mut Vec<Vec<u8>>) -> Py {
    let entries = NAMES.iter().map(|name| {
        let tensor = tensor(first, legacy, storages);
        (text(&format!("{prefix}{name}")), tensor)
    });
    let entries = entries.collect();
    let ordered = super::python::call("collections", "OrderedDict", Vec::new());
    let metadata = dict(vec![("_metadata", dict(vec![("", dict(vec![("version", Py::Int(1))]))]))]);
    Py::Build(Box::new(Py::SetItems(Box::new(ordered), entries)), Box::new(metadata))
}

/// A tensor of three numbers.
pub fn tensor(first: f32, legacy: bool, storages: &mut Vec<Vec<u8>>) -> Py {
    let key = storages.len().to_string();
    storages.push([first, 2.0, 3.0].iter().flat_map(|x| x.to_le_bytes()).collect());
    view(storage("FloatStorage", &key, 3, legacy), 0, &[3], &[1])
}
