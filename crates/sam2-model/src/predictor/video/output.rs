//! The masks of one frame.

use kernels::Isa;
use kernels::image::resize_bilinear;

use crate::components::Components;
use crate::types::Mask;

/// Logit of a pixel in a filled hole.
const FILLED: f32 = 0.1;
/// Upper bound of the logits where another object has a larger logit.
const SUPPRESSED: f32 = -10.0;

/// All objects on one frame.
///
/// ```
/// # use sam2_model::video::VideoOptions;
/// # use sam2_model::{Frame, Points, Tracker};
/// # let picture = Frame::new(96, 64, vec![90; 96 * 64 * 3])?;
/// # let mut tracker = Tracker::new(sam2_micro::model(), 96, 64, VideoOptions::default())?;
/// # tracker.push(&picture)?;
/// # tracker.add_points(1, &Points::click(48.0, 32.0))?;
/// let output = tracker.push(&picture)?;
/// for (object, mask) in output.objects.iter().zip(output.masks()) {
///     let present = object.object_score > 0.0;
///     println!("frame {}, object {}: {present}, {} pixels", output.frame_idx, object.obj_id, mask.area());
/// }
/// let logits = output.mask_logits(0);
/// assert_eq!(logits.iter().filter(|&&x| x > 0.0).count(), output.mask(0).area());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FrameOutput {
    /// Index of the frame.
    pub frame_idx: usize,
    /// In the order of their first prompts.
    pub objects: Vec<ObjectOutput>,
    /// Width and height of the video.
    pub(super) size: (usize, usize),
    pub(super) isa: Isa,
    pub(super) non_overlap: bool,
}

/// One object on one frame.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ObjectOutput {
    /// The user's id.
    pub obj_id: u32,
    /// Object score: logit of the object being present; present if above 0.
    pub object_score: f32,
    /// The model's estimate of the mask's IoU with the object, 0 ..= 1.
    pub predicted_iou: f32,
    /// Stability score: IoU of the masks at thresholds ±1, 0 ..= 1, at the resolution of the logits; 0 if the
    /// object is absent.
    pub stability_score: f32,
    /// Change since the last tracked frame.
    pub event: Option<ObjectEvent>,
    /// `[s, s]` stored logits, s = [`crate::Model::low_res_size`].
    pub low_res: Vec<f32>,
}

/// Change of visibility on a tracked frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectEvent {
    /// The object has become absent.
    Lost,
    /// The object is present again.
    Found,
}

impl ObjectEvent {
    /// `lost` or `found`.
    ///
    /// ```
    /// # use sam2_model::video::ObjectEvent;
    /// assert_eq!(ObjectEvent::Lost.name(), "lost");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Found => "found",
        }
    }
}

impl FrameOutput {
    /// Logits of object `i` at the size of the video, row-major.
    ///
    /// # Panics
    /// If there is no object `i`.
    pub fn mask_logits(&self, i: usize) -> Vec<f32> {
        let mut logits = self.resized(i);
        if self.compete() {
            for other in (0..self.objects.len()).filter(|&other| other != i) {
                for (x, y) in logits.iter_mut().zip(self.resized(other)) {
                    // Of equal logits the first object keeps the pixel.
                    if y > *x || (y == *x && other < i) {
                        *x = x.min(SUPPRESSED);
                    }
                }
            }
        }
        logits
    }

    /// Mask of object `i` at the size of the video.
    ///
    /// # Panics
    /// If there is no object `i`.
    pub fn mask(&self, i: usize) -> Mask {
        if self.compete() {
            Mask::above(&self.mask_logits(i), self.size.0, self.size.1, 0.0)
        } else {
            Mask::above_resized(self.isa, &self.objects[i].low_res, self.size, 0.0)
        }
    }

    /// The masks of all objects at the size of the video. With non-overlapping masks this is less work than a
    /// [`Self::mask`] per object, each of which resizes the logits of all objects.
    pub fn masks(&self) -> Vec<Mask> {
        if !self.compete() {
            return (0..self.objects.len()).map(|i| self.mask(i)).collect();
        }
        let mut strongest = self.resized(0);
        let mut owners = vec![0; strongest.len()];
        for i in 1..self.objects.len() {
            for ((strongest, owner), x) in strongest.iter_mut().zip(&mut owners).zip(self.resized(i)) {
                if x > *strongest {
                    (*strongest, *owner) = (x, i);
                }
            }
        }
        let (width, height) = self.size;
        let inside = |i: usize| strongest.iter().zip(&owners).map(move |(&x, &owner)| owner == i && x > 0.0);
        (0..self.objects.len()).map(|i| Mask::of(inside(i).collect(), width, height)).collect()
    }

    /// Whether masks are non-overlapping.
    fn compete(&self) -> bool {
        self.non_overlap && self.objects.len() > 1
    }

