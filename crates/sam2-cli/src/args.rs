//! What can be typed after `sam2`.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};
use sam2_model::Precision;

use crate::commands::compare::Compare;
use crate::convert::Convert;
use crate::eval::Eval;
use crate::input::bytes::RawSize;
use crate::prompt::{BoxArg, Click};
use crate::vos::Vos;
use crate::{bench, everything, segment};

/// Segment Anything 2 on the CPU: cut an object out of a photo, track objects through a clip.
///
/// All coordinates are pixels of the original picture, origin at the top left; boxes are x0,y0,x1,y1.
#[derive(Debug, Parser)]
#[command(name = "sam2", version, arg_required_else_help = true, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub common: Common,
}

const COMMON: &str = "Common options";

/// Options of every command.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// Number of threads.
    #[arg(
        short,
        long,
        global = true,
        help_heading = COMMON,
        value_name = "N",
        help = "Number of threads; results are the same for any number [default: one per core]",
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    pub threads: Option<u16>,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true, help_heading = COMMON, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more on stderr
    #[arg(short, long, global = true, help_heading = COMMON, action = ArgAction::Count)]
    pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Cut out the object that a click, a box or a rough mask points at in a photo
    Segment(segment::Segment),
    /// Find all masks of a photo
    Everything(everything::Everything),
    /// Follow objects through a clip: a folder of images, an animated GIF or a video file
    Track(Track),
    /// Follow objects through frames as they come in, with prompts that may arrive on the way
    Stream(crate::stream::Stream),
    /// Track the objects of given masks through folders of videos, with the flags of Meta's vos_inference.py
    Vos(Vos),
    /// Measure predictions against ground truth: DAVIS, SA-V, LaSOT
    Eval(Eval),
    /// Segment and track in a bundled clip with the embedded model, and check the result against the truth
    Demo(Demo),
    /// Write a checkpoint as another kind of file
    Convert(Convert),
    /// Describe this machine and this build, or a checkpoint
    Info(Info),
    /// Time the parts of the model on this machine
    Bench(Bench),
    /// Compare two files of arrays element by element: .npy, .npz or .safetensors
    Compare(Compare),
}

impl Command {
    /// Exit code of a failure. A command that answers "no" with 1 fails with 2.
    pub fn failure(&self) -> u8 {
        if matches!(self, Self::Compare(_)) { 2 } else { 1 }
    }
}

/// Which checkpoint to run.
#[derive(Args, Clone, Debug)]
pub struct ModelArg {
    /// The checkpoint; the embedded one if absent.
    #[arg(
        short,
        long = "model",
        value_name = "CKPT",
        help = "Checkpoint (Meta's .pt, or .safetensors) [default: a small one embedded in this program]"
    )]
    pub model: Option<PathBuf>,
    /// The configuration of a model that is not one of the published ones.
    #[arg(
        long,
        value_name = "FILE",
        requires = "model",
        help = "Configuration of a fine-tuned or changed model: Meta's .yaml, or the same as .json [default: found from the checkpoint]"
    )]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub trade: TradeArgs,
}

/// Speed for accuracy.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct TradeArgs {
    /// int8 runs linear layers in 8 bits: faster, and nearly the same masks
    #[arg(long, value_name = "f32|int8", default_value_t)]
    pub precision: Precision,
    /// Side to which images are resized, a multiple of 64: smaller is faster and less accurate [default: the model's own, 1024 for the published ones]
    #[arg(long, value_name = "N")]
    pub image_size: Option<usize>,
}

/// Clicks and a box.
#[derive(Args, Clone, Debug, Default)]
pub struct PointArgs {
    /// A click: x,y or x,y,label with label 1 = the object (default), 0 = not the object; may be repeated
    #[arg(short, long = "point", value_name = "X,Y[,LABEL]", allow_hyphen_values = true)]
    pub points: Vec<Click>,
    /// A box around the object
    #[arg(short, long = "box", value_name = "X0,Y0,X1,Y1", allow_hyphen_values = true)]
    pub bbox: Option<BoxArg>,
}

const PROMPTS_HELP: &str = "Prompts in a file, or - for stdin, one JSON object per line: \
    {\"frame\":0,\"obj_id\":1,\"points\":[[x,y]],\"labels\":[1]}, \
    or with \"box\":[x0,y0,x1,y1] or \"mask\":\"FILE.png\" instead of points";

