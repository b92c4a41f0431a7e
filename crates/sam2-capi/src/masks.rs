//! Masks that a call returns.

use std::ffi::c_char;
use std::ptr;
use std::sync::OnceLock;

use sam2_model::image::Prediction;
use sam2_model::video::{FrameOutput, ObjectEvent};

use crate::border;
use crate::failure::Failure;
use crate::options::Versioned;
use crate::pool;
use crate::status::{enter, enter_or};
use crate::types::{Mask, SAM2_FOUND, SAM2_LOST, Status};

/// The masks of a call: for an image one to three for each prompt, for a frame one for each object, which is
/// prompt 0, 1, ... in the order of the first prompts. Immutable; used by any number of threads.
#[derive(Debug)]
pub struct Masks {
    source: Source,
    /// Masks at the size of the image, made when they are asked for.
    drawn: Vec<Vec<OnceLock<Drawn>>>,
}

#[derive(Debug)]
enum Source {
    Image(Vec<Prediction>),
    Frame(FrameOutput),
}

/// A mask at the size of the image.
#[derive(Debug)]
struct Drawn {
    mask: sam2_model::Mask,
    data: Vec<u8>,
    stability: f32,
    rle: OnceLock<String>,
}

impl Drawn {
    fn new(mask: sam2_model::Mask, stability: f32) -> Self {
        let data = mask.data().iter().map(|&inside| if inside { 255 } else { 0 }).collect();
        Self { mask, data, stability, rle: OnceLock::new() }
    }
}

impl Masks {
    pub(crate) fn of_image(predictions: Vec<Prediction>) -> Self {
        let cells = |prediction: &Prediction| (0..prediction.len()).map(|_| OnceLock::new()).collect();
        Self { drawn: predictions.iter().map(cells).collect(), source: Source::Image(predictions) }
    }

    pub(crate) fn of_frame(output: FrameOutput) -> Self {
        let drawn = output.objects.iter().map(|_| vec![OnceLock::new()]).collect();
        Self { drawn, source: Source::Frame(output) }
    }

    /// Gives the masks to the caller.
    pub(crate) fn give(self, out: &mut *mut Self) {
        *out = Box::into_raw(Box::new(self));
    }

    fn cell(&self, prompt: usize, k: usize) -> Result<&OnceLock<Drawn>, Failure> {
        let masks = self
            .drawn
            .get(prompt)
            .ok_or_else(|| Failure::argument(format!("prompt {prompt} of {}", self.drawn.len())))?;
        masks
            .get(k)
            .ok_or_else(|| Failure::argument(format!("mask {k} of the {} for prompt {prompt}", masks.len())))
    }

    fn drawn(&self, prompt: usize, k: usize) -> Result<&Drawn, Failure> {
        let cell = self.cell(prompt, k)?;
        if let Some(drawn) = cell.get() {
            return Ok(drawn);
        }
        match &self.source {
            Source::Image(predictions) => {
                let prediction = &predictions[prompt];
                let drawn = pool::run(|| Ok(Drawn::new(prediction.mask(k), prediction.stability_score(k))))?;
                Ok(cell.get_or_init(|| drawn))
            }
            Source::Frame(output) => {
                // Together: with non-overlapping masks each depends on all.
                let masks = pool::run(|| Ok(output.masks()))?;
                for ((mask, object), cells) in masks.into_iter().zip(&output.objects).zip(&self.drawn) {
                    cells[0].get_or_init(|| Drawn::new(mask, object.stability_score));
                }
                cell.get().ok_or_else(|| Failure::internal("a mask is missing"))
            }
        }
    }

    fn describe(&self, prompt: usize, k: usize) -> Result<Mask, Failure> {
        let drawn = self.drawn(prompt, k)?;
        let number = |x: usize| i32::try_from(x).map_err(|_| Failure::internal("a size beyond 32 bits"));
        let mut out = Mask {
            width: number(drawn.mask.width())?,
            height: number(drawn.mask.height())?,
            data: drawn.data.as_ptr(),
            stability: drawn.stability,
            area: drawn.mask.area() as u64,
            bbox: match drawn.mask.bbox_xyxy() {
                Some([x0, y0, x1, y1]) => [number(x0)?, number(y0)?, number(x1)?, number(y1)?],
                None => [-1; 4],
            },
            ..Mask::DEFAULT
        };
        match &self.source {
            Source::Image(predictions) => {
                out.obj_id = prompt as i64;
                out.predicted_iou = predictions[prompt].ious()[k];
                out.object_score = predictions[prompt].object_score();
            }
            Source::Frame(output) => {
                let object = &output.objects[prompt];
                out.obj_id = i64::from(object.obj_id);
                out.predicted_iou = object.predicted_iou;
                out.object_score = object.object_score;
                out.event = match object.event {
                    None => 0,
                    Some(ObjectEvent::Lost) => SAM2_LOST,
                    Some(ObjectEvent::Found) => SAM2_FOUND,
                };
            }
        }
        Ok(out)
    }

