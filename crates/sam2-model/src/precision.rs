//! In which precision a model runs.

use std::fmt;
use std::str::FromStr;

/// In which precision the linear layers of the trunk, the memory attention and the memory encoder run. Everything
/// else is single precision always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Single precision: the reference's results up to rounding.
    #[default]
    F32,
    /// Weights as 8-bit integers with a scale per output channel, activations with a scale per token, sums exact. The
    /// scores of global attention and memory attention are formed from integers too, 8 bits wide, or 16 where 8 are too few.
    Int8,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::F32 => "f32",
            Precision::Int8 => "int8",
        })
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Precision::F32, Precision::Int8]
            .into_iter()
            .find(|precision| precision.to_string() == text)
            .ok_or_else(|| format!("{text:?} is not a precision: use f32 or int8"))
    }
}
