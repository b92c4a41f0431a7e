//! What the program itself saves: sessions and embeddings. The header is fuzzed, the tensors are those of a
//! saved file.

use std::sync::{Arc, OnceLock};

use sam2_model::models::ModelOptions;
use sam2_model::video::{Direction, VideoInfo, VideoOptions};
use sam2_model::{Frame, ImagePredictor, Model, Points, Tracker, VideoPredictor};
use sam2_tests::micro;
use serde_json::Value;

use super::{FOLDER, check, file};

/// A file of this program: the text of its metadata, the other entries of its header, and its tensors.
pub struct Parts {
    key: String,
    pub text: String,
    pub header: Vec<u8>,
    entries: String,
    body: Vec<u8>,
}

impl Parts {
    fn new(file: &[u8]) -> Self {
        let (len, rest) = file.split_first_chunk().expect("a length");
        let (header, body) = rest.split_at(u64::from_le_bytes(*len) as usize);
        let mut entries: serde_json::Map<String, Value> = serde_json::from_slice(header).expect("JSON");
        let metadata = entries.remove("__metadata__").expect("metadata");
        let (key, text) = metadata.as_object().and_then(|m| m.iter().next()).expect("an entry");
        Self {
            key: key.clone(),
            text: text.as_str().expect("text").to_owned(),
            header: header.to_vec(),
            entries: Value::Object(entries).to_string()[1..].to_owned(),
            body: body.to_vec(),
        }
    }

    /// The file with another header.
    fn with_header(&self, header: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header, &self.body].concat()
    }

    /// The file with another text in its metadata.
    fn with_text(&self, text: &str) -> Vec<u8> {
        let metadata = serde_json::json!({ &self.key: text });
        self.with_header(format!("{{\"__metadata__\":{metadata},{}", self.entries).as_bytes())
    }
}

/// The small model at its smallest size.
fn model() -> &'static Arc<Model> {
    static MODEL: OnceLock<Arc<Model>> = OnceLock::new();
    MODEL.get_or_init(|| {
        let options = ModelOptions::default().image_size(64);
        Model::from_bytes_with(&micro::asset(micro::CHECKPOINT), "micro", &options).expect("it loads")
    })
}

const SIDE: usize = 24;
const FRAMES: usize = 4;

fn frame(index: usize) -> Frame {
    let rgb = (0..SIDE * SIDE * 3).map(|i| ((i * 7 + index * 31) % 256) as u8).collect();
    Frame::new(SIDE, SIDE, rgb).expect("it is full")
}

/// A saved session of a clip, and one of a stream.
pub fn session_parts() -> &'static [Parts; 2] {
    static PARTS: OnceLock<[Parts; 2]> = OnceLock::new();
    PARTS.get_or_init(|| {
        let info = VideoInfo { width: SIDE, height: SIDE, num_frames: FRAMES };
        let mut clip =
            VideoPredictor::new(model().clone(), info, VideoOptions::default()).expect("valid options");
        clip.add_points(0, &frame(0), 1, &Points::click(9.0, 9.0)).expect("a valid prompt");
        (0..2).for_each(|i| drop(clip.track_frame(i, &frame(i)).expect("a frame")));
        clip.add_points(1, &frame(1), 2, &Points::click(3.0, 9.0)).expect("a valid prompt");
        let mut stream =
            Tracker::new(model().clone(), SIDE, SIDE, VideoOptions::default()).expect("valid options");
        stream.push(&frame(0)).expect("a frame");
        stream.add_points(1, &Points::click(9.0, 9.0)).expect("a valid prompt");
        stream.push(&frame(1)).expect("a frame");
        [Parts::new(&clip.save_session()), Parts::new(&stream.save_session())]
    })
}

/// Resumes a session. What is accepted must not fail later but by an error.
fn resume(file: &[u8]) {
    match VideoPredictor::resume_session(model().clone(), file, "x") {
        Ok(mut predictor) => {
            let pass = predictor.begin(None, Some(1), Direction::Forward);
            for index in pass.into_iter().flatten().take(1) {
                check(predictor.track_frame(index, &frame(index % FRAMES)).map(|_| ()));
            }
        }
        Err(error) => check(Err(error)),
    }
    match Tracker::resume_session(model().clone(), file, "x") {
        Ok(mut tracker) => check(tracker.push(&frame(2)).map(|_| ())),
        Err(error) => check(Err(error)),
    }
}

/// The JSON in the metadata; the first byte chooses the tensors.
pub fn session(data: &[u8]) {
    let [kind, text @ ..] = data else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    resume(&session_parts()[usize::from(kind & 1)].with_text(text));
}

/// The whole header; the first byte chooses the tensors.
pub fn session_file(data: &[u8]) {
    let [kind, header @ ..] = data else { return };
    resume(&session_parts()[usize::from(kind & 1)].with_header(header));
}

/// A saved embedding.
pub fn embedding_parts() -> &'static Parts {
    static PARTS: OnceLock<Parts> = OnceLock::new();
    PARTS.get_or_init(|| {
        let mut predictor = ImagePredictor::new(model().clone());
        predictor.set_image(&frame(0));
        let path = FOLDER.join("saved.safetensors");
        predictor.save_embeddings(&path).expect("it is written");
        Parts::new(&std::fs::read(&path).expect("it is there"))
    })
}

/// The whole header.
pub fn embedding(data: &[u8]) {
    let path = file("embedding.safetensors", &embedding_parts().with_header(data));
    let mut predictor = ImagePredictor::new(model().clone());
    match predictor.load_embeddings(&path) {
        Ok(()) => check(predictor.predict(&Points::click(1.0, 1.0).into()).map(|_| ())),
        Err(error) => check(Err(error)),
    }
}
