//! The thread that tracks clips. Between two frames it looks at its queue.

use std::sync::atomic::Ordering;
use std::time::Instant;

use rayon::ThreadPool;
use sam2_model::video::{Direction, MemoryPolicyKind, VideoOptions};
use serde_json::json;

use super::predictor::{ClipPredictor, entries};
use super::work::guarded;
use crate::app::App;
use crate::error::ApiError;
use crate::jobs::{Job, Pass, Task};
use crate::limits;
use crate::media::{Media, Source};
use crate::state::{MaskEntry, Prompt};
use crate::wire::{PromptAnswer, PromptRequest, TrackDirection};

/// Works until the queue is closed.
pub fn run(app: &App, pool: &ThreadPool) {
    let mut thread = Tracking { app, pool, predictors: Vec::new(), in_pass: None };
    while let Some(task) = app.tasks.pop() {
        thread.work(task);
    }
}

struct Tracking<'a> {
    app: &'a App,
    /// Entered anew for every frame, so that others get their turn.
    pool: &'a ThreadPool,
    /// Most recently used last.
    predictors: Vec<(String, ClipPredictor)>,
    /// The clip that is being tracked.
    in_pass: Option<String>,
}

impl Tracking<'_> {
    fn work(&mut self, task: Task) {
        match task {
            Task::Prompt { media, request, chosen, reply } => {
                let answer = guarded(|| self.prompt(&media, &request, chosen));
                self.distrust(&media, answer.is_err());
                drop(reply.send(answer));
            }
            Task::Follow { media, frame, obj_id } => {
                let done = guarded(|| self.follow(&media, frame, obj_id));
                self.distrust(&media, done.is_err());
                if let Err(e) = done {
                    let data = json!({ "job": null, "clip": media.id, "message": e.message });
                    self.app.hub.send("failed", &data);
                }
            }
            Task::Remove { media, obj_id } => {
                if let Some((_, clip)) = self.predictors.iter_mut().find(|(id, _)| *id == media.id) {
                    clip.remove(obj_id);
                }
            }
            Task::Forget { id } => self.predictors.retain(|(known, _)| *known != id),
            Task::Track { media, job, pass } => {
                self.in_pass = Some(media.id.clone());
                let done = guarded(|| self.track(&media, &job, pass));
                self.in_pass = None;
                self.distrust(&media, done.is_err());
                *self.app.job() = None;
                self.app.session.sync();
                self.app.hub.send("saved", &json!({ "clip": media.id }));
                match done {
                    Ok(stopped) => {
                        let data = json!({ "job": job.id, "clip": media.id, "stopped": stopped });
                        self.app.hub.send("done", &data);
                    }
                    Err(e) => {
                        let data = json!({ "job": job.id, "clip": media.id, "message": e.message });
                        self.app.hub.send("failed", &data);
                    }
                }
            }
        }
    }

    /// After a failure the predictor is made anew from the prompts that are kept.
    fn distrust(&mut self, media: &Media, failed: bool) {
        if failed && self.in_pass.as_ref() != Some(&media.id) {
            self.predictors.retain(|(id, _)| *id != media.id);
        }
    }

    /// The predictor of a clip; a new one has no prompts yet.
    fn predictor(
        &mut self,
        media: &Media,
        policy: Option<MemoryPolicyKind>,
    ) -> Result<&mut ClipPredictor, ApiError> {
        let at = self.predictors.iter().position(|(id, _)| *id == media.id);
        let known = at.map(|at| self.predictors.remove(at));
        let other = |clip: &ClipPredictor| policy.is_some_and(|policy| policy != clip.policy);
        let entry = match known.filter(|(_, clip)| !other(clip)) {
            Some(entry) => entry,
            None => {
                while self.predictors.len() >= limits::PREDICTORS {
                    let idle = |(id, _): &(String, ClipPredictor)| self.in_pass.as_ref() != Some(id);
                    let Some(oldest) = self.predictors.iter().position(idle) else { break };
                    self.predictors.remove(oldest);
                }
                (media.id.clone(), ClipPredictor::new(self.app, media, policy)?)
            }
        };
        self.predictors.push(entry);
        let last = self.predictors.last_mut();
        last.map(|(_, clip)| clip).ok_or_else(|| ApiError::internal("there is no predictor"))
    }

    /// Sets a prompt in the predictor. Outside of a pass the mask depends on the prompts that there are, not
    /// on those that there were.
    fn set(
        &mut self,
        media: &Media,
        place: (usize, u32),
        prompt: Option<&Prompt>,
    ) -> Result<Option<MaskEntry>, ApiError> {
        let (app, in_pass) = (self.app, self.in_pass.as_ref() == Some(&media.id));
        if !in_pass && self.predictor(media, None)?.would_remember(place) {
            self.predictors.retain(|(id, _)| *id != media.id);
        }
        let (pool, clip) = (self.pool, self.predictor(media, None)?);
        pool.install(|| clip.set(app, media, place, prompt))
    }

    fn prompt(
        &mut self,
        media: &Media,
        request: &PromptRequest,
        chosen: Option<MaskEntry>,
    ) -> Result<PromptAnswer, ApiError> {
        let place = (request.frame, request.obj_id);
        let mut prompt = media.state().after(request)?;
        if let (Some(prompt), Some(chosen)) = (&mut prompt, &chosen) {
            prompt.rle = Some(chosen.rle.clone());
        }
        let mask = self.set(media, place, prompt.as_ref())?;
        let set = prompt.zip(chosen.or(mask));
        let objects = self.app.set_prompt(media, place, set)?;
        Ok(PromptAnswer { frame: request.frame, objects, preview: false })
    }

    fn follow(&mut self, media: &Media, frame: usize, obj_id: u32) -> Result<(), ApiError> {
        let prompt = media.state().prompts().get(&(frame, obj_id)).cloned();
        let mask = self.set(media, (frame, obj_id), prompt.as_ref())?;
        self.app.set_masks(media, frame, mask.map(|mask| (obj_id, mask)).into_iter().collect())
    }

    /// Tracks. Returns whether it was stopped.
    fn track(&mut self, media: &Media, job: &Job, pass: Pass) -> Result<bool, ApiError> {
        let app = self.app;
        let Source::Clip(clip) = &media.source else { return Err(ApiError::not_found("clip of this id")) };
        let prompts = media.state().prompts().clone();
        let first = prompts.keys().next().map(|(frame, _)| *frame);
        let nothing =
            || ApiError::conflict("no_prompt", "nothing is prompted in this clip: click on an object");
        let start = pass.start.or(first).ok_or_else(nothing)?;
        let policy = pass.policy.unwrap_or(VideoOptions::of(app.model.config()).memory);
        if self.predictor(media, Some(policy))?.is_stale() {
            self.predictors.retain(|(id, _)| *id != media.id);
        }
        let (pool, clip_predictor) = (self.pool, self.predictor(media, Some(policy))?);
        pool.install(|| clip_predictor.give_all(app, media, &prompts))?;
        let passes = passes(pass, start, media.frames);
        let total: usize = passes.iter().map(|(_, reach)| reach + 1).sum::<usize>() - (passes.len() - 1);
        let mut progress = Progress { begun: Instant::now(), done: 0, total };
        for (turn, (direction, reach)) in passes.into_iter().enumerate() {
            let begun = self.predictor(media, None)?.predictor.begin(Some(start), Some(reach), direction)?;
            let frames: Vec<usize> = begun.collect();
            for item in clip.walk(&frames)? {
                if job.stop.load(Ordering::Relaxed) {
                    return Ok(true);
                }
                while let Some(task) = app.tasks.try_pop() {
                    self.work_between(task);
                }
                let (index, frame) = item?;
                let clip = self.predictor(media, None)?;
                if clip.predictor.object_ids().is_empty() {
                    return Ok(true);
                }
                let mut masks = pool.install(|| -> Result<_, ApiError> {
                    Ok(entries(&clip.predictor.track_frame(index, &frame)?))
                })?;
                clip.tracked();
                // The second pass starts at the first one's start.
                if turn > 0 && index == start {
                    continue;
                }
                let state = media.state().prompts().clone();
                masks.retain(|(obj_id, _)| !state.contains_key(&(index, *obj_id)));
                app.set_masks(media, index, masks)?;
                app.hub.send("progress", &progress.step(job, media));
            }
        }
        Ok(false)
    }

    /// A job between two frames; there is one pass at a time.
    fn work_between(&mut self, task: Task) {
        match task {
            Task::Track { media, job, .. } => {
                let text = "another clip is being tracked";
                let data = json!({ "job": job.id, "clip": media.id, "message": text });
                self.app.hub.send("failed", &data);
            }
            task => self.work(task),
        }
    }
}

