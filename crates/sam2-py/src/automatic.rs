//! All masks of a picture.

use std::sync::Arc;

use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray2, PyReadonlyArray3};
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyDict};
use sam2_model::Rle;
use sam2_model::automatic::{AutomaticMaskGenerator, AutomaticOptions, MaskRecord};
use sam2_model::image::ImageOptions;

use crate::arrays;
use crate::error::Fault;
use crate::model::NativeModel;
use crate::pool;

/// One record: mask, `[x, y, w, h]`, predicted IoU, click, stability, crop, area.
type Record<'py> = (Bound<'py, PyAny>, [i64; 4], f32, [f32; 2], f32, [i64; 4], u64);

fn set<'py, T>(options: &Bound<'py, PyDict>, key: &str, place: &mut T) -> PyResult<()>
where
    T: for<'a> FromPyObject<'a, 'py>,
{
    if let Some(value) = options.get_item(key)? {
        *place = value.extract().map_err(Into::<PyErr>::into)?;
    }
    Ok(())
}

/// Options by Meta's names.
fn options(given: &Bound<'_, PyDict>) -> PyResult<AutomaticOptions> {
    let mut options = AutomaticOptions::default();
    set(given, "points_per_side", &mut options.points_per_side)?;
    set(given, "points_per_batch", &mut options.points_per_batch)?;
    set(given, "pred_iou_thresh", &mut options.pred_iou_thresh)?;
    set(given, "stability_score_thresh", &mut options.stability_score_thresh)?;
    set(given, "stability_score_offset", &mut options.stability_score_offset)?;
    set(given, "mask_threshold", &mut options.mask_threshold)?;
    set(given, "box_nms_thresh", &mut options.box_nms_thresh)?;
    set(given, "crop_n_layers", &mut options.crop_n_layers)?;
    set(given, "crop_nms_thresh", &mut options.crop_nms_thresh)?;
    set(given, "crop_overlap_ratio", &mut options.crop_overlap_ratio)?;
    set(given, "crop_n_points_downscale_factor", &mut options.crop_n_points_downscale_factor)?;
    set(given, "use_m2m", &mut options.use_m2m)?;
    set(given, "multimask_output", &mut options.multimask_output)?;
    set(given, "point_grids", &mut options.point_grids)?;
    Ok(options)
}

/// Runs the generator on a `uint8` array `(H, W, 3)`. `form` is `binary_mask`, `uncompressed_rle` or
/// `coco_rle`.
#[pyfunction]
pub fn generate<'py>(
    py: Python<'py>,
    model: &NativeModel,
    image: PyReadonlyArray3<'py, u8>,
    given: &Bound<'py, PyDict>,
    clean_area: usize,
    form: &str,
) -> PyResult<Vec<Record<'py>>> {
    let frame = arrays::frame(&image)?;
    let options = options(given)?;
    let image_options = ImageOptions::default().max_hole_area(clean_area).max_sprinkle_area(clean_area);
    let generator = AutomaticMaskGenerator::with_image_options(Arc::clone(&model.0), options, image_options);
    let mut generator = generator.map_err(Fault::from)?;
    let records = pool::run_interruptible(py, |proceed| generator.generate(&frame, |_, _| proceed()))?;
    records.map_err(Fault::from)?.into_iter().map(|record| convert(py, &record, form)).collect()
}

fn convert<'py>(py: Python<'py>, record: &MaskRecord, form: &str) -> PyResult<Record<'py>> {
    let rle = &record.segmentation;
    let segmentation = if form == "binary_mask" {
        let array: Bound<'py, PyArray2<bool>> =
            Array2::from_shape_vec((rle.height(), rle.width()), rle.mask().data().to_vec())
                .map_err(|error| Fault::Value(error.to_string()))?
                .into_pyarray(py);
        array.into_any()
    } else {
        let dict = PyDict::new(py);
        dict.set_item("size", [rle.height(), rle.width()])?;
        if form == "coco_rle" {
            dict.set_item("counts", rle.to_coco_string())?;
        } else {
            dict.set_item("counts", rle.counts().to_vec())?;
        }
        dict.into_any()
    };
    let MaskRecord { bbox, predicted_iou, point_coords, stability_score, crop_box, .. } = *record;
    Ok((segmentation, bbox, predicted_iou, point_coords, stability_score, crop_box, rle.area()))
}

/// COCO's string of run lengths.
#[pyfunction]
pub fn coco_string(height: usize, width: usize, counts: Vec<u32>) -> PyResult<String> {
    let rle = Rle::from_counts(width, height, counts).map_err(|error| Fault::Value(error.to_string()))?;
    Ok(rle.to_coco_string())
}
