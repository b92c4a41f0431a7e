//! Which stored outputs a frame looks at, and the tokens they become. Meta: `sam2/modeling/sam2_base.py`,
//! `_prepare_memory_conditioned_features`; `select_closest_cond_frames` in `sam2/modeling/sam2_utils.py`.

use kernels::gemm::Activation;

use super::{MemoryBank, StoredOutput};
use crate::memory::attention::MemoryTokens;
use crate::memory::policy::MemoryPolicy;
use crate::model::Model;
use crate::nn::position::sine_1d;
use crate::workspace::Run;

/// Which way a pass goes through the frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// From a frame to later ones.
    #[default]
    Forward,
    /// From a frame to earlier ones.
    Reverse,
}

/// A frame in a pass over a video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub frame: usize,
    /// Frames of the video: short ones use fewer object pointers.
    pub num_frames: usize,
    pub direction: Direction,
}

impl Moment {
    /// The frame that the pass saw `distance` frames ago.
    pub fn ago(&self, distance: usize) -> Option<usize> {
        match self.direction {
            Direction::Forward => self.frame.checked_sub(distance),
            Direction::Reverse => self.frame.checked_add(distance).filter(|&f| f < self.num_frames),
        }
    }

    /// How long ago the pass saw `frame`; negative if it is still to come.
    pub fn since(&self, frame: usize) -> i64 {
        let (a, b) = (self.frame as i64, frame as i64);
        match self.direction {
            Direction::Forward => a - b,
            Direction::Reverse => b - a,
        }
    }

    /// The frame in slot `back` (1 = the newest) of the recent memories, of which only every `stride`-th is used; the
    /// frame just before this one always is.
    pub fn recent(&self, back: usize, stride: usize) -> Option<usize> {
        if back == 1 || stride == 1 {
            return self.ago(back);
        }
        let (frame, back, stride) = (self.frame as i64, back as i64, stride as i64);
        let found = match self.direction {
            Direction::Forward => (frame - 2).div_euclid(stride) * stride - (back - 2) * stride,
            Direction::Reverse => -(-(frame + 2)).div_euclid(stride) * stride + (back - 2) * stride,
        };
        usize::try_from(found).ok().filter(|&f| f < self.num_frames)
    }
}

/// Limits on what a frame looks at. Names as in Meta's YAML files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Knobs {
    /// The closest of the prompted frames; all if `None`.
    pub max_cond_frames_in_attn: Option<usize>,
    /// See [`Moment::recent`].
    pub memory_temporal_stride_for_eval: usize,
    /// Pointers of prompted frames that the pass has not reached yet are left out.
    pub only_obj_ptrs_in_the_past_for_eval: bool,
}

/// A spatial memory in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spatial<'a> {
    pub output: &'a StoredOutput,
    /// Index of its temporal encoding: 0 for the newest memory, the last for prompted frames.
    pub slot: usize,
    /// Its values are multiplied by this.
    pub weight: f32,
}

/// What a policy sees when it chooses among the memories of tracked frames.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub bank: &'a MemoryBank,
    pub at: Moment,
    /// How many memories fit beside those of prompted frames; also the temporal index of a prompted frame.
    pub slots: usize,
    pub stride: usize,
    unselected: Vec<&'a (usize, StoredOutput)>,
}

impl<'a> View<'a> {
    /// The tracked frames of `bank`.
    pub fn new(bank: &'a MemoryBank, at: Moment, slots: usize, stride: usize) -> Self {
        Self { bank, at, slots, stride, unselected: Vec::new() }
    }

    /// The output of a tracked frame, or of a prompted one that is not looked at as such.
    pub fn output(&self, frame: usize) -> Option<&'a StoredOutput> {
        let unselected = || self.unselected.iter().find(|(f, _)| *f == frame).map(|(_, output)| output);
        self.bank.non_cond.get(&frame).or_else(unselected)
    }
}

