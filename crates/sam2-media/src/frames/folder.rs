//! A folder of images as a clip.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use sam2_model::Frame;

use super::{natural, photo};
use crate::error::{ClipError, MediaError};
use crate::files::list;
use crate::limits::KINDS;

/// What follows a frame's name in the name of a picture that belongs to it: `00000_mask.png` is no frame
/// where there is `00000.png`.
const COMPANIONS: [&str; 12] = [
    "mask",
    "masks",
    "overlay",
    "cutout",
    "seg",
    "label",
    "labels",
    "gt",
    "matte",
    "alpha",
    "depth",
    "annotation",
];

/// Entries of a folder that are looked at for a message.
const MAX_LISTED: usize = 1000;
/// Extensions of what folders hold in place of pictures that are read, what it is, and what to do.
const OTHERS: [(&[&str], &str, &str); 6] = [
    (
        &["heic", "heif", "avif"],
        "HEIC or AVIF pictures",
        "convert them to JPEG first (heif-convert, avifdec)",
    ),
    (
        &["cr2", "cr3", "nef", "arw", "dng", "raf", "rw2", "orf"],
        "raw pictures of a camera",
        "develop them to JPEG or TIFF first",
    ),
    (
        &["jxl", "jp2", "j2k", "tga", "exr", "dpx", "psd"],
        "pictures of other kinds",
        "convert them to PNG first",
    ),
    (&["dcm", "dicom"], "DICOM files", "export the slices as PNG first"),
    (&["npy", "npz"], "NumPy files", "save the frames as PNG first"),
    (&["mp4", "mov", "mkv", "avi", "webm", "m4v", "y4m"], "videos", "give one of them"),
];

/// The images of a folder in natural order, all of one kind and one size.
///
/// ```
/// use sam2_media::frames::folder::Folder;
///
/// # let folder = tempfile::tempdir()?;
/// # for name in ["frame10.png", "frame9.png"] {
/// #     sam2_media::pictures::png::write_rgb(&folder.path().join(name), &image::RgbImage::new(4, 2))?;
/// # }
/// let frames = Folder::open(folder.path(), None)?;
/// assert_eq!((frames.len(), frames.size()), (2, (4, 2)));
/// assert_eq!((frames.stem(0), frames.file(1).ends_with("frame10.png")), ("frame9".as_ref(), true));
/// assert_eq!(frames.frame(0)?.width(), 4);
/// frames.notes().for_each(|note| eprintln!("{note}")); // files that were left out
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Folder {
    files: Vec<PathBuf>,
    size: (u32, u32),
    notes: Vec<String>,
}

impl Folder {
    /// Lists the folder and reads every header, so that a mismatched image is reported before tracking. The
    /// frames are the files of one of the [`KINDS`]; what is left out is in the notes.
    ///
    /// # Errors
    /// If the folder cannot be listed, holds no pictures, or its pictures differ in size.
    pub fn open(path: &Path, max_frames: Option<usize>) -> Result<Self, MediaError> {
        let (mut names, mut notes) = frames_of(path)?;
        leave_out_companions(path, &mut names, &mut notes);
        natural::sort(&mut names);
        names.truncate(max_frames.unwrap_or(usize::MAX));
        let files: Vec<PathBuf> = names.into_iter().map(|name| path.join(name)).collect();
        let first = files.first().ok_or_else(|| no_pictures(path))?;
        let size = photo::dimensions(first)?;
        for file in &files[1..] {
            let other = photo::dimensions(file)?;
            if other != size {
                let (first, other) = (Box::new((first.clone(), size)), Box::new((file.clone(), other)));
                return Err(ClipError::SizesDiffer { first, other }.into());
            }
        }
        notes.extend(photo::note(first)?);
        Ok(Self { files, size, notes })
    }

    /// Width and height of every frame, in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Number of frames, at least one.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// What was left out, and what a user should know about the first picture, one line each.
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        self.notes.iter().map(String::as_str)
    }

    /// The name of a frame's file without its extension.
    ///
    /// # Panics
    /// If there is no frame `index`.
    pub fn stem(&self, index: usize) -> &OsStr {
        self.files[index].file_stem().unwrap_or_default()
    }

    /// The file of a frame.
    ///
    /// # Panics
    /// If there is no frame `index`.
    pub fn file(&self, index: usize) -> &Path {
        &self.files[index]
    }

    /// Reads one frame.
    ///
    /// # Errors
    /// If the picture cannot be read.
    ///
    /// # Panics
    /// If there is no frame `index`.
    pub fn frame(&self, index: usize) -> Result<Frame, MediaError> {
        photo::read(&self.files[index])
    }
}

