//! Options that several commands share, and their parsers.

use std::path::{Path, PathBuf};

use clap::Args;
use sam2_media::outputs::Plan;
use sam2_model::Model;
use sam2_model::config::Config;
use sam2_model::error::LoadError;
use sam2_model::models::{Precision, WeightCopy};
use sam2_model::video::{MemoryPolicyKind, VideoOptions};

use crate::console::Console;

/// Help of -m.
pub const CHECKPOINT_HELP: &str = if cfg!(feature = "embedded") {
    "Checkpoint: a file (Meta's .pt, or .safetensors), or tiny, small, base+, large or another name in \
     SAM2_MODEL_DIR or the Hugging Face cache [default: SAM2_MODEL, else a small one in this program]"
} else {
    "Checkpoint: a file (Meta's .pt, or .safetensors), or tiny, small, base+, large or another name in \
     SAM2_MODEL_DIR or the Hugging Face cache [default: SAM2_MODEL]"
};

/// Help of --variant.
pub const VARIANT_HELP: &str = "Published model, such as efficienttam_ti_512x512, where several have the \
                                same tensors [default: the checkpoint's file name]";

/// Headings of `--help`.
pub const PROMPTS: &str = "Prompts";
pub const OUTPUTS: &str = "Outputs";
pub const MODEL: &str = "Model";
pub const TRACKING: &str = "Tracking";

/// The checkpoint and how it runs.
#[derive(Args, Clone, Debug)]
pub struct ModelArgs {
    /// The checkpoint; the embedded one if absent.
    #[arg(
        help_heading = MODEL,
        short,
        long = "model",
        value_name = "CKPT",
        help = CHECKPOINT_HELP
    )]
    pub model: Option<PathBuf>,
    /// The configuration of a model that is not published.
    #[arg(
        help_heading = MODEL,
        long,
        value_name = "FILE",
        help = "Configuration of a fine-tuned or changed model: Meta's .yaml, or the same as .json [default: \
                found from the checkpoint]"
    )]
    pub config: Option<PathBuf>,
    /// The published model, where the tensors do not show it.
    #[arg(
        help_heading = MODEL,
        long,
        value_name = "NAME",
        requires = "model",
        conflicts_with = "config",
        value_parser = parse_variant,
        help = VARIANT_HELP
    )]
    pub variant: Option<String>,
    #[command(flatten)]
    pub trade: TradeArgs,
}

impl ModelArgs {
    /// Adds the files that the model is read from to a plan.
    pub fn plan(&self, plan: &mut Plan) {
        self.model.iter().for_each(|path| plan.reads_checkpoint(path));
        self.config.iter().for_each(|path| plan.reads(path));
    }

    /// The configuration of `--config` or of `--variant`.
    pub fn config(&self) -> Result<Option<Config>, LoadError> {
        config(self.config.as_deref(), self.variant.as_deref())
    }
}

/// The configuration in a file, or that of a published model by its name.
pub fn config(file: Option<&Path>, variant: Option<&str>) -> Result<Option<Config>, LoadError> {
    match file {
        Some(file) => Config::open(file).map(Some),
        None => Ok(variant.and_then(Config::named)),
    }
}

/// Parses the name of a published model.
pub fn parse_variant(text: &str) -> Result<String, String> {
    if Config::named(text).is_some() {
        return Ok(text.to_owned());
    }
    Err(format!("it is none of {}", Config::names().join(", ")))
}

/// Help of --weights.
pub const WEIGHTS_HELP: &str = "Which weights, where the checkpoint has several: raw, or ema, those averaged \
                                over the training";

/// Which weights, and speed for accuracy.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct TradeArgs {
    /// int8 runs linear layers in 8 bits: faster, and nearly the same masks; bf16: nearer, and less fast
    #[arg(help_heading = MODEL, long, value_name = "f32|bf16|int8", default_value_t)]
    pub precision: Precision,
    /// Side to which images are resized, a multiple of 64: smaller is faster and less accurate [default: the
    /// model's own, 1024 for most]
    #[arg(help_heading = MODEL, long, value_name = "N")]
    pub image_size: Option<usize>,
    /// Which copy of the weights.
    #[arg(help_heading = MODEL, long, value_name = "raw|ema", default_value_t, help = WEIGHTS_HELP)]
    pub weights: WeightCopy,
}

/// Memory policy and clean-up of masks.
#[derive(Args, Clone, Copy, Debug)]
pub struct MemoryArgs {
    /// Memory policy: sam2 as published, samurai (motion), dam4sam (look-alikes), sam2long (three hypotheses)
    /// [default: sam2, or samurai if the configuration says samurai_mode]
    #[arg(help_heading = TRACKING, long = "memory", value_name = "POLICY")]
    pub policy: Option<MemoryPolicyKind>,
    /// Look at the N closest prompted frames only [default: all of them]
    #[arg(
        help_heading = TRACKING,
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(2..)
    )]
    pub max_cond_frames: Option<u16>,
    /// When a prompted frame is passed, drop what was remembered of the frames around it
    #[arg(help_heading = TRACKING, long)]
    pub clear_around_prompts: bool,
    /// Fill holes of at most N pixels in the masks at low resolution; Meta does 8 on a GPU [default: 0, or
    /// that of the configuration]
    #[arg(help_heading = TRACKING, long, value_name = "N")]
    pub fill_holes: Option<usize>,
    /// Give every pixel to one object at most, the one with the highest logit there
    #[arg(help_heading = TRACKING, long)]
    pub non_overlap: bool,
}

impl MemoryArgs {
    /// Whether any of them was given.
    pub fn is_given(self) -> bool {
        let Self { policy, max_cond_frames, clear_around_prompts, fill_holes, non_overlap } = self;
        let numbers = max_cond_frames.is_some() || fill_holes.is_some();
        policy.is_some() || numbers || clear_around_prompts || non_overlap
    }

    /// The options of the library: those of the command line, else those of the model's configuration, which
    /// are noted if they change the memory policy.
    pub fn options(self, model: &Model, console: &Console) -> VideoOptions {
        let said = VideoOptions::of(model.config());
        if self.policy.is_none() {
            note_policy(said.memory, console);
        }
        said.fill_hole_area(self.fill_holes.unwrap_or(said.fill_hole_area))
            .non_overlap(self.non_overlap || said.non_overlap)
            .clear_non_cond_mem_around_input(
                self.clear_around_prompts || said.clear_non_cond_mem_around_input,
            )
            .max_cond_frames_in_attn(self.max_cond_frames.map(usize::from))
            .memory(self.policy.unwrap_or(said.memory))
    }
}

/// A note about a memory policy that the model's configuration chose.
pub fn note_policy(said: MemoryPolicyKind, console: &Console) {
    if said != MemoryPolicyKind::default() {
        let name = said.name();
        console.note(&format!("note: the configuration says samurai_mode: tracking with --memory {name}"));
    }
}

/// Help of --overwrite.
pub const OVERWRITE_HELP: &str = "Replace the files of an earlier run in DIR; without this they are refused";
