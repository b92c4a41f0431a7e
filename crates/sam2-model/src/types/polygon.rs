//! Polygons of masks, holes included: lossless loops along pixel edges.

use super::Mask;

/// A 4-connected component of a mask. Vertices are pixel corners: pixel `(x, y)` is the square from `[x, y]`
/// to `[x + 1, y + 1]`. Loops are closed, without repeating the first vertex, and have no collinear vertices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polygon {
    /// Outer loop, clockwise on the screen.
    pub outer: Vec<[u32; 2]>,
    /// Holes, counter-clockwise.
    pub holes: Vec<Vec<[u32; 2]>>,
}

/// Right, down, left, up.
const STEPS: [(isize, isize); 4] = [(1, 0), (0, 1), (-1, 0), (0, -1)];
const DOWN: usize = 1;
const UP: usize = 3;

impl Mask {
    /// The polygons of its components, from top to bottom. Pixels that touch only at a corner are separate
    /// components. Filling the outer loops and clearing the holes restores the mask exactly; see
    /// [`Mask::from_polygons`].
    ///
    /// ```
    /// # use sam2_model::Mask;
    /// let ring = Mask::new(3, 3, vec![true, true, true, true, false, true, true, true, true])?;
    /// let polygons = ring.polygons();
    /// assert_eq!(polygons[0].outer, [[0, 0], [3, 0], [3, 3], [0, 3]]);
    /// assert_eq!(polygons[0].holes.len(), 1);
    /// assert_eq!(Mask::from_polygons(3, 3, &polygons), ring);
    /// # Ok::<(), sam2_model::error::PromptError>(())
    /// ```
    pub fn polygons(&self) -> Vec<Polygon> {
        let (width, height) = (self.width(), self.height());
        // Loop of every vertical edge between pixels, from 1.
        let mut loops = vec![0_u32; (width + 1) * height];
        // Position of every loop in the result.
        let mut owners: Vec<usize> = Vec::new();
        let mut found: Vec<Polygon> = Vec::new();
        for y in 0..height {
            for x in 0..=width {
                let (left, right) =
                    (self.inside(x as isize - 1, y as isize), self.inside(x as isize, y as isize));
                if left == right || loops[y * (width + 1) + x] != 0 {
                    continue;
                }
                let id = owners.len() as u32 + 1;
                let corners = self.trace(x, y, if right { UP } else { DOWN }, |edge| loops[edge] = id);
                if right {
                    owners.push(found.len());
                    found.push(Polygon { outer: corners, holes: Vec::new() });
                } else {
                    // The pixels left of the hole belong to its component, and the edge left of them to one
                    // of its loops.
                    let start = (0..x).rev().find(|&x| !self.inside(x as isize - 1, y as isize)).unwrap_or(0);
                    let owner = owners[loops[y * (width + 1) + start] as usize - 1];
                    owners.push(owner);
                    found[owner].holes.push(corners);
                }
            }
        }
        found
    }

    /// The mask of `width · height` pixels whose centres are inside an odd number of loops (even-odd rule).
    ///
    /// ```
    /// use sam2_model::Mask;
    /// use sam2_model::types::Polygon;
    ///
    /// let square = Polygon { outer: vec![[1, 0], [3, 0], [3, 2], [1, 2]], holes: Vec::new() };
    /// assert_eq!(Mask::from_polygons(5, 2, &[square]).area(), 4);
    /// ```
    ///
    /// # Panics
    /// If the mask has no pixel, or a vertex is outside.
    pub fn from_polygons(width: usize, height: usize, polygons: &[Polygon]) -> Self {
        let mut data = vec![false; width * height];
        for corners in polygons.iter().flat_map(|p| std::iter::once(&p.outer).chain(&p.holes)) {
            for (a, b) in corners.iter().zip(corners.iter().cycle().skip(1)) {
                for y in a[1].min(b[1])..a[1].max(b[1]) {
                    let row = &mut data[y as usize * width..][..width];
                    row[a[0] as usize..].iter_mut().for_each(|pixel| *pixel = !*pixel);
                }
            }
        }
        Self::new(width, height, data).expect("a mask has a pixel")
    }

