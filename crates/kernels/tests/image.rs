//! Resampling and pooling against their twins, and properties that need none.

#[macro_use]
mod common;

use common::{around, assert_near, assert_thread_invariant, for_all, noise};
use kernels::image::*;
use kernels::{Isa, reference};
use proptest::prelude::*;

on_every_isa! {
    resizes_match_reference,
    thresholds_are_those_of_the_resized,
    rows_on_demand_are_those_of_the_whole,
    pil_resize_equals_reference,
    nearest_and_pooling_equal_reference,
    copied_axes_keep_infinities,
    threads_change_no_bit,
}

type Fast = fn(Isa, &[f32], (usize, usize), usize, (usize, usize)) -> Vec<f32>;
type Slow = fn(&[f32], (usize, usize), usize, (usize, usize)) -> Vec<f32>;

const RESIZES: [(&str, Fast, Slow); 3] = [
    ("bilinear", resize_bilinear, reference::bilinear),
    ("antialias", resize_bilinear_antialias, reference::bilinear_antialias),
    ("bicubic", resize_bicubic, reference::bicubic),
];

fn channels() -> impl Strategy<Value = usize> {
    prop_oneof![Just(1usize), Just(3), around(8), around(16)]
}

fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![1usize..6, around(8), around(16)]
}

fn bytes(seed: u64, n: usize) -> Vec<u8> {
    // A third of the values are black or white, so that overshoot is clipped.
    noise(seed, n).iter().map(|v| (v * 192.0 + 128.0).clamp(0.0, 255.0) as u8).collect()
}

/// Height, width and channels of the source, height and width of the result, seed.
fn resizes() -> impl Strategy<Value = (usize, usize, usize, usize, usize, u64)> {
    (lengths(), lengths(), channels(), lengths(), lengths(), any::<u64>())
}

fn resizes_match_reference(isa: Isa) {
    let portable = Isa::available()[0];
    for_all(500, resizes(), |(h, w, c, oh, ow, seed)| {
        let src = noise(seed, h * w * c);
        for (name, fast, slow) in RESIZES {
            let out = fast(isa, &src, (h, w), c, (oh, ow));
            // Single-precision positions: up to 33 pixels with ε relative, times a slope of at most about 2.
            let label = format!("{name} {h}×{w}×{c} → {oh}×{ow}");
            assert_near(&label, &out, &slow(&src, (h, w), c, (oh, ow)), 2e-5, 0.0);
            let other = fast(portable, &src, (h, w), c, (oh, ow));
            assert_eq!(out, other, "{label}: bits differ from those of the portable instruction set");
        }
    });
}

fn thresholds_are_those_of_the_resized(isa: Isa) {
    for_all(500, (resizes(), -0.5f32..0.5), |((h, w, _, oh, ow, seed), threshold)| {
        let src = noise(seed, h * w);
        let resized = resize_bilinear(isa, &src, (h, w), 1, (oh, ow));
        let expected: Vec<bool> = resized.iter().map(|&x| x > threshold).collect();
        let above = bilinear_above(isa, &src, (h, w), (oh, ow), threshold);
        assert_eq!(above, expected, "{h}×{w} → {oh}×{ow}");
    });
}

fn rows_on_demand_are_those_of_the_whole(isa: Isa) {
    for_all(500, resizes(), |(h, w, c, oh, ow, seed)| {
        let src = noise(seed, h * w * c);
        let rows = BicubicRows::new(isa, &src, (h, w), c, (oh, ow));
        let mut out = vec![f32::NAN; oh * ow * c];
        out.chunks_exact_mut(ow * c).enumerate().for_each(|(y, out)| rows.row(isa, y, out));
        let whole = resize_bicubic(isa, &src, (h, w), c, (oh, ow));
        assert_eq!(out, whole, "{h}×{w}×{c} → {oh}×{ow}");
    });
}

fn pil_resize_equals_reference(isa: Isa) {
    for_all(500, (resizes(), 1usize..6), |((h, w, _, oh, ow, seed), c)| {
        let src = bytes(seed, h * w * c);
        let expected = reference::pil_bicubic_u8(&src, (h, w), c, (oh, ow));
        assert_eq!(resize_pil_bicubic_u8(isa, &src, (h, w), c, (oh, ow)), expected);
    });
}

fn nearest_and_pooling_equal_reference(isa: Isa) {
    for_all(500, (1usize..7, lengths(), channels(), any::<u64>()), |(h, w, c, seed)| {
        let (src, fine) = (noise(seed, h * w * c), noise(seed ^ 1, 4 * h * w * c));
        let nearest = reference::nearest_2x(&src, (h, w), c);
        let expected: Vec<f32> = nearest.iter().zip(&fine).map(|(a, b)| b + a).collect();
        let mut sum = fine.clone();
        upsample_nearest_2x_add(isa, &src, (h, w), c, &mut sum);
        assert_eq!(sum, expected);
        assert_eq!(pool(isa, &src, (h, w), c), reference::max_pool_2x2(&src, (h, w), c));
        let averages = reference::average_pool_2x2(&src, (h, w), c);
        assert_eq!(average(isa, &src, (h, w), c), averages);
    });
}

