//! Pickles, archives, safetensors files and configurations.

mod families;

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use sam2_tests::micro;
use sam2_tests::pt::{archive, pickle, text, view};
use serde_json::Value;

/// Names of tensors of a model; the first one says which family it is of.
const NAMES: [&str; 3] =
    ["image_encoder.trunk.patch_embed.proj.weight", "no_mem_embed", "sam_mask_decoder.iou_token.weight"];
/// The shape of the first one, without an element.
const SHAPE: [usize; 4] = [2, 0, 7, 7];

fn tensors() -> Vec<(String, Vec<u8>)> {
    vec![
        (NAMES[0].to_owned(), view("0", 16, 0, &SHAPE, &[0, 49, 7, 1])),
        (NAMES[1].to_owned(), view("1", 4, 1, &[1, 1, 3], &[3, 3, 1])),
        (NAMES[2].to_owned(), view("0", 16, 2, &[2, 3], &[1, 4])),
    ]
}

/// `value` as the only item of a dict.
fn dict(key: &str, value: &[u8]) -> Vec<u8> {
    [b"}".as_slice(), &text(key), value, b"s"].concat()
}

pub fn pickles() -> Vec<Vec<u8>> {
    let items: Vec<u8> =
        tensors().iter().flat_map(|(name, value)| [text(name), value.clone()].concat()).collect();
    let model = [b"}(".as_slice(), &items, b"u"].concat();
    // collections.OrderedDict of the same, with what else training scripts write beside it.
    let ordered =
        [b"ccollections\nOrderedDict\n)R(".as_slice(), &items, b"u}".as_slice(), &text("_metadata"), b"Nsb"];
    let bare = [b"\x80\x02".as_slice(), &ordered.concat(), b"."].concat();
    let lightning = [
        b"\x80\x02}(".as_slice(),
        &text("epoch"),
        b"K\x03",
        &text("lr"),
        b"G\x3f\x50\x62\x4d\xd2\xf1\xa9\xfc",
        &text("hyper_parameters"),
        b"cargparse\nNamespace\n)\x81}",
        &text("device"),
        b"ctorch\ndevice\n",
        &text("cpu"),
        b"\x85Rsb",
        &text("state_dict"),
        &ordered.concat(),
        &text("seen"),
        b"\x8f(K\x01K\x02\x90",
        &text("loss"),
        b"cnumpy._core.multiarray\nscalar\ncnumpy\ndtype\n",
        &text("f8"),
        b"\x89\x88\x87RC\x08\0\0\0\0\0\0\xf0\x3f\x86R",
        b"u.",
    ]
    .concat();
    let framed = {
        let body = [model.as_slice(), b"."].concat();
        [b"\x80\x04\x95".as_slice(), &(body.len() as u64).to_le_bytes(), &body].concat()
    };
    let parameter = [
        b"\x80\x02".as_slice(),
        &dict(
            "model",
            &dict(
                NAMES[0],
                &[
                    b"ctorch._utils\n_rebuild_parameter\n".as_slice(),
                    &view("0", 16, 0, &SHAPE, &[0, 49, 7, 1]),
                    b"\x88ccollections\nOrderedDict\n)R\x87R",
                ]
                .concat(),
            ),
        ),
        b".",
    ]
    .concat();
    vec![pickle(&tensors()), bare, lightning, framed, parameter]
}

pub fn archives() -> Vec<Vec<u8>> {
    let storages = || vec![(0..64).collect(), vec![1; 16]];
    let mut files: Vec<Vec<u8>> = pickles().into_iter().map(|pickle| archive(pickle, storages())).collect();
    files.extend(pickles().into_iter().map(|pickle| legacy(&pickle, &storages())));
    files.extend(families::pickles().into_iter().map(|pickle| archive(pickle, storages())));
    files
}

