//! Formats for pictures.

use super::*;

fn read_coco(path: &Path) -> Masks {
    let value = json(path);
    let files: Vec<&str> =
        value["images"].as_array().expect("images").iter().filter_map(|i| i["file_name"].as_str()).collect();
    assert_eq!(files, [0, 1, 2, 5].map(|index| format!("Bild, \"{index}\" ü.png")));
    let names: Vec<&str> =
        value["categories"].as_array().expect("classes").iter().filter_map(|c| c["name"].as_str()).collect();
    assert_eq!(names, NAMES);
    let annotations = value["annotations"].as_array().expect("annotations");
    let read = annotations.iter().zip(1..).map(|(annotation, number)| {
        assert_eq!(annotation["id"], number);
        let id = annotation["track_id"].as_u64().expect("an object") as u32;
        let image = annotation["image_id"].as_u64().expect("an image") as usize;
        let segmentation = &annotation["segmentation"];
        let data = match segmentation.as_array() {
            Some(loops) => fill(&loops.iter().map(points).collect::<Vec<_>>()),
            None => decoded(segmentation),
        };
        assert_eq!(
            annotation["category_id"],
            match id {
                1 => 1,
                2 => 2,
                _ => 3,
            }
        );
        ((([0, 1, 2, 5][image - 1]), id), data)
    });
    read.collect()
}

#[test]
fn coco_is_exact_and_has_the_boxes_of_pycocotools() {
    let masks = masks();
    let set = set_of(&masks);
    for always_rle in [false, true] {
        let options = Options { always_rle, ..Options::default() };
        let (place, remarks) = write(Format::Coco, &set, &options, None);
        let path = place.path().join("out/instances.json");
        same(&read_coco(&path), &visible(&masks), 1.0);
        assert!(remarks.is_empty());
        for annotation in json(&path)["annotations"].as_array().expect("annotations") {
            let hole = annotation["track_id"] == 3;
            assert_eq!(annotation["segmentation"].is_object(), hole || always_rle);
            if annotation["track_id"] == 1 {
                assert_eq!(
                    (&annotation["bbox"], &annotation["area"]),
                    (&serde_json::json!([47, 35, 1, 1]), &1.into())
                );
            }
        }
    }
    let simple = Options { simplify: 1.5, ..Options::default() };
    let (place, _) = write(Format::Coco, &set, &simple, None);
    same(&read_coco(&place.path().join("out/instances.json")), &visible(&masks), 0.99);
}

#[test]
fn outlines_lose_corners_and_not_their_shape() {
    let mask = Mask::new(400, 400, (0..160_000).map(|i| disc(i % 400, i / 400, (200, 200), 180)).collect());
    let rle = mask.expect("a mask").rle();
    let corners = |tolerance| outline::of(&rle, tolerance)[0].outer.len();
    assert!(corners(1.0) * 8 < corners(0.0), "{} of {}", corners(1.0), corners(0.0));
    assert_eq!(corners(f64::NAN), corners(0.0));
    let filled = outline::filled(400, 400, outline::all(&outline::of(&rle, 1.0)), 0.0);
    let iou = iou(&filled, rle.mask().data());
    assert!((0.99..1.0).contains(&iou), "{iou}");
}

#[test]
fn ytvis_has_null_where_an_object_is_not() {
    let masks = masks();
    let (place, _) = write(Format::Ytvis, &set_of(&masks), &Options::default(), None);
    let value = json(&place.path().join("out/instances.json"));
    assert_eq!(value["videos"][0]["length"], 4);
    assert_eq!(value["videos"][0]["file_names"].as_array().map(Vec::len), Some(4));
    let mut found = Masks::new();
    for annotation in value["annotations"].as_array().expect("annotations") {
        let id = annotation["track_id"].as_u64().expect("an object") as u32;
        for (i, index) in [0, 1, 2, 5].into_iter().enumerate() {
            let (mask, bbox, area) =
                (&annotation["segmentations"][i], &annotation["bboxes"][i], &annotation["areas"][i]);
            assert_eq!((mask.is_null(), mask.is_null()), (bbox.is_null(), area.is_null()));
            if !mask.is_null() {
                let data = decoded(mask);
                assert_eq!(area.as_u64(), Some(data.iter().filter(|inside| **inside).count() as u64));
                found.insert((index, id), data);
            }
        }
    }
    same(&found, &visible(&masks), 1.0);
}

fn read_yolo(folder: &Path) -> (Masks, Vec<usize>) {
    let (mut found, mut classes) = (Masks::new(), Vec::new());
    let ids = BTreeMap::from([
        (0, vec![1, 3, 255]),
        (1, vec![1, 2, 3, 255]),
        (2, vec![1, 3, 255]),
        (5, vec![1, 2, 3, 255]),
    ]);
    for (index, ids) in ids {
        let text =
            fs::read_to_string(folder.join(format!("labels/Bild, \"{index}\" ü.txt"))).expect("labels");
        assert_eq!(text.lines().count(), ids.len(), "a row an object: {text}");
        for (line, id) in text.lines().zip(ids) {
            let numbers: Vec<f64> = line.split(' ').map(|n| n.parse().expect("a number")).collect();
            let corners = numbers[1..].chunks_exact(2).map(|p| [p[0] * WIDTH as f64, p[1] * HEIGHT as f64]);
            let corners: Vec<[f64; 2]> = corners.collect();
            assert!(corners.len() >= 3 && numbers[1..].iter().all(|n| (0.0..=1.0).contains(n)));
            classes.push(numbers[0] as usize);
            found.insert((index, id), fill(&[corners]));
        }
    }
    (found, classes)
}

