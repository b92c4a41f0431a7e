//! What can be typed after `sam2 segment`.

use std::path::PathBuf;

use clap::Args;
use sam2_media::prompts::{BoxPrompt, Click};

use crate::options::ModelArgs;

/// `sam2 segment`
#[derive(Args, Debug)]
pub struct Segment {
    /// The photo (PNG, JPEG, GIF, BMP, WebP or TIFF; turned upright if its EXIF data say so); - for stdin
    pub image: PathBuf,
    #[command(flatten)]
    pub model: ModelArgs,
    /// A click: x,y or x,y,label with label 1 = the object (default), 0 = not the object; may be repeated
    #[arg(short, long = "point", value_name = "X,Y[,LABEL]", allow_hyphen_values = true)]
    pub points: Vec<Click>,
    /// A box around the object; several boxes are several objects
    #[arg(short, long = "box", value_name = "X0,Y0,X1,Y1", allow_hyphen_values = true)]
    pub boxes: Vec<BoxPrompt>,
    /// A rough mask to refine: a black and white picture of the photo's size, white = the object
    #[arg(long, value_name = "PNG")]
    pub mask_prompt: Option<PathBuf>,
    /// Predict three masks; the best goes to OUT, and all of them to OUT_0, OUT_1, OUT_2
    #[arg(long, conflicts_with = "single_mask")]
    pub multimask: bool,
    /// Predict one mask even for a single click.
    #[arg(
        long,
        help = "Predict one mask [default: three for a single click, of which the best is kept; else one]"
    )]
    pub single_mask: bool,
    /// Where the mask goes: a black and white PNG of the photo's size; - for stdout.
    #[arg(
        short,
        long = "output",
        value_name = "OUT.png",
        required_unless_present_any = ["json", "save_logits"],
        help = "Where the mask goes: a black and white PNG of the photo's size, - for stdout; with several boxes, all \
                masks in one, and each in OUT_0, OUT_1, ..."
    )]
    pub output: Option<PathBuf>,
    /// Also write OUT_overlay.png: the photo with the mask and the prompts drawn on it
    #[arg(long, requires = "output")]
    pub overlay: bool,
    /// Also write OUT_cutout.png: the photo, transparent outside the mask
    #[arg(long, requires = "output")]
    pub cutout: bool,
    /// Logits above this are inside a mask
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_hyphen_values = true)]
    pub mask_threshold: f32,
    /// Fill holes of at most N pixels of the low-resolution logits (the model's input has 4 by 4 of its pixels to one)
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_hole_area: usize,
    /// Remove specks of at most N pixels of the low-resolution logits
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_sprinkle_area: usize,
    /// What the encoder found in the photo: written if the file is not there, else used, so that a prompt costs only the decoder
    #[arg(long, value_name = "FILE.safetensors")]
    pub embeddings: Option<PathBuf>,
    /// Also write the low-resolution logits of every mask as a float32 array
    #[arg(long, value_name = "FILE.npy")]
    pub save_logits: Option<PathBuf>,
    /// Print the result as one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}
