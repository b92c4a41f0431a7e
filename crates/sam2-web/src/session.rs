//! The session on the disk: a line for everything that was prompted or tracked, appended before it is
//! answered, so that a killed server loses nothing.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::error::{ApiError, ServeError};
use crate::state::{MaskEntry, Object, Prompt, State};

const VERSION: u32 = 1;
/// Longer files are not read: about half a million masks.
const MAX_BYTES: u64 = 1 << 30;

/// A line of the file.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "line", rename_all = "lowercase")]
enum Line {
    /// The first one.
    Sam2Session { version: u32 },
    /// A prompt and its mask; without them, it was cleared.
    Prompt { media: String, frame: usize, obj_id: u32, set: Option<(Prompt, MaskEntry)> },
    /// A tracked mask, or another one of a prompt.
    Mask { media: String, frame: usize, obj_id: u32, mask: MaskEntry },
    /// Name and colour.
    Object { media: String, obj_id: u32, object: Object },
    /// An object was removed.
    Remove { media: String, obj_id: u32 },
}

/// The file.
#[derive(Debug)]
pub struct Session {
    path: PathBuf,
    file: Mutex<File>,
    lines: AtomicUsize,
    /// What it held at the start, for media that are opened later.
    earlier: Mutex<BTreeMap<String, State>>,
}

impl Session {
    /// Opens the file and reads what it holds, or creates it. A last line that was cut off by a kill was
    /// never answered and is removed.
    ///
    /// # Errors
    /// If it cannot be read or written, is no session, is damaged, or another server uses it.
    pub fn open(path: &Path) -> Result<Self, ServeError> {
        let fail = |message: String| ServeError::Session { path: path.to_owned(), message };
        let io = |e: io::Error| fail(format!("{e}; choose another --session"));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // A pipe or a device is not opened: that could wait for ever, or have no end.
        if path.metadata().is_ok_and(|data| !data.is_file()) {
            return Err(fail("it is no file; choose another --session".to_owned()));
        }
        let mut file = options.open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        if size > MAX_BYTES {
            return Err(fail(format!("it has {size} bytes, {MAX_BYTES} are read; choose another --session")));
        }
        match file.try_lock() {
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(fail("another server uses it; choose another --session".to_owned()));
            }
            // Some file systems have no locks.
            Ok(()) | Err(std::fs::TryLockError::Error(_)) => {}
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |last| last + 1);
        let states = if whole == 0 && looks_foreign(&bytes) {
            return Err(fail("it is no session of sam2 serve; choose another --session".to_owned()));
        } else {
            read(&bytes[..whole]).map_err(fail)?
        };
        file.set_len(whole as u64).map_err(io)?;
        file.seek(SeekFrom::End(0)).map_err(io)?;
        let lines = AtomicUsize::new(bytes.iter().filter(|&&b| b == b'\n').count());
        let (path, file, earlier) = (path.to_owned(), Mutex::new(file), Mutex::new(states));
        let session = Self { path, file, lines, earlier };
        if whole == 0 {
            session.append(&Line::Sam2Session { version: VERSION }).map_err(|e| fail(e.message))?;
        }
        Ok(session)
    }

    /// Whether it has no line but the first.
    pub fn is_empty(&self) -> bool {
        self.lines.load(Ordering::Relaxed) < 2
    }

    /// The state in which a picture or clip was left.
    pub fn take(&self, media: &str) -> State {
        let mut earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
        earlier.remove(media).unwrap_or_default()
    }

    pub fn prompt(
        &self,
        media: &str,
        (frame, obj_id): (usize, u32),
        set: Option<(Prompt, MaskEntry)>,
    ) -> Result<(), ApiError> {
        self.append(&Line::Prompt { media: media.to_owned(), frame, obj_id, set })
    }

    pub fn mask(&self, media: &str, frame: usize, obj_id: u32, mask: MaskEntry) -> Result<(), ApiError> {
        self.append(&Line::Mask { media: media.to_owned(), frame, obj_id, mask })
    }

    pub fn object(&self, media: &str, obj_id: u32, object: Object) -> Result<(), ApiError> {
        self.append(&Line::Object { media: media.to_owned(), obj_id, object })
    }

    pub fn remove(&self, media: &str, obj_id: u32) -> Result<(), ApiError> {
        self.append(&Line::Remove { media: media.to_owned(), obj_id })
    }

    /// Appends a line. A line that was written in part, as on a full disk, is taken back.
    fn append(&self, line: &Line) -> Result<(), ApiError> {
        let failed = |e: &dyn std::fmt::Display| {
            ApiError::internal(format!("cannot write the session {}: {e}", self.path.display()))
        };
        let mut text = serde_json::to_vec(line).map_err(|e| failed(&e))?;
        text.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let at = file.stream_position().map_err(|e| failed(&e))?;
        file.write_all(&text).map_err(|e| {
            let _ = file.set_len(at).and_then(|()| file.seek(SeekFrom::Start(at)));
            failed(&e)
        })?;
        self.lines.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Writes what was appended to the disk.
    pub fn sync(&self) {
        let _ = self.file.lock().unwrap_or_else(PoisonError::into_inner).sync_data();
    }
}

