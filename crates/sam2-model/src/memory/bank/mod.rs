//! What is remembered of one object, and which of it a frame looks at.

mod recall;
mod spans;

use std::collections::BTreeMap;
use std::sync::Arc;

use half::bf16;

pub use recall::Direction;
pub(crate) use recall::{Knobs, Moment, Spatial, View};
pub(crate) use spans::Spans;

/// What is stored of one frame for one object. Cheap to clone: hypotheses about an object share what they agree on.
#[derive(Clone)]
pub(crate) struct StoredOutput {
    /// `[grid, grid, mem_dim]`, rounded to bf16 as the reference stores it, also in single precision runs. `None`
    /// until it is encoded, and again when no later frame can read it.
    pub memory: Option<Arc<[bf16]>>,
    /// `[s, s]` logits; empty when only the pointer is still kept.
    pub low_res: Arc<[f32]>,
    /// `[D]`.
    pub obj_ptr: Arc<[f32]>,
    /// Logit of the object being in view.
    pub object_score: f32,
    /// Predicted IoU of the mask.
    pub iou: f32,
    /// How well the mask fits the motion of the object so far, if the memory policy follows it.
    pub motion: Option<f64>,
}

impl std::fmt::Debug for StoredOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the maps.
        let Self { object_score, iou, motion, .. } = self;
        f.debug_struct("StoredOutput")
            .field("object_score", object_score)
            .field("iou", iou)
            .field("motion", motion)
            .finish_non_exhaustive()
    }
}

/// The outputs of one object.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryBank {
    /// Frames with a prompt, in the order in which they were prompted.
    pub cond: Vec<(usize, StoredOutput)>,
    /// Tracked frames.
    pub non_cond: BTreeMap<usize, StoredOutput>,
}

/// Rounds to bf16, ties to even.
pub(crate) fn to_bf16(memory: &[f32]) -> Arc<[bf16]> {
    memory.iter().map(|&x| bf16::from_f32(x)).collect()
}

impl MemoryBank {
    /// The conditioning output of a frame.
    pub fn cond(&self, frame: usize) -> Option<&StoredOutput> {
        self.cond.iter().find(|(f, _)| *f == frame).map(|(_, output)| output)
    }

    /// Stores a conditioning output, in place of an earlier one of the same frame.
    pub fn set_cond(&mut self, frame: usize, output: StoredOutput) {
        match self.cond.iter_mut().find(|(f, _)| *f == frame) {
            Some((_, old)) => *old = output,
            None => self.cond.push((frame, output)),
        }
    }

    /// Forgets the outputs of tracked frames for which `keep` says nothing, and all but the pointer of those for which
    /// it says [`Kept::Pointer`]. Returns the frames that lost something.
    pub fn retain(&mut self, keep: impl Fn(usize) -> Kept) -> Vec<usize> {
        let mut lost = Vec::new();
        self.non_cond.retain(|&frame, output| {
            let kept = keep(frame);
            if kept != Kept::All && output.memory.is_some() {
                (output.memory, output.low_res) = (None, Arc::new([]));
                lost.push(frame);
            }
            kept != Kept::Nothing
        });
        lost
    }
}

