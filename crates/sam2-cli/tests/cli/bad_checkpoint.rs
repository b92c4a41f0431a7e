//! Damaged, foreign and missing checkpoints are refused in one line, without output.

use crate::common::{Place, accepted, asset, refused, run, sam2, stderr};

fn embedded() -> Vec<u8> {
    std::fs::read(asset("sam2.1_micro.safetensors")).expect("the bundled checkpoint is there")
}

/// Length of the JSON header, from the 8 bytes before it.
fn header_len(checkpoint: &[u8]) -> usize {
    u64::from_le_bytes(checkpoint[..8].try_into().expect("8 bytes")) as usize
}

/// `segment` must refuse this checkpoint, name the file and leave no output.
#[track_caller]
fn refused_as_model(place: &Place, file: &str, words: &[&str]) {
    let photo = place.photo("photo.png");
    let before = place.list();
    let output =
        run(&["segment", &photo, "-m", &place.arg(file), "-p", "96,64", "-o", &place.arg("mask.png")]);
    refused(&output, &[&[file], words].concat());
    assert_eq!(place.list(), before, "nothing is written");
    refused(&run(&["info", &place.arg(file)]), &[file]);
}

#[test]
fn truncated_checkpoints_are_refused() {
    let place = Place::new();
    let whole = embedded();
    let header = header_len(&whole);
    for len in [0, 5, 8, 8 + header / 2, 8 + header, whole.len() / 2, whole.len() - 1] {
        place.write("cut.safetensors", &whole[..len]);
        refused_as_model(&place, "cut.safetensors", &[]);
    }
}

#[test]
fn bits_flipped_in_the_header_are_detected() {
    let place = Place::new();
    let whole = embedded();
    let find = |what: &str| {
        whole.windows(what.len()).position(|window| window == what.as_bytes()).expect("the header has it")
    };
    // The header's length, the opening brace, a tensor's name, type, shape and offset.
    for (offset, bit) in [
        (0, 0),
        (1, 7),
        (7, 7),
        (8, 0),
        (find("image_encoder.trunk.patch_embed.proj.weight"), 1),
        (find("\"F16\"") + 2, 1),
        (find("\"shape\":[") + 9, 0),
        (find("\"data_offsets\":[") + 16, 2),
    ] {
        let mut flipped = whole.clone();
        flipped[offset] ^= 1 << bit;
        place.write("flipped.safetensors", &flipped);
        refused_as_model(&place, "flipped.safetensors", &[]);
    }
}

#[test]
fn an_infinite_weight_is_detected() {
    let place = Place::new();
    let mut bytes = embedded();
    let data = 8 + header_len(&bytes);
    // A little-endian f16 between 1 and 2: one flipped bit of its exponent makes it infinite or NaN.
    let high = (data..bytes.len())
        .skip(1)
        .step_by(2)
        .find(|&i| bytes[i] & 0x7c == 0x3c)
        .expect("some weight is about 1");
    bytes[high] ^= 0x40;
    place.write("flipped.safetensors", &bytes);
    refused_as_model(&place, "flipped.safetensors", &["damaged"]);
}

/// A flipped bit may leave a valid model, which runs; any other file is refused in one line.
#[test]
fn no_flipped_bit_makes_it_panic() {
    let place = Place::new();
    let whole = embedded();
    let end = 8 + header_len(&whole) + 4096;
    for step in 0..40 {
        // Steps of a prime number cover the header and the first weights; the bit changes with every step.
        let offset = (step * 7919) % end;
        let mut flipped = whole.clone();
        flipped[offset] ^= 1 << (step % 8);
        place.write("flipped.safetensors", &flipped);
        let output = run(&["info", &place.arg("flipped.safetensors")]);
        if !output.status.success() {
            refused(&output, &["flipped.safetensors"]);
        }
    }
}

