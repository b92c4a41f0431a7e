//! Conversions between NumPy arrays and the types of the engine. The Python layer has checked types and
//! shapes.

use numpy::ndarray::{Array4, ArrayView1, ArrayView2, Dimension};
use numpy::{Element, IntoPyArray, PyArray4, PyReadonlyArray, PyReadonlyArray2, PyReadonlyArray3};
use pyo3::prelude::*;
use sam2_model::types::Label;
use sam2_model::video::FrameOutput;
use sam2_model::{Frame, Mask, Points};

use crate::error::Fault;

/// The elements row by row: of an array in that order at the speed of memory.
fn elements<T: Element + Copy, D: Dimension>(array: &PyReadonlyArray<'_, T, D>) -> Vec<T> {
    let view = array.as_array();
    // NumPy's own slice would also be that of an array by columns.
    view.as_slice().map_or_else(|| view.iter().copied().collect(), <[T]>::to_vec)
}

/// A copy of a `uint8` array `(H, W, 3)` in any memory order. It is made before the GIL is released: another
/// thread could write into the array.
pub fn frame(array: &PyReadonlyArray3<'_, u8>) -> Result<Frame, Fault> {
    let (height, width, _) = array.as_array().dim();
    Ok(Frame::new(width, height, elements(array))?)
}

/// A `bool` array `(H, W)`.
pub fn mask(array: &PyReadonlyArray2<'_, bool>) -> Result<Mask, Fault> {
    let (height, width) = array.as_array().dim();
    Ok(Mask::new(width, height, elements(array))?)
}

/// Points `(n, 2)` with labels, after the two corners of a box, if there is one. As in Meta's code, points
/// may be outside of the picture and corners in any order.
pub fn points(
    coords: ArrayView2<'_, f32>,
    labels: ArrayView1<'_, i32>,
    corners: Option<[f32; 4]>,
) -> Result<Points, Fault> {
    let mut points = Points::new().allow_outside(true);
    if let Some([x0, y0, x1, y1]) = corners {
        points = points.point(x0, y0, Label::TopLeft).point(x1, y1, Label::BottomRight);
    }
    for (row, &label) in coords.rows().into_iter().zip(&labels) {
        points = points.point(row[0], row[1], Label::try_from(label)?);
    }
    Ok(points)
}

/// Logits `(N, 1, H, W)` of all objects, and their ids.
pub type Masks<'py> = (Vec<u32>, Bound<'py, PyArray4<f32>>);

/// The logits of all objects at the size of the video, computed without the GIL.
pub fn logits(output: &FrameOutput) -> Vec<f32> {
    (0..output.objects.len()).flat_map(|i| output.mask_logits(i)).collect()
}

/// What a frame returns to Python. `logits` becomes the array without a copy.
pub fn masks<'py>(
    py: Python<'py>,
    output: &FrameOutput,
    logits: Vec<f32>,
    (width, height): (usize, usize),
) -> PyResult<Masks<'py>> {
    let ids = output.objects.iter().map(|object| object.obj_id).collect();
    Ok((ids, array4(py, (output.objects.len(), 1, height, width), logits)?))
}

/// An array of this shape without a copy.
pub fn array4<T: Element>(
    py: Python<'_>,
    shape: (usize, usize, usize, usize),
    values: Vec<T>,
) -> PyResult<Bound<'_, PyArray4<T>>> {
    let array = Array4::from_shape_vec(shape, values);
    Ok(array.map_err(|error| Fault::Value(error.to_string()))?.into_pyarray(py))
}
