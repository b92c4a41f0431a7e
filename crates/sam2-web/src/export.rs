//! Masks in the files of other programs: one file, or a zip of several.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sam2_media::MediaError;
use sam2_media::export::{Classes, Format, Images, Job, Object, Options, Picture, Set};
use sam2_media::frames::{Clip, photo};
use sam2_model::Rle;
use serde::{Deserialize, Serialize};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::error::ApiError;
use crate::media::{Media, Source};

/// A format, as the page shows it.
#[derive(Debug, Serialize)]
pub struct Known {
    pub id: &'static str,
    name: &'static str,
    pub kinds: &'static [&'static str],
    /// Extensions of one file in place of the usual ones.
    extensions: &'static [&'static str],
}

const BOTH: &[&str] = &["image", "clip"];
const CLIP: &[&str] = &["clip"];

/// All formats.
pub const FORMATS: [Known; 11] = [
    Known { id: "coco", name: "COCO", kinds: BOTH, extensions: &[] },
    Known { id: "yolo", name: "YOLO segmentation", kinds: BOTH, extensions: &[] },
    Known { id: "labelme", name: "labelme", kinds: BOTH, extensions: &[] },
    Known { id: "davis", name: "DAVIS palette PNG", kinds: BOTH, extensions: &[] },
    Known { id: "ytvis", name: "YouTube-VIS", kinds: CLIP, extensions: &[] },
    Known { id: "sav", name: "SA-V", kinds: CLIP, extensions: &[] },
    Known { id: "sav-png", name: "SA-V PNG", kinds: CLIP, extensions: &[] },
    Known { id: "mot", name: "MOTChallenge", kinds: CLIP, extensions: &[] },
    Known { id: "mots", name: "MOTS", kinds: CLIP, extensions: &[] },
    Known { id: "overlay", name: "Overlay", kinds: BOTH, extensions: &["gif", "apng", "mp4", "webm", "mov"] },
    Known { id: "alpha", name: "Cut-out", kinds: BOTH, extensions: &["webm", "mov"] },
];

/// What the page asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportRequest {
    pub ids: Vec<String>,
    pub format: String,
    #[serde(default)]
    pub options: ExportOptions,
}

/// Options of the formats, as at the command line.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExportOptions {
    simplify: Option<f64>,
    every: Option<usize>,
    min_area: Option<u64>,
    always_rle: bool,
    drop_holes: bool,
    labelme_mask: bool,
    white: bool,
    largest: bool,
    first_frame: Option<usize>,
    alpha: Option<f32>,
    labels: bool,
    /// Of one file in place of a folder of pictures.
    extension: Option<String>,
    /// Write into the folder of `--allow-write`.
    pub write: bool,
}

impl ExportOptions {
    fn options(&self) -> Result<Options, ApiError> {
        let refuse = |text: &str| Err(ApiError::bad("bad_option", text));
        if self.simplify.is_some_and(|pixels| !(0.0..=1000.0).contains(&pixels)) {
            return refuse("simplify is 0 to 1000 pixels");
        }
        if self.alpha.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return refuse("alpha is 0 to 1");
        }
        let mut options = Options::default();
        options.simplify = self.simplify.unwrap_or(options.simplify);
        options.alpha = self.alpha.unwrap_or(options.alpha);
        options.first_frame = self.first_frame;
        (options.always_rle, options.drop_holes) = (self.always_rle, self.drop_holes);
        (options.labelme_mask, options.white) = (self.labelme_mask, self.white);
        (options.largest, options.labels) = (self.largest, self.labels);
        Ok(options)
    }
}

/// What is written, checked.
pub struct Export {
    media: Vec<Arc<Media>>,
    format: Format,
    request: ExportOptions,
    options: Options,
}

/// What came of it: a file to send, or names of files in the folder of `--allow-write`.
#[derive(Debug)]
pub enum Exported {
    File { path: PathBuf, name: String, remarks: Vec<String> },
    Written { files: Vec<String>, remarks: Vec<String> },
}

impl Export {
    /// # Errors
    /// If the format or an option does not exist, or does not fit what is to be exported.
    pub fn new(media: Vec<Arc<Media>>, format: &str, request: ExportOptions) -> Result<Self, ApiError> {
        let Some(known) = FORMATS.iter().find(|known| known.id == format) else {
            let names: Vec<&str> = FORMATS.iter().map(|known| known.id).collect();
            return Err(ApiError::bad("bad_format", format!("format is one of {}", names.join(", "))));
        };
        for media in &media {
            let kind = if media.is_clip() { "clip" } else { "image" };
            if !known.kinds.contains(&kind) {
                let text = format!("{} is a picture, and {format} is a format of clips", media.name);
                return Err(ApiError::bad("bad_format", text));
            }
        }
        if let Some(extension) = &request.extension
            && !known.extensions.contains(&extension.as_str())
        {
            let text = format!("{format} has no file of the extension {extension:?}");
            return Err(ApiError::bad("bad_option", text));
        }
        let options = request.options()?;
        let format = format.parse().map_err(|e| ApiError::bad("bad_format", format!("{e}")))?;
        Ok(Self { media, format, request, options })
    }