impl MemoryBank {
    /// The prompted frames that `frame` looks at, in their order, and the others.
    #[allow(clippy::type_complexity)]
    fn closest(
        &self,
        frame: usize,
        max: Option<usize>,
    ) -> (Vec<&(usize, StoredOutput)>, Vec<&(usize, StoredOutput)>) {
        let Some(max) = max.filter(|&max| self.cond.len() > max) else {
            return (self.cond.iter().collect(), Vec::new());
        };
        let before = self.cond.iter().filter(|(f, _)| *f < frame).max_by_key(|(f, _)| *f);
        let after = self.cond.iter().filter(|(f, _)| *f >= frame).min_by_key(|(f, _)| *f);
        let mut selected: Vec<_> = before.into_iter().chain(after).collect();
        let is_among = |list: &[&(usize, StoredOutput)], f: usize| list.iter().any(|(g, _)| *g == f);
        let mut others: Vec<_> = self.cond.iter().filter(|(f, _)| !is_among(&selected, *f)).collect();
        others.sort_by_key(|(f, _)| f.abs_diff(frame));
        selected.extend(others.drain(..max - selected.len()));
        (selected, others)
    }

    /// The tokens that a frame attends to.
    ///
    /// Order: conditioning memories (temporal index last), memories of tracked frames as the policy has them, usually
    /// from the oldest to the newest, then pointers of past conditioning frames and of the frames before this one,
    /// newest first.
    pub fn tokens(
        &self,
        run: &mut Run,
        model: &Model,
        at: Moment,
        knobs: &Knobs,
        policy: &dyn MemoryPolicy,
    ) -> MemoryTokens {
        let config = &model.config;
        let (d, m) = (config.d_model, config.mem_dim);
        let slots = config.num_maskmem - 1;
        let (selected, unselected) = self.closest(at.frame, knobs.max_cond_frames_in_attn);
        let stride = knobs.memory_temporal_stride_for_eval;
        let view = View { unselected, ..View::new(self, at, slots, stride) };
        let prompted = selected.iter().map(|(_, output)| Spatial { output, slot: slots, weight: 1.0 });
        let spatial = prompted.chain(policy.recent(&view));
        let spatial: Vec<_> = spatial.filter_map(|s| Some((s.output.memory.as_ref()?, s))).collect();
        let max_pointers = at.num_frames.min(config.max_obj_ptrs_in_encoder);
        let all = !knobs.only_obj_ptrs_in_the_past_for_eval;
        let past = selected.iter().map(|(f, output)| (at.since(*f), output)).filter(|(d, _)| all || *d >= 0);
        let recent = (1..max_pointers).filter_map(|back| Some((back as i64, view.output(at.ago(back)?)?)));
        let pointers: Vec<_> = past.chain(recent).collect();

        let one = model.memory_position.len();
        let len = spatial.len() * one + pointers.len() * d;
        let (mut values, mut positions) = (run.take(len), run.take(len));
        let (of_memories, of_pointers) = values.split_at_mut(spatial.len() * one);
        let (places_of_memories, places_of_pointers) = positions.split_at_mut(spatial.len() * one);
        let parts = of_memories.chunks_exact_mut(one).zip(places_of_memories.chunks_exact_mut(one));
        for ((memory, Spatial { slot, weight, .. }), (values, places)) in spatial.into_iter().zip(parts) {
            values.iter_mut().zip(&memory[..]).for_each(|(value, x)| *value = x.to_f32() * weight);
            let time = &model.maskmem_tpos_enc[slot * m..(slot + 1) * m];
            let sums = model.memory_position.iter().zip(time.iter().cycle()).map(|(a, b)| a + b);
            places.iter_mut().zip(sums).for_each(|(place, sum)| *place = sum);
        }
        let parts = of_pointers.chunks_exact_mut(d).zip(places_of_pointers.chunks_exact_mut(d));
        for ((distance, output), (values, places)) in pointers.iter().zip(parts) {
            values.copy_from_slice(&output.obj_ptr);
            match &model.obj_ptr_tpos_proj {
                Some(projection) => {
                    let furthest = max_pointers.saturating_sub(1).max(1);
                    let time = sine_1d(*distance as f32 / furthest as f32, d);
                    let time = projection.rows(model.isa, &time, Activation::None);
                    places.chunks_exact_mut(m).for_each(|place| place.copy_from_slice(&time));
                }
                None => places.fill(0.0),
            }
        }
        MemoryTokens { values, positions, pointer_tokens: pointers.len() * (d / m) }
    }
}
