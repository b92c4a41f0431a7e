//! What the caller's pointers lead to. All that can be checked is checked: that they are not NULL, aligned,
//! and that sizes can be those of an object. That the memory is there, the header asks of the caller.

use std::ffi::{CStr, c_char};
use std::ptr;
use std::slice;

use sam2_model::image::{ImagePrompt, Multimask};
use sam2_model::types::Label;
use sam2_model::{FrameView, Points};

use crate::failure::Failure;
use crate::options::{Versioned, pixel_format};
use crate::status::enter_or;
use crate::types::{Image, Prompt};

/// The largest struct of a newer header that is read to its end, bytes.
const MAX_STRUCT: usize = 4096;
/// The longest side of an image or a mask, pixels.
const MAX_SIDE: i32 = 65_535;
/// The largest image or mask, pixels.
const MAX_PIXELS: usize = 1 << 28;
/// The largest number of prompts in a call.
const MAX_PROMPTS: usize = 1024;

/// Whether a pointer can be one to a `T`.
pub fn check<T>(pointer: *const T, name: &str) -> Result<(), Failure> {
    if pointer.is_null() {
        return Err(Failure::argument(format!("{name} is NULL")));
    }
    if !pointer.is_aligned() {
        let need = align_of::<T>();
        return Err(Failure::argument(format!(
            "{name} is not aligned; its address must be a multiple of {need}"
        )));
    }
    Ok(())
}

/// # Safety
/// If `pointer` is not NULL, it leads to a `T` that nobody changes meanwhile.
pub unsafe fn reference<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Failure> {
    check(pointer, name)?;
    // SAFETY: `check` found it neither NULL nor misaligned.
    Ok(unsafe { &*pointer })
}

/// Drops a handle that the caller gives back. NULL is fine.
///
/// # Safety
/// If `pointer` is not NULL, it is of a `Box::into_raw` and was not given back before.
pub unsafe fn free<T>(pointer: *mut T) {
    enter_or((), || {
        if !pointer.is_null() {
            // SAFETY: not NULL, so it is what the caller promises.
            drop(unsafe { Box::from_raw(pointer) });
        }
    });
}

/// Writes `empty`, NULL that is, where a handle or a pointer will stand.
///
/// # Safety
/// If `out` is not NULL, there is room for a `T`, which nobody else uses meanwhile.
pub unsafe fn place<'a, T>(out: *mut T, name: &str, empty: T) -> Result<&'a mut T, Failure> {
    check(out, name)?;
    // SAFETY: `check` found it neither NULL nor misaligned; it is initialised before a reference is made.
    unsafe {
        out.write(empty);
        Ok(&mut *out)
    }
}

/// # Safety
/// If `len` is not 0 and `pointer` not NULL, it leads to `len` values that nobody changes meanwhile.
pub unsafe fn values<'a, T>(pointer: *const T, len: usize, name: &str) -> Result<&'a [T], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    check(pointer, name)?;
    let bytes = len.checked_mul(size_of::<T>()).filter(|&bytes| isize::try_from(bytes).is_ok());
    if bytes.is_none() {
        return Err(Failure::argument(format!("{len} values of {name} do not fit into the address space")));
    }
    // SAFETY: not NULL, aligned, and at most isize::MAX bytes, all checked above.
    Ok(unsafe { slice::from_raw_parts(pointer, len) })
}

/// # Safety
/// If `pointer` is not NULL, it leads to a text that ends with NUL and that nobody changes meanwhile.
pub unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str, Failure> {
    check(pointer, name)?;
    // SAFETY: `check` found that it is not NULL.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map_err(|_| Failure::argument(format!("{name} is not UTF-8")))
}

/// A struct of this or of an older header, whose missing fields take their defaults, or of a newer one that
/// asks for nothing unknown.
///
/// # Safety
/// If `pointer` is not NULL, it leads to a `usize` and to as many bytes from there on as that says, which
/// nobody changes meanwhile.
pub unsafe fn record<T: Versioned>(pointer: *const T) -> Result<T, Failure> {
    let mut value = T::DEFAULT;
    // SAFETY: as this function; the bytes of `value` are its own.
    unsafe {
        let size = record_size(pointer)?;
        let whole = T::ENDS.iter().rev().find(|end| **end <= size).copied().unwrap_or(0);
        ptr::copy_nonoverlapping(pointer.cast::<u8>(), (&raw mut value).cast::<u8>(), whole);
    }
    Ok(value)
}

