//! The output files of the command.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use sam2_media::files;
use sam2_media::pictures::{overlay, png};
use sam2_model::{Frame, Mask};
use tensor::Tensor;

use super::answer::Answer;
use super::args::Segment;
use crate::console::Console;

/// Whether a file name means stdin or stdout.
pub fn is_stream(path: &Path) -> bool {
    path == Path::new("-")
}

/// The file of the mask of box `i`, if there are several boxes.
pub fn of_box(path: &Path, i: usize) -> PathBuf {
    files::with_suffix(path, &i.to_string())
}

/// Checks every file that may be written, so that none of them fails after the inference.
pub fn prepare(args: &Segment) -> Result<()> {
    let mut files = Vec::new();
    let to_stdout = args.output.as_deref().is_some_and(is_stream);
    if to_stdout && (args.overlay || args.cutout || args.multimask || args.json) {
        bail!(
            "-o - writes one picture to stdout: give a file name for --overlay, --cutout, --multimask or \
             --json"
        );
    }
    if let Some(path) = args.output.as_ref().filter(|_| !to_stdout) {
        files::prepare_file(path, "png")?;
        let mut suffixes: Vec<String> = (0..3).map(|k| k.to_string()).collect();
        for i in 0..args.boxes.len() {
            suffixes.push(i.to_string());
            suffixes.extend((0..3).map(|k| format!("{i}_{k}")));
        }
        suffixes.extend(["overlay", "cutout"].map(str::to_owned));
        files.push(path.clone());
        files.extend(suffixes.iter().map(|suffix| files::with_suffix(path, suffix)));
    }
    if let Some(path) = &args.save_logits {
        files::prepare_file(path, "npy")?;
        files.push(path.clone());
    }
    if let Some(path) = &args.embeddings {
        files::prepare_file(path, "safetensors")?;
    }
    let model = &args.model;
    let inputs = [Some(&args.image), args.mask_prompt.as_ref(), model.model.as_ref(), model.config.as_ref()];
    if let Some(file) =
        args.embeddings.as_ref().filter(|e| model.model.as_ref().is_some_and(|m| files::same_place(e, m)))
    {
        bail!("{} is the checkpoint: choose another name for --embeddings", file.display());
    }
    for file in &files {
        if inputs.iter().flatten().any(|input| files::same_place(file, input)) {
            bail!("writing {} would overwrite an input: choose another name for -o", file.display());
        }
    }
    Ok(())
}

/// Writes the requested files and returns their names.
pub fn write(args: &Segment, photo: &Frame, answers: &[Answer], console: &Console) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    let size = (photo.width() as u32, photo.height() as u32);
    if let Some(path) = &args.save_logits {
        files::write_npy(path, &logits(answers).view())?;
        written.push(path.clone());
    }
    let Some(path) = &args.output else { return Ok(written) };
    let all = union(answers);
    if is_stream(path) {
        console.stream(&png::encode_mask(size, &all))?;
        return Ok(written);
    }
    if args.overlay {
        let file = files::with_suffix(path, "overlay");
        let mut drawn = overlay::picture(photo);
        for (answer, id) in answers.iter().zip(1..) {
            let colour = overlay::colour(id);
            overlay::mask(&mut drawn, answer.best().data(), colour);
            overlay::points(&mut drawn, &args.points, answer.bbox, colour);
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
        let file = files::with_suffix(path, "cutout");
        png::write_cutout(&file, size, photo.rgb(), &all)?;
        written.push(file);
    }
    let several = args.boxes.len() > 1;
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
