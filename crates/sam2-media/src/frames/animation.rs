//! Animated GIF, PNG and WebP files as clips: frames composited on the full canvas.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, DynamicImage, ImageDecoder, ImageResult, Limits};
use sam2_model::Frame;

use super::iter::{FrameIter, frame, until_damage};
use super::webp;
use crate::error::{ClipError, MediaError, PictureError};
use crate::size::check_claim;

/// Number of decoded frames buffered for the reader of [`Animation::frames`].
const AHEAD: usize = 2;
/// Pixels by which a frame may exceed its canvas.
const MARGIN: u64 = 1 << 24;
/// Name of the threads that decode. A panic there is a damaged file that a decoder did not expect; it ends
/// the pass with an error of the clip.
pub const THREAD: &str = "frames";

/// The formats of animations.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Format {
    Gif,
    Png,
    WebP,
}

impl Format {
    fn of(head: &[u8]) -> Option<Self> {
        if head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a") {
            Some(Self::Gif)
        } else if head.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") {
            Some(Self::WebP)
        } else {
            None
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gif => "GIF",
            Self::Png => "PNG",
            Self::WebP => "WebP",
        }
    }
}

/// The bytes of an animation.
#[derive(Clone, Debug)]
enum Origin {
    File(PathBuf),
    Embedded(&'static [u8]),
}

/// An animation; every pass decodes it again, so no frame is kept.
///
/// ```
/// use sam2_media::frames::animation::Animation;
/// # use sam2_media::frames::gif;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("clip.gif");
/// # gif::write(std::fs::File::create(&path)?, &vec![image::RgbImage::new(4, 2); 3], 40)?;
/// let head = std::fs::read(&path)?; // its first bytes are enough
/// let clip = Animation::open(&path, &head, None)?.expect("it is an animation");
/// assert_eq!((clip.size(), clip.len(), clip.frames()?.count()), ((4, 2), 3, 3));
/// assert_eq!(clip.note(), None); // it is whole
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Animation {
    origin: Origin,
    format: Format,
    size: (u32, u32),
    len: usize,
    note: Option<String>,
}

trait ReadSeek: BufRead + Seek + Send {}
impl<T: BufRead + Seek + Send> ReadSeek for T {}

type Source = Box<dyn ReadSeek>;

impl Animation {
    /// Opens a file that begins with `head` and counts its frames, up to `max_frames`; `None` if it is no
    /// animation. One that is cut or damaged is read up to there.
    ///
    /// # Errors
    /// If the file cannot be read, its first frame is damaged, or it holds no frames.
    pub fn open(path: &Path, head: &[u8], max_frames: Option<usize>) -> Result<Option<Self>, MediaError> {
        let Some(format) = Format::of(head) else { return Ok(None) };
        Self::count(Origin::File(path.to_owned()), format, max_frames)
    }

    /// A GIF inside the program.
    ///
    /// # Errors
    /// If it is damaged, or holds no frames.
    pub fn embedded(bytes: &'static [u8], max_frames: Option<usize>) -> Result<Self, MediaError> {
        let origin = Origin::Embedded(bytes);
        let name = origin.name(Format::Gif);
        Self::count(origin, Format::Gif, max_frames)?.ok_or_else(|| ClipError::NoFrames { name }.into())
    }

    fn count(origin: Origin, format: Format, max_frames: Option<usize>) -> Result<Option<Self>, MediaError> {
        let len = max_frames.unwrap_or(usize::MAX);
        let mut animation = Self { origin, format, size: (0, 0), len, note: None };
        let Some(decoder) = animation.decoder()? else { return Ok(None) };
        animation.size = decoder.dimensions();
        let cut = animation.leave_out_the_cut_frame()?;
        let (len, damage) = until_damage(animation.pass(decoder)?)?;
        if len == 0 {
            return Err(ClipError::NoFrames { name: animation.name() }.into());
        }
        let cut = || cut.then(|| format!("{} is cut; whole frames that are read: {len}", animation.name()));
        animation.note = damage.or_else(cut);
        animation.len = len;
        Ok(Some(animation))
    }