    fn resized(&self, i: usize) -> Vec<f32> {
        let low_res = &self.objects[i].low_res;
        let side = low_res.len().isqrt();
        resize_bilinear(self.isa, low_res, (side, side), 1, (self.size.1, self.size.0))
    }
}

/// Gives every pixel to the object with the highest logit, the first of equals: the logits of the others
/// become at most −10. `logits` holds one map per object, all of one size; a single object keeps its logits.
/// Meta: `_apply_non_overlapping_constraints` in `sam2/modeling/sam2_base.py`.
///
/// ```
/// let mut logits = [vec![1.0, 2.0, 3.0], vec![2.0, 1.0, 3.0]];
/// sam2_model::video::suppress_overlap(&mut logits);
/// assert_eq!(logits, [[-10.0, 2.0, 3.0], [2.0, -10.0, -10.0]]);
/// ```
pub fn suppress_overlap(logits: &mut [Vec<f32>]) {
    let Some(pixels) = logits.first().map(Vec::len).filter(|_| logits.len() > 1) else { return };
    for pixel in 0..pixels {
        let mut best = 0;
        for object in 1..logits.len() {
            if logits[object][pixel] > logits[best][pixel] {
                best = object;
            }
        }
        for (object, logits) in logits.iter_mut().enumerate() {
            if object != best {
                logits[pixel] = logits[pixel].min(SUPPRESSED);
            }
        }
    }
}

/// Fills holes, that is 8-connected components of logits at or below 0, of at most `area` pixels.
pub(super) fn fill_holes(logits: &mut [f32], side: usize, area: usize) {
    if area == 0 {
        return;
    }
    let background: Vec<bool> = logits.iter().map(|&x| x <= 0.0).collect();
    Components::of(&background, side).small(area).for_each(|pixel| logits[pixel] = FILLED);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(low_res: [[f32; 4]; 2], non_overlap: bool) -> FrameOutput {
        let object = |obj_id, low_res: [f32; 4]| ObjectOutput {
            obj_id,
            object_score: 1.0,
            predicted_iou: 1.0,
            stability_score: 1.0,
            event: None,
            low_res: low_res.to_vec(),
        };
        let objects = vec![object(1, low_res[0]), object(2, low_res[1])];
        FrameOutput { frame_idx: 0, objects, size: (2, 2), isa: Isa::best(), non_overlap }
    }

    #[test]
    fn non_overlap_gives_every_pixel_to_the_strongest_and_ties_to_the_first() {
        let logits = [[1.0, 2.0, -20.0, 3.0], [2.0, 1.0, -5.0, 3.0]];
        let kept = output(logits, true);
        assert_eq!(kept.mask_logits(0), [-10.0, 2.0, -20.0, 3.0]);
        assert_eq!(kept.mask_logits(1), [2.0, -10.0, -5.0, -10.0]);
        assert_eq!(output(logits, false).mask_logits(0), logits[0]);
        let mut all = logits.map(Vec::from);
        suppress_overlap(&mut all);
        assert_eq!(all, [kept.mask_logits(0), kept.mask_logits(1)]);
        for output in [kept, output(logits, false)] {
            assert_eq!(output.masks(), [output.mask(0), output.mask(1)]);
        }
    }

    #[test]
    fn a_pixel_belongs_to_the_strongest_of_several_and_to_the_first_of_equals() {
        let mut logits = [vec![1.0, 2.0, -20.0, 3.0], vec![2.0, 1.0, -5.0, 3.0], vec![0.0, 0.0, -30.0, 4.0]];
        suppress_overlap(&mut logits);
        assert_eq!(logits[0], [-10.0, 2.0, -20.0, -10.0]);
        assert_eq!(logits[1], [2.0, -10.0, -5.0, -10.0]);
        assert_eq!(logits[2], [-10.0, -10.0, -30.0, 4.0]);
        let mut one = [vec![-3.0, 5.0]];
        suppress_overlap(&mut one);
        assert_eq!(one[0], [-3.0, 5.0]);
    }

    #[test]
    fn small_holes_are_filled_and_large_ones_stay() {
        // A hole of two diagonal pixels (8-connected), and a background of more than that.
        let mut logits =
            [-1.0, -1.0, -1.0, -1.0, 5.0, -1.0, 5.0, -1.0, 5.0, 5.0, -1.0, 5.0, 5.0, 5.0, 5.0, 5.0];
        let before = logits;
        fill_holes(&mut logits, 4, 6);
        assert_eq!(logits, before, "one component of seven pixels");
        let mut logits = [5.0; 16];
        logits[5] = -1.0;
        logits[10] = 0.0;
        fill_holes(&mut logits, 4, 1);
        assert_eq!((logits[5], logits[10]), (-1.0, 0.0));
        fill_holes(&mut logits, 4, 2);
        assert_eq!((logits[5], logits[10]), (FILLED, FILLED));
    }
}
