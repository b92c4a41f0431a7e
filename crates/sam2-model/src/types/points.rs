//! Clicks and boxes in image coordinates.

use crate::error::PromptError;

/// The meaning of a point, with the numbers that Meta's prompt encoder uses.
///
/// ```
/// use sam2_model::types::Label;
///
/// assert_eq!(Label::try_from(0)?, Label::Off);
/// assert_eq!(Label::BottomRight as i32, 3);
/// # Ok::<(), sam2_model::error::PromptError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// −1: padding, as in ragged batches of Meta's code. Its coordinates have no effect.
    NotAPoint = -1,
    /// 0: not on the object.
    Off = 0,
    /// 1: on the object.
    On = 1,
    /// 2: top left corner of a box.
    TopLeft = 2,
    /// 3: bottom right corner of a box.
    BottomRight = 3,
}

impl TryFrom<i32> for Label {
    type Error = PromptError;

    fn try_from(label: i32) -> Result<Self, PromptError> {
        Ok(match label {
            -1 => Self::NotAPoint,
            0 => Self::Off,
            1 => Self::On,
            2 => Self::TopLeft,
            3 => Self::BottomRight,
            _ => return Err(PromptError::BadLabel(label)),
        })
    }
}

/// Clicks and a box on one object, in pixels of the original image: x to the right, y down, from its top left
/// corner. Coordinates are checked when the prompt is used.
///
/// ```
/// use sam2_model::Points;
/// use sam2_model::types::Label;
///
/// let points = Points::new().on(120.0, 80.0).off(30.0, 75.0).within([90.0, 40.0, 200.0, 160.0]);
/// assert_eq!(points.len(), 2);
/// assert_eq!(points.points()[1], ([30.0, 75.0], Label::Off));
/// assert_eq!(points.corners(), Some([90.0, 40.0, 200.0, 160.0]));
/// assert!(!points.is_empty() && !points.allows_outside());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    points: Vec<([f32; 2], Label)>,
    bbox: Option<[f32; 4]>,
    outside: bool,
}

impl Points {
    /// The largest number of points for one object on one image: time grows with its square.
    pub const MAX: usize = 4096;

    /// No click and no box, for [`Self::on`], [`Self::off`] and [`Self::within`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One click on the object.
    ///
    /// ```
    /// # use sam2_model::Points;
    /// assert_eq!(Points::click(120.0, 80.0), Points::new().on(120.0, 80.0));
    /// ```
    #[must_use]
    pub fn click(x: f32, y: f32) -> Self {
        Self::new().on(x, y)
    }

    /// A box around the object.
    ///
    /// ```
    /// # use sam2_model::Points;
    /// assert_eq!(Points::bbox(90.0, 40.0, 200.0, 160.0).corners(), Some([90.0, 40.0, 200.0, 160.0]));
    /// ```
    #[must_use]
    pub fn bbox(x0: f32, y0: f32, x1: f32, y1: f32) -> Self {
        Self::new().within([x0, y0, x1, y1])
    }

    /// Points with Meta's labels: 0, 1, 2, 3 or −1, see [`Label`].
    ///
    /// ```
    /// use sam2_model::Points;
    ///
    /// let points = Points::labelled(&[[120.0, 80.0], [30.0, 75.0]], &[1, 0])?;
    /// assert_eq!(points, Points::new().on(120.0, 80.0).off(30.0, 75.0));
    /// # Ok::<(), sam2_model::error::PromptError>(())
    /// ```
    ///
    /// # Errors
    /// If the numbers of labels and points differ, or a label is invalid.
    pub fn labelled(coords: &[[f32; 2]], labels: &[i32]) -> Result<Self, PromptError> {
        if coords.len() != labels.len() {
            return Err(PromptError::LabelCount { points: coords.len(), labels: labels.len() });
        }
        let pairs = coords.iter().zip(labels);
        let points = pairs.map(|(&xy, &label)| Ok((xy, Label::try_from(label)?)));
        Ok(Self { points: points.collect::<Result<_, PromptError>>()?, ..Self::default() })
    }

    /// Adds a click on the object.
    #[must_use]
    pub fn on(self, x: f32, y: f32) -> Self {
        self.point(x, y, Label::On)
    }

    /// Adds a click that is not on the object.
    #[must_use]
    pub fn off(self, x: f32, y: f32) -> Self {
        self.point(x, y, Label::Off)
    }

    /// Adds a point with any label.
    ///
    /// ```
    /// # use sam2_model::Points;
    /// # use sam2_model::types::Label;
    /// let click = Points::new().point(120.0, 80.0, Label::On).point(0.0, 0.0, Label::NotAPoint);
    /// assert_eq!(click.len(), 2);
    /// ```
    #[must_use]
    pub fn point(mut self, x: f32, y: f32, label: Label) -> Self {
        self.points.push(([x, y], label));
        self
    }

    /// Sets or removes the box around the object, `[x0, y0, x1, y1]` with x0 < x1 and y0 < y1.
    ///
    /// ```
    /// # use sam2_model::Points;
    /// let points = Points::click(120.0, 80.0).within([90.0, 40.0, 200.0, 160.0]);
    /// assert_eq!(points.within(None), Points::click(120.0, 80.0));
    /// ```
    #[must_use]
    pub fn within(mut self, corners: impl Into<Option<[f32; 4]>>) -> Self {
        self.bbox = corners.into();
        self
    }

    /// Whether coordinates may be outside the image, as in Meta's code, which accepts any finite number. By
    /// default such a prompt is refused.
    ///
    /// ```
    /// # use sam2_model::{Frame, ImagePredictor, Points};
    /// # let mut predictor = ImagePredictor::new(sam2_micro::model());
    /// # predictor.set_image(&Frame::new(96, 64, vec![90; 96 * 64 * 3])?);
    /// let left_of_it = Points::click(-3.0, 32.0);
    /// assert!(predictor.predict(&left_of_it.clone().into()).is_err());
    /// assert!(predictor.predict(&left_of_it.allow_outside(true).into()).is_ok());
    /// # Ok::<(), sam2_model::error::ImageError>(())
    /// ```
    #[must_use]
    pub fn allow_outside(mut self, allow: bool) -> Self {
        self.outside = allow;
        self
    }

    /// Coordinates and label of every point.
    pub fn points(&self) -> &[([f32; 2], Label)] {
        &self.points
    }

    /// The box.
    pub fn corners(&self) -> Option<[f32; 4]> {
        self.bbox
    }

    /// Whether coordinates may be outside the image.
    pub fn allows_outside(&self) -> bool {
        self.outside
    }

    /// Number of points, without the corners of the box.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there is neither point nor box.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty() && self.bbox.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_the_numbers_of_the_reference() {
        for number in -1..=3 {
            assert_eq!(Label::try_from(number).map(|label| label as i32), Ok(number));
        }
        assert_eq!(Label::try_from(4), Err(PromptError::BadLabel(4)));
        let counts = Points::labelled(&[[1.0, 1.0]], &[]);
        assert_eq!(counts, Err(PromptError::LabelCount { points: 1, labels: 0 }));
        assert_eq!(Points::labelled(&[[1.0, 1.0]], &[-2]), Err(PromptError::BadLabel(-2)));
    }
}
