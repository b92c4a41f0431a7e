//! Precision of a model.

use std::fmt;
use std::str::FromStr;

/// Precision of the linear layers of trunk, memory attention and memory encoder. All other layers run in f32.
///
/// ```
/// use sam2_model::models::Precision;
///
/// assert_eq!("int8".parse(), Ok(Precision::Int8));
/// assert_eq!(Precision::default().to_string(), "f32");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// f32: equal to the reference up to rounding.
    #[default]
    F32,
    /// Weights and activations rounded to bf16, exact products, sums in single precision. Attention runs in
    /// f32.
    Bf16,
    /// Weights as 8-bit integers with one scale per output channel, activations with one scale per token,
    /// exact integer sums. Scores of global attention and memory attention are integer products too, of 8
    /// bits, or of 16 where 8 are not accurate enough.
    Int8,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
            Precision::Int8 => "int8",
        })
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Precision::F32, Precision::Bf16, Precision::Int8]
            .into_iter()
            .find(|precision| precision.to_string() == text)
            .ok_or_else(|| format!("{text:?} is not a precision: use f32, bf16 or int8"))
    }
}
