//! The command line of `sam2`: options of every command, and the commands.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};

use anyhow::Result;
use sam2_model::published::{self, Places};

use crate::commands::bench::Bench;
use crate::commands::compare::Compare;
use crate::commands::completions::Completions;
use crate::commands::convert::Convert;
use crate::commands::demo::Demo;
use crate::commands::eval::Eval;
use crate::commands::everything::Everything;
use crate::commands::export::Export;
use crate::commands::info::Info;
use crate::commands::man::Manual;
use crate::commands::segment::Segment;
#[cfg(feature = "serve")]
use crate::commands::serve::Serve;
use crate::commands::stream::Stream;
use crate::commands::track::Track;
use crate::commands::vos::Vos;
use crate::model;

const EXAMPLES: &str = "\
Examples:
  sam2 demo
  sam2 segment photo.jpg -p 320,240 -o mask.png --overlay -m sam2.1_hiera_tiny.pt
  sam2 track clip.mp4 -p 120,80 -o masks --overlay -m sam2.1_hiera_tiny.pt
  sam2 segment --help";

/// Segment Anything 2 on the CPU: cut an object out of a photo, track objects through a clip.
///
/// All coordinates are pixels of the original picture, origin at the top left; boxes are x0,y0,x1,y1.
#[derive(Debug, Parser)]
#[command(
    name = "sam2",
    version,
    arg_required_else_help = true,
    propagate_version = true,
    after_help = EXAMPLES
)]
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
    /// Form of the lines on stderr: text, or json: an object each with ts, level and event, and the progress
    /// once a second [default: SAM2_LOG, else text]
    #[arg(
        long,
        global = true,
        help_heading = COMMON,
        value_name = "text|json",
        hide_possible_values = true
    )]
    pub log: Option<Log>,
}

/// The form of what stderr gets; it is chosen before the command line is read, by `console::choose_log`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Log {
    Text,
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Cut out the object that a click, a box or a rough mask points at in a photo
    Segment(Segment),
    /// Find all masks of a photo
    Everything(Everything),
    /// Follow objects through a clip: a folder of images, an animated GIF or a video file
    Track(Track),
    /// Follow objects through frames as they come in, with prompts that may arrive on the way
    Stream(Stream),
    /// Open a page in the browser: click, track, correct
    #[cfg(feature = "serve")]
    Serve(Serve),
    /// Track the objects of given masks through folders of videos, with the flags of Meta's vos_inference.py
    Vos(Vos),
    /// Write the masks of a run for other tools: YOLO, labelme, COCO, SA-V, MOT, MOTS, videos
    Export(Export),
    /// Measure predictions against ground truth: DAVIS, SA-V, LaSOT
    Eval(Eval),
    /// Segment and track in a bundled clip with the embedded model, and check the result against the truth
    Demo(Demo),
    /// Write a checkpoint as another kind of file
    Convert(Convert),
    /// Describe this machine and this build, or a checkpoint
    Info(Info),
    /// Time the parts of the model, or its kernels, on this machine
    Bench(Bench),
    /// Compare two files of arrays element by element: .npy, .npz or .safetensors
    Compare(Compare),
    /// Print the completions of a shell
    Completions(Completions),
    /// Print the manual, or write its pages into a folder
    Man(Manual),
}

impl Command {
    /// Replaces the name of a checkpoint by its path, and an absent one by that of the environment.
    pub fn choose_checkpoint(&mut self) -> Result<()> {
        match self {
            Self::Segment(args) => model::choose(&mut args.model.model),
            Self::Everything(args) => model::choose(&mut args.model.model),
            Self::Track(args) => model::choose(&mut args.model.model),
            Self::Stream(args) => model::choose(&mut args.model.model),
            #[cfg(feature = "serve")]
            Self::Serve(args) => model::choose(&mut args.model.model),
            Self::Bench(args) => model::choose(&mut args.model.model),
            Self::Vos(args) => model::choose(&mut args.sam2_checkpoint),
            Self::Info(Info { checkpoint: Some(path), .. }) | Self::Convert(Convert { input: path, .. }) => {
                *path = published::find(path.as_path(), &Places::from_env())?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Exit code of a failure. A command that answers "no" with 1 fails with 2.
    pub fn failure(&self) -> u8 {
        if matches!(self, Self::Compare(_)) { 2 } else { 1 }
    }
}

/// The first paragraph of clap's message and its tips on one line, without `error: `.
pub fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let join = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let paragraph = join(text.split("\n\n").next().unwrap_or_default());
    let mut line = paragraph.strip_prefix("error: ").unwrap_or(&paragraph).to_owned();
    let suggested =
        [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let suggestion = suggested.into_iter().find_map(|kind| match error.get(kind)? {
        ContextValue::String(name) => Some(format!("'{name}'")),
        ContextValue::Strings(names) if !names.is_empty() => {
            Some(names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(" or "))
        }
        _ => None,
    });
    if let Some(suggestion) = suggestion {
        line += &format!("; did you mean {suggestion}?");
        return line;
    }
    for tip in text.lines().filter_map(|line| line.trim().strip_prefix("tip: ")) {
        line += &format!("; {}", join(tip));
    }
    line
}

/// The help that fits a command line: that of its command, or of the program.
pub fn help_for(args: impl IntoIterator<Item = OsString>) -> String {
    let (root, mut name) = (Cli::command(), "sam2".to_owned());
    let mut command = &root;
    for arg in args {
        if let Some(below) = command.find_subcommand(&arg) {
            name += &format!(" {}", below.get_name());
            command = below;
        }
    }
    name + " --help"
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn slips_are_answered_with_what_was_meant() {
        for (line, text) in [
            ("sam2 segmnt a.png", "unrecognized subcommand 'segmnt'; did you mean 'segment'?"),
            ("sam2 track --overlai", "unexpected argument '--overlai' found; did you mean '--overlay'?"),
            ("sam2 track c -o d --memory sam2lng", "expected one of sam2, samurai, dam4sam, sam2long"),
            ("sam2 convert a b --to hff", "did you mean 'hf'?"),
        ] {
            let error = Cli::try_parse_from(line.split(' ')).expect_err("must be refused");
            assert!(one_line(&error).contains(text), "{line}: {}", one_line(&error));
        }
        let help = |line: &str| help_for(line.split(' ').map(OsString::from));
        assert_eq!(help("segmnt a.png"), "sam2 --help");
        assert_eq!(help("-t 2 track clip --overlai"), "sam2 track --help");
        assert_eq!(help("eval davis --wrong"), "sam2 eval davis --help");
    }

    #[test]
    fn clicks_may_begin_with_a_minus() {
        let cli =
            Cli::try_parse_from(["sam2", "segment", "a.png", "-p", "-5,3", "-o", "b.png"]).expect("parses");
        let Command::Segment(segment) = cli.command else { panic!("segment expected") };
        assert_eq!((segment.prompt.points[0].x, segment.prompt.points[0].y), (-5.0, 3.0));
    }
}
