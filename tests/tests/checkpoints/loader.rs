//! Checkpoints that cannot be used are refused with an error that names the file, the cause and the remedy.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sam2_model::Model;
use sam2_model::error::LoadError;
use sam2_tests::micro::{CHECKPOINT, asset};
use sam2_tests::seeded;

fn micro() -> Vec<u8> {
    asset(CHECKPOINT)
}

/// The micro checkpoint with its tensors and configuration changed by `edit`.
fn edited(edit: impl FnOnce(&mut Vec<(String, Dtype, Vec<usize>, Vec<u8>)>, &mut String)) -> Vec<u8> {
    let bytes = micro();
    let parsed = SafeTensors::deserialize(&bytes).expect("the embedded model is a safetensors file");
    let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("it has a header");
    let mut config = metadata.metadata().as_ref().expect("it has metadata")["sam2.config"].clone();
    let mut tensors: Vec<_> = parsed
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        .collect();
    edit(&mut tensors, &mut config);
    let views = tensors.iter().map(|(n, d, s, b)| {
        (n.clone(), TensorView::new(*d, s.clone(), b).expect("the bytes fill the shape"))
    });
    let metadata = [("sam2.config".to_owned(), config)].into_iter().collect();
    safetensors::serialize(views, Some(metadata)).expect("it can be written")
}

/// The error of a checkpoint that must not load; its message is one line that names the file.
fn refused(bytes: &[u8]) -> LoadError {
    let error = Model::from_bytes(bytes, "broken.safetensors").expect_err("must not load");
    let message = error.to_string();
    assert!(message.starts_with("broken.safetensors: ") && !message.contains('\n'), "{message}");
    error
}

#[test]
fn the_embedded_model_loads() {
    let model = Model::from_bytes(&micro(), "micro").expect("it loads");
    assert_eq!(model.config().image_size, 256);
    assert_eq!(model.low_res_size(), 64);
    assert_eq!(model.summary().tensors, 359);
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    let bytes = micro();
    for len in [0, 1, 7, 8, 9, 1000, 44_751, 44_752, bytes.len() / 2, bytes.len() - 1] {
        assert!(matches!(refused(&bytes[..len]), LoadError::Format { .. }), "cut to {len} bytes");
    }
}

#[test]
fn a_flipped_bit_in_the_header_is_refused_and_never_panics() {
    let bytes = micro();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    for at in (0..header).step_by(211) {
        for bit in [0, 3, 7] {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            // A flip in the configuration's text may leave it valid, but must not panic.
            let _ = Model::from_bytes(&bytes, "broken.safetensors")
                .map_err(|e| assert!(!e.to_string().contains('\n')));
        }
    }
    for at in [0, 3, 7, 8] {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x40;
        refused(&bytes);
    }
}

/// The parser's message quotes what stands in place of a tensor's entry.
#[test]
fn a_message_is_short_whatever_the_file_holds() {
    let long = "x\n\u{1b}".repeat(1 << 20);
    let header = serde_json::json!({ "no_mem_embed": long }).to_string();
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
    let error = refused(&bytes);
    let message = error.to_string();
    assert!(matches!(error, LoadError::Format { .. }) && message.len() < 400, "{} bytes", message.len());
    assert!(message.contains("invalid type: string") && message.contains("at line 1 column"), "{message}");

    let folder = tempfile::tempdir().expect("temporary folder");
    let index = folder.path().join("model.safetensors.index.json");
    let name = "y".repeat(1 << 20) + "/";
    for text in [serde_json::json!({ "weight_map": long }), serde_json::json!({ "weight_map": {"a": name} })]
    {
        std::fs::write(&index, text.to_string()).expect("write");
        let message = Model::open(&index).expect_err("must not load").to_string();
        assert!(message.len() < 600 && !message.contains('\n'), "{} bytes", message.len());
        assert!(message.contains("index.json"), "{message}");
    }
}

#[test]
fn a_weight_that_is_not_finite_is_refused() {
    for bits in [0x7c00_u16, 0x7e00, 0xfc00] {
        let bytes = edited(|tensors, _| tensors[10].3[..2].copy_from_slice(&bits.to_le_bytes()));
        assert!(matches!(refused(&bytes), LoadError::BadValue { .. }));
    }
}

#[test]
fn a_missing_tensor_is_named() {
    let bytes = edited(|tensors, _| tensors.retain(|t| t.0 != "memory_attention.norm.weight"));
    let LoadError::MissingTensor { name, .. } = refused(&bytes) else { panic!("another error") };
    assert_eq!(name, "memory_attention.norm.weight");
}

