//! Bands of numbers as 8-bit RGB.

use super::values::{Format, Meaning, Samples, Values};

/// The picture as RGB triples. Numbers of up to 16 bits keep their scale, and floating point from 0 to 1
/// does; of other numbers the smallest becomes black and the largest white.
pub(crate) fn rgb(samples: &Samples) -> Vec<u8> {
    let range = range(samples);
    let grey = |i: usize| shown(samples, range, i);
    let pixels = samples.size.0 as usize * samples.size.1 as usize;
    let at = |pixel: usize, band: usize| pixel * samples.bands + band;
    let colour = |pixel: usize| [0, 1, 2].map(|band| grey(at(pixel, band)));
    let single = samples.bands - usize::from(samples.alpha) == 1;
    let mut rgb = Vec::with_capacity(3 * pixels);
    for pixel in 0..pixels {
        rgb.extend(match &samples.meaning {
            Meaning::Palette(colours) => {
                let index = match &samples.values {
                    Values::U8(values) => usize::from(values[at(pixel, 0)]),
                    Values::U16(values) => usize::from(values[at(pixel, 0)]),
                    Values::Wide(_) => 0,
                };
                [0, 1, 2].map(|band| colours[3 * index + band])
            }
            Meaning::Grey if single => [grey(at(pixel, 0)); 3],
            Meaning::WhiteIsZero if single => [255 - grey(at(pixel, 0)); 3],
            Meaning::WhiteIsZero => colour(pixel).map(|value| 255 - value),
            Meaning::Grey | Meaning::Rgb => colour(pixel),
            Meaning::Cmyk => cmyk(samples, &grey, at(pixel, 0)),
            Meaning::YCbCr { luma, range } => ycbcr(colour(pixel), luma, range),
        });
    }
    rgb
}

/// What a user should know about the picture, in one line.
pub(crate) fn note(samples: &Samples) -> Option<String> {
    if let Values::Wide(values) = &samples.values
        && !values.iter().any(|&value| is_shown(samples, value))
    {
        return Some("none of its values is a number that can be shown".to_owned());
    }
    if let Some((low, high)) = range(samples) {
        if low == high {
            return Some(format!("all of its values are {low}: it shows nothing"));
        }
        let kind = if samples.format == Format::Float { "floating-point" } else { "wide or signed" };
        return Some(format!(
            "its {kind} values from {low} to {high} are shown from black to white; for another range, scale \
             them to 8 bits first (gdal_translate -ot Byte -scale LOW HIGH 0 255 IN.tif OUT.tif)"
        ));
    }
    if let (Values::U16(values), 16) = (&samples.values, samples.bits) {
        let colours = samples.bands - usize::from(samples.alpha);
        let shown = values.chunks_exact(samples.bands).flat_map(|pixel| &pixel[..colours]);
        let (low, high) = shown.fold((u16::MAX, 0), |(low, high), &v| (low.min(v), high.max(v)));
        let palette = matches!(samples.meaning, Meaning::Palette(_));
        if let Some(note) = narrow(low, high).filter(|_| !palette) {
            return Some(note);
        }
    }
    let bands = samples.stored_bands;
    let unnamed = matches!(samples.meaning, Meaning::Grey | Meaning::WhiteIsZero);
    match (unnamed, bands) {
        (true, 2) if !samples.alpha => Some("of its 2 bands the first is shown".to_owned()),
        (true, 3..) if !samples.alpha => {
            Some(format!("of its {bands} bands the first three are shown as red, green and blue"))
        }
        _ => None,
    }
}

/// A note about 16-bit values that span at most a quarter of their range, as cameras of 12 bits write them.
pub(crate) fn narrow(low: u16, high: u16) -> Option<String> {
    (low < high && high - low < 1 << 14).then(|| {
        format!(
            "its 16-bit values span {low} to {high} of 65535, so it has little contrast here: stretch it \
             first (magick IN -auto-level OUT.png, or \
             gdal_translate -ot Byte -scale {low} {high} 0 255 IN OUT.tif)"
        )
    })
}

/// The numbers that are shown as black and white, where the format does not state them.
fn range(samples: &Samples) -> Option<(f64, f64)> {
    let Values::Wide(values) = &samples.values else { return None };
    let colours = samples.bands - usize::from(samples.alpha);
    let shown = values
        .chunks_exact(samples.bands)
        .flat_map(|pixel| &pixel[..colours])
        .filter(|&&value| is_shown(samples, value));
    let (low, high) =
        shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    let unit = samples.format == Format::Float && low >= 0.0 && high <= 1.0;
    (low <= high && !unit).then_some((low, high))
}

/// Whether the value is neither "no data" nor too large.
fn is_shown(samples: &Samples, value: f64) -> bool {
    value.is_finite() && Some(value) != samples.no_data && value.abs() < f64::from(f32::MAX)
}

fn shown(samples: &Samples, range: Option<(f64, f64)>, i: usize) -> u8 {
    let scaled = |value: u32| {
        let white = (1u32 << samples.bits) - 1;
        ((value * 255 + white / 2) / white) as u8
    };
    match &samples.values {
        Values::U8(values) if samples.bits == 8 => values[i],
        Values::U8(values) => scaled(u32::from(values[i])),
        Values::U16(values) if samples.bits == 16 => ((u32::from(values[i]) + 128) / 257) as u8,
        Values::U16(values) => scaled(u32::from(values[i])),
        Values::Wide(values) => {
            let value = values[i];
            let no_data = Some(value) == samples.no_data;
            match range {
                _ if no_data || value.is_nan() => 0,
                None => ((value as f32).clamp(0.0, 1.0) * 255.0).round() as u8,
                Some((low, high)) if high > low => {
                    ((value - low) / (high - low) * 255.0).clamp(0.0, 255.0).round() as u8
                }
                Some(_) => 0,
            }
        }
    }
}

/// As the crate `image` converts it.
fn cmyk(samples: &Samples, grey: &impl Fn(usize) -> u8, i: usize) -> [u8; 3] {
    match &samples.values {
        Values::U16(values) if samples.bits == 16 => {
            let key = 1.0 - f32::from(values[i + 3]) / 65_535.0;
            [0, 1, 2].map(|band| {
                let value = ((65_535.0 - f32::from(values[i + band])) * key) as u16;
                ((u32::from(value) + 128) / 257) as u8
            })
        }
        _ => {
            let key = 1.0 - f32::from(grey(i + 3)) / 255.0;
            [0, 1, 2].map(|band| ((255.0 - f32::from(grey(i + band))) * key) as u8)
        }
    }
}

/// As TIFF 6.0 defines it, section 21.
fn ycbcr(codes: [u8; 3], luma: &[f32; 3], range: &[f32; 6]) -> [u8; 3] {
    let full = |band: usize, scale: f32| {
        let (black, white) = (range[2 * band], range[2 * band + 1]);
        (f32::from(codes[band]) - black) * scale / (white - black)
    };
    let (y, cb, cr) = (full(0, 255.0), full(1, 127.0), full(2, 127.0));
    let red = cr * (2.0 - 2.0 * luma[0]) + y;
    let blue = cb * (2.0 - 2.0 * luma[2]) + y;
    let green = (y - luma[2] * blue - luma[0] * red) / luma[1];
    [red, green, blue].map(|value| value.round().clamp(0.0, 255.0) as u8)
}
