//! A checkpoint with Hugging Face names gives the same model as with Meta's names, to the bit.

use std::collections::BTreeMap;
use std::path::PathBuf;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use sam2_model::convert::{ConvertOptions, Naming, convert};
use sam2_model::error::LoadError;
use sam2_model::video::{VideoInfo, VideoOptions};
use sam2_model::{Frame, Model, Points, VideoPredictor};
use sam2_tests::{golden, seeded};

/// Meta's names to Hugging Face's: replacements in this order. An independent implementation: the loader maps
/// the other way.
const PARTS: [(&str, &str); 44] = [
    ("sam_prompt_encoder", "prompt_encoder"),
    ("sam_mask_decoder", "mask_decoder"),
    ("image_encoder.neck", "vision_encoder.neck"),
    ("image_encoder.trunk.", "vision_encoder.backbone."),
    ("iou_prediction_head.layers.0", "iou_prediction_head.proj_in"),
    ("iou_prediction_head.layers.1", "iou_prediction_head.layers.0"),
    ("iou_prediction_head.layers.2", "iou_prediction_head.proj_out"),
    ("pred_obj_score_head.layers.0", "pred_obj_score_head.proj_in"),
    ("pred_obj_score_head.layers.1", "pred_obj_score_head.layers.0"),
    ("pred_obj_score_head.layers.2", "pred_obj_score_head.proj_out"),
    ("obj_ptr_proj.layers.0", "object_pointer_proj.proj_in"),
    ("obj_ptr_proj.layers.1", "object_pointer_proj.layers.0"),
    ("obj_ptr_proj.layers.2", "object_pointer_proj.proj_out"),
    ("output_upscaling.0", "upscale_conv1"),
    ("output_upscaling.1", "upscale_layer_norm"),
    ("output_upscaling.3", "upscale_conv2"),
    ("mask_downscaling.0", "mask_embed.conv1"),
    ("mask_downscaling.1", "mask_embed.layer_norm1"),
    ("mask_downscaling.3", "mask_embed.conv2"),
    ("mask_downscaling.4", "mask_embed.layer_norm2"),
    ("mask_downscaling.6", "mask_embed.conv3"),
    ("encoder.12.", "final_conv."),
    ("mask_downsampler.encoder.0.", "mask_downsampler.layers.0.conv."),
    ("mask_downsampler.encoder.10.", "mask_downsampler.layers.3.layer_norm."),
    ("mask_downsampler.encoder.1.", "mask_downsampler.layers.0.layer_norm."),
    ("mask_downsampler.encoder.3.", "mask_downsampler.layers.1.conv."),
    ("mask_downsampler.encoder.4.", "mask_downsampler.layers.1.layer_norm."),
    ("mask_downsampler.encoder.6.", "mask_downsampler.layers.2.conv."),
    ("mask_downsampler.encoder.7.", "mask_downsampler.layers.2.layer_norm."),
    ("mask_downsampler.encoder.9.", "mask_downsampler.layers.3.conv."),
    ("dwconv", "depthwise_conv"),
    ("pwconv", "pointwise_conv"),
    ("fuser", "memory_fuser"),
    ("gamma", "scale"),
    ("pe_layer.positional_encoding_gaussian_matrix", "shared_embedding.positional_embedding"),
    ("obj_ptr_tpos_proj", "temporal_positional_encoding_projection_layer"),
    ("no_obj_embed_spatial", "occlusion_spatial_embedding_parameter"),
    ("maskmem_tpos_enc", "memory_temporal_positional_encoding"),
    ("patch_embed.proj", "patch_embed.projection"),
    ("pix_feat_proj", "feature_projection"),
    ("no_mem_embed", "no_memory_embedding"),
    ("no_mem_pos_enc", "no_memory_positional_encoding"),
    ("no_obj_ptr", "no_object_pointer"),
    ("memory_encoder.out_proj", "memory_encoder.projection"),
];

