//! A set of frames that does not grow with the length of a pass.

/// Frame indices as disjoint, ascending, inclusive spans that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FrameSet(Vec<(usize, usize)>);

impl FrameSet {
    /// From spans in any order.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut spans = Self::default();
        pairs.into_iter().for_each(|(first, last)| spans.join(first, last));
        spans
    }

    /// The spans.
    pub fn pairs(&self) -> &[(usize, usize)] {
        &self.0
    }

    /// Whether `frame` is in the set.
    pub fn contains(&self, frame: usize) -> bool {
        self.0.iter().any(|&(first, last)| (first..=last).contains(&frame))
    }

    /// Adds a frame.
    pub fn insert(&mut self, frame: usize) {
        self.join(frame, frame);
    }

    /// Takes a frame out.
    pub fn remove(&mut self, frame: usize) {
        let Some(i) = self.0.iter().position(|&(first, last)| (first..=last).contains(&frame)) else {
            return;
        };
        let (first, last) = self.0.remove(i);
        if frame < last {
            self.0.insert(i, (frame + 1, last));
        }
        if first < frame {
            self.0.insert(i, (first, frame - 1));
        }
    }

    fn join(&mut self, mut first: usize, mut last: usize) {
        self.0.retain(|&(a, b)| {
            let touches = a <= last.saturating_add(1) && first <= b.saturating_add(1);
            if touches {
                (first, last) = (first.min(a), last.max(b));
            }
            !touches
        });
        let i = self.0.partition_point(|&(a, _)| a < first);
        self.0.insert(i, (first, last));
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
            prop_assert_eq!(&FrameSet::from_pairs(pairs.iter().copied().rev()), &spans);
        }
    }

    #[test]
    fn a_pass_in_either_direction_is_one_span() {
        let mut spans = FrameSet::default();
        (5..100).chain((0..5).rev()).for_each(|frame| spans.insert(frame));
        assert_eq!(spans.pairs(), [(0, 99)]);
    }
}