/// The size that a struct of the caller begins with.
///
/// # Safety
/// As [`record`].
unsafe fn record_size<T: Versioned>(pointer: *const T) -> Result<usize, Failure> {
    let name = T::NAME;
    check(pointer, name)?;
    // SAFETY: not NULL and aligned for T, which begins with a usize.
    let size = unsafe { pointer.cast::<usize>().read() };
    if !(size_of::<usize>()..=MAX_STRUCT).contains(&size) {
        let advice = format!("{}_INIT sets it", name.to_uppercase());
        return Err(Failure::argument(format!("struct_size of {name} is {size}; {advice}")));
    }
    if size > size_of::<T>() {
        let tail = size - size_of::<T>();
        // SAFETY: the caller's struct has `size` bytes, of which `tail` follow those known here.
        let tail = unsafe { slice::from_raw_parts(pointer.cast::<u8>().add(size_of::<T>()), tail) };
        if tail.iter().any(|&byte| byte != 0) {
            let text = format!("{name} is of a newer header and asks for something that this library lacks");
            return Err(Failure::unsupported(text));
        }
    }
    Ok(size)
}

/// Writes the fields that the caller's struct has, but not its size.
///
/// # Safety
/// As [`record`], and nobody else uses the struct meanwhile.
pub unsafe fn write_record<T: Versioned>(out: *mut T, value: &T) -> Result<(), Failure> {
    let first = size_of::<usize>();
    // SAFETY: the caller's struct has `size` bytes, and no more than those are written; `value` is as long as
    // the last of ENDS.
    unsafe {
        let size = record_size(out)?;
        let whole = T::ENDS.iter().rev().find(|end| **end <= size).copied().unwrap_or(first);
        let source = ptr::from_ref(value).cast::<u8>().add(first);
        ptr::copy_nonoverlapping(source, out.cast::<u8>().add(first), whole - first);
    }
    Ok(())
}

/// Writes the defaults into a struct of `struct_size` bytes, zeros behind the fields known here, and the
/// size.
///
/// # Safety
/// If `out` is not NULL, there is room for `struct_size` bytes, which nobody else uses meanwhile.
pub unsafe fn initialise<T: Versioned>(out: *mut T, struct_size: usize) {
    if check(out, T::NAME).is_err() || !(size_of::<usize>()..=MAX_STRUCT).contains(&struct_size) {
        return;
    }
    let whole = T::ENDS.iter().rev().find(|end| **end <= struct_size).copied().unwrap_or(0);
    // SAFETY: not NULL, aligned, and within the `struct_size` bytes of the caller.
    unsafe {
        ptr::write_bytes(out.cast::<u8>(), 0, struct_size);
        ptr::copy_nonoverlapping(ptr::from_ref(&T::DEFAULT).cast::<u8>(), out.cast::<u8>(), whole);
        out.cast::<usize>().write(struct_size);
    }
}

/// Width, height and area, if they are those of an image.
pub fn size(width: i32, height: i32) -> Result<(usize, usize), Failure> {
    let wrong = || {
        let limits = format!("sides of 1 to {MAX_SIDE} and at most {MAX_PIXELS} pixels are taken");
        Failure::argument(format!("{width}x{height} pixels; {limits}"))
    };
    if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
        return Err(wrong());
    }
    let (w, h) = (width as usize, height as usize);
    if w.saturating_mul(h) > MAX_PIXELS { Err(wrong()) } else { Ok((w, h)) }
}

/// # Safety
/// As [`record`], and its `data` leads to the pixels.
pub unsafe fn frame<'a>(image: *const Image) -> Result<FrameView<'a>, Failure> {
    // SAFETY: as this function.
    let image = unsafe { record(image)? };
    let (width, height) = size(image.width, image.height)?;
    let format = pixel_format(image.format)?;
    let row = width * format.bytes();
    let stride = if image.stride == 0 { row } else { image.stride };
    let before = stride.checked_mul(height - 1).and_then(|bytes| bytes.checked_add(row));
    let len = before.ok_or_else(|| Failure::argument(format!("stride {stride} is too large")))?;
    // SAFETY: the caller's image has that many bytes; `values` checks pointer and length.
    let data = unsafe { values(image.data, len, "data of sam2_image")? };
    Ok(FrameView::with_stride(data, width, height, stride, format)?)
}

