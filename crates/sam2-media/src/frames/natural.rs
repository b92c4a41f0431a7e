//! Natural order: `frame2` before `frame10`.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};

/// Compares names with digit runs as numbers of any length; equal names by bytes (`01` before `1`).
///
/// ```
/// let mut names = ["frame10.png", "frame9.png"];
/// names.sort_by(|a, b| sam2_media::frames::natural::compare(a, b));
/// assert_eq!(names, ["frame9.png", "frame10.png"]);
/// ```
pub fn compare(a: impl AsRef<OsStr>, b: impl AsRef<OsStr>) -> Ordering {
    let (a, b) = (a.as_ref().as_encoded_bytes(), b.as_ref().as_encoded_bytes());
    let (mut left, mut right) = (a, b);
    while let (Some(&x), Some(&y)) = (left.first(), right.first()) {
        let order = if x.is_ascii_digit() && y.is_ascii_digit() {
            let (number_x, rest_x) = split_number(left);
            let (number_y, rest_y) = split_number(right);
            (left, right) = (rest_x, rest_y);
            number_x.len().cmp(&number_y.len()).then(number_x.cmp(number_y))
        } else {
            (left, right) = (&left[1..], &right[1..]);
            x.cmp(&y)
        };
        if order.is_ne() {
            return order;
        }
    }
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

/// Sorts names.
pub fn sort(names: &mut [OsString]) {
    names.sort_by(|a, b| compare(a, b));
}

/// The leading digits without leading zeros, and the rest.
fn split_number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|c| !c.is_ascii_digit()).unwrap_or(text.len());
    let zeros = text[..end].iter().take_while(|&&c| c == b'0').count();
    (&text[zeros..end], &text[end..])
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn digits_compare_as_numbers() {
        let sorted = [
            "0.png",
            "00.png",
            "1.png",
            "frame-9.png",
            "frame1.png",
            "frame02.png",
            "frame2.png",
            "frame10.png",
            "frame10b.png",
            "frame99999999999999999999998.png",
            "frame99999999999999999999999.png",
            "shot2_frame1.png",
            "shot10_frame1.png",
        ];
        let mut shuffled = sorted.to_vec();
        shuffled.reverse();
        shuffled.sort_by(|a, b| compare(a, b));
        // "0" and "00" are the same number; the bytes decide.
        assert_eq!(shuffled, sorted);
    }
}
