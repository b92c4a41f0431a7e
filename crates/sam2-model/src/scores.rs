//! Scores of mask candidates that decoder, memory policies and predictors share.

/// Index of the largest element; of equals the first.
pub(crate) fn argmax(x: &[f32]) -> usize {
    (1..x.len()).fold(0, |best, i| if x[i] > x[best] { i } else { best })
}

/// Stability of a mask: its area above `threshold + delta` over its area above `threshold − delta`;
/// `of_empty` if both are empty. Meta: `sam2/utils/amg.py`, `calculate_stability_score`.
pub(crate) fn stability_score(logits: &[f32], threshold: f32, delta: f32, of_empty: f32) -> f32 {
    let above = |t: f32| logits.iter().filter(|&&x| x > t).count() as f32;
    let (inner, outer) = (above(threshold + delta), above(threshold - delta));
    if outer > 0.0 || inner > 0.0 { inner / outer } else { of_empty }
}
