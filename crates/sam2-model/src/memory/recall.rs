//! Selects the stored outputs that a frame attends to and assembles their tokens. Meta:
//! `sam2/modeling/sam2_base.py`, `_prepare_memory_conditioned_features`; `select_closest_cond_frames` in
//! `sam2/modeling/sam2_utils.py`.

use kernels::gemm::Activation;

use crate::config::Config;
use crate::error::LoadError;
use crate::memory::bank::{FrameTime, MemoryBank, RecallContext, SpatialMemory, StoredOutput};
use crate::memory::policy::MemoryPolicy;
use crate::memory::tokens::{MemoryLayout, MemoryTokens};
use crate::nn::Linear;
use crate::nn::position::sine_1d;
use crate::weights::Loader;
use crate::workspace::Run;

/// Limits on what a frame attends to. Names as in Meta's YAML files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecallOptions {
    /// Number of prompted frames, the closest ones; all if `None`.
    pub max_cond_frames_in_attn: Option<usize>,
    /// See [`FrameTime::recent`].
    pub memory_temporal_stride_for_eval: usize,
    /// Leaves out pointers of prompted frames that the pass has not reached.
    pub only_obj_ptrs_in_the_past_for_eval: bool,
}

/// The weights and sizes with which stored outputs become tokens.
#[derive(Clone, Debug)]
pub(crate) struct Recall {
    layout: MemoryLayout,
    /// Position of every spatial memory, `(tokens, m)`.
    position: Vec<f32>,
    /// `(num_maskmem, m)`.
    maskmem_tpos_enc: Vec<f32>,
    /// 2.1: D → m, for the temporal encoding of object pointers.
    obj_ptr_tpos_proj: Option<Linear>,
    /// Recent memories.
    slots: usize,
    max_obj_ptrs_in_encoder: usize,
    d_model: usize,
    mem_dim: usize,
}

impl Recall {
    pub fn load(root: &Loader, config: &Config) -> Result<Self, LoadError> {
        let (d, m) = (config.d_model, config.mem_dim);
        let layout = MemoryLayout::new(config);
        Ok(Self {
            position: layout.spatial_position(),
            layout,
            maskmem_tpos_enc: root.tensor("maskmem_tpos_enc", &[config.num_maskmem, 1, 1, m])?,
            obj_ptr_tpos_proj: config
                .proj_tpos_enc_in_obj_ptrs
                .then(|| Linear::load(&root.at("obj_ptr_tpos_proj"), m, d))
                .transpose()?,
            slots: config.num_maskmem - 1,
            max_obj_ptrs_in_encoder: config.max_obj_ptrs_in_encoder,
            d_model: d,
            mem_dim: m,
        })
    }

    /// The spans of its tokens.
    pub fn layout(&self) -> &MemoryLayout {
        &self.layout
    }

    /// Position encoding of one spatial memory, `(tokens, m)`.
    #[cfg(feature = "inspect")]
    pub fn position(&self) -> &[f32] {
        &self.position
    }

    /// The tokens that the frame `at` attends to.
    ///
    /// Order: conditioning memories (temporal index last), memories of tracked frames as the policy orders
    /// them, usually from the oldest to the newest, then pointers of past conditioning frames and of the
    /// frames before this one, newest first.
    pub fn tokens(
        &self,
        run: &mut Run,
        bank: &MemoryBank,
        at: FrameTime,
        options: &RecallOptions,
        policy: &dyn MemoryPolicy,
    ) -> MemoryTokens {
        let (d, m, slots) = (self.d_model, self.mem_dim, self.slots);
        let (selected, unselected) = closest(&bank.cond, at.frame, options.max_cond_frames_in_attn);
        let stride = options.memory_temporal_stride_for_eval;
        let context = RecallContext::new(bank, at, slots, stride).with_unselected(unselected);
        let prompted = selected.iter().map(|(_, output)| SpatialMemory { output, slot: slots, weight: 1.0 });
        let spatial = prompted.chain(policy.recent(&context));
        let spatial: Vec<_> = spatial.filter_map(|s| Some((s.output.memory.as_ref()?, s))).collect();
        let max_pointers = at.num_frames.min(self.max_obj_ptrs_in_encoder);
        let all = !options.only_obj_ptrs_in_the_past_for_eval;
        let past = selected.iter().map(|(f, output)| (at.since(*f), output)).filter(|(d, _)| all || *d >= 0);
        let recent = (1..max_pointers).filter_map(|back| Some((back as i64, context.output(at.ago(back)?)?)));
        let pointers: Vec<_> = past.chain(recent).collect();

        let spans = self.layout.spans(spatial.len(), pointers.len());
        let one = self.position.len();
        let len = spatial.len() * one + pointers.len() * d;
        let (mut values, mut positions) = (run.take(len), run.take(len));
        let (memory_values, pointer_values) = values.split_at_mut(spatial.len() * one);
        let (memory_positions, pointer_positions) = positions.split_at_mut(spatial.len() * one);
        let parts = memory_values.chunks_exact_mut(one).zip(memory_positions.chunks_exact_mut(one));
        for ((memory, SpatialMemory { slot, weight, .. }), (values, positions)) in
            spatial.into_iter().zip(parts)
        {
            values.iter_mut().zip(&memory[..]).for_each(|(value, x)| *value = x.to_f32() * weight);
            let time = &self.maskmem_tpos_enc[slot * m..(slot + 1) * m];
            let sums = self.position.iter().zip(time.iter().cycle()).map(|(a, b)| a + b);
            positions.iter_mut().zip(sums).for_each(|(position, sum)| *position = sum);
        }
        let parts = pointer_values.chunks_exact_mut(d).zip(pointer_positions.chunks_exact_mut(d));
        for ((distance, output), (values, positions)) in pointers.iter().zip(parts) {
            values.copy_from_slice(&output.obj_ptr);
            match &self.obj_ptr_tpos_proj {
                Some(projection) => {
                    let furthest = max_pointers.saturating_sub(1).max(1);
                    let time = sine_1d(*distance as f32 / furthest as f32, d);
                    let time = projection.rows(run.isa, &time, Activation::None);
                    positions.chunks_exact_mut(m).for_each(|position| position.copy_from_slice(&time));
                }
                None => positions.fill(0.0),
            }
        }
        MemoryTokens { values, positions, spans }
    }
}

type Stored = (usize, StoredOutput);

/// The prompted frames that `frame` attends to, in their order, and the others: at most `max`, the last one
/// before, the first one after, then by distance.
fn closest(cond: &[Stored], frame: usize, max: Option<usize>) -> (Vec<&Stored>, Vec<&Stored>) {
    let Some(max) = max.filter(|&max| cond.len() > max) else {
        return (cond.iter().collect(), Vec::new());
    };
    let before = cond.iter().filter(|(f, _)| *f < frame).max_by_key(|(f, _)| *f);
    let after = cond.iter().filter(|(f, _)| *f >= frame).min_by_key(|(f, _)| *f);
    let mut selected: Vec<_> = before.into_iter().chain(after).collect();
    let is_among = |list: &[&Stored], f: usize| list.iter().any(|(g, _)| *g == f);
    let mut others: Vec<_> = cond.iter().filter(|(f, _)| !is_among(&selected, *f)).collect();
    others.sort_by_key(|(f, _)| f.abs_diff(frame));
    selected.extend(others.drain(..max - selected.len()));
    (selected, others)
}
