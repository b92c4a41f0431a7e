//! SAM2Long: a constrained tree of memories (arXiv 2410.16268, section 3.2).
//!
//! Up to three hypotheses about an object are followed side by side, each with memories of its own. On every frame each
//! offers three masks; of the nine branches those are followed whose masks have the largest product of predicted IoUs since
//! the object was prompted. A hypothesis looks back at frames with a good mask, the surer ones with more weight.
//!
//! The paper shows the masks of the hypothesis that has won when the video is over. Here a frame is answered when it is
//! given, by the hypothesis that leads then.

use std::cmp::Ordering;

use super::{Choice, MemoryPolicy, Offer, by_rank, seen};
use crate::memory::bank::{Moment, Spatial, StoredOutput, View};

/// Hypotheses (P).
const PATHWAYS: usize = 3;
/// If no object score is at least this far from 0, the frame is uncertain (δ_conf).
const CONFIDENT_SCORE: f32 = 2.0;
/// Predicted IoU above which a frame is looked at later (δ_IoU).
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
fn good_frames(view: &View) -> Vec<usize> {
    let good = seen(view).into_iter().filter(|(_, output)| is_good(output));
    let mut frames: Vec<usize> = good.map(|(f, _)| f).take(view.slots).collect();
    frames.reverse();
    frames
}

impl MemoryPolicy for Sam2long {
    fn recent<'a>(&self, view: &View<'a>) -> Vec<Spatial<'a>> {
        let mut memories = by_rank(view, &good_frames(view));
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

    fn choose(&mut self, _at: Moment, offers: &[Offer]) -> Vec<Choice> {
        let mut branches = Vec::new();
        for (i, offer) in offers.iter().enumerate() {
            for (candidate, &iou) in offer.candidates.ious.iter().enumerate() {
                let score = offer.score + (f64::from(iou).max(0.0) + EPS).ln();
                branches.push((Choice { offer: i, candidate, score, motion: None }, iou));
            }
        }
        // Stable: of equals the first offer's first candidate leads.
        branches.sort_by(|(a, _), (b, _)| b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal));
        let uncertain = offers.iter().all(|offer| offer.candidates.object_score.abs() < CONFIDENT_SCORE);
        if uncertain {
            // Different hypotheses: no two with the same IoU to two decimals.
            let mut known = Vec::new();
            branches.retain(|(_, iou)| {
                let rounded = (iou * 100.0).round() as i32;
                let new = !known.contains(&rounded);
                known.push(rounded);
                new
            });
        }
        branches.into_iter().map(|(choice, _)| choice).take(PATHWAYS).collect()
    }

    fn keeps(&self, view: &View) -> Vec<usize> {
        good_frames(view)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::policy::Candidates;
    use kernels::Isa;

    fn offer(score: f64, ious: [f32; 3], object_score: f32) -> Offer {
        let candidates = Candidates {
            masks: vec![0.0; 3],
            ious: ious.to_vec(),
            tokens: Vec::new(),
            object_score,
            in_view: true,
            input_size: 64,
            isa: Isa::best(),
        };
        Offer { candidates, score }
    }

    fn choose(offers: &[Offer]) -> Vec<(usize, usize)> {
        let at = Moment { frame: 1, num_frames: 9, direction: crate::Direction::Forward };
        Sam2long.choose(at, offers).iter().map(|choice| (choice.offer, choice.candidate)).collect()
    }

    #[test]
    fn the_branches_with_the_best_scores_since_the_beginning_are_followed() {
        let offers = [offer(-0.1, [0.5, 0.6, 0.4], 9.0), offer(-2.0, [0.99, 0.9, 0.95], 9.0)];
        assert_eq!(choose(&offers), [(0, 1), (0, 0), (0, 2)]);
        let offers = [offer(-0.1, [0.5, 0.1, 0.1], 9.0), offer(-0.2, [0.9, 0.8, 0.1], 9.0)];
        assert_eq!(choose(&offers), [(1, 0), (1, 1), (0, 0)]);
    }

    #[test]
    fn uncertain_frames_are_answered_by_different_masks() {
        let offers = [offer(-0.1, [0.8, 0.8, 0.4], 1.0), offer(-0.2, [0.801, 0.7, 0.1], -1.0)];
        assert_eq!(choose(&offers), [(0, 0), (1, 1), (0, 2)]);
        let certain = [offer(-0.1, [0.8, 0.8, 0.4], 3.0), offer(-0.2, [0.801, 0.7, 0.1], -1.0)];
        assert_eq!(choose(&certain), [(0, 0), (0, 1), (1, 0)]);
    }
}
