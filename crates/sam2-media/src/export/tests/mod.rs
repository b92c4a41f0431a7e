//! Every format is read back by a reader that shares nothing with its writer, and filled again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sam2_model::{Mask, Rle};
use serde_json::Value;
use tempfile::TempDir;

mod clips;
mod pictures;

use super::*;
use crate::pictures::{label_map, png};

const WIDTH: usize = 48;
const HEIGHT: usize = 36;
const NAMES: [&str; 3] = ["a, \"red\" car", "Größe = 3", "object"];

/// Masks by frame and object.
type Masks = BTreeMap<(usize, u32), Vec<bool>>;

fn shape(inside: impl Fn(i32, i32) -> bool) -> Vec<bool> {
    (0..WIDTH * HEIGHT).map(|i| inside((i % WIDTH) as i32, (i / WIDTH) as i32)).collect()
}

fn disc(x: i32, y: i32, (cx, cy): (i32, i32), radius: i32) -> bool {
    (x - cx).pow(2) + (y - cy).pow(2) < radius.pow(2)
}

/// One pixel, a hole, islands in a hole, pieces that touch at a corner, the whole frame, and an object that
/// comes and goes; overlaps among them. Object 9 is empty everywhere.
fn masks() -> Masks {
    let ring = |x, y| disc(x, y, (18, 17), 15) && !disc(x, y, (18, 17), 10);
    let mut masks = Masks::new();
    for frame in [0, 1, 2, 5] {
        masks.insert((frame, 1), shape(|x, y| (x, y) == (47, 35)));
        masks.insert(
            (frame, 3),
            shape(|x, y| ring(x, y) || disc(x, y, (18, 17), 4) && !disc(x, y, (18, 17), 2)),
        );
        masks.insert((frame, 255), shape(|x, y| x < 9 && y < 9 && (x / 3 + y / 3) % 2 == 0));
        masks.insert((frame, 9), shape(|_, _| false));
    }
    masks.insert((1, 2), shape(|x, y| (30..40).contains(&x) && y > 3 || disc(x, y, (24, 30), 3)));
    masks.insert((2, 2), shape(|_, _| false));
    masks.insert((5, 2), shape(|_, _| true));
    masks
}

fn set_of(masks: &Masks) -> Set {
    let mut set = Set::new("Clip ä", (WIDTH as u32, HEIGHT as u32));
    for (&(index, id), data) in masks {
        if set.frames.last().is_none_or(|frame| frame.index != index) {
            let file = format!("Bild, \"{index}\" ü.png");
            set.frames.push(Picture { index, file, objects: Vec::new() });
        }
        let rle = Mask::new(WIDTH, HEIGHT, data.clone()).expect("a mask").rle();
        let frame = set.frames.last_mut().expect("a frame");
        frame.objects.push(Object { id, score: Some(0.5), rle });
    }
    set.length = 6;
    set.reduce(1, 0);
    let names = NAMES.map(str::to_owned).to_vec();
    set.classes = Classes::new(Some(names), "1=a, \"red\" car,2=Größe = 3", &set.ids()).expect("classes");
    set
}

/// The masks that are not empty.
fn visible(masks: &Masks) -> Masks {
    masks.iter().filter(|(_, data)| data.contains(&true)).map(|(&key, data)| (key, data.clone())).collect()
}

fn write(format: Format, set: &Set, options: &Options, images: Option<&Images>) -> (TempDir, Vec<String>) {
    let place = tempfile::tempdir().expect("temporary folder");
    let job = Job::new(format, place.path().join("out"), options.clone()).expect("a folder");
    job.prepare().expect("a folder");
    let remarks = job.write(set, images).expect("written");
    (place, remarks)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

/// Even-odd rule at the centre of every pixel, by crossings of a ray.
fn fill(loops: &[Vec<[f64; 2]>]) -> Vec<bool> {
    shape(|x, y| {
        let (x, y) = (f64::from(x) + 0.5, f64::from(y) + 0.5);
        let crossings = loops.iter().flat_map(|corners| {
            corners.iter().zip(corners.iter().cycle().skip(1)).filter(|(a, b)| {
                (a[1] > y) != (b[1] > y) && x < a[0] + (y - a[1]) * (b[0] - a[0]) / (b[1] - a[1])
            })
        });
        crossings.count() % 2 == 1
    })
}

fn points(value: &Value) -> Vec<[f64; 2]> {
    let flat: Vec<f64> = match value[0].is_array() {
        true => value
            .as_array()
            .expect("points")
            .iter()
            .flat_map(|p| [p[0].as_f64(), p[1].as_f64()])
            .flatten()
            .collect(),
        false => value.as_array().expect("numbers").iter().filter_map(Value::as_f64).collect(),
    };
    flat.chunks_exact(2).map(|point| [point[0], point[1]]).collect()
}

fn decoded(rle: &Value) -> Vec<bool> {
    assert_eq!((rle["size"][0].as_u64(), rle["size"][1].as_u64()), (Some(HEIGHT as u64), Some(WIDTH as u64)));
    let text = rle["counts"].as_str().expect("a string");
    Rle::from_coco_string(WIDTH, HEIGHT, text).expect("run lengths").mask().data().to_vec()
}

fn iou(a: &[bool], b: &[bool]) -> f64 {
    let both = a.iter().zip(b).filter(|(a, b)| **a && **b).count();
    let any = a.iter().zip(b).filter(|(a, b)| **a || **b).count();
    if any == 0 { 1.0 } else { both as f64 / any as f64 }
}

#[track_caller]
fn same(found: &Masks, expected: &Masks, least: f64) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, data) in expected {
        let iou = iou(&found[key], data);
        assert!(iou >= least, "{key:?}: IoU {iou}");
    }
}

