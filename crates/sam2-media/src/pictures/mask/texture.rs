//! Whether the values of a picture are areas of numbers or the soft edges of a shape.

use std::collections::BTreeMap;

/// What values between black and white look like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Texture {
    /// Edges and noise around black and white.
    Soft,
    /// Areas of one value each.
    Areas,
    /// Neither clearly.
    Unclear,
}

/// Distinct values above which numbers of objects look like a gradient.
const MANY: usize = 16;

/// Looks at all values besides the most frequent dark one and the most frequent bright one: in areas nearly
/// every pixel has an equal neighbour in both directions, on edges hardly any.
pub(super) fn of(values: &[u32], width: usize, white: u32, counts: &BTreeMap<u32, u64>) -> Texture {
    let most = |bright: bool| {
        let side = counts.iter().filter(|&(&value, _)| (value > white / 2) == bright);
        side.max_by_key(|&(_, &count)| count).map(|(&value, _)| value)
    };
    let (dark, bright) = (most(false), most(true));
    let (dark_value, bright_value) = (dark.unwrap_or(0), bright.unwrap_or(white));
    let (mut others, mut flat, mut near) = (0_u64, 0_u64, 0_u64);
    let (mut steps, mut gentle) = (0_u64, 0_u64);
    let at = |i: Option<usize>| i.and_then(|i| values.get(i)).copied();
    for (i, &value) in values.iter().enumerate() {
        let x = i % width;
        let (left, right) = (at((x > 0).then(|| i.wrapping_sub(1))), at((x + 1 < width).then_some(i + 1)));
        let (above, below) = (at(i.checked_sub(width)), at(i.checked_add(width)));
        for next in [right, below].into_iter().flatten().filter(|&next| next != value) {
            steps += 1;
            gentle += u64::from(next.abs_diff(value) <= white / 16);
        }
        if Some(value) == dark || Some(value) == bright {
            continue;
        }
        others += 1;
        let equal = |a: Option<u32>, b: Option<u32>| a == Some(value) || b == Some(value);
        flat += u64::from(equal(left, right) && equal(above, below));
        near += u64::from(value.abs_diff(dark_value).min(value.abs_diff(bright_value)) <= white / 8);
    }
    let noise = gentle * 4 >= steps * 3 && counts.len() > MANY;
    let shape = bright.is_some();
    match () {
        () if flat * 4 < others => {
            if shape {
                Texture::Soft
            } else {
                Texture::Unclear
            }
        }
        () if flat * 2 < others => Texture::Unclear,
        () if noise && near * 4 >= others * 3 && shape => Texture::Soft,
        () if noise => Texture::Unclear,
        () => Texture::Areas,
    }
}
