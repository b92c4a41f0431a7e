//! Models, shared by predictors.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use std::sync::Arc;

use sam2_model::ModelOptions as Options;
use sam2_model::config::Config;

use crate::border;
use crate::failure::Failure;
use crate::options::{Versioned, precision};
use crate::pool;
use crate::status::{enter, enter_or};
use crate::types::{ModelOptions, Status};

/// A loaded model: immutable, counted, used by any number of threads.
#[derive(Debug)]
pub struct Model {
    pub(crate) model: Arc<sam2_model::Model>,
    name: CString,
}

/// # Safety
/// As [`border::record`], or NULL; its path as [`border::text`].
unsafe fn options(options: *const ModelOptions) -> Result<Options, Failure> {
    let given = if options.is_null() {
        ModelOptions::DEFAULT
    } else {
        // SAFETY: as this function.
        unsafe { border::record(options)? }
    };
    let mut out = Options::default().precision(precision(given.precision)?);
    if given.image_size != 0 {
        let size = usize::try_from(given.image_size).ok().filter(|&size| size <= 4096);
        let size = size.ok_or_else(|| {
            Failure::argument(format!("image_size is {}; a multiple of 64 up to 4096", given.image_size))
        })?;
        out = out.image_size(size);
    }
    if !given.config_path.is_null() {
        // SAFETY: as this function.
        let path = unsafe { border::text(given.config_path, "config_path")? };
        out = out.config(Config::open(std::path::Path::new(path))?);
    }
    Ok(out)
}

/// Loads in the library's threads and gives the model to the caller.
fn give(
    out: &mut *mut Model,
    load: impl FnOnce() -> Result<Arc<sam2_model::Model>, sam2_model::error::LoadError> + Send,
) -> Result<(), Failure> {
    let model = pool::run(|| Ok(load()?))?;
    let name = CString::new(model.summary().variant.as_str()).unwrap_or_default();
    *out = Arc::into_raw(Arc::new(Model { model, name })).cast_mut();
    Ok(())
}

/// Opens a checkpoint: a .pt or .safetensors file of SAM 2, SAM 2.1, EdgeTAM or EfficientTAM, as published.
/// options may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_model_open(
    path: *const c_char,
    options: *const ModelOptions,
    out: *mut *mut Model,
) -> Status {
    enter(|| {
        // SAFETY: pointers of the caller under the rules of the header; each is checked.
        let (out, path, options) = unsafe {
            let out = border::place(out, "out", ptr::null_mut())?;
            (out, border::text(path, "path")?, self::options(options)?)
        };
        give(out, || sam2_model::Model::open_with(path, &options))
    })
}

/// Opens a checkpoint of len bytes. The bytes are not needed afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_model_from_memory(
    bytes: *const c_void,
    len: usize,
    options: *const ModelOptions,
    out: *mut *mut Model,
) -> Status {
    enter(|| {
        // SAFETY: pointers of the caller under the rules of the header; each is checked.
        let (out, bytes, options) = unsafe {
            let out = border::place(out, "out", ptr::null_mut())?;
            let bytes = border::reference(bytes.cast::<u8>(), "bytes").map(ptr::from_ref)?;
            (out, border::values(bytes, len, "bytes")?, self::options(options)?)
        };
        give(out, || sam2_model::Model::from_bytes_with(bytes, "checkpoint in memory", &options))
    })
}

/// The small model inside of the library, with which everything can be tried; its masks of photos are rough.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_model_embedded(options: *const ModelOptions, out: *mut *mut Model) -> Status {
    enter(|| {
        // SAFETY: pointers of the caller under the rules of the header; each is checked.
        let (out, options) =
            unsafe { (border::place(out, "out", ptr::null_mut())?, self::options(options)?) };
        give(out, || sam2_micro::open(&options))
    })
}

/// One more owner of the model, who frees it too. Returns model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_model_retain(model: *mut Model) -> *mut Model {
    if !model.is_null() {
        // SAFETY: not NULL, hence of an `Arc::into_raw` whose count is not 0.
        unsafe { Arc::increment_strong_count(model) };
    }
    model
}

/// Gives a model back. Predictors keep it alive as long as they need it. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_model_free(model: *mut Model) {
    enter_or((), || {
        if !model.is_null() {
            // SAFETY: not NULL, hence of an `Arc::into_raw` that this caller owns.
            drop(unsafe { Arc::from_raw(model) });
        }
    });
}

/// Side of the square that images are resized to, pixels; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_model_image_size(model: *const Model) -> i32 {
    // SAFETY: a model that is not freed; `as_ref` checks for NULL.
    let model = unsafe { model.as_ref() };
    model.and_then(|model| i32::try_from(model.model.config().image_size).ok()).unwrap_or(0)
}

/// Side of the low-resolution logits; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_model_low_res_size(model: *const Model) -> i32 {
    // SAFETY: a model that is not freed; `as_ref` checks for NULL.
    let model = unsafe { model.as_ref() };
    model.and_then(|model| i32::try_from(model.model.low_res_size()).ok()).unwrap_or(0)
}

/// Such as "SAM 2.1 tiny"; empty for NULL. Valid until the model is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_model_name(model: *const Model) -> *const c_char {
    const NONE: &CStr = c"";
    // SAFETY: a model that is not freed; `as_ref` checks for NULL.
    unsafe { model.as_ref() }.map_or(NONE.as_ptr(), |model| model.name.as_ptr())
}

/// Writes SAM2_MODEL_OPTIONS_INIT into a struct of struct_size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_model_options_init(options: *mut ModelOptions, struct_size: usize) {
    // SAFETY: the caller has room for `struct_size` bytes.
    unsafe { border::initialise(options, struct_size) }
}
