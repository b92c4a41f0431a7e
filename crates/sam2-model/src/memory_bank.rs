//! What is remembered of one object, and which of it a frame looks at. Meta: `sam2/modeling/sam2_base.py`,
//! `_prepare_memory_conditioned_features`.

use std::collections::BTreeMap;

use half::bf16;

use crate::memory_attention::MemoryTokens;
use crate::model::Model;
use crate::position_encoding::sine_1d;
use kernels::gemm::Activation;

/// What is stored of one frame for one object.
#[derive(Clone, Debug)]
pub(crate) struct StoredOutput {
    /// `[grid, grid, mem_dim]`, rounded to bf16 as the reference stores it, also in single precision runs. `None`
    /// until it is encoded, and again when no later frame can read it.
    pub memory: Option<Vec<bf16>>,
    /// `[s, s]` logits.
    pub low_res: Vec<f32>,
    /// `[D]`.
    pub obj_ptr: Vec<f32>,
    /// Logit of the object being in view.
    pub object_score: f32,
    /// Predicted IoU of the mask.
    pub iou: f32,
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
pub(crate) fn to_bf16(memory: &[f32]) -> Vec<bf16> {
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

    /// Forgets what no frame after `frame` can read while tracking forward: spatial memories that are further
    /// back than `num_maskmem − 1` frames, pointers further back than `max_pointers − 1`.
    pub fn forget_before(&mut self, frame: usize, num_maskmem: usize, max_pointers: usize) {
        let next = frame + 1;
        let oldest = (next + 1).saturating_sub(num_maskmem.max(max_pointers));
        self.non_cond = self.non_cond.split_off(&oldest);
        let oldest_memory = (next + 1).saturating_sub(num_maskmem);
        for (_, output) in self.non_cond.range_mut(..oldest_memory) {
            output.memory = None;
        }
    }

    /// The tokens that `frame` of a video of `num_frames` attends to, tracking forward.
    ///
    /// Order: conditioning memories (temporal index last), recent memories from the oldest to the newest, then
    /// pointers of past conditioning frames and of the frames before this one, newest first.
    pub fn tokens(&self, model: &Model, frame: usize, num_frames: usize) -> MemoryTokens {
        let config = &model.config;
        let (d, m) = (config.d_model, config.mem_dim);
        let mut tokens = MemoryTokens::default();
        let mut spatial = |output: &StoredOutput, tpos: usize| {
            let Some(memory) = &output.memory else { return };
            tokens.values.extend(memory.iter().map(|x| x.to_f32()));
            let time = &model.maskmem_tpos_enc[tpos * m..(tpos + 1) * m];
            tokens
                .positions
                .extend(model.memory_position.iter().zip(time.iter().cycle()).map(|(a, b)| a + b));
        };
        for (_, output) in &self.cond {
            spatial(output, config.num_maskmem - 1);
        }
        for back in (1..config.num_maskmem).rev() {
            if let Some(output) = frame.checked_sub(back).and_then(|f| self.non_cond.get(&f)) {
                spatial(output, back - 1);
            }
        }

        let max_pointers = num_frames.min(config.max_obj_ptrs_in_encoder);
        let past = self.cond.iter().filter(|(f, _)| *f <= frame).map(|(f, output)| (frame - f, output));
        let recent =
            (1..max_pointers).filter_map(|back| Some((back, self.non_cond.get(&frame.checked_sub(back)?)?)));
        let pointers: Vec<_> = past.chain(recent).collect();
        for (distance, output) in &pointers {
            tokens.values.extend_from_slice(&output.obj_ptr);
            match &model.obj_ptr_tpos_proj {
                Some(projection) => {
                    let furthest = max_pointers.saturating_sub(1).max(1);
                    let time = sine_1d(*distance as f32 / furthest as f32, d);
                    let time = projection.rows(model.isa, &time, Activation::None);
                    tokens.positions.extend(time.repeat(d / m));
                }
                None => tokens.positions.extend(std::iter::repeat_n(0.0, d)),
            }
        }
        tokens.pointer_tokens = pointers.len() * (d / m);
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> std::sync::Arc<Model> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/sam2.1_micro.safetensors");
        Model::open(path.as_ref()).expect("the embedded model loads")
    }

    fn output(model: &Model, frame: usize) -> StoredOutput {
        let fill = |n: usize| (0..n).map(|i| ((frame * 31 + i) % 17) as f32 - 8.0).collect::<Vec<f32>>();
        StoredOutput {
            memory: Some(to_bf16(&fill(model.memory_position.len()))),
            low_res: Vec::new(),
            obj_ptr: fill(model.config.d_model),
            object_score: 1.0,
            iou: 1.0,
        }
    }

    #[test]
    fn forgetting_changes_nothing_that_tracking_forward_reads_and_keeps_memory_flat() {
        let model = model();
        let (mut all, mut flat) = (MemoryBank::default(), MemoryBank::default());
        for bank in [&mut all, &mut flat] {
            bank.set_cond(3, output(&model, 3));
        }
        for frame in 4..60 {
            let (a, b) = (all.tokens(&model, frame, 60), flat.tokens(&model, frame, 60));
            assert!(
                a.values == b.values && a.positions == b.positions && a.pointer_tokens == b.pointer_tokens
            );
            for bank in [&mut all, &mut flat] {
                bank.non_cond.insert(frame, output(&model, frame));
            }
            flat.forget_before(frame, model.config.num_maskmem, model.config.max_obj_ptrs_in_encoder);
            let memories = flat.non_cond.values().filter(|output| output.memory.is_some()).count();
            assert!(
                memories <= 6 && flat.non_cond.len() <= 15,
                "{memories} memories, {} outputs",
                flat.non_cond.len()
            );
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
        let tokens = bank.tokens(&model, 4, 20);
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
            assert_eq!(tokens.values[at..at + d], output(&model, frame).obj_ptr, "pointer {i}");
        }
    }

    #[test]
    fn rounding_to_bf16_is_to_nearest_even() {
        let cases = [(1.0_f32, 1.0_f32), (1.003_906_3, 1.0), (1.011_718_8, 1.015_625), (-3.145, -3.140_625)];
        for (x, expected) in cases {
            assert_eq!(to_bf16(&[x])[0].to_f32(), expected, "{x}");
        }
    }
}
