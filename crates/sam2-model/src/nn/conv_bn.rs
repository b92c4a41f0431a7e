//! A convolution with batch norm as one convolution: trunks of convolutional families (RepViT) are stored
//! in pairs.
//!
//! timm: `repvit.py`, class `ConvNorm`. With `s = γ / √(σ² + ε)`: `W' = s·W` per output channel,
//! `b' = β − μ·s`.

use crate::error::LoadError;
use crate::weights::Loader;

const EPS: f64 = 1e-5;

/// Weight, of `shape` `[out, in, k, k]`, and bias, `[out]`, of the pair `c` (without bias) and `bn`; folded
/// in double precision.
pub(crate) fn load_conv_bn(loader: &Loader, shape: [usize; 4]) -> Result<(Vec<f32>, Vec<f32>), LoadError> {
    let out = shape[0];
    let mut weight = loader.at("c").tensor("weight", &shape)?;
    let bn = loader.at("bn");
    let (gamma, beta) = (bn.tensor("weight", &[out])?, bn.tensor("bias", &[out])?);
    let (mean, variance) = (bn.tensor("running_mean", &[out])?, bn.tensor("running_var", &[out])?);
    if let Some(&negative) = variance.iter().find(|variance| **variance < 0.0) {
        return Err(bn.bad_value("running_var", negative));
    }
    // A counter of training steps.
    bn.ignore("num_batches_tracked");
    let mut bias = Vec::with_capacity(out);
    for (i, filter) in weight.chunks_exact_mut(shape[1..].iter().product()).enumerate() {
        let scale = f64::from(gamma[i]) / (f64::from(variance[i]) + EPS).sqrt();
        filter.iter_mut().for_each(|w| *w = (f64::from(*w) * scale) as f32);
        bias.push((f64::from(beta[i]) - f64::from(mean[i]) * scale) as f32);
    }
    Ok((weight, bias))
}

#[cfg(test)]
mod tests {
    use kernels::Isa;
    use kernels::conv::Conv2d;
    use kernels::gemm::Activation;

    use super::*;
    use crate::nn::test_checkpoint::{noise, parse, serialize};
    use crate::precision::Precision;

    #[test]
    fn a_folded_pair_equals_convolution_then_batch_norm() {
        const OUT: usize = 5;
        const IN: usize = 3;
        const SIDE: usize = 6;
        let weight = noise(OUT * IN * 9, 1);
        let (gamma, beta, mean) = (noise(OUT, 2), noise(OUT, 3), noise(OUT, 4));
        let variance: Vec<f32> = noise(OUT, 5).iter().map(|x| x * x + 0.1).collect();
        let bytes = serialize(&[
            ("c.weight", &[OUT, IN, 3, 3], &weight),
            ("bn.weight", &[OUT], &gamma),
            ("bn.bias", &[OUT], &beta),
            ("bn.running_mean", &[OUT], &mean),
            ("bn.running_var", &[OUT], &variance),
            ("bn.num_batches_tracked", &[1], &[7.0]),
        ]);
        let checkpoint = parse(&bytes);
        let isa = Isa::best();
        let loader = Loader::new(&checkpoint, isa, Precision::F32);
        let (folded, bias) = load_conv_bn(&loader, [OUT, IN, 3, 3]).expect("it loads");
        checkpoint.finish().expect("every tensor was read");
        let x = noise(SIDE * SIDE * IN, 6);
        let mut found = vec![f32::NAN; SIDE * SIDE * OUT];
        let conv = Conv2d::new(isa, &folded, &bias, IN, 3, 1, 1);
        conv.forward(isa, &x, (SIDE, SIDE), Activation::None, &mut found);
        for (i, &found) in found.iter().enumerate() {
            let (at, o) = (i / OUT, i % OUT);
            let mut sum = 0.0_f64;
            for (tap, c) in (0..9).flat_map(|tap| (0..IN).map(move |c| (tap, c))) {
                let (y, x_at) =
                    ((at / SIDE + tap / 3).wrapping_sub(1), (at % SIDE + tap % 3).wrapping_sub(1));
                if y < SIDE && x_at < SIDE {
                    sum +=
                        f64::from(weight[(o * IN + c) * 9 + tap]) * f64::from(x[(y * SIDE + x_at) * IN + c]);
                }
            }
            let normed = (sum - f64::from(mean[o])) / (f64::from(variance[o]) + EPS).sqrt();
            let expected = normed * f64::from(gamma[o]) + f64::from(beta[o]);
            let error = (f64::from(found) - expected).abs();
            assert!(error <= 1e-5 * (1.0 + expected.abs()), "element {i}: {found}, expected {expected}");
        }
    }
}
