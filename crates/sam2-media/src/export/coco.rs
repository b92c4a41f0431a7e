//! COCO: one JSON file of polygons or run lengths.

use super::format::Options;
use super::json::{categories, joined, quoted, rle};
use super::outline;
use super::set::{Object, Set};

/// The file `instances.json`.
pub fn text(set: &Set, options: &Options) -> String {
    let (width, height) = set.size;
    let mut images = set.frames.iter().enumerate().map(|(i, frame)| {
        let file = quoted(&frame.file);
        format!("{{\"id\":{},\"file_name\":{file},\"width\":{width},\"height\":{height}}}", i + 1)
    });
    let on_frames = set
        .frames
        .iter()
        .enumerate()
        .flat_map(|(i, frame)| frame.objects.iter().map(move |object| (i + 1, object)));
    let mut annotations = on_frames.enumerate().map(|(i, (image, object))| {
        let score = object.score.map(|score| format!(",\"score\":{score}")).unwrap_or_default();
        format!(
            "{{\"id\":{},\"image_id\":{image},\"category_id\":{},\"segmentation\":{},\"area\":{},\
             \"bbox\":{:?},\"iscrowd\":0,\"track_id\":{}{score}}}",
            i + 1,
            set.classes.of(object.id) + 1,
            segmentation(object, options),
            object.rle.area(),
            object.bbox(),
            object.id
        )
    });
    format!(
        "{{\"images\":[{}],\n\"annotations\":[{}],\n\"categories\":[{}]}}\n",
        joined(&mut images),
        joined(&mut annotations),
        categories(set.classes.names())
    )
}

/// Polygons if there is no hole, which they cannot have, else run lengths.
fn segmentation(object: &Object, options: &Options) -> String {
    let polygons = if options.always_rle { Vec::new() } else { outline::of(&object.rle, options.simplify) };
    if polygons.is_empty() || polygons.iter().any(|polygon| !polygon.holes.is_empty()) {
        return rle(&object.rle);
    }
    let numbers = |corners: &[[u32; 2]]| joined(&mut corners.iter().flatten().map(u32::to_string));
    format!("[{}]", joined(&mut polygons.iter().map(|polygon| format!("[{}]", numbers(&polygon.outer)))))
}
