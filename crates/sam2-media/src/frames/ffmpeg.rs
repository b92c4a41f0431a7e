//! Video files, decoded by one `ffmpeg` child process per pass over the clip.
//!
//! The child decodes the whole clip and writes its frames as PPM images into a pipe. Unlike raw RGB, PPM has
//! the size of every frame; `ffprobe` reports the size before rotation.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, ErrorKind, Read};
use std::path::{Path, PathBuf};

use sam2_model::Frame;

use super::child::Child;
use super::ending;
use super::iter::{FrameIter, frame, read_exactly, size_of};
use crate::error::{FfmpegError, MediaError, PpmError, in_brackets};
use crate::limits::MAX_PIXELS;
use crate::size::check_size;

/// The program to run instead of the `ffmpeg` of the search path.
const PROGRAM: &str = "SAM2_FFMPEG";

/// The containers and bare streams that ffmpeg may read; those of sound, so that it can say that there is no
/// video. Playlists (hls, concat, dash, imf, sdp …), numbered files (image2) and devices are not among them:
/// they open other files than the one that is given.
const FORMATS: &str = "\
    3dostr,4xm,amv,anm,apng,asf,av1,avi,avs,avs2,avs3,bink,cavsvideo,cdxl,cine,dhav,\
    dirac,dnxhd,dv,evc,film_cpk,flic,flv,gdv,gif,gxf,h261,h263,h264,hevc,iff,ivf,ivr,\
    jpegxl_anim,kux,live_flv,lvf,lxf,m4v,matroska,mgsts,mjpeg,mjpeg_2000,mlv,mods,moflex,\
    mov,mpeg,mpegts,mpegvideo,mpjpeg,mtv,mv,mvi,mxf,mxg,nc,nsv,nut,nuv,obu,ogg,pmp,pva,\
    r3d,rl2,rm,roq,rpl,ser,sga,smjpeg,smk,swf,thp,ty,usm,vc1,vc1test,viv,vivo,vmd,vvc,\
    wtv,xmv,yop,yuv4mpegpipe,bmp_pipe,dds_pipe,dpx_pipe,exr_pipe,gem_pipe,gif_pipe,hdr_pipe,\
    j2k_pipe,jpeg_pipe,jpegls_pipe,jpegxl_pipe,pam_pipe,pbm_pipe,pcx_pipe,pfm_pipe,pgm_pipe,\
    pgx_pipe,phm_pipe,photocd_pipe,pictor_pipe,png_pipe,ppm_pipe,psd_pipe,qdraw_pipe,qoi_pipe,\
    sgi_pipe,sunrast_pipe,tiff_pipe,vbn_pipe,webp_pipe,webp_anim,xbm_pipe,xpm_pipe,xwd_pipe,\
    aac,ac3,aiff,amr,ape,ass,au,caf,dts,eac3,flac,mp3,srt,tak,truehd,tta,w64,wav,webvtt,wv";

/// A video file.
///
/// ```no_run
/// use sam2_media::frames::ffmpeg::Video;
///
/// let video = Video::open("clip.mp4".as_ref(), None)?;
/// println!("{} frames of {:?} pixels", video.len(), video.size());
/// if let Some(note) = video.note() {
///     eprintln!("{note}");
/// }
/// for item in video.frames()? {
///     let (frame_idx, frame) = item?;
///     println!("frame {frame_idx}: {} bytes", frame.rgb().len());
/// }
/// # Ok::<(), sam2_media::MediaError>(())
/// ```
#[derive(Debug)]
pub struct Video {
    path: PathBuf,
    /// Option of this ffmpeg version that outputs every coded frame exactly once.
    passthrough: &'static str,
    size: (u32, u32),
    len: usize,
    note: Option<String>,
}

