//! `--export` of the commands that make masks.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Result, bail};
use clap::Args;
use sam2_media::error::ExportError;
use sam2_media::export::{Classes, Format, Images, Job, Object, Options, Picture, Set, name_of};
use sam2_media::outputs::Plan;
use sam2_media::text;

use crate::console::Console;
use crate::options::OUTPUTS;

const EXPORT_HELP: &str = "Also write the masks as yolo, labelme, coco, ytvis, sav, sav-png, mot, mots, \
                           davis, overlay or alpha; may be repeated [default OUT: FORMAT beside the other \
                           outputs; overlay and alpha need one]";

/// Classes of objects.
#[derive(Args, Clone, Debug, Default)]
pub struct ClassArgs {
    /// With exports: names of classes, one a line
    #[arg(help_heading = OUTPUTS, long, value_name = "FILE.txt")]
    pub names: Option<PathBuf>,
    /// With exports: the classes of objects, as in 1=car,2=person [default: object]
    #[arg(help_heading = OUTPUTS, long, value_name = "ID=NAME,...")]
    pub classes: Option<String>,
}

impl ClassArgs {
    /// Assigns the objects of a set to their classes.
    pub fn assign(&self, set: &mut Set) -> Result<()> {
        let names = self.names.as_deref();
        let names = names.map(|path| text::read_names(path, "the names of classes in")).transpose()?;
        set.classes = Classes::new(names, self.classes.as_deref().unwrap_or_default(), &set.ids())?;
        Ok(())
    }
}

/// Exports beside the outputs of a command.
#[derive(Args, Clone, Debug, Default)]
pub struct ExportArgs {
    /// Formats, and where they go.
    #[arg(help_heading = OUTPUTS, long = "export", value_name = "FORMAT[=OUT]", help = EXPORT_HELP)]
    pub exports: Vec<Target>,
    #[command(flatten)]
    pub classes: ClassArgs,
}

/// A format, and where it goes.
#[derive(Clone, Debug)]
pub struct Target {
    format: Format,
    out: Option<PathBuf>,
}

impl FromStr for Target {
    type Err = ExportError;

    fn from_str(text: &str) -> Result<Self, ExportError> {
        let (format, out) = text.split_once('=').map_or((text, None), |(format, out)| (format, Some(out)));
        Ok(Self { format: format.parse()?, out: out.map(PathBuf::from) })
    }
}

/// The exports of a run, and the masks that they get.
pub struct Exports {
    jobs: Vec<Job>,
    classes: ClassArgs,
    frames: Vec<(usize, Vec<Object>)>,
}

impl Exports {
    /// `place` gives the folder of a format without a name.
    pub fn new(args: &ExportArgs, place: impl Fn(&str) -> PathBuf) -> Result<Self> {
        let mut jobs = Vec::with_capacity(args.exports.len());
        for Target { format, out } in &args.exports {
            let name = format.name();
            let out = match out {
                Some(out) => out.clone(),
                None if matches!(format, Format::Overlay | Format::Alpha) => {
                    bail!("--export {name} needs a name: --export {name}=OUT.webm, or a folder")
                }
                None => place(name),
            };
            jobs.push(Job::new(*format, out, Options::default())?);
        }
        Ok(Self { jobs, classes: args.classes.clone(), frames: Vec::new() })
    }

    /// Adds an overlay.
    pub fn overlay(&mut self, path: &Path, labels: bool) -> Result<()> {
        let mut options = Options::default();
        options.labels = labels;
        self.jobs.push(Job::new(Format::Overlay, path.to_owned(), options)?);
        Ok(())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// A format that is made of the pictures, which are read again.
    pub fn made_of_images(&self) -> Option<&'static str> {
        self.jobs.iter().map(|job| job.format).find(|format| format.needs_images()).map(Format::name)
    }

    /// Adds all files to a plan; `stems` are the names of the pictures, if they are files.
    pub fn plan(&self, plan: &mut Plan, input: &Path, mut stems: Vec<OsString>) {
        stems.push(name_of(input).into());
        for job in &self.jobs {
            job.plan(plan, &name_of(input), stems.clone(), false);
        }
    }

    /// Checks that they can be written.
    pub fn prepare(&self) -> Result<()> {
        Ok(self.jobs.iter().try_for_each(Job::prepare)?)
    }

    /// Adds the objects of a frame; `objects` is not asked if nothing is exported.
    pub fn add(&mut self, index: usize, objects: impl FnOnce() -> Vec<Object>) {
        if !self.jobs.is_empty() {
            self.frames.push((index, objects()));
        }
    }

    /// Writes everything. Without `images`, frames have numbers for names.
    pub fn write(
        self,
        images: Option<&Images>,
        input: &Path,
        size: (u32, u32),
        console: &Console,
    ) -> Result<()> {
        if self.jobs.is_empty() {
            return Ok(());
        }
        let mut set = images.map_or_else(|| Set::new(name_of(input), size), Images::set);
        for (index, objects) in self.frames {
            set.frames.push(match images {
                Some(images) => images.picture(index, objects),
                None => Picture { index, file: format!("{index:05}.png"), objects },
            });
        }
        set.reduce(1, 0);
        self.classes.assign(&mut set)?;
        for job in &self.jobs {
            write(job, &set, images, console)?;
        }
        Ok(())
    }
}

/// The folder of a format beside an input, `clip_coco` for `clip.mp4`.
pub fn beside(input: &Path, format: &str) -> PathBuf {
    input.with_file_name(format!("{}_{format}", name_of(input)))
}

/// Writes a set in one format, with its remarks.
pub fn write(job: &Job, set: &Set, images: Option<&Images>, console: &Console) -> Result<()> {
    for remark in job.write(set, images)? {
        console.note(&format!("note: {}: {remark}", job.format));
    }
    console.detail(&format!("wrote {}", job.out().display()));
    Ok(())
}
