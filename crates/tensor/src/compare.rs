//! Comparison of a result with its reference; a NaN on either side is never within a tolerance.

use crate::element::Element;
use std::fmt;

/// Measures of the difference of two slices. All are accumulated in f64.
///
/// Equal elements, infinities included, differ by 0. Pairs with a NaN, and unequal infinities, are counted in
/// [`Comparison::non_finite`] and make `max_abs` and `rel_l2` NaN.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Elements compared.
    pub count: usize,
    /// Elements that differ and are not finite on both sides.
    pub non_finite: usize,
    /// max |actual − expected|.
    pub max_abs: f64,
    /// `max_abs` over the root mean square of `expected`; 0 if both are 0.
    pub max_abs_over_rms: f64,
    /// ‖actual − expected‖ / ‖expected‖; 0 if both are 0.
    pub rel_l2: f64,
    /// The cosine of the angle between the two; 1 if they are equal.
    pub cosine: f64,
    /// Index of the largest difference, or of the first non-finite one; 0 if there are no elements.
    pub worst_index: usize,
    /// `actual[worst_index]`.
    pub actual_at_worst: f64,
    /// `expected[worst_index]`.
    pub expected_at_worst: f64,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} elements, {} non-finite differences, rel_l2 {:.3e}, max_abs {:.3e}, max_abs/rms {:.3e}, \
             cosine {:.9}, worst at {}: actual {}, expected {}",
            self.count,
            self.non_finite,
            self.rel_l2,
            self.max_abs,
            self.max_abs_over_rms,
            self.cosine,
            self.worst_index,
            shortest(self.actual_at_worst),
            shortest(self.expected_at_worst)
        )
    }
}

/// Compares element by element.
///
/// ```
/// let difference = tensor::compare(&[3.0, 4.0, 1.0], &[3.0, 4.0, 0.0]);
/// assert_eq!((difference.max_abs, difference.rel_l2, difference.worst_index), (1.0, 0.2, 2));
/// assert_eq!(tensor::compare(&[f32::NAN], &[0.0]).non_finite, 1);
/// ```
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn compare<T: Element>(actual: &[T], expected: &[T]) -> Comparison {
    assert_eq!(actual.len(), expected.len(), "compare: actual and expected have different lengths");
    let (mut diff2, mut actual2, mut expected2, mut dot) = (0f64, 0f64, 0f64, 0f64);
    let (mut non_finite, mut max_abs, mut worst) = (0usize, 0f64, 0usize);
    for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        let diff = a.distance(e);
        let (a, e) = (a.to_f64(), e.to_f64());
        if diff == 0.0 && !a.is_finite() {
            continue;
        }
        if !diff.is_finite() {
            if non_finite == 0 {
                worst = i;
            }
            non_finite += 1;
            continue;
        }
        if diff > max_abs {
            max_abs = diff;
            if non_finite == 0 {
                worst = i;
            }
        }
        diff2 += diff * diff;
        actual2 += a * a;
        expected2 += e * e;
        dot += a * e;
    }
    let ratio = |n: f64, d: f64| if n == 0.0 { 0.0 } else { n / d };
    let broken = if non_finite > 0 { f64::NAN } else { 0.0 };
    let rms = (expected2 / actual.len().max(1) as f64).sqrt();
    let cosine = if diff2 == 0.0 { 1.0 } else { ratio(dot, (actual2 * expected2).sqrt()) };
    Comparison {
        count: actual.len(),
        non_finite,
        max_abs: max_abs + broken,
        max_abs_over_rms: ratio(max_abs, rms) + broken,
        rel_l2: ratio(diff2.sqrt(), expected2.sqrt()) + broken,
        cosine: cosine + broken,
        worst_index: worst,
        actual_at_worst: actual.get(worst).map_or(0.0, |v| v.to_f64()),
        expected_at_worst: expected.get(worst).map_or(0.0, |v| v.to_f64()),
    }
}

/// A number in the fewest digits that give it back: those of f32 if it is one, else those of f64.
pub fn shortest(value: f64) -> String {
    let single = value as f32;
    if f64::from(single) == value || value.is_nan() { format!("{single:?}") } else { format!("{value:?}") }
}

/// An elementwise bound, |actual − expected| ≤ `atol` + `rtol` · |expected|, as `numpy.isclose` has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elementwise {
    /// Relative to the expected element.
    pub rtol: f64,
    /// Absolute.
    pub atol: f64,
}

