//! State of the video predictor: dropping old frames, saving sessions and streaming change no bit of the
//! masks.

use std::sync::Arc;

use sam2_model::error::VideoError;
use sam2_model::video::{Direction, FrameOutput, MemoryPolicyKind, Retention, VideoInfo, VideoOptions};
use sam2_model::{Frame, Model, Points, Tracker, VideoPredictor};
use sam2_tests::micro::model;
use sam2_tests::{seeded, small};

const FRAMES: usize = 60;
const SIZE: (usize, usize) = (200, 150);

fn frame(f: usize) -> Frame {
    let rgb = seeded::photo("state", SIZE.0, SIZE.1, f);
    Frame::new(SIZE.0, SIZE.1, rgb).expect("the photo fills the frame")
}

fn predictor(model: &Arc<Model>, options: VideoOptions) -> VideoPredictor {
    let info = VideoInfo { width: SIZE.0, height: SIZE.1, num_frames: FRAMES };
    VideoPredictor::new(Arc::clone(model), info, options).expect("a video")
}

/// Id, object score, predicted IoU and logits of every object.
type Bits = Vec<(u32, u32, u32, Vec<u32>)>;

/// The bits of an output.
fn bits(output: &FrameOutput) -> Bits {
    let objects = output.objects.iter();
    objects
        .map(|object| {
            let logits = object.low_res.iter().map(|x| x.to_bits()).collect();
            (object.obj_id, object.object_score.to_bits(), object.predicted_iou.to_bits(), logits)
        })
        .collect()
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Click(usize, u32, f32, f32),
    Box(usize, u32, [f32; 4]),
    Pass(Option<usize>, Option<usize>, Direction),
    Remove(u32),
    Clear(usize, u32),
}

/// Runs the steps; with `stop`, saves and resumes the session every `stop` frames.
fn play(model: &Arc<Model>, options: VideoOptions, steps: &[Step], stop: Option<usize>) -> Vec<Bits> {
    let mut predictor = predictor(model, options);
    let mut seen = Vec::new();
    for &step in steps {
        match step {
            Step::Click(f, id, x, y) => {
                let output = predictor.add_points(f, &frame(f), id, &Points::click(x, y));
                seen.push(bits(&output.expect("a valid click")));
            }
            Step::Box(f, id, [x0, y0, x1, y1]) => {
                let output = predictor.add_points(f, &frame(f), id, &Points::bbox(x0, y0, x1, y1));
                seen.push(bits(&output.expect("a valid box")));
            }
            Step::Pass(start, max_frames, direction) => {
                for f in predictor.begin(start, max_frames, direction).expect("a pass") {
                    seen.push(bits(&predictor.track_frame(f, &frame(f)).expect("a valid frame")));
                    if stop.is_some_and(|every| seen.len().is_multiple_of(every)) {
                        let session = predictor.save_session();
                        predictor = VideoPredictor::resume_session(Arc::clone(model), &session, "session")
                            .expect("the session resumes");
                    }
                }
            }
            Step::Remove(id) => assert!(predictor.remove_object(id)),
            Step::Clear(f, id) => assert!(predictor.clear_prompts(f, id)),
        }
    }
    seen
}

/// Passes in both directions from prompted frames, corrections of prompted and of tracked frames, late
/// objects.
const STORY: [Step; 12] = [
    Step::Click(20, 1, 80.0, 70.0),
    Step::Box(22, 2, [20.0, 30.0, 120.0, 140.0]),
    Step::Pass(None, Some(25), Direction::Forward),
    Step::Click(45, 1, 90.0, 60.0),
    Step::Pass(Some(45), Some(10), Direction::Forward),
    Step::Pass(None, Some(19), Direction::Reverse),
    Step::Click(2, 3, 30.0, 40.0),
    Step::Pass(None, Some(20), Direction::Forward),
    Step::Click(20, 1, 60.0, 60.0),
    Step::Remove(2),
    Step::Pass(Some(20), Some(6), Direction::Forward),
    Step::Clear(45, 1),
];

