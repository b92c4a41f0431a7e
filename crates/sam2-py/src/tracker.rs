//! Masks through a stream, whose frames come once.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use numpy::ndarray::Array3;
use numpy::{IntoPyArray, PyArray3, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3};
use pyo3::prelude::*;
use sam2_media::files;
use sam2_model::Tracker;
use sam2_model::video::FrameOutput;

use crate::arrays;
use crate::error::Fault;
use crate::model::NativeModel;
use crate::pool::{self, state};
use crate::video;

/// A stream and its objects.
#[pyclass(frozen, name = "TrackerNative", module = "sam2_cpu._native")]
pub struct TrackerNative(Mutex<Tracker>);

/// Index of the frame, object ids, masks `(N, H, W)`, object scores, predicted IoUs, events.
type Answer<'py> =
    (usize, Vec<u32>, Bound<'py, PyArray3<bool>>, Vec<f32>, Vec<f32>, Vec<Option<&'static str>>);

impl TrackerNative {
    fn answer<'py>(
        &self,
        py: Python<'py>,
        work: impl FnOnce(&mut Tracker) -> Result<FrameOutput, Fault> + Send,
    ) -> PyResult<Answer<'py>> {
        let (output, masks, (width, height)) = pool::run(py, || -> Result<_, Fault> {
            let mut tracker = state(&self.0)?;
            let output = work(&mut tracker)?;
            let masks: Vec<bool> = output.masks().iter().flat_map(|mask| mask.data().to_vec()).collect();
            Ok((output, masks, tracker.size()))
        })??;
        let objects = &output.objects;
        let array = Array3::from_shape_vec((objects.len(), height, width), masks);
        let array = array.map_err(|error| Fault::Value(error.to_string()))?;
        Ok((
            output.frame_idx,
            objects.iter().map(|object| object.obj_id).collect(),
            array.into_pyarray(py),
            objects.iter().map(|object| object.object_score).collect(),
            objects.iter().map(|object| object.predicted_iou).collect(),
            objects.iter().map(|object| object.event.map(|event| event.name())).collect(),
        ))
    }
}

#[pymethods]
impl TrackerNative {
    #[new]
    fn new(
        model: &NativeModel,
        width: usize,
        height: usize,
        memory: &str,
        fill_hole_area: Option<usize>,
        non_overlap: Option<bool>,
    ) -> PyResult<Self> {
        let mut options = video::options(&model.0, "needed", memory)?.add_all_frames_to_correct_as_cond(true);
        options.fill_hole_area = fill_hole_area.unwrap_or(options.fill_hole_area);
        options.non_overlap = non_overlap.unwrap_or(options.non_overlap);
        let tracker = Tracker::new(Arc::clone(&model.0), width, height, options).map_err(Fault::from)?;
        Ok(Self(Mutex::new(tracker)))
    }

    /// Continues a saved session.
    #[staticmethod]
    fn resume(py: Python<'_>, model: &NativeModel, path: PathBuf) -> PyResult<Self> {
        let model = Arc::clone(&model.0);
        let tracker = py.detach(|| Tracker::open_session(model, path)).map_err(Fault::from)?;
        Ok(Self(Mutex::new(tracker)))
    }

    /// Writes the session. The file is complete or absent.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        Ok(py.detach(|| {
            let bytes = state(&self.0)?.save_session();
            files::write(&path, |file| file.write_all(&bytes)).map_err(Fault::from)
        })?)
    }

    /// Width and height of every frame, pixels.
    fn size(&self) -> PyResult<(usize, usize)> {
        Ok(state(&self.0)?.size())
    }

    /// Index of the last frame.
    fn frame_idx(&self) -> PyResult<Option<usize>> {
        Ok(state(&self.0)?.frame_idx())
    }

    /// Object ids in the order of their first prompts.
    fn object_ids(&self) -> PyResult<Vec<u32>> {
        Ok(state(&self.0)?.object_ids())
    }

    /// The next frame.
    fn push<'py>(&self, py: Python<'py>, frame: PyReadonlyArray3<'py, u8>) -> PyResult<Answer<'py>> {
        let frame = arrays::frame(&frame)?;
        self.answer(py, |tracker| Ok(tracker.push(&frame)?))
    }

    /// Clicks and a box on an object in the last frame.
    #[pyo3(signature = (obj_id, coords, labels, corners, clear_old_points))]
    fn add_points<'py>(
        &self,
        py: Python<'py>,
        obj_id: u32,
        coords: PyReadonlyArray2<'py, f32>,
        labels: PyReadonlyArray1<'py, i32>,
        corners: Option<[f32; 4]>,
        clear_old_points: bool,
    ) -> PyResult<Answer<'py>> {
        let points = arrays::points(coords.as_array(), labels.as_array(), corners)?;
        self.answer(py, |tracker| {
            Ok(if clear_old_points {
                tracker.add_points(obj_id, &points)?
            } else {
                tracker.add_more_points(obj_id, &points)?
            })
        })
    }

    /// The mask of an object in the last frame.
    fn add_mask<'py>(
        &self,
        py: Python<'py>,
        obj_id: u32,
        mask: PyReadonlyArray2<'py, bool>,
    ) -> PyResult<Answer<'py>> {
        let mask = arrays::mask(&mask)?;
        self.answer(py, |tracker| Ok(tracker.add_mask(obj_id, &mask)?))
    }

    /// Removes an object.
    fn remove_object(&self, obj_id: u32) -> PyResult<bool> {
        Ok(state(&self.0)?.remove_object(obj_id))
    }
}
