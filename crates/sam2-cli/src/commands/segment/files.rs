//! The output files of the command.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use sam2_media::files;
use sam2_media::outputs::{FileId, Plan};
use sam2_media::pictures::{overlay, png};
use sam2_model::{Frame, Mask};
use tensor::Tensor;

use super::answer::Answer;
use super::args::Segment;
use crate::console::Console;
use crate::exporting::Exports;

/// Whether a file name means stdin or stdout.
pub fn is_stream(path: &Path) -> bool {
    path == Path::new("-")
}

/// The file of the mask of box `i`, if there are several boxes.
pub fn of_box(path: &Path, i: usize) -> PathBuf {
    files::with_suffix(path, &i.to_string())
}

/// Checks every file that may be written, so that none of them fails after the inference.
pub fn prepare(args: &Segment, exports: &Exports) -> Result<()> {
    let mut plan = Plan::default();
    args.export.classes.names.iter().for_each(|path| plan.reads(path));
    [Some(&args.image), args.mask_prompt.as_ref()].into_iter().flatten().for_each(|path| plan.reads(path));
    args.model.plan(&mut plan);
    let to_stdout = args.output.as_deref().is_some_and(is_stream);
    if to_stdout && (args.overlay || args.cutout || args.multimask || args.json) {
        bail!(
            "-o - writes one picture to stdout: give a file name for --overlay, --cutout, --multimask or \
             --json"
        );
    }
    if let Some(path) = args.output.as_ref().filter(|_| !to_stdout) {
        plan.writes(path);
        suffixes(args).iter().for_each(|suffix| plan.writes(files::with_suffix(path, suffix)));
        files::prepare_file(path, "png")?;
    }
    for (wanted, suffix) in [(args.overlay, "overlay"), (args.cutout, "cutout")] {
        if !wanted {
            continue;
        }
        if args.output.is_none() && is_stream(&args.image) {
            bail!("a photo from stdin has no name: give a file name with -o for --{suffix}");
        }
        let file = files::with_suffix(args.base(), suffix);
        files::prepare_file(&file, "png")?;
        plan.writes(file);
    }
    if let Some(path) = &args.save_logits {
        plan.writes(path);
        files::prepare_file(path, "npy")?;
    }
    if let Some(path) = &args.embeddings {
        files::prepare_file(path, "safetensors")?;
        if path.exists() {
            plan.reads(path)
        } else {
            plan.writes(path)
        }
        let is_checkpoint =
            |model: &PathBuf| FileId::of(model).is_some_and(|id| FileId::of(path) == Some(id));
        if args.model.model.iter().any(is_checkpoint) {
            bail!("{} is the checkpoint: choose another name for --embeddings", path.display());
        }
    }
    exports.plan(&mut plan, &args.image, Vec::new());
    plan.check()?;
    exports.prepare()
}

/// Suffixes of the masks beside the one of -o.
fn suffixes(args: &Segment) -> Vec<String> {
    let mut suffixes = Vec::new();
    let several = args.prompt.boxes.len() > 1;
    if several {
        suffixes.extend((0..args.prompt.boxes.len()).map(|i| i.to_string()));
    }
    if args.multimask {
        for i in 0..args.prompt.boxes.len().max(1) {
            suffixes.extend((0..3).map(|k| if several { format!("{i}_{k}") } else { k.to_string() }));
        }
    }
    suffixes
}

/// Writes the requested files and returns their names.
pub fn write(args: &Segment, photo: &Frame, answers: &[Answer], console: &Console) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    let size = (photo.width() as u32, photo.height() as u32);
    if let Some(path) = &args.save_logits {
        files::write_npy(path, &logits(answers).view())?;
        files::sync_folder(files::folder_of(path))?;
        written.push(path.clone());
    }
    let all = union(answers);
    if args.overlay {
        let file = files::with_suffix(args.base(), "overlay");
        let mut drawn = overlay::picture(photo);
        for (answer, id) in answers.iter().zip(1..) {
            let colour = overlay::colour(id);
            overlay::mask(&mut drawn, answer.best().data(), colour);
            overlay::points(&mut drawn, &answer.clicks, answer.bbox, colour);
        }
        if args.labels {
            for (answer, id) in answers.iter().zip(1..) {
                overlay::label(&mut drawn, answer.best().data(), id, overlay::colour(id));
            }
        }
        png::write_rgb(&file, &drawn)?;
        written.push(file);
    }
    if args.cutout {
        let file = files::with_suffix(args.base(), "cutout");
        png::write_cutout(&file, size, photo.rgb(), &all)?;
        written.push(file);
    }
    let Some(path) = &args.output else { return Ok(written) };
    if is_stream(path) {
        console.stream(&png::encode_mask(size, &all))?;
        return Ok(written);
    }
    let several = args.prompt.boxes.len() > 1;
    for (i, answer) in answers.iter().enumerate() {
        if several {
            let file = of_box(path, i);
            png::write_mask(&file, size, answer.best().data())?;
            written.push(file);
        }
        if args.multimask {
            for (k, mask) in answer.masks.iter().enumerate() {
                let suffix = if several { format!("{i}_{k}") } else { k.to_string() };
                let file = files::with_suffix(path, &suffix);
                png::write_mask(&file, size, mask.data())?;
                written.push(file);
            }
        }
    }
    png::write_mask(path, size, &all)?;
    files::sync_folder(files::folder_of(path))?;
    written.push(path.clone());
    Ok(written)
}

/// Pixels inside the best mask of any object.
fn union(answers: &[Answer]) -> Vec<bool> {
    let mut masks = answers.iter().map(Answer::best).map(Mask::data);
    let first = masks.next().map(<[bool]>::to_vec).unwrap_or_default();
    masks.fold(first, |all, mask| all.iter().zip(mask).map(|(a, b)| *a || *b).collect())
}

/// `[K, s, s]` of one object, `[B, K, s, s]` of several.
fn logits(answers: &[Answer]) -> Tensor {
    let data = answers.iter().flat_map(|answer| answer.prediction.low_res()).copied().collect();
    let one = answers.first().map_or(Vec::new(), |answer| answer.prediction.low_res_shape().to_vec());
    let shape = if answers.len() == 1 { one } else { [vec![answers.len()], one].concat() };
    Tensor::from_vec(&shape, data)
}
