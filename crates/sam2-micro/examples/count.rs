//! A click on a drawn disc, or frames in which it is tracked: the program whose instructions are counted
//! under an emulator (`cargo xtask count`). No decoder and no file is needed.
//!
//! `cargo run --release -p sam2-micro --example count -- f32 click`, or `int8 4` for four frames of a clip.

use std::env::args;
use std::error::Error;

use sam2_model::models::{ModelOptions, Precision};
use sam2_model::video::VideoOptions;
use sam2_model::{Frame, ImagePredictor, Mask, Points, Tracker};

const WIDTH: usize = 160;
const HEIGHT: usize = 120;
const RADIUS: f32 = 22.0;
/// Of the disc with what is found of it: less means that a wrong result was counted.
const IOU: f64 = 0.9;

/// The centre of the disc.
fn centre(frame: usize) -> (f32, f32) {
    (60.0 + 4.0 * frame as f32, 56.0 + 2.0 * frame as f32)
}

fn inside(frame: usize, x: usize, y: usize) -> bool {
    let (cx, cy) = centre(frame);
    (x as f32 + 0.5 - cx).hypot(y as f32 + 0.5 - cy) < RADIUS
}

/// A reddish disc on a ground whose colours change slowly.
fn draw(frame: usize) -> Result<Frame, Box<dyn Error>> {
    let pixel = |i: usize| {
        let (x, y) = (i % WIDTH, i / WIDTH);
        let ground = [(40 + x / 4) as u8, (90 + y / 3) as u8, (120 + (x + y) / 8) as u8];
        if inside(frame, x, y) { [215, 70, 50] } else { ground }
    };
    Ok(Frame::new(WIDTH, HEIGHT, (0..WIDTH * HEIGHT).flat_map(pixel).collect())?)
}

fn check(frame: usize, mask: &Mask) -> Result<(), Box<dyn Error>> {
    let (mut both, mut either) = (0, 0);
    for (i, &found) in mask.data().iter().enumerate() {
        let drawn = inside(frame, i % WIDTH, i / WIDTH);
        both += usize::from(found && drawn);
        either += usize::from(found || drawn);
    }
    let iou = both as f64 / either as f64;
    println!("frame {frame}: {} pixels, IoU {iou:.3}", mask.area());
    if iou >= IOU { Ok(()) } else { Err(format!("frame {frame}: the IoU is below {IOU}").into()) }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = args().skip(1).collect();
    let [precision, part] = &args[..] else { return Err("usage: count PRECISION click|FRAMES".into()) };
    let precision: Precision = precision.parse()?;
    let model = sam2_micro::open(&ModelOptions::default().precision(precision))?;
    let (x, y) = centre(0);
    let click = Points::click(x, y);
    if part == "click" {
        let mut predictor = ImagePredictor::new(model);
        predictor.set_image(&draw(0)?);
        let prediction = predictor.predict(&click.into())?;
        return check(0, &prediction.mask(prediction.best()));
    }
    let mut tracker = Tracker::new(model, WIDTH, HEIGHT, VideoOptions::default())?;
    for i in 0..part.parse()? {
        let mut output = tracker.push(&draw(i)?)?;
        if i == 0 {
            output = tracker.add_points(1, &click)?;
        }
        check(i, &output.mask(0))?;
    }
    Ok(())
}
