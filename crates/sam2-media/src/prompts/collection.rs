//! All prompts of a clip.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;

use sam2_model::Points;

use super::check::check_points;
use super::convention::Convention;
use super::mask_file;
use super::prompt::Prompt;
use crate::error::{InvalidPrompt, MediaError};

/// One prompt of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptLine {
    /// The frame, counted from 0.
    pub frame: usize,
    /// The object.
    pub obj_id: u32,
    /// The prompt, as it was written.
    pub prompt: Prompt,
    /// Its file and line, or its options, for messages.
    pub origin: String,
}

impl PromptLine {
    /// The file of its mask.
    pub fn mask(&self) -> Option<&Path> {
        match &self.prompt {
            Prompt::Mask(path) => Some(path),
            Prompt::Points { .. } => None,
        }
    }
}

/// The clip that prompts are for.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// Its name, for messages.
    pub clip: &'a Path,
    /// Number of its frames; `usize::MAX` if it is unknown.
    pub num_frames: usize,
    /// Width and height of its frames, pixels.
    pub size: (u32, u32),
    /// How coordinates are written.
    pub convention: Convention,
    /// Numbers that objects may have.
    pub ids: RangeInclusive<u32>,
}

/// All prompts of a clip, by frame and then by object.
///
/// ```
/// use sam2_media::prompts::{Prompt, Prompts};
///
/// let mut prompts = Prompts::default();
/// prompts.add(0, 1, Prompt::Points { clicks: vec!["120,80".parse()?], bbox: None }, "line 1")?;
/// prompts.add(0, 1, Prompt::Points { clicks: vec!["30,75,0".parse()?], bbox: None }, "line 2")?; // merged
/// assert_eq!((prompts.is_empty(), prompts.frames().count(), prompts.on(0).count()), (false, 1, 1));
/// # Ok::<(), sam2_media::MediaError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Prompts {
    frames: BTreeMap<usize, BTreeMap<u32, (Prompt, String)>>,
}

impl Prompts {
    /// The prompts of these lines, in pixels, checked against the clip. `refuse` decides about a line that
    /// cannot be used: its error ends the reading, else the line is left out.
    ///
    /// ```
    /// use sam2_media::prompts::{Convention, Prompts, Target, jsonl};
    ///
    /// let text = r#"{"frame":0,"obj_id":1,"box":[10,10,50,40]}"#;
    /// let lines = jsonl::parse(text, "prompts.jsonl", "".as_ref(), Err)?; // no line may be invalid
    /// let (clip, convention) = ("clip.mp4".as_ref(), Convention::default());
    /// let target = Target { clip, num_frames: 24, size: (64, 48), convention, ids: 1..=255 };
    /// let prompts = Prompts::gather(lines, &target, Err)?;
    /// assert_eq!(prompts.on(0).count(), 1);
    /// # Ok::<(), sam2_media::MediaError>(())
    /// ```
    ///
    /// # Errors
    /// Those of `refuse`; or if no line is left.
    pub fn gather(
        lines: Vec<PromptLine>,
        target: &Target<'_>,
        mut refuse: impl FnMut(MediaError) -> Result<(), MediaError>,
    ) -> Result<Self, MediaError> {
        let mut prompts = Self::default();
        for PromptLine { frame, obj_id, prompt, origin } in lines {
            let prompt = target.convention.read(prompt, target.size);
            let checked = target.check(frame, obj_id, &prompt, &origin);
            checked.and_then(|()| prompts.add(frame, obj_id, prompt, &origin)).or_else(&mut refuse)?;
        }
        if prompts.is_empty() {
            return Err(InvalidPrompt::NonLeft(target.clip.display().to_string()).into());
        }
        Ok(prompts)
    }