#[test]
fn an_unexpected_tensor_is_named() {
    let bytes = edited(|tensors, _| tensors.push(("extra.weight".into(), Dtype::F32, vec![1], vec![0; 4])));
    let LoadError::UnexpectedTensors { count, names, .. } = refused(&bytes) else { panic!("another error") };
    assert_eq!((count, names.as_str()), (1, "extra.weight"));
}

#[test]
fn a_wrong_shape_is_named() {
    let bytes = edited(|tensors, _| {
        let tensor = tensors.iter_mut().find(|t| t.0 == "no_mem_embed").expect("it is there");
        tensor.2 = vec![1, 128, 1];
    });
    let LoadError::ShapeMismatch { name, expected, found, .. } = refused(&bytes) else {
        panic!("another error")
    };
    assert_eq!((name.as_str(), expected, found), ("no_mem_embed", vec![1, 1, 128], vec![1, 128, 1]));
}

#[test]
fn an_unsupported_type_is_refused() {
    let bytes = edited(|tensors, _| {
        let tensor = tensors.iter_mut().find(|t| t.0 == "no_obj_ptr").expect("it is there");
        tensor.1 = Dtype::I16;
    });
    assert!(matches!(refused(&bytes), LoadError::DType { .. }));
}

#[test]
fn configurations_that_are_not_supported_are_refused_by_key() {
    for (from, to, key) in [
        ("\"image_size\": 256", "\"image_size\": 250", "image_size"),
        ("\"image_size\": 256", "\"image_size\": 99999999999", "image_size"),
        ("\"image_size\": 256", "\"image_size\": -1", "image_size"),
        ("\"num_heads\": 1, \"stages\"", "\"num_heads\": 7, \"stages\"", "image_encoder.trunk.num_heads"),
        ("\"stages\": [1, 2, 3, 1]", "\"stages\": [1, 2, 3]", "image_encoder.trunk.stages"),
        ("\"stages\": [1, 2, 3, 1]", "\"stages\": [1, 2, 3, 1000000]", "image_encoder.trunk.stages"),
        (
            "\"window_spec\": [8, 4, 14, 7]",
            "\"window_spec\": [7, 4, 14, 7]",
            "image_encoder.trunk.window_spec",
        ),
        (
            "\"window_spec\": [8, 4, 14, 7]",
            "\"window_spec\": [0, 4, 14, 7]",
            "image_encoder.trunk.window_spec",
        ),
        ("[4, 5]", "[1, 5]", "image_encoder.trunk.global_att_blocks"),
        ("\"activation\": \"relu\"", "\"activation\": \"gelu\"", "memory_attention.layer.activation"),
        ("\"pos_enc_at_attn\": false", "\"pos_enc_at_attn\": true", "memory_attention.layer.pos_enc_at_attn"),
        ("\"num_maskmem\": 7", "\"num_maskmem\": 0", "num_maskmem"),
        ("\"memory_encoder\": {", "\"memory_encoder\": {\"x\": ", "sam2.config"),
    ] {
        let bytes = edited(|_, config| {
            let changed = config.replacen(from, to, 1);
            assert_ne!(&changed, config, "{from} is in the configuration");
            *config = changed;
        });
        let LoadError::Config { key: found, .. } = refused(&bytes) else { panic!("another error for {to}") };
        assert_eq!(found, key, "{to}");
    }
}

#[test]
fn another_model_is_refused() {
    let other = |name: &str, shape: Vec<usize>| {
        let bytes = vec![0; 4 * shape.iter().product::<usize>()];
        let view = TensorView::new(Dtype::F32, shape, &bytes).expect("the bytes fill the shape");
        safetensors::serialize([(name.to_owned(), view)], None).expect("it can be written")
    };
    assert!(matches!(refused(&other("bert.embeddings.weight", vec![3, 4])), LoadError::UnknownModel { .. }));
    let of_another_width = other("image_encoder.trunk.patch_embed.proj.weight", vec![100, 3, 7, 7]);
    assert!(matches!(refused(&of_another_width), LoadError::UnknownModel { .. }));
}

#[test]
fn a_missing_file_is_named() {
    let message = Model::open("/nowhere/x.safetensors").expect_err("must not load").to_string();
    assert!(message.contains("/nowhere/x.safetensors"), "{message}");
    let empty = tempfile::tempdir().expect("temporary folder");
    let folder = Model::open(empty.path()).expect_err("must not load").to_string();
    assert!(folder.contains("a folder without model.safetensors"), "{folder}");
}

#[test]
fn every_published_inventory_is_consumed_entirely() {
    for model in seeded::MODELS {
        let loaded = Model::from_bytes(&seeded::checkpoint(model), model).expect("it loads");
        assert_eq!(loaded.summary().tensors, seeded::inventory(model).len(), "{model}");
    }
}
