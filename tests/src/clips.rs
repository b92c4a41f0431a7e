//! Clips and prompts of the scripts in `tools/scenarios.py`.

use image::AnimationDecoder;
use sam2_model::{Frame, Points};
use serde_json::Value;

use crate::micro::asset;
use crate::seeded;

/// The frames of a GIF.
///
/// # Panics
/// If `bytes` is not a GIF.
#[must_use]
pub fn gif(bytes: &[u8]) -> Vec<Frame> {
    let decoder = image::codecs::gif::GifDecoder::new(std::io::Cursor::new(bytes)).expect("a GIF");
    decoder
        .into_frames()
        .map(|frame| {
            let image = image::DynamicImage::from(frame.expect("a whole frame").into_buffer()).into_rgb8();
            Frame::new(image.width() as usize, image.height() as usize, image.into_raw()).expect("a frame")
        })
        .collect()
}

/// The frames of `{"gif": file under assets, "frames": [..]}` or of
/// `{"photo": [width, height], "frames": [[name, n], ..]}`.
///
/// # Panics
/// If `script` has neither form.
#[must_use]
pub fn clip(script: &Value) -> Vec<Frame> {
    let frames = script["frames"].as_array().expect("a list of frames");
    if let Some(file) = script["gif"].as_str() {
        let all = gif(&asset(file));
        return frames.iter().map(|n| all[n.as_u64().expect("an index") as usize].clone()).collect();
    }
    let side = |i: usize| script["photo"][i].as_u64().expect("a size") as usize;
    let (width, height) = (side(0), side(1));
    let photo = |frame: &Value| {
        let (name, n) = (frame[0].as_str().expect("a name"), frame[1].as_u64().expect("a number"));
        Frame::new(width, height, seeded::photo(name, width, height, n as usize)).expect("it fills the frame")
    };
    frames.iter().map(photo).collect()
}

/// The prompt of a step: the optional keys `points`, `labels`, `box`.
///
/// # Panics
/// If one of them is malformed.
#[must_use]
pub fn points(step: &Value) -> Points {
    let number = |value: &Value| value.as_f64().expect("a number") as f32;
    let list = |key: &str| step[key].as_array().map_or(&[][..], Vec::as_slice);
    let coords: Vec<[f32; 2]> = list("points").iter().map(|p| [number(&p[0]), number(&p[1])]).collect();
    let labels: Vec<i32> = list("labels").iter().map(|l| l.as_i64().expect("a label") as i32).collect();
    let corners = step["box"].as_array().map(|b| std::array::from_fn(|i| number(&b[i])));
    Points::labelled(&coords, &labels).expect("labels that are known").within(corners)
}
