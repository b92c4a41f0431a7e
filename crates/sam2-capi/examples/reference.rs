//! The bundled clip as a stream of PPM pictures, and the masks that Rust finds in it as PGM pictures, with
//! which those of C are compared.
//!
//! ```sh
//! cargo run --release -p sam2-capi --example reference -- clip > clip.ppm
//! cargo run --release -p sam2-capi --example reference -- track 109.5 90.5 > masks.pgm
//! ```

use std::error::Error;
use std::io::{self, BufWriter, Write};

use sam2_media::frames::Clip;
use sam2_model::image::{ImagePrompt, Multimask};
use sam2_model::video::{Direction, VideoInfo, VideoOptions};
use sam2_model::{Frame, ImagePredictor, Mask, Points, Tracker, VideoPredictor};

fn write(out: &mut impl Write, mask: &Mask) -> io::Result<()> {
    let bytes: Vec<u8> = mask.data().iter().map(|&inside| if inside { 255 } else { 0 }).collect();
    write!(out, "P5\n{} {}\n255\n", mask.width(), mask.height())?;
    out.write_all(&bytes)
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let usage = "usage: reference clip | segment X Y | track X Y | video X Y";
    let clip = Clip::embedded(sam2_micro::DEMO_CLIP)?;
    let frames = clip.frames_from(0)?.map(|item| item.map(|(_, frame)| frame));
    let frames: Vec<Frame> = frames.collect::<Result<_, _>>()?;
    let (width, height) = (frames[0].width(), frames[0].height());
    let mut out = BufWriter::new(io::stdout().lock());
    let (what, click) = match args[..] {
        ["clip"] => {
            for frame in &frames {
                write!(out, "P6\n{width} {height}\n255\n")?;
                out.write_all(frame.rgb())?;
            }
            return Ok(out.flush()?);
        }
        [what, x, y] => (what, Points::click(x.parse()?, y.parse()?).allow_outside(true)),
        _ => return Err(usage.into()),
    };
    let model = sam2_micro::model();
    let options = VideoOptions::of(model.config());
    match what {
        "segment" => {
            let mut predictor = ImagePredictor::new(model);
            predictor.set_image(&frames[0]);
            let prediction = predictor.predict(&ImagePrompt::from(click).multimask(Multimask::Three))?;
            write(&mut out, &prediction.mask(prediction.best()))?;
        }
        "track" => {
            let mut tracker = Tracker::new(model, width, height, options)?;
            for (i, frame) in frames.iter().enumerate() {
                let mut output = tracker.push(frame)?;
                if i == 0 {
                    output = tracker.add_points(1, &click)?;
                }
                write(&mut out, &output.mask(0))?;
            }
        }
        // Backwards from the middle, as tests/c/clip.cpp.
        "video" => {
            let info = VideoInfo::new(width, height, frames.len());
            let mut predictor = VideoPredictor::new(model, info, options)?;
            let middle = frames.len() / 2;
            predictor.add_points(middle, &frames[middle], 7, &click)?;
            for at in predictor.begin(None, None, Direction::Reverse)? {
                write(&mut out, &predictor.track_frame(at, &frames[at])?.mask(0))?;
            }
        }
        _ => return Err(usage.into()),
    }
    Ok(out.flush()?)
}