/// How much of a tracked frame is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Memory, mask and pointer.
    All,
    /// Scores and pointer.
    Pointer,
    /// Nothing.
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::attention::MemoryTokens;
    use crate::memory::policy::MemoryPolicyKind;
    use crate::model::Model;
    use crate::tap::NoTap;
    use crate::workspace::Workspace;

    fn tokens(bank: &MemoryBank, model: &Model, at: Moment, max_cond: Option<usize>) -> MemoryTokens {
        let knobs = Knobs {
            max_cond_frames_in_attn: max_cond,
            memory_temporal_stride_for_eval: 1,
            only_obj_ptrs_in_the_past_for_eval: true,
        };
        let (mut workspace, mut tap) = (Workspace::default(), NoTap);
        let policy = MemoryPolicyKind::Sam2.create(&model.config);
        bank.tokens(&mut model.run(&mut workspace, &mut tap), model, at, &knobs, &*policy)
    }

    fn model() -> std::sync::Arc<Model> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/sam2.1_micro.safetensors");
        Model::open(path.as_ref()).expect("the embedded model loads")
    }

    fn output(model: &Model, frame: usize) -> StoredOutput {
        let fill = |n: usize| (0..n).map(|i| ((frame * 31 + i) % 17) as f32 - 8.0).collect::<Vec<f32>>();
        StoredOutput {
            memory: Some(to_bf16(&fill(model.memory_position.len()))),
            low_res: [].into(),
            obj_ptr: fill(model.config.d_model).into(),
            object_score: 1.0,
            iou: 1.0,
            motion: None,
        }
    }

    #[test]
    fn tokens_come_in_the_order_of_the_reference() {
        let model = model();
        let mut bank = MemoryBank::default();
        bank.set_cond(5, output(&model, 5));
        bank.set_cond(0, output(&model, 0));
        for frame in [1, 2, 3] {
            bank.non_cond.insert(frame, output(&model, frame));
        }
        let forward = |frame| Moment { frame, num_frames: 20, direction: Direction::Forward };
        let tokens = tokens(&bank, &model, forward(4), None);
        let (d, m) = (model.config.d_model, model.config.mem_dim);
        // Of the two prompted frames the later one lies in the future: its memory counts, its pointer does not.
        assert_eq!(tokens.pointer_tokens, 4 * d / m);
        let cells = model.memory_position.len() / m;
        assert_eq!(tokens.values.len(), (5 * cells + 4 * d / m) * m);
        let memory = |frame: usize| {
            output(&model, frame).memory.expect("it has one").iter().map(|x| x.to_f32()).collect::<Vec<_>>()
        };
        for (i, frame) in [5, 0, 1, 2, 3].into_iter().enumerate() {
            assert_eq!(tokens.values[i * cells * m..(i + 1) * cells * m], memory(frame), "memory {i}");
        }
        for (i, frame) in [0, 3, 2, 1].into_iter().enumerate() {
            let at = 5 * cells * m + i * d;
            assert_eq!(tokens.values[at..at + d], *output(&model, frame).obj_ptr, "pointer {i}");
        }
    }

    /// Values of the spatial memories, by the frame that they stand for.
    fn spatial_frames(model: &Model, tokens: &MemoryTokens) -> Vec<usize> {
        let size = model.memory_position.len();
        let spatial = (tokens.values.len() - tokens.pointer_tokens * model.config.mem_dim) / size;
        let is = |i: usize, frame: usize| {
            let memory = output(model, frame).memory.expect("it has one");
            memory.iter().zip(&tokens.values[i * size..]).all(|(a, b)| a.to_f32() == *b)
        };
        (0..spatial).map(|i| (0..17).find(|&frame| is(i, frame)).expect("a stored frame")).collect()
    }

    #[test]
    fn of_many_prompted_frames_the_closest_are_looked_at_in_the_order_of_the_reference() {
        let model = model();
        let mut bank = MemoryBank::default();
        for frame in [9, 0, 4, 12, 6] {
            bank.set_cond(frame, output(&model, frame));
        }
        let at = Moment { frame: 7, num_frames: 20, direction: Direction::Forward };
        let seen = |max| spatial_frames(&model, &tokens(&bank, &model, at, max));
        assert_eq!(seen(Some(5)), [9, 0, 4, 12, 6]);
        // Before, after, then by distance. What is left over serves as a recent memory where it is near enough.
        assert_eq!(seen(Some(2)), [6, 9, 4]);
        assert_eq!(seen(Some(3)), [6, 9, 4]);
        assert_eq!(seen(Some(4)), [6, 9, 4, 12]);
    }

    #[test]
    fn a_stride_spreads_the_recent_memories_in_both_directions() {
        let at = |frame, direction| Moment { frame, num_frames: 40, direction };
        let slots = |at: Moment, stride| (1..=6).map(|back| at.recent(back, stride)).collect::<Vec<_>>();
        let frames = |list: [i64; 6]| list.map(|f| usize::try_from(f).ok()).to_vec();
        assert_eq!(slots(at(20, Direction::Forward), 1), frames([19, 18, 17, 16, 15, 14]));
        assert_eq!(slots(at(20, Direction::Forward), 3), frames([19, 18, 15, 12, 9, 6]));
        assert_eq!(slots(at(5, Direction::Forward), 3), frames([4, 3, 0, -1, -1, -1]));
        assert_eq!(slots(at(20, Direction::Reverse), 1), frames([21, 22, 23, 24, 25, 26]));
        assert_eq!(slots(at(20, Direction::Reverse), 3), frames([21, 24, 27, 30, 33, 36]));
        assert_eq!(slots(at(37, Direction::Reverse), 1), frames([38, 39, -1, -1, -1, -1]));
    }

    #[test]
    fn rounding_to_bf16_is_to_nearest_even() {
        let cases = [(1.0_f32, 1.0_f32), (1.003_906_3, 1.0), (1.011_718_8, 1.015_625), (-3.145, -3.140_625)];
        for (x, expected) in cases {
            assert_eq!(to_bf16(&[x])[0].to_f32(), expected, "{x}");
        }
    }
}
