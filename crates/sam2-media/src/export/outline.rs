//! Outlines of masks: simplified, joined into one loop, and filled again.

use sam2_model::types::Polygon;
use sam2_model::{Mask, Rle};

/// A closed loop of pixel corners.
pub type Loop = Vec<[u32; 2]>;

/// The least IoU of a simplified outline with its mask: 0.99, and what readers may round.
const LEAST_IOU: f64 = 0.992;
/// How far an edge may lie elsewhere where the numbers are rounded: edges at 45 degrees pass through centres
/// of pixels, which readers count in or out.
const SHIFT: f64 = 0.01;
/// The tolerances that are tried before every corner is kept: each this part of the one before. Stairs of one
/// pixel fall between 0.8 and 0.6.
const STEP: f64 = 0.8;
const STEPS: i32 = 8;

/// The pieces of a mask, their outlines at most `tolerance` pixels from the exact ones.
pub fn of(rle: &Rle, tolerance: f64) -> Vec<Polygon> {
    let mask = rle.mask();
    let exact = mask.polygons();
    if tolerance.is_nan() || tolerance <= 0.0 {
        return exact;
    }
    for step in 0..STEPS {
        let tolerance = tolerance * STEP.powi(step);
        let simple = |corners: &Loop| simplified(corners, tolerance);
        let loops = exact.iter().map(|polygon| Polygon {
            outer: simple(&polygon.outer),
            holes: polygon.holes.iter().map(simple).collect(),
        });
        let loops: Vec<Polygon> = loops.collect();
        let filled = |shift| filled(mask.width(), mask.height(), all(&loops), shift);
        if overlap(&mask, &filled(-SHIFT), &filled(SHIFT)) >= LEAST_IOU {
            return loops;
        }
    }
    exact
}

/// Every loop of the pieces.
pub fn all(polygons: &[Polygon]) -> impl Iterator<Item = &Loop> {
    polygons.iter().flat_map(|polygon| std::iter::once(&polygon.outer).chain(&polygon.holes))
}

/// IoU of the mask with what a reader fills: pixels on which the two fillings differ are on an edge, and
/// count half.
fn overlap(mask: &Mask, left: &[bool], right: &[bool]) -> f64 {
    let (mut common, mut union) = (0, 0);
    for ((&inside, &left), &right) in mask.data().iter().zip(left).zip(right) {
        let filled = u32::from(left) + u32::from(right);
        common += if inside { filled } else { 0 };
        union += if inside { 2 } else { filled };
    }
    if union == 0 { 1.0 } else { f64::from(common) / f64::from(union) }
}

/// The pixels whose centres are inside an odd number of loops, all edges moved by `shift` pixels to the
/// right.
pub fn filled<'a>(
    width: usize,
    height: usize,
    loops: impl Iterator<Item = &'a Loop>,
    shift: f64,
) -> Vec<bool> {
    // Where the inside begins or ends along a row.
    let mut flips = vec![false; width * height];
    for corners in loops {
        for (a, b) in corners.iter().zip(corners.iter().cycle().skip(1)) {
            let [ax, ay, bx, by] = [a[0], a[1], b[0], b[1]].map(f64::from);
            for y in a[1].min(b[1])..a[1].max(b[1]) {
                let x = ax + (f64::from(y) + 0.5 - ay) * (bx - ax) / (by - ay);
                let first = (x + shift - 0.5).ceil().max(0.0) as usize;
                if first < width {
                    let at = y as usize * width + first;
                    flips[at] = !flips[at];
                }
            }
        }
    }
    for row in flips.chunks_exact_mut(width.max(1)) {
        let mut inside = false;
        row.iter_mut().for_each(|pixel| {
            inside ^= *pixel;
            *pixel = inside;
        });
    }
    flips
}

/// Douglas and Peucker's simplification of a closed loop. One that would have no area stays as it is.
fn simplified(corners: &Loop, tolerance: f64) -> Loop {
    let distance = |a: [u32; 2], b: [u32; 2], p: [u32; 2]| {
        let [ax, ay, bx, by, px, py] = [a[0], a[1], b[0], b[1], p[0], p[1]].map(f64::from);
        let length = (bx - ax).hypot(by - ay);
        if length == 0.0 {
            return (px - ax).hypot(py - ay);
        }
        ((bx - ax) * (py - ay) - (by - ay) * (px - ax)).abs() / length
    };
    let len = corners.len();
    let at = |i: usize| corners[i % len];
    let farthest = |from: usize, to: usize| {
        let inner = from + 1..to;
        let far = inner.map(|i| (distance(at(from), at(to), at(i)), i));
        far.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(far, _)| *far > tolerance).map(|(_, i)| i)
    };
    let mut kept = vec![false; len];
    kept[0] = true;
    // The loop as a line from the first corner back to it: its two ends are one point.
    let mut stack = vec![(0, len)];
    while let Some((from, to)) = stack.pop() {
        if let Some(middle) = farthest(from, to) {
            kept[middle] = true;
            stack.extend([(from, middle), (middle, to)]);
        }
    }
    let simple: Loop = (0..len).filter(|&i| kept[i]).map(at).collect();
    let area = |corners: &Loop| -> i64 {
        let pairs = corners.iter().zip(corners.iter().cycle().skip(1));
        pairs.map(|(a, b)| i64::from(a[0]) * i64::from(b[1]) - i64::from(b[0]) * i64::from(a[1])).sum()
    };
    let is_loop = simple.len() > 2 && area(&simple).signum() == area(corners).signum();
    if is_loop { simple } else { corners.clone() }
}
