//! What the commands have written: `tracks.jsonl`, `masks.json`, the report of `sam2 segment --json`, the
//! answers of `sam2 stream`, and label maps.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use sam2_model::text::message;
use sam2_model::{Mask, Rle};
use serde_json::Value;

use super::images::Images;
use super::set::{Object, Picture, Set, name_of};
use crate::error::{ExportError, MediaError, in_full};
use crate::files;
use crate::frames::natural;
use crate::outputs::names;
use crate::pictures::label_map;
use crate::size::check_size;
use crate::text;

/// The longest line that is read, bytes.
const MAX_LINE: u64 = 64 << 20;

/// The remark about label maps.
const OVERLAPS: &str = "the masks are those of the palette PNGs, where overlapping objects have lost pixels \
                        to the lower number: the same run with --rle keeps them";

/// Objects of every frame, in the order of the frames.
type Frames = Vec<(usize, Vec<Object>)>;

/// The objects of a frame, which is added if it is missing.
fn on(frames: &mut Frames, index: usize) -> &mut Vec<Object> {
    let at = frames.partition_point(|(other, _)| *other < index);
    if frames.get(at).is_none_or(|(other, _)| *other != index) {
        frames.insert(at, (index, Vec::new()));
    }
    &mut frames[at].1
}

/// What belongs to a frame in a list that is in order.
fn of<T>(list: &[(usize, T)], index: usize) -> Option<&T> {
    let at = list.binary_search_by_key(&index, |(other, _)| *other).ok()?;
    Some(&list[at].1)
}

/// Reads a folder of `sam2 track`, `sam2 everything` or of label maps, or one of their lists. Masks are those
/// of the list if it has run lengths, else of the palette PNGs. With `images`, frames have the names of the
/// pictures. Returns remarks besides.
///
/// # Errors
/// If there are no masks, a list or a PNG is damaged, or the pictures are of another size or too few.
pub fn read(path: &Path, images: Option<&Images>) -> Result<(Set, Vec<String>), MediaError> {
    let (mut frames, mut size, mut stems, mut remarks) = (Frames::new(), None, Vec::new(), Vec::new());
    if path.is_dir() {
        let (tracks, masks) = (path.join("tracks.jsonl"), path.join("masks.json"));
        let maps = maps(path)?;
        if masks.is_file() && !tracks.is_file() {
            list(&masks, &mut frames, &mut size)?;
        } else {
            let exact = tracks.is_file() && lines(&tracks, &mut frames, &mut size)?;
            stems = named(path, &maps, &frames)?;
            if !exact {
                frames = label_maps(path, &stems, &frames, &mut size)?;
                remarks.push(OVERLAPS.to_owned());
            }
        }
    } else if path.extension().is_some_and(|extension| extension == "jsonl") {
        if !lines(path, &mut frames, &mut size)? {
            return Err(ExportError::NoMasks(path.to_owned()).into());
        }
    } else {
        list(path, &mut frames, &mut size)?;
    }
    let size = size.or(images.map(Images::size)).ok_or_else(|| ExportError::NoMasks(path.to_owned()))?;
    let mut set = match images {
        Some(images) => images.set(),
        None => Set::new(name_of(path), size),
    };
    check(&set, size, &frames, images)?;
    for (index, objects) in frames {
        let file = of(&stems, index).map(|stem| format!("{stem}.png"));
        set.frames.push(match images {
            Some(images) => images.picture(index, objects),
            None => Picture { index, file: file.unwrap_or_else(|| format!("{index:05}.png")), objects },
        });
    }
    Ok((set, remarks))
}

fn check(set: &Set, size: (u32, u32), frames: &Frames, images: Option<&Images>) -> Result<(), ExportError> {
    if set.size != size {
        let what = format!(
            "the results have {}x{} pixels, the pictures {}x{}",
            size.0, size.1, set.size.0, set.size.1
        );
        return Err(ExportError::Images { what });
    }
    match (images, frames.last()) {
        (Some(images), Some(&(last, _))) if last >= images.len() => {
            let what = format!("the results have a frame {last}, and there are {} pictures", images.len());
            Err(ExportError::Images { what })
        }
        _ => Ok(()),
    }
}

