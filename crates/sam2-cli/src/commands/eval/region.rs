//! J, region similarity: intersection over union. Perazzi et al., CVPR 2016; `db_eval_iou` in
//! `davis2017/metrics.py` of <https://github.com/davisvideochallenge/davis2017-evaluation>.

/// Intersection over union of two masks of one size; 1 where both are empty.
pub fn jaccard(found: &[bool], truth: &[bool]) -> f64 {
    let (mut both, mut either) = (0_usize, 0_usize);
    for (&found, &truth) in found.iter().zip(truth) {
        both += usize::from(found & truth);
        either += usize::from(found | truth);
    }
    if either == 0 { 1.0 } else { both as f64 / either as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jaccard_of_small_masks() {
        let found = [true, true, false, false];
        assert_eq!(jaccard(&found, &[true, false, true, false]), 1.0 / 3.0);
        assert_eq!(jaccard(&found, &found), 1.0);
        assert_eq!(jaccard(&[false; 4], &[false; 4]), 1.0, "absent and not found");
        assert_eq!(jaccard(&found, &[false; 4]), 0.0);
    }
}
