//! The list of pictures and clips.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use sam2_media::MediaError;
use sam2_media::error::{ClipError, printable};
use sam2_media::files;
use sam2_media::frames::{Clip, photo};

use crate::error::ApiError;
use crate::limits;
use crate::session::Session;
use crate::state::State;
use crate::wire::MediaEntry;

/// Where the frames are.
#[derive(Debug)]
pub enum Source {
    Photo(PathBuf),
    Clip(Clip),
}

/// A picture or clip.
#[derive(Debug)]
pub struct Media {
    pub id: String,
    pub name: String,
    pub size: (u32, u32),
    pub frames: usize,
    pub source: Source,
    /// Where it was read; `None` if it is inside the program.
    pub path: Option<PathBuf>,
    /// Bytes of an upload, which is removed with its entry.
    pub upload: Option<u64>,
    /// Its name in the session.
    pub key: String,
    state: Mutex<State>,
}

impl Media {
    pub fn is_clip(&self) -> bool {
        matches!(self.source, Source::Clip(_))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn entry(&self) -> MediaEntry {
        MediaEntry {
            id: self.id.clone(),
            name: self.name.clone(),
            kind: if self.is_clip() { "clip" } else { "image" },
            width: self.size.0,
            height: self.size.1,
            frames: self.frames,
            fps: match &self.source {
                Source::Clip(clip) => clip.fps(),
                Source::Photo(_) => None,
            },
        }
    }

    /// # Errors
    /// If there is no such frame.
    pub fn check_frame(&self, frame: usize) -> Result<(), ApiError> {
        if frame < self.frames {
            return Ok(());
        }
        Err(ApiError::not_found(&format!("frame {frame} in {}, which has {}", self.name, self.frames)))
    }
}

/// A file or folder that was opened and is not in the list yet.
#[derive(Debug)]
pub struct Opened {
    name: String,
    size: (u32, u32),
    source: Source,
    path: Option<PathBuf>,
    /// Tells two files of one name apart where pictures are cached.
    mark: String,
}

impl Opened {
    /// Under another name than that of its file.
    pub fn named(self, name: String) -> Self {
        Self { name, ..self }
    }
}

/// Opens a file as a picture or a clip, a folder as a clip, or, if its pictures differ in size, as pictures.
///
/// # Errors
/// If it is neither.
pub fn open(path: &Path) -> Result<Vec<Opened>, MediaError> {
    match Clip::open(path, None) {
        Ok(clip) => Ok(vec![opened(path, clip.size(), Source::Clip(clip))]),
        Err(MediaError::Clip(ClipError::SinglePicture(_))) => open_photo(path).map(|photo| vec![photo]),
        Err(MediaError::Clip(ClipError::SizesDiffer { .. })) => {
            let names = files::list(path, photo::is_picture)?;
            names.into_iter().take(limits::MEDIA).map(|name| open_photo(&path.join(name))).collect()
        }
        Err(e) => Err(e),
    }
}

fn open_photo(path: &Path) -> Result<Opened, MediaError> {
    Ok(opened(path, photo::dimensions(path)?, Source::Photo(path.to_owned())))
}

fn opened(path: &Path, size: (u32, u32), source: Source) -> Opened {
    let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = canonical.file_name().unwrap_or_default().to_string_lossy();
    let changed = fs::metadata(path).map(|data| (data.len(), data.modified().ok()));
    let mark = format!("{}|{changed:?}", canonical.display());
    Opened { name: printable(&name).into_owned(), size, source, path: Some(path.to_owned()), mark }
}

/// The clip inside the program.
///
/// # Errors
/// If it is damaged.
pub fn open_embedded(name: &str, bytes: &'static [u8]) -> Result<Opened, MediaError> {
    let clip = Clip::embedded(bytes)?;
    let (name, size, path) = (name.to_owned(), clip.size(), None);
    Ok(Opened { mark: format!("embedded|{}", bytes.len()), name, size, source: Source::Clip(clip), path })
}

/// The list.
#[derive(Debug, Default)]
pub struct Library {
    list: RwLock<Vec<Arc<Media>>>,
}

impl Library {
    pub fn all(&self) -> Vec<Arc<Media>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// # Errors
    /// If there is no such entry.
    pub fn get(&self, id: &str) -> Result<Arc<Media>, ApiError> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        let found = list.iter().find(|media| media.id == id).cloned();
        found.ok_or_else(|| ApiError::not_found("picture or clip of this id"))
    }

    /// Adds an entry, with the state that the session has of it.
    ///
    /// # Errors
    /// If there are too many.
    pub fn add(
        &self,
        opened: Opened,
        upload: Option<u64>,
        session: &Session,
    ) -> Result<Arc<Media>, ApiError> {
        let Opened { name, size, source, path, mark } = opened;
        let frames = match &source {
            Source::Photo(_) => 1,
            Source::Clip(clip) => clip.len(),
        };
        let kind = if matches!(source, Source::Photo(_)) { "image" } else { "clip" };
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        if list.len() >= limits::MEDIA {
            return Err(ApiError::conflict("full", format!("the list has {} entries", limits::MEDIA)));
        }
        let (keys, ids): (HashSet<&str>, HashSet<&str>) =
            list.iter().map(|media| (media.key.as_str(), media.id.as_str())).unzip();
        let plain = format!("{kind} {}x{} {frames} {name}", size.0, size.1);
        let mut copies = 1..;
        let key = copies.find_map(|n| {
            let key = if n == 1 { plain.clone() } else { format!("{plain} ({n})") };
            (!keys.contains(key.as_str())).then_some(key)
        });
        let key = key.unwrap_or(plain);
        let mut seed = fnv(&format!("{key}|{mark}"));
        // A browser keeps pictures under the id, so it is that of the file.
        let mut id = format!("{seed:016x}");
        while ids.contains(id.as_str()) {
            seed = seed.wrapping_add(1);
            id = format!("{seed:016x}");
        }
        let state = Mutex::new(session.take(&key));
        let media = Arc::new(Media { id, name, size, frames, source, path, upload, key, state });
        list.push(Arc::clone(&media));
        Ok(media)
    }

    /// Removes an upload and its file.
    ///
    /// # Errors
    /// If there is no such entry, or it is not an upload.
    pub fn remove(&self, id: &str) -> Result<(), ApiError> {
        let media = self.get(id)?;
        let Some(path) = media.path.as_ref().filter(|_| media.upload.is_some()) else {
            return Err(ApiError::new(
                axum::http::StatusCode::FORBIDDEN,
                "not_an_upload",
                format!("{} was given at the command line; only uploads can be removed", media.name),
            ));
        };
        self.list.write().unwrap_or_else(PoisonError::into_inner).retain(|media| media.id != id);
        let _ = fs::remove_file(path);
        Ok(())
    }

    /// Bytes of all uploads.
    pub fn uploaded(&self) -> u64 {
        self.all().iter().filter_map(|media| media.upload).sum()
    }
}

/// FNV-1a.
fn fnv(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