    /// Writes everything into a new folder below `folder`, and packs it if it is more than one file.
    ///
    /// # Errors
    /// If a file cannot be written, or ffmpeg is missing.
    pub fn pack(&self, folder: &Path, embedded: Option<&'static [u8]>) -> Result<Exported, ApiError> {
        let tree = folder.join("files");
        fs::create_dir(&tree).map_err(|e| failed(&e))?;
        let remarks = self.write(&tree, embedded)?;
        if self.format == Format::Yolo {
            without_path(&tree).map_err(|e| failed(&e))?;
        }
        let files = files_below(&tree).map_err(|e| failed(&e))?;
        let stem = match &self.media[..] {
            [one] => stem(&one.name),
            _ => "sam2".to_owned(),
        };
        if let [only] = &files[..] {
            let extension = only.extension().unwrap_or_default().to_string_lossy();
            let name = format!("{stem}_{}.{extension}", self.format);
            return Ok(Exported::File { path: tree.join(only), name, remarks });
        }
        let path = folder.join("export.zip");
        zip(&tree, &files, &path).map_err(|e| failed(&e))?;
        Ok(Exported::File { path, name: format!("{stem}_{}.zip", self.format), remarks })
    }

    /// Writes everything into a new folder in the one of `--allow-write`; nothing there is replaced.
    ///
    /// # Errors
    /// As [`Self::pack`].
    pub fn write_into(&self, allowed: &Path, embedded: Option<&'static [u8]>) -> Result<Exported, ApiError> {
        let name = match &self.media[..] {
            [one] => stem(&one.name),
            _ => "sam2".to_owned(),
        };
        let mut numbers = 1..10_000;
        let tree = numbers.find_map(|n| {
            let number = if n == 1 { String::new() } else { format!("_{n}") };
            let tree = allowed.join(format!("{name}_{}{number}", self.format));
            // Fails if something of this name is there, a link too.
            fs::create_dir(&tree).is_ok().then_some(tree)
        });
        let tree =
            tree.ok_or_else(|| ApiError::internal(format!("cannot write into {}", allowed.display())))?;
        let remarks = self.write(&tree, embedded).inspect_err(|_| drop(fs::remove_dir_all(&tree)))?;
        let base = tree.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let files = files_below(&tree).map_err(|e| failed(&e))?;
        let files = files.iter().map(|file| format!("{base}/{}", slashes(file))).collect();
        Ok(Exported::Written { files, remarks })
    }

    fn write(&self, tree: &Path, embedded: Option<&'static [u8]>) -> Result<Vec<String>, ApiError> {
        let mut remarks = Vec::new();
        for (i, media) in self.media.iter().enumerate() {
            let place = match &self.media[..] {
                [_] => tree.to_owned(),
                _ => tree.join(format!("{:03}_{}", i + 1, stem(&media.name))),
            };
            let out = match &self.request.extension {
                Some(extension) => place.join(format!("{}.{extension}", stem(&media.name))),
                None => place,
            };
            let set = self.set(media)?;
            let images = self.images(media, embedded)?;
            let job = Job::new(self.format, out, self.options.clone());
            let job = job.map_err(|e| ApiError::bad("bad_option", e.to_string()))?;
            job.prepare()?;
            let said = job.write(&set, images.as_ref())?;
            remarks.extend(said.into_iter().map(|remark| format!("{}: {remark}", media.name)));
        }
        Ok(remarks)
    }

    fn set(&self, media: &Media) -> Result<Set, ApiError> {
        let mut set = Set::new(stem(&media.name), media.size);
        set.length = media.frames;
        if let Source::Clip(clip) = &media.source {
            set.fps = clip.fps().unwrap_or(set.fps);
        }
        let state = media.state();
        for index in state.frames() {
            let objects: Result<Vec<Object>, ApiError> = state
                .on(index)
                .into_iter()
                .map(|object| {
                    let [height, width] = object.rle.size;
                    let rle = Rle::from_coco_string(width, height, &object.rle.counts)
                        .map_err(|e| ApiError::internal(e.to_string()))?;
                    Ok(Object { id: object.obj_id, score: Some(object.predicted_iou), rle })
                })
                .collect();
            set.frames.push(Picture { index, file: file_name(media, index), objects: objects? });
        }
        if set.frames.is_empty() {
            return Err(ApiError::conflict("no_mask", format!("{} has no mask yet", media.name)));
        }
        let names = state.objects().iter().filter(|(_, object)| !object.name.trim().is_empty());
        let names: BTreeMap<u32, String> =
            names.map(|(&id, object)| (id, object.name.trim().to_owned())).collect();
        set.classes = Classes::named(&names, &set.ids());
        set.reduce(self.request.every.unwrap_or(1), self.request.min_area.unwrap_or(0));
        Ok(set)
    }

