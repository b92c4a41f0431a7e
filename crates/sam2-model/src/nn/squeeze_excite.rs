//! Squeeze and excitation: a gate per channel, computed from the channel means (arXiv 1709.01507). RepViT
//! has one in every second block.
//!
//! timm: `squeeze_excite.py`, class `SqueezeExcite` with a sigmoid.

use kernels::gemm::Activation;
use kernels::{Isa, rows};

use super::Linear;
use crate::error::LoadError;
use crate::weights::Loader;

/// `σ(W₂ · relu(W₁ · mean(x) + b₁) + b₂)`, a factor for every channel of `x`.
#[derive(Clone, Debug)]
pub(crate) struct SqueezeExcite {
    fc1: Linear,
    fc2: Linear,
}

impl SqueezeExcite {
    /// From `fc1`, `channels → reduced`, and `fc2`, `reduced → channels`, both 1×1 convolutions.
    pub fn load(loader: &Loader, channels: usize, reduced: usize) -> Result<Self, LoadError> {
        Ok(Self {
            fc1: Linear::load_conv1x1(&loader.at("fc1"), reduced, channels)?,
            fc2: Linear::load_conv1x1(&loader.at("fc2"), channels, reduced)?,
        })
    }

    /// The gates of a map of `positions`, from sums over parts of it, `(parts, C)`, which are added in their
    /// order.
    pub fn gates(&self, isa: Isa, sums: &[f32], positions: usize) -> Vec<f32> {
        let c = self.fc1.inputs();
        let mean = |channel: usize| {
            let sums = sums[channel..].iter().step_by(c);
            (sums.map(|&sum| f64::from(sum)).sum::<f64>() / positions as f64) as f32
        };
        let means: Vec<f32> = (0..c).map(mean).collect();
        let mut gates = self.fc2.rows(isa, &self.fc1.rows(isa, &means, Activation::Relu), Activation::None);
        rows::sigmoid(isa, &mut gates);
        gates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::test_checkpoint::{noise, parse, serialize};
    use crate::precision::Precision;

    #[test]
    fn gates_are_those_of_the_definition() {
        const C: usize = 24;
        const R: usize = 8;
        const PARTS: usize = 7;
        const N: usize = 83 * PARTS;
        let (w1, b1, w2, b2) = (noise(R * C, 1), noise(R, 2), noise(C * R, 3), noise(C, 4));
        let bytes = serialize(&[
            ("fc1.weight", &[R, C, 1, 1], &w1),
            ("fc1.bias", &[R], &b1),
            ("fc2.weight", &[C, R, 1, 1], &w2),
            ("fc2.bias", &[C], &b2),
        ]);
        let checkpoint = parse(&bytes);
        let isa = Isa::best();
        let layer =
            SqueezeExcite::load(&Loader::new(&checkpoint, isa, Precision::F32), C, R).expect("it loads");
        let x = noise(N * C, 5);
        let part = |part: &[f32], c: usize| part.iter().skip(c).step_by(C).sum::<f32>();
        let sums: Vec<f32> =
            x.chunks_exact(N / PARTS * C).flat_map(|rows| (0..C).map(move |c| part(rows, c))).collect();
        let found = layer.gates(isa, &sums, N);
        let dot = |w: &[f32], x: &[f64]| w.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>();
        let mean = |c: usize| (0..N).map(|i| f64::from(x[i * C + c])).sum::<f64>() / N as f64;
        let means: Vec<f64> = (0..C).map(mean).collect();
        let hidden: Vec<f64> =
            (0..R).map(|r| (dot(&w1[r * C..(r + 1) * C], &means) + f64::from(b1[r])).max(0.0)).collect();
        for (c, &found) in found.iter().enumerate() {
            let expected = 1.0 / (1.0 + (-dot(&w2[c * R..(c + 1) * R], &hidden) - f64::from(b2[c])).exp());
            let error = (f64::from(found) - expected).abs();
            assert!(error <= 1e-6, "channel {c}: {found}, expected {expected}");
        }
    }
}
