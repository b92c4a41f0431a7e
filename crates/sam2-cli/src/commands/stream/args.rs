//! Arguments of `sam2 stream`.

use std::path::PathBuf;

use clap::Args;
use sam2_media::frames::RawSize;

use crate::folder;
use crate::numbers;
use crate::options::{MemoryArgs, ModelArgs, OUTPUTS, OVERWRITE_HELP, PROMPTS, TRACKING};
use crate::prompting::{CoordinateArgs, PointArgs};

const EXAMPLES: &str = "\
Examples:
  sam2 stream clip.y4m --prompts prompts.jsonl -m sam2.1_hiera_tiny.pt
  sam2 stream /dev/video0 --camera-size 640x480 -p 320,240
  sam2 stream clip.gif -p 120,80 --max-frames 100 --save session.safetensors -o masks
  sam2 stream clip.gif --resume session.safetensors -o masks";

/// `sam2 stream`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Stream {
    /// Frames: - for Y4M or Motion JPEG on stdin (or bare RGB with --raw), a pipe, a camera such as
    /// /dev/video0 (through ffmpeg; the latest frame wins), or whatever `sam2 track` reads
    pub input: PathBuf,
    /// The input is bare RGB frames of this size, 3 bytes a pixel
    #[arg(long, value_name = "WxH")]
    pub raw: Option<RawSize>,
    /// Ask the camera for frames of this size [default: the camera's own]
    #[arg(long, value_name = "WxH")]
    pub camera_size: Option<RawSize>,
    /// Ask the camera for so many frames a second [default: the camera's own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub camera_fps: Option<u32>,
    /// Prompts and commands as JSON lines; lines may be added while it runs.
    #[arg(help_heading = PROMPTS, long, value_name = "FILE", help = PROMPTS_HELP)]
    pub prompts: Option<PathBuf>,
    /// Wait for the first line of the prompts before the first frame is read
    #[arg(help_heading = PROMPTS, long, requires = "prompts")]
    pub wait: bool,
    #[command(flatten)]
    pub prompt: PointArgs,
    /// The number of the object that -p and -b select on the first frame; further boxes are the objects after
    /// it
    #[arg(help_heading = PROMPTS, long, value_name = "ID", default_value_t = 1)]
    pub obj_id: u32,
    #[command(flatten)]
    pub coordinates: CoordinateArgs,
    /// Add every mask to the results, as COCO run lengths
    #[arg(help_heading = OUTPUTS, long)]
    pub rle: bool,
    /// Folder for the masks (00000.png ..., DAVIS palette, one colour per object)
    #[arg(
        help_heading = OUTPUTS,
        short,
        long = "output",
        value_name = "DIR",
        value_parser = folder::parser()
    )]
    pub output: Option<PathBuf>,
    /// Replace the files of an earlier run.
    #[arg(help_heading = OUTPUTS, long, help = OVERWRITE_HELP, requires = "output")]
    pub overwrite: bool,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// Go on from a session that was saved; a clip continues after the frames that the session has seen
    #[arg(help_heading = TRACKING, long, value_name = "SESSION")]
    pub resume: Option<PathBuf>,
    /// With --resume: continue with frame N of the clip [default: the first that the session has not seen]
    #[arg(help_heading = TRACKING, long, value_name = "N", requires = "resume")]
    pub start: Option<usize>,
    /// Save the session here when the frames end (safetensors); the line {"op":"save","path":...} saves it at
    /// any time
    #[arg(help_heading = OUTPUTS, long, value_name = "SESSION")]
    pub save: Option<PathBuf>,
    /// End after N frames
    #[arg(help_heading = TRACKING, long, value_name = "N", value_parser = numbers::count)]
    pub max_frames: Option<usize>,
}

const PROMPTS_HELP: &str = "Prompts and commands, one JSON object per line, from a file (lines may be \
    appended while it runs), a pipe, or /dev/fd/N: {\"obj_id\":1,\"points\":[[x,y]],\"labels\":[1]} \
    (or \"box\", or \"mask\") adds or corrects an object on the frame \"frame\" (default: the current one); \
    {\"op\":\"more\",...} adds clicks; {\"op\":\"remove\",\"obj_id\":1}; {\"op\":\"reset\"}; \
    {\"op\":\"save\",\"path\":FILE}; {\"op\":\"quit\"}";
