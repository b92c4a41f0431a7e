//! All prompts of a clip.

use std::collections::BTreeMap;
use std::path::Path;

use super::prompt::{BoxPrompt, Click, Prompt};
use crate::error::{InvalidPrompt, MediaError};

/// All prompts of a clip, by frame and then by object.
#[derive(Clone, Debug, Default)]
pub struct Prompts {
    frames: BTreeMap<usize, BTreeMap<u32, (Prompt, String)>>,
}

impl Prompts {
    /// Adds a prompt. Clicks and boxes for one object on one frame are merged; a mask cannot be combined.
    ///
    /// `origin` is its file and line, or its options, for messages.
    ///
    /// # Errors
    /// If the object already has a prompt on this frame that cannot be combined.
    pub fn add(&mut self, frame: usize, obj_id: u32, prompt: Prompt, origin: &str) -> Result<(), MediaError> {
        let refused = |source| Err(MediaError::PromptAt { origin: origin.to_owned(), source });
        let objects = self.frames.entry(frame).or_default();
        let Some((present, _)) = objects.get_mut(&obj_id) else {
            objects.insert(obj_id, (prompt, origin.to_owned()));
            return Ok(());
        };
        match (present, prompt) {
            (Prompt::Points { clicks, bbox }, Prompt::Points { clicks: more, bbox: second }) => {
                if bbox.is_some() && second.is_some() {
                    return refused(InvalidPrompt::TwoBoxes { obj_id, frame });
                }
                clicks.extend(more);
                *bbox = bbox.or(second);
                Ok(())
            }
            _ => refused(InvalidPrompt::MaskAndPrompt { obj_id, frame }),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The frames that have prompts, in order, and by object the prompt and its origin.
    pub fn frames(&self) -> impl Iterator<Item = (usize, &BTreeMap<u32, (Prompt, String)>)> {
        self.frames.iter().map(|(&frame, objects)| (frame, objects))
    }

    /// The prompts on one frame, by object.
    pub fn on(&self, frame: usize) -> impl Iterator<Item = (u32, &Prompt)> {
        self.frames.get(&frame).into_iter().flatten().map(|(&id, (prompt, _))| (id, prompt))
    }

    /// The files of masks.
    pub fn masks(&self) -> impl Iterator<Item = &Path> {
        self.frames.values().flat_map(BTreeMap::values).filter_map(|(prompt, _)| match prompt {
            Prompt::Mask(path) => Some(path.as_path()),
            Prompt::Points { .. } => None,
        })
    }

    /// Checks that the clip has every prompted frame.
    ///
    /// # Errors
    /// [`InvalidPrompt::NoFrame`], with the origin of the prompt.
    pub fn check_frames(&self, clip: &Path, num_frames: usize) -> Result<(), MediaError> {
        let beyond = self.frames.range(num_frames..).next();
        if let Some((frame, (_, origin))) =
            beyond.and_then(|(f, objects)| Some((f, objects.values().next()?)))
        {
            let source = InvalidPrompt::NoFrame { frame: *frame, clip: clip.to_owned(), num_frames };
            return Err(MediaError::PromptAt { origin: origin.clone(), source });
        }
        Ok(())
    }

    /// Checks every prompt but masks against the clip.
    ///
    /// # Errors
    /// If a prompt is on a frame beyond the clip, or outside the image.
    pub fn check(&self, clip: &Path, num_frames: usize, size: (u32, u32)) -> Result<(), MediaError> {
        self.check_frames(clip, num_frames)?;
        for objects in self.frames.values() {
            for (prompt, origin) in objects.values() {
                if let Prompt::Points { clicks, bbox } = prompt {
                    check_points(clicks, *bbox, size, clip)
                        .map_err(|source| MediaError::PromptAt { origin: origin.clone(), source })?;
                }
            }
        }
        Ok(())
    }
}

/// Checks clicks and a box against the width and height of an image; `path` is for messages.
///
/// # Errors
/// If a coordinate is outside, a label is neither 1 nor 0, the box is empty, or the prompt is empty.
pub fn check_points(
    clicks: &[Click],
    bbox: Option<BoxPrompt>,
    size: (u32, u32),
    picture: &Path,
) -> Result<(), InvalidPrompt> {
    let (width, height) = (size.0 as f32, size.1 as f32);
    for &Click { x, y, label } in clicks {
        // NaN must fail.
        if !(x >= 0.0 && x < width && y >= 0.0 && y < height) {
            return Err(InvalidPrompt::ClickOutside { x, y, picture: picture.to_owned(), size });
        }
        if !matches!(label, 0 | 1) {
            return Err(InvalidPrompt::ClickLabel { x, y, label });
        }
    }
    if let Some(BoxPrompt(corners)) = bbox {
        let [x0, y0, x1, y1] = corners;
        if !(x0 >= 0.0 && y0 >= 0.0 && x1 <= width && y1 <= height) {
            return Err(InvalidPrompt::BoxOutside { corners, picture: picture.to_owned(), size });
        }
        if !(x0 < x1 && y0 < y1) {
            return Err(InvalidPrompt::BoxEmpty { corners });
        }
    }
    if clicks.is_empty() && bbox.is_none() {
        return Err(InvalidPrompt::NoPoints);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;

    #[test]
    fn points_outside_the_picture_are_refused() {
        let check = |clicks: &[Click], bbox| check_points(clicks, bbox, (10, 5), Path::new("a.png"));
        let click = |x, y| [Click { x, y, label: 1 }];
        assert!(check(&click(0.0, 0.0), None).is_ok());
        assert!(check(&click(9.9, 4.9), None).is_ok());
        for (x, y) in [(-0.1, 0.0), (10.0, 0.0), (0.0, 5.0), (f32::NAN, 0.0), (0.0, f32::INFINITY)] {
            let text = check(&click(x, y), None).expect_err("outside").to_string();
            assert!(text.contains("a.png") && text.contains("10x5"), "{text}");
        }
        assert!(check(&[], Some(BoxPrompt([0.0, 0.0, 10.0, 5.0]))).is_ok());
        for bad in
            [[0.0, 0.0, 10.1, 5.0], [5.0, 0.0, 5.0, 5.0], [4.0, 3.0, 2.0, 1.0], [f32::NAN, 0.0, 1.0, 1.0]]
        {
            assert!(check(&[], Some(BoxPrompt(bad))).is_err(), "{bad:?}");
        }
        assert!(check(&[], None).is_err());
    }

    #[test]
    fn prompts_for_one_object_are_joined() {
        let points = |clicks: &[(f32, f32)], bbox| Prompt::Points {
            clicks: clicks.iter().map(|&(x, y)| Click { x, y, label: 1 }).collect(),
            bbox,
        };
        let a_box = Some(BoxPrompt([1.0, 1.0, 2.0, 2.0]));
        let mut prompts = Prompts::default();
        prompts.add(3, 1, points(&[(1.0, 1.0)], None), "line 1").expect("first");
        prompts.add(3, 1, points(&[(2.0, 2.0)], a_box), "line 2").expect("joined");
        assert_eq!(prompts.on(3).collect::<Vec<_>>(), [(1, &points(&[(1.0, 1.0), (2.0, 2.0)], a_box))]);
        assert!(prompts.add(3, 1, points(&[], a_box), "line 3").is_err());
        assert!(prompts.add(3, 1, Prompt::Mask("m.png".into()), "line 4").is_err());
        prompts.add(0, 2, Prompt::Mask("m.png".into()), "line 5").expect("another object");
        let text = in_full(&prompts.check(Path::new("clip"), 3, (4, 4)).expect_err("frame 3 of 3"));
        assert!(text.contains("no frame 3") && text.contains("clip"), "{text}");
        assert!(prompts.check(Path::new("clip"), 4, (4, 4)).is_ok());
    }
}