    /// Limits a WebP file to the frames that it holds whole; the other decoders report a cut frame
    /// themselves. Returns whether such a frame was among those that are wanted.
    fn leave_out_the_cut_frame(&mut self) -> Result<bool, MediaError> {
        let Origin::File(path) = &self.origin else { return Ok(false) };
        if self.format != Format::WebP {
            return Ok(false);
        }
        let count = |path: &Path| {
            let file = File::open(path)?;
            let bytes = file.metadata()?.len();
            webp::whole_frames(&mut BufReader::new(file), bytes)
        };
        let (whole, cut) = count(path).map_err(|e| self.unreadable(e.into()))?;
        let cut = cut && whole < self.len;
        self.len = self.len.min(whole);
        Ok(cut)
    }

    /// Width and height of every frame, in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Number of frames, at least one.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// That the end is missing, if it is.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// All frames in order. A thread decodes up to `AHEAD` frames ahead and ends when the iterator is
    /// dropped: the decoders' own iterators cannot be sent to another thread.
    ///
    /// # Errors
    /// If the file cannot be opened any more, or is no animation any more. A damaged frame is an error of the
    /// iterator.
    pub fn frames(&self) -> Result<FrameIter, MediaError> {
        let decoder = self.decoder()?.ok_or_else(|| ClipError::NoFrames { name: self.name() })?;
        Ok(Box::new(self.pass(decoder)?))
    }