fn pictures(place: &Path) -> Images {
    let folder = place.join("frames");
    fs::create_dir(&folder).expect("folder");
    for index in 0..6 {
        let picture = image::RgbImage::from_pixel(WIDTH as u32, HEIGHT as u32, image::Rgb([40 * index; 3]));
        png::write_rgb(&folder.join(format!("Bild, \"{index}\" ü.png")), &picture).expect("a picture");
    }
    Images::open(&folder).expect("a folder")
}

#[test]
fn two_hundred_and_fifty_five_objects_fit_into_every_format() {
    let mut masks = Masks::new();
    for id in 1..=255_u32 {
        let (left, top) = ((id as i32 - 1) % 24 * 2, (id as i32 - 1) / 24 * 3);
        masks.insert((0, id), shape(|x, y| (left..left + 2).contains(&x) && (top..top + 3).contains(&y)));
    }
    let set = set_of(&masks);
    let inputs = tempfile::tempdir().expect("temporary folder");
    let images = pictures(inputs.path());
    for format in [
        Format::Coco,
        Format::Ytvis,
        Format::Sav,
        Format::Yolo,
        Format::Labelme,
        Format::Mot,
        Format::Mots,
        Format::Davis,
        Format::SavPng,
    ] {
        let (place, remarks) = write(format, &set, &Options::default(), Some(&images));
        assert!(remarks.is_empty(), "{remarks:?}");
        let out = place.path().join("out");
        let list = |name: &str| fs::read_to_string(out.join(name)).expect("a list");
        let count = match format {
            Format::Coco | Format::Ytvis => {
                json(&out.join("instances.json"))["annotations"].as_array().map(Vec::len)
            }
            Format::Sav => json(&out.join("Clip ä_manual.json"))["masklet"][0].as_array().map(Vec::len),
            Format::Yolo => Some(list("labels/Bild, \"0\" ü.txt").lines().count()),
            Format::Labelme => json(&out.join("Bild, \"0\" ü.json"))["shapes"].as_array().map(Vec::len),
            Format::Mot => Some(list("gt/gt.txt").lines().count()),
            Format::Mots => Some(list("Clip ä.txt").lines().count()),
            Format::Davis => {
                let labels = label_map::read(&out.join("Bild, \"0\" ü.png")).expect("labels").data;
                Some((1..=255).filter(|id| labels.contains(id)).count())
            }
            _ => fs::read_dir(out.join("Clip ä")).ok().map(Iterator::count),
        };
        assert_eq!(count, Some(255), "{format}");
    }
}

#[test]
fn animations_and_cut_outs_have_the_masks_on_them() {
    let masks = masks();
    let set = set_of(&masks);
    let inputs = tempfile::tempdir().expect("temporary folder");
    let images = pictures(inputs.path());
    let (place, _) = write(Format::Alpha, &set, &Options::default(), Some(&images));
    let cut = image::open(place.path().join("out/Bild, \"1\" ü.png")).expect("a cut-out").into_rgba8();
    let union: Vec<bool> =
        (0..WIDTH * HEIGHT).map(|i| masks.iter().any(|(&(frame, _), data)| frame == 1 && data[i])).collect();
    let opaque: Vec<bool> = cut.pixels().map(|pixel| pixel.0[3] == 255).collect();
    assert_eq!(opaque, union);
    assert!(cut.pixels().all(|pixel| pixel.0[..3] == [40; 3]));
    for name in ["o.gif", "o.apng"] {
        let path = place.path().join(name);
        let options = Options { labels: true, ..Options::default() };
        Job::new(Format::Overlay, path.clone(), options)
            .expect("a file")
            .write(&set, Some(&images))
            .expect("written");
        let clip = crate::frames::Clip::open(&path, None).expect("a clip");
        assert_eq!((clip.len(), clip.size()), (4, (WIDTH as u32, HEIGHT as u32)));
        let fps = clip.fps().expect("a rate");
        assert!((fps - 24.0).abs() <= if name.ends_with("gif") { 1.0 } else { 1e-6 }, "{fps}");
    }
    for name in ["o.mkv", "o.avi", "o.png"] {
        let error = Job::new(Format::Overlay, name.into(), Options::default()).expect_err(name).to_string();
        assert!(error.contains(name) && error.contains(".mp4"), "{error}");
    }
}