/// Directions, and how many frames lie after the first one.
fn passes(pass: Pass, start: usize, frames: usize) -> Vec<(Direction, usize)> {
    let after = pass.end.filter(|&end| end >= start).unwrap_or(frames - 1).min(frames - 1) - start;
    let before = start - pass.end.filter(|&end| end <= start).unwrap_or(0);
    match pass.direction {
        TrackDirection::Forward => vec![(Direction::Forward, after)],
        TrackDirection::Reverse => vec![(Direction::Reverse, before)],
        TrackDirection::Both => vec![(Direction::Forward, after), (Direction::Reverse, start)],
    }
}

struct Progress {
    begun: Instant,
    done: usize,
    total: usize,
}

impl Progress {
    fn step(&mut self, job: &Job, media: &Media) -> serde_json::Value {
        self.done += 1;
        let fps = self.done as f64 / self.begun.elapsed().as_secs_f64().max(1e-9);
        let left = self.total.saturating_sub(self.done) as f64 / fps;
        json!({
            "job": job.id, "clip": media.id, "done": self.done, "total": self.total, "fps": fps, "eta_s": left
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_ends_where_it_is_told_to() {
        let pass = |direction, end| Pass { start: None, end, direction, policy: None };
        assert_eq!(passes(pass(TrackDirection::Forward, None), 3, 10), [(Direction::Forward, 6)]);
        assert_eq!(passes(pass(TrackDirection::Forward, Some(5)), 3, 10), [(Direction::Forward, 2)]);
        assert_eq!(passes(pass(TrackDirection::Reverse, None), 3, 10), [(Direction::Reverse, 3)]);
        assert_eq!(passes(pass(TrackDirection::Reverse, Some(1)), 3, 10), [(Direction::Reverse, 2)]);
        let both = passes(pass(TrackDirection::Both, Some(4)), 3, 10);
        assert_eq!(both, [(Direction::Forward, 1), (Direction::Reverse, 3)]);
    }
}