/// A safetensors file with the given tensors of one float each.
fn safetensors(names: &[&str]) -> Vec<u8> {
    let entries: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(i, name)| {
            format!("{name:?}:{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[{},{}]}}", 4 * i, 4 * i + 4)
        })
        .collect();
    let header = format!("{{{}}}", entries.join(","));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + 4 * names.len(), 0);
    bytes
}

#[test]
fn checkpoints_of_other_models_are_refused() {
    let place = Place::new();
    place.write("bert.safetensors", safetensors(&["bert.embeddings.word_embeddings.weight", "cls.bias"]));
    refused_as_model(&place, "bert.safetensors", &["SAM 2"]);
    // Hugging Face's names of the same model.
    place.write(
        "hf.safetensors",
        safetensors(&["vision_encoder.backbone.patch_embed.projection.weight", "no_memory_embedding"]),
    );
    refused_as_model(&place, "hf.safetensors", &["SAM 2"]);
    place.write("empty.safetensors", safetensors(&[]));
    refused_as_model(&place, "empty.safetensors", &[]);
}

#[test]
fn files_that_are_not_checkpoints_are_refused() {
    let place = Place::new();
    place.write(
        "notes.safetensors",
        "a shopping list, long enough to be taken for a header by its first bytes",
    );
    refused_as_model(&place, "notes.safetensors", &[]);
    // A .pt file is a zip archive; this one has only its first bytes.
    place.write("model.pt", [b"PK\x03\x04".as_slice(), &[0; 200]].concat());
    refused_as_model(&place, "model.pt", &["PyTorch", "zip archive"]);
    std::fs::create_dir(place.join("folder")).expect("folder");
    refused_as_model(&place, "folder", &[]);
    refused_as_model(&place, "absent.safetensors", &[]);
}

/// Only a damaged file is to be downloaded again; of others the line says what they are.
#[test]
fn files_of_another_kind_are_named() {
    let place = Place::new();
    let sam1 = ["image_encoder.patch_embed.proj.weight", "mask_decoder.iou_token.weight"];
    let files: [(&str, Vec<u8>, &str); 7] = [
        (
            "pointer.pt",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n".to_vec(),
            "git lfs pull",
        ),
        ("page.pt", b"<!DOCTYPE html><html><title>Sign in</title>".to_vec(), "web page"),
        ("model.onnx", b"\x08\x08\x12\x07pytorch\x1a\x052.1.0\"\0".to_vec(), "ONNX"),
        ("config.safetensors", b"model:\n  image_size: 1024\n".to_vec(), "--config"),
        ("packed.pt", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\0".to_vec(), "gzip"),
        ("sam1.safetensors", safetensors(&sam1), "SAM 1"),
        ("lora.safetensors", safetensors(&["x.lora_A.weight", "x.lora_B.weight"]), "LoRA"),
    ];
    for (name, bytes, word) in files {
        place.write(name, bytes);
        let output = run(&["info", &place.arg(name)]);
        refused(&output, &[name, word]);
        assert!(!stderr(&output).contains("download it again"), "{}", stderr(&output));
    }
    std::fs::create_dir(place.join("empty")).expect("folder");
    refused(&run(&["info", &place.arg("empty")]), &["a folder without model.safetensors"]);
    place.write("cut.safetensors", &embedded()[..100_000]);
    refused(&run(&["info", &place.arg("cut.safetensors")]), &["download it again"]);
}

#[test]
fn a_folder_of_the_hugging_face_library_is_opened() {
    let place = Place::new();
    std::fs::create_dir(place.join("sam2-micro")).expect("folder");
    place.write("sam2-micro/model.safetensors", embedded());
    place.write("sam2-micro/config.json", "{}");
    assert!(accepted(&run(&["info", &place.arg("sam2-micro")])).contains("SAM 2.1"));
}

#[test]
fn an_unknown_instruction_set_is_refused() {
    let output = sam2().env("SAM2_ISA", "mmx").arg("info").output().expect("sam2 starts");
    refused(&output, &["SAM2_ISA=mmx", "portable"]);
    assert!(stderr(&output).len() < 200);
}