/// The names of the pictures of the first kind that is there, and what was left out.
fn frames_of(folder: &Path) -> Result<(Vec<OsString>, Vec<String>), MediaError> {
    let mut by_kind = KINDS.map(|(kind, _)| (kind, Vec::new()));
    let (mut notes, mut special) = (Vec::new(), Vec::new());
    for name in list(folder, |file| kind_of(file).is_some())? {
        let file = folder.join(&name);
        match fs::metadata(&file) {
            Ok(metadata) if metadata.is_dir() => {}
            // A pipe would be waited for without an end.
            Ok(metadata) if !metadata.is_file() => special.push(name),
            // A link to a file that is not there is a frame that cannot be read, and reported as one.
            _ => by_kind[kind_of(&file).unwrap_or_default()].1.push(name),
        }
    }
    let mut kinds = by_kind.into_iter().filter(|(_, names)| !names.is_empty());
    let (kind, frames) = kinds.next().unwrap_or_default();
    let others: Vec<String> = kinds.map(|(kind, names)| format!("{} {kind}", names.len())).collect();
    if !others.is_empty() {
        notes.push(format!(
            "the frames of {} are its {} {kind} files; {} files are left out",
            folder.display(),
            frames.len(),
            others.join(" and ")
        ));
    }
    if let Some(first) = special.first() {
        notes.push(format!(
            "{} is a pipe, socket or device and no frame{}",
            folder.join(first).display(),
            if special.len() > 1 { format!(", as are {} others", special.len() - 1) } else { String::new() }
        ));
    }
    Ok((frames, notes))
}

/// The error of a folder without pictures, with what it holds in their place.
fn no_pictures(folder: &Path) -> ClipError {
    let entries = fs::read_dir(folder).into_iter().flatten().take(MAX_LISTED).filter_map(Result::ok);
    let (mut folders, mut counts) = (Vec::new(), [0_usize; OTHERS.len()]);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            folders.push(path);
        } else if let Some(other) = other_kind_of(&path) {
            counts[other] += 1;
        }
    }
    folders.sort();
    let most = (0..counts.len()).max_by_key(|&i| (counts[i], std::cmp::Reverse(i))).unwrap_or(0);
    let holds = |folder: &PathBuf| {
        fs::read_dir(folder)
            .is_ok_and(|entries| entries.take(MAX_LISTED).flatten().any(|e| kind_of(&e.path()).is_some()))
    };
    let found = if counts[most] > 0 {
        let (_, what, advice) = OTHERS[most];
        format!("; it holds {} {what}: {advice}", counts[most])
    } else if let Some(inner) = folders.iter().find(|folder| holds(folder)) {
        format!("; there are some in {}", inner.display())
    } else {
        String::new()
    };
    ClipError::NoPictures { folder: folder.to_owned(), found }
}

/// Index of the kind of [`OTHERS`] that a file's name tells.
fn other_kind_of(file: &Path) -> Option<usize> {
    let extension = file.extension()?.to_str()?.to_lowercase();
    OTHERS.iter().position(|(extensions, ..)| extensions.contains(&extension.as_str()))
}

/// Index of the kind of [`KINDS`] that a file's name tells.
fn kind_of(file: &Path) -> Option<usize> {
    let extension = file.extension()?.to_str()?.to_lowercase();
    KINDS.iter().position(|(_, extensions)| extensions.contains(&extension.as_str()))
}

