//! What an object remembers, and which of several masks it is: one policy per object, chosen by name. The plain one is
//! Meta's; the others change nothing in the model, only what it gets to see.

mod dam4sam;
mod kalman;
mod sam2;
mod sam2long;
mod samurai;

use std::fmt::Debug;
use std::str::FromStr;

pub(crate) use kalman::Kalman;
use kernels::Isa;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::memory::bank::{Moment, Spatial, StoredOutput, View};
use crate::scores::argmax;
use crate::types::Mask;

/// Names of the memory policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryPolicyKind {
    /// The six last frames. Meta: `sam2/modeling/sam2_base.py`.
    #[default]
    Sam2,
    /// Motion decides between masks, and frames with doubtful masks are not remembered. arXiv 2411.11922.
    Samurai,
    /// Frames on which a look-alike was told apart are remembered longer. arXiv 2411.17576, 2509.13864.
    Dam4sam,
    /// Three hypotheses are followed side by side. arXiv 2410.16268.
    Sam2long,
}

impl MemoryPolicyKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sam2, Self::Samurai, Self::Dam4sam, Self::Sam2long];

    /// Its name in commands and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sam2 => "sam2",
            Self::Samurai => "samurai",
            Self::Dam4sam => "dam4sam",
            Self::Sam2long => "sam2long",
        }
    }

    /// A policy for one object.
    pub(crate) fn create(self, config: &Config) -> Box<dyn MemoryPolicy> {
        match self {
            Self::Sam2 => Box::new(sam2::Sam2),
            Self::Samurai => Box::new(samurai::Samurai::new(config.samurai)),
            Self::Dam4sam => Box::new(dam4sam::Dam4sam::default()),
            Self::Sam2long => Box::new(sam2long::Sam2long),
        }
    }
}

impl FromStr for MemoryPolicyKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| format!("unknown memory policy {name}: expected one of {}", names()))
    }
}

/// The masks that the decoder offers for one frame, seen from one hypothesis.
#[derive(Clone, Debug)]
pub(crate) struct Candidates {
    /// `[K, s, s]` logits, [`crate::heads::NO_OBJ_SCORE`] everywhere if the object is absent.
    pub masks: Vec<f32>,
    /// Predicted IoU of each.
    pub ious: Vec<f32>,
    /// The tokens that object pointers are made of, `(K, D)`.
    pub tokens: Vec<f32>,
    /// Logit of the object being in view.
    pub object_score: f32,
    /// Whether that is enough.
    pub in_view: bool,
    /// Side of the model's input, pixels.
    pub input_size: usize,
    pub isa: Isa,
}

impl Candidates {
    /// Side of the logits.
    pub fn side(&self) -> usize {
        (self.masks.len() / self.ious.len()).isqrt()
    }

    /// Logits of mask `k`, `[s, s]`.
    pub fn mask(&self, k: usize) -> &[f32] {
        let area = self.side().pow(2);
        &self.masks[k * area..(k + 1) * area]
    }

    /// Inclusive `x0, y0, x1, y1` of mask `k` in pixels of the model's input; zeros if it is empty.
    pub fn bbox(&self, k: usize) -> [f64; 4] {
        let size = (self.input_size, self.input_size);
        let mask = Mask::above_resized(self.isa, self.mask(k), size, 0.0);
        mask.bbox_xyxy().unwrap_or_default().map(|x| x as f64)
    }
}

/// What one hypothesis sees of a frame.
#[derive(Debug)]
pub(crate) struct Offer {
    pub candidates: Candidates,
    /// The score of the hypothesis so far.
    pub score: f64,
}

/// A mask of an offer that is followed further.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Choice {
    pub offer: usize,
    pub candidate: usize,
    /// The score of the hypothesis from now on.
    pub score: f64,
    /// See [`StoredOutput::motion`].
    pub motion: Option<f64>,
}

impl Choice {
    /// The only hypothesis goes on with this mask.
    pub fn single(candidate: usize) -> Self {
        Self { offer: 0, candidate, score: 0.0, motion: None }
    }
}

/// Decides what an object looks at and what becomes of the masks that it is offered. Every object has its own.
pub(crate) trait MemoryPolicy: Debug + Send + Sync {
    /// The object is in view if its score is above this.
    fn presence_threshold(&self) -> f32 {
        0.0
    }

    /// The memories of tracked frames that a frame looks at, in the order of the tokens.
    fn recent<'a>(&self, view: &View<'a>) -> Vec<Spatial<'a>> {
        recent_frames(view)
    }

    /// Answers the candidates of a tracked frame; the first choice is shown to the user. `offers` is not empty, nor may
    /// the answer be.
    fn choose(&mut self, _at: Moment, offers: &[Offer]) -> Vec<Choice> {
        vec![Choice::single(argmax(&offers[0].candidates.ious))]
    }

    /// Answers the candidates of an ambiguous click.
    fn choose_prompted(&mut self, candidates: &Candidates) -> Choice {
        Choice::single(argmax(&candidates.ious))
    }

    /// Told after a tracked frame's output was stored.
    fn stored(&mut self, _at: Moment, _output: &StoredOutput) {}

    /// Frames of a hypothesis whose memories a later frame may look at, besides those that are near in time.
    fn keeps(&self, _view: &View) -> Vec<usize> {
        Vec::new()
    }

    /// Its state, to be resumed from.
    fn save(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// Takes over a state that [`Self::save`] gave.
    fn resume(&mut self, _state: serde_json::Value) -> Result<(), serde_json::Error> {
        Ok(())
    }
}

/// The last frames of the pass, oldest first.
pub(crate) fn recent_frames<'a>(view: &View<'a>) -> Vec<Spatial<'a>> {
    let slots = (1..=view.slots).rev();
    let found = slots.filter_map(|back| {
        let output = view.output(view.at.recent(back, view.stride)?)?;
        Some(Spatial { output, slot: back - 1, weight: 1.0 })
    });
    found.collect()
}

/// Memories of `frames`, ascending in the order of the pass, as the newest ones: their slots go by rank, not by distance.
pub(crate) fn by_rank<'a>(view: &View<'a>, frames: &[usize]) -> Vec<Spatial<'a>> {
    let newest = &frames[frames.len().saturating_sub(view.slots)..];
    let ranked = newest.iter().enumerate();
    let found = ranked.filter_map(|(i, &frame)| {
        let output = view.output(frame)?;
        Some(Spatial { output, slot: newest.len() - 1 - i, weight: 1.0 })
    });
    found.collect()
}

/// The tracked frames that the pass has seen, newest first.
pub(crate) fn seen<'a>(view: &View<'a>) -> Vec<(usize, &'a StoredOutput)> {
    let mut frames: Vec<_> = view
        .bank
        .non_cond
        .iter()
        .map(|(&f, output)| (f, output))
        .filter(|(f, _)| view.at.since(*f) > 0)
        .collect();
    frames.sort_by_key(|(f, _)| view.at.since(*f));
    frames
}