/// The first steps, which leave every kind of state in a session.
const SHORT_STORY: [Step; 5] = [
    Step::Click(20, 1, 80.0, 70.0),
    Step::Box(22, 2, [20.0, 30.0, 120.0, 140.0]),
    Step::Pass(None, Some(8), Direction::Forward),
    Step::Click(28, 1, 90.0, 60.0),
    Step::Pass(None, Some(4), Direction::Reverse),
];

#[test]
fn dropping_old_frames_changes_no_bit() {
    for (name, model) in small::models() {
        let keeping = |keep| VideoOptions::default().keep(keep);
        let all = play(&model, keeping(Retention::Everything), &STORY, None);
        let needed = play(&model, keeping(Retention::Needed), &STORY, None);
        assert_eq!(all.len(), needed.len());
        for (i, (all, needed)) in all.iter().zip(&needed).enumerate() {
            assert!(all == needed, "{name}: output {i} differs");
        }
    }
}

/// Saved and resumed after every frame.
#[test]
fn a_resumed_session_continues_with_the_same_bits() {
    for (name, model) in small::models() {
        for memory in MemoryPolicyKind::ALL {
            let options = VideoOptions::default().memory(memory);
            let play = |stop| play(&model, options, &SHORT_STORY, stop);
            assert!(play(None) == play(Some(1)), "{name} {memory:?}");
        }
    }
}

/// Every object has the masks that it has alone.
#[test]
fn objects_do_not_change_each_other() {
    for (name, model) in small::models() {
        for memory in MemoryPolicyKind::ALL {
            let options = VideoOptions::default().memory(memory);
            let prompts = [Step::Click(0, 1, 80.0, 70.0), Step::Box(0, 2, [20.0, 30.0, 120.0, 140.0])];
            let pass = Step::Pass(None, Some(9), Direction::Forward);
            let tracked = |prompts: &[Step]| {
                let outputs = play(&model, options, &[prompts, &[pass]].concat(), None);
                outputs[prompts.len()..].concat()
            };
            let together = tracked(&prompts);
            for (i, prompt) in prompts.into_iter().enumerate() {
                let own: Bits = together.iter().skip(i).step_by(2).cloned().collect();
                assert!(own == tracked(&[prompt]), "{name} {memory:?}: object {}", i + 1);
            }
            assert_ne!(together[2].3, together[3].3, "{name}: two objects");
        }
    }
}

#[test]
fn a_session_that_cannot_be_resumed_is_refused() {
    let model = model();
    let mut predictor = predictor(&model, VideoOptions::default());
    predictor.add_points(0, &frame(0), 1, &Points::click(80.0, 70.0)).expect("a valid click");
    predictor.track_frame(0, &frame(0)).expect("a valid frame");
    let session = predictor.save_session();
    let refused = |bytes: &[u8]| {
        let error = VideoPredictor::resume_session(Arc::clone(&model), bytes, "s").expect_err("refused");
        let text = error.to_string();
        assert!(text.starts_with("s: ") && !text.contains('\n'), "{text}");
        text
    };
    for length in [0, 7, 100, session.len() / 2, session.len() - 1] {
        refused(&session[..length]);
    }
    let swapped = |from: &str, to: &str| {
        let text = String::from_utf8_lossy(&session).into_owned();
        let at = text.find(from).expect("the header has it");
        let mut bytes = session.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        bytes
    };
    assert!(refused(&swapped("\\\"version\\\":1", "\\\"version\\\":7")).contains("version 7"));
    let print = format!("{:016x}", model.fingerprint());
    assert!(refused(&swapped(&print, "0123456789abcdef")).contains("another model"));
    assert!(
        refused(&swapped("hypotheses.0.cond.0.memory", "hypotheses.0.cond.0.mammon"))
            .contains("belong to nothing")
    );
    // A stream cannot resume a clip's session.
    let error = Tracker::resume_session(Arc::clone(&model), &session, "s").expect_err("refused");
    assert!(error.to_string().contains("not of a stream"), "{error}");
}

