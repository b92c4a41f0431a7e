//! F, contour accuracy: the F-measure of boundary pixels matched within a tolerance. Perazzi et al., CVPR
//! 2016; `f_measure` in `davis2017/metrics.py` of
//! <https://github.com/davisvideochallenge/davis2017-evaluation>, which the SA-V evaluator repeats.
//!
//! A pixel is boundary if its right, lower or lower right neighbour has another value. The tolerance is a
//! disc whose radius is 0.8 % of the frame's diagonal, rounded up.

/// Radius of the tolerance as a fraction of the diagonal.
const BOUND_TH: f64 = 0.008;

/// F of two row-major masks of `size` = (width, height) pixels; 1 if neither has a boundary.
pub fn f_measure(found: &[bool], truth: &[bool], size: (usize, usize)) -> f64 {
    let (found, truth) = (boundary_map(found, size), boundary_map(truth, size));
    let count = |map: &[bool]| map.iter().filter(|&&pixel| pixel).count();
    let (n_found, n_truth) = (count(&found), count(&truth));
    let (precision, recall) = match (n_found, n_truth) {
        (0, 0) => (1.0, 1.0),
        (0, _) => (1.0, 0.0),
        (_, 0) => (0.0, 1.0),
        _ => {
            let radius = radius(size);
            let matched = |map: &[bool], other: &[bool]| {
                let near = dilate(other, size, radius);
                map.iter().zip(near).filter(|&(&pixel, near)| pixel && near).count() as f64
            };
            (matched(&found, &truth) / n_found as f64, matched(&truth, &found) / n_truth as f64)
        }
    };
    if precision + recall == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) }
}

fn radius((width, height): (usize, usize)) -> usize {
    let diagonal = ((width * width + height * height) as f64).sqrt();
    (BOUND_TH * diagonal).ceil() as usize
}

/// Pixels that differ from their right, lower or lower right neighbour. The last row compares only to the
/// right, the last column only down, and the last pixel is never boundary.
fn boundary_map(mask: &[bool], (width, height): (usize, usize)) -> Vec<bool> {
    let mut map = vec![false; mask.len()];
    for y in 0..height {
        for x in 0..width {
            let i = y * width + x;
            let right = x + 1 < width && mask[i] != mask[i + 1];
            let below = y + 1 < height && mask[i] != mask[i + width];
            let diagonal = x + 1 < width && y + 1 < height && mask[i] != mask[i + width + 1];
            map[i] = right || below || diagonal;
        }
    }
    map
}

/// Every pixel within `radius` of one in the map.
fn dilate(map: &[bool], (width, height): (usize, usize), radius: usize) -> Vec<bool> {
    let mut out = vec![false; map.len()];
    let reach: Vec<usize> = (0..=radius).map(|dy| (radius * radius - dy * dy).isqrt()).collect();
    for (i, _) in map.iter().enumerate().filter(|&(_, &pixel)| pixel) {
        let (x, y) = (i % width, i / width);
        for row in y.saturating_sub(radius)..=(y + radius).min(height - 1) {
            let reach = reach[row.abs_diff(y)];
            out[row * width + x.saturating_sub(reach)..=row * width + (x + reach).min(width - 1)].fill(true);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_of_a_square_lie_half_a_pixel_up_and_left() {
        let mask: Vec<bool> =
            (0..25).map(|i| (1..4).contains(&(i % 5)) && (2..5).contains(&(i / 5))).collect();
        let rows: Vec<String> = boundary_map(&mask, (5, 5))
            .chunks(5)
            .map(|row| row.iter().map(|&b| if b { '#' } else { '.' }).collect())
            .collect();
        assert_eq!(rows, [".....", "####.", "#..#.", "#..#.", "#..#."]);
    }

    #[test]
    fn discs_are_those_of_the_reference() {
        let mut dot = vec![false; 49];
        dot[24] = true;
        let rows: Vec<String> = dilate(&dot, (7, 7), 2)
            .chunks(7)
            .map(|row| row.iter().map(|&b| if b { '#' } else { '.' }).collect())
            .collect();
        assert_eq!(rows, [".......", "...#...", "..###..", ".#####.", "..###..", "...#...", "......."]);
        assert_eq!([radius((854, 480)), radius((40, 30)), radius((1, 1))], [8, 1, 1]);
    }
}