    fn pass(&self, decoder: Decoder) -> Result<Pass, MediaError> {
        let (sender, receiver) = sync_channel(AHEAD);
        let len = self.len;
        let decode = move || {
            let frames = match decoder.into_frames() {
                Ok(frames) => frames,
                Err(e) => return drop(sender.send(Err(PictureError::decode(e)))),
            };
            for decoded in frames.take(len) {
                let decoded = decoded.map_err(PictureError::decode).and_then(|decoded| {
                    let rgb = DynamicImage::from(decoded.into_buffer()).into_rgb8();
                    frame(rgb.dimensions(), rgb.into_raw())
                });
                let failed = decoded.is_err();
                // Sending fails when the iterator has been dropped.
                if sender.send(decoded).is_err() || failed {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name(THREAD.to_owned()).spawn(decode);
        let thread = thread.map_err(|e| self.unreadable(e.into()))?;
        Ok(Pass { name: self.name(), receiver, thread: Some(thread), index: 0 })
    }

    fn name(&self) -> String {
        self.origin.name(self.format)
    }

    fn unreadable(&self, source: PictureError) -> MediaError {
        ClipError::Header { name: self.name(), source }.into()
    }

    /// `None` if the picture does not move.
    fn decoder(&self) -> Result<Option<Decoder>, MediaError> {
        let open = || {
            let (reader, bytes): (Source, u64) = match &self.origin {
                Origin::File(path) => {
                    let file = File::open(path)?;
                    let bytes = file.metadata()?.len();
                    (Box::new(BufReader::new(file)), bytes)
                }
                Origin::Embedded(bytes) => (Box::new(Cursor::new(*bytes)), bytes.len() as u64),
            };
            Decoder::open(reader, bytes, self.format)
        };
        open().map_err(|source| self.unreadable(source))
    }
}

impl Origin {
    fn name(&self, format: Format) -> String {
        match self {
            Self::File(path) => format!("the {} {}", format.name(), path.display()),
            Self::Embedded(_) => "the embedded clip".to_owned(),
        }
    }
}

/// A pass over the frames.
struct Pass {
    name: String,
    receiver: Receiver<Result<Frame, PictureError>>,
    thread: Option<thread::JoinHandle<()>>,
    index: usize,
}

impl Iterator for Pass {
    type Item = Result<(usize, Frame), MediaError>;

    fn next(&mut self) -> Option<Self::Item> {
        let decoded = match self.receiver.recv() {
            Ok(decoded) => decoded,
            Err(_) => match self.thread.take().map(thread::JoinHandle::join) {
                Some(Err(_)) => Err(PictureError::Panic),
                _ => return None,
            },
        };
        let index = self.index;
        self.index += 1;
        let damaged = |source| ClipError::Frame { name: self.name.clone(), index, source }.into();
        Some(decoded.map(|frame| (index, frame)).map_err(damaged))
    }
}

enum Decoder {
    Gif(Box<GifDecoder<Source>>),
    Png(Box<PngDecoder<Source>>),
    WebP(Box<WebPDecoder<Source>>),
}

impl Decoder {
    /// Reads the header of a file of this many bytes, and checks the size before memory is reserved.
    fn open(mut reader: Source, bytes: u64, format: Format) -> Result<Option<Self>, PictureError> {
        let decoder = match format {
            Format::Gif => Self::Gif(Box::new(GifDecoder::new(reader).map_err(PictureError::decode)?)),
            Format::Png => {
                // This decoder reserves memory for a row before it tells the size.
                let mut head = Vec::new();
                reader.by_ref().take(24).read_to_end(&mut head)?;
                reader.rewind()?;
                if let [.., a, b, c, d, e, f, g, h] = head[..] {
                    check_claim(u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]), bytes)?;
                }
                let decoder = PngDecoder::new(reader).map_err(PictureError::decode)?;
                if !decoder.is_apng().map_err(PictureError::decode)? {
                    return Ok(None);
                }
                Self::Png(Box::new(decoder))
            }
            Format::WebP => {
                let decoder = WebPDecoder::new(reader).map_err(PictureError::decode)?;
                if !decoder.has_animation() {
                    return Ok(None);
                }
                Self::WebP(Box::new(decoder))
            }
        };
        let (width, height) = decoder.dimensions();
        check_claim(width, height, bytes)?;
        decoder.limited(width, height).map(Some).map_err(PictureError::decode)
    }

    /// Sets a limit on memory by the size of the canvas.
    fn limited(mut self, width: u32, height: u32) -> ImageResult<Self> {
        let mut limits = Limits::no_limits();
        // Two canvases, a frame and what is composited of them, RGBA each.
        limits.max_alloc = Some(4 * (4 * u64::from(width) * u64::from(height) + MARGIN));
        match &mut self {
            Self::Gif(decoder) => decoder.set_limits(limits)?,
            Self::Png(decoder) => decoder.set_limits(limits)?,
            Self::WebP(decoder) => decoder.set_limits(limits)?,
        }
        Ok(self)
    }

    fn dimensions(&self) -> (u32, u32) {
        match self {
            Self::Gif(decoder) => decoder.dimensions(),
            Self::Png(decoder) => decoder.dimensions(),
            Self::WebP(decoder) => decoder.dimensions(),
        }
    }

    fn into_frames(self) -> ImageResult<image::Frames<'static>> {
        Ok(match self {
            Self::Gif(decoder) => decoder.into_frames(),
            Self::Png(decoder) => decoder.apng()?.into_frames(),
            Self::WebP(decoder) => decoder.into_frames(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::gif;
    use super::*;
    use crate::error::in_full;
    use image::{Rgb, RgbImage};
    use sam2_tests::files;

    fn gif_of(frames: &[RgbImage]) -> Vec<u8> {
        let mut file = Vec::new();
        gif::write(&mut file, frames, 40).expect("encode");
        file
    }

    fn grey(n: u8) -> Vec<RgbImage> {
        (0..n).map(|i| RgbImage::from_pixel(8, 6, Rgb([i * 20; 3]))).collect()
    }

    /// Opens these bytes as a file.
    fn open(bytes: &[u8], max_frames: Option<usize>) -> Result<Option<Animation>, MediaError> {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("clip");
        std::fs::write(&path, bytes).expect("write");
        let animation = Animation::open(&path, &bytes[..bytes.len().min(16)], max_frames)?;
        if let Some(animation) = &animation {
            assert_eq!(animation.frames()?.count(), animation.len(), "a second pass has as many frames");
        }
        Ok(animation)
    }

    fn levels(bytes: &[u8]) -> Vec<u8> {
        let animation = Animation::embedded(bytes.to_vec().leak(), None).expect("open");
        let frames = animation.frames().expect("frames");
        frames.map(|frame| frame.expect("frame").1.rgb()[3 * (3 * 8 + 3)]).collect()
    }

    #[test]
    fn a_pass_can_be_dropped_or_moved_to_another_thread() {
        let animation = Animation::embedded(gif_of(&grey(9)).leak(), None).expect("open");
        drop(animation.frames().expect("frames"));
        let frames = animation.frames().expect("frames");
        assert_eq!(thread::spawn(|| frames.count()).join().expect("no panic"), 9);
    }

    #[test]
    fn frames_are_counted_and_read() {
        let file = gif_of(&grey(4));
        assert!(levels(&file).iter().zip([0, 20, 40, 60]).all(|(a, b)| a.abs_diff(b) <= 2));
        let animation = open(&file, None).expect("open").expect("animated");
        assert_eq!((animation.len(), animation.size(), animation.note()), (4, (8, 6), None));
        assert_eq!(open(&file, Some(3)).expect("open").expect("animated").len(), 3);
    }

    type Writer = fn(&[RgbImage]) -> Vec<u8>;
    const WRITERS: [Writer; 3] = [gif_of, files::apng, files::webp];

    #[test]
    fn every_format_is_read() {
        for write in WRITERS {
            let animation = open(&write(&grey(5)), None).expect("open").expect("animated");
            assert_eq!((animation.len(), animation.size(), animation.note()), (5, (8, 6), None));
        }
        let mut still = Cursor::new(Vec::new());
        for format in [image::ImageFormat::Png, image::ImageFormat::WebP] {
            grey(1)[0].write_to(&mut still, format).expect("encode");
            assert!(
                open(&still.get_ref()[..], None).expect("open").is_none(),
                "{format:?} that does not move"
            );
            still = Cursor::default();
        }
    }

    /// Frames with details, so that data of a frame that is cut are missed.
    fn pictures() -> Vec<RgbImage> {
        let noise = |i: u32, x: u32, y: u32| (x * 37 + y * 91 + i * 53 + x * y * (i + 3)) as u8;
        (0..3)
            .map(|i| RgbImage::from_fn(24, 16, |x, y| Rgb([noise(i, x, y), x as u8 * 9, y as u8])))
            .collect()
    }

    #[test]
    fn a_file_that_is_cut_is_read_up_to_there() {
        for write in WRITERS {
            let whole = write(&pictures());
            let frames_of = |bytes: &[u8]| -> Option<Vec<Frame>> {
                let dir = tempfile::tempdir().expect("temporary folder");
                let path = dir.path().join("clip");
                std::fs::write(&path, bytes).expect("write");
                let animation = Animation::open(&path, &bytes[..16], None).ok()??;
                let frames =
                    animation.frames().expect("frames").map(|f| f.expect("frame").1).collect::<Vec<_>>();
                assert_eq!(frames.len(), animation.len());
                let note = animation.note().unwrap_or_default();
                let count = frames.len();
                let counted = [format!("the {count} frame"), format!("are read: {count}")];
                assert!(count == 3 || counted.iter().any(|words| note.contains(words)), "{note}");
                assert!(bytes.len() < whole.len() || note.is_empty(), "{note}");
                Some(frames)
            };
            let expected = frames_of(&whole).expect("the whole file");
            assert_eq!(expected.len(), 3);
            let mut counts = [0; 4];
            for end in (16..whole.len()).rev() {
                let found = frames_of(&whole[..end]).unwrap_or_default();
                assert!(found == expected[..found.len()], "cut at {end} of {}", whole.len());
                counts[found.len()] += 1;
            }
            assert!(counts[1] > 0 && counts[2] > 0, "{counts:?}");
        }
    }

    /// A GIF of 35 bytes with a frame of this size on a canvas of one pixel.
    fn giant(side: u16) -> Vec<u8> {
        let mut file = b"GIF89a\x01\0\x01\0\xf0\0\0\0\0\0\xff\xff\xff\x2c\0\0\0\0".to_vec();
        file.extend([side.to_le_bytes(), side.to_le_bytes()].concat());
        file.extend(b"\0\x02\x02\x4c\x01\0;");
        file
    }

    #[test]
    fn sizes_beyond_the_canvas_or_the_file_are_refused() {
        for side in [65_535, 20_000] {
            assert!(open(&giant(side), None).is_err());
        }
        let mut canvas = gif_of(&grey(2));
        canvas[6..10].copy_from_slice(&[0, 64, 0, 32]);
        let text = in_full(&open(&canvas, None).expect_err("16384x8192 pixels in a few bytes"));
        assert!(text.contains("16384x8192"), "{text}");
    }
}
