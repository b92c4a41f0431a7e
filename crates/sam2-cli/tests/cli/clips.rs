//! Kinds of clips, and folders of frames.

use std::path::Path;

use image::RgbImage;
use sam2_tests::files;

use crate::common::{Place, accepted, disc, list, refused, rgb, run, run_with, stderr};

fn frames(count: usize) -> Vec<RgbImage> {
    (0..count).map(|i| disc(80.0 + 6.0 * i as f32)).collect()
}

/// Tracks into a folder of its own; returns the number of masks and stderr.
#[track_caller]
fn track(place: &Place, input: &str, extra: &[&str]) -> (usize, String) {
    let out = tempfile::tempdir_in(place.path()).expect("temporary folder");
    let out_name = out.path().to_str().expect("UTF-8");
    let output = run(&[&["track", input, "-p", "80,64", "-o", out_name], extra].concat());
    accepted(&output);
    (masks(out.path()), stderr(&output))
}

fn masks(folder: &Path) -> usize {
    list(folder).iter().filter(|name| name.ends_with(".png")).count()
}

type Writer = fn(&[RgbImage]) -> Vec<u8>;
const WRITERS: [(&str, Writer); 4] = [
    ("clip.png", files::apng),
    ("clip.webp", files::webp),
    ("clip.tif", files::tiff),
    ("a.bin", files::mjpeg),
];

#[test]
fn animations_pages_and_motion_jpeg_are_clips() {
    let place = Place::new();
    for (name, write) in WRITERS {
        let whole = write(&frames(3));
        let (count, _) = track(&place, &place.write(name, &whole), &[]);
        assert_eq!(count, 3, "{name}");
        // A third of the last frame is missing.
        let cut = place.write(name, &whole[..whole.len() - whole.len() / 9]);
        let (count, notes) = track(&place, &cut, &[]);
        assert_eq!(count, 2, "{name}");
        assert!(notes.contains(name) && notes.contains("2 "), "{name}: {notes}");
    }
}