fn hf_name(meta: &str) -> String {
    let mut name = PARTS.iter().fold(meta.to_owned(), |name, (from, to)| name.replace(from, to));
    if name.contains("neck.convs.") {
        name = name.replace(".conv.", ".");
    }
    if name.contains("output_hypernetworks_mlps") {
        let layer = |name: String, from: &str, to: &str| name.replace(&format!(".layers.{from}."), to);
        name = layer(layer(layer(name, "0", ".proj_in."), "1", ".layers.0."), "2", ".proj_out.");
    } else if name.contains(".mlp.") {
        name = name.replace(".layers.0.weight", ".proj_in.weight").replace(".layers.0.bias", ".proj_in.bias");
        name =
            name.replace(".layers.1.weight", ".proj_out.weight").replace(".layers.1.bias", ".proj_out.bias");
    }
    name.replace(".norm", ".layer_norm").replace(".out_proj.", ".o_proj.")
}

type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

/// The same checkpoint with Hugging Face names.
fn renamed(file: &[u8]) -> Tensors {
    let parsed = SafeTensors::deserialize(file).expect("it is a safetensors file");
    let mut tensors = Tensors::new();
    let mut points = BTreeMap::new();
    for (name, view) in parsed.tensors() {
        let (shape, bytes) = (view.shape().to_vec(), view.data().to_vec());
        if name.contains("point_embeddings") {
            points.insert(name, (view.dtype(), shape[1], bytes));
            continue;
        }
        if name.ends_with("gaussian_matrix") {
            let again = "shared_image_embedding.positional_embedding".to_owned();
            tensors.insert(again, (view.dtype(), shape.clone(), bytes.clone()));
        }
        tensors.insert(hf_name(&name), (view.dtype(), shape, bytes));
    }
    assert_eq!(points.len(), 4);
    let (dtype, width, _) = points.first_key_value().expect("four").1.clone();
    let bytes = points.into_values().flat_map(|(_, _, bytes)| bytes).collect();
    tensors.insert("prompt_encoder.point_embed.weight".to_owned(), (dtype, vec![4, width], bytes));
    tensors
}

fn written(tensors: &Tensors, like: &[u8]) -> Vec<u8> {
    let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).expect("the bytes fill the shape"))
    });
    let metadata = SafeTensors::read_metadata(like).expect("it has a header").1.metadata().clone();
    safetensors::serialize(views, metadata).expect("it can be written")
}

fn micro() -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../assets/sam2.1_micro.safetensors");
    std::fs::read(&path).expect("the embedded model is in assets/")
}

/// Tracks three frames, which uses every module.
fn tracked(file: &[u8]) -> Vec<String> {
    let model = Model::from_bytes(file, "micro").expect("it loads");
    let info = VideoInfo { width: 160, height: 120, num_frames: 3 };
    let frame = |i| Frame::new(160, 120, seeded::photo("hf", 160, 120, i)).expect("it is whole");
    let mut predictor = VideoPredictor::new(model, info, VideoOptions::default()).expect("frames");
    predictor.add_points(0, &frame(0), 1, &Points::click(80.0, 60.0)).expect("a click");
    (0..3).map(|i| format!("{:?}", predictor.track_frame(i, &frame(i)).expect("in order"))).collect()
}

#[test]
fn a_video_is_tracked_with_the_same_bits_in_both_namings() {
    let meta = micro();
    assert_eq!(tracked(&written(&renamed(&meta), &meta)), tracked(&meta));
}

#[test]
fn a_seeded_model_has_the_published_names_and_loads() {
    for model in ["sam2.1_hiera_tiny", "sam2_hiera_tiny"] {
        let meta = seeded::checkpoint(model);
        let tensors = renamed(&meta);
        let text = std::fs::read_to_string(golden(&format!("inventory/{model}.hf.json"))).expect("facts");
        let published: BTreeMap<String, Vec<usize>> = serde_json::from_str(&text).expect("name -> shape");
        let shapes: BTreeMap<String, Vec<usize>> =
            tensors.iter().map(|(name, (_, shape, _))| (name.clone(), shape.clone())).collect();
        assert_eq!(shapes, published);
        let loaded = Model::from_bytes(&written(&tensors, &meta), model).expect("it loads");
        let twin = Model::from_bytes(&meta, model).expect("it loads");
        assert_eq!((loaded.config(), loaded.summary().tensors), (twin.config(), twin.summary().tensors));
    }
}