    fn inside(&self, x: isize, y: isize) -> bool {
        let (width, height) = (self.width() as isize, self.height() as isize);
        (0..width).contains(&x) && (0..height).contains(&y) && self.data()[(y * width + x) as usize]
    }

    /// Traces the loop of the vertical edge left of pixel `(x, y)`, with the mask on the right. `visit` gets
    /// every vertical edge, as `y · (width + 1) + x`.
    fn trace(&self, x: usize, y: usize, direction: usize, mut visit: impl FnMut(usize)) -> Vec<[u32; 2]> {
        let start = (x as isize, if direction == UP { y as isize + 1 } else { y as isize }, direction);
        let (mut x, mut y, mut direction) = start;
        let mut corners = Vec::new();
        loop {
            let (dx, dy) = STEPS[direction];
            if dy != 0 {
                let row = if dy > 0 { y } else { y - 1 };
                visit(row as usize * (self.width() + 1) + x as usize);
            }
            (x, y) = (x + dx, y + dy);
            // The two pixels ahead, right and left.
            let (rx, ry) = STEPS[(direction + 1) % 4];
            let ahead = |side: isize| {
                let (px, py) = (2 * x + dx + side * rx - 1, 2 * y + dy + side * ry - 1);
                self.inside(px.div_euclid(2), py.div_euclid(2))
            };
            let next = match (ahead(1), ahead(-1)) {
                (false, _) => (direction + 1) % 4,
                (true, false) => direction,
                (true, true) => (direction + 3) % 4,
            };
            if next != direction {
                corners.push([x as u32, y as u32]);
            }
            direction = next;
            if (x, y, direction) == start {
                return corners;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mask(rows: &[&str]) -> Mask {
        let data = rows.iter().flat_map(|row| row.chars().map(|c| c == '#')).collect();
        Mask::new(rows[0].len(), rows.len(), data).expect("the rows fill the mask")
    }

    #[test]
    fn a_pixel_a_hole_and_an_island_in_it() {
        assert_eq!(
            mask(&["#"]).polygons(),
            [Polygon { outer: vec![[0, 0], [1, 0], [1, 1], [0, 1]], holes: vec![] }]
        );
        let found = mask(&["#####", "#...#", "#.#.#", "#...#", "#####"]).polygons();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].holes, [[[1, 4], [4, 4], [4, 1], [1, 1]]]);
        assert_eq!((found[1].outer.len(), found[1].holes.len()), (4, 0));
        assert_eq!(found[1].outer[0], [2, 2]);
        assert!(mask(&["..", ".."]).polygons().is_empty());
    }

    #[test]
    fn corners_do_not_join_pieces() {
        let found = mask(&["#.", ".#"]).polygons();
        assert_eq!(found.len(), 2);
        // A ring that is open only at a corner has no hole: its outline enters and leaves there.
        let found = mask(&["###", "#.#", "##."]).polygons();
        assert_eq!((found.len(), found[0].holes.len()), (1, 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 256, failure_persistence: None, ..ProptestConfig::default()
        })]
        #[test]
        fn polygons_give_the_mask_back(
            width in 1..12_usize,
            bits in proptest::collection::vec(any::<bool>(), 1..120),
        ) {
            let height = bits.len().div_ceil(width);
            let data: Vec<bool> = (0..width * height).map(|i| bits[i % bits.len()]).collect();
            let mask = Mask::new(width, height, data).expect("it is filled");
            let found = mask.polygons();
            prop_assert_eq!(&Mask::from_polygons(width, height, &found), &mask);
            let area = |corners: &[[u32; 2]]| {
                let pairs = corners.iter().zip(corners.iter().cycle().skip(1));
                pairs
                    .map(|(a, b)| {
                        i64::from(a[0]) * i64::from(b[1]) - i64::from(b[0]) * i64::from(a[1])
                    })
                    .sum::<i64>()
            };
            for polygon in &found {
                prop_assert!(area(&polygon.outer) > 0, "clockwise");
                prop_assert!(polygon.holes.iter().all(|hole| area(hole) < 0), "counter-clockwise");
                // Every component alone is one polygon that contains its holes.
                let alone = Mask::from_polygons(width, height, std::slice::from_ref(polygon));
                prop_assert!(alone.data().iter().zip(mask.data()).all(|(part, whole)| !part || *whole));
            }
        }
    }
}
