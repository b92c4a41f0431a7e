//! Frames of a clip, decoded when they are asked for.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use numpy::ndarray::Array3;
use numpy::{IntoPyArray, PyArray3};
use pyo3::prelude::*;
use sam2_media::frames::{Clip, FrameIter};
use sam2_model::Frame;

use crate::error::Fault;
use crate::pool::state;

/// A clip and the place where its reading stands.
#[pyclass(frozen, name = "ClipNative", module = "sam2_cpu._native")]
pub struct ClipNative {
    clip: Clip,
    reader: Mutex<Reader>,
}

/// Frames that were read for a pass backwards.
const STRETCH: usize = 32;

#[derive(Default)]
struct Reader {
    /// The frames from `next` on.
    ahead: Option<FrameIter>,
    next: usize,
    /// Frames already decoded: the last one, or a stretch of a pass backwards.
    held: Vec<(usize, Arc<Frame>)>,
}

impl Reader {
    fn read(&mut self, clip: &Clip, index: usize, backwards: bool) -> Result<Arc<Frame>, Fault> {
        if let Some((_, frame)) = self.held.iter().find(|(held, _)| *held == index) {
            return Ok(Arc::clone(frame));
        }
        if backwards {
            let first = (index + 1).saturating_sub(STRETCH);
            self.held.clear();
            for item in clip.select((first..=index).collect())? {
                let (at, frame) = item?;
                self.held.push((at, Arc::new(frame)));
            }
            self.ahead = None;
        } else {
            if self.ahead.is_none() || self.next != index {
                self.ahead = Some(clip.frames_from(index)?);
            }
            let missing = || Fault::Runtime(format!("frame {index} is missing: the clip has changed"));
            let item = self.ahead.as_mut().and_then(Iterator::next).ok_or_else(missing)?;
            let (at, frame) = item?;
            if at != index {
                return Err(missing());
            }
            self.next = index + 1;
            self.held = vec![(index, Arc::new(frame))];
        }
        match self.held.iter().find(|(held, _)| *held == index) {
            Some((_, frame)) => Ok(Arc::clone(frame)),
            None => Err(Fault::Runtime(format!("frame {index} is missing: the clip has changed"))),
        }
    }
}

#[pymethods]
impl ClipNative {
    /// Opens a folder of pictures or a file.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let clip = py.detach(|| Clip::open(&path, None)).map_err(Fault::from)?;
        Ok(Self { clip, reader: Mutex::default() })
    }

    /// Width and height, pixels.
    #[getter]
    fn size(&self) -> (u32, u32) {
        self.clip.size()
    }

    fn __len__(&self) -> usize {
        self.clip.len()
    }

    /// Notes about the file, one line each.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.clip.notes().map(str::to_owned).collect()
    }

    /// Frame `index` as `uint8` `(H, W, 3)`. In a pass backwards, frames before it are decoded with it.
    fn frame<'py>(
        &self,
        py: Python<'py>,
        index: usize,
        backwards: bool,
    ) -> PyResult<Bound<'py, PyArray3<u8>>> {
        if index >= self.clip.len() {
            return Err(Fault::Index(format!("frame {index} of a clip of {} frames", self.clip.len())).into());
        }
        let frame = py.detach(|| state(&self.reader)?.read(&self.clip, index, backwards))?;
        let shape = (frame.height(), frame.width(), 3);
        let array = Array3::from_shape_vec(shape, frame.rgb().to_vec());
        Ok(array.map_err(|error| Fault::Value(error.to_string()))?.into_pyarray(py))
    }
}

/// The bundled clip.
#[pyfunction]
pub fn demo_clip() -> PyResult<ClipNative> {
    let clip = Clip::embedded(sam2_micro::DEMO_CLIP).map_err(Fault::from)?;
    Ok(ClipNative { clip, reader: Mutex::default() })
}
