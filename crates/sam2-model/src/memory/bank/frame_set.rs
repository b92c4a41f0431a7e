//! A set of frames that does not grow with the length of a pass.

/// Frame indices as disjoint, ascending, inclusive spans that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FrameSet(Vec<(usize, usize)>);

impl FrameSet {
    /// From spans in any order, first frame and last one; `None` if one ends before it begins.
    pub fn from_pairs(mut pairs: Vec<(usize, usize)>) -> Option<Self> {
        if pairs.iter().any(|(first, last)| first > last) {
            return None;
        }
        // In this order every span is added at the end, in constant time.
        pairs.sort_unstable();
        let mut spans = Self::default();
        pairs.into_iter().for_each(|(first, last)| spans.join(first, last));
        Some(spans)
    }

    /// The spans.
    pub fn pairs(&self) -> &[(usize, usize)] {
        &self.0
    }

    /// The last frame.
    pub fn last(&self) -> Option<usize> {
        self.0.last().map(|(_, last)| *last)
    }

    /// Whether `frame` is in the set.
    pub fn contains(&self, frame: usize) -> bool {
        self.span_of(frame).is_some()
    }

    /// Index of the span with `frame`.
    fn span_of(&self, frame: usize) -> Option<usize> {
        let i = self.0.partition_point(|&(_, last)| last < frame);
        self.0.get(i).filter(|(first, _)| *first <= frame).map(|_| i)
    }

    /// Adds a frame.
    pub fn insert(&mut self, frame: usize) {
        self.join(frame, frame);
    }

    /// Takes a frame out.
    pub fn remove(&mut self, frame: usize) {
        let Some(i) = self.span_of(frame) else { return };
        let (first, last) = self.0.remove(i);
        if frame < last {
            self.0.insert(i, (frame + 1, last));
        }
        if first < frame {
            self.0.insert(i, (first, frame - 1));
        }
    }

    fn join(&mut self, mut first: usize, mut last: usize) {
        // The spans that touch the new one.
        let from = self.0.partition_point(|&(_, b)| b.saturating_add(1) < first);
        let to = self.0.partition_point(|&(a, _)| a <= last.saturating_add(1));
        if from < to {
            (first, last) = (first.min(self.0[from].0), last.max(self.0[to - 1].1));
        }
        self.0.splice(from..to, [(first, last)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn spans_hold_what_a_set_holds(steps in prop::collection::vec((any::<bool>(), 0_usize..30), 0..80)) {
            let (mut spans, mut set) = (FrameSet::default(), BTreeSet::new());
            for (add, frame) in steps {
                if add {
                    spans.insert(frame);
                    set.insert(frame);
                } else {
                    spans.remove(frame);
                    set.remove(&frame);
                }
            }
            for frame in 0..32 {
                prop_assert_eq!(spans.contains(frame), set.contains(&frame));
            }
            let pairs = spans.pairs();
            prop_assert!(pairs.iter().all(|(a, b)| a <= b));
            prop_assert!(pairs.windows(2).all(|w| w[0].1 + 1 < w[1].0));
            let reversed = pairs.iter().copied().rev().collect();
            prop_assert_eq!(FrameSet::from_pairs(reversed), Some(spans));
        }
    }

    #[test]
    fn a_pass_in_either_direction_is_one_span() {
        let mut spans = FrameSet::default();
        (5..100).chain((0..5).rev()).for_each(|frame| spans.insert(frame));
        assert_eq!(spans.pairs(), [(0, 99)]);
    }

    #[test]
    fn spans_that_overlap_become_one_and_impossible_ones_are_refused() {
        let spans = FrameSet::from_pairs(vec![(7, 9), (0, 3), (2, 5), (20, usize::MAX), (6, 6)]);
        assert_eq!(spans.expect("they are possible").pairs(), [(0, 9), (20, usize::MAX)]);
        assert_eq!(FrameSet::from_pairs(vec![(0, 3), (5, 4)]), None);
    }
}
