//! The Rust examples of the documents, compiled as documentation tests.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

#[cfg(doctest)]
#[doc = include_str!("../../docs/debugging.md")]
mod debugging {}

#[cfg(doctest)]
#[doc = include_str!("../../docs/guide/library.md")]
mod library {}
