//! All prompts of a clip.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::prompt::{BoxPrompt, Click, Prompt};

/// Every prompt of a clip, by frame and then by object.
#[derive(Clone, Debug, Default)]
pub struct Prompts {
    frames: BTreeMap<usize, BTreeMap<u32, (Prompt, String)>>,
}

impl Prompts {
    /// Adds a prompt. Clicks and boxes for one object on one frame belong together; a mask stands alone.
    ///
    /// `origin` says where it came from, for messages.
    pub fn add(&mut self, frame: usize, obj_id: u32, target: Prompt, origin: &str) -> Result<()> {
        let objects = self.frames.entry(frame).or_default();
        let Some((present, _)) = objects.get_mut(&obj_id) else {
            objects.insert(obj_id, (target, origin.to_owned()));
            return Ok(());
        };
        match (present, target) {
            (Prompt::Points { clicks, bbox }, Prompt::Points { clicks: more, bbox: second }) => {
                if bbox.is_some() && second.is_some() {
                    bail!("{origin}: object {obj_id} already has a box on frame {frame}");
                }
                clicks.extend(more);
                *bbox = bbox.or(second);
                Ok(())
            }
            _ => bail!(
                "{origin}: object {obj_id} already has a prompt on frame {frame}, and a mask cannot be combined with \
                 another prompt"
            ),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The frames that have prompts, in order, with what is on them.
    pub fn frames(&self) -> impl Iterator<Item = (usize, &BTreeMap<u32, (Prompt, String)>)> {
        self.frames.iter().map(|(&frame, objects)| (frame, objects))
    }

    /// The prompts of one object on one frame.
    pub fn on(&self, frame: usize) -> impl Iterator<Item = (u32, &Prompt)> {
        self.frames.get(&frame).into_iter().flatten().map(|(&id, (target, _))| (id, target))
    }

    /// Checks that the clip has every frame that is prompted.
    pub fn check_frames(&self, clip: &Path, num_frames: usize) -> Result<()> {
        let beyond = self.frames.range(num_frames..).next();
        if let Some((frame, (_, origin))) =
            beyond.and_then(|(f, objects)| Some((f, objects.values().next()?)))
        {
            bail!(
                "{origin}: there is no frame {frame} in {}, which has {num_frames} frames (0 to {})",
                clip.display(),
                num_frames - 1
            );
        }
        Ok(())
    }

    /// Checks every prompt against the clip.
    pub fn check(&self, clip: &Path, num_frames: usize, size: (u32, u32)) -> Result<()> {
        self.check_frames(clip, num_frames)?;
        for objects in self.frames.values() {
            for (target, origin) in objects.values() {
                if let Prompt::Points { clicks, bbox } = target {
                    check_points(clicks, *bbox, size, clip).with_context(|| origin.clone())?;
                }
            }
        }
        Ok(())
    }
}

/// Checks clicks and a box against the picture they are about.
pub fn check_points(
    clicks: &[Click],
    bbox: Option<BoxPrompt>,
    size: (u32, u32),
    picture: &Path,
) -> Result<()> {
    let (width, height) = (size.0 as f32, size.1 as f32);
    let whole = || format!("{}, which has {}x{} pixels", picture.display(), size.0, size.1);
    for Click { x, y, label } in clicks {
        // Written so that NaN fails too.
        if !(*x >= 0.0 && *x < width && *y >= 0.0 && *y < height) {
            bail!("the click {x},{y} is outside {}", whole());
        }
        if !matches!(label, 0 | 1) {
            bail!("the click {x},{y} has label {label}: 1 means the object, 0 not the object");
        }
    }
    if let Some(BoxPrompt([x0, y0, x1, y1])) = bbox {
        if !(x0 >= 0.0 && y0 >= 0.0 && x1 <= width && y1 <= height) {
            bail!("the box {x0},{y0},{x1},{y1} is not inside {}", whole());
        }
        if !(x0 < x1 && y0 < y1) {
            bail!(
                "the box {x0},{y0},{x1},{y1} is empty or inverted: it is x0,y0,x1,y1 with x0 < x1 and y0 < y1"
            );
        }
    }
    if clicks.is_empty() && bbox.is_none() {
        bail!("neither a click nor a box is given");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let text = prompts.check(Path::new("clip"), 3, (4, 4)).expect_err("frame 3 of 3").to_string();
        assert!(text.contains("no frame 3") && text.contains("clip"), "{text}");
        assert!(prompts.check(Path::new("clip"), 4, (4, 4)).is_ok());
    }
}
