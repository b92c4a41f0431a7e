//! The numbers of a picture and what they mean.

/// How a number is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Format {
    Unsigned,
    Signed,
    Float,
}

/// What the first bands mean.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Meaning {
    Grey,
    /// Grey, of which 0 is white.
    WhiteIsZero,
    /// An index of RGB triples.
    Palette(Vec<u8>),
    Rgb,
    Cmyk,
    /// The weights of red, green and blue in the luma, and the values of black and white of all three bands.
    YCbCr {
        luma: [f32; 3],
        range: [f32; 6],
    },
}

/// The numbers of the bands that are shown, pixel by pixel.
pub(crate) struct Samples {
    /// Width and height as stored.
    pub size: (u32, u32),
    /// What the bands mean.
    pub meaning: Meaning,
    /// How the numbers were stored.
    pub format: Format,
    /// Bits that a number had in the file.
    pub bits: u16,
    /// Bands here: one, or three or four of colours, and one of opacity.
    pub bands: usize,
    /// Bands in the file.
    pub stored_bands: u16,
    /// Whether the last band is the opacity.
    pub alpha: bool,
    /// The value that means "no data".
    pub no_data: Option<f64>,
    /// The numbers.
    pub values: Values,
}

/// Numbers, `bands` a pixel.
pub(crate) enum Values {
    /// Of at most 8 bits, unsigned.
    U8(Vec<u8>),
    /// Of 9 to 16 bits, unsigned.
    U16(Vec<u16>),
    /// Signed, of more bits, or floating point.
    Wide(Vec<f64>),
}