    fn low_res(&self, prompt: usize, k: usize) -> Result<&[f32], Failure> {
        self.cell(prompt, k)?;
        Ok(match &self.source {
            Source::Image(predictions) => predictions[prompt].low_res_mask(k),
            Source::Frame(output) => &output.objects[prompt].low_res,
        })
    }

    fn rle(&self, prompt: usize, k: usize) -> Result<&str, Failure> {
        let drawn = self.drawn(prompt, k)?;
        Ok(drawn.rle.get_or_init(|| drawn.mask.rle().to_coco_string()))
    }
}

/// Number of prompts, or of objects on a frame; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_masks_prompts(masks: *const Masks) -> usize {
    // SAFETY: masks that are not freed; `as_ref` checks for NULL.
    unsafe { masks.as_ref() }.map_or(0, |masks| masks.drawn.len())
}

/// Number of masks for a prompt: 1 or 3; 0 if there is no such prompt.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_masks_count(masks: *const Masks, prompt: usize) -> usize {
    // SAFETY: masks that are not freed; `as_ref` checks for NULL.
    unsafe { masks.as_ref() }.and_then(|masks| masks.drawn.get(prompt)).map_or(0, Vec::len)
}

/// The mask of a prompt with the best predicted IoU; 0 if there is no such prompt.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_masks_best(masks: *const Masks, prompt: usize) -> usize {
    // SAFETY: masks that are not freed; `as_ref` checks for NULL.
    enter_or(0, || match unsafe { masks.as_ref() }.map(|masks| &masks.source) {
        Some(Source::Image(predictions)) => predictions.get(prompt).map_or(0, Prediction::best),
        _ => 0,
    })
}

/// Index of the frame that the masks are of, from 0; -1 for an image or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_masks_frame_idx(masks: *const Masks) -> i64 {
    // SAFETY: masks that are not freed; `as_ref` checks for NULL.
    match unsafe { masks.as_ref() }.map(|masks| &masks.source) {
        Some(Source::Frame(output)) => i64::try_from(output.frame_idx).unwrap_or(-1),
        _ => -1,
    }
}

/// Mask k of a prompt at the size of the image. out must be initialised, with SAM2_MASK_INIT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_masks_get(
    masks: *const Masks,
    prompt: usize,
    k: usize,
    out: *mut Mask,
) -> Status {
    enter(|| {
        // SAFETY: pointers of the caller under the rules of the header; each is checked.
        unsafe {
            let masks = border::reference(masks, "masks")?;
            border::write_record(out, &masks.describe(prompt, k)?)
        }
    })
}

/// Logits of mask k of a prompt, sam2_model_low_res_size() squared, row by row. A later sam2_prompt can
/// refine them. Valid until sam2_masks_free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_masks_low_res(
    masks: *const Masks,
    prompt: usize,
    k: usize,
    logits: *mut *const f32,
) -> Status {
    enter(|| {
        // SAFETY: pointers of the caller under the rules of the header; each is checked.
        let (out, masks) =
            unsafe { (border::place(logits, "logits", ptr::null())?, border::reference(masks, "masks")?) };
        *out = masks.low_res(prompt, k)?.as_ptr();
        Ok(())
    })
}

/// Mask k of a prompt as the compressed run lengths of COCO, the string "counts" of {"size": [height, width],
/// "counts": ...}. Two calls: with buffer NULL, *len becomes the number of bytes with the NUL at the end;
/// with a buffer of *len bytes, the string is written and *len becomes what was used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_masks_rle(
    masks: *const Masks,
    prompt: usize,
    k: usize,
    buffer: *mut c_char,
    len: *mut usize,
) -> Status {
    enter(|| {
        // SAFETY: pointers of the caller under the rules of the header; each is checked.
        let (room, masks) = unsafe { (*border::reference(len, "len")?, border::reference(masks, "masks")?) };
        let text = masks.rle(prompt, k)?;
        let need = text.len() + 1;
        if !buffer.is_null() && room < need {
            return Err(Failure::argument(format!("the buffer has {room} bytes, {need} are needed")));
        }
        // SAFETY: `len` was checked above; the buffer is not NULL and has at least `need` bytes.
        unsafe {
            if !buffer.is_null() {
                ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast::<u8>(), text.len());
                buffer.add(text.len()).write(0);
            }
            len.write(need);
        }
        Ok(())
    })
}

/// Gives masks back, and with them all pointers into them. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_masks_free(masks: *mut Masks) {
    // SAFETY: as the header says: NULL, or from this library and not given back before.
    unsafe { border::free(masks) }
}

/// Writes SAM2_MASK_INIT into a struct of struct_size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_mask_init(mask: *mut Mask, struct_size: usize) {
    // SAFETY: the caller has room for `struct_size` bytes.
    unsafe { border::initialise(mask, struct_size) }
}

const fn shared<T: Send + Sync>() {}
const _: () = shared::<Masks>();
