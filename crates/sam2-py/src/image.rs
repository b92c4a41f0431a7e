//! Masks in single pictures.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::ndarray::{Array2, Array4, Axis};
use numpy::{IntoPyArray, PyArray2, PyArray4, PyReadonlyArray2, PyReadonlyArray3};
use pyo3::prelude::*;
use rayon::prelude::*;
use sam2_model::image::{ImageEmbedding, ImageOptions, ImagePredictor, ImagePrompt, Multimask};

use crate::arrays;
use crate::error::Fault;
use crate::model::NativeModel;
use crate::pool;

/// An encoded picture.
#[pyclass(frozen, name = "Embedding", module = "sam2_cpu._native")]
pub struct Embedding(pub Arc<ImageEmbedding>);

#[pymethods]
impl Embedding {
    /// Height and width of the picture, pixels.
    #[getter]
    fn size(&self) -> (usize, usize) {
        (self.0.height(), self.0.width())
    }
}

/// The image predictor: a model and options. It keeps no picture.
#[pyclass(frozen, name = "ImageNative", module = "sam2_cpu._native")]
pub struct ImageNative {
    predictor: ImagePredictor,
    threshold: f32,
}

/// Masks `(B, C, H, W)`, predicted IoUs `(B, C)`, logits `(B, C, s, s)`, object scores `(B,)`, and stability
/// scores `(B, C)`, or `(B, 0)` if they were not asked for.
type Predicted<'py> = (
    Bound<'py, PyArray4<f32>>,
    Bound<'py, PyArray2<f32>>,
    Bound<'py, PyArray4<f32>>,
    Vec<f32>,
    Bound<'py, PyArray2<f32>>,
);

#[pymethods]
impl ImageNative {
    #[new]
    fn new(
        model: &NativeModel,
        mask_threshold: f32,
        max_hole_area: usize,
        max_sprinkle_area: usize,
    ) -> PyResult<Self> {
        let options = ImageOptions::default()
            .mask_threshold(mask_threshold)
            .max_hole_area(max_hole_area)
            .max_sprinkle_area(max_sprinkle_area);
        let predictor = ImagePredictor::with_options(Arc::clone(&model.0), options).map_err(Fault::from)?;
        Ok(Self { predictor, threshold: mask_threshold })
    }

    /// Encodes a `uint8` array `(H, W, 3)`, RGB.
    fn encode(&self, py: Python<'_>, image: PyReadonlyArray3<'_, u8>) -> PyResult<Embedding> {
        let frame = arrays::frame(&image)?;
        Ok(Embedding(pool::run(py, || self.predictor.encode(&frame))?))
    }

    /// Masks for B prompts: `coords` `(B, n, 2)` and `labels` `(B, n)`, `boxes` `(B, 4)`, `masks` `(B, s,
    /// s)`.
    #[expect(clippy::too_many_arguments, reason = "the Python layer passes packed arrays")]
    #[pyo3(signature = (embedding, coords, labels, boxes, masks, multimask, return_logits, stability))]
    fn predict<'py>(
        &self,
        py: Python<'py>,
        embedding: &Embedding,
        coords: PyReadonlyArray3<'py, f32>,
        labels: PyReadonlyArray2<'py, i32>,
        boxes: Option<PyReadonlyArray2<'py, f32>>,
        masks: Option<PyReadonlyArray3<'py, f32>>,
        multimask: bool,
        return_logits: bool,
        stability: bool,
    ) -> PyResult<Predicted<'py>> {
        let (coords, labels) = (coords.as_array(), labels.as_array());
        let count = coords.dim().0;
        let mut prompts = Vec::with_capacity(count);
        for b in 0..count {
            let corners = boxes.as_ref().map(|boxes| {
                let row = boxes.as_array();
                [0, 1, 2, 3].map(|i| row[[b, i]])
            });
            let points = arrays::points(coords.index_axis(Axis(0), b), labels.row(b), corners)?;
            let logits = masks
                .as_ref()
                .map(|masks| masks.as_array().index_axis(Axis(0), b).iter().copied().collect::<Vec<f32>>());
            let number = if multimask { Multimask::Three } else { Multimask::One };
            prompts.push(ImagePrompt::from(points).mask_logits(logits).multimask(number));
        }
        let (image, threshold) = (&*embedding.0, self.threshold);
        let candidates = if multimask { 3 } else { 1 };
        let (predictions, pixels) = pool::run(py, || -> Result<_, Fault> {
            let predictions = self.predictor.predict_batch_on(image, &prompts)?;
            let masks: Vec<_> = predictions.iter().flat_map(|p| (0..p.len()).map(move |k| (p, k))).collect();
            let size = image.width() * image.height();
            let mut pixels = vec![0.0; count * candidates * size];
            pixels.par_chunks_mut(size).zip(masks).for_each(|(pixels, (prediction, k))| {
                let logits = prediction.mask_logits(k);
                if return_logits {
                    pixels.copy_from_slice(&logits);
                } else {
                    let inside = |x| f32::from(u8::from(x > threshold));
                    pixels.iter_mut().zip(logits).for_each(|(pixel, x)| *pixel = inside(x));
                }
            });
            Ok((predictions, pixels))
        })??;
        let side = self.predictor.model().low_res_size();
        let (mut ious, mut low_res, mut scores, mut stable) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for prediction in &predictions {
            ious.extend_from_slice(prediction.ious());
            low_res.extend_from_slice(prediction.low_res());
            scores.push(prediction.object_score());
            if stability {
                stable.extend((0..prediction.len()).map(|k| prediction.stability_score(k)));
            }
        }
        let shape = |error: numpy::ndarray::ShapeError| Fault::Value(error.to_string());
        let ious = Array2::from_shape_vec((count, candidates), ious).map_err(shape)?;
        let stable = Array2::from_shape_vec((count, stable.len() / count.max(1)), stable).map_err(shape)?;
        Ok((
            arrays::array4(py, (count, candidates, image.height(), image.width()), pixels)?,
            ious.into_pyarray(py),
            arrays::array4(py, (count, candidates, side, side), low_res)?,
            scores,
            stable.into_pyarray(py),
        ))
    }

    /// The features of a picture, `(1, C, grid, grid)`.
    fn features<'py>(&self, py: Python<'py>, embedding: &Embedding) -> PyResult<Bound<'py, PyArray4<f32>>> {
        let config = self.predictor.model().config();
        let (grid, channels) = (config.grid(), config.d_model);
        let embed = embedding.0.image_embed();
        let mut out = Array4::zeros((1, channels, grid, grid));
        for (cell, values) in embed.chunks_exact(channels).enumerate() {
            for (channel, &x) in values.iter().enumerate() {
                out[[0, channel, cell / grid, cell % grid]] = x;
            }
        }
        Ok(out.into_pyarray(py))
    }

    /// Writes an encoded picture.
    fn save(&self, py: Python<'_>, embedding: &Embedding, path: PathBuf) -> PyResult<()> {
        let image = &*embedding.0;
        let model = self.predictor.model();
        Ok(py.detach(|| image.save(path, model)).map_err(Fault::from)?)
    }

    /// Reads a picture that [`Self::save`] wrote.
    fn load(&self, py: Python<'_>, path: PathBuf) -> PyResult<Embedding> {
        let model = self.predictor.model();
        let image = py.detach(|| ImageEmbedding::load(path, model)).map_err(Fault::from)?;
        Ok(Embedding(Arc::new(image)))
    }
}
