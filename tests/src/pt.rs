//! Checkpoints in the layout of `torch.save`, for tests of the reader: whole files, and parts to damage.

/// A zip archive of uncompressed entries: sizes only in the central directory, payloads aligned to 64 bytes,
/// zip64 records at the end.
#[must_use]
pub fn zip(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for (name, data) in entries {
        let header = file.len() as u32;
        let padding = (128 - (file.len() + 30 + name.len() + 4) % 64) % 64;
        file.extend(b"PK\x03\x04\0\0\x08\x08\0\0\0\0\0\0");
        file.extend([0; 12]);
        file.extend((name.len() as u16).to_le_bytes());
        file.extend((padding as u16 + 4).to_le_bytes());
        file.extend(name.as_bytes());
        file.extend(b"FB");
        file.extend((padding as u16).to_le_bytes());
        file.extend(std::iter::repeat_n(b'Z', padding));
        file.extend(data);
        file.extend(b"PK\x07\x08\0\0\0\0");
        file.extend([data.len() as u32, data.len() as u32].map(u32::to_le_bytes).concat());
        directory.extend(b"PK\x01\x02\0\0\0\0\x08\x08\0\0\0\0\0\0\0\0\0\0");
        directory.extend([data.len() as u32, data.len() as u32].map(u32::to_le_bytes).concat());
        directory.extend((name.len() as u16).to_le_bytes());
        directory.extend([0; 12]);
        directory.extend(header.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (count, start) = (entries.len() as u64, file.len() as u64);
    file.extend(&directory);
    let record = file.len() as u64;
    file.extend(b"PK\x06\x06");
    file.extend(44_u64.to_le_bytes());
    file.extend([0; 12]);
    file.extend([count, count, directory.len() as u64, start].map(u64::to_le_bytes).concat());
    file.extend(b"PK\x06\x07\0\0\0\0");
    file.extend(record.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([count as u16; 2].map(u16::to_le_bytes).concat());
    file.extend([directory.len() as u32, start as u32].map(u32::to_le_bytes).concat());
    file.extend([0; 2]);
    file
}

/// `BINUNICODE`.
#[must_use]
pub fn text(text: &str) -> Vec<u8> {
    [b"X", (text.len() as u32).to_le_bytes().as_slice(), text.as_bytes()].concat()
}

/// A tuple of numbers.
#[must_use]
pub fn tuple(values: &[usize]) -> Vec<u8> {
    let items: Vec<u8> = values.iter().flat_map(|&value| int(value)).collect();
    [b"(", items.as_slice(), b"t"].concat()
}

fn int(value: usize) -> Vec<u8> {
    match i32::try_from(value) {
        Ok(small) => [b"J", small.to_le_bytes().as_slice()].concat(),
        Err(_) => panic!("{value} needs another opcode"),
    }
}

/// A call of `_rebuild_tensor_v2` on a view of an `f32` storage.
#[must_use]
pub fn view(key: &str, count: usize, offset: usize, shape: &[usize], strides: &[usize]) -> Vec<u8> {
    [
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        b"ctorch\nFloatStorage\n".to_vec(),
        text(key),
        text("cuda:0"),
        int(count),
        b"tQ".to_vec(),
        int(offset),
        tuple(shape),
        tuple(strides),
        b"\x89ccollections\nOrderedDict\n)RtR".to_vec(),
    ]
    .concat()
}

/// The pickle of `{"model": {name: value, ..}}` with `values` already pickled.
#[must_use]
pub fn pickle(values: &[(String, Vec<u8>)]) -> Vec<u8> {
    let items: Vec<u8> =
        values.iter().flat_map(|(name, value)| [text(name), value.clone()].concat()).collect();
    [b"\x80\x02}".to_vec(), text("model"), b"}(".to_vec(), items, b"us.".to_vec()].concat()
}

/// A whole file: the pickle and the storages `0`, `1`, ...
#[must_use]
pub fn archive(pickle: Vec<u8>, storages: Vec<Vec<u8>>) -> Vec<u8> {
    let mut entries = vec![("m/data.pkl".to_owned(), pickle), ("m/byteorder".to_owned(), b"little".to_vec())];
    entries.extend(storages.into_iter().enumerate().map(|(i, bytes)| (format!("m/data/{i}"), bytes)));
    zip(&entries)
}

/// Contiguous `f32` tensors of name, shape and bytes, each with its own storage.
#[must_use]
pub fn checkpoint(tensors: Vec<(String, Vec<usize>, Vec<u8>)>) -> Vec<u8> {
    let mut values = Vec::new();
    let mut storages = Vec::new();
    for (name, shape, bytes) in tensors {
        let strides: Vec<usize> = (1..=shape.len()).map(|axis| shape[axis..].iter().product()).collect();
        values.push((name, view(&storages.len().to_string(), bytes.len() / 4, 0, &shape, &strides)));
        storages.push(bytes);
    }
    archive(pickle(&values), storages)
}