/// The label maps of a folder, in natural order.
fn maps(folder: &Path) -> Result<Vec<OsString>, MediaError> {
    let mut maps = files::list(folder, |file| file.extension().is_some_and(|e| e == "png"))?;
    natural::sort(&mut maps);
    Ok(maps)
}

/// The frames of the label maps and their names: by their numbers if all have one, else, with names of the
/// input, in the order of the frames of the list.
fn named(folder: &Path, maps: &[OsString], known: &Frames) -> Result<Vec<(usize, String)>, MediaError> {
    let stem =
        |name: &OsString| Path::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let number = |name: &OsString| name.to_str().and_then(names::frame);
    if maps.iter().all(|name| number(name).is_some()) {
        return Ok(maps.iter().filter_map(|name| Some((number(name)?, stem(name)))).collect());
    }
    if !known.is_empty() && known.len() != maps.len() {
        let reason = format!("it has {} frames, and {} label maps lie beside it", known.len(), maps.len());
        return Err(ExportError::Results { path: folder.join("tracks.jsonl"), line: 0, reason }.into());
    }
    let order = (0..maps.len()).map(|i| known.get(i).map_or(i, |(index, _)| *index));
    Ok(order.zip(maps.iter().map(stem)).collect())
}

/// The objects of label maps; scores are those of the list.
fn label_maps(
    folder: &Path,
    stems: &[(usize, String)],
    listed: &Frames,
    size: &mut Option<(u32, u32)>,
) -> Result<Frames, MediaError> {
    let mut frames = Frames::new();
    for (index, stem) in stems {
        let path = folder.join(format!("{stem}.png"));
        let labels = label_map::read(&path)?;
        same_size(&path, 0, size, labels.size)?;
        let mut present = [false; 256];
        labels.data.iter().for_each(|&label| present[usize::from(label)] = true);
        let objects = (1..=u8::MAX).filter(|&label| present[usize::from(label)]).filter_map(|label| {
            let id = u32::from(label);
            let inside = labels.data.iter().map(|&other| other == label).collect();
            let rle = Mask::new(labels.size.0 as usize, labels.size.1 as usize, inside).ok()?.rle();
            let known = of(listed, *index).and_then(|objects| objects.iter().find(|object| object.id == id));
            Some(Object { id, score: known.and_then(|object| object.score), rle })
        });
        *on(&mut frames, *index) = objects.collect();
    }
    Ok(frames)
}

fn same_size(
    path: &Path,
    line: usize,
    size: &mut Option<(u32, u32)>,
    found: (u32, u32),
) -> Result<(), ExportError> {
    let first = *size.get_or_insert(found);
    if first == found {
        return Ok(());
    }
    let reason = format!("a mask has {}x{} pixels, the first one {}x{}", found.0, found.1, first.0, first.1);
    Err(ExportError::Results { path: path.to_owned(), line, reason })
}

/// Reads `tracks.jsonl` or the answers of a stream; returns whether every line has run lengths. Without,
/// objects have masks of one pixel, which stand for their scores.
fn lines(path: &Path, frames: &mut Frames, size: &mut Option<(u32, u32)>) -> Result<bool, MediaError> {
    let file = File::open(path).map_err(|source| MediaError::Open { path: path.to_owned(), source })?;
    let (mut reader, mut exact, mut bytes) = (BufReader::new(file), true, Vec::new());
    for line in 1.. {
        bytes.clear();
        let read = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes);
        let wrong = |reason: String| ExportError::Results { path: path.to_owned(), line, reason };
        if read.map_err(|error| wrong(error.to_string()))? == 0 {
            break;
        }
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| wrong(message(&error)))?;
        let index = value["frame"].as_u64().ok_or_else(|| wrong("it has no frame".to_owned()))? as usize;
        // A refused command of a stream.
        if value["error"].is_string() {
            continue;
        }
        let objects = value["objects"].as_array().map_or(std::slice::from_ref(&value), Vec::as_slice);
        on(frames, index);
        for object in objects {
            let id = object["obj_id"].as_u64().and_then(|id| u32::try_from(id).ok());
            let id = id.ok_or_else(|| wrong("it has no obj_id".to_owned()))?;
            let score = object["predicted_iou"].as_f64().map(|score| score as f32);
            let mask = &object["rle"];
            exact &= mask.is_object();
            let rle = if mask.is_object() { rle(mask).map_err(wrong)? } else { stand_in() };
            if mask.is_object() {
                same_size(path, line, size, (rle.width() as u32, rle.height() as u32))?;
            }
            on(frames, index).push(Object { id, score, rle });
        }
    }
    if !exact {
        *size = None;
    }
    Ok(exact && size.is_some())
}

