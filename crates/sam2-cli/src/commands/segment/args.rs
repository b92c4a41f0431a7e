//! Arguments of `sam2 segment`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::exporting::ExportArgs;
use crate::numbers::finite;
use crate::options::{MODEL, ModelArgs, OUTPUTS, PROMPTS};
use crate::prompting::{CoordinateArgs, PointArgs};

const MASKS: &str = "Masks";

const EXAMPLES: &str = "\
Examples:
  sam2 segment photo.jpg -p 320,240 -o mask.png --overlay -m sam2.1_hiera_tiny.pt
  sam2 segment photo.jpg -p 320,240 -p 50,60,0 --cutout -o mask.png -m sam2.1_hiera_tiny.pt
  sam2 segment photo.jpg -b 40,30,200,160 -b 220,40,300,180 --overlay --labels -o mask.png
  sam2 segment photo.jpg -p 320,240 --json
  sam2 segment photo.jpg -p 320,240 --export labelme=labels --classes 1=cat -m sam2.1_hiera_tiny.pt
  sam2 segment clip.mp4 --frame 30 -p 320,240 --overlay
  curl -s https://example.org/photo.jpg | sam2 segment - -p 320,240 -o - > mask.png";

/// `sam2 segment`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Segment {
    /// The photo (PNG, JPEG, GIF, BMP, WebP, TIFF, PPM; its EXIF orientation is applied); - for stdin
    pub image: PathBuf,
    /// Take this frame of a clip, counted from 0, as the photo
    #[arg(help_heading = PROMPTS, long, value_name = "N")]
    pub frame: Option<usize>,
    #[command(flatten)]
    pub prompt: PointArgs,
    #[command(flatten)]
    pub coordinates: CoordinateArgs,
    /// A rough mask to refine, of any size: white on black, opaque on transparent, or a label map; or a .npy
    /// of --save-logits
    #[arg(help_heading = PROMPTS, long, value_name = "FILE")]
    pub mask_prompt: Option<PathBuf>,
    /// The object of the label map --mask-prompt, if it holds several
    #[arg(help_heading = PROMPTS, long, value_name = "N", requires = "mask_prompt")]
    pub mask_object: Option<u32>,
    /// Predict three masks; the best goes to OUT, and all of them to OUT_0, OUT_1, OUT_2
    #[arg(help_heading = MASKS, long, conflicts_with = "single_mask")]
    pub multimask: bool,
    /// Predict one mask even for a single click.
    #[arg(
        help_heading = MASKS,
        long,
        help = "Predict one mask [default: three for a single click, of which the best is kept; else one]"
    )]
    pub single_mask: bool,
    /// Where the mask goes: a black and white PNG of the photo's size; - for stdout.
    #[arg(
        help_heading = OUTPUTS,
        short,
        long = "output",
        value_name = "OUT.png",
        help = "Where the mask goes: a black and white PNG of the photo's size, - for stdout; with several \
                boxes, all masks in one, and each in OUT_0, OUT_1, ... [default: only the scores are printed]"
    )]
    pub output: Option<PathBuf>,
    /// Write OUT_overlay.png, without -o IMAGE_overlay.png: the photo with the mask and the prompts drawn on
    /// it
    #[arg(help_heading = OUTPUTS, long)]
    pub overlay: bool,
    /// With --overlay: write the number of every object beside its mask
    #[arg(help_heading = OUTPUTS, long, requires = "overlay")]
    pub labels: bool,
    /// Write OUT_cutout.png, without -o IMAGE_cutout.png: the photo, transparent outside the mask
    #[arg(help_heading = OUTPUTS, long)]
    pub cutout: bool,
    /// Logits above this are inside a mask
    #[arg(
        help_heading = MASKS,
        long,
        value_name = "X",
        default_value_t = 0.0,
        value_parser = finite::<f32>,
        allow_hyphen_values = true
    )]
    pub mask_threshold: f32,
    /// Fill holes of at most N pixels of the low-resolution logits (the model's input has 4 by 4 of its
    /// pixels to one)
    #[arg(help_heading = MASKS, long, value_name = "N", default_value_t = 0)]
    pub max_hole_area: usize,
    /// Remove specks of at most N pixels of the low-resolution logits
    #[arg(help_heading = MASKS, long, value_name = "N", default_value_t = 0)]
    pub max_sprinkle_area: usize,
    /// What the encoder found in the photo: written if the file is not there, else used, so that a prompt
    /// costs only the decoder
    #[arg(help_heading = MODEL, long, value_name = "FILE.safetensors")]
    pub embeddings: Option<PathBuf>,
    /// Also write the low-resolution logits of every mask as a float32 array
    #[arg(help_heading = OUTPUTS, long, value_name = "FILE.npy")]
    pub save_logits: Option<PathBuf>,
    /// Print the result as one JSON object on stdout
    #[arg(help_heading = OUTPUTS, long)]
    pub json: bool,
    /// With --json: add every mask, as COCO run lengths
    #[arg(help_heading = OUTPUTS, long, requires = "json")]
    pub rle: bool,
    #[command(flatten)]
    pub export: ExportArgs,
    #[command(flatten)]
    pub model: ModelArgs,
}

impl Segment {
    /// The file whose name the overlay and the cut-out have, with a suffix.
    pub fn base(&self) -> &Path {
        self.output.as_deref().unwrap_or(&self.image)
    }
}