impl Video {
    /// Counts the frames by decoding the clip once: the count in containers is unreliable. A clip that ends
    /// early is read as far as ffmpeg decodes it.
    ///
    /// # Errors
    /// If ffmpeg is missing or cannot read the file, or it holds no video.
    pub fn open(path: &Path, max_frames: Option<usize>) -> Result<Self, MediaError> {
        let passthrough = passthrough_option(path)?;
        let most = max_frames.unwrap_or(usize::MAX);
        let mut video = Self { path: path.to_owned(), passthrough, size: (0, 0), len: most, note: None };
        let mut reader = video.start()?;
        let mut len = 0;
        let messages = loop {
            match reader.next_frame() {
                Ok(Some(frame)) => {
                    if len == 0 {
                        video.size = size_of(&frame);
                    }
                    len += 1;
                }
                Ok(None) => break std::mem::take(&mut reader.messages),
                Err(e) if len == 0 || !e.is_early_end() => return Err(e.into()),
                Err(e) => break e.into_messages(),
            }
        };
        if len == 0 {
            return Err(FfmpegError::NoVideo { path: path.to_owned(), messages }.into());
        }
        // A program in place of ffmpeg may give more than it is asked for.
        let len = len.min(most);
        let what = format!("{}: {len} frames read", path.display());
        video.note = if !messages.is_empty() {
            Some(what + &in_brackets(&messages))
        } else if len < most {
            // ffmpeg takes this for the end.
            ending::missing(path, len).map(|missing| format!("{what}; {missing}"))
        } else {
            None
        };
        video.len = len;
        Ok(video)
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

    /// Frames per second, as ffmpeg describes the file.
    pub fn fps(&self) -> Option<f64> {
        let mut args: Vec<OsString> = vec!["-hide_banner".into()];
        args.extend(input(&self.path));
        // Without an output it only describes the input, and fails.
        let mut child = Child::start(&program(), &args).ok()?;
        rate(&child.finish().ok()?.1)
    }

    /// ffmpeg's warnings about a readable file, in one line.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// All frames in order, from a new child.
    ///
    /// # Errors
    /// If ffmpeg cannot be started.
    pub fn frames(&self) -> Result<FrameIter, MediaError> {
        let mut reader = self.start()?;
        let frames =
            std::iter::from_fn(move || Some(reader.next_frame().transpose()?.map_err(MediaError::from)));
        Ok(Box::new(frames.take(self.len).enumerate().map(|(index, frame)| Ok((index, frame?)))))
    }

    fn start(&self) -> Result<Reader, MediaError> {
        let args = arguments(&self.path, self.passthrough, self.len);
        let child = Child::start(&program(), &args).map_err(FfmpegError::Run)?;
        Ok(Reader { path: self.path.clone(), child, messages: String::new(), done: false })
    }
}

/// The arguments of a pass over at most `len` frames.
fn arguments(path: &Path, passthrough: &str, len: usize) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec!["-v".into(), "error".into()];
    args.extend(input(path));
    // V: video streams that are no pictures of a cover.
    args.extend(["-map", "0:V:0", passthrough, "passthrough"].map(OsString::from));
    if len != usize::MAX {
        args.extend(["-frames:v".into(), len.to_string().into()]);
    }
    args.extend(["-c:v", "ppm", "-pix_fmt", "rgb24", "-f", "image2pipe", "pipe:1"].map(OsString::from));
    args
}

/// The arguments that name the file and bound what is read of it.
fn input(path: &Path) -> Vec<OsString> {
    let pixels = MAX_PIXELS.to_string();
    let mut args: Vec<OsString> = ["-nostdin", "-protocol_whitelist", "file,pipe"]
        .into_iter()
        .chain(["-format_whitelist", FORMATS, "-max_pixels", &pixels, "-i"])
        .map(OsString::from)
        .collect();
    args.push(file_name(path));
    args
}

/// `file:` prevents names like "concat:a|b" or "-" from being interpreted.
pub(super) fn file_name(path: &Path) -> OsString {
    let mut name = OsString::from("file:");
    name.push(path);
    name
}

/// The number before ` fps` in ffmpeg's description of a video.
fn rate(text: &str) -> Option<f64> {
    let before = text[..text.find(" fps,")?].rsplit([' ', ',']).next()?;
    let (number, factor) = before.strip_suffix('k').map_or((before, 1.0), |number| (number, 1000.0));
    number.parse().ok().map(|rate: f64| rate * factor).filter(|rate| rate.is_finite() && *rate > 0.0)
}