/// `sam2 track`
#[derive(Args, Debug)]
pub struct Track {
    /// Folder of images (natural order), animated GIF, Y4M, video file (needs ffmpeg), or - for Y4M on stdin
    pub input: PathBuf,
    /// The input is bare RGB frames of this size, 3 bytes a pixel, in a file or on stdin
    #[arg(long, value_name = "WxH")]
    pub raw: Option<RawSize>,
    #[command(flatten)]
    pub model: ModelArg,
    /// The prompts file.
    #[arg(long, help = PROMPTS_HELP, value_name = "FILE.jsonl", conflicts_with_all = ["points", "bbox", "frame", "obj_id"])]
    pub prompts: Option<PathBuf>,
    #[command(flatten)]
    pub prompt: PointArgs,
    /// The frame that -p and -b are about, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub frame: usize,
    /// The number of the object that -p and -b are about (1 to 255)
    #[arg(long, value_name = "ID", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=255))]
    pub obj_id: u32,
    /// Folder for the masks (00000.png ..., DAVIS palette, one colour per object) and tracks.jsonl
    #[arg(short, long = "output", value_name = "DIR")]
    pub output: PathBuf,
    /// Also write DIR/overlay/00000.png ...: the frames with masks and prompts drawn on them
    #[arg(long)]
    pub overlay: bool,
    /// Also write the low-resolution logits of every frame and object, 00000_obj1.npy ..., into this folder
    #[arg(long, value_name = "DIR")]
    pub save_logits: Option<PathBuf>,
    #[command(flatten)]
    pub pass: crate::track::options::PassArgs,
    #[command(flatten)]
    pub memory: crate::track::options::MemoryArgs,
    /// Treat the clip as if it ended after N frames
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub max_frames: Option<usize>,
    /// Print the lines of tracks.jsonl on stdout too
    #[arg(long)]
    pub json: bool,
}

/// `sam2 demo`
#[derive(Args, Debug)]
pub struct Demo {
    /// Folder for the pictures
    #[arg(short, long = "output", value_name = "DIR", default_value = "sam2-demo")]
    pub output: PathBuf,
}

/// `sam2 info`
#[derive(Args, Debug)]
pub struct Info {
    /// A checkpoint to describe
    pub checkpoint: Option<PathBuf>,
    /// Its configuration, if it is not a published model: Meta's .yaml, or the same as .json
    #[arg(long, value_name = "FILE", requires = "checkpoint")]
    pub config: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `sam2 bench`
#[derive(Args, Debug)]
pub struct Bench {
    #[command(flatten)]
    pub model: ModelArg,
    /// How often each part is timed; the median is reported
    #[arg(long, value_name = "R", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub repeat: u32,
    /// Show an earlier result of --json beside this one, and fail if a part became slower
    #[arg(long, value_name = "OLD.json")]
    pub compare: Option<PathBuf>,
    /// With --compare: by how many percent a part may be slower than before
    #[arg(long, value_name = "PERCENT", requires = "compare", default_value_t = 10.0, value_parser = parse_percent)]
    pub threshold: f64,
    /// What is timed, besides loading
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "PART,..",
        default_value = "encode,click,memory-attention,track"
    )]
    pub parts: Vec<bench::Part>,
    /// How many objects are tracked
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=255))]
    pub objects: u32,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// At least one.
pub fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1 frame is needed".to_owned()),
        Ok(n) => Ok(n),
        Err(_) => Err("not a whole number".to_owned()),
    }
}

/// A percentage that is not negative.
fn parse_percent(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|percent| (0.0..=1e6).contains(percent))
        .ok_or_else(|| "not a percentage".to_owned())
}

/// The first paragraph of clap's message on one line, without its `error: `.
pub fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = paragraph.split_whitespace().collect();
    let line = words.join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn errors_fit_on_one_line() {
        for line in [
            "sam2 segment",
            "sam2 segment a.png -p 1",
            "sam2 track",
            "sam2 nonsense",
            "sam2 bench --repeat 0",
        ] {
            let error = Cli::try_parse_from(line.split(' ')).expect_err("must be refused");
            let text = one_line(&error);
            assert!(!text.contains('\n') && !text.starts_with("error") && text.len() > 10, "{text}");
        }
    }

    #[test]
    fn clicks_may_begin_with_a_minus() {
        let cli =
            Cli::try_parse_from(["sam2", "segment", "a.png", "-p", "-5,3", "-o", "b.png"]).expect("parses");
        let Command::Segment(segment) = cli.command else { panic!("segment expected") };
        assert_eq!((segment.points[0].x, segment.points[0].y), (-5.0, 3.0));
    }
}
