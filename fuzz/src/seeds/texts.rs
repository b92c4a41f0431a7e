//! Prompts, commands, tables, lists and run lengths.

use sam2_model::Mask;

fn bytes(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub fn prompts() -> Vec<Vec<u8>> {
    bytes(&[
        "{\"frame\":0,\"obj_id\":1,\"points\":[[1,2.5],[3,4]],\"labels\":[1,0]}\n\
         {\"frame\":0,\"obj_id\":7,\"box\":[1,2,3,4]}\n",
        "\u{feff}{\"frame\":4,\"obj_id\":2,\"mask\":\"m.png\"}\r\n\r\n\
         {\"frame\":4.0,\"obj_id\":3,\"points\":[[9,9]]}\r\n",
        "[{\"frame_idx\":0,\"obj_id\":1,\"points\":[[1,2]],\"labels\":[1]},\n \
         {\"ann_frame_idx\":3,\"ann_obj_id\":2,\"box\":[1,2,3,4]}]\n",
        "{\n  \"point_coords\": [[1, 2]],\n  \"point_labels\": [1]\n}\n",
        "{\"type\":\"points\",\"data\":[1,2],\"label\":1}\n",
    ])
}

pub fn commands() -> Vec<Vec<u8>> {
    bytes(&[
        r#"{"op":"add","frame":3,"obj_id":1,"points":[[1,2.5],[3,4]],"labels":[1,0]}"#,
        r#"{"op":"more","obj_id":7,"points":[[1,2]]}"#,
        r#"{"obj_id":3,"box":[1,2,3,4]}"#,
        r#"{"obj_id":3,"mask":"m.png"}"#,
        r#"{"op":"remove","obj_id":3,"frame":1}"#,
        r#"{"op":"reset"}"#,
        r#"{"op":"save","path":"x.safetensors"}"#,
        r#"{"op":"quit"}"#,
    ])
}

/// Boxes and flags, with every separator and end of line.
pub fn tables() -> Vec<Vec<u8>> {
    bytes(&[
        "1,2,30,40\n2,2,30,40\n3,2,0,0\n",
        "1.5\t2e1\t-30\t.5\r\n1\t2\tnan\tinf\r\n",
        "\u{feff}1, 2, 3, 4\n\n1 2  3 4",
        "0,1,0,0,1,0\n",
        "0\n1\n0\n",
    ])
}

pub fn names() -> Vec<Vec<u8>> {
    bytes(&[
        "bike-packing\nblackswan\n",
        "\u{feff}sav_000001\r\n\r\n  a b \r\n",
        "a/b\n../a\n/a\n./a\na/..\nc:\\a\n",
    ])
}

pub fn rles() -> Vec<Vec<u8>> {
    let seed = |width: usize, height: usize, inside: &dyn Fn(usize) -> bool| {
        let mask = Mask::new(width, height, (0..width * height).map(inside).collect()).expect("it is full");
        [&[width as u8, height as u8], mask.rle().to_coco_string().as_bytes()].concat()
    };
    vec![
        seed(4, 3, &|i| i % 3 == 1),
        seed(200, 90, &|i| i % 200 > 40 && i / 200 > 30),
        seed(1, 1, &|_| true),
        seed(9, 9, &|_| false),
    ]
}

/// A line of a clip, an answer of a stream, the list of a photo, the report of a prompt.
pub fn results() -> Vec<Vec<u8>> {
    let rle = r#"{"size":[2,3],"counts":"033"}"#;
    [
        format!("{{\"frame\":0,\"obj_id\":1,\"predicted_iou\":0.5,\"rle\":{rle}}}\n"),
        format!("{{\"frame\":4,\"objects\":[{{\"obj_id\":7,\"rle\":{rle}}}],\"ms\":1.5}}\n"),
        format!("[{{\"segmentation\":{rle},\"predicted_iou\":0.5}},{{\"segmentation\":[[0,1],[1,0]]}}]"),
        format!("{{\"masks\":[{{\"predicted_iou\":0.5,\"rle\":{rle}}}],\"best\":0}}"),
        r#"[{"segmentation":{"size":[2,3],"counts":[0,3,3]}}]"#.to_owned(),
    ]
    .map(String::into_bytes)
    .into()
}
