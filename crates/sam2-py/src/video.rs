//! Masks through a clip.

use std::sync::{Arc, Mutex};

use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3};
use pyo3::prelude::*;
use sam2_model::video::{Direction, MemoryPolicyKind, Retention, VideoInfo, VideoOptions, VideoPredictor};
use sam2_model::{Frame, Model};

use crate::arrays::{self, Masks};
use crate::error::Fault;
use crate::model::NativeModel;
use crate::pool::{self, state};

/// Options of Meta's predictor for this model: what its configuration says, else Meta's defaults.
pub fn options(model: &Model, keep: &str, memory: &str) -> Result<VideoOptions, Fault> {
    let config = model.config();
    let said = config.video.add_all_frames_to_correct_as_cond;
    let mut options = VideoOptions::of(config).add_all_frames_to_correct_as_cond(said.unwrap_or(false));
    options.keep = match keep {
        "everything" => Retention::Everything,
        "needed" => Retention::Needed,
        other => return Err(Fault::Value(format!("keep is {other:?}: use 'everything' or 'needed'"))),
    };
    if memory != "config" {
        options.memory = memory.parse::<MemoryPolicyKind>().map_err(Fault::Value)?;
    }
    Ok(options)
}

/// The state of one clip.
#[pyclass(frozen, name = "VideoNative", module = "sam2_cpu._native")]
pub struct VideoNative {
    predictor: Mutex<VideoPredictor>,
    size: (usize, usize),
}

impl VideoNative {
    /// Runs `work` on the predictor without the GIL and returns the masks that it gives.
    fn masks<'py>(
        &self,
        py: Python<'py>,
        work: impl FnOnce(&mut VideoPredictor) -> Result<sam2_model::video::FrameOutput, Fault> + Send,
    ) -> PyResult<Masks<'py>> {
        let (output, logits) = pool::run(py, || -> Result<_, Fault> {
            let output = work(&mut *state(&self.predictor)?)?;
            let logits = arrays::logits(&output);
            Ok((output, logits))
        })??;
        arrays::masks(py, &output, logits, self.size)
    }
}

#[pymethods]
impl VideoNative {
    #[new]
    fn new(
        model: &NativeModel,
        width: usize,
        height: usize,
        num_frames: usize,
        keep: &str,
        memory: &str,
    ) -> PyResult<Self> {
        let options = options(&model.0, keep, memory)?;
        let info = VideoInfo::new(width, height, num_frames);
        let predictor = VideoPredictor::new(Arc::clone(&model.0), info, options).map_err(Fault::from)?;
        Ok(Self { predictor: Mutex::new(predictor), size: (width, height) })
    }

    /// Object ids in the order of their first prompts.
    fn object_ids(&self) -> PyResult<Vec<u32>> {
        Ok(state(&self.predictor)?.object_ids())
    }

    /// Clicks, `(n, 2)` pixels, and a box on an object in a frame.
    #[expect(clippy::too_many_arguments, reason = "the Python layer passes packed arrays")]
    #[pyo3(signature = (frame_idx, frame, obj_id, coords, labels, corners, clear_old_points))]
    fn add_points<'py>(
        &self,
        py: Python<'py>,
        frame_idx: usize,
        frame: PyReadonlyArray3<'py, u8>,
        obj_id: u32,
        coords: PyReadonlyArray2<'py, f32>,
        labels: PyReadonlyArray1<'py, i32>,
        corners: Option<[f32; 4]>,
        clear_old_points: bool,
    ) -> PyResult<Masks<'py>> {
        let frame = arrays::frame(&frame)?;
        let points = arrays::points(coords.as_array(), labels.as_array(), corners)?;
        self.masks(py, |predictor| {
            Ok(if clear_old_points {
                predictor.add_points(frame_idx, &frame, obj_id, &points)?
            } else {
                predictor.add_more_points(frame_idx, &frame, obj_id, &points)?
            })
        })
    }

    /// The mask of an object in a frame, of any size.
    fn add_mask<'py>(
        &self,
        py: Python<'py>,
        frame_idx: usize,
        frame: PyReadonlyArray3<'py, u8>,
        obj_id: u32,
        mask: PyReadonlyArray2<'py, bool>,
    ) -> PyResult<Masks<'py>> {
        let (frame, mask): (Frame, _) = (arrays::frame(&frame)?, arrays::mask(&mask)?);
        self.masks(py, |predictor| Ok(predictor.add_mask(frame_idx, &frame, obj_id, &mask)?))
    }

    /// The frames of a pass, in order.
    #[pyo3(signature = (start, max_frames, reverse))]
    fn begin(&self, start: Option<usize>, max_frames: Option<usize>, reverse: bool) -> PyResult<Vec<usize>> {
        let direction = if reverse { Direction::Reverse } else { Direction::Forward };
        let pass = state(&self.predictor)?.begin(start, max_frames, direction).map_err(Fault::from)?;
        Ok(pass.collect())
    }

    /// The next frame of a pass.
    fn track<'py>(
        &self,
        py: Python<'py>,
        frame_idx: usize,
        frame: PyReadonlyArray3<'py, u8>,
    ) -> PyResult<Masks<'py>> {
        let frame = arrays::frame(&frame)?;
        self.masks(py, |predictor| Ok(predictor.track_frame(frame_idx, &frame)?))
    }

    /// The stored masks of a frame.
    fn output_on<'py>(&self, py: Python<'py>, frame_idx: usize) -> PyResult<Masks<'py>> {
        self.masks(py, |predictor| Ok(predictor.output_on(frame_idx)))
    }

    /// Removes the prompts of an object on a frame.
    fn clear_prompts(&self, frame_idx: usize, obj_id: u32) -> PyResult<bool> {
        Ok(state(&self.predictor)?.clear_prompts(frame_idx, obj_id))
    }

    /// Removes an object.
    fn remove_object(&self, obj_id: u32) -> PyResult<bool> {
        Ok(state(&self.predictor)?.remove_object(obj_id))
    }

    /// Removes all objects.
    fn reset(&self) -> PyResult<()> {
        state(&self.predictor)?.reset();
        Ok(())
    }
}
