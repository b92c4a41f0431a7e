//! Non-maximum suppression (NMS) of boxes. torchvision: `ops/boxes.py`, `nms`.

/// Indices of the kept boxes `[x0, y0, x1, y1]` by descending score; equal scores keep their order. A box is
/// dropped if its IoU with a better one exceeds `threshold`. Areas are products of differences, so a box one
/// pixel wide has area 0; a pair of area 0 suppresses nothing.
pub(super) fn nms(boxes: &[[i64; 4]], scores: &[f32], threshold: f64) -> Vec<usize> {
    let area = |b: &[i64; 4]| ((b[2] - b[0]) * (b[3] - b[1])) as f32;
    let mut order: Vec<usize> = (0..boxes.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let mut kept: Vec<usize> = Vec::new();
    for i in order {
        let b = &boxes[i];
        let falls = kept.iter().any(|&j| {
            let a = &boxes[j];
            let w = (a[2].min(b[2]) - a[0].max(b[0])).max(0) as f32;
            let h = (a[3].min(b[3]) - a[1].max(b[1])).max(0) as f32;
            let intersection = w * h;
            let iou = intersection / (area(a) + area(b) - intersection);
            f64::from(iou) > threshold
        });
        if !falls {
            kept.push(i);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_of_two_that_overlap_stays() {
        let boxes = [[0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30], [0, 0, 10, 4]];
        assert_eq!(nms(&boxes, &[0.5, 0.9, 0.7, 0.8], 0.7), [1, 3, 2]);
        assert_eq!(nms(&boxes, &[0.5, 0.9, 0.7, 0.8], 0.9), [1, 3, 2, 0]);
    }

    #[test]
    fn boxes_without_area_suppress_nothing_and_ties_keep_their_order() {
        assert_eq!(nms(&[[5, 5, 5, 9]; 3], &[1.0; 3], 0.5), [0, 1, 2]);
        assert_eq!(nms(&[[0, 0, 4, 4]; 2], &[1.0; 2], 0.5), [0]);
    }
}
