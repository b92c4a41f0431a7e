//! COCO run-length encoding of masks. Reference: `common/maskApi.c` of the COCO API.

use super::Mask;
use crate::error::RleError;

/// Column-major run lengths, alternating 0 and 1, starting with 0: COCO's JSON
/// `{"size": [height, width], "counts": …}`, whose counts are a string or this list.
///
/// ```
/// use sam2_model::{Mask, Rle};
///
/// let mask = Mask::new(3, 2, vec![true, true, false, true, false, false])?;
/// let rle = mask.rle();
/// assert_eq!(rle.counts(), [0, 3, 3]);
/// assert_eq!((rle.width(), rle.height(), rle.area()), (3, 2, 3));
/// assert_eq!(rle.bbox_xyxy(), Some([0, 0, 1, 1]));
/// assert_eq!(Rle::from_coco_string(3, 2, &rle.to_coco_string())?, rle);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rle {
    width: usize,
    height: usize,
    counts: Vec<u32>,
}

impl Mask {
    /// The mask as COCO run lengths.
    pub fn rle(&self) -> Rle {
        Rle::from(self)
    }
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

    /// Runs of a mask of `width` × `height` pixels, the first of background.
    ///
    /// ```
    /// # use sam2_model::Rle;
    /// assert_eq!(Rle::from_counts(4, 1, vec![1, 2, 1])?.area(), 2);
    /// assert!(Rle::from_counts(4, 1, vec![1, 2]).is_err()); // three of four pixels
    /// # Ok::<(), sam2_model::error::RleError>(())
    /// ```
    ///
    /// # Errors
    /// If the runs are not `width · height` pixels together, or there is no pixel.
    pub fn from_counts(width: usize, height: usize, counts: Vec<u32>) -> Result<Self, RleError> {
        let area = width.saturating_mul(height);
        let total = counts.iter().try_fold(0_usize, |sum, &n| sum.checked_add(n as usize));
        if area == 0 || total != Some(area) {
            return Err(RleError::Length { width, height, found: total.unwrap_or(usize::MAX) });
        }
        Ok(Self { width, height, counts })
    }

    /// Width, pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height, pixels.
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

    /// `[x0, y0, x1, y1]` of the outermost pixels inside, all inclusive; `None` if there is none. The box of
    /// COCO's JSON is `[x0, y0, x1 − x0 + 1, y1 − y0 + 1]`.
    pub fn bbox_xyxy(&self) -> Option<[usize; 4]> {
        let runs = self.inside();
        runs.fold(None, |bbox, (start, end)| {
            let last = end - 1;
            let (x0, x1) = (start / self.height, last / self.height);
            // A run over several columns reaches the bottom of one and the top of the next.
            let (y0, y1) =
                if x0 == x1 { (start % self.height, last % self.height) } else { (0, self.height - 1) };
            let [a0, b0, a1, b1] = bbox.unwrap_or([x0, y0, x1, y1]);
            Some([a0.min(x0), b0.min(y0), a1.max(x1), b1.max(y1)])
        })
    }

    /// Intersection over union, 0 ..= 1, without unpacking the masks; 0 if both are empty, `None` if their
    /// sizes differ.
    ///
    /// ```
    /// use sam2_model::Rle;
    ///
    /// let (left, all) = (Rle::from_counts(4, 1, vec![0, 2, 2])?, Rle::from_counts(4, 1, vec![0, 4])?);
    /// assert_eq!(left.iou(&all), Some(0.5));
    /// # Ok::<(), sam2_model::error::RleError>(())
    /// ```
    pub fn iou(&self, other: &Self) -> Option<f64> {
        if (self.width, self.height) != (other.width, other.height) {
            return None;
        }
        let (mut a, mut b) = (self.inside().peekable(), other.inside().peekable());
        let mut common = 0;
        while let (Some(&(a0, a1)), Some(&(b0, b1))) = (a.peek(), b.peek()) {
            common += a1.min(b1).saturating_sub(a0.max(b0)) as u64;
            if a1 < b1 {
                a.next()
            } else {
                b.next()
            };
        }
        let union = self.area() + other.area() - common;
        Some(if union == 0 { 0.0 } else { common as f64 / union as f64 })
    }

    /// Column-major start and end positions of the non-empty runs inside.
    fn inside(&self) -> impl Iterator<Item = (usize, usize)> {
        let mut at = 0;
        let runs = self.counts.iter().enumerate().map(move |(i, &n)| {
            let start = at;
            at += n as usize;
            (i, start, at)
        });
        runs.filter(|&(i, start, end)| i % 2 == 1 && end > start).map(|(_, start, end)| (start, end))
    }

    /// The mask itself.
    ///
    /// ```
    /// # use sam2_model::Rle;
    /// let rle = Rle::from_counts(2, 2, vec![1, 2, 1])?; // down the first column, then down the second
    /// assert_eq!(rle.mask().data(), [false, true, true, false]);
    /// # Ok::<(), sam2_model::error::RleError>(())
    /// ```
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

