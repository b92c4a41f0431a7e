//! A TIFF file of several pages as a clip, as microscopes write it. Every page is decoded as a picture: as
//! the file with a header that points at that page.

mod directories;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sam2_model::Frame;

use super::iter::size_of;
use super::photo;
use crate::error::{ClipError, MediaError, PictureError};
use directories::{Directories, Layout, Page};

/// The pages of a file.
#[derive(Debug)]
pub struct Pages {
    path: PathBuf,
    layout: Layout,
    /// Offsets of the directories of the pages.
    pages: Vec<u64>,
    size: (u32, u32),
    notes: Vec<String>,
}

impl Pages {
    /// Lists the pages of a TIFF up to `max_frames`; `None` for another file, or a single page. Pages after
    /// those that the file holds whole are left out, and so are those of another size than the first.
    ///
    /// # Errors
    /// If the file cannot be read, or its first page is damaged.
    pub fn open(path: &Path, head: &[u8], max_frames: Option<usize>) -> Result<Option<Self>, MediaError> {
        let Some(layout) = Layout::of(head) else { return Ok(None) };
        let cannot_open = |source| MediaError::Open { path: path.to_owned(), source };
        let file = File::open(path).map_err(cannot_open)?;
        let len = file.metadata().map_err(cannot_open)?.len();
        let mut directories = Directories { reader: BufReader::new(file), layout, len, budget: 4 * len };
        let found = directories.pages().map_err(cannot_open)?;
        let Some(&Page { size, .. }) = found.pages.first() else { return Ok(None) };
        let (same, others): (Vec<Page>, Vec<Page>) =
            found.pages.into_iter().partition(|page| page.size == size);
        if same.len() < 2 && !found.early_end {
            return Ok(None);
        }
        let mut pages: Vec<u64> = same.into_iter().map(|page| page.at).collect();
        let mut clip = Self { path: path.to_owned(), layout, pages: Vec::new(), size, notes: Vec::new() };
        if found.early_end {
            clip.notes.push(format!(
                "{} is cut or damaged; whole pages that are read: {}",
                clip.name(),
                pages.len()
            ));
        }
        if !others.is_empty() {
            let (width, height) = size;
            clip.notes.push(format!(
                "pages of {} that are not {width}x{height} pixels, as the first is, are left out: {}",
                clip.name(),
                others.len()
            ));
        }
        pages.truncate(max_frames.unwrap_or(usize::MAX));
        clip.pages = pages;
        // The picture may be turned by its metadata.
        clip.size = size_of(&clip.frame(0)?);
        Ok(Some(clip))
    }

    /// Width and height of every frame, in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Number of frames, at least one.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// What was left out, one line each.
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        self.notes.iter().map(String::as_str)
    }

    /// Reads one frame.
    ///
    /// # Errors
    /// If it is damaged, or the file cannot be opened any more.
    ///
    /// # Panics
    /// If there is no frame `index`.
    pub fn frame(&self, index: usize) -> Result<Frame, MediaError> {
        let at = self.pages[index];
        let inner = || {
            let file = BufReader::new(File::open(&self.path)?);
            photo::decode(Page::reader(file, self.layout, at)?)
        };
        inner().map_err(|source: PictureError| ClipError::Frame { name: self.name(), index, source }.into())
    }

    fn name(&self) -> String {
        format!("the TIFF {}", self.path.display())
    }
}

impl Page {
    /// The file, read as if the directory at `at` were its first.
    fn reader(mut file: BufReader<File>, layout: Layout, at: u64) -> io::Result<FirstPage> {
        let from = layout.first() as usize;
        let mut header = vec![0; from + layout.offset()];
        file.read_exact(&mut header)?;
        file.rewind()?;
        let offset = if layout.little { at.to_le_bytes() } else { at.to_be_bytes() };
        let offset = match (layout.big, layout.little) {
            (true, _) => &offset[..],
            (false, true) => &offset[..4],
            (false, false) => &offset[4..],
        };
        header[from..].copy_from_slice(offset);
        Ok(FirstPage { file, header, at: 0 })
    }
}

