//! Checkpoints and configurations.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use sam2_model::config::Config;
use sam2_model::models::Precision;
use sam2_model::published::{Places, find};
use sam2_model::{Model, ModelOptions};

use crate::error::Fault;
use crate::pool;

/// A loaded model, shared by predictors.
#[pyclass(frozen, name = "NativeModel", module = "sam2_cpu._native")]
pub struct NativeModel(pub Arc<Model>);

fn options(
    config: Option<&str>,
    origin: &str,
    precision: &str,
    image_size: Option<usize>,
) -> Result<ModelOptions, Fault> {
    let precision: Precision = precision.parse().map_err(Fault::Value)?;
    let config = config.map(|text| Config::from_yaml(text, origin)).transpose()?;
    Ok(ModelOptions::default().precision(precision).image_size(image_size).config(config))
}

#[pymethods]
impl NativeModel {
    /// Opens a checkpoint. `config` is the text of a YAML or JSON configuration, and `origin` names it in
    /// errors.
    #[staticmethod]
    #[pyo3(signature = (path, config, origin, precision, image_size))]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        config: Option<&str>,
        origin: &str,
        precision: &str,
        image_size: Option<usize>,
    ) -> PyResult<Self> {
        let options = options(config, origin, precision, image_size)?;
        let model = pool::run(py, || Model::open_with(path, &options))?;
        Ok(Self(model.map_err(Fault::from)?))
    }

    /// The embedded model.
    #[staticmethod]
    #[pyo3(signature = (config, precision, image_size))]
    fn micro(
        py: Python<'_>,
        config: Option<&str>,
        precision: &str,
        image_size: Option<usize>,
    ) -> PyResult<Self> {
        let options = options(config, sam2_micro::NAME, precision, image_size)?;
        let model = pool::run(py, || sam2_micro::open(&options))?;
        Ok(Self(model.map_err(Fault::from)?))
    }

    /// Side of the square that pictures are resized to, pixels.
    #[getter]
    fn image_size(&self) -> usize {
        self.0.config().image_size
    }

    /// Side of the low-resolution logits.
    #[getter]
    fn low_res_size(&self) -> usize {
        self.0.low_res_size()
    }

    /// Side of the map of features.
    #[getter]
    fn grid(&self) -> usize {
        self.0.config().grid()
    }

    /// Channels of the map of features.
    #[getter]
    fn channels(&self) -> usize {
        self.0.config().d_model
    }

    /// Such as `SAM 2.1 tiny`.
    #[getter]
    fn variant(&self) -> &str {
        &self.0.summary().variant
    }

    /// `f32`, `bf16` or `int8`.
    #[getter]
    fn precision(&self) -> String {
        self.0.precision().to_string()
    }

    /// The configuration as JSON.
    #[getter]
    fn config(&self) -> String {
        self.0.config().to_json()
    }
}

/// The configuration of a published checkpoint by its stem, such as `sam2.1_hiera_tiny`, as JSON.
#[pyfunction]
pub fn named_config(stem: &str) -> Option<String> {
    Config::named(stem).map(|config| config.to_json())
}

/// The file of a published model in `SAM2_MODEL_DIR` or in the local cache of Hugging Face.
#[pyfunction]
pub fn find_checkpoint(name: &str) -> PyResult<PathBuf> {
    Ok(find(name, &Places::from_env()).map_err(Fault::from)?)
}
