//! SAM2Long: a constrained tree of memories (arXiv 2410.16268, section 3.2).
//!
//! Up to three hypotheses about an object are followed side by side, each with memories of its own. On every
//! frame each has three candidate masks; of the nine branches, tracking continues with the three whose masks
//! have the largest product of predicted IoUs since the object was prompted. A hypothesis attends to frames
//! with a good mask, weighted by their object scores.
//!
//! The paper reports the masks of the hypothesis that leads at the end of the video. Here the output of a
//! frame is that of the hypothesis that leads on this frame, because frames are answered one by one.

use std::cmp::Ordering;

use super::candidates::{HypothesisMasks, Selection};
use super::interface::{MemoryPolicy, by_rank, visited};
use crate::memory::bank::{FrameTime, RecallContext, SpatialMemory, StoredOutput};

/// Hypotheses (P).
const PATHWAYS: usize = 3;
/// If no object score is at least this far from 0, the frame is uncertain (δ_conf).
const CONFIDENT_SCORE: f32 = 2.0;
/// Predicted IoU above which later frames attend to a frame (δ_IoU).
const MEMORY_IOU: f32 = 0.3;
/// Weights of the least and the most certain memory.
const WEIGHTS: (f32, f32) = (0.95, 1.05);
/// Keeps the logarithm of an IoU of 0 finite.
const EPS: f64 = 1e-6;

#[derive(Clone, Copy, Debug)]
pub(super) struct Sam2long;

fn is_good(output: &StoredOutput) -> bool {
    output.iou > MEMORY_IOU && output.object_score > 0.0 && output.memory.is_some()
}

/// The last good frames, in the order of the pass.
fn good_frames(context: &RecallContext) -> Vec<usize> {
    let good = visited(context).into_iter().filter(|(_, output)| is_good(output));
    let mut frames: Vec<usize> = good.map(|(f, _)| f).take(context.slots).collect();
    frames.reverse();
    frames
}

impl MemoryPolicy for Sam2long {
    fn recent<'a>(&self, context: &RecallContext<'a>) -> Vec<SpatialMemory<'a>> {
        let mut memories = by_rank(context, &good_frames(context));
        let mut by_score: Vec<usize> = (0..memories.len()).collect();
        by_score
            .sort_by(|&a, &b| memories[a].output.object_score.total_cmp(&memories[b].output.object_score));
        let steps = memories.len().saturating_sub(1).max(1) as f32;
        if memories.len() > 1 {
            for (rank, &i) in by_score.iter().enumerate() {
                memories[i].weight = WEIGHTS.0 + (WEIGHTS.1 - WEIGHTS.0) * rank as f32 / steps;
            }
        }
        memories
    }

    fn select(&mut self, _at: FrameTime, hypotheses: &[HypothesisMasks]) -> Vec<Selection> {
        let mut branches = Vec::new();
        for (i, hypothesis) in hypotheses.iter().enumerate() {
            for (candidate, &iou) in hypothesis.candidates.ious.iter().enumerate() {
                let score = hypothesis.score + (f64::from(iou).max(0.0) + EPS).ln();
                branches.push((Selection { hypothesis: i, candidate, score, motion: None }, iou));
            }
        }
        // A stable sort: among equals the first hypothesis's first candidate leads.
        branches.sort_by(|(a, _), (b, _)| b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal));
        let uncertain = hypotheses.iter().all(|h| h.candidates.object_score.abs() < CONFIDENT_SCORE);
        if uncertain {
            // Keeps hypotheses diverse: no two with the same IoU to two decimals.
            let mut known = Vec::new();
            branches.retain(|(_, iou)| {
                let rounded = (iou * 100.0).round() as i32;
                let new = !known.contains(&rounded);
                known.push(rounded);
                new
            });
        }
        branches.into_iter().map(|(selection, _)| selection).take(PATHWAYS).collect()
    }

    fn frames_to_keep(&self, context: &RecallContext) -> Vec<usize> {
        good_frames(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::policy::Candidates;
    use kernels::Isa;

    fn hypothesis(score: f64, ious: [f32; 3], object_score: f32) -> HypothesisMasks {
        let candidates = Candidates {
            masks: vec![0.0; 3],
            ious: ious.to_vec(),
            tokens: Vec::new(),
            object_score,
            in_view: true,
            input_size: 64,
            isa: Isa::best(),
        };
        HypothesisMasks { candidates, score }
    }

    fn select(hypotheses: &[HypothesisMasks]) -> Vec<(usize, usize)> {
        let at = FrameTime { frame: 1, num_frames: 9, direction: crate::memory::bank::Direction::Forward };
        Sam2long.select(at, hypotheses).iter().map(|s| (s.hypothesis, s.candidate)).collect()
    }

    #[test]
    fn the_branches_with_the_best_scores_since_the_beginning_are_followed() {
        let hypotheses = [hypothesis(-0.1, [0.5, 0.6, 0.4], 9.0), hypothesis(-2.0, [0.99, 0.9, 0.95], 9.0)];
        assert_eq!(select(&hypotheses), [(0, 1), (0, 0), (0, 2)]);
        let hypotheses = [hypothesis(-0.1, [0.5, 0.1, 0.1], 9.0), hypothesis(-0.2, [0.9, 0.8, 0.1], 9.0)];
        assert_eq!(select(&hypotheses), [(1, 0), (1, 1), (0, 0)]);
    }

    #[test]
    fn uncertain_frames_keep_different_masks() {
        let hypotheses = [hypothesis(-0.1, [0.8, 0.8, 0.4], 1.0), hypothesis(-0.2, [0.801, 0.7, 0.1], -1.0)];
        assert_eq!(select(&hypotheses), [(0, 0), (1, 1), (0, 2)]);
        let certain = [hypothesis(-0.1, [0.8, 0.8, 0.4], 3.0), hypothesis(-0.2, [0.801, 0.7, 0.1], -1.0)];
        assert_eq!(select(&certain), [(0, 0), (0, 1), (1, 0)]);
    }
}