fn leave_out_companions(folder: &Path, names: &mut Vec<OsString>, notes: &mut Vec<String>) {
    let stem = |name: &OsString| Path::new(name).file_stem().unwrap_or_default().as_encoded_bytes().to_vec();
    let mut stems: Vec<Vec<u8>> = names.iter().map(stem).collect();
    stems.sort_unstable();
    let is_companion = |name: &OsString| {
        let stem = stem(name);
        COMPANIONS.iter().any(|word| {
            let base = stem.strip_suffix(word.as_bytes()).and_then(|rest| rest.strip_suffix(b"_"));
            base.is_some_and(|base| stems.binary_search_by(|other| other.as_slice().cmp(base)).is_ok())
        })
    };
    let (companions, frames): (Vec<OsString>, Vec<OsString>) =
        std::mem::take(names).into_iter().partition(is_companion);
    *names = frames;
    if let Some(first) = companions.first() {
        notes.push(format!(
            "{} belongs to a frame and is none itself{}",
            folder.join(first).display(),
            if companions.len() > 1 {
                format!(", as {} others", companions.len() - 1)
            } else {
                String::new()
            }
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_in_place_of_pictures_is_said() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let refused = || Folder::open(dir.path(), None).expect_err("no pictures").to_string();
        assert!(refused().ends_with("pam)"), "{}", refused());
        fs::create_dir(dir.path().join("images")).expect("folder");
        picture(&dir.path().join("images/0.png"), 0, (4, 2));
        assert!(refused().contains("there are some in") && refused().ends_with("images"), "{}", refused());
        for name in ["a.mp4", "IMG_1.HEIC", "IMG_2.heic"] {
            fs::write(dir.path().join(name), "").expect("write");
        }
        assert!(refused().contains("2 HEIC or AVIF pictures: convert them"), "{}", refused());
    }
    use image::{Rgb, RgbImage};

    fn picture(path: &Path, level: u8, size: (u32, u32)) {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let kind = kind_of(path).map(|kind| KINDS[kind].0).expect("a picture");
        let format = match kind {
            "JPEG" => image::ImageFormat::Jpeg,
            "PNG" => image::ImageFormat::Png,
            other => image::ImageFormat::from_extension(other.to_lowercase()).expect("known"),
        };
        RgbImage::from_pixel(size.0, size.1, Rgb([level; 3])).write_to(&mut bytes, format).expect("encode");
        std::fs::write(path, bytes.into_inner()).expect("write");
    }

    fn levels(folder: &Folder) -> Vec<u8> {
        (0..folder.len()).map(|i| folder.frame(i).expect("frame").rgb()[0]).collect()
    }

    #[test]
    fn frames_come_in_natural_order_and_one_size() {
        let dir = tempfile::tempdir().expect("temporary folder");
        for (name, level) in [("f10.png", 10), ("f9.PNG", 9), ("f100.png", 100)] {
            picture(&dir.path().join(name), level, (4, 3));
        }
        std::fs::write(dir.path().join("notes.txt"), "not a frame").expect("write");
        std::fs::write(dir.path().join(".hidden.png"), "not a frame").expect("write");
        std::fs::write(dir.path().join("._f9.png"), "of another system").expect("write");
        std::fs::create_dir(dir.path().join("old.png")).expect("folder");
        let folder = Folder::open(dir.path(), None).expect("open");
        assert_eq!(levels(&folder), [9, 10, 100]);
        assert_eq!(folder.notes().count(), 0);
        assert_eq!(Folder::open(dir.path(), Some(2)).expect("open").len(), 2);

        picture(&dir.path().join("f11.png"), 0, (5, 3));
        let text = Folder::open(dir.path(), None).expect_err("sizes differ").to_string();
        assert!(text.contains("f11.png") && text.contains("5x3") && text.contains("4x3"), "{text}");
    }

    #[test]
    fn one_kind_of_picture_is_the_clip() {
        let dir = tempfile::tempdir().expect("temporary folder");
        for (name, level) in [("2.JPG", 200), ("1.jfif", 100), ("3.jpe", 240), ("0.jpeg", 0)] {
            picture(&dir.path().join(name), level, (16, 16));
        }
        // Annotations beside the frames, of another size.
        for name in ["0.png", "1.png", "1_mask.png", "2.webp"] {
            picture(&dir.path().join(name), 50, (8, 8));
        }
        let folder = Folder::open(dir.path(), None).expect("open");
        assert_eq!(levels(&folder), [0, 100, 200, 240]);
        let notes: Vec<&str> = folder.notes().collect();
        assert!(notes.len() == 1 && notes[0].contains("4 JPEG files; 3 PNG and 1 WebP"), "{notes:?}");
    }

    #[test]
    fn a_mask_beside_its_frame_is_no_frame() {
        let dir = tempfile::tempdir().expect("temporary folder");
        for (name, level) in [("a1.png", 1), ("a1_mask.png", 9), ("a2.png", 2), ("lone_mask.png", 3)] {
            picture(&dir.path().join(name), level, (4, 4));
        }
        let folder = Folder::open(dir.path(), None).expect("open");
        assert_eq!(levels(&folder), [1, 2, 3], "a name that belongs to no frame is a frame's own");
        assert!(folder.notes().next().is_some_and(|note| note.contains("a1_mask.png")));
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_utf8_are_kept() {
        use std::os::unix::ffi::OsStrExt;
        let dir = tempfile::tempdir().expect("temporary folder");
        for i in [10, 9] {
            let name = [b"\xe9t\xe9_".as_slice(), i.to_string().as_bytes(), b".png"].concat();
            let file = dir.path().join(OsStr::from_bytes(&name));
            RgbImage::from_pixel(2, 2, Rgb([i; 3])).save(dir.path().join("x.png")).expect("save");
            if std::fs::rename(dir.path().join("x.png"), file).is_err() {
                eprintln!("skipped: this file system wants UTF-8");
                return;
            }
        }
        let folder = Folder::open(dir.path(), None).expect("open");
        assert_eq!(levels(&folder), [9, 10]);
        assert_eq!(folder.stem(0).as_bytes(), b"\xe9t\xe9_9");
    }

    #[cfg(unix)]
    #[test]
    fn pipes_and_sockets_among_the_frames_are_left_out() {
        let dir = tempfile::tempdir().expect("temporary folder");
        picture(&dir.path().join("0.png"), 7, (2, 2));
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("1.png")).expect("socket");
        let pipe = dir.path().join("2.png");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|s| s.success());
        let folder = Folder::open(dir.path(), None).expect("open");
        assert_eq!(levels(&folder), [7]);
        let notes: Vec<&str> = folder.notes().collect();
        let others = if made { "1 others" } else { "no frame" };
        assert!(notes.len() == 1 && notes[0].contains("1.png") && notes[0].contains(others), "{notes:?}");
    }

    #[test]
    fn a_folder_without_pictures_is_refused() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let text = Folder::open(dir.path(), None).expect_err("empty").to_string();
        assert!(text.contains("holds no pictures"), "{text}");
    }
}
