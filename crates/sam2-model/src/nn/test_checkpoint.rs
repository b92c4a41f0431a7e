//! Small checkpoints for the tests of layers.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, TensorView};

use crate::weights::{Checkpoint, WeightCopy};

/// Numbers between −1 and 1.1.
pub(super) fn noise(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 37 + seed * 101) % 211) as f32 / 100.0 - 1.0).collect()
}

/// A safetensors file of `(name, shape, values)`.
pub(super) fn serialize(tensors: &[(&str, &[usize], &[f32])]) -> Vec<u8> {
    let bytes = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let parts: Vec<_> = tensors.iter().map(|(name, shape, values)| (name, shape, bytes(values))).collect();
    let views = parts.iter().map(|(name, shape, bytes)| {
        (**name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).expect("values fill their shape"))
    });
    safetensors::serialize(views, None::<HashMap<String, String>>).expect("plain tensors can be written")
}

/// The checkpoint in such a file.
pub(super) fn parse(bytes: &[u8]) -> Checkpoint<'_> {
    Checkpoint::parse(bytes, "test", WeightCopy::Raw).expect("it is a safetensors file")
}
