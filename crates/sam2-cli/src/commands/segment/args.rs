//! Arguments of `sam2 segment`.

use std::path::PathBuf;

use clap::Args;
use sam2_media::prompts::{BoxPrompt, Click};

use crate::options::{MODEL, ModelArgs, OUTPUTS, PROMPTS};

const MASKS: &str = "Masks";

const EXAMPLES: &str = "\
Examples:
  sam2 segment photo.jpg -p 320,240 -o mask.png --overlay -m sam2.1_hiera_tiny.pt
  sam2 segment photo.jpg -p 320,240 -p 50,60,0 --cutout -o mask.png -m sam2.1_hiera_tiny.pt
  sam2 segment photo.jpg -b 40,30,200,160 -b 220,40,300,180 --overlay --labels -o mask.png
  sam2 segment photo.jpg -p 320,240 --json
  curl -s https://example.org/photo.jpg | sam2 segment - -p 320,240 -o - > mask.png";

/// `sam2 segment`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Segment {
    /// The photo (PNG, JPEG, GIF, BMP, WebP, TIFF, PPM; turned upright if its EXIF data say so); - for stdin
    pub image: PathBuf,
    /// A click: x,y or x,y,label with label 1 = the object (default), 0 = not the object; may be repeated
    #[arg(
        help_heading = PROMPTS,
        short,
        long = "point",
        value_name = "X,Y[,LABEL]",
        allow_hyphen_values = true
    )]
    pub points: Vec<Click>,
    /// A box around the object; several boxes are several objects
    #[arg(
        help_heading = PROMPTS,
        short,
        long = "box",
        value_name = "X0,Y0,X1,Y1",
        allow_hyphen_values = true
    )]
    pub boxes: Vec<BoxPrompt>,
    /// A rough mask to refine, of any size: white on black, opaque on transparent, or a label map
    #[arg(help_heading = PROMPTS, long, value_name = "PNG")]
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
        required_unless_present_any = ["json", "save_logits"],
        help = "Where the mask goes: a black and white PNG of the photo's size, - for stdout; with several \
                boxes, all masks in one, and each in OUT_0, OUT_1, ..."
    )]
    pub output: Option<PathBuf>,
    /// Also write OUT_overlay.png: the photo with the mask and the prompts drawn on it
    #[arg(help_heading = OUTPUTS, long, requires = "output")]
    pub overlay: bool,
    /// With --overlay: write the number of every object beside its mask
    #[arg(help_heading = OUTPUTS, long, requires = "overlay")]
    pub labels: bool,
    /// Also write OUT_cutout.png: the photo, transparent outside the mask
    #[arg(help_heading = OUTPUTS, long, requires = "output")]
    pub cutout: bool,
    /// Logits above this are inside a mask
    #[arg(help_heading = MASKS, long, value_name = "X", default_value_t = 0.0, allow_hyphen_values = true)]
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
    #[command(flatten)]
    pub model: ModelArgs,
}
