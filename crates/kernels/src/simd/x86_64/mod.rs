//! AVX2 and AVX-512: a token, a vector of floats and integer dot products each; AVX-VNNI: integer dot
//! products beside the floats of AVX2.

mod float_ops;

mod avx2;
mod avx512;
mod dot_avx2;
mod dot_avxvnni;
mod dot_vnni;

pub use avx2::{Avx2, AvxVnni};
pub use avx512::{Avx512, Avx512Vnni};
