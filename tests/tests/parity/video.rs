//! The video predictor against Meta's on synthetic clips, from pixels to the memories of every frame.

use std::collections::BTreeMap;

use sam2_model::types::Label;
use sam2_model::video::{VideoInfo, VideoOptions};
use sam2_model::{Frame, Mask, Model, Points, VideoPredictor};
use sam2_tests::golden::Golden;
use sam2_tests::probe::{Budget, Probes};
use sam2_tests::seeded;

/// Errors accumulate over the frames: logits within 1e-2 after ten.
fn budget(name: &str) -> Budget {
    if name.ends_with("/object_score") { Budget::absolute(2e-2) } else { Budget::relative(1e-2, 1e-1) }
}

pub fn check(clip: &str, file: &str, name: &str) {
    check_frames(clip, file, name, usize::MAX);
}

/// [`check`], of no more than the first `frames`.
pub fn check_frames(clip: &str, file: &str, name: &str, frames: usize) {
    let probes = Probes::open(file);
    let model = Model::from_bytes(&seeded::checkpoint(name), name).expect("the seeded checkpoint loads");
    let [width, height, num_frames] = probes.i64s(&format!("{clip}#size"))[..] else { panic!("{clip}#size") };
    let (width, height, num_frames) = (width as usize, height as usize, num_frames as usize);
    let frame = |f: usize| {
        Frame::new(width, height, seeded::photo("clip.a", width, height, f))
            .expect("the photo fills the frame")
    };
    let (low, grid, tokens) = (model.low_res_size(), model.config().grid(), model.config().memory_tokens());
    let info = VideoInfo { width, height, num_frames };
    let mut predictor = VideoPredictor::new(model, info, VideoOptions::default()).expect("a video");
    let mut given: BTreeMap<(usize, u32), Points> = BTreeMap::new();
    for n in 0.. {
        let key = |part: &str| format!("{clip}/prompt{n}#{part}");
        if !probes.has(&key("frame_object_keep")) {
            break;
        }
        let [f, object, keep] = probes.i64s(&key("frame_object_keep"))[..] else { panic!("prompt {n}") };
        let (f, object) = (f as usize, object as u32);
        // Adding points to earlier ones equals giving all of them.
        let points = given.entry((f, object)).or_default();
        if keep == 0 {
            *points = Points::new();
        }
        if probes.has(&key("points")) {
            let (coords, labels) = (probes.f32s(&key("points")), probes.i32s(&key("labels")));
            let more = Points::labelled(coords.as_chunks().0, &labels).expect("known labels");
            let add = |all: Points, &([x, y], label): &([f32; 2], Label)| all.point(x, y, label);
            *points = more.points().iter().fold(points.clone(), add);
        }
        if probes.has(&key("box")) {
            let corners = probes.f32s(&key("box"));
            *points = points.clone().within(<[f32; 4]>::try_from(corners).expect("a box has four numbers"));
        }
        if points.is_empty() {
            let field = seeded::smooth("input.clip_mask", 512, 512, 128, 0.0, 1.0);
            let mask = (0..height).flat_map(|y| field[y * 512..][..width].iter().map(|&x| x > 0.0)).collect();
            let mask = Mask::new(width, height, mask).expect("the mask fills the frame");
            predictor.add_mask(f, &frame(f), object, &mask).expect("a valid prompt");
        } else {
            predictor.add_points(f, &frame(f), object, points).expect("a valid prompt");
        }
    }
    let mut golden = Golden::new(&probes, format!("{clip}/"), budget);
    let tracked = num_frames.min(frames);
    for f in 0..tracked {
        let output = predictor.track_frame(f, &frame(f)).expect("a valid frame");
        for (i, object) in output.objects.iter().enumerate() {
            let prefix = format!("{f}/{}/", object.obj_id);
            golden.compare(&format!("{prefix}low_res"), &[low, low], &object.low_res);
            golden.compare(&format!("{prefix}object_score"), &[1], &[object.object_score]);
            golden.compare(&format!("{prefix}video_res"), &[height, width], &output.mask_logits(i));
            let (memory, pointer) =
                sam2_model::inspect::remembered(&predictor, object.obj_id, f).expect("remembered");
            let shape = if tokens == grid * grid { vec![grid, grid, 64] } else { vec![tokens, 64] };
            golden.compare(&format!("{prefix}memory"), &shape, &memory);
            golden.compare(&format!("{prefix}obj_ptr"), &[256], &pointer);
            // Meta returns the IoUs of all candidates; the selected one has the largest.
            let golden_iou = probes.f32s(&format!("{clip}/{prefix}iou")).into_iter().fold(f32::MIN, f32::max);
            let error = (object.predicted_iou - golden_iou).abs();
            assert!(error <= 1e-3, "{clip}/{prefix}iou: {} for {golden_iou}", object.predicted_iou);
        }
    }
    let frame = |name: &str| name.split('/').next().and_then(|f| f.parse::<usize>().ok());
    golden.finish(|name| name.ends_with("/iou") || frame(name).is_some_and(|f| f >= tracked));
}

#[test]
fn a_clip_with_two_objects_matches_meta() {
    check("clip", "video_tiny.safetensors", "sam2.1_hiera_tiny");
}

#[test]
fn a_mask_prompt_and_an_object_added_later_match_meta() {
    check("late", "video_late_tiny.safetensors", "sam2.1_hiera_tiny");
}
