//! Checks of clicks and boxes against their picture.

use std::path::Path;

use super::prompt::{BoxPrompt, Click};
use crate::error::InvalidPrompt;

/// How far off the picture a click may be, in pixels: rounding, or the edge of the last pixel.
const MARGIN: f32 = 1.0;

/// Checks clicks and a box against the width and height of a picture; `picture` is for messages. Meta's code
/// takes any coordinate; what lies clearly off the picture is a mistake.
///
/// ```
/// use sam2_media::prompts::{BoxPrompt, check_points};
///
/// let bbox = Some(BoxPrompt([10.0, 10.0, 50.0, 40.0]));
/// assert!(check_points(&[], bbox, (64, 48), "photo.jpg".as_ref()).is_ok());
/// assert!(check_points(&["70,12".parse()?], bbox, (64, 48), "photo.jpg".as_ref()).is_err());
/// # Ok::<(), sam2_media::error::InvalidPrompt>(())
/// ```
///
/// # Errors
/// If a click is more than a pixel off the picture, a label is neither 1 nor 0, the box is empty or does not
/// touch the picture, or the prompt is empty.
pub fn check_points(
    clicks: &[Click],
    bbox: Option<BoxPrompt>,
    size: (u32, u32),
    picture: &Path,
) -> Result<(), InvalidPrompt> {
    let (width, height) = (size.0 as f32, size.1 as f32);
    // NaN is in no range.
    let near =
        |x: f32, y: f32| (-MARGIN..=width + MARGIN).contains(&x) && (-MARGIN..=height + MARGIN).contains(&y);
    for &Click { x, y, label } in clicks {
        if !near(x, y) {
            let advice = if near(y, x) {
                "x and y may be swapped: x, the column, comes first"
            } else {
                "coordinates are pixels of this very picture, not of a resized one"
            };
            return Err(InvalidPrompt::ClickOutside { x, y, picture: picture.to_owned(), size, advice });
        }
        if !matches!(label, 0 | 1) {
            return Err(InvalidPrompt::ClickLabel { x, y, label });
        }
    }
    if let Some(BoxPrompt(corners)) = bbox {
        let [x0, y0, x1, y1] = corners;
        if corners.iter().any(|x| !x.is_finite()) || !(x0 < x1 && y0 < y1) {
            return Err(InvalidPrompt::BoxEmpty { corners });
        }
        if !(x0 < width && y0 < height && x1 > 0.0 && y1 > 0.0) {
            return Err(InvalidPrompt::BoxOutside { corners, picture: picture.to_owned(), size });
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

    fn check(clicks: &[(f32, f32)], bbox: Option<[f32; 4]>) -> Result<(), InvalidPrompt> {
        let clicks: Vec<Click> = clicks.iter().map(|&(x, y)| Click { x, y, label: 1 }).collect();
        check_points(&clicks, bbox.map(BoxPrompt), (10, 5), Path::new("a.png"))
    }

    #[test]
    fn clicks_may_be_a_pixel_off_the_picture() {
        for (x, y) in [(0.0, 0.0), (9.9, 4.9), (-0.5, 2.0), (10.0, 5.0), (-1.0, -1.0), (11.0, 6.0)] {
            assert_eq!(check(&[(x, y)], None), Ok(()), "{x},{y}");
        }
        for (x, y, advice) in [
            (-1.1, 0.0, "resized"),
            (11.1, 0.0, "resized"),
            (4.0, 9.0, "swapped"),
            (500.0, 375.0, "resized"),
            (f32::NAN, 0.0, "resized"),
            (0.0, f32::INFINITY, "resized"),
        ] {
            let text = check(&[(5.0, 2.0), (x, y)], None).expect_err("outside").to_string();
            assert!(text.contains("a.png") && text.contains("10x5") && text.contains(advice), "{text}");
        }
    }

    #[test]
    fn boxes_touch_the_picture() {
        for bbox in [
            [0.0, 0.0, 10.0, 5.0],
            [-0.4, 1.0, 10.3, 4.0],
            [-50.0, -50.0, 50.0, 50.0],
            [9.9, 4.9, 99.0, 99.0],
            [-9.0, -9.0, 0.1, 0.1],
        ] {
            assert_eq!(check(&[], Some(bbox)), Ok(()), "{bbox:?}");
        }
        for bbox in
            [[10.0, 0.0, 20.0, 5.0], [-9.0, 0.0, 0.0, 5.0], [0.0, 5.0, 9.0, 9.0], [0.0, -9.0, 9.0, 0.0]]
        {
            let text = check(&[], Some(bbox)).expect_err("off the picture").to_string();
            for word in ["a.png", "10x5", "does not touch", "--box-format", "--normalized"] {
                assert!(text.contains(word), "{word}: {text}");
            }
        }
        for bbox in [[5.0, 0.0, 5.0, 5.0], [4.0, 3.0, 2.0, 1.0], [f32::NAN, 0.0, 1.0, 1.0]] {
            let text = check(&[], Some(bbox)).expect_err("no box").to_string();
            assert!(text.contains("inverted") && text.contains("--box-format xywh"), "{text}");
        }
        assert_eq!(check(&[], None), Err(InvalidPrompt::NoPoints));
    }
}
