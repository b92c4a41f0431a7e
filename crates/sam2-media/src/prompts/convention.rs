//! How coordinates are written: the order of a box's numbers, pixels or shares.

use std::fmt;
use std::str::FromStr;

use super::prompt::{BoxPrompt, Prompt};

/// The four numbers of a box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BoxFormat {
    /// Left, top, right, bottom.
    #[default]
    Xyxy,
    /// Left, top, width, height, as in COCO.
    Xywh,
    /// Centre, width, height, as in YOLO.
    Cxcywh,
}

impl FromStr for BoxFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "xyxy" => Ok(Self::Xyxy),
            "xywh" => Ok(Self::Xywh),
            "cxcywh" => Ok(Self::Cxcywh),
            _ => Err("expected one of xyxy, xywh, cxcywh".to_owned()),
        }
    }
}

impl fmt::Display for BoxFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Xyxy => "xyxy",
            Self::Xywh => "xywh",
            Self::Cxcywh => "cxcywh",
        })
    }
}

/// How the coordinates of prompts are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Convention {
    /// The four numbers of a box.
    pub boxes: BoxFormat,
    /// Whether coordinates are shares of width and height, not pixels.
    pub normalized: bool,
}

impl Convention {
    /// A prompt in pixels, with the corners of its box, for a picture of this width and height.
    ///
    /// ```
    /// use sam2_media::prompts::{BoxFormat, BoxPrompt, Convention, Prompt};
    ///
    /// let coco = Convention { boxes: BoxFormat::Xywh, normalized: false };
    /// let prompt = Prompt::Points { clicks: Vec::new(), bbox: Some(BoxPrompt([10.0, 20.0, 30.0, 5.0])) };
    /// let corners = Some(BoxPrompt([10.0, 20.0, 40.0, 25.0]));
    /// assert_eq!(coco.read(prompt, (64, 48)), Prompt::Points { clicks: Vec::new(), bbox: corners });
    /// ```
    #[must_use]
    pub fn read(self, prompt: Prompt, (width, height): (u32, u32)) -> Prompt {
        let Prompt::Points { mut clicks, bbox } = prompt else { return prompt };
        let scale = if self.normalized { [width as f32, height as f32] } else { [1.0; 2] };
        for click in &mut clicks {
            click.x *= scale[0];
            click.y *= scale[1];
        }
        let bbox = bbox.map(|BoxPrompt([a, b, c, d])| {
            let [x0, y0, x1, y1] = match self.boxes {
                BoxFormat::Xyxy => [a, b, c, d],
                BoxFormat::Xywh => [a, b, a + c, b + d],
                BoxFormat::Cxcywh => [a - c / 2.0, b - d / 2.0, a + c / 2.0, b + d / 2.0],
            };
            BoxPrompt([x0 * scale[0], y0 * scale[1], x1 * scale[0], y1 * scale[1]])
        });
        Prompt::Points { clicks, bbox }
    }
}

/// Whether all coordinates are at most 1 though the picture is larger, and may be shares of its sides: a box,
/// or a click that is not on whole pixels.
pub fn looks_normalized<'a>(prompts: impl IntoIterator<Item = &'a Prompt>, size: (u32, u32)) -> bool {
    let (mut all, mut any) = (true, false);
    for prompt in prompts {
        let Prompt::Points { clicks, bbox } = prompt else { continue };
        let click = clicks.iter().flat_map(|click| [click.x, click.y]);
        any |= bbox.is_some() || click.clone().any(|x| x.fract() != 0.0);
        let mut numbers = click.chain(bbox.iter().flat_map(|bbox| bbox.0));
        all &= numbers.all(|x| (0.0..=1.0).contains(&x));
    }
    any && all && size.0 > 2 && size.1 > 2
}

#[cfg(test)]
mod tests {
    use super::super::prompt::Click;
    use super::*;

    fn points(click: Option<(f32, f32)>, bbox: Option<[f32; 4]>) -> Prompt {
        let clicks = click.map(|(x, y)| Click { x, y, label: 1 });
        Prompt::Points { clicks: clicks.into_iter().collect(), bbox: bbox.map(BoxPrompt) }
    }

    #[test]
    fn every_form_of_a_box_becomes_corners() {
        for (boxes, numbers) in [
            (BoxFormat::Xyxy, [10.0, 20.0, 50.0, 100.0]),
            (BoxFormat::Xywh, [10.0, 20.0, 40.0, 80.0]),
            (BoxFormat::Cxcywh, [30.0, 60.0, 40.0, 80.0]),
        ] {
            let corners = points(None, Some([10.0, 20.0, 50.0, 100.0]));
            let convention = Convention { boxes, normalized: false };
            assert_eq!(convention.read(points(None, Some(numbers)), (256, 512)), corners, "{boxes}");
            let shares = [0, 1, 2, 3].map(|i| numbers[i] / [256.0, 512.0][i % 2]);
            let convention = Convention { boxes, normalized: true };
            assert_eq!(convention.read(points(None, Some(shares)), (256, 512)), corners, "{boxes}");
            assert_eq!(boxes.to_string().parse(), Ok(boxes));
        }
        let click = points(Some((0.25, 0.5)), None);
        let convention = Convention { normalized: true, ..Convention::default() };
        assert_eq!(convention.read(click.clone(), (256, 512)), points(Some((64.0, 256.0)), None));
        assert_eq!(Convention::default().read(click.clone(), (256, 512)), click);
        assert!("xyzw".parse::<BoxFormat>().is_err());
    }

    #[test]
    fn shares_are_recognised_among_pixels() {
        let small = points(Some((0.4, 0.6)), None);
        assert!(looks_normalized([&small, &points(None, Some([0.1, 0.1, 0.9, 1.0]))], (100, 50)));
        assert!(!looks_normalized([&small, &points(Some((40.0, 6.0)), None)], (100, 50)));
        assert!(!looks_normalized([&small], (1, 1)), "a picture of one pixel");
        assert!(!looks_normalized([&points(Some((0.0, 1.0)), None)], (100, 50)), "a corner");
        assert!(!looks_normalized([&Prompt::Mask("m.png".into())], (100, 50)));
    }
}