#[test]
fn a_stream_gives_the_masks_of_a_clip_and_can_be_interrupted() {
    small::models().for_each(|(name, model)| check_stream(name, &model));
}

fn check_stream(name: &str, model: &Arc<Model>) {
    let mut whole = predictor(model, VideoOptions::default());
    whole.add_points(2, &frame(2), 1, &Points::click(80.0, 70.0)).expect("a valid click");
    let mut stream =
        Tracker::new(Arc::clone(model), SIZE.0, SIZE.1, VideoOptions::default()).expect("a stream");
    assert!(matches!(stream.add_points(1, &Points::click(1.0, 1.0)), Err(VideoError::NoFrame)));
    for f in 0..24 {
        let mut output = stream.push(&frame(f)).expect("a valid frame");
        if f == 2 {
            output = stream.add_points(1, &Points::click(80.0, 70.0)).expect("a valid click");
        }
        assert_eq!((output.frame_idx, stream.frame_idx()), (f, Some(f)));
        if f < 2 {
            assert!(output.objects.is_empty());
            continue;
        }
        if f == 12 {
            let session = stream.save_session();
            stream = Tracker::resume_session(Arc::clone(model), &session, "s").expect("the session resumes");
            // A correction needs the last frame before the interruption.
            output = stream.add_points(1, &Points::click(85.0, 75.0)).expect("a valid click");
            whole.track_frame(f, &frame(f)).expect("a valid frame");
            let expected =
                whole.add_points(f, &frame(f), 1, &Points::click(85.0, 75.0)).expect("a valid click");
            assert!(bits(&output) == bits(&expected), "{name}: frame {f}");
            continue;
        }
        let expected = whole.track_frame(f, &frame(f)).expect("a valid frame");
        assert!(bits(&output) == bits(&expected), "{name}: frame {f}");
    }
    assert!(stream.remove_object(1) && !stream.remove_object(1));
    assert!(stream.push(&frame(24)).expect("a valid frame").objects.is_empty());
}

#[test]
fn calls_out_of_order_are_refused() {
    let model = model();
    let mut predictor = predictor(&model, VideoOptions::default());
    assert!(matches!(predictor.begin(None, None, Direction::Forward), Err(VideoError::NoObject)));
    predictor.add_points(3, &frame(3), 1, &Points::click(80.0, 70.0)).expect("a valid click");
    let late_box = predictor.add_more_points(3, &frame(3), 1, &Points::bbox(1.0, 1.0, 9.0, 9.0));
    assert!(matches!(late_box, Err(VideoError::LateBox)));
    let past_the_end = predictor.begin(Some(FRAMES), None, Direction::Forward);
    assert!(matches!(past_the_end, Err(VideoError::FrameIndex { .. })));
    assert!(predictor.begin(None, Some(2), Direction::Reverse).expect("a pass").eq([3, 2, 1]));
    let skipped = predictor.track_frame(2, &frame(2));
    assert!(matches!(skipped, Err(VideoError::FrameOrder { expected: 3, found: 2 })));
    assert!(predictor.clear_prompts(3, 1) && !predictor.clear_prompts(3, 9));
    assert!(matches!(predictor.begin(None, None, Direction::Forward), Err(VideoError::Unprompted(1))));
    assert!(predictor.remove_object(1) && predictor.object_ids().is_empty());
    let endless = VideoInfo { width: SIZE.0, height: SIZE.1, num_frames: usize::MAX };
    let mut predictor =
        VideoPredictor::new(Arc::clone(&model), endless, VideoOptions::default()).expect("a video");
    predictor.add_points(3, &frame(3), 1, &Points::click(80.0, 70.0)).expect("a valid click");
    let pass = predictor.begin(None, None, Direction::Forward).expect("a pass");
    assert!(pass.take(2).eq([3, 4]), "a pass without an end");
    let options = VideoOptions::default().max_cond_frames_in_attn(1);
    let info = VideoInfo { width: 9, height: 9, num_frames: 1 };
    assert!(matches!(VideoPredictor::new(model, info, options), Err(VideoError::TooFewFrames(1))));
}
