//! Masks and label maps of every kind, drawn here.

use std::path::PathBuf;

use image::{GrayAlphaImage, GrayImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba, RgbaImage};
use png::{BitDepth, ColorType, Encoder};

use super::rule::Marks;
use crate::error::PictureError;
use crate::pictures::png as write;

const SIZE: (u32, u32) = (60, 40);

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn mask(&self, name: &str, object: Option<u32>) -> Result<Vec<bool>, PictureError> {
        super::read(&self.path(name)).and_then(|(marks, _)| marks.object(object))
    }

    /// Writes a PNG of packed rows.
    fn png(
        &self,
        color: ColorType,
        depth: BitDepth,
        trns: Option<Vec<u8>>,
        palette: Option<Vec<u8>>,
        data: &[u8],
    ) {
        let file = std::fs::File::create(self.path("m.png")).expect("create");
        let mut encoder = Encoder::new(file, SIZE.0, SIZE.1);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if let Some(palette) = palette {
            encoder.set_palette(palette);
        }
        if let Some(trns) = trns {
            encoder.set_trns(trns);
        }
        let mut writer = encoder.write_header().expect("header");
        writer.write_image_data(data).expect("pixels");
        writer.finish().expect("end");
    }
}

/// Object 1 left, object 2 right, nothing between and around.
fn number(x: u32, y: u32) -> u8 {
    match (x, y) {
        (6..=20, 8..=30) => 1,
        (36..=52, 8..=30) => 2,
        _ => 0,
    }
}

fn numbers() -> Vec<u8> {
    (0..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| number(x, y))).collect()
}

fn of(object: u8) -> Vec<bool> {
    numbers().into_iter().map(|number| number == object).collect()
}

/// Packs values of a few bits.
fn packed(values: &[u8], bits: usize) -> Vec<u8> {
    let row = |row: &[u8]| -> Vec<u8> {
        row.chunks(8 / bits)
            .map(|part| {
                part.iter().enumerate().fold(0, |byte, (i, value)| byte | value << (8 - bits * (i + 1)))
            })
            .collect()
    };
    values.chunks(SIZE.0 as usize).flat_map(row).collect()
}

#[test]
fn label_maps_are_read_by_number() {
    let place = Place::new();
    let check = |what: &str| {
        for object in [1, 2] {
            assert_eq!(
                place.mask("m.png", Some(object)).expect(what),
                of(object as u8),
                "{what}, object {object}"
            );
        }
        let text = place.mask("m.png", Some(3)).expect_err(what).to_string();
        assert!(text.contains("objects 1, 2") && text.contains("not object 3"), "{what}: {text}");
        let text = place.mask("m.png", None).expect_err(what).to_string();
        assert!(text.contains("objects 1, 2") && text.contains("--mask-object"), "{what}: {text}");
    };
    write::write_indexed(&place.path("m.png"), SIZE, &numbers()).expect("write");
    check("palette");
    place.png(ColorType::Grayscale, BitDepth::Eight, None, None, &numbers());
    check("grey");
    for (depth, bits) in [(BitDepth::Two, 2), (BitDepth::Four, 4)] {
        place.png(ColorType::Grayscale, depth, None, None, &packed(&numbers(), bits));
        check("few bits");
        let palette = vec![0, 0, 0, 200, 0, 0, 0, 200, 0];
        place.png(ColorType::Indexed, depth, None, Some(palette), &packed(&numbers(), bits));
        check("few bits of a palette");
    }
    let wide = |factor: u16| numbers().into_iter().flat_map(move |n| (u16::from(n) * factor).to_be_bytes());
    place.png(ColorType::Grayscale, BitDepth::Sixteen, None, None, &wide(1).collect::<Vec<_>>());
    check("16 bits");
    let colours: Vec<u8> = numbers().into_iter().flat_map(write::colour).collect();
    place.png(ColorType::Rgb, BitDepth::Eight, None, None, &colours);
    check("colours of DAVIS");
    let palette = vec![0, 0, 0, 255, 0, 0, 0, 255, 0];
    place.png(ColorType::Indexed, BitDepth::Eight, Some(vec![0]), Some(palette), &numbers());
    check("transparent background");
    for name in ["m.tif", "m.bmp"] {
        GrayImage::from_raw(SIZE.0, SIZE.1, numbers()).expect("size").save(place.path(name)).expect("save");
        std::fs::copy(place.path(name), place.path("m.png")).expect("copy");
        check(name);
    }
    let with_void: Vec<u8> =
        numbers().iter().enumerate().map(|(i, &n)| if i < 60 { 255 } else { n }).collect();
    place.png(ColorType::Grayscale, BitDepth::Eight, None, None, &with_void);
    assert_eq!(place.mask("m.png", Some(2)).expect("void"), of(2));
    place.png(ColorType::Grayscale, BitDepth::Sixteen, None, None, &wide(700).collect::<Vec<_>>());
    assert_eq!(place.mask("m.png", Some(1400)).expect("large numbers"), of(2));
}

