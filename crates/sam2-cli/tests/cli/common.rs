//! Runs the built `sam2` and checks its exit code and output.

use std::ffi::OsStr;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use image::{Rgb, RgbImage};
use tempfile::TempDir;

/// The program under test.
pub fn sam2() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sam2"));
    // A backtrace would turn the one-line report of a panic into many lines.
    command.env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    // Checkpoints of this machine are no part of a test.
    for variable in ["SAM2_MODEL", "SAM2_MODEL_DIR", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME"] {
        command.env_remove(variable);
    }
    command
}

/// Runs `sam2` with these arguments.
pub fn run<S: AsRef<OsStr>>(args: &[S]) -> Output {
    sam2().args(args).output().expect("sam2 starts")
}

/// Runs with these bytes on stdin.
pub fn run_with(input: Vec<u8>, args: &[&str]) -> Output {
    let mut child = sam2()
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sam2 starts");
    let mut stdin = child.stdin.take().expect("piped");
    // A program that refuses early does not read all of stdin.
    let writer = std::thread::spawn(move || stdin.write_all(&input).is_ok());
    let output = child.wait_with_output().expect("sam2 ends");
    writer.join().expect("writer");
    output
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("stdout is UTF-8")
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("stderr is UTF-8")
}

/// Requires success; returns stdout.
#[track_caller]
pub fn accepted(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, stderr(output));
    stdout(output)
}

/// Requires a refusal: one line on stderr with all these words, nothing on stdout, a non-zero exit code.
#[track_caller]
pub fn refused(output: &Output, words: &[&str]) {
    let text = stderr(output);
    assert!(output.status.code().is_some_and(|code| code != 0), "{}: {text}", output.status);
    assert!(!text.contains("panicked") && !text.contains("internal error"), "{text}");
    assert_eq!(text.trim_end().lines().count(), 1, "one line: {text}");
    assert!(text.starts_with("error: "), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is missing: {text}");
    }
    assert_eq!(stdout(output), "");
}

/// A temporary folder, removed after the test.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("temporary folder"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and returns its path as an argument.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        std::fs::write(self.join(name), bytes).expect("write");
        self.arg(name)
    }

    pub fn arg(&self, name: &str) -> String {
        self.join(name).to_str().expect("temporary paths are UTF-8").to_owned()
    }

    /// Sorted names of all its entries.
    pub fn list(&self) -> Vec<String> {
        list(self.path())
    }

    /// A photo of a bright disc with centre (96, 64) and radius 36, 192x128 pixels.
    pub fn photo(&self, name: &str) -> String {
        disc(96.0).save(self.join(name)).expect("save");
        self.arg(name)
    }

    /// The mask of object 1, a disc as in [`Self::photo`].
    pub fn mask(&self, name: &str) -> String {
        let inside = |x: u32, y: u32| (x as f32 + 0.5 - 96.0).hypot(y as f32 + 0.5 - 64.0) < 36.0;
        let mask = image::GrayImage::from_fn(192, 128, |x, y| image::Luma([u8::from(inside(x, y))]));
        mask.save(self.join(name)).expect("save");
        self.arg(name)
    }

    /// A folder of four frames of the disc, moving right by 6 pixels a frame; the names require natural
    /// order.
    pub fn frames(&self, name: &str) -> String {
        std::fs::create_dir(self.join(name)).expect("folder");
        for (index, file) in ["f8.png", "f9.png", "f10.png", "f11.png"].iter().enumerate() {
            disc(80.0 + 6.0 * index as f32).save(self.join(name).join(file)).expect("save");
        }
        self.arg(name)
    }
}

pub fn list(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("list")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Names of every file below a folder, with their contents.
pub fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for name in list(folder) {
        let path = folder.join(name);
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.push((path.clone(), std::fs::read(&path).expect("read")));
        }
    }
    found
}

/// Requires that every file below a folder is whole: a file with its name can be read to its end.
#[track_caller]
pub fn readable(folder: &Path) {
    for (path, bytes) in contents(folder) {
        let text = || String::from_utf8(bytes.clone()).expect("UTF-8");
        let is_json = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
        let whole = match path.extension().and_then(OsStr::to_str) {
            Some("png") => image::open(&path).is_ok(),
            Some("npy") => tensor::npy::read_f32(&path).is_ok(),
            Some("safetensors") => safetensors::SafeTensors::deserialize(&bytes).is_ok(),
            Some("jsonl") => text().ends_with('\n') && text().lines().all(is_json),
            Some("json") => is_json(&text()),
            // The archive's directory is at its end.
            Some("pt") => bytes.windows(4).rev().take(64).any(|word| word == b"PK\x05\x06"),
            Some("csv" | "txt" | "yaml" | "ini") => text().ends_with('\n'),
            _ => panic!("{} is no file of a run", path.display()),
        };
        assert!(whole, "{} is not whole", path.display());
    }
}

/// The disc at column `cx` of the middle row, 192x128 pixels.
pub fn disc(cx: f32) -> RgbImage {
    RgbImage::from_fn(192, 128, |x, y| {
        let inside = (x as f32 + 0.5 - cx).hypot(y as f32 + 0.5 - 64.0) < 36.0;
        if inside { Rgb([230, 120, 30]) } else { Rgb([40, 60, 90 + (x / 4) as u8]) }
    })
}

/// Frames of the moving disc as raw RGB.
pub fn rgb(frames: Range<usize>) -> Vec<u8> {
    frames.flat_map(|i| disc(80.0 + 2.0 * i as f32).into_raw()).collect()
}

/// The path of a bundled file.
pub fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets").join(name)
}
