//! Formats for clips.

use super::*;

#[test]
fn sav_has_every_frame_and_object() {
    let masks = masks();
    let (place, _) = write(Format::Sav, &set_of(&masks), &Options::default(), None);
    let value = json(&place.path().join("out/Clip ä_manual.json"));
    assert_eq!(value["masklet_id"], serde_json::json!([1, 2, 3, 255]));
    assert_eq!((&value["masklet_num"], &value["video_frame_count"]), (&4.into(), &6.0.into()));
    assert_eq!(value["masklet"].as_array().map(Vec::len), Some(6));
    let mut found = Masks::new();
    for index in 0..6 {
        for (i, id) in [1, 2, 3, 255].into_iter().enumerate() {
            found.insert((index, id), decoded(&value["masklet"][index][i]));
        }
    }
    let visible = visible(&masks);
    for (key, data) in &found {
        let expected = visible.get(key).cloned().unwrap_or_else(|| shape(|_, _| false));
        assert_eq!(*data, expected, "{key:?}");
    }
    // Object 2 is seen on frames 1 and 5, the others on 0, 1, 2 and 5.
    assert_eq!(value["masklet_first_appeared_frame"], serde_json::json!([0, 1, 0, 0]));
    assert_eq!(value["masklet_visibility_changes"], serde_json::json!([2, 2, 2, 2]));
    let pixels = (WIDTH * HEIGHT) as f64;
    let second = visible[&(1, 2)].iter().filter(|inside| **inside).count() as f64;
    assert_eq!(value["masklet_size_abs"][1], (pixels + second) / 2.0);
    assert_eq!(value["masklet_size_bucket"], serde_json::json!(["small", "medium", "small", "small"]));

    let mut every = set_of(&masks);
    every.reduce(5, 0);
    let (place, _) = write(Format::Sav, &every, &Options::default(), None);
    let value = json(&place.path().join("out/Clip ä_manual.json"));
    assert_eq!(value["masklet"].as_array().map(Vec::len), Some(2));
    assert_eq!(decoded(&value["masklet"][1][1]), visible[&(5, 2)]);
    assert_eq!(value["masklet_frame_count"], serde_json::json!([2, 2, 2, 2]));
}

#[test]
fn mot_counts_frames_from_one_and_mots_has_no_overlaps() {
    let masks = masks();
    let set = set_of(&masks);
    let place = tempfile::tempdir().expect("temporary folder");
    let file = place.path().join("boxes.txt");
    let job = |format, options| Job::new(format, file.clone(), options).expect("a file");
    job(Format::Mot, Options::default()).write(&set, None).expect("written");
    let text = fs::read_to_string(&file).expect("boxes");
    assert_eq!(text.lines().next(), Some("1,1,47,35,1,1,0.5,-1,-1,-1"));
    assert!(text.lines().any(|line| line == "1,255,0,0,9,9,0.5,-1,-1,-1"), "{text}");
    assert!(
        text.lines().all(|line| line.split(',').count() == 10) && text.contains("\n6,2,0,0,48,36,"),
        "{text}"
    );
    job(Format::Mot, Options { largest: true, ..Options::default() }).write(&set, None).expect("written");
    let text = fs::read_to_string(&file).expect("boxes");
    assert!(text.lines().any(|line| line == "1,255,0,0,3,3,0.5,-1,-1,-1"), "{text}");

    let (folder, _) = write(Format::Mot, &set, &Options::default(), None);
    let truth = fs::read_to_string(folder.path().join("out/gt/gt.txt")).expect("truth");
    assert!(truth.lines().any(|line| line == "2,2,22,4,18,32,1,2,1"), "{truth}");
    assert!(
        fs::read_to_string(folder.path().join("out/seqinfo.ini")).expect("length").contains("seqLength=6\n")
    );

    let remarks = job(Format::Mots, Options::default()).write(&set, None).expect("written");
    let mut found = Masks::new();
    for line in fs::read_to_string(&file).expect("masks").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |i: usize| words[i].parse::<usize>().expect("a number");
        assert_eq!((number(3), number(4), number(1) / 1000), (HEIGHT, WIDTH, number(2)));
        let rle = Rle::from_coco_string(WIDTH, HEIGHT, words[5]).expect("run lengths");
        found.insert((number(0), number(1) as u32 % 1000), rle.mask().data().to_vec());
    }
    let (expected, lost) = without_overlaps(&masks);
    same(&found, &expected, 1.0);
    assert!(lost > 0 && remarks[0].starts_with(&format!("{lost} pixels")), "{remarks:?}");
    let mut large = set_of(&masks);
    large.frames[0].objects[0].id = 1000;
    let error = job(Format::Mots, Options::default()).write(&large, None).expect_err("a large number");
    assert!(error.to_string().contains("object 1000"), "{error}");
    assert!(Job::new(Format::Mot, "x.csv".into(), Options::default()).is_err());
}

/// The masks without the pixels of objects with lower numbers, and how many those are.
fn without_overlaps(masks: &Masks) -> (Masks, usize) {
    let (mut expected, mut lost) = (Masks::new(), 0);
    for (&(frame, id), data) in &visible(masks) {
        let free = |i: usize| !masks.iter().any(|(&(f, other), lower)| f == frame && other < id && lower[i]);
        let kept: Vec<bool> = (0..data.len()).map(|i| data[i] && free(i)).collect();
        lost += data.iter().zip(&kept).filter(|(a, b)| a != b).count();
        expected.insert((frame, id), kept);
    }
    expected.retain(|_, data| data.contains(&true));
    (expected, lost)
}

#[test]
fn davis_and_sav_png_are_pictures() {
    let masks = masks();
    let set = set_of(&masks);
    let (place, remarks) = write(Format::Davis, &set, &Options::default(), None);
    let (expected, lost) = without_overlaps(&masks);
    let mut found = Masks::new();
    for index in [0, 1, 2, 5] {
        let labels =
            label_map::read(&place.path().join(format!("out/Bild, \"{index}\" ü.png"))).expect("labels");
        for id in 1..=255 {
            let data: Vec<bool> = labels.data.iter().map(|label| *label == id).collect();
            if data.contains(&true) {
                found.insert((index, u32::from(id)), data);
            }
        }
    }
    same(&found, &expected, 1.0);
    assert!(remarks[0].starts_with(&format!("{lost} pixels")), "{remarks:?}");

    for white in [false, true] {
        let options = Options { white, ..Options::default() };
        let (place, _) = write(Format::SavPng, &set, &options, None);
        for id in [1, 2, 3, 255] {
            for index in [0, 1, 2, 5] {
                let file = format!("out/Clip ä/{id:03}/Bild, \"{index}\" ü.png");
                let labels = label_map::read(&place.path().join(file)).expect("a mask");
                let inside = if white { 255 } else { 1 };
                let expected = masks.get(&(index, id)).cloned().unwrap_or_else(|| shape(|_, _| false));
                let data = expected.iter().map(|&pixel| if pixel { inside } else { 0 }).collect::<Vec<u8>>();
                assert_eq!(labels.data, data, "{index} {id}");
            }
        }
    }
}