/// An infinite logit must not become NaN next to a pixel that is exactly on a source pixel's row.
fn copied_axes_keep_infinities(isa: Isa) {
    let src = [f32::INFINITY, 1.0, f32::NEG_INFINITY, 2.0];
    for (name, fast, _) in RESIZES {
        assert_eq!(fast(isa, &src, (2, 2), 1, (2, 2)), src, "{name}");
    }
}

fn threads_change_no_bit(isa: Isa) {
    let (h, w) = (203, 190);
    let plane = noise(1, h * w);
    let rgb = noise(2, h * w * 3);
    for (name, fast, _) in RESIZES {
        for out in [(333, 700), (70, 64), (333, w), (h, 64)] {
            assert_thread_invariant(name, || fast(isa, &plane, (h, w), 1, out));
            assert_thread_invariant(name, || fast(isa, &rgb, (h, w), 3, out));
        }
    }
    assert_thread_invariant("upsample_nearest_2x_add", || {
        let mut fine = vec![1.0; 4 * h * w * 3];
        upsample_nearest_2x_add(isa, &rgb, (h, w), 3, &mut fine);
        fine
    });
    assert_thread_invariant("max_pool_2x2", || pool(isa, &rgb, (h, w), 3));
    assert_thread_invariant("average_pool_2x2", || average(isa, &rgb, (h, w), 3));
    let pixels = bytes(3, h * w * 3);
    assert_thread_invariant("resize_pil_bicubic_u8", || {
        resize_pil_bicubic_u8(isa, &pixels, (h, w), 3, (99, 400)).into_iter().map(f32::from).collect()
    });
}

fn pool(isa: Isa, src: &[f32], (h, w): (usize, usize), c: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; h / 2 * (w / 2) * c];
    max_pool_2x2(isa, src, (h, w), c, &mut out);
    out
}

fn average(isa: Isa, src: &[f32], (h, w): (usize, usize), c: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; h / 2 * (w / 2) * c];
    average_pool_2x2(isa, src, (h, w), c, &mut out);
    out
}

#[test]
fn same_size_is_a_copy() {
    let x: Vec<f32> = (0..5 * 3 * 2).map(|i| (i as f32).sin()).collect();
    for (_, resize, _) in RESIZES {
        assert_eq!(resize(Isa::best(), &x, (5, 3), 2, (5, 3)), x);
    }
}

#[test]
fn constants_stay_constant() {
    for (_, resize, _) in RESIZES {
        for out in [(1, 1), (3, 19), (40, 2), (7, 7)] {
            let y = resize(Isa::best(), &[2.5; 7 * 7 * 3], (7, 7), 3, out);
            assert_eq!(y.len(), out.0 * out.1 * 3);
            assert!(y.iter().all(|v| (v - 2.5).abs() <= 2e-6), "{out:?}");
        }
    }
}

#[test]
fn doubling_two_pixels_is_known() {
    let y = resize_bilinear(Isa::best(), &[0.0, 1.0], (1, 2), 1, (1, 4));
    assert_eq!(y, [0.0, 0.25, 0.75, 1.0]);
}

#[test]
fn empty_outputs_are_empty() {
    for (_, resize, _) in RESIZES {
        assert!(resize(Isa::best(), &[1.0; 4], (2, 2), 1, (0, 3)).is_empty());
    }
}

#[test]
#[should_panic(expected = "resize_bicubic: cannot make 2×2 from 0×2")]
fn empty_inputs_are_refused() {
    resize_bicubic(Isa::best(), &[], (0, 2), 1, (2, 2));
}

#[test]
#[should_panic(expected = "resize_bilinear: src is not 2×2×3")]
fn wrong_lengths_are_refused() {
    resize_bilinear(Isa::best(), &[0.0; 4], (2, 2), 3, (2, 2));
}

#[test]
fn overshoot_is_clipped() {
    let src = [0, 0, 0, 255, 255, 255];
    let out = resize_pil_bicubic_u8(Isa::best(), &src, (1, 6), 1, (1, 24));
    assert_eq!((out[0], out[23]), (0, 255));
    assert!(out.contains(&0) && out.contains(&255));
}

#[test]
fn weights_of_bytes_sum_to_one() {
    for (input, output) in [(7, 3), (3, 7), (1000, 17), (1, 5)] {
        for level in [1, 127, 255] {
            let out = resize_pil_bicubic_u8(Isa::best(), &vec![level; input], (1, input), 1, (1, output));
            assert_eq!(out, vec![level; output], "{input} → {output}");
        }
    }
}

#[test]
fn channel_counts_agree() {
    let plane: Vec<u8> = (0..9 * 7).map(|i| (i * 37 % 251) as u8).collect();
    let one = resize_pil_bicubic_u8(Isa::best(), &plane, (9, 7), 1, (5, 12));
    for c in 2..6 {
        let many: Vec<u8> = plane.iter().flat_map(|&v| vec![v; c]).collect();
        let out = resize_pil_bicubic_u8(Isa::best(), &many, (9, 7), c, (5, 12));
        assert!(out.chunks(c).zip(&one).all(|(p, &v)| p.iter().all(|&x| x == v)), "{c} channels");
    }
}

#[test]
#[should_panic(expected = "resize_pil_bicubic_u8: src is not 2×2×3")]
fn wrong_lengths_of_bytes_are_refused() {
    resize_pil_bicubic_u8(Isa::best(), &[0; 4], (2, 2), 3, (4, 4));
}