pub(super) fn program() -> OsString {
    std::env::var_os(PROGRAM).filter(|name| !name.is_empty()).unwrap_or_else(|| "ffmpeg".into())
}

/// Why the program that reads `path` does not run.
pub(super) fn cannot_run(program: &OsStr, path: &Path, e: std::io::Error) -> FfmpegError {
    match e.kind() {
        ErrorKind::NotFound if program == OsStr::new("ffmpeg") => FfmpegError::Missing(path.to_owned()),
        ErrorKind::NotFound => FfmpegError::Program(program.into()),
        ErrorKind::TimedOut => FfmpegError::Silent(path.display().to_string()),
        _ => FfmpegError::Run(e),
    }
}

/// Checks that ffmpeg is installed. Its versions before 5.1 call the option `-vsync`, later ones `-fps_mode`.
fn passthrough_option(path: &Path) -> Result<&'static str, MediaError> {
    let program = program();
    let cannot_run = |e: std::io::Error| match e.kind() {
        ErrorKind::TimedOut => FfmpegError::Silent("-version".to_owned()),
        _ => cannot_run(&program, path, e),
    };
    let mut child = Child::start(&program, &["-version".into()]).map_err(cannot_run)?;
    let mut text = Vec::new();
    child.by_ref().take(1 << 16).read_to_end(&mut text).map_err(cannot_run)?;
    let (status, messages) = child.finish().map_err(cannot_run)?;
    if !status.success() {
        return Err(FfmpegError::NotFfmpeg { program: program.into(), messages }.into());
    }
    let old = version(&String::from_utf8_lossy(&text)).is_some_and(|version| version < (5, 1));
    Ok(if old { "-vsync" } else { "-fps_mode" })
}

