//! Removal of small holes and islands from final masks. Meta: `sam2/utils/amg.py`, `remove_small_regions`,
//! and `postprocess_small_regions`, which SAM calls and SAM 2 does not.

use crate::components::Components;
use crate::types::Mask;

/// `mask` without holes and islands of fewer than `area` pixels, and whether anything changed. If all islands
/// are small, the largest is kept.
pub(super) fn without_small(mask: &Mask, area: usize) -> (Mask, bool) {
    let (width, height) = (mask.width(), mask.height());
    let mut data = mask.data().to_vec();
    let outside: Vec<bool> = data.iter().map(|inside| !inside).collect();
    let holes: Vec<usize> = Components::of(&outside, width).small(area.saturating_sub(1)).collect();
    holes.iter().for_each(|&pixel| data[pixel] = true);
    let islands = Components::of(&data, width);
    let small = |i: usize| islands.areas[i] < area;
    let any_small = (0..islands.areas.len()).any(small);
    if any_small {
        let largest = (0..islands.areas.len()).rev().max_by_key(|&i| islands.areas[i]);
        let kept = |i: usize| !small(i) || (largest == Some(i));
        (0..data.len()).for_each(|pixel| data[pixel] = islands.at(pixel).is_some_and(kept));
    }
    let mask = Mask::new(width, height, data).expect("the mask had a pixel and keeps its size");
    (mask, any_small || !holes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(rows: &[&str], area: usize) -> (Vec<String>, bool) {
        let data = rows.iter().flat_map(|row| row.chars().map(|c| c == '#')).collect();
        let mask = Mask::new(rows[0].len(), rows.len(), data).expect("the rows fill the mask");
        let (mask, changed) = without_small(&mask, area);
        let row = |row: &[bool]| row.iter().map(|&inside| if inside { '#' } else { '.' }).collect();
        (mask.data().chunks_exact(mask.width()).map(row).collect(), changed)
    }

    #[test]
    fn holes_go_before_islands_and_the_largest_island_stays() {
        let rows = ["####..#", "#..#...", "####.##"];
        assert_eq!(cleaned(&rows, 1), (rows.map(str::to_owned).to_vec(), false));
        assert_eq!(cleaned(&rows, 2), (["####...", "#..#...", "####.##"].map(str::to_owned).to_vec(), true));
        // The hole is filled first, so the island has 12 pixels.
        assert_eq!(cleaned(&rows, 5), (["####...", "####...", "####..."].map(str::to_owned).to_vec(), true));
        assert_eq!(cleaned(&["#..", "...", ".##", "..."], 5).0, ["...", "...", ".##", "..."]);
        assert_eq!(cleaned(&["..", ".."], 3), (vec!["..".to_owned(); 2], false));
    }
}
