//! A click on an object in a photo gives its mask as a PNG.
//!
//! `cargo run -p sam2 --example photo [PHOTO X Y [CHECKPOINT]]`; without arguments the bundled picture and
//! model.

use std::env::{args, temp_dir};
use std::error::Error;
use std::path::Path;

use sam2::media::frames::{Clip, photo};
use sam2::media::pictures::png;
use sam2::{ImagePredictor, Model, Points, embedded};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = args().skip(1).collect();
    let (picture, x, y) = match args.as_slice() {
        [] => {
            let clip = Clip::embedded(embedded::DEMO_CLIP)?;
            (clip.frames_from(0)?.next().ok_or("the clip is empty")??.1, 109.5, 90.5)
        }
        [path, x, y, ..] => (photo::read(Path::new(path))?, x.parse()?, y.parse()?),
        _ => return Err("give PHOTO X Y [CHECKPOINT], or nothing".into()),
    };
    let model = args.get(3).map_or_else(|| Ok(embedded::model()), Model::open)?;

    let mut predictor = ImagePredictor::new(model);
    predictor.set_image(&picture);
    let prediction = predictor.predict(&Points::click(x, y).into())?;
    for k in 0..prediction.len() {
        let (mask, iou) = (prediction.mask(k), prediction.ious()[k]);
        let stability = prediction.stability_score(k);
        println!("mask {k}: {} pixels, predicted IoU {iou:.3}, stability {stability:.3}", mask.area());
    }
    let mask = prediction.mask(prediction.best());
    let path = temp_dir().join("sam2_photo.png");
    png::write_mask(&path, (mask.width() as u32, mask.height() as u32), mask.data())?;
    println!("wrote mask {} to {}", prediction.best(), path.display());
    Ok(())
}
