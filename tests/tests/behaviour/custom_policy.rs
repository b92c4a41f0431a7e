//! Memory policies of the caller's.

use std::sync::Arc;

use sam2_model::error::SessionError;
use sam2_model::policy::{History, MaskCandidates, MemoryPolicy};
use sam2_model::video::{ObjectOutput, VideoInfo, VideoOptions};
use sam2_model::{Frame, Points, VideoPredictor};
use sam2_tests::micro::model;
use sam2_tests::seeded;

const FRAMES: usize = 12;

fn frame(f: usize) -> Frame {
    Frame::new(120, 90, seeded::photo("policy", 120, 90, f)).expect("the photo fills the frame")
}

/// Counts its selections, and selects the last frames itself.
#[derive(Debug, Default)]
struct Last {
    selections: usize,
}

impl MemoryPolicy for Last {
    fn select(&mut self, candidates: &MaskCandidates) -> usize {
        self.selections += 1;
        candidates.best()
    }

    fn recall(&self, history: &History) -> Option<Vec<usize>> {
        Some(history.frames().take(history.slots()).map(|frame| frame.frame_idx()).collect())
    }

    fn save(&self) -> String {
        self.selections.to_string()
    }

    fn resume(&mut self, state: &str) -> Result<(), String> {
        self.selections = state.parse().map_err(|_| format!("{state:?} is not a count"))?;
        Ok(())
    }
}

/// Selects masks and frames that do not exist.
#[derive(Debug)]
struct Wild;

impl MemoryPolicy for Wild {
    fn select(&mut self, _: &MaskCandidates) -> usize {
        usize::MAX
    }

    fn recall(&self, _: &History) -> Option<Vec<usize>> {
        Some(vec![usize::MAX, 3, 3, 0, 7, 100])
    }
}

fn begin(mut predictor: VideoPredictor) -> VideoPredictor {
    predictor.add_points(0, &frame(0), 1, &Points::click(60.0, 40.0)).expect("a valid prompt");
    predictor
}

fn track(predictor: &mut VideoPredictor, frames: std::ops::Range<usize>) -> Vec<ObjectOutput> {
    frames.flat_map(|f| predictor.track_frame(f, &frame(f)).expect("a valid frame").objects).collect()
}

#[test]
fn a_policy_that_selects_as_meta_does_gives_the_same_bits() {
    let info = VideoInfo::new(120, 90, FRAMES);
    let options = VideoOptions::default();
    let mut plain = begin(VideoPredictor::new(model(), info, options).expect("a video"));
    let mut custom =
        begin(VideoPredictor::with_policy(model(), info, options, Last::default).expect("a video"));
    assert!(track(&mut plain, 0..FRAMES) == track(&mut custom, 0..FRAMES));
}

#[test]
fn a_session_resumes_with_its_policy_only() {
    let (model, info) = (model(), VideoInfo::new(120, 90, FRAMES));
    let options = VideoOptions::default();
    let mut whole = begin(
        VideoPredictor::with_policy(Arc::clone(&model), info, options, Last::default).expect("a video"),
    );
    track(&mut whole, 0..5);
    let bytes = whole.save_session();
    let resumed = |make: fn() -> Last| {
        VideoPredictor::resume_session_with_policy(Arc::clone(&model), &bytes, "s", make)
    };
    let mut resumed = resumed(Last::default).expect("its own policy");
    assert!(track(&mut whole, 5..FRAMES) == track(&mut resumed, 5..FRAMES));
    assert!(whole.save_session() == resumed.save_session(), "the count of selections is part of it");
    let error = VideoPredictor::resume_session(Arc::clone(&model), &bytes, "s").expect_err("refused");
    assert!(matches!(error, SessionError::OtherPolicy { custom: true, .. }), "{error}");
    let plain =
        begin(VideoPredictor::new(Arc::clone(&model), info, options).expect("a video")).save_session();
    let error = VideoPredictor::resume_session_with_policy(model, &plain, "s", Last::default);
    assert!(matches!(error, Err(SessionError::OtherPolicy { custom: false, .. })));
}

#[test]
fn selections_that_do_not_exist_do_no_harm() {
    let info = VideoInfo::new(120, 90, FRAMES);
    let predictor = VideoPredictor::with_policy(model(), info, VideoOptions::default(), || Wild);
    let outputs = track(&mut begin(predictor.expect("a video")), 0..FRAMES);
    assert!(outputs.iter().flat_map(|object| &object.low_res).all(|x| x.is_finite()));
}
