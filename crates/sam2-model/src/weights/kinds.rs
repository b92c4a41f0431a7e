//! What a file is that is no checkpoint, by its first bytes: so that the message says more than "damaged".

/// Number of bytes that [`describe`] looks at.
pub(super) const START: usize = 512;

const PICKLE: &str = "it is a pickle that torch.save did not write; load it and save it with torch.save";

/// Beginnings of other formats.
const BEGINNINGS: [(&[u8], &str); 24] = [
    (b"version https://git-lfs", "it is a Git LFS pointer and not the file itself; run git lfs pull"),
    (b"\x1f\x8b", "it is compressed (gzip); unpack it"),
    (b"BZh", "it is compressed (bzip2); unpack it"),
    (b"\xfd7zXZ\0", "it is compressed (xz); unpack it"),
    (b"\x28\xb5\x2f\xfd", "it is compressed (zstd); unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "it is an archive (7z); unpack it"),
    (b"Rar!", "it is an archive (rar); unpack it"),
    (b"PK\x05\x06", "it is an empty zip archive"),
    (b"\x89HDF", "it is an HDF5 file (Keras or MATLAB)"),
    (b"\x93NUMPY", "it is a NumPy array"),
    (b"GGUF", "it is a GGUF file"),
    (b"ggml", "it is a GGML file"),
    (b"lmgg", "it is a GGML file"),
    (b"\x89PNG", "it is a picture (PNG)"),
    (b"\xff\xd8\xff", "it is a picture (JPEG)"),
    (b"GIF8", "it is a picture (GIF)"),
    (b"RIFF", "it is a RIFF file, such as a picture or a video"),
    (b"%PDF", "it is a PDF document"),
    (b"\x7fELF", "it is a program (ELF)"),
    (b"MZ", "it is a program (Windows)"),
    (b"SQLite format 3", "it is an SQLite database"),
    (b"\x80\x02", PICKLE),
    (b"\0asm", "it is a WebAssembly program"),
    (b"ftrt", "it is a TensorRT engine"),
];

/// What a file is that begins so, if it is known and has no tensors that are read.
pub(super) fn describe(start: &[u8]) -> Option<String> {
    if let Some((_, what)) = BEGINNINGS.iter().find(|(beginning, _)| start.starts_with(beginning)) {
        return Some((*what).to_owned());
    }
    let at = |offset: usize, what: &[u8]| start.get(offset..).is_some_and(|rest| rest.starts_with(what));
    let known = if at(257, b"ustar") || at(0, b"sys\0") {
        "it is a tar archive, as PyTorch before 0.2 wrote it; unpack it, or save it again with PyTorch"
    } else if at(0, b"\x80") && matches!(start.get(1), Some(3..=5)) {
        PICKLE
    } else if at(4, b"TFL3") {
        "it is a TensorFlow Lite model"
    } else if at(4, b"ftyp") {
        "it is a video"
    } else if is_onnx(start) {
        "it is an ONNX model"
    } else {
        return of_text(start);
    };
    Some(known.to_owned())
}

/// An ONNX file is a protobuf message: the version of the format, then the name of the writer.
fn is_onnx(start: &[u8]) -> bool {
    matches!(start, [0x08, 1..=20, 0x12, len, name @ ..]
        if name.get(..usize::from(*len)).is_some_and(|name| name.is_ascii()))
}

fn of_text(start: &[u8]) -> Option<String> {
    // The last character may be cut.
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(e) if e.error_len().is_none() => std::str::from_utf8(&start[..e.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let is_text = !text.is_empty() && !text.chars().any(|c| c.is_control() && !c.is_whitespace());
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let starts = |tag: &str| text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag));
    let web = ["<!doctype", "<html", "<?xml", "<head", "<error"].into_iter().any(starts);
    if web {
        return Some("it is a web page, such as an error or a login in place of the file".to_owned());
    }
    is_text.then(|| {
        // Often the answer of a server in place of the file.
        let line = text.lines().next().unwrap_or_default();
        let shown: String = line.chars().take(40).collect::<String>().escape_debug().to_string();
        format!("it is text (\"{shown}\"); if it is the configuration, give it with --config")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_programs_are_named() {
        let onnx = b"\x08\x08\x12\x07pytorch\x1a\x052.1.0";
        let tar = [&[b'x'; 257][..], b"ustar\x0000"].concat();
        for (start, word) in [
            (&b"version https://git-lfs.github.com/spec/v1\n"[..], "git lfs pull"),
            (b"\xef\xbb\xbf\n<!DOCTYPE HTML><html>", "web page"),
            (b"<Error><Code>AccessDenied</Code>", "web page"),
            (onnx, "ONNX"),
            (&tar, "tar"),
            (b"\x80\x04\x95\x10\0\0\0\0\0\0\0", "pickle"),
            (b"model:\n  image_size: 1024\n", "--config"),
            (b"\0\0\0\x20ftypisom", "video"),
            (b"\x1c\0\0\0TFL3", "TensorFlow Lite"),
            (b"Entry not found", "it is text (\"Entry not found\")"),
        ] {
            let found = describe(start).expect("it is known");
            assert!(found.contains(word), "{found}");
        }
        assert_eq!(describe(b"\x10\0\0\0\0\0\0\0{\"a\":"), None);
        assert_eq!(describe(&[0; 64]), None);
    }
}