    fn images(&self, media: &Media, embedded: Option<&'static [u8]>) -> Result<Option<Images>, MediaError> {
        let wanted = self.format.needs_images() || self.format == Format::Yolo;
        Ok(match (&media.source, &media.path, embedded) {
            _ if !wanted => None,
            (Source::Photo(path), ..) => Some(Images::photo(path, None, photo::read(path)?)),
            (Source::Clip(_), Some(path), _) => Some(Images::clip(path, Clip::open(path, None)?)),
            (Source::Clip(_), None, Some(bytes)) => {
                Some(Images::clip(Path::new(&media.name), Clip::embedded(bytes)?))
            }
            (Source::Clip(_), None, None) => None,
        })
    }
}

fn failed(e: &dyn std::fmt::Display) -> ApiError {
    ApiError::internal(format!("cannot export: {e}"))
}

/// The name of a frame's picture.
fn file_name(media: &Media, index: usize) -> String {
    match &media.source {
        Source::Photo(_) => match media.name.rsplit_once('.') {
            Some((_, extension)) => format!("{}.{extension}", stem(&media.name)),
            None => stem(&media.name),
        },
        Source::Clip(clip) => {
            let own = clip.file(index).and_then(Path::file_name);
            own.map_or_else(|| format!("{index:05}.png"), |name| name.to_string_lossy().into_owned())
        }
    }
}

/// A name without its extension, of characters that every system has in names of files.
pub fn stem(name: &str) -> String {
    let is_extension = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let split = name.rsplit_once('.').filter(|(stem, end)| !stem.is_empty() && is_extension(end));
    let stem = split.map_or(name, |(stem, _)| stem);
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | ' ') { c } else { '_' };
    let name: String = stem.chars().map(plain).take(80).collect();
    let name = name.trim();
    if name.is_empty() { "sam2".to_owned() } else { name.to_owned() }
}

/// The files below a folder, by name, relative to it.
fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fn list(folder: &Path, below: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
        for entry in fs::read_dir(folder.join(below))? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                list(folder, &path, files)?;
            } else {
                files.push(path);
            }
        }
        Ok(())
    }
    let mut files = Vec::new();
    list(folder, Path::new(""), &mut files)?;
    files.sort();
    Ok(files)
}

fn slashes(path: &Path) -> String {
    let parts = path.components().map(|part| part.as_os_str().to_string_lossy());
    parts.collect::<Vec<_>>().join("/")
}

/// Removes the folder from YOLO's lists, since it is another one where they are unpacked: without one it is
/// that of the list.
fn without_path(tree: &Path) -> io::Result<()> {
    for file in files_below(tree)?.iter().filter(|file| file.ends_with("data.yaml")) {
        let path = tree.join(file);
        let text = fs::read_to_string(&path)?;
        let lines = text.lines().filter(|line| !line.starts_with("path:"));
        fs::write(&path, lines.map(|line| format!("{line}\n")).collect::<String>())?;
    }
    Ok(())
}

/// Packs files; pictures and videos are compressed already.
fn zip(tree: &Path, files: &[PathBuf], to: &Path) -> io::Result<()> {
    let mut archive = ZipWriter::new(io::BufWriter::new(File::create_new(to)?));
    for file in files {
        let text =
            file.extension().is_some_and(|e| matches!(e.to_str(), Some("json" | "txt" | "yaml" | "ini")));
        let method = if text { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
        let mut source = File::open(tree.join(file))?;
        let large = source.metadata()?.len() > u64::from(u32::MAX / 2);
        let options = SimpleFileOptions::default().compression_method(method).large_file(large);
        archive.start_file(slashes(file), options).map_err(io::Error::other)?;
        io::copy(&mut source, &mut archive)?;
    }
    archive.finish().map_err(io::Error::other)?.into_inner().map_err(io::Error::other)?.sync_data()
}

/// Reads a file in parts and hands them on until the reader has gone.
///
/// # Errors
/// If it cannot be read.
pub fn send(path: &Path, mut sink: impl FnMut(Vec<u8>) -> bool) -> io::Result<()> {
    let mut file = File::open(path)?;
    loop {
        let mut part = vec![0; 64 << 10];
        let read = file.read(&mut part)?;
        part.truncate(read);
        if read == 0 || !sink(part) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_made_here() {
        for (name, expected) in [
            ("street.jpg", "street"),
            ("../../etc/passwd", "______etc_passwd"),
            ("Käfer 1.b.png", "Käfer 1_b"),
            (".hidden", "_hidden"),
            ("a\"b\\c", "a_b_c"),
            ("", "sam2"),
        ] {
            assert_eq!(stem(name), expected, "{name}");
        }
    }

    #[test]
    fn every_format_of_the_exporters_is_offered() {
        for known in FORMATS {
            let format: Format = known.id.parse().expect(known.id);
            assert_eq!(format.name(), known.id);
        }
        assert!("x".parse::<Format>().expect_err("unknown").to_string().split(", ").count() >= FORMATS.len());
    }
}
