//! Names of the files of a run, as they are written and as they are recognised.

use std::path::{Component, Path, PathBuf};

use crate::error::MediaError;

/// The frame of a mask or an overlay: 7 for `00007.png`.
///
/// ```
/// use sam2_media::outputs::names;
///
/// assert_eq!((names::frame("00007.png"), names::frame("cat.png")), (Some(7), None));
/// assert_eq!(names::logits("00007_obj1.npy"), Some(7));
/// assert_eq!(names::rank("007.png"), Some(7));
/// ```
pub fn frame(name: &str) -> Option<usize> {
    number(name.strip_suffix(".png")?, 5)
}

/// The frame of an array of logits: 7 for `00007_obj1.npy`.
pub fn logits(name: &str) -> Option<usize> {
    let (frame, object) = name.strip_suffix(".npy")?.split_once("_obj")?;
    number(object, 1)?;
    number(frame, 5)
}

/// The place of a mask in a list of masks: 7 for `007.png`.
pub fn rank(name: &str) -> Option<usize> {
    number(name.strip_suffix(".png")?, 3)
}

/// The extension of a path that looks like that of a file, in lower case: not the end of a version or a date,
/// and neither a folder that is there nor a name with a slash behind it.
///
/// ```
/// use sam2_media::outputs::names;
///
/// assert_eq!(names::extension("out.MP4".as_ref()).as_deref(), Some("mp4"));
/// assert_eq!(names::extension("run.v2".as_ref()), None);
/// assert_eq!(names::extension("clip.mp4/".as_ref()), None);
/// ```
pub fn extension(path: &Path) -> Option<String> {
    let explicit = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    let text = path.extension()?.to_str()?.to_ascii_lowercase();
    let version = text.strip_prefix('v').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    let looks = (2..=11).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric())
        && text.starts_with(|c: char| c.is_ascii_alphabetic());
    (looks && !version && !explicit && !path.is_dir()).then_some(text)
}

/// A number that was written with at least `width` digits, padded with zeros.
fn number(digits: &str, width: usize) -> Option<usize> {
    let padded = digits.len() == width || digits.len() > width && !digits.starts_with('0');
    if !padded || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// Characters of a name in a message.
const MAX_SHOWN: usize = 100;

fn shown(name: &Path) -> String {
    name.display().to_string().chars().take(MAX_SHOWN).collect()
}

/// `root/name` for a name that a file gives, which must lead to a place inside `root`.
///
/// ```
/// # use std::path::Path;
/// # use sam2_media::outputs::names::inside;
/// # let folder = tempfile::tempdir()?;
/// # let root = folder.path();
/// assert_eq!(inside(root, "car/00007.png")?, root.join("car/00007.png"));
/// assert!(inside(root, "../00007.png").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the name is absolute, holds `..`, or goes through a link to a place outside.
pub fn inside(root: &Path, name: impl AsRef<Path>) -> Result<PathBuf, MediaError> {
    let name = name.as_ref();
    let leaves = || MediaError::LeavesFolder { folder: root.to_owned(), name: shown(name) };
    let mut path = root.to_owned();
    let real_root = root.canonicalize().ok();
    let mut parts = 0;
    for part in name.components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => continue,
            _ => return Err(leaves()),
        }
        parts += 1;
        let is_link = path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
        // A link without a target is refused too: what it will lead to is unknown.
        if is_link && !matches!((path.canonicalize(), &real_root), (Ok(to), Some(r)) if to.starts_with(r)) {
            return Err(leaves());
        }
    }
    if parts == 0 { Err(leaves()) } else { Ok(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_recognised_as_they_are_written() {
        for index in [0, 7, 99_999, 100_000, 1_234_567] {
            assert_eq!(frame(&format!("{index:05}.png")), Some(index));
            assert_eq!(logits(&format!("{index:05}_obj255.npy")), Some(index));
            assert_eq!(rank(&format!("{index:03}.png")), Some(index));
        }
        for other in
            ["0000.png", "012345.png", "00000.jpg", "a0000.png", ".png", "+0000.png", "00000.png.bak"]
        {
            assert_eq!(frame(other), None, "{other}");
        }
        for other in ["00000.npy", "00000_obj.npy", "00000_obj1.png", "0_obj1.npy", "00000_objx.npy"] {
            assert_eq!(logits(other), None, "{other}");
        }
        assert_eq!((rank("00.png"), rank("0001.png"), rank("overlay.png")), (None, None, None));
    }

    #[test]
    fn names_of_files_stay_inside_the_folder() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let root = dir.path().join("out");
        std::fs::create_dir_all(root.join("real")).expect("folder");
        for good in ["a", "a/b", "real/001", "a.b", "..a", "./a"] {
            assert!(inside(&root, good).is_ok_and(|path| path.starts_with(&root)), "{good}");
        }
        for bad in ["..", "../x", "a/../../x", "a/../b", "/tmp", "", "."] {
            assert!(inside(&root, bad).is_err(), "{bad}");
        }
        let long =
            inside(&root, format!("../{}", "x".repeat(1 << 20))).expect_err("it leads out").to_string();
        assert!(long.len() < 1000 && long.contains("leads out"), "{} bytes", long.len());
        #[cfg(unix)]
        {
            let link = |to: &Path, name: &str| {
                std::os::unix::fs::symlink(to, root.join(name)).expect("a link");
            };
            link(dir.path(), "up");
            link(&root.join("real"), "within");
            link(Path::new("/absent/place"), "broken");
            assert!(inside(&root, "within/x").is_ok());
            for bad in ["up", "up/x", "broken", "broken/x"] {
                let text = inside(&root, bad).expect_err("it leaves").to_string();
                assert!(text.contains(bad) && text.contains("out"), "{text}");
            }
        }
    }
}