#[test]
fn shapes_are_read_by_brightness_whatever_the_object() {
    let place = Place::new();
    let check = |name: &str, what: &str| {
        for object in [None, Some(1), Some(7)] {
            assert_eq!(place.mask(name, object).expect(what), of(1), "{what}");
        }
    };
    let shape =
        |high: u8| -> Vec<u8> { of(1).into_iter().map(|inside| if inside { high } else { 0 }).collect() };
    for high in [1, 128, 200, 255] {
        place.png(ColorType::Grayscale, BitDepth::Eight, None, None, &shape(high));
        check("m.png", &format!("0 and {high}"));
    }
    place.png(ColorType::Grayscale, BitDepth::One, None, None, &packed(&shape(1), 1));
    check("m.png", "one bit");
    place.png(
        ColorType::Indexed,
        BitDepth::One,
        None,
        Some(vec![255, 255, 255, 0, 0, 0]),
        &packed(&shape(1), 1).iter().map(|byte| !byte).collect::<Vec<_>>(),
    );
    check("m.png", "a palette of white and black");
    for high in [1_u16, 255, 65_535] {
        ImageBuffer::from_fn(SIZE.0, SIZE.1, |x, y| Luma([if number(x, y) == 1 { high } else { 0 }]))
            .save(place.path("m.png"))
            .expect("save");
        check("m.png", &format!("0 and {high} of 16 bits"));
    }
    let inside = |x, y| number(x, y) == 1;
    RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| Rgb(if inside(x, y) { [0, 255, 0] } else { [0; 3] }))
        .save(place.path("m.png"))
        .expect("save");
    check("m.png", "green on black");
    let soft = GrayImage::from_fn(SIZE.0, SIZE.1, |x, y| Luma([if inside(x, y) { 255 } else { 0 }]));
    for name in ["m.jpg", "m.bmp", "m.gif", "m.webp", "m.pgm"] {
        if name.ends_with("gif") || name.ends_with("webp") {
            image::DynamicImage::from(soft.clone()).to_rgb8().save(place.path(name)).expect("save");
        } else {
            soft.save(place.path(name)).expect("save");
        }
        check(name, name);
    }
    // The edges of a JPEG, stored as a PNG.
    image::open(place.path("m.jpg")).expect("read").save(place.path("m.png")).expect("save");
    check("m.png", "a JPEG as PNG");
    let edge = |x: u32| Luma([if x < 20 { 0 } else { ((x - 20) * 51).min(255) as u8 }]);
    GrayImage::from_fn(SIZE.0, SIZE.1, |x, _| edge(x)).save(place.path("m.png")).expect("save");
    assert_eq!(place.mask("m.png", Some(4)).expect("soft").iter().filter(|&&i| i).count(), 37 * 40);
}

