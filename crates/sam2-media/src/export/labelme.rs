//! labelme: a JSON file of shapes beside each picture. X-AnyLabeling and AnyLabeling read the same.

use base64::prelude::{BASE64_STANDARD, Engine};

use super::format::Options;
use super::json::{joined, quoted};
use super::set::{Object, Picture, Set};
use super::{outline, yolo};
use crate::pictures::png;

/// The file of a picture.
pub fn text(set: &Set, frame: &Picture, options: &Options) -> String {
    let mut shapes = frame.objects.iter().flat_map(|object| {
        let label = &set.classes.names()[set.classes.of(object.id)];
        let shapes = if options.labelme_mask { vec![mask(object)] } else { polygons(object, options) };
        shapes.into_iter().map(move |(points, kind, mask)| {
            format!(
                "{{\"label\":{},\"points\":[{points}],\"group_id\":{},\"description\":\"\",\
                 \"shape_type\":\"{kind}\",\"flags\":{{}},\"mask\":{mask}}}",
                quoted(label),
                object.id
            )
        })
    });
    format!(
        "{{\"version\":\"5.5.0\",\"flags\":{{}},\"shapes\":[{}],\n\"imagePath\":{},\"imageData\":null,\
         \"imageHeight\":{},\"imageWidth\":{}}}\n",
        joined(&mut shapes),
        quoted(&frame.file),
        set.size.1,
        set.size.0
    )
}

/// Points, kind and mask of a shape.
type Shape = (String, &'static str, String);

/// A shape per piece; bridges of no width lead to its holes.
fn polygons(object: &Object, options: &Options) -> Vec<Shape> {
    let shape = |polygon| {
        let corners = yolo::joined(std::slice::from_ref(polygon), true);
        let points = joined(&mut corners.iter().map(|[x, y]| format!("[{x}.0,{y}.0]")));
        (points, "polygon", "null".to_owned())
    };
    outline::of(&object.rle, options.simplify).iter().map(shape).collect()
}

/// The inside of the box as a PNG, exact; the corners of the box are pixels that belong to it.
fn mask(object: &Object) -> Shape {
    let ([x, y, width, height], mask) = (object.bbox(), object.rle.mask());
    let rows = mask.data().chunks_exact(mask.width()).skip(y).take(height);
    let inside: Vec<bool> = rows.flat_map(|row| row[x..x + width].iter().copied()).collect();
    let picture = png::encode_mask((width as u32, height as u32), &inside);
    let points = format!("[{x}.0,{y}.0],[{}.0,{}.0]", (x + width).max(1) - 1, (y + height).max(1) - 1);
    (points, "mask", quoted(&BASE64_STANDARD.encode(&picture)))
}
