//! Clicks and boxes as the caller gives them.

/// Clicks and a box on one object, in pixels of the original image: x to the right, y down, from its top left
/// corner.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    /// `[x, y]` of every click.
    pub coords: Vec<[f32; 2]>,
    /// For every click, 1 if it is on the object, 0 if it is not.
    pub labels: Vec<i32>,
    /// `[x0, y0, x1, y1]` around the object.
    pub bbox: Option<[f32; 4]>,
}

impl Points {
    /// One click on the object.
    pub fn click(x: f32, y: f32) -> Self {
        Self { coords: vec![[x, y]], labels: vec![1], bbox: None }
    }

    /// A box around the object.
    pub fn bbox(x0: f32, y0: f32, x1: f32, y1: f32) -> Self {
        Self { bbox: Some([x0, y0, x1, y1]), ..Self::default() }
    }

    /// Whether there is neither click nor box.
    pub fn is_empty(&self) -> bool {
        self.coords.is_empty() && self.bbox.is_none()
    }
}
