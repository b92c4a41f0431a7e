//! Deterministic mutations of a valid file.

use crate::seeded::splitmix64;

/// Boundary values for numbers in text.
const NUMBERS: [&str; 12] = [
    "0",
    "-1",
    "1",
    "7",
    "65536",
    "4294967295",
    "9223372036854775807",
    "18446744073709551615",
    "1e400",
    "-0.5",
    "null",
    "[]",
];

/// Copy number `case` of `file`, with one to six edits within its first `reach` bytes.
#[must_use]
pub fn mutated(file: &[u8], reach: usize, case: u64) -> Vec<u8> {
    let mut counter = 0;
    let mut below = |limit: usize| {
        counter += 1;
        (splitmix64(case.wrapping_mul(0x5851_F42D_4C95_7F2D), counter) % limit.max(1) as u64) as usize
    };
    let mut out = file.to_vec();
    for _ in 0..1 + below(6) {
        let end = reach.min(out.len());
        let at = below(end);
        match below(8) {
            0 if !out.is_empty() => out[at] = below(256) as u8,
            1 if !out.is_empty() => out[at] ^= 1 << below(8),
            2 => out.truncate(at),
            3 => {
                let len = below(16).min(out.len() - at);
                out.drain(at..at + len);
            }
            4 => {
                let from = below(end);
                let copy = out[from..(from + below(40)).min(out.len())].to_vec();
                out.splice(at..at, copy);
            }
            // The remaining cases replace numbers in text.
            _ => {
                let digit = |b: &u8| b.is_ascii_digit();
                let Some(start) = out[at..end].iter().position(digit).map(|i| at + i) else { continue };
                let len = out[start..].iter().take_while(|b| digit(b)).count();
                out.splice(start..start + len, NUMBERS[below(NUMBERS.len())].bytes());
            }
        }
    }
    out
}