fn stand_in() -> Rle {
    Rle::from_counts(1, 1, vec![1]).expect("one pixel")
}

/// Reads the list of `sam2 everything` or the report of `sam2 segment --json --rle`: masks of one photo.
fn list(path: &Path, frames: &mut Frames, size: &mut Option<(u32, u32)>) -> Result<(), MediaError> {
    let text = text::read(path, "the results in")?;
    let wrong = |reason: String| ExportError::Results { path: path.to_owned(), line: 0, reason };
    let value: Value = serde_json::from_str(&text).map_err(|error| wrong(message(&error)))?;
    let best = |object: &Value| {
        let best = object["best"].as_u64().unwrap_or(0) as usize;
        object["masks"].get(best).map(|mask| (mask["rle"].clone(), mask["predicted_iou"].as_f64()))
    };
    let found: Vec<(Value, Option<f64>)> = match (&value, value["objects"].as_array()) {
        (Value::Array(masks), _) => {
            masks.iter().map(|mask| (mask["segmentation"].clone(), mask["predicted_iou"].as_f64())).collect()
        }
        (_, Some(objects)) => objects.iter().filter_map(best).collect(),
        _ => best(&value).into_iter().collect(),
    };
    if !value.is_array() && found.is_empty() {
        return Err(ExportError::NoMasks(path.to_owned()).into());
    }
    let objects = on(frames, 0);
    for ((mask, score), id) in found.into_iter().zip(1..) {
        if mask.is_null() {
            return Err(wrong("it has no run lengths: write it with --rle".to_owned()).into());
        }
        let rle = rle(&mask).map_err(wrong)?;
        same_size(path, 0, size, (rle.width() as u32, rle.height() as u32))?;
        objects.push(Object { id, score: score.map(|score| score as f32), rle });
    }
    Ok(())
}

/// A mask as COCO's run lengths, or as rows of 0 and 1.
fn rle(value: &Value) -> Result<Rle, String> {
    let number = |value: &Value| value.as_u64().and_then(|n| u32::try_from(n).ok()).ok_or(NO_MASK);
    if let Some(rows) = value.as_array() {
        let (height, width) = (rows.len(), rows.first().and_then(Value::as_array).map_or(0, Vec::len));
        let mut inside = Vec::new();
        for pixel in rows.iter().filter_map(Value::as_array).flatten() {
            inside.push(number(pixel)? != 0);
        }
        return Ok(Mask::new(width, height, inside).map_err(|error| in_full(&error))?.rle());
    }
    let (height, width) = (number(&value["size"][0])?, number(&value["size"][1])?);
    check_size(width, height).map_err(|error| error.to_string())?;
    let (width, height) = (width as usize, height as usize);
    let read = match (&value["counts"], value["counts"].as_array()) {
        (Value::String(text), _) => Rle::from_coco_string(width, height, text),
        (_, Some(counts)) => {
            Rle::from_counts(width, height, counts.iter().map(number).collect::<Result<_, _>>()?)
        }
        _ => return Err(NO_MASK.to_owned()),
    };
    read.map_err(|error| in_full(&error))
}

const NO_MASK: &str = "a mask is neither {\"size\":[height,width],\"counts\":...} nor rows of 0 and 1";
