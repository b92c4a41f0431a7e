//! Tracking uses bounded memory, independent of the length of the clip.

use std::alloc::System;

use sam2_model::video::{VideoInfo, VideoOptions};
use sam2_model::{Frame, Points, VideoPredictor};
use sam2_tests::{micro, seeded};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes allocated and not yet freed.
fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

#[test]
fn a_long_clip_holds_no_more_memory_than_a_short_one() {
    const FRAMES: usize = 120;
    let model = micro::model();
    let frame = |f: usize| {
        Frame::new(200, 150, seeded::photo("flat", 200, 150, f % 8)).expect("the photo fills the frame")
    };
    let info = VideoInfo { width: 200, height: 150, num_frames: FRAMES };
    let mut predictor = VideoPredictor::new(model, info, VideoOptions::default()).expect("a video");
    predictor.add_points(0, &frame(0), 1, &Points::click(80.0, 70.0)).expect("a valid prompt");
    predictor.add_points(0, &frame(0), 2, &Points::bbox(20.0, 30.0, 120.0, 140.0)).expect("a valid prompt");
    let mut held = Vec::new();
    for f in 0..FRAMES {
        drop(predictor.track_frame(f, &frame(f)).expect("a valid frame"));
        held.push(live());
    }
    // The bank is full after 16 frames. Later allocations are a list of frame numbers and, once an object is
    // absent, the encoding of an empty mask: 128 channels of 16x16.
    let (early, late) = (held[24], held[FRAMES - 1]);
    let empty_mask = size_of::<f32>() * 128 * 16 * 16;
    assert!(late <= early + empty_mask + 16 * 1024, "{early} bytes at frame 24, {late} at the end");
}
