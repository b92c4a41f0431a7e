//! Frames and prompts as the user gives them, checked.

use crate::error::PromptError;
use crate::prompt_encoder::ModelPoint;

/// An RGB image, 8 bits per channel, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Frame {
    /// `rgb` holds `width · height · 3` bytes.
    ///
    /// # Errors
    /// If it does not, or if the frame has no pixel.
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Result<Self, PromptError> {
        let expected = width.saturating_mul(height).saturating_mul(3);
        if expected == 0 || rgb.len() != expected {
            return Err(PromptError::FrameSize { width, height, expected, found: rgb.len() });
        }
        Ok(Self { width, height, rgb })
    }

    /// Pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The bytes.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }
}

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

    /// Checks everything and scales to the model's input of `side` pixels: the corners of the box first, as
    /// points with labels 2 and 3, then the clicks.
    pub(crate) fn to_model(
        &self,
        width: usize,
        height: usize,
        side: usize,
    ) -> Result<Vec<ModelPoint>, PromptError> {
        if self.coords.len() != self.labels.len() {
            return Err(PromptError::LabelCount { points: self.coords.len(), labels: self.labels.len() });
        }
        let (w, h) = (width as f32, height as f32);
        let point = |x: f32, y: f32, label: i32| {
            // A coordinate may lie on the far edge: boxes end there. Written so that NaN fails.
            if !((0.0..=w).contains(&x) && (0.0..=h).contains(&y)) {
                return Err(PromptError::OutsideImage { x, y, width, height });
            }
            Ok(ModelPoint { x: x / w * side as f32, y: y / h * side as f32, label })
        };
        let mut points = Vec::with_capacity(self.coords.len() + 3);
        if let Some([x0, y0, x1, y1]) = self.bbox {
            points.push(point(x0, y0, 2)?);
            points.push(point(x1, y1, 3)?);
            if x0 >= x1 || y0 >= y1 {
                return Err(PromptError::BadBox([x0, y0, x1, y1]));
            }
        }
        for (&[x, y], &label) in self.coords.iter().zip(&self.labels) {
            if !(0..=1).contains(&label) {
                return Err(PromptError::BadLabel(label));
            }
            points.push(point(x, y, label)?);
        }
        Ok(points)
    }
}
