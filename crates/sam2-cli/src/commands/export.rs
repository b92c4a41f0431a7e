//! `sam2 export`: results in the files of other tools.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use sam2_media::error::ExportError;
use sam2_media::export::{Format, Images, Job, Options, results};
use sam2_media::outputs::Plan;

use crate::console::Console;
use crate::exporting::{self, ClassArgs};
use crate::numbers;
use crate::options::{OUTPUTS, OVERWRITE_HELP};

const EXAMPLES: &str = "\
Examples:
  sam2 export masks --to coco -o instances.json --images frames/ --classes 1=car,2=person
  sam2 export masks --to yolo --simplify 1 -o dataset --images frames/ --names names.txt
  sam2 export masks --to overlay -o overlay.mp4 --images clip.mp4 --labels
  sam2 export masks.json --to labelme -o photos --images photos/cat.jpg";

/// `sam2 export`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Export {
    /// Folder of sam2 track or sam2 everything, or a JSON file of sam2 segment --json --rle
    pub results: PathBuf,
    /// yolo, labelme, coco, ytvis (COCO for clips), sav (SA-V), sav-png, mot, mots, davis, overlay or alpha
    /// (cut-outs)
    #[arg(long, value_name = "FORMAT")]
    pub to: Format,
    /// Folder or file, by its extension: .json (coco, ytvis, sav), .txt (mot, mots), .mp4, .webm, .mov, .gif,
    /// .apng (overlay), .webm, .mov (alpha)
    #[arg(help_heading = OUTPUTS, short, long = "output", value_name = "OUT")]
    pub output: PathBuf,
    /// The pictures that the results are of: a folder, a clip or a photo
    #[arg(long, value_name = "DIR|CLIP")]
    pub images: Option<PathBuf>,
    #[command(flatten)]
    pub classes: ClassArgs,
    /// yolo, labelme, coco: how far an outline may be moved to have fewer corners, pixels
    #[arg(long, value_name = "PX", default_value_t = 0.0, allow_hyphen_values = true,
        value_parser = numbers::finite::<f64>)]
    pub simplify: f64,
    /// Leave out masks of fewer pixels
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub min_area: u64,
    /// Keep every Nth frame of the clip
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub every: usize,
    /// coco: polygons where there is no hole, or run lengths always
    #[arg(long, value_name = "auto|always", default_value = "auto", value_parser = ["auto", "always"])]
    pub rle: String,
    /// yolo: reach holes by bridges of no width, or leave them out
    #[arg(long, value_name = "keep|drop", default_value = "keep", value_parser = ["keep", "drop"])]
    pub holes: String,
    /// labelme: exact masks, which hold holes, instead of polygons
    #[arg(long)]
    pub labelme_mask: bool,
    /// sav-png: 255 inside a mask instead of 1
    #[arg(long)]
    pub white: bool,
    /// mot: the box of the largest piece instead of the box of all
    #[arg(long)]
    pub largest: bool,
    /// mot, mots: the number of the clip's first frame [default: 1 for mot, 0 for mots]
    #[arg(long, value_name = "N")]
    pub first_frame: Option<usize>,
    /// overlay, alpha, mot, sav: frames per second [default: the clip's own, else 24]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = numbers::finite::<f64>)]
    pub fps: Option<f64>,
    /// overlay: share of the object's colour
    #[arg(long, value_name = "X", default_value_t = 0.35, allow_hyphen_values = true,
        value_parser = numbers::finite::<f32>)]
    pub alpha: f32,
    /// overlay: write the number of every object beside its mask
    #[arg(long)]
    pub labels: bool,
    /// Replace the files of an earlier run.
    #[arg(help_heading = OUTPUTS, long, help = OVERWRITE_HELP)]
    pub overwrite: bool,
}

impl Export {
    fn options(&self) -> Result<Options> {
        if self.simplify < 0.0 || !(0.0..=1.0).contains(&self.alpha) || self.fps.is_some_and(|fps| fps <= 0.0)
        {
            bail!("--simplify is at least 0, --alpha between 0 and 1, and --fps more than 0");
        }
        let mut options = Options::default();
        options.simplify = self.simplify;
        options.always_rle = self.rle == "always";
        options.drop_holes = self.holes == "drop";
        options.labelme_mask = self.labelme_mask;
        options.white = self.white;
        options.largest = self.largest;
        options.first_frame = self.first_frame;
        options.alpha = self.alpha;
        options.labels = self.labels;
        Ok(options)
    }
}

/// Runs the command.
pub fn run(args: &Export, console: &Console) -> Result<()> {
    let job = Job::new(args.to, args.output.clone(), args.options()?)?;
    if args.images.is_none() && args.to.needs_images() {
        return Err(ExportError::NoImages(args.to.name()).into());
    }
    let images = args.images.as_deref().map(Images::open).transpose()?;
    let (mut set, remarks) = results::read(&args.results, images.as_ref())?;
    set.fps = args.fps.unwrap_or(set.fps);
    set.reduce(args.every, args.min_area);
    args.classes.assign(&mut set)?;

    let mut plan = Plan::default();
    plan.reads(&args.results);
    args.classes.names.iter().for_each(|path| plan.reads(path));
    let beside = images.as_ref().is_some_and(|images| job.is_beside(images));
    if let Some(path) = &args.images {
        if beside { plan.reads(path) } else { plan.reads_frames(path) }
    }
    let stems = set.frames.iter().map(|frame| frame.stem().into()).collect();
    job.plan(&mut plan, &set.name, stems, beside);
    plan.check()?;
    plan.refuse_earlier(args.overwrite)?;
    job.prepare()?;
    plan.clear()?;
    remarks.iter().for_each(|remark| console.note(&format!("note: {remark}")));
    exporting::write(&job, &set, images.as_ref(), console)?;
    let masks: usize = set.frames.iter().map(|frame| frame.objects.len()).sum();
    let (frames, out) = (set.frames.len(), args.output.display());
    console.result(&format!("{masks} masks of {frames} frames in {out}"))
}
