//! Masks in single images.

use std::ptr;
use std::sync::Arc;

use sam2_model::image::Multimask;

use crate::border;
use crate::handle::Handle;
use crate::masks::Masks;
use crate::model::Model;
use crate::options::flag;
use crate::status::enter;
use crate::types::{Image, Prompt, Status};

/// A model and the image that was set.
#[derive(Debug)]
pub struct ImagePredictor {
    handle: Handle<sam2_model::ImagePredictor>,
    /// Side of the low-resolution logits.
    low_res: usize,
}

/// A predictor without an image.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_image_predictor_new(
    model: *mut Model,
    out: *mut *mut ImagePredictor,
) -> Status {
    enter(|| {
        // SAFETY: pointers of the caller under the rules of the header; each is checked.
        let (out, model) =
            unsafe { (border::place(out, "out", ptr::null_mut())?, border::reference(model, "model")?) };
        let predictor = sam2_model::ImagePredictor::new(Arc::clone(&model.model));
        let low_res = model.model.low_res_size();
        *out = Box::into_raw(Box::new(ImagePredictor { handle: Handle::new(predictor), low_res }));
        Ok(())
    })
}

/// Gives a predictor back. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_image_predictor_free(predictor: *mut ImagePredictor) {
    // SAFETY: as the header says: NULL, or from this library and not given back before.
    unsafe { border::free(predictor) }
}

/// Encodes an image, for any number of predictions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_image_set(predictor: *mut ImagePredictor, image: *const Image) -> Status {
    enter(|| {
        // SAFETY: pointers of the caller under the rules of the header; each is checked.
        let (predictor, view) =
            unsafe { (border::reference(predictor, "predictor")?, border::frame(image)?) };
        predictor.handle.with(|predictor| {
            predictor.set_image(view);
            Ok(())
        })
    })
}

/// Masks for count prompts about the image, decoded in parallel: three candidates for each with multimask 1,
/// one with 0. Three are right for a single point, which may mean a part or the whole.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_image_predict(
    predictor: *mut ImagePredictor,
    prompts: *const Prompt,
    count: usize,
    multimask: i32,
    out: *mut *mut Masks,
) -> Status {
    enter(|| {
        // SAFETY: pointers of the caller under the rules of the header; each is checked.
        let (out, predictor) = unsafe {
            (border::place(out, "out", ptr::null_mut())?, border::reference(predictor, "predictor")?)
        };
        let number = if flag("multimask", multimask)? { Multimask::Three } else { Multimask::One };
        // SAFETY: as above.
        let prompts = unsafe { border::image_prompts(prompts, count, predictor.low_res, number)? };
        let predictions = predictor.handle.with(|predictor| Ok(predictor.predict_batch(&prompts)?))?;
        Masks::of_image(predictions).give(out);
        Ok(())
    })
}

/// Writes SAM2_IMAGE_INIT into a struct of struct_size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_image_init(image: *mut Image, struct_size: usize) {
    // SAFETY: the caller has room for `struct_size` bytes.
    unsafe { border::initialise(image, struct_size) }
}

/// Writes SAM2_PROMPT_INIT into a struct of struct_size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_prompt_init(prompt: *mut Prompt, struct_size: usize) {
    // SAFETY: the caller has room for `struct_size` bytes.
    unsafe { border::initialise(prompt, struct_size) }
}
