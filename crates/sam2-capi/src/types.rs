//! Constants and structs of the header.

use std::ffi::c_char;

/// Raised when something is taken away or changes its meaning, not when something is added.
pub const SAM2_ABI_VERSION: u32 = 1;

/// Result of a call: SAM2_OK or a reason.
pub type Status = i32;

/// Success.
pub const SAM2_OK: i32 = 0;
/// A NULL pointer, a number out of range, an unknown constant, a wrong struct_size.
pub const SAM2_INVALID_ARGUMENT: i32 = 1;
/// A file cannot be read or written.
pub const SAM2_IO: i32 = 2;
/// A checkpoint or a saved session is damaged, or of another model.
pub const SAM2_BAD_CHECKPOINT: i32 = 3;
/// A prompt is empty, malformed, or not a number.
pub const SAM2_BAD_PROMPT: i32 = 4;
/// Not possible now: no image was set, no object prompted, no pass begun.
pub const SAM2_BAD_STATE: i32 = 5;
/// Another thread is in a call with this handle.
pub const SAM2_BUSY: i32 = 6;
/// Reserved; no function of this version returns it.
pub const SAM2_CANCELLED: i32 = 7;
/// Asked for by a newer header than this library knows, or not possible for this kind of prompt.
pub const SAM2_UNSUPPORTED: i32 = 8;
/// A defect of the library. The handle cannot be used any more; it can be freed.
pub const SAM2_INTERNAL: i32 = 9;

/// Pixel format: red, green, blue.
pub const SAM2_RGB8: i32 = 0;
/// Pixel format: blue, green, red, as in OpenCV.
pub const SAM2_BGR8: i32 = 1;
/// Pixel format: red, green, blue, and an alpha that is ignored.
pub const SAM2_RGBA8: i32 = 2;
/// Pixel format: blue, green, red, and an alpha that is ignored.
pub const SAM2_BGRA8: i32 = 3;
/// Pixel format: one byte.
pub const SAM2_GRAY8: i32 = 4;

/// Direction of a pass: towards the end of the clip.
pub const SAM2_FORWARD: i32 = 0;
/// Direction of a pass: towards the beginning of the clip.
pub const SAM2_REVERSE: i32 = 1;

/// Memory policy: Meta's.
pub const SAM2_MEMORY_SAM2: i32 = 0;
/// Memory policy: SAMURAI.
pub const SAM2_MEMORY_SAMURAI: i32 = 1;
/// Memory policy: DAM4SAM.
pub const SAM2_MEMORY_DAM4SAM: i32 = 2;
/// Memory policy: SAM2Long.
pub const SAM2_MEMORY_SAM2LONG: i32 = 3;

/// Precision of the linear layers: single.
pub const SAM2_F32: i32 = 0;
/// Precision of the linear layers: 8 bits.
pub const SAM2_INT8: i32 = 1;
/// Precision of the linear layers: bf16.
pub const SAM2_BF16: i32 = 2;

/// Event: the object has become absent.
pub const SAM2_LOST: i32 = 1;
/// Event: the object is present again.
pub const SAM2_FOUND: i32 = 2;

/// Pixels of the caller, row by row. Read during the call only.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// sizeof(sam2_image).
    pub struct_size: usize,
    /// First byte of the top left pixel.
    pub data: *const u8,
    /// Pixels.
    pub width: i32,
    /// Pixels.
    pub height: i32,
    /// Bytes from a row to the next; 0: rows follow each other without a gap.
    pub stride: usize,
    /// SAM2_RGB8 to SAM2_GRAY8.
    pub format: i32,
}

/// A point in pixels of the image: x to the right, y down. It may be outside of the image.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Pixels.
    pub x: f32,
    /// Pixels.
    pub y: f32,
    /// 1 on the object, 0 off it; 2 and 3 the corners of a box; -1 ignored.
    pub label: i32,
}

/// The object to segment: points, a box, a mask, or several of them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Prompt {
    /// sizeof(sam2_prompt). In an array all elements have the size of the first.
    pub struct_size: usize,
    /// num_points points, or NULL.
    pub points: *const Point,
    /// At most 4096.
    pub num_points: usize,
    /// x0, y0, x1, y1 in pixels with x0 < x1 and y0 < y1, or NULL.
    pub r#box: *const f32,
    /// Logits of an earlier mask, sam2_model_low_res_size() squared, or NULL. For images only.
    pub mask_logits: *const f32,
}

/// How a checkpoint is loaded.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ModelOptions {
    /// sizeof(sam2_model_options).
    pub struct_size: usize,
    /// SAM2_F32, SAM2_INT8 or SAM2_BF16.
    pub precision: i32,
    /// Side that images are resized to, a multiple of 64; 0: the model's.
    pub image_size: i32,
    /// One of Meta's YAML files, or NULL: found from the checkpoint.
    pub config_path: *const c_char,
}

/// How objects are tracked. -1 stands for what the model's configuration says.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct VideoOptions {
    /// sizeof(sam2_video_options).
    pub struct_size: usize,
    /// SAM2_MEMORY_SAM2 to SAM2_MEMORY_SAM2LONG, or -1.
    pub memory: i32,
    /// Holes of at most this many pixels of the low-resolution logits are filled; -1 or more.
    pub fill_hole_area: i32,
    /// 1: every pixel belongs to one object at most; 0 or -1.
    pub non_overlap: i32,
    /// 1: data of all frames are kept, for corrections of any of them; 0: memory does not grow.
    pub keep_everything: i32,
    /// Number of prompted frames that tracking reads, at least 2; 0: the model's.
    pub max_cond_frames: i32,
}

/// A mask, filled by sam2_masks_get().
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Mask {
    /// sizeof(sam2_mask).
    pub struct_size: usize,
    /// The tracked object; for an image the index of its prompt.
    pub obj_id: i64,
    /// Pixels.
    pub width: i32,
    /// Pixels.
    pub height: i32,
    /// width * height bytes, 255 inside and 0 outside. Valid until sam2_masks_free().
    pub data: *const u8,
    /// The model's estimate of the mask's IoU with the object, 0 to 1.
    pub predicted_iou: f32,
    /// IoU of the masks at thresholds 1 and -1, 0 to 1.
    pub stability: f32,
    /// Logit of the object being present: it is if above 0.
    pub object_score: f32,
    /// Number of pixels inside.
    pub area: u64,
    /// x0, y0, x1, y1 of the outermost pixels inside, all inclusive; -1 each if there is none.
    pub bbox: [i32; 4],
    /// 0, SAM2_LOST or SAM2_FOUND.
    pub event: i32,
}