    /// Adds a prompt in pixels. Clicks and boxes for one object on one frame are merged; a mask cannot be
    /// combined.
    ///
    /// `origin` is its file and line, or its options, for messages.
    ///
    /// # Errors
    /// If the object already has a prompt on this frame that cannot be combined, or too many clicks.
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
                let count = clicks.len() + more.len();
                if count > Points::MAX {
                    return refused(InvalidPrompt::ManyClicks { count, most: Points::MAX });
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
}

impl Target<'_> {
    /// Checks a prompt in pixels; reads a mask, so that a bad one is found before tracking starts.
    fn check(&self, frame: usize, obj_id: u32, prompt: &Prompt, origin: &str) -> Result<(), MediaError> {
        let refused = |source| Err(MediaError::PromptAt { origin: origin.to_owned(), source });
        if frame >= self.num_frames {
            let (clip, num_frames) = (self.clip.to_owned(), self.num_frames);
            return refused(InvalidPrompt::NoFrame { frame, clip, num_frames });
        }
        if !self.ids.contains(&obj_id) {
            return refused(InvalidPrompt::ObjId(obj_id));
        }
        match prompt {
            Prompt::Points { clicks, bbox } => {
                check_points(clicks, *bbox, self.size, self.clip).or_else(refused)
            }
            Prompt::Mask(path) => mask_file::read(path, Some(obj_id))
                .map(drop)
                .map_err(|source| MediaError::MaskAt { origin: origin.to_owned(), source: Box::new(source) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::prompt::{BoxPrompt, Click};
    use super::*;
    use crate::error::in_full;

    fn points(clicks: &[(f32, f32)], bbox: Option<BoxPrompt>) -> Prompt {
        let clicks = clicks.iter().map(|&(x, y)| Click { x, y, label: 1 }).collect();
        Prompt::Points { clicks, bbox }
    }

    fn line(frame: usize, obj_id: u32, prompt: Prompt) -> PromptLine {
        PromptLine { frame, obj_id, prompt, origin: format!("frame {frame} object {obj_id}") }
    }

    fn clip() -> Target<'static> {
        Target {
            clip: Path::new("clip"),
            num_frames: 4,
            size: (40, 30),
            convention: Convention::default(),
            ids: 1..=255,
        }
    }

    #[test]
    fn prompts_for_one_object_are_joined() {
        let a_box = Some(BoxPrompt([1.0, 1.0, 2.0, 2.0]));
        let mut prompts = Prompts::default();
        prompts.add(3, 1, points(&[(1.0, 1.0)], None), "line 1").expect("first");
        prompts.add(3, 1, points(&[(2.0, 2.0)], a_box), "line 2").expect("joined");
        assert_eq!(prompts.on(3).collect::<Vec<_>>(), [(1, &points(&[(1.0, 1.0), (2.0, 2.0)], a_box))]);
        assert!(prompts.add(3, 1, points(&[], a_box), "line 3").is_err());
        assert!(prompts.add(3, 1, Prompt::Mask("m.png".into()), "line 4").is_err());
        prompts.add(0, 2, Prompt::Mask("m.png".into()), "line 5").expect("another object");
        let text = in_full(&prompts.check_frames(Path::new("clip"), 3).expect_err("frame 3 of 3"));
        assert!(text.contains("no frame 3") && text.contains("clip"), "{text}");
        assert!(prompts.check_frames(Path::new("clip"), 4).is_ok());
        let most = points(&vec![(1.0, 1.0); Points::MAX], None);
        let text = in_full(&prompts.add(3, 1, most, "line 6").expect_err("too many"));
        assert!(text.contains("line 6") && text.contains(&(Points::MAX + 2).to_string()), "{text}");
    }

    #[test]
    fn a_line_that_cannot_be_used_is_named_or_left_out() {
        let good = || line(0, 1, points(&[(5.0, 5.0)], None));
        for bad in [
            line(4, 1, points(&[(5.0, 5.0)], None)),
            line(0, 0, points(&[(5.0, 5.0)], None)),
            line(0, 256, points(&[(5.0, 5.0)], None)),
            line(0, 1, points(&[(55.0, 5.0)], None)),
            line(0, 1, points(&[], Some(BoxPrompt([50.0, 1.0, 60.0, 9.0])))),
            line(0, 1, Prompt::Mask("absent.png".into())),
        ] {
            let lines = || vec![good(), bad.clone(), line(1, 2, points(&[(6.0, 6.0)], None))];
            let error = in_full(&Prompts::gather(lines(), &clip(), Err).expect_err("refused"));
            assert!(error.starts_with(&bad.origin), "{error}");
            let mut refused = Vec::new();
            let prompts = Prompts::gather(lines(), &clip(), |error| {
                refused.push(in_full(&error));
                Ok(())
            });
            let prompts = prompts.expect("the others");
            assert_eq!(refused, [error]);
            assert_eq!(prompts.on(0).collect::<Vec<_>>(), [(1, &points(&[(5.0, 5.0)], None))]);
            assert_eq!(prompts.on(1).count(), 1);
            assert!(Prompts::gather(vec![bad], &clip(), |_| Ok(())).is_err(), "none is left");
        }
    }
}
