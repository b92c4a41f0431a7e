//! Convolutions against their twins.

#[macro_use]
mod common;

use common::{around, assert_near, assert_thread_invariant, for_all, noise};
use kernels::conv::{Conv2d, ConvTranspose2x2, Depthwise};
use kernels::gemm::Activation;
use kernels::{Isa, reference};
use proptest::prelude::*;

on_every_isa! {
    conv2d_matches_reference,
    depthwise_matches_reference,
    transposed_convolution_matches_reference,
    threads_change_no_bit,
}

/// `4·k·ε` for k products of operands in [−1, 1].
fn tolerance(products: usize) -> f32 {
    4.0 * (products as f32) * f32::EPSILON + 1e-6
}

fn conv2d_matches_reference(isa: Isa) {
    let kernels = vec![(7usize, 4usize, 3usize), (3, 2, 1), (1, 1, 0), (3, 1, 1), (5, 3, 0), (2, 2, 0)];
    let activations = vec![Activation::None, Activation::Gelu, Activation::Relu];
    let cases = (
        prop::sample::select(kernels),
        (5usize..20, 5usize..20),
        prop::sample::select(vec![1usize, 3, 4, 17]),
        prop_oneof![around(4), around(16)],
        prop::sample::select(activations),
        any::<u64>(),
    );
    for_all(500, cases, |((kernel, stride, padding), (h, w), inputs, outputs, activation, seed)| {
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
        let conv = Conv2d::new(isa, &weight, &bias, inputs, kernel, stride, padding);
        let (out_h, out_w) = conv.output_size((h, w));
        let mut out = vec![f32::NAN; out_h * out_w * outputs];
        conv.forward(isa, &x, (h, w), activation, &mut out);
        assert_near("conv2d", &out, &expected, tolerance(inputs * kernel * kernel), 1e-6);
    });
}

fn depthwise_matches_reference(isa: Isa) {
    let cases = (
        prop::sample::select(vec![1usize, 3, 5, 7]),
        1usize..=2,
        1usize..12,
        prop_oneof![around(8), around(16), 1usize..40],
        prop_oneof![around(8), around(16)],
        any::<u64>(),
    );
    for_all(800, cases, |(k, stride, h, w, c, seed)| {
        let x = noise(seed, h * w * c);
        let (weight, bias) = (noise(seed ^ 1, c * k * k), noise(seed ^ 2, c));
        let expected = reference::depthwise(&x, (h, w), &weight, &bias, (k, stride));
        let conv = Depthwise::with_stride(&weight, &bias, k, stride);
        let (out_h, out_w) = conv.output_size((h, w));
        assert_eq!(expected.len(), out_h * out_w * c);
        let out = conv.forward(isa, &x, (h, w));
        assert_near("depthwise", &out, &expected, tolerance(k * k), 1e-6);
    });
}

fn transposed_convolution_matches_reference(isa: Isa) {
    let cases = (1usize..7, 1usize..20, around(8), prop_oneof![1usize..5, around(8)], any::<u64>());
    for_all(500, cases, |(h, w, inputs, outputs, seed)| {
        let x = noise(seed, h * w * inputs);
        let (weight, bias) = (noise(seed ^ 1, inputs * outputs * 4), noise(seed ^ 2, outputs));
        let expected = reference::conv_transpose_2x2(&x, (h, w), &weight, &bias);
        let mut out = vec![f32::NAN; 4 * h * w * outputs];
        ConvTranspose2x2::new(isa, &weight, &bias, inputs).forward(isa, &x, (h, w), &mut out);
        assert_near("transposed", &out, &expected, tolerance(inputs), 1e-6);
    });
}

fn threads_change_no_bit(isa: Isa) {
    let (h, w, c) = (37, 41, 20);
    let (x, bias) = (noise(1, h * w * c), noise(2, c));
    let conv = Conv2d::new(isa, &noise(3, c * c * 9), &bias, c, 3, 1, 1);
    assert_thread_invariant("conv2d", || {
        let mut out = vec![f32::NAN; h * w * c];
        conv.forward(isa, &x, (h, w), Activation::Gelu, &mut out);
        out
    });
    for stride in [1, 2] {
        let depthwise = Depthwise::with_stride(&noise(4, c * 49), &bias, 7, stride);
        assert_thread_invariant("depthwise", || depthwise.forward(isa, &x, (h, w)));
    }
    let transposed = ConvTranspose2x2::new(isa, &noise(5, c * c * 4), &bias, c);
    assert_thread_invariant("conv_transpose", || {
        let mut out = vec![f32::NAN; 4 * h * w * c];
        transposed.forward(isa, &x, (h, w), &mut out);
        out
    });
}

/// RepViT's reductions: 7×7 and 3×3 with stride 2 halve even and odd grids as `nn.Conv2d` does.
#[test]
fn stride_two_halves_the_grid_rounding_up() {
    for k in [3, 7] {
        let conv = Depthwise::with_stride(&vec![0.0; 2 * k * k], &[1.0, 2.0], k, 2);
        for (input, output) in [((8, 8), (4, 4)), ((7, 9), (4, 5)), ((1, 2), (1, 1))] {
            assert_eq!(conv.output_size(input), output);
            let out = conv.forward(Isa::best(), &vec![0.5; 2 * input.0 * input.1], input);
            assert_eq!(out, [1.0, 2.0].repeat(output.0 * output.1));
        }
    }
}

#[test]
#[should_panic(expected = "Depthwise::forward: x is not 2×2×3")]
fn depthwise_refuses_wrong_lengths() {
    Depthwise::new(&[0.0; 27], &[0.0; 3], 3).forward(Isa::best(), &[0.0; 11], (2, 2));
}

#[test]
#[should_panic(expected = "k = 4 is even")]
fn depthwise_refuses_even_kernels() {
    Depthwise::new(&[0.0; 16], &[0.0], 4);
}

#[test]
#[should_panic(expected = "stride 3 is neither 1 nor 2")]
fn depthwise_refuses_other_strides() {
    Depthwise::with_stride(&[0.0; 9], &[0.0], 3, 3);
}