/// The format before PyTorch 1.6: pickles of a magic number, a version, facts about the machine, the objects
/// and the storages' keys; then the storages, each behind its number of elements.
fn legacy(objects: &[u8], storages: &[Vec<u8>]) -> Vec<u8> {
    let facts = [dict("protocol_version", b"M\xe9\x03"), text("little_endian"), b"\x88s".to_vec()].concat();
    let keys: Vec<u8> = (0..storages.len()).flat_map(|i| text(&i.to_string())).collect();
    let mut file = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.".to_vec();
    file.extend([b"\x80\x02".as_slice(), &facts, b"."].concat());
    // The persistent identifiers have a sixth part here: the view of another storage, or none.
    let mut at = 0;
    while let Some(end) = objects[at..].windows(2).position(|pair| pair == b"tQ") {
        file.extend(&objects[at..at + end]);
        file.extend(b"NtQ");
        at += end + 2;
    }
    file.extend(&objects[at..]);
    file.extend([b"\x80\x02](".as_slice(), &keys, b"e."].concat());
    for storage in storages {
        file.extend((storage.len() as u64 / 4).to_le_bytes());
        file.extend(storage);
    }
    file
}

pub fn safetensors() -> Vec<Vec<u8>> {
    let data: Vec<u8> = (0..96).collect();
    let file = |dtype: Dtype, shapes: [&[usize]; 3], metadata: Option<HashMap<String, String>>| {
        let views = NAMES.iter().zip(shapes).map(|(name, shape)| {
            let len = shape.iter().product::<usize>() * dtype.bitsize() / 8;
            (*name, TensorView::new(dtype, shape.to_vec(), &data[..len]).expect("it fits"))
        });
        serialize(views, metadata).expect("it can be written")
    };
    let config = HashMap::from([("sam2.config".to_owned(), "{\"image_size\": 1024}".to_owned())]);
    let hf = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let mut files = vec![
        file(Dtype::F32, [&SHAPE, &[1, 1, 3], &[2, 3]], None),
        file(Dtype::F16, [&SHAPE, &[1, 1, 3], &[2, 3]], Some(config)),
        file(Dtype::BF16, [&SHAPE, &[3], &[]], Some(hf)),
        file(Dtype::F64, [&SHAPE, &[0], &[2]], None),
        file(Dtype::I64, [&SHAPE, &[2], &[2]], None),
    ];
    files.extend(families::safetensors());
    files
}

/// Lists of the parts of a checkpoint.
pub fn indices() -> Vec<Vec<u8>> {
    let one =
        format!(r#"{{"metadata":{{"total_size":24}},"weight_map":{{"{}":"part-1.safetensors"}}}}"#, NAMES[0]);
    let two = r#"{"weight_map": {"a": "part-1.safetensors", "b": "part-2.safetensors"}}"#;
    vec![one.into_bytes(), two.as_bytes().to_vec()]
}

/// `value` as YAML; lists and scalars in JSON syntax.
fn yaml(value: &Value, indent: usize) -> String {
    let lines = value.as_object().into_iter().flatten().map(|(key, value)| match value {
        Value::Object(_) => format!("{:indent$}{key}:\n{}", "", yaml(value, indent + 2)),
        other => format!("{:indent$}{key}: {other}\n", ""),
    });
    lines.collect()
}

pub fn configs() -> Vec<Vec<u8>> {
    let file = micro::asset(micro::CHECKPOINT);
    let (_, header) = SafeTensors::read_metadata(&file).expect("a safetensors file");
    let text = header.metadata().as_ref().and_then(|m| m.get("sam2.config")).expect("a configuration");
    let json: Value = serde_json::from_str(text).expect("JSON");
    let anchors = "base: &base {num_maskmem: 7, image_size: 1024}\nmodel:\n  <<: *base\n  list:\n    \
                   - 1\n    - [2, 3]\n";
    let mut texts = vec![
        text.clone().into_bytes(),
        yaml(&json, 0).into_bytes(),
        format!("# @package _global_\n\nmodel:\n{}", yaml(&json, 2)).into_bytes(),
        anchors.as_bytes().to_vec(),
        b"model: {image_size: ${scratch.resolution}, samurai_mode: true}\n".to_vec(),
    ];
    for json in families::configs() {
        texts.push(format!("# @package _global_\n\nmodel:\n{}", yaml(&json, 2)).into_bytes());
        texts.push(json.to_string().into_bytes());
    }
    texts
}
