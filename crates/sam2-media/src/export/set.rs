//! Objects on pictures, as run lengths: what is exported.

use std::path::Path;

use sam2_model::Rle;

use super::classes::Classes;

/// The masks of a clip or of a photo.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Set {
    /// Name of the clip or photo without an extension.
    pub name: String,
    /// Width and height of every frame, pixels.
    pub size: (u32, u32),
    /// Number of frames of the whole clip.
    pub length: usize,
    /// Frames per second.
    pub fps: f64,
    /// Which frames of the clip there are: every one, every second, ….
    pub every: usize,
    /// Classes of the objects.
    pub classes: Classes,
    /// The frames in order.
    pub frames: Vec<Picture>,
}

/// A frame and its objects.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Index in the clip.
    pub index: usize,
    /// Name of its file.
    pub file: String,
    /// The objects on it.
    pub objects: Vec<Object>,
}

/// An object on a frame.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its number.
    pub id: u32,
    /// The model's estimate of the mask's IoU, if it is known.
    pub score: Option<f32>,
    /// Its mask.
    pub rle: Rle,
}

impl Object {
    /// The box of COCO's JSON: left, top, number of columns, number of rows.
    pub fn bbox(&self) -> [usize; 4] {
        bbox(&self.rle)
    }
}

/// The box of COCO's JSON; zeros if the mask is empty.
pub(super) fn bbox(rle: &Rle) -> [usize; 4] {
    let [x0, y0, x1, y1] = rle.bbox_xyxy().unwrap_or([1, 1, 0, 0]);
    if x1 < x0 { [0; 4] } else { [x0, y0, x1 - x0 + 1, y1 - y0 + 1] }
}

/// The name of a clip, a photo or a list: that of its file without the extension, or that of its folder.
pub fn name_of(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = if whole.is_dir() { whole.file_name() } else { whole.file_stem() };
    match name {
        Some(name) if path != Path::new("-") => name.to_string_lossy().into_owned(),
        _ => "stdin".to_owned(),
    }
}

/// Frames per second where nothing says otherwise: those of SA-V.
pub const FPS: f64 = 24.0;

impl Picture {
    /// The name of its file without an extension.
    pub fn stem(&self) -> &str {
        self.file.rsplit_once('.').map_or(&self.file, |(stem, _)| stem)
    }
}

impl Set {
    /// An empty set.
    pub fn new(name: impl Into<String>, size: (u32, u32)) -> Self {
        let classes = Classes::default();
        Self { name: name.into(), size, length: 0, fps: FPS, every: 1, classes, frames: Vec::new() }
    }

    /// The objects that are on any frame, in order.
    pub fn ids(&self) -> Vec<u32> {
        let mut ids = Vec::new();
        for object in self.frames.iter().flat_map(|frame| &frame.objects) {
            if let Err(at) = ids.binary_search(&object.id) {
                ids.insert(at, object.id);
            }
        }
        ids
    }

    /// Puts frames and objects into order, and keeps every `every`th frame of the clip and the masks of at
    /// least `min_area` pixels; empty ones are left out in any case.
    pub fn reduce(&mut self, every: usize, min_area: u64) {
        in_order(&mut self.frames, |frame| frame.index);
        self.length = self.length.max(self.frames.last().map_or(0, |frame| frame.index + 1));
        self.every = every.max(1);
        self.frames.retain(|frame| frame.index % self.every == 0);
        for frame in &mut self.frames {
            frame.objects.retain(|object| object.rle.area() >= min_area.max(1));
            in_order(&mut frame.objects, |object| object.id as usize);
        }
    }

    /// The mask of an object on a frame.
    pub(super) fn mask(frame: &Picture, id: u32) -> Option<&Object> {
        frame.objects.iter().find(|object| object.id == id)
    }
}

/// Sorts what mostly is in order already, in less code than the library's sort.
fn in_order<T>(items: &mut [T], key: fn(&T) -> usize) {
    for next in 1..items.len() {
        let mut at = next;
        while at > 0 && key(&items[at - 1]) > key(&items[at]) {
            items.swap(at - 1, at);
            at -= 1;
        }
    }
}
