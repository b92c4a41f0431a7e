//! What can be typed after `sam2 everything`. Parameters of the search have their Python names.

use std::path::PathBuf;

use clap::Args;

use crate::args::ModelArg;

/// `sam2 everything`
#[derive(Args, Debug)]
pub struct Everything {
    /// The photo (PNG, JPEG, GIF, BMP, WebP or TIFF; turned upright if its EXIF data say so)
    pub image: PathBuf,
    #[command(flatten)]
    pub model: ModelArg,
    /// Folder for the masks (000.png ..., best first), overlay.png and masks.json
    #[arg(short, long = "output", value_name = "DIR", required_unless_present = "json")]
    pub output: Option<PathBuf>,
    /// Print the masks as one JSON array with COCO RLE on stdout
    #[arg(long)]
    pub json: bool,
    /// Clicks per side of the grid over the photo
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub points_per_side: usize,
    /// Keep masks with a predicted IoU above this
    #[arg(long, value_name = "X", default_value_t = 0.8)]
    pub pred_iou_thresh: f32,
    /// Keep masks with at least this stability
    #[arg(long, value_name = "X", default_value_t = 0.95)]
    pub stability_score_thresh: f32,
    /// How far the threshold is moved to measure the stability
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub stability_score_offset: f32,
    /// Logits above this are inside a mask
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_hyphen_values = true)]
    pub mask_threshold: f32,
    /// Of two masks whose boxes overlap more than this IoU, keep the better
    #[arg(long, value_name = "X", default_value_t = 0.7)]
    pub box_nms_thresh: f64,
    /// Search crops too: layer 1 has 4, layer 2 has 16
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub crop_n_layers: usize,
    /// As --box-nms-thresh, between crops
    #[arg(long, value_name = "X", default_value_t = 0.7)]
    pub crop_nms_thresh: f64,
    /// Overlap of the crops of layer 1, as a share of the shorter side
    #[arg(long, value_name = "X", default_value_t = 512.0 / 1500.0)]
    pub crop_overlap_ratio: f64,
    /// Clicks per side are divided by this from layer to layer
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub crop_n_points_downscale_factor: usize,
    /// Predict every mask a second time with itself as a prompt
    #[arg(long)]
    pub use_m2m: bool,
    /// Predict one mask per click instead of three
    #[arg(long)]
    pub single_mask: bool,
}
