//! Pieces of JSON.

use sam2_model::Rle;
use serde_json::Value;

/// A string in quotes.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Texts with commas between them.
pub fn joined(parts: &mut dyn Iterator<Item = String>) -> String {
    let mut text = String::new();
    for part in parts {
        if !text.is_empty() {
            text.push(',');
        }
        text += &part;
    }
    text
}

/// A mask as pycocotools has it.
pub fn rle(rle: &Rle) -> String {
    format!("{{\"size\":[{},{}],\"counts\":{}}}", rle.height(), rle.width(), quoted(&rle.to_coco_string()))
}

/// COCO's list of classes.
pub fn categories(names: &[String]) -> String {
    let category = |(id, name): (usize, &String)| {
        format!("{{\"id\":{},\"name\":{},\"supercategory\":\"\"}}", id + 1, quoted(name))
    };
    joined(&mut names.iter().enumerate().map(category))
}
