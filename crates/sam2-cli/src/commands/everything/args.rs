//! Arguments of `sam2 everything`. Parameters of the search have their Python names.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::exporting::ExportArgs;
use crate::folder;
use crate::numbers::finite;
use crate::options::{MODEL, ModelArgs, OUTPUTS, OVERWRITE_HELP};

const SEARCH: &str = "Search";

const POLYGONS_HELP: &str = "Add outlines to the list, with holes, as corners of pixels: \
    {\"outer\":[[x,y],...],\"holes\":[[[x,y],...],...]}";
const POINT_GRIDS_HELP: &str = "Clicks in place of the grids: a JSON file of one list of [x,y] for the photo \
    and one for every layer of crops, x and y as shares of width and height";

const EXAMPLES: &str = "\
Examples:
  sam2 everything photo.jpg -o masks -m sam2.1_hiera_tiny.pt
  sam2 everything photo.jpg -o masks --labels --points-per-side 16
  sam2 everything photo.jpg --json --polygons > masks.json";

/// `sam2 everything`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Everything {
    /// The photo (PNG, JPEG, GIF, BMP, WebP or TIFF; its EXIF orientation is applied); - for stdin
    pub image: PathBuf,
    /// Take this frame of a clip, counted from 0, as the photo
    #[arg(long, value_name = "N")]
    pub frame: Option<usize>,
    /// Folder for the masks (000.png ..., best first), overlay.png and masks.json
    #[arg(
        help_heading = OUTPUTS,
        short,
        long = "output",
        value_name = "DIR",
        value_parser = folder::parser(),
        required_unless_present_any = ["json", "exports"]
    )]
    pub output: Option<PathBuf>,
    /// Replace the files of an earlier run.
    #[arg(help_heading = OUTPUTS, long, help = OVERWRITE_HELP, requires = "output")]
    pub overwrite: bool,
    /// Write the number of every mask into overlay.png
    #[arg(help_heading = OUTPUTS, long, requires = "output")]
    pub labels: bool,
    #[command(flatten)]
    pub export: ExportArgs,
    /// Print the masks as one JSON array on stdout
    #[arg(help_heading = OUTPUTS, long)]
    pub json: bool,
    /// How the list has the masks: rows of 0 and 1, lengths of runs, or COCO's string of them
    #[arg(
        help_heading = OUTPUTS,
        long,
        value_name = "MODE",
        value_enum,
        default_value_t = OutputMode::CocoRle
    )]
    pub output_mode: OutputMode,
    /// Add outlines to the list, with holes.
    #[arg(help_heading = OUTPUTS, long, help = POLYGONS_HELP)]
    pub polygons: bool,
    #[command(flatten)]
    pub model: ModelArgs,
    /// What the encoder found in the photo: written if the file is not there, else used
    #[arg(help_heading = MODEL, long, value_name = "FILE.safetensors", conflicts_with = "crop_n_layers")]
    pub embeddings: Option<PathBuf>,
    /// Clicks per side of the grid over the photo
    #[arg(help_heading = SEARCH, long, value_name = "N", default_value_t = 32)]
    pub points_per_side: usize,
    /// Clicks that are decoded in one go; changes no result
    #[arg(help_heading = SEARCH, long, value_name = "N", default_value_t = 64)]
    pub points_per_batch: usize,
    /// Clicks in place of the grids.
    #[arg(
        help_heading = SEARCH,
        long,
        help = POINT_GRIDS_HELP,
        value_name = "FILE.json",
        conflicts_with = "points_per_side"
    )]
    pub point_grids: Option<PathBuf>,
    /// Keep masks with a predicted IoU above this
    #[arg(
        help_heading = SEARCH,
        long,
        value_name = "X",
        default_value_t = 0.8,
        value_parser = finite::<f32>,
        allow_hyphen_values = true
    )]
    pub pred_iou_thresh: f32,
    /// Keep masks with at least this stability
    #[arg(
        help_heading = SEARCH,
        long,
        value_name = "X",
        default_value_t = 0.95,
        value_parser = finite::<f32>,
        allow_hyphen_values = true
    )]
    pub stability_score_thresh: f32,
    /// How far the threshold is moved to measure the stability
    #[arg(
        help_heading = SEARCH,
        long,
        value_name = "X",
        default_value_t = 1.0,
        value_parser = finite::<f32>,
        allow_hyphen_values = true
    )]
    pub stability_score_offset: f32,
    /// Logits above this are inside a mask
    #[arg(
        help_heading = SEARCH,
        long,
        value_name = "X",
        default_value_t = 0.0,
        value_parser = finite::<f32>,
        allow_hyphen_values = true
    )]
    pub mask_threshold: f32,
    /// Of two masks whose boxes overlap more than this IoU, keep the better
    #[arg(
        help_heading = SEARCH,
        long,
        value_name = "X",
        default_value_t = 0.7,
        value_parser = finite::<f64>,
        allow_hyphen_values = true
    )]
    pub box_nms_thresh: f64,
    /// Search crops too: layer 1 has 4, layer 2 has 16
    #[arg(help_heading = SEARCH, long, value_name = "N", default_value_t = 0)]
    pub crop_n_layers: usize,
    /// As --box-nms-thresh, between crops
    #[arg(
        help_heading = SEARCH,
        long,
        value_name = "X",
        default_value_t = 0.7,
        value_parser = finite::<f64>,
        allow_hyphen_values = true
    )]
    pub crop_nms_thresh: f64,
    /// Overlap of the crops of layer 1, as a share of the shorter side
    #[arg(
        help_heading = SEARCH,
        long,
        value_name = "X",
        default_value_t = 512.0 / 1500.0,
        value_parser = finite::<f64>,
        allow_hyphen_values = true
    )]
    pub crop_overlap_ratio: f64,
    /// Clicks per side are divided by this from layer to layer
    #[arg(help_heading = SEARCH, long, value_name = "N", default_value_t = 1)]
    pub crop_n_points_downscale_factor: usize,
    /// Remove holes and islands of fewer pixels than this from the masks
    #[arg(help_heading = SEARCH, long, value_name = "N", default_value_t = 0)]
    pub min_mask_region_area: usize,
    /// Predict every mask a second time with itself as a prompt
    #[arg(help_heading = SEARCH, long)]
    pub use_m2m: bool,
    /// Predict one mask per click instead of three
    #[arg(help_heading = SEARCH, long)]
    pub single_mask: bool,
}

/// The forms of a mask in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum OutputMode {
    BinaryMask,
    UncompressedRle,
    CocoRle,
}
