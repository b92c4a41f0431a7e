//! Milliseconds of an encoded picture, a click and a tracked frame of 854×480.
//!
//! `cargo run --release -p sam2 --example times [CHECKPOINT]` prints each once, by default those of the
//! embedded model. With `-` after CHECKPOINT (or `micro`) it reads their names from stdin, one a line, and
//! answers each with its time: so `tools/python_times.py` runs this program and the Python package in turns.

use std::env::args;
use std::error::Error;
use std::io::{Write, stdin, stdout};
use std::sync::Arc;
use std::time::Instant;

use sam2::media::frames::Clip;
use sam2::video::{Direction, VideoInfo, VideoOptions};
use sam2::{Frame, ImagePredictor, Mask, Model, Points, VideoPredictor, embedded};

const PARTS: [&str; 3] = ["encode", "click", "track"];
const SIZE: (usize, usize) = (854, 480);
/// Frames of a pass. Then the clip begins anew.
const FRAMES: usize = 16;
/// On the object of the bundled clip, in the enlarged picture.
const CLICK: (f32, f32) = (365.0, 170.0);

struct Times {
    frames: Vec<Frame>,
    image: ImagePredictor,
    video: VideoPredictor,
    /// The frames of the pass that are still to come, the last one first.
    ahead: Vec<usize>,
}

impl Times {
    fn new(model: Arc<Model>) -> Result<Self, Box<dyn Error>> {
        let clip = Clip::embedded(embedded::DEMO_CLIP)?;
        let frames = clip.frames_from(0)?.take(FRAMES).map(|item| enlarged(&item?.1));
        let frames = frames.collect::<Result<Vec<Frame>, Box<dyn Error>>>()?;
        let mut image = ImagePredictor::new(Arc::clone(&model));
        image.set_image(&frames[0]);
        // As the Python package's builder of a model for videos.
        let options = VideoOptions::of(model.config()).fill_hole_area(8);
        let video = VideoPredictor::new(model, VideoInfo::new(SIZE.0, SIZE.1, FRAMES), options)?;
        Ok(Self { frames, image, video, ahead: Vec::new() })
    }

    fn milliseconds(&mut self, part: &str) -> Result<f64, Box<dyn Error>> {
        let click = Points::click(CLICK.0, CLICK.1);
        if part == "track" && self.ahead.is_empty() {
            self.video.reset();
            self.video.add_points(0, &self.frames[0], 1, &click)?;
            self.ahead = self.video.begin(None, None, Direction::Forward)?.collect();
            self.ahead.reverse();
            // The masks of the prompted frame are there already.
            let first = self.ahead.pop().ok_or("the pass has no frame")?;
            self.video.track_frame(first, &self.frames[first])?;
        }
        let start = Instant::now();
        // What is returned lives until the clock was read, as in Python.
        let (masks, logits): (Vec<Mask>, Vec<Vec<f32>>) = match part {
            "encode" => {
                self.image.set_image(&self.frames[0]);
                (Vec::new(), Vec::new())
            }
            "click" => {
                let prediction = self.image.predict(&click.into())?;
                ((0..prediction.len()).map(|k| prediction.mask(k)).collect(), Vec::new())
            }
            "track" => {
                let index = self.ahead.pop().ok_or("the pass has no frame")?;
                let output = self.video.track_frame(index, &self.frames[index])?;
                (Vec::new(), (0..output.objects.len()).map(|i| output.mask_logits(i)).collect())
            }
            _ => return Err(format!("{part:?} is not one of {}", PARTS.join(", ")).into()),
        };
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        std::hint::black_box((masks, logits));
        Ok(milliseconds)
    }
}

/// The nearest pixels at the size of the clip.
fn enlarged(frame: &Frame) -> Result<Frame, Box<dyn Error>> {
    let (width, height) = (frame.width(), frame.height());
    let places =
        (0..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| (x * width / SIZE.0, y * height / SIZE.1)));
    let pixels = places.flat_map(|(x, y)| frame.rgb()[(y * width + x) * 3..][..3].iter().copied());
    Ok(Frame::new(SIZE.0, SIZE.1, pixels.collect())?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = args().skip(1).collect();
    let model = match args.first().map_or("micro", String::as_str) {
        "micro" => embedded::model(),
        path => Model::open(path)?,
    };
    let mut times = Times::new(model)?;
    if args.get(1).is_some_and(|second| second == "-") {
        for part in stdin().lines() {
            println!("{}", times.milliseconds(part?.trim())?);
            stdout().flush()?;
        }
        return Ok(());
    }
    for part in PARTS {
        println!("{part}: {:.2} ms", times.milliseconds(part)?);
    }
    Ok(())
}
