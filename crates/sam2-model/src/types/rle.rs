//! Run-length encoding of masks as COCO has it. Reference: `common/maskApi.c` of the COCO API.

use super::Mask;

/// Lengths of runs of 0 and 1 in turn, down the columns, starting with 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rle {
    width: usize,
    height: usize,
    counts: Vec<u32>,
}

impl From<&Mask> for Rle {
    fn from(mask: &Mask) -> Self {
        Self::encode(mask, (0, 0), (mask.width(), mask.height()))
    }
}

impl Rle {
    /// `mask`, placed at `(x0, y0)` of an image of `(width, height)` pixels that is empty elsewhere.
    pub(crate) fn encode(mask: &Mask, (x0, y0): (usize, usize), (width, height): (usize, usize)) -> Self {
        let mut counts = Vec::new();
        let (mut value, mut run) = (false, 0_u32);
        for x in 0..width {
            for y in 0..height {
                let inside = (x0..x0 + mask.width()).contains(&x) && (y0..y0 + mask.height()).contains(&y);
                let pixel = inside && mask.data()[(y - y0) * mask.width() + x - x0];
                if pixel != value {
                    counts.push(run);
                    (value, run) = (pixel, 0);
                }
                run += 1;
            }
        }
        counts.push(run);
        Self { width, height, counts }
    }

    /// Pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The lengths.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// Number of pixels inside.
    pub fn area(&self) -> u64 {
        self.counts.iter().skip(1).step_by(2).map(|&n| u64::from(n)).sum()
    }

    /// The mask itself.
    pub fn mask(&self) -> Mask {
        let mut data = vec![false; self.width * self.height];
        let mut at = 0;
        for (i, &n) in self.counts.iter().enumerate() {
            for position in at..at + n as usize {
                data[position % self.height * self.width + position / self.height] = i % 2 == 1;
            }
            at += n as usize;
        }
        Mask::new(self.width, self.height, data).expect("the runs fill the mask")
    }

    /// The compressed string of COCO's JSON: from the third run on the difference to the run before last, five bits a
    /// character from the lowest on, with a bit for "more follows".
    pub fn to_coco_string(&self) -> String {
        let mut out = String::new();
        for (i, &count) in self.counts.iter().enumerate() {
            let before = if i > 2 { i64::from(self.counts[i - 2]) } else { 0 };
            let mut rest = i64::from(count) - before;
            loop {
                let bits = (rest & 0x1f) as u8;
                rest >>= 5;
                // The highest of the five is the sign of the last group.
                let more = if bits & 0x10 == 0 { rest != 0 } else { rest != -1 };
                out.push(char::from(bits + if more { 0x20 } else { 0 } + 48));
                if !more {
                    break;
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(width: usize, rows: &[&str]) -> Mask {
        let data = rows.iter().flat_map(|row| row.chars().map(|c| c == '#')).collect();
        Mask::new(width, rows.len(), data).expect("the rows fill the mask")
    }

    #[test]
    fn runs_go_down_the_columns_and_start_with_background() {
        let small = mask(3, &["##.", "#.."]);
        let rle = Rle::encode(&small, (0, 0), (3, 2));
        assert_eq!(rle.counts(), [0, 3, 3]);
        assert_eq!((rle.area(), rle.mask()), (3, small.clone()));
        let pasted = Rle::encode(&small, (1, 1), (5, 4));
        assert_eq!(pasted.counts(), [5, 2, 2, 1, 10]);
        let empty = Rle::encode(&mask(2, &["..", ".."]), (0, 0), (2, 2));
        assert_eq!(empty.counts(), [4]);
    }
}
