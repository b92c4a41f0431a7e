//! Overlays and cut-outs: a video, an animated picture, or a folder.

use std::io;
use std::path::Path;

use image::RgbImage;
use sam2_model::{Frame, Mask};

use super::format::Options;
use super::images::Images;
use super::place::{Place, extension};
use super::set::{Picture, Set};
use crate::error::MediaError;
use crate::files;
use crate::frames::encode::{self, Encoder};
use crate::frames::gif;
use crate::pictures::{overlay, png};

/// Frames in order, drawn: three bytes a pixel, or four with opacity.
type Drawn<'a> = &'a mut dyn Iterator<Item = Result<Vec<u8>, MediaError>>;

/// Writes overlays, or with `alpha` cut-outs.
///
/// # Errors
/// If a picture cannot be read, or a file not be written.
pub fn write(
    set: &Set,
    images: &Images,
    place: &Place,
    alpha: bool,
    options: &Options,
) -> Result<(), MediaError> {
    let frames = images.frames(set.frames.iter().map(|frame| frame.index).collect())?;
    let mut drawn = set.frames.iter().zip(frames).map(|(picture, frame)| {
        let frame = frame?.1;
        Ok(if alpha { cut_out(picture, &frame) } else { draw(picture, &frame, options).into_raw() })
    });
    match place {
        Place::Folder(folder) => {
            for (picture, pixels) in set.frames.iter().zip(&mut drawn) {
                let (file, pixels) = (folder.join(format!("{}.png", picture.stem())), pixels?);
                if alpha { png::write_rgba(&file, set.size, &pixels)? } else { save(&file, set, pixels)? }
            }
            files::sync_folder(folder)
        }
        Place::File(path) if encode::EXTENSIONS.contains(&extension(path).as_str()) => {
            let mut video = Encoder::start(path, set.size, set.fps, alpha)?;
            drawn.try_for_each(|pixels| video.push(pixels?))?;
            video.finish()
        }
        Place::File(path) => animate(path, set, &mut drawn),
    }
}

fn save(file: &Path, set: &Set, pixels: Vec<u8>) -> Result<(), MediaError> {
    RgbImage::from_raw(set.size.0, set.size.1, pixels)
        .map_or(Ok(()), |picture| png::write_rgb(file, &picture))
}

/// An animated GIF or PNG.
fn animate(path: &Path, set: &Set, drawn: Drawn) -> Result<(), MediaError> {
    let mut failed = None;
    let mut next = || match drawn.next().transpose() {
        Ok(pixels) => Ok(pixels),
        Err(error) => {
            failed = Some(error);
            Err(io::Error::other("a frame is missing"))
        }
    };
    let written = files::write(path, |file| {
        if extension(path) == "apng" {
            let count = u32::try_from(set.frames.len()).unwrap_or(u32::MAX);
            return png::write_animation(file, set.size, (count, set.fps), &mut next);
        }
        let mut gif = gif::Writer::new(file)?;
        // A GIF counts in hundredths of a second; their sum stays that of the clip.
        let hundredths = |frames: usize| (100.0 * frames as f64 / set.fps).round() as u32;
        let mut count = 0;
        while let Some(pixels) = next()? {
            let Some(frame) = RgbImage::from_raw(set.size.0, set.size.1, pixels) else { break };
            gif.push(frame, 10 * (hundredths(count + 1) - hundredths(count)))?;
            count += 1;
        }
        Ok(())
    });
    failed.map_or(written, Err)
}

/// The masks on a copy of the frame, the highest number first, so that lower numbers are on top.
fn draw(picture: &Picture, frame: &Frame, options: &Options) -> RgbImage {
    let mut drawn = overlay::picture(frame);
    let masks: Vec<(u32, Mask)> =
        picture.objects.iter().map(|object| (object.id, object.rle.mask())).collect();
    for (id, mask) in masks.iter().rev() {
        overlay::mask_with(&mut drawn, mask.data(), overlay::colour(*id), options.alpha);
    }
    for (id, mask) in masks.iter().filter(|_| options.labels) {
        overlay::label(&mut drawn, mask.data(), *id, overlay::colour(*id));
    }
    drawn
}

/// The frame, transparent outside of all masks.
fn cut_out(picture: &Picture, frame: &Frame) -> Vec<u8> {
    let mut rgba = Vec::with_capacity(frame.rgb().len() / 3 * 4);
    frame.rgb().chunks_exact(3).for_each(|pixel| rgba.extend([pixel[0], pixel[1], pixel[2], 0]));
    for object in &picture.objects {
        let mask = object.rle.mask();
        for (pixel, _) in rgba.chunks_exact_mut(4).zip(mask.data()).filter(|(_, inside)| **inside) {
            pixel[3] = u8::MAX;
        }
    }
    rgba
}
