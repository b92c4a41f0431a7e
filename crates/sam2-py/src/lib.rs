//! Entry points of the Python package `sam2_cpu` on packed arrays. Signatures, defaults, checks and
//! documentation are those of the Python files in `python/sam2_cpu`; this layer converts arrays and releases
//! the GIL.

mod arrays;
mod automatic;
mod clip;
mod error;
mod image;
mod model;
mod pool;
mod tracker;
mod video;

use pyo3::prelude::*;

/// The module `sam2_cpu._native`. It keeps no state that needs the GIL.
#[pymodule(gil_used = false)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(pool::set_num_threads, module)?)?;
    module.add_function(wrap_pyfunction!(pool::get_num_threads, module)?)?;
    module.add_function(wrap_pyfunction!(model::named_config, module)?)?;
    module.add_function(wrap_pyfunction!(model::find_checkpoint, module)?)?;
    module.add_function(wrap_pyfunction!(automatic::generate, module)?)?;
    module.add_function(wrap_pyfunction!(automatic::coco_string, module)?)?;
    module.add_function(wrap_pyfunction!(clip::demo_clip, module)?)?;
    module.add_class::<model::NativeModel>()?;
    module.add_class::<image::Embedding>()?;
    module.add_class::<image::ImageNative>()?;
    module.add_class::<clip::ClipNative>()?;
    module.add_class::<video::VideoNative>()?;
    module.add_class::<tracker::TrackerNative>()
}
