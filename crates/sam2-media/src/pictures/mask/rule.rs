//! The rule by which a picture marks objects.

use std::collections::BTreeMap;

use super::texture::{self, Texture};
use super::values::{Pixels, Stored};
use crate::error::PictureError;
use crate::pictures::png::colour;

/// The most colours of a colour-coded label map.
const MAX_COLOURS: usize = 256;

/// The most numbers of a small label map with transparency.
const MAX_NUMBERS: usize = 16;

/// What a picture marks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Marks {
    /// One shape, of any object.
    Shape(Vec<bool>),
    /// The number of an object for every pixel, 0 = none.
    Numbers(Vec<u32>),
}

impl Marks {
    /// The mask of one object; without a number, of the only one.
    ///
    /// # Errors
    /// If nothing is marked, the object is not there, or none of several is named.
    pub fn object(self, number: Option<u32>) -> Result<Vec<bool>, PictureError> {
        let numbers = match self {
            Self::Shape(inside) if inside.contains(&true) => return Ok(inside),
            Self::Shape(_) => return Err(PictureError::BlackMask),
            Self::Numbers(numbers) => numbers,
        };
        let mut held: Vec<u32> = counts(&numbers).into_keys().filter(|&value| value > 0).collect();
        match (number, held.len()) {
            (_, 0) => Err(PictureError::BlackMask),
            (Some(object), _) if held.contains(&object) => {
                Ok(numbers.into_iter().map(|value| value == object).collect())
            }
            (Some(object), 1) => {
                let hint = "; if it is the mask of one object, write its pixels as 255";
                Err(PictureError::NoObject { object, held, hint })
            }
            (Some(object), _) => Err(PictureError::NoObject { object, held, hint: "" }),
            (None, 1) => Ok(numbers.into_iter().map(|value| value > 0).collect()),
            (None, _) => {
                held.sort_unstable();
                Err(PictureError::SeveralObjects(held))
            }
        }
    }
}

/// What the values of a picture mark.
///
/// # Errors
/// [`PictureError::Ambiguous`].
pub(super) fn marks(stored: Stored) -> Result<Marks, PictureError> {
    let Stored { size, pixels, alpha, lossy } = stored;
    let width = size.0 as usize;
    if let Some(alpha) = &alpha {
        let inside: Vec<bool> = alpha.iter().map(|&alpha| alpha >= 128).collect();
        // A veil over the whole picture is no shape.
        if inside.contains(&false) {
            return by_alpha(inside, pixels);
        }
    }
    match pixels {
        Pixels::Indexed { numbers, palette } => indexed(numbers, &palette, width),
        Pixels::Grey { numbers, white } => grey(numbers, white, width, lossy),
        Pixels::Colour(colours) => coloured(colours, width, lossy),
    }
}

fn by_alpha(inside: Vec<bool>, pixels: Pixels) -> Result<Marks, PictureError> {
    let is_inside = |(&number, &inside): (&u32, &bool)| (number > 0) == inside;
    let pixels = match pixels {
        // The background of a label map is transparent.
        Pixels::Indexed { numbers, .. } if numbers.iter().zip(&inside).all(is_inside) => {
            return Ok(Marks::Numbers(numbers));
        }
        other => other,
    };
    if let Pixels::Indexed { numbers, palette } = &pixels
        && palette_colour(palette, 0) == [0; 3]
        && numbers.iter().zip(&inside).any(|(&number, &inside)| number == 0 && inside)
        && counts(numbers).len() <= MAX_NUMBERS
    {
        // Of a cut-out the background is transparent, of a label map an object may be by mistake.
        return Err(PictureError::Ambiguous(format!(
            "by its alpha channel it marks {} pixels with its background, number 0, among them, or as a \
             label map {}: write it without transparency",
            inside.iter().filter(|&&inside| inside).count(),
            numbers.iter().filter(|&&number| number > 0).count()
        )));
    }
    let colours: Vec<[u8; 3]> = match &pixels {
        Pixels::Indexed { numbers, palette } => numbers.iter().map(|&i| palette_colour(palette, i)).collect(),
        Pixels::Grey { numbers, white } => numbers.iter().map(|&value| [level(value, *white); 3]).collect(),
        Pixels::Colour(colours) => colours.clone(),
    };
    let bright = colours.iter().filter(|&&colour| colour == [255; 3]).count();
    if !inside.contains(&true) {
        return Err(PictureError::Ambiguous(format!(
            "by its alpha channel it marks nothing, by its brightness {bright} pixels: write it without alpha"
        )));
    }
    let visible = || colours.iter().zip(&inside).filter(|&(_, &inside)| inside).map(|(colour, _)| colour);
    let (black, white) = (visible().any(|&c| c == [0; 3]), visible().any(|&c| c == [255; 3]));
    if black && white && visible().all(|&c| c == [0; 3] || c == [255; 3]) {
        return Err(PictureError::Ambiguous(format!(
            "by its alpha channel it marks {} pixels, by its brightness {}: write it without alpha, or white \
             alone on transparent",
            inside.iter().filter(|&&inside| inside).count(),
            visible().filter(|&&c| c == [255; 3]).count()
        )));
    }
    Ok(Marks::Shape(inside))
}

