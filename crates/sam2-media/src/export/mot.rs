//! Boxes and masks of MOTChallenge: `MOT` and `MOTS`.

use sam2_model::Rle;

use super::format::Options;
use super::set::{Object, Set, bbox};
use crate::error::ExportError;
use crate::pictures::png::merge_objects;

/// Boxes, as results, or as ground truth with classes and visibility in place of the last columns.
pub fn boxes(set: &Set, options: &Options, truth: bool) -> String {
    let mut text = String::new();
    let first = options.first_frame.unwrap_or(1);
    for frame in &set.frames {
        for object in &frame.objects {
            let [x, y, width, height] = if options.largest { largest(object) } else { object.bbox() };
            let rest = if truth {
                format!("1,{},1", set.classes.of(object.id) + 1)
            } else {
                format!("{},-1,-1,-1", object.score.unwrap_or(1.0))
            };
            let number = frame.index + first;
            text += &format!("{number},{},{x},{y},{width},{height},{rest}\n", object.id);
        }
    }
    text
}

/// The box of the piece with the most pixels.
fn largest(object: &Object) -> [usize; 4] {
    let (mask, mut best) = (object.rle.mask(), (0, [0; 4]));
    for piece in mask.polygons() {
        let piece = sam2_model::Mask::from_polygons(mask.width(), mask.height(), &[piece]);
        if piece.area() > best.0 {
            best = (piece.area(), bbox(&piece.rle()));
        }
    }
    best.1
}

/// `seqinfo.ini`, which readers of ground truth need for the length.
pub fn sequence(set: &Set) -> String {
    format!(
        "[Sequence]\nname={}\nimDir=img1\nframeRate={}\nseqLength={}\nimWidth={}\nimHeight={}\nimExt=.png\n",
        set.name, set.fps, set.length, set.size.0, set.size.1
    )
}

/// Run lengths, and the number of pixels that an object has lost to one with a lower number.
///
/// # Errors
/// If the number of an object does not fit.
pub fn masks(set: &Set, options: &Options) -> Result<(String, u64), ExportError> {
    const MOST: u32 = 999;
    let (mut text, mut lost) = (String::new(), 0);
    let first = options.first_frame.unwrap_or(0);
    if let Some(&id) = set.ids().iter().find(|id| **id > MOST) {
        return Err(ExportError::Number { format: "mots", id, least: 0, most: MOST });
    }
    for frame in &set.frames {
        let mut taken = vec![false; set.size.0 as usize * set.size.1 as usize];
        for object in &frame.objects {
            let mask = object.rle.mask();
            let free: Vec<bool> = mask.data().iter().zip(&taken).map(|(a, b)| *a && !b).collect();
            taken.iter_mut().zip(&free).for_each(|(a, b)| *a |= b);
            let Ok(mask) = sam2_model::Mask::new(mask.width(), mask.height(), free) else { continue };
            let rle = Rle::from(&mask);
            lost += object.rle.area() - rle.area();
            if rle.area() == 0 {
                continue;
            }
            let class = set.classes.of(object.id) + 1;
            text += &format!(
                "{} {} {class} {} {} {}\n",
                frame.index + first,
                class as u32 * 1000 + object.id,
                rle.height(),
                rle.width(),
                rle.to_coco_string()
            );
        }
    }
    Ok((text, lost))
}

/// Label map of a frame, and the number of pixels that an object has lost to one with a lower number.
///
/// # Errors
/// If the number of an object does not fit into a palette.
pub fn labels(set: &Set, objects: &[Object]) -> Result<(Vec<u8>, u64), ExportError> {
    let mut masks = Vec::with_capacity(objects.len());
    for object in objects {
        let id = u8::try_from(object.id).ok().filter(|id| *id > 0);
        let id = id.ok_or(ExportError::Number { format: "davis", id: object.id, least: 1, most: 255 })?;
        masks.push((id, object.rle.mask()));
    }
    let named = masks.iter().map(|(id, mask)| (*id, mask.data()));
    let labels = merge_objects(set.size.0 as usize * set.size.1 as usize, named);
    let kept = labels.iter().filter(|&&label| label > 0).count() as u64;
    let all: u64 = objects.iter().map(|object| object.rle.area()).sum();
    Ok((labels, all - kept))
}
