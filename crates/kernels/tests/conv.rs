//! Convolutions against their twins.

mod common;

use common::{around, assert_near, assert_thread_invariant, for_each_isa, noise};
use kernels::conv::{Conv2d, ConvTranspose2x2, Depthwise};
use kernels::gemm::Activation;
use kernels::reference;
use proptest::prelude::*;

/// `4·k·ε` for k products of operands in [−1, 1].
fn tolerance(products: usize) -> f32 {
    4.0 * (products as f32) * f32::EPSILON + 1e-6
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn conv2d_matches_reference(
        (kernel, stride, padding) in prop::sample::select(vec![(7usize, 4usize, 3usize), (3, 2, 1), (1, 1, 0), (3, 1, 1), (5, 3, 0), (2, 2, 0)]),
        h in 5usize..20,
        w in 5usize..20,
        inputs in prop::sample::select(vec![1usize, 3, 4, 17]),
        outputs in prop_oneof![around(4), around(16)],
        activation in prop::sample::select(vec![Activation::None, Activation::Gelu, Activation::Relu]),
        seed: u64,
    ) {
        let x = noise(seed, h * w * inputs);
        let (weight, bias) = (noise(seed ^ 1, outputs * inputs * kernel * kernel), noise(seed ^ 2, outputs));
        let mut expected = reference::conv2d(&x, (h, w), &weight, &bias, kernel, stride, padding);
        for v in &mut expected {
            *v = match activation {
                Activation::Gelu => reference::gelu(f64::from(*v)) as f32,
                Activation::Relu => v.max(0.0),
                _ => *v,
            };
        }
        for_each_isa(|isa| {
            let conv = Conv2d::new(isa, &weight, &bias, inputs, kernel, stride, padding);
            let (out_h, out_w) = conv.output_size((h, w));
            let mut out = vec![f32::NAN; out_h * out_w * outputs];
            conv.forward(isa, &x, (h, w), activation, &mut out);
            assert_near(isa.name(), &out, &expected, tolerance(inputs * kernel * kernel), 1e-6);
        });
    }

    #[test]
    fn depthwise_matches_reference(
        k in prop::sample::select(vec![1usize, 3, 5, 7]),
        h in 1usize..12,
        w in prop_oneof![around(8), 1usize..24],
        c in prop_oneof![around(8), around(16)],
        seed: u64,
    ) {
        let x = noise(seed, h * w * c);
        let (weight, bias) = (noise(seed ^ 1, c * k * k), noise(seed ^ 2, c));
        let expected = reference::depthwise(&x, (h, w), &weight, &bias, k);
        let conv = Depthwise::new(&weight, &bias, k);
        for_each_isa(|isa| assert_near(isa.name(), &conv.forward(isa, &x, (h, w)), &expected, tolerance(k * k), 1e-6));
    }

    #[test]
    fn transposed_convolution_matches_reference(
        h in 1usize..7, w in 1usize..20, inputs in around(8), outputs in prop_oneof![1usize..5, around(8)], seed: u64,
    ) {
        let x = noise(seed, h * w * inputs);
        let (weight, bias) = (noise(seed ^ 1, inputs * outputs * 4), noise(seed ^ 2, outputs));
        let expected = reference::conv_transpose_2x2(&x, (h, w), &weight, &bias);
        for_each_isa(|isa| {
            let mut out = vec![f32::NAN; 4 * h * w * outputs];
            ConvTranspose2x2::new(isa, &weight, &bias, inputs).forward(isa, &x, (h, w), &mut out);
            assert_near(isa.name(), &out, &expected, tolerance(inputs), 1e-6);
        });
    }
}

#[test]
fn convolutions_are_thread_invariant() {
    let (h, w, c) = (37, 41, 20);
    let (x, bias) = (noise(1, h * w * c), noise(2, c));
    let dense = noise(3, c * c * 9);
    assert_thread_invariant("conv2d", |isa| {
        let conv = Conv2d::new(isa, &dense, &bias, c, 3, 1, 1);
        let mut out = vec![f32::NAN; h * w * c];
        conv.forward(isa, &x, (h, w), Activation::Gelu, &mut out);
        out
    });
    let depthwise = Depthwise::new(&noise(4, c * 49), &bias, 7);
    assert_thread_invariant("depthwise", |isa| depthwise.forward(isa, &x, (h, w)));
    let transposed = noise(5, c * c * 4);
    assert_thread_invariant("conv_transpose", |isa| {
        let mut out = vec![f32::NAN; 4 * h * w * c];
        ConvTranspose2x2::new(isa, &transposed, &bias, c).forward(isa, &x, (h, w), &mut out);
        out
    });
}

#[test]
#[should_panic(expected = "Depthwise::forward: x is not 2×2×3")]
fn depthwise_refuses_wrong_lengths() {
    Depthwise::new(&[0.0; 27], &[0.0; 3], 3).forward(kernels::Isa::best(), &[0.0; 11], (2, 2));
}

#[test]
#[should_panic(expected = "k = 4 is even")]
fn depthwise_refuses_even_kernels() {
    Depthwise::new(&[0.0; 16], &[0.0], 4);
}