fn indexed(numbers: Vec<u32>, palette: &[u8], width: usize) -> Result<Marks, PictureError> {
    let used = counts(&numbers);
    let colours: Vec<[u8; 3]> = used.keys().map(|&index| palette_colour(palette, index)).collect();
    let levels = || -> Vec<u32> {
        numbers.iter().map(|&index| u32::from(palette_colour(palette, index)[0])).collect()
    };
    if colours.iter().all(|&colour| colour == [0; 3] || colour == [255; 3]) {
        return Ok(Marks::Shape(levels().into_iter().map(|level| level == 255).collect()));
    }
    if colours.iter().all(|c| c[0] == c[1] && c[1] == c[2]) {
        // Reduced to a palette of greys; a label map has areas, and its indices are its numbers.
        if let Marks::Shape(inside) = grey(levels(), 255, width, false)? {
            return Ok(Marks::Shape(inside));
        }
    }
    Ok(Marks::Numbers(numbers))
}

fn grey(numbers: Vec<u32>, white: u32, width: usize, lossy: bool) -> Result<Marks, PictureError> {
    let counts = counts(&numbers);
    let largest = counts.keys().next_back().copied().unwrap_or(0);
    let from_half = |numbers: Vec<u32>| {
        Marks::Shape(
            numbers.into_iter().map(|v| largest > 0 && 2 * u64::from(v) >= u64::from(largest)).collect(),
        )
    };
    if lossy || largest == 0 {
        return Ok(from_half(numbers));
    }
    if counts.len() <= 2 {
        let smallest = counts.keys().next().copied().unwrap_or(0);
        // Fewer bits than eight have no shades to spare: 2 of 3 is a number.
        let full = [1, 255, white].contains(&largest) || white >= 255 && largest > white / 2;
        // All of one value, or an object on black, or dark grey and bright grey.
        let shape =
            full && (counts.len() == 1 || smallest == 0 || smallest <= white / 4 && largest > white / 2);
        return Ok(if shape { from_half(numbers) } else { Marks::Numbers(numbers) });
    }
    if largest <= white / 4 {
        return Ok(Marks::Numbers(numbers));
    }
    match texture::of(&numbers, width, white, &counts) {
        Texture::Soft => Ok(from_half(numbers)),
        Texture::Areas => Ok(Marks::Numbers(numbers)),
        Texture::Unclear => Err(two_readings(counts.len(), &numbers, largest)),
    }
}

fn coloured(colours: Vec<[u8; 3]>, width: usize, lossy: bool) -> Result<Marks, PictureError> {
    if colours.iter().all(|c| c[0] == c[1] && c[1] == c[2]) {
        return grey(colours.iter().map(|c| u32::from(c[0])).collect(), 255, width, lossy);
    }
    let brightness = || -> Vec<u32> { colours.iter().map(|c| u32::from(c[0].max(c[1]).max(c[2]))).collect() };
    let largest = brightness().into_iter().max().unwrap_or(0);
    let shape = || Marks::Shape(brightness().into_iter().map(|value| 2 * value >= largest).collect());
    if lossy {
        return Ok(shape());
    }
    let numbers: BTreeMap<[u8; 3], u32> = (0..=255).map(|i| (colour(i), u32::from(i))).collect();
    let mut used: BTreeMap<[u8; 3], u64> = BTreeMap::new();
    for &colour in &colours {
        *used.entry(colour).or_default() += 1;
        if used.len() > MAX_COLOURS {
            break;
        }
    }
    if used.len() <= MAX_COLOURS {
        let coded: Option<Vec<u32>> = colours.iter().map(|colour| numbers.get(colour).copied()).collect();
        if let Some(coded) = coded {
            return Ok(Marks::Numbers(coded));
        }
        if used.len() == 2 && used.contains_key(&[0; 3]) {
            return Ok(shape());
        }
    }
    let values = brightness();
    let black = used.contains_key(&[0; 3]);
    match texture::of(&values, width, 255, &counts(&values)) {
        Texture::Soft if black => Ok(shape()),
        _ => Err(two_readings(used.len(), &values, largest)),
    }
}

/// The refusal of a picture between a label map and a mask.
fn two_readings(values: usize, numbers: &[u32], largest: u32) -> PictureError {
    let inside = numbers.iter().filter(|&&value| 2 * u64::from(value) >= u64::from(largest)).count();
    let values = if values > MAX_COLOURS { format!("more than {MAX_COLOURS}") } else { values.to_string() };
    PictureError::Ambiguous(format!(
        "as a label map of {values} values, or as one mask of {inside} pixels; write 0 and 255 for a mask, \
         and a palette or small numbers for a label map"
    ))
}

fn counts(numbers: &[u32]) -> BTreeMap<u32, u64> {
    let mut counts = BTreeMap::new();
    // Runs are counted at once: a map has few of them.
    for run in numbers.chunk_by(|a, b| a == b) {
        *counts.entry(run[0]).or_default() += run.len() as u64;
    }
    counts
}

fn palette_colour(palette: &[u8], index: u32) -> [u8; 3] {
    let at = 3 * index as usize;
    palette.get(at..at + 3).and_then(|colour| colour.try_into().ok()).unwrap_or([0; 3])
}

fn level(value: u32, white: u32) -> u8 {
    (u64::from(value) * 255 / u64::from(white.max(1))).min(255) as u8
}
