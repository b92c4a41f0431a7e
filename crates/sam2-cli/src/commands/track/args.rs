//! Arguments of `sam2 track`.

use std::path::PathBuf;

use clap::Args;
use sam2_media::frames::RawSize;

use crate::exporting::ExportArgs;
use crate::folder;
use crate::numbers;
use crate::options::{MemoryArgs, ModelArgs, OUTPUTS, OVERWRITE_HELP, PROMPTS, TRACKING};
use crate::prompting::{CoordinateArgs, PointArgs};
use crate::tracking::Span;

const PROMPTS_HELP: &str = "Prompts in a file, or - for stdin, one JSON object per line: \
    {\"frame\":0,\"obj_id\":1,\"points\":[[x,y]],\"labels\":[1]}, \
    or with \"box\":[x0,y0,x1,y1] or \"mask\":\"FILE.png\" instead of points; or one JSON list of them";

const EXAMPLES: &str = "\
Examples:
  sam2 track clip.gif -p 120,80 -o masks
  sam2 track frames/ -b 40,30,200,160 -b 220,40,300,180 --overlay --labels -o masks -m sam2.1_hiera_tiny.pt
  sam2 track clip.mp4 -p 120,80 -o overlay.mp4 --export coco=instances.json -m sam2.1_hiera_tiny.pt
  sam2 track clip.mp4 --prompts prompts.jsonl --memory samurai --json -o masks -m sam2.1_hiera_tiny.pt
  ffmpeg -i clip.mp4 -f yuv4mpegpipe - | sam2 track - -p 120,80 -o masks";

/// `sam2 track`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Track {
    /// Folder of images (natural order), animated GIF, PNG or WebP, TIFF of several pages, Y4M, Motion JPEG,
    /// video file (needs ffmpeg), or - for Y4M or Motion JPEG on stdin
    pub input: PathBuf,
    /// The input is bare RGB frames of this size, 3 bytes a pixel, in a file or on stdin
    #[arg(long, value_name = "WxH")]
    pub raw: Option<RawSize>,
    /// The prompts file.
    #[arg(
        help_heading = PROMPTS,
        long,
        help = PROMPTS_HELP,
        value_name = "FILE.jsonl",
        conflicts_with_all = ["points", "boxes", "frame", "obj_id"]
    )]
    pub prompts: Option<PathBuf>,
    /// Leave out prompts of the file that cannot be used, with a note for each, instead of refusing the file
    #[arg(help_heading = PROMPTS, long, requires = "prompts")]
    pub skip_bad_prompts: bool,
    #[command(flatten)]
    pub prompt: PointArgs,
    #[command(flatten)]
    pub coordinates: CoordinateArgs,
    /// The frame that -p and -b are about, counted from 0
    #[arg(help_heading = PROMPTS, long, value_name = "N", default_value_t = 0)]
    pub frame: usize,
    /// The number of the object that -p and -b are about (1 to 255); further boxes are the objects after it
    #[arg(
        help_heading = PROMPTS,
        long,
        value_name = "ID",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=255)
    )]
    pub obj_id: u32,
    /// Folder for the masks (00000.png ..., DAVIS palette, one colour per object) and tracks.jsonl; or a
    /// video of the frames with the masks drawn on them: .mp4, .webm, .mov, .gif or .apng
    #[arg(
        help_heading = OUTPUTS,
        short,
        long = "output",
        value_name = "DIR|VIDEO",
        value_parser = folder::or_video(),
        required_unless_present = "exports"
    )]
    pub output: Option<PathBuf>,
    /// Also write DIR/overlay/00000.png ...: the frames with masks and prompts drawn on them
    #[arg(help_heading = OUTPUTS, long)]
    pub overlay: bool,
    /// With --overlay or a video: write the number of every object beside its mask
    #[arg(help_heading = OUTPUTS, long)]
    pub labels: bool,
    /// Add every mask to tracks.jsonl, as COCO run lengths, which keep overlaps
    #[arg(help_heading = OUTPUTS, long)]
    pub rle: bool,
    #[command(flatten)]
    pub export: ExportArgs,
    /// Name the files of every frame as its picture in the folder, not by its number
    #[arg(help_heading = OUTPUTS, long)]
    pub names_from_input: bool,
    /// Also write the low-resolution logits of every frame and object, 00000_obj1.npy ..., into this folder
    #[arg(help_heading = OUTPUTS, long, value_name = "DIR", value_parser = folder::parser())]
    pub save_logits: Option<PathBuf>,
    /// Replace the files of an earlier run.
    #[arg(help_heading = OUTPUTS, long, help = OVERWRITE_HELP)]
    pub overwrite: bool,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub pass: PassArgs,
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// Treat the clip as if it ended after N frames
    #[arg(help_heading = TRACKING, long, value_name = "N", value_parser = numbers::count)]
    pub max_frames: Option<usize>,
    /// Print the lines of tracks.jsonl on stdout too
    #[arg(help_heading = OUTPUTS, long)]
    pub json: bool,
}

/// Range and order of the tracked frames.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct PassArgs {
    /// Track backwards, from the first prompted frame (or --start) to the beginning
    #[arg(help_heading = TRACKING, long, conflicts_with = "both")]
    pub reverse: bool,
    /// Track forwards to the end, then from the same frame back to the beginning
    #[arg(help_heading = TRACKING, long)]
    pub both: bool,
    /// Begin at this frame, counted from 0 [default: the first prompted one]
    #[arg(help_heading = TRACKING, long, value_name = "N")]
    pub start: Option<usize>,
    /// Track this many frames in each direction, the first one included
    #[arg(help_heading = TRACKING, long, value_name = "N", value_parser = numbers::count)]
    pub length: Option<usize>,
}

impl PassArgs {
    /// Converts to the tracking loop's options.
    pub fn span(self) -> Span {
        Span { reverse: self.reverse, both: self.both, start: self.start, length: self.length }
    }
}
