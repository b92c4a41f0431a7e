//! Segmentation labels of ultralytics: a row `class x1 y1 … xn yn` per object, in shares of the sides.

use sam2_model::types::Polygon;

use super::format::Options;
use super::outline::{self, Loop};
use super::set::{Object, Picture, Set};

/// The label file of a picture, and how many pixels of its objects differ when its rows are filled again.
pub fn text(set: &Set, frame: &Picture, options: &Options) -> (String, u64) {
    let (mut text, mut differing) = (String::new(), 0);
    let (width, height) = (f64::from(set.size.0), f64::from(set.size.1));
    for object in &frame.objects {
        let polygons = outline::of(&object.rle, options.simplify);
        let corners = joined(&polygons, !options.drop_holes);
        text += &set.classes.of(object.id).to_string();
        for [x, y] in &corners {
            text += &format!(" {:.6} {:.6}", f64::from(*x) / width, f64::from(*y) / height);
        }
        text.push('\n');
        differing += difference(object, &corners);
    }
    (text, differing)
}

fn difference(object: &Object, corners: &Loop) -> u64 {
    let mask = object.rle.mask();
    let filled = outline::filled(mask.width(), mask.height(), std::iter::once(corners), 0.0);
    mask.data().iter().zip(&filled).filter(|(a, b)| a != b).count() as u64
}

/// One loop of all pieces, and of their holes if they are wanted: bridges of no width, there and back, lead
/// from each to the nearest corner of what there is.
pub fn joined(polygons: &[Polygon], holes: bool) -> Loop {
    let mut whole = Loop::new();
    for polygon in polygons {
        let holes = if holes { polygon.holes.as_slice() } else { &[] };
        for part in std::iter::once(&polygon.outer).chain(holes) {
            join(&mut whole, part);
        }
    }
    whole
}

fn join(whole: &mut Loop, part: &Loop) {
    if whole.is_empty() {
        whole.clone_from(part);
        return;
    }
    let distance = |a: [u32; 2], b: [u32; 2]| {
        let (dx, dy) = (i64::from(a[0]) - i64::from(b[0]), i64::from(a[1]) - i64::from(b[1]));
        dx * dx + dy * dy
    };
    let (mut at, mut from, mut least) = (0, 0, i64::MAX);
    for (i, &a) in whole.iter().enumerate() {
        for (j, &b) in part.iter().enumerate() {
            if distance(a, b) < least {
                (at, from, least) = (i, j, distance(a, b));
            }
        }
    }
    // … a, b, the rest of the part, b, a, …
    let around = part.iter().cycle().skip(from).take(part.len() + 1).copied();
    let bridge: Loop = around.chain(std::iter::once(whole[at])).collect();
    whole.splice(at + 1..at + 1, bridge);
}

/// `data.yaml`; strings of JSON are strings of YAML.
pub fn data(folder: &str, names: &[String]) -> String {
    let mut text = format!("path: {folder}\ntrain: images\nval: images\nnames:\n");
    for (i, name) in names.iter().enumerate() {
        text += &format!("  {i}: {}\n", super::json::quoted(name));
    }
    text
}