    /// The compressed string of COCO's JSON: from the third run on the difference to the run before last, as
    /// little-endian groups of five bits per character, plus a continuation bit.
    ///
    /// ```
    /// # use sam2_model::Rle;
    /// assert_eq!(Rle::from_counts(3, 2, vec![0, 3, 3])?.to_coco_string(), "033");
    /// # Ok::<(), sam2_model::error::RleError>(())
    /// ```
    pub fn to_coco_string(&self) -> String {
        let mut out = String::new();
        for (i, &count) in self.counts.iter().enumerate() {
            let before = if i > 2 { i64::from(self.counts[i - 2]) } else { 0 };
            let mut rest = i64::from(count) - before;
            loop {
                let bits = (rest & 0x1f) as u8;
                rest >>= 5;
                // The highest bit of the last group is the sign.
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

/// Maximum number of five-bit groups of a count: 32 bits and a sign.
const MAX_DIGITS: usize = 7;

impl Rle {
    /// Parses the compressed string of COCO's JSON, as written by [`Self::to_coco_string`] and pycocotools.
    ///
    /// ```
    /// # use sam2_model::Rle;
    /// assert_eq!(Rle::from_coco_string(3, 2, "033")?.counts(), [0, 3, 3]);
    /// # Ok::<(), sam2_model::error::RleError>(())
    /// ```
    ///
    /// # Errors
    /// If the string is malformed, or does not have `width · height` pixels.
    pub fn from_coco_string(width: usize, height: usize, text: &str) -> Result<Self, RleError> {
        let mut counts: Vec<u32> = Vec::new();
        let (mut value, mut digits) = (0_i64, 0);
        for (at, byte) in text.bytes().enumerate() {
            let bad = RleError::Text { at };
            let bits = byte.checked_sub(48).filter(|&bits| bits < 64 && digits < MAX_DIGITS);
            let bits = i64::from(bits.ok_or(bad.clone())?);
            value |= (bits & 0x1f) << (5 * digits);
            digits += 1;
            if bits & 0x20 != 0 {
                continue;
            }
            if bits & 0x10 != 0 {
                value |= -1 << (5 * digits);
            }
            let before = if counts.len() > 2 { i64::from(counts[counts.len() - 2]) } else { 0 };
            counts.push(u32::try_from(value + before).map_err(|_| bad)?);
            (value, digits) = (0, 0);
        }
        if digits > 0 {
            return Err(RleError::Text { at: text.len() });
        }
        Self::from_counts(width, height, counts)
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

    /// Strings and scores of pycocotools 2.0.11: `encode`, `iou`, `toBbox`.
    #[test]
    fn strings_boxes_and_overlaps_are_those_of_pycocotools() {
        let cases: [(&[&str], &str, _, u64); 4] = [
            (&["##..", "#...", "...#"], "021O60", Some([0, 0, 3, 2]), 4),
            (&["....", "....", "...."], "<", None, 0),
            (&["####", "####", "####"], "0<", Some([0, 0, 3, 2]), 12),
            (&["...#", "...#", "#..."], "2161K", Some([0, 0, 3, 2]), 3),
        ];
        let third = 1.0 / 3.0;
        let ious = [[1.0, 0.0, third, 0.0], [0.0; 4], [third, 0.0, 1.0, 0.25], [0.0, 0.0, 0.25, 1.0]];
        for (i, (rows, text, bbox, area)) in cases.into_iter().enumerate() {
            let rle = mask(4, rows).rle();
            assert_eq!(rle.to_coco_string(), text);
            assert_eq!(Rle::from_coco_string(4, 3, text), Ok(rle.clone()));
            assert_eq!((rle.bbox_xyxy(), rle.area()), (bbox, area), "{text}");
            assert_eq!(rle.bbox_xyxy(), rle.mask().bbox_xyxy(), "{text}");
            let found = cases.map(|(rows, ..)| rle.iou(&mask(4, rows).rle()));
            assert_eq!(found, ious[i].map(Some), "{text}");
        }
    }

    /// FNV-1a of pycocotools' strings of an ellipse with a bar at the edge, and of stripes.
    #[test]
    fn long_strings_are_those_of_pycocotools() {
        let paint = |inside: &dyn Fn(i64, i64) -> bool| {
            let data = (0..600 * 700).map(|i| inside(i % 700, i / 700)).collect();
            Mask::new(700, 600, data).expect("it is full").rle()
        };
        let ellipse =
            |x: i64, y: i64| ((x - 350) * 200).pow(2) + ((y - 280) * 300).pow(2) < 60_000_i64.pow(2);
        let bar = |x: i64, y: i64| x >= 690 && (100..110).contains(&y);
        let shape = paint(&|x, y| ellipse(x, y) || bar(x, y));
        let stripes = paint(&|x, y| (x / 3 + y / 50) % 2 == 1);
        let hash = |text: &str| {
            let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
        };
        for (rle, len, expected, bbox, area) in [
            (&shape, 1233, 0xd5f2_248c_1042_9380_u64, [51, 81, 699, 479], 188_533),
            (&stripes, 8636, 0x1450_a2cf_7eed_5c15, [0, 0, 699, 599], 210_000),
        ] {
            let text = rle.to_coco_string();
            assert_eq!((text.len(), hash(&text)), (len, expected));
            assert_eq!(Rle::from_coco_string(700, 600, &text).as_ref(), Ok(rle));
            assert_eq!((rle.bbox_xyxy(), rle.area()), (Some(bbox), area));
        }
        assert_eq!(shape.iou(&stripes), Some(0.309_688_592_686_068_85));
        assert_eq!(shape.iou(&mask(2, &["#."]).rle()), None);
    }

    #[test]
    fn damaged_strings_are_refused() {
        for (text, at) in
            [("0", None), ("~", Some(0)), ("P", Some(1)), ("PPPPPPPP0", Some(7)), ("\u{e4}", Some(0))]
        {
            let error = Rle::from_coco_string(2, 2, text).expect_err("refused");
            match at {
                Some(at) => assert_eq!(error, RleError::Text { at }, "{text}"),
                None => assert_eq!(error, RleError::Length { width: 2, height: 2, found: 0 }, "{text}"),
            }
        }
        // A negative count.
        assert!(matches!(Rle::from_coco_string(2, 2, "O"), Err(RleError::Text { at: 0 })));
        assert!(Rle::from_counts(0, 5, vec![]).is_err());
    }
}
