//! NEON, which every AArch64 has, and the products of bytes that some have, `dotprod` and `i8mm`: a token and
//! a vector of floats, and products of bytes for each.

/// An expression over vectors in registers. Loads and stores are not written in it: they have a fact of their
/// own to state.
macro_rules! neon {
    ($x:expr) => {
        // SAFETY: every AArch64 has NEON, and the compilation target guarantees it; no memory is touched.
        unsafe { $x }
    };
}

mod bfmmla;
mod caches;
mod dot_neon;
mod dot_sdot;
mod dot_smmla;
mod halves;
mod integers;
mod neon;
mod tiles;
mod vector;

pub use caches::Caches;
pub use neon::{Dotprod, I8mm, Neon};