/// Elements beyond an [`Elementwise`] bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outliers {
    /// Number of them.
    pub count: usize,
    /// Index of the first one.
    pub first: Option<usize>,
}

impl Elementwise {
    /// Finds the elements beyond the bound. NaN on either side and unequal infinities are always beyond it.
    ///
    /// ```
    /// use tensor::Elementwise;
    ///
    /// let beyond = Elementwise { rtol: 0.01, atol: 0.0 }.outliers(&[1.0, 2.1, 3.0], &[1.0, 2.0, 3.0]);
    /// assert_eq!((beyond.count, beyond.first), (1, Some(1)));
    /// ```
    ///
    /// # Panics
    /// If the lengths differ.
    #[track_caller]
    pub fn outliers<T: Element>(&self, actual: &[T], expected: &[T]) -> Outliers {
        assert_eq!(actual.len(), expected.len(), "outliers: actual and expected have different lengths");
        let close = |(a, e): (&T, &T)| {
            let diff = a.distance(*e);
            diff == 0.0 || (diff.is_finite() && diff <= self.atol + self.rtol * e.to_f64().abs())
        };
        let mut beyond = actual.iter().zip(expected).enumerate().filter(|&(_, pair)| !close(pair));
        let first = beyond.next().map(|(i, _)| i);
        Outliers { count: beyond.count() + usize::from(first.is_some()), first }
    }
}

/// Upper bounds on the measures of a [`Comparison`].
///
/// The default bounds nothing, but still refuses NaN and unequal infinities.
///
/// ```
/// use tensor::{Tolerance, compare};
///
/// let difference = compare(&[1.0, 2.001], &[1.0, 2.0]);
/// assert!(Tolerance::rel_l2(1e-3).accepts(&difference));
/// assert!(!Tolerance::max_abs(1e-4).accepts(&difference));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Bound on [`Comparison::rel_l2`].
    pub rel_l2: f64,
    /// Bound on [`Comparison::max_abs`].
    pub max_abs: f64,
    /// Bound on [`Comparison::max_abs_over_rms`].
    pub max_abs_over_rms: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { rel_l2: f64::INFINITY, max_abs: f64::INFINITY, max_abs_over_rms: f64::INFINITY }
    }
}

impl Tolerance {
    /// No difference, but −0 equals +0.
    pub const EXACT: Self = Self { rel_l2: 0.0, max_abs: 0.0, max_abs_over_rms: 0.0 };

    /// Bounds the relative L2 error only.
    pub fn rel_l2(bound: f64) -> Self {
        Self { rel_l2: bound, ..Self::default() }
    }

    /// Bounds the largest absolute error only.
    pub fn max_abs(bound: f64) -> Self {
        Self { max_abs: bound, ..Self::default() }
    }

    /// Whether every measure is within its bound; false if a measure is NaN.
    pub fn accepts(&self, c: &Comparison) -> bool {
        c.non_finite == 0
            && c.rel_l2 <= self.rel_l2
            && c.max_abs <= self.max_abs
            && c.max_abs_over_rms <= self.max_abs_over_rms
    }
}

