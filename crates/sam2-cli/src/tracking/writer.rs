//! The files of a tracked clip: masks, overlays, logits and `tracks.jsonl`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use image::RgbImage;
use sam2_media::files::{self, LinesFile};
use sam2_media::outputs::Plan;
use sam2_media::pictures::{overlay, png};
use sam2_media::prompts::Prompts;
use sam2_media::protocol::{CocoRle, ObjectLine, TrackLine};
use sam2_model::video::FrameOutput;
use sam2_model::{Frame, Mask};

use super::frame_names::FrameNames;

/// Name of the list of masks in the output folder.
const LIST: &str = "tracks.jsonl";
/// Folder of the overlays inside the output folder.
const OVERLAY: &str = "overlay";

/// Whether frames are drawn with their masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlay {
    Off,
    /// Masks and prompts.
    Plain,
    /// With the numbers of the objects.
    Labelled,
}

impl Overlay {
    /// As two flags have it.
    pub fn new(overlay: bool, labels: bool) -> Self {
        match (overlay, labels) {
            (false, _) => Self::Off,
            (true, false) => Self::Plain,
            (true, true) => Self::Labelled,
        }
    }
}

/// Draws `masks` and prompts on a copy of a frame.
pub fn draw(
    frame: &Frame,
    result: &FrameOutput,
    masks: &[Mask],
    prompts: &Prompts,
    labels: bool,
) -> Result<RgbImage> {
    let mut drawn = overlay::picture(frame);
    // Highest number first, so that lower numbers are on top, as in the palette PNGs.
    let mut order: Vec<usize> = (0..result.objects.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(result.objects[i].obj_id));
    for i in order {
        overlay::mask(&mut drawn, masks[i].data(), overlay::colour(result.objects[i].obj_id));
    }
    for (obj_id, target) in prompts.on(result.frame_idx) {
        overlay::target(&mut drawn, target, overlay::colour(obj_id));
    }
    if labels {
        for (object, mask) in result.objects.iter().zip(masks) {
            overlay::label(&mut drawn, mask.data(), object.obj_id, overlay::colour(object.obj_id));
        }
    }
    Ok(drawn)
}

/// The files of one run.
pub struct Writer {
    folder: Option<PathBuf>,
    /// Whether lines have the masks.
    pub rle: bool,
    overlay: Option<PathBuf>,
    labels: bool,
    logits: Option<PathBuf>,
    names: FrameNames,
    tracks: Option<LinesFile>,
    lines: usize,
}

impl Writer {
    /// Creates the folders and checks that they are writable.
    pub fn check(folder: &Path, overlay: Overlay, logits: Option<&Path>) -> Result<()> {
        files::prepare_folder(folder)?;
        let overlay = (overlay != Overlay::Off).then(|| folder.join(OVERLAY));
        Ok(overlay.as_deref().into_iter().chain(logits).try_for_each(files::prepare_folder)?)
    }

    /// Adds the files of a run to a plan, overlays included: without --overlay those of an earlier run would
    /// lie beside other masks.
    pub fn plan(plan: &mut Plan, folder: &Path, logits: Option<&Path>, names: &FrameNames) {
        plan.writes_list(folder.join(LIST));
        for folder in [folder.to_owned(), folder.join(OVERLAY)] {
            let names = names.clone();
            plan.writes_series(folder, move |name| names.is_picture(name));
        }
        if let Some(folder) = logits {
            let names = names.clone();
            plan.writes_series(folder, move |name| names.is_logits(name));
        }
    }

    /// Starts a run in checked folders. `tracks.jsonl` is created when all frames are done, so a folder
    /// without it has an unfinished run. Without a folder there are only the lines.
    pub fn begin(
        folder: Option<&Path>,
        overlay: Overlay,
        logits: Option<&Path>,
        names: FrameNames,
    ) -> Result<Self> {
        Ok(Self {
            folder: folder.map(Path::to_owned),
            rle: false,
            overlay: folder.filter(|_| overlay != Overlay::Off).map(|folder| folder.join(OVERLAY)),
            labels: overlay == Overlay::Labelled,
            logits: logits.map(Path::to_owned),
            names,
            tracks: folder.map(|folder| LinesFile::create(&folder.join(LIST))).transpose()?,
            lines: 0,
        })
    }

    /// Writes the files of one frame and returns its lines of `tracks.jsonl`. The logits are `[side, side]`.
    pub fn frame(
        &mut self,
        frame: &Frame,
        result: &FrameOutput,
        prompts: &Prompts,
        side: usize,
    ) -> Result<Vec<String>> {
        let (width, height) = (frame.width(), frame.height());
        let index = result.frame_idx;
        let name = self.names.get(index);
        let masks = result.masks();
        let mut lines = Vec::with_capacity(masks.len());
        for (object, mask) in result.objects.iter().zip(&masks) {
            if let Some(folder) = &self.logits {
                let file = folder.join(format!("{name}_obj{}.npy", object.obj_id));
                files::write_npy(&file, &tensor::TensorRef::new(&[side, side], &object.low_res))?;
            }
            let object = ObjectLine::new(object, mask);
            let rle = self.rle.then(|| CocoRle::from(&mask.rle()));
            lines.push(serde_json::to_string(&TrackLine { frame: index, object, rle })?);
        }
        if let Some(folder) = &self.overlay {
            png::write_rgb(
                &folder.join(format!("{name}.png")),
                &draw(frame, result, &masks, prompts, self.labels)?,
            )?;
        }
        let named = result.objects.iter().zip(&masks);
        let named = named.map(|(object, mask)| (u8::try_from(object.obj_id).unwrap_or(u8::MAX), mask.data()));
        if let Some(folder) = &self.folder {
            let ids = png::merge_objects(width * height, named);
            png::write_indexed(&folder.join(format!("{name}.png")), (width as u32, height as u32), &ids)?;
        }
        if let Some(tracks) = &mut self.tracks {
            lines.iter().try_for_each(|line| tracks.line(line))?;
        }
        self.lines += lines.len();
        Ok(lines)
    }

    /// Completes the run; returns the number of lines written.
    pub fn finish(self) -> Result<usize> {
        let folders = [self.folder.as_ref(), self.overlay.as_ref(), self.logits.as_ref()];
        folders.into_iter().flatten().try_for_each(|folder| files::sync_folder(folder))?;
        self.tracks.map_or(Ok(()), LinesFile::commit)?;
        Ok(self.lines)
    }
}
