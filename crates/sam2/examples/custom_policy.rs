//! A memory policy outside the library: an object attends only to frames on which its mask was sure.
//!
//! `cargo run -p sam2 --example custom_policy`; prints the mean IoU with the truth of the bundled clip, in
//! which a look-alike passes in front of the object, for Meta's policy and for this one.

use std::error::Error;

use sam2::media::frames::Clip;
use sam2::policy::{History, MemoryPolicy};
use sam2::video::{VideoInfo, VideoOptions};
use sam2::{Mask, Points, VideoPredictor, embedded};

/// The least predicted IoU of a frame that is remembered.
#[derive(Debug)]
struct Sure(f32);

impl MemoryPolicy for Sure {
    fn recall(&self, history: &History) -> Option<Vec<usize>> {
        let sure =
            |frame: &sam2::policy::TrackedFrame| frame.predicted_iou() > self.0 && frame.object_score() > 0.0;
        let newest = history.frames().filter(sure).take(history.slots());
        Some(newest.map(|frame| frame.frame_idx()).collect())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let clip = Clip::embedded(embedded::DEMO_CLIP)?;
    let info = VideoInfo::new(clip.size().0 as usize, clip.size().1 as usize, clip.len());
    let options = VideoOptions::default();
    let plain = VideoPredictor::new(embedded::model(), info, options)?;
    println!("Meta's policy: mean IoU {:.3}", mean_iou(plain, &clip)?);
    for least in [0.5, 0.7, 0.9] {
        let custom = VideoPredictor::with_policy(embedded::model(), info, options, move || Sure(least))?;
        println!("predicted IoU > {least}: mean IoU {:.3}", mean_iou(custom, &clip)?);
    }
    Ok(())
}

/// Tracks the object of the clip and compares its masks with the truth.
fn mean_iou(mut predictor: VideoPredictor, clip: &Clip) -> Result<f64, Box<dyn Error>> {
    let truth = Clip::embedded(embedded::DEMO_TRUTH)?;
    let mut sum = 0.0;
    for (item, truth) in clip.frames_from(0)?.zip(truth.frames_from(0)?) {
        let ((frame_idx, frame), (_, truth)) = (item?, truth?);
        if frame_idx == 0 {
            predictor.add_points(0, &frame, 1, &Points::click(109.5, 90.5))?;
        }
        let mask = predictor.track_frame(frame_idx, &frame)?.mask(0);
        let inside = truth.rgb().chunks(3).map(|pixel| pixel[0] > 127).collect();
        let truth = Mask::new(truth.width(), truth.height(), inside)?;
        sum += mask.rle().iou(&truth.rle()).ok_or("the truth has another size")?;
    }
    Ok(sum / clip.len() as f64)
}