/// # Safety
/// As [`values`] for `width · height` bytes.
pub unsafe fn mask(data: *const u8, width: i32, height: i32) -> Result<sam2_model::Mask, Failure> {
    let (width, height) = size(width, height)?;
    // SAFETY: as this function.
    let bytes = unsafe { values(data, width * height, "mask")? };
    Ok(sam2_model::Mask::new(width, height, bytes.iter().map(|&byte| byte != 0).collect())?)
}

/// The points and the box of a prompt. As in Meta's code they may be outside of the image.
///
/// # Safety
/// The pointers of `prompt` lead to as many values as it says.
unsafe fn points(prompt: &Prompt) -> Result<Points, Failure> {
    let (count, most) = (prompt.num_points, Points::MAX);
    if count > most {
        return Err(Failure::prompt(format!("{count} points for one object; at most {most} are taken")));
    }
    let mut points = Points::new().allow_outside(true);
    // SAFETY: as this function.
    for point in unsafe { values(prompt.points, count, "points of sam2_prompt")? } {
        points = points.point(point.x, point.y, Label::try_from(point.label)?);
    }
    if !prompt.r#box.is_null() {
        // SAFETY: as this function: a box has four values.
        let corners = unsafe { values(prompt.r#box, 4, "box of sam2_prompt")? };
        points = points.within([corners[0], corners[1], corners[2], corners[3]]);
    }
    Ok(points)
}

/// A prompt on a frame of a clip or a stream.
///
/// # Safety
/// As [`record`] and for its pointers [`values`].
pub unsafe fn frame_prompt(prompt: *const Prompt) -> Result<Points, Failure> {
    // SAFETY: as this function.
    let prompt = unsafe { record(prompt)? };
    if !prompt.mask_logits.is_null() {
        let text = "mask_logits are for images; give a mask to sam2_tracker_mask or sam2_video_mask";
        return Err(Failure::unsupported(text));
    }
    // SAFETY: as this function.
    unsafe { points(&prompt) }
}

/// `count` prompts on an image, one after the other in memory.
///
/// # Safety
/// As [`record`] for each, at distances of the first one's size, and for their pointers [`values`].
pub unsafe fn image_prompts(
    prompts: *const Prompt,
    count: usize,
    low_res: usize,
    multimask: Multimask,
) -> Result<Vec<ImagePrompt>, Failure> {
    if count > MAX_PROMPTS {
        let text = format!("{count} prompts in one call; at most {MAX_PROMPTS} are taken");
        return Err(Failure::argument(text));
    }
    let mut out = Vec::with_capacity(count);
    let mut stride = 0;
    for i in 0..count {
        // SAFETY: inside of the caller's array, whose elements have the size that the first one states;
        // `record` checks the alignment.
        let (prompt, size) = unsafe {
            let at = prompts.cast::<u8>().wrapping_add(i * stride).cast::<Prompt>();
            (record(at)?, record_size(at)?)
        };
        if i > 0 && size != stride {
            let text = format!("struct_size of prompt {i} is {size}, that of the first {stride}");
            return Err(Failure::argument(text));
        }
        stride = size;
        // SAFETY: as this function.
        let points = unsafe { points(&prompt)? };
        let logits = if prompt.mask_logits.is_null() {
            None
        } else {
            // SAFETY: as this function: the header asks for low_res² values.
            Some(unsafe { values(prompt.mask_logits, low_res * low_res, "mask_logits")? }.to_vec())
        };
        out.push(ImagePrompt::from(points).mask_logits(logits).multimask(multimask));
    }
    Ok(out)
}

/// The engine's number of an object.
pub fn object(obj_id: i64) -> Result<u32, Failure> {
    let wrong = |_| Failure::argument(format!("obj_id is {obj_id}; 0 to {} are taken", u32::MAX));
    u32::try_from(obj_id).map_err(wrong)
}
