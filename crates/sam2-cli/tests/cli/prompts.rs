//! Prompts as people have them: a little off the picture, of other programs, in lists with faults.

use serde_json::Value;

use crate::common::{Place, accepted, list, refused, run, stderr};

fn segmented(photo: &str, more: &[&str]) -> (Value, String) {
    let output = run(&[&["segment", photo, "--json", "-m", &model()], more].concat());
    let mut value: Value = serde_json::from_str(&accepted(&output)).expect("JSON");
    value.as_object_mut().expect("an object").remove("timing_ms");
    (value, stderr(&output))
}

fn model() -> String {
    crate::common::asset("sam2.1_micro.safetensors").to_str().expect("UTF-8").to_owned()
}

#[test]
fn coordinates_a_little_off_the_picture_are_taken() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    for args in [
        ["-p", "192,64"],
        ["-p", "-0.5,127.9"],
        ["-p", "193,129"],
        ["-b", "-0.4,20,125,100"],
        ["-b", "60,28,192.3,128.01"],
        ["-b", "-40,-30,400,300"],
    ] {
        let (_, notes) = segmented(&photo, &args);
        assert_eq!(notes, "", "{args:?}");
    }
    // They are not moved to the edge: another box has another result.
    let of = |bbox: &str| segmented(&photo, &["-b", bbox]).0;
    assert_ne!(of("-20,20,125,100"), of("0,20,125,100"));
}

#[test]
fn boxes_and_coordinates_may_be_written_otherwise() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let expected = segmented(&photo, &["-b", "60,28,132,100"]);
    for args in [
        &["-b", "60,28,72,72", "--box-format", "xywh"][..],
        &["-b", "96,64,72,72", "--box-format", "cxcywh"],
        &["-b", "0.3125,0.21875,0.6875,0.78125", "--normalized"],
        &["-b", "0.5,0.5,0.375,0.5625", "--normalized", "--box-format", "CXCYWH"],
    ] {
        assert_eq!(segmented(&photo, args), expected, "{args:?}");
    }
    let click = segmented(&photo, &["-p", "96,64"]);
    assert_eq!(segmented(&photo, &["-p", "0.5,0.5", "--normalized"]), click);
    let (_, note) = segmented(&photo, &["-p", "0.5,0.5"]);
    assert!(note.contains("--normalized") && note.contains("192x128"), "{note}");
    assert_eq!(segmented(&photo, &["-p", "1,1"]).1, "");
    let json = |more: &[&str]| run(&[&["segment", &photo, "--json"], more].concat());
    refused(&json(&["-b", "1,2,3,4", "--box-format", "xyzw"]), &["xyzw", "xyxy, xywh, cxcywh"]);
    refused(&json(&["-p", "96,64", "--normalized"]), &["192x128"]);
    let two = ["-b", "60,28,72,72", "-b", "0,0,50,50", "--box-format", "xywh"];
    let (report, _) = segmented(&photo, &two);
    assert_eq!(report["objects"][0]["box"], serde_json::json!([60.0, 28.0, 132.0, 100.0]));
}

/// The masks of `sam2 track` with a prompts file, by name.
fn tracked(place: &Place, prompts: impl AsRef<[u8]>, more: &[&str]) -> (Vec<Vec<u8>>, String) {
    let prompts = place.write("prompts.json", prompts);
    let out = tempfile::tempdir_in(place.path()).expect("a folder");
    let folder = out.path().to_str().expect("UTF-8");
    let clip = place.arg("frames");
    let args = ["track", &clip, "--prompts", &prompts, "-o", folder, "-m", &model(), "--max-frames", "2"];
    let output = run(&[&args, more].concat());
    accepted(&output);
    let read = |name: String| std::fs::read(out.path().join(name)).expect("read");
    (list(out.path()).into_iter().map(read).collect(), stderr(&output))
}

