//! One video.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use rayon::prelude::*;
use sam2_media::files;
use sam2_media::frames::folder::Folder;
use sam2_media::outputs::Plan;
use sam2_media::pictures::label_map;
use sam2_model::video::{FrameOutput, NO_OBJ_SCORE, VideoInfo, VideoOptions, suppress_overlap};
use sam2_model::{Frame, Model, VideoPredictor};

use super::masks::Layout;

/// Area of holes that `--apply_postprocessing` fills. Meta's script fills them only with its CUDA extension;
/// on a CPU it warns.
const FILL_HOLE_AREA: usize = 8;

/// A video, its prompts and its output.
pub struct Video {
    /// The name of its folder.
    pub name: String,
    /// Its frames.
    pub folder: Folder,
    /// The input masks.
    pub input: Layout,
    /// The output masks.
    pub output: Layout,
    /// Object -> frames whose masks are prompts, in order.
    pub prompts: BTreeMap<u32, Vec<usize>>,
    /// Whether every object is tracked from its own first prompt, without the others.
    pub separate: bool,
}

/// Objects tracked together from one frame on.
struct Group {
    start: usize,
    predictor: VideoPredictor,
}

impl Video {
    /// The objects in order.
    pub fn objects(&self) -> impl Iterator<Item = u32> {
        self.prompts.keys().copied()
    }

    /// Number of frames that get masks.
    pub fn frames(&self) -> usize {
        self.folder.len() - self.first()
    }

    /// The first frame that gets masks: with objects that appear later all of them do, even if they are
    /// empty.
    fn first(&self) -> usize {
        if self.separate { 0 } else { self.starts().into_keys().next().unwrap_or(0) }
    }

    /// Objects by the frame from which they are tracked.
    fn starts(&self) -> BTreeMap<usize, Vec<u32>> {
        let mut starts: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        let together = self.prompts.values().flatten().min().copied().unwrap_or(0);
        for (&id, frames) in &self.prompts {
            let own = frames.first().copied().unwrap_or(0);
            starts.entry(if self.separate { own } else { together }).or_default().push(id);
        }
        starts
    }

    fn files(&self) -> impl Iterator<Item = PathBuf> {
        let objects: Vec<u32> = if self.output.per_object { self.objects().collect() } else { vec![0] };
        let stems = (self.first()..self.folder.len()).map(|frame| self.folder.stem(frame));
        stems.flat_map(move |stem| objects.clone().into_iter().map(move |id| self.output.file(stem, id)))
    }

    /// Whether all masks are there, whole and of the video's size.
    pub fn is_complete(&self) -> bool {
        let files: Vec<PathBuf> = self.files().collect();
        let is_whole = |file: &PathBuf| {
            file.is_file() && label_map::read(file).is_ok_and(|mask| mask.size == self.folder.size())
        };
        // Most often the first one tells.
        files.first().is_none_or(is_whole) && files.par_iter().all(is_whole)
    }

    /// The folders of its masks, those of objects of an earlier run included.
    pub fn folders(&self) -> Vec<PathBuf> {
        self.output.written_folders(self.objects())
    }