/// Files that were downloaded or copied wrongly, under the name of a clip.
#[test]
fn what_is_no_clip_is_named() {
    let place = Place::new();
    let files: [(&[u8], &str); 8] = [
        (b"", "0 bytes"),
        (b"<!DOCTYPE html><html>404</html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 155906050\n", "git lfs pull"),
        (b"{\"message\": \"Not Found\"}", "text file"),
        (b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", "a playlist"),
        (b"PK\x03\x04\x14\0\0\0\x08\0", "unpack it"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\0\0\0\x20ftypheic\0\0\0\0mif1heic", "HEIC"),
    ];
    for (bytes, words) in files {
        let file = place.write("clip.mp4", bytes);
        refused(&run(&["track", &file, "-p", "80,64", "-o", &place.arg("out")]), &["clip.mp4", words]);
        refused(&run(&["segment", &file, "--frame", "0", "-p", "80,64"]), &["clip.mp4", words]);
    }
    assert_eq!(place.list(), ["clip.mp4"]);
}

#[test]
fn motion_jpeg_comes_through_a_pipe() {
    let place = Place::new();
    let mut stream = files::mjpeg(&frames(3));
    stream.truncate(stream.len() - 100);
    let output = run_with(stream, &["track", "-", "-p", "80,64", "-o", &place.arg("out")]);
    accepted(&output);
    assert_eq!(masks(&place.join("out")), 2);
    assert!(stderr(&output).contains("the 2 frames before it are read"), "{}", stderr(&output));
}

#[test]
fn a_producer_that_dies_within_a_frame_leaves_a_finished_run() {
    let place = Place::new();
    let mut cut = rgb(0..3);
    cut.pop();
    let out = place.arg("out");
    let output = run_with(cut.clone(), &["track", "-", "--raw", "192x128", "-p", "80,64", "-o", &out]);
    accepted(&output);
    assert!(stderr(&output).contains("cut short in frame 2"), "{}", stderr(&output));
    assert_eq!(list(&place.join("out")), ["00000.png", "00001.png", "tracks.jsonl"]);
    let prompts = place.write("prompts.jsonl", "{\"obj_id\":1,\"points\":[[80,64]]}\n");
    let session = place.arg("session.safetensors");
    let args = ["stream", "-", "--raw", "192x128", "--prompts", &prompts, "--save", &session];
    let output = run_with(cut, &args);
    assert_eq!(accepted(&output).lines().count(), 2);
    assert!(place.join("session.safetensors").exists());
}

#[test]
fn one_kind_of_picture_of_a_folder_is_tracked() {
    let place = Place::new();
    std::fs::create_dir(place.join("mixed")).expect("folder");
    for (i, frame) in frames(3).iter().enumerate() {
        frame.save(place.join(&format!("mixed/{i}.jpg"))).expect("save");
        RgbImage::new(192, 128).save(place.join(&format!("mixed/{i}_mask.png"))).expect("save");
    }
    std::fs::rename(place.join("mixed/1.jpg"), place.join("mixed/1.jfif")).expect("rename");
    let (count, notes) = track(&place, &place.arg("mixed"), &[]);
    assert_eq!(count, 3);
    assert!(notes.contains("3 JPEG files; 3 PNG files are left out"), "{notes}");
}

#[cfg(unix)]
#[test]
fn a_pipe_among_the_frames_is_left_out() {
    let place = Place::new();
    let folder = place.frames("frames");
    let pipe = std::process::Command::new("mkfifo").arg(place.join("frames/f12.png")).status();
    if !pipe.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no mkfifo");
        return;
    }
    let (count, notes) = track(&place, &folder, &[]);
    assert_eq!(count, 4);
    assert!(notes.contains("f12.png is a pipe"), "{notes}");
}

#[cfg(unix)]
#[test]
fn vos_keeps_names_that_are_not_utf8() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    let place = Place::new();
    let name = |i: usize, end: &str| {
        OsString::from_vec([b"\xe9t\xe9_", i.to_string().as_bytes(), end.as_bytes()].concat())
    };
    let video = OsString::from_vec(b"caf\xe9".to_vec());
    for folder in ["videos", "masks"] {
        if std::fs::create_dir_all(place.join(folder).join(&video)).is_err() {
            eprintln!("skipped: this file system wants UTF-8");
            return;
        }
    }
    for (i, frame) in frames(3).iter().enumerate() {
        let mut bytes = std::io::Cursor::new(Vec::new());
        frame.write_to(&mut bytes, image::ImageFormat::Jpeg).expect("encode");
        let file = place.join("videos").join(&video).join(name(i, ".jpg"));
        std::fs::write(file, bytes.into_inner()).expect("write");
    }
    let mask = image::GrayImage::from_fn(192, 128, |x, y| {
        image::Luma([u8::from((60..100).contains(&x) && (44..84).contains(&y))])
    });
    mask.save(place.join("m.png")).expect("save");
    std::fs::rename(place.join("m.png"), place.join("masks").join(&video).join(name(0, ".png")))
        .expect("rename");
    let (videos, masks, out) = (place.arg("videos"), place.arg("masks"), place.arg("out"));
    accepted(&run(&[
        "vos",
        "--base_video_dir",
        &videos,
        "--input_mask_dir",
        &masks,
        "--output_mask_dir",
        &out,
    ]));
    for i in 0..3 {
        assert!(place.join("out").join(&video).join(name(i, ".png")).is_file(), "frame {i}");
    }
}

#[test]
fn control_characters_of_files_do_not_reach_the_terminal() {
    let place = Place::new();
    let clip = place.frames("frames");
    let prompts = place.write("p.jsonl", "{\"frame\":0,\"obj_id\":1,\"\\u001b[31mEVIL\\u0007\":1}\n");
    let output = run(&["track", &clip, "--prompts", &prompts, "-o", &place.arg("out")]);
    refused(&output, &["\\u001b[31mEVIL\\u0007"]);
    for name in ["a\u{1b}[2Jb", "c\rd", "e\u{9b}31mf", "g\u{202e}h"] {
        let folder = place.join(name);
        if std::fs::create_dir(&folder).is_err() || std::fs::write(folder.join("0.png"), "x").is_err() {
            eprintln!("skipped: this file system takes no such names");
            continue;
        }
        let output = run(&["track", &place.arg(name), "-p", "1,1", "-o", &place.arg("out")]);
        refused(&output, &["0.png"]);
        let text = stderr(&output);
        assert!(!text.trim_end().chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
    }
}
