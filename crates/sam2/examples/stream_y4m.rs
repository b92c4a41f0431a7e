//! Tracks an object through a Y4M stream as its frames arrive, for instance of a camera:
//!
//! `ffmpeg -f v4l2 -i /dev/video0 -f yuv4mpegpipe - | cargo run -p sam2 --example stream_y4m -- -`
//!
//! The object is the one in the centre of the first frame. Without an argument the bundled clip, as Y4M.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};

use sam2::media::frames::{Clip, Stream};
use sam2::video::VideoOptions;
use sam2::{Points, Tracker, embedded};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = std::env::args().nth(1).map_or_else(|| bundled(folder.path()), |path| Ok(path.into()))?;
    let mut stream = Stream::open(&path, None, None)?;
    let (width, height) = (stream.size().0 as usize, stream.size().1 as usize);
    let mut tracker = Tracker::new(embedded::model(), width, height, VideoOptions::default())?;
    while let Some((frame_idx, frame)) = stream.next_frame()? {
        let mut output = tracker.push(&frame)?;
        if frame_idx == 0 {
            output = tracker.add_points(1, &Points::click(width as f32 / 2.0, height as f32 / 2.0))?;
        }
        let object = &output.objects[0];
        let mask = output.mask(0);
        let event = object.event.map_or("", |event| event.name());
        println!("frame {frame_idx}: {} pixels, box {:?} {event}", mask.area(), mask.bbox_xyxy());
    }
    Ok(())
}

/// The bundled clip as a Y4M file, 4:4:4 with full range.
fn bundled(folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let clip = Clip::embedded(embedded::DEMO_CLIP)?;
    let path = folder.join("demo.y4m");
    let mut file = std::fs::File::create(&path)?;
    writeln!(file, "YUV4MPEG2 W{} H{} F10:1 C444 XCOLORRANGE=FULL", clip.size().0, clip.size().1)?;
    for item in clip.frames_from(0)? {
        writeln!(file, "FRAME")?;
        let (_, frame) = item?;
        // ITU-R BT.601: weights of red, green and blue in Y, Cb and Cr.
        for (offset, weights) in
            [(0.0, [0.299, 0.587, 0.114]), (128.0, [-0.1687, -0.3313, 0.5]), (128.0, [0.5, -0.4187, -0.0813])]
        {
            let value = |pixel: &[u8]| {
                offset + pixel.iter().zip(weights).map(|(&x, w)| f64::from(x) * w).sum::<f64>()
            };
            let plane: Vec<u8> = frame.rgb().chunks(3).map(|pixel| value(pixel).round() as u8).collect();
            file.write_all(&plane)?;
        }
    }
    Ok(path)
}