/// A file with another header.
struct FirstPage {
    file: BufReader<File>,
    header: Vec<u8>,
    at: u64,
}

impl BufRead for FirstPage {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.header.get(self.at as usize..) {
            Some(rest) if !rest.is_empty() => Ok(rest),
            _ => self.file.fill_buf(),
        }
    }

    fn consume(&mut self, bytes: usize) {
        if self.at < self.header.len() as u64 {
            // Few bytes; an error shows when the file is read.
            let _ = self.file.seek_relative(bytes as i64);
        } else {
            self.file.consume(bytes);
        }
        self.at += bytes as u64;
    }
}

impl Read for FirstPage {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?.read(into)?;
        self.consume(bytes);
        Ok(bytes)
    }
}

impl Seek for FirstPage {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.file.seek(to)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};
    use sam2_tests::files;

    fn open(bytes: &[u8]) -> Option<(Vec<u8>, Vec<String>)> {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("x.tif");
        std::fs::write(&path, bytes).expect("write");
        let pages = Pages::open(&path, &bytes[..bytes.len().min(16)], None).expect("open")?;
        let levels = (0..pages.len()).map(|i| pages.frame(i).expect("frame").rgb()[0]).collect();
        Some((levels, pages.notes().map(str::to_owned).collect()))
    }

    fn grey(levels: &[u8]) -> Vec<RgbImage> {
        levels.iter().map(|&level| RgbImage::from_pixel(6, 4, Rgb([level; 3]))).collect()
    }

    #[test]
    fn pages_are_frames() {
        let file = files::tiff(&grey(&[10, 20, 30]));
        assert_eq!(open(&file), Some((vec![10, 20, 30], vec![])));
        assert_eq!(open(&files::tiff(&grey(&[10]))), None, "a single picture");
        assert_eq!(open(b"GIF89a__________"), None);
        let mut others = grey(&[1, 2, 3]);
        others.insert(1, RgbImage::new(3, 2));
        let (levels, notes) = open(&files::tiff(&others)).expect("a clip");
        assert!(levels == [1, 2, 3] && notes.len() == 1 && notes[0].contains("are left out: 1"), "{notes:?}");
    }

    #[test]
    fn a_file_that_is_cut_is_read_up_to_there() {
        let file = files::tiff(&grey(&[10, 20, 30]));
        let page = (file.len() - 8) / 3;
        for end in 8 + 2 * page..file.len() {
            let (levels, notes) = open(&file[..end]).expect("a clip");
            assert!(
                levels == [10, 20] && notes.len() == 1 && notes[0].contains("are read: 2"),
                "{end}: {notes:?}"
            );
        }
    }

    #[test]
    fn a_page_whose_values_are_outside_of_the_file_is_not_whole() {
        let mut file = files::tiff(&grey(&[10, 20, 30]));
        // Tag 278 of the last page, the rows of a strip, becomes a text at an offset.
        let at = file.len() - 4 - 2 * 12;
        let outside = (file.len() as u32 - 10).to_le_bytes();
        file[at + 2..at + 12].copy_from_slice(&[&[2, 0, 11, 0, 0, 0][..], &outside].concat());
        let (levels, notes) = open(&file).expect("a clip");
        assert!(levels == [10, 20] && notes.len() == 1, "{notes:?}");
    }

    #[test]
    fn a_circle_of_directories_ends() {
        let mut file = files::tiff(&grey(&[10, 20]));
        let first = file[4..8].to_vec();
        let end = file.len();
        file[end - 4..].copy_from_slice(&first);
        let (levels, notes) = open(&file).expect("a clip");
        assert!(levels == [10, 20] && notes.len() == 1, "{notes:?}");
    }
}
