//! A click on the first frame tracks an object through a clip and writes one palette PNG a frame.
//!
//! `cargo run -p sam2 --example clip [CLIP X Y]`; CLIP is a folder of pictures, a GIF, a Y4M file or, with
//! ffmpeg installed, a video. Without arguments the bundled clip.

use std::env::{args, temp_dir};
use std::error::Error;
use std::path::Path;

use sam2::media::frames::Clip;
use sam2::media::pictures::png;
use sam2::video::{Direction, VideoInfo, VideoOptions};
use sam2::{Points, VideoPredictor, embedded};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = args().skip(1).collect();
    let (clip, x, y) = match args.as_slice() {
        [] => (Clip::embedded(embedded::DEMO_CLIP)?, 109.5, 90.5),
        [path, x, y] => (Clip::open(Path::new(path), None)?, x.parse()?, y.parse()?),
        _ => return Err("give CLIP X Y, or nothing".into()),
    };
    let size = clip.size();
    let info = VideoInfo::new(size.0 as usize, size.1 as usize, clip.len());
    let options = VideoOptions::default().fill_hole_area(8);
    let mut predictor = VideoPredictor::new(embedded::model(), info, options)?;

    let (_, first) = clip.frames_from(0)?.next().ok_or("the clip is empty")??;
    predictor.add_points(0, &first, 1, &Points::click(x, y))?;
    let folder = temp_dir().join("sam2_clip");
    std::fs::create_dir_all(&folder)?;
    let frames: Vec<usize> = predictor.begin(None, None, Direction::Forward)?.collect();
    for item in clip.walk(&frames)? {
        let (frame_idx, frame) = item?;
        let output = predictor.track_frame(frame_idx, &frame)?;
        let masks = output.masks();
        let named =
            output.objects.iter().zip(&masks).map(|(object, mask)| (object.obj_id as u8, mask.data()));
        let ids = png::merge_objects(info.width * info.height, named);
        png::write_indexed(&folder.join(format!("{frame_idx:05}.png")), size, &ids)?;
        for (object, mask) in output.objects.iter().zip(&masks) {
            let (id, score) = (object.obj_id, object.object_score);
            println!("frame {frame_idx}, object {id}: {} pixels, score {score:.1}", mask.area());
        }
    }
    println!("wrote {} label maps to {}", frames.len(), folder.display());
    Ok(())
}
