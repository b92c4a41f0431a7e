//! Crops of the image and grids of clicks. Meta: `sam2/utils/amg.py`.

/// Masks this close to the edge of a crop, pixels, are cut off by it and dropped.
const EDGE: i64 = 20;

/// A crop in pixels of the image; `x1` and `y1` are exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CropBox {
    pub x0: usize,
    pub y0: usize,
    pub x1: usize,
    pub y1: usize,
}

impl CropBox {
    /// The whole image.
    pub fn whole((width, height): (usize, usize)) -> Self {
        Self { x0: 0, y0: 0, x1: width, y1: height }
    }

    /// Width and height.
    pub fn size(self) -> (usize, usize) {
        (self.x1 - self.x0, self.y1 - self.y0)
    }

    pub fn area(self) -> usize {
        (self.x1 - self.x0) * (self.y1 - self.y0)
    }

    /// Whether a box, in pixels of the image, ends near an edge of the crop that is not near the same edge of
    /// the image.
    pub fn cuts(self, bbox: [i64; 4], (width, height): (usize, usize)) -> bool {
        let crop = [self.x0, self.y0, self.x1, self.y1].map(|x| x as i64);
        let image = [0, 0, width as i64, height as i64];
        (0..4).any(|i| (bbox[i] - crop[i]).abs() <= EDGE && (bbox[i] - image[i]).abs() > EDGE)
    }
}

/// The image and the crops of every layer, with their layer. Columns are the outer loop, as in the reference.
pub(super) fn boxes(
    (width, height): (usize, usize),
    layers: usize,
    overlap_ratio: f64,
) -> Vec<(CropBox, usize)> {
    let mut out = vec![(CropBox::whole((width, height)), 0)];
    for layer in 1..=layers {
        let per_side = 1_usize << layer;
        let overlap = (overlap_ratio * width.min(height) as f64 * (2.0 / per_side as f64)) as usize;
        let length = |n: usize| (overlap * (per_side - 1) + n).div_ceil(per_side);
        let (crop_w, crop_h) = (length(width), length(height));
        for i in 0..per_side * per_side {
            let x0 = crop_w.saturating_sub(overlap) * (i / per_side);
            let y0 = crop_h.saturating_sub(overlap) * (i % per_side);
            let crop = CropBox { x0, y0, x1: (x0 + crop_w).min(width), y1: (y0 + crop_h).min(height) };
            // An image of a few pixels has fewer.
            if crop.x0 < crop.x1 && crop.y0 < crop.y1 {
                out.push((crop, layer));
            }
        }
    }
    out
}

/// Centres of `n × n` cells of the unit square, row by row.
pub(super) fn grid(n: usize) -> Vec<[f64; 2]> {
    // As `numpy.linspace` rounds it.
    let offset = 1.0 / (2 * n) as f64;
    let step = (1.0 - offset - offset) / (n.max(2) - 1) as f64;
    let at = |i: usize| if i + 1 == n && n > 1 { 1.0 - offset } else { offset + i as f64 * step };
    (0..n * n).map(|i| [at(i % n), at(i / n)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crops_of_two_layers_cover_the_image() {
        let all = boxes((1000, 600), 2, 512.0 / 1500.0);
        assert_eq!(all.len(), 1 + 4 + 16);
        assert_eq!(all[1].0, CropBox { x0: 0, y0: 0, x1: 602, y1: 402 });
        assert_eq!(all[2].0, CropBox { x0: 0, y0: 198, x1: 602, y1: 600 });
        assert_eq!(all[3].0, CropBox { x0: 398, y0: 0, x1: 1000, y1: 402 });
        assert!(all.iter().all(|(c, _)| c.x1 <= 1000 && c.y1 <= 600 && c.area() > 0));
        assert!(boxes((3, 2), 3, 0.9).iter().all(|(c, _)| c.area() > 0));
    }

    #[test]
    fn grid_points_are_cell_centres() {
        assert_eq!(grid(1), [[0.5, 0.5]]);
        assert_eq!(grid(2), [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]);
        assert_eq!(grid(32).len(), 1024);
    }
}