/// Sum of `bits[i] · (2 i + 1)` over the values of a tensor, as in `tools/golden_hf.py`.
pub fn checksum(bytes: &[u8]) -> u64 {
    let bits = bytes.as_chunks().0.iter().map(|&b| u64::from(u32::from_le_bytes(b)));
    bits.zip(0_u64..).fold(0, |sum, (bits, i)| sum.wrapping_add(bits.wrapping_mul(2 * i + 1)))
}

#[test]
fn a_save_pretrained_file_is_the_same_model_to_the_bit() {
    let text = std::fs::read_to_string(golden("hf_saved.json")).expect("facts");
    let facts: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    for name in ["sam2.1_hiera_tiny", "sam2_hiera_tiny"] {
        let meta = seeded::checkpoint(name);
        let folder = tempfile::tempdir().expect("temporary folder");
        let at = |file: &str| folder.path().join(file);
        std::fs::write(at("meta.safetensors"), &meta).expect("write");
        let options = ConvertOptions::default().naming(Naming::HuggingFace).precision(None);
        convert(at("meta.safetensors"), at("hf.safetensors"), options, |_, _| ()).expect("it is converted");
        let converted = std::fs::read(at("hf.safetensors")).expect("it is there");
        let ours = SafeTensors::deserialize(&converted).expect("a safetensors file");
        // The test's own name mapping and the checksums of transformers: the file equals the one of
        // transformers.
        let saved = facts[name]["tensors"].as_object().expect("name -> checksum");
        let twin = renamed(&meta);
        assert_eq!((ours.len(), twin.len()), (saved.len(), saved.len()), "{name}");
        for (tensor, sum) in saved {
            let view = ours.tensor(tensor).unwrap_or_else(|e| panic!("{tensor}: {e}"));
            assert_eq!(
                format!("{:016x}", checksum(view.data())),
                sum.as_str().expect("hex"),
                "{name}: {tensor}"
            );
            let (dtype, shape, bytes) = &twin[tensor];
            assert!(
                (view.dtype(), view.shape(), view.data()) == (*dtype, &shape[..], &bytes[..]),
                "{tensor}"
            );
        }
        let (_, header) = SafeTensors::read_metadata(&converted).expect("a header");
        assert_eq!(serde_json::json!(header.metadata()), facts[name]["metadata"]);
        let loaded = Model::from_bytes(&converted, "hf").expect("it loads");
        let expected = Model::from_bytes(&meta, "meta").expect("it loads");
        assert_eq!(loaded.fingerprint(), expected.fingerprint());
    }
}

#[test]
fn files_with_extra_or_missing_tensors_are_refused() {
    let meta = micro();
    let refused = |edit: fn(&mut Tensors)| {
        let mut tensors = renamed(&meta);
        edit(&mut tensors);
        Model::from_bytes(&written(&tensors, &meta), "x").expect_err("must not load")
    };
    let error = refused(|t| t.retain(|name, _| name != "prompt_encoder.point_embed.weight"));
    assert!(matches!(error, LoadError::MissingTensor { .. }), "{error}");
    let error = refused(|t| {
        t.insert("extra\nname".to_owned(), (Dtype::F32, vec![1], vec![0; 4]));
    });
    assert!(
        matches!(error, LoadError::UnexpectedTensors { .. }) && !error.to_string().contains('\n'),
        "{error}"
    );
    let error = refused(|t| {
        t.insert("prompt_encoder.point_embed.weight".to_owned(), (Dtype::F32, vec![1 << 50, 0], vec![]));
    });
    assert!(matches!(error, LoadError::MissingTensor { .. }), "{error}");
    let error = refused(|t| {
        let twin = t.get_mut("shared_image_embedding.positional_embedding").expect("it is there");
        twin.2[0] ^= 1;
    });
    assert!(error.to_string().contains("differ"), "{error}");
}