#[test]
fn a_transparent_background_is_the_shape() {
    let place = Place::new();
    let inside = |x, y| number(x, y) == 1;
    let opacity = |x, y| if inside(x, y) { 255 } else { 0 };
    RgbaImage::from_fn(SIZE.0, SIZE.1, |x, y| Rgba([255, 255, 255, opacity(x, y)]))
        .save(place.path("m.png"))
        .expect("save");
    assert_eq!(place.mask("m.png", Some(1)).expect("white"), of(1));
    RgbaImage::from_fn(SIZE.0, SIZE.1, |x, y| Rgba([x as u8, y as u8, 9, opacity(x, y)]))
        .save(place.path("m.png"))
        .expect("save");
    assert_eq!(place.mask("m.png", Some(5)).expect("a cut-out"), of(1));
    GrayAlphaImage::from_fn(SIZE.0, SIZE.1, |x, y| LumaA([0, opacity(x, y)]))
        .save(place.path("m.png"))
        .expect("save");
    assert_eq!(place.mask("m.png", None).expect("black on transparent"), of(1));
    // Opaque: by brightness.
    GrayAlphaImage::from_fn(SIZE.0, SIZE.1, |x, y| LumaA([opacity(x, y), 255]))
        .save(place.path("m.png"))
        .expect("save");
    assert_eq!(place.mask("m.png", None).expect("opaque"), of(1));
}

#[test]
fn what_can_be_read_in_two_ways_is_refused_with_both() {
    let place = Place::new();
    let refused = |words: &[&str]| {
        let text = place.mask("m.png", Some(1)).expect_err("refused").to_string();
        for word in words {
            assert!(text.contains(word), "{word:?}: {text}");
        }
    };
    // An object of a label map is transparent by mistake.
    let palette = vec![0, 0, 0, 255, 0, 0, 0, 255, 0];
    place.png(ColorType::Indexed, BitDepth::Eight, Some(vec![255, 0]), Some(palette), &numbers());
    refused(&["two ways", "number 0", "without transparency"]);
    let inside = |x, y| number(x, y) == 1;
    RgbaImage::from_fn(SIZE.0, SIZE.1, |x, y| {
        let value = if inside(x, y) { 255 } else { 0 };
        Rgba([value, value, value, if y < 35 { 255 } else { 0 }])
    })
    .save(place.path("m.png"))
    .expect("save");
    refused(&["two ways", "alpha", "brightness"]);
    RgbaImage::from_fn(SIZE.0, SIZE.1, |x, y| Rgba([if inside(x, y) { 255 } else { 0 }, 0, 0, 0]))
        .save(place.path("m.png"))
        .expect("save");
    refused(&["two ways", "alpha"]);
    RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| {
        Rgb([[0, 0, 0], [255, 0, 0], [0, 0, 255]][usize::from(number(x, y))])
    })
    .save(place.path("m.png"))
    .expect("save");
    refused(&["two ways", "label map", "mask of"]);
    // One number that is not the object's.
    let threes: Vec<u8> = of(1).into_iter().map(|inside| if inside { 3 } else { 0 }).collect();
    place.png(ColorType::Grayscale, BitDepth::Eight, None, None, &threes);
    refused(&["object 3", "not object 1", "255"]);
    assert_eq!(place.mask("m.png", Some(3)).expect("its number"), of(1));
    assert_eq!(place.mask("m.png", None).expect("the only one"), of(1));
    place.png(ColorType::Grayscale, BitDepth::Eight, None, None, &[0; 60 * 40]);
    refused(&["no object"]);
}

#[test]
fn colours_of_objects_are_their_numbers() {
    let place = Place::new();
    write::write_indexed(&place.path("m.png"), SIZE, &numbers()).expect("write");
    let (marks, size) = super::read(&place.path("m.png")).expect("read");
    assert_eq!(size, SIZE);
    assert_eq!(marks, Marks::Numbers(numbers().into_iter().map(u32::from).collect()));
}