/// Major and minor number out of `ffmpeg version 4.4.2-0ubuntu0.22.04.1 Copyright ...`; development builds
/// have none.
fn version(text: &str) -> Option<(u32, u32)> {
    let (_, text) = text.split_once("ffmpeg version ")?;
    let word = text.split_whitespace().next()?;
    let mut numbers = word.trim_start_matches('n').split(|c: char| !c.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    Some((major, numbers.next().and_then(|minor| minor.parse().ok()).unwrap_or(0)))
}

/// The frames of a running child.
struct Reader {
    path: PathBuf,
    child: Child,
    /// The end of the child's stderr in one line, once the child has ended.
    messages: String,
    done: bool,
}

impl Reader {
    fn next_frame(&mut self) -> Result<Option<Frame>, FfmpegError> {
        if self.done {
            return Ok(None);
        }
        match read_ppm(&mut self.child) {
            Ok(Some(frame)) => return Ok(Some(frame)),
            Ok(None) => self.done = true,
            Err(source) => {
                self.done = true;
                let messages = self.child.end();
                return Err(match source {
                    PpmError::Io(e) if e.kind() == ErrorKind::TimedOut => self.silent(),
                    source => FfmpegError::Output { name: self.name(), messages, source },
                });
            }
        }
        let (status, messages) = self.child.finish().map_err(|e| match e.kind() {
            ErrorKind::TimedOut => self.silent(),
            _ => FfmpegError::Run(e),
        })?;
        if status.success() {
            self.messages = messages;
            return Ok(None);
        }
        let has = |words: &str| messages.contains(words);
        Err(if has("matches no streams") {
            FfmpegError::NoVideoStream(self.path.clone())
        } else if is_bare(&self.path) && !has("not found") {
            FfmpegError::BareFrames(self.path.clone())
        } else if has("not on whitelist") || has("not in whitelist") || has("whitelisted") {
            FfmpegError::Playlist(self.path.clone())
        } else if has("moov atom not found") && is_mp4(&self.path) {
            FfmpegError::NoIndex(self.path.clone())
        } else {
            FfmpegError::Failed { name: self.name(), messages }
        })
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn silent(&self) -> FfmpegError {
        FfmpegError::Silent(self.name())
    }
}

/// Whether a file holds frames without a header, by its name alone: its bytes tell nothing.
fn is_bare(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    ["yuv", "rgb", "bgr", "nv12", "i420", "raw"].iter().any(|known| extension == *known)
}

/// Whether a file begins with a part of an MP4 or MOV file; ffmpeg takes the name for it too.
fn is_mp4(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(8).read_to_end(&mut head));
    let parts = [b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"];
    read.is_ok() && head.get(4..8).is_some_and(|part| parts.iter().any(|known| part == *known))
}

/// One binary PPM picture with 8 bits a channel, or `None` at the end of the stream.
fn read_ppm(reader: &mut impl BufRead) -> Result<Option<Frame>, PpmError> {
    if reader.fill_buf()?.is_empty() {
        return Ok(None);
    }
    // "P6", width, height, 255, each followed by one white space.
    let mut fields = [const { String::new() }; 4];
    for field in &mut fields {
        loop {
            let mut byte = [0];
            reader.read_exact(&mut byte).map_err(|e| match e.kind() {
                ErrorKind::UnexpectedEof => PpmError::HeaderCutShort,
                _ => PpmError::Io(e),
            })?;
            if byte[0].is_ascii_whitespace() {
                break;
            }
            field.push(char::from(byte[0]));
            if field.len() > 10 {
                return Err(PpmError::Header);
            }
        }
    }
    let [magic, width, height, depth] = &fields;
    let (Ok(width), Ok(height), "P6", "255") =
        (width.parse(), height.parse(), magic.as_str(), depth.as_str())
    else {
        return Err(PpmError::Header);
    };
    check_size(width, height)?;
    let pixels = read_exactly(reader, width as usize * height as usize * 3)?.ok_or(PpmError::CutShort)?;
    Ok(Some(frame((width, height), pixels)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_understood() {
        assert_eq!(version("ffmpeg version 4.4.2-0ubuntu0.22.04.1 Copyright (c)"), Some((4, 4)));
        assert_eq!(version("ffmpeg version 5.1.9-0+deb12u1 Copyright"), Some((5, 1)));
        assert_eq!(version("ffmpeg version n7.1 Copyright"), Some((7, 1)));
        assert_eq!(version("ffmpeg version 8 Copyright"), Some((8, 0)));
        assert_eq!(version("ffmpeg version N-112345-gdeadbeef Copyright"), None);
        assert_eq!(version("wrapped\nffmpeg version 6.1.1 Copyright"), Some((6, 1)));
        assert_eq!(version("something else"), None);
    }

    #[test]
    fn rates_are_found_in_descriptions() {
        let line = "Stream #0:0: Video: h264 (High), yuv420p, 320x240, 88 kb/s, 29.97 fps, 29.97 tbr, 1k tbn";
        assert_eq!(rate(line), Some(29.97));
        assert_eq!(rate("Video: gif, bgra, 320x240, 1k fps, 50 tbr"), Some(1000.0));
        assert_eq!(rate("Video: png, 320x240, 25 tbr"), None);
    }

    #[test]
    fn ppm_frames_are_read_one_after_the_other() {
        let stream =
            [b"P6\n2 1\n255\n".as_slice(), &[1, 2, 3, 4, 5, 6], b"P6\n1 1\n255\n", &[7, 8, 9]].concat();
        let mut reader = stream.as_slice();
        let first = read_ppm(&mut reader).expect("read").expect("frame");
        assert_eq!((size_of(&first), first.rgb()), ((2, 1), [1, 2, 3, 4, 5, 6].as_slice()));
        assert_eq!(read_ppm(&mut reader).expect("read").expect("frame").rgb(), [7, 8, 9]);
        assert!(read_ppm(&mut reader).expect("end").is_none());

        for broken in [
            "P6\n2 1\n255\n12",
            "P6\n2 1\n",
            "P5\n2 1\n255\n123456",
            "P6\n99999 99999\n255\n",
            "P6 123456789012",
        ] {
            assert!(read_ppm(&mut broken.as_bytes()).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn no_format_that_opens_other_files_is_read() {
        for format in
            ["hls", "concat", "dash", "imf", "sdp", "image2", "lavfi", "vobsub", "webm_dash_manifest"]
        {
            assert!(FORMATS.split(',').all(|known| known != format), "{format}");
        }
    }
}
