//! Checkpoints of every naming and format: read, converted, refused.

mod convert;
mod fingerprint;
mod hf;
mod loader;
mod pt;
