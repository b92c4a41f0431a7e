//! Tracking uses bounded memory, independent of the length of the clip.

use std::alloc::System;
use std::sync::{Mutex, PoisonError};

use sam2_model::video::{VideoInfo, VideoOptions};
use sam2_model::{Frame, Points, Tracker, VideoPredictor};
use sam2_tests::{micro, seeded, small};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Serialises the tests, so that each counts only its own allocations.
static ALONE: Mutex<()> = Mutex::new(());

/// Bytes allocated and not yet freed.
fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

#[test]
fn a_long_clip_holds_no_more_memory_than_a_short_one() {
    const FRAMES: usize = 120;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for name in small::NAMES {
        let mut predictor = predictor(name, FRAMES);
        let mut held = Vec::new();
        for f in 0..FRAMES {
            drop(predictor.track_frame(f, &frame(f)).expect("a valid frame"));
            held.push(live());
        }
        // The bank is full after 16 frames. Later allocations are a list of frame numbers and, once an object
        // is absent, the encoding of an empty mask: at most 256 channels of 16x16.
        let (early, late) = (held[24], held[FRAMES - 1]);
        let empty_mask = size_of::<f32>() * 256 * 16 * 16;
        println!("{name}: {early} bytes at frame 24, {late} at the end");
        assert!(
            late <= early + empty_mask + 16 * 1024,
            "{name}: {early} bytes at frame 24, {late} at the end"
        );
    }
}

/// The averages of memories are in buffers that stay: what a frame allocates, and frees again, does not grow
/// with the memories that it reads.
#[test]
fn averages_of_memories_are_not_allocated_again() {
    const FRAMES: usize = 30;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for name in small::NAMES.into_iter().filter(|name| small::is_pooled(name)) {
        let mut predictor = predictor(name, FRAMES);
        let mut allocated = Vec::new();
        for f in 0..FRAMES {
            let frame = frame(f);
            let before = ALLOCATOR.stats().bytes_allocated;
            drop(predictor.track_frame(f, &frame).expect("a valid frame"));
            allocated.push(ALLOCATOR.stats().bytes_allocated - before);
        }
        // Frame 3 reads three memories, frame 29 seven: for two objects the averaged values of the other four
        // have 8 · 16 · 64 floats. Pointers are a few kilobytes.
        let (few, all) = (allocated[3], allocated[FRAMES - 1]);
        println!("{name}: {few} bytes on frame 3, {all} on frame 29");
        assert!(all <= few + 16 * 1024, "{name}: {few} bytes on frame 3, {all} on frame 29");
    }
}

fn frame(f: usize) -> Frame {
    Frame::new(200, 150, seeded::photo("flat", 200, 150, f % 8)).expect("the photo fills the frame")
}

/// A clip with two objects prompted on the first frame.
fn predictor(name: &str, num_frames: usize) -> VideoPredictor {
    let info = VideoInfo { width: 200, height: 150, num_frames };
    let mut predictor =
        VideoPredictor::new(small::model(name), info, VideoOptions::default()).expect("a video");
    predictor.add_points(0, &frame(0), 1, &Points::click(80.0, 70.0)).expect("a valid prompt");
    predictor.add_points(0, &frame(0), 2, &Points::bbox(20.0, 30.0, 120.0, 140.0)).expect("a valid prompt");
    predictor
}

#[test]
fn a_stream_with_many_corrections_holds_no_more_memory_than_one_with_some() {
    const KEPT: usize = 4;
    const FRAMES: usize = 100;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let frame = |f: usize| {
        Frame::new(120, 90, seeded::photo("flat", 120, 90, f % 8)).expect("the photo fills the frame")
    };
    let options = VideoOptions::default().kept_prompted_frames(KEPT);
    let mut tracker = Tracker::new(micro::model(), 120, 90, options).expect("a size");
    let mut held = Vec::new();
    for f in 0..FRAMES {
        drop(tracker.push(&frame(f)).expect("a valid frame"));
        // Corrections further apart than memories reach, which would keep those around each of them.
        if f % 20 == 0 {
            drop(tracker.add_points(1, &Points::click(50.0, 40.0)).expect("a valid prompt"));
        }
        held.push(live());
    }
    // Four corrections are remembered at frame 70. A fifth one would add 180 kB.
    let (early, late) = (held[70], held[FRAMES - 1]);
    let empty_mask = size_of::<f32>() * 128 * 16 * 16;
    assert!(late <= early + empty_mask + 16 * 1024, "{early} bytes at frame 70, {late} at the end");
}