#[test]
fn yolo_joins_pieces_and_holes_by_bridges() {
    let masks = masks();
    let set = set_of(&masks);
    let (place, remarks) = write(Format::Yolo, &set, &Options::default(), None);
    let out = place.path().join("out");
    let (found, classes) = read_yolo(&out);
    same(&found, &visible(&masks), 1.0);
    assert_eq!(classes[..3], [0, 2, 2]);
    assert!(remarks.is_empty(), "{remarks:?}");
    let data = fs::read_to_string(out.join("data.yaml")).expect("data.yaml");
    for line in ["train: images", "  0: \"a, \\\"red\\\" car\"", "  1: \"Größe = 3\""] {
        assert!(data.lines().any(|found| found == line), "{data}");
    }
    let options = Options { drop_holes: true, ..Options::default() };
    let (place, remarks) = write(Format::Yolo, &set, &options, None);
    let (found, _) = read_yolo(&place.path().join("out"));
    let holes: usize = visible(&masks)
        .iter()
        .map(|(key, data)| data.iter().zip(&found[key]).filter(|(a, b)| a != b).count())
        .sum();
    assert!(holes > 0 && remarks[0].starts_with(&format!("{holes} pixels differ")), "{remarks:?}");
    let options = Options { simplify: 2.0, ..Options::default() };
    let (place, _) = write(Format::Yolo, &set, &options, None);
    same(&read_yolo(&place.path().join("out")).0, &visible(&masks), 0.99);
}

/// The bytes of a text in base 64.
fn bytes(text: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = text.trim_end_matches('=').chars().flat_map(|digit| {
        let value = DIGITS.find(digit).expect("a digit");
        (0..6).rev().map(move |bit| value >> bit & 1)
    });
    let bits: Vec<usize> = bits.collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| 2 * sum + *bit as u8)).collect()
}

#[test]
fn labelme_has_polygons_or_exact_masks_beside_the_pictures() {
    let masks = masks();
    let set = set_of(&masks);
    let inputs = tempfile::tempdir().expect("temporary folder");
    let images = pictures(inputs.path());
    for labelme_mask in [false, true] {
        let options = Options { labelme_mask, ..Options::default() };
        let (place, _) = write(Format::Labelme, &set, &options, Some(&images));
        let mut found = Masks::new();
        for index in [0, 1, 2, 5] {
            let file = place.path().join(format!("out/Bild, \"{index}\" ü.json"));
            let value = json(&file);
            let picture = value["imagePath"].as_str().expect("a name");
            let copy = fs::read(place.path().join("out").join(picture)).expect("a copy");
            assert_eq!(copy, fs::read(inputs.path().join("frames").join(picture)).expect("a picture"));
            assert_eq!(
                (value["imageHeight"].as_u64(), &value["imageData"]),
                (Some(HEIGHT as u64), &Value::Null)
            );
            for shape in value["shapes"].as_array().expect("shapes") {
                let id = shape["group_id"].as_u64().expect("an object") as u32;
                assert_eq!(
                    shape["label"].as_str(),
                    Some(
                        NAMES[match id {
                            1 => 0,
                            2 => 1,
                            _ => 2,
                        }]
                    )
                );
                let corners = points(&shape["points"]);
                let data = found.entry((index, id)).or_insert_with(|| vec![false; WIDTH * HEIGHT]);
                if labelme_mask {
                    let inside = image::load_from_memory(&bytes(shape["mask"].as_str().expect("a mask")))
                        .expect("a PNG")
                        .into_luma8();
                    let [left, top] = corners[0].map(|n| n as usize);
                    assert_eq!(
                        corners[1].map(|n| n as u32 + 1),
                        [left as u32 + inside.width(), top as u32 + inside.height()]
                    );
                    for (x, y, pixel) in inside.enumerate_pixels() {
                        data[(y as usize + top) * WIDTH + x as usize + left] = pixel.0[0] > 0;
                    }
                } else {
                    fill(&[corners]).iter().zip(data).for_each(|(new, pixel)| *pixel |= *new);
                }
            }
        }
        same(&found, &visible(&masks), 1.0);
    }
    let job = Job::new(Format::Labelme, inputs.path().join("frames"), Options::default()).expect("a folder");
    assert!(job.is_beside(&images));
    let before = fs::read_dir(inputs.path().join("frames")).expect("list").count();
    job.write(&set, Some(&images)).expect("written");
    assert_eq!(fs::read_dir(inputs.path().join("frames")).expect("list").count(), before + 4);
    assert!(
        Job::new(Format::Labelme, "x".into(), Options::default())
            .expect("a folder")
            .write(&set, None)
            .is_err()
    );
}
