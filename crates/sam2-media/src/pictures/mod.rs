//! Pictures: masks, palette PNGs, cut-outs, and masks drawn on frames.

pub mod draw;
pub mod label_map;
pub(crate) mod mask;
pub mod overlay;
pub mod png;
pub mod sheet;
pub mod text;