#[test]
fn prompts_of_other_programs_are_the_same_prompts() {
    let place = Place::new();
    place.frames("frames");
    let lines = "{\"frame\":0,\"obj_id\":1,\"points\":[[80,64]],\"labels\":[1]}\n\
                 {\"frame\":1,\"obj_id\":2,\"box\":[10,10,60,50]}\n";
    let expected = tracked(&place, lines, &[]).0;
    let list = format!("[{}]", lines.trim().replace('\n', ",\n"));
    let crlf = format!("\u{feff}{}", lines.replace('\n', "\r\n"));
    let floats = "{\"frame\":0.0,\"obj_id\":1.0,\"points\":[[80.0,64.0]],\"labels\":[1.0]}\n\
                  {\"frame\":1.0,\"obj_id\":2.0,\"box\":[10.0,10.0,60.0,50.0]}";
    let meta = "{\"frame_idx\":0,\"obj_id\":1,\"point_coords\":[[80,64]],\"point_labels\":[1]}\n\
                {\"frame_idx\":1,\"obj\":2,\"boxes\":[[10,10,60,50]],\"mask_input\":null}";
    for text in [&list, &crlf, floats, meta] {
        assert!(tracked(&place, text, &[]).0 == expected, "{text}");
    }
    let one = tracked(&place, lines.lines().next().expect("a line"), &[]).0;
    assert!(tracked(&place, "{\n  \"points\": [[80, 64]],\n  \"point_labels\": [1]\n}", &[]).0 == one);
    let shares = "{\"obj_id\":1,\"points\":[[0.41666667,0.5]]}";
    assert!(tracked(&place, shares, &["--normalized"]).0 == one);
    let utf16: Vec<u8> = lines.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let prompts = place.write("utf16.jsonl", utf16);
    let output = run(&["track", &place.arg("frames"), "--prompts", &prompts, "-o", &place.arg("out")]);
    refused(&output, &["utf16.jsonl", "UTF-16", "UTF-8"]);
}

#[test]
fn bad_prompts_are_skipped_on_request() {
    let place = Place::new();
    place.frames("frames");
    let good = "{\"frame\":0,\"obj_id\":1,\"points\":[[80,64]]}";
    let expected = tracked(&place, good, &["-q"]).0;
    let bad = "{\"frame\":0,\"obj_id\":2,\"points\":[[900,64]]}\n\
               {\"frame\":7,\"obj_id\":2,\"points\":[[80,64]]}\n\
               {\"frame\":0,\"obj_id\":2,\"mask\":\"absent.png\"}\n\
               {\"frame\":0,\"obj_id\":2,\"points\":\n\
               nonsense\n";
    let text = format!("{bad}{good}\n");
    let (masks, notes) = tracked(&place, &text, &["--skip-bad-prompts"]);
    assert!(masks == expected);
    for (line, word) in [(1, "900,64"), (2, "no frame 7"), (3, "absent.png"), (4, "EOF"), (5, "expected")] {
        let note = notes.lines().find(|note| note.contains(&format!("prompts.json line {line}")));
        assert!(
            note.is_some_and(|note| note.starts_with("note: ") && note.contains(word)),
            "{line}: {notes}"
        );
    }
    let prompts = place.write("bad.jsonl", bad);
    let args = ["track", &place.arg("frames"), "--prompts", &prompts, "-o", &place.arg("out"), "-q"];
    refused(&run(&[&args[..], &["--skip-bad-prompts"]].concat()), &["none of the prompts"]);
    refused(&run(&args), &["bad.jsonl line 4"]);
    let many = format!("{}{good}\n", "x\n".repeat(500));
    let (_, notes) = tracked(&place, many, &["--skip-bad-prompts"]);
    assert!(notes.lines().count() < 25 && notes.contains("500 prompts were skipped"), "{notes}");
}

#[test]
fn several_boxes_are_several_objects_of_a_clip() {
    let place = Place::new();
    let clip = place.frames("frames");
    let track = |out: &str, more: &[&str]| run(&[&["track", &clip, "-o", &place.arg(out)], more].concat());
    accepted(&track("out", &["-b", "44,28,116,100", "-b", "5,5,40,60", "--obj-id", "3", "-q"]));
    let tracks = std::fs::read_to_string(place.join("out/tracks.jsonl")).expect("tracks");
    for id in [3, 4] {
        assert_eq!(tracks.lines().filter(|line| line.contains(&format!("\"obj_id\":{id},"))).count(), 4);
    }
    refused(&track("more", &["-b", "1,1,9,9", "-b", "2,2,9,9", "-p", "3,3"]), &["several boxes"]);
    refused(&track("more", &["-b", "1,1,9,9", "-b", "2,2,9,9", "--obj-id", "255"]), &["256", "1 to 255"]);
}

#[test]
fn numbers_of_clicks_and_lengths_of_lines_are_bounded() {
    let place = Place::new();
    let clip = place.frames("frames");
    for (count, words) in [(5000, &["5000 clicks", "4096"][..]), (200_000, &["line 1", "at most 1 MB"])] {
        let points: Vec<String> = (0..count).map(|i| format!("[{},{}]", i % 192, i % 128)).collect();
        let line = format!("{{\"frame\":0,\"obj_id\":1,\"points\":[{}]}}", points.join(","));
        let prompts = place.write("p.jsonl", line);
        refused(&run(&["track", &clip, "--prompts", &prompts, "-o", &place.arg("out")]), words);
    }
}