    /// Refuses masks in its folders that this run does not write, unless they may be removed.
    pub fn refuse_others(&self, overwrite: bool) -> Result<()> {
        let own: HashSet<PathBuf> = self.files().collect();
        let mut others = Plan::default();
        for folder in self.folders() {
            let own: HashSet<String> = own
                .iter()
                .filter(|file| file.parent() == Some(&folder))
                .filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned()))
                .collect();
            others.writes_series(folder, move |name| name.ends_with(".png") && !own.contains(name));
        }
        Ok(others.refuse_earlier(overwrite)?)
    }

    /// Removes masks of an earlier run, so that an interrupted one does not look complete: those that this
    /// run writes, and with `overwrite` all.
    pub fn clear(&self, overwrite: bool) -> Result<()> {
        let mut earlier = Plan::default();
        if overwrite {
            for folder in self.folders() {
                earlier.writes_series(folder, |name| name.ends_with(".png"));
            }
        } else {
            self.files().for_each(|file| earlier.writes_list(file));
        }
        Ok(earlier.clear()?)
    }

    /// Tracks all objects and writes their masks frame by frame; `progress` is called after each.
    pub fn track(
        &self,
        model: &Arc<Model>,
        postprocess: bool,
        threshold: f32,
        progress: impl Fn(),
    ) -> Result<()> {
        self.output.prepare(self.objects())?;
        let (mut groups, palette) = self.begin(model, postprocess)?;
        let size = self.folder.size();
        let ids: Vec<u32> = self.objects().collect();
        for index in self.first()..self.folder.len() {
            let mut logits: BTreeMap<u32, Vec<f32>> = BTreeMap::new();
            if groups.iter().any(|group| group.start <= index) {
                let frame = self.frame(index)?;
                for group in groups.iter_mut().filter(|group| group.start <= index) {
                    let output: FrameOutput = group.predictor.track_frame(index, &frame)?;
                    let numbered = output.objects.iter().enumerate();
                    logits.extend(numbered.map(|(i, object)| (object.obj_id, output.mask_logits(i))));
                }
            }
            let pixels = size.0 as usize * size.1 as usize;
            let mut scores: Vec<Vec<f32>> = ids
                .iter()
                .map(|id| logits.remove(id).unwrap_or_else(|| vec![NO_OBJ_SCORE; pixels]))
                .collect();
            if !self.output.per_object {
                suppress_overlap(&mut scores);
            }
            let masks: Vec<(u32, Vec<bool>)> = ids
                .iter()
                .zip(scores)
                .map(|(&id, scores)| (id, scores.iter().map(|&score| score > threshold).collect()))
                .collect();
            self.output.write(self.folder.stem(index), size, &masks, &palette)?;
            progress();
        }
        Ok(self.folders().iter().filter(|folder| folder.is_dir()).try_for_each(|f| files::sync_folder(f))?)
    }

    /// Predictors with all their prompts, and the colours of the last input mask.
    fn begin(&self, model: &Arc<Model>, postprocess: bool) -> Result<(Vec<Group>, Vec<u8>)> {
        let (width, height) = self.folder.size();
        let (width, height) = (width as usize, height as usize);
        let info = VideoInfo { width, height, num_frames: self.folder.len() };
        // Meta's script overrides the configuration if it post-processes. Overlap is resolved here, over all
        // groups.
        let said = VideoOptions::of(model.config());
        let binarize = model.config().video.binarize_mask_from_pts_for_mem_enc.unwrap_or(false);
        let options = said
            .fill_hole_area(if postprocess { FILL_HOLE_AREA } else { said.fill_hole_area })
            .binarize_mask_from_pts_for_mem_enc(postprocess || binarize)
            .non_overlap(false);
        let mut groups = Vec::new();
        let mut palette = Vec::new();
        let frames: BTreeSet<usize> = self.prompts.values().flatten().copied().collect();
        for (start, ids) in self.starts() {
            let predictor = VideoPredictor::new(model.clone(), info, options)?;
            let mut group = Group { start, predictor };
            let prompted = |frame: usize, id: &u32| self.prompts[id].contains(&frame);
            for &index in frames.iter().filter(|&&index| ids.iter().any(|id| prompted(index, id))) {
                let mut masks = self.input.read(self.folder.stem(index))?;
                let frame = self.frame(index)?;
                for &id in ids.iter().filter(|id| prompted(index, id)) {
                    let mask =
                        masks.objects.remove(&id).context("an input mask changed while it was read")?;
                    group.predictor.add_mask(index, &frame, id, &mask)?;
                }
                palette = masks.palette;
            }
            groups.push(group);
        }
        Ok((groups, palette))
    }

    fn frame(&self, index: usize) -> Result<Frame> {
        Ok(self.folder.frame(index)?)
    }
}