/// Asserts that `actual` is within `tolerance` of `expected` and returns the measures.
///
/// ```
/// use tensor::{Tolerance, assert_close};
///
/// let measures = assert_close("softmax", &[0.5, 0.5], &[0.5, 0.500_001], Tolerance::rel_l2(1e-5));
/// println!("{measures}");
/// ```
///
/// # Panics
/// With `name`, all measures and the tolerance if it is not, or if the lengths differ.
#[track_caller]
pub fn assert_close(name: &str, actual: &[f32], expected: &[f32], tolerance: Tolerance) -> Comparison {
    assert!(
        actual.len() == expected.len(),
        "{name}: actual has {} elements, expected {}",
        actual.len(),
        expected.len()
    );
    let comparison = compare(actual, expected);
    assert!(tolerance.accepts(&comparison), "{name}: not close: {comparison}; allowed {tolerance:?}");
    comparison
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn figures_match_hand_computation() {
        let c = compare(&[3.0, 4.0, 1.0], &[3.0, 4.0, 0.0]);
        assert_eq!((c.count, c.non_finite, c.worst_index), (3, 0, 2));
        assert_eq!((c.max_abs, c.rel_l2), (1.0, 0.2));
        assert!((c.max_abs_over_rms - (3.0f64 / 25.0).sqrt()).abs() < 1e-12);
        assert!((c.cosine - 25.0 / (26.0f64 * 25.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn nan_on_either_side_is_refused() {
        let nan = f32::NAN;
        for (a, e) in [([nan, 1.0], [0.0, 1.0]), ([0.0, 1.0], [nan, 1.0]), ([nan, 1.0], [nan, 1.0])] {
            let c = compare(&a, &e);
            assert!(!Tolerance::default().accepts(&c), "{c}");
            assert!(c.rel_l2.is_nan() && c.max_abs.is_nan() && c.worst_index == 0);
        }
    }

    #[test]
    fn infinities_match_only_themselves() {
        let inf = f32::INFINITY;
        assert!(Tolerance::EXACT.accepts(&compare(&[inf, -inf, 1.0], &[inf, -inf, 1.0])));
        for (a, e) in [(inf, -inf), (inf, 1.0), (1.0, inf)] {
            assert!(!Tolerance::default().accepts(&compare(&[a], &[e])));
        }
    }

    #[test]
    fn zeros_and_empties_are_equal() {
        assert!(Tolerance::EXACT.accepts(&compare(&[0.0, -0.0], &[0.0, 0.0])));
        assert!(Tolerance::EXACT.accepts(&compare::<f32>(&[], &[])));
        assert!(!Tolerance::rel_l2(1.0).accepts(&compare(&[1.0], &[0.0])));
    }

    #[test]
    fn outliers_are_counted_as_numpy_counts_them() {
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        let bound = Elementwise { rtol: 0.1, atol: 0.5 };
        let find = |a: &[f32], e: &[f32]| bound.outliers(a, e);
        // 10 allows 0.5 + 1.
        assert_eq!(find(&[11.5, 8.5, 0.5], &[10.0, 10.0, 0.0]), Outliers::default());
        assert_eq!(find(&[1.0, 11.6, 8.4], &[1.0, 10.0, 10.0]), Outliers { count: 2, first: Some(1) });
        assert_eq!(find(&[nan, 0.0, nan], &[nan, nan, 0.0]), Outliers { count: 3, first: Some(0) });
        assert_eq!(find(&[inf, -inf, 1.0], &[inf, inf, inf]), Outliers { count: 2, first: Some(1) });
        assert_eq!(find(&[], &[]), Outliers::default());
    }

    #[test]
    fn large_integers_are_compared_exactly() {
        let (a, e) = ([i64::MAX, i64::MIN, 3], [i64::MAX - 1, i64::MIN, 3]);
        let c = compare(&a, &e);
        assert_eq!((c.max_abs, c.worst_index, c.non_finite), (1.0, 0, 0));
        assert_eq!(Elementwise { rtol: 0.0, atol: 0.0 }.outliers(&a, &e).count, 1);
        // 2^64; `powi` is not exact on every machine.
        assert_eq!(compare(&[i64::MAX], &[i64::MIN]).max_abs, 18_446_744_073_709_551_616.0);
        assert_eq!(compare(&[200u8], &[100u8]).max_abs, 100.0);
    }

    #[test]
    fn numbers_are_printed_in_the_digits_that_they_need() {
        let shown = [0.1f32.into(), 0.1f64, 3.0, 1e-30, f64::NAN, f64::NEG_INFINITY].map(shortest);
        assert_eq!(shown, ["0.1", "0.1", "3.0", "1e-30", "NaN", "-inf"]);
        assert_eq!(shortest(0.1 + 0.2), "0.30000000000000004");
    }

    #[test]
    #[should_panic(expected = "taps.x: not close: 2 elements")]
    fn assert_close_reports_name_and_figures() {
        assert_close("taps.x", &[1.0, 2.0], &[1.0, 2.5], Tolerance::max_abs(0.1));
    }

    #[test]
    #[should_panic(expected = "taps.x: actual has 1 elements, expected 2")]
    fn assert_close_refuses_other_length() {
        assert_close("taps.x", &[1.0], &[1.0, 2.5], Tolerance::default());
    }

    proptest! {
        #[test]
        fn worst_index_is_where_the_change_is(n in 1usize..50, at in 0usize..50, delta in 0.5f32..9.0) {
            let at = at % n;
            let expected: Vec<f32> = (0..n).map(|i| i as f32).collect();
            let mut actual = expected.clone();
            actual[at] += delta;
            let c = compare(&actual, &expected);
            prop_assert_eq!(c.worst_index, at);
            prop_assert!((c.max_abs - f64::from(delta)).abs() < 1e-5);
            prop_assert!(Tolerance::EXACT.accepts(&compare(&expected, &expected)));
        }
    }
}
