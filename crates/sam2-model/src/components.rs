//! 8-connected components of a mask. Meta: `sam2/csrc/connected_components.cu`, a CUDA kernel.

/// Component of every pixel, and area of every component.
#[derive(Clone, Debug)]
pub(crate) struct Components {
    /// Per pixel, row-major: 0 outside the mask, else the number of its component, from 1.
    labels: Vec<u32>,
    /// Pixels of component `i + 1`. Components are numbered in the order of their first pixels.
    pub areas: Vec<usize>,
}

impl Components {
    /// Components of the pixels that are `true`, in rows of `width`.
    pub fn of(inside: &[bool], width: usize) -> Self {
        let height = inside.len().checked_div(width).unwrap_or(0);
        let mut labels = vec![0; inside.len()];
        let mut areas = Vec::new();
        let mut open = Vec::new();
        for start in 0..inside.len() {
            if !inside[start] || labels[start] != 0 {
                continue;
            }
            let label = areas.len() as u32 + 1;
            let mut area = 0;
            labels[start] = label;
            open.push(start);
            while let Some(pixel) = open.pop() {
                area += 1;
                let (y, x) = (pixel / width, pixel % width);
                for row in y.saturating_sub(1)..=(y + 1).min(height - 1) {
                    for neighbour in row * width + x.saturating_sub(1)..=row * width + (x + 1).min(width - 1)
                    {
                        if inside[neighbour] && labels[neighbour] == 0 {
                            labels[neighbour] = label;
                            open.push(neighbour);
                        }
                    }
                }
            }
            areas.push(area);
        }
        Self { labels, areas }
    }

    /// The component of a pixel, counted from 0; `None` outside the mask.
    pub fn at(&self, pixel: usize) -> Option<usize> {
        (self.labels[pixel] as usize).checked_sub(1)
    }

    /// The pixels of components of at most `area` pixels.
    pub fn small(&self, area: usize) -> impl Iterator<Item = usize> {
        (0..self.labels.len()).filter(move |&pixel| self.at(pixel).is_some_and(|i| self.areas[i] <= area))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[&str]) -> Components {
        let inside: Vec<bool> = rows.iter().flat_map(|row| row.chars().map(|c| c == '#')).collect();
        Components::of(&inside, rows[0].len())
    }

    #[test]
    fn diagonal_neighbours_touch() {
        let found = of(&["#..#", ".#..", "...#", "#..#"]);
        assert_eq!(found.areas, [2, 1, 2, 1]);
        assert_eq!((found.at(0), found.at(5), found.at(3), found.at(1)), (Some(0), Some(0), Some(1), None));
        assert_eq!(found.small(1).collect::<Vec<_>>(), [3, 12]);
    }

    #[test]
    fn rows_do_not_touch_across_the_edge() {
        assert_eq!(of(&["..#", "#..", "..#"]).areas, [1, 1, 1]);
        assert_eq!(of(&["#"]).areas, [1]);
        assert_eq!(of(&["##", "##"]).areas, [4]);
        assert!(Components::of(&[], 0).areas.is_empty());
    }

    #[test]
    fn a_spiral_is_one_component() {
        assert_eq!(of(&["#####", "....#", "###.#", "#...#", "#####"]).areas, [17]);
    }
}
