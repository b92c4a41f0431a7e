//! NEON with dot products of bytes.

mod dot;

pub use dot::Dotprod;