/// Whether a file without a whole line is something else than the beginning of a session.
fn looks_foreign(bytes: &[u8]) -> bool {
    let head = format!("{{\"line\":\"sam2session\",\"version\":{VERSION}}}");
    !head.as_bytes().starts_with(bytes)
}

fn read(bytes: &[u8]) -> Result<BTreeMap<String, State>, String> {
    let mut states: BTreeMap<String, State> = BTreeMap::new();
    let Some(bytes) = bytes.strip_suffix(b"\n") else { return Ok(states) };
    for (i, line) in bytes.split(|&b| b == b'\n').enumerate() {
        let number = i + 1;
        let damaged = |what: &str| format!("line {number}: {what}; choose another --session");
        let line: Line = serde_json::from_slice(line).map_err(|e| match i {
            0 => "it is no session of sam2 serve; choose another --session".to_owned(),
            _ => damaged(&e.to_string()),
        })?;
        match (i, line) {
            (0, Line::Sam2Session { version: VERSION }) => {}
            (0, _) => return Err("it is no session that this version reads; choose another --session".into()),
            (_, Line::Sam2Session { .. }) => return Err(damaged("a second beginning")),
            (_, Line::Prompt { media, frame, obj_id, set }) => {
                states.entry(media).or_default().set_prompt(frame, obj_id, set);
            }
            (_, Line::Mask { media, frame, obj_id, mask }) => {
                states.entry(media).or_default().set_mask(frame, obj_id, mask);
            }
            (_, Line::Object { media, obj_id, object }) => {
                states.entry(media).or_default().set_object(obj_id, object);
            }
            (_, Line::Remove { media, obj_id }) => {
                states.entry(media).or_default().remove_object(obj_id);
            }
        }
    }
    Ok(states)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sam2_media::protocol::CocoRle;

    fn entry() -> (Prompt, MaskEntry) {
        let rle = CocoRle { counts: "033".to_owned(), size: [2, 3] };
        let prompt = Prompt { points: vec![[1.0, 0.5]], labels: vec![1], ..Prompt::default() };
        (prompt, MaskEntry { rle, predicted_iou: 0.1, stability: 0.2, object_score: 0.3 })
    }

    #[test]
    #[cfg(unix)]
    fn devices_and_folders_are_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        for path in [Path::new("/dev/zero"), folder.path()] {
            let error = Session::open(path).expect_err("no file").to_string();
            assert!(error.contains("it is no file"), "{error}");
        }
    }

    #[test]
    fn what_was_written_is_read_also_after_a_cut() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("a.jsonl");
        let mut expected = State::default();
        {
            let session = Session::open(&path).expect("new");
            assert!(Session::open(&path).expect_err("in use").to_string().contains("another server"));
            let (prompt, mask) = entry();
            session.prompt("clip", (3, 1), Some((prompt.clone(), mask.clone()))).expect("write");
            session.mask("clip", 4, 1, mask.clone()).expect("write");
            let object = Object { name: "Käfer \"1\"".to_owned(), color: "#ffffff".to_owned() };
            session.object("clip", 1, object.clone()).expect("write");
            session.prompt("photo", (0, 2), Some((prompt.clone(), mask.clone()))).expect("write");
            session.remove("photo", 2).expect("write");
            expected.set_prompt(3, 1, Some((prompt, mask.clone())));
            expected.set_mask(4, 1, mask);
            expected.set_object(1, object);
        }
        let whole = std::fs::read(&path).expect("read");
        // Cut anywhere within the last line, it is as if that had not been written.
        let last = whole[..whole.len() - 1].iter().rposition(|&b| b == b'\n').expect("lines") + 1;
        for end in [last, last + 1, whole.len() - 1] {
            std::fs::write(&path, &whole[..end]).expect("write");
            let session = Session::open(&path).expect("cut");
            assert_eq!(session.take("clip"), expected);
            assert!(!session.take("photo").is_empty());
            session.remove("photo", 2).expect("goes on");
        }
        let session = Session::open(&path).expect("again");
        assert!(session.take("photo").is_empty() && session.take("clip") == expected);
    }

    #[test]
    fn other_files_are_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("a");
        for text in ["photo", "\n", "{\"frame\":0}\n", "{\"line\":\"sam2session\",\"version\":9}\n"] {
            std::fs::write(&path, text).expect("write");
            let error = Session::open(&path).expect_err(text).to_string();
            assert!(error.contains("no session") && error.contains("--session"), "{error}");
            assert_eq!(std::fs::read_to_string(&path).expect("read"), text);
        }
        std::fs::write(&path, "{\"line\":\"sam2session\",\"version\":1}\n{}\n").expect("write");
        assert!(Session::open(&path).expect_err("damaged").to_string().contains("line 2"));
        // Of a server that was killed right at its start.
        std::fs::write(&path, "{\"line\":\"sam2s").expect("write");
        assert!(Session::open(&path).is_ok());
    }
}
