//! Checkpoints of every naming and format: read, converted, refused.

mod convert;
mod edgetam;
mod fingerprint;
mod hf;
mod hostile;
mod loader;
mod pt;
mod variants;
