//! A prompt: clicks, a box, or a rough mask.

use std::path::PathBuf;
use std::str::FromStr;

use sam2_model::Points;
use serde::{Deserialize, Serialize};

use crate::error::InvalidPrompt;

/// A click, in pixels of the original picture.
///
/// ```
/// # use sam2_media::prompts::Click;
/// assert_eq!("120,80".parse(), Ok(Click { x: 120.0, y: 80.0, label: 1 }));
/// assert_eq!("30,75.5,0".parse(), Ok(Click { x: 30.0, y: 75.5, label: 0 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Click {
    /// From the left edge.
    pub x: f32,
    /// From the top edge.
    pub y: f32,
    /// 1 = the object, 0 = not the object.
    pub label: i32,
}

/// A box `x0,y0,x1,y1` in pixels of the original picture.
///
/// ```
/// # use sam2_media::prompts::BoxPrompt;
/// assert_eq!("90,40,200,160".parse(), Ok(BoxPrompt([90.0, 40.0, 200.0, 160.0])));
/// ```
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(transparent)]
pub struct BoxPrompt(pub [f32; 4]);

impl FromStr for Click {
    type Err = InvalidPrompt;

    fn from_str(text: &str) -> Result<Self, InvalidPrompt> {
        let parts: Vec<&str> = unbracketed(text).split(',').map(str::trim).collect();
        let (x, y, label) = match parts[..] {
            [x, y] => (x, y, "1"),
            [x, y, label] => (x, y, label),
            _ => return Err(InvalidPrompt::ClickForm),
        };
        // Other programs write 1.0.
        let label = match label.parse::<f32>() {
            Ok(0.0) => 0,
            Ok(1.0) => 1,
            _ => return Err(InvalidPrompt::LabelForm),
        };
        Ok(Self { x: number(x)?, y: number(y)?, label })
    }
}

impl FromStr for BoxPrompt {
    type Err = InvalidPrompt;

    fn from_str(text: &str) -> Result<Self, InvalidPrompt> {
        let parts = unbracketed(text).split(',');
        let numbers: Vec<f32> = parts.map(|part| number(part.trim())).collect::<Result<_, _>>()?;
        numbers.try_into().map(Self).map_err(|_| InvalidPrompt::BoxForm)
    }
}

/// The text without the brackets of a list or a tuple around it.
fn unbracketed(text: &str) -> &str {
    let text = text.trim();
    let inner = |open, close| text.strip_prefix(open)?.strip_suffix(close);
    inner('[', ']').or_else(|| inner('(', ')')).unwrap_or(text)
}

fn number(text: &str) -> Result<f32, InvalidPrompt> {
    let value: f32 = text.parse().map_err(|_| InvalidPrompt::NotANumber(text.to_owned()))?;
    if value.is_finite() { Ok(value) } else { Err(InvalidPrompt::NotFinite(text.to_owned())) }
}

/// The prompt for one object on one frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Prompt {
    /// Clicks, a box, or both.
    Points {
        /// The clicks.
        clicks: Vec<Click>,
        /// The box.
        bbox: Option<BoxPrompt>,
    },
    /// A file of a black and white picture, see [`super::mask_file`].
    Mask(PathBuf),
}

/// Clicks and a box as [`sam2_model::Points`]. Coordinates off the picture are taken as they are, as in
/// Meta's code; [`super::check_points`] refuses what is a mistake.
///
/// ```
/// use sam2_media::prompts::to_points;
/// use sam2_model::Points;
///
/// let points = to_points(&["120,80".parse()?, "30,75,0".parse()?], None);
/// assert_eq!(points.points(), Points::new().on(120.0, 80.0).off(30.0, 75.0).points());
/// # Ok::<(), sam2_media::error::InvalidPrompt>(())
/// ```
pub fn to_points(clicks: &[Click], bbox: Option<BoxPrompt>) -> Points {
    let add = |points: Points, &Click { x, y, label }: &Click| match label {
        1 => points.on(x, y),
        _ => points.off(x, y),
    };
    let points = clicks.iter().fold(Points::new(), add).within(bbox.map(|BoxPrompt(corners)| corners));
    points.allow_outside(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clicks_and_boxes_parse() {
        assert_eq!("3,4.5".parse(), Ok(Click { x: 3.0, y: 4.5, label: 1 }));
        assert_eq!("3, 4, 0".parse(), Ok(Click { x: 3.0, y: 4.0, label: 0 }));
        assert_eq!("[3, 4, 1.0]".parse(), Ok(Click { x: 3.0, y: 4.0, label: 1 }));
        for bad in ["", "1", "1,2,3", "1,2,-1", "1,2,1,0", "a,2", "nan,1", "inf,1", "1,,2", "[1,2", "1,2,nan"]
        {
            assert!(bad.parse::<Click>().is_err(), "{bad:?}");
        }
        assert_eq!("1,2,3,4".parse(), Ok(BoxPrompt([1.0, 2.0, 3.0, 4.0])));
        assert_eq!("(1, 2, 3, 4)".parse(), Ok(BoxPrompt([1.0, 2.0, 3.0, 4.0])));
        for bad in ["1,2,3", "1,2,3,4,5", "[1,2],[3,4]", "1,2,3,nan", "1;2;3;4"] {
            assert!(bad.parse::<BoxPrompt>().is_err(), "{bad:?}");
        }
    }
}
